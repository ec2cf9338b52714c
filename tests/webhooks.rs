//! Do the declarations of verifications take what vendors send, and nothing else?
//!
//! Each case is a program (`NAME.flow`) with the verification as a user writes it, and requests (`NAME.json`): what the vendor
//! sends, with the source of the signatures, what must be refused, and handshakes. The program is compiled and served, and the
//! requests are sent to it. What must be refused of any scheme is made from what is genuine: another byte in the body, another
//! secret, a header left out.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use flow_model::{plan::Plan, units::Instant};
use flow_runtime::{
    connector::{Connectors, NativeTable},
    engine::{self, Engine},
    eval::Library,
    secret::{SecretText, Secrets},
    sim::clock::VirtualClock,
    timer::Clock,
    trigger::{Counters, Limits, Settings, serve, verify::Roots},
};
use reqwest::{Client, Method, Response};
use serde_json::{Map, Value as Json, json};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

use crate::{
    programs::{checked, errors, read},
    tidy::{files, shown},
};

/// Secrets that a request can change.
#[derive(Default)]
struct Vault(Mutex<BTreeMap<String, String>>);

impl Vault {
    fn set(&self, secrets: &Json) {
        let texts = secrets.as_object().unwrap().iter();
        self.0.lock().unwrap().extend(texts.map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned())));
    }
}

impl Secrets for Vault {
    fn get(&self, name: &str) -> Option<SecretText> {
        self.0.lock().unwrap().get(name).map(|text| SecretText::new(text.as_str()))
    }
}

/// A program that listens, with its clock and its secrets.
struct Served {
    name: String,
    address: String,
    vault: Arc<Vault>,
    clock: Arc<VirtualClock>,
    http: Client,
}

impl Served {
    /// Sends a request; the status of the answer, and its text.
    async fn sent(&self, case: &Json, request: &Json) -> (u16, String) {
        let answer = self.answer(case, request).await;
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    }

    async fn answer(&self, case: &Json, request: &Json) -> Response {
        self.vault.set(&case["secrets"]);
        if let Some(secrets) = request.get("secrets") {
            self.vault.set(secrets);
        }
        let at = case["now"].as_i64().unwrap() + request["seconds_later"].as_i64().unwrap_or(0);
        self.clock.shift(at * 1000 - self.clock.now().0);
        let method: Method = request["method"].as_str().unwrap_or("POST").parse().unwrap();
        let url = format!("http://{}{}", self.address, request["path"].as_str().unwrap());
        let mut sent = self.http.request(method, url);
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            sent = sent.header(name, value.as_str().unwrap());
        }
        sent.body(request["body"].as_str().unwrap_or_default().to_owned()).send().await.unwrap()
    }

    /// Sends a request that must be refused, for a reason or for any.
    async fn refuses(&self, case: &Json, request: &Json, is: &str, reason: Option<&str>) {
        let (status, text) = self.sent(case, request).await;
        assert_eq!(status, 401, "{}: {is}\n{text}", self.name);
        if let Some(reason) = reason {
            let told: Json = serde_json::from_str(&text).unwrap();
            assert_eq!(told["reason"], reason, "{}: {is}\n{text}", self.name);
        }
    }

    /// Sends what can be made from a genuine request and is genuine no longer.
    async fn refuses_what_is_like(&self, case: &Json, genuine: &Json) {
        let body = genuine["body"].as_str().unwrap();
        for at in (0..body.len()).step_by(17).chain(body.len().checked_sub(1)) {
            let mut other = body.as_bytes().to_vec();
            other[at] ^= 1;
            let other = changed(genuine, "body", json!(String::from_utf8(other).unwrap()));
            self.refuses(case, &other, &format!("another byte at {at}"), Some("no_match")).await;
        }
        let longer = changed(genuine, "body", json!(format!("{body} ")));
        self.refuses(case, &longer, "a byte more", Some("no_match")).await;
        let others = case["secrets"].as_object().unwrap().keys().map(|name| (name.clone(), json!("another secret")));
        let other = changed(genuine, "secrets", Json::Object(others.collect()));
        self.refuses(case, &other, "another secret", Some("no_match")).await;
        let headers = genuine["headers"].as_object().unwrap();
        for name in headers.keys().filter(|name| *name != "content-type") {
            let mut fewer = headers.clone();
            fewer.remove(name);
            let fewer = changed(genuine, "headers", Json::Object(fewer));
            self.refuses(case, &fewer, &format!("without `{name}`"), None).await;
        }
    }
}

