//! How do batches get on disk?
//!
//! One thread writes. It takes all that has been submitted since its last commit into one transaction, so that many runs
//! share one sync of the disk; each of them is told after that commit. When a commit fails, what is on disk is not known
//! ("fsyncgate", LWN 752063): the thread writes nothing more, and the process has to start again from what is there.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant as Moment, SystemTime},
};

use flow_model::units::Instant;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;
use tokio::sync::oneshot;

use super::{
    Batch, Committed, Dedupe, Done, Error, Expiry, Mark, NewRun, Note, RunState, SameBody, Tidied,
    expire::{self, Swept},
    gather,
    large::{Held, Large, refers},
    told,
    windows::{Times, Windows},
};
use crate::journal::{Checkpoint, RunId};

/// How many jobs one transaction takes at most.
const MOST_JOBS: usize = 512;

/// A transaction of so many jobs of which one has waited so long says that more comes than can be written. Both have to
/// hold: a disk that stops for a moment while little happens is no overload.
const MANY_JOBS: usize = 64;
const LONG: Duration = Duration::from_secs(1);

/// How many runs are begun before it is looked which keys have expired.
const SWEEP_EVERY: u64 = 1000;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

pub(super) enum Job {
    Plan {
        digest: String,
        flow: String,
        plan: Vec<u8>,
        reply: Reply<()>,
    },
    Notes {
        notes: Vec<Note>,
        reply: Reply<()>,
    },
    Clock {
        set_by: i64,
        reply: Reply<()>,
    },
    Settle {
        id: i64,
        how: String,
        reply: Reply<()>,
    },
    Expire {
        expiry: Expiry,
        reply: Reply<u64>,
    },
    Tidy {
        plans: BTreeSet<String>,
        written_before: SystemTime,
        reply: Reply<Tidied>,
    },
    /// With those of its texts that are on disk already.
    Batch {
        batch: Box<Batch>,
        held: Held,
        reply: Reply<Committed>,
    },
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<(Moment, Job)>>,
    is_slow: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It owns the folder's epoch from now on: one that opened the folder earlier can't write.
    pub(super) fn start(mut connection: Connection, large: Large) -> Result<Self, Error> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("update meta set value = value + 1 where name = 'epoch'", [])?;
        let epoch = epoch(&transaction)?;
        let windows = Windows::of(&transaction)?;
        transaction.commit()?;
        let (jobs, submitted) = channel();
        let is_slow = Arc::new(AtomicBool::new(false));
        let slow = Arc::clone(&is_slow);
        let write = move || {
            let (swept, failed, is_slow) = (Swept::default(), None, slow);
            Thread { connection, large, epoch, windows, begun: 0, swept, failed, is_slow }.run(&submitted)
        };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(write);
        let thread = thread.map_err(|error| {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOMEM);
            Error::Database(Arc::new(rusqlite::Error::SqliteFailure(code, Some(error.to_string()))))
        })?;
        Ok(Self { jobs: Some(jobs), is_slow, thread: Some(thread) })
    }

    pub(super) async fn submit<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.send((Moment::now(), job(reply))).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

impl Writer {
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }
}

/// Waits for what was submitted.
impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a job leads to, until its commit is done.
enum Finished {
    Plain(Reply<()>),
    Expired(Reply<u64>, u64),
    Tidied(Reply<Tidied>, Tidied, SystemTime),
    Batch(Reply<Committed>, Committed),
}

struct Thread {
    connection: Connection,
    large: Large,
    epoch: i64,
    windows: Windows,
    begun: u64,
    swept: Swept,
    failed: Option<Error>,
    is_slow: Arc<AtomicBool>,
}

impl Thread {
    fn run(mut self, submitted: &Receiver<(Moment, Job)>) {
        loop {
            // When there is nothing to do, it is not slow.
            let first = submitted.try_recv().or_else(|_| {
                self.is_slow.store(false, Ordering::Relaxed);
                submitted.recv()
            });
            let Ok((handed_in, first)) = first else { return self.put_together() };
            let mut jobs = vec![first];
            jobs.extend(submitted.try_iter().take(MOST_JOBS - 1).map(|(_, job)| job));
            let count = jobs.len();
            if self.failed.is_some() {
                jobs.into_iter().for_each(|job| refuse(job, &Error::Closed));
                continue;
            }
            if let Err(error) = self.write(jobs) {
                self.failed = Some(error);
            }
            self.is_slow.store(count >= MANY_JOBS && handed_in.elapsed() > LONG, Ordering::Relaxed);
        }
    }

