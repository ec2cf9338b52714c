//! What all requests of a connector have in common: limits, waits, the version, hosts.

use serde::{Deserialize, Serialize};

use super::Rate;
use crate::{expr::Expr, ty::Field, units::Millis};

/// A limit that all runs share which use the same account. A request passes when every limit of its connector lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// `100 per 10s`, `moving(100, per: 10s)`: at most that many in any stretch of that length.
    Moving(Rate),
    /// `fixed(10_000, per: 1d)`: at most that many in each period, counted from the Unix epoch (UTC).
    Fixed(Rate),
    /// `bucket(40, refill: 2, per: 1s)`: a bucket that holds `size` and gains `refill.count` in each period.
    Bucket {
        /// How many can leave at once.
        size: u32,
        /// What comes back.
        refill: Rate,
    },
    /// `concurrent(10)`: at most that many under way at the same time.
    Concurrent(u32),
}

/// A time at which a server asks to be tried again, or at which it resets a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// The text or number, over `body`, `status`, `headers`; null when the server says nothing.
    pub value: Expr,
    /// How it is written.
    pub form: WaitForm,
}

/// How a server writes when to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitForm {
    /// Seconds, an HTTP date, RFC 3339, or a point in time as epoch seconds or milliseconds: told apart by their form
    /// and size.
    #[default]
    Any,
    /// `seconds(…)`
    Seconds,
    /// `millis(…)`
    Millis,
    /// `unix(…)`: seconds since 1970.
    Unix,
    /// `unix_millis(…)`: milliseconds since 1970.
    UnixMillis,
}

/// The version of the system's interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// As the vendor writes it: `2025-01`.
    pub name: String,
    /// The last day on which the vendor serves it, as `2026-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset: Option<String>,
}

/// How a list of values is written in a query or a form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListStyle {
    /// `id=1&id=2`
    #[default]
    Repeat,
    /// `id=1,2`
    Comma,
    /// `id[]=1&id[]=2`
    Brackets,
    /// `id[0]=1&id[1]=2`
    Indexes,
}

/// A part of a multipart body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Part {
    /// A value: text, a number, a list of them; a null is left out. A file or bytes are sent as a file.
    Value(Expr),
    /// JSON with its media type: `json({ … })`.
    Json(Expr),
    /// `file(content, name: …, type: …)`: content with a file name and a media type.
    File {
        /// Bytes, text or a file.
        content: Expr,
        /// The file name, where it is not the file's own.
        name: Option<Expr>,
        /// The media type, where it is not the file's own.
        media_type: Option<Expr>,
    },
    /// A map of parts under its names, each as [`Part::Value`].
    All(Expr),
}

/// How the body of an answer is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// By the answer's media type: JSON, else text.
    #[default]
    Auto,
    /// `json`: JSON, whatever the answer says of itself.
    Json,
    /// `json_lines`: one JSON value a line, read as a list.
    JsonLines,
    /// `csv`, `csv(";")`: rows by the names in the first line; the separator is one byte.
    Csv(u8),
    /// `xml`: the root element, as [`Body::Xml`](super::Body::Xml) is written.
    Xml,
    /// `xml(local)`: the same with names without their prefixes, which systems choose as they like.
    XmlLocal,
    /// `text`: text as it is.
    Text,
}

/// A call of another operation of the same connector, within a declaration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationCall {
    /// The operation, a key of the connector's operations.
    pub operation: String,
    /// A value for each of its parameters, in declared order and in their JSON form: over what the place provides.
    pub args: Vec<Expr>,
}

/// Many inputs in one request, with an outcome for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bulk {
    /// Which parameter is the list of inputs: its slot.
    pub param: u32,
    /// How many inputs one request takes.
    pub most: u32,
    /// The outcomes in the answer: over `body`, `status`, `headers`.
    pub each: Expr,
    /// Which input an outcome belongs to; one for each input in the same order when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<OutcomeOf>,
    /// What of an outcome is its result: over [`Ambient::Item`](crate::expr::Ambient::Item); the outcome itself when
    /// absent.
    pub value: Option<Expr>,
    /// What of an outcome is the error that it is, null when it is none: over
    /// [`Ambient::Item`](crate::expr::Ambient::Item).
    pub error: Option<Expr>,
}

/// How an outcome says which input it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeOf {
    /// What of an outcome it says it by, a value or a list of them: over [`Ambient::Item`](crate::expr::Ambient::Item).
    pub outcome: Expr,
    /// What of an input that is: over [`Ambient::Item`](crate::expr::Ambient::Item); its number in the request, from 0, when
    /// absent.
    pub input: Option<Expr>,
    /// Whether an input without an outcome has gone well.
    pub unlisted_is_ok: bool,
}

/// How webhooks are set up at the system: `webhooks { register: …, list: …, renew: …, remove: … }`. The calls see the URL in slot
/// 0, the list of event names in slot 1, and the id in slot 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Webhooks {
    /// Sets one up.
    pub register: Option<OperationCall>,
    /// Lists those that there are.
    pub list: Option<OperationCall>,
    /// Keeps one going that ends otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew: Option<OperationCall>,
    /// How often it is renewed while programs are served, where it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Millis>,
    /// When it ends, a time or null, in the results of `register` and `renew`: over
    /// [`Ambient::Item`](crate::expr::Ambient::Item).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expr>,
    /// Takes one away.
    pub remove: Option<OperationCall>,
    /// Where its id is, in the result of `register` and in an item of `list`: over
    /// [`Ambient::Item`](crate::expr::Ambient::Item).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Expr>,
    /// Where its URL is, in an item of `list`: over [`Ambient::Item`](crate::expr::Ambient::Item).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Expr>,
    /// Where in the result of `register` the secret of its signatures is: over
    /// [`Ambient::Item`](crate::expr::Ambient::Item).
    pub secret: Option<Expr>,
}

/// A handshake by which a system finds out whether a URL takes its webhooks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Challenge {
    /// Its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The request's method.
    pub method: String,
    /// Which requests are this handshake: over `body`, `headers`, `query`; all of its method when absent.
    pub when: Option<Expr>,
    /// How the sender proves itself, where it does.
    pub verify: Option<super::VerifyCall>,
    /// A text in the request that must be equal to [`Self::secret`], compared in constant time.
    pub token: Option<Expr>,
    /// What is proved: the secret that `token` is compared with, or the key of [`Self::sign`].
    pub secret: Option<Expr>,
    /// A text that is signed with the secret, for the answer.
    pub sign: Option<Signing>,
    /// What is answered, over the same and [`Ambient::Signature`](crate::expr::Ambient::Signature): text as it is,
    /// anything else as JSON; nothing when absent.
    pub answer: Option<Expr>,
    /// Headers of the answer by name, over the same; what is null is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Expr)>,
}

/// A text that is signed for the answer to a handshake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signing {
    /// The text.
    pub text: Expr,
    /// The hash of the HMAC.
    pub hash: super::Hash,
    /// How the signature is written.
    pub encoding: super::DigestEncoding,
}

/// The parameters that the calls of `webhooks { … }` see.
pub fn webhook_params() -> indexmap::IndexMap<String, Field> {
    use crate::ty::Type;
    indexmap::IndexMap::from([
        ("url".to_owned(), Field::of(Type::Url)),
        ("events".to_owned(), Field::of(Type::List(Box::new(Type::String)))),
        ("id".to_owned(), Field::of(Type::String)),
    ])
}
