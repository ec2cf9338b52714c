//! The text of a PDF, page by page.
//!
//! A page says where each letter stands, and seldom where a word or a line ends: that is seen by how far a letter lies from
//! the end of the one before it, along its line and across, whichever way the line runs.

use flow_model::failure::Failure;
use pdf_extract::{Document, MediaBox, OutputDev, OutputError, Transform, output_doc_page};

use crate::invalid;

/// How many pages are read.
const MOST_PAGES: usize = 10_000;

/// The text of each page, its lines apart, without spaces around it. A page that is a picture has none.
///
/// # Errors
/// `Invalid` when the bytes are no PDF that reads, or it is locked.
pub(crate) fn pages(name: &str, bytes: &[u8]) -> Result<Vec<String>, Failure> {
    let unfit = |why: String| invalid(format!("`{name}` can't be read as a PDF: {why}"));
    let start = bytes.get(..1024).unwrap_or(bytes);
    if !start.windows(5).any(|part| part == b"%PDF-") {
        return Err(unfit("it does not begin as one".to_owned()));
    }
    let mut document = Document::load_mem(bytes).map_err(|error| unfit(error.to_string()))?;
    // Many are locked with an empty password: anyone may read them.
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(unfit("it is locked with a password".to_owned()));
    }
    let numbers: Vec<u32> = document.get_pages().into_keys().collect();
    if numbers.len() > MOST_PAGES {
        return Err(unfit(format!("it has {} pages, and at most {MOST_PAGES} are read", numbers.len())));
    }
    let mut pages = Vec::with_capacity(numbers.len());
    for number in numbers {
        let mut page = Page::default();
        output_doc_page(&document, &mut page, number)
            .map_err(|error: OutputError| unfit(format!("page {number}: {error}")))?;
        let lines: Vec<&str> = page.text.lines().map(str::trim_end).collect();
        pages.push(lines.join("\n").trim().to_owned());
    }
    Ok(pages)
}

/// How far apart words are at least, by the size of the letters.
const APART: f64 = 0.15;

/// How far a letter lies across the line at least when it is on another one.
const ACROSS: f64 = 0.5;

/// How much farther a letter lies that begins a paragraph.
const PARAGRAPH: f64 = 1.9;

/// A page as it is read.
#[derive(Default)]
struct Page {
    text: String,
    /// Where the letter before ended, and its size.
    last: Option<(f64, f64, f64)>,
    /// Whether the next letter is the first of a piece.
    begins: bool,
}

impl Page {
    /// What stands between the letter before and one at a place, of a size, on a line that runs this way.
    fn gap(&self, (x, y): (f64, f64), size: f64, (along_x, along_y): (f64, f64)) -> &'static str {
        let Some((last_x, last_y, last_size)) = self.last.filter(|_| self.begins) else { return "" };
        let (dx, dy) = (x - last_x, y - last_y);
        let (along, across) = (dx * along_x + dy * along_y, (dx * along_y - dy * along_x).abs());
        let size = size.max(last_size);
        if across > size * PARAGRAPH {
            "\n\n"
        } else if across > size * ACROSS || along < -size {
            "\n"
        } else if along > size * APART && !self.text.ends_with(char::is_whitespace) {
            " "
        } else {
            ""
        }
    }
}

impl OutputDev for Page {
    fn begin_page(&mut self, _: u32, _: &MediaBox, _: Option<(f64, f64, f64, f64)>) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn output_character(
        &mut self,
        at: &Transform,
        width: f64,
        _spacing: f64,
        font_size: f64,
        letter: &str,
    ) -> Result<(), OutputError> {
        let length = at.m11.hypot(at.m12);
        let along = if length > 0.0 { (at.m11 / length, at.m12 / length) } else { (1.0, 0.0) };
        let size = (at.m11 * at.m22 - at.m12 * at.m21).abs().sqrt() * font_size.abs();
        let gap = self.gap((at.m31, at.m32), size, along);
        if gap != " " || !letter.starts_with(char::is_whitespace) {
            self.text.push_str(gap);
        }
        self.text.push_str(letter);
        self.begins = false;
        let end = width * font_size * length;
        self.last = Some((at.m31 + along.0 * end, at.m32 + along.1 * end, size));
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.begins = true;
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}
