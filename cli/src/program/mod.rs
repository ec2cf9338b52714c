//! Programs: from paths on the command line to plans.
//!
//! In: paths of files and folders. Out: what the compiler says about them, with the catalog of connectors and the files
//! that they use. Left out on purpose: what becomes of the plans.

mod disk;
mod find;
mod flow;
pub(crate) mod input;
pub(crate) mod needs;

use std::path::{Path, PathBuf};

use flow_compiler::{Catalog, Checked, Program};
use flow_model::diagnostic::Severity;

pub(crate) use self::{
    disk::Disk,
    find::{find, main_file, served},
    flow::choose,
};
use crate::{
    exit::Exit,
    trouble::{Trouble, said},
    ui::{self, QUIET, Stream, styled},
};

/// How many diagnostics are written before a program is run or drawn; `flowc check` shows more.
const MOST_SHOWN: usize = 50;

/// What all programs can refer to.
pub(crate) fn catalog() -> Catalog {
    Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() }
}

/// Checks the program in a file.
///
/// # Errors
/// The file can't be read, or has nothing in it.
pub(crate) fn check(path: &Path, catalog: &Catalog) -> Result<Checked, Trouble> {
    let text = disk::read(path)?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(Trouble::new(Exit::Program, format!("`{}` is empty", path.display()))
            .help("write a flow, for example `flow hello { return \"hello\" }`"));
    }
    Ok(flow_compiler::check(&path.to_string_lossy(), &text, catalog, &disk::Disk))
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

/// Checks the program in a file that is to be run or drawn. Its errors are shown on standard error; that there are
/// warnings is said.
///
/// # Errors
/// The file can't be read, or the program has errors.
pub(crate) fn load(path: &Path) -> Result<Program, Trouble> {
    let Checked { files, mut diagnostics, program } = check(path, &catalog())?;
    let found = diagnostics.len();
    diagnostics.retain(|diagnostic| diagnostic.severity() == Severity::Error);
    let (errors, warnings) = (diagnostics.len(), found - diagnostics.len());
    diagnostics.truncate(MOST_SHOWN);
    if !diagnostics.is_empty() {
        ui::say(&flow_compiler::render::human(&files, &diagnostics, ui::drawing(Stream::Err)));
    }
    let path = path.display();
    if warnings > 0 && errors == 0 {
        let told = format!("{}: `flowc check {path}` shows them", ui::count(warnings, "warning"));
        ui::say(&format!("{}\n", styled(QUIET, told)));
    }
    program.ok_or_else(|| Trouble::new(Exit::Program, format!("`{path}` has {}", ui::count(errors, "error"))))
}

/// Where the runs of a program are kept: `.flow` beside it, unless another folder was chosen. A folder is beside itself.
pub(crate) fn data_folder(chosen: Option<&Path>, program: &Path) -> PathBuf {
    match chosen {
        Some(folder) => folder.to_owned(),
        None if program.is_dir() => find::without_dot(&program.join(".flow")).to_owned(),
        None => program.with_file_name(".flow"),
    }
}

/// The folder that a program is in. A folder is its own.
pub(crate) fn folder(program: &Path) -> &Path {
    match program.parent() {
        _ if program.is_dir() => program,
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_kept_beside_the_program() {
        assert_eq!(data_folder(None, Path::new("a/b.flow")), Path::new("a/.flow"));
        assert_eq!(data_folder(None, Path::new("b.flow")), Path::new(".flow"));
        assert_eq!(data_folder(Some(Path::new("d")), Path::new("a/b.flow")), Path::new("d"));
        assert_eq!(data_folder(None, Path::new(".")).to_str(), Some(".flow"));
        let folder = env!("CARGO_MANIFEST_DIR");
        assert_eq!(data_folder(None, Path::new(folder)), Path::new(folder).join(".flow"));
    }
}
