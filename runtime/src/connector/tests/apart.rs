//! Connections of the same name: what belongs to one system never reaches another, whether two programs name them alike or
//! one is loaded again with other settings.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use flow_model::{
    expr::{Ambient, Expr},
    failure::ErrorKind,
    plan::Breaker,
    schema::{Assertion, Auth, Body, Call, Carry, Effect, Grant, Limit, OperationCall, Rate, Session},
    ty::Type,
    units::Millis,
    value::Value,
};
use indexmap::IndexMap;
use serde_json::json;

use super::{
    accounts::{Kept, answer, because_of, by_code, given, process, tokens, world},
    world::{Known, Server, World, operation, post, text},
};
use crate::{
    connector::{Admission, Asking, Connectors, NativeTable, Performer as _, Standing, Terms},
    eval::Library,
};

const PEM: &str = include_str!("../sign/vectors/rfc7515_a2.pem");

/// A system that takes whatever token it gets.
async fn system() -> Server {
    Server::scripted(|_| answer(200, &json!({}))).await
}

/// Gives out `PREFIX-1`, `PREFIX-2`, …
async fn tokens_of(prefix: &'static str) -> Server {
    let count = AtomicUsize::new(0);
    Server::scripted(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        given(&format!("{prefix}-{number}"), "refresh")
    })
    .await
}

fn claim() -> Grant {
    Grant::JwtBearer(Box::new(Assertion {
        issuer: Some(text("client-1")),
        subject: None,
        audience: None,
        key: text(PEM),
        key_id: None,
        algorithm: None,
        claims: Vec::new(),
        lasts: Millis::seconds(180),
    }))
}

/// Calls both twice, in turns, over one process.
async fn in_turns(connectors: &Connectors, one: &World, other: &World) {
    for world in [one, other, one, other] {
        let attempt = connectors.perform(world.invocation(vec![])).await;
        assert!(attempt.outcome.is_ok(), "{:?}", attempt.outcome);
    }
}

#[tokio::test]
async fn programs_that_name_connections_alike_have_tokens_of_their_own() {
    for grant in [Grant::ClientCredentials, claim()] {
        let (first, second) = (system().await, system().await);
        let (login, other_login) = (tokens_of("first").await, tokens_of("second").await);
        let one = world(&first, &login.url, grant.clone());
        let other = world(&second, &other_login.url, grant);
        in_turns(&one.connectors(), &one, &other).await;
        assert_eq!(tokens(&first.seen()), ["first-1"; 2]);
        assert_eq!(tokens(&second.seen()), ["second-1"; 2]);
    }
}

