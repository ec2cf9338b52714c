//! PostgreSQL, and what speaks its protocol.

mod connect;
mod decode;
mod encode;
mod failure;

use std::pin::pin;

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::{
    connector::{NativeCall, NativeFailure},
    egress::Guard,
};
use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio_postgres::{Client, Row};

pub(crate) use self::{connect::resolve, decode::number};
use self::{
    connect::{Connected, Settings},
    decode::Raw,
    encode::Param,
    failure::{Phase, failure},
};
use crate::{
    dialect::{Account, Dialect, Session, most_connections},
    once,
    rows::Rows,
    statement::{Statement, Work, numbered},
};

/// The table of `once`.
pub(super) const ONCE_TABLE: &str =
    "create table flow_once (key text primary key, rows text, done_at timestamptz not null default now())";

pub(crate) struct Postgres;

#[async_trait]
impl Dialect for Postgres {
    fn account(&self, call: &NativeCall<'_>) -> Result<Account, Failure> {
        let mut digest = Sha256::new();
        digest.update(call.secret("url")?.reveal());
        for setting in ["tls", "authority"] {
            digest.update(format!("\0{}", call.config(setting).to_json()));
        }
        Ok(Account { digest: digest.finalize().into(), most: most_connections(call) })
    }

    async fn connect(&self, call: &NativeCall<'_>) -> Result<Box<dyn Session>, NativeFailure> {
        let settings = Settings::of(call).map_err(NativeFailure::never)?;
        let connected = settings.connect(call.guard()).await?;
        Ok(Box::new(Connection { connected, settings, guard: call.guard().clone(), state: State::Clean }))
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
}

struct Connection {
    connected: Connected,
    settings: Settings,
    guard: Guard,
    state: State,
}

#[async_trait]
impl Session for Connection {
    async fn read(&mut self, statement: &Statement<'_>, rows: &mut Rows<'_>) -> Result<(), NativeFailure> {
        self.state = State::Busy;
        let result = self.within("begin read only", statement, rows).await;
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
        self.state == State::Clean && !self.connected.client.is_closed()
    }
}

impl Connection {
    fn client(&self) -> &Client {
        &self.connected.client
    }

    async fn carry_out(&mut self, work: &Work<'_>, rows: &mut Rows<'_>) -> Result<Vec<u64>, NativeFailure> {
        let begin = match work.isolation {
            Some(isolation) => format!("begin isolation level {}", isolation.sql()),
            None => "begin".to_owned(),
        };
        if let Some(key) = work.once {
            let key = Value::text(key);
            let text = format!("insert into {} (key) values ($1) on conflict do nothing", once::TABLE);
            let noted = Statement { text: &text, params: std::slice::from_ref(&key) };
            if self.within(&begin, &noted, &mut Rows::none()).await? == 0 {
                return self.done_before(&key).await;
            }
        }
        let mut counts = Vec::with_capacity(work.statements.len());
        for (index, statement) in work.statements.iter().enumerate() {
            let count = match (index, work.once) {
                (0, None) => self.within(&begin, statement, rows).await,
                _ => self.one(statement, rows).await,
            };
            counts.push(count.map_err(|failure| numbered(failure, index, work.statements.len()))?);
        }
        if let Some(key) = work.once {
            let text = format!("update {} set rows = $1 where key = $2", once::TABLE);
            let params = [Value::text(once::written(&counts)), Value::text(key)];
            self.one(&Statement { text: &text, params: &params }, &mut Rows::none()).await?;
        }
        Ok(counts)
    }

    /// What an earlier attempt has done.
    async fn done_before(&self, key: &Value) -> Result<Vec<u64>, NativeFailure> {
        let text = format!("select rows from {} where key = $1", once::TABLE);
        let statement = self.client().prepare(&text).await.map_err(|error| failure(&error, Phase::Within))?;
        let row = self.client().query_opt(&statement, &[&Param(key)]).await;
        let row = row.map_err(|error| failure(&error, Phase::Within))?;
        let written = row.and_then(|row| row.try_get::<_, Option<String>>(0).ok().flatten());
        Ok(once::read(&written.unwrap_or_default())?)
    }

