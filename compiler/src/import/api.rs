//! What does an API description offer?
//!
//! In: a description in OpenAPI 2.0, 3.0 or 3.1. Out: where it is, how a credential is sent, and its operations with
//! their parameters, bodies and answers. Schemas stay as they are written; names are those of the description.

use serde_json::Value;

use super::{
    Failure,
    auth::{self, Auth},
    document::Document,
    ty::flag,
    word,
};

/// The methods of operations that declarations can use.
pub(super) const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "head"];

/// The media type of a body that gives new values to what it names (RFC 7396).
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";

/// An API.
pub(super) struct Api<'a> {
    pub(super) title: String,
    pub(super) doc: Vec<String>,
    pub(super) docs: Option<&'a str>,
    pub(super) version: Option<String>,
    pub(super) base: Base,
    pub(super) auth: Auth<'a>,
    pub(super) operations: Vec<Operation<'a>>,
    /// What could not be carried.
    pub(super) lost: Vec<String>,
}

/// Where all requests go: `https://{shop}.example.com/v1`.
#[derive(Default)]
pub(super) struct Base {
    /// The URL; `{name}` is a variable, and where it begins with one that is the whole of scheme and host.
    pub(super) url: String,
    /// Variables with their defaults and descriptions.
    pub(super) variables: Vec<(String, Option<String>, Vec<String>)>,
}

/// An operation.
pub(super) struct Operation<'a> {
    /// `get`, `post`, …
    pub(super) method: &'static str,
    /// As written: `/customers/{id}`.
    pub(super) path: &'a str,
    pub(super) id: Option<&'a str>,
    /// A name that the description itself gives: `files.list`.
    pub(super) named: Option<&'a str>,
    pub(super) doc: Vec<String>,
    pub(super) deprecated: bool,
    pub(super) params: Vec<Param<'a>>,
    pub(super) body: Option<Body<'a>>,
    /// The answer of success, unless it is empty.
    pub(super) answer: Option<Answer<'a>>,
    /// Schemas of answers that are failures.
    pub(super) failures: Vec<&'a Value>,
    pub(super) scopes: Vec<&'a str>,
    /// Scopes of which one would do as well, where one is enough.
    pub(super) other_scopes: Vec<&'a str>,
    /// A failure announces when to try again.
    pub(super) retry_after: bool,
    /// Requests of this operation go to another host.
    pub(super) elsewhere: Option<&'a str>,
    pub(super) lost: Vec<String>,
}

/// Where a parameter stands in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
}

/// A parameter outside the body.
pub(super) struct Param<'a> {
    pub(super) name: &'a str,
    pub(super) place: Place,
    pub(super) required: bool,
    pub(super) schema: &'a Value,
    pub(super) style: Style,
    pub(super) doc: Vec<String>,
}

/// How a list or an object is written in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Repeat,
    Comma,
    Brackets,
    Unknown,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media<'a> {
    Json,
    Form,
    Multipart,
    Xml,
    Text,
    Raw(&'a str),
}

/// The body of a request.
pub(super) struct Body<'a> {
    pub(super) media: Media<'a>,
    /// Its media type, where that is not the usual one of what it is written in.
    pub(super) content_type: Option<String>,
    /// The schema of the whole; of a form of OpenAPI 2.0 there are fields instead.
    pub(super) schema: Option<&'a Value>,
    pub(super) fields: Vec<Param<'a>>,
    pub(super) required: bool,
    pub(super) doc: Vec<String>,
    /// What 2.0 calls a body that has a name.
    pub(super) name: Option<&'a str>,
}

/// An answer.
pub(super) struct Answer<'a> {
    pub(super) media: Media<'a>,
    pub(super) schema: Option<&'a Value>,
    /// Whether it has the header `Link`.
    pub(super) links: bool,
}

