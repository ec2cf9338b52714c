//! What a connector declares: configuration, how to call it, operations, triggers, verification of webhooks.
//!
//! The same structure is the schema that programs are checked against and the description that the HTTP executor
//! follows. Expressions in it see the parameters of their operation in slots `0..` in declared order, and
//! [`Ambient`](crate::expr::Ambient) values.

mod each;
mod http;
mod name;
mod oauth;
mod page;

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

pub use self::http::{
    Bulk, Challenge, Format, Limit, ListStyle, OperationCall, OutcomeOf, Part, Signing, Version, Wait, WaitForm,
    Webhooks, webhook_params,
};
pub use self::page::{Into, MOST_ITEMS, MOST_PAGES, Page, PageKind};

pub use self::oauth::{
    Algorithm, Assertion, Carrier, Carry, Grant, OAuth, OAuth1, OwnScheme, Pkce, RequestPart, SendClient, Session,
    SigV4, Signature, TimeForm, TokenAnswer,
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
    /// Handshakes of its webhooks, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub challenges: BTreeMap<String, Challenge>,
    /// How its webhooks are set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Webhooks>,
    /// Defaults of its operations.
    #[serde(default)]
    pub policy: Policy,
}

impl Connector {
    /// The kinds that a call of one of its operations can end with, each once and in order. [`ErrorKind::Interrupted`] is
    /// none of them: whether the fate of a call is known is not for the system to say.
    pub fn kinds_of(&self, operation: &Operation) -> Vec<ErrorKind> {
        let mut kinds = ErrorKind::OF_EVERY_CALL.to_vec();
        match &operation.fails {
            Some(fails) => {
                kinds.extend(fails.iter().cloned());
                // A credential may be missing, and then the code is not begun.
                let mut given = self.config.values().chain(operation.params.values());
                kinds.extend(
                    given
                        .any(|field| matches!(field.ty.non_null(), Type::Secret(_)))
                        .then_some(ErrorKind::Unauthorized),
                );
                // Whoever gives out tokens may refuse to.
                if self.http.as_ref().is_some_and(|http| http.auth.is_given_out()) {
                    kinds.extend([ErrorKind::Unauthorized, ErrorKind::Forbidden, ErrorKind::RateLimited]);
                }
            }
            None => {
                kinds.extend([ErrorKind::Unauthorized, ErrorKind::Forbidden, ErrorKind::NotFound]);
                kinds.extend([ErrorKind::Conflict, ErrorKind::RateLimited]);
                kinds.extend((operation.call == Call::Native).then_some(ErrorKind::Rejected));
                kinds.extend(self.errors.rules.iter().map(|(_, kind)| kind.clone()));
            }
        }
        kinds.extend(operation.errors.iter().cloned());
        kinds.sort();
        kinds.dedup();
        kinds
    }
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
    /// Maps of further headers of every request; those that are named go before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_headers: Vec<Expr>,
    /// Query parameters of every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, Expr)>,
    /// Maps of further query parameters of every request; those that are named go before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_query: Vec<Expr>,
    /// What may leave, over all runs that use the same account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// When to try again, besides `Retry-After` and the usual headers; the longest wait wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retry_after: Vec<Wait>,
    /// How many requests the server still lets pass, over the answer, besides the usual headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<Expr>,
    /// When the server lets more pass, besides the usual headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Wait>,
    /// The base URL of the system for trials, which a connection chooses with `sandbox: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Expr>,
    /// Other hosts that operations reach by whole URLs: `*.s3.amazonaws.com`. They get no credential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Further origins of the system, to which requests go with the credential: `https://content.example.com`. With
    /// `base_url`, all requests go there instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// The version of the interface that is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Where the vendor documents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// The operation, without parameters that must be given, that shows whether a credential works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
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
    Header(#[serde(with = "name")] Expr, Expr),
    /// A query parameter of that name.
    Query(String, Expr),
    /// A field of that name in a body of JSON or a form.
    Field(String, Expr),
    /// A field within others of the body, from the outermost inwards.
    Within(Vec<String>, Expr),
    /// With a token that a server gives out.
    OAuth(Box<OAuth>),
    /// With what an operation that logs in has answered.
    Session(Box<Session>),
    /// Signed with the secrets of OAuth 1.0a.
    OAuth1(Box<OAuth1>),
    /// Signed as Amazon Web Services ask for.
    SigV4(Box<SigV4>),
    /// Signed by a scheme of the vendor's own.
    Signed(Box<OwnScheme>),
    /// The first of these for which the connection has a credential; [`Auth::None`] needs none.
    First(Vec<Auth>),
}

impl Auth {
    /// Says whether it is, or may be, by a token that has to be asked for first.
    pub fn is_given_out(&self) -> bool {
        match self {
            Self::OAuth(_) | Self::Session(_) => true,
            Self::First(forms) => forms.iter().any(Self::is_given_out),
            _ => false,
        }
    }

