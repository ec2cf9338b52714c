//! How does a trigger look at a system, outside of any run?
//!
//! By a call that reads, under a permit and within the limits of its connection, as calls of runs are. Nothing of it is written
//! down: what was seen is on disk with the runs that it starts.

use std::panic::AssertUnwindSafe;

use flow_model::{
    failure::{ErrorKind, Failure},
    units::Millis,
};
use futures::FutureExt as _;

use super::{Engine, polls::Poller};
use crate::connector::{Admission, Admitted, Asking, Attempt, Invocation, Reached, Terms};

/// How much longer than its time a call may take before it is given up.
const BEYOND: Millis = Millis::seconds(5);

impl Engine {
    /// Carries out a call that reads, and tells the trigger that looks what it waits for. `ticket` tells it from all others.
    pub(crate) async fn look(
        &self,
        invocation: Invocation,
        (ticket, attempt): (&str, u32),
        terms: Terms,
        poller: &Poller,
    ) -> Attempt {
        let settings = &self.inner.settings;
        let lost = |kind, message: String| Attempt {
            outcome: Err(Failure::new(kind, message)),
            retry_after: None,
            reached: Reached::Never,
            parked: None,
        };
        let pass = loop {
            let asking = Asking { invocation: &invocation, ticket, attempt, terms };
            match settings.performer.admit(&asking) {
                Admission::Now(pass) => break pass,
                Admission::Later(pass) => break pass.await,
                Admission::At { at, because, waits } => {
                    poller.waits(because, waits, settings.clock.now(), at);
                    settings.clock.sleep_as_far_as(at).await;
                }
            }
        };
        poller.leaves(settings.clock.now());
        let Some(_permit) = self.inner.rooms.take(&invocation.plan, &invocation.connection).await else {
            return lost(ErrorKind::Unavailable, "the engine is shutting down".to_owned());
        };
        let admitted = Some(Admitted { ticket: ticket.to_owned(), attempt, terms, account: pass.account() });
        let invocation = Invocation { admitted, ..invocation };
        let (connection, timeout) = (invocation.connection.clone(), invocation.timeout);
        let over = settings.clock.sleep(Millis(timeout.0.saturating_add(BEYOND.0)));
        let attempt = tokio::select! {
            biased;
            answer = AssertUnwindSafe(settings.performer.perform(invocation)).catch_unwind() => {
                answer.unwrap_or_else(|_| {
                    tracing::error!(connection, "a connector panicked");
                    lost(ErrorKind::Unavailable, format!("the connector of `{connection}` broke down"))
                })
            }
            () = over => lost(ErrorKind::Timeout, format!("no answer within {timeout}")),
        };
        drop(pass);
        attempt
    }
}
