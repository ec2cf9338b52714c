//! Against a server that speaks the protocol and verifies signatures: `s3s-fs`.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use flow_model::{
    expr::Expr,
    failure::ErrorKind,
    file::{ANY_MEDIA_TYPE, File, Sha256},
    plan::{Connection, Plan, Policy},
    schema::{self, Effect},
    ty::{Field, Type, Types},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    blob::{self, Blobs as _, Disk, Memory},
    connector::{Connectors, Invocation, NativeFailure, Performer as _, Reached},
    egress::{Guard, Networks},
    eval::Library,
    secret::{SecretText, Secrets},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use indexmap::IndexMap;
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::account::Addressing;

/// Leave to call this machine.
fn local() -> Guard {
    Guard::new(Networks::localhost())
}

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A server with the bucket `receipts`.
struct Server {
    folder: TempDir,
    url: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("receipts")).unwrap();
    let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
    builder.set_auth(SimpleAuth::from_single(KEY_ID, KEY));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                server.serve_connection(TokioIo::new(socket), service).await.ok();
            });
        }
    });
    Server { folder, url, task }
}

fn account(url: &str) -> Account {
    Account {
        region: "eu-west-1".to_owned(),
        access_key_id: SecretText::new(KEY_ID),
        secret_access_key: SecretText::new(KEY),
        endpoint: Some(url.to_owned()),
        addressing: Addressing::Path,
    }
}

/// Stored with a media type and nothing else.
fn plain(content_type: &str) -> How<'_> {
    How { content_type, metadata: None, kept: Kept::default() }
}

async fn put(client: &Client, bucket: &str, key: &str, content: &[u8]) -> Result<Value, NativeFailure> {
    let file = File::with_content(content, "a.txt", "text/plain");
    object::put(client, &Memory::new(), Place { bucket, key }, &file, &plain("text/plain")).await
}

/// What is said of an object, and its bytes.
async fn get(client: &Client, bucket: &str, key: &str) -> Result<(Value, Vec<u8>), NativeFailure> {
    let blobs = Memory::new();
    let read = object::get(client, &blobs, Place { bucket, key }).await?;
    let Some(Value::File(file)) = read.get("body") else { panic!("no file: {read:?}") };
    let content = blob::load(&blobs, file.sha256).await.expect("the bytes are kept");
    Ok((read, content))
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, NativeFailure>) -> ErrorKind {
    outcome.unwrap_err().failure.kind
}

