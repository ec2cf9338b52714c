//! Recorded pairs: what an operation sends, what the system answered to it, and what becomes of that; and what the system
//! sends by itself, with what becomes of it.
//!
//! In: the files of a folder, each with one pair or a list of them. Out: the pairs. They are replayed against the
//! connector as it is declared now ([`replay`], [`delivery`]), and requests held against the vendor's description ([`spec`]),
//! also those of calls that are made up ([`made_up`]).

pub(crate) mod delivery;
pub(crate) mod made_up;
pub(crate) mod replay;
pub(crate) mod spec;

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{
    exit::Exit,
    program,
    trouble::{Trouble, said},
};

/// What was recorded.
pub(crate) enum Record {
    /// What an operation sends, and the answer.
    Pair(Box<Pair>),
    /// What the system sends by itself.
    Delivery(Box<delivery::Recorded>),
}

/// A request and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    /// What it shows, in a few words; the name of the file where it says nothing.
    #[serde(default)]
    pub(crate) about: String,
    /// The operation: `refunds.create`.
    pub(crate) operation: String,
    /// The types that the caller gives, as Flow writes them: `["{ id: Int }"]`.
    #[serde(default)]
    pub(crate) types: Vec<String>,
    /// Its arguments by name, as JSON writes them.
    #[serde(default)]
    pub(crate) with: Map<String, Json>,
    /// Settings of the connection. A secret is its name; those that must be set need none: they are made up.
    #[serde(default)]
    pub(crate) settings: Map<String, Json>,
    /// Where the page of a stream begins, as the page before says it; the first one where it is left out.
    #[serde(default)]
    pub(crate) page: Option<Json>,
    /// What has to be sent.
    pub(crate) request: Sent,
    /// What comes back.
    pub(crate) answer: Answer,
    /// The result, as JSON writes it; of records, only the fields that stand here count.
    #[serde(default, deserialize_with = "present")]
    pub(crate) result: Option<Json>,
    /// How it fails, in the place of a result.
    pub(crate) fails: Option<Fails>,
}

/// A request as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    pub(crate) method: String,
    /// After the base URL, with its escapes: `/v1/refunds`.
    pub(crate) path: String,
    /// By name; a name that comes several times has a list.
    #[serde(default)]
    pub(crate) query: BTreeMap<String, Json>,
    /// Those that matter, by name; the case of a name makes no difference.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// JSON, the fields of a form, or text; none where nothing is sent.
    #[serde(default)]
    pub(crate) body: Option<Json>,
}

/// An answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    #[serde(default = "ok")]
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// JSON, or text where `headers` has another `Content-Type`.
    #[serde(default)]
    pub(crate) body: Json,
}

/// A failure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fails {
    /// `NotFound`, or an error of the connector.
    pub(crate) kind: String,
    /// A part of its message.
    #[serde(default)]
    pub(crate) message: String,
    /// The fields that matter: `status`, `code`, those of a declared error.
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, Json>,
}

fn ok() -> u16 {
    200
}

/// A value that is there, null among them.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    More(Vec<Json>),
    One(Json),
}

/// The pairs of a folder by file, in order of the names.
///
/// # Errors
/// The folder or a file can't be read, or a file holds no pairs.
pub(crate) fn pairs(folder: &Path) -> Result<Vec<(String, Vec<Record>)>, Trouble> {
    let unreadable = |error: std::io::Error| {
        Trouble::new(Exit::Usage, format!("there are no recorded pairs in `{}`: {}", folder.display(), said(&error)))
            .help("name the folder with `--pairs`; docs/connectors.md shows how a pair is written")
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Trouble::new(Exit::Usage, format!("`{}` has no `.json` file with pairs", folder.display()))
            .help("docs/connectors.md shows how a pair is written"));
    }
    let read = |path: std::path::PathBuf| {
        let wrong = |error: serde_json::Error| {
            Trouble::new(Exit::Program, format!("`{}` holds no recorded pair: {error}", path.display()))
                .help("docs/connectors.md shows how a pair is written")
        };
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let written = match serde_json::from_str(&program::text(&path)?).map_err(wrong)? {
            OneOrMore::More(list) => list,
            OneOrMore::One(one) => vec![one],
        };
        let records: Result<Vec<_>, _> = written.into_iter().map(|written| record(written, &name)).collect();
        let records = records.map_err(wrong)?;
        Ok((name, records))
    };
    files.into_iter().map(read).collect()
}

