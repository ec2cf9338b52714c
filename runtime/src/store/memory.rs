//! Journals in memory: for tests, and the plain statement of what a store does.
//!
//! Nothing outlives the process, so nothing is durable; in all else it answers as [`Sqlite`](super::Sqlite) does, and the
//! same tests are run for both.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use flow_model::{file::Sha256, plan::Keep, units::Instant, value::Value};

use super::{
    Batch, Begun, Bus, Committed, DeadLetter, Dedupe, Done, Error, Expiry, Filter, GATHERS, Gate, Gather, Gathered,
    LISTED_CAUSE, Letter, Letters, Mark, NO_ROOM, NewRun, Note, Rank, RunDetail, RunState, RunSummary, SameBody, Store,
    Tidied, Unfinished, WhichLetters, large::refers, write::text,
};
use crate::{
    journal::{self, Checkpoint, History, Row, RunId},
    machine::{Event, Place, Start, Wanted},
};

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    plans: BTreeMap<String, Vec<u8>>,
    runs: BTreeMap<RunId, Kept>,
    dedupe: BTreeMap<(String, String), Known>,
    letters: BTreeMap<i64, (DeadLetter, Option<String>)>,
    notes: BTreeMap<(String, String), String>,
    /// By event, run, and the text of the place.
    waits: BTreeMap<(String, RunId, String), (Place, Option<Wanted>)>,
    mail: BTreeMap<i64, (RunId, Event)>,
    /// By scope and key.
    gatherings: BTreeMap<(String, String), Gathering>,
    /// Events, with their ranks.
    gathered: BTreeMap<RunId, Vec<(Option<Rank>, Value)>>,
    accepted: u64,
}

/// A run.
#[derive(Debug)]
struct Kept {
    /// Its number in the order of acceptance.
    number: u64,
    summary: RunSummary,
    rows: Vec<Row>,
    checkpoint: Option<Checkpoint>,
    start: Option<Start>,
    gate: Option<Gate>,
    begun_at: Option<Instant>,
    parent: Option<(RunId, Place)>,
}

/// The time of a batch.
#[derive(Clone, Copy)]
struct Times {
    at: Instant,
    set_by: i64,
    /// By a clock that nobody has set.
    even: Instant,
}

/// A run that events are gathered for. Its times, as those until which events are remembered, go by a clock that nobody has
/// set.
#[derive(Clone, Debug)]
struct Gathering {
    run: RunId,
    at_latest: Option<Instant>,
    until: Instant,
    count: i64,
    bytes: i64,
    /// The greatest of its events.
    rank: Option<Rank>,
}

