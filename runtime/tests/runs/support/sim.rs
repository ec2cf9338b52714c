//! The simulated world, as the tests of this folder call it.

pub(crate) use flow_runtime::sim::{
    disk::Fault,
    outside::{Made, Outside as World, Reply},
    process::{Ended, process},
};
