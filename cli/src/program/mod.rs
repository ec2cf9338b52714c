//! Programs: from paths on the command line to plans.
//!
//! In: paths of files and folders. Out: what the compiler says about them, with the catalog of connectors and the files
//! that they use. Left out on purpose: what becomes of the plans.

mod disk;
mod find;
mod flow;
pub(crate) mod input;
pub(crate) mod needs;
mod project;

use std::path::Path;

use flow_compiler::Catalog;

pub(crate) use self::{
    disk::Disk,
    find::{find, main_file, served, without_dot},
    flow::choose,
    project::{Place, Places},
};
use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// What all programs can refer to.
pub(crate) fn catalog() -> Catalog {
    Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() }
}

/// The text of a file.
///
/// # Errors
/// The file can't be read, or is not UTF-8.
pub(crate) fn text(path: &Path) -> Result<String, Trouble> {
    String::from_utf8(disk::read(path)?).map_err(|_| {
        Trouble::new(Exit::Program, format!("`{}` is not UTF-8", path.display()))
            .help(format!("`flowc check {}` shows where", path.display()))
    })
}

/// Replaces the text of a file: all of it, or nothing.
///
/// # Errors
/// The file can't be written.
pub(crate) fn rewrite(path: &Path, text: &str) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| {
        Trouble::new(Exit::Environment, format!("`{}` can't be written: {}", path.display(), said(&error)))
    };
    // A link is followed, so that what it points to is replaced and not the link.
    let target = path.canonicalize().map_err(failed)?;
    let beside = target.with_extension("flow.new");
    let permissions = target.metadata().map_err(failed)?.permissions();
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::set_permissions(&beside, permissions))
        .and_then(|()| std::fs::rename(&beside, &target))
        .map_err(|error| {
            let _: std::io::Result<()> = std::fs::remove_file(&beside);
            failed(error)
        })
}
