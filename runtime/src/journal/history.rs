//! What happened in a run, step by step?
//!
//! In: the entries of its journal. Out: the story for people; nothing of it is computed again. Results of steps are left
//! out: they may be personal or large.

use flow_model::{failure::Failure, units::Instant};
use indexmap::IndexMap;
use serde::Serialize;

use super::Entry;
use crate::machine::{Event, Outcome, Place, Record, Said};

/// The story of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct History {
    /// Steps, sleeps and waits, in the order in which they began.
    pub steps: Vec<StepHistory>,
    /// What `log`, `optional`, `on error skip` and `dead_letter` left, in order.
    pub lines: Vec<Line>,
}

/// A step, a sleep or a wait.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepHistory {
    /// Where.
    pub place: Place,
    /// Connection and operation; none for a sleep.
    pub call: Option<(String, String)>,
    /// How far it is.
    pub state: StepState,
    /// When it began.
    pub started_at: Instant,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// Attempts that have ended.
    pub attempts: Vec<AttemptHistory>,
    /// Until when it waits.
    pub until: Option<Instant>,
    /// What it waits or waited for, besides an answer and a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// Why it has no result.
    pub failure: Option<Failure>,
}

/// What a step waits for, besides an answer and a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// Its turn: the connection does not let it leave yet, because of this.
    Turn(String),
    /// An event with this name.
    Event(String),
    /// A person's answer.
    Approval {
        /// What is asked.
        question: String,
        /// Who is asked.
        by: Option<String>,
    },
    /// The end of another run.
    Run {
        /// Its flow.
        flow: String,
        /// Its id.
        run: String,
    },
}

/// An attempt that has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttemptHistory {
    /// Counts from 1.
    pub number: u32,
    /// When it ended.
    pub ended_at: Instant,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// An attempt is under way.
    Running,
    /// It waits for the next attempt, or sleeps.
    Waiting,
    /// It has a result.
    Completed,
    /// It failed.
    Failed,
    /// Its outcome is not known: someone must decide.
    NeedsDecision,
    /// It was dropped, because its branch or run has ended.
    Cancelled,
}

/// Something that the run says besides its steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// When.
    pub at: Instant,
    /// Where.
    pub place: Place,
    /// What.
    pub text: String,
    /// Because of what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Line {
    /// What, and because of what.
    pub fn in_words(&self) -> String {
        match &self.failure {
            Some(failure) => format!("{}: {}", self.text, failure.in_words()),
            None => self.text.clone(),
        }
    }
}

impl History {
    /// Tells the story of a journal.
    pub fn of(entries: &[Entry]) -> Self {
        let mut steps: IndexMap<Place, StepHistory> = IndexMap::new();
        let mut lines = Vec::new();
        for Entry { at, said } in entries {
            match said {
                Said::Event(event) => follow(&mut steps, event, *at),
                Said::Record(record) => conclude(&mut steps, &mut lines, record, *at),
            }
        }
        Self { steps: steps.into_values().collect(), lines }
    }

    /// The same, where the run wakes at a time: what is held asks again then, and of that the journal has the first time
    /// alone.
    pub(crate) fn waking_at(mut self, at: Option<Instant>) -> Self {
        let held = |step: &&mut StepHistory| matches!(step.waits, Some(Waits::Turn(_)));
        self.steps.iter_mut().filter(held).for_each(|step| step.until = step.until.max(at));
        self
    }
}

fn begin(place: &Place, call: Option<(String, String)>, at: Instant) -> StepHistory {
    StepHistory {
        place: place.clone(),
        call,
        state: StepState::Running,
        started_at: at,
        ended_at: None,
        attempts: Vec::new(),
        until: None,
        waits: None,
        failure: None,
    }
}

fn end(step: &mut StepHistory, state: StepState, at: Instant) {
    step.state = state;
    step.ended_at = Some(at);
    step.until = None;
}