/// An event that is remembered.
#[derive(Debug)]
struct Known {
    run: RunId,
    body_digest: Option<String>,
    expires_at: Instant,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn commit(&mut self, batch: Batch) -> Committed {
        let (at, is_new) = (batch.at, batch.new.is_some());
        let times = Times { at, set_by: batch.set_by, even: batch.even() };
        self.show_gatherings(batch.set_by);
        if batch.closes {
            let is_due = |open: &&Gathering| open.run == batch.run && open.until <= times.even;
            let closed = self.gatherings.values().any(|open| is_due(&open));
            if closed {
                self.end(&batch.run);
            }
            return Committed::Done(Done { closed, ..Done::default() });
        }
        if let Some(new) = batch.new
            && let Some(duplicate) = self.insert(&batch.run, new, times)
        {
            return duplicate;
        }
        for letter in batch.dead_letters {
            self.letters.insert(next(&self.letters), (letter, None));
        }
        for (letter, how) in batch.settles {
            self.settle(letter, how);
        }
        let mut done = Done::default();
        for (begun, new) in batch.begins {
            match self.insert(&begun, new, times) {
                None => done.begun.push(begun),
                Some(Committed::Gathered(gathered)) => done.gathered.push(gathered),
                Some(Committed::Done(_) | Committed::Duplicate { .. }) => {}
            }
        }
        let (state, outcome) = (batch.standing.state, batch.standing.outcome.clone());
        if let Some(run) = self.runs.get_mut(&batch.run) {
            if !batch.rows.is_empty() {
                run.start = None;
            }
            run.rows.extend(batch.rows);
            match batch.mark {
                Mark::Stays => {}
                Mark::Moves(checkpoint) => run.checkpoint = Some(checkpoint),
                Mark::Goes => run.checkpoint = None,
            }
            run.begun_at = run.begun_at.or(batch.begun_at);
            let summary = &mut run.summary;
            summary.state = state;
            summary.reason = batch.standing.reason;
            summary.wake_at = batch.standing.wake_at;
            summary.ended_at = summary.ended_at.or(state.is_final().then_some(at));
            summary.outcome = summary.outcome.take().or(batch.standing.outcome);
            summary.answer = summary.answer.take().or(batch.answer);
        }
        if !is_new && (batch.begun_at.is_some() || state.is_final()) {
            self.gatherings.retain(|_, open| open.run != batch.run);
            self.gathered.remove(&batch.run);
        }
        batch.read.iter().for_each(|id| drop(self.mail.remove(id)));
        for act in batch.bus {
            match act {
                Bus::Listen { place, event, wanted } => {
                    self.waits.entry((event, batch.run.clone(), text(&place))).or_insert((place, wanted));
                }
                Bus::Stop(place) => self.waits.retain(|(_, run, _), (of, _)| *run != batch.run || *of != place),
                Bus::Emit { event, value, .. } => {
                    let may_go_on = |wanted: &Wanted| {
                        let digest = value.get(&wanted.field).and_then(Wanted::digest);
                        digest.is_none_or(|digest| digest == wanted.digest)
                    };
                    let waits = self
                        .waits
                        .iter()
                        .filter(|((name, ..), (_, wanted))| *name == event && wanted.as_ref().is_none_or(may_go_on));
                    let told: Vec<_> = waits.map(|((_, run, _), (place, _))| (run.clone(), place.clone())).collect();
                    for (run, place) in told {
                        self.tell(&run, Event::Received { place, value: value.clone() }, &mut done);
                    }
                }
            }
        }
        for (run, event) in batch.mail {
            self.tell(&run, event, &mut done);
        }
        if state.is_final() {
            self.waits.retain(|(_, run, _), _| *run != batch.run);
            self.mail.retain(|_, (run, _)| *run != batch.run);
            let parent = self.runs.get(&batch.run).and_then(|run| run.parent.clone());
            if let (Some((parent, place)), Some(outcome)) = (parent, outcome) {
                self.tell(&parent, Event::Returned { place, outcome }, &mut done);
            }
        }
        Committed::Done(done)
    }

    fn insert(&mut self, run: &RunId, new: NewRun, times: Times) -> Option<Committed> {
        self.keep(new.notes.clone());
        if let (Some(gather), Some(start)) = (new.gather.clone(), new.queued.clone()) {
            return Some(self.gather(run, new, gather, start, times));
        }
        if let Some(duplicate) = new.dedupe.clone().and_then(|dedupe| self.remember(run, dedupe, times.even)) {
            return Some(duplicate);
        }
        if self.runs.contains_key(run) {
            return Some(Committed::Duplicate { run: run.clone(), body: SameBody::Yes });
        }
        self.add(run, new, NO_ROOM, times.at);
        None
    }

