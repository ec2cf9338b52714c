//! Answers that are changed at random, thousands of times: whatever a server sends is read, or is a failure in words.
//! `fuzz/fuzz_targets/answer.rs` looks for more.

use flow_model::{
    boundary::{Limits, parse},
    schema::Format,
    value::Value,
};

use crate::{chance::Seeded, connector::read_answer};

const ROUNDS: usize = 4_000;

const JSON: &[u8] = r#" {"id": 7, "name": "Ada \u00fc \ud83d\ude00", "price": 19.99, "tags": ["a", "b,c"], "big": 9007199254740993, "more": {"x": null, "ok": true, "e": 1e3}} "#.as_bytes();
const LINES: &[u8] = b"{\"id\": 1}\n\n{\"id\": 2, \"of\": [1, 2]}\r\n\"three\"\n";
const CSV: &[u8] = "\u{feff}id;name;\"price; net\"\r\n1;\"Ada \"\"A\"\"\";19,99\r\n2;\"two\nlines\";\r\n".as_bytes();
const COMMAS: &[u8] = b"id,name\n1,\"a, b\"\n2,c";
const XML: &[u8] = "<?xml version=\"1.0\"?><o:Order xmlns:o='urn:o' id=\"7\"><!-- a --><Line sku=\"a&amp;b\">x &lt; y</Line><Line/><Note><![CDATA[ <raw> ]]></Note></o:Order>".as_bytes();

/// What is put in: what the formats are made of, and what is known to hurt.
const PIECES: [&[u8]; 30] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud800",
    b",",
    b":",
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"1e400",
    b"-0",
    b"99999999999999999999",
    b"NaN",
    b"\"id\": 7,",
    b"<",
    b">",
    b"</",
    b"/>",
    b"&",
    b"&#0;",
    b"&lol;",
    b"<!DOCTYPE a [<!ENTITY lol \"lol\">]>",
    b"<![CDATA[",
];

fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Record(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn answers_that_are_changed_at_random_are_read_or_are_a_failure_in_words() {
    for (format, right) in [
        (Format::Json, JSON),
        (Format::Auto, JSON),
        (Format::JsonLines, LINES),
        (Format::Csv(b';'), CSV),
        (Format::Csv(b','), COMMAS),
        (Format::Xml, XML),
        (Format::XmlLocal, XML),
        (Format::Text, CSV),
    ] {
        let drawn = Seeded::new(0xA5);
        assert!(read_answer(right, format).is_ok(), "{format:?}");
        let (mut read, mut refused) = (0, 0);
        for _ in 0..ROUNDS {
            let bytes = drawn.changed(right, 5, &PIECES);
            match read_answer(&bytes, format) {
                Ok(value) => {
                    read += 1;
                    assert!(depth(&value) <= 129, "{format:?}: {}", String::from_utf8_lossy(&bytes));
                    // What was read can be written, and is the same when it is read again.
                    let written = value.to_json();
                    let again = parse(written.to_string().as_bytes(), Limits::default());
                    assert_eq!(again.map_err(|error| error.to_string()), Ok(written), "{format:?}");
                }
                Err(why) => {
                    refused += 1;
                    assert!(!why.is_empty() && !why.contains("panicked"), "{format:?}: {why}");
                }
            }
        }
        assert!(read > ROUNDS / 50, "{format:?}: {read} of {ROUNDS} were read");
        assert!(refused > ROUNDS / 50 || format == Format::Auto, "{format:?}: {refused} were refused");
    }
}
