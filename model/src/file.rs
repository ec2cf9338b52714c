//! What is known of a file without its bytes?
//!
//! The bytes are found by their digest, in the data folder of the process that runs the flow: [`File`] is what values and
//! journals hold of them. So a value with a file is small whatever the file's size.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest as _;

/// The media type of a file of which nothing better is known (RFC 2046, section 4.5.1).
pub const ANY_MEDIA_TYPE: &str = "application/octet-stream";

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// How many bytes it has.
    pub size: u64,
    /// Its name, without folders.
    pub name: String,
    /// Its media type: `application/pdf`.
    pub mime_type: String,
}

impl File {
    /// A file with these bytes.
    pub fn new(sha256: Sha256, size: u64, name: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self { sha256, size, name: name.into(), mime_type: mime_type.into() }
    }

    /// The file as people and other systems see it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name,
            "mime_type": self.mime_type,
            "size": self.size,
            "sha256": self.sha256.to_string(),
        })
    }
}

/// A digest by SHA-256 (FIPS 180-4), written as 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADigest;

impl fmt::Display for NotADigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest has 64 hexadecimal digits")
    }
}

impl std::error::Error for NotADigest {}

impl FromStr for Sha256 {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotADigest)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_and_other_text_does_not() {
        // FIPS 180-4, example of the empty message.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Sha256::of(b"")));
        for text in ["", "e3", "../../etc/passwd", &empty.replace('e', "x")] {
            assert_eq!(text.parse::<Sha256>(), Err(NotADigest), "{text}");
        }
    }

    #[test]
    fn files_are_the_same_when_all_that_is_known_is() {
        let bill = File::new(Sha256::of(b"a"), 1, "a.txt", "text/plain");
        assert_ne!(bill, File { name: "b.txt".to_owned(), ..bill.clone() });
        assert_eq!(serde_json::from_str::<File>(&serde_json::to_string(&bill).unwrap()).unwrap(), bill);
    }
}
