//! Loops over streams: pages in the journal, streams that would not end, and runs that go on (reliability case 20).

use flow_model::{
    expr::{Ambient, BinaryOp, Expr, Slot},
    failure::{ErrorKind, Failure},
    plan::{ForOnError, NodeKind, Plan, Stage},
    schema::{Into, Page, PageKind},
    ty::Type,
    units::Millis,
    value::Value,
};
use flow_runtime::machine::{self, Event, Place};

use crate::support::{
    build::*,
    play::{self, Play, failure, ints},
};

/// A plan whose step `list` gives a stream of `read`, gone through by `of`.
fn streaming(page: Page, of: Stmt) -> Plan {
    let mut plan = plan(&[], vec![step_of("list", "read", 1, int(7)), of, end(get(2))]);
    let connector = plan.connectors.get_mut("world").unwrap();
    let read = std::sync::Arc::make_mut(connector).operations.get_mut("read").unwrap();
    read.result = Type::Stream(Box::new(Type::Json));
    read.page = Some(page);
    plan
}

/// A loop in slot 2 over the stream, whose items are in slot 3.
fn over(concurrency: i64, stages: Vec<Stage>, body: Vec<Stmt>) -> Stmt {
    over_or(ForOnError::Stop, concurrency, stages, body)
}

fn over_or(on_error: ForOnError, concurrency: i64, stages: Vec<Stage>, body: Vec<Stmt>) -> Stmt {
    let mut of = each("x", 2, 3, get(1), concurrency, on_error, body);
    if let NodeKind::For { stream, .. } = &mut of.kind {
        *stream = Some(stages);
    }
    of
}

fn cursor() -> Page {
    let next = Expr::Ambient(Ambient::Body);
    Page::of(PageKind::Cursor { next, into: Into::Query("after".into()) })
}

fn numbered() -> Page {
    Page::of(PageKind::Number { into: Into::Query("page".into()), first: 1 })
}

fn page(items: impl IntoIterator<Item = i64>, next: Value) -> Value {
    Value::record([("items", ints(items)), ("next", next)])
}

fn sent() -> Vec<Stmt> {
    vec![step_of("send", "keyed", 4, get(3)), give(get(4))]
}

/// Where the pages began that were asked for.
fn begun(play: &Play) -> Vec<Value> {
    play.asked.iter().filter_map(|call| call.page.clone()).collect()
}

#[test]
fn pages_are_fetched_when_the_loop_needs_them() {
    let mut play = Play::start(streaming(cursor(), over(2, vec![], sent())), Value::Null);
    assert_eq!(play.waiting(), ["x#page[0]"], "the step itself calls nothing");
    assert_eq!((begun(&play), &play.asked[0].args), (vec![Value::Null], &vec![Value::Int(7)]));
    play.answer("x#page[0]", Ok(page([1, 2, 3], Value::text("b"))));
    assert_eq!(play.waiting(), ["send[0]", "send[1]"], "no page is fetched while items are left");
    play.ok("send[1]", 20);
    assert_eq!(play.waiting(), ["send[0]", "send[2]"]);
    play.ok("send[2]", 30);
    assert_eq!(play.waiting(), ["send[0]", "x#page[1]"], "there is room for an item, and none is left");
    assert_eq!(begun(&play), [Value::Null, Value::text("b")]);
    play.answer("x#page[1]", Ok(page([], Value::text("c"))));
    play.answer("x#page[2]", Ok(page([4], Value::Null)));
    play.ok("send[3]", 40);
    assert_eq!(play.outcome(), None);
    play.ok("send[0]", 10);
    assert_eq!(play.value(), ints([10, 20, 30, 40]));
}

