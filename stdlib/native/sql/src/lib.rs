//! Statements in databases: PostgreSQL, SQLite, MySQL and MariaDB.
//!
//! In: calls of the operations that `stdlib/connectors/{postgres,sqlite,mysql}` declare `native`. Out: their results, or failures in the
//! kinds that programs know. What a program inserts into a statement is bound and never becomes part of its text. What
//! reads runs in a transaction that may only read, so that what is declared safe to repeat is. What writes runs in a
//! transaction too: a connection that is lost before it is committed has changed nothing.

mod dialect;
mod mysql;
mod once;
mod placeholders;
mod pool;
mod postgres;
mod rows;
mod sqlite;
mod statement;
mod tls;

use std::sync::Arc;

use async_trait::async_trait;
use flow_model::value::Value;
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};

use self::{
    dialect::{Dialect, Session},
    pool::Pool,
    rows::Rows,
    statement::{Statement, Work},
};

/// Binds the operations of the connectors; those of one share their connections.
#[must_use]
pub fn bind(table: NativeTable) -> NativeTable {
    let table = bind_one(table, "postgres", Arc::new(postgres::Postgres));
    let table = bind_one(table, "sqlite", Arc::new(sqlite::Sqlite));
    bind_one(table, "mysql", Arc::new(mysql::Mysql)).local("sqlite")
}

fn bind_one(mut table: NativeTable, connector: &str, dialect: Arc<dyn Dialect>) -> NativeTable {
    let pool = Arc::new(Pool::new(dialect));
    for (name, kind) in OPERATIONS {
        table.insert(connector, name, Arc::new(Operation { kind, pool: Arc::clone(&pool) }));
    }
    table
}

const OPERATIONS: [(&str, Kind); 8] = [
    ("query_one", Kind::QueryOne),
    ("query_all", Kind::QueryAll),
    ("query", Kind::Query),
    ("execute", Kind::Execute),
    ("ensure", Kind::Execute),
    ("change", Kind::Change),
    ("transaction", Kind::Transaction),
    ("once", Kind::Once),
];

#[derive(Clone, Copy)]
enum Kind {
    QueryOne,
    QueryAll,
    Query,
    Execute,
    Change,
    Transaction,
    Once,
}

struct Operation {
    kind: Kind,
    pool: Arc<Pool>,
}

#[async_trait]
impl NativeOperation for Operation {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        if let (Kind::Query, Value::File(left)) = (self.kind, call.cursor()) {
            return Ok(rows::page(&call, left).await?);
        }
        let unsent = NativeFailure::never;
        let work = match self.kind {
            Kind::Transaction | Kind::Once => Work::many(&call),
            _ => Statement::of(call.arg("sql")).map(Work::one),
        };
        let work = Work { once: matches!(self.kind, Kind::Once).then(|| call.key()), ..work.map_err(unsent)? };
        // A connection that was idle may have been closed by the server; nothing has happened then, and there are no
        // more such connections than idle ones.
        loop {
            let mut taken = self.pool.take(&call).await?;
            let result = self.attempt(&call, &work, taken.session()).await;
            match result {
                Err(failure) if taken.is_stale(&failure) => {}
                result => {
                    taken.give_back();
                    return result;
                }
            }
        }
    }
}

impl Operation {
    async fn attempt(
        &self,
        call: &NativeCall<'_>,
        work: &Work<'_>,
        session: &mut dyn Session,
    ) -> Result<Value, NativeFailure> {
        let statement = || work.statements.first().ok_or_else(statement::none);
        let mut rows = match self.kind {
            Kind::QueryOne => Rows::one(call),
            Kind::QueryAll | Kind::Change => Rows::all(call),
            Kind::Query => Rows::paged(call),
            Kind::Execute | Kind::Transaction | Kind::Once => Rows::none(),
        };
        Ok(match self.kind {
            Kind::QueryOne | Kind::QueryAll | Kind::Query => {
                session.read(statement()?, &mut rows).await?;
                rows.finish().await?
            }
            Kind::Change => {
                session.change(work, &mut rows).await?;
                rows.finish().await?
            }
            Kind::Execute => {
                let changed = session.change(work, &mut rows).await?;
                counted(changed.first().copied().unwrap_or(0))
            }
            Kind::Transaction | Kind::Once => {
                Value::List(session.change(work, &mut rows).await?.into_iter().map(counted).collect())
            }
        })
    }
}

/// How many rows a statement has changed.
fn counted(rows: u64) -> Value {
    Value::record([("rows", Value::Int(i64::try_from(rows).unwrap_or(i64::MAX)))])
}