/// A pair or a delivery; the name of the file stands for what it does not say of itself.
fn record(written: Json, file: &str) -> Result<Record, serde_json::Error> {
    let named = |about: &mut String| {
        if about.is_empty() {
            file.clone_into(about);
        }
    };
    if written.get("delivery").is_some() {
        let mut delivery: Box<delivery::Recorded> = serde_json::from_value(written)?;
        named(&mut delivery.about);
        return Ok(Record::Delivery(delivery));
    }
    let mut pair: Box<Pair> = serde_json::from_value(written)?;
    named(&mut pair.about);
    Ok(Record::Pair(pair))
}

/// What is otherwise than expected, with the path to it; of objects, only the expected fields are looked at.
pub(crate) fn differs(expected: &Json, actual: &Json, path: &str) -> Option<String> {
    match (expected, actual) {
        (Json::Object(expected), Json::Object(fields)) => expected.iter().find_map(|(name, expected)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match fields.get(name) {
                Some(actual) => differs(expected, actual, &path),
                None if expected.is_null() => None,
                None => Some(format!("`{path}` is missing, and {expected} is expected")),
            }
        }),
        (Json::Array(expected), Json::Array(items)) if expected.len() == items.len() => expected
            .iter()
            .zip(items)
            .enumerate()
            .find_map(|(index, (expected, actual))| differs(expected, actual, &format!("{path}[{index}]"))),
        (Json::Number(expected), Json::Number(actual)) if is_same(expected, actual) => None,
        _ if expected == actual => None,
        _ => {
            let place = if path.is_empty() { String::new() } else { format!("`{path}` is ") };
            Some(format!("{place}{actual}, and {expected} is expected"))
        }
    }
}

/// `1.0` and `1` are one number.
fn is_same(first: &serde_json::Number, second: &serde_json::Number) -> bool {
    let trimmed = |number: &serde_json::Number| {
        let text = number.to_string();
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    trimmed(first) == trimmed(second)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_with_its_place() {
        let actual = json!({ "id": "a", "total": 1.50, "lines": [{ "sku": "x", "more": 1 }] });
        assert_eq!(differs(&json!({ "total": 1.5, "lines": [{ "sku": "x" }], "gone": null }), &actual, ""), None);
        assert_eq!(
            differs(&json!({ "lines": [{ "sku": "y" }] }), &actual, "").as_deref(),
            Some("`lines[0].sku` is \"x\", and \"y\" is expected")
        );
        assert_eq!(
            differs(&json!({ "lines": [] }), &actual, "").as_deref(),
            Some("`lines` is [{\"sku\":\"x\",\"more\":1}], and [] is expected")
        );
        assert_eq!(
            differs(&json!({ "name": "b" }), &actual, "").as_deref(),
            Some("`name` is missing, and \"b\" is expected")
        );
    }

    #[test]
    fn a_result_of_null_is_a_result() {
        let pair = |text: &str| serde_json::from_str::<Pair>(text);
        let some = r#"{ "operation": "a", "request": { "method": "GET", "path": "/" }, "answer": {}, "result": null }"#;
        assert_eq!(pair(some).unwrap().result, Some(Json::Null));
        let none = r#"{ "operation": "a", "request": { "method": "GET", "path": "/" }, "answer": {} }"#;
        assert_eq!(pair(none).unwrap().result, None);
        assert!(pair(r#"{ "operation": "a", "reqest": {} }"#).unwrap_err().to_string().contains("reqest"));
    }
}
