//! The written form of Flow: grammar, parser with recovery, syntax tree.
//!
//! In: text. Out: a [`Tree`] and the [`Problem`]s of the text, always both. Left out on purpose: what names mean, and
//! the words of messages beyond what a person calls each part of the syntax. No type of pest leaves this crate.
//!
//! A text goes through four stages. The scanner ([`scan`]) repairs what is wrong with single characters and texts. The
//! brackets are paired ([`balance`]). Then the text is parsed by the grammar ([`peg`]), and where it does not parse it is
//! repaired and parsed again ([`repair`]). The rules that were found become the tree ([`build`]).

mod attempt;
mod balance;
mod build;
mod habit;
mod idiom;
mod kind;
mod parser;
mod patch;
mod peg;
mod phrase;
mod problem;
mod repair;
mod scan;
mod spoken;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod units;

pub use idiom::Idiom;
pub use kind::Kind;
pub use phrase::Phrase;
pub use problem::{Edit, Habit, Problem, ProblemKind, dump};
pub use token::{CONTROL, ITEMS, MEMBERS, RESERVED, STATEMENTS};
pub use tree::{Node, Tree};

/// Says whether pest alone takes the text: no tree, no recovery. The yardstick of the benchmarks.
pub fn parses(text: &str) -> bool {
    attempt::takes(text)
}

/// Reads a text: the tree of what could be read and the problems of what could not, both in the order of the text.
///
/// It always ends, in time that grows with the length of the text, whatever the text is. Of a text of 4 GiB or more
/// nothing is read, and of the problems of a text that is mostly not Flow the first hundred thousand are kept.
pub fn read(text: &str) -> (Tree, Vec<Problem>) {
    let Ok(length) = u32::try_from(text.len()) else {
        return (Tree { entries: vec![build::file(0)] }, Vec::new());
    };
    let mut scanned = scan::scan(text);
    habit::habits(text, &mut scanned);
    let groups = balance::balance(text, &mut scanned);
    let mut reading = repair::read(text, &scanned, groups);
    let mut entries = vec![build::file(length)];
    entries.append(&mut reading.entries);
    let size = entries.len() as u32;
    if let Some(file) = entries.first_mut() {
        file.size = size;
    }
    reading.retracted.sort_unstable();
    reading.doubted.sort_unstable();
    let mut problems = scanned.problems;
    // What stands for another problem is told, whatever else was made of it later.
    problems.retain(|problem| {
        problem.kind != ProblemKind::Stray
            || reading.retracted.binary_search(&problem.start).is_err()
            || reading.doubted.binary_search(&problem.start).is_ok()
    });
    for problem in problems.iter_mut().filter(|problem| reading.doubted.binary_search(&problem.start).is_ok()) {
        problem.fix.clear();
    }
    problems.append(&mut reading.problems);
    problems.sort_by_key(|problem| (problem.start, problem.end));
    told_once(text, &mut problems);
    problems.truncate(MOST);
    (Tree { entries }, problems)
}

/// Of what nothing explains, a line is told once: what comes after it follows from it, and no change of the one place mends
/// both.
fn told_once(text: &str, problems: &mut Vec<Problem>) {
    let mut kept: Vec<Problem> = Vec::with_capacity(problems.len());
    let mut last: Option<usize> = None;
    for problem in problems.drain(..) {
        let is_unexplained =
            matches!(problem.kind, ProblemKind::Unexpected | ProblemKind::Incomplete | ProblemKind::Missing(_));
        let first = last.and_then(|last| kept.get_mut(last)).filter(|first| {
            let between = text.get(first.start as usize..problem.start as usize);
            is_unexplained && between.is_some_and(|between| !between.contains('\n'))
        });
        match first {
            Some(first) => first.fix.clear(),
            None => {
                if problem.kind == ProblemKind::Unexpected {
                    last = Some(kept.len());
                }
                kept.push(problem);
            }
        }
    }
    *problems = kept;
}

/// How many problems of a text are kept.
const MOST: usize = 100_000;
