//! What the benches share: servers as processes, and those who send them requests.

pub mod client;
pub mod process;
