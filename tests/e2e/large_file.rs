//! A large file goes from one system to another: how much memory does that take?
//!
//! `FLOW_TEST_FILE_MIB=2048 cargo test --test all large_file -- --nocapture` takes 2 GiB, for which the disk needs three times
//! as much; without it, the file is of some 200 MiB: more than the process may take at all.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{self, Read as _, Write as _},
    process::Command,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Path,
    http::header,
    response::Response,
};
use flow_model::file::Sha256;
use futures::stream;
use serde_json::json;
use sha2::Digest as _;
use tokio::net::TcpListener;

use super::{
    LOOKS, PAUSE,
    process::{Serving, flowc, run},
    s3::{ACCESS_KEY_ID, S3, SECRET_ACCESS_KEY},
    world::World,
};

const MIB: usize = 1 << 20;

/// How much more memory than at rest the process may take.
const MOST_MIB: u64 = 64;

/// The bytes of the file from place to place: each mebibyte has others.
fn chunk(number: usize) -> Bytes {
    let mut bytes = vec![u8::try_from(number % 251).unwrap(); MIB];
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    bytes.into()
}

/// A server that makes the file while it sends it. Its size is no whole number of parts.
async fn source(mebibytes: usize) -> String {
    let answer = move |Path(name): Path<String>| async move {
        let chunks = (0..mebibytes).map(chunk).chain([Bytes::from_static(b"the end")]);
        Response::builder()
            .header(header::CONTENT_TYPE, "video/mp4")
            .header(header::CONTENT_LENGTH, mebibytes * MIB + 7)
            .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))
            .body(Body::from_stream(stream::iter(chunks.map(Ok::<_, std::io::Error>))))
            .unwrap()
    };
    let router = Router::new().route("/files/{name}", axum::routing::get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A figure of `/proc/PID/status` in KiB.
pub(super) fn memory(serving: &Serving, figure: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", serving.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap();
    line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_from_http_to_s3_in_little_memory() {
    let mebibytes = std::env::var("FLOW_TEST_FILE_MIB").map_or(200, |text| text.parse().unwrap());
    let (source, sink, world) = (source(mebibytes).await, S3::start("copies").await, World::start().await);
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/programs/copy_file.flow");
    let mut command: Command = flowc();
    command.args(["serve", program, "--listen", "127.0.0.1:0", "--data"]).arg(world.data());
    command.env("SOURCE_URL", source).env("S3_ENDPOINT", &sink.endpoint);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
    let serving = Serving::start(&mut command);
    let idle = memory(&serving, "VmRSS");

    let body = json!({ "name": "film.mp4" }).to_string();
    let answer = reqwest::Client::new().post(format!("{}/copy", serving.address)).body(body).send().await.unwrap();
    let accepted: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let id = accepted["run"].as_str().unwrap().to_owned();
    let mut shown = run(&world.data(), &id);
    for _ in 0..LOOKS as usize + 40 * mebibytes {
        if shown["state"] != "running" {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        shown = run(&world.data(), &id);
    }
    assert_eq!(shown["state"], "completed", "{shown:#}");

    let peak = memory(&serving, "VmHWM");
    let more = peak.saturating_sub(idle) / 1024;
    let report = format!("{mebibytes} MiB: {} MiB at rest, {} MiB at most, {more} MiB more", idle / 1024, peak / 1024);
    assert!(more < MOST_MIB, "{report}");
    writeln!(io::stderr(), "{report}").unwrap();

    let mut expected = sha2::Sha256::new();
    (0..mebibytes).for_each(|number| expected.update(chunk(number)));
    expected.update(b"the end");
    let expected = Sha256(expected.finalize().into());
    let size = mebibytes * MIB + 7;
    let told =
        json!({ "key": "2026/film.mp4", "size": size, "sha256": expected.to_string(), "mime_type": "video/mp4" });
    assert_eq!(shown["result"], told);
    let mut stored = fs::File::open(sink.path("copies", "2026/film.mp4")).unwrap();
    let (mut digest, mut buffer) = (sha2::Sha256::new(), vec![0; MIB]);
    loop {
        let count = stored.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        digest.update(&buffer[..count]);
    }
    assert_eq!(Sha256(digest.finalize().into()), expected);
}
