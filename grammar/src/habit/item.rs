//! Items and triggers as other languages and tools write them.

use super::{FAR, Found, Search};
use crate::{
    problem::{Edit, Habit},
    scan::HOLE,
    token::{ITEMS, RESERVED, TokenKind, closes, opens},
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
        let is_item = self.is_first(at) && self.depth.get() == 0;
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

    /// `use "slack"`, `use stripe as pay`
    pub(super) fn used(&self, at: usize) -> Option<(Found, usize)> {
        let name = self.text(at + 1).trim_matches('"');
        let is_connector = !name.is_empty()
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric());
        if !is_connector || self.is_first(at + 1) {
            return None;
        }
        if self.text(at + 1).starts_with('"') && self.text(at + 2) != "{" {
            let meant = format!("use {name}");
            let found = self.found(at + 1, at + 1, Habit::UseText(meant), vec![self.edit(at, at + 1, HOLE)?])?;
            return Some((self.fixed(found, vec![self.edit(at + 1, at + 1, name)?]), at + 2));
        }
        let is_last = self.token(at + 4).is_none_or(|next| next.first);
        if self.text(at + 2) != "as" || !self.is_name(at + 3) || !is_last {
            return None;
        }
        let connection = format!("connection {} = {name} {{}}", self.text(at + 3));
        let (start, end) = (self.token(at + 1)?.end, self.token(at + 3)?.end);
        let fix = Edit { start, end, text: format!("\n\n{connection}") };
        let edit = Edit { start, end, text: String::new() };
        let found = self.found(at + 2, at + 3, Habit::UseAs(connection), vec![edit])?;
        Some((self.fixed(found, vec![fix]), at + 4))
    }

    /// `connection team = slack(token: …)`
    pub(super) fn connection_call(&self, at: usize) -> Option<(Found, usize)> {
        let open = at + 4;
        let is_call = self.text(at + 2) == "=" && self.is_word(at + 3) && self.text(open) == "(" && self.touch(at + 3);
        if !is_call {
            return None;
        }
        let close = self.closing(open)?;
        let connector = self.text(at + 3).to_owned();
        let edits = self.braced(open, close)?;
        Some((self.found(open, close, Habit::ConnectionCall(connector), edits)?, open + 1))
    }

    /// `flow f fails A, B`
    pub(super) fn fails(&self, at: usize) -> Option<(Found, usize)> {
        let mut last = at + 1;
        let mut commas = Vec::new();
        while let Some(end) = self.path_end(last).filter(|end| *end < at + FAR) {
            last = end;
            match self.text(last + 1) {
                "," if self.is_word(last + 2) => commas.push(last + 1),
                "|" => {}
                _ => break,
            }
            last += 2;
        }
        let first = *commas.first()?;
        let edits = commas.iter().filter_map(|comma| self.edit(*comma, *comma, " |")).collect();
        let meant = self.source(at, last)?.replace(" ,", ",").replace(',', " |");
        Some((self.found(first, first, Habit::FailsCommas(meant), edits)?, last + 1))
    }

    /// `on: RateLimited, Unavailable`
    pub(super) fn kinds_commas(&self, at: usize) -> Option<(Found, usize)> {
        let mut last = at + 2;
        let mut commas = Vec::new();
        if self.text(at + 1) != ":" {
            return None;
        }
        while self.is_type(last) {
            match self.text(last + 1) {
                "," if self.is_type(last + 2) && self.text(last + 3) != ":" => commas.push(last + 1),
                "|" => {}
                _ => break,
            }
            last += 2;
        }
        let first = *commas.first()?;
        let edits = commas.iter().filter_map(|comma| self.edit(*comma, *comma, " |")).collect();
        let meant = self.source(at, last)?.replace(" ,", ",").replace(',', " |");
        Some((self.found(first, first, Habit::KindsCommas(meant), edits)?, last + 1))
    }

    /// `on every 15m tick`: the name of the payload without `as`.
    fn payload_name(&self, at: usize) -> Option<(Found, usize)> {
        let last = match self.text(at + 1) {
            "every" | "file" => at + 2,
            "cron" if self.text(at + 3) == "in" => at + 4,
            "cron" => at + 2,
            "http" if self.is_word(at + 2) && self.is_text(at + 3) => at + 3,
            // `parallel on error wait`, at the begin of a line.
            "http" | "error" => return None,
            "event" => self.path_end(at + 2)?,
            _ => self.path_end(at + 1)?,
        };
        let last = if self.text(last + 1) == "(" { self.closing(last + 1)? } else { last };
        let name = last + 1;
        let ends = self.token(name + 1).is_none_or(|next| next.first || closes(next) || self.text(name + 1) == "{");
        let is_payload = self.is_word(name) && !RESERVED.contains(&self.text(name)) && self.text(name) != "where";
        if !is_payload || self.is_first(name) || self.is_first(last) || !ends {
            return None;
        }
        let meant = format!("{} as {}", self.source(at, last)?, self.text(name));
        Some((self.found(name, name, Habit::PayloadName(meant), vec![self.before(name, "as ")?])?, name + 1))
    }

    /// `flow f() => { … }`
    pub(super) fn arrow_body(&self, at: usize) -> Option<(Found, usize)> {
        let line = self.token(at)?.line;
        let start =
            (0..at).rev().take_while(|index| self.token(*index).is_some_and(|token| token.line == line)).last()?;
        let is_head = matches!(self.text(start), "flow" | "fn") && self.is_first(start);
        if !is_head || self.text(at + 1) != "{" || self.opening(at).is_some() {
            return None;
        }
        let word = self.text(start).to_owned();
        Some((self.found(at, at, Habit::ArrowBody(word), vec![self.drop(at)?])?, at + 1))
    }

    /// `fn double(n)`, `flow f(step: String)`
    pub(super) fn parameters(&self, at: usize) -> Option<(Found, usize)> {
        let open = at + 2;
        if !self.is_word(at + 1) || self.text(open) != "(" || !self.touch(at + 1) {
            return None;
        }
        let close = self.closing(open)?;
        let mut depth = 0usize;
        let mut untyped = Vec::new();
        for index in open + 1..close {
            let token = self.token(index)?;
            let begins = depth == 0 && matches!(self.text(index - 1), "(" | ",");
            depth = if opens(token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(token))) };
            if begins && RESERVED.contains(&self.text(index)) && self.text(index + 1) == ":" {
                return self.keyword(index, close);
            }
            if begins && self.is_name(index) && matches!(self.text(index + 1), "," | ")") {
                untyped.push(index);
            }
        }
        let first = *untyped.first()?;
        let edits = untyped.iter().filter_map(|index| self.after(*index, format!(": {HOLE}"))).collect();
        let name = self.text(first).to_owned();
        Some((self.found(first, first, Habit::Untyped(name), edits)?, at + 1))
    }

    /// A parameter with the name of a keyword: what reads it is left out.
    fn keyword(&self, name: usize, close: usize) -> Option<(Found, usize)> {
        let word = self.text(name);
        let open = (close..close + 24).find(|index| self.text(*index) == "{")?;
        let end = self.closing(open)?;
        let is_read = |index: usize| {
            let Some(next) = self.token(index + 1) else { return false };
            let is_member = matches!(self.text(index - 1), "." | "?.");
            let ends = next.first || closes(next) || (next.kind == TokenKind::Sign && self.text(index + 1) != ":");
            // `{ on, step }` passes it under its own name.
            let is_own = matches!(self.text(index - 1), "{" | ",") && matches!(self.text(index + 1), "," | "}");
            self.text(index) == word && !is_member && ends && !is_own
        };
        let has_own = matches!(word, "return" | "true" | "false" | "null");
        let reads = (open..end).filter(|index| !has_own && is_read(*index));
        let edits: Vec<Edit> = reads.filter_map(|index| self.edit(index, index, HOLE)).collect();
        if edits.is_empty() && !has_own {
            return None;
        }
        Some((self.found(name, name, Habit::Keyword(word.to_owned()), edits)?, close))
    }

    /// `async flow f`, `export flow f`
    pub(super) fn modifier(&self, at: usize, word: &str) -> Option<(Found, usize)> {
        let is_modifier = matches!(
            word,
            "async" | "export" | "public" | "pub" | "private" | "static" | "abstract" | "final" | "default" | "declare"
        );
        if !is_modifier || !self.is_first(at) {
            return None;
        }
        let is_next = |index| ITEMS.contains(&self.text(index)) || self.text(index) == "function";
        let last = if is_next(at + 1) { at } else { at + 1 };
        let is_before = is_next(last + 1) && !self.is_first(last + 1) && self.is_word(last);
        if !is_before || (word == "private" && last == at) {
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

    /// `on every day at "09:00"`, `on every monday`, `on every PT15M`
    fn every_word(&self, at: usize) -> Option<(Found, usize)> {
        let word = at + 2;
        if self.text(at + 1) != "every" || !self.is_word(word) || self.is_first(word) {
            return None;
        }
        let end = self.statement_end(word);
        let end = (word..=end).find(|index| matches!(self.text(*index), "as" | "{")).map_or(end, |next| next - 1);
        let time = (word + 1..=end).map(|index| self.text(index).trim_matches('"')).find_map(|text| {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.get(..2)?.parse().ok()?);
            (hour < 24 && minute < 60).then(|| format!("{minute} {hour}"))
        });
        let at_nine = time.clone().unwrap_or_else(|| "0 9".to_owned());
        let cron = |line: String| format!("on cron \"{line}\" in \"Europe/Berlin\"");
        let meant = match self.text(word) {
            "minute" => "on every 1m".to_owned(),
            "hour" => "on every 1h".to_owned(),
            "day" | "night" | "morning" | "evening" => cron(format!("{at_nine} * * *")),
            "weekday" | "workday" => cron(format!("{at_nine} * * mon-fri")),
            "week" => cron(format!("{at_nine} * * mon")),
            "month" => cron(format!("{at_nine} 1 * *")),
            day => match day.to_lowercase().get(..3) {
                Some(short @ ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")) if day.ends_with("day") => {
                    cron(format!("{at_nine} * * {short}"))
                }
                _ => "on every 15m".to_owned(),
            },
        };
        let edit = self.edit(at + 1, end, HOLE)?;
        Some((self.found(word, end, Habit::EveryWord(meant), vec![edit])?, end + 1))
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
        if let Some(alone) = self.every_alone(at).or_else(|| self.every_word(at)).or_else(|| self.payload_name(at)) {
            return Some(alone);
        }
        if self.text(at + 1) == "http" && self.is_text(at + 2) {
            let found = self.found(at + 2, at + 2, Habit::NoMethod, vec![self.edit(at + 1, at + 2, HOLE)?])?;
            return Some((self.fixed(found, vec![self.before(at + 2, "POST ")?]), at + 3));
        }
        if self.text(at + 1) == "event" && self.is_text(at + 2) {
            let name = self.text(at + 2).trim_matches('"').to_owned();
            let is_name = name.split('.').all(|part| {
                part.starts_with(|first: char| first.is_ascii_lowercase())
                    && part.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
            });
            let fix = if is_name { vec![self.edit(at + 2, at + 2, name.clone())?] } else { Vec::new() };
            let hole = vec![self.edit(at + 1, at + 2, HOLE)?];
            return Some((self.fixed(self.found(at + 2, at + 2, Habit::EventText(name), hole)?, fix), at + 3));
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
