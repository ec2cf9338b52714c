//! Where in the sources something stands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A source file of one compilation, by its position in [`Files`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A range of bytes in a source file: `start` inclusive, `end` exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span from byte offsets.
    pub fn new(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end }
    }

    /// The smallest span that covers both; `other` must be in the same file.
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Number of bytes covered.
    pub fn len(self) -> u32 {
        self.end - self.start
    }

    /// Says whether the span covers no byte.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Says whether all of the other lies within this one.
    pub fn contains(self, other: Self) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }
}

/// One source text and the path that messages show for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as a person would type it.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// All source files of one compilation; a [`FileId`] is a position here. Clones share the texts.
#[derive(Clone, Debug, Default)]
pub struct Files(Vec<Arc<SourceFile>>);

impl Files {
    /// Adds a file and returns its id.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = u32::try_from(self.0.len()).expect("a compilation has fewer than 2^32 files");
        self.0.push(Arc::new(SourceFile { path: path.into(), text: text.into() }));
        FileId(id)
    }

    /// The file with that id, if it is one of these.
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.0.get(id.0 as usize).map(Arc::as_ref)
    }

    /// All files with their ids, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.0.iter().enumerate().map(|(index, file)| (FileId(index as u32), file.as_ref()))
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub fn line_column(&self, file: FileId, offset: u32) -> (u32, u32) {
        let Some(source) = self.get(file) else { return (1, 1) };
        let mut end = (offset as usize).min(source.text.len());
        while !source.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = source.text.get(..end).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) as u32 + 1;
        (line, column)
    }

    /// The text that a span covers, or nothing when it lies outside its file.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).and_then(|file| file.text.get(span.start as usize..span.end as usize)).unwrap_or_default()
    }
}
