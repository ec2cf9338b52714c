//! What does a run do next?
//!
//! In: a plan, and the events of one run in the order of its journal. Out: records to journal and actions for the host.
//! The machine is deterministic: it reads no clock, draws no random number and does no I/O, so that the same events give
//! the same run, whenever they are applied. One event is applied at a time; the branches that it sets free are then
//! advanced in the order in which they were opened, each until it waits.
//!
//! Left out on purpose: how calls are made, timers kept and journals written (see [`crate::engine`]).

mod again;
mod bus;
mod child;
mod choice;
mod event;
mod fork;
mod node;
mod observe;
mod pending;
mod place;
mod raise;
mod repeat;
mod replay;
mod scope;
mod snapshot;
mod step;
mod stream;
mod undo;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use flow_model::{
    expr::Expr,
    failure::{ErrorKind, Failure},
    plan::Plan,
    units::Instant,
    value::Value,
};
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

pub(crate) use self::replay::Replay;
pub use self::{
    again::{Taken, Unfit, again},
    bus::Wanted,
    event::{
        Action, Again, Call, Cause, Child, Decision, Event, Outage, Outcome, Progress, Record, Repeat, Response, Start,
        Verdict,
    },
    pending::{Awaited, Status},
    place::Place,
    replay::{Diverged, Said, replay},
    snapshot::FORM,
};
use self::{
    fork::Fork,
    observe::Observer,
    pending::Pending,
    raise::Raised,
    scope::{Scopes, View},
    undo::{Then, Undo},
};
use crate::eval::{Evaluator, Library, Slots as _};

/// The version of the interpreter: how the machine gets from events to records. A run goes on by the rules of the version
/// that it began with; one that a newer program began is refused.
///
/// 1. The first.
/// 2. A call that is not safe to repeat, has no policy and never left is tried again.
/// 3. A dead letter holds what it was left for.
/// 4. What a call did that was answered with a failure is looked for when reads can see it.
/// 5. What is personal in the fields of an error is not its message.
pub const VERSION: u32 = 5;

/// One run.
#[derive(Debug)]
pub struct Machine {
    run: String,
    /// The [`VERSION`] that it began with.
    version: u32,
    /// What the idempotency keys of its calls are made of: its id, what follows from its event, or what those of the run are
    /// made of whose doings it does again.
    keys: String,
    /// Whether they follow from the event, and those of the runs that it calls with them.
    origin: Origin,
    /// Runs that are called again, by place.
    called: BTreeMap<String, String>,
    plan: Arc<Plan>,
    library: Library,
    env: BTreeMap<String, String>,
    seed: String,
    /// How many random values were drawn from the seed.
    drawn: u64,
    /// Where expressions are being computed.
    here: Option<Place>,
    now: Instant,
    deadline: Option<Instant>,
    /// The process in which it has heard of the clock last, and how far that had been set there.
    clock: Option<(Instant, i64)>,
    scopes: Scopes,
    threads: BTreeMap<ThreadId, Thread>,
    forks: BTreeMap<ForkId, Fork>,
    pending: BTreeMap<Place, Pending>,
    /// What can still be undone: for the run, and for each `saga` and branch of `race` that is under way.
    sagas: BTreeMap<SagaId, Vec<Undo>>,
    /// The thread that all others come from, and the saga that is the run.
    root: Option<(ThreadId, SagaId)>,
    /// Whether it is settled how the run ends, and only undoing is left.
    ending: bool,
    ready: VecDeque<ThreadId>,
    next_id: u64,
    answered: bool,
    outcome: Option<Outcome>,
    actions: Vec<Action>,
    /// Branches that were taken: the node of an `if`, `match` or `catch`, and the region.
    taken: BTreeSet<(NodeIndex, u32)>,
}

/// Where the idempotency keys of a run come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Origin {
    /// A run, this one or another.
    Run,
    /// The event that started it.
    Event,
}

type ThreadId = u64;
type ForkId = u64;
type ScopeId = u64;
type SagaId = u64;

