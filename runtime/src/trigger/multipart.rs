//! The body of a webhook that is a form with files (RFC 7578): a record of texts and files.

use std::sync::Arc;

use flow_model::{
    file::{File, media_type_of, plain_name},
    value::Value,
};
use indexmap::IndexMap;

use crate::header::{filename, parameters};

/// The boundary that a media type names, if it is that of such a form.
pub(super) fn boundary(media_type: &str) -> Option<String> {
    let (essence, _) = media_type.split_once(';')?;
    let is_form = essence.trim().eq_ignore_ascii_case("multipart/form-data");
    let mut found = parameters(media_type).into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    found.next().map(|(_, value)| value).filter(|boundary| is_form && !boundary.is_empty())
}

/// Reads the form. A name that is there several times, or ends with `[]`, is a list.
///
/// # Errors
/// What does not read: too many parts, one without a name, a text that is not UTF-8, an end that is missing.
pub(super) fn read(bytes: &[u8], boundary: &str, most: usize) -> Result<Value, String> {
    let line = format!("--{boundary}");
    let mut fields = IndexMap::new();
    // What stands before the first boundary belongs to nobody (RFC 2046, section 5.1.1).
    let mut rest = match bytes.strip_prefix(line.as_bytes()) {
        Some(rest) => rest,
        None => until(bytes, format!("\r\n{line}").as_bytes()).ok_or("the form has no part")?.1,
    };
    let end = format!("\r\n{line}");
    for count in 0.. {
        if rest.starts_with(b"--") {
            return Ok(Value::Record(fields));
        }
        if count == most {
            return Err(format!("the form has more than {most} parts"));
        }
        let (_, after) = until(rest, b"\r\n").ok_or("the form breaks off")?;
        let (head, content) = match after.strip_prefix(b"\r\n") {
            Some(content) => (&[] as &[u8], content),
            None => until(after, b"\r\n\r\n").ok_or("the form breaks off within the head of a part")?,
        };
        let (content, next) = until(content, end.as_bytes()).ok_or("the form breaks off within a part")?;
        let (name, value) = part(head, content)?;
        put(&mut fields, &name, value);
        rest = next;
    }
    Ok(Value::Record(fields))
}

/// What stands before the first occurrence, and after it.
fn until<'a>(bytes: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(end.len()).position(|window| window == end)?;
    Some((bytes.get(..at)?, bytes.get(at + end.len()..)?))
}

fn part(head: &[u8], content: &[u8]) -> Result<(String, Value), String> {
    let head = String::from_utf8_lossy(head);
    let header = |wanted: &str| {
        head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let disposition = header("content-disposition").unwrap_or_default();
    let named = parameters(&disposition).into_iter().find(|(name, _)| name.eq_ignore_ascii_case("name"));
    let Some((_, name)) = named else { return Err("a part of the form has no name".to_owned()) };
    let Some(file) = filename(&disposition) else {
        let text = std::str::from_utf8(content).map_err(|_| format!("the part `{name}` of the form is not UTF-8"))?;
        return Ok((name, Value::text(text)));
    };
    let file = plain_name(&file);
    let said =
        header("content-type").map(|said| said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let media_type = said.filter(|said| !said.is_empty()).unwrap_or_else(|| media_type_of(&file).to_owned());
    Ok((name, Value::File(Arc::new(File::with_content(content, file, media_type)))))
}

fn put(fields: &mut IndexMap<String, Value>, name: &str, value: Value) {
    let (name, is_list) = match name.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (name, false),
    };
    match fields.get_mut(name) {
        None => {
            let value = if is_list { Value::List(vec![value]) } else { value };
            fields.insert(name.to_owned(), value);
        }
        Some(Value::List(items)) => items.push(value),
        Some(first) => *first = Value::List(vec![std::mem::replace(first, Value::Null), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "Multipart/Form-Data; boundary=\"x y\"";

    fn form(parts: &[(&str, &str)]) -> Vec<u8> {
        let parts: String =
            parts.iter().map(|(head, content)| format!("--x y\r\n{head}\r\n\r\n{content}\r\n")).collect();
        format!("{parts}--x y--\r\n").into_bytes()
    }

    #[test]
    fn texts_and_files_are_told_apart_and_repeated_names_are_lists() {
        let boundary = boundary(TYPE).unwrap();
        let body = form(&[
            ("Content-Disposition: form-data; name=\"title\"", "Bill\r\n--x"),
            (
                "content-disposition: form-data; name=doc; filename=\"../a.pdf\"\r\nContent-Type: application/PDF; x=y",
                "%PDF",
            ),
            ("Content-Disposition: form-data; name=\"tag\"", "a"),
            ("Content-Disposition: form-data; name=\"tag\"", "b"),
            ("Content-Disposition: form-data; name=\"more[]\"; filename=\"b.csv\"", ""),
        ]);
        let read = read(&body, &boundary, 10).unwrap();
        assert_eq!(read.get("title"), Some(&Value::text("Bill\r\n--x")));
        assert_eq!(read.get("tag"), Some(&Value::List(vec![Value::text("a"), Value::text("b")])));
        let file =
            |content: &str, name: &str, ty: &str| Value::File(File::with_content(content.as_bytes(), name, ty).into());
        assert_eq!(read.get("doc"), Some(&file("%PDF", "a.pdf", "application/pdf")));
        assert_eq!(read.get("more"), Some(&Value::List(vec![file("", "b.csv", "text/csv")])));
    }

    #[test]
    fn what_is_before_the_first_boundary_belongs_to_nobody() {
        let body = [b"preamble\r\n".as_slice(), &form(&[("Content-Disposition: form-data; name=a", "1")])].concat();
        assert_eq!(read(&body, "x y", 10).unwrap(), Value::record([("a", Value::text("1"))]));
        assert_eq!(read(b"--b--", "b", 10).unwrap(), Value::Record(IndexMap::new()));
    }

    #[test]
    fn a_form_that_does_not_read_says_why() {
        let whole = form(&[("Content-Disposition: form-data; name=\"a\"", "1")]);
        for cut in 0..whole.len() - 4 {
            assert!(read(&whole[..cut], "x y", 10).is_err(), "cut at {cut}");
        }
        let why = |parts: &[(&str, &str)]| read(&form(parts), "x y", 1).unwrap_err();
        assert!(why(&[("Content-Disposition: form-data", "1")]).contains("no name"));
        let two = ("Content-Disposition: form-data; name=a", "1");
        assert!(why(&[two, two]).contains("more than 1 parts"));
        let bytes =
            [b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n".as_slice(), &[0xff], b"\r\n--b--"].concat();
        assert!(read(&bytes, "b", 1).unwrap_err().contains("not UTF-8"));
        assert_eq!(boundary("multipart/form-data"), None);
        assert_eq!(boundary("multipart/mixed; boundary=b"), None);
    }
}