/// Reads a description.
///
/// # Errors
/// [`Failure::NotOpenApi`] where it is none.
pub(super) fn api(document: &Document) -> Result<Api<'_>, Failure> {
    let root = document.root();
    let is_two = match (root.get("openapi"), root.get("swagger")) {
        (Some(_), _) => false,
        (None, Some(_)) => true,
        (None, None) => return Err(Failure::NotOpenApi),
    };
    let Some(paths) = root.get("paths").and_then(Value::as_object) else {
        let is_of_webhooks = root.get("webhooks").is_some_and(Value::is_object);
        return Err(if is_of_webhooks { Failure::OnlyWebhooks } else { Failure::NotOpenApi });
    };
    let reader = Reader { document, is_two };
    let info = root.get("info").unwrap_or(&Value::Null);
    let mut lost = Vec::new();
    let base = reader.base(root);
    let auth = auth::auth(document, is_two, &base, &mut lost);
    let mut operations = Vec::new();
    for (path, item) in paths {
        let Some(item) = document.follow(item) else { continue };
        for method in METHODS {
            if let Some(operation) = item.get(method).filter(|operation| operation.is_object()) {
                operations.push(reader.operation(method, path, item, operation, &base));
            }
        }
        for other in ["options", "trace"] {
            if item.get(other).is_some() {
                lost.push(format!("{} {path}: declarations have no such method", other.to_uppercase()));
            }
        }
    }
    if let Some(webhooks) = root.get("webhooks").or_else(|| root.get("x-webhooks")).and_then(Value::as_object) {
        let names: Vec<_> = webhooks.keys().map(String::as_str).collect();
        lost.push(format!(
            "webhooks, which say nothing on how they are signed; declare each as a `trigger`: {}",
            names.join(", ")
        ));
    }
    Ok(Api {
        title: string(info, "title").unwrap_or("API").to_owned(),
        doc: string(info, "description").map(|text| word::doc(text, 110)).unwrap_or_default(),
        docs: root.get("externalDocs").and_then(|docs| string(docs, "url")).filter(|url| url.starts_with("http")),
        version: info.get("version").map(|version| version.as_str().map_or_else(|| version.to_string(), str::to_owned)),
        base,
        auth,
        operations,
        lost,
    })
}

struct Reader<'a> {
    document: &'a Document,
    is_two: bool,
}

impl<'a> Reader<'a> {
    fn base(&self, root: &'a Value) -> Base {
        if self.is_two {
            let scheme = root.get("schemes").and_then(Value::as_array).map(|schemes| {
                let https = schemes.iter().any(|scheme| scheme == "https");
                if https || schemes.is_empty() { "https" } else { "http" }
            });
            let path = string(root, "basePath").unwrap_or_default().trim_end_matches('/');
            return match string(root, "host").filter(|host| !host.is_empty()) {
                Some(host) => base(&format!("{}://{host}{path}", scheme.unwrap_or("https")), &Value::Null),
                None => base(path, &Value::Null),
            };
        }
        let server = root.get("servers").and_then(Value::as_array).and_then(|servers| servers.first());
        server.map_or_else(|| base("", &Value::Null), |server| base(string(server, "url").unwrap_or_default(), server))
    }