    /// Adds an event to the run that is gathering, or begins to gather with it.
    fn gather(&mut self, run: &RunId, new: NewRun, gather: Gather, start: Start, times: Times) -> Committed {
        let (last, at_latest) = gather.times(times.even);
        let key = (gather.scope, gather.key);
        let found = self.gatherings.get(&key).cloned();
        let run = found.as_ref().map_or(run, |open| &open.run).clone();
        if let Some(duplicate) = new.dedupe.clone().and_then(|dedupe| self.remember(&run, dedupe, times.even)) {
            return duplicate;
        }
        if found.is_none() {
            self.add(&run, new, GATHERS, times.at);
        }
        let mut open =
            found.unwrap_or(Gathering { run: run.clone(), at_latest, until: last, count: 0, bytes: 0, rank: None });
        open.count += 1;
        open.until = open.at_latest.map_or(last, |at_latest| last.min(at_latest));
        let most = match gather.keep {
            Keep::Latest { .. } if open.rank > gather.rank => None,
            Keep::Latest { .. } => {
                if let Some(kept) = self.runs.get_mut(&run) {
                    kept.start = Some(start);
                }
                None
            }
            Keep::All { most, .. } => {
                open.bytes += i64::try_from(text(&start.payload).len()).unwrap_or(i64::MAX);
                self.gathered.entry(run.clone()).or_default().push((gather.rank.clone(), start.payload));
                Some(most)
            }
        };
        open.rank = open.rank.max(gather.rank);
        if most.is_some_and(|most| open.count >= i64::from(most) || open.bytes >= super::gather::LARGE) {
            self.end(&run);
            return Committed::Gathered(Gathered { run, until: None });
        }
        let until = open.until.moved(times.set_by);
        self.gatherings.insert(key, open);
        if let Some(kept) = self.runs.get_mut(&run) {
            kept.summary.wake_at = Some(until);
        }
        Committed::Gathered(Gathered { run, until: Some(until) })
    }

    /// Shows when runs begin that events are gathered for.
    fn show_gatherings(&mut self, set_by: i64) {
        for Gathering { run, until, .. } in self.gatherings.values() {
            if let Some(kept) = self.runs.get_mut(run) {
                kept.summary.wake_at = Some(until.moved(set_by));
            }
        }
    }

    /// Gathers no more for a run.
    fn end(&mut self, run: &RunId) {
        self.gatherings.retain(|_, open| open.run != *run);
        if let Some(kept) = self.runs.get_mut(run) {
            kept.summary.wake_at = None;
            kept.summary.reason = Some(NO_ROOM.to_owned());
        }
    }

    /// Adds a run; one that does not begin at once waits for what is said.
    fn add(&mut self, run: &RunId, new: NewRun, waits: &str, at: Instant) {
        self.accepted += 1;
        let (state, reason) = match new.queued {
            Some(_) => (RunState::Waiting, Some(waits.to_owned())),
            None => (RunState::Running, None),
        };
        let summary = RunSummary {
            id: run.clone(),
            flow: new.flow,
            plan: new.plan,
            trigger: new.trigger,
            state,
            reason,
            started_at: at,
            ended_at: None,
            wake_at: None,
            outcome: None,
            answer: None,
        };
        let kept = Kept {
            number: self.accepted,
            summary,
            rows: Vec::new(),
            checkpoint: None,
            start: new.queued,
            gate: new.gate,
            begun_at: None,
            parent: new.parent,
        };
        self.runs.insert(run.clone(), kept);
    }

    /// Remembers the key of an event, or finds the run that it has started before.
    fn remember(&mut self, run: &RunId, dedupe: Dedupe, at: Instant) -> Option<Committed> {
        let key = (dedupe.scope, dedupe.key);
        if let Some(known) = self.dedupe.get(&key).filter(|known| known.expires_at > at) {
            let body = match (&known.body_digest, &dedupe.body_digest) {
                (Some(first), Some(now)) if first != now => SameBody::No,
                _ => SameBody::Yes,
            };
            return Some(Committed::Duplicate { run: known.run.clone(), body });
        }
        let expires_at = at.after(dedupe.window);
        self.dedupe.insert(key, Known { run: run.clone(), body_digest: dedupe.body_digest, expires_at });
        None
    }

    fn keep(&mut self, notes: Vec<Note>) {
        for note in notes {
            let key = (note.scope, note.key);
            match note.text.is_empty() {
                true => drop(self.notes.remove(&key)),
                false => drop(self.notes.insert(key, note.text)),
            }
        }
    }

    fn settle(&mut self, letter: i64, how: String) {
        if let Some((_, settled)) = self.letters.get_mut(&letter) {
            settled.get_or_insert(how);
        }
    }

    /// Tells a run something, unless it is over.
    fn tell(&mut self, run: &RunId, event: Event, done: &mut Done) {
        if self.runs.get(run).is_none_or(|run| run.summary.ended_at.is_some()) {
            return;
        }
        self.mail.insert(next(&self.mail), (run.clone(), event));
        if !done.mailed.contains(run) {
            done.mailed.push(run.clone());
        }
    }

