//! Holds requests against the description that a vendor publishes of its API (OpenAPI 2.0, 3.0, 3.1).
//!
//! In: the description, and a request that an operation sends. Out: what the description does not allow: a path or
//! method that it does not have, a parameter that is missing or not known, a body of another media type or that breaks
//! its schema, a field that the schema does not know. Answers are not looked at: programs read them by their own types.
//!
//! Schemas are checked by a validator for JSON schemas; before, what OpenAPI 2.0 and 3.0 say in their own way (`nullable`) is
//! put into its terms. Values of forms, queries and headers are text, and are read as what their schema wants.

use std::collections::BTreeSet;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value as Json, json};

use super::{Answer, Sent};

/// Headers that requests have whatever a description says.
const USUAL: [&str; 4] = ["accept", "content-type", "authorization", "user-agent"];

/// A description.
pub(crate) struct Spec {
    root: Json,
    draft: Draft,
    /// The paths of its servers, the longest first.
    bases: Vec<String>,
}

impl Spec {
    /// Takes a description.
    ///
    /// # Errors
    /// It has no paths.
    pub(crate) fn of(mut root: Json) -> Result<Self, &'static str> {
        if !root.get("paths").is_some_and(Json::is_object) {
            return Err("it is no OpenAPI description: it has no `paths`");
        }
        let is_new = root.get("openapi").and_then(Json::as_str).is_some_and(|version| version.starts_with("3.1"));
        let draft = if is_new { Draft::Draft202012 } else { Draft::Draft4 };
        if !is_new {
            nullable(&mut root);
        }
        asked(&mut root);
        opened(&mut root);
        let mut bases: Vec<String> = Vec::new();
        // Paths and operations can have servers of their own.
        let items = || root.get("paths").and_then(Json::as_object).into_iter().flat_map(Map::values);
        let operations = items().filter_map(Json::as_object).flat_map(Map::values);
        let servers = |of: &Json| of.get("servers").and_then(Json::as_array).cloned().unwrap_or_default();
        for server in [&root].into_iter().chain(items()).chain(operations).flat_map(servers) {
            let url = server.get("url").and_then(Json::as_str).unwrap_or_default();
            let path = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
            bases.push(path.trim_end_matches('/').to_owned());
        }
        bases.extend(root.get("basePath").and_then(Json::as_str).map(|base| base.trim_end_matches('/').to_owned()));
        bases.push(String::new());
        bases.sort_by_key(|base| std::cmp::Reverse(base.len()));
        bases.dedup();
        Ok(Self { root, draft, bases })
    }

    /// The same description without what it says of the contents of values: patterns, lengths, bounds. Made-up values keep to none.
    pub(crate) fn without_bounds(mut self) -> Self {
        unbounded(&mut self.root);
        self
    }

    /// What of a request the description does not allow. `base` is the path of the connector's base URL.
    pub(crate) fn objections(&self, base: &str, sent: &Sent, media_type: Option<&str>) -> Vec<String> {
        // Where paths differ in what stands after a `#` or `?` alone, the request is meant for one of them.
        let told =
            self.paths(base, sent).into_iter().map(|(template, item)| self.told(template, item, sent, media_type));
        let fewest = told.min_by_key(Vec::len);
        fewest.unwrap_or_else(|| vec![format!("the description has no path `{base}{}`", sent.path)])
    }

    /// The answer to a request that the description has as an example, where that is as it says itself.
    pub(crate) fn example(&self, base: &str, sent: &Sent) -> Option<Answer> {
        let (_, item) = self.paths(base, sent).into_iter().next()?;
        let responses = item.get(sent.method.to_ascii_lowercase())?.get("responses")?.as_object()?;
        let (status, response) = responses.iter().find(|(status, _)| status.starts_with('2'))?;
        let response = self.follow(response)?;
        let is_json = |kind: &&String| kind.contains("json");
        let content = response.get("content").and_then(Json::as_object);
        let content = content.and_then(|content| content.get(content.keys().find(is_json)?));
        let first = |examples: &Json| Some(self.follow(examples.as_object()?.values().next()?)?.get("value")?.clone());
        let old = |examples: &Json| {
            let examples = examples.as_object()?;
            Some(examples.get(examples.keys().find(is_json)?)?.clone())
        };
        let schema = content.and_then(|content| content.get("schema")).or_else(|| response.get("schema"))?;
        let body = content
            .and_then(|content| content.get("example").cloned().or_else(|| first(content.get("examples")?)))
            .or_else(|| old(response.get("examples")?))
            .or_else(|| self.follow(schema)?.get("example").cloned())?;
        // Some write JSON as a text.
        let written = body.as_str().and_then(|text| serde_json::from_str(text).ok());
        let body = written.filter(|json: &Json| json.is_object() || json.is_array()).unwrap_or(body);
        let is_good = self.validate(schema, &body, "").is_empty();
        is_good.then(|| Answer { status: status.parse().unwrap_or(200), headers: [].into(), body })
    }

    fn told(&self, template: &str, item: &Json, sent: &Sent, media_type: Option<&str>) -> Vec<String> {
        let Some(operation) = item.get(sent.method.to_ascii_lowercase()) else {
            return vec![format!("the description has no `{} {template}`", sent.method)];
        };
        let mut objections = Vec::new();
        let parameters: Vec<&Json> = [item, operation]
            .into_iter()
            .filter_map(|of| of.get("parameters").and_then(Json::as_array))
            .flatten()
            .filter_map(|parameter| self.follow(parameter))
            .collect();
        self.query(template, &parameters, sent, &mut objections);
        self.headers(&parameters, sent, &mut objections);
        self.body(&parameters, operation, sent, media_type, &mut objections);
        objections
    }

    /// The paths of the description that a request may go to: those that have its method go before, then those with fewer
    /// variable parts, then those that say more.
    fn paths(&self, base: &str, sent: &Sent) -> Vec<(&str, &Json)> {
        let (path, method) = (sent.path.as_str(), sent.method.to_ascii_lowercase());
        let whole = format!("{}{path}", base.trim_end_matches('/'));
        let Some(paths) = self.root.get("paths").and_then(Json::as_object) else { return Vec::new() };
        for prefix in &self.bases {
            for rest in [whole.strip_prefix(prefix.as_str()), Some(path)].into_iter().flatten() {
                let fits = |template: &&String| {
                    let template = template.split(['?', '#']).next().unwrap_or_default();
                    let (mut left, mut right) = (template.split('/'), rest.split('/'));
                    loop {
                        match (left.next(), right.next()) {
                            (None, None) => return true,
                            (Some(part), Some(segment)) if is_one(part, segment) => {}
                            _ => return false,
                        }
                    }
                };
                let has_method = |template: &str| {
                    let item = paths.get(template).and_then(|item| self.follow(item));
                    item.is_some_and(|item| item.get(&method).is_some())
                };
                let rank = |template: &str| {
                    let path = template.split(['?', '#']).next().unwrap_or_default();
                    let fixed = path.split('{').map(|part| part.split_once('}').map_or(part, |(_, fixed)| fixed).len());
                    (!has_method(template), path.matches('{').count(), std::cmp::Reverse(fixed.sum::<usize>()))
                };
                if let Some(best) = paths.keys().filter(fits).map(|template| rank(template)).min() {
                    let meant = paths.keys().filter(fits).filter(|template| rank(template) == best);
                    let items =
                        meant.filter_map(|template| Some((template.as_str(), self.follow(paths.get(template)?)?)));
                    return items.collect();
                }
            }
        }
        Vec::new()
    }

    fn query(&self, template: &str, parameters: &[&Json], sent: &Sent, objections: &mut Vec<String>) {
        // Some write parameters into the path, and all may be those of a credential.
        let in_path = template.split_once('?').map_or("", |(_, query)| query);
        let is_in_path = |name: &str| in_path.split(['?', '&', '#']).any(|pair| pair.split('=').next() == Some(name));
        let is_credential = |name: &str| self.credentials().any(|known| known == name);
        let declared: Vec<&&Json> = parameters.iter().filter(|parameter| is_in(parameter, "query")).collect();
        for parameter in &declared {
            let name = name(parameter);
            let is_there = sent.query.keys().any(|sent| sent == name || sent.starts_with(&format!("{name}[")));
            if !is_there && !is_credential(name) && parameter.get("required") == Some(&Json::Bool(true)) {
                objections.push(format!("the query lacks `{name}`, which must be given"));
            }
        }
        for (sent, value) in &sent.query {
            let plain = sent.split('[').next().unwrap_or_default();
            let Some(parameter) = declared.iter().find(|parameter| {
                [sent.as_str(), plain].contains(&name(parameter)) || name(parameter) == format!("{plain}[]")
            }) else {
                if !is_in_path(sent) && !is_credential(sent) {
                    objections.push(format!("the description knows no parameter `{sent}` of the query"));
                }
                continue;
            };
            // Parts of an object or a list, and lists in one text, have forms of their own.
            let is_list = self.schema_of(parameter).and_then(|schema| schema.get("type")) == Some(&Json::from("array"));
            if sent.contains('[') || is_list {
                continue;
            }
            let what = format!("the parameter `{sent}`");
            objections.extend(self.breaks(self.schema_of(parameter), value, &what));
        }
    }

    /// The names of parameters that carry a credential.
    fn credentials(&self) -> impl Iterator<Item = &str> {
        let declared = [self.root.pointer("/components/securitySchemes"), self.root.get("securityDefinitions")];
        let schemes = declared.into_iter().flatten().filter_map(Json::as_object).flat_map(Map::values);
        schemes.filter(|scheme| is_in(scheme, "query")).filter_map(|scheme| scheme.get("name")?.as_str())
    }

    fn headers(&self, parameters: &[&Json], sent: &Sent, objections: &mut Vec<String>) {
        for parameter in parameters.iter().filter(|parameter| is_in(parameter, "header")) {
            let name = name(parameter).to_ascii_lowercase();
            // Slack's description calls so what goes as `Authorization`.
            let is_credential = name == "token" && sent.headers.contains_key("authorization");
            if USUAL.contains(&name.as_str()) || is_credential {
                continue;
            }
            match sent.headers.get(&name) {
                Some(value) => {
                    let what = format!("the header `{name}`");
                    objections.extend(self.breaks(self.schema_of(parameter), &Json::from(value.as_str()), &what));
                }
                None if parameter.get("required") == Some(&Json::Bool(true)) => {
                    objections.push(format!("the header `{name}`, which must be given, is not sent"));
                }
                None => {}
            }
        }
    }

    fn body(
        &self,
        parameters: &[&Json],
        operation: &Json,
        sent: &Sent,
        media_type: Option<&str>,
        objections: &mut Vec<String>,
    ) {
        let kind = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let declared = operation.get("requestBody").and_then(|body| self.follow(body));
        let old = parameters.iter().find(|parameter| is_in(parameter, "body"));
        let fields: Vec<&&Json> = parameters.iter().filter(|parameter| is_in(parameter, "formData")).collect();
        let is_required = declared.or(old.copied()).and_then(|body| body.get("required")) == Some(&Json::Bool(true));
        let Some(body) = &sent.body else {
            // A form of which no field is given has no bytes.
            if is_required && kind != "application/x-www-form-urlencoded" {
                objections.push("no body is sent, and one must be given".to_owned());
            }
            return;
        };
        if let Some(content) = declared.and_then(|body| body.get("content")).and_then(Json::as_object) {
            let fits = |known: &&String| {
                let known = known.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                known == kind || known == "*/*" || known.strip_suffix('*').is_some_and(|start| kind.starts_with(start))
            };
            match content.keys().find(fits).and_then(|known| content.get(known)) {
                Some(found) => self.content(found.get("schema"), body, &kind, objections),
                None => {
                    let known: Vec<String> = content.keys().map(|known| format!("`{known}`")).collect();
                    objections.push(format!("the body is `{kind}`, and the description takes {}", known.join(", ")));
                }
            }
        } else if let Some(old) = old {
            self.content(old.get("schema"), body, &kind, objections);
        } else if !fields.is_empty() {
            self.form_data(&fields, body, objections);
        } else {
            objections.push("a body is sent, and the description knows none".to_owned());
        }
    }

    /// The fields of a form as OpenAPI 2.0 declares them.
    fn form_data(&self, fields: &[&&Json], body: &Json, objections: &mut Vec<String>) {
        let Json::Object(sent) = body else { return };
        for field in fields {
            if !sent.contains_key(name(field)) && field.get("required") == Some(&Json::Bool(true)) {
                objections.push(format!("the body lacks `{}`, which must be given", name(field)));
            }
        }
        for (sent, value) in sent {
            match fields.iter().find(|field| name(field) == sent) {
                Some(field) if field.get("type") == Some(&Json::from("file")) => {}
                Some(field) => objections.extend(self.breaks(Some(field), value, &format!("the field `{sent}`"))),
                None => objections.push(format!("the description knows no field `{sent}` of the body")),
            }
        }
    }

    fn content(&self, schema: Option<&Json>, body: &Json, kind: &str, objections: &mut Vec<String>) {
        let Some(schema) = schema else { return };
        let is_form = kind == "application/x-www-form-urlencoded";
        let is_json = kind == "application/json" || kind.ends_with("+json");
        if !is_form && !is_json {
            return;
        }
        let nested = if is_form { self.typed(&nested(body), schema, 0) } else { body.clone() };
        self.unknown(schema, &nested, "", 0, objections);
        objections.extend(self.validate(schema, &nested, "the body"));
    }

    /// Fields that no schema at their place knows.
    fn unknown(&self, schema: &Json, value: &Json, path: &str, depth: usize, objections: &mut Vec<String>) {
        match value {
            Json::Object(fields) if depth < 32 => {
                let mut known = Known::default();
                self.known(schema, &mut known, 0);
                for (name, value) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    match known.fields.get(name) {
                        Some(schema) => self.unknown(schema, value, &path, depth + 1, objections),
                        None if known.open || known.fields.is_empty() => {}
                        None => objections.push(format!("the description knows no field `{path}` of the body")),
                    }
                }
            }
            Json::Array(items) if depth < 32 => {
                let schema = self.follow(schema).and_then(|schema| schema.get("items"));
                for (index, item) in items.iter().enumerate() {
                    if let Some(schema) = schema {
                        self.unknown(schema, item, &format!("{path}[{index}]"), depth + 1, objections);
                    }
                }
            }
            _ => {}
        }
    }

    /// The fields that a schema and what it is put together of name.
    fn known<'a>(&'a self, schema: &'a Json, known: &mut Known<'a>, depth: usize) {
        let Some(schema) = self.follow(schema).filter(|_| depth < 32) else { return };
        for (name, field) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            known.fields.entry(name.clone()).or_insert(field);
        }
        known.open |= schema.get("additionalProperties").is_some_and(|more| *more != Json::Bool(false))
            || schema.get("patternProperties").is_some();
        for part in ["allOf", "anyOf", "oneOf"] {
            for schema in schema.get(part).and_then(Json::as_array).into_iter().flatten() {
                self.known(schema, known, depth + 1);
            }
        }
    }

    /// Text as what the schema wants of it.
    fn typed(&self, value: &Json, schema: &Json, depth: usize) -> Json {
        let Some(schema) = self.follow(schema).filter(|_| depth < 32) else { return value.clone() };
        let mut types: BTreeSet<&str> = BTreeSet::new();
        let choices: Vec<&Json> = ["anyOf", "oneOf", "allOf"]
            .iter()
            .filter_map(|part| schema.get(part).and_then(Json::as_array))
            .flatten()
            .filter_map(|schema| self.follow(schema))
            .collect();
        for schema in choices.iter().chain([&schema]) {
            match schema.get("type") {
                Some(Json::String(ty)) => drop(types.insert(ty)),
                Some(Json::Array(list)) => types.extend(list.iter().filter_map(Json::as_str)),
                _ => {}
            }
        }
        match value {
            Json::Object(fields) => {
                let mut known = Known::default();
                self.known(schema, &mut known, 0);
                let all = schema.get("additionalProperties").filter(|more| more.is_object());
                let typed = fields.iter().map(|(name, value)| {
                    let schema = known.fields.get(name).copied().or(all);
                    (name.clone(), schema.map_or_else(|| value.clone(), |schema| self.typed(value, schema, depth + 1)))
                });
                Json::Object(typed.collect())
            }
            Json::Array(items) => {
                let of = choices.iter().chain([&schema]).find_map(|schema| schema.get("items"));
                let typed = |item: &Json| of.map_or_else(|| item.clone(), |schema| self.typed(item, schema, depth + 1));
                Json::Array(items.iter().map(typed).collect())
            }
            Json::String(text) => {
                let number = (types.contains("integer") || types.contains("number"))
                    .then(|| text.parse::<serde_json::Number>().ok());
                match number.flatten() {
                    Some(number) => Json::Number(number),
                    None if types.contains("boolean") && text == "true" => Json::Bool(true),
                    None if types.contains("boolean") && text == "false" => Json::Bool(false),
                    None if types.contains("array") && !types.contains("string") => Json::Array(vec![value.clone()]),
                    None => value.clone(),
                }
            }
            other => other.clone(),
        }
    }

    /// The schema of a parameter: its own in OpenAPI 3, the parameter itself in 2.0.
    fn schema_of<'a>(&'a self, parameter: &'a Json) -> Option<&'a Json> {
        self.follow(parameter.get("schema").unwrap_or(parameter))
    }

    /// What is wrong with a text by a schema.
    fn breaks(&self, schema: Option<&Json>, value: &Json, what: &str) -> Option<String> {
        let schema = schema?;
        // What OpenAPI 2.0 says of a parameter besides its schema is no part of a schema.
        let mut own = schema.clone();
        if let Json::Object(fields) = &mut own {
            fields.retain(|name, _| {
                !["in", "name", "required", "description", "example", "examples"].contains(&name.as_str())
            });
        }
        self.validate(&own, &self.typed(value, schema, 0), what).into_iter().next()
    }

    fn validate(&self, schema: &Json, value: &Json, what: &str) -> Vec<String> {
        let options = jsonschema::options().with_draft(self.draft).should_ignore_unknown_formats(true);
        let whole = self.with_what_it_names(schema);
        let validator: Validator = match options.build(&whole) {
            Ok(validator) => validator,
            Err(error) => return vec![format!("the description's schema can't be used: {error}")],
        };
        let told = |error: jsonschema::ValidationError<'_>| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() {
                String::new()
            } else {
                format!(" at `{}`", place.trim_start_matches('/').replace('/', "."))
            };
            format!("{what}{place} breaks its schema: {error}")
        };
        validator.iter_errors(value).take(5).map(told).collect()
    }

    /// A schema with what its references lead to, each at its place in the description: a large description costs no more than
    /// what is used of it.
    fn with_what_it_names(&self, schema: &Json) -> Json {
        let mut whole = json!({ "x-flow-checked": schema, "$ref": "#/x-flow-checked" });
        let (mut open, mut seen) = (Vec::new(), BTreeSet::new());
        references(schema, &mut open);
        while let Some(reference) = open.pop() {
            if !seen.insert(reference) {
                continue;
            }
            // One that is written in another way, with `%20` in it for example, is left to the validator.
            let place = reference.strip_prefix('#').unwrap_or(reference);
            let Some(named) = self.root.pointer(place) else {
                let mut all = self.root.clone();
                all["x-flow-checked"] = whole["x-flow-checked"].take();
                all["$ref"] = whole["$ref"].take();
                return all;
            };
            put(&mut whole, place, named);
            references(named, &mut open);
        }
        whole
    }

    /// The value itself, or what its `$ref` leads to.
    fn follow<'a>(&'a self, mut value: &'a Json) -> Option<&'a Json> {
        for _ in 0..32 {
            match value.get("$ref").and_then(Json::as_str) {
                Some(reference) => value = self.root.pointer(reference.strip_prefix('#')?)?,
                None => return Some(value),
            }
        }
        None
    }
}

