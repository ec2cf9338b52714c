//! Files in requests and answers: their bytes go through, and are never held as a whole.

use std::{sync::Arc, time::Duration};

use axum::{body::Body as Sent, response::Response};
use bytes::Bytes;
use flow_model::{
    failure::ErrorKind,
    file::{File, Sha256},
    schema::{Body, Call, Effect, Part, Request},
    ty::Type,
    units::Millis,
    value::Value,
};
use futures::stream;
use indexmap::IndexMap;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::{
    faults::bomb,
    world::{CANARY, Raw, Server, World, fields, get, operation, post, raw, slot, text},
};
use crate::{
    blob::{self, Blobs as _, Disk, Memory},
    connector::{Attempt, Performer as _, Reached},
};

/// Text of some length in which no two lines are alike.
fn lines(count: usize) -> String {
    (0..count).map(|number| format!("line {number}\n")).collect()
}

async fn file(blobs: &Memory, content: &str, name: &str, mime_type: &str) -> Value {
    let blob = blob::keep(blobs, Bytes::from(content.to_owned())).await.unwrap();
    Value::File(Arc::new(File::new(blob.sha256, blob.size, name, mime_type)))
}

fn sending(base: &str, request: Request) -> World {
    let mut world = World::at(base);
    let params = fields([("content", Type::File), ("title", Type::String.optional())]);
    world.declare(operation(params, Type::Null, Effect::Idempotent, Call::Http(Box::new(request))));
    world
}

fn reading(base: &str) -> World {
    World::reading(base, Type::File)
}

async fn call(world: &World, blobs: &Memory, args: Vec<Value>) -> Attempt {
    world.connectors().with_blobs(Arc::new(blobs.clone())).perform(world.invocation(args)).await
}

#[tokio::test]
async fn a_raw_body_is_the_bytes_of_its_file_with_their_length() {
    let (server, blobs) = (Server::json("{}").await, Memory::new());
    let content = lines(50_000);
    let world = sending(&server.url, post("/up", Body::Raw(slot(0), Some("application/octet-stream".into()))));
    let attempt = call(&world, &blobs, vec![file(&blobs, &content, "a.txt", "text/plain").await, Value::Null]).await;
    assert_eq!(attempt.outcome, Ok(Value::Null));
    let seen = server.only();
    assert_eq!(seen.header("content-length"), Some(content.len().to_string().as_str()));
    assert_eq!(seen.header("transfer-encoding"), None);
    assert!(seen.body == content);
}

#[tokio::test]
async fn a_form_has_the_bytes_of_its_file_under_its_name_and_media_type() {
    let (server, blobs) = (Server::json("{}").await, Memory::new());
    let content = lines(20_000);
    let parts = vec![
        ("title".to_owned(), Part::Value(slot(1))),
        ("document".to_owned(), Part::File { content: slot(0), name: None, media_type: None }),
        ("copy".to_owned(), Part::Value(slot(0))),
        (
            "other".to_owned(),
            Part::File { content: slot(0), name: Some(text("b.csv")), media_type: Some(text("text/csv")) },
        ),
    ];
    let world = sending(&server.url, post("/up", Body::Multipart(parts)));
    let args = vec![file(&blobs, &content, "a.txt", "text/plain").await, Value::text("Bill")];
    assert_eq!(call(&world, &blobs, args.clone()).await.outcome, Ok(Value::Null));
    assert_eq!(call(&world, &blobs, args).await.outcome, Ok(Value::Null));
    let seen = server.seen();
    let media_type = seen[0].header("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let part = |name: &str, file: &str, media_type: &str| {
        let head = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"");
        format!("--{boundary}\r\n{head}\r\nContent-Type: {media_type}\r\n\r\n{content}\r\n")
    };
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nBill\r\n{}{}{}--{boundary}--\r\n",
        part("document", "a.txt", "text/plain"),
        part("copy", "a.txt", "text/plain"),
        part("other", "b.csv", "text/csv"),
    );
    assert!(seen[0].body == expected);
    assert_eq!(seen[0].header("content-length"), Some(expected.len().to_string().as_str()));
    assert!(seen[0].body == seen[1].body, "each attempt sends the same bytes");
}

