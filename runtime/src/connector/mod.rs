//! Connectors: how is one attempt of a step carried out?
//!
//! In: an [`Invocation`], the effect as data. Out: an [`Attempt`]: the result or a failure, what the server asks for
//! before the next attempt, and whether the request can have taken effect. Retries, time between attempts and the
//! journal belong to the engine.

mod account;
mod answer;
pub(crate) mod breaker;
mod bulk;
pub(crate) mod config;
mod credential;
mod form;
pub(crate) mod gate;
mod hook;
mod http;
mod identity;
mod kept;
mod meter;
mod multipart;
mod native;
mod pace;
mod page;
mod payload;
mod perform;
mod redirect;
mod request;
mod sign;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod turn;
mod vault;
mod wait;
mod xml;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use flow_model::{
    failure::Failure,
    plan::{Breaker, Plan, Policy},
    schema::Rate,
    ty::Type,
    units::{Instant, Millis},
    value::Value,
};
use futures::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

pub use self::{
    account::{ByCode, ByDevice, Connected, Connecting, NoTokens, Standing, Tokens},
    answer::read as read_answer,
    hook::{Hook, Lost as LostHook, Registered, Repeats},
    native::{NativeCall, NativeFailure, NativeOperation, NativeTable},
    perform::{Connectors, LONGEST_ANSWER, LONGEST_FILE},
    table::typed as from_text,
    wait::LONGEST_WAIT,
};

/// One attempt of a step, as data.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The plan that the run is pinned to; it holds the connector's declaration.
    pub plan: Arc<Plan>,
    /// The connection, a key of the plan's connections.
    pub connection: String,
    /// The operation, a key of the connector's operations.
    pub operation: String,
    /// The type of the result, where the operation leaves it to its caller.
    pub result: Option<Type>,
    /// Where the page of a stream begins that is to be fetched, null for the first; none when no stream is.
    pub page: Option<Value>,
    /// A value for each parameter, in declared order.
    pub args: Vec<Value>,
    /// The parameters, by number, for which `null` is written: in JSON it is sent.
    pub nulls: Vec<usize>,
    /// The idempotency key: the same for all attempts of the step.
    pub key: String,
    /// How long the attempt may take.
    pub timeout: Millis,
    /// The header `traceparent` that goes with it to what is called.
    pub traceparent: Option<String>,
    /// As what it was let through; none when nobody was asked.
    pub admitted: Option<Admitted>,
}

/// What an attempt was let through as. It is counted when it leaves.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// What tells it from all others that are made at the same time.
    pub ticket: String,
    /// Counts from 1.
    pub attempt: u32,
    /// What the policy in force says of when it may leave.
    pub terms: Terms,
    /// The account that it belongs to, as its pass says; none when it has to be found.
    pub account: Option<Arc<str>>,
}

/// What a policy says of when calls may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The breaker that it names.
    pub breaker: Option<Breaker>,
    /// How many calls are tried again, over all runs that use the same account.
    pub budget: Option<Rate>,
}

impl From<&Policy> for Terms {
    fn from(policy: &Policy) -> Self {
        Self { breaker: policy.breaker, budget: policy.budget }
    }
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The result of the operation's type, or why there is none.
    pub outcome: Result<Value, Failure>,
    /// The least wait before the next attempt that the server asks for.
    pub retry_after: Option<Millis>,
    /// Whether the request can have taken effect.
    pub reached: Reached,
    /// Why it has no effect and will have none before it asks again: the step waits.
    pub parked: Option<Parked>,
}

/// What an attempt waits for: that a person does something, or its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// What, in words.
    pub because: String,
    /// After what time it asks again.
    pub again: Millis,
    /// Of which kind that is.
    pub waits: Waiting,
}

/// What a call that is held up waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Its turn, or something that a person does.
    Turn,
    /// That its system works again.
    Recovery,
}

/// Whether a request can have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Reached {
    /// It has not left: nothing can have happened, and repeating it is safe whatever it does.
    Never,
    /// It may have left, and no answer came back: what happened is not known.
    Perhaps,
    /// The server has answered.
    Answered,
}

/// An attempt that asks to leave.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The attempt.
    pub invocation: &'a Invocation,
    /// What tells it from all others that are made at the same time.
    pub ticket: &'a str,
    /// Counts from 1.
    pub attempt: u32,
    /// What the policy in force says of when it may leave.
    pub terms: Terms,
}

/// Whether an attempt may leave.
pub enum Admission {
    /// It may.
    Now(Pass),
    /// It has its place at that time, and asks again then.
    At {
        /// When.
        at: Instant,
        /// What it waits for, in words.
        because: String,
        /// Of which kind that is.
        waits: Waiting,
    },
    /// It may when another one has ended.
    Later(BoxFuture<'static, Pass>),
}

/// Lets an attempt leave; dropped when the attempt has ended.
#[derive(Debug, Default)]
pub struct Pass {
    _room: Option<OwnedSemaphorePermit>,
    trial: Option<gate::Trial>,
    account: Option<Arc<str>>,
}

impl Pass {
    /// One that holds nothing.
    pub fn free() -> Self {
        Self::default()
    }

    /// One that takes up room.
    pub fn of(room: OwnedSemaphorePermit) -> Self {
        Self { _room: Some(room), trial: None, account: None }
    }

    /// The same for an attempt that a breaker lets through to see whether the system works again.
    fn for_a(self, trial: gate::Trial) -> Self {
        Self { trial: Some(trial), ..self }
    }

    /// The same for an attempt of an account.
    fn of_account(self, account: Arc<str>) -> Self {
        Self { account: Some(account), ..self }
    }

    /// The account that the attempt belongs to, where the performer knows one.
    pub fn account(&self) -> Option<Arc<str>> {
        self.account.clone()
    }

    /// Says whether the attempt is let through to see whether the system works again.
    pub fn is_for_a_trial(&self) -> bool {
        self.trial.is_some()
    }
}

/// Carries out attempts.
#[async_trait]
pub trait Performer: Send + Sync {
    /// Says whether an attempt may leave now, by the limits, the breaker and the budget of its connection, and keeps its place
    /// when it may not. The same attempt may ask again.
    fn admit(&self, _asking: &Asking<'_>) -> Admission {
        Admission::Now(Pass::free())
    }

    /// Takes note that an attempt which has asked to leave will not: what it has been promised is another's.
    fn withdraw(&self, _ticket: &str) {}

    /// The connections that were called, and whether the breaker of each keeps calls from leaving.
    fn breakers(&self) -> BTreeMap<String, bool> {
        BTreeMap::new()
    }

    /// Says why an attempt that was parked would be parked again, without letting anything leave for it.
    async fn parks(&self, _invocation: &Invocation) -> Option<Parked> {
        None
    }

    /// Carries out one attempt that was admitted, and counts it against the limits when it leaves: one that comes for its
    /// place so late that it can't leave any more is parked, and asks again. Dropping the future abandons it.
    async fn perform(&self, invocation: Invocation) -> Attempt;
}
