//! How is a run of a test carried out, and what becomes of it when something goes wrong?
//!
//! The host of the [`machine`](crate::machine) in a test. What a run says is kept as its journal; when the process ends in
//! the story of a test, the runs are made again from their journals, and what was under way is taken up as the engine does.

pub(super) mod answer;
mod crash;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use flow_model::{
    case::{Case, Given, Target},
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    plan::{Function, Node, NodeKind, Plan},
    schema::Call as CallForm,
    ty::Types,
    units::{Instant, Millis},
    value::Value,
};
use indexmap::IndexMap;

use super::{
    Line, Report, START, What, expect,
    faults::{self, Fault},
    sample,
};
use crate::{
    eval::{Evaluator, Frame, Library},
    machine::{Action, Call, Event, Machine, Place, Record, Repeat, Said, Start, Status, Verdict},
};

/// What `uuid()` and `random()` are made of: they give the same in each test.
const SEED: &str = "a test";

/// How many events a run of a test may have: a loop that never ends is stopped here.
const MOST_EVENTS: usize = 1_000_000;

/// A test under way.
pub(super) struct World<'a> {
    pub(super) case: &'a Case,
    plan: Arc<Plan>,
    library: Library,
    /// What expressions of the test and the plan use.
    functions: BTreeMap<String, Arc<Function>>,
    types: Types,
    /// What `given` binds.
    given: Frame,
    /// How many calls each stub has answered, by its index.
    answered: BTreeMap<usize, u32>,
    /// The plans of flows that may be called.
    plans: &'a [Arc<Plan>],
    /// The run of the test, the one that a repeated event starts, and those that they have called.
    runs: Vec<Run>,
    /// Calls that wait for their answer.
    due: VecDeque<(usize, Call)>,
    /// Where runs wait or waited for events, and for which.
    listening: Vec<(usize, Place, String)>,
    /// What runs are told by others.
    told: VecDeque<(usize, Event)>,
    timers: BTreeSet<(Instant, usize, Place)>,
    /// What comes from outside, in the order of its times and of the waits for it.
    outside: BTreeMap<(Instant, usize), (usize, Event)>,
    /// How much has come from outside or will.
    awaited: usize,
    /// What was waited for in vain because the test could not say what comes.
    broken: Option<String>,
    now: Instant,
    /// What goes wrong, if anything.
    fault: Option<&'a Fault>,
    /// How often the process has started again.
    restarts: usize,
    /// What those who are called have done without the run knowing it, by key.
    known: BTreeMap<String, Result<Value, Failure>>,
    /// Keys of calls of which the run does not know what became of them.
    lost: BTreeSet<String>,
    /// The call that was answered last.
    last: Option<(String, Result<Value, Failure>)>,
    /// What the fault is about.
    struck: BTreeSet<Place>,
    /// With what a step ended because of the fault, if one did.
    ended_by: Option<ErrorKind>,
    pub(super) report: Report,
}

