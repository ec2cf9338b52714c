//! What does a run wait for, right now?
//!
//! In: its history. Out: one reason for each place where it waits, so that people can be told in a sentence, and what they
//! can do.

use flow_model::{failure::Failure, units::Instant};
use serde::Serialize;

use super::{History, StepHistory, StepState, Waits};
use crate::machine::Place;

/// A place where a run waits, and for what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wait {
    /// The place.
    pub place: Place,
    /// For what.
    #[serde(flatten)]
    pub why: Why,
}

/// What a run waits for at a place.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Why {
    /// An answer: an attempt is under way, or about to leave.
    Answer {
        /// Which attempt, counted from 1.
        attempt: u32,
        /// Since when the step is under way.
        since: Instant,
    },
    /// The time of the next attempt.
    Retry {
        /// Which attempt comes, counted from 1.
        attempt: u32,
        /// When.
        until: Instant,
        /// Why the last one failed.
        failure: Failure,
    },
    /// Its turn: a limit of the connection, or its breaker.
    Turn {
        /// When it asks again.
        until: Option<Instant>,
        /// What holds it up, in words.
        because: String,
    },
    /// A time.
    Time {
        /// When.
        until: Instant,
    },
    /// An event.
    Event {
        /// Its name.
        event: String,
        /// Until when.
        until: Option<Instant>,
    },
    /// A person's answer.
    Approval {
        /// What is asked.
        question: String,
        /// Who is asked.
        by: Option<String>,
        /// Until when.
        until: Option<Instant>,
    },
    /// The end of another run.
    Run {
        /// Its flow.
        flow: String,
        /// Its id.
        run: String,
    },
    /// Someone's decision about a call whose outcome is not known.
    Decision {
        /// What is known.
        failure: Failure,
    },
}

impl Wait {
    /// What a run waits for, in the order in which the waits began.
    pub fn of(history: &History) -> Vec<Self> {
        history.steps.iter().filter_map(wait).collect()
    }
}

fn wait(step: &StepHistory) -> Option<Wait> {
    let attempts = u32::try_from(step.attempts.len()).unwrap_or(u32::MAX - 1);
    let until = step.until;
    let why = match (step.state, &step.waits) {
        (StepState::Completed | StepState::Failed | StepState::Cancelled, _) => return None,
        (StepState::NeedsDecision, _) => {
            let unknown = || Failure::new(flow_model::failure::ErrorKind::Interrupted, "the outcome is not known");
            Why::Decision { failure: step.failure.clone().unwrap_or_else(unknown) }
        }
        (StepState::Running, _) => Why::Answer { attempt: attempts + 1, since: step.started_at },
        (StepState::Waiting, Some(Waits::Turn(because))) => Why::Turn { until, because: because.clone() },
        (StepState::Waiting, Some(Waits::Event(event))) => Why::Event { event: event.clone(), until },
        (StepState::Waiting, Some(Waits::Approval { question, by })) => {
            Why::Approval { question: question.clone(), by: by.clone(), until }
        }
        (StepState::Waiting, Some(Waits::Run { flow, run })) => Why::Run { flow: flow.clone(), run: run.clone() },
        (StepState::Waiting, None) => match (&step.failure, until) {
            (Some(failure), Some(until)) => Why::Retry { attempt: attempts + 1, until, failure: failure.clone() },
            (_, Some(until)) => Why::Time { until },
            (_, None) => Why::Answer { attempt: attempts + 1, since: step.started_at },
        },
    };
    Some(Wait { place: step.place.clone(), why })
}

#[cfg(test)]
mod tests {
    use flow_model::{failure::ErrorKind, value::Value};

    use super::*;
    use crate::{
        connector::Reached,
        journal::Entry,
        machine::{Event, Record, Repeat, Said},
    };

    fn place(path: &str) -> Place {
        Place { path: path.to_owned(), indexes: Vec::new() }
    }

    fn scheduled(path: &str) -> Said {
        let (connection, operation) = ("crm".to_owned(), "create".to_owned());
        Said::Record(Record::Scheduled { place: place(path), connection, operation, repeat: Repeat::Unsafe })
    }

    fn attempted(path: &str, outcome: Result<Value, Failure>) -> Said {
        let (reached, retry_after, draw) = (Reached::Answered, None, 0);
        Said::Event(Event::Attempted {
            place: place(path),
            attempt: 1,
            outcome,
            reached,
            retry_after,
            draw,
            probe: false,
        })
    }

    fn waits(said: Vec<Said>) -> Vec<(String, Why)> {
        let entries: Vec<_> = said.into_iter().zip(1..).map(|(said, at)| Entry { at: Instant(at), said }).collect();
        Wait::of(&History::of(&entries)).into_iter().map(|wait| (wait.place.to_string(), wait.why)).collect()
    }

    #[test]
    fn each_open_place_has_its_reason_and_what_is_over_has_none() {
        let failure = Failure::new(ErrorKind::Unavailable, "no");
        let until = Some(Instant(90));
        let found = waits(vec![
            scheduled("done"),
            attempted("done", Ok(Value::Null)),
            scheduled("called"),
            scheduled("again"),
            attempted("again", Err(failure.clone())),
            Said::Record(Record::Waits { place: place("again"), until: Instant(90) }),
            scheduled("held"),
            Said::Event(Event::Held {
                place: place("held"),
                attempt: 1,
                until: Instant(80),
                because: "the breaker of `crm` is open".into(),
            }),
            Said::Record(Record::Waits { place: place("held"), until: Instant(80) }),
            Said::Record(Record::Waits { place: place("sleep"), until: Instant(70) }),
            Said::Record(Record::Listens { place: place("wait"), event: "order.shipped".into(), until }),
            Said::Record(Record::Asked { place: place("ask"), question: "Refund?".into(), by: None, until: None }),
            Said::Record(Record::Called { place: place("child"), flow: "f".into(), run: "R".into() }),
            scheduled("unknown"),
            Said::Record(Record::Undecided { place: place("unknown"), failure: failure.clone() }),
        ]);
        assert_eq!(
            found,
            [
                ("called".to_owned(), Why::Answer { attempt: 1, since: Instant(3) }),
                ("again".to_owned(), Why::Retry { attempt: 2, until: Instant(90), failure: failure.clone() }),
                (
                    "held".to_owned(),
                    Why::Turn { until: Some(Instant(80)), because: "the breaker of `crm` is open".into() }
                ),
                ("sleep".to_owned(), Why::Time { until: Instant(70) }),
                ("wait".to_owned(), Why::Event { event: "order.shipped".into(), until }),
                ("ask".to_owned(), Why::Approval { question: "Refund?".into(), by: None, until: None }),
                ("child".to_owned(), Why::Run { flow: "f".into(), run: "R".into() }),
                ("unknown".to_owned(), Why::Decision { failure }),
            ]
        );
    }

    #[test]
    fn a_call_whose_turn_has_come_waits_for_its_answer() {
        let held = |at| {
            Said::Event(Event::Held { place: place("a"), attempt: 1, until: Instant(at), because: "a limit".into() })
        };
        let found = waits(vec![scheduled("a"), held(5), Said::Event(Event::Fired { place: place("a") })]);
        assert_eq!(found, [("a".to_owned(), Why::Answer { attempt: 1, since: Instant(1) })]);
    }
}
