//! How far has a trigger that polls read, and where may it be told to go on?
//!
//! In: what is kept of it, text by key, within its flow and the trigger as it is written. Out: the marks and the items that were
//! seen there; or what is kept in its place when someone wants it to read from elsewhere.

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{
    boundary,
    expr::Expr,
    plan::{Plan, Trigger, TriggerKind},
    schema::{Connector, Poll, WebhookTrigger},
    ty::{Format, Type, Types},
    units::Millis,
    value::Value,
};
use jiff::{SignedDuration, Timestamp};

use crate::engine::started_by;

/// The keys under which is kept how far was read, that reading has begun, what was seen, and that it begins with what comes from
/// now on whatever is declared.
pub(super) const CURSOR: &str = "cursor";
pub(super) const BEGUN: &str = "begun";
pub(super) const SEEN: &str = "seen ";
pub(super) const NOW: &str = "now";

/// A flow that is started by what a system lists.
#[derive(Clone, Debug)]
pub struct Polled {
    pub(super) plan: Arc<Plan>,
    pub(super) trigger: usize,
    pub(super) declared: Trigger,
    pub(super) connection: String,
    pub(super) name: String,
    pub(super) args: Vec<Expr>,
    pub(super) every: Millis,
}

/// Lists the flows that poll.
pub fn polled(plans: &[Arc<Plan>]) -> Vec<Polled> {
    let all = plans.iter().flat_map(|plan| plan.triggers.iter().enumerate().map(move |trigger| (plan, trigger)));
    all.filter_map(|(plan, (trigger, declared))| match &declared.kind {
        TriggerKind::Poll { connection, trigger: name, args, every, .. } => Some(Polled {
            plan: Arc::clone(plan),
            trigger,
            declared: declared.clone(),
            connection: connection.clone(),
            name: name.clone(),
            args: args.clone(),
            every: *every,
        }),
        _ => None,
    })
    .collect()
}

impl Polled {
    pub(super) fn found(&self) -> Option<(&Connector, &WebhookTrigger, &Poll)> {
        let connection = self.plan.connections.get(&self.connection)?;
        let connector = self.plan.connectors.get(&connection.connector)?;
        let trigger = connector.triggers.get(&self.name)?;
        Some((connector, trigger, trigger.poll.as_ref()?))
    }
}

/// From where a trigger is told to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// What comes from now on: what there is starts nothing.
    Now,
    /// Everything that is listed.
    Start,
    /// What is not older than this: a time in RFC 3339, a number or a text, as the cursor is.
    Mark(String),
}

/// How far a trigger has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not read yet.
    New,
    /// It has read, and nothing was there.
    Nothing,
    /// Up to this, in each place where the cursor grows; its name is empty where there is but one.
    At(BTreeMap<String, String>),
}

impl Polled {
    /// The flow that it starts.
    pub fn flow(&self) -> &str {
        &self.plan.flow
    }

    /// The trigger, as the list of runs calls it: `sales.contact.created`.
    pub fn on(&self) -> String {
        started_by(&self.declared)
    }

    /// How often it reads.
    pub fn every(&self) -> Millis {
        self.every
    }

    /// How far it has read, by what is kept of it.
    pub fn standing(&self, notes: &BTreeMap<String, String>) -> Standing {
        let Some((_, _, poll)) = self.found() else { return Standing::New };
        let (latest, _) = known(notes, poll);
        if latest.is_empty() {
            return if notes.contains_key(BEGUN) { Standing::Nothing } else { Standing::New };
        }
        Standing::At(latest.into_iter().map(|(place, mark)| (place.trim_start().to_owned(), mark.text())).collect())
    }

    /// What has to be kept in the place of all that is, so that it reads from there.
    ///
    /// # Errors
    /// Why it can't, in words, with what to do.
    pub fn read_from(&self, from: &ReadFrom) -> Result<BTreeMap<String, String>, (String, String)> {
        let on = self.on();
        let (_, _, poll) =
            self.found().ok_or_else(|| (format!("`{on}` does not poll"), "take one that does".to_owned()))?;
        let notes = match from {
            ReadFrom::Now => vec![(NOW, "yes".to_owned())],
            ReadFrom::Start => vec![(BEGUN, "yes".to_owned())],
            ReadFrom::Mark(text) => {
                if poll.within.is_some() || poll.listed.is_some() {
                    let why = if poll.within.is_some() { "in several places" } else { "in no order of its own" };
                    let message =
                        format!("the list of `{on}` grows {why}, so one cursor does not say from where to read");
                    return Err((message, "tell it to read from `now` or from the `start`".to_owned()));
                }
                let mark = self.mark(text, poll)?;
                vec![(BEGUN, "yes".to_owned()), (CURSOR, mark.text())]
            }
        };
        Ok(notes.into_iter().map(|(key, text)| (key.to_owned(), text)).collect())
    }

