//! What people write who come from another language, where it takes more than one token to see it.
//!
//! In: the tokens of a text. Out: an edit that makes Flow of it, or a hole in its place, and one problem. None of these
//! has a meaning in Flow, so nothing that is right is found here.

mod absent;
mod arm;
mod begins;
mod block;
mod bracket;
mod field;
mod idiom;
mod idiom_of_item;
mod item;
mod phrase;
mod statement;
mod trial;
mod value;

use std::{
    cell::{Cell, OnceCell},
    collections::BTreeSet,
};

use crate::{
    patch,
    problem::{Edit, Habit, Problem, ProblemKind},
    scan::{HOLE, Scan},
    token::{CONTROL, ITEMS, STATEMENTS, Token, TokenKind, closes, opens},
};

/// How many tokens are looked at for the end of one.
const FAR: usize = 400;

/// How many of a text are told: who has so many is told enough.
const MOST: usize = 200;

/// Finds habits of other languages and repairs them.
pub(crate) fn habits(source: &str, scan: &mut Scan) {
    let found = Search { source, tokens: &scan.tokens, depth: Cell::new(0), declared: OnceCell::new() }.all();
    let mut told = Vec::new();
    for (mut problem, edits) in found {
        let is_node = problem.kind == ProblemKind::Habit(Habit::Dollar);
        if !is_node {
            // What was said of a part is explained by the whole.
            let is_part = |known: &Problem| {
                edits.iter().any(|edit| edit.start <= known.start && known.end <= edit.end && edit.start < edit.end)
            };
            scan.problems.retain(|known| !is_part(known));
        }
        let near = scan.problems.partition_point(|known| known.end <= problem.start);
        let is_known = scan.problems.get(near).is_some_and(|known| known.start < problem.end);
        if is_known && !is_node {
            continue;
        }
        let is_whole = edits.iter().all(|edit| !edit.text.contains(HOLE));
        let is_gap = matches!(problem.kind, ProblemKind::Incomplete | ProblemKind::Habit(Habit::FormatSpec));
        let is_fix = is_whole && !is_gap && !takes_code(source, &edits);
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
    join(&mut scan.problems);
}

/// Whether edits take a part of the program away and put nothing in its place: nobody wants that to be done for them.
fn takes_code(source: &str, edits: &[Edit]) -> bool {
    let is_code = |edit: &Edit| {
        let gone = source.get(edit.start as usize..edit.end as usize).unwrap_or_default();
        gone.contains(['(', '=', '"', '+', '-']) || gone.trim().contains('\n')
    };
    edits.iter().all(|edit| edit.text.is_empty()) && edits.iter().any(is_code)
}

/// A habit that a text has on many of its lines is told at the first, with the fix of all.
fn join(problems: &mut Vec<Problem>) {
    let is_line = |kind: &ProblemKind| {
        matches!(kind, ProblemKind::Semicolon(_) | ProblemKind::Comment(_) | ProblemKind::Habit(Habit::Colon(_)))
    };
    let mut firsts: Vec<Problem> = Vec::new();
    problems.retain(|problem| {
        if !is_line(&problem.kind) || problem.fix.is_empty() {
            return true;
        }
        match firsts.iter_mut().find(|first| first.kind == problem.kind) {
            Some(first) => first.fix.extend(problem.fix.iter().cloned()),
            None => firsts.push(problem.clone()),
        }
        false
    });
    for mut first in firsts {
        let more = first.fix.len().saturating_sub(1);
        first.kind = match first.kind {
            ProblemKind::Semicolon(_) => ProblemKind::Semicolon(more),
            ProblemKind::Comment(_) => ProblemKind::Comment(more),
            _ => ProblemKind::Habit(Habit::Colon(more / 2)),
        };
        first.fix.sort_by_key(|edit| edit.start);
        problems.push(first);
    }
    problems.sort_by_key(|problem| problem.start);
}

struct Search<'s> {
    source: &'s str,
    tokens: &'s [Token],
    /// How many brackets are open at the token that is looked at.
    depth: Cell<usize>,
    /// The errors that the text declares, once that was asked.
    declared: OnceCell<BTreeSet<&'s str>>,
}

type Found = (Problem, Vec<Edit>);

