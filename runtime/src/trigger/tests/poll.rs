//! A list that is polled in a simulated world: the process ends before or after each write that begins a run, once or again and again, and
//! each item has one run.

use std::sync::Mutex;

use async_trait::async_trait;
use flow_model::{
    expr::{Ambient, Expr, Slot},
    failure::ErrorKind,
    plan::{NodeKind, TriggerKind},
    schema::{First, Listed, OperationCall, Poll, WebhookTrigger},
    ty::{Type, Types},
    units::Millis,
    value::Value,
};

use indexmap::IndexMap;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use super::{
    plans::{EVENT, member, plan, text, trigger, with_webhook},
    *,
};
use crate::{
    connector::{Admission, Asking, Attempt, Invocation, Pass, Performer, Reached, Waiting},
    machine::Outcome,
    sim::{
        START,
        disk::{Fault, Pace},
        outside::{Outside, Reply},
        process::{Ended, Life, live},
    },
    timer::Clock,
    trigger::{poll::run, polled},
};

/// Items: the second of their cursor, and the second from which the list has them.
const ITEMS: [(&str, i64, i64); 9] = [
    ("a", 0, 0),
    ("b", 0, 0),
    ("c", 5, 5),
    ("at the same time", 65, 65),
    ("d", 65, 65),
    // Within the overlap of those that were seen before them.
    ("late", 50, 70),
    ("e", 119, 119),
    ("later", 110, 121),
    ("f", 130, 131),
];

/// Listed too late: older than the overlap by then.
const TOO_LATE: (&str, i64, i64) = ("too late", 20, 200);

fn at(second: i64) -> Value {
    Value::Timestamp(Instant(START.0 + second * 1000).timestamp())
}

/// A system that lists the newest first, and for a while answers every other look with a failure.
fn world() -> Arc<Outside> {
    Outside::new(|made| {
        let second = made.at.0.saturating_sub(START.0) / 1000;
        if (60..90).contains(&second) && made.before % 2 == 1 {
            return Reply::err(ErrorKind::Unavailable, Reached::Answered);
        }
        let listed = ITEMS.iter().chain([&TOO_LATE]).rev();
        let listed = listed.filter(|(_, _, from)| *from <= second);
        let items = listed.map(|(id, cursor, _)| Value::record([("id", Value::text(*id)), ("at", at(*cursor))]));
        Reply::ok(Value::List(items.collect()))
    })
}

fn item(name: &str) -> Expr {
    member(Expr::Ambient(Ambient::Item), name)
}

pub(super) fn plans(first: First) -> Vec<Arc<Plan>> {
    plans_of(deals(first), Some(item("id")))
}

fn deals(first: First) -> Poll {
    Poll {
        params: IndexMap::new(),
        call: OperationCall { operation: "deals.list".to_owned(), args: vec![Expr::Slot(Slot(0))] },
        cursor: item("at"),
        ty: Type::Timestamp,
        within: None,
        listed: None,
        expired: None,
        format: None,
        overlap: Millis::seconds(30),
        granularity: Millis(0),
        first,
        every: Millis::seconds(20),
    }
}

/// The same over partitions of a log, each with its own offsets.
fn plans_of_log(first: First) -> Vec<Arc<Plan>> {
    let poll = Poll {
        params: IndexMap::new(),
        call: OperationCall { operation: "log.read".to_owned(), args: vec![Expr::Slot(Slot(0))] },
        cursor: item("offset"),
        ty: Type::Int,
        within: Some(item("partition")),
        listed: None,
        expired: None,
        format: None,
        overlap: Millis(0),
        granularity: Millis(0),
        first,
        every: Millis::seconds(20),
    };
    plans_of(poll, None)
}

fn plans_of(poll: Poll, dedupe: Option<Expr>) -> Vec<Arc<Plan>> {
    let payload = Type::Json;
    let declared = WebhookTrigger {
        doc: String::new(),
        payload: payload.clone(),
        webhook: text("none"),
        each: false,
        when: None,
        verify: None,
        dedupe,
        events: Vec::new(),
        answer: None,
        order: None,
        poll: Some(poll),
    };
    let (connection, name) = ("crm".to_owned(), "created".to_owned());
    let (args, told) = (Vec::new(), String::new());
    let kind = TriggerKind::Poll { connection, trigger: name, args, told, every: Millis::seconds(20) };
    let body = vec![NodeKind::Return(member(EVENT, "id"))];
    let plan = plan("follow", vec![trigger(kind, payload)], body);
    vec![Arc::new(with_webhook(plan, "crm", "created", declared, Types::default()))]
}