#[test]
fn a_run_goes_on_after_the_last_page_that_is_in_its_journal() {
    let mut play = Play::start(streaming(cursor(), over(1, vec![], sent())), Value::Null);
    play.answer("x#page[0]", Ok(page([1], Value::text("b"))));
    play.ok("send[0]", 10);
    assert_eq!(play.waiting(), ["x#page[1]"]);
    let said = play.said.iter().map(|(at, said)| (*at, said));
    let plan = std::sync::Arc::clone(play.machine.plan());
    let again = machine::replay(play::RUN, plan, Default::default(), said).unwrap();
    let calls: Vec<_> = again.calls().into_iter().map(|call| (call.place.to_string(), call.page)).collect();
    assert_eq!(calls, [("x#page[1]".to_owned(), Some(Value::text("b")))]);
}

#[test]
fn case_20_pages_that_lead_back_are_a_failure_that_names_the_cursor() {
    for way in [["a", "a"].as_slice(), &["a", "b", "a"], &["a", "b", "c", "b"]] {
        let mut play = Play::start(streaming(cursor(), over(1, vec![], vec![])), Value::Null);
        for (at, next) in way.iter().enumerate() {
            play.answer(&format!("x#page[{at}]"), Ok(page([at as i64], Value::text(*next))));
        }
        let (failure, place) = play.failure();
        assert_eq!((failure.kind, place), (ErrorKind::Mismatch, format!("x#page[{}]", way.len() - 1)));
        let back = format!("{:?}", way.last().unwrap());
        assert!(failure.message.contains("in a circle") && failure.message.contains(&back), "{}", failure.message);
    }
}

#[test]
fn a_server_that_gives_the_same_numbered_page_again_and_again_is_noticed() {
    let mut play = Play::start(streaming(numbered(), over(1, vec![], vec![])), Value::Null);
    play.answer("x#page[0]", Ok(page([1, 2], Value::Int(2))));
    play.answer("x#page[1]", Ok(page([1, 2], Value::Int(3))));
    let (failure, _) = play.failure();
    assert!(failure.message.contains("page 2 is the one before it once more"), "{}", failure.message);
}

#[test]
fn more_pages_items_or_time_than_are_declared_are_a_failure() {
    let counted = |page: Page| {
        let mut play = Play::start(streaming(page, over(1, vec![], vec![])), Value::Null);
        for at in 0.. {
            if play.outcome().is_some() {
                return (play.failure().0, at);
            }
            play.now = play.now.after(Millis::seconds(10));
            play.answer(&format!("x#page[{at}]"), Ok(self::page([at, -at - 1], Value::Int(at + 2))));
        }
        unreachable!("a bound holds")
    };
    let (failure, pages) = counted(Page { most_pages: 5, ..cursor() });
    assert_eq!((failure.kind, pages), (ErrorKind::Mismatch, 5));
    assert!(failure.message.contains("more than 5 pages"), "{}", failure.message);
    assert!(failure.message.ends_with("say `most_pages: 50` in `page:` of the declaration"), "{}", failure.message);
    let (failure, pages) = counted(Page { most_items: 7, ..cursor() });
    assert_eq!((failure.kind, pages), (ErrorKind::Mismatch, 4));
    let (failure, pages) = counted(Page { within: Some(Millis::seconds(25)), ..cursor() });
    assert_eq!((failure.kind, pages), (ErrorKind::Timeout, 3));
}

#[test]
fn a_stream_has_ten_thousand_pages_unless_its_declaration_says_otherwise() {
    let ask = |play: &mut Play, at: i64, last: i64| {
        let next = if at == last { Value::Null } else { Value::text(format!("page {}", at + 1)) };
        play.answer(&format!("x#page[{}]", at - 1), Ok(page([at], next)));
    };
    let mut play = Play::start(streaming(cursor(), over(1, vec![], vec![give(get(3))])), Value::Null);
    (1..=10_000).for_each(|at| ask(&mut play, at, 10_000));
    assert_eq!(play.value(), ints(1..=10_000), "as many as it may have");
    // The last of them leads on: no page is asked for that would be one too many.
    let mut play = Play::start(streaming(cursor(), over(1, vec![], vec![give(get(3))])), Value::Null);
    (1..=10_000).for_each(|at| ask(&mut play, at, 10_001));
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str(), play.asked.len()), (ErrorKind::Mismatch, "x#page[9999]", 10_000));
    assert_eq!(
        failure.message,
        "`world.read` has more than 10000 pages, the most that its declaration lets it have: ask for less, or take as many as \
         you need with `.take(…)`; if there are so many, say `most_pages: 100000` in `page:` of the declaration"
    );
    let more = Page { most_pages: 100_000, ..cursor() };
    let mut play = Play::start(streaming(more, over(1, vec![], vec![give(get(3))])), Value::Null);
    (1..=10_001).for_each(|at| ask(&mut play, at, 10_001));
    assert_eq!(play.value(), ints(1..=10_001), "more where it says so");
}

