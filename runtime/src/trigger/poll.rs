//! Who starts the runs of what a system lists?
//!
//! A task for each trigger that polls. How far it has read, and which items it has seen there, is on disk together with each run
//! that an item starts, so that after any pause an item has one run and none is left out: items are taken in the order of their
//! cursor, and all that are not older than what was read, less the overlap, and were not seen. What was seen is forgotten once
//! it is older than that, since it is never taken again then.

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    plan::{Plan, Trigger, TriggerKind},
    schema::{Connector, First, Poll, WebhookTrigger},
    ty::{Format, Type},
    units::Millis,
    value::Value,
};
use jiff::{SignedDuration, Timestamp};

use super::counters::Counters;
use crate::{
    connector::{Attempt, Invocation, config},
    engine::{Engine, Share, Submission, SubmitError, started_by},
    eval::{Environment, Evaluator, Frame, Library},
    timer::Clock,
};

/// The keys under which is kept how far was read, that reading has begun, and what was seen.
const CURSOR: &str = "cursor";
const BEGUN: &str = "begun";
const SEEN: &str = "seen ";

/// How long one call may take.
const TIMEOUT: Millis = Millis::seconds(60);
/// How long to wait before runs that were not accepted are submitted again.
const TRY_AGAIN: Millis = Millis::seconds(5);
/// The longest wait after failures, unless the trigger polls more seldom.
const LATE: Millis = Millis::seconds(15 * 60);
/// How many items one look may find: they are put in order before the first is taken.
const MOST: usize = 100_000;

/// A flow that is started by what a system lists.
#[derive(Clone, Debug)]
pub(super) struct Polled {
    plan: Arc<Plan>,
    trigger: usize,
    declared: Trigger,
    connection: String,
    name: String,
    args: Vec<Expr>,
    every: Millis,
}

/// Lists the flows that poll.
pub(super) fn polled(plans: &[Arc<Plan>]) -> Vec<Polled> {
    let all = plans.iter().flat_map(|plan| plan.triggers.iter().enumerate().map(move |trigger| (plan, trigger)));
    all.filter_map(|(plan, (trigger, declared))| match &declared.kind {
        TriggerKind::Poll { connection, trigger: name, args, every, .. } => Some(Polled {
            plan: Arc::clone(plan),
            trigger,
            declared: declared.clone(),
            connection: connection.clone(),
            name: name.clone(),
            args: args.clone(),
            every: *every,
        }),
        _ => None,
    })
    .collect()
}

impl Polled {
    fn found(&self) -> Option<(&Connector, &WebhookTrigger, &Poll)> {
        let connection = self.plan.connections.get(&self.connection)?;
        let connector = self.plan.connectors.get(&connection.connector)?;
        let trigger = connector.triggers.get(&self.name)?;
        Some((connector, trigger, trigger.poll.as_ref()?))
    }
}

/// Where an item stands among the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Number(i64),
    Text(String),
    Time(Timestamp),
}

impl Mark {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(number) => Some(Self::Number(*number)),
            Value::String(text) => Some(Self::Text(text.to_string())),
            Value::Timestamp(time) => Some(Self::Time(*time)),
            _ => None,
        }
    }

    /// As it was written by [`Self::text`].
    fn read(text: &str, ty: &Type) -> Option<Self> {
        match ty {
            Type::Int => text.parse().ok().map(Self::Number),
            Type::Timestamp => text.parse().ok().map(Self::Time),
            _ => Some(Self::Text(text.to_owned())),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Time(time) => time.to_string(),
        }
    }

    /// What is older than this is never taken any more.
    fn less(&self, overlap: Millis) -> Self {
        match self {
            Self::Time(time) => Self::Time(back(*time, overlap)),
            other => other.clone(),
        }
    }

    /// What the system is asked for.
    fn since(&self, poll: &Poll) -> Value {
        match self.less(poll.overlap) {
            Self::Number(number) => Value::Int(number),
            Self::Text(text) => Value::text(text),
            Self::Time(time) => {
                let coarse = i64::try_from(poll.granularity.0).unwrap_or(i64::MAX).max(1);
                let whole = time.as_millisecond() - time.as_millisecond().rem_euclid(coarse);
                match poll.format {
                    Some(Format::UnixSeconds) => Value::Int(whole.div_euclid(1000)),
                    Some(Format::UnixMillis) => Value::Int(whole),
                    None if poll.granularity.0 == 0 => Value::Timestamp(time),
                    None => Value::Timestamp(Timestamp::from_millisecond(whole).unwrap_or(time)),
                }
            }
        }
    }
}

