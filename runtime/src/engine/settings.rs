//! What does the engine need from the outside?

use std::{path::PathBuf, sync::Arc};

use flow_model::units::Millis;

use crate::{
    blob::{Blobs, Disk},
    chance::{Chance, SystemChance},
    connector::Performer,
    eval::{Environment, Library},
    observe::{Observer, Unobserved},
    timer::{Clock, SystemClock},
};

/// Where runs live and what they work with.
#[derive(Clone)]
pub struct Settings {
    /// The folder that holds the journal.
    pub data: PathBuf,
    /// The bytes of files and of large values.
    pub blobs: Arc<dyn Blobs>,
    /// The standard functions.
    pub library: Library,
    /// Plain configuration.
    pub env: Arc<dyn Environment>,
    /// Carries out attempts of steps.
    pub performer: Arc<dyn Performer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub chance: Arc<dyn Chance>,
    /// Hears what happens.
    pub observer: Arc<dyn Observer>,
    /// How much at the same time.
    pub limits: Limits,
}

impl Settings {
    /// Settings with the clock and the random numbers of the machine, the usual limits, and blobs in the same folder.
    pub fn new(
        data: impl Into<PathBuf>,
        library: Library,
        env: Arc<dyn Environment>,
        performer: Arc<dyn Performer>,
    ) -> Self {
        let (data, clock) = (data.into(), Arc::new(SystemClock));
        let (chance, limits) = (Arc::new(SystemChance), Limits::default());
        let blobs = Arc::new(Disk::leaving(data.join("blobs"), limits.reserve));
        let observer = Arc::new(Unobserved);
        Self { data, blobs, library, env, performer, clock, chance, observer, limits }
    }
}

/// How much at the same time, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way. Default 256.
    pub calls: usize,
    /// Calls under way of one connection: the rest is left for others when a system does not answer. Default 64.
    pub calls_of_one: usize,
    /// Runs in memory or about to be accepted: beyond that none are accepted. Default 20 000.
    pub runs: usize,
    /// Runs of one trigger that wait for room, of one key where it has keys: beyond that none are accepted from outside.
    /// Default 10 000.
    pub waiting: usize,
    /// Runs of one trigger that wait for room, of all keys together. Default 100 000.
    pub waiting_of_all_keys: usize,
    /// The size of a step's result in the journal, in bytes. Default 16 MiB.
    pub result: usize,
    /// How many entries a run's journal grows by before it is kept how the run stands, so that it is not taken up from its
    /// first entry; more, until they are twice as long as what is kept. With 0, after each write. Default 1000.
    pub checkpoint: usize,
    /// Free disk space below which no runs are accepted, so that those under way can be recorded. Default 64 MiB. The blobs
    /// take no files then either.
    pub reserve: u64,
    /// A run that waits at least so long is put out of memory. Default 1m.
    pub park: Millis,
    /// How long calls under way have at a shutdown. Default 10s.
    pub grace: Millis,
    /// How many progress messages a slow receiver may lag behind. Default 4096.
    pub progress: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 256,
            calls_of_one: 64,
            runs: 20_000,
            waiting: 10_000,
            waiting_of_all_keys: 100_000,
            result: 16 << 20,
            checkpoint: 1000,
            reserve: 64 << 20,
            park: Millis::seconds(60),
            grace: Millis::seconds(10),
            progress: 4096,
        }
    }
}
