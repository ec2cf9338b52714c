//! SIGTERM and SIGINT: steps that are under way end, nothing new begins, and what remains goes on at the next start.

use serde_json::{Value as Json, json};

use super::{
    eventually,
    process::{Serving, output, run},
    stripe::SUCCEEDED,
    world::{World, deliver, example},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_stops_with_0() {
    let world = World::start().await;
    for name in ["TERM", "INT"] {
        let serving = world.serve(&example());
        serving.signal(name);
        serving.ended().says(0, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_under_way_may_end_and_no_request_is_taken_any_more() {
    let world = World::start().await;
    world.slack.hold();
    let serving = world.serve(&example());
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.slack.received(1).await;
    serving.signal("TERM");
    let address = serving.address.replace("http://", "");
    eventually("the port is closed", async || match tokio::net::TcpStream::connect(&address).await {
        Ok(_) => Err("open"),
        Err(_) => Ok(()),
    })
    .await;
    world.slack.release();
    serving.ended().says(0, &[]);

    let _serving = world.serve(&example());
    world.run_is(&id, "completed").await;
    assert_eq!((world.s3.puts(), world.slack.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once_and_the_run_goes_on_at_the_next_start() {
    let world = World::start().await;
    world.slack.hold();
    let serving = world.serve(&example());
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.slack.received(1).await;
    serving.signal("TERM");
    eventually("it stops", async || if serving.log().contains("stopping") { Ok(()) } else { Err(serving.log()) }).await;
    serving.signal("TERM");
    // The call is still held: nobody waited for it.
    serving.ended().says(130, &[]);
    world.slack.release();

    let _serving = world.serve(&example());
    let state = eventually("the run is over, or a person is asked", async || {
        let runs = world.runs();
        let state = runs.iter().find(|run| run["id"] == id).and_then(|run| run["state"].as_str()).unwrap_or_default();
        if ["completed", "needs_decision"].contains(&state) { Ok(state.to_owned()) } else { Err(runs) }
    })
    .await;
    // A message that may have been sent is not sent again by itself: the flow keeps it for a person.
    assert_eq!((state.as_str(), world.slack.requests().len()), ("completed", 1));
    assert_eq!(run(&world.data(), &id)["dead_letters"][0]["queue"], "untold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_folder_or_port_is_turned_away() {
    let world = World::start().await;
    let serving = world.serve(&example());
    output(&mut world.command(&example())).says(6, &["is in use by process", "--data"]);

    let port = serving.address.replace("http://", "");
    let other = world.data().with_file_name("other");
    output(&mut world.command_at(&example(), &port, &other)).says(6, &[&port, "is in use", "--listen"]);

    // The first one has not noticed.
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.run_is(&id, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_can_be_read_by_programs() {
    let world = World::start().await;
    let serving = Serving::start(world.command(&example()).args(["--log", "json"]));
    let notice: Json = serde_json::from_str(&serving.out()).unwrap();
    assert_eq!(notice["listening"], serving.address.as_str());
    let route = json!({ "method": "POST", "path": "/hooks/payments", "flows": ["receipt"], "verified": true });
    assert_eq!(notice["routes"], json!([route]));
    let id = deliver(&serving, SUCCEEDED).await.run();
    world.run_is(&id, "completed").await;
    serving.signal("TERM");
    let ended = serving.ended().says(0, &[]);
    let lines: Vec<Json> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for message in ["run started", "run completed", "stopped"] {
        assert!(lines.iter().any(|line| line["message"] == message), "{message}: {ended:?}");
    }
    assert!(lines.iter().any(|line| line["run"] == id.as_str()), "{ended:?}");

    output(world.command(&example()).env("FLOW_LOG", "loud=very")).says(6, &["FLOW_LOG", "debug"]);
}
