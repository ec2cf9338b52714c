//! Which rows has a table that comes piece by piece? One row is in memory, whatever the length of the table.
//!
//! As RFC 4180 says, with the names of the columns in the first line unless they are given; an empty line is none. Every
//! value is text.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use indexmap::IndexMap;

use crate::value::Value;

/// How long one value may be, in bytes.
pub const MOST_CELL: usize = 1 << 20;

/// How long a row may be, in bytes.
const MOST_ROW: usize = 16 << 20;

/// How many columns there may be.
const MOST_COLUMNS: usize = 16_384;

/// How many rows a table may have that is held in memory.
pub const MOST_ROWS: usize = 1_000_000;

/// The rows of a table that is there as a whole, each a record of text. With `columns`, its first line is a row.
///
/// # Errors
/// Why the table is not acceptable, as [`CsvRows::read`] and [`CsvRows::from`] say it, or that it has more than
/// [`MOST_ROWS`] rows.
pub fn rows(bytes: &[u8], separator: u8, columns: Option<Vec<String>>) -> Result<Vec<Value>, String> {
    let mut reader = CsvRows::new(separator);
    if let Some(columns) = columns {
        reader = reader.from(1, columns)?;
    }
    let (mut rows, mut at) = (Vec::new(), 0);
    loop {
        let (read, row) = reader.read(bytes.get(at..).unwrap_or_default())?;
        at += read;
        match row {
            CsvRow::More => {}
            CsvRow::Row(..) if rows.len() == MOST_ROWS => return Err(format!("it has more than {MOST_ROWS} rows")),
            CsvRow::Row(_, row) => rows.push(Value::Record(row)),
            CsvRow::End => return Ok(rows),
        }
    }
}

/// Rows of a table that comes in pieces.
#[derive(Debug)]
pub struct CsvRows {
    reader: Reader,
    names: Option<Vec<String>>,
    is_first: bool,
    /// The line on which the row begins that is being read; none between rows.
    begun: Option<u64>,
    text: Vec<u8>,
    used: usize,
    ends: Vec<usize>,
    ended: usize,
}

/// What came of a piece.
#[derive(Debug, PartialEq)]
pub enum CsvRow {
    /// The row is not whole yet.
    More,
    /// A row, and the line on which it begins.
    Row(u64, IndexMap<String, Value>),
    /// There are no more.
    End,
}

impl CsvRows {
    /// A table with this separator whose first line has the names of the columns.
    pub fn new(separator: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(separator).build();
        let (text, ends) = (vec![0; 1 << 10], vec![0; 64]);
        Self { reader, names: None, is_first: true, begun: None, text, used: 0, ends, ended: 0 }
    }

    /// The rest of a table, or one without names: where it begins, and what its columns are called.
    ///
    /// # Errors
    /// A name that is there twice.
    pub fn from(mut self, line: u64, names: Vec<String>) -> Result<Self, String> {
        self.reader.set_line(line);
        self.names = Some(distinct(names, line)?);
        Ok(self)
    }

    /// The names of the columns, once they are known.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The line that is read next.
    pub fn line(&self) -> u64 {
        self.reader.line()
    }

    /// Reads from a piece, an empty one at the end of the table: how many bytes of it, and what came of them.
    ///
    /// # Errors
    /// Why the table is not acceptable, with line and column: not UTF-8, a row with other columns, a value or a row that is
    /// too long, a name that is there twice.
    pub fn read(&mut self, piece: &[u8]) -> Result<(usize, CsvRow), String> {
        let mut read = 0;
        loop {
            let rest = piece.get(read..).unwrap_or_default();
            if self.is_first && (rest.starts_with(b"\xff\xfe") || rest.starts_with(b"\xfe\xff")) {
                return Err("line 1: the text is UTF-16; save it as UTF-8".to_owned());
            }
            self.is_first = self.is_first && rest.is_empty();
            if self.begun.is_none() {
                // The end of the line before, and empty lines.
                let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                let lines = rest.iter().take(ends).filter(|byte| **byte == b'\n').count();
                self.reader.set_line(self.reader.line() + lines as u64);
                read += ends;
            }
            let rest = piece.get(read..).unwrap_or_default();
            // An empty piece would be the end of the table.
            if rest.is_empty() && !piece.is_empty() {
                return Ok((read, CsvRow::More));
            }
            let line = *self.begun.get_or_insert(self.reader.line());
            let text = self.text.get_mut(self.used..).unwrap_or_default();
            let ends = self.ends.get_mut(self.ended..).unwrap_or_default();
            let (result, took, wrote, ended) = self.reader.read_record(rest, text, ends);
            (read, self.used, self.ended) = (read + took, self.used + wrote, self.ended + ended);
            let begins = self.ended.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
            if self.used.saturating_sub(begins) > MOST_CELL {
                return Err(too_long(line, self.ended));
            }
            match result {
                ReadRecordResult::InputEmpty => return Ok((read, CsvRow::More)),
                ReadRecordResult::End => return Ok((read, CsvRow::End)),
                ReadRecordResult::OutputFull if self.text.len() >= MOST_ROW => {
                    return Err(format!("line {line}: the row is longer than 16 MiB"));
                }
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() >= MOST_COLUMNS => {
                    return Err(format!("line {line} has more than {MOST_COLUMNS} columns"));
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    let cells = cells(&self.text, self.ends.get(..self.ended).unwrap_or_default(), line)?;
                    (self.begun, self.used, self.ended) = (None, 0, 0);
                    match &self.names {
                        None => {
                            self.names = Some(distinct(cells.into_iter().map(str::to_owned).collect(), line)?);
                            if piece.is_empty() {
                                return Ok((read, CsvRow::More));
                            }
                        }
                        Some(names) if names.len() != cells.len() => {
                            let (has, named) = (cells.len(), names.len());
                            return Err(format!("line {line} has {has} columns, and the first line names {named}"));
                        }
                        Some(names) => {
                            let row = names.iter().cloned().zip(cells.into_iter().map(Value::text)).collect();
                            return Ok((read, CsvRow::Row(line, row)));
                        }
                    }
                }
            }
        }
    }
}

