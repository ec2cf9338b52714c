//! Plans in, durable runs out.
//!
//! In: compiled plans, standard functions, the environment and native operations, all handed in by `cli`. Out: runs that
//! survive crashes, and their history. This is the only crate with async code. Left out on purpose: the language; nothing
//! here knows how a program is written.

pub mod blob;
pub mod chance;
pub mod connector;
pub mod control;
pub mod egress;
pub mod engine;
pub mod eval;
mod header;
pub mod journal;
pub mod machine;
pub mod observe;
pub mod secret;
pub mod sim;
pub mod store;
pub mod timer;
pub mod trigger;
pub mod worker;