impl Search<'_> {
    fn all(&self) -> Vec<Found> {
        let mut found = Vec::new();
        let mut next = 0;
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate() {
            self.depth.set(depth);
            depth = if opens(*token) { depth + 1 } else { depth.saturating_sub(usize::from(closes(*token))) };
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
        match self.token(at)?.kind {
            TokenKind::Text | TokenKind::TextOpen | TokenKind::TextClose | TokenKind::Close => return None,
            TokenKind::Number => return self.unit_apart(at).or_else(|| self.idiom(at)),
            TokenKind::Word | TokenKind::Open | TokenKind::Sign => {}
        }
        // After a dot, and before a colon, a keyword is a name like others.
        if self.is_word(at) {
            if matches!(at.checked_sub(1).map(|before| self.text(before)), Some("." | "?.")) {
                return if self.text(at) == "as" { self.as_function(at) } else { None };
            }
            if self.text(at + 1) == ":" && !matches!(self.text(at), "retry" | "retries" | "timeout" | "on") {
                return self.rates(at).or_else(|| self.yaml(at));
            }
        }
        match begins::may_begin(self.text(at)) {
            true => self.habit(at).or_else(|| self.idiom(at)),
            false => self.habit_of_word(at),
        }
    }

    fn habit(&self, at: usize) -> Option<(Found, usize)> {
        match self.text(at) {
            "f" | "F" => self.prefix(at),
            "[" => self.array(at).or_else(|| self.comprehension(at)).or_else(|| self.type_brackets(at)),
            "{" => self.node(at).or_else(|| self.double_brace(at)),
            "?" => self.optional_field(at).or_else(|| self.safe_index(at)),
            "?." => self.safe_index(at),
            "|" => self.nullable(at),
            ".." => self.range_end(at),
            "lambda" => self.lambda(at),
            "new" => self.new_record(at),
            "(" => self.typed_lambda(at),
            "->" => self.lambda_statement(at),
            "@" => self.attribute_call(at).or_else(|| self.attribute_first(at)),
            "with" => self.with_call(at).or_else(|| self.with_words(at)),
            "given" => self.given_record(at),
            "respond" => self.statement_call(at),
            "dead_letter" => self.statement_call(at).or_else(|| self.queue_text(at)).or_else(|| self.queue_name(at)),
            "<" => self.unequal(at).or_else(|| self.bound_by_arrow(at)).or_else(|| self.dangling(at)),
            "AND" | "OR" | "NOT" => self.capital_word(at),
            "by" => self.per(at),
            "body" | "status" => self.error_when(at),
            "typeof" => self.type_of(at),
            "not" => self.not_in(at),
            "is" => self.is_none(at),
            "if" => self.if_else(at).or_else(|| self.then(at)),
            "=>" => self
                .arrow_body(at)
                .or_else(|| self.arrow_block(at))
                .or_else(|| self.arm_head(at))
                .or_else(|| self.arm_statement(at)),
            "when" => self.when(at),
            "else" => self.otherwise(at),
            "fail" => self.fail_text(at).or_else(|| self.fail_record(at)),
            "undo" => self.undo(at),
            "wait" => self.waiting(at),
            "emit" => self.emit_call(at).or_else(|| self.emit_words(at)),
            "parallel" | "race" | "saga" | "try" => self.statement_commas(at),
            "expect" => self.expectation(at),
            "stub" => self.stub_fails(at),
            "approve" => self.approval(at),
            "use" => self.used(at),
            "connection" => self.connection_call(at),
            "fn" | "flow" => self.parameters(at),
            "fails" => self.fails(at),
            "..." => self.spread(at),
            ":" => self
                .colon(at)
                .or_else(|| self.named_late(at))
                .or_else(|| self.format_spec(at))
                .or_else(|| self.head_colon(at)),
            "switch" => self.switch(at),
            "catch" => self.catch(at).or_else(|| self.catch_bare(at)),
            "for" => self.loop_head(at).or_else(|| self.loop_index(at)),
            "do" => self.do_while(at),
            "match" => self.no_subject(at).or_else(|| self.match_several(at)).or_else(|| self.arms(at)),
            "await" => self.awaited(at),
            "throw" | "raise" => self.throw(at),
            "let" | "var" => self.keyword_bound(at).or_else(|| self.binding(at)),
            "const" => self.no_value(at).or_else(|| self.require(at)).or_else(|| self.binding(at)),
            "step" => self
                .step_name(at)
                .or_else(|| self.step_two(at))
                .or_else(|| self.step_type(at))
                .or_else(|| self.step_braces(at))
                .or_else(|| self.step_value(at))
                .or_else(|| self.step_statement(at))
                .or_else(|| self.step_inside(at)),
            "retry" | "retries" | "timeout" => self.inline_policy(at),
            "+" | "-" | "*" | "/" => self
                .spread_star(at)
                .or_else(|| self.compound(at))
                .or_else(|| self.dangling(at))
                .or_else(|| self.regex(at)),
            "??" | "||" | "or" => self.else_sign(at).or_else(|| self.dangling(at)),
            "<=" | ">=" => self.bound(at).or_else(|| self.dangling(at)),
            "%" | "==" | "!=" | ">" | "and" => self.dangling(at),
            "hmac" => self.scheme(at),
            "=" => self.entry_set(at).or_else(|| self.dangling(at)),
            "log" => self.log_level(at),
            "return" => self.return_several(at),
            "sleep" => self.sleep_words(at),
            "as" => self.json_as(at),
            "ends_with" | "endswith" | "endsWith" | "startswith" | "startsWith" | "contains" | "includes" | "has"
            | "like" | "matches" | "regex" => self.text_pattern(at).or_else(|| self.field_word(at)),
            "minLength" | "maxLength" | "minimum" | "maximum" | "min_length" | "max_length" | "at_least"
            | "default" => self.field_word(at).or_else(|| self.habit_of_word(at)),
            "type" => self.alias(at),
            "enum" => self.choice(at).or_else(|| self.enum_values(at)),
            "import" | "from" => self.import(at).or_else(|| self.json_name(at)),
            "on" => self.kinds_commas(at).or_else(|| self.trigger(at)).or_else(|| self.yaml(at)),
            _ => self.habit_of_word(at),
        }
    }

    /// The habit that begins at a word, whichever it is.
    fn habit_of_word(&self, at: usize) -> Option<(Found, usize)> {
        if !self.is_word(at) {
            return None;
        }
        self.modifier(at, self.text(at))
            .or_else(|| self.typed_text(at))
            .or_else(|| self.type_first(at))
            .or_else(|| self.named_record(at))
            .or_else(|| self.currency_first(at))
            .or_else(|| self.now(at))
            .or_else(|| self.yaml(at))
    }

    /// The errors that the text declares.
    fn declared(&self) -> &BTreeSet<&str> {
        self.declared.get_or_init(|| {
            let is_error = |pair: &&[Token]| pair.first().is_some_and(|word| word.is(self.source, "error"));
            let name = |pair: &[Token]| pair.last().map(|name| name.text(self.source));
            self.tokens.windows(2).filter(is_error).filter_map(name).collect()
        })
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

    /// The last token of what begins at a token: up to the next line or the end of what it stands in.
    fn statement_end(&self, at: usize) -> usize {
        let mut depth = 0usize;
        for (index, token) in self.tokens.iter().enumerate().skip(at + 1).take(FAR) {
            if depth == 0 && (token.first || closes(*token)) {
                return index - 1;
            }
            depth = if opens(*token) { depth + 1 } else { depth - usize::from(closes(*token)) };
        }
        self.tokens.len().saturating_sub(1).min(at + FAR)
    }

    /// The first token of the chain of members and calls that ends at a token.
    fn chain_start(&self, last: usize) -> usize {
        let mut at = last;
        for _ in 0..FAR {
            if self.token(at).is_some_and(closes) {
                let mut depth = 0usize;
                let opener = (0..=at).rev().take(FAR).find(|index| {
                    let Some(token) = self.token(*index) else { return false };
                    depth = if closes(token) { depth + 1 } else { depth - usize::from(opens(token)) };
                    depth == 0
                });
                at = opener.unwrap_or(at);
            }
            let is_joined = at > 0 && self.touch(at - 1) && !self.token(at - 1).is_some_and(opens);
            if !is_joined || matches!(self.text(at - 1), "," | ":" | "=" | "!") {
                break;
            }
            at -= 1;
        }
        at
    }

    fn is_first(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.first)
    }

    fn is_text(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| token.kind == TokenKind::Text)
    }

    /// Whether a token is a word in capitals, as types and records have it.
    fn is_type(&self, at: usize) -> bool {
        self.is_word(at) && self.text(at).starts_with(|first: char| first.is_ascii_uppercase())
    }

    /// Whether a token is a word that may be a name.
    fn is_name(&self, at: usize) -> bool {
        let is_small = self.text(at).starts_with(|first: char| first == '_' || first.is_ascii_lowercase());
        self.is_word(at) && is_small && !is_keyword(self.text(at))
    }

    /// The last token of the names with dots between that begin at a token.
    fn path_end(&self, at: usize) -> Option<usize> {
        let mut last = at;
        while self.text(last + 1) == "." && self.is_word(last + 2) {
            last += 2;
        }
        self.is_word(at).then_some(last)
    }

    /// Whether a value may end at a token.
    fn is_value_end(&self, at: usize) -> bool {
        self.token(at).is_some_and(|token| match token.kind {
            TokenKind::Word => !is_keyword(self.text(at)),
            TokenKind::Number | TokenKind::Text | TokenKind::TextClose => true,
            TokenKind::Close => self.text(at) != "}",
            _ => false,
        })
    }

    /// The edit that takes away a token and the space after it.
    fn drop(&self, at: usize) -> Option<Edit> {
        let (start, end) = (self.token(at)?.start, self.token(at)?.end);
        let end = self.token(at + 1).map_or(end, |next| if next.first { end } else { next.start });
        Some(Edit { start, end, text: String::new() })
    }

    /// The edit that puts text before a token.
    fn before(&self, at: usize, text: impl Into<String>) -> Option<Edit> {
        let start = self.token(at)?.start;
        Some(Edit { start, end: start, text: text.into() })
    }

    /// The edit that puts text after a token.
    fn after(&self, at: usize, text: impl Into<String>) -> Option<Edit> {
        let end = self.token(at)?.end;
        Some(Edit { start: end, end, text: text.into() })
    }

    /// A habit whose fix is not what the parser gets in its place.
    fn fixed(&self, found: Found, fix: Vec<Edit>) -> Found {
        (Problem { fix, ..found.0 }, found.1)
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
}

/// Whether a word has a meaning of its own where values stand.
fn is_keyword(word: &str) -> bool {
    const OTHERS: &[&str] = &[
        "and", "as", "const", "default", "else", "first", "from", "in", "is", "not", "of", "on", "or", "undo", "where",
        "with",
    ];
    [ITEMS, STATEMENTS, CONTROL, OTHERS].iter().any(|words| words.contains(&word))
}
