//! Connectors that come with Flow: each has a page that is fresh.

use std::{path::PathBuf, process::Command};

use flow_compiler::{Catalog, reference::reference};

use crate::{programs::read, tidy::root};

#[test]
fn each_connector_has_a_page_that_is_fresh() {
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    let folder = root().join("docs/connectors");
    let mut pages = vec![("README.md".to_owned(), String::new())];
    let mut list = String::new();
    for name in catalog.connectors.keys() {
        let found = reference(name, &catalog).unwrap_or_else(|| panic!("`{name}` has mistakes"));
        let line = found.doc.lines().next().unwrap_or_default();
        list.push_str(&format!("| [{name}]({name}.md) | {line} | {} |\n", found.operations.len()));
        pages.push((format!("{name}.md"), found.markdown()));
    }
    pages[0].1 = format!("# Connectors that come with Flow\n\n| connector | | operations |\n|---|---|---|\n{list}");
    let is_update = std::env::var_os("UPDATE_DOCS").is_some();
    for (file, page) in &pages {
        let fresh = format!(
            "<!-- Generated from stdlib/connectors by the test `each_connector_has_a_page_that_is_fresh`. -->\n{page}"
        );
        if is_update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(file), &fresh).unwrap();
        }
        let how = "`UPDATE_DOCS=1 cargo test each_connector_has_a_page` writes it anew";
        assert_eq!(read(format!("docs/connectors/{file}")), fresh, "docs/connectors/{file}: {how}");
    }
    let known: Vec<&String> = pages.iter().map(|(file, _)| file).collect();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&&file), "docs/connectors/{file} is of no connector");
    }
}

/// Descriptions of vendors are no part of the project: they are read where they lie beside it.
pub(crate) fn description(file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FLOW_SPECS").map_or_else(|| root().join("../shared/specs"), PathBuf::from);
    Some(folder.join(file)).filter(|path| path.is_file())
}

fn replayed(connector: &str, pairs: PathBuf, spec: Option<PathBuf>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
    command.args(["connectors", "test", connector, "--pairs"]).arg(pairs);
    if let Some(spec) = spec {
        command.arg("--spec").arg(spec);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), told)
}

#[test]
fn connectors_that_come_with_flow_do_what_is_recorded_and_what_their_vendors_describe() {
    // Slack takes JSON though its description, which it no longer keeps, knows only forms.
    for (connector, spec, count) in
        [("stripe", Some("stripe/spec3-2024-04-10.json.gz"), 19), ("slack", None, 13), ("http", None, 14)]
    {
        let pairs = root().join("stdlib/connectors").join(connector).join("pairs");
        let (code, told) = replayed(connector, pairs, spec.and_then(description));
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains(&format!("{count} pairs as recorded")), "{told}");
    }
}

#[test]
fn what_is_not_as_recorded_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let pair = |operation: &str, with: &str, path: &str, body: &str, result: &str| {
        format!(
            "{{ \"operation\": \"{operation}\", \"with\": {with}, \"request\": {{ \"method\": \"POST\", \"path\": \"{path}\", \
             \"body\": {body} }}, \"answer\": {{ \"body\": {{ \"id\": \"re_1\", \"amount\": 5, \"currency\": \"eur\" }} }}, \
             \"result\": {result} }}"
        )
    };
    let right = r#"{ "payment_intent": "pi_1", "amount": 5 }"#;
    let pairs = [
        pair(
            "refunds.create",
            right,
            "/v1/refund",
            r#"{ "payment_intent": "pi_1", "amount": "6" }"#,
            r#"{ "amount": 6 }"#,
        ),
        pair("refund.create", "{}", "/", "null", "null"),
        pair("refunds.create", r#"{ "amount": 5 }"#, "/", "null", "null"),
        pair("refunds.create", r#"{ "paymentintent": "a" }"#, "/", "null", "null"),
    ];
    std::fs::write(folder.path().join("wrong.json"), format!("[{}]", pairs.join(","))).unwrap();
    let (code, told) = replayed("stripe", folder.path().to_owned(), None);
    assert_eq!(code, Some(1), "{told}");
    for text in [
        "`POST /v1/refunds` is sent, and `POST /v1/refund` is recorded",
        "in the body `amount` is \"5\", and \"6\" is expected",
        "in the result `amount` is 5, and 6 is expected",
        "did you mean `refunds.create`?",
        "needs the argument `payment_intent`",
        "has no parameter `paymentintent`; did you mean `payment_intent`?",
        "4 of 4 pairs not as recorded",
    ] {
        assert!(told.contains(text), "`{text}` is missing:\n{told}");
    }
}

/// Each form of a request and an answer, written as a vendor's would be: the executor over HTTP.
#[test]
fn each_form_of_requests_and_answers_does_what_is_recorded() {
    for (connector, count) in [("depot", 2), ("kiosk", 11), ("ledger", 4), ("parts", 15), ("till", 9), ("vat", 2)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
        let output =
            command.args(["connectors", "test", connector]).current_dir(root().join("tests/cases/pairs")).output();
        let output = output.unwrap();
        let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && told.contains(&format!("{count} pairs as recorded")), "{told}");
    }
}