#[test]
fn items_that_come_again_because_the_list_has_shifted_are_left_out() {
    let key = Some(Expr::Ambient(Ambient::Item));
    let mut play = Play::start(streaming(Page { key, ..cursor() }, over(1, vec![], vec![give(get(3))])), Value::Null);
    play.answer("x#page[0]", Ok(page([1, 2], Value::text("b"))));
    play.answer("x#page[1]", Ok(page([2, 3], Value::Null)));
    assert_eq!(play.value(), ints([1, 2, 3]));
}

/// What a page is answered with whose cursor the system does not know any more.
fn expired() -> Result<Value, Failure> {
    Err(failure(ErrorKind::NotFound))
}

#[test]
fn a_cursor_that_expires_begins_the_stream_anew_without_what_was_taken() {
    let page_of = Page { key: Some(Expr::Ambient(Ambient::Item)), expired: Some(ErrorKind::NotFound), ..cursor() };
    let mut play = Play::start(streaming(page_of, over(1, vec![], sent())), Value::Null);
    play.answer("x#page[0]", Ok(page([1, 2], Value::text("b"))));
    play.ok("send[0]", 10);
    play.ok("send[1]", 20);
    play.answer("x#page[1]", expired());
    // The list has shifted meanwhile, the cursors are the same, and it is the first page that is asked for.
    assert_eq!(play.waiting(), ["x#page[2]"]);
    play.answer("x#page[2]", Ok(page([0, 1, 2], Value::text("b"))));
    play.ok("send[2]", 0);
    play.answer("x#page[3]", Ok(page([3], Value::text("c"))));
    play.ok("send[3]", 30);
    play.answer("x#page[4]", expired());
    play.answer("x#page[5]", Ok(page([0, 1, 2, 3], Value::text("d"))));
    play.answer("x#page[6]", Ok(page([4], Value::Null)));
    play.ok("send[4]", 40);
    assert_eq!(play.value(), ints([10, 20, 0, 30, 40]), "each once, in the order in which they were found");
    let begins =
        [Value::Null, Value::text("b"), Value::Null, Value::text("b"), Value::text("c"), Value::Null, Value::text("d")];
    assert_eq!(begun(&play), begins);
    let said = play.said.iter().map(|(at, said)| (*at, said));
    let again =
        machine::replay(play::RUN, std::sync::Arc::clone(play.machine.plan()), Default::default(), said).unwrap();
    assert_eq!(again.status(), machine::Status::Ended, "what is on record leads to the same end");
}

#[test]
fn more_keys_are_remembered_of_a_stream_that_may_begin_anew_than_of_others() {
    let page_of = Page { key: Some(Expr::Ambient(Ambient::Item)), expired: Some(ErrorKind::NotFound), ..cursor() };
    let mut play = Play::start(streaming(page_of, over(1, vec![], vec![give(get(3))])), Value::Null);
    play.answer("x#page[0]", Ok(page(0..12_000, Value::text("b"))));
    play.answer("x#page[1]", expired());
    play.answer("x#page[2]", Ok(page(0..12_001, Value::Null)));
    assert_eq!(play.value(), ints(0..12_001));
}

