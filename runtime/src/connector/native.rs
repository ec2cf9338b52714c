//! Operations that HTTP can't describe: Rust behind one trait, found by connector and operation.
//!
//! The declaration in Flow stays the schema: arguments were checked against it, and what comes back is read as the
//! declared result, field by field under its JSON names.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    file::{ANY_MEDIA_TYPE, File},
    ty::{Type, Types},
    units::Millis,
    value::Value,
};
use indexmap::IndexMap;

use super::Reached;
use crate::{
    blob::{self, BlobReader, Blobs},
    egress::Guard,
    secret::SecretText,
};

/// The code of an operation that is declared `native`.
#[async_trait]
pub trait NativeOperation: Send + Sync {
    /// Carries out one attempt. Retries belong to the engine, and so does the time limit: dropping the future abandons
    /// the attempt.
    ///
    /// # Errors
    /// Why there is no result. A plain [`Failure`] converts: it counts as the system's answer.
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure>;

    /// The settings that are kept as secrets and that the result shows nevertheless, because it is of no use without: the
    /// name of a key in a signed URL, say, and never the key. Everything else that is secret is taken out of results.
    fn shows(&self) -> &'static [&'static str] {
        &[]
    }
}

/// A call of a native operation.
#[derive(Clone, Copy)]
pub struct NativeCall<'a> {
    pub(super) config: &'a IndexMap<String, Value>,
    pub(super) args: &'a IndexMap<String, Value>,
    pub(super) secrets: &'a BTreeMap<String, SecretText>,
    pub(super) token: Option<&'a SecretText>,
    pub(super) blobs: &'a dyn Blobs,
    pub(super) page: Option<&'a Value>,
    pub(super) key: &'a str,
    pub(super) timeout: Millis,
    pub(super) guard: &'a Guard,
    pub(super) result: &'a Type,
    pub(super) types: &'a Types,
}

impl<'a> NativeCall<'a> {
    /// A setting of the connection; null when it is not set. A secret is its name: see [`Self::secret`].
    pub fn config(&self, name: &str) -> &'a Value {
        self.config.get(name).unwrap_or(&Value::Null)
    }

    /// The text of a secret setting.
    ///
    /// # Errors
    /// `Unauthorized` when the setting holds no secret.
    pub fn secret(&self, name: &str) -> Result<&'a SecretText, Failure> {
        match self.config(name) {
            Value::Secret(secret) => self.secrets.get(&**secret),
            _ => None,
        }
        .ok_or_else(|| Failure::new(ErrorKind::Unauthorized, format!("the setting `{name}` holds no secret")))
    }

    /// The token that a server has given out for the connection, where its connector says so in `auth` and the connection is
    /// configured for it. A failure of the kind `Unauthorized` that has done nothing means that it has ended: the call is then
    /// made once more with another.
    pub fn token(&self) -> Option<&'a SecretText> {
        self.token
    }

    /// An argument by the name of its parameter; null when it was left out.
    pub fn arg(&self, name: &str) -> &'a Value {
        self.args.get(name).unwrap_or(&Value::Null)
    }

    /// An argument that is text.
    ///
    /// # Errors
    /// `Invalid` when it is something else.
    pub fn text(&self, name: &str) -> Result<&'a str, Failure> {
        let value = self.arg(name);
        value.as_str().ok_or_else(|| {
            Failure::new(ErrorKind::Invalid, format!("`{name}` should be a string and is {}", value.kind()))
        })
    }

    /// An argument that is bytes, or text in place of bytes (UTF-8).
    ///
    /// # Errors
    /// `Invalid` when it is something else.
    pub fn bytes(&self, name: &str) -> Result<&'a [u8], Failure> {
        match self.arg(name) {
            Value::Bytes(bytes) => Ok(bytes),
            Value::String(text) => Ok(text.as_bytes()),
            other => Err(Failure::new(
                ErrorKind::Invalid,
                format!("`{name}` should be bytes or a string and is {}", other.kind()),
            )),
        }
    }

    /// An argument that is a file, or bytes or text (UTF-8) in the place of one.
    ///
    /// # Errors
    /// `Invalid` when it is something else.
    pub fn file(&self, name: &str) -> Result<Cow<'a, File>, Failure> {
        match self.arg(name) {
            Value::File(file) => Ok(Cow::Borrowed(file)),
            Value::Bytes(bytes) => Ok(Cow::Owned(File::with_content(Arc::clone(bytes), "file", ANY_MEDIA_TYPE))),
            Value::String(text) => Ok(Cow::Owned(File::with_content(text.as_bytes(), "file.txt", "text/plain"))),
            other => {
                Err(Failure::new(ErrorKind::Invalid, format!("`{name}` should be a file and is {}", other.kind())))
            }
        }
    }

    /// Where the bytes of files lie: a file that the operation makes is written there first, and what the writer says
    /// of it goes into the result.
    pub fn blobs(&self) -> &'a dyn Blobs {
        self.blobs
    }

    /// Reads the bytes of a file as a stream.
    ///
    /// # Errors
    /// When they are not there, or can't be read.
    pub async fn read(&self, file: &File) -> Result<BlobReader, blob::Error> {
        blob::open(self.blobs, file).await
    }

    /// Where the page of a stream begins that is to be fetched: what the page before gave as `next`; null for the first.
    /// The result of the call is then [`page`](Self::page_of).
    pub fn cursor(&self) -> &'a Value {
        self.page.unwrap_or(&Value::Null)
    }

    /// The result of a call that fetches a page: its items, and where the next one begins, null after the last.
    pub fn page_of(items: Vec<Value>, next: Value) -> Value {
        Value::record([("items", Value::List(items)), ("next", next)])
    }

    /// The idempotency key: the same for all attempts of the step.
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// What decides about connections that the code makes: it has to ask before each, see [`Guard::url`] and
    /// [`Guard::resolve`].
    pub fn guard(&self) -> &'a Guard {
        self.guard
    }

    /// The type that the result is read as: the declared one, with the types that the caller gives in their places. Of a
    /// page, the list of its items.
    pub fn result(&self) -> &'a Type {
        self.result
    }

    /// What the names in [`Self::result`] mean.
    pub fn types(&self) -> &'a Types {
        self.types
    }

    /// How long the attempt may take.
    pub fn timeout(&self) -> Millis {
        self.timeout
    }
}

