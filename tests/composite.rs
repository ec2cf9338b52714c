//! Operations with a body in Flow, over real HTTP, in a process that ends before or after any of its writes: what is on
//! record is not called again, and what was made stays made once.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::response::{IntoResponse as _, Response};
use flow_model::{plan::Plan, units::Millis, value::Value};
use flow_runtime::{
    blob::{Disk, load},
    engine::{Engine, Submission},
    eval::Library,
    machine::Outcome,
    sim::{
        disk::{Fault, Pace},
        outside::Outside,
        process::{Ended, Life, Own, live_over},
    },
};
use serde_json::{Value as Json, json};

use crate::executed::{Seen, Server, answer, connectors, plan};

/// A vendor: what it keeps outlives the processes that call it.
#[derive(Default)]
struct Vendor {
    /// By e-mail: id and stage.
    contacts: BTreeMap<String, (String, String)>,
    /// What was made under a key, so that it is made once.
    made: BTreeMap<String, Json>,
    uploads: BTreeMap<String, Vec<String>>,
    looks: u32,
}

impl Vendor {
    /// Makes something once for each key.
    fn once(&mut self, seen: &Seen, make: impl FnOnce(&mut Self) -> Json) -> Response {
        let key = seen.header("idempotency-key").unwrap().to_owned();
        if let Some(known) = self.made.get(&key) {
            return answer(200, known);
        }
        let made = make(self);
        self.made.insert(key, made.clone());
        answer(201, &made)
    }

    fn answer(&mut self, url: &str, seen: &Seen) -> Response {
        let body: Json = serde_json::from_str(&seen.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let (path, _) = seen.uri.split_once('?').unwrap_or((&seen.uri, ""));
        match (seen.method.as_str(), path) {
            ("GET", "/contacts") => match self.contacts.values().next() {
                Some((id, stage)) => answer(200, &json!({ "id": id, "stage": stage })),
                None => answer(404, &json!({})),
            },
            ("POST", "/contacts") => self.once(seen, |vendor| {
                let id = format!("c{}", vendor.contacts.len());
                vendor.contacts.insert(text("email"), (id.clone(), text("stage")));
                json!({ "id": id, "stage": text("stage") })
            }),
            ("PUT", "/contacts/c0") => {
                self.contacts.values_mut().for_each(|(_, stage)| *stage = text("stage"));
                answer(200, &json!({ "id": "c0", "stage": text("stage") }))
            }
            ("POST", "/uploads") => self.once(seen, |vendor| {
                let id = vendor.uploads.len();
                vendor.uploads.insert(format!("/uploads/{id}"), Vec::new());
                json!({ "url": format!("{url}/uploads/{id}") })
            }),
            ("PUT", upload) => {
                let parts = self.uploads.get_mut(upload).unwrap();
                let part = format!("{} {}", seen.header("content-range").unwrap(), seen.body);
                if !parts.contains(&part) {
                    parts.push(part);
                }
                let is_whole = seen.header("content-range").unwrap().ends_with("10-10/11");
                if is_whole {
                    answer(200, &json!({ "id": "f1" }))
                } else {
                    axum::http::StatusCode::PERMANENT_REDIRECT.into_response()
                }
            }
            ("POST", "/exports") => self.once(seen, |_| json!({ "id": "e1", "state": "queued", "link": null })),
            ("GET", "/exports/e1") => {
                self.looks += 1;
                let state = if self.looks < 3 { "queued" } else { "done" };
                answer(200, &json!({ "id": "e1", "state": state, "link": "/files/e1.csv" }))
            }
            ("GET", "/files/e1.csv") => ([("content-type", "text/csv")], "id;name\n1;Ada\n").into_response(),
            other => panic!("{other:?}"),
        }
    }
}

fn vendor() -> (Server, Arc<Mutex<Vendor>>) {
    let vendor = Arc::new(Mutex::new(Vendor::default()));
    let (state, address) = (Arc::clone(&vendor), Arc::new(Mutex::new(String::new())));
    let url = Arc::clone(&address);
    let server = Server::start(move |seen| state.lock().unwrap().answer(&url.lock().unwrap(), seen));
    server.url.clone_into(&mut address.lock().unwrap());
    (server, vendor)
}

const CONNECTOR: &str = r#"connector crm {
  http { base: "BASE", hosts: ["127.0.0.1"] }

