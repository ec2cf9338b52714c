//! SQLite: a database that is a file.
//!
//! The library works in the thread that calls it, so each call has one beside the async threads, which hands rows over as
//! they come. Whoever stops waiting interrupts the statement.
#![expect(clippy::result_large_err, reason = "the trait's own error, which is passed on as it is")]

mod convert;
mod failure;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure};
use rusqlite::{Connection, InterruptHandle, OpenFlags, OptionalExtension as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use self::failure::{Phase, failure};
use crate::{
    dialect::{Account, Dialect, Session},
    once,
    placeholders::{Escapes, placed},
    rows::Rows,
    statement::{Statement, Work, numbered},
};

/// The table of `once`.
const ONCE_TABLE: &str =
    "create table flow_once (key text primary key, rows text, done_at text not null default current_timestamp)";

/// How long is waited for others who write.
const MOST_WAITING: Duration = Duration::from_secs(10);

/// How many rows are handed over at a time.
const BATCH: usize = 256;

pub(crate) struct Sqlite;

#[async_trait]
impl Dialect for Sqlite {
    fn account(&self, call: &NativeCall<'_>) -> Result<Account, Failure> {
        let settings = format!("{}\0{}", call.config("path").to_json(), call.config("create").to_json());
        Ok(Account { digest: Sha256::digest(settings).into(), most: 4 })
    }

    async fn connect(&self, call: &NativeCall<'_>) -> Result<Box<dyn Session>, NativeFailure> {
        let unfit =
            |why: &str| NativeFailure::never(Failure::new(ErrorKind::Invalid, format!("the setting `path` {why}")));
        let path = call.config("path").as_str().unwrap_or_default().to_owned();
        if path.is_empty() || path == ":memory:" {
            return Err(unfit("names no file"));
        }
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if *call.config("create") == Value::Bool(true) {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        } else if !std::path::Path::new(&path).is_file() {
            let message = format!("there is no database `{path}`: with `create: true` it is made");
            return Err(NativeFailure::never(Failure::new(ErrorKind::NotFound, message)));
        }
        let waiting = MOST_WAITING.min(call.timeout().duration() / 2);
        let opened = tokio::task::spawn_blocking(move || {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(waiting)?;
            Ok(connection)
        });
        match opened.await {
            Ok(Ok(connection)) => {
                let interrupt = Arc::new(connection.get_interrupt_handle());
                Ok(Box::new(File { connection: Some(connection), interrupt }))
            }
            Ok(Err(error)) => Err(failure(&error, Phase::Before)),
            Err(_) => Err(broken_off()),
        }
    }
}

/// A thread that can't be waited for.
fn broken_off() -> NativeFailure {
    NativeFailure::perhaps(Failure::new(ErrorKind::Unavailable, "the statement was broken off"))
}

/// An open database; without the connection while a statement has it.
struct File {
    connection: Option<Connection>,
    interrupt: Arc<InterruptHandle>,
}

/// Work that goes to its own thread.
struct Owned {
    begin: &'static str,
    statements: Vec<(String, Vec<Value>)>,
    once: Option<String>,
}

/// Rows of a statement, with the names of its columns.
type Batch = (Arc<[String]>, Vec<Vec<Value>>);

#[async_trait]
impl Session for File {
    async fn read(&mut self, statement: &Statement<'_>, rows: &mut Rows<'_>) -> Result<(), NativeFailure> {
        let statements = vec![owned(statement)?];
        self.carry_out(Owned { begin: "begin", statements, once: None }, rows).await.map(drop)
    }

    async fn change(&mut self, work: &Work<'_>, rows: &mut Rows<'_>) -> Result<Vec<u64>, NativeFailure> {
        let statements = work.statements.iter().map(owned).collect::<Result<_, _>>()?;
        // All transactions of SQLite are serializable. One that is to write waits for others before it begins, and not in
        // its midst, where it would have to be given up.
        let owned = Owned { begin: "begin immediate", statements, once: work.once.map(str::to_owned) };
        self.carry_out(owned, rows).await
    }

    fn is_clean(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_autocommit)
    }
}

impl File {
    async fn carry_out(&mut self, work: Owned, rows: &mut Rows<'_>) -> Result<Vec<u64>, NativeFailure> {
        let Some(mut connection) = self.connection.take() else { return Err(broken_off()) };
        let (send, mut batches) = mpsc::channel::<Batch>(2);
        let waits = Waits(Some(Arc::clone(&self.interrupt)));
        let wanted = rows.are_wanted();
        let ended = tokio::task::spawn_blocking(move || {
            let result = transaction(&mut connection, &work, wanted.then_some(&send));
            (connection, result)
        });
        let mut taken = Ok(());
        while let Some((columns, batch)) = batches.recv().await {
            for row in batch {
                taken = rows.take(&columns, row).await;
                if taken.is_err() {
                    break;
                }
            }
            if taken.is_err() {
                // The thread finds that nobody takes rows any more, and undoes its transaction.
                break;
            }
        }
        drop(batches);
        let Ok((connection, result)) = ended.await else { return Err(broken_off()) };
        waits.are_over();
        self.connection = Some(connection);
        taken?;
        result
    }
}

