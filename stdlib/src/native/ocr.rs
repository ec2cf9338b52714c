//! `ocr`: the text in pictures, by Tesseract on this machine.
//!
//! A picture goes to the program's standard input and a table comes from its output: nothing is written to disk. What is no
//! picture never gets there, for Tesseract takes an input of another form for a list of files to open. When a step is
//! given up, the program is ended.

use std::{collections::BTreeMap, process::Command};

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};
use rust_decimal::Decimal;
use tokio::sync::Semaphore;

use super::child::{self, Bounds, Ended};

/// How many pictures are read at a time. Whoever waits for a place holds nothing yet.
static PLACES: Semaphore = Semaphore::const_new(4);

/// How large a picture may be: 64 MiB.
const MOST_BYTES: u64 = 64 << 20;

/// How much Tesseract writes at most: 64 MiB.
const MOST_OUTPUT: u64 = 64 << 20;

/// What Tesseract may take: a picture of few bytes can be one of very many dots.
const BOUNDS: Bounds = Bounds { memory: 3 << 30, seconds: 300 };

/// How many lines of what the program complains of are told.
const MOST_COMPLAINTS: usize = 3;

/// Binds the operation of `ocr` to its code.
pub(super) fn bind(table: NativeTable) -> NativeTable {
    table.with("ocr", "read", Read).local("ocr")
}

struct Read;

#[async_trait]
impl NativeOperation for Read {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let program = call.config("program").as_str().unwrap_or_default();
        let language = call.arg("language").as_str().or(call.config("language").as_str()).unwrap_or_default();
        let is_code =
            |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !language.split('+').all(is_code) {
            return Err(
                invalid(format!("`{language}` names no languages: write `eng`, or `eng+deu` for several")).into()
            );
        }
        let Value::Int(layout @ 1..=13) = call.arg("layout") else {
            return Err(invalid(format!("`layout` is one of 1 to 13, and not {}", call.arg("layout"))).into());
        };
        let _place =
            PLACES.acquire().await.map_err(|error| invalid(format!("no picture is read any more: {error}")))?;
        let picture = picture(&call).await?;
        let mut command = Command::new(program);
        // Pages are read one beside the other by runs, and not by one of them on all processors.
        command.env("OMP_THREAD_LIMIT", "1").args([
            "stdin",
            "stdout",
            "-l",
            language,
            "--psm",
            &layout.to_string(),
            "tsv",
        ]);
        let table = ran(command, program, language, picture).await?;
        Ok(read(&table)?)
    }
}

/// The bytes of the picture.
async fn picture(call: &NativeCall<'_>) -> Result<Vec<u8>, Failure> {
    let file = call.file("file")?;
    if file.size > MOST_BYTES {
        return Err(invalid(format!("`{}` has {} bytes, and at most {MOST_BYTES} are read", file.name, file.size)));
    }
    let mut reader = call.read(&file).await.map_err(Failure::from)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next().await.map_err(Failure::from)? {
        bytes.extend_from_slice(&chunk);
    }
    if is_picture(&bytes) {
        return Ok(bytes);
    }
    let help = if bytes.starts_with(b"%PDF-") {
        "a PDF tells its text by `pdf.text`, unless its pages are pictures"
    } else {
        "a picture is PNG, JPEG, TIFF, WebP, BMP, GIF or PNM"
    };
    Err(invalid(format!("`{}` is no picture that can be read: {help}", file.name)))
}

/// Says whether bytes begin as a picture does.
fn is_picture(bytes: &[u8]) -> bool {
    let begins: [&[u8]; 8] =
        [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"GIF87a", b"GIF89a", b"\0\0\0\x0cjP  "];
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    let is_pnm = matches!(bytes, [b'P', b'1'..=b'6', next, ..] if next.is_ascii_whitespace());
    is_webp || is_pnm || begins.iter().any(|begin| bytes.starts_with(begin))
}

/// What the program writes.
async fn ran(command: Command, program: &str, language: &str, input: Vec<u8>) -> Result<String, Failure> {
    let ended = child::ran(command, input, MOST_OUTPUT, BOUNDS).await;
    let Ended { status, output, complaints } = ended.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => invalid(format!(
            "the program `{program}` is not there: install Tesseract (Debian, Ubuntu: `apt-get install tesseract-ocr`; macOS: \
             `brew install tesseract`), or say where it lies, `connection … = ocr {{ program: \"…\" }}`"
        )),
        _ => invalid(format!("the program `{program}` does not start: {error}")),
    })?;
    let output = output.and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other));
    match output {
        Ok(output) if status.success() => Ok(output),
        output => {
            let said: Vec<&str> = complaints.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let said = said.get(..MOST_COMPLAINTS.min(said.len())).unwrap_or_default().join("; ");
            if complaints.contains("Failed loading language") {
                return Err(invalid(format!(
                    "Tesseract lacks a language of `{language}`: install it (Debian, Ubuntu: `apt-get install tesseract-ocr-deu` for \
                     `deu`); it says: {said}"
                )));
            }
            let cause = output.err().map(|error| format!(", {error}")).unwrap_or_default();
            Err(invalid(format!("the picture can't be read: Tesseract ended with {status}{cause}: {said}")))
        }
    }
}

