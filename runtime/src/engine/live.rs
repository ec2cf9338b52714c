//! A run in memory: its machine, and the end of its journal.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use flow_model::{failure::Failure, plan::Plan, units::Instant};
use serde::{Deserialize, Serialize};

use super::{Happening, RunId, RunState, StepEnd, attempt::Leave, mark::Growth};
use crate::{
    eval::Library,
    journal::{self, Chain, Entry, Row},
    machine::{
        self, Action, Again, Awaited, Call, Child, Event, Machine, Outcome, Place, Progress, Record, Repeat, Replay,
        Response, Said, Start, Status, Taken,
    },
    observe::Trace,
    store::{Batch, Bus, DeadLetter, NO_ROOM, NewRun, Standing},
};

/// Beyond so many steps, those that are over are forgotten while a journal is replayed.
const MANY_STEPS: usize = 256;

pub(super) struct Live {
    pub(super) machine: Machine,
    pub(super) run: RunId,
    /// The trace that it belongs to.
    pub(super) trace: Trace,
    pub(super) chain: Chain,
    pub(super) at: Instant,
    /// Where it waits for events.
    pub(super) listening: BTreeSet<Place>,
    /// Steps that are not over.
    pub(super) steps: BTreeMap<Place, Open>,
    /// With what it begins, when it has not yet.
    pub(super) queued: Option<Start>,
    /// How much its journal has grown since its checkpoint.
    pub(super) growth: Growth,
}

/// A step that is not over.
#[derive(Serialize, Deserialize)]
pub(super) struct Open {
    connection: String,
    operation: String,
    began: Instant,
}

/// What follows from some events: to be written, then to be carried out.
pub(super) struct Turn {
    pub(super) batch: Batch,
    /// Calls to be made, with the permit of those that have it; those that are not safe to repeat are recorded as begun
    /// then.
    pub(super) calls: Vec<(Call, Option<Leave>)>,
    pub(super) aborts: Vec<Place>,
    pub(super) wakes: Vec<(Place, Instant)>,
    /// Runs of other flows to be begun.
    pub(super) begins: Vec<Child>,
    pub(super) news: Vec<Happening>,
    /// The trace of the run.
    pub(super) trace: Trace,
    /// How steps have ended, other than with a result.
    ends: BTreeMap<Place, StepEnd>,
}

