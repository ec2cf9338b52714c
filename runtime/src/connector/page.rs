//! Which page is fetched, and where does the next one begin?
//!
//! In: what a declaration says of the pages of a stream, and where a page begins. Out: what the request says of that, and
//! what the answer says of the next page. That pages follow each other without end is seen by [`crate::machine`], which
//! knows those that came before.

use flow_model::{
    expr::Expr,
    failure::{ErrorKind, Failure},
    schema::{Format, Into, Page, PageKind},
    value::Value,
};
use http::{HeaderMap, header::LINK};
use url::Url;

use super::answer::{Answer, Reader};
use crate::header::parameters;

/// What a request says of the page that it fetches.
pub(super) enum Turn {
    /// Nothing: it is the first.
    First,
    /// This in a parameter of the query.
    Query(String, Value),
    /// This in a field of the body, named with those that it stands in.
    Body(Vec<String>, Value),
    /// It goes to this URL.
    Url(String),
}

impl Turn {
    /// For a page that begins there; null is the first.
    ///
    /// # Errors
    /// `Invalid` when nothing can begin there.
    pub(super) fn of(page: &Page, begins: &Value) -> Result<Self, Failure> {
        let placed = |into: &Into, value: Value| match into {
            Into::Query(name) => Self::Query(name.clone(), value),
            Into::Body(name) => Self::Body(vec![name.clone()], value),
            Into::Within(path) => Self::Body(path.clone(), value),
        };
        Ok(match (&page.kind, begins) {
            (PageKind::Number { into, first }, Value::Null) => placed(into, Value::Int(*first)),
            (PageKind::Offset { into }, Value::Null) => placed(into, Value::Int(0)),
            (_, Value::Null) => Self::First,
            (
                PageKind::Cursor { into, .. } | PageKind::Number { into, .. } | PageKind::Offset { into },
                begins @ (Value::Int(_) | Value::String(_) | Value::Decimal(_)),
            ) => placed(into, begins.clone()),
            (PageKind::Link | PageKind::NextUrl { .. }, Value::String(url)) => Self::Url(url.to_string()),
            (_, other) => {
                return Err(Failure::new(ErrorKind::Mismatch, format!("no page begins at {}", other.kind())));
            }
        })
    }

    /// The URL that the request goes to, where it is not the operation's own.
    pub(super) fn url(&self) -> Option<&str> {
        match self {
            Self::Url(url) => Some(url),
            _ => None,
        }
    }
}

/// A page as it came.
pub(super) struct Fetched<'a> {
    pub(super) page: &'a Page,
    pub(super) begins: &'a Value,
    pub(super) items: &'a [Value],
    /// Where it was fetched from.
    pub(super) url: &'a Url,
    pub(super) format: Format,
}

/// The result of the call: the items, and where the next page begins.
///
/// # Errors
/// `Mismatch` when the answer does not say that in a form that reads.
pub(super) fn whole(reader: &Reader<'_>, answer: &Answer, fetched: &Fetched<'_>) -> Result<Value, Failure> {
    let body = reader.seen(answer, fetched.format);
    let Fetched { page, items, .. } = fetched;
    let eval = |expr: &Expr| reader.eval(expr, answer, &body);
    let is_last = match page.last.as_ref().map(eval).transpose()? {
        Some(Value::Bool(is_last)) => is_last,
        _ => false,
    };
    let is_short = match page.full.as_ref().map(eval).transpose()? {
        Some(Value::Int(full)) => i64::try_from(items.len()).is_ok_and(|length| length < full),
        _ => false,
    };
    let next = if is_last || is_short { Value::Null } else { next(fetched, &answer.headers, &eval)? };
    Ok(Value::record([("items", Value::List(items.to_vec())), ("next", next)]))
}

fn next(
    fetched: &Fetched<'_>,
    headers: &HeaderMap,
    eval: &dyn Fn(&Expr) -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    let Fetched { page, begins, items, url, .. } = fetched;
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let counted = |first: i64, by: i64| {
        let from = if let Value::Int(from) = begins { *from } else { first };
        if items.is_empty() { Value::Null } else { Value::Int(from.saturating_add(by)) }
    };
    match &page.kind {
        PageKind::Native => Ok(Value::Null),
        PageKind::Cursor { next, .. } => match eval(next)? {
            Value::String(cursor) if cursor.is_empty() => Ok(Value::Null),
            cursor @ (Value::Null | Value::String(_) | Value::Int(_) | Value::Decimal(_)) => Ok(cursor),
            other => Err(mismatch(format!("the next page can't begin at {}", other.kind()))),
        },
        PageKind::Number { first, .. } => Ok(counted(*first, 1)),
        PageKind::Offset { .. } => Ok(counted(0, count)),
        PageKind::Link => {
            let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
            links.flat_map(targets).find(|(_, is_next)| *is_next).map_or(Ok(Value::Null), |(to, _)| absolute(url, to))
        }
        PageKind::NextUrl { next } => match eval(next)? {
            Value::Null => Ok(Value::Null),
            Value::String(to) if to.is_empty() => Ok(Value::Null),
            Value::String(to) => absolute(url, &to),
            other => Err(mismatch(format!("the URL of the next page is {}", other.kind()))),
        },
    }
}

fn absolute(url: &Url, to: &str) -> Result<Value, Failure> {
    let joined = url.join(to).map_err(|error| mismatch(format!("the URL of the next page does not read: {error}")))?;
    Ok(Value::text(joined.as_str()))
}

fn mismatch(message: String) -> Failure {
    Failure::new(ErrorKind::Mismatch, message)
}

/// The targets of a `Link` header, each with whether it is the next page (RFC 8288, section 3). Commas and semicolons in
/// a URL or in quotes do not separate.
fn targets(header: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut rest = header;
    while let Some((target, after)) = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let mut quoted = false;
        let end = after.find(|letter: char| {
            quoted ^= letter == '"';
            letter == ',' && !quoted
        });
        let (params, others) = end.map_or((after, ""), |end| after.split_at(end));
        let relation = parameters(params).into_iter().find(|(name, _)| name.eq_ignore_ascii_case("rel"));
        let is_next = relation.is_some_and(|(_, relation)| {
            relation.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        found.push((target, is_next));
        rest = others;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        let next = |header: &'static str| targets(header).into_iter().find(|(_, next)| *next).map(|(to, _)| to);
        let header = r#"<https://x/a?p=1,2;3>; rel="prev", <https://x/a?p=5>; title="a, b; rel=prev"; rel="next last""#;
        assert_eq!(next(header), Some("https://x/a?p=5"));
        assert_eq!(next("</b>; REL=Next"), Some("/b"));
        for none in ["", "nonsense", "<a>; rel=nextish", "<a>", "<a; rel=next", r#"<a>; title="rel=next""#] {
            assert_eq!(next(none), None, "{none}");
        }
    }
}
