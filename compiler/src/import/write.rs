//! How does an import read as a connector?
//!
//! In: the API, its operations as declared and the types that they name. Out: the text of a `.flow` file, laid out.

use super::{
    Failures, Report,
    api::{Api, Base},
    auth::{Auth, OAuth},
    call::{Call, Effect, Guess, Part, record},
    ty::{Declared, Field, Ty},
    word,
};

/// What a connector is made of.
pub(super) struct Connector<'a> {
    pub(super) name: &'a str,
    /// The description's file.
    pub(super) source: &'a str,
    pub(super) api: &'a Api<'a>,
    pub(super) base: &'a Base,
    pub(super) calls: &'a [Call],
    pub(super) declared: &'a indexmap::IndexMap<String, Declared>,
    pub(super) report: &'a Report,
    pub(super) failures: &'a Failures,
}

/// The text of a connector.
pub(super) fn connector(of: &Connector<'_>) -> String {
    let Connector { name, source, api, base, calls, declared, report, failures } = of;
    let mut out = Out(String::new());
    let version = api.version.as_deref().map(|version| format!(", version {}", one_line(version))).unwrap_or_default();
    out.line(&format!("// Imported from {} ({}{version}).", one_line(source), one_line(&api.title)));
    if !report.skipped.is_empty() || !report.lost.is_empty() {
        out.line("// Not carried over:");
        for (operation, why) in &report.skipped {
            out.line(&format!("// - {}: {}", one_line(operation), one_line(why)));
        }
        for (what, times) in &report.lost {
            let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
            out.line(&format!("// - {}{times}", one_line(what)));
        }
    }
    out.line("");
    out.doc(&api.doc);
    if api.doc.is_empty() {
        out.doc(&[one_line(&api.title)]);
    }
    out.line(&format!("connector {name} {{"));
    let (config, base) = config(name, api, base);
    if !config.is_empty() {
        out.line("config {");
        for line in config {
            out.line(&line);
        }
        out.line("}");
        out.line("");
    }
    out.line("http {");
    out.line(&format!("base: {base}"));
    match &api.auth {
        Auth::None => {}
        Auth::Bearer => out.line("auth: bearer(config.token)"),
        Auth::Basic => out.line("auth: basic(config.user, config.password)"),
        Auth::Header(name) => out.line(&format!("auth: header({}, config.api_key)", word::quoted(name))),
        Auth::Query(name) => out.line(&format!("auth: query({}, config.api_key)", word::quoted(name))),
        Auth::OAuth(oauth) => self::oauth(&mut out, oauth),
    }
    if let Some(docs) = api.docs {
        out.line(&format!("docs: {}", word::quoted(docs)));
    }
    if failures.retry_after {
        out.line("retry_after: header(\"Retry-After\")");
    }
    out.line("}");
    out.line("");
    errors(&mut out, failures);
    for (name, declared) in *declared {
        out.line("");
        self::declared(&mut out, name, declared);
    }
    for call in *calls {
        out.line("");
        operation(&mut out, call);
    }
    out.line("}");
    crate::format(&out.0)
}

struct Out(String);

impl Out {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn doc(&mut self, lines: &[String]) {
        for line in lines {
            self.line(&format!("/// {line}"));
        }
    }
}

