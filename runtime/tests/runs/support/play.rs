//! The machine without an engine: what it asks for is answered by hand, in an order that the test chooses.

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{
    failure::{ErrorKind, Failure},
    plan::Plan,
    units::{Instant, Millis},
    value::Value,
};
use flow_runtime::{
    connector::Reached,
    eval::Library,
    machine::{Action, Call, Child, Event, Machine, Outcome, Place, Record, Repeat, Said, Start},
};

pub(crate) const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// A run, and all that it said.
pub(crate) struct Play {
    pub(crate) machine: Machine,
    pub(crate) now: Instant,
    pub(crate) said: Vec<(Instant, Said)>,
    /// Attempts that were asked for, in order.
    pub(crate) asked: Vec<Call>,
    /// Attempts that wait for an outcome.
    pub(crate) open: BTreeMap<Place, Call>,
    pub(crate) aborted: Vec<Place>,
    /// Runs of other flows that were begun, in order.
    pub(crate) begun: Vec<Child>,
    /// Ids of those that are no longer needed.
    pub(crate) cancelled: Vec<String>,
    events: usize,
}

/// After so many events of a run, it is taken up from a snapshot only at those whose number is a power of two: what a
/// snapshot holds grows with the run, and to write it for each event of a long run takes the square of its length.
const MANY: usize = 500;

impl Play {
    pub(crate) fn new(plan: Plan) -> Self {
        Self::of(Arc::new(plan))
    }

    pub(crate) fn of(plan: Arc<Plan>) -> Self {
        Self {
            machine: Machine::new(RUN, plan, Library::default()),
            now: Instant(1_000_000),
            said: Vec::new(),
            asked: Vec::new(),
            open: BTreeMap::new(),
            aborted: Vec::new(),
            begun: Vec::new(),
            cancelled: Vec::new(),
            events: 0,
        }
    }

    /// A new run of a plan, begun with parameters.
    pub(crate) fn start(plan: Plan, params: Value) -> Self {
        let mut play = Self::new(plan);
        play.apply(Event::Started(Start { payload: params, ..Start::default() }));
        play
    }

    pub(crate) fn apply(&mut self, event: Event) {
        let actions = self.machine.apply(&event, self.now);
        self.events += 1;
        if self.events < MANY || self.events.is_power_of_two() {
            self.restore();
        }
        self.said.push((self.now, Said::Event(event)));
        for action in actions {
            match action {
                Action::Record(record) => self.said.push((self.now, Said::Record(record))),
                Action::Perform(call) => {
                    self.open.insert(call.place.clone(), (*call).clone());
                    self.asked.push(*call);
                }
                Action::Abort(place) => {
                    self.open.remove(&place);
                    self.aborted.push(place);
                }
                Action::Begin(child) => self.begun.push(child),
                Action::Cancel { run, .. } => self.cancelled.push(run),
                Action::Wake { .. } => {}
            }
        }
    }

    /// Goes on with a machine that is made of a snapshot: all that a test says of a run holds for one that was taken up
    /// from a checkpoint before each event, of a long one before each of its first and some of the others.
    fn restore(&mut self) {
        let Some(snapshot) = self.machine.snapshot() else {
            return assert!(self.machine.outcome().is_some(), "a run that is not over can be kept");
        };
        let plan = Arc::clone(self.machine.plan());
        self.machine = Machine::restore(RUN, plan, Library::default(), &snapshot).expect("a snapshot reads");
        assert_eq!(self.machine.snapshot(), Some(snapshot), "nothing is lost in it");
    }

    fn take(&mut self, path: &str) -> Call {
        let found = self.open.keys().find(|place| place.to_string() == path).cloned();
        let place = found.unwrap_or_else(|| panic!("`{path}` is not open: {:?}", self.open.keys()));
        self.open.remove(&place).unwrap()
    }

    /// Tells the outcome of an attempt.
    pub(crate) fn answer(&mut self, path: &str, outcome: Result<Value, Failure>) {
        self.answer_with(path, outcome, Reached::Answered, None, 0);
    }

    pub(crate) fn answer_with(
        &mut self,
        path: &str,
        outcome: Result<Value, Failure>,
        reached: Reached,
        retry_after: Option<Millis>,
        draw: u32,
    ) {
        let Call { place, attempt, repeat, .. } = self.take(path);
        if repeat == Repeat::Unsafe {
            self.apply(Event::Began { place: place.clone(), attempt });
        }
        self.apply(Event::Attempted { place, attempt, outcome, reached, retry_after, draw, probe: false });
    }

    pub(crate) fn ok(&mut self, path: &str, value: i64) {
        self.answer(path, Ok(Value::Int(value)));
    }

    pub(crate) fn err(&mut self, path: &str, kind: ErrorKind) {
        self.answer(path, Err(failure(kind)));
    }

    /// Sets the clock to the earliest timer and fires it. Returns how long that took.
    pub(crate) fn fire(&mut self) -> Millis {
        let timers = self.machine.timers();
        let (place, until) = timers.into_iter().min_by_key(|(_, until)| *until).expect("a timer is set");
        let waited = until.since(self.now);
        self.now = self.now.max(until);
        self.apply(Event::Fired { place });
        waited
    }

    /// The same, when it matters.
    pub(crate) fn tell(&mut self, event: Event) -> bool {
        let matters = self.machine.expects(&event, self.now);
        if matters {
            self.apply(event);
        }
        matters
    }

    /// Cancels the run.
    pub(crate) fn cancel(&mut self, reason: &str) -> bool {
        self.tell(Event::Cancelled { reason: reason.into() })
    }

    /// Paths of all attempts that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.iter().map(|call| call.place.to_string()).collect()
    }

    /// Paths of the attempts that wait for an outcome.
    pub(crate) fn waiting(&self) -> Vec<String> {
        self.open.keys().map(ToString::to_string).collect()
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.machine.outcome()
    }

    /// The value that the run ended with.
    pub(crate) fn value(&self) -> Value {
        match self.outcome() {
            Some(Outcome::Completed(value)) => value.clone(),
            other => panic!("the run has not completed: {other:?}"),
        }
    }

    /// The failure that the run ended with, and where.
    pub(crate) fn failure(&self) -> (Failure, String) {
        match self.outcome() {
            Some(Outcome::Failed { failure, place }) => {
                (failure.clone(), place.as_ref().map(ToString::to_string).unwrap_or_default())
            }
            other => panic!("the run has not failed: {other:?}"),
        }
    }

    pub(crate) fn records(&self) -> Vec<&Record> {
        let record = |(_, said): &'_ (Instant, Said)| matches!(said, Said::Record(_));
        self.said
            .iter()
            .filter(|said| record(said))
            .map(|(_, said)| match said {
                Said::Record(record) => record,
                Said::Event(_) => unreachable!("filtered"),
            })
            .collect()
    }
}

pub(crate) fn failure(kind: ErrorKind) -> Failure {
    let message = format!("the test says {kind}");
    Failure::new(kind, message)
}

pub(crate) fn ints(values: impl IntoIterator<Item = i64>) -> Value {
    Value::List(values.into_iter().map(Value::Int).collect())
}
