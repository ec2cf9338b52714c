//! `flowc` as a process, killed by the handle that the test holds.

use std::{
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read, Write as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value as Json;

/// How long a process may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `flowc` with nothing in its environment but what is given, and leave to call this machine, where the servers of the
/// tests are.
pub(crate) fn flowc() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
    command.env_clear().env("FLOW_NETWORK_ALLOW", "localhost").stdin(Stdio::null());
    command
}

/// Runs `flowc` to its end.
///
/// # Panics
/// It takes longer than a minute.
pub(crate) fn output(command: &mut Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("flowc starts");
    let (send, ended) = mpsc::channel();
    let id = child.id();
    thread::spawn(move || send.send(child.wait_with_output()));
    match ended.recv_timeout(PATIENCE) {
        Ok(output) => Ended::from(output.expect("flowc can be waited for")),
        Err(_) => {
            signal(id, "KILL");
            panic!("{command:?} has not ended after {PATIENCE:?}");
        }
    }
}

/// How a process ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON on stdout: {error}: {self:?}"))
    }

    /// Asserts the exit code and that standard error has each text, and gives itself back.
    pub(crate) fn says(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            assert!(self.stderr.contains(text), "stderr lacks {text:?}: {self:#?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("flowc writes UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("flowc writes UTF-8"),
        }
    }
}

/// A `flowc serve`. It is killed when this is dropped.
pub(crate) struct Serving {
    child: Child,
    /// `http://127.0.0.1:41234`
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
    out: Arc<Mutex<String>>,
}

impl Serving {
    /// Starts it and waits until it has printed its address.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("flowc starts");
        let log = Arc::new(Mutex::new(String::new()));
        let out = Arc::new(Mutex::new(String::new()));
        let (send, lines) = mpsc::channel();
        gather(child.stderr.take().expect("stderr is piped"), &log, None);
        gather(child.stdout.take().expect("stdout is piped"), &out, Some(send));
        let end = Instant::now() + PATIENCE;
        let address = loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some((_, address)) = line.split_once("http://").filter(|_| line.contains("listening")) {
                        let end = address.find(['"', ' ']).unwrap_or(address.len());
                        break format!("http://{}", &address[..end]);
                    }
                }
                Err(_) => {
                    let _: io::Result<()> = child.kill();
                    let status = child.wait();
                    panic!("flowc serve printed no address; {status:?}; its log: {}", log.lock().unwrap());
                }
            }
        };
        Self { child, address, log, out }
    }

    /// The end of the process as `kill -9` makes it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("flowc can be killed");
        self.child.wait().expect("flowc can be waited for");
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It takes longer than a minute.
    pub(crate) fn ended(mut self) -> Ended {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("flowc can be waited for") {
                let (stdout, stderr) = (self.out(), self.log());
                return Ended { code: status.code(), stdout, stderr };
            }
            assert!(Instant::now() < end, "flowc serve has not ended; its log: {}", self.log());
            thread::sleep(super::PAUSE);
        }
    }

    /// What it wrote to standard output so far.
    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if thread::panicking() {
            // A panic in place of the message would end the process: the test is failing already.
            let _: io::Result<()> = writeln!(io::stderr(), "the log of flowc serve:\n{}", self.log());
        }
        let _: io::Result<()> = self.child.kill();
        let _: io::Result<std::process::ExitStatus> = self.child.wait();
    }
}

/// Reads lines as they come, so that the process never waits for a reader.
fn gather(stream: impl Read + Send + 'static, into: &Arc<Mutex<String>>, tell: Option<mpsc::Sender<String>>) {
    let into = Arc::clone(into);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut text = into.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
            drop(text);
            if let Some(tell) = &tell {
                let _: Result<(), mpsc::SendError<String>> = tell.send(line);
            }
        }
    });
}

/// Sends a signal to a process that this test started, by the shell's own `kill`, since the standard library has none.
fn signal(id: u32, name: &str) {
    let sent = Command::new("/bin/sh").arg("-c").arg(format!("kill -{name} {id}")).status().expect("there is a shell");
    assert!(sent.success(), "the signal {name} could not be sent");
}

/// `flowc runs list` over a data folder, newest first.
pub(crate) fn runs(data: &Path) -> Vec<Json> {
    let ended = output(flowc().args(["runs", "list", "--format", "json", "--data"]).arg(data)).says(0, &[]);
    ended.json().as_array().cloned().unwrap_or_else(|| panic!("not a list: {ended:?}"))
}

/// `flowc runs show` of a run.
pub(crate) fn run(data: &Path, id: impl AsRef<OsStr>) -> Json {
    let mut command = flowc();
    command.args(["runs", "show", "--format", "json", "--data"]).arg(data).arg(id);
    output(&mut command).says(0, &[]).json()
}
