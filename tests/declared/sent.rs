//! Requests: what all of a connector have in common, what is left out and what is null, and the parts of a form.

use serde_json::{Value as Json, json};

use super::{program, ran};
use crate::executed::{Seen, Server, answer};

/// The request that a step makes.
fn sent(http: &str, operation: &str, settings: &str, step: &str) -> Seen {
    let server = Server::start(|_| answer(200, &json!({})));
    let connector = format!(
        "  config {{
    shop:  String pattern r\"[a-z]+\" = \"acme\"
    none:  String? = null
    extra: Map<String> = {{}}
  }}
  http {{ {http} }}
  {operation}"
    );
    ran(&program(&server, &connector, settings, step));
    server.seen().remove(0)
}

#[test]
fn what_all_requests_have_in_common_stands_in_each() {
    let http = "
    base:    \"BASE/{config.shop}/2025-01\"
    headers: { \"X-Shop\": config.shop, \"X-None\": config.none, ...config.extra }
    query:   { shop: config.shop, none: config.none }
    version: version(\"2025-01\", sunset: \"2099-01-31\")
    docs:    \"https://acme.example/docs\"
  ";
    let operation = "operation get(id: String, tags: List<String>, none: Int?) -> Json {
    effect: read
    request: GET \"/items/{id}/parts\" { query: { tags: comma(tags), none }, headers: { \"X-Id\": id, \"X-None\": none } }
  }";
    let settings = "shop: \"other\", extra: { \"X-More\": \"1\", \"X-Shop\": \"no\" }";
    let seen = sent(http, operation, settings, "  step sys.get(id: \"a/b\", tags: [\"c d\", \"e\"])");
    assert_eq!(seen.line(), "GET /other/2025-01/items/a%2Fb/parts?shop=other&tags=c+d%2Ce");
    let headers = ["x-shop", "x-more", "x-id", "x-none"].map(|name| seen.header(name));
    assert_eq!(headers, [Some("other"), Some("1"), Some("a/b"), None]);
}

/// What was not given is left out, and a null that is written is sent.
#[test]
fn what_is_absent_is_left_out_and_a_null_that_is_written_is_sent() {
    let operation = "operation set(a: Int?, b: Int?, more: Map<Json> = {}) -> Json {
    effect: idempotent
    request: PATCH \"/set\" { body: { a, b, c: null, d: { a, e: null }, ...more } }
  }";
    let http = "base: \"BASE\"";
    let seen = sent(http, operation, "", "  step sys.set(b: 1, more: { f: null, a: 2 })");
    assert_eq!(
        (seen.line().as_str(), seen.body.as_str()),
        ("PATCH /set", r#"{"b":1,"c":null,"d":{"e":null},"f":null,"a":2}"#)
    );
    let whole = "operation set(a: { x: Int }?) -> Json { effect: idempotent, request: PUT \"/set\" { body: a } }";
    assert_eq!(sent(http, whole, "", "  step sys.set()").body, "");
    assert_eq!(sent(http, whole, "", "  step sys.set(a: { x: 1 })").body, r#"{"x":1}"#);
}

/// RFC 7578.
#[test]
fn the_parts_of_a_form_are_values_files_and_json() {
    let operation = "operation send(title: String, note: String?, tags: List<String>, photo: File, files: Map<File>) -> Json {
    effect: create
    request: POST \"/send\" {
      multipart: { title, note, tags, photo: file(photo, name: \"p.png\", type: \"image/png\"), more: json({ a: 1, note }), ...files }
    }
  }";
    let step = "  step sys.send(title: \"T\", tags: [\"a\", \"b\"], photo: \"png\".to_file(\"x.txt\"), files: { doc: \"d\".to_file(\"d.txt\") })";
    let seen = sent("base: \"BASE\"", operation, "", step);
    let boundary =
        seen.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap().to_owned();
    let part = |head: &str, content: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    };
    let expected = [
        part("name=\"title\"", "T"),
        part("name=\"tags\"", "a"),
        part("name=\"tags\"", "b"),
        part("name=\"photo\"; filename=\"p.png\"\r\nContent-Type: image/png", "png"),
        part("name=\"more\"\r\nContent-Type: application/json", r#"{"a":1}"#),
        part("name=\"doc\"; filename=\"d.txt\"\r\nContent-Type: text/plain", "d"),
        format!("--{boundary}--\r\n"),
    ];
    assert_eq!(seen.body, expected.concat());
    assert_eq!(seen.header("content-length").unwrap(), seen.body.len().to_string());
}

#[test]
fn a_raw_body_has_its_own_media_type_or_the_one_that_is_said() {
    for (part, ty, content, told) in [
        ("raw: content", "File", "\"a\".to_file(\"a.csv\")", "text/csv"),
        ("raw: content, content_type: \"application/x-own\"", "File", "\"a\".to_file(\"a.csv\")", "application/x-own"),
        ("raw: content", "String", "\"a\"", "text/plain; charset=utf-8"),
        ("raw: content", "Bytes", "\"a\".to_bytes()", "application/octet-stream"),
    ] {
        let operation = format!(
            "operation put(content: {ty}) -> Json {{ effect: idempotent, request: PUT \"/put\" {{ {part} }} }}"
        );
        let seen = sent("base: \"BASE\"", &operation, "", &format!("  step sys.put(content: {content})"));
        assert_eq!((seen.header("content-type"), seen.body.as_str()), (Some(told), "a"), "{part} {ty}");
    }
}

#[test]
fn many_inputs_leave_in_requests_of_as_many_as_are_taken_and_have_an_outcome_each() {
    let server = Server::start(|seen| {
        let sent: Json = serde_json::from_str(&seen.body).unwrap();
        let outcome = |input: &Json| match input["n"].as_i64().unwrap() {
            3 => json!({ "error": { "message": "no" } }),
            n => json!({ "made": { "id": n * 10 } }),
        };
        let results: Vec<_> = sent["inputs"].as_array().unwrap().iter().map(outcome).collect();
        answer(207, &json!({ "results": results }))
    });
    let connector = "  http { base: \"BASE\" }
  record Input { n: Int }
  record Outcome { ok: List<{ id: Int }>, failed: List<{ item: Input, error: String }> }
  operation add(inputs: List<Input>) -> Outcome {
    effect: create
    key: header(\"X-Key\")
    request: POST \"/add\" { body: { inputs } }
    bulk: batch(inputs, most: 2, each: body.results, value: .made, error: .error?.message)
  }";
    let step = "  step all = sys.add(inputs: [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }])
  return { ok: all.ok.map(one -> one.id), failed: all.failed.map(one -> one.item.n) }";
    let value = ran(&program(&server, connector, "", step)).0;
    assert_eq!(value.to_json(), json!({ "ok": [10, 20, 40, 50], "failed": [3] }));
    let mut seen = server.seen();
    seen.sort_by(|one, other| one.body.cmp(&other.body));
    let bodies: Vec<_> = seen.iter().map(|seen| seen.body.as_str()).collect();
    assert_eq!(
        bodies,
        [r#"{"inputs":[{"n":1},{"n":2}]}"#, r#"{"inputs":[{"n":3},{"n":4}]}"#, r#"{"inputs":[{"n":5}]}"#]
    );
    let keys: std::collections::BTreeSet<_> = seen.iter().map(|seen| seen.header("x-key").unwrap()).collect();
    assert_eq!(keys.len(), 3);
}
