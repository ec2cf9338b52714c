//! A trigger that reads a list: each item starts one run, whatever happens to the process and to the system between.

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{
    eventually,
    process::{Ended, Serving, flowc, output, run, runs},
};

const CONNECTOR: &str = r#"connector crm {
  http { base: "https://crm.example.com" }

  record Contact {
    id:         String
    updated_at: Timestamp @unix
  }

  operation contacts.list(since: Timestamp? @unix, segment: String?) -> Stream<Contact> {
    effect:  read
    request: GET "/contacts" { query: { since, segment } }
    page:    cursor(next: body.next, into: query.after, items: body.contacts)
  }

  trigger contact.created(segment: String?) as Contact {
    poll:    contacts.list(since: since, segment: segment)
    cursor:  .updated_at
    overlap: 1m
    first:   start
    dedupe:  .id
  }
}

connection sales = crm { base_url: env("CRM_URL") }
"#;

const FOLLOW: &str = "
flow follow {
  on sales.contact.created as contact { every: 1s }
  return contact.id
}
";

/// One flow that reads two lists, and another that reads the first of them for itself.
const SEGMENTS: &str = r#"
flow north_and_south {
  on sales.contact.created(segment: "north") as contact { every: 1s }
  on sales.contact.created(segment: env("SECOND")) as contact { every: 1s }
  return contact.id
}

flow north_again {
  on sales.contact.created(segment: "north") as contact { every: 1s }
  return "again {contact.id}"
}
"#;

/// What the vendor knows.
#[derive(Default)]
struct Known {
    /// When each contact came, by id.
    contacts: BTreeMap<String, i64>,
    fails: bool,
    /// Whether it does not know what came after a time.
    forgets: bool,
    /// What was asked for.
    since: Vec<Option<i64>>,
}

type Shared = Arc<Mutex<Known>>;

