//! Values and types as other languages write them.

use super::{Found, Search};
use crate::{
    problem::{Edit, Habit, Problem, ProblemKind},
    scan::HOLE,
    token::{TokenKind, closes, opens},
};

impl Search<'_> {
    /// `f"Hello {name}"`
    pub(super) fn prefix(&self, at: usize) -> Option<(Found, usize)> {
        let is_text = matches!(self.token(at + 1)?.kind, TokenKind::Text | TokenKind::TextOpen);
        if !is_text || !self.touch(at) {
            return None;
        }
        Some((self.found(at, at, Habit::Prefix, vec![self.edit(at, at, "")?])?, at + 1))
    }

    /// `Sql"…"`
    pub(super) fn typed_text(&self, at: usize) -> Option<(Found, usize)> {
        let is_text = matches!(self.token(at + 1)?.kind, TokenKind::Text | TokenKind::TextOpen);
        if !is_text || !self.touch(at) || !self.is_type(at) {
            return None;
        }
        let name = self.text(at).to_owned();
        Some((self.found(at, at, Habit::TypedText(name), vec![self.edit(at, at, "")?])?, at + 1))
    }

    /// `verify: hmac sha256(…)`
    pub(super) fn scheme(&self, at: usize) -> Option<(Found, usize)> {
        let is_verify = at >= 2 && self.text(at - 1) == ":" && self.text(at - 2) == "verify";
        let hash = if matches!(self.text(at + 1), "-" | "." | "/") { at + 2 } else { at + 1 };
        if !is_verify || !self.is_word(hash) || self.text(hash + 1) != "(" || self.is_first(hash) {
            return None;
        }
        let meant = format!("hmac_{}", self.text(hash));
        let fix = vec![self.edit(at, hash, meant.as_str())?];
        let close = self.closing(hash + 1)?;
        let found = self.found(at, hash, Habit::Scheme(meant), vec![self.edit(at, close, HOLE)?])?;
        Some((self.fixed(found, fix), close + 1))
    }

    /// `String[]`
    pub(super) fn array(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_type = self.is_word(before) && self.text(before).starts_with(|first: char| first.is_ascii_uppercase());
        if !is_type || self.text(at + 1) != "]" || !self.touch(before) || !self.touch(at) {
            return None;
        }
        let mut first = before;
        while first >= 2 && self.text(first - 1) == "." && self.is_word(first - 2) {
            first -= 2;
        }
        let list = format!("List<{}>", self.source(first, before)?);
        let (hole, edit) = (self.edit(first, at + 1, HOLE)?, self.edit(first, at + 1, list.clone())?);
        let (problem, holes) = self.found(first, at + 1, Habit::Array(list), vec![hole])?;
        Some(((Problem { fix: vec![edit], ..problem }, holes), at + 2))
    }

    /// `[x * 2 for x in xs if x > 1]`
    pub(super) fn comprehension(&self, at: usize) -> Option<(Found, usize)> {
        let close = self.closing(at)?;
        let mut depth = 0usize;
        let mut places = (None, None, None);
        for index in at + 1..close {
            let token = self.token(index)?;
            depth = if opens(token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(token))) };
            match self.text(index) {
                "for" if depth == 0 && index > at + 1 => places.0 = places.0.or(Some(index)),
                "in" if depth == 0 && places.0.is_some() => places.1 = places.1.or(Some(index)),
                "if" if depth == 0 && places.1.is_some() => places.2 = places.2.or(Some(index)),
                "{" | "," if depth == 0 => return None,
                _ => {}
            }
        }
        let (Some(each), Some(within)) = (places.0, places.1) else { return None };
        if within != each + 2 || within + 1 >= close {
            return None;
        }
        let name = self.text(each + 1);
        let list_end = places.2.map_or(close - 1, |condition| condition - 1);
        let mut text = self.source(within + 1, list_end)?.to_owned();
        if let Some(condition) = places.2.filter(|condition| condition + 1 < close) {
            text.push_str(&format!(".filter({name} -> {})", self.source(condition + 1, close - 1)?));
        }
        let value = self.source(at + 1, each - 1)?;
        if value != name {
            text.push_str(&format!(".map({name} -> {value})"));
        }
        let (hole, edit) = (self.edit(at, close, HOLE)?, self.edit(at, close, text.clone())?);
        let (problem, holes) = self.found(at, close, Habit::Comprehension(text), vec![hole])?;
        Some(((Problem { fix: vec![edit], ..problem }, holes), close + 1))
    }

    /// `note?: String`
    pub(super) fn optional_field(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        if !self.is_word(before) || !self.touch(before) || self.text(at + 1) != ":" || !self.is_word(at + 2) {
            return None;
        }
        let mut last = at + 2;
        while self.text(last + 1) == "." && self.is_word(last + 2) {
            last += 2;
        }
        if self.text(last + 1) == "<" {
            last = (last + 1..self.tokens.len()).take(16).find(|index| self.text(*index) == ">")?;
        }
        let mut edits = vec![self.edit(at, at, "")?];
        if self.text(last + 1) != "?" {
            let end = self.token(last)?.end;
            edits.push(Edit { start: end, end, text: "?".to_owned() });
        }
        let (name, ty) = (self.text(before), self.source(at + 2, last)?);
        Some((self.found(at, at, Habit::Optional(format!("{name}: {ty}?")), edits)?, at + 1))
    }

    /// `String | null`
    pub(super) fn nullable(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_null = matches!(self.text(at + 1), "null" | "None" | "nil" | "undefined" | "Null");
        // In a `match`, null is one of several patterns.
        if !is_null || matches!(self.text(at + 2), "=>" | "|" | "if") || self.is_in_pattern(at) {
            return None;
        }
        let (start, is_own) = self.type_start(before)?;
        let sign = start.checked_sub(1)?;
        let is_parameter = self.opening(at).is_some_and(|open| self.text(open) == "(");
        let is_field = self.opening(at).and_then(|open| open.checked_sub(2)).is_some_and(|item| {
            matches!(self.text(item), "record" | "error") || matches!(self.text(item + 1), "config" | "->" | "<")
        });
        let is_type = match self.text(sign) {
            "->" | "<" => true,
            ":" => is_own || is_parameter || is_field,
            _ => false,
        };
        if !is_type {
            return None;
        }
        let edit = Edit { start: self.token(before)?.end, end: self.token(at + 1)?.end, text: "?".to_owned() };
        let meant = format!("{}?", self.source(start, before)?);
        Some((self.found(at, at + 1, Habit::Nullable(meant), vec![edit])?, at + 2))
    }

    /// Says whether the braces around a token are the pattern of an arm.
    fn is_in_pattern(&self, at: usize) -> bool {
        let mut open = self.opening(at);
        while let Some(place) = open.filter(|open| matches!(self.text(*open), "{" | "[")) {
            let close = self.closing(place);
            if close.is_some_and(|close| matches!(self.text(close + 1), "=>" | "if" | "|")) {
                return true;
            }
            open = self.opening(place);
        }
        false
    }

    /// The first token of the type that ends at a token, and whether only a type is written so.
    fn type_start(&self, last: usize) -> Option<(usize, bool)> {
        const OWN: [&str; 15] = [
            "Bool",
            "String",
            "Int",
            "Decimal",
            "Bytes",
            "Money",
            "Timestamp",
            "Date",
            "Duration",
            "Size",
            "Email",
            "Url",
            "Uuid",
            "Json",
            "File",
        ];
        if self.is_text(last) {
            let mut first = last;
            while first >= 2 && self.text(first - 1) == "|" && self.is_text(first - 2) {
                first -= 2;
            }
            return Some((first, false));
        }
        let mut first = last;
        if self.text(last) == ">" {
            let mut depth = 0usize;
            first = (0..=last).rev().take(32).find(|index| {
                match self.text(*index) {
                    ">" => depth += 1,
                    "<" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                depth == 0
            })?;
            first = first.checked_sub(1)?;
        }
        let is_own = self.text(last) == ">" || OWN.contains(&self.text(last));
        while first >= 2 && self.text(first - 1) == "." && self.is_word(first - 2) {
            first -= 2;
        }
        self.is_word(first).then_some((first, is_own))
    }

    /// `j["a"]?["b"]`
    pub(super) fn safe_index(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_index = self.text(at + 1) == "[" && self.touch(at) && self.touch(before);
        let is_value = self.is_word(before) || matches!(self.text(before), ")" | "]");
        if !is_index || !is_value {
            return None;
        }
        let close = self.closing(at + 1)?;
        let key = self.text(at + 2).trim_matches('"');
        let is_name = self.is_text(at + 2)
            && close == at + 3
            && key.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
            && key.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric());
        if is_name {
            let meant = format!("?.{key}");
            let fix = vec![self.edit(at, close, meant.clone())?];
            let hole = self.edit(self.chain_start(before), close, HOLE)?;
            return Some((
                self.fixed(self.found(at, close, Habit::SafeIndex(Some(meant)), vec![hole])?, fix),
                close + 1,
            ));
        }
        let edit = self.edit(self.chain_start(before), close, HOLE)?;
        Some((self.found(at, close, Habit::SafeIndex(None), vec![edit])?, close + 1))
    }

    /// `EUR 5.00`
    pub(super) fn currency_first(&self, at: usize) -> Option<(Found, usize)> {
        let word = self.text(at);
        let is_code = word.len() == 3 && word.bytes().all(|letter| letter.is_ascii_uppercase());
        let is_amount = self.token(at + 1)?.kind == TokenKind::Number && !self.is_first(at + 1);
        let is_after = at.checked_sub(1).and_then(|before| self.token(before));
        let is_money = is_after.is_some_and(|before| before.kind == TokenKind::Number && !self.is_first(at));
        if !is_code || !is_amount || is_money {
            return None;
        }
        let meant = format!("{} {word}", self.text(at + 1));
        let fix = vec![self.edit(at, at + 1, meant.clone())?];
        let (problem, edits) = self.found(at, at + 1, Habit::Prefix, vec![self.edit(at, at + 1, HOLE)?])?;
        Some(((Problem { kind: ProblemKind::Currency(Some(meant)), fix, ..problem }, edits), at + 2))
    }

    /// `Date.now()`, `datetime.now()`
    pub(super) fn now(&self, at: usize) -> Option<(Found, usize)> {
        let is_clock = matches!(
            self.text(at),
            "Date"
                | "DateTime"
                | "Time"
                | "Timestamp"
                | "Instant"
                | "LocalDate"
                | "LocalDateTime"
                | "datetime"
                | "dayjs"
        );
        let last = at + 4;
        let is_call = matches!(self.text(at + 2), "now" | "utcnow" | "today")
            && (self.text(at + 1), self.text(at + 3), self.text(last)) == (".", "(", ")");
        if !is_clock || !is_call {
            return None;
        }
        let found = self.found(at, last, Habit::Now, vec![self.edit(at, last, HOLE)?])?;
        Some((self.fixed(found, vec![self.edit(at, last, "now()")?]), last + 1))
    }

    /// `lambda x: x * 2`
    pub(super) fn lambda(&self, at: usize) -> Option<(Found, usize)> {
        let mut names = Vec::new();
        let mut index = at + 1;
        while self.is_word(index) {
            names.push(self.text(index));
            index += 1;
            if self.text(index) != "," {
                break;
            }
            index += 1;
        }
        if names.is_empty() || self.text(index) != ":" {
            return None;
        }
        let (head, open, close) = match names.as_slice() {
            [one] => (format!("{one} ->"), "", " ->"),
            several => (format!("({}) ->", several.join(", ")), "(", ") ->"),
        };
        let before = Edit { start: self.token(at)?.start, end: self.token(at + 1)?.start, text: open.to_owned() };
        let edits = vec![before, self.edit(index, index, close)?];
        Some((self.found(at, index, Habit::Lambda(head), edits)?, index + 1))
    }

    /// `{{ $json.x }}`: the braces around what another tool inserts.
    pub(super) fn node(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != "{" || !self.touch(at) || !self.text(at + 2).starts_with('$') {
            return None;
        }
        let close = self.closing(at + 1)?;
        Some((self.found(at + 1, close, Habit::Dollar, vec![self.edit(at + 1, close, HOLE)?])?, close + 1))
    }

    /// `"{{name}}"`: what is inserted stands between single braces.
    pub(super) fn double_brace(&self, at: usize) -> Option<(Found, usize)> {
        let before = self.token(at.checked_sub(1)?)?;
        let gap = self.source.get(before.end as usize..self.token(at)?.start as usize)?.trim_start();
        let is_in_text = before.kind == TokenKind::TextOpen || !(gap.is_empty() || gap.starts_with("//"));
        if !is_in_text || self.text(at + 1) != "{" || !self.touch(at) || !self.is_word(at + 2) {
            return None;
        }
        let (inner, outer) = (self.closing(at + 1)?, self.closing(at)?);
        if outer != inner + 1 || !self.touch(inner) || self.text(at + 3) == ":" {
            return None;
        }
        let value = self.source(at + 2, inner - 1)?.to_owned();
        let edits = vec![self.edit(at + 1, at + 1, "")?, self.edit(inner, inner, "")?];
        Some((self.found(at, outer, Habit::DoubleBrace(value), edits)?, outer + 1))
    }

    /// `new Lead("Ada")`, `new Lead { … }`
    pub(super) fn new_record(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_type(at + 1) || !matches!(self.text(at + 2), "(" | "{") {
            return None;
        }
        let name = self.text(at + 1).to_owned();
        let close = self.closing(at + 2)?;
        if name == "Date" && close == at + 3 {
            let found = self.found(at, close, Habit::Now, vec![self.edit(at, close, HOLE)?])?;
            return Some((self.fixed(found, vec![self.edit(at, close, "now()")?]), close + 1));
        }
        let edit = match self.text(at + 2) {
            "{" => Edit { start: self.token(at)?.start, end: self.token(at + 2)?.start, text: String::new() },
            _ => self.edit(at, close, HOLE)?,
        };
        Some((self.found(at, at + 1, Habit::NamedRecord(name), vec![edit])?, at + 3))
    }

    /// `Lead { name: "Ada" }`
    pub(super) fn named_record(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_value = matches!(self.text(before), "=" | "(" | "," | "[" | "return" | "??");
        if !is_value || !self.is_type(at) || self.text(at + 1) != "{" {
            return None;
        }
        let is_record = self.text(at + 3) == ":" && self.is_word(at + 2);
        // A connection names a connector there.
        let is_connection = before >= 2 && self.text(before - 2) == "connection";
        if !is_record || is_connection {
            return None;
        }
        let name = self.text(at).to_owned();
        Some((self.found(at, at, Habit::NamedRecord(name), vec![self.drop(at)?])?, at + 1))
    }

    /// `typeof x == "string"`
    pub(super) fn type_of(&self, at: usize) -> Option<(Found, usize)> {
        let sign = (at + 2..at + 12).find(|index| matches!(self.text(*index), "==" | "!=" | "===" | "!=="))?;
        let text = (sign + 1..sign + 3).find(|index| self.is_text(*index))?;
        let ty = match self.text(text).trim_matches('"') {
            "string" => "String",
            "number" => "Decimal",
            "boolean" => "Bool",
            _ => "T",
        };
        let kind = Habit::TypeOf(format!("{} as {ty}", self.source(at + 1, sign - 1)?.trim_matches(['=', '!', ' '])));
        Some((self.found(at, at, kind, vec![self.edit(at, text, HOLE)?])?, text + 1))
    }

    /// `a AND b`, `NOT a`
    pub(super) fn capital_word(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_not = self.text(at) == "NOT";
        let is_after = self.is_value_end(before) && !self.is_first(at);
        let next = self.token(at + 1)?;
        let begins = !next.first
            && (matches!(next.kind, TokenKind::Word | TokenKind::Number | TokenKind::Text | TokenKind::TextOpen)
                || self.text(at + 1) == "(");
        if is_after == is_not || !begins || self.text(at + 1) == "as" {
            return None;
        }
        let meant = self.text(at).to_ascii_lowercase();
        let (problem, edits) = self.found(at, at, Habit::Prefix, vec![self.edit(at, at, meant.as_str())?])?;
        Some(((Problem { kind: ProblemKind::Instead(meant), ..problem }, edits), at + 1))
    }

    /// `step a <- files.read(…)`
    pub(super) fn bound_by_arrow(&self, at: usize) -> Option<(Found, usize)> {
        let start = at.checked_sub(2)?;
        let is_bound = matches!(self.text(start), "step" | "let") && self.is_first(start) && self.is_name(start + 1);
        if self.text(at + 1) != "-" || !self.touch(at) || !is_bound {
            return None;
        }
        let (problem, edits) = self.found(at, at + 1, Habit::Prefix, vec![self.edit(at, at + 1, "=")?])?;
        Some(((Problem { kind: ProblemKind::Instead("=".to_owned()), ..problem }, edits), at + 2))
    }

    /// `concurrency: 1 by order.id`
    pub(super) fn per(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_clause =
            at >= 3 && matches!(self.text(at - 3), "concurrency" | "at_most" | "debounce" | "limit" | "budget");
        if !is_clause || self.token(before)?.kind != TokenKind::Number || self.is_first(at) || self.text(at + 1) == ":"
        {
            return None;
        }
        let (problem, edits) = self.found(at, at, Habit::Prefix, vec![self.edit(at, at, "per")?])?;
        Some(((Problem { kind: ProblemKind::Instead("per".to_owned()), ..problem }, edits), at + 1))
    }

    /// `x <> 1`
    pub(super) fn unequal(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        let is_apart = !self.touch(before) && self.is_value_end(before) && !self.is_first(at);
        if self.text(at + 1) != ">" || !self.touch(at) || !is_apart || self.is_first(at + 2) {
            return None;
        }
        let (problem, edits) = self.found(at, at + 1, Habit::Prefix, vec![self.edit(at, at + 1, "!=")?])?;
        Some(((Problem { kind: ProblemKind::Instead("!=".to_owned()), ..problem }, edits), at + 2))
    }

    /// `x not in xs`
    pub(super) fn not_in(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        if self.text(at + 1) != "in" || !self.is_value_end(before) {
            return None;
        }
        let start = self.chain_start(before);
        let value = self.source(start, before)?.to_owned();
        let edits = vec![self.before(start, "not ")?, self.drop(at)?];
        Some((self.found(at, at + 1, Habit::NotIn(value), edits)?, at + 2))
    }

    /// `x is None`, `x is not None`
    pub(super) fn is_none(&self, at: usize) -> Option<(Found, usize)> {
        let last = if self.text(at + 1) == "not" { at + 1 } else { at };
        let is_null = matches!(self.text(last + 1), "None" | "null" | "Null" | "nil");
        if !self.is_value_end(at.checked_sub(1)?) || !is_null {
            return None;
        }
        let sign = if last == at { "==" } else { "!=" };
        let edits = vec![self.edit(at, last, sign)?, self.edit(last + 1, last + 1, "null")?];
        Some((self.found(at, last + 1, Habit::IsNone(format!("{sign} null")), edits)?, last + 2))
    }

    /// `x.as(Int)`, `x.as<Int>()`
    pub(super) fn as_function(&self, at: usize) -> Option<(Found, usize)> {
        let dot = at.checked_sub(1)?;
        let last = match (self.text(at + 1), self.text(at + 3)) {
            ("(", ")") => at + 3,
            ("<", ">") if self.text(at + 4) == "(" && self.text(at + 5) == ")" => at + 5,
            _ => return None,
        };
        if !self.is_value_end(dot.checked_sub(1)?) || !self.is_type(at + 2) {
            return None;
        }
        let convert = format!("as {}", self.text(at + 2));
        let found = self.found(at, last, Habit::AsFunction(convert.clone()), Vec::new())?;
        let edits = vec![self.edit(dot, at + 1, " as ")?, self.edit(at + 3, last, "")?];
        Some((self.fixed((found.0, edits.clone()), edits), last + 1))
    }

    /// `a if condition else b`
    pub(super) fn if_else(&self, at: usize) -> Option<(Found, usize)> {
        let before = at.checked_sub(1)?;
        if self.is_first(at) || !self.is_value_end(before) {
            return None;
        }
        let mut depth = 0usize;
        let mut otherwise = None;
        for index in at + 1..at + 60 {
            let token = self.token(index)?;
            if depth == 0 && (token.first || closes(token) || matches!(self.text(index), "{" | "=>" | "," | "for")) {
                return None;
            }
            if depth == 0 && self.text(index) == "else" {
                otherwise = Some(index);
                break;
            }
            depth = if opens(token) { depth + 1 } else { depth - usize::from(closes(token)) };
        }
        let otherwise = otherwise?;
        if self.text(otherwise + 1) == "{" {
            return None;
        }
        let start = self.chain_start(before);
        let end = self.statement_end(otherwise);
        let end = (otherwise + 1..=end).find(|index| self.text(*index) == ",").map_or(end, |comma| comma - 1);
        let text = format!(
            "if {} {{ {} }} else {{ {} }}",
            self.source(at + 1, otherwise - 1)?,
            self.source(start, before)?,
            self.source(otherwise + 1, end)?
        );
        let found = self.found(at, at, Habit::IfElse(text.clone()), vec![self.edit(start, end, HOLE)?])?;
        Some((self.fixed(found, vec![self.edit(start, end, text)?]), end + 1))
    }

    /// `x => { return x * 2 }`
    pub(super) fn arrow_block(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != "{" || self.text(at + 2) != "return" || !self.is_value_end(at.checked_sub(1)?) {
            return None;
        }
        // In an arm the block may leave the flow.
        let close = self.closing(at + 1)?;
        let is_argument = self.opening(at).is_some_and(|open| self.text(open) == "(");
        let is_lambda = is_argument && matches!(self.text(close + 1), ")" | ",");
        if !is_lambda || self.statement_end(at + 2) != close - 1 {
            return None;
        }
        let open = Edit { start: self.token(at + 1)?.start, end: self.token(at + 3)?.start, text: String::new() };
        let shut = Edit { start: self.token(close - 1)?.end, end: self.token(close)?.end, text: String::new() };
        let edits = vec![self.edit(at, at, "->")?, open, shut];
        Some((self.found(at, at, Habit::ArrowBlock, edits)?, at + 3))
    }
}
