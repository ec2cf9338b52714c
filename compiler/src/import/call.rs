//! How is one operation declared?
//!
//! In: an operation of a description and its name. Out: its parameters, request, effect and result, in Flow. Parameters of
//! path, query, headers and the fields of the body become parameters side by side. An operation that a declaration can't
//! carry is refused with the reason.

use std::collections::BTreeSet;

use super::{
    api::{Answer, Body, MERGE_PATCH, Media, Operation, Param, Place, Style},
    auth::{self, Auth},
    document::Document,
    page::Pages,
    ty::{Field, Ty, Types},
    word,
};

/// Most fields of a body that become parameters each; larger bodies are one parameter.
const MOST_FIELDS: usize = 40;

/// Headers by which the sender names a request, so that a repeated one is known.
const KEYS: [&str; 3] = ["idempotency-key", "x-idempotency-key", "paypal-request-id"];

/// Headers that are not for a caller to set.
const OWN_HEADERS: [&str; 11] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "transfer-encoding",
    "user-agent",
    "accept-encoding",
    "te",
];

/// Words that begin the name of what only reads, though it is a `POST`. Not among them is what may keep what it finds
/// (`check`, `validate`, `estimate`, `preview`), nor `read` by itself, by which things are marked.
const READS: [&str; 14] = [
    "search",
    "query",
    "find",
    "lookup",
    "list",
    "get",
    "count",
    "fetch",
    "retrieve",
    "batch_read",
    "batch_get",
    "batch_retrieve",
    "bulk_get",
    "bulk_retrieve",
];

/// Words that begin the description of what only reads: `Lists orders`, `BatchRetrieveOrders`.
const SAYS_READS: [&str; 13] = [
    "search", "query", "find", "look", "lookup", "list", "get", "count", "fetch", "retrieve", "read", "return", "show",
];

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Read,
    Idempotent,
    Create,
}

/// What about an effect does not follow from the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// That a `POST` only reads.
    Reads,
    /// That a `PATCH` does more the second time.
    Patches,
}

/// An operation in Flow.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) doc: Vec<String>,
    pub(super) params: Vec<Parameter>,
    pub(super) result: Option<Ty>,
    pub(super) effect: Effect,
    pub(super) guess: Option<Guess>,
    /// `header("Idempotency-Key")`
    pub(super) key: Option<String>,
    pub(super) method: String,
    /// The path between quotes, with `{parameter}`.
    pub(super) path: String,
    /// The properties of the request: `query` with its entries, `body`, …
    pub(super) parts: Vec<(&'static str, Part)>,
    pub(super) format: Option<&'static str>,
    /// Whether answers have the header `Link`.
    pub(super) links: bool,
    /// How its pages follow each other, where it has some.
    pub(super) pages: Option<Pages>,
    pub(super) scopes: Vec<String>,
    pub(super) other_scopes: Vec<String>,
    pub(super) deprecated: bool,
    pub(super) lost: Vec<String>,
}

impl Call {
    /// Has Flow fill in what names a request. A call that may be repeated anyway needs it where the system asks for it alone, and
    /// is then one that may be repeated for that.
    fn keyed(&mut self, is_needed: bool, key: impl FnOnce() -> String) {
        if is_needed && self.effect != Effect::Create {
            (self.effect, self.guess) = (Effect::Create, None);
        }
        if self.effect == Effect::Create && self.key.is_none() {
            self.key = Some(key());
        }
    }
}

/// A part of a request.
pub(super) enum Part {
    /// Names with values.
    Entries(Vec<(String, String)>),
    Value(String),
}

/// A parameter.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) ty: Ty,
    pub(super) doc: Vec<String>,
}

