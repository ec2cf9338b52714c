//! Which brackets are missing, superfluous or wrong, told by the layout.
//!
//! A block ends where a line is indented no further than the line that opens it; a bracket that ends its line is closed by
//! one that begins a line.

use super::groups::Change;
use crate::token::{CONTROL, STATEMENTS, Token, TokenKind, closes, is_pair, opener, opens};

/// An open bracket.
#[derive(Clone, Copy, Debug)]
struct Open {
    token: usize,
    indent: u32,
    line: u32,
    /// The first token on a later line that is indented no further than the line of the bracket.
    outdent: Option<usize>,
}

/// How many tokens are looked at before a bracket to find the line that it belongs to. It bounds the time that a text
/// takes in which nothing pairs up.
const FAR: usize = 2000;

/// How many tokens are looked at behind a bracket.
const NEAR: usize = 300;

/// Goes through the brackets of a piece that do not pair up.
pub(super) struct Matcher<'a> {
    source: &'a str,
    tokens: &'a [Token],
    from: usize,
    to: usize,
    open: Vec<Open>,
    changes: Vec<Change>,
}

impl<'a> Matcher<'a> {
    /// The changes with which the brackets of the tokens `from..to` pair up.
    pub(super) fn changes(source: &'a str, tokens: &'a [Token], from: usize, to: usize) -> Vec<Change> {
        let mut matcher = Self { source, tokens, from, to, open: Vec::new(), changes: Vec::new() };
        matcher.run();
        matcher.changes
    }

    fn token(&self, index: usize) -> Token {
        *self.tokens.get(index).expect("a place below the number of tokens")
    }

    fn run(&mut self) {
        for index in self.from..self.to {
            let token = self.token(index);
            if token.first {
                // What a closing bracket closes, and what is around that, goes on to there.
                let closed = closes(token)
                    .then(|| self.open.iter().rposition(|open| is_pair(self.source, self.token(open.token), token)));
                let from = closed.flatten().map_or(0, |place| place + 1);
                for open in self.open.iter_mut().skip(from) {
                    if open.line < token.line && open.indent >= token.indent && open.outdent.is_none() {
                        open.outdent = Some(index);
                    }
                }
            }
            if token.kind == TokenKind::Sign {
                self.sign(index, token);
            }
            if opens(token) {
                if token.is(self.source, "{") {
                    self.block_in_parentheses(index);
                }
                self.open.push(Open { token: index, indent: token.indent, line: token.line, outdent: None });
            } else if closes(token) {
                self.close(index, token);
            }
        }
        while let Some(open) = self.open.pop() {
            self.leave(open, self.to);
        }
    }

    /// Closes a bracket that nothing closes: where its block ends by the layout, or else before token `at`.
    fn leave(&mut self, open: Open, at: usize) {
        let mut place = open.outdent.unwrap_or(at);
        // In a list, the comma stands after the bracket; in a block, there is none after it.
        let is_comma = place > open.token + 1 && self.token(place - 1).is(self.source, ",");
        let is_statement = self.tokens.get(place).is_none_or(|token| {
            closes(*token)
                || token.kind == TokenKind::Word && (STATEMENTS.contains(&token.text(self.source)) || token.indent == 0)
        });
        if is_comma && !is_statement {
            place -= 1;
        }
        self.changes.push(Change::Close(place));
    }

    /// Signs that tell where a bracket that is never closed should have been: `{ a: 1 => …`, `List<{ a: Int >`.
    fn sign(&mut self, index: usize, token: Token) {
        let text = token.text(self.source);
        let Some(top) = self.open.last().copied() else { return };
        if top.outdent.is_some() || top.line != token.line {
            return;
        }
        let opener = self.token(top.token);
        let before = top.token.checked_sub(1).map(|before| self.token(before));
        let inside = self.tokens.get(top.token + 1..index).unwrap_or_default();
        let is_end = match text {
            "=>" => opener.first || !opener.is(self.source, "{"),
            ">" => {
                before.is_some_and(|before| before.is(self.source, "<"))
                    && !inside.iter().any(|token| token.is(self.source, "<"))
            }
            _ => false,
        };
        if is_end && let Some(top) = self.open.last_mut() {
            top.outdent = Some(index);
        }
    }

