//! Which line and column is a byte in?
//!
//! In: a text, once. Out: lines and columns of any number of bytes, each in logarithmic time: a file of one very long
//! line with very many mistakes must not be read anew for each.

/// Bytes between two counts of characters.
const BLOCK: usize = 1024;

/// The lines of a text.
pub(super) struct Index<'a> {
    text: &'a str,
    /// The first byte of each line; at least one.
    starts: Vec<usize>,
    /// How many characters begin before each multiple of [`BLOCK`].
    counts: Vec<usize>,
}

impl<'a> Index<'a> {
    /// Reads a text once.
    pub(super) fn new(text: &'a str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
        let mut counts = vec![0];
        let mut count = 0;
        for block in text.as_bytes().chunks(BLOCK) {
            count += characters(block);
            counts.push(count);
        }
        Self { text, starts, counts }
    }

    /// The line of a byte, from 0; that of the end of the text for what lies beyond.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// The column of a byte in its line in characters, from 0.
    pub(super) fn column(&self, at: usize) -> usize {
        let at = self.boundary(at);
        let start = self.starts.get(self.line(at)).copied().unwrap_or(0);
        self.before(at) - self.before(start)
    }

    /// The bytes of a line, from 0, without its end; none beyond the last.
    pub(super) fn range(&self, line: usize) -> Option<(usize, usize)> {
        let start = *self.starts.get(line)?;
        let end = match self.starts.get(line + 1) {
            Some(next) => next - 1,
            None => self.text.len(),
        };
        let carriage_return = end > start && self.text.as_bytes().get(end - 1) == Some(&b'\r');
        Some((start, if carriage_return { end - 1 } else { end }))
    }

    /// The text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The nearest byte at or before `at` that begins a character, or the end of the text.
    pub(super) fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// How many characters begin before `at`, which must begin one.
    fn before(&self, at: usize) -> usize {
        let block = at / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..at).unwrap_or_default();
        self.counts.get(block).copied().unwrap_or(0) + characters(rest)
    }
}

/// How many characters begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let index = Index::new("aä\r\nb\n");
        assert_eq!((index.line(0), index.column(0)), (0, 0));
        assert_eq!((index.line(3), index.column(3)), (0, 2));
        assert_eq!((index.line(2), index.column(2)), (0, 1), "within a character");
        assert_eq!((index.line(5), index.column(5)), (1, 0));
        assert_eq!((index.line(7), index.column(7)), (2, 0));
        assert_eq!((index.line(900), index.column(900)), (2, 0), "beyond the end");
        assert_eq!(index.range(0), Some((0, 3)));
        assert_eq!(index.range(2), Some((7, 7)));
        assert_eq!(index.range(3), None);
    }

    #[test]
    fn a_long_line_is_counted_across_blocks() {
        let text = "ä".repeat(5000);
        assert_eq!(Index::new(&text).column(9000), 4500);
    }
}
