//! What is there outside of the process: a clock, systems that are called, and what they saw?
//!
//! It outlives each process of a simulation. Every call is written down when it arrives and when it has ended, outside of
//! the engine: that list is what the engine's journal is compared with.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    schema::Limit,
    units::{Instant, Millis},
    value::Value,
};

use super::{START, clock::VirtualClock};
use crate::{
    connector::{
        Admission, Admitted, Asking, Attempt, Invocation, Performer, Reached,
        breaker::Sign,
        gate::{Gates, Leaving},
    },
    engine::Limits,
    timer::Clock as _,
};

/// A call that has arrived.
#[derive(Clone, Debug)]
pub struct Made {
    /// The operation.
    pub operation: String,
    /// Its first argument.
    pub arg: Value,
    /// The idempotency key.
    pub key: String,
    /// Whether the operation may be repeated with the same key.
    pub repeatable: bool,
    /// When it came.
    pub at: Instant,
    /// How many calls with the same key came before it.
    pub before: usize,
    /// Which process made it, counted from 0.
    pub life: usize,
    /// Whether it has done what it does.
    pub applied: bool,
    /// When it ended, for whatever reason.
    pub ended: Option<Instant>,
}

/// How a call is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// How long it takes.
    pub after: Millis,
    /// What the caller hears.
    pub attempt: Attempt,
    /// Whether the call does what it does, whatever the caller hears.
    pub applied: bool,
}

impl Reply {
    /// The call does what it does, and the caller is told.
    pub fn ok(value: Value) -> Self {
        let attempt = Attempt { outcome: Ok(value), retry_after: None, reached: Reached::Answered, parked: None };
        Self { after: Millis(10), attempt, applied: true }
    }

    /// The caller hears of a failure, and nothing was done.
    pub fn err(kind: ErrorKind, reached: Reached) -> Self {
        let message = format!("the test says {kind}");
        let failure = Failure::new(kind, message);
        let attempt = Attempt { outcome: Err(failure), retry_after: None, reached, parked: None };
        Self { after: Millis(10), attempt, applied: false }
    }

    /// The same after another time.
    pub fn after(self, after: u64) -> Self {
        Self { after: Millis(after), ..self }
    }

    /// The same, and the call has done what it does.
    pub fn applied(self) -> Self {
        Self { applied: true, ..self }
    }
}

type Script = dyn Fn(&Made) -> Reply + Send + Sync;

/// The world outside of the process.
pub struct Outside {
    /// The clock.
    pub clock: Arc<VirtualClock>,
    /// How much at the same time, for the processes that start from now on.
    pub limits: Limits,
    /// The environment of the processes that start from now on.
    pub env: Mutex<BTreeMap<String, String>>,
    /// The most calls that were under way at the same time.
    pub most_under_way: AtomicUsize,
    under_way: AtomicUsize,
    made: Mutex<Vec<Made>>,
    life: AtomicUsize,
    script: Box<Script>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("made", &self.made().len()).finish_non_exhaustive()
    }
}

impl Outside {
    /// A world that answers as told. Nothing is kept free on the disk, and runs are taken up from a checkpoint after each
    /// write.
    pub fn new(script: impl Fn(&Made) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Self::with_limits(Limits { reserve: 0, checkpoint: 0, ..Limits::default() }, script)
    }

