//! Builds the request of an operation from its declaration.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{
    boundary::is_uuid,
    expr::{Expr, TextPart},
    failure::{ErrorKind, Failure},
    file::File,
    schema::{Auth, Body, Carry, Grant, Http, Into, KeySource, ListStyle, Operation, Page, Part, Request},
    units::Instant,
    value::Value,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING, UPGRADE},
};
use indexmap::IndexMap;
use sha2::{Digest as _, Sha256};
use url::{Origin, Url};

use super::{
    account::Token,
    config::{BASE_URL, SANDBOX},
    form,
    multipart::{self, Piece},
    page::Turn,
    payload::Payload,
    sign::{oauth1, own, sigv4},
    template::{Scope, base_url, parameter},
    xml,
};
use crate::egress::is_named;

/// A request, ready to be sent.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Payload,
    /// The hosts that it may be sent on to: the connection's, and those that its connector names.
    pub(super) hosts: Vec<String>,
    /// The servers of the system, which the credential goes to.
    pub(super) servers: Vec<Origin>,
}

/// What requests carry to prove who makes them.
#[derive(Clone, Copy)]
pub(super) struct Proof<'a> {
    pub(super) auth: &'a Auth,
    /// The token that a server has given out, where one does.
    pub(super) token: Option<&'a Token>,
    /// When it is made.
    pub(super) now: Instant,
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
    turn: Option<(&Page, &Value)>,
    key: &str,
    proof: Proof<'_>,
) -> Result<Prepared, Failure> {
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| invalid(format!("`{}` is no method of HTTP", request.method)))?;
    let base = self::base(scope, http, proof.token.and_then(|token| token.base.as_deref()))?;
    let reach = Reach::of(scope, http, &base);
    let mut url = match request.origin.as_deref() {
        Some(origin) => reach.also(origin)?,
        None => base.clone(),
    };
    let start = url.clone();
    let turn = turn.map(|(page, begins)| Turn::of(page, begins)).transpose()?;
    let next = turn.as_ref().and_then(Turn::url);
    if let Some(next) = next {
        url = reach.given(next)?;
    } else if request.whole_url {
        url = reach.given(&scope.value(&request.path)?.to_string())?;
    } else {
        let path = if request.given_path { scope.given_path(&request.path)? } else { scope.path(&request.path)? };
        url.set_path(&format!("{}{path}", start.path().trim_end_matches('/')));
    }
    let servers = reach.servers();
    // Whether the credential goes along.
    let is_ours = servers.contains(&url.origin());
    let proof = Proof { auth: chosen(scope, proof.auth)?, ..proof };

    let mut query = Vec::new();
    // The URL of a next page has its query.
    let own = request.query.iter().filter(|_| next.is_none());
    for (name, expr) in http.query.iter().filter(|_| is_ours && next.is_none()).chain(own) {
        let style = request.lists.get(name).copied().unwrap_or_default();
        query.extend(form::query(name, &scope.value(expr)?, style));
    }
    for (maps, named) in [(&http.more_query, &http.query), (&request.more_query, &request.query)] {
        if next.is_some() || (!is_ours && std::ptr::eq(maps, &http.more_query)) {
            continue;
        }
        for (name, value) in
            scope.entries(maps)?.iter().filter(|(name, _)| named.iter().all(|(known, _)| known != *name))
        {
            query.extend(form::query(name, value, ListStyle::default()));
        }
    }
    let mut headers = HeaderMap::new();
    let mut more = if is_ours { scope.entries(&http.more_headers)? } else { IndexMap::new() };
    more.extend(scope.entries(&request.more_headers)?);
    for (name, value) in more.iter().filter(|(_, value)| **value != Value::Null) {
        headers.insert(header_name(name)?, header_value(name, &value.to_string())?);
    }
    for (name, expr) in http.headers.iter().filter(|_| is_ours).chain(&request.headers) {
        if let Some(text) = scope.text(expr)? {
            headers.insert(header_name(name)?, header_value(name, &text)?);
        }
    }
    let mut body = self::body(scope, request)?;
    match &turn {
        Some(Turn::Query(name, value)) => {
            query.retain(|(known, _)| known != name);
            query.push((name.clone(), value.to_string()));
        }
        Some(Turn::Body(path, value)) => body.insert(path, value.clone())?,
        Some(Turn::Url(_) | Turn::First) | None => {}
    }
    let sent = if operation.uuid_key { key_as_uuid(key) } else { key.to_owned() };
    match &operation.key {
        Some(KeySource::Header(name)) => {
            headers.insert(header_name(name)?, header_value(name, &sent)?);
        }
        Some(KeySource::Field(name)) => body.insert(std::slice::from_ref(name), Value::text(sent))?,
        Some(KeySource::Within(path)) => body.insert(path, Value::text(sent))?,
        Some(KeySource::Native | KeySource::Lookup(_)) | None => {}
    }
    if is_ours {
        authorize(scope, proof, &mut headers, &mut query, &mut body)?;
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    let (media_type, body) = body.written(key)?;
    if let Some(media_type) = media_type {
        headers.entry(CONTENT_TYPE).or_insert(header_value("Content-Type", &media_type)?);
    }
    if url.origin() != start.origin() && !request.whole_url && next.is_none() {
        return Err(invalid("the request would leave for another host than the connection's"));
    }
    if is_ours {
        sign(scope, proof, (&method, &mut url), &mut headers, &body)?;
    }
    Ok(Prepared { method, url, headers, body, hosts: reach.hosts(), servers })
}

