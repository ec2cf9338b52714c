//! JSON in, a value of the declared type out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use indexmap::IndexMap;
use jiff::{Timestamp, Zoned};
use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::{Mismatch, bounds::within, constant, number, raw::Raw, shorten, text};
use crate::{
    expr::Expr,
    failure::Failure,
    file::{File, media_type_of, plain_name},
    ty::{Field, Format, Type, TypeDef, Types},
    value::{Money, Value},
};

/// Computes a default that is not constant.
type Defaults<'a> = &'a dyn Fn(&Expr) -> Result<Value, Failure>;

/// Reads JSON as values of declared types.
#[derive(Clone, Copy)]
pub struct Decoder<'a> {
    types: &'a Types,
    defaults: Option<Defaults<'a>>,
    /// Whether an integer may stand in quotes.
    quoted: bool,
}

impl<'a> Decoder<'a> {
    /// A decoder that knows these named types and constant defaults.
    pub fn new(types: &'a Types) -> Self {
        Self { types, defaults: None, quoted: false }
    }

    /// The same decoder with an evaluator for the other defaults.
    #[must_use]
    pub fn with_defaults(self, defaults: Defaults<'a>) -> Self {
        Self { defaults: Some(defaults), ..self }
    }

    /// The same decoder for what other systems send: many write numbers of 64 bits in quotes, since JavaScript can't hold them
    /// (ProtoJSON, "JSON Mapping").
    #[must_use]
    pub fn of_other_systems(self) -> Self {
        Self { quoted: true, ..self }
    }

    /// Reads JSON as a value of a type.
    ///
    /// # Errors
    /// What does not fit, with its path.
    pub fn json(&self, json: &Json, ty: &Type) -> Result<Value, Mismatch> {
        self.decode(Raw::Json(json), ty)
    }

    /// Reads a value that holds JSON as a value of a type; what is of the type already is taken as it is.
    ///
    /// # Errors
    /// What does not fit, with its path.
    pub fn value(&self, value: &Value, ty: &Type) -> Result<Value, Mismatch> {
        self.decode(Raw::Value(value), ty)
    }

    /// Reads an object of JSON as a record of these fields: parameters of a flow, a configuration.
    ///
    /// # Errors
    /// What does not fit, with its path.
    pub fn json_fields(&self, json: &Json, fields: &IndexMap<String, Field>) -> Result<Value, Mismatch> {
        self.record(Raw::Json(json), fields).map(Value::Record)
    }

    /// Reads a record whose values hold JSON as a record of these fields.
    ///
    /// # Errors
    /// What does not fit, with its path.
    pub fn value_fields(&self, value: &Value, fields: &IndexMap<String, Field>) -> Result<Value, Mismatch> {
        self.record(Raw::Value(value), fields).map(Value::Record)
    }