    /// The same with other limits.
    pub fn with_limits(limits: Limits, script: impl Fn(&Made) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::new(VirtualClock::at(START)),
            limits,
            env: Mutex::default(),
            most_under_way: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            made: Mutex::default(),
            life: AtomicUsize::new(0),
            script: Box::new(script),
        })
    }

    /// A world that answers every call with [`answer`], some sooner, some later.
    pub fn kind() -> Arc<Self> {
        Self::kind_with(Limits { reserve: 0, checkpoint: 0, ..Limits::default() })
    }

    /// The same with other limits.
    pub fn kind_with(limits: Limits) -> Arc<Self> {
        Self::with_limits(limits, |made| {
            let answer = answer(&made.arg);
            let later = if let Value::Int(answer) = answer { answer.unsigned_abs() } else { 0 };
            Reply::ok(answer).after(10 + later)
        })
    }

    /// Lets the world go on for a moment.
    pub async fn tick(&self) {
        self.clock.sleep_until(self.clock.now().after(Millis(1))).await;
    }

    /// All calls so far, in the order in which they came.
    pub fn made(&self) -> Vec<Made> {
        self.calls().clone()
    }

    /// How often each key came.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        self.made().into_iter().for_each(|made| *counts.entry(made.key).or_default() += 1);
        counts
    }

    /// Says that the process is another one from now on.
    pub(super) fn begin_life(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrive(&self, invocation: Invocation) -> (usize, Made) {
        let Invocation { plan, connection, operation, args, key, .. } = invocation;
        let connector = plan.connections.get(&connection).and_then(|of| plan.connectors.get(&of.connector));
        let declared = connector.and_then(|connector| connector.operations.get(&operation));
        let mut calls = self.calls();
        let made = Made {
            repeatable: declared.is_some_and(flow_model::schema::Operation::is_repeatable),
            operation,
            arg: args.into_iter().next().unwrap_or(Value::Null),
            before: calls.iter().filter(|made| made.key == key).count(),
            key,
            at: self.clock.now(),
            life: self.life.load(Ordering::SeqCst),
            applied: false,
            ended: None,
        };
        calls.push(made.clone());
        (calls.len() - 1, made)
    }
}

/// An integer that follows from an argument.
pub fn answer(arg: &Value) -> Value {
    let bytes = arg.to_string().into_bytes();
    let sum = bytes.iter().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    Value::Int(i64::from(sum % 97))
}

/// What one process calls the world through, with the limits and breakers of its connections.
pub(super) struct Caller {
    outside: Arc<Outside>,
    gates: Gates,
}

impl Caller {
    pub(super) fn new(outside: &Arc<Outside>) -> Self {
        Self { outside: Arc::clone(outside), gates: Gates::default() }
    }
}

/// The limits of its connection.
fn limits(Invocation { plan, connection, .. }: &Invocation) -> &[Limit] {
    let connector = plan.connections.get(connection).and_then(|of| plan.connectors.get(&of.connector));
    connector.and_then(|connector| connector.http.as_ref()).map_or(&[], |http| &http.limits)
}

/// Writes down that a call has ended, however it ends.
struct UnderWay<'a> {
    outside: &'a Outside,
    index: usize,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.outside.under_way.fetch_sub(1, Ordering::SeqCst);
        let now = self.outside.clock.now();
        if let Some(made) = self.outside.calls().get_mut(self.index) {
            made.ended = Some(now);
        }
    }
}

#[async_trait]
impl Performer for Caller {
    fn admit(&self, asking: &Asking<'_>) -> Admission {
        let Asking { invocation, ticket, attempt, terms } = *asking;
        let connection = &invocation.connection;
        let leaving = Leaving { connection, ticket, attempt, limits: limits(invocation), cost: 1, terms };
        self.gates.ask(connection, leaving, self.outside.clock.now())
    }

    async fn perform(&self, invocation: Invocation) -> Attempt {
        let (outside, connection) = (&self.outside, invocation.connection.clone());
        let ticket = invocation.admitted.as_ref().map(|admitted| admitted.ticket.clone()).unwrap_or_default();
        if let Some(Admitted { attempt, terms, .. }) = &invocation.admitted {
            let limits = limits(&invocation);
            let leaving =
                Leaving { connection: &connection, ticket: &ticket, attempt: *attempt, limits, cost: 1, terms: *terms };
            if let Err(parked) = self.gates.depart(&connection, leaving, &*outside.clock).await {
                let outcome = Err(Failure::new(ErrorKind::RateLimited, parked.because.as_str()));
                return Attempt { outcome, retry_after: None, reached: Reached::Never, parked: Some(parked) };
            }
        }
        let (index, made) = outside.arrive(invocation);
        let count = outside.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        let _under_way = UnderWay { outside, index };
        outside.most_under_way.fetch_max(count, Ordering::SeqCst);
        let Reply { after, attempt, applied } = (outside.script)(&made);
        if let Some(made) = outside.calls().get_mut(index) {
            made.applied = applied;
        }
        outside.clock.sleep(after).await;
        let now = outside.clock.now();
        let is_refused = matches!(&attempt.outcome, Err(failure) if failure.kind == ErrorKind::RateLimited);
        if let Some(pause) = attempt.retry_after.filter(|_| is_refused) {
            self.gates.pause(&connection, pause, now);
        }
        self.gates.ended(&connection, &ticket, Sign::of(&attempt), now);
        attempt
    }
}
