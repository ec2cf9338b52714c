//! What an answer means: a result of the declared type, or a failure of a kind.

use std::sync::Arc;

use flow_model::{
    boundary::{self, Decoder, Limits, Mismatch},
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    file::File,
    plan::Plan,
    schema::{Body, Connector, ErrorCondition, Format, Operation, Request, Wait, WaitForm},
    ty::{Type, TypeDef, Types},
    value::Value,
};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde_json::Value as Json;

use super::{
    Reached, table,
    xml::{self, Names},
};
use crate::eval::{Environment, Evaluator, Frame, Library};

/// How long a message may be; systems that answer with a page of text would fill the history.
const LONGEST_MESSAGE: usize = 1000;

/// An answer as it came.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: AnswerBody,
    /// Whether a server before it may have done what was asked, and then redirected to this answer.
    pub(super) acted: bool,
}

/// The body of an answer.
pub(super) enum AnswerBody {
    /// All of it.
    Whole(Vec<u8>),
    /// Kept as a file.
    Kept(File),
    /// Longer than what is read into memory, or kept of a file, by this limit.
    TooLarge(u64),
    /// The connection broke before its end; only of answers whose status says enough.
    Broken,
}

/// What expressions over an answer see.
pub(super) struct Reader<'a> {
    pub(super) library: &'a Library,
    pub(super) env: &'a dyn Environment,
    pub(super) plan: &'a Plan,
    pub(super) connector: &'a Connector,
    /// The configuration; secrets are by name.
    pub(super) config: Value,
    pub(super) args: Frame,
}

/// What a server says by what its connector declares: texts, and how they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    pub(super) retry_after: Vec<(String, WaitForm)>,
    pub(super) reset: Option<(String, WaitForm)>,
    pub(super) remaining: Option<String>,
}

/// The body, read as far as possible.
enum Content {
    Empty,
    Json(Json),
    /// A table or XML: values that are text, whatever they are meant to be.
    Table(Value),
    Text(String),
    /// Neither JSON nor text.
    Binary,
    /// Why it can't be read.
    Unreadable(String),
}