    /// Says whether an operation is the one that logs in, which carries no credential.
    pub fn logs_in_with(&self, operation: &str) -> bool {
        matches!(self, Self::Session(session) if session.login.operation == operation)
    }
}

/// What statuses and answers mean. Rules are tried in order and the first that fits decides; then statuses below 400
/// are a success, 401, 403, 404, 409, 429 their usual kinds, other 4xx `Invalid`, 5xx and lost connections `Unavailable`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Condition → kind.
    pub rules: Vec<(ErrorCondition, ErrorKind)>,
    /// What fills the fields of connector-specific kinds, over `body`, `status`, `headers`: by the rule's position.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<usize, Vec<(String, Expr)>>,
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
    /// Types that the caller gives, by name: `query_one<T>`. They stand in parameters and the result as
    /// [`Type::Variable`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Parameters in declared order; those with a default or a nullable type may be left out.
    pub params: IndexMap<String, Field>,
    /// The type of the result.
    pub result: Type,
    /// What a call does, and so whether it may be repeated.
    pub effect: Effect,
    /// What makes repeating a `create` or `destroy` safe.
    pub key: Option<KeySource>,
    /// Whether the key goes out as a UUID, made of it where it is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uuid_key: bool,
    /// How it is carried out.
    pub call: Call,
    /// Errors of its own that it can end with, besides the built-in ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorKind>,
    /// The kinds that native code says it ends with, besides those of every call; absent for what is not native, and in
    /// plans made before code said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<Vec<ErrorKind>>,
    /// OAuth scopes that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Why it should no longer be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// How much of the connection's limits a call uses up, an `Int` over its parameters; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Expr>,
    /// What takes it back, over its parameters and [`Ambient::Item`](crate::expr::Ambient::Item), its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<OperationCall>,
    /// How long it takes until reads see what a call did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible_after: Option<Millis>,
    /// Many inputs in one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk: Option<Bulk>,
    /// How the pages of a stream are fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
}

impl Operation {
    /// Says whether a call may be repeated at once without doing more than once what it does: it only reads, does the same
    /// when done again, or takes a key. A [`KeySource::Lookup`] lets it be repeated too, but not without looking first. One
    /// with a body is no call: each of those that it makes is safe by itself, and in a test it is what its stub says.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.effect, Effect::Read | Effect::Idempotent)
            || self.call == Call::Body
            || self.key.as_ref().is_some_and(|key| !matches!(key, KeySource::Lookup(_)))
    }

    /// The operation that finds what an earlier call did.
    pub fn lookup(&self) -> Option<&OperationCall> {
        match &self.key {
            Some(KeySource::Lookup(call)) => Some(call),
            _ => None,
        }
    }

    /// Says whether a failed call can be tried again, at once or after looking.
    pub fn is_retriable(&self) -> bool {
        self.is_repeatable() || self.lookup().is_some()
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
    /// The key goes into a field within others of the body, from the outermost inwards.
    Within(Vec<String>),
    /// The key goes into this parameter of a native operation.
    Native,
    /// No key goes with the call: another operation finds what an earlier call did, over the parameters. Null, or the
    /// failure `NotFound`, says that it did nothing.
    Lookup(OperationCall),
}

/// How an operation is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// An HTTP request.
    Http(Box<Request>),
    /// Rust behind the native trait.
    Native,
    /// Steps on other operations of the connector, which the plan of the caller holds as region 1 of the step.
    Body,
}