fn owned(statement: &Statement<'_>) -> Result<(String, Vec<Value>), NativeFailure> {
    let (text, bound) = placed(statement, Escapes::None, |_| "?".to_owned()).map_err(NativeFailure::never)?;
    Ok((text, bound.into_iter().cloned().collect()))
}

/// Dropped, it interrupts what its thread is at.
struct Waits(Option<Arc<InterruptHandle>>);

impl Waits {
    fn are_over(mut self) {
        self.0 = None;
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.0 {
            interrupt.interrupt();
        }
    }
}

fn transaction(
    connection: &mut Connection,
    work: &Owned,
    rows: Option<&mpsc::Sender<Batch>>,
) -> Result<Vec<u64>, NativeFailure> {
    connection.execute_batch(work.begin).map_err(|error| failure(&error, Phase::Before))?;
    let result = within(connection, work, rows).and_then(|counts| match connection.execute_batch("commit") {
        Ok(()) => Ok(counts),
        Err(error) => Err(failure(&error, Phase::Committing)),
    });
    if result.is_err() && !connection.is_autocommit() {
        // Without success, the connection is not clean and is closed, which undoes the transaction too.
        drop(connection.execute_batch("rollback"));
    }
    result
}

fn within(
    connection: &Connection,
    work: &Owned,
    rows: Option<&mpsc::Sender<Batch>>,
) -> Result<Vec<u64>, NativeFailure> {
    let before = |error: rusqlite::Error| failure(&error, Phase::Before);
    if let Some(key) = &work.once {
        let note = format!("insert into {} (key) values (?1) on conflict do nothing", once::TABLE);
        if connection.execute(&note, [key]).map_err(before)? == 0 {
            let read = format!("select rows from {} where key = ?1", once::TABLE);
            let written: Option<Option<String>> =
                connection.query_row(&read, [key], |row| row.get(0)).optional().map_err(before)?;
            return Ok(once::read(&written.flatten().unwrap_or_default())?);
        }
    }
    let is_reading = work.begin == "begin";
    let mut counts = Vec::with_capacity(work.statements.len());
    for (index, (text, params)) in work.statements.iter().enumerate() {
        let count = one(connection, text, params, is_reading, rows);
        counts.push(count.map_err(|failure| numbered(failure, index, work.statements.len()))?);
    }
    if let Some(key) = &work.once {
        let note = format!("update {} set rows = ?1 where key = ?2", once::TABLE);
        connection.execute(&note, [once::written(&counts), key.clone()]).map_err(before)?;
    }
    Ok(counts)
}

fn one(
    connection: &Connection,
    text: &str,
    params: &[Value],
    is_reading: bool,
    rows: Option<&mpsc::Sender<Batch>>,
) -> Result<u64, NativeFailure> {
    let before = |error: rusqlite::Error| failure(&error, Phase::Before);
    let invalid = |message: String| NativeFailure::never(Failure::new(ErrorKind::Invalid, message));
    let changed_before = connection.total_changes();
    let mut prepared = connection.prepare(text).map_err(before)?;
    if is_reading && !prepared.readonly() {
        let message =
            "the statement changes something, and this only reads: what writes is `execute`, `ensure` or `change`";
        return Err(invalid(message.to_owned()));
    }
    let (takes, has) = (prepared.parameter_count(), params.len());
    if takes != has {
        return Err(invalid(format!("the statement takes {takes} values and has {has} insertions")));
    }
    for (index, param) in params.iter().enumerate() {
        let bound = convert::bound(param);
        let bound = bound
            .map_err(|why| invalid(format!("the insertion {} of the statement can't be bound: {why}", index + 1)))?;
        prepared.raw_bind_parameter(index + 1, bound).map_err(before)?;
    }
    let columns: Vec<_> = prepared
        .columns()
        .map(|column| (column.name().to_owned(), convert::Declared::of(column.decl_type())))
        .collect();
    let names: Arc<[String]> = columns.iter().map(|(name, _)| name.clone()).collect();
    let mut batch = Vec::new();
    let mut given = prepared.raw_query();
    while let Some(row) = given.next().map_err(before)? {
        let Some(rows) = rows else { continue };
        let mut values = Vec::with_capacity(columns.len());
        for (index, (name, declared)) in columns.iter().enumerate() {
            let raw = row.get_ref(index).map_err(before)?;
            let unfit = |why| Failure::new(ErrorKind::Mismatch, format!("the column `{name}` {why}"));
            values.push(declared.value(raw).map_err(unfit)?);
        }
        batch.push(values);
        if batch.len() >= BATCH {
            hand_over(rows, &names, &mut batch)?;
        }
    }
    if let Some(rows) = rows {
        hand_over(rows, &names, &mut batch)?;
    }
    // `changes` is of the last statement that changed rows, which may be an earlier one.
    Ok(if connection.total_changes() == changed_before { 0 } else { connection.changes() })
}

fn hand_over(rows: &mpsc::Sender<Batch>, names: &Arc<[String]>, batch: &mut Vec<Vec<Value>>) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let sent = rows.blocking_send((Arc::clone(names), std::mem::take(batch)));
    sent.map_err(|_| Failure::new(ErrorKind::Unavailable, "nobody takes the rows any more"))
}
