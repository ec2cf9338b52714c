//! Which lines of a file does one diagnostic show?
//!
//! In: an indexed file and the labels of one diagnostic in it. Out: a small text with the lines of the labels and their
//! neighbours, which miette reads in place of the file. Long lines are cut around the label, characters that would move
//! the cursor or turn the direction of the text are replaced by visible ones, and a label over many lines is shown by
//! its first.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::index::Index;

/// The most lines that a label is drawn over.
const TALLEST: usize = 6;

/// Labels that are at most so many lines apart are shown in one piece.
const NEAR: usize = 3;

/// A label: its bytes in the file, its text, and whether it is the main place.
#[derive(Clone, Copy)]
pub(super) struct Mark<'a> {
    pub start: usize,
    pub end: usize,
    pub text: &'a str,
    pub rank: Rank,
}

/// Which of the labels of a diagnostic it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// The place of the mistake.
    Main,
    /// What has to do with it.
    Other,
}

/// Puts labels together that are shown in one piece, in the order of the file, the piece with the main place first.
pub(super) fn pieces<'a>(index: &Index<'_>, mut marks: Vec<Mark<'a>>) -> Vec<Vec<Mark<'a>>> {
    marks.sort_by_key(|mark| mark.start);
    let mut pieces: Vec<(usize, Vec<Mark<'a>>)> = Vec::new();
    for mark in marks {
        let shown = Shown::new(index, &mark);
        match pieces.last_mut() {
            Some((last, piece)) if shown.first <= *last + NEAR => {
                *last = shown.last.max(*last);
                piece.push(mark);
            }
            _ => pieces.push((shown.last, vec![mark])),
        }
    }
    let mut pieces: Vec<Vec<Mark<'a>>> = pieces.into_iter().map(|(_, piece)| piece).collect();
    pieces.sort_by_key(|piece| !piece.iter().any(|mark| mark.rank == Rank::Main));
    pieces
}

/// Lines of a file as they are shown.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: String,
    text: String,
    lines: Vec<Line>,
    labels: Vec<Label>,
}

/// A line that is shown.
#[derive(Debug)]
struct Line {
    /// In the file, from 0.
    number: usize,
    /// Bytes of the excerpt, the newline included.
    start: usize,
    end: usize,
}

/// A label with its place in the file, from 0.
#[derive(Debug)]
struct Label {
    span: LabeledSpan,
    line: usize,
    column: usize,
}

impl Excerpt {
    /// Cuts out the lines of the labels and one line before and after each; lines are at most `width` characters long.
    pub(super) fn new(name: &str, index: &Index<'_>, marks: &[Mark<'_>], width: usize) -> Self {
        let marks: Vec<Shown<'_>> = marks.iter().map(|mark| Shown::new(index, mark)).collect();
        let wanted: BTreeSet<usize> = marks
            .iter()
            .flat_map(|mark| mark.first.saturating_sub(1)..=mark.last + 1)
            .chain(gaps(&marks))
            .filter(|line| index.range(*line).is_some())
            .collect();
        let wanted = trimmed(index, &marks, wanted);
        let mut excerpt = Self { name: visible(name), text: String::new(), lines: Vec::new(), labels: Vec::new() };
        let mut windows = Vec::new();
        for number in wanted {
            let Some((start, end)) = index.range(number) else { continue };
            let window = Window::around(index, start, end, focus(&marks, number, width), width);
            let at = excerpt.text.len();
            excerpt.text.push_str(window.before);
            let body = excerpt.text.len();
            push_visible(&mut excerpt.text, slice(index, window.start, window.end));
            excerpt.text.push_str(window.after);
            excerpt.text.push('\n');
            excerpt.lines.push(Line { number, start: at, end: excerpt.text.len() });
            windows.push((number, window, body));
        }
        let place = |line: usize, at: usize| {
            let (_, window, body) = windows.iter().find(|(number, ..)| *number == line)?;
            Some(body + visible(slice(index, window.start, at.clamp(window.start, window.end))).len())
        };
        // A label that lies in what was cut off points to the dots there.
        let cut = |line: usize, start: usize, end: usize| {
            let (_, window, body) = windows.iter().find(|(number, ..)| *number == line)?;
            let shown = visible(slice(index, window.start, window.end)).len();
            match (end < window.start, start >= window.end) {
                (true, _) if !window.before.is_empty() => Some((body - window.before.len(), window.before.len())),
                (_, true) if !window.after.is_empty() => Some((body + shown, window.after.len())),
                _ => None,
            }
        };
        for mark in &marks {
            let (Some(start), Some(end)) = (place(mark.first, mark.start), place(mark.last, mark.end)) else {
                continue;
            };
            let text = (!mark.text.is_empty()).then(|| visible_lines(mark.text));
            let hidden = if mark.first == mark.last { cut(mark.first, mark.start, mark.end) } else { None };
            let (start, length) = hidden.unwrap_or((start, end.saturating_sub(start)));
            let span = match mark.rank {
                Rank::Main => LabeledSpan::new_primary_with_span(text, (start, length)),
                Rank::Other => LabeledSpan::new(text, start, length),
            };
            excerpt.labels.push(Label { span, line: mark.first, column: index.column(mark.start) });
        }
        excerpt
    }

    /// The labels, at their places in the excerpt.
    pub(super) fn labels(&self) -> impl Iterator<Item = LabeledSpan> + '_ {
        self.labels.iter().map(|label| label.span.clone())
    }

    /// The position among the lines of the one that holds a byte of the excerpt.
    fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|line| line.end <= at).min(self.lines.len().saturating_sub(1))
    }
}