/// What paths are put after: what the connection sets, the system for trials, or what is declared, at the host of the account
/// where the server that gives out tokens has said it.
///
/// # Errors
/// `Invalid` when it is no base URL.
pub(super) fn base(scope: &Scope<'_>, http: &Http, own: Option<&str>) -> Result<Url, Failure> {
    match (scope.config.get(BASE_URL), scope.config.get(SANDBOX), &http.sandbox) {
        (Some(Value::String(replaced)), ..) => base_url(replaced),
        (_, Some(Value::Bool(true)), Some(sandbox)) => scope.base(sandbox),
        _ => {
            let base = scope.base(&http.base)?;
            let Some(own) = own else { return Ok(base) };
            let own = at_account(&base, own)?;
            // It may have been kept since another version of the connector named it.
            let host = own.host_str().unwrap_or_default();
            if !is_named(host, &http.hosts) {
                let message = format!("the account is at `{host}`, which the connector does not name in `hosts`");
                return Err(invalid(message));
            }
            Ok(own)
        }
    }
}

/// The base at the host of the account.
fn at_account(base: &Url, own: &str) -> Result<Url, Failure> {
    let mut own = base_url(own)?;
    let path = format!("{}{}", own.path().trim_end_matches('/'), base.path());
    own.set_path(&path);
    Ok(own)
}

/// Where the requests of a connection may go, and where with its credential.
struct Reach<'a> {
    base: &'a Url,
    http: &'a Http,
    /// Where requests to the further origins go when the connection sets its base: below that, without the path that the
    /// declared base has. The credential then goes to that base alone.
    replaced: Option<Url>,
}

impl<'a> Reach<'a> {
    fn of(scope: &Scope<'_>, http: &'a Http, base: &'a Url) -> Self {
        let replaced = matches!(scope.config.get(BASE_URL), Some(Value::String(_))).then(|| {
            let declared = scope.base(&http.base).ok();
            let own = declared.as_ref().map_or("", |url| url.path()).trim_end_matches('/');
            let path = base.path().trim_end_matches('/');
            let mut root = base.clone();
            root.set_path(path.strip_suffix(own).unwrap_or(path));
            root
        });
        Self { base, http, replaced }
    }

    /// One of the further origins.
    fn also(&self, origin: &str) -> Result<Url, Failure> {
        if !self.http.also.iter().any(|named| named == origin) {
            return Err(invalid(format!(
                "the request would leave for `{origin}`, which the connector does not name in `also`"
            )));
        }
        match &self.replaced {
            Some(root) => Ok(root.clone()),
            None => base_url(origin),
        }
    }

    /// The servers of the system.
    fn servers(&self) -> Vec<Origin> {
        let also = self.http.also.iter().filter(|_| self.replaced.is_none()).filter_map(|also| Url::parse(also).ok());
        std::iter::once(self.base.origin()).chain(also.map(|also| also.origin())).collect()
    }

