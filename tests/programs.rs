//! Compiles programs for the tests, with what comes with Flow, and finds the code blocks of pages.

use std::{fs, path::Path};

use flow_compiler::{Catalog, Checked, LoadError, Loader, Project, check_in};
use flow_model::{
    diagnostic::{Diagnostic, Severity},
    span::Files,
};

use crate::tidy::root;

/// Checks a program; files that it uses are found beside `path`, which is relative to the root of the repository.
pub(crate) fn checked(path: &str, text: &str) -> Checked {
    checked_with(path, text, &Repository)
}

/// Checks a program of a project, in an environment.
pub(crate) fn checked_in(project: &Project, environment: Option<&str>, path: &str, text: &str) -> Checked {
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    check_in(project, environment, path, text.as_bytes(), &catalog, &Repository)
}

/// The day on which programs are checked here.
const TODAY: &str = "2025-01-15";

/// Checks a program that may use files.
pub(crate) fn checked_with(path: &str, text: &str, loader: &dyn Loader) -> Checked {
    let catalog = Catalog { connectors: flow_stdlib::catalog(), functions: flow_stdlib::functions() };
    let project = Project { today: TODAY.parse().ok(), ..Project::default() };
    check_in(&project, None, path, text.as_bytes(), &catalog, loader)
}

/// The codes of a program's mistakes, in order, each once.
pub(crate) fn codes(checked: &Checked) -> Vec<&'static str> {
    let mut codes: Vec<_> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code.id()).collect();
    codes.dedup();
    codes
}

/// The mistakes that keep a program from running, as people see them; empty when there are none.
pub(crate) fn errors(checked: &Checked) -> String {
    let errors: Vec<_> =
        checked.diagnostics.iter().filter(|diagnostic| diagnostic.severity() == Severity::Error).cloned().collect();
    drawn(checked, &errors)
}

/// Mistakes as people see them.
pub(crate) fn drawn(checked: &Checked, diagnostics: &[Diagnostic]) -> String {
    drawn_of(&checked.files, diagnostics)
}

/// Mistakes in files as people see them.
pub(crate) fn drawn_of(files: &Files, diagnostics: &[Diagnostic]) -> String {
    use flow_compiler::render::{Color, Style, human};
    human(files, diagnostics, Style { color: Color::Never, width: 100 })
}

/// Reads files of the repository.
pub(crate) struct Repository;

impl Loader for Repository {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        fs::read(root().join(path)).map_err(|_| LoadError::NotFound)
    }
}

/// What the programs on the pages of codes may use.
pub(crate) struct PageFiles;

impl Loader for PageFiles {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        match path {
            "policies.flow" => Ok(b"policy patient { timeout: 1m }\n\nprivate policy brisk { timeout: 1s }\n".to_vec()),
            _ => Err(LoadError::NotFound),
        }
    }
}

/// A code block of a Markdown page.
pub(crate) struct Block {
    /// What follows the opening fence: `flow`, `flow E0304`, `sh`.
    pub(crate) info: String,
    /// The line of the opening fence, from 1.
    pub(crate) line: usize,
    /// The content.
    pub(crate) text: String,
}

/// The code blocks of a Markdown page, in order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(info), false) => {
                blocks.push(Block { info: info.trim().to_owned(), line: index + 1, text: String::new() });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line);
                text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!open, "a code block is not closed");
    blocks
}

/// Reads a file of the repository.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
