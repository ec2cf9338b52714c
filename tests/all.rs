//! All tests that look at more than one crate, in one binary: it links once and its tests run side by side.

mod tidy;
