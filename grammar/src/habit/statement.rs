//! Statements as other languages write them: awaiting, throwing, declaring, counting up.

use super::{FAR, Found, Search};
use crate::{
    problem::{Edit, Habit},
    scan::HOLE,
    token::{CONTROL, STATEMENTS, TokenKind, closes, opens},
};

impl Search<'_> {
    /// `await slack.chat.post_message(…)`, `let sent = await …`
    pub(super) fn awaited(&self, at: usize) -> Option<(Found, usize)> {
        let is_bound = at >= 3 && self.text(at - 1) == "=" && self.is_word(at - 2);
        let start = if is_bound { at - 3 } else { at };
        let is_statement =
            self.is_first(start) && matches!(self.text(start), "let" | "const" | "var" | "step" | "await");
        if !is_statement {
            return None;
        }
        if self.text(at + 1) == "Promise" {
            let end = self.statement_end(at);
            return Some((self.found(at, at + 1, Habit::Await(true), vec![self.edit(start, end, HOLE)?])?, end + 1));
        }
        let edits = match self.text(start) {
            "step" => vec![self.drop(at)?],
            "await" => vec![self.edit(at, at, "step")?],
            _ => vec![self.edit(start, start, "step")?, self.drop(at)?],
        };
        Some((self.found(at, at, Habit::Await(false), edits)?, at + 1))
    }

    /// `fail "gone"`
    pub(super) fn fail_text(&self, at: usize) -> Option<(Found, usize)> {
        let is_text = self.is_text(at + 1) || self.token(at + 1)?.kind == TokenKind::TextOpen;
        let is_statement = self.is_first(at) || matches!(self.text(at.checked_sub(1)?), "else" | "{" | "=>" | "}");
        if !is_text || !is_statement || self.is_first(at + 1) {
            return None;
        }
        let end = if self.is_text(at + 1) { at + 1 } else { self.statement_end(at) };
        Some((self.found(at + 1, end, Habit::FailText, vec![self.edit(at, end, format!("return {HOLE}"))?])?, end + 1))
    }

    /// `fail Refused { why: "x" }`, `fail new Refused("x")`
    pub(super) fn fail_record(&self, at: usize) -> Option<(Found, usize)> {
        let is_new = self.text(at + 1) == "new";
        let name = at + 1 + usize::from(is_new);
        let open = self.path_end(name)? + 1;
        if self.is_first(name) {
            return None;
        }
        let error = self.source(name, open - 1)?.to_owned();
        let mut edits = Vec::new();
        let mut last = name;
        if is_new {
            edits.push(self.drop(at + 1)?);
        }
        let is_field = matches!(self.text(open + 2), ":" | "," | "}") && self.is_word(open + 1);
        let ends = |close: usize| {
            self.token(close + 1).is_none_or(|next| next.first || closes(next) || self.text(close + 1) == ",")
        };
        if self.text(open) == "{" && !self.is_first(open) && is_field && self.closing(open).is_some_and(ends) {
            let close = self.closing(open)?;
            let (before, first) = (self.token(open - 1)?.end, self.token(open + 1)?.start);
            let (end, after) = (self.token(close - 1)?.end, self.token(close)?.end);
            edits.push(Edit { start: before, end: first, text: "(".to_owned() });
            edits.push(Edit { start: end, end: after, text: ")".to_owned() });
            last = close;
        }
        if edits.is_empty() {
            return None;
        }
        let field = match self.text(open + 2) {
            ":" => self.text(open + 1),
            _ => "why",
        };
        let meant = format!("fail {error}({field}: …)");
        Some((self.found(at + 1, last, Habit::FailRecord(meant), edits)?, open))
    }

    /// `undo step x.delete(…)`, `undo { … }`
    pub(super) fn undo(&self, at: usize) -> Option<(Found, usize)> {
        let step = match self.text(at + 1) {
            "step" => at + 1,
            "{" if self.text(at + 2) != "}" && self.text(at + 3) != ":" => at + 2,
            _ => return None,
        };
        let call = step + 1 + if self.text(step + 2) == "=" { 2 } else { 0 };
        if step == at + 1 {
            let edit = Edit { start: self.token(step)?.start, end: self.token(call)?.start, text: String::new() };
            return Some((self.found(step, step, Habit::UndoStatement, vec![edit])?, call));
        }
        let close = self.closing(at + 1)?;
        let is_one = self.text(step) == "step" && self.statement_end(step) == close - 1 && self.is_name(call);
        let edits = if is_one {
            let (open, first) = (self.token(at + 1)?.start, self.token(call)?.start);
            let (end, after) = (self.token(close - 1)?.end, self.token(close)?.end);
            vec![
                Edit { start: open, end: first, text: String::new() },
                Edit { start: end, end: after, text: String::new() },
            ]
        } else {
            vec![self.edit(at + 1, close, HOLE)?]
        };
        let next = if is_one { call } else { close + 1 };
        Some((self.found(at + 1, at + 1, Habit::UndoStatement, edits)?, next))
    }

    /// `wait 3d`, `let e = wait order.paid`, `wait order.paid`, `step e = wait for order.paid`
    pub(super) fn waiting(&self, at: usize) -> Option<(Found, usize)> {
        let next = self.token(at + 1).filter(|next| !next.first)?;
        if self.is_first(at) && next.kind == TokenKind::Number {
            let meant = format!("sleep {}", self.text(at + 1));
            return Some((self.found(at, at, Habit::Sleep(meant), vec![self.edit(at, at, "sleep")?])?, at + 2));
        }
        let has_for = self.text(at + 1) == "for" && self.is_name(at + 2);
        let event = at + 1 + usize::from(has_for);
        let before = at.checked_sub(1).map_or("", |before| self.text(before));
        let is_of_test = matches!(before, "stub" | "expect" | "before" | "after")
            || self.opening(at).is_some_and(|open| self.text(self.line_start(open)) == "test");
        if is_of_test || !self.is_name(event) || !matches!(self.text(event + 1), "." | "where" | "for") {
            return None;
        }
        let (start, edit) = self.as_step(at)?;
        let mut edits: Vec<Edit> = edit.into_iter().collect();
        if has_for {
            edits.push(self.drop(at + 1)?);
        }
        if edits.is_empty() {
            return None;
        }
        let last = self.path_end(event)?;
        let name = start.map_or("e", |start| self.text(start + 1));
        let meant = format!("step {name} = wait {}", self.source(event, last)?);
        let told = if start.is_some() && !has_for { start?..=start? } else { at..=if has_for { at + 1 } else { at } };
        Some((self.found(*told.start(), *told.end(), Habit::Wait(meant), edits)?, event))
    }

    /// `let x = approve(…) for 3d`, `approve(…) for 3d`
    pub(super) fn approval(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != "(" || self.text(self.closing(at + 1)? + 1) != "for" {
            return None;
        }
        let (start, edit) = self.as_step(at)?;
        let name = start.map_or("answer", |start| self.text(start + 1));
        let meant = format!("step {name} = approve(…) for …");
        let told = start.unwrap_or(at);
        Some((self.found(told, told, Habit::Approval(meant), vec![edit?])?, at + 1))
    }

    /// What makes a step of what is bound by `let`, or stands alone, and where that begins if it is bound; no edit where it
    /// is one.
    fn as_step(&self, at: usize) -> Option<(Option<usize>, Option<Edit>)> {
        let start = at.checked_sub(3).filter(|start| self.text(at - 1) == "=" && self.is_first(*start));
        let edit = match start.map(|start| self.text(start)) {
            Some("let") => Some(self.edit(start?, start?, "step")?),
            Some("step") => None,
            _ if self.is_first(at)
                && at.checked_sub(1).is_none_or(|before| !matches!(self.text(before), "step" | "=")) =>
            {
                Some(self.before(at, "step ")?)
            }
            _ => return None,
        };
        Some((start, edit))
    }

    /// `step emit …`, `step log …`
    pub(super) fn step_statement(&self, at: usize) -> Option<(Found, usize)> {
        let word = self.text(at + 1);
        let is_statement =
            matches!(word, "emit" | "log" | "sleep" | "respond" | "return" | "fail" | "dead_letter" | "let");
        // A step may be called so by mistake.
        if !is_statement || !self.is_first(at) || matches!(self.text(at + 2), "=" | "." | "(" | ":") {
            return None;
        }
        Some((self.found(at, at, Habit::StepStatement(word.to_owned()), vec![self.drop(at)?])?, at + 1))
    }

    /// `parallel { step a = …, step b = …, }`
    pub(super) fn statement_commas(&self, at: usize) -> Option<(Found, usize)> {
        let open = (at + 1..at + 5).find(|index| self.text(*index) == "{")?;
        let close = self.closing(open)?;
        let begins = |index: usize| {
            let is_keyword = STATEMENTS.contains(&self.text(index)) || CONTROL.contains(&self.text(index));
            is_keyword && !matches!(self.text(index + 1), ":" | "," | "}")
        };
        if !begins(open + 1) {
            return None;
        }
        let (mut depth, mut commas) = (0usize, Vec::new());
        for index in open + 1..close {
            let token = self.token(index)?;
            if depth == 0 && self.text(index) == "," && (index + 1 == close || begins(index + 1)) {
                commas.push(index);
            }
            depth = if opens(token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(token))) };
        }
        let first = *commas.first()?;
        let edits = commas.iter().filter_map(|comma| self.edit(*comma, *comma, "")).collect();
        Some((self.found(first, first, Habit::StatementCommas(commas.len() - 1), edits)?, at + 1))
    }

    /// `let x = step crm.get(…)`, `step x = step …`, `return step …`, `f(text: step …)`
    pub(super) fn step_inside(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_call = self.is_name(at + 1) && self.text(at + 2) == ".";
        let is_value =
            matches!(self.text(before), "=" | "(" | ":" | "," | "[" | "return" | "if" | "match" | "??" | "in");
        if self.is_first(at) || !is_call || !is_value {
            return None;
        }
        let start = at.checked_sub(3).filter(|start| {
            self.is_first(*start)
                && self.text(before) == "="
                && self.is_name(start + 1)
                && matches!(self.text(*start), "let" | "step")
        });
        if let Some(start) = start {
            let mut edits = vec![self.drop(at)?];
            if self.text(start) == "let" {
                edits.insert(0, self.edit(start, start, "step")?);
            }
            return Some((self.found(at, at, Habit::StepInside(None), edits)?, at + 1));
        }
        let open = (at + 2..at + FAR).find(|index| !self.is_word(*index) && self.text(*index) != ".")?;
        if self.text(open) != "(" {
            return None;
        }
        let called = self.source(at + 1, open - 1)?.to_owned();
        let close = self.closing(open)?;
        Some((self.found(at, at, Habit::StepInside(Some(called)), vec![self.edit(at, close, HOLE)?])?, close + 1))
    }

    /// `let x = y ?? fail Gone()`, `return y || return null`
    pub(super) fn else_sign(&self, at: usize) -> Option<(Found, usize)> {
        let word = at + 1;
        if !matches!(self.text(word), "fail" | "return") || self.is_first(word) {
            return None;
        }
        let start = (0..at).rev().take(FAR).find(|index| self.is_first(*index))?;
        let is_bound = matches!(self.text(start), "let" | "step") && self.opening(at) == self.opening(start);
        let kind = Habit::ElseSign(self.text(at).to_owned(), self.text(word).to_owned(), is_bound);
        if is_bound {
            return Some((self.found(at, at, kind, vec![self.edit(at, at, "else")?])?, word));
        }
        let end = self.statement_end(at);
        Some((self.found(at, word, kind, vec![self.edit(at, end, "")?])?, end + 1))
    }

    /// `throw new Error("…")`, `raise Refused(…)`
    pub(super) fn throw(&self, at: usize) -> Option<(Found, usize)> {
        let name = at + 1 + usize::from(self.text(at + 1) == "new");
        let before = at.checked_sub(1).map_or("", |before| self.text(before));
        // `if (…) throw …`
        let is_branch = !self.is_first(at) && matches!(before, ")" | "else");
        let is_text = self.is_text(name) || self.token(name)?.kind == TokenKind::TextOpen;
        if !(self.is_first(at) || is_branch || matches!(before, "{" | "}")) || !(self.is_word(name) || is_text) {
            return None;
        }
        let word = self.text(name).to_owned();
        let is_general = word.ends_with("Error") || word.ends_with("Exception") || is_text;
        let end = self.statement_end(at);
        // `let x = y else throw …`
        let is_value = before == "else" && at.checked_sub(2).is_some_and(|value| self.text(value) != "}");
        let (open, close) = if is_branch && !is_value { ("{ ", " }") } else { ("", "") };
        let edits = if is_general {
            vec![self.edit(at, end, format!("{open}fail {HOLE}{close}"))?]
        } else {
            let (start, stop) = (self.token(at)?.start, self.token(name)?.start);
            let mut edits = vec![Edit { start, end: stop, text: format!("{open}fail ") }];
            if !close.is_empty() {
                edits.push(self.after(end, close)?);
            }
            edits
        };
        let told = if is_general { None } else { Some(word) };
        Some((self.found(at, at, Habit::Throw(self.text(at).to_owned(), told), edits)?, name + 1))
    }

    /// `let { name, email } = lead`, `let Int x = 1`, `let x == 1`, `const x = 1` in a flow
    pub(super) fn binding(&self, at: usize) -> Option<(Found, usize)> {
        let is_constant = self.text(at) == "const";
        if !self.is_first(at) || (is_constant && self.depth.get() == 0) {
            return None;
        }
        if matches!(self.text(at + 1), "{" | "[") {
            return self.parts(at);
        }
        if self.is_type(at + 1) && self.is_name(at + 2) && matches!(self.text(at + 3), "=" | ":") {
            let text = format!("let {}: {}", self.text(at + 2), self.text(at + 1));
            let found = self.found(
                at + 1,
                at + 1,
                Habit::TypeFirst(text.clone()),
                vec![self.edit(at, at, "let")?, self.drop(at + 1)?],
            )?;
            return Some((self.fixed(found, vec![self.edit(at, at + 2, text)?]), at + 3));
        }
        let is_walrus = self.text(at + 2) == ":" && self.text(at + 3) == "=" && self.touch(at + 2);
        if self.is_name(at + 1) && (self.text(at + 2) == "==" || is_walrus) {
            let last = if is_walrus { at + 3 } else { at + 2 };
            let sign = self.source(at + 2, last)?.to_owned();
            let edits = vec![self.edit(at, at, "let")?, self.edit(at + 2, last, "=")?];
            return Some((
                self.found(at + 2, last, Habit::Binds(sign, self.text(at + 1).to_owned()), edits)?,
                last + 1,
            ));
        }
        let is_step = self.text(at + 3) == "await";
        if is_constant && !is_step && self.is_name(at + 1) && matches!(self.text(at + 2), "=" | ":") {
            let name = self.text(at + 1).to_owned();
            return Some((self.found(at, at, Habit::InnerConst(name), vec![self.edit(at, at, "let")?])?, at + 1));
        }
        None
    }

    /// `let { name, email } = lead`
    fn parts(&self, at: usize) -> Option<(Found, usize)> {
        let close = self.closing(at + 1)?;
        let names: Vec<usize> = (at + 2..close).filter(|index| self.text(*index) != ",").collect();
        if self.text(close + 1) != "=" || names.is_empty() || !names.iter().all(|name| self.is_name(*name)) {
            return None;
        }
        let end = self.statement_end(close + 1);
        // What that is, is told there.
        if matches!(self.text(close + 2), "parallel" | "await") {
            return None;
        }
        let is_list = self.text(at + 1) == "[";
        let of = self.source(close + 2, end)?;
        let part = |place: usize, name: &usize| match is_list {
            true => format!("let {} = {of}[{place}]", self.text(*name)),
            false => format!("let {0} = {of}.{0}", self.text(*name)),
        };
        let lines: Vec<String> = names.iter().enumerate().map(|(place, name)| part(place, name)).collect();
        // Each name is kept, with a value that is not known.
        let mut edits = vec![self.drop(at + 1)?];
        for pair in names.windows(2) {
            let &[one, next] = pair else { continue };
            let (start, end) = (self.token(one)?.end, self.token(next)?.start);
            edits.push(Edit { start, end, text: format!(" = {HOLE} let ") });
        }
        let last = self.token(*names.last()?)?.end;
        edits.push(Edit { start: last, end: self.token(end)?.end, text: format!(" = {HOLE}") });
        let found = self.found(at + 1, close, Habit::Parts(lines.join("  ")), edits)?;
        let space = " ".repeat(self.token(at)?.indent as usize);
        let fix = self.edit(at, end, lines.join(&format!("\n{space}")))?;
        Some((self.fixed(found, vec![fix]), end + 1))
    }

    /// `x := 1`
    pub(super) fn named_late(&self, at: usize) -> Option<(Found, usize)> {
        let name = at.checked_sub(1)?;
        if self.text(at + 1) != "=" || !self.touch(at) || !self.is_first(name) || !self.is_name(name) {
            return None;
        }
        let edits = vec![self.before(name, "let ")?, self.edit(at, at + 1, "=")?];
        Some((self.found(at, at + 1, Habit::Binds(":=".to_owned(), self.text(name).to_owned()), edits)?, at + 2))
    }

    /// `String name` where a field or a parameter stands.
    pub(super) fn type_first(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_type(at) || !self.is_name(at + 1) || self.is_first(at + 1) {
            return None;
        }
        let before = at.checked_sub(1)?;
        let is_place = matches!(self.text(before), "{" | "," | "(") || (self.is_first(at) && self.text(before) != "|");
        // Names stand side by side in `enum` and `use`.
        let are_names = self.opening(at).is_some_and(|open| {
            open >= 2 && (self.text(open - 2) == "enum" || (self.text(open - 2) == "use" && self.is_text(open - 1)))
        });
        // What a connection does in a test, and what a number is counted by.
        let is_invariant =
            matches!(self.text(at + 1), "called" | "succeeded" | "failed" | "fails" | "returns" | "using" | "per");
        if are_names || is_invariant || !is_place {
            return None;
        }
        let next = self.token(at + 2)?;
        if !matches!(self.text(at + 2), "," | "}" | ")") && !next.first {
            return None;
        }
        let text = format!("{}: {}", self.text(at + 1), self.text(at));
        let edits = vec![self.drop(at)?, self.after(at + 1, format!(": {HOLE}"))?];
        let found = self.found(at, at, Habit::TypeFirst(text.clone()), edits)?;
        Some((self.fixed(found, vec![self.edit(at, at + 1, text)?]), at + 2))
    }

    /// `total += x`, `n++`
    pub(super) fn compound(&self, at: usize) -> Option<(Found, usize)> {
        let name = at.checked_sub(1)?;
        let is_double = self.text(at) == self.text(at + 1) && matches!(self.text(at), "+" | "-");
        let is_sign = (self.text(at + 1) == "=" || is_double) && self.touch(at);
        let begins =
            self.is_first(name) || matches!(name.checked_sub(1).map(|before| self.text(before)), Some("{" | "}"));
        if !is_sign || !begins || !self.is_name(name) {
            return None;
        }
        let after = self.token(at + 2);
        if is_double && !after.is_none_or(|after| after.first || closes(after)) {
            return None;
        }
        let end = if is_double { at + 1 } else { self.statement_end(at + 1) };
        let value = self.text(name).to_owned();
        Some((self.found(name, at + 1, Habit::Compound(value), vec![self.edit(name, end, "")?])?, end + 1))
    }

    /// `step "send it" slack.…`
    pub(super) fn step_name(&self, at: usize) -> Option<(Found, usize)> {
        let call = at + 2 + usize::from(matches!(self.text(at + 2), ":" | "="));
        if !self.is_first(at) || !self.is_text(at + 1) || !self.is_name(call) || self.text(call + 1) != "." {
            return None;
        }
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
        let name: String = self.text(at + 1).trim_matches('"').chars().map(letter).collect();
        let (start, end) = (self.token(at + 1)?.start, self.token(call)?.start);
        let found =
            self.found(at + 1, at + 1, Habit::StepName(name.clone()), vec![Edit { start, end, text: String::new() }])?;
        Some((self.fixed(found, vec![Edit { start, end, text: format!("{name} = ") }]), call))
    }

    /// `step … retry 3`
    pub(super) fn inline_policy(&self, at: usize) -> Option<(Found, usize)> {
        let is_after = self.text(at.checked_sub(1)?) == ")" && !self.is_first(at);
        let value = at + 1 + usize::from(matches!(self.text(at + 1), ":" | "="));
        if !is_after || self.token(value)?.kind != TokenKind::Number {
            return None;
        }
        let meant = match self.text(at) {
            "timeout" => format!("timeout: {}", self.text(value)),
            _ => format!("retry {{ times: {} }}", self.text(value)),
        };
        let last = value + usize::from(self.text(value + 1) == "times" && self.text(at) != "timeout");
        let fix = vec![self.edit(at, last, format!("with {{ {meant} }}"))?];
        let found = self.found(at, last, Habit::InlinePolicy(meant), vec![self.edit(at, last, "")?])?;
        Some((self.fixed(found, fix), last + 1))
    }
}
