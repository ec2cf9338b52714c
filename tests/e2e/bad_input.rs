//! Files and arguments that are wrong: each gets a clear error, in bounded time, and no panic.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use super::process::{Ended, flowc, output};

/// Runs `flowc` in a folder.
fn flow(folder: &Path, arguments: &[&str]) -> Ended {
    output(flowc().current_dir(folder).args(arguments))
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

const HELLO: &[u8] = b"flow hello(name: String) {\n  return \"hello {name}\"\n}\n";

#[test]
fn files_that_are_no_programs_say_so_to_each_command() {
    let folder = folder(&[
        ("main.flow", HELLO),
        ("latin.flow", b"// \xe4\nflow hello { return 1 }\n"),
        ("empty.flow", b""),
        ("blank.flow", b" \n\t\n"),
        ("binary.flow", &[0; 4096]),
    ]);
    fs::create_dir(folder.path().join("nothing")).unwrap();
    let cases: [(&str, i32, &str); 7] = [
        ("latin.flow", 1, "UTF-8"),
        ("empty.flow", 1, "`empty.flow` is empty"),
        ("blank.flow", 1, "`blank.flow` is empty"),
        ("binary.flow", 1, "error"),
        ("missing.flow", 2, "there is no `missing.flow`"),
        ("mian.flow", 2, "did you mean `main.flow`?"),
        ("nothing", 2, "`nothing`"),
    ];
    for (name, code, text) in cases {
        for arguments in [&["check", name][..], &["run", name], &["graph", name], &["serve", name]] {
            let ended = flow(folder.path(), arguments);
            let shown = format!("{}{}", ended.stdout, ended.stderr);
            assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:#?}");
            assert!(shown.contains(text), "{arguments:?} lacks {text:?}: {ended:#?}");
            assert!(shown.len() < 8192, "{arguments:?}: the message is long: {} bytes", shown.len());
            assert!(!ended.stderr.contains("panicked"), "{arguments:?}: {ended:#?}");
        }
    }
    assert!(!folder.path().join(".flow").exists(), "nothing was run, so no data folder was made");
}

#[test]
fn ten_megabytes_are_checked_in_bounded_time() {
    const SIZE: usize = 10 << 20;
    let text = "x".repeat(SIZE / 10_000);
    let flows: String = (0..10_000).map(|number| format!("flow a_{number} {{\n  return \"{text}\"\n}}\n")).collect();
    let half = SIZE / 2;
    let right = [("flows", flows), ("a comment", format!("// {}\nflow a {{ return 1 }}\n", "x".repeat(SIZE)))];
    let wrong = [
        ("open braces", "{".repeat(SIZE)),
        ("open flows", "flow a { ".repeat(SIZE / 9)),
        ("an open text", format!("const a = \"{}", "x".repeat(SIZE))),
        ("quotes", "\"".repeat(SIZE)),
        ("parentheses", format!("const a = {}1{}\n", "(".repeat(half), ")".repeat(half))),
        ("insertions", format!("const a = \"{}\"\n", "{\"".repeat(half))),
        ("no words", "% ".repeat(half)),
        ("one long word", "a".repeat(SIZE)),
        (
            "names that are not there",
            format!("flow a {{\n{}}}\n// {}\n", "  step x.y()\n".repeat(5000), "x".repeat(SIZE)),
        ),
    ];
    for (name, text) in &right {
        let folder = folder(&[("main.flow", text.as_bytes())]);
        // `output` is what bounds the time.
        let ended = flow(folder.path(), &["check", "main.flow"]);
        assert_eq!(ended.code, Some(0), "{name}: {}", &ended.stdout[..ended.stdout.len().min(2000)]);
    }
    for (name, text) in &wrong {
        let folder = folder(&[("main.flow", text.as_bytes())]);
        let ended = flow(folder.path(), &["check", "main.flow"]);
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        assert!(ended.stdout.len() < 1 << 20, "{name}: {} bytes of diagnostics", ended.stdout.len());
    }
}

#[test]
fn a_hundred_thousand_mistakes_are_counted_and_the_first_are_shown_in_bounded_memory() {
    let many = |line: &dyn Fn(usize) -> String| (0..100_000).map(line).collect::<String>();
    let texts = [
        ("names", format!("flow a {{\n{}}}\n", many(&|at| format!("  let x{at} = y{at}\n")))),
        ("words", many(&|at| format!("flow a{at} {{ let = 1 }}\n"))),
        ("types", format!("record A {{\n{}}}\nflow a {{}}\n", many(&|at| format!("  a{at}: T{at}\n")))),
    ];
    for (name, text) in texts {
        let folder = folder(&[("main.flow", text.as_bytes())]);
        // A gibibyte of addresses, the program's own among them, is all that the process gets.
        let mut command = Command::new("sh");
        command.current_dir(folder.path()).args(["-c", "ulimit -v 1048576 && exec \"$0\" check main.flow"]);
        let ended = output(command.arg(env!("CARGO_BIN_EXE_flowc")));
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.stderr);
        let last = ended.stdout.lines().last().unwrap_or_default();
        assert_eq!(last, "100000 errors in 1 file, of which 1000 are shown", "{name}");
        assert!(ended.stdout.len() < 1 << 20, "{name}: {} bytes of diagnostics", ended.stdout.len());
    }
}

