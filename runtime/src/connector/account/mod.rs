//! Which token does a connection have, and when does it get a new one?
//!
//! All calls of a connection share one account. When its token is used up, one request for a new one is made, whoever
//! waits for it; it is made in a task of its own, so that a step which is cancelled meanwhile loses no token. A new token is
//! on disk before it is used. The refresh token that it replaces is kept until the new one has worked: a server that turns
//! them may not have seen that its answer arrived. When a server wants a person to agree again, calls are parked, one alarm
//! is written to the log, and calls go on once `flowc connect` has stored other tokens.

mod exchange;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use flow_model::{
    failure::{ErrorKind, Failure},
    schema::{Grant, SendClient},
    units::{Instant, Millis},
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use url::Url;

use self::exchange::{Given, Refusal, exchange};
use super::http::Clients;
use crate::{secret::SecretText, timer::Clock, worker::Workers};

/// How long before its end a token is no longer used: the clocks of two machines differ, and requests take time.
const EARLY: Millis = Millis::seconds(60);

/// Keeps the tokens of connections that a person has agreed to, so that they outlive the process and are seen by nobody else.
pub trait Tokens: Send + Sync {
    /// What is kept for an account.
    ///
    /// # Errors
    /// Why it can't be read.
    fn get(&self, account: &str) -> Result<Option<SecretText>, String>;

    /// Keeps something for an account: on disk when it returns.
    ///
    /// # Errors
    /// Why it can't be written.
    fn set(&self, account: &str, text: &SecretText) -> Result<(), String>;
}

/// Keeps nothing: tokens that nobody has to agree to live as long as the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTokens;

impl Tokens for NoTokens {
    fn get(&self, _account: &str) -> Result<Option<SecretText>, String> {
        Ok(None)
    }

    fn set(&self, _account: &str, _text: &SecretText) -> Result<(), String> {
        Ok(())
    }
}

/// What is kept for an account.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The token that requests carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<String>,
    /// When it is used up, in milliseconds since 1970; not known when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<i64>,
    /// What a new one is got with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh: Option<String>,
    /// What `refresh` has replaced, until that has worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    /// Whether the server wants a person to agree again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) ended: bool,
}

/// What is asked for where tokens are given out.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) connection: String,
    pub(super) grant: Grant,
    pub(super) url: Url,
    pub(super) id: String,
    pub(super) secret: Option<SecretText>,
    pub(super) send: SendClient,
    pub(super) scope: String,
    pub(super) params: Vec<(String, String)>,
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The step fails so.
    Failed(Failure),
    /// A person has to do something first.
    Parked { because: String },
}

/// The accounts of all connections.
pub(super) struct Accounts {
    tokens: Arc<dyn Tokens>,
    accounts: Mutex<HashMap<String, Arc<Account>>>,
    workers: Workers,
}

#[derive(Default)]
struct Account {
    /// Held by the one who gets a token.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// What is kept, as far as it was read.
    known: Mutex<Kept>,
    /// Whether the alarm was written.
    alarmed: Mutex<bool>,
}

impl Account {
    fn known(&self) -> MutexGuard<'_, Kept> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that can be used now.
    fn fresh(&self, refused: Option<&SecretText>, now: Instant) -> Option<SecretText> {
        let known = self.known();
        let access =
            known.access.as_deref().filter(|access| refused.is_none_or(|refused| refused.reveal() != *access))?;
        let lasts = known.until.is_none_or(|until| now.after(EARLY).0 < until);
        (lasts && !known.ended).then(|| SecretText::new(access))
    }

    /// Writes one alarm for each time that a connection ends.
    fn alarm(&self, connection: &str, because: &str) {
        if !std::mem::replace(&mut *self.alarmed.lock().unwrap_or_else(PoisonError::into_inner), true) {
            tracing::error!(connection, "{because}");
        }
    }
}

impl Accounts {
    pub(super) fn new(tokens: Arc<dyn Tokens>) -> Self {
        Self { tokens, accounts: Mutex::default(), workers: Workers::default() }
    }

    /// The token of an account, other than the one that was refused.
    pub(super) async fn token(
        &self,
        name: &str,
        asked: &Asked,
        refused: Option<&SecretText>,
        clients: &Arc<Clients>,
        clock: &Arc<dyn Clock>,
    ) -> Result<SecretText, Trouble> {
        let account = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(accounts.entry(name.to_owned()).or_default())
        };
        if let Some(token) = account.fresh(refused, clock.now()) {
            return Ok(token);
        }
        let (reply, token) = oneshot::channel();
        let renewal = Renewal {
            name: name.to_owned(),
            asked: asked.clone(),
            refused: refused.cloned(),
            account,
            tokens: Arc::clone(&self.tokens),
            clients: Arc::clone(clients),
            clock: Arc::clone(clock),
        };
        self.workers.spawn(async move {
            // Whoever asked may be gone; the token stays.
            let _ = reply.send(renewal.carry_out().await);
        });
        token.await.unwrap_or_else(|_| {
            Err(Trouble::Failed(Failure::new(ErrorKind::Unavailable, "the process ends before there is a token")))
        })
    }
}

