//! The connector `http`: an API without a connector, a server on this machine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use futures::stream;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::process::{Ended, flowc, output};

/// What the shop has, and what it was asked.
#[derive(Default)]
struct Shop {
    orders: BTreeMap<String, Json>,
    /// Keys that orders were made with.
    keys: BTreeMap<String, String>,
    asked: Vec<String>,
    /// What orders were changed to.
    changes: Vec<Json>,
    documents: BTreeMap<String, (String, Vec<u8>)>,
    /// Where the list says that its last page is.
    next: String,
}

type Shared = Arc<Mutex<Shop>>;

/// An answer that breaks off: what it was an answer to has been done.
fn lost() -> Response {
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("lost"))]);
    ([(header::CONTENT_LENGTH, "100")], Body::from_stream(broken)).into_response()
}

fn failed(status: StatusCode, message: &str) -> Response {
    (status, json!({ "message": message, "code": "shop_error" }).to_string()).into_response()
}

fn json_of(value: &Json) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn orders(State(shop): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut shop = shop.lock().unwrap();
    shop.asked.push(format!("{method} {uri}"));
    assert_eq!(headers["authorization"], "Bearer made-up");
    assert_eq!(headers["x-app"], "flow");
    if method == Method::POST {
        let order: Json = serde_json::from_slice(&body).unwrap();
        let id = order["id"].as_str().unwrap().to_owned();
        if let Some(key) = headers.get("idempotency-key") {
            let key = key.to_str().unwrap().to_owned();
            if let Some(known) = shop.keys.get(&key) {
                return json_of(&shop.orders[known]);
            }
            shop.keys.insert(key, id.clone());
        }
        let number = shop.orders.len();
        shop.orders.insert(format!("{id}#{number}"), order.clone());
        shop.orders.insert(id, order);
        return lost();
    }
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let page = query.into_owned().find(|(name, _)| name == "page").map_or("1".to_owned(), |(_, page)| page);
    let list: Vec<Json> =
        ["1", "2"].map(|id| json!({ "id": format!("{page}{id}"), "total": format!("{page}.{id}") })).into();
    let mut answer = json_of(&json!(list));
    let next = match page.as_str() {
        "1" => Some("</v2/orders?page=2>; rel=\"next\", </v2/orders?page=9>; rel=\"last\"".to_owned()),
        "2" => Some(format!("<{}>; rel=\"next\"", shop.next)).filter(|_| !shop.next.is_empty()),
        _ => None,
    };
    if let Some(next) = next {
        answer.headers_mut().insert(header::LINK, HeaderValue::from_str(&next).unwrap());
    }
    answer
}

async fn order(State(shop): State<Shared>, method: Method, uri: Uri, Path(id): Path<String>, body: Bytes) -> Response {
    let mut shop = shop.lock().unwrap();
    shop.asked.push(format!("{method} {uri}"));
    let tries = shop.asked.iter().filter(|asked| **asked == format!("{method} {uri}")).count();
    if method == Method::DELETE {
        return if shop.orders.remove(&id).is_some() { lost() } else { failed(StatusCode::NOT_FOUND, "no such order") };
    }
    let Shop { orders, changes, .. } = &mut *shop;
    let Some(order) = orders.get_mut(&id) else { return failed(StatusCode::NOT_FOUND, "no such order") };
    if method == Method::PATCH {
        let change: Json = serde_json::from_slice(&body).unwrap();
        order["note"] = change["note"].clone();
        changes.push(change);
    }
    if tries == 1 {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "not now");
    }
    let total = HeaderValue::from_str(&order["total"].to_string()).unwrap();
    let mut answer = json_of(order);
    answer.headers_mut().insert("X-Total", total);
    answer
}

async fn document(State(shop): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut shop = shop.lock().unwrap();
    shop.asked.push(format!("{method} {uri}"));
    if method == Method::GET {
        return ([(header::CONTENT_TYPE, "application/pdf")], "%PDF-1.7").into_response();
    }
    let media_type = headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    shop.documents.insert(uri.path().to_owned(), (media_type, body.to_vec()));
    let text = String::from_utf8(body.to_vec()).unwrap();
    json_of(&json!({ "count": text.matches("%PDF-1.7").count(), "text": text }))
}

async fn start() -> (Shared, String) {
    let shop = Shared::default();
    let router = Router::new()
        .route("/v2/orders", any(orders))
        .route("/v2/orders/{id}", any(order))
        .route("/v2/documents", any(document))
        .route("/v2/documents/{id}", any(document))
        .route("/secret", get(async || "secret"))
        .with_state(Arc::clone(&shop));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v2", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (shop, address)
}

