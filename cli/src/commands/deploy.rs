//! `flowc deploy --check-running`: could every run that is not over go on under this program, these settings and these
//! secrets?
//!
//! A run keeps the plan that it began with, so a changed flow is no obstacle. What it needs besides that plan is what this
//! looks at: that the plan is there and reads, an interpreter that is new enough, the secrets and variables, accounts that are
//! connected, and the native operations. Nothing is changed, and a server may be using the data folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flow_model::plan::{self, Plan};
use flow_runtime::{
    machine,
    store::{Filter, Reader, RunState, RunSummary},
};
use serde_json::{Value as Json, json};

use super::{runs::open, serve};
use crate::{
    args,
    exit::Exit,
    host::{self, Host, Surroundings},
    program::{self, Place, needs::Needs},
    trouble::Trouble,
    ui::{self, HINT, QUIET, STRONG, WELL, WRONG, plain, styled},
};

/// How many runs are named to people where many can't go on.
const MOST_NAMED: usize = 10;

/// Looks at the runs that are not over.
///
/// # Errors
/// The program has errors, or the runs can't be read.
pub(crate) fn deploy(args: &args::Deploy) -> Result<Exit, Trouble> {
    let place = Place::of(&args.program, &args.data.environment)?;
    let new = serve::served(&place, &program::served(&args.program)?)?.plans;
    let new: BTreeSet<String> = new.iter().map(|plan| plan.digest()).collect();
    let host = Host::new(&Surroundings::of(&place, &args.program, &args.data)?);
    let reader = open(&args.data, &args.program)?;
    let states = vec![RunState::Running, RunState::Waiting, RunState::NeedsDecision];
    let filter = Filter { states, limit: usize::MAX, ..Filter::default() };
    let mut versions: BTreeMap<(String, String), Version> = BTreeMap::new();
    for run in reader.list(&filter).map_err(|error| host::trouble(&error))? {
        let version = match versions.entry((run.flow.clone(), run.plan.clone())) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                let problems = problems(&reader, &host, &run.plan)?;
                let is_new = new.contains(&run.plan);
                unknown.insert(Version { is_new, problems, runs: Vec::new(), newer: BTreeSet::new() })
            }
        };
        version.add(&reader, &run)?;
    }
    let versions: Vec<_> = versions.into_iter().collect();
    ui::print(&match args.format {
        args::Format::Human => told(&versions),
        args::Format::Json => format!("{:#}\n", as_json(&versions)),
    })?;
    Ok(if versions.iter().all(|(_, version)| version.stopped().is_empty()) { Exit::Done } else { Exit::Program })
}

/// Runs that are pinned to the same plan.
struct Version {
    /// Whether it is what the program is now.
    is_new: bool,
    /// Why none of them could go on, in words.
    problems: Vec<String>,
    /// The runs, newest first.
    runs: Vec<String>,
    /// Those that a newer interpreter has begun.
    newer: BTreeSet<String>,
}

impl Version {
    fn add(&mut self, reader: &Reader, run: &RunSummary) -> Result<(), Trouble> {
        let began = reader.interpreter(&run.id).map_err(|error| host::trouble(&error))?;
        if began.is_some_and(|version| version > machine::VERSION) {
            self.newer.insert(run.id.to_string());
        }
        self.runs.push(run.id.to_string());
        Ok(())
    }

    /// The runs that could not go on.
    fn stopped(&self) -> Vec<&str> {
        let is_stopped = |run: &&String| !self.problems.is_empty() || self.newer.contains(*run);
        self.runs.iter().filter(is_stopped).map(String::as_str).collect()
    }
}

/// Why runs with a plan could not go on here.
fn problems(reader: &Reader, host: &Host, digest: &str) -> Result<Vec<String>, Trouble> {
    let Some(plan) = reader.plan(digest).map_err(|error| host::trouble(&error))? else {
        return Ok(vec!["its plan is missing: `flowc journal verify` tells more".to_owned()]);
    };
    let Ok(plan) = serde_json::from_slice::<Plan>(&plan) else {
        return Ok(vec!["its plan does not read: it is damaged, or of a newer `flowc`".to_owned()]);
    };
    if plan.version > plan::VERSION {
        let (found, known) = (plan.version, plan::VERSION);
        return Ok(vec![format!(
            "its plan has version {found}, and this `flowc` knows up to {known}: use a newer one"
        )]);
    }
    let mut needs = Needs::default();
    needs.add_unfinished(&plan);
    let missing = needs.missing(host)?.into_iter().map(|name| format!("{name} is missing"));
    needs.add_natives(&plan);
    let gone: Vec<String> =
        needs.without_code().into_iter().map(|name| format!("this `flowc` has no code for `{name}`")).collect();
    let unconnected = host.unconnected(&[Arc::new(plan)]).into_values();
    Ok(missing.chain(gone).chain(unconnected).collect())
}

type Versions = [((String, String), Version)];

fn told(versions: &Versions) -> String {
    let count = |number| ui::count(number, "run");
    let mut lines = Vec::new();
    for ((flow, digest), version) in versions {
        let short = digest.get(..12).unwrap_or(digest);
        let which = if version.is_new { "the version as it is now" } else { "an earlier version, which they keep" };
        let runs = count(version.runs.len());
        lines.push(format!("{}  {runs} of {which} {}", styled(STRONG, flow), styled(QUIET, format!("({short})"))));
        let newer = (!version.newer.is_empty()).then(|| {
            let number = count(version.newer.len());
            format!("{number} began with a newer `flowc`: use that one, or a newer one")
        });
        let because = version.problems.iter().map(|problem| plain(problem)).chain(newer);
        lines.extend(because.map(|problem| format!("  {} {problem}", styled(WRONG, "stops:"))));
        let stopped = version.stopped();
        if !stopped.is_empty() {
            let more = stopped.len().saturating_sub(MOST_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named: Vec<_> = stopped.iter().take(MOST_NAMED).copied().collect();
            lines.push(format!("         {}{more}", named.join(" ")));
        }
    }
    let all: usize = versions.iter().map(|(_, version)| version.runs.len()).sum();
    let stopped: usize = versions.iter().map(|(_, version)| version.stopped().len()).sum();
    lines.push(match (all, stopped) {
        (0, _) => format!("{}: no run is under way", styled(WELL, "well")),
        (all, 0) => format!("{}: {} can go on", styled(WELL, "well"), count(all)),
        (all, stopped) => format!(
            "{stopped} of {} could not go on\n{} set what is missing, or let them end with the version that serves now",
            count(all),
            styled(HINT, "what to do:")
        ),
    });
    lines.join("\n") + "\n"
}

/// Members are added, never changed or removed.
fn as_json(versions: &Versions) -> Json {
    let of = |((flow, digest), version): &((String, String), Version)| {
        json!({
            "flow": flow,
            "plan": digest,
            "is_current": version.is_new,
            "runs": version.runs.len(),
            "problems": version.problems,
            "newer_interpreter": version.newer,
            "stopped": version.stopped(),
        })
    };
    let well = versions.iter().all(|(_, version)| version.stopped().is_empty());
    json!({ "well": well, "versions": versions.iter().map(of).collect::<Vec<_>>() })
}
