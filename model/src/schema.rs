//! What a connector declares: configuration, how to call it, operations, triggers, verification of webhooks.
//!
//! The same structure is the schema that programs are checked against and the description that the HTTP executor
//! follows. Expressions in it see the parameters of their operation in slots `0..` in declared order, and
//! [`Ambient`](crate::expr::Ambient) values.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{
    expr::Expr,
    failure::ErrorKind,
    plan::Policy,
    ty::{Field, Type, Types},
    units::Millis,
};

/// A connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connector {
    /// Its name: `stripe`.
    pub name: String,
    /// The first paragraph of its doc comment and what follows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// What a connection must or may set. `Secret<…>` fields hold credentials.
    pub config: IndexMap<String, Field>,
    /// How HTTP operations reach the system; absent for connectors that are native throughout.
    pub http: Option<Http>,
    /// What statuses and answers mean.
    pub errors: Errors,
    /// Records, enums, unions and errors that it declares, by full name (`stripe.PaymentIntent`).
    pub types: Types,
    /// By name as programs write it after the connection: `chat.post_message`.
    pub operations: BTreeMap<String, Operation>,
    /// By name: `payment_intent.succeeded`.
    pub triggers: BTreeMap<String, WebhookTrigger>,
    /// By name: `signature` in `stripe.signature(…)`.
    pub verifications: BTreeMap<String, Verification>,
    /// Defaults of its operations.
    #[serde(default)]
    pub policy: Policy,
}

/// How HTTP operations reach the system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Http {
    /// The base URL, text that may use `config`. A connection may replace it with `base_url`.
    pub base: Expr,
    /// How requests carry the credential.
    pub auth: Auth,
    /// Headers of every request.
    pub headers: Vec<(String, Expr)>,
    /// At most that many requests in that time, over all runs that use the connection.
    pub limit: Option<Rate>,
    /// When to try again: the text or number of this expression over the answer, in seconds or as an HTTP date.
    /// `Retry-After` is read when nothing is declared.
    pub retry_after: Option<Expr>,
}

/// At most `count` in each `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In what time.
    pub period: Millis,
}

/// How requests carry the credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Auth {
    /// Not at all.
    None,
    /// `Authorization: Bearer …`
    Bearer(Expr),
    /// `Authorization: Basic …` of user and password.
    Basic(Expr, Expr),
    /// A header of that name.
    Header(String, Expr),
    /// A query parameter of that name.
    Query(String, Expr),
}

/// What statuses and answers mean. Rules are tried in order and the first that fits decides; then statuses below 400
/// are a success, 401, 403, 404, 409, 429 their usual kinds, other 4xx `Invalid`, 5xx and lost connections `Unavailable`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Condition → kind.
    pub rules: Vec<(ErrorCondition, ErrorKind)>,
    /// The message in the answer: text or null, over `body`, `status`, `headers`.
    pub message: Option<Expr>,
    /// The system's own error code in the answer: text or null.
    pub code: Option<Expr>,
}

/// When an answer is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ErrorCondition {
    /// One status.
    Status(u16),
    /// A hundred statuses: `5xx` is `5`.
    StatusClass(u16),
    /// No answer: `connection`.
    Connection,
    /// A condition over `body`, `status`, `headers`: `body.ok == false`.
    When(Expr),
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// Parameters in declared order; those with a default or a nullable type may be left out.
    pub params: IndexMap<String, Field>,
    /// The type of the result.
    pub result: Type,
    /// What a call does, and so whether it may be repeated.
    pub effect: Effect,
    /// What makes repeating a `create` or `destroy` safe.
    pub key: Option<KeySource>,
    /// How it is carried out.
    pub call: Call,
    /// Errors of its own that it can end with, besides the built-in ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorKind>,
    /// OAuth scopes that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Why it should no longer be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
}

impl Operation {
    /// Says whether a call may be repeated without doing more than once what it does, when `key` says whether the
    /// author gave one or the engine makes one.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.effect, Effect::Read | Effect::Idempotent) || self.key.is_some()
    }
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Nothing.
    Read,
    /// The same when done again.
    Idempotent,
    /// Something new on each call.
    Create,
    /// Takes something away, or does what can't be undone.
    Destroy,
}