    fn decode(&self, raw: Raw<'_>, ty: &Type) -> Result<Value, Mismatch> {
        let fits = || raw.as_is(ty);
        if let Some(value) = fits() {
            return Ok(value);
        }
        let text = || raw.text();
        let by_text = |expected: &str, read: &dyn Fn(&str) -> Option<Value>| match text() {
            Some(content) => {
                read(content).ok_or_else(|| Mismatch::here(expected, format!("the text {}", quoted(content))))
            }
            None => Err(raw.not(expected)),
        };
        let checked = |expected: &str, check: fn(&str) -> bool| match text() {
            Some(content) if check(content) => Ok(Value::text(content)),
            Some(_) => Err(Mismatch::here(expected, "another text")),
            None => Err(raw.not(expected)),
        };
        match ty {
            Type::Unknown | Type::Json | Type::Variable(_) => raw.any(),
            Type::Optional(inner) if !raw.is_null() => self.decode(raw, inner),
            Type::Optional(_) => Ok(Value::Null),
            Type::Null => {
                if raw.is_null() {
                    Ok(Value::Null)
                } else {
                    Err(raw.not("null"))
                }
            }
            Type::Bool => raw.boolean().map(Value::Bool).ok_or_else(|| raw.not("a boolean")),
            Type::String | Type::Text(_) => text().map(Value::text).ok_or_else(|| raw.not("a string")),
            Type::Int if self.quoted && text().is_some_and(is_integer) => {
                let written = text().and_then(|text| text.parse().ok());
                written.map(Value::Int).ok_or_else(|| raw.not("an integer of 64 bits"))
            }
            Type::Int => {
                let number = raw.number().ok_or_else(|| raw.not("an integer"))?;
                let integer = match number.as_ref().map(exact_integer) {
                    Some(Some(integer)) => integer,
                    _ => return Err(raw.not("an integer of 64 bits")),
                };
                Ok(Value::Int(integer))
            }
            Type::Decimal => {
                const EXPECTED: &str = "a decimal of at most 28 digits";
                match (raw.number(), text()) {
                    (Some(number), _) => number.map(Value::Decimal).ok_or_else(|| raw.not(EXPECTED)),
                    (None, Some(content)) => by_text(EXPECTED, &|_| number::decimal(content).map(Value::Decimal)),
                    (None, None) => Err(raw.not("a decimal")),
                }
            }
            Type::Bytes => by_text("bytes in base64", &|text| Some(Value::Bytes(STANDARD.decode(text).ok()?.into())))
                .map_err(
                    |mismatch| {
                        if text().is_some() { Mismatch::here("bytes in base64", "another text") } else { mismatch }
                    },
                ),
            Type::Money(currency) => self.money(raw, currency.as_deref()),
            Type::Timestamp => by_text("a timestamp such as \"2026-01-31T10:00:00Z\"", &|text| {
                text.parse::<Timestamp>().ok().map(Value::Timestamp)
            }),
            Type::Zoned => by_text("a time such as \"2026-01-31T11:00:00+01:00[Europe/Berlin]\"", &|text| {
                text.parse::<Zoned>().ok().map(Value::Zoned)
            }),
            Type::Date => by_text("a day such as \"2026-01-31\"", &|text| text::date(text).map(Value::Date)),
            Type::Duration => by_text("a duration such as \"90s\"", &|text| text::duration(text).map(Value::Duration)),
            Type::Size => match raw.number() {
                Some(number) => number
                    .and_then(|number| exact_integer(&number))
                    .and_then(|bytes| u64::try_from(bytes).ok())
                    .map(Value::Size)
                    .ok_or_else(|| raw.not("a number of bytes")),
                None => {
                    by_text("a number of bytes or a size such as \"4MB\"", &|text| text::size(text).map(Value::Size))
                }
            },
            Type::Email => checked("an e-mail address", text::is_email),
            Type::Url => checked("an absolute URL", text::is_url),
            Type::Uuid => checked("a UUID", text::is_uuid),
            Type::OneOf(texts) => one_of(raw, texts),
            Type::List(item) | Type::Stream(item) => {
                let items = raw.items().ok_or_else(|| raw.not("a list"))?;
                let decode = |(index, raw)| self.decode(raw, item).map_err(|mismatch| mismatch.at(index));
                items.into_iter().enumerate().map(decode).collect::<Result<_, _>>().map(Value::List)
            }
            Type::Map(item) => {
                let entries = raw.entries().ok_or_else(|| raw.not("a map"))?;
                let decode = |(key, raw): (&str, Raw<'_>)| match self.decode(raw, item) {
                    Ok(value) => Ok((key.to_owned(), value)),
                    Err(mismatch) => Err(mismatch.below(key)),
                };
                entries.into_iter().map(decode).collect::<Result<_, _>>().map(Value::Record)
            }
            Type::Record(fields) => self.record(raw, fields).map(Value::Record),
            Type::Named(name) => match self.types.get(name) {
                Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => self.record(raw, fields).map(Value::Record),
                Some(TypeDef::Enum(variants)) => one_of(raw, variants),
                Some(TypeDef::Union { on, cases }) => self.union(raw, on, cases),
                None => Err(raw.not(&format!("of type `{name}`, which is not declared"))),
            },
            Type::File => file(raw),
            Type::Never | Type::Secret(_) | Type::Function(..) => {
                Err(raw.not(&format!("of type `{ty}`, which JSON can't hold")))
            }
        }
    }

    fn record(&self, raw: Raw<'_>, fields: &IndexMap<String, Field>) -> Result<IndexMap<String, Value>, Mismatch> {
        if raw.entries().is_none() {
            return Err(raw.not("a record"));
        }
        fields
            .iter()
            .filter_map(|(name, field)| {
                let json_name = field.json_name.as_deref().unwrap_or(name);
                match self.field(raw.get(json_name), field) {
                    Ok(value) => value.map(|value| Ok((name.clone(), value))),
                    Err(mismatch) => Some(Err(mismatch.below(json_name))),
                }
            })
            .collect()
    }

