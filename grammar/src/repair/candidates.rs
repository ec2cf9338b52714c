//! What people mean when they make a mistake, and what must be put in.

use super::{
    Candidate,
    words::{TEST, nearest, other_language},
};
use crate::{
    attempt::Failure,
    parser::Rule,
    problem::{Edit, ProblemKind},
    scan::HOLE,
    spoken,
    token::{BODY, CONTROL, ITEMS, MEMBERS, STATEMENTS, Token, TokenKind, opener},
    units::Units,
};

/// A place at which the parser stopped.
struct Place<'a, 'u> {
    units: &'u Units<'a>,
    failure: &'u Failure,
    /// The token at which it stopped.
    at: usize,
    group: usize,
    /// The first token of its unit, and one past the last.
    start: usize,
    end: usize,
    /// One past the last token of the piece.
    to: usize,
    all: Vec<Candidate>,
}

/// Changes that may mend the place at token `at`, the likeliest first.
pub(super) fn at(units: &Units<'_>, from: usize, to: usize, at: usize, failure: &Failure) -> Vec<Candidate> {
    let is_end = at >= to;
    let inner = units.ending_at(at).filter(|_| !is_end);
    let group = inner.unwrap_or_else(|| if is_end { 0 } else { units.group_of(at) });
    let inside = if inner.is_some() || is_end { at.saturating_sub(1) } else { at };
    let (start, end) = units.around(group, inside).unwrap_or((from, at));
    let mut place = Place { units, failure, at, group, start: start.max(from), end, to, all: Vec::new() };
    place.earlier();
    place.openers();
    place.signs();
    place.words();
    place.statements();
    place.missing();
    place.all
}

impl Place<'_, '_> {
    fn expects(&self, rule: Rule) -> bool {
        self.failure.expected.contains(&rule)
    }

    fn expects_value(&self) -> bool {
        self.failure.expected.iter().any(|rule| {
            matches!(
                rule,
                Rule::expr
                    | Rule::operand
                    | Rule::arg
                    | Rule::value
                    | Rule::arm_value
                    | Rule::record
                    | Rule::list
                    | Rule::name_ref
                    | Rule::type_expr
                    | Rule::type_name
                    | Rule::pattern
                    | Rule::one_of
            )
        })
    }

    /// A token of the piece.
    fn token(&self, index: usize) -> Option<Token> {
        self.units.token(index).filter(|_| index < self.to)
    }

    fn text(&self, index: usize) -> &str {
        if index < self.to { self.units.text(index) } else { "" }
    }

    fn is_word(&self, index: usize) -> bool {
        self.token(index).is_some_and(|token| token.kind == TokenKind::Word)
    }

    /// Where the token before the failure ends: what is missing is put in there.
    fn before(&self) -> u32 {
        self.at.checked_sub(1).and_then(|before| self.token(before)).map_or(0, |token| token.end)
    }

    fn add(&mut self, edits: Vec<Edit>, beyond: usize, kind: ProblemKind, range: (u32, u32)) {
        let is_fix = edits.iter().all(|edit| !edit.text.contains(HOLE) && edit.text != " _");
        let unit = Some((self.group, self.end));
        let (start, end) = range;
        self.all.push(Candidate { edits, beyond, kind, start, end, is_fix, unit, missing_at: None, opens: None });
    }

    fn replace(&mut self, index: usize, text: &str, kind: ProblemKind, beyond: usize) {
        let Some(token) = self.token(index) else { return };
        let edit = Edit { start: token.start, end: token.end, text: text.to_owned() };
        self.add(vec![edit], beyond, kind, (token.start, token.end));
    }

    fn put_in(&mut self, text: &str, kind: ProblemKind, beyond: usize) {
        let at = self.before();
        self.add(vec![Edit { start: at, end: at, text: text.to_owned() }], beyond, kind, (at, at));
    }

    /// Something is missing where the parser went on with what stands next: at the end of the line before, or before
    /// the braces it is in.
    fn earlier(&mut self) {
        let mut places = Vec::new();
        let begins_line = |index: usize| self.token(index).is_some_and(|token| token.first);
        let first = (self.at.saturating_sub(3)..self.at).rev().find(|index| begins_line(*index));
        places.extend(first.filter(|_| !begins_line(self.at)));
        let bounds = self.units.groups.groups.get(self.group);
        places.extend(bounds.filter(|bounds| bounds.bracket == "{").and_then(|bounds| bounds.open));
        for place in places {
            let Some(last) = place.checked_sub(1).filter(|last| self.units.expects_more(*last)) else { continue };
            let Some(at) = self.token(last).map(|token| token.end) else { continue };
            for text in [HOLE, " _"] {
                let edits = vec![Edit { start: at, end: at, text: text.into() }];
                self.add(edits, self.at, ProblemKind::Incomplete, (at, at));
                if let Some(candidate) = self.all.last_mut() {
                    candidate.missing_at = Some(at);
                    candidate.unit = None;
                }
            }
        }
    }