    /// Brings what is in the log into the database, so that a folder at rest is one file. Readers are not waited for: where
    /// one is in the way, the log stays, and nothing is lost.
    fn put_together(&self) {
        if self.failed.is_none() {
            let _ = self.connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(()));
        }
    }

    fn write(&mut self, jobs: Vec<Job>) -> Result<(), Error> {
        let mut done = Vec::with_capacity(jobs.len());
        let result = self.transact(jobs, &mut done);
        for job in done {
            // Whoever asked may be gone.
            match job {
                Finished::Plain(reply) => drop(reply.send(result.clone())),
                Finished::Batch(reply, committed) => drop(reply.send(result.clone().map(|()| committed))),
                Finished::Expired(reply, count) => drop(reply.send(result.clone().map(|()| count))),
                Finished::Tidied(reply, tidied, before) => {
                    // Only now is it certain that nothing names what is removed.
                    let shrunk = result.clone().and_then(|()| expire::shrink(&self.connection, &self.large, before));
                    drop(reply.send(shrunk.map(|shrunk| Tidied { plans: tidied.plans, ..shrunk })));
                }
            }
        }
        result
    }

    fn transact(&mut self, jobs: Vec<Job>, done: &mut Vec<Finished>) -> Result<(), Error> {
        let mut jobs = jobs.into_iter();
        let result = (|| {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if epoch(&transaction)? != self.epoch {
                return Err(Error::TakenOver);
            }
            for job in jobs.by_ref() {
                match job {
                    Job::Plan { digest, flow, plan, reply } => {
                        // Listed before it is written, so that a failure is reported to it too.
                        done.push(Finished::Plain(reply));
                        transaction
                            .prepare_cached("insert or ignore into plans (digest, flow, plan) values (?, ?, ?)")?
                            .execute(params![digest, flow, plan])?;
                    }
                    Job::Notes { notes, reply } => {
                        done.push(Finished::Plain(reply));
                        keep(&transaction, &notes)?;
                    }
                    Job::Clock { set_by, reply } => {
                        done.push(Finished::Plain(reply));
                        self.windows.learn(&transaction, set_by)?;
                    }
                    Job::Settle { id, how, reply } => {
                        done.push(Finished::Plain(reply));
                        settle(&transaction, id, &how)?;
                    }
                    Job::Expire { expiry, reply } => {
                        done.push(Finished::Expired(reply, 0));
                        let count = expire::expire(&transaction, &expiry)?;
                        if let Some(Finished::Expired(_, last)) = done.last_mut() {
                            *last = count;
                        }
                    }
                    Job::Tidy { plans, written_before, reply } => {
                        done.push(Finished::Tidied(reply, Tidied::default(), written_before));
                        let plans = expire::forget(&transaction, &plans)?;
                        if let Some(Finished::Tidied(_, last, _)) = done.last_mut() {
                            last.plans = plans;
                        }
                    }
                    Job::Batch { batch, held, reply } => {
                        done.push(Finished::Batch(reply, Committed::Done(Done::default())));
                        let times = self.windows.times(&transaction, &batch)?;
                        let texts = Texts { transaction: &transaction, large: &self.large, held: &held };
                        let committed = write(&texts, &batch, times)?;
                        if batch.new.is_some() {
                            self.begun += 1;
                            if self.begun.is_multiple_of(SWEEP_EVERY) {
                                expire::sweep(&transaction, &mut self.swept, times.kept())?;
                            }
                        }
                        if let Some(Finished::Batch(_, last)) = done.last_mut() {
                            *last = committed;
                        }
                    }
                }
            }
            Ok(transaction.commit()?)
        })();
        if let Err(error) = &result {
            jobs.for_each(|job| refuse(job, error));
        }
        result
    }
}

