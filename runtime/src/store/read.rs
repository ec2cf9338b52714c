//! What is in the store?

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use flow_model::{file::Sha256 as BlobDigest, units::Instant, value::Value};
use rusqlite::{Connection, OptionalExtension as _, ToSql, types::Type};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{
    Begun, DeadLetter, Emitted, Error, Filter, LISTED_CAUSE, Letter, Letters, RunDetail, RunState, RunSummary,
    Unfinished, WhichLetters, large::Large, schema, verify::Kept, windows::MOVED,
};
use crate::{
    journal::{self, Checkpoint, History, Row, RunId},
    machine::{Event, Said, Start},
};

const SUMMARY: &str =
    "select id, flow, plan, started_by, state, reason, started_at, ended_at, wake_at, outcome, answer from runs";

/// The same without what may be large.
const LISTED: &str =
    "select id, flow, plan, started_by, state, reason, started_at, ended_at, wake_at, null, null from runs";

/// A dead letter without what was kept, and where it comes from.
const LETTER: &str =
    "select letter.id, letter.run, coalesce(runs.flow, ''), letter.place, letter.queue, letter.at, letter.settled";
const LETTERS: &str = "from dead_letters letter left join runs on runs.id = letter.run";

/// The rows of runs that go on by themselves until a time, or have been told something. Each part has an index.
const AWAKE: &str = "
select rowid from runs where ended_at is null and state in ('running', '')
union select rowid from runs where ended_at is null and start is not null
union select rowid from runs where ended_at is null and wake_at <= ?1
union select runs.rowid from mail join runs on runs.id = mail.run where ended_at is null";

/// The rows of runs that count for `concurrency` and `at_most`.
const GATED: &str = "select rowid from runs where ended_at is null and gate is not null and ?1 is not null";

/// How many runs are named where several fit.
const MOST_NAMED: u32 = 10;

/// Opens the runs of a data folder for reading; another process may be serving them.
///
/// # Errors
/// When there is no journal, or it can't be read.
pub fn read(folder: &Path) -> Result<Reader, Error> {
    let connection = Mutex::new(schema::open_read_only(folder)?);
    Ok(Reader { connection, large: Large::new(folder), folder: folder.to_owned() })
}

/// Reads what a store holds.
#[derive(Debug)]
pub struct Reader {
    connection: Mutex<Connection>,
    large: Large,
    pub(super) folder: PathBuf,
}

