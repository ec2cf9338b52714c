//! Redirects: where they lead, what goes along, and what is refused. The names of the test are looked up by the test.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::response::{IntoResponse as _, Response};
use flow_model::{
    expr::Ambient,
    failure::{ErrorKind, Failure},
    schema::{Auth, Body, Call, Effect, KeySource, Limit, Operation, Request},
    ty::Type,
    units::{Instant, Millis},
    value::Value,
};
use indexmap::IndexMap;

use super::{
    limits::{NOW, rate, seconds},
    world::{CANARY, Raw, Seen, Server, World, get, member, operation, post, raw, record, text},
};
use crate::{
    connector::{Admission, Admitted, Asking, Attempt, Invocation, Performer as _, Reached, Terms},
    egress::{Guard, Lookup, Networks},
    timer::{Clock as _, hands::Hands},
};

/// A name server: each name with the answers that it gives in turn, the last one from then on.
struct Names(Mutex<BTreeMap<&'static str, Vec<&'static str>>>);

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        let answers = names.get_mut(name).ok_or_else(|| std::io::Error::other("no such name"))?;
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        Ok(vec![answer.parse().unwrap()])
    }
}

/// A guard that reaches the test's servers at 127.0.0.1, and nothing else of this machine.
fn guard(names: &[(&'static str, &[&'static str])]) -> Guard {
    let names = names.iter().map(|(name, answers)| (*name, answers.to_vec())).collect();
    Guard::with_lookup(Networks::listed(["127.0.0.1"]).unwrap(), Arc::new(Names(Mutex::new(names))))
}

const HERE: &[&str] = &["127.0.0.1"];

fn redirect(status: u16, location: &str) -> Response {
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    (status, [("location", location.to_owned())], "").into_response()
}

fn port(server: &Server) -> &str {
    server.url.rsplit(':').next().unwrap()
}

