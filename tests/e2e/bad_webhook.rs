//! Requests that no sender should make: each gets a clear answer, starts nothing and harms nothing.

use std::fs;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    eventually,
    process::{Serving, flowc},
    stripe::{SECRET, SUCCEEDED, now, signature},
    world::{World, deliver, example, post},
};

/// The line of the log with a text.
async fn logged(serving: &Serving, text: &str) -> String {
    eventually(text, async || {
        let log = serving.log();
        log.lines().find(|line| line.contains(text)).map(str::to_owned).ok_or(log)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_can_not_be_an_event_is_refused_and_starts_nothing() {
    let world = World::start().await;
    let serving = world.serve(&example());
    let signed = |body: &str| signature(SECRET, now(), body);
    let huge = format!("{{\"padding\": \"{}\"}}", "x".repeat(2 << 20));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let twice = SUCCEEDED.replacen("\"id\"", "\"id\": \"evt_other\", \"id\"", 1);
    let huge_number = SUCCEEDED.replace("\"amount_received\": 1099", "\"amount_received\": 1e400");
    let cases = [
        ("over the limit", huge.as_str(), 413),
        ("no JSON", "payment=pi_1", 400),
        ("cut off", &SUCCEEDED[..SUCCEEDED.len() / 2], 400),
        ("too deep", &deep, 400),
        ("a key twice", &twice, 400),
    ];
    for (name, body, status) in cases {
        let answer = post(&serving, body, Some(&signed(body))).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(answer.text.contains("\"message\""), "{name}: {answer:?}");
    }
    let misfits = [
        (
            "data.object.amount_received",
            SUCCEEDED.replace("\"amount_received\": 1099", "\"amount_received\": \"1099 EUR\""),
        ),
        ("data.object.currency", SUCCEEDED.replace("\"currency\"", "\"coin\"")),
        ("1e+400", huge_number),
    ];
    for (named, body) in misfits {
        let answer = post(&serving, &body, Some(&signed(&body))).await;
        assert_eq!(answer.status, 422, "{named}: {answer:?}");
        assert!(answer.text.contains(named), "the answer names {named}: {answer:?}");
        assert!(!answer.text.contains("jenny"), "personal data stays out of it: {answer:?}");
        assert!(!serving.log().contains("jenny"), "and out of the log");
    }
    assert_eq!(world.runs().len(), 0);
    logged(&serving, "place=\"data.object.currency\"").await;

    let id = deliver(&serving, SUCCEEDED).await.run();
    world.run_is(&id, "completed").await;
    assert_eq!(world.runs().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_program_does_not_wait_for_is_taken_and_starts_nothing() {
    let world = World::start().await;
    let serving = world.serve(&example());
    let body = SUCCEEDED.replace("payment_intent.succeeded", "customer.created");
    let answer = deliver(&serving, &body).await;
    assert!((200..300).contains(&answer.status), "Stripe would send it again for days: {answer:?}");
    assert_eq!(world.runs().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_event_under_a_known_id_is_refused() {
    let world = World::start().await;
    let serving = world.serve(&example());
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.run_is(&id, "completed").await;
    let answer = deliver(&serving, &SUCCEEDED.replace("\"amount_received\": 1099", "\"amount_received\": 9901")).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let alarm = logged(&serving, "another event came with a key that is known").await;
    assert!(alarm.contains("ERROR") && alarm.contains(&id), "{alarm}");
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_and_another_method_say_what_there_is() {
    let world = World::start().await;
    let serving = world.serve(&example());
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let answer = client.get(format!("{}{path}", serving.address)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = get("/hooks/payment").await;
    assert!(status == 404 && text.contains("/hooks/payments"), "{status}: {text}");
    let (status, text) = get("/hooks/payments").await;
    assert!(status == 405 && text.contains("POST"), "{status}: {text}");
    assert_eq!(get("/healthz").await.0, 200);
}

/// What a sender writes may end no line of the log and move no cursor.
#[tokio::test(flavor = "multi_thread")]
async fn case_14_text_of_others_stays_within_its_line_of_the_log() {
    let program = "flow note {
  on http POST \"/note\" as req { body: { note: String }, verify: none because \"a test\", dedupe: req.body.note }
  log \"{req.body.note}\"
  if req.body.note != \"\" { fail Odd(note: req.body.note) }
}

error Odd { note: String }
";
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("main.flow"), program).unwrap();
    for (format, note) in
        [("human", "one\n10:00:00 ERROR forged\u{1b}[2J\r"), ("json", "two\n{\"level\":\"ERROR\"}\u{1b}")]
    {
        let arguments = ["serve", "main.flow", "--listen", "127.0.0.1:0", "--log", format];
        let serving = Serving::start(flowc().current_dir(folder.path()).args(arguments));
        let body = json!({ "note": note }).to_string();
        let answer = reqwest::Client::new().post(format!("{}/note", serving.address)).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        let said = logged(&serving, "program says").await;
        logged(&serving, "run failed").await;
        let log = serving.log();
        assert!(!log.contains('\u{1b}') && !log.contains('\r'), "{log:?}");
        match format {
            "json" => {
                let lines: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                assert!(lines.iter().any(|line| line["text"] == note), "{log}");
            }
            _ => {
                assert!(said.contains(r"one\n10:00:00 ERROR forged\u{1b}[2J\r"), "{said}");
                assert!(!log.lines().any(|line| line.starts_with("10:00:00 ERROR")), "{log}");
            }
        }
        serving.signal("TERM");
        serving.ended().says(0, &[]);
    }
}