impl Reader<'_> {
    /// Judges an answer: the result, or the failure with whether the call can have taken effect.
    pub(super) fn judge(
        &self,
        operation: &Operation,
        request: &Request,
        answer: &Answer,
    ) -> (Result<Value, Failure>, Reached) {
        let content = content(answer, request.format);
        let body = match &content {
            Content::Json(json) => boundary::decode(json, &Type::Json, &self.connector.types),
            Content::Table(value) => Ok(value.clone()),
            Content::Text(text) => Ok(Value::text(text.as_str())),
            Content::Empty | Content::Binary | Content::Unreadable(_) => Ok(Value::Null),
        };
        let seen = body.clone().unwrap_or(Value::Null);
        let holds = |expr: &Option<Expr>| {
            expr.as_ref().is_some_and(|expr| matches!(self.eval(expr, answer, &seen), Ok(Value::Bool(true))))
        };
        if holds(&request.null_when) {
            return (Ok(Value::Null), Reached::Answered);
        }
        let failed = if holds(&request.success_when) { None } else { self.failure_kind(answer, &seen) };
        let graphql = matches!(request.body, Body::GraphQl { .. }).then(|| graphql_error(&seen)).flatten();
        if let (None, Some(message)) = (&failed, graphql) {
            let message = self.pick(&self.connector.errors.message, answer, &seen).unwrap_or(message);
            let message = format!("`{}` answered an error: {message}", self.connector.name);
            let failure = self.told(Failure::new(ErrorKind::Invalid, message), answer, &seen);
            return (Err(failure), if answer.acted { Reached::Perhaps } else { Reached::Answered });
        }
        if let Some((rule, kind)) = failed {
            let reached = match (&kind, answer.status.as_u16()) {
                _ if answer.acted => Reached::Perhaps,
                // Said by a gateway that lost the system behind it (RFC 9110, section 15.6; 520 and 524 are Cloudflare's).
                (ErrorKind::Unavailable | ErrorKind::Timeout, 502 | 504 | 520 | 524) => Reached::Perhaps,
                _ => Reached::Answered,
            };
            return (Err(self.failure(kind, rule, answer, &seen)), reached);
        }
        let result = self.result(operation, request, answer, content, body);
        let mismatch = |cause| {
            let message = format!("the answer of `{}` does not fit: {cause}", self.connector.name);
            with_status(Failure::new(ErrorKind::Mismatch, shorten(&message)), answer.status)
        };
        (result.map_err(mismatch), Reached::Answered)
    }

    /// What the server asks for by what is declared.
    pub(super) fn declared(&self, answer: &Answer, format: Format) -> Declared {
        let Some(http) = &self.connector.http else { return Declared::default() };
        if http.retry_after.is_empty() && http.reset.is_none() && http.remaining.is_none() {
            return Declared::default();
        }
        let body = match content(answer, format) {
            Content::Json(json) => boundary::decode(&json, &Type::Json, &self.connector.types).unwrap_or(Value::Null),
            Content::Table(value) => value,
            _ => Value::Null,
        };
        let text = |expr: &Expr| match self.eval(expr, answer, &body) {
            Ok(Value::Null) | Err(_) => None,
            Ok(Value::Duration(wait)) => Some((wait.0.div_ceil(1000)).to_string()),
            Ok(value) => Some(value.to_string()),
        };
        let wait = |wait: &Wait| Some((text(&wait.value)?, wait.form));
        Declared {
            retry_after: http.retry_after.iter().filter_map(wait).collect(),
            reset: http.reset.as_ref().and_then(wait),
            remaining: http.remaining.as_ref().and_then(text),
        }
    }

    /// The kind of failure that an answer is, with the position of the rule that says so.
    fn failure_kind(&self, answer: &Answer, body: &Value) -> Option<(Option<usize>, ErrorKind)> {
        let status = answer.status.as_u16();
        let fits = |condition: &ErrorCondition| match condition {
            ErrorCondition::Status(code) => *code == status,
            ErrorCondition::StatusClass(class) => *class == status / 100,
            ErrorCondition::Connection => false,
            // A condition over an answer of another form than expected does not hold.
            ErrorCondition::When(expr) => matches!(self.eval(expr, answer, body), Ok(Value::Bool(true))),
        };
        let mut rules = self.connector.errors.rules.iter().enumerate();
        let declared = rules.find(|(_, (condition, _))| fits(condition));
        let declared = declared.map(|(at, (_, kind))| (Some(at), kind.clone()));
        declared.or_else(|| usual_kind(status).map(|kind| (None, kind)))
    }

    fn failure(&self, kind: ErrorKind, rule: Option<usize>, answer: &Answer, body: &Value) -> Failure {
        let declared = &self.connector.errors;
        let said = [&declared.message, &declared.code].into_iter().find_map(|expr| self.pick(expr, answer, body));
        let said = match said {
            Some(said) => format!(": {said}"),
            None if matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) => {
                ": it redirects, and does not say where to".to_owned()
            }
            None => String::new(),
        };
        let message = format!("`{}` answered {}{said}", self.connector.name, answer.status);
        let mut failure = self.told(Failure::new(kind, message), answer, body);
        if let ErrorKind::Declared(name) = &failure.kind
            && let Some(TypeDef::Error(declared)) = self.connector.types.get(name)
        {
            let filled = rule.and_then(|rule| self.connector.errors.fields.get(&rule));
            let decoder = Decoder::new(&self.connector.types);
            for (field, declared) in declared {
                let expr = filled.and_then(|filled| filled.iter().find(|(name, _)| name == field));
                let value = expr.and_then(|(_, expr)| self.eval(expr, answer, body).ok());
                // What an answer does not hold, or not as declared, is the default or null.
                let value = value.and_then(|value| decoder.value(&value, &declared.ty).ok());
                let value = value.filter(|value| *value != Value::Null);
                let value = value.or_else(|| self.eval(declared.default.as_ref()?, answer, body).ok());
                failure.fields.insert(field.clone(), value.unwrap_or(Value::Null));
            }
        }
        failure
    }

    /// The failure with the status of the answer, and the system's own code where it says one.
    fn told(&self, failure: Failure, answer: &Answer, body: &Value) -> Failure {
        let mut failure = with_status(failure, answer.status);
        if let Some(code) = self.pick(&self.connector.errors.code, answer, body) {
            failure.fields.insert("code".to_owned(), Value::text(code));
        }
        failure
    }

    /// What an expression finds in an answer, as text; none when that is nothing.
    fn pick(&self, expr: &Option<Expr>, answer: &Answer, body: &Value) -> Option<String> {
        match self.eval(expr.as_ref()?, answer, body) {
            Ok(value) if value != Value::Null => Some(value.to_string()),
            _ => None,
        }
    }

    fn result(
        &self,
        operation: &Operation,
        request: &Request,
        answer: &Answer,
        content: Content,
        body: Result<Value, Mismatch>,
    ) -> Result<Value, String> {
        let ty = &operation.result;
        if *ty == Type::Null {
            return Ok(Value::Null);
        }
        match &answer.body {
            AnswerBody::TooLarge(most) => return Err(format!("it is longer than {most} bytes")),
            AnswerBody::Broken => return Err("it broke off".to_owned()),
            AnswerBody::Kept(file) => return Ok(Value::File(Arc::new(file.clone()))),
            AnswerBody::Whole(bytes) if *ty == Type::Bytes && request.answer.is_none() => {
                return Ok(Value::Bytes(bytes.as_slice().into()));
            }
            AnswerBody::Whole(_) => {}
        }
        let words = |mismatch: Mismatch| mismatch.to_string();
        let defaults = |expr: &Expr| self.eval(expr, answer, &Value::Null);
        let decoder = Decoder::new(&self.connector.types).with_defaults(&defaults).of_other_systems();
        if let Some(expr) = &request.answer {
            if let Content::Unreadable(cause) = content {
                return Err(cause);
            }
            let picked = self.eval(expr, answer, &body.map_err(words)?).map_err(|failure| failure.message)?;
            let picked = match content {
                Content::Table(_) => table::typed(picked, ty, &self.connector.types),
                _ => picked,
            };
            return decoder.value(&picked, ty).map_err(words);
        }
        match content {
            Content::Json(json) => decoder.json(&json, ty).map_err(words),
            Content::Table(value) => decoder.value(&table::typed(value, ty, &self.connector.types), ty).map_err(words),
            Content::Empty => decoder.json(&Json::Null, ty).map_err(words),
            Content::Text(text) if matches!(ty.non_null(), Type::String) => Ok(Value::text(text)),
            Content::Text(_) | Content::Binary => Err("it is not JSON".to_owned()),
            Content::Unreadable(cause) => Err(cause),
        }
    }

    /// The body as expressions over an answer see it; null when it can't be read.
    pub(super) fn seen(&self, answer: &Answer, format: Format) -> Value {
        match content(answer, format) {
            Content::Json(json) => boundary::decode(&json, &Type::Json, &self.connector.types).unwrap_or(Value::Null),
            Content::Table(value) => value,
            Content::Text(text) => Value::text(text),
            Content::Empty | Content::Binary | Content::Unreadable(_) => Value::Null,
        }
    }

    pub(super) fn eval(&self, expr: &Expr, answer: &Answer, body: &Value) -> Result<Value, Failure> {
        let ambient = |ambient| {
            Some(match ambient {
                Ambient::Config => self.config.clone(),
                Ambient::Body => body.clone(),
                Ambient::Status => Value::Int(i64::from(answer.status.as_u16())),
                Ambient::Headers => headers(&answer.headers),
                Ambient::Query | Ambient::Item | Ambient::Signature => return None,
                Ambient::Now | Ambient::Uuid | Ambient::Random => return None,
            })
        };
        let evaluator = Evaluator {
            library: self.library,
            functions: &self.plan.functions,
            types: &self.connector.types,
            env: self.env,
            ambient: &ambient,
        };
        evaluator.eval(expr, &mut self.args.clone())
    }
}

