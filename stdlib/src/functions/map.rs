//! Functions of maps, whose keys are texts in the order in which they were put in.

use flow_model::{failure::Failure, function::StandardFunction, value::Value};

use super::{
    argument::{Arguments, invalid, length, or_null, texts},
    entry,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry("Map.length: Int", "The number of entries.", &[r#"["a", "bb"].group_by(x -> x).length == 2"#], |args| {
        Ok(length(args.map(0)?.len()))
    }),
    entry(
        "Map.is_empty: Bool",
        "Says whether there is no entry.",
        &[r#"not ["a"].group_by(x -> x).is_empty"#],
        |args| Ok(Value::Bool(args.map(0)?.is_empty())),
    ),
    entry(
        "Map.get(self: Map<T>, key: String) -> T?",
        "The value of a key, null when it is not there; `map[key]` is the same.",
        &[r#"["ax"].to_map(x -> x.slice(0, 1)).get("a") == "ax""#],
        |args| Ok(or_null(args.map(0)?.get(args.text(1)?).cloned())),
    ),
    entry(
        "Map.keys(self: Map<T>) -> List<String>",
        "The keys.",
        &[r#"["b", "a"].to_map(x -> x).keys() == ["b", "a"]"#],
        |args| Ok(texts(args.map(0)?.keys().map(String::as_str))),
    ),
    entry(
        "Map.values(self: Map<T>) -> List<T>",
        "The values.",
        &[r#"["b", "a"].to_map(x -> x).values() == ["b", "a"]"#],
        |args| Ok(Value::List(args.map(0)?.values().cloned().collect())),
    ),
    entry(
        "Map.entries(self: Map<T>) -> List<{ key: String, value: T }>",
        "The keys with their values.",
        &[r#"["ax"].to_map(x -> x.slice(0, 1)).entries() == [{ key: "a", value: "ax" }]"#],
        |args| {
            let entry = |(key, value): (&String, &Value)| {
                Value::record([("key", Value::text(key.as_str())), ("value", value.clone())])
            };
            Ok(Value::List(args.map(0)?.iter().map(entry).collect()))
        },
    ),
    entry(
        "Map.from(entries: List<{ key: String, value: T }>) -> Map<T>",
        "A map of keys and values; of equal keys the last one counts.",
        &[r#"Map.from([{ key: "a", value: 1 }])["a"] == 1"#],
        |args| {
            let entry = |item: &Value| match (item.get("key").and_then(Value::as_str), item.get("value")) {
                (Some(key), Some(value)) => Ok((key.to_owned(), value.clone())),
                _ => Err(invalid("`Map.from` needs records with `key` and `value`")),
            };
            Ok(Value::Record(args.list(0)?.iter().map(entry).collect::<Result<_, Failure>>()?))
        },
    ),
    entry(
        "Map.map_values(self: Map<T>, f: (T) -> U) -> Map<U>",
        "The same keys, with what a function makes of the values.",
        &[r#"["a"].to_map(x -> x).map_values(x -> x.length)["a"] == 1"#],
        |args| {
            let made =
                args.map(0)?.iter().map(|(key, value)| Ok((key.clone(), args.call(1, std::slice::from_ref(value))?)));
            Ok(Value::Record(made.collect::<Result<_, Failure>>()?))
        },
    ),
    entry(
        "Map.filter(self: Map<T>, f: (String, T) -> Bool) -> Map<T>",
        "The entries for which a function of key and value says yes.",
        &[r#"["a", "bb"].to_map(x -> x).filter((key, value) -> value.length > 1).keys() == ["bb"]"#],
        |args| {
            let mut kept = indexmap::IndexMap::new();
            for (key, value) in args.map(0)? {
                if args.test(1, &[Value::text(key.as_str()), value.clone()])? {
                    kept.insert(key.clone(), value.clone());
                }
            }
            Ok(Value::Record(kept))
        },
    ),
    entry(
        "Map.merge(self: Map<T>, other: Map<T>) -> Map<T>",
        "The entries of both; where both have a key, that of the other counts.",
        &[r#"["a"].to_map(x -> x).merge(["b"].to_map(x -> x)).keys() == ["a", "b"]"#],
        |args| {
            let mut merged = args.map(0)?.clone();
            merged.extend(args.map(1)?.iter().map(|(key, value)| (key.clone(), value.clone())));
            Ok(Value::Record(merged))
        },
    ),
    entry(
        "Map.without(self: Map<T>, keys: List<String>) -> Map<T>",
        "The entries but those of some keys.",
        &[r#"["a", "b"].to_map(x -> x).without(["a"]).keys() == ["b"]"#],
        |args| {
            let keys = args.list(1)?;
            let kept = args.map(0)?.iter().filter(|(key, _)| !keys.iter().any(|other| other.as_str() == Some(key)));
            Ok(Value::Record(kept.map(|(key, value)| (key.clone(), value.clone())).collect()))
        },
    ),
];