async fn run(folder: &TempDir, url: &str, flow: &str, input: Json) -> Ended {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/programs/any_api.flow");
    let mut command = flowc();
    command.current_dir(folder.path()).env("SHOP_URL", url).env("SHOP_TOKEN", "made-up");
    command.args(["run", program, "--flow", flow, "--input", &input.to_string(), "--data", "data"]);
    tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_tried_again_and_no_value_leaves_its_place_in_the_path() {
    let (shop, url) = start().await;
    let folder = TempDir::new().unwrap();
    let id = "../a/ü?x=1#%2e%2e";
    let refused = run(&folder, &url, "read", json!({ "id": id })).await.says(3, &["Invalid"]);
    assert!(shop.lock().unwrap().asked.is_empty(), "{refused:?}");
    let id = "a/ü?x=1#%2e%2e";
    shop.lock().unwrap().orders.insert(id.to_owned(), json!({ "id": id, "total": 5.5, "more": 1 }));
    let told = run(&folder, &url, "read", json!({ "id": id })).await.says(0, &[]).json();
    assert_eq!(told, json!({ "id": id, "total": 5.5 }));
    assert_eq!(shop.lock().unwrap().asked, vec!["GET /v2/orders/a%2F%C3%BC%3Fx%3D1%23%252e%252e"; 2]);
    run(&folder, &url, "read", json!({ "id": "7" })).await.says(3, &["NotFound", "no such order"]);
    assert_eq!(run(&folder, &url, "look", json!({ "id": "7" })).await.says(0, &[]).json(), json!("none"));
    for path in [
        "/../secret",
        "/orders/%2e%2E/../secret",
        "secret",
        "http://localhost/secret",
        "/orders?x=1",
        "/a\\..\\..\\secret",
    ] {
        run(&folder, &url, "raw", json!({ "path": path })).await.says(3, &["Invalid", "a path begins with `/`"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_links_and_none_leads_elsewhere() {
    let (shop, url) = start().await;
    let folder = TempDir::new().unwrap();
    let told = run(&folder, &url, "list", json!({ "status": "open & new" })).await.says(0, &[]).json();
    assert_eq!(told, json!([1.1, 1.2, 2.1, 2.2]));
    let asked = std::mem::take(&mut shop.lock().unwrap().asked);
    assert_eq!(asked, ["GET /v2/orders?status=open+%26+new&tag=a&tag=b%26c", "GET /v2/orders?page=2"]);
    shop.lock().unwrap().next = "https://evil.example/orders?page=3".to_owned();
    let refused = ["Invalid", "the request would leave for `evil.example`"];
    run(&folder, &url, "list", json!({ "status": "open" })).await.says(3, &refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_is_made_once_or_not_tried_again() {
    let (shop, url) = start().await;
    let folder = TempDir::new().unwrap();
    let ended = run(&folder, &url, "make", json!({ "id": "a" })).await;
    assert_ne!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stderr.contains("Interrupted"), "{ended:#?}");
    assert_eq!(shop.lock().unwrap().asked, ["POST /v2/orders"]);
    let told = run(&folder, &url, "make_once", json!({ "id": "b" })).await.says(0, &[]).json();
    assert_eq!(told, json!("b"));
    let shop = shop.lock().unwrap();
    assert_eq!(shop.asked[1..], ["POST /v2/orders?lose=first", "POST /v2/orders?lose=first"]);
    assert_eq!(shop.orders.keys().collect::<Vec<_>>(), ["a", "a#0", "b", "b#2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_may_be_repeated_are() {
    let (shop, url) = start().await;
    let folder = TempDir::new().unwrap();
    shop.lock().unwrap().orders.insert("c".to_owned(), json!({ "id": "c", "total": 7 }));
    assert_eq!(run(&folder, &url, "change", json!({ "id": "c" })).await.says(0, &[]).json(), json!("7"));
    let calls = ["PATCH", "PATCH", "HEAD", "HEAD", "DELETE", "DELETE", "DELETE"];
    assert_eq!(shop.lock().unwrap().asked, calls.map(|method| format!("{method} /v2/orders/c")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_absent_is_not_sent_as_null_and_has_its_column_in_a_table() {
    let (shop, url) = start().await;
    let folder = TempDir::new().unwrap();
    shop.lock().unwrap().orders.insert("d".to_owned(), json!({ "id": "d", "total": 7 }));
    let told = run(&folder, &url, "pass_on", json!({ "id": "d" })).await.says(0, &[]).json();
    let nested = "first,at\r\n\"[{\"\"id\"\":\"\"d\"\",\"\"total\"\":7,\"\"note\"\":null}]\",here\r\n";
    let expected = json!({ "table": "id,total,note\r\nd,7,\r\n", "nested": nested, "found": true, "note": "none" });
    assert_eq!(told, expected);
    let order = json!({ "id": "d", "total": 7 });
    // The first change was tried twice.
    let expected =
        [order.clone(), order.clone(), json!({ "id": "d", "total": 6.25 }), json!({ "order": order, "kept": [order] })];
    assert_eq!(shop.lock().unwrap().changes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_that_is_written_is_sent_and_others_are_left_out() {
    let (shop, url) = start().await;
    let folder = TempDir::new().unwrap();
    shop.lock().unwrap().orders.insert("e".to_owned(), json!({ "id": "e", "total": 7 }));
    run(&folder, &url, "clear", json!({ "id": "e" })).await.says(0, &[]);
    let nothing = json!({ "more": {} });
    let cleared = json!({ "note": null, "more": { "note": null } });
    let expected = [nothing.clone(), nothing, cleared, json!({ "total": 7, "more": {} })];
    assert_eq!(shop.lock().unwrap().changes, expected, "the first is tried twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_and_go() {
    let (shop, url) = start().await;
    let folder = TempDir::new().unwrap();
    let told = run(&folder, &url, "files", json!({})).await.says(0, &[]).json();
    assert_eq!((&told["mime_type"], &told["count"]), (&json!("application/pdf"), &json!(2)));
    let kept = told["kept"].as_str().unwrap();
    for part in [
        "name=\"invoice\"; filename=",
        "name=\"letter\"; filename=",
        "name=\"title\"\r\n\r\nJuly\r\n",
        "name=\"year\"\r\n\r\n2026\r\n",
    ] {
        assert!(kept.contains(part), "{part}: {kept}");
    }
    let shop = shop.lock().unwrap();
    assert_eq!(shop.asked, ["GET /v2/documents/a%20b%2Fc", "PUT /v2/documents/copy", "POST /v2/documents"]);
    assert_eq!(shop.documents["/v2/documents/copy"], ("application/pdf".to_owned(), b"%PDF-1.7".to_vec()));
}
