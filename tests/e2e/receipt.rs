//! `examples/stripe_receipt`: a signed event becomes an object in S3 and a message in Slack, once.

use super::{
    process::run,
    s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY},
    stripe::{SECRET, SUCCEEDED, now, signature},
    world::{BUCKET, SLACK_TOKEN, World, deliver, example, post},
};

/// The receipt as the program writes it; 1 minute past 1 in Berlin is the day after that in the timestamp.
const KEY: &str = "2024/07/26/pi_1PgafyB7WZ01zgkWSjxsAJo3.txt";
const RECEIPT: &str = "Receipt for payment pi_1PgafyB7WZ01zgkWSjxsAJo3

Amount:  10.99 USD
Paid by: jenny.rosen@example.com
Date:    2024-07-25T23:02:10Z";

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_event_becomes_an_object_and_a_message_and_a_repeated_one_does_nothing() {
    let world = World::start().await;
    let serving = world.serve(&example());

    let first = deliver(&serving, SUCCEEDED).await;
    assert_eq!(first.status, 202, "{first:?}");
    world.run_is(&first.run(), "completed").await;

    assert_eq!(
        world.s3.object(BUCKET, KEY).as_deref().map(str::trim_end),
        Some(RECEIPT),
        "{:?}",
        world.s3.keys(BUCKET)
    );
    let message = world.slack.received(1).await;
    assert_eq!(message.line, "POST /chat.postMessage");
    assert_eq!(message.header("authorization"), Some(format!("Bearer {SLACK_TOKEN}").as_str()));
    assert_eq!(
        message.json(),
        serde_json::json!({ "channel": "#payments", "text": format!("Paid *10.99 USD*: receipt at `{KEY}`") })
    );
    let shown = run(&world.data(), first.run());
    assert_eq!(shown["result"]["receipt"], KEY, "{shown:#}");
    assert_eq!(shown["result"]["channel"], "C1H9RESGL", "{shown:#}");

    let second = deliver(&serving, SUCCEEDED).await;
    assert!((200..300).contains(&second.status), "Stripe would send it again: {second:?}");
    assert_eq!(second.run(), first.run());
    serving.kill();
    let serving = world.serve(&example());
    let third = deliver(&serving, SUCCEEDED).await;
    assert_eq!(third.run(), first.run(), "the key outlives the process");

    let runs = world.runs();
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!(runs[0]["state"], "completed", "nothing is under way that could still have an effect");
    assert_eq!((world.s3.puts(), world.s3.refusals(), world.slack.requests().len()), (1, 0, 1));
    assert_eq!(world.s3.keys(BUCKET), [KEY]);
    no_secret_in("the log", serving.log().as_bytes());
    for entry in std::fs::read_dir(world.data()).unwrap() {
        let path = entry.unwrap().path();
        no_secret_in(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
}

fn no_secret_in(what: &str, bytes: &[u8]) {
    for secret in [SECRET, SLACK_TOKEN, ACCESS_KEY_ID, SECRET_ACCESS_KEY] {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{what} holds the secret {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_07_an_event_that_its_sender_has_not_just_signed_is_refused_and_starts_nothing() {
    let world = World::start().await;
    let serving = world.serve(&example());
    let right = signature(SECRET, now(), SUCCEEDED);
    let digest = right.rsplit('=').next().unwrap();
    let refused = [
        ("another secret", Some(signature("whsec_of_someone_else", now(), SUCCEEDED))),
        ("another body", Some(signature(SECRET, now(), &SUCCEEDED.replace("1099", "9901")))),
        ("six minutes old", Some(signature(SECRET, now() - 360, SUCCEEDED))),
        ("six minutes early", Some(signature(SECRET, now() + 360, SUCCEEDED))),
        ("another timestamp than the signed one", Some(right.replace("t=", "t=1"))),
        ("an older scheme", Some(right.replace("v1=", "v0="))),
        ("half a digest", Some(right[..right.len() - 32].to_owned())),
        ("no timestamp", Some(format!("v1={digest}"))),
        ("no signature", Some(format!("t={}", now()))),
        ("nonsense", Some("=,,;t=,v1".to_owned())),
        ("an empty header", Some(String::new())),
        ("no header", None),
    ];
    for (name, signature) in refused {
        let answer = post(&serving, SUCCEEDED, signature.as_deref()).await;
        assert_eq!(answer.status, 401, "{name}: {answer:?}");
        assert!(!answer.text.contains(SECRET) && !answer.text.contains(digest), "{name}: {answer:?}");
    }
    assert_eq!(world.runs().len(), 0);
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (0, 0));

    // The same server takes what is right: a second signature in the header is there while a secret is replaced.
    let two = format!("{right},v1={}", "0".repeat(64));
    assert_eq!(post(&serving, SUCCEEDED, Some(&two)).await.status, 202);
    assert!(!serving.log().contains(SECRET), "{}", serving.log());
}