fn refuse(job: Job, error: &Error) {
    match job {
        Job::Plan { reply, .. } | Job::Notes { reply, .. } | Job::Settle { reply, .. } | Job::Clock { reply, .. } => {
            let _ = reply.send(Err(error.clone()));
        }
        Job::Expire { reply, .. } => drop(reply.send(Err(error.clone()))),
        Job::Tidy { reply, .. } => drop(reply.send(Err(error.clone()))),
        Job::Batch { reply, .. } => {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

fn epoch(transaction: &Transaction<'_>) -> Result<i64, Error> {
    let mut statement = transaction.prepare_cached("select value from meta where name = 'epoch'")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what is stored beside journals is always writable as JSON")
}

/// Texts that may be large or name files, on their way into a transaction.
pub(super) struct Texts<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    large: &'a Large,
    /// Those that are on disk already.
    held: &'a Held,
}

impl Texts<'_> {
    /// What the row of a run holds of a text; what it names is kept as long as the run.
    pub(super) fn keep<'t>(&self, run: &str, text: impl Into<Cow<'t, str>>) -> Result<Cow<'t, str>, Error> {
        let text = text.into();
        let mut named: BTreeSet<_> = refers(&text).into_iter().collect();
        let beside = match self.held.of(&text) {
            Some(held) => Some(held.to_owned()),
            None => self.large.put(&text)?,
        };
        named.extend(beside.iter().flat_map(|beside| refers(beside)));
        for digest in named {
            self.transaction
                .prepare_cached("insert or ignore into refs (sha256, run) values (?, ?)")?
                .execute(params![digest.to_string(), run])?;
        }
        Ok(beside.map_or(text, Cow::Owned))
    }

    fn keep_any(&self, run: &str, value: Option<&impl Serialize>) -> Result<Option<Cow<'static, str>>, Error> {
        value.map(|value| self.keep(run, text(value))).transpose()
    }
}

fn write(texts: &Texts<'_>, batch: &Batch, times: Times) -> Result<Committed, Error> {
    let (run, transaction) = (batch.run.as_str(), texts.transaction);
    if batch.closes {
        let closed = gather::close(transaction, &batch.run, times)?;
        return Ok(Committed::Done(Done { closed, ..Done::default() }));
    }
    if let Some(new) = &batch.new
        && let Some(duplicate) = insert(texts, &batch.run, new, &Stands::After(batch), times)?
    {
        return Ok(duplicate);
    }
    for row in &batch.rows {
        transaction
            .prepare_cached("insert into journal (run, seq, version, body, checksum) values (?, ?, ?, ?, ?)")?
            .execute(params![
            run,
            i64::try_from(row.seq).unwrap_or(i64::MAX),
            row.version,
            texts.keep(run, row.body.as_str())?,
            row.checksum
        ])?;
    }
    mark(transaction, run, &batch.mark)?;
    for letter in &batch.dead_letters {
        transaction
            .prepare_cached("insert into dead_letters (run, place, queue, value, cause, at) values (?, ?, ?, ?, ?, ?)")?
            .execute(params![
                run,
                text(&letter.place),
                letter.queue,
                texts.keep(run, text(&letter.value))?,
                texts.keep_any(run, letter.cause.as_ref())?,
                letter.at.0
            ])?;
    }
    for (letter, how) in &batch.settles {
        settle(transaction, *letter, how)?;
    }
    let mut done = Done::default();
    for (begun, new) in &batch.begins {
        match insert(texts, begun, new, &Stands::Waits(super::NO_ROOM), times)? {
            None => done.begun.push(begun.clone()),
            Some(Committed::Gathered(gathered)) => done.gathered.push(gathered),
            Some(Committed::Done(_) | Committed::Duplicate { .. }) => {}
        }
    }
    if batch.new.is_none() {
        let columns = Columns::after(texts, batch)?;
        transaction
            .prepare_cached(
                "update runs set state = ?2, reason = ?3, wake_at = ?4, ended_at = coalesce(ended_at, ?5),
                 outcome = coalesce(outcome, ?6), answer = coalesce(answer, ?7), begun_at = coalesce(begun_at, ?8),
                 start = case when ?9 then null else start end where id = ?1",
            )?
            .execute(params![
                run,
                columns.state,
                columns.reason,
                columns.wake_at,
                columns.ended_at,
                columns.outcome,
                columns.answer,
                columns.begun_at,
                !batch.rows.is_empty(),
            ])?;
    }
    if batch.new.is_none() && (batch.begun_at.is_some() || batch.standing.state.is_final()) {
        gather::forget(transaction, &batch.run)?;
    }
    told::tell(texts, batch, &mut done)?;
    Ok(Committed::Done(done))
}

