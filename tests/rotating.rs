//! A connector as section 11 of docs/connectors.md has one, for a vendor that takes each refresh token once: the next one comes
//! with each new token, and whoever comes with one that was used is taken for a thief, so that nothing holds any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use axum::response::Response;
use flow_model::{failure::ErrorKind, plan::Plan, units::Millis, value::Value};
use flow_runtime::{
    blob::Memory,
    connector::{Attempt, Connecting, Connectors, Invocation, Performer as _, Reached, Tokens},
    secret::SecretText,
};
use futures::future::join_all;
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::executed::{Seen, Server, answer, connectors, plan};

const PROGRAM: &str = r#"/// A ledger, for the person who has agreed.
connector ledger {
  config {
    client_id:     String
    client_secret: Secret<String> = secret("ledger/client_secret")
  }

  http {
    base: "BASE/api"
    auth: authorization_code(
      authorize: "BASE/authorize",
      token: "BASE/token",
      id: config.client_id,
      secret: config.client_secret,
      send: body,
      scopes: ["entries"],
    )
  }

  operation entries.add(text: String) -> { id: Int } {
    effect:  create
    key:     header("Idempotency-Key")
    request: POST "/entries" { body: { text } }
  }
}

connection books = ledger { client_id: "client-1" }

flow note(text: String) -> Int {
  step entry = books.entries.add(text)
  return entry.id
}
"#;

/// What the vendor knows.
#[derive(Default)]
struct Vendor {
    given: usize,
    /// The refresh token that holds, and those that were used.
    refresh: Option<String>,
    used: BTreeSet<String>,
    access: Option<String>,
    /// How often a call came with a token that does not hold.
    refused: usize,
    /// Whether it takes no token at all.
    refuses: bool,
    /// How often it was asked with a refresh token.
    asked: usize,
    /// By key.
    entries: BTreeMap<String, String>,
}

impl Vendor {
    fn answer(&mut self, seen: &Seen) -> Response {
        let form: BTreeMap<String, String> = form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
        match (seen.uri.as_str(), form.get("grant_type").map(String::as_str)) {
            ("/token", Some("authorization_code")) => self.give(),
            ("/token", Some("refresh_token")) => {
                self.asked += 1;
                assert_eq!(form["client_secret"], "ledger/client_secret");
                let shown = form["refresh_token"].clone();
                if self.refresh.as_ref() == Some(&shown) {
                    self.used.insert(shown);
                    return self.give();
                }
                if self.used.contains(&shown) {
                    (self.refresh, self.access) = (None, None);
                }
                answer(400, &json!({ "error": "invalid_grant", "error_description": "the token was used" }))
            }
            ("/api/entries", _) => {
                let access = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
                if self.refuses || access.is_none() || access != self.access.as_deref() {
                    self.refused += 1;
                    return answer(401, &json!({ "message": "the token has ended" }));
                }
                let key = seen.header("idempotency-key").unwrap().to_owned();
                self.entries.insert(key, seen.body.clone());
                answer(201, &json!({ "id": self.entries.len() }))
            }
            other => panic!("{other:?}"),
        }
    }

    fn give(&mut self) -> Response {
        self.given += 1;
        let (access, refresh) = (format!("access-{}", self.given), format!("refresh-{}", self.given));
        let told = json!({ "access_token": access, "refresh_token": refresh, "expires_in": 600 });
        (self.access, self.refresh) = (Some(access), Some(refresh));
        answer(200, &told)
    }
}

/// A disk that several processes share.
#[derive(Default)]
struct Disk {
    texts: Mutex<BTreeMap<String, String>>,
    full: AtomicBool,
    lock: Arc<tokio::sync::Mutex<()>>,
}

#[async_trait]
impl Tokens for Disk {
    fn get(&self, account: &str) -> Result<Option<SecretText>, String> {
        Ok(self.texts.lock().unwrap().get(account).map(|text| SecretText::new(text.as_str())))
    }

    fn set(&self, account: &str, text: &SecretText) -> Result<(), String> {
        if self.full.load(Ordering::SeqCst) {
            return Err("no space left on the disk".to_owned());
        }
        self.texts.lock().unwrap().insert(account.to_owned(), text.reveal().to_owned());
        Ok(())
    }

    async fn alone(&self, _account: &str) -> Result<Box<dyn Send>, String> {
        Ok(Box::new(Arc::clone(&self.lock).lock_owned().await))
    }
}

/// The vendor, the program, and what is on disk: the person has agreed, and the token that came then has ended.
struct World {
    vendor: Arc<Mutex<Vendor>>,
    plan: Arc<Plan>,
    disk: Arc<Disk>,
}

impl World {
    async fn new() -> Self {
        let vendor = Arc::<Mutex<Vendor>>::default();
        let state = Arc::clone(&vendor);
        let server = Server::start(move |seen| state.lock().unwrap().answer(seen));
        let world = Self { vendor, plan: plan(&PROGRAM.replace("BASE", &server.url)), disk: Arc::default() };
        world.connect().await;
        world.vendor.lock().unwrap().access = None;
        world
    }

    fn process(&self) -> Connectors {
        connectors(Arc::new(Memory::new())).with_tokens(self.disk.clone())
    }

    /// The person agrees.
    async fn connect(&self) {
        let process = self.process();
        let back: Url = "http://127.0.0.1/back".parse().unwrap();
        let Ok(Connecting::Code(begun)) = process.connecting(&self.plan, "books", back.clone(), &[]).await else {
            panic!("a person is asked")
        };
        let asked: BTreeMap<_, _> = begun.url().query_pairs().into_owned().collect();
        assert_eq!(asked["scope"], "entries");
        let mut arrived = back;
        arrived.query_pairs_mut().append_pair("code", "code-1").append_pair("state", &asked["state"]);
        begun.finish(&arrived).await.unwrap();
    }

