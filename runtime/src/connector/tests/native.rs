//! Native operations: what they are given, and what becomes of what they return.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use flow_model::{
    expr::Expr,
    failure::{ErrorKind, Failure},
    plan::Breaker,
    schema::{Call, Effect, Operation},
    ty::Type,
    units::Millis,
    value::Value,
};
use serde_json::json;

use super::{
    accounts::{self, Kept, by_code, login, process},
    limits::{NOW, seconds},
    world::{CANARY, Server, World, fields, operation},
};
use crate::{
    connector::{
        Admission, Admitted, Asking, Attempt, Invocation, NativeCall, NativeFailure, NativeOperation, NativeTable,
        Performer as _, Reached, Terms,
    },
    timer::hands::Hands,
};

/// What the code of the test does, by its argument.
struct Code;

#[async_trait]
impl NativeOperation for Code {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        match call.text("what")? {
            "show" => {
                assert_eq!(call.config("token"), &Value::Secret("crm/token".into()));
                assert_eq!(call.secret("token")?.reveal(), CANARY);
                assert_eq!(call.bytes("what")?, b"show");
                assert_eq!((call.arg("none"), call.config("none")), (&Value::Null, &Value::Null));
                assert_eq!(call.timeout(), Millis::seconds(20));
                Ok(Value::record([("id", Value::text(call.key())), ("more", Value::Null)]))
            }
            "misfit" => Ok(Value::record([("id", Value::Int(1))])),
            "leak" => Err(Failure::new(ErrorKind::Rejected, format!("bad {CANARY}")).into()),
            "slow" => {
                let failure = Failure::new(ErrorKind::RateLimited, "slow down");
                Err(NativeFailure { retry_after: Some(Millis::seconds(30)), ..failure.into() })
            }
            "away" => Err(NativeFailure::never(Failure::new(ErrorKind::Unavailable, "away"))),
            "panic" => panic!("a mistake"),
            _ => std::future::pending().await,
        }
    }
}

fn world() -> World {
    let mut world = World::at("http://127.0.0.1:1");
    let result = Type::Record(fields([("id", Type::String)]));
    world.declare(operation(fields([("what", Type::String)]), result, Effect::Create, Call::Native));
    world.native = NativeTable::new().with("crm", "op", Code);
    world
}

#[tokio::test]
async fn code_is_given_settings_secrets_arguments_and_the_key() {
    let attempt = world().call(vec![Value::text("show")]).await;
    assert_eq!(attempt.outcome, Ok(Value::record([("id", Value::text("key-1"))])));
}

#[tokio::test(start_paused = true)]
async fn whatever_code_does_ends_as_an_attempt() {
    for (what, kind, reached, message) in [
        ("misfit", ErrorKind::Mismatch, Reached::Answered, "`id` should be a string and is the number 1"),
        ("leak", ErrorKind::Rejected, Reached::Answered, "bad <secret crm/token>"),
        ("away", ErrorKind::Unavailable, Reached::Never, "away"),
        ("panic", ErrorKind::Unavailable, Reached::Perhaps, "has a mistake and stopped"),
        ("hang", ErrorKind::Timeout, Reached::Perhaps, "did not end within 20s"),
    ] {
        let attempt = world().call(vec![Value::text(what)]).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind, attempt.reached), (kind, reached), "{what}");
        assert!(failure.message.ends_with(message), "{}", failure.message);
    }
}

#[tokio::test]
async fn an_error_that_is_not_declared_is_a_mismatch() {
    let ended = async |fails: &[ErrorKind], what: &str| {
        let mut world = world();
        let op = operation(fields([("what", Type::String)]), Type::Null, Effect::Create, Call::Native);
        world.declare(Operation { fails: Some(fails.to_vec()), ..op });
        let attempt = world.call(vec![Value::text(what)]).await;
        (attempt.reached, attempt.outcome.unwrap_err())
    };
    let (reached, failure) = ended(&[ErrorKind::Conflict], "leak").await;
    assert_eq!((reached, failure.kind), (Reached::Answered, ErrorKind::Mismatch));
    assert_eq!(failure.message, "`crm` ended with `Rejected`, which it does not declare: bad <secret crm/token>");
    assert_eq!(ended(&[ErrorKind::Rejected], "leak").await.1.kind, ErrorKind::Rejected);
    assert_eq!(ended(&[], "away").await, (Reached::Never, Failure::new(ErrorKind::Unavailable, "away")));
}

#[tokio::test]
async fn an_operation_without_code_and_a_missing_secret_are_named() {
    let mut without = world();
    without.native = NativeTable::new();
    let attempt = without.call(vec![Value::text("show")]).await;
    assert_eq!(attempt.reached, Reached::Never);
    assert!(attempt.outcome.unwrap_err().message.contains("`crm.op`"));

    let mut unset = world();
    unset.config.insert("token".into(), Expr::Literal(Value::Secret("crm/other".into())));
    let attempt = unset.call(vec![Value::text("show")]).await;
    assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::Unauthorized);
}

