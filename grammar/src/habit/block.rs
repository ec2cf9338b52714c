//! What stands around blocks in other languages: loops with heads of their own, cases, names of failures, colons.

use super::{FAR, Found, Search};
use crate::{
    problem::{Edit, Habit, ProblemKind},
    scan::HOLE,
    token::{closes, opens},
};

impl Search<'_> {
    /// `switch x { case 1: … default: … }`
    pub(super) fn switch(&self, at: usize) -> Option<(Found, usize)> {
        let open = (at + 1..self.tokens.len()).take(32).find(|index| self.text(*index) == "{")?;
        let close = self.closing(open)?;
        let has_case = matches!(self.text(open + 1), "case" | "default");
        if !self.token(at)?.first || !has_case {
            return None;
        }
        let subject = self.source(at + 1, open - 1)?.trim_matches(['(', ')']).to_owned();
        let edit = self.edit(at, close, HOLE)?;
        Some((self.found(at, at, Habit::Switch(subject), vec![edit])?, close + 1))
    }

    /// `catch (e) { … }`, `catch e { … }`
    pub(super) fn catch(&self, at: usize) -> Option<(Found, usize)> {
        let has_parens = self.text(at + 1) == "(" && self.is_word(at + 2) && self.text(at + 3) == ")";
        let name = at + 1 + usize::from(has_parens);
        let last = name + usize::from(has_parens);
        if !(has_parens || self.is_name(name)) || self.text(last + 1) != "{" || self.is_first(name) {
            return None;
        }
        let close = self.token(self.closing(last + 1)?)?.end;
        let (start, end) = (self.token(at + 1)?.start, self.token(last)?.end);
        let (inner, outer) = (self.token(name)?.start, self.token(name)?.end);
        let edits = vec![
            Edit { start, end: inner, text: "{ _ as ".to_owned() },
            Edit { start: outer, end, text: " =>".to_owned() },
            Edit { start: close, end: close, text: " }".to_owned() },
        ];
        Some((self.found(at + 1, last, Habit::Catch(self.text(name).to_owned()), edits)?, last + 2))
    }

    /// `for (const x of xs)`, `for (let i = 0; i < n; i++)`, `for x of xs`
    pub(super) fn loop_head(&self, at: usize) -> Option<(Found, usize)> {
        let is_open = self.text(at + 1) == "(";
        let mut name = at + 1 + usize::from(is_open);
        let has_keyword = matches!(self.text(name), "let" | "const" | "var" | "int" | "auto");
        name += usize::from(has_keyword);
        let close = if is_open { Some(self.closing(at + 1)?) } else { None };
        if !self.is_name(name) {
            return None;
        }
        let mut edits = Vec::new();
        if name > at + 1 {
            edits.push(Edit { start: self.token(at + 1)?.start, end: self.token(name)?.start, text: String::new() });
        }
        let last = close.unwrap_or(name);
        let (kind, end) = match (self.text(name + 1), close) {
            ("=", Some(close)) => {
                edits.push(self.edit(name + 1, close, format!("in {HOLE}"))?);
                (Habit::Counting(self.text(name).to_owned()), close)
            }
            (word @ ("of" | "in"), _) => {
                if word == "in" && edits.is_empty() {
                    return None;
                }
                edits.push(self.edit(name + 1, name + 1, "in")?);
                if let Some(close) = close {
                    edits.push(self.edit(close, close, "")?);
                }
                (Habit::LoopHead(self.text(name).to_owned()), last.max(name + 1))
            }
            _ => return None,
        };
        Some((self.found(at, end, kind, edits)?, end + 1))
    }

    /// `for x, index in xs`
    pub(super) fn loop_index(&self, at: usize) -> Option<(Found, usize)> {
        let names = (self.is_name(at + 1), self.text(at + 2), self.is_name(at + 3), self.text(at + 4));
        if names != (true, ",", true, "in") {
            return None;
        }
        let (one, other) = (self.text(at + 1).to_owned(), self.text(at + 3).to_owned());
        let open = (at + 5..at + FAR).find(|index| self.text(*index) == "{")?;
        // `for x in … { let index = …`: both are bound, to what is not known.
        let (start, end) = (self.token(at + 4)?.start, self.token(open)?.end);
        let edits = vec![
            self.edit(at + 2, at + 2, format!(" in {HOLE} {{ let"))?,
            Edit { start, end, text: format!("= {HOLE}") },
        ];
        Some((self.found(at + 1, at + 3, Habit::LoopIndex(one, other), edits)?, at + 4))
    }

    /// `if a > 1 then log "x" end`
    pub(super) fn then(&self, at: usize) -> Option<(Found, usize)> {
        let line = self.statement_end(at);
        let then = (at + 2..=line).find(|index| self.text(*index) == "then" && self.is_value_end(index - 1))?;
        if !self.is_first(at) || matches!(self.text(then + 1), "{" | "." | "(") {
            return None;
        }
        let indent = self.token(at)?.indent;
        let is_end = |index: &usize| {
            let token = self.token(*index);
            let is_own = token.is_some_and(|token| !token.first || token.indent == indent);
            matches!(self.text(*index), "end" | "endif" | "fi") && is_own
        };
        let end = (then + 1..self.tokens.len()).take(FAR).find(is_end);
        let mut edits = vec![self.edit(then, then, "{")?];
        let last = end.unwrap_or(line);
        for otherwise in (then + 1..last).filter(|index| self.text(*index) == "else" && self.text(index + 1) != "{") {
            edits.push(self.edit(otherwise, otherwise, "} else {")?);
        }
        edits.push(match end {
            Some(end) => self.edit(end, end, "}")?,
            None => self.after(line, " }")?,
        });
        Some((self.found(then, then, Habit::Then, edits)?, then + 1))
    }

    /// `do { … } while (…)`
    pub(super) fn do_while(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || self.text(at + 1) != "{" {
            return None;
        }
        let close = self.closing(at + 1)?;
        if !matches!(self.text(close + 1), "while" | "until") {
            return None;
        }
        let end = self.statement_end(close + 1);
        let (problem, edits) = self.found(at, at, Habit::ArrowBlock, vec![self.edit(at, end, HOLE)?])?;
        Some(((crate::Problem { kind: ProblemKind::Endless, ..problem }, edits), end + 1))
    }

    /// `match x { case 1 => …  default -> … }`
    pub(super) fn arms(&self, at: usize) -> Option<(Found, usize)> {
        let open = (at + 1..at + 30).find(|index| self.text(*index) == "{")?;
        let close = self.closing(open)?;
        let (mut depth, mut edits) = (0usize, Vec::new());
        let (mut first, mut has_word) = (None, false);
        // Whether the pattern of an arm may begin, or goes on.
        let (mut is_start, mut is_pattern) = (true, false);
        for index in open + 1..close {
            let token = self.token(index)?;
            let text = self.text(index);
            if depth == 0 && (is_start || (token.first && (self.is_word(index) || self.is_value_end(index)))) {
                is_pattern = true;
                let has_pattern = !matches!(self.text(index + 1), "=>" | "->" | ":" | "as" | "if" | "|" | ".");
                if text == "case" && has_pattern {
                    edits.push(self.drop(index)?);
                    (first, has_word) = (first.or(Some(index)), true);
                } else if matches!(text, "default" | "else") && !has_pattern {
                    edits.push(self.edit(index, index, "_")?);
                    (first, has_word) = (first.or(Some(index)), true);
                }
            }
            is_start = depth == 0 && text == ",";
            if depth == 0 && is_pattern && matches!(text, "=>" | "->" | ":") {
                is_pattern = false;
                if text != "=>" {
                    edits.push(self.edit(index, index, "=>")?);
                    first = first.or(Some(index));
                }
            }
            depth = if opens(token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(token))) };
        }
        if !has_word && edits.len() < 2 {
            return None;
        }
        let first = first?;
        Some((self.found(first, first, Habit::Arms, edits)?, at + 1))
    }

    /// `if x > 1:` and lines that are indented more.
    pub(super) fn colon(&self, at: usize) -> Option<(Found, usize)> {
        let line = self.token(at)?.line;
        let start =
            (0..at).rev().take(40).take_while(|index| self.token(*index).is_some_and(|t| t.line == line)).last()?;
        let is_head = matches!(
            self.text(start),
            "if" | "elif" | "else" | "for" | "while" | "try" | "except" | "flow" | "fn" | "def"
        );
        let next = self.token(at + 1)?;
        let indent = self.token(start)?.indent;
        if !is_head || !self.is_first(start) || !next.first || next.indent <= indent {
            return None;
        }
        let ends = |index: &usize| self.token(*index).is_some_and(|token| token.first && token.indent <= indent);
        let last = (at + 1..self.tokens.len()).take(FAR).find(ends).unwrap_or(self.tokens.len()) - 1;
        let edits = vec![self.edit(at, at, " {")?, self.after(last, " }")?];
        Some((self.found(at, at, Habit::Colon(0), edits)?, at + 1))
    }
}