    /// A closing bracket further on was left out because nothing opens it: its opening one may be missing here.
    fn openers(&mut self) {
        let begin = self.units.around(self.group, self.start.saturating_sub(1)).map_or(self.start, |(begin, _)| begin);
        let Some(dropped) = self.units.groups.dropped(begin.min(self.start), self.to) else { return };
        let Some(closing) = self.token(dropped) else { return };
        let bracket = opener(self.text(dropped));
        let last = self.at.min(dropped);
        let first = if dropped < self.at { begin } else { self.start };
        for place in (first.max(last.saturating_sub(8))..=last).rev() {
            let Some(at) = place.checked_sub(1).and_then(|before| self.token(before)).map(|before| before.end) else {
                continue;
            };
            let edits = vec![
                Edit { start: at, end: at, text: bracket.to_owned() },
                Edit { start: closing.start, end: closing.end, text: self.text(dropped).to_owned() },
            ];
            self.add(edits, dropped.max(self.at), ProblemKind::Missing(bracket.to_owned()), (at, at));
            if let Some(candidate) = self.all.last_mut() {
                candidate.edits.truncate(2);
                candidate.opens = Some((dropped, place));
                candidate.unit = None;
            }
        }
    }

    /// `a -1`: with space before it alone, a minus belongs to the number.
    fn minus(&mut self) {
        let from = self.at.saturating_sub(4).max(1);
        let sign = (from..=self.at).rev().find(|index| {
            let (Some(before), Some(sign), Some(after)) =
                (self.token(index - 1), self.token(*index), self.token(index + 1))
            else {
                return false;
            };
            let is_value = matches!(before.kind, TokenKind::Word | TokenKind::Number | TokenKind::Close);
            self.text(*index) == "-" && is_value && before.end < sign.start && sign.end == after.start && !sign.first
        });
        if let Some(sign) = sign {
            self.replace(sign, "- ", ProblemKind::Minus, self.at.max(sign + 1));
            if let Some(candidate) = self.all.last_mut() {
                candidate.unit = None;
            }
        }
    }

    /// `f (x)`, `List <T>`, `xs [0]`: what must touch the name before it.
    fn touching(&mut self) {
        let at = self.at;
        let (Some(before), Some(found)) = (at.checked_sub(1).and_then(|before| self.token(before)), self.token(at))
        else {
            return;
        };
        let is_name = before.kind == TokenKind::Word || before.kind == TokenKind::Close;
        if matches!(self.text(at), "(" | "[" | "<") && is_name && before.line == found.line && before.end < found.start
        {
            let edit = Edit { start: before.end, end: found.start, text: String::new() };
            self.add(vec![edit], at + 1, ProblemKind::Apart, (found.start, found.end));
        }
    }

    /// A binding of the same name stands before it in the block, or in one around it.
    fn is_bound(&self, name: usize) -> bool {
        let mut group = self.group;
        loop {
            let Some(block) = self.units.groups.groups.get(group) else { return false };
            let near = block.from.max(name.saturating_sub(1000));
            let mut before = self.units.direct(group, near, name.saturating_sub(1));
            if before.any(|index| matches!(self.text(index), "let" | "step") && self.text(index + 1) == self.text(name))
            {
                return true;
            }
            if block.parent == group || block.bracket.is_empty() {
                return false;
            }
            group = block.parent;
        }
    }

    /// There is no loop with a condition.
    fn endless(&mut self) {
        if !matches!(self.text(self.start), "while" | "loop") {
            return;
        }
        let brace = self.units.direct(self.group, self.start, self.end).find(|index| self.text(*index) == "{");
        if let (Some(word), Some(brace)) = (self.token(self.start), brace.and_then(|brace| self.token(brace))) {
            let edit = Edit { start: word.start, end: brace.start, text: format!("if {HOLE} ") };
            self.add(vec![edit], self.at, ProblemKind::Endless, (word.start, word.end));
        }
    }

