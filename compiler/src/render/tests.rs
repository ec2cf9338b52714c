//! What diagnostics look like, and that no text and no span breaks the drawing.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Files, Span},
};

use super::*;

const PLAIN: Style = Style { color: Color::Never, width: 100 };

fn span(file: FileId, text: &str, part: &str) -> Span {
    let start = text.find(part).expect("the part is in the text") as u32;
    Span::new(file, start, start + part.len() as u32)
}

#[test]
fn causes_in_the_same_and_in_other_files_are_drawn() {
    let program = "use hubspot\n\nconnection crm = hubspot { token: secret(\"t\") } with patient\n\nflow paid {\n  let a = 1\n  let b = 2\n  step created = crm.deals.create(\n    name: \"x\",\n  )\n}\n";
    let connector = "connector hubspot {\n  operation deals.create(name: String) {\n    effect: create\n    request: POST \"/deals\" { body: { name } }\n  }\n}\n";
    let mut files = Files::default();
    let main = files.add("paid_order.flow", program);
    let other = files.add("hubspot.flow", connector);
    let diagnostic = Diagnostic::new(
        Code::E0201,
        "`crm.deals.create` would be retried but is not safe to repeat",
        span(main, program, "crm.deals.create"),
        "creates a record on each call and has no `key`",
    )
    .label(Span { start: span(main, program, "patient").start, ..span(main, program, "patient") }, "retries 8 times")
    .label(span(other, connector, "effect: create"), "says that each call creates something")
    .help("add `key: payment.id`, or retry nothing here: `with { retry: none }`");
    insta::assert_snapshot!(human(&files, &[diagnostic], PLAIN));
}

#[test]
fn tabs_line_ends_wide_letters_and_odd_spans_are_drawn() {
    let program = "ab\r\n\tlet größe = \"日本語\" + x\r\n\r\nlast";
    let mut files = Files::default();
    let main = files.add("main.flow", program);
    let parts = ["x", "日本語", "größe", "ab\r\n\tlet", "last"];
    let mut diagnostics: Vec<Diagnostic> = parts
        .into_iter()
        .map(|part| Diagnostic::new(Code::E0202, format!("about {part}"), span(main, program, part), "here"))
        .collect();
    let end = program.len() as u32;
    let odd =
        [("end", end, end), ("line end", 2, 2), ("beyond", 500, 900), ("backwards", 9, 3), ("half a letter", 12, 13)];
    diagnostics
        .extend(odd.map(|(what, start, end)| Diagnostic::new(Code::W0202, what, Span::new(main, start, end), "here")));
    diagnostics.push(
        Diagnostic::new(Code::W0202, "three in one line", span(main, program, "größe"), "this\nin two lines")
            .label(span(main, program, "日本語"), "that")
            .label(span(main, program, "x"), ""),
    );
    insta::assert_snapshot!(human(&files, &diagnostics, PLAIN));
    insta::assert_snapshot!(human(&files, &diagnostics[..1], Style { color: Color::Always, width: 0 }));
    insta::assert_snapshot!(format!("{:#}", json(&files, &diagnostics[5..6])));
}

#[test]
fn long_lines_are_cut_and_invisible_letters_are_shown() {
    let long = format!("let a = \"{}\" + oops + \"{}\"", "x".repeat(500), "y".repeat(500));
    let text = format!("ok {}\n{long}\n\u{202e}live\u{1b}[31m", "z".repeat(300));
    let mut files = Files::default();
    let main = files.add("main.flow", text.as_str());
    let empty = files.add("empty.flow", "");
    let diagnostics = [
        Diagnostic::new(Code::E0202, "in a long line \u{1b}[31m", span(main, &text, "oops"), "here"),
        Diagnostic::new(Code::E0202, "all of a long line", span(main, &text, &long), "here"),
        Diagnostic::new(Code::E0202, "in an empty file", Span::new(empty, 0, 0), "nothing here"),
        Diagnostic::new(Code::E0202, "in no file", Span::new(FileId(9), 0, 0), "nowhere").help("none"),
    ];
    insta::assert_snapshot!(human(&files, &diagnostics, PLAIN));
}

#[test]
fn a_label_over_many_lines_is_drawn_at_its_first() {
    let text = "flow a {\n".to_owned() + &"  log \"x\"\n".repeat(50) + "}\n";
    let mut files = Files::default();
    let main = files.add("main.flow", text.as_str());
    let diagnostic = Diagnostic::new(Code::E0202, "all", Span::new(main, 0, text.len() as u32), "this flow");
    insta::assert_snapshot!(human(&files, &[diagnostic], PLAIN));
}

/// Were each mistake to read the text up to its place, this would take hours.
#[test]
fn very_many_mistakes_in_one_very_long_line_take_linear_time() {
    let mut files = Files::default();
    let main = files.add("main.flow", "äb ".repeat(2_500_000));
    let diagnostics: Vec<Diagnostic> = (0..20_000)
        .map(|index| Diagnostic::new(Code::E0201, "no", Span::new(main, index * 500, index * 500 + 2), "here"))
        .collect();
    assert!(human(&files, &diagnostics, PLAIN).len() > 100 * diagnostics.len());
    assert_eq!(json(&files, &diagnostics)["errors"], diagnostics.len());
}

#[test]
fn a_label_in_what_was_cut_off_points_to_the_dots() {
    let text = format!("first {} main {} last", "x".repeat(200), "y".repeat(200));
    let mut files = Files::default();
    let main = files.add("main.flow", text.as_str());
    let diagnostic = Diagnostic::new(Code::E0202, "far apart", span(main, &text, "main"), "here")
        .label(span(main, &text, "first"), "before")
        .label(span(main, &text, "last"), "after");
    insta::assert_snapshot!(human(&files, &[diagnostic], PLAIN));
}
