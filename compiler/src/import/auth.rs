//! How does an API want its callers to prove who they are?
//!
//! In: the security schemes of a description, and which of them its operations ask for. Out: the form of authentication that
//! a declaration can have, and what could not be carried over.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    api::{Base, METHODS, string},
    document::Document,
    word,
};

/// How a credential is sent.
pub(super) enum Auth<'a> {
    None,
    Bearer,
    Basic,
    Header(&'a str),
    Query(&'a str),
    OAuth(OAuth),
}

/// Where tokens are got; URLs are texts as they stand in a declaration.
pub(super) struct OAuth {
    /// Where a person agrees; without it, nobody is asked.
    pub(super) authorize: Option<String>,
    pub(super) authorize_params: Vec<(String, String)>,
    pub(super) token: String,
    pub(super) refresh: Option<String>,
}

impl Auth<'_> {
    /// A token before a key, a key before a password.
    fn rank(&self) -> u8 {
        match self {
            Self::Bearer => 0,
            Self::OAuth(_) => 1,
            Self::Header(_) => 2,
            Self::Query(_) => 3,
            Self::Basic => 4,
            Self::None => 5,
        }
    }
}

/// A way that a description offers.
struct Offered<'a> {
    auth: Auth<'a>,
    name: &'a str,
    /// Whether operations ask for it.
    asked: bool,
    /// What of it could not be carried over.
    lost: Option<String>,
}

/// The way of sending a credential that the operations ask for, and which declarations know.
pub(super) fn auth<'a>(document: &'a Document, is_two: bool, base: &Base, lost: &mut Vec<String>) -> Auth<'a> {
    let root = document.root();
    let schemes = if is_two {
        root.get("securityDefinitions")
    } else {
        root.get("components").and_then(|components| components.get("securitySchemes"))
    };
    let Some(schemes) = schemes.and_then(Value::as_object) else { return Auth::None };
    let of_paths = root.get("paths").and_then(Value::as_object).into_iter().flat_map(|paths| paths.values());
    let of_operations = of_paths.flat_map(|item| METHODS.iter().filter_map(|method| item.get(method)?.get("security")));
    let needs = root.get("security").into_iter().chain(of_operations).filter_map(Value::as_array).flatten();
    let asked: BTreeSet<&str> =
        needs.filter_map(Value::as_object).flat_map(|need| need.keys()).map(String::as_str).collect();
    let mut offered: Vec<Offered<'a>> = Vec::new();
    for (name, scheme) in schemes {
        let Some(scheme) = document.follow(scheme) else { continue };
        match self::scheme(scheme, name, base) {
            Some((auth, lost)) => {
                let asked = asked.contains(name.as_str());
                offered.push(Offered { auth, name, asked, lost });
            }
            None => lost.push(format!("the way of authentication `{name}`, for which there is no form")),
        }
    }
    // One that is asked for goes before one that is only described, and a token before a password.
    let best = offered.iter().enumerate().min_by_key(|(at, way)| (!way.asked, way.auth.rank(), *at));
    let Some(best) = best.map(|(at, _)| at) else { return Auth::None };
    let chosen = offered.swap_remove(best);
    lost.extend(chosen.lost);
    for other in offered {
        lost.push(format!("the way of authentication `{}`, beside `{}`", other.name, chosen.name));
    }
    chosen.auth
}

/// Whether a parameter in the query or a header is a key by which callers prove who they are: however the connector proves it, no
/// caller gives that to an operation.
pub(super) fn is_key(document: &Document, place: &str, name: &str) -> bool {
    let root = document.root();
    let schemes = [root.get("securityDefinitions"), root.get("components").and_then(|it| it.get("securitySchemes"))];
    let schemes = schemes.into_iter().flatten().filter_map(Value::as_object).flat_map(|schemes| schemes.values());
    { schemes }.filter_map(|scheme| document.follow(scheme)).any(|scheme| {
        string(scheme, "type") == Some("apiKey")
            && string(scheme, "in") == Some(place)
            && string(scheme, "name").is_some_and(|key| key.eq_ignore_ascii_case(name))
    })
}

