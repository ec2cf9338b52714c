//! Tables as files, read and written by programs.

use std::{fmt::Write as _, fs};

use serde_json::json;
use tempfile::TempDir;

use super::process::{Ended, flowc, output};

fn import(folder: &TempDir, table: &[u8], more: &str) -> Ended {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/programs/import_orders.flow");
    fs::write(folder.path().join("orders.csv"), table).unwrap();
    let input = format!(r#"{{"path": "orders.csv"{more}}}"#);
    output(flowc().current_dir(folder.path()).args(["run", program, "--input", &input, "--data", "data"]))
}

#[test]
fn a_table_of_many_pages_is_read_row_by_row_and_another_is_written() {
    let folder = TempDir::new().unwrap();
    let mut table = "\u{feff}Order no.,Date,total,paid,note,other\r\n".to_owned();
    for number in 0..3500 {
        let note = match number % 4 {
            0 => "",
            1 => "\"a, \"\"b\"\"\r\nc\"",
            2 => "=1+1",
            _ => "ü",
        };
        write!(table, "{number},2026-01-31,{number}.10,{},{note},x\r\n", number % 3 == 0).unwrap();
    }
    let told = import(&folder, table.as_bytes(), "").says(0, &[]).json();
    assert_eq!((&told["count"], &told["mime_type"]), (&json!(1167), &json!("text/csv")));
    assert_eq!(told["total"].to_string(), "2041199.70");
    let written = fs::read_to_string(folder.path().join("paid.csv")).unwrap();
    let begins = "number,day,total,note\r\n0,2026-01-31,0.10,\r\n3,2026-01-31,3.10,ü\r\n6,2026-01-31,6.10,'=1+1\r\n\
                  9,2026-01-31,9.10,\"a, \"\"b\"\"\r\nc\"\r\n12,";
    assert!(written.starts_with(begins), "{}", &written[..200]);
    assert!(written.ends_with("\r\n3498,2026-01-31,3498.10,'=1+1\r\n"));
}

#[test]
fn columns_and_their_separator_may_be_given() {
    let folder = TempDir::new().unwrap();
    let more = r#", "separator": ";", "columns": ["Order no.", "Date", "total", "paid", "note"]"#;
    let told = import(&folder, b"7;2026-01-31;5;1;\n8;2026-01-31;6;0;\n", more).says(0, &[]).json();
    assert_eq!(told["count"], json!(1));
    assert_eq!(
        fs::read_to_string(folder.path().join("paid.csv")).unwrap(),
        "number;day;total;note\r\n7;2026-01-31;5;\r\n"
    );
}

#[test]
fn what_does_not_fit_says_line_and_column() {
    let folder = TempDir::new().unwrap();
    let names = "Order no.,Date,total,paid,note\n";
    let many: String = (0..2000).map(|number| format!("{number},2026-01-31,1,0,\n")).collect();
    let unfit = |row: &str| format!("{names}{many}{row}").into_bytes();
    for (table, told) in [
        (unfit("7,2026-01-31,x,1,\n"), "`orders.csv`: line 2002, column `total`: expected a decimal"),
        (unfit("7,yesterday,1,1,\n"), "line 2002, column `Date`: expected"),
        (unfit("7,2026-01-31,-1,1,\n"), "line 2002, column `total`: expected"),
        (unfit("7,2026-01-31,1,perhaps,\n"), "line 2002, column `paid`: expected"),
        (unfit("7,2026-01-31,1\n"), "line 2002 has 3 columns, and the first line names 5"),
        ([unfit("7,2026-01-31,1,1,"), vec![0xe9]].concat(), "line 2002, column 5: the text is not UTF-8"),
        (b"No,Date,total,paid,note\n".to_vec(), "there is no column `Order no.`; there are `No`, `Date`, `total`"),
    ] {
        import(&folder, &table, "").says(3, &["Unreadable", told]);
    }
}
