//! Persons who agree: by a browser that comes back, and by a code entered elsewhere. The server of tokens checks what the
//! standards ask of a client, and refuses what they refuse.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flow_model::{
    expr::Expr,
    schema::{Auth, Grant, Pkce, SendClient},
    units::Instant,
    value::Value,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

use super::{
    accounts::{Kept, answer, by_code, process, tokens, world},
    world::{Seen, Server, World, text},
};
use crate::{
    connector::{Connecting, Connectors, Performer as _, Standing},
    timer::Clock,
};

/// The fields of a form or a query.
fn pairs(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// Where the browser goes back, and the challenge, by code.
type Begun = BTreeMap<String, (String, Option<String>)>;

/// A server that gives `code-1` to who comes to `/authorize`, and takes it once, from who has begun.
struct Authority {
    server: Server,
    /// What was asked for, by code: where the browser goes back, and the challenge.
    begun: Arc<Mutex<Begun>>,
}

impl Authority {
    async fn new() -> Self {
        let begun = Arc::<Mutex<Begun>>::default();
        let codes = Arc::clone(&begun);
        let server = Server::scripted(move |seen| token(seen, &codes)).await;
        Self { server, begun }
    }

    /// A person agrees: gives where the browser is sent.
    fn agree(&self, url: &Url) -> Url {
        let asked = pairs(url.query().unwrap());
        assert_eq!((&*asked["response_type"], &*asked["client_id"]), ("code", "client:1"));
        let challenge = asked.get("code_challenge").cloned();
        assert_eq!(asked.get("code_challenge_method").map(String::as_str), challenge.as_ref().map(|_| "S256"));
        let mut back: Url = asked["redirect_uri"].parse().unwrap();
        self.begun.lock().unwrap().insert("code-1".into(), (asked["redirect_uri"].clone(), challenge));
        back.query_pairs_mut().append_pair("code", "code-1").append_pair("state", &asked["state"]);
        back
    }
}

fn token(seen: &Seen, codes: &Mutex<Begun>) -> Response {
    let form = pairs(&seen.body);
    let refused = |error: &str| answer(400, &json!({ "error": error }));
    if form.get("grant_type").map(String::as_str) != Some("authorization_code") {
        return refused("unsupported_grant_type");
    }
    let Some((redirect, challenge)) = codes.lock().unwrap().remove(&form["code"]) else {
        return refused("invalid_grant");
    };
    let proved = form.get("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    if form["redirect_uri"] != redirect || proved != challenge {
        return refused("invalid_grant");
    }
    answer(200, &json!({ "access_token": "access", "refresh_token": "refresh", "expires_in": 3600, "scope": "read" }))
}

fn redirect() -> Url {
    "http://127.0.0.1:4712/callback".parse().unwrap()
}

async fn begin<'c>(connectors: &'c Connectors, world: &World, redirect: Url) -> Connecting<'c> {
    connectors.connecting(&Arc::new(world.plan()), "sales", redirect, &["files".to_owned()]).await.unwrap()
}

