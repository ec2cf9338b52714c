//! What every store does: the same tests for the one in memory and the one on disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use flow_model::{
    failure::{ErrorKind, Failure},
    file::{File, Sha256},
    plan::Keep,
    schema::Rate,
    units::{Instant, Millis},
    value::Value,
};
use flow_runtime::{
    journal::{Chain, Entry, RunId},
    machine::{Cause, Event, Outcome, Place, Response, Said, Start, Wanted},
    store::{
        Batch, Bus, Committed, DeadLetter, Dedupe, Done, Error, Expiry, Filter, Gate, Gather, Letters, Mark, Memory,
        NewRun, Note, Rank, RunState, SameBody, Sqlite, Standing, Store, WhichLetters, read,
    },
};
use proptest::prelude::*;
use tempfile::TempDir;

/// Carries out a test for each store.
fn each<F: Future<Output = ()>>(test: impl Fn(Arc<dyn Store>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(test(Arc::new(Memory::new())));
    let folder = TempDir::new().unwrap();
    runtime.block_on(test(Arc::new(Sqlite::open(folder.path()).unwrap())));
}

fn id(number: u128) -> RunId {
    RunId::new(Instant(1000), number)
}

fn place(path: &str) -> Place {
    Place { path: path.into(), indexes: Vec::new() }
}

fn new(flow: &str) -> NewRun {
    NewRun {
        flow: flow.into(),
        plan: format!("plan of {flow}"),
        trigger: None,
        dedupe: None,
        queued: None,
        gate: None,
        parent: None,
        notes: Vec::new(),
        gather: None,
    }
}

fn standing(state: RunState) -> Standing {
    let outcome = match state {
        RunState::Completed => Some(Outcome::Completed(Value::Int(1))),
        RunState::Cancelled => Some(Outcome::Cancelled { reason: "why".into() }),
        _ => None,
    };
    Standing { state, reason: None, wake_at: None, outcome }
}

/// A run that begins and stands so.
fn begins(number: u128, flow: &str, state: RunState) -> Batch {
    Batch { new: Some(new(flow)), ..Batch::new(id(number), standing(state), Instant(10)) }
}

fn goes_on(number: u128, state: RunState, at: i64) -> Batch {
    Batch::new(id(number), standing(state), Instant(at))
}

fn sleeps(number: u128, until: i64) -> Batch {
    let mut batch = begins(number, "f", RunState::Waiting);
    batch.standing.wake_at = Some(Instant(until));
    batch
}

async fn commit(store: &Arc<dyn Store>, batch: Batch) -> Done {
    match store.commit(batch).await.unwrap() {
        Committed::Done(done) => done,
        duplicate => panic!("{duplicate:?}"),
    }
}

async fn ids(store: &Arc<dyn Store>, filter: Filter) -> Vec<RunId> {
    store.list(filter).await.unwrap().into_iter().map(|run| run.id).collect()
}

#[test]
fn a_batch_is_there_as_a_whole_and_lists_hold_no_payloads() {
    each(|store| async move {
        let mut chain = Chain::new(id(1));
        let said = [Event::Cancelled { reason: "a".into() }, Event::Expired];
        let rows: Vec<_> = said.map(|event| chain.write(&Entry { at: Instant(11), said: Said::Event(event) })).to_vec();
        let answer = Response { status: 200, body: Some(Value::text("paid")) };
        let first = Batch {
            rows: rows.clone(),
            answer: Some(answer.clone()),
            begun_at: Some(Instant(10)),
            ..begins(1, "f", RunState::Running)
        };
        commit(&store, first).await;
        commit(&store, goes_on(1, RunState::Completed, 20)).await;
        // What has ended stays as it ended.
        commit(
            &store,
            Batch { answer: Some(Response { status: 500, body: None }), ..goes_on(1, RunState::Completed, 30) },
        )
        .await;
        let summary = store.summary(&id(1)).await.unwrap().unwrap();
        assert_eq!((summary.started_at, summary.ended_at), (Instant(10), Some(Instant(20))));
        assert_eq!(summary.outcome, Some(Outcome::Completed(Value::Int(1))));
        assert_eq!(summary.answer, Some(answer));
        assert_eq!(store.rows(&id(1)).await.unwrap(), rows);
        let listed = store.list(Filter::default()).await.unwrap();
        assert_eq!((listed.len(), &listed[0].outcome, &listed[0].answer), (1, &None, &None));
        let detail = store.detail(&id(1)).await.unwrap().unwrap();
        assert_eq!(detail.summary, summary);
        assert_eq!(store.summary(&id(9)).await.unwrap(), None);
    });
}

/// The transactions in the log of a database, of whose frames the last of each has a size ("WAL-mode File Format", SQLite).
fn transactions(folder: &std::path::Path) -> usize {
    let log = std::fs::read(folder.join("journal.sqlite-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    log[32..].chunks_exact(24 + page).filter(|frame| frame[4..8] != [0; 4]).count()
}

#[test]
fn what_many_runs_write_together_is_one_transaction_and_each_is_acknowledged_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let before = transactions(folder.path());
    let alone = |number: u128| runtime.block_on(store.commit(begins(number, "f", RunState::Running)));
    (0..10).for_each(|number| drop(alone(number).unwrap()));
    assert_eq!(transactions(folder.path()) - before, 10, "nobody waits for others");
    let together = (10..60).map(|number| store.commit(begins(number, "f", RunState::Running)));
    let done = runtime.block_on(futures::future::join_all(together));
    assert!(done.iter().all(Result::is_ok));
    // The first is written at once, and the others while it is.
    let shared = transactions(folder.path()) - before - 10;
    assert!((1..25).contains(&shared), "{shared} transactions for 50 runs");
    let written = runtime.block_on(ids(&store, Filter { limit: 100, ..Filter::default() }));
    assert_eq!(written.len(), 60);
}

#[test]
fn runs_are_listed_newest_first_by_flow_and_state() {
    each(|store| async move {
        for (number, flow, state) in [
            (1, "f", RunState::Completed),
            (2, "g", RunState::Waiting),
            (3, "f", RunState::NeedsDecision),
            (4, "f", RunState::Waiting),
            (5, "g", RunState::Failed),
        ] {
            commit(&store, begins(number, flow, state)).await;
        }
        let of = |flow: Option<&str>, states: &[RunState], before: Option<u128>, limit| Filter {
            flow: flow.map(str::to_owned),
            states: states.to_vec(),
            before: before.map(id),
            limit,
        };
        let all = ids(&store, of(None, &[], None, 9)).await;
        assert_eq!(all, [5, 4, 3, 2, 1].map(id));
        assert_eq!(ids(&store, of(Some("f"), &[], None, 2)).await, [4, 3].map(id));
        assert_eq!(ids(&store, of(None, &[RunState::Waiting], None, 9)).await, [4, 2].map(id));
        assert_eq!(ids(&store, of(None, &[RunState::Failed], None, 9)).await, [id(5)]);
        let two = [RunState::Waiting, RunState::Completed];
        assert_eq!(ids(&store, of(None, &two, Some(4), 9)).await, [2, 1].map(id));
    });
}

#[test]
fn case_06_an_event_that_comes_again_within_its_window_has_one_run() {
    each(|store| async move {
        let of = |number: u128, at: i64, body: &str, window: u64| {
            let dedupe = Dedupe {
                scope: "f hook".into(),
                key: "evt_1".into(),
                window: Millis(window),
                body_digest: Some(body.into()),
            };
            let note = Note { scope: "s".into(), key: "seen".into(), text: number.to_string() };
            let new = NewRun { dedupe: Some(dedupe), notes: vec![note], ..new("f") };
            Batch { new: Some(new), ..Batch::new(id(number), standing(RunState::Completed), Instant(at)) }
        };
        commit(&store, of(1, 0, "a", 100)).await;
        let again = store.commit(of(2, 99, "a", 100)).await.unwrap();
        assert_eq!(again, Committed::Duplicate { run: id(1), body: SameBody::Yes });
        let other = store.commit(of(3, 99, "b", 100)).await.unwrap();
        assert_eq!(other, Committed::Duplicate { run: id(1), body: SameBody::No });
        assert_eq!(store.summary(&id(2)).await.unwrap(), None);
        assert_eq!(store.notes("s").await.unwrap()["seen"], "3", "what a trigger has seen is kept all the same");
        commit(&store, of(4, 100, "b", 100)).await;
        assert_eq!(store.notes("other").await.unwrap(), BTreeMap::new());
    });
}

#[test]
fn a_run_that_waits_for_room_has_its_start_until_it_begins() {
    each(|store| async move {
        let start = Start { payload: Value::text("p"), ..Start::default() };
        let queued = NewRun { queued: Some(start.clone()), ..new("f") };
        let batch = Batch { new: Some(queued.clone()), ..Batch::new(id(1), standing(RunState::Waiting), Instant(5)) };
        commit(&store, batch).await;
        assert_eq!(store.start(&id(1)).await.unwrap(), Some(start.clone()));
        let rows = vec![Chain::new(id(1)).write(&Entry { at: Instant(6), said: Said::Event(Event::Started(start)) })];
        commit(&store, Batch { rows, ..goes_on(1, RunState::Running, 6) }).await;
        assert_eq!(store.start(&id(1)).await.unwrap(), None);
        // A run that another begins is begun once.
        let calls = || Batch { begins: vec![(id(2), queued.clone())], ..goes_on(1, RunState::Running, 7) };
        assert_eq!(commit(&store, calls()).await.begun, [id(2)]);
        assert_eq!(commit(&store, calls()).await.begun, []);
    });
}

#[test]
fn whoever_waits_for_an_event_is_told_once_and_whoever_is_over_is_not() {
    each(|store| async move {
        let listens = |event: &str| vec![Bus::Listen { place: place("w"), event: event.into(), wanted: None }];
        for (number, event) in [(1, "paid"), (2, "paid"), (3, "shipped"), (4, "paid"), (5, "paid")] {
            commit(&store, Batch { bus: listens(event), ..begins(number, "f", RunState::Waiting) }).await;
        }
        commit(&store, Batch { bus: vec![Bus::Stop(place("w"))], ..goes_on(4, RunState::Waiting, 11) }).await;
        commit(&store, goes_on(5, RunState::Completed, 11)).await;
        let emit = Bus::Emit { place: place("e"), event: "paid".into(), value: Value::Int(7) };
        let done = commit(&store, Batch { bus: vec![emit], ..begins(6, "f", RunState::Running) }).await;
        assert_eq!(done.mailed, [id(1), id(2)]);
        let mail = store.mail(&id(1)).await.unwrap();
        assert_eq!(mail[0].1, Event::Received { place: place("w"), value: Value::Int(7) });
        let read = mail.iter().map(|(number, _)| *number).collect();
        commit(&store, Batch { read, ..goes_on(1, RunState::Running, 12) }).await;
        assert_eq!(store.mail(&id(1)).await.unwrap(), []);
        let tells = vec![(id(2), Event::Expired), (id(5), Event::Expired)];
        assert_eq!(commit(&store, Batch { mail: tells, ..goes_on(6, RunState::Running, 13) }).await.mailed, [id(2)]);
        assert_eq!(store.mail(&id(2)).await.unwrap().len(), 2);
    });
}

fn wants(field: &str, value: &Value) -> Wanted {
    Wanted { field: field.into(), digest: Wanted::digest(value).unwrap() }
}

/// Of the many who wait for events of a name, those alone are told of one that can go on with it.
#[test]
fn of_ten_thousand_who_wait_for_an_event_those_are_told_who_may_go_on_with_it() {
    each(|store| async move {
        let listens = |number: u128| {
            let wanted = match number {
                0 => None,
                1 => Some(wants("customer", &Value::text("c-7"))),
                2 => Some(wants("customer", &Value::text("c-8"))),
                _ => Some(wants("order", &Value::Int(i64::try_from(number).unwrap()))),
            };
            let bus = vec![Bus::Listen { place: place("w"), event: "paid".into(), wanted }];
            store.commit(Batch { bus, ..begins(number, "f", RunState::Waiting) })
        };
        for committed in futures::future::join_all((0..10_000).map(listens)).await {
            assert!(matches!(committed, Ok(Committed::Done(_))));
        }
        let emit = async |number: u128, fields: &[(&str, Value)]| {
            let value = Value::Record(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect());
            let bus = vec![Bus::Emit { place: place("e"), event: "paid".into(), value }];
            commit(&store, Batch { bus, ..begins(number, "g", RunState::Running) }).await.mailed
        };
        let customer = ("customer", Value::text("c-7"));
        assert_eq!(emit(20_000, &[customer.clone(), ("order", Value::Int(4711))]).await, [id(0), id(1), id(4711)]);
        assert_eq!(emit(20_001, &[customer.clone(), ("order", Value::text("4711"))]).await, [id(0), id(1)]);
        // What may equal something of another kind, and what is not there, is for them to look at.
        assert_eq!(emit(20_002, &[customer, ("order", Value::Null)]).await.len(), 9999);
        assert_eq!(emit(20_003, &[("order", Value::Int(3))]).await, [id(0), id(1), id(2), id(3)]);
    });
}

#[test]
fn a_caller_hears_of_the_end() {
    each(|store| async move {
        commit(&store, begins(1, "f", RunState::Waiting)).await;
        let child = NewRun { parent: Some((id(1), place("call"))), ..new("g") };
        commit(&store, Batch { begins: vec![(id(2), child)], ..goes_on(1, RunState::Waiting, 11) }).await;
        let done = commit(&store, goes_on(2, RunState::Completed, 12)).await;
        assert_eq!(done.mailed, [id(1)]);
        let outcome = Outcome::Completed(Value::Int(1));
        assert_eq!(store.mail(&id(1)).await.unwrap()[0].1, Event::Returned { place: place("call"), outcome });
    });
}

fn letter(number: u128, queue: &str) -> DeadLetter {
    DeadLetter {
        run: id(number),
        place: place("d"),
        queue: queue.into(),
        value: Value::Int(3),
        cause: None,
        at: Instant(12),
    }
}

#[test]
fn a_dead_letter_is_dealt_with_once_and_lists_hold_no_values() {
    each(|store| async move {
        let left = vec![letter(1, "a"), letter(1, "b")];
        commit(&store, Batch { dead_letters: left, ..begins(1, "f", RunState::Completed) }).await;
        let which = |which, queue: Option<&str>| Letters { queue: queue.map(str::to_owned), which, limit: 9 };
        let open = store.letters(which(WhichLetters::Open, None)).await.unwrap();
        assert_eq!((open.len(), open[0].queue.as_str(), &open[0].value), (2, "b", &None));
        assert_eq!(store.letters(which(WhichLetters::All, Some("a"))).await.unwrap().len(), 1);
        let found = store.letter(open[1].id).await.unwrap().unwrap();
        assert_eq!((found.value, found.flow.as_str()), (Some(Value::Int(3)), "f"));
        store.settle(open[1].id, "dropped".into()).await.unwrap();
        store.settle(open[1].id, "replayed".into()).await.unwrap();
        assert_eq!(store.letter(open[1].id).await.unwrap().unwrap().settled.as_deref(), Some("dropped"));
        assert_eq!(store.letters(which(WhichLetters::Open, None)).await.unwrap().len(), 1);
        assert_eq!(store.letter(99).await.unwrap(), None);
    });
}

#[test]
fn a_list_of_dead_letters_holds_no_cause_that_is_long() {
    each(|store| async move {
        let cause = |length| {
            let failure = Failure::new(ErrorKind::Rejected, "x".repeat(length));
            Cause { failure, place: place("pay"), connection: None }
        };
        let caused = |length| DeadLetter { cause: Some(cause(length)), ..letter(1, "a") };
        // The last is so long that it has a file of its own.
        let left = [10, 5 << 10, 200 << 10].map(caused).into();
        commit(&store, Batch { dead_letters: left, ..begins(1, "f", RunState::Completed) }).await;
        let all = store.letters(Letters { queue: None, which: WhichLetters::All, limit: 9 }).await.unwrap();
        let lengths: Vec<_> =
            all.iter().map(|letter| letter.cause.as_ref().map(|it| it.failure.message.len())).collect();
        assert_eq!(lengths, [None, None, Some(10)]);
        assert!(store.letter(all[0].id).await.unwrap().unwrap().cause == Some(cause(200 << 10)));
    });
}

#[test]
fn runs_that_sleep_are_found_by_the_time_at_which_they_wake() {
    each(|store| async move {
        for (number, until) in [(1, 300), (2, 100), (3, 200), (4, 100)] {
            commit(&store, sleeps(number, until)).await;
        }
        commit(&store, begins(5, "g", RunState::Running)).await;
        commit(&store, begins(6, "g", RunState::Waiting)).await;
        commit(&store, begins(7, "h", RunState::Completed)).await;
        commit(&store, Batch { mail: vec![(id(1), Event::Expired)], ..goes_on(5, RunState::Running, 11) }).await;
        let awake: Vec<_> = store.awake(Instant(100)).await.unwrap().into_iter().map(|run| run.run).collect();
        assert_eq!(awake, [1, 2, 4, 5].map(id), "told something, due, due, running; in the order of acceptance");
        let due = store.due(Instant(100), Instant(300)).await.unwrap();
        assert_eq!(due, [(Instant(200), id(3)), (Instant(300), id(1))]);
        assert_eq!(store.next_due(Instant(99)).await.unwrap(), Some(Instant(100)));
        assert_eq!(store.next_due(Instant(300)).await.unwrap(), None);
        let counts = store.standing().await.unwrap();
        assert_eq!(counts, BTreeMap::from([(RunState::Running, 1), (RunState::Waiting, 5)]));
        for flow in ["f", "g", "h", "i"] {
            store.add_plan(format!("plan of {flow}"), flow.into(), b"{}".to_vec()).await.unwrap();
        }
        let plans = |flows: &[&str]| flows.iter().map(|flow| format!("plan of {flow}")).collect::<BTreeSet<_>>();
        assert_eq!(store.pinned().await.unwrap(), plans(&["f", "g"]));
        assert_eq!(store.plans().await.unwrap(), plans(&["f", "g", "h"]));
    });
}

fn gate(period: u64) -> Gate {
    let rate = Some(Rate { count: 1, period: Millis(period) });
    Gate { scope: "f hook".into(), key: "k".into(), limit: Some(2), rate, rank: Some(Rank::Text("a".into())) }
}

#[test]
fn gathered_events_are_kept_and_listed_by_their_ranks() {
    let all = Keep::All { most: 9, within: Millis(100) };
    let last = Keep::Latest { quiet: Millis(100), most: None };
    // Those without a rank, as they come; of those with the same, the one that has come later is the later.
    let numbers = [Rank::Number(10), Rank::Number(9), Rank::Number(10), Rank::Number(-1)].map(Some).to_vec();
    let texts = ["b", "ab", "b", "B"].map(|text| Some(Rank::Text(text.into()))).to_vec();
    let cases = [
        (all, vec![None; 4], "[0,1,2,3]"),
        (last, vec![None; 4], "3"),
        (all, numbers.clone(), "[3,1,0,2]"),
        (last, numbers, "2"),
        (all, texts.clone(), "[3,1,0,2]"),
        (last, texts, "2"),
    ];
    for (keep, ranks, expected) in cases {
        each(move |store| {
            let ranks = ranks.clone();
            async move {
                for (number, rank) in (0..).zip(ranks) {
                    let queued = Some(Start { payload: Value::Int(number), ..Start::default() });
                    let gather = Some(Gather { scope: "s".into(), key: String::new(), keep, rank });
                    let batch = Batch::new(id(1), standing(RunState::Waiting), Instant(number));
                    let batch = Batch { new: Some(NewRun { queued, gather, ..new("f") }), ..batch };
                    assert!(matches!(store.commit(batch).await.unwrap(), Committed::Gathered(_)));
                }
                let start = store.start(&id(1)).await.unwrap().unwrap();
                assert_eq!(start.payload.to_json().to_string(), expected);
            }
        });
    }
}

#[test]
fn runs_that_count_for_a_limit_are_known_after_a_start() {
    each(|store| async move {
        for (number, begun) in [(1, Some(40)), (2, None), (3, Some(60))] {
            let queued = begun.is_none().then(Start::default);
            let new = NewRun { gate: Some(gate(100)), queued, ..new("f") };
            let standing = standing(if begun.is_none() { RunState::Waiting } else { RunState::Running });
            let batch = Batch::new(id(number), standing, Instant(30));
            commit(&store, Batch { new: Some(new), begun_at: begun.map(Instant), ..batch }).await;
        }
        commit(&store, goes_on(1, RunState::Completed, 70)).await;
        let gated: Vec<_> = store.gated().await.unwrap().into_iter().map(|run| (run.run, run.gate)).collect();
        assert_eq!(gated, [(id(2), Some(gate(100))), (id(3), Some(gate(100)))]);
        let begun = store.begun_since("f hook", Instant(30)).await.unwrap();
        assert_eq!(begun, [Instant(40), Instant(60)], "one that is over counts too");
        assert_eq!(store.begun_since("f hook", Instant(40)).await.unwrap(), [Instant(60)]);
        assert_eq!(store.begun_since("other", Instant(0)).await.unwrap(), []);
    });
}

fn before(at: i64, most: usize) -> Expiry {
    Expiry { ended_before: Instant(at), now: Instant(at + 50), most }
}

#[test]
fn what_ended_long_ago_is_removed_oldest_first_unless_something_needs_it() {
    each(|store| async move {
        commit(&store, begins(1, "f", RunState::Running)).await;
        let child = NewRun { parent: Some((id(1), place("call"))), ..new("g") };
        commit(&store, Batch { begins: vec![(id(2), child)], ..goes_on(1, RunState::Running, 11) }).await;
        commit(&store, goes_on(2, RunState::Completed, 20)).await;
        commit(&store, Batch { dead_letters: vec![letter(3, "q")], ..begins(3, "f", RunState::Completed) }).await;
        let counts = NewRun { gate: Some(gate(1000)), ..new("f") };
        let batch = Batch::new(id(4), standing(RunState::Completed), Instant(10));
        commit(&store, Batch { new: Some(counts), begun_at: Some(Instant(10)), ..batch }).await;
        for number in [5, 6, 7] {
            commit(&store, begins(number, "f", RunState::Running)).await;
            commit(&store, goes_on(number, RunState::Completed, 40 - i64::try_from(number).unwrap())).await;
        }
        commit(&store, begins(8, "f", RunState::Waiting)).await;
        assert_eq!(store.expire(before(50, 2)).await.unwrap(), 2);
        assert_eq!(ids(&store, Filter::default()).await, [8, 5, 4, 3, 2, 1].map(id), "the oldest ends were 6 and 7");
        assert_eq!(store.expire(before(50, 9)).await.unwrap(), 1);
        assert_eq!(ids(&store, Filter::default()).await, [8, 4, 3, 2, 1].map(id));
        // The letter is settled, the caller is over, the period has passed.
        let open = Letters { queue: None, which: WhichLetters::Open, limit: 1 };
        let left = store.letters(open).await.unwrap()[0].id;
        store.settle(left, "dropped".into()).await.unwrap();
        commit(&store, goes_on(1, RunState::Cancelled, 49)).await;
        assert_eq!(store.expire(before(2000, 9)).await.unwrap(), 4);
        assert_eq!(ids(&store, Filter::default()).await, [id(8)], "what is not over stays however old it is");
        assert_eq!(store.rows(&id(1)).await.unwrap(), []);
        assert_eq!(store.letter(left).await.unwrap(), None);
    });
}

#[test]
fn room_that_becomes_free_is_given_back_to_the_disk() {
    let folder = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let pages = || -> (u32, u32) {
        let database = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
        let read = |name: &str| database.query_row(&format!("pragma {name}"), [], |row| row.get(0)).unwrap();
        (read("page_count"), read("freelist_count"))
    };
    let (empty, _) = pages();
    runtime.block_on(async {
        for number in 0..300 {
            let reason = Some("because ".repeat(500));
            let standing = Standing { reason, ..standing(RunState::Failed) };
            commit(&store, Batch { standing, ..begins(number, "f", RunState::Failed) }).await;
        }
    });
    let (full, _) = pages();
    assert!(full > empty + 300, "{empty} to {full} pages");
    let gone = runtime.block_on(store.expire(before(50, 1000))).unwrap();
    runtime.block_on(store.tidy(BTreeSet::new(), SystemTime::now())).unwrap();
    let (left, free) = pages();
    assert!(gone == 300 && left < empty + 30 && free == 0, "{gone} runs; {left} of {full} pages, {free} of them free");
}

#[test]
fn plans_and_files_that_nothing_needs_are_known() {
    each(|store| async move {
        let file = |name: &str| Value::File(File::new(Sha256::of(name.as_bytes()), 1, name, "text/plain").into());
        for plan in ["plan of f", "kept", "lost"] {
            store.add_plan(plan.into(), "f".into(), b"{}".to_vec()).await.unwrap();
        }
        let start = Start { payload: file("sent"), ..Start::default() };
        let rows = vec![Chain::new(id(1)).write(&Entry { at: Instant(6), said: Said::Event(Event::Started(start)) })];
        let left = vec![DeadLetter { value: Value::List(vec![file("left")]), ..letter(1, "q") }];
        commit(&store, Batch { rows, dead_letters: left, ..begins(1, "f", RunState::Running) }).await;
        let mut ends = goes_on(1, RunState::Completed, 20);
        ends.standing.outcome = Some(Outcome::Completed(file("made")));
        commit(&store, ends).await;
        let all = ["sent", "left", "made", "lost"].map(|name| Sha256::of(name.as_bytes()));
        assert_eq!(store.unnamed(all.to_vec()).await.unwrap(), [all[3]]);
        let tidied = store.tidy(BTreeSet::from(["kept".to_owned()]), SystemTime::now()).await.unwrap();
        assert_eq!(tidied.plans, 1);
        assert_eq!(store.plan("lost").await.unwrap(), None);
        assert!(store.plan("kept").await.unwrap().is_some() && store.plan("plan of f").await.unwrap().is_some());
        store.settle(1, "dropped".into()).await.unwrap();
        assert_eq!(store.expire(before(50, 9)).await.unwrap(), 1);
        assert_eq!(store.unnamed(all.to_vec()).await.unwrap(), all);
    });
}

/// All that a store tells.
async fn told(store: &Arc<dyn Store>) -> String {
    let mut lines = Vec::new();
    let mut say = |what: &str, of: &dyn std::fmt::Debug| lines.push(format!("{what}: {of:?}"));
    for number in 0..5 {
        let run = id(number);
        say("summary", &store.summary(&run).await.unwrap());
        say("start", &store.start(&run).await.unwrap());
        say("rows", &store.rows(&run).await.unwrap());
        say("mail", &store.mail(&run).await.unwrap());
        say("checkpoint", &store.checkpoint(&run).await.unwrap());
    }
    say("list", &store.list(Filter::default()).await.unwrap());
    say("letters", &store.letters(Letters { queue: None, which: WhichLetters::All, limit: 99 }).await.unwrap());
    say("awake", &store.awake(Instant(50)).await.unwrap());
    say("due", &store.due(Instant(20), Instant(80)).await.unwrap());
    say("next", &store.next_due(Instant(30)).await.unwrap());
    say("gated", &store.gated().await.unwrap());
    say("begun", &store.begun_since("f hook", Instant(0)).await.unwrap());
    say("pinned", &store.pinned().await.unwrap());
    say("standing", &store.standing().await.unwrap());
    say("notes", &store.notes("s").await.unwrap());
    lines.join("\n")
}

/// A batch that follows from three numbers.
fn drawn(kind: u8, run: u8, other: u8, at: i64) -> Batch {
    let (run, other) = (u128::from(run % 5), u128::from(other % 5));
    let states =
        [RunState::Running, RunState::Waiting, RunState::NeedsDecision, RunState::Completed, RunState::Cancelled];
    let mut batch = goes_on(run, states[usize::from(kind / 16) % 5], at);
    match kind % 16 {
        0..=3 => {
            let new = new(["f", "g"][usize::from(kind % 2)]);
            let dedupe = (other > 2).then(|| Dedupe {
                scope: "s".into(),
                key: other.to_string(),
                window: Millis(30),
                body_digest: Some((kind % 3).to_string()),
            });
            let gate = (other == 1).then(|| gate(20));
            let queued = (kind % 4 == 3).then(Start::default);
            let notes = vec![Note { scope: "s".into(), key: other.to_string(), text: at.to_string() }];
            batch.new = Some(NewRun { dedupe, gate, queued, notes, ..new });
            batch.begun_at = Some(Instant(at));
            if kind.is_multiple_of(3) {
                batch.mark = Mark::Moves(Chain::new(id(run)).checkpoint("form", at.to_string()));
            }
        }
        4 => {
            let queued = Some(Start::default());
            batch.begins = vec![(id(other), NewRun { parent: Some((id(run), place("c"))), queued, ..new("g") })];
        }
        5 => {
            let wanted = other.is_multiple_of(2).then(|| wants("of", &Value::Int(i64::try_from(other / 2).unwrap())));
            batch.bus = vec![Bus::Listen { place: place("w"), event: "e".into(), wanted }];
        }
        6 => batch.bus = vec![Bus::Stop(place("w"))],
        7 | 8 => {
            let value = Value::record([("of", Value::Int(at % 3))]);
            batch.bus = vec![Bus::Emit { place: place("e"), event: "e".into(), value }];
        }
        9 => batch.mail = vec![(id(other), Event::Expired)],
        10 => batch.read = vec![i64::try_from(other).unwrap() + 1],
        11 => batch.dead_letters = vec![letter(run, "q")],
        12 => batch.settles = vec![(i64::try_from(other).unwrap() + 1, at.to_string())],
        14 => batch.mark = Mark::Goes,
        13 => batch.answer = Some(Response { status: 200, body: Some(Value::Int(at)) }),
        _ => batch.standing.wake_at = Some(Instant(at + 40)),
    }
    // The clock is set now and then, forward and back.
    batch.set_by = i64::from(kind / 64) * 15;
    batch
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn both_stores_tell_the_same_whatever_is_written(
        steps in proptest::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = TempDir::new().unwrap();
        let stores: [Arc<dyn Store>; 2] =
            [Arc::new(Memory::new()), Arc::new(Sqlite::open(folder.path()).unwrap())];
        runtime.block_on(async {
            for (at, (kind, run, other)) in (0_i64..).zip(steps) {
                let mut came = Vec::new();
                for store in &stores {
                    came.push(match kind {
                        250.. => format!("{:?}", store.expire(before(at, 2)).await.unwrap()),
                        _ => format!("{:?}", store.commit(drawn(kind, run, other, at)).await.unwrap()),
                    });
                }
                assert_eq!(came[0], came[1]);
            }
            assert_eq!(told(&stores[0]).await, told(&stores[1]).await);
        });
    }
}

#[test]
fn case_24_a_folder_has_one_process_and_the_other_is_told_which() {
    let folder = TempDir::new().unwrap();
    let first = Sqlite::open(folder.path()).unwrap();
    let Err(error) = Sqlite::open(folder.path()) else { panic!("two stores have the folder") };
    assert!(matches!(&error, Error::Locked { pid: Some(pid), .. } if *pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    drop(first);
    Sqlite::open(folder.path()).unwrap();
}

#[tokio::test]
async fn large_values_lie_in_files_that_lists_never_touch_and_that_go_with_their_runs() {
    let folder = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path()).unwrap());
    let large = || Value::text("x".repeat(1_000_000));
    let start = Start { payload: large(), ..Start::default() };
    let rows = vec![Chain::new(id(1)).write(&Entry { at: Instant(6), said: Said::Event(Event::Started(start)) })];
    commit(&store, Batch { rows: rows.clone(), ..begins(1, "f", RunState::Running) }).await;
    for number in [1, 2] {
        let mut ends =
            if number == 1 { goes_on(1, RunState::Completed, 9) } else { begins(2, "f", RunState::Completed) };
        ends.standing.outcome = Some(Outcome::Completed(large()));
        commit(&store, ends).await;
    }
    assert_eq!(store.rows(&id(1)).await.unwrap(), rows);
    assert_eq!(store.summary(&id(2)).await.unwrap().unwrap().outcome, Some(Outcome::Completed(large())));
    let size = |name: &str| std::fs::metadata(folder.path().join(name)).map_or(0, |file| file.len());
    assert!(size("journal.sqlite") + size("journal.sqlite-wal") < 1_000_000, "the database holds none of them");
    let values = folder.path().join("values");
    let later = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(store.tidy(BTreeSet::new(), later).await.unwrap().bytes, 0, "a value that is named stays");

    assert_eq!(store.expire(before(10, 9)).await.unwrap(), 1);
    let freed = store.tidy(BTreeSet::new(), later).await.unwrap().bytes;
    assert!((1_000_000..1_010_000).contains(&freed), "the payload of the first run alone: {freed}");
    assert_eq!(store.summary(&id(2)).await.unwrap().unwrap().outcome, Some(Outcome::Completed(large())));

    // Damage there is damage of the run; lists go on.
    std::fs::remove_dir_all(&values).unwrap();
    assert!(store.summary(&id(2)).await.is_err());
    assert_eq!(ids(&store, Filter::default()).await, [id(2)]);
    commit(&store, Batch { rows: rows.clone(), ..begins(1, "f", RunState::Running) }).await;
    std::fs::remove_dir_all(&values).unwrap();
    let verified = read(folder.path()).unwrap().verify().unwrap();
    assert_eq!((verified.damaged.len(), &verified.damaged[0].0.run), (1, &id(1)));
}

#[test]
fn a_checkpoint_takes_the_place_of_the_one_before_and_the_journal_is_read_from_it_on() {
    each(async |store| {
        let mut chain = Chain::new(id(1));
        let mut write = |count: usize| {
            let entry = Entry { at: Instant(5), said: Said::Event(Event::Expired) };
            let rows: Vec<_> = (0..count).map(|_| chain.write(&entry)).collect();
            (rows, chain.checkpoint("form", format!("{count} written")))
        };
        let (first, early) = write(3);
        let begins = Batch { rows: first, mark: Mark::Moves(early.clone()), ..begins(1, "f", RunState::Running) };
        commit(&store, begins).await;
        assert_eq!(store.checkpoint(&id(1)).await.unwrap(), Some(early));
        let (second, late) = write(2);
        let batch = Batch { rows: second.clone(), mark: Mark::Moves(late.clone()), ..goes_on(1, RunState::Running, 6) };
        commit(&store, batch).await;
        let (third, _) = write(1);
        commit(&store, Batch { rows: third.clone(), ..goes_on(1, RunState::Running, 7) }).await;
        assert_eq!(store.checkpoint(&id(1)).await.unwrap(), Some(late.clone()));
        let after = store.rows_from(&id(1), late.seq - 1).await.unwrap();
        assert_eq!(after, [vec![second[1].clone()], third].concat());
        assert_eq!(store.rows(&id(1)).await.unwrap().len(), 6);
        commit(&store, Batch { mark: Mark::Goes, ..goes_on(1, RunState::Completed, 8) }).await;
        assert_eq!(store.checkpoint(&id(1)).await.unwrap(), None);
        assert_eq!(store.checkpoint(&id(2)).await.unwrap(), None);
    });
}