/// Declares an operation. `prefix` stands before its path.
///
/// # Errors
/// Says why a declaration can't carry it.
pub(super) fn call<'a>(
    document: &'a Document,
    operation: &Operation<'a>,
    name: &str,
    prefix: &str,
    auth: &Auth<'a>,
    types: &mut Types<'a>,
) -> Result<Call, String> {
    let (effect, guess) = effect(operation, name);
    let mut writer =
        Writer { document, types, params: Vec::new(), taken: BTreeSet::new(), lost: operation.lost.clone() };
    let mut call = Call {
        name: name.to_owned(),
        doc: operation.doc.clone(),
        params: Vec::new(),
        result: None,
        effect,
        guess,
        key: None,
        method: operation.method.to_uppercase(),
        path: String::new(),
        parts: Vec::new(),
        format: None,
        links: operation.answer.as_ref().is_some_and(|answer| answer.links),
        pages: None,
        scopes: operation.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        other_scopes: operation.other_scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        deprecated: operation.deprecated,
        lost: Vec::new(),
    };
    let (path, mut query) = writer.path(&format!("{prefix}{}", operation.path), operation)?;
    call.path = path;
    let can_have_body = !matches!(operation.method, "get" | "head");
    match &operation.body {
        Some(body) if can_have_body => writer.body(&mut call, body)?,
        Some(body) if writer.says(body) => writer.lost.push(format!("the body of a `{}`", call.method)),
        Some(_) => {}
        None => {}
    }
    let mut headers = Vec::new();
    let content_type = operation.body.as_ref().and_then(|body| body.content_type.as_ref());
    if let Some(content_type) = content_type.filter(|_| call.parts.iter().any(|(part, _)| is_content(part))) {
        entry(&mut headers, "Content-Type", word::quoted(content_type));
    }
    for param in &operation.params {
        match param.place {
            Place::Path => {}
            Place::Query => {
                let is_set = query.iter().any(|(name, _)| *name == word::key(param.name));
                if !is_set && !auth::is_key(document, "query", param.name) {
                    writer.query(&mut query, param)?;
                }
            }
            Place::Header => {
                let lower = param.name.to_ascii_lowercase();
                let is_own = OWN_HEADERS.contains(&lower.as_str())
                    || (lower == "token" && matches!(auth, Auth::Bearer | Auth::OAuth(_)))
                    || auth::is_key(document, "header", param.name);
                if KEYS.contains(&lower.as_str()) {
                    call.keyed(param.required, || format!("header({})", word::quoted(param.name)));
                } else if !is_own {
                    writer.header(&mut headers, param)?;
                }
            }
        }
    }
    let mut parts = Vec::new();
    if !query.is_empty() {
        parts.push(("query", Part::Entries(query)));
    }
    if !headers.is_empty() {
        parts.push(("headers", Part::Entries(headers)));
    }
    parts.append(&mut call.parts);
    call.parts = parts;
    if let Some(answer) = &operation.answer {
        writer.answer(&mut call, answer);
    }
    // What must be given comes first; otherwise the order is that of the request.
    let (needed, optional): (Vec<_>, Vec<_>) =
        writer.params.into_iter().partition(|param| !matches!(param.ty, Ty::Optional(_)));
    call.params = needed.into_iter().chain(optional).collect();
    call.lost = writer.lost;
    Ok(call)
}

/// What a call does, and what of that is a guess. Methods say it (RFC 9110, section 9.2), but for two: a `POST` may be a
/// question that is too long for a URL, and a `PATCH` (RFC 5789, section 2) may add to what is there. A merge patch gives
/// values to what it names, the same each time (RFC 7396, section 2).
fn effect(operation: &Operation<'_>, name: &str) -> (Effect, Option<Guess>) {
    match operation.method {
        "get" | "head" => (Effect::Read, None),
        "put" | "delete" => (Effect::Idempotent, None),
        "patch" if operation.body.as_ref().is_some_and(|body| body.content_type.as_deref() == Some(MERGE_PATCH)) => {
            (Effect::Idempotent, None)
        }
        "patch" => (Effect::Create, Some(Guess::Patches)),
        "post" if reads(operation, name) => (Effect::Read, Some(Guess::Reads)),
        _ => (Effect::Create, None),
    }
}

