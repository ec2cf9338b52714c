//! Pictures that programs read with Tesseract, as Debian ships it.

use std::fs;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::process::{Ended, flowc, output};

/// Letters of five by seven.
const LETTERS: [(char, [&str; 7]); 6] = [
    ('A', ["..#..", ".#.#.", "#...#", "#...#", "#####", "#...#", "#...#"]),
    ('E', ["#####", "#....", "#....", "####.", "#....", "#....", "#####"]),
    ('H', ["#...#", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"]),
    ('L', ["#....", "#....", "#....", "#....", "#....", "#....", "#####"]),
    ('O', [".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."]),
    ('T', ["#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."]),
];

/// How many pixels a dot of a letter has on each side.
const DOT: usize = 5;

/// Lines of letters as a picture, black on white.
fn picture(lines: &[&str]) -> Vec<u8> {
    let longest = lines.iter().map(|line| line.len()).max().unwrap();
    let (width, height) = ((longest * 7 + 8) * DOT, (lines.len() * 12 + 6) * DOT);
    let mut dots = vec![255; width * height];
    for (row, line) in lines.iter().enumerate() {
        for (column, letter) in line.chars().enumerate() {
            let Some((_, letter)) = LETTERS.iter().find(|(known, _)| *known == letter) else { continue };
            for (y, dotted) in letter.iter().enumerate() {
                for (x, _) in dotted.bytes().enumerate().filter(|(_, dot)| *dot == b'#') {
                    let (left, top) = ((4 + column * 7 + x) * DOT, (4 + row * 12 + y) * DOT);
                    for line in top..top + DOT {
                        dots[line * width + left..][..DOT].fill(0);
                    }
                }
            }
        }
    }
    [format!("P5\n{width} {height}\n255\n").into_bytes(), dots].concat()
}

fn read(folder: &TempDir, input: Json, tesseract: &str) -> Ended {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/programs/pictures.flow");
    let mut command = flowc();
    command.current_dir(folder.path()).args(["run", program, "--data", "data", "--input", &input.to_string()]);
    command.env("TESSERACT", tesseract).env("PATH", std::env::var_os("PATH").unwrap());
    output(&mut command)
}

#[test]
fn the_words_of_a_picture_are_read_with_their_places() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.pgm"), picture(&["TOTAL", "THE HALL"])).unwrap();
    let told = read(&folder, json!({ "path": "a.pgm" }), "tesseract").says(0, &[]).json();
    assert_eq!((&told["text"], &told["sure"]), (&json!("TOTAL\nTHE HALL"), &json!(true)));
    let places: Vec<_> = told["words"].as_array().unwrap().iter().map(|word| (&word["text"], &word["line"])).collect();
    assert_eq!(places, [(&json!("TOTAL"), &json!(1)), (&json!("THE"), &json!(2)), (&json!("HALL"), &json!(2))]);
    let third = &told["words"][2];
    let near = |name: &str, wanted: i64| (third[name].as_i64().unwrap() - wanted).abs() <= 10;
    assert!(near("left", 160) && near("top", 80) && near("width", 130) && near("height", 35), "{third}");
}

#[test]
fn what_is_missing_or_no_picture_is_told() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.pgm"), picture(&["TOTAL"])).unwrap();
    fs::write(folder.path().join("list.png"), "a.pgm\n").unwrap();
    fs::write(folder.path().join("broken.png"), b"\x89PNG\r\n\x1a\nand no more").unwrap();
    let fails = |path: &str, language: Json, tesseract: &str, told: &str| {
        read(&folder, json!({ "path": path, "language": language }), tesseract).says(3, &["Invalid", told]);
    };
    let missing = "the program `tesseract-of-mine` is not there: install Tesseract (Debian, Ubuntu: `apt-get install tesseract-ocr`";
    fails("a.pgm", Json::Null, "tesseract-of-mine", missing);
    fails("list.png", Json::Null, "tesseract", "`list.png` is no picture that can be read");
    fails("broken.png", Json::Null, "tesseract", "the picture can't be read: Tesseract ended with ");
    fails("a.pgm", json!("tlh"), "tesseract", "Tesseract lacks a language of `tlh`: install it");
    fails("a.pgm", json!("eng --oem 0"), "tesseract", "`eng --oem 0` names no languages");
}
