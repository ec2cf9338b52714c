//! The expressions of a declaration, evaluated for one request: base, path, query, headers, body.
//!
//! Text that ends up in a URL is put together part by part, so that no value can reach out of its place.

use std::borrow::Cow;

use flow_model::{
    expr::{Ambient, Expr, RecordPart, TextPart},
    failure::{ErrorKind, Failure},
    plan::Plan,
    schema::Connector,
    value::Value,
};
use indexmap::IndexMap;
use url::Url;

use super::vault::Vault;
use crate::eval::{
    Environment, Evaluator, Frame, Library,
    url_path::{segment, stays},
};

/// What the expressions of one request see.
pub(super) struct Scope<'a> {
    pub(super) library: &'a Library,
    pub(super) env: &'a dyn Environment,
    pub(super) plan: &'a Plan,
    pub(super) connector: &'a Connector,
    pub(super) vault: &'a Vault<'a>,
    /// The connection's configuration, secrets put in.
    pub(super) config: Value,
    /// The arguments, secrets put in.
    pub(super) args: Frame,
    /// The parameters for which `null` is written.
    pub(super) nulls: Vec<usize>,
}

impl Scope<'_> {
    /// The value of an expression, secrets put in.
    pub(super) fn value(&self, expr: &Expr) -> Result<Value, Failure> {
        let ambient = |ambient| (ambient == Ambient::Config).then(|| self.config.clone());
        let evaluator = Evaluator {
            library: self.library,
            functions: &self.plan.functions,
            types: &self.connector.types,
            env: self.env,
            ambient: &ambient,
        };
        self.vault.reveal(evaluator.eval(expr, &mut self.args.clone())?)
    }

    /// The value of an expression as text; none when it is null.
    pub(super) fn text(&self, expr: &Expr) -> Result<Option<String>, Failure> {
        // Parts are put together here: a secret within a text would otherwise stand there by its name.
        if let Expr::Text { parts, language: None } = expr {
            let mut text = String::new();
            for part in parts {
                match part {
                    TextPart::Fixed(fixed) => text.push_str(fixed),
                    TextPart::Insert(insert) => text.push_str(&self.value(insert)?.to_string()),
                }
            }
            return Ok(Some(text));
        }
        Ok(match self.value(expr)? {
            Value::Null => None,
            value => Some(value.to_string()),
        })
    }

    /// The base URL. What is inserted into fixed text can be part of a host's name or of a path, and nothing more; an
    /// insertion at the very start is a whole URL.
    pub(super) fn base(&self, expr: &Expr) -> Result<Url, Failure> {
        let mut text = String::new();
        for part in parts(expr) {
            match part.as_ref() {
                TextPart::Fixed(fixed) => text.push_str(fixed),
                TextPart::Insert(insert) => {
                    let value = self.value(insert)?.to_string();
                    let tame = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
                    if !text.is_empty() && (value.is_empty() || value.contains("..") || !value.chars().all(tame)) {
                        return Err(invalid(
                            "a part of the base URL is empty or holds a character that could change the host",
                        ));
                    }
                    text.push_str(&value);
                }
            }
        }
        base_url(&text)
    }

    /// The path: each insertion is one segment, or a part of one, and is escaped.
    pub(super) fn path(&self, expr: &Expr) -> Result<String, Failure> {
        let mut path = String::new();
        for part in parts(expr) {
            match part.as_ref() {
                TextPart::Fixed(fixed) => path.push_str(fixed),
                TextPart::Insert(insert) => path.push_str(&segment(&self.value(insert)?)?),
            }
        }
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(invalid("the path of the request would hold the segment `.` or `..`"));
        }
        Ok(path)
    }

    /// A path that the caller wrote, with its escapes. It was made where it stands, or came in with the input of a flow.
    pub(super) fn given_path(&self, expr: &Expr) -> Result<String, Failure> {
        let path = self.value(expr)?.to_string();
        stays(&path)?;
        Ok(path)
    }

    /// The entries of maps: names and values, each name once.
    pub(super) fn entries(&self, maps: &[Expr]) -> Result<IndexMap<String, Value>, Failure> {
        let mut entries = IndexMap::new();
        for map in maps {
            match self.value(map)? {
                Value::Record(fields) => entries.extend(fields),
                other => return Err(invalid(format!("{} has no entries that could be sent", other.kind()))),
            }
        }
        Ok(entries)
    }

    /// The value of a body's template. Of a record written there, fields that are a bare parameter are left out when the
    /// argument is null: absent optionals are not sent, nulls that the template computes or spells out are, and those that
    /// the call spells out.
    pub(super) fn body(&self, expr: &Expr) -> Result<Value, Failure> {
        let Expr::Record(parts) = expr else { return self.value(expr) };
        let mut record = IndexMap::new();
        for part in parts {
            match part {
                RecordPart::Field(name, field) => {
                    let value = self.body(field)?;
                    let is_left_out = || parameter(field).is_some_and(|slot| !self.nulls.contains(&slot));
                    if value != Value::Null || !is_left_out() {
                        record.insert(name.clone(), value);
                    }
                }
                RecordPart::Spread(rest) => match self.value(rest)? {
                    Value::Record(fields) => record.extend(fields),
                    Value::Null => {}
                    other => return Err(invalid(format!("{} can't be spread into a body", other.kind()))),
                },
            }
        }
        Ok(Value::Record(record))
    }
}

/// Reads a base URL: `http` or `https`, a host, and neither user nor query.
pub(super) fn base_url(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).map_err(|error| invalid(format!("the base URL does not read: {error}")))?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) || !plain {
        return Err(invalid("the base URL must be `http` or `https` with a host, and without user, query or fragment"));
    }
    Ok(url)
}

/// The parameter that an expression is, by its number.
pub(super) fn parameter(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Slot(slot) => usize::try_from(slot.0).ok(),
        Expr::Wire(inner, _) | Expr::Whole(inner, _) => parameter(inner),
        _ => None,
    }
}

/// The parts of a text; any other expression is one insertion, fixed text in a literal is fixed.
fn parts(expr: &Expr) -> Vec<Cow<'_, TextPart>> {
    match expr {
        Expr::Text { parts, .. } => parts.iter().map(Cow::Borrowed).collect(),
        Expr::Literal(Value::String(text)) => vec![Cow::Owned(TextPart::Fixed(text.to_string()))],
        other => vec![Cow::Owned(TextPart::Insert(other.clone()))],
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
