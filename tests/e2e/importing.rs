//! `flowc import`: a connector from a description, in a project and beside one; and what its operations send, held against the
//! same description.

use std::{fs, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use super::process::{Ended, flowc, output};
use crate::tidy::root;

fn run(folder: &Path, args: &[&str]) -> Ended {
    output(flowc().current_dir(folder).args(args))
}

#[test]
fn a_description_becomes_a_connector_of_the_project() {
    let folder = TempDir::new().unwrap();
    let cases = root().join("tests/cases/import");
    let (shop, notes) = (cases.join("shop.yaml"), cases.join("notes.json"));
    let (shop, notes) = (shop.to_str().unwrap(), notes.to_str().unwrap());
    let file = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    fs::write(folder.path().join("flow.toml"), "name = \"x\"\n").unwrap();
    let told = run(folder.path(), &["import", "openapi", shop]).says(
        0,
        &[
            "shop with 12 operations, 1 left out",
            "left out POST /uploads: it goes to another host",
            "not carried over: ",
        ],
    );
    assert_eq!(told.stdout.trim(), "wrote connectors/shop.flow");
    run(folder.path(), &["check", "connectors/shop.flow"]).says(0, &[]);
    let listed = run(folder.path(), &["connectors", "show", "shop"]).says(0, &[]).stdout;
    assert!(listed.contains("orders.get("), "{listed}");
    // Some of them, under another name, of a description that is packed.
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&fs::read(shop).unwrap()).unwrap();
    fs::write(folder.path().join("shop.yaml.gz"), packed.finish().unwrap()).unwrap();
    let some = ["import", "openapi", "shop.yaml.gz", "--only", "orders.*", "--name", "orders"];
    run(folder.path(), &some).says(0, &["orders with "]);
    let written = file("connectors/orders.flow");
    assert!(written.contains("\n  operation orders.get(") && !written.contains("operation customers."), "{written}");
    // Nothing is replaced unless that is said.
    fs::write(folder.path().join("connectors/orders.flow"), "mine\n").unwrap();
    run(folder.path(), &some).says(2, &["there is a `connectors/orders.flow` already", "--force"]);
    assert_eq!(file("connectors/orders.flow"), "mine\n");
    run(folder.path(), &[&some[..], &["--force"]].concat()).says(0, &[]);
    assert_eq!(file("connectors/orders.flow"), written);
    // By the path, to standard output.
    let only =
        run(folder.path(), &["import", "openapi", shop, "--only", "/orders/{order-id}", "--output", "-"]).says(0, &[]);
    assert!(only.stdout.contains("operation orders.get(") && !only.stdout.contains("operation orders.list("));

    run(folder.path(), &["import", "openapi", shop, "--only", "refunds.*"])
        .says(2, &["no operation matches; there are for example `", "in which `*` stands for any text"]);
    run(folder.path(), &["import", "openapi", shop, "--name", "Shop"]).says(2, &["`Shop` is no name of a connector"]);
    run(folder.path(), &["import", "openapi", notes]).says(2, &["use `flowc import discovery`"]);
    run(folder.path(), &["import", "discovery", shop]).says(2, &["use `flowc import openapi`"]);
    run(folder.path(), &["import", "discovery", notes, "--name", "notes"]).says(0, &["notes with "]);
    fs::write(
        folder.path().join("hooks.yaml"),
        "openapi: 3.1.0\ninfo: { title: Hooks, version: \"1\" }\nwebhooks: {}\n",
    )
    .unwrap();
    run(folder.path(), &["import", "openapi", "hooks.yaml"])
        .says(2, &["the description has webhooks and no operations", "write the triggers by hand"]);
    run(folder.path(), &["import", "openapi", "none.yaml"]).says(2, &["`none.yaml` can't be read"]);
}

#[test]
fn what_operations_send_is_held_against_a_description_without_a_pair() {
    let folder = TempDir::new().unwrap();
    let spec = root().join("tests/cases/import/shop.yaml");
    let spec = spec.to_str().unwrap();
    fs::write(folder.path().join("flow.toml"), "name = \"x\"\n").unwrap();
    run(folder.path(), &["import", "openapi", spec]).says(0, &[]);
    let test = ["connectors", "test", "shop", "--spec", spec, "--made-up"];
    let well = run(folder.path(), &test).says(0, &["requests of 12 operations as the description has them"]);
    assert_eq!(well.stdout, "");
    // A path that is not there.
    let path = folder.path().join("connectors/shop.flow");
    let right = fs::read_to_string(&path).unwrap();
    let wrong = right.replacen("request: GET \"/orders/{", "request: GET \"/order/{", 1);
    assert_ne!(wrong, right);
    fs::write(&path, wrong).unwrap();
    let told = run(folder.path(), &test).says(1, &["not as the description has them"]);
    assert!(told.stdout.contains("the description has no path `"), "{}", told.stdout);
    run(folder.path(), &["connectors", "test", "shop", "--made-up"]).says(2, &["--spec"]);
}

#[test]
fn an_answer_that_a_description_has_as_an_example_has_to_read() {
    let folder = TempDir::new().unwrap();
    let spec = root().join("tests/cases/import/forms.yaml");
    let spec = spec.to_str().unwrap();
    fs::write(folder.path().join("flow.toml"), "name = \"x\"\n").unwrap();
    run(folder.path(), &["import", "openapi", spec, "--only", "contacts.*"]).says(0, &[]);
    let test = ["connectors", "test", "forms", "--spec", spec, "--made-up"];
    run(folder.path(), &test).says(0, &["1 request of 1 operation as the description has them"]);
    // No address has to be one.
    let path = folder.path().join("connectors/forms.flow");
    let right = fs::read_to_string(&path).unwrap();
    let wrong = right.replacen("    email: String?\n", "    email: Email?\n", 1);
    assert_ne!(wrong, right);
    fs::write(&path, wrong).unwrap();
    let told = run(folder.path(), &test).says(1, &["1 of 1 request of 1 operation not as the description has them"]);
    let expected = "does not read: the answer of `forms` does not fit: `email` should be an e-mail address";
    assert!(told.stdout.contains(expected), "{}", told.stdout);
}
