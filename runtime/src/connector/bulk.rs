//! How are the many inputs of one call sent?
//!
//! In as many requests as they take, one after the other, each with a key of its own; their outcomes are put together. Each
//! counts against the limits of the connection: as many as these let through together are counted when the call is
//! admitted, and the others wait for their turn while it is under way, within its time.

mod outcome;

use std::sync::Arc;

use flow_model::{
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    schema::{Bulk, Limit, Operation, Request},
    ty::Type,
    units::{Instant, Millis},
    value::Value,
};
use indexmap::IndexMap;

use super::{
    Attempt, Connectors, Invocation, Reached,
    breaker::Sign,
    gate::together,
    perform::{Ended, Found, invalid, never, typed},
    turn::{self, TooLate},
    vault::Vault,
};
use crate::eval::{Evaluator, Frame};

impl Connectors {
    /// What each request of a call uses up of the limits.
    pub(super) fn costs(&self, invocation: &Invocation, found: Found<'_>) -> Vec<u32> {
        let bulk = found.operation.bulk.as_ref();
        let inputs = bulk.and_then(|bulk| Some((bulk, invocation.args.get(bulk.param as usize)?)));
        match inputs {
            Some((bulk, Value::List(inputs))) if found.operation.cost.is_some() => {
                let parts = inputs.chunks(most(bulk));
                parts.map(|part| self.cost(invocation, found, &args(invocation, bulk, part))).collect()
            }
            Some((bulk, Value::List(inputs))) => vec![1; inputs.len().div_ceil(most(bulk))],
            _ => vec![self.cost(invocation, found, &invocation.args)],
        }
    }

    /// Sends the inputs, and puts their outcomes together. When one request fails, the call does: what is safe to repeat is
    /// sent again with the same keys.
    pub(super) async fn bulk(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        request: &Request,
        bulk: &Bulk,
        config: IndexMap<String, Value>,
        vault: &Vault<'_>,
    ) -> Ended {
        let Some(Value::List(inputs)) = invocation.args.get(bulk.param as usize) else {
            return never(invalid("the inputs of a bulk operation are a list".to_owned())).into();
        };
        let most = most(bulk);
        if inputs.len() > most && !found.operation.is_repeatable() {
            let message = format!(
                "`{}` takes {most} inputs in one request, got {}, and is not safe to repeat: split them with `.chunks({most})`",
                invocation.operation,
                inputs.len(),
            );
            return never(invalid(message)).into();
        }
        let mut turns = match Turns::of(self, invocation, found) {
            Ok(turns) => turns,
            Err(failure) => return never(failure).into(),
        };
        // The request of a part has the outcomes as its result, before they are judged.
        let outcomes = Operation { result: Type::Json, bulk: None, ..found.operation.clone() };
        let part_request = Request { answer: Some(bulk.each.clone()), ..request.clone() };
        let found_part = Found { operation: &outcomes, ..found };
        let (mut ok, mut failed) = (Vec::new(), Vec::new());
        for (number, part) in inputs.chunks(most).enumerate() {
            if let Err(attempt) = turns.wait(number).await {
                // The limit is ours, and the system has answered so far.
                return Ended { sign: Sign::Nothing, ..attempt.into() };
            }
            let key = if inputs.len() > most { format!("{}-{number}", invocation.key) } else { invocation.key.clone() };
            let sent = Invocation { args: args(invocation, bulk, part), key, ..invocation.clone() };
            let ended = self.http(&sent, found_part, &part_request, config.clone(), vault).await;
            let listed = match ended.attempt.outcome {
                Ok(listed) => listed,
                Err(failure) => {
                    return Ended { attempt: Attempt { outcome: Err(failure), ..ended.attempt }, ..ended };
                }
            };
            let of = |expr: &Expr, item: &Value| self.of_item(invocation, found, expr, item);
            let items = match outcome::of_inputs(part, listed, bulk.of.as_ref(), &of) {
                Ok(items) => items,
                Err(why) => {
                    let message = format!("the answer of `{}` does not fit: {why}", found.connector.name);
                    let attempt = answered(Err(Failure::new(ErrorKind::Mismatch, message)));
                    return Ended { attempt, ..ended };
                }
            };
            turns.told(ended.pause);
            for (input, item) in part.iter().zip(items) {
                let Some(item) = item else {
                    ok.push(input.clone());
                    continue;
                };
                match bulk.error.as_ref().map(|error| of(error, &item)) {
                    Some(Ok(Value::Null)) | None => {
                        let value = bulk.value.as_ref().and_then(|value| of(value, &item).ok());
                        ok.push(value.unwrap_or(item));
                    }
                    Some(error) => {
                        failed.push(Value::record([("item", input.clone()), ("error", error.unwrap_or(Value::Null))]))
                    }
                }
            }
        }
        let whole = Value::record([("ok", Value::List(ok)), ("failed", Value::List(failed))]);
        answered(typed(found, whole)).into()
    }

