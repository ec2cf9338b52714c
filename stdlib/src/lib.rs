//! What comes with Flow: connectors as text, standard functions, and the native operations behind a feature.
//!
//! In: nothing. Out: [`catalog`], which the compiler reads; [`functions()`], which the compiler and the runtime share; and
//! with the feature `native`, the table of native operations for the runtime. Nothing here opens a file or a
//! connection before an operation is called.

pub mod functions;
#[cfg(feature = "native")]
pub mod native;

use std::collections::BTreeMap;

use flow_model::{function::StandardFunction, span::SourceFile};

/// Lists the connectors: name and declaration.
macro_rules! connectors {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            concat!("stdlib/connectors/", $name, "/", $name, ".flow"),
            include_str!(concat!("../connectors/", $name, "/", $name, ".flow")),
        )),*]
    };
}

/// Name, path and text of each connector, sorted by name.
const CONNECTORS: &[(&str, &str, &str)] = connectors![
    "csv", "files", "http", "imap", "kafka", "mail", "mysql", "ocr", "pdf", "postgres", "s3", "slack", "sqlite",
    "stripe"
];

/// The declarations of the connectors by name. Each path is relative to the root of Flow's sources.
pub fn catalog() -> BTreeMap<String, SourceFile> {
    CONNECTORS
        .iter()
        .map(|(name, path, text)| {
            ((*name).to_owned(), SourceFile { path: (*path).to_owned(), text: (*text).to_owned() })
        })
        .collect()
}

/// The standard functions, by area.
pub fn functions() -> &'static [StandardFunction] {
    &functions::ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_has_every_folder_of_connectors() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/connectors");
        let mut folders: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        folders.sort();
        assert_eq!(folders, catalog().into_keys().collect::<Vec<_>>());
        for name in folders {
            let source = format!("{folder}/{name}/SOURCE.md");
            assert!(std::path::Path::new(&source).is_file(), "{source} is missing");
        }
    }
}
