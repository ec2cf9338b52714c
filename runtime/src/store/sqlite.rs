//! The store for one machine: a SQLite database in a folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant as Moment, SystemTime},
};

use async_trait::async_trait;
use flow_model::{file::Sha256, units::Instant};

use super::{
    Batch, Committed, Error, Expiry, Filter, Letter, Letters, Note, Reader, RunDetail, RunState, RunSummary, Store,
    Tidied, Unfinished,
    large::{Held, Large},
    lock::Lock,
    origin, read, schema,
    write::{Job, Writer},
};
use crate::{
    journal::{Checkpoint, Row, RunId},
    machine::{Event, Start},
    worker,
};

/// A data folder that this process alone writes to.
#[derive(Debug)]
pub struct Sqlite {
    folder: PathBuf,
    reader: Arc<Reader>,
    // Dropped in this order: the writer ends before others may have the folder.
    writer: Writer,
    large: Large,
    space: Space,
    is_copy: bool,
    _lock: Lock,
}

/// How many bytes the disk of a folder has left, asked for so seldom that many runs a second do not notice.
#[derive(Debug, Default)]
struct Space {
    /// When it was last asked for and what was said, where that is known.
    last: Mutex<Option<(Moment, Option<u64>)>>,
}

impl Space {
    /// How long an answer holds: much less than it takes to write the reserve that is kept free.
    const HOLDS: Duration = Duration::from_millis(20);

    fn of(&self, folder: &Path) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, space)) if at.elapsed() < Self::HOLDS => space,
            _ => {
                let space = fs4::available_space(folder).ok();
                *last = Some((Moment::now(), space));
                space
            }
        }
    }
}

impl Sqlite {
    /// Opens a data folder, and makes it where there is none.
    ///
    /// # Errors
    /// When another process uses it, or it can't be used.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Folder { folder: folder.to_owned(), source: Arc::new(source) };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        // Journals hold what runs work on: no other user reads them.
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(fail)?;
        let lock = Lock::take(folder)?;
        let large = Large::new(folder);
        let mut connection = schema::open(folder)?;
        let is_copy = origin::is_copy(&mut connection, folder)?;
        let writer = Writer::start(connection, large.clone())?;
        let reader = Arc::new(read::read(folder)?);
        Ok(Self { folder: folder.to_owned(), reader, writer, large, space: Space::default(), is_copy, _lock: lock })
    }

    /// A batch with those of its texts on disk that are large. Done beside the writer, which all wait for.
    async fn with_large_texts(&self, batch: Box<Batch>) -> Result<(Box<Batch>, Held), Error> {
        let large = self.large.clone();
        if !batch.has_large_texts() {
            return Ok((batch, Held::default()));
        }
        worker::blocking(move || large.put_texts_of(&batch).map(|held| (batch, held))).await
    }

    async fn reading<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let reader = Arc::clone(&self.reader);
        worker::blocking(move || query(&reader)).await
    }
}

/// How large the database of a folder was, and is now, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// What it was.
    pub before: u64,
    /// What it is.
    pub after: u64,
}

/// Writes the database of a folder anew, as small as it can be. That needs as much room on the disk again.
///
/// # Errors
/// When another process uses the folder, or it can't be written.
pub fn compact(folder: &Path) -> Result<Sizes, Error> {
    let _lock = Lock::take(folder)?;
    let connection = schema::open(folder)?;
    let put_together = || connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()));
    let size = || std::fs::metadata(folder.join(schema::FILE)).map_or(0, |file| file.len());
    put_together()?;
    let before = size();
    // From then on, room that becomes free can be given back bit by bit.
    connection.execute_batch("pragma auto_vacuum = incremental; vacuum;")?;
    put_together()?;
    Ok(Sizes { before, after: size() })
}

#[async_trait]
impl Store for Sqlite {
    async fn add_plan(&self, digest: String, flow: String, plan: Vec<u8>) -> Result<(), Error> {
        self.writer.submit(|reply| Job::Plan { digest, flow, plan, reply }).await
    }

