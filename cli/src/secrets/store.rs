//! The encrypted store: one file for each entry, encrypted with age.
//!
//! An entry's name is in the name of its file, escaped, and once more inside, so that a file which someone put in the place
//! of another is noticed. A file is replaced whole or not at all. Reading asks the disk each time, so that what another
//! process has stored is seen; what has not changed is not decrypted again.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
    time::SystemTime,
};

use age::x25519::Identity;
use serde::{Deserialize, Serialize};

use super::key::{Key, Made};
use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// The ending of an entry's file.
const ENDING: &str = "age";

/// A folder of encrypted entries.
pub(crate) struct Store {
    folder: PathBuf,
    key: Key,
    opened: OnceLock<Identity>,
    known: Mutex<BTreeMap<String, (Stamp, String)>>,
}

/// What tells that a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// What is in a file.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    text: String,
}

impl Store {
    /// A store in a folder. Nothing is read or made yet.
    pub(crate) fn new(folder: PathBuf, key: Key) -> Self {
        Self { folder, key, opened: OnceLock::new(), known: Mutex::default() }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The text of an entry, if there is one.
    ///
    /// # Errors
    /// It can't be read or decrypted.
    pub(crate) fn get(&self, name: &str) -> Result<Option<String>, Trouble> {
        let file = self.file(name);
        let Some(stamp) = stamp(&file) else { return Ok(None) };
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, text)) = known.get(name).filter(|(at, _)| *at == stamp) {
                return Ok(Some(text.clone()));
            }
        }
        let sealed = match fs::read(&file) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(broken(&file, &said(&error))),
        };
        let Some(key) = self.open()? else {
            let message = format!("the encrypted store in `{}` has no key here", self.folder.display());
            return Err(Trouble::new(Exit::Environment, message).help(format!(
                "set {} to its key file, or {} to its passphrase",
                super::key::KEY_FILE,
                super::key::PASSPHRASE
            )));
        };
        let bytes = age::decrypt(key, &sealed).map_err(|_| broken(&file, "the key does not open it"))?;
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|_| broken(&file, "it is damaged"))?;
        if entry.name != name {
            return Err(broken(&file, "it is the file of another entry"));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), (stamp, entry.text.clone()));
        Ok(Some(entry.text))
    }

    /// Stores an entry, on disk when it returns. Says whether the key was made for it.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn set(&self, name: &str, text: &str) -> Result<Made, Trouble> {
        let failed = |why: String| {
            Trouble::new(Exit::Environment, format!("`{}` can't be written: {why}", self.file(name).display()))
        };
        let system = |error: std::io::Error| failed(said(&error));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(system)?;
        let (key, made) = self.key.read_or_make()?;
        let entry = Entry { name: name.to_owned(), text: text.to_owned() };
        let bytes = serde_json::to_vec(&entry).map_err(|error| failed(error.to_string()))?;
        let sealed = age::encrypt(&key.to_public(), &bytes).map_err(|error| failed(error.to_string()))?;
        let file = self.file(name);
        let beside = file.with_extension(format!("new-{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            let mut opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            opened.write_all(&sealed)?;
            opened.sync_all()?;
            fs::rename(&beside, &file)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| {
            let _: std::io::Result<()> = fs::remove_file(&beside);
            system(error)
        })?;
        Ok(made)
    }

    /// A file beside an entry, for whoever locks it to be alone with the entry. It is not locked yet.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn lock_of(&self, name: &str) -> Result<File, Trouble> {
        let lock = self.file(name).with_extension("lock");
        let open = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock)
        };
        open().map_err(|error| broken(&lock, &said(&error)))
    }

    /// Takes an entry out; says whether it was there.
    ///
    /// # Errors
    /// It can't be taken out.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, Trouble> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        match fs::remove_file(self.file(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(broken(&self.file(name), &said(&error))),
        }
    }

    /// The names of the entries, in order.
    ///
    /// # Errors
    /// The folder can't be read.
    pub(crate) fn names(&self) -> Result<Vec<String>, Trouble> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(broken(&self.folder, &said(&error))),
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|file| file != "key.age")
            .filter_map(|file| unescaped(file.strip_suffix(ENDING)?.strip_suffix('.')?))
            .collect();
        names.sort();
        Ok(names)
    }

    fn open(&self) -> Result<Option<&Identity>, Trouble> {
        if let Some(key) = self.opened.get() {
            return Ok(Some(key));
        }
        let Some(key) = self.key.read()? else { return Ok(None) };
        Ok(Some(self.opened.get_or_init(|| key)))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}.{ENDING}", escaped(name)))
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    Some(Stamp { modified: metadata.modified().ok(), length: metadata.len(), inode })
}

fn broken(file: &Path, why: &str) -> Trouble {
    Trouble::new(Exit::Environment, format!("`{}` can't be used: {why}", file.display()))
}

/// A name as a name of a file: letters, digits, `-` and `_` stay, other bytes are `%2F`. `key` is the store's own.
fn escaped(name: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    if name == "key" { "%6Bey".to_owned() } else { name.bytes().map(escape).collect() }
}

fn unescaped(file: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = file.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
