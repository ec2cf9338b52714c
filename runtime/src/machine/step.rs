//! How is a step performed: attempts, retries, and what is done when the outcome is not known?
//!
//! A failed attempt is recorded, then a timer, then comes the next attempt. The wait is drawn evenly from zero to a bound
//! that grows with each attempt (full jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015),
//! and is never shorter than what the server asks for. A call that is not safe to repeat is repeated only when its request
//! never left.

use std::sync::Arc;

use flow_model::{
    failure::{ErrorKind, Failure},
    plan::{DEFAULT_TIMEOUT, NodeKind, Retry, Step},
    schema::{Effect, Operation},
    units::{Instant, Millis},
    value::Value,
};
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

use super::{
    Action, Call, Decision, ForkId, Machine, Outage, Place, Progress, Raised, Record, Repeat, ThreadId, Went,
    pending::Pending, stream,
};
use crate::{
    connector::{LONGEST_WAIT, Reached, Terms},
    eval::{Evaluator, Frame},
};

/// The parameters for which `null` is written.
fn written_nulls(step: &Step) -> Vec<usize> {
    step.args.iter().enumerate().filter(|(_, arg)| arg.is_written_null()).map(|(index, _)| index).collect()
}

/// A step under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CallState {
    thread: ThreadId,
    node: NodeIndex,
    /// Counts from 1.
    attempt: u32,
    /// When the first attempt was asked for.
    since: Instant,
    args: Vec<Value>,
    key: String,
    repeat: Repeat,
    progress: Progress,
    /// Whether an attempt has failed in a way that leaves open whether it took effect.
    doubt: Doubt,
    /// What the attempt under way, or the next one, does.
    stage: Stage,
    /// How many of the attempts have only looked.
    looks: u32,
    /// How many of the attempts have failed that were to see whether the system works again: they do not count.
    probes: u32,
    /// Why an earlier attempt failed of which it is looked what it did.
    cause: Option<Failure>,
    /// The loop that it fetches a page for, and where that begins.
    page: Option<(ForkId, Value)>,
}

impl CallState {
    /// The clock was set by so much.
    pub(super) fn moved(&mut self, by: i64) {
        self.since = self.since.moved(by);
    }
}

/// What an attempt does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Stage {
    /// It calls the operation.
    Call,
    /// It calls the operation that finds what an earlier attempt did, with these arguments.
    Look(String, Vec<Value>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Doubt {
    None,
    Some,
}

impl CallState {
    /// A step whose first attempt is asked for.
    fn new(
        (thread, node): (ThreadId, NodeIndex),
        since: Instant,
        args: Vec<Value>,
        key: String,
        repeat: Repeat,
    ) -> Self {
        Self {
            thread,
            node,
            attempt: 1,
            since,
            args,
            key,
            repeat,
            progress: Progress::Waiting,
            doubt: Doubt::None,
            stage: Stage::Call,
            looks: 0,
            probes: 0,
            cause: None,
            page: None,
        }
    }

    pub(super) fn node(&self) -> NodeIndex {
        self.node
    }

    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How many of the attempts are calls that count, with the one under way.
    fn calls(&self) -> u32 {
        self.attempt - self.looks - self.probes
    }

    /// Says whether an earlier attempt may have taken effect.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubt == Doubt::Some
    }

    /// Says whether the attempt under way, or one before it, may have taken effect.
    pub(super) fn may_have_taken_effect(&self) -> bool {
        self.is_doubtful() || self.repeat == Repeat::Safe || self.progress == Progress::Begun
    }
}

/// What the host knows about an attempt besides its outcome.
#[derive(Clone, Copy)]
pub(super) struct Hints {
    pub(super) reached: Reached,
    pub(super) retry_after: Option<Millis>,
    pub(super) draw: u32,
    pub(super) probe: bool,
}

