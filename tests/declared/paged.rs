//! Lists that come page by page: where each form says that the next page begins, what ends a list, and what is too much.

use axum::{http::HeaderValue, response::Response};
use flow_model::value::Value;
use serde_json::json;

use super::{program, ran};
use crate::executed::{Seen, Server, answer};

/// Items with these ids, and where the next page begins.
fn page(ids: &[i64], next: impl Into<serde_json::Value>) -> Response {
    let items: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    answer(200, &json!({ "items": items, "next": next.into(), "done": ids == [3] }))
}

/// A page of nine items after so many.
fn after(passed: i64, most: i64) -> Response {
    page(&((passed + 1)..=(passed + most).min(9)).collect::<Vec<_>>(), json!(null))
}

/// What a program makes of a list: the ids, or the kind and the message of its failure; and what was asked for.
fn listed(operation: &str, answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> (Value, Vec<String>) {
    let server = Server::start(answer);
    let connector = format!(
        "  http {{ base: \"BASE\" }}
  errors {{ 410 => Gone }}
  error Gone {{}}
  record Item {{ id: Int }}
  operation list(size: Int = 4) -> Stream<Item> {{
    effect: read
    {operation}
  }}"
    );
    let steps = "  let ids = try {
    step items = sys.list()
    let all = for item in items { item.id }
    { ids: all, why: null }
  } catch {
    _ as e => { ids: [], why: \"{e.message}\" }
  }
  return ids";
    let plan = program(&server, &connector, "", steps);
    let value = ran(&plan).0;
    let seen = server.seen().iter().map(|seen| format!("{}{}", seen.uri, seen.body)).collect();
    (value, seen)
}

fn ids(ids: &[i64]) -> Value {
    let ids = ids.iter().map(|id| Value::Int(*id)).collect();
    Value::record([("ids", Value::List(ids)), ("why", Value::Null)])
}

fn number(seen: &Seen, name: &str) -> i64 {
    let query = seen.uri.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(found, _)| found == name).map_or(0, |(_, value)| value.parse().unwrap())
}