#[test]
fn what_is_defined_by_itself_is_told_once_with_the_way_round() {
    let folder = folder(&[
        ("types.flow", b"record A { b: B }\nrecord B { a: A }\nflow f(a: A) { return a }\n"),
        ("functions.flow", b"fn a(n: Int) -> Int { b(n) }\nfn b(n: Int) -> Int { a(n) }\nflow f { return a(1) }\n"),
        ("flows.flow", b"flow a {\n  step r = b()\n  return r\n}\nflow b {\n  step r = a()\n  return r\n}\n"),
        ("values.flow", b"const a = b\nconst b = a\nflow f { return a }\n"),
        ("one.flow", b"use \"./two.flow\" { two }\nfn one() -> Int { 1 }\nflow f { return one() + two() }\n"),
        ("two.flow", b"use \"./three.flow\" { three }\nfn two() -> Int { three() }\n"),
        ("three.flow", b"use \"./one.flow\" { one }\nfn three() -> Int { one() }\n"),
    ]);
    for (name, text) in [
        ("types.flow", "a value of `A` would hold `B`, which holds another `A`, without end"),
        ("functions.flow", "`a` calls itself: `a` → `b` → `a`"),
        ("flows.flow", "`a` calls `b`, which calls `a`"),
        ("values.flow", "`a` is defined by itself: `a` → `b` → `a`"),
        ("one.flow", "`one.flow` uses `two.flow`, which uses `three.flow`, which uses `one.flow`"),
    ] {
        let ended = flow(folder.path(), &["check", name]);
        assert_eq!(ended.code, Some(1), "{name}: {ended:#?}");
        assert!(ended.stdout.contains(text), "{name} lacks {text:?}: {}", ended.stdout);
        assert_eq!(ended.stdout.matches("error[").count(), 1, "{name}: {}", ended.stdout);
    }
}

#[test]
fn all_files_of_a_folder_are_checked_also_beside_bad_ones() {
    let folder = folder(&[
        ("a.flow", b"flow a { return nothing }\n"),
        ("b.flow", b""),
        ("c.flow", b"flow c { return 1 }\n"),
        ("d.txt", b"no program"),
    ]);
    fs::create_dir_all(folder.path().join("sub/.hidden")).unwrap();
    fs::write(folder.path().join("sub/e.flow"), "flow e { return other }\n").unwrap();
    fs::write(folder.path().join("sub/.hidden/f.flow"), "flow f { return hidden }\n").unwrap();

    let ended = flow(folder.path(), &["check", "."]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    for text in ["`nothing`", "`other`", "in 4 files", "3 errors"] {
        assert!(ended.stdout.contains(text), "stdout lacks {text:?}: {ended:#?}");
    }
    assert!(ended.stderr.contains("`b.flow` is empty") && !ended.stdout.contains("hidden"), "{ended:#?}");

    let json = flow(folder.path(), &["check", "--format", "json", "."]).json();
    assert_eq!((json["files"].as_u64(), json["errors"].as_u64()), (Some(4), Some(3)), "{json:#}");
    let found: Vec<_> = json["diagnostics"].as_array().unwrap().iter().map(|found| &found["file"]).collect();
    assert_eq!(found, ["a.flow", "sub/e.flow"]);
    assert_eq!(json["unread"][0]["message"], "`b.flow` is empty");

    flow(folder.path(), &["check", "c.flow"]).says(0, &[]);
    let twice = flow(folder.path(), &["check", "c.flow", "c.flow", "./c.flow"]).says(0, &[]);
    assert!(twice.stdout.contains("no problems: 1 file checked"), "{twice:?}");
}

#[test]
fn unknown_words_offer_known_ones() {
    let folder = folder(&[("main.flow", HELLO)]);
    flow(folder.path(), &["chekc", "main.flow"]).says(2, &["chekc", "check"]);
    flow(folder.path(), &["run", "main.flow", "--flow", "helo"]).says(2, &["no flow `helo`", "did you mean `hello`?"]);
    flow(folder.path(), &["graph", "main.flow", "--flow", "x"]).says(2, &["no flow `x`", "`hello`"]);
    flow(folder.path(), &["explain", "E9999"]).says(2, &["there is no code `E9999`", "flowc explain"]);
    flow(folder.path(), &["explain", "unknwon-name"]).says(2, &["E0201"]);
    flow(folder.path(), &["check", "--format", "jsno", "main.flow"]).says(2, &["json"]);
    flow(folder.path(), &["serve", "main.flow", "--listen", "localhost"]).says(2, &["--listen"]);
    flow(folder.path(), &["runs", "list"]).says(2, &["there are no runs in `.flow`", "--data"]);
    flow(folder.path(), &["runs", "show", "x", "--data", "."]).says(2, &["there are no runs in `.`"]);
}

#[test]
fn help_is_there_for_each_command_and_names_the_exit_codes() {
    let top = output(flowc().arg("--help")).says(0, &[]);
    for text in ["check", "run", "serve", "runs", "graph", "explain", "Exit codes:", "130"] {
        assert!(top.stdout.contains(text), "{text}: {top:?}");
    }
    for command in
        [&["check"][..], &["run"], &["serve"], &["runs", "list"], &["runs", "show"], &["graph"], &["explain"]]
    {
        let help = output(flowc().args(command).arg("--help")).says(0, &[]);
        assert!(help.stdout.contains("Examples:") && help.stdout.contains("Usage: flowc"), "{help:?}");
    }
    let bare = output(&mut flowc());
    assert_eq!(bare.code, Some(2));
    assert!(bare.stderr.contains("Usage: flowc"), "{bare:?}");
}
