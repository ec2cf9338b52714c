//! Native operations: which code carries out what the declarations call `native`.
//!
//! Code that needs no large library stands here; the rest has crates of its own in `stdlib/native`.

mod child;
mod csv;
mod files;
mod ocr;
mod pdf;

use std::path::Path;

use flow_runtime::connector::NativeTable;

pub use flow_native_pdf::{MOST_BYTES as MOST_BYTES_OF_PDF, pages as pages_of_pdf, rendered as rendered_pdf};

/// The code of all native operations of the catalog. Documents are read and made by processes of their own, where there is a
/// program for that. It is called as `PROGRAM read-pdf NAME`, is given the bytes, and writes what [`pages_of_pdf`] says of them as
/// JSON; or as `PROGRAM render-pdf`, is given what is asked for, and writes what [`rendered_pdf`] makes of it, or as JSON why it
/// makes nothing. Without one, that is done in this process.
pub fn native_table(reader: Option<&Path>) -> NativeTable {
    let table = files::bind(csv::bind(ocr::bind(NativeTable::new())));
    let table = flow_native_sql::bind(flow_native_s3::bind(flow_native_archive::bind(table)));
    let table = flow_native_pdf::bind(flow_native_kafka::bind(flow_native_mail::bind(table)));
    match reader {
        Some(program) => pdf::bind(table, program),
        None => table,
    }
}
