//! Native operations: which code carries out what the declarations call `native`.
//!
//! Code that needs no large library stands here; the rest has crates of its own in `stdlib/native`.

mod csv;
mod files;
mod ocr;

use flow_runtime::connector::NativeTable;

/// The code of all native operations of the catalog.
pub fn native_table() -> NativeTable {
    let table = files::bind(csv::bind(ocr::bind(NativeTable::new())));
    let table = flow_native_sql::bind(flow_native_s3::bind(table));
    flow_native_pdf::bind(flow_native_kafka::bind(flow_native_mail::bind(table)))
}
