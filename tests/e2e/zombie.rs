//! Processes that stand still while the world goes on, and secrets after a crash.

use std::{fs, path::Path, process::Command};

use flow_runtime::sim::{oracle::forms, story::files};

use super::{
    process::{Serving, flowc, output},
    s3::SECRET_ACCESS_KEY,
    stripe::{SECRET, SUCCEEDED},
    world::{SLACK_TOKEN, World, deliver, example},
};

#[tokio::test(flavor = "multi_thread")]
async fn case_24_a_process_that_stands_still_keeps_its_folder_and_goes_on_when_it_wakes() {
    let world = World::start().await;
    world.slack.hold();
    let serving = world.serve(&example());
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.slack.received(1).await;
    serving.signal("STOP");
    world.slack.release();
    // It may wake at any time and send what it had begun, so nobody else takes its runs.
    output(&mut world.command(&example())).says(6, &["is in use by process", "--data"]);
    assert_eq!(world.runs()[0]["state"], "running");
    serving.signal("CONT");
    world.run_is(&id, "completed").await;
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));
}

/// Two folders with the same runs would both send what is under way.
#[tokio::test(flavor = "multi_thread")]
async fn case_24_a_copied_folder_is_not_served_until_somebody_says_that_the_original_is_gone() {
    let world = World::start().await;
    world.slack.hold();
    let serving = world.serve(&example());
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.slack.received(1).await;
    serving.kill();
    world.slack.release();

    let (original, kept) = (world.data(), world.data().with_extension("original"));
    fs::rename(&original, &kept).unwrap();
    let copied = Command::new("cp").arg("-a").args([&kept, &original]).status().unwrap();
    assert!(copied.success());
    let told = ["is a copy of another one", "do twice", "flowc journal adopt", "with `--data`"];
    output(&mut world.command(&example())).says(6, &told);
    let mut resume = flowc();
    world.credentials(&mut resume);
    output(resume.args(["runs", "resume", &id, "--data"]).arg(&original)).says(6, &told);
    assert_eq!(world.runs()[0]["state"], "running", "a copy can be looked at");
    assert_eq!(world.slack.requests().len(), 1, "nothing has left");

    // The original knows itself under another name.
    let adopt = |folder: &Path| output(flowc().args(["journal", "adopt", "--data"]).arg(folder)).says(0, &[]).stdout;
    assert!(adopt(&kept).contains("go on there already"));
    fs::remove_dir_all(&kept).unwrap();
    assert!(adopt(&original).contains("see that no other copy is served"));
    let serving = world.serve(&example());
    world.run_is(&id, "completed").await;
    assert_eq!(deliver(&serving, SUCCEEDED).await.run(), id, "the event is known in the copy");
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_17_no_secret_is_in_any_file_or_line_after_a_crash_in_the_middle_of_a_call() {
    let world = World::start().await;
    world.slack.hold();
    let mut command = world.command(&example());
    let serving = Serving::start(command.args(["--log", "json"]));
    deliver(&serving, SUCCEEDED).await.run();
    world.slack.received(1).await;
    let written = serving.out() + &serving.log();
    serving.kill();
    world.slack.release();
    let serving = world.serve(&example());
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.run_is(&id, "completed").await;
    let mut places = files(&world.data()).unwrap();
    places.push(("standard output and error".to_owned(), (written + &serving.out() + &serving.log()).into_bytes()));
    assert!(places.iter().any(|(name, _)| name.contains("journal")), "{places:?}");
    for secret in [SECRET, SECRET_ACCESS_KEY, SLACK_TOKEN] {
        for form in forms(secret) {
            for (name, bytes) in &places {
                let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
                assert!(!found, "{form} is in {name}");
            }
        }
    }
}