    fn operation(
        &self,
        method: &'static str,
        path: &'a str,
        item: &'a Value,
        written: &'a Value,
        whole: &Base,
    ) -> Operation<'a> {
        let mut lost = Vec::new();
        let (mut params, mut fields, mut body) = (Vec::new(), Vec::new(), None);
        // Parameters of the operation come before those of the path, which it may declare anew.
        let lists = [written.get("parameters"), item.get("parameters")];
        for param in lists.into_iter().flatten().filter_map(Value::as_array).flatten() {
            let Some(param) = self.document.follow(param) else {
                lost.push("a parameter that is described in another file".to_owned());
                continue;
            };
            let (Some(name), Some(place)) = (string(param, "name"), string(param, "in")) else { continue };
            let read = |place| self.param(param, name, place);
            match place {
                "path" => params.push(read(Place::Path)),
                "query" => params.push(read(Place::Query)),
                "header" => params.push(read(Place::Header)),
                "formData" => fields.push(read(Place::Query)),
                "body" => body = Some(param),
                other => lost.push(format!("the parameter `{name}` in a {other}")),
            }
        }
        let mut seen = Vec::new();
        params.retain(|param| {
            let new = !seen.contains(&(param.name, param.place));
            seen.push((param.name, param.place));
            new
        });
        let body = if self.is_two { self.body_of_two(written, body, fields) } else { self.body(written, &mut lost) };
        let (answer, failures, retry_after) = self.answers(written, &mut lost);
        let server = [written, item].into_iter().find_map(|place| place.get("servers")?.as_array()?.first());
        let elsewhere = server.and_then(|server| string(server, "url")).filter(|url| *url != whole.url);
        if written.get("callbacks").and_then(Value::as_object).is_some_and(|callbacks| !callbacks.is_empty()) {
            lost.push("callbacks".to_owned());
        }
        let doc = [string(written, "summary"), string(written, "description")];
        let doc = doc.into_iter().flatten().map(|text| word::doc(text, 110)).find(|lines| !lines.is_empty());
        Operation {
            method,
            path,
            id: string(written, "operationId"),
            named: string(written, "x-flow-name"),
            doc: doc.unwrap_or_default(),
            deprecated: flag(written, "deprecated"),
            params,
            body,
            answer,
            failures,
            scopes: scopes(written),
            other_scopes: other_scopes(written),
            retry_after,
            elsewhere,
            lost,
        }
    }

    fn param(&self, param: &'a Value, name: &'a str, place: Place) -> Param<'a> {
        let content = || param.get("content")?.as_object()?.values().next()?.get("schema");
        let schema = param.get("schema").or_else(content);
        let style = match (string(param, "style"), string(param, "collectionFormat")) {
            (Some("form"), _) if param.get("explode") == Some(&Value::Bool(false)) => Style::Comma,
            (Some("form"), _) | (None, Some("multi")) => Style::Repeat,
            (Some("deepObject"), _) => Style::Brackets,
            (Some(_), _) if place == Place::Query => Style::Unknown,
            (None, Some("csv")) => Style::Comma,
            (None, Some(_)) => Style::Unknown,
            (None, None) if self.is_two => Style::Comma,
            (None, None) if param.get("explode") == Some(&Value::Bool(false)) => Style::Comma,
            _ => Style::Repeat,
        };
        let style = if name.ends_with("[]") { Style::Brackets } else { style };
        Param {
            name,
            place,
            required: flag(param, "required") || place == Place::Path,
            schema: schema.unwrap_or(param),
            style,
            doc: string(param, "description").map(|text| word::doc(text, 104)).unwrap_or_default(),
        }
    }

    fn body(&self, written: &'a Value, lost: &mut Vec<String>) -> Option<Body<'a>> {
        let body = self.document.follow(written.get("requestBody")?)?;
        let content = body.get("content")?.as_object()?;
        let (media, schema) = choose(content)?;
        if content.len() > 1 {
            let others = content.keys().filter(|other| Some(*other) != chosen_key(content));
            lost.push(format!("bodies as {}", others.map(String::as_str).collect::<Vec<_>>().join(", ")));
        }
        Some(Body {
            media,
            content_type: chosen_key(content).and_then(|key| unusual(key)),
            schema: schema.get("schema"),
            fields: Vec::new(),
            required: flag(body, "required"),
            doc: string(body, "description").map(|text| word::doc(text, 104)).unwrap_or_default(),
            name: None,
        })
    }

    fn body_of_two(&self, written: &'a Value, body: Option<&'a Value>, fields: Vec<Param<'a>>) -> Option<Body<'a>> {
        let consumes = [written, self.document.root()].into_iter().find_map(|place| place.get("consumes")?.as_array());
        let consumes: Vec<_> = consumes.into_iter().flatten().filter_map(Value::as_str).collect();
        let medias: Vec<_> = consumes.iter().copied().map(media).collect();
        if let Some(body) = body {
            let is_json = |written: &&&str| media(written) == Media::Json;
            let merges = consumes.iter().find(|written| is_merge_patch(written));
            let chosen = merges.or_else(|| consumes.iter().find(is_json)).or_else(|| consumes.first());
            return Some(Body {
                media: chosen.map_or(Media::Json, |written| media(written)),
                content_type: chosen.and_then(|written| unusual(written)),
                schema: body.get("schema"),
                fields: Vec::new(),
                required: flag(body, "required"),
                doc: string(body, "description").map(|text| word::doc(text, 104)).unwrap_or_default(),
                name: string(body, "name"),
            });
        }
        let has_file = fields.iter().any(|field| string(field.schema, "type") == Some("file"));
        let multipart = has_file || (!medias.contains(&Media::Form) && medias.contains(&Media::Multipart));
        (!fields.is_empty()).then_some(Body {
            media: if multipart { Media::Multipart } else { Media::Form },
            content_type: None,
            schema: None,
            fields,
            required: true,
            doc: Vec::new(),
            name: None,
        })
    }

    fn answers(&self, written: &'a Value, lost: &mut Vec<String>) -> (Option<Answer<'a>>, Vec<&'a Value>, bool) {
        let Some(responses) = written.get("responses").and_then(Value::as_object) else {
            return (None, Vec::new(), false);
        };
        let (mut good, mut bad, mut retry_after) = (Vec::new(), Vec::new(), false);
        for (status, response) in responses {
            let Some(response) = self.document.follow(response) else { continue };
            let is_good = status.starts_with('2') || status.starts_with("3") && status != "304";
            let schema = self.answer(written, response);
            if is_good {
                good.push((status.as_str(), schema));
            } else if status != "default" || !responses.keys().all(|status| status == "default") {
                let headers = response.get("headers").and_then(Value::as_object);
                retry_after |=
                    headers.is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("retry-after")));
                bad.extend(schema.and_then(|answer| answer.schema));
            }
        }
        if good.is_empty() {
            // Some descriptions have nothing but `default`, and mean success.
            let only = responses.get("default").filter(|_| bad.is_empty());
            good.extend(
                only.and_then(|only| self.document.follow(only)).map(|only| ("default", self.answer(written, only))),
            );
        }
        good.sort_by_key(|(status, _)| match *status {
            "200" => 0,
            "201" => 1,
            "202" => 2,
            "203" => 3,
            "2XX" | "2xx" => 4,
            "default" => 6,
            _ => 5,
        });
        let answers: Vec<_> = good.into_iter().filter_map(|(status, answer)| Some((status, answer?))).collect();
        if let [(kept, first), others @ ..] = answers.as_slice() {
            let different: Vec<_> =
                others.iter().filter(|(_, other)| other.schema != first.schema).map(|(status, _)| *status).collect();
            if !different.is_empty() {
                lost.push(format!("the answers {}, beside {kept}", different.join(", ")));
            }
        }
        (answers.into_iter().next().map(|(_, answer)| answer), bad, retry_after)
    }

    fn answer(&self, written: &'a Value, response: &'a Value) -> Option<Answer<'a>> {
        if self.is_two {
            let schema = response.get("schema")?;
            let produces =
                [written, self.document.root()].into_iter().find_map(|place| place.get("produces")?.as_array());
            let medias: Vec<_> = produces.into_iter().flatten().filter_map(Value::as_str).map(media).collect();
            let media = medias.iter().copied().find(|media| *media == Media::Json);
            return Some(Answer {
                media: media.or_else(|| medias.first().copied()).unwrap_or(Media::Json),
                schema: Some(schema),
                links: has_links(response),
            });
        }
        let content = response.get("content")?.as_object()?;
        let (media, value) = choose(content)?;
        Some(Answer { media, schema: value.get("schema"), links: has_links(response) })
    }
}

