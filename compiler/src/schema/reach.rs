//! Where do the requests of a connection go, as far as its settings are known before it runs?
//!
//! In: the configuration of a connection and where its settings stand. Out: problems: a base URL that is none, a setting
//! that would change the host it is put into, a credential that travels unencrypted. What `env` says is checked when the
//! program starts.

use std::{collections::BTreeMap, net::IpAddr};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Expr, TextPart},
    schema::{Auth, Http},
    span::Span,
    ty::Type,
    value::Value,
};
use indexmap::IndexMap;

use super::request::wrong_base;
use crate::names::ConnectorInfo;

/// The setting that replaces the base of all requests.
const BASE_URL: &str = "base_url";

/// Reports what the settings of a connection do to where its requests go.
pub(super) fn reach(
    info: &ConnectorInfo<'_>,
    config: &IndexMap<String, Expr>,
    places: &BTreeMap<String, Span>,
    problems: &mut Vec<Diagnostic>,
) {
    let Some(http) = &info.schema.http else { return };
    if let (Some(Expr::Literal(Value::String(url))), Some(place)) = (config.get(BASE_URL), places.get(BASE_URL)) {
        let found = match wrong_base(url) {
            Some(reason) => {
                let help = "the base is `https://`, a host, and perhaps a path; a credential is a setting of its own";
                Some(Diagnostic::new(Code::E0520, "this is no base URL", *place, reason).help(help))
            }
            None if carries_credential(info, http) => in_clear(url, *place),
            None => None,
        };
        problems.extend(found);
        return;
    }
    let Expr::Text { parts, .. } = &http.base else { return };
    for part in parts.iter().skip(1) {
        let TextPart::Insert(Expr::Member { of, name, .. }) = part else { continue };
        let (Expr::Ambient(Ambient::Config), Some(place)) = (of.as_ref(), places.get(name)) else { continue };
        let Some(Expr::Literal(Value::String(text))) = config.get(name) else { continue };
        if is_tame(text) {
            continue;
        }
        let label = if text.is_empty() { "is empty" } else { "holds what a part of a URL can't" };
        let mut problem = Diagnostic::new(
            Code::E0520,
            format!("`{name}` is a part of the base URL, and this could lead elsewhere"),
            *place,
            label,
        );
        if let Some(declared) = info.config.get(name) {
            problem = problem.label(*declared, "put into the base URL");
        }
        problems.push(problem.help("it has letters, digits, `-`, `.`, `_` and `~` alone"));
    }
}

/// Warns of a base URL without encryption that lies outside one's own network.
pub(super) fn in_clear(base: &str, place: Span) -> Option<Diagnostic> {
    let url = url::Url::parse(base).ok().filter(|url| url.scheme() == "http")?;
    let host = url.host_str()?;
    let is_near = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => {
            let near = ["localhost", "local", "internal", "lan", "svc"];
            !host.contains('.')
                || near.iter().any(|last| host.rsplit('.').next() == Some(last))
                || host.contains(".svc.")
        }
    };
    (!is_near).then(|| {
        let message = format!("the credential travels to `{host}` unencrypted");
        Diagnostic::new(Code::W0606, message, place, "not `https`")
            .help("write `https://`: on the way, others can read what is sent and change the answer")
    })
}

/// Says whether requests of the connector carry something secret.
fn carries_credential(info: &ConnectorInfo<'_>, http: &Http) -> bool {
    !matches!(http.auth, Auth::None)
        || info.schema.config.values().any(|field| matches!(field.ty.non_null(), Type::Secret(_)))
}

/// Says whether text put into a base URL stays a part of its host's name or of its path, as requests want it.
fn is_tame(text: &str) -> bool {
    let tame = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    !text.is_empty() && !text.contains("..") && text.chars().all(tame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_far_hosts_need_encryption() {
        let warned = |base: &str| in_clear(base, Span::default()).is_some();
        for near in
            ["http://localhost:80", "http://127.0.0.1:1", "http://[::1]/x", "http://10.1.2.3", "http://erp:8080/v1"]
        {
            assert!(!warned(near), "{near}");
        }
        for near in ["http://erp.internal", "http://erp.default.svc.cluster.local", "https://api.example.com"] {
            assert!(!warned(near), "{near}");
        }
        for far in ["http://api.example.com", "http://8.8.8.8", "http://[2001:db8::1]", "http://localhost.example.com"]
        {
            assert!(warned(far), "{far}");
        }
    }

    #[test]
    fn parts_of_a_host_hold_nothing_that_ends_it() {
        for wrong in ["", "evil.com/", "a@b", "a:80", "a?b", "a#b", "a b", "..", "ä"] {
            assert!(!is_tame(wrong), "{wrong}");
        }
        assert!(is_tame("my-shop.eu_1~x"));
    }
}
