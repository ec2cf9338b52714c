//! How does a discovery document of Google read as OpenAPI?
//!
//! In: a discovery document. Out: the same API as OpenAPI 3, so that one importer serves both. Names of methods stay, as
//! they are those that a person would choose: `files.list`.
//!
//! Source: Google API Discovery Service, "Discovery document", <https://developers.google.com/discovery/v1/reference/apis>.

use serde_json::{Map, Value, json};

use super::{Failure, api::string, document::Document};

/// Turns a discovery document into OpenAPI.
///
/// # Errors
/// [`Failure::NotDiscovery`] where it is none.
pub(super) fn openapi(document: &Document) -> Result<Document, Failure> {
    let root = document.root();
    let is_discovery =
        root.get("discoveryVersion").is_some() || string(root, "kind") == Some("discovery#restDescription");
    if !is_discovery {
        return Err(Failure::NotDiscovery);
    }
    let name = string(root, "name").unwrap_or_default();
    let mut paths = Map::new();
    let global = root.get("parameters");
    resource(root, name, global, &mut paths);
    let schemas: Map<String, Value> = root
        .get("schemas")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), schema(value)))
        .collect();
    let base =
        format!("{}{}", string(root, "rootUrl").unwrap_or_default(), string(root, "servicePath").unwrap_or_default());
    let docs = string(root, "documentationLink");
    let title = string(root, "title").or_else(|| string(root, "name")).unwrap_or("API");
    Ok(Document::of(json!({
        "openapi": "3.0.3",
        "info": { "title": title, "description": root.get("description"), "version": string(root, "version").unwrap_or_default() },
        "externalDocs": docs.map(|url| json!({ "url": url })),
        "servers": [{ "url": base.trim_end_matches('/') }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "oauth2": { "type": "oauth2", "flows": { "authorizationCode": {
                "authorizationUrl": "https://accounts.google.com/o/oauth2/v2/auth",
                "tokenUrl": "https://oauth2.googleapis.com/token",
                "scopes": {}
            } } } }
        }
    })))
}

/// The methods of a resource and of those in it.
fn resource(value: &Value, name: &str, global: Option<&Value>, paths: &mut Map<String, Value>) {
    for method in value.get("methods").and_then(Value::as_object).into_iter().flatten().map(|(_, method)| method) {
        let Some(verb) = string(method, "httpMethod") else { continue };
        let path = string(method, "flatPath").or_else(|| string(method, "path")).unwrap_or_default();
        let path = format!("/{}", path.trim_start_matches('/')).replace("{+", "{");
        let item = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.entry(verb.to_ascii_lowercase()).or_insert_with(|| operation(method, name, global));
        }
    }
    for inner in value.get("resources").and_then(Value::as_object).into_iter().flatten().map(|(_, inner)| inner) {
        resource(inner, name, global, paths);
    }
}

fn operation(method: &Value, api: &str, global: Option<&Value>) -> Value {
    let params = method.get("parameters").and_then(Value::as_object).into_iter().flatten();
    let mut params: Vec<Value> = params.map(|(name, param)| parameter(name, param)).collect();
    // Of those that all methods know, the one that chooses which fields come back.
    if let Some(fields) = global.and_then(|global| global.get("fields")) {
        params.push(parameter("fields", fields));
    }
    let id = string(method, "id").unwrap_or_default();
    let mut operation = json!({
        "x-flow-name": id.strip_prefix(&format!("{api}.")).unwrap_or(id),
        "description": method.get("description"),
        "deprecated": method.get("deprecated"),
        "parameters": params,
        "responses": { "200": {} },
    });
    let json = |value: &Value| json!({ "content": { "application/json": { "schema": schema(value) } } });
    if let Some(scopes) = method.get("scopes").and_then(Value::as_array) {
        // Any one of them will do: in OpenAPI each is a way of its own, and the first counts.
        let mut scopes: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
        scopes.sort_by_key(|scope| rank(scope, id));
        operation["security"] = scopes.iter().map(|scope| json!({ "oauth2": [scope] })).collect();
    }
    if let Some(request) = method.get("request") {
        operation["requestBody"] = json(request);
    }
    if let Some(response) = method.get("response") {
        operation["responses"]["200"] = json(response);
    }
    operation
}

/// Words of scopes with which a method sees a part of what it is for: what an application has made itself, what is known of a
/// thing without its content, what add-ons are shown.
const PARTS: [&str; 11] =
    ["addons", "appdata", "apps", "created", "current", "file", "meet", "metadata", "owned", "photos", "scripts"];

/// Which scope a method takes, of those of which any will do: with all that it is for before a part of it, then the one named
/// after what it does (`gmail.send`), then one that only reads, then the narrowest; the longer, the narrower.
fn rank(scope: &str, method: &str) -> impl Ord + use<> {
    let name = scope.trim_end_matches('/').rsplit('/').next().unwrap_or(scope);
    let is_for_a_part = name.split('.').skip(1).any(|word| PARTS.contains(&word));
    let (last, verb) = (name.rsplit('.').next(), method.rsplit('.').next());
    (is_for_a_part, last != verb, last != Some("readonly"), std::cmp::Reverse(scope.len()))
}

fn parameter(name: &str, param: &Value) -> Value {
    let mut item = schema(param);
    if param.get("repeated") == Some(&Value::Bool(true)) {
        item = json!({ "type": "array", "items": item });
    }
    json!({
        "name": name,
        "in": string(param, "location").unwrap_or("query"),
        "required": param.get("required").unwrap_or(&Value::Bool(false)),
        "description": param.get("description"),
        "schema": item,
    })
}

/// A schema as OpenAPI writes it: references are paths, `any` is anything.
fn schema(value: &Value) -> Value {
    let Some(written) = value.as_object() else { return json!({}) };
    let mut out = Map::new();
    for (key, value) in written {
        match key.as_str() {
            "$ref" => {
                let name = value.as_str().unwrap_or_default().replace('~', "~0").replace('/', "~1");
                out.insert(key.clone(), Value::from(format!("#/components/schemas/{name}")));
            }
            "type" if value == "any" => {}
            // Base64 for URLs, which is another alphabet than that of `Bytes`.
            "format" if value == "byte" => {}
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                out.insert(key.clone(), fields.map(|(name, field)| (name.clone(), schema(field))).collect());
            }
            "items" | "additionalProperties" => {
                out.insert(key.clone(), schema(value));
            }
            // On parameters; in OpenAPI it is a list of names beside the properties.
            "required" | "annotations" | "id" | "variant" => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}
