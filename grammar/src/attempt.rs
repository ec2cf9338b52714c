//! One run of the parser over a part of the source, with repairs.
//!
//! What is in the language is read by [`peg`]; of what is not, it says in a second, slower run where it stopped and what it
//! had expected there, as pest would.

use std::borrow::Cow;

use pest::Parser as _;

use crate::{
    build::{Side, build},
    parser::{FlowParser, Rule},
    patch::Patched,
    peg,
    problem::Edit,
    tree::Entry,
};

/// How many steps of the parser a byte may take. Programs take at most 20 (measured on those that the repository ships),
/// so that only a construct whose time grows faster than its length reaches this.
const STEPS_PER_BYTE: usize = 200;

/// Steps that any text may take.
const STEPS: usize = 20_000;

/// Where and why the parser stopped.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    /// Place in the source.
    pub at: u32,
    pub expected: Vec<Rule>,
    /// Whether it stopped because of its limits.
    pub is_limit: bool,
}

/// Parses the bytes `start..end` of the source with edits, all of which lie there.
pub(crate) fn attempt(source: &str, start: u32, end: u32, edits: &[Edit]) -> Result<Vec<Entry>, Failure> {
    let part = Part::new(source, start, end, edits);
    part.read().ok_or_else(|| part.failure())
}

/// The nodes of the bytes `start..end` of the source with edits, if they parse.
pub(crate) fn entries(source: &str, start: u32, end: u32, edits: &[Edit]) -> Option<Vec<Entry>> {
    Part::new(source, start, end, edits).read()
}

/// Where and why the parser stops in a text, if it is not in the language.
#[cfg(test)]
pub(crate) fn failure(text: &str) -> Option<Failure> {
    let part = Part::new(text, 0, text.len() as u32, &[]);
    if part.read().is_some() { None } else { Some(part.failure()) }
}

/// What pest makes of a text.
#[cfg(test)]
pub(crate) fn by_pest(text: &str) -> Result<Vec<Entry>, Failure> {
    use pest::{
        Token,
        error::{ErrorVariant, InputLocation},
    };

    match FlowParser::parse(Rule::file, text) {
        Ok(mut pairs) => {
            let mut entries = Vec::new();
            if let Some(file) = pairs.next() {
                let events = file.into_inner().tokens().map(|token| match token {
                    Token::Start { rule, pos } => peg::Event { rule, is_end: false, at: pos.pos() as u32 },
                    Token::End { rule, pos } => peg::Event { rule, is_end: true, at: pos.pos() as u32 },
                });
                build(events, |offset, _| offset, &mut entries);
            }
            Ok(entries)
        }
        Err(error) => {
            let at = match error.location {
                InputLocation::Pos(at) | InputLocation::Span((at, _)) => at as u32,
            };
            match error.variant {
                ErrorVariant::ParsingError { positives, .. } => {
                    Err(Failure { at, expected: positives, is_limit: false })
                }
                ErrorVariant::CustomError { .. } => Err(Failure { at, expected: Vec::new(), is_limit: true }),
            }
        }
    }
}

/// Says whether pest takes the text.
pub(crate) fn takes(text: &str) -> bool {
    FlowParser::parse(Rule::file, text).is_ok()
}

fn steps(text: &str) -> usize {
    STEPS + STEPS_PER_BYTE * text.len()
}

/// A part of the source as it is parsed.
struct Part<'s> {
    text: Cow<'s, str>,
    /// Where it begins in the source.
    start: u32,
    /// The way back to the source, where the text is not as in the source.
    patched: Option<Patched>,
}

impl<'s> Part<'s> {
    fn new(source: &'s str, start: u32, end: u32, edits: &[Edit]) -> Self {
        if edits.is_empty() {
            let text = source.get(start as usize..end as usize).unwrap_or_default();
            return Self { text: Cow::Borrowed(text), start, patched: None };
        }
        let mut patched = Patched::new(source, start, end, edits);
        Self { text: Cow::Owned(std::mem::take(&mut patched.text)), start, patched: Some(patched) }
    }

    fn read(&self) -> Option<Vec<Entry>> {
        let events = peg::events(&self.text, steps(&self.text))?;
        let mut entries = Vec::with_capacity(events.len() / 5);
        build(events.into_iter(), |offset, side| self.place(offset, side), &mut entries);
        Some(entries)
    }

    /// Where and why the parser stops; the part can't be read.
    fn failure(&self) -> Failure {
        match peg::stop(&self.text, steps(&self.text)) {
            Some(stop) => {
                Failure { at: self.place(stop.at, Side::Start), expected: stop.expected, is_limit: stop.is_limit }
            }
            // It can be read, and only the fast way has used its steps up.
            None => Failure { at: self.start, expected: Vec::new(), is_limit: true },
        }
    }

    fn place(&self, offset: u32, side: Side) -> u32 {
        match &self.patched {
            Some(patched) => patched.place(offset, side),
            None => self.start + offset,
        }
    }
}
