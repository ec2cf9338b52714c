//! What ends a command early: what is wrong, what to do about it, and with which code `flowc` exits.

use std::{fmt, io};

use crate::exit::Exit;

/// Why a command can't do what was asked for. Shown as `error: message` with the help below it.
#[derive(Debug)]
pub(crate) struct Trouble {
    exit: Exit,
    /// Nothing is shown for an empty message: what is wrong was said before, or there is nobody left to tell.
    message: String,
    help: Vec<String>,
}

impl Trouble {
    /// Something is wrong, in the words of the house: lower case, no full stop, names in backticks.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: Vec::new() }
    }

    /// What is wrong was said before.
    pub(crate) fn told(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Adds what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds what to do, if anything is known.
    pub(crate) fn help_if(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// With which code `flowc` exits.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What is wrong, without what to do.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do.
    pub(crate) fn helps(&self) -> &[String] {
        &self.help
    }

    /// The output can't be written. A reader that has gone away (`flowc … | head`) is no mistake.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::told(Exit::Done),
            _ => Self::new(Exit::Environment, format!("the output can't be written: {}", said(error))),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The operating system's message in the form of the house's: lower case, without the error number.
pub(crate) fn said(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_operating_system_take_the_form_of_the_house() {
        assert_eq!(said(&io::Error::from_raw_os_error(13)), "permission denied");
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_mistake() {
        let trouble = Trouble::output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((trouble.exit(), trouble.message()), (Exit::Done, ""));
    }
}
