//! Tokens of connections: got once, kept before they are used, turned, refused, ended.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use flow_model::{
    expr::Ambient,
    failure::ErrorKind,
    schema::{Auth, Carry, Effect, ErrorCondition, Grant, OAuth, Pkce, SendClient, TokenAnswer},
    ty::Type,
    units::Instant,
};
use futures::future::join_all;
use serde_json::json;

use super::world::{CANARY, Raw, Seen, Server, World, member, raw, text};
use crate::{
    connector::{Attempt, Connectors, Performer as _, Reached, Tokens},
    secret::SecretText,
    timer::Clock,
};

/// The account of the connection `sales` of the connector `crm`.
pub(super) const ACCOUNT: &str = "crm sales";

/// Tokens in memory, as a disk keeps them: several processes of a test share it.
#[derive(Default)]
pub(super) struct Kept {
    texts: Mutex<BTreeMap<String, String>>,
    full: AtomicBool,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Kept {
    pub(super) fn with(json: serde_json::Value) -> Arc<Self> {
        let kept = Arc::new(Self::default());
        kept.put(&json);
        kept
    }

    pub(super) fn put(&self, json: &serde_json::Value) {
        self.texts.lock().unwrap().insert(ACCOUNT.to_owned(), json.to_string());
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.texts.lock().unwrap()[ACCOUNT]).unwrap()
    }
}

#[async_trait]
impl Tokens for Kept {
    fn get(&self, account: &str) -> Result<Option<SecretText>, String> {
        Ok(self.texts.lock().unwrap().get(account).map(|text| SecretText::new(text.as_str())))
    }

    fn set(&self, account: &str, text: &SecretText) -> Result<(), String> {
        if self.full.load(Ordering::SeqCst) {
            return Err("the disk is full".to_owned());
        }
        self.texts.lock().unwrap().insert(account.to_owned(), text.reveal().to_owned());
        Ok(())
    }

    async fn alone(&self, _account: &str) -> Result<Box<dyn Send>, String> {
        Ok(Box::new(Arc::clone(&self.lock).lock_owned().await))
    }
}

/// A clock that the test sets.
pub(super) struct Hand(pub(super) Mutex<i64>);

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Instant {
        Instant(*self.0.lock().unwrap())
    }

    async fn sleep_until(&self, _at: Instant) {
        std::future::pending().await
    }
}

pub(super) fn by_code() -> Grant {
    Grant::AuthorizationCode {
        authorize: text("https://login.invalid/authorize"),
        params: Vec::new(),
        more_params: Vec::new(),
        pkce: Pkce::S256,
    }
}

/// A connector at one server, whose tokens come from another.
pub(super) fn world(api: &Server, login: &str, grant: Grant) -> World {
    let mut world = World::reading(&api.url, Type::Json);
    world.http().auth = Auth::OAuth(Box::new(OAuth {
        grant,
        token: text(&format!("{login}/token")),
        refresh: None,
        id: Some(text("client:1")),
        secret: Some(member(Ambient::Config, "token")),
        send: SendClient::Basic,
        scopes: vec!["read".into(), "write".into()],
        separator: " ".into(),
        params: vec![("audience".into(), "crm".into())],
        more_params: Vec::new(),
        answer: TokenAnswer::default(),
        carry: Carry::default(),
    }));
    world
}

pub(super) fn process(world: &World, kept: &Arc<Kept>) -> Connectors {
    world.connectors().with_tokens(kept.clone())
}

/// Gives out `access-1` with `refresh-1`, `access-2` with `refresh-2`, …, for an hour.
pub(super) async fn login() -> Server {
    let count = AtomicUsize::new(0);
    Server::scripted(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        given(&format!("access-{number}"), &format!("refresh-{number}"))
    })
    .await
}

pub(super) fn answer(status: u16, body: &serde_json::Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body.to_string()).into_response()
}

pub(super) fn given(access: &str, refresh: &str) -> Response {
    answer(
        200,
        &json!({ "access_token": access, "refresh_token": refresh, "expires_in": 3600, "token_type": "Bearer" }),
    )
}

/// A server that takes these tokens alone.
pub(super) async fn api(taken: &'static [&'static str]) -> Server {
    Server::scripted(move |seen| {
        let token = seen.header("authorization").and_then(|header| header.strip_prefix("Bearer ")).unwrap();
        if taken.contains(&token) { answer(200, &json!({})) } else { answer(401, &json!({ "message": "expired" })) }
    })
    .await
}

