//! What a template can reach: the files of its folder, the fonts that are there, and no clock.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
};

use flow_model::failure::Failure;
use typst::{
    Library, LibraryExt as _, World,
    diag::{FileError, FileResult, PackageError},
    foundations::{Bytes, Datetime, Dict, Duration},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook},
    utils::LazyHash,
};

use crate::{MOST_BYTES, invalid};

/// A folder with templates, as one document sees it.
pub(crate) struct Folder {
    root: PathBuf,
    main: FileId,
    library: LazyHash<Library>,
    fonts: Vec<Font>,
    book: LazyHash<FontBook>,
    today: Option<Datetime>,
    /// What was read: a document that is laid out several times sees the same each time.
    files: Mutex<HashMap<FileId, FileResult<Bytes>>>,
    sources: Mutex<HashMap<FileId, FileResult<Source>>>,
}

impl Folder {
    /// A folder, the template in it, what templates see as `sys.inputs`, a folder of further fonts, and today's date if there
    /// is one.
    ///
    /// # Errors
    /// `Invalid` when the template is not there, or not below the folder.
    pub(crate) fn open(
        folder: &Path,
        template: &str,
        inputs: Dict,
        fonts: Option<&Path>,
        today: Option<Datetime>,
    ) -> Result<Self, Failure> {
        let missing = |what: &str, path: &Path, error: std::io::Error| {
            invalid(format!("the {what} `{}` can't be opened: {error}", path.display()))
        };
        let root = folder.canonicalize().map_err(|error| missing("folder of templates", folder, error))?;
        let place = || VirtualPath::new(template).ok().and_then(|path| Some((path.realize(&root).ok()?, path)));
        let climbs = template.split(['/', '\\']).any(|segment| segment == "..");
        let Some((real, path)) = place().filter(|_| !climbs) else {
            return Err(invalid(format!("the template `{template}` is not below `{}`", folder.display())));
        };
        // Each path that is opened is remembered by the library for good: only those that exist are.
        if let Err(error) = real.metadata() {
            return Err(missing("template", &folder.join(template), error));
        }
        let main = RootedPath::new(VirtualRoot::Project, path).intern();
        let mut all = built_in().to_vec();
        if let Some(fonts) = fonts {
            all.extend(fonts_of(fonts).map_err(|error| missing("folder of fonts", fonts, error))?);
        }
        Ok(Self {
            root,
            main,
            library: LazyHash::new(Library::builder().with_inputs(inputs).build()),
            book: LazyHash::new(FontBook::from_fonts(&all)),
            fonts: all,
            today,
            files: Mutex::default(),
            sources: Mutex::default(),
        })
    }

    fn read(&self, id: FileId) -> FileResult<Bytes> {
        let path = id.get();
        if let VirtualRoot::Package(_) = path.root() {
            let message = "packages are not fetched: put the files that are needed beside the template";
            return Err(FileError::Package(PackageError::Other(Some(message.into()))));
        }
        let shown = Path::new(path.vpath().get_without_slash());
        let real = path.vpath().realize(&self.root).map_err(FileError::Realize)?;
        let real = real.canonicalize().map_err(|error| FileError::from_io(error, shown))?;
        if !real.starts_with(&self.root) {
            return Err(FileError::AccessDenied);
        }
        let about = fs::metadata(&real).map_err(|error| FileError::from_io(error, shown))?;
        if about.is_dir() {
            return Err(FileError::IsDirectory);
        }
        if about.len() > MOST_BYTES {
            return Err(FileError::Other(Some("it is larger than 64 MiB".into())));
        }
        fs::read(&real).map(Bytes::new).map_err(|error| FileError::from_io(error, shown))
    }
}

/// What was read before, else what is read now.
fn kept<T: Clone>(known: &Mutex<HashMap<FileId, T>>, id: FileId, read: impl FnOnce() -> T) -> T {
    let lock = || known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(found) = lock().get(&id) {
        return found.clone();
    }
    let found = read();
    lock().entry(id).or_insert(found).clone()
}

impl World for Folder {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        kept(&self.sources, id, || {
            let bytes = self.file(id)?;
            let text = std::str::from_utf8(&bytes).map_err(|_| FileError::InvalidUtf8)?;
            Ok(Source::new(id, text.trim_start_matches('\u{feff}').to_owned()))
        })
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        kept(&self.files, id, || self.read(id))
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        self.today
    }
}

/// The fonts that come with Flow.
fn built_in() -> &'static [Font] {
    static FONTS: OnceLock<Vec<Font>> = OnceLock::new();
    FONTS.get_or_init(|| typst_assets::fonts().flat_map(|font| Font::iter(Bytes::new(font))).collect())
}

/// The fonts of a folder, in the order of their files.
fn fonts_of(folder: &Path) -> std::io::Result<Vec<Font>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        ["ttf", "otf", "ttc", "otc"].iter().any(|known| extension == *known)
    });
    paths.sort();
    let mut fonts = Vec::new();
    for path in paths {
        fonts.extend(Font::iter(Bytes::new(fs::read(path)?)));
    }
    Ok(fonts)
}
