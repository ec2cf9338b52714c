//! MySQL and MariaDB.
//!
//! Sessions are in UTC, so that times come and go as they are, and strict, so that no value is cut to fit a column.
#![expect(clippy::result_large_err, reason = "the trait's own error, which is passed on as it is")]

mod connect;
mod convert;
mod failure;

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure};
use mysql_async::{Conn, Opts, Params, prelude::Queryable as _};
use sha2::{Digest as _, Sha256};

use self::failure::{Phase, failure, is_broken};
use crate::{
    dialect::{Account, Dialect, Session, most_connections},
    once,
    placeholders::{Escapes, placed},
    rows::Rows,
    statement::{Statement, Work, numbered},
};

/// The table of `once`.
const ONCE_TABLE: &str = "create table flow_once (`key` varchar(255) primary key, `rows` text, done_at timestamp not null default current_timestamp) engine = InnoDB";

pub(crate) struct Mysql;

#[async_trait]
impl Dialect for Mysql {
    fn account(&self, call: &NativeCall<'_>) -> Result<Account, Failure> {
        let mut digest = Sha256::new();
        digest.update(call.secret("url")?.reveal());
        for setting in ["tls", "authority"] {
            digest.update(format!("\0{}", call.config(setting).to_json()));
        }
        Ok(Account { digest: digest.finalize().into(), most: most_connections(call) })
    }

    async fn connect(&self, call: &NativeCall<'_>) -> Result<Box<dyn Session>, NativeFailure> {
        let (conn, opts) = connect::connect(call).await?;
        Ok(Box::new(Connection { conn: Some(conn), opts, state: State::Clean }))
    }
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing.
    Clean,
    /// A transaction.
    Busy,
    /// A statement whose rows nobody takes any more.
    Abandoned,
    /// The connection is lost.
    Lost,
}

struct Connection {
    /// There until it is dropped.
    conn: Option<Conn>,
    opts: Opts,
    state: State,
}

#[async_trait]
impl Session for Connection {
    async fn read(&mut self, statement: &Statement<'_>, rows: &mut Rows<'_>) -> Result<(), NativeFailure> {
        self.state = State::Busy;
        let result = match self.control("start transaction read only", Phase::Within).await {
            Ok(()) => self.one(statement, rows).await,
            Err(failed) => Err(failed),
        };
        self.end(result.map(drop)).await
    }

    async fn change(&mut self, work: &Work<'_>, rows: &mut Rows<'_>) -> Result<Vec<u64>, NativeFailure> {
        self.state = State::Busy;
        let changed = self.carry_out(work, rows).await;
        let mut counts = Vec::new();
        self.end(changed.map(|changed| counts = changed)).await?;
        Ok(counts)
    }

    fn is_clean(&self) -> bool {
        self.state == State::Clean
    }
}

impl Connection {
    fn conn(&mut self) -> Result<&mut Conn, NativeFailure> {
        let closed = || NativeFailure::never(Failure::new(ErrorKind::Unavailable, "the connection to mysql is closed"));
        self.conn.as_mut().ok_or_else(closed)
    }

    /// Notes whether the connection can be used any more.
    fn failed(&mut self, error: &mysql_async::Error, phase: Phase) -> NativeFailure {
        if is_broken(error) {
            self.state = State::Lost;
        }
        failure(error, phase)
    }

    /// Begins or ends a transaction.
    async fn control(&mut self, text: &str, phase: Phase) -> Result<(), NativeFailure> {
        let done = self.conn()?.query_drop(text).await;
        done.map_err(|error| self.failed(&error, phase))
    }

    async fn carry_out(&mut self, work: &Work<'_>, rows: &mut Rows<'_>) -> Result<Vec<u64>, NativeFailure> {
        let is_alone = work.statements.len() == 1 && work.once.is_none();
        if !is_alone && let Some(other) = work.statements.iter().find(|statement| !is_transactional(statement.text)) {
            let word = statement_word(other.text);
            let message = format!("`{word}` ends a transaction in MySQL: carry it out by itself, with `execute`");
            return Err(NativeFailure::never(Failure::new(ErrorKind::Invalid, message)));
        }
        if let Some(isolation) = work.isolation {
            self.control(&format!("set transaction isolation level {}", isolation.sql()), Phase::Within).await?;
        }
        self.control("start transaction", Phase::Within).await?;
        if let Some(key) = work.once {
            let params = [Value::text(key)];
            // A row that is there is locked, and changed by nothing.
            let text = format!("insert into {} (`key`) values ($1) on duplicate key update `key` = `key`", once::TABLE);
            self.one(&Statement { text: &text, params: &params }, &mut Rows::none()).await?;
            let text = format!("select `rows` from {} where `key` = ?", once::TABLE);
            let found = self.conn()?.exec_first::<Option<String>, _, _>(text, (key,)).await;
            let found = found.map_err(|error| self.failed(&error, Phase::Within))?;
            // Without a text, the row is this transaction's own.
            if let Some(Some(written)) = found {
                return Ok(once::read(&written)?);
            }
        }
        let mut counts = Vec::with_capacity(work.statements.len());
        for (index, statement) in work.statements.iter().enumerate() {
            let count = self.one(statement, rows).await;
            counts.push(count.map_err(|failure| numbered(failure, index, work.statements.len()))?);
        }
        if let Some(key) = work.once {
            let params = [Value::text(once::written(&counts)), Value::text(key)];
            let text = format!("update {} set `rows` = $1 where `key` = $2", once::TABLE);
            self.one(&Statement { text: &text, params: &params }, &mut Rows::none()).await?;
        }
        Ok(counts)
    }

