//! How does a person agree that a connection gets tokens, and does it have some?
//!
//! By a code that the person's browser brings back (RFC 6749, section 4.1, with PKCE, RFC 7636, to an address of this
//! machine, RFC 8252), or by a code that the person enters elsewhere (RFC 8628). Whoever shows URLs and codes to the person
//! is outside.

use std::{future::IntoFuture as _, pin::pin, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{Html, IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flow_model::{
    failure::{ErrorKind, Failure},
    schema::Pkce,
    units::{Instant, Millis},
};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use url::Url;

use super::{
    Accounts, Asked, Given, Refusal, Server, Source,
    exchange::{ask, exchange, fields, refused, text},
};
use crate::{connector::http::Clients, timer::Clock};

/// How long a person may take to enter a code when the server does not say.
const DEVICE_LASTS: Millis = Millis::seconds(600);

/// How often the server is asked when it does not say (RFC 8628, section 3.5).
const DEVICE_INTERVAL: Millis = Millis::seconds(5);

/// How long the last page may take to go out.
const LAST_PAGE: Millis = Millis::seconds(2);

/// How a connection is connected.
pub enum Connecting<'c> {
    /// A person opens a URL, and the browser comes back with a code.
    Code(ByCode<'c>),
    /// A person opens a URL and enters a code.
    Device(ByDevice<'c>),
    /// Nobody needs to agree: its credential is part of its configuration, or is got with it.
    Alone,
}

/// How things stand with the credential of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is part of the configuration, or is got with it; the form's name.
    Configured(&'static str),
    /// A person has not agreed yet.
    NotConnected,
    /// It was connected.
    Connected {
        /// When its token ends, where that is known.
        until: Option<Instant>,
        /// Whether there is what the next one is got with.
        renews: bool,
    },
    /// A person has to agree again.
    Ended,
}

/// What a person has agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// When the first token ends, where the server says it.
    pub until: Option<Instant>,
    /// Whether there is what the next one is got with.
    pub renews: bool,
    /// What was asked for and not given.
    pub missing: Vec<String>,
}

/// What all ways of connecting need.
pub(in super::super) struct Means<'c> {
    pub(in super::super) accounts: &'c Accounts,
    pub(in super::super) clients: &'c Clients,
    pub(in super::super) clock: &'c Arc<dyn Clock>,
    pub(in super::super) holder: String,
    pub(in super::super) asked: Asked,
}

impl Means<'_> {
    fn server(&self) -> Result<&Server, Failure> {
        match &self.asked.source {
            Source::OAuth(server) => Ok(server),
            Source::Login(_) => Err(Failure::new(ErrorKind::Invalid, "nobody is asked for this connection")),
        }
    }

    fn failed(&self, refusal: Refusal) -> Failure {
        match refusal {
            // Before anything was agreed to, it is the code that does not hold.
            Refusal::Ended => Failure::new(
                ErrorKind::Unauthorized,
                "the server does not take the code (`invalid_grant`): it is used up or too old; begin again",
            ),
            other => other.failure(&self.asked.connection),
        }
    }

    async fn keep(&self, given: Given) -> Result<Connected, Failure> {
        let wanted = self.server()?.scopes.clone();
        let missing = match &given.scopes {
            Some(scopes) => wanted.into_iter().filter(|scope| !scopes.contains(scope)).collect(),
            None => Vec::new(),
        };
        let connected = Connected { until: given.until, renews: given.refresh.is_some(), missing };
        self.accounts.connect(&self.holder, &self.asked, given).await?;
        Ok(connected)
    }

    /// How things stand.
    pub(in super::super) fn standing(&self) -> Result<Standing, Failure> {
        let kept = self.accounts.kept(&self.asked)?;
        Ok(match kept {
            Some(kept) if kept.ended => Standing::Ended,
            Some(kept) if kept.access.is_some() || kept.refresh.is_some() => {
                Standing::Connected { until: kept.until.map(Instant), renews: kept.refresh.is_some() }
            }
            _ => Standing::NotConnected,
        })
    }
}

/// A person who agrees in a browser that comes back here.
pub struct ByCode<'c> {
    means: Means<'c>,
    url: Url,
    redirect: Url,
    state: String,
    verifier: Option<String>,
}

