//! What does a test of a program show?
//!
//! In: a plan and a [`Case`]. Out: a [`Report`]: which expectations do not hold, every call that was made, and what the
//! run wrote. The run is carried out by the same [`machine`](crate::machine) as in production; here its host is a world
//! without network and disk, in which operations answer what the test says, at once, and whose clock jumps to the next
//! timer as soon as nothing else can happen. So a test that waits for days takes microseconds, and always goes the same
//! way.
//!
//! Flows that the flow calls are run beside it, where their plans are given. Events that a run emits reach the runs of the
//! test that wait for them; no others come, and nobody answers an `approve`.
//!
//! Left out on purpose: concurrency of calls beyond their order. Calls are answered in the order in which they were made.
//!
//! Beside it stands the simulation of the whole engine, for the tests of this project: [`clock`], [`outside`] (the systems
//! that are called), [`disk`] (what happens to writes), [`process`] (one life of an engine), and [`story`], which takes a
//! plan through a [`schedule`] of faults and lets the [`oracle`] judge.

pub mod clock;
pub mod disk;
mod expect;
pub mod oracle;
pub mod outside;
pub mod process;
mod sample;
pub mod schedule;
pub mod story;
mod wreck;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use flow_model::{
    case::{AnswerKind, Case, Given, Stub, Target},
    failure::{ErrorKind, Failure},
    plan::{Function, NodeKind, Plan},
    schema::Operation,
    ty::{Type, Types},
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

/// What `uuid()` and `random()` are made of: they give the same in each test.
const SEED: &str = "a test";

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
    /// Name and content of each event that was emitted.
    pub emitted: Vec<(String, Value)>,
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

/// Runs a test of a flow that calls no others. Equal arguments give equal reports.
pub fn run(case: &Case, plan: &Arc<Plan>, library: &Library) -> Report {
    run_with(case, plan, &[], library)
}

/// Runs a test; the plans of flows that the flow calls are looked up among those given, by digest.
pub fn run_with(case: &Case, plan: &Arc<Plan>, plans: &[Arc<Plan>], library: &Library) -> Report {
    let mut world = World {
        case,
        plan: Arc::clone(plan),
        library: library.clone(),
        functions: case.functions.iter().chain(&plan.functions).map(own).collect(),
        types: Types(case.types.0.iter().chain(&plan.types.0).map(own).collect()),
        given: Frame::new(),
        answered: BTreeMap::new(),
        plans,
        runs: Vec::new(),
        due: VecDeque::new(),
        listening: Vec::new(),
        told: VecDeque::new(),
        timers: BTreeSet::new(),
        report: Report {
            unmet: Vec::new(),
            broken: None,
            calls: Vec::new(),
            outcome: None,
            log: Vec::new(),
            dead_letters: Vec::new(),
            emitted: Vec::new(),
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

fn own<V: Clone>((name, value): (&String, &V)) -> (String, V) {
    (name.clone(), value.clone())
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
    /// What expressions of the test and the plan use.
    functions: BTreeMap<String, Function>,
    types: Types,
    /// What `given` binds.
    given: Frame,
    /// How many calls each stub has answered, by its index.
    answered: BTreeMap<usize, u32>,
    /// The plans of flows that may be called.
    plans: &'a [Arc<Plan>],
    /// The run of the test, and those that it has called.
    runs: Vec<Run>,
    /// Calls that wait for their answer.
    due: VecDeque<(usize, Call)>,
    /// Where runs wait or waited for events, and for which.
    listening: Vec<(usize, Place, String)>,
    /// What runs are told by others.
    told: VecDeque<(usize, Event)>,
    timers: BTreeSet<(Instant, usize, Place)>,
    report: Report,
}

/// A run of the test.
struct Run {
    id: String,
    machine: Machine,
    /// Who has called it, and where.
    parent: Option<(usize, Place)>,
}

impl World<'_> {
    fn carry_out(&mut self) -> Result<Status, String> {
        let payload = self.payload()?;
        let mut now = START;
        let start = Start {
            trigger: self.case.trigger,
            payload,
            env: BTreeMap::new(),
            seed: Some(SEED.to_owned()),
            again: None,
        };
        self.begin("test".to_owned(), Arc::clone(&self.plan), None, start, now)?;
        for _ in 0..MOST_EVENTS {
            let root = self.runs.first().map(|run| &run.machine).ok_or("no run was begun")?;
            let next = if root.outcome().is_some() {
                None
            } else if let Some(told) = self.told.pop_front() {
                Some(told)
            } else if let Some((run, call)) = self.due.pop_front() {
                Some((run, self.answer(run, call)?))
            } else {
                self.next_timer(&mut now)
            };
            let root = self.runs.first().map(|run| &run.machine).ok_or("no run was begun")?;
            let Some((run, event)) = next else {
                self.report.outcome = root.outcome().cloned();
                self.report.elapsed = now.since(START);
                return Ok(root.status());
            };
            self.apply(run, &event, now)?;
        }
        Err(format!("the run was not over after {MOST_EVENTS} events"))
    }

    fn begin(
        &mut self,
        id: String,
        plan: Arc<Plan>,
        parent: Option<(usize, Place)>,
        start: Start,
        now: Instant,
    ) -> Result<(), String> {
        let machine = Machine::new(id.clone(), plan, self.library.clone());
        self.runs.push(Run { id, machine, parent });
        self.apply(self.runs.len() - 1, &Event::Started(start), now)
    }

    fn apply(&mut self, run: usize, event: &Event, now: Instant) -> Result<(), String> {
        let Some(of) = self.runs.get_mut(run) else { return Ok(()) };
        if !of.machine.expects(event, now) {
            return Ok(());
        }
        let actions = of.machine.apply(event, now);
        for action in actions {
            match action {
                Action::Perform(call) => self.due.push_back((run, call)),
                Action::Abort(place) => self.due.retain(|(of, call)| *of != run || call.place != place),
                Action::Wake { place, until } => {
                    self.timers.insert((until, run, place));
                }
                Action::Record(record) => self.note(run, record),
                Action::Begin(child) => {
                    let Some(plan) = self.plans.iter().find(|plan| plan.digest() == child.digest).cloned() else {
                        return Err(format!("the flow `{}` is called, and its plan is not given", child.flow));
                    };
                    let start =
                        Start { trigger: None, payload: child.params, env: BTreeMap::new(), seed: None, again: None };
                    self.begin(child.run, plan, Some((run, child.place)), start, now)?;
                }
                Action::Cancel { run, reason } => {
                    let called = self.runs.iter().position(|called| called.id == run);
                    self.told.extend(called.map(|called| (called, Event::Cancelled { reason })));
                }
            }
        }
        Ok(())
    }

    /// Lets time pass until the next timer or the deadline.
    fn next_timer(&mut self, now: &mut Instant) -> Option<(usize, Event)> {
        let root = self.runs.first().map(|run| &run.machine)?;
        let deadline = root.deadline().filter(|_| !root.is_ending());
        let timer = self.timers.pop_first();
        match (timer, deadline) {
            (Some(timer), Some(deadline)) if deadline < timer.0 => {
                self.timers.insert(timer);
                *now = deadline;
                Some((0, Event::Expired))
            }
            (Some((until, run, place)), _) => {
                *now = until.max(*now);
                Some((run, Event::Fired { place }))
            }
            (None, Some(deadline)) if matches!(root.status(), Status::Awaiting { .. }) => {
                *now = deadline.max(*now);
                Some((0, Event::Expired))
            }
            (None, _) => None,
        }
    }

    fn note(&mut self, run: usize, record: Record) {
        match record {
            Record::Logged { text, .. } => self.report.log.push(text),
            Record::DeadLettered { queue, value, .. } => self.report.dead_letters.push((queue, value)),
            Record::Responded(response) if run == 0 => self.report.response = Some(response),
            Record::Dropped { place } => self.timers.retain(|(_, of, timer)| *of != run || *timer != place),
            Record::Emitted { event, value, .. } => {
                let waits = self.listening.iter().filter(|(_, _, waits)| *waits == event);
                let received = |place: &Place| Event::Received { place: place.clone(), value: value.clone() };
                self.told.extend(waits.map(|(run, place, _)| (*run, received(place))));
                self.report.emitted.push((event, value));
            }
            Record::Listens { place, event, .. } => self.listening.push((run, place, event)),
            Record::Ended(outcome) => {
                let parent = self.runs.get(run).and_then(|run| run.parent.clone());
                self.told.extend(parent.map(|(parent, place)| (parent, Event::Returned { place, outcome })));
            }
            Record::Scheduled { .. }
            | Record::Observed { .. }
            | Record::Waits { .. }
            | Record::StepFailed { .. }
            | Record::Undecided { .. }
            | Record::PassedOver { .. }
            | Record::Responded(_)
            | Record::Asked { .. }
            | Record::Called { .. }
            | Record::Undoing { .. }
            | Record::UndoFailed { .. } => {}
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

    fn answer(&mut self, run: usize, call: Call) -> Result<Event, String> {
        let plan = self.runs.get(run).map_or(&self.plan, |run| run.machine.plan());
        let plan = Arc::clone(plan);
        let operation = operation(&plan, &call).cloned();
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
            Some(AnswerKind::Fails(kind)) => Err(self.failure(kind, &call)),
            Some(AnswerKind::Schema) | None => Ok(operation.as_ref().map_or(Value::Null, |operation| {
                sample(call.result.as_ref().unwrap_or(&operation.result), &plan.types)
            })),
        };
        let names = operation.iter().flat_map(|operation| operation.params.keys().cloned());
        let args = Value::Record(names.zip(call.args.iter().cloned()).collect());
        if run == 0 {
            self.report.reached.insert(call.place.path.clone());
        }
        self.report.calls.push(Made {
            place: call.place.clone(),
            attempt: call.attempt,
            connection: call.connection,
            operation: call.operation,
            args,
            outcome: outcome.clone(),
        });
        let lost =
            matches!(&outcome, Err(failure) if matches!(failure.kind, ErrorKind::Timeout | ErrorKind::Interrupted));
        // No system answers that a call was interrupted: its answer was lost, and the machine draws the conclusion.
        let outcome = outcome.map_err(|failure| match failure.kind {
            ErrorKind::Interrupted => Failure { kind: ErrorKind::Timeout, ..failure },
            _ => failure,
        });
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

    /// A failure of a kind; the fields of a declared error are made from their types.
    fn failure(&self, kind: ErrorKind, call: &Call) -> Failure {
        let message = format!("`{}.{}` fails in this test", call.connection, call.operation);
        let fields = match &kind {
            ErrorKind::Declared(name) => sample(&Type::Named(name.clone()), &self.types),
            _ => Value::Null,
        };
        let mut failure = Failure::new(kind, message);
        if let Value::Record(fields) = fields {
            failure.fields = fields;
        }
        failure
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

    fn eval(&self, expr: &flow_model::expr::Expr) -> Result<Value, Failure> {
        let env = BTreeMap::new();
        let evaluator = Evaluator {
            library: &self.library,
            functions: &self.functions,
            types: &self.types,
            env: &env,
            ambient: &|_| None,
        };
        evaluator.eval(expr, &mut self.given.clone())
    }
}

fn operation<'p>(plan: &'p Plan, call: &Call) -> Option<&'p Operation> {
    let connection = plan.connections.get(&call.connection)?;
    plan.connectors.get(&connection.connector)?.operations.get(&call.operation)
}

fn fits(target: &Target, connection: &str, operation: &str) -> bool {
    match target {
        Target::All => true,
        Target::Operation { connection: of, operation: named } => of == connection && named == operation,
    }
}
