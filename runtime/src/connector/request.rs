//! Builds the request of an operation from its declaration.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{
    failure::{ErrorKind, Failure},
    schema::{Auth, Body, Http, KeySource, Operation, Request},
    value::Value,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING, UPGRADE},
};
use url::Url;

use super::{
    config::BASE_URL,
    form,
    template::{Scope, base_url},
};

/// A request, ready to be sent.
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Builds the request.
///
/// # Errors
/// `Invalid` when a value can't stand where the declaration puts it; `Unauthorized` when a secret is not set.
pub(super) fn prepare(
    scope: &Scope<'_>,
    http: &Http,
    operation: &Operation,
    request: &Request,
    key: &str,
) -> Result<Prepared, Failure> {
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| invalid(format!("`{}` is no method of HTTP", request.method)))?;
    let base = match scope.config.get(BASE_URL) {
        Some(Value::String(replaced)) => base_url(replaced)?,
        _ => scope.base(&http.base)?,
    };
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), scope.path(&request.path)?));

    let mut query = Vec::new();
    for (name, expr) in &request.query {
        query.extend(form::query(name, &scope.value(expr)?));
    }
    let mut headers = HeaderMap::new();
    for (name, expr) in http.headers.iter().chain(&request.headers) {
        if let Some(text) = scope.text(expr)? {
            headers.insert(header_name(name)?, header_value(name, &text)?);
        }
    }
    let mut body = self::body(scope, &request.body)?;
    match &operation.key {
        Some(KeySource::Header(name)) => {
            headers.insert(header_name(name)?, header_value(name, key)?);
        }
        Some(KeySource::Field(name)) => body.insert(name, key)?,
        Some(KeySource::Native) | None => {}
    }
    authorize(scope, &http.auth, &mut headers, &mut query)?;
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let (media_type, body) = body.written();
    if let Some(media_type) = media_type {
        headers.entry(CONTENT_TYPE).or_insert(header_value("Content-Type", &media_type)?);
    }
    if url.origin() != base.origin() {
        return Err(invalid("the request would leave for another host than the connection's"));
    }
    Ok(Prepared { method, url, headers, body })
}

enum Content {
    None,
    Json(Value),
    Form(Value),
    Raw(Vec<u8>, String),
}

fn body(scope: &Scope<'_>, body: &Body) -> Result<Content, Failure> {
    Ok(match body {
        Body::None => Content::None,
        Body::Json(template) => Content::Json(scope.body(template)?),
        Body::Form(template) => match scope.body(template)? {
            record @ Value::Record(_) => Content::Form(record),
            other => return Err(invalid(format!("a form is made of a record, not of {}", other.kind()))),
        },
        Body::Raw(template, media_type) => {
            let bytes = match scope.value(template)? {
                Value::Bytes(bytes) => bytes.to_vec(),
                Value::Null => Vec::new(),
                other => other.to_string().into_bytes(),
            };
            Content::Raw(bytes, media_type.clone())
        }
    })
}

impl Content {
    /// Puts the idempotency key into a field.
    fn insert(&mut self, name: &str, key: &str) -> Result<(), Failure> {
        if matches!(self, Self::None) {
            *self = Self::Json(Value::Record(indexmap::IndexMap::new()));
        }
        match self {
            Self::Json(Value::Record(fields)) | Self::Form(Value::Record(fields)) => {
                fields.insert(name.to_owned(), Value::text(key));
                Ok(())
            }
            _ => Err(invalid(format!("the body has no fields, so the key can't be its field `{name}`"))),
        }
    }

    fn written(self) -> (Option<String>, Vec<u8>) {
        match self {
            Self::None => (None, Vec::new()),
            Self::Json(value) => (Some("application/json".to_owned()), value.to_json().to_string().into_bytes()),
            Self::Form(value) => {
                let text =
                    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form::pairs(&value)).finish();
                (Some("application/x-www-form-urlencoded".to_owned()), text.into_bytes())
            }
            Self::Raw(bytes, media_type) => (Some(media_type), bytes),
        }
    }
}

fn authorize(
    scope: &Scope<'_>,
    auth: &Auth,
    headers: &mut HeaderMap,
    query: &mut Vec<(String, String)>,
) -> Result<(), Failure> {
    let credential = |expr| {
        let text = scope.text(expr)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| Failure::new(ErrorKind::Unauthorized, "the connection has no credential"))
    };
    let (name, text) = match auth {
        Auth::None => return Ok(()),
        Auth::Bearer(token) => (AUTHORIZATION, format!("Bearer {}", credential(token)?)),
        Auth::Basic(user, password) => {
            let pair =
                format!("{}:{}", scope.text(user)?.unwrap_or_default(), scope.text(password)?.unwrap_or_default());
            (AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
        }
        Auth::Header(name, value) => (header_name(name)?, credential(value)?),
        Auth::Query(name, value) => {
            query.push((name.clone(), credential(value)?));
            return Ok(());
        }
    };
    let mut value = header_value(name.as_str(), &text)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn header_name(name: &str) -> Result<HeaderName, Failure> {
    let header =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(format!("`{name}` is no name of a header")))?;
    if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, TE, UPGRADE].contains(&header) {
        return Err(invalid(format!("the header `{name}` belongs to the connection and can't be set")));
    }
    Ok(header)
}

/// Line breaks and other control characters would begin another header (RFC 9110, section 5.5), so they are refused.
fn header_value(name: &str, text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| invalid(format!("the header `{name}` can't hold a line break or another control character")))
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