/// A text that nobody can guess: 256 bits, in letters that URLs take (RFC 7636, section 4.1).
fn unguessable() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is sent of a verifier (RFC 7636, section 4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Begins an authorization by code. `redirect` is where the browser comes back to, as it was registered.
pub(in super::super) fn code<'c>(
    means: Means<'c>,
    mut url: Url,
    params: &[(String, String)],
    pkce: Pkce,
    redirect: Url,
) -> Result<ByCode<'c>, Failure> {
    let server = means.server()?;
    let (state, verifier) = (unguessable(), (pkce == Pkce::S256).then(unguessable));
    let scope = server.scope();
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair("client_id", server.id.as_deref().unwrap_or_default());
        query.append_pair("redirect_uri", redirect.as_str());
        query.append_pair("state", &state);
        if !scope.is_empty() {
            query.append_pair("scope", &scope);
        }
        if let Some(verifier) = &verifier {
            query.append_pair("code_challenge", &challenge(verifier)).append_pair("code_challenge_method", "S256");
        }
        query.extend_pairs(params);
    }
    Ok(ByCode { means, url, redirect, state, verifier })
}

/// What a browser brought back, and where its page is answered.
type Visit = (Url, oneshot::Sender<Result<(), String>>);

impl ByCode<'_> {
    /// The URL that the person opens.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Takes the URL that the browser came back with.
    ///
    /// # Errors
    /// It is of another authorization, the person or the server has refused, or the tokens can't be kept.
    pub async fn finish(&self, arrived: &Url) -> Result<Connected, Failure> {
        let refused = |message: String| Failure::new(ErrorKind::Unauthorized, message);
        let value =
            |name: &str| arrived.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let state = value("state").unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(self.state.as_bytes())) {
            return Err(refused(
                "the browser came back from another authorization: its `state` is not ours".to_owned(),
            ));
        }
        if let Some(error) = value("error") {
            let more = value("error_description").map(|text| format!(": {text}")).unwrap_or_default();
            return Err(refused(format!("the authorization was refused: `{error}`{more}")));
        }
        let code = value("code").ok_or_else(|| refused("the browser came back without a `code`".to_owned()))?;
        let server = self.means.server()?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", self.redirect.as_str()),
        ];
        if let Some(verifier) = &self.verifier {
            form.push(("code_verifier", verifier));
        }
        let given = exchange(self.means.clients, server, &server.url, &form, self.means.clock.now()).await;
        self.means.keep(given.map_err(|refusal| self.means.failed(refusal))?).await
    }

    /// Waits on an address of this machine until the browser comes back; visits that are not of this authorization are
    /// turned away and end nothing.
    ///
    /// # Errors
    /// As for [`ByCode::finish`], and that the address can't be listened to any more.
    pub async fn listen(&self, listener: TcpListener) -> Result<Connected, Failure> {
        let (visits, mut visited) = mpsc::channel::<Visit>(1);
        let router = Router::new().fallback(visit).with_state((self.redirect.clone(), visits));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
            // Also when the sender is dropped.
            let _ = stopped.await;
        });
        let waiting = async {
            let ended = loop {
                let Some((arrived, page)) = visited.recv().await else {
                    break Err(Failure::new(ErrorKind::Unavailable, "nothing listens for the browser any more"));
                };
                let state = arrived.query_pairs().find(|(key, _)| key == "state").map(|(_, value)| value.into_owned());
                let is_ours = state.is_some_and(|state| bool::from(state.as_bytes().ct_eq(self.state.as_bytes())));
                let ended = self.finish(&arrived).await;
                // Whoever has closed the page does not read it.
                let _ = page.send(ended.as_ref().map(drop).map_err(|failure| failure.message.clone()));
                if is_ours {
                    break ended;
                }
            };
            drop(stop);
            ended
        };
        let mut serving = pin!(serving.into_future());
        let ended = tokio::select! {
            ended = waiting => ended,
            served = &mut serving => {
                let why = served.err().map_or_else(|| "it has ended".to_owned(), |error| error.to_string());
                return Err(Failure::new(ErrorKind::Unavailable, format!("the browser can't come back any more: {why}")));
            }
        };
        // The page goes out; a browser that keeps a connection open for later is not waited for.
        let _ = tokio::time::timeout(LAST_PAGE.duration(), serving).await;
        ended
    }
}