/// Two contacts a page, the newest first.
async fn contacts(State(shared): State<Shared>, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let asked: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut known = shared.lock().unwrap();
    let since: Option<i64> = asked.get("since").map(|since| since.parse().unwrap());
    known.since.push(since);
    if known.fails {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if known.forgets && since.is_some() {
        return StatusCode::GONE.into_response();
    }
    let segment = asked.get("segment").map_or("", String::as_str);
    let contacts = known.contacts.iter().filter(|(id, _)| id.starts_with(segment));
    let mut found: Vec<(i64, String)> = contacts.map(|(id, at)| (*at, id.clone())).collect();
    found.retain(|(at, _)| since.is_none_or(|since| *at >= since));
    found.sort();
    found.reverse();
    let after: usize = asked.get("after").map_or(0, |after| after.parse().unwrap());
    let place = |id: &str| id.split(' ').next().unwrap_or_default().to_owned();
    let item = |(at, id): &(i64, String)| json!({ "id": id, "updated_at": at, "place": place(id) });
    let page: Vec<Json> = found.iter().skip(after).take(2).map(item).collect();
    let next = (after + 2 < found.len()).then(|| (after + 2).to_string());
    let json = json!({ "contacts": page, "next": next }).to_string();
    (StatusCode::OK, [("content-type", "application/json")], json).into_response()
}

struct Project {
    folder: TempDir,
    address: String,
    known: Shared,
}

impl Project {
    async fn new(flows: &str) -> Self {
        Self::with(CONNECTOR, flows).await
    }

    async fn with(connector: &str, flows: &str) -> Self {
        let (folder, known) = (TempDir::new().unwrap(), Shared::default());
        let router = Router::new().route("/contacts", get(contacts)).with_state(Arc::clone(&known));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fs::write(folder.path().join("main.flow"), format!("{connector}{flows}")).unwrap();
        Self { folder, address, known }
    }

    fn serve(&self) -> Serving {
        let mut command: Command = flowc();
        command.current_dir(self.folder.path()).env("CRM_URL", &self.address).env("SECOND", "south");
        Serving::start(command.args(["serve", ".", "--listen", "127.0.0.1:0"]))
    }

    fn polls(&self, arguments: &[&str]) -> Ended {
        let mut command: Command = flowc();
        command.current_dir(self.folder.path()).env("CRM_URL", &self.address).env("SECOND", "south");
        output(command.arg("polls").args(arguments))
    }

    /// Tells the trigger of `follow` to read from there, and asserts what is said of it.
    fn reset(&self, to: &str, texts: &[&str]) {
        let told = self.polls(&["reset", "follow", "--to", to]).says(0, &[]);
        texts.iter().for_each(|text| assert!(told.stdout.contains(text), "{text}: {told:?}"));
    }

    /// The triggers that poll, as they are listed.
    fn listed(&self) -> Vec<Json> {
        self.polls(&["list", "--format", "json"]).says(0, &[]).json()["polls"].as_array().unwrap().clone()
    }

    fn add(&self, id: &str, at: i64) {
        self.known.lock().unwrap().contacts.insert(id.to_owned(), at);
    }

    /// What runs were started for, in any order.
    fn started(&self) -> Vec<String> {
        let data = self.folder.path().join(".flow");
        let result =
            |one: &Json| run(&data, one["id"].as_str().unwrap())["result"].as_str().unwrap_or_default().to_owned();
        let mut started: Vec<String> = runs(&data).iter().map(result).collect();
        started.sort();
        started
    }

    /// Waits until there are as many runs as these, and asserts that each has its own.
    async fn starts(&self, ids: &[&str]) {
        let data = self.folder.path().join(".flow");
        let seen = async || {
            let runs = runs(&data);
            let over = runs.iter().filter(|run| run["state"] == "completed").count();
            if over >= ids.len() { Ok(()) } else { Err(over) }
        };
        eventually("each has its run", seen).await;
        let mut expected: Vec<&str> = ids.to_vec();
        expected.sort_unstable();
        assert_eq!(self.started(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_starts_one_run_each_over_kills_and_failures() {
    let project = Project::new(FOLLOW).await;
    for (id, at) in [("a", 1_700_000_000), ("b", 1_700_000_000), ("c", 1_700_000_030)] {
        project.add(id, at);
    }
    let serving = project.serve();
    project.starts(&["a", "b", "c"]).await;
    assert_eq!(project.known.lock().unwrap().since[0], None, "from the start");
    serving.kill();

    // While it is down one comes late, within the overlap, one before it, which is too late, and a new one.
    project.add("late", 1_699_999_990);
    project.add("too_late", 1_699_999_900);
    project.add("new", 1_700_000_100);
    let before = project.known.lock().unwrap().since.len();
    let serving = project.serve();
    project.starts(&["a", "b", "c", "late", "new"]).await;
    assert_eq!(
        project.known.lock().unwrap().since[before],
        Some(1_700_000_030 - 60),
        "what was read, less the overlap"
    );

    // It is killed while items come, again and again.
    let mut ids: Vec<String> = ["a", "b", "c", "late", "new"].map(str::to_owned).into();
    let mut serving = Some(serving);
    for round in 0..4 {
        for number in 0..6 {
            let id = format!("r{round}n{number}");
            project.add(&id, 1_700_000_200 + round * 10 + number / 3);
            ids.push(id);
        }
        let asked = project.known.lock().unwrap().since.len();
        let polls = async || {
            let now = project.known.lock().unwrap().since.len();
            if now > asked { Ok(()) } else { Err(now) }
        };
        eventually("it has asked", polls).await;
        serving.take().unwrap().kill();
        serving = Some(project.serve());
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    project.starts(&ids).await;

    // A system that does not answer is asked again, and that is seen.
    project.known.lock().unwrap().fails = true;
    let serving = serving.unwrap();
    let metrics = async || {
        let text = reqwest::get(format!("{}/metrics", serving.address)).await.unwrap().text().await.unwrap();
        let failed = text.lines().any(|line| line.contains("\"poll_failed\"") && !line.ends_with(" 0"));
        if failed { Ok(()) } else { Err(text) }
    };
    eventually("the failure is counted", metrics).await;
    assert!(serving.log().contains("what has happened can't be read"), "{}", serving.log());
    project.add("after", 1_700_001_000);
    project.known.lock().unwrap().fails = false;
    let ids: Vec<&str> = ids.iter().copied().chain(["after"]).collect();
    project.starts(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_list_that_a_flow_names_is_read_for_itself() {
    let project = Project::new(SEGMENTS).await;
    project.add("north 1", 1_700_000_500);
    project.add("south 1", 1_700_000_000);
    let serving = project.serve();
    project.starts(&["north 1", "south 1", "again north 1"]).await;
    serving.kill();
    // The list of the south goes on where it was, far behind the others.
    project.add("north 2", 1_700_000_600);
    project.add("south 2", 1_700_000_010);
    let _serving = project.serve();
    project.starts(&["north 1", "south 1", "again north 1", "north 2", "south 2", "again north 2"]).await;
}

/// A system whose times are milliseconds, and that can be asked for whole hours.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_can_be_asked_for_whole_hours_starts_one_run_for_each_item() {
    const HOUR: i64 = 3_600_000;
    const NOON: i64 = 472_223 * HOUR;
    let connector =
        CONNECTOR.replace("@unix", "@unix_ms").replace("overlap: 1m\n", "overlap: 1m\n    granularity: 1h\n");
    let project = Project::with(&connector, FOLLOW).await;
    project.add("a", NOON + 90_123);
    project.add("b", NOON + 90_124);
    let serving = project.serve();
    project.starts(&["a", "b"]).await;
    serving.kill();
    // One that is within the hour and not within the overlap is too late, though the system lists it.
    project.add("too_late", NOON + 30_000);
    project.add("late", NOON + 30_200);
    project.add("c", NOON + HOUR + 20_000);
    let before = project.known.lock().unwrap().since.len();
    let serving = project.serve();
    project.starts(&["a", "b", "late", "c"]).await;
    assert_eq!(project.known.lock().unwrap().since[before], Some(NOON), "less the overlap, and down to the hour");
    serving.kill();
    project.add("d", NOON + HOUR + 70_000);
    let before = project.known.lock().unwrap().since.len();
    let _serving = project.serve();
    project.starts(&["a", "b", "late", "c", "d"]).await;
    assert_eq!(project.known.lock().unwrap().since[before], Some(NOON), "20s into the next hour is within the overlap");
}

/// Served or not, a trigger reads from where it is told to, and what it was told is there after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_polls_is_shown_and_reads_from_where_it_is_told() {
    let project = Project::new(FOLLOW).await;
    project.add("a", 1_700_000_000);
    project.add("b", 1_700_001_000);
    let new = &project.listed()[0];
    assert_eq!((&new["flow"], &new["on"]), (&json!("follow"), &json!("sales.contact.created")));
    assert_eq!((&new["read"], &new["looked"]), (&Json::Null, &Json::Null), "nothing has run yet");

    // It is told before it has ever looked: what is there starts nothing, though the connector says `first: start`.
    project.reset("now", &["what comes from now on", "nobody serves"]);
    let serving = project.serve();
    let read = async |expected: &str| {
        let one = &project.listed()[0];
        let is_there = one["read"] == json!({ "": expected }) && one["looked"].is_string() && one["next"].is_string();
        if is_there && one["failures"] == 0 { Ok(()) } else { Err(one.clone()) }
    };
    let begun = async || {
        let one = &project.listed()[0];
        if one["read"].is_object() { Ok(()) } else { Err(one.clone()) }
    };
    eventually("it has looked", begun).await;
    let far = 4_000_000_000;
    project.add("c", far);
    project.starts(&["c"]).await;

    // From the start while it is served: each that is listed has a run, one that has had one another.
    project.reset("start", &["everything that is listed", "it had read up to 2096-"]);
    project.starts(&["a", "b", "c", "c"]).await;
    eventually("it shows how far", async || read("2096-10-02T07:06:40Z").await).await;
    // From a time on, less the overlap of a minute.
    project.reset("2023-11-14T22:30:00Z", &["begins at 2023-11-14T22:30:00Z"]);
    project.starts(&["a", "b", "b", "c", "c", "c"]).await;

    let failing = async || {
        let one = &project.listed()[0];
        let failure = one["failure"].as_str().unwrap_or_default();
        if failure.contains("503") && one["failures"].as_u64() > Some(0) { Ok(()) } else { Err(one.clone()) }
    };
    project.known.lock().unwrap().fails = true;
    eventually("why it does not read is shown", failing).await;
    let human = project.polls(&["list"]).says(0, &[]);
    assert!(human.stdout.contains("READ UP TO") && human.stdout.contains("failed "), "{human:?}");
    project.known.lock().unwrap().fails = false;

    // While nobody serves; the next server begins there.
    serving.kill();
    project.reset("2023-11-14T22:30:00Z", &["nobody serves the data folder"]);
    assert_eq!(project.listed()[0]["read"], json!({ "": "2023-11-14T22:30:00Z" }));
    let _serving = project.serve();
    project.starts(&["a", "b", "b", "b", "c", "c", "c", "c"]).await;

    for (arguments, words) in [
        (&["reset", "follow", "--to", "yesterday"][..], &["is no `yesterday`", "2026-01-31T09:00:00Z"][..]),
        (&["reset", "fallow", "--to", "now"], &["no flow `fallow`", "flowc polls list"]),
        (&["reset", "follow", "--on", "sales.deal.created", "--to", "now"], &["--on 'sales.contact.created'"]),
    ] {
        project.polls(arguments).says(2, words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_triggers_that_poll_one_is_told() {
    let project = Project::new(SEGMENTS).await;
    let several = ["has several triggers that poll", "--on 'sales.contact.created("];
    project.polls(&["reset", "north_and_south", "--to", "now"]).says(2, &several);
    let listed = project.listed();
    let on: Vec<&str> = listed.iter().map(|one| one["on"].as_str().unwrap()).collect();
    assert_eq!(on.len(), 3, "{listed:?}");
    project.polls(&["reset", "north_and_south", "--on", on[0], "--to", "2023-11-14T22:30:00Z"]).says(0, &[]);
    let read: Vec<Json> = project.listed().iter().map(|one| one["read"].clone()).collect();
    assert_eq!(
        read,
        [Json::Null, json!({ "": "2023-11-14T22:30:00Z" }), Json::Null],
        "by flow, then as they are written"
    );
}

/// What a trigger says of how a list is read on, in the place of what it says above.
fn reading(properties: &str) -> String {
    let (before, rest) = CONNECTOR.split_once("    poll:").unwrap();
    let (_, after) = rest.split_once("  }\n}\n").unwrap();
    format!("{before}{properties}  }}\n}}\n{after}")
}

#[tokio::test(flavor = "multi_thread")]
async fn in_each_form_in_which_a_list_is_read_on_an_item_has_one_run() {
    // A system that has forgotten how far was read, one whose items grow in each place for themselves, and a feed in which
    // nothing grows.
    for (form, properties) in [
        (
            "expired",
            "    poll: contacts.list(since: since, segment: segment)\n    cursor: .updated_at\n    expired: NotFound\n    first: start\n",
        ),
        (
            "within",
            "    poll: contacts.list(segment: segment)\n    cursor: .updated_at\n    within: .place\n    first: start\n",
        ),
        (
            "listed",
            "    poll: contacts.list(segment: segment)\n    cursor: .id\n    listed: newest_first\n    first: start\n",
        ),
    ] {
        let record = "updated_at: Timestamp @unix\n    place: String\n";
        let connector = reading(properties).replace("updated_at: Timestamp @unix\n", record);
        let connector = if form == "within" { connector.replace("Timestamp @unix\n", "Int\n") } else { connector };
        let project = Project::with(&connector, FOLLOW).await;
        project.known.lock().unwrap().forgets = form == "expired";
        project.add("north a", 1_700_000_500);
        let serving = project.serve();
        project.starts(&["north a"]).await;
        // In another place it is later than nothing, and in a feed it was not there before.
        let next = if form == "expired" { 1_700_000_600 } else { 1_700_000_100 };
        project.add("south b", next);
        project.starts(&["north a", "south b"]).await;
        serving.kill();
        project.add("north c", 1_700_000_700);
        let serving = project.serve();
        project.starts(&["north a", "south b", "north c"]).await;
        let asked = project.known.lock().unwrap().since.clone();
        if form == "expired" {
            let again = asked.windows(2).filter(|two| two[0].is_some() && two[1].is_none()).count();
            assert!(again >= 2, "asked for all once more: {asked:?}");
        }
        serving.signal("TERM");
        serving.ended().says(0, &[]);
    }
}