/// Says whether a response has the header `Link`.
fn has_links(response: &Value) -> bool {
    let headers = response.get("headers").and_then(Value::as_object);
    headers.is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("link")))
}

/// A base from a URL with variables in braces.
fn base(url: &str, server: &Value) -> Base {
    let url = url.split(['?', '#']).next().unwrap_or_default().trim().trim_end_matches('/');
    let mut base = Base { url: url.to_owned(), variables: Vec::new() };
    let mut rest = url;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        let variable = server.get("variables").and_then(|variables| variables.get(name));
        let default = variable.and_then(|variable| variable.get("default")).and_then(|default| match default {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        });
        let doc = variable.and_then(|variable| string(variable, "description"));
        if !base.variables.iter().any(|(known, ..)| known == name) {
            base.variables.push((name.to_owned(), default, doc.map(|doc| word::doc(doc, 104)).unwrap_or_default()));
        }
        rest = after;
    }
    base
}

/// The media type that a declaration can use best.
fn choose(content: &serde_json::Map<String, Value>) -> Option<(Media<'_>, &Value)> {
    let key = chosen_key(content)?;
    // Of several kinds of bytes, the file says which it is.
    let is_raw = |key: &&String| matches!(media(key), Media::Raw(_));
    let media = match media(key) {
        Media::Raw(_) if content.keys().filter(is_raw).count() > 1 => Media::Raw("*/*"),
        media => media,
    };
    Some((media, content.get(key)?))
}

