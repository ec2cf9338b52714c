//! Where data enters and leaves: JSON and typed values, both ways.