/// An HTTP request and how its answer is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path below the base URL, as text; each insertion is one path segment and is escaped. With `whole_url`, the URL.
    pub path: Expr,
    /// The one of the connector's further origins (`also`) that it goes to; the base URL when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether `path` is a whole URL that a system gave out: it may lead to the connector's `hosts`, and a credential goes
    /// with it to the base's origin and those of `also` alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole_url: bool,
    /// Whether `path` is a path that the caller wrote, a [`Language::UrlPath`](crate::ty::Language::UrlPath): it is escaped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_path: bool,
    /// Query parameters; a null is left out, a list is written as `lists` says.
    pub query: Vec<(String, Expr)>,
    /// How lists in the query are written, by parameter; repeated when nothing is said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, ListStyle>,
    /// How lists in a form are written, by field; by index when nothing is said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub form_lists: BTreeMap<String, ListStyle>,
    /// Maps of further query parameters; those that are named go before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_query: Vec<Expr>,
    /// Headers; a null is left out.
    pub headers: Vec<(String, Expr)>,
    /// Maps of further headers; those that are named go before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_headers: Vec<Expr>,
    /// The body.
    pub body: Body,
    /// What of the answer is the result, over `body`, `status`, `headers`; the whole body when absent.
    pub answer: Option<Expr>,
    /// How the body of the answer is read.
    #[serde(default)]
    pub format: Format,
    /// Which answers are a success whatever the rules for errors say, over `body`, `status`, `headers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_when: Option<Expr>,
    /// Which answers are the result null, over `body`, `status`, `headers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_when: Option<Expr>,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// No body.
    None,
    /// JSON. Absent optionals (null parameters named by the template) are left out, and so is a body that is one.
    Json(Expr),
    /// `application/x-www-form-urlencoded`, nested as `metadata[user_id]`; nulls are left out.
    Form(Expr),
    /// Text, bytes or a file as they are, with that media type, else the file's own or that of text or bytes.
    Raw(Expr, Option<String>),
    /// `multipart/form-data`: names with values and files.
    Multipart(Vec<(String, Part)>),
    /// XML: a record with one field, the root element. Fields whose names begin with `@` are attributes, `#text` is the
    /// text, a list is a row of elements of the same name, and nulls are left out.
    Xml(Expr),
    /// GraphQL over HTTP: the query, fixed text, and its variables.
    GraphQl {
        /// The query.
        query: String,
        /// A record of variables; absent optionals are left out.
        variables: Option<Expr>,
    },
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
    /// The key by which a repeated delivery is known: over [`Ambient::Item`](crate::expr::Ambient::Item), `body` and `headers`.
    pub dedupe: Option<Expr>,
    /// What the system calls these events where webhooks are set up: `payment_intent.succeeded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// The status of a delivery that is taken, where the system wants to hear one and no more: no answer to a delivery has
    /// a body then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<u16>,
    /// What tells which of two events is the later; events count in the order in which they come where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<EventOrder>,
    /// How its events are found where the system sends none: the trigger is no webhook then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
}

/// What is declared of the order of a trigger's events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventOrder {
    /// Nothing that anything follows from; earlier versions wrote it.
    Kept,
    /// The same.
    None,
    /// `.created`: this tells which is the later, a `Timestamp`, an `Int` or a `String`. Over [`Ambient::Item`](crate::expr::Ambient::Item).
    By(Expr),
}

/// How events are found by reading a list again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// What a flow says of what it wants: `on drive.files.created(folder: "…")`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub params: IndexMap<String, Field>,
    /// Lists what there is. It sees in slot 0 how far was read (in each place, where there are
    /// several), null at first, and the parameters in those after it.
    pub call: OperationCall,
    /// What grows from item to item, or, with `listed`, tells which item it is: over [`Ambient::Item`](crate::expr::Ambient::Item).
    pub cursor: Expr,
    /// Its type: `Timestamp`, `Int` or `String`.
    pub ty: Type,
    /// Where the cursor grows for itself, such as a partition of a log: over [`Ambient::Item`](crate::expr::Ambient::Item).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Expr>,
    /// Which items are later, where their places in the list say so and no cursor that grows.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "order")]
    pub listed: Option<Listed>,
    /// The failure of a look that says that the system does not know any more what came after how far was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<ErrorKind>,
    /// How a time is written that the system is asked for, where not as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<crate::ty::Format>,
    /// How far behind the latest item others may still appear.
    pub overlap: Millis,
    /// How coarse the times are that the system is asked for; 0 for no limit.
    pub granularity: Millis,
    /// Where reading begins.
    pub first: First,
    /// How often the list is read, unless a flow says otherwise.
    pub every: Millis,
}

/// How the items of a list stand that have nothing that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listed {
    /// `newest_first`.
    NewestFirst,
    /// `oldest_first`.
    OldestFirst,
}

