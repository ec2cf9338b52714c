//! Was every promise kept?
//!
//! In: what senders were told, what journals say, and what the systems outside saw. Out: what contradicts a promise. The
//! engine is not asked: it is what is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::plan::Plan;

use super::outside::Made;
use crate::{
    connector::Reached,
    eval::Library,
    journal::{self, Row, RunId},
    machine::{self, Decision, Event, Place, Record, Said},
    store::{RunState, RunSummary},
};

/// What users are promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// O1: every accepted event ends in exactly one way, or waits for a stated reason.
    Ends,
    /// O2: a call that is not safe to repeat is recorded before it leaves, is made again only when it is known that it did
    /// nothing or a person says so, and never twice at the same time.
    Once,
    /// O3: what is recorded stays as it is, and leads to the same run again.
    Stays,
    /// O4: no secret is in any file, as it is or encoded.
    Secret,
    /// O5: something was done.
    Progress,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// What contradicts it, in words.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.promise {
            Promise::Ends => "O1",
            Promise::Once => "O2",
            Promise::Stays => "O3",
            Promise::Secret => "O4",
            Promise::Progress => "O5",
        };
        write!(f, "{name}: {}", self.what)
    }
}

/// A run as a store has it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// How it stands.
    pub summary: RunSummary,
    /// Its journal.
    pub rows: Vec<Row>,
    /// The plan that it is pinned to.
    pub plan: Arc<Plan>,
}

/// What is known of a story when it is over.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What senders were told: the event's key and the run, for each time.
    pub accepted: Vec<(String, RunId)>,
    /// The runs in the end.
    pub runs: Vec<Kept>,
    /// The journals as they were at earlier times.
    pub earlier: Vec<BTreeMap<RunId, Vec<Row>>>,
    /// What the systems outside saw.
    pub made: Vec<Made>,
    /// Texts that must not be in any of [`files`](Self::files).
    pub secrets: Vec<String>,
    /// What lies on the disk, by name.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Says which promises were broken.
pub fn judge(evidence: &Evidence) -> Vec<Broken> {
    let mut court = Court { evidence, broken: Vec::new() };
    court.ends();
    court.stays();
    for run in &evidence.runs {
        court.once(run);
    }
    court.overlaps();
    court.secrets();
    if evidence.accepted.is_empty() || evidence.made.iter().all(|made| !made.applied) {
        court.say(Promise::Progress, "nothing was done".to_owned());
    }
    court.broken
}

struct Court<'a> {
    evidence: &'a Evidence,
    broken: Vec<Broken>,
}