#[test]
fn each_form_leads_from_page_to_page() {
    let get = "request: GET \"/l\" { query: { size } }";
    let cursor = |seen: &Seen| match (seen.uri.as_str(), seen.body.as_str()) {
        (uri, body) if uri.contains("after=x") || body.contains(r#""after":"x""#) => page(&[3], ""),
        _ => page(&[1, 2], "x"),
    };
    let (found, seen) =
        listed(&format!("{get}, page: cursor(next: body.next, into: query.after, items: body.items)"), cursor);
    assert_eq!((found, seen), (ids(&[1, 2, 3]), vec!["/l?size=4".to_owned(), "/l?size=4&after=x".to_owned()]));
    // The first page can be named by the call, and the others take its place.
    let named = "request: GET \"/l\" { query: { after: size } }";
    let (found, seen) =
        listed(&format!("{named}, page: cursor(next: body.next, into: query.after, items: body.items)"), cursor);
    assert_eq!((found, seen), (ids(&[1, 2, 3]), vec!["/l?after=4".to_owned(), "/l?after=x".to_owned()]));
    let posts = "request: POST \"/l\" { body: { size } }";
    let (found, seen) =
        listed(&format!("{posts}, page: cursor(next: body.next, into: body.paging.after, items: body.items)"), cursor);
    assert_eq!((found, &*seen[1]), (ids(&[1, 2, 3]), r#"/l{"size":4,"paging":{"after":"x"}}"#));
    let graphql =
        "request: POST \"/l\" { graphql: r\"query($size: Int!, $after: String) { l }\", variables: { size } }";
    let (found, seen) = listed(
        &format!("{graphql}, page: cursor(next: body.next, into: body.variables.after, items: body.items)"),
        cursor,
    );
    assert_eq!(found, ids(&[1, 2, 3]));
    assert!(seen[1].ends_with(r#""variables":{"size":4,"after":"x"}}"#), "{seen:?}");

    // Numbered pages, of which a short one is not the end.
    let numbered = |seen: &Seen| match number(seen, "page[number]") {
        0 => page(&[1, 2, 3, 4], json!(null)),
        1 => page(&[5], json!(null)),
        2 => page(&[6, 7], json!(null)),
        _ => page(&[], json!(null)),
    };
    let pages = "page: page(into: query[\"page[number]\"], first: 0, items: body.items)";
    let (found, seen) = listed(&format!("{get}, {pages}"), numbered);
    assert_eq!((found, seen.len(), &*seen[1]), (ids(&[1, 2, 3, 4, 5, 6, 7]), 4, "/l?size=4&page%5Bnumber%5D=1"));
    // Unless that is said.
    let full = "page: page(into: query[\"page[number]\"], first: 0, items: body.items, full: size)";
    assert_eq!(listed(&format!("{get}, {full}"), numbered).0, ids(&[1, 2, 3, 4, 5]));
    let last =
        "page: page(into: query[\"page[number]\"], first: 0, items: body.items, last: body.items == [{ id: 5 }])";
    assert_eq!(listed(&format!("{get}, {last}"), numbered).0, ids(&[1, 2, 3, 4, 5]));

    let (found, seen) = listed(&format!("{get}, page: offset(into: query.skip, items: body.items)"), |seen| {
        after(number(seen, "skip"), 4)
    });
    assert_eq!(found, ids(&[1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert_eq!(seen, ["/l?size=4&skip=0", "/l?size=4&skip=4", "/l?size=4&skip=8", "/l?size=4&skip=9"]);

    let linked = |seen: &Seen| {
        let mut first = page(&[1, 2], json!(null));
        first.headers_mut().insert("link", HeaderValue::from_static("</l?cursor=7>; rel=\"next\""));
        if seen.uri == "/l?cursor=7" { page(&[3], json!(null)) } else { first }
    };
    let (found, seen) = listed(&format!("{get}, page: link(items: body.items)"), linked);
    assert_eq!((found, &*seen[1]), (ids(&[1, 2, 3]), "/l?cursor=7"));
    let by_url = |seen: &Seen| if seen.uri == "/m" { page(&[3], json!(null)) } else { page(&[1, 2], "/m") };
    let (found, seen) = listed(&format!("{get}, page: next_url(next: body.next, items: body.items)"), by_url);
    assert_eq!((found, &*seen[1]), (ids(&[1, 2, 3]), "/m"));
}

fn why(found: &Value) -> String {
    found.get("why").unwrap().to_string()
}

#[test]
fn what_is_too_much_or_leads_back_is_a_failure_that_says_so() {
    let get = "request: GET \"/l\" { query: { size } }";
    let endless = |seen: &Seen| after(number(seen, "skip"), 1);
    for (bound, told) in [("most_pages: 3", "3 pages"), ("most_items: 5", "5 items")] {
        let (found, seen) =
            listed(&format!("{get}, page: offset(into: query.skip, items: body.items, {bound})"), endless);
        assert!(why(&found).contains(told), "{found}");
        assert!(seen.len() <= 6, "{seen:?}");
    }
    let circle = |seen: &Seen| match seen.uri.as_str() {
        "/l?size=4&after=a" => page(&[2], "b"),
        "/l?size=4&after=b" => page(&[3], "a"),
        _ => page(&[1], "a"),
    };
    let (found, _) =
        listed(&format!("{get}, page: cursor(next: body.next, into: query.after, items: body.items)"), circle);
    assert!(why(&found).contains("leads to \"a\" again"), "{found}");
}

#[test]
fn what_comes_again_is_left_out_by_its_key_and_a_cursor_that_has_expired_begins_anew() {
    let get = "request: GET \"/l\" { query: { size } }";
    // Between two pages, an item has come before the others.
    let shifted = |seen: &Seen| match number(seen, "skip") {
        0 => page(&[1, 2], json!(null)),
        2 => page(&[2, 3], json!(null)),
        _ => page(&[], json!(null)),
    };
    let offset = |key: &str| format!("{get}, page: offset(into: query.skip, items: body.items{key})");
    assert_eq!(listed(&offset(""), shifted).0, ids(&[1, 2, 2, 3]));
    assert_eq!(listed(&offset(", key: .id"), shifted).0, ids(&[1, 2, 3]));

    let count = std::sync::atomic::AtomicUsize::new(0);
    let forgets = move |seen: &Seen| match seen.uri.as_str() {
        "/l?size=4&after=x" if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => answer(410, &json!({})),
        "/l?size=4&after=x" => page(&[3], json!(null)),
        _ => page(&[1, 2], "x"),
    };
    let cursor = "page: cursor(next: body.next, into: query.after, items: body.items, key: .id, expired: Gone)";
    let (found, seen) = listed(&format!("{get}, {cursor}"), forgets);
    assert_eq!(found, ids(&[1, 2, 3]));
    assert_eq!(seen, ["/l?size=4", "/l?size=4&after=x", "/l?size=4", "/l?size=4&after=x"]);
    let gone = |seen: &Seen| if seen.uri.contains("after") { answer(410, &json!({})) } else { page(&[1, 2], "x") };
    let cursor = "page: cursor(next: body.next, into: query.after, items: body.items, expired: Gone)";
    let (found, _) = listed(&format!("{get}, {cursor}"), gone);
    assert!(why(&found).contains("the cursor \"x\" of `sys.list` has expired"), "{found}");
}
