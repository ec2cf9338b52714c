//! Where secrets come from.
//!
//! In: the providers that the project lists, in the order in which they are asked: the environment, a `.env` file, a
//! folder with a file for each secret (as orchestrators mount them), and Flow's encrypted store. Out: the text of a secret
//! from the first that has it, and for one that none has, how to set it with each.

pub(crate) mod connections;
pub(crate) mod key;
pub(crate) mod store;

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use flow_compiler::project;
use flow_runtime::secret::{SecretText, Secrets};

use self::store::Store;
use crate::{
    environment::variable,
    exit::Exit,
    trouble::{Trouble, said},
};

/// The longest file of a secret.
const LONGEST: u64 = 64 * 1024;

/// A place that secrets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// `env`: variables of the process.
    Env,
    /// `dotenv`: a file of variables.
    DotEnv,
    /// `files`: a folder with a file for each.
    Files,
    /// `store`: the encrypted store.
    Store,
}

impl Provider {
    /// All of them, in the order in which they are asked when the project says nothing.
    pub(crate) const USUAL: [(&'static str, Self); 4] =
        [("env", Self::Env), ("dotenv", Self::DotEnv), ("files", Self::Files), ("store", Self::Store)];

    fn name(self) -> &'static str {
        Self::USUAL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// Which providers, and where they look.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// In the order in which they are asked.
    pub(crate) providers: Vec<Provider>,
    /// The file of variables.
    pub(crate) dotenv: PathBuf,
    /// The folder of files.
    pub(crate) files: PathBuf,
    /// The folder of the encrypted store.
    pub(crate) store: PathBuf,
}

impl Places {
    /// What the project says. Where it says nothing: all providers, `.env` in the project's folder, `/run/secrets`, and
    /// the store in the data folder.
    pub(crate) fn of(written: &project::Secrets, folder: &Path, data: &Path) -> Self {
        let path = |written: &Option<project::Written<String>>| written.as_ref().map(|path| folder.join(&path.value));
        let named = |name: &project::Written<String>| {
            Provider::USUAL.iter().find(|(known, _)| *known == name.value).map(|(_, provider)| *provider)
        };
        Self {
            providers: match &written.providers {
                Some(names) => names.iter().filter_map(named).collect(),
                None => Provider::USUAL.iter().map(|(_, provider)| *provider).collect(),
            },
            dotenv: path(&written.dotenv).unwrap_or_else(|| folder.join(".env")),
            files: path(&written.files).unwrap_or_else(|| PathBuf::from("/run/secrets")),
            store: path(&written.store).unwrap_or_else(|| data.join("secrets")),
        }
    }
}

/// The providers, ready to be asked.
#[derive(Clone)]
pub(crate) struct Keyring(Arc<Inner>);

struct Inner {
    places: Places,
    variables: BTreeMap<String, String>,
    dotenv: BTreeMap<String, String>,
    store: Store,
}

impl Keyring {
    /// Makes the providers ready; the `.env` file is read now.
    ///
    /// # Errors
    /// The `.env` file is there and does not read.
    pub(crate) fn new(places: Places, variables: BTreeMap<String, String>) -> Result<Self, Trouble> {
        let dotenv = match places.providers.contains(&Provider::DotEnv) {
            true => dotenv(&places.dotenv)?,
            false => BTreeMap::new(),
        };
        let store = Store::new(places.store.clone(), key::Key::of(&places.store, &variables));
        Ok(Self(Arc::new(Inner { places, variables, dotenv, store })))
    }

    /// The variables of the process, and below them those of the `.env` file.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let mut all = self.0.dotenv.clone();
        all.extend(self.0.variables.clone());
        all
    }

    /// The text of a secret, from the first provider that has it.
    ///
    /// # Errors
    /// A provider is there and can't be asked.
    pub(crate) fn find(&self, name: &str) -> Result<Option<SecretText>, Trouble> {
        for provider in &self.0.places.providers {
            let found = match provider {
                Provider::Env => self.0.variables.get(&variable(name)).cloned(),
                Provider::DotEnv => self.0.dotenv.get(&variable(name)).cloned(),
                Provider::Files => file(&self.0.places.files, name)?,
                Provider::Store => self.0.store.get(name)?,
            };
            if let Some(text) = found.filter(|text| !text.is_empty()) {
                return Ok(Some(SecretText::new(text)));
            }
        }
        Ok(None)
    }

    /// How a secret can be set, a line for each provider that is asked.
    pub(crate) fn how(&self, name: &str) -> Vec<String> {
        let place = |provider: &Provider| match provider {
            Provider::Env => format!("the variable {}", variable(name)),
            Provider::DotEnv => format!("{} in {}", variable(name), self.0.places.dotenv.display()),
            Provider::Files => format!("the file {}", self.0.places.files.join(name).display()),
            Provider::Store => format!("`flowc secrets set {name}`"),
        };
        self.0.places.providers.iter().map(|provider| format!("{}: {}", provider.name(), place(provider))).collect()
    }

    /// The encrypted store.
    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }
}

