//! Which plans do new runs use?
//!
//! A run keeps the plan that it began with. New ones use what was deployed last.

use std::sync::Arc;

use flow_model::plan::Plan;

use super::{Engine, env};
use crate::store::Error;

/// A flow that new runs can use.
#[derive(Clone)]
pub(super) struct Deployed {
    pub(super) digest: String,
    pub(super) plan: Arc<Plan>,
    pub(super) env: Vec<String>,
    /// Whether its runs draw random values.
    pub(super) draws: bool,
}

impl Deployed {
    pub(super) fn of(plan: Arc<Plan>) -> Self {
        let env = env::names(&plan).into_iter().collect();
        Self { digest: plan.digest(), env, draws: env::draws(&plan), plan }
    }
}

impl Engine {
    /// Makes a plan the one that new runs of its flow use. It is on disk when this returns.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn deploy(&self, plan: Arc<Plan>) -> Result<(), Error> {
        let _deploying = self.inner.deploying.lock().await;
        let deployed = self.put_down(plan).await?;
        let mut state = self.inner.state();
        state.plans.insert(deployed.digest.clone(), Arc::clone(&deployed.plan));
        state.deployed.insert(deployed.plan.flow.clone(), deployed);
        Ok(())
    }

    /// Makes these plans the ones that new runs use, and no others: other flows have no new runs. All change at the same
    /// moment, and are on disk when this returns.
    ///
    /// # Errors
    /// When they can't be written. New runs then use what they used before.
    pub async fn deploy_only(&self, plans: &[Arc<Plan>]) -> Result<(), Error> {
        let _deploying = self.inner.deploying.lock().await;
        let mut all = Vec::new();
        for plan in plans {
            all.push(self.put_down(Arc::clone(plan)).await?);
        }
        let mut state = self.inner.state();
        for deployed in &all {
            state.plans.insert(deployed.digest.clone(), Arc::clone(&deployed.plan));
        }
        state.deployed = all.into_iter().map(|deployed| (deployed.plan.flow.clone(), deployed)).collect();
        Ok(())
    }

    async fn put_down(&self, plan: Arc<Plan>) -> Result<Deployed, Error> {
        let json = serde_json::to_vec(&*plan).expect("a plan is always writable as JSON");
        let deployed = Deployed::of(plan);
        self.inner.halted.check()?;
        let added = self.inner.store.add_plan(deployed.digest.clone(), deployed.plan.flow.clone(), json).await;
        added.inspect_err(|error| self.inner.halt(error.clone()))?;
        Ok(deployed)
    }
}
