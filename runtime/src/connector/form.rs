//! Names and values of forms and queries: `metadata[user_id]=7`, `items[0][price]=x`.

use std::collections::BTreeMap;

use flow_model::{schema::ListStyle, value::Value};

/// The pairs of a record as a form writes them: nested names in brackets, nulls left out, list items by index, or those of a
/// field of the form as `lists` says. A value that is no record has no pairs.
pub(super) fn pairs(value: &Value, lists: &BTreeMap<String, ListStyle>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    if let Value::Record(fields) = value {
        for (name, field) in fields {
            match lists.get(name) {
                Some(style) => pairs.extend(query(name, field, *style)),
                None => nested(name.clone(), field, &mut pairs),
            }
        }
    }
    pairs
}

/// The pairs of one query parameter: a null is left out, a list is written by its style, a record is nested.
pub(super) fn query(name: &str, value: &Value, style: ListStyle) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    match value {
        Value::List(items) => {
            let items = || items.iter().filter(|item| **item != Value::Null);
            let mut present = items().map(ToString::to_string).peekable();
            match style {
                ListStyle::Repeat => pairs.extend(present.map(|item| (name.to_owned(), item))),
                ListStyle::Brackets => pairs.extend(present.map(|item| (format!("{name}[]"), item))),
                ListStyle::Indexes => {
                    for (index, item) in items().enumerate() {
                        nested(format!("{name}[{index}]"), item, &mut pairs);
                    }
                }
                ListStyle::Comma if present.peek().is_none() => {}
                ListStyle::Comma => pairs.push((name.to_owned(), present.collect::<Vec<_>>().join(","))),
            }
        }
        value => nested(name.to_owned(), value, &mut pairs),
    }
    pairs
}

fn nested(name: String, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Record(fields) => {
            for (inner, field) in fields {
                nested(format!("{name}[{inner}]"), field, pairs);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                nested(format!("{name}[{index}]"), item, pairs);
            }
        }
        Value::Money(money) => {
            pairs.push((format!("{name}[amount]"), money.amount.to_string()));
            pairs.push((format!("{name}[currency]"), money.currency.clone()));
        }
        Value::Size(bytes) => pairs.push((name, bytes.to_string())),
        other => pairs.push((name, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_names_stand_in_brackets_and_nulls_are_left_out() {
        let value = Value::record([
            ("email", Value::text("a@b.c")),
            ("name", Value::Null),
            ("metadata", Value::record([("user id", Value::Int(7)), ("none", Value::Null)])),
            ("items", Value::List(vec![Value::record([("price", Value::text("p"))]), Value::Bool(true)])),
        ]);
        let written: Vec<String> =
            pairs(&value, &BTreeMap::new()).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(written, ["email=a@b.c", "metadata[user id]=7", "items[0][price]=p", "items[1]=true"]);
    }

    #[test]
    fn query_lists_are_written_in_their_style() {
        let list = Value::List(vec![Value::Int(1), Value::Null, Value::Int(2)]);
        let written = |style| {
            let pairs = query("id", &list, style);
            pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
        };
        assert_eq!(written(ListStyle::Repeat), "id=1&id=2");
        assert_eq!(written(ListStyle::Comma), "id=1,2");
        assert_eq!(written(ListStyle::Brackets), "id[]=1&id[]=2");
        assert_eq!(written(ListStyle::Indexes), "id[0]=1&id[1]=2");
        assert_eq!(query("id", &Value::Null, ListStyle::Repeat), []);
        assert_eq!(query("id", &Value::List(Vec::new()), ListStyle::Comma), []);
    }
}
