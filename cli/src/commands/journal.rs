//! `flowc journal verify`: is what is on disk still what was written?

use flow_runtime::store::{Kept, Verified};
use serde_json::json;

use super::runs::open;
use crate::{
    args,
    exit::Exit,
    host,
    trouble::Trouble,
    ui::{self, HINT, QUIET, STRONG, WELL, WRONG, plain, styled},
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
    let damaged = |what: String, how: String| format!("{} {what}: {how}", styled(WRONG, "damaged"));
    let run = |kept: &Kept| format!("run {} of `{}`, {}", styled(STRONG, &kept.run), kept.flow, kept.state);
    let mut lines: Vec<String> =
        verified.pages.iter().map(|line| damaged("the database".to_owned(), plain(line))).collect();
    lines.extend(verified.damaged.iter().map(|(kept, damage)| damaged(run(kept), damage.to_string())));
    lines.extend(
        verified.without_plan.iter().map(|kept| damaged(run(kept), "its plan is missing or changed".to_owned())),
    );
    let looked = format!(
        "{} with {}",
        ui::count(usize::try_from(verified.runs).unwrap_or(usize::MAX), "run"),
        entries(verified.entries)
    );
    if verified.is_well() {
        return format!("{}: {looked} as they were written\n", styled(WELL, "well"));
    }
    let help = match verified.pages.is_empty() {
        true => {
            "\
nothing was changed. A damaged run never goes on; all others do.
  To have it back, stop the server and put a copy of the data folder in its place that was made before;
  without one, look at what the run has done where it did it, and start it anew"
        }
        false => {
            "\
nothing was changed. Stop the server, keep a copy of the data folder as it is, and put one in its place
  that was made before"
        }
    };
    lines.push(format!("{}\n{} {}", styled(QUIET, format!("of {looked}")), styled(HINT, "what to do:"), help));
    lines.join("\n") + "\n"
}

fn entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

/// Members are added, never changed or removed.
fn as_json(verified: &Verified) -> serde_json::Value {
    let of = |kept: &Kept| json!({ "run": kept.run, "flow": kept.flow, "state": kept.state });
    let damaged = verified.damaged.iter().map(|(kept, damage)| {
        let mut told = of(kept);
        told["damage"] = json!(damage.to_string());
        told
    });
    json!({
        "well": verified.is_well(),
        "runs": verified.runs,
        "entries": verified.entries,
        "damaged": damaged.collect::<Vec<_>>(),
        "without_plan": verified.without_plan.iter().map(of).collect::<Vec<_>>(),
        "pages": verified.pages,
    })
}
