//! Does a connector speak a version that its vendor serves no longer, or not for long?
//!
//! In: the connectors of a program, and the day, which the caller knows and the compiler does not. Out: one warning for each
//! such connector, where it names the version. Without a day there is none.

use flow_model::diagnostic::{Code, Diagnostic};
use jiff::civil::Date;

use crate::names::{ConnectorInfo, Names};

/// How many days before its end a version is warned of.
const NOTICE: i32 = 90;

/// Reports versions that end within [`NOTICE`] days, or have ended.
pub(crate) fn sunset(names: &Names<'_>, today: Option<Date>) -> Vec<Diagnostic> {
    let Some(today) = today else { return Vec::new() };
    names.connectors.values().filter_map(|connector| ends(connector, today)).collect()
}

fn ends(connector: &ConnectorInfo<'_>, today: Date) -> Option<Diagnostic> {
    let version = connector.schema.http.as_ref()?.version.as_ref()?;
    let last: Date = version.sunset.as_ref()?.parse().ok()?;
    let left = today.until(last).ok()?.get_days();
    if left > NOTICE {
        return None;
    }
    let written = connector.ast.http.iter().flat_map(|(_, properties)| properties);
    let span = written.filter(|property| property.name.text == "version").map(|property| property.span).next();
    let (name, version) = (&connector.schema.name, &version.name);
    let (message, label) = match left {
        ..0 => (format!("the version `{version}` of `{name}` is served no longer"), format!("ended on {last}")),
        0 => (
            format!("the version `{version}` of `{name}` is served today for the last time"),
            format!("ends on {last}"),
        ),
        1 => (format!("the version `{version}` of `{name}` is served for 1 more day"), format!("ends on {last}")),
        left => {
            (format!("the version `{version}` of `{name}` is served for {left} more days"), format!("ends on {last}"))
        }
    };
    let docs = connector.schema.http.as_ref().and_then(|http| http.docs.as_ref());
    let docs = docs.map(|docs| format!(" ({docs})")).unwrap_or_default();
    let help = format!(
        "read what the vendor has changed since{docs}, bring the connector to the new version, and write that with its own day"
    );
    Some(Diagnostic::new(Code::W0607, message, span.unwrap_or(connector.span), label).help(help))
}
