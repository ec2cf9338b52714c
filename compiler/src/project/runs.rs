//! How long are runs kept?
//!
//! In: `[runs]`. Out: for how long runs stay that are over. Where nothing is said, they stay for good.

use flow_model::units::Millis;

use super::{Written, table::Table};

/// `[runs]`
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// `keep`: how long a run stays after its end.
    pub keep: Option<Written<Millis>>,
}

pub(super) fn read(table: &mut Table<'_, '_>) -> Runs {
    Runs { keep: table.duration("keep") }
}
