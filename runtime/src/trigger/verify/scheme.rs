//! What is a trigger's `verify:` once its arguments are known?

use flow_model::{
    expr::Expr,
    failure::Failure,
    schema::{DigestEncoding, Hash, HeaderGrammar, SignedPart, VerifyCall},
    units::Millis,
    value::Value,
};

use super::Refusal;
use crate::{
    eval::{Evaluator, Frame},
    secret::{SecretText, Secrets},
};

/// A scheme of verification with its arguments and secrets.
#[derive(Clone, Debug)]
pub struct Scheme {
    /// The hash of the HMAC.
    pub hash: Hash,
    /// The secrets, any of which may match.
    pub secrets: Vec<SecretText>,
    /// How the digest is written.
    pub encoding: DigestEncoding,
    /// The header that carries the signature, in any case.
    pub header: String,
    /// Where in that header timestamp and signatures are.
    pub grammar: Grammar,
    /// A header that carries the timestamp, where it is not in the signature's.
    pub timestamp_header: Option<String>,
    /// What is signed.
    pub signed: Vec<SignedPart>,
    /// How far the timestamp may lie from now, in either direction.
    pub tolerance: Option<Millis>,
}

/// Where in a signature header the signatures are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// The whole value after a fixed prefix.
    Whole {
        /// The prefix, which may be empty.
        prefix: String,
    },
    /// `t=…,v1=…`
    Pairs {
        /// The key of the timestamp.
        timestamp: Option<String>,
        /// The key of the signatures.
        signature: String,
    },
}

impl Scheme {
    /// Computes the arguments of a `verify:` and looks its secrets up. Those of a list that are not set are passed over;
    /// the request is refused later when none is left.
    ///
    /// # Errors
    /// [`Refusal::NotSetUp`] when an argument can't be computed or is not what the scheme needs.
    pub fn resolve(call: &VerifyCall, evaluator: &Evaluator<'_>, secrets: &dyn Secrets) -> Result<Self, Refusal> {
        resolve(call, evaluator, secrets).map_err(|failure| {
            tracing::warn!(%failure, "a trigger can't be verified");
            Refusal::NotSetUp
        })
    }
}

fn resolve(call: &VerifyCall, evaluator: &Evaluator<'_>, secrets: &dyn Secrets) -> Result<Scheme, Failure> {
    let declared = &call.scheme;
    let mut args = Vec::with_capacity(declared.params.len());
    for (index, field) in declared.params.values().enumerate() {
        args.push(match call.args.get(index).or(field.default.as_ref()) {
            Some(arg) => evaluator.eval(arg, &mut Frame::new())?,
            None => Value::Null,
        });
    }
    let value = |expr: &Expr| evaluator.eval(expr, &mut Frame::of(args.iter().cloned()));
    let text = |expr: &Expr| match value(expr)? {
        Value::String(text) => Ok(text.to_string()),
        other => Err(unfit("text", &other)),
    };
    let grammar = match &declared.grammar {
        HeaderGrammar::Whole { prefix } => Grammar::Whole { prefix: text(prefix)? },
        HeaderGrammar::Pairs { timestamp, signature } => {
            Grammar::Pairs { timestamp: timestamp.clone(), signature: signature.clone() }
        }
    };
    let tolerance = match declared.tolerance.as_ref().map(value).transpose()? {
        None | Some(Value::Null) => None,
        Some(Value::Duration(tolerance)) => Some(tolerance),
        Some(other) => return Err(unfit("a duration", &other)),
    };
    Ok(Scheme {
        hash: declared.hash,
        secrets: named(&value(&declared.secret)?)?.into_iter().filter_map(|name| secrets.get(name)).collect(),
        encoding: declared.encoding,
        header: text(&declared.header)?,
        grammar,
        timestamp_header: declared.timestamp_header.as_ref().map(text).transpose()?,
        signed: declared.signed.clone(),
        tolerance,
    })
}

/// The names of one secret or of a list of them.
fn named(value: &Value) -> Result<Vec<&str>, Failure> {
    match value {
        Value::Secret(name) => Ok(vec![name]),
        Value::List(items) => Ok(items.iter().map(named).collect::<Result<Vec<_>, _>>()?.concat()),
        Value::Null => Ok(Vec::new()),
        other => Err(unfit("a secret", other)),
    }
}

fn unfit(expected: &str, found: &Value) -> Failure {
    let message = format!("a scheme of verification needs {expected} and got {}", found.kind());
    Failure::new(flow_model::failure::ErrorKind::Invalid, message)
}