#[test]
fn a_cursor_that_expires_and_leads_nowhere_new_is_a_failure_that_names_it() {
    let keyed = Page { key: Some(Expr::Ambient(Ambient::Item)), expired: Some(ErrorKind::NotFound), ..cursor() };
    let mut play = Play::start(streaming(keyed.clone(), over(1, vec![], vec![])), Value::Null);
    play.answer("x#page[0]", Ok(page([1], Value::text("b"))));
    play.answer("x#page[1]", expired());
    play.answer("x#page[2]", Ok(page([1], Value::text("c"))));
    play.answer("x#page[3]", expired());
    let (failure, place) = play.failure();
    assert_eq!((failure.kind, place.as_str()), (ErrorKind::NotFound, "x#page[3]"));
    let named = "the cursor \"c\" of `world.read` has expired";
    assert!(failure.message.starts_with(named) && failure.message.contains("nothing new"), "{}", failure.message);
    // Without a key it is not known what was taken.
    let mut play = Play::start(streaming(Page { key: None, ..keyed.clone() }, over(1, vec![], vec![])), Value::Null);
    play.answer("x#page[0]", Ok(page([1], Value::text("b"))));
    play.answer("x#page[1]", expired());
    let (failure, _) = play.failure();
    let named = "the cursor \"b\" of `world.read` has expired";
    assert!(failure.message.starts_with(named) && failure.message.contains("`key:`"), "{}", failure.message);
    // The first page has no cursor that could expire, and other failures say nothing of one.
    for (at, kind) in [(0, ErrorKind::NotFound), (1, ErrorKind::Forbidden)] {
        let mut play = Play::start(streaming(keyed.clone(), over(1, vec![], vec![])), Value::Null);
        if at == 1 {
            play.answer("x#page[0]", Ok(page([1], Value::text("b"))));
        }
        play.answer(&format!("x#page[{at}]"), Err(self::failure(kind.clone())));
        let (failure, _) = play.failure();
        assert_eq!(failure.kind, kind);
        assert!(!failure.message.contains("expired"), "{}", failure.message);
    }
}

#[test]
fn items_go_through_their_stages_and_no_page_is_fetched_for_nothing() {
    let x = |slot| Expr::Slot(Slot(slot));
    let stages = || {
        vec![
            Stage::Filter(Slot(10), op(x(10), BinaryOp::Greater, int(1))),
            Stage::Map(Slot(11), op(x(11), BinaryOp::Multiply, int(10))),
            Stage::Take(int(2)),
        ]
    };
    let mut play = Play::start(streaming(cursor(), over(1, stages(), vec![give(get(3))])), Value::Null);
    play.answer("x#page[0]", Ok(page([1, 2], Value::text("b"))));
    play.answer("x#page[1]", Ok(page([3, 4], Value::text("c"))));
    assert_eq!(play.value(), ints([20, 30]), "two were asked for, so page c is not");
    let none = Play::start(streaming(cursor(), over(1, vec![Stage::Take(int(0))], vec![])), Value::Null);
    assert_eq!((none.value(), none.asked.len()), (Value::List(vec![]), 0));
    let mut most = Play::start(streaming(cursor(), over(1, vec![Stage::Most(int(1))], vec![])), Value::Null);
    most.answer("x#page[0]", Ok(page([1, 2], Value::Null)));
    assert_eq!(most.failure().0.kind, ErrorKind::Mismatch);
}

