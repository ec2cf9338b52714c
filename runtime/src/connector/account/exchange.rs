//! One request to a server that gives out tokens (RFC 6749, sections 4, 5 and 6).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{
    boundary::{Limits, parse},
    failure::{ErrorKind, Failure},
    schema::SendClient,
    units::{Instant, Millis},
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Map, Value as Json};
use url::{
    Url,
    form_urlencoded::{Serializer, byte_serialize, parse as parse_form},
};

use super::{
    super::{
        answer::{Answer, AnswerBody, Declared, shorten},
        http::{Clients, Files, Lost},
        request::Prepared,
        sign::jwt,
        wait,
    },
    server::{Server, times},
};
use crate::{
    blob::Memory,
    egress::is_named,
    secret::{Redactor, SecretText},
};

/// How long the server may take.
pub(super) const PATIENCE: Millis = Millis::seconds(30);

/// How long it is left alone at least that has answered 429.
const SOON: Millis = Millis::seconds(3);

/// How long the claim holds by which a client proves itself.
const PROOF_LASTS: Millis = Millis::seconds(60);

/// What servers say when what was agreed to has ended: the standard's word, GitHub's, Slack's and HubSpot's.
const ENDED: [&str; 3] = ["invalid_grant", "bad_refresh_token", "invalid_refresh_token"];

/// What a server gave out.
pub(in super::super) struct Given {
    pub(in super::super) access: String,
    pub(in super::super) refresh: Option<String>,
    pub(in super::super) until: Option<Instant>,
    /// Where the account is, where the server says it.
    pub(in super::super) base: Option<String>,
    /// What it lets do, where the server says it.
    pub(in super::super) scopes: Option<Vec<String>>,
}

/// Why a server gave out nothing.
pub(in super::super) enum Refusal {
    /// `invalid_grant`: what was agreed to has ended.
    Ended,
    /// Anything else that it says: it would say the same again.
    Said {
        /// Its own word for it.
        error: Option<String>,
        /// In words.
        why: String,
    },
    /// It can't be reached, or is not able to answer.
    Away(String),
    /// It wants no other request before so long.
    Later(Box<Failure>, Millis),
    /// A call there is not allowed, or has failed for a reason of its own.
    Denied(Failure),
}

impl Refusal {
    pub(super) fn said(why: impl Into<String>) -> Self {
        Self::Said { error: None, why: why.into() }
    }

    /// As a step fails with it.
    pub(in super::super) fn failure(self, connection: &str) -> Failure {
        let told = |why: &str| format!("the connection `{connection}` gets no token: {why}");
        match self {
            Self::Ended => {
                let message = told("the server says `invalid_grant`, which means that the credential does not hold");
                Failure::new(ErrorKind::Unauthorized, message)
            }
            Self::Said { why, .. } => Failure::new(ErrorKind::Unauthorized, told(&why)),
            Self::Away(why) => Failure::new(ErrorKind::Unavailable, told(&why)),
            Self::Later(failure, _) => Failure { message: told(&failure.message), ..*failure },
            Self::Denied(failure) => Failure { message: told(&failure.message), ..failure },
        }
    }
}

/// Asks for a token with these parameters.
pub(in super::super) async fn exchange(
    clients: &Clients,
    server: &Server,
    url: &Url,
    form: &[(&str, &str)],
    now: Instant,
) -> Result<Given, Refusal> {
    let (answer, redactor) = ask(clients, server, url, form, now).await?;
    let clean = |refusal| match refusal {
        Refusal::Said { error, why } => Refusal::Said { error, why: shorten(&redactor.text(&why)) },
        other => other,
    };
    read(server, &answer, now).map_err(clean)
}