/// The page that the browser shows.
async fn visit(State((redirect, visits)): State<(Url, mpsc::Sender<Visit>)>, request: Request) -> Response {
    if request.uri().path() != redirect.path() {
        return (StatusCode::NOT_FOUND, page("There is nothing here.", "")).into_response();
    }
    let mut arrived = redirect;
    arrived.set_query(request.uri().query());
    let (reply, answer) = oneshot::channel();
    if visits.send((arrived, reply)).await.is_err() {
        return (StatusCode::GONE, page("This was done already.", "")).into_response();
    }
    match answer.await {
        Ok(Ok(())) => page("Connected.", "You can close this window.").into_response(),
        Ok(Err(why)) => (StatusCode::BAD_REQUEST, page("Not connected.", &why)).into_response(),
        Err(_) => (StatusCode::GONE, page("This was done already.", "")).into_response(),
    }
}

fn page(title: &str, text: &str) -> Html<String> {
    let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Html(format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Flow</title><body style=\"font-family: sans-serif; margin: 4em\">\
         <h1>{}</h1><p>{}</p>",
        plain(title),
        plain(text)
    ))
}

/// A person who enters a code elsewhere.
pub struct ByDevice<'c> {
    means: Means<'c>,
    /// The URL that the person opens.
    pub url: String,
    /// The code that the person enters there.
    pub code: String,
    /// The URL with the code in it, where the server offers one.
    pub whole_url: Option<String>,
    device_code: String,
    until: Instant,
    interval: Millis,
}

/// Begins an authorization by device: asks for the codes.
pub(in super::super) async fn device<'c>(means: Means<'c>, url: &Url) -> Result<ByDevice<'c>, Failure> {
    let server = means.server()?;
    let (scope, now) = (server.scope(), means.clock.now());
    let form = if scope.is_empty() { Vec::new() } else { vec![("scope", scope.as_str())] };
    let (answer, redactor) =
        ask(means.clients, server, url, &form, now).await.map_err(|refusal| means.failed(refusal))?;
    let fields = fields(&answer);
    let named = |names: [&str; 2]| names.into_iter().find_map(|name| text(&fields, name));
    // Some servers have the older name.
    let found =
        (text(&fields, "device_code"), text(&fields, "user_code"), named(["verification_uri", "verification_url"]));
    let (Some(device_code), Some(code), Some(url)) = found else {
        let failure = means.failed(refused(&answer, &fields, now));
        return Err(redactor.failure(failure));
    };
    let whole_url = named(["verification_uri_complete", "verification_url_complete"]);
    let seconds =
        |name: &str| fields.get(name).and_then(Json::as_u64).map(|seconds| Millis(seconds.saturating_mul(1000)));
    let until = now.after(seconds("expires_in").unwrap_or(DEVICE_LASTS));
    let interval = seconds("interval").unwrap_or(DEVICE_INTERVAL);
    Ok(ByDevice { means, url, code, whole_url, device_code, until, interval })
}

impl ByDevice<'_> {
    /// Waits until the person has entered the code.
    ///
    /// # Errors
    /// The person or the server has refused, the code is too old, or the tokens can't be kept.
    pub async fn wait(&self) -> Result<Connected, Failure> {
        let server = self.means.server()?;
        let mut interval = self.interval;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", self.device_code.as_str()),
        ];
        loop {
            let now = self.means.clock.now();
            if now >= self.until {
                let message = "nobody has entered the code in time; begin again";
                return Err(Failure::new(ErrorKind::Unauthorized, message));
            }
            self.means.clock.sleep(interval).await;
            let now = self.means.clock.now();
            match exchange(self.means.clients, server, &server.url, &form, now).await {
                Ok(given) => return self.means.keep(given).await,
                Err(Refusal::Said { error: Some(error), .. }) if error == "authorization_pending" => {}
                // RFC 8628, section 3.5: five seconds more from now on.
                Err(Refusal::Said { error: Some(error), .. }) if error == "slow_down" => {
                    interval = Millis(interval.0 + 5000);
                }
                Err(Refusal::Away(why)) => tracing::warn!("{why}"),
                Err(Refusal::Later(failure, wait)) => {
                    tracing::warn!("{failure}");
                    interval = interval.max(wait);
                }
                Err(refusal) => return Err(self.means.failed(refusal)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_the_digest_of_its_verifier() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn what_nobody_can_guess_is_long_enough_and_never_the_same() {
        let (one, other) = (unguessable(), unguessable());
        assert!(one.len() == 43 && one != other);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{one}");
    }
}