    /// `{ step x = … }` that belongs to nothing was taken for a record.
    fn bare_block(&mut self) {
        let word = self.text(self.at.wrapping_sub(1));
        let bounds = self.units.groups.groups.get(self.group).filter(|bounds| bounds.bracket == "{");
        let Some((open, close)) = bounds.and_then(|bounds| Some((bounds.open?, bounds.to))) else { return };
        let is_statement = STATEMENTS.contains(&word) || CONTROL.contains(&word);
        if open + 2 != self.at || !is_statement || !self.expects(Rule::colon) {
            return;
        }
        if let (Some(first), Some(last)) = (self.token(open), self.token(close)) {
            let without = |token: Token| Edit { start: token.start, end: token.end, text: String::new() };
            self.add(vec![without(first), without(last)], self.at, ProblemKind::BareBlock, (first.start, first.end));
        }
    }

    fn signs(&mut self) {
        self.endless();
        self.bare_block();
        self.touching();
        self.minus();
        let at = self.at;
        let instead = |text: &str| ProblemKind::Instead(text.to_owned());
        match self.text(at) {
            "=" => {
                let is_name = at > 0 && self.is_word(at - 1);
                let is_statement = matches!(self.units.bracket(self.group), "{") && self.start + 1 == at;
                if self.expects(Rule::colon) || (is_name && self.start + 1 == at && !is_statement) {
                    self.replace(at, ":", instead(":"), at + 1);
                }
                if is_statement && is_name && self.is_bound(self.start) {
                    let range = (self.token(self.start), self.token(self.end.saturating_sub(1)));
                    if let (Some(first), Some(last)) = range {
                        let edit = Edit { start: first.start, end: last.end, text: HOLE.into() };
                        self.add(vec![edit], at, ProblemKind::Reassigned, (first.start, first.end));
                    }
                }
                if is_statement && is_name {
                    let start = self.token(self.start).map_or(0, |token| token.start);
                    let edits = vec![Edit { start, end: start, text: "let ".into() }];
                    let end = self.token(at).map_or(start, |token| token.end);
                    self.add(edits, at + 1, ProblemKind::MissingLet, (start, end));
                }
                self.replace(at, "==", instead("=="), at + 1);
            }
            ":" if self.expects(Rule::fat_arrow) => self.replace(at, "=>", instead("=>"), at + 1),
            ":" if self.expects(Rule::equals) && at <= self.start + 2 => self.replace(at, "=", instead("="), at + 1),
            ":" if self.expects(Rule::result) || (self.expects(Rule::arrow) && !self.expects(Rule::operator)) => {
                self.replace(at, "->", instead("->"), at + 1);
            }
            "=>" if self.expects(Rule::colon) && !self.expects(Rule::arrow) => {
                self.replace(at, ":", instead(":"), at + 1);
            }
            "=>" => self.replace(at, "->", instead("->"), at + 1),
            "->" => self.replace(at, "=>", instead("=>"), at + 1),
            // Without the comma, a name that is missing before it would be the one that follows.
            "," if !self.expects_value() && at.checked_sub(1).is_none_or(|before| self.text(before) != ".") => {
                let Some(token) = self.token(at) else { return };
                let edit = Edit { start: token.start, end: token.end, text: String::new() };
                self.add(vec![edit], at, ProblemKind::Unexpected, (token.start, token.end));
            }
            _ => {}
        }
    }

    /// Words that were misspelt, or that another language has.
    fn words(&mut self) {
        let at = self.at;
        // The word that the unit begins with was taken for a value, and the trouble came one or two words later.
        let start = self.start;
        if self.is_word(start) && start <= at && at <= start + 3 {
            let word = self.text(start);
            let near = other_language(word).or_else(|| nearest(word, self.keywords()));
            if let Some(near) = near.filter(|near| *near != word && word != "async") {
                self.replace(start, near, ProblemKind::UnknownWord(Some(near.to_owned())), at.max(start + 1));
            }
        }
        if start != at
            && let Some(other) = other_language(self.text(at)).filter(|_| self.is_word(at))
        {
            self.replace(at, other, ProblemKind::UnknownWord(Some(other.to_owned())), at);
        }
        // `elif` was taken for a value.
        if let Some(before) = at.checked_sub(1).filter(|before| *before > start && self.is_word(*before))
            && let Some(other) = other_language(self.text(before))
        {
            self.replace(before, other, ProblemKind::UnknownWord(Some(other.to_owned())), at);
        }
        if self.is_word(at) {
            let keywords: Vec<String> =
                self.failure.expected.iter().filter_map(|rule| spoken::keyword(*rule)).collect();
            let known: Vec<&str> = keywords.iter().map(String::as_str).collect();
            if let Some(near) = nearest(self.text(at), &known).map(str::to_owned) {
                self.replace(at, &near, ProblemKind::UnknownWord(Some(near.clone())), at + 1);
            }
        }
    }

