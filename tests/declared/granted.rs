//! Tokens that a server gives out, and logins: what is asked for by each form, where its answer has what is needed, how requests
//! carry it, and what says that it has ended.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::response::Response;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use flow_model::{plan::Plan, units::Millis, value::Value};
use flow_runtime::connector::{Connecting, Connectors};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use url::{Url, form_urlencoded};

use super::{Ahead, Vault, call, process, program};
use crate::executed::{Seen, Server, answer};

const RSA: &str = include_str!("../../runtime/src/connector/sign/vectors/rfc7515_a2.pem");
const P256: &str = include_str!("../../runtime/src/connector/sign/vectors/rfc7515_a3.pem");

const CONFIG: &str = "  config {
    id:     String = \"client-1\"
    secret: Secret<String> = secret(\"a secret\")
    key:    Secret<String> = secret(\"pem\")
    realm:  String = \"acme\"
    none:   String? = null
  }";

const READS: &str = "  operation get() -> Json { effect: read, request: GET \"/get\" }";

fn form(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A vendor whose tokens are `access-1`, `access-2`, …: it answers the requests for them with what is made of such a name, and
/// all others with an empty object.
fn vendor(token: impl Fn(&Seen, &str) -> Json + Send + Sync + 'static) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |seen| match seen.uri.starts_with("/v1") || seen.uri.starts_with("/inst") {
        true => answer(200, &json!({})),
        false => {
            let name = format!("access-{}", count.fetch_add(1, Ordering::SeqCst) + 1);
            answer(200, &token(seen, &name))
        }
    })
}

fn given(_: &Seen, token: &str) -> Json {
    json!({ "access_token": token, "expires_in": 3600 })
}

fn asking(server: &Server, auth: &str, http: &str, operations: &str) -> Arc<Plan> {
    let connector =
        format!("{CONFIG}\n\n  http {{\n    base: \"BASE/v1\"\n    auth: {auth}\n    {http}\n  }}\n\n{operations}");
    program(server, &connector, "", "  step sys.get()")
}

fn ready(clock: &Arc<Ahead>, pem: &'static str) -> Connectors {
    process(Vault(BTreeMap::from([("pem", pem)])), clock)
}

/// The requests for tokens, and those to the system.
fn apart(server: &Server) -> (Vec<Seen>, Vec<Seen>) {
    server.seen().into_iter().partition(|seen| !seen.uri.starts_with("/v1") && !seen.uri.starts_with("/inst"))
}

/// Calls the operation once, which must work: what a token was asked for with, and what the system has got.
async fn asked(server: &Server, auth: &str, http: &str, operations: &str) -> (Seen, Seen) {
    let plan = asking(server, auth, http, operations);
    let attempt = call(&ready(&Ahead::new(), RSA), &plan, "get", vec![]).await;
    assert!(attempt.outcome.is_ok(), "{auth}: {:?}", attempt.outcome);
    let (mut tokens, mut calls) = apart(server);
    assert_eq!((tokens.len(), calls.len()), (1, 1), "{auth}");
    (tokens.remove(0), calls.remove(0))
}

