//! Where do failures have their message and their code?
//!
//! In: the schemas of answers that are failures. Out: the expressions over the body that most of them have.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Properties, document::Document, ty};

/// Names of a message, the most telling first.
const MESSAGES: [&str; 8] =
    ["message", "error_description", "detail", "description", "title", "Message", "error_message", "reason"];

/// Names of a code.
const CODES: [&str; 6] = ["code", "error_code", "errorCode", "name", "category", "type"];

/// Fields that hold the failure.
const HOLDERS: [&str; 3] = ["error", "fault", "err"];

/// The expressions for message and code.
pub(super) fn places<'a>(
    document: &'a Document,
    schemas: impl Iterator<Item = &'a &'a Value>,
) -> (Option<String>, Option<String>) {
    let (mut messages, mut codes) = (BTreeMap::new(), BTreeMap::new());
    for schema in schemas {
        let Some(properties) = properties(document, schema) else { continue };
        let held = HOLDERS.iter().find_map(|holder| {
            let inner = self::properties(document, properties.get(holder)?)?;
            Some((format!("body.{holder}?."), inner))
        });
        let (before, fields) = held.unwrap_or(("body.".to_owned(), properties.clone()));
        let mut found = text(document, &fields, &MESSAGES).map(|name| format!("{before}{name}"));
        if found.is_none() {
            let plain = |name: &&&str| properties.get(**name).is_some_and(|field| is_text(document, field));
            found = HOLDERS.iter().find(plain).map(|name| format!("body.{name}"));
        }
        for (found, counts) in [
            (found, &mut messages),
            (text(document, &fields, &CODES).map(|name| format!("{before}{name}")), &mut codes),
        ] {
            if let Some(found) = found {
                *counts.entry(found).or_insert(0_usize) += 1;
            }
        }
    }
    let most =
        |counts: BTreeMap<String, usize>| counts.into_iter().max_by_key(|(_, count)| *count).map(|(place, _)| place);
    (most(messages), most(codes))
}

fn text(document: &Document, fields: &Properties<'_>, names: &[&str]) -> Option<String> {
    let found = names.iter().find(|name| fields.get(**name).is_some_and(|field| is_text(document, field)));
    found.map(|name| (*name).to_owned())
}

fn is_text(document: &Document, schema: &Value) -> bool {
    document.follow(schema).is_some_and(|schema| ty::kind(schema) == Some("string"))
}

fn properties<'a>(document: &'a Document, schema: &'a Value) -> Option<Properties<'a>> {
    let object = ty::Types::new(document).object(schema);
    (!object.properties.is_empty()).then_some(object.properties)
}
