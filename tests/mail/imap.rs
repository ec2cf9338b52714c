//! `imap` against a real mail server.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use flow_model::{failure::ErrorKind, units::Millis, value::Value};
use flow_runtime::egress::Networks;
use tempfile::TempDir;

use crate::{
    databases::{
        machine::{Port, certificates, command, give},
        world::World,
    },
    tidy::root,
};

/// Dovecot with one mailbox.
pub(crate) struct Server {
    folder: TempDir,
    process: Child,
    start: Port,
    pub(crate) implicit: Port,
}

pub(crate) const PASSWORD: &str = "sw0rdf1sh";

const LIST: &str = "messages.list()";
const GET: &str = "messages.get(id: \"\")";
const MARK: &str = "messages.mark(id: \"\")";
const MOVE: &str = "messages.move(id: \"\", to: \"\")";

impl Server {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        give(folder.path());
        certificates(folder.path());
        for name in ["run", "home", "home/Maildir", "home/Maildir/new", "home/Maildir/cur", "home/Maildir/tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            give(&folder.path().join(name));
        }
        let (start, implicit) = (Port::free(), Port::free());
        let said = |flag: &str| {
            let output = command("/usr/bin/id").arg(flag).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let settings = fs::read_to_string(root().join("tests/mail/dovecot.conf")).unwrap();
        let settings = settings
            .replace("@folder@", folder.path().to_str().unwrap())
            .replace("@user@", &said("-un"))
            .replace("@group@", &said("-gn"))
            .replace("@start@", &start.number().to_string())
            .replace("@implicit@", &implicit.number().to_string());
        fs::write(folder.path().join("dovecot.conf"), settings).unwrap();
        give(&folder.path().join("dovecot.conf"));
        let mut dovecot: Command = command("/usr/sbin/dovecot");
        let process = dovecot
            .args(["-F", "-c"])
            .arg(folder.path().join("dovecot.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`./test` installs Dovecot");
        Self { folder, process, start, implicit }
    }

    pub(crate) fn settings(&self, port: &Port, more: &str) -> String {
        let authority = fs::read_to_string(self.folder.path().join("ca.pem")).unwrap().replace('\n', "\\n");
        let port = port.number();
        format!(
            "host: \"localhost\", port: {port}, authority: \"{authority}\", user: \"shop\", password: secret(\"db/url\"){more}"
        )
    }

    /// Puts a message into a folder, the inbox where none is named.
    pub(crate) fn deliver(&self, name: &str, folder: &str, message: &str) {
        let mut maildir: PathBuf = self.folder.path().join("home/Maildir");
        if !folder.is_empty() {
            maildir = maildir.join(format!(".{folder}"));
            for path in [maildir.clone(), maildir.join("new"), maildir.join("cur"), maildir.join("tmp")] {
                if !path.exists() {
                    fs::create_dir(&path).unwrap();
                    give(&path);
                }
            }
        }
        let draft = maildir.join("tmp").join(name);
        fs::write(&draft, message.replace('\n', "\r\n")).unwrap();
        give(&draft);
        fs::rename(draft, maildir.join("new").join(name)).unwrap();
    }

    /// What the server has noted.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Makes the inbox anew: what it holds has other numbers.
    fn renumber(&self) {
        let maildir = self.folder.path().join("home/Maildir");
        let list = maildir.join("dovecot-uidlist");
        let text = fs::read_to_string(&list).unwrap();
        let (head, rest) = text.split_once(" V").unwrap();
        let (validity, rest) = rest.split_once(' ').unwrap();
        let validity = validity.parse::<u32>().unwrap() + 1000;
        fs::write(&list, format!("{head} V{validity} {rest}")).unwrap();
        for entry in fs::read_dir(maildir).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("dovecot.") {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends what it has started when it is asked to.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// A message with a subject.
pub(crate) fn plain(subject: &str) -> String {
    format!(
        "From: Jenny <jenny@example.com>\nTo: shop@example.com\nSubject: {subject}\nMessage-ID: <{subject}@example.com>\n\nHello\n"
    )
}

const RICH: &str = "From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <juergen@example.com>
To: \"The Shop\" <shop@example.com>, undisclosed, anna@example.com
Cc: nobody@@nowhere
Reply-To: answers@example.com
Subject: =?iso-8859-1?Q?Rechnung_f=FCr_Bestellung?= 7
Date: Tue, 24 Nov 2026 10:15:00 +0100
Message-ID: <r7@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Sch=F6ne Gr=FC=DFe
--inner
Content-Type: text/html; charset=utf-8

<p>Schöne <b>Grüße</b></p>
--inner--
--outer
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''..%2FRechnung%207.pdf
Content-Transfer-Encoding: base64

AP8KLgo=
--outer--
";

async fn asked(world: &World, step: &str, args: Vec<Value>) -> Result<Value, (ErrorKind, String)> {
    world.invoke(step, args).await.outcome.map_err(|failure| (failure.kind, failure.message))
}

async fn listed(world: &World, after: Value) -> Vec<(String, String)> {
    let Value::List(entries) = asked(world, LIST, vec![after, Value::text("INBOX")]).await.unwrap() else { panic!() };
    let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).unwrap().to_owned();
    entries.iter().map(|entry| (text(entry, "id"), text(entry, "subject"))).collect()
}

/// A server that answers, and a connection to it.
async fn opened(more: &str) -> (Server, World) {
    let server = Server::start();
    let world = World::new("imap", PASSWORD, &server.settings(&server.implicit, more));
    world.answered(LIST, vec![Value::Null, Value::text("INBOX")]).await;
    (server, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_arrived_is_listed_once_and_in_order() {
    let (server, world) = opened("").await;
    assert!(listed(&world, Value::Null).await.is_empty());
    server.deliver("1", "", &plain("one"));
    server.deliver("2", "", &plain("two"));
    let all = listed(&world, Value::Null).await;
    assert_eq!(all.iter().map(|(_, subject)| subject.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert!(all.is_sorted());
    let last = Value::text(all[1].0.as_str());
    assert!(listed(&world, last.clone()).await.is_empty());
    server.deliver("3", "", &plain("three"));
    let more = listed(&world, last.clone()).await;
    assert_eq!(more.iter().map(|(_, subject)| subject.as_str()).collect::<Vec<_>>(), ["three"]);
    // A folder that was made anew lists nothing again that arrived before.
    server.renumber();
    let three = Value::text(more[0].0.as_str());
    assert!(listed(&world, three.clone()).await.is_empty());
    let (failed, _) = asked(&world, GET, vec![three, Value::text("INBOX")]).await.unwrap_err();
    assert_eq!(failed, ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_read_whole_and_stays_unread() {
    let (server, world) = opened("").await;
    server.deliver("1", "", RICH);
    let starting = World::new("imap", PASSWORD, &server.settings(&server.start, ", tls: \"starttls\""));
    let [(id, subject)] = &listed(&starting, Value::Null).await[..] else { panic!() };
    assert_eq!(subject, "Rechnung für Bestellung 7");
    let message = asked(&world, GET, vec![Value::text(id.as_str()), Value::text("INBOX")]).await.unwrap();
    let texts = |names: &[&str]| -> Vec<String> {
        names.iter().map(|name| message.get(name).unwrap().to_json().to_string()).collect()
    };
    assert_eq!(
        texts(&["from", "from_name", "reply_to", "to", "cc", "message_id", "sent_at"]),
        [
            "\"juergen@example.com\"",
            "\"Jürgen Müller\"",
            "\"answers@example.com\"",
            "[\"shop@example.com\",\"anna@example.com\"]",
            "[]",
            "\"r7@example.com\"",
            "\"2026-11-24T09:15:00Z\"",
        ]
    );
    assert_eq!(message.get("text").unwrap().as_str().unwrap().trim(), "Schöne Grüße");
    assert_eq!(message.get("html").unwrap().as_str().unwrap().trim(), "<p>Schöne <b>Grüße</b></p>");
    let Some(Value::List(files)) = message.get("files") else { panic!("{message:?}") };
    let [Value::File(file)] = &files[..] else { panic!("{files:?}") };
    assert_eq!((file.name.as_str(), file.mime_type.as_str(), file.size), ("Rechnung 7.pdf", "application/pdf", 5));
    let Some(Value::File(source)) = message.get("source") else { panic!("{message:?}") };
    assert_eq!(source.size, RICH.replace('\n', "\r\n").len() as u64);
    let unread = server.folder.path().join("home/Maildir/cur");
    let names: Vec<String> =
        fs::read_dir(unread).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| !name.ends_with('S')), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_marked_and_moved_and_once_more_does_no_harm() {
    let (server, world) = opened("").await;
    server.deliver("1", "", &plain("one"));
    server.deliver("0", "Done", &plain("done before"));
    let id = Value::text(listed(&world, Value::Null).await[0].0.as_str());
    let was_there = |is: bool| Ok(Value::record([("was_there", Value::Bool(is))]));
    let mark =
        |set: bool| asked(&world, MARK, vec![id.clone(), Value::text("read"), Value::Bool(set), Value::text("INBOX")]);
    let read = || {
        let folder = server.folder.path().join("home/Maildir/cur");
        let mut names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.any(|name| name.ends_with('S'))
    };
    assert_eq!((mark(true).await, read()), (was_there(true), true));
    assert_eq!((mark(true).await, read()), (was_there(true), true));
    assert_eq!((mark(false).await, read()), (was_there(true), false));
    let to = |folder: &str| asked(&world, MOVE, vec![id.clone(), Value::text(folder), Value::text("INBOX")]);
    let (failed, message) = to("Nowhere").await.unwrap_err();
    assert!(failed == ErrorKind::NotFound && message.contains("`Nowhere`"), "{failed:?} {message}");
    assert_eq!(to("Done").await, was_there(true));
    assert_eq!(to("Done").await, was_there(false));
    assert_eq!(mark(true).await, was_there(false));
    let (failed, _) = asked(&world, GET, vec![id.clone(), Value::text("INBOX")]).await.unwrap_err();
    assert_eq!(failed, ErrorKind::NotFound);
    let Value::List(moved) = asked(&world, LIST, vec![Value::Null, Value::text("Done")]).await.unwrap() else {
        panic!()
    };
    assert_eq!(moved.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_is_told_why_without_the_password() {
    let (server, world) = opened("").await;
    let inbox = || vec![Value::Null, Value::text("INBOX")];
    let (failed, message) = asked(&world, LIST, vec![Value::Null, Value::text("No\"where")]).await.unwrap_err();
    assert!(failed == ErrorKind::NotFound && message.contains("No\"where"), "{failed:?} {message}");
    let (failed, message) = asked(&world, GET, vec![Value::text("17"), Value::text("INBOX")]).await.unwrap_err();
    assert!(failed == ErrorKind::Invalid && message.contains("`17`"), "{failed:?} {message}");
    let settings = server.settings(&server.implicit, "");
    let elsewhere = settings.replace("localhost", "127.0.0.1");
    let plain = server.settings(&server.implicit, ", tls: \"off\"");
    for (settings, password, kind, part) in [
        (&settings, "wr0ng", ErrorKind::Unauthorized, "`shop`"),
        (&elsewhere, PASSWORD, ErrorKind::Unavailable, "certificate"),
        // A server that waits to be spoken to in another way never greets.
        (&plain, PASSWORD, ErrorKind::Timeout, "within 2s"),
    ] {
        let world = World::new("imap", password, settings).within(Millis::seconds(2));
        let (failed, message) = asked(&world, LIST, inbox()).await.unwrap_err();
        assert_eq!(failed, kind, "{message}");
        assert!(message.contains(part) && !message.contains(password), "{message}");
    }
    let guarded = World::guarded("imap", PASSWORD, &settings, Networks::default());
    assert_eq!(asked(&guarded, LIST, inbox()).await.unwrap_err().0, ErrorKind::Forbidden);
}
