//! Takes secrets out of text by their value, however they are written there: raw, percent-encoded, JSON-escaped, in
//! hexadecimal or in base64 at any offset.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use flow_model::{failure::Failure, value::Value};

use super::SecretText;

/// Shorter text is no secret, and taking it out would make messages unreadable.
const LEAST: usize = 4;

/// Runs of base64 shorter than this occur by chance.
const LEAST_BASE64: usize = 6;

/// Takes the secrets that it was told of out of text.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<Hidden>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

#[derive(Clone)]
struct Hidden {
    name: String,
    text: SecretText,
    /// Fixed forms: base64 at the three offsets in either alphabet, hexadecimal in either case.
    forms: Vec<String>,
}

impl Redactor {
    /// Adds a secret; telling it twice does no harm.
    pub fn add(&mut self, name: &str, text: &SecretText) {
        let known = |hidden: &Hidden| hidden.name == name && hidden.text.reveal() == text.reveal();
        if text.reveal().len() < LEAST || self.secrets.iter().any(known) {
            return;
        }
        let forms = fixed_forms(text.reveal().as_bytes());
        self.secrets.push(Hidden { name: name.to_owned(), text: text.clone(), forms });
        // A secret that contains another goes first, so that nothing of it is left over.
        self.secrets.sort_by_key(|hidden| std::cmp::Reverse(hidden.text.reveal().len()));
    }

    /// Adds what another one was told of.
    pub fn add_all(&mut self, other: &Self) {
        other.secrets.iter().for_each(|hidden| self.add(&hidden.name, &hidden.text));
    }

    /// The text with each secret replaced by `<secret name>`.
    pub fn text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, hidden| hidden.redact(text))
    }

    /// The value with secrets taken out of its texts and keys.
    pub fn value(&self, value: Value) -> Value {
        if self.secrets.is_empty() {
            return value;
        }
        match value {
            Value::String(text) if self.holds(&text) => Value::text(self.text(&text)),
            Value::List(items) => Value::List(items.into_iter().map(|item| self.value(item)).collect()),
            Value::Record(fields) => Value::Record(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let name = if self.holds(&name) { self.text(&name) } else { name };
                        (name, self.value(value))
                    })
                    .collect(),
            ),
            other => other,
        }
    }

    /// The failure with secrets taken out of its message and fields.
    pub fn failure(&self, failure: Failure) -> Failure {
        let fields = failure.fields.into_iter().map(|(name, value)| (name, self.value(value))).collect();
        Failure { kind: failure.kind, message: self.text(&failure.message), fields }
    }

    /// Says whether one of the secrets stands in a text, however it is written.
    pub fn holds(&self, text: &str) -> bool {
        self.secrets.iter().any(|hidden| {
            hidden.find(text.as_bytes(), 0).is_some() || hidden.forms.iter().any(|form| text.contains(form.as_str()))
        })
    }
}

impl Hidden {
    fn redact(&self, text: String) -> String {
        let mark = format!("<secret {}>", self.name);
        let mut clean = String::new();
        let mut from = 0;
        while let Some((start, end)) = self.find(text.as_bytes(), from) {
            clean.push_str(text.get(from..start).unwrap_or_default());
            clean.push_str(&mark);
            from = end;
        }
        clean.push_str(text.get(from..).unwrap_or_default());
        self.forms.iter().fold(clean, |text, form| text.replace(form.as_str(), &mark))
    }

    /// The first place at or after `from` where the secret stands, raw or escaped.
    fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        let first = *self.text.reveal().as_bytes().first()?;
        (from..text.len()).find_map(|start| {
            let could_begin = text.get(start).is_some_and(|byte| *byte == first || matches!(byte, b'%' | b'\\' | b'+'));
            let end = if could_begin { self.end_of_match(text, start)? } else { return None };
            Some((start, end))
        })
    }

    /// Where the secret ends that begins at `start`. Each byte may be raw or escaped, so several ends of what has been
    /// matched so far are followed at once.
    fn end_of_match(&self, text: &[u8], start: usize) -> Option<usize> {
        let mut secret = self.text.reveal().as_bytes();
        let mut at = vec![start];
        while let Some(expected) = secret.first() {
            // An escape `\uXXXX` stands for a character of several bytes.
            let character = std::str::from_utf8(secret).ok().and_then(|rest| rest.chars().next());
            let width = character.map_or(1, char::len_utf8);
            let whole: Vec<usize> = at.iter().filter_map(|at| json_character(text, *at, character)).collect();
            if width > 1 && !whole.is_empty() {
                at = whole;
                secret = secret.get(width..).unwrap_or_default();
                continue;
            }
            let mut next: Vec<usize> = at.iter().flat_map(|at| ends(text, *at, *expected)).chain(whole).collect();
            next.sort_unstable();
            next.dedup();
            if next.is_empty() {
                return None;
            }
            at = next;
            secret = secret.get(1..).unwrap_or_default();
        }
        at.last().copied()
    }
}

/// Where a byte that stands at `at` ends, for each way of writing it.
fn ends(text: &[u8], at: usize, expected: u8) -> impl Iterator<Item = usize> {
    let raw = (text.get(at) == Some(&expected)).then_some(at + 1);
    let plus = (expected == b' ' && text.get(at) == Some(&b'+')).then_some(at + 1);
    let percent = match text.get(at..at + 3) {
        Some([b'%', high, low]) => {
            (hex_digit(*high).zip(hex_digit(*low)).map(|(h, l)| h << 4 | l) == Some(expected)).then_some(at + 3)
        }
        _ => None,
    };
    let short = match text.get(at..at + 2) {
        Some([b'\\', letter]) => {
            let byte = match letter {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'f' => 12,
                b'"' | b'\\' | b'/' => *letter,
                _ => 0,
            };
            (byte == expected && byte != 0).then_some(at + 2)
        }
        _ => None,
    };
    [raw, plus, percent, short].into_iter().flatten()
}

