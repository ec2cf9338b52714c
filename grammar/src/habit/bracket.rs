//! Brackets where Flow has others, or none: statements called like functions, settings in parentheses, arguments in braces.

use super::{Found, Search};
use crate::{
    problem::{Edit, Habit},
    scan::HOLE,
    token::{CONTROL, STATEMENTS},
};

impl Search<'_> {
    /// `respond(200, { … })`, `dead_letter(failed, { … })`
    pub(super) fn statement_call(&self, at: usize) -> Option<(Found, usize)> {
        let open = at + 1;
        let close = self.closing(open)?;
        let comma = self.commas(open, close).next()?;
        let is_call = self.is_first(at) && self.text(open) == "(" && self.touch(at);
        let is_last = self.token(close + 1).is_none_or(|next| next.first || self.text(close + 1) == "}");
        if !is_call || !is_last {
            return None;
        }
        let word = self.text(at).to_owned();
        let edits = vec![self.edit(open, open, " ")?, self.edit(comma, comma, "")?, self.edit(close, close, "")?];
        Some((self.found(open, close, Habit::StatementCall(word), edits)?, comma + 1))
    }

    /// `dead_letter "failed" { … }`
    pub(super) fn queue_text(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || !self.is_text(at + 1) {
            return None;
        }
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
        let name: String = self.text(at + 1).trim_matches('"').chars().map(letter).collect();
        let fix = vec![self.edit(at + 1, at + 1, name.as_str())?];
        let hole = vec![self.edit(at + 1, at + 1, HOLE)?];
        Some((self.fixed(self.found(at + 1, at + 1, Habit::QueueText(name), hole)?, fix), at + 2))
    }

    /// `match { a > 5 => … }`
    pub(super) fn no_subject(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != "{" || self.text(at + 3) == ":" {
            return None;
        }
        let close = self.closing(at + 1)?;
        let has_arms = (at + 2..close).any(|index| self.text(index) == "=>" && self.opening(index) == Some(at + 1));
        if !has_arms || self.text(close + 1) == "{" {
            return None;
        }
        Some((self.found(at, at, Habit::NoSubject, vec![self.edit(at, close, HOLE)?])?, close + 1))
    }

    /// `with (timeout: 3s)`
    pub(super) fn with_call(&self, at: usize) -> Option<(Found, usize)> {
        let open = at + 1;
        if self.text(open) != "(" || !self.is_word(at + 2) || self.text(at + 3) != ":" {
            return None;
        }
        let edits = self.braced(open, self.closing(open)?)?;
        Some((self.found(open, open, Habit::WithCall, edits)?, open + 1))
    }

    /// `given { id: 1, name: "Ada" }`
    pub(super) fn given_record(&self, at: usize) -> Option<(Found, usize)> {
        let open = at + 1;
        let is_given =
            self.is_first(at) && self.text(open) == "{" && self.is_word(open + 1) && self.text(open + 2) == ":";
        if !is_given {
            return None;
        }
        let close = self.closing(open)?;
        let mut edits = vec![self.drop(open)?];
        for comma in self.commas(open, close) {
            edits.push(self.edit(comma, comma, if comma + 1 == close { "" } else { " given" })?);
        }
        edits.push(self.edit(close, close, "")?);
        let name = self.text(open + 1).to_owned();
        Some((self.found(open, open, Habit::GivenRecord(name), edits)?, open + 1))
    }

    /// `step slack.chat.post_message { channel: "#a" }`, `step notify { … }`
    pub(super) fn step_braces(&self, at: usize) -> Option<(Found, usize)> {
        let begins = self.is_first(at) || matches!(at.checked_sub(1).map(|before| self.text(before)), Some("{" | "}"));
        if self.text(at + 1) == "=" || !begins {
            return None;
        }
        let call = at + 1 + if self.text(at + 2) == "=" { 2 } else { 0 };
        let last = self.path_end(call)?;
        let open = last + 1;
        if !self.is_name(call) || self.text(open) != "{" || self.is_first(open) {
            return None;
        }
        let close = self.closing(open)?;
        if last > call && matches!(self.text(open + 2), ":" | ",") && self.is_word(open + 1) {
            let called = self.source(call, last)?.to_owned();
            let start = Edit { start: self.token(last)?.end, end: self.token(open)?.end, text: "(".to_owned() };
            let edits = vec![start, self.edit(close, close, ")")?];
            return Some((self.found(open, open, Habit::StepBraces(called), edits)?, open + 1));
        }
        let is_statement = STATEMENTS.contains(&self.text(open + 1)) || CONTROL.contains(&self.text(open + 1));
        let is_block =
            last == call && (self.is_name(open + 1) || is_statement) && !matches!(self.text(open + 2), ":" | "," | "}");
        if !is_block {
            return None;
        }
        let name = self.text(call).to_owned();
        let edits = vec![self.edit(at, at, "let")?, self.edit(open, close, format!("= {HOLE}"))?];
        Some((self.found(open, open, Habit::StepBlock(name), edits)?, close + 1))
    }

    /// `(x: Int) -> x + 1`
    pub(super) fn typed_lambda(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        if !matches!(self.text(before), "(" | "," | "=" | ":") || self.text(at + 2) != ":" || !self.is_name(at + 1) {
            return None;
        }
        let close = self.closing(at)?;
        if self.text(close + 1) != "->" {
            return None;
        }
        let ends: Vec<usize> = self.commas(at, close).chain([close]).collect();
        let (mut names, mut edits, mut name) = (Vec::new(), Vec::new(), at + 1);
        for end in ends {
            if self.text(name + 1) == ":" {
                names.push(self.text(name));
                let (start, end) = (self.token(name)?.end, self.token(end - 1)?.end);
                edits.push(Edit { start, end, text: String::new() });
            }
            name = end + 1;
        }
        let habit = Habit::TypedLambda(names.join(", "));
        Some((self.found(at + 2, at + 2, habit, edits)?, close + 1))
    }

    /// The commas that stand in a bracket and in none within it.
    pub(super) fn commas(&self, open: usize, close: usize) -> impl Iterator<Item = usize> {
        let is_own = move |index: &usize| self.text(*index) == "," && self.opening(*index) == Some(open);
        (open + 1..close).filter(is_own)
    }
}
