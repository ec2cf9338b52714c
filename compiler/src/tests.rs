//! Whole programs of several files, connectors of a catalog, and texts that are no programs.

use std::collections::BTreeMap;

use flow_model::{plan::Retry, schema::Connector, span::SourceFile, units::Millis};

use crate::{Catalog, Checked, LoadError, Loader, check, render};

/// Files by path.
struct Folder(Vec<(&'static str, &'static str)>);

impl Loader for Folder {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        let file = self.0.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| text.as_bytes().to_vec()).ok_or(LoadError::NotFound)
    }
}

/// A connector over HTTP that uses all that a declaration can say.
const DESK: &str = include_str!("tests/desk.flow");

/// Checks `main.flow` with other files beside it and a catalog of connectors.
fn program(main: &str, others: &[(&'static str, &'static str)], connectors: &[(&str, &str)]) -> Checked {
    let files = connectors.iter().map(|(name, text)| {
        (name.to_string(), SourceFile { path: format!("catalog/{name}.flow"), text: (*text).to_owned() })
    });
    let catalog = Catalog { connectors: files.collect(), functions: &[] };
    check("main.flow", main.as_bytes(), &catalog, &Folder(others.to_vec()))
}

/// The mistakes as people see them.
fn shown(checked: &Checked) -> String {
    render::human(&checked.files, &checked.diagnostics, render::Style { color: render::Color::Never, width: 100 })
}

fn codes(checked: &Checked) -> Vec<&'static str> {
    checked.diagnostics.iter().map(|problem| problem.code.id()).collect()
}

#[test]
fn items_of_other_files_are_used_by_name_or_all_together() {
    let main = "use \"./shared/policies.flow\" { patient }\nuse \"./shared/limits.flow\"\nuse desk\n\
        connection d = desk { team: \"a\" } with patient\n\
        flow f(size: Limit) { step d.tickets.close(id: \"{size.most}\", reason: null) return largest }";
    let checked = program(
        main,
        &[
            ("shared/policies.flow", "use \"./limits.flow\" { wait }\npolicy patient { timeout: wait }"),
            ("shared/limits.flow", "const wait = 90s\nconst largest = 3\nrecord Limit { most: Int }"),
        ],
        &[("desk", DESK)],
    );
    assert_eq!(shown(&checked), "");
    let plan = &checked.program.unwrap().plans["f"];
    let policies: Vec<_> = plan
        .graph
        .node_weights()
        .filter_map(|node| match &node.kind {
            flow_model::plan::NodeKind::Step(step) => Some(step.policy.timeout),
            _ => None,
        })
        .collect();
    assert_eq!(policies, [Some(Millis::seconds(90))]);
}

#[test]
fn what_a_file_does_not_take_is_not_seen() {
    let others = [("a.flow", "policy patient { timeout: 1m }\nrecord Order { id: Int }\nconst most = 3")];
    let main = "use desk\nuse \"./a.flow\" { most }\nconnection d = desk { team: \"a\" } with patient\n\
        flow f(order: Order) { step d.tickets.close(id: \"{most}\", reason: null) }";
    let checked = program(main, &others, &[("desk", DESK)]);
    assert_eq!(codes(&checked), ["E0201", "E0205"]);
    insta::assert_snapshot!(shown(&checked));
}

#[test]
fn a_circle_of_files_is_reported_once_with_its_ways() {
    let others = [
        ("a.flow", "use \"./b.flow\" { two }\nconst one = 1"),
        ("b.flow", "use \"./main.flow\" { three }\nuse \"./a.flow\" { one }\nconst two = 2"),
    ];
    let main = "use \"./a.flow\" { one }\nconst three = 3\nflow f { return one }";
    let checked = program(main, &others, &[]);
    let circles = checked.diagnostics.iter().filter(|problem| problem.code.id() == "E0209").count();
    assert_eq!(circles, 2, "main → a → b → main, and a → b → a");
    insta::assert_snapshot!(shown(&checked));
}

#[test]
fn what_comes_from_a_file_that_can_not_be_read_is_reported_there_alone() {
    let others = [("a.flow", "policy patient { timeout: }\nrecord { id: Int }")];
    let main = "use desk\nuse \"./a.flow\" { patient, Order }\nuse \"./b.flow\" { most }\n\
        connection d = desk { team: \"a\" } with patient\n\
        flow f(order: Order) { step d.tickets.close(id: order.id, reason: most) with patient }";
    let checked = program(main, &others, &[("desk", DESK)]);
    let own: Vec<_> = checked.diagnostics.iter().filter(|problem| problem.span().file.0 == 0).collect();
    assert_eq!(own.len(), 1, "{}", shown(&checked));
    assert_eq!(own[0].code.id(), "E0208");
}

