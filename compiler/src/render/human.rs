//! Diagnostics for people, drawn by miette.
//!
//! A line with severity, code and message, then the source around the labels, file by file beginning with the one that
//! has the mistake, then the help.

use std::fmt::{self, Write as _};

use flow_model::{
    diagnostic::{Diagnostic, Label, Severity},
    span::{FileId, Files},
};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode, ThemeCharacters, ThemeStyles};

use super::{
    Sources,
    excerpt::{Excerpt, Mark, Rank, pieces, visible, visible_lines},
};

/// How diagnostics are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use terminal colours.
    pub color: Color,
    /// Columns of the terminal; less than 40 counts as 40.
    pub width: usize,
}

/// Whether to use terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// ANSI escapes.
    Always,
    /// Plain text.
    Never,
}

/// The least width that a drawing fits into.
const NARROWEST: usize = 40;

/// What line numbers and borders take of the width.
const GUTTER: usize = 12;

/// Writes diagnostics in the order given, with an empty line after each.
pub fn human(files: &Files, diagnostics: &[Diagnostic], style: Style) -> String {
    let sources = Sources::new(files);
    let width = style.width.max(NARROWEST);
    let handler = handler(style);
    let mut text = String::new();
    for diagnostic in diagnostics {
        heading(&mut text, diagnostic, style.color);
        draw(&mut text, &sources, &diagnostic.labels, width, &handler);
        if let Some(help) = &diagnostic.help {
            write_help(&mut text, &visible_lines(help), width, style.color);
        }
        text.push('\n');
    }
    text
}

/// Draws the source around places, with what is said of each.
pub fn excerpt(files: &Files, labels: &[Label], style: Style) -> String {
    let mut text = String::new();
    draw(&mut text, &Sources::new(files), labels, style.width.max(NARROWEST), &handler(style));
    text
}

fn handler(style: Style) -> GraphicalReportHandler {
    let styles = match style.color {
        Color::Always => ThemeStyles::ansi(),
        Color::Never => ThemeStyles::none(),
    };
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles };
    GraphicalReportHandler::new_themed(theme)
        .without_syntax_highlighting()
        .without_cause_chain()
        .with_context_lines(1)
        .with_width(style.width.max(NARROWEST))
}

fn draw(text: &mut String, sources: &Sources<'_>, labels: &[Label], width: usize, handler: &GraphicalReportHandler) {
    for excerpt in excerpts(sources, labels, width - GUTTER) {
        // Writing to a `String` can't fail, and the excerpt has all that its labels refer to.
        let mut drawn = String::new();
        let _: fmt::Result = handler.render_report(&mut drawn, &Part { excerpt });
        // The first line is for the message, which stands in the heading.
        for line in drawn.split_once('\n').map_or("", |(_, rest)| rest).lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
}

/// `error[E0601]: …`
fn heading(text: &mut String, diagnostic: &Diagnostic, color: Color) {
    let (word, paint) = match diagnostic.severity() {
        Severity::Error => ("error", "\u{1b}[1;31m"),
        Severity::Warning => ("warning", "\u{1b}[1;33m"),
    };
    let (code, message) = (diagnostic.code, visible(&diagnostic.message));
    let _: fmt::Result = match color {
        Color::Always => writeln!(text, "{paint}{word}[{code}]\u{1b}[0m\u{1b}[1m: {message}\u{1b}[0m"),
        Color::Never => writeln!(text, "{word}[{code}]: {message}"),
    };
}

/// `  help: …`, with lines broken at spaces but not within backticks.
fn write_help(text: &mut String, help: &str, width: usize, color: Color) {
    text.push_str(match color {
        Color::Always => "  \u{1b}[36mhelp:\u{1b}[0m",
        Color::Never => "  help:",
    });
    let indent = "  help:".len();
    for (at, line) in help.lines().enumerate() {
        if at > 0 {
            let _: fmt::Result = write!(text, "\n{:indent$}", "");
        }
        let mut column = indent;
        for word in words(line) {
            let length = word.chars().count() + 1;
            if column + length > width && column > indent {
                let _: fmt::Result = write!(text, "\n{:indent$}", "");
                column = indent;
            }
            text.push(' ');
            text.push_str(word);
            column += length;
        }
    }
    text.push('\n');
}

/// The words of a line; what stands in backticks is one word with what touches it.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut is_quoted) = (0, false);
    for (at, letter) in line.char_indices() {
        match letter {
            '`' => is_quoted = !is_quoted,
            ' ' if !is_quoted => {
                words.extend(line.get(start..at).filter(|word| !word.is_empty()));
                start = at + 1;
            }
            _ => {}
        }
    }
    words.extend(line.get(start..).filter(|word| !word.is_empty()));
    words
}

/// The files of the places, that of the first one first.
fn files_of(labels: &[Label]) -> Vec<FileId> {
    let mut files = Vec::new();
    for label in labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    files
}

/// What is shown of each file.
fn excerpts(sources: &Sources<'_>, labels: &[Label], width: usize) -> Vec<Excerpt> {
    let mut excerpts = Vec::new();
    for file in files_of(labels) {
        let Some(index) = sources.index(file) else { continue };
        let marks = labels.iter().enumerate().filter(|(_, label)| label.span.file == file);
        let marks = marks.map(|(at, label)| Mark {
            start: label.span.start as usize,
            end: label.span.end as usize,
            text: &label.text,
            rank: if at == 0 { Rank::Main } else { Rank::Other },
        });
        for piece in pieces(index, marks.collect()) {
            excerpts.push(Excerpt::new(sources.path(file), index, &piece, width));
        }
    }
    excerpts
}

/// What miette draws of one diagnostic in one file.
#[derive(Debug)]
struct Part {
    excerpt: Excerpt,
}

impl fmt::Display for Part {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Part {}

impl miette::Diagnostic for Part {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.excerpt.labels()))
    }
}
