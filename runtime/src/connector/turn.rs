//! When may a further request of a call leave, after the one that was admitted?
//!
//! Each request counts against the limits of its connection. A call that takes several, as one with many inputs does, and one
//! that needs a token first, waits for the turns of the others while it is under way, within its time.

use flow_model::{
    plan::Breaker,
    schema::Limit,
    units::{Instant, Millis},
};

use super::{
    Admission, Connectors, Invocation, Terms,
    gate::{Gates, Leaving},
    perform::Found,
};

/// A turn that does not come in time.
pub(super) struct TooLate {
    /// How long it would take.
    pub(super) left: Millis,
    /// What it would wait for, in words.
    pub(super) because: String,
}

/// The limits that each request of a connection uses up; how many calls are under way is not one.
pub(super) fn limits(found: Found<'_>) -> Vec<Limit> {
    let limits = found.connector.http.iter().flat_map(|http| http.limits.iter().copied());
    limits.filter(|limit| !matches!(limit, Limit::Concurrent(_))).collect()
}

impl Connectors {
    /// Waits until a further request of a call may leave, and counts it.
    ///
    /// # Errors
    /// That is after `until`.
    pub(super) async fn turn(
        &self,
        invocation: &Invocation,
        account: &str,
        limits: &[Limit],
        cost: u32,
        until: Instant,
    ) -> Result<(), TooLate> {
        // The call that it belongs to has been let through.
        let terms = Terms { breaker: Some(Breaker::none()), budget: None };
        let ticket = format!("{} {}", invocation.key, rand::random::<u64>());
        let leaving = Leaving { connection: &invocation.connection, ticket: &ticket, attempt: 1, limits, cost, terms };
        let _given_back = Withdraws { gates: &self.gates, account, ticket: &ticket };
        loop {
            let now = self.clock.now();
            let Admission::At { at, because, .. } = self.gates.ask(account, leaving, now) else { return Ok(()) };
            if at > until {
                return Err(TooLate { left: at.since(now), because });
            }
            self.clock.sleep_as_far_as(at).await;
        }
    }
}

/// Gives the place of a request back that was not sent, also where the call is given up meanwhile.
struct Withdraws<'a> {
    gates: &'a Gates,
    account: &'a str,
    ticket: &'a str,
}

impl Drop for Withdraws<'_> {
    fn drop(&mut self) {
        self.gates.withdraw(self.account, self.ticket);
    }
}