#[tokio::test]
async fn an_object_is_stored_read_replaced_and_deleted() {
    let server = server().await;
    let client = account(&server.url).client(&local());
    let key = "2023/11/14/pi 3Oç+&=?#.txt";
    let stored = put(&client, "receipts", key, b"paid").await.unwrap();
    assert_eq!(stored.get("bucket"), Some(&Value::text("receipts")));
    assert_eq!(stored.get("key"), Some(&Value::text(key)));
    // The MD5 of `paid`, which is what the tag of a small object is.
    assert_eq!(stored.get("etag"), Some(&Value::text("76e084771e78c194efd0e2d5b8920bea")));
    assert_eq!(std::fs::read(server.folder.path().join("receipts").join(key)).unwrap(), b"paid");

    let (read, content) = get(&client, "receipts", key).await.unwrap();
    assert_eq!(content, b"paid");
    assert_eq!(read.get("content_type"), Some(&Value::text("text/plain")));
    let Some(Value::File(file)) = read.get("body") else { panic!("no file: {read:?}") };
    assert_eq!((file.name.as_str(), file.mime_type.as_str(), file.size), ("pi 3Oç+&=?#.txt", "text/plain", 4));

    put(&client, "receipts", key, b"").await.unwrap();
    assert_eq!(get(&client, "receipts", key).await.unwrap().1, b"");

    assert_eq!(object::delete(&client, Place { bucket: "receipts", key }).await.unwrap(), Value::Null);
    assert_eq!(object::delete(&client, Place { bucket: "receipts", key }).await.unwrap(), Value::Null);
    assert_eq!(kind(get(&client, "receipts", key).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_not_there_and_who_may_not_are_told_apart() {
    let server = server().await;
    let client = account(&server.url).client(&local());
    let lost = get(&client, "receipts", "none").await.unwrap_err();
    assert_eq!((lost.failure.kind.clone(), lost.reached), (ErrorKind::NotFound, Reached::Answered));
    assert_eq!(lost.failure.fields.get("code"), Some(&Value::text("NoSuchKey")));
    let lost = object::delete(&client, Place { bucket: "elsewhere", key: "a" }).await.unwrap_err().failure;
    assert_eq!((lost.kind, lost.fields.get("code")), (ErrorKind::NotFound, Some(&Value::text("NoSuchBucket"))));

    let wrong = Account { secret_access_key: SecretText::new("wrong"), ..account(&server.url) }.client(&local());
    let refused = put(&wrong, "receipts", "a", &[1]).await.unwrap_err();
    assert_eq!(refused.failure.kind, ErrorKind::Unauthorized);
    assert_eq!(refused.failure.fields.get("code"), Some(&Value::text("SignatureDoesNotMatch")));
    assert!(!server.folder.path().join("receipts/a").exists());

    let stranger = Account { access_key_id: SecretText::new("AKIANOBODY"), ..account(&server.url) }.client(&local());
    let refused = get(&stranger, "receipts", "a").await.unwrap_err().failure;
    assert!(matches!(refused.kind, ErrorKind::Unauthorized | ErrorKind::Forbidden), "{refused}");
}

#[tokio::test]
async fn names_that_would_mean_something_else_do_not_leave() {
    let server = server().await;
    let client = account(&server.url).client(&local());
    for (bucket, key) in [("receipts", ""), ("", "a")] {
        let unsent = put(&client, bucket, key, &[1]).await.unwrap_err();
        assert_eq!((unsent.failure.kind.clone(), unsent.reached), (ErrorKind::Invalid, Reached::Never), "{unsent:?}");
    }
}

#[tokio::test]
async fn a_large_object_is_sent_in_parts_and_read_back() {
    let server = server().await;
    let client = account(&server.url).client(&local());
    for extra in [1, parts::PART] {
        let count = parts::PART + extra;
        let content: Vec<u8> =
            (0..count).map(|index| u8::try_from((index * 31 + index / 251) % 256).unwrap()).collect();
        let stored = put(&client, "receipts", "large", &content).await.unwrap();
        // The tag of an object in parts says how many there are.
        assert!(stored.get("etag").and_then(Value::as_str).is_some_and(|tag| tag.ends_with("-2")), "{stored:?}");
        assert!(std::fs::read(server.folder.path().join("receipts/large")).unwrap() == content);
        assert!(get(&client, "receipts", "large").await.unwrap().1 == content);
    }
}

#[tokio::test]
async fn an_upload_that_fails_leaves_no_object_and_no_parts() {
    let server = server().await;
    let client = account(&server.url).client(&local());
    let folder = tempfile::tempdir().unwrap();
    let blobs = Disk::new(folder.path());
    let mut content = vec![7; usize::try_from(parts::PART * 2).unwrap()];
    let kept = blob::keep(&blobs, content.clone().into()).await.unwrap();
    // The last byte is another one meanwhile, which is found when all others are on their way.
    content.pop();
    content.push(8);
    std::fs::write(blobs.path(kept.sha256).unwrap().unwrap(), content).unwrap();
    let file = File::new(kept.sha256, kept.size, "a", ANY_MEDIA_TYPE);
    let place = Place { bucket: "receipts", key: "broken" };
    let failure = object::put(&client, &blobs, place, &file, &plain(ANY_MEDIA_TYPE)).await.unwrap_err().failure;
    assert_eq!(failure.kind, ErrorKind::Mismatch, "{failure}");
    assert!(failure.message.contains("damaged"), "{failure}");
    let left = |folder: &std::path::Path| -> Vec<String> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(left(&server.folder.path().join("receipts")), [""; 0]);
    let parts: Vec<_> = left(server.folder.path()).into_iter().filter(|name| name.contains(".part-")).collect();
    assert_eq!(parts, [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_not_there_was_never_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let lost = put(&account(&url).client(&local()), "receipts", "a", &[1]).await.unwrap_err();
    assert_eq!((lost.failure.kind.clone(), lost.reached), (ErrorKind::Unavailable, Reached::Never), "{lost:?}");
    let nowhere = account("http://host.invalid");
    let lost = put(&nowhere.client(&local()), "receipts", "a", &[1]).await.unwrap_err();
    assert_eq!((lost.failure.kind.clone(), lost.reached), (ErrorKind::Unavailable, Reached::Never), "{lost:?}");
}

/// A server that reads a request and then does as the test says, counting requests.
async fn scripted(answer: &'static [u8]) -> (String, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut requests = 0;
        // The second connection, made by the test itself, ends the count.
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let length = socket.read(&mut buffer).await.unwrap();
            if buffer.get(..length) == Some(b"end") {
                return requests;
            }
            requests += 1;
            socket.write_all(answer).await.unwrap();
        }
    });
    (url, task)
}

async fn requests(url: &str, task: JoinHandle<usize>) -> usize {
    let mut socket = tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    socket.write_all(b"end").await.unwrap();
    task.await.unwrap()
}

#[tokio::test]
async fn a_lost_answer_may_have_taken_effect_and_is_not_asked_for_again() {
    let (url, task) = scripted(b"").await;
    let lost = put(&account(&url).client(&local()), "receipts", "a", &[1]).await.unwrap_err();
    assert_eq!((lost.failure.kind.clone(), lost.reached), (ErrorKind::Unavailable, Reached::Perhaps), "{lost:?}");
    assert_eq!(requests(&url, task).await, 1);
}

#[tokio::test]
async fn an_overloaded_server_is_asked_once_and_its_wait_is_passed_on() {
    let answer = b"HTTP/1.1 503 Slow Down\r\nRetry-After: 3\r\nContent-Length: 81\r\nConnection: close\r\n\r\n\
        <Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error> ";
    let (url, task) = scripted(answer).await;
    let slow = put(&account(&url).client(&local()), "receipts", "a", &[1]).await.unwrap_err();
    assert_eq!(slow.failure.kind, ErrorKind::RateLimited, "{slow:?}");
    assert_eq!(slow.retry_after, Some(Millis::seconds(3)));
    assert_eq!(requests(&url, task).await, 1);
}

#[tokio::test]
async fn clients_are_kept_by_everything_that_makes_them() {
    let clients = Clients::default();
    let first = account("http://127.0.0.1:1");
    clients.of(first.clone(), &local());
    clients.of(first.clone(), &local());
    assert_eq!(clients.len(), 1);
    clients.of(Account { secret_access_key: SecretText::new("rotated"), ..first.clone() }, &local());
    clients.of(Account { region: "us-east-1".to_owned(), ..first.clone() }, &local());
    clients.of(Account { addressing: Addressing::Host, ..first }, &local());
    assert_eq!(clients.len(), 4);
    for port in 0..100 {
        clients.of(account(&format!("http://127.0.0.1:{port}")), &local());
    }
    assert_eq!(clients.len(), 64);
}

/// A server that takes a request and says nothing: what was sent to it.
async fn sent(request: impl AsyncFnOnce(Client)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut all, mut buffer) = (Vec::new(), vec![0; 4096]);
        while !all.windows(4).any(|end| end == b"\r\n\r\n") {
            let length = socket.read(&mut buffer).await.unwrap();
            all.extend_from_slice(buffer.get(..length).unwrap());
        }
        String::from_utf8_lossy(&all).to_lowercase()
    });
    request(account(&url).client(&local())).await;
    task.await.unwrap()
}