/// A server whose path `/thing` redirects to what is given, and that answers `{"ok":true}` under any other.
async fn redirecting(status: u16, location: impl Into<String>) -> Server {
    let location = location.into();
    Server::scripted(move |seen| {
        if seen.uri.starts_with("/thing") {
            redirect(status, &location)
        } else {
            ([("content-type", "application/json")], r#"{"ok":true}"#).into_response()
        }
    })
    .await
}

/// A world whose connection is at the server, by the name `crm.example`, and whose connector names `*.files.example`.
fn world(server: &Server, request: Request, effect: Effect) -> World {
    let mut world = World::at(&format!("http://crm.example:{}", port(server)));
    world.http().hosts = vec!["*.files.example".into()];
    world.guard = guard(&[("crm.example", HERE), ("eu.files.example", HERE), ("evil.example", HERE)]);
    world.declare(operation(IndexMap::new(), Type::Json, effect, Call::Http(Box::new(request))));
    world
}

async fn called(server: &Server, request: Request, effect: Effect) -> Attempt {
    world(server, request, effect).call(vec![]).await
}

fn refusal(attempt: Attempt) -> (Failure, Reached) {
    (attempt.outcome.unwrap_err(), attempt.reached)
}

fn form() -> Request {
    post("/thing", Body::Form(record([("a", text("1"))])))
}

fn brief(seen: &Seen) -> String {
    format!("{} {} {}", seen.method, seen.uri, seen.body).trim_end().to_owned()
}

#[tokio::test]
async fn methods_and_bodies_follow_as_the_status_says() {
    let put = || Request { method: "PUT".into(), ..form() };
    let delete = || Request { method: "DELETE".into(), ..get(text("/thing")) };
    let head = || Request { method: "HEAD".into(), ..get(text("/thing")) };
    for (status, request, follows) in [
        (301, get(text("/thing")), "GET /new"),
        (302, get(text("/thing")), "GET /new"),
        (307, get(text("/thing")), "GET /new"),
        (308, get(text("/thing")), "GET /new"),
        (303, head(), "HEAD /new"),
        (301, form(), "GET /new"),
        (302, form(), "GET /new"),
        (303, form(), "GET /new"),
        (307, form(), "POST /new a=1"),
        (308, form(), "POST /new a=1"),
        (302, put(), "PUT /new a=1"),
        (303, put(), "GET /new"),
        (301, delete(), "DELETE /new"),
        (303, delete(), "GET /new"),
    ] {
        let server = redirecting(status, "/new").await;
        let (method, has_body) = (request.method.clone(), follows.ends_with("a=1"));
        let attempt = called(&server, request, Effect::Idempotent).await;
        assert!(method == "HEAD" || attempt.outcome.is_ok(), "{status} {method}: {:?}", attempt.outcome);
        let seen = server.seen();
        assert_eq!(brief(&seen[1]), follows, "{status} {method}");
        assert_eq!(seen[1].header("content-type").is_some(), has_body, "{status} {method}");
        assert_eq!(seen[1].header("authorization"), seen[0].header("authorization"), "the same origin");
    }
}

#[tokio::test]
async fn an_answer_without_a_place_to_follow_to_is_the_answer() {
    for (status, told) in [(302, "does not say where to"), (300, "300 Multiple Choices"), (304, "304 Not Modified")] {
        let server = Server::saying(status, if status == 302 { &[] } else { &[("location", "/new")] }, "").await;
        let (failure, reached) = refusal(called(&server, get(text("/thing")), Effect::Read).await);
        assert_eq!((&failure.kind, reached), (&ErrorKind::Invalid, Reached::Answered));
        assert!(failure.message.contains(told), "{failure}");
        server.only();
    }
}

#[tokio::test]
async fn a_circle_and_a_long_way_end() {
    let circle = Server::scripted(|seen| redirect(302, if seen.uri == "/thing" { "/b#x" } else { "/thing" })).await;
    let (failure, _) = refusal(called(&circle, get(text("/thing")), Effect::Read).await);
    assert!(failure.message.ends_with("redirects in a circle"), "{failure}");
    assert_eq!(circle.seen().len(), 2);

    let long = Server::scripted(|seen| redirect(307, &format!("{}x", seen.uri))).await;
    let (failure, reached) = refusal(called(&long, form(), Effect::Create).await);
    assert_eq!(failure.message, "the call was redirected more than 10 times");
    assert_eq!((failure.kind, reached), (ErrorKind::Invalid, Reached::Answered));
    assert_eq!(long.seen().len(), 11);
}

#[tokio::test]
async fn what_may_have_been_done_before_the_redirect_counts_as_perhaps_done() {
    // 303 says: done, see there. The rest of the way can fail in any manner, and the call stays perhaps done.
    let gone = Server::scripted(|seen| if seen.method == "POST" { redirect(303, "/new") } else { no_page() }).await;
    let refused = redirecting(303, "http://evil.example/").await;
    let dead =
        redirecting(303, format!("{}/", raw(Raw::Write(Vec::new())).await.replace("127.0.0.1", "eu.files.example")));
    for (server, follows) in [(gone, 2), (refused, 1), (dead.await, 1)] {
        let attempt = called(&server, form(), Effect::Create).await;
        assert!(attempt.outcome.is_err());
        assert_eq!((attempt.reached, server.seen().len()), (Reached::Perhaps, follows));
    }
    // 307 says: not here. What can't be reached there was not done.
    let nowhere = redirecting(307, "http://eu.files.example:1/").await;
    let (failure, reached) = refusal(called(&nowhere, form(), Effect::Create).await);
    assert_eq!((failure.kind, reached), (ErrorKind::Unavailable, Reached::Never));
}

fn no_page() -> Response {
    axum::http::StatusCode::NOT_FOUND.into_response()
}

#[tokio::test]
async fn a_post_does_not_turn_into_a_get_of_what_has_moved() {
    for status in [301, 302] {
        let server = redirecting(status, "http://eu.files.example/thing").await;
        let (failure, reached) = refusal(called(&server, form(), Effect::Create).await);
        assert_eq!((&failure.kind, reached), (&ErrorKind::Invalid, Reached::Answered));
        assert_eq!(
            failure.message,
            format!(
                "`crm.example:{}` redirects to `eu.files.example` with the status {status}, which would turn `POST` into \
                 `GET`: set `base_url` to where the system is now",
                port(&server)
            )
        );
    }
}

#[tokio::test]
async fn case_13_a_credential_stays_with_its_origin() {
    let token = || member(Ambient::Config, "token");
    for auth in [
        Auth::Bearer(token()),
        Auth::Basic(text("me"), token()),
        Auth::Header(text("X-Api-Key"), token()),
        Auth::Query("api_key".into(), token()),
    ] {
        let other = Server::json(r#"{"ok":true}"#).await;
        let server = redirecting(307, format!("http://eu.files.example:{}/got", port(&other))).await;
        let mut request = get(text("/thing"));
        request.headers = vec![("X-Session".into(), token()), ("X-Trace".into(), text("t-1"))];
        let mut world = world(&server, request, Effect::Read);
        world.http().auth = auth;
        world.http().headers = vec![("Crm-Version".into(), text("7"))];
        let attempt = world.call(vec![]).await;
        assert!(attempt.outcome.is_ok(), "{:?}", attempt.outcome);
        assert_eq!(server.only().header("x-session"), Some(CANARY));
        let seen = other.only();
        assert_eq!(
            (seen.uri.as_str(), seen.header("x-trace"), seen.header("crm-version")),
            ("/got", Some("t-1"), Some("7"))
        );
        let names: Vec<&str> = seen.headers.keys().map(http::HeaderName::as_str).collect();
        for gone in ["authorization", "x-api-key", "x-session", "cookie", "referer"] {
            assert!(!names.contains(&gone), "{names:?}");
        }
        assert!(!format!("{seen:?}").contains("canary"));
    }
}

#[tokio::test]
async fn case_13_a_secret_in_a_body_or_a_location_goes_to_no_other_origin() {
    let with_secret = || post("/thing", Body::Json(record([("key", member(Ambient::Config, "token"))])));
    let other = Server::json("{}").await;
    let away = format!("http://eu.files.example:{}/got", port(&other));
    let echoed = Server::scripted({
        let away = away.clone();
        move |seen| redirect(302, &format!("{away}?{}", seen.uri.split_once('?').unwrap().1))
    })
    .await;
    let mut echoing = world(&echoed, get(text("/thing")), Effect::Read);
    echoing.http().auth = Auth::Query("api_key".into(), member(Ambient::Config, "token"));
    let body = world(&redirecting(308, away).await, with_secret(), Effect::Idempotent);
    for world in [echoing, body] {
        let (failure, reached) = refusal(world.call(vec![]).await);
        assert_eq!((&failure.kind, reached), (&ErrorKind::Forbidden, Reached::Answered));
        assert!(failure.message.ends_with("the request holds a secret that may not go there"), "{failure}");
        assert!(!format!("{failure:?}").contains("canary"), "{failure}");
    }
    assert!(other.seen().is_empty());

    // Within its origin it is sent again, with its key.
    let server = redirecting(308, "/new").await;
    let mut world = world(&server, with_secret(), Effect::Create);
    let keyed = Operation {
        key: Some(KeySource::Header("Idempotency-Key".into())),
        ..world.connector.operations["op"].clone()
    };
    world.declare(keyed);
    assert!(world.call(vec![]).await.outcome.is_ok());
    let seen = server.seen();
    assert_eq!((seen[1].header("idempotency-key"), &seen[1].body), (Some("key-1"), &seen[0].body));
    assert_eq!(seen[1].header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
}

#[tokio::test]
async fn case_12_a_redirect_leads_to_no_other_host_and_no_other_network() {
    for (location, told) in [
        ("http://evil.example/", "the program does not name the host `evil.example`"),
        ("//evil.example/", "the program does not name the host `evil.example`"),
        // A Cyrillic letter in the place of a Latin one.
        ("http://xn--rm-dmc.example/", "the program does not name the host `xn--rm-dmc.example`"),
        ("http://files.example/", "the program does not name the host `files.example`"),
        ("http://eu.files.example.evil.example/", "the program does not name the host"),
        ("http://169.254.169.254/latest/meta-data/", "`169.254.169.254` is a cloud's metadata service"),
        ("http://0xa9.0xfe.0xa9.0xfe/", "`169.254.169.254` is a cloud's metadata service"),
        ("http://2130706434/", "`127.0.0.2` is this machine (loopback)"),
        ("http://0177.0.0.2/", "`127.0.0.2` is this machine (loopback)"),
        ("http://[::ffff:10.0.0.1]/", "is a private network"),
        ("http://[fd00:ec2::254]/", "is a cloud's metadata service"),
        ("http://[::1]/", "is this machine (loopback)"),
        ("http://0/", "is this machine (loopback)"),
        // The address is one that is listed, but no host that the program names.
        ("http://127.0.0.1/", "the program does not name the host `127.0.0.1`"),
        ("http://crm.example@evil.example/", "what stands before `@` is often taken for the host"),
        ("http://crm.example:x@127.0.0.1/", "what stands before `@` is often taken for the host"),
        ("file:///etc/passwd", "`file:` is no way to reach a server"),
        ("gopher://crm.example/", "`gopher:` is no way to reach a server"),
        ("http://", "does not say to where in a form that reads"),
        ("http://[", "does not say to where in a form that reads"),
    ] {
        let server = redirecting(302, location).await;
        let (failure, reached) = refusal(called(&server, get(text("/thing")), Effect::Read).await);
        assert!(failure.message.contains(told), "{location}: {failure}");
        assert!(failure.message.starts_with(&format!("`crm.example:{}` redirects", port(&server))), "{failure}");
        assert!(matches!(failure.kind, ErrorKind::Forbidden | ErrorKind::Invalid), "{failure}");
        assert_eq!(reached, Reached::Answered, "{location}");
        server.only();
    }
}

#[tokio::test]
async fn case_12_a_name_that_is_bound_anew_between_two_hops_gains_nothing() {
    // The first hop is answered at 127.0.0.1, which is listed; for the second the name has become another address.
    for (second, rule) in [("127.0.0.2", "this machine"), ("169.254.169.254", "metadata"), ("10.0.0.1", "a private")] {
        let other = Server::json("{}").await;
        let server = redirecting(307, format!("http://crm.example:{}/new", port(&other))).await;
        let mut world = world(&server, form(), Effect::Create);
        world.guard = guard(&[("crm.example", &["127.0.0.1", second])]);
        let (failure, reached) = refusal(world.call(vec![]).await);
        assert_eq!((&failure.kind, reached), (&ErrorKind::Forbidden, Reached::Never), "{failure}");
        assert!(failure.message.contains(rule), "{failure}");
        assert!(other.seen().is_empty());
    }
    // A name that the program names, and that leads inside.
    let server = redirecting(302, "http://eu.files.example/").await;
    let mut world = world(&server, get(text("/thing")), Effect::Read);
    world.guard = guard(&[("crm.example", HERE), ("eu.files.example", &["192.168.0.1"])]);
    let (failure, _) = refusal(world.call(vec![]).await);
    assert!(failure.message.contains("`eu.files.example` is a private network"), "{failure}");
}

#[tokio::test]
async fn the_answer_of_the_last_hop_is_the_result() {
    let other = Server::json(r#"{"id":7}"#).await;
    let server = redirecting(302, format!("http://eu.files.example:{}/signed?sig=x", port(&other))).await;
    let attempt = called(&server, get(text("/thing")), Effect::Read).await;
    assert_eq!(attempt.outcome, Ok(Value::record([("id", Value::Int(7))])));
    assert_eq!(other.only().uri, "/signed?sig=x");
}

/// What becomes of a call that is redirected, of which one request may leave in 10 seconds; when each came, in seconds; and
/// when the next call may leave.
async fn limited(location: &str, timeout: Millis) -> (Attempt, Vec<(String, u64)>, u64) {
    let (clock, came) = (Hands::at(NOW), Arc::new(Mutex::new(Vec::new())));
    let (time, all) = (clock.clone(), Arc::clone(&came));
    let location = location.to_owned();
    let server = Server::scripted(move |seen| {
        all.lock().unwrap().push((seen.uri.clone(), time.now().since(NOW).0 / 1000));
        let port = seen.header("host").and_then(|host| host.split_once(':')).map_or("", |(_, port)| port);
        match &*seen.uri {
            "/thing" => redirect(307, &location.replace("PORT", port)),
            _ => ([("content-type", "application/json")], "{}").into_response(),
        }
    })
    .await;
    let mut world = world(&server, get(text("/thing")), Effect::Read);
    world.http().limits = vec![Limit::Moving(rate(1, 10)), Limit::Concurrent(1)];
    world.timeout = timeout;
    let (connectors, terms) = (world.connectors().with_clock(clock.clone()), Terms::default());
    let call = |ticket: &str| {
        let admitted = Some(Admitted { ticket: ticket.to_owned(), attempt: 1, terms, account: None });
        Invocation { admitted, ..world.invocation(vec![]) }
    };
    let admit = |ticket| connectors.admit(&Asking { invocation: &call(ticket), ticket, attempt: 1, terms });
    assert!(matches!(admit("first"), Admission::Now(_)));
    let turn = async {
        clock.slept_until(seconds(10)).await;
        clock.set(seconds(10));
        std::future::pending::<()>().await;
    };
    let attempt = tokio::select! {
        attempt = connectors.perform(call("first")) => attempt,
        () = turn => unreachable!("it never ends"),
    };
    let Admission::At { at: Instant(next), .. } = admit("second") else { panic!("one has left within the time") };
    let came = came.lock().unwrap().clone();
    (attempt, came, Instant(next).since(NOW).0 / 1000)
}

#[tokio::test]
async fn case_25_a_hop_to_the_system_waits_for_its_turn_and_one_to_elsewhere_counts_for_nothing() {
    let came = |to: &str, at: u64| vec![("/thing".to_owned(), 0), (to.to_owned(), at)];
    let (attempt, seen, next) = limited("/new", Millis::seconds(30)).await;
    assert_eq!((attempt.outcome, seen, next), (Ok(Value::record([])), came("/new", 10), 20));

    let (attempt, seen, next) = limited("http://eu.files.example:PORT/signed", Millis::seconds(30)).await;
    assert_eq!((attempt.outcome, seen, next), (Ok(Value::record([])), came("/signed", 0), 10));
}

#[tokio::test]
async fn a_hop_whose_turn_comes_too_late_is_not_made() {
    let (attempt, seen, _) = limited("/new", Millis::seconds(5)).await;
    let (failure, reached) = refusal(attempt);
    assert_eq!((&failure.kind, reached), (&ErrorKind::RateLimited, Reached::Answered));
    let told =
        "and the limit of `sales` is used up: the request there may leave in 10s, and the call has to end within 5s";
    assert!(failure.message.contains(told), "{failure}");
    assert_eq!(seen, [("/thing".to_owned(), 0)]);
}
