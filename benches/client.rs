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

/// An id that no other request has.
pub fn fresh() -> String {
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// What came of some requests.
#[derive(Debug)]
pub struct Load {
    length: Duration,
    /// How long each took, in milliseconds, sorted.
    times: Vec<f64>,
}

impl Load {
    /// How many were answered.
    pub fn done(&self) -> usize {
        self.times.len()
    }

    /// How many in a second.
    pub fn rate(&self) -> f64 {
        self.done() as f64 / self.length.as_secs_f64()
    }

    /// The time within which this part of the requests had their answers.
    pub fn percentile(&self, part: f64) -> f64 {
        let index = ((self.done() as f64 * part) as usize).min(self.done().saturating_sub(1));
        self.times.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Sends as much as is answered.
pub fn full(server: &Server, path: &str, length: Duration) -> Load {
    let end = Instant::now() + length;
    together(server, path, length, &|| Some(Instant::now()).filter(|now| *now < end))
}

/// Sends so many in a second, at fixed moments.
pub fn paced(server: &Server, path: &str, length: Duration, rate: f64) -> Load {
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
                let mut connection = Connection::open(server.host());
                let mut mine = Vec::new();
                while let Some(due) = due() {
                    connection.post(path, &fresh());
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
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects to `127.0.0.1:41234`.
    ///
    /// # Panics
    /// The server does not listen.
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("this is a TCP connection");
        Self(BufReader::new(stream))
    }

    /// Sends an order with an id and waits for its answer, which has to be 200.
    ///
    /// # Panics
    /// It is not.
    pub fn post(&mut self, path: &str, id: &str) {
        let answer = self.send(path, id);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Sends an order with an id and waits for its answer.
    ///
    /// # Panics
    /// There is none.
    pub fn send(&mut self, path: &str, id: &str) -> Answer {
        let body = format!("{{\"id\":\"{id}\",\"tier\":\"pro\",\"amount\":4217}}");
        let head = "host: localhost\r\ncontent-type: application/json";
        self.ask(&format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    /// What is to be read at a path.
    ///
    /// # Panics
    /// There is no answer.
    pub fn get(&mut self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).body
    }

    fn ask(&mut self, request: &str) -> Answer {
        self.0.get_mut().write_all(request.as_bytes()).expect("the server reads");
        let (mut length, mut line) = (0, String::new());
        let (mut status, mut names) = (None, Vec::new());
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("the server answers");
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if status.is_none() {
                status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
            } else if let Some((name, value)) = text.split_once(':') {
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().expect("a length is a number");
                }
                names.push(name.to_ascii_lowercase());
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the answer is as long as it says");
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: status.expect("an answer begins with its status"), names, body }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    names: Vec<String>,
    /// Its body, as text.
    pub body: String,
}

impl Answer {
    /// Says whether it has a header, whose name is in small letters.
    pub fn names(&self, header: &str) -> bool {
        self.names.iter().any(|name| name == header)
    }
}
