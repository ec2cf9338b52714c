//! How does the database look?

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::Error;

/// The version of the tables.
const VERSION: u32 = 1;

/// The database's name in the data folder.
pub(super) const FILE: &str = "journal.sqlite";

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
    gate text,
    gate_limit integer,
    turn_at integer,
    held integer not null default 0,
    outcome text,
    answer text
) strict;
create index runs_by_flow on runs (flow, id);
create index runs_by_turn on runs (flow, started_by, turn_at) where turn_at is not null;
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

/// Opens the database for writing, and makes it where there is none. Commits are on disk when they return: see "PRAGMA
/// synchronous" in SQLite's documentation, where WAL with FULL syncs the log at each commit.
pub(super) fn open(folder: &Path) -> Result<Connection, Error> {
    let mut connection = Connection::open(folder.join(FILE))?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    match version(&connection)? {
        0 => {
            let transaction = connection.transaction()?;
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        }
        found => known(found)?,
    }
    Ok(connection)
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