    /// Runs that are not over, in the order in which they were accepted.
    fn open(&self) -> Vec<(&RunId, &Kept)> {
        let mut open: Vec<_> = self.runs.iter().filter(|(_, run)| run.summary.ended_at.is_none()).collect();
        open.sort_by_key(|(_, run)| run.number);
        open
    }

    fn unfinished(&self, id: &RunId, run: &Kept) -> Unfinished {
        Unfinished {
            run: id.clone(),
            state: run.summary.state,
            wake_at: run.summary.wake_at,
            progress: if run.start.is_none() { Begun::Yes } else { Begun::NotYet },
            gate: run.gate.clone(),
            gathers: self.gatherings.values().find(|open| open.run == *id).map(|open| open.until),
            mail: self.mail.values().filter(|(to, _)| to == id).count() as u64,
        }
    }

    /// Says whether a run may be removed.
    fn is_spent(&self, id: &RunId, run: &Kept, expiry: &Expiry) -> bool {
        let is_old = |run: &Kept| run.summary.ended_at.is_some_and(|ended| ended < expiry.ended_before);
        let counts = match (run.begun_at, run.gate.as_ref().and_then(|gate| gate.rate)) {
            (Some(begun), Some(rate)) => begun.after(rate.period) >= expiry.now,
            _ => false,
        };
        let caller = run.parent.as_ref().and_then(|(parent, _)| self.runs.get(parent));
        let has_letters = self.letters.values().any(|(letter, settled)| letter.run == *id && settled.is_none());
        is_old(run) && !counts && caller.is_none_or(is_old) && !has_letters
    }

    fn letter(&self, id: i64) -> Option<Letter> {
        let (letter, settled) = self.letters.get(&id)?;
        Some(Letter {
            id,
            run: letter.run.clone(),
            flow: self.runs.get(&letter.run).map(|run| run.summary.flow.clone()).unwrap_or_default(),
            place: letter.place.clone(),
            queue: letter.queue.clone(),
            at: letter.at,
            value: Some(letter.value.clone()),
            cause: letter.cause.clone(),
            settled: settled.clone(),
        })
    }

    /// Says whether anything that is kept names a blob.
    fn names(&self, digest: &str) -> bool {
        let of = |text: String| refers(&text).iter().any(|named| named.to_string() == digest);
        self.runs.values().any(|run| {
            run.rows.iter().any(|row| of(row.body.clone()))
                || of(text(&run.start))
                || of(text(&run.summary.outcome))
                || of(text(&run.summary.answer))
        }) || self.letters.values().any(|(letter, _)| of(text(&letter.value)))
            || self.mail.values().any(|(_, event)| of(text(event)))
            || self.gathered.values().flatten().any(|(_, payload)| of(text(payload)))
    }
}

/// The number of the next row, as SQLite gives it.
fn next<T>(table: &BTreeMap<i64, T>) -> i64 {
    table.keys().next_back().map_or(1, |last| last + 1)
}

#[async_trait]
impl Store for Memory {
    async fn add_plan(&self, digest: String, _flow: String, plan: Vec<u8>) -> Result<(), Error> {
        self.lock().plans.entry(digest).or_insert(plan);
        Ok(())
    }

    async fn plan(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.lock().plans.get(digest).cloned())
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, Error> {
        Ok(self.lock().commit(batch))
    }

    async fn rows_from(&self, run: &RunId, seq: u64) -> Result<Vec<Row>, Error> {
        let tables = self.lock();
        let rows = tables.runs.get(run).map(|run| run.rows.iter()).into_iter().flatten();
        Ok(rows.filter(|row| row.seq >= seq).cloned().collect())
    }

    async fn checkpoint(&self, run: &RunId) -> Result<Option<Checkpoint>, Error> {
        Ok(self.lock().runs.get(run).and_then(|run| run.checkpoint.clone()))
    }

