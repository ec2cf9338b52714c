//! The operations on databases, against real servers that the tests start and stop.

pub(crate) mod machine;
mod mysql;
mod mysql_server;
mod postgres;
pub(crate) mod postgres_server;
mod sqlite;
pub(crate) mod world;