impl Machine {
    /// Asks for the first attempt of a step.
    pub(super) fn schedule(&mut self, thread: ThreadId, node: NodeIndex, step: &Step) -> Result<Went, Box<Raised>> {
        let place = self.place(thread, node);
        let args = step.args.iter().map(|arg| self.value(thread, node, arg)).collect::<Result<Vec<_>, _>>()?;
        if self.operation(step).is_some_and(|operation| operation.page.is_some()) {
            self.set_result(thread, node, stream::origin(node, args));
            self.pass(thread);
            return Ok(Went::On);
        }
        let key = match &step.key {
            None => place.key(&self.keys),
            Some(key) => match self.value(thread, node, key)? {
                Value::Null => {
                    let failure = Failure::new(ErrorKind::Invalid, "the idempotency key is null");
                    return Err(self.fault(thread, node, failure));
                }
                key => key.to_string(),
            },
        };
        let Some(repeat) = self.repeat(step) else {
            let message = format!("the plan has no operation `{}.{}`", step.connection, step.operation);
            return Err(self.fault(thread, node, Failure::new(ErrorKind::Invalid, message)));
        };
        let call = CallState::new((thread, node), self.now, args, key, repeat);
        self.record(Record::Scheduled {
            place: place.clone(),
            connection: step.connection.clone(),
            operation: step.operation.clone(),
            repeat,
        });
        self.actions.push(Action::Perform(Box::new(self.call(&place, &call))));
        self.wait(thread, place, Pending::Call(call));
        Ok(Went::Nowhere)
    }

    /// Asks for a page of a stream, which a step gives and a loop goes through.
    pub(super) fn schedule_page(
        &mut self,
        fork: ForkId,
        thread: ThreadId,
        node: NodeIndex,
        place: Place,
        args: Vec<Value>,
        begins: Value,
    ) {
        let Some(step) = self.step_of(node).cloned() else { return };
        let repeat = self.repeat(&step).unwrap_or(Repeat::Safe);
        let call = CallState::new((thread, node), self.now, args, place.key(&self.run), repeat);
        let call = CallState { page: Some((fork, begins)), ..call };
        let Step { connection, operation, .. } = step;
        self.record(Record::Scheduled { place: place.clone(), connection, operation, repeat });
        self.actions.push(Action::Perform(Box::new(self.call(&place, &call))));
        self.pending.insert(place, Pending::Call(call));
    }

    fn repeat(&self, step: &Step) -> Option<Repeat> {
        self.operation(step).map(|operation| if operation.is_repeatable() { Repeat::Safe } else { Repeat::Unsafe })
    }

    pub(super) fn operation(&self, step: &Step) -> Option<&Operation> {
        let connection = self.plan.connections.get(&step.connection)?;
        self.plan.connectors.get(&connection.connector)?.operations.get(&step.operation)
    }

    fn step_of(&self, node: NodeIndex) -> Option<&Step> {
        match &self.plan.graph.node_weight(node)?.kind {
            NodeKind::Step(step) => Some(step),
            _ => None,
        }
    }

    pub(super) fn call(&self, place: &Place, call: &CallState) -> Call {
        let step = self.step_of(call.node);
        Call {
            place: place.clone(),
            attempt: call.attempt,
            connection: step.map(|step| step.connection.clone()).unwrap_or_default(),
            operation: match &call.stage {
                Stage::Call => step.map(|step| step.operation.clone()).unwrap_or_default(),
                Stage::Look(operation, _) => operation.clone(),
            },
            result: step.and_then(|step| step.result.clone()).filter(|_| call.stage == Stage::Call),
            page: call.page.as_ref().map(|(_, begins)| begins.clone()),
            args: match &call.stage {
                Stage::Call => call.args.clone(),
                Stage::Look(_, args) => args.clone(),
            },
            nulls: step.filter(|_| call.stage == Stage::Call).map(written_nulls).unwrap_or_default(),
            terms: step.map(|step| Terms::from(&step.policy)).unwrap_or_default(),
            key: call.key.clone(),
            timeout: step.and_then(|step| step.policy.timeout).unwrap_or(DEFAULT_TIMEOUT),
            // To look is safe.
            repeat: if call.stage == Stage::Call { call.repeat } else { Repeat::Safe },
            progress: call.progress,
            // What an earlier attempt did is found out whatever the program does about failures.
            outage: if call.stage == Stage::Call && !call.is_doubtful() {
                self.outage(call.thread)
            } else {
                Outage::WaitedFor
            },
        }
    }

    pub(super) fn began(&mut self, place: &Place, attempt: u32) {
        if let Some(Pending::Call(call)) = self.pending.get_mut(place)
            && call.attempt == attempt
        {
            call.progress = Progress::Begun;
        }
    }

