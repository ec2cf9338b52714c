//! How is one attempt made?
//!
//! Under a permit, within its time, and so that a panic in a connector is a failed attempt and nothing more.

use std::{panic::AssertUnwindSafe, sync::Arc};

use flow_model::{
    failure::{ErrorKind, Failure},
    plan::Plan,
    units::{Instant, Millis},
};
use futures::FutureExt as _;

use super::{
    Happening, Inner, RunId,
    drive::{Message, Stage},
    room::Permit,
};
use crate::{
    blob,
    connector::{Admission, Admitted, Asking, Attempt, Invocation, Parked, Pass, Reached, Waiting},
    machine::{Call, Event, Outage, Place, Repeat},
    observe::{Attempted, Ending, Trace},
};

/// How much longer than its time a call may take before it is given up: performers keep the time themselves, and know
/// better how far it came.
const BEYOND: Millis = Millis::seconds(5);

/// How long a call that must wait holds its task; one that waits longer is written down and holds none.
const SHORT: Millis = Millis(1000);

/// After what time a call asks again that has found too many others before it, at the least; at most after twice that.
const LATER: Millis = Millis::seconds(30);

/// What a call that leaves holds until it has ended.
pub(super) struct Leave {
    _permit: Permit,
    pass: Pass,
}

/// How a call sets out.
pub(super) enum Going {
    /// It asks whether it may leave.
    Asks,
    /// It is held, and asks again. Only when its turn has come is that written down, and it leaves.
    AsksAgain,
    /// It may leave.
    Leaves(Leave),
}

/// Whether a call is held for the first time since it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    New,
    Further,
}

/// Until when a call is held, and why.
struct Held {
    until: Instant,
    because: String,
    waits: Waiting,
}

/// An attempt under way, of which the observer hears when it is over, however it ends.
struct Watched<'a> {
    inner: &'a Inner,
    run: &'a RunId,
    flow: &'a str,
    trace: Trace,
    call: &'a Call,
    began: Instant,
    /// None while it is under way.
    outcome: Option<Result<(), ErrorKind>>,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let Self { inner, run, flow, trace, call, began, outcome } = self;
        inner.settings.observer.attempted(&Attempted {
            run,
            flow,
            trace: *trace,
            place: &call.place,
            attempt: call.attempt,
            connection: &call.connection,
            operation: &call.operation,
            began: *began,
            ended: inner.settings.clock.now(),
            outcome: match outcome {
                Some(Ok(())) => Ending::Ok,
                Some(Err(kind)) => Ending::Failed(kind),
                None => Ending::Abandoned,
            },
        });
    }
}

/// What tells an attempt from all others that are made at the same time.
pub(super) fn ticket(run: &RunId, place: &Place) -> String {
    format!("{run} {place}")
}

impl Inner {
    /// Makes an attempt and reports its outcome. Without a permit, a call waits for one first; if it is not safe to repeat,
    /// it then asks to be recorded as begun, and does not leave yet.
    pub(super) async fn fly(self: Arc<Self>, run: RunId, plan: Arc<Plan>, trace: Trace, call: Call, going: Going) {
        let leave = match going {
            Going::Leaves(leave) => leave,
            Going::Asks => {
                let Some(leave) = self.leave_in_time(&run, &plan, &call, Hold::New).await else { return };
                if call.repeat == Repeat::Unsafe {
                    self.land(&run, &call);
                    let (place, attempt) = (call.place, call.attempt);
                    return self.post(&run, Message::Permitted { place, attempt, leave });
                }
                leave
            }
            Going::AsksAgain => {
                let Some(leave) = self.leave_in_time(&run, &plan, &call, Hold::Further).await else { return };
                if let Some(parked) = self.settings.performer.parks(&invocation(plan, &call)).await {
                    return self.park(&run, &call, Hold::Further, parked);
                }
                self.land(&run, &call);
                let (place, attempt) = (call.place, call.attempt);
                return self.post(&run, Message::Turn { place, attempt, leave });
            }
        };
        if call.repeat == Repeat::Safe && !self.leave(&run, &call) {
            return;
        }
        let (place, attempt) = (call.place.clone(), call.attempt);
        let flow = plan.flow.clone();
        let began = self.settings.clock.now();
        let mut watched = Watched { inner: &self, run: &run, flow: &flow, trace, call: &call, began, outcome: None };
        self.tell(&run, &flow, trace, began, Happening::AttemptStarted { place: place.clone(), attempt });
        let answer = self.perform(&run, plan, &call, leave.pass.account(), self.traceparent(&run, trace, &call)).await;
        let probe = leave.pass.is_for_a_trial();
        drop(leave);
        let answer = self.bounded(self.settled(answer).await, &call);
        // One that is parked has neither a result nor a failure.
        if answer.parked.is_none() {
            watched.outcome = Some(answer.outcome.as_ref().map(drop).map_err(|failure| failure.kind.clone()));
        }
        drop(watched);
        let Attempt { outcome, retry_after, reached, parked } = answer;
        tracing::debug!(%run, flow, %place, attempt, ok = outcome.is_ok(), "attempt ended");
        if let Some(parked) = parked {
            return self.park(&run, &call, Hold::New, parked);
        }
        self.land(&run, &call);
        let draw = self.settings.chance.draw() as u32;
        self.post(
            &run,
            Message::Event(Event::Attempted { place, attempt, outcome, reached, retry_after, draw, probe }),
        );
    }

