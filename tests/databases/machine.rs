//! What the servers of databases need of the machine: somebody who is not root, certificates, a port.

use std::{
    fs,
    os::unix::fs::chown,
    path::Path,
    process::{Command, Stdio},
};

use tokio::net::TcpSocket;

/// Who servers run as, where the tests run as root: they refuse to.
const NOBODY: u32 = 65534;

/// A certificate for `localhost`, and the authority that has signed it.
pub(crate) fn certificates(folder: &Path) {
    let openssl = |args: &[&str]| succeed(Command::new("openssl").args(args).current_dir(folder).stderr(Stdio::null()));
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
    let authority = ["-x509", "-days", "2", "-subj", "/CN=tests", "-out", "ca.pem"];
    openssl(&[["req"].as_slice(), &key, &["ca.key"], &authority].concat());
    openssl(&[["req"].as_slice(), &key, &["server.key", "-subj", "/CN=localhost", "-out", "server.csr"]].concat());
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    let signed = ["x509", "-req", "-days", "2", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
    openssl(&[signed.as_slice(), &["-CAcreateserial", "-extfile", "names", "-out", "server.pem"]].concat());
    give(&folder.join("server.key"));
    give(&folder.join("server.pem"));
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

pub(crate) fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A program that is run by somebody who is not root.
pub(crate) fn command(path: impl AsRef<Path>) -> Command {
    let path = path.as_ref();
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    // The folder of the tests may be closed to others.
    command.current_dir("/");
    let id = NOBODY.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(path);
    command
}

pub(crate) fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A port of 127.0.0.1 that nobody else gets while this is held, also while no server listens there.
///
/// A socket that is bound and does not listen keeps others from being given its port, and lets who asks for it have it
/// (both with `SO_REUSEADDR`, which servers set).
pub(crate) struct Port(TcpSocket);

impl Port {
    pub(crate) fn free() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(socket)
    }

    pub(crate) fn number(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}
