//! `flowc` from outside: real processes, a real S3 server, and HTTP servers in the place of the systems that are called.
//!
//! Nothing here waits for a time: a test waits for what it can observe (a request that arrived, an answer, a run's state),
//! and gives up after a bounded number of looks.
#![expect(clippy::unwrap_used, reason = "what the tests share fails as the tests do")]

mod again;
mod any_api;
mod archives;
mod asked;
mod bad_input;
mod bad_webhook;
mod calling;
mod connections;
mod crash;
mod custom_connector;
mod database;
mod decided;
mod documents;
mod encrypted;
mod ending;
mod formatting;
mod full_disk;
mod importing;
mod inbox;
mod large_file;
mod mailbox;
mod mailbox_token;
mod objects;
mod opening;
mod personal;
mod pictures;
mod polling;
mod process;
mod project;
mod proxies;
mod receipt;
mod registering;
mod reload;
mod run;
mod s3;
mod secrets;
mod server;
mod stop;
mod stripe;
mod tables;
mod testing;
mod topic;
mod waiting;
mod webhooks;
mod world;
mod zombie;

use std::{fmt::Debug, future::Future, time::Duration};

/// How often is looked before a test gives up.
const LOOKS: u32 = 1200;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until there is something, and gives it.
async fn eventually<T, F: Future<Output = Result<T, S>>, S: Debug>(what: &str, mut look: impl FnMut() -> F) -> T {
    let mut seen = None;
    for _ in 0..LOOKS {
        match look().await {
            Ok(found) => return found,
            Err(instead) => seen = Some(instead),
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("{what}: not seen after {LOOKS} looks; the last one saw {seen:?}");
}