#[tokio::test]
async fn a_client_asks_as_its_declaration_says_and_carries_what_the_answer_has() {
    let told = |_: &Seen, token: &str| json!({ "data": { "token": token, "lasts": "60" } });
    let server = vendor(told);
    let auth = "client_credentials(
      token: \"BASE/{config.realm}/token\",
      id: config.id,
      secret: config.secret,
      send: body,
      scopes: [\"a\", \"b c\"],
      separator: \",\",
      params: { audience: \"crm\", account: config.realm, none: config.none },
      answer: { access_token: \"data.token\", expires_in: \"data.lasts\" },
      header: \"X-Token\",
      prefix: \"tok \",
    )";
    let (token, called) = asked(&server, auth, "", READS).await;
    assert_eq!(token.line(), "POST /acme/token");
    let expected = [
        ("grant_type", "client_credentials"),
        ("scope", "a,b c"),
        ("audience", "crm"),
        ("account", "acme"),
        ("client_id", "client-1"),
        ("client_secret", "a secret"),
    ];
    assert_eq!(form(&token.body), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!((called.header("x-token"), called.header("authorization")), (Some("tok access-1"), None));

    // As the standard has it, when nothing else is said.
    let server = vendor(given);
    let auth =
        "client_credentials(token: \"BASE/token\", id: config.id, secret: config.secret, scopes: [\"a\", \"b\"])";
    let (token, called) = asked(&server, auth, "", READS).await;
    let pair = STANDARD.encode("client-1:a+secret");
    assert_eq!(token.header("authorization"), Some(format!("Basic {pair}").as_str()));
    assert_eq!(form(&token.body)["scope"], "a b");
    assert_eq!(called.header("authorization"), Some("Bearer access-1"));
}

#[tokio::test]
async fn a_token_stands_in_the_url_or_in_the_body_where_that_is_said() {
    let auth = |into: &str| {
        format!("client_credentials(token: \"BASE/token\", id: config.id, secret: config.secret, into: {into})")
    };
    let server = vendor(given);
    let (_, called) = asked(&server, &auth("query.access_token"), "", READS).await;
    assert_eq!((called.line().as_str(), called.header("authorization")), ("GET /v1/get?access_token=access-1", None));
    let server = vendor(given);
    let posts = "  operation get() -> Json { effect: create, request: POST \"/get\" { body: { a: 1 } } }";
    let (_, called) = asked(&server, &auth("body.auth.token"), "", posts).await;
    assert_eq!(called.body, r#"{"a":1,"auth":{"token":"access-1"}}"#);
}

/// The account is where the answer says, below its path, and at no host that the connector does not name.
#[tokio::test]
async fn requests_go_where_the_answer_with_the_token_says_that_the_account_is() {
    let auth = "client_credentials(token: \"BASE/token\", id: config.id, secret: config.secret, answer: { base_url: \"where.url\" })";
    for (hosts, well) in [("hosts: [\"127.0.0.1\"]", true), ("hosts: [\"acme.example\"]", false)] {
        let here = std::sync::OnceLock::<String>::new();
        let here = Arc::new(here);
        let url = Arc::clone(&here);
        let server = vendor(move |_, token| json!({ "access_token": token, "where": { "url": url.get().unwrap() } }));
        here.set(format!("{}/inst", server.url)).unwrap();
        let plan = asking(&server, auth, hosts, READS);
        let attempt = call(&ready(&Ahead::new(), RSA), &plan, "get", vec![]).await;
        let calls: Vec<_> = apart(&server).1.iter().map(Seen::line).collect();
        match well {
            true => assert_eq!(calls, ["GET /inst/v1/get"]),
            false => {
                let failure = attempt.outcome.unwrap_err();
                assert!(failure.message.contains("does not name in `hosts`"), "{failure}");
                assert!(calls.is_empty());
            }
        }
    }
}

/// When a token ends: so many seconds after, at a time, or when an answer says so.
#[tokio::test]
async fn a_token_ends_by_a_length_by_a_date_and_by_what_an_answer_says() {
    let clock = Ahead::new();
    let named = |answer: &str| {
        format!(
            "client_credentials(token: \"BASE/token\", id: config.id, secret: config.secret, answer: {{ {answer} }})"
        )
    };
    // An hour from the beginning, in each form.
    for (auth, ends) in [
        (named("expires_in: \"life.in\""), json!({ "life": { "in": 3600 } })),
        (named("expires_at: \"life.at\""), json!({ "life": { "at": "2023-11-14T23:13:20Z" } })),
        (named("expires_at: \"at\""), json!({ "at": 1_700_003_600 })),
        (named("expires_at: \"at\""), json!({ "at": "1700003600000" })),
    ] {
        let clock = Ahead::new();
        let server = vendor(move |_, token| {
            let mut told = ends.clone();
            told["access_token"] = json!(token);
            told
        });
        let (plan, process) = (asking(&server, &auth, "", READS), ready(&clock, RSA));
        for (minutes, requests) in [(0, 1), (58, 1), (2, 2)] {
            clock.goes_on(Millis::seconds(minutes * 60));
            assert!(call(&process, &plan, "get", vec![]).await.outcome.is_ok());
            assert_eq!(apart(&server).0.len(), requests, "{auth}");
        }
    }
    for (status, body, errors) in [
        (401, json!({}), ""),
        (403, json!({}), "errors { 403 => Unauthorized }"),
        (
            200,
            json!({ "ok": false, "error": "token_expired" }),
            "errors { when body.error == \"token_expired\" => Unauthorized }",
        ),
    ] {
        let count = AtomicUsize::new(0);
        let server = Server::start(move |seen| match (seen.uri.as_str(), seen.header("authorization")) {
            ("/token", _) => {
                answer(200, &json!({ "access_token": format!("access-{}", count.fetch_add(1, Ordering::SeqCst)) }))
            }
            (_, Some("Bearer access-0")) => answer(status, &body),
            _ => answer(200, &json!({ "error": null })),
        });
        let auth = "client_credentials(token: \"BASE/token\", id: config.id, secret: config.secret)";
        let plan = asking(&server, auth, "", &format!("{READS}\n  {errors}"));
        assert!(call(&ready(&clock, RSA), &plan, "get", vec![]).await.outcome.is_ok(), "{status}");
        let lines: Vec<_> = server.seen().iter().map(Seen::line).collect();
        assert_eq!(lines, ["POST /token", "GET /v1/get", "POST /token", "GET /v1/get"]);
    }
}

/// A person who agrees, in the way of a vendor that has no PKCE, wants more than the standard, and renews elsewhere.
#[tokio::test]
async fn a_person_agrees_as_the_declaration_says_and_the_token_is_renewed_elsewhere() {
    for (pkce, has_challenge) in [("pkce: none,", false), ("", true)] {
        let server = vendor(|seen, token| {
            let refresh = form(&seen.body).get("refresh_token").map_or("first", |_| "second").to_owned();
            json!({ "user": { "token": token, "again": refresh }, "expires_in": 3600 })
        });
        let auth = format!(
            "authorization_code(
      authorize: \"BASE/{{config.realm}}/authorize\",
      token: \"BASE/token\",
      refresh: \"BASE/renew\",
      id: config.id,
      secret: config.secret,
      scopes: [\"a\", \"b\"],
      separator: \" + \",
      authorize_params: {{ access_type: \"offline\", realm: config.realm, none: config.none }},
      params: {{ audience: \"crm\" }},
      {pkce}
      answer: {{ access_token: \"user.token\", refresh_token: \"user.again\" }},
    )"
        );
        let plan = asking(&server, &auth, "", READS);
        let clock = Ahead::new();
        let process = ready(&clock, RSA);
        let back: Url = "http://127.0.0.1/back".parse().unwrap();
        let Ok(Connecting::Code(begun)) = process.connecting(&plan, "sys", back.clone(), &[]).await else { panic!() };
        assert!(begun.url().as_str().starts_with(&format!("{}/acme/authorize?", server.url)));
        let asked = form(begun.url().query().unwrap());
        assert_eq!((&*asked["scope"], &*asked["access_type"], &*asked["realm"]), ("a + b", "offline", "acme"));
        assert_eq!((asked.contains_key("none"), asked.contains_key("code_challenge")), (false, has_challenge));
        let mut arrived = back;
        arrived.query_pairs_mut().append_pair("code", "code-1").append_pair("state", &asked["state"]);
        begun.finish(&arrived).await.unwrap();
        assert!(call(&process, &plan, "get", vec![]).await.outcome.is_ok());
        clock.goes_on(Millis::seconds(3600));
        assert!(call(&process, &plan, "get", vec![]).await.outcome.is_ok());
        let (tokens, calls) = apart(&server);
        let carried: Vec<_> = calls.iter().map(|seen| seen.header("authorization").unwrap()).collect();
        assert_eq!(carried, ["Bearer access-1", "Bearer access-2"]);
        let lines: Vec<_> = tokens.iter().map(Seen::line).collect();
        assert_eq!(lines, ["POST /token", "POST /renew"]);
        let (first, again) = (form(&tokens[0].body), form(&tokens[1].body));
        assert_eq!(
            (&*first["code"], &*first["audience"], first.contains_key("code_verifier")),
            ("code-1", "crm", has_challenge)
        );
        assert_eq!(
            (&*again["grant_type"], &*again["refresh_token"], &*again["audience"]),
            ("refresh_token", "first", "crm")
        );
    }
}

#[tokio::test]
async fn a_person_enters_a_code_elsewhere_for_a_client_without_a_secret() {
    let server = vendor(|seen, token| match seen.uri.as_str() {
        "/device" => {
            json!({ "device_code": "d", "user_code": "U", "verification_uri": "https://acme.example", "expires_in": 60 })
        }
        _ => given(seen, token),
    });
    let auth = "device_code(device: \"BASE/device\", token: \"BASE/token\", id: config.id, scopes: [\"play\"])";
    let plan = asking(&server, auth, "", READS);
    let process = ready(&Ahead::new(), RSA);
    let back = "http://127.0.0.1/back".parse().unwrap();
    let Ok(Connecting::Device(begun)) = process.connecting(&plan, "sys", back, &[]).await else { panic!() };
    assert_eq!((&*begun.code, &*begun.url), ("U", "https://acme.example"));
    begun.wait().await.unwrap();
    assert!(call(&process, &plan, "get", vec![]).await.outcome.is_ok());
    let tokens = apart(&server).0;
    assert_eq!(form(&tokens[0].body)["scope"], "play");
    let asked = form(&tokens[1].body);
    assert_eq!((&*asked["device_code"], &*asked["client_id"], asked.len()), ("d", "client-1", 3));
}

/// The two parts of a token that say something, and the rest.
fn token(text: &str) -> (Json, Json) {
    let parts: Vec<_> = text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    (serde_json::from_slice(&parts[0]).unwrap(), serde_json::from_slice(&parts[1]).unwrap())
}

#[tokio::test]
async fn a_claim_is_signed_by_each_algorithm_and_says_what_is_declared() {
    let claim = "issuer: config.id, subject: \"robot\", audience: \"https://login.acme.example\", key_id: \"k7\", lasts: 5m, \
                 claims: { scope: \"a b\", realm: config.realm }";
    for (key, pem, algorithm, named) in [
        ("key", RSA, "", "RS256"),
        ("key", P256, "algorithm: es256,", "ES256"),
        ("secret", RSA, "algorithm: hs256,", "HS256"),
    ] {
        let server = vendor(given);
        let auth = format!("jwt_bearer(token: \"BASE/token\", key: config.{key}, {algorithm} {claim})");
        let plan = asking(&server, &auth, "", READS);
        let attempt = call(&ready(&Ahead::new(), pem), &plan, "get", vec![]).await;
        assert!(attempt.outcome.is_ok(), "{named}: {:?}", attempt.outcome);
        let asked = form(&apart(&server).0[0].body);
        assert_eq!(asked["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let (header, claims) = token(&asked["assertion"]);
        assert_eq!(header, json!({ "alg": named, "typ": "JWT", "kid": "k7" }));
        let expected = json!({
            "iss": "client-1", "sub": "robot", "aud": "https://login.acme.example", "iat": 1_700_000_000, "exp": 1_700_000_300,
            "scope": "a b", "realm": "acme",
        });
        assert_eq!(claims, expected);
        let (message, signature) = asked["assertion"].rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        match named {
            "HS256" => {
                let expected = Hmac::<Sha256>::new_from_slice(b"a secret").unwrap().chain_update(message).finalize();
                assert_eq!(signature, expected.into_bytes().to_vec());
            }
            "ES256" => assert_eq!(signature.len(), 64),
            _ => assert_eq!(signature.len(), 256),
        }
    }
    // The client itself may prove who it is in the same way (RFC 7523, section 2.2).
    let server = vendor(given);
    let auth = "client_credentials(token: \"BASE/token\", id: config.id, secret: config.key, send: private_key_jwt)";
    let asked = form(&self::asked(&server, auth, "", READS).await.0.body);
    assert_eq!(asked["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let (header, claims) = token(&asked["client_assertion"]);
    assert_eq!(
        (&header["alg"], &claims["iss"], &claims["sub"]),
        (&json!("RS256"), &json!("client-1"), &json!("client-1"))
    );
    assert_eq!(claims["aud"], format!("{}/token", server.url));
}

/// A login that gives out `s-1`, `s-2`, …; a call with another than the last is refused.
fn logins(seen: &Seen, count: &AtomicUsize, carried: Option<&str>) -> Response {
    if seen.uri.ends_with("/login") {
        assert_eq!(seen.body, r#"{"user":"client-1","password":"a secret"}"#);
        let session = format!("s-{}", count.fetch_add(1, Ordering::SeqCst) + 1);
        return answer(200, &json!({ "session": { "id": session } }));
    }
    let holds = format!("s-{}", count.load(Ordering::SeqCst));
    answer(if carried.is_some_and(|carried| carried.ends_with(&holds)) { 200 } else { 401 }, &json!({}))
}

#[tokio::test]
async fn a_login_is_carried_where_that_is_said_and_made_again_when_it_has_ended() {
    let login = "  operation sessions.create(user: String, password: Secret<String>) -> { session: { id: String } } {
    effect:  create
    request: POST \"/login\" { body: { user, password } }
  }";
    let posts =
        "  operation get() -> Json { effect: idempotent, request: POST \"/get\" { body: { auth: null, a: 1 } } }";
    for (place, operation, carried) in [
        ("header: \"X-Session\",", READS, "x-session: s-1"),
        ("header: \"Cookie\", prefix: \"SID=\",", READS, "cookie: SID=s-1"),
        ("into: body.auth.session,", posts, r#"{"auth":{"session":"s-1"},"a":1}"#),
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let server = Server::start(move |seen| {
            let headers = [seen.header("x-session"), seen.header("cookie")].into_iter().flatten().next();
            let body = serde_json::from_str::<Json>(&seen.body).unwrap_or_default();
            logins(seen, &counted, headers.or(body["auth"]["session"].as_str()))
        });
        let auth = format!(
            "session(login: sessions.create(user: config.id, password: config.secret), token: .session.id, {place} lasts: 20m)"
        );
        let plan = asking(&server, &auth, "", &format!("{login}\n{operation}"));
        let clock = Ahead::new();
        let process = ready(&clock, RSA);
        for _ in 0..2 {
            assert!(call(&process, &plan, "get", vec![]).await.outcome.is_ok());
        }
        let first = &server.seen()[1];
        match carried.split_once(": ") {
            Some((name, value)) if !carried.starts_with('{') => assert_eq!(first.header(name), Some(value)),
            _ => assert_eq!(first.body, carried),
        }
        // It is refused, and after its time it is not tried.
        count.fetch_add(1, Ordering::SeqCst);
        assert!(call(&process, &plan, "get", vec![]).await.outcome.is_ok());
        clock.goes_on(Millis::seconds(20 * 60));
        assert_eq!(call(&process, &plan, "get", vec![]).await.outcome, Ok(Value::record([])));
        let lines: Vec<_> = server.seen().iter().map(|seen| seen.uri.clone()).collect();
        let (login, get) = ("/v1/login", "/v1/get");
        assert_eq!(lines, [login, get, get, get, login, get, login, get], "{place}");
    }
}