fn chosen_key(content: &serde_json::Map<String, Value>) -> Option<&String> {
    content.keys().min_by_key(|key| match media(key) {
        Media::Json if is_merge_patch(key) => 0,
        Media::Json => 1,
        Media::Multipart => 2,
        Media::Form => 3,
        Media::Raw(_) => 4,
        Media::Text => 5,
        Media::Xml => 6,
    })
}

fn is_merge_patch(written: &str) -> bool {
    essence(written) == MERGE_PATCH
}

/// The media type of a body in JSON or XML, where it is another than most systems take.
fn unusual(written: &str) -> Option<String> {
    let usual: &[&str] = match media(written) {
        Media::Json => &["application/json", "*/*", ""],
        Media::Xml => &["application/xml"],
        Media::Form | Media::Multipart | Media::Text | Media::Raw(_) => return None,
    };
    Some(essence(written)).filter(|essence| !usual.contains(&essence.as_str()))
}

/// A media type without its parameters.
fn essence(written: &str) -> String {
    written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn media(written: &str) -> Media<'_> {
    match essence(written).as_str() {
        "application/x-www-form-urlencoded" => Media::Form,
        "multipart/form-data" => Media::Multipart,
        "application/xml" | "text/xml" => Media::Xml,
        "*/*" | "" => Media::Json,
        json if json.contains("json") => Media::Json,
        xml if xml.ends_with("+xml") => Media::Xml,
        text if text.starts_with("text/") => Media::Text,
        _ => Media::Raw(written.trim()),
    }
}

/// The ways in which an operation may be called that need scopes, with these.
fn ways(written: &Value) -> impl Iterator<Item = Vec<&str>> {
    let needs = written.get("security").and_then(Value::as_array).into_iter().flatten();
    let ways = needs.filter_map(Value::as_object).map(|need| {
        let mut scopes: Vec<&str> = Vec::new();
        let all = need.values().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        all.for_each(|scope| scopes.extend((!scopes.contains(&scope)).then_some(scope)));
        scopes
    });
    ways.filter(|scopes| !scopes.is_empty())
}

/// The scopes of the first way.
fn scopes(written: &Value) -> Vec<&str> {
    ways(written).next().unwrap_or_default()
}

/// What the other ways need, where each needs one scope.
fn other_scopes(written: &Value) -> Vec<&str> {
    let mut ways = ways(written);
    let first = ways.next().unwrap_or_default();
    let others: Option<Vec<&str>> = ways.map(|way| <[&str; 1]>::try_from(way).ok().map(|[scope]| scope)).collect();
    others.filter(|_| first.len() == 1).unwrap_or_default()
}

/// A property that is text, and not empty.
pub(super) fn string<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}