/// The references in a schema.
fn references<'a>(value: &'a Json, found: &mut Vec<&'a str>) {
    match value {
        Json::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Json::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Puts a value at the place that a pointer names (RFC 6901). What lies within something that is there already is there, too.
fn put(root: &mut Json, place: &str, value: &Json) {
    let mut at = root;
    for part in place.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        at = match at {
            Json::Object(fields) => fields.entry(part).or_insert_with(|| json!({})),
            _ => return,
        };
    }
    if at.as_object().is_some_and(|fields| fields.keys().all(|name| value.get(name).is_some())) {
        *at = value.clone();
    }
}

/// The fields that schemas name, and whether there may be others.
#[derive(Default)]
struct Known<'a> {
    fields: std::collections::BTreeMap<String, &'a Json>,
    open: bool,
}

fn name(parameter: &Json) -> &str {
    parameter.get("name").and_then(Json::as_str).unwrap_or_default()
}

fn is_in(parameter: &Json, place: &str) -> bool {
    parameter.get("in").and_then(Json::as_str) == Some(place)
}

/// Says whether a segment of a path fits a part of a template: the same text, or `{id}`, also with text around it.
fn is_one(part: &str, segment: &str) -> bool {
    match (part.find('{'), part.rfind('}')) {
        (Some(open), Some(close)) if open < close => {
            let (before, after) = (&part[..open], &part[close + 1..]);
            segment.len() > before.len() + after.len() && segment.starts_with(before) && segment.ends_with(after)
        }
        _ => part == segment,
    }
}

