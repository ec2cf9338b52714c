//! A person connects a connection: tokens come from a server that checks what it is asked, go into calls and nowhere else,
//! and runs wait for a person when what was agreed to has ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{
    eventually,
    process::{Ended, Serving, flowc, output, run},
};

const PROGRAM: &str = r#"connector crm {
  config {
    login:         Url
    client_id:     String
    client_secret: Secret<String> = secret("crm/client_secret")
  }

  http {
    base:  "https://crm.example.com"
    auth:  authorization_code(
      authorize: "{config.login}/authorize",
      token: "{config.login}/token",
      id: config.client_id,
      secret: config.client_secret,
      scopes: ["profile"],
    )
    probe: me.get
  }

  operation me.get() -> { name: String } {
    effect:  read
    request: GET "/me"
  }

  operation contacts.create(name: String) -> { name: String } {
    effect:  create
    request: POST "/contacts" { body: { name } }
    scopes:  ["contacts.write"]
  }
}

connection sales = crm { login: env("LOGIN_URL"), base_url: env("CRM_URL"), client_id: "client-1" }

flow add {
  on http POST "/add" as req { body: { name: String }, verify: none because "a test", dedupe: req.body.name }
  step me = sales.me.get()
  step contact = sales.contacts.create(name: req.body.name)
  return "{contact.name} by {me.name}"
}
"#;

/// What a server that gives out tokens knows.
#[derive(Default)]
struct Granted {
    /// Codes that were given to browsers: with the challenge and where the browser was sent.
    codes: BTreeMap<String, (String, String)>,
    refresh: BTreeSet<String>,
    access: BTreeSet<String>,
    given: usize,
    asked: Vec<String>,
    /// What the API was asked to do.
    created: Vec<String>,
}

type Shared = Arc<Mutex<Granted>>;

/// A server that gives out tokens, and a system that takes them.
struct Vendor {
    address: String,
    granted: Shared,
}

impl Vendor {
    async fn start() -> Self {
        let granted = Shared::default();
        let router = Router::new()
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/me", get(me))
            .route("/contacts", post(contacts))
            .with_state(Arc::clone(&granted));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, granted }
    }

    /// All that was given out ends.
    fn revoke(&self) {
        let mut granted = self.granted.lock().unwrap();
        granted.access.clear();
        granted.refresh.clear();
    }

    /// Access tokens end, and can be renewed.
    fn expire(&self) {
        self.granted.lock().unwrap().access.clear();
    }
}

/// The fields of a form or a query.
pub(super) fn fields(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn answer(status: StatusCode, json: &Json) -> Response {
    (status, [("content-type", "application/json")], json.to_string()).into_response()
}

async fn authorize(State(shared): State<Shared>, uri: Uri) -> Response {
    let asked = fields(uri.query().unwrap_or_default());
    let mut granted = shared.lock().unwrap();
    assert_eq!((&*asked["client_id"], &*asked["response_type"]), ("client-1", "code"));
    assert_eq!(&*asked["scope"], "profile contacts.write", "also what the operations need");
    granted.asked.push("authorize".to_owned());
    let code = format!("code-{}", granted.codes.len());
    granted.codes.insert(code.clone(), (asked["code_challenge"].clone(), asked["redirect_uri"].clone()));
    Redirect::to(&format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"])).into_response()
}

async fn token(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let asked = fields(&body);
    let mut granted = shared.lock().unwrap();
    let refuse = |error: &str| answer(StatusCode::BAD_REQUEST, &json!({ "error": error }));
    // `client-1:canary-client-secret`
    if headers.get("authorization").and_then(|it| it.to_str().ok())
        != Some("Basic Y2xpZW50LTE6Y2FuYXJ5LWNsaWVudC1zZWNyZXQ=")
    {
        return refuse("invalid_client");
    }
    granted.asked.push(asked["grant_type"].clone());
    let holds = match &*asked["grant_type"] {
        "authorization_code" => {
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&asked["code_verifier"]));
            granted.codes.remove(&asked["code"]) == Some((digest, asked["redirect_uri"].clone()))
        }
        "refresh_token" => granted.refresh.remove(&asked["refresh_token"]),
        _ => false,
    };
    if !holds {
        return refuse("invalid_grant");
    }
    granted.given += 1;
    let (access, refresh) = (format!("canary-access-{}", granted.given), format!("canary-refresh-{}", granted.given));
    granted.access.insert(access.clone());
    granted.refresh.insert(refresh.clone());
    answer(StatusCode::OK, &json!({ "access_token": access, "refresh_token": refresh, "expires_in": 3600 }))
}