/// The values of a row.
fn cells<'a>(text: &'a [u8], ends: &[usize], line: u64) -> Result<Vec<&'a str>, String> {
    let mut begins = 0;
    let mut all = Vec::with_capacity(ends.len());
    for (at, end) in ends.iter().enumerate() {
        let cell = text.get(begins..*end).unwrap_or_default();
        if cell.len() > MOST_CELL {
            return Err(too_long(line, at));
        }
        let column = at + 1;
        let cell = str::from_utf8(cell).map_err(|_| format!("line {line}, column {column}: the text is not UTF-8"))?;
        if cell.contains('\0') {
            return Err(format!("line {line}, column {column}: the value holds a NUL character"));
        }
        all.push(cell);
        begins = *end;
    }
    Ok(all)
}

fn too_long(line: u64, before: usize) -> String {
    format!("line {line}, column {}: the value is longer than 1 MiB", before + 1)
}

fn distinct(names: Vec<String>, line: u64) -> Result<Vec<String>, String> {
    match names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|one| one == *name)) {
        Some((_, twice)) => Err(format!("line {line}: the column `{twice}` is there twice")),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All rows of a table that comes in pieces of one length, with their lines.
    fn rows(text: &[u8], piece: usize) -> Result<Vec<(u64, Vec<String>)>, String> {
        let (mut rows, mut all) = (CsvRows::new(b','), Vec::new());
        let pieces = text.chunks(piece).chain(std::iter::repeat(b"".as_slice()));
        for mut piece in pieces {
            loop {
                let (read, row) = rows.read(piece)?;
                piece = &piece[read..];
                match row {
                    CsvRow::Row(line, cells) => {
                        all.push((line, cells.values().map(|cell| cell.as_str().unwrap().to_owned()).collect()));
                    }
                    CsvRow::More => {}
                    CsvRow::End => return Ok(all),
                }
                // What is empty is the end, and more may come.
                if piece.is_empty() {
                    break;
                }
            }
        }
        Ok(all)
    }

    #[test]
    fn rows_are_the_same_however_the_table_is_cut() {
        let text = b"a,b\r\n1,\"x\r\n\"\"y\"\"\"\r\n\r\n2,\n,\"\"\r\n3,z";
        let row = |line, cells: [&str; 2]| (line, cells.map(str::to_owned).to_vec());
        let expected = vec![row(2, ["1", "x\r\n\"y\""]), row(5, ["2", ""]), row(6, ["", ""]), row(7, ["3", "z"])];
        for piece in [1, 2, 3, 7, 100] {
            assert_eq!(rows(text, piece), Ok(expected.clone()), "{piece}");
        }
        assert_eq!(rows(b"", 1), Ok(vec![]));
        assert_eq!(rows(b"a,b", 2), Ok(vec![]));
        assert_eq!(rows(b"\xef\xbb\xbfa,b\n1,2\n", 100).unwrap(), [row(2, ["1", "2"])]);
    }

    #[test]
    fn what_is_wrong_is_told_before_it_is_held() {
        let long = [b"a,b\n1,\"".as_slice(), &vec![b'x'; MOST_CELL + 2]].concat();
        assert_eq!(rows(&long, 4096).unwrap_err(), "line 2, column 2: the value is longer than 1 MiB");
        let wide = "x,".repeat(20_000);
        assert_eq!(rows(wide.as_bytes(), 4096).unwrap_err(), "line 1 has more than 16384 columns");
        assert_eq!(rows(b"\xff\xfea\0", 4).unwrap_err(), "line 1: the text is UTF-16; save it as UTF-8");
        assert_eq!(rows(b"a,b\n1,x\0y\n", 4).unwrap_err(), "line 2, column 2: the value holds a NUL character");
        // Latin-1 in a table that is UTF-8 elsewhere.
        assert_eq!(rows(b"a,b\n\xc3\xa9,\xe9t\xe9\n", 4).unwrap_err(), "line 2, column 2: the text is not UTF-8");
        assert_eq!(rows(b"a,b\r\n1,2\r\n3\r\n", 5).unwrap_err(), "line 3 has 1 columns, and the first line names 2");
    }
}
