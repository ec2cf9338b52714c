//! A connector, a plan that uses it, and servers that answer by script.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use flow_model::{
    expr::{Ambient, Expr, RecordPart, Slot, TextPart},
    plan::{Connection, Plan, Policy, VERSION},
    schema::{Auth, Body, Call, Connector, Effect, ErrorCondition, Errors, Format, Http, Operation, Request},
    ty::{Field, Type, Types},
    units::Millis,
    value::Value,
};
use indexmap::IndexMap;
use petgraph::graph::DiGraph;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    connector::{Attempt, Connectors, Invocation, NativeTable, Performer as _},
    egress::{Guard, Networks},
    eval::Library,
    secret::{SecretText, Secrets},
};

/// The secret that must not be seen anywhere.
pub(super) const CANARY: &str = "canary/7f+3a \"x\"";

pub(super) struct World {
    pub(super) connector: Connector,
    pub(super) config: IndexMap<String, Expr>,
    pub(super) native: NativeTable,
    pub(super) longest: u64,
    pub(super) longest_file: u64,
    pub(super) timeout: Millis,
    pub(super) guard: Guard,
}

/// The secrets of a test.
pub(super) struct Known(pub(super) BTreeMap<&'static str, &'static str>);

impl Secrets for Known {
    fn get(&self, name: &str) -> Option<SecretText> {
        self.0.get(name).map(|text| SecretText::new(*text))
    }
}

pub(super) fn fields<const N: usize>(fields: [(&str, Type); N]) -> IndexMap<String, Field> {
    fields.into_iter().map(|(name, ty)| (name.to_owned(), Field::of(ty))).collect()
}

pub(super) fn text(text: &str) -> Expr {
    Expr::Literal(Value::text(text))
}

pub(super) fn slot(slot: u32) -> Expr {
    Expr::Slot(Slot(slot))
}

/// `config.name`, `body.name`, …
pub(super) fn member(of: Ambient, name: &str) -> Expr {
    Expr::Member { of: Box::new(Expr::Ambient(of)), name: name.to_owned(), null_safe: false }
}

/// Text of fixed parts and insertions, which take turns.
pub(super) fn template(first: &str, rest: Vec<(Expr, &str)>) -> Expr {
    let mut parts = vec![TextPart::Fixed(first.to_owned())];
    for (insert, fixed) in rest {
        parts.push(TextPart::Insert(insert));
        parts.push(TextPart::Fixed(fixed.to_owned()));
    }
    Expr::Text { parts, language: None }
}

pub(super) fn record<const N: usize>(fields: [(&str, Expr); N]) -> Expr {
    Expr::Record(fields.into_iter().map(|(name, expr)| RecordPart::Field(name.to_owned(), expr)).collect())
}

pub(super) fn get(path: Expr) -> Request {
    Request {
        method: "GET".into(),
        path,
        origin: None,
        whole_url: false,
        given_path: false,
        query: Vec::new(),
        lists: BTreeMap::new(),
        form_lists: BTreeMap::new(),
        more_query: Vec::new(),
        headers: Vec::new(),
        more_headers: Vec::new(),
        body: Body::None,
        answer: None,
        format: Format::Auto,
        success_when: None,
        null_when: None,
    }
}

pub(super) fn post(path: &str, body: Body) -> Request {
    Request { method: "POST".into(), body, ..get(text(path)) }
}

pub(super) fn operation(params: IndexMap<String, Field>, result: Type, effect: Effect, call: Call) -> Operation {
    let (doc, types, key, errors, scopes, deprecated) = (String::new(), Vec::new(), None, Vec::new(), Vec::new(), None);
    let (cost, undo, visible_after, bulk) = (None, None, None, None);
    Operation {
        doc,
        types,
        params,
        result,
        effect,
        key,
        call,
        errors,
        fails: None,
        scopes,
        deprecated,
        cost,
        undo,
        visible_after,
        uuid_key: false,
        bulk,
        page: None,
    }
}

impl World {
    /// A connector `crm` with a token, reached at `base`.
    pub(super) fn at(base: &str) -> Self {
        let secret = Value::Secret("crm/token".into());
        let token =
            Field { default: Some(Box::new(Expr::Literal(secret))), ..Field::of(Type::Secret(Box::new(Type::String))) };
        let http = Http {
            base: text("https://crm.invalid"),
            auth: Auth::Bearer(member(Ambient::Config, "token")),
            headers: Vec::new(),
            more_headers: Vec::new(),
            query: Vec::new(),
            more_query: Vec::new(),
            limits: Vec::new(),
            retry_after: Vec::new(),
            remaining: None,
            reset: None,
            sandbox: None,
            hosts: Vec::new(),
            also: Vec::new(),
            version: None,
            docs: None,
            probe: None,
        };
        let connector = Connector {
            name: "crm".into(),
            doc: String::new(),
            config: [("token".to_owned(), token)].into(),
            http: Some(http),
            errors: Errors {
                rules: vec![(ErrorCondition::Status(402), flow_model::failure::ErrorKind::Rejected)],
                fields: BTreeMap::new(),
                message: Some(member(Ambient::Body, "message")),
                code: Some(member(Ambient::Body, "code")),
            },
            types: Types::default(),
            operations: BTreeMap::new(),
            triggers: BTreeMap::new(),
            verifications: BTreeMap::new(),
            challenges: BTreeMap::new(),
            webhooks: None,
            policy: Policy::default(),
        };
        let config = [("base_url".to_owned(), text(base))].into();
        let (native, guard) = (NativeTable::new(), Guard::new(Networks::localhost()));
        let (longest, longest_file) = (100_000, 10_000_000);
        Self { connector, config, native, longest, longest_file, timeout: Millis::seconds(20), guard }
    }

