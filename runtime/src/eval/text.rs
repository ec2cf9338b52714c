//! How do insertions get into a text?
//!
//! Fixed parts are verbatim. In a text without a language an insertion is the value's text. In a language, it can't leave
//! the place where it stands:
//! - `Sql`: it is bound, as `$1`, `$2`, …; the text becomes a record `{ text, params }`.
//! - `Soql`: it is a literal, as "Quoted String Escape Sequences" and "Date Formats" of Salesforce's SOQL reference write
//!   it; a list is a list of literals.
//! - `DriveQuery`: text and times are quoted, with `\'` and `\\` (Google Drive API, "Search query terms and operators").
//! - `Html`: `& < > " '` are escaped, for text and for quoted attribute values.
//! - `UrlPath`: it is a segment, or a part of one, and escaped (see [`super::url_path`]).
//! - `Mrkdwn`: `& < >` are escaped (Slack API, "Formatting text for app surfaces").

use std::fmt::Write as _;

use flow_model::{
    expr::{Expr, TextPart},
    failure::Failure,
    ty::Language,
    value::Value,
};

use super::{Slots, Walk, invalid, url_path};

/// How long a text may become, in bytes. What is larger belongs in a file.
const MOST_BYTES: usize = 64 << 20;

pub(super) fn text(
    walk: &Walk<'_, '_>,
    parts: &[TextPart],
    language: Option<Language>,
    slots: &mut dyn Slots,
) -> Result<Value, Failure> {
    let mut text = String::new();
    let mut params = Vec::new();
    for part in parts {
        match part {
            TextPart::Fixed(fixed) => text.push_str(fixed),
            TextPart::Insert(expr) => insert(&mut text, &mut params, language, insertion(walk, expr, slots)?)?,
        }
        if text.len() > MOST_BYTES {
            return Err(invalid("the text is longer than 64 MiB"));
        }
    }
    Ok(match language {
        Some(Language::Sql) => Value::record([("text", Value::text(text)), ("params", Value::List(params))]),
        Some(Language::UrlPath) => {
            url_path::stays(&text)?;
            Value::text(text)
        }
        _ => Value::text(text),
    })
}

fn insertion(walk: &Walk<'_, '_>, expr: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
    match walk.eval(expr, slots)? {
        Value::Secret(name) => Err(invalid(format!("the secret `{name}` can't be put into a text"))),
        value => Ok(value),
    }
}

fn insert(text: &mut String, params: &mut Vec<Value>, language: Option<Language>, value: Value) -> Result<(), Failure> {
    match language {
        None => write!(text, "{value}").expect("writing to a string does not fail"),
        Some(Language::Sql) => {
            params.push(value);
            write!(text, "${}", params.len()).expect("writing to a string does not fail");
        }
        Some(Language::Soql) => soql(text, &value)?,
        Some(Language::DriveQuery) => drive_query(text, &value)?,
        Some(Language::Html) => escape(text, &value.to_string(), html_entity),
        Some(Language::UrlPath) => text.push_str(&url_path::segment(&value)?),
        Some(Language::Mrkdwn) => escape(text, &value.to_string(), mrkdwn_entity),
    }
    Ok(())
}

fn escape(text: &mut String, value: &str, entity: fn(char) -> Option<&'static str>) {
    for c in value.chars() {
        match entity(c) {
            Some(entity) => text.push_str(entity),
            None => text.push(c),
        }
    }
}

fn mrkdwn_entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

fn html_entity(c: char) -> Option<&'static str> {
    match c {
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        other => mrkdwn_entity(other),
    }
}

fn soql_escape(c: char) -> Option<&'static str> {
    match c {
        '\\' => Some("\\\\"),
        '\'' => Some("\\'"),
        '"' => Some("\\\""),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        '\u{8}' => Some("\\b"),
        '\u{c}' => Some("\\f"),
        _ => None,
    }
}

fn drive_escape(c: char) -> Option<&'static str> {
    match c {
        '\\' => Some("\\\\"),
        '\'' => Some("\\'"),
        _ => None,
    }
}

fn quoted(text: &mut String, value: &str, entity: fn(char) -> Option<&'static str>) {
    text.push('\'');
    escape(text, value, entity);
    text.push('\'');
}

fn soql(text: &mut String, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Decimal(_) | Value::Timestamp(_) | Value::Date(_) => {
            text.push_str(&value.to_string());
        }
        Value::Zoned(at) => text.push_str(&at.timestamp().to_string()),
        Value::String(value) => quoted(text, value, soql_escape),
        Value::List(items) => {
            text.push('(');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                match item {
                    Value::List(_) => return Err(no_literal(item, "SOQL")),
                    item => soql(text, item)?,
                }
            }
            text.push(')');
        }
        other => return Err(no_literal(other, "SOQL")),
    }
    Ok(())
}

fn drive_query(text: &mut String, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Int(_) | Value::Decimal(_) | Value::String(_) | Value::Timestamp(_) | Value::Date(_) => {
            quoted(text, &value.to_string(), drive_escape);
        }
        Value::Zoned(at) => quoted(text, &at.timestamp().to_string(), drive_escape),
        other => return Err(no_literal(other, "a Drive query")),
    }
    Ok(())
}

fn no_literal(value: &Value, language: &str) -> Failure {
    invalid(format!("{} can't be put into {language}", value.kind()))
}
