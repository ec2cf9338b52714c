//! What programs read as, and what is said about those that can't be read.

mod messages;
mod shape;

use std::{fs, path::PathBuf};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::FileId,
};

use super::source;
use crate::ast;

/// The programs and connectors that the repository ships.
fn shipped() -> Vec<(PathBuf, String)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut all = Vec::new();
    for folder in ["stdlib/connectors", "examples"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            for file in fs::read_dir(entry.unwrap().path()).into_iter().flatten() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "flow") {
                    all.push((path.clone(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    all.sort();
    all
}

fn read(text: &str) -> (ast::File, Vec<Diagnostic>) {
    source(text, FileId(0))
}

#[test]
fn what_is_shipped_reads_without_problems() {
    let all = shipped();
    assert!(all.len() >= 6, "{all:?}");
    for (path, text) in all {
        let (file, problems) = read(&text);
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
        assert!(!file.items.is_empty(), "{}", path.display());
    }
}

/// A small generator of the same numbers on every machine (xorshift64*, Vigna 2016).
fn random(state: &mut u64, below: usize) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
}

#[test]
fn damaged_programs_are_read_without_panic_and_are_never_silently_cut() {
    let all = shipped();
    let pieces: Vec<&str> = all.iter().flat_map(|(_, text)| text.split_inclusive([' ', '\n', '(', '.', ':'])).collect();
    let mut state = 0x0bad_cafe_f00d;
    for round in 0..1000 {
        let (path, text) = &all[round % all.len()];
        let mut parts: Vec<&str> = text.split_inclusive([' ', '\n', '(', '.', ':', '{', '}', '"']).collect();
        for _ in 0..=random(&mut state, 3) {
            let at = random(&mut state, parts.len());
            let other = random(&mut state, parts.len());
            match random(&mut state, 4) {
                _ if parts.is_empty() => {}
                0 => drop(parts.remove(at)),
                1 => parts.insert(at, pieces[random(&mut state, pieces.len())]),
                2 => parts.truncate(at + 1),
                _ => parts.swap(at, other),
            }
        }
        let damaged = parts.concat();
        let (file, problems) = read(&damaged);
        for problem in &problems {
            let (start, end) = (problem.span().start as usize, problem.span().end as usize);
            assert!(damaged.get(start..end).is_some(), "{}: {problem:?}", path.display());
            assert!(!problem.message.is_empty() && problem.help.is_some(), "{problem:?}");
            assert!(!problem.message.contains('\u{1}') && !problem.message.ends_with('.'), "{problem:?}");
        }
        let dump = format!("{file:?}");
        assert!(!problems.is_empty() || !dump.contains("Missing"), "{damaged}");
    }
}

#[test]
fn what_the_language_will_have_is_reported_and_not_dropped() {
    let text = r#"
destination analytics = http.endpoint(url: "https://example.com")
route all { from customer.created to analytics }
sync contacts between a: b.c, d: e.f { identify by email }
meter synced counts sync contacts per tenant
pricing crm { plan basic { price 99.00 USD per month } }
flow f {
  for batch in xs every 1s { log "x" }
}
"#;
    let (_, problems) = read(text);
    let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    let words = ["`destination`", "`route`", "`sync`", "`meter`", "`pricing`"];
    let mut expected: Vec<String> = words.iter().map(|word| format!("{word} is not supported yet")).collect();
    let mut said: Vec<String> = said.into_iter().map(str::to_owned).collect();
    expected.sort();
    said.sort();
    assert_eq!(said, expected);
    assert!(problems.iter().all(|problem| problem.code == Code::E0102));
}

#[test]
fn nests_and_chains_that_are_too_long_are_one_problem() {
    for text in [
        format!("const a = {}", "not ".repeat(5000) + "x"),
        format!("const a = {}", "- ".repeat(5000) + "x"),
        format!("const a = {}1", "1 + ".repeat(50_000)),
        format!("const a = x{}", ".a".repeat(50_000)),
        format!("const a = x{}", "()".repeat(50_000)),
        format!("const a = x{}", " as Json".repeat(50_000)),
        format!("const a = {}1", "1 ?? ".repeat(5000)),
        format!("const a = if x {{ 1 }} {}", "else if x { 1 } ".repeat(5000)),
        format!("const a = {}1{}", "(".repeat(5000), ")".repeat(5000)),
        format!("const a = {}1{}", "[f(x + ".repeat(5000), ")]".repeat(5000)),
        format!("const a = {}1", "x -> ".repeat(5000)),
        format!("const a = {}1", "match ".repeat(5000)),
        format!("const a: {}Int{} = 1", "List<".repeat(5000), ">".repeat(5000)),
        format!("const a: Int{} = 1", "?".repeat(5000)),
    ] {
        let (_, problems) = read(&text);
        let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
        let is_fine = codes == [Code::E0103] || text.contains("Int?");
        assert!(is_fine, "{}… {:?}", &text[..40], problems.iter().map(|problem| &problem.message).collect::<Vec<_>>());
    }
}
