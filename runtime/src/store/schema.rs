//! How does the database look?

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction};

use super::{Error, large::refers};

/// The version of the tables.
const VERSION: u32 = 11;

/// The database's name in the data folder.
pub(super) const FILE: &str = "journal.sqlite";

/// How many pages the log has before they are taken into the database, 16 MiB: a page that is written again and again is taken
/// over once, and the disk is synced for that less often than with SQLite's 1000. A start after a crash reads it.
const LOG_PAGES: u32 = 4096;

const TABLES: &str = "
create table meta (name text primary key, value integer not null) strict;
create table plans (digest text primary key, flow text not null, plan blob not null) strict;
create table runs (
    id text primary key,
    flow text not null,
    plan text not null,
    started_by text,
    state text not null,
    reason text,
    started_at integer not null,
    ended_at integer,
    wake_at integer,
    outcome text,
    answer text
) strict;
create index runs_by_flow on runs (flow, id);
create index runs_unfinished on runs (id) where ended_at is null;
create table journal (
    run text not null,
    seq integer not null,
    version integer not null,
    body text not null,
    checksum blob not null,
    primary key (run, seq)
) strict, without rowid;
create table dedupe (
    scope text not null,
    key text not null,
    run text not null,
    body_digest text,
    expires_at integer not null,
    primary key (scope, key)
) strict, without rowid;
create index dedupe_by_expiry on dedupe (expires_at);
create table dead_letters (
    id integer primary key,
    run text not null,
    place text not null,
    queue text not null,
    value text not null,
    at integer not null
) strict;
create index dead_letters_by_run on dead_letters (run);
insert into meta (name, value) values ('epoch', 0);
";

/// What version 2 adds: runs that have not begun yet, runs that other runs have begun, events, and what runs are told by
/// others.
const SECOND: &str = "
alter table runs add column start text;
alter table runs add column gate text;
alter table runs add column gate_scope text;
alter table runs add column begun_at integer;
alter table runs add column parent text;
create index runs_by_gate on runs (gate_scope, begun_at) where gate_scope is not null;
create table events (
    id integer primary key,
    run text not null,
    place text not null,
    name text not null,
    value text not null,
    at integer not null
) strict;
create index events_by_run on events (run);
create table waits (
    event text not null,
    run text not null,
    place text not null,
    primary key (event, run, place)
) strict, without rowid;
create index waits_by_run on waits (run);
create table mail (id integer primary key, run text not null, body text not null) strict;
create index mail_by_run on mail (run);
";

/// What version 3 adds: what triggers keep of what they have seen.
const THIRD: &str = "
create table notes (
    scope text not null,
    key text not null,
    text text not null,
    primary key (scope, key)
) strict, without rowid;
";

/// What version 4 adds: runs in the states that people look for are found among many others; what became of dead letters.
const FOURTH: &str = "
create index runs_failed on runs (id) where state = 'failed';
create index runs_cancelled on runs (id) where state = 'cancelled';
alter table dead_letters add column settled text;
create index dead_letters_open on dead_letters (id) where settled is null;
";

/// What version 5 adds: runs that several events are gathered for, and those events.
const FIFTH: &str = "
create table gatherings (
    scope text not null,
    key text not null,
    run text not null,
    until integer not null,
    at_latest integer,
    count integer not null,
    bytes integer not null,
    primary key (scope, key)
) strict, without rowid;
create index gatherings_by_run on gatherings (run);
create table gathered (id integer primary key, run text not null, payload text not null) strict;
create index gathered_by_run on gathered (run);
";

/// What version 6 adds: which run names which blob; runs that are awake, due, gated or old are found among many others.
const SIXTH: &str = "
drop index runs_unfinished;
create index runs_open on runs (state, id) where ended_at is null;
create index runs_due on runs (wake_at, id) where ended_at is null and wake_at is not null;
create index runs_queued on runs (id) where ended_at is null and start is not null;
create index runs_gated on runs (id) where ended_at is null and gate is not null;
create index runs_by_plan on runs (plan, ended_at);
create index runs_ended on runs (ended_at) where ended_at is not null;
create table refs (
    sha256 text not null,
    run text not null,
    primary key (sha256, run)
) strict, without rowid;
create index refs_by_run on refs (run);
";

/// What version 7 adds: how runs with long journals stood at a late entry.
const SEVENTH: &str = "
create table checkpoints (
    run text primary key,
    seq integer not null,
    last blob not null,
    form text not null,
    body text not null,
    checksum blob not null
) strict;
";

/// What version 8 adds: those who wait for an event are found by what it has to have.
const EIGHTH: &str = "
alter table waits add column field text not null default '';
alter table waits add column digest text not null default '';
create index waits_by_wish on waits (event, field, digest);
";

/// What version 9 adds: what dead letters were left for.
const NINTH: &str = "
alter table dead_letters add column cause text;
";

