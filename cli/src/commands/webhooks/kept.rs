//! What is remembered of the webhooks that were set up: `webhooks.json` in the data folder.
//!
//! It is written before a system is asked and after it has answered, each time whole and on disk, so that a process that dies
//! in between leaves a trace. One process at a time has it.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use flow_model::units::Instant;
use serde::{Deserialize, Serialize};

use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// The version of the file.
const VERSION: u32 = 1;

/// A webhook of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Where events are sent.
    pub(super) url: String,
    /// What the system calls the events, in order.
    pub(super) events: Vec<String>,
    /// When it ends, where the system has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<Instant>,
    /// How far it came.
    #[serde(flatten)]
    pub(super) state: State,
}

/// How far a webhook came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum State {
    /// The system was asked with this key, and its answer is not known.
    Asked {
        /// The key.
        key: String,
    },
    /// The system has set it up.
    Registered {
        /// Its name for it.
        id: Option<String>,
    },
}

impl Entry {
    /// The id that the system has given it.
    pub(super) fn id(&self) -> Option<&str> {
        match &self.state {
            State::Registered { id } => id.as_deref(),
            State::Asked { .. } => None,
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    version: u32,
    webhooks: BTreeMap<String, Entry>,
}

/// What is remembered, by connection.
pub(super) struct Book {
    file: PathBuf,
    content: Content,
    /// Held as long as the book is.
    _lock: Option<File>,
}

impl Book {
    /// What is remembered in a data folder, to be changed.
    ///
    /// # Errors
    /// Another process has it, or it does not read.
    pub(super) fn open(data: &Path) -> Result<Self, Trouble> {
        let failed = |error: std::io::Error| unusable(&data.join("webhooks.json"), &said(&error));
        fs::create_dir_all(data).map_err(failed)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(data.join("webhooks.lock"));
        let lock = lock.map_err(failed)?;
        lock.try_lock().map_err(|_| {
            Trouble::new(Exit::Environment, "another `flowc webhooks` is at work in this data folder")
                .help("wait until it has ended, and try again")
        })?;
        Ok(Self { _lock: Some(lock), ..Self::look(data)? })
    }

    /// What is remembered in a data folder, to be read.
    ///
    /// # Errors
    /// It does not read.
    pub(super) fn look(data: &Path) -> Result<Self, Trouble> {
        let file = data.join("webhooks.json");
        let content = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unusable(&file, &error.to_string()))?,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Content::default(),
            Err(error) => return Err(unusable(&file, &said(&error))),
        };
        if content.version > VERSION {
            return Err(unusable(&file, "a later version of flowc has written it"));
        }
        Ok(Self { file, content, _lock: None })
    }

    /// What is remembered of a connection.
    pub(super) fn get(&self, connection: &str) -> Option<&Entry> {
        self.content.webhooks.get(connection)
    }

    /// Remembers something of a connection, or forgets it: on disk when it returns.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn set(&mut self, connection: &str, entry: Option<Entry>) -> Result<(), Trouble> {
        self.content.version = VERSION;
        match entry {
            Some(entry) => drop(self.content.webhooks.insert(connection.to_owned(), entry)),
            None => drop(self.content.webhooks.remove(connection)),
        }
        let text =
            serde_json::to_vec_pretty(&self.content).map_err(|error| unusable(&self.file, &error.to_string()))?;
        let beside = self.file.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut opened = File::create(&beside)?;
            opened.write_all(&text)?;
            opened.sync_all()?;
            fs::rename(&beside, &self.file)?;
            self.file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(|error| unusable(&self.file, &said(&error)))
    }
}

fn unusable(file: &Path, why: &str) -> Trouble {
    Trouble::new(Exit::Environment, format!("`{}` can't be used: {why}", file.display()))
}
