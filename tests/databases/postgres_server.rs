//! A real PostgreSQL, on a free port of 127.0.0.1, from what the distribution's package brings.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tempfile::TempDir;

use super::machine::{self, Port, certificates, give, succeed};

pub(crate) struct Server {
    folder: TempDir,
    process: Mutex<Child>,
    pub(crate) port: Port,
}

pub(crate) const PASSWORD: &str = "sw0rdf1sh";

/// The server that tests share which do it no harm; it ends with the last of them.
pub(crate) fn shared() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

impl Server {
    /// Makes a database and starts its server, with the user `flow` and TLS for `localhost`.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        give(folder.path());
        give(&data);
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        give(&password);
        let mut initdb = command("initdb");
        initdb.args(["--no-sync", "-A", "scram-sha-256", "-U", "flow", "-E", "UTF8", "--locale=C"]);
        initdb.arg("--pwfile").arg(&password).arg("-D").arg(&data);
        succeed(&mut initdb);
        certificates(folder.path());
        let port = Port::free();
        let server = Self { process: Mutex::new(spawn(folder.path(), port.number())), folder, port };
        server.wait();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://flow:{PASSWORD}@localhost:{}/postgres", self.port.number())
    }

    /// The certificate of the authority that has signed the server's, in PEM.
    pub(crate) fn authority(&self) -> String {
        fs::read_to_string(self.folder.path().join("ca.pem")).unwrap()
    }

    /// Ends the server at once, in the midst of what it does.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        // The signal makes the server break off without tidying up, and all its processes with it.
        succeed(Command::new("kill").args(["-QUIT", &process.id().to_string()]));
        process.wait().unwrap();
    }

    /// Starts it again, on the same data and the same port.
    pub(crate) fn start_again(&self) {
        *self.process.lock().unwrap() = spawn(self.folder.path(), self.port.number());
        self.wait();
    }

    fn wait(&self) {
        for _ in 0..1200 {
            let ready =
                command("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &self.port.number().to_string()]).status();
            if ready.unwrap().success() {
                return;
            }
            let ended = self.process.lock().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "postgres ended: {ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("postgres did not start: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if matches!(process.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-QUIT", &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }
}

fn spawn(folder: &Path, port: u16) -> Child {
    let log = fs::File::options().append(true).create(true).open(folder.join("log")).unwrap();
    let mut postgres = command("postgres");
    postgres.arg("-D").arg(folder.join("data")).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    for setting in ["unix_socket_directories=", "fsync=off", "shared_buffers=16MB", "max_connections=40", "ssl=on"] {
        postgres.args(["-c", setting]);
    }
    for (setting, file) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")] {
        postgres.arg("-c").arg(format!("{setting}={}", folder.join(file).display()));
    }
    postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn command(program: &str) -> Command {
    machine::command(programs().join(program))
}

/// Debian keeps them beside those of other versions.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed: `./test` does that");
    let mut versions: Vec<_> = versions.map(|entry| entry.unwrap().path().join("bin")).collect();
    versions.retain(|path| path.join("initdb").is_file());
    versions.sort();
    versions.pop().expect("PostgreSQL has no server: `./test` installs it")
}