    fn of_item(&self, invocation: &Invocation, found: Found<'_>, expr: &Expr, item: &Value) -> Result<Value, Failure> {
        let ambient = |which: Ambient| (which == Ambient::Item).then(|| item.clone());
        let evaluator = Evaluator {
            library: &self.library,
            functions: &invocation.plan.functions,
            types: &found.connector.types,
            env: &*self.env,
            ambient: &ambient,
        };
        evaluator.eval(expr, &mut Frame::new())
    }
}

/// When the requests of one call may leave.
struct Turns<'a> {
    connectors: &'a Connectors,
    invocation: &'a Invocation,
    account: Arc<str>,
    /// Those that a request uses up; how many calls are under way is not one.
    limits: Vec<Limit>,
    costs: Vec<u32>,
    /// How many were counted when the call was admitted.
    admitted: usize,
    /// When the call has to be over.
    until: Instant,
    /// Whether the server has asked to wait meanwhile.
    paused: bool,
}

impl<'a> Turns<'a> {
    fn of(connectors: &'a Connectors, invocation: &'a Invocation, found: Found<'_>) -> Result<Self, Failure> {
        let account = connectors.account(invocation, found)?;
        let limits = turn::limits(found);
        let costs = connectors.costs(invocation, found);
        let (admitted, _) = together(&costs, &limits);
        let until = connectors.clock.now().after(invocation.timeout);
        Ok(Self { connectors, invocation, account, limits, costs, admitted, until, paused: false })
    }

    /// Takes note of what the server asks for after one of them.
    fn told(&mut self, pause: Option<Millis>) {
        if let Some(pause) = pause {
            let Self { connectors, account, .. } = self;
            connectors.gates.pause(account, pause, connectors.clock.now());
            self.paused = true;
        }
    }

    /// Waits until a request may leave.
    ///
    /// # Errors
    /// That is not within the time of the call.
    async fn wait(&self, number: usize) -> Result<(), Attempt> {
        if number < self.admitted && !self.paused {
            return Ok(());
        }
        let Self { connectors, invocation, account, limits, costs, until, .. } = self;
        let cost = costs.get(number).copied().unwrap_or(1);
        let turn = connectors.turn(invocation, account, limits, cost, *until).await;
        turn.map_err(|TooLate { left, because }| {
            let message = format!(
                "`{}` makes {} requests, and after {number} of them {because}: the next may leave in {left}, and the call \
                 has to end within {}; give the step a longer `timeout`, or fewer inputs at a time with `.chunks(…)`",
                invocation.operation,
                costs.len(),
                invocation.timeout,
            );
            let attempt = answered(Err(Failure::new(ErrorKind::Timeout, message)));
            Attempt { retry_after: Some(left), ..attempt }
        })
    }
}

/// How many inputs one request takes.
fn most(bulk: &Bulk) -> usize {
    bulk.most.max(1) as usize
}

/// The arguments of the request for a part of the inputs.
fn args(invocation: &Invocation, bulk: &Bulk, part: &[Value]) -> Vec<Value> {
    let mut args = invocation.args.clone();
    if let Some(slot) = args.get_mut(bulk.param as usize) {
        *slot = Value::List(part.to_vec());
    }
    args
}

fn answered(outcome: Result<Value, Failure>) -> Attempt {
    Attempt { outcome, retry_after: None, reached: Reached::Answered, parked: None }
}
