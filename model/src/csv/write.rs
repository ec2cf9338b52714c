//! How does a record stand in a table?
//!
//! In: records. Out: lines as RFC 4180 writes them. What a spreadsheet would compute is made a text (OWASP, CSV injection).

use crate::value::Value;

/// How a table is written.
#[derive(Debug)]
pub struct CsvLines {
    columns: Vec<String>,
    separator: char,
    formulas: Formulas,
}

/// What becomes of a text that a spreadsheet would take for a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formulas {
    /// It gets a `'` before it.
    Escape,
    /// It stands as it is.
    Keep,
}

impl CsvLines {
    /// A table with a separator (see [`separator`](super::separator)), and these columns, else the fields of the first row.
    pub fn new(separator: u8, columns: Option<Vec<String>>, rows: &[Value], formulas: Formulas) -> Self {
        let columns = match (columns, rows.first()) {
            (Some(columns), _) => columns,
            (None, Some(Value::Record(first))) => first.keys().cloned().collect(),
            (None, _) => Vec::new(),
        };
        Self { columns, separator: char::from(separator), formulas }
    }

    /// Writes the line with the names of the columns.
    pub fn head(&self, text: &mut String) {
        self.line(text, self.columns.iter().map(|name| self.cell(name, self.formulas)));
    }

    /// Writes the row at an index, from 0. What is missing or null is empty.
    ///
    /// # Errors
    /// The row is no record, or has a field that is no column; the message counts rows from 1.
    pub fn row(&self, text: &mut String, index: usize, row: &Value) -> Result<(), String> {
        let number = index + 1;
        let Value::Record(fields) = row else { return Err(format!("row {number} is no record")) };
        if let Some(name) = fields.keys().find(|name| !self.columns.contains(name)) {
            return Err(format!("row {number} has a field `{name}`, which is no column"));
        }
        let cells = self.columns.iter().map(|name| match fields.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => self.cell(text, self.formulas),
            Some(value) => match value.to_json() {
                serde_json::Value::String(text) => self.cell(&text, Formulas::Keep),
                other => self.cell(&other.to_string(), Formulas::Keep),
            },
        });
        self.line(text, cells);
        Ok(())
    }

    fn line(&self, text: &mut String, cells: impl Iterator<Item = String>) {
        let begins = text.len();
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                text.push(self.separator);
            }
            text.push_str(&cell);
        }
        // An empty line is no row.
        if text.len() == begins {
            text.push_str("\"\"");
        }
        text.push_str("\r\n");
    }

    /// A value as it stands in the table.
    fn cell(&self, text: &str, formulas: Formulas) -> String {
        let is_formula = formulas == Formulas::Escape && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let text = if is_formula { format!("'{text}") } else { text.to_owned() };
        let is_quoted =
            text.contains([self.separator, '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ');
        if is_quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a spreadsheet would carry out when the table is opened, in a value and in the name of a column.
    #[test]
    fn case_16_no_cell_is_a_formula_unless_that_is_asked_for() {
        let written = |text: &str, formulas| {
            let rows = [Value::record([(text, Value::text(text))])];
            let (lines, mut table) = (CsvLines::new(b',', None, &rows, formulas), String::new());
            lines.head(&mut table);
            lines.row(&mut table, 0, &rows[0]).unwrap();
            table
        };
        for begin in ["=", "+", "-", "@", "\t"] {
            let text = format!("{begin}1+cmd");
            assert_eq!(written(&text, Formulas::Escape), format!("'{text}\r\n'{text}\r\n"));
            assert_eq!(written(&text, Formulas::Keep), format!("{text}\r\n{text}\r\n"));
        }
        assert_eq!(written("\r=1", Formulas::Escape), "\"'\r=1\"\r\n\"'\r=1\"\r\n");
        assert_eq!(written("a=1", Formulas::Escape), "a=1\r\na=1\r\n");
        // A number is one.
        let rows = [Value::record([("n", Value::Int(-1))])];
        let mut table = String::new();
        CsvLines::new(b',', None, &rows, Formulas::Escape).row(&mut table, 0, &rows[0]).unwrap();
        assert_eq!(table, "-1\r\n");
    }
}
