//! Native operations that need no crate of their own.
