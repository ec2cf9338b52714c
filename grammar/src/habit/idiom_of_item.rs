//! Heads of items, and parts of tests, as other languages have them: `flow "my flow"`, `flow f = { … }`, a `flow` within a
//! flow, `then "x"` of a stub; and `limit: [5 per 1s]` of a connector.

use super::{Found, Search};
use crate::{idiom::Idiom, problem::Edit, scan::HOLE, token::TokenKind};

impl Search<'_> {
    /// The idiom of an item, or of a part of it, that begins at a token.
    pub(super) fn idiom_of_item(&self, at: usize) -> Option<(Found, usize)> {
        match self.text(at) {
            "flow" | "fn" | "record" | "error" | "enum" | "union" | "policy" | "connection" | "event" => {
                self.text_name(at).or_else(|| self.head_equals(at)).or_else(|| self.inner_item(at))
            }
            "test" => self.no_flow(at).or_else(|| self.inner_item(at)),
            "throws" | "raises" => self.throws(at),
            "fails" => self.stub_status(at),
            "then" => self.then_value(at),
            "let" => self.test_let(at),
            "@" => self.attribute_of_field(at),
            _ => None,
        }
    }

    /// `limit: [5 per 1s, 100 per 1m]`, `limit: 5 per 1s, 100 per 1m`
    pub(super) fn rates(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at) != "limit" {
            return None;
        }
        let is_list = self.text(at + 2) == "[";
        let begin = at + 2 + usize::from(is_list);
        let close = if is_list { Some(self.closing(at + 2)?) } else { None };
        let (mut edits, mut items, mut next, mut last) = (Vec::new(), Vec::new(), begin, begin);
        while close != Some(next) {
            let Some((end, meant)) = self.limit(next) else {
                // In a section a comma may also stand before the next property.
                if is_list {
                    return None;
                }
                break;
            };
            edits.extend(meant.as_ref().map(|meant| self.edit(next, end, meant.as_str())).unwrap_or_default());
            items.push(meant.map_or_else(|| self.source(next, end).map(str::to_owned), Some)?);
            last = end;
            next = end + 1;
            match self.text(next) {
                "," => next += 1,
                _ if is_list && close != Some(next) => edits.push(self.after(end, ",")?),
                _ if is_list => {}
                _ => break,
            }
        }
        if close.is_none() {
            if items.len() < 2 {
                return None;
            }
            edits.insert(0, self.before(begin, "[")?);
            edits.push(self.after(last, "]")?);
        }
        if edits.is_empty() {
            return None;
        }
        let meant = Idiom::Rates(format!("[{}]", items.join(", ")));
        let last = close.unwrap_or(last);
        let found = self.told(at + 2, last, meant, vec![self.edit(at + 2, last, HOLE)?])?;
        Some((self.fixed(found, edits), last + 1))
    }

    /// The last token of a limit that begins at a token: `5 per 1s`, with its form in a list, or `concurrent(10)`.
    fn limit(&self, at: usize) -> Option<(usize, Option<String>)> {
        if matches!(self.text(at), "moving" | "fixed" | "bucket" | "concurrent") && self.text(at + 1) == "(" {
            return Some((self.closing(at + 1)?, None));
        }
        let is_number = |index: usize| self.token(index).is_some_and(|token| token.kind == TokenKind::Number);
        let period = match self.text(at + 2) {
            "second" => "1s",
            "minute" => "1m",
            "hour" => "1h",
            "day" => "1d",
            written if is_number(at + 2) => written,
            _ => return None,
        };
        let is_rate = is_number(at) && matches!(self.text(at + 1), "per" | "/");
        is_rate.then(|| (at + 2, Some(format!("moving({}, per: {period})", self.text(at)))))
    }

    /// `flow "my flow" { … }`
    fn text_name(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || self.depth.get() > 0 || !self.is_text(at + 1) || self.is_first(at + 1) {
            return None;
        }
        let is_type = matches!(self.text(at), "record" | "error" | "enum" | "union");
        let name = match self.text(at) {
            "event" => self.text(at + 1).trim_matches('"').to_lowercase().replace([' ', '-'], "_"),
            _ => written(self.text(at + 1), is_type),
        };
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return None;
        }
        let token = self.token(at + 1)?;
        // What stands between the quotes may be the name as it is.
        let mut edits = match self.text(at + 1).trim_matches('"') == name {
            true => vec![
                Edit { start: token.start, end: token.start + 1, text: String::new() },
                Edit { start: token.end - 1, end: token.end, text: String::new() },
            ],
            false => vec![self.edit(at + 1, at + 1, name.as_str())?],
        };
        // `connection "team" slack { … }`, `connection "team" "slack" { … }`
        if self.text(at) == "connection" && self.text(at + 2) != "=" && !self.is_first(at + 2) {
            edits.push(self.after(at + 1, " =")?);
            if self.is_text(at + 2) {
                let connector = self.token(at + 2)?;
                edits.push(Edit { start: connector.start, end: connector.start + 1, text: String::new() });
                edits.push(Edit { start: connector.end - 1, end: connector.end, text: String::new() });
            }
        }
        let habit = Idiom::TextName(self.text(at).to_owned(), name);
        Some((self.told(at + 1, at + 1, habit, edits)?, at + 2))
    }

    /// `flow f = { … }`, `fn f(n: Int) = { … }`
    fn head_equals(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || !matches!(self.text(at), "flow" | "fn" | "record" | "error") || !self.is_word(at + 1) {
            return None;
        }
        let sign = match self.text(at + 2) {
            "(" => self.closing(at + 2)? + 1,
            _ => at + 2,
        };
        if self.text(sign) != "=" || self.text(sign + 1) != "{" {
            return None;
        }
        let word = self.text(at).to_owned();
        Some((self.told(sign, sign, Idiom::HeadEquals(word), vec![self.drop(sign)?])?, sign + 1))
    }

    /// A `flow` within a flow, a `fn` within a record.
    fn inner_item(&self, at: usize) -> Option<(Found, usize)> {
        let open = self.opening(at)?;
        let start = self.line_start(open);
        let owner = self.text(start + usize::from(self.text(start) == "private"));
        let is_owner = matches!(owner, "flow" | "fn" | "record" | "test") && self.opening(open).is_none();
        let is_named =
            (self.is_word(at + 1) || (self.text(at) == "test" && self.is_text(at + 1))) && !self.is_first(at + 1);
        // `parallel on error wait { … }`
        let goes_on = matches!(self.text(at.checked_sub(1)?), "on" | "." | "=" | "," | ":");
        if goes_on
            || !is_owner
            || !self.is_first(at)
            || self.token(at)?.indent == 0
            || !is_named
            || self.text(open) != "{"
        {
            return None;
        }
        let goes_on = matches!(self.text(at + 2), "{" | "(" | "->" | "fails" | "on" | "=" | "." | "for");
        let body = (at + 2..=self.statement_end(at)).find(|index| self.text(*index) == "{");
        if !goes_on || body.is_none() {
            return None;
        }
        let close = self.statement_end(at);
        let habit = Idiom::InnerItem(self.text(at).to_owned(), owner.to_owned());
        Some((self.told(at, at, habit, vec![self.edit(at, close, HOLE)?])?, close + 1))
    }

    /// `test "…" { … }`
    fn no_flow(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_first(at) || self.depth.get() > 0 || !self.is_text(at + 1) || self.text(at + 2) != "{" {
            return None;
        }
        let edits = vec![self.after(at + 1, format!(" for {HOLE}"))?];
        Some((self.told(at + 1, at + 1, Idiom::NoFlow, edits)?, at + 2))
    }

    /// `flow f() throws Refused { … }`
    fn throws(&self, at: usize) -> Option<(Found, usize)> {
        let start = self.line_start(at);
        let is_head = matches!(self.text(start), "flow" | "private") && self.depth.get() == 0 && start < at;
        if !is_head || !self.is_word(at + 1) {
            return None;
        }
        let word = self.text(at).to_owned();
        Some((self.told(at, at, Idiom::Throws(word), vec![self.edit(at, at, "fails")?])?, at + 1))
    }

    /// `stub files.read fails 500`
    fn stub_status(&self, at: usize) -> Option<(Found, usize)> {
        let status = self.token(at + 1).filter(|status| status.kind == TokenKind::Number && !status.first)?;
        let kind = super::arm::kind_of(status.text(self.source))?.to_owned();
        if self.text(self.line_start(at)) != "stub" {
            return None;
        }
        let fix = vec![self.edit(at + 1, at + 1, kind.as_str())?];
        let habit = Idiom::StubStatus(self.text(at + 1).to_owned(), kind);
        let found = self.told(at + 1, at + 1, habit, vec![self.edit(at + 1, at + 1, HOLE)?])?;
        Some((self.fixed(found, fix), at + 2))
    }

    /// `stub … fails Unavailable once then "x"`
    fn then_value(&self, at: usize) -> Option<(Found, usize)> {
        let next = self.token(at + 1).filter(|next| !next.first)?;
        let is_value = matches!(next.kind, TokenKind::Number | TokenKind::Text | TokenKind::TextOpen)
            || matches!(self.text(at + 1), "{" | "[" | "null" | "true" | "false" | "fixture");
        let is_stub = self.opening(at).is_some_and(|open| self.text(self.line_start(open)) == "test");
        let line = self.line_start(at);
        if !is_value || !is_stub || !(self.text(line) == "stub" || line == at) {
            return None;
        }
        let value = self.text(at + 1).to_owned();
        Some((self.told(at + 1, at + 1, Idiom::ThenValue(value), vec![self.before(at + 1, "returns ")?])?, at + 2))
    }

    /// `let` in a test.
    fn test_let(&self, at: usize) -> Option<(Found, usize)> {
        let open = self.opening(at)?;
        if !self.is_first(at) || self.text(self.line_start(open)) != "test" || self.opening(open).is_some() {
            return None;
        }
        let end = self.statement_end(at);
        Some((self.told(at, at, Idiom::TestLet, vec![self.edit(at, end, HOLE)?])?, end + 1))
    }

    /// `record Lead { @pii email: Email }`
    fn attribute_of_field(&self, at: usize) -> Option<(Found, usize)> {
        let (word, name) = (at + 1, at + 2);
        let is_place =
            self.is_first(at) || matches!(at.checked_sub(1).map(|before| self.text(before)), Some("{" | "," | "("));
        let is_field = self.is_word(word) && self.is_word(name) && self.text(name + 1) == ":" && self.is_type(name + 2);
        if !is_place || !is_field {
            return None;
        }
        let mut end = self.path_end(name + 2)?;
        if self.text(end + 1) == "<" && self.touch(end) {
            end = (end + 1..end + 16).find(|index| self.text(*index) == ">")?;
        }
        if self.text(end + 1) == "?" && self.touch(end) {
            end += 1;
        }
        let attribute = self.text(word);
        let meant = format!("{} @{attribute}", self.source(name, end)?);
        let drop = Edit { start: self.token(at)?.start, end: self.token(name)?.start, text: String::new() };
        let edits = vec![drop, self.after(end, format!(" @{attribute}"))?];
        Some((self.told(at, word, Idiom::AttributeOfField(meant), edits)?, end + 1))
    }
}

/// The name that a text may stand for.
fn written(text: &str, is_type: bool) -> String {
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map_or(String::new(), |first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
    };
    match is_type {
        true => parts.map(capital).collect(),
        false => parts.map(str::to_lowercase).collect::<Vec<_>>().join("_"),
    }
}