/// Puts the checkpoint of a run in place, or away. The files that its values name are those of the journal.
fn mark(transaction: &Transaction<'_>, run: &str, mark: &Mark) -> Result<(), Error> {
    match mark {
        Mark::Stays => {}
        Mark::Moves(Checkpoint { seq, last, form, body, checksum }) => {
            transaction
                .prepare_cached(
                    "insert or replace into checkpoints (run, seq, last, form, body, checksum)
                     values (?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![run, i64::try_from(*seq).unwrap_or(i64::MAX), last, form, body, checksum])?;
        }
        Mark::Goes => {
            transaction.prepare_cached("delete from checkpoints where run = ?")?.execute([run])?;
        }
    }
    Ok(())
}

/// How a run stands that is added.
pub(super) enum Stands<'a> {
    /// It waits, for what is said.
    Waits(&'a str),
    /// As its first batch says.
    After(&'a Batch),
}

/// What the row of a run says of how it stands.
struct Columns<'a> {
    state: &'static str,
    reason: Option<&'a str>,
    wake_at: Option<i64>,
    ended_at: Option<i64>,
    outcome: Option<Cow<'static, str>>,
    answer: Option<Cow<'static, str>>,
    begun_at: Option<i64>,
}

impl<'a> Columns<'a> {
    fn after(texts: &Texts<'_>, batch: &'a Batch) -> Result<Self, Error> {
        let (run, standing) = (batch.run.as_str(), &batch.standing);
        Ok(Self {
            state: standing.state.name(),
            reason: standing.reason.as_deref(),
            wake_at: standing.wake_at.map(|at| at.0),
            ended_at: standing.state.is_final().then_some(batch.at.0),
            outcome: texts.keep_any(run, standing.outcome.as_ref())?,
            answer: texts.keep_any(run, batch.answer.as_ref())?,
            begun_at: batch.begun_at.map(|at| at.0),
        })
    }

    fn of(texts: &Texts<'_>, stands: &Stands<'a>) -> Result<Self, Error> {
        match stands {
            Stands::After(batch) => Self::after(texts, batch),
            Stands::Waits(reason) => Ok(Self {
                state: RunState::Waiting.name(),
                reason: Some(reason),
                wake_at: None,
                ended_at: None,
                outcome: None,
                answer: None,
                begun_at: None,
            }),
        }
    }
}

fn keep(transaction: &Transaction<'_>, notes: &[Note]) -> Result<(), Error> {
    for note in notes {
        if note.text.is_empty() {
            transaction
                .prepare_cached("delete from notes where scope = ? and key = ?")?
                .execute(params![note.scope, note.key])?;
            continue;
        }
        transaction
            .prepare_cached("insert or replace into notes (scope, key, text) values (?, ?, ?)")?
            .execute(params![note.scope, note.key, note.text])?;
    }
    Ok(())
}

/// Writes what became of a dead letter, unless something has.
fn settle(transaction: &Transaction<'_>, letter: i64, how: &str) -> Result<(), Error> {
    transaction
        .prepare_cached("update dead_letters set settled = ? where id = ? and settled is null")?
        .execute(params![how, letter])?;
    Ok(())
}

/// Adds a run, unless its event or itself is known, or the event goes into a run that gathers.
fn insert(
    texts: &Texts<'_>,
    run: &RunId,
    new: &NewRun,
    stands: &Stands<'_>,
    times: Times,
) -> Result<Option<Committed>, Error> {
    let transaction = texts.transaction;
    keep(transaction, &new.notes)?;
    if let (Some(gather), Some(start)) = (&new.gather, &new.queued) {
        return gather::add(texts, run, new, (gather, start), times).map(Some);
    }
    if let Some(dedupe) = &new.dedupe
        && let Some(duplicate) = remember(transaction, run, dedupe, times)?
    {
        return Ok(Some(duplicate));
    }
    let added = insert_run(texts, run, new, stands, times.at)?;
    let known = || Committed::Duplicate { run: run.clone(), body: SameBody::Yes };
    Ok((added == 0).then(known))
}

/// Adds a run, unless it is known. Says how many were added.
pub(super) fn insert_run(
    texts: &Texts<'_>,
    run: &RunId,
    new: &NewRun,
    stands: &Stands<'_>,
    at: Instant,
) -> Result<usize, Error> {
    let parent = new.parent.as_ref().map(|(run, place)| text(&(run, place)));
    let columns = Columns::of(texts, stands)?;
    let start = match stands {
        Stands::After(batch) if !batch.rows.is_empty() => None,
        Stands::After(_) | Stands::Waits(_) => new.queued.as_ref(),
    };
    let added = texts
        .transaction
        .prepare_cached(
            "insert or ignore into runs
             (id, flow, plan, started_by, state, reason, started_at, start, gate, gate_scope, parent,
              wake_at, ended_at, outcome, answer, begun_at)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            run.as_str(),
            new.flow,
            new.plan,
            new.trigger,
            columns.state,
            columns.reason,
            at.0,
            texts.keep_any(run.as_str(), start)?,
            new.gate.as_ref().map(text),
            new.gate.as_ref().map(|gate| &gate.scope),
            parent,
            columns.wake_at,
            columns.ended_at,
            columns.outcome,
            columns.answer,
            columns.begun_at,
        ])?;
    Ok(added)
}

