//! Servers as processes, and what the operating system says that they have used (proc(5): `stat`, `status`, `io`).

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::client::Connection;

/// The clock that `stat` counts in; it is 100 on all that Linux runs on (sysconf(3), `_SC_CLK_TCK`).
const TICKS: u64 = 100;

/// A server; it is killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:41234`
    pub address: String,
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time on a core.
    pub cpu: Duration,
    /// Bytes in memory now.
    pub resident: u64,
    /// Bytes that went to the disk.
    pub written: u64,
}

impl Usage {
    /// What it has used since then.
    pub fn since(self, before: &Self) -> Self {
        Self { cpu: self.cpu - before.cpu, resident: self.resident, written: self.written - before.written }
    }
}

impl Server {
    /// A server of this program.
    ///
    /// # Panics
    /// It does not start.
    pub fn bare(kind: &str, folder: &Path) -> Self {
        let exe = std::env::current_exe().expect("this program is a file");
        Self::start(Command::new(exe).args(["server", kind]).arg(folder))
    }

    /// `flowc serve` of a program.
    ///
    /// # Panics
    /// It does not start.
    pub fn flowc(file: &Path, data: &Path) -> Self {
        let mut command = Command::new(flowc());
        command.env_clear().env("FLOW_NETWORK_ALLOW", "localhost").env("FLOW_LOG", "error");
        Self::start(command.arg("serve").arg(file).args(["--listen", "127.0.0.1:0", "--data"]).arg(data))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let out = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once("http://")?.1.split(' ').next()?.to_owned()));
        let address = format!("http://{}", address.expect("the server says where it listens"));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// `127.0.0.1:41234`
    pub fn host(&self) -> &str {
        self.address.trim_start_matches("http://")
    }

    /// How long one request takes.
    ///
    /// # Panics
    /// It is not answered with 200.
    pub fn once(&self, path: &str, number: usize) -> Duration {
        let mut connection = Connection::open(self.host());
        let start = Instant::now();
        connection.post(path, &format!("once-{path}-{number}-{}", std::process::id()));
        start.elapsed()
    }

    /// What it has used so far.
    ///
    /// # Panics
    /// This is not Linux.
    pub fn usage(&self) -> Usage {
        let read = |name: &str| {
            std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).expect("the process is there")
        };
        let field = |text: &str, name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("Linux says so");
            line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("it is a number")
        };
        let stat = read("stat");
        // After the name, which may hold anything: the state, then 10 fields, then the times in user and kernel mode.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
        Usage {
            cpu: Duration::from_millis(ticks * 1000 / TICKS),
            resident: field(&read("status"), "VmRSS:") * 1024,
            written: field(&read("io"), "write_bytes:"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is no harm.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The program that is measured, which lies beside the folder of this one.
fn flowc() -> PathBuf {
    let exe = std::env::current_exe().expect("this program is a file");
    let beside = exe.parent().and_then(Path::parent).map(|folder| folder.join("flowc"));
    beside.filter(|path| path.is_file()).expect("flowc is built first: cargo build --release")
}
