//! The table by which work is done once.
//!
//! A row with the key of the step is written in the transaction of its statements, so it is there exactly if they have
//! taken effect. An attempt that finds it does nothing, and answers what was answered then. Two attempts at the same time
//! meet at the row: the later one waits for the earlier one's end.

use flow_model::failure::{ErrorKind, Failure};

/// The name of the table.
pub(crate) const TABLE: &str = "flow_once";

/// How many rows each statement has changed, as the table keeps it.
pub(crate) fn written(rows: &[u64]) -> String {
    rows.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

/// What the table keeps, as it was.
pub(crate) fn read(written: &str) -> Result<Vec<u64>, Failure> {
    let unfit = |_| Failure::new(ErrorKind::Mismatch, format!("the column `rows` of `{TABLE}` was changed by others"));
    written.split(',').map(|rows| rows.parse().map_err(unfit)).collect()
}

/// The table is not there.
pub(crate) fn no_table(text: &str) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!("`once` needs a table of its own, in which it notes what was done: create it with `{text}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&written(&[0, 12, u64::MAX])).unwrap(), [0, 12, u64::MAX]);
        assert_eq!(read("x").unwrap_err().kind, ErrorKind::Mismatch);
    }
}