    async fn start(&self, run: &RunId) -> Result<Option<Start>, Error> {
        let tables = self.lock();
        let start = tables.runs.get(run).and_then(|run| run.start.clone());
        Ok(start.map(|start| match tables.gathered.get(run) {
            Some(gathered) => {
                let mut gathered = gathered.clone();
                gathered.sort_by(|(one, _), (other, _)| one.cmp(other));
                Start { payload: Value::List(gathered.into_iter().map(|(_, payload)| payload).collect()), ..start }
            }
            None => start,
        }))
    }

    async fn mail(&self, run: &RunId) -> Result<Vec<(i64, Event)>, Error> {
        let tables = self.lock();
        let mail = tables.mail.iter().filter(|(_, (to, _))| to == run);
        Ok(mail.map(|(id, (_, event))| (*id, event.clone())).collect())
    }

    async fn clock_is_set(&self, by: i64) -> Result<(), Error> {
        self.lock().show_gatherings(by);
        Ok(())
    }

    async fn keep(&self, notes: Vec<Note>) -> Result<(), Error> {
        self.lock().keep(notes);
        Ok(())
    }

    async fn notes(&self, scope: &str) -> Result<BTreeMap<String, String>, Error> {
        let tables = self.lock();
        let notes = tables.notes.iter().filter(|((of, _), _)| of == scope);
        Ok(notes.map(|((_, key), text)| (key.clone(), text.clone())).collect())
    }

    async fn begun_since(&self, scope: &str, since: Instant) -> Result<Vec<Instant>, Error> {
        let tables = self.lock();
        let of = |run: &&Kept| run.gate.as_ref().is_some_and(|gate| gate.scope == scope);
        let mut begun: Vec<_> = tables.runs.values().filter(of).filter_map(|run| run.begun_at).collect();
        begun.retain(|at| *at > since);
        begun.sort_unstable();
        Ok(begun)
    }

    async fn summary(&self, run: &RunId) -> Result<Option<RunSummary>, Error> {
        Ok(self.lock().runs.get(run).map(|run| run.summary.clone()))
    }

    async fn detail(&self, run: &RunId) -> Result<Option<RunDetail>, Error> {
        let tables = self.lock();
        let Some(kept) = tables.runs.get(run) else { return Ok(None) };
        let (entries, _) =
            journal::read(run, &kept.rows).map_err(|damage| Error::Damaged { run: run.clone(), damage })?;
        let letters = tables.letters.values().filter(|(letter, _)| letter.run == *run);
        Ok(Some(RunDetail {
            summary: kept.summary.clone(),
            history: History::of(&entries).waking_at(kept.summary.wake_at),
            dead_letters: letters.map(|(letter, _)| letter.clone()).collect(),
        }))
    }

    async fn list(&self, filter: Filter) -> Result<Vec<RunSummary>, Error> {
        let tables = self.lock();
        let fits = |run: &&RunSummary| {
            filter.flow.as_ref().is_none_or(|flow| *flow == run.flow)
                && (filter.states.is_empty() || filter.states.contains(&run.state))
                && filter.before.as_ref().is_none_or(|before| run.id < *before)
        };
        let runs = tables.runs.values().rev().map(|run| &run.summary).filter(fits).take(filter.limit);
        Ok(runs.map(|run| RunSummary { outcome: None, answer: None, ..run.clone() }).collect())
    }

    async fn letter(&self, id: i64) -> Result<Option<Letter>, Error> {
        Ok(self.lock().letter(id))
    }

    async fn letters(&self, which: Letters) -> Result<Vec<Letter>, Error> {
        let tables = self.lock();
        let letters = tables.letters.keys().rev().filter_map(|id| tables.letter(*id));
        let fits = |letter: &Letter| {
            (which.which == WhichLetters::All || letter.settled.is_none())
                && which.queue.as_ref().is_none_or(|queue| *queue == letter.queue)
        };
        let listed = |letter: Letter| {
            let cause = letter.cause.filter(|cause| text(cause).len() <= LISTED_CAUSE);
            Letter { value: None, cause, ..letter }
        };
        Ok(letters.filter(fits).take(which.limit).map(listed).collect())
    }