/// One who wants a token that is not there.
struct Renewal {
    name: String,
    asked: Asked,
    refused: Option<SecretText>,
    account: Arc<Account>,
    tokens: Arc<dyn Tokens>,
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
}

impl Renewal {
    async fn carry_out(self) -> Result<SecretText, Trouble> {
        let _turn = Arc::clone(&self.account.turn).lock_owned().await;
        self.read()?;
        // Whoever had the turn before may have brought one, or another process.
        if let Some(token) = self.account.fresh(self.refused.as_ref(), self.clock.now()) {
            return Ok(token);
        }
        let kept = self.account.known().clone();
        let asked = &self.asked;
        match &asked.grant {
            Grant::ClientCredentials => {
                let mut form = vec![("grant_type", "client_credentials")];
                if !asked.scope.is_empty() {
                    form.push(("scope", &asked.scope));
                }
                match exchange(&self.clients, asked, &form).await {
                    Ok(given) => self.keep(given, Kept::default()),
                    Err(refusal) => Err(Trouble::Failed(refusal.failure(&asked.connection))),
                }
            }
            Grant::AuthorizationCode { .. } => {
                let Some(refresh) = kept.refresh.clone().filter(|_| !kept.ended) else {
                    return Err(self.parked(&kept));
                };
                match self.refreshed(&refresh).await {
                    Ok(given) => self.keep(given, Kept { refresh: Some(refresh), ..kept }),
                    Err(Refusal::Ended) => {
                        // The server may have given out a new one that it does not know of: then the old one works.
                        if let Some(before) = kept.before.clone()
                            && let Ok(given) = self.refreshed(&before).await
                        {
                            return self.keep(given, Kept { refresh: Some(before), ..kept });
                        }
                        let ended = Kept { ended: true, ..kept };
                        self.write(&ended)?;
                        Err(self.parked(&ended))
                    }
                    Err(refusal) => Err(Trouble::Failed(refusal.failure(&asked.connection))),
                }
            }
        }
    }

    async fn refreshed(&self, refresh: &str) -> Result<Given, Refusal> {
        exchange(&self.clients, &self.asked, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await
    }

    /// Keeps what was given, on disk before anybody uses it.
    fn keep(&self, given: Given, used: Kept) -> Result<SecretText, Trouble> {
        let until = given.lasts.map(|lasts| self.clock.now().after(lasts).0);
        let (refresh, before) = match given.refresh {
            Some(new) if used.refresh.as_ref() != Some(&new) => (Some(new), used.refresh),
            _ => (used.refresh, None),
        };
        let kept = Kept { access: Some(given.access.clone()), until, refresh, before, ended: false };
        self.write(&kept)?;
        *self.account.alarmed.lock().unwrap_or_else(PoisonError::into_inner) = false;
        Ok(SecretText::new(given.access))
    }

    /// What nobody has to agree to can be had again at any time.
    fn is_kept(&self) -> bool {
        !matches!(self.asked.grant, Grant::ClientCredentials)
    }

    fn read(&self) -> Result<(), Trouble> {
        if !self.is_kept() {
            return Ok(());
        }
        let text = self.tokens.get(&self.name).map_err(|why| self.store(&why))?;
        let Some(text) = text else { return Ok(()) };
        let kept = serde_json::from_str(text.reveal()).map_err(|_| self.store("it is damaged"))?;
        *self.account.known() = kept;
        Ok(())
    }

    fn write(&self, kept: &Kept) -> Result<(), Trouble> {
        if self.is_kept() {
            let text = serde_json::to_string(kept).expect("texts and numbers are always writable as JSON");
            self.tokens.set(&self.name, &SecretText::new(text)).map_err(|why| self.store(&why))?;
        }
        *self.account.known() = kept.clone();
        Ok(())
    }

    fn store(&self, why: &str) -> Trouble {
        let message = format!("the tokens of the connection `{}` can't be kept: {why}", self.asked.connection);
        Trouble::Failed(Failure::new(ErrorKind::Unavailable, message))
    }

    fn parked(&self, kept: &Kept) -> Trouble {
        let name = &self.asked.connection;
        let state = if kept.ended { "has to be connected again" } else { "is not connected yet" };
        let because = format!("the connection `{name}` {state}: run `flowc connect {name}`");
        self.account.alarm(name, &because);
        Trouble::Parked { because }
    }
}