/// A code that has come back is exchanged with the proof that the one who ends it is the one who began.
#[tokio::test]
async fn a_person_who_agrees_connects_and_calls_go_with_the_token() {
    let (authority, api) = (Authority::new().await, super::accounts::api(&["access"]).await);
    for pkce in [Pkce::S256, Pkce::None] {
        let grant = Grant::AuthorizationCode {
            authorize: text("https://login.example/authorize"),
            params: vec![("access_type".into(), "offline".into())],
            more_params: vec![("account".into(), text("4711")), ("none".into(), Expr::Literal(Value::Null))],
            pkce,
        };
        let world = world(&api, &authority.server.url, grant);
        let kept = Arc::new(Kept::default());
        let process = process(&world, &kept);
        assert_eq!(process.standing(&Arc::new(world.plan()), "sales"), Ok(Standing::NotConnected));
        let Connecting::Code(by_code) = begin(&process, &world, redirect()).await else { panic!() };
        let asked = pairs(by_code.url().query().unwrap());
        assert_eq!((&*asked["scope"], &*asked["access_type"]), ("read write files", "offline"));
        assert_eq!(
            (&*asked["account"], asked.contains_key("none")),
            ("4711", false),
            "of settings, those that are set"
        );
        assert_eq!(asked.contains_key("code_challenge"), pkce == Pkce::S256);

        let connected = by_code.finish(&authority.agree(by_code.url())).await.unwrap();
        assert!(connected.renews && connected.until.is_some());
        assert_eq!(connected.missing, ["write", "files"], "what was asked for and not given is told");
        assert_eq!((&kept.json()["access"], &kept.json()["refresh"]), (&json!("access"), &json!("refresh")));
        assert!(matches!(
            process.standing(&Arc::new(world.plan()), "sales"),
            Ok(Standing::Connected { renews: true, until: Some(_) })
        ));
        assert!(process.perform(world.invocation(vec![])).await.outcome.is_ok());
    }
    assert_eq!(tokens(&api.seen()), ["access", "access"]);
}

#[tokio::test]
async fn what_comes_back_from_elsewhere_or_with_a_refusal_connects_nothing() {
    let (authority, api) = (Authority::new().await, super::accounts::api(&[]).await);
    let world = world(&api, &authority.server.url, by_code());
    let kept = Arc::new(Kept::default());
    let process = process(&world, &kept);
    let Connecting::Code(by_code) = begin(&process, &world, redirect()).await else { panic!() };
    let good = authority.agree(by_code.url());
    let state = pairs(good.query().unwrap())["state"].clone();
    for (query, told) in [
        ("code=code-1".to_owned(), "its `state` is not ours"),
        ("code=code-1&state=other".to_owned(), "its `state` is not ours"),
        (format!("error=access_denied&error_description=No&state={state}"), "refused: `access_denied`: No"),
        (format!("state={state}"), "without a `code`"),
        (format!("code=stolen&state={state}"), "does not take the code"),
    ] {
        let mut arrived = redirect();
        arrived.set_query(Some(&query));
        let failure = by_code.finish(&arrived).await.unwrap_err();
        assert!(failure.message.contains(told), "{failure}");
    }
    // Another who has the code and not the verifier.
    let Connecting::Code(other) = begin(&process, &world, redirect()).await else { panic!() };
    authority.agree(by_code.url());
    let mut arrived = redirect();
    let state = pairs(other.url().query().unwrap())["state"].clone();
    arrived.set_query(Some(&format!("code=code-1&state={state}")));
    assert!(other.finish(&arrived).await.is_err());
    assert_eq!(process.standing(&Arc::new(world.plan()), "sales"), Ok(Standing::NotConnected));
}

#[tokio::test]
async fn a_browser_comes_back_to_this_machine_and_is_told_what_came_of_it() {
    let (authority, api) = (Authority::new().await, super::accounts::api(&[]).await);
    let world = world(&api, &authority.server.url, by_code());
    let kept = Arc::new(Kept::default());
    let process = process(&world, &kept);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redirect: Url = format!("http://{}/callback", listener.local_addr().unwrap()).parse().unwrap();
    let Connecting::Code(by_code) = begin(&process, &world, redirect.clone()).await else { panic!() };
    let browser = reqwest::Client::new();
    let visit = async |url: Url| {
        let answer = browser.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let person = async {
        // Others on the machine, and a page that was sent by someone else, end nothing.
        let (status, page) = visit(redirect.join("/favicon.ico").unwrap()).await;
        assert!(status == 404 && page.contains("nothing here"), "{page}");
        let (status, page) = visit(format!("{redirect}?code=evil&state=<script>").parse().unwrap()).await;
        assert!(status == 400 && page.contains("Not connected") && !page.contains("<script>"), "{page}");
        visit(authority.agree(by_code.url())).await
    };
    let (connected, (status, page)) = tokio::join!(by_code.listen(listener), person);
    assert!(connected.is_ok() && status == 200 && page.contains("Connected"), "{page}");
    assert_eq!(kept.json()["access"], "access");
}

/// A clock that is at once where it is waited for.
struct Ahead(Mutex<i64>);

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> Instant {
        Instant(*self.0.lock().unwrap())
    }

    async fn sleep_until(&self, at: Instant) {
        *self.0.lock().unwrap() = at.0;
    }
}