#[tokio::test]
async fn how_an_object_is_kept_is_said_in_headers() {
    let kept = || Kept {
        class: Some("GLACIER_IR".into()),
        encryption: Some("aws:kms".into()),
        kms_key: Some("alias/invoices".to_owned()),
    };
    let headers = [
        "x-amz-storage-class: glacier_ir\r\n",
        "x-amz-server-side-encryption: aws:kms\r\n",
        "x-amz-server-side-encryption-aws-kms-key-id: alias/invoices\r\n",
    ];
    let place = Place { bucket: "receipts", key: "a b" };
    let stored = |size: u64| {
        async move |client: Client| {
            let file = File::with_content(vec![0; usize::try_from(size).unwrap()], "a.txt", "text/plain");
            let metadata = object::metadata(&Value::record([("Customer", Value::text("C-7"))])).unwrap();
            let how = How { content_type: "text/plain", metadata, kept: kept() };
            object::put(&client, &Memory::new(), place, &file, &how).await.unwrap_err();
        }
    };
    let copied = async |client: Client| {
        let from = Place { bucket: "receipts", key: "2026/ü +.txt" };
        object::copy(&client, from, place, &kept()).await.unwrap_err();
    };
    let metadata = "x-amz-meta-customer: c-7\r\n";
    for (request, line, more) in [
        (sent(stored(1)).await, "put /receipts/a%20b?x-id=putobject ", metadata),
        (sent(stored(parts::PART + 1)).await, "post /receipts/a%20b?uploads ", metadata),
        (
            sent(copied).await,
            "put /receipts/a%20b?x-id=copyobject ",
            "x-amz-copy-source: receipts/2026/%c3%bc%20%2b.txt\r\n",
        ),
    ] {
        assert!(request.starts_with(line), "{request}");
        for header in headers.iter().chain([&more]) {
            let signed = header.split_once(':').unwrap().0;
            assert!(request.contains(header), "{header}: {request}");
            assert!(request.matches(signed).count() >= 2, "{signed} is not signed: {request}");
        }
    }
}