pub(super) fn because_of(attempt: &Attempt) -> Option<&str> {
    attempt.parked.as_ref().map(|parked| parked.because.as_str())
}

pub(super) fn tokens(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.header("authorization").unwrap().trim_start_matches("Bearer ")).collect()
}

#[tokio::test]
async fn a_client_proves_itself_and_says_what_it_wants() {
    let (api, login) = (api(&["access-1"]).await, login().await);
    let mut world = world(&api, &login.url, Grant::ClientCredentials);
    assert!(world.call(vec![]).await.outcome.is_ok());
    let asked = login.only();
    // `client%3A1:canary%2F7f%2B3a+%22x%22`
    assert_eq!(asked.header("authorization"), Some("Basic Y2xpZW50JTNBMTpjYW5hcnklMkY3ZiUyQjNhKyUyMnglMjI="));
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read+write&audience=crm");
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));

    let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
    (oauth.send, oauth.scopes) = (SendClient::Body, vec![]);
    assert!(world.call(vec![]).await.outcome.is_err(), "the second token is not taken");
    let asked = &login.seen()[1];
    assert_eq!(asked.header("authorization"), None);
    assert_eq!(
        asked.body,
        "grant_type=client_credentials&audience=crm&client_id=client%3A1&client_secret=canary%2F7f%2B3a+%22x%22"
    );
}

#[tokio::test]
async fn case_21_fifty_calls_that_see_the_end_of_a_token_together_get_one_new_one() {
    let (api, login) = (api(&["access-1"]).await, login().await);
    let world = world(&api, &login.url, by_code());
    let kept = Kept::with(json!({ "access": "old", "until": 1, "refresh": "refresh-0" }));
    let process = process(&world, &kept);
    let all = join_all((0..50).map(|_| process.perform(world.invocation(vec![])))).await;
    assert!(all.iter().all(|attempt| attempt.outcome.is_ok()));
    assert_eq!(login.only().body, "grant_type=refresh_token&refresh_token=refresh-0&audience=crm");
    assert_eq!(tokens(&api.seen()), ["access-1"; 50]);
    // The same when the server says so, and not the clock.
    kept.put(&json!({ "access": "old", "refresh": "refresh-1" }));
    let process = self::process(&world, &kept);
    join_all((0..50).map(|_| process.perform(world.invocation(vec![])))).await;
    assert_eq!(login.seen().len(), 2);
}

#[tokio::test]
async fn case_21_a_new_token_is_on_disk_before_it_is_used_with_the_one_that_it_replaces() {
    let kept = Kept::with(json!({ "refresh": "refresh-0" }));
    let seen_on_disk = Arc::new(Mutex::new(None));
    let (disk, told) = (Arc::clone(&kept), Arc::clone(&seen_on_disk));
    let api = Server::scripted(move |_| {
        *told.lock().unwrap() = Some(disk.json());
        answer(200, &json!({}))
    })
    .await;
    let login = login().await;
    let world = world(&api, &login.url, by_code());
    assert!(process(&world, &kept).perform(world.invocation(vec![])).await.outcome.is_ok());
    let on_disk = seen_on_disk.lock().unwrap().take().unwrap();
    assert_eq!(on_disk["access"], "access-1");
    assert_eq!((&on_disk["refresh"], &on_disk["before"]), (&json!("refresh-1"), &json!("refresh-0")));
}

#[tokio::test]
async fn case_21_a_crash_between_receiving_and_keeping_a_token_uses_none_that_is_lost() {
    let (api, login) = (api(&["access-2"]).await, login().await);
    let world = world(&api, &login.url, by_code());
    let kept = Kept::with(json!({ "refresh": "refresh-0" }));
    kept.full.store(true, Ordering::SeqCst);
    let attempt = process(&world, &kept).perform(world.invocation(vec![])).await;
    assert_eq!((attempt.outcome.unwrap_err().kind, attempt.reached), (ErrorKind::Unavailable, Reached::Never));
    assert!(api.seen().is_empty(), "what is not on disk is not used");
    // The next process has the old one.
    kept.full.store(false, Ordering::SeqCst);
    assert!(process(&world, &kept).perform(world.invocation(vec![])).await.outcome.is_ok());
    assert!(login.seen().iter().all(|asked| asked.body.contains("refresh_token=refresh-0")));
}

