//! `flowc journal verify`: is what is on disk still what was written?

use flow_runtime::store::Verified;
use serde_json::json;

use super::runs::open;
use crate::{
    args,
    exit::Exit,
    host,
    trouble::Trouble,
    ui::{self, QUIET, STRONG, WELL, WRONG, plain, styled},
};

/// Looks at every journal.
///
/// # Errors
/// There are no runs, or the database can't be read at all.
pub(crate) fn journal(args: &args::Journal) -> Result<Exit, Trouble> {
    let args::JournalCommand::Verify(args) = &args.command;
    let verified = open(&args.data, &args.program)?.verify().map_err(|error| host::trouble(&error))?;
    ui::print(&match args.format {
        args::Format::Human => told(&verified),
        args::Format::Json => format!("{:#}\n", as_json(&verified)),
    })?;
    Ok(if verified.is_well() { Exit::Done } else { Exit::Environment })
}

fn told(verified: &Verified) -> String {
    let mut lines = Vec::new();
    for line in &verified.pages {
        lines.push(format!("{} the database: {}", styled(WRONG, "damaged"), plain(line)));
    }
    for (run, damage) in &verified.damaged {
        lines.push(format!("{} run {}: {damage}", styled(WRONG, "damaged"), styled(STRONG, run)));
    }
    for run in &verified.without_plan {
        lines.push(format!("{} run {}: its plan is missing or changed", styled(WRONG, "damaged"), styled(STRONG, run)));
    }
    let looked = format!(
        "{} with {}",
        ui::count(usize::try_from(verified.runs).unwrap_or(usize::MAX), "run"),
        entries(verified.entries)
    );
    lines.push(match verified.is_well() {
        true => format!("{}: {looked} as they were written", styled(WELL, "well")),
        false => styled(
            QUIET,
            format!("{looked}; damaged runs do not go on, the others do: take them from a copy of the data folder"),
        ),
    });
    lines.join("\n") + "\n"
}

fn entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

/// Members are added, never changed or removed.
fn as_json(verified: &Verified) -> serde_json::Value {
    let damaged: Vec<_> =
        verified.damaged.iter().map(|(run, damage)| json!({ "run": run, "damage": damage.to_string() })).collect();
    json!({
        "well": verified.is_well(),
        "runs": verified.runs,
        "entries": verified.entries,
        "damaged": damaged,
        "without_plan": verified.without_plan,
        "pages": verified.pages,
    })
}
