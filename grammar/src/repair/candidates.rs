//! What people mean when they make a mistake, and what must be put in.

use super::Candidate;
use crate::{
    attempt::Failure,
    parser::Rule,
    problem::{Edit, ProblemKind},
    scan::HOLE,
    spoken,
    token::{CONTROL, ITEMS, MEMBERS, STATEMENTS, Token, TokenKind},
    units::Units,
};

/// A place at which the parser stopped.
struct Place<'a, 'u> {
    units: &'u Units<'a>,
    failure: &'u Failure,
    /// The token at which it stopped.
    at: usize,
    group: usize,
    /// The first token of its unit.
    start: usize,
    all: Vec<Candidate>,
}

/// Changes that may mend the place at token `at`, the likeliest first.
pub(super) fn at(units: &Units<'_>, from: usize, at: usize, failure: &Failure) -> Vec<Candidate> {
    let inner = units.groups.groups.iter().position(|group| group.open.is_some() && group.to == at && group.from < at);
    let group = inner.unwrap_or_else(|| units.token(at).map_or(0, |_| units.group_of(at)));
    let inside = if inner.is_some() || units.token(at).is_none() { at.saturating_sub(1) } else { at };
    let start = units.around(group, inside).map_or(from, |(start, _)| start).max(from);
    let mut place = Place { units, failure, at, group, start, all: Vec::new() };
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

    fn token(&self, index: usize) -> Option<Token> {
        self.units.token(index)
    }

    fn text(&self, index: usize) -> &str {
        self.units.text(index)
    }

    fn is_word(&self, index: usize) -> bool {
        self.token(index).is_some_and(|token| token.kind == TokenKind::Word)
    }

    /// Where the token before the failure ends: what is missing is put in there.
    fn before(&self) -> u32 {
        self.at.checked_sub(1).and_then(|before| self.token(before)).map_or(0, |token| token.end)
    }

    fn replace(&mut self, index: usize, text: &str, kind: ProblemKind, beyond: usize) {
        let Some(token) = self.token(index) else { return };
        let edits = vec![Edit { start: token.start, end: token.end, text: text.to_owned() }];
        self.all.push(Candidate { edits, beyond, kind, start: token.start, end: token.end, is_fix: true });
    }

    fn put_in(&mut self, text: &str, kind: ProblemKind, beyond: usize) {
        let at = self.before();
        let edits = vec![Edit { start: at, end: at, text: text.to_owned() }];
        let is_fix = matches!(kind, ProblemKind::Missing(_));
        self.all.push(Candidate { edits, beyond, kind, start: at, end: at, is_fix });
    }

    fn signs(&mut self) {
        let at = self.at;
        let instead = |text: &str| ProblemKind::Instead(text.to_owned());
        match self.text(at) {
            "=" => {
                let is_name = at > 0 && self.is_word(at - 1);
                let is_statement = matches!(self.units.bracket(self.group), "{") && self.start + 1 == at;
                if self.expects(Rule::colon) || (is_name && self.start + 1 == at && !is_statement) {
                    self.replace(at, ":", instead(":"), at + 1);
                }
                if is_statement && is_name {
                    let start = self.token(self.start).map_or(0, |token| token.start);
                    let edits = vec![Edit { start, end: start, text: "let ".into() }];
                    let end = self.token(at).map_or(start, |token| token.end);
                    self.all.push(Candidate {
                        edits,
                        beyond: at + 1,
                        kind: ProblemKind::MissingLet,
                        start,
                        end,
                        is_fix: true,
                    });
                }
                self.replace(at, "==", instead("=="), at + 1);
            }
            ":" => {
                if self.expects(Rule::fat_arrow) {
                    self.replace(at, "=>", instead("=>"), at + 1);
                }
                self.replace(at, "=", instead("="), at + 1);
                self.replace(at, "->", instead("->"), at + 1);
            }
            "=>" => {
                self.replace(at, "->", instead("->"), at + 1);
                self.replace(at, ":", instead(":"), at + 1);
            }
            "->" => {
                self.replace(at, "=>", instead("=>"), at + 1);
                self.replace(at, ".", instead("."), at + 1);
            }
            "," => {
                let edits = vec![Edit {
                    start: self.token(at).map_or(0, |token| token.start),
                    end: self.token(at).map_or(0, |token| token.end),
                    text: String::new(),
                }];
                let (start, end) = self.token(at).map_or((0, 0), |token| (token.start, token.end));
                if !self.expects_value() {
                    self.all.push(Candidate {
                        edits,
                        beyond: at,
                        kind: ProblemKind::Unexpected,
                        start,
                        end,
                        is_fix: true,
                    });
                }
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
            if let Some(near) = near.filter(|near| *near != word) {
                self.replace(start, near, ProblemKind::UnknownWord(Some(near.to_owned())), at.max(start + 1));
            }
        }
        if start != at
            && let Some(other) = other_language(self.text(at)).filter(|_| self.is_word(at))
        {
            self.replace(at, other, ProblemKind::UnknownWord(Some(other.to_owned())), at);
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
        let Some(open) = self.units.groups.groups.get(self.group).and_then(|group| group.open) else { return ITEMS };
        let header = self.units.around(self.units.group_of(open), open).map_or("", |(start, _)| self.text(start));
        match header {
            "connector" => MEMBERS,
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
                    self.all.push(Candidate {
                        edits,
                        beyond: at,
                        kind: ProblemKind::NakedCall,
                        start,
                        end,
                        is_fix: true,
                    });
                } else if is_whole {
                    let edits = vec![Edit { start, end, text: HOLE.into() }];
                    self.all.push(Candidate {
                        edits,
                        beyond: at,
                        kind: ProblemKind::UnusedValue,
                        start,
                        end,
                        is_fix: false,
                    });
                }
            }
        }
    }

    /// What must stand before the place of the failure.
    fn missing(&mut self) {
        let at = self.at;
        self.block();
        let missing = |text: &str| ProblemKind::Missing(text.to_owned());
        let found = self.token(at);
        let is_closing = found.is_none_or(|token| matches!(token.kind, TokenKind::Close | TokenKind::TextClose));
        let is_in_brackets = matches!(self.units.bracket(self.group), "(" | "[" | "{");
        if !is_closing {
            let is_on_line = found.is_some_and(|token| !token.first);
            if self.expects(Rule::comma) && (is_in_brackets || is_on_line) && !self.expects(Rule::pipe) {
                self.put_in(",", missing(","), at + 1);
            }
            for (rule, text) in [
                (Rule::colon, ":"),
                (Rule::annotation, ":"),
                (Rule::equals, " ="),
                (Rule::fat_arrow, " =>"),
                (Rule::kw_in, " in"),
                (Rule::kw_as, " as"),
                (Rule::result, " ->"),
                (Rule::arrow, " ->"),
                (Rule::params, "()"),
                (Rule::lparen, "()"),
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
        if self.expects_value() {
            self.put_in(HOLE, ProblemKind::Incomplete, far);
        }
        if self.expects(Rule::name) || self.expects(Rule::word) || self.expects(Rule::path) {
            self.put_in(" _", ProblemKind::Incomplete, far);
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
        let begin = self.units.direct(self.group, 0, at).rev().find(|index| {
            let text = self.text(*index);
            CONTROL.contains(&text) || text == "else"
        });
        if begin.is_none_or(|begin| begin < self.start.min(at.saturating_sub(1)) && self.start != at) {
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
        self.all.push(Candidate {
            edits,
            beyond: last,
            kind: ProblemKind::MissingBlock,
            start: found.start,
            end,
            is_fix: true,
        });
    }
}

/// Words that can begin a unit of a block.
const BODY: &[&str] = &[
    "let",
    "step",
    "return",
    "fail",
    "respond",
    "log",
    "dead_letter",
    "sleep",
    "emit",
    "saga",
    "if",
    "match",
    "for",
    "parallel",
    "try",
    "race",
    "repeat",
    "on",
];

/// What a word of another language is in Flow.
fn other_language(word: &str) -> Option<&'static str> {
    Some(match word {
        "funtion" | "fucntion" | "functon" => "fn",
        "function" | "func" | "def" | "fun" => "fn",
        "var" | "val" => "let",
        "import" | "include" | "require" => "use",
        "struct" | "class" | "type" | "interface" | "message" => "record",
        "elif" | "elsif" | "elseif" | "elsei" => "else if",
        "switch" | "case" => "match",
        "foreach" | "while" => "for",
        "throw" | "raise" => "fail",
        "print" | "println" | "console" => "log",
        "await" | "call" | "run" | "do" => "step",
        "workflow" | "pipeline" | "job" => "flow",
        _ => return None,
    })
}

/// The word that is nearest to what was written, if one is near: one change in a short word, two in a longer one.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = match word.len() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    };
    let near = known.iter().map(|known| (distance(word, known), *known)).filter(|(distance, _)| *distance <= most);
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The number of letters to put in, take out, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let width = b.len() + 1;
    let mut rows = vec![(0..width).collect::<Vec<usize>>()];
    for (row, left) in a.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, right) in b.iter().enumerate() {
            let get = |row: usize, column: usize| rows.get(row).and_then(|row| row.get(column)).copied().unwrap_or(0);
            let mut cost = (get(row, column) + usize::from(left != right))
                .min(get(row, column + 1) + 1)
                .min(next.last().copied().unwrap_or(0) + 1);
            let is_swap = row > 0 && column > 0 && a.get(row - 1) == Some(right) && b.get(column - 1) == Some(left);
            if is_swap && left != right {
                cost = cost.min(get(row - 1, column - 1) + 1);
            }
            next.push(cost);
        }
        rows.push(next);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}
