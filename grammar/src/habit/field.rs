//! What is said of a field beside its type, as other languages write it.

use super::{FAR, Found, Search};
use crate::{
    problem::{Edit, Habit},
    scan::HOLE,
    token::TokenKind,
};

impl Search<'_> {
    /// `@json("aName")`, `@min(1)`, `@default("x")`
    pub(super) fn attribute_call(&self, at: usize) -> Option<(Found, usize)> {
        let open = at + 2;
        if !self.is_word(at + 1) || self.text(open) != "(" || !self.touch(at) || !self.touch(at + 1) {
            return None;
        }
        let close = self.closing(open)?;
        let value = self.source(open + 1, close - 1)?;
        let meant = match self.text(at + 1) {
            "json" | "name" | "alias" | "rename" | "serde" | "field" | "key" if self.is_text(open + 1) => {
                format!("from {value}")
            }
            "min" | "minimum" | "ge" => format!("min {value}"),
            "max" | "maximum" | "le" => format!("max {value}"),
            "pattern" | "regex" | "matches" => format!("pattern {value}"),
            "default" => format!("= {value}"),
            _ => return None,
        };
        let fix = vec![self.edit(at, close, meant.as_str())?];
        let found = self.found(at, close, Habit::AttributeCall(meant), vec![self.edit(at, close, "")?])?;
        Some((self.fixed(found, fix), close + 1))
    }

    /// `a: Int >= 1`
    pub(super) fn bound(&self, at: usize) -> Option<(Found, usize)> {
        let of = at.checked_sub(2)?;
        let is_field = self.text(of) == ":" && self.is_type(of + 1);
        let value = at + 1;
        let is_number = |at: usize| self.token(at).is_some_and(|token| token.kind == TokenKind::Number);
        let end = if self.text(value) == "-" { value + 1 } else { value };
        if !is_field || !is_number(end) || self.is_first(at) {
            return None;
        }
        let word = if self.text(at) == ">=" { "min" } else { "max" };
        let meant = format!("{word} {}", self.source(value, end)?);
        let fix = vec![self.edit(at, end, meant.as_str())?];
        let found = self.found(at, end, Habit::Bound(meant), vec![self.edit(at, end, "")?])?;
        Some((self.fixed(found, fix), end + 1))
    }

    /// `a: @pii String`
    pub(super) fn attribute_first(&self, at: usize) -> Option<(Found, usize)> {
        let is_before = at.checked_sub(1).is_some_and(|before| self.text(before) == ":");
        if !is_before || !self.is_type(at + 2) || self.is_first(at + 2) {
            return None;
        }
        let end = self.path_end(at + 2)?;
        let meant = format!("{} @{}", self.source(at + 2, end)?, self.text(at + 1));
        let fix = vec![self.edit(at, end, meant.as_str())?];
        let drop = Edit { start: self.token(at)?.start, end: self.token(at + 2)?.start, text: String::new() };
        let is_simple = !matches!(self.text(end + 1), "<" | "?");
        let found = self.found(at, at + 1, Habit::AttributeFirst(meant), vec![drop])?;
        Some((if is_simple { self.fixed(found, fix) } else { found }, end + 1))
    }

    /// `a: String from aName`
    pub(super) fn json_name(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let name = at + 1;
        let is_after_type = self.is_type(before) || matches!(self.text(before), "?" | ">");
        let ends = self.token(name + 1).is_none_or(|next| next.first)
            || matches!(self.text(name + 1), "," | "}" | ")" | "@" | "=" | "min" | "max" | "pattern");
        let is_field = self.opening(at).is_some_and(|open| matches!(self.text(open), "{" | "("));
        if !is_after_type || !is_field || !ends || !self.is_word(name) || self.is_first(name) || self.is_first(at) {
            return None;
        }
        let meant = format!("from \"{}\"", self.text(name));
        let fix = vec![self.edit(at, name, meant.as_str())?];
        let found = self.found(name, name, Habit::JsonName(meant), vec![self.edit(at, name, "")?])?;
        Some((self.fixed(found, fix), name + 1))
    }

    /// `enum Tier { "pro", "standard" }`, `enum Tier { Pro = "pro" }`
    pub(super) fn enum_values(&self, at: usize) -> Option<(Found, usize)> {
        let open = at + 2;
        if !self.is_first(at) || !self.is_word(at + 1) || self.text(open) != "{" {
            return None;
        }
        let close = self.closing(open)?;
        let (mut names, mut first) = (Vec::new(), None);
        let mut index = open + 1;
        while index < close {
            if self.text(index) == "," {
                index += 1;
                continue;
            }
            if self.is_text(index) {
                first = first.or(Some(index));
                names.push(self.variant(index)?);
            } else if self.is_word(index) {
                names.push(self.text(index).to_owned());
                if matches!(self.text(index + 1), "=" | ":") {
                    first = first.or(Some(index + 1));
                    index += 2;
                }
            } else {
                return None;
            }
            index += 1;
        }
        let first = first?;
        let text = format!("{{ {} }}", names.join(", "));
        let habit = Habit::EnumValues(format!("enum {} {text}", self.text(at + 1)));
        let fix = vec![self.edit(open, close, text)?];
        let hole = self.edit(open, close, format!("{{ {HOLE} }}"))?;
        Some((self.fixed(self.found(first, first, habit, vec![hole])?, fix), close + 1))
    }

    /// The name of the variant that a text may stand for.
    fn variant(&self, at: usize) -> Option<String> {
        let text = self.text(at).trim_matches('"');
        let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
        let capital = |part: &str| {
            let mut letters = part.chars();
            letters
                .next()
                .map(|first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str().to_ascii_lowercase()))
        };
        let name: String = parts.filter_map(capital).collect();
        name.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
    }

    /// `m["a"] = 1`
    pub(super) fn entry_set(&self, at: usize) -> Option<(Found, usize)> {
        let close = at.checked_sub(1)?;
        let start = self.chain_start(close);
        if self.text(close) != "]" || self.is_first(at) || !self.is_first(start) || !self.is_name(start) {
            return None;
        }
        let end = self.statement_end(at);
        let name = self.text(start).to_owned();
        Some((self.found(start, at, Habit::EntrySet(name), vec![self.edit(start, end, "")?])?, end + 1))
    }

    /// `{ order.id, total }` as a record
    pub(super) fn member_entry(&self, at: usize) -> Option<(Found, usize)> {
        let name = at.checked_sub(1)?;
        let before = name.checked_sub(1)?;
        if !matches!(self.text(before), "{" | ",") {
            return None;
        }
        let open = self.opening(at)?;
        let mut last = at + 1;
        while matches!(self.text(last + 1), "." | "?.") && last < at + FAR {
            last += 2;
        }
        let is_entry = matches!(self.text(last + 1), "}" | ",");
        // Elsewhere a block may stand, which has a value.
        let is_record = self.text(open) == "{"
            && matches!(self.text(open.checked_sub(1)?), "=" | "(" | "," | ":" | "[" | "return" | "->" | "??");
        if !is_entry || !is_record || !self.is_word(name) || !self.is_word(last) {
            return None;
        }
        let field = self.text(last);
        let meant = format!("{field}: {}", self.source(name, last)?);
        let edit = self.before(name, format!("{field}: "))?;
        Some((self.found(name, last, Habit::MemberEntry(meant), vec![edit])?, last + 1))
    }

    /// `{total:.2f}`
    pub(super) fn format_spec(&self, at: usize) -> Option<(Found, usize)> {
        let open = self.opening(at)?;
        let before = self.token(open.checked_sub(1)?)?;
        let gap = self.source.get(before.end as usize..self.token(open)?.start as usize)?;
        let is_in_text = before.kind == crate::token::TokenKind::TextOpen || !gap.trim().is_empty();
        let close = self.closing(open)?;
        let spec = self.source.get(self.token(at)?.end as usize..self.token(close)?.start as usize)?;
        let is_spec = spec.starts_with(['.', '0', '<', '>', '%', ',', '+', '#']) && !spec.contains(char::is_whitespace);
        if self.text(open) != "{" || !is_in_text || !is_spec || close <= at + 1 || gap.contains("//") {
            return None;
        }
        Some((self.found(at, close - 1, Habit::FormatSpec, vec![self.edit(at, close - 1, "")?])?, close))
    }

    /// `xs.map(x -> log x)`
    pub(super) fn lambda_statement(&self, at: usize) -> Option<(Found, usize)> {
        let word = self.text(at + 1);
        let is_statement =
            matches!(word, "log" | "let" | "emit" | "sleep" | "respond" | "dead_letter" | "fail" | "return" | "step");
        let open = self.opening(at)?;
        if !is_statement || self.text(open) != "(" || self.text(at + 2) == "." || self.is_first(at + 1) {
            return None;
        }
        let close = self.closing(open)?;
        let start = self.chain_start(open.checked_sub(1)?);
        if matches!(self.text(open - 1), "forEach" | "for_each" | "each" | "foreach") && self.is_first(start) {
            let list = self.source(start, open.checked_sub(3)?)?.to_owned();
            return Some((
                self.found(start, open - 1, Habit::ForEach(list), vec![self.edit(start, close, "")?])?,
                close + 1,
            ));
        }
        let end = self.commas(open, close).find(|comma| *comma > at).unwrap_or(close) - 1;
        Some((self.found(at + 1, end, Habit::LambdaStatement, vec![self.edit(at + 1, end, HOLE)?])?, end + 1))
    }
}