/// The kind of a status for which nothing is declared: see [`flow_model::schema::Errors`]. Of redirects, those come here
/// that say no place to follow to.
fn usual_kind(status: u16) -> Option<ErrorKind> {
    Some(match status {
        200..=299 => return None,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    })
}

fn with_status(mut failure: Failure, status: StatusCode) -> Failure {
    failure.fields.insert("status".to_owned(), Value::Int(i64::from(status.as_u16())));
    failure
}

/// A message as it may be shown and kept: without control characters, and not too long.
pub(super) fn shorten(message: &str) -> String {
    let mut clean: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((end, _)) = clean.char_indices().nth(LONGEST_MESSAGE) {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}

/// Headers as expressions see them: lower-case names, repeated ones joined by commas.
pub(crate) fn headers(headers: &HeaderMap) -> Value {
    let joined = |name| {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        Value::text(values.join(", "))
    };
    Value::Record(headers.keys().map(|name| (name.as_str().to_owned(), joined(name))).collect())
}

/// The first message among the errors of a GraphQL answer, which has the status 200 (GraphQL, section 7.1.2).
fn graphql_error(body: &Value) -> Option<String> {
    let Some(Value::List(errors)) = body.get("errors") else { return None };
    let message = errors.first()?.get("message").and_then(Value::as_str);
    Some(message.unwrap_or("it says nothing of it").to_owned())
}

/// Reads the body of a successful answer, as expressions over it see it.
///
/// # Errors
/// Why it is not acceptable, in words.
pub fn read(bytes: &[u8], format: Format) -> Result<Value, String> {
    let body = AnswerBody::Whole(bytes.to_vec());
    let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body, acted: false };
    match content(&answer, format) {
        Content::Empty => Ok(Value::Null),
        Content::Json(json) => {
            boundary::decode(&json, &Type::Json, &Types::default()).map_err(|error| error.to_string())
        }
        Content::Table(value) => Ok(value),
        Content::Text(text) => Ok(Value::text(text)),
        Content::Binary => Err("it is neither JSON nor text".to_owned()),
        Content::Unreadable(why) => Err(why),
    }
}

