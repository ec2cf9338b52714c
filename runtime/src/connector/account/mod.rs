//! Which token does a connection have, and when does it get a new one?
//!
//! All calls of a connection share one account. When its token is used up, one request for a new one is made, whoever
//! waits for it; it is made in a task of its own, so that a step which is cancelled meanwhile loses no token. A new token is
//! on disk before it is used. The refresh token that it replaces is kept until the new one has worked: a server that turns
//! them may not have seen that its answer arrived. When a server wants a person to agree again, calls are parked, one alarm
//! is written to the log, and calls go on once `flowc connect` has stored other tokens.
//!
//! Only one process at a time gets a token for a connection: a server that turns its refresh tokens would take the second
//! request with the same one for that of a thief. What it has given out and could not be written is not used, and not lost:
//! it is written before anything else is asked for.
//!
//! Those who wait while a request for a token fails share its failure, and make none of their own; and none is made before
//! the time for which the server wants none.

mod connect;
mod exchange;
mod server;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    units::{Instant, Millis},
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use self::connect::{ByCode, ByDevice, Connected, Connecting, Standing};
use self::exchange::{Given, Refusal, exchange};
pub(super) use self::{
    connect::{Means, code, device},
    server::{Asked, Claim, Granted, Login, Server, Source},
};
use super::{Attempt, Parked, Reached, Waiting, http::Clients};
use crate::{secret::SecretText, timer::Clock, worker::Workers};

/// How long before its end a token is no longer used: the clocks of two machines differ, and requests take time.
const EARLY: Millis = Millis::seconds(60);

/// Keeps the tokens of connections that a person has agreed to, so that they outlive the process and are seen by nobody else.
#[async_trait]
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

    /// Waits until no other process gets a token for an account; none does until the result is dropped.
    ///
    /// # Errors
    /// Why that can't be known, or that it takes too long.
    async fn alone(&self, account: &str) -> Result<Box<dyn Send>, String>;
}

/// Keeps nothing: tokens that nobody has to agree to live as long as the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTokens;

#[async_trait]
impl Tokens for NoTokens {
    fn get(&self, _account: &str) -> Result<Option<SecretText>, String> {
        Ok(None)
    }

    fn set(&self, _account: &str, _text: &SecretText) -> Result<(), String> {
        Ok(())
    }

    async fn alone(&self, _account: &str) -> Result<Box<dyn Send>, String> {
        Ok(Box::new(()))
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
    /// Where the account is, where the server has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<String>,
    /// The client that it was given to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client: Option<String>,
    /// Where the requests of its connection go: it is sent nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<String>,
}

impl Kept {
    /// What is kept of what was given out for a connection.
    fn of(given: Given, asked: &Asked) -> Self {
        let until = given.until.map(|until| until.0);
        let Given { access, refresh, base, .. } = given;
        let (client, origin) = (asked.client(), Some(asked.origin.clone()));
        Self { access: Some(access), until, refresh, before: None, ended: false, base, client, origin }
    }

    /// Whether it was given out for this connection as it is configured now. What was kept by earlier versions does not
    /// say for which system.
    fn is_for(&self, asked: &Asked) -> bool {
        (self.client.is_none() || self.client == asked.client())
            && self.origin.as_ref().is_none_or(|origin| *origin == asked.origin)
    }
}

/// What requests carry, and where they go.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: SecretText,
    /// Where the account is, where the server has said it.
    pub(super) base: Option<String>,
    /// Whether it was given to this process, and not found where another had stored it.
    pub(super) is_ours: bool,
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The step fails so; after what time a token may be asked for again, where the server says that.
    Failed(Box<Failure>, Option<Millis>),
    /// A person has to do something first.
    Parked(Parked),
}

impl Trouble {
    /// The attempt that ends with it: nothing has left.
    pub(super) fn attempt(self) -> Attempt {
        let (failure, retry_after, parked) = match self {
            Self::Failed(failure, wait) => (*failure, wait, None),
            Self::Parked(parked) => {
                (Failure::new(ErrorKind::Unauthorized, parked.because.as_str()), None, Some(parked))
            }
        };
        Attempt { outcome: Err(failure), retry_after, reached: Reached::Never, parked }
    }
}

