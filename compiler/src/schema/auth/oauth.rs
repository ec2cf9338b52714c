//! Tokens that a server gives out: `client_credentials(…)`, `authorization_code(…)`, `device_code(…)`, `jwt_bearer(…)`.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    schema::{Algorithm, Assertion, Grant, OAuth, Pkce, SendClient, TokenAnswer},
    units::Millis,
    value::Value,
};

use super::{
    super::{
        Context,
        reach::in_clear,
        request::{self, names_hosts},
        section::{listed, texts, word},
        template,
    },
    carry, credential, is_secret,
    named::{Form, Named},
};
use crate::{
    names::{literal, similar},
    types::secret as secret_in_the_open,
};

/// What all of them take.
const SHARED: [&str; 12] =
    ["token", "refresh", "id", "secret", "send", "scopes", "separator", "params", "answer", "header", "prefix", "into"];

/// How long a claim holds when nothing is said: the shortest time that a vendor asks for (Salesforce).
const CLAIM_LASTS: Millis = Millis::seconds(180);

pub(super) fn oauth(context: &Context<'_, '_>, form: &Form<'_>, problems: &mut Vec<Diagnostic>) -> Option<OAuth> {
    let (own, must): (&[&str], &[&str]) = match form.name {
        "authorization_code" => (&["authorize", "authorize_params", "pkce"], &["authorize", "token", "id"]),
        "device_code" => (&["device"], &["device", "token", "id"]),
        "jwt_bearer" => {
            (&["key", "issuer", "subject", "audience", "algorithm", "key_id", "claims", "lasts"], &["token", "key"])
        }
        _ => (&[], &["token", "id", "secret"]),
    };
    let known: Vec<&str> = SHARED.iter().chain(own).copied().collect();
    let named = Named::of(form, &known, must, problems)?;
    let mut url = |name: &str| {
        let Some(written) = named.get(name) else { return Some(None) };
        let url = request::base(context, name, written, problems)?;
        if let Expr::Literal(Value::String(url)) = &url {
            problems.extend(in_clear(url, written.span));
        }
        Some(Some(url))
    };
    let (token, refresh) = (url("token")??, url("refresh")?);
    let (authorize, device) = (url("authorize")?, url("device")?);
    let id = named.credential(context, "id", problems)?;
    let secret = named.credential(context, "secret", problems)?;
    let ways = [("basic", SendClient::Basic), ("body", SendClient::Body), ("private_key_jwt", SendClient::Signed)];
    let send = match named.get("send") {
        Some(written) => word("send", written, &ways, problems)?,
        None => SendClient::default(),
    };
    let scopes = named.get("scopes").map(|written| texts("scopes", written, problems)).unwrap_or_default();
    let separator = named.text("separator", " ", problems)?;
    let (params, more_params) = parameters(context, &named, "params", problems)?;
    let answer = answer(context, &named, problems)?;
    let carry = carry(&named, problems)?;
    let grant = match form.name {
        "authorization_code" => {
            let ways = [("s256", Pkce::S256), ("none", Pkce::None)];
            let pkce = match named.get("pkce") {
                Some(written) => word("pkce", written, &ways, problems)?,
                None => Pkce::default(),
            };
            let (params, more_params) = parameters(context, &named, "authorize_params", problems)?;
            Grant::AuthorizationCode { authorize: authorize?, params, more_params, pkce }
        }
        "device_code" => Grant::DeviceCode { device: device? },
        "jwt_bearer" => Grant::JwtBearer(Box::new(assertion(context, &named, problems)?)),
        _ => Grant::ClientCredentials,
    };
    Some(OAuth { grant, token, refresh, id, secret, send, scopes, separator, params, more_params, answer, carry })
}

/// Parameters: fixed texts, and those that settings say.
type Params = (Vec<(String, String)>, Vec<(String, Expr)>);

/// `{ audience: "crm", account_id: config.account }`
fn parameters(
    context: &Context<'_, '_>,
    named: &Named<'_>,
    name: &str,
    problems: &mut Vec<Diagnostic>,
) -> Option<Params> {
    let (mut fixed, mut more) = (Vec::new(), Vec::new());
    for (param, value) in named.record(name, problems)? {
        if let Some(Value::String(text)) = literal(value) {
            fixed.push((param.text.clone(), text.to_string()));
            continue;
        }
        let written = credential(context, value, problems)?;
        // The person who agrees sees the URL, and so does their browser's history.
        if name == "authorize_params" && is_secret(&template::plain(context, value, None, &mut Vec::new()).ty) {
            let problem = secret_in_the_open("a secret can't be part of a URL that a person opens", value.span);
            problems.push(problem.help("leave it out: what only the server may know goes into `params`"));
            return None;
        }
        more.push((param.text.clone(), written));
    }
    Some((fixed, more))
}

/// `answer: { access_token: "authed_user.access_token", base_url: "instance_url" }`
fn answer(context: &Context<'_, '_>, named: &Named<'_>, problems: &mut Vec<Diagnostic>) -> Option<TokenAnswer> {
    let mut answer = TokenAnswer::default();
    for (name, path) in named.fixed("answer", problems)? {
        match name.text.as_str() {
            "access_token" => answer.access_token = path,
            "refresh_token" => answer.refresh_token = path,
            "expires_in" => answer.expires_in = path,
            "expires_at" => answer.expires_at = path,
            "base_url" => {
                if !names_hosts(context) {
                    let message = "the token would go to wherever an answer says";
                    problems.push(
                        Diagnostic::new(Code::E0508, message, name.span, "to which hosts?")
                            .help("name the hosts of accounts in the section `http`: `hosts: [\"*.example.com\"]`"),
                    );
                    return None;
                }
                answer.base_url = Some(path);
            }
            other => {
                let fields = ["access_token", "refresh_token", "expires_in", "expires_at", "base_url"];
                let help = match similar(other, fields) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", listed(&fields)),
                };
                let message = format!("nothing is read as `{other}` from an answer with a token");
                problems.push(Diagnostic::new(Code::E0508, message, name.span, "not known").help(help));
                return None;
            }
        }
    }
    Some(answer)
}

fn assertion(context: &Context<'_, '_>, named: &Named<'_>, problems: &mut Vec<Diagnostic>) -> Option<Assertion> {
    let mut part = |name: &str| named.credential(context, name, problems);
    let (issuer, subject, audience) = (part("issuer")?, part("subject")?, part("audience")?);
    let (key, key_id) = (part("key")??, part("key_id")?);
    let algorithms = [("rs256", Algorithm::Rs256), ("es256", Algorithm::Es256), ("hs256", Algorithm::Hs256)];
    let algorithm = match named.get("algorithm") {
        Some(written) => Some(word("algorithm", written, &algorithms, problems)?),
        None => None,
    };
    let mut claims = Vec::new();
    for (name, value) in named.record("claims", problems)? {
        claims.push((name.text.clone(), credential(context, value, problems)?));
    }
    let lasts = named.time("lasts", Some(CLAIM_LASTS), problems)?.unwrap_or(CLAIM_LASTS);
    Some(Assertion { issuer, subject, audience, key, key_id, algorithm, claims, lasts })
}