fn is_known(granted: &Granted, headers: &HeaderMap) -> bool {
    let header = headers.get("authorization").and_then(|header| header.to_str().ok()).unwrap_or_default();
    granted.access.contains(header.trim_start_matches("Bearer "))
}

async fn me(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    match is_known(&shared.lock().unwrap(), &headers) {
        true => answer(StatusCode::OK, &json!({ "name": "jenny" })),
        // Some systems hand back what they were given.
        false => answer(StatusCode::UNAUTHORIZED, &json!({ "got": format!("{headers:?}") })),
    }
}

async fn contacts(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let body: Json = serde_json::from_str(&body).unwrap();
    let mut granted = shared.lock().unwrap();
    if !is_known(&granted, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    granted.created.push(body["name"].as_str().unwrap().to_owned());
    answer(StatusCode::OK, &body)
}

/// A project with the program; the key of its store is elsewhere.
struct Project {
    folder: TempDir,
    key: TempDir,
    vendor: Vendor,
}

impl Project {
    async fn new() -> Self {
        let project =
            Self { folder: TempDir::new().unwrap(), key: TempDir::new().unwrap(), vendor: Vendor::start().await };
        fs::write(project.folder.path().join("main.flow"), PROGRAM).unwrap();
        project
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = flowc();
        command.current_dir(self.folder.path()).args(arguments);
        command.env("FLOW_SECRETS_KEY", self.key.path().join("key")).env("CRM_CLIENT_SECRET", "canary-client-secret");
        command.env("LOGIN_URL", &self.vendor.address).env("CRM_URL", &self.vendor.address);
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join(".flow")
    }

    /// A person who connects: the browser follows where it is sent.
    async fn connect(&self) -> Ended {
        let arguments = ["connect", "sales", "--redirect", "http://127.0.0.1:0/callback", "--no-browser"];
        let (child, url, before) = begin(self.command(&arguments).stdin(Stdio::null()));
        let page = reqwest::get(&url).await.unwrap();
        assert_eq!(page.status(), 200);
        assert!(page.text().await.unwrap().contains("Connected."));
        end(child, before)
    }
}

/// Starts `flowc connect` and gives the URL that it prints.
pub(super) fn begin(command: &mut Command) -> (Child, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("flowc starts");
    let mut before = String::new();
    let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let url = loop {
        let Some(line) = lines.next() else { panic!("flowc connect printed no URL: {before}") };
        let line = line.unwrap();
        before.push_str(&line);
        if let Some(at) = line.find("http://") {
            break line[at..].to_owned();
        }
    };
    (child, url, before)
}

pub(super) fn end(child: Child, before: String) -> Ended {
    let ended = Ended::from(child.wait_with_output().unwrap());
    Ended { stderr: before + &ended.stderr, ..ended }
}

/// Asserts that nothing secret is in a file or in what was written: all of it begins with `canary`.
pub(super) fn nowhere(folder: &Path, shown: &[&Ended]) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => {
                    let bytes = fs::read(&path).unwrap();
                    assert!(!bytes.windows(6).any(|window| window == b"canary"), "in {path:?}");
                }
            }
        }
    }
    for ended in shown {
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("canary"), "{ended:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_connected_once_and_its_tokens_are_seen_nowhere() {
    let project = Project::new().await;
    let listed = output(&mut project.command(&["connections", "list"])).says(0, &[]);
    assert!(listed.stdout.contains("not connected"), "{listed:?}");
    let tested = output(&mut project.command(&["connections", "test"])).says(3, &[]);
    assert!(tested.stdout.contains("run `flowc connect sales`"), "{tested:?}");
    let unknown = output(&mut project.command(&["connect", "sale"])).says(2, &["did you mean `sales`?"]);

    let input = json!({ "name": "ada" }).to_string();
    let refused = output(&mut project.command(&["run", "main.flow", "--input", &input]));
    refused.says(6, &["the connection `sales` is not connected yet: run `flowc connect sales`"]);
    let facts = output(&mut project.command(&["facts", "main.flow"])).says(0, &[]);
    assert!(facts.stdout.contains("reaches the host in LOGIN_URL too"), "{facts:?}");

    let connected = project.connect().await.says(0, &["connected `sales`"]);
    let listed_after = output(&mut project.command(&["connections", "list", "--format", "json"])).says(0, &[]);
    let json = listed_after.json();
    assert_eq!(json["connections"][0]["state"], "connected", "{json}");
    assert_eq!(json["connections"][0]["scopes"], json!(["contacts.write"]));
    let tested_after = output(&mut project.command(&["connections", "test", "--only", "sales"])).says(0, &[]);
    assert_eq!(tested_after.stdout, "sales: works\n");

    // The token has ended: it is renewed, and the new refresh token is kept, so that it is renewed again.
    let mut shown = vec![listed, tested, unknown, connected, listed_after, tested_after];
    for name in ["ada", "bob"] {
        project.vendor.expire();
        let input = json!({ "name": name }).to_string();
        let mut command = project.command(&["run", "main.flow", "--input", &input]);
        shown.push(output(command.env("FLOW_LOG", "trace")).says(0, &["completed"]));
    }
    {
        let granted = project.vendor.granted.lock().unwrap();
        assert_eq!(granted.asked, ["authorize", "authorization_code", "refresh_token", "refresh_token"]);
        assert_eq!(granted.created, ["ada", "bob"]);
    }
    nowhere(project.folder.path(), &shown.iter().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_of_a_browser_elsewhere_is_pasted() {
    let project = Project::new().await;
    let arguments = ["connect", "sales", "--paste", "--no-browser", "--redirect", "https://flow.example.com/back"];
    let (mut child, url, before) = begin(project.command(&arguments).stdin(Stdio::piped()));
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sent = browser.get(&url).send().await.unwrap();
    let arrived = sent.headers()["location"].to_str().unwrap();
    assert!(arrived.starts_with("https://flow.example.com/back?code=code-0&state="), "{arrived}");
    child.stdin.take().unwrap().write_all(format!("{arrived}\n").as_bytes()).unwrap();
    end(child, before).says(0, &["connected `sales`"]);

    // Another state is refused, and so is a redirect to elsewhere without `--paste`.
    let (mut child, _, before) = begin(project.command(&arguments).stdin(Stdio::piped()));
    child.stdin.take().unwrap().write_all(format!("{arrived}\n").as_bytes()).unwrap();
    end(child, before).says(3, &["another authorization"]);
    let arguments = ["connect", "sales", "--redirect", "https://flow.example.com/back"];
    output(&mut project.command(&arguments)).says(2, &["it is not on this machine", "--paste"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn case_21_runs_wait_for_a_grant_that_has_ended_and_go_on_when_someone_connects_again() {
    let project = Project::new().await;
    project.connect().await.says(0, &[]);
    project.vendor.revoke();
    let serving = Serving::start(&mut project.command(&["serve", "main.flow", "--listen", "127.0.0.1:0"]));
    let client = reqwest::Client::new();
    let mut ids = Vec::new();
    for name in ["ada", "bob"] {
        let request = client.post(format!("{}/add", serving.address)).body(json!({ "name": name }).to_string());
        let answer: Json = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        ids.push(answer["run"].as_str().unwrap().to_owned());
    }
    for id in &ids {
        let said = eventually("the run waits for a person", async || {
            let why = output(flowc().args(["runs", "why", id, "--data"]).arg(project.data()));
            if why.stdout.contains("flowc connect sales") { Ok(why.stdout) } else { Err(why) }
        })
        .await;
        assert!(said.contains("the connection `sales` has to be connected again"), "{said}");
    }
    let listed = output(&mut project.command(&["connections", "list"])).says(0, &[]);
    assert!(listed.stdout.contains("has to be connected again"), "{listed:?}");
    let asked = project.vendor.granted.lock().unwrap().asked.clone();
    assert_eq!(
        asked.iter().filter(|asked| *asked == "refresh_token").count(),
        1,
        "the server is asked once: {asked:?}"
    );
    let alarm = "the connection `sales` has to be connected again";
    assert_eq!(serving.log().matches(alarm).count(), 1, "{}", serving.log());

    project.connect().await.says(0, &["connected `sales`"]);
    for id in &ids {
        eventually(&format!("run {id} is completed"), async || {
            let shown = run(&project.data(), id);
            if shown["state"] == "completed" { Ok(()) } else { Err(shown) }
        })
        .await;
    }
    let mut created = project.vendor.granted.lock().unwrap().created.clone();
    created.sort();
    assert_eq!(created, ["ada", "bob"], "each once");
    serving.signal("TERM");
    let ended = serving.ended().says(0, &[]);
    nowhere(project.folder.path(), &[&ended]);
}
