//! Credentials beyond a text in a header, against servers that check them: claims that are signed, logins, signatures, and
//! accounts that have a host of their own.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use flow_model::{
    expr::{Ambient, Expr},
    failure::ErrorKind,
    schema::{
        Assertion, Auth, Body, Call, Carrier, Carry, DigestEncoding, Effect, Grant, Hash, Into, KeyForm, OAuth1,
        OperationCall, OwnScheme, Proof, Request, RequestPart, SendClient, Session, SigV4, Signature, TimeForm,
    },
    ty::Type,
    units::Millis,
    value::Value,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use indexmap::IndexMap;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value as Json, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

use super::{
    accounts::{Hand, Kept, answer, api, by_code, given, login, process, tokens, world},
    world::{CANARY, Server, World, fields, get, member, operation, post, record, slot, text},
};
use crate::connector::{Performer as _, Reached, sign::sigv4};

const PEM: &str = include_str!("../sign/vectors/rfc7515_a2.pem");

/// The claims of a token, once its signature has been checked with the public key.
fn claims(token: &str) -> (Json, Json) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(PEM.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref().to_vec());
    public.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (json(header), json(claims))
}

fn form(body: &str) -> std::collections::BTreeMap<String, String> {
    form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

/// RFC 7523, section 2.1, as Salesforce and Google ask for it.
#[tokio::test]
async fn a_signed_claim_brings_a_token_for_as_long_as_the_server_says() {
    let (api, login) = (api(&["access-1", "access-2"]).await, login().await);
    let claim = Assertion {
        issuer: Some(text("client-1")),
        subject: Some(text("robot@example.com")),
        audience: None,
        key: text(PEM),
        key_id: Some(text("key-1")),
        algorithm: None,
        claims: vec![("scope".to_owned(), text("read write"))],
        lasts: Millis::seconds(180),
    };
    let mut world = world(&api, &login.url, Grant::JwtBearer(Box::new(claim.clone())));
    let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
    (oauth.id, oauth.secret, oauth.scopes, oauth.params) = (None, None, Vec::new(), Vec::new());
    let clock = Arc::new(Hand(Mutex::new(1_700_000_000_500)));
    let process = world.connectors().with_clock(clock.clone());
    for _ in 0..2 {
        assert!(process.perform(world.invocation(vec![])).await.outcome.is_ok());
    }
    let asked = form(&login.only().body);
    assert_eq!(asked["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(asked.len(), 2, "{asked:?}");
    let (header, claims) = claims(&asked["assertion"]);
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }));
    let expected = json!({
        "iss": "client-1", "sub": "robot@example.com", "aud": format!("{}/token", login.url),
        "iat": 1_700_000_000, "exp": 1_700_000_180, "scope": "read write",
    });
    assert_eq!(claims, expected);
    *clock.0.lock().unwrap() += 3_600_000;
    assert!(process.perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!(tokens(&api.seen()), ["access-1", "access-1", "access-2"]);

    // A service account's file says who it is; a key that is none says so, and nothing leaves.
    let file = json!({ "private_key": PEM, "client_email": "svc@example.com", "private_key_id": "k9" }).to_string();
    for (key, issuer) in [(file.as_str(), Some("svc@example.com")), ("canary-no-key", None), (PEM, None)] {
        let login = super::accounts::login().await;
        let claim = Assertion { issuer: None, key: text(key), key_id: None, ..claim.clone() };
        let mut world = super::accounts::world(&api, &login.url, Grant::JwtBearer(Box::new(claim)));
        let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
        (oauth.id, oauth.secret) = (None, None);
        let attempt = world.call(vec![]).await;
        match issuer {
            Some(issuer) => assert_eq!(self::claims(&form(&login.only().body)["assertion"]).1["iss"], issuer),
            None => {
                let failure = attempt.outcome.unwrap_err();
                assert!(failure.kind == ErrorKind::Unauthorized && !failure.message.contains("canary"), "{failure}");
                assert!(login.seen().is_empty());
            }
        }
    }
}

/// A server that says what it was sent spreads no secret that a parameter was.
#[tokio::test]
async fn a_secret_among_the_parameters_of_a_token_is_sent_and_not_shown() {
    let api = api(&["access-1"]).await;
    let login = Server::scripted(|seen| {
        let sent = form(&seen.body);
        answer(
            400,
            &json!({ "error": "invalid_request", "error_description": format!("no such key: {}", sent["key"]) }),
        )
    })
    .await;
    let mut world = world(&api, &login.url, Grant::ClientCredentials);
    let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
    (oauth.secret, oauth.more_params) = (None, vec![("key".into(), member(Ambient::Config, "token"))]);
    let failure = world.call(vec![]).await.outcome.unwrap_err();
    assert_eq!(form(&login.only().body)["key"], CANARY);
    assert!(failure.message.contains("no such key: ") && !failure.message.contains("canary"), "{failure}");
}

/// RFC 7523, section 2.2.
#[tokio::test]
async fn a_client_proves_itself_by_a_claim_of_its_own() {
    let (api, login) = (api(&["access-1"]).await, login().await);
    let mut world = world(&api, &login.url, Grant::ClientCredentials);
    let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
    (oauth.secret, oauth.send) = (Some(text(PEM)), SendClient::Signed);
    oauth.more_params = vec![("tenant".into(), text("t-1")), ("none".into(), Expr::Literal(Value::Null))];
    assert!(world.call(vec![]).await.outcome.is_ok());
    let asked = form(&login.only().body);
    assert_eq!((asked["audience"].as_str(), asked["tenant"].as_str()), ("crm", "t-1"));
    assert!(!asked.contains_key("none"), "what is null is left out");
    assert_eq!(asked["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!(asked["client_id"], "client:1");
    let claims = claims(&asked["client_assertion"]).1;
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("client:1"), &json!("client:1")));
    assert_eq!(claims["aud"], json!(format!("{}/token", login.url)));
    assert!(claims["jti"].as_str().is_some_and(|id| id.len() == 32));
    assert_eq!(login.only().header("authorization"), None);
}

/// A system that says where the account is: requests go there, when the connector names the host, and nowhere else.
#[tokio::test]
async fn an_account_with_a_host_of_its_own_is_called_there() {
    let account = api(&["access"]).await;
    for (hosts, reached) in [(vec!["127.0.0.1".to_owned()], true), (vec!["*.example.com".to_owned()], false)] {
        let own = format!("{}/eu", account.url);
        let login = Server::scripted(move |_| {
            answer(
                200,
                &json!({ "ok": true, "team": { "token": "access", "ends": "2030-01-01T00:00:00Z" }, "instance_url": own }),
            )
        })
        .await;
        let general = api(&[]).await;
        let mut world = world(&general, &login.url, Grant::ClientCredentials);
        world.config.clear();
        world.http().base = text(&format!("{}/v59", general.url));
        world.http().hosts = hosts;
        let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
        oauth.answer.access_token = "team.token".into();
        oauth.answer.expires_at = "team.ends".into();
        oauth.answer.base_url = Some("instance_url".into());
        let attempt = world.call(vec![]).await;
        assert_eq!(attempt.outcome.is_ok(), reached, "{:?}", attempt.outcome);
        assert!(general.seen().is_empty());
        if let Err(failure) = attempt.outcome {
            assert!(failure.message.contains("which the connector does not name in `hosts`"), "{failure}");
        }
    }
    assert_eq!(account.only().uri, "/eu/v59/thing");
}

#[tokio::test]
async fn a_token_is_renewed_elsewhere_and_carried_in_a_header_of_its_own() {
    let api = Server::scripted(|seen| match seen.header("x-shop-token") {
        Some("shop access-9") => answer(200, &json!({})),
        _ => answer(401, &json!({})),
    })
    .await;
    let login = Server::scripted(|seen| match &*seen.uri {
        "/renew" => given("access-9", "refresh-9"),
        _ => answer(404, &json!({})),
    })
    .await;
    let mut world = world(&api, &login.url, by_code());
    let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
    oauth.refresh = Some(text(&format!("{}/renew", login.url)));
    oauth.carry = Carry { header: "X-Shop-Token".into(), prefix: "shop ".into(), into: None };
    let kept = Kept::with(json!({ "refresh": "refresh-8" }));
    assert!(process(&world, &kept).perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!(api.only().header("authorization"), None);
}

/// What someone has connected meanwhile goes before what a late answer says.
#[tokio::test]
async fn a_refusal_that_comes_late_does_not_undo_what_someone_has_connected() {
    let api = api(&["by-hand"]).await;
    let kept = Kept::with(json!({ "access": "old", "until": 1, "refresh": "refresh-0" }));
    let person = Arc::clone(&kept);
    let login = Server::scripted(move |_| {
        person.put(&json!({ "access": "by-hand", "refresh": "refresh-7" }));
        answer(400, &json!({ "error": "invalid_grant" }))
    })
    .await;
    let world = world(&api, &login.url, by_code());
    assert!(process(&world, &kept).perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!(kept.json(), json!({ "access": "by-hand", "refresh": "refresh-7" }));
}

/// A system where one logs in: once, again when the login has ended or is refused, and without a credential.
#[tokio::test]
async fn a_login_is_made_once_and_again_when_it_has_ended() {
    let logins = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&logins);
    let system = Server::scripted(move |seen| match &*seen.uri {
        "/login" if seen.body.contains("right") => {
            assert_eq!(seen.header("x-session"), None);
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            answer(200, &json!({ "session": { "id": format!("session-{number}") } }))
        }
        "/login" => answer(403, &json!({ "message": format!("not {}", seen.body) })),
        // The second login does not hold for long.
        _ if seen.header("x-session") == Some("session-2") => answer(401, &json!({})),
        _ if seen.header("x-session").is_some() => answer(200, &json!({})),
        _ => answer(401, &json!({})),
    })
    .await;
    let world = |password: &str| {
        let mut world = World::reading(&system.url, Type::Json);
        let body = Body::Json(record([("user", slot(0)), ("password", slot(1))]));
        let params = fields([("user", Type::String), ("password", Type::String)]);
        let call = Call::Http(Box::new(post("/login", body)));
        let login = operation(params, Type::Json, Effect::Create, call);
        world.connector.operations.insert("login".into(), login);
        let session =
            Expr::Member { of: Box::new(Expr::Ambient(Ambient::Item)), name: "session".into(), null_safe: true };
        world.http().auth = Auth::Session(Box::new(Session {
            login: OperationCall { operation: "login".into(), args: vec![text("me"), text(password)] },
            token: Expr::Member { of: Box::new(session), name: "id".into(), null_safe: true },
            carry: Carry { header: "X-Session".into(), prefix: String::new(), into: None },
            lasts: Some(Millis::seconds(600)),
        }));
        world
    };
    let world_right = world("right");
    let clock = Arc::new(Hand(Mutex::new(0)));
    let process = world_right.connectors().with_clock(clock.clone());
    for (millis, expected) in [(0, 1), (500_000, 1), (600_000, 3), (700_000, 3)] {
        *clock.0.lock().unwrap() = millis;
        assert!(process.perform(world_right.invocation(vec![])).await.outcome.is_ok(), "at {millis}");
        assert_eq!(logins.load(Ordering::SeqCst), expected, "at {millis}");
    }
    for (into, sent) in [
        (Into::Query("session".into()), ("/thing?session=token%3Dsession-4", "")),
        (Into::Body("session".into()), ("/thing", r#"{"session":"token=session-6"}"#)),
        (Into::Within(vec!["auth".into(), "session".into()]), ("/thing", r#"{"auth":{"session":"token=session-8"}}"#)),
    ] {
        let mut elsewhere = world("right");
        let Auth::Session(session) = &mut elsewhere.http().auth else { panic!() };
        session.carry = Carry { header: "Authorization".into(), prefix: "token=".into(), into: Some(into) };
        // The system knows sessions in its header alone, so it is asked twice.
        assert_eq!(elsewhere.call(vec![]).await.outcome.unwrap_err().kind, ErrorKind::Unauthorized);
        let seen = system.seen();
        let [.., first, _, _] = seen.as_slice() else { panic!() };
        assert_eq!((first.uri.as_str(), first.body.as_str(), first.header("authorization")), (sent.0, sent.1, None));
    }
    let wrong = world("canary-9f3");
    let attempt = wrong.call(vec![]).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), attempt.reached), (ErrorKind::Forbidden, Reached::Never));
    assert!(failure.message.starts_with("the connection `sales` gets no token: "), "{failure}");
}

/// The server computes the signature anew from what it received (RFC 5849, section 3.2).
#[tokio::test]
async fn a_request_is_signed_over_its_query_and_form_with_oauth_1() {
    let server = Server::scripted(|seen| {
        let header = seen.header("authorization").unwrap().strip_prefix("OAuth ").unwrap();
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let mut params: Vec<(String, String)> = header
            .split(", ")
            .map(|part| part.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), decoded(value.trim_matches('"'))))
            .collect();
        let at = params.iter().position(|(name, _)| name == "oauth_signature").unwrap();
        let signature = params.remove(at).1;
        let url = Url::parse(&format!("http://{}{}", seen.header("host").unwrap(), seen.uri)).unwrap();
        params.extend(url.query_pairs().into_owned());
        params.extend(form_urlencoded::parse(seen.body.as_bytes()).into_owned());
        let encoded = |text: &str| {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
            let escape = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
            text.bytes().map(escape).collect::<String>()
        };
        let mut lines: Vec<String> =
            params.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        lines.sort();
        let address = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let base = format!("{}&{}&{}", seen.method, encoded(&address), encoded(&lines.join("&")));
        let mut mac = Hmac::<Sha1>::new_from_slice(format!("{}&token%20secret", encoded(CANARY)).as_bytes()).unwrap();
        mac.update(base.as_bytes());
        match signature == STANDARD.encode(mac.finalize().into_bytes()) {
            true => answer(200, &json!({})),
            false => answer(401, &json!({ "message": base })),
        }
    })
    .await;
    let mut world = World::reading(&server.url, Type::Json);
    world.http().auth = Auth::OAuth1(Box::new(OAuth1 {
        consumer_key: text("consumer 1"),
        consumer_secret: member(Ambient::Config, "token"),
        token: Some(text("token-1")),
        token_secret: Some(text("token secret")),
        signature: Signature::HmacSha1,
        realm: None,
    }));
    let mut request = post("/1.1/posts", Body::Form(record([("status", text("a + b & ü")), ("x", text(""))])));
    request.query = vec![("q".to_owned(), text("r b")), ("a".to_owned(), text("%")), ("a".to_owned(), text("&="))];
    let call = Call::Http(Box::new(request));
    world.declare(operation(IndexMap::new(), Type::Json, Effect::Create, call));
    for _ in 0..2 {
        let attempt = world.call(vec![]).await;
        assert!(attempt.outcome.is_ok(), "{:?}", attempt.outcome);
    }
    let nonces: Vec<_> = server.seen().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_ne!(nonces[0], nonces[1], "a number is used once");
}

#[tokio::test]
async fn a_request_is_signed_over_what_is_sent_with_sigv4() {
    let server = Server::json("{}").await;
    let mut world = World::reading(&server.url, Type::Json);
    world.http().auth = Auth::SigV4(Box::new(SigV4 {
        access_key_id: text("AKIDEXAMPLE"),
        secret_access_key: member(Ambient::Config, "token"),
        session_token: None,
        region: text("eu-west-1"),
        service: "execute-api".into(),
    }));
    let mut request = post("/a b", Body::Json(record([("n", text("ü"))])));
    request.query = vec![("z".to_owned(), text("a b+c")), ("a".to_owned(), text("1"))];
    let call = Call::Http(Box::new(request));
    world.declare(operation(IndexMap::new(), Type::Json, Effect::Create, call));
    let clock = Arc::new(Hand(Mutex::new(1_440_938_160_000)));
    let process = world.connectors().with_clock(clock);
    let attempt = process.perform(world.invocation(vec![])).await;
    assert!(attempt.outcome.is_ok(), "{:?}", attempt.outcome);
    let seen = server.only();
    assert_eq!(seen.uri, "/a%20b?a=1&z=a%20b%2Bc");
    assert_eq!(seen.header("x-amz-date"), Some("20150830T123600Z"));
    // Signed anew over what arrived, it is the same.
    let mut url = Url::parse(&format!("{}{}", server.url, seen.uri)).unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", seen.headers["content-type"].clone());
    let key = sigv4::Key {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: CANARY,
        session_token: None,
        region: "eu-west-1",
        service: "execute-api",
    };
    let now = flow_model::units::Instant(1_440_938_160_000);
    sigv4::sign(&key, &Method::POST, &mut url, &mut headers, &hex::encode(Sha256::digest(&seen.body)), now).unwrap();
    assert_eq!(seen.headers["authorization"], headers["authorization"]);
}

/// A scheme of the vendor's own, over what arrives; the second attempt has another time.
#[tokio::test]
async fn a_request_is_signed_over_what_is_sent_by_a_scheme_of_the_vendors_own() {
    let server = Server::scripted(|seen| {
        let message = format!("{}\n{}\n{}\n{}", seen.header("x-time").unwrap(), seen.method, seen.uri, seen.body);
        let mut mac = Hmac::<Sha256>::new_from_slice(CANARY.as_bytes()).unwrap();
        mac.update(message.as_bytes());
        let expected = format!("HMAC consumer-1:{}", STANDARD.encode(mac.finalize().into_bytes()));
        match seen.header("authorization") == Some(expected.as_str()) {
            true => answer(200, &json!({})),
            false => answer(401, &json!({ "message": message })),
        }
    })
    .await;
    let mut world = World::reading(&server.url, Type::Json);
    let fixed = |text: &str| RequestPart::Text(text.to_owned());
    let signed = [RequestPart::Timestamp, RequestPart::Method, RequestPart::Target, RequestPart::Body];
    world.http().auth = Auth::Signed(Box::new(OwnScheme {
        method: Proof::Hmac,
        hash: Hash::Sha256,
        secret: member(Ambient::Config, "token"),
        key: KeyForm::Text,
        derived: Vec::new(),
        encoding: DigestEncoding::Base64,
        place: Carrier::Header("Authorization".to_owned()),
        value: vec![fixed("HMAC "), RequestPart::Value(text("consumer-1")), fixed(":"), RequestPart::Signature],
        signed: signed.into_iter().flat_map(|part| [part, fixed("\n")]).take(7).collect(),
        timestamp: Some(Carrier::Header("X-Time".to_owned())),
        time: TimeForm::UnixMillis,
        nonce: None,
    }));
    let mut request = post("/a b", Body::Json(record([("n", text("ü"))])));
    request.query = vec![("z".to_owned(), text("a b+c")), ("a".to_owned(), text("%"))];
    world.declare(operation(IndexMap::new(), Type::Json, Effect::Create, Call::Http(Box::new(request))));
    for now in [1_440_938_160_000, 1_440_938_160_001] {
        let process = world.connectors().with_clock(Arc::new(Hand(Mutex::new(now))));
        let attempt = process.perform(world.invocation(vec![])).await;
        assert!(attempt.outcome.is_ok(), "{:?}", attempt.outcome);
    }
    let times: Vec<_> = server.seen().iter().map(|seen| seen.header("x-time").unwrap().to_owned()).collect();
    assert_eq!(times, ["1440938160000", "1440938160001"]);

    // What goes to another host that the system names is not signed.
    let elsewhere = Server::json("{}").await;
    let request = Request { whole_url: true, ..get(text(&format!("{}/file", elsewhere.url))) };
    world.http().hosts = vec!["127.0.0.1".into()];
    world.declare(operation(IndexMap::new(), Type::Json, Effect::Read, Call::Http(Box::new(request))));
    assert!(world.call(vec![]).await.outcome.is_ok());
    assert_eq!(elsewhere.only().header("authorization").or(elsewhere.only().header("x-time")), None);
}
