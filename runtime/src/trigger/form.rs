//! The body of a webhook that is a form, as JSON: `data[email]=x` is `{"data": {"email": "x"}}`, and all values are text.

use serde_json::{Map, Value as Json};

/// How deep names may be nested.
const MOST_DEPTH: usize = 32;

/// Reads a form. A name that is there several times, or ends with `[]`, is a list.
///
/// # Errors
/// Too many values, names that are nested too deep, or a name that is a value and holds others too.
pub(super) fn json(bytes: &[u8], most: usize) -> Result<Json, String> {
    let mut root = Map::new();
    for (count, (name, value)) in url::form_urlencoded::parse(bytes).enumerate() {
        if count == most {
            return Err(format!("the form has more than {most} values"));
        }
        let mut path: Vec<&str> = Vec::new();
        let mut rest: &str = &name;
        if let Some((first, inner)) = name.split_once('[').filter(|_| name.ends_with(']')) {
            path.push(first);
            rest = inner.strip_suffix(']').unwrap_or(inner);
            path.extend(rest.split("]["));
        } else {
            path.push(rest);
        }
        let is_list = path.len() > 1 && path.last() == Some(&"");
        if is_list {
            path.pop();
        }
        if path.len() > MOST_DEPTH {
            return Err(format!("the name of a value is nested more than {MOST_DEPTH} deep"));
        }
        put(&mut root, &path, Json::from(&*value), is_list).map_err(|()| {
            format!("`{}` is a value and holds other values too", path.first().copied().unwrap_or_default())
        })?;
    }
    Ok(Json::Object(root))
}

fn put(fields: &mut Map<String, Json>, path: &[&str], value: Json, is_list: bool) -> Result<(), ()> {
    let Some((name, inner)) = path.split_first() else { return Ok(()) };
    if !inner.is_empty() {
        let entry = fields.entry((*name).to_owned()).or_insert_with(|| Json::Object(Map::new()));
        return match entry {
            Json::Object(below) => put(below, inner, value, is_list),
            _ => Err(()),
        };
    }
    match fields.get_mut(*name) {
        None => {
            let value = if is_list { Json::Array(vec![value]) } else { value };
            fields.insert((*name).to_owned(), value);
        }
        Some(Json::Array(items)) => items.push(value),
        Some(Json::Object(_)) => return Err(()),
        Some(first) => *first = Json::Array(vec![first.take(), value]),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_in_brackets_are_nested() {
        let body = b"type=subscribe&data%5Bemail%5D=a%2Bb%40c.d&data[merges][FNAME]=J+B&tag[]=x&tag[]=y&n=1&n=2";
        let expected = json!({
            "type": "subscribe",
            "data": { "email": "a+b@c.d", "merges": { "FNAME": "J B" } },
            "tag": ["x", "y"],
            "n": ["1", "2"],
        });
        assert_eq!(json(body, 100), Ok(expected));
        assert!(json(b"a=1&a[b]=2", 100).is_err());
        assert!(json(b"a=1&b=2&c=3", 2).is_err());
        assert!(json(format!("a{}=1", "[b]".repeat(40)).as_bytes(), 100).is_err());
    }
}
