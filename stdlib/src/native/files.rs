//! `files`: files below a folder.
//!
//! A path can't leave its connection's folder: absolute paths and `..` are refused, and so is a symbolic link that leads
//! out. A file is replaced whole or not at all, also when the machine loses power: it is written beside its place,
//! flushed and renamed, and the folders are flushed. Someone else who moves folders about at the same moment is not
//! guarded against.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    file::{self as model, media_type_of, plain_name},
    value::Value,
};
use flow_runtime::{
    connector::{NativeCall, NativeFailure, NativeOperation, NativeTable},
    trigger::Pattern,
};
use jiff::Timestamp;

/// The most bytes that are read into a text: 16 MiB.
const MOST_READ: u64 = 16 << 20;

/// How much of a file is read at a time.
const CHUNK: usize = 256 << 10;

/// Binds the operations of `files` to their code.
pub(super) fn bind(table: NativeTable) -> NativeTable {
    let table = table.with("files", "write", Write).with("files", "read", Read);
    let table = table.with("files", "save", Save).with("files", "open", Open).with("files", "text", Text);
    table.with("files", "list", List).with("files", "move", Move).with("files", "delete", Delete).local("files")
}

struct Write;

#[async_trait]
impl NativeOperation for Write {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let (folder, path) = places(call)?;
        let text = call.text("text")?.to_owned();
        let written = written(&folder, &path, text.len() as u64);
        blocking(move || {
            let mut beside = Beside::new(&folder, &path)?;
            beside.write(text.as_bytes())?;
            beside.take_place()
        })
        .await?;
        Ok(written)
    }
}

/// What is said of a file that was written.
fn written(folder: &Path, path: &Path, size: u64) -> Value {
    let shown = Value::text(folder.join(path).display().to_string());
    Value::record([("path", shown), ("size", Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))])
}

struct Save;

#[async_trait]
impl NativeOperation for Save {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let (folder, path) = places(call)?;
        let content = call.file("content")?;
        let mut reader = call.read(&content).await.map_err(Failure::from)?;
        let written = written(&folder, &path, content.size);
        let mut beside = blocking(move || Beside::new(&folder, &path)).await?;
        while let Some(chunk) = reader.next().await.map_err(Failure::from)? {
            beside = blocking(move || {
                beside.write(&chunk)?;
                Ok(beside)
            })
            .await?;
        }
        blocking(move || beside.take_place()).await?;
        Ok(written)
    }
}

struct Open;

#[async_trait]
impl NativeOperation for Open {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let (folder, path) = places(call)?;
        let name = plain_name(&path.to_string_lossy());
        let mut file = blocking(move || open(&folder, &path)).await?;
        let mut writer = call.blobs().create().await.map_err(Failure::from)?;
        loop {
            let (chunk, rest) = blocking(move || {
                let mut chunk = Vec::with_capacity(CHUNK);
                let read = io::Read::by_ref(&mut file).take(CHUNK as u64).read_to_end(&mut chunk);
                read.map_err(|error| Failure::new(ErrorKind::Unavailable, error.to_string()))?;
                Ok((chunk, file))
            })
            .await?;
            if chunk.is_empty() {
                break;
            }
            file = rest;
            writer.write(chunk.into()).await.map_err(Failure::from)?;
        }
        let kept = writer.finish().await.map_err(Failure::from)?;
        let media_type = media_type_of(&name);
        Ok(Value::File(model::File::new(kept.sha256, kept.size, name, media_type).into()))
    }
}

struct Text;

#[async_trait]
impl NativeOperation for Text {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let content = call.file("content")?;
        let refused = |why: String| Failure::new(ErrorKind::Invalid, format!("`{}` {why}", content.name));
        if content.size > MOST_READ {
            return Err(refused(format!("is larger than {MOST_READ} bytes")).into());
        }
        let mut reader = call.read(&content).await.map_err(Failure::from)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = reader.next().await.map_err(Failure::from)? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(Value::text(String::from_utf8(bytes).map_err(|_| refused("is not UTF-8".to_owned()))?))
    }
}

struct Read;

#[async_trait]
impl NativeOperation for Read {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let (folder, path) = places(call)?;
        Ok(Value::text(blocking(move || read(&folder, &path)).await?))
    }
}

struct List;

#[async_trait]
impl NativeOperation for List {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let pattern = call.text("pattern")?.to_owned();
        let (folder, pattern) = (folder_of(&call), below(&pattern)?);
        Ok(Value::List(blocking(move || list(&folder, &pattern)).await?))
    }
}