    fn take_call(&mut self, place: &Place, attempt: u32) -> Option<CallState> {
        match self.pending.get(place) {
            // One that is held may be told meanwhile that its system does not work.
            Some(Pending::Call(call) | Pending::Held(call, ..)) if call.attempt == attempt => {}
            _ => return None,
        }
        match self.pending.remove(place) {
            Some(Pending::Call(call) | Pending::Held(call, ..)) => Some(call),
            _ => None,
        }
    }

    pub(super) fn attempted(&mut self, place: &Place, attempt: u32, outcome: &Result<Value, Failure>, hints: Hints) {
        let Some(mut call) = self.take_call(place, attempt) else { return };
        if hints.probe && outcome.is_err() {
            call.probes += 1;
        }
        if call.stage != Stage::Call {
            return self.looked(place, call, outcome, hints);
        }
        if outcome.is_err() && hints.reached == Reached::Perhaps {
            call.doubt = Doubt::Some;
        }
        match outcome {
            Ok(value) => match call.page {
                Some((fork, _)) => self.page_came(fork, place.clone(), value),
                None => self.succeed(&call, value.clone()),
            },
            Err(failure) if call.repeat == Repeat::Unsafe && hints.reached == Reached::Perhaps => {
                self.look(place, call, failure.clone(), "no answer came back, so what the call did is not known");
            }
            Err(failure) => match self.retry_at(&call, failure, hints) {
                // What the server has answered says much, and looking says all, once reads can see it: a 502 comes from
                // whoever stands before the system that has done it.
                Some(until) if call.repeat == Repeat::Unsafe && hints.reached != Reached::Never => {
                    let operation = self.step_of(call.node).and_then(|step| self.operation(step));
                    let visible_after = operation.and_then(|operation| operation.visible_after);
                    let visible_after = visible_after.filter(|_| self.version > 3).unwrap_or_default();
                    let until = until.max(self.now.after(visible_after));
                    self.look_at(place, call, failure.clone(), until);
                }
                Some(until) => {
                    self.record(Record::Waits { place: place.clone(), until });
                    self.actions.push(Action::Wake { place: place.clone(), until });
                    self.pending.insert(place.clone(), Pending::Retry(call, until));
                }
                None if self.may_be_done(&call, failure) && self.is_passed_on(call.thread, failure) => {
                    let message = format!("the call may have taken effect, and it is not known whether ({failure})");
                    self.interrupt(place, call, &message);
                }
                None => self.fail_step(place, &call, with_wait(failure, hints)),
            },
        }
    }

    /// Says whether a call that is given up with this failure may have done what it does: an answer was lost and none since
    /// has told what became of it, or the answer is of a success that does not fit its type.
    fn may_be_done(&self, call: &CallState, failure: &Failure) -> bool {
        let tells = match &failure.kind {
            ErrorKind::Rejected | ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Declared(_) => true,
            ErrorKind::Mismatch => false,
            // About the state of the key, the credential or the system now, and not about the earlier attempt.
            _ => call.doubt == Doubt::None,
        };
        !tells
            && self.step_of(call.node).and_then(|step| self.operation(step)).is_some_and(|of| of.effect != Effect::Read)
    }

    pub(super) fn lost(&mut self, place: &Place, attempt: u32) {
        if let Some(call) = self.take_call(place, attempt) {
            let failure = Failure::new(ErrorKind::Unavailable, "the process ended");
            self.look(place, call, failure, "the process ended during the call, so what the call did is not known");
        }
    }

    /// A call that is not safe to repeat may have taken effect. Where its connector says how that is found, it is looked
    /// for, once reads can see it; else its outcome stays unknown.
    fn look(&mut self, place: &Place, call: CallState, failure: Failure, unknown: &str) {
        let operation = self.step_of(call.node).and_then(|step| self.operation(step));
        let found = operation.and_then(|operation| Some((operation.lookup()?, operation.visible_after)));
        match found {
            None => {
                let message = if failure.message == "the process ended" {
                    unknown.to_owned()
                } else {
                    format!("{unknown} ({})", failure.message)
                };
                self.interrupt(place, call, &message);
            }
            Some((_, visible_after)) => {
                let until = self.now.after(visible_after.unwrap_or_default());
                self.look_at(place, call, failure, until);
            }
        }
    }