/// `a[b][c]=1` as `{ a: { b: { c: "1" } } }`; numbers in brackets and none make lists.
fn nested(body: &Json) -> Json {
    let Json::Object(fields) = body else { return body.clone() };
    let mut root = Json::Object(Map::new());
    for (name, value) in fields {
        let (first, rest) = name.split_once('[').unwrap_or((name, ""));
        let mut place = &mut root;
        let mut keys = vec![first];
        keys.extend(rest.split('[').map(|key| key.trim_end_matches(']')).filter(|_| !rest.is_empty()));
        for key in keys {
            place = match key.parse::<usize>() {
                _ if key.is_empty() => place,
                Ok(index) if index < 1000 => {
                    if !place.is_array() {
                        *place = Json::Array(Vec::new());
                    }
                    let Json::Array(list) = place else { return root };
                    if list.len() <= index {
                        list.resize(index + 1, Json::Null);
                    }
                    let Some(item) = list.get_mut(index) else { return root };
                    item
                }
                _ => {
                    if !place.is_object() {
                        *place = Json::Object(Map::new());
                    }
                    let Json::Object(fields) = place else { return root };
                    fields.entry(key.to_owned()).or_insert(Json::Null)
                }
            };
        }
        let is_list = name.ends_with("[]") && !value.is_array();
        *place = if is_list { Json::Array(vec![value.clone()]) } else { value.clone() };
    }
    root
}