#[test]
fn what_of_a_delivery_is_not_as_recorded_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let recorded: serde_json::Value =
        serde_json::from_str(&read("stdlib/connectors/stripe/pairs/deliveries.json")).unwrap();
    let changed = |at: usize, change: &dyn Fn(&mut serde_json::Value)| {
        let mut delivery = recorded[at].clone();
        change(&mut delivery);
        delivery
    };
    let taken = 2;
    let deliveries = serde_json::json!([
        changed(taken, &|one| one["events"][0]["payload"]["data"]["object"]["amount_received"] = 1999.into()),
        changed(taken, &|one| one["events"][0]["key"] = "evt_0".into()),
        changed(taken, &|one| one["events"] = serde_json::json!([])),
        changed(taken, &|one| one["secrets"] = serde_json::json!({})),
        changed(taken, &|one| one["at"] = "yesterday".into()),
        changed(taken, &|one| one["refused"] = "no_match".into()),
        changed(taken, &|one| one["settings"] = serde_json::json!({ "api_kei": "a" })),
        changed(1, &|one| one["refused"] = "too_old".into()),
        changed(1, &|one| one["delivery"]["method"] = "PUT".into()),
    ]);
    std::fs::write(folder.path().join("wrong.json"), deliveries.to_string()).unwrap();
    let (code, told) = replayed("stripe", folder.path().to_owned(), None);
    assert_eq!(code, Some(1), "{told}");
    for text in [
        "in `payment_intent.succeeded` `data.object.amount_received` is 2000, and 1999 is expected",
        "it is known by the key `evt_1PgafmB7WZ01zgkW`, and `evt_0` is recorded",
        "it brings `payment_intent.succeeded`, and no event is recorded",
        "it is refused as `no_secret` (no secret is set to verify this request with), and that it is taken is recorded",
        "`yesterday` is no time: write it as `2026-01-15T12:00:00Z`",
        "the delivery has to say one of `events`, `refused` and `answer`",
        "has no setting `api_kei`; did you mean `api_key`?",
        "it is refused as `no_match` (the signature does not match), and `too_old` is recorded",
        "it is refused as `method_not_allowed`",
        "9 of 9 pairs not as recorded",
    ] {
        assert!(told.contains(text), "`{text}` is missing:\n{told}");
    }
}

#[test]
fn the_order_of_events_is_shown_with_their_trigger() {
    let shown = |format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
        let output = command.args(["connectors", "show", "stripe", "--format", format]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(
        shown("human").contains("Events come in any order; .created tells which is the later."),
        "{}",
        shown("human")
    );
    let json: serde_json::Value = serde_json::from_str(&shown("json")).unwrap();
    assert_eq!(json["triggers"][0]["order"], "Events come in any order; `.created` tells which is the later.");
}
