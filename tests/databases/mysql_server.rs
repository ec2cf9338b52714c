//! A real MariaDB, on a free port of 127.0.0.1, from what the distribution's package of the bare server brings.

use std::{
    fs,
    io::Read as _,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tempfile::TempDir;

use super::machine::{self, Port, certificates, give, succeed};

pub(super) const PASSWORD: &str = "sw0rdf1sh";

pub(super) struct Server {
    folder: TempDir,
    process: Mutex<Child>,
    pub(super) port: Port,
}

/// The server that tests share which do it no harm; it ends with the last of them.
pub(super) fn shared() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

impl Server {
    /// Makes a server with the database and the user `flow`, and TLS for `localhost`.
    pub(super) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        give(folder.path());
        give(&data);
        let bootstrap = folder.path().join("bootstrap.sql");
        let script = |name: &str| fs::read_to_string(Path::new("/usr/share/mysql").join(name)).unwrap();
        let tables = script("mysql_system_tables.sql") + &script("mysql_system_tables_data.sql");
        fs::write(&bootstrap, format!("create database mysql;\nuse mysql;\n{tables}")).unwrap();
        let mut mariadbd = server(folder.path());
        succeed(mariadbd.arg("--bootstrap").stdin(fs::File::open(&bootstrap).unwrap()));
        certificates(folder.path());
        let init = folder.path().join("init.sql");
        let user = format!("create user flow@'%' identified by '{PASSWORD}';\ngrant all on *.* to flow@'%';\n");
        fs::write(&init, format!("create database flow;\n{user}")).unwrap();
        give(&init);
        let port = Port::free();
        let process = Mutex::new(spawn(folder.path(), port.number(), &["--init-file", init.to_str().unwrap()]));
        let server = Self { process, folder, port };
        server.wait();
        server
    }

    pub(super) fn url(&self) -> String {
        format!("mysql://flow:{PASSWORD}@localhost:{}/flow", self.port.number())
    }

    /// The certificate of the authority that has signed the server's, in PEM.
    pub(super) fn authority(&self) -> String {
        fs::read_to_string(self.folder.path().join("ca.pem")).unwrap()
    }

    /// Ends the server at once, in the midst of what it does.
    pub(super) fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again, on the same data and the same port.
    pub(super) fn start_again(&self) {
        *self.process.lock().unwrap() = spawn(self.folder.path(), self.port.number(), &[]);
        self.wait();
    }

    /// The server greets whoever connects when it is ready.
    fn wait(&self) {
        for _ in 0..1200 {
            let greeting =
                TcpStream::connect(("127.0.0.1", self.port.number())).and_then(|mut stream| stream.read(&mut [0; 64]));
            if greeting.is_ok_and(|length| length > 0) && self.log().contains("ready for connections") {
                return;
            }
            let ended = self.process.lock().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "mariadbd ended: {ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("mariadbd did not start: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn server(folder: &Path) -> Command {
    let mut mariadbd = machine::command("/usr/sbin/mariadbd");
    // Servers that start at the same time would take away each other's temporary tables.
    mariadbd.arg("--no-defaults").arg("--datadir").arg(folder.join("data")).arg("--tmpdir").arg(folder.join("data"));
    mariadbd.args(["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=2"]);
    mariadbd
}

fn spawn(folder: &Path, port: u16, more: &[&str]) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut mariadbd = server(folder);
    mariadbd.args(["--bind-address=127.0.0.1", "--port", &port.to_string(), "--socket"]).arg(folder.join("socket"));
    mariadbd.arg("--ssl-cert").arg(folder.join("server.pem")).arg("--ssl-key").arg(folder.join("server.key"));
    mariadbd.args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}
