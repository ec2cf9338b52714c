//! One run of the parser over a part of the source, with repairs.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use pest::{
    Parser as _,
    error::{ErrorVariant, InputLocation},
};

use crate::{
    build::{Side, build},
    parser::{FlowParser, Rule},
    patch::Patched,
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
    let patched = Patched::new(source, start, end, edits);
    let steps = NonZeroUsize::MIN.saturating_add(STEPS + STEPS_PER_BYTE * patched.text.len());
    let result = {
        let _alone = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
        pest::set_call_limit(Some(steps));
        FlowParser::parse(Rule::file, &patched.text)
    };
    match result {
        Ok(mut pairs) => {
            let mut entries = Vec::new();
            if let Some(file) = pairs.next() {
                build(file.into_inner(), |offset, side| patched.place(offset, side), &mut entries);
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
            Err(Failure { at: patched.place(at, Side::Start), expected, is_limit })
        }
    }
}
