//! Who starts the runs of what a system lists?
//!
//! A task for each trigger that polls. How far it has read, and which items it has seen there, is on disk together with each run
//! that an item starts, so that after any pause an item has one run and none is left out: items are taken in the order of their
//! cursor, and all that are not older than what was read, less the overlap, and were not seen. What was seen is forgotten once
//! it is older than that, since it is never taken again then. Where the cursor grows in several places for itself, as in the
//! partitions of a log, all of this is so for each. Where nothing grows and the list says by its order what is later, an item is new
//! that was not listed before, and what was seen is forgotten once it is no longer listed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    counters::Counters,
    mark::{BEGUN, CURSOR, Latest, Mark, NOW, Polled, SEEN, Seen, known},
};
use crate::{
    connector::{Attempt, Invocation, LONGEST_WAIT, config},
    engine::{Engine, Poller, Share, Submission, SubmitError, started_by},
    eval::{Environment, Evaluator, Frame, Library},
    store::Error,
    timer::Clock,
};
use flow_model::{
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    schema::{First, Listed, Poll},
    ty::Type,
    units::Millis,
    value::Value,
};

/// How long one call may take.
const TIMEOUT: Millis = Millis::seconds(60);
/// How long to wait before runs that were not accepted are submitted again.
const TRY_AGAIN: Millis = Millis::seconds(5);
/// The longest wait after failures, unless the trigger polls more seldom.
const LATE: Millis = Millis::seconds(15 * 60);
/// How many items one look may find: they are put in order before the first is taken.
const MOST: usize = 100_000;

/// An item that was listed.
struct Item {
    /// Where its cursor grows, as in [`Latest`].
    place: String,
    mark: Mark,
    key: String,
    payload: Value,
}

impl Item {
    fn seen(&self) -> Seen {
        Seen { place: self.place.clone(), mark: self.mark.clone() }
    }
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
    poller: Arc<Poller>,
    library: Library,
    env: Arc<dyn Environment>,
    clock: Arc<dyn Clock>,
    begun: bool,
    /// Whether it begins with what comes from now on, whatever is declared.
    from_now: bool,
    latest: Latest,
    seen: BTreeMap<String, Seen>,
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
    let (flow, on) = (polled.plan.flow.clone(), polled.on());
    let every = polled.every;
    let poller = engine.poller(&flow, &on);
    let (latest, seen) = Default::default();
    let mut task = Task {
        polled,
        engine,
        poller: Arc::clone(&poller),
        library,
        env,
        clock,
        begun: false,
        from_now: false,
        latest,
        seen,
        looks: 0,
        failures: 0,
    };
    loop {
        let mut knows = poller.knows.lock().await;
        if !*knows || task.looks == 0 {
            if let Err(error) = task.recall().await {
                return tracing::error!(%error, flow, on, "how far was read is not known");
            }
            *knows = true;
        }
        let began = task.clock.now();
        let mut failure = None;
        let until = match task.look(&counters).await {
            Ok(next) => {
                task.failures = 0;
                poller.went_well(task.clock.now());
                if next == Next::AtOnce { began } else { began.after(every) }
            }
            Err(Stop::Busy) => task.clock.now().after(TRY_AGAIN),
            Err(Stop::Over) => return,
            Err(Stop::Failed(failed, asked)) => {
                counters.poll_failed();
                let doubled = Millis(every.0.saturating_mul(1 << task.failures.min(20)));
                let wait = doubled.min(LATE.max(every)).max(asked.unwrap_or(Millis(0)).min(LONGEST_WAIT));
                task.failures += 1;
                let failures = task.failures;
                let since = task.polled.found().map_or(Value::Null, |(_, _, poll)| task.since(poll));
                tracing::error!(failure = %failed, flow, on, %since, failures, again = %wait, "what has happened can't be read");
                failure = Some((failures, failed.to_string()));
                task.clock.now().after(wait)
            }
        };
        poller.stands(began, until, failure);
        drop(knows);
        tokio::select! {
            // By time and not by the wall, so that a clock that is set neither hastens nor delays it.
            () = task.clock.sleep_as_far_as(until) => {}
            () = poller.changed.notified() => {}
        }
    }
}