fn back(time: Timestamp, by: Millis) -> Timestamp {
    let by = SignedDuration::from_millis(i64::try_from(by.0).unwrap_or(i64::MAX));
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// An item that was listed.
struct Item {
    mark: Mark,
    key: String,
    payload: Value,
}

/// Why nothing more is done for now.
enum Stop {
    /// The system can't be read; after what time it may.
    Failed(Failure, Option<Millis>),
    /// No run is accepted for now.
    Busy,
    /// The engine takes no more.
    Over,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure, None)
    }
}

struct Task {
    polled: Polled,
    engine: Arc<Engine>,
    library: Library,
    env: Arc<dyn Environment>,
    clock: Arc<dyn Clock>,
    begun: bool,
    latest: Option<Mark>,
    seen: BTreeMap<String, Mark>,
    looks: u64,
    failures: u32,
}

/// Starts runs for what a system lists, until the engine takes no more.
pub(super) async fn run(
    polled: Polled,
    engine: Arc<Engine>,
    (library, env): (Library, Arc<dyn Environment>),
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
) {
    let (flow, on) = (polled.plan.flow.clone(), started_by(&polled.declared));
    let notes = match engine.notes(&flow, &polled.declared).await {
        Ok(notes) => notes,
        Err(error) => return tracing::error!(%error, flow, on, "how far was read is not known"),
    };
    let ty = polled.found().map_or(Type::Unknown, |(_, _, poll)| poll.ty.clone());
    let latest = notes.get(CURSOR).and_then(|text| Mark::read(text, &ty));
    let seen =
        notes.iter().filter_map(|(key, mark)| Some((key.strip_prefix(SEEN)?.to_owned(), Mark::read(mark, &ty)?)));
    let (begun, seen) = (notes.contains_key(BEGUN), seen.collect());
    let every = polled.every;
    let mut task = Task { polled, engine, library, env, clock, begun, latest, seen, looks: 0, failures: 0 };
    loop {
        let began = task.clock.now();
        let until = match task.look(&counters).await {
            Ok(()) => {
                task.failures = 0;
                began.after(every)
            }
            Err(Stop::Busy) => task.clock.now().after(TRY_AGAIN),
            Err(Stop::Over) => return,
            Err(Stop::Failed(failure, asked)) => {
                counters.poll_failed();
                let doubled = Millis(every.0.saturating_mul(1 << task.failures.min(20)));
                let wait = doubled.min(LATE.max(every)).max(asked.unwrap_or(Millis(0)));
                task.failures += 1;
                let failures = task.failures;
                tracing::error!(%failure, flow, on, failures, again = %wait, "what has happened can't be read");
                task.clock.now().after(wait)
            }
        };
        task.clock.sleep_until(until).await;
    }
}

