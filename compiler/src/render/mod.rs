//! How are diagnostics shown?
//!
//! In: diagnostics as data, and the files that they are about. Out: text for people ([`human`]), JSON for programs
//! ([`json`]), SARIF for code scanning ([`sarif`]), marks in pull requests ([`github`]). Each file is indexed once, so both take time in proportion to what they write.

mod excerpt;
mod github;
mod human;
mod index;
mod json;
mod sarif;

use std::cell::OnceCell;

use flow_model::span::{FileId, Files};

pub use github::github;
pub use human::{Color, Style, excerpt, human};
pub use json::json;
pub use sarif::sarif;

use index::Index;

#[cfg(test)]
mod tests;

/// The files with an index for each, made when it is first needed.
struct Sources<'a> {
    files: &'a Files,
    indexes: Vec<OnceCell<Index<'a>>>,
}

impl<'a> Sources<'a> {
    fn new(files: &'a Files) -> Self {
        Self { files, indexes: files.iter().map(|_| OnceCell::new()).collect() }
    }

    fn path(&self, file: FileId) -> &'a str {
        self.files.get(file).map_or("?", |source| &source.path)
    }

    fn index(&self, file: FileId) -> Option<&Index<'a>> {
        let source = self.files.get(file)?;
        Some(self.indexes.get(file.0 as usize)?.get_or_init(|| Index::new(&source.text)))
    }

    /// Line and column of a byte offset, both from 1; the column counts characters. The offset is moved to the character
    /// that it is in.
    fn position(&self, file: FileId, offset: u32) -> (usize, usize, usize) {
        let offset = offset as usize;
        match self.index(file) {
            Some(index) => {
                let offset = index.boundary(offset);
                (index.line(offset) + 1, index.column(offset) + 1, offset)
            }
            None => (1, 1, offset),
        }
    }
}
