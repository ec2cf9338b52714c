//! From the rules that were found to the nodes of the tree.
//!
//! The grammar lets a rule end after the space and the comments that follow its last token, when something optional could have
//! followed. Here a node ends with its last token, and comments after it become its siblings.

use crate::{
    kind::{Kind, kind},
    parser::Rule,
    peg::Event,
    tree::Entry,
};

/// A rule that has begun and not ended.
struct Open {
    /// Place of its entry, if it makes one.
    entry: Option<usize>,
    /// End of its last token so far.
    end: Option<u32>,
    /// Number of entries when that token ended: what comes after is comments.
    length: usize,
}

/// Appends the nodes of rules that begin and end to `entries`; `place` maps an offset of the parsed text to one of the
/// source.
pub(crate) fn build(events: impl Iterator<Item = Event>, place: impl Fn(u32, Side) -> u32, entries: &mut Vec<Entry>) {
    let mut open: Vec<Open> = Vec::new();
    for event in events {
        if !event.is_end {
            let entry = kind(event.rule).map(|kind| {
                let start = place(event.at, Side::Start);
                entries.push(Entry { kind, start, end: start, size: 1 });
                entries.len() - 1
            });
            open.push(Open { entry, end: None, length: entries.len() });
            continue;
        }
        let Some(done) = open.pop() else { continue };
        let end = done.end.unwrap_or_else(|| place(event.at, Side::End));
        if let Some(index) = done.entry
            && let Some(entry) = entries.get_mut(index)
        {
            entry.end = end.max(entry.start);
            entry.size = (done.length - index) as u32;
        }
        if event.rule != Rule::COMMENT
            && let Some(parent) = open.last_mut()
        {
            parent.end = Some(end);
            // A leaf without a node, such as a brace, takes the comments before it along.
            parent.length = if done.end.is_none() { entries.len() } else { parent.length.max(done.length) };
        }
    }
}

/// Which end of a node an offset is: they differ where the parsed text has something that the source has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Its first byte.
    Start,
    /// One past its last byte.
    End,
}

/// The node of a whole file, whose size is set when its children are there.
pub(crate) fn file(length: u32) -> Entry {
    Entry { kind: Kind::File, start: 0, end: length, size: 1 }
}