#[test]
fn metadata_that_headers_can_not_carry_are_refused() {
    for (name, value, told) in [
        ("", "a", "should be named"),
        ("a:b", "a", "should be named"),
        ("a", "ü", "printable ASCII"),
        ("a", "a\r\nx: y", "printable ASCII"),
        ("a", " a", "printable ASCII"),
        ("a", &"x".repeat(2048), "2049 bytes"),
    ] {
        let refused = object::metadata(&Value::record([(name, Value::text(value))])).unwrap_err();
        assert!(refused.message.contains(told), "{refused}");
    }
    let twice = Value::record([("a", Value::text("1")), ("A", Value::text("2"))]);
    assert!(object::metadata(&twice).unwrap_err().message.contains("twice"));
}

#[tokio::test]
async fn a_presigned_request_lives_from_a_second_to_seven_days() {
    let client = account("http://127.0.0.1:1").client(&local());
    let place = Place { bucket: "receipts", key: "a" };
    for (expires, is_fit) in [(0, false), (1, true), (604_800, true), (604_801, false)] {
        let signed = presign::get(&client, place, Millis::seconds(expires), None, None).await;
        assert_eq!(signed.is_ok(), is_fit, "{expires}: {signed:?}");
        let within = format!("X-Amz-Expires={expires}&");
        assert!(signed.map_or(true, |url| url.as_str().unwrap().contains(&within)));
    }
}

/// The secrets of the connection.
struct Vault;

impl Secrets for Vault {
    fn get(&self, name: &str) -> Option<SecretText> {
        match name {
            "aws/access_key_id" => Some(SecretText::new(KEY_ID)),
            "aws/secret_access_key" => Some(SecretText::new(KEY)),
            _ => None,
        }
    }
}