    /// Begins a transaction with a statement; both go to the server together.
    async fn within(&mut self, begin: &str, first: &Statement<'_>, rows: &mut Rows<'_>) -> Result<u64, NativeFailure> {
        let prepared = futures::try_join!(self.client().batch_execute(begin), self.client().prepare(first.text));
        let ((), prepared) = prepared.map_err(|error| failure(&error, Phase::Within))?;
        self.run(&prepared, first, rows).await
    }

    async fn one(&mut self, statement: &Statement<'_>, rows: &mut Rows<'_>) -> Result<u64, NativeFailure> {
        let prepared = self.client().prepare(statement.text).await;
        self.run(&prepared.map_err(|error| failure(&error, Phase::Within))?, statement, rows).await
    }

    async fn run(
        &mut self,
        prepared: &tokio_postgres::Statement,
        statement: &Statement<'_>,
        rows: &mut Rows<'_>,
    ) -> Result<u64, NativeFailure> {
        let within = |error| failure(&error, Phase::Within);
        if prepared.params().len() != statement.params.len() {
            let (takes, has) = (prepared.params().len(), statement.params.len());
            let message = format!("the statement takes {takes} values and has {has} insertions");
            return Err(NativeFailure::never(Failure::new(ErrorKind::Invalid, message)));
        }
        let columns: Vec<String> = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
        let stream = self.client().query_raw(prepared, statement.params.iter().map(Param)).await.map_err(within)?;
        let mut stream = pin!(stream);
        while let Some(row) = stream.try_next().await.map_err(within)? {
            if rows.are_wanted()
                && let Err(failed) = take(rows, &columns, &row).await
            {
                self.state = State::Abandoned;
                return Err(failed.into());
            }
        }
        Ok(stream.rows_affected().unwrap_or(0))
    }

    /// Ends the transaction: commits what went well, and undoes what did not.
    async fn end(&mut self, result: Result<(), NativeFailure>) -> Result<(), NativeFailure> {
        match result {
            Ok(()) => match self.client().batch_execute("commit").await {
                Ok(()) => {
                    self.state = State::Clean;
                    Ok(())
                }
                Err(error) => {
                    // A commit that the server refuses has ended the transaction.
                    if error.as_db_error().is_some() {
                        self.state = State::Clean;
                    }
                    Err(failure(&error, Phase::Committing))
                }
            },
            Err(failed) => {
                if self.state == State::Busy && self.client().batch_execute("rollback").await.is_ok() {
                    self.state = State::Clean;
                }
                Err(failed)
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Connected { client, task, address, host } = &self.connected;
        if self.state != State::Clean
            && !client.is_closed()
            && self.guard.address(host, address.ip()).is_ok()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // Whoever waited has gone; the server need not go on.
            let (settings, token, address, host) =
                (self.settings.clone(), client.cancel_token(), *address, host.clone());
            runtime.spawn(async move { settings.cancel(token, address, &host).await });
        }
        if self.state != State::Clean {
            task.abort();
        }
    }
}

async fn take(rows: &mut Rows<'_>, columns: &[String], row: &Row) -> Result<(), Failure> {
    rows.take(columns, values(row)?).await
}

fn values(row: &Row) -> Result<Vec<Value>, Failure> {
    let unfit = |name: &str, why: String| Failure::new(ErrorKind::Mismatch, format!("the column `{name}` {why}"));
    let columns = row.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            let Raw(raw) = row.try_get(index).map_err(|error| unfit(column.name(), error.to_string()))?;
            decode::value(column.type_(), raw).map_err(|why| unfit(column.name(), why))
        })
        .collect()
}
