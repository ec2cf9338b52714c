//! With which key is the encrypted store opened?
//!
//! An age identity (X25519). Without a passphrase it is in a file that nobody else can read, away from what it opens:
//! the one that `FLOW_SECRETS_KEY` names, else `flow/secrets.key` in the folder for settings of the user. With a passphrase
//! in `FLOW_SECRETS_PASSPHRASE` it is in the store, encrypted with that (scrypt): it is slow to open, once for a process,
//! and what it opens is as fast as without.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use age::{
    secrecy::{ExposeSecret as _, SecretString},
    x25519::Identity,
};

use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// The variable that names the key file.
pub(crate) const KEY_FILE: &str = "FLOW_SECRETS_KEY";
/// The variable that holds the passphrase.
pub(crate) const PASSPHRASE: &str = "FLOW_SECRETS_PASSPHRASE";

/// Where the key is.
#[derive(Clone)]
pub(crate) enum Key {
    /// In a file of its own.
    File(PathBuf),
    /// In the store, encrypted.
    Sealed(PathBuf, SecretString),
    /// There is no place for one: no variable is set, and no home folder is known.
    Nowhere,
}

impl Key {
    /// Where the variables say that the key of the store in a folder is.
    pub(crate) fn of(store: &Path, variables: &BTreeMap<String, String>) -> Self {
        let set = |name: &str| variables.get(name).filter(|text| !text.is_empty());
        if let Some(passphrase) = set(PASSPHRASE) {
            return Self::Sealed(store.join("key.age"), SecretString::from(passphrase.clone()));
        }
        if let Some(file) = set(KEY_FILE) {
            return Self::File(PathBuf::from(file));
        }
        let settings = set("XDG_CONFIG_HOME").map(PathBuf::from);
        match settings.or_else(|| set("HOME").map(|home| Path::new(home).join(".config"))) {
            Some(settings) => Self::File(settings.join("flow").join("secrets.key")),
            None => Self::Nowhere,
        }
    }

    /// The key, if there is one already.
    ///
    /// # Errors
    /// The file can be read by others, or does not hold a key that opens.
    pub(crate) fn read(&self) -> Result<Option<Identity>, Trouble> {
        match self {
            Self::Nowhere => Ok(None),
            Self::File(file) => {
                let Some(text) = content(file)? else { return Ok(None) };
                let mode = fs::metadata(file).map_err(|error| unreadable(file, &said(&error)))?.permissions().mode();
                if mode & 0o077 != 0 {
                    let message = format!("the key file `{}` can be read by others", file.display());
                    return Err(Trouble::new(Exit::Environment, message)
                        .help(format!("make it yours alone: `chmod 600 {}`", file.display())));
                }
                let text = String::from_utf8_lossy(&text);
                let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
                let key = line.and_then(|line| line.parse().ok());
                key.map(Some).ok_or_else(|| unreadable(file, "it holds no age identity (`AGE-SECRET-KEY-1…`)"))
            }
            Self::Sealed(file, passphrase) => {
                let Some(sealed) = content(file)? else { return Ok(None) };
                let text = age::decrypt(&age::scrypt::Identity::new(passphrase.clone()), &sealed).map_err(|_| {
                    Trouble::new(Exit::Environment, format!("the passphrase in {PASSPHRASE} does not open the store"))
                        .help(format!("the store was made with another; its key is in `{}`", file.display()))
                })?;
                let key = String::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
                key.map(Some).ok_or_else(|| unreadable(file, "it holds no age identity"))
            }
        }
    }

    /// The key; one is made if there is none yet. Says whether it was.
    ///
    /// # Errors
    /// As for [`Key::read`], and that there is no place for one.
    pub(crate) fn read_or_make(&self) -> Result<(Identity, Made), Trouble> {
        if let Some(key) = self.read()? {
            return Ok((key, Made::Before));
        }
        let key = Identity::generate();
        let text = key.to_string();
        let (file, bytes) = match self {
            Self::Nowhere => {
                return Err(Trouble::new(Exit::Environment, "there is no place for the key of the encrypted store")
                    .help(format!("set {KEY_FILE} to a file, or {PASSPHRASE} to a passphrase")));
            }
            Self::File(file) => (file, format!("{}\n", text.expose_secret()).into_bytes()),
            Self::Sealed(file, passphrase) => {
                let recipient = age::scrypt::Recipient::new(passphrase.clone());
                let sealed = age::encrypt(&recipient, text.expose_secret().as_bytes());
                (file, sealed.map_err(|error| unwritable(file, &error.to_string()))?)
            }
        };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| unwritable(file, &said(&error)))?;
        }
        // Made by one alone: of two processes at the same time the second takes the first one's.
        let mut opened = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let key = self.read()?.ok_or_else(|| unreadable(file, "it is gone again"))?;
                return Ok((key, Made::Before));
            }
            Err(error) => return Err(unwritable(file, &said(&error))),
        };
        opened.write_all(&bytes).and_then(|()| opened.sync_all()).map_err(|error| unwritable(file, &said(&error)))?;
        Ok((key, Made::Now(file.clone())))
    }
}

/// Whether a key was there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It was.
    Before,
    /// It was made, in this file.
    Now(PathBuf),
}

fn content(file: &Path) -> Result<Option<Vec<u8>>, Trouble> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(file, &said(&error))),
    }
}

fn unreadable(file: &Path, why: &str) -> Trouble {
    Trouble::new(Exit::Environment, format!("the key file `{}` can't be used: {why}", file.display()))
}

fn unwritable(file: &Path, why: &str) -> Trouble {
    Trouble::new(Exit::Environment, format!("the key file `{}` can't be written: {why}", file.display()))
        .help(format!("choose another with {KEY_FILE}, or set {PASSPHRASE} to a passphrase"))
}