/// When is looked again after a look that went well?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There may be more already: of a log, no look sees all.
    AtOnce,
    /// When it is time.
    InTime,
}

/// Says whether an item is older than what is still taken.
fn is_past(seen: &Seen, latest: &Latest, poll: &Poll) -> bool {
    poll.listed.is_none() && seen.is_past(latest, poll.overlap)
}

impl Task {
    /// Begins with what is kept.
    async fn recall(&mut self) -> Result<(), Error> {
        let notes = self.engine.notes(&self.polled.plan.flow, &self.polled.declared).await?;
        if let Some((_, _, poll)) = self.polled.found() {
            (self.latest, self.seen) = known(&notes, poll);
        }
        (self.begun, self.from_now) = (notes.contains_key(BEGUN), notes.contains_key(NOW));
        Ok(())
    }

    /// Reads what there is, and starts a run for each item that is new.
    async fn look(&mut self, counters: &Counters) -> Result<Next, Stop> {
        let polled = self.polled.clone();
        let (_, _, poll) = polled.found().ok_or_else(|| broken("the plan does not say what is polled"))?;
        let now = self.clock.now();
        let is_first = !self.begun && self.latest.is_empty() && (self.from_now || poll.first == First::Now);
        if is_first && poll.ty == Type::Timestamp && poll.within.is_none() && poll.listed.is_none() {
            // What is there already is what came before now, as far as items of just before can still appear.
            self.latest.insert(String::new(), Mark::Time(now.timestamp()));
        }
        let since = self.since(poll);
        let mut listed = self.listed(&polled, poll, since.clone()).await;
        if let Err(Stop::Failed(failure, _)) = &listed
            && since != Value::Null
            && poll.expired.as_ref() == Some(&failure.kind)
        {
            let (flow, on) = (&polled.plan.flow, started_by(&polled.declared));
            tracing::warn!(%failure, flow, on, %since, "the system does not know any more how far was read: all is listed anew, and what was read is left out");
            listed = self.listed(&polled, poll, Value::Null).await;
        }
        if is_first {
            let latest = std::mem::take(&mut self.latest);
            self.pass_over(listed?, latest, poll).await?;
            return Ok(Next::InTime);
        }
        let mut next = Next::InTime;
        let mut keys = BTreeSet::new();
        for item in listed? {
            if poll.listed.is_some() {
                keys.insert(item.key.clone());
            }
            if is_past(&item.seen(), &self.latest, poll) || self.seen.contains_key(&item.key) {
                continue;
            }
            self.take(item, poll, counters).await?;
            if poll.within.is_some() {
                next = Next::AtOnce;
            }
        }
        self.forget_unlisted(&keys).await?;
        Ok(next)
    }

    /// Forgets what was seen and is not among the keys that are listed now, of a list that says by its order what is later. A list
    /// of nothing tells nothing: what is asked for may be only what comes after the latest.
    async fn forget_unlisted(&mut self, listed: &BTreeSet<String>) -> Result<(), Stop> {
        let gone: Vec<String> = self.seen.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        if listed.is_empty() || gone.is_empty() {
            return Ok(());
        }
        let notes = gone.iter().map(|key| (format!("{SEEN}{key}"), String::new())).collect();
        let kept = self.engine.keep(&self.polled.plan.flow, &self.polled.declared, notes).await;
        kept.map_err(|_| Stop::Over)?;
        gone.iter().for_each(|key| drop(self.seen.remove(key)));
        Ok(())
    }

