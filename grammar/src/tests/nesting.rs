//! Nests of every construct, closed and cut off: read in linear time, to a depth of 128.
//!
//! No clock: the parser stops after a number of steps that is proportional to the length of the text, which is a
//! problem of its own kind, and the number of times that it runs is limited. So a text that is read without that problem
//! was read in linear time.

use super::assert_well_formed;
use crate::{ProblemKind, read, scan::NESTING};

/// What a construct begins and ends with, and what stands around all of them.
const NESTS: &[(&str, &str, &str, &str)] = &[
    ("const a = ", "(", ")", "1"),
    ("const a = ", "[", "]", "1"),
    ("const a = ", "{ a: ", " }", "1"),
    ("const a = ", "f(", ")", "1"),
    ("const a = ", "f(a: ", ")", "1"),
    ("const a = ", "a[", "]", "1"),
    ("const a = ", "\"{", "}\"", "1"),
    ("const a = ", "\"\"\"{", "}\"\"\"", "1"),
    ("const a = ", "x -> (", ")", "1"),
    ("const a = ", "x -> { ", " }", "1"),
    ("const a = ", "f(x -> { a: ", " })", "1"),
    ("const a = ", "(a, (b) -> ", ")", "1"),
    ("const a = ", "a ?? (", ")", "1"),
    ("const a = ", "-(not ", ")", "1"),
    ("const a = ", "match x { 1 => ", " }", "1"),
    ("const a = ", "match x { _ if ", " => 1 }", "1"),
    ("const a = ", "match ", " { _ => 1 }", "1"),
    ("const a = ", "if ", " { 1 }", "1"),
    ("const a = ", "if x { ", " }", "1"),
    ("const a = ", "if x { 1 } else { ", " }", "1"),
    ("const a = ", "for x in ", " { 1 }", "1"),
    ("const a = ", "for x in xs { ", " }", "1"),
    ("const a = ", "parallel { ", " }", "1"),
    ("const a = ", "try { ", " } catch { _ => 1 }", "1"),
    ("const a = ", "try { 1 } catch { _ => ", " }", "1"),
    ("const a = ", "race { ", " }", "1"),
    ("const a = ", "first x in xs { ", " }", "1"),
    ("const a = ", "repeat every 1s up to 3 times until x { ", " }", "1"),
    ("const a = 1 as ", "List<", ">", "Int"),
    ("const a = f<", "List<", ">", "Int"),
    ("const a: ", "{ a: ", " }", "Int"),
    ("const a: ", "(", ")", "Int"),
    ("record R { a: ", "{ a: ", " }", "Int"),
    ("flow f { ", "let a = if x { ", " }", "1"),
    ("flow f { ", "if x { ", " }", "log 1"),
    ("flow f { ", "match x { 1 => { ", " } }", "log 1"),
    ("flow f { ", "for x in xs concurrency 2 { ", " }", "log 1"),
    ("flow f { ", "parallel { ", " }", "log 1"),
    ("flow f { ", "try { ", " } catch { _ => null }", "log 1"),
    ("flow f { ", "step a = b() catch { _ => { ", " } }", "log 1"),
    ("flow f { ", "step a = b() else { ", " }", "log 1"),
    ("flow f { ", "step a = b(", ")", "1"),
    ("flow f { ", "saga { ", " }", "log 1"),
    ("flow f { ", "return {", "}", "a"),
    ("flow f { ", "respond 200 { a: ", " }", "1"),
    ("flow f { ", "dead_letter q { a: ", " }", "1"),
    ("flow f { let a = match x { ", "{ a: ", " }", "1"),
    ("flow f { let a = match x { ", "[", "]", "1"),
    ("policy p { ", "retry { ", " }", "times: 1"),
    ("connector c { operation o() { request: POST \"/\" { body: ", "{ a: ", " }", "1"),
    ("connector c { http { base: ", "f(", ")", "1"),
    ("test \"x\" for f ", "{ ", " }", ""),
];

fn assert_linear(text: &str) -> Vec<ProblemKind> {
    let (tree, problems) = read(text);
    assert_well_formed(text, &tree, &problems);
    let kinds: Vec<ProblemKind> = problems.into_iter().map(|problem| problem.kind).collect();
    assert!(!kinds.contains(&ProblemKind::TooComplex), "{} …", &text[..text.len().min(60)]);
    kinds
}

#[test]
fn truncated_nests_of_every_construct_take_linear_time() {
    for (before, open, close, inside) in NESTS {
        for depth in [5, 20, 100, 2000] {
            assert_linear(&format!("{before}{}", open.repeat(depth)));
            assert_linear(&format!("{before}{}{inside}", open.repeat(depth)));
            assert_linear(&format!("{before}{}{inside}{}", open.repeat(depth), close.repeat(depth / 2)));
        }
    }
}

#[test]
fn what_nests_too_deep_is_one_problem_and_the_rest_is_read() {
    for (before, open, close, inside) in NESTS {
        let rest = match before.split(' ').next() {
            Some("flow" | "record" | "policy") => " }",
            _ => "",
        };
        for depth in [NESTING + 10, 2000] {
            let text = format!(
                "{before}{}{inside}{}{rest}\nflow after {{ return 1 }}\n",
                open.repeat(depth),
                close.repeat(depth)
            );
            let kinds = assert_linear(&text);
            let is_nested = kinds.iter().filter(|kind| matches!(kind, ProblemKind::TooDeep(_))).count();
            assert!(is_nested <= 1, "{before}{open}: {kinds:?}");
        }
    }
}
