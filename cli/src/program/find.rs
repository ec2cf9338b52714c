//! Which files are meant by paths on the command line?

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::disk;
use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// Folders that hold nothing a person wrote.
const PASSED_OVER: [&str; 2] = ["node_modules", "target"];

/// The files that paths stand for, in order, each once: a file is itself, a folder every `.flow` file below it. Hidden
/// folders below it are passed over, and symbolic links to folders are not followed.
///
/// # Errors
/// A path does not exist, or a folder can't be read or has no `.flow` files.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Trouble> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        let files = if path.is_dir() { below(path)? } else { vec![existing(path)?] };
        for file in files.iter().map(|file| without_dot(file).to_owned()) {
            if !found.contains(&file) {
                found.push(file);
            }
        }
    }
    Ok(found)
}

/// The one program that a path stands for: the file, or of a folder its `main.flow`.
///
/// # Errors
/// The folder has none.
pub(crate) fn main_file(path: &Path) -> Result<PathBuf, Trouble> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let main = path.join("main.flow");
    if main.is_file() {
        return Ok(main);
    }
    Err(Trouble::new(Exit::Usage, format!("`{}` is a folder without a `main.flow`", path.display()))
        .help("name the program's file"))
}

/// The programs that a path stands for to be served: of a folder its `main.flow`, else every `.flow` file below it.
///
/// # Errors
/// As [`find`].
pub(crate) fn served(path: &Path) -> Result<Vec<PathBuf>, Trouble> {
    main_file(path).map(|file| vec![file]).or_else(|_| find(&[path.to_owned()]))
}

/// `a.flow` for `./a.flow`, which is how the compiler names files, too.
pub(crate) fn without_dot(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

fn existing(path: &Path) -> Result<PathBuf, Trouble> {
    match path.symlink_metadata() {
        Ok(_) => Ok(path.to_owned()),
        Err(_) => Err(disk::missing(path)),
    }
}

fn below(folder: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(is_wanted) {
        let entry = entry.map_err(|error| unreadable(folder, error))?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "flow") && path.is_file() {
            files.push(path.to_owned());
        }
    }
    if files.is_empty() {
        return Err(Trouble::new(Exit::Usage, format!("there are no `.flow` files below `{}`", folder.display()))
            .help("name a file, or a folder that has some"));
    }
    Ok(files)
}

fn is_wanted(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    let is_folder = entry.file_type().is_dir();
    entry.depth() == 0 || !(is_folder && (name.starts_with('.') || PASSED_OVER.contains(&name.as_ref())))
}

fn unreadable(folder: &Path, error: walkdir::Error) -> Trouble {
    let path = error.path().unwrap_or(folder).to_owned();
    let reason = match error.io_error() {
        Some(error) => said(error),
        None => "the folders go round in a circle".to_owned(),
    };
    Trouble::new(Exit::Usage, format!("`{}` can't be read: {reason}", path.display()))
}
