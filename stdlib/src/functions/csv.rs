//! Functions that read and write tables as text. The steps of the connector `csv` do the same with files, row by row and
//! without a bound; reading and writing are those of `model`.

use flow_model::{
    csv::{self, CsvLines, Formulas},
    failure::Failure,
    function::{Argument, StandardFunction},
    value::Value,
};

use super::{
    argument::{Arguments, invalid},
    bytes::MOST_BYTES,
    entry,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "Csv.rows(text: String, separator?: CellSeparator, columns?: List<String>) -> List<Map<String>>",
        "The rows of a table in CSV (RFC 4180), each with its values as text under the names in the first line, or in `columns` where that line is a row already. The separator is `,` unless it is given. A table that is none is refused, with line and column. `csv.read` is a step that reads a file of any length, and its numbers and times.",
        &[
            r#"Csv.rows("sku;left\nA-1;3\n", ";").map(row -> row["left"]?.to_int()) == [3]"#,
            r#"Csv.rows("A-1,\"two\nlines\"", ",", ["sku", "note"]).map(row -> row["note"]) == ["two\nlines"]"#,
        ],
        |args| {
            let rows = csv::rows(args.bytes(0)?, separator(args, 1)?, columns(args, 2)?);
            rows.map(Value::List).map_err(|why| invalid(format!("the text is no table: {why}")))
        },
    ),
    entry(
        r#"Csv.text(rows: List<Json> @whole, separator?: CellSeparator, columns?: List<String>, formulas?: "escape" | "keep") -> String"#,
        "Records as a table in CSV: a line for each, and the names of the columns in the first one. The columns are the fields of the first record, with all that its type has, or `columns`, in that order; a field that is no column is refused. A text that a spreadsheet would take for a formula (it begins with `=`, `+`, `-` or `@`) gets a `'` before it, unless `formulas` is `keep`.",
        &[
            r#"Csv.text([{ sku: "A-1", left: 3 }, { sku: "B,2", left: null }]) == "sku,left\r\nA-1,3\r\n\"B,2\",\r\n""#,
            r#"Csv.text([{ note: "=1+1" }]) == "note\r\n'=1+1\r\n""#,
            r#"Csv.text([{ b: 1, a: "-" }], ";", ["a", "b"], "keep") == "a;b\r\n-;1\r\n""#,
        ],
        |args| {
            let formulas = if args.text_or(3, "escape")? == "keep" { Formulas::Keep } else { Formulas::Escape };
            let rows = args.list(0)?;
            let lines = CsvLines::new(separator(args, 1)?, columns(args, 2)?, rows, formulas);
            let mut text = String::new();
            lines.head(&mut text);
            for (at, row) in rows.iter().enumerate() {
                lines.row(&mut text, at, row).map_err(invalid)?;
                if text.len() > MOST_BYTES {
                    let most = MOST_BYTES >> 20;
                    return Err(invalid(format!(
                        "this would make more than {most} MiB of text; `csv.write` makes a file"
                    )));
                }
            }
            Ok(Value::text(text))
        },
    ),
];

fn separator(args: &[Argument<'_>], index: usize) -> Result<u8, Failure> {
    let text = args.text_or(index, ",")?;
    csv::separator(text).ok_or_else(|| invalid(format!("`{text}` does not separate values; write one character: `;`")))
}

fn columns(args: &[Argument<'_>], index: usize) -> Result<Option<Vec<String>>, Failure> {
    match args.at(index) {
        Value::Null => Ok(None),
        _ => Ok(Some(args.list(index)?.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect())),
    }
}