struct Move;

#[async_trait]
impl NativeOperation for Move {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let to = below(call.text("to")?)?;
        let (folder, from) = places(call)?;
        let size = blocking({
            let (folder, to) = (folder.clone(), to.clone());
            move || rename(&folder, &from, &to)
        })
        .await?;
        Ok(written(&folder, &to, size))
    }
}

struct Delete;

#[async_trait]
impl NativeOperation for Delete {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let (folder, path) = places(call)?;
        blocking(move || delete(&folder, &path)).await?;
        Ok(Value::Null)
    }
}

/// Runs what waits for the disk beside the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|_| Err(Failure::new(ErrorKind::Unavailable, "the file operation was broken off")))
}

/// The connection's folder, and the path below it.
fn places(call: NativeCall<'_>) -> Result<(PathBuf, PathBuf), Failure> {
    Ok((folder_of(&call), below(call.text("path")?)?))
}

/// The connection's folder.
fn folder_of(call: &NativeCall<'_>) -> PathBuf {
    call.config("folder").as_str().filter(|folder| !folder.is_empty()).unwrap_or(".").into()
}

/// A path that stays below where it begins, without `.`.
fn below(text: &str) -> Result<PathBuf, Failure> {
    let refused = |why: &str| Failure::new(ErrorKind::Invalid, format!("the path {text:?} {why}"));
    if text.contains('\0') {
        return Err(refused("has a zero character"));
    }
    let mut path = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => return Err(refused("leads out of the folder with `..`")),
            Component::RootDir | Component::Prefix(_) => return Err(refused("is not relative to the folder")),
        }
    }
    if path.as_os_str().is_empty() || text.ends_with('/') {
        return Err(refused("names no file"));
    }
    Ok(path)
}

/// A file that is being written beside its place; it is removed unless it took its place.
struct Beside {
    file: File,
    path: PathBuf,
    target: PathBuf,
    folder: PathBuf,
}

impl Beside {
    /// Makes the folders on the way, and the file.
    fn new(folder: &Path, path: &Path) -> Result<Self, Failure> {
        let target = folder.join(path);
        let failed = |error: io::Error| failure(&target, &error);
        let parent = ready(folder, &target)?;
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let beside = parent.join(format!(".flow-{}-{count}.tmp", std::process::id()));
        let file = File::create_new(&beside).map_err(failed)?;
        Ok(Self { file, path: beside, target, folder: folder.to_owned() })
    }

    fn write(&mut self, content: &[u8]) -> Result<(), Failure> {
        self.file.write_all(content).map_err(|error| failure(&self.target, &error))
    }

    /// Replaces what is at the place, and flushes the folders on the way.
    fn take_place(self) -> Result<(), Failure> {
        let placed = (|| {
            self.file.sync_all()?;
            fs::rename(&self.path, &self.target)?;
            flush(&self.folder, &self.target)
        })();
        placed.map_err(|error| failure(&self.target, &error))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After the rename there is nothing by this name.
        let _: io::Result<()> = fs::remove_file(&self.path);
    }
}

/// Makes the folders on the way to a file, and gives the last.
fn ready(folder: &Path, file: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: io::Error| failure(file, &error);
    let parent = file.parent().unwrap_or(folder).to_owned();
    fs::create_dir_all(folder).map_err(failed)?;
    // Before folders are made, and again after: a link among those that were there may lead out.
    stays(folder, parent.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(folder))?;
    fs::create_dir_all(&parent).map_err(failed)?;
    stays(folder, &parent)?;
    Ok(parent)
}

