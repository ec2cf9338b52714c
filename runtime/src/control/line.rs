//! How is the process asked that works on a data folder?
//!
//! It listens on a port of the loopback interface and leaves a note in the folder: which port, and a token without which
//! nothing is done. The folder and the note can be read by their owner alone, so whoever may read the runs may ask. The
//! asking process sends the token and waits for `flow`, so that what is asked never goes to a stranger who has the port by
//! now; then one line of JSON goes each way.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Semaphore,
};

use super::{Ask, Refusal, Told, perform};
use crate::{engine::Engine, store::Origin, worker::Workers};

/// The note's name in the data folder.
pub const FILE: &str = "control.json";

/// What the listening side says to a token that is right.
const GREETING: &str = "flow";

/// How many are heard at the same time.
const MOST_HEARD: usize = 16;

/// The longest question: a result that a step may have, and room for what is around it.
const LONGEST: u64 = 20 << 20;

/// How long the first word may take, from either side.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// The pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Serialize, Deserialize)]
struct Note {
    address: SocketAddr,
    token: String,
    pid: u32,
    /// That of the folder that it was left in: in a copy of that, it leads to the original.
    #[serde(default)]
    folder: Origin,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Listening {
    note: PathBuf,
    workers: Workers,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // A note that stays leads nowhere.
        let _ = std::fs::remove_file(&self.note);
        self.workers.abort();
    }
}

/// Listens for what others want of an engine, which has to have the folder. To be called within a tokio runtime.
///
/// # Errors
/// When there is no port, or the note can't be written.
pub async fn listen(engine: Arc<Engine>, folder: &Path) -> io::Result<Listening> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let token = hex::encode(rand::random::<[u8; 32]>());
    let note = Note {
        address: listener.local_addr()?,
        token: token.clone(),
        pid: std::process::id(),
        folder: Origin::of(folder).unwrap_or_default(),
    };
    let path = folder.join(FILE);
    leave(&path, &note)?;
    let workers = Workers::default();
    let (hearers, heard) = (workers.clone(), Arc::new(Semaphore::new(MOST_HEARD)));
    let token: Arc<str> = token.into();
    workers.spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            // Never closed.
            let Ok(permit) = Arc::clone(&heard).acquire_owned().await else { return };
            let (engine, token) = (Arc::clone(&engine), Arc::clone(&token));
            hearers.spawn(async move {
                let _permit = permit;
                // Whoever asked may be gone.
                let _: io::Result<()> = hear(stream, &engine, &token).await;
            });
        }
    });
    Ok(Listening { note: path, workers })
}

/// Writes the note so that nobody sees half of it, and only the owner can read it.
fn leave(path: &Path, note: &Note) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    serde_json::to_writer(options.open(&new)?, note)?;
    std::fs::rename(new, path)
}

async fn hear(stream: tokio::net::TcpStream, engine: &Engine, token: &str) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader.take(token.len() as u64 + 1));
    let mut line = String::new();
    tokio::time::timeout(FIRST_WORD, reader.read_line(&mut line)).await??;
    if !bool::from(line.trim_end().as_bytes().ct_eq(token.as_bytes())) {
        return Ok(());
    }
    writer.write_all(format!("{GREETING}\n").as_bytes()).await?;
    line.clear();
    reader.get_mut().set_limit(LONGEST);
    tokio::time::timeout(ANSWER, reader.read_line(&mut line)).await??;
    let told: Result<Told, Refusal> = match serde_json::from_str::<Ask>(&line) {
        Ok(ask) => perform(engine, ask).await,
        Err(error) => Err(Refusal::asked(format!("the question does not read: {error}"))
            .help("the process that works on the folder may be of another version: restart it with this one")),
    };
    let mut answer = serde_json::to_vec(&told)?;
    answer.push(b'\n');
    writer.write_all(&answer).await?;
    writer.shutdown().await
}

/// Nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// Nobody listens.
    #[error("nobody works on the data folder")]
    Nobody,
    /// The connection broke when the question was on its way: it may have been done.
    #[error("process {pid}, which works on the data folder, gave no answer: {source}")]
    Silent {
        /// The process.
        pid: u32,
        /// Why.
        source: io::Error,
    },
}

/// Asks whoever works on a data folder. Blocks until there is an answer.
///
/// # Errors
/// When nobody can be asked.
pub fn ask(folder: &Path, ask: &Ask) -> Result<Result<Told, Refusal>, Unreachable> {
    let (pid, mut stream) = greet(folder).ok_or(Unreachable::Nobody)?;
    let silent = |source| Unreachable::Silent { pid, source };
    let mut question = serde_json::to_vec(ask).map_err(|error| silent(error.into()))?;
    question.push(b'\n');
    stream.get_mut().set_read_timeout(Some(ANSWER)).map_err(silent)?;
    stream.get_mut().write_all(&question).map_err(silent)?;
    let mut line = String::new();
    stream.read_line(&mut line).map_err(silent)?;
    serde_json::from_str(&line).map_err(|error| silent(error.into()))
}

/// Connects to whoever has left the note, if they are still there.
fn greet(folder: &Path) -> Option<(u32, BufReader<TcpStream>)> {
    let note: Note = serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()?;
    let is_in_copy = Origin::of(folder).is_ok_and(|now| note.folder.is_of_original_of(now));
    if is_in_copy || !note.address.ip().is_loopback() {
        return None;
    }
    let mut stream = TcpStream::connect_timeout(&note.address, FIRST_WORD).ok()?;
    stream.set_read_timeout(Some(FIRST_WORD)).ok()?;
    stream.write_all(format!("{}\n", note.token).as_bytes()).ok()?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    (line.trim_end() == GREETING).then_some((note.pid, stream))
}