/// Asks, and gives the answer with what takes secrets out of it.
pub(super) async fn ask(
    clients: &Clients,
    server: &Server,
    url: &Url,
    form: &[(&str, &str)],
    now: Instant,
) -> Result<(Answer, Redactor), Refusal> {
    let (prepared, redactor) = prepared(server, url, form, now).map_err(Refusal::said)?;
    let nothing = Memory::new();
    let files = Files { blobs: &nothing, keeps: false };
    match clients.send(prepared, false, PATIENCE, &redactor, files, None).await {
        Ok(answer) => Ok((answer, redactor)),
        Err(Lost { failure, .. }) if failure.kind == ErrorKind::Forbidden => Err(Refusal::Denied(failure)),
        Err(Lost { failure, .. }) => Err(Refusal::Away(redactor.text(&failure.message))),
    }
}

/// The request, and what takes its secrets out of text.
fn prepared(server: &Server, url: &Url, form: &[(&str, &str)], now: Instant) -> Result<(Prepared, Redactor), String> {
    let mut redactor = server.redactor.clone();
    let mut headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        (ACCEPT, HeaderValue::from_static("application/json")),
    ]);
    let mut body = Serializer::new(String::new());
    body.extend_pairs(form).extend_pairs(&server.params);
    if let Some(secret) = &server.secret {
        redactor.add("client secret", secret);
    }
    let secrets = ["refresh_token", "assertion", "code", "code_verifier", "device_code"];
    for (name, value) in form.iter().filter(|(name, _)| secrets.contains(name)) {
        redactor.add(name, &SecretText::new(*value));
    }
    let id = server.id.as_deref();
    match (&server.secret, server.send, id) {
        (Some(secret), SendClient::Basic, Some(id)) => {
            // Both are form-encoded before (RFC 6749, section 2.3.1).
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.reveal())));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is text that headers take");
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        (Some(secret), SendClient::Body, Some(id)) => {
            body.append_pair("client_id", id).append_pair("client_secret", secret.reveal());
        }
        (Some(secret), SendClient::Signed, Some(id)) => {
            let mut claims = Map::from_iter([
                ("iss".to_owned(), Json::from(id)),
                ("sub".to_owned(), Json::from(id)),
                ("aud".to_owned(), Json::from(server.url.as_str())),
                ("jti".to_owned(), Json::from(hex::encode(rand::random::<[u8; 16]>()))),
            ]);
            claims.extend(times(now, PROOF_LASTS));
            let assertion = jwt::Key::read(secret, None)?.sign(None, &claims)?;
            redactor.add("client_assertion", &SecretText::new(assertion.as_str()));
            body.append_pair("client_id", id)
                .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                .append_pair("client_assertion", &assertion);
        }
        (None, _, Some(id)) => {
            body.append_pair("client_id", id);
        }
        (_, _, None) => {}
    }
    let (method, url, hosts) = (Method::POST, url.clone(), Vec::new());
    // No host is named, so that no redirect is followed: the request holds what gives access.
    Ok((
        Prepared { method, url, headers, body: body.finish().into_bytes().into(), hosts, servers: Vec::new() },
        redactor,
    ))
}

/// The fields of an answer: JSON, or a form as some servers write it.
pub(super) fn fields(answer: &Answer) -> Map<String, Json> {
    let bytes = match &answer.body {
        AnswerBody::Whole(bytes) => bytes.as_slice(),
        AnswerBody::Kept(_) | AnswerBody::TooLarge(_) | AnswerBody::Broken => &[],
    };
    match parse(bytes, Limits::default()) {
        Ok(Json::Object(fields)) => fields,
        _ => parse_form(bytes).map(|(name, value)| (name.into_owned(), Json::from(value))).collect(),
    }
}

/// Reads an answer. A success without a token is none.
fn read(server: &Server, answer: &Answer, now: Instant) -> Result<Given, Refusal> {
    let fields = fields(answer);
    let named = &server.answer;
    if let (true, Some(access)) = (answer.status.is_success(), text(&fields, &named.access_token)) {
        let lasts = at(&fields, &named.expires_in).and_then(seconds).map(|lasts| now.after(lasts));
        let until = lasts.or_else(|| at(&fields, &named.expires_at).and_then(instant));
        let base = match &named.base_url {
            Some(path) => Some(base(server, text(&fields, path), path)?),
            None => None,
        };
        let scopes = text(&fields, "scope").map(|scope| {
            scope.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        });
        return Ok(Given { access, refresh: text(&fields, &named.refresh_token), until, base, scopes });
    }
    Err(refused(answer, &fields, now))
}

