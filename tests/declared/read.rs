//! Answers: what is taken of them, by which names and types, and which mean a failure.

use flow_model::{failure::ErrorKind, value::Value};
use serde_json::{Value as Json, json};

use super::{Ahead, Vault, call, process, program};
use crate::executed::{Seen, Server, answer};

/// What becomes of an answer: the result as JSON, or the kind and the message of a failure.
async fn read(declared: &str, operation: &str, status: u16, body: &Json) -> Result<Json, (ErrorKind, String)> {
    let (told, body) = (status, body.clone());
    let server = Server::start(move |_: &Seen| {
        let mut answered = answer(told, &body);
        answered.headers_mut().insert("x-total", "7".parse().unwrap());
        answered
    });
    let connector = format!("  http {{ base: \"BASE\" }}\n{declared}\n  operation get(id: Int) -> {operation}");
    let plan = program(&server, &connector, "", "  step sys.get(id: 1)");
    let attempt = call(&process(Vault::default(), &Ahead::new()), &plan, "get", vec![Value::Int(1)]).await;
    attempt.outcome.map(|value| value.to_json()).map_err(|failure| (failure.kind, failure.message))
}

const REQUEST: &str = "effect: read, request: GET \"/get/{id}\"";

#[tokio::test]
async fn a_result_has_the_declared_fields_by_their_names_and_types() {
    let record = "  record Item {
    id:     Int from \"itemId\"
    price:  Decimal
    at:     Timestamp @unix
    seen:   Timestamp? @unix_ms
    state:  \"open\" | \"closed\"
    note:   String?
    tags:   List<String> = []
    email:  Email? @pii
  }";
    let of = |operation: &str| format!("{operation} {{ {REQUEST} }}");
    let whole = json!({ "itemId": "7", "price": 1.10, "at": "1700000000", "seen": 1_700_000_000_500_i64, "state": "open", "more": [1e3] });
    let expected = json!({
        "id": 7, "price": 1.10, "at": "2023-11-14T22:13:20Z", "seen": "2023-11-14T22:13:20.5Z", "state": "open",
        "tags": [],
    });
    let found = read(record, &of("Item"), 200, &whole).await.unwrap();
    assert_eq!(found, expected);
    // What is missing, null, another word or another type is told with its place.
    for (name, value, place) in [
        ("itemId", None, "itemId"),
        ("price", Some(Json::Null), "price"),
        ("state", Some(json!("gone")), "state"),
        ("at", Some(json!("yesterday")), "at"),
        ("email", Some(json!("nobody")), "email"),
        ("tags", Some(json!(["a", 1])), "tags[1]"),
    ] {
        let mut other = whole.clone();
        match value {
            Some(value) => other[name] = value,
            None => drop(other.as_object_mut().unwrap().remove(name)),
        }
        let (kind, message) = read(record, &of("Item"), 200, &other).await.unwrap_err();
        assert_eq!(kind, ErrorKind::Mismatch, "{name}: {message}");
        assert!(message.contains(&format!("`{place}`")), "{name}: {message}");
    }
}

#[tokio::test]
async fn a_part_of_an_answer_and_what_stands_beside_it_are_picked() {
    let body = json!({ "data": { "items": [{ "id": 1 }, { "id": 2 }] } });
    let record = "  record Item { id: Int }";
    let of = |ty: &str, answer: &str| format!("{ty} {{ {REQUEST}, answer: {answer} }}");
    for (ty, picked, expected) in [
        ("List<Item>", "body.data?.items", json!([{ "id": 1 }, { "id": 2 }])),
        (
            "{ first: Item?, total: Int, status: Int }",
            "{ first: (body.data?.items ?? [])[0], total: headers[\"x-total\"], status }",
            json!({ "first": { "id": 1 }, "total": 7, "status": 200 }),
        ),
    ] {
        assert_eq!(read(record, &of(ty, picked), 200, &body).await, Ok(expected), "{picked}");
    }
}

#[tokio::test]
async fn statuses_and_conditions_make_failures_successes_and_nulls() {
    let errors = "  error Locked { by: String?, since: Timestamp? }
  errors {
    409 | 423 => Locked(by: body.by, since: body.since)
    4xx => Rejected
    when body.ok == false and body.error == \"busy\" => Unavailable
    when body.ok == false => Invalid
    message: body.text ?? (body.errors ?? [])[0]?.detail
    code: body.error
  }";
    let of = |more: &str| format!("Json {{ {REQUEST}{more} }}");
    let failing = async |status: u16, body: Json| read(errors, &of(""), status, &body).await.unwrap_err();
    for (status, body, kind, told) in [
        (423, json!({ "by": "ada", "text": "locked" }), "acme.Locked", "locked"),
        (409, json!({ "errors": [{ "detail": "twice" }] }), "acme.Locked", "twice"),
        (404, json!({}), "Rejected", "404"),
        (500, json!({}), "Unavailable", "500"),
        (429, json!({}), "Rejected", "429"),
        (200, json!({ "ok": false, "error": "busy" }), "Unavailable", "busy"),
        (200, json!({ "ok": false, "text": "no such thing" }), "Invalid", "no such thing"),
    ] {
        let (found, message) = failing(status, body).await;
        assert_eq!(found.to_string(), kind, "{status}: {message}");
        assert!(message.contains(told), "{status}: {message}");
    }
    let gone = read(errors, &of(", success_when: status == 404"), 404, &json!({ "a": 1 })).await;
    assert_eq!(gone, Ok(json!({ "a": 1 })));
    let null = format!("{{ a: Int }}? {{ {REQUEST}, null_when: status == 404 or body.a == 0 }}");
    assert_eq!(read(errors, &null, 404, &json!({})).await, Ok(Json::Null));
    assert_eq!(read(errors, &null, 200, &json!({ "a": 0 })).await, Ok(Json::Null));
    assert_eq!(read(errors, &null, 200, &json!({ "a": 1 })).await, Ok(json!({ "a": 1 })));
}
