//! Runs of plans on the machine and the engine, on a simulated world.
//!
//! The world outside is scripted: what connectors answer, the clock, and where the process ends. All parts inside are the
//! real ones, with SQLite in a temporary folder.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test says what failed by where it stopped")]

mod again;
mod ask;
mod asleep;
mod cases;
mod checkpoints;
mod conformance;
mod control;
mod crash;
mod durability;
mod earlier;
mod engine;
mod golden;
mod limits;
mod machine;
mod others;
mod outage;
mod proofs;
mod random;
mod reliability;
mod seam;
mod simulated;
mod store;
mod streams;
mod support;
mod undo;
