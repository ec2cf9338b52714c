//! Which files does a pattern mean?
//!
//! `inbox/*.csv`: `*` stands for any part of a name, `?` for one character, `**` for any number of folders. A name that begins
//! with `.` is meant only where the pattern says so, as in a shell: such files are other programs' half-written ones.
//! Folders that are reached by a link are not gone into, so that no circle is walked for ever.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// How many files are looked at in one go.
const MOST: usize = 100_000;

/// What tells a version of a file from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    /// In nanoseconds since 1970.
    pub modified: u128,
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.size, self.modified)
    }
}

/// A pattern, apart by folders.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The folder below which all files lie.
    pub folder: PathBuf,
    parts: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; paths that are not absolute are below `base`.
    pub fn of(text: &str, base: &Path) -> Self {
        let mut parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        let is_plain = |part: &String| !part.contains(['*', '?']);
        // The last part is a file, also where it has no stars.
        let plain = parts.iter().take_while(|part| is_plain(part)).count().min(parts.len() - 1);
        let rest = parts.split_off(plain);
        let mut folder = if text.starts_with('/') { PathBuf::from("/") } else { base.to_owned() };
        folder.extend(parts.iter().filter(|part| !part.is_empty()));
        Self { folder, parts: rest.into_iter().filter(|part| !part.is_empty() && part != ".").collect() }
    }

    /// Whether files lie in folders below the first.
    pub(super) fn is_deep(&self) -> bool {
        self.parts.len() > 1
    }

    /// The files that are there, by their path below the folder.
    ///
    /// # Errors
    /// When the folder can't be read, and more than 100,000 files; none when the folder is not there yet.
    pub fn files(&self) -> io::Result<BTreeMap<String, Stamp>> {
        let mut found = BTreeMap::new();
        match self.walk(&self.folder, "", &mut found) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(found),
            walked => walked.map(|()| found),
        }
    }

    fn walk(&self, folder: &Path, below: &str, found: &mut BTreeMap<String, Stamp>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                tracing::warn!(path = %entry.path().display(), "a file whose name is no Unicode is left out");
                continue;
            };
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if entry.file_type()?.is_dir() {
                if self.may_hold(&path) {
                    match self.walk(&entry.path(), &path, found) {
                        // Gone meanwhile, or not ours to read.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => tracing::warn!(path, %error, "a folder can't be read"),
                        Ok(()) => {}
                    }
                }
            } else if self.fits(&path)
                && let Some(stamp) = stamp(&entry.path())?
            {
                found.insert(path, stamp);
                if found.len() > MOST {
                    let message = format!("there are more than {MOST} files");
                    return Err(io::Error::other(message));
                }
            }
        }
        Ok(())
    }

    /// Says whether a file is meant.
    fn fits(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        fits(&self.parts, &names)
    }

    /// Says whether files in a folder may be meant.
    fn may_hold(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        for (index, name) in names.iter().enumerate() {
            match self.parts.get(index).map(String::as_str) {
                Some("**") => return !names.iter().skip(index).any(|name| name.starts_with('.')),
                // The last part is a file.
                Some(part) if index + 1 < self.parts.len() && name_fits(part, name) => {}
                _ => return false,
            }
        }
        true
    }
}

/// The version of a file; none where there is none, or something else.
pub(super) fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let modified = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Ok(found.is_file().then_some(Stamp { size: found.len(), modified }))
}

fn fits(parts: &[String], names: &[&str]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((part, rest)), _) if part == "**" => {
            fits(rest, names)
                || names.split_first().is_some_and(|(name, others)| !name.starts_with('.') && fits(parts, others))
        }
        (Some((part, rest)), Some((name, others))) => name_fits(part, name) && fits(rest, others),
        _ => false,
    }
}

fn name_fits(part: &str, name: &str) -> bool {
    if name.starts_with('.') && !part.starts_with('.') {
        return false;
    }
    let (part, name): (Vec<char>, Vec<char>) = (part.chars().collect(), name.chars().collect());
    // Where the latest star stands, and how much of the name it has taken: on a mismatch it takes one more.
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < name.len() {
        match part.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some('?') => (at, read) = (at + 1, read + 1),
            Some(letter) if name.get(read) == Some(letter) => (at, read) = (at + 1, read + 1),
            _ => match star {
                Some((of, taken)) => {
                    star = Some((of, taken + 1));
                    (at, read) = (of + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    part.iter().skip(at).all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_parts_of_names_and_for_folders() {
        let fits = |pattern: &str, path: &str| {
            let pattern = Pattern::of(pattern, Path::new("/base"));
            path.strip_prefix(pattern.folder.to_str().unwrap())
                .and_then(|path| path.strip_prefix('/'))
                .is_some_and(|path| pattern.fits(path))
        };
        for (pattern, path, is_meant) in [
            ("inbox/*.csv", "/base/inbox/a.csv", true),
            ("inbox/*.csv", "/base/inbox/a.csv.part", false),
            ("inbox/*.csv", "/base/inbox/.a.csv", false),
            ("inbox/*.csv", "/base/inbox/old/a.csv", false),
            ("inbox/.*.csv", "/base/inbox/.a.csv", true),
            ("inbox/a-?.csv", "/base/inbox/a-1.csv", true),
            ("inbox/a-?.csv", "/base/inbox/a-12.csv", false),
            ("inbox/*a*b*.x", "/base/inbox/cacaba.x", true),
            ("inbox/**/*.csv", "/base/inbox/a.csv", true),
            ("inbox/**/*.csv", "/base/inbox/2026/11/a.csv", true),
            ("inbox/**/*.csv", "/base/inbox/.git/a.csv", false),
            ("inbox/*/done/*.csv", "/base/inbox/x/done/a.csv", true),
            ("inbox/*/done/*.csv", "/base/inbox/x/y/done/a.csv", false),
            ("orders.csv", "/base/orders.csv", true),
            ("/srv/in/*", "/srv/in/any", true),
            ("inbox/ä*.csv", "/base/inbox/äb.csv", true),
        ] {
            assert_eq!(fits(pattern, path), is_meant, "{pattern} {path}");
        }
    }

    #[test]
    fn only_folders_that_may_hold_files_are_gone_into() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["in/a.csv", "in/deep/b.csv", "in/deep/c.txt", "in/.hidden/d.csv", "out/e.csv"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let files = |pattern: &str| {
            let found = Pattern::of(pattern, folder.path()).files().unwrap();
            found.into_keys().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(files("in/*.csv"), "a.csv");
        assert_eq!(files("in/**/*.csv"), "a.csv deep/b.csv");
        assert_eq!(files("*/*.csv"), "in/a.csv out/e.csv");
        assert_eq!(files("none/*.csv"), "");
    }
}
