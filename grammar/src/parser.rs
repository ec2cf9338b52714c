//! The parser that pest derives from `flow.pest`. Nothing outside of this crate sees its types.

#![allow(missing_docs, reason = "pest derives undocumented items")]

use pest_derive::Parser;

#[derive(Parser)]
#[grammar = "../flow.pest"]
pub(crate) struct FlowParser;