#[tokio::test]
async fn a_redirected_upload_is_sent_again_as_a_whole() {
    let target = Server::json("{}").await;
    let to = format!("{}/there", target.url);
    let server =
        Server::scripted(move |_| Response::builder().status(307).header("location", &to).body(Sent::empty()).unwrap())
            .await;
    let blobs = Memory::new();
    let content = lines(1000);
    let mut world = sending(&server.url, post("/up", Body::Raw(slot(0), Some("text/plain".into()))));
    world.http().hosts = vec!["127.0.0.1".into()];
    let attempt = call(&world, &blobs, vec![file(&blobs, &content, "a.txt", "text/plain").await, Value::Null]).await;
    assert_eq!(attempt.outcome, Ok(Value::Null));
    assert!(target.only().body == content);
    assert_eq!(target.only().header("authorization"), None, "{CANARY} stays with its origin");
}

#[tokio::test]
async fn a_file_whose_bytes_are_gone_is_not_sent() {
    let server = Server::json("{}").await;
    let world = sending(&server.url, post("/up", Body::Raw(slot(0), Some("text/plain".into()))));
    let gone = Value::File(Arc::new(File::new(Sha256::of(b"gone"), 4, "a.txt", "text/plain")));
    let attempt = call(&world, &Memory::new(), vec![gone, Value::Null]).await;
    assert_eq!((attempt.outcome.unwrap_err().kind, attempt.reached), (ErrorKind::NotFound, Reached::Never));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn an_answer_is_kept_as_a_file_however_long_it_is() {
    let content = lines(100_000);
    let chunks: Vec<_> = content.as_bytes().chunks(7001).map(<[u8]>::to_vec).collect();
    let server = Server::scripted(move |_| {
        let named = "attachment; filename=\"../../etc/report 1.txt\"";
        Response::builder()
            .header("content-type", "text/plain; charset=utf-8")
            .header("content-disposition", named)
            .body(Sent::from_stream(stream::iter(chunks.clone().into_iter().map(Ok::<_, std::io::Error>))))
            .unwrap()
    })
    .await;
    let blobs = Memory::new();
    let mut world = reading(&server.url);
    // What is read into memory has a limit; a file is not read into memory.
    world.longest = 1000;
    let Value::File(file) = call(&world, &blobs, vec![]).await.outcome.unwrap() else { panic!("no file") };
    assert_eq!((file.name.as_str(), file.mime_type.as_str()), ("report 1.txt", "text/plain"));
    assert_eq!((file.size, file.sha256), (content.len() as u64, Sha256::of(content.as_bytes())));
    assert!(blob::load(&blobs, file.sha256).await.unwrap() == content.as_bytes());
}

#[tokio::test]
async fn a_file_without_a_name_is_called_by_its_place() {
    for (path, expected) in [("/files/a b.pdf", "a b.pdf"), ("/", "file")] {
        let server = Server::saying(200, &[], "%PDF").await;
        let mut world = World::at(&server.url);
        let request = Request { query: vec![("as".into(), text("x.txt"))], ..get(text(path)) };
        world.declare(operation(IndexMap::new(), Type::File, Effect::Read, Call::Http(Box::new(request))));
        let Value::File(file) = call(&world, &Memory::new(), vec![]).await.outcome.unwrap() else { panic!("no file") };
        assert_eq!((file.name.as_str(), file.mime_type.as_str()), (expected, "application/octet-stream"));
    }
}

#[tokio::test]
async fn a_refusal_is_no_file() {
    let server = Server::saying(403, &[("content-type", "application/json")], r#"{"message":"not yours"}"#).await;
    let blobs = Memory::new();
    let failure = call(&reading(&server.url), &blobs, vec![]).await.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Forbidden);
    assert!(failure.message.contains("not yours"), "{failure}");
    assert_eq!(blobs.list(None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_not_kept() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this".to_vec();
    let url = raw(Raw::Write(head)).await;
    let blobs = Memory::new();
    let attempt = call(&reading(&url), &blobs, vec![]).await;
    assert_eq!((attempt.outcome.unwrap_err().kind, attempt.reached), (ErrorKind::Unavailable, Reached::Perhaps));
    assert_eq!(blobs.list(None, 10).await.unwrap(), []);
}

/// What is announced, what has no end, and what is packed: none of them is kept, and all are told at once.
#[tokio::test]
async fn case_10_a_file_has_a_limit_also_unpacked_and_leaves_nothing_on_disk() {
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(10));
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nonly this";
    for behaviour in [Raw::Hold(endless.into()), Raw::Hold(announced.into()), Raw::Write(bomb())] {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Disk::new(folder.path()));
        let mut world = reading(&raw(behaviour).await);
        world.longest_file = 100_001;
        let connectors = world.connectors().with_blobs(blobs.clone());
        let attempt = connectors.perform(world.invocation(vec![])).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind, attempt.reached), (ErrorKind::Mismatch, Reached::Answered));
        assert_eq!(failure.message, "the answer of `crm` does not fit: it is longer than 100001 bytes");
        assert_eq!(blobs.list(None, 10).await.unwrap(), []);
        assert_eq!(held(folder.path()), 0, "no byte stays on disk");
    }
    let mut world = reading(&raw(Raw::Write(bomb())).await);
    world.longest_file = 100_002;
    let Value::File(file) = call(&world, &Memory::new(), vec![]).await.outcome.unwrap() else { panic!("no file") };
    assert_eq!(file.size, 100_002, "up to the limit, all of it is kept");
}