/// Whether both the name and what is told of an operation, if anything, say that it reads.
fn reads(operation: &Operation<'_>, name: &str) -> bool {
    let action = name.rsplit('.').next().unwrap_or(name);
    let by_name =
        READS.iter().any(|read| action == *read || action.strip_prefix(read).is_some_and(|rest| rest.starts_with('_')));
    let told = operation.doc.first().map(|line| word::words(line)).unwrap_or_default();
    let first = told.iter().find(|word| !matches!(word.as_str(), "batch" | "bulk"));
    let by_doc = first.is_none_or(|word| {
        // Of the third person too: `Lists`, `Queries`, `Searches`.
        let stem = word.strip_suffix("ies").map(|stem| format!("{stem}y"));
        let stems = [Some(word.as_str()), word.strip_suffix('s'), word.strip_suffix("es"), stem.as_deref()];
        stems.into_iter().flatten().any(|stem| SAYS_READS.contains(&stem))
    });
    by_name && by_doc
}

struct Writer<'a, 't> {
    document: &'a Document,
    types: &'t mut Types<'a>,
    params: Vec<Parameter>,
    taken: BTreeSet<String>,
    lost: Vec<String>,
}

impl<'a> Writer<'a, '_> {
    /// Whether a body has anything in it.
    fn says(&self, body: &Body<'a>) -> bool {
        let schema = body.schema.and_then(|schema| self.document.follow(schema));
        !body.fields.is_empty() || schema.is_some_and(|schema| self.types.object(schema).has_fields())
    }

    /// A parameter of the operation; the name by which the request refers to it.
    fn add(&mut self, written: &str, place: &str, ty: Ty, doc: Vec<String>) -> String {
        let mut name = word::param(written);
        if self.taken.contains(&name) {
            name = format!("{place}_{name}");
        }
        let name = word::free(&name, |name| self.taken.contains(name));
        self.taken.insert(name.clone());
        self.params.push(Parameter { name: name.clone(), ty, doc });
        name
    }

    /// The path with its parameters inserted, and the query that it was written with.
    fn path(&mut self, path: &str, operation: &Operation<'a>) -> Result<(String, Vec<(String, String)>), String> {
        let path = path.split('#').next().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if !path.starts_with('/') {
            return Err("its path does not begin with `/`".to_owned());
        }
        let mut out = String::from("\"");
        let mut rest = path;
        let mut known: Vec<(String, String)> = Vec::new();
        loop {
            let (fixed, after) = match rest.split_once('{') {
                Some((fixed, after)) => (fixed, Some(after)),
                None => (rest, None),
            };
            out.push_str(&fixed_path(fixed));
            let Some(after) = after else { break };
            let (name, after) = after.split_once('}').ok_or("its path has a brace that is not closed")?;
            let inserted = match known.iter().find(|(known, _)| known == name) {
                Some((_, inserted)) => inserted.clone(),
                None => {
                    let declared =
                        operation.params.iter().find(|param| param.place == Place::Path && param.name == name);
                    let ty = declared.map_or(Ty::Plain("String"), |param| {
                        let ty = self.types.ty(param.schema, name);
                        single(ty.non_null()).unwrap_or(Ty::Plain("String"))
                    });
                    let doc = declared.map(|param| param.doc.clone()).unwrap_or_default();
                    let inserted = self.add(name, "path", ty, doc);
                    known.push((name.to_owned(), inserted.clone()));
                    inserted
                }
            };
            out.push('{');
            out.push_str(&inserted);
            out.push('}');
            rest = after;
        }
        out.push('"');
        let mut entries: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let declared = operation.params.iter().any(|param| param.place == Place::Query && param.name == name);
            if !value.contains('{') && !declared && !entries.iter().any(|(known, _)| *known == word::key(name)) {
                entries.push((word::key(name), word::quoted(value)));
            }
        }
        Ok((out, entries))
    }

    fn query(&mut self, entries: &mut Vec<(String, String)>, param: &Param<'a>) -> Result<(), String> {
        let ty = self.types.ty(param.schema, param.name);
        let ty = ty.non_null();
        if *ty == Ty::Plain("Json") && param.style == Style::Brackets {
            // A value or a record of several, as Stripe's ranges: `created=7`, `created[gte]=7`.
            let ty = if param.required { ty.clone() } else { ty.clone().optional() };
            let name = self.add(param.name, "query", ty, param.doc.clone());
            entry(entries, param.name, name);
            return Ok(());
        }
        let given = |ty: Ty| if param.required { ty } else { ty.optional() };
        if let Some(single) = single(ty) {
            let name = self.add(param.name, "query", given(single), param.doc.clone());
            entry(entries, param.name, name);
            return Ok(());
        }
        if let Ty::List(item) = ty
            && let (Some(item), true) = (single(item.non_null()), param.style != Style::Unknown)
        {
            let name = self.add(param.name, "query", given(Ty::List(Box::new(item))), param.doc.clone());
            let bare = param.name.strip_suffix("[]").unwrap_or(param.name);
            match param.style {
                Style::Comma => entry(entries, bare, format!("comma({name})")),
                Style::Brackets => entry(entries, bare, format!("brackets({name})")),
                Style::Repeat | Style::Unknown => entry(entries, bare, name),
            }
            return Ok(());
        }
        let fields = match self.document.follow(param.schema) {
            Some(schema) if self.types.object(schema).has_fields() && param.style != Style::Unknown => {
                self.types.fields(schema, param.name, 0)
            }
            _ => Vec::new(),
        };
        let scalars: Option<Vec<_>> = fields.iter().map(|field| Some((field, single(field.ty.non_null())?))).collect();
        match scalars.filter(|fields| !fields.is_empty()) {
            Some(fields) => {
                for (field, ty) in fields {
                    let is_nested = param.style == Style::Brackets;
                    let sent = if is_nested { format!("{}[{}]", param.name, field.json) } else { field.json.clone() };
                    let needed = param.required && !matches!(field.ty, Ty::Optional(_));
                    let ty = if needed { ty } else { ty.optional() };
                    let name = self.add(&sent, "query", ty, field.doc.clone());
                    entry(entries, &sent, name);
                }
            }
            // Some systems take JSON here; text says nothing wrong.
            None if param.required => {
                self.lost.push(format!("the form of the query parameter `{}`, which is taken as text", param.name));
                let name = self.add(param.name, "query", Ty::Plain("String"), param.doc.clone());
                entry(entries, param.name, name);
            }
            None => {
                self.lost.push(format!("the query parameter `{}`, which is no single value and no list", param.name))
            }
        }
        Ok(())
    }

    fn header(&mut self, entries: &mut Vec<(String, String)>, param: &Param<'a>) -> Result<(), String> {
        let is_token = !param.name.is_empty()
            && param.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_token {
            self.lost.push(format!("the header `{}`, which is no name of a header", param.name));
            return Ok(());
        }
        let ty = self.types.ty(param.schema, param.name);
        let ty = single(ty.non_null()).unwrap_or(Ty::Plain("String"));
        let ty = if param.required { ty } else { ty.optional() };
        let name = self.add(param.name, "header", ty, param.doc.clone());
        if !entries.iter().any(|(known, _)| known.trim_matches('"').eq_ignore_ascii_case(param.name)) {
            entry(entries, param.name, name);
        }
        Ok(())
    }

    fn body(&mut self, call: &mut Call, body: &Body<'a>) -> Result<(), String> {
        let hint = format!("{}_body", call.name.replace('.', "_"));
        match body.media {
            Media::Raw(media) => {
                let name = self.add("content", "body", Ty::Plain("File"), body.doc.clone());
                call.parts.push(("raw", Part::Value(name)));
                if !media.contains('*') {
                    call.parts.push(("content_type", Part::Value(word::quoted(media))));
                }
                return Ok(());
            }
            Media::Text => {
                let name = self.add("content", "body", Ty::Plain("String"), body.doc.clone());
                call.parts.push(("raw", Part::Value(name)));
                return Ok(());
            }
            Media::Json | Media::Form | Media::Multipart | Media::Xml => {}
        }
        let mut fields = if body.fields.is_empty() {
            body.schema.and_then(|schema| self.types.merged(schema, &hint)).unwrap_or_default()
        } else {
            let fields = body.fields.iter().map(|field| {
                let ty = self.types.ty(field.schema, field.name);
                let ty = if field.required { ty } else { ty.optional() };
                Field { json: field.name.to_owned(), ty, doc: field.doc.clone(), read_only: false }
            });
            fields.collect()
        };
        fields.retain(|field| !field.read_only);
        if matches!(body.media, Media::Json | Media::Form) {
            let keyed = fields.iter().position(|field| field.json == "idempotency_key");
            if let Some(at) = keyed {
                let field = fields.remove(at);
                let is_needed = !matches!(field.ty, Ty::Optional(_));
                call.keyed(is_needed, || "field(\"idempotency_key\")".to_owned());
            }
            if fields.is_empty() && keyed.is_some() {
                call.parts.push((part_of(body.media), Part::Value("{}".to_owned())));
                return Ok(());
            }
        }
        let is_flat = !fields.is_empty() && (fields.len() <= MOST_FIELDS || call.key.is_some());
        if is_flat || body.media == Media::Multipart && !fields.is_empty() {
            let mut entries = Vec::new();
            for field in fields {
                let is_part = body.media != Media::Multipart || is_part(field.ty.non_null());
                let name = self.add(&field.json, "body", plain_times(field.ty), field.doc);
                entry(&mut entries, &field.json, if is_part { name } else { format!("json({name})") });
            }
            if body.media == Media::Xml {
                // What has one field describes the root element itself.
                let content = match (self.root(body), entries.len()) {
                    (Some(root), _) => format!("{{ {}: {} }}", word::key(&root), record(&entries)),
                    (None, 1) => record(&entries),
                    (None, _) => return Err("its body is XML without a name of the root element".to_owned()),
                };
                call.parts.push(("xml", Part::Value(content)));
            } else {
                call.parts.push((part_of(body.media), Part::Entries(entries)));
            }
            return Ok(());
        }
        let Some(schema) = body.schema else {
            if body.media == Media::Json {
                let name = self.add("body", "request", Ty::Plain("Json").optional(), body.doc.clone());
                call.parts.push(("body", Part::Value(name)));
            }
            return Ok(());
        };
        let ty = self.types.ty(schema, &hint);
        let ty = if body.required || !matches!(ty, Ty::Plain("Json")) { ty } else { ty.optional() };
        let has_fields = matches!(ty.non_null(), Ty::Named(_) | Ty::Record(_) | Ty::Map(_));
        let ty = match body.media {
            Media::Form if !has_fields => Ty::Map(Box::new(Ty::Plain("Json"))),
            Media::Multipart => return Err("the parts of its multipart body are not described".to_owned()),
            _ => plain_times(ty),
        };
        let named = match (ty.non_null(), body.name) {
            (Ty::Named(name), _) => word::snake(name),
            (Ty::List(_), _) => "items".to_owned(),
            (_, Some(name)) => name.to_owned(),
            _ => "body".to_owned(),
        };
        let name = self.add(&named, "body", ty, body.doc.clone());
        if body.media == Media::Xml {
            let root = self.root(body).ok_or("its body is XML without a name of the root element")?;
            call.parts.push(("xml", Part::Value(format!("{{ {}: {name} }}", word::key(&root)))));
        } else {
            call.parts.push((part_of(body.media), Part::Value(name)));
        }
        Ok(())
    }

    /// The root element of a body in XML.
    fn root(&self, body: &Body<'a>) -> Option<String> {
        let schema = body.schema?;
        let named = |schema: &'a serde_json::Value| Some(schema.get("xml")?.get("name")?.as_str()?.to_owned());
        let by_reference = || super::document::reference(schema).map(super::document::last_part);
        named(schema).or_else(|| self.document.follow(schema).and_then(named)).or_else(by_reference)
    }

    fn answer(&mut self, call: &mut Call, answer: &Answer<'a>) {
        let hint = format!("{}_result", call.name.replace('.', "_"));
        let typed = |writer: &mut Self| {
            let ty = answer.schema.map(|schema| writer.types.ty(schema, &hint));
            plain_times(ty.unwrap_or(Ty::Plain("Json")))
        };
        call.result = Some(match answer.media {
            Media::Raw(_) => Ty::Plain("File"),
            Media::Text => {
                call.format = Some("text");
                Ty::Plain("String")
            }
            Media::Xml => {
                call.format = Some("xml");
                typed(self)
            }
            Media::Json | Media::Form | Media::Multipart => typed(self),
        });
    }
}