#[tokio::test]
async fn a_program_that_is_loaded_again_with_another_system_takes_no_token_along() {
    let (before, after, login) = (system().await, system().await, tokens_of("token").await);
    let mut world = world(&before, &login.url, Grant::ClientCredentials);
    let connectors = world.connectors();
    assert!(connectors.perform(world.invocation(vec![])).await.outcome.is_ok());
    world.config.insert("base_url".into(), text(&after.url));
    assert!(connectors.perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!((tokens(&before.seen()), tokens(&after.seen())), (vec!["token-1"], vec!["token-2"]));
    // Another client at the same system is another account too, and so is the base that the connector declares.
    let Auth::OAuth(oauth) = &mut world.http().auth else { panic!() };
    oauth.id = Some(text("client:2"));
    assert!(connectors.perform(world.invocation(vec![])).await.outcome.is_ok());
    world.config.clear();
    world.http().base = text(&before.url);
    assert!(connectors.perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!(tokens(&after.seen()), ["token-2", "token-3"]);
    assert_eq!(tokens(&before.seen()), ["token-1", "token-4"]);
}

#[tokio::test]
async fn a_secret_with_another_text_gets_a_token_of_its_own() {
    let (system, login) = (system().await, tokens_of("token").await);
    let world = world(&system, &login.url, Grant::ClientCredentials);
    let turned = Arc::new(Turned(AtomicUsize::new(0)));
    let connectors = Connectors::new(
        Library::new(&[]),
        Arc::new(std::collections::BTreeMap::new()),
        turned.clone(),
        NativeTable::new(),
    )
    .with_guard(world.guard.clone());
    for _ in 0..2 {
        assert!(connectors.perform(world.invocation(vec![])).await.outcome.is_ok());
    }
    turned.0.store(1, Ordering::SeqCst);
    assert!(connectors.perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!(tokens(&system.seen()), ["token-1", "token-1", "token-2"]);
}

/// A secret that is changed while the process runs.
struct Turned(AtomicUsize);

impl crate::secret::Secrets for Turned {
    fn get(&self, name: &str) -> Option<crate::secret::SecretText> {
        let text = ["before", "after"][self.0.load(Ordering::SeqCst)];
        Known([("crm/token", text)].into()).get(name)
    }
}

#[tokio::test]
async fn a_login_at_one_system_is_no_login_at_another() {
    let logs_in = |session: &'static str| {
        Server::scripted(move |seen| match &*seen.uri {
            "/login" => answer(200, &json!({ "session": session })),
            _ => answer(200, &json!({})),
        })
    };
    let (first, second) = (logs_in("first").await, logs_in("second").await);
    let at = |url: &str| {
        let mut world = World::reading(url, Type::Json);
        let call = Call::Http(Box::new(post("/login", Body::None)));
        world.connector.operations.insert("login".into(), operation(IndexMap::new(), Type::Json, Effect::Create, call));
        world.http().auth = Auth::Session(Box::new(Session {
            login: OperationCall { operation: "login".into(), args: Vec::new() },
            token: Expr::Member { of: Box::new(Expr::Ambient(Ambient::Item)), name: "session".into(), null_safe: true },
            carry: Carry { header: "X-Session".into(), prefix: String::new(), into: None },
            lasts: None,
        }));
        world
    };
    let (one, other) = (at(&first.url), at(&second.url));
    in_turns(&one.connectors(), &one, &other).await;
    for (server, session) in [(&first, "first"), (&second, "second")] {
        let carried: Vec<_> = server.seen().iter().map(|seen| seen.header("x-session").map(str::to_owned)).collect();
        assert_eq!(carried, [None, Some(session.to_owned()), Some(session.to_owned())]);
    }
}

/// What lies on disk is found by name, and says for which system it was given out.
#[tokio::test]
async fn what_a_person_has_agreed_to_for_one_system_waits_when_the_connection_reaches_another() {
    let (before, after, login) = (system().await, system().await, tokens_of("token").await);
    let kept = Kept::with(json!({ "refresh": "refresh-0" }));
    let mut world = world(&before, &login.url, by_code());
    assert!(process(&world, &kept).perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!(kept.json()["origin"], before.url, "what does not say for which system is taken, and says so then");
    world.config.insert("base_url".into(), text(&after.url));
    // In the process that has used it, and in the next one.
    let used = process(&world, &kept);
    for connectors in [&used, &process(&world, &kept)] {
        let attempt = connectors.perform(world.invocation(vec![])).await;
        let because = "the connection `sales` was connected by another client or to another system, and has to be \
                       connected again: run `flowc connect sales`";
        assert_eq!(because_of(&attempt), Some(because));
        assert_eq!(connectors.standing(&Arc::new(world.plan()), "sales"), Ok(Standing::NotConnected));
    }
    assert!(after.seen().is_empty() && login.seen().len() == 1);
    // Back at the first, it holds.
    world.config.insert("base_url".into(), text(&before.url));
    assert!(process(&world, &kept).perform(world.invocation(vec![])).await.outcome.is_ok());
}

#[tokio::test]
async fn an_account_of_its_own_that_is_no_longer_named_gets_no_token() {
    let (general, own, login) = (system().await, system().await, tokens_of("token").await);
    let origin = general.url.clone();
    let kept = Kept::with(json!({ "access": "access", "refresh": "r", "base": own.url, "origin": origin }));
    let mut world = world(&general, &login.url, by_code());
    world.config.clear();
    world.http().base = text(&general.url);
    world.http().hosts = vec!["*.example.com".into()];
    let failure = process(&world, &kept).perform(world.invocation(vec![])).await.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Invalid);
    assert!(failure.message.contains("which the connector does not name in `hosts`"), "{failure}");
    assert!(own.seen().is_empty() && general.seen().is_empty());
    world.http().hosts = vec!["127.0.0.1".into()];
    assert!(process(&world, &kept).perform(world.invocation(vec![])).await.outcome.is_ok());
    assert_eq!(tokens(&own.seen()), ["access"]);
}

#[tokio::test]
async fn a_limit_and_a_breaker_belong_to_a_system_and_not_to_a_name() {
    let (works, fails) = (system().await, Server::saying(502, &[], "").await);
    let limited = |server: &Server| {
        let mut world = World::reading(&server.url, Type::Json);
        world.http().limits = vec![Limit::Moving(Rate { count: 1, period: Millis::seconds(60) })];
        world
    };
    let (one, other) = (limited(&works), limited(&fails));
    let connectors = one.connectors();
    let opens_at = Rate { count: 1, period: Millis::seconds(60) };
    let breaker = Some(Breaker { opens_at, half_open_after: Millis::seconds(30) });
    let leaves = |world: &World, ticket: &str, breaker| {
        let (invocation, terms) = (world.invocation(vec![]), Terms { breaker, budget: None });
        let asking = Asking { invocation: &invocation, ticket, attempt: 1, terms };
        matches!(connectors.admit(&asking), Admission::Now(_))
    };
    assert_eq!([leaves(&other, "a", breaker), leaves(&other, "b", None)], [true, false]);
    assert!(connectors.perform(other.invocation(vec![])).await.outcome.is_err());
    assert_eq!(
        [leaves(&other, "c", breaker), leaves(&one, "d", breaker), leaves(&one, "e", None)],
        [false, true, false]
    );
    // The same settings are the same account, whichever program has them.
    assert!(!leaves(&limited(&works), "f", None));
    let mut named = limited(&works);
    named.config.insert("base_url".into(), Expr::Literal(Value::text(format!("{}/", works.url))));
    assert!(leaves(&named, "g", None), "another text is taken for another system");
}