impl Court<'_> {
    fn say(&mut self, promise: Promise, what: String) {
        self.broken.push(Broken { promise, what });
    }

    fn ends(&mut self) {
        let mut runs: BTreeMap<&str, &RunId> = BTreeMap::new();
        for (event, run) in &self.evidence.accepted {
            match runs.get(event.as_str()) {
                Some(first) if *first != run => {
                    self.say(Promise::Ends, format!("the event {event} started the runs {first} and {run}"));
                }
                _ => {
                    runs.insert(event, run);
                }
            }
        }
        let known: BTreeSet<_> = self.evidence.runs.iter().map(|run| &run.summary.id).collect();
        for (event, run) in runs {
            if !known.contains(run) {
                self.say(Promise::Ends, format!("the event {event} was accepted as run {run}, which is not there"));
            }
        }
        for Kept { summary, rows, .. } in &self.evidence.runs {
            let ends = rows.iter().filter(|row| matches!(said(row), Some(Said::Record(Record::Ended(_))))).count();
            let RunSummary { id, state, reason, .. } = summary;
            let is_stated = reason.as_ref().is_some_and(|reason| !reason.is_empty());
            match (state.is_final(), ends) {
                (true, 1) => {}
                (false, 0) if *state != RunState::Running && is_stated => {}
                (false, 0) => self.say(Promise::Ends, format!("run {id} is {state} and says not why")),
                (_, ends) => self.say(Promise::Ends, format!("run {id} is {state} and ends {ends} times")),
            }
        }
    }

    fn stays(&mut self) {
        for Kept { summary, rows, plan } in &self.evidence.runs {
            let id = &summary.id;
            for earlier in self.evidence.earlier.iter().filter_map(|rows| rows.get(id)) {
                if !rows.starts_with(earlier) {
                    self.say(Promise::Stays, format!("entries of run {id} were changed or taken away"));
                }
            }
            match journal::read(id, rows) {
                Err(damage) => self.say(Promise::Stays, format!("the journal of run {id}: {damage}")),
                Ok((entries, _)) => {
                    let said = entries.iter().map(|entry| (entry.at, &entry.said));
                    let again = machine::replay(id.as_str(), Arc::clone(plan), Library::default(), said);
                    match again {
                        Err(diverged) => self.say(Promise::Stays, format!("the journal of run {id}: {diverged}")),
                        Ok(machine) if machine.outcome() != summary.outcome.as_ref() => {
                            self.say(Promise::Stays, format!("run {id} ends in another way when it is replayed"));
                        }
                        Ok(_) => {}
                    }
                }
            }
        }
        for run in self.evidence.earlier.iter().flat_map(BTreeMap::keys) {
            if !self.evidence.runs.iter().any(|kept| kept.summary.id == *run) {
                self.say(Promise::Stays, format!("run {run} was there and is not any more"));
            }
        }
    }

    /// Compares what left with what the journal permits to leave.
    fn once(&mut self, run: &Kept) {
        let mut permits: BTreeMap<Place, Permits> = BTreeMap::new();
        for row in &run.rows {
            match said(row) {
                Some(Said::Event(Event::Began { place, .. })) => permits.entry(place).or_default().begun += 1,
                Some(Said::Event(Event::Attempted { place, outcome, reached, .. })) => {
                    let permits = permits.entry(place).or_default();
                    permits.results += usize::from(outcome.is_ok());
                    permits.again += usize::from(outcome.is_err() && reached == Reached::Never);
                }
                Some(Said::Event(Event::Resolved { place, decision: Decision::Retry })) => {
                    permits.entry(place).or_default().again += 1;
                }
                _ => {}
            }
        }
        let id = &run.summary.id;
        for (place, Permits { begun, again, results }) in permits {
            let key = place.key(id.as_str());
            let calls: Vec<_> = self.evidence.made.iter().filter(|made| made.key == key && !made.repeatable).collect();
            if calls.is_empty() {
                continue;
            }
            if calls.len() > begun {
                self.say(Promise::Once, format!("`{place}` of run {id} left {} times, and began {begun}", calls.len()));
            }
            if calls.len() > 1 + again {
                self.say(Promise::Once, format!("`{place}` of run {id} was made again without leave"));
            }
            if results > 1 {
                self.say(Promise::Once, format!("`{place}` of run {id} has {results} results"));
            }
        }
    }

    fn overlaps(&mut self) {
        let made = &self.evidence.made;
        for (index, first) in made.iter().enumerate().filter(|(_, made)| !made.repeatable) {
            let same = |later: &&Made| later.key == first.key && later.life == first.life;
            for later in made.iter().skip(index + 1).filter(same) {
                if first.ended.is_none_or(|ended| ended > later.at) {
                    let what =
                        format!("two calls of `{}` with the key {} were under way at once", first.operation, first.key);
                    self.say(Promise::Once, what);
                }
            }
        }
    }

    fn secrets(&mut self) {
        for secret in &self.evidence.secrets {
            for form in forms(secret) {
                for (name, bytes) in &self.evidence.files {
                    if bytes.windows(form.len()).any(|window| window == form.as_bytes()) {
                        self.say(Promise::Secret, format!("`{name}` has a secret in it"));
                    }
                }
            }
        }
    }
}

/// How often a step may leave.
#[derive(Default)]
struct Permits {
    begun: usize,
    again: usize,
    results: usize,
}

fn said(row: &Row) -> Option<Said> {
    serde_json::from_str::<journal::Entry>(&row.body).ok().map(|entry| entry.said)
}

/// The ways in which a text is written down: as it is, in JSON, in a URL, in hexadecimal, and in Base64 at each of the three
/// places where it can stand there.
pub fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([
        secret.to_owned(),
        serde_json::Value::from(secret).to_string().trim_start_matches('"').trim_end_matches('"').to_owned(),
        percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
        hex::encode(secret),
        hex::encode_upper(secret),
    ]);
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret.as_bytes());
        // What stands before and after the secret changes the letters at its edges.
        let encoded = STANDARD.encode(&bytes);
        let first = (before * 8).div_ceil(6);
        let last = bytes.len() * 8 / 6;
        forms.extend(encoded.get(first..last).map(str::to_owned));
    }
    forms.retain(|form| form.len() >= 4);
    forms
}
