//! Proxies that the environment names: no call goes through one. What a proxy connects to is out of the guard's sight, and it
//! would learn where each call goes.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, http::header, routing::get};
use serde_json::json;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use super::{
    process::{Ended, flowc, output},
    s3::{ACCESS_KEY_ID, S3, SECRET_ACCESS_KEY},
};

const PROGRAM: &str = r#"connector desk {
  http { base: "https://desk.example" }

  operation read() -> { ok: Bool } {
    effect:  read
    request: GET "/read"
  }
}

connection own = desk { base_url: env("DESK_URL") }

flow read {
  step found = own.read() with { retry: none }
  return found.ok
}
"#;

/// A proxy that refuses all that it is asked for, and how often it was asked.
async fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            drop(stream.write_all(refusal).await);
        }
    });
    (address, asked)
}

/// Runs a flow while the environment names a proxy in each of the ways that are known.
async fn run(folder: &Path, proxy: &str, args: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = flowc();
    command.current_dir(folder).arg("run").args(args).args(["--data", "data"]).envs(variables.iter().copied());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, proxy);
    }
    command.env("NO_PROXY", "").env("no_proxy", "");
    tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn case_13_a_call_goes_to_its_system_and_through_no_proxy() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("main.flow"), PROGRAM).unwrap();
    let (proxy, asked) = proxy().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let desk = format!("http://{}", listener.local_addr().unwrap());
    let answer = async || ([(header::CONTENT_TYPE, "application/json")], r#"{"ok":true}"#);
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/read", get(answer))).await });
    let ended = run(folder.path(), &proxy, &["main.flow"], &[("DESK_URL", &desk)]).await.says(0, &["completed"]);
    assert_eq!((ended.json(), asked.load(Ordering::SeqCst)), (json!(true), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_13_an_object_goes_to_its_store_and_through_no_proxy() {
    let (folder, store) = (TempDir::new().unwrap(), S3::start("invoices").await);
    let (proxy, asked) = proxy().await;
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/programs/keep_invoice.flow");
    let variables = [
        ("S3_ENDPOINT", store.endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    ];
    let args = [program, "--flow", "keep", "--input", r#"{"number":7}"#];
    let ended = run(folder.path(), &proxy, &args, &variables).await.says(0, &["completed"]);
    assert_eq!((&ended.json()["size"], asked.load(Ordering::SeqCst)), (&json!(4), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_12_a_proxy_leads_to_no_network_that_the_guard_refuses() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("main.flow"), PROGRAM).unwrap();
    let (proxy, asked) = proxy().await;
    for denied in ["http://169.254.169.254", "https://10.0.0.7:8443"] {
        let ended = run(folder.path(), &proxy, &["main.flow"], &[("DESK_URL", denied)]).await;
        ended.says(3, &["Forbidden", "the call was not made"]);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