    /// Waits for what a call needs to leave; none when that takes so long that the run waits without it.
    async fn leave_in_time(self: &Arc<Self>, run: &RunId, plan: &Arc<Plan>, call: &Call, hold: Hold) -> Option<Leave> {
        if self.rooms.is_crowded(plan, &call.connection) {
            let again = LATER.0 + self.settings.chance.draw() % LATER.0;
            let because = format!("`{}` has as many calls under way as it may, and many more wait", call.connection);
            self.park(run, call, hold, Parked { because, again: Millis(again), waits: Waiting::Turn });
            return None;
        }
        // Before the permit, so that waiting for one connection's limit holds up no other's calls.
        let pass = self.admitted(run, plan, call, hold).await?;
        let permit = self.rooms.take(plan, &call.connection).await?;
        Some(Leave { _permit: permit, pass })
    }

    /// Lets a run wait without a call until it may ask again.
    fn park(self: &Arc<Self>, run: &RunId, call: &Call, hold: Hold, Parked { because, again, waits }: Parked) {
        let until = self.settings.clock.now().after(again);
        self.held(run, call, hold, Held { until, because, waits });
    }

    /// Lets a run wait until a time. Where the program deals with it that the system does not work, it hears of that instead,
    /// as it would from the system, and nothing leaves.
    fn held(self: &Arc<Self>, run: &RunId, call: &Call, hold: Hold, Held { until, because, waits }: Held) {
        self.land(run, call);
        let (place, attempt) = (call.place.clone(), call.attempt);
        let message = match (waits, call.outage, hold) {
            (Waiting::Recovery, Outage::DealtWith, _) => Message::Event(Event::Attempted {
                place,
                attempt,
                outcome: Err(Failure::new(ErrorKind::Unavailable, format!("{because}, so it was not called"))),
                reached: Reached::Never,
                retry_after: None,
                draw: self.settings.chance.draw() as u32,
                probe: false,
            }),
            (_, _, Hold::New) => Message::Event(Event::Held { place, attempt, until, because }),
            (_, _, Hold::Further) => Message::HeldOn { place, attempt, until, because },
        };
        self.post(run, message);
    }

    /// Waits until the connection lets a call leave; none when that takes so long that the run waits without it.
    async fn admitted(self: &Arc<Self>, run: &RunId, plan: &Arc<Plan>, call: &Call, hold: Hold) -> Option<Pass> {
        let invocation = invocation(Arc::clone(plan), call);
        let ticket = ticket(run, &call.place);
        let (attempt, terms) = (call.attempt, call.terms);
        loop {
            let asking = Asking { invocation: &invocation, ticket: &ticket, attempt, terms };
            match self.settings.performer.admit(&asking) {
                Admission::Now(pass) => return Some(pass),
                Admission::Later(pass) => return Some(pass.await),
                Admission::At { at, because, waits } => {
                    if at.since(self.settings.clock.now()) > SHORT {
                        self.held(run, call, hold, Held { until: at, because, waits });
                        return None;
                    }
                    self.settings.clock.sleep_as_far_as(at).await;
                }
            }
        }
    }

