//! Columns of text.

/// Writes rows in columns, each as wide as its widest cell; colours are put on afterwards by `paint`, which gets the row,
/// the column and the padded cell.
pub(crate) fn columns(rows: &[Vec<String>], paint: impl Fn(usize, usize, &str) -> String) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let last = column + 1 == row.len();
            let padded = if last { cell.clone() } else { format!("{cell:<width$}") };
            paint(at, column, &padded)
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_column_begin_at_the_same_place() {
        let rows = [["a", "bb", "c"], ["long", "b", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows, |_, _, cell| cell.to_owned()), "a     bb  c\nlong  b\n");
    }
}
