//! `flowc webhooks register` and `remove`: a system is told once where to send its events, whatever is lost on the way, and its
//! secret verifies what it sends.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path as At, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post},
};
use flow_model::{
    boundary::decode,
    ty::{Type, Types},
    value::Value,
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{
    eventually,
    process::{Ended, Serving, flowc, output},
    stripe::{another, now, signature},
};

const PROGRAM: &str = r#"use stripe

connection payments = stripe { base_url: env("STRIPE_URL") }

flow paid {
  on payments.payment_intent.succeeded as event { dedupe: event.id for 72h }
  log event.id
}
"#;

const PUBLIC: &str = "https://flow.example.com";

/// What the vendor knows.
#[derive(Default)]
struct Known {
    /// URL, events and secret by id.
    endpoints: BTreeMap<String, (String, Vec<String>, String)>,
    made: usize,
    /// Whether the next answer to a creation is lost.
    loses: bool,
    refuses: bool,
    keys: Vec<String>,
}

type Shared = Arc<Mutex<Known>>;

/// A server that speaks as Stripe does of webhook endpoints.
struct Vendor {
    address: String,
    known: Shared,
}

impl Vendor {
    async fn start() -> Self {
        let known = Shared::default();
        let router = Router::new()
            .route("/v1/webhook_endpoints", get(list).post(create))
            .route("/v1/webhook_endpoints/{id}", delete(remove))
            .with_state(Arc::clone(&known));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, known }
    }

    fn ids(&self) -> Vec<String> {
        self.known.lock().unwrap().endpoints.keys().cloned().collect()
    }
}

fn answer(status: StatusCode, json: &Json) -> Response {
    (status, [("content-type", "application/json")], json.to_string()).into_response()
}

fn shown(id: &str, (url, events, _): &(String, Vec<String>, String)) -> Json {
    json!({ "id": id, "object": "webhook_endpoint", "url": url, "enabled_events": events, "status": "enabled" })
}

async fn create(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    assert_eq!(headers["authorization"], "Bearer canary-api-key");
    let mut known = shared.lock().unwrap();
    known.keys.push(headers["idempotency-key"].to_str().unwrap().to_owned());
    if known.refuses {
        return answer(StatusCode::BAD_REQUEST, &json!({ "error": { "message": "Invalid URL: not public" } }));
    }
    let fields: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(fields["api_version"], "2024-04-10");
    known.made += 1;
    let (id, secret) = (format!("we_{}", known.made), format!("canary-whsec-{}", known.made));
    let events = fields.iter().filter(|(name, _)| name.starts_with("enabled_events[")).map(|(_, event)| event.clone());
    let endpoint = (fields["url"].clone(), events.collect(), secret.clone());
    let mut json = shown(&id, &endpoint);
    json["secret"] = json!(secret);
    known.endpoints.insert(id, endpoint);
    match std::mem::take(&mut known.loses) {
        true => answer(StatusCode::BAD_GATEWAY, &json!({})),
        false => answer(StatusCode::OK, &json),
    }
}

async fn list(State(shared): State<Shared>) -> Response {
    let known = shared.lock().unwrap();
    let data: Vec<Json> = known.endpoints.iter().map(|(id, endpoint)| shown(id, endpoint)).collect();
    answer(StatusCode::OK, &json!({ "object": "list", "data": data, "has_more": false }))
}

async fn remove(State(shared): State<Shared>, At(id): At<String>) -> Response {
    match shared.lock().unwrap().endpoints.remove(&id) {
        Some(_) => answer(StatusCode::OK, &json!({ "id": id, "deleted": true })),
        None => answer(StatusCode::NOT_FOUND, &json!({ "error": { "message": "No such webhook endpoint" } })),
    }
}

/// A project with the program; the key of its store is elsewhere.
struct Project {
    folder: TempDir,
    key: TempDir,
    vendor: Vendor,
}

impl Project {
    async fn new() -> Self {
        let vendor = Vendor::start().await;
        let project = Self { folder: TempDir::new().unwrap(), key: TempDir::new().unwrap(), vendor };
        fs::write(project.folder.path().join("main.flow"), PROGRAM).unwrap();
        project
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = flowc();
        command.current_dir(self.folder.path()).args(arguments);
        command.env("FLOW_SECRETS_KEY", self.key.path().join("key")).env("STRIPE_API_KEY", "canary-api-key");
        command.env("STRIPE_URL", &self.vendor.address);
        command
    }

    fn register(&self) -> Ended {
        output(&mut self.command(&["webhooks", "register", "--url", PUBLIC, "--format", "json"]))
    }

    /// Registers, and says what was done and the id.
    fn registered(&self) -> (String, Json) {
        let json = self.register().says(0, &[]).json();
        let webhook = &json["webhooks"][0];
        assert_eq!(webhook["url"], format!("{PUBLIC}/hooks/payments"));
        (webhook["did"].as_str().unwrap().to_owned(), webhook["id"].clone())
    }

