//! What a `test` expects, as the tools of other languages say it.

use super::{Found, Search};
use crate::{
    problem::{Edit, Habit, ProblemKind},
    scan::HOLE,
    token::{TokenKind, closes},
};

impl Search<'_> {
    /// `expect result == "x"`, `expect files.read called twice`, `expect log …`
    pub(super) fn expectation(&self, at: usize) -> Option<(Found, usize)> {
        // `test "…" for flow {`
        let head = self.opening(at).and_then(|open| open.checked_sub(2));
        if !self.is_first(at) || head.is_none_or(|head| self.text(head) != "for") {
            return None;
        }
        match self.text(at + 1) {
            "result" => self.compared(at),
            "never" if self.text(at + 2) != "{" && self.text(at + 2) != "called" => self.never_before(at),
            "run" if self.text(at + 2) == "failed" => self.failed_record(at + 2, "expect run failed"),
            "emitted" if self.is_word(at + 2) => self.emitted(at),
            "fail" | "fails" | "failed" | "failure" if self.text(at + 2) != "." => self.in_words(at, "run failed"),
            "completed" | "completes" | "success" | "succeeded" | "finished" if self.is_last(at + 1) => {
                self.in_words(at, "run completed")
            }
            "emit" | "emits" | "event" if self.is_word(at + 2) && !self.is_last(at + 1) => {
                self.emitted(at).or_else(|| self.in_words(at, "emitted"))
            }
            word @ ("log" | "emit" | "event" | "logs" | "events" | "output" | "(") => {
                // A connection may be called so.
                if self.text(at + 2) == "." {
                    return self.how_often(at);
                }
                let end = self.statement_end(at);
                let word = if word == "(" { String::new() } else { word.to_owned() };
                Some((self.found(at + 1, end, Habit::Expect(word), vec![self.edit(at, end, HOLE)?])?, end + 1))
            }
            _ => self.how_often(at),
        }
    }

    /// `expect fail Refused`, `expect completed`, `expect emit order.paid`
    fn in_words(&self, at: usize, words: &str) -> Option<(Found, usize)> {
        let end = self.statement_end(at);
        let rest = if end > at + 1 { self.source(at + 2, end).map(|rest| format!(" {rest}")) } else { None };
        let meant = format!("expect {words}{}", rest.unwrap_or_default());
        let fix = vec![self.edit(at + 1, at + 1, words)?];
        let found = self.found(at + 1, at + 1, Habit::ExpectWords(meant), vec![self.edit(at, end, HOLE)?])?;
        Some((self.fixed(found, fix), end + 1))
    }

    /// `expect emitted order.paid { … }`, `expect emitted order.paid contains { … }`
    fn emitted(&self, at: usize) -> Option<(Found, usize)> {
        let end = self.statement_end(at);
        let fields = (at + 2..=end).find(|index| matches!(self.text(*index), "{" | "contains" | "with"))?;
        let fields_edit = match self.text(fields) {
            "{" => self.edit(fields, fields, "with {")?,
            "contains" => self.edit(fields, fields, "with")?,
            _ => return None,
        };
        let meant = format!("expect emitted {} with {{ … }}", self.source(at + 2, fields - 1)?);
        let found = self.found(fields, fields, Habit::ExpectWords(meant), vec![self.edit(at, end, HOLE)?])?;
        let verb_edit = (self.text(at + 1) != "emitted").then(|| self.edit(at + 1, at + 1, "emitted"));
        let fix = verb_edit.into_iter().flatten().chain([fields_edit]).collect();
        Some((self.fixed(found, fix), end + 1))
    }

    /// `stub c.operation fails Rejected { message: "no" }`
    pub(super) fn stub_fails(&self, at: usize) -> Option<(Found, usize)> {
        let fails = (at + 2..=self.statement_end(at)).find(|index| self.text(*index) == "fails")?;
        let is_test =
            self.opening(at).and_then(|open| open.checked_sub(2)).is_some_and(|head| self.text(head) == "for");
        if self.is_first(at) && is_test { self.failed_record(fails, "fails") } else { None }
    }

    /// The fields of an error in braces, after `failed` or `fails`; `words` are those before the error.
    fn failed_record(&self, at: usize, words: &str) -> Option<(Found, usize)> {
        let ((mut problem, edits), beyond) = self.fail_record(at)?;
        if let ProblemKind::Habit(Habit::FailRecord(meant)) = &problem.kind {
            let meant = meant.replacen("fail", words, 1);
            problem.kind = ProblemKind::Habit(Habit::ExpectWords(meant));
        }
        Some(((problem, edits), beyond))
    }

    /// Says whether a statement ends with a token.
    fn is_last(&self, at: usize) -> bool {
        self.token(at + 1).is_none_or(|next| next.first || closes(next))
    }

    /// `expect result == "x"`, `expect result.a == "x"`
    fn compared(&self, at: usize) -> Option<(Found, usize)> {
        let is_field = self.text(at + 2) == "." && self.is_word(at + 3);
        if is_field && matches!(self.text(at + 4), "==" | "=" | "is" | "equals") {
            let end = self.statement_end(at);
            let meant = format!("expect result {{ {}: {} }}", self.text(at + 3), self.source(at + 5, end)?);
            let fix = vec![self.edit(at, end, meant.as_str())?];
            let hole = vec![self.edit(at, end, HOLE)?];
            let found = self.found(at + 1, at + 4, Habit::ExpectField(meant), hole)?;
            return Some((self.fixed(found, fix), end + 1));
        }
        let last = match (self.text(at + 2), self.text(at + 3)) {
            ("==" | "=" | ":" | "is" | "equals" | "contains", _) => at + 2,
            ("to", "be" | "equal") => at + 3,
            _ => return None,
        };
        let (start, end) = (self.token(at + 1)?.end, self.token(last)?.end);
        let edit = Edit { start, end, text: String::new() };
        Some((self.found(at + 2, last, Habit::ExpectResult, vec![edit])?, last + 1))
    }

    /// `expect never files.write called`
    fn never_before(&self, at: usize) -> Option<(Found, usize)> {
        let end = self.statement_end(at);
        let called = (at + 2..=end).find(|index| self.text(*index) == "called")?;
        let meant = format!("expect {} never", self.source(at + 2, called)?);
        let drop = self.drop(at + 1)?;
        let found = self.found(at + 1, at + 1, Habit::HowOften(meant), vec![drop.clone()])?;
        Some((self.fixed(found, vec![drop, self.after(called, " never")?]), called + 1))
    }

    /// `called twice`, `called 0 times`, `called 3`, `not called`
    fn how_often(&self, at: usize) -> Option<(Found, usize)> {
        let end = self.statement_end(at);
        let called = (at + 2..=end).find(|index| self.text(*index) == "called")?;
        if self.text(called - 1) == "not" {
            let meant = "called never".to_owned();
            let drop = self.drop(called - 1)?;
            let found = self.found(called - 1, called, Habit::HowOften(meant), vec![drop.clone()])?;
            return Some((self.fixed(found, vec![drop, self.after(called, " never")?]), called + 1));
        }
        let next = called + 1;
        let has_times = matches!(self.text(next + 1), "times" | "time");
        let last = next + usize::from(has_times);
        let times = match self.text(next) {
            _ if next > end => return None,
            "twice" => "2 times",
            "thrice" => "3 times",
            "0" | "1" if self.text(last) == "times" => return None,
            "0" | "zero" | "not" => "never",
            "1" | "one" => "once",
            count if !has_times && self.token(next)?.kind == TokenKind::Number => {
                let meant = format!("called {count} times");
                let edit = self.after(next, " times")?;
                return Some((self.found(next, next, Habit::HowOften(meant), vec![edit])?, next + 1));
            }
            count if self.text(last) == "time" && self.token(next)?.kind == TokenKind::Number => {
                let meant = format!("called {count} times");
                let edit = self.edit(last, last, "times")?;
                let drop = self.edit(next, last, "")?;
                let found = self.found(next, last, Habit::HowOften(meant), vec![drop])?;
                return Some((self.fixed(found, vec![edit]), last + 1));
            }
            _ => return None,
        };
        let found =
            self.found(next, last, Habit::HowOften(format!("called {times}")), vec![self.edit(next, last, "")?])?;
        Some((self.fixed(found, vec![self.edit(next, last, times)?]), last + 1))
    }
}
