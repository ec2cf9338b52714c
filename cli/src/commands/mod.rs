//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod connections;
pub(crate) mod connectors;
pub(crate) mod dead_letters;
pub(crate) mod deploy;
pub(crate) mod doc;
pub(crate) mod explain;
pub(crate) mod facts;
pub(crate) mod fmt;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod journal;
pub(crate) mod lsp;
pub(crate) mod new;
pub(crate) mod polls;
pub(crate) mod read_pdf;
mod reload;
pub(crate) mod render_pdf;
mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod test;
pub(crate) mod webhooks;
