//! Flow text in, diagnostics and plans out.
//!
//! In: the text of a program, a [`Catalog`] of connectors and functions, and a [`Loader`] for the files that the program
//! uses. Out: [`Checked`], which has all mistakes and, if there is none, the plans. Left out on purpose: files, clock and
//! network; the caller brings what the compiler needs to know.

mod ast;
pub mod draw;
mod graph;
mod names;
mod read;
pub mod render;
mod types;

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::Diagnostic,
    function::StandardFunction,
    plan::{Plan, SourceMap},
    span::{Files, SourceFile},
};

/// What programs can refer to without declaring it.
pub struct Catalog {
    /// Connectors by name: the `.flow` file that declares each.
    pub connectors: BTreeMap<String, SourceFile>,
    /// The standard functions.
    pub functions: &'static [StandardFunction],
}

/// Gets the files that a program uses.
pub trait Loader {
    /// The text of the file for `use "./file.flow"`. The path is that of the file that uses it, with the last part
    /// replaced by the path written and `.` and `..` resolved: from `flows/main.flow`, `use "../shared.flow"` asks for
    /// `shared.flow`.
    ///
    /// # Errors
    /// Says why the file can't be read.
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError>;
}

/// Why a file can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// There is none at that path.
    NotFound,
    /// It can't be read, for the reason given: lower case, no full stop.
    Unreadable(String),
}

/// What a check found out.
pub struct Checked {
    /// All files that were read; the spans of diagnostics and source maps refer to them. The program's own file is the
    /// first.
    pub files: Files,
    /// The mistakes, by their places.
    pub diagnostics: Vec<Diagnostic>,
    /// The program, unless there is an error.
    pub program: Option<Program>,
}

/// A program without errors.
#[derive(Clone, Debug)]
pub struct Program {
    /// The plan of each flow of the program's own file, by name.
    pub plans: BTreeMap<String, Plan>,
    /// Where the nodes of each plan stand in the source.
    pub sources: BTreeMap<String, SourceMap>,
}
