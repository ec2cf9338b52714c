//! Deliveries of webhooks: once, again, altered, forged.

use std::collections::BTreeSet;

use flow_model::plan::{NodeKind, TriggerKind};
use futures::future::join_all;
use serde_json::json;

use super::{super::Counts, *};
use crate::machine::Outcome;
use plans::{EVENT as WHOLE, http, on_each_change, on_paid, plan, token};

const HOOK: &str = "/hooks/payments";
const EVENT: &str = r#"{"id":"evt_1","type":"paid","data":{"payment":"pi_1","amount":1999},"pending_webhooks":2}"#;
/// HMAC-SHA256 of `1700000000.` and the event, computed with Python's `hmac`.
const SIGNATURE: &str = "e76d14dec0987a052ae3699730bcaa6758d784e5f93b1bef5451b68549768395";

#[tokio::test]
async fn a_signed_event_is_on_disk_before_its_sender_hears_of_it() {
    let (_folder, _, served) = fresh(vec![on_paid("receipt", "stripe/webhook")]).await;
    let header = format!("t=1700000000,v1={SIGNATURE}");
    let (status, body) = sent(served.post(HOOK, EVENT).header("stripe-signature", header)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let runs = served.runs().await;
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!(body, json!({ "run": run.id }));
    assert_eq!(run.trigger.as_deref(), Some("payments.paid"));
    let ended = served.engine.outcome(&run.id).await.unwrap();
    assert_eq!(ended.outcome, Some(Outcome::Completed(flow_model::value::Value::text("pi_1"))));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn the_same_event_starts_one_run_whenever_it_comes() {
    let (folder, clock, served) = fresh(vec![on_paid("receipt", "stripe/webhook")]).await;
    let all = join_all((0..100).map(|_| sent(served.event(HOOK, EVENT)))).await;
    let answers: BTreeSet<String> = all.iter().map(|(status, body)| format!("{status} {body}")).collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(all.first().unwrap().0, StatusCode::ACCEPTED);
    assert_eq!(served.runs().await.len(), 1);
    let counts = served.counters.counts();
    assert_eq!((counts.accepted, counts.duplicates), (1, 99));
    // What no flow sees is not part of the event.
    let again = EVENT.replace(r#""pending_webhooks":2"#, r#""pending_webhooks":1"#);
    assert_eq!(sent(served.event(HOOK, &again)).await, *all.first().unwrap());
    served.stop().await.unwrap();

    let served = start(folder.path(), &clock, vec![on_paid("receipt", "stripe/webhook")], Limits::default()).await;
    assert_eq!(sent(served.event(HOOK, EVENT)).await, *all.first().unwrap());
    assert_eq!(served.runs().await.len(), 1);

    // After the window of 72 hours, it counts as new.
    let later = Instant(NOW.0 + 72 * 3_600_000 + 1);
    clock.set(later);
    let late = served.post(HOOK, EVENT).header("stripe-signature", signature(later.0 / 1000, EVENT.as_bytes()));
    assert_eq!(sent(late).await.0, StatusCode::ACCEPTED);
    assert_eq!(served.runs().await.len(), 2);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn another_event_under_the_same_key_is_a_conflict() {
    let (_folder, _, served) = fresh(vec![on_paid("receipt", "stripe/webhook")]).await;
    let (_, first) = sent(served.event(HOOK, EVENT)).await;
    let (status, body) = sent(served.event(HOOK, &EVENT.replace("1999", "1"))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(body["error"], "conflict");
    assert_eq!(body["runs"], json!([first["run"]]));
    assert_eq!(served.runs().await.len(), 1);
    assert_eq!(served.counters.counts().conflicts, 1);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_request_that_proves_nothing_leaves_nothing_but_a_count() {
    let (_folder, clock, served) = fresh(vec![on_paid("receipt", "stripe/webhook")]).await;
    let forged = format!("t=1700000000,v1={}", "ab".repeat(32));
    for (header, reason) in [
        (None, "no_header"),
        (Some(String::new()), "no_header"),
        (Some(forged), "no_match"),
        (Some(signature(NOW.0 / 1000 - 301, EVENT.as_bytes())), "too_old"),
        (Some(signature(NOW.0 / 1000 + 301, EVENT.as_bytes())), "too_early"),
        (Some(signature(NOW.0 / 1000, b"{}")), "no_match"),
    ] {
        let request = served.post(HOOK, EVENT);
        let request = match header {
            Some(header) => request.header("stripe-signature", header),
            None => request,
        };
        let (status, body) = sent(request).await;
        assert_eq!((status, &body["reason"]), (StatusCode::UNAUTHORIZED, &json!(reason)), "{body}");
        assert_eq!(body["error"], "unverified");
        assert!(!body.to_string().contains(SECRET), "{body}");
    }
    // Whoever can't sign does not learn whether the body parses, or which events are known.
    assert_eq!(sent(served.post(HOOK, "{")).await.0, StatusCode::UNAUTHORIZED);
    clock.set(Instant(NOW.0 + 301_000));
    assert_eq!(sent(served.event(HOOK, EVENT)).await.1["reason"], "too_old");
    assert_eq!(served.runs().await, []);
    assert_eq!(served.counters.counts(), Counts { unverified: 8, ..Counts::default() });
    served.stop().await.unwrap();
}

#[tokio::test]
async fn an_event_that_no_flow_asks_for_is_no_error() {
    let (_folder, _, served) = fresh(vec![on_paid("receipt", "stripe/webhook")]).await;
    for body in [r#"{"id":"evt_2","type":"refunded"}"#, "{}", "[]", "1", "null"] {
        let (status, answer) = sent(served.event(HOOK, body)).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({ "ignored": "no flow asks for this event" })), "{body}");
    }
    assert_eq!(served.runs().await, []);
    assert_eq!(served.counters.counts().ignored, 5);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_signed_and_wrong_is_said_with_its_place() {
    let (_folder, _, served) = fresh(vec![on_paid("receipt", "stripe/webhook")]).await;
    let (status, body) = sent(served.event(HOOK, &EVENT.replace("1999", "\"much\""))).await;
    assert_eq!((status, &body["path"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("data.amount")), "{body}");
    let (status, body) = sent(served.event(HOOK, &EVENT.replace("\"payment\"", "\"other\""))).await;
    assert_eq!((status, &body["path"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("data.payment")), "{body}");
    for malformed in ["{", "", "{\"id\":1,\"id\":2}", "\u{feff}{}", "{} {}"] {
        let (status, body) = sent(served.event(HOOK, malformed)).await;
        let expected = if malformed.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        assert_eq!(status, expected, "{malformed} {body}");
    }
    let bytes = b"{\"id\":\"\xff\"}";
    let request = served.post(HOOK, bytes.as_slice()).header("stripe-signature", signature(NOW.0 / 1000, bytes));
    assert_eq!(sent(request).await.0, StatusCode::BAD_REQUEST);
    let gzip = served.event(HOOK, EVENT).header("content-encoding", "gzip");
    assert_eq!(sent(gzip).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(served.runs().await, []);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn case_09_signatures_are_over_the_bytes_whatever_their_type_and_transfer() {
    let (_folder, _, served) = fresh(vec![on_paid("receipt", "stripe/webhook")]).await;
    let spaced = "\r\n{ \"id\" : \"evt_9\",\t\"type\":\"paid\", \"data\":{\"payment\":\"pi_9\",\"amount\":1}\n}\r\n";
    let header = signature(NOW.0 / 1000, spaced.as_bytes());
    let pieces = spaced.as_bytes().chunks(7).map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
    let chunked = reqwest::Body::wrap_stream(futures::stream::iter(pieces.collect::<Vec<_>>()));
    let request = served.post(HOOK, chunked).header("stripe-signature", &header).header("content-type", "text/plain");
    assert_eq!(sent(request).await.0, StatusCode::ACCEPTED);
    let compact = r#"{"id":"evt_9","type":"paid","data":{"payment":"pi_9","amount":1}}"#;
    let request = served.post(HOOK, compact).header("stripe-signature", &header);
    assert_eq!(sent(request).await.0, StatusCode::UNAUTHORIZED);
    served.stop().await.unwrap();
}

/// A form with a file, bytes that are no text, what is packed, nothing: whoever can't sign learns nothing of how it is read.
#[tokio::test]
async fn case_09_bodies_of_each_kind_prove_themselves_before_they_are_read() {
    let (_folder, _, served) = fresh(vec![on_paid("receipt", "stripe/webhook")]).await;
    let form = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n\xff\x00\r\n--b--\r\n";
    // `{}` as gzip writes it.
    let packed = hex::decode("1f8b08000000000002ffabae050043bfa6a302000000").unwrap();
    for (body, media_type, encoding, status) in [
        (form.as_slice(), "multipart/form-data; boundary=b", "identity", StatusCode::OK),
        (b"a=%FF&a=\xfe", "application/x-www-form-urlencoded", "identity", StatusCode::OK),
        (b"\xff\xfe{}", "application/json", "identity", StatusCode::BAD_REQUEST),
        (&packed, "application/json", "gzip", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (b"", "application/json", "identity", StatusCode::OK),
    ] {
        let sent_with = async |signed: &[u8]| {
            let request = served.post(HOOK, body.to_vec()).header("stripe-signature", signature(NOW.0 / 1000, signed));
            sent(request.header("content-type", media_type).header("content-encoding", encoding)).await.0
        };
        assert_eq!(sent_with(body).await, status, "{media_type}");
        assert_eq!(sent_with(b"{}").await, StatusCode::UNAUTHORIZED, "{media_type}");
    }
    assert_eq!(served.runs().await, []);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn each_flow_on_a_connection_has_its_own_run_and_its_own_secret() {
    let plans = vec![
        on_paid("receipt", "stripe/webhook"),
        on_paid("books", "stripe/webhook"),
        on_paid("partner", "other/webhook"),
        on_paid("forgotten", "not/set"),
    ];
    let (_folder, _, served) = fresh(plans).await;
    let (status, body) = sent(served.event(HOOK, EVENT)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let mut flows: Vec<String> = served.runs().await.into_iter().map(|run| run.flow).collect();
    flows.sort();
    assert_eq!(flows, ["books", "receipt"]);
    assert_eq!(body["runs"].as_array().unwrap().len(), 2);
    assert_eq!(sent(served.event(HOOK, EVENT)).await, (status, body));

    let digest = hmac("another secret", &[b"1700000000.", EVENT.as_bytes()]);
    let header = format!("t=1700000000,v1={digest}");
    let (status, _) = sent(served.post(HOOK, EVENT).header("stripe-signature", header)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let mut flows: Vec<String> = served.runs().await.into_iter().map(|run| run.flow).collect();
    flows.sort();
    assert_eq!(flows, ["books", "partner", "receipt"]);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn each_event_of_a_delivery_has_its_own_run() {
    let (_folder, _, served) = fresh(vec![on_each_change("follow")]).await;
    let item = |id: u32| format!(r#"{{"id":{id},"kind":"changed","contact":"c{id}"}}"#);
    let body = format!("[{},{},{}]", item(1), r#"{"kind":"deleted"}"#, item(2));
    let (status, first) = sent(served.post("/hooks/crm", body)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{first}");
    assert_eq!(first["runs"].as_array().unwrap().len(), 2);
    // Sent again with others: those that are known keep their runs.
    let (_, second) = sent(served.post("/hooks/crm", format!("[{},{}]", item(2), item(3)))).await;
    assert_eq!(second["runs"][0], first["runs"][1]);
    assert_eq!(served.runs().await.len(), 3);
    // All or nothing: one that does not fit holds the others back.
    let (status, body) =
        sent(served.post("/hooks/crm", format!("[{},{}]", item(4), r#"{"id":5,"kind":"changed"}"#))).await;
    assert_eq!((status, &body["path"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("[1].contact")), "{body}");
    // The same key twice in one delivery is one event.
    let (_, twice) = sent(served.post("/hooks/crm", format!("[{},{}]", item(6), item(6)))).await;
    assert_eq!(twice["runs"][0], twice["runs"][1]);
    assert_eq!(served.runs().await.len(), 4);
    assert_eq!(sent(served.post("/hooks/crm", "{}")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let many = format!("[{}]", vec!["{}"; 1001].join(","));
    assert_eq!(sent(served.post("/hooks/crm", many)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(sent(served.post("/hooks/crm", "[]")).await.0, StatusCode::OK);
    served.stop().await.unwrap();
}

/// All that is in the files of a folder.
fn written(folder: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { written(&path) } else { std::fs::read(path).unwrap() }).collect()
}

#[tokio::test]
async fn a_secret_that_a_request_carries_is_in_no_history() {
    let verified = |secret: &str| {
        let mut trigger = http("POST", "/orders", None);
        if let TriggerKind::Http { verify, .. } = &mut trigger.kind {
            *verify = Some(token(secret));
        }
        trigger
    };
    let whole = || vec![NodeKind::Return(WHOLE)];
    let plans = vec![Arc::new(plan("orders", vec![verified("stripe/webhook")], whole()))];
    let (folder, _, served) = fresh(plans).await;
    let body = format!(r#"{{"token":"{SECRET}","id":"a"}}"#);
    let sent = sent(served.post(&format!("/orders?token={SECRET}"), body.clone()).header("x-token", SECRET)).await;
    assert_eq!(sent.0, StatusCode::ACCEPTED, "{sent:?}");
    let runs = served.runs().await;
    let [run] = &runs[..] else { panic!("{runs:?}") };
    let Some(Outcome::Completed(seen)) = served.engine.outcome(&run.id).await.unwrap().outcome else { panic!() };
    for place in ["query", "body"] {
        let token = seen.get(place).unwrap().get("token").unwrap();
        assert_eq!(token.to_string(), "<secret stripe/webhook>");
    }
    assert_eq!(seen.get("headers").unwrap().get("x-token").unwrap().to_string(), "<secret stripe/webhook>");
    assert_eq!(seen.get("body").unwrap().get("id").unwrap().to_string(), "a");
    served.stop().await.unwrap();
    let written = written(folder.path());
    assert!(!written.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
}
