//! `flowc webhooks list`: what is registered with each vendor.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::process::{flowc, output};

const PROGRAM: &str = r#"use stripe

connection payments = stripe {}

flow paid {
  on payments.payment_intent.succeeded as event { verify: stripe.signature(secret: secret("stripe/webhook")) }
  log event.id
}

flow lead {
  on http POST "/leads" as request { verify: none because "a test", dedupe: request.path }
  log request.path
}

flow sweep {
  on every 15m
  log "nothing to do"
}
"#;

#[test]
fn the_urls_that_programs_listen_to_are_listed_as_senders_see_them() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("main.flow"), PROGRAM).unwrap();
    let list = |more: &[&str]| output(flowc().args(["webhooks", "list"]).arg(folder.path()).args(more));
    let text = list(&[]).says(0, &[]).stdout;
    assert!(text.contains("/hooks/payments") && text.contains("set `public_url`"), "{text}");

    fs::write(folder.path().join("flow.toml"), "[serve]\npublic_url = \"https://flow.example.com\"\n").unwrap();
    let listed = list(&["--format", "json"]).says(0, &[]).json();
    assert_eq!(
        listed["webhooks"],
        json!([
            {
                "method": "POST",
                "path": "/hooks/payments",
                "url": "https://flow.example.com/hooks/payments",
                "flows": ["paid"],
                "events": ["payment_intent.succeeded"],
                "verified": true,
                "registered": null,
                "id": null,
                "expires": null,
            },
            {
                "method": "POST",
                "path": "/leads",
                "url": "https://flow.example.com/leads",
                "flows": ["lead"],
                "events": [],
                "verified": false,
                "registered": null,
                "id": null,
                "expires": null,
            },
        ])
    );
    let text = list(&[]).says(0, &[]).stdout;
    assert!(text.contains("https://flow.example.com/leads") && text.contains("unverified"), "{text}");
    assert!(!text.contains("public_url"), "{text}");
}
