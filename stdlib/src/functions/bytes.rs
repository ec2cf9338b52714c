//! Functions of bytes: digests and written forms.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{function::StandardFunction, value::Value};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

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
        "Bytes.sha256(self: Bytes) -> Bytes",
        "The SHA-256 of the bytes.",
        &[r#""".to_bytes().sha256().hex().starts_with("e3b0c44298fc1c14")"#],
        |args| Ok(Value::Bytes(Sha256::digest(args.bytes(0)?).as_slice().into())),
    ),
    entry(
        "Bytes.hmac_sha256(self: Bytes, key: Bytes) -> Bytes",
        "The HMAC-SHA256 of the bytes under a key that is no secret.",
        &[r#""x".to_bytes().hmac_sha256("key".to_bytes()).length == 32"#],
        |args| Ok(Value::Bytes(hmac(args.bytes(1)?, args.bytes(0)?).into())),
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

/// HMAC-SHA256 (RFC 2104).
pub(super) fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}
