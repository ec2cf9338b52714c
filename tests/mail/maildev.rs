//! `mail` against MailDev, which reads a message as mail clients do and shows over HTTP what it has understood.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
};

use flow_model::{failure::ErrorKind, file::File, value::Value};
use flow_runtime::connector::Reached;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{mail, sent};
use crate::{
    databases::{
        machine::{Port, certificates},
        world::World,
    },
    tidy::root,
};

struct MailDev {
    folder: TempDir,
    process: Child,
    /// What it says, which it can't say any more once this is closed.
    lines: BufReader<ChildStdout>,
    smtp: Port,
    web: Port,
}

impl MailDev {
    fn start() -> Self {
        let (folder, smtp, web) = (TempDir::new().unwrap(), Port::free(), Port::free());
        certificates(folder.path());
        let mut command = Command::new("node");
        command.arg(root().join("target/counterparts/node_modules/maildev/bin/maildev")).current_dir(folder.path());
        command.args(["--ip", "127.0.0.1", "--smtp", &smtp.number().to_string()]);
        command.args(["--web-ip", "127.0.0.1", "--web", &web.number().to_string(), "--mail-directory", "mails"]);
        command.args(["--incoming-user", "shop", "--incoming-pass", "sw0rdf1sh"]);
        command.args(["--incoming-secure", "--incoming-cert", "server.pem", "--incoming-key", "server.key"]);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = process.expect("`./test` installs Node.js");
        let lines = BufReader::new(process.stdout.take().unwrap());
        let mut started = Self { folder, process, lines, smtp, web };
        let says = started.lines.by_ref().lines().map(Result::unwrap);
        let says = says.filter(|line| line.contains("running at")).take(2).count();
        assert_eq!(says, 2, "MailDev, which `./test` installs, did not start");
        started
    }

    fn world(&self, password: &str) -> World {
        let authority = fs::read_to_string(self.folder.path().join("ca.pem")).unwrap().replace('\n', "\\n");
        let settings = format!(
            "host: \"localhost\", port: {}, tls: \"implicit\", authority: \"{authority}\", user: \"shop\", \
             password: secret(\"db/url\"), from: \"The Shop <shop@example.com>\"",
            self.smtp.number()
        );
        World::new("mail", password, &settings)
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("http://127.0.0.1:{}{path}", self.web.number())).await.unwrap()
    }

    async fn mails(&self) -> Vec<Json> {
        serde_json::from_str(&self.get("/email").await.text().await.unwrap()).unwrap()
    }
}

impl Drop for MailDev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn maildev_reads_what_was_sent() {
    let server = MailDev::start();
    let (outcome, reached) = sent(&server.world("wr0ng"), mail(&["a@example.com"], "s", Value::Null, vec![])).await;
    let (kind, message) = outcome.unwrap_err();
    assert_eq!((kind, reached), (ErrorKind::Unauthorized, Reached::Answered), "{message}");
    assert!(message.contains("535"), "{message}");
    assert_eq!(server.mails().await, Vec::<Json>::new());

    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let pdf = File::with_content(bytes.clone(), "rechnung für 7.pdf", "application/pdf");
    let args = mail(
        &["jenny@example.com", "joe@example.com"],
        "Quittung für A-7: naïve ☃ and a subject that is longer than a line of a mail may be without a break",
        Value::text("<b>Thank you</b>"),
        vec![Value::File(pdf.into())],
    );
    sent(&server.world("sw0rdf1sh"), args).await.0.unwrap();
    let mails = server.mails().await;
    let [mail] = &mails[..] else { panic!("{mails:#?}") };
    assert_eq!(
        mail["subject"],
        "Quittung für A-7: naïve ☃ and a subject that is longer than a line of a mail may be without a break"
    );
    assert_eq!(mail["from"], serde_json::json!([{ "address": "shop@example.com", "name": "The Shop" }]));
    let to: Vec<&str> = mail["to"].as_array().unwrap().iter().map(|to| to["address"].as_str().unwrap()).collect();
    assert_eq!(to, ["jenny@example.com", "joe@example.com"]);
    let hidden: Vec<&Json> = mail["calculatedBcc"].as_array().unwrap().iter().map(|to| &to["address"]).collect();
    assert_eq!(hidden, ["boss@example.com"]);
    assert_eq!(mail["text"].as_str().unwrap().trim_end(), "Thank you, naïve Jenny!\n.\nThe end");
    assert_eq!(mail["html"].as_str().unwrap().trim_end(), "<b>Thank you</b>");
    let [attached] = &mail["attachments"].as_array().unwrap()[..] else { panic!("{mail:#}") };
    assert_eq!(
        (&attached["fileName"], &attached["contentType"]),
        (&"rechnung für 7.pdf".into(), &"application/pdf".into())
    );
    let name = attached["generatedFileName"].as_str().unwrap().replace(' ', "%20");
    let got = server.get(&format!("/email/{}/attachment/{name}", mail["id"].as_str().unwrap())).await;
    assert_eq!(got.bytes().await.unwrap(), bytes);
}
