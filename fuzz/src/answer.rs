//! Reads any bytes as an answer of each format: it is read, or is a failure in words.

use flow_model::{boundary, schema::Format};
use flow_runtime::connector::read_answer;

/// What holds of whatever is given.
pub fn answer(bytes: &[u8]) {
    let formats = [
        Format::Auto,
        Format::Json,
        Format::JsonLines,
        Format::Csv(b','),
        Format::Csv(b';'),
        Format::Xml,
        Format::XmlLocal,
        Format::Text,
    ];
    for format in formats {
        match read_answer(bytes, format) {
            Ok(value) => {
                let written = value.to_json();
                let again = boundary::parse(written.to_string().as_bytes(), boundary::Limits::default());
                assert_eq!(again.ok(), Some(written), "what was read can be written, and read again");
            }
            Err(why) => assert!(!why.is_empty()),
        }
    }
}