    /// Looks at a time for what an earlier attempt did.
    fn look_at(&mut self, place: &Place, mut call: CallState, failure: Failure, until: Instant) {
        let Some((operation, args)) = self.looking(&call) else {
            return self.interrupt(place, call, "what the call did can't be looked for");
        };
        call.stage = Stage::Look(operation, args);
        call.cause = Some(failure);
        call.doubt = Doubt::Some;
        self.record(Record::Waits { place: place.clone(), until });
        self.actions.push(Action::Wake { place: place.clone(), until });
        self.pending.insert(place.clone(), Pending::Retry(call, until));
    }

    /// The operation that finds what a call did, with its arguments.
    fn looking(&self, call: &CallState) -> Option<(String, Vec<Value>)> {
        let plan = Arc::clone(&self.plan);
        let step = self.step_of(call.node)?;
        let lookup = self.operation(step)?.lookup()?;
        let connector = plan.connectors.get(&plan.connections.get(&step.connection)?.connector)?;
        let evaluator = Evaluator {
            library: &self.library,
            functions: &plan.functions,
            types: &connector.types,
            env: &self.env,
            ambient: &|_| None,
        };
        let args = lookup.args.iter().map(|arg| evaluator.eval(arg, &mut Frame::of(call.args.iter().cloned())).ok());
        Some((lookup.operation.clone(), args.collect::<Option<_>>()?))
    }

    /// What was looked for was found, or not, or it could not be looked.
    fn looked(&mut self, place: &Place, mut call: CallState, outcome: &Result<Value, Failure>, hints: Hints) {
        if !hints.probe || outcome.is_ok() {
            call.looks += 1;
        }
        match outcome {
            Ok(value) if *value != Value::Null => self.succeed(&call, value.clone()),
            Err(failure) if failure.kind != ErrorKind::NotFound => match self.retry_at(&call, failure, hints) {
                Some(until) => {
                    self.record(Record::Waits { place: place.clone(), until });
                    self.actions.push(Action::Wake { place: place.clone(), until });
                    self.pending.insert(place.clone(), Pending::Retry(call, until));
                }
                None => {
                    let message = format!("what the call did is not known, and it can't be looked for ({failure})");
                    self.interrupt(place, call, &message);
                }
            },
            Ok(_) | Err(_) => {
                call.stage = Stage::Call;
                call.doubt = Doubt::None;
                let times = self
                    .step_of(call.node)
                    .and_then(|step| step.policy.retry.as_ref())
                    .map_or(Retry::standard().times, |retry| retry.times);
                match call.cause.take() {
                    Some(failure) if call.calls() > times => self.fail_step(place, &call, failure),
                    _ => self.perform_again(place, call),
                }
            }
        }
    }

    /// An attempt may not leave yet.
    pub(super) fn hold(&mut self, place: &Place, attempt: u32, until: Instant, because: &str) {
        let Some(mut call) = self.take_call(place, attempt) else { return };
        // What is held has not left, also when it was recorded as about to.
        call.progress = Progress::Waiting;
        self.record(Record::Waits { place: place.clone(), until });
        self.actions.push(Action::Wake { place: place.clone(), until });
        self.pending.insert(place.clone(), Pending::Held(call, until, because.to_owned()));
    }

    /// An attempt that is held has asked again, and asks once more at a time; says whether it is one. What it is told of
    /// that is no part of the history, which says that it is held and when its turn has come: so however long it is held,
    /// the journal does not grow, and what is replayed of it asks at once.
    pub fn hold_on(&mut self, place: &Place, attempt: u32, until: Instant, because: &str) -> bool {
        match self.pending.get_mut(place) {
            Some(Pending::Held(call, at, why)) if call.attempt == attempt => {
                *at = until;
                because.clone_into(why);
                true
            }
            _ => false,
        }
    }

    /// The attempt that is held at a place.
    pub fn held_at(&self, place: &Place) -> Option<Call> {
        match self.pending.get(place)? {
            Pending::Held(call, ..) => Some(self.call(place, call)),
            _ => None,
        }
    }

    /// The turn of an attempt has come that was held.
    pub(super) fn ask_again(&mut self, place: &Place, call: CallState) {
        self.actions.push(Action::Perform(Box::new(self.call(place, &call))));
        self.pending.insert(place.clone(), Pending::Call(call));
    }

