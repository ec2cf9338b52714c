//! Files as the compiler is given them.
//!
//! Never more than [`MOST`] bytes of a file are read, so that a device or a file that grows can't fill the memory.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use flow_compiler::{LoadError, Loader};

use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// What is read of a file at most. The compiler refuses less than that, with a diagnostic that says what to do.
const MOST: u64 = 64 * 1024 * 1024;

/// The files that programs use, on the disk.
pub(crate) struct Disk;

impl Loader for Disk {
    fn load(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        bytes(Path::new(path)).map_err(|problem| match problem {
            Problem::Missing => LoadError::NotFound,
            other => LoadError::Unreadable(other.in_words()),
        })
    }
}

/// Reads a file that was named on the command line.
///
/// # Errors
/// Says why it can't be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    bytes(path).map_err(|problem| match problem {
        Problem::Missing => missing(path),
        other => Trouble::new(Exit::Usage, format!("`{}` can't be read: {}", path.display(), other.in_words())),
    })
}

/// There is nothing at a path; a name that is like it is offered.
pub(crate) fn missing(path: &Path) -> Trouble {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let trouble = Trouble::new(Exit::Usage, format!("there is no `{}`", path.display()));
    if !folder.is_dir() {
        return trouble.help(format!("the folder `{}` does not exist either", folder.display()));
    }
    let names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    let near = crate::suggest::nearest(&wanted, names.iter().map(String::as_str));
    trouble.help_if(near.map(|name| format!("did you mean `{}`?", path.with_file_name(name).display())))
}

enum Problem {
    Missing,
    Folder,
    Special,
    TooLarge,
    System(io::Error),
}

impl Problem {
    fn in_words(&self) -> String {
        match self {
            Self::Missing => "there is no such file".to_owned(),
            Self::Folder => "it is a folder".to_owned(),
            Self::Special => "it is not a regular file".to_owned(),
            Self::TooLarge => format!("it has more than {} MiB", MOST / 1024 / 1024),
            Self::System(error) => said(error),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::System(error),
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Problem> {
    // Before opening: that of a pipe would wait for a writer.
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(Problem::Folder);
    }
    if !kind.is_file() {
        return Err(Problem::Special);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST { Err(Problem::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        let said = |path: &str| read(Path::new(path)).unwrap_err().to_string();
        assert_eq!(said("/dev/null"), "`/dev/null` can't be read: it is not a regular file");
        assert_eq!(said(env!("CARGO_MANIFEST_DIR")).rsplit(": ").next(), Some("it is a folder"));
    }

    #[test]
    fn a_missing_file_offers_one_with_a_similar_name() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Crago.toml");
        let trouble = read(&path).unwrap_err();
        assert!(trouble.message().starts_with("there is no `"), "{trouble}");
        assert!(trouble.helps().join("").ends_with("/Cargo.toml`?"), "{:?}", trouble.helps());
    }
}
