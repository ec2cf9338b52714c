//! Projects: `flow.toml`, environments, connectors of the project, and folders without a `main.flow`.

use std::fs;

use tempfile::TempDir;

use super::{
    process::{Serving, flowc, output},
    server::Server,
};

/// A connector of the project, and a program that calls it.
const CONNECTOR: &str = r#"connector stock {
  config { token: Secret<String> = secret("stock/token") }
  http { base: "https://stock.example.com", auth: bearer(config.token) }

  operation items.get(sku: String) -> { sku: String, region: String } {
    effect:  read
    request: GET "/items/{sku}"
  }
}
"#;

const MAIN: &str = r#"use stock

connection shelves = stock {}

flow look(sku: String) {
  let region = env("REGION")
  step item = shelves.items.get(sku)
  return "{item.sku} in {region}"
}
"#;

fn project(toml: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("connectors")).unwrap();
    fs::write(folder.path().join("connectors/stock.flow"), CONNECTOR).unwrap();
    fs::write(folder.path().join("main.flow"), MAIN).unwrap();
    fs::write(folder.path().join("flow.toml"), toml).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_chooses_where_calls_go_and_what_variables_say() {
    let sandbox = Server::start(200, serde_json::json!({ "sku": "a", "region": "sandbox" })).await;
    let folder = project(&format!(
        "environment = \"sandbox\"\n\n[environments.sandbox.connections.shelves]\nbase_url = \"{}\"\ntoken = {{ secret = \
         \"stock/sandbox\" }}\n\n[environments.sandbox.env]\nREGION = \"eu\"\n\n[environments.production]\ndata = \"runs\"\n",
        sandbox.address
    ));
    let run = |env: &[&str]| {
        let mut command = flowc();
        command.current_dir(folder.path()).env("STOCK_SANDBOX", "not-a-real-token");
        command.args(["run", "main.flow", "--input", "{\"sku\": \"a\"}"]).args(env);
        output(&mut command)
    };
    let ended = run(&[]).says(0, &[]);
    assert_eq!(ended.stdout.trim(), "\"a in eu\"");
    assert!(folder.path().join(".flow").is_dir());
    run(&["--env", "production"]).says(6, &["STOCK_TOKEN", "REGION"]);
    run(&["--env", "prodution"]).says(2, &["there is no environment `prodution`", "did you mean `production`?"]);
    let facts = |env: &[&str]| {
        output(flowc().current_dir(folder.path()).args(["facts", "main.flow", "--format", "json"]).args(env)).json()
    };
    assert_eq!(facts(&[])["flows"][0]["secrets"][0]["variable"], "STOCK_SANDBOX");
    assert_eq!(facts(&["--env", "production"])["flows"][0]["secrets"][0]["variable"], "STOCK_TOKEN");
}

#[test]
fn mistakes_in_the_project_are_told_by_check_and_stop_a_run() {
    let folder = project("nmae = \"x\"\n[connections.shelfs]\nbase_url = \"https://elsewhere.example.com\"\n");
    let ended = output(flowc().current_dir(folder.path()).args(["check", "."]));
    let shown = ended.stdout.clone();
    ended.says(1, &[]);
    for text in ["`flow.toml` has no key `nmae`", "did you mean `name`?", "connection `shelfs`", "`shelves`?"] {
        assert!(shown.contains(text), "`{text}` is missing in\n{shown}");
    }
    let ended = output(flowc().current_dir(folder.path()).args(["run", "main.flow", "--input", "{\"sku\": \"a\"}"]));
    ended.says(1, &["no program of the project has a connection `shelfs`", "`flow.toml` has 2 errors"]);
    // Another program of the project has the connection.
    fs::write(folder.path().join("flow.toml"), "[connections.files]\nfolder = \"f\"\n").unwrap();
    fs::write(folder.path().join("other.flow"), "use files\nflow f { step files.read(path: \"a\") }\n").unwrap();
    let ended = output(flowc().current_dir(folder.path()).args(["graph", "main.flow"]));
    ended.says(0, &[]);
}

#[test]
fn a_folder_without_a_main_file_is_served_with_its_tests_beside_it() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("tick.flow"), "flow tick {\n  on every 1h\n  log \"tick\"\n}\n").unwrap();
    let tests = "use \"./tick.flow\" { tick }\n\ntest \"it ticks\" for tick { expect run completed }\n";
    fs::write(folder.path().join("tick_tests.flow"), tests).unwrap();
    let serving = Serving::start(flowc().current_dir(folder.path()).args(["serve", ".", "--listen", "127.0.0.1:0"]));
    serving.signal("TERM");
    // All of it is there when the process has ended; the first line comes before the others.
    let ended = serving.ended().says(0, &[]);
    assert_eq!(ended.stdout.matches("tick").count(), 1, "{}", ended.stdout);
}

