//! A version of an interface that its vendor serves no longer: `flowc check` and `flowc serve` say so, and hold nothing up.

use std::fs;

use tempfile::TempDir;

use super::process::{Serving, flowc, output};

/// A day that has passed whenever the test runs, and one that has not.
const DAYS: [(&str, &str); 2] = [("old", "2000-01-31"), ("new", "9999-12-31")];

fn program() -> String {
    let connector = |(name, day): (&str, &str)| {
        format!(
            "connector {name} {{\n  http {{\n    base: \"https://{name}.example.com\"\n    version: version(\"v-{name}\", \
             sunset: \"{day}\")\n  }}\n  operation look() -> Json {{\n    effect: read\n    request: GET \"/\"\n  }}\n}}\n\n"
        )
    };
    let connectors: String = DAYS.into_iter().map(connector).collect();
    format!("{connectors}flow look {{\n  on every 15m\n  step old.look() optional\n  step new.look() optional\n}}\n")
}

#[test]
fn a_version_that_has_ended_is_told_by_check_and_by_serve() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("main.flow");
    fs::write(&path, program()).unwrap();
    let told = "the version `v-old` of `old` is served no longer";
    let checked = output(flowc().arg("check").arg(&path));
    let text = checked.stdout.clone() + &checked.stderr;
    assert!(checked.code == Some(0) && text.contains(told) && text.contains("W0607"), "{checked:#?}");
    assert!(!text.contains("v-new` of"), "{text}");

    let mut command = flowc();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data")).arg(&path);
    let serving = Serving::start(&mut command);
    serving.signal("TERM");
    let ended = serving.ended().says(0, &[told]);
    assert!(!ended.stderr.contains("v-new"), "{ended:#?}");
}
