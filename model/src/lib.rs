//! The nouns that all crates of Flow share.
//!
//! In: nothing. Out: spans, types, values, expressions, connector schemas, plans, failures and the registry of
//! diagnostic codes. Left out on purpose: parsing, checking and execution; this crate does no I/O.

pub mod boundary;
pub mod case;
pub mod cron;
pub mod csv;
pub mod currency;
pub mod diagnostic;
pub mod expr;
pub mod failure;
pub mod file;
pub mod function;
pub mod literal;
pub mod mask;
pub mod plan;
pub mod schema;
mod shared;
pub mod span;
pub mod ty;
pub mod units;
pub mod value;
