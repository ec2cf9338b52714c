//! What people write who come from another language, where it takes more than one token to see it.
//!
//! In: the tokens of a text. Out: an edit that makes Flow of it, or a hole in its place, and one problem. None of these
//! has a meaning in Flow, so nothing that is right is found here.

use crate::{
    patch,
    problem::{Edit, Habit, Problem, ProblemKind},
    scan::{HOLE, Scan},
    token::{ITEMS, Token, TokenKind, closes, opens},
};

/// How many tokens are looked at for the end of one.
const FAR: usize = 400;

/// How many of a text are told: who has so many is told enough.
const MOST: usize = 200;

/// Finds habits of other languages and repairs them.
pub(crate) fn habits(source: &str, scan: &mut Scan) {
    let found = Search { source, tokens: &scan.tokens }.all();
    if found.is_empty() {
        return;
    }
    let mut told = Vec::new();
    for (mut problem, edits) in found {
        let near = scan.problems.partition_point(|known| known.end <= problem.start);
        let is_known = scan.problems.get(near).is_some_and(|known| known.start < problem.end);
        if is_known && problem.kind != ProblemKind::Habit(Habit::Dollar) {
            continue;
        }
        let is_fix = edits.iter().all(|edit| !edit.text.contains(HOLE));
        if !edits.iter().all(|edit| patch::insert(&mut scan.edits, edit.clone())) {
            continue;
        }
        if is_fix && problem.fix.is_empty() {
            problem.fix = edits;
        }
        if !is_known {
            told.push(problem);
        }
    }
    scan.problems.append(&mut told);
    scan.problems.sort_by_key(|problem| problem.start);
}

struct Search<'s> {
    source: &'s str,
    tokens: &'s [Token],
}

type Found = (Problem, Vec<Edit>);

impl Search<'_> {
    fn all(&self) -> Vec<Found> {
        let mut found = Vec::new();
        let mut next = 0;
        for at in 0..self.tokens.len() {
            if at < next {
                continue;
            }
            if let Some((one, beyond)) = self.at(at) {
                found.push(one);
                if found.len() == MOST {
                    break;
                }
                next = beyond.max(at + 1);
            }
        }
        found
    }

    /// The habit that begins at a token, and the first token after it.
    fn at(&self, at: usize) -> Option<(Found, usize)> {
        match self.text(at) {
            "f" | "F" => self.prefix(at),
            "[" => self.array(at).or_else(|| self.comprehension(at)),
            "?" => self.optional_field(at),
            "type" => self.alias(at),
            "lambda" => self.lambda(at),
            "switch" => self.switch(at),
            "const" => self.no_value(at),
            "{" => self.node(at),
            "catch" => self.catch(at),
            _ => None,
        }
    }

    fn token(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).copied()
    }

    fn text(&self, at: usize) -> &str {
        self.token(at).map_or("", |token| token.text(self.source))
    }

    fn is_word(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.kind == TokenKind::Word)
    }

    /// Whether nothing stands between a token and the next.
    fn touch(&self, at: usize) -> bool {
        matches!((self.token(at), self.token(at + 1)), (Some(one), Some(other)) if one.end == other.start)
    }

    /// The token that closes the bracket at `at`.
    fn closing(&self, at: usize) -> Option<usize> {
        let mut depth = 0usize;
        for (index, token) in self.tokens.iter().enumerate().skip(at).take(FAR) {
            if opens(*token) {
                depth += 1;
            } else if closes(*token) {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
        }
        None
    }

    /// The source from one token to the end of another.
    fn source(&self, from: usize, to: usize) -> Option<&str> {
        self.source.get(self.token(from)?.start as usize..self.token(to)?.end as usize)
    }

    /// A habit of the tokens `from..=to`.
    fn found(&self, from: usize, to: usize, habit: Habit, edits: Vec<Edit>) -> Option<Found> {
        let (start, end) = (self.token(from)?.start, self.token(to)?.end);
        let found = self.source.get(start as usize..end as usize)?.to_owned();
        let kind = ProblemKind::Habit(habit);
        Some((Problem { start, end, expected: Vec::new(), found, kind, fix: Vec::new() }, edits))
    }

    fn edit(&self, from: usize, to: usize, text: impl Into<String>) -> Option<Edit> {
        Some(Edit { start: self.token(from)?.start, end: self.token(to)?.end, text: text.into() })
    }

    /// `f"Hello {name}"`
    fn prefix(&self, at: usize) -> Option<(Found, usize)> {
        let is_text = matches!(self.token(at + 1)?.kind, TokenKind::Text | TokenKind::TextOpen);
        if !is_text || !self.touch(at) {
            return None;
        }
        Some((self.found(at, at, Habit::Prefix, vec![self.edit(at, at, "")?])?, at + 1))
    }

    /// `String[]`
    fn array(&self, at: usize) -> Option<(Found, usize)> {
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
    fn comprehension(&self, at: usize) -> Option<(Found, usize)> {
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
    fn optional_field(&self, at: usize) -> Option<(Found, usize)> {
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

    /// `type Lead = { … }`
    fn alias(&self, at: usize) -> Option<(Found, usize)> {
        let is_item = self.token(at)?.first && self.is_word(at + 1) && self.text(at + 2) == "=";
        if !is_item || self.text(at + 3) != "{" {
            return None;
        }
        let edits = vec![self.edit(at, at, "record")?, self.edit(at + 2, at + 2, "")?];
        Some((self.found(at, at, Habit::Alias(self.text(at + 1).to_owned()), edits)?, at + 3))
    }

    /// `lambda x: x * 2`
    fn lambda(&self, at: usize) -> Option<(Found, usize)> {
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

    /// `switch x { case 1: … default: … }`
    fn switch(&self, at: usize) -> Option<(Found, usize)> {
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

    /// `const limit`, `const limit: Int`
    fn no_value(&self, at: usize) -> Option<(Found, usize)> {
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

    /// `catch (e) { … }`
    fn catch(&self, at: usize) -> Option<(Found, usize)> {
        let has_name = self.text(at + 1) == "(" && self.is_word(at + 2) && self.text(at + 3) == ")";
        if !has_name || self.text(at + 4) != "{" {
            return None;
        }
        let close = self.token(self.closing(at + 4)?)?.end;
        let name = self.text(at + 2).to_owned();
        let edits = vec![
            self.edit(at + 1, at + 1, "{ _ as ")?,
            self.edit(at + 3, at + 3, " =>")?,
            Edit { start: close, end: close, text: " }".to_owned() },
        ];
        Some((self.found(at + 1, at + 3, Habit::Catch(name), edits)?, at + 5))
    }

    /// `{{ $json.x }}`: the braces around what another tool inserts.
    fn node(&self, at: usize) -> Option<(Found, usize)> {
        if self.text(at + 1) != "{" || !self.touch(at) || !self.text(at + 2).starts_with('$') {
            return None;
        }
        let close = self.closing(at + 1)?;
        Some((self.found(at + 1, close, Habit::Dollar, vec![self.edit(at + 1, close, HOLE)?])?, close + 1))
    }
}
