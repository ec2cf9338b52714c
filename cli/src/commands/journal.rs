//! `flowc journal`: is what is on disk still what was written, how small can it be, and where do its runs go on?

use flow_runtime::{
    engine::Removed,
    store::{self, Kept, Repaired, Verified},
    timer::{Clock as _, SystemClock},
};
use serde_json::json;

use super::runs::{folder, open};
use crate::{
    args,
    exit::Exit,
    host::{self, Host, Surroundings},
    program,
    trouble::Trouble,
    ui::{self, HINT, QUIET, STRONG, WELL, WRONG, plain, styled},
};

/// Looks at every journal, makes the data folder small, or lets a copy go on.
///
/// # Errors
/// There are no runs, the database can't be read at all, or another process uses the folder that is to be made small.
pub(crate) fn journal(args: &args::Journal) -> Result<Exit, Trouble> {
    match &args.command {
        args::JournalCommand::Verify(args) => verify(args),
        args::JournalCommand::Compact(args) => compact(args),
        args::JournalCommand::Adopt(args) => adopt(args),
        args::JournalCommand::Repair(args) => repair(args),
    }
}

fn repair(args: &args::JournalRepair) -> Result<Exit, Trouble> {
    let data = folder(&args.data, &args.program)?;
    let repaired =
        host::block_on(async { store::repair(&data, SystemClock.now()).await.map_err(|error| host::trouble(&error)) })?;
    if repaired.is_empty() {
        ui::print("nothing to repair: no run that is under way is damaged\n")?;
        return Ok(Exit::Done);
    }
    let told = repaired.iter().map(|Repaired { kept, damage, copy }| {
        format!(
            "run {} of `{}` was {} and is {} now: {damage}\n  what there is of it is in {}\n",
            styled(STRONG, &kept.run),
            kept.flow,
            kept.state,
            styled(WRONG, "failed"),
            copy.display()
        )
    });
    ui::print(&told.collect::<String>())?;
    ui::print(&format!(
        "{} look at what each has done where it did it, and start it anew\n",
        styled(HINT, "what to do:")
    ))?;
    Ok(Exit::Done)
}

fn adopt(args: &args::JournalAdopt) -> Result<Exit, Trouble> {
    let data = folder(&args.data, &args.program)?;
    let was_copy = store::adopt(&data).map_err(|error| host::trouble(&error))?;
    ui::print(&match was_copy {
        true => format!("the runs in {} go on there from now on: see that no other copy is served\n", data.display()),
        false => format!("the runs in {} go on there already\n", data.display()),
    })?;
    Ok(Exit::Done)
}

fn compact(args: &args::JournalCompact) -> Result<Exit, Trouble> {
    let place = program::Place::of(&args.program, &args.data.environment)?;
    // How long runs are kept stands there.
    place.check_project()?;
    let surroundings = Surroundings::of(&place, &args.program, &args.data)?;
    let (host, data) = (Host::new(&surroundings), surroundings.data);
    // A folder without runs is not made one with runs.
    let trouble = |error| host::trouble(&error);
    store::read(&data).map_err(trouble)?;
    let keep = args.keep.or(place.project().runs.keep.map(|keep| keep.value));
    let removed = host::block_on(async {
        let engine = host.open(&data)?;
        engine.hold();
        let removed = engine.tidy(keep).await.map_err(trouble);
        engine.shutdown().await;
        removed
    })?;
    let sizes = store::compact(&data).map_err(trouble)?;
    let Removed { runs, plans, bytes } = removed;
    let count = |number: u64, what| ui::count(usize::try_from(number).unwrap_or(usize::MAX), what);
    ui::print(&format!(
        "removed {}, {}, and {} of large values and files\nthe database has {}, and had {}\n",
        count(runs, "run"),
        count(plans, "plan"),
        size(bytes),
        styled(STRONG, size(sizes.after)),
        size(sizes.before),
    ))?;
    Ok(Exit::Done)
}

/// `1.2 MB`
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

fn verify(args: &args::JournalVerify) -> Result<Exit, Trouble> {
    let verified = open(&args.of.data, &args.of.path)?.verify().map_err(|error| host::trouble(&error))?;
    ui::print(&match args.of.format {
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
    let ended = ui::count(verified.repaired.len(), "run");
    if verified.is_well() {
        return match verified.repaired.is_empty() {
            true => format!("{}: {looked} as they were written\n", styled(WELL, "well")),
            false => {
                let which = verified.repaired.iter().map(|(kept, how)| format!("\n  {}: {how}", run(kept)));
                let which = which.collect::<String>();
                let well = styled(WELL, "well");
                format!("{well}: {looked} as they were written, but for {ended} that `repair` has ended:{which}\n")
            }
        };
    }
    let mut hurt = verified.damaged.iter().map(|(kept, _)| kept).chain(&verified.without_plan);
    let help = match (verified.pages.is_empty(), hurt.any(|kept| !kept.state.is_final())) {
        (true, true) => {
            "\
nothing was changed. A damaged run never goes on; all others do.
  To have it back, stop the server and put a copy of the data folder in its place that was made before;
  without one, `flowc journal repair` ends the runs that can't go on: look at what each has done where it did it, and
  start it anew"
        }
        (true, false) => {
            "\
nothing was changed, and nothing waits: these runs are over. What they did can't be retried or replayed from here;
  a copy of the data folder that was made before has it"
        }
        (false, _) => {
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
        "repaired": verified.repaired.iter().map(|(kept, damage)| {
            let mut told = of(kept);
            told["damage"] = json!(damage);
            told
        }).collect::<Vec<_>>(),
        "without_plan": verified.without_plan.iter().map(of).collect::<Vec<_>>(),
        "pages": verified.pages,
    })
}
