//! Functions of bytes and their written forms.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use flow_model::{function::StandardFunction, value::Value};

use super::{
    argument::{Arguments, length},
    entry,
};

/// The most bytes of text that a function makes: 16 MiB. What is larger belongs in a file.
pub(super) const MOST_BYTES: usize = 16 << 20;

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry("Bytes.length: Int", "The number of bytes.", &[r#""é".to_bytes().length == 2"#], |args| {
        Ok(length(args.bytes(0)?.len()))
    }),
    entry(
        "Bytes.to_text(self: Bytes) -> String?",
        "The text that the bytes are in UTF-8, else null.",
        &[r#""é".to_bytes().to_text() == "é""#],
        |args| Ok(std::str::from_utf8(args.bytes(0)?).map_or(Value::Null, Value::text)),
    ),
    entry(
        "Bytes.hex(self: Bytes) -> String",
        "The bytes in lower-case hexadecimal.",
        &[r#""az".to_bytes().hex() == "617a""#],
        |args| Ok(Value::text(hex::encode(args.bytes(0)?))),
    ),
    entry(
        "Bytes.base64(self: Bytes) -> String",
        "The bytes in base64 with padding (RFC 4648, section 4).",
        &[r#""Flow".to_bytes().base64() == "Rmxvdw==""#],
        |args| Ok(Value::text(STANDARD.encode(args.bytes(0)?))),
    ),
    entry(
        "Bytes.base64_url(self: Bytes) -> String",
        "The bytes in the base64 of URLs and file names, without padding (RFC 4648, section 5).",
        &[r#""??>".to_bytes().base64_url() == "Pz8-""#, r#""Flow".to_bytes().base64_url() == "Rmxvdw""#],
        |args| Ok(Value::text(URL_SAFE_NO_PAD.encode(args.bytes(0)?))),
    ),
    entry(
        "Bytes.from_base64_url(text: String) -> Bytes?",
        "The bytes that a text writes in the base64 of URLs, with padding or without, else null.",
        &[r#"Bytes.from_base64_url("Rmxvdw")?.to_text() == "Flow""#, r#"Bytes.from_base64_url("Pz8+") == null"#],
        |args| {
            let text = args.text(0)?.trim_end_matches('=');
            Ok(URL_SAFE_NO_PAD.decode(text).map_or(Value::Null, |bytes| Value::Bytes(bytes.into())))
        },
    ),
    entry(
        "Bytes.from_base64(text: String) -> Bytes?",
        "The bytes that a text writes in base64 with padding, else null.",
        &[r#"Bytes.from_base64("Rmxvdw==")?.to_text() == "Flow""#, r#"Bytes.from_base64("?") == null"#],
        |args| Ok(STANDARD.decode(args.text(0)?).map_or(Value::Null, |bytes| Value::Bytes(bytes.into()))),
    ),
    entry(
        "Bytes.from_hex(text: String) -> Bytes?",
        "The bytes that a text writes in hexadecimal, else null.",
        &[r#"Bytes.from_hex("617a")?.to_text() == "az""#],
        |args| Ok(hex::decode(args.text(0)?).map_or(Value::Null, |bytes| Value::Bytes(bytes.into()))),
    ),
];
