//! Functions that read and write JSON.

use flow_model::{function::StandardFunction, value::Value};

use super::{argument::Arguments, entry};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "Json.parse(text: String) -> Json?",
        "What a JSON text holds; null where it is no JSON, is nested deeper than 128, or has a number that a decimal of 28 digits can't hold.",
        &[r#"(Json.parse("[1, 2]") as List<Int>) == [1, 2]"#, r#"Json.parse("[1,") == null"#],
        |args| {
            let read = serde_json::from_str(args.text(0)?).ok().and_then(|json| Value::from_json(&json).ok());
            Ok(read.unwrap_or(Value::Null))
        },
    ),
    entry(
        "Json.text(value: Json) -> String",
        "The value as JSON on one line.",
        &[r#"Json.text({ a: [1, null] }).length == 14"#, r#"Json.text([1, null]) == "[1,null]""#],
        |args| Ok(Value::text(args.at(0).to_json().to_string())),
    ),
    entry(
        "Json.pretty(value: Json) -> String",
        "The value as JSON for people, indented by two spaces.",
        &[r#"Json.pretty([1]) == "[\n  1\n]""#],
        |args| Ok(Value::text(format!("{:#}", args.at(0).to_json()))),
    ),
];