/// One place where the run goes on: its body, a branch of `parallel`, an item of `for`, an undo.
#[derive(Debug, Serialize, Deserialize)]
struct Thread {
    /// It holds this scope.
    scope: ScopeId,
    /// Who undoes what it does, unless it is in a `saga` of its own; none for an undo itself.
    saga: Option<SagaId>,
    /// Indexes of the loops around it.
    indexes: Vec<u64>,
    /// The fork that it belongs to and its index there.
    parent: Option<(ForkId, usize)>,
    /// The regions that it is in, innermost last.
    stack: Vec<Region>,
    /// What each `try` has caught whose arm it is in, or was in last.
    caught: Vec<(NodeIndex, Raised)>,
    waits: Waits,
}

#[derive(Debug, Serialize, Deserialize)]
enum Waits {
    Nothing,
    For(Place),
    Fork(ForkId),
}

/// A region under way: the next node, and what the region is for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Region {
    at: Option<NodeIndex>,
    role: Role,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Role {
    /// The body of the flow, a branch or an item: the thread ends with it.
    Whole,
    /// A region of `if`, `match`, or an arm of `catch`: its value is that of this node.
    Part(NodeIndex),
    /// The body of this `try`.
    Guarded(NodeIndex),
    /// The body of this `saga`.
    Saga(NodeIndex, SagaId),
    /// A step that is only brought to its end because its branch was dropped: then the thread ends, whatever comes of it.
    Straggler,
}

/// Whether a thread can be advanced further.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Went {
    On,
    Nowhere,
}

impl Machine {
    /// A run that nothing has happened to.
    pub fn new(run: impl Into<String>, plan: Arc<Plan>, library: Library) -> Self {
        let run = run.into();
        Self {
            version: VERSION,
            keys: run.clone(),
            origin: Origin::Run,
            called: BTreeMap::new(),
            run,
            plan,
            library,
            env: BTreeMap::new(),
            seed: String::new(),
            drawn: 0,
            here: None,
            now: Instant::default(),
            deadline: None,
            clock: None,
            scopes: Scopes::default(),
            threads: BTreeMap::new(),
            forks: BTreeMap::new(),
            pending: BTreeMap::new(),
            sagas: BTreeMap::new(),
            root: None,
            ending: false,
            ready: VecDeque::new(),
            next_id: 0,
            answered: false,
            outcome: None,
            actions: Vec::new(),
            taken: BTreeSet::new(),
        }
    }

    /// Applies an event that happened at a time. Events that no longer matter (an attempt that was dropped, a timer of a
    /// branch that has ended) lead to nothing.
    pub fn apply(&mut self, event: &Event, now: Instant) -> Vec<Action> {
        self.now = now;
        if self.outcome.is_none() {
            match event {
                Event::Started(start) => self.start(start),
                Event::Began { place, attempt } => self.began(place, *attempt),
                Event::Attempted { place, attempt, outcome, reached, retry_after, draw, probe } => {
                    let (reached, retry_after, draw, probe) = (*reached, *retry_after, *draw, *probe);
                    self.attempted(place, *attempt, outcome, step::Hints { reached, retry_after, draw, probe });
                }
                Event::Held { place, attempt, until, because } => self.hold(place, *attempt, *until, because),
                Event::Lost { place, attempt } => self.lost(place, *attempt),
                Event::Fired { place } => self.fired(place),
                Event::Expired => self.expired(),
                Event::ClockSet { life, total, by } => self.clock_set(*life, *total, *by),
                Event::Cancelled { reason } => self.cancelled(reason),
                Event::Resolved { place, decision } => self.resolved(place, decision),
                Event::Received { place, value } => self.received(place, value),
                Event::Decided { place, verdict, by, note } => {
                    self.decided(place, *verdict, by.as_deref(), note.as_deref());
                }
                Event::Returned { place, outcome } => self.returned(place, outcome),
            }
            self.advance();
        }
        std::mem::take(&mut self.actions)
    }