/// Takes away what bounds values, also lists of so many words that a connector takes them for text. A property that is called
/// like one of these words has a schema, and stays.
fn unbounded(value: &mut Json) {
    /// Most words of an enum that an import writes out.
    const MOST: usize = 60;
    const WORDS: [&str; 13] = [
        "pattern",
        "format",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    ];
    each_object(value, &mut |fields| {
        fields.retain(|name, value| match value {
            Json::Object(_) => true,
            Json::Array(words) => name != "enum" || words.len() <= MOST,
            _ => !WORDS.contains(&name.as_str()),
        });
    });
}

/// Goes over all objects, innermost first, and lets each be changed.
fn each_object(value: &mut Json, change: &mut dyn FnMut(&mut Map<String, Json>)) {
    match value {
        Json::Object(fields) => {
            fields.values_mut().for_each(|value| each_object(value, change));
            change(fields);
        }
        Json::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        _ => {}
    }
}

/// What only answers have need not be in a request, whatever is required (OpenAPI 3.0.3, section 4.7.24), and numbers of 64 bits
/// that answers have in quotes are taken without (the JSON of Protocol Buffers, which Google's descriptions are made from).
fn asked(value: &mut Json) {
    each_object(value, &mut |fields| {
        let is_long = matches!(fields.get("format").and_then(Json::as_str), Some("int64" | "uint64"));
        if let Some(ty) = fields.get_mut("type").filter(|ty| is_long && **ty == "string") {
            *ty = json!(["string", "integer"]);
        }
        let told = fields.get("properties").and_then(Json::as_object).into_iter().flatten();
        let told = told.filter(|(_, property)| property.get("readOnly") == Some(&Json::Bool(true)));
        let told: Vec<String> = told.map(|(name, _)| name.clone()).collect();
        let Some(Json::Array(required)) = fields.get_mut("required") else { return };
        required.retain(|name| !told.iter().any(|told| name == told));
        // An empty list is none in older drafts.
        if required.is_empty() {
            fields.remove("required");
        }
    });
}

