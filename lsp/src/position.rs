//! Where is a byte for an editor? Lines from 0, columns in UTF-16 units from 0.
//!
//! Source: Language Server Protocol 3.17, "Position".

use lsp_types::{Position, Range};

/// The lines of a text.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Reads a text once.
    pub(crate) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The range between two bytes.
    pub(crate) fn range(&self, start: u32, end: u32) -> Range {
        Range { start: self.position(start), end: self.position(end) }
    }

    /// The byte at a place; behind the end of a line it is that end.
    pub(crate) fn byte(&self, position: Position) -> u32 {
        let start = self.starts.get(position.line as usize).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let mut units = 0;
        let before = line.chars().take_while(|letter| {
            units += letter.len_utf16() as u32;
            units <= position.character
        });
        (start + before.map(char::len_utf8).sum::<usize>()) as u32
    }

    /// The place of a byte; one within a character is that of the character.
    fn position(&self, at: u32) -> Position {
        let mut at = (at as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= at).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        Position { line: line as u32, character: before.encode_utf16().count() as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_utf16() {
        let lines = Lines::new("a\n\u{1f600}b\n");
        assert_eq!(lines.range(2, 6), Range { start: Position::new(1, 0), end: Position::new(1, 2) });
        assert_eq!(lines.position(99), Position::new(2, 0));
        for at in [0, 2, 6, 7] {
            assert_eq!(lines.byte(lines.position(at)), at);
        }
        assert_eq!(lines.byte(Position::new(1, 99)), 7);
        assert_eq!(lines.byte(Position::new(9, 0)), 8);
    }
}