/// The declarations of `s3.flow` that these tests need, and a connection to a server.
fn plan(url: &str) -> Plan {
    let secret = |name: &str| Field {
        default: Some(Box::new(Expr::Literal(Value::Secret(name.into())))),
        ..Field::of(Type::Secret(Box::new(Type::String)))
    };
    let with_default =
        |ty: Type, default: Value| Field { default: Some(Box::new(Expr::Literal(default))), ..Field::of(ty) };
    let named = |fields: &[(&str, Field)]| -> IndexMap<String, Field> {
        fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect()
    };
    let (text, maybe_text) = (Field::of(Type::String), Field::of(Type::String.optional()));
    let operation = |params, result, effect| schema::Operation {
        doc: String::new(),
        types: Vec::new(),
        params,
        result,
        effect,
        key: None,
        call: schema::Call::Native,
        errors: Vec::new(),
        fails: None,
        scopes: Vec::new(),
        deprecated: None,
        cost: None,
        undo: None,
        visible_after: None,
        uuid_key: false,
        bulk: None,
        page: None,
    };
    let object = [("bucket", text.clone()), ("key", text.clone())];
    let put = [object.as_slice(), &[("body", Field::of(Type::File)), ("content_type", maybe_text.clone())]].concat();
    let stored = [object.as_slice(), &[("etag", maybe_text.clone())]].concat();
    let read = [("body", Field::of(Type::File)), ("content_type", maybe_text)];
    let operations = [
        ("objects.put", operation(named(&put), Type::Record(named(&stored)), Effect::Idempotent)),
        ("objects.get", operation(named(&object), Type::Record(named(&read)), Effect::Read)),
        ("objects.delete", operation(named(&object), Type::Null, Effect::Idempotent)),
    ];
    let connector = schema::Connector {
        name: "s3".to_owned(),
        doc: String::new(),
        config: named(&[
            ("region", with_default(Type::String, Value::text("us-east-1"))),
            ("access_key_id", secret("aws/access_key_id")),
            ("secret_access_key", secret("aws/secret_access_key")),
            ("endpoint", with_default(Type::Url.optional(), Value::Null)),
            ("path_style", with_default(Type::Bool, Value::Bool(false))),
        ]),
        http: None,
        errors: schema::Errors::default(),
        types: Types::default(),
        operations: operations.into_iter().map(|(name, operation)| (name.to_owned(), operation)).collect(),
        triggers: BTreeMap::new(),
        verifications: BTreeMap::new(),
        challenges: BTreeMap::new(),
        webhooks: None,
        policy: Policy::default(),
    };
    let config = [
        ("endpoint".to_owned(), Expr::Literal(Value::text(url))),
        ("path_style".to_owned(), Expr::Literal(Value::Bool(true))),
    ];
    let connection = Connection { connector: "s3".to_owned(), config: config.into_iter().collect() };
    Plan {
        version: flow_model::plan::VERSION,
        flow: "archive".to_owned(),
        doc: String::new(),
        params: IndexMap::new(),
        triggers: Vec::new(),
        result: Type::Null,
        errors: Vec::new(),
        graph: Default::default(),
        entry: None,
        connections: BTreeMap::from([("archive".to_owned(), connection)]),
        connectors: BTreeMap::from([("s3".to_owned(), std::sync::Arc::new(connector))]),
        functions: BTreeMap::new(),
        types: Types::default(),
        secrets: Vec::new(),
        personal: Default::default(),
    }
}

#[tokio::test]
async fn a_step_reaches_the_server_with_the_settings_of_its_connection() {
    let server = server().await;
    let (plan, env) = (Arc::new(plan(&server.url)), Arc::new(BTreeMap::new()));
    let connectors =
        Connectors::new(Library::default(), env, Arc::new(Vault), bind(NativeTable::new())).with_guard(local());
    let perform = async |operation: &str, args: Vec<Value>| {
        let (plan, timeout) = (Arc::clone(&plan), Millis::seconds(30));
        let (connection, operation, key) = ("archive".to_owned(), operation.to_owned(), "k".to_owned());
        connectors
            .perform(Invocation {
                plan,
                connection,
                operation,
                result: None,
                page: None,
                args,
                nulls: Vec::new(),
                key,
                timeout,
                traceparent: None,
                admitted: None,
            })
            .await
    };
    let name = || vec![Value::text("receipts"), Value::text("a.txt")];
    // Text may stand for a file, and what was left out is null.
    let stored = perform("objects.put", [name(), vec![Value::text("paid"), Value::Null]].concat()).await;
    assert_eq!(stored.outcome.unwrap().get("key"), Some(&Value::text("a.txt")));
    let read = perform("objects.get", name()).await.outcome.unwrap();
    let Some(Value::File(file)) = read.get("body") else { panic!("no file: {read:?}") };
    assert_eq!(
        (file.sha256, file.name.as_str(), file.mime_type.as_str()),
        (Sha256::of(b"paid"), "a.txt", "text/plain")
    );
    assert_eq!(perform("objects.delete", name()).await.outcome, Ok(Value::Null));
    let gone = perform("objects.get", name()).await;
    assert_eq!((gone.outcome.unwrap_err().kind, gone.reached), (ErrorKind::NotFound, Reached::Answered));
}

#[tokio::test]
async fn what_is_not_allowed_is_not_connected_to() {
    let nobody = Guard::new(Networks::default());
    let failed = put(&account("http://localhost:1").client(&nobody), "receipts", "a", &[1]).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.reached, Reached::Never);
    assert!(failed.failure.message.contains("loopback"), "{failed:?}");
}
