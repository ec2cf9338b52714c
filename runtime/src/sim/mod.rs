//! What does a test of a program show?
//!
//! In: a plan and a [`Case`]. Out: a [`Report`]: which expectations do not hold, every call that was made, and what the
//! run wrote. The run is carried out by the same [`machine`](crate::machine) as in production; here its host is a world
//! without network and disk, in which operations answer what the test says, at once, and whose clock jumps to the next
//! timer as soon as nothing else can happen. So a test that waits for days takes microseconds, and always goes the same
//! way.
//!
//! Left out on purpose: concurrency of calls beyond their order. Calls are answered in the order in which they were made.

mod expect;
mod sample;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use flow_model::{
    case::{AnswerKind, Case, Given, Stub, Target},
    failure::{ErrorKind, Failure},
    plan::{NodeKind, Plan},
    schema::Operation,
    units::Instant,
    value::Value,
};
use indexmap::IndexMap;

pub use self::{expect::Unmet, sample::sample};
use crate::{
    connector::Reached,
    eval::{Evaluator, Frame, Library},
    machine::{Action, Call, Event, Machine, Outcome, Place, Record, Response, Start, Status},
};

/// When a test begins on its clock: 2026-01-01T00:00:00Z.
pub const START: Instant = Instant(1_767_225_600_000);

/// How many events a run of a test may have: a loop that never ends is stopped here.
const MOST_EVENTS: usize = 1_000_000;

/// What a test showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The expectations that do not hold.
    pub unmet: Vec<Unmet>,
    /// Why the test could not be carried out to its end, if so: an operation without a stub, a payload that can't be made.
    pub broken: Option<String>,
    /// The calls in order.
    pub calls: Vec<Made>,
    /// How the run ended, if it did.
    pub outcome: Option<Outcome>,
    /// The lines of `log`.
    pub log: Vec<String>,
    /// Queue and content of each dead letter.
    pub dead_letters: Vec<(String, Value)>,
    /// What the caller of the webhook was told.
    pub response: Option<Response>,
    /// Steps that were reached, and all steps of the flow: by path.
    pub reached: BTreeSet<String>,
    /// All steps of the flow, by path.
    pub steps: BTreeSet<String>,
    /// How much time went by on the test's clock.
    pub elapsed: flow_model::units::Millis,
}

impl Report {
    /// Says whether the test passed.
    pub fn has_passed(&self) -> bool {
        self.unmet.is_empty() && self.broken.is_none()
    }
}

/// A call that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The step.
    pub place: Place,
    /// Counts from 1.
    pub attempt: u32,
    /// The connection.
    pub connection: String,
    /// The operation.
    pub operation: String,
    /// The arguments by name.
    pub args: Value,
    /// What was answered.
    pub outcome: Result<Value, Failure>,
}

/// Runs a test. Equal arguments give equal reports.
pub fn run(case: &Case, plan: &Arc<Plan>, library: &Library) -> Report {
    let mut world = World {
        case,
        plan: Arc::clone(plan),
        library: library.clone(),
        given: Frame::new(),
        answered: BTreeMap::new(),
        due: VecDeque::new(),
        timers: BTreeSet::new(),
        report: Report {
            unmet: Vec::new(),
            broken: None,
            calls: Vec::new(),
            outcome: None,
            log: Vec::new(),
            dead_letters: Vec::new(),
            response: None,
            reached: BTreeSet::new(),
            steps: steps(plan),
            elapsed: flow_model::units::Millis(0),
        },
    };
    match world.carry_out() {
        Ok(status) => {
            let unmet = expect::unmet(&world, &status);
            world.report.unmet = unmet;
        }
        Err(why) => world.report.broken = Some(why),
    }
    world.report
}

fn steps(plan: &Plan) -> BTreeSet<String> {
    plan.graph
        .node_weights()
        .filter(|node| matches!(node.kind, NodeKind::Step(_)))
        .map(|node| node.path.clone())
        .collect()
}

struct World<'a> {
    case: &'a Case,
    plan: Arc<Plan>,
    library: Library,
    /// What `given` binds.
    given: Frame,
    /// How many calls each stub has answered, by its index.
    answered: BTreeMap<usize, u32>,
    /// Calls that wait for their answer.
    due: VecDeque<Call>,
    timers: BTreeSet<(Instant, Place)>,
    report: Report,
}