/// What makes repeating a call safe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum KeySource {
    /// The key goes into this header.
    Header(String),
    /// The key goes into this field of the body.
    Field(String),
    /// The key goes into this parameter of a native operation.
    Native,
}

/// How an operation is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// An HTTP request.
    Http(Box<Request>),
    /// Rust behind the native trait.
    Native,
}

/// An HTTP request and how its answer is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path below the base URL, as text; each insertion is one path segment and is escaped.
    pub path: Expr,
    /// Query parameters; a null is left out, a list is repeated.
    pub query: Vec<(String, Expr)>,
    /// Headers; a null is left out.
    pub headers: Vec<(String, Expr)>,
    /// The body.
    pub body: Body,
    /// What of the answer is the result, over `body`, `status`, `headers`; the whole body when absent.
    pub answer: Option<Expr>,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// No body.
    None,
    /// JSON. Absent optionals (null parameters named by the template) are left out.
    Json(Expr),
    /// `application/x-www-form-urlencoded`, nested as `metadata[user_id]`; nulls are left out.
    Form(Expr),
    /// Text or bytes as they are, with that media type.
    Raw(Expr, String),
}

/// A trigger that is a webhook of the connector's system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookTrigger {
    /// Its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The type of one event.
    pub payload: Type,
    /// Where the event is: an expression over `body`; with `each`, a list of events.
    pub webhook: Expr,
    /// `webhook: each body`: one run for each item.
    pub each: bool,
    /// Which deliveries are this event: over `body` (of one item with `each`: `.type == "x"`), `headers`.
    pub when: Option<Expr>,
    /// How deliveries are verified when the flow does not say.
    pub verify: Option<VerifyCall>,
    /// The key by which a repeated delivery is known: over [`Ambient::Item`](crate::expr::Ambient::Item).
    pub dedupe: Option<Expr>,
}

/// A named scheme of verification with its arguments: `stripe.signature(secret: …, tolerance: 5m)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyCall {
    /// The scheme, resolved: parameters are in its slots `0..`.
    pub scheme: Verification,
    /// The arguments, in the order of the scheme's parameters.
    pub args: Vec<Expr>,
}

/// A scheme by which the sender of a webhook proves itself. All are computed over the raw bytes as received and
/// compared in constant time; no header, no secret or no match is a refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// Parameters, in order: `secret`, `tolerance`, …
    pub params: IndexMap<String, Field>,
    /// The hash of the HMAC.
    pub hash: Hash,
    /// The key; a list holds several in rotation.
    pub secret: Expr,
    /// How the digest is written.
    pub encoding: DigestEncoding,
    /// The header that carries the signature.
    pub header: Expr,
    /// Where in that header timestamp and signatures are.
    pub grammar: HeaderGrammar,
    /// A header that carries the timestamp, where it is not in the signature's.
    pub timestamp_header: Option<Expr>,
    /// What is signed.
    pub signed: Vec<SignedPart>,
    /// How far the timestamp may lie from now, in either direction, as a duration.
    pub tolerance: Option<Expr>,
}

/// A hash function of an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hash {
    /// SHA-1, where a vendor still uses it.
    Sha1,
    /// SHA-256
    Sha256,
    /// SHA-512
    Sha512,
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestEncoding {
    /// Hexadecimal.
    Hex,
    /// Base64.
    Base64,
}

/// Where in a signature header the signatures are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HeaderGrammar {
    /// The whole value after a fixed prefix (`sha256=`), which must be there when it is not empty.
    Whole {
        /// The prefix: text.
        prefix: Expr,
    },
    /// `t=1492774577,v1=5257a8…,v1=…`: pairs; any of the signatures may match.
    Pairs {
        /// The key of the timestamp.
        timestamp: Option<String>,
        /// The key of the signatures; others are passed over.
        signature: String,
    },
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SignedPart {
    /// Fixed text.
    Text(String),
    /// The timestamp as it was sent.
    Timestamp,
    /// The raw body.
    Body,
    /// The request's method.
    Method,
    /// The request's URL with its query, as the sender saw it.
    Url,
}