    pub(super) fn http(&mut self) -> &mut Http {
        self.connector.http.as_mut().unwrap()
    }

    /// Declares the operation `op`, which reads `GET /thing` as JSON when nothing else is said.
    pub(super) fn declare(&mut self, operation: Operation) {
        self.connector.operations.insert("op".to_owned(), operation);
    }

    pub(super) fn reading(base: &str, result: Type) -> Self {
        let mut world = Self::at(base);
        let call = Call::Http(Box::new(get(text("/thing"))));
        world.declare(operation(IndexMap::new(), result, Effect::Read, call));
        world
    }

    pub(super) fn plan(&self) -> Plan {
        let connection = Connection { connector: "crm".into(), config: self.config.clone() };
        Plan {
            version: VERSION,
            flow: "test".into(),
            doc: String::new(),
            params: IndexMap::new(),
            triggers: Vec::new(),
            result: Type::Null,
            errors: Vec::new(),
            graph: DiGraph::new(),
            entry: None,
            connections: [("sales".to_owned(), connection)].into(),
            connectors: [("crm".to_owned(), std::sync::Arc::new(self.connector.clone()))].into(),
            functions: BTreeMap::new(),
            types: Types::default(),
            secrets: Vec::new(),
            personal: Default::default(),
        }
    }

    pub(super) fn connectors(&self) -> Connectors {
        let secrets = Known([("crm/token", CANARY)].into());
        let env: BTreeMap<String, String> = [("HOST".to_owned(), "evil.example/".to_owned())].into();
        Connectors::new(Library::new(&[]), Arc::new(env), Arc::new(secrets), self.native.clone())
            .with_longest_answer(self.longest)
            .with_longest_file(self.longest_file)
            .with_guard(self.guard.clone())
    }

    pub(super) fn invocation(&self, args: Vec<Value>) -> Invocation {
        Invocation {
            plan: Arc::new(self.plan()),
            connection: "sales".into(),
            operation: "op".into(),
            result: None,
            page: None,
            args,
            nulls: Vec::new(),
            key: "key-1".into(),
            timeout: self.timeout,
            traceparent: None,
            admitted: None,
        }
    }

    pub(super) async fn call(&self, args: Vec<Value>) -> Attempt {
        self.connectors().perform(self.invocation(args)).await
    }
}

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) uri: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) peer: SocketAddr,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server that answers every request with the same answer, or with what `answer` makes of it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Script = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

impl Server {
    pub(super) async fn saying(
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: &'static str,
    ) -> Self {
        Self::scripted(move |_| {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            response.headers_mut().remove("content-type");
            for (name, value) in headers {
                response.headers_mut().append(*name, value.parse().unwrap());
            }
            response
        })
        .await
    }

    pub(super) async fn json(body: &'static str) -> Self {
        Self::saying(200, &[("content-type", "application/json")], body).await
    }

    pub(super) async fn scripted(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { url: format!("http://{}", listener.local_addr().unwrap()), seen: Arc::default() };
        let state = (Arc::clone(&server.seen), Arc::new(answer) as Script);
        let router = Router::new().fallback(handle).with_state(state);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        server
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    }
}

async fn handle(
    State((log, script)): State<(Arc<Mutex<Vec<Seen>>>, Script)>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let seen = Seen { method, uri: uri.to_string(), headers, body, peer };
    let response = script(&seen);
    log.lock().unwrap().push(seen);
    response
}

/// What a server below HTTP does after it has read the head of a request.
pub(super) enum Raw {
    /// Writes these bytes and closes.
    Write(Vec<u8>),
    /// Writes these bytes and says nothing more.
    Hold(Vec<u8>),
}

/// A server below HTTP; gives its URL.
pub(super) async fn raw(behaviour: Raw) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer).await {
                    Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            match &behaviour {
                Raw::Write(bytes) => {
                    let _ = stream.write_all(bytes).await;
                    let _ = stream.shutdown().await;
                }
                Raw::Hold(bytes) => {
                    let _ = stream.write_all(bytes).await;
                    held.push(stream);
                }
            }
        }
    });
    url
}
