//! What a database has to bring.

use async_trait::async_trait;
use flow_model::{failure::Failure, value::Value};
use flow_runtime::connector::{NativeCall, NativeFailure};

use crate::{
    rows::Rows,
    statement::{Statement, Work},
};

/// A kind of database.
#[async_trait]
pub(crate) trait Dialect: Send + Sync {
    /// What tells the account of a call from others: who may use the same connections.
    fn account(&self, call: &NativeCall<'_>) -> Result<Account, Failure>;

    /// Makes a connection, to an address that the call's guard lets it.
    async fn connect(&self, call: &NativeCall<'_>) -> Result<Box<dyn Session>, NativeFailure>;
}

/// Who shares connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The settings of the connection, with what is secret in them, as a digest.
    pub(crate) digest: [u8; 32],
    /// How many connections there may be at once.
    pub(crate) most: usize,
}

/// The setting `connections`.
pub(crate) fn most_connections(call: &NativeCall<'_>) -> usize {
    match call.config("connections") {
        Value::Int(most) => usize::try_from(*most).unwrap_or(0).clamp(1, 1_000),
        _ => 4,
    }
}

/// A connection. Dropped while a statement runs, it asks the server to stop that.
#[async_trait]
pub(crate) trait Session: Send {
    /// Carries out a statement that only reads.
    async fn read(&mut self, statement: &Statement<'_>, rows: &mut Rows<'_>) -> Result<(), NativeFailure>;

    /// Carries out statements, all or none of them, and says how many rows each has changed. What they give goes into
    /// `rows`.
    async fn change(&mut self, work: &Work<'_>, rows: &mut Rows<'_>) -> Result<Vec<u64>, NativeFailure>;

    /// Says whether the connection can be used for another call: it is open, and outside of any transaction.
    fn is_clean(&self) -> bool;
}
