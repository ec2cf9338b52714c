//! A secret goes out in its request and comes back nowhere.

use axum::{http::StatusCode, response::IntoResponse as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{expr::Expr, failure::ErrorKind, ty::Type, value::Value};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::world::{CANARY, Server, World};
use crate::connector::Reached;

/// Every way in which a server may hand the credential back.
fn echoes(authorization: &str) -> Vec<String> {
    let token = authorization.trim_start_matches("Bearer ");
    vec![
        authorization.to_owned(),
        STANDARD.encode(token),
        STANDARD.encode(authorization),
        utf8_percent_encode(token, NON_ALPHANUMERIC).to_string(),
        url::form_urlencoded::byte_serialize(token.as_bytes()).collect(),
        serde_json::to_string(token).unwrap(),
        hex::encode(token),
    ]
}

#[tokio::test]
async fn a_server_that_repeats_the_credential_does_not_spread_it() {
    let forms = echoes(&format!("Bearer {CANARY}"));
    for status in [StatusCode::OK, StatusCode::UNAUTHORIZED] {
        let server = Server::scripted(move |seen| {
            let echoes = echoes(seen.header("authorization").unwrap());
            let all = echoes.join(" | ");
            let body = serde_json::json!({ "message": all, "code": echoes[0], "list": echoes, echoes[0].clone(): 1 });
            (status, body.to_string()).into_response()
        })
        .await;
        let attempt = World::reading(&server.url, Type::Json).call(vec![]).await;
        let shown = match &attempt.outcome {
            Ok(value) => format!("{value} {value:?}"),
            Err(failure) => format!("{failure} {failure:?}"),
        };
        for form in &forms {
            assert!(!shown.contains(form.as_str()), "{form} in {shown}");
        }
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("<secret crm/token>"), "{shown}");
        assert_eq!(server.only().header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    }
}

#[tokio::test]
async fn a_secret_that_is_not_set_is_named_and_nothing_is_sent() {
    let server = Server::json("{}").await;
    let mut world = World::reading(&server.url, Type::Json);
    world.config.insert("token".into(), Expr::Literal(Value::Secret("crm/other".into())));
    let attempt = world.call(vec![]).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind, attempt.reached), (ErrorKind::Unauthorized, Reached::Never));
    assert!(failure.message.contains("`crm/other` is not set"), "{}", failure.message);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_secret_with_a_line_break_is_refused_without_being_shown() {
    let server = Server::json("{}").await;
    let mut world = World::reading(&server.url, Type::Json);
    world.http().auth = flow_model::schema::Auth::Bearer(super::world::template(
        "a\n",
        vec![(super::world::member(flow_model::expr::Ambient::Config, "token"), "")],
    ));
    let attempt = world.call(vec![]).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), attempt.reached), (ErrorKind::Invalid, Reached::Never));
    assert!(!format!("{failure:?}").contains("canary"));
    assert!(server.seen().is_empty());
}