/// What runs were started for, in any order.
async fn started(engine: &Engine) -> Vec<String> {
    let mut started = Vec::new();
    for run in engine.runs(Filter { limit: 2000, ..Filter::default() }).await.unwrap() {
        if let Some(Outcome::Completed(id)) = engine.outcome(&run.id).await.unwrap().outcome {
            started.push(id.to_string());
        }
    }
    started.sort();
    started
}

/// What a process does until the second has come and so many runs are over.
async fn tell(engine: Arc<Engine>, world: Arc<Outside>, plans: Vec<Arc<Plan>>, until: i64, runs: usize) -> Vec<String> {
    for plan in &plans {
        engine.deploy(Arc::clone(plan)).await.unwrap();
    }
    engine.resume().await.unwrap();
    let clock: Arc<dyn Clock> = world.clock.clone();
    let polled = polled(&plans).pop().unwrap();
    let env = Arc::new(BTreeMap::<String, String>::new());
    let task = tokio::spawn(run(polled, engine.clone(), (Library::default(), env), clock, Arc::default()));
    loop {
        let seen = started(&engine).await;
        if seen.len() >= runs && world.clock.now() >= Instant(START.0 + until * 1000) {
            task.abort();
            return seen;
        }
        world.clock.sleep_until(world.clock.now().after(Millis::seconds(7))).await;
    }
}

/// Lives with these faults one after the other, then without one. Says whether the last was met.
fn survive(faults: &[Fault], first: First, expected: &[&str]) -> bool {
    survive_in(&world(), &plans(first), faults, expected)
}

fn survive_in(world: &Arc<Outside>, plans: &[Arc<Plan>], faults: &[Fault], expected: &[&str]) -> bool {
    let data = tempfile::tempdir().unwrap();
    let life = |fault| {
        let life = Life { fault, pace: Pace::Drawn(1), lasts: None };
        let told = |engine| tell(engine, Arc::clone(world), plans.to_vec(), 240, expected.len());
        live(world, data.path(), &life, told).unwrap_or_else(|stuck| panic!("{faults:?}: {stuck}"))
    };
    let mut met = false;
    for fault in faults {
        met = matches!(life(*fault), Ended::Crashed);
    }
    let Ended::Well(seen) = life(Fault::Never) else { panic!("{faults:?}: no crash was asked for") };
    let mut expected: Vec<String> = expected.iter().map(|id| (*id).to_owned()).collect();
    expected.sort();
    assert_eq!(seen, expected, "{faults:?}");
    met
}

/// Lives with a crash at each write in each way, until none is met any more; says how many there were.
fn crashes(survive: impl Fn(Fault) -> bool) -> usize {
    let mut crashes = 0;
    for fault in [Fault::Before as fn(usize) -> Fault, Fault::After, Fault::Torn] {
        let mut at = 0;
        while survive(fault(at)) {
            at += 1;
        }
        crashes += at;
    }
    crashes
}

fn all() -> Vec<&'static str> {
    ITEMS.iter().map(|(id, _, _)| *id).collect()
}

#[test]
fn a_crash_at_any_write_leaves_no_item_out_and_starts_none_twice() {
    let crashes = crashes(|fault| survive(&[fault], First::Start, &all()));
    assert!(crashes >= 3 * ITEMS.len(), "{crashes} crashes");
    // Again and again, at a place that moves on.
    for at in 0..6 {
        survive(&[Fault::After(at), Fault::Before(at), Fault::After(at + 1), Fault::Before(1)], First::Start, &all());
    }
}

#[test]
fn reading_from_now_passes_over_what_is_there_also_when_the_process_ends_meanwhile() {
    // `a` and `b` are there already; `c` comes after the first look.
    let expected: Vec<&str> = all().into_iter().filter(|id| !["a", "b"].contains(id)).collect();
    let mut at = 0;
    while survive(&[Fault::After(at)], First::Now, &expected) {
        at += 1;
    }
    assert_eq!(at, 2 + expected.len(), "a crash at each write: of the plan, of the marks, and of each run");
}