    /// Says whether an event can still matter. Outcomes of attempts always do: they belong into the history.
    pub fn expects(&self, event: &Event, now: Instant) -> bool {
        match event {
            Event::Started(_) | Event::Attempted { .. } => true,
            _ if self.outcome.is_some() => false,
            Event::Fired { place } => {
                self.pending.get(place).and_then(Pending::until).is_some_and(|until| until <= now)
            }
            Event::Expired => !self.ending && self.deadline.is_some_and(|deadline| deadline <= now),
            Event::Cancelled { .. } => !self.ending,
            Event::Resolved { place, .. } => matches!(self.pending.get(place), Some(Pending::Undecided(..))),
            Event::Received { place, value } => self.is_awaited(place, value),
            Event::Decided { place, .. } => matches!(self.pending.get(place), Some(Pending::Approval { .. })),
            Event::Returned { place, .. } => matches!(self.pending.get(place), Some(Pending::Child { .. })),
            Event::Held { place, attempt, .. } => {
                matches!(self.pending.get(place), Some(Pending::Call(call)) if call.attempt() == *attempt)
            }
            Event::Began { .. } | Event::Lost { .. } | Event::ClockSet { .. } => true,
        }
    }

    /// The plan that the run is pinned to.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The branches that were taken: the node of an `if`, `match` or `catch`, and the region.
    pub fn taken(&self) -> impl Iterator<Item = (NodeIndex, u32)> {
        self.taken.iter().copied()
    }

