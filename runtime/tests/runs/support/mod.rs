//! What the tests share: plans built by hand, random plans, a simulated world.

pub(crate) mod build;
pub(crate) mod play;
pub(crate) mod random;
pub(crate) mod sim;
