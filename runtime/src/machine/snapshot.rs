//! What is a run as it stands, apart from how it came to that?
//!
//! A snapshot holds all that the machine has of a run that is under way, but for the plan that the run is pinned to. The
//! machine that is made of it goes on as the one that it was taken of. It is not for long: only the version of the program
//! that wrote it reads it, and a journal gives the same at any time.

use std::{collections::VecDeque, sync::Arc};

use flow_model::plan::Plan;

use super::{Machine, Place, pending::Pending};
use crate::eval::Library;

/// What tells snapshots apart that don't read alike, or from which machines go on in another way: the version of the
/// program and a number. The number is raised with each change of what the machine has of a run, or of what it makes of it.
pub const FORM: &str = concat!(env!("CARGO_PKG_VERSION"), "-5");

impl Machine {
    /// The run as it stands, as JSON; none once it is over.
    pub fn snapshot(&self) -> Option<String> {
        // Without `..`, so that what the machine has in addition one day is not forgotten here.
        let Self {
            run: _,
            plan: _,
            library: _,
            actions: _,
            version,
            keys,
            origin,
            called,
            env,
            seed,
            drawn,
            here,
            now,
            deadline,
            clock,
            scopes,
            threads,
            forks,
            pending,
            sagas,
            root,
            ending,
            ready,
            next_id,
            answered,
            outcome,
            taken,
        } = self;
        if outcome.is_some() || !ready.is_empty() {
            return None;
        }
        let pending: Vec<_> = pending.iter().collect();
        let given = (version, keys, origin, called, env, seed, drawn, here, now, deadline, clock);
        let open = (scopes, threads, forks, pending, sagas, root);
        serde_json::to_string(&(given, open, ending, next_id, answered, taken)).ok()
    }

    /// The run that a snapshot was taken of.
    ///
    /// # Errors
    /// When it is not a snapshot of this [`FORM`].
    pub fn restore(
        run: impl Into<String>,
        plan: Arc<Plan>,
        library: Library,
        snapshot: &str,
    ) -> Result<Self, serde_json::Error> {
        let (given, open, ending, next_id, answered, taken) = serde_json::from_str(snapshot)?;
        let (version, keys, origin, called, env, seed, drawn, here, now, deadline, clock) = given;
        let (scopes, threads, forks, pending, sagas, root) = open;
        let pending: Vec<(Place, Pending)> = pending;
        Ok(Self {
            run: run.into(),
            version,
            keys,
            origin,
            called,
            plan,
            library,
            env,
            seed,
            drawn,
            here,
            now,
            deadline,
            clock,
            scopes,
            threads,
            forks,
            pending: pending.into_iter().collect(),
            sagas,
            root,
            ending,
            ready: VecDeque::new(),
            next_id,
            answered,
            outcome: None,
            actions: Vec::new(),
            taken,
        })
    }
}
