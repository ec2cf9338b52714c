//! Which further servers of the system do requests go to?
//!
//! In: `also: ["https://content.example.com"]` in the section `http`, and `POST "https://content.example.com/files"` as the
//! request of an operation. Out: origins to which the credential goes, the one of a request, and the path below it. A URL
//! whose server the connector does not name is reported.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::Span,
};
use url::Url;

use super::{
    Context,
    section::{fixed_text, items, texts, wrong_value},
};
use crate::{
    ast::{Expr, ExprKind, Property, PropertyValue, TextPart},
    names::literal,
};

/// `["https://content.example.com"]`: a scheme and a host each, perhaps with a port.
pub(super) fn also(written: &Expr, problems: &mut Vec<Diagnostic>) -> Vec<String> {
    let ExprKind::List(_) = &written.kind else { return texts("also", written, problems) };
    let mut origins = Vec::new();
    for item in items(written) {
        let Some(text) = fixed_text("also", item, problems) else { continue };
        let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let is_bare = |url: &Url| url.path() == "/" && url.query().is_none() && !text.contains(['@', '#']);
        match url {
            Some(url) if is_bare(&url) => origins.push(url.origin().ascii_serialization()),
            Some(_) => {
                let help = "write the scheme and the host alone, `https://content.example.com`: the path stands in each request";
                problems.push(wrong_value("also", item.span, "more than a server", help));
            }
            None => {
                let help = "write `also: [\"https://content.example.com\"]`";
                problems.push(wrong_value("also", item.span, "no URL of a server", help));
            }
        }
    }
    origins
}

/// The server that a request names by a URL, and the path below it; none when what is written is a path. A server that can't
/// be called is none, which is reported.
pub(super) fn written(
    context: &Context<'_, '_>,
    parts: &[TextPart],
    span: Span,
    problems: &mut Vec<Diagnostic>,
) -> Option<(Option<String>, Vec<TextPart>)> {
    let Some(TextPart::Fixed(first)) = parts.first() else { return None };
    let after = first.strip_prefix("https://").or_else(|| first.strip_prefix("http://"))?;
    let begins = first.len() - after.len();
    let (server, path) = match after.find('/') {
        Some(at) => first.split_at(begins + at),
        None => (first.as_str(), ""),
    };
    // Without one, the path is that of the root.
    let path = if path.is_empty() { "/" } else { path };
    let below: Vec<TextPart> =
        std::iter::once(TextPart::Fixed(path.to_owned())).chain(parts.iter().skip(1).cloned()).collect();
    let mut wrong = |message: String, label: &str, help: String| {
        problems.push(Diagnostic::new(Code::E0516, message, span, label).help(help));
    };
    if !after.contains('/') && parts.len() > 1 {
        let help = "write the host as it is; one that differs by connection is the `base`".to_owned();
        wrong("the host of a request is fixed".to_owned(), "inserts into the host", help);
        return Some((None, vec![TextPart::Fixed("/".to_owned())]));
    }
    let Ok(url) = Url::parse(server) else {
        wrong(format!("`{server}` is no server"), "not a URL", "write `https://`, a host and a path".to_owned());
        return Some((None, below));
    };
    let origin = url.origin().ascii_serialization();
    if named(context, "also").any(|known| known == origin) {
        return Some((Some(origin), below));
    }
    if named(context, "base").any(|base| base == origin) {
        let help = "write the path alone: it is put after the base".to_owned();
        wrong("a request to the base is written as a path".to_owned(), "the server is that of the base", help);
    } else {
        let help = format!(
            "if it belongs to the system, and the credential may go there, name it in the section `http`: `also: [\"{origin}\"]`"
        );
        wrong(
            format!("the connector does not name the server `{origin}`"),
            "could take the credential elsewhere",
            help,
        );
    }
    Some((None, below))
}

/// The origins that a property of the section `http` has as fixed text.
fn named<'c>(context: &'c Context<'_, '_>, property: &'c str) -> impl Iterator<Item = String> + 'c {
    let info = context.names.connectors.get(context.connector);
    let properties = info.and_then(|info| info.ast.http.as_ref()).into_iter().flat_map(|(_, properties)| properties);
    let values =
        properties.filter(move |written: &&Property| written.name.text == property).filter_map(
            |written| match &written.value {
                PropertyValue::Expr(value) if !matches!(value.kind, ExprKind::Missing) => Some(value),
                _ => None,
            },
        );
    let texts = values.flat_map(items).filter_map(literal).map(|value| value.to_string());
    texts.filter_map(|text| Url::parse(&text).ok()).map(|url| url.origin().ascii_serialization())
}