    /// The words that can begin a unit of the group.
    fn keywords(&self) -> &'static [&'static str] {
        let Some(bounds) = self.units.groups.groups.get(self.group).filter(|_| self.group != 0) else { return ITEMS };
        let open = bounds.open.unwrap_or(bounds.from.saturating_sub(1));
        let header = self.units.around(bounds.parent, open).map_or("", |(start, _)| self.text(start));
        match header {
            "connector" => MEMBERS,
            "test" => TEST,
            _ => BODY,
        }
    }

    fn statements(&mut self) {
        let at = self.at;
        if self.units.bracket(self.group) != "{" {
            return;
        }
        // A value that is followed by something: it was meant to be done something with.
        let is_after_value = self.expects(Rule::rbrace)
            && (self.expects(Rule::operator) || self.expects(Rule::call) || self.expects(Rule::args));
        let count = self.all.len();
        if is_after_value {
            let begin = if at == self.start && at > 0 {
                self.units.around(self.group, at - 1).map(|(start, _)| start)
            } else {
                Some(self.start)
            };
            if let Some(begin) = begin.filter(|begin| *begin < at && !STATEMENTS.contains(&self.text(*begin))) {
                let (start, end) = (self.token(begin).map_or(0, |token| token.start), self.before());
                let is_whole = self.token(at).is_none_or(|token| token.first);
                let is_call = self.text(at - 1) == ")" && self.is_word(begin);
                if is_whole && is_call {
                    let edits = vec![Edit { start, end: start, text: "step ".into() }];
                    let kind = ProblemKind::NakedCall(self.has_effect(begin));
                    self.add(edits, at, kind, (start, end));
                } else if is_whole {
                    let edits = vec![Edit { start, end, text: HOLE.into() }];
                    self.add(edits, at, ProblemKind::UnusedValue, (start, end));
                }
            }
        }
        // What is wrong is the unit before: this one may have a mistake of its own.
        for candidate in self.all.iter_mut().skip(count) {
            candidate.unit = None;
        }
    }

    /// Says whether the call that begins at a token is one of a connection or of a flow of the file.
    fn has_effect(&self, call: usize) -> bool {
        let name = self.text(call);
        let declares = |index: usize| match self.units.text(index) {
            "connection" | "flow" => self.units.text(index + 1) == name,
            "use" => (index + 1..index + 32)
                .take_while(|next| {
                    self.units
                        .token(*next)
                        .is_some_and(|token| token.line == self.units.tokens.get(index).map_or(0, |first| first.line))
                })
                .any(|next| self.units.text(next) == name),
            _ => false,
        };
        self.units.direct(0, 0, self.units.tokens.len()).filter(|index| self.units.begins(*index, 0)).any(declares)
    }

    /// Says whether a token goes on with the name of an operation or an event, on the line of what is before it.
    fn is_of_path(&self, index: usize) -> bool {
        let is_answer = self.is_answer(index);
        self.token(index).is_some_and(|token| !token.first)
            && !is_answer
            && (self.is_word(index) || self.text(index) == ".")
    }

    /// Says whether what a call is answered begins here.
    fn is_answer(&self, index: usize) -> bool {
        matches!(self.text(index), "returns" | "fails" | "using")
    }

    /// What must stand before the place of the failure.
    fn missing(&mut self) {
        let at = self.at;
        self.block();
        let missing = |text: &str| ProblemKind::Missing(text.to_owned());
        let found = self.token(at);
        let is_closing = found.is_none_or(|token| matches!(token.kind, TokenKind::Close | TokenKind::TextClose));
        let is_in_brackets = matches!(self.units.bracket(self.group), "(" | "[" | "{");
        self.keyword();
        if let Some(token) = found.filter(|_| self.expects(Rule::kw_stub))
            && (at + 1..at + 12).find(|next| !self.is_of_path(*next)).is_some_and(|next| self.is_answer(next))
        {
            let edit = Edit { start: token.start, end: token.start, text: "stub ".into() };
            self.add(vec![edit], at + 1, missing("stub"), (token.start, token.end));
        }
        if !is_closing || self.expects(Rule::rangle) {
            let is_on_line = found.is_some_and(|token| !token.first);
            if !is_closing && self.expects(Rule::comma) && (is_in_brackets || is_on_line) && !self.expects(Rule::pipe) {
                self.put_in(",", missing(","), at + 1);
            }
            for (rule, text) in [
                (Rule::equals, " ="),
                (Rule::colon, ":"),
                (Rule::annotation, ":"),
                (Rule::fat_arrow, " =>"),
                (Rule::kw_in, " in"),
                (Rule::kw_as, " as"),
                (Rule::result, " ->"),
                (Rule::arrow, " ->"),
                (Rule::params, "()"),
                (Rule::lparen, "()"),
                (Rule::rangle, ">"),
            ] {
                // After a value, `as` and `->` could always follow.
                let is_telling = !matches!(rule, Rule::kw_as | Rule::arrow) || !self.expects(Rule::operator);
                if self.expects(rule) && is_telling {
                    self.put_in(text, missing(text.trim()), at + 1);
                }
            }
        }
        // Where the next unit begins, it is plain that something is missing before it.
        let is_plain = is_closing || self.text(at) == "," || self.units.begins(at, self.group);
        let far = if is_plain { at } else { at + 2 };
        if is_plain && self.expects(Rule::equals) {
            self.put_in(&format!(" = {HOLE}"), ProblemKind::Incomplete, far);
        }
        if self.expects_value() {
            self.put_in(HOLE, ProblemKind::Incomplete, far);
        }
        if self.expects(Rule::name) || self.expects(Rule::word) || self.expects(Rule::path) {
            self.put_in(" _", ProblemKind::Incomplete, far);
        }
    }

    /// The word that says what an item is.
    fn keyword(&mut self) {
        let at = self.at;
        let is_member = self.keywords() == MEMBERS;
        let is_keyword = ITEMS.contains(&self.text(at)) || MEMBERS.contains(&self.text(at));
        if self.start != at || !self.is_word(at) || is_keyword || !(self.group == 0 || is_member) {
            return;
        }
        let is_type = self.text(at).starts_with(|letter: char| letter.is_ascii_uppercase());
        let words: &[&str] = match (self.text(at + 1), is_member) {
            ("{", _) if is_type => &["record", "enum", "error"],
            ("{", true) => &["config", "http", "webhooks", "challenge"],
            ("{", false) if MEMBERS.contains(&self.text(at + 2)) => &["connector"],
            ("{", false) if matches!(self.text(at + 3), ":" | "{") => &["policy"],
            ("{", false) => &["flow"],
            ("(", true) => &["operation", "verification"],
            ("(", false) => &["fn", "flow"],
            (".", true) => &["operation", "trigger"],
            ("=", false) => &["const", "connection"],
            (":", false) => &["const"],
            ("->" | "fails", false) => &["flow"],
            _ => &[],
        };
        let start = self.token(at).map_or(0, |token| token.start);
        for word in words {
            let edits = vec![Edit { start, end: start, text: format!("{word} ") }];
            self.add(edits, self.end.saturating_sub(1), ProblemKind::Missing((*word).to_owned()), (start, start));
        }
    }

    /// `if x return y`: braces around what stands on the rest of the line.
    fn block(&mut self) {
        let at = self.at;
        let expects_block = [Rule::block, Rule::lbrace].iter().any(|rule| self.expects(*rule));
        let Some(found) = self.token(at) else { return };
        if !expects_block || self.text(at) == "{" {
            return;
        }
        let before = self.units.around(self.group, self.start.saturating_sub(1)).map_or(self.start, |(start, _)| start);
        let from = if self.start == at { before } else { self.start };
        let has_header = self.units.direct(self.group, from, at).any(|index| {
            let text = self.text(index);
            CONTROL.contains(&text) || text == "else"
        });
        if !has_header {
            return;
        }
        let bounds = self.units.groups.groups.get(self.group).map_or(0, |group| group.to);
        let line_end = (at..bounds).find(|index| {
            *index > at
                && self.units.group_of(*index) == self.group
                && (self.token(*index).is_some_and(|token| token.line != found.line && token.first)
                    || self.text(*index) == "else")
        });
        let last = line_end.unwrap_or(bounds).saturating_sub(1);
        let end = self.token(last).map_or(found.end, |token| token.end).max(found.end);
        let edits = vec![
            Edit { start: found.start, end: found.start, text: "{ ".into() },
            Edit { start: end, end, text: " }".into() },
        ];
        self.add(edits, last, ProblemKind::MissingBlock, (found.start, end));
    }
}
