//! Which outcome does each input of a request have?
//!
//! In: the inputs of one request, and the outcomes in its answer. Out: for each input, in order, its outcome; none for one
//! that has gone well without being listed. What does not add up is an answer that does not fit: an input of which it is not
//! known what became of it is neither done nor failed.

use std::collections::{HashMap, VecDeque};

use flow_model::{expr::Expr, failure::Failure, schema::OutcomeOf, value::Value};

/// Finds the outcome of each input.
///
/// # Errors
/// Why the outcomes are not those of the inputs; without their contents, which may be anybody's.
pub(super) fn of_inputs(
    inputs: &[Value],
    listed: Value,
    of: Option<&OutcomeOf>,
    eval: &dyn Fn(&Expr, &Value) -> Result<Value, Failure>,
) -> Result<Vec<Option<Value>>, String> {
    let outcomes = match listed {
        Value::List(outcomes) => outcomes,
        Value::Null if of.is_some_and(|of| of.unlisted_is_ok) => Vec::new(),
        other => return Err(format!("it has {} for {} inputs", other.kind(), inputs.len())),
    };
    let Some(of) = of else {
        if outcomes.len() != inputs.len() {
            return Err(format!("it has {} outcomes for {} inputs", outcomes.len(), inputs.len()));
        }
        return Ok(outcomes.into_iter().map(Some).collect());
    };
    // Inputs that are known by the same have their outcomes in their order, and the last one once more when there are fewer.
    let mut known: HashMap<String, VecDeque<Value>> = HashMap::new();
    let mut keys = Vec::with_capacity(inputs.len());
    for (number, input) in inputs.iter().enumerate() {
        let key = match &of.input {
            Some(expr) => eval(expr, input).map_err(|failure| failure.message)?,
            None => Value::Int(i64::try_from(number).unwrap_or(i64::MAX)),
        };
        let key = text(&key).ok_or_else(|| format!("input {} has no key that outcomes could name", number + 1))?;
        known.insert(key.clone(), VecDeque::new());
        keys.push(key);
    }
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let named = match eval(&of.outcome, &outcome) {
            Ok(Value::List(named)) => named,
            Ok(one) => vec![one],
            Err(failure) => {
                return Err(format!("outcome {} does not say of which input it is: {}", number + 1, failure.message));
            }
        };
        let stranger = || format!("outcome {} of {} inputs is of none of them", number + 1, inputs.len());
        if named.is_empty() {
            return Err(stranger());
        }
        for key in named {
            let of_input = text(&key).and_then(|key| known.get_mut(&key)).ok_or_else(stranger)?;
            of_input.push_back(outcome.clone());
        }
    }
    let mut found = Vec::with_capacity(inputs.len());
    for (number, key) in keys.iter().enumerate() {
        let outcome = known.get_mut(key).and_then(|of_key| match of_key.len() {
            0 | 1 => of_key.front().cloned(),
            _ => of_key.pop_front(),
        });
        if outcome.is_none() && !of.unlisted_is_ok {
            return Err(format!("it has no outcome for input {} of {}", number + 1, inputs.len()));
        }
        found.push(outcome);
    }
    Ok(found)
}

/// A key as text, so that `7` and `"7"` are the same.
fn text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.to_string()),
        Value::Null | Value::List(_) | Value::Record(_) => None,
        other => Some(match other.to_json() {
            serde_json::Value::String(text) => text,
            json => json.to_string(),
        }),
    }
}