#[tokio::test]
async fn case_21_the_old_refresh_token_is_tried_when_the_new_one_does_not_hold() {
    let api = api(&["access"]).await;
    let login = Server::scripted(|seen| match seen.body.contains("refresh_token=before") {
        true => given("access", "after"),
        false => answer(400, &json!({ "error": "invalid_grant" })),
    })
    .await;
    let world = world(&api, &login.url, by_code());
    let kept = Kept::with(json!({ "refresh": "new", "before": "before" }));
    assert!(process(&world, &kept).perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!((kept.json()["refresh"].clone(), login.seen().len()), (json!("after"), 2));
}

#[tokio::test]
async fn case_21_an_ended_grant_parks_the_calls_until_someone_connects_again() {
    let api = api(&["given-by-hand"]).await;
    let login = Server::scripted(|_| answer(400, &json!({ "error": "invalid_grant" }))).await;
    let world = world(&api, &login.url, by_code());
    let kept = Kept::with(json!({ "access": "old", "until": 1, "refresh": "refresh-0" }));
    let process = process(&world, &kept);
    let calls = join_all((0..10).map(|_| process.perform(world.invocation(vec![])))).await;
    for attempt in calls {
        let because = "the connection `sales` has to be connected again: run `flowc connect sales`";
        assert_eq!((because_of(&attempt), attempt.reached), (Some(because), Reached::Never));
    }
    assert_eq!((login.seen().len(), kept.json()["ended"].clone()), (1, json!(true)), "the server is asked once");
    let parked = process.parks(&world.invocation(vec![])).await;
    assert!(parked.is_some_and(|parked| parked.because.contains("flowc connect sales")));
    // Another process stores what a person has agreed to.
    kept.put(&json!({ "access": "given-by-hand", "refresh": "refresh-9" }));
    assert_eq!(process.parks(&world.invocation(vec![])).await, None);
    assert!(api.seen().is_empty(), "it has asked for no call");
    let attempt = process.perform(world.invocation(vec![])).await;
    assert!(attempt.outcome.is_ok() && attempt.parked.is_none());
    assert_eq!((login.seen().len(), tokens(&api.seen())), (1, vec!["given-by-hand"]));

    // One that was never connected waits too, and is not asked for.
    let kept = Arc::new(Kept::default());
    let attempt = self::process(&world, &kept).perform(world.invocation(vec![])).await;
    let because = "the connection `sales` is not connected yet: run `flowc connect sales`";
    assert_eq!((because_of(&attempt), login.seen().len()), (Some(because), 1));
}

#[tokio::test]
async fn case_21_a_refusal_by_the_system_means_that_the_token_has_ended_once() {
    for grant in [Grant::ClientCredentials, by_code()] {
        // The second token is taken, or none is.
        for (taken, calls) in [(["access-2"].as_slice(), 2), (&[], 2)] {
            let (api, login) = (api(if taken.is_empty() { &[] } else { &["access-2"] }).await, login().await);
            let mut world = world(&api, &login.url, grant.clone());
            let op = world.connector.operations["op"].clone();
            world.declare(flow_model::schema::Operation { effect: Effect::Create, ..op });
            let kept = Kept::with(json!({ "refresh": "refresh-0" }));
            let attempt = process(&world, &kept).perform(world.invocation(vec![])).await;
            assert_eq!(attempt.outcome.is_ok(), !taken.is_empty(), "{:?}", attempt.outcome);
            assert_eq!(tokens(&api.seen()), ["access-1", "access-2"][..calls]);
            if let Err(failure) = attempt.outcome {
                assert_eq!(failure.kind, ErrorKind::Unauthorized);
            }
        }
    }
    // 403, and an error within a 200, where the connector says that they mean it.
    for (status, condition) in
        [(403, ErrorCondition::Status(403)), (200, ErrorCondition::When(member(Ambient::Body, "expired")))]
    {
        let api = Server::scripted(move |seen| match seen.header("authorization") {
            Some("Bearer access-2") => answer(200, &json!({ "expired": false })),
            _ => answer(status, &json!({ "expired": true })),
        })
        .await;
        let login = login().await;
        let mut world = world(&api, &login.url, Grant::ClientCredentials);
        world.connector.errors.rules.push((condition, ErrorKind::Unauthorized));
        assert!(world.call(vec![]).await.outcome.is_ok(), "{status}");
        assert_eq!(tokens(&api.seen()), ["access-1", "access-2"]);
    }
}

#[tokio::test]
async fn case_21_a_token_is_given_up_a_minute_before_its_end() {
    let (api, login) = (api(&["access-1", "access-2"]).await, login().await);
    let world = world(&api, &login.url, Grant::ClientCredentials);
    let clock = Arc::new(Hand(Mutex::new(0)));
    let process = world.connectors().with_clock(clock.clone());
    for (millis, token) in [(0, "access-1"), (3_539_999, "access-1"), (3_540_000, "access-2")] {
        *clock.0.lock().unwrap() = millis;
        assert!(process.perform(world.invocation(vec![])).await.outcome.is_ok());
        assert_eq!(tokens(&api.seen()).pop(), Some(token), "at {millis}");
    }
}

#[tokio::test]
async fn case_21_a_call_that_is_given_up_loses_no_token() {
    let (open, opened) = tokio::sync::watch::channel(false);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, mut was_asked) = tokio::sync::mpsc::channel(9);
    let router = axum::Router::new().fallback(move || {
        let (mut opened, asked) = (opened.clone(), asked.clone());
        async move {
            asked.send(()).await.unwrap();
            opened.wait_for(|open| *open).await.unwrap();
            given("access-1", "refresh-1")
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let api = api(&["access-1"]).await;
    let world = world(&api, &url, by_code());
    let kept = Kept::with(json!({ "refresh": "refresh-0" }));
    let process = process(&world, &kept);
    tokio::select! {
        _ = process.perform(world.invocation(vec![])) => panic!("the server has not answered"),
        _ = was_asked.recv() => {}
    }
    open.send(true).unwrap();
    assert!(process.perform(world.invocation(vec![])).await.outcome.is_ok());
    assert!(was_asked.try_recv().is_err(), "the first request has brought the token");
    assert_eq!(kept.json()["refresh"], "refresh-1");
}

#[tokio::test]
async fn what_a_server_of_tokens_says_is_told_without_what_is_secret() {
    let form = "access_token=access-1&expires_in=3600&token_type=bearer";
    let echo = json!({ "error": "invalid_client", "error_description": format!("no such pair: client {CANARY}") });
    for (status, body, expected) in [
        (200, form.to_owned(), Ok(())),
        (200, json!({ "access_token": "access-1", "expires_in": "3600" }).to_string(), Ok(())),
        (
            200,
            json!({ "ok": false, "error": "bad_client" }).to_string(),
            Err((ErrorKind::Unauthorized, "200 OK: `bad_client`")),
        ),
        (200, "{}".to_owned(), Err((ErrorKind::Unauthorized, "200 OK, and there is no token in it"))),
        (401, echo.to_string(), Err((ErrorKind::Unauthorized, "no such pair: client <secret crm/token>"))),
        (503, String::new(), Err((ErrorKind::Unavailable, "503 Service Unavailable"))),
        (429, String::new(), Err((ErrorKind::RateLimited, "429 Too Many Requests"))),
    ] {
        let login =
            Server::scripted(move |_| (StatusCode::from_u16(status).unwrap(), body.clone()).into_response()).await;
        let api = api(&["access-1"]).await;
        let attempt = world(&api, &login.url, Grant::ClientCredentials).call(vec![]).await;
        match (attempt.outcome, expected) {
            (Ok(_), Ok(())) => {}
            (Err(failure), Err((kind, told))) => {
                assert_eq!((&failure.kind, attempt.reached), (&kind, Reached::Never), "{failure}");
                assert!(failure.message.ends_with(told), "{failure}");
                assert!(failure.message.starts_with("the connection `sales` gets no token: "), "{failure}");
                assert!(api.seen().is_empty() && !format!("{failure:?}").contains("canary"));
            }
            (outcome, expected) => panic!("{outcome:?} in the place of {expected:?}"),
        }
    }
    // Away, and a redirect, which is never followed with what gives access.
    let api = api(&[]).await;
    let away = raw(Raw::Write(Vec::new())).await;
    let failure = world(&api, &away, Grant::ClientCredentials).call(vec![]).await.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    let redirects = Server::saying(307, &[("location", "/elsewhere")], "").await;
    let failure = world(&api, &redirects.url, Grant::ClientCredentials).call(vec![]).await.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Forbidden, "{failure}");
    redirects.only();
}

#[tokio::test]
async fn a_token_that_a_system_repeats_is_taken_out_of_what_it_says() {
    let api = Server::scripted(|seen| answer(400, &json!({ "message": seen.header("authorization") }))).await;
    let login = Server::scripted(|_| given("canary-access-7f3a", "canary-refresh-9")).await;
    let failure = world(&api, &login.url, Grant::ClientCredentials).call(vec![]).await.outcome.unwrap_err();
    assert!(
        failure.message.contains("Bearer <secret sales/token>") && !failure.message.contains("canary"),
        "{failure}"
    );
}