/// The shortest time after which a call that is parked asks again.
const SOON: Millis = Millis::seconds(3);
/// The longest: nobody wants to wait for hours after having connected again.
const LATE: Millis = Millis::seconds(300);

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
    /// The latest token that this process was given.
    ours: Mutex<Option<String>>,
    /// What was given out and could not be written, with what it replaces.
    unwritten: Mutex<Option<(Kept, Kept)>>,
    /// Since when a person is waited for.
    parked: Mutex<Option<Instant>>,
    refusals: Mutex<Refusals>,
}

/// The requests for a token that were refused, until one is not.
#[derive(Default)]
struct Refusals {
    /// How many there were.
    count: u64,
    /// What the last one has said, and until when the server wants no other.
    last: Option<(Failure, Instant)>,
}

impl Account {
    fn known(&self) -> MutexGuard<'_, Kept> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritten(&self) -> MutexGuard<'_, Option<(Kept, Kept)>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that can be used now.
    fn fresh(&self, refused: Option<&SecretText>, now: Instant) -> Option<Token> {
        let known = self.known();
        let access =
            known.access.as_deref().filter(|access| refused.is_none_or(|refused| refused.reveal() != *access))?;
        let lasts = known.until.is_none_or(|until| now.after(EARLY).0 < until);
        let is_ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(access);
        (lasts && !known.ended).then(|| Token { text: SecretText::new(access), base: known.base.clone(), is_ours })
    }

    /// A token that this process was given just now.
    fn given(&self, access: &str, base: Option<String>) -> Token {
        *self.ours.lock().unwrap_or_else(PoisonError::into_inner) = Some(access.to_owned());
        Token { text: SecretText::new(access), base, is_ours: true }
    }

