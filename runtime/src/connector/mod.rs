//! Connectors: how is one attempt of a step carried out?
//!
//! In: an [`Invocation`], the effect as data. Out: an [`Attempt`]: the result or a failure, what the server asks for
//! before the next attempt, and whether the request can have taken effect. Retries, time between attempts and the
//! journal belong to the engine.

mod answer;
pub(crate) mod config;
mod form;
mod http;
mod limit;
mod multipart;
mod native;
mod perform;
mod request;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod vault;
mod wait;
mod xml;

use std::sync::Arc;

use async_trait::async_trait;
use flow_model::{failure::Failure, plan::Plan, units::Millis, value::Value};

pub use self::{
    native::{NativeCall, NativeFailure, NativeOperation, NativeTable},
    perform::{Connectors, LONGEST_ANSWER},
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
    /// A value for each parameter, in declared order.
    pub args: Vec<Value>,
    /// The idempotency key: the same for all attempts of the step.
    pub key: String,
    /// How long the attempt may take.
    pub timeout: Millis,
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

/// Carries out attempts.
#[async_trait]
pub trait Performer: Send + Sync {
    /// Returns when the rate limit of the connection lets one more attempt leave, and counts it as leaving. It may take
    /// any time, which is none of the attempt's own; dropping the future before it returns uses nothing up.
    async fn admit(&self, _invocation: &Invocation) {}

    /// Carries out one attempt that was admitted. Dropping the future abandons it.
    async fn perform(&self, invocation: Invocation) -> Attempt;
}
