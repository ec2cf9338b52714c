//! Names and values of forms and queries: `metadata[user_id]=7`, `items[0][price]=x`.

use flow_model::value::Value;

/// The pairs of a record as a form writes them: nested names in brackets, list items by index, nulls left out. A value
/// that is no record has no pairs.
pub(super) fn pairs(value: &Value) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    if let Value::Record(fields) = value {
        for (name, field) in fields {
            nested(name.clone(), field, &mut pairs);
        }
    }
    pairs
}

/// The pairs of one query parameter: a null is left out, a list is repeated, a record is nested.
pub(super) fn query(name: &str, value: &Value) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    match value {
        Value::List(items) => {
            let present = items.iter().filter(|item| **item != Value::Null);
            pairs.extend(present.map(|item| (name.to_owned(), item.to_string())));
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
        let written: Vec<String> = pairs(&value).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(written, ["email=a@b.c", "metadata[user id]=7", "items[0][price]=p", "items[1]=true"]);
    }

    #[test]
    fn query_lists_are_repeated() {
        let list = Value::List(vec![Value::Int(1), Value::Null, Value::Int(2)]);
        assert_eq!(query("id", &list), [("id".into(), "1".into()), ("id".into(), "2".into())]);
        assert_eq!(query("id", &Value::Null), []);
    }
}
