//! What is sent, and what never leaves.

use flow_model::{
    expr::{Ambient, Expr},
    failure::ErrorKind,
    schema::{Auth, Body, Call, Effect, KeySource},
    ty::{Bounds, Field, Type},
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
async fn an_empty_path_is_the_base_itself() {
    for (path, uri) in [("", "/api?a=1"), ("/", "/api/?a=1")] {
        let server = Server::json("{}").await;
        let mut world = World::at(&format!("{}/api", server.url));
        let mut request = post(path, Body::None);
        request.query = vec![("a".into(), text("1"))];
        world.declare(operation(IndexMap::new(), Type::Null, Effect::Create, http(request)));
        assert_eq!(world.call(vec![]).await.outcome, Ok(Value::Null));
        assert_eq!(server.only().uri, uri);
    }
}

/// Systems that take UUIDs alone get the same one for the same key, and a key that is one as it is.
#[tokio::test]
async fn a_key_goes_deep_into_a_body_and_as_a_uuid_where_that_is_asked_for() {
    let own = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    // SHA-256 of `key-1`, computed with Python's `hashlib`, in the layout of version 4.
    for (key, uuid_key, sent) in
        [("key-1", false, "key-1"), ("key-1", true, "be297454-6978-4373-9e6d-6da85c4be9f3"), (own, true, own)]
    {
        let server = Server::json("{}").await;
        let mut world = World::at(&server.url);
        let request = post("/", Body::Json(record([("input", record([("title", slot(0))]))])));
        world.declare(flow_model::schema::Operation {
            key: Some(KeySource::Within(vec!["input".into(), "meta".into(), "id".into()])),
            uuid_key,
            ..operation(fields([("title", Type::String)]), Type::Null, Effect::Create, http(request))
        });
        let invocation =
            crate::connector::Invocation { key: key.to_owned(), ..world.invocation(vec![Value::text("t")]) };
        assert!(world.connectors().perform(invocation).await.outcome.is_ok());
        assert_eq!(server.only().body, format!(r#"{{"input":{{"title":"t","meta":{{"id":"{sent}"}}}}}}"#));
    }
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
async fn case_14_a_value_can_not_leave_its_place_in_the_path() {
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

/// Names of headers that come with the data, and what a query holds.
#[tokio::test]
async fn case_14_names_from_data_are_names_and_a_query_holds_what_it_is_given() {
    let server = Server::json("{}").await;
    let calling = |request, ty, value| {
        let mut world = World::at(&server.url);
        world.declare(operation(fields([("v", ty)]), Type::Json, Effect::Read, http(request)));
        async move { world.call(vec![value]).await }
    };
    let map = || Type::Map(Box::new(Type::String));
    for name in ["X-A: 1\r\nX-Admin", "X-A\n", "X A", "", "Transfer-Encoding"] {
        let request = flow_model::schema::Request { more_headers: vec![slot(0)], ..get(text("/")) };
        let attempt = calling(request, map(), Value::record([(name, Value::text("1"))])).await;
        assert_eq!(
            (attempt.outcome.unwrap_err().kind, attempt.reached),
            (ErrorKind::Invalid, Reached::Never),
            "{name:?}"
        );
    }
    assert!(server.seen().is_empty());
    let bad = "a\r\nb\u{0}&c=d#e";
    let request = flow_model::schema::Request { query: vec![("q".into(), slot(0))], ..get(text("/")) };
    assert!(calling(request, Type::String, Value::text(bad)).await.outcome.is_ok());
    let request = flow_model::schema::Request { more_query: vec![slot(0)], ..get(text("/")) };
    assert!(calling(request, map(), Value::record([(bad, Value::text(bad))])).await.outcome.is_ok());
    let escaped = "a%0D%0Ab%00%26c%3Dd%23e";
    let uris: Vec<String> = server.seen().into_iter().map(|seen| seen.uri.to_string()).collect();
    assert_eq!(uris, [format!("/?q={escaped}"), format!("/?{escaped}={escaped}")]);
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

/// A connector at one server whose operation goes to a further one, with what the further one is asked.
fn further(base: &Server, also: &Server, request: flow_model::schema::Request) -> World {
    let mut world = World::at(&base.url);
    world.config.clear();
    world.http().base = text(&base.url);
    world.http().also = vec![also.url.clone()];
    world.http().headers = vec![("Crm-Version".into(), text("7"))];
    let params = fields([("id", Type::String)]);
    world.declare(operation(params, Type::Json, Effect::Idempotent, http(request)));
    world
}

#[tokio::test]
async fn a_request_to_a_further_server_of_the_system_carries_the_credential() {
    let (base, also) = (Server::json("{}").await, Server::json("{}").await);
    let mut request = post("", Body::Json(record([("id", slot(0))])));
    (request.path, request.origin) = (template("/2/files/", vec![(slot(0), "/upload")]), Some(also.url.clone()));
    let mut world = further(&base, &also, request);
    assert!(world.call(vec![Value::text("a/b")]).await.outcome.is_ok());
    let seen = also.only();
    assert_eq!((seen.uri.as_str(), seen.body.as_str()), ("/2/files/a%2Fb/upload", r#"{"id":"a/b"}"#));
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    assert_eq!(seen.header("crm-version"), Some("7"));
    assert!(base.seen().is_empty());

    // A connection that sets its base has one server: all goes there, and nothing to the vendor's.
    let mine = Server::json("{}").await;
    world.config.insert("base_url".into(), text(&format!("{}/mine", mine.url)));
    assert!(world.call(vec![Value::text("a")]).await.outcome.is_ok());
    assert_eq!((mine.only().uri.as_str(), also.seen().len()), ("/mine/2/files/a/upload", 1));

    // What it sets stands for the base with its path, which no other server has.
    world.http().base = text(&format!("{}/v1", base.url));
    for (set, uri) in [("/v1", "/2/files/b/upload"), ("/mine/v1/", "/mine/2/files/b/upload"), ("", "/2/files/b/upload")]
    {
        world.config.insert("base_url".into(), text(&format!("{}{set}", mine.url)));
        assert!(world.call(vec![Value::text("b")]).await.outcome.is_ok());
        assert_eq!(mine.seen().last().unwrap().uri, uri, "{set}");
        assert!(mine.seen().last().unwrap().header("authorization").is_some());
    }
    assert_eq!(also.seen().len(), 1);

    // What the connector does not name is never called.
    world.config.clear();
    world.http().also.clear();
    let attempt = world.call(vec![Value::text("a")]).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind, attempt.reached), (ErrorKind::Invalid, Reached::Never));
    assert!(failure.message.ends_with("which the connector does not name in `also`"), "{}", failure.message);
    assert_eq!(also.seen().len(), 1);
}

#[tokio::test]
async fn a_whole_url_and_a_redirect_take_the_credential_no_further_than_is_declared() {
    let also = Server::json("{}").await;
    let location = also.url.clone();
    let base = Server::scripted(move |_| {
        use axum::response::IntoResponse as _;
        (axum::http::StatusCode::TEMPORARY_REDIRECT, [("location", location.clone())]).into_response()
    })
    .await;
    let whole = flow_model::schema::Request { whole_url: true, ..get(slot(0)) };
    let mut world = further(&base, &also, whole);
    assert!(world.call(vec![Value::text(format!("{}/page/2?cursor=x", also.url))]).await.outcome.is_ok());
    assert_eq!(also.only().uri, "/page/2?cursor=x");
    assert_eq!(also.only().header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    // Another port of the same host is another server, and is not ours.
    let other = Server::json("{}").await;
    assert!(world.call(vec![Value::text(format!("{}/x", other.url))]).await.outcome.is_ok());
    assert_eq!((other.only().header("authorization"), other.only().header("crm-version")), (None, None));
    // With a base of the connection's own, the vendor's servers get no credential.
    world.config.insert("base_url".into(), text(&other.url));
    assert!(world.call(vec![Value::text(format!("{}/x", also.url))]).await.outcome.is_ok());
    assert_eq!(also.seen()[1].header("authorization"), None);
    // A redirect takes none along, though the server is one of ours.
    world.config.clear();
    assert!(world.call(vec![Value::text(format!("{}/moved", base.url))]).await.outcome.is_ok());
    assert!(base.only().header("authorization").is_some());
    assert_eq!(also.seen()[2].header("authorization"), None);
}

#[tokio::test]
async fn a_credential_in_the_body_is_a_field_of_json_or_of_a_form() {
    let token = || member(Ambient::Config, "token");
    let bodies = [
        (Body::Json(record([("id", slot(0))])), r#"{"id":"7","api_key":"canary/7f+3a \"x\""}"#),
        (Body::Form(record([("id", slot(0))])), "id=7&api_key=canary%2F7f%2B3a+%22x%22"),
        (Body::None, r#"{"api_key":"canary/7f+3a \"x\""}"#),
    ];
    for (body, expected) in bodies {
        let server = Server::json(r#"{"echo":"canary/7f+3a \"x\""}"#).await;
        let mut world = World::at(&server.url);
        world.http().auth = Auth::Field("api_key".into(), token());
        let params = fields([("id", Type::String)]);
        world.declare(operation(params, Type::Json, Effect::Create, http(post("/charges", body))));
        let outcome = world.call(vec![Value::text("7")]).await.outcome.unwrap();
        assert_eq!(server.only().body, expected);
        assert_eq!(server.only().header("authorization"), None);
        assert!(!outcome.to_string().contains("canary"), "it is taken out of what comes back: {outcome}");
    }
    // Deeper, in XML: where the vendor has it, and escaped.
    let server = Server::json("{}").await;
    let mut world = World::at(&server.url);
    world.http().auth = Auth::Within(vec!["a:E".into(), "a:H".into(), "Key".into()], token());
    let xml =
        Body::Xml(record([("a:E", record([("a:H", record([("Key", Expr::Literal(Value::Null))])), ("B", slot(0))]))]));
    world.declare(operation(fields([("b", Type::String)]), Type::Json, Effect::Create, http(post("/", xml))));
    assert!(world.call(vec![Value::text("7")]).await.outcome.is_ok());
    let expected = r#"<a:E><a:H><Key>canary/7f+3a "x"</Key></a:H><B>7</B></a:E>"#;
    assert_eq!(server.only().body.split_once("?>").unwrap().1, expected);
    // Where there is no such place, nothing leaves; of several forms, it is taken when its setting is there.
    let server = Server::json("{}").await;
    let mut world = World::at(&server.url);
    world.http().auth = Auth::First(vec![
        Auth::Field("other".into(), Expr::Literal(Value::Null)),
        Auth::Field("api_key".into(), token()),
        Auth::None,
    ]);
    world.declare(operation(IndexMap::new(), Type::Null, Effect::Create, http(post("/", Body::Raw(text("x"), None)))));
    let attempt = world.call(vec![]).await;
    assert_eq!((attempt.outcome.unwrap_err().kind, attempt.reached), (ErrorKind::Invalid, Reached::Never));
    world.declare(operation(IndexMap::new(), Type::Null, Effect::Create, http(post("/", Body::None))));
    assert!(world.call(vec![]).await.outcome.is_ok());
    assert_eq!(server.only().body, r#"{"api_key":"canary/7f+3a \"x\""}"#);
}

#[tokio::test]
async fn a_setting_that_breaks_its_bounds_sends_nothing() {
    let server = Server::json("{}").await;
    let mut world = World::reading(&server.url, Type::Json);
    let bounds = Bounds { pattern: Some("[a-z]+".into()), ..Bounds::default() };
    world.connector.config.insert("shop".into(), Field { bounds, ..Field::of(Type::String) });
    world.config.insert("shop".into(), text("acme"));
    assert!(world.call(vec![]).await.outcome.is_ok());
    world.config.insert("shop".into(), Expr::Env("HOST".into(), None));
    let attempt = world.call(vec![]).await;
    assert_eq!(attempt.reached, Reached::Never);
    assert_eq!(
        attempt.outcome.unwrap_err().message,
        "the setting `shop` of the connection `sales`: expected text that matches `[a-z]+`, found another text"
    );
    assert_eq!(server.seen().len(), 1);
}