/// The settings of a connection, and the base between quotes.
fn config(name: &str, api: &Api<'_>, base: &Base) -> (Vec<String>, String) {
    let mut config = Vec::new();
    let mut url = base.url.clone();
    if let Some(bare) = url.strip_prefix("//") {
        url = format!("https://{bare}");
    }
    // What is no whole URL is put together with one that each connection gives.
    let sample: String = {
        let mut sample = url.clone();
        for (variable, ..) in &base.variables {
            sample = sample.replace(&format!("{{{variable}}}"), "x");
        }
        sample
    };
    let is_whole = url::Url::parse(&sample)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.username().is_empty())
        && !url.starts_with('{');
    let mut written = String::from("\"");
    if is_whole {
        let mut rest = url.as_str();
        while let Some((fixed, after)) = rest.split_once('{') {
            written.push_str(fixed);
            let Some((variable, after)) = after.split_once('}') else { break };
            written.push_str(&format!("{{config.{}}}", word::param(variable)));
            rest = after;
        }
        written.push_str(rest);
        for (variable, default, doc) in &base.variables {
            config.extend(doc.iter().map(|line| format!("/// {line}")));
            let default = default.as_deref().filter(|text| !stands_for_another(text));
            let default = default.map(|text| format!(" = {}", word::quoted(text))).unwrap_or_default();
            config.push(format!("{}: String{default}", word::param(variable)));
        }
    } else {
        config.push("/// Scheme and host of the system: `https://api.example.com`.".to_owned());
        config.push("base_url: Url".to_owned());
        written.push_str("{config.base_url}");
        let path = match url.split_once("://") {
            Some((_, after)) => after.split_once('/').map(|(_, path)| format!("/{path}")).unwrap_or_default(),
            None => url.clone(),
        };
        if path.starts_with('/') && !path.contains(['{', ' ']) {
            written.push_str(&path);
        }
    }
    written.push('"');
    let secret = |field: &str| format!("{field}: Secret<String> = secret(\"{name}/{field}\")");
    match &api.auth {
        Auth::None => {}
        Auth::Bearer => config.push(secret("token")),
        Auth::Basic => {
            config.push("user: String".to_owned());
            config.push(secret("password"));
        }
        Auth::Header(_) | Auth::Query(_) => config.push(secret("api_key")),
        Auth::OAuth(_) => {
            config.push("/// The id of the application, as it is registered with the vendor.".to_owned());
            config.push("client_id: String".to_owned());
            config.push(secret("client_secret"));
        }
    }
    (config, written)
}

/// Whether what a description gives as the usual text shows only where one's own belongs: `example`, `your-domain`.
fn stands_for_another(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("example") || lower.starts_with("your") || lower.contains(['<', '{'])
}

/// How tokens are got, an argument a line.
fn oauth(out: &mut Out, oauth: &OAuth) {
    let form = if oauth.authorize.is_some() { "authorization_code" } else { "client_credentials" };
    out.line(&format!("auth: {form}("));
    if let Some(authorize) = &oauth.authorize {
        out.line(&format!("authorize: {authorize},"));
    }
    out.line(&format!("token: {},", oauth.token));
    if let Some(refresh) = &oauth.refresh {
        out.line(&format!("refresh: {refresh},"));
    }
    out.line("id: config.client_id,");
    out.line("secret: config.client_secret,");
    if !oauth.authorize_params.is_empty() {
        let params = oauth.authorize_params.iter().map(|(name, value)| format!("{name}: {}", word::quoted(value)));
        out.line(&format!("authorize_params: {{ {} }},", params.collect::<Vec<_>>().join(", ")));
    }
    out.line(")");
}

fn errors(out: &mut Out, failures: &Failures) {
    out.line("errors {");
    out.line("400 | 422 => Invalid, 401 => Unauthorized, 402 => Rejected, 403 => Forbidden, 404 | 410 => NotFound");
    out.line("409 | 412 => Conflict, 429 => RateLimited");
    out.line("5xx | connection => Unavailable");
    if let Some(message) = &failures.message {
        out.line(&format!("message: {message}"));
    }
    if let Some(code) = &failures.code {
        out.line(&format!("code: {code}"));
    }
    out.line("}");
}

fn declared(out: &mut Out, name: &str, declared: &Declared) {
    match declared {
        Declared::Record { doc, fields } => {
            out.doc(doc);
            out.line(&format!("record {name} {{"));
            for (field, name) in fields.iter().zip(names(fields)) {
                out.doc(&field.doc);
                out.line(&self::field(&name, field));
            }
            out.line("}");
        }
        Declared::Union { doc, on, cases } => {
            out.doc(doc);
            out.line(&format!("union {name} on {} {{", word::snake(on)));
            for (tag, case) in cases {
                out.line(&format!("{} => {case}", word::key(tag)));
            }
            out.line("}");
        }
    }
}

/// The name of each field; no two are the same.
fn names(fields: &[Field]) -> Vec<String> {
    let mut taken = std::collections::BTreeSet::new();
    let names = fields.iter().map(|field| {
        let name = word::free(&word::snake(&field.json), |name| taken.contains(name));
        taken.insert(name.clone());
        name
    });
    names.collect()
}

