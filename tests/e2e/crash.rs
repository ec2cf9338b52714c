//! `kill -9`: what was done is not done again, what was not done is done, and what nobody can know is asked.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use super::{
    process::{Serving, flowc, output, run},
    server::Server,
    stripe::{self, SUCCEEDED},
    world::{BUCKET, World, deliver, example},
};

/// The Stripe example with a step between S3 and Slack that calls a server of the test.
fn gated() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/programs/gated_receipt.flow")
}

async fn gate() -> Server {
    Server::start(200, json!({ "ok": true })).await
}

fn serve(world: &World, gate: &Server) -> Serving {
    Serving::start(world.command(&gated()).env("GATE_URL", &gate.address))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_two_steps_a_run_goes_on_with_the_second() {
    let world = World::start().await;
    let gate = gate().await;
    gate.hold();
    let serving = serve(&world, &gate);
    let id = deliver(&serving, SUCCEEDED).await.run();
    // S3 has answered and its answer is on disk: the step after it has begun.
    gate.received(1).await;
    serving.kill();
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 0));

    gate.release();
    let serving = serve(&world, &gate);
    world.run_is(&id, "completed").await;
    assert_eq!(gate.requests().len(), 2, "the step in flight only reads, so it is called again");
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));

    assert_eq!(deliver(&serving, SUCCEEDED).await.run(), id, "the event is still known");
    assert_eq!(world.runs().len(), 1);
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));
    assert_eq!(world.s3.keys(BUCKET).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_ten_runs_end_with_one_effect_each() {
    const RUNS: u32 = 10;
    let world = World::start().await;
    let gate = gate().await;
    gate.hold();
    let mut serving = serve(&world, &gate);
    let mut ids = Vec::new();
    for number in 0..RUNS {
        ids.push(deliver(&serving, &stripe::another(number)).await.run());
    }
    gate.received(RUNS as usize).await;
    for round in 2..=4 {
        serving.kill();
        serving = serve(&world, &gate);
        gate.received(RUNS as usize * round).await;
    }
    serving.kill();
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (RUNS as usize, 0));

    gate.release();
    let _serving = serve(&world, &gate);
    for id in &ids {
        world.run_is(id, "completed").await;
    }
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (RUNS as usize, RUNS as usize));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_message_is_on_its_way_a_run_asks_instead_of_sending_it_twice() {
    let world = World::start().await;
    let gate = gate().await;
    world.slack.hold();
    let serving = serve(&world, &gate);
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.slack.received(1).await;
    serving.kill();

    world.slack.release();
    for _ in 0..2 {
        let serving = serve(&world, &gate);
        world.run_is(&id, "needs_decision").await;
        assert_eq!(deliver(&serving, SUCCEEDED).await.run(), id);
        serving.kill();
    }
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));
    let shown = run(&world.data(), &id);
    let step = shown["steps"].as_array().unwrap().iter().find(|step| step["path"] == "message").unwrap();
    assert_eq!(
        (step["state"].as_str(), step["failure"]["kind"].as_str()),
        (Some("needs_decision"), Some("Interrupted"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_hand_that_is_killed_goes_on_when_it_is_resumed() {
    let world = World::start().await;
    let gate = gate().await;
    gate.hold();
    let mut command = flowc();
    command.arg("run").arg(gated()).args(["--input", SUCCEEDED, "--data"]).arg(world.data());
    world.credentials(&mut command);
    command.env("GATE_URL", &gate.address).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("flowc starts");
    gate.received(1).await;
    child.kill().expect("flowc can be killed");
    child.wait().expect("flowc can be waited for");
    let id = world.runs()[0]["id"].as_str().unwrap().to_owned();
    let resume = |part: &str| {
        let mut command = flowc();
        command.args(["runs", "resume", part, "--data"]).arg(world.data());
        world.credentials(&mut command);
        command
    };

    // Without what it needs it would fail, so it is not even begun; neither by a server that finds it.
    output(&mut resume(&id)).says(6, &["GATE_URL"]);
    output(&mut world.command(&example())).says(6, &["GATE_URL", "earlier runs that are not over"]);
    assert_eq!(world.runs()[0]["state"], "running");

    gate.release();
    let ended =
        output(resume(&id[..20]).env("GATE_URL", &gate.address)).says(0, &["door.pass", "message", "completed"]);
    assert_eq!(ended.json()["channel"], "C1H9RESGL");
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));
    output(&mut resume(&id)).says(2, &["is completed already"]);
}

/// Before another version is served, beside the one that serves: which runs would it leave standing?
#[tokio::test(flavor = "multi_thread")]
async fn case_22_runs_that_could_not_go_on_are_named_before_the_switch() {
    let world = World::start().await;
    let gate = gate().await;
    gate.hold();
    let serving = serve(&world, &gate);
    let check = |change: &dyn Fn(&mut Command)| {
        let mut command = flowc();
        command.args(["deploy", "--check-running", "--data"]).arg(world.data()).arg(example());
        world.credentials(&mut command);
        command.env("GATE_URL", &gate.address);
        change(&mut command);
        output(&mut command)
    };
    let told = check(&|_| {}).says(0, &[]).stdout;
    assert!(told.contains("no run is under way"), "{told}");
    let id = deliver(&serving, SUCCEEDED).await.run();
    gate.received(1).await;
    let told = check(&|_| {}).says(0, &[]).stdout;
    assert!(told.contains("1 run of an earlier version, which they keep") && told.contains("can go on"), "{told}");
    let told = check(&|command| {
        command.env_remove("GATE_URL").env_remove("SLACK_BOT_TOKEN");
    })
    .says(1, &[])
    .stdout;
    for text in ["`env(\"GATE_URL\")` is missing", "`secret(\"slack/bot_token\")` is missing", &id, "1 of 1 run"] {
        assert!(told.contains(text), "{text}: {told}");
    }
    let json = check(&|command| {
        command.env_remove("GATE_URL").args(["--format", "json"]);
    })
    .says(1, &[])
    .json();
    assert_eq!((&json["well"], &json["versions"][0]["stopped"]), (&json!(false), &json!([id])));
    gate.release();
    world.run_is(&id, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_right_after_the_acknowledgement_a_run_is_not_lost() {
    let world = World::start().await;
    let serving = world.serve(&example());
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(deliver(&serving, &stripe::another(number)).await.run());
    }
    serving.kill();
    let _serving = world.serve(&example());
    for id in &ids {
        super::eventually("the run has ended", async || {
            let runs = world.runs();
            let state = runs.iter().find(|run| run["id"] == *id).map(|run| run["state"].clone());
            match state.as_ref().and_then(|state| state.as_str()) {
                Some("completed" | "needs_decision") => Ok(()),
                _ => Err(runs),
            }
        })
        .await;
    }
    let messages = world.slack.requests();
    for number in 0..5 {
        let of_this = messages.iter().filter(|message| message.body.contains(&format!("/pi_{number}.txt"))).count();
        assert!(of_this <= 1, "the message for payment {number} was sent {of_this} times");
    }
}
