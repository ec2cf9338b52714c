//! Which plans do runs need that are not over, and how is one of them continued alone?
//!
//! A plan says which secrets and variables its runs need. A run that is continued without them fails, so whoever continues
//! runs asks first.

use std::sync::Arc;

use flow_model::plan::Plan;

use super::{ControlError, Engine, RunId, drive::Message};
use crate::store::Error;

impl Engine {
    /// The plans that runs are pinned to that are not over, each once.
    ///
    /// # Errors
    /// When the store can't be read. A plan that is missing or does not read is left out: its runs are set aside when they
    /// are continued.
    pub async fn plans_in_use(&self) -> Result<Vec<Arc<Plan>>, Error> {
        let mut plans = Vec::new();
        for digest in self.inner.store.pinned().await? {
            let plan = self.inner.store.plan(&digest).await?;
            plans.extend(plan.and_then(|plan| serde_json::from_slice(&plan).ok()).map(Arc::new));
        }
        Ok(plans)
    }

    /// The plan that a run is pinned to, if it is there and reads.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn plan_of(&self, run: &RunId) -> Result<Option<Arc<Plan>>, Error> {
        let Some(summary) = self.inner.store.summary(run).await? else { return Ok(None) };
        let plan = self.inner.store.plan(&summary.plan).await?;
        Ok(plan.and_then(|plan| serde_json::from_slice(&plan).ok()).map(Arc::new))
    }

    /// Continues one run that is not over, and no other. The timers have to be watched: [`Engine::watch`].
    ///
    /// # Errors
    /// When there is no such run, it is over, or it may be going on where this store was copied from.
    pub async fn take_up(&self, run: &RunId) -> Result<(), ControlError> {
        self.inner.store.check_origin()?;
        match self.inner.store.summary(run).await? {
            None => Err(ControlError::Unknown(run.clone())),
            Some(summary) if summary.state.is_final() => {
                Err(ControlError::Over { run: run.clone(), state: summary.state })
            }
            Some(_) => {
                // It may have to begin first, and may have been told something.
                for message in [Message::Look, Message::Mail, Message::Begin] {
                    self.inner.post(run, message);
                }
                Ok(())
            }
        }
    }
}
