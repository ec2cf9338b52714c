//! `flowc secrets`: what is in the encrypted store.

use std::{
    io::{self, IsTerminal as _, Read as _},
    path::Path,
};

use crate::{
    args,
    exit::Exit,
    host::Surroundings,
    program::Place,
    secrets::key::Made,
    trouble::{Trouble, said},
    ui,
};

/// The longest text of a secret that is read.
const LONGEST: u64 = 64 * 1024;

/// Does what is asked of the store.
///
/// # Errors
/// The store or its key can't be used, or there is no text.
pub(crate) fn secrets(args: &args::Secrets) -> Result<Exit, Trouble> {
    match &args.command {
        args::SecretsCommand::Set(set) => {
            let surroundings = surroundings(&set.program, &set.data)?;
            let name = checked(&set.secret)?;
            let text = text(name)?;
            let store = surroundings.keyring.store();
            if let Made::Now(file) = store.set(name, &text)? {
                ui::say(&format!("made the key {}: keep a copy, nothing else opens the store\n", file.display()));
            }
            ui::say(&format!("`{name}` is in {}\n", store.folder().display()));
        }
        args::SecretsCommand::List(list) => {
            let surroundings = surroundings(&list.program, &list.data)?;
            let names = surroundings.keyring.store().names()?;
            ui::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
        }
        args::SecretsCommand::Rm(rm) => {
            let surroundings = surroundings(&rm.program, &rm.data)?;
            let store = surroundings.keyring.store();
            if !store.remove(&rm.secret)? {
                let names = store.names()?;
                let near = crate::suggest::nearest(&rm.secret, names.iter().map(String::as_str));
                return Err(Trouble::new(Exit::Usage, format!("there is no secret `{}` in the store", rm.secret))
                    .help_if(near.map(|name| format!("did you mean `{name}`?"))));
            }
        }
    }
    Ok(Exit::Done)
}

fn surroundings(program: &Path, data: &args::Data) -> Result<Surroundings, Trouble> {
    Surroundings::of(&Place::of(program, &data.environment)?, program, data)
}

/// A name as `secret("…")` may have it.
fn checked(name: &str) -> Result<&str, Trouble> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) && name.len() <= 200 {
        return Ok(name);
    }
    Err(Trouble::new(Exit::Usage, format!("`{}` can't be the name of a secret", ui::plain(name)))
        .help("write the name that the program uses, for example `stripe/webhook`"))
}

/// The text, from standard input or, on a terminal, asked for without being shown. Never an argument: those can be seen
/// by everyone on the machine, and stay in the history of the shell.
fn text(name: &str) -> Result<String, Trouble> {
    let text = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("the text of `{name}` (not shown): "))
            .map_err(|error| unread(&said(&error)))?
    } else {
        let mut text = String::new();
        let read = io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text);
        read.map_err(|error| unread(&said(&error)))?;
        text
    };
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text.len() as u64 {
        0 => Err(unread("it is empty")),
        length if length > LONGEST => Err(unread("it has more than 64 KiB")),
        _ => Ok(text.to_owned()),
    }
}

fn unread(why: &str) -> Trouble {
    Trouble::new(Exit::Usage, format!("the text of the secret can't be read: {why}"))
        .help("pipe it in (`printf %s \"$TOKEN\" | flowc secrets set NAME`), or type it when asked")
}
