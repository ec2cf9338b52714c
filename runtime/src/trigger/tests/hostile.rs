//! Requests that are too much: too long, too slow, too deep, too many.

use flow_model::{plan::NodeKind, units::Millis};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use plans::{EVENT, http, member, plan};

fn echo() -> Vec<Arc<Plan>> {
    let body = vec![NodeKind::Return(member(EVENT, "body"))];
    vec![Arc::new(plan("echo", vec![http("POST", "/echo", None)], body))]
}

async fn limited(limits: Limits) -> (TempDir, Served) {
    let folder = tempfile::tempdir().unwrap();
    let served = start(folder.path(), &Hands::at(NOW), echo(), limits).await;
    (folder, served)
}

/// Sends bytes and reads until the server closes.
async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is a way to close, too.
    socket.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap()
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /echo HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}").into_bytes()
}

#[tokio::test]
async fn a_body_may_have_the_limit_and_no_more() {
    let (_folder, served) = limited(Limits { body: 1000, ..Limits::default() }).await;
    let json = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    assert_eq!(sent(served.post("/echo", json(1000))).await.0, StatusCode::ACCEPTED);
    let (status, body) = sent(served.post("/echo", json(1001))).await;
    assert_eq!((status, &body["limit"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!(1000)));
    // Without an announced length, and much more than fits into the buffers of a socket.
    let piece = vec![b'x'; 65_536];
    let pieces = (0..100).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    let endless = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    assert_eq!(sent(served.post("/echo", endless)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(served.runs().await.len(), 1);
    served.stop().await.unwrap();
    // One MiB where nothing is said.
    let (_folder, served) = limited(Limits::default()).await;
    assert_eq!(sent(served.post("/echo", json(1 << 20))).await.0, StatusCode::ACCEPTED);
    assert_eq!(sent(served.post("/echo", json((1 << 20) + 1))).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn an_announced_length_is_believed_only_where_it_harms_the_sender() {
    let (_folder, served) = limited(Limits { body_pause: Millis(150), ..Limits::default() }).await;
    // Ten gigabytes are refused before the first of them is taken.
    let answer = raw(served.address, &post("Content-Length: 10000000000\r\nExpect: 100-continue\r\n", "")).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Less than announced.
    let answer = raw(served.address, &post("Content-Length: 100\r\n", "{}")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    socket.write_all(&post("Content-Length: 100\r\n", "{}")).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.ok();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    // What lies past the announced length is no part of the body, and no request.
    let answer = raw(served.address, &post("Content-Length: 2\r\nConnection: close\r\n", "{}{\"more\":1}")).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    for nonsense in ["Content-Length: -1\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: 1e3\r\n"]
    {
        let answer = raw(served.address, &post(nonsense, "{}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{nonsense} {answer}");
    }
    assert_eq!(served.runs().await.len(), 1);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_can_t_hide_in_the_body_of_another() {
    let (_folder, served) = limited(Limits { header_time: Millis(200), ..Limits::default() }).await;
    let smuggled = "2\r\n{}\r\n0\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    raw(served.address, &post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", smuggled)).await;
    assert_eq!(served.runs().await.len(), 1);
    let answer = raw(served.address, &post("Transfer-Encoding: gzip\r\n", "{}")).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn who_is_slow_is_let_go_and_who_is_not_is_served() {
    let limits = Limits { header_time: Millis(200), body_pause: Millis(200), ..Limits::default() };
    let (_folder, served) = limited(limits).await;
    // Nothing, half a head, half a body, half a chunk.
    assert_eq!(raw(served.address, b"").await, "");
    let answer = raw(served.address, b"POST /echo HTTP/1.1\r\nHost:").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let answer = raw(served.address, &post("Content-Length: 10\r\n", "{")).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("too_slow"), "{answer}");
    let answer = raw(served.address, &post("Transfer-Encoding: chunked\r\n", "5\r\n{")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(sent(served.post("/echo", "{}")).await.0, StatusCode::ACCEPTED);
    served.stop().await.unwrap();
}

/// On one thread: a sender that is stuck occupies nothing that others need.
#[tokio::test]
async fn case_11_many_who_are_stuck_hold_up_nobody() {
    let (_folder, served) = limited(Limits::default()).await;
    let mut stuck = Vec::new();
    for half in [
        &b""[..],
        b"POST /echo HTTP/1.1\r\nHost:",
        &post("Content-Length: 10\r\n", "{"),
        &post("Transfer-Encoding: chunked\r\n", "5\r\n{"),
    ] {
        for _ in 0..50 {
            let mut socket = TcpStream::connect(served.address).await.unwrap();
            socket.write_all(half).await.unwrap();
            stuck.push(socket);
        }
    }
    for _ in 0..3 {
        let answer = raw(served.address, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(sent(served.post("/echo", "{}")).await.0, StatusCode::ACCEPTED);
    }
    drop(stuck);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_that_drips_has_an_end() {
    let limits = Limits { body_time: Millis(150), ..Limits::default() };
    let (_folder, served) = limited(limits).await;
    let (mut reader, mut writer) = TcpStream::connect(served.address).await.unwrap().into_split();
    writer.write_all(&post("Content-Length: 1000000\r\n", "")).await.unwrap();
    let drip = tokio::spawn(async move {
        // Ends when the server closes.
        while writer.write_all(b" ").await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).await.ok();
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    drip.await.unwrap();
    served.stop().await.unwrap();
}

#[tokio::test]
async fn heads_have_limits() {
    let (_folder, served) = limited(Limits::default()).await;
    let many = (0..200).fold(String::new(), |many, index| format!("{many}x-{index}: 1\r\n"));
    let answer = raw(served.address, &post(&many, "")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = format!("x-long: {}\r\n", "x".repeat(200_000));
    let answer = raw(served.address, &post(&long, "")).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let split = post("x-name: a\r\n\tb\r\n", "");
    let answer = raw(served.address, &split).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(served.runs().await, []);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn case_15_json_that_would_hurt_is_refused() {
    let (_folder, served) = limited(Limits::default()).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("[{}0]", "0,".repeat(250_000));
    let keys = (0..210_000).fold("{".to_owned(), |keys, index| keys + &format!("\"{index:x}\":0,")) + "\"z\":0}";
    for (body, status) in [
        (deep.as_str(), StatusCode::BAD_REQUEST),
        (&wide, StatusCode::BAD_REQUEST),
        (r#"{"a":1,"a":2}"#, StatusCode::BAD_REQUEST),
        (r#""\ud800""#, StatusCode::BAD_REQUEST),
        ("NaN", StatusCode::BAD_REQUEST),
        ("[1] trailing", StatusCode::BAD_REQUEST),
        ("1e400", StatusCode::UNPROCESSABLE_ENTITY),
        ("[0.12345678901234567890123456789012]", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let (found, answer) = sent(served.post("/echo", body.to_owned())).await;
        assert_eq!(found, status, "{answer}");
    }
    assert!(matches!(
        sent(served.post("/echo", keys)).await.0,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE
    ));
    assert_eq!(served.runs().await, []);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let limits = Limits { connections_per_peer: 2, ..Limits::default() };
    let (_folder, served) = limited(limits).await;
    let mut first = TcpStream::connect(served.address).await.unwrap();
    let mut second = TcpStream::connect(served.address).await.unwrap();
    let mut third = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(third.read(&mut [0; 1]).await.unwrap_or(0), 0);
    // The others are served, and one that ends makes room.
    let health = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for socket in [&mut first, &mut second] {
        socket.write_all(health).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    served.stop().await.unwrap();
}