  record Contact { id: String, stage: String }
  record Job { id: String, state: String }

  operation contacts.find(email: String) -> Contact? {
    effect:    read
    request:   GET "/contacts" { query: { email } }
    null_when: status == 404
  }

  operation contacts.create(email: String, stage: String) -> Contact {
    effect:  create
    key:     header("Idempotency-Key")
    request: POST "/contacts" { body: { email, stage } }
  }

  operation contacts.update(id: String, stage: String) -> Contact {
    effect:  idempotent
    request: PUT "/contacts/{id}" { body: { stage } }
  }

  operation contacts.upsert(email: String, stage: String) -> Contact {
    step found = contacts.find(email)
    if found != null {
      step updated = contacts.update(id: found.id, stage)
      updated
    } else {
      step created = contacts.create(email, stage)
      created
    }
  }

  operation uploads.begin(name: String) -> { url: Url } {
    effect:  create
    key:     header("Idempotency-Key")
    request: POST "/uploads" { body: { name } }
  }

  operation uploads.part(url: Url, range: String, content: File) {
    effect:       idempotent
    request:      PUT "{url}" { headers: { "Content-Range": range }, raw: content }
    success_when: status == 308
  }

  operation files.upload(content: File) -> Int {
    step upload = uploads.begin(name: content.name)
    let parts = content.chunks(5B)
    for one in parts {
      step uploads.part(url: upload.url, range: "bytes {one.from}-{one.to - 1}/{one.total}", content: one.content)
    }
    parts.length
  }

  operation exports.create(of: String) -> Job {
    effect:  create
    key:     header("Idempotency-Key")
    request: POST "/exports" { body: { of } }
  }

  operation exports.get(id: String) -> Job {
    effect:  read
    request: GET "/exports/{id}"
  }

  operation exports.download(name: String) -> File {
    effect:  read
    request: GET "/files/{name}"
  }

  operation exports.fetch(of: String) -> File {
    step begun = exports.create(of)
    repeat every 10s up to 30 times until job.state == "done" {
      step job = exports.get(id: begun.id)
    }
    step file = exports.download(name: "{begun.id}.csv")
    file
  }
}

connection sales = crm {}
"#;

fn program(server: &Server, flow: &str) -> Arc<Plan> {
    plan(&format!("{}{flow}", CONNECTOR.replace("BASE", &server.url)))
}

/// One life of a process that carries out the run, from where the one before left it.
pub(crate) fn life(plan: &Arc<Plan>, data: &Path, outside: &Arc<Outside>, fault: Fault) -> Ended<Value> {
    let performer = connectors(Arc::new(Disk::new(data.join("blobs")))).with_clock(outside.clock.clone());
    let performer = Arc::new(performer);
    let own = Own { performer, library: Library::new(flow_stdlib::functions()) };
    let life = Life { fault, pace: Pace::Drawn(1), lasts: None };
    let plan = Arc::clone(plan);
    let story = async |engine: Arc<Engine>| {
        engine.deploy(Arc::clone(&plan)).await.unwrap();
        engine.resume().await.unwrap();
        let dedupe = Some(("event".to_owned(), Millis::seconds(72 * 3600)));
        let event = Submission { dedupe, ..Submission::with_params(&*plan.flow, Value::record([])) };
        let run = engine.submit(event).await.unwrap().run;
        match engine.outcome(&run).await.unwrap().outcome {
            Some(Outcome::Completed(value)) => value,
            other => panic!("{other:?}"),
        }
    };
    live_over(outside, data, &life, own, story).unwrap()
}