pub(super) fn run_id(text: &str) -> Result<RunId, Error> {
    text.parse().map_err(|error: crate::journal::BadRunId| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()).into()
    })
}

/// Remembers the key of an event, or finds the run that it has started before.
pub(super) fn remember(
    transaction: &Transaction<'_>,
    run: &RunId,
    dedupe: &Dedupe,
    times: Times,
) -> Result<Option<Committed>, Error> {
    let at = times.kept();
    let known = transaction
        .prepare_cached("select run, body_digest from dedupe where scope = ? and key = ? and expires_at > ?")?
        .query_row(params![dedupe.scope, dedupe.key, at.0], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        })
        .optional()?;
    if let Some((known, body_digest)) = known {
        let run = run_id(&known)?;
        let body = match (&body_digest, &dedupe.body_digest) {
            (Some(first), Some(now)) if first != now => SameBody::No,
            _ => SameBody::Yes,
        };
        return Ok(Some(Committed::Duplicate { run, body }));
    }
    transaction
        .prepare_cached(
            "insert or replace into dedupe (scope, key, run, body_digest, expires_at) values (?, ?, ?, ?, ?)",
        )?
        .execute(params![dedupe.scope, dedupe.key, run.as_str(), dedupe.body_digest, at.after(dedupe.window).0])?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{super::schema, *};
    use crate::{journal::Row, store::Standing};

    /// How many transactions the log of a folder has: a frame that ends one holds the size of the database ("WAL file format"
    /// in SQLite's documentation).
    fn transactions(folder: &std::path::Path) -> usize {
        let log = std::fs::read(folder.join(format!("{}-wal", schema::FILE))).unwrap();
        let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
        let frame = 24 + usize::try_from(number(8)).unwrap();
        (32..log.len()).step_by(frame).filter(|at| number(at + 4) > 0).count()
    }

    #[tokio::test]
    async fn what_is_handed_in_while_the_disk_is_busy_is_committed_together() {
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open(folder.path()).unwrap();
        let writer = Writer::start(connection, Large::new(folder.path())).unwrap();
        let busy = Connection::open(folder.path().join(schema::FILE)).unwrap();
        busy.execute_batch("begin immediate").unwrap();
        let before = transactions(folder.path());
        let note = |number: usize| Note { scope: "s".into(), key: number.to_string(), text: "t".into() };
        let mut all: Vec<_> = (0..300)
            .map(|number| Box::pin(writer.submit(move |reply| Job::Notes { notes: vec![note(number)], reply })))
            .collect();
        for written in &mut all {
            assert!(futures::poll!(written).is_pending(), "nothing is acknowledged before it is on disk");
        }
        busy.execute_batch("rollback").unwrap();
        for written in futures::future::join_all(all).await {
            written.unwrap();
        }
        // The first may have been taken before the others were there.
        assert!(transactions(folder.path()) - before <= 2);
        let kept: u32 = busy.query_row("select count(*) from notes", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 300);
    }

    #[test]
    fn what_is_on_disk_already_is_not_written_again_while_others_wait() {
        let folder = tempfile::tempdir().unwrap();
        let body = format!("\"{}\"", "x".repeat(1 << 20));
        let row = Row { seq: 0, version: 1, body, checksum: [0; 16] };
        let standing = Standing { state: RunState::Running, reason: None, wake_at: None, outcome: None };
        let run = RunId::new(Instant(0), 1);
        let batch = Batch { rows: vec![row], ..Batch::new(run, standing, Instant(0)) };
        let held = Large::new(folder.path()).put_texts_of(&batch).unwrap();
        let mut connection = schema::open(folder.path()).unwrap();
        let transaction = connection.transaction().unwrap();
        // No file can be made below a file, so this one takes no text.
        let nowhere = Large::new(&folder.path().join("journal.sqlite"));
        let texts = |held| Texts { transaction: &transaction, large: &nowhere, held };
        let none = Held::default();
        let times = Windows::of(&transaction).unwrap().times(&transaction, &batch).unwrap();
        assert!(write(&texts(&none), &batch, times).is_err());
        write(&texts(&held), &batch, times).unwrap();
        let body: String = transaction.query_row("select body from journal", [], |row| row.get(0)).unwrap();
        assert_eq!(Some(body.as_str()), held.of(&batch.rows[0].body));
    }
}
