//! The terminal: which stream takes what, in which colours, at what width.
//!
//! What was asked for goes to standard output, everything else to standard error. Text is made with ANSI styles; the
//! streams take them out where colour is not wanted.

pub(crate) mod table;
pub(crate) mod time;

pub(crate) use self::table::plain;

use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use flow_compiler::render;

use crate::{args, trouble::Trouble};

/// What is wrong.
pub(crate) const WRONG: Style = AnsiColor::Red.on_default().bold();
/// What to look at.
pub(crate) const CARE: Style = AnsiColor::Yellow.on_default().bold();
/// What went well.
pub(crate) const WELL: Style = AnsiColor::Green.on_default().bold();
/// What to do, and what can be typed.
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default();
/// What is said in passing.
pub(crate) const QUIET: Style = Style::new().dimmed();
/// What a line is about.
pub(crate) const STRONG: Style = Style::new().bold();

/// The columns that are assumed where there is no terminal.
const COLUMNS: usize = 100;

/// One of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Puts text into a style.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Says when to use colour, for all that follows.
pub(crate) fn choose_color(color: args::Color) {
    match color {
        args::Color::Auto => ColorChoice::Auto,
        args::Color::Always => ColorChoice::Always,
        args::Color::Never => ColorChoice::Never,
    }
    .write_global();
}

/// Writes what was asked for.
///
/// # Errors
/// The output can't be written.
pub(crate) fn print(text: &str) -> Result<(), Trouble> {
    let mut stream = anstream::stdout().lock();
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).map_err(|error| Trouble::output(&error))
}

/// Writes what is said besides. Nobody can be told when that fails.
pub(crate) fn say(text: &str) {
    let mut stream = anstream::stderr().lock();
    let _: io::Result<()> = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Says why a command can't do what was asked for.
pub(crate) fn say_trouble(trouble: &Trouble) {
    if trouble.message().is_empty() {
        return;
    }
    let mut text = format!("{} {}\n", styled(WRONG, "error:"), trouble.message());
    for help in trouble.helps() {
        text.push_str(&format!("  {} {}\n", styled(HINT, "help:"), help.replace('\n', "\n        ")));
    }
    say(&text);
}

/// How the compiler is to draw diagnostics for a stream.
pub(crate) fn drawing(stream: Stream) -> render::Style {
    let choice = match stream {
        Stream::Out => AutoStream::choice(&io::stdout()),
        Stream::Err => AutoStream::choice(&io::stderr()),
    };
    let color = match choice {
        ColorChoice::Never => render::Color::Never,
        _ => render::Color::Always,
    };
    render::Style { color, width: size(stream).map_or(COLUMNS, |(columns, _)| columns) }
}

/// The columns and lines of the terminal behind a stream, if there is one.
pub(crate) fn size(stream: Stream) -> Option<(usize, usize)> {
    let size = match stream {
        Stream::Out => terminal_size::terminal_size_of(io::stdout()),
        Stream::Err => terminal_size::terminal_size_of(io::stderr()),
    };
    let (terminal_size::Width(columns), terminal_size::Height(lines)) = size?;
    (columns > 0 && lines > 0).then(|| (usize::from(columns), usize::from(lines)))
}

/// Says whether standard error is a terminal on which the cursor can be moved.
pub(crate) fn can_redraw() -> bool {
    io::stderr().is_terminal()
        && size(Stream::Err).is_some()
        && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb" && !terminal.is_empty())
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Names in backticks: `a`, `b` and `c`.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A text as one word of a shell's command line.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_one_word() {
        assert_eq!(quoted("My Shop"), "'My Shop'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn names_are_listed_as_a_person_would() {
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
