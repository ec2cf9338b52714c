//! `multipart/form-data` (RFC 7578) as bytes.

use flow_model::failure::{ErrorKind, Failure};

use super::payload::Payload;

/// A part.
pub(super) struct Piece {
    pub(super) name: String,
    /// The file name, for a file.
    pub(super) file: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) content: Payload,
}

/// Writes parts: the media type with its boundary, and the body. The boundary follows from the content, so that every
/// attempt sends the same bytes, and does not occur in it: what is in memory is searched, and no one can make a file that
/// holds what follows from its own digest.
///
/// # Errors
/// `Invalid` when a media type can't stand in a header.
pub(super) fn write(pieces: Vec<Piece>, seed: &str) -> Result<(String, Payload), Failure> {
    let boundary = boundary(&pieces, seed);
    let mut body = Payload::default();
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
        body.append(head.into_bytes().into());
        body.append(piece.content);
        body.append(b"\r\n".to_vec().into());
    }
    body.append(format!("--{boundary}--\r\n").into_bytes().into());
    Ok((format!("multipart/form-data; boundary={boundary}"), body))
}

fn boundary(pieces: &[Piece], seed: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let files: String =
        pieces.iter().flat_map(|piece| piece.content.files()).map(|file| format!(" {}", file.sha256)).collect();
    let mut counter = 0u32;
    loop {
        let digest = hex::encode(Sha256::digest(format!("{seed}{files} {counter}")));
        let boundary = format!("flow-{}", digest.get(..32).unwrap_or(&digest));
        let needle = boundary.as_bytes();
        let mut memory = pieces.iter().flat_map(|piece| piece.content.in_memory());
        if !memory.any(|bytes| bytes.windows(needle.len()).any(|window| window == needle)) {
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
            content: b"hello".to_vec().into(),
        };
        let (media_type, body) = write(vec![piece], "key").unwrap();
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap().to_owned();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"a%22%0D%0AX-Evil: 1\"; \
             filename=\"b%22; filename=%22c\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--{boundary}--\r\n"
        );
        let body: Vec<u8> = body.in_memory().flat_map(|bytes| bytes.to_vec()).collect();
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
