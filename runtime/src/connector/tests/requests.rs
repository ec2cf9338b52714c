//! What is sent, and what never leaves.

use flow_model::{
    expr::{Ambient, Expr},
    failure::ErrorKind,
    schema::{Auth, Body, Call, Effect, KeySource},
    ty::Type,
    value::Value,
};
use indexmap::IndexMap;

use super::world::{CANARY, Server, World, fields, get, member, operation, post, record, slot, template, text};
use crate::connector::{Performer as _, Reached};

fn http(request: flow_model::schema::Request) -> Call {
    Call::Http(Box::new(request))
}

#[tokio::test]
async fn a_request_is_built_as_declared() {
    let server = Server::json(r#"{"id":"c1"}"#).await;
    let mut world = World::at(&format!("{}/api/", server.url));
    let mut request = post(
        "",
        Body::Json(record([
            ("email", slot(0)),
            ("phone", slot(1)),
            ("inner", record([("note", slot(1)), ("none", Expr::Literal(Value::Null))])),
        ])),
    );
    request.path = template("/v1/contacts/", vec![(slot(0), "/notes")]);
    request.query = vec![("id".into(), slot(2)), ("none".into(), slot(1)), ("q".into(), text("a&b=c ü"))];
    request.headers = vec![("X-Trace".into(), template("t-", vec![(slot(0), "")])), ("X-None".into(), slot(1))];
    let params =
        fields([("email", Type::String), ("phone", Type::String.optional()), ("ids", Type::List(Box::new(Type::Int)))]);
    let result = Type::Record(fields([("id", Type::String)]));
    world.declare(flow_model::schema::Operation {
        key: Some(KeySource::Header("Idempotency-Key".into())),
        ..operation(params, result, Effect::Create, http(request))
    });
    world.http().headers = vec![("Crm-Version".into(), text("2024-04-10"))];

    let ids = Value::List(vec![Value::Int(1), Value::Int(2)]);
    let attempt = world.call(vec![Value::text("a/b@c.de"), Value::Null, ids]).await;

    assert_eq!(attempt.outcome, Ok(Value::record([("id", Value::text("c1"))])));
    assert_eq!((attempt.reached, attempt.retry_after), (Reached::Answered, None));
    let seen = server.only();
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.uri, "/api/v1/contacts/a%2Fb%40c.de/notes?id=1&id=2&q=a%26b%3Dc+%C3%BC");
    assert_eq!(seen.body, r#"{"email":"a/b@c.de","inner":{"none":null}}"#);
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("idempotency-key"), Some("key-1"));
    assert_eq!(seen.header("crm-version"), Some("2024-04-10"));
    assert_eq!(seen.header("x-trace"), Some("t-a/b@c.de"));
    assert_eq!(seen.header("x-none"), None);
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
}

#[tokio::test]
async fn a_form_is_nested_and_can_carry_the_key() {
    let server = Server::json("{}").await;
    let mut world = World::at(&server.url);
    let request =
        post("/refunds", Body::Form(record([("amount", slot(0)), ("metadata", slot(1)), ("reason", slot(2))])));
    let params = fields([("amount", Type::Int), ("metadata", Type::Json), ("reason", Type::String.optional())]);
    world.declare(flow_model::schema::Operation {
        key: Some(KeySource::Field("request_id".into())),
        ..operation(params, Type::Null, Effect::Create, http(request))
    });
    let metadata = Value::record([("user", Value::text("ü&1")), ("none", Value::Null)]);
    let attempt = world.call(vec![Value::Int(500), metadata, Value::Null]).await;
    assert_eq!(attempt.outcome, Ok(Value::Null));
    let seen = server.only();
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.body, "amount=500&metadata%5Buser%5D=%C3%BC%261&request_id=key-1");
}

#[tokio::test]
async fn a_trace_goes_along_unless_the_declaration_has_its_own() {
    let told = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (declared, expected) in [(None, told), (Some("mine"), "mine")] {
        let server = Server::json("{}").await;
        let mut world = World::reading(&server.url, Type::Json);
        world.http().headers = declared.map(|own| ("Traceparent".to_owned(), text(own))).into_iter().collect();
        let invocation = world.invocation(vec![]);
        let invocation = crate::connector::Invocation { traceparent: Some(told.to_owned()), ..invocation };
        assert!(world.connectors().perform(invocation).await.outcome.is_ok());
        assert_eq!(server.only().header("traceparent"), Some(expected));
    }
}