fn follow(steps: &mut IndexMap<Place, StepHistory>, event: &Event, at: Instant) {
    match event {
        Event::Attempted { place, attempt, outcome, .. } => {
            let Some(step) = steps.get_mut(place) else { return };
            let failure = outcome.as_ref().err().cloned();
            step.attempts.push(AttemptHistory { number: *attempt, ended_at: at, failure: failure.clone() });
            if step.ended_at.is_none() {
                match failure {
                    None => end(step, StepState::Completed, at),
                    failure => step.failure = failure,
                }
            }
        }
        Event::Fired { place } => {
            let Some(step) = steps.get_mut(place) else { return };
            if step.call.is_none() {
                end(step, StepState::Completed, at);
            } else if step.state == StepState::Waiting {
                step.state = StepState::Running;
                step.until = None;
                step.waits = None;
            }
        }
        Event::Held { place, until, because, .. } => {
            let Some(step) = steps.get_mut(place) else { return };
            step.state = StepState::Waiting;
            step.until = Some(*until);
            step.waits = Some(Waits::Turn(because.clone()));
        }
        Event::Resolved { place, decision } => {
            let Some(step) = steps.get_mut(place) else { return };
            match decision {
                crate::machine::Decision::Retry => step.state = StepState::Running,
                crate::machine::Decision::Result(_) => {
                    step.failure = None;
                    end(step, StepState::Completed, at);
                }
                crate::machine::Decision::Fail(_) => {}
            }
        }
        Event::Received { place, .. } | Event::Decided { place, .. } => {
            if let Some(step) = steps.get_mut(place) {
                end(step, StepState::Completed, at);
            }
        }
        Event::Returned { place, outcome } => {
            if let (Some(step), Outcome::Completed(_)) = (steps.get_mut(place), outcome) {
                end(step, StepState::Completed, at);
            }
        }
        Event::Started(_)
        | Event::Began { .. }
        | Event::Lost { .. }
        | Event::Expired
        | Event::ClockSet { .. }
        | Event::Cancelled { .. } => {}
    }
}

fn conclude(steps: &mut IndexMap<Place, StepHistory>, lines: &mut Vec<Line>, record: &Record, at: Instant) {
    let mut add = |place: &Place, text: String, failure: Option<&Failure>| {
        lines.push(Line { at, place: place.clone(), text, failure: failure.cloned() });
    };
    match record {
        Record::Scheduled { place, connection, operation, .. } => {
            let call = Some((connection.clone(), operation.clone()));
            steps.insert(place.clone(), begin(place, call, at));
        }
        Record::Waits { place, until } => {
            let step = steps.entry(place.clone()).or_insert_with(|| begin(place, None, at));
            step.state = StepState::Waiting;
            step.until = Some(*until);
        }
        Record::StepFailed { place, failure } => {
            if let Some(step) = steps.get_mut(place) {
                end(step, StepState::Failed, at);
                step.failure = Some(failure.clone());
            }
        }
        Record::Undecided { place, failure } => {
            if let Some(step) = steps.get_mut(place) {
                step.state = StepState::NeedsDecision;
                step.failure = Some(failure.clone());
            }
        }
        Record::Dropped { place } => {
            if let Some(step) = steps.get_mut(place) {
                end(step, StepState::Cancelled, at);
            }
        }
        Record::PassedOver { place, failure } => add(place, "passed over".to_owned(), Some(failure)),
        Record::Logged { place, text } => add(place, text.clone(), None),
        Record::Observed { place, value } => add(place, format!("saw {value}"), None),
        Record::DeadLettered { place, queue, .. } => add(place, format!("dead letter in `{queue}`"), None),
        Record::Emitted { place, event, .. } => add(place, format!("event `{event}`"), None),
        Record::Listens { place, event, until } => waits(steps, place, at, *until, Waits::Event(event.clone())),
        Record::Asked { place, question, by, until } => {
            waits(steps, place, at, *until, Waits::Approval { question: question.clone(), by: by.clone() });
        }
        Record::Called { place, flow, run } => {
            waits(steps, place, at, None, Waits::Run { flow: flow.clone(), run: run.clone() });
        }
        Record::Undoing { place: Some(place), because } => add(place, format!("undoes its steps: {because}"), None),
        Record::Undoing { place: None, because } => {
            let place = Place { path: String::new(), indexes: Vec::new() };
            add(&place, format!("undoes the steps of the run: {because}"), None);
        }
        Record::UndoFailed { place, failure } => add(place, "could not be undone".to_owned(), Some(failure)),
        Record::Responded(_) | Record::Ended(_) => {}
    }
}

fn waits(steps: &mut IndexMap<Place, StepHistory>, place: &Place, at: Instant, until: Option<Instant>, what: Waits) {
    let step = steps.entry(place.clone()).or_insert_with(|| begin(place, None, at));
    step.state = StepState::Waiting;
    step.until = until;
    step.waits = Some(what);
}
