//! Connectors as they are written, carried out over HTTP against servers of the test: what pairs of one request and one
//! answer do not show.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use flow_model::{failure::ErrorKind, file::File, plan::Plan, units::Millis, value::Value};
use flow_runtime::{
    blob::{Blobs, Memory, keep, load},
    connector::{Attempt, Connectors, Invocation, Performer as _, Reached},
    egress::{Guard, Networks},
    eval::Library,
    secret::{SecretText, Secrets},
    sim::{disk::Fault, outside::Outside, process::Ended},
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    composite::life,
    programs::{checked, errors},
};

/// Secrets of which each has its name as its text.
pub(crate) struct Named;

impl Secrets for Named {
    fn get(&self, name: &str) -> Option<SecretText> {
        Some(SecretText::new(name))
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }
}

/// A server with a thread of its own, that answers as it is told for as long as the tests run.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let (seen, (told, address)) = (Arc::<Mutex<Vec<Seen>>>::default(), mpsc::channel::<SocketAddr>());
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let body = String::from_utf8(body.to_vec()).unwrap();
                let seen = Seen { method, uri: uri.to_string(), headers, body };
                log.lock().unwrap().push(seen.clone());
                answer(&seen)
            }
        });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, router).await
            })
        });
        Self { url: format!("http://{}", address.recv().unwrap()), seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// JSON with a status.
pub(crate) fn answer(status: u16, body: &serde_json::Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body.to_string()).into_response()
}

/// The plan of the first flow of a program without mistakes.
pub(crate) fn plan(text: &str) -> Arc<Plan> {
    let checked = checked("executed.flow", text);
    assert_eq!(errors(&checked), "");
    Arc::new(checked.program.unwrap().plans.into_values().next().unwrap())
}

/// What carries out calls of connectors; files lie where it is told.
pub(crate) fn connectors(blobs: Arc<dyn Blobs>) -> Connectors {
    let library = Library::new(flow_stdlib::functions());
    let native = flow_stdlib::native::native_table(None);
    Connectors::new(library, Arc::new(BTreeMap::<String, String>::new()), Arc::new(Named), native)
        .with_guard(Guard::new(Networks::listed(["localhost"]).unwrap()))
        .with_blobs(blobs)
}

/// Calls an operation of the connection `sys`.
async fn call(plan: &Arc<Plan>, blobs: &Memory, operation: &str, args: Vec<Value>) -> Attempt {
    let invocation = Invocation {
        plan: Arc::clone(plan),
        connection: "sys".to_owned(),
        operation: operation.to_owned(),
        result: None,
        page: None,
        args,
        nulls: Vec::new(),
        key: "key-1".to_owned(),
        timeout: Millis(20_000),
        traceparent: None,
        admitted: None,
    };
    connectors(Arc::new(blobs.clone())).perform(invocation).await
}

