//! What does each flow do, as a graph?
//!
//! In: the names of a program. Out: the plan and the source map of each flow, and all problems of constants, functions
//! and flows. A plan is complete in itself; of a flow with errors there is none.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::Diagnostic,
    plan::{Plan, SourceMap},
};

use crate::{names::Names, types::Definitions};

/// Checks all constants, functions and flows, and makes the plan of each flow that has no error.
pub(crate) fn plans(
    names: &Names<'_>,
    definitions: &Definitions,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<String, (Plan, SourceMap)> {
    let _ = (names, definitions, problems);
    BTreeMap::new()
}