/// Reads lines of the excerpt, numbered as in the file; only neighbours in the file are read together.
impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let last_byte = span.offset() + span.len().saturating_sub(1);
        let (mut first, mut last) = (self.line_of(span.offset()), self.line_of(last_byte));
        let adjoin = |a: usize, b: usize| match (self.lines.get(a), self.lines.get(b)) {
            (Some(a), Some(b)) => a.number + 1 == b.number,
            _ => false,
        };
        let apart = (first..last).any(|line| !adjoin(line, line + 1));
        for _ in 0..lines_before {
            first -= usize::from(first > 0 && adjoin(first - 1, first));
        }
        for _ in 0..lines_after {
            last += usize::from(adjoin(last, last + 1));
        }
        let (Some(from), Some(to), false) = (self.lines.get(first), self.lines.get(last), apart) else {
            return Err(MietteError::OutOfBounds);
        };
        let label = self.labels.iter().find(|label| label.span.offset() == span.offset());
        let (line, column) = match (lines_before, label) {
            (0, Some(label)) => (label.line, label.column),
            _ => (from.number, 0),
        };
        let data = self.text.as_bytes().get(from.start..to.end).ok_or(MietteError::OutOfBounds)?;
        let place = (from.start, to.end - from.start).into();
        Ok(Box::new(MietteSpanContents::new_named(self.name.clone(), data, place, line, column, last - first + 1)))
    }
}

/// What of a line must be seen: all that is marked, if that fits, else the main place.
fn focus(marks: &[Shown<'_>], line: usize, width: usize) -> Option<(usize, usize)> {
    let on_line = || marks.iter().filter_map(|mark| Some((mark.rank, mark.starts_on(line)?)));
    let start = on_line().map(|(_, (start, _))| start).min()?;
    let end = on_line().map(|(_, (_, end))| end).max()?;
    if end - start <= width * 3 / 4 {
        return Some((start, end));
    }
    let main = on_line().find(|(rank, _)| *rank == Rank::Main);
    main.or_else(|| on_line().next()).map(|(_, place)| place)
}

/// The lines between marks of one piece.
fn gaps<'a>(marks: &'a [Shown<'a>]) -> impl Iterator<Item = usize> + 'a {
    marks.windows(2).flat_map(|pair| match pair {
        [left, right] if right.first <= left.last + NEAR => left.last..right.first,
        _ => 0..0,
    })
}

/// Leaves out empty lines at both ends that have no mark.
fn trimmed(index: &Index<'_>, marks: &[Shown<'_>], mut lines: BTreeSet<usize>) -> BTreeSet<usize> {
    let is_idle = |line: usize| {
        let blank = index.range(line).is_none_or(|(start, end)| slice(index, start, end).trim().is_empty());
        blank && marks.iter().all(|mark| line < mark.first || line > mark.last)
    };
    while lines.first().is_some_and(|line| is_idle(*line)) {
        lines.pop_first();
    }
    while lines.last().is_some_and(|line| is_idle(*line)) {
        lines.pop_last();
    }
    lines
}

/// A mark on whole characters, on few lines.
struct Shown<'a> {
    start: usize,
    end: usize,
    first: usize,
    last: usize,
    text: &'a str,
    rank: Rank,
}

