//! Pages of streams: what is asked for, and where the next one begins (reliability case 20, as far as one request goes).

use axum::response::{IntoResponse as _, Response};
use flow_model::{
    expr::{Ambient, BinaryOp, Expr, Slot},
    failure::ErrorKind,
    schema::{Body, Call, Effect, Into, Operation, Page, PageKind, Request},
    ty::{Field, Type},
    value::Value,
};
use indexmap::IndexMap;

use super::world::{Seen, Server, World, fields, get, member, operation, post, record, slot, text};
use crate::connector::{Attempt, Invocation, Performer as _};

/// An operation that gives a stream of `{ id: Int }`, of which a page has at most so many as its parameter says.
fn listing(base: &str, request: Request, page: Page) -> World {
    let mut world = World::at(base);
    let item = Type::Record(fields([("id", Type::Int)]));
    let params = IndexMap::from([("limit".to_owned(), Field::of(Type::Int))]);
    let call = Call::Http(Box::new(request));
    let declared = operation(params, Type::Stream(Box::new(item)), Effect::Read, call);
    let page = Some(Page { items: page.items.clone().or(Some(member(Ambient::Body, "items"))), ..page });
    world.declare(Operation { page, ..declared });
    world
}

async fn fetch(world: &World, begins: Value) -> Attempt {
    let invocation = Invocation { page: Some(begins), ..world.invocation(vec![Value::Int(2)]) };
    world.connectors().perform(invocation).await
}

/// The ids of a page, and where the next one begins.
async fn page(world: &World, begins: Value) -> (Vec<Value>, Value) {
    let value = fetch(world, begins).await.outcome.unwrap();
    let Some(Value::List(items)) = value.get("items") else { panic!("{value}") };
    let ids = items.iter().map(|item| item.get("id").unwrap().clone()).collect();
    (ids, value.get("next").unwrap().clone())
}

fn json(body: &str) -> Response {
    ([("content-type", "application/json")], body.to_owned()).into_response()
}

fn query(seen: &Seen) -> String {
    seen.uri.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default()
}

fn ints(ids: &[i64]) -> Vec<Value> {
    ids.iter().map(|id| Value::Int(*id)).collect()
}

