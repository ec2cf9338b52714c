//! What is said about mistakes: where, what is wrong, and that it is said once.

use super::read;

/// Each problem as `line:column message`.
fn said(text: &str) -> Vec<String> {
    let (_, problems) = read(text);
    let mut all: Vec<_> = problems.iter().map(|problem| (problem.span().start as usize, &problem.message)).collect();
    all.sort();
    all.iter()
        .map(|(at, message)| {
            let before = &text[..*at];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("{line}:{column} {message}")
        })
        .collect()
}

fn assert_said(text: &str, expected: &[&str]) {
    assert_eq!(said(text), expected, "\n{text}");
}

#[test]
fn operators_of_other_languages() {
    assert_said(
        "const a = b && c || !d",
        &[
            "1:13 `&&` is written `and` in Flow",
            "1:18 `||` is written `or` in Flow",
            "1:21 `!` is written `not` in Flow",
        ],
    );
    assert_said("const a = b === c", &["1:13 `===` is written `==` in Flow"]);
    assert_said("flow f {\n  if a = 1 { log \"x\" }\n}", &["2:8 `=` does not compare"]);
    assert_said("const a = f(x = 1)", &["1:15 `=` does not give a value to an argument or a field"]);
    assert_said("const a = x ? 1 : 2\nconst b = 1", &["1:13 there is no `a ? b : c` in Flow"]);
    assert_said("const a = xs.map(x => x.id)", &["1:20 a function written in place has `->`"]);
}

#[test]
fn something_is_missing() {
    assert_said("const a = f(\n  x: 1\n  y: 2,\n)", &["2:7 `,` is missing before `y`"]);
    assert_said("use stripe slack", &["1:11 `,` is missing before `slack`"]);
    assert_said("record R { a Int }", &["1:13 `:` is missing before `Int`"]);
    assert_said("fn f(a: Int) Int { a }", &["1:13 `->` is missing before `Int`"]);
    assert_said("fn f { 1 }", &["1:5 the parentheses are missing before `{`"]);
    assert_said("flow f {\n  let x =\n  log \"a\"\n}", &["2:10 a value is missing before `log`"]);
    assert_said("flow f {\n  x = 5\n  return x\n}", &["2:3 a name gets its value by `let`"]);
    assert_said("Order { id: Int }", &["1:1 `record` is missing before `Order`"]);
    assert_said("const a: Int\n\nflow f { return 1 }", &["1:7 the constant `a` has no value"]);
    assert_said("const a =", &["1:10 a value is missing at the end of the file"]);
}

#[test]
fn brackets() {
    assert_said(
        "flow f {\n  if x {\n    log \"a\"\n\n  return 1\n}\n\nflow g { return 2 }",
        &["2:8 `{` is never closed"],
    );
    assert_said("flow f {\n  log \"a\"\n\nflow g {\n  return 2\n}", &["1:8 `{` is never closed"]);
    assert_said("flow f {\n  step a = b.c(x, y: 1\n  log \"a\"\n}", &["2:15 `(` is never closed"]);
    assert_said("flow f {\n  if x { log \"a\" } }\n  return 1\n}", &["2:20 `}` closes nothing"]);
    assert_said("flow f\n  log \"a\"\n}", &["1:7 `{` is missing before `log`"]);
    assert_said("fn a(x: Int = ..}) -> Int { x }", &["1:17 `}` closes nothing"]);
    assert_said("const a = f(1, 2]", &["1:17 `]` closes a bracket of another kind"]);
    assert_said("flow f {\n  if a {\n    step x = foo(a, [1, {b: c(", &["3:30 `(` is never closed"]);
}

#[test]
fn texts() {
    assert_said("flow f {\n  log \"hello\n  return 1\n}", &["2:7 this text has no end on its line"]);
    assert_said("const a = f(x: \"abc, y: 1)\nconst b = 1", &["1:16 this text has no end on its line"]);
    assert_said("const a = 'it'", &["1:11 texts stand in double quotes"]);
    assert_said("const a = “it”", &["1:11 texts stand in double quotes"]);
    assert_said("const a = \"\"\"\n  abc\nflow f { return 1 }", &["1:11 this text has no end"]);
    assert_said("const a = \"a {b\"\nconst c = 1", &["1:11 this text has no end on its line"]);
    assert_said("const a = \"\\q\"", &["1:12 `\\q` is no escape"]);
    assert_said("const a = \"{}\"", &["1:13 a value is missing before `}`"]);
}

#[test]
fn words() {
    assert_said("flwo f { return 1 }", &["1:1 `flwo` is not a word that Flow knows here"]);
    assert_said("function f(a: Int) -> Int { a }", &["1:1 `function` is not a word that Flow knows here"]);
    assert_said("banana x { y }\nflow f { return 1 }", &["1:1 `banana` begins no item"]);
    assert_said("flow f {\n  retrun 1\n}", &["2:3 `retrun` is not a word that Flow knows here"]);
    assert_said("flow f {\n  foreach x in xs { log x }\n}", &["2:3 `foreach` is not a word that Flow knows here"]);
    assert_said(
        "flow f {\n  if a { log \"x\" } elif b { log \"y\" }\n}",
        &["2:20 `elif` is not a word that Flow knows here"],
    );
    assert_said("flow f {\n  let match = 1\n  log \"a\"\n}", &["2:7 expected a name, found `match`"]);
}

