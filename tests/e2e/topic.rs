//! A flow that is started by the messages of a topic: each has one run, whatever happens to the process between.

use std::{fs, time::Duration};

use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{
    eventually,
    process::{Serving, flowc, run, runs},
};

const PROGRAM: &str = r#"use kafka

connection shop = kafka { brokers: env("BROKERS"), tls: "off" }

flow follow {
  on shop.message.kept(topic: "orders") as message
  let text = message.value?.to_text() ?? "nothing"
  return "{message.partition} {message.offset} {text}"
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_message_of_a_topic_has_one_run_over_kills() {
    let cluster = MockCluster::new(2).unwrap();
    cluster.create_topic("orders", 3, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let folder = TempDir::new().unwrap();
    let data = folder.path().join(".flow");
    fs::write(folder.path().join("main.flow"), PROGRAM).unwrap();
    let serve = || {
        let mut command = flowc();
        command.current_dir(folder.path()).env("BROKERS", &brokers);
        Serving::start(command.args(["serve", ".", "--listen", "127.0.0.1:0"]))
    };
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &brokers).set("compression.codec", "lz4").create().unwrap();
    let mut expected: Vec<String> = Vec::new();
    let mut append = |round: i64| {
        // Partitions grow at a different pace: an offset of one says nothing of another.
        for (partition, count) in [(0, 7), (1, 1), (2, round % 2)] {
            for _ in 0..count {
                let before = expected.iter().filter(|known| known.starts_with(&format!("{partition} "))).count();
                let text = format!("m{round}");
                let record = BaseRecord::<(), str>::to("orders").partition(partition).payload(&text);
                producer.send(record).map_err(|(error, _)| error).unwrap();
                expected.push(format!("{partition} {before} {text}"));
            }
        }
        producer.flush(Duration::from_secs(60)).unwrap();
        expected.clone()
    };
    let started = || {
        let result =
            |one: &Json| run(&data, one["id"].as_str().unwrap())["result"].as_str().unwrap_or_default().to_owned();
        let mut started: Vec<String> = runs(&data).iter().map(result).collect();
        started.sort();
        started
    };
    append(0);
    let mut serving = serve();
    for round in 1..4 {
        let count = runs(&data).len();
        append(round);
        let begun = async || {
            let now = runs(&data).len();
            if now > count { Ok(()) } else { Err(now) }
        };
        eventually("some of the messages have runs", begun).await;
        serving.kill();
        serving = serve();
    }
    let mut expected = append(4);
    expected.sort();
    let over = async || {
        let runs = runs(&data);
        let over = runs.iter().filter(|run| run["state"] == "completed").count();
        if over >= expected.len() { Ok(()) } else { Err(format!("{over} {}", serving.log())) }
    };
    eventually("each message has its run", over).await;
    assert_eq!(started(), expected);
}
