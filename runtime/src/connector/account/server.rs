//! What is asked for where credentials are given out, with all that it takes: texts, and no expressions.

use std::sync::Arc;

use flow_model::{
    failure::{ErrorKind, Failure},
    schema::{Algorithm, SendClient, TokenAnswer},
    units::{Instant, Millis},
};
use serde_json::{Map, Value as Json};
use url::Url;

use super::{
    super::{
        answer::Answer,
        http::{Clients, Files, Lost},
        request::Prepared,
        sign::jwt,
    },
    exchange::{Given, Refusal, later},
};
use crate::{
    blob::Memory,
    connector::account::exchange::PATIENCE,
    secret::{Redactor, SecretText},
};

/// What a connection asks for.
#[derive(Clone)]
pub(in super::super) struct Asked {
    /// The connection, as messages name it.
    pub(in super::super) connection: String,
    /// Under which name its tokens are kept on disk.
    pub(in super::super) kept_as: String,
    /// Where its requests go: `https://api.example.com`.
    pub(in super::super) origin: String,
    pub(in super::super) source: Source,
}

/// Where a credential comes from.
#[derive(Clone)]
pub(in super::super) enum Source {
    /// A server that gives out tokens.
    OAuth(Box<Server>),
    /// An operation that logs in.
    Login(Box<Login>),
}

impl Asked {
    /// Says whether a person has to agree, with `flowc connect`.
    pub(in super::super) fn asks_a_person(&self) -> bool {
        matches!(&self.source, Source::OAuth(server) if matches!(server.granted, Granted::Person))
    }

    /// What tells the client from others: tokens that were given to one are of no use to another.
    pub(super) fn client(&self) -> Option<String> {
        match &self.source {
            Source::OAuth(server) => Some(format!("{} {}", server.id.as_deref().unwrap_or_default(), server.url)),
            Source::Login(_) => None,
        }
    }
}

/// A server that gives out tokens.
#[derive(Clone)]
pub(in super::super) struct Server {
    pub(in super::super) granted: Granted,
    /// Where tokens are given out.
    pub(in super::super) url: Url,
    /// Where they are renewed.
    pub(in super::super) refresh: Url,
    pub(in super::super) id: Option<String>,
    pub(in super::super) secret: Option<SecretText>,
    pub(in super::super) send: SendClient,
    pub(in super::super) scopes: Vec<String>,
    pub(in super::super) separator: String,
    pub(in super::super) params: Vec<(String, String)>,
    pub(in super::super) answer: TokenAnswer,
    /// The hosts that the connector names, of which the account's own may be one.
    pub(in super::super) hosts: Vec<String>,
    /// What takes the secrets out of text that it is described with.
    pub(in super::super) redactor: Redactor,
}

impl Server {
    /// The scopes as one text.
    pub(in super::super) fn scope(&self) -> String {
        self.scopes.join(&self.separator)
    }
}

/// Who agrees.
#[derive(Clone)]
pub(in super::super) enum Granted {
    /// Nobody is asked.
    Client,
    /// A person, once.
    Person,
    /// Whoever holds a key.
    Signed(Box<Claim>),
}

/// What a connection says of itself, and signs.
#[derive(Clone)]
pub(in super::super) struct Claim {
    pub(in super::super) key: SecretText,
    pub(in super::super) algorithm: Option<Algorithm>,
    pub(in super::super) key_id: Option<String>,
    pub(in super::super) issuer: Option<String>,
    pub(in super::super) subject: Option<String>,
    pub(in super::super) audience: String,
    pub(in super::super) claims: Vec<(String, Json)>,
    pub(in super::super) lasts: Millis,
}

impl Claim {
    /// The claim, signed, as it holds from now.
    pub(super) fn signed(&self, now: Instant) -> Result<String, String> {
        let key = jwt::Key::read(&self.key, self.algorithm)?;
        let issuer = self.issuer.clone().or_else(|| key.owner.clone());
        let issuer =
            issuer.ok_or("nothing says who signs: set `issuer`, or take the file of a service account as key")?;
        let mut claims = Map::from_iter([("iss".to_owned(), Json::from(issuer))]);
        claims.extend(self.subject.clone().map(|subject| ("sub".to_owned(), Json::from(subject))));
        claims.insert("aud".to_owned(), Json::from(self.audience.clone()));
        claims.extend(times(now, self.lasts));
        claims.extend(self.claims.iter().cloned());
        key.sign(self.key_id.as_deref(), &claims)
    }
}

/// From when, and until when a claim holds (RFC 7519, section 4.1).
pub(super) fn times(now: Instant, lasts: Millis) -> [(String, Json); 2] {
    let seconds = |at: Instant| Json::from(at.0.div_euclid(1000));
    [("iat".to_owned(), seconds(now)), ("exp".to_owned(), seconds(now.after(lasts)))]
}

/// Finds in the answer to a login what further requests carry, or else why not, and how long the server wants no other.
pub(in super::super) type ReadToken =
    Arc<dyn Fn(&Answer) -> Result<String, (Box<Failure>, Option<Millis>)> + Send + Sync>;

/// An operation that logs in.
#[derive(Clone)]
pub(in super::super) struct Login {
    pub(in super::super) request: Prepared,
    pub(in super::super) redactor: Redactor,
    /// Finds what further requests carry in the answer.
    pub(in super::super) read: ReadToken,
    pub(in super::super) lasts: Option<Millis>,
}

impl Login {
    /// Logs in.
    pub(super) async fn log_in(&self, clients: &Clients, now: Instant) -> Result<Given, Refusal> {
        let nothing = Memory::new();
        let files = Files { blobs: &nothing, keeps: false };
        let answer = match clients.send(self.request.clone(), false, PATIENCE, &self.redactor, files, None).await {
            Ok(answer) => answer,
            Err(Lost { failure, .. }) if failure.kind == ErrorKind::Forbidden => return Err(Refusal::Denied(failure)),
            Err(Lost { failure, .. }) => return Err(Refusal::Away(self.redactor.text(&failure.message))),
        };
        let access = (self.read)(&answer).map_err(|(failure, asked)| {
            let failure = self.redactor.failure(*failure);
            match later(answer.status, asked) {
                Some(wait) => Refusal::Later(failure.into(), wait),
                None => Refusal::Denied(failure),
            }
        })?;
        if access.is_empty() {
            return Err(Refusal::Said { error: None, why: "the answer to the login holds no token".to_owned() });
        }
        let until = self.lasts.map(|lasts| now.after(lasts));
        Ok(Given { access, refresh: None, until, base: None, scopes: None })
    }
}
