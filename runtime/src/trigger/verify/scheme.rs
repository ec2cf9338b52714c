//! What is a trigger's `verify:` once its arguments are known?

use flow_model::{
    expr::Expr,
    failure::Failure,
    schema::{DigestEncoding, Hash, HeaderGrammar, KeyForm, Place, Proof, SignedPart, VerifyCall},
    units::Millis,
    value::Value,
};

use super::Refusal;
use crate::{
    eval::{Evaluator, Frame},
    secret::{Redactor, SecretText, Secrets},
};

/// A scheme of verification with its arguments and secrets.
#[derive(Clone, Debug)]
pub struct Scheme {
    /// How the sender proves itself.
    pub method: Proof,
    /// The hash of the HMAC, digest or signature.
    pub hash: Hash,
    /// The secrets, any of which may match; public keys or certificates for signatures.
    pub secrets: Vec<SecretText>,
    /// Takes the secrets out of a request that carries them as they are.
    pub carried: Redactor,
    /// How the text of a secret becomes the key.
    pub key: KeyForm,
    /// How the digest is written.
    pub encoding: DigestEncoding,
    /// Where the signature is.
    pub header: Spot,
    /// Where in that place timestamp and signatures are.
    pub grammar: Grammar,
    /// Where the timestamp is, when it is not beside the signature.
    pub timestamp: Option<Spot>,
    /// What is signed.
    pub signed: Vec<SignedPart>,
    /// The text of each parameter, for what is signed of them.
    pub values: Vec<String>,
    /// How far the timestamp may lie from now, in either direction.
    pub tolerance: Option<Millis>,
}

/// Where in a request something is, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// A header, in any case.
    Header(String),
    /// A query parameter.
    Query(String),
    /// A field of a form or of JSON.
    Field(String),
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
    /// Several, apart by a text.
    List {
        /// What stands between them.
        separator: String,
        /// What stands before each.
        prefix: String,
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
        args.push(match call.args.get(index).or(field.default.as_deref()) {
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
        HeaderGrammar::List { separator, prefix } => {
            Grammar::List { separator: separator.clone(), prefix: prefix.clone() }
        }
    };
    let tolerance = match declared.tolerance.as_ref().map(value).transpose()? {
        None | Some(Value::Null) => None,
        Some(Value::Duration(tolerance)) => Some(tolerance),
        Some(other) => return Err(unfit("a duration", &other)),
    };
    let spot = |place: &Place| {
        Ok::<_, Failure>(match place {
            Place::Header(name) => Spot::Header(text(name)?),
            Place::Query(name) => Spot::Query(text(name)?),
            Place::Field(name) => Spot::Field(text(name)?),
        })
    };
    let secret = value(&declared.secret)?;
    let known = named(&secret)?.into_iter().filter_map(|name| Some((name, secrets.get(name)?)));
    let (mut usable, mut carried) = (Vec::new(), Redactor::default());
    for (name, text) in known {
        if declared.method == Proof::Token {
            carried.add(name, &text);
        }
        usable.push(text);
    }
    Ok(Scheme {
        method: declared.method,
        hash: declared.hash,
        secrets: usable,
        carried,
        key: declared.key.clone(),
        encoding: declared.encoding,
        header: spot(&declared.header)?,
        grammar,
        timestamp: declared.timestamp.as_ref().map(spot).transpose()?,
        signed: declared.signed.clone(),
        // A secret stands there by its name, and enters what is signed as `{secret}` alone.
        values: args.iter().map(ToString::to_string).collect(),
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