/// The type as one of a URL or a header; nothing where it is not a single value.
fn single(ty: &Ty) -> Option<Ty> {
    match ty {
        Ty::Plain("Json" | "File" | "Bytes") => Some(Ty::Plain("String")),
        Ty::Plain(_) | Ty::OneOf(_) => Some(ty.clone()),
        Ty::Unix(_) => Some(Ty::Plain("Int")),
        Ty::Optional(inner) => single(inner),
        Ty::List(_) | Ty::Map(_) | Ty::Record(_) | Ty::Named(_) => None,
    }
}

/// Points in time as numbers, where no field says how they are written.
fn plain_times(ty: Ty) -> Ty {
    match ty {
        Ty::Unix(_) => Ty::Plain("Int"),
        Ty::Optional(inner) => Ty::Optional(Box::new(plain_times(*inner))),
        Ty::List(inner) => Ty::List(Box::new(plain_times(*inner))),
        Ty::Map(inner) => Ty::Map(Box::new(plain_times(*inner))),
        other => other,
    }
}

/// Whether a value is a part of a form by itself.
fn is_part(ty: &Ty) -> bool {
    match ty {
        Ty::Plain("Json") => false,
        Ty::Plain(_) | Ty::OneOf(_) | Ty::Unix(_) => true,
        Ty::List(item) => !matches!(item.non_null(), Ty::List(_)) && is_part(item.non_null()),
        Ty::Optional(inner) => is_part(inner),
        Ty::Map(_) | Ty::Record(_) | Ty::Named(_) => false,
    }
}

/// Whether a part of a request is a body in JSON or XML.
fn is_content(part: &str) -> bool {
    matches!(part, "body" | "xml")
}

fn part_of(media: Media<'_>) -> &'static str {
    match media {
        Media::Form => "form",
        Media::Multipart => "multipart",
        Media::Xml => "xml",
        Media::Json | Media::Text | Media::Raw(_) => "body",
    }
}

fn entry(entries: &mut Vec<(String, String)>, name: &str, value: String) {
    let name = word::key(name);
    if !entries.iter().any(|(known, _)| *known == name) {
        entries.push((name, value));
    }
}

/// `{ name, "other-name": value }`
pub(super) fn record(entries: &[(String, String)]) -> String {
    let entries =
        entries.iter().map(|(name, value)| if name == value { name.clone() } else { format!("{name}: {value}") });
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

/// The fixed part of a path between quotes, with letters escaped that a URL can't have.
fn fixed_path(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '"' | '\\' | '}' | '<' | '>' | '`' | '|' | '^' | ' ' => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
            letter if letter.is_whitespace() || letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}
