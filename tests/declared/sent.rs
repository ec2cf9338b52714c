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
    let root = "operation set(a: { x: Int }?) -> Json { effect: idempotent, request: PUT \"/set\" { xml: { A: a } } }";
    assert_eq!(sent(http, root, "", "  step sys.set()").body, "");
    assert!(sent(http, root, "", "  step sys.set(a: { x: 1 })").body.ends_with("<A><x>1</x></A>"));
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

/// What comes of inputs whose outcomes are listed in some other way than one for each in the same order. The inputs are known by
/// the JSON name of their field.
fn outcomes(bulk: &str, answered: Json) -> Result<Json, String> {
    let server = Server::start(move |_| answer(207, &answered));
    let connector = format!(
        "  http {{ base: \"BASE\" }}
  record Person {{ email: String from \"email_address\", id: String }}
  record Outcome {{ ok: List<Json>, failed: List<{{ item: Person, error: Json }}> }}
  operation add(people: List<Person>) -> Outcome {{
    effect: idempotent
    request: POST \"/add\" {{ body: {{ people }} }}
    bulk: batch(people, most: 10, {bulk})
  }}"
    );
    let person = |id: u32| format!("{{ email: \"{id}@b.c\", id: \"{id}\" }}");
    let step = format!(
        "  let all = try {{
    step all = sys.add(people: [{}, {}, {}])
    {{ ok: all.ok, failed: all.failed.map(one -> {{ id: one.item.id, error: one.error }}), why: null }}
  }} catch {{
    Mismatch as e => {{ ok: [], failed: [], why: \"{{e.message}}\" }}
  }}
  return all",
        person(1),
        person(2),
        person(3)
    );
    let value = ran(&program(&server, &connector, "", &step)).0.to_json();
    match value["why"].as_str() {
        Some(why) => Err(why.to_owned()),
        None => Ok(json!([value["ok"], value["failed"]])),
    }
}

#[test]
fn outcomes_belong_to_the_inputs_that_they_name() {
    let failed = |id: &str, error: Json| json!({ "id": id, "error": error });
    // As Mailchimp lists those of its members.
    let lists = "each: [...(body.new as List<Json>) ?? [], ...(body.updated as List<Json>) ?? [], ...(body.errors as List<Json>) ?? []], \
                 of: .email_address, key: .email_address, error: .error, value: .email_address";
    let answered = json!({
        "new": [{ "email_address": "3@b.c" }],
        "updated": [{ "email_address": "1@b.c" }],
        "errors": [{ "email_address": "2@b.c", "error": "fake" }],
    });
    assert_eq!(outcomes(lists, answered), Ok(json!([["1@b.c", "3@b.c"], [failed("2", json!("fake"))]])));
    // As HubSpot does, where an error names all inputs that have it.
    let context = "each: [...(body.results as List<Json>) ?? [], ...(body.errors as List<Json>) ?? []], \
                   of: .id ?? .context?.ids, key: .id, error: .message";
    let answered = json!({
        "results": [{ "id": "2" }],
        "errors": [{ "message": "no", "context": { "ids": ["3", "1"] } }],
    });
    let no = json!("no");
    assert_eq!(outcomes(context, answered), Ok(json!([[{ "id": "2" }], [failed("1", no.clone()), failed("3", no)]])));
    // Numbers are what they are in text.
    let answered = json!({ "results": [{ "id": 3 }, { "id": 1 }, { "id": 2 }] });
    assert_eq!(outcomes(context, answered), Ok(json!([[{ "id": 1 }, { "id": 2 }, { "id": 3 }], []])));
    // As BigQuery does: what has failed alone, by its number.
    let numbered = "each: body.insertErrors, of: .index, error: .errors, unlisted: ok";
    let answered = json!({ "insertErrors": [{ "index": 1, "errors": ["bad"] }] });
    let person = |id: &str| json!({ "email_address": format!("{id}@b.c"), "id": id });
    assert_eq!(outcomes(numbered, answered), Ok(json!([[person("1"), person("3")], [failed("2", json!(["bad"]))]])));
    assert_eq!(outcomes(numbered, json!({})), Ok(json!([[person("1"), person("2"), person("3")], []])));
}

#[test]
fn an_input_of_which_it_is_not_known_what_became_is_neither_done_nor_failed() {
    let by_id = "each: body.all, of: .id, key: .id, error: .error";
    for (bulk, answered, why) in [
        (by_id, json!({ "all": [{ "id": "1" }, { "id": "3" }] }), "it has no outcome for input 2 of 3"),
        (by_id, json!({ "all": [{ "id": "1" }, { "id": "9" }] }), "outcome 2 of 3 inputs is of none of them"),
        (by_id, json!({ "all": [{ "id": [] }] }), "outcome 1 of 3 inputs is of none of them"),
        (by_id, json!({ "all": [{}] }), "outcome 1 of 3 inputs is of none of them"),
        (by_id, json!({}), "it has null for 3 inputs"),
        ("each: body.all, of: .index", json!({ "all": [{ "index": 3 }] }), "outcome 1 of 3 inputs is of none of them"),
        ("each: body.all, error: .error", json!({ "all": [{}] }), "it has 1 outcomes for 3 inputs"),
    ] {
        let told = outcomes(bulk, answered.clone()).unwrap_err();
        assert!(told.ends_with(why), "{answered}: {told}");
    }
    // Two inputs that are known by the same have one outcome, or one each.
    let same = "each: body.all, of: .id, key: .email_address.length, error: .error, value: .n";
    assert_eq!(outcomes(same, json!({ "all": [{ "id": 5, "n": 7 }] })), Ok(json!([[7, 7, 7], []])));
    let answered = json!({ "all": [{ "id": 5, "n": 7 }, { "id": 5, "n": 8 }] });
    assert_eq!(outcomes(same, answered), Ok(json!([[7, 8, 8], []])));
}
