//! The text that is parsed: the source with its repairs, and the way back to places in the source.

use crate::{build::Side, problem::Edit};

/// A stretch of the repaired text that stands for a stretch of the source.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: u32,
    to: u32,
    start: u32,
    end: u32,
}

/// A part of the source with edits applied.
#[derive(Debug)]
pub(crate) struct Patched {
    pub text: String,
    changes: Vec<Change>,
    /// Where the part begins in the source.
    start: u32,
}

impl Patched {
    /// Applies the edits, in order and without overlap, to the bytes `start..end` of the source.
    pub(crate) fn new(source: &str, start: u32, end: u32, edits: &[Edit]) -> Self {
        let mut text = String::with_capacity((end - start) as usize + edits.len() * 4);
        let mut changes = Vec::with_capacity(edits.len());
        let mut at = start;
        for edit in edits {
            text.push_str(source.get(at as usize..edit.start as usize).unwrap_or_default());
            let from = text.len() as u32;
            text.push_str(&edit.text);
            changes.push(Change { from, to: text.len() as u32, start: edit.start, end: edit.end });
            at = edit.end;
        }
        text.push_str(source.get(at as usize..end as usize).unwrap_or_default());
        Self { text, changes, start }
    }

    /// The place in the source of an offset in the repaired text.
    pub(crate) fn place(&self, offset: u32, side: Side) -> u32 {
        // The last change that begins at or before the offset decides; of several at one place, the one whose text
        // the offset ends (for an end) or begins (for a start).
        let count = self.changes.partition_point(|change| match side {
            Side::Start => change.from <= offset,
            Side::End => change.from < offset,
        });
        let Some(change) = count.checked_sub(1).and_then(|last| self.changes.get(last)) else {
            return self.start + offset;
        };
        if offset >= change.to {
            change.end + (offset - change.to)
        } else if side == Side::Start || offset == change.from {
            change.start
        } else {
            change.end
        }
    }
}

/// Puts an edit in its place among others. What lies inside of what it replaces goes; insertions at its ends stay.
/// Nothing is put into what another edit replaces, or over a part of it; it says whether the edit could be made.
pub(crate) fn insert(edits: &mut Vec<Edit>, new: Edit) -> bool {
    let is_in_the_way = |old: &Edit| {
        let overlaps = old.start < new.end && new.start < old.end;
        let swallows = new.start <= old.start && old.end <= new.end;
        overlaps && !swallows
    };
    if edits.iter().any(is_in_the_way) {
        return false;
    }
    edits.retain(|old| {
        let is_inside = old.start >= new.start && old.end <= new.end;
        let is_at_end = old.start == old.end && (old.start == new.start || old.start == new.end);
        !is_inside || is_at_end
    });
    let at = edits.partition_point(|old| old.start < new.start || (old.start == new.start && old.start == old.end));
    edits.insert(at, new);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: u32, end: u32, text: &str) -> Edit {
        Edit { start, end, text: text.into() }
    }

    #[test]
    fn places_lead_back_to_the_source() {
        let edits = [edit(2, 4, "and"), edit(6, 6, ")"), edit(6, 6, "}")];
        let patched = Patched::new("a && b c", 0, 8, &edits);
        assert_eq!(patched.text, "a and b)} c");
        let starts: Vec<u32> = (0..=11).map(|at| patched.place(at, Side::Start)).collect();
        assert_eq!(starts, [0, 1, 2, 2, 2, 4, 5, 6, 6, 6, 7, 8]);
        assert_eq!(patched.place(5, Side::End), 4);
        assert_eq!(patched.place(9, Side::End), 6);
        assert_eq!(patched.place(2, Side::End), 2);
    }

    #[test]
    fn a_larger_edit_swallows_what_it_replaces_and_keeps_its_neighbours() {
        let mut edits = vec![edit(1, 1, "x"), edit(2, 3, "y"), edit(4, 4, "z")];
        assert!(insert(&mut edits, edit(1, 4, "hole")));
        let all: Vec<&str> = edits.iter().map(|edit| edit.text.as_str()).collect();
        assert_eq!(all, ["x", "hole", "z"]);
        assert!(!insert(&mut edits, edit(2, 2, "inside")));
        assert!(!insert(&mut edits, edit(2, 4, "inside")));
        assert!(!insert(&mut edits, edit(3, 6, "half of it")));
    }
}
