//! What may be called again, what is looked for before, and what is taken back.

use axum::response::Response;
use flow_model::value::Value;
use serde_json::json;

use super::{program, ran};
use crate::executed::{Seen, Server, answer};

const PATIENT: &str = "with { retry { on: Unavailable, times: 2, backoff: fixed(1s) } }";

/// What becomes of a call of an operation, how long that takes, and what was asked for.
fn made(
    operation: &str,
    step: &str,
    answer: impl Fn(&Seen) -> Response + Send + Sync + 'static,
) -> (Value, u64, Vec<String>) {
    let server = Server::start(answer);
    let connector = format!(
        "  http {{ base: \"BASE\" }}
  record Item {{ id: Int }}
  operation find(name: String) -> Item? {{
    effect: read
    request: GET \"/find\" {{ query: {{ name }} }}
    null_when: status == 404
  }}
  operation delete(id: Int) {{ effect: idempotent, request: DELETE \"/items/{{id}}\", success_when: status == 404 }}
  operation make(name: String) -> Item {{
    {operation}
    request: POST \"/items\" {{ body: {{ name }} }}
  }}"
    );
    let (value, seconds) = ran(&program(&server, &connector, "", step));
    let seen = server.seen();
    let told = |seen: &Seen| {
        let key = seen.header("x-key").map(|key| format!(" {}", key.len())).unwrap_or_default();
        format!("{}{key}", seen.line())
    };
    (value, seconds, seen.iter().map(told).collect())
}

fn unavailable(_: &Seen) -> Response {
    answer(503, &json!({}))
}

#[test]
fn a_call_is_made_again_by_what_its_effect_and_its_key_say() {
    let step = |clause: &str| {
        format!(
            "  step item = sys.make(name: \"a\") {clause} catch {{\n    Unavailable => {{ id: 0 }}\n  }}\n  return item.id"
        )
    };
    let patient = step(PATIENT);
    for (operation, lines) in [
        ("effect: idempotent", vec!["POST /items"; 3]),
        ("effect: create, key: header(\"X-Key\")", vec!["POST /items 64"; 3]),
        ("effect: destroy, key: header(\"X-Key\")", vec!["POST /items 64"; 3]),
        ("effect: create, key: header(\"X-Key\", format: uuid)", vec!["POST /items 36"; 3]),
    ] {
        let (value, _, seen) = made(operation, &patient, unavailable);
        assert_eq!((value, seen), (Value::Int(0), lines.into_iter().map(str::to_owned).collect()), "{operation}");
    }
    for operation in ["effect: create", "effect: destroy"] {
        assert_eq!(made(operation, &step("with { retry: none }"), unavailable).2, ["POST /items"], "{operation}");
    }
}

/// An answer was lost: what the call did is looked for when reads can see it, and what is found is its result.
#[test]
fn what_an_earlier_call_did_is_looked_for_after_its_time() {
    let operation = "effect: create, key: lookup(find(name)), visible_after: 7s";
    let step = format!("  step item = sys.make(name: \"a b\") {PATIENT}\n  return item.id");
    let found = |seen: &Seen| {
        if seen.uri.starts_with("/find") { answer(200, &json!({ "id": 3 })) } else { answer(503, &json!({})) }
    };
    let (value, seconds, seen) = made(operation, &step, found);
    assert_eq!(
        (value, seen.as_slice()),
        (Value::Int(3), &["POST /items".to_owned(), "GET /find?name=a+b".to_owned()][..])
    );
    assert!(seconds >= 7, "{seconds}");
    let count = std::sync::atomic::AtomicUsize::new(0);
    let nothing = move |seen: &Seen| match seen.uri.starts_with("/find") {
        true => answer(404, &json!({})),
        false if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => answer(503, &json!({})),
        false => answer(201, &json!({ "id": 4 })),
    };
    let (value, _, seen) = made(operation, &step, nothing);
    assert_eq!(
        (value, seen),
        (Value::Int(4), ["POST /items", "GET /find?name=a+b", "POST /items"].map(str::to_owned).to_vec())
    );
}

#[test]
fn a_step_is_taken_back_as_its_connector_says() {
    let step = "  let done = try {
    saga {
      step first = sys.make(name: \"a\") undo default
      step second = sys.make(name: \"b\") undo default
      step third = sys.make(name: \"c\") with { retry: none }
    }
    true
  } catch {
    _ => false
  }
  return done";
    let count = std::sync::atomic::AtomicUsize::new(0);
    let (value, _, seen) =
        made("effect: create, undo: delete(id: .id)", step, move |seen| match seen.method.as_str() {
            "DELETE" => answer(404, &json!({})),
            _ => match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                2 => answer(422, &json!({})),
                made => answer(201, &json!({ "id": made + 7 })),
            },
        });
    assert_eq!(value, Value::Bool(false));
    let expected = ["POST /items", "POST /items", "POST /items", "DELETE /items/8", "DELETE /items/7"];
    assert_eq!(seen, expected.map(str::to_owned));
}
