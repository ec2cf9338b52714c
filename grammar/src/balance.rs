//! Pairs the brackets of a text, also where some are missing, superfluous or wrong.
//!
//! In: tokens. Out: the groups that brackets make, with the group of each token, and the pieces that can be read for
//! themselves. Where the brackets of the whole text pair up, the layout does not matter. Where they don't, the text is
//! cut at words in column 0 that begin items, and in the pieces that don't pair up the indent tells which bracket is
//! the wrong one: a block ends where a line is indented no further than the line that opens it.

mod groups;
mod matcher;

pub(crate) use groups::Groups;

use groups::{Change, Step, for_each};
use matcher::Matcher;

use crate::{
    problem::{Edit, Problem, ProblemKind},
    scan::{HOLE, Scan},
    token::{ITEMS, Token, TokenKind, closer, closes, is_pair, opens},
};

/// Pairs the brackets; reports and repairs those that don't pair up.
pub(crate) fn balance(source: &str, scan: &mut Scan) -> Groups {
    let mut changes = Vec::new();
    if !pairs_up(source, &scan.tokens) {
        let cuts = cuts(source, &scan.tokens);
        for window in cuts.windows(2) {
            if let [from, to] = *window
                && !pairs_up(source, scan.tokens.get(from..to).unwrap_or_default())
            {
                changes.append(&mut Matcher::changes(source, &scan.tokens, from, to));
            }
        }
        changes.sort_by_key(Change::order);
        report(source, scan, &changes);
    }
    groups::groups(source, &scan.tokens, changes)
}

fn pairs_up(source: &str, tokens: &[Token]) -> bool {
    let mut open = Vec::new();
    for token in tokens {
        if opens(*token) {
            open.push(*token);
        } else if closes(*token) && !open.pop().is_some_and(|open| is_pair(source, open, *token)) {
            return false;
        }
    }
    open.is_empty()
}

/// The places where items begin in column 0, with the first and the last place.
fn cuts(source: &str, tokens: &[Token]) -> Vec<usize> {
    let mut cuts = vec![0];
    let mut texts = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::TextOpen => texts += 1,
            TokenKind::TextClose => texts = texts.saturating_sub(1),
            _ => {}
        }
        if texts == 0 && index > 0 && token.first && token.indent == 0 && begins_item(source, tokens, index) {
            cuts.push(index);
        }
    }
    cuts.push(tokens.len());
    cuts
}

/// Says whether a word begins an item: it is a keyword of items, and what follows could be a name.
pub(crate) fn begins_item(source: &str, tokens: &[Token], index: usize) -> bool {
    let Some(token) = tokens.get(index) else { return false };
    token.kind == TokenKind::Word
        && ITEMS.contains(&token.text(source))
        && tokens.get(index + 1).is_some_and(|next| matches!(next.kind, TokenKind::Word | TokenKind::Text))
}

/// Reports the changes and adds them to the repairs.
fn report(source: &str, scan: &mut Scan, changes: &[Change]) {
    let end = source.len() as u32;
    let place = |index: usize| scan.tokens.get(index).map_or(end, |token| token.start);
    // Which bracket each change closes comes out of pairing again with the changes made.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    let mut edits: Vec<Edit> = Vec::new();
    let mut last: Option<usize> = None;
    for_each(&scan.tokens, changes, |step| match step {
        Step::Open(index) => open.push(Some(index)),
        Step::Close(_) => drop(open.pop()),
        Step::Opened(before, bracket) => {
            open.push(None);
            let at = before.checked_sub(1).and_then(|before| scan.tokens.get(before)).map_or(0, |token| token.end);
            let edit =
                Edit { start: at, end: at, text: if bracket == "{" { " {".to_owned() } else { bracket.to_owned() } };
            edits.push(edit.clone());
            problems.push(Problem {
                start: at,
                end: at,
                expected: vec![format!("`{bracket}`")],
                found: scan.tokens.get(before).map_or("", |token| token.text(source)).to_owned(),
                kind: ProblemKind::Missing(bracket.to_owned()),
                fix: vec![edit],
            });
        }
        Step::Missing(before) => {
            let Some(token) = open.pop().flatten().and_then(|index| scan.tokens.get(index).copied()) else { return };
            let text = if token.kind == TokenKind::TextOpen { "\"" } else { closer(token.text(source)) };
            let at = place(before);
            let written = match (at == end, source.ends_with('\n')) {
                (false, _) => text.to_owned(),
                (true, true) => format!("{text}\n"),
                (true, false) => format!("\n{text}"),
            };
            let edit = Edit { start: at, end: at, text: written };
            edits.push(edit.clone());
            // Several that are missing at one place are one mistake: the innermost is shown.
            let is_same = last == Some(before);
            last = Some(before);
            let is_forgiven = scan.forgiven.iter().any(|from| token.start <= *from && *from <= at);
            if !is_same && !is_forgiven {
                problems.push(Problem {
                    start: token.start,
                    end: token.end,
                    expected: vec![format!("`{text}`")],
                    found: token.text(source).to_owned(),
                    kind: ProblemKind::Unclosed(text),
                    fix: if at == end { vec![edit] } else { Vec::new() },
                });
            }
        }
        Step::Dropped(index) => {
            let Some(token) = scan.tokens.get(index) else { return };
            let edit = Edit { start: token.start, end: token.end, text: String::new() };
            edits.push(Edit { text: " ".into(), ..edit.clone() });
            if !scan.forgiven.iter().any(|from| *from <= token.start) {
                problems.push(Problem {
                    start: token.start,
                    end: token.end,
                    expected: Vec::new(),
                    found: token.text(source).to_owned(),
                    kind: ProblemKind::Stray,
                    fix: vec![edit],
                });
            }
        }
        Step::Turned(index) => {
            let (Some(token), Some(open)) =
                (scan.tokens.get(index), open.pop().flatten().and_then(|open| scan.tokens.get(open)))
            else {
                return;
            };
            let text = closer(open.text(source));
            let edit = Edit { start: token.start, end: token.end, text: text.to_owned() };
            edits.push(edit.clone());
            problems.push(Problem {
                start: token.start,
                end: token.end,
                expected: vec![format!("`{text}`")],
                found: token.text(source).to_owned(),
                kind: ProblemKind::WrongBracket(text),
                fix: vec![edit],
            });
        }
    });
    edits.retain_mut(|edit| make_room(scan, edit));
    // A bracket that is put in stands before whatever is repaired at its place.
    scan.edits.append(&mut edits);
    scan.edits.sort_by_key(|edit| (edit.start, edit.end));
    scan.problems.append(&mut problems);
}

/// Keeps the change of a bracket and what was taken out before apart, and says whether the change is still needed. A
/// hole ends where a bracket is put in; what else has other text in its place stays whole, and the bracket follows it.
fn make_room(scan: &mut Scan, edit: &mut Edit) -> bool {
    let before = scan.edits.partition_point(|old| old.start < edit.end.max(edit.start + 1));
    let Some(old) = before.checked_sub(1).and_then(|last| scan.edits.get_mut(last)) else { return true };
    if edit.start < edit.end {
        return old.end <= edit.start;
    }
    if old.start < edit.start && edit.start < old.end {
        let tokens = scan.tokens.partition_point(|token| token.end <= edit.start);
        match scan.tokens.get(..tokens).and_then(|tokens| tokens.last()) {
            Some(last) if old.text == HOLE && last.end > old.start => old.end = last.end,
            _ => *edit = Edit { start: old.end, end: old.end, text: std::mem::take(&mut edit.text) },
        }
    }
    true
}
