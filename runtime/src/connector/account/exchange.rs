//! One request to a server that gives out tokens (RFC 6749, sections 4, 5 and 6).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{
    boundary::{Limits, parse},
    failure::{ErrorKind, Failure},
    schema::SendClient,
    units::Millis,
};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Map, Value as Json};
use url::form_urlencoded::{Serializer, byte_serialize, parse as parse_form};

use super::{
    super::{
        answer::{Answer, AnswerBody, shorten},
        http::{Clients, Lost},
        request::Prepared,
    },
    Asked,
};
use crate::secret::{Redactor, SecretText};

/// How long the server may take.
const PATIENCE: Millis = Millis::seconds(30);

/// What a server gave out.
pub(super) struct Given {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) lasts: Option<Millis>,
}

/// Why a server gave out nothing.
pub(super) enum Refusal {
    /// `invalid_grant`: what was agreed to has ended.
    Ended,
    /// Anything else that it says: it would say the same again.
    Said(String),
    /// It can't be reached, or is not able to answer.
    Away(String),
    /// A call there is not allowed.
    Denied(Failure),
}

impl Refusal {
    /// As a step fails with it.
    pub(super) fn failure(self, connection: &str) -> Failure {
        let told = |why: &str| format!("the connection `{connection}` gets no token: {why}");
        match self {
            Self::Ended => {
                let message = told("the server says `invalid_grant`, which means that the credential does not hold");
                Failure::new(ErrorKind::Unauthorized, message)
            }
            Self::Said(why) => Failure::new(ErrorKind::Unauthorized, told(&why)),
            Self::Away(why) => Failure::new(ErrorKind::Unavailable, told(&why)),
            Self::Denied(failure) => Failure { message: told(&failure.message), ..failure },
        }
    }
}

/// Asks for a token with these parameters.
pub(super) async fn exchange(clients: &Clients, asked: &Asked, form: &[(&str, &str)]) -> Result<Given, Refusal> {
    let (prepared, redactor) = prepared(asked, form);
    let answer = match clients.send(prepared, false, PATIENCE, &redactor).await {
        Ok(answer) => answer,
        Err(Lost { failure, .. }) if failure.kind == ErrorKind::Forbidden => return Err(Refusal::Denied(failure)),
        Err(Lost { failure, .. }) => return Err(Refusal::Away(redactor.text(&failure.message))),
    };
    read(&answer).map_err(|refusal| match refusal {
        Refusal::Said(why) => Refusal::Said(shorten(&redactor.text(&why))),
        other => other,
    })
}

/// The request, and what takes its secrets out of text.
fn prepared(asked: &Asked, form: &[(&str, &str)]) -> (Prepared, Redactor) {
    let mut redactor = Redactor::default();
    let mut headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        (ACCEPT, HeaderValue::from_static("application/json")),
    ]);
    let mut body = Serializer::new(String::new());
    body.extend_pairs(form).extend_pairs(&asked.params);
    if let Some(secret) = &asked.secret {
        redactor.add("client secret", secret);
    }
    for (name, value) in form.iter().filter(|(name, _)| *name == "refresh_token") {
        redactor.add(name, &SecretText::new(*value));
    }
    match (&asked.secret, asked.send) {
        (Some(secret), SendClient::Basic) => {
            // Both are form-encoded before (RFC 6749, section 2.3.1).
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encoded(&asked.id), encoded(secret.reveal())));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is text that headers take");
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        (Some(secret), SendClient::Body) => {
            body.append_pair("client_id", &asked.id).append_pair("client_secret", secret.reveal());
        }
        (None, _) => {
            body.append_pair("client_id", &asked.id);
        }
    }
    let (method, url, hosts) = (Method::POST, asked.url.clone(), Vec::new());
    // No host is named, so that no redirect is followed: the request holds what gives access.
    (Prepared { method, url, headers, body: body.finish().into(), hosts }, redactor)
}

/// Reads an answer: JSON, or a form as some servers write it. A success without a token is none.
fn read(answer: &Answer) -> Result<Given, Refusal> {
    let bytes = match &answer.body {
        AnswerBody::Whole(bytes) => bytes.as_slice(),
        AnswerBody::TooLarge(_) | AnswerBody::Broken => &[],
    };
    let fields = match parse(bytes, Limits::default()) {
        Ok(Json::Object(fields)) => fields,
        _ => parse_form(bytes).map(|(name, value)| (name.into_owned(), Json::from(value))).collect(),
    };
    if let (true, Some(access)) = (answer.status.is_success(), text(&fields, "access_token")) {
        let refresh = text(&fields, "refresh_token");
        let lasts = fields.get("expires_in").and_then(seconds);
        return Ok(Given { access, refresh, lasts });
    }
    let error = text(&fields, "error");
    if error.as_deref() == Some("invalid_grant") {
        return Err(Refusal::Ended);
    }
    let status = answer.status;
    if status.is_server_error() || status.as_u16() == 429 || status.as_u16() == 408 {
        return Err(Refusal::Away(format!("the server that gives out tokens answered {status}")));
    }
    let said = match (error, text(&fields, "error_description")) {
        (Some(error), Some(description)) => format!(": `{error}`: {description}"),
        (Some(error), None) => format!(": `{error}`"),
        (None, _) if status.is_success() => ", and there is no token in it".to_owned(),
        (None, _) => String::new(),
    };
    Err(Refusal::Said(format!("the server that gives out tokens answered {status}{said}")))
}

fn text(fields: &Map<String, Json>, name: &str) -> Option<String> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A number of seconds; some servers write it as text. One that is not above zero says nothing.
fn seconds(written: &Json) -> Option<Millis> {
    let number: u64 = match written {
        Json::String(text) => text.trim().parse().ok()?,
        other => other.as_u64()?,
    };
    (number > 0).then(|| Millis(number.saturating_mul(1000)))
}