/// Where `\uXXXX` (or a pair of them) that stands at `at` for that character ends.
fn json_character(text: &[u8], at: usize, expected: Option<char>) -> Option<usize> {
    let expected = expected?;
    let unit = |at: usize| match text.get(at..at + 6) {
        Some([b'\\', b'u', digits @ ..]) => {
            digits.iter().try_fold(0_u16, |value, digit| Some(value << 4 | u16::from(hex_digit(*digit)?)))
        }
        _ => None,
    };
    let mut units = [0_u16; 2];
    let units = expected.encode_utf16(&mut units);
    let matches = units.iter().enumerate().all(|(index, expected)| unit(at + 6 * index) == Some(*expected));
    matches.then_some(at + 6 * units.len())
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn fixed_forms(secret: &[u8]) -> Vec<String> {
    let mut forms = vec![hex::encode(secret), hex::encode_upper(secret)];
    for offset in 0..3_usize {
        let mut padded = vec![0; offset];
        padded.extend_from_slice(secret);
        let encoded = STANDARD_NO_PAD.encode(&padded);
        // Only the characters that depend on nothing but the secret's own bits.
        let (from, to) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
        if let Some(own) = encoded.get(from..to).filter(|own| own.len() >= LEAST_BASE64) {
            forms.push(own.to_owned());
            forms.push(own.replace('+', "-").replace('/', "_"));
            forms.push(own.replace('+', "%2B").replace('/', "%2F"));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use flow_model::failure::ErrorKind;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "sk_live/ü+\"x\\ y%41\n~?>";

    fn redactor() -> Redactor {
        let mut redactor = Redactor::default();
        redactor.add("stripe/api_key", &SecretText::new(SECRET));
        redactor
    }

    #[test]
    fn a_secret_is_found_in_each_written_form() {
        let percent = utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string();
        let json = serde_json::to_string(SECRET).unwrap();
        let ascii_json = json.replace('ü', "\\u00fc");
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let basic = STANDARD.encode(format!("user:{SECRET}"));
        let within = URL_SAFE.encode(format!("{{\"a\":\"{SECRET}\"}}"));
        let lower = percent.to_lowercase();
        let encoded = STANDARD.encode(SECRET);
        let hexadecimal = hex::encode(SECRET);
        for form in [SECRET, &percent, &json, &ascii_json, &form, &basic, &within, &lower, &encoded, &hexadecimal] {
            let clean = redactor().text(&format!("before {form} after"));
            assert!(clean.contains("<secret stripe/api_key>"), "{form} -> {clean}");
            assert!(clean.starts_with("before ") && clean.ends_with(" after"), "{clean}");
            assert!(!clean.contains("live") && !clean.contains("x\\"), "{form} -> {clean}");
        }
    }

    #[test]
    fn text_without_a_secret_stays_as_it_is() {
        for text in ["", "sk_live/", "%", "\\u12", "100% of \\ + ü", "<secret other>"] {
            assert_eq!(redactor().text(text), text);
        }
    }

    #[test]
    fn of_two_secrets_the_longer_goes_first() {
        let mut redactor = Redactor::default();
        redactor.add("short", &SecretText::new("token"));
        redactor.add("long", &SecretText::new("token-and-more"));
        assert_eq!(redactor.text("token-and-more, token"), "<secret long>, <secret short>");
    }

    #[test]
    fn failures_and_values_are_cleaned_throughout() {
        let mut failure = Failure::new(ErrorKind::Invalid, format!("bad key {SECRET}"));
        failure.fields.insert("code".into(), Value::List(vec![Value::text(SECRET), Value::Int(1)]));
        let clean = redactor().failure(failure);
        assert_eq!(clean.message, "bad key <secret stripe/api_key>");
        assert_eq!(
            clean.fields.get("code"),
            Some(&Value::List(vec![Value::text("<secret stripe/api_key>"), Value::Int(1)]))
        );
    }

    proptest! {
        #[test]
        fn no_encoding_lets_a_secret_through(
            secret in "\\PC{6,24}",
            (before, after) in ("[a-z \"\\\\%+]{0,9}", "[a-z \"\\\\%+]{0,9}"),
        ) {
            let mut redactor = Redactor::default();
            redactor.add("s", &SecretText::new(secret.as_str()));
            let whole = format!("{before}{secret}{after}");
            let form: String = url::form_urlencoded::byte_serialize(whole.as_bytes()).collect();
            prop_assert!(!redactor.text(&whole).contains(&secret));
            for encoded in [
                utf8_percent_encode(&whole, NON_ALPHANUMERIC).to_string(),
                form,
                serde_json::to_string(&whole).unwrap(),
                STANDARD.encode(&whole),
                URL_SAFE.encode(&whole),
                hex::encode(&whole),
            ] {
                prop_assert!(redactor.text(&encoded).contains("<secret s>"), "{}", encoded);
            }
        }

        #[test]
        fn any_text_is_cleaned_without_a_panic(text in "(\\PC|[%\\\\u0-9a-f]){0,40}", secret in "\\PC{4,8}") {
            let mut redactor = Redactor::default();
            redactor.add("s", &SecretText::new(secret.as_str()));
            prop_assert!(!redactor.text(&text).contains(&secret));
        }
    }
}