    async fn add(&self, process: &Connectors, text: &str) -> Attempt {
        let invocation = Invocation {
            plan: Arc::clone(&self.plan),
            connection: "books".to_owned(),
            operation: "entries.add".to_owned(),
            result: None,
            page: None,
            args: vec![Value::text(text)],
            nulls: Vec::new(),
            key: text.to_owned(),
            timeout: Millis(20_000),
            traceparent: None,
            admitted: None,
        };
        process.perform(invocation).await
    }

    fn asked(&self) -> (usize, usize) {
        let vendor = self.vendor.lock().unwrap();
        (vendor.asked, vendor.entries.len())
    }

    /// How often a call came with a token that does not hold.
    fn refused(&self) -> usize {
        self.vendor.lock().unwrap().refused
    }
}

#[tokio::test]
async fn case_21_runs_of_two_processes_that_need_a_token_together_ask_with_a_refresh_token_once() {
    let world = World::new().await;
    let processes = [world.process(), world.process()];
    let texts: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let calls = processes.iter().flat_map(|process| texts.iter().map(move |text| (process, text)));
    let attempts = join_all(calls.map(|(process, text)| world.add(process, text))).await;
    for attempt in &attempts {
        assert!(attempt.outcome.is_ok(), "{attempt:?}");
    }
    assert_eq!(world.asked(), (1, 20), "each entry once, by its key");
    // The next one is asked for by one of them, and the other has it from the disk.
    world.vendor.lock().unwrap().access = None;
    for process in &processes {
        assert!(world.add(process, "20").await.outcome.is_ok());
        assert_eq!(world.asked(), (2, 21));
    }
}

#[tokio::test]
async fn case_21_a_token_that_another_process_has_stored_and_that_has_ended_too_is_followed_by_one_renewal() {
    let world = World::new().await;
    let (one, other) = (world.process(), world.process());
    assert!(world.add(&one, "1").await.outcome.is_ok());
    world.vendor.lock().unwrap().access = None;
    assert!(world.add(&other, "2").await.outcome.is_ok());
    // Both tokens have ended: the one that the first process knows, and the one that the other has stored.
    {
        let mut vendor = world.vendor.lock().unwrap();
        (vendor.access, vendor.refused, vendor.asked) = (None, 0, 0);
    }
    assert!(world.add(&one, "3").await.outcome.is_ok());
    assert_eq!((world.refused(), world.asked()), (2, (1, 3)));
    // A vendor that refuses new ones as well is not asked again and again.
    world.vendor.lock().unwrap().access = None;
    assert!(world.add(&other, "4").await.outcome.is_ok());
    {
        let mut vendor = world.vendor.lock().unwrap();
        (vendor.refuses, vendor.refused, vendor.asked) = (true, 0, 0);
    }
    let attempt = world.add(&one, "5").await;
    assert_eq!((attempt.outcome.unwrap_err().kind, attempt.reached), (ErrorKind::Unauthorized, Reached::Answered));
    assert_eq!((world.refused(), world.asked()), (3, (1, 4)));
}

#[tokio::test]
async fn case_21_a_token_that_could_not_be_written_is_written_when_it_can_be_and_not_asked_for_again() {
    let world = World::new().await;
    let process = world.process();
    world.disk.full.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let attempt = world.add(&process, "1").await;
        assert_eq!(attempt.reached, Reached::Never);
        let failure = attempt.outcome.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Unavailable);
        assert!(failure.message.ends_with("can't be kept: no space left on the disk"), "{failure}");
    }
    assert_eq!(world.asked(), (1, 0), "what is not on disk is not used");
    world.disk.full.store(false, Ordering::SeqCst);
    assert!(world.add(&process, "1").await.outcome.is_ok());
    assert_eq!(world.asked(), (1, 1));
    world.vendor.lock().unwrap().access = None;
    assert!(world.add(&world.process(), "2").await.outcome.is_ok(), "the next process has it from the disk");
    assert_eq!(world.asked(), (2, 2));

    // Unless someone has connected meanwhile: that goes before.
    world.vendor.lock().unwrap().access = None;
    world.disk.full.store(true, Ordering::SeqCst);
    assert!(world.add(&process, "3").await.outcome.is_err());
    world.disk.full.store(false, Ordering::SeqCst);
    world.connect().await;
    let asked = world.asked().0;
    assert!(world.add(&process, "3").await.outcome.is_ok());
    assert_eq!(world.asked(), (asked, 3));
}

/// Nothing can be done for a token that was lost on its way to the disk, when its vendor takes no other: a person is asked, and
/// then all goes on.
#[tokio::test]
async fn case_21_a_crash_before_a_token_is_on_disk_parks_the_calls_of_a_vendor_that_turns_its_tokens() {
    let world = World::new().await;
    world.disk.full.store(true, Ordering::SeqCst);
    assert!(world.add(&world.process(), "1").await.outcome.is_err());
    world.disk.full.store(false, Ordering::SeqCst);
    let process = world.process();
    for _ in 0..3 {
        let attempt = world.add(&process, "1").await;
        let because = "the connection `books` has to be connected again: run `flowc connect books`";
        assert_eq!(
            (attempt.parked.map(|parked| parked.because).as_deref(), attempt.reached),
            (Some(because), Reached::Never)
        );
    }
    assert_eq!(world.asked(), (2, 0), "it is asked no more");
    world.connect().await;
    assert!(world.add(&process, "1").await.outcome.is_ok());
    assert_eq!(world.asked(), (2, 1));
}