fn changed(request: &Json, name: &str, value: Json) -> Json {
    let mut request = request.clone();
    request[name] = value;
    request
}

/// A genuine request with what is said of another one; headers that are null are left out.
fn with(genuine: &Json, changes: &Json) -> Json {
    let mut request = genuine.clone();
    for (name, value) in changes.as_object().unwrap().iter().filter(|(name, _)| *name != "headers") {
        request[name] = value.clone();
    }
    let mut headers: Map<String, Json> = genuine["headers"].as_object().unwrap().clone();
    for (name, value) in changes["headers"].as_object().into_iter().flatten() {
        assert!(headers.contains_key(name), "`{name}` changes nothing");
        headers.insert(name.clone(), value.clone());
    }
    headers.retain(|_, value| !value.is_null());
    request["headers"] = Json::Object(headers);
    request
}

/// Serves the program of a case and sends the requests.
async fn run(name: &str, plans: Vec<Arc<Plan>>, case: &Json) {
    let folder = tempfile::tempdir().unwrap();
    let (vault, env) = (Arc::new(Vault::default()), Arc::new(BTreeMap::<String, String>::new()));
    let clock = Arc::new(VirtualClock::at(Instant(0)));
    let library = Library::new(flow_stdlib::functions());
    let performer = Connectors::new(library.clone(), env.clone(), vault.clone(), NativeTable::new());
    let settings = engine::Settings::new(folder.path(), library.clone(), env.clone(), Arc::new(performer));
    let engine = Arc::new(Engine::open(engine::Settings { clock: clock.clone(), ..settings }).unwrap());
    for plan in &plans {
        engine.deploy(Arc::clone(plan)).await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings = Settings {
        library,
        env,
        secrets: vault.clone(),
        roots: Arc::new(Roots::only(case["roots"].as_str().unwrap_or_default())),
        clock: clock.clone(),
        limits: Limits::default(),
        token: None,
        public_url: Some(case["public_url"].as_str().unwrap().parse().unwrap()),
        counters: Arc::new(Counters::default()),
        metrics: None,
        folder: folder.path().to_owned(),
    };
    let (_others, watched) = watch::channel(plans);
    let (stop, stopped) = oneshot::channel::<()>();
    let served = Arc::clone(&engine);
    let server = tokio::spawn(async move {
        let stop = async {
            stopped.await.ok();
        };
        serve(served, watched, listener, settings, stop).await
    });
    let served = Served { name: name.to_owned(), address, vault, clock, http: Client::new() };
    let all = |what: &str| case[what].as_array().cloned().unwrap_or_default();
    let genuine = all("genuine");
    for request in &genuine {
        let (status, text) = served.sent(case, request).await;
        assert_eq!(status, 202, "{name}: {}\n{text}", request["is"]);
        served.refuses_what_is_like(case, request).await;
    }
    let refused = all("refused");
    assert!(!genuine.is_empty() && !refused.is_empty(), "{name} tries nothing");
    for changes in &refused {
        let request = with(&genuine[0], changes);
        served.refuses(case, &request, changes["is"].as_str().unwrap(), changes["reason"].as_str()).await;
    }
    for request in &all("answered") {
        let answer = served.answer(case, request).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        assert_eq!(status, request["status"], "{name}: {}\n{text}", request["is"]);
        for (header, value) in request["returns"].as_object().into_iter().flatten() {
            let returned = headers.get(header).map(|value| value.to_str().unwrap());
            assert_eq!(returned, value.as_str(), "{name}: {}: {header}", request["is"]);
        }
        if let Some(says) = request["says"].as_str() {
            assert_eq!(text, says, "{name}: {}", request["is"]);
        }
    }
    stop.send(()).ok();
    server.await.unwrap().unwrap();
    engine.shutdown().await;
}

#[tokio::test]
async fn vendors_prove_themselves_and_nobody_else_does() {
    let mut vendors = Vec::new();
    for path in files(&["flow"]).iter().map(|path| shown(path)).filter(|path| path.starts_with("tests/cases/webhooks/"))
    {
        let checked = checked(&path, &read(&path));
        assert_eq!(errors(&checked), "", "{path}");
        let plans = checked.program.unwrap().plans.into_values().map(Arc::new).collect();
        let case: Json = serde_json::from_str(&read(Path::new(&path).with_extension("json"))).unwrap();
        assert!(case["source"].is_string(), "{path} names no source");
        run(&path, plans, &case).await;
        vendors.push(path);
    }
    assert!(vendors.len() >= 25, "{vendors:?}");
}