impl<'a> Shown<'a> {
    fn new(index: &Index<'_>, mark: &Mark<'a>) -> Self {
        let start = index.boundary(mark.start);
        let mut end = index.boundary(mark.end).max(start);
        let first = index.line(start);
        let mut last = index.line(end);
        let starts_line = |line: usize, at: usize| index.range(line).is_some_and(|(start, _)| start == at);
        if last > first && starts_line(last, end) {
            // The mark ends with a line end: it does not reach into the next line.
            last -= 1;
            end = index.range(last).map_or(end, |(_, line_end)| line_end).max(start);
        }
        if last - first >= TALLEST {
            last = first;
            end = index.range(first).map_or(end, |(_, line_end)| line_end).max(start);
        }
        Self { start, end, first, last, text: mark.text, rank: mark.rank }
    }

    /// Where it starts or ends, if it does so on that line.
    fn starts_on(&self, line: usize) -> Option<(usize, usize)> {
        match (self.first == line, self.last == line) {
            (true, true) => Some((self.start, self.end)),
            (true, false) => Some((self.start, self.start)),
            (false, true) => Some((self.end, self.end)),
            (false, false) => None,
        }
    }
}

/// The part of a line that is shown.
struct Window {
    start: usize,
    end: usize,
    before: &'static str,
    after: &'static str,
}

impl Window {
    /// A line of more than `width` characters is cut so that what is marked can be seen with what stands around it.
    fn around(index: &Index<'_>, start: usize, end: usize, mark: Option<(usize, usize)>, width: usize) -> Self {
        if end - start <= width
            || slice(index, start, index.boundary(end.min(start + 4 * width))).chars().count() <= width
        {
            return Self { start, end, before: "", after: "" };
        }
        let (from, to) = mark.unwrap_or((start, start));
        let marked = (to - from).min(width * 3 / 4);
        let from = index.boundary(from.saturating_sub((width - marked) / 2).max(start));
        let from = if from <= start + 1 { start } else { from };
        let rest = slice(index, from, index.boundary(end.min(from + 4 * width)));
        let until = rest.char_indices().nth(width).map_or(from + rest.len(), |(at, _)| from + at);
        Self {
            start: from,
            end: until,
            before: if from > start { "…" } else { "" },
            after: if until < end { "…" } else { "" },
        }
    }
}

fn slice<'a>(index: &Index<'a>, start: usize, end: usize) -> &'a str {
    index.text().get(start..end).unwrap_or_default()
}

/// The text with characters that can't be seen, or that would change how others are seen, replaced.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_visible(&mut shown, text);
    shown
}

fn push_visible(shown: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '\t' => shown.push('\t'),
            '\u{0}'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(letter)).unwrap_or('\u{fffd}')),
            '\u{7f}' => shown.push('\u{2421}'),
            // Marks that turn the direction of text: see CVE-2021-42574, "Trojan Source".
            '\u{80}'..='\u{9f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{feff}' => {
                shown.push('\u{fffd}');
            }
            _ => shown.push(letter),
        }
    }
}

/// Writes text of several lines with each line made visible.
pub(super) fn visible_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        let _: fmt::Result = write!(shown, "{}{}", if index > 0 { "\n" } else { "" }, visible(line));
    }
    shown
}
