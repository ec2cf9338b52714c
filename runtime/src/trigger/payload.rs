//! What does a flow see of a request?

use flow_model::value::Value;
use http::{HeaderMap, Uri};
use indexmap::IndexMap;

use super::received::Received;

/// Headers that prove who the sender is or hold its session. They are for the server, not for a run's history.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The payload of `on http`: `{ body, headers, query, method, path }`.
pub(super) fn request(received: &Received, body: Value) -> Value {
    Value::record([
        ("body", body),
        ("headers", headers(&received.headers)),
        ("query", query(&received.uri)),
        ("method", Value::text(received.method.as_str())),
        ("path", Value::text(received.uri.path())),
    ])
}

/// Headers as a map with lower-case names, without credentials. What is there more than once is joined by `, ` (RFC 9110,
/// section 5.3). Bytes outside ASCII are read as ISO 8859-1, which every byte has a character in.
pub(super) fn headers(headers: &HeaderMap) -> Value {
    let names = headers.keys().filter(|name| !CREDENTIALS.contains(&name.as_str()));
    let joined = |name| {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| value.as_bytes().iter().copied().map(char::from).collect())
            .collect();
        Value::text(values.join(", "))
    };
    Value::Record(names.map(|name| (name.as_str().to_owned(), joined(name))).collect())
}

/// Query parameters as a map; what is there more than once is joined by `,`.
pub(super) fn query(uri: &Uri) -> Value {
    let mut query: IndexMap<String, String> = IndexMap::new();
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match query.get_mut(&*name) {
            Some(before) => {
                before.push(',');
                before.push_str(&value);
            }
            None => {
                query.insert(name.into_owned(), value.into_owned());
            }
        }
    }
    Value::Record(query.into_iter().map(|(name, value)| (name, Value::text(value))).collect())
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn a_request_is_seen_without_the_sender_s_credentials() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-tag", b"a".as_slice()),
            ("X-Tag", b"b"),
            ("authorization", b"Bearer canary"),
            ("cookie", b"session=canary"),
            ("x-name", b"Jos\xe9"),
        ] {
            headers.append(name.parse::<http::HeaderName>().unwrap(), value.try_into().unwrap());
        }
        let uri: Uri = "/leads?a=1&b=x%20y&a=2&=e&flag".parse().unwrap();
        let received = Received { method: Method::POST, uri, url: String::new(), headers, body: Vec::new() };
        assert_eq!(
            request(&received, Value::Null).to_json(),
            serde_json::json!({
                "body": null,
                "headers": { "x-tag": "a, b", "x-name": "José" },
                "query": { "a": "1,2", "b": "x y", "": "e", "flag": "" },
                "method": "POST",
                "path": "/leads",
            })
        );
    }
}
