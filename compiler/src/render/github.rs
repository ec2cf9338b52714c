//! Diagnostics as workflow commands, with which GitHub marks lines of a pull request.
//!
//! Source: "Workflow commands for GitHub Actions", docs.github.com: `::error file=…,line=…,col=…,title=…::message`; in
//! messages `%`, CR and LF are escaped, in properties `:` and `,` as well.

use std::fmt::Write as _;

use flow_model::{
    diagnostic::{Diagnostic, Severity},
    span::Files,
};

use super::Sources;

/// Writes a line for each diagnostic.
pub fn github(files: &Files, diagnostics: &[Diagnostic]) -> String {
    let sources = Sources::new(files);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let span = diagnostic.span();
        let (line, column, _) = sources.position(span.file, span.start);
        let (end_line, end_column, _) = sources.position(span.file, span.end);
        let level = match diagnostic.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut message = diagnostic.message.clone();
        if let Some(help) = &diagnostic.help {
            let _ = write!(message, "\nhelp: {help}");
        }
        let _ = writeln!(
            out,
            "::{level} file={},line={line},endLine={end_line},col={column},endColumn={end_column},title={}::{}",
            property(sources.path(span.file)),
            property(&format!("{} {}", diagnostic.code.id(), diagnostic.code.title())),
            data(&message)
        );
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