impl Task {
    /// Reads what there is, and starts a run for each item that is new.
    async fn look(&mut self, counters: &Counters) -> Result<(), Stop> {
        let polled = self.polled.clone();
        let (_, _, poll) = polled.found().ok_or_else(|| broken("the plan does not say what is polled"))?;
        let now = self.clock.now();
        let is_first = !self.begun && self.latest.is_none() && poll.first == First::Now;
        if is_first && poll.ty == Type::Timestamp {
            // What is there already is what came before now, as far as items of just before can still appear.
            self.latest = Some(Mark::Time(now.timestamp()));
        }
        let listed = self.listed(&polled, poll).await;
        if is_first {
            let latest = self.latest.take();
            let items = listed?;
            return self.pass_over(items, latest, poll).await;
        }
        for item in listed? {
            let latest = self.latest.as_ref().map_or(item.mark.clone(), |latest| latest.max(&item.mark).clone());
            let is_old = self.latest.as_ref().is_some_and(|latest| item.mark < latest.less(poll.overlap));
            if is_old || self.seen.contains_key(&item.key) {
                continue;
            }
            self.take(item, latest, poll, counters).await?;
        }
        Ok(())
    }

    /// Takes what was there before for seen: reading begins with what comes from now on.
    async fn pass_over(&mut self, items: Vec<Item>, latest: Option<Mark>, poll: &Poll) -> Result<(), Stop> {
        let latest = items.iter().map(|item| item.mark.clone()).chain(latest).max();
        let floor = latest.as_ref().map(|latest| latest.less(poll.overlap));
        let seen: BTreeMap<String, Mark> = items
            .into_iter()
            .filter(|item| floor.as_ref().is_some_and(|floor| item.mark >= *floor))
            .map(|item| (item.key, item.mark))
            .collect();
        let mut notes = BTreeMap::from([(BEGUN.to_owned(), "yes".to_owned())]);
        notes.extend(latest.iter().map(|latest| (CURSOR.to_owned(), latest.text())));
        notes.extend(seen.iter().map(|(key, mark)| (format!("{SEEN}{key}"), mark.text())));
        let kept = self.engine.keep(&self.polled.plan.flow, &self.polled.declared, notes).await;
        kept.map_err(|_| Stop::Over)?;
        (self.begun, self.latest, self.seen) = (true, latest, seen);
        Ok(())
    }

    /// Starts the run of an item; how far was read is on disk with it.
    async fn take(&mut self, item: Item, latest: Mark, poll: &Poll, counters: &Counters) -> Result<(), Stop> {
        let floor = latest.less(poll.overlap);
        let forgotten: Vec<String> =
            self.seen.iter().filter(|(_, mark)| **mark < floor).map(|(key, _)| key.clone()).collect();
        let mut notes: BTreeMap<String, String> =
            forgotten.iter().map(|key| (format!("{SEEN}{key}"), String::new())).collect();
        notes.insert(CURSOR.to_owned(), latest.text());
        notes.insert(format!("{SEEN}{}", item.key), item.mark.text());
        let (flow, key) = (self.polled.plan.flow.clone(), item.key.clone());
        let submission = Submission {
            flow: flow.clone(),
            plan: Some(Arc::clone(&self.polled.plan)),
            trigger: Some(self.polled.trigger),
            payload: item.payload,
            dedupe: None,
            body_digest: None,
            trace: None,
            notes,
            share: Share::Event,
        };
        match self.engine.submit(submission).await {
            Ok(accepted) => tracing::debug!(flow, key, run = %accepted.run, "an item has its run"),
            Err(error) if error.is_passing() => {
                tracing::error!(%error, flow, key, "the run of an item was not accepted yet");
                return Err(Stop::Busy);
            }
            Err(SubmitError::Closing | SubmitError::Store(_)) => return Err(Stop::Over),
            // None is left out: it is tried again, and those after it wait.
            Err(error) => return Err(broken(&format!("the run of the item `{key}` was not accepted: {error}")).into()),
        }
        counters.accepted();
        forgotten.iter().for_each(|key| drop(self.seen.remove(key)));
        self.seen.insert(item.key, item.mark);
        self.latest = Some(latest);
        Ok(())
    }