/// How many bytes the files in a folder have, and in those below it.
fn held(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.metadata().unwrap() {
            data if data.is_dir() => held(&entry.path()),
            data => data.len(),
        })
        .sum()
}

/// What becomes of a call whose server reads the beginning of the request and no more, and how long that takes. The clock
/// stands still from then on, so that nothing is waited for.
async fn unread(blobs: &Memory, content: Value) -> (Attempt, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut world = World::at(&format!("http://{}", listener.local_addr().unwrap()));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 64]).await.unwrap();
        tokio::time::pause();
        stream
    });
    let params = fields([("content", Type::Json)]);
    let request = post("/up", Body::Raw(slot(0), None));
    world.declare(operation(params, Type::Null, Effect::Idempotent, Call::Http(Box::new(request))));
    world.timeout = Millis::seconds(6 * 3600);
    let began = tokio::time::Instant::now();
    let attempt = call(&world, blobs, vec![content]).await;
    drop(server.await.unwrap());
    (attempt, began.elapsed())
}

fn more_than_buffers_hold() -> String {
    "x".repeat(48 << 20)
}

fn is_lost(attempt: Attempt) {
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((&failure.kind, attempt.reached), (&ErrorKind::Unavailable, Reached::Perhaps));
    assert!(failure.message.ends_with("reads the request too slowly: fewer than 16384 bytes within 1m"), "{failure}");
}

#[tokio::test]
async fn case_11_a_server_that_reads_no_more_of_a_file_is_lost_long_before_the_time_of_the_call() {
    let blobs = Memory::new();
    let content = file(&blobs, &more_than_buffers_hold(), "a.txt", "text/plain").await;
    let (attempt, took) = unread(&blobs, content).await;
    is_lost(attempt);
    assert!(took < Duration::from_secs(120), "{took:?}");
}

#[tokio::test]
async fn case_11_a_server_that_reads_no_more_of_a_long_text_is_lost_in_the_same_way() {
    let (attempt, took) = unread(&Memory::new(), Value::text(more_than_buffers_hold())).await;
    is_lost(attempt);
    assert!(took < Duration::from_secs(120), "{took:?}");
}
