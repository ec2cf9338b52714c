//! Where in a run something happens.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A node of the plan, in one pass through the loops around it. A run comes to each place once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The node's path.
    pub path: String,
    /// The index of the item in each loop around it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<u64>,
}

impl Place {
    /// The idempotency key of a step without one of its author's: SHA-256 over run, path and indexes, in hexadecimal.
    pub fn key(&self, run: &str) -> String {
        let mut digest = Sha256::new();
        for part in [run, &self.path] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        for index in &self.indexes {
            digest.update(index.to_be_bytes());
        }
        hex::encode(digest.finalize())
    }

    /// Says whether people mean this place by a text: the path with the indexes, or the path alone.
    pub fn is_called(&self, text: &str) -> bool {
        text == self.path || text == self.to_string()
    }
}

/// Writes `shortages/orders.execute[3]`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.indexes.iter().try_for_each(|index| write!(f, "[{index}]"))
    }
}