    /// `if (a {`: a block can't follow a value in parentheses, so they end before it.
    fn block_in_parentheses(&mut self, index: usize) {
        while let Some(top) = self.open.last().copied() {
            let Some(before) = index.checked_sub(1).map(|before| self.token(before)) else { return };
            let is_value = matches!(before.kind, TokenKind::Number | TokenKind::Text | TokenKind::TextClose)
                || (closes(before) && before.kind == TokenKind::Close)
                || matches!(before.text(self.source), ">" | "?")
                || (before.kind == TokenKind::Word && !CONTROL.contains(&before.text(self.source)));
            let is_bracket = matches!(self.token(top.token).text(self.source), "(" | "[");
            let has_control = self.tokens.get(top.token..index).unwrap_or_default().iter().any(|token| {
                token.kind == TokenKind::Word
                    && (CONTROL.contains(&token.text(self.source)) || token.is(self.source, "else"))
            });
            if !(is_value && is_bracket && !has_control && top.line == before.line) {
                return;
            }
            self.open.pop();
            // In the header of a function, the parentheses end before the type of its result.
            let arrow = (top.token..index).rev().find(|place| self.token(*place).is(self.source, "->"));
            let is_header = self.token(top.token).is(self.source, "(");
            self.changes.push(Change::Close(arrow.filter(|_| is_header).unwrap_or(index)));
        }
    }

    fn close(&mut self, index: usize, token: Token) {
        if let Some(header) = self.header(index, token) {
            // What was opened after the header and is still open ends before this bracket.
            while let Some(open) = self.open.pop_if(|open| open.token >= header) {
                self.leave(open, index);
            }
            self.changes.push(Change::Open(header, opener(token.text(self.source))));
            return;
        }
        let Some(top) = self.open.last().copied() else {
            self.changes.push(Change::Drop(index));
            return;
        };
        let fits = |open: &Open| is_pair(self.source, self.token(open.token), token);
        // The bracket that this line's indent points to, below those that only the order points to.
        let by_indent = self.open.iter().rposition(|open| fits(open) && open.indent == token.indent);
        let by_order = self.open.iter().rposition(fits);
        let wall = self.open.iter().rposition(|open| self.token(open.token).kind == TokenKind::TextOpen);
        let is_behind_wall = |place: usize| wall.is_some_and(|wall| place < wall);
        let target = match (by_order, by_indent) {
            (Some(_), Some(place)) if token.first && token.indent < top.indent => Some(place),
            (order, _) => order,
        };
        match target.filter(|place| !is_behind_wall(*place) || token.kind == TokenKind::TextClose) {
            Some(place) if self.is_of_another(index, token, place) => self.changes.push(Change::Drop(index)),
            Some(place) => {
                if place + 1 == self.open.len() && self.is_superfluous(index, token, top, place) {
                    self.changes.push(Change::Drop(index));
                    return;
                }
                while self.open.len() > place + 1 {
                    if let Some(open) = self.open.pop() {
                        self.leave(open, index);
                    }
                }
                self.open.pop();
            }
            // No bracket of this kind is open: it is meant to close the one that is.
            None if token.kind == TokenKind::Close
                && self.token(top.token).kind == TokenKind::Open
                && top.line == token.line
                && !self.is_closed_later(index, top) =>
            {
                self.changes.push(Change::Turn(index));
                self.open.pop();
            }
            None => self.changes.push(Change::Drop(index)),
        }
    }

