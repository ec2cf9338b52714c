//! Pairs the brackets of a text, also where some are missing, superfluous or wrong.
//!
//! In: tokens. Out: the groups that brackets make, with the group of each token, and the pieces that can be read for
//! themselves. Where the brackets of the whole text pair up, the layout does not matter. Where they don't, the text is
//! cut at words in column 0 that begin items, and in the pieces that don't pair up the indent tells which bracket is
//! the wrong one: a block ends where a line is indented no further than the line that opens it.

use crate::{
    problem::{Edit, Problem, ProblemKind},
    scan::Scan,
    token::{CONTROL, ITEMS, STATEMENTS, Token, TokenKind, closer, opener},
};

/// What stands between two brackets; the first group is the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// The group that it stands in.
    pub parent: usize,
    /// Place of its opening token; none for the file, and where the bracket was put in.
    pub open: Option<usize>,
    /// `(`, `[`, `{`, `"`, or nothing for the file.
    pub bracket: &'static str,
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
    /// What was changed for that, in order.
    pub changes: Vec<Change>,
}

/// A bracket that is missing or superfluous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A closing bracket is put before this token.
    Close(usize),
    /// An opening bracket is put before this token.
    Open(usize, &'static str),
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
                let mut matcher =
                    Matcher { source, tokens: &scan.tokens, from, to, open: Vec::new(), changes: Vec::new() };
                matcher.run();
                changes.append(&mut matcher.changes);
            }
        }
        changes.sort_by_key(Change::order);
        report(source, scan, &changes);
    }
    groups(source, &scan.tokens, changes)
}

impl Change {
    /// Changes are made in the order of their tokens; what is closed before a token comes before what is opened.
    fn order(&self) -> (usize, u8) {
        match self {
            Self::Close(at) => (*at, 0),
            Self::Open(at, _) => (*at, 1),
            Self::Drop(at) | Self::Turn(at) => (*at, 2),
        }
    }
}

impl Groups {
    /// The groups when a superfluous bracket turns out to close one that was left out before the token `open`.
    pub(crate) fn with_opened(&self, source: &str, tokens: &[Token], dropped: usize, open: usize) -> Self {
        let bracket = tokens.get(dropped).map_or("{", |token| opener(token.text(source)));
        let mut changes: Vec<Change> =
            self.changes.iter().copied().filter(|change| *change != Change::Drop(dropped)).collect();
        changes.push(Change::Open(open, bracket));
        changes.sort_by_key(Change::order);
        groups(source, tokens, changes)
    }

    /// The first superfluous bracket in `from..to`.
    pub(crate) fn dropped(&self, from: usize, to: usize) -> Option<usize> {
        self.changes.iter().find_map(|change| match change {
            Change::Drop(at) if (from..to).contains(at) => Some(*at),
            _ => None,
        })
    }
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

/// How many tokens are looked at to find the partner of one bracket. It bounds the time that a text takes in which
/// nothing pairs up.
const NEAR: usize = 2000;

struct Matcher<'a> {
    source: &'a str,
    tokens: &'a [Token],
    from: usize,
    to: usize,
    open: Vec<Open>,
    changes: Vec<Change>,
}

impl Matcher<'_> {
    fn token(&self, index: usize) -> Token {
        *self.tokens.get(index).expect("a place below the number of tokens")
    }

    fn run(&mut self) {
        for index in self.from..self.to {
            let token = self.token(index);
            if token.first {
                for open in &mut self.open {
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
        let start = fits.map_or(self.from, |open| open.token + 1).max(index.saturating_sub(NEAR));
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

/// Reports the changes and adds them to the repairs.
fn report(source: &str, scan: &mut Scan, changes: &[Change]) {
    let end = source.len() as u32;
    let place = |index: usize| scan.tokens.get(index).map_or(end, |token| token.start);
    // Which bracket each change closes comes out of pairing again with the changes made.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    let mut edits: Vec<Edit> = Vec::new();
    let mut last: Option<usize> = None;
    for_each(&scan.tokens, changes, |step| match step {
        Step::Open(index) => open.push(Some(index)),
        Step::Close(_) => drop(open.pop()),
        Step::Opened(before, bracket) => {
            open.push(None);
            let at = before.checked_sub(1).and_then(|before| scan.tokens.get(before)).map_or(0, |token| token.end);
            let edit =
                Edit { start: at, end: at, text: if bracket == "{" { " {".to_owned() } else { bracket.to_owned() } };
            edits.push(edit.clone());
            problems.push(Problem {
                start: at,
                end: at,
                expected: vec![format!("`{bracket}`")],
                found: scan.tokens.get(before).map_or("", |token| token.text(source)).to_owned(),
                kind: ProblemKind::Missing(bracket.to_owned()),
                fix: vec![edit],
            });
        }
        Step::Missing(before) => {
            let Some(token) = open.pop().flatten().and_then(|index| scan.tokens.get(index).copied()) else { return };
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
            let (Some(token), Some(open)) =
                (scan.tokens.get(index), open.pop().flatten().and_then(|open| scan.tokens.get(open)))
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
    /// An opening bracket that is put before a token.
    Opened(usize, &'static str),
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
        while let Some(Change::Open(at, bracket)) =
            changes.next_if(|change| matches!(change, Change::Open(at, _) if *at == index))
        {
            each(Step::Opened(at, bracket));
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

fn groups(source: &str, tokens: &[Token], changes: Vec<Change>) -> Groups {
    let count = tokens.len();
    let mut groups = vec![Group { parent: 0, open: None, bracket: "", from: 0, to: count }];
    let mut stack: Vec<usize> = vec![0];
    // From which token on which group holds.
    let mut marks: Vec<(usize, usize)> = Vec::new();
    let enter = |groups: &mut Vec<Group>, stack: &mut Vec<usize>, open: Option<usize>, bracket, from| {
        let parent = stack.last().copied().unwrap_or(0);
        groups.push(Group { parent, open, bracket, from, to: count });
        stack.push(groups.len() - 1);
        (from, groups.len() - 1)
    };
    for_each(tokens, &changes, |step| match step {
        Step::Open(index) => {
            let bracket = tokens.get(index).map_or("", |token| match token.text(source) {
                "(" => "(",
                "[" => "[",
                "{" => "{",
                _ => "\"",
            });
            marks.push(enter(&mut groups, &mut stack, Some(index), bracket, index + 1));
        }
        Step::Opened(index, bracket) => marks.push(enter(&mut groups, &mut stack, None, bracket, index)),
        Step::Close(index) | Step::Turned(index) | Step::Missing(index) => {
            if stack.len() > 1 {
                let group = stack.pop().and_then(|top| groups.get_mut(top));
                if let Some(group) = group {
                    group.to = index;
                }
                marks.push((index, stack.last().copied().unwrap_or(0)));
            }
        }
        Step::Dropped(_) => {}
    });
    let mut of = vec![0; count];
    let mut now = 0;
    let mut marks = marks.into_iter().peekable();
    for (index, group) in of.iter_mut().enumerate() {
        while let Some((_, mark)) = marks.next_if(|(at, _)| *at <= index) {
            now = mark;
        }
        *group = now;
    }
    Groups { groups, of, changes }
}
