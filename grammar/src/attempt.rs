//! One run of the parser over a part of the source, with repairs.
//!
//! What is in the language is read by [`peg`]; what is not is read again by pest, which says where it stopped and what it
//! had expected there.

use std::{
    borrow::Cow,
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pest::{
    Parser as _, Token,
    error::{Error, ErrorVariant, InputLocation},
    iterators::Pairs,
};

use crate::{
    build::{Side, build},
    parser::{FlowParser, Rule},
    patch::Patched,
    peg::{self, Event},
    problem::Edit,
    tree::Entry,
};

/// How many steps of the parser a byte may take. Programs take at most 20 (measured on those that the repository ships),
/// so that only a construct whose time grows faster than its length reaches this.
const STEPS_PER_BYTE: usize = 200;

/// Steps that any text may take.
const STEPS: usize = 20_000;

/// pest's limit holds for the process and is read when a parse begins.
static LIMIT: Mutex<()> = Mutex::new(());

/// Where and why the parser stopped.
#[derive(Debug)]
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
    part.read().map_or_else(|| part.read_by_pest(), Ok)
}

/// The nodes of the bytes `start..end` of the source with edits, if they parse.
pub(crate) fn entries(source: &str, start: u32, end: u32, edits: &[Edit]) -> Option<Vec<Entry>> {
    Part::new(source, start, end, edits).read()
}

/// What pest alone makes of a text.
#[cfg(test)]
pub(crate) fn by_pest(text: &str) -> Result<Vec<Entry>, Failure> {
    Part::new(text, 0, text.len() as u32, &[]).read_by_pest()
}

/// Says whether pest takes the text, in however many steps.
pub(crate) fn takes(text: &str) -> bool {
    limited(text, None).is_ok()
}

fn steps(text: &str) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(STEPS + STEPS_PER_BYTE * text.len())
}

/// Parses with pest. Its limit of steps is in force during this call alone.
fn limited(text: &str, steps: Option<NonZeroUsize>) -> Result<Pairs<'_, Rule>, Box<Error<Rule>>> {
    struct Limited<'l>(#[expect(dead_code, reason = "held until the limit is lifted")] MutexGuard<'l, ()>);
    impl Drop for Limited<'_> {
        fn drop(&mut self) {
            pest::set_call_limit(None);
        }
    }
    let _limited = Limited(LIMIT.lock().unwrap_or_else(PoisonError::into_inner));
    pest::set_call_limit(steps);
    FlowParser::parse(Rule::file, text).map_err(Box::new)
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
        let events = peg::events(&self.text, steps(&self.text).get())?;
        let mut entries = Vec::with_capacity(events.len() / 5);
        build(events.into_iter(), |offset, side| self.place(offset, side), &mut entries);
        Some(entries)
    }

    /// What pest makes of it: where it stopped, if it does not parse.
    fn read_by_pest(&self) -> Result<Vec<Entry>, Failure> {
        match limited(&self.text, Some(steps(&self.text))) {
            // Reached only where the two count their steps differently.
            Ok(mut pairs) => {
                let mut entries = Vec::new();
                if let Some(file) = pairs.next() {
                    let events = file.into_inner().tokens().map(|token| match token {
                        Token::Start { rule, pos } => Event { rule, is_end: false, at: pos.pos() as u32 },
                        Token::End { rule, pos } => Event { rule, is_end: true, at: pos.pos() as u32 },
                    });
                    build(events, |offset, side| self.place(offset, side), &mut entries);
                }
                Ok(entries)
            }
            Err(error) => {
                let at = match error.location {
                    InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
                };
                let (expected, is_limit) = match error.variant {
                    ErrorVariant::ParsingError { positives, .. } => (positives, false),
                    ErrorVariant::CustomError { .. } => (Vec::new(), true),
                };
                Err(Failure { at: self.place(at as u32, Side::Start), expected, is_limit })
            }
        }
    }

    fn place(&self, offset: u32, side: Side) -> u32 {
        match &self.patched {
            Some(patched) => patched.place(offset, side),
            None => self.start + offset,
        }
    }
}