/// RFC 8628: the code is shown, the server is asked as often as it lets itself be asked, and no longer than it holds.
#[tokio::test]
async fn a_person_enters_a_code_elsewhere_and_the_server_is_asked_at_its_pace() {
    let clock = Arc::new(Ahead(Mutex::new(0)));
    for (script, expected, at) in [
        (&["authorization_pending", "slow_down", "authorization_pending", ""][..], Ok(()), 5 + 5 + 10 + 10),
        (&["access_denied"], Err("`access_denied`"), 5),
        (&["expired_token"], Err("`expired_token`"), 5),
        (&[], Err("nobody has entered the code in time"), 60),
    ] {
        *clock.0.lock().unwrap() = 0;
        let asked = Mutex::new(script.iter());
        let login = Server::scripted(move |seen| match &*seen.uri {
            "/device" => answer(
                200,
                &json!({
                    "device_code": "device-1", "user_code": "WDJB-MJHT", "verification_uri": "https://login.example/device",
                    "verification_uri_complete": "https://login.example/device?c=WDJB-MJHT", "expires_in": 60, "interval": 5,
                }),
            ),
            _ => match asked.lock().unwrap().next() {
                Some(&"") => answer(200, &json!({ "access_token": "access", "refresh_token": "refresh" })),
                Some(error) => answer(400, &json!({ "error": error })),
                None => answer(400, &json!({ "error": "authorization_pending" })),
            },
        })
        .await;
        let api = super::accounts::api(&["access"]).await;
        let mut world = world(&api, &login.url, Grant::DeviceCode { device: text(&format!("{}/device", login.url)) });
        let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
        (oauth.secret, oauth.send) = (None, SendClient::Body);
        let kept = Arc::new(Kept::default());
        let process = process(&world, &kept).with_clock(clock.clone());
        let Connecting::Device(device) = begin(&process, &world, redirect()).await else { panic!() };
        assert_eq!((&*device.url, &*device.code), ("https://login.example/device", "WDJB-MJHT"));
        assert_eq!(device.whole_url.as_deref(), Some("https://login.example/device?c=WDJB-MJHT"));
        let ended = device.wait().await;
        assert_eq!(*clock.0.lock().unwrap(), at * 1000, "{ended:?}");
        match expected {
            Ok(()) => {
                assert!(ended.is_ok() && process.perform(world.invocation(vec![])).await.outcome.is_ok(), "{ended:?}");
                let seen = login.seen();
                assert_eq!(pairs(&seen[0].body)["scope"], "read write files");
                let form = pairs(&seen[1].body);
                assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
                assert_eq!((&*form["device_code"], &*form["client_id"]), ("device-1", "client:1"));
            }
            Err(told) => assert!(ended.unwrap_err().message.contains(told)),
        }
    }
}

#[tokio::test]
async fn tokens_that_were_given_to_another_client_are_not_used() {
    let (authority, api) = (Authority::new().await, super::accounts::api(&["access"]).await);
    let mut world = world(&api, &authority.server.url, by_code());
    let kept = Arc::new(Kept::default());
    {
        let process = process(&world, &kept);
        let Connecting::Code(by_code) = begin(&process, &world, redirect()).await else { panic!() };
        by_code.finish(&authority.agree(by_code.url())).await.unwrap();
    }
    let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
    oauth.id = Some(text("client:2"));
    let process = process(&world, &kept);
    assert_eq!(process.standing(&Arc::new(world.plan()), "sales"), Ok(Standing::NotConnected));
    assert!(process.perform(world.invocation(vec![])).await.parked.is_some());
    assert!(api.seen().is_empty());
}
