//! `mail` against a real mail server.

pub(crate) mod imap;
mod maildev;
pub(crate) mod oauth;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use flow_model::{failure::ErrorKind, file::File, value::Value};
use flow_runtime::{connector::Reached, egress::Networks};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{
    databases::{machine::certificates, world::World},
    tidy::root,
};

struct Server {
    folder: TempDir,
    process: Child,
    lines: BufReader<ChildStdout>,
    start: u16,
    implicit: u16,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        certificates(folder.path());
        let mut python = Command::new("/usr/bin/python3");
        python.arg(root().join("tests/mail/server.py"));
        python.arg(folder.path().join("server.pem")).arg(folder.path().join("server.key"));
        let mut process =
            python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("`./test` installs Python and aiosmtpd");
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut ports = String::new();
        lines.read_line(&mut ports).unwrap();
        let mut ports = ports.split_whitespace().map(|port| port.parse().unwrap());
        let (start, implicit) = (ports.next().unwrap(), ports.next().unwrap());
        Self { folder, process, lines, start, implicit }
    }

    fn settings(&self, port: u16, more: &str) -> String {
        let authority = fs::read_to_string(self.folder.path().join("ca.pem")).unwrap().replace('\n', "\\n");
        format!(
            "host: \"localhost\", port: {port}, authority: \"{authority}\", user: \"shop\", password: secret(\"db/url\"), \
             from: \"The Shop <shop@example.com>\"{more}"
        )
    }

    /// The next message that the server has taken.
    fn taken(&mut self) -> Json {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const PASSWORD: &str = "sw0rdf1sh";

/// Recipients, subject, text, HTML and files, as the operation takes them.
fn mail(to: &[&str], subject: &str, html: Value, attach: Vec<Value>) -> Vec<Value> {
    let to = Value::List(to.iter().copied().map(Value::text).collect());
    let hidden = Value::List(vec![Value::text("boss@example.com")]);
    let text = Value::text("Thank you, naïve Jenny!\n.\nThe end");
    let none = || Value::List(vec![]);
    vec![to, Value::text(subject), text, html, Value::List(attach), none(), hidden, Value::Null, Value::Null]
}

async fn sent(world: &World, args: Vec<Value>) -> (Result<Value, (ErrorKind, String)>, Reached) {
    let attempt = world.invoke(STEP, args).await;
    (attempt.outcome.map_err(|failure| (failure.kind, failure.message)), attempt.reached)
}

const STEP: &str = "send(to: [], subject: \"s\", text: \"t\")";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_whole_on_a_secured_connection() {
    let mut server = Server::start();
    for (port, more) in [(server.start, ""), (server.implicit, ", tls: \"implicit\"")] {
        let world = World::new("mail", PASSWORD, &server.settings(port, more));
        let file = File::with_content(vec![0, 255, 10, 46, 10], "rechnung für 7.pdf", "application/pdf");
        let args = mail(
            &["jenny@example.com"],
            "Quittung für A-7",
            Value::text("<b>Thank you</b>"),
            vec![Value::File(file.into())],
        );
        let (outcome, _) = sent(&world, args).await;
        assert_eq!(outcome, Ok(Value::record([("message_id", Value::text("<k@example.com>"))])));
        let taken = server.taken();
        assert_eq!(taken["upgraded"], port == server.start, "{taken}");
        assert_eq!(taken["from"], "shop@example.com");
        assert_eq!(taken["to"], serde_json::json!(["boss@example.com", "jenny@example.com"]));
        let text = taken["text"].as_str().unwrap();
        for part in [
            "Message-ID: <k@example.com>",
            "To: jenny@example.com",
            "multipart/mixed",
            "multipart/alternative",
            "text/plain; charset=utf-8",
            "text/html; charset=utf-8",
            "application/pdf",
            "AP8KLgo=",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("boss@"), "{text}");
        assert!(text.contains("\r\n.\r\nThe end"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_take_has_kinds() {
    let mut server = Server::start();
    let at = |settings: &str, password: &str| World::new("mail", password, settings);
    let settings = server.settings(server.start, "");
    let world = at(&settings, PASSWORD);
    for (to, subject, kind, reached, part) in [
        ("unknown@example.com", "s", ErrorKind::Rejected, Reached::Answered, "recipient 2 of 2: 550 5.1.1 <…>"),
        ("later@example.com", "s", ErrorKind::Unavailable, Reached::Never, "recipient 2 of 2: 451 4.7.1 <…>"),
        ("jenny@example.com", "lost", ErrorKind::Unavailable, Reached::Perhaps, "lost"),
        ("jenny@example.com", "a\r\nBcc: evil@example.com", ErrorKind::Invalid, Reached::Never, "more than one line"),
        ("a@b>\r\nDATA", "s", ErrorKind::Invalid, Reached::Never, "`to` is no address"),
    ] {
        let (outcome, got) = sent(&world, mail(&[to], subject, Value::Null, vec![])).await;
        let (failed, message) = outcome.unwrap_err();
        assert_eq!((failed, got), (kind, reached), "{to} {subject}: {message}");
        assert!(message.contains(part) && !message.contains(to), "{message}");
    }
    // Of all these, the server has taken the one whose answer was lost.
    assert!(server.taken()["text"].as_str().unwrap().contains("Subject: lost"));
    let plain = server.settings(server.start, ", tls: \"off\"");
    let elsewhere = settings.replace("localhost", "127.0.0.1");
    for (settings, password, kind, part) in [
        (&settings, "wr0ng", ErrorKind::Unauthorized, "535"),
        (&plain, PASSWORD, ErrorKind::Unauthorized, "password"),
        (&elsewhere, PASSWORD, ErrorKind::Unavailable, "certificate"),
    ] {
        let (outcome, _) = sent(&at(settings, password), mail(&["jenny@example.com"], "s", Value::Null, vec![])).await;
        let (failed, message) = outcome.unwrap_err();
        assert_eq!(failed, kind, "{message}");
        assert!(message.contains(part) && !message.contains(password), "{message}");
    }
    let guarded = World::guarded("mail", PASSWORD, &settings, Networks::default());
    let (outcome, _) = sent(&guarded, mail(&["jenny@example.com"], "s", Value::Null, vec![])).await;
    assert_eq!(outcome.unwrap_err().0, ErrorKind::Forbidden);
}