#[test]
fn a_file_that_only_tests_or_declares_what_others_use_is_not_served() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("tick.flow", "use \"./shared.flow\" { words }\n\nflow tick {\n  on every 1h\n  log words\n}\n");
    write("shared.flow", "const words = \"tick\"\n");
    // A test that does not check is no reason to stop serving.
    write("tests.flow", "use \"./tick.flow\" { tick }\n\ntest \"it ticks\" for tick { expect run exploded }\n");
    let serving = Serving::start(flowc().current_dir(folder.path()).args(["serve", ".", "--listen", "127.0.0.1:0"]));
    serving.signal("TERM");
    serving.ended().says(0, &[]);
    // A program that does not check is.
    write("broken.flow", "flow broken {\n  on every 1h\n  log missing\n}\n");
    output(flowc().current_dir(folder.path()).args(["serve", "."])).says(1, &["there is no value `missing`"]);
}

#[test]
fn a_new_project_checks_tests_and_runs() {
    let folder = TempDir::new().unwrap();
    let flowc = |args: &[&str]| output(flowc().current_dir(folder.path()).args(args));
    flowc(&["new", "orders"]).says(0, &["next: cd orders, then flowc test"]);
    assert!(fs::read_to_string(folder.path().join("orders/flow.toml")).unwrap().starts_with("name = \"orders\"\n"));
    flowc(&["check", "orders"]).says(0, &[]);
    // Without a path, commands take the folder in which they stand.
    let here = output(super::process::flowc().current_dir(folder.path().join("orders")).arg("check")).says(0, &[]);
    assert!(here.stdout.contains("2 files checked"), "{here:?}");
    flowc(&["fmt", "--check", "orders"]).says(0, &[]);
    flowc(&["test", "orders"]).says(0, &[]);
    let ended = flowc(&["run", "orders", "--input", "{\"name\": \"Ada\"}"]).says(0, &[]);
    assert_eq!(ended.json()["text"], "Hello Ada!");
    assert!(folder.path().join("orders/.flow").is_dir());
    flowc(&["new", "orders"]).says(2, &["there is something at `orders` already"]);
}

#[test]
fn the_project_says_where_to_listen_and_how_it_is_reached() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("main.flow", "flow tick {\n  on every 1h\n  log \"tick\"\n}\n");
    write("flow.toml", "[serve]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://flow.example.com\"\n");
    let serving = Serving::start(flowc().current_dir(folder.path()).args(["serve", ".", "--log", "json"]));
    serving.signal("TERM");
    let notice = serving.ended().says(0, &[]).json();
    assert_eq!(notice["public_url"], "https://flow.example.com/");
    assert!(notice["listening"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{notice}");
    assert_ne!(notice["listening"], "http://127.0.0.1:4711");
}

#[test]
fn connectors_are_shown_and_a_new_one_is_known_to_the_project() {
    let folder = TempDir::new().unwrap();
    let flowc = |args: &[&str]| output(flowc().current_dir(folder.path()).args(args));
    flowc(&["new", "connector", "shop"]).says(0, &["next: flowc check connectors/shop.flow, and make a `flow.toml`"]);
    flowc(&["new", "connector", "shop"]).says(2, &["there is something at `connectors/shop.flow` already"]);
    flowc(&["new", "connector", "Shop"]).says(2, &["`Shop` is no name of a connector"]);
    flowc(&["check", "connectors/shop.flow"]).says(0, &[]);
    // The connectors of a folder are those of a project only where there is a flow.toml.
    fs::write(folder.path().join("flow.toml"), "name = \"x\"\n").unwrap();
    flowc(&["new", "connector", "other"]).says(0, &["next: flowc check connectors/other.flow, then `use other`"]);
    let listed = flowc(&["connectors", "list"]).says(0, &[]).stdout;
    assert!(listed.contains("What shop is, in a sentence"), "{listed}");
    assert!(listed.lines().any(|line| line.starts_with("stripe ")), "{listed}");
    let shown = flowc(&["connectors", "show", "shop"]).says(0, &[]).stdout;
    for text in ["items.create(name: String, note: String?) -> shop.Item", "100 per 10s", "items.find"] {
        assert!(shown.contains(text), "`{text}` is missing in\n{shown}");
    }
    assert!(shown.contains("item.changed as shop.Item\n        An item was changed"), "{shown}");
    let mail = flowc(&["connectors", "show", "imap"]).says(0, &[]).stdout;
    assert!(mail.contains("received(folder: String) as imap.Entry  asked for every "), "{mail}");
    let one = flowc(&["connectors", "show", "shop", "items.create"]).says(0, &[]).stdout;
    for text in ["Create an item.", "in the header Idempotency-Key", "record shop.Item {"] {
        assert!(one.contains(text), "`{text}` is missing in\n{one}");
    }
    let json = flowc(&["connectors", "show", "slack", "--format", "json"]).says(0, &[]).json();
    assert_eq!(json["operations"][0]["effect"], "create");
    assert_eq!(json["settings"][0]["default"], "secret(\"slack/bot_token\")");
    flowc(&["connectors", "show", "slak"]).says(2, &["there is no connector `slak`", "did you mean `slack`?"]);
    flowc(&["connectors", "show", "slack", "chat.post"]).says(2, &["`slack` has no operation `chat.post`"]);
    fs::write(folder.path().join("connectors/shop.flow"), "connector shop { htp { base: \"x\" } }\n").unwrap();
    flowc(&["connectors", "show", "shop"]).says(1, &["the connector `shop` has mistakes"]);
}