impl Reader {
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs, newest first, without their results and answers.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<RunSummary>, Error> {
        let mut conditions = Vec::new();
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        if let Some(flow) = &filter.flow {
            conditions.push("flow = ?".to_owned());
            values.push(Box::new(flow.clone()));
        }
        if let Some(before) = &filter.before {
            conditions.push("id < ?".to_owned());
            values.push(Box::new(before.as_str().to_owned()));
        }
        // Written out, so that the indexes of the states that are few among many serve.
        match filter.states.as_slice() {
            [] => {}
            [state] => conditions.push(match state.is_final() {
                true => format!("state = '{state}'"),
                false => format!("ended_at is null and state = '{state}'"),
            }),
            states => {
                let states: Vec<_> = states.iter().map(|state| format!("'{state}'")).collect();
                conditions.push(format!("state in ({})", states.join(", ")));
            }
        }
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
        values.push(Box::new(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
        let connection = self.lock();
        let mut statement = connection.prepare(&format!("{LISTED}{condition} order by id desc limit ?"))?;
        let runs = statement.query_map(rusqlite::params_from_iter(values), |row| self.summary_of(row))?;
        Ok(runs.collect::<Result<_, _>>()?)
    }

    /// The ids that begin or end with a text, newest first: at most ten.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn find(&self, part: &str) -> Result<Vec<RunId>, Error> {
        let part = part.to_ascii_uppercase();
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Vec::new());
        }
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "select id from runs where id between ?1 and ?1 || '~' or substr(id, -length(?1)) = ?1
             order by id desc limit ?2",
        )?;
        let found = statement.query_map(rusqlite::params![part, MOST_NAMED], |row| parsed(row, 0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// A run with its result and answer.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!("{SUMMARY} where id = ?"))?;
        Ok(statement.query_row([run.as_str()], |row| self.summary_of(row)).optional()?)
    }

    /// A run with all that is known of it.
    ///
    /// # Errors
    /// When the database can't be read, or the run's journal is damaged.
    pub fn run(&self, run: &RunId) -> Result<Option<RunDetail>, Error> {
        let Some(summary) = self.summary(run)? else { return Ok(None) };
        let (entries, _) =
            journal::read(run, &self.rows(run)?).map_err(|damage| Error::Damaged { run: run.clone(), damage })?;
        let history = History::of(&entries).waking_at(summary.wake_at);
        Ok(Some(RunDetail { summary, history, dead_letters: self.dead_letters(run)? }))
    }

    /// What the runs could not deliver, of one run.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn dead_letters(&self, run: &RunId) -> Result<Vec<DeadLetter>, Error> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("select place, queue, value, cause, at from dead_letters where run = ? order by id")?;
        let letters = statement.query_map([run.as_str()], |row| {
            Ok(DeadLetter {
                run: run.clone(),
                place: json(row, 0)?,
                queue: row.get(1)?,
                value: self.json(row, 2)?,
                cause: self.optional_json(row, 3)?,
                at: Instant(row.get(4)?),
            })
        })?;
        Ok(letters.collect::<Result<_, _>>()?)
    }

    /// A dead letter, with what was kept.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn letter(&self, id: i64) -> Result<Option<Letter>, Error> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(&format!("{LETTER}, letter.cause, letter.value {LETTERS} where letter.id = ?"))?;
        let found =
            statement.query_row([id], |row| Ok(Letter { value: Some(self.json(row, 8)?), ..self.letter_of(row)? }));
        Ok(found.optional()?)
    }

    /// Dead letters, newest first, without what was kept and without causes that are long.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn letters(&self, which: &Letters) -> Result<Vec<Letter>, Error> {
        let connection = self.lock();
        let open = match which.which {
            WhichLetters::Open => "letter.settled is null",
            WhichLetters::All => "true",
        };
        let mut statement = connection.prepare_cached(&format!(
            "{LETTER}, iif(octet_length(letter.cause) <= {LISTED_CAUSE} and letter.cause not glob '@*', letter.cause, null)
             {LETTERS} where {open} and (?1 is null or letter.queue = ?1) order by letter.id desc limit ?2"
        ))?;
        let limit = i64::try_from(which.limit).unwrap_or(i64::MAX);
        let letters = statement.query_map(rusqlite::params![which.queue, limit], |row| self.letter_of(row))?;
        Ok(letters.collect::<Result<_, _>>()?)
    }

    /// The journal of a run, as it is stored.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn rows(&self, run: &RunId) -> Result<Vec<Row>, Error> {
        self.rows_from(run, 0)
    }

    /// The journal of a run from an entry on.
    pub(super) fn rows_from(&self, run: &RunId, seq: u64) -> Result<Vec<Row>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "select seq, version, body, checksum from journal where run = ? and seq >= ? order by seq",
        )?;
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        let rows = statement.query_map(rusqlite::params![run.as_str(), seq], |row| {
            Ok(Row {
                seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX),
                version: row.get(1)?,
                // What can't be read is found damaged by its checksum.
                body: row.get(2).map(|held: String| self.large.get(held.clone()).unwrap_or(held))?,
                // A checksum of another length fits no row: it is found damaged.
                checksum: row.get::<_, Vec<u8>>(3)?.try_into().unwrap_or_default(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The version of the interpreter that a run began with, if it has begun and that reads.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn interpreter(&self, run: &RunId) -> Result<Option<u32>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("select body from journal where run = ? and seq = 0")?;
        let first: Option<String> = statement.query_row([run.as_str()], |row| row.get(0)).optional()?;
        let first = first.and_then(|held| self.large.get(held).ok());
        let entry = first.and_then(|body| serde_json::from_str::<journal::Entry>(&body).ok());
        Ok(entry.and_then(|entry| match entry.said {
            Said::Event(Event::Started(start)) => Some(start.version),
            _ => None,
        }))
    }

    /// The latest checkpoint of a run, if it has one.
    pub(super) fn checkpoint(&self, run: &RunId) -> Result<Option<Checkpoint>, Error> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("select seq, last, form, body, checksum from checkpoints where run = ?")?;
        let found = statement.query_row([run.as_str()], |row| {
            Ok(Checkpoint {
                seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX),
                last: row.get::<_, Vec<u8>>(1)?.try_into().unwrap_or_default(),
                form: row.get(2)?,
                body: row.get(3)?,
                checksum: row.get::<_, Vec<u8>>(4)?.try_into().unwrap_or_default(),
            })
        });
        Ok(found.optional()?)
    }

    /// The plan with a digest, as it is stored.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn plan(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("select plan from plans where digest = ?")?;
        Ok(statement.query_row([digest], |row| row.get(0)).optional()?)
    }

    pub(super) fn awake(&self, until: Instant) -> Result<Vec<Unfinished>, Error> {
        self.unfinished(AWAKE, until)
    }

    pub(super) fn gated(&self) -> Result<Vec<Unfinished>, Error> {
        self.unfinished(GATED, Instant(0))
    }

    /// Runs that are not over, in the order in which they were accepted.
    fn unfinished(&self, which: &str, until: Instant) -> Result<Vec<Unfinished>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!(
            "select id, state, wake_at, start is null, gate, (select count(*) from mail where mail.run = runs.id),
                    (select until + {MOVED} from gatherings where gatherings.run = runs.id)
             from runs where rowid in ({which}) order by rowid"
        ))?;
        let runs = statement.query_map([until.0], |row| {
            Ok(Unfinished {
                run: parsed(row, 0)?,
                state: parsed(row, 1)?,
                wake_at: row.get::<_, Option<i64>>(2)?.map(Instant),
                progress: if row.get(3)? { Begun::Yes } else { Begun::NotYet },
                gate: optional_json(row, 4)?,
                mail: u64::try_from(row.get::<_, i64>(5)?).unwrap_or(0),
                gathers: row.get::<_, Option<i64>>(6)?.map(Instant),
            })
        })?;
        Ok(runs.collect::<Result<_, _>>()?)
    }

    pub(super) fn due(&self, after: Instant, until: Instant) -> Result<Vec<(Instant, RunId)>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "select wake_at, id from runs where ended_at is null and wake_at > ? and wake_at <= ? order by wake_at, id",
        )?;
        let due = statement.query_map([after.0, until.0], |row| Ok((Instant(row.get(0)?), parsed(row, 1)?)))?;
        Ok(due.collect::<Result<_, _>>()?)
    }

    pub(super) fn next_due(&self, after: Instant) -> Result<Option<Instant>, Error> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("select min(wake_at) from runs where ended_at is null and wake_at > ?")?;
        Ok(statement.query_row([after.0], |row| row.get::<_, Option<i64>>(0))?.map(Instant))
    }

    pub(super) fn pinned(&self) -> Result<BTreeSet<String>, Error> {
        self.digests(
            "select digest from plans
             where exists (select 1 from runs where plan = digest and ended_at is null)",
        )
    }

    pub(super) fn plans(&self) -> Result<BTreeSet<String>, Error> {
        self.digests("select digest from plans where exists (select 1 from runs where plan = digest)")
    }

    fn digests(&self, query: &str) -> Result<BTreeSet<String>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(query)?;
        let digests = statement.query_map([], |row| row.get(0))?;
        Ok(digests.collect::<Result<_, _>>()?)
    }

    pub(super) fn unnamed(&self, blobs: Vec<BlobDigest>) -> Result<Vec<BlobDigest>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("select 1 from refs where sha256 = ?")?;
        let mut unnamed = Vec::new();
        for digest in blobs {
            if !statement.exists([digest.to_string()])? {
                unnamed.push(digest);
            }
        }
        Ok(unnamed)
    }

    pub(super) fn standing(&self) -> Result<BTreeMap<RunState, u64>, Error> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("select state, count(*) from runs where ended_at is null group by state")?;
        let counts =
            statement.query_map([], |row| Ok((parsed(row, 0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0))))?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    pub(super) fn start(&self, run: &RunId) -> Result<Option<Start>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("select start from runs where id = ?")?;
        let start: Option<Start> =
            statement.query_row([run.as_str()], |row| self.optional_json(row, 0)).optional()?.flatten();
        let Some(start) = start else { return Ok(None) };
        let mut statement =
            connection.prepare_cached("select payload from gathered where run = ? order by rank, id")?;
        let gathered = statement.query_map([run.as_str()], |row| self.json(row, 0))?;
        let gathered: Vec<Value> = gathered.collect::<Result<_, _>>()?;
        Ok(Some(match gathered.is_empty() {
            true => start,
            false => Start { payload: Value::List(gathered), ..start },
        }))
    }

    pub(super) fn mail(&self, run: &RunId) -> Result<Vec<(i64, Event)>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("select id, body from mail where run = ? order by id")?;
        let mail = statement.query_map([run.as_str()], |row| Ok((row.get(0)?, self.json(row, 1)?)))?;
        Ok(mail.collect::<Result<_, _>>()?)
    }

    /// What a trigger of a flow has kept, by key; it is named as the list of runs calls it.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn kept(&self, flow: &str, on: &str) -> Result<BTreeMap<String, String>, Error> {
        self.notes(&crate::engine::scope(flow, Some(on)))
    }

    pub(super) fn notes(&self, scope: &str) -> Result<BTreeMap<String, String>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("select key, text from notes where scope = ?")?;
        let notes = statement.query_map([scope], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(notes.collect::<Result<_, _>>()?)
    }

    pub(super) fn begun_since(&self, scope: &str, since: Instant) -> Result<Vec<Instant>, Error> {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("select begun_at from runs where gate_scope = ? and begun_at > ? order by begun_at")?;
        let begun = statement.query_map(rusqlite::params![scope, since.0], |row| Ok(Instant(row.get(0)?)))?;
        Ok(begun.collect::<Result<_, _>>()?)
    }

    /// What SQLite says of its own pages, where that is not well.
    pub(super) fn pages(&self) -> Result<Vec<String>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare("pragma quick_check(20)")?;
        let said = statement.query_map([], |row| row.get::<_, String>(0))?;
        Ok(said.filter(|line| line.as_ref().map_or(true, |line| line != "ok")).collect::<Result<_, _>>()?)
    }

    /// The digests of the plans that are what their digest says.
    pub(super) fn plans_that_are_as_written(&self) -> Result<BTreeSet<String>, Error> {
        let connection = self.lock();
        let mut statement = connection.prepare("select digest, plan from plans")?;
        let plans = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let mut kept = BTreeSet::new();
        for plan in plans {
            let (digest, plan) = plan?;
            if hex::encode(Sha256::digest(&plan)) == digest {
                kept.insert(digest);
            }
        }
        Ok(kept)
    }

    /// Some runs after one, in the order of their ids.
    pub(super) fn kept_after(&self, run: Option<&RunId>) -> Result<Vec<Kept>, Error> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("select id, flow, state, plan from runs where id > ? order by id limit 1000")?;
        let runs = statement.query_map([run.map_or("", RunId::as_str)], |row| {
            Ok(Kept { run: parsed(row, 0)?, flow: row.get(1)?, state: parsed(row, 2)?, plan: row.get(3)? })
        })?;
        Ok(runs.collect::<Result<_, _>>()?)
    }

    /// The events that a run has emitted, oldest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn events(&self, run: &RunId) -> Result<Vec<Emitted>, Error> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("select place, name, value, at from events where run = ? order by id")?;
        let events = statement.query_map([run.as_str()], |row| {
            Ok(Emitted {
                run: run.clone(),
                place: json(row, 0)?,
                event: row.get(1)?,
                value: self.json(row, 2)?,
                at: Instant(row.get(3)?),
            })
        })?;
        Ok(events.collect::<Result<_, _>>()?)
    }

    fn summary_of(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<RunSummary> {
        Ok(RunSummary {
            id: parsed(row, 0)?,
            flow: row.get(1)?,
            plan: row.get(2)?,
            trigger: row.get(3)?,
            state: parsed::<RunState>(row, 4)?,
            reason: row.get(5)?,
            started_at: Instant(row.get(6)?),
            ended_at: row.get::<_, Option<i64>>(7)?.map(Instant),
            wake_at: row.get::<_, Option<i64>>(8)?.map(Instant),
            outcome: self.optional_json(row, 9)?,
            answer: self.optional_json(row, 10)?,
        })
    }

    fn letter_of(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<Letter> {
        Ok(Letter {
            id: row.get(0)?,
            run: parsed(row, 1)?,
            flow: row.get(2)?,
            place: json(row, 3)?,
            queue: row.get(4)?,
            at: Instant(row.get(5)?),
            value: None,
            settled: row.get(6)?,
            cause: self.optional_json(row, 7)?,
        })
    }

    /// What a column holds that may be large.
    fn json<T: DeserializeOwned>(&self, row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T> {
        let text = self.large.get(row.get(column)?).map_err(|error| unreadable(column, error))?;
        serde_json::from_str(&text).map_err(|error| unreadable(column, error))
    }

    fn optional_json<T: DeserializeOwned>(
        &self,
        row: &rusqlite::Row<'_>,
        column: usize,
    ) -> rusqlite::Result<Option<T>> {
        match row.get_ref(column)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => self.json(row, column).map(Some),
        }
    }
}

fn unreadable(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

fn parsed<T: std::str::FromStr>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    row.get::<_, String>(column)?.parse().map_err(|error| unreadable(column, error))
}

fn json<T: DeserializeOwned>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|error| unreadable(column, error))
}

fn optional_json<T: DeserializeOwned>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| unreadable(column, error))).transpose()
}