    /// How the run ended, if it did.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Says whether it is settled how the run ends, and only undoing is left.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// When the run has to be over, if there is such a time.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn start(&mut self, start: &Start) {
        let plan = Arc::clone(&self.plan);
        self.version = start.version;
        self.env.clone_from(&start.env);
        self.seed = start.seed.clone().unwrap_or_else(|| self.run.clone());
        let scope = self.scopes.open(None);
        let trigger = start.trigger.and_then(|index| plan.triggers.get(index));
        let begun = start.again.as_ref().map_or(self.now, |again| again.at);
        self.deadline = trigger.and_then(|trigger| trigger.within).map(|within| begun.after(within));
        if let Some(keys) = &start.keys {
            self.keys.clone_from(keys);
            self.origin = Origin::Event;
        }
        if let Some(Again { keys: Some(keys), called, .. }) = &start.again {
            self.keys.clone_from(keys);
            self.called.clone_from(called);
        }
        if let Some(slot) = trigger.and_then(|trigger| trigger.bind) {
            self.scopes.view(scope).set(slot, start.payload.clone());
        }
        for ((name, field), slot) in plan.params.iter().zip(0..) {
            let given = if trigger.is_none() { start.payload.get(name).cloned() } else { None };
            let value = match (given, &field.default) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => self.eval(scope, default),
                (None, None) => Ok(Value::Null),
            };
            match value {
                Ok(value) => self.scopes.view(scope).set(flow_model::expr::Slot(slot), value),
                Err(failure) => return self.finish(Outcome::Failed { failure, place: None }),
            }
        }
        let saga = self.open_saga();
        let stack = vec![Region { at: plan.entry, role: Role::Whole }];
        let (indexes, parent, caught, waits) = (Vec::new(), None, Vec::new(), Waits::Nothing);
        let root = self.open_thread(Thread { scope, saga: Some(saga), indexes, parent, stack, caught, waits });
        self.root = Some((root, saga));
    }

    /// Someone wants the run to end. Once it is settled how it ends, it is too late for that.
    fn cancelled(&mut self, reason: &str) {
        if !self.ending {
            self.wind_up(Outcome::Cancelled { reason: reason.to_owned() }, Vec::new());
        }
    }

    fn open_thread(&mut self, thread: Thread) -> ThreadId {
        let id = self.fresh();
        self.threads.insert(id, thread);
        self.ready.push_back(id);
        id
    }

    fn fresh(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Advances threads until all wait.
    fn advance(&mut self) {
        while let Some(thread) = self.ready.pop_front() {
            while self.outcome.is_none() && self.step(thread) == Went::On {}
        }
    }

    fn eval(&mut self, scope: ScopeId, expr: &Expr) -> Result<Value, Failure> {
        let plan = Arc::clone(&self.plan);
        let seen = Observer::new(&self.seed, self.drawn, self.now);
        let evaluator = Evaluator {
            library: &self.library,
            functions: &plan.functions,
            types: &plan.types,
            env: &self.env,
            ambient: &|which| seen.observe(which),
        };
        let value = evaluator.eval(expr, &mut self.scopes.view(scope));
        let (drawn, seen) = seen.end();
        self.drawn = drawn;
        for value in seen {
            let place = self.here.clone().unwrap_or_default();
            self.record(Record::Observed { place, value });
        }
        value
    }

    fn condition(&mut self, scope: ScopeId, expr: &Expr) -> Result<bool, Failure> {
        match self.eval(scope, expr)? {
            Value::Bool(value) => Ok(value),
            other => {
                let message = format!("a condition must be `true` or `false`, not {}", other.kind());
                Err(Failure::new(ErrorKind::Invalid, message))
            }
        }
    }

    fn scope_of(&mut self, thread: ThreadId) -> View<'_> {
        let scope = self.threads.get(&thread).map_or(0, |thread| thread.scope);
        self.scopes.view(scope)
    }

    fn place(&self, thread: ThreadId, node: NodeIndex) -> Place {
        Place {
            path: self.plan.graph.node_weight(node).map(|node| node.path.clone()).unwrap_or_default(),
            indexes: self.threads.get(&thread).map(|thread| thread.indexes.clone()).unwrap_or_default(),
        }
    }

    fn record(&mut self, record: Record) {
        self.actions.push(Action::Record(record));
    }

    fn expired(&mut self) {
        if !self.ending && self.deadline.is_some_and(|deadline| deadline <= self.now) {
            let failure = Failure::new(ErrorKind::Timeout, "the run was not over within its time");
            self.wind_up(Outcome::Failed { failure, place: None }, Vec::new());
        }
    }

    /// By how much the clock was set that the run does not know of yet; none when it knows all, has not begun, or is over.
    /// What it waits for since an earlier process goes by the clock as this one found it.
    pub(crate) fn unheard(&self, life: Instant, total: i64) -> Option<i64> {
        let known = self.clock.filter(|(known, _)| *known == life).map_or(0, |(_, total)| total);
        (known != total && self.root.is_some() && self.outcome.is_none()).then(|| total.saturating_sub(known))
    }

    fn clock_set(&mut self, life: Instant, total: i64, by: i64) {
        self.clock = Some((life, total));
        if by == 0 {
            return;
        }
        self.deadline = self.deadline.map(|deadline| deadline.moved(by));
        self.forks.values_mut().for_each(|fork| fork.moved(by));
        let pending = self.pending.iter_mut();
        let moved: Vec<_> = pending.filter_map(|(place, pending)| Some((place.clone(), pending.moved(by)?))).collect();
        for (place, until) in moved {
            self.record(Record::Waits { place: place.clone(), until });
            self.actions.push(Action::Wake { place, until });
        }
    }

    fn raise_at(&mut self, thread: ThreadId, place: Place, failure: Failure) {
        if self.raise(thread, Raised { failure, place }) == Went::On {
            self.ready.push_back(thread);
        }
    }

    /// Lets a thread go on with what follows the node that it waited at.
    fn wake(&mut self, thread: ThreadId) {
        self.resume(thread);
        self.pass(thread);
    }

    /// Lets a thread go on with the node that it is at.
    fn resume(&mut self, thread: ThreadId) {
        if let Some(woken) = self.threads.get_mut(&thread) {
            woken.waits = Waits::Nothing;
            self.ready.push_back(thread);
        }
    }

    /// Moves a thread to the node after the one that it is at.
    fn pass(&mut self, thread: ThreadId) {
        let plan = Arc::clone(&self.plan);
        if let Some(region) = self.threads.get_mut(&thread).and_then(|thread| thread.stack.last_mut()) {
            region.at = match region.role {
                Role::Straggler => None,
                _ => region.at.and_then(|node| plan.next(node)),
            };
        }
    }
}
