//! From bytes to text: size and encoding.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Span},
};

/// Files larger than this are not read: a program that long was not written by a person, and each pass keeps it in
/// memory several times over.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;

/// The text of a file, with what is wrong with its bytes. Of a file that is too large the text is empty; what is not
/// UTF-8 is replaced, so that the rest can be read and shown.
pub(crate) fn decode(bytes: &[u8], file: FileId) -> (String, Option<Diagnostic>) {
    if bytes.len() > LARGEST {
        let message = format!("the file has {} MiB, and at most 16 MiB are read", bytes.len().div_ceil(1024 * 1024));
        let diagnostic = Diagnostic::new(Code::E0104, message, Span::new(file, 0, 0), "");
        return (String::new(), Some(diagnostic.help("split the program into files and join them with `use`")));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(error) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let start = error.valid_up_to();
            let end =
                text.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |bad| start + bad.len_utf8());
            let byte = bytes.get(start).copied().unwrap_or_default();
            let diagnostic = Diagnostic::new(
                Code::E0101,
                "the file is not UTF-8 text",
                Span::new(file, start as u32, end as u32),
                format!("the byte 0x{byte:02x} begins no character"),
            );
            (text, Some(diagnostic.help(hint(bytes))))
        }
    }
}

/// What the bytes look like instead.
fn hint(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        "the file looks like UTF-16: save it as UTF-8 in the editor"
    } else if bytes.contains(&0) {
        "the file looks like a program or an archive, not like text: is it the right file?"
    } else {
        "the file looks like Latin-1 or Windows-1252: save it as UTF-8 in the editor"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_reported_once() {
        let (text, problem) = decode(b"log \"caf\xe9 \xe9\"", FileId(0));
        assert_eq!(text, "log \"caf\u{fffd} \u{fffd}\"");
        let problem = problem.unwrap();
        assert_eq!((problem.code, problem.span().start, problem.span().end), (Code::E0101, 8, 11));
        assert_eq!(problem.labels[0].text, "the byte 0xe9 begins no character");
    }

    #[test]
    fn a_file_may_have_sixteen_mebibytes_and_not_a_byte_more() {
        let mut bytes = vec![b' '; LARGEST];
        assert_eq!(decode(&bytes, FileId(0)).1, None);
        bytes.push(b' ');
        let (text, problem) = decode(&bytes, FileId(0));
        assert_eq!((text.as_str(), problem.unwrap().code), ("", Code::E0104));
    }

    #[test]
    fn the_help_tells_what_the_bytes_look_like() {
        let help = |bytes: &[u8]| decode(bytes, FileId(0)).1.unwrap().help.unwrap();
        assert!(help(b"\xff\xfeu\0s\0e\0").contains("UTF-16"));
        assert!(help(b"\x7fELF\0\x80\xff").contains("archive"));
        assert!(help(b"\xe9").contains("Latin-1"));
    }
}
