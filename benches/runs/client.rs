//! Who sends the requests: connections that stay open, each with a thread.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::process::Server;

/// How many connections there are.
const CONNECTIONS: usize = 64;

/// Numbers that no two requests share, so that none is taken for a repetition.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// What came of some requests.
pub(crate) struct Load {
    length: Duration,
    /// How long each took, in milliseconds, sorted.
    times: Vec<f64>,
}

impl Load {
    pub(crate) fn done(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.done() as f64 / self.length.as_secs_f64()
    }

    /// The time within which this part of the requests had their answers.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let index = ((self.done() as f64 * part) as usize).min(self.done().saturating_sub(1));
        self.times.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Sends as much as is answered.
pub(crate) fn full(server: &Server, path: &str, length: Duration) -> Load {
    let end = Instant::now() + length;
    together(server, path, length, &|| Some(Instant::now()).filter(|now| *now < end))
}

/// Sends so many in a second, at fixed moments.
pub(crate) fn paced(server: &Server, path: &str, length: Duration, rate: f64) -> Load {
    let (start, count) = (Instant::now(), AtomicU64::new(0));
    together(server, path, length, &|| {
        let due = Duration::from_secs_f64(count.fetch_add(1, Ordering::Relaxed) as f64 / rate);
        if due >= length {
            return None;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        Some(start + due)
    })
}

/// Sends on all connections; `due` says from when a request counts, and ends them.
fn together(server: &Server, path: &str, length: Duration, due: &(dyn Fn() -> Option<Instant> + Sync)) -> Load {
    let times = Mutex::new(Vec::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(server);
                let mut mine = Vec::new();
                while let Some(due) = due() {
                    let number = NEXT.fetch_add(1, Ordering::Relaxed);
                    connection.post(path, &number.to_string());
                    mine.push(due.elapsed().as_secs_f64() * 1000.0);
                }
                times.lock().expect("no thread panics while it holds this").extend(mine);
            });
        }
    });
    let mut times = times.into_inner().expect("all threads have ended well");
    times.sort_by(f64::total_cmp);
    Load { length: length.max(start.elapsed()), times }
}

/// A connection that stays open.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(server: &Server) -> Self {
        let address = server.address.trim_start_matches("http://");
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("this is a TCP connection");
        Self(BufReader::new(stream))
    }

    /// Sends an order with an id and waits for its answer, which has to be 200.
    pub(crate) fn post(&mut self, path: &str, id: &str) {
        let body = format!("{{\"id\":\"{id}\",\"tier\":\"pro\",\"amount\":4217}}");
        let head = "host: localhost\r\ncontent-type: application/json";
        let request = format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.0.get_mut().write_all(request.as_bytes()).expect("the server reads");
        let (mut length, mut line) = (0, String::new());
        let mut status = String::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("the server answers");
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if status.is_empty() {
                status = text.to_owned();
            } else if let Some((name, value)) = text.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length is a number");
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).expect("the answer is as long as it says");
        assert!(status.contains(" 200 "), "{status}: {}", String::from_utf8_lossy(&answer));
    }
}