/// A run of the test.
struct Run {
    id: String,
    machine: Machine,
    /// Its journal.
    said: Vec<(Instant, Said)>,
    /// With what it begins, when it has not yet.
    queued: Option<Start>,
    /// Who has called it, and where.
    parent: Option<(usize, Place)>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        case: &'a Case,
        plan: &Arc<Plan>,
        plans: &'a [Arc<Plan>],
        library: &Library,
        fault: Option<&'a Fault>,
    ) -> Self {
        Self {
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
            outside: BTreeMap::new(),
            awaited: 0,
            broken: None,
            now: START,
            fault,
            restarts: 0,
            known: BTreeMap::new(),
            lost: BTreeSet::new(),
            last: None,
            struck: BTreeSet::new(),
            ended_by: None,
            report: Report {
                unmet: Vec::new(),
                broken: None,
                calls: Vec::new(),
                outcome: None,
                log: Vec::new(),
                dead_letters: Vec::new(),
                asked: Vec::new(),
                emitted: Vec::new(),
                response: None,
                reached: BTreeSet::new(),
                steps: steps(plan),
                taken: BTreeSet::new(),
                branches: branches(plan),
                elapsed: Millis(0),
                writes: 0,
                trace: Vec::new(),
            },
        }
    }

    /// Carries the test out and says what it showed.
    pub(super) fn report(mut self) -> Report {
        match self.carry_out() {
            Ok(status) => {
                let unmet = expect::unmet(&self, &status);
                let outcome = self.report.outcome.as_ref();
                self.report.unmet = match &self.ended_by {
                    None => unmet.into_iter().map(|(_, unmet)| unmet).collect(),
                    Some(kind) => {
                        let called = |expected: &_| expect::made_of(&self, expected);
                        faults::lawful(self.case, unmet, kind, outcome, &status, called)
                    }
                };
            }
            Err(why) => self.report.broken = Some(why),
        }
        self.report
    }

    fn carry_out(&mut self) -> Result<Status, String> {
        let payload = self.payload()?;
        let start = Start { trigger: self.case.trigger, payload, seed: Some(SEED.to_owned()), ..Start::default() };
        self.say(None, What::Said("the run begins".to_owned()));
        self.begin("test".to_owned(), Arc::clone(&self.plan), None, start.clone())?;
        let copies = if self.fault == Some(&Fault::Twice) { self.send_again(start)? } else { 0 };
        for _ in 0..MOST_EVENTS {
            let roots = self.runs.iter().filter(|run| run.parent.is_none());
            let ended = roots.filter(|run| run.machine.outcome().is_some()).count();
            let next = if ended == 1 + copies {
                None
            } else if let Some(told) = self.told.pop_front() {
                Some(told)
            } else if let Some((run, call)) = self.due.pop_front() {
                Some((run, self.answer(run, call)?))
            } else {
                self.next_timer()
            };
            let Some((run, event)) = next else {
                let root = self.runs.first().map(|run| &run.machine).ok_or("no run was begun")?;
                self.report.outcome = root.outcome().cloned();
                self.report.elapsed = self.now.since(START);
                let path = |node| self.plan.graph.node_weight(node).map(|node| node.path.clone());
                let taken = root.taken().filter_map(|(node, region)| Some((path(node)?, region)));
                self.report.taken = taken.collect();
                let status = root.status();
                if self.report.outcome.is_none() {
                    let words = expect::ended(self, &status);
                    self.say(None, What::Said(words));
                }
                return Ok(status);
            };
            self.apply(run, &event)?;
            if let Some(why) = self.broken.take() {
                return Err(why);
            }
        }
        Err(format!("the run was not over after {MOST_EVENTS} events"))
    }

    fn begin(
        &mut self,
        id: String,
        plan: Arc<Plan>,
        parent: Option<(usize, Place)>,
        start: Start,
    ) -> Result<(), String> {
        let machine = Machine::new(id.clone(), plan, self.library.clone());
        self.runs.push(Run { id, machine, said: Vec::new(), queued: Some(start.clone()), parent });
        self.apply(self.runs.len() - 1, &Event::Started(start))
    }

    /// One write of the journal: an event and all that is concluded from it, and what follows from that.
    fn apply(&mut self, run: usize, event: &Event) -> Result<(), String> {
        let now = self.now;
        let Some(of) = self.runs.get_mut(run).filter(|of| of.machine.expects(event, now)) else { return Ok(()) };
        self.report.writes += 1;
        if self.fault == Some(&Fault::CrashBefore(self.report.writes)) && self.restarts == 0 {
            return self.crash_before(run, event);
        }
        of.queued = None;
        let mut events = VecDeque::from([event.clone()]);
        let mut actions = Vec::new();
        while let Some(event) = events.pop_front() {
            let concluded = of.machine.apply(&event, now);
            of.said.push((now, Said::Event(event)));
            for action in concluded {
                match &action {
                    Action::Record(record) => of.said.push((now, Said::Record(record.clone()))),
                    // It is on record that it leaves before it does.
                    Action::Perform(call) if call.repeat == Repeat::Unsafe => {
                        events.push_front(Event::Began { place: call.place.clone(), attempt: call.attempt });
                    }
                    _ => {}
                }
                actions.push(action);
            }
        }
        let crashes = self.fault == Some(&Fault::CrashAfter(self.report.writes)) && self.restarts == 0;
        let restarts = self.restarts;
        for action in actions {
            // What follows from a write and is not on disk with it is lost in a crash, and taken up after it.
            let goes_on = !crashes && self.restarts == restarts;
            match action {
                Action::Record(record) => self.note(run, record),
                Action::Begin(child) => {
                    let Some(plan) = self.plans.iter().find(|plan| plan.digest() == child.digest).cloned() else {
                        return Err(format!("the flow `{}` is called, and its plan is not given", child.flow));
                    };
                    let start = Start { payload: child.params, ..Start::default() };
                    let parent = Some((run, child.place));
                    // A run that is begun is on disk with this write.
                    if !crashes {
                        self.begin(child.run, plan, parent, start)?;
                    } else {
                        let machine = Machine::new(child.run.clone(), plan, self.library.clone());
                        self.runs.push(Run { id: child.run, machine, said: Vec::new(), queued: Some(start), parent });
                    }
                }
                Action::Cancel { run, reason } => {
                    let called = self.runs.iter().position(|called| called.id == run);
                    self.told.extend(called.map(|called| (called, Event::Cancelled { reason })));
                }
                Action::Perform(call) if goes_on => self.due.push_back((run, *call)),
                Action::Abort(place) if goes_on => {
                    self.due.retain(|(of, call)| *of != run || call.place != place);
                }
                Action::Wake { place, until } if goes_on => {
                    self.timers.insert((until, run, place));
                }
                Action::Perform(_) | Action::Abort(_) | Action::Wake { .. } => {}
            }
        }
        if crashes {
            let place = event.place().cloned();
            self.struck.extend(place.clone());
            let why = match event {
                Event::Started(_) => "the process ends: the run is on record, and nothing more is done",
                _ => "the process ends: that is on record, and nothing more is done",
            };
            self.say(self.line(run, place.as_ref()), What::Fault(why.to_owned()));
            self.restart()?;
        }
        Ok(())
    }

    /// What comes to a run that waits at a place, as the test says.
    fn await_outside(&mut self, run: usize, target: &Target, event: impl FnOnce(Value) -> Option<Event>) {
        match self.comes(run, target) {
            Ok(None) => {}
            Ok(Some((after, value))) => {
                self.awaited += 1;
                let at = self.now.after(after);
                self.outside.extend(event(value).map(|event| ((at, self.awaited), (run, event))));
            }
            Err(failure) => self.broken = Some(failure.message),
        }
    }

    /// Lets time pass until the next timer, the next that comes from outside, or the deadline.
    fn next_timer(&mut self) -> Option<(usize, Event)> {
        let comes = self.outside.first_key_value().map(|((at, _), _)| *at);
        let first_timer = self.timers.first().map(|(at, ..)| *at);
        let deadline = self.runs.first().and_then(|run| run.machine.deadline());
        if let Some(at) = comes
            && first_timer.into_iter().chain(deadline).all(|other| at <= other)
        {
            self.now = at.max(self.now);
            return self.outside.pop_first().map(|(_, told)| told);
        }
        let root = self.runs.first().map(|run| &run.machine)?;
        let deadline = root.deadline().filter(|_| !root.is_ending());
        let timer = self.timers.pop_first();
        match (timer, deadline) {
            (Some(timer), Some(deadline)) if deadline < timer.0 => {
                self.timers.insert(timer);
                self.now = deadline;
                Some((0, Event::Expired))
            }
            (Some((until, run, place)), _) => {
                self.now = until.max(self.now);
                Some((run, Event::Fired { place }))
            }
            (None, Some(deadline)) if matches!(root.status(), Status::Awaiting { .. }) => {
                self.now = deadline.max(self.now);
                Some((0, Event::Expired))
            }
            (None, _) => None,
        }
    }

    fn say(&mut self, place: Option<(String, String)>, what: What) {
        self.report.trace.push(Line { after: self.now.since(START), place, what });
    }

    /// Where a place of a run stands.
    fn line(&self, run: usize, place: Option<&Place>) -> Option<(String, String)> {
        let flow = self.runs.get(run)?.machine.plan().flow.clone();
        Some((flow, place?.path.clone()))
    }

    fn note(&mut self, run: usize, record: Record) {
        let said = match &record {
            Record::Waits { place, until } => Some((place, format!("waits for {}", until.since(self.now)))),
            Record::StepFailed { place, failure } => Some((place, format!("ends with {failure}"))),
            Record::Undecided { place, failure } => {
                Some((place, format!("nothing catches `Interrupted`, so a person has to decide: {}", failure.message)))
            }
            Record::PassedOver { place, failure } => Some((place, format!("is passed over: {failure}"))),
            Record::DeadLettered { place, queue, .. } => Some((place, format!("leaves a dead letter in `{queue}`"))),
            Record::Emitted { place, event, .. } => Some((place, format!("emits `{event}`"))),
            Record::Listens { place, event, .. } => Some((place, format!("waits for the event `{event}`"))),
            Record::Asked { place, .. } => Some((place, "waits for an approval".to_owned())),
            Record::UndoFailed { place, failure } => Some((place, format!("can't be undone: {failure}"))),
            _ => None,
        };
        match (said, &record) {
            (Some((place, text)), _) => self.say(self.line(run, Some(place)), What::Said(text)),
            (None, Record::Undoing { because, .. }) => {
                self.say(None, What::Said(format!("what was done is undone: {because}")));
            }
            (None, Record::Responded(response)) => {
                self.say(None, What::Said(format!("the caller is told {}", response.status)));
            }
            (None, Record::Ended(outcome)) => self.say(None, What::Said(expect::outcome(outcome))),
            (None, _) => {}
        }
        self.ends_step(run, &record);
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
            Record::Listens { place, event, .. } => {
                self.listening.push((run, place.clone(), event.clone()));
                self.await_outside(run, &Target::Wait(event), |value| Some(Event::Received { place, value }));
            }
            Record::Asked { place, question, by, .. } => {
                let asked = [("question", Value::text(question)), ("by", by.map_or(Value::Null, Value::text))];
                self.report.asked.push(Value::record(asked));
                self.await_outside(run, &Target::Approve, |value| decided(place, &value));
            }
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
            | Record::Called { .. }
            | Record::Undoing { .. }
            | Record::UndoFailed { .. } => {}
        }
    }

    /// The payload or the parameters that the run begins with; expressions of the test see them from here on.
    fn payload(&mut self) -> Result<Value, String> {
        let payload_type =
            self.case.trigger.and_then(|index| self.plan.triggers.get(index)).map(flow_model::plan::Trigger::bound);
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

    pub(super) fn eval(&self, expr: &Expr) -> Result<Value, Failure> {
        self.eval_of(expr, None)
    }

    /// The value of an expression of the test, which may be about something: what is implied before `.member`.
    pub(super) fn eval_of(&self, expr: &Expr, item: Option<&Value>) -> Result<Value, Failure> {
        let env = BTreeMap::new();
        let ambient = |which| if which == Ambient::Item { item.cloned() } else { None };
        let evaluator = Evaluator {
            library: &self.library,
            functions: &self.functions,
            types: &self.types,
            env: &env,
            ambient: &ambient,
        };
        evaluator.eval(expr, &mut self.given.clone())
    }
}