    fn listed(&self) -> (Json, Json) {
        let json = output(&mut self.command(&["webhooks", "list", "--format", "json"])).says(0, &[]).json();
        (json["webhooks"][0]["registered"].clone(), json["webhooks"][0]["id"].clone())
    }
}

/// All files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_registered_once_and_its_secret_verifies_what_comes() {
    let project = Project::new().await;
    output(&mut project.command(&["webhooks", "register"])).says(2, &["public_url", "--url"]);
    assert_eq!(project.listed(), (Json::Null, Json::Null));

    assert_eq!(project.registered(), ("registered".to_owned(), json!("we_1")));
    let seen = project.vendor.known.lock().unwrap().endpoints["we_1"].clone();
    assert_eq!(
        (&*seen.0, seen.1),
        ("https://flow.example.com/hooks/payments", vec!["payment_intent.succeeded".to_owned()])
    );
    assert_eq!(project.listed(), (json!(true), json!("we_1")));

    // What the vendor signs with the secret that it told is taken, and nothing else is.
    let serving = Serving::start(&mut project.command(&["serve", ".", "--listen", "127.0.0.1:0"]));
    let body = another(1);
    for (secret, status) in [("canary-whsec-1", 202), ("canary-whsec-2", 401)] {
        let sent = reqwest::Client::new()
            .post(format!("{}/hooks/payments", serving.address))
            .header("stripe-signature", signature(secret, now(), &body))
            .header("content-type", "application/json")
            .body(body.clone());
        assert_eq!(sent.send().await.unwrap().status(), status, "{secret}");
    }
    drop(serving);

    assert_eq!(project.registered(), ("already_registered".to_owned(), json!("we_1")));
    assert_eq!(project.vendor.ids(), ["we_1"]);
    let human = output(&mut project.command(&["webhooks", "register", "--url", "https://other.example.com"]));
    human.says(3, &["at another URL", "flowc webhooks remove --only payments"]);
    assert_eq!(project.vendor.ids(), ["we_1"]);

    // Somebody takes it away at the vendor.
    project.vendor.known.lock().unwrap().endpoints.clear();
    assert_eq!(project.registered(), ("registered".to_owned(), json!("we_2")));

    let removed = output(&mut project.command(&["webhooks", "remove"])).says(0, &[]);
    assert!(removed.stdout.contains("payments: removed as we_2"), "{removed:?}");
    assert!(project.vendor.ids().is_empty());
    assert_eq!(project.listed(), (Json::Null, Json::Null));
    output(&mut project.command(&["webhooks", "remove"])).says(0, &["nothing was set up from here"]);
    for file in files(project.folder.path()) {
        assert!(!fs::read(&file).unwrap().windows(6).any(|window| window == b"canary"), "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_leaves_one_webhook_whose_secret_is_known() {
    let project = Project::new().await;
    project.vendor.known.lock().unwrap().loses = true;
    project.register().says(3, &["may have been registered", "try again"]);
    assert_eq!(project.listed(), (json!(false), Json::Null));

    assert_eq!(project.registered(), ("registered".to_owned(), json!("we_2")));
    assert_eq!(project.vendor.ids(), ["we_2"], "the one whose secret nobody knows was taken away");
    let keys = project.vendor.known.lock().unwrap().keys.clone();
    assert_ne!(keys[0], keys[1], "another webhook, by another key");
    assert_eq!(project.registered(), ("already_registered".to_owned(), json!("we_2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_vendor_refuses_is_told_and_leaves_nothing() {
    let project = Project::new().await;
    project.vendor.known.lock().unwrap().refuses = true;
    project.register().says(3, &["was not registered", "Invalid URL: not public"]);
    assert_eq!(project.listed(), (Json::Null, Json::Null));
    project.vendor.known.lock().unwrap().refuses = false;

    // One that somebody else has set up is taken over once its secret is known.
    let there = (format!("{PUBLIC}/hooks/payments"), vec!["*".to_owned()], "canary-of-others".to_owned());
    project.vendor.known.lock().unwrap().endpoints.insert("we_9".to_owned(), there);
    project.register().says(3, &["`we_9` goes to", "flowc secrets set stripe/webhook"]);
    let mut command = project.command(&["webhooks", "register", "--url", PUBLIC]);
    let found = output(command.env("STRIPE_WEBHOOK", "canary-of-others")).says(0, &[]);
    assert!(found.stdout.contains("payments: found as we_9"), "{found:?}");
    assert_eq!(project.vendor.ids(), ["we_9"]);
}

/// Subscriptions that end, as several vendors have them.
const ENDING: &str = r#"connector channels {
  http { base: "https://channels.example.com" }

  record Event { id: String }

  record Subscription { id: String, expires_at: Timestamp? from "expiration" @unix_ms }

  operation subscriptions.create(url: String) -> Subscription {
    effect:  create
    request: POST "/subscriptions" { body: { url } }
  }

  operation subscriptions.extend(id: String) -> Json {
    effect:  idempotent
    request: POST "/subscriptions/{id}/extend"
  }

  trigger changed as Event { webhook: body, dedupe: .id }

  webhooks {
    register: subscriptions.create(url: url)
    renew:    subscriptions.extend(id: id)
    every:    1s
    id:       .id
  }
}

connection files = channels { base_url: env("CHANNELS_URL") }

flow follow {
  on files.changed as event { verify: none because "a test" }
  log event.id
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_ends_is_renewed_as_long_as_its_flow_is_served() {
    #[derive(Default)]
    struct Subscriptions {
        extended: usize,
        gone: bool,
    }
    let known = Arc::new(Mutex::new(Subscriptions::default()));
    let extend = async |State(known): State<Arc<Mutex<Subscriptions>>>, At(id): At<String>| {
        let mut known = known.lock().unwrap();
        assert_eq!(id, "s 1");
        known.extended += 1;
        answer(if known.gone { StatusCode::NOT_FOUND } else { StatusCode::OK }, &json!({}))
    };
    let create = async || answer(StatusCode::OK, &json!({ "id": "s 1" }));
    let router = Router::new()
        .route("/subscriptions", post(create))
        .route("/subscriptions/{id}/extend", post(extend))
        .with_state(Arc::clone(&known));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("main.flow"), ENDING).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = flowc();
        command.current_dir(folder.path()).env("CHANNELS_URL", &address).args(arguments);
        command
    };
    let extended = async |times: usize| match known.lock().unwrap().extended {
        few if few < times => Err(few),
        _ => Ok(()),
    };

    let serving = Serving::start(&mut command(&["serve", ".", "--listen", "127.0.0.1:0"]));
    drop(serving);
    assert_eq!(known.lock().unwrap().extended, 0, "there is none yet");
    let registered = output(&mut command(&["webhooks", "register", "--url", PUBLIC])).says(0, &[]);
    assert!(registered.stdout.contains("files: registered as s 1"), "{registered:?}");
    let serving = Serving::start(&mut command(&["serve", ".", "--listen", "127.0.0.1:0"]));
    eventually("it is renewed again and again", async || extended(3).await).await;
    known.lock().unwrap().gone = true;
    let told = async || {
        let log = serving.log();
        if log.contains("`flowc webhooks register --only files` sets it up again") { Ok(()) } else { Err(log) }
    };
    eventually("that it is gone is told", told).await;
}

/// The same with systems that say when one ends, and give another id to one that is renewed.
fn expiring() -> String {
    let renewed = "  operation subscriptions.extend(id: String) -> Subscription {";
    ENDING
        .replace("  operation subscriptions.extend(id: String) -> Json {", renewed)
        .replace("    every:    1s\n", "    expires:  .expires_at\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_renewed_before_the_end_that_its_system_says() {
    type Renewed = Arc<Mutex<Vec<String>>>;
    let known = Renewed::default();
    // Nothing else renews it within this test: `every` is 12 hours when nothing is said. 64-bit numbers are text, as Google has them.
    let shown = |number: usize, lasts: u64| {
        let expiration = ((now() + lasts) * 1000).to_string();
        answer(StatusCode::OK, &json!({ "id": format!("s {number}"), "expiration": expiration }))
    };
    let extend = async move |State(known): State<Renewed>, At(id): At<String>| {
        let mut known = known.lock().unwrap();
        known.push(id);
        shown(known.len() + 1, if known.len() < 3 { 2 } else { 86_400 })
    };
    let create = async move || shown(1, 3600);
    let router = Router::new()
        .route("/subscriptions", post(create))
        .route("/subscriptions/{id}/extend", post(extend))
        .with_state(Arc::clone(&known));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("main.flow"), expiring()).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = flowc();
        command.current_dir(folder.path()).env("CHANNELS_URL", &address).args(arguments);
        command
    };
    let registered =
        output(&mut command(&["webhooks", "register", "--url", PUBLIC, "--format", "json"])).says(0, &[]).json();
    let end = |json: &Json| {
        let end = decode(&json["webhooks"][0]["expires"], &Type::Timestamp, &Types::default()).unwrap();
        let Value::Timestamp(end) = end else { panic!("{end}") };
        end.as_second()
    };
    let hour = end(&registered) - i64::try_from(now()).unwrap();
    assert!((3500..=3600).contains(&hour), "{registered}");

    let serving = Serving::start(&mut command(&["serve", ".", "--listen", "127.0.0.1:0"]));
    let listed = || output(&mut command(&["webhooks", "list", "--format", "json"])).says(0, &[]).json();
    let last = async || {
        let listed = listed();
        if listed["webhooks"][0]["id"] == "s 4" { Ok(()) } else { Err(listed) }
    };
    eventually("it is renewed at the start and before each end", last).await;
    assert_eq!(*known.lock().unwrap(), ["s 1", "s 2", "s 3"], "each time by the id that it has then");
    assert!(end(&listed()) > i64::try_from(now()).unwrap() + 80_000);
    drop(serving);
}