impl World<'_> {
    fn carry_out(&mut self) -> Result<Status, String> {
        let payload = self.payload()?;
        let mut machine = Machine::new("test", Arc::clone(&self.plan), self.library.clone());
        let mut now = START;
        let start = Event::Started(Start { trigger: self.case.trigger, payload, env: BTreeMap::new() });
        self.carry(machine.apply(&start, now));
        for _ in 0..MOST_EVENTS {
            let event = if machine.outcome().is_some() {
                None
            } else if let Some(call) = self.due.pop_front() {
                Some(self.answer(call)?)
            } else {
                self.next_timer(&machine, &mut now)
            };
            let Some(event) = event else {
                self.report.outcome = machine.outcome().cloned();
                self.report.elapsed = now.since(START);
                return Ok(machine.status());
            };
            self.carry(machine.apply(&event, now));
        }
        Err(format!("the run was not over after {MOST_EVENTS} events"))
    }

    /// Lets time pass until the next timer or the deadline.
    fn next_timer(&mut self, machine: &Machine, now: &mut Instant) -> Option<Event> {
        let timer = self.timers.pop_first();
        match (timer, machine.deadline()) {
            (Some((until, _)), Some(deadline)) if deadline < until => {
                *now = deadline;
                Some(Event::Expired)
            }
            (Some((until, place)), _) => {
                *now = until.max(*now);
                Some(Event::Fired { place })
            }
            (None, _) => None,
        }
    }

    fn carry(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Perform(call) => self.due.push_back(call),
                Action::Abort(place) => self.due.retain(|call| call.place != place),
                Action::Wake { place, until } => {
                    self.timers.insert((until, place));
                }
                Action::Record(record) => self.note(record),
                Action::Begin(_) | Action::Cancel { .. } => {}
            }
        }
    }

    fn note(&mut self, record: Record) {
        match record {
            Record::Logged { text, .. } => self.report.log.push(text),
            Record::DeadLettered { queue, value, .. } => self.report.dead_letters.push((queue, value)),
            Record::Responded(response) => self.report.response = Some(response),
            Record::Dropped { place } => self.timers.retain(|(_, timer)| *timer != place),
            Record::Scheduled { .. }
            | Record::Waits { .. }
            | Record::StepFailed { .. }
            | Record::Undecided { .. }
            | Record::PassedOver { .. }
            | Record::Listens { .. }
            | Record::Asked { .. }
            | Record::Called { .. }
            | Record::Undoing { .. }
            | Record::UndoFailed { .. }
            | Record::Emitted { .. }
            | Record::Ended(_) => {}
        }
    }

    /// The payload or the parameters that the run begins with; expressions of the test see them from here on.
    fn payload(&mut self) -> Result<Value, String> {
        let payload_type =
            self.case.trigger.and_then(|index| self.plan.triggers.get(index)).map(|trigger| trigger.payload.clone());
        match &self.case.given {
            Given::Payload(payload) => {
                let payload = self.eval(payload).map_err(|failure| failure.message)?;
                self.given = Frame::of([payload.clone()]);
                Ok(payload)
            }
            Given::Nothing if payload_type.is_some() => {
                let payload = payload_type.map_or(Value::Null, |ty| sample(&ty, &self.plan.types));
                self.given = Frame::of([payload.clone()]);
                Ok(payload)
            }
            Given::Params(params) => {
                let mut record = IndexMap::new();
                for (name, value) in params {
                    record.insert(name.clone(), self.eval(value).map_err(|failure| failure.message)?);
                }
                let in_order = self.plan.params.keys().map(|name| record.get(name).cloned().unwrap_or(Value::Null));
                self.given = Frame::of(in_order.collect::<Vec<_>>());
                Ok(Value::Record(record))
            }
            Given::Nothing => Ok(Value::Record(IndexMap::new())),
        }
    }

    fn answer(&mut self, call: Call) -> Result<Event, String> {
        let operation = self.operation(&call).cloned();
        let stub = self.case.stubs.iter().enumerate().find(|(index, stub)| {
            fits(&stub.target, &call.connection, &call.operation) && self.kind(*index, stub).is_some()
        });
        let Some((index, stub)) = stub else {
            return Err(format!(
                "`{}.{}` is called and has no stub: say what it answers, or write `stub * using schema`",
                call.connection, call.operation
            ));
        };
        let kind = self.kind(index, stub).cloned();
        *self.answered.entry(index).or_default() += 1;
        let outcome = match kind {
            Some(AnswerKind::Returns(value)) => self.eval(&value),
            Some(AnswerKind::Fails(kind)) => {
                Err(Failure::new(kind.clone(), format!("`{}.{}` fails in this test", call.connection, call.operation)))
            }
            Some(AnswerKind::Schema) | None => {
                Ok(operation.as_ref().map_or(Value::Null, |operation| sample(&operation.result, &self.plan.types)))
            }
        };
        let names = operation.iter().flat_map(|operation| operation.params.keys().cloned());
        let args = Value::Record(names.zip(call.args.iter().cloned()).collect());
        self.report.reached.insert(call.place.path.clone());
        self.report.calls.push(Made {
            place: call.place.clone(),
            attempt: call.attempt,
            connection: call.connection,
            operation: call.operation,
            args,
            outcome: outcome.clone(),
        });
        let lost = matches!(&outcome, Err(failure) if failure.kind == ErrorKind::Timeout);
        let reached = if lost { Reached::Perhaps } else { Reached::Answered };
        Ok(Event::Attempted {
            place: call.place,
            attempt: call.attempt,
            outcome,
            reached,
            retry_after: None,
            // The longest wait that the policy allows.
            draw: u32::MAX,
        })
    }

    /// What a stub answers next, unless it has answered as often as it should.
    fn kind<'s>(&self, index: usize, stub: &'s Stub) -> Option<&'s AnswerKind> {
        let mut left = self.answered.get(&index).copied().unwrap_or(0);
        for answer in &stub.answers {
            match answer.times {
                Some(times) if left >= times => left -= times,
                _ => return Some(&answer.kind),
            }
        }
        None
    }

    fn operation(&self, call: &Call) -> Option<&Operation> {
        let connection = self.plan.connections.get(&call.connection)?;
        self.plan.connectors.get(&connection.connector)?.operations.get(&call.operation)
    }

    fn eval(&self, expr: &flow_model::expr::Expr) -> Result<Value, Failure> {
        let env = BTreeMap::new();
        let evaluator = Evaluator {
            library: &self.library,
            functions: &self.plan.functions,
            types: &self.plan.types,
            env: &env,
            ambient: &|_| None,
        };
        evaluator.eval(expr, &mut self.given.clone())
    }
}

fn fits(target: &Target, connection: &str, operation: &str) -> bool {
    match target {
        Target::All => true,
        Target::Operation { connection: of, operation: named } => of == connection && named == operation,
    }
}