    /// A whole URL that a system gave out: `https`, or `http` where the base is, and of a host that the connector names.
    fn given(&self, text: &str) -> Result<Url, Failure> {
        let url =
            Url::parse(text).map_err(|error| invalid(format!("the URL of the request does not read: {error}")))?;
        let plain = url.username().is_empty() && url.password().is_none();
        let is_safe = url.scheme() == "https" || url.scheme() == self.base.scheme();
        if !plain || !matches!(url.scheme(), "http" | "https") || !is_safe {
            return Err(invalid("the URL of the request must be `https`, without user and password"));
        }
        let host = url.host_str().unwrap_or_default();
        if url.origin() != self.base.origin() && !is_named(host, &self.hosts()) {
            return Err(invalid(format!(
                "the request would leave for `{host}`, which the connector does not name in `hosts`"
            )));
        }
        Ok(url)
    }

    /// The hosts that a request may be sent on to.
    fn hosts(&self) -> Vec<String> {
        let urls = self.http.also.iter().filter_map(|also| Url::parse(also).ok());
        let of = |url: &Url| url.host_str().map(str::to_owned);
        let also = urls.filter_map(|url| of(&url));
        of(self.base).into_iter().chain(self.http.hosts.iter().cloned()).chain(also).collect()
    }
}

enum Content {
    None,
    Json(Value),
    Form(Value, BTreeMap<String, ListStyle>),
    Raw(Payload, String),
    Multipart(Vec<Piece>),
    Xml(Value),
}

fn body(scope: &Scope<'_>, request: &Request) -> Result<Content, Failure> {
    Ok(match &request.body {
        Body::None => Content::None,
        Body::Json(template) => match scope.body(template)? {
            Value::Null if parameter(template).is_some() => Content::None,
            value => Content::Json(value),
        },
        Body::Form(template) => match scope.body(template)? {
            record @ Value::Record(_) => Content::Form(record, request.form_lists.clone()),
            other => return Err(invalid(format!("a form is made of a record, not of {}", other.kind()))),
        },
        Body::Raw(template, media_type) => {
            let value = scope.value(template)?;
            let own = match &value {
                Value::File(file) => file.mime_type.as_str(),
                Value::Bytes(_) => "application/octet-stream",
                _ => "text/plain; charset=utf-8",
            };
            let media_type = media_type.clone().unwrap_or_else(|| own.to_owned());
            Content::Raw(bytes(value), media_type)
        }
        Body::Multipart(parts) => {
            let mut pieces = Vec::new();
            for (name, part) in parts {
                piece(scope, name, part, &mut pieces)?;
            }
            Content::Multipart(pieces)
        }
        Body::Xml(template) => match scope.body(template)? {
            // The root was left out.
            Value::Record(fields) if fields.is_empty() => Content::None,
            value => Content::Xml(value),
        },
        Body::GraphQl { query, variables } => {
            let mut fields = IndexMap::from([("query".to_owned(), Value::text(query.as_str()))]);
            if let Some(variables) = variables {
                fields.insert("variables".to_owned(), scope.body(variables)?);
            }
            Content::Json(Value::Record(fields))
        }
    })
}

fn bytes(value: Value) -> Payload {
    match value {
        Value::File(file) => (*file).clone().into(),
        Value::Bytes(bytes) => bytes.to_vec().into(),
        Value::Null => Payload::default(),
        other => other.to_string().into_bytes().into(),
    }
}

/// A part of a multipart body; a null is left out, and a list is several parts of the same name.
fn piece(scope: &Scope<'_>, name: &str, part: &Part, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
    let binary = || Some("application/octet-stream".to_owned());
    let plain = |content| Piece { name: name.to_owned(), file: None, media_type: None, content };
    match part {
        Part::Json(expr) => {
            let content = scope.body(expr)?.to_json().to_string().into_bytes().into();
            pieces.push(Piece { media_type: Some("application/json".to_owned()), ..plain(content) });
        }
        Part::Value(expr) => values(name, scope.value(expr)?, pieces),
        Part::All(map) => {
            for (name, value) in scope.entries(std::slice::from_ref(map))? {
                values(&name, value, pieces);
            }
        }
        Part::File { content, name: file, media_type } => {
            let text = |expr: &Option<Expr>| expr.as_ref().map_or(Ok(None), |expr| scope.text(expr));
            let (content, own) = match scope.value(content)? {
                Value::Null => return Ok(()),
                Value::File(file) => {
                    let own = (file.name.clone(), Some(file.mime_type.clone()));
                    (bytes(Value::File(file)), own)
                }
                content => (bytes(content), (name.to_owned(), binary())),
            };
            let (file, media_type) = (text(file)?.or(Some(own.0)), text(media_type)?.or(own.1));
            pieces.push(Piece { file, media_type, ..plain(content) });
        }
    }
    Ok(())
}