/// What somebody says to a question.
fn decided(place: Place, value: &Value) -> Option<Event> {
    let text = |name: &str| match value.get(name) {
        Some(Value::String(text)) => Some(text.to_string()),
        _ => None,
    };
    let verdict = match value.get("approved")? {
        Value::Bool(true) => Verdict::Approved,
        _ => Verdict::Refused,
    };
    Some(Event::Decided { place, verdict, by: text("by"), note: text("note") })
}

fn own<V: Clone>((name, value): (&String, &V)) -> (String, V) {
    (name.clone(), value.clone())
}

/// The paths of the steps that the author has written: not those in the bodies of operations.
fn steps(plan: &Plan) -> BTreeSet<String> {
    let graph = &plan.graph;
    let of_bodies: Vec<String> = graph
        .node_indices()
        .filter_map(|node| match graph.node_weight(node)? {
            Node { path, kind: NodeKind::Step(step) } => {
                let called = answer::operation(plan, &step.connection, &step.operation)?;
                (called.call == CallForm::Body).then(|| format!("{path}/"))
            }
            _ => None,
        })
        .collect();
    let steps = graph.node_weights().filter(|node| matches!(node.kind, NodeKind::Step(_)));
    let written = steps.filter(|node| !of_bodies.iter().any(|body| node.path.starts_with(body)));
    written.map(|node| node.path.clone()).collect()
}

/// The branches of a plan in which something is done.
fn branches(plan: &Plan) -> BTreeSet<(String, u32)> {
    let mut branches = BTreeSet::new();
    for node in plan.graph.node_indices() {
        let Some(weight) = plan.graph.node_weight(node) else { continue };
        let regions = match &weight.kind {
            NodeKind::If { conditions, .. } => 0..=conditions.len(),
            NodeKind::Match { arms, .. } => 0..=arms.len(),
            // The first region is what is tried.
            NodeKind::Try { arms, .. } => 1..=arms.len(),
            _ => continue,
        };
        let numbers = regions.filter_map(|region| u32::try_from(region).ok());
        branches.extend(
            numbers.filter(|region| plan.region(node, *region).is_some()).map(|region| (weight.path.clone(), region)),
        );
    }
    branches
}
