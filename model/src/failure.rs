//! Why a step or a run did not succeed.

use std::{fmt, str::FromStr};

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{mask::Mask, value::Value};

/// How long a field is at most that stands in words, in characters.
const LONGEST: usize = 80;

/// The kind of a failure: what `catch` and `retry { on: … }` name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The request was wrong: repeating it unchanged fails again. Also a fault of an expression (division by zero).
    Invalid,
    /// The credential is missing, wrong or expired.
    Unauthorized,
    /// The credential is right and does not permit this.
    Forbidden,
    /// The thing named does not exist.
    NotFound,
    /// The state of the thing named does not permit this.
    Conflict,
    /// Too many requests.
    RateLimited,
    /// The system could not be reached or says that it can't answer now.
    Unavailable,
    /// No answer within the time allowed.
    Timeout,
    /// A business refusal, such as a declined card.
    Rejected,
    /// The answer does not fit the declared type.
    Mismatch,
    /// Whether the call took effect is not known, and it is not safe to repeat.
    Interrupted,
    /// An error declared by a program or a connector.
    Declared(String),
}

impl ErrorKind {
    /// The kinds that every connector maps to, in the order of the language reference.
    pub const BUILT_IN: [Self; 11] = [
        Self::Invalid,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::RateLimited,
        Self::Unavailable,
        Self::Timeout,
        Self::Rejected,
        Self::Mismatch,
        Self::Interrupted,
    ];

    /// The kinds that any call can end with: what it was given is wrong, the other side can't be reached or is late, what
    /// came back does not fit.
    pub const OF_EVERY_CALL: [Self; 4] = [Self::Invalid, Self::Unavailable, Self::Timeout, Self::Mismatch];

    /// The name as programs write it.
    pub fn name(&self) -> &str {
        match self {
            Self::Invalid => "Invalid",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::RateLimited => "RateLimited",
            Self::Unavailable => "Unavailable",
            Self::Timeout => "Timeout",
            Self::Rejected => "Rejected",
            Self::Mismatch => "Mismatch",
            Self::Interrupted => "Interrupted",
            Self::Declared(name) => name,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads any name; one that is not built in is a declared error.
impl FromStr for ErrorKind {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let built_in = Self::BUILT_IN.into_iter().find(|kind| kind.name() == name);
        Ok(built_in.unwrap_or_else(|| Self::Declared(name.to_owned())))
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ErrorKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(name.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}))
    }
}

/// A failure with its cause in words and, for declared errors, its fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What `catch` matches.
    pub kind: ErrorKind,
    /// The cause as a person reads it; holds no secret.
    pub message: String,
    /// The fields of a declared error, and what the connector picked from the answer (`status`, `code`).
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub fields: IndexMap<String, Value>,
}

impl Failure {
    /// A failure without fields.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), fields: IndexMap::new() }
    }

    /// What a program ends with by `fail`: its words are those that it gives as `reason`, if it does and they are not personal.
    /// Words get to where fields do not: into what is told of a run and into other failures.
    pub fn said(kind: ErrorKind, fields: IndexMap<String, Value>, personal: &Mask) -> Self {
        let is_shown = !personal.whole && personal.fields.get(REASON).is_none_or(Mask::is_empty);
        let words = fields.get(REASON).and_then(Value::as_str).filter(|_| is_shown);
        let message = words.map_or_else(|| wordless(&kind), str::to_owned);
        Self { kind, message, fields }
    }

    /// The same with the fields as people may see them, and without words that were taken from a field that is hidden.
    #[must_use]
    pub fn hiding(self, mask: &Mask) -> Self {
        let words =
            |fields: &IndexMap<String, Value>| fields.get(REASON).and_then(Value::as_str) == Some(&self.message);
        let was_said = words(&self.fields);
        let fields = match mask.apply(Value::Record(self.fields)) {
            Value::Record(fields) => fields,
            _ => IndexMap::new(),
        };
        let message = if was_said && !words(&fields) { wordless(&self.kind) } else { self.message };
        Self { fields, message, ..self }
    }

    /// Kind and cause in a line. An error of a program that gave it no words is told by its fields, each up to 80 characters:
    /// what is personal among them is to be [hidden](Self::hiding) before.
    pub fn in_words(&self) -> String {
        let Self { kind, message, fields } = self;
        if fields.is_empty() || *message != wordless(kind) {
            return self.to_string();
        }
        let shown = |(name, value): (&String, &Value)| {
            let value = value.to_json().to_string();
            match value.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{name}: {}…", value.get(..end).unwrap_or_default()),
                None => format!("{name}: {value}"),
            }
        };
        let fields: Vec<String> = fields.iter().map(shown).collect();
        format!("the flow says `fail {kind}({})`", fields.join(", "))
    }

    /// The value that `catch { Kind as e => … }` binds: `kind`, `message`, then the fields.
    pub fn to_value(&self) -> Value {
        let mut record = IndexMap::new();
        record.insert("kind".to_owned(), Value::String(self.kind.name().into()));
        record.insert("message".to_owned(), Value::String(self.message.as_str().into()));
        for (name, value) in &self.fields {
            record.insert(name.clone(), value.clone());
        }
        Value::Record(record)
    }
}