impl Secrets for Keyring {
    fn get(&self, name: &str) -> Option<SecretText> {
        self.find(name).unwrap_or_else(|trouble| {
            tracing::error!(secret = name, error = trouble.message(), "a provider of secrets can't be asked");
            None
        })
    }
}

/// The variables in a file. What the file says is not shown when it does not read.
fn dotenv(file: &Path) -> Result<BTreeMap<String, String>, Trouble> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(BTreeMap::new());
        }
        Err(error) => return Err(unreadable(file, &said(&error))),
    };
    let lines = dotenvy::from_read_iter(bytes.as_slice()).collect::<Result<BTreeMap<_, _>, _>>();
    lines.map_err(|_| {
        unreadable(file, "a line of it does not read").help("write lines of the form `NAME=value` or `NAME=\"value\"`")
    })
}

/// The text of a file in a folder: under the secret's own name, or under that of its variable. A line end at its end, as
/// editors leave it, is no part of the secret.
fn file(folder: &Path, name: &str) -> Result<Option<String>, Trouble> {
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
    if !name.split('/').all(is_plain) {
        return Ok(None);
    }
    for file in [folder.join(name), folder.join(name.replace('/', "_")), folder.join(variable(name))] {
        match fs::metadata(&file) {
            Ok(metadata) if metadata.is_file() && metadata.len() <= LONGEST => {}
            Ok(metadata) if metadata.is_file() => {
                return Err(unreadable(&file, "it has more than 64 KiB, and no secret is that long"));
            }
            _ => continue,
        }
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &said(&error)))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()));
    }
    Ok(None)
}

