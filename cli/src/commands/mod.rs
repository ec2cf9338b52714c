//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod explain;
pub(crate) mod graph;
mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod serve;