/// The field of a declared error that is its words. A field `message` can't be declared: by that name programs read these words.
const REASON: &str = "reason";

/// What is said of an error that a program gives no words.
fn wordless(kind: &ErrorKind) -> String {
    format!("the flow says `fail {kind}`")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<const N: usize>(fields: [(&str, &str); N]) -> Failure {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), Value::text(value))).collect();
        Failure::said(ErrorKind::Declared("Refused".into()), fields, &Mask::default())
    }

    #[test]
    fn an_error_without_words_is_told_by_its_fields_and_one_with_words_by_these() {
        let shown = |failure: Failure| failure.in_words();
        let of_two = refused([("why", "too late"), ("order", "o-1")]);
        assert_eq!(shown(of_two), r#"the flow says `fail Refused(why: "too late", order: "o-1")`"#);
        assert_eq!(shown(refused([])), "Refused: the flow says `fail Refused`");
        assert_eq!(shown(refused([("reason", "too late"), ("order", "o-1")])), "Refused: too late");
        let long = shown(refused([("why", &"ö".repeat(1000))]));
        assert_eq!(long.chars().filter(|letter| *letter == 'ö').count(), LONGEST - 1);
        assert!(long.ends_with("…)`"), "{long}");
    }

    #[test]
    fn what_is_personal_in_the_fields_is_not_told() {
        let mask = Mask { fields: [("who".to_owned(), Mask::all())].into(), ..Mask::default() };
        let hidden = refused([("why", "late"), ("who", "jenny")]).hiding(&mask);
        assert_eq!(hidden.in_words(), r#"the flow says `fail Refused(why: "late", who: "***")`"#);
        assert_eq!(
            refused([("who", "jenny")]).hiding(&Mask::all()).in_words(),
            "Refused: the flow says `fail Refused`"
        );
    }

    #[test]
    fn words_that_are_personal_are_told_nowhere() {
        let hides = |name: &str| Mask { fields: [(name.to_owned(), Mask::all())].into(), ..Mask::default() };
        let fields = || [("reason", Value::text("of jenny")), ("order", Value::text("o-1"))];
        let said = |mask: &Mask| {
            let fields = fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Failure::said(ErrorKind::Declared("Refused".into()), fields, mask)
        };
        assert_eq!(said(&hides("order")).to_string(), "Refused: of jenny");
        for mask in [hides("reason"), Mask::all()] {
            let personal = said(&mask);
            assert_eq!(personal.to_string(), "Refused: the flow says `fail Refused`");
            assert_eq!(personal.fields["reason"], Value::text("of jenny"), "the program has it");
            // What was said before that was known.
            assert_eq!(said(&Mask::default()).hiding(&mask), personal.hiding(&mask));
        }
        let shown = said(&Mask::default()).hiding(&hides("reason")).in_words();
        assert_eq!(shown, r#"the flow says `fail Refused(reason: "***", order: "o-1")`"#);
        assert_eq!(said(&Mask::default()).hiding(&hides("order")).to_string(), "Refused: of jenny");
    }
}