    fn succeed(&mut self, call: &CallState, value: Value) {
        self.set_result(call.thread, call.node, value);
        self.remember_undo(call.thread, call.node);
        self.wake(call.thread);
    }

    fn fail_step(&mut self, place: &Place, call: &CallState, failure: Failure) {
        self.record(Record::StepFailed { place: place.clone(), failure: failure.clone() });
        match call.page {
            Some((fork, _)) => self.page_failed(fork, Raised { failure, place: place.clone() }),
            None => self.raise_at(call.thread, place.clone(), failure),
        }
    }

    /// Ends a step whose outcome is not known with `Interrupted`, if the program deals with that; otherwise the step
    /// waits for a decision, and the rest of the run goes on.
    fn interrupt(&mut self, place: &Place, call: CallState, message: &str) {
        let failure = Failure::new(ErrorKind::Interrupted, message);
        if self.is_caught(call.thread, &failure) {
            return self.fail_step(place, &call, failure);
        }
        self.record(Record::Undecided { place: place.clone(), failure: failure.clone() });
        self.pending.insert(place.clone(), Pending::Undecided(call, failure));
    }

    pub(super) fn resolved(&mut self, place: &Place, decision: &Decision) {
        if !matches!(self.pending.get(place), Some(Pending::Undecided(..))) {
            return;
        }
        let Some(Pending::Undecided(mut call, _)) = self.pending.remove(place) else { return };
        match decision {
            Decision::Retry => {
                call.since = self.now;
                call.doubt = Doubt::None;
                call.stage = Stage::Call;
                self.perform_again(place, call);
            }
            Decision::Result(value) => self.succeed(&call, value.clone()),
            Decision::Fail(failure) => self.fail_step(place, &call, failure.clone()),
        }
    }

    pub(super) fn perform_again(&mut self, place: &Place, mut call: CallState) {
        call.attempt += 1;
        call.progress = Progress::Waiting;
        self.actions.push(Action::Perform(Box::new(self.call(place, &call))));
        self.pending.insert(place.clone(), Pending::Call(call));
    }

    /// When to make the next attempt, if there is to be one. A server that wants none for longer than a call waits gets none.
    fn retry_at(&self, call: &CallState, failure: &Failure, hints: Hints) -> Option<Instant> {
        let plan = Arc::clone(&self.plan);
        let policy = match &plan.graph.node_weight(call.node)?.kind {
            NodeKind::Step(step) => step.policy.retry.clone(),
            _ => None,
        };
        let is_known_undone = self.version > 1 && hints.reached == Reached::Never;
        let retry = policy.unwrap_or_else(|| match call.repeat {
            Repeat::Unsafe if !is_known_undone => Retry::none(),
            // What never left has done nothing, whatever it would have done.
            Repeat::Safe | Repeat::Unsafe => Retry::standard(),
        });
        let looks =
            self.step_of(call.node).and_then(|step| self.operation(step)).is_some_and(|of| of.lookup().is_some());
        let may = call.repeat == Repeat::Safe || hints.reached == Reached::Never || looks;
        let made = if call.stage == Stage::Call { call.calls() } else { call.looks };
        if !may || made > retry.times || !retry.on.contains(&failure.kind) {
            return None;
        }
        let asked = hints.retry_after.unwrap_or_default();
        if asked > LONGEST_WAIT {
            return None;
        }
        let until = self.now.after(jittered(retry.backoff.bound(call.attempt), hints.draw).max(asked));
        match retry.budget {
            Some(budget) if until.since(call.since) > budget => None,
            _ => Some(until),
        }
    }
}

/// The failure, with the wait that the server asks for where that is why the call is not made again.
fn with_wait(failure: &Failure, hints: Hints) -> Failure {
    let mut failure = failure.clone();
    if let Some(asked) = hints.retry_after.filter(|asked| *asked > LONGEST_WAIT) {
        let longest = LONGEST_WAIT;
        failure.message =
            format!("{} (no other call is wanted for {asked}, and none waits longer than {longest})", failure.message);
    }
    failure
}

/// The part of a bound that a random number stands for: all of it for the greatest.
fn jittered(bound: Millis, draw: u32) -> Millis {
    let part = u128::from(bound.0) * u128::from(draw) / u128::from(u32::MAX);
    Millis(u64::try_from(part).unwrap_or(bound.0))
}
