//! What goes wrong on the way, and whether the call can have taken effect.

use flow_model::{
    failure::ErrorKind,
    schema::{ErrorCondition, Limit, Rate},
    ty::Type,
    units::Millis,
};
use tokio::net::TcpListener;

use super::world::{Raw, Server, World, raw};
use crate::connector::{Admission, Asking, Invocation, Performer as _, Reached, Terms};

#[tokio::test]
async fn a_refused_connection_has_never_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut world = World::reading(&format!("http://{address}"), Type::Json);
    let attempt = world.call(vec![]).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind, attempt.reached), (ErrorKind::Unavailable, Reached::Never));
    assert_eq!(failure.message, format!("`{address}` can't be reached: connection refused"));

    world.connector.errors.rules.push((ErrorCondition::Connection, ErrorKind::Declared("crm.Down".into())));
    assert_eq!(world.call(vec![]).await.outcome.unwrap_err().kind, ErrorKind::Declared("crm.Down".into()));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_has_never_left() {
    let attempt = World::reading("http://does-not-exist.invalid", Type::Json).call(vec![]).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind, attempt.reached), (ErrorKind::Unavailable, Reached::Never), "{}", failure.message);
}

#[tokio::test]
async fn a_server_that_says_nothing_runs_into_the_timeout() {
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{", "HTTP/1.1 200 OK\r\nx: "] {
        let url = raw(Raw::Hold(begun.into())).await;
        let mut world = World::reading(&url, Type::Json);
        world.timeout = Millis(60);
        let attempt = world.call(vec![]).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind, attempt.reached), (ErrorKind::Timeout, Reached::Perhaps), "{begun}");
        assert!(failure.message.ends_with("did not answer within 60ms"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_refusal_counts_though_its_body_is_lost() {
    let head = "HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\n\r\n{";
    for behaviour in [Raw::Write(head.into()), Raw::Hold(head.into())] {
        let mut world = World::reading(&raw(behaviour).await, Type::Json);
        world.timeout = Millis(500);
        let attempt = world.call(vec![]).await;
        assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::Forbidden);
        assert_eq!(attempt.reached, Reached::Answered);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_lost() {
    for broken in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":1",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n",
        "garbage\r\n\r\n",
    ] {
        let attempt = World::reading(&raw(Raw::Write(broken.into())).await, Type::Json).call(vec![]).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind, attempt.reached), (ErrorKind::Unavailable, Reached::Perhaps), "{broken}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let long = format!("\"{}\"", "0".repeat(5000));
    let declared = format!("HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n{long}");
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n138a\r\n{long}\r\n");
    for behaviour in [Raw::Hold(declared.into()), Raw::Hold(chunked.into()), Raw::Write(bomb())] {
        let mut world = World::reading(&raw(behaviour).await, Type::String);
        world.longest = 1000;
        let attempt = world.call(vec![]).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind, attempt.reached), (ErrorKind::Mismatch, Reached::Answered));
        assert!(failure.message.ends_with("it is longer than 1000 bytes"), "{}", failure.message);
    }
}

/// 100,002 bytes that gzip writes as 135.
pub(super) fn bomb() -> Vec<u8> {
    let body = hex::decode(concat!(
        "1f8b0800000000000203edc1b10000000002309708f2a74ba3635b0a0000000000000000000000000000000000000000",
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        "00000000000000000000000000000000000000000000000000000000dcca0046a589aea2860100",
    ))
    .unwrap();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend(body);
    answer
}

#[tokio::test]
async fn all_runs_of_a_connection_share_its_limit() {
    let server = Server::json("{}").await;
    let mut world = World::reading(&server.url, Type::Json);
    world.http().limits = vec![Limit::Moving(Rate { count: 2, period: Millis::seconds(3600) })];
    let connectors = world.connectors();
    let admits = |invocation: &Invocation, ticket: &str| {
        let asking = Asking { invocation, ticket, attempt: 1, terms: Terms::default() };
        matches!(connectors.admit(&asking), Admission::Now(_))
    };
    for ticket in ["a", "b"] {
        let invocation = world.invocation(vec![]);
        assert!(admits(&invocation, ticket));
        assert!(connectors.perform(invocation).await.outcome.is_ok());
    }
    let third = world.invocation(vec![]);
    assert!(!admits(&third, "c"));
    let mut plan = world.plan();
    plan.connections.insert("other".to_owned(), plan.connections["sales"].clone());
    let other = Invocation { connection: "other".into(), plan: std::sync::Arc::new(plan), ..third };
    assert!(admits(&other, "d"));
    assert_eq!(server.seen().len(), 2);
}