/// Flushes the folders on the way to a file.
fn flush(folder: &Path, file: &Path) -> io::Result<()> {
    let parent = file.parent().unwrap_or(folder);
    for folder in parent.ancestors().take_while(|ancestor| ancestor.starts_with(folder)) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn list(folder: &Path, pattern: &Path) -> Result<Vec<Value>, Failure> {
    let text = pattern.to_string_lossy();
    let meant = Pattern::of(&text, folder);
    let failed = |error: io::Error| failure(&folder.join(pattern), &error);
    if !meant.folder.try_exists().map_err(failed)? {
        return Ok(Vec::new());
    }
    stays(folder, &meant.folder)?;
    let before = meant.folder.strip_prefix(folder).unwrap_or(Path::new(""));
    let entries = meant.files().map_err(failed)?.into_iter().map(|(path, stamp)| {
        let modified = i128::try_from(stamp.modified).ok().and_then(|at| Timestamp::from_nanosecond(at).ok());
        Value::record([
            ("path", Value::text(before.join(path).display().to_string())),
            ("size", Value::Int(i64::try_from(stamp.size).unwrap_or(i64::MAX))),
            ("modified", Value::Timestamp(modified.unwrap_or_default())),
        ])
    });
    Ok(entries.collect())
}

/// Gives a file another name, unless that is another file's, and says its size.
fn rename(folder: &Path, from: &Path, to: &Path) -> Result<u64, Failure> {
    let (old, new) = (folder.join(from), folder.join(to));
    let at = |path: &Path| {
        let found = fs::symlink_metadata(path);
        found.map(Some).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) })
    };
    let failed = |error: io::Error| failure(&new, &error);
    if old == new {
        return Err(Failure::new(ErrorKind::Invalid, format!("{old:?} is moved to where it is")));
    }
    if at(&old).map_err(failed)?.is_none() {
        // Moved already, where there is one.
        let moved = at(&new).map_err(failed)?;
        return moved.map(|moved| moved.len()).ok_or_else(|| failure(&old, &io::ErrorKind::NotFound.into()));
    }
    stays(folder, &old)?;
    let file = fs::symlink_metadata(&old).map_err(failed)?;
    if !file.is_file() {
        return Err(Failure::new(ErrorKind::Invalid, format!("{old:?} is no file")));
    }
    ready(folder, &new)?;
    let linked = fs::hard_link(&old, &new);
    let there = linked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists);
    if there && !is_same(&old, &new).map_err(failed)? {
        return Err(Failure::new(ErrorKind::Rejected, format!("{new:?} is there already, and is not replaced")));
    }
    if !there {
        linked.map_err(failed)?;
    }
    let moved = || {
        flush(folder, &new)?;
        fs::remove_file(&old)?;
        flush(folder, &old)
    };
    moved().map_err(failed)?;
    Ok(file.len())
}

/// Says whether two names are of one file: a move that was broken off has left both.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (one, other) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        Ok(false)
    }
}

fn delete(folder: &Path, path: &Path) -> Result<(), Failure> {
    let target = folder.join(path);
    match stays(folder, target.parent().unwrap_or(folder)) {
        Err(failure) if failure.kind == ErrorKind::NotFound => return Ok(()),
        checked => checked?,
    }
    let removed = fs::remove_file(&target).and_then(|()| flush(folder, &target));
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(&target, &error)),
        _ => Ok(()),
    }
}

fn open(folder: &Path, path: &Path) -> Result<File, Failure> {
    let target = folder.join(path);
    let failed = |error: io::Error| failure(&target, &error);
    stays(folder, &target)?;
    let file = File::open(&target).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Failure::new(ErrorKind::Invalid, format!("{target:?} is no file")));
    }
    Ok(file)
}