    /// The value of a field; none where it is absent and may be.
    fn field(&self, raw: Option<Raw<'_>>, field: &Field) -> Result<Option<Value>, Mismatch> {
        let Some(raw) = raw else { return self.absent(field) };
        let value = match field.format {
            Some(format) => self.formatted(raw, &field.ty, format),
            None => self.decode(raw, &field.ty),
        };
        let checked = value.and_then(|value| match within(&value, &field.bounds) {
            Ok(()) => Ok(value),
            Err(mismatch) => Err(mismatch),
        });
        checked.map(Some).map_err(|mismatch| if field.pii { masked(mismatch) } else { mismatch })
    }

    fn absent(&self, field: &Field) -> Result<Option<Value>, Mismatch> {
        match (&field.default, self.defaults) {
            (Some(default), Some(defaults)) => {
                let given = defaults(default);
                given.map(Some).map_err(|failure| Mismatch::here("a value", format!("no default: {failure}")))
            }
            (Some(default), None) => {
                let given = constant::value(default);
                given.map(Some).ok_or_else(|| Mismatch::here("a value", "a default that is not constant"))
            }
            (None, _) if field.ty.is_nullable() => Ok(None),
            (None, _) => Err(Mismatch::here(spoken(&field.ty), "nothing")),
        }
    }

    fn formatted(&self, raw: Raw<'_>, ty: &Type, format: Format) -> Result<Value, Mismatch> {
        match ty {
            Type::Optional(_) if raw.is_null() => Ok(Value::Null),
            Type::Optional(inner) => self.formatted(raw, inner, format),
            Type::List(item) => {
                let items = raw.items().ok_or_else(|| raw.not("a list"))?;
                let decode = |(index, raw)| self.formatted(raw, item, format).map_err(|mismatch| mismatch.at(index));
                items.into_iter().enumerate().map(decode).collect::<Result<_, _>>().map(Value::List)
            }
            Type::Timestamp => {
                let (expected, nanoseconds) = match format {
                    Format::UnixSeconds => ("seconds since 1970", Decimal::from(1_000_000_000)),
                    Format::UnixMillis => ("milliseconds since 1970", Decimal::from(1_000_000)),
                };
                if let Some(value) = raw.as_is(ty) {
                    return Ok(value);
                }
                // 64-bit numbers are text in the JSON of some systems, and .NET once wrote `/Date(1518685950940+0000)/`.
                let written = || raw.text().and_then(|text| number::decimal(of_net(text, format)));
                let timestamp = raw
                    .number()
                    .flatten()
                    .or_else(written)
                    .and_then(|count| count.checked_mul(nanoseconds))
                    .filter(|total| total.fract().is_zero())
                    .and_then(|total| Timestamp::from_nanosecond(total.normalize().mantissa()).ok());
                timestamp.map(Value::Timestamp).ok_or_else(|| raw.not(expected))
            }
            other => self.decode(raw, other),
        }
    }

    fn money(&self, raw: Raw<'_>, currency: Option<&str>) -> Result<Value, Mismatch> {
        let expected = "money such as { \"amount\": \"5.00\", \"currency\": \"EUR\" }";
        if raw.entries().is_none() {
            return Err(raw.not(expected));
        }
        let absent = |name: &str, what: &str| Mismatch::here(what, "nothing").below(name);
        let amount = raw.get("amount").ok_or_else(|| absent("amount", "a decimal"))?;
        let amount = match self.decode(amount, &Type::Decimal).map_err(|mismatch| mismatch.below("amount"))? {
            Value::Decimal(amount) => amount,
            other => return Err(Mismatch::here("a decimal", other.kind()).below("amount")),
        };
        let code = raw.get("currency").ok_or_else(|| absent("currency", "a currency"))?;
        let text = code.text().ok_or_else(|| code.not("a currency").below("currency"))?;
        let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_code || currency.is_some_and(|currency| currency != text) {
            let expected =
                currency.map_or("a currency of three capital letters".to_owned(), |code| format!("{code:?}"));
            return Err(Mismatch::here(expected, format!("the text {}", quoted(text))).below("currency"));
        }
        Ok(Value::Money(Money { amount, currency: text.to_owned() }))
    }