    /// Lets a call leave at once that has to be recorded as begun, if its connection does and there is room. Others ask by
    /// themselves.
    pub(super) fn leave_at_once(&self, run: &RunId, plan: &Arc<Plan>, call: &Call) -> Option<Leave> {
        if call.repeat == Repeat::Safe || self.is_closing() {
            return None;
        }
        let permit = self.rooms.take_at_once(plan, &call.connection)?;
        let invocation = invocation(Arc::clone(plan), call);
        let ticket = ticket(run, &call.place);
        let asking = Asking { invocation: &invocation, ticket: &ticket, attempt: call.attempt, terms: call.terms };
        match self.settings.performer.admit(&asking) {
            Admission::Now(pass) => Some(Leave { _permit: permit, pass }),
            Admission::At { .. } | Admission::Later(_) => None,
        }
    }

    /// What an attempt tells the system that it calls of its trace, when somebody keeps that.
    fn traceparent(&self, run: &RunId, trace: Trace, call: &Call) -> Option<String> {
        let sampled = self.settings.observer.samples(&trace)?;
        let span = Trace::attempt(run, &call.place, call.attempt);
        Some(Trace { sampled, ..trace.under(span) }.to_string())
    }

    async fn perform(
        &self,
        run: &RunId,
        plan: Arc<Plan>,
        call: &Call,
        account: Option<Arc<str>>,
        traceparent: Option<String>,
    ) -> Attempt {
        let ticket = ticket(run, &call.place);
        let admitted = Some(Admitted { ticket, attempt: call.attempt, terms: call.terms, account });
        let invocation = Invocation { traceparent, admitted, ..invocation(plan, call) };
        // The time begins before the call does.
        let over = self.settings.clock.sleep(Millis(call.timeout.0.saturating_add(BEYOND.0)));
        let unknown = |kind, message: String| Attempt {
            outcome: Err(Failure::new(kind, message)),
            retry_after: None,
            reached: Reached::Perhaps,
            parked: None,
        };
        tokio::select! {
            biased;
            answer = AssertUnwindSafe(self.settings.performer.perform(invocation)).catch_unwind() => {
                answer.unwrap_or_else(|_| {
                    tracing::error!(connection = call.connection, operation = call.operation, "a connector panicked");
                    let message = format!("the connector of `{}` broke down", call.connection);
                    unknown(ErrorKind::Unavailable, message)
                })
            }
            () = over => {
                unknown(ErrorKind::Timeout, format!("no answer within {}", call.timeout))
            }
        }
    }

    /// Keeps the bytes of large files that came as values.
    async fn settled(&self, attempt: Attempt) -> Attempt {
        let Ok(value) = attempt.outcome else { return attempt };
        let outcome = blob::settle(&*self.settings.blobs, value).await.map_err(Failure::from);
        Attempt { outcome, ..attempt }
    }

    /// Refuses a result that is too large for the journal.
    fn bounded(&self, mut attempt: Attempt, call: &Call) -> Attempt {
        let most = self.settings.limits.result;
        if let Ok(value) = &attempt.outcome
            && serde_json::to_vec(value).map_or(0, |json| json.len()) > most
        {
            let message = format!("the result of `{}` has more than {most} bytes", call.operation);
            attempt.outcome = Err(Failure::new(ErrorKind::Mismatch, message));
        }
        attempt
    }

    /// Marks a call as having left; says no when it was dropped meanwhile.
    fn leave(&self, run: &RunId, call: &Call) -> bool {
        if self.is_closing() {
            return false;
        }
        match self.state().cells.get_mut(run).and_then(|cell| cell.flights.get_mut(&call.place)) {
            Some(flight) => {
                flight.stage = Stage::Away;
                true
            }
            None => false,
        }
    }

    /// Takes a call off the list of those under way.
    fn land(&self, run: &RunId, call: &Call) {
        if let Some(cell) = self.state().cells.get_mut(run) {
            cell.flights.remove(&call.place);
        }
    }

    /// Ends calls that wait for a permit: they have not left.
    pub(super) fn stop_waiting_calls(&self) {
        for cell in self.state().cells.values_mut() {
            cell.flights.retain(|_, flight| {
                let waits = flight.stage == Stage::Queued;
                if waits {
                    flight.handle.abort();
                }
                !waits
            });
        }
    }
}

/// The call as connectors see it.
fn invocation(plan: Arc<Plan>, call: &Call) -> Invocation {
    Invocation {
        plan,
        connection: call.connection.clone(),
        operation: call.operation.clone(),
        result: call.result.clone(),
        page: call.page.clone(),
        args: call.args.clone(),
        nulls: call.nulls.clone(),
        key: call.key.clone(),
        timeout: call.timeout,
        traceparent: None,
        admitted: None,
    }
}