    fn mark(&self, text: &str, poll: &Poll) -> Result<Mark, (String, String)> {
        let written = match poll.ty {
            Type::Int => serde_json::from_str(text).unwrap_or(serde_json::Value::Null),
            _ => serde_json::Value::from(text),
        };
        let mark = boundary::decode(&written, &poll.ty, &Types::default()).ok().as_ref().and_then(Mark::of);
        mark.ok_or_else(|| {
            let example = match poll.ty {
                Type::Int => "a number",
                Type::Timestamp => "a time, as `2026-01-31T09:00:00Z`",
                _ => "a text",
            };
            (format!("the cursor of `{}` is no `{text}`", self.on()), format!("give {example}, `now` or `start`"))
        })
    }
}

/// Where an item stands among the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Number(i64),
    Text(String),
    Time(Timestamp),
}

impl Mark {
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(number) => Some(Self::Number(*number)),
            Value::String(text) => Some(Self::Text(text.to_string())),
            Value::Timestamp(time) => Some(Self::Time(*time)),
            _ => None,
        }
    }

    /// As it was written by [`Self::text`].
    pub(super) fn read(text: &str, ty: &Type) -> Option<Self> {
        match ty {
            Type::Int => text.parse().ok().map(Self::Number),
            Type::Timestamp => text.parse().ok().map(Self::Time),
            _ => Some(Self::Text(text.to_owned())),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Time(time) => time.to_string(),
        }
    }

    /// What is older than this is never taken any more.
    pub(super) fn less(&self, overlap: Millis) -> Self {
        match self {
            Self::Time(time) => Self::Time(back(*time, overlap)),
            other => other.clone(),
        }
    }

    /// What the system is asked for.
    pub(super) fn since(&self, poll: &Poll) -> Value {
        match self.less(poll.overlap) {
            Self::Number(number) => Value::Int(number),
            Self::Text(text) => Value::text(text),
            Self::Time(time) => {
                let coarse = i64::try_from(poll.granularity.0).unwrap_or(i64::MAX).max(1);
                let whole = time.as_millisecond() - time.as_millisecond().rem_euclid(coarse);
                match poll.format {
                    Some(Format::UnixSeconds) => Value::Int(whole.div_euclid(1000)),
                    Some(Format::UnixMillis) => Value::Int(whole),
                    None if poll.granularity.0 == 0 => Value::Timestamp(time),
                    None => Value::Timestamp(Timestamp::from_millisecond(whole).unwrap_or(time)),
                }
            }
        }
    }
}

fn back(time: Timestamp, by: Millis) -> Timestamp {
    let by = SignedDuration::from_millis(i64::try_from(by.0).unwrap_or(i64::MAX));
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// How far was read in each place: its name after a space, or nothing where there is but one.
pub(super) type Latest = BTreeMap<String, Mark>;

/// An item that was seen.
pub(super) struct Seen {
    pub(super) place: String,
    pub(super) mark: Mark,
}

impl Seen {
    /// As it was written by [`Self::text`].
    pub(super) fn read(text: &str, poll: &Poll) -> Option<Self> {
        let (place, mark) = if poll.within.is_some() {
            let (length, rest) = text.split_once(':')?;
            rest.split_at_checked(length.parse().ok()?)?
        } else {
            ("", text)
        };
        Some(Self { place: place.to_owned(), mark: Mark::read(mark, &poll.ty)? })
    }

    pub(super) fn text(&self) -> String {
        let (place, mark) = (&self.place, self.mark.text());
        if place.is_empty() { mark } else { format!("{}:{place}{mark}", place.len()) }
    }

    /// Says whether it is older than what is still taken.
    pub(super) fn is_past(&self, latest: &Latest, overlap: Millis) -> bool {
        latest.get(&self.place).is_some_and(|latest| self.mark < latest.less(overlap))
    }
}

/// How far was read, and what was seen, as kept.
pub(super) fn known(notes: &BTreeMap<String, String>, poll: &Poll) -> (Latest, BTreeMap<String, Seen>) {
    let latest = notes
        .iter()
        .filter_map(|(key, text)| Some((key.strip_prefix(CURSOR)?.to_owned(), Mark::read(text, &poll.ty)?)));
    let seen =
        notes.iter().filter_map(|(key, text)| Some((key.strip_prefix(SEEN)?.to_owned(), Seen::read(text, poll)?)));
    (latest.collect(), seen.collect())
}