/// `line_items: List<LineItem> from "lineItems"`
fn field(name: &str, field: &Field) -> String {
    let mark = match field.ty.non_null() {
        Ty::Unix(mark) => format!(" @{mark}"),
        _ => String::new(),
    };
    let from = if name == field.json { String::new() } else { format!(" from {}", word::quoted(&field.json)) };
    format!("{name}: {}{from}{mark}", ty(&field.ty))
}

/// A type as it is written.
fn ty(of: &Ty) -> String {
    match of {
        Ty::Plain(name) => (*name).to_owned(),
        Ty::Unix(_) => "Timestamp".to_owned(),
        Ty::OneOf(words) => words.iter().map(|word| word::quoted(word)).collect::<Vec<_>>().join(" | "),
        Ty::List(item) => format!("List<{}>", inner(item)),
        Ty::Map(item) => format!("Map<{}>", inner(item)),
        Ty::Optional(some) => match some.as_ref() {
            Ty::OneOf(_) => format!("({})?", ty(some)),
            other => format!("{}?", ty(other)),
        },
        Ty::Record(fields) => {
            let fields = fields.iter().zip(names(fields)).map(|(field, name)| self::field(&name, field));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Ty::Named(name) => name.clone(),
    }
}

/// Where no field says how a point in time is written.
fn inner(of: &Ty) -> String {
    match of {
        Ty::Unix(_) => "Int".to_owned(),
        other => ty(other),
    }
}

fn operation(out: &mut Out, call: &Call) {
    out.doc(&call.doc);
    let result = match &call.pages {
        Some(pages) => format!(" -> Stream<{}>", ty(&pages.item)),
        None => call.result.as_ref().map(|result| format!(" -> {}", ty(result))).unwrap_or_default(),
    };
    if call.params.iter().any(|param| !param.doc.is_empty()) {
        out.line(&format!("operation {}(", call.name));
        for param in &call.params {
            out.doc(&param.doc);
            out.line(&format!("{}: {},", param.name, ty(&param.ty)));
        }
        out.line(&format!("){result} {{"));
    } else {
        let params = call.params.iter().map(|param| format!("{}: {}", param.name, ty(&param.ty)));
        out.line(&format!("operation {}({}){result} {{", call.name, params.collect::<Vec<_>>().join(", ")));
    }
    for lost in &call.lost {
        out.line(&format!("// Not carried over: {}", one_line(lost)));
    }
    match call.guess {
        Some(Guess::Reads) => out.line("// A guess: that it only reads. If it keeps anything, say `create`."),
        Some(Guess::Patches) => {
            out.line("// A guess: that a second call may change more. If it can't, say `idempotent`.");
        }
        None => {}
    }
    out.line(match call.effect {
        Effect::Read => "effect: read",
        Effect::Idempotent => "effect: idempotent",
        Effect::Create => "effect: create",
    });
    if let Some(key) = &call.key {
        out.line(&format!("key: {key}"));
    }
    let mut request = format!("request: {} {}", call.method, call.path);
    if !call.parts.is_empty() {
        let parts = call.parts.iter().map(|(name, part)| match part {
            Part::Entries(entries) => format!("{name}: {}", record(entries)),
            Part::Value(value) => format!("{name}: {value}"),
        });
        request.push_str(&format!(" {{ {} }}", parts.collect::<Vec<_>>().join(", ")));
    }
    out.line(&request);
    if let Some(pages) = &call.pages {
        out.line(&format!("page: {}", pages.form));
    }
    if let Some(format) = call.format {
        out.line(&format!("format: {format}"));
    }
    if !call.other_scopes.is_empty() {
        let names =
            call.other_scopes.iter().map(|scope| scope.trim_end_matches('/').rsplit('/').next().unwrap_or(scope));
        let names = names.collect::<Vec<_>>().join(", ");
        out.line(&format!("// One scope is enough; it could also be: {}", one_line(&names)));
    }
    if !call.scopes.is_empty() {
        let scopes: Vec<_> = call.scopes.iter().map(|scope| word::quoted(scope)).collect();
        out.line(&format!("scopes: [{}]", scopes.join(", ")));
    }
    if call.deprecated {
        out.line("deprecated: \"the vendor marks it as deprecated\"");
    }
    out.line("}");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|letter| !letter.is_control()).collect()
}
