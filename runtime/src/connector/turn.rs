//! When may a further request of a call leave, after the one that was admitted?
//!
//! Each request counts against the limits of its connection. A call that takes several, as one with many inputs does, one
//! that needs a token first and one that its system redirects, waits for the turns of the others while it is under way,
//! within its time.

use flow_model::{
    failure::{ErrorKind, Failure},
    plan::Breaker,
    schema::Limit,
    units::{Instant, Millis},
};

use super::{
    Admission, Connectors, Invocation, Terms,
    gate::{Gates, Leaving},
    perform::Found,
    redirect::host,
    request::Prepared,
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
        let ticket = ticket(invocation);
        let leaving = leaving(invocation, &ticket, limits, cost);
        let _given_back = Withdraws { gates: &self.gates, account, ticket: &ticket };
        self.let_through(account, leaving, until).await
    }

    async fn let_through(&self, account: &str, leaving: Leaving<'_>, until: Instant) -> Result<(), TooLate> {
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

/// The call that a further request belongs to has been let through by the breaker.
fn leaving<'a>(invocation: &'a Invocation, ticket: &'a str, limits: &'a [Limit], cost: u32) -> Leaving<'a> {
    let terms = Terms { breaker: Some(Breaker::none()), budget: None };
    Leaving { connection: &invocation.connection, ticket, attempt: 1, limits, cost, terms }
}

/// What tells a further request from all others.
fn ticket(invocation: &Invocation) -> String {
    format!("{} {}", invocation.key, rand::random::<u64>())
}

/// When a call that its system redirects may leave again.
pub(super) struct Hops<'a> {
    pub(super) connectors: &'a Connectors,
    pub(super) invocation: &'a Invocation,
    pub(super) found: Found<'a>,
    /// When the call has to be over.
    pub(super) until: Instant,
}

impl Hops<'_> {
    /// Waits until a request may leave that follows a redirect, and counts it: for what the call costs, since it is the same
    /// request again. One that goes elsewhere than to the system carries no credential, and counts for no account.
    ///
    /// # Errors
    /// That is not within the time of the call.
    pub(super) async fn wait(&self, next: &Prepared) -> Result<(), Failure> {
        if !next.servers.contains(&next.url.origin()) {
            return Ok(());
        }
        let Self { connectors, invocation, found, until } = self;
        let account = connectors.account(invocation, *found)?;
        let (limits, ticket) = (limits(*found), ticket(invocation));
        let cost = connectors.cost(invocation, *found, &invocation.args);
        let leaving = leaving(invocation, &ticket, &limits, cost);
        let _given_back = Withdraws { gates: &connectors.gates, account: &account, ticket: &ticket };
        loop {
            let turn = connectors.let_through(&account, leaving, *until).await;
            turn.map_err(|TooLate { left, because }| {
                let message = format!(
                    "`{}` redirects to `{}`, and {because}: the request there may leave in {left}, and the call has to end \
                     within {}; give the step a longer `timeout`",
                    invocation.connection,
                    host(&next.url),
                    invocation.timeout
                );
                Failure::new(ErrorKind::RateLimited, message)
            })?;
            // It asks again where too many have left meanwhile, and has its place then.
            if connectors.gates.depart(&account, leaving, &*connectors.clock).await.is_ok() {
                return Ok(());
            }
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