#[tokio::test]
async fn a_cursor_leads_from_page_to_page_until_there_is_none() {
    let server = Server::scripted(|seen| match query(seen).as_str() {
        "size=2" => json(r#"{"items":[{"id":1},{"id":2}],"next":"a b&c"}"#),
        // A short page, then an empty one: the stream goes on.
        "size=2&after=a+b%26c" => json(r#"{"items":[{"id":3}],"next":"4"}"#),
        "size=2&after=4" => json(r#"{"items":[],"next":5}"#),
        "size=2&after=5" => json(r#"{"items":[{"id":4}],"next":""}"#),
        other => panic!("{other}"),
    })
    .await;
    let request = Request { query: vec![("size".into(), Expr::Slot(Slot(0)))], ..get(text("/list")) };
    let kind = PageKind::Cursor { next: member(Ambient::Body, "next"), into: Into::Query("after".into()) };
    let world = listing(&server.url, request, Page::of(kind));
    assert_eq!(page(&world, Value::Null).await, (ints(&[1, 2]), Value::text("a b&c")));
    assert_eq!(page(&world, Value::text("a b&c")).await, (ints(&[3]), Value::text("4")));
    assert_eq!(page(&world, Value::text("4")).await, (ints(&[]), Value::Int(5)));
    assert_eq!(page(&world, Value::Int(5)).await, (ints(&[4]), Value::Null));
}

#[tokio::test]
async fn a_cursor_goes_into_the_body_where_the_request_has_one() {
    let server = Server::json(r#"{"items":[],"next":null}"#).await;
    let kind = PageKind::Cursor { next: member(Ambient::Body, "next"), into: Into::Body("after".into()) };
    let world = listing(&server.url, post("/search", Body::None), Page::of(kind));
    assert_eq!(page(&world, Value::text("x")).await, (ints(&[]), Value::Null));
    assert_eq!(server.only().body, r#"{"after":"x"}"#);
}

#[tokio::test]
async fn a_cursor_goes_into_a_field_within_others_where_these_are_or_are_not() {
    let server = Server::json(r#"{"items":[],"next":null}"#).await;
    let within = |path: &[&str]| Into::Within(path.iter().map(|name| (*name).to_owned()).collect());
    let kind = |path: &[&str]| Page::of(PageKind::Cursor { next: member(Ambient::Body, "next"), into: within(path) });
    let query = "query($first: Int!, $after: String) { orders { id } }";
    let variables = Some(record([("first", slot(0))]));
    let graphql = Body::GraphQl { query: query.to_owned(), variables };
    let xml = Body::Xml(record([("Get", record([("Page", Expr::Literal(Value::Null)), ("Size", slot(0))]))]));
    let json = Body::Json(record([("paging", Expr::Literal(Value::Null))]));
    for (body, path, first, next) in [
        (
            graphql,
            ["variables", "after"].as_slice(),
            r#"{"query":"query($first: Int!, $after: String) { orders { id } }","variables":{"first":2}}"#,
            r#"{"query":"query($first: Int!, $after: String) { orders { id } }","variables":{"first":2,"after":"x"}}"#,
        ),
        (
            xml,
            &["Get", "Page"],
            r#"<?xml version="1.0" encoding="UTF-8"?><Get><Size>2</Size></Get>"#,
            r#"<?xml version="1.0" encoding="UTF-8"?><Get><Page>x</Page><Size>2</Size></Get>"#,
        ),
        (json, &["paging", "from", "id"], r#"{"paging":null}"#, r#"{"paging":{"from":{"id":"x"}}}"#),
        (Body::None, &["paging", "after"], "", r#"{"paging":{"after":"x"}}"#),
    ] {
        let world = listing(&server.url, post("/search", body), kind(path));
        assert_eq!(page(&world, Value::Null).await, (ints(&[]), Value::Null));
        assert_eq!(page(&world, Value::text("x")).await, (ints(&[]), Value::Null));
        let bodies: Vec<_> = server.seen().into_iter().rev().take(2).map(|seen| seen.body).collect();
        assert_eq!(bodies, [next, first]);
    }
    let text = Body::Json(record([("paging", text("none"))]));
    let world = listing(&server.url, post("/search", text), kind(&["paging", "after"]));
    let failure = fetch(&world, Value::text("x")).await.outcome.unwrap_err();
    assert_eq!(failure.message, "the body has no fields, so nothing can be its field `paging.after`");
}

#[tokio::test]
async fn pages_are_counted_until_one_is_empty_and_short_ones_say_nothing() {
    let server = Server::scripted(|seen| match query(seen).as_str() {
        "page=0" => json(r#"{"items":[{"id":1}]}"#),
        "page=1" => json(r#"{"items":[]}"#),
        "skip=0" => json(r#"{"items":[{"id":1},{"id":2},{"id":3}]}"#),
        "skip=3" => json(r#"{"items":[]}"#),
        other => panic!("{other}"),
    })
    .await;
    let number = PageKind::Number { into: Into::Query("page".into()), first: 0 };
    let world = listing(&server.url, get(text("/list")), Page::of(number));
    assert_eq!(page(&world, Value::Null).await, (ints(&[1]), Value::Int(1)));
    assert_eq!(page(&world, Value::Int(1)).await, (ints(&[]), Value::Null));
    let offset = PageKind::Offset { into: Into::Query("skip".into()) };
    let world = listing(&server.url, get(text("/list")), Page::of(offset));
    assert_eq!(page(&world, Value::Null).await, (ints(&[1, 2, 3]), Value::Int(3)));
    assert_eq!(page(&world, Value::Int(3)).await, (ints(&[]), Value::Null));
}

#[tokio::test]
async fn a_short_page_or_a_condition_ends_a_stream_where_the_declaration_says_so() {
    let server = Server::json(r#"{"items":[{"id":1}],"done":true}"#).await;
    let number = || PageKind::Number { into: Into::Query("page".into()), first: 1 };
    let full = |full| Page { full: Some(full), ..Page::of(number()) };
    let world = listing(&server.url, get(text("/list")), full(Expr::Slot(Slot(0))));
    assert_eq!(page(&world, Value::Null).await.1, Value::Null, "1 item is fewer than 2");
    let world = listing(&server.url, get(text("/list")), full(Expr::Literal(Value::Int(1))));
    assert_eq!(page(&world, Value::Null).await.1, Value::Int(2));
    let done = Expr::Binary(
        BinaryOp::Equal,
        Box::new(member(Ambient::Body, "done")),
        Box::new(Expr::Literal(Value::Bool(true))),
    );
    let world = listing(&server.url, get(text("/list")), Page { last: Some(done), ..Page::of(number()) });
    assert_eq!(page(&world, Value::Int(7)).await.1, Value::Null);
}

#[tokio::test]
async fn links_and_urls_lead_to_hosts_that_the_connector_names_alone() {
    let server = Server::scripted(|seen| match seen.uri.as_str() {
        "/list?size=2" => {
            let mut first = json(r#"{"items":[{"id":1}],"next":"/more?p=2"}"#);
            first.headers_mut().append("link", r#"</list?p=0>; rel="prev", </more?p=2>; rel="next""#.parse().unwrap());
            first
        }
        "/more?p=2" => json(r#"{"items":[{"id":2}],"next":"https://evil.example/steal"}"#),
        other => panic!("{other}"),
    })
    .await;
    let request = || Request { query: vec![("size".into(), Expr::Slot(Slot(0)))], ..get(text("/list")) };
    let second = Value::text(format!("{}/more?p=2", server.url));
    let linked = listing(&server.url, request(), Page::of(PageKind::Link));
    assert_eq!(page(&linked, Value::Null).await, (ints(&[1]), second.clone()));
    assert_eq!(page(&linked, second.clone()).await, (ints(&[2]), Value::Null));
    let by_url = listing(&server.url, request(), Page::of(PageKind::NextUrl { next: member(Ambient::Body, "next") }));
    assert_eq!(page(&by_url, Value::Null).await, (ints(&[1]), second.clone()));
    let (_, stolen) = page(&by_url, second).await;
    let failure = fetch(&by_url, stolen).await.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Invalid);
    assert!(failure.message.contains("`evil.example`"), "{failure}");
    assert!(server.seen().iter().all(|seen| seen.header("authorization").is_some()));
}

#[tokio::test]
async fn a_page_that_does_not_fit_is_a_mismatch_with_its_path() {
    let server = Server::json(r#"{"items":[{"id":1},{"id":"x"}],"next":null}"#).await;
    let kind = PageKind::Cursor { next: member(Ambient::Body, "next"), into: Into::Query("after".into()) };
    let world = listing(&server.url, get(text("/list")), Page::of(kind));
    let failure = fetch(&world, Value::Null).await.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Mismatch);
    assert!(failure.message.contains("`[1].id`"), "{failure}");
}
