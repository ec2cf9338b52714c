//! Pairs the brackets of a text, also where some are missing, superfluous or wrong.
//!
//! In: tokens. Out: the groups that brackets make, with the group of each token, and the pieces that can be read for
//! themselves. Where the brackets of the whole text pair up, the layout does not matter. Where they don't, the text is
//! cut at words in column 0 that begin items, and in the pieces that don't pair up the indent tells which bracket is
//! the wrong one: a block ends where a line is indented no further than the line that opens it.

use crate::{
    problem::{Edit, Problem, ProblemKind},
    scan::Scan,
    token::{CONTROL, ITEMS, Token, TokenKind, closer},
};

/// What stands between two brackets; the first group is the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// The group that it stands in.
    pub parent: usize,
    /// Place of its opening token; none for the file.
    pub open: Option<usize>,
    /// Places of its tokens: the first after the opening one, and one past the last.
    pub from: usize,
    pub to: usize,
}

/// The brackets of a text.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub groups: Vec<Group>,
    /// For each token the group that it stands in; a bracket stands in the group around it.
    pub of: Vec<usize>,
}

/// A bracket that is missing or superfluous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// A closing bracket is put before this token.
    Close(usize),
    /// This token is left out.
    Drop(usize),
    /// This closing token closes what is open, whatever it is.
    Turn(usize),
}

/// An open bracket.
#[derive(Clone, Copy, Debug)]
struct Open {
    token: usize,
    indent: u32,
    line: u32,
    /// The first token on a later line that is indented no further than the line of the bracket.
    outdent: Option<usize>,
}

/// Pairs the brackets; reports and repairs those that don't pair up.
pub(crate) fn balance(source: &str, scan: &mut Scan) -> Groups {
    let mut changes = Vec::new();
    if !pairs_up(source, &scan.tokens) {
        let cuts = cuts(source, &scan.tokens);
        for window in cuts.windows(2) {
            if let [from, to] = *window
                && !pairs_up(source, scan.tokens.get(from..to).unwrap_or_default())
            {
                let mut matcher = Matcher { source, tokens: &scan.tokens, to, open: Vec::new(), changes: Vec::new() };
                matcher.run(from);
                changes.append(&mut matcher.changes);
            }
        }
        changes.sort_by_key(|change| match change {
            Change::Close(at) => (*at, 0),
            Change::Drop(at) | Change::Turn(at) => (*at, 1),
        });
        report(source, scan, &changes);
    }
    groups(&scan.tokens, &changes)
}

fn opens(token: Token) -> bool {
    matches!(token.kind, TokenKind::Open | TokenKind::TextOpen)
}

fn closes(token: Token) -> bool {
    matches!(token.kind, TokenKind::Close | TokenKind::TextClose)
}

fn is_pair(source: &str, open: Token, close: Token) -> bool {
    match (open.kind, close.kind) {
        (TokenKind::TextOpen, TokenKind::TextClose) => true,
        (TokenKind::Open, TokenKind::Close) => close.is(source, closer(open.text(source))),
        _ => false,
    }
}

fn pairs_up(source: &str, tokens: &[Token]) -> bool {
    let mut open = Vec::new();
    for token in tokens {
        if opens(*token) {
            open.push(*token);
        } else if closes(*token) && !open.pop().is_some_and(|open| is_pair(source, open, *token)) {
            return false;
        }
    }
    open.is_empty()
}

/// The places where items begin in column 0, with the first and the last place.
fn cuts(source: &str, tokens: &[Token]) -> Vec<usize> {
    let mut cuts = vec![0];
    let mut texts = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::TextOpen => texts += 1,
            TokenKind::TextClose => texts = texts.saturating_sub(1),
            _ => {}
        }
        if texts == 0 && index > 0 && token.first && token.indent == 0 && begins_item(source, tokens, index) {
            cuts.push(index);
        }
    }
    cuts.push(tokens.len());
    cuts
}