/// Why a native operation has no result.
#[derive(Clone, Debug, PartialEq)]
pub struct NativeFailure {
    /// The cause.
    pub failure: Failure,
    /// Whether the call can have taken effect.
    pub reached: Reached,
    /// The least wait before the next attempt that the system asks for.
    pub retry_after: Option<Millis>,
}

impl NativeFailure {
    /// A failure of a call that has not left: nothing can have happened.
    pub fn never(failure: Failure) -> Self {
        Self { failure, reached: Reached::Never, retry_after: None }
    }

    /// A failure after which it is not known whether the call took effect.
    pub fn perhaps(failure: Failure) -> Self {
        Self { failure, reached: Reached::Perhaps, retry_after: None }
    }
}

/// The system has answered with this failure.
impl From<Failure> for NativeFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, reached: Reached::Answered, retry_after: None }
    }
}

/// Which code carries out which native operation.
#[derive(Clone, Default)]
pub struct NativeTable {
    code: BTreeMap<(String, String), Arc<dyn NativeOperation>>,
    local: BTreeSet<String>,
}

impl NativeTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds an operation of a connector to its code.
    #[must_use]
    pub fn with(mut self, connector: &str, operation: &str, code: impl NativeOperation + 'static) -> Self {
        self.insert(connector, operation, Arc::new(code));
        self
    }

    /// Binds an operation of a connector to its code; the last one wins.
    pub fn insert(&mut self, connector: &str, operation: &str, code: Arc<dyn NativeOperation>) {
        self.code.insert((connector.to_owned(), operation.to_owned()), code);
    }

    /// Says that a connector works on this machine alone: one call that fails says nothing of whether the next one would, so
    /// it has no breaker unless a policy names one.
    #[must_use]
    pub fn local(mut self, connector: &str) -> Self {
        self.local.insert(connector.to_owned());
        self
    }

    /// Says whether a connector works on this machine alone.
    pub(super) fn is_local(&self, connector: &str) -> bool {
        self.local.contains(connector)
    }

    /// The code of an operation.
    pub fn get(&self, connector: &str, operation: &str) -> Option<&Arc<dyn NativeOperation>> {
        self.code.get(&(connector.to_owned(), operation.to_owned()))
    }

    /// All bound operations: connector and operation, in order.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.code.keys().map(|(connector, operation)| (connector.as_str(), operation.as_str()))
    }
}
