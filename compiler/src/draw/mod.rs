//! What does a plan look like?
//!
//! In: a plan. Out: a drawing as text, for [Mermaid](https://mermaid.js.org/syntax/flowchart.html) and for
//! [Graphviz](https://graphviz.org/doc/info/lang.html). What runs at the same time, again, or under the watch of a
//! `catch` stands in a frame; ways out of a decision carry what decides.

mod dot;
mod layout;
mod mermaid;

pub(crate) use layout::trigger_text;

pub use dot::dot;
pub use mermaid::mermaid;

use layout::{Frame, Item, Layout, Line, Shape, layout};
