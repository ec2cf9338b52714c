//! Rules on the program as a whole: what no single expression or statement shows.
//!
//! In: the names of a program. Out: problems. One rule a file; this list is the table of contents.

mod echo;
mod owner;
mod personal;
mod route;
mod sequence;
mod sunset;

use flow_model::diagnostic::Diagnostic;

pub(crate) use self::{
    owner::{Sent, sent_elsewhere},
    personal::{ArgumentSpans, Personal},
    sunset::sunset,
};
use crate::names::Names;

/// All rules that look at several flows or connections together; `sent` is what flows send of secrets.
pub(crate) fn across_flows(names: &Names<'_>, sent: Vec<Sent>) -> Vec<Diagnostic> {
    let mut problems = route::route(names);
    problems.append(&mut sequence::sequence(names));
    problems.append(&mut echo::echo(names));
    problems.append(&mut owner::shared(names));
    problems.append(&mut owner::sent_to_several(names, sent));
    problems
}
