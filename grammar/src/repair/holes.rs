//! Parts that can be given up, from small to large.

use super::Candidate;
use crate::{
    attempt::Failure,
    parser::Rule,
    problem::{Edit, ProblemKind},
    scan::HOLE,
    token::{CONTROL, STATEMENTS, TokenKind},
    units::Units,
};

/// Holes around the token `at`, at which the parser stopped; `from..to` are the tokens of the piece.
pub(super) fn at(units: &Units<'_>, from: usize, to: usize, at: usize, failure: &Failure) -> Vec<Candidate> {
    let mut all = Vec::new();
    // At a closing bracket, the trouble is in what it closes.
    let inner = units.ending_at(at);
    let mut group = inner.unwrap_or_else(|| if at >= to { 0 } else { units.group_of(at) });
    let mut place = if inner.is_some() || at >= to { at.saturating_sub(1) } else { at };
    loop {
        if let Some((start, end)) = units.around(group, place) {
            let start = start.max(from);
            let end = end.min(to);
            let at_start = at == start && start > from;
            if at_start {
                // Either the unit before is not finished, or this one should not be here.
                let mut before = Vec::new();
                if let Some((start, end)) = units.around(group, start - 1) {
                    unit(units, group, start.max(from), end.min(to), at, &mut before);
                }
                let mut here = Vec::new();
                unit(units, group, start, end, at, &mut here);
                if is_boundary(failure) {
                    all.append(&mut here);
                    all.append(&mut before);
                } else {
                    all.append(&mut before);
                    all.append(&mut here);
                }
            } else {
                unit(units, group, start, end, at, &mut all);
                // What is not finished before this unit may have swallowed its first words.
                if at <= start + 3
                    && start > from
                    && let Some((before, _)) = units.around(group, start - 1)
                {
                    all.push(hole(units, before.max(from), end, end, at));
                }
            }
            // A comma that does not belong there does not end it.
            if units.text(end) == "," && units.bracket(group) == "{" {
                let bounds = units.groups.groups.get(group).map_or(end, |group| group.to);
                let next = units.direct(group, end + 1, bounds);
                let mut next = next.filter(|index| units.token(*index).is_some_and(|token| token.first));
                let end = next.find(|index| units.begins(*index, group)).unwrap_or(bounds).min(to);
                all.push(hole(units, start, end, end, at));
            }
        }
        if group == 0 {
            break;
        }
        let Some(bounds) = units.groups.groups.get(group) else { break };
        place = bounds.open.unwrap_or(bounds.from.saturating_sub(1));
        group = bounds.parent;
    }
    all
}

/// Says whether the unit before could have ended at the place of the failure.
fn is_boundary(failure: &Failure) -> bool {
    failure.expected.iter().any(|rule| {
        matches!(
            rule,
            Rule::rbrace | Rule::rparen | Rule::rbracket | Rule::comma | Rule::EOI | Rule::kw_use | Rule::use_item
        )
    })
}

/// The holes in a unit: in its header, after the sign that its value follows, the whole.
fn unit(units: &Units<'_>, group: usize, start: usize, end: usize, at: usize, all: &mut Vec<Candidate>) {
    if start >= end {
        return;
    }
    let stop = at.min(end);
    let mut add = |from: usize, to: usize| {
        if from <= to && to <= end {
            all.push(hole(units, from, to, end, at));
        }
    };
    // `if … {`: what stands between the keyword and the brace.
    let keyword = units.direct(group, start, stop).rev().find(|index| {
        let text = units.text(*index);
        units.token(*index).is_some_and(|token| token.kind == TokenKind::Word)
            && (CONTROL.contains(&text) || text == "in")
    });
    if let Some(keyword) = keyword
        && let Some(brace) = units.direct(group, at.max(keyword + 1), end).find(|index| units.text(*index) == "{")
        && brace > keyword + 1
    {
        add(keyword + 1, brace);
    }
    // `name: …`, `name = …`, `pattern => …`, `step …`: the value.
    let is_sign = |index: &usize| matches!(units.text(*index), "=" | ":" | "=>");
    let before = units.direct(group, start, stop).rev().find(is_sign);
    let after = units.direct(group, stop.max(start + 1), end).find(is_sign);
    match (before, after) {
        (Some(sign), None) => add(sign + 1, end),
        (Some(sign), Some(next)) if units.text(next) != ":" => add(sign + 1, next),
        (None, Some(next)) if units.text(next) == "=>" => add(start, next),
        _ => {}
    }
    if let Some(sign) = before.filter(|_| after.is_some()) {
        add(sign + 1, end);
    }
    if STATEMENTS.contains(&units.text(start)) && before.is_none() {
        add(start + 1, end);
    }
    add(start, end);
}

/// A hole in place of the tokens `from..to` of a unit that ends at `end`.
fn hole(units: &Units<'_>, from: usize, to: usize, end: usize, at: usize) -> Candidate {
    let position = |index: usize| units.token(index).map_or(0, |token| token.start);
    let finish = |index: usize| units.token(index).map_or(0, |token| token.end);
    let (start, stop) = if from < to {
        (position(from), finish(to - 1))
    } else {
        let place = from.checked_sub(1).map_or(0, finish);
        (place, place)
    };
    let (shown_start, shown_end) = match units.token(at) {
        Some(token) => (token.start, token.end),
        None => {
            let last = units.tokens.last().map_or(0, |token| token.end);
            (last, last)
        }
    };
    let is_item = units.group_of(at) == 0 && units.begins(at, 0);
    let kind = match units.token(at).map(|token| token.kind) {
        Some(TokenKind::Word) if is_item => ProblemKind::UnknownWord(None),
        Some(TokenKind::Sign) if units.text(at) == "?" => ProblemKind::Ternary,
        _ => ProblemKind::Unexpected,
    };
    Candidate {
        edits: vec![Edit { start, end: stop.max(start), text: HOLE.into() }],
        beyond: end.max(at),
        kind,
        start: shown_start,
        end: shown_end,
        is_fix: false,
        unit: None,
        missing_at: None,
        opens: None,
    }
}