    /// What the system lists, by its cursor.
    async fn listed(&mut self, polled: &Polled, poll: &Poll) -> Result<Vec<Item>, Stop> {
        let (connector, trigger, _) = polled.found().ok_or_else(|| broken("the plan does not say what is polled"))?;
        let since = self.latest.as_ref().map_or(Value::Null, |latest| latest.since(poll));
        let connection = polled.plan.connections.get(&polled.connection);
        let connection = connection.ok_or_else(|| broken("the plan does not hold the connection"))?;
        let eval = |ambient: &dyn Fn(Ambient) -> Option<Value>, expr: &Expr, frame: &mut Frame| {
            let (library, env) = (&self.library, &*self.env);
            Evaluator { library, functions: &polled.plan.functions, types: &connector.types, env, ambient }
                .eval(expr, frame)
        };
        let set = config::settings(&polled.connection, connection, connector, &|expr| {
            eval(&|_| None, expr, &mut Frame::new())
        })?;
        let ambient = |which| (which == Ambient::Config).then(|| Value::Record(set.clone()));
        let told = polled.args.iter().map(|arg| eval(&|_| None, arg, &mut Frame::new()));
        let seen: Vec<Value> = std::iter::once(Ok(since)).chain(told).collect::<Result<_, _>>()?;
        let args = poll.call.args.iter().map(|arg| eval(&ambient, arg, &mut Frame::of(seen.clone())));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        let of_item = |item: &Value, expr: &Expr| {
            eval(&|which| (which == Ambient::Item).then(|| item.clone()), expr, &mut Frame::new())
        };
        let streams =
            connector.operations.get(&poll.call.operation).is_some_and(|of| matches!(of.result, Type::Stream(_)));
        let (mut found, mut before): (Vec<Item>, Vec<Value>) = (Vec::new(), Vec::new());
        let mut page = streams.then_some(Value::Null);
        loop {
            let invocation = Invocation {
                plan: Arc::clone(&polled.plan),
                connection: polled.connection.clone(),
                operation: poll.call.operation.clone(),
                result: None,
                page: page.clone(),
                args: args.clone(),
                key: String::new(),
                timeout: TIMEOUT,
                traceparent: None,
            };
            self.looks += 1;
            let ticket = format!("{} {} {}", polled.plan.flow, started_by(&polled.declared), self.looks);
            let Attempt { outcome, retry_after, parked, .. } =
                self.engine.look(invocation, &ticket, self.failures + 1, &connector.policy).await;
            if let Some(parked) = parked {
                return Err(Stop::Failed(Failure::new(ErrorKind::Unauthorized, parked.because), Some(parked.again)));
            }
            let (items, next) = match outcome.map_err(|failure| Stop::Failed(failure, retry_after))? {
                Value::List(items) => (items, Value::Null),
                Value::Record(fields) => match (fields.get("items"), fields.get("next")) {
                    (Some(Value::List(items)), Some(next)) => (items.clone(), next.clone()),
                    _ => return Err(broken("what was listed is no list").into()),
                },
                _ => return Err(broken("what was listed is no list").into()),
            };
            for payload in items {
                let cursor = of_item(&payload, &poll.cursor)?;
                let mark = Mark::of(&cursor).ok_or_else(|| broken("an item has no cursor"))?;
                let key = match &trigger.dedupe {
                    Some(key) => of_item(&payload, key)?.to_string(),
                    None => mark.text(),
                };
                found.push(Item { mark, key, payload });
            }
            if found.len() > MOST {
                return Err(broken(&format!("more than {MOST} items are listed: let `poll:` ask for fewer")).into());
            }
            if next == Value::Null {
                break;
            }
            if before.contains(&next) {
                return Err(broken("the pages of the list go round in a circle").into());
            }
            before.push(next.clone());
            page = Some(next);
        }
        found.sort_by(|one, other| one.mark.cmp(&other.mark));
        Ok(found)
    }
}

fn broken(message: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, message.to_owned())
}
