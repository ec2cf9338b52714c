//! Functions of text as a whole. Lengths and positions count Unicode code points, not bytes.

use flow_model::{function::StandardFunction, value::Value};

use super::{
    argument::{Arguments, invalid, length},
    bytes::MOST_BYTES,
    entry,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry("String.length: Int", "The number of characters.", &[r#""Zoë".length == 3"#], |args| {
        Ok(length(args.text(0)?.chars().count()))
    }),
    entry(
        "String.is_empty: Bool",
        "Says whether there is no character.",
        &[r#""".is_empty"#, r#"not " ".is_empty"#],
        |args| Ok(Value::Bool(args.text(0)?.is_empty())),
    ),
    entry(
        "String.upper(self: String) -> String",
        "The text in upper case.",
        &[r#""straße".upper() == "STRASSE""#],
        |args| Ok(Value::text(args.text(0)?.to_uppercase())),
    ),
    entry("String.lower(self: String) -> String", "The text in lower case.", &[r#""EUR".lower() == "eur""#], |args| {
        Ok(Value::text(args.text(0)?.to_lowercase()))
    }),
    entry(
        "String.trim(self: String) -> String",
        "The text without white space at its ends.",
        &[r#""  a b\n".trim() == "a b""#],
        |args| Ok(Value::text(args.text(0)?.trim())),
    ),
    entry(
        "String.contains(self: String, text: String) -> Bool",
        "Says whether the text occurs.",
        &[r#""invoice.pdf".contains(".pdf")"#],
        |args| Ok(Value::Bool(args.text(0)?.contains(args.text(1)?))),
    ),
    entry(
        "String.starts_with(self: String, text: String) -> Bool",
        "Says whether it begins with the text.",
        &[r#""in_123".starts_with("in_")"#],
        |args| Ok(Value::Bool(args.text(0)?.starts_with(args.text(1)?))),
    ),
    entry(
        "String.ends_with(self: String, text: String) -> Bool",
        "Says whether it ends with the text.",
        &[r#""a.csv".ends_with(".csv")"#],
        |args| Ok(Value::Bool(args.text(0)?.ends_with(args.text(1)?))),
    ),
    entry(
        "String.replace(self: String, from: String, to: String) -> String",
        "Replaces each occurrence of a text; an empty `from` is refused.",
        &[r#""a-b-c".replace("-", "_") == "a_b_c""#],
        |args| {
            let (text, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
            if from.is_empty() {
                return Err(invalid("`replace` needs a text to look for"));
            }
            let grown = text.len().saturating_add(text.matches(from).count().saturating_mul(to.len()));
            if grown > MOST_BYTES {
                return Err(invalid(format!("`replace` would make more than {MOST_BYTES} bytes")));
            }
            Ok(Value::text(text.replace(from, to)))
        },
    ),
    entry(
        "String.pad_start(self: String, width: Count, with?: Character) -> String",
        "Puts spaces, or the character given, before the text until it has that width.",
        &[r#""7".pad_start(3, "0") == "007""#, r#""1234".pad_start(3) == "1234""#],
        |args| {
            let fill = padding(args)?;
            Ok(Value::text(format!("{fill}{}", args.text(0)?)))
        },
    ),
    entry(
        "String.pad_end(self: String, width: Count, with?: Character) -> String",
        "Puts spaces, or the character given, after the text until it has that width.",
        &[r#""ab".pad_end(4, ".") == "ab..""#],
        |args| {
            let fill = padding(args)?;
            Ok(Value::text(format!("{}{fill}", args.text(0)?)))
        },
    ),
    entry(
        "String.repeat(self: String, times: Count) -> String",
        "The text that many times.",
        &[r#""ab".repeat(3) == "ababab""#, r#""ab".repeat(0) == """#],
        |args| {
            let text = args.text(0)?;
            let times = args.count(1, "the number of repetitions", MOST_BYTES / text.len().max(1))?;
            Ok(Value::text(text.repeat(times)))
        },
    ),
    entry(
        "String.slug(self: String) -> String",
        "The text as part of an address or file name: its letters and digits in lower case, all else a single `-`.",
        &[r#""Größe: XL / rot".slug() == "größe-xl-rot""#],
        |args| {
            let lower = args.text(0)?.to_lowercase();
            let words: Vec<&str> =
                lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
            Ok(Value::text(words.join("-")))
        },
    ),
    entry(
        "String.mask(self: String, keep?: Count) -> String",
        "Puts `*` in the place of all characters but the last four, or as many as given.",
        &[r#""4242424242424242".mask() == "************4242""#, r#""secret".mask(0) == "******""#],
        |args| {
            let text = args.text(0)?;
            let keep =
                usize::try_from(args.int_or(1, 4)?).map_err(|_| invalid("`mask` can't keep less than nothing"))?;
            let hidden = text.chars().count().saturating_sub(keep);
            let masked = text.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c });
            Ok(Value::text(masked.collect::<String>()))
        },
    ),
    entry(
        "String.to_int(self: String) -> Int?",
        "The integer that the text writes, else null.",
        &[r#""42".to_int() == 42"#, r#""4.2".to_int() == null"#],
        |args| Ok(args.text(0)?.parse().map_or(Value::Null, Value::Int)),
    ),
    entry(
        "String.to_decimal(self: String) -> Decimal?",
        "The decimal that the text writes with a point, else null; never rounded.",
        &[r#""19.90".to_decimal() == 19.9"#, r#""19,90".to_decimal() == null"#],
        |args| Ok(rust_decimal::Decimal::from_str_exact(args.text(0)?).map_or(Value::Null, Value::Decimal)),
    ),
    entry(
        "String.to_bytes(self: String) -> Bytes",
        "The bytes of the text in UTF-8.",
        &[r#""é".to_bytes().length == 2"#],
        |args| Ok(Value::Bytes(args.bytes(0)?.into())),
    ),
];

/// What is missing to the width, made of one character.
fn padding(args: &[flow_model::function::Argument<'_>]) -> Result<String, flow_model::failure::Failure> {
    let with = args.text_or(2, " ")?;
    let mut characters = with.chars();
    let (Some(fill), None) = (characters.next(), characters.next()) else {
        return Err(invalid(format!("padding needs a single character, not `{with}`")));
    };
    let width = args.count(1, "the width", MOST_BYTES / 4)?;
    let missing = width.saturating_sub(args.text(0)?.chars().count());
    Ok(fill.to_string().repeat(missing))
}
