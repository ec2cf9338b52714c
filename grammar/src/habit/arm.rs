//! Arms as other languages write them: cases with parentheses, patterns in a row, conditions, status codes, names for all
//! failures.

use super::{Found, Search};
use crate::{
    problem::{Edit, Habit},
    scan::HOLE,
    token::{Token, TokenKind},
};

impl Search<'_> {
    /// What stands before the `=>` at a token.
    pub(super) fn arm_head(&self, at: usize) -> Option<(Found, usize)> {
        let open = self.opening(at)?;
        if self.text(open) != "{" {
            return None;
        }
        let is_catch = open.checked_sub(1).is_some_and(|before| self.text(before) == "catch");
        self.pattern_commas(at).or_else(|| {
            if is_catch { self.catch_head(at) } else { self.case_parts(at).or_else(|| self.case_fields(at)) }
        })
    }

    /// `circle(c) =>`
    fn case_parts(&self, at: usize) -> Option<(Found, usize)> {
        let close = at.checked_sub(1)?;
        let case = at.checked_sub(4)?;
        let is_case = self.text(close) == ")" && self.text(case + 1) == "(" && self.touch(case);
        if !is_case || !self.is_word(case) || !self.is_name(case + 2) || !self.begins_arm(case) {
            return None;
        }
        let meant = format!("{} as {}", self.text(case), self.text(case + 2));
        let edits = vec![self.edit(case + 1, case + 1, " as ")?, self.edit(close, close, "")?];
        Some((self.found(case, close, Habit::CaseParts(meant), edits)?, at + 1))
    }

    /// `circle { r } =>`
    fn case_fields(&self, at: usize) -> Option<(Found, usize)> {
        let close = at.checked_sub(1).filter(|close| self.text(*close) == "}")?;
        let open = self.opening(close)?;
        let case = open.checked_sub(1)?;
        let is_case = self.text(open) == "{" && self.is_word(case) && !self.is_first(open);
        if !is_case || !self.begins_arm(case) || !self.is_word(open + 1) {
            return None;
        }
        let field = self.text(open + 1).to_owned();
        // What it binds is read in the value: the arm is left out as a whole.
        let end = self.arm_end(at)?;
        let habit = Habit::CaseFields(self.text(case).to_owned(), field);
        Some((self.found(case, close, habit, vec![self.edit(case, end, HOLE)?])?, end + 1))
    }

    /// `"a", "b" =>`
    fn pattern_commas(&self, at: usize) -> Option<(Found, usize)> {
        let mut first = at.checked_sub(1)?;
        let is_one = |token: Option<Token>, index: usize| {
            token.is_some_and(|token| matches!(token.kind, TokenKind::Text | TokenKind::Number))
                || self.is_type(index)
                || self.is_name(index)
        };
        if !is_one(self.token(first), first) {
            return None;
        }
        let mut commas = Vec::new();
        while !self.is_first(first) {
            let (Some(comma), Some(before)) = (first.checked_sub(1), first.checked_sub(2)) else { break };
            // After `=>` it is the value of the arm before.
            let is_pattern = before.checked_sub(1).is_some_and(|start| matches!(self.text(start), "," | "{"));
            let is_next = self.text(comma) == "," && is_one(self.token(before), before);
            let is_value = before.checked_sub(1).is_some_and(|start| self.text(start) == "=>");
            if !is_next || is_value || !(is_pattern || self.is_first(before)) {
                break;
            }
            commas.push(comma);
            first = before;
        }
        let told = *commas.last()?;
        let edits = commas.iter().rev().filter_map(|comma| self.edit(*comma, *comma, " |")).collect();
        let meant = self.source(first, at - 1)?.replace(" ,", ",").replace(',', " |");
        Some((self.found(told, told, Habit::PatternCommas(meant), edits)?, at + 1))
    }

    /// `404 =>`, `Exception as e =>`, `e =>` in a `catch`.
    fn catch_head(&self, at: usize) -> Option<(Found, usize)> {
        let has_name = at >= 3 && self.text(at - 2) == "as";
        let head = at.checked_sub(if has_name { 3 } else { 1 })?;
        if !self.begins_arm(head) {
            return None;
        }
        let word = self.text(head);
        if self.token(head)?.kind == TokenKind::Number {
            let kind = kind_of(word)?;
            let end = self.arm_end(at)?;
            let found =
                self.found(head, head, Habit::StatusKind(kind.to_owned()), vec![self.edit(head, end, HOLE)?])?;
            return Some((self.fixed(found, vec![self.edit(head, head, kind)?]), end + 1));
        }
        let is_general = matches!(
            word,
            "Exception" | "Error" | "Throwable" | "any" | "all" | "default" | "else" | "otherwise" | "*" | "other"
        );
        // Kinds of errors have capitals: another word is a name for all of them.
        let is_name = self.is_name(head) && !has_name && word != "_";
        if !(is_general || is_name) || self.declared().contains(word) {
            return None;
        }
        let meant = match (is_general, has_name) {
            (true, true) => format!("_ as {}", self.text(at - 1)),
            (true, false) => "_".to_owned(),
            _ => format!("_ as {word}"),
        };
        let edit = if is_general { self.edit(head, head, "_")? } else { self.before(head, "_ as ")? };
        Some((self.found(head, head, Habit::CatchAll(meant), vec![edit])?, at + 1))
    }

    /// `body.ok == false => Rejected` in `errors`
    pub(super) fn error_when(&self, at: usize) -> Option<(Found, usize)> {
        let ends = |index: &usize| self.token(*index).is_some_and(|token| !token.first) && self.text(*index) != ",";
        let is_rule = (at + 1..at + 40).take_while(ends).any(|index| self.text(index) == "=>");
        let after = self.text(at.checked_sub(1)?);
        if !self.is_in_errors(at) || !is_rule || !(self.is_first(at) || matches!(after, "{" | ",")) || after == "when" {
            return None;
        }
        Some((self.found(at, at, Habit::ErrorWhen(String::new()), vec![self.before(at, "when ")?])?, at + 1))
    }

    /// Whether a token stands in `errors { … }`.
    fn is_in_errors(&self, at: usize) -> bool {
        self.opening(at).and_then(|open| open.checked_sub(1)).is_some_and(|before| self.text(before) == "errors")
    }

    /// `n when n > 10 =>`
    pub(super) fn when(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        if self.is_in_errors(at) {
            // `400 when body.code == "x" =>`
            let is_status = self.token(before)?.kind == TokenKind::Number && !self.is_first(at);
            let status = format!("status == {} and ", self.text(before));
            let drop = Edit { start: self.token(before)?.start, end: self.token(at)?.start, text: String::new() };
            let fix = vec![drop.clone(), self.before(at + 1, status.as_str())?];
            let found = self.found(before, at, Habit::ErrorWhen(status), vec![drop]);
            return found.filter(|_| is_status).map(|found| (self.fixed(found, fix), at + 1));
        }
        let start = self.chain_start(before);
        let goes_on = (at + 1..at + 40)
            .take_while(|index| self.token(*index).is_some_and(|token| !token.first))
            .any(|index| self.text(index) == "=>");
        if self.is_first(at) || !goes_on || !self.begins_arm(start) || self.text(before) == "," {
            return None;
        }
        Some((self.found(at, at, Habit::When, vec![self.edit(at, at, "if")?])?, at + 1))
    }

    /// `/^a/ =>`
    pub(super) fn regex(&self, at: usize) -> Option<(Found, usize)> {
        let arrow = (at + 1..at + 60)
            .take_while(|index| self.token(*index).is_some_and(|token| !token.first))
            .find(|index| self.text(*index) == "=>")?;
        let text = self.source(at, arrow - 1)?;
        let pattern = text.strip_prefix('/')?.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
        if !self.begins_arm(at) || !pattern.ends_with('/') {
            return None;
        }
        let meant = format!("s if s.matches(\"{}\")", pattern.trim_end_matches('/').replace('\\', "\\\\"));
        Some((self.found(at, arrow - 1, Habit::Regex(meant), vec![self.edit(at, arrow - 1, HOLE)?])?, arrow + 1))
    }

    /// `1..=10`
    pub(super) fn range_end(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != "=" || !self.touch(at) || self.token(at + 2)?.kind != TokenKind::Number {
            return None;
        }
        let start = at.checked_sub(1).filter(|before| self.touch(*before) && self.is_value_end(*before)).unwrap_or(at);
        let last: i64 = self.text(at + 2).replace('_', "").parse().ok()?;
        let meant = format!("{}..{}", if start < at { self.text(start) } else { "" }, last.checked_add(1)?);
        let fix = vec![self.edit(start, at + 2, meant.clone())?];
        let found = self.found(at, at + 1, Habit::RangeEnd(meant), vec![self.edit(at + 1, at + 1, "")?])?;
        Some((self.fixed(found, fix), at + 3))
    }

    /// Says whether an arm may begin at a token.
    fn begins_arm(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return true };
        let goes_on = matches!(self.text(before), "." | "?." | "|");
        (self.is_first(at) && !goes_on) || matches!(self.text(before), "{" | ",")
    }

    /// The last token of the value of an arm whose `=>` is at a token.
    fn arm_end(&self, at: usize) -> Option<usize> {
        let at = at + 1;
        if self.text(at) == "{" {
            return self.closing(at);
        }
        let end = self.statement_end(at);
        let open = self.opening(at);
        Some(
            (at..=end)
                .find(|index| self.text(*index) == "," && self.opening(*index) == open)
                .map_or(end, |comma| comma - 1),
        )
    }

    /// `emit order.paid(order: id)`
    pub(super) fn emit_call(&self, at: usize) -> Option<(Found, usize)> {
        let open = self.path_end(at + 1)? + 1;
        if self.text(open) != "(" || !self.touch(open - 1) {
            return None;
        }
        let close = self.closing(open)?;
        let name = self.source(at + 1, open - 1)?.to_owned();
        let edits = self.braced(open, close)?;
        Some((self.found(open, close, Habit::EmitCall(name), edits)?, at + 1))
    }

    /// Braces in the place of parentheses.
    pub(super) fn braced(&self, open: usize, close: usize) -> Option<Vec<Edit>> {
        if close == open + 1 {
            return Some(vec![self.edit(open, close, " {}")?]);
        }
        Some(vec![self.edit(open, open, " { ")?, self.edit(close, close, " }")?])
    }
}

/// The kind of error that a status has where a connector says nothing else.
pub(super) fn kind_of(status: &str) -> Option<&'static str> {
    let number: u16 = status.trim_end_matches("xx").parse().ok()?;
    Some(match (number, status.ends_with("xx")) {
        (401, _) => "Unauthorized",
        (403, _) => "Forbidden",
        (404, _) => "NotFound",
        (409, _) => "Conflict",
        (429, _) => "RateLimited",
        (400..=499, _) | (4, true) => "Invalid",
        (500..=599, _) | (5, true) => "Unavailable",
        _ => return None,
    })
}
