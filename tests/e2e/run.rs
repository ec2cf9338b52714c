//! `flowc run`: one run, its result on standard output, its story on standard error, its outcome in the exit code.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;
use tempfile::TempDir;

use super::{
    process::{flowc, output, run, runs},
    stripe::SUCCEEDED,
    world::{World, example},
};

/// Flows with parameters, with a failure, and with needs.
const PROGRAM: &str = r#"
use files

connection desk   = files { folder: env("DESK", "desk") }
connection vault  = files { folder: env("VAULT") }

error OutOfStock { sku: String, left: Int }

record Line { sku: String, quantity: Int }

flow greet(name: String, times: Int = 1, tags: List<String> = []) {
  step note = desk.write(path: "note.txt", text: "hello {name}")
  return { greeting: "hello {name}", times, tags, note: note.path }
}

flow order(lines: List<Line>, _express: Bool?) fails OutOfStock {
  fail OutOfStock(sku: "lamp", left: lines.length)
}

flow keep(text: String) {
  step vault.write(path: "kept.txt", text)
}

flow read_missing {
  step content = desk.read(path: "missing.txt")
  return content
}
"#;

fn program() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.flow");
    fs::write(&path, PROGRAM).unwrap();
    (folder, path)
}

fn shop(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = flowc();
    command.current_dir(folder).args(["run", "shop.flow"]).args(arguments);
    command
}

