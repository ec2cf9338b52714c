//! The groups that brackets make, with the changes that make them pair up.

use crate::token::{Token, closes, opener, opens};

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

impl Change {
    /// Changes are made in the order of their tokens; what is closed before a token comes before what is opened.
    pub(super) fn order(&self) -> (usize, u8) {
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
        let first = self.changes.partition_point(|change| change.order().0 < from);
        let changes = self.changes.iter().skip(first).take_while(|change| change.order().0 < to);
        let mut dropped = changes.filter_map(|change| if let Change::Drop(at) = change { Some(*at) } else { None });
        dropped.next()
    }
}

/// What happens to the brackets from left to right, with the changes made.
pub(super) enum Step {
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
pub(super) fn for_each(tokens: &[Token], changes: &[Change], mut each: impl FnMut(Step)) {
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

pub(super) fn groups(source: &str, tokens: &[Token], changes: Vec<Change>) -> Groups {
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