    /// Writes one alarm for each time that a connection ends, and says when to ask again: the later, the longer it lasts.
    fn park(&self, connection: &str, because: String, now: Instant) -> Parked {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *parked.get_or_insert_with(|| {
            tracing::error!(connection, "{because}");
            now
        });
        let again = Millis(now.since(since).0 / 4).clamp(SOON, LATE);
        Parked { because, again, waits: Waiting::Turn }
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no request is made for one who waits since there were so many refusals: one has been refused meanwhile, or the
    /// server wants none now.
    fn refused(&self, before: u64, now: Instant) -> Option<Trouble> {
        let refusals = self.refusals();
        let (failure, until) = refusals.last.as_ref()?;
        let is_early = now < *until;
        (is_early || refusals.count > before)
            .then(|| Trouble::Failed(failure.clone().into(), is_early.then(|| until.since(now))))
    }

    fn goes_on(&self) {
        *self.parked.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Accounts {
    pub(super) fn new(tokens: Arc<dyn Tokens>) -> Self {
        Self { tokens, accounts: Mutex::default(), workers: Workers::default() }
    }

    fn account(&self, holder: &str) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(accounts.entry(holder.to_owned()).or_default())
    }

    /// The token that an account has now, other than the one that was refused.
    pub(super) fn fresh(&self, holder: &str, refused: Option<&SecretText>, now: Instant) -> Option<Token> {
        self.account(holder).fresh(refused, now)
    }

    /// The token of an account, other than the one that was refused, and how many requests were made for it.
    pub(super) async fn token(
        &self,
        holder: &str,
        asked: &Asked,
        refused: Option<&SecretText>,
        clients: &Arc<Clients>,
        clock: &Arc<dyn Clock>,
    ) -> (Result<Token, Trouble>, u32) {
        let account = self.account(holder);
        let (reply, token) = oneshot::channel();
        let before = account.refusals().count;
        let renewal = Renewal {
            asked: asked.clone(),
            refused: refused.cloned(),
            account,
            before,
            requests: AtomicU32::new(0),
            tokens: Arc::clone(&self.tokens),
            clients: Arc::clone(clients),
            clock: Arc::clone(clock),
        };
        self.workers.spawn(async move {
            // Whoever asked may be gone; the token stays.
            let token = renewal.carry_out().await;
            let _ = reply.send((token, renewal.requests.into_inner()));
        });
        token.await.unwrap_or_else(|_| {
            let failure = Failure::new(ErrorKind::Unavailable, "the process ends before there is a token");
            (Err(Trouble::Failed(failure.into(), None)), 0)
        })
    }

    /// What is kept for a connection; none when it was never connected, by another client, or to another system.
    ///
    /// # Errors
    /// It can't be read.
    fn kept(&self, asked: &Asked) -> Result<Option<Kept>, Failure> {
        stored(&*self.tokens, asked).map_err(|why| store(&asked.connection, &why))
    }

    /// Keeps what a person has agreed to.
    ///
    /// # Errors
    /// It can't be written.
    async fn connect(&self, holder: &str, asked: &Asked, given: Given) -> Result<(), Failure> {
        let kept = Kept::of(given, asked);
        let failed = |why: String| store(&asked.connection, &why);
        let account = self.account(holder);
        let _turn = account.turn.lock().await;
        let _alone = self.tokens.alone(&asked.kept_as).await.map_err(failed)?;
        self.tokens.set(&asked.kept_as, &written(&kept)).map_err(failed)?;
        *account.known() = kept;
        account.goes_on();
        Ok(())
    }
}

/// What is kept for a connection as it is configured now.
fn stored(tokens: &dyn Tokens, asked: &Asked) -> Result<Option<Kept>, String> {
    let Some(text) = tokens.get(&asked.kept_as)? else { return Ok(None) };
    let kept: Kept = serde_json::from_str(text.reveal()).map_err(|_| "it is damaged".to_owned())?;
    Ok(Some(kept).filter(|kept| kept.is_for(asked)))
}

fn written(kept: &Kept) -> SecretText {
    SecretText::new(serde_json::to_string(kept).expect("texts and numbers are always writable as JSON"))
}

fn store(connection: &str, why: &str) -> Failure {
    let message = format!("the tokens of the connection `{connection}` can't be kept: {why}");
    Failure::new(ErrorKind::Unavailable, message)
}

/// One who wants a token that is not there.
struct Renewal {
    asked: Asked,
    refused: Option<SecretText>,
    account: Arc<Account>,
    /// How many requests had been refused when it began to wait.
    before: u64,
    /// How many it has made.
    requests: AtomicU32,
    tokens: Arc<dyn Tokens>,
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
}

impl Renewal {
    async fn carry_out(&self) -> Result<Token, Trouble> {
        let _turn = Arc::clone(&self.account.turn).lock_owned().await;
        let is_kept = self.asked.asks_a_person();
        if is_kept {
            *self.account.known() = self.stored()?;
        }
        // Whoever had the turn before may have brought one, or another process.
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        if let Some(trouble) = self.account.refused(self.before, self.clock.now()) {
            return Err(trouble);
        }
        if is_kept { self.renewed().await } else { self.again().await }
    }

    fn fresh(&self) -> Option<Token> {
        let token = self.account.fresh(self.refused.as_ref(), self.clock.now())?;
        self.account.goes_on();
        Some(token)
    }

    /// What nobody has to agree to can be had again at any time, and is kept nowhere.
    async fn again(&self) -> Result<Token, Trouble> {
        let now = self.clock.now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let given = match &self.asked.source {
            Source::Login(login) => login.log_in(&self.clients, now).await,
            Source::OAuth(server) => self.granted(server, now).await,
        };
        let given = given.map_err(|refusal| self.failed(refusal))?;
        self.account.refusals().last = None;
        let token = self.account.given(&given.access, given.base.clone());
        *self.account.known() = Kept::of(given, &self.asked);
        Ok(token)
    }

    async fn granted(&self, server: &Server, now: Instant) -> Result<Given, Refusal> {
        let scope = server.scope();
        let assertion;
        let mut form = match &server.granted {
            Granted::Client | Granted::Person => vec![("grant_type", "client_credentials")],
            Granted::Signed(claim) => {
                assertion = claim.signed(now).map_err(Refusal::said)?;
                vec![("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.as_str())]
            }
        };
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        exchange(&self.clients, server, &server.url, &form, now).await
    }

    /// With what a person has agreed to once.
    async fn renewed(&self) -> Result<Token, Trouble> {
        let kept = self.account.known().clone();
        let Source::OAuth(server) = &self.asked.source else { return Err(self.parked(&kept)) };
        if kept.refresh.is_none() || kept.ended {
            return Err(self.parked(&kept));
        }
        let _alone = self.tokens.alone(&self.asked.kept_as).await.map_err(|why| self.store(&why))?;
        // Another process may have got one until then.
        let kept = self.stored()?;
        *self.account.known() = kept.clone();
        let unwritten = self.account.unwritten().take();
        if let Some((read, new)) = unwritten.filter(|(read, _)| *read == kept) {
            self.write_or_hold(&read, new)?;
        }
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let kept = self.account.known().clone();
        let Some(refresh) = kept.refresh.clone().filter(|_| !kept.ended) else { return Err(self.parked(&kept)) };
        match self.refreshed(server, &refresh).await {
            Ok(given) => self.keep(given, Kept { refresh: Some(refresh), ..kept.clone() }, &kept),
            Err(Refusal::Ended) => {
                // The server may have given out a new one that it does not know of: then the old one works.
                if let Some(before) = kept.before.clone()
                    && let Ok(given) = self.refreshed(server, &before).await
                {
                    return self.keep(given, Kept { refresh: Some(before), ..kept.clone() }, &kept);
                }
                // Someone may have connected meanwhile.
                if let Some(token) = self.changed(&kept)? {
                    return Ok(token);
                }
                let ended = Kept { ended: true, ..kept };
                self.write(&ended)?;
                Err(self.parked(&ended))
            }
            Err(refusal) => Err(self.failed(refusal)),
        }
    }

    async fn refreshed(&self, server: &Server, refresh: &str) -> Result<Given, Refusal> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        self.requests.fetch_add(1, Ordering::Relaxed);
        exchange(&self.clients, server, &server.refresh, &form, self.clock.now()).await
    }

    /// Keeps what was given, on disk before anybody uses it.
    fn keep(&self, given: Given, used: Kept, read: &Kept) -> Result<Token, Trouble> {
        self.account.refusals().last = None;
        if let Some(token) = self.changed(read)? {
            return Ok(token);
        }
        let mut kept = Kept::of(given, &self.asked);
        (kept.refresh, kept.before) = match kept.refresh {
            Some(new) if used.refresh.as_ref() != Some(&new) => (Some(new), used.refresh),
            _ => (used.refresh, None),
        };
        kept.base = kept.base.or(used.base);
        self.write_or_hold(read, kept.clone())?;
        self.account.goes_on();
        let Kept { access, base, .. } = kept;
        Ok(self.account.given(&access.unwrap_or_default(), base))
    }

    /// The token that another process has stored since `read`: that of a person who has connected goes before ours.
    fn changed(&self, read: &Kept) -> Result<Option<Token>, Trouble> {
        let stored = self.stored()?;
        if stored == *read {
            return Ok(None);
        }
        *self.account.known() = stored;
        Ok(self.fresh())
    }

    fn stored(&self) -> Result<Kept, Trouble> {
        let stored = stored(&*self.tokens, &self.asked);
        Ok(stored.map_err(|why| self.store(&why))?.unwrap_or_default())
    }

    fn write(&self, kept: &Kept) -> Result<(), Trouble> {
        self.tokens.set(&self.asked.kept_as, &written(kept)).map_err(|why| self.store(&why))?;
        *self.account.known() = kept.clone();
        Ok(())
    }

    /// Writes what was given; when that fails, it is written before a token is asked for again.
    fn write_or_hold(&self, read: &Kept, new: Kept) -> Result<(), Trouble> {
        let written = self.write(&new);
        if written.is_err() {
            *self.account.unwritten() = Some((read.clone(), new));
        }
        written
    }

    fn store(&self, why: &str) -> Trouble {
        Trouble::Failed(store(&self.asked.connection, why).into(), None)
    }

    fn failed(&self, refusal: Refusal) -> Trouble {
        let wait = match &refusal {
            Refusal::Later(_, wait) => Some(*wait),
            Refusal::Ended | Refusal::Said { .. } | Refusal::Away(_) | Refusal::Denied(_) => None,
        };
        let failure = refusal.failure(&self.asked.connection);
        let mut refusals = self.account.refusals();
        refusals.count += 1;
        refusals.last = Some((failure.clone(), self.clock.now().after(wait.unwrap_or_default())));
        Trouble::Failed(failure.into(), wait)
    }

    fn parked(&self, kept: &Kept) -> Trouble {
        let name = &self.asked.connection;
        let state = if kept.access.is_some() || kept.ended {
            "has to be connected again"
        } else if matches!(self.tokens.get(&self.asked.kept_as), Ok(Some(_))) {
            "was connected by another client or to another system, and has to be connected again"
        } else {
            "is not connected yet"
        };
        let because = format!("the connection `{name}` {state}: run `flowc connect {name}`");
        Trouble::Parked(self.account.park(name, because, self.clock.now()))
    }
}