#[test]
fn chunks_go_over_the_ends_of_pages_and_the_last_has_what_is_left() {
    let list = |items: &[i64]| ints(items.iter().copied());
    let run = |stages: Vec<Stage>, pages: usize| {
        let mut play = Play::start(streaming(cursor(), over(1, stages, vec![give(get(3))])), Value::Null);
        for (number, (items, next)) in [([1, 2], "b"), ([3, 4], "c"), ([5, 6], "d"), ([7, 8], "")].iter().enumerate() {
            if number == pages {
                break;
            }
            let next = if next.is_empty() { Value::Null } else { Value::text(*next) };
            play.answer(&format!("x#page[{number}]"), Ok(page(*items, next)));
        }
        play.value()
    };
    let all = vec![list(&[1, 2, 3]), list(&[4, 5, 6]), list(&[7, 8])];
    assert_eq!(run(vec![Stage::Chunks(int(3))], 4), Value::List(all));
    let few = vec![list(&[1, 2, 3]), list(&[4, 5])];
    assert_eq!(run(vec![Stage::Take(int(5)), Stage::Chunks(int(3))], 3), Value::List(few), "page d is not fetched");
    let first = vec![list(&[1, 2, 3])];
    assert_eq!(run(vec![Stage::Chunks(int(3)), Stage::Take(int(1))], 2), Value::List(first), "nor is page c");
    let nested = vec![Value::List(vec![list(&[1, 2, 3]), list(&[4, 5, 6])]), Value::List(vec![list(&[7, 8])])];
    assert_eq!(run(vec![Stage::Chunks(int(3)), Stage::Chunks(int(2))], 4), Value::List(nested));
    let none = Play::start(streaming(cursor(), over(1, vec![Stage::Chunks(int(0))], vec![])), Value::Null);
    assert_eq!(none.failure().0.kind, ErrorKind::Invalid);
    let mut empty = Play::start(streaming(cursor(), over(1, vec![Stage::Chunks(int(3))], vec![])), Value::Null);
    empty.answer("x#page[0]", Ok(page([], Value::Null)));
    assert_eq!(empty.value(), Value::List(vec![]));
}

#[test]
fn a_page_is_tried_again_and_its_failure_is_caught_around_the_loop() {
    let of = over(1, vec![], sent());
    let caught = attempt("try", 2, vec![of], vec![(vec![ErrorKind::Unavailable], None, None, vec![give(int(0))])]);
    let mut play = Play::start(streaming(cursor(), caught), Value::Null);
    play.answer("x#page[0]", Ok(page([1], Value::text("b"))));
    play.ok("send[0]", 10);
    for _ in 0..4 {
        play.answer("x#page[1]", Err(failure(ErrorKind::Unavailable)));
        play.fire();
    }
    assert_eq!(play.outcome(), None);
    play.answer("x#page[1]", Err(failure(ErrorKind::Unavailable)));
    assert_eq!(play.value(), Value::Int(0));
}

#[test]
fn a_failing_item_and_a_cancelled_run_need_no_more_pages() {
    let mut play = Play::start(streaming(cursor(), over(2, vec![], sent())), Value::Null);
    play.answer("x#page[0]", Ok(page([1], Value::text("b"))));
    assert_eq!(play.waiting(), ["send[0]", "x#page[1]"]);
    play.err("send[0]", ErrorKind::Invalid);
    assert_eq!(play.failure().0.kind, ErrorKind::Invalid);
    assert!(play.aborted.contains(&Place { path: "x#page".into(), indexes: vec![1] }), "{:?}", play.aborted);
    let mut play = Play::start(streaming(cursor(), over(2, vec![], sent())), Value::Null);
    assert!(play.cancel("enough"));
    assert_eq!(play.waiting(), Vec::<String>::new());
    // What comes after that changes nothing.
    let place = Place { path: "x#page".into(), indexes: vec![0] };
    assert!(!play.machine.expects(&Event::Fired { place }, play.now));
}

#[test]
fn failed_items_of_a_stream_are_told_with_what_they_were() {
    let mut play = Play::start(streaming(cursor(), over_or(ForOnError::Collect, 1, vec![], sent())), Value::Null);
    play.answer("x#page[0]", Ok(page([1], Value::text("b"))));
    play.err("send[0]", ErrorKind::Invalid);
    play.answer("x#page[1]", Ok(page([2], Value::Null)));
    play.ok("send[1]", 20);
    let value = play.value();
    assert_eq!(value.get("ok"), Some(&ints([20])));
    let Some(Value::List(failed)) = value.get("failed") else { panic!("{value}") };
    assert_eq!(failed[0].get("item"), Some(&Value::Int(1)));
}