/// Why a run can't go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Damaged(#[from] journal::Damage),
    #[error(transparent)]
    Diverged(#[from] machine::Diverged),
    #[error("its plan can't be used: {0}")]
    Plan(String),
    #[error("it began with version {0} of the interpreter, and this program knows up to {known}: use a newer program", known = machine::VERSION)]
    Newer(u32),
    #[error("the interpreter broke down: {0}")]
    Panicked(String),
    #[error("what it takes over can't be read: {0}")]
    Again(String),
    #[error(transparent)]
    Unfit(#[from] machine::Unfit),
}

impl Live {
    /// A run that is about to begin.
    pub(super) fn new(run: RunId, plan: Arc<Plan>, library: Library, every: usize) -> Self {
        let machine = Machine::new(run.as_str(), plan, library);
        let (at, listening) = (Instant(i64::MIN), BTreeSet::new());
        let trace = Trace::of(&run, None);
        let (chain, steps) = (Chain::new(run.clone()), BTreeMap::new());
        Self { machine, chain, run, trace, at, listening, steps, queued: None, growth: Growth::new(every) }
    }

    /// The run as it stands after the rest of its journal. Each row is let go of as soon as it is applied. With what a
    /// checkpoint holds, the first row has to be the one before that.
    pub(super) fn replay(mut self, rows: Vec<Row>) -> Result<Self, Broken> {
        let mut rows = rows.into_iter();
        let read = self.chain.next();
        if read > 0 {
            self.chain.ends_with(rows.next().as_ref())?;
        }
        let mut replay = Replay::after(self.machine, usize::try_from(read).unwrap_or(usize::MAX));
        let mut most = MANY_STEPS;
        for row in rows {
            let entry = self.chain.read(&row)?;
            if let Said::Event(Event::Started(start)) = &entry.said {
                if start.version > machine::VERSION {
                    return Err(Broken::Newer(start.version));
                }
                self.trace = Trace::of(&self.run, start.trace);
            }
            guarded(|| replay.push(entry.at, &entry.said))??;
            self.at = entry.at;
            self.growth.add(&row);
            self.steps.extend(opened(&entry));
            if self.steps.len() > most {
                self.steps.retain(|place, _| replay.machine().waits_at(place));
                most = 2 * self.steps.len() + MANY_STEPS;
            }
        }
        let machine = guarded(|| replay.end())??;
        let listening = listening(&machine);
        self.steps.retain(|place, _| machine.waits_at(place));
        Ok(Self { machine, listening, ..self })
    }

    /// The first turn of a run that does again what another did. Nothing leaves in it.
    pub(super) fn again(
        run: RunId,
        plan: Arc<Plan>,
        library: Library,
        entries: &[Entry],
        again: Again,
        now: Instant,
    ) -> Result<Turn, Broken> {
        let entries = entries.iter().map(|entry| (entry.at, &entry.said));
        let Taken { machine, said, begins } = guarded(|| machine::again(run.as_str(), plan, library, entries, again))??;
        let listening = machine.awaited().into_iter().filter_map(|(place, what)| match what {
            Awaited::Event(event) => {
                let wanted = machine.wanted(&place);
                Some(Bus::Listen { place, event, wanted })
            }
            _ => None,
        });
        let bus = listening.collect();
        let trace = Trace::of(&run, None);
        let mut live = Self {
            chain: Chain::new(run.clone()),
            run: run.clone(),
            at: now,
            listening: BTreeSet::new(),
            steps: BTreeMap::new(),
            machine,
            queued: None,
            growth: Growth::new(usize::MAX),
            trace,
        };
        let rows = said.into_iter().map(|(at, said)| live.chain.write(&Entry { at, said })).collect();
        let batch = Batch { rows, bus, begun_at: Some(now), ..Batch::new(run, live.standing(), now) };
        let (calls, aborts, wakes) = (Vec::new(), Vec::new(), Vec::new());
        let (news, ends) = (vec![Happening::RunStarted], BTreeMap::new());
        Ok(Turn { batch, calls, aborts, wakes, begins, news, trace, ends })
    }

    /// Applies events. Calls that are not safe to repeat begin in the same turn when there is a permit for them.
    pub(super) fn turn(
        &mut self,
        new: Option<NewRun>,
        events: Vec<Event>,
        now: Instant,
        leave: &dyn Fn(&Call) -> Option<Leave>,
    ) -> Result<Turn, Broken> {
        // The clock may be a little behind; the journal goes back only when it hears that the clock was set.
        let is_set_back = |event: &Event| matches!(event, Event::ClockSet { by: ..0, .. });
        self.at = if events.iter().any(is_set_back) { now } else { self.at.max(now) };
        let standing = Standing { state: RunState::Running, reason: None, wake_at: None, outcome: None };
        let batch = Batch { new, ..Batch::new(self.run.clone(), standing, self.at) };
        let mut turn = Turn {
            batch,
            calls: Vec::new(),
            aborts: Vec::new(),
            wakes: Vec::new(),
            begins: Vec::new(),
            news: Vec::new(),
            trace: self.trace,
            ends: BTreeMap::new(),
        };
        let mut events = VecDeque::from(events);
        while let Some(mut event) = events.pop_front() {
            turn.tell(&event);
            if let Event::Started(start) = &mut event {
                // It may have been accepted by another program.
                start.version = machine::VERSION;
                turn.batch.begun_at = Some(self.at);
                self.trace = Trace::of(&self.run, start.trace);
            }
            let actions = guarded(|| self.machine.apply(&event, self.at))?;
            self.write(&mut turn, Said::Event(event));
            for action in actions {
                match action {
                    Action::Record(record) => {
                        self.steps.extend(open(&record, self.at));
                        if let Record::Listens { place, .. } = &record {
                            self.listening.insert(place.clone());
                        }
                        if let Said::Record(record) = self.write(&mut turn, Said::Record(record)) {
                            turn.note(record, self);
                        }
                    }
                    Action::Perform(call) => {
                        let leave = leave(&call);
                        if call.repeat == Repeat::Unsafe && leave.is_some() {
                            let (place, attempt) = (call.place.clone(), call.attempt);
                            events.push_front(Event::Began { place, attempt });
                        }
                        turn.calls.push((*call, leave));
                    }
                    Action::Abort(place) => {
                        turn.calls.retain(|(call, _)| call.place != place);
                        turn.aborts.push(place);
                    }
                    Action::Wake { place, until } => turn.wakes.push((place, until)),
                    Action::Begin(child) => turn.begins.push(child),
                    Action::Cancel { run, reason } => {
                        turn.batch.mail.extend(run.parse().ok().map(|run| (run, Event::Cancelled { reason })));
                    }
                }
            }
            self.stop_listening(&mut turn);
        }
        self.close(&mut turn);
        turn.batch.standing = self.standing();
        turn.batch.rows.iter().for_each(|row| self.growth.add(row));
        turn.batch.mark = self.mark();
        turn.trace = self.trace;
        Ok(turn)
    }

    /// Takes back what the run has said of waiting for events, where it no longer does.
    fn stop_listening(&mut self, turn: &mut Turn) {
        if self.listening.is_empty() {
            return;
        }
        let listens = listening(&self.machine);
        for place in self.listening.difference(&listens) {
            turn.batch.bus.push(Bus::Stop(place.clone()));
        }
        self.listening = listens;
    }

    /// Tells of the steps that are over.
    fn close(&mut self, turn: &mut Turn) {
        let over: Vec<Place> = self.steps.keys().filter(|place| !self.machine.waits_at(place)).cloned().collect();
        for place in over {
            let Some(Open { connection, operation, began }) = self.steps.remove(&place) else { continue };
            let ended = turn.ends.remove(&place).unwrap_or(StepEnd::Completed);
            turn.news.push(Happening::StepOver { place, connection, operation, began, ended });
        }
    }

    /// Writes an entry; gives back what it says.
    fn write(&mut self, turn: &mut Turn, said: Said) -> Said {
        let entry = Entry { at: self.at, said };
        turn.batch.rows.push(self.chain.write(&entry));
        entry.said
    }

    /// Attempts of which it is not known whether they left: the process that made them is gone.
    pub(super) fn lost(&self) -> Vec<Event> {
        let calls = self.machine.calls().into_iter();
        calls
            .filter(|call| call.progress == Progress::Begun)
            .map(|call| Event::Lost { place: call.place, attempt: call.attempt })
            .collect()
    }

    /// How the run stands.
    pub(super) fn standing(&self) -> Standing {
        if self.queued.is_some() && self.machine.outcome().is_none() {
            let reason = Some(NO_ROOM.to_owned());
            return Standing { state: RunState::Waiting, reason, wake_at: None, outcome: None };
        }
        let (state, reason, until) = match self.machine.status() {
            Status::Running => (RunState::Running, None, None),
            Status::Waiting(until) => {
                let waits = self.machine.waits_for_time().map(|(place, until, because)| {
                    let because = because.map(|because| format!(", {because}")).unwrap_or_default();
                    format!("`{place}` waits until {until}{because}")
                });
                (RunState::Waiting, Some(waits.collect::<Vec<_>>().join("; ")), Some(until))
            }
            Status::Awaiting { what, until } => {
                let what: Vec<_> = what.iter().map(|(place, what)| format!("`{place}` waits for {what}")).collect();
                (RunState::Waiting, Some(what.join("; ")), until)
            }
            Status::Undecided { steps, until } => {
                let steps: Vec<_> = steps.iter().map(|(place, why)| format!("`{place}`: {}", why.message)).collect();
                (RunState::NeedsDecision, Some(steps.join("; ")), until)
            }
            Status::Ended => match self.machine.outcome() {
                Some(Outcome::Failed { failure, place }) => {
                    let shown = place.as_ref().map(|place| shown(self.machine.plan(), failure, place));
                    (RunState::Failed, Some(shown.as_ref().unwrap_or(failure).in_words()), None)
                }
                Some(Outcome::Cancelled { reason }) => (RunState::Cancelled, Some(reason.clone()), None),
                Some(Outcome::Completed(_)) | None => (RunState::Completed, None, None),
            },
        };
        let wake_at = match state {
            RunState::Waiting | RunState::NeedsDecision if self.machine.is_ending() => until,
            RunState::Waiting | RunState::NeedsDecision => until.into_iter().chain(self.machine.deadline()).min(),
            _ => None,
        };
        Standing { state, reason, wake_at, outcome: self.machine.outcome().cloned() }
    }
}

/// A failure as people may see it.
fn shown(plan: &Plan, failure: &Failure, place: &Place) -> Failure {
    failure.clone().hiding(&plan.personal_at(&place.path))
}

/// What observers hear of a record: nothing that is personal in a failure.
fn told(plan: &Plan, mut record: Record) -> Record {
    match &mut record {
        Record::StepFailed { place, failure }
        | Record::Undecided { place, failure }
        | Record::PassedOver { place, failure }
        | Record::UndoFailed { place, failure }
        | Record::Ended(Outcome::Failed { place: Some(place), failure }) => *failure = shown(plan, failure, place),
        Record::DeadLettered { cause: Some(cause), .. } => cause.failure = shown(plan, &cause.failure, &cause.place),
        _ => {}
    }
    record
}

impl Turn {
    /// Takes what is to be written; what is carried out afterwards needs of it how the run stands, and whether it has
    /// answered or begun.
    pub(super) fn take_batch(&mut self) -> Batch {
        let Batch { run, standing, answer, begun_at, at, .. } = &self.batch;
        let standing = Standing { state: standing.state, reason: None, wake_at: None, outcome: None };
        let answer = answer.as_ref().map(|answer| Response { status: answer.status, body: None });
        let left = Batch { answer, begun_at: *begun_at, ..Batch::new(run.clone(), standing, *at) };
        std::mem::replace(&mut self.batch, left)
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Started(_) => self.news.push(Happening::RunStarted),
            Event::Attempted { place, attempt, outcome, .. } => self.news.push(match outcome {
                Ok(_) => Happening::StepCompleted { place: place.clone(), attempts: *attempt },
                Err(failure) => {
                    Happening::AttemptFailed { place: place.clone(), attempt: *attempt, failure: failure.clone() }
                }
            }),
            _ => {}
        }
    }

    fn note(&mut self, record: Record, live: &Live) {
        match &record {
            Record::Scheduled { place, connection, operation, .. } => {
                let (place, connection, operation) = (place.clone(), connection.clone(), operation.clone());
                return self.news.push(Happening::StepStarted { place, connection, operation });
            }
            Record::StepFailed { place, failure } => {
                self.ends.insert(place.clone(), StepEnd::Failed(failure.kind.clone()));
            }
            Record::Dropped { place } => {
                self.ends.insert(place.clone(), StepEnd::Dropped);
            }
            Record::Responded(response) => self.batch.answer = Some(Response::clone(response)),
            Record::DeadLettered { place, queue, value, cause } => self.batch.dead_letters.push(DeadLetter {
                run: live.run.clone(),
                place: place.clone(),
                queue: queue.clone(),
                value: value.clone(),
                cause: cause.clone(),
                at: live.at,
            }),
            Record::Listens { place, event, .. } => {
                let (wanted, place) = (live.machine.wanted(place), place.clone());
                self.batch.bus.push(Bus::Listen { place, event: event.clone(), wanted });
            }
            Record::Emitted { place, event, value } => {
                let (place, event, value) = (place.clone(), event.clone(), value.clone());
                self.batch.bus.push(Bus::Emit { place, event, value });
            }
            _ => {}
        }
        self.news.push(Happening::Concluded(told(live.machine.plan(), record)));
    }
}

/// The step that a record opens.
fn open(record: &Record, at: Instant) -> Option<(Place, Open)> {
    match record {
        Record::Scheduled { place, connection, operation, .. } => {
            let (connection, operation) = (connection.clone(), operation.clone());
            Some((place.clone(), Open { connection, operation, began: at }))
        }
        _ => None,
    }
}

fn opened(entry: &Entry) -> Option<(Place, Open)> {
    match &entry.said {
        Said::Record(record) => open(record, entry.at),
        Said::Event(_) => None,
    }
}

fn listening(machine: &Machine) -> BTreeSet<Place> {
    let awaited = machine.awaited().into_iter();
    awaited.filter(|(_, what)| matches!(what, Awaited::Event(_))).map(|(place, _)| place).collect()
}

/// Runs code of the interpreter; should it panic, only its run comes to a stop.
fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, Broken> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Broken::Panicked(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default())
    })
}
