//! `flowc runs export`: all that is known of a run, for programs and for those who look into it elsewhere.

use flow_runtime::{journal, store::Reader};
use serde_json::{Value as Json, json};

use super::{all_of, details, find, open};
use crate::{args, exit::Exit, host, trouble::Trouble, ui};

/// The version of the form. Members are added, never changed or removed.
const VERSION: u32 = 1;

/// Writes a run.
///
/// # Errors
/// There is no such run, or its journal is damaged.
pub(super) fn export(args: &args::RunsExport) -> Result<(), Trouble> {
    let reader = open(&args.of.data, &args.of.program)?;
    let run = find(&reader, &args.of.run)?;
    ui::print(&format!("{:#}\n", exported(&reader, &run)?))
}

fn exported(reader: &Reader, run: &flow_runtime::store::RunSummary) -> Result<Json, Trouble> {
    let trouble = |error| host::trouble(&error);
    let rows = reader.rows(&run.id).map_err(trouble)?;
    let (entries, _) = journal::read(&run.id, &rows).map_err(|damage| {
        Trouble::new(Exit::Environment, format!("the journal of run `{}` is damaged: {damage}", run.id))
            .help("`flowc journal verify` tells more")
    })?;
    let plan = reader.plan(&run.plan).map_err(trouble)?;
    let plan: Option<Json> = plan.and_then(|plan| serde_json::from_slice(&plan).ok());
    let events: Vec<Json> = reader
        .events(&run.id)
        .map_err(trouble)?
        .iter()
        .map(|event| json!({ "event": event.event, "at": super::at(event.at), "value": event.value.to_json() }))
        .collect();
    Ok(json!({
        "version": VERSION,
        "run": details(&all_of(reader, &run.id)?),
        "plan": plan,
        "journal": entries.iter().map(|entry| json!({ "at": super::at(entry.at), "said": entry.said })).collect::<Vec<_>>(),
        "events": events,
    }))
}