fn unreadable(file: &Path, why: &str) -> Trouble {
    Trouble::new(Exit::Environment, format!("`{}` can't be used: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{key::*, *};

    fn variables(set: &[(&str, &str)]) -> BTreeMap<String, String> {
        set.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn keyring(folder: &Path, set: &[(&str, &str)]) -> Keyring {
        let places = Places {
            files: folder.join("mounted"),
            ..Places::of(&project::Secrets::default(), folder, &folder.join("data"))
        };
        let home = folder.to_string_lossy().into_owned();
        let mut all = variables(set);
        all.entry("XDG_CONFIG_HOME".to_owned()).or_insert(home);
        Keyring::new(places, all).unwrap()
    }

    fn text(keyring: &Keyring, name: &str) -> Option<String> {
        keyring.find(name).unwrap().map(|text| text.reveal().to_owned())
    }

    #[test]
    fn providers_are_asked_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let name = "stripe/webhook";
        keyring(folder.path(), &[]).store().set(name, "from the store").unwrap();
        assert_eq!(text(&keyring(folder.path(), &[]), name).as_deref(), Some("from the store"));
        fs::create_dir_all(folder.path().join("mounted/stripe")).unwrap();
        fs::write(folder.path().join("mounted/stripe/webhook"), "from a file\n").unwrap();
        assert_eq!(text(&keyring(folder.path(), &[]), name).as_deref(), Some("from a file"));
        fs::write(folder.path().join(".env"), "# comment\nSTRIPE_WEBHOOK='from .env'\nREGION=eu\n").unwrap();
        let keyring_now = keyring(folder.path(), &[]);
        assert_eq!(text(&keyring_now, name).as_deref(), Some("from .env"));
        assert_eq!(keyring_now.variables().get("REGION").map(String::as_str), Some("eu"));
        let set = [("STRIPE_WEBHOOK", "from the environment")];
        assert_eq!(text(&keyring(folder.path(), &set), name).as_deref(), Some("from the environment"));
        // An empty variable is none.
        assert_eq!(text(&keyring(folder.path(), &[("STRIPE_WEBHOOK", "")]), name).as_deref(), Some("from .env"));
        assert_eq!(text(&keyring(folder.path(), &[]), "other"), None);
        let how = keyring(folder.path(), &[]).how("other/key").join("\n");
        for place in ["OTHER_KEY", ".env", "mounted/other/key", "flowc secrets set other/key"] {
            assert!(how.contains(place), "{how}");
        }
    }

    #[test]
    fn a_name_does_not_lead_out_of_the_folder_of_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("mounted")).unwrap();
        fs::write(folder.path().join("outside"), "no").unwrap();
        for name in ["../outside", "a/../../outside", "/etc/hostname", "./x", ""] {
            assert_eq!(file(&folder.path().join("mounted"), name).unwrap(), None, "{name}");
        }
    }

    #[test]
    fn a_broken_env_file_is_told_without_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".env"), "KEY=\"canary-unclosed\nX=").unwrap();
        let places = Places::of(&project::Secrets::default(), folder.path(), folder.path());
        let trouble = Keyring::new(places, BTreeMap::new()).err().unwrap();
        assert!(trouble.message().contains(".env") && !trouble.message().contains("canary"), "{trouble}");
    }

    #[test]
    fn what_is_stored_can_be_read_again_and_is_not_on_disk_in_plain() {
        let folder = tempfile::tempdir().unwrap();
        let store = |set: &[(&str, &str)]| {
            let path = folder.path().join("store");
            Store::new(path.clone(), Key::of(&path, &variables(set)))
        };
        let file = folder.path().join("key");
        let by_file = [(KEY_FILE, file.to_str().unwrap())];
        assert_eq!(store(&by_file).set("a/b c", "canary-in-store").unwrap(), Made::Now(file.clone()));
        assert_eq!(store(&by_file).set("key", "second").unwrap(), Made::Before);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(store(&by_file).names().unwrap(), ["a/b c", "key"]);
        assert_eq!(store(&by_file).get("a/b c").unwrap().as_deref(), Some("canary-in-store"));
        for entry in fs::read_dir(folder.path().join("store")).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"canary"));
        }
        // One file in the place of another, a file that others can read, and no key at all.
        fs::copy(folder.path().join("store/a%2Fb%20c.age"), folder.path().join("store/%6Bey.age")).unwrap();
        assert!(store(&by_file).get("key").unwrap_err().message().contains("another entry"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(store(&by_file).get("a/b c").unwrap_err().message().contains("read by others"));
        assert!(store(&[]).get("a/b c").unwrap_err().message().contains("no key here"));
        assert!(store(&by_file).remove("a/b c").unwrap() && !store(&by_file).remove("a/b c").unwrap());
    }

    #[test]
    fn a_passphrase_opens_what_was_stored_with_it_and_another_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store =
            |passphrase: &str| Store::new(path.clone(), Key::of(&path, &variables(&[(PASSPHRASE, passphrase)])));
        store("correct horse").set("a", "text").unwrap();
        assert_eq!(store("correct horse").names().unwrap(), ["a"]);
        assert_eq!(store("correct horse").get("a").unwrap().as_deref(), Some("text"));
        let trouble = store("battery staple").get("a").unwrap_err();
        assert!(trouble.message().contains("does not open the store") && !trouble.message().contains("battery"));
    }
}