/// What version 10 takes away: old runs are found by their plan, and keys that have expired are looked for key by key, so
/// that what begins and ends writes to fewer places.
const TENTH: &str = "
drop index runs_ended;
drop index dedupe_by_expiry;
";

/// What version 11 adds: where gathered events stand among each other, other than as they came.
const ELEVENTH: &str = "
alter table gatherings add column rank any;
alter table gathered add column rank any;
";

/// The texts that can name files, with their runs.
const TEXTS: &str = "
select run, body from journal where instr(body, '\"$file\"')
union all select run, body from mail where instr(body, '\"$file\"')
union all select run, value from events where instr(value, '\"$file\"')
union all select run, payload from gathered where instr(payload, '\"$file\"')
union all select run, value from dead_letters where instr(value, '\"$file\"')
union all select id, coalesce(start, '') || coalesce(outcome, '') || coalesce(answer, '') from runs
    where instr(coalesce(start, '') || coalesce(outcome, '') || coalesce(answer, ''), '\"$file\"')";

/// Opens the database for writing, and makes it where there is none. Commits are on disk when they return: see "PRAGMA
/// synchronous" in SQLite's documentation, where WAL with FULL syncs the log at each commit.
pub(super) fn open(folder: &Path) -> Result<Connection, Error> {
    let mut connection = Connection::open(folder.join(FILE))?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let found = version(&connection)?;
    known(found)?;
    if found == 0 {
        // So that room which is free can be given back to the disk. It has to be said before the file has a first page, which
        // it gets with its kind of log.
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    if found < VERSION {
        let transaction = connection.transaction()?;
        let versions = [TABLES, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH, EIGHTH, NINTH, TENTH, ELEVENTH];
        for (version, tables) in (1..).zip(versions) {
            if found < version {
                transaction.execute_batch(tables)?;
            }
        }
        if (1..6).contains(&found) {
            name_files(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// Writes down which runs name which files, for runs of before that was done as they were written.
fn name_files(transaction: &Transaction<'_>) -> Result<(), Error> {
    let mut texts = transaction.prepare(TEXTS)?;
    let mut rows = texts.query([])?;
    while let Some(row) = rows.next()? {
        let (run, text): (String, String) = (row.get(0)?, row.get(1)?);
        for digest in refers(&text) {
            transaction.execute("insert or ignore into refs values (?, ?)", [digest.to_string(), run.clone()])?;
        }
    }
    Ok(())
}

/// Opens the database for reading, beside a process that may write to it.
pub(super) fn open_read_only(folder: &Path) -> Result<Connection, Error> {
    let path = folder.join(FILE);
    if !path.is_file() {
        return Err(Error::Empty { folder: folder.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    match version(&connection)? {
        0 => Err(Error::Empty { folder: folder.to_owned() }),
        found => known(found).map(|()| connection),
    }
}

fn version(connection: &Connection) -> Result<u32, Error> {
    Ok(connection
        .query_row("select user_version from pragma_user_version", [], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

fn known(found: u32) -> Result<(), Error> {
    if found > VERSION { Err(Error::Newer { found, known: VERSION }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use flow_model::{
        file::{File, Sha256},
        value::Value,
    };

    use super::*;

    #[test]
    fn what_is_committed_is_in_a_log_that_is_synced_at_each_commit() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(folder.path()).unwrap();
        let pragma = |name: &str| {
            let value: rusqlite::Result<rusqlite::types::Value> =
                connection.query_row(&format!("pragma {name}"), [], |row| row.get(0));
            value.unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        assert_eq!(pragma("synchronous"), 2.into(), "full");
        assert_eq!(pragma("auto_vacuum"), 2.into(), "incremental");
        assert_eq!((pragma("fullfsync"), pragma("checkpoint_fullfsync")), (1.into(), 1.into()));
    }

    #[test]
    fn a_folder_of_the_first_version_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let first = Connection::open(folder.path().join(FILE)).unwrap();
        first.execute_batch(TABLES).unwrap();
        first.pragma_update(None, "user_version", 1).unwrap();
        let run = "insert into runs (id, flow, plan, state, started_at) values ('r', 'f', 'p', 'running', 1)";
        first.execute(run, []).unwrap();
        let file = Value::File(File::new(Sha256::of(b"a"), 1, "a.txt", "text/plain").into());
        let body = serde_json::to_string(&file).unwrap();
        first.execute("insert into journal values ('r', 0, 1, ?, x'')", [body]).unwrap();
        drop(first);
        for _ in 0..2 {
            let connection = open(folder.path()).unwrap();
            assert_eq!(version(&connection).unwrap(), VERSION);
            let runs = connection.query_row("select count(*) from runs where start is null", [], |row| row.get(0));
            assert_eq!(runs, Ok(1));
            let named = connection.query_row("select sha256 from refs where run = 'r'", [], |row| row.get(0));
            assert_eq!(named, Ok(Sha256::of(b"a").to_string()));
        }
    }
}
