//! Connectors that come with Flow: each has a page that is fresh.

use flow_compiler::{Catalog, reference::reference};

use crate::{programs::read, tidy::root};

#[test]
fn each_connector_has_a_page_that_is_fresh() {
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    let folder = root().join("docs/connectors");
    let mut pages = vec![("README.md".to_owned(), String::new())];
    let mut list = String::new();
    for name in catalog.connectors.keys() {
        let found = reference(name, &catalog).unwrap_or_else(|| panic!("`{name}` has mistakes"));
        let line = found.doc.lines().next().unwrap_or_default();
        list.push_str(&format!("| [{name}]({name}.md) | {line} | {} |\n", found.operations.len()));
        pages.push((format!("{name}.md"), found.markdown()));
    }
    pages[0].1 = format!("# Connectors that come with Flow\n\n| connector | | operations |\n|---|---|---|\n{list}");
    let is_update = std::env::var_os("UPDATE_DOCS").is_some();
    for (file, page) in &pages {
        let fresh = format!(
            "<!-- Generated from stdlib/connectors by the test `each_connector_has_a_page_that_is_fresh`. -->\n{page}"
        );
        if is_update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(file), &fresh).unwrap();
        }
        let how = "`UPDATE_DOCS=1 cargo test each_connector_has_a_page` writes it anew";
        assert_eq!(read(format!("docs/connectors/{file}")), fresh, "docs/connectors/{file}: {how}");
    }
    let known: Vec<&String> = pages.iter().map(|(file, _)| file).collect();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&&file), "docs/connectors/{file} is of no connector");
    }
}
