//! What starts runs from outside: requests, webhooks and schedules.
//!
//! In: plans with triggers, and an engine that accepts runs. Out: runs, each on disk before its sender hears of it. A
//! request goes through [`received`] (into memory, within limits), [`event`] (verified, parsed, typed, keyed) and
//! [`handle`] (submitted, answered); [`call`] is for flows that are called. Left out on purpose: what runs do, and encryption, which is the proxy's.

mod call;
mod challenge;
mod counters;
mod event;
mod file;
mod form;
mod handle;
mod limits;
mod mark;
mod multipart;
mod pattern;
mod payload;
mod poll;
mod probe;
mod problem;
mod received;
mod rhythm;
mod route;
mod schedule;
mod serve;
mod server;
#[cfg(test)]
mod tests;
mod trial;
pub mod verify;

pub use self::{
    call::calls,
    counters::{Counters, Counts},
    limits::Limits,
    mark::{Polled, ReadFrom, Standing, polled},
    pattern::{Pattern, Stamp},
    route::{Error as RouteError, Route, Verified, routes},
    schedule::{Schedule, schedules},
    serve::{Error, Settings, serve},
    trial::{Delivered, Event, Sent, Surroundings, delivered},
};
