//! An answer that is kept as a file: its bytes go to where files lie, chunk by chunk, and what is known of them is the value.

use flow_model::{
    failure::{ErrorKind, Failure},
    file::{ANY_MEDIA_TYPE, File, plain_name},
};
use http::{
    HeaderMap,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use percent_encoding::percent_decode_str;
use reqwest::Response;
use url::Url;

use super::{
    answer::AnswerBody,
    http::cause,
    pace::{Coming, Stopped, slow},
};
use crate::{blob::Blobs, header::filename};

/// Keeps the body of an answer, unpacked. What breaks off, or is longer than so many bytes, leaves nothing.
///
/// # Errors
/// `Unavailable` when the answer breaks off; `Timeout` when it comes too slowly; what the disk says when it can't be kept.
pub(super) async fn keep(
    response: Response,
    url: &Url,
    host: &str,
    blobs: &dyn Blobs,
    longest: u64,
) -> Result<AnswerBody, Failure> {
    let (name, media_type) = (name(response.headers(), url), media_type(response.headers()));
    let mut coming = Coming::of(response);
    if coming.length().is_some_and(|length| length > longest) {
        return Ok(AnswerBody::TooLarge(longest));
    }
    let mut writer = blobs.create().await?;
    let stopped = |stopped| match stopped {
        Stopped::Broke(error) => {
            let message = format!("the answer of `{host}` broke off: {}", cause(error));
            Failure::new(ErrorKind::Unavailable, message)
        }
        Stopped::Slow => slow(host),
    };
    let mut left = longest;
    while let Some(chunk) = coming.next().await.map_err(stopped)? {
        let Some(rest) = left.checked_sub(chunk.len() as u64) else { return Ok(AnswerBody::TooLarge(longest)) };
        left = rest;
        writer.write(chunk).await?;
    }
    let blob = writer.finish().await?;
    Ok(AnswerBody::Kept(File::new(blob.sha256, blob.size, name, media_type)))
}

/// The media type without its parameters: `text/plain; charset=utf-8` is `text/plain`.
fn media_type(headers: &HeaderMap) -> String {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match said.split(';').next().unwrap_or_default().trim() {
        "" => ANY_MEDIA_TYPE.to_owned(),
        essence => essence.to_ascii_lowercase(),
    }
}

/// The name: as the server calls the file (RFC 6266), else the last part of the URL's path. No part of it is a folder.
fn name(headers: &HeaderMap, url: &Url) -> String {
    let said = headers.get(CONTENT_DISPOSITION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let last = || {
        let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        percent_decode_str(last).decode_utf8_lossy().into_owned()
    };
    plain_name(&said.and_then(|said| filename(&said)).unwrap_or_else(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_server_says_and_never_leads_into_a_folder() {
        let url = Url::parse("https://files.example/a/b%20c.pdf?x=y.z").unwrap();
        let named = |disposition: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_DISPOSITION, http::HeaderValue::from_bytes(disposition.as_bytes()).unwrap());
            name(&headers, &url)
        };
        for (disposition, expected) in [
            ("attachment", "b c.pdf"),
            ("attachment; filename=a.txt", "a.txt"),
            ("attachment; filename = \"a; b.txt\"; size=1", "a; b.txt"),
            (r#"attachment; filename="a\"b.txt""#, "a\"b.txt"),
            ("attachment; FileName=x.txt; filename*=UTF-8''%e2%82%ac%20rates.txt", "€ rates.txt"),
            ("attachment; filename*=iso-8859-1''%e9.txt; filename=e.txt", "e.txt"),
            ("attachment; filename=\"../../etc/passwd\"", "passwd"),
            (r#"attachment; filename="C:\\temp\\a.txt""#, "a.txt"),
            ("attachment; filename=\"..\"", "file"),
            ("attachment; filename=\"\"", "file"),
            ("attachment; inline; filename=z", "z"),
        ] {
            assert_eq!(named(disposition), expected, "{disposition}");
        }
        assert_eq!(name(&HeaderMap::new(), &Url::parse("https://files.example").unwrap()), "file");
    }

    #[test]
    fn a_media_type_is_known_without_its_parameters() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(text));
            media_type(&headers)
        };
        assert_eq!(of("Text/HTML; charset=utf-8"), "text/html");
        assert_eq!(of(" ; x"), ANY_MEDIA_TYPE);
        assert_eq!(media_type(&HeaderMap::new()), ANY_MEDIA_TYPE);
    }
}
