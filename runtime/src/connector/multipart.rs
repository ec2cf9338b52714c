//! `multipart/form-data` (RFC 7578) as bytes.

use flow_model::failure::{ErrorKind, Failure};

/// A part.
pub(super) struct Piece {
    pub(super) name: String,
    /// The file name, for a file.
    pub(super) file: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) content: Vec<u8>,
}

/// Writes parts: the media type with its boundary, and the body. The boundary follows from the content, so that every
/// attempt sends the same bytes, and does not occur in it.
///
/// # Errors
/// `Invalid` when a media type can't stand in a header.
pub(super) fn write(pieces: &[Piece], seed: &str) -> Result<(String, Vec<u8>), Failure> {
    let boundary = boundary(pieces, seed);
    let mut body = Vec::new();
    for piece in pieces {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&piece.name));
        if let Some(file) = &piece.file {
            head.push_str(&format!("; filename=\"{}\"", quoted(file)));
        }
        if let Some(media_type) = &piece.media_type {
            if media_type.chars().any(char::is_control) {
                return Err(Failure::new(ErrorKind::Invalid, "a media type can't hold a control character"));
            }
            head.push_str(&format!("\r\nContent-Type: {media_type}"));
        }
        head.push_str("\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&piece.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary={boundary}"), body))
}

fn boundary(pieces: &[Piece], seed: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let mut counter = 0u32;
    loop {
        let digest = hex::encode(Sha256::digest(format!("{seed} {counter}")));
        let boundary = format!("flow-{}", digest.get(..32).unwrap_or(&digest));
        let needle = boundary.as_bytes();
        if !pieces.iter().any(|piece| piece.content.windows(needle.len()).any(|window| window == needle)) {
            return boundary;
        }
        counter += 1;
    }
}

/// Names as HTML's forms write them: quotes and line ends are escaped (WHATWG HTML, "multipart/form-data encoding").
fn quoted(name: &str) -> String {
    let clean: String =
        name.chars().map(|c| if c.is_control() && !matches!(c, '\r' | '\n') { ' ' } else { c }).collect();
    clean.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_not_reach_out_of_its_header() {
        let piece = Piece {
            name: "a\"\r\nX-Evil: 1".into(),
            file: Some("b\"; filename=\"c".into()),
            media_type: Some("text/plain".into()),
            content: b"hello".to_vec(),
        };
        let (media_type, body) = write(&[piece], "key").unwrap();
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap().to_owned();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"a%22%0D%0AX-Evil: 1\"; \
             filename=\"b%22; filename=%22c\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
