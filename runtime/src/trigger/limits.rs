//! How much of the server's time and memory may a sender take?

use flow_model::units::Millis;

/// What a sender may take. Each limit protects the others: a sender that stays below them all holds at most one
/// connection's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, in bytes. Default 1 MiB.
    pub body: usize,
    /// How long the headers of a request may take, and how long a connection may be idle. Default 10s.
    pub header_time: Millis,
    /// How long the body may take. Default 30s.
    pub body_time: Millis,
    /// How long the sender may pause within the body. Default 10s.
    pub body_pause: Millis,
    /// How long a sender waits for what `respond` says, before it gets the run's id instead. Default 25s: most senders
    /// give up after 30s.
    pub answer_time: Millis,
    /// How many connections there may be; more wait. Default 1024.
    pub connections: usize,
    /// How many of them one address may hold; more are closed. Default 512.
    pub connections_per_peer: usize,
    /// How long requests under way may take when the server stops. Default 10s.
    pub grace: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            header_time: Millis::seconds(10),
            body_time: Millis::seconds(30),
            body_pause: Millis::seconds(10),
            answer_time: Millis::seconds(25),
            connections: 1024,
            connections_per_peer: 512,
            grace: Millis::seconds(10),
        }
    }
}
