//! What was left out or misspelt, where the parser would only stop further on: an operand, a `=`, a duration, the braces
//! of an arm, the names of arguments.

use super::{FAR, Found, Search};
use crate::{
    problem::{Edit, Habit, Problem, ProblemKind},
    repair::words::nearest,
    scan::HOLE,
    token::{CONTROL, STATEMENTS, TokenKind, closes, opens},
};

impl Search<'_> {
    /// `let a = 1 +` at the end of a line, before a line that begins a statement; `if a > { log "x" }`.
    pub(super) fn dangling(&self, at: usize) -> Option<(Found, usize)> {
        let is_sign = matches!(self.text(at), "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<=" | ">=" | "??" | "=");
        let is_statement = self.is_first(at + 1) && STATEMENTS.contains(&self.text(at + 1));
        let is_name = matches!(self.text(at + 2), ":" | "." | "(" | "=");
        if !((is_sign && is_statement && !is_name) || self.is_before_block(at)) || self.depth.get() == 0 {
            return None;
        }
        let edit = self.after(at, format!(" {HOLE}"))?;
        let place = self.token(at)?.end;
        let found = self.text(at + 1).to_owned();
        let expected = vec!["a value".to_owned()];
        let kind = ProblemKind::Incomplete;
        Some(((Problem { start: place, end: place, expected, found, kind, fix: Vec::new() }, vec![edit]), at + 1))
    }

    /// Whether a sign of a condition stands before the block that depends on it.
    fn is_before_block(&self, at: usize) -> bool {
        let word = self.text(at + 2);
        let is_statement = STATEMENTS.contains(&word) || CONTROL.contains(&word);
        let is_name = matches!(self.text(at + 3), ":" | "," | "}" | "." | "(" | "=");
        if self.text(at + 1) != "{" || self.is_first(at + 1) || !is_statement || is_name {
            return false;
        }
        let line = (0..at).rev().take(FAR).find(|before| self.is_first(*before));
        line.is_some_and(|line| (line..at).any(|before| matches!(self.text(before), "if" | "until")))
    }

    /// `step kept files.read(…)`, also with the call on the next line.
    pub(super) fn step_value(&self, at: usize) -> Option<(Found, usize)> {
        let call = at + 2;
        let is_near = match self.is_first(call) {
            true => self.path_end(call).is_some_and(|last| last > call && self.text(last + 1) == "("),
            false => matches!(self.text(call + 1), "." | "("),
        };
        let is_call = self.is_name(call) && is_near;
        let is_wait = self.text(at + 1) == "wait";
        if !self.is_first(at) || !self.is_name(at + 1) || self.is_first(at + 1) || is_wait || !is_call {
            return None;
        }
        let place = self.token(at + 1)?.end;
        let kind = ProblemKind::Missing("=".to_owned());
        let (found, expected) = (self.text(call).to_owned(), vec!["`=`".to_owned()]);
        let edit = Edit { start: place, end: place, text: " =".to_owned() };
        Some(((Problem { start: place, end: place, expected, found, kind, fix: Vec::new() }, vec![edit]), call))
    }

    /// `else fial Gone(…)`, `else retrun x`
    pub(super) fn otherwise(&self, at: usize) -> Option<(Found, usize)> {
        let word = at + 1;
        let begins_value = self.is_word(word + 1) || self.is_text(word + 1);
        if !self.is_name(word) || self.is_first(word) || !begins_value || self.is_first(word + 1) {
            return None;
        }
        let meant = nearest(self.text(word), &["fail", "return"])?;
        let kind = ProblemKind::UnknownWord(Some(meant.to_owned()));
        let (found, edits) = self.found(word, word, Habit::Modifier, vec![self.edit(word, word, meant)?])?;
        Some(((Problem { kind, ..found }, edits), word + 1))
    }

    /// `on every` without a duration.
    pub(super) fn every_alone(&self, at: usize) -> Option<(Found, usize)> {
        let is_alone =
            self.token(at + 2).is_none_or(|next| (next.first && next.kind != TokenKind::Number) || closes(next));
        if self.text(at + 1) != "every" || !is_alone {
            return None;
        }
        let edit = self.after(at + 1, format!(" {HOLE}"))?;
        Some((self.found(at + 1, at + 1, Habit::EveryAlone, vec![edit])?, at + 2))
    }

    /// `f(...args)`
    pub(super) fn spread(&self, at: usize) -> Option<(Found, usize)> {
        let open = self.opening(at)?;
        let callee = open.checked_sub(1)?;
        if self.text(open) != "(" || !self.is_name(callee) || !self.touch(callee) {
            return None;
        }
        let (mut depth, mut last) = (0usize, at);
        for index in at + 1..=at + FAR {
            let token = self.token(index)?;
            if depth == 0 && (closes(token) || self.text(index) == ",") {
                break;
            }
            depth = if opens(token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(token))) };
            last = index;
        }
        let name = self.text(callee).to_owned();
        Some((self.found(at, last, Habit::Spread(name), vec![self.edit(at, last, HOLE)?])?, last + 1))
    }

    /// `1 => log "one"` in a `match`.
    pub(super) fn arm_statement(&self, at: usize) -> Option<(Found, usize)> {
        let word = self.text(at + 1);
        let is_statement =
            matches!(word, "log" | "let" | "emit" | "sleep" | "respond" | "dead_letter" | "fail" | "return" | "step");
        let is_in_block = self.opening(at).is_some_and(|open| self.text(open) == "{");
        if !is_statement || !is_in_block || self.is_first(at + 1) || self.text(at + 2) == "." {
            return None;
        }
        let end = self.statement_end(at + 1);
        let mut depth = 0usize;
        let mut last = end;
        for index in at + 1..=end {
            let token = self.token(index)?;
            if depth == 0 && self.text(index) == "," {
                last = index - 1;
                break;
            }
            depth = if opens(token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(token))) };
        }
        let edits = vec![self.before(at + 1, "{ ")?, self.after(last, " }")?];
        Some((self.found(at + 1, last, Habit::ArmStatement, edits)?, last + 1))
    }

    /// The bracket that a token stands in.
    pub(super) fn opening(&self, at: usize) -> Option<usize> {
        let mut depth = 0usize;
        for index in (0..at).rev().take(FAR) {
            let token = self.token(index)?;
            if closes(token) {
                depth += 1;
            } else if opens(token) {
                let Some(less) = depth.checked_sub(1) else { return Some(index) };
                depth = less;
            }
        }
        None
    }
}
