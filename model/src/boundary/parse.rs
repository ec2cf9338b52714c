//! JSON text from outside, with limits: what may be read into memory?
//!
//! Depth is limited to 128, the number of values by [`Limits`]; a key that occurs twice in one object is refused, since
//! two readers of the same text could see different things (RFC 8259, section 4). Numbers keep their digits.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

/// What JSON from outside may hold. Depth is always limited to 128, the limit of `serde_json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many values, containers included. Default 1,000,000.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { values: 1_000_000 }
    }
}

/// Why text is not acceptable JSON; the message says where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// Reads JSON text.
///
/// # Errors
/// Says what is wrong and where: not UTF-8, a byte-order mark, not JSON, text after the value, too deep, too many
/// values, a key that occurs twice.
pub fn parse(text: &[u8], limits: Limits) -> Result<Json, JsonError> {
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError("the text begins with a byte-order mark, which JSON does not permit".to_owned()));
    }
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(JsonError("there is no text".to_owned()));
    }
    let text = std::str::from_utf8(text)
        .map_err(|error| JsonError(format!("the text is not UTF-8 at byte {}", error.valid_up_to())))?;
    let left = Cell::new(limits.values);
    let mut reader = serde_json::Deserializer::from_str(text);
    let json = Strict { left: &left, most: limits.values }.deserialize(&mut reader).map_err(said)?;
    reader.end().map_err(said)?;
    Ok(json)
}

/// `serde_json`'s messages are lower case and name the place; what follows them would not be Flow's words.
fn said(error: serde_json::Error) -> JsonError {
    JsonError(error.to_string().replace("recursion limit exceeded", "more than 127 levels deep"))
}

/// Builds the tree and counts values.
#[derive(Clone, Copy)]
struct Strict<'a> {
    left: &'a Cell<usize>,
    most: usize,
}

impl Strict<'_> {
    fn count<E: de::Error>(self) -> Result<(), E> {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(E::custom(format_args!("more than {} values", self.most))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

/// The key under which `serde_json` hands over a number with all its digits (its feature `arbitrary_precision`).
const NUMBER: &str = "$serde_json::private::Number";

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::from(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if fields.is_empty() && key == NUMBER {
                let digits: String = map.next_value()?;
                return digits.parse::<Number>().map(Json::Number).map_err(|_| de::Error::custom("not a number"));
            }
            if fields.contains_key(&key) {
                return Err(de::Error::custom(format_args!(
                    "the key {} occurs twice",
                    Json::from(super::shorten(&key))
                )));
            }
            let value = map.next_value_seed(self)?;
            fields.insert(key, value);
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Json, String> {
        parse(text, Limits { values: 1000 }).map_err(|error| error.to_string())
    }

    #[test]
    fn json_reads_with_its_digits_and_the_order_of_its_keys() {
        let text =
            r#" {"z":[1,2.50,-0,1e400,123456789012345678901234567890],"a":{"b":null,"":true},"s":"\ud83d\ude00"} "#;
        let json = read(text.as_bytes()).unwrap();
        assert_eq!(
            json.to_string(),
            r#"{"z":[1,2.50,-0,1e+400,123456789012345678901234567890],"a":{"b":null,"":true},"s":"😀"}"#
        );
    }

    #[test]
    fn text_that_is_not_acceptable_is_refused_and_says_where() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let wide = format!("[{}0]", "0,".repeat(2000));
        for (text, expected) in [
            (b"".as_slice(), "there is no text"),
            (b" \n", "there is no text"),
            (b"\xef\xbb\xbf{}", "byte-order mark"),
            (b"{\"a\":\"\xff\"}", "not UTF-8 at byte 6"),
            (b"{\"a\":1,}", "line 1 column 8"),
            (b"{} {}", "trailing characters"),
            (b"{\"a\":1,\"b\":2,\"a\":3}", "the key \"a\" occurs twice"),
            (b"{\"a\":{\"x\":1,\"x\":1}}", "the key \"x\" occurs twice"),
            (b"\"\\ud800\"", "line 1"),
            (b"NaN", "line 1"),
            (b"[1", "line 1"),
            (deep.as_bytes(), "more than 127 levels deep"),
            (wide.as_bytes(), "more than 1000 values"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    /// Bounds that hold where nothing else is said, each at its edge.
    #[test]
    fn case_15_depth_and_keys_have_bounds_and_a_long_text_has_that_of_whoever_reads_it() {
        let of = |text: String| parse(text.as_bytes(), Limits::default()).map_err(|error| error.to_string());
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(of(nested(127)).is_ok());
        assert!(of(nested(128)).unwrap_err().contains("more than 127 levels deep"));
        let keys = |count: usize| {
            let fields: Vec<String> = (0..count).map(|key| format!("\"{key:x}\":0")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert_eq!(of(keys(999_999)).unwrap().as_object().unwrap().len(), 999_999, "with the object, a million");
        assert!(of(keys(1_000_000)).unwrap_err().contains("more than 1000000 values"));
        assert_eq!(of(format!("\"{}\"", "x".repeat(10 << 20))).unwrap().as_str().unwrap().len(), 10 << 20);
    }

    #[test]
    fn an_object_that_looks_like_a_number_is_one_or_an_error() {
        assert!(read(br#"{"$serde_json::private::Number":"x"}"#).is_err());
    }
}
