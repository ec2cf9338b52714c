//! Functions that take text apart or write it for an address.

use flow_model::{function::StandardFunction, value::Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{
    argument::{Arguments, invalid, length, or_null, texts},
    entry,
};

/// All but what RFC 3986, section 2.3, calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "String.split(self: String, by: Separator, limit?: Positive) -> List<String>",
        "The pieces between the occurrences of a text, at most as many as the limit says; an empty `by` is refused.",
        &[r#""a,b,,c".split(",") == ["a", "b", "", "c"]"#, r#""k=v=w".split("=", 2) == ["k", "v=w"]"#],
        |args| {
            let by = args.text(1)?;
            if by.is_empty() {
                return Err(invalid("`split` needs a text to split at; `characters()` lists the characters"));
            }
            match usize::try_from(args.int_or(2, i64::MAX)?) {
                Ok(limit) if limit > 0 => Ok(texts(args.text(0)?.splitn(limit, by))),
                _ => Err(invalid("the limit of `split` must be at least 1")),
            }
        },
    ),
    entry(
        "String.lines(self: String) -> List<String>",
        "The lines, without their ends.",
        &[r#""a\nb\r\n".lines() == ["a", "b"]"#],
        |args| Ok(texts(args.text(0)?.lines())),
    ),
    entry(
        "String.words(self: String) -> List<String>",
        "The pieces between white space.",
        &[r#"" a  b ".words() == ["a", "b"]"#],
        |args| Ok(texts(args.text(0)?.split_whitespace())),
    ),
    entry(
        "String.characters(self: String) -> List<String>",
        "The characters, each as a text.",
        &[r#""aé".characters() == ["a", "é"]"#],
        |args| Ok(texts(args.text(0)?.chars().map(String::from))),
    ),
    entry(
        "String.slice(self: String, from: Int, to?: Int) -> String",
        "The characters from a position up to another that is not included, or to the end. Negative positions count from the end; what lies outside the text is nothing.",
        &[r#""2026-01-31".slice(0, 4) == "2026""#, r#""invoice".slice(-3) == "ice""#, r#""ab".slice(5) == """#],
        |args| {
            let text = args.text(0)?;
            let count = text.chars().count();
            let (from, to) = super::list::bounds(count, args.int(1)?, args.int_or(2, i64::MAX)?);
            Ok(Value::text(text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>()))
        },
    ),
    entry(
        "String.before(self: String, mark: String) -> String?",
        "What stands before the first occurrence of a text, else null.",
        &[r#""key: a: b".before(": ") == "key""#, r#""key".before(":") == null"#],
        |args| Ok(or_null(args.text(0)?.split_once(args.text(1)?).map(|(before, _)| Value::text(before)))),
    ),
    entry(
        "String.after(self: String, mark: String) -> String?",
        "What stands after the first occurrence of a text, else null.",
        &[r#""key: a: b".after(": ") == "a: b""#],
        |args| Ok(or_null(args.text(0)?.split_once(args.text(1)?).map(|(_, after)| Value::text(after)))),
    ),
    entry(
        "String.index_of(self: String, text: String) -> Int?",
        "The position of the first occurrence of a text, from 0, else null.",
        &[r#""éab".index_of("b") == 2"#, r#""ab".index_of("x") == null"#],
        |args| {
            let text = args.text(0)?;
            let at = text.find(args.text(1)?).and_then(|byte| text.get(..byte));
            Ok(or_null(at.map(|before| length(before.chars().count()))))
        },
    ),
    entry(
        "String.url_encode(self: String) -> String",
        "The text with everything but letters, digits and `-._~` as percent escapes (RFC 3986). Paths and queries of connectors are escaped without it.",
        &[r#""a b&c/é".url_encode() == "a%20b%26c%2F%C3%A9""#],
        |args| Ok(Value::text(utf8_percent_encode(args.text(0)?, RESERVED).to_string())),
    ),
    entry(
        "String.url_decode(self: String) -> String?",
        "The text with its percent escapes resolved, null when the result is not UTF-8.",
        &[r#""a%20b".url_decode() == "a b""#, r#""%FF".url_decode() == null"#],
        |args| Ok(percent_decode_str(args.text(0)?).decode_utf8().map_or(Value::Null, |text| Value::text(&*text))),
    ),
];
