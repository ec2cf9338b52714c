//! Clauses and short statements as other languages phrase them: `log info "x"`, `step r, err = …`, `sleep for 10s`,
//! `catch NotFound => …`, `{ **all }`.

use super::{Found, Search};
use crate::{
    phrase::Phrase,
    problem::{Edit, Habit, Problem, ProblemKind},
    scan::HOLE,
    token::{RESERVED, STATEMENTS, TokenKind, closes, opens},
};

impl Search<'_> {
    fn said(&self, from: usize, to: usize, phrase: Phrase, edits: Vec<Edit>) -> Option<Found> {
        self.found(from, to, Habit::Phrase(phrase), edits)
    }

    /// `log info "x"`, `log.info("x")`
    pub(super) fn log_level(&self, at: usize) -> Option<(Found, usize)> {
        let level = at + 1 + usize::from(self.text(at + 1) == "." && self.touch(at));
        let is_level = matches!(
            self.text(level),
            "info" | "warn" | "warning" | "error" | "debug" | "trace" | "log" | "print" | "fatal"
        );
        let next = self.token(level + 1)?;
        let is_text = matches!(next.kind, TokenKind::Text | TokenKind::TextOpen) && !next.first;
        let is_call = level > at + 1 && self.text(level + 1) == "(";
        if !is_level || !(is_text || is_call) || self.is_first(level) {
            return None;
        }
        let (start, end) = (self.token(at)?.end, next.start);
        let edits = vec![Edit { start, end, text: if is_text { " ".to_owned() } else { String::new() } }];
        let word = self.text(level).to_owned();
        Some((self.said(at + 1, level, Phrase::LogLevel(word), edits)?, level + 1))
    }

    /// `let step = 1`: a binding with the name of a keyword gets another, and so does what reads it.
    pub(super) fn keyword_bound(&self, at: usize) -> Option<(Found, usize)> {
        let name = at + 1;
        let word = self.text(name);
        let is_binding = matches!(self.text(name + 1), "=" | ":") && !self.is_first(name);
        let has_meaning = matches!(word, "true" | "false" | "null" | "return" | "not" | "if" | "match");
        if !is_binding || !RESERVED.contains(&word) || has_meaning || !self.begins_statement(at) {
            return None;
        }
        let end = self.opening(at).and_then(|open| self.closing(open)).unwrap_or(self.tokens.len());
        let is_read = |index: &usize| {
            let Some(next) = self.token(index + 1) else { return false };
            let is_member = matches!(self.text(index - 1), "." | "?.");
            let ends = next.first || closes(next) || (next.kind == TokenKind::Sign && self.text(index + 1) != ":");
            self.text(*index) == word && !is_member && !self.is_first(*index) && ends
        };
        let meant = format!("the_{word}");
        let mut edits = vec![self.edit(name, name, meant.as_str())?];
        edits.extend((name + 1..end).filter(is_read).filter_map(|index| self.edit(index, index, meant.as_str())));
        // The name stays as it is written, and what reads it is left out.
        let hole = |(index, edit): (usize, &Edit)| match index {
            0 => edit.clone(),
            _ => Edit { text: HOLE.to_owned(), ..edit.clone() },
        };
        let holes = edits.iter().enumerate().map(hole).collect();
        let found = self.said(name, name, Phrase::KeywordBound(word.to_owned()), holes)?;
        Some((self.fixed(found, edits), name + 2))
    }

    /// `step r, err = …`
    pub(super) fn step_two(&self, at: usize) -> Option<(Found, usize)> {
        let (one, other) = (at + 1, at + 3);
        let is_two = self.is_word(one) && self.text(at + 2) == "," && self.is_word(other) && self.text(at + 4) == "=";
        if !is_two || self.is_first(other) {
            return None;
        }
        let name = self.text(one).to_owned();
        let bound = if self.is_name(other) { format!("let {} = {HOLE} ", self.text(other)) } else { String::new() };
        let edits = vec![
            self.before(at, bound)?,
            Edit { start: self.token(one)?.end, end: self.token(other)?.end, text: String::new() },
        ];
        Some((self.said(at + 2, other, Phrase::StepTwo(name), edits)?, at + 4))
    }

    /// `step x: String = …`
    pub(super) fn step_type(&self, at: usize) -> Option<(Found, usize)> {
        let colon = at + 2;
        if !self.is_name(at + 1) || self.text(colon) != ":" || !self.is_type(at + 3) {
            return None;
        }
        let sign = (at + 4..at + 24).find(|index| self.text(*index) == "=")?;
        if (at + 1..sign).any(|index| matches!(self.text(index), "(" | "{") || self.is_first(index)) {
            return None;
        }
        let edits = vec![Edit { start: self.token(at + 1)?.end, end: self.token(sign - 1)?.end, text: String::new() }];
        Some((self.said(colon, sign - 1, Phrase::StepType, edits)?, sign))
    }

    /// `sleep for 10s`, `sleep until 10s`
    pub(super) fn sleep_words(&self, at: usize) -> Option<(Found, usize)> {
        let word = self.text(at + 1);
        let time = self.token(at + 2).filter(|time| time.kind == TokenKind::Number && !time.first)?;
        let ends = self.token(at + 3).is_none_or(|next| next.first || closes(next));
        if !matches!(word, "for" | "until") || self.is_first(at + 1) || !ends {
            return None;
        }
        let meant = format!("sleep {}", time.text(self.source));
        let edits = vec![self.drop(at + 1)?];
        Some((self.said(at + 1, at + 1, Phrase::SleepWord(word.to_owned(), meant), edits)?, at + 3))
    }

    /// `sleep 5 m`
    pub(super) fn unit_apart(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_unit = matches!(self.text(at + 1), "ms" | "s" | "m" | "h" | "d") && !self.is_first(at + 1);
        let ends = self.token(at + 2).is_none_or(|next| {
            next.first || closes(next) || matches!(self.text(at + 2), "{" | "as" | "until" | "up" | "," | "else")
        });
        let is_time = matches!(self.text(before), "sleep" | "every" | "for" | "timeout" | "within" | "budget");
        let is_whole = self.text(at).bytes().all(|byte| byte.is_ascii_digit());
        if !is_time || !is_unit || !ends || !is_whole || self.touch(at) {
            return None;
        }
        let meant = format!("{}{}", self.text(at), self.text(at + 1));
        let edits = vec![self.edit(at, at + 1, meant.as_str())?];
        Some((self.said(at, at + 1, Phrase::UnitApart(meant), edits)?, at + 2))
    }

    /// `emit "order.paid" { … }`, `emit order.paid` without braces
    pub(super) fn emit_words(&self, at: usize) -> Option<(Found, usize)> {
        if self.is_text(at + 1) && !self.is_first(at + 1) {
            let name = self.text(at + 1).trim_matches('"').to_owned();
            let is_name = name.split('.').all(|part| {
                part.starts_with(|first: char| first.is_ascii_lowercase())
                    && part.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
            });
            let token = self.token(at + 1)?;
            let edits = match is_name {
                true => vec![
                    Edit { start: token.start, end: token.start + 1, text: String::new() },
                    Edit { start: token.end - 1, end: token.end, text: String::new() },
                ],
                false => vec![self.edit(at + 1, at + 1, HOLE)?],
            };
            return Some((self.said(at + 1, at + 1, Phrase::EmitText(name), edits)?, at + 2));
        }
        let last = self.path_end(at + 1).filter(|_| self.is_name(at + 1) && !self.is_first(at + 1))?;
        // What stands on the next line may be the value.
        let next = self.text(last + 1);
        if !(matches!(next, "" | "}") || STATEMENTS.contains(&next)) {
            return None;
        }
        let name = self.source(at + 1, last)?.to_owned();
        let found =
            self.said(at + 1, last, Phrase::EmitBare(name), vec![self.edit(at + 1, last, format!("{HOLE} {{}}"))?])?;
        Some((found, last + 1))
    }

    /// `dead_letter { … }`
    pub(super) fn queue_name(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != "{" || self.is_first(at + 1) {
            return None;
        }
        Some((self.said(at, at, Phrase::QueueName, vec![self.after(at, format!(" {HOLE}"))?])?, at + 1))
    }

    /// `return a, b`
    pub(super) fn return_several(&self, at: usize) -> Option<(Found, usize)> {
        let end = self.statement_end(at);
        let mut depth = 0usize;
        let mut commas = Vec::new();
        for index in at + 1..=end {
            let token = self.token(index)?;
            match self.text(index) {
                "," if depth == 0 => commas.push(index),
                "=>" | "for" if depth == 0 => return None,
                // `read<A, B>(…)`
                "<" if depth == 0 && self.touch(index - 1) => return None,
                _ => {}
            }
            // `1,000`
            let is_number = |at: usize| self.token(at).is_some_and(|token| token.kind == TokenKind::Number);
            if self.text(index) == "," && self.touch(index) && is_number(index - 1) && is_number(index + 1) {
                return None;
            }
            depth = if opens(token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(token))) };
        }
        let first = *commas.first()?;
        let is_in_arms = self.text(at.checked_sub(1)?) == "=>";
        if first == at + 1 || commas.last() == Some(&end) || is_in_arms {
            return None;
        }
        let are_names = end - at == 2 * commas.len() + 1 && (at + 1..=end).step_by(2).all(|index| self.is_name(index));
        let fix = match are_names {
            true => vec![self.before(at + 1, "{ ")?, self.after(end, " }")?],
            false => Vec::new(),
        };
        let found = self.said(first, end, Phrase::ReturnSeveral, vec![self.edit(at + 1, end, HOLE)?])?;
        Some((self.fixed(found, fix), end + 1))
    }

    /// `catch NotFound => null`
    pub(super) fn catch_bare(&self, at: usize) -> Option<(Found, usize)> {
        let kind = at + 1;
        let is_arm = (self.is_word(kind) && !self.is_first(kind))
            && (matches!(self.text(kind + 1), "=>" | "|")
                || (self.text(kind + 1) == "as" && self.is_name(kind + 2) && self.text(kind + 3) == "=>"));
        if !is_arm {
            return None;
        }
        let arrow = (kind..kind + 24).find(|index| self.text(*index) == "=>")?;
        let end = match self.text(arrow + 1) {
            "{" => self.closing(arrow + 1)?,
            _ => {
                let end = self.statement_end(arrow);
                let next = (arrow + 2..=end).find(|index| STATEMENTS.contains(&self.text(*index)));
                next.map_or(end, |next| next - 1)
            }
        };
        let meant = self.source(kind, arrow)?.to_owned();
        // What a small word stands for is the failure itself, of any kind.
        let (open, told) = match self.is_name(kind) && self.text(kind + 1) == "=>" {
            true => ("{ _ as ", format!("_ as {meant}")),
            false => ("{ ", meant),
        };
        let edits = vec![self.before(kind, open)?, self.after(end, " }")?];
        Some((self.said(kind, arrow, Phrase::CatchBare(told), edits)?, arrow + 1))
    }

    /// `ends_with "a" =>`, `contains "a" =>`
    pub(super) fn text_pattern(&self, at: usize) -> Option<(Found, usize)> {
        let ends = matches!(self.text(at + 2), "=>" | "if" | "|");
        let member = match self.text(at) {
            "ends_with" | "endswith" | "endsWith" => "ends_with",
            "contains" | "includes" | "has" | "like" => "contains",
            "matches" | "regex" => "matches",
            _ => "starts_with",
        };
        if !self.is_text(at + 1) || self.is_first(at + 1) || !ends {
            return None;
        }
        let text = self.text(at + 1);
        let meant = match member {
            "starts_with" => format!("starts_with {text}"),
            _ => format!("s if s.{member}({text})"),
        };
        let fix = match self.text(at + 2) == "=>" || member == "starts_with" {
            true => vec![self.edit(at, at + 1, meant.as_str())?],
            false => Vec::new(),
        };
        let found = self.said(
            at,
            at,
            Phrase::TextPattern(self.text(at).to_owned(), meant),
            vec![self.edit(at, at + 1, HOLE)?],
        )?;
        Some((self.fixed(found, fix), at + 2))
    }

    /// `match (a, b) { … }`
    pub(super) fn match_several(&self, at: usize) -> Option<(Found, usize)> {
        let open = at + 1;
        let close = self.closing(open).filter(|_| self.text(open) == "(")?;
        let (first, body) = (self.commas(open, close).next()?, close + 1);
        if self.text(body) != "{" || first == open + 1 {
            return None;
        }
        let end = self.closing(body)?;
        let are_names = (open + 1..close).all(|index| self.is_name(index) || self.text(index) == ",");
        let meant = are_names.then(|| self.source(open + 1, close - 1)).flatten().unwrap_or("a: …, b: …").to_owned();
        Some((self.said(open, close, Phrase::MatchSeveral(meant), vec![self.edit(at, end, HOLE)?])?, end + 1))
    }

    /// `{ **all }`, `[*all]`
    pub(super) fn spread_star(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let last = if self.text(at + 1) == "*" && self.touch(at) { at + 1 } else { at };
        let is_place = matches!(self.text(before), "{" | "[" | ",");
        let is_in_value = self.opening(at).is_some_and(|open| matches!(self.text(open), "{" | "["));
        // `use "./file.flow" { * }`
        if !is_place || !is_in_value || !self.touch(last) || !self.is_name(last + 1) {
            return None;
        }
        let meant = format!("...{}", self.text(last + 1));
        Some((self.said(at, last, Phrase::SpreadStar(meant), vec![self.edit(at, last, "...")?])?, last + 1))
    }

    /// `for x in xs concurrency: 8 { … }`
    pub(super) fn head_colon(&self, at: usize) -> Option<(Found, usize)> {
        let word = at.checked_sub(1)?;
        let start = self.line_start(at);
        // `concurrency: per order.id`
        if self.text(word) == "concurrency" && self.text(at + 1) == "per" && self.is_name(at + 2) {
            let place = self.token(at + 1)?.start;
            let (found, kind) = ("per".to_owned(), ProblemKind::Missing("1".to_owned()));
            let problem = Problem { start: place, end: place, expected: Vec::new(), found, kind, fix: Vec::new() };
            let hole = vec![self.before(at + 1, format!("{HOLE} "))?];
            return Some((self.fixed((problem, hole), vec![self.before(at + 1, "1 ")?]), at + 2));
        }
        let is_head = (start..word).any(|index| self.text(index) == "for")
            && (start..word).any(|index| self.text(index) == "in")
            && !(start..word)
                .any(|index| self.text(index) == "{" && self.closing(index).is_none_or(|close| close > at));
        let is_number = self.token(at + 1)?.kind == TokenKind::Number || self.is_name(at + 1);
        if self.text(word) != "concurrency" || !is_head || !is_number {
            return None;
        }
        let meant = format!("concurrency {}", self.text(at + 1));
        Some((self.said(at, at, Phrase::HeadColon(meant), vec![self.edit(at, at, "")?])?, at + 1))
    }

    /// `list[str]`, `Dict[str, int]`, `Optional[Int]` as the type of a parameter or a field.
    pub(super) fn type_brackets(&self, at: usize) -> Option<(Found, usize)> {
        let word = at.checked_sub(1)?;
        let place = word.checked_sub(1)?;
        let is_type = matches!(
            self.text(word),
            "list" | "List" | "Sequence" | "Iterable" | "dict" | "Dict" | "Map" | "map" | "Optional" | "set" | "Set"
        );
        let owner = self.opening(word).map_or("", |open| self.text(self.line_start(open)));
        let is_declared = matches!(owner, "flow" | "fn" | "private" | "record" | "error" | "event" | "operation");
        if !is_type || !self.touch(word) || !matches!(self.text(place), ":" | "->") {
            return None;
        }
        let is_head = self.text(place) == "->" || (is_declared && self.is_in_head(word));
        let close = self.closing(at)?;
        let are_names = (at + 1..close).all(|index| self.is_word(index) || matches!(self.text(index), "," | "."));
        if !is_head || !are_names || close == at + 1 {
            return None;
        }
        let inner = match self.source(at + 1, close - 1)?.rsplit(',').next()?.trim() {
            "str" | "string" => "String",
            "int" => "Int",
            "float" => "Decimal",
            "bool" => "Bool",
            "Any" | "any" | "object" => "Json",
            other => other,
        };
        let meant = match self.text(word) {
            "dict" | "Dict" | "Map" | "map" => format!("Map<{inner}>"),
            "Optional" => format!("{inner}?"),
            _ => format!("List<{inner}>"),
        };
        let fix = vec![self.edit(word, close, meant.as_str())?];
        let found = self.said(word, close, Phrase::TypeBrackets(meant), vec![self.edit(word, close, HOLE)?])?;
        Some((self.fixed(found, fix), close + 1))
    }

    /// Whether a token stands in the parentheses of a head or among the fields of an item, not in a body.
    fn is_in_head(&self, at: usize) -> bool {
        self.opening(at).is_some_and(|open| {
            let start = self.line_start(open);
            let keyword = start + usize::from(self.text(start) == "private");
            open == keyword + 2 || (self.text(keyword) == "operation" && self.text(open) == "(")
        })
    }

    /// `id: Int as "orderId"` in a record.
    pub(super) fn json_as(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_after_type = self.is_type(before) || matches!(self.text(before), "?" | ">");
        let owner = self.opening(at).filter(|open| self.text(*open) == "{").and_then(|open| open.checked_sub(2));
        let is_field = owner.is_some_and(|item| matches!(self.text(item), "record" | "error"));
        if !is_after_type || !is_field || !self.is_text(at + 1) {
            return None;
        }
        let meant = format!("from {}", self.text(at + 1));
        let fix = vec![self.edit(at, at, "from")?];
        let found = self.said(at, at, Phrase::JsonAs(meant), vec![self.edit(at, at + 1, "")?])?;
        Some((self.fixed(found, fix), at + 2))
    }

    /// `name: String minLength 3`, `n: Int default 5`
    pub(super) fn field_word(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_after_type = self.is_type(before) || matches!(self.text(before), "?" | ">");
        let value = self.token(at + 1).filter(|value| !value.first)?;
        let is_value = matches!(value.kind, TokenKind::Number | TokenKind::Text) || self.is_word(at + 1);
        let owner = self.opening(at).filter(|open| self.text(*open) == "{").and_then(|open| open.checked_sub(2));
        let is_field = owner.is_some_and(|item| matches!(self.text(item), "record" | "error" | "event"));
        if !is_after_type || !is_value || !is_field || self.is_first(at) {
            return None;
        }
        let sign = match self.text(at) {
            "minLength" | "minimum" | "min_length" | "at_least" => "min",
            "maxLength" | "maximum" | "max_length" | "at_most" => "max",
            "default" => "=",
            _ => "pattern",
        };
        let meant = format!("{sign} {}", self.text(at + 1));
        let fix = vec![self.edit(at, at, sign)?];
        let word = self.text(at).to_owned();
        let found = self.said(at, at, Phrase::FieldWord(word, meant), vec![self.edit(at, at + 1, "")?])?;
        Some((self.fixed(found, fix), at + 2))
    }

    /// `with timeout 10s`, `with retry: 3`
    pub(super) fn with_words(&self, at: usize) -> Option<(Found, usize)> {
        let word = at + 1;
        let value = at + 2 + usize::from(matches!(self.text(at + 2), ":" | "="));
        if !matches!(self.text(word), "timeout" | "retry" | "retries") || self.token(value)?.kind != TokenKind::Number {
            return None;
        }
        let meant = match self.text(word) {
            "timeout" => format!("timeout: {}", self.text(value)),
            _ => format!("retry {{ times: {} }}", self.text(value)),
        };
        let last = value + usize::from(self.text(value + 1) == "times" && self.text(word) != "timeout");
        let fix = vec![self.edit(word, last, format!("{{ {meant} }}"))?];
        let found = self.found(word, last, Habit::InlinePolicy(meant), vec![self.edit(at, last, "")?])?;
        Some((self.fixed(found, fix), last + 1))
    }
}
