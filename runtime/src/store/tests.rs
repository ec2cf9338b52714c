//! What every store keeps.