    fn union(&self, raw: Raw<'_>, on: &str, cases: &IndexMap<String, Type>) -> Result<Value, Mismatch> {
        if raw.entries().is_none() {
            return Err(raw.not("a record"));
        }
        let expected = || alternatives(cases.keys().map(String::as_str));
        let Some(tag) = raw.get(on) else { return Err(Mismatch::here(expected(), "nothing").below(on)) };
        let text = tag.text().ok_or_else(|| tag.not(&expected()).below(on))?;
        let Some(case) = cases.get(text) else {
            return Err(Mismatch::here(expected(), format!("the text {}", quoted(text))).below(on));
        };
        let mut value = self.decode(raw, case)?;
        if let Value::Record(fields) = &mut value {
            fields.entry(on.to_owned()).or_insert_with(|| Value::text(text));
        }
        Ok(value)
    }
}

/// Says whether a text is an integer and nothing else.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The milliseconds in `/Date(1518685950940+0000)/` (Microsoft, "Stand-Alone JSON Serialization", DateTime wire format): the
/// offset says where it was written, and changes nothing.
fn of_net(text: &str, format: Format) -> &str {
    let inner = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/"));
    let Some(inner) = inner.filter(|_| format == Format::UnixMillis) else { return text };
    let signed = inner.strip_prefix('-').unwrap_or(inner);
    let end = signed.find(['+', '-']).map_or(inner.len(), |at| at + inner.len() - signed.len());
    inner.get(..end).unwrap_or(inner)
}

/// A file in JSON: its `name`, and its bytes as `text` or in `base64`; a `mime_type` where the name does not say it.
fn file(raw: Raw<'_>) -> Result<Value, Mismatch> {
    const EXPECTED: &str = "a file such as {\"name\": \"a.txt\", \"text\": \"…\"}";
    if raw.entries().is_none() {
        return Err(raw.not(EXPECTED));
    }
    let text = |name: &str| match raw.get(name) {
        Some(field) if !field.is_null() => match field.text() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(field.not("a string").below(name)),
        },
        _ => Ok(None),
    };
    let Some(name) = text("name")? else { return Err(Mismatch::here(EXPECTED, "a record without `name`")) };
    let name = plain_name(&name);
    let content = match (text("text")?, text("base64")?) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => {
            STANDARD.decode(base64).map_err(|_| Mismatch::here("bytes in base64", "another text").below("base64"))?
        }
        _ => return Err(Mismatch::here(EXPECTED, "a record without `text` or `base64`")),
    };
    let mime_type = text("mime_type")?.unwrap_or_else(|| media_type_of(&name).to_owned());
    Ok(Value::File(File::with_content(content, name, mime_type).into()))
}

fn exact_integer(number: &Decimal) -> Option<i64> {
    number::integer(*number)
}

fn one_of(raw: Raw<'_>, texts: &[String]) -> Result<Value, Mismatch> {
    let expected = || alternatives(texts.iter().map(String::as_str));
    match raw.text() {
        Some(text) if texts.iter().any(|one| one == text) => Ok(Value::text(text)),
        Some(text) => Err(Mismatch::here(expected(), format!("the text {}", quoted(text)))),
        None => Err(raw.not(&expected())),
    }
}

fn alternatives<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.map(|text| format!("{text:?}")).collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        all => format!("one of {}", all.join(", ")),
    }
}

fn quoted(text: &str) -> String {
    format!("{:?}", shorten(text))
}

/// What a person calls a value of the type.
fn spoken(ty: &Type) -> String {
    match ty {
        Type::Bool => "a boolean".to_owned(),
        Type::String | Type::Text(_) => "a string".to_owned(),
        Type::Int => "an integer".to_owned(),
        Type::Decimal => "a decimal".to_owned(),
        Type::List(_) | Type::Stream(_) => "a list".to_owned(),
        Type::Map(_) => "a map".to_owned(),
        Type::Record(_) => "a record".to_owned(),
        Type::OneOf(texts) => alternatives(texts.iter().map(String::as_str)),
        other => format!("`{other}`"),
    }
}

fn masked(mismatch: Mismatch) -> Mismatch {
    let found = match mismatch.found {
        found if found.starts_with("the text ") => "another text".to_owned(),
        found if found.starts_with("the number ") => "another number".to_owned(),
        found => found,
    };
    Mismatch { found, ..mismatch }
}
