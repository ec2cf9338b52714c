//! All tests that look at more than one crate, in one binary: it links once and its tests run side by side.

#![expect(clippy::unwrap_used, reason = "a test that can't go on ends there")]

mod cases;
mod composite;
mod connectors;
mod counterparts;
mod databases;
mod declared;
mod drawn;
mod e2e;
mod examples;
mod executed;
mod facts;
mod faults;
mod functions;
mod fuzzed;
mod imports;
mod kafka;
mod layout;
mod mail;
mod mistakes;
mod natives;
mod programs;
mod query;
mod reference;
mod reliability;
mod rotating;
mod seeds;
mod tested;
mod tidy;
mod webhooks;
