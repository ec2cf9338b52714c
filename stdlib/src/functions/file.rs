//! Functions of files. They see what is known of a file, and none of its bytes: those are read by steps.

use std::sync::Arc;

use flow_model::{
    failure::Failure,
    file::{File, media_type_of, plain_name},
    function::StandardFunction,
    value::Value,
};

use super::{
    argument::{Arguments, invalid},
    entry,
};

/// The most parts that a file is cut into: S3 takes no more of an upload ("Amazon S3 multipart upload limits").
const MOST_PARTS: u64 = 10_000;

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "File.name: String",
        "The name, without folders.",
        &[r#""Hello".to_file("notes/hello.txt").name == "hello.txt""#],
        |args| Ok(Value::text(args.file(0)?.name.as_str())),
    ),
    entry(
        "File.mime_type: String",
        "The media type, `application/octet-stream` where nothing better is known.",
        &[r#""a,b".to_file("a.csv").mime_type == "text/csv""#],
        |args| Ok(Value::text(args.file(0)?.mime_type.as_str())),
    ),
    entry("File.size: Size", "How large it is.", &[r#""Hello".to_file("a.txt").size.bytes == 5"#], |args| {
        Ok(Value::Size(args.file(0)?.size))
    }),
    entry(
        "File.sha256: String",
        "The SHA-256 of the bytes in lower-case hexadecimal. Of a part that `chunks` gives it is not known and refused: its bytes have not been read.",
        &[r#""".to_file("a.txt").sha256.starts_with("e3b0c44298fc1c14")"#],
        |args| match args.file(0)? {
            file if file.from.is_none() => Ok(Value::text(file.sha256.to_string())),
            file => Err(invalid(format!("the digest of a part of `{}` is not known", file.name))),
        },
    ),
    entry(
        "File.named(self: File, name: String, mime_type?: String) -> File",
        "The same bytes under another name, with the media type that is given or that the name's ending stands for, else the one before.",
        &[r#""a".to_file("a").named("b.csv").mime_type == "text/csv""#],
        |args| {
            let (file, name) = (args.file(0)?, plain_name(args.text(1)?));
            let mime_type = match (args.at(2), media_type_of(&name)) {
                (Value::Null, flow_model::file::ANY_MEDIA_TYPE) => file.mime_type.clone(),
                _ => media_type(args, 2, &name)?,
            };
            Ok(Value::File(Arc::new(file.named(name, mime_type))))
        },
    ),
    entry(
        "File.chunks(self: File, size: Size) -> List<{ content: File, from: Int, to: Int, total: Int }>",
        "The file in parts of that size, the last one as large as what is left: each with the place of its first byte, the place after its last one, and the size of the whole. Nothing is read. An empty file has one part; more than 10,000 parts are refused.",
        &[
            r#""abcdefgh".to_file("a.txt").chunks(3B).map(part -> part.content.size.bytes) == [3, 3, 2]"#,
            r#""abcdefgh".to_file("a.txt").chunks(3B).map(part -> "{part.from}-{part.to - 1}/{part.total}")[1] == "3-5/8""#,
        ],
        |args| {
            let file = args.file(0)?;
            let Value::Size(size @ 1..) = *args.at(1) else { return Err(invalid("a part has at least one byte")) };
            let count = file.size.div_ceil(size).max(1);
            if count > MOST_PARTS {
                let message = format!("`{}` would have {count} parts; at most {MOST_PARTS} are allowed", file.name);
                return Err(invalid(message));
            }
            let number = |bytes: u64| Value::Int(i64::try_from(bytes).unwrap_or(i64::MAX));
            let part = |index: u64| {
                let from = index * size;
                let content = file.part(from, size);
                let to = from + content.size;
                Value::record([
                    ("content", Value::File(Arc::new(content))),
                    ("from", number(from)),
                    ("to", number(to)),
                    ("total", number(file.size)),
                ])
            };
            Ok(Value::List((0..count).map(part).collect()))
        },
    ),
    entry(
        "String.to_file(self: String, name: String, mime_type?: String) -> File",
        "A file with the UTF-8 of the text. Without a media type, it has the one that the name's ending stands for.",
        &[
            r#""<p>Hello</p>".to_file("hello.html").mime_type == "text/html""#,
            r#""é".to_file("a", "text/plain").size.bytes == 2"#,
        ],
        made,
    ),
    entry(
        "Bytes.to_file(self: Bytes, name: String, mime_type?: String) -> File",
        "A file with the bytes. Without a media type, it has the one that the name's ending stands for.",
        &[r#""%PDF".to_bytes().to_file("a.pdf").mime_type == "application/pdf""#],
        made,
    ),
];

fn made(args: &[flow_model::function::Argument<'_>]) -> Result<Value, Failure> {
    let name = plain_name(args.text(1)?);
    let mime_type = media_type(args, 2, &name)?;
    Ok(Value::File(Arc::new(File::with_content(args.bytes(0)?, name, mime_type))))
}

/// The media type that is given, which has to be one, or that of the name.
fn media_type(args: &[flow_model::function::Argument<'_>], index: usize, name: &str) -> Result<String, Failure> {
    let Value::String(given) = args.at(index) else { return Ok(media_type_of(name).to_owned()) };
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    match given.split_once('/') {
        Some((kind, rest)) if is_token(kind) && is_token(rest) => Ok(given.to_ascii_lowercase()),
        _ => Err(invalid(format!("`{given}` is no media type such as `text/plain`"))),
    }
}