/// The result that Tesseract's table is.
fn read(table: &str) -> Result<Value, Failure> {
    let mut words = Vec::new();
    let mut paragraphs: BTreeMap<[i64; 3], BTreeMap<i64, Vec<&str>>> = BTreeMap::new();
    let mut sum = Decimal::ZERO;
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.splitn(12, '\t').collect();
        let [level, page, block, paragraph, line, _, left, top, width, height, confidence, text] = cells.as_slice()
        else {
            return Err(invalid("Tesseract wrote a table of another form: it is of a version that is not known"));
        };
        if *level != "5" || text.trim().is_empty() {
            continue;
        }
        let number = |cell: &str| {
            cell.parse::<i64>().map_err(|_| invalid(format!("Tesseract wrote `{cell}` where a number stands")))
        };
        let confidence = confidence.parse::<Decimal>().unwrap_or_default().max(Decimal::ZERO).round_dp(2);
        let (page, line) = (number(page)?, number(line)?);
        let lines = paragraphs.entry([page, number(block)?, number(paragraph)?]).or_default();
        lines.entry(line).or_default().push(text);
        sum += confidence;
        words.push(Value::record([
            ("text", Value::text(*text)),
            ("confidence", Value::Decimal(confidence)),
            ("page", Value::Int(page)),
            ("line", Value::Int(line)),
            ("left", Value::Int(number(left)?)),
            ("top", Value::Int(number(top)?)),
            ("width", Value::Int(number(width)?)),
            ("height", Value::Int(number(height)?)),
        ]));
    }
    let paragraph = |lines: BTreeMap<i64, Vec<&str>>| {
        lines.into_values().map(|words| words.join(" ")).collect::<Vec<_>>().join("\n")
    };
    let text = paragraphs.into_values().map(paragraph).collect::<Vec<_>>().join("\n\n");
    let average = sum.checked_div(Decimal::from(words.len())).unwrap_or_default().round_dp(2);
    let words = Value::List(words);
    Ok(Value::record([("text", Value::text(text)), ("confidence", Value::Decimal(average)), ("words", words)]))
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_get_to_the_program() {
        for picture in [&b"\x89PNG\r\n\x1a\n..."[..], b"P5\n2 2\n255\n....", b"RIFF....WEBPVP8 ", b"\xff\xd8\xff\xe0"] {
            assert!(is_picture(picture), "{picture:?}");
        }
        for other in [&b""[..], b"/etc/passwd\n", b"https://evil.example/a.png\n", b"P5x", b"RIFF....WAVE", b"%PDF-1.7"]
        {
            assert!(!is_picture(other), "{other:?}");
        }
    }

    #[test]
    fn a_table_becomes_text_and_words() {
        let header = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n";
        let rows = "1\t1\t0\t0\t0\t0\t0\t0\t9\t9\t-1\t\n5\t1\t1\t1\t1\t1\t1\t2\t3\t4\t96.504\tTotal\n5\t1\t1\t1\t1\t2\t5\t2\t3\t4\t91\t9,50\n\
                    5\t1\t1\t1\t2\t1\t1\t9\t3\t4\t90\tEUR\n5\t1\t2\t1\t1\t1\t1\t20\t3\t4\t0\t\t\n5\t1\t2\t1\t1\t2\t1\t20\t3\t4\t80\tThanks\n";
        let told = read(&format!("{header}{rows}")).unwrap();
        assert_eq!(told.get("text"), Some(&Value::text("Total 9,50\nEUR\n\nThanks")));
        assert_eq!(told.get("confidence").unwrap().to_string(), "89.38");
        let Some(Value::List(words)) = told.get("words") else { panic!("{told:?}") };
        assert_eq!(words.len(), 4);
        assert_eq!(words[2].get("top"), Some(&Value::Int(9)));
        assert_eq!(read(header).unwrap().get("confidence").unwrap().to_string(), "0");
        assert!(read("level\n5\t1\n").is_err());
    }
}
