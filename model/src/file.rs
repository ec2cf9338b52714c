//! What is known of a file without its bytes?
//!
//! The bytes are found by their digest, in the data folder of the process that runs the flow: [`File`] is what values and
//! journals hold of them. So a value with a file is small whatever the file's size. A file that a program makes of a text
//! has its bytes with it, as the text had them.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest as _;

/// The media type of a file of which nothing better is known (RFC 2046, section 4.5.1).
pub const ANY_MEDIA_TYPE: &str = "application/octet-stream";

/// A file, or a part of one.
#[derive(Clone, Serialize, Deserialize)]
pub struct File {
    /// The digest of its bytes; of a part, the digest of the whole file's.
    pub sha256: Sha256,
    /// How many bytes it has.
    pub size: u64,
    /// Its name, without folders.
    pub name: String,
    /// Its media type: `application/pdf`.
    pub mime_type: String,
    /// For a part of a file in the data folder: where it begins there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The bytes, where they came as a value; those of other files lie in the data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

impl File {
    /// A file whose bytes lie in the data folder.
    pub fn new(sha256: Sha256, size: u64, name: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self { sha256, size, name: name.into(), mime_type: mime_type.into(), from: None, content: None }
    }

    /// A file with its bytes.
    pub fn with_content(content: impl Into<Arc<[u8]>>, name: impl Into<String>, mime_type: impl Into<String>) -> Self {
        let content = content.into();
        let content_size = content.len() as u64;
        let file = Self::new(Sha256::of(&content), content_size, name, mime_type);
        Self { content: Some(Content(content)), ..file }
    }

    /// The bytes, if the file has them with it.
    pub fn content(&self) -> Option<&Arc<[u8]>> {
        self.content.as_ref().map(|Content(bytes)| bytes)
    }

    /// The same file, whose bytes lie in the data folder.
    #[must_use]
    pub fn without_content(&self) -> Self {
        Self { content: None, ..self.clone() }
    }

    /// The same bytes under another name.
    #[must_use]
    pub fn named(&self, name: impl Into<String>, mime_type: impl Into<String>) -> Self {
        Self { name: name.into(), mime_type: mime_type.into(), ..self.clone() }
    }

    /// A part of the file: so many bytes from the given one, as far as there are any.
    #[must_use]
    pub fn part(&self, from: u64, most: u64) -> Self {
        let from = from.min(self.size);
        let size = most.min(self.size - from);
        match &self.content {
            Some(Content(bytes)) => {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                let part = bytes.get(place(from)..place(from + size)).unwrap_or_default();
                Self::with_content(part, self.name.as_str(), self.mime_type.as_str())
            }
            None if size == self.size => self.clone(),
            None => Self { size, from: Some(self.from.unwrap_or(0) + from), ..self.clone() },
        }
    }

    /// The file as people and other systems see it.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({ "name": self.name, "mime_type": self.mime_type, "size": self.size });
        if let serde_json::Value::Object(fields) = &mut json
            && self.from.is_none()
        {
            fields.insert("sha256".to_owned(), self.sha256.to_string().into());
        }
        json
    }
}

/// Where the bytes are does not make it another file.
impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        let known = |file: &Self| (file.sha256, file.size, file.from);
        known(self) == known(other) && self.name == other.name && self.mime_type == other.mime_type
    }
}

impl Eq for File {}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("File").field(&self.to_json().to_string()).finish()
    }
}

/// Bytes, written in base64.
#[derive(Clone)]
struct Content(Arc<[u8]>);

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(|bytes| Self(bytes.into())).map_err(de::Error::custom)
    }
}

/// The media type that the ending of a name stands for; [`ANY_MEDIA_TYPE`] where it is not one of the usual ones. The types
/// are those of IANA's registry, for text in UTF-8.
pub fn media_type_of(name: &str) -> &'static str {
    let Some((_, ending)) = name.rsplit_once('.') else { return ANY_MEDIA_TYPE };
    match ending.to_ascii_lowercase().as_str() {
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "xml" => "application/xml",
        "json" => "application/json",
        "ndjson" | "jsonl" => "application/x-ndjson",
        "yaml" | "yml" => "application/yaml",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "eml" => "message/rfc822",
        "pdf" => "application/pdf",
        "rtf" => "application/rtf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "tar" => "application/x-tar",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "tif" | "tiff" => "image/tiff",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => ANY_MEDIA_TYPE,
    }
}

/// A name as a file may have it: the last part of a path, without control characters, at most 120 characters; `file` where
/// nothing is left. So no name leads into another folder.
pub fn plain_name(name: &str) -> String {
    const LONGEST: usize = 120;
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    match clean.trim() {
        "" | "." | ".." => "file".to_owned(),
        name => name.to_owned(),
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
        assert_ne!(bill, bill.named("b.txt", "text/plain"));
        assert_eq!(serde_json::from_str::<File>(&serde_json::to_string(&bill).unwrap()).unwrap(), bill);
        let whole = File::with_content(b"a".as_slice(), "a.txt", "text/plain");
        assert_eq!(whole, bill, "where the bytes are does not matter");
        let read: File = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
        assert_eq!(read.content().map(|bytes| &**bytes), Some(b"a".as_slice()));
        assert!(whole.without_content().content().is_none());
    }

    #[test]
    fn a_part_is_of_the_same_bytes() {
        let far = File::new(Sha256::of(b"hello"), 5, "a.txt", "text/plain");
        let part = far.part(1, 3);
        assert_eq!((part.sha256, part.from, part.size), (far.sha256, Some(1), 3));
        assert_eq!((part.part(1, 10).from, part.part(1, 10).size), (Some(2), 2), "a part of a part");
        assert_eq!((far.part(9, 1).size, far.part(0, 5).from), (0, None));
        let near = File::with_content(b"hello".as_slice(), "a.txt", "text/plain").part(1, 3);
        assert_eq!((near.content().map(|bytes| &**bytes), near.from), (Some(b"ell".as_slice()), None));
        assert_eq!(near.sha256, Sha256::of(b"ell"));
        assert_eq!(far.to_json().get("sha256").is_some(), part.to_json().get("sha256").is_none());
    }

    #[test]
    fn names_are_plain_and_say_the_media_type() {
        let long = "x".repeat(1000);
        for (name, expected) in
            [("a/b.txt", "b.txt"), (r"C:\a.txt", "a.txt"), ("..", "file"), (" a\n ", "a"), ("", "file")]
        {
            assert_eq!(plain_name(name), expected);
        }
        assert_eq!(plain_name(&long).len(), 120);
        assert_eq!(
            (media_type_of("A.PDF"), media_type_of("pdf"), media_type_of("a.b.c")),
            ("application/pdf", ANY_MEDIA_TYPE, ANY_MEDIA_TYPE)
        );
    }
}
