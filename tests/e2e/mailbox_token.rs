//! A person agrees with `flowc connect` that a mailbox may be read: its server is given the token (XOAUTH2), and another one
//! when that has ended.

use std::{fs, path::Path, process::Stdio, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{
    connections::{begin, end, fields, nowhere},
    process::{flowc, output},
};
use crate::mail::oauth::{Heard, imap, server};

/// The connector as it comes with Flow, but for where people agree and tokens are given out.
fn connector(vendor: &str) -> String {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/connectors/imap/imap.flow")).unwrap();
    let there = text.replace("https://accounts.google.com/o/oauth2/v2/auth", &format!("{vendor}/authorize"));
    let there = there.replace("https://oauth2.googleapis.com/token", &format!("{vendor}/token"));
    assert_eq!(there.matches(vendor).count(), 3, "the connector names Google's servers elsewhere");
    there
}

fn program(port: u16) -> String {
    format!(
        r#"use imap

connection inbox = imap {{
  host: "127.0.0.1",
  port: {port},
  tls: "off",
  user: "shop@example.com",
  password: null,
  google_client: "client-1",
  google_secret: secret("google/secret"),
}}

flow look {{
  step mails = inbox.messages.list()
  return mails.length
}}
"#
    )
}

async fn authorize(uri: Uri) -> Redirect {
    let asked = fields(uri.query().unwrap_or_default());
    assert_eq!((&*asked["client_id"], &*asked["scope"]), ("client-1", "https://mail.google.com/"));
    assert_eq!((&*asked["access_type"], &*asked["prompt"]), ("offline", "consent"));
    Redirect::to(&format!("{}?code=canary-code&state={}", asked["redirect_uri"], asked["state"]))
}

/// Gives out `token-1` for what the person has agreed to, and `token-2` for the refresh token that came with it.
async fn token(State(heard): State<Arc<Heard>>, body: String) -> Response {
    let asked = fields(&body);
    assert_eq!((&*asked["client_id"], &*asked["client_secret"]), ("client-1", "canary-secret"));
    heard.proofs.lock().unwrap().push(asked["grant_type"].clone());
    let number = match (&*asked["grant_type"], asked.get("code"), asked.get("refresh_token")) {
        ("authorization_code", Some(code), _) if code == "canary-code" && asked.contains_key("code_verifier") => 1,
        ("refresh_token", _, Some(refresh)) if refresh == "canary-refresh-1" => 2,
        _ => return (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#).into_response(),
    };
    let refresh = format!("canary-refresh-{number}");
    let given = json!({ "access_token": format!("token-{number}"), "refresh_token": refresh, "expires_in": 3600 });
    ([("content-type", "application/json")], given.to_string()).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_connected_by_a_person_and_read_with_the_tokens() {
    let heard = Arc::<Heard>::default();
    let port = server(&heard, imap).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vendor = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/authorize", get(authorize)).route("/token", post(token));
    let router = router.with_state(Arc::clone(&heard));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (folder, key) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::create_dir(folder.path().join("connectors")).unwrap();
    fs::write(folder.path().join("connectors/imap.flow"), connector(&vendor)).unwrap();
    fs::write(folder.path().join("flow.toml"), "").unwrap();
    fs::write(folder.path().join("main.flow"), program(port)).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = flowc();
        command.current_dir(folder.path()).args(arguments).env("GOOGLE_SECRET", "canary-secret");
        command.env("FLOW_SECRETS_KEY", key.path().join("key"));
        command
    };

    let refused = output(&mut command(&["run", "main.flow"]));
    let refused = refused.says(6, &["the connection `inbox` is not connected yet: run `flowc connect inbox`"]);
    assert!(heard.proofs.lock().unwrap().is_empty());

    let arguments = ["connect", "inbox", "--redirect", "http://127.0.0.1:0/callback", "--no-browser"];
    let (child, url, before) = begin(command(&arguments).stdin(Stdio::null()));
    let page = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(page.contains("Connected."), "{page}");
    let connected = end(child, before).says(0, &["connected `inbox`"]);
    let listed = output(&mut command(&["connections", "list", "--format", "json"])).says(0, &[]);
    assert_eq!(listed.json()["connections"][0]["state"], "connected", "{listed:?}");

    // The server lets nobody in with the first token any more.
    let ended = output(command(&["run", "main.flow"]).env("FLOW_LOG", "trace")).says(0, &["completed"]);
    assert_eq!(ended.json(), json!(0));
    let proof = |token: &str| format!("user=shop@example.com\x01auth=Bearer {token}\x01\x01");
    let told =
        ["authorization_code".into(), proof("token-1"), "end \"\"".into(), "refresh_token".into(), proof("token-2")];
    assert_eq!(*heard.proofs.lock().unwrap(), told);

    // The second one was kept, with what the next is got with.
    output(&mut command(&["run", "main.flow"])).says(0, &["completed"]);
    assert_eq!(heard.proofs.lock().unwrap().split_off(5), [proof("token-2")]);
    nowhere(folder.path(), &[&refused, &connected, &listed, &ended]);
}