    async fn plan(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let digest = digest.to_owned();
        self.reading(move |reader| reader.plan(&digest)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        // Behind a pointer, since what is held while something is waited for is copied with the task.
        let (batch, held) = self.with_large_texts(Box::new(batch)).await?;
        self.writer.submit(|reply| Job::Batch { batch, held, reply }).await
    }

    async fn rows_from(&self, run: &RunId, seq: u64) -> Result<Vec<Row>, Error> {
        let run = run.clone();
        self.reading(move |reader| reader.rows_from(&run, seq)).await
    }

    async fn checkpoint(&self, run: &RunId) -> Result<Option<Checkpoint>, Error> {
        let run = run.clone();
        self.reading(move |reader| reader.checkpoint(&run)).await
    }

    async fn start(&self, run: &RunId) -> Result<Option<Start>, Error> {
        let run = run.clone();
        self.reading(move |reader| reader.start(&run)).await
    }

    async fn mail(&self, run: &RunId) -> Result<Vec<(i64, Event)>, Error> {
        let run = run.clone();
        self.reading(move |reader| reader.mail(&run)).await
    }

    async fn clock_is_set(&self, by: i64) -> Result<(), Error> {
        self.writer.submit(|reply| Job::Clock { set_by: by, reply }).await
    }

    async fn keep(&self, notes: Vec<Note>) -> Result<(), Error> {
        self.writer.submit(|reply| Job::Notes { notes, reply }).await
    }

    async fn notes(&self, scope: &str) -> Result<BTreeMap<String, String>, Error> {
        let scope = scope.to_owned();
        self.reading(move |reader| reader.notes(&scope)).await
    }

    async fn begun_since(&self, scope: &str, since: Instant) -> Result<Vec<Instant>, Error> {
        let scope = scope.to_owned();
        self.reading(move |reader| reader.begun_since(&scope, since)).await
    }

    async fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, Error> {
        let run = run.clone();
        self.reading(move |reader| reader.summary(&run)).await
    }

    async fn detail(&self, run: &RunId) -> Result<Option<RunDetail>, Error> {
        let run = run.clone();
        self.reading(move |reader| reader.run(&run)).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<RunSummary>, Error> {
        self.reading(move |reader| reader.list(&filter)).await
    }

    async fn letter(&self, id: i64) -> Result<Option<Letter>, Error> {
        self.reading(move |reader| reader.letter(id)).await
    }

    async fn letters(&self, which: Letters) -> Result<Vec<Letter>, Error> {
        self.reading(move |reader| reader.letters(&which)).await
    }

    async fn settle(&self, id: i64, how: String) -> Result<(), Error> {
        self.writer.submit(|reply| Job::Settle { id, how, reply }).await
    }

    async fn awake(&self, until: Instant) -> Result<Vec<Unfinished>, Error> {
        self.reading(move |reader| reader.awake(until)).await
    }

    async fn due(&self, after: Instant, until: Instant) -> Result<Vec<(Instant, RunId)>, Error> {
        self.reading(move |reader| reader.due(after, until)).await
    }

    async fn next_due(&self, after: Instant) -> Result<Option<Instant>, Error> {
        self.reading(move |reader| reader.next_due(after)).await
    }

    async fn gated(&self) -> Result<Vec<Unfinished>, Error> {
        self.reading(Reader::gated).await
    }

    async fn pinned(&self) -> Result<BTreeSet<String>, Error> {
        self.reading(Reader::pinned).await
    }

    async fn plans(&self) -> Result<BTreeSet<String>, Error> {
        self.reading(Reader::plans).await
    }

    async fn expire(&self, expiry: Expiry) -> Result<u64, Error> {
        self.writer.submit(|reply| Job::Expire { expiry, reply }).await
    }

    async fn tidy(&self, plans: BTreeSet<String>, written_before: SystemTime) -> Result<Tidied, Error> {
        self.writer.submit(|reply| Job::Tidy { plans, written_before, reply }).await
    }

    async fn unnamed(&self, blobs: Vec<Sha256>) -> Result<Vec<Sha256>, Error> {
        self.reading(move |reader| reader.unnamed(blobs)).await
    }

    async fn standing(&self) -> Result<BTreeMap<RunState, u64>, Error> {
        self.reading(Reader::standing).await
    }

    fn space(&self) -> Option<u64> {
        self.space.of(&self.folder)
    }

    fn check_origin(&self) -> Result<(), Error> {
        match self.is_copy {
            true => Err(Error::Copied { folder: self.folder.clone() }),
            false => Ok(()),
        }
    }

    fn is_slow(&self) -> bool {
        self.writer.is_slow()
    }
}
