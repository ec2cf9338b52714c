//! What the fuzzer tries on texts and bytes that it makes up holds of those that the repository has, and so its targets
//! are compiled with the tests: `cargo fuzz` itself needs a nightly toolchain.

use std::{fs, path::PathBuf};

use crate::tidy::{files, shown};

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public in the crate of the fuzzer")]
mod targets;

/// The files of the repository with such a name in such a folder.
fn in_folder(extension: &str, folder: &str) -> Vec<PathBuf> {
    let all: Vec<PathBuf> = files(&[extension]).into_iter().filter(|path| shown(path).starts_with(folder)).collect();
    assert!(!all.is_empty(), "{folder} has no .{extension}");
    all
}

#[test]
fn what_holds_of_any_text_holds_of_every_case() {
    for path in in_folder("flow", "tests/cases/") {
        let text = fs::read_to_string(&path).unwrap();
        targets::read::read(&text);
        // A text that is cut off is what an editor has while somebody types.
        if let Some((half, _)) = text.split_at_checked(text.len() / 2) {
            targets::read::read(half);
        }
    }
}

#[test]
fn what_holds_of_any_program_holds_of_what_newcomers_write() {
    for path in in_folder("flow", "tests/cases/check/newcomers/") {
        targets::check::check(&fs::read(&path).unwrap());
    }
}

#[test]
fn what_holds_of_any_answer_holds_of_what_systems_have_answered() {
    for path in in_folder("json", "stdlib/connectors/") {
        targets::answer::answer(&fs::read(&path).unwrap());
    }
    for bytes in [&b""[..], b"a;b\n1;2", b"a,b\n\"x", b"<a><b/></a>", b"{\"a\":1e400}", b"\xff\xfe", b"[1,2"] {
        targets::answer::answer(bytes);
    }
}

#[test]
fn what_holds_of_any_header_holds_of_headers_that_are_nearly_right() {
    for header in
        ["", "sha256=", "sha256=00", "v1,AAAA", "t=1700000000,v1=00", "t=,v1=", "v1=", "t=99999999999999999999,v1=a"]
    {
        for body in ["", "{}", "{\"id\": 1}"] {
            targets::signature::signature(format!("{header}\n{body}").as_bytes());
        }
    }
}