fn read(folder: &Path, path: &Path) -> Result<String, Failure> {
    let target = folder.join(path);
    let failed = |error: io::Error| failure(&target, &error);
    let file = open(folder, path)?;
    let mut bytes = Vec::new();
    file.take(MOST_READ + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_READ {
        return Err(Failure::new(ErrorKind::Invalid, format!("{target:?} is larger than {MOST_READ} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::new(ErrorKind::Invalid, format!("{target:?} is not UTF-8")))
}

/// Refuses what lies outside the folder once links are followed.
fn stays(folder: &Path, path: &Path) -> Result<(), Failure> {
    let real = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::canonicalize(path).map_err(|error| failure(path, &error))
    };
    if real(path)?.starts_with(real(folder)?) {
        Ok(())
    } else {
        Err(Failure::new(ErrorKind::Forbidden, format!("{path:?} leads out of the folder {folder:?}")))
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Forbidden,
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::InvalidFilename => {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Unavailable,
    };
    Failure::new(kind, format!("{path:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, path: &Path, content: &[u8]) -> Result<(), Failure> {
        let mut beside = Beside::new(folder, path)?;
        beside.write(content)?;
        beside.take_place()
    }

    #[test]
    fn what_does_not_take_its_place_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut beside = Beside::new(folder.path(), Path::new("a.txt")).unwrap();
        beside.write(b"half").unwrap();
        drop(beside);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for path in ["", ".", "/etc/passwd", "../a", "a/../../b", "a/", "a\0b"] {
            assert_eq!(below(path).unwrap_err().kind, ErrorKind::Invalid, "{path:?}");
        }
        assert_eq!(below("./a/b.txt").unwrap(), Path::new("a/b.txt"));
    }

    #[test]
    fn a_file_is_written_below_new_folders_replaced_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("new");
        write(&root, Path::new("a/b.txt"), b"one").unwrap();
        write(&root, Path::new("a/b.txt"), b"two").unwrap();
        assert_eq!(read(&root, Path::new("a/b.txt")).unwrap(), "two");
        let left: Vec<_> = fs::read_dir(root.join("a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["b.txt"], "nothing is left beside it");
    }

    #[test]
    fn what_can_not_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("latin1"), [0xe9]).unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        let kind = |path: &str| read(folder.path(), Path::new(path)).unwrap_err().kind;
        assert_eq!(kind("missing"), ErrorKind::NotFound);
        assert_eq!(kind("latin1"), ErrorKind::Invalid);
        assert_eq!(kind("folder"), ErrorKind::Invalid);
    }

    #[test]
    fn a_file_is_moved_once_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let (root, path) = (folder.path(), |text: &'static str| Path::new(text));
        let moved = |from, to| rename(root, path(from), path(to)).map_err(|failure| failure.kind);
        write(root, path("in/a.csv"), b"one").unwrap();
        assert_eq!(moved("in/a.csv", "done/2026/a.csv"), Ok(3));
        assert_eq!(moved("in/a.csv", "done/2026/a.csv"), Ok(3), "it is there already");
        write(root, path("in/a.csv"), b"other").unwrap();
        assert_eq!(moved("in/a.csv", "done/2026/a.csv"), Err(ErrorKind::Rejected));
        assert_eq!(read(root, path("done/2026/a.csv")).unwrap(), "one");
        // Broken off after the second name was made.
        fs::hard_link(root.join("in/a.csv"), root.join("done/b.csv")).unwrap();
        assert_eq!(moved("in/a.csv", "done/b.csv"), Ok(5));
        assert!(!root.join("in/a.csv").exists());
        assert_eq!(moved("missing", "done/c.csv"), Err(ErrorKind::NotFound));
        assert_eq!(moved("done", "gone"), Err(ErrorKind::Invalid), "a folder");
        assert_eq!(moved("done/b.csv", "done/b.csv"), Err(ErrorKind::Invalid));
        for _ in 0..2 {
            delete(root, path("done/b.csv")).unwrap();
        }
        delete(root, path("nowhere/b.csv")).unwrap();
        assert!(!root.join("done/b.csv").exists());
    }

    #[test]
    fn files_are_listed_by_pattern() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["in/b.csv", "in/a.csv", "in/c.txt", "in/deep/d.csv", "in/.hidden.csv"] {
            write(folder.path(), Path::new(path), path.as_bytes()).unwrap();
        }
        let listed = |pattern: &str| {
            let found = list(folder.path(), Path::new(pattern)).unwrap();
            let shown = |entry: &Value| format!("{} {}", entry.get("path").unwrap(), entry.get("size").unwrap());
            found.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(listed("in/*.csv"), ["in/a.csv 8", "in/b.csv 8"]);
        assert_eq!(listed("**/*.csv"), ["in/a.csv 8", "in/b.csv 8", "in/deep/d.csv 13"]);
        assert_eq!(listed("in/c.txt"), ["in/c.txt 8"]);
        assert!(listed("out/*").is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_out_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        assert_eq!(read(folder.path(), Path::new("link/secret")).unwrap_err().kind, ErrorKind::Forbidden);
        assert_eq!(write(folder.path(), Path::new("link/new"), b"x").unwrap_err().kind, ErrorKind::Forbidden);
        assert_eq!(write(folder.path(), Path::new("link/deep/new"), b"x").unwrap_err().kind, ErrorKind::Forbidden);
        assert_eq!(list(folder.path(), Path::new("link/*")).unwrap_err().kind, ErrorKind::Forbidden);
        assert!(list(folder.path(), Path::new("*/*")).unwrap().is_empty(), "links to folders are not gone into");
        assert_eq!(delete(folder.path(), Path::new("link/secret")).unwrap_err().kind, ErrorKind::Forbidden);
        let leave = |from: &str, to: &str| rename(folder.path(), Path::new(from), Path::new(to)).unwrap_err().kind;
        assert_eq!(leave("link/secret", "mine"), ErrorKind::Forbidden);
        write(folder.path(), Path::new("mine"), b"x").unwrap();
        assert_eq!(leave("mine", "link/mine"), ErrorKind::Forbidden);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        // A link in the place of the file is replaced, not followed.
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
        write(folder.path(), Path::new("file"), b"new").unwrap();
        assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "x");
    }
}
