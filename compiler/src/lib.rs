//! Flow text in, diagnostics and plans out.
mod ast;
mod names;