fn content(answer: &Answer, format: Format) -> Content {
    if let AnswerBody::Kept(_) = &answer.body {
        return Content::Binary;
    }
    let AnswerBody::Whole(bytes) = &answer.body else {
        return Content::Unreadable("it has no readable body".to_owned());
    };
    if bytes.is_empty() {
        return Content::Empty;
    }
    let text =
        || std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()));
    // A failure is written as the system likes, whatever a success is; what speaks XML says so in XML.
    let xml = |names| text().and_then(|text| xml::read(text, names));
    let format = match format {
        Format::Xml | Format::XmlLocal if !answer.status.is_success() && xml(Names::Whole).is_err() => Format::Auto,
        Format::Xml | Format::XmlLocal => format,
        other if answer.status.is_success() => other,
        _ => Format::Auto,
    };
    let read = match format {
        Format::Auto => None,
        Format::Json => Some(match boundary::parse(bytes, Limits::default()) {
            Ok(json) => Content::Json(json),
            Err(error) => Content::Unreadable(format!("it is not JSON: {error}")),
        }),
        Format::JsonLines => Some(table::json_lines(bytes).map_or_else(Content::Unreadable, Content::Json)),
        Format::Csv(separator) => Some(table::csv(bytes, separator).map_or_else(Content::Unreadable, Content::Table)),
        Format::Xml => Some(xml(Names::Whole).map_or_else(Content::Unreadable, Content::Table)),
        Format::XmlLocal => Some(xml(Names::Local).map_or_else(Content::Unreadable, Content::Table)),
        Format::Text => Some(text().map_or_else(Content::Unreadable, |text| Content::Text(text.to_owned()))),
    };
    if let Some(content) = read {
        return content;
    }
    let media_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match boundary::parse(bytes, Limits::default()) {
        Ok(json) if !(essence.starts_with("text/") && json.is_string()) => Content::Json(json),
        Err(error) if essence.ends_with("json") || essence.is_empty() => {
            Content::Unreadable(format!("it is not JSON: {error}"))
        }
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Binary,
        },
    }
}