/// How long no other request is wanted after this answer, if it says so: one that refuses a request for their number does
/// in any case.
pub(super) fn later(status: StatusCode, asked: Option<Millis>) -> Option<Millis> {
    asked.or((status == StatusCode::TOO_MANY_REQUESTS).then_some(SOON))
}

/// What an answer without a token says.
pub(super) fn refused(answer: &Answer, fields: &Map<String, Json>, now: Instant) -> Refusal {
    let error = text(fields, "error");
    let word = error.clone().or_else(|| text(fields, "status")).unwrap_or_default();
    if ENDED.iter().any(|ended| word.eq_ignore_ascii_case(ended)) {
        return Refusal::Ended;
    }
    let status = answer.status;
    if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
        let why = format!("the server that gives out tokens answered {status}");
        let asked = wait::asked(status, &answer.headers, &Declared::default(), now);
        let kind = match status {
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
            _ => ErrorKind::Unavailable,
        };
        return match later(status, asked) {
            Some(wait) => Refusal::Later(Failure::new(kind, why).into(), wait),
            None => Refusal::Away(why),
        };
    }
    let said = match (&error, text(fields, "error_description").or_else(|| text(fields, "message"))) {
        (Some(error), Some(description)) => format!(": `{error}`: {description}"),
        (Some(error), None) => format!(": `{error}`"),
        (None, Some(message)) => format!(": {message}"),
        (None, None) if status.is_success() => ", and there is no token in it".to_owned(),
        (None, None) => String::new(),
    };
    Refusal::Said { error, why: format!("the server that gives out tokens answered {status}{said}") }
}

/// The member at a path: `authed_user.access_token`.
fn at<'j>(fields: &'j Map<String, Json>, path: &str) -> Option<&'j Json> {
    let mut parts = path.split('.');
    let first = fields.get(parts.next()?)?;
    parts.try_fold(first, |json, part| json.get(part))
}

pub(super) fn text(fields: &Map<String, Json>, path: &str) -> Option<String> {
    at(fields, path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Where the account is, which the connector must have named: requests take the token there.
fn base(server: &Server, found: Option<String>, path: &str) -> Result<String, Refusal> {
    let text =
        found.ok_or_else(|| Refusal::said(format!("its answer has no `{path}`, which says where the account is")))?;
    let url = Url::parse(&text).map_err(|_| Refusal::said(format!("`{path}` of its answer is no URL")))?;
    let is_safe = url.scheme() == "https" || url.scheme() == server.url.scheme();
    let host = url.host_str().unwrap_or_default();
    if !matches!(url.scheme(), "http" | "https") || !is_safe || url.query().is_some() || !url.username().is_empty() {
        return Err(Refusal::said(format!("`{path}` of its answer is no base URL that begins with `https://`")));
    }
    if !is_named(host, &server.hosts) {
        return Err(Refusal::said(format!(
            "it says that the account is at `{host}`, which the connector does not name in `hosts`"
        )));
    }
    Ok(text)
}

/// A number of seconds; some servers write it as text. One that is not above zero says nothing.
fn seconds(written: &Json) -> Option<Millis> {
    let number: u64 = match written {
        Json::String(text) => text.trim().parse().ok()?,
        other => other.as_u64()?,
    };
    (number > 0).then(|| Millis(number.saturating_mul(1000)))
}

/// A point in time: RFC 3339, or seconds or milliseconds since 1970, told apart by their size.
fn instant(written: &Json) -> Option<Instant> {
    let number: Option<i64> = match written {
        Json::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    };
    match (number, written) {
        (Some(number), _) if number > 100_000_000_000 => Some(Instant(number)),
        (Some(number), _) if number > 0 => Some(Instant(number.saturating_mul(1000))),
        (None, Json::String(text)) => {
            text.trim().parse::<jiff::Timestamp>().ok().map(|at| Instant(at.as_millisecond()))
        }
        _ => None,
    }
}