/// Opens schemas that are parts of a whole: closed as some descriptions have them, one part allows nothing of the others. What
/// no part knows is found by [`Spec::unknown`].
fn opened(root: &mut Json) {
    fn open(schema: &mut Map<String, Json>) {
        if schema.get("additionalProperties") == Some(&Json::Bool(false)) {
            schema.remove("additionalProperties");
        }
    }
    let mut named = BTreeSet::new();
    each_object(root, &mut |fields| {
        let Some(Json::Array(parts)) = fields.get_mut("allOf") else { return };
        for part in parts.iter_mut().filter_map(Json::as_object_mut) {
            open(part);
            named.extend(part.get("$ref").and_then(Json::as_str).map(str::to_owned));
        }
        open(fields);
    });
    for name in named {
        if let Some(Json::Object(part)) = name.strip_prefix('#').and_then(|place| root.pointer_mut(place)) {
            open(part);
        }
    }
}

/// Puts `nullable: true` into the terms of JSON schema.
fn nullable(value: &mut Json) {
    each_object(value, &mut |fields| {
        if fields.get("nullable") != Some(&Json::Bool(true)) {
            return;
        }
        if let Some(ty @ Json::String(_)) = fields.get_mut("type") {
            *ty = Json::Array(vec![ty.take(), Json::from("null")]);
        }
        if let Some(Json::Array(values)) = fields.get_mut("enum")
            && !values.contains(&Json::Null)
        {
            values.push(Json::Null);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn spec() -> Spec {
        let spec = json!({
            "openapi": "3.0.3",
            "servers": [{ "url": "https://shop.example/api/v1" }],
            "paths": {
                "/orders/{id}": { "get": { "parameters": [
                    { "name": "fields", "in": "query", "required": true, "schema": { "type": "string" } },
                    { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } },
                ] } },
                "/orders": { "post": { "requestBody": { "required": true, "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/Order" } },
                    "application/x-www-form-urlencoded": { "schema": { "$ref": "#/components/schemas/Order" } },
                } } } },
            },
            "components": { "schemas": {
                "Order": { "type": "object", "required": ["sku"], "properties": {
                    "sku": { "type": "string", "nullable": true },
                    "lines": { "type": "array", "items": { "$ref": "#/components/schemas/Line" } },
                    "more": { "type": "object", "additionalProperties": { "type": "string" } },
                } },
                "Line": { "type": "object", "properties": { "quantity": { "type": "integer" } } },
            } },
        });
        Spec::of(spec).unwrap()
    }

    fn sent(method: &str, path: &str, body: Option<Json>) -> Sent {
        Sent { method: method.into(), path: path.into(), query: BTreeMap::new(), headers: BTreeMap::new(), body }
    }

    fn objections(sent: &Sent, media_type: &str) -> String {
        spec().objections("/api/v1", sent, Some(media_type)).join("\n")
    }

    #[test]
    fn a_request_that_the_description_allows_has_no_objections() {
        let order = json!({ "sku": null, "lines": [{ "quantity": 2 }], "more": { "any": "thing" } });
        assert_eq!(objections(&sent("POST", "/orders", Some(order)), "application/json; charset=utf-8"), "");
        let form = json!({ "sku": "a", "lines[0][quantity]": "2", "more[any]": "thing" });
        assert_eq!(objections(&sent("POST", "/orders", Some(form)), "application/x-www-form-urlencoded"), "");
        let query = BTreeMap::from([("fields".to_owned(), json!("a")), ("limit".to_owned(), json!("100"))]);
        assert_eq!(objections(&Sent { query, ..sent("GET", "/orders/7", None) }, ""), "");
    }

    #[test]
    fn what_the_description_does_not_allow_is_named() {
        assert_eq!(objections(&sent("GET", "/order/7", None), ""), "the description has no path `/api/v1/order/7`");
        assert_eq!(objections(&sent("PUT", "/orders/7", None), ""), "the description has no `PUT /orders/{id}`");
        assert_eq!(objections(&sent("POST", "/orders", None), ""), "no body is sent, and one must be given");
        let query = BTreeMap::from([("limit".to_owned(), json!("101")), ("sort".to_owned(), json!("a"))]);
        let told = objections(&Sent { query, ..sent("GET", "/orders/7", None) }, "");
        for text in ["the query lacks `fields`", "`limit` breaks its schema", "no parameter `sort`"] {
            assert!(told.contains(text), "{told}");
        }
        let order = json!({ "lines": [{ "quantity": "2", "colour": "red" }], "sku_": 1 });
        let told = objections(&sent("POST", "/orders", Some(order)), "application/json");
        for text in ["no field `lines[0].colour`", "no field `sku_`", "at `lines.0.quantity`", "\"sku\" is a required"]
        {
            assert!(told.contains(text), "`{text}`: {told}");
        }
        assert_eq!(
            objections(&sent("POST", "/orders", Some(json!("<a/>"))), "application/xml"),
            "the body is `application/xml`, and the description takes `application/json`, `application/x-www-form-urlencoded`"
        );
    }

    #[test]
    fn what_a_description_contradicts_itself_in_is_read_as_it_is_meant() {
        let object = |properties: Json, required: Json| json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required });
        let body = |schema: Json| json!({ "requestBody": { "content": { "application/json": { "schema": schema } } } });
        let spec = Spec::of(json!({
            "openapi": "3.0.3",
            "paths": {
                "/parts/{id}#acl": { "put": { "parameters": [{ "name": "acl", "in": "query", "required": true }] } },
                "/parts/{id}#tags": { "put": { "parameters": [{ "name": "tags", "in": "query", "required": true }] } },
                "/whole": { "post": body(json!({ "allOf": [
                    { "$ref": "#/components/schemas/Part" },
                    object(json!({ "b": { "type": "string", "format": "int64" } }), json!(["b"])),
                ] })) },
                "/calls": { "get": { "parameters": [{ "name": "token", "in": "header", "required": true }] } },
            },
            "components": { "schemas": { "Part": object(
                json!({ "a": { "type": "string" }, "id": { "type": "string", "readOnly": true } }),
                json!(["a", "id"]),
            ) } },
        }))
        .unwrap();
        let told = |sent: &Sent| spec.objections("", sent, Some("application/json")).join("\n");
        let query = |name: &str| BTreeMap::from([(name.to_owned(), json!(""))]);
        assert_eq!(told(&Sent { query: query("tags"), ..sent("PUT", "/parts/7", None) }), "");
        assert_ne!(told(&Sent { query: query("cors"), ..sent("PUT", "/parts/7", None) }), "");
        assert_eq!(told(&sent("POST", "/whole", Some(json!({ "a": "x", "b": 7 })))), "");
        let unknown = told(&sent("POST", "/whole", Some(json!({ "a": "x", "b": "7", "c": 1 }))));
        assert_eq!(unknown, "the description knows no field `c` of the body");
        assert_eq!(told(&sent("GET", "/calls", None)), "the header `token`, which must be given, is not sent");
        let headers = BTreeMap::from([("authorization".to_owned(), "Bearer x".to_owned())]);
        assert_eq!(told(&Sent { headers, ..sent("GET", "/calls", None) }), "");
    }

    #[test]
    fn an_example_of_an_answer_counts_where_it_is_as_the_description_says() {
        let answers = |content: Json| json!({ "get": { "responses": { "404": {}, "201": content } } });
        let json = |told: Json| json!({ "content": { "application/json": told } });
        let schema = json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } } });
        let mut named = schema.clone();
        named["example"] = json!({ "id": 4 });
        let spec = Spec::of(json!({ "openapi": "3.0.3", "paths": {
            "/one": answers(json(json!({ "schema": schema, "example": { "id": 1 } }))),
            "/several": answers(json(json!({ "schema": schema, "examples": { "a": { "value": { "id": 2 } } } }))),
            "/text": answers(json(json!({ "schema": schema, "example": "{ \"id\": 3 }" }))),
            "/of_the_schema": answers(json(json!({ "schema": named }))),
            "/of_two": answers(json!({ "schema": schema, "examples": { "application/json": { "id": 5 } } })),
            "/wrong": answers(json(json!({ "schema": schema, "example": { "id": "1" } }))),
            "/none": answers(json(json!({ "schema": schema }))),
        } }))
        .unwrap();
        let found = |path: &str| spec.example("", &sent("GET", path, None)).map(|answer| (answer.status, answer.body));
        for (path, id) in [("/one", 1), ("/several", 2), ("/text", 3), ("/of_the_schema", 4), ("/of_two", 5)] {
            assert_eq!(found(path), Some((201, json!({ "id": id }))), "{path}");
        }
        assert_eq!((found("/wrong"), found("/none")), (None, None));
    }
}