    /// Says whether the bracket that a closing one would pair with by order has a better partner further on, so that
    /// the opening one of this is missing.
    fn is_of_another(&self, index: usize, token: Token, place: usize) -> bool {
        if token.first || token.kind != TokenKind::Close {
            return false;
        }
        let (Some(target), Some(top)) = (self.open.get(place).copied(), self.open.last().copied()) else {
            return false;
        };
        if top.token != target.token && top.line == token.line {
            let stack: Vec<Open> = self.open.iter().copied().filter(|open| open.line == token.line).collect();
            let kept = stack.iter().copied().filter(|open| open.token < target.token).collect();
            return self.rest_of_line(index, stack) < self.rest_of_line(index, kept);
        }
        // A bracket that ends its line is closed by one that begins a line.
        let ends_line = self.tokens.get(target.token + 1).is_some_and(|next| next.first);
        if !ends_line || target.line == token.line {
            return false;
        }
        let behind = self.tokens.get(index + 1..self.to).unwrap_or_default().iter().take(NEAR);
        let mut lines = behind.filter(|token| token.first && token.indent <= target.indent);
        lines.next().is_some_and(|next| {
            next.indent == target.indent && closes(*next) && is_pair(self.source, self.token(target.token), *next)
        })
    }

    /// How many brackets are out of order up to the end of the line when `open` are open after the token `index`.
    fn rest_of_line(&self, index: usize, mut open: Vec<Open>) -> usize {
        let line = self.token(index).line;
        let mut wrong = 0;
        for (place, token) in self.tokens.iter().enumerate().skip(index + 1).take(NEAR) {
            if token.line != line {
                break;
            }
            if opens(*token) {
                open.push(Open { token: place, indent: token.indent, line, outdent: None });
            } else if closes(*token) {
                match open.last() {
                    Some(last) if is_pair(self.source, self.token(last.token), *token) => drop(open.pop()),
                    _ => wrong += 1,
                }
            }
        }
        wrong + open.iter().filter(|open| !self.tokens.get(open.token + 1).is_some_and(|next| next.first)).count()
    }

    /// Says whether a bracket has its partner behind the token `index`.
    fn is_closed_later(&self, index: usize, open: Open) -> bool {
        let mut depth = 0usize;
        for token in self.tokens.get(index + 1..self.to).unwrap_or_default().iter().take(NEAR) {
            if opens(*token) {
                depth += 1;
            } else if closes(*token) {
                if depth == 0 {
                    return is_pair(self.source, self.token(open.token), *token);
                }
                depth -= 1;
            }
        }
        false
    }

    /// Where the bracket is missing that this one closes: the layout points to a line above that is indented as far,
    /// with deeper lines between, and what is open was opened before that line. The place is that of the token after
    /// that line.
    fn header(&self, index: usize, token: Token) -> Option<usize> {
        if !token.first || token.kind != TokenKind::Close {
            return None;
        }
        let fits = self.open.iter().rev().find(|open| is_pair(self.source, self.token(open.token), token));
        if fits.is_some_and(|open| open.indent >= token.indent) {
            return None;
        }
        let start = fits.map_or(self.from, |open| open.token + 1).max(index.saturating_sub(FAR));
        let mut below = index;
        for place in (start..index).rev() {
            let line = self.token(place);
            if !line.first {
                continue;
            }
            if line.indent <= token.indent {
                let goes_on = closes(line)
                    && self
                        .tokens
                        .get(place + 1)
                        .is_some_and(|next| matches!(next.text(self.source), "else" | "catch"));
                let is_header =
                    line.indent == token.indent && (line.kind == TokenKind::Word || goes_on) && below < index;
                return is_header.then_some(below);
            }
            below = place;
        }
        None
    }

    /// A bracket that would end the item while its lines go on.
    fn is_superfluous(&self, index: usize, token: Token, top: Open, place: usize) -> bool {
        let is_out_of_line = !token.first || token.indent > top.indent;
        place == 0
            && is_out_of_line
            && top.line != token.line
            && self
                .tokens
                .get(index + 1..self.to)
                .unwrap_or_default()
                .first()
                .is_some_and(|next| next.indent > top.indent || closes(*next))
    }
}