/// Says whether one more call may leave after so many that had no answer.
async fn leaves_after_failures(native: NativeTable, terms: Terms) -> bool {
    let connectors = World { native, ..world() }.connectors();
    let call = |ticket: &str| {
        let admitted = Some(Admitted { ticket: ticket.to_owned(), attempt: 1, terms, account: None });
        Invocation { admitted, ..world().invocation(vec![Value::text("panic")]) }
    };
    let may_leave = |ticket: &str| {
        let invocation = &call(ticket);
        matches!(connectors.admit(&Asking { invocation, ticket, attempt: 1, terms }), Admission::Now(_))
    };
    for number in 0..Breaker::standard().opens_at.count {
        let ticket = number.to_string();
        assert!(may_leave(&ticket), "{number}");
        assert!(connectors.perform(call(&ticket)).await.outcome.is_err());
    }
    may_leave("last")
}

#[tokio::test]
async fn what_works_on_this_machine_alone_has_a_breaker_only_where_a_policy_names_one() {
    let (of_a_system, of_this_machine) = (world().native, world().native.local("crm"));
    let named = Terms { breaker: Some(Breaker::standard()), budget: None };
    assert!(!leaves_after_failures(of_a_system, Terms::default()).await);
    assert!(leaves_after_failures(of_this_machine.clone(), Terms::default()).await);
    assert!(!leaves_after_failures(of_this_machine, named).await);
}

#[tokio::test]
async fn a_system_that_refuses_a_native_call_for_their_number_is_left_alone_by_all() {
    let clock = Hands::at(NOW);
    let connectors = world().connectors().with_clock(clock.clone());
    let next = || {
        let invocation = &world().invocation(vec![Value::text("show")]);
        match connectors.admit(&Asking { invocation, ticket: "next", attempt: 1, terms: Terms::default() }) {
            Admission::At { at, because, .. } => Some((at, because)),
            Admission::Now(_) | Admission::Later(_) => None,
        }
    };
    let call = |what: &str| connectors.perform(world().invocation(vec![Value::text(what)]));
    assert!(call("leak").await.outcome.is_err());
    assert_eq!(next(), None, "it has refused one call");
    let Attempt { outcome, retry_after, .. } = call("slow").await;
    assert_eq!((outcome.unwrap_err().kind, retry_after), (ErrorKind::RateLimited, Some(Millis::seconds(30))));
    assert_eq!(next(), Some((seconds(30), "`sales` asks to wait".to_owned())));
    clock.set(seconds(30));
    assert_eq!(next(), None);
}

/// Code that shows its token to a system which takes some tokens alone. Another process stores a token of its own after the
/// first was refused.
struct Shows {
    taken: &'static [&'static str],
    refused: fn(Failure) -> NativeFailure,
    kept: Arc<Kept>,
    shown: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl NativeOperation for Shows {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let token = call.token().unwrap().reveal().to_owned();
        if token == "mine" {
            self.kept.put(&json!({ "access": "theirs", "refresh": "refresh-0" }));
        }
        self.shown.lock().unwrap().push(token.clone());
        if self.taken.contains(&token.as_str()) {
            return Ok(Value::Null);
        }
        Err((self.refused)(Failure::new(ErrorKind::Unauthorized, "it has ended")))
    }
}

#[tokio::test]
async fn case_21_code_whose_token_is_refused_is_called_with_that_of_another_process_and_then_with_a_new_one() {
    let answered: fn(Failure) -> NativeFailure = NativeFailure::from;
    for (taken, refused, shown, renewals) in [
        (["theirs"].as_slice(), answered, vec!["mine", "theirs"], 0),
        (&["access-1"], answered, vec!["mine", "theirs", "access-1"], 1),
        // It lets nobody in.
        (&[], answered, vec!["mine", "theirs", "access-1"], 1),
        // What may have been done is not done again.
        (&["theirs"], NativeFailure::perhaps, vec!["mine"], 0),
    ] {
        let (api, login) = (Server::json("{}").await, login().await);
        let mut world = accounts::world(&api, &login.url, by_code());
        let op = operation(fields([]), Type::Null, Effect::Create, Call::Native);
        world.declare(Operation { fails: Some(vec![ErrorKind::Unauthorized]), ..op });
        let kept = Kept::with(json!({ "access": "mine", "refresh": "refresh-0" }));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let code = Shows { taken, refused, kept: Arc::clone(&kept), shown: Arc::clone(&seen) };
        world.native = NativeTable::new().with("crm", "op", code);
        let attempt = process(&world, &kept).perform(world.invocation(vec![])).await;
        assert_eq!(*seen.lock().unwrap(), shown);
        assert_eq!(login.seen().len(), renewals);
        assert_eq!(
            attempt.outcome.is_ok(),
            taken.contains(&seen.lock().unwrap().last().unwrap().as_str()),
            "{attempt:?}"
        );
        if let Err(failure) = attempt.outcome {
            assert_eq!(failure.kind, ErrorKind::Unauthorized);
        }
        assert!(api.seen().is_empty());
    }
}