/// The form for one scheme, and what of it is lost.
fn scheme<'a>(scheme: &'a Value, name: &str, base: &Base) -> Option<(Auth<'a>, Option<String>)> {
    let auth = match string(scheme, "type")? {
        "basic" => Auth::Basic,
        "oauth2" => return Some(oauth(scheme, name, base)),
        "openIdConnect" => {
            let lost = format!("how the token of `{name}` is got (OpenID Connect)");
            return Some((Auth::Bearer, Some(lost)));
        }
        "http" => match string(scheme, "scheme")?.to_ascii_lowercase().as_str() {
            "bearer" => Auth::Bearer,
            "basic" => Auth::Basic,
            _ => return None,
        },
        "apiKey" => {
            let header = string(scheme, "name")?;
            match string(scheme, "in")? {
                // Described as a key of its own, and a bearer token by its words.
                "header" if header.eq_ignore_ascii_case("authorization") => {
                    let said = string(scheme, "description").unwrap_or_default().to_ascii_lowercase();
                    if said.contains("bearer") || said.contains("oauth") {
                        Auth::Bearer
                    } else {
                        Auth::Header("Authorization")
                    }
                }
                "header" => Auth::Header(header),
                "query" => Auth::Query(header),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some((auth, None))
}

/// The grants of OAuth 2.0, by the names of 3.x and of 2.0.
const CODE: [&str; 2] = ["authorizationCode", "accessCode"];
const CLIENT: [&str; 2] = ["clientCredentials", "application"];

/// A grant that a declaration knows: a person's before one of the application alone, since what that may see is seldom
/// what an integration works with. Without one, a token that is got elsewhere.
fn oauth<'a>(scheme: &'a Value, name: &str, base: &Base) -> (Auth<'a>, Option<String>) {
    let mut grants: Vec<(&str, &Value)> = Vec::new();
    let flows = scheme.get("flows").and_then(Value::as_object).into_iter().flatten();
    grants.extend(flows.map(|(grant, flow)| (grant.as_str(), flow)));
    if let Some(grant) = string(scheme, "flow") {
        grants.push((grant, scheme));
    }
    let of = |names: [&str; 2]| grants.iter().find(|(grant, _)| names.contains(grant)).map(|(_, flow)| *flow);
    let url = |flow: &Value, key: &str| string(flow, key).and_then(|url| declared(url, base));
    let read = |flow: &Value, by_person: bool| {
        let (token, _) = url(flow, "tokenUrl").filter(|(_, query)| query.is_empty())?;
        let refresh = url(flow, "refreshUrl").filter(|(_, query)| query.is_empty()).map(|(refresh, _)| refresh);
        let refresh = refresh.filter(|refresh| *refresh != token);
        let (authorize, mut authorize_params) = match by_person {
            true => url(flow, "authorizationUrl").map(|(url, query)| (Some(url), query))?,
            false => (None, Vec::new()),
        };
        // Without these Google gives out nothing to renew a token with ("Using OAuth 2.0 for Web Server Applications").
        if authorize.as_deref().is_some_and(|url| url.starts_with("\"https://accounts.google.com/")) {
            authorize_params.push(("access_type".to_owned(), "offline".to_owned()));
            authorize_params.push(("prompt".to_owned(), "consent".to_owned()));
        }
        Some(OAuth { authorize, authorize_params, token, refresh })
    };
    let found = of(CODE).and_then(|flow| read(flow, true)).or_else(|| of(CLIENT).and_then(|flow| read(flow, false)));
    match found {
        Some(oauth) => (Auth::OAuth(oauth), None),
        None => {
            let told = format!("how the token of `{name}` is got (OAuth 2.0): {}", told(&grants));
            (Auth::Bearer, Some(told))
        }
    }
}

/// The grants in words, with their URLs.
fn told(grants: &[(&str, &Value)]) -> String {
    let told = grants.iter().map(|(name, flow)| {
        let urls = ["authorizationUrl", "tokenUrl"].into_iter().filter_map(|key| string(flow, key));
        format!("{name} {}", urls.collect::<Vec<_>>().join(" "))
    });
    let told = told.collect::<Vec<_>>().join(", ");
    if told.is_empty() { "no grant is described".to_owned() } else { told }
}

/// A URL as a declaration has it, with its query apart; none when a declaration can't have it. One that is relative is
/// below the base's host, and a variable is the base's.
fn declared(written: &str, base: &Base) -> Option<(String, Vec<(String, String)>)> {
    let written = written.trim();
    let mut whole = written.to_owned();
    if !written.contains("://") {
        let host = url::Url::parse(&base.url).ok().filter(|url| url.has_host() && !base.url.contains('{'))?;
        whole = host.join(written).ok()?.to_string();
    }
    let (address, query) = whole.split_once('?').unwrap_or((&whole, ""));
    let mut sample = String::new();
    let mut text = String::from("\"");
    let mut rest = address;
    while let Some((fixed, after)) = rest.split_once('{') {
        let (variable, after) = after.split_once('}')?;
        if !base.variables.iter().any(|(name, ..)| name == variable) || fixed.is_empty() && text == "\"" {
            return None;
        }
        sample.push_str(fixed);
        sample.push('x');
        text.push_str(&plain(fixed)?);
        text.push_str(&format!("{{config.{}}}", word::param(variable)));
        rest = after;
    }
    sample.push_str(rest);
    text.push_str(&plain(rest)?);
    text.push('"');
    let url = url::Url::parse(&sample).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host() && url.host_str() != Some("");
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let are_names = query.iter().all(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    });
    (is_web && is_plain && are_names).then_some((text, query))
}

/// A part of a URL that needs no escapes in a text.
fn plain(part: &str) -> Option<String> {
    let is_plain = part.chars().all(|c| c.is_ascii_graphic() && !"\"\\{}<>".contains(c));
    is_plain.then(|| part.to_owned())
}