#[test]
fn an_item_that_can_not_be_read_is_not_missed_elsewhere() {
    let main = "connector acme { operation close( { effect: read native } }\n\
        record Order ( id: Int }\n\
        flow f(order: Order) { step acme.close(id: order.id) }";
    let checked = program(main, &[], &[]);
    assert!(codes(&checked).iter().all(|code| *code == "E0102"), "{}", shown(&checked));
}

#[test]
fn mistakes_in_a_connector_of_the_catalog_are_reported_in_its_file() {
    let wrong = "record Ticket { id: Int }\nconnector desk {\n  operation close(id: Int) {\n    effect: red\n    native\n  }\n}\n";
    let main = "use desk, shelf\nflow f { step desk.close(id: 1) step shelf.close(id: 1) }";
    let checked = program(main, &[], &[("desk", wrong), ("shelf", "connector shelves {}\n")]);
    assert_eq!(codes(&checked), ["E0519", "E0505", "E0519"]);
    insta::assert_snapshot!(shown(&checked));
}

/// The schema of the connector `desk`, through a flow that calls it.
fn desk() -> Connector {
    let main = "use desk\nconnection d = desk { team: \"a\" }\nflow f { \
        on d.ticket.created as event\n\
        step d.tickets.create(subject: event.subject, text: null, ticket: { id: \"1\", subject: \"x\", at: event.at, kind: null }) \
        step d.tickets.close(id: event.id, reason: null) \
        step d.tickets.find(since: event.at, words: [\"a\"], page: null) \
        step d.files.upload(name: \"a\", content: \"b\") \
        step d.local.sum(numbers: [1]) }";
    let checked = program(main, &[], &[("desk", DESK)]);
    assert_eq!(shown(&checked), "");
    Connector::clone(&checked.program.unwrap().plans["f"].connectors["desk"])
}

#[test]
fn a_declaration_becomes_the_schema_that_the_executor_follows() {
    insta::assert_snapshot!(format!("{:#}", serde_json::to_value(desk()).unwrap()));
}

#[test]
fn a_connection_has_its_settings_with_the_connectors_defaults() {
    let main = "use desk\nconnection d = desk { team: env(\"TEAM\"), base_url: \"http://localhost:1\" } \
        with { timeout: 5s } with { retry { on: Timeout, times: 2, backoff: fixed(1s) } }\n\
        flow f { step d.tickets.close(id: \"1\", reason: null) with { timeout: 9s } }";
    let checked = program(main, &[], &[("desk", DESK)]);
    assert_eq!(shown(&checked), "");
    let plan = &checked.program.unwrap().plans["f"];
    insta::assert_snapshot!(format!("{:#}", serde_json::to_value(&plan.connections["d"]).unwrap()));
    let flow_model::plan::NodeKind::Step(step) = &plan.graph.node_weights().next().unwrap().kind else { panic!() };
    let retry = step.policy.retry.clone().unwrap();
    assert_eq!((step.policy.timeout, retry.times), (Some(Millis::seconds(9)), 2));
    assert_eq!(retry.backoff, flow_model::plan::Backoff::Fixed(Millis::seconds(1)));
    assert_ne!(retry, Retry::standard());
}

/// A text that uses most of the language.
const PROGRAM: &str = include_str!("tests/program.flow");

#[test]
fn the_program_that_others_are_made_of_is_right() {
    assert_eq!(shown(&program(PROGRAM, &[], &[("desk", DESK)])), "");
}

#[test]
fn no_damage_to_a_text_breaks_the_check_or_the_drawing_of_its_mistakes() {
    for (name, text) in [("main", PROGRAM), ("desk", DESK)] {
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        // Cut off, and with a few letters left out or doubled, at some hundred places.
        for at in ends.iter().step_by(61) {
            let rest = text.get(at + 7..).unwrap_or_default();
            let texts = [
                text[..*at].to_owned(),
                format!("{}{rest}", &text[..*at]),
                format!("{}{}", text.get(..at + 7).unwrap_or(text), &text[*at..]),
                format!("{}}}{}", &text[..*at], &text[*at..]),
            ];
            for damaged in texts {
                let checked = match name {
                    "main" => program(&damaged, &[], &[("desk", DESK)]),
                    _ => program(PROGRAM, &[], &[("desk", &damaged)]),
                };
                for problem in &checked.diagnostics {
                    for label in &problem.labels {
                        let file = checked.files.get(label.span.file).expect("a label is in a file");
                        let text = file.text.get(label.span.start as usize..label.span.end as usize);
                        assert!(text.is_some(), "{problem:?} is not in its file");
                    }
                }
                assert!(!shown(&checked).is_empty() || checked.program.is_some());
            }
        }
    }
}

#[test]
fn plans_are_drawn_with_frames_labels_and_escapes() {
    let checked = program(PROGRAM, &[], &[("desk", DESK)]);
    let plans: BTreeMap<_, _> = checked.program.unwrap().plans;
    insta::assert_snapshot!(crate::draw::mermaid(&plans["tidy_up"]));
    insta::assert_snapshot!(crate::draw::dot(&plans["tidy_up"]));
}
