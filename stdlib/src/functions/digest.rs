//! Digests of texts and bytes, and the same under a key (HMAC, RFC 2104).
//!
//! Those of texts are written in hexadecimal, those of bytes are bytes: `.hex()` and `.base64()` write them.

use flow_model::{
    failure::Failure,
    function::{Argument, StandardFunction},
    value::Value,
};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{argument::Arguments, entry};

/// Those of texts.
pub(super) const OF_TEXT: &[StandardFunction] = &[
    entry(
        "String.sha256(self: String) -> String",
        "The SHA-256 of the text's UTF-8, in hexadecimal.",
        &[r#""abc".sha256() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#],
        hex_digest::<Sha256>,
    ),
    entry(
        "String.hmac_sha256(self: String, key: Bytes) -> String",
        "The HMAC-SHA256 of the text's UTF-8 under a key that is no secret, in hexadecimal. Webhooks are verified with `verify:`.",
        &[
            r#""what do ya want for nothing?".hmac_sha256("Jefe") == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843""#,
        ],
        hex_hmac::<Hmac<Sha256>>,
    ),
    entry(
        "String.sha512(self: String) -> String",
        "The SHA-512 of the text's UTF-8, in hexadecimal.",
        &[r#""abc".sha512().starts_with("ddaf35a193617abacc417349ae204131")"#],
        hex_digest::<Sha512>,
    ),
    entry(
        "String.hmac_sha512(self: String, key: Bytes) -> String",
        "The HMAC-SHA512 of the text's UTF-8 under a key that is no secret, in hexadecimal.",
        &[r#""what do ya want for nothing?".hmac_sha512("Jefe").starts_with("164b7a7bfcf819e2e395fbe73b56e0a3")"#],
        hex_hmac::<Hmac<Sha512>>,
    ),
    entry(
        "String.sha1(self: String) -> String",
        "The SHA-1 of the text's UTF-8, in hexadecimal. It is broken, so it proves nothing: for systems that ask for it.",
        &[r#""abc".sha1() == "a9993e364706816aba3e25717850c26c9cd0d89d""#],
        hex_digest::<Sha1>,
    ),
    entry(
        "String.hmac_sha1(self: String, key: Bytes) -> String",
        "The HMAC-SHA1 of the text's UTF-8 under a key that is no secret, in hexadecimal.",
        &[r#""what do ya want for nothing?".hmac_sha1("Jefe") == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79""#],
        hex_hmac::<Hmac<Sha1>>,
    ),
    entry(
        "String.md5(self: String) -> String",
        "The MD5 of the text's UTF-8, in hexadecimal. It is broken, so it proves nothing: for systems that ask for it.",
        &[r#""abc".md5() == "900150983cd24fb0d6963f7d28e17f72""#],
        hex_digest::<Md5>,
    ),
    entry(
        "String.hmac_md5(self: String, key: Bytes) -> String",
        "The HMAC-MD5 of the text's UTF-8 under a key that is no secret, in hexadecimal.",
        &[r#""what do ya want for nothing?".hmac_md5("Jefe") == "750c783e6ab0b503eaa86e310a5db738""#],
        hex_hmac::<Hmac<Md5>>,
    ),
];

/// Those of bytes.
pub(super) const OF_BYTES: &[StandardFunction] = &[
    entry(
        "Bytes.sha256(self: Bytes) -> Bytes",
        "The SHA-256 of the bytes.",
        &[r#""".to_bytes().sha256().hex().starts_with("e3b0c44298fc1c14")"#],
        |args| Ok(Value::Bytes(digest::<Sha256>(args)?.into())),
    ),
    entry(
        "Bytes.hmac_sha256(self: Bytes, key: Bytes) -> Bytes",
        "The HMAC-SHA256 of the bytes under a key that is no secret.",
        &[r#""x".to_bytes().hmac_sha256("key".to_bytes()).length == 32"#],
        |args| Ok(Value::Bytes(hmac::<Hmac<Sha256>>(args)?.into())),
    ),
    entry(
        "Bytes.sha512(self: Bytes) -> Bytes",
        "The SHA-512 of the bytes.",
        &[r#""".to_bytes().sha512().hex().starts_with("cf83e1357eefb8bd")"#],
        |args| Ok(Value::Bytes(digest::<Sha512>(args)?.into())),
    ),
    entry(
        "Bytes.hmac_sha512(self: Bytes, key: Bytes) -> Bytes",
        "The HMAC-SHA512 of the bytes under a key that is no secret.",
        &[r#""x".to_bytes().hmac_sha512("key".to_bytes()).length == 64"#],
        |args| Ok(Value::Bytes(hmac::<Hmac<Sha512>>(args)?.into())),
    ),
    entry(
        "Bytes.sha1(self: Bytes) -> Bytes",
        "The SHA-1 of the bytes. It is broken, so it proves nothing: for systems that ask for it.",
        &[r#""".to_bytes().sha1().hex().starts_with("da39a3ee5e6b4b0d")"#],
        |args| Ok(Value::Bytes(digest::<Sha1>(args)?.into())),
    ),
    entry(
        "Bytes.hmac_sha1(self: Bytes, key: Bytes) -> Bytes",
        "The HMAC-SHA1 of the bytes under a key that is no secret.",
        &[r#""x".to_bytes().hmac_sha1("key").base64() == "KgDo6DQ9+GxMGIsmPuyjMa+jFUg=""#],
        |args| Ok(Value::Bytes(hmac::<Hmac<Sha1>>(args)?.into())),
    ),
    entry(
        "Bytes.md5(self: Bytes) -> Bytes",
        "The MD5 of the bytes. It is broken, so it proves nothing: for systems that ask for it.",
        &[r#""".to_bytes().md5().hex().starts_with("d41d8cd98f00b204")"#],
        |args| Ok(Value::Bytes(digest::<Md5>(args)?.into())),
    ),
    entry(
        "Bytes.hmac_md5(self: Bytes, key: Bytes) -> Bytes",
        "The HMAC-MD5 of the bytes under a key that is no secret.",
        &[r#""x".to_bytes().hmac_md5("key").base64() == "c9ixc7n9Nakz4vaQM/VRww==""#],
        |args| Ok(Value::Bytes(hmac::<Hmac<Md5>>(args)?.into())),
    ),
];

fn digest<D: Digest>(args: &[Argument<'_>]) -> Result<Vec<u8>, Failure> {
    Ok(D::digest(args.bytes(0)?).as_slice().to_vec())
}

fn hmac<M: Mac + KeyInit>(args: &[Argument<'_>]) -> Result<Vec<u8>, Failure> {
    let mut mac = <M as KeyInit>::new_from_slice(args.bytes(1)?).expect("HMAC takes keys of any length");
    mac.update(args.bytes(0)?);
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex_digest<D: Digest>(args: &[Argument<'_>]) -> Result<Value, Failure> {
    Ok(Value::text(hex::encode(digest::<D>(args)?)))
}

fn hex_hmac<M: Mac + KeyInit>(args: &[Argument<'_>]) -> Result<Value, Failure> {
    Ok(Value::text(hex::encode(hmac::<M>(args)?)))
}