    /// Takes what was there before for seen: reading begins with what comes from now on.
    async fn pass_over(&mut self, items: Vec<Item>, mut latest: Latest, poll: &Poll) -> Result<(), Stop> {
        for item in &items {
            let known = latest.entry(item.place.clone()).or_insert_with(|| item.mark.clone());
            *known = later(known, &item.mark, poll);
        }
        let seen = items.into_iter().map(|item| (item.key.clone(), item.seen()));
        let seen: BTreeMap<String, Seen> = seen.filter(|(_, seen)| !is_past(seen, &latest, poll)).collect();
        let mut notes = BTreeMap::from([(BEGUN.to_owned(), "yes".to_owned()), (NOW.to_owned(), String::new())]);
        notes.extend(latest.iter().map(|(place, latest)| (format!("{CURSOR}{place}"), latest.text())));
        notes.extend(seen.iter().map(|(key, seen)| (format!("{SEEN}{key}"), seen.text())));
        let kept = self.engine.keep(&self.polled.plan.flow, &self.polled.declared, notes).await;
        kept.map_err(|_| Stop::Over)?;
        (self.begun, self.latest, self.seen) = (true, latest, seen);
        Ok(())
    }

    /// Starts the run of an item; how far was read is on disk with it.
    async fn take(&mut self, item: Item, poll: &Poll, counters: &Counters) -> Result<(), Stop> {
        let latest = self.latest.get(&item.place);
        let mark = latest.map_or_else(|| item.mark.clone(), |latest| later(latest, &item.mark, poll));
        let latest = Latest::from([(item.place.clone(), mark.clone())]);
        let past = self.seen.iter().filter(|(_, seen)| is_past(seen, &latest, poll));
        let forgotten: Vec<String> = past.map(|(key, _)| key.clone()).collect();
        let mut notes: BTreeMap<String, String> =
            forgotten.iter().map(|key| (format!("{SEEN}{key}"), String::new())).collect();
        let seen = item.seen();
        notes.insert(format!("{CURSOR}{}", item.place), mark.text());
        notes.insert(format!("{SEEN}{}", item.key), seen.text());
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
        self.latest.insert(item.place, mark);
        self.seen.insert(item.key, seen);
        Ok(())
    }

    /// How far was read, as the system is asked for what came after.
    fn since(&self, poll: &Poll) -> Value {
        match (&poll.within, self.latest.get("")) {
            (None, latest) => latest.map_or(Value::Null, |latest| latest.since(poll)),
            (Some(_), _) if self.latest.is_empty() && !self.begun => Value::Null,
            (Some(_), _) => {
                let latest = self.latest.iter();
                Value::Record(
                    latest
                        .map(|(place, latest)| (place.get(1..).unwrap_or_default().to_owned(), latest.since(poll)))
                        .collect(),
                )
            }
        }
    }

    /// What the system lists that came since then, by its cursor.
    async fn listed(&mut self, polled: &Polled, poll: &Poll, since: Value) -> Result<Vec<Item>, Stop> {
        let (connector, trigger, _) = polled.found().ok_or_else(|| broken("the plan does not say what is polled"))?;
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
                nulls: Vec::new(),
                key: String::new(),
                timeout: TIMEOUT,
                traceparent: None,
                admitted: None,
            };
            self.looks += 1;
            let ticket = format!("{} {} {}", polled.plan.flow, started_by(&polled.declared), self.looks);
            let Attempt { outcome, retry_after, parked, .. } = self
                .engine
                .look(invocation, (&ticket, self.failures + 1), (&connector.policy).into(), &self.poller)
                .await;
            let retry_after = parked.map(|parked| parked.again).or(retry_after);
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
                let place = poll.within.as_ref().map(|within| of_item(&payload, within)).transpose()?;
                let place = place.map_or_else(String::new, |place| format!(" {place}"));
                let key = match &trigger.dedupe {
                    Some(key) => of_item(&payload, key)?.to_string(),
                    None => Seen { place: place.clone(), mark: mark.clone() }.text(),
                };
                found.push(Item { place, mark, key, payload });
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
        match poll.listed {
            None => found.sort_by(|one, other| one.mark.cmp(&other.mark)),
            Some(Listed::NewestFirst) => found.reverse(),
            Some(Listed::OldestFirst) => {}
        }
        Ok(found)
    }
}

/// Which of an item and the one after it is the latest.
fn later(known: &Mark, next: &Mark, poll: &Poll) -> Mark {
    if poll.listed.is_some() { next.clone() } else { known.max(next).clone() }
}

fn broken(message: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, message.to_owned())
}