/// A value under its name: a list is several, a null none.
fn values(name: &str, value: Value, pieces: &mut Vec<Piece>) {
    let plain = |content| Piece { name: name.to_owned(), file: None, media_type: None, content };
    let items = match value {
        Value::List(items) => items,
        one => vec![one],
    };
    for item in items.into_iter().filter(|item| *item != Value::Null) {
        pieces.push(match item {
            Value::Bytes(content) => Piece {
                file: Some(name.to_owned()),
                media_type: Some("application/octet-stream".to_owned()),
                ..plain(content.to_vec().into())
            },
            Value::File(file) => Piece {
                file: Some(file.name.clone()),
                media_type: Some(file.mime_type.clone()),
                ..plain((*file).clone().into())
            },
            other => plain(other.to_string().into_bytes().into()),
        });
    }
}

impl Content {
    /// Puts a value into a field, named with those that it stands in: the idempotency key, where a page begins, or the
    /// credential.
    fn insert(&mut self, path: &[String], value: Value) -> Result<(), Failure> {
        if matches!(self, Self::None) {
            *self = Self::Json(Value::Record(IndexMap::new()));
        }
        let is_put = match self {
            Self::Json(whole) | Self::Form(whole, _) | Self::Xml(whole) => put(whole, path, value),
            Self::Multipart(pieces) => match path {
                [name] => {
                    pieces.retain(|piece| piece.name != *name);
                    values(name, value, pieces);
                    true
                }
                _ => false,
            },
            Self::None | Self::Raw(..) => false,
        };
        let unfit = || format!("the body has no fields, so nothing can be its field `{}`", path.join("."));
        if is_put { Ok(()) } else { Err(invalid(unfit())) }
    }

    fn written(self, key: &str) -> Result<(Option<String>, Payload), Failure> {
        Ok(match self {
            Self::None => (None, Payload::default()),
            Self::Json(value) => {
                let write = |value: &Value| Ok(value.to_json().to_string());
                (Some("application/json".to_owned()), with_files(value, write)?)
            }
            Self::Form(value, lists) => {
                let text = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(form::pairs(&value, &lists))
                    .finish();
                (Some("application/x-www-form-urlencoded".to_owned()), text.into_bytes().into())
            }
            Self::Raw(content, media_type) => (Some(media_type), content),
            Self::Xml(root) => {
                let write = |root: &Value| xml::write(root).map_err(invalid);
                (Some("application/xml; charset=utf-8".to_owned()), with_files(root, write)?)
            }
            Self::Multipart(pieces) => {
                let (media_type, body) = multipart::write(pieces, key)?;
                (Some(media_type), body)
            }
        })
    }
}

/// Text in which files are their bytes in base64, which are read when it leaves.
fn with_files(mut value: Value, write: impl FnOnce(&Value) -> Result<String, Failure>) -> Result<Payload, Failure> {
    // As nearly all requests are.
    if !has_file(&value) {
        return Ok(write(&value)?.into_bytes().into());
    }
    // No value holds what is drawn here, so it stands for a file where it is found.
    let mark = hex::encode(rand::random::<[u8; 16]>());
    let mut files = Vec::new();
    take_files(&mut value, &mark, &mut files);
    let text = write(&value)?;
    let mut rest = text.split(&mark);
    let mut payload = Payload::from(rest.next().unwrap_or_default().as_bytes().to_vec());
    for after in rest {
        let (number, after) = after.split_once(';').unwrap_or_default();
        let file: Option<&File> = number.parse::<usize>().ok().and_then(|number| files.get(number));
        payload.append(file.cloned().map(Payload::base64).unwrap_or_default());
        payload.append(after.as_bytes().to_vec().into());
    }
    Ok(payload)
}

