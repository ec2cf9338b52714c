//! Where does a redirect lead, and what goes along?
//!
//! In: the request that was sent, and the status and headers of its answer. Out: the request that follows, or why none
//! does. The rules are those of RFC 9110, section 15.4: 307 and 308 repeat the request, 303 asks for the result with GET,
//! and 301 and 302 turn POST into GET. Beyond them, a redirect leads only to hosts that the program names, never from
//! `https` to `http`, and takes no credential and no secret to another origin. The address that a host has is checked
//! where the connection is made: see [`crate::egress`].

use http::{
    HeaderMap, HeaderName, Method, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, LOCATION,
        PROXY_AUTHORIZATION,
    },
};
use url::Url;

use super::{payload::Payload, request::Prepared};
use crate::{
    egress::{Guard, Refused, is_named},
    secret::Redactor,
};

/// How many redirects of one call are followed. Systems need one or two.
const MOST: usize = 10;

/// The redirects of one call.
#[derive(Default)]
pub(super) struct Trail {
    /// What was sent so far.
    visited: Vec<(Method, Url)>,
    /// Whether a server may have done what was asked of it before it sent the call on.
    acted: bool,
}

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    #[error("`{from}` redirects to `{to}`, and the redirect was not followed: {why}")]
    Refused { from: String, to: String, why: Refused },
    #[error("`{0}` redirects, and does not say to where in a form that reads")]
    Unreadable(String),
    #[error("`{0}` redirects from `https` to `http`, where anyone on the way could read the call")]
    Downgrade(String),
    #[error("`{from}` redirects to `{to}`, and the request holds a secret that may not go there")]
    Secret { from: String, to: String },
    #[error(
        "`{from}` redirects to `{to}` with the status {status}, which would turn `POST` into `GET`: set `base_url` to \
         where the system is now"
    )]
    Moved { from: String, to: String, status: u16 },
    #[error("`{0}` redirects in a circle")]
    Circle(String),
    #[error("the call was redirected more than {MOST} times")]
    TooMany,
}

impl Trail {
    /// Whether a server may have done what was asked of it before it sent the call on.
    pub(super) fn acted(&self) -> bool {
        self.acted
    }

    /// The request that follows an answer; none when the answer is the last one.
    ///
    /// # Errors
    /// The answer is a redirect that is not followed.
    pub(super) fn next(
        &mut self,
        sent: &Prepared,
        status: StatusCode,
        headers: &HeaderMap,
        guard: &Guard,
        secrets: &Redactor,
    ) -> Result<Option<Prepared>, Stop> {
        let followed = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = headers.get(LOCATION).filter(|_| followed) else { return Ok(None) };
        let method = method(&sent.method, status);
        let turned = method != sent.method;
        let from = host(&sent.url);
        // 303 says that it was done. So does a turn to the page of the result; one to the same path elsewhere does not.
        self.acted |= turned && status == StatusCode::SEE_OTHER;
        let unreadable = || Stop::Unreadable(from.clone());
        // Only what is ASCII may stand in a header; a name of a host in other letters is compared as it is sent.
        let location = location.to_str().map_err(|_| unreadable())?;
        let mut url = sent.url.join(location).map_err(|_| unreadable())?;
        url.set_fragment(None);
        let moved = turned && status != StatusCode::SEE_OTHER && url.path() == sent.url.path();
        self.acted |= turned && !moved;
        let to = host(&url);
        let refused = |why| Stop::Refused { from: from.clone(), to: to.clone(), why };
        guard.url(&url).map_err(refused)?;
        if !is_named(url.host_str().unwrap_or_default(), &sent.hosts) {
            return Err(refused(Refused::Host(to.clone())));
        }
        if sent.url.scheme() == "https" && url.scheme() != "https" {
            return Err(Stop::Downgrade(from));
        }

        if moved {
            return Err(Stop::Moved { from, to, status: status.as_u16() });
        }
        let mut next = Prepared { method, url, ..sent.clone() };
        if turned {
            next.body = Payload::default();
            for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION] {
                next.headers.remove(name);
            }
        }
        if next.url.origin() != sent.url.origin() {
            leave_behind(&mut next.headers, secrets);
            if secrets.holds(next.url.as_str())
                || next.body.in_memory().any(|bytes| secrets.holds(&String::from_utf8_lossy(bytes)))
            {
                return Err(Stop::Secret { from, to });
            }
        }

        self.visited.push((sent.method.clone(), sent.url.clone()));
        if self.visited.iter().any(|(method, url)| *method == next.method && *url == next.url) {
            return Err(Stop::Circle(from));
        }
        if self.visited.len() > MOST {
            return Err(Stop::TooMany);
        }
        Ok(Some(next))
    }
}

/// The method of the request that follows.
fn method(sent: &Method, status: StatusCode) -> Method {
    match status.as_u16() {
        303 if *sent != Method::HEAD => Method::GET,
        301 | 302 if *sent == Method::POST => Method::GET,
        _ => sent.clone(),
    }
}

/// Takes away what belongs to the origin that sent the call on.
fn leave_behind(headers: &mut HeaderMap, secrets: &Redactor) {
    let belongs = |name: &HeaderName| {
        [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(name)
            || headers
                .get_all(name)
                .iter()
                .any(|value| value.is_sensitive() || secrets.holds(&String::from_utf8_lossy(value.as_bytes())))
    };
    let gone: Vec<HeaderName> = headers.keys().filter(|name| belongs(name)).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

/// A host as messages name it.
pub(super) fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}
