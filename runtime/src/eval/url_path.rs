//! What stays where it stands in the path of a URL?
//!
//! In: a value that is a segment, or a whole path with its escapes. Out: the segment escaped; a refusal of what could leave
//! its place: an empty segment, `.` and `..` in all their forms, an end of the path.

use flow_model::{failure::Failure, value::Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::invalid;

/// What stays as it is in a path segment: the unreserved characters of RFC 3986, section 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value as one segment of a path, or a part of one.
///
/// # Errors
/// `Invalid` when it is none, or would lead elsewhere.
pub(crate) fn segment(value: &Value) -> Result<String, Failure> {
    let text = match value {
        Value::Null | Value::List(_) | Value::Record(_) => {
            return Err(invalid(format!("{} can't be part of a path", value.kind())));
        }
        value => value.to_string(),
    };
    let climbs = |part: &str| part == ".." || part == ".";
    if text.is_empty() || text.contains(char::is_control) || text.split(['/', '\\']).any(climbs) {
        return Err(invalid("a part of the request's path is empty, `.` or `..`, or holds a control character"));
    }
    Ok(utf8_percent_encode(&text, SEGMENT).to_string())
}

/// A whole path with its escapes, put after a base: begins with `/`, ends where the URL ends, and does not climb.
///
/// # Errors
/// `Invalid` when it could lead elsewhere.
pub(crate) fn stays(path: &str) -> Result<(), Failure> {
    let stray = |letter: char| matches!(letter, '?' | '#' | '\\') || letter.is_whitespace() || letter.is_control();
    // The form of a URL reads an escaped dot as a dot (URL Standard, "double-dot URL path segment").
    let climbs = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if !path.starts_with('/') || path.contains(stray) || path.split('/').any(climbs) {
        return Err(invalid(
            "a path begins with `/`, has no segment `.` or `..`, and holds no `?`, `#`, `\\`, white space or control character",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use url::Url;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_one_segment_of_the_path_or_refused(text in r"(\PC|[./\\%?#;@:]){0,12}") {
            if let Ok(written) = segment(&Value::text(text.as_str())) {
                let base: Url = "https://crm.example/api".parse().unwrap();
                let mut url = base.clone();
                url.set_path(&format!("/api/v1/{written}/x"));
                prop_assert_eq!(url.origin(), base.origin());
                prop_assert_eq!(url.query(), None);
                prop_assert_eq!(url.fragment(), None);
                let segments: Vec<&str> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 4);
                prop_assert_eq!(percent_decode_str(segments[2]).decode_utf8().unwrap(), text);
            } else {
                prop_assert!(text.is_empty() || text.split(['/', '\\']).any(|part| part == "." || part == ".."));
            }
        }
    }

    proptest! {
        #[test]
        fn a_path_that_stays_leads_below_the_base(path in r"/?(\PC|[./\\%?#;@:e2E]){0,12}") {
            let base: Url = "https://crm.example/api/v1/".parse().unwrap();
            let mut url = base.clone();
            url.set_path(&format!("/api/v1{path}"));
            if stays(&path).is_ok() {
                prop_assert_eq!(url.origin(), base.origin());
                prop_assert!(url.path().starts_with("/api/v1/"), "{}", url);
                prop_assert_eq!(url.path().matches('/').count(), 2 + path.matches('/').count());
                prop_assert_eq!((url.query(), url.fragment()), (None, None));
            }
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for wrong in [
            "",
            "orders",
            "https://evil.example/",
            "/..",
            "/a/../b",
            "/%2e%2E/b",
            "/.%2e",
            "/.",
            "/a\\..\\b",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\nb",
        ] {
            assert!(stays(wrong).is_err(), "{wrong:?}");
        }
        for right in ["/", "/orders/7", "/a%2Fb", "//host/a", "/..a/b...", "/%2e%2ex"] {
            assert!(stays(right).is_ok(), "{right:?}");
        }
    }
}