fn has_file(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().any(has_file),
        Value::Record(fields) => fields.values().any(has_file),
        Value::File(_) => true,
        _ => false,
    }
}

/// Takes the files out of a value, and leaves a mark in the place of each, with its number and `;`.
fn take_files(value: &mut Value, mark: &str, files: &mut Vec<File>) {
    match value {
        Value::List(items) => items.iter_mut().for_each(|item| take_files(item, mark, files)),
        Value::Record(fields) => fields.values_mut().for_each(|field| take_files(field, mark, files)),
        Value::File(file) => {
            let place = Value::text(format!("{mark}{};", files.len()));
            files.push((**file).clone());
            *value = place;
        }
        _ => {}
    }
}

/// Puts a value into a field of a record, or of one in it; says whether there was a record to put it into.
fn put(whole: &mut Value, path: &[String], value: Value) -> bool {
    let (Value::Record(fields), Some((name, within))) = (whole, path.split_first()) else { return false };
    if within.is_empty() {
        fields.insert(name.clone(), value);
        return true;
    }
    let inner = fields.entry(name.clone()).or_insert(Value::Null);
    if *inner == Value::Null {
        *inner = Value::Record(IndexMap::new());
    }
    put(inner, within, value)
}

/// The form that the connection has a credential for.
///
/// # Errors
/// `Unauthorized` when it has none, or a secret is not set.
pub(super) fn chosen<'a>(scope: &Scope<'_>, auth: &'a Auth) -> Result<&'a Auth, Failure> {
    let Auth::First(forms) = auth else { return Ok(auth) };
    for form in forms {
        let credential = match form {
            Auth::Bearer(value)
            | Auth::Basic(value, _)
            | Auth::Header(_, value)
            | Auth::Query(_, value)
            | Auth::Field(_, value)
            | Auth::Within(_, value) => value,
            Auth::OAuth(oauth) => match (&oauth.grant, &oauth.id) {
                (Grant::JwtBearer(claim), _) => &claim.key,
                (_, Some(id)) => id,
                (_, None) => return Ok(form),
            },
            _ => return Ok(form),
        };
        let inserted = match credential {
            Expr::Text { parts, .. } => parts.iter().find_map(|part| match part {
                TextPart::Insert(expr) => Some(expr),
                TextPart::Fixed(_) => None,
            }),
            other => Some(other),
        };
        if inserted.map(|expr| scope.value(expr)).transpose()? != Some(Value::Null) {
            return Ok(form);
        }
    }
    Err(Failure::new(ErrorKind::Unauthorized, "the connection has no credential"))
}

fn authorize(
    scope: &Scope<'_>,
    proof: Proof<'_>,
    headers: &mut HeaderMap,
    query: &mut Vec<(String, String)>,
    body: &mut Content,
) -> Result<(), Failure> {
    let credential = |expr| {
        let text = scope.text(expr)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| Failure::new(ErrorKind::Unauthorized, "the connection has no credential"))
    };
    let (name, text) = match proof.auth {
        // Signatures are made when the request is whole.
        Auth::None | Auth::OAuth1(_) | Auth::SigV4(_) | Auth::Signed(_) | Auth::First(_) => return Ok(()),
        Auth::Bearer(token) => (AUTHORIZATION, format!("Bearer {}", credential(token)?)),
        Auth::OAuth(oauth) => return carry(&oauth.carry, proof, headers, query, body),
        Auth::Session(session) => return carry(&session.carry, proof, headers, query, body),
        Auth::Basic(user, password) => {
            let pair =
                format!("{}:{}", scope.text(user)?.unwrap_or_default(), scope.text(password)?.unwrap_or_default());
            (AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)))
        }
        Auth::Header(name, value) => (header_name(&scope.text(name)?.unwrap_or_default())?, credential(value)?),
        Auth::Query(name, value) => {
            query.push((name.clone(), credential(value)?));
            return Ok(());
        }
        Auth::Field(name, value) => {
            return body.insert(std::slice::from_ref(name), Value::text(credential(value)?));
        }
        Auth::Within(path, value) => return body.insert(path, Value::text(credential(value)?)),
    };
    put_header(headers, name, &text)
}

