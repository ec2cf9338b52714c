//! The servers that flows are compared with: they do as little as a server can, with and without writing it down.

use std::{
    path::Path,
    sync::mpsc::{Receiver, channel},
};

use axum::{Router, body::Bytes, http::header::CONTENT_TYPE};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

/// How many inserts one commit takes at most, as in the engine.
const MOST: usize = 512;

type Job = (Bytes, oneshot::Sender<()>);

/// Serves until it is killed.
pub(crate) fn serve(kind: &str, folder: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let writes = (kind == "insert").then(|| {
        let (jobs, submitted) = channel::<Job>();
        let connection = open(folder);
        std::thread::spawn(move || write(connection, &submitted));
        jobs
    });
    let router = Router::new().fallback(move |body: Bytes| {
        let writes = writes.clone();
        async move {
            if let Some(writes) = writes {
                let (done, written) = oneshot::channel();
                writes.send((body, done)).expect("the thread that writes is there");
                written.await.expect("what was handed in is written");
            }
            ([(CONTENT_TYPE, "application/json")], "{\"ok\":true}")
        }
    });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        println!("listening on http://{}", listener.local_addr().expect("it listens"));
        axum::serve(listener, router).await.expect("it serves until it is killed");
    });
}

fn open(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("bare.sqlite")).expect("the folder is ours");
    for (name, value) in [("journal_mode", "wal"), ("synchronous", "full")] {
        connection.pragma_update(None, name, value).expect("SQLite knows this");
    }
    connection
        .execute_batch("create table if not exists rows (id integer primary key, body blob not null) strict")
        .expect("a table can be made");
    connection
}

fn write(mut connection: Connection, submitted: &Receiver<Job>) {
    while let Ok(first) = submitted.recv() {
        let jobs: Vec<Job> = std::iter::once(first).chain(submitted.try_iter().take(MOST - 1)).collect();
        let transaction = connection.transaction().expect("nobody else writes");
        for (body, _) in &jobs {
            let mut insert =
                transaction.prepare_cached("insert into rows (body) values (?)").expect("the table is there");
            insert.execute(params![&body[..]]).expect("a row can be inserted");
        }
        transaction.commit().expect("the disk has room");
        for (_, done) in jobs {
            // Whoever waited may be gone.
            let _ = done.send(());
        }
    }
}