#[test]
fn the_first_example_runs_without_account_and_network() {
    let folder = TempDir::new().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/first_run/main.flow");
    fs::copy(source, folder.path().join("main.flow")).unwrap();
    let ended = output(flowc().current_dir(folder.path()).args(["run", "main.flow"]))
        .says(0, &["berlin", "lyon", "desk.write", "completed"]);
    assert_eq!(
        ended.json(),
        json!({ "files": ["packing/berlin.txt", "packing/lyon.txt"], "calls": ["packing/call-A-1002.txt"] })
    );
    let berlin = fs::read_to_string(folder.path().join("packing/berlin.txt")).unwrap();
    assert_eq!(berlin, "A-1001: 2 x lamp (standard)\nA-1003: 1 x chair (customs papers)");
    assert!(!ended.stderr.contains('\u{1b}'), "no escapes where there is no terminal: {ended:?}");

    let listed = runs(&folder.path().join(".flow"));
    assert_eq!((listed.len(), &listed[0]["state"]), (1, &json!("completed")));
    let shown = run(&folder.path().join(".flow"), listed[0]["id"].as_str().unwrap());
    let steps = shown["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3, "{shown:#}");
    assert!(steps.iter().all(|step| step["state"] == "completed" && step["attempts"].as_array().unwrap().len() == 1));
}

#[test]
fn input_comes_from_the_command_line_a_file_or_standard_input() {
    let (folder, _) = program();
    let expected = json!({ "greeting": "hello Ada", "times": 1, "tags": [], "note": "desk/note.txt" });
    let input = r#"{"name": "Ada"}"#;
    fs::write(folder.path().join("input.json"), input).unwrap();
    for given in [input, "@input.json"] {
        let ended = output(&mut shop(folder.path(), &["--flow", "greet", "--input", given])).says(0, &[]);
        assert_eq!(ended.json(), expected);
    }
    let mut child = shop(folder.path(), &["--flow", "greet", "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = super::process::Ended::from(child.wait_with_output().unwrap()).says(0, &[]);
    assert_eq!(ended.json(), expected);
}

#[test]
fn input_that_does_not_fit_says_where_and_nothing_runs() {
    let (folder, _) = program();
    let cases: &[(&str, &str, &[&str])] = &[
        ("greet", "{\"name\": }", &["--input", "line 1 column 10"]),
        ("greet", "", &["--input", "there is no text"]),
        ("greet", "[1]", &["expected a record, found a list"]),
        ("greet", "{}", &["`name` is missing"]),
        ("greet", "{\"name\": 5}", &["`name` should be a string"]),
        ("greet", "{\"name\": \"Ada\", \"time\": 2}", &["no parameter `time`", "did you mean `times`?"]),
        ("greet", "{\"name\": \"Ada\", \"tags\": [\"a\", null]}", &["`tags[1]`"]),
        ("greet", "{\"name\": \"a\", \"name\": \"b\"}", &["\"name\" occurs twice"]),
        (
            "order",
            "{\"lines\": [{\"sku\": \"lamp\", \"quantity\": 1}, {\"sku\": \"desk\"}]}",
            &["`lines[1].quantity` is missing"],
        ),
        ("order", "{\"lines\": [{\"sku\": \"lamp\", \"quantity\": 1.5}]}", &["`lines[0].quantity`", "an integer"]),
        ("greet", "@missing.json", &["there is no `missing.json`"]),
        ("read_missing", "{\"a\": 1}", &["no parameter `a`", "takes no parameters"]),
    ];
    for (flow, input, texts) in cases {
        output(&mut shop(folder.path(), &["--flow", flow, "--input", input])).says(2, texts);
    }
    output(&mut shop(folder.path(), &["--flow", "greet"])).says(2, &["`name` is missing", "--input"]);
    output(&mut shop(folder.path(), &[]))
        .says(2, &["several flows", "`greet`, `keep`, `order` and `read_missing`", "--flow"]);
    assert!(!folder.path().join("desk").exists() && !folder.path().join(".flow").exists());
}

#[test]
fn a_flow_with_triggers_runs_by_hand_with_what_they_bring() {
    let folder = TempDir::new().unwrap();
    let program = r#"
flow leads {
  on http POST "/leads" as req {
    body:   { email: Email, name: String = "nobody" }
    verify: none because "a test"
  }
  on http PUT "/leads" as req {
    body:   { email: Email, name: String = "nobody" }
    verify: none because "a test"
  }
  return "{req.method} {req.body.email} {req.body.name}"
}

flow tick {
  on every 15m as now
  return now.scheduled_at
}
"#;
    fs::write(folder.path().join("shop.flow"), program).unwrap();
    let input = "{\"email\": \"ada@example.com\"}";
    let leads = ["--flow", "leads", "--input", input];
    output(&mut shop(folder.path(), &leads)).says(2, &["`POST /leads` and `PUT /leads`", "--trigger"]);
    let trigger = |name| [&leads[..], &["--trigger", name]].concat();
    output(&mut shop(folder.path(), &trigger("PUT /lead"))).says(2, &["did you mean `PUT /leads`?"]);
    let ended = output(&mut shop(folder.path(), &trigger("PUT /leads"))).says(0, &["completed"]);
    assert_eq!(ended.json(), "PUT ada@example.com nobody");
    let wrong = ["--flow", "leads", "--trigger", "POST /leads", "--input", "{\"email\": \"ada\"}"];
    output(&mut shop(folder.path(), &wrong)).says(2, &["no payload of `POST /leads`", "`email`"]);
    let ended = output(&mut shop(folder.path(), &["--flow", "tick"])).says(0, &[]);
    assert!(ended.json().as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{ended:?}");
}

#[test]
fn a_failure_is_told_by_the_exit_code_and_on_standard_error() {
    let (folder, _) = program();
    let ended = output(&mut shop(folder.path(), &["--flow", "order", "--input", "{\"lines\": []}"]))
        .says(3, &["OutOfStock", "failed"]);
    assert_eq!(ended.stdout, "");
    output(&mut shop(folder.path(), &["--flow", "read_missing"])).says(3, &["content", "desk.read", "NotFound"]);
    let listed = runs(&folder.path().join(".flow"));
    assert!(listed.len() == 2 && listed.iter().all(|run| run["state"] == "failed"), "{listed:#?}");
    let shown = run(&folder.path().join(".flow"), listed[1]["id"].as_str().unwrap());
    assert_eq!(shown["failure"]["kind"], "OutOfStock", "{shown:#}");
    assert_eq!(shown["failure"]["sku"], "lamp", "{shown:#}");
}

#[test]
fn what_is_missing_in_the_environment_is_named_before_anything_runs() {
    let (folder, _) = program();
    let input = ["--flow", "keep", "--input", "{\"text\": \"x\"}"];
    output(&mut shop(folder.path(), &input)).says(6, &["1 variable is missing", "VAULT", "env(\"VAULT\")"]);
    assert!(!folder.path().join(".flow").exists());
    output(shop(folder.path(), &input).env("VAULT", "kept")).says(0, &[]);
    assert_eq!(fs::read_to_string(folder.path().join("kept/kept.txt")).unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_secrets_that_are_missing_are_named_at_once() {
    let world = World::start().await;
    let mut command = world.command(&example());
    for name in ["STRIPE_WEBHOOK", "AWS_SECRET_ACCESS_KEY", "SLACK_BOT_TOKEN"] {
        command.env_remove(name);
    }
    let ended = output(command.env("SLACK_BOT_TOKEN", "")).says(
        6,
        &["3 secrets are missing", "STRIPE_WEBHOOK", "stripe/webhook", "AWS_SECRET_ACCESS_KEY", "SLACK_BOT_TOKEN"],
    );
    assert!(!ended.stderr.contains("AWS_ACCESS_KEY_ID"), "{ended:?}");
    assert!(!world.data().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_of_a_webhook_runs_by_hand_with_its_payload() {
    let world = World::start().await;
    let mut command = flowc();
    command.arg("run").arg(example()).arg("--data").arg(world.data()).args(["--input", SUCCEEDED]);
    world.credentials(&mut command);
    command.env_remove("STRIPE_WEBHOOK");
    let ended = output(&mut command).says(0, &["stored", "message", "completed"]);
    assert_eq!(ended.json()["payment"], super::stripe::PAYMENT);
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));

    // Whoever runs it by hand means it: the event's key is not looked up.
    output(&mut command).says(0, &[]);
    assert_eq!(world.slack.requests().len(), 2);
}