/// Says whether a word begins an item: it is a keyword of items, and what follows could be a name.
pub(crate) fn begins_item(source: &str, tokens: &[Token], index: usize) -> bool {
    let Some(token) = tokens.get(index) else { return false };
    token.kind == TokenKind::Word
        && ITEMS.contains(&token.text(source))
        && tokens.get(index + 1).is_some_and(|next| matches!(next.kind, TokenKind::Word | TokenKind::Text))
}

struct Matcher<'a> {
    source: &'a str,
    tokens: &'a [Token],
    to: usize,
    open: Vec<Open>,
    changes: Vec<Change>,
}

impl Matcher<'_> {
    fn token(&self, index: usize) -> Token {
        *self.tokens.get(index).expect("a place below the number of tokens")
    }

    fn run(&mut self, from: usize) {
        for index in from..self.to {
            let token = self.token(index);
            if token.first {
                for open in &mut self.open {
                    if open.line < token.line && open.indent >= token.indent && open.outdent.is_none() {
                        open.outdent = Some(index);
                    }
                }
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
            self.changes.push(Change::Close(open.outdent.unwrap_or(self.to)));
        }
    }

    /// `if (a {`: a block can't follow a value in parentheses, so they end before it.
    fn block_in_parentheses(&mut self, index: usize) {
        while let Some(top) = self.open.last().copied() {
            let Some(before) = index.checked_sub(1).map(|before| self.token(before)) else { return };
            let is_value = matches!(before.kind, TokenKind::Number | TokenKind::Text | TokenKind::TextClose)
                || (closes(before) && before.kind == TokenKind::Close)
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
            self.changes.push(Change::Close(index));
        }
    }

    fn close(&mut self, index: usize, token: Token) {
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
            Some(place) => {
                if place + 1 == self.open.len() && self.is_superfluous(index, token, top, place) {
                    self.changes.push(Change::Drop(index));
                    return;
                }
                while self.open.len() > place + 1 {
                    let open = self.open.pop().map_or(index, |open| open.outdent.unwrap_or(index));
                    self.changes.push(Change::Close(open));
                }
                self.open.pop();
            }
            // No bracket of this kind is open: it is meant to close the one that is.
            None if token.kind == TokenKind::Close
                && self.token(top.token).kind == TokenKind::Open
                && top.line == token.line =>
            {
                self.changes.push(Change::Turn(index));
                self.open.pop();
            }
            None => self.changes.push(Change::Drop(index)),
        }
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

/// Reports the changes and adds them to the repairs.
fn report(source: &str, scan: &mut Scan, changes: &[Change]) {
    let end = source.len() as u32;
    let place = |index: usize| scan.tokens.get(index).map_or(end, |token| token.start);
    // Which bracket each change closes comes out of pairing again with the changes made.
    let mut open: Vec<usize> = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    let mut edits: Vec<Edit> = Vec::new();
    let mut last: Option<usize> = None;
    for_each(&scan.tokens, changes, |step| match step {
        Step::Open(index) => open.push(index),
        Step::Close(_) => drop(open.pop()),
        Step::Missing(before) => {
            let Some(token) = open.pop().and_then(|index| scan.tokens.get(index).copied()) else { return };
            let text = if token.kind == TokenKind::TextOpen { "\"" } else { closer(token.text(source)) };
            let at = place(before);
            let written = match (at == end, source.ends_with('\n')) {
                (false, _) => text.to_owned(),
                (true, true) => format!("{text}\n"),
                (true, false) => format!("\n{text}"),
            };
            let edit = Edit { start: at, end: at, text: written };
            edits.push(edit.clone());
            // Several that are missing at one place are one mistake: the innermost is shown.
            let is_same = last == Some(before);
            last = Some(before);
            let is_forgiven = scan.forgiven.iter().any(|from| token.start <= *from && *from <= at);
            if !is_same && !is_forgiven {
                problems.push(Problem {
                    start: token.start,
                    end: token.end,
                    expected: vec![format!("`{text}`")],
                    found: token.text(source).to_owned(),
                    kind: ProblemKind::Unclosed(text),
                    fix: if at == end { vec![edit] } else { Vec::new() },
                });
            }
        }
        Step::Dropped(index) => {
            let Some(token) = scan.tokens.get(index) else { return };
            let edit = Edit { start: token.start, end: token.end, text: String::new() };
            edits.push(Edit { text: " ".into(), ..edit.clone() });
            if !scan.forgiven.iter().any(|from| *from <= token.start) {
                problems.push(Problem {
                    start: token.start,
                    end: token.end,
                    expected: Vec::new(),
                    found: token.text(source).to_owned(),
                    kind: ProblemKind::Stray,
                    fix: vec![edit],
                });
            }
        }
        Step::Turned(index) => {
            let (Some(token), Some(open)) = (scan.tokens.get(index), open.pop().and_then(|open| scan.tokens.get(open)))
            else {
                return;
            };
            let text = closer(open.text(source));
            let edit = Edit { start: token.start, end: token.end, text: text.to_owned() };
            edits.push(edit.clone());
            problems.push(Problem {
                start: token.start,
                end: token.end,
                expected: vec![format!("`{text}`")],
                found: token.text(source).to_owned(),
                kind: ProblemKind::WrongBracket(text),
                fix: vec![edit],
            });
        }
    });
    // A bracket that is put in stands before whatever is repaired at its place.
    scan.edits.append(&mut edits);
    scan.edits.sort_by_key(|edit| (edit.start, edit.end));
    scan.problems.append(&mut problems);
}

/// What happens to the brackets from left to right, with the changes made.
enum Step {
    Open(usize),
    Close(usize),
    /// A closing bracket that is put before a token.
    Missing(usize),
    Dropped(usize),
    Turned(usize),
}

/// Goes through the brackets; `changes` are in order.
fn for_each(tokens: &[Token], changes: &[Change], mut each: impl FnMut(Step)) {
    let mut changes = changes.iter().copied().peekable();
    for index in 0..=tokens.len() {
        while changes.next_if_eq(&Change::Close(index)).is_some() {
            each(Step::Missing(index));
        }
        let Some(token) = tokens.get(index) else { continue };
        if opens(*token) {
            each(Step::Open(index));
        } else if changes.next_if_eq(&Change::Drop(index)).is_some() {
            each(Step::Dropped(index));
        } else if changes.next_if_eq(&Change::Turn(index)).is_some() {
            each(Step::Turned(index));
        } else if closes(*token) {
            each(Step::Close(index));
        }
    }
}

fn groups(tokens: &[Token], changes: &[Change]) -> Groups {
    let count = tokens.len();
    let mut groups = vec![Group { parent: 0, open: None, from: 0, to: count }];
    let mut stack: Vec<usize> = vec![0];
    let mut of = vec![0; count];
    let mut marks: Vec<(usize, usize)> = Vec::new();
    for_each(tokens, changes, |step| {
        let top = stack.last().copied().unwrap_or(0);
        match step {
            Step::Open(index) => {
                marks.push((index, top));
                groups.push(Group { parent: top, open: Some(index), from: index + 1, to: count });
                stack.push(groups.len() - 1);
                marks.push((index + 1, groups.len() - 1));
            }
            Step::Close(index) | Step::Turned(index) | Step::Missing(index) => {
                if stack.len() > 1 {
                    stack.pop();
                    if let Some(group) = groups.get_mut(top) {
                        group.to = index;
                    }
                    marks.push((index, stack.last().copied().unwrap_or(0)));
                }
            }
            Step::Dropped(_) => {}
        }
    });
    let mut now = 0;
    let mut marks = marks.into_iter().peekable();
    for (index, group) in of.iter_mut().enumerate() {
        while let Some((_, mark)) = marks.next_if(|(at, _)| *at <= index) {
            now = mark;
        }
        *group = now;
    }
    Groups { groups, of }
}
