//! What connectors declare `native` has code, and all code is declared, with the errors that it ends with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use flow_model::{
    failure::ErrorKind,
    file::{File, Sha256},
    plan::Plan,
    schema::Call,
    units::Millis,
    value::Value,
};
use flow_runtime::{
    blob::{BlobReader, BlobWriter, Blobs, Error, Memory, Part, keep},
    connector::{Connectors, Invocation, Performer as _},
    eval::Library,
};
use futures::poll;

use crate::{
    executed::{Named, plan},
    programs::{checked, errors},
};

#[test]
fn native_declarations_and_code_agree_both_ways() {
    let mut declared = BTreeSet::new();
    for (name, source) in flow_stdlib::catalog() {
        // A plan holds only what its flow uses, so a text search finds the names and a plan shows that they are native.
        let operations: Vec<_> = source.text.split("\n  operation ").skip(1).collect();
        for operation in operations.iter().filter(|text| native(text)) {
            let end = operation.find(['(', '<']).unwrap();
            declared.insert((name.clone(), operation[..end].to_owned()));
        }
    }
    let table = flow_stdlib::native::native_table(None);
    let bound: BTreeSet<_> =
        table.operations().map(|(connector, operation)| (connector.to_owned(), operation.to_owned())).collect();
    assert_eq!(declared, bound);
    assert!(bound.contains(&("files".to_owned(), "write".to_owned())));
}

/// Says whether an operation's text has `native` in the place of a request.
fn native(text: &str) -> bool {
    text.split("\n  }").next().unwrap().lines().any(|line| line.trim() == "native")
}

#[test]
fn a_plan_says_that_an_operation_is_native() {
    let text = "use files\n\nflow note {\n  step files.write(path: \"a\", text: \"b\")\n}\n";
    let checked = checked("note.flow", text);
    assert_eq!(errors(&checked), "");
    let plan: &Plan = &checked.program.as_ref().unwrap().plans["note"];
    assert_eq!(plan.connectors["files"].operations["write"].call, Call::Native);
}

/// Where the code of each connector lies, below `stdlib`.
const CODE: [(&str, &[&str]); 11] = [
    ("archive", &["native/archive/src"]),
    ("csv", &["src/native/csv.rs"]),
    ("files", &["src/native/files.rs"]),
    ("imap", &["native/mail/src/connect.rs", "native/mail/src/imap.rs", "native/mail/src/mailbox.rs"]),
    ("kafka", &["native/kafka/src"]),
    ("mail", &["native/mail/src/connect.rs", "native/mail/src/message.rs", "native/mail/src/smtp.rs"]),
    ("mysql", &["native/sql/src/mysql"]),
    ("ocr", &["src/native/ocr.rs"]),
    ("pdf", &["native/pdf/src"]),
    ("postgres", &["native/sql/src/postgres"]),
    ("s3", &["native/s3/src"]),
];

#[test]
fn the_errors_that_code_names_are_declared_and_no_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib");
    for (connector, places) in CODE {
        let catalog = flow_stdlib::catalog();
        let text = &catalog.get(connector).unwrap().text;
        let fails = text.split("fails:").skip(1).map(|rest| rest.split_once(']').unwrap().0.trim());
        let declared: BTreeSet<_> =
            fails.flat_map(|kinds| kinds.trim_start_matches('[').split(", ")).map(str::to_owned).collect();
        let code: String = places.iter().map(|place| code(&root.join(place))).collect();
        // The kinds of the standard library are others.
        let named: BTreeSet<_> = code
            .replace("io::ErrorKind::", "")
            .split("ErrorKind::")
            .skip(1)
            .map(|rest| rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap().to_owned())
            .filter(|kind| kind != "Unauthorized" && !ErrorKind::OF_EVERY_CALL.iter().any(|each| each.name() == kind))
            // The bytes of a file may be gone.
            .chain((text.contains(": File") || text.contains("List<File>")).then(|| "NotFound".to_owned()))
            .collect();
        assert_eq!(declared, named, "{connector}");
    }
}

/// The code of a file, or of all files of a folder, without tests.
fn code(place: &Path) -> String {
    if place.is_file() {
        let text = fs::read_to_string(place).unwrap();
        return text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
    }
    let files = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| !file.ends_with("tests.rs")).map(|file| code(&file)).collect()
}

/// Files in memory whose bytes never come, and how many of them were opened.
#[derive(Debug, Default)]
struct Opened(Memory, AtomicUsize);

#[async_trait]
impl Blobs for Opened {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, Error> {
        self.0.create().await
    }

    async fn open(&self, _: Sha256, _: Part) -> Result<BlobReader, Error> {
        self.1.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }

    fn path(&self, sha256: Sha256) -> Result<Option<PathBuf>, Error> {
        self.0.path(sha256)
    }

    async fn list(&self, after: Option<Sha256>, most: usize) -> Result<Vec<Sha256>, Error> {
        self.0.list(after, most).await
    }

    async fn remove(&self, sha256: Sha256, written_before: SystemTime) -> Result<u64, Error> {
        self.0.remove(sha256, written_before).await
    }

    fn clear_unfinished(&self) -> Result<(), Error> {
        self.0.clear_unfinished()
    }
}

/// Documents and pictures are large, and take a process each: of many that wait, none is in memory.
#[tokio::test]
async fn documents_and_pictures_are_read_when_their_turn_has_come() {
    for (connector, operation, others) in [("pdf", "text", vec![]), ("ocr", "read", vec![Value::Null, Value::Int(3)])] {
        let program = format!(
            "use {connector}\n\nflow told(file: File) {{\n  step found = {connector}.{operation}(file)\n  return found\n}}\n"
        );
        let plan = plan(&program);
        let opened = Arc::new(Opened::default());
        let kept = keep(&*opened, bytes::Bytes::from_static(b"%PDF-1.7")).await.unwrap();
        let file = Value::File(Arc::new(File::new(kept.sha256, kept.size, "a.pdf", "application/pdf")));
        // The first bytes never come, so whoever has a place keeps it until its call is given up; no program is started.
        let native = flow_stdlib::native::native_table(Some(Path::new("no-program")));
        let connectors =
            Connectors::new(Library::default(), Arc::new(BTreeMap::<String, String>::new()), Arc::new(Named), native)
                .with_blobs(opened.clone());
        let call = |_| {
            connectors.perform(Invocation {
                plan: Arc::clone(&plan),
                connection: connector.to_owned(),
                operation: operation.to_owned(),
                result: None,
                page: None,
                args: [vec![file.clone()], others.clone()].concat(),
                nulls: Vec::new(),
                key: String::new(),
                timeout: Millis(20_000),
                traceparent: None,
                admitted: None,
            })
        };
        let mut calls: Vec<_> = (0..6).map(call).collect();
        for call in &mut calls {
            assert!(poll!(call).is_pending(), "{connector}");
        }
        assert_eq!(opened.1.load(Ordering::SeqCst), 4, "{connector}");
        calls.drain(..4);
        for call in &mut calls {
            assert!(poll!(call).is_pending(), "{connector}");
        }
        assert_eq!(opened.1.load(Ordering::SeqCst), 6, "{connector}");
    }
}