#[test]
fn a_system_that_has_forgotten_how_far_was_read_is_asked_for_all_and_each_item_has_one_run() {
    let forgetful = || {
        Outside::new(|made| {
            let second = made.at.0.saturating_sub(START.0) / 1000;
            if second >= 40 && made.arg != Value::Null {
                return Reply::err(ErrorKind::Conflict, Reached::Answered);
            }
            let listed = ITEMS.iter().filter(|(_, _, from)| *from <= second);
            let items = listed.map(|(id, cursor, _)| Value::record([("id", Value::text(*id)), ("at", at(*cursor))]));
            Reply::ok(Value::List(items.collect()))
        })
    };
    let plans = plans_of(Poll { expired: Some(ErrorKind::Conflict), ..deals(First::Start) }, Some(item("id")));
    let mut at = 0;
    while survive_in(&forgetful(), &plans, &[Fault::After(at)], &all()) {
        at += 1;
    }
    assert!(at >= ITEMS.len(), "{at} crashes");
}

/// What a feed shows that has room for three: from which second it shows what, the newest first. Nothing of it grows.
const FEED: [(i64, &[&str]); 5] = [
    (0, &["k", "z", "m"]),
    (50, &["a", "k", "z"]),
    // For a while it shows nothing.
    (90, &[]),
    (130, &["q", "b", "a"]),
    // What has left it is forgotten, and new when it is there again.
    (170, &["z", "q", "b"]),
];

/// A feed, which shows all that it has whatever it is asked for.
fn feed() -> Arc<Outside> {
    Outside::new(|made| {
        let second = made.at.0.saturating_sub(START.0) / 1000;
        let shown = FEED.iter().rev().find(|(from, _)| *from <= second).map_or(&[][..], |(_, shown)| *shown);
        Reply::ok(Value::List(shown.iter().map(|id| Value::record([("id", Value::text(*id))])).collect()))
    })
}

#[test]
fn what_a_feed_did_not_show_before_is_new_over_crashes_at_any_write() {
    let plans = |first| {
        let poll = Poll {
            params: IndexMap::new(),
            call: OperationCall { operation: "feed.read".to_owned(), args: vec![Expr::Slot(Slot(0))] },
            cursor: item("id"),
            ty: Type::String,
            within: None,
            listed: Some(Listed::NewestFirst),
            expired: None,
            format: None,
            overlap: Millis(0),
            granularity: Millis(0),
            first,
            every: Millis::seconds(20),
        };
        plans_of(poll, None)
    };
    let new = ["a", "b", "q", "z"];
    let all: Vec<&str> = ["k", "z", "m"].into_iter().chain(new).collect();
    for (first, expected) in [(First::Start, &all[..]), (First::Now, &new[..])] {
        let crashes = crashes(|fault| survive_in(&feed(), &plans(first), &[fault], expected));
        assert!(crashes >= 3 * expected.len(), "{crashes} crashes");
    }
}

/// Messages of a log: id, partition, offset, and the second from which they are there.
const MESSAGES: [(&str, i64, i64, i64); 8] = [
    ("a0", 0, 1000, 0),
    ("a1", 0, 1001, 0),
    ("a2", 0, 1002, 0),
    ("b0", 1, 3, 0),
    ("b1", 1, 4, 70),
    ("a3", 0, 1007, 70),
    // A partition that is added later, and offsets that others have, too.
    ("c0", 2, 3, 130),
    ("c1", 2, 4, 130),
];

/// A log of which a look lists two messages of each partition, after those that were read; before any, the newest of each, if
/// `is_newest`.
fn log(is_newest: bool) -> Arc<Outside> {
    Outside::new(move |made| {
        let second = made.at.0.saturating_sub(START.0) / 1000;
        let after = &made.arg;
        let of = |partition: i64| {
            let there = MESSAGES.iter().filter(move |(_, of, _, from)| *of == partition && *from <= second);
            let read = match after.get(&partition.to_string()) {
                Some(Value::Int(offset)) => *offset,
                _ => -1,
            };
            let mut there: Vec<_> = there.filter(|(_, _, offset, _)| *offset > read).collect();
            if is_newest && *after == Value::Null {
                there = there.pop().into_iter().collect();
            }
            there.truncate(2);
            there
        };
        let listed = (0..3).flat_map(of).map(|(id, partition, offset, _)| {
            let (partition, offset) = (Value::Int(*partition), Value::Int(*offset));
            Value::record([("id", Value::text(*id)), ("partition", partition), ("offset", offset)])
        });
        Reply::ok(Value::List(listed.collect()))
    })
}

