//! Archives that programs make and unpack, against Python's modules for ZIP and gzip.

use std::{fs, path::Path, process::Command};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::process::{Ended, flowc, output};

fn run(folder: &TempDir, flow: &str, input: &Json) -> Ended {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/programs/archives.flow");
    let input = input.to_string();
    output(
        flowc().current_dir(folder.path()).args(["run", program, "--flow", flow, "--input", &input, "--data", "data"]),
    )
}

/// Runs a program in Python in a folder, and gives what it prints.
fn python(folder: &Path, program: &str) -> String {
    let program = format!("import zipfile, gzip\n{program}");
    let output = Command::new("/usr/bin/python3").args(["-c", &program]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn files_are_packed_and_others_read_them() {
    let folder = TempDir::new().unwrap();
    let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(folder.path().join("large.bin"), &large).unwrap();
    fs::write(folder.path().join("für dich.txt"), "Hello").unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    let paths = json!({ "paths": ["large.bin", "für dich.txt", "empty"] });
    assert_eq!(run(&folder, "pack", &paths).says(0, &[]).json(), json!("all.zip"));
    let listed = python(
        folder.path(),
        "z = zipfile.ZipFile('all.zip')\nassert z.testzip() is None\nprint([(i.filename, i.file_size) for i in z.infolist()])\n\
         assert z.read('large.bin') == open('large.bin', 'rb').read()",
    );
    assert_eq!(listed.trim(), "[('large.bin', 1200000), ('für dich.txt', 5), ('empty', 0)]");
    // The same files make the same archive.
    let first = fs::read(folder.path().join("all.zip")).unwrap();
    run(&folder, "pack", &paths).says(0, &[]);
    assert_eq!(fs::read(folder.path().join("all.zip")).unwrap(), first);
    run(&folder, "pack", &json!({ "paths": ["empty", "empty"] })).says(3, &["two of the files are called `empty`"]);
    let big = json!({ "path": "all.zip", "most_size": "2MB" });
    assert_eq!(run(&folder, "unpack", &big).says(0, &[]).json().as_array().unwrap().len(), 3);
    assert_eq!(fs::read(folder.path().join("out/large.bin")).unwrap(), large);
}

#[test]
fn case_16_what_others_have_packed_is_unpacked_within_bounds() {
    let folder = TempDir::new().unwrap();
    python(
        folder.path(),
        "z = zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED)\nz.writestr('a/b/one.txt', 'one')\nz.mkdir('c') if hasattr(z, 'mkdir') else z.writestr('c/', '')\n\
         z.writestr('c/one.txt', 'other')\nz.close()\n\
         z = zipfile.ZipFile('bomb.zip', 'w', zipfile.ZIP_DEFLATED)\nz.writestr('zeros', bytes(3000000))\nz.close()\n\
         z = zipfile.ZipFile('evil.zip', 'w')\nz.writestr('../../evil.txt', 'x')\nz.close()\n\
         z = zipfile.ZipFile('link.zip', 'w')\nlink = zipfile.ZipInfo('innocent.txt')\nlink.create_system = 3\n\
         link.external_attr = 0o120777 << 16\nz.writestr(link, '/etc/passwd')\nz.close()\n\
         z = zipfile.ZipFile('many.zip', 'w')\n[z.writestr(str(i), '') for i in range(101)]\nz.close()",
    );
    let told = run(&folder, "unpack", &json!({ "path": "a.zip" })).says(0, &[]).json();
    assert_eq!(told, json!(["a/b/one.txt one.txt", "c/one.txt one.txt"]));
    assert_eq!(fs::read_to_string(folder.path().join("out/c/one.txt")).unwrap(), "other");
    fs::write(folder.path().join("no.zip"), "no archive").unwrap();
    let whole = fs::read(folder.path().join("a.zip")).unwrap();
    fs::write(folder.path().join("half.zip"), &whole[..whole.len() / 2]).unwrap();
    // The first file says that it is encrypted: bit 0 of its flags, here and in the list at the end.
    let mut secret = whole.clone();
    for at in 0..secret.len() - 10 {
        match &secret[at..at + 4] {
            b"PK\x03\x04" => secret[at + 6] |= 1,
            b"PK\x01\x02" => secret[at + 8] |= 1,
            _ => {}
        }
    }
    fs::write(folder.path().join("secret.zip"), secret).unwrap();
    // The list at the end names the same bytes under two names: where the second file begins is the place of the first.
    let mut shared = whole.clone();
    let ends =
        |mark: &[u8; 4]| -> Vec<usize> { (0..whole.len() - 4).filter(|at| &whole[*at..at + 4] == mark).collect() };
    let entries = ends(b"PK\x01\x02");
    let (first, last) = (entries[0], entries[entries.len() - 1]);
    let place = whole[first + 42..first + 46].to_vec();
    // Sizes and checksum, too, so that nothing else is wrong with it.
    shared[last + 16..last + 28].copy_from_slice(&whole[first + 16..first + 28]);
    shared[last + 42..last + 46].copy_from_slice(&place);
    fs::write(folder.path().join("shared.zip"), shared).unwrap();
    for (path, told) in [
        ("shared.zip", "`shared.zip` has files that share their bytes with others"),
        ("bomb.zip", "`bomb.zip` holds more than 1000000 bytes"),
        ("many.zip", "`many.zip` holds more than 100 files"),
        ("evil.zip", "leads out of the archive: `../../evil.txt`"),
        ("link.zip", "`link.zip` has a link, `innocent.txt`"),
        ("no.zip", "`no.zip` is no ZIP archive"),
        ("half.zip", "`half.zip` is no ZIP archive"),
        ("secret.zip", "`secret.zip` is encrypted"),
    ] {
        run(&folder, "unpack", &json!({ "path": path })).says(3, &["Invalid", told]);
    }
}

#[test]
fn gzip_is_written_and_read_with_all_its_members() {
    let folder = TempDir::new().unwrap();
    let text = "a line that is there often\n".repeat(20_000);
    fs::write(folder.path().join("log.txt"), &text).unwrap();
    assert_eq!(run(&folder, "compress", &json!({ "path": "log.txt" })).says(0, &[]).json(), json!("application/gzip"));
    assert_eq!(python(folder.path(), "print(gzip.open('log.txt.gz', 'rt').read(), end='')"), text);
    python(
        folder.path(),
        "open('two.gz', 'wb').write(gzip.compress(b'one ') + gzip.compress(b'two'))\nopen('zeros.gz', 'wb').write(gzip.compress(bytes(3000000)))",
    );
    assert_eq!(run(&folder, "expand", &json!({ "path": "two.gz" })).says(0, &[]).json(), json!("two"));
    assert_eq!(fs::read_to_string(folder.path().join("out/two")).unwrap(), "one two");
    fs::write(folder.path().join("empty.gz"), "").unwrap();
    let whole = fs::read(folder.path().join("two.gz")).unwrap();
    fs::write(folder.path().join("half.gz"), &whole[..10]).unwrap();
    for (path, told) in [
        ("zeros.gz", "`zeros.gz` holds more than 1000000 bytes"),
        ("log.txt", "`log.txt` is not compressed with gzip"),
        ("half.gz", "`half.gz` is not compressed with gzip, or is damaged"),
        ("empty.gz", "`empty.gz` is not compressed with gzip, or is damaged"),
    ] {
        run(&folder, "expand", &json!({ "path": path })).says(3, &["Invalid", told]);
    }
}
