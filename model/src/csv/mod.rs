//! Tables as text: how is CSV read, and how is it written?
//!
//! One reading and one writing for answers of systems, the steps of the connector `csv` and the standard functions, so that
//! they have the same rules and the same words for what is wrong.

mod read;
mod write;

pub use self::{
    read::{CsvRow, CsvRows, MOST_CELL, MOST_ROWS, rows},
    write::{CsvLines, Formulas},
};

/// The separator that a text is: one character of ASCII that stands neither around values nor between lines.
pub fn separator(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !b"\"\r\n\0".contains(byte) => Some(*byte),
        _ => None,
    }
}
