//! Items and triggers as other languages and tools write them.

use super::{Found, Search};
use crate::{
    problem::{Edit, Habit},
    scan::HOLE,
    token::ITEMS,
};

impl Search<'_> {
    /// `type Lead = { … }`
    pub(super) fn alias(&self, at: usize) -> Option<(Found, usize)> {
        let is_item = self.token(at)?.first && self.is_word(at + 1) && self.text(at + 2) == "=";
        if !is_item || self.text(at + 3) != "{" {
            return None;
        }
        let edits = vec![self.edit(at, at, "record")?, self.edit(at + 2, at + 2, "")?];
        Some((self.found(at, at, Habit::Alias(self.text(at + 1).to_owned()), edits)?, at + 3))
    }

    /// `const limit`, `const limit: Int`
    pub(super) fn no_value(&self, at: usize) -> Option<(Found, usize)> {
        if !self.token(at)?.first || self.token(at)?.indent > 0 || !self.is_word(at + 1) {
            return None;
        }
        let last = match self.text(at + 2) {
            ":" => at + 3,
            _ => at + 1,
        };
        let next = self.token(last + 1);
        let ends = next.is_none_or(|next| next.first && next.indent == 0 && ITEMS.contains(&next.text(self.source)));
        if !ends || !self.is_word(last) {
            return None;
        }
        let end = self.token(last)?.end;
        let edit = Edit { start: end, end, text: format!(" = {HOLE}") };
        let name = self.source(at + 1, last)?.to_owned();
        Some((self.found(at + 1, at + 1, Habit::NoValue(name), vec![edit])?, last + 1))
    }

    /// `enum Tier = "pro" | "standard"`
    pub(super) fn choice(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || !self.is_word(at + 1) || self.text(at + 2) != "=" {
            return None;
        }
        let end = self.statement_end(at);
        let named = |index: &usize| {
            let text = self.text(*index).trim_matches('"');
            let mut letters = text.chars();
            let first = letters.next().filter(char::is_ascii_alphabetic)?;
            Some(format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
        };
        let names: Vec<String> = (at + 3..=end).filter_map(|index| named(&index)).collect();
        let text = format!("{} {{ {} }}", self.text(at + 1), names.join(", "));
        let found = self.found(
            at + 2,
            at + 2,
            Habit::Choice(text.clone()),
            vec![self.edit(at + 2, end, format!("{{ {HOLE} }}"))?],
        )?;
        Some((self.fixed(found, vec![self.edit(at + 1, end, text)?]), end + 1))
    }

    /// `import { slack } from "slack"`, `from slack import chat`
    pub(super) fn import(&self, at: usize) -> Option<(Found, usize)> {
        let is_item = self.is_first(at) && self.token(at)?.indent == 0;
        let end = self.statement_end(at);
        let from = (at..=end).find(|index| self.text(*index) == "from")?;
        if !is_item {
            return None;
        }
        let names: Vec<&str> =
            (at + 1..end).filter(|index| self.is_name(*index)).map(|index| self.text(index)).collect();
        if self.is_text(end) && from == end - 1 {
            let module = self.text(end).trim_matches('"');
            if module.starts_with('.') {
                let text = format!("use \"{}.flow\" {{ {} }}", module.trim_end_matches(".flow"), names.join(", "));
                return self.imported(at, end, text, vec![self.edit(at, end, "")?]);
            }
            if names.first().is_some_and(|name| *name == module) && names.len() == 1 {
                let name = (at + 1..end).find(|index| self.is_name(*index))?;
                let head = Edit { start: self.token(at)?.start, end: self.token(name)?.start, text: "use ".to_owned() };
                let tail = Edit { start: self.token(name)?.end, end: self.token(end)?.end, text: String::new() };
                return self.imported(at, end, format!("use {module}"), vec![head, tail]);
            }
            return self.imported(at, end, format!("use {module}"), vec![self.edit(at, end, "")?]);
        }
        if from == at && self.is_name(at + 1) && self.text(at + 2) == "import" {
            let edits = vec![self.edit(at, at, "use")?, self.edit(at + 2, end, "")?];
            return self.imported(at, end, format!("use {}", self.text(at + 1)), edits);
        }
        None
    }

    /// `const slack = require("slack")`
    pub(super) fn require(&self, at: usize) -> Option<(Found, usize)> {
        let is_call = self.text(at + 2) == "=" && self.text(at + 3) == "require" && self.text(at + 4) == "(";
        if !is_call || !self.is_first(at) || !self.is_name(at + 1) {
            return None;
        }
        let end = self.closing(at + 4)?;
        let edits = vec![self.edit(at, at, "use")?, self.edit(at + 2, end, "")?];
        self.imported(at, end, format!("use {}", self.text(at + 1)), edits)
    }

    fn imported(&self, at: usize, end: usize, text: String, edits: Vec<Edit>) -> Option<(Found, usize)> {
        Some((self.found(at, at, Habit::Import(text), edits)?, end + 1))
    }

    /// `async flow f`, `export flow f`
    pub(super) fn modifier(&self, at: usize, word: &str) -> Option<(Found, usize)> {
        let is_modifier = matches!(
            word,
            "async" | "export" | "public" | "pub" | "private" | "static" | "abstract" | "final" | "default" | "declare"
        );
        let is_next = |index| ITEMS.contains(&self.text(index)) || self.text(index) == "function";
        let last = if is_next(at + 1) { at } else { at + 1 };
        let is_before = is_next(last + 1) && !self.is_first(last + 1) && self.is_word(last);
        if !is_modifier || !is_before || !self.is_first(at) || (word == "private" && last == at) {
            return None;
        }
        let edit = Edit { start: self.token(at)?.start, end: self.token(last + 1)?.start, text: String::new() };
        Some((self.found(at, last, Habit::Modifier, vec![edit])?, last + 1))
    }

    /// A file whose first line is a key of YAML.
    pub(super) fn yaml(&self, at: usize) -> Option<(Found, usize)> {
        let is_item = |index: usize| {
            let token = self.token(index);
            token.is_some_and(|token| token.first && token.indent == 0 && ITEMS.contains(&token.text(self.source)))
        };
        if at != 0
            || self.text(1) != ":"
            || (0..self.tokens.len()).any(|index| is_item(index) && self.text(index + 1) != ":")
        {
            return None;
        }
        let last = self.tokens.len() - 1;
        Some((self.found(0, 1, Habit::Yaml, vec![self.edit(0, last, "")?])?, last + 1))
    }

    /// `on: every 15m`, `on every "15m"`, `on webhook "/leads"`
    pub(super) fn trigger(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || self.depth.get() == 0 {
            return None;
        }
        if self.text(at + 1) == ":" && self.touch(at) {
            let end = self.statement_end(at + 1);
            let rest = self.source(at + 2, end.max(at + 2))?.lines().next().unwrap_or_default().to_owned();
            return Some((
                self.found(at + 1, at + 1, Habit::TriggerColon(rest), vec![self.edit(at + 1, at + 1, "")?])?,
                at + 2,
            ));
        }
        if let Some(alone) = self.every_alone(at) {
            return Some(alone);
        }
        if self.text(at + 1) == "every" && self.is_text(at + 2) {
            let time = self.text(at + 2).trim_matches('"').to_owned();
            let is_time =
                time.ends_with(['s', 'm', 'h', 'd']) && time.starts_with(|first: char| first.is_ascii_digit());
            let edit = self.edit(at + 2, at + 2, if is_time { &time } else { HOLE })?;
            return Some((self.found(at + 2, at + 2, Habit::EveryText, vec![edit])?, at + 3));
        }
        let is_web =
            matches!(self.text(at + 1), "webhook" | "request" | "api" | "rest" | "post" | "get" | "POST" | "GET");
        let is_time = matches!(self.text(at + 1), "schedule" | "timer" | "interval" | "daily" | "hourly");
        let is_hand = matches!(self.text(at + 1), "manual" | "call" | "start");
        if !(is_web || is_time || is_hand) || self.text(at + 2) == "." {
            return None;
        }
        let end = self.statement_end(at + 1);
        let end = (at + 2..=end).find(|index| matches!(self.text(*index), "as" | "{")).map_or(end, |next| next - 1);
        let edit = self.edit(at + 1, end, HOLE)?;
        let word = self.text(at + 1).to_owned();
        Some((self.found(at + 1, at + 1, Habit::Trigger(word), vec![edit])?, end + 1))
    }
}
