//! The simulated world, as the tests of this folder call it.

use std::{path::Path, sync::Arc};

use flow_runtime::{
    engine::Engine,
    sim::{
        disk::Pace,
        process::{Life, live},
    },
};

pub(crate) use flow_runtime::sim::{
    disk::Fault,
    outside::{Made, Outside as World, Reply},
    process::{Ended, process},
};

/// A process whose store works at a pace that follows from a seed, so that its writes are the same each time.
pub(crate) fn paced<T, F: Future<Output = T>>(
    world: &Arc<World>,
    data: &Path,
    fault: Fault,
    seed: u64,
    story: impl FnOnce(Arc<Engine>) -> F,
) -> Ended<T> {
    let life = Life { fault, pace: Pace::Drawn(seed), lasts: None };
    live(world, data, &life, story).unwrap_or_else(|stuck| panic!("{stuck}"))
}
