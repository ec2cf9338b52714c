//! The shape of what is read: precedence, blocks and records, texts, literals.

use crate::ast::{self, Expr, ExprKind, Item, ListEntry, RecordEntry, StatementKind, TextPart};

use super::read;

/// An expression with all its parentheses.
fn show(expr: &Expr) -> String {
    let all = |parts: Vec<String>| parts.join(" ");
    match &expr.kind {
        ExprKind::Literal(value) => value.to_string(),
        ExprKind::Text(parts) => {
            let parts = parts.iter().map(|part| match part {
                TextPart::Fixed(text) => format!("{text:?}"),
                TextPart::Insert(expr) => show(expr),
            });
            format!("(text {})", all(parts.collect()))
        }
        ExprKind::Name(name) => name.clone(),
        ExprKind::ImpliedMember(name) => format!(".{}", name.text),
        ExprKind::Member { of, name, null_safe } => {
            format!("{}{}{}", show(of), if *null_safe { "?." } else { "." }, name.text)
        }
        ExprKind::Index { of, index } => format!("{}[{}]", show(of), show(index)),
        ExprKind::Call { callee, types, args } => {
            let args = args.iter().map(|arg| match &arg.name {
                Some(name) => format!("{}: {}", name.text, show(&arg.value)),
                None => show(&arg.value),
            });
            let types = if types.is_empty() { String::new() } else { format!("<{}>", types.len()) };
            format!("{}{types}({})", show(callee), args.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Record(entries) => {
            let entries = entries.iter().map(|entry| match entry {
                RecordEntry::Field { name, value } => format!("{}: {}", name.text, show(value)),
                RecordEntry::Spread(value) => format!("...{}", show(value)),
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        ExprKind::List(entries) => {
            let entries = entries.iter().map(|entry| match entry {
                ListEntry::Item(value) => show(value),
                ListEntry::Spread(value) => format!("...{}", show(value)),
            });
            format!("[{}]", entries.collect::<Vec<_>>().join(", "))
        }
        ExprKind::Unary(op, of) => format!("({op:?} {})", show(of)),
        ExprKind::Binary { op, left, right, .. } => format!("({} {} {})", show(left), op.symbol(), show(right)),
        ExprKind::Convert(of, _) => format!("({} as)", show(of)),
        ExprKind::Range(from, to) => {
            let side = |side: &Option<Box<Expr>>| side.as_deref().map(show).unwrap_or_default();
            format!("({}..{})", side(from), side(to))
        }
        ExprKind::Lambda { params, body } => {
            let params: Vec<&str> = params.iter().map(|param| param.text.as_str()).collect();
            format!("({} -> {})", params.join(" "), show(body))
        }
        ExprKind::If { arms, otherwise } => {
            let arms = arms.iter().map(|(condition, body)| format!("{} {}", show(condition), block(body)));
            let otherwise = otherwise.as_ref().map(|body| format!(" else {}", block(body))).unwrap_or_default();
            format!("(if {}{otherwise})", all(arms.collect()))
        }
        ExprKind::Match { subject, arms } => {
            let arms = arms.iter().map(|arm| format!("=> {}", show(&arm.value)));
            format!("(match {} {})", show(subject), all(arms.collect()))
        }
        ExprKind::For(each) => format!("(for {} {} {})", each.item.text, show(&each.items), block(&each.body)),
        ExprKind::Parallel { body, .. } => format!("(parallel {})", block(body)),
        ExprKind::Try { body, catch } => format!("(try {} {})", block(body), catch.len()),
        ExprKind::Saga(body) => format!("(saga {})", block(body)),
        ExprKind::Race(body) => format!("(race {})", block(body)),
        ExprKind::First { item, items, body } => format!("(first {} {} {})", item.text, show(items), block(body)),
        ExprKind::Repeat(repeat) => format!(
            "(repeat {} {} {} {})",
            show(&repeat.every),
            show(&repeat.times),
            show(&repeat.until),
            block(&repeat.body)
        ),
        ExprKind::Block(body) => block(body),
        ExprKind::Missing => "?".to_owned(),
    }
}

fn block(block: &ast::Block) -> String {
    let mut parts: Vec<String> = block.statements.iter().map(|statement| statement_name(&statement.kind)).collect();
    parts.extend(block.value.as_deref().map(show));
    format!("<{}>", parts.join("; "))
}

fn statement_name(kind: &StatementKind) -> String {
    match kind {
        StatementKind::Let { name, value, .. } => format!("let {} {}", name.text, show(value)),
        StatementKind::Step(step) => format!("step {}", show(&step.call)),
        StatementKind::Control(expr) => show(expr),
        StatementKind::Return(value) => format!("return {}", value.as_ref().map(show).unwrap_or_default()),
        StatementKind::Respond { status, body } => {
            format!("respond {} {}", show(status), body.as_ref().map(show).unwrap_or_default())
        }
        other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_lowercase(),
    }
}

/// How `const a = …` reads.
fn value(text: &str) -> String {
    let (file, problems) = read(&format!("const a = {text}"));
    assert!(problems.is_empty(), "{text}: {problems:?}");
    match file.items.as_slice() {
        [Item::Const(item)] => show(&item.value),
        other => panic!("{text}: {other:?}"),
    }
}

/// How the body of a flow reads.
fn body(text: &str) -> String {
    let (file, problems) = read(&format!("flow f {{\n{text}\n}}"));
    assert!(problems.is_empty(), "{text}: {problems:?}");
    match file.items.as_slice() {
        [Item::Flow(flow)] => block(&flow.body),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn operators_bind_as_the_reference_says() {
    for (text, expected) in [
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a or b and not c == d", "(a or (b and (Not (c == d))))"),
        ("a ?? b ?? c == d", "((a ?? (b ?? c)) == d)"),
        ("a ?? b + c", "(a ?? (b + c))"),
        ("-a.b * c", "((Negate a.b) * c)"),
        ("-5 - -7.5", "(-5 - -7.5)"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("a as Int + 1", "((a as) + 1)"),
        ("-a as Int", "((Negate a) as)"),
        ("x in 1..n + 1", "(x in (1..(n + 1)))"),
        ("[1..10, ..10, 10..]", "[(1..10), (..10), (10..)]"),
        ("a?.b.c[0].d(x, y: z)", "a?.b.c[0].d(x, y: z)"),
        ("f<Order>(x)", "f<1>(x)"),
        ("a<b", "(a < b)"),
        ("a < b and c > d", "((a < b) and (c > d))"),
        ("(a + b) * c", "((a + b) * c)"),
        ("xs.map(x -> x.id + 1)", "xs.map((x -> (x.id + 1)))"),
        ("xs.fold(0, (a, b) -> a + b)", "xs.fold(0, (a b -> (a + b)))"),
        ("a\n  .b()\n  .c", "a.b().c"),
        ("a-b", "(a - b)"),
        ("x.in(\"a\")", "x.in((text \"a\"))"),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn braces_hold_a_record_or_a_block() {
    for (text, expected) in [
        ("{}", "{}"),
        ("{ a, b: 1, ...c, \"d e\": 2, }", "{a: a, b: 1, ...c, d e: 2}"),
        (
            "match x { 1 => { a: 1 }, 2 => { a }, 3 => {}, 4 => { a, b }, _ => { let b = 1 b } }",
            "(match x => {a: 1} => <a> => <> => {a: a, b: b} => <let b 1; b>)",
        ),
        ("xs.map(x -> { id: x })", "xs.map((x -> {id: x}))"),
        ("xs.map(x -> { let y = x y })", "xs.map((x -> <let y x; y>))"),
        ("if a { b } else if c { d } else { e }", "(if a <b> c <d> else <e>)"),
        ("{ if: 1, step: 2 }", "{if: 1, step: 2}"),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn arms_need_no_commas() {
    assert_eq!(
        value("match x {\n -1 => a\n -2..0 => b\n ..5 => c\n { k: 1 } => d\n [y] => e\n _ => f\n}"),
        "(match x => a => b => c => d => e => f)"
    );
}

#[test]
fn newlines_do_not_matter_and_touching_does() {
    assert_eq!(body("let a = f\n[1].len()"), "<let a f; [1].len()>");
    assert_eq!(body("let a = f\n(b)"), "<let a f; b>");
    assert_eq!(body("let a = b\n-c"), "<let a b; (Negate c)>");
    assert_eq!(body("let a = b\n- c"), "<let a (b - c)>");
    assert_eq!(body("respond 200\nif a { log \"x\" }"), "<respond 200 ; (if a <log>)>");
    assert_eq!(body("respond 200 { ok: true }"), "<respond 200 {ok: true}>");
    assert_eq!(body("step a()\nfor x in xs { log x }"), "<step a(); (for x xs <log>)>");
}

#[test]
fn a_control_expression_at_the_end_is_the_value() {
    let (file, _) = read("flow f { if a { 1 } for x in xs { x } }");
    let Some(Item::Flow(flow)) = file.items.first() else { panic!("{file:?}") };
    assert_eq!(flow.body.statements.len(), 1);
    assert!(matches!(flow.body.value.as_deref().map(|value| &value.kind), Some(ExprKind::For(_))));
}

#[test]
fn texts_are_resolved() {
    for (text, expected) in [
        (r#""a\n\t\"\\\{\}\u{e9}""#, r#"(text "a\n\t\"\\{}é")"#),
        (r#""{a}-{b.c}""#, r#"(text a "-" b.c)"#),
        (r#""a {b ?? "c {d}"} e""#, r#"(text "a " (b ?? (text "c " d)) " e")"#),
        (r#"r"a\n{b}""#, r#"(text "a\\n{b}")"#),
        (r#""""#, "(text )"),
        ("\"\"\"\n    a\n      b {c}\n\n    d\n    \"\"\"", r#"(text "a\n  b " c "\n\nd")"#),
        ("\"\"\"\r\n  a\r\n  b\r\n  \"\"\"", r#"(text "a\nb")"#),
        ("\"\"\"a\n  b\"\"\"", r#"(text "a\nb")"#),
        ("\"\"\"\n    {a}\n      b\n    \"\"\"", r#"(text a "\n  b")"#),
        ("\"\"\"\n\"\"\"", "(text )"),
        ("\"\"\"\n  a \"quoted\" b\n  \"\"\"", r#"(text "a \"quoted\" b")"#),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn literals_are_exact() {
    for (text, expected) in [
        ("1_000", "1000"),
        ("19.90", "19.90"),
        ("5.00 EUR", "5.00 EUR"),
        ("500ms", "500ms"),
        ("36h", "36h"),
        ("7d", "7d"),
        ("64kB", "64000B"),
        ("8MiB", "8388608B"),
        ("null", "null"),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn documentation_belongs_to_what_follows() {
    let text = "/// One\n/// two.\nrecord R {\n  // not this\n  /// The a.\n  a: Int // nor this\n  b: Int\n}\n/// F.\nflow f { return 1 }";
    let (file, problems) = read(text);
    assert!(problems.is_empty());
    let [Item::Record(record), Item::Flow(flow)] = file.items.as_slice() else { panic!("{file:?}") };
    assert_eq!((record.doc.as_str(), flow.doc.as_str()), ("One\ntwo.", "F."));
    let docs: Vec<&str> = record.fields.iter().map(|field| field.doc.as_str()).collect();
    assert_eq!(docs, ["The a.", ""]);
}

#[test]
fn the_connectors_have_all_their_parts() {
    let text = super::shipped().into_iter().find(|(path, _)| path.ends_with("stripe.flow")).unwrap().1;
    let (file, _) = read(&text);
    let [Item::Connector(stripe)] = file.items.as_slice() else { panic!("{file:?}") };
    let words = |word: &str| text.lines().filter(|line| line.trim_start().starts_with(word)).count();
    assert_eq!(stripe.operations.len(), words("operation "));
    assert_eq!(stripe.triggers.len(), words("trigger "));
    assert_eq!(stripe.verifications.len(), words("verification "));
    assert_eq!(stripe.types.len(), words("record "));
    assert_eq!(
        stripe.errors.as_ref().map(|errors| (errors.rules.len() >= 8, errors.properties.len())),
        Some((true, 2))
    );
}

#[test]
fn several_ways_and_sagas_are_read_with_all_their_parts() {
    for (text, expected) in [
        ("saga { let a = 1 }\nreturn 1", "<(saga <let a 1>); return 1>"),
        ("let a = saga { b }", "<let a (saga <b>)>"),
        ("let a = first p in b.c { p }", "<let a (first p b.c <p>)>"),
        ("let first = first", "<let first first>"),
        ("race { step a = b.c() sleep 5m }", "<(race <step b.c(); sleep>)>"),
        ("repeat every a up to b times until c { d }", "<(repeat a b c <d>)>"),
    ] {
        assert_eq!(body(text), expected, "{text}");
    }
    let (file, problems) = read(
        "flow f { step a = wait b.c where .d for 7d else 1 step e = f.g() with h else 2 catch { I => 3 } undo j.k() }",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let [Item::Flow(flow)] = file.items.as_slice() else { panic!("{file:?}") };
    let [StatementKind::Step(waits), StatementKind::Step(calls)] =
        [&flow.body.statements[0].kind, &flow.body.statements[1].kind]
    else {
        panic!("{flow:?}")
    };
    let wait = waits.wait.as_ref().unwrap();
    assert_eq!((wait.event.text(), wait.filter.as_ref().map(show)), ("b.c".to_owned(), Some(".d".to_owned())));
    assert_eq!(waits.within.as_ref().map(|(_, within)| show(within)), Some("7d".to_owned()));
    assert_eq!(calls.undo.as_ref().map(|(_, undo)| show(undo)), Some("j.k()".to_owned()));
    assert!(calls.wait.is_none() && calls.within.is_none() && calls.catch.is_some() && calls.otherwise.is_some());
}