    async fn settle(&self, id: i64, how: String) -> Result<(), Error> {
        self.lock().settle(id, how);
        Ok(())
    }

    async fn awake(&self, until: Instant) -> Result<Vec<Unfinished>, Error> {
        let tables = self.lock();
        let open = tables.open().into_iter().map(|(id, run)| tables.unfinished(id, run));
        let is_awake = |run: &Unfinished| {
            run.state == RunState::Running
                || run.progress == Begun::NotYet
                || run.mail > 0
                || run.wake_at.is_some_and(|at| at <= until)
        };
        Ok(open.filter(is_awake).collect())
    }

    async fn due(&self, after: Instant, until: Instant) -> Result<Vec<(Instant, RunId)>, Error> {
        let tables = self.lock();
        let open = tables.open().into_iter();
        let mut due: Vec<_> = open.filter_map(|(id, run)| Some((run.summary.wake_at?, id.clone()))).collect();
        due.retain(|(at, _)| after < *at && *at <= until);
        due.sort_unstable();
        Ok(due)
    }

    async fn next_due(&self, after: Instant) -> Result<Option<Instant>, Error> {
        let tables = self.lock();
        let open = tables.open().into_iter();
        Ok(open.filter_map(|(_, run)| run.summary.wake_at).filter(|at| *at > after).min())
    }

    async fn gated(&self) -> Result<Vec<Unfinished>, Error> {
        let tables = self.lock();
        let open = tables.open().into_iter().filter(|(_, run)| run.gate.is_some());
        Ok(open.map(|(id, run)| tables.unfinished(id, run)).collect())
    }

    async fn pinned(&self) -> Result<BTreeSet<String>, Error> {
        let tables = self.lock();
        let pinned = tables.open().into_iter().map(|(_, run)| &run.summary.plan);
        Ok(pinned.filter(|digest| tables.plans.contains_key(*digest)).cloned().collect())
    }

    async fn plans(&self) -> Result<BTreeSet<String>, Error> {
        let tables = self.lock();
        let used: BTreeSet<_> = tables.runs.values().map(|run| run.summary.plan.clone()).collect();
        Ok(tables.plans.keys().filter(|digest| used.contains(*digest)).cloned().collect())
    }

    async fn standing(&self) -> Result<BTreeMap<RunState, u64>, Error> {
        let tables = self.lock();
        let mut counts = BTreeMap::new();
        for (_, run) in tables.open() {
            *counts.entry(run.summary.state).or_default() += 1;
        }
        Ok(counts)
    }

    async fn expire(&self, expiry: Expiry) -> Result<u64, Error> {
        let mut tables = self.lock();
        let mut spent: Vec<_> = tables
            .runs
            .iter()
            .filter(|(id, run)| tables.is_spent(id, run, &expiry))
            .map(|(id, run)| (run.summary.plan.clone(), run.summary.ended_at, id.clone()))
            .collect();
        spent.sort_unstable();
        spent.truncate(expiry.most);
        for (_, _, run) in &spent {
            tables.runs.remove(run);
            tables.waits.retain(|(_, of, _), _| of != run);
            tables.mail.retain(|_, (to, _)| to != run);
            tables.letters.retain(|_, (letter, _)| letter.run != *run);
        }
        Ok(spent.len() as u64)
    }

    async fn tidy(&self, plans: BTreeSet<String>, _written_before: SystemTime) -> Result<Tidied, Error> {
        let mut tables = self.lock();
        let used: BTreeSet<_> = tables.runs.values().map(|run| run.summary.plan.clone()).collect();
        let before = tables.plans.len();
        tables.plans.retain(|digest, _| plans.contains(digest) || used.contains(digest));
        Ok(Tidied { plans: (before - tables.plans.len()) as u64, bytes: 0 })
    }

    async fn unnamed(&self, blobs: Vec<Sha256>) -> Result<Vec<Sha256>, Error> {
        let tables = self.lock();
        Ok(blobs.into_iter().filter(|digest| !tables.names(&digest.to_string())).collect())
    }

    fn space(&self) -> Option<u64> {
        None
    }
}
