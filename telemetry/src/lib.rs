//! What runs do, as metrics and spans.