#[tokio::test]
async fn each_way_to_carry_the_credential_works() {
    let token = || member(Ambient::Config, "token");
    for (auth, header, expected) in [
        (Auth::None, "authorization", None),
        (Auth::Basic(text("me"), token()), "authorization", Some("Basic bWU6Y2FuYXJ5LzdmKzNhICJ4Ig==".to_owned())),
        (Auth::Header(text("X-Api-Key"), token()), "x-api-key", Some(CANARY.to_owned())),
        (
            Auth::Header(text("Authorization"), template("Token ", vec![(token(), "")])),
            "authorization",
            Some(format!("Token {CANARY}")),
        ),
        // Of several, the first whose setting is not null.
        (
            Auth::First(vec![
                Auth::Basic(Expr::Literal(Value::Null), token()),
                Auth::Header(text("X-Key"), template("Key ", vec![(Expr::Literal(Value::Null), "")])),
                Auth::Bearer(token()),
                Auth::None,
            ]),
            "authorization",
            Some(format!("Bearer {CANARY}")),
        ),
        (Auth::First(vec![Auth::Bearer(Expr::Literal(Value::Null)), Auth::None]), "authorization", None),
    ] {
        let server = Server::json("{}").await;
        let mut world = World::reading(&server.url, Type::Json);
        world.http().auth = auth;
        assert!(world.call(vec![]).await.outcome.is_ok());
        assert_eq!(server.only().header(header), expected.as_deref());
    }
    let server = Server::json("{}").await;
    let mut world = World::reading(&server.url, Type::Json);
    world.http().auth = Auth::Query("api_key".into(), token());
    assert!(world.call(vec![]).await.outcome.is_ok());
    assert_eq!(server.only().uri, "/thing?api_key=canary%2F7f%2B3a+%22x%22");
}

#[tokio::test]
async fn a_value_can_not_leave_its_place_in_the_path() {
    for bad in ["", ".", "..", "../admin", "a/../b", "..\\x", "a\u{0}b", "a\r\nb"] {
        let server = Server::json("{}").await;
        let mut world = World::at(&server.url);
        let request = get(template("/v1/", vec![(slot(0), "")]));
        world.declare(operation(fields([("id", Type::String)]), Type::Json, Effect::Read, http(request)));
        let attempt = world.call(vec![Value::text(bad)]).await;
        assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::Invalid, "{bad:?}");
        assert_eq!(attempt.reached, Reached::Never);
        assert!(server.seen().is_empty());
    }
    let server = Server::json("{}").await;
    let mut world = World::at(&server.url);
    let request = get(template("/v1/", vec![(slot(0), "/.x")]));
    world.declare(operation(fields([("id", Type::String)]), Type::Json, Effect::Read, http(request)));
    assert!(world.call(vec![Value::text("..%2f?#;a=1 %2e%2e")]).await.outcome.is_ok());
    assert_eq!(server.only().uri, "/v1/..%252f%3F%23%3Ba%3D1%20%252e%252e/.x");
}

#[tokio::test]
async fn a_header_takes_no_line_break() {
    for (name, value) in
        [("X-A", "a\r\nX-Admin: 1"), ("X-A", "a\nb"), ("X-A", "a\u{0}"), ("X A", "b"), ("Host", "evil.example")]
    {
        let server = Server::json("{}").await;
        let mut world = World::at(&server.url);
        let mut request = get(text("/"));
        request.headers = vec![(name.into(), slot(0))];
        world.declare(operation(fields([("v", Type::String)]), Type::Json, Effect::Read, http(request)));
        let attempt = world.call(vec![Value::text(value)]).await;
        assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::Invalid, "{name}: {value:?}");
        assert_eq!(attempt.reached, Reached::Never);
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_value_can_not_change_the_host() {
    let server = Server::json("{}").await;
    for base in [
        template("https://", vec![(Expr::Env("HOST".into(), None), ".crm.example")]),
        template("https://", vec![(text("a@evil.example"), ".crm.example")]),
        template("https://", vec![(text(""), "crm.example")]),
        template("https://crm.example/", vec![(text(".."), "/x")]),
        text("file:///etc/passwd"),
        text("https://user:pass@crm.example"),
        text("https://crm.example/?x=1"),
        text("crm.example"),
    ] {
        let mut world = World::reading(&server.url, Type::Json);
        world.config.clear();
        world.http().base = base;
        let attempt = world.call(vec![]).await;
        assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::Invalid);
        assert_eq!(attempt.reached, Reached::Never);
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn only_what_can_be_repeated_uses_a_connection_again() {
    for (effect, shared) in [(Effect::Read, true), (Effect::Create, false)] {
        let server = Server::json("{}").await;
        let mut world = World::at(&server.url);
        world.declare(operation(IndexMap::new(), Type::Json, effect, http(post("/", Body::None))));
        let connectors = world.connectors();
        for _ in 0..2 {
            assert!(connectors.perform(world.invocation(vec![])).await.outcome.is_ok());
        }
        let seen = server.seen();
        assert_eq!(seen[0].peer == seen[1].peer, shared, "{effect:?}");
    }
}

#[tokio::test]
async fn a_setting_of_the_wrong_form_is_named() {
    let mut world = World::reading("not a url", Type::Json);
    let failure = world.call(vec![]).await.outcome.unwrap_err();
    assert_eq!(
        failure.message,
        "the setting `base_url` of the connection `sales`: expected an absolute URL, found another text"
    );
    world.config.insert("base_url".into(), Expr::Env("UNSET".into(), None));
    let failure = world.call(vec![]).await.outcome.unwrap_err();
    assert!(failure.message.contains("`UNSET`"), "{failure}");
}
