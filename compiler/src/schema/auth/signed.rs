//! Logins and signatures: `session(…)`, `oauth1(…)`, `sigv4(…)`.

use flow_model::{
    diagnostic::Diagnostic,
    expr::Ambient,
    schema::{OAuth1, Session, SigV4, Signature},
    ty::Type,
};
use indexmap::IndexMap;

use super::{
    super::{Context, Template, reference::operation_call, section::word},
    carry,
    named::{Form, Named},
    wrong,
};

/// `session(login: sessions.create(user: config.user, password: config.password), token: .token, header: "X-Session")`
pub(super) fn session(context: &Context<'_, '_>, form: &Form<'_>, problems: &mut Vec<Diagnostic>) -> Option<Session> {
    let known = ["login", "token", "header", "prefix", "into", "lasts"];
    let named = Named::of(form, &known, &["login", "token"], problems)?;
    let mut template = Template::new(context, &[], &IndexMap::new());
    let example = "login: sessions.create(user: config.user, password: config.password)";
    let found = operation_call(context, &mut template, "login", named.get("login")?, example, problems);
    template.finish(problems);
    let (login, operation) = found?;
    let mut template = Template::new(context, &[], &IndexMap::new());
    template.sees(Ambient::Item, operation.result.clone());
    let written = named.get("token")?;
    let typed = template.expr(written, None);
    template.finish(problems);
    let ty = match typed.ty.non_null() {
        Type::Secret(inner) => inner.as_ref(),
        other => other,
    };
    if !matches!(ty, Type::Unknown | Type::Json | Type::String | Type::Uuid) {
        let message = format!("what requests carry is text, and `{}` is none", typed.ty);
        problems.push(wrong(&message, written, "not text", "name a member of the login's result: `token: .token`"));
        return None;
    }
    let carry = carry(&named, problems)?;
    Some(Session { login, token: typed.expr, carry, lasts: named.time("lasts", None, problems)? })
}

/// `oauth1(consumer_key: …, consumer_secret: …, token: …, token_secret: …, signature: hmac_sha1, realm: …)`
pub(super) fn oauth1(context: &Context<'_, '_>, form: &Form<'_>, problems: &mut Vec<Diagnostic>) -> Option<OAuth1> {
    let known = ["consumer_key", "consumer_secret", "token", "token_secret", "signature", "realm"];
    let named = Named::of(form, &known, &["consumer_key", "consumer_secret"], problems)?;
    let mut part = |name: &str| named.credential(context, name, problems);
    let (consumer_key, consumer_secret) = (part("consumer_key")??, part("consumer_secret")??);
    let (token, token_secret, realm) = (part("token")?, part("token_secret")?, part("realm")?);
    let ways = [
        ("hmac_sha1", Signature::HmacSha1),
        ("hmac_sha256", Signature::HmacSha256),
        ("plaintext", Signature::Plaintext),
    ];
    let signature = match named.get("signature") {
        Some(written) => word("signature", written, &ways, problems)?,
        None => Signature::default(),
    };
    Some(OAuth1 { consumer_key, consumer_secret, token, token_secret, signature, realm })
}

/// `sigv4(access_key_id: …, secret_access_key: …, session_token: …, region: …, service: "execute-api")`
pub(super) fn sigv4(context: &Context<'_, '_>, form: &Form<'_>, problems: &mut Vec<Diagnostic>) -> Option<SigV4> {
    let known = ["access_key_id", "secret_access_key", "session_token", "region", "service"];
    let must = ["access_key_id", "secret_access_key", "region", "service"];
    let named = Named::of(form, &known, &must, problems)?;
    let mut part = |name: &str| named.credential(context, name, problems);
    let (access_key_id, secret_access_key) = (part("access_key_id")??, part("secret_access_key")??);
    let (session_token, region) = (part("session_token")?, part("region")??);
    let service = named.text("service", "", problems)?;
    Some(SigV4 { access_key_id, secret_access_key, session_token, region, service })
}
