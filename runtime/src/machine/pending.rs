//! What does a run wait for?

use std::fmt;

use flow_model::{failure::Failure, units::Instant};
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

use super::{Call, Machine, Place, ThreadId, step::CallState};

/// What the run waits for at a place.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Pending {
    /// The outcome of an attempt.
    Call(CallState),
    /// The time of the next attempt.
    Retry(CallState, Instant),
    /// Its turn: the connection does not let it leave yet, and why.
    Held(CallState, Instant, String),
    /// The end of a `sleep` of some length.
    Sleep(ThreadId, Instant),
    /// The time that a `sleep until` names.
    Until(ThreadId, Instant),
    /// The next pass of a `repeat`.
    Pause(ThreadId, Instant),
    /// Someone's decision about a step whose outcome is not known.
    Undecided(CallState, Failure),
    /// An event.
    Event { thread: ThreadId, node: NodeIndex, until: Option<Instant> },
    /// Someone's answer to a question.
    Approval { thread: ThreadId, node: NodeIndex, question: String, by: Option<String>, until: Option<Instant> },
    /// The end of another run.
    Child { thread: ThreadId, node: NodeIndex, flow: String, run: String },
}

impl Pending {
    pub(super) fn until(&self) -> Option<Instant> {
        match self {
            Self::Retry(_, until)
            | Self::Held(_, until, _)
            | Self::Sleep(_, until)
            | Self::Until(_, until)
            | Self::Pause(_, until) => Some(*until),
            Self::Event { until, .. } | Self::Approval { until, .. } => *until,
            Self::Call(_) | Self::Undecided(..) | Self::Child { .. } => None,
        }
    }
}

impl Pending {
    /// The clock was set by so much: what lasts a while ends when it has lasted that long. Gives the new time of its end.
    pub(super) fn moved(&mut self, by: i64) -> Option<Instant> {
        let until = match self {
            Self::Retry(call, until) | Self::Held(call, until, _) => {
                call.moved(by);
                until
            }
            Self::Sleep(_, until) | Self::Pause(_, until) => until,
            Self::Event { until, .. } | Self::Approval { until, .. } => until.as_mut()?,
            Self::Call(call) | Self::Undecided(call, _) => {
                call.moved(by);
                return None;
            }
            Self::Until(..) | Self::Child { .. } => return None,
        };
        *until = until.moved(by);
        Some(*until)
    }
}

/// What a run is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Calls are under way.
    Running,
    /// It waits for timers alone; the earliest is due then.
    Waiting(Instant),
    /// It waits for something from outside, and perhaps for timers.
    Awaiting {
        /// What, by place.
        what: Vec<(Place, Awaited)>,
        /// When the earliest timer is due.
        until: Option<Instant>,
    },
    /// It waits for someone's decision about these steps, and perhaps for timers and for something from outside.
    Undecided {
        /// The steps, and what is known of them.
        steps: Vec<(Place, Failure)>,
        /// When the earliest timer is due.
        until: Option<Instant>,
    },
    /// It is over.
    Ended,
}

/// What a run waits for that comes from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
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

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => write!(f, "the event `{event}`"),
            Self::Approval { question, by: None } => write!(f, "an approval: {question}"),
            Self::Approval { question, by: Some(by) } => write!(f, "an approval by {by}: {question}"),
            Self::Run { flow, run } => write!(f, "the run {run} of `{flow}`"),
        }
    }
}

impl Machine {
    /// What the run is doing.
    pub fn status(&self) -> Status {
        if self.outcome.is_some() {
            return Status::Ended;
        }
        if self.pending.values().any(|pending| matches!(pending, Pending::Call(_))) {
            return Status::Running;
        }
        let until = self.pending.values().filter_map(Pending::until).min();
        let steps: Vec<_> = self.undecided().map(|(place, failure)| (place.clone(), failure.clone())).collect();
        let what = self.awaited();
        match until {
            _ if !steps.is_empty() => Status::Undecided { steps, until },
            Some(until) if what.is_empty() => Status::Waiting(until),
            until => Status::Awaiting { what, until },
        }
    }

    /// What the run waits for that comes from outside, by place.
    pub fn awaited(&self) -> Vec<(Place, Awaited)> {
        let awaited = |(place, pending): (&Place, &Pending)| {
            let what = match pending {
                Pending::Event { node, .. } => Awaited::Event(self.event_of(*node)?.to_owned()),
                Pending::Approval { question, by, .. } => {
                    Awaited::Approval { question: question.clone(), by: by.clone() }
                }
                Pending::Child { flow, run, .. } => Awaited::Run { flow: flow.clone(), run: run.clone() },
                _ => return None,
            };
            Some((place.clone(), what))
        };
        self.pending.iter().filter_map(awaited).collect()
    }

    /// Steps whose outcome is not known, and what is known of them.
    pub fn undecided(&self) -> impl Iterator<Item = (&Place, &Failure)> {
        self.pending.iter().filter_map(|(place, pending)| match pending {
            Pending::Undecided(_, failure) => Some((place, failure)),
            _ => None,
        })
    }

    /// Steps that their connection does not let leave yet, and why.
    pub fn held(&self) -> impl Iterator<Item = (&Place, &str)> {
        self.pending.iter().filter_map(|(place, pending)| match pending {
            Pending::Held(_, _, because) => Some((place, because.as_str())),
            _ => None,
        })
    }

    /// Where the run waits for a time, until when, and for what then, in words, where it is more than that time.
    pub fn waits_for_time(&self) -> impl Iterator<Item = (&Place, Instant, Option<String>)> {
        self.pending.iter().filter_map(|(place, pending)| {
            let what = match pending {
                Pending::Held(_, _, because) => Some(format!("because {because}")),
                Pending::Retry(call, _) => Some(format!("for attempt {}", call.attempt() + 1)),
                _ => None,
            };
            Some((place, pending.until()?, what))
        })
    }

    /// Attempts that were asked for and have not ended, by place.
    pub fn calls(&self) -> Vec<Call> {
        let call = |(place, pending): (&Place, &Pending)| match pending {
            Pending::Call(call) => Some(self.call(place, call)),
            _ => None,
        };
        self.pending.iter().filter_map(call).collect()
    }

    /// Says whether something is waited for at a place: a call in any of its stages, a time, an event.
    pub fn waits_at(&self, place: &Place) -> bool {
        self.pending.contains_key(place)
    }

    /// Timers that were asked for and have not fired, by place.
    pub fn timers(&self) -> Vec<(Place, Instant)> {
        self.pending.iter().filter_map(|(place, pending)| Some((place.clone(), pending.until()?))).collect()
    }

    /// A timer is due.
    pub(super) fn fired(&mut self, place: &Place) {
        if self.pending.get(place).and_then(Pending::until).is_none_or(|until| until > self.now) {
            return;
        }
        match self.pending.remove(place) {
            Some(Pending::Sleep(thread, _) | Pending::Until(thread, _)) => self.wake(thread),
            Some(Pending::Pause(thread, _)) => self.resume(thread),
            Some(Pending::Retry(call, _)) => self.perform_again(place, call),
            Some(Pending::Held(call, ..)) => self.ask_again(place, call),
            Some(Pending::Event { thread, node, .. } | Pending::Approval { thread, node, .. }) => {
                self.set_result(thread, node, flow_model::value::Value::Null);
                self.wake(thread);
            }
            _ => {}
        }
    }
}
