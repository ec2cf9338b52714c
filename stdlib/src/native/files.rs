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
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};

/// The most bytes that are read into a text: 16 MiB.
const MOST_READ: u64 = 16 << 20;

/// How much of a file is read at a time.
const CHUNK: usize = 256 << 10;

/// Binds the operations of `files` to their code.
pub(super) fn bind(table: NativeTable) -> NativeTable {
    let table = table.with("files", "write", Write).with("files", "read", Read);
    table.with("files", "save", Save).with("files", "open", Open).with("files", "text", Text)
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

/// Runs what waits for the disk beside the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|_| Err(Failure::new(ErrorKind::Unavailable, "the file operation was broken off")))
}

/// The connection's folder, and the path below it.
fn places(call: NativeCall<'_>) -> Result<(PathBuf, PathBuf), Failure> {
    let folder = call.config("folder").as_str().filter(|folder| !folder.is_empty()).unwrap_or(".");
    Ok((PathBuf::from(folder), below(call.text("path")?)?))
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
        let parent = target.parent().unwrap_or(folder).to_owned();
        fs::create_dir_all(folder).map_err(failed)?;
        // Before folders are made, and again after: a link among those that were there may lead out.
        stays(folder, parent.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(folder))?;
        fs::create_dir_all(&parent).map_err(failed)?;
        stays(folder, &parent)?;
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
            let parent = self.target.parent().unwrap_or(&self.folder);
            for folder in parent.ancestors().take_while(|ancestor| ancestor.starts_with(&self.folder)) {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                File::open(folder)?.sync_all()?;
            }
            Ok(())
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
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        // A link in the place of the file is replaced, not followed.
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
        write(folder.path(), Path::new("file"), b"new").unwrap();
        assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "x");
    }
}