/// Where a trigger that polls begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum First {
    /// `now`: what is there already starts nothing.
    Now,
    /// `start`: everything that is listed starts a run.
    Start,
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
    /// How it is proved.
    #[serde(default)]
    pub method: Proof,
    /// The hash of the HMAC, digest or signature.
    pub hash: Hash,
    /// The key; a list holds several in rotation. A public key or certificate for signatures.
    pub secret: Expr,
    /// How the text of the secret becomes the key.
    #[serde(default)]
    pub key: KeyForm,
    /// How the digest is written.
    pub encoding: DigestEncoding,
    /// Where the signature is.
    pub header: Place,
    /// Where in that place timestamp and signatures are.
    pub grammar: HeaderGrammar,
    /// A place that carries the timestamp, where it is not in the signature's.
    pub timestamp: Option<Place>,
    /// What is signed.
    pub signed: Vec<SignedPart>,
    /// How far the timestamp may lie from now, in either direction, as a duration.
    pub tolerance: Option<Expr>,
}

impl Verification {
    /// Says whether a body can be verified that comes piece by piece.
    pub fn takes_pieces(&self) -> bool {
        let is_hash = matches!(self.method, Proof::Hmac | Proof::Digest | Proof::Token);
        let spots = [Some(&self.header), self.timestamp.as_ref()];
        let in_body = spots.into_iter().flatten().any(|place| matches!(place, Place::Field(_)));
        let of_whole =
            |part: &&SignedPart| matches!(part, SignedPart::Form | SignedPart::BodySha256 | SignedPart::BodyCrc32);
        let bodies = self.signed.iter().filter(|part| **part == SignedPart::Body).count();
        is_hash && !in_body && bodies < 2 && !self.signed.iter().any(|part| of_whole(&part))
    }

    /// Says whether what was signed once is refused after a time: whoever has seen a delivery can send it again until then.
    pub fn limits_time(&self) -> bool {
        let in_body = matches!(self.timestamp, Some(Place::Field(_))) && self.signed.iter().any(SignedPart::is_of_body);
        self.tolerance.is_some() && (in_body || self.signed.contains(&SignedPart::Timestamp))
    }
}

/// How a sender proves itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// `hmac`: a keyed hash over what is signed.
    #[default]
    Hmac,
    /// `digest`: a plain hash over a text that holds the secret.
    Digest,
    /// `token`: the secret itself.
    Token,
    /// `rsa`: RSASSA-PKCS1-v1_5 by the holder of a certificate.
    Rsa,
    /// `ecdsa`: ECDSA on P-256 by the holder of a certificate, the signature in ASN.1.
    Ecdsa,
    /// `ed25519`: Ed25519 by the holder of a public key.
    Ed25519,
}

/// How the text of a secret becomes the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyForm {
    /// `text`: its bytes.
    #[default]
    Text,
    /// `hex`
    Hex,
    /// `base64`, `base64("whsec_")`: after that prefix, where it is there.
    Base64(String),
    /// `sha256`: the SHA-256 of its bytes.
    Sha256,
}

/// Where in a request something is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Place {
    /// In a header: its name.
    Header(Expr),
    /// In a query parameter: its name.
    Query(Expr),
    /// In a field of a form, or of a body of JSON: its name, with dots between those of fields within others.
    Field(Expr),
}

/// A hash function.
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
    /// Base64 with `-` and `_` (RFC 4648, section 5).
    Base64Url,
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
    /// `v1,g0hM9S… v1,bm9ldC…`: several, apart by a text; those with the prefix are signatures, others are passed over.
    List {
        /// What stands between them.
        separator: String,
        /// What stands before each.
        prefix: String,
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
    /// The same with the escapes decoded that HubSpot decodes: `%3A %2F %3F %40 %21 %24 %27 %28 %29 %2A %2C %3B`.
    DecodedUrl,
    /// The path of the URL.
    Path,
    /// A header as it was sent.
    Header(String),
    /// A parameter of the scheme: its slot.
    Param(u32),
    /// The secret itself.
    Secret,
    /// The fields of a form, by name: each name and value, with nothing between.
    Form,
    /// The SHA-256 of the body in hexadecimal.
    BodySha256,
    /// The CRC-32 of the body, in decimal digits.
    BodyCrc32,
}

impl SignedPart {
    /// Says whether another body would be another part.
    pub fn is_of_body(&self) -> bool {
        matches!(self, Self::Body | Self::BodySha256 | Self::BodyCrc32 | Self::Form)
    }
}