/// Lives with these faults one after the other, then without one. Gives the result, whether the last fault was met, and
/// the vendor with how often it was called.
fn survive(flow: &str, faults: &[Fault]) -> (Value, bool, Arc<Mutex<Vendor>>, usize, tempfile::TempDir) {
    let (server, vendor) = vendor();
    let (plan, data, outside) = (program(&server, flow), tempfile::tempdir().unwrap(), Outside::kind());
    let mut met = false;
    for fault in faults {
        met = matches!(life(&plan, data.path(), &outside, *fault), Ended::Crashed);
    }
    let Ended::Well(result) = life(&plan, data.path(), &outside, Fault::Never) else {
        panic!("no crash was asked for")
    };
    (result, met, vendor, server.seen().len(), data)
}

/// Takes a flow through a crash at each of its writes. `holds` says whether what it has left is right.
fn survives_a_crash_at_any_write(flow: &str, holds: impl Fn(&Value, &Vendor, &Path)) {
    let (expected, _, vendor, calls, data) = survive(flow, &[]);
    holds(&expected, &vendor.lock().unwrap(), data.path());
    let mut crashes = 0;
    for (fault, more) in [(Fault::Before as fn(usize) -> Fault, 1), (Fault::After, 0), (Fault::Torn, 1)] {
        let mut at = 0;
        loop {
            let (result, met, vendor, made, data) = survive(flow, &[fault(at)]);
            assert_eq!(result, expected, "{:?}", fault(at));
            holds(&result, &vendor.lock().unwrap(), data.path());
            // What is on record is not called again; the call under way may be, when its outcome is not.
            assert!((calls..=calls + more).contains(&made), "{:?}: {made} calls, {calls} without", fault(at));
            if !met {
                break;
            }
            at += 1;
        }
        crashes += at;
    }
    assert!(crashes >= 3 * calls, "{crashes} crashes at {calls} calls");
    // Again and again, at a place that moves on.
    for at in 0..4 {
        let faults = [Fault::After(at), Fault::Before(at), Fault::After(at + 1), Fault::Before(1)];
        let (result, _, vendor, made, data) = survive(flow, &faults);
        assert_eq!(result, expected);
        holds(&result, &vendor.lock().unwrap(), data.path());
        assert!(made <= calls + 2, "{made} calls, {calls} without");
    }
}

#[test]
fn finding_and_then_creating_or_updating_survives_a_crash_at_any_write() {
    let flow = "flow keep {
  step made = sales.contacts.upsert(email: \"a@example.com\", stage: \"lead\")
  step again = sales.contacts.upsert(email: \"a@example.com\", stage: \"paid\")
  return { made: made.id, again: again.stage }
}
";
    survives_a_crash_at_any_write(flow, |result, vendor, _| {
        assert_eq!(*result, Value::record([("made", Value::text("c0")), ("again", Value::text("paid"))]));
        let contacts: Vec<_> = vendor.contacts.values().cloned().collect();
        assert_eq!(contacts, [("c0".to_owned(), "paid".to_owned())]);
    });
}

#[test]
fn an_upload_in_parts_survives_a_crash_at_any_write() {
    let flow = "flow send {
  step parts = sales.files.upload(content: \"hello world\".to_file(\"a.txt\"))
  return parts
}
";
    survives_a_crash_at_any_write(flow, |result, vendor, _| {
        assert_eq!(*result, Value::Int(3));
        let expected = ["bytes 0-4/11 hello", "bytes 5-9/11  worl", "bytes 10-10/11 d"].map(str::to_owned).to_vec();
        assert_eq!(vendor.uploads, BTreeMap::from([("/uploads/0".to_owned(), expected)]));
    });
}

#[test]
fn a_job_that_is_begun_waited_for_and_fetched_survives_a_crash_at_any_write() {
    let flow = "flow report {
  step file = sales.exports.fetch(of: \"contacts\")
  return file
}
";
    survives_a_crash_at_any_write(flow, |result, vendor, data| {
        let Value::File(file) = result else { panic!("{result}") };
        assert_eq!((file.name.as_str(), file.size), ("e1.csv", 14));
        assert_eq!(vendor.made.len(), 1, "the job is begun once");
        let blobs = Disk::new(data.join("blobs"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(load(&blobs, file.sha256)).unwrap(), b"id;name\n1;Ada\n");
    });
}
