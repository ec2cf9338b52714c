//! Which trace does a run belong to?
//!
//! A run continues the trace of the request that started it (W3C Trace Context), or has one of its own. All ids follow from
//! the run's id, so that the spans of a run fit together whichever process writes them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::{journal::RunId, machine::Place};

/// The id of a span.
pub type SpanId = [u8; 8];

/// Where a run stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The id of the trace.
    pub id: [u8; 16],
    /// The span that the run belongs under; none for a trace of its own.
    pub parent: Option<SpanId>,
    /// Whether whoever began the trace keeps it.
    pub sampled: bool,
}

impl Trace {
    /// The trace of a run that began with this one, or without any.
    pub fn of(run: &RunId, given: Option<Self>) -> Self {
        given.unwrap_or_else(|| Self { id: id(&["trace", run.as_str()]), parent: None, sampled: true })
    }

    /// The same trace for what begins under a span.
    #[must_use]
    pub fn under(self, span: SpanId) -> Self {
        Self { parent: Some(span), ..self }
    }

    /// The span of a run.
    pub fn run(run: &RunId) -> SpanId {
        id(&["run", run.as_str()])
    }

    /// The span of a step.
    pub fn step(run: &RunId, place: &Place) -> SpanId {
        id(&["step", &place.key(run.as_str())])
    }

    /// The span of an attempt.
    pub fn attempt(run: &RunId, place: &Place, attempt: u32) -> SpanId {
        id(&["attempt", &place.key(run.as_str()), &attempt.to_string()])
    }

    /// Reads the header `traceparent` (W3C Trace Context, section 3.2.2). What does not read is no trace: the standard wants
    /// a new one begun then.
    pub fn read(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version] = hex_of(version)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (trace, span, [flags]) = (hex_of::<16>(trace)?, hex_of::<8>(span)?, hex_of::<1>(flags)?);
        let nothing = trace == [0; 16] || span == [0; 8];
        (!nothing).then_some(Self { id: trace, parent: Some(span), sampled: flags & 1 == 1 })
    }
}

/// Writes the header `traceparent` of the span that is the parent.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = hex::encode(self.parent.unwrap_or_default());
        write!(f, "00-{}-{parent}-{:02x}", hex::encode(self.id), u8::from(self.sampled))
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| serde::de::Error::custom("not a trace"))
    }
}

/// Lower-case digits alone, as the standard has them.
fn hex_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn id<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut id = [0; N];
    for (to, from) in id.iter_mut().zip(digest.finalize()) {
        *to = from;
    }
    id
}