    async fn one(&mut self, statement: &Statement<'_>, rows: &mut Rows<'_>) -> Result<u64, NativeFailure> {
        // What ends transactions by itself has taken effect when it has ended.
        let phase = if is_transactional(statement.text) { Phase::Within } else { Phase::Committing };
        let (text, bound) = placed(statement, Escapes::Backslash, convert::place).map_err(NativeFailure::never)?;
        let values = bound.iter().enumerate().map(|(index, value)| {
            convert::bound(value).map_err(|why| {
                let message = format!("the insertion {} of the statement can't be bound: {why}", index + 1);
                NativeFailure::never(Failure::new(ErrorKind::Invalid, message))
            })
        });
        let values: Vec<_> = values.collect::<Result<_, _>>()?;
        let prepared = self.conn()?.prep(text).await;
        let prepared = prepared.map_err(|error| self.failed(&error, Phase::Within))?;
        let (takes, has) = (usize::from(prepared.num_params()), values.len());
        if takes != has {
            let message = format!("the statement takes {takes} values and has {has} insertions");
            return Err(NativeFailure::never(Failure::new(ErrorKind::Invalid, message)));
        }
        let params = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
        match run(self.conn()?, &prepared, params, rows).await {
            Ok(count) => Ok(count),
            Err(Ended::Server(error)) => Err(self.failed(&error, phase)),
            Err(Ended::Rows(failure)) => {
                self.state = State::Abandoned;
                Err(failure.into())
            }
        }
    }

    /// Ends the transaction: commits what went well, and undoes what did not.
    async fn end(&mut self, result: Result<(), NativeFailure>) -> Result<(), NativeFailure> {
        match result {
            Ok(()) => {
                self.control("commit", Phase::Committing).await?;
                self.state = State::Clean;
                Ok(())
            }
            Err(failed) => {
                if self.state == State::Busy && self.control("rollback", Phase::Within).await.is_ok() {
                    self.state = State::Clean;
                }
                Err(failed)
            }
        }
    }
}

/// Why a statement has not come to its end.
enum Ended {
    Server(mysql_async::Error),
    Rows(Failure),
}

async fn run(
    conn: &mut Conn,
    prepared: &mysql_async::Statement,
    params: Params,
    rows: &mut Rows<'_>,
) -> Result<u64, Ended> {
    let mut result = conn.exec_iter(prepared, params).await.map_err(Ended::Server)?;
    let columns = result.columns();
    let columns = columns.as_deref().unwrap_or_default();
    let names: Vec<String> = columns.iter().map(|column| column.name_str().into_owned()).collect();
    while let Some(row) = result.next().await.map_err(Ended::Server)? {
        if !rows.are_wanted() {
            continue;
        }
        let values = row.unwrap_raw().into_iter().zip(columns).map(|(raw, column)| {
            let unfit = |why| Failure::new(ErrorKind::Mismatch, format!("the column `{}` {why}", column.name_str()));
            convert::value(column, raw.unwrap_or(mysql_async::Value::NULL)).map_err(unfit)
        });
        let values = values.collect::<Result<_, _>>().map_err(Ended::Rows)?;
        rows.take(&names, values).await.map_err(Ended::Rows)?;
    }
    let changed = result.affected_rows();
    result.drop_result().await.map_err(Ended::Server)?;
    Ok(if columns.is_empty() { changed } else { 0 })
}

/// Says whether a statement leaves the end of its transaction to us. Others commit by themselves (MySQL reference manual,
/// "Statements That Cause an Implicit Commit"), and a procedure can.
fn is_transactional(text: &str) -> bool {
    const WORDS: [&str; 8] = ["select", "insert", "update", "delete", "replace", "with", "values", "do"];
    let word = statement_word(text);
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn statement_word(text: &str) -> String {
    let text = text.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '(');
    text.chars().take_while(char::is_ascii_alphabetic).collect()
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take()
            && matches!(self.state, State::Busy | State::Abandoned)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // Whoever waited has gone, and the server need not go on. That this may come too late is in its nature. The
            // connection is held until then: an id without it may be another's, above all at a server that was restarted.
            let (opts, id) = (self.opts.clone(), conn.id());
            runtime.spawn(async move {
                if let Ok(mut other) = Conn::new(opts).await {
                    drop(other.query_drop(format!("kill {id}")).await);
                    drop(other.disconnect().await);
                }
                drop(conn);
            });
        }
    }
}
