//! How many requests came to what?
//!
//! Of a request that starts no run, this is all that is kept.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

/// Counts requests and events. All counts begin at zero when the process does.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    duplicates: AtomicU64,
    ignored: AtomicU64,
    unverified: AtomicU64,
    conflicts: AtomicU64,
    unavailable: AtomicU64,
    faulty: AtomicU64,
    polls_failed: AtomicU64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that started a run.
    pub accepted: u64,
    /// Events that had started a run before.
    pub duplicates: u64,
    /// Verified deliveries without an event that a flow asks for.
    pub ignored: u64,
    /// Requests that did not prove where they come from.
    pub unverified: u64,
    /// Requests with the key of another event.
    pub conflicts: u64,
    /// Requests that came when no run could be accepted.
    pub unavailable: u64,
    /// All other requests that started nothing: no such path, too large, malformed, unfit.
    pub faulty: u64,
    /// Looks at a system that listed nothing, because it could not be read.
    pub polls_failed: u64,
}

impl Counts {
    /// Each count with its name in metrics.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("accepted", self.accepted),
            ("duplicate", self.duplicates),
            ("ignored", self.ignored),
            ("unverified", self.unverified),
            ("conflict", self.conflicts),
            ("unavailable", self.unavailable),
            ("faulty", self.faulty),
            ("poll_failed", self.polls_failed),
        ]
    }
}

impl Counters {
    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            accepted: of(&self.accepted),
            duplicates: of(&self.duplicates),
            ignored: of(&self.ignored),
            unverified: of(&self.unverified),
            conflicts: of(&self.conflicts),
            unavailable: of(&self.unavailable),
            faulty: of(&self.faulty),
            polls_failed: of(&self.polls_failed),
        }
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn duplicate(&self) {
        self.duplicates.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn poll_failed(&self) {
        self.polls_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ignored(&self) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn problem(&self, status: StatusCode) {
        let counter = match status {
            StatusCode::UNAUTHORIZED => &self.unverified,
            StatusCode::CONFLICT => &self.conflicts,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => &self.unavailable,
            _ => &self.faulty,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