#[tokio::test]
async fn a_connection_for_trials_calls_the_system_for_trials() {
    let (real, trials) = (Server::start(|_| answer(200, &json!([]))), Server::start(|_| answer(200, &json!([]))));
    for sandbox in [true, false] {
        let plan = plan(&format!(
            "connector shop {{
  config {{ token: Secret<String> = secret(\"token\") }}
  http {{ base: \"{}/v1\", sandbox: \"{}/trials/v1\", auth: bearer(config.token) }}
  operation items.list() -> List<Int> {{ effect: read, request: GET \"/items\" }}
}}
connection sys = shop {{ sandbox: {sandbox} }}
flow list {{ step sys.items.list() }}
",
            real.url, trials.url
        ));
        let attempt = call(&plan, &Memory::new(), "items.list", vec![]).await;
        assert_eq!(attempt.outcome, Ok(Value::List(Vec::new())));
    }
    let lines = |server: &Server| server.seen().iter().map(Seen::line).collect::<Vec<_>>();
    assert_eq!(
        (lines(&trials), lines(&real)),
        (vec!["GET /trials/v1/items".to_owned()], vec!["GET /v1/items".to_owned()])
    );
}

/// What a vendor with uploads in parts and a store of files on another host offers.
fn store(api: &Server) -> Arc<Plan> {
    plan(&format!(
        "connector store {{
  config {{ token: Secret<String> = secret(\"token\") }}
  http {{ base: \"{}\", auth: bearer(config.token), hosts: [\"127.0.0.1\"] }}
  operation uploads.put(url: Url, content: File) {{
    effect:  idempotent
    request: PUT \"{{url}}\" {{ raw: content, content_type: \"image/png\" }}
  }}
  operation uploads.part(url: Url, range: String, content: File) -> {{ stored: String? }} {{
    effect:       idempotent
    request:      PUT \"{{url}}\" {{ headers: {{ \"Content-Range\": range }}, raw: content }}
    success_when: status == 308
    answer:       {{ stored: headers[\"range\"] }}
  }}
  operation files.part(id: String, range: String) -> File {{
    effect:  read
    request: GET \"/files/{{id}}\" {{ headers: {{ Range: range }} }}
  }}
}}
connection sys = store {{}}
flow keep(url: Url, content: File) {{
  step sys.uploads.put(url, content)
  step sys.uploads.part(url, range: \"x\", content)
  step sys.files.part(id: \"x\", range: \"x\")
}}
",
        api.url
    ))
}

async fn file(blobs: &Memory, text: &str) -> Value {
    let blob = keep(blobs, bytes::Bytes::from(text.to_owned())).await.unwrap();
    Value::File(Arc::new(File::new(blob.sha256, blob.size, "a.bin", "application/octet-stream")))
}

#[tokio::test]
async fn an_upload_to_a_url_that_was_given_out_takes_no_credential_along() {
    let (api, elsewhere) = (Server::start(|_| answer(200, &json!({}))), Server::start(|_| answer(200, &json!({}))));
    let (plan, blobs) = (store(&api), Memory::new());
    let url = Value::text(format!("{}/bucket/a%2Fb?X-Signature=s%2B1&part=2", elsewhere.url));
    let attempt = call(&plan, &blobs, "uploads.put", vec![url, file(&blobs, "png").await]).await;
    assert_eq!(attempt.outcome, Ok(Value::Null));
    let seen = &elsewhere.seen()[0];
    assert_eq!(seen.line(), "PUT /bucket/a%2Fb?X-Signature=s%2B1&part=2", "the URL is as it was given out");
    assert_eq!((seen.header("authorization"), seen.header("content-type")), (None, Some("image/png")));
    assert_eq!((seen.body.as_str(), seen.header("content-length")), ("png", Some("3")));

    let strange = Value::text("https://evil.example/x");
    let attempt = call(&plan, &blobs, "uploads.put", vec![strange, file(&blobs, "png").await]).await;
    assert_eq!((attempt.outcome.unwrap_err().kind, attempt.reached), (ErrorKind::Invalid, Reached::Never));
}

/// Resumable uploads answer 308 without a place to go to: it says that there is more to come.
#[tokio::test]
async fn a_part_of_an_upload_says_where_it_stands_and_is_answered_how_much_is_there() {
    let api = Server::start(|seen| match seen.header("content-range") {
        Some("bytes 6-10/11") => answer(200, &json!({ "id": "f1" })),
        Some("bytes 0-5/11") => (StatusCode::PERMANENT_REDIRECT, [("range", "bytes=0-5")]).into_response(),
        _ => answer(416, &json!({ "message": "not there" })),
    });
    let (plan, blobs) = (store(&api), Memory::new());
    let url = format!("{}/upload?id=7", api.url);
    let content = file(&blobs, "hello world").await;
    let Value::File(whole) = &content else { unreachable!() };
    for (from, to, stored) in [(0, 6, Value::text("bytes=0-5")), (6, 11, Value::Null)] {
        let part = Value::File(Arc::new(whole.part(from, to - from)));
        let range = Value::text(format!("bytes {from}-{}/11", to - 1));
        let attempt = call(&plan, &blobs, "uploads.part", vec![Value::text(url.as_str()), range, part]).await;
        assert_eq!(attempt.outcome, Ok(Value::record([("stored", stored)])));
    }
    let bodies: Vec<_> = api.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, ["hello ", "world"]);
    assert!(api.seen().iter().all(|seen| seen.header("authorization") == Some("Bearer token")), "it is the base's own");
    let attempt =
        call(&plan, &blobs, "uploads.part", vec![Value::text(url), Value::text("bytes 9-9/11"), content]).await;
    assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn a_part_of_a_file_is_fetched_and_kept() {
    let api = Server::start(|seen| match seen.header("range") {
        Some("bytes=6-") => {
            let headers = [("content-range", "bytes 6-10/11"), ("content-type", "text/plain")];
            (StatusCode::PARTIAL_CONTENT, headers, "world").into_response()
        }
        _ => answer(416, &json!({})),
    });
    let (plan, blobs) = (store(&api), Memory::new());
    let attempt = call(&plan, &blobs, "files.part", vec![Value::text("a.txt"), Value::text("bytes=6-")]).await;
    let Ok(Value::File(file)) = attempt.outcome else { panic!("{:?}", attempt.outcome) };
    assert_eq!((file.size, file.name.as_str()), (5, "a.txt"));
    assert_eq!(load(&blobs, file.sha256).await.unwrap(), b"world");
    let attempt = call(&plan, &blobs, "files.part", vec![Value::text("a.txt"), Value::text("bytes=60-")]).await;
    assert_eq!(attempt.outcome.unwrap_err().kind, ErrorKind::Invalid, "a refusal is no file");
}

/// What a body says of when to go on, by a pattern in its text, and a field of JSON; the longest wait wins.
#[tokio::test]
async fn a_wait_is_found_in_the_body_by_a_pattern() {
    let api = Server::start(|seen| match seen.uri.as_str() {
        "/busy" => answer(429, &json!({ "message": "Slow down: try again in 7 seconds, please" })),
        "/both" => answer(503, &json!({ "message": "again in 2 seconds", "wait_ms": 9500 })),
        _ => answer(503, &json!({ "message": "later" })),
    });
    let plan = plan(&format!(
        "connector sms {{
  http {{
    base:        \"{}\"
    retry_after: [
      seconds((body.message as String)?.capture(r\"again in (\\d+) seconds\")?.first),
      millis(body.wait_ms),
    ]
  }}
  operation busy() {{ effect: read, request: GET \"/busy\" }}
  operation both() {{ effect: read, request: GET \"/both\" }}
  operation later() {{ effect: read, request: GET \"/later\" }}
}}
connection sys = sms {{}}
flow ask {{
  step sys.busy()
  step sys.both()
  step sys.later()
}}
",
        api.url
    ));
    for (operation, kind, wait) in [
        ("busy", ErrorKind::RateLimited, Some(Millis(7000))),
        ("both", ErrorKind::Unavailable, Some(Millis(9500))),
        ("later", ErrorKind::Unavailable, None),
    ] {
        let attempt = call(&plan, &Memory::new(), operation, vec![]).await;
        assert_eq!((attempt.outcome.unwrap_err().kind, attempt.retry_after), (kind, wait), "{operation}");
    }
}

/// What a connector names under `retry` is tried again, where that is safe and nowhere else.
#[test]
fn kinds_that_a_connector_names_are_tried_again_where_it_is_safe() {
    let refused = Mutex::new(BTreeMap::<String, u32>::new());
    let api = Server::start(move |seen| {
        let mut refused = refused.lock().unwrap();
        let times = refused.entry(seen.line()).or_default();
        *times += 1;
        match (seen.uri.as_str(), *times) {
            ("/locked", 1 | 2) | ("/once", _) => answer(409, &json!({ "message": "someone else is at it" })),
            ("/broken", _) => answer(422, &json!({})),
            _ => answer(200, &json!({ "id": 7 })),
        }
    });
    let plan = plan(&format!(
        "connector desk {{
  http {{ base: \"{}\" }}
  errors {{ retry: [Conflict] }}
  operation locked() -> {{ id: Int }} {{ effect: idempotent, request: PUT \"/locked\" }}
  operation broken() {{ effect: idempotent, request: PUT \"/broken\" }}
  operation once() {{ effect: create, request: POST \"/once\" }}
}}
connection sys = desk {{}}
flow tidy {{
  step locked = sys.locked()
  step broken = sys.broken() catch {{ Invalid => null }}
  step once = sys.once() catch {{ Conflict => null }}
  return locked.id
}}
",
        api.url
    ));
    let (data, outside) = (tempfile::tempdir().unwrap(), Outside::kind());
    assert_eq!(life(&plan, data.path(), &outside, Fault::Never), Ended::Well(Value::Int(7)));
    let lines: Vec<_> = api.seen().iter().map(Seen::line).collect();
    assert_eq!(lines, ["PUT /locked", "PUT /locked", "PUT /locked", "PUT /broken", "POST /once"]);
}
