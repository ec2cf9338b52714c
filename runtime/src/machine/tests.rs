//! Runs of plans built by hand.