/// Puts a token that was given out where requests carry it.
fn carry(
    carry: &Carry,
    proof: Proof<'_>,
    headers: &mut HeaderMap,
    query: &mut Vec<(String, String)>,
    body: &mut Content,
) -> Result<(), Failure> {
    let token = proof.token.ok_or_else(|| Failure::new(ErrorKind::Unauthorized, "the connection has no token"))?;
    let text = format!("{}{}", carry.prefix, token.text.reveal());
    match &carry.into {
        None => put_header(headers, header_name(&carry.header)?, &text),
        Some(Into::Query(name)) => {
            query.push((name.clone(), text));
            Ok(())
        }
        Some(Into::Body(name)) => body.insert(std::slice::from_ref(name), Value::text(text)),
        Some(Into::Within(path)) => body.insert(path, Value::text(text)),
    }
}

fn put_header(headers: &mut HeaderMap, name: HeaderName, text: &str) -> Result<(), Failure> {
    let mut value = header_value(name.as_str(), text)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// Signs a request that is whole.
fn sign(
    scope: &Scope<'_>,
    proof: Proof<'_>,
    (method, url): (&Method, &mut Url),
    headers: &mut HeaderMap,
    body: &Payload,
) -> Result<(), Failure> {
    let text = |expr: &Expr| Ok::<_, Failure>(scope.text(expr)?.unwrap_or_default());
    let optional = |expr: &Option<Expr>| expr.as_ref().map(text).transpose();
    match proof.auth {
        Auth::OAuth1(declared) => {
            let (consumer_key, consumer_secret) = (text(&declared.consumer_key)?, text(&declared.consumer_secret)?);
            let (token, token_secret) = (optional(&declared.token)?, optional(&declared.token_secret)?);
            let realm = optional(&declared.realm)?;
            let keys = oauth1::Keys {
                consumer_key: &consumer_key,
                consumer_secret: &consumer_secret,
                token: token.as_deref().unwrap_or_default(),
                token_secret: token_secret.as_deref().unwrap_or_default(),
                signature: declared.signature,
                realm: realm.as_deref(),
            };
            let is_form = headers
                .get(CONTENT_TYPE)
                .and_then(|media_type| media_type.to_str().ok())
                .is_some_and(|media_type| media_type.starts_with("application/x-www-form-urlencoded"));
            let form: Vec<u8> = body.in_memory().flat_map(|bytes| bytes.iter().copied()).collect();
            let signed = oauth1::Signed { method, url, form: Some(form.as_slice()).filter(|_| is_form) };
            let nonce = hex::encode(rand::random::<[u8; 16]>());
            let header = oauth1::authorization(&keys, &signed, proof.now, &nonce);
            let mut value = header_value("Authorization", &header)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Auth::SigV4(declared) => {
            let (id, secret) = (text(&declared.access_key_id)?, text(&declared.secret_access_key)?);
            let (region, session_token) = (text(&declared.region)?, optional(&declared.session_token)?);
            let key = sigv4::Key {
                access_key_id: &id,
                secret_access_key: &secret,
                session_token: session_token.as_deref().filter(|token| !token.is_empty()),
                region: &region,
                service: &declared.service,
            };
            let unfit = |_| invalid("the id or the region of the key holds a character that a header can't");
            let digest = body
                .sha256()
                .ok_or_else(|| invalid("a request that is signed with SigV4 holds one whole file, or none"))?;
            sigv4::sign(&key, method, url, headers, &digest, proof.now).map_err(unfit)?;
        }
        Auth::Signed(scheme) => {
            let nonce = hex::encode(rand::random::<[u8; 16]>());
            let once = own::Once { now: proof.now, nonce: &nonce };
            own::sign(scheme, &text, own::Unsigned { method, url, headers, body }, once)?;
        }
        _ => {}
    }
    Ok(())
}

/// The key where a system takes UUIDs alone: the key itself if it is one, else one made of its SHA-256, in the layout of version
/// 4 (RFC 9562, section 5.4), which is the one that such systems look for.
fn key_as_uuid(key: &str) -> String {
    if is_uuid(key) {
        return key.to_owned();
    }
    let mut bytes: [u8; 32] = Sha256::digest(key).into();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hex::encode(&bytes[..16]);
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    groups.join("-")
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

fn invalid(message: impl std::convert::Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