#[test]
fn each_partition_of_a_log_is_read_on_for_itself_over_crashes_at_any_write() {
    let all: Vec<&str> = MESSAGES.iter().map(|(id, ..)| *id).collect();
    let new: Vec<&str> = MESSAGES.iter().filter(|(.., from)| *from > 0).map(|(id, ..)| *id).collect();
    for (first, expected) in [(First::Start, &all), (First::Now, &new)] {
        let crashes = crashes(|fault| survive_in(&log(first == First::Now), &plans_of_log(first), &[fault], expected));
        assert!(crashes >= 3 * expected.len(), "{crashes} crashes");
    }
}

/// A system that a breaker keeps from being asked for a while, and that lists nothing then.
struct Away {
    clock: Arc<Hands>,
    until: Instant,
}

#[async_trait]
impl Performer for Away {
    fn admit(&self, _: &Asking<'_>) -> Admission {
        let because = "the breaker of `crm` is open".to_owned();
        match self.clock.now() < self.until {
            true => Admission::At { at: self.until, because, waits: Waiting::Recovery },
            false => Admission::Now(Pass::free()),
        }
    }

    async fn perform(&self, _: Invocation) -> Attempt {
        let outcome = Ok(Value::List(Vec::new()));
        Attempt { outcome, retry_after: None, reached: Reached::Answered, parked: None }
    }
}

/// The messages of what this thread logs of triggers that poll.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().ends_with("engine::polls")
    }

    fn event(&self, event: &Event<'_>) {
        struct Message<'a>(&'a mut Vec<String>);
        impl Visit for Message<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0.push(format!("{value:?}"));
                }
            }
        }
        event.record(&mut Message(&mut self.0.lock().unwrap()));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_poll_that_a_breaker_holds_up_is_seen_to_wait_and_said_to_once() {
    let log = Log::default();
    let _logs = tracing::subscriber::set_default(log.clone());
    let (folder, clock, after) =
        (tempfile::tempdir().unwrap(), Hands::at(NOW), |second: u64| NOW.after(Millis::seconds(second)));
    let world = World::new(&clock);
    let performer = Arc::new(Away { clock: Arc::clone(&clock), until: after(90) });
    let engine = Engine::open(engine::Settings { performer, ..world.engine(folder.path()) }).unwrap();
    let served = world.serve(engine, plans(First::Start), Limits::default()).await;
    let metrics = async || {
        let answer = served.http.get(format!("http://{}/metrics", served.address)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        text.lines().filter(|line| line.starts_with("flow_poll_")).map(str::to_owned).collect::<Vec<_>>()
    };
    let labels = r#"{flow="follow",trigger="crm.created"}"#;
    let shown = |age: &str, waits: u8| {
        vec![format!("flow_poll_age_seconds{labels} {age}"), format!("flow_poll_waits{labels} {waits}")]
    };

    clock.slept_until(after(90)).await;
    clock.set(after(60));
    let held = served.engine.polls().remove(0).held.unwrap();
    let told = (held.because.as_str(), held.since, held.until);
    assert_eq!(told, ("the breaker of `crm` is open", NOW, after(90)));
    assert_eq!(metrics().await, shown("60.0", 1));
    assert_eq!(log.0.lock().unwrap().as_slice(), ["what has happened is not read for now"]);

    clock.set(after(90));
    clock.slept_until(after(110)).await;
    let stands = served.engine.polls().remove(0);
    assert_eq!((stands.held, stands.fresh, stands.next), (None, Some(after(90)), Some(after(110))));
    assert_eq!(metrics().await, shown("0.0", 0));
    for look in 0..3 {
        clock.set(after(110 + 20 * look));
        clock.slept_until(after(130 + 20 * look)).await;
    }
    let said = ["what has happened is not read for now", "what has happened is looked at again"];
    assert_eq!(log.0.lock().unwrap().as_slice(), said);
    served.stop().await.unwrap();
}
