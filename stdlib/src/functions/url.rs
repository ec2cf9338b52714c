//! Functions of URLs, as the URL Standard (WHATWG) takes them apart.

use flow_model::{failure::Failure, function::StandardFunction, value::Value};
use url::Url;

use super::{
    argument::{Arguments, invalid, or_null},
    entry,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "Url.scheme: String",
        "What stands before `://`, in lower case.",
        &[r#"("HTTPS://example.com" as Url)?.scheme == "https""#],
        |args| Ok(Value::text(read(args.text(0)?)?.scheme())),
    ),
    entry(
        "Url.host: String?",
        "The host in lower case, null where the URL has none (`mailto:`).",
        &[r#"("https://Example.com:8443/a" as Url)?.host == "example.com""#],
        |args| Ok(or_null(read(args.text(0)?)?.host_str().map(Value::text))),
    ),
    entry(
        "Url.port: Int?",
        "The port as written, else the usual one of the scheme, else null.",
        &[r#"("https://example.com" as Url)?.port == 443"#],
        |args| Ok(or_null(read(args.text(0)?)?.port_or_known_default().map(|port| Value::Int(port.into())))),
    ),
    entry(
        "Url.path: String",
        "The path with its escapes, from its `/`.",
        &[r#"("https://example.com/a%20b?c=d" as Url)?.path == "/a%20b""#],
        |args| Ok(Value::text(read(args.text(0)?)?.path())),
    ),
    entry(
        "Url.query(self: Url, name: String) -> String?",
        "The first value of a query parameter with its escapes resolved, null when it is not there.",
        &[r#"("https://example.com/?q=a%20b" as Url)?.query("q") == "a b""#],
        |args| {
            let (url, name) = (read(args.text(0)?)?, args.text(1)?);
            let value = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| Value::text(&*value));
            Ok(or_null(value))
        },
    ),
    entry(
        "Url.fragment: String?",
        "What stands after `#`, null when there is none.",
        &[r#"("https://example.com/#top" as Url)?.fragment == "top""#],
        |args| Ok(or_null(read(args.text(0)?)?.fragment().map(Value::text))),
    ),
];

fn read(text: &str) -> Result<Url, Failure> {
    Url::parse(text).map_err(|why| invalid(format!("`{text}` is no URL: {why}")))
}