#[test]
fn statements() {
    assert_said("flow f {\n  slack.post(x)\n  return 1\n}", &["2:3 nothing is done with this call"]);
    assert_said("flow f {\n  a + b\n  return 1\n}", &["2:3 nothing is done with this value"]);
    assert_said("flow f {\n  if a return 1\n  log \"b\"\n}", &["2:8 what depends on a condition stands in braces"]);
    assert_said(
        "flow f {\n  if a { log \"x\" } else if b log \"y\" else { log \"z\" }\n}",
        &["2:30 what depends on a condition stands in braces"],
    );
    assert_said("flow f {\n  let n = 1\n  n = n + 1\n  return n\n}", &["3:3 a name keeps its value"]);
    assert_said("flow f {\n  while true { log \"a\" }\n}", &["2:3 there is no loop with a condition in Flow"]);
    assert_said("flow f {\n  let a = b (c)\n}", &["2:13 `(` must touch what it applies to"]);
    assert_said("flow f(a: List <Int>) { return 1 }", &["1:16 `<` must touch what it applies to"]);
    assert_said("flow f {\n  let match = 1\n  return { match }\n}", &["2:7 expected a name, found `match`"]);
    assert_said("flow f {\n  let a = 1;\n}", &["2:12 `;` has no meaning in Flow"]);
    assert_said("flow f {\n  step a = b() catch { _ => 1 } with p\n}", &["2:33 `with` stands before `catch`"]);
    assert_said("flow f {\n  step a = b() else 1 else 2\n}", &["2:23 a step has one `else`"]);
    assert_said("flow f {\n  log \"a\"\n  on every 1m\n}", &["3:3 the triggers of a flow stand before its statements"]);
    assert_said("flow f {\n  let a = b -1\n  log \"a\"\n}", &["2:13 `-` belongs to the number after it here"]);
    assert_said("const a = f(b -1)", &["1:15 `-` belongs to the number after it here"]);
    assert_said("const a = match b {\n  1 => 2\n  else => 3\n}", &["3:3 an arm is written `pattern => value`"]);
    assert_said("const a = 1 < 2 < 3", &["1:17 comparisons can't be chained"]);
}

#[test]
fn characters_and_numbers() {
    assert_said("const a = 10min", &["1:11 `10min` has no unit that Flow knows"]);
    assert_said("const a = 99999999999999999999", &["1:11 this number does not fit an integer of 64 bits"]);
    assert_said("const a = 3 days", &["1:11 `3 days` has no unit that Flow knows"]);
    assert_said("const a = 5 eur", &["1:11 `5 eur` is not an amount"]);
    assert_said("const a = 5.00 EURO", &["1:11 `5.00 EURO` is not an amount"]);
    assert_said("const a = 1.2.3", &["1:11 `1.2.3` is not a number"]);
    assert_said("flow 2nd { return 1 }", &["1:6 the name `2nd` begins with a digit"]);
    assert_said("const größe = 1", &["1:7 the name `größe` has letters other than a to z"]);
    assert_said(
        "const a = \"x\u{202e}y\"",
        &["1:13 there is a character here that turns the direction of the text around"],
    );
    assert_said(
        "// \u{2066}\nconst a = 1",
        &["1:4 there is a character here that turns the direction of the text around"],
    );
    assert_said(
        "flow f(ab: Int) { return a\u{202e}b }",
        &["1:27 there is a character here that turns the direction of the text around"],
    );
    assert_said("flow f(ab: Int) { return a\u{200b}b }", &["1:27 there is a character here that can't be seen"]);
    assert_said("const\u{a0}a = 1", &["1:6 there is a character here that can't be seen"]);
    assert_said("const a = 1 # one", &["1:13 comments don't begin with `#`"]);
    assert_said("const a = /* one */ 1", &["1:11 comments don't begin with `/*`"]);
    assert_said("const a = $b", &["1:11 `$b` is nothing in Flow: there is no implied item"]);
}

#[test]
fn ten_mistakes_are_ten_problems_at_their_places() {
    let text = r#"use stripe slack
connection a = b { x: }
record Order { id Int, name: String }
fn f(a: Int) -> String { a + }
flow g {
  let x = 1 = 2
  step y = b.c(1 2)
  if x log "a"
  retrun y
}
policy p { timeout 20s }
flow ok { return 1 }
"#;
    assert_said(
        text,
        &[
            "1:11 `,` is missing before `slack`",
            "2:22 a value is missing before `}`",
            "3:18 `:` is missing before `Int`",
            "4:29 a value is missing before `}`",
            "6:13 `=` does not compare",
            "7:17 `,` is missing before `2`",
            "8:8 what depends on a condition stands in braces",
            "9:3 `retrun` is not a word that Flow knows here",
            "11:19 `:` is missing before `20s`",
        ],
    );
    assert_eq!(read(text).0.items.len(), 7);
}
