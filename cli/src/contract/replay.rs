//! Replays recorded pairs: each operation is carried out as in a run, against a server on this machine that answers as it
//! was recorded.
//!
//! In: a connector and a pair. Out: the request that left, and what is otherwise than recorded. A call is made once:
//! retries and waits belong to runs. Bodies in `multipart/form-data` are compared by their parts' names and contents.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE},
};
use flow_compiler::{
    Catalog, LoadError, Loader, check,
    reference::{OperationReference, Reference},
};
use flow_model::{
    boundary::Decoder,
    diagnostic::{Diagnostic, Severity},
    failure::Failure,
    plan::{NodeKind, Plan},
    ty::{Type, Types},
    units::Millis,
    value::Value,
};
use flow_runtime::{
    blob::{Blobs, Memory},
    connector::{Connectors, Invocation, Performer as _},
    egress::{Guard, Networks},
    eval::{Evaluator, Frame, Library},
    secret::{SecretText, Secrets},
};
use serde_json::{Map, Value as Json};
use tokio::net::TcpListener;

use super::{Answer, Pair, Sent, differs};
use crate::suggest::did_you_mean;

/// How long a call may take.
const TIMEOUT: Millis = Millis(10_000);

/// What stands for the token that a server would give out.
const TOKEN: &str = "recorded-token";

/// The connection that calls are made on.
pub(super) const CONNECTION: &str = "replayed";

/// What came of a pair.
pub(crate) struct Replayed {
    /// What was sent; nothing where no request left.
    pub(crate) sent: Option<Sent>,
    /// The media type of its body.
    pub(crate) media_type: Option<String>,
    /// What is otherwise than recorded.
    pub(crate) wrong: Vec<String>,
}

impl Replayed {
    fn not(wrong: String) -> Self {
        Self { sent: None, media_type: None, wrong: vec![wrong] }
    }
}

/// A request as it arrived.
#[derive(Clone)]
pub(super) struct Arrived {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Arrived {
    pub(super) fn media_type(&self) -> Option<String> {
        header(&self.headers, CONTENT_TYPE.as_str())
    }
}

/// Secrets for trials: each has its name as its text.
struct MadeUp;

impl Secrets for MadeUp {
    fn get(&self, name: &str) -> Option<SecretText> {
        Some(SecretText::new(name))
    }
}

struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NotFound)
    }
}

/// Replays a pair.
pub(crate) async fn replay(pair: &Pair, connector: &Reference, catalog: &Catalog) -> Replayed {
    let Some(operation) = connector.operations.iter().find(|operation| operation.name == pair.operation) else {
        let known = connector.operations.iter().map(|operation| operation.name.as_str());
        let hint = did_you_mean(&pair.operation, known).map(|hint| format!("; {hint}")).unwrap_or_default();
        return Replayed::not(format!("`{}` has no operation `{}`{hint}", connector.name, pair.operation));
    };
    if operation.native {
        let message =
            format!("`{}` is carried out by code, and sends no request that could be recorded", operation.name);
        return Replayed::not(message);
    }
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let answer = Arc::new(Mutex::new(pair.answer.clone()));
    let address = match serve(answer, Arc::clone(&arrived)).await {
        Ok(address) => address,
        Err(error) => return Replayed::not(format!("no port of this machine can be listened on: {error}")),
    };
    let outcome = match invocation(pair, operation, connector, catalog, &address) {
        Ok(invocation) => connectors(Arc::new(Memory::new())).perform(invocation).await.outcome,
        Err(wrong) => return Replayed::not(wrong),
    };
    let arrived = arrived.lock().map(|mut arrived| std::mem::take(&mut *arrived)).unwrap_or_default();
    let mut wrong = Vec::new();
    let (sent, media_type) = match arrived.as_slice() {
        [] => (None, None),
        [first, rest @ ..] => {
            if !rest.is_empty() {
                wrong.push(format!("{} requests were sent, and one is recorded", rest.len() + 1));
            }
            let media_type = first.media_type();
            match sent(first) {
                Ok(sent) => (Some(sent), media_type),
                Err(reason) => {
                    wrong.push(reason);
                    (None, media_type)
                }
            }
        }
    };
    match (&sent, &outcome) {
        (Some(sent), _) => wrong.extend(requests_differ(&pair.request, sent)),
        (None, Err(failure)) if wrong.is_empty() => wrong.push(format!("nothing was sent: {}", failure.message)),
        (None, _) => {}
    }
    wrong.extend(outcomes_differ(pair, &outcome));
    Replayed { sent, media_type, wrong }
}

/// What carries out calls, to this machine alone.
pub(super) fn connectors(blobs: Arc<dyn Blobs>) -> Connectors {
    let library = Library::new(flow_stdlib::functions());
    let networks = Networks::listed(["localhost"]).unwrap_or_default();
    let native = flow_stdlib::native::native_table(None);
    Connectors::new(library, Arc::new(BTreeMap::new()), Arc::new(MadeUp), native)
        .with_token(SecretText::new(TOKEN))
        .with_guard(Guard::new(networks))
        .with_blobs(blobs)
}

/// Gives the answer that is there to each request, on a port of its own, for as long as the runtime lives.
pub(super) async fn serve(answer: Arc<Mutex<Answer>>, arrived: Arc<Mutex<Vec<Arrived>>>) -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let handler = move |State(arrived): State<Arc<Mutex<Vec<Arrived>>>>,
                        method: Method,
                        uri: Uri,
                        headers: HeaderMap,
                        body: Bytes| {
        if let Ok(mut arrived) = arrived.lock() {
            arrived.push(Arrived { method, uri, headers, body });
        }
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut headers = HeaderMap::new();
        for (name, value) in &answer.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.append(name, value);
            }
        }
        let is_text = headers.contains_key(CONTENT_TYPE);
        let body = match &answer.body {
            Json::Null => String::new(),
            Json::String(text) if is_text => text.clone(),
            json => json.to_string(),
        };
        if !is_text && !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        async move { (status, headers, body) }
    };
    let router = Router::new().fallback(handler).with_state(arrived);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// The call, as a flow that has the arguments as its parameters would make it.
fn invocation(
    pair: &Pair,
    operation: &OperationReference,
    connector: &Reference,
    catalog: &Catalog,
    address: &str,
) -> Result<Invocation, String> {
    let program = program(pair, operation, connector, address)?;
    let plans = compiled(&program, catalog).map_err(|told| format!("the pair does not fit the operation: {told}"))?;
    let plan = plans.into_values().next().ok_or("the pair makes no flow")?;
    let (args, result) = arguments(pair, &plan)?;
    let page = match &pair.page {
        Some(_) if !is_stream(operation) => {
            return Err(format!("`{}` gives no pages, and `page` is said", operation.name));
        }
        Some(page) => Decoder::new(&Types::default()).json(page, &Type::Json).ok(),
        None => None,
    };
    let invocation = invocation_of(&Arc::new(plan), operation, args, result);
    let parameters = operation.parameters.iter().enumerate();
    let nulls = parameters.filter(|(_, parameter)| pair.with.get(&parameter.name) == Some(&Json::Null));
    let nulls = nulls.map(|(index, _)| index).collect();
    Ok(Invocation { page: page.or(invocation.page), nulls, ..invocation })
}

/// The call of an operation with these arguments.
pub(super) fn invocation_of(
    plan: &Arc<Plan>,
    operation: &OperationReference,
    args: Vec<Value>,
    result: Option<Type>,
) -> Invocation {
    Invocation {
        plan: Arc::clone(plan),
        connection: CONNECTION.to_owned(),
        operation: operation.name.clone(),
        result,
        page: is_stream(operation).then_some(Value::Null),
        args,
        nulls: Vec::new(),
        key: "recorded-key".to_owned(),
        timeout: TIMEOUT,
        traceparent: None,
        admitted: None,
    }
}

/// The plans of a program that was put together; the first mistake in it.
pub(super) fn compiled(text: &str, catalog: &Catalog) -> Result<BTreeMap<String, Plan>, String> {
    let checked = check("replay.flow", text.as_bytes(), catalog, &NoFiles);
    if let Some(program) = checked.program {
        return Ok(program.plans.into_iter().collect());
    }
    let is_error = |mistake: &&Diagnostic| mistake.severity() == Severity::Error;
    Err(checked.diagnostics.iter().find(is_error).map_or_else(String::new, |mistake| {
        let help = mistake.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{}{help}", mistake.message)
    }))
}

fn program(
    pair: &Pair,
    operation: &OperationReference,
    connector: &Reference,
    address: &str,
) -> Result<String, String> {
    let mut settings = settings(&pair.settings, connector)?;
    settings.push(format!("base_url: {}", literal(&Json::String(address.to_owned()))));
    let mut params = Vec::new();
    for name in pair.with.keys() {
        let Some(parameter) = operation.parameters.iter().find(|parameter| parameter.name == *name) else {
            let known = operation.parameters.iter().map(|parameter| parameter.name.as_str());
            let hint = did_you_mean(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(format!("`{}` has no parameter `{name}`{hint}", operation.name));
        };
        params.push((parameter.name.as_str(), parameter.ty.as_str()));
    }
    let declared: Vec<String> = params.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
    let given: Vec<&str> = params.iter().map(|(name, _)| *name).collect();
    let types = if pair.types.is_empty() { String::new() } else { format!("<{}>", pair.types.join(", ")) };
    let call = format!("{CONNECTION}.{}{types}({})", operation.name, given.join(", "));
    Ok(format!(
        "use {0}\n\nconnection {CONNECTION} = {0} {{ {1} }} @pii\n\nflow replay({2}) {{\n{3}}}\n",
        connector.name,
        settings.join(", "),
        declared.join(", "),
        statements(operation, &call),
    ))
}

/// A call as a flow makes it: somebody has to go through a stream.
pub(super) fn statements(operation: &OperationReference, call: &str) -> String {
    match is_stream(operation) {
        true => format!("  step all = {call}\n  for one in all {{\n    log \"one\"\n  }}\n"),
        false => format!("  step {call}\n"),
    }
}

fn is_stream(operation: &OperationReference) -> bool {
    operation.result.starts_with("Stream<")
}

/// The settings of a connection as Flow writes them, but for its base: those that are given, and secrets that are made up.
pub(super) fn settings(given: &Map<String, Json>, connector: &Reference) -> Result<Vec<String>, String> {
    let mut settings = Vec::new();
    for name in given.keys() {
        if !connector.settings.iter().any(|setting| setting.name == *name) {
            let known = connector.settings.iter().map(|setting| setting.name.as_str());
            let hint = did_you_mean(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(format!("`{}` has no setting `{name}`{hint}", connector.name));
        }
    }
    for setting in connector.settings.iter().filter(|setting| setting.name != "base_url") {
        match given.get(&setting.name) {
            Some(value) if setting.ty.starts_with("Secret<") => {
                settings.push(format!("{}: secret({})", setting.name, literal(value)));
            }
            Some(value) => settings.push(format!("{}: {}", setting.name, literal(value))),
            None if setting.required && setting.ty.starts_with("Secret<") => {
                settings.push(format!("{0}: secret(\"recorded/{0}\")", setting.name));
            }
            None if setting.required => {
                return Err(format!("the connection needs `{}`: say it in `settings`", setting.name));
            }
            None => {}
        }
    }
    Ok(settings)
}

/// JSON as Flow writes it.
pub(super) fn literal(value: &Json) -> String {
    match value {
        Json::String(text) => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('{', "\\{").replace('}', "\\}");
            format!("\"{}\"", escaped.replace('\n', "\\n"))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Json::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", literal(&Json::String(name.clone())), literal(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// The arguments of the plan's one call, with its defaults.
fn arguments(pair: &Pair, plan: &Plan) -> Result<(Vec<Value>, Option<Type>), String> {
    let types = types_of_plan(plan);
    let given = Decoder::new(&types)
        .json_fields(&Json::Object(pair.with.clone()), &plan.params)
        .map_err(|mismatch| format!("the arguments do not fit: {mismatch}"))?;
    let Value::Record(given) = given else { return Err("the arguments are no record".to_owned()) };
    let given = plan.params.keys().map(|name| given.get(name).cloned().unwrap_or(Value::Null));
    evaluated(plan, &types, given.collect())
}

/// The types of a plan, those of its connectors among them.
pub(super) fn types_of_plan(plan: &Plan) -> Types {
    let mut types = plan.types.clone();
    for connector in plan.connectors.values() {
        types.0.extend(connector.types.0.clone());
    }
    types
}

/// What the plan's one call gives when these are the flow's parameters.
pub(super) fn evaluated(plan: &Plan, types: &Types, given: Vec<Value>) -> Result<(Vec<Value>, Option<Type>), String> {
    let library = Library::new(flow_stdlib::functions());
    let env = BTreeMap::new();
    let evaluator = Evaluator { library: &library, functions: &plan.functions, types, env: &env, ambient: &|_| None };
    let mut frame = Frame::of(given);
    let call = plan.graph.node_weights().find_map(|node| match &node.kind {
        NodeKind::Step(step) => Some((&step.args, step.result.clone())),
        _ => None,
    });
    let Some((args, result)) = call else { return Err("the call has no step".to_owned()) };
    let evaluated: Result<Vec<Value>, Failure> = args.iter().map(|arg| evaluator.eval(arg, &mut frame)).collect();
    evaluated.map(|args| (args, result)).map_err(|failure| format!("the arguments do not fit: {}", failure.message))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A request in the form in which it is recorded.
pub(super) fn sent(arrived: &Arrived) -> Result<Sent, String> {
    let mut query: BTreeMap<String, Json> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(arrived.uri.query().unwrap_or_default().as_bytes()) {
        join(&mut query, &name, Json::String(value.into_owned()));
    }
    let headers = arrived
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let media_type = header(&arrived.headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    Ok(Sent {
        method: arrived.method.to_string(),
        path: arrived.uri.path().to_owned(),
        query,
        headers: headers.collect(),
        body: body(&arrived.body, &media_type)?,
    })
}

/// A value of a name, which may have some already.
fn join(values: &mut BTreeMap<String, Json>, name: &str, value: Json) {
    match values.get_mut(name) {
        None => drop(values.insert(name.to_owned(), value)),
        Some(Json::Array(list)) => list.push(value),
        Some(first) => *first = Json::Array(vec![std::mem::take(first), value]),
    }
}

fn body(bytes: &[u8], media_type: &str) -> Result<Option<Json>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let kind = media_type.split(';').next().unwrap_or_default().trim();
    if kind == "application/json" || kind.ends_with("+json") {
        return serde_json::from_slice(bytes).map(Some).map_err(|error| format!("the body is no JSON: {error}"));
    }
    if kind == "application/x-www-form-urlencoded" {
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            join(&mut fields, &name, Json::String(value.into_owned()));
        }
        return Ok(Some(Json::Object(Map::from_iter(fields))));
    }
    if kind == "multipart/form-data" {
        let boundary = media_type.split_once("boundary=").map(|(_, boundary)| boundary.trim_matches('"'));
        return parts(&String::from_utf8_lossy(bytes), boundary.unwrap_or_default()).map(Some);
    }
    Ok(Some(Json::String(String::from_utf8_lossy(bytes).into_owned())))
}

/// The parts of `multipart/form-data` by name: the content, and for a file its name and media type.
fn parts(text: &str, boundary: &str) -> Result<Json, String> {
    let mut fields = BTreeMap::new();
    let delimiter = format!("--{boundary}");
    for part in text.split(delimiter.as_str()).skip(1).take_while(|part| !part.starts_with("--")) {
        let Some((head, content)) = part.trim_start_matches("\r\n").split_once("\r\n\r\n") else {
            return Err("a part of the body has no end of its headers".to_owned());
        };
        let content = Json::String(content.strip_suffix("\r\n").unwrap_or(content).to_owned());
        let parameter = |wanted: &str| {
            let start = head.find(&format!("{wanted}=\""))? + wanted.len() + 2;
            head.get(start..)?.split('"').next().map(str::to_owned)
        };
        let media_type = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
        });
        let name = head.find(" name=\"").and_then(|at| head.get(at + 7..)?.split('"').next()).unwrap_or_default();
        let value = match parameter("filename") {
            Some(file) => serde_json::json!({ "file": file, "type": media_type, "content": content }),
            None => content,
        };
        join(&mut fields, name, value);
    }
    Ok(Json::Object(Map::from_iter(fields)))
}

/// What of a request is otherwise than recorded.
fn requests_differ(expected: &Sent, sent: &Sent) -> Vec<String> {
    let mut wrong = Vec::new();
    let line = |request: &Sent| format!("{} {}", request.method, request.path);
    if line(expected) != line(sent) {
        wrong.push(format!("`{}` is sent, and `{}` is recorded", line(sent), line(expected)));
    }
    let text = |value: &Json| match value {
        Json::String(_) | Json::Array(_) => value.clone(),
        other => Json::String(other.to_string()),
    };
    let query: BTreeMap<String, Json> =
        expected.query.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    if query != sent.query {
        let shown = |query: &BTreeMap<String, Json>| serde_json::json!(query).to_string();
        wrong.push(format!("the query is {}, and {} is recorded", shown(&sent.query), shown(&query)));
    }
    for (name, value) in &expected.headers {
        match sent.headers.get(&name.to_ascii_lowercase()) {
            Some(actual) if actual == value => {}
            Some(actual) => wrong.push(format!("the header `{name}` is `{actual}`, and `{value}` is recorded")),
            None => wrong.push(format!("the header `{name}` is not sent, and `{value}` is recorded")),
        }
    }
    // A field too many is a mistake in a request, so here all of it counts.
    let both_ways = |expected: &Json, actual: &Json| {
        differs(expected, actual, "")
            .or_else(|| differs(actual, expected, "").map(|_| format!("{actual} is sent, and {expected} is recorded")))
    };
    match (&expected.body, &sent.body) {
        (None, None) => {}
        (Some(expected), Some(actual)) => {
            wrong.extend(both_ways(expected, actual).map(|difference| format!("in the body {difference}")));
        }
        (None, Some(actual)) => wrong.push(format!("the body {actual} is sent, and none is recorded")),
        (Some(_), None) => wrong.push("no body is sent, and one is recorded".to_owned()),
    }
    wrong
}

/// What of the outcome is otherwise than recorded.
fn outcomes_differ(pair: &Pair, outcome: &Result<Value, Failure>) -> Vec<String> {
    match (outcome, &pair.result, &pair.fails) {
        (Ok(value), Some(expected), None) => differs(expected, &value.to_json(), "")
            .map(|difference| format!("in the result {difference}"))
            .into_iter()
            .collect(),
        (Ok(value), _, Some(fails)) => {
            vec![format!("the result is {}, and the failure `{}` is recorded", value.to_json(), fails.kind)]
        }
        (Err(failure), _, Some(fails)) => {
            let mut wrong = Vec::new();
            if failure.kind.name() != fails.kind {
                let kind = failure.kind.name();
                wrong.push(format!("it fails with `{kind}` ({}), and `{}` is recorded", failure.message, fails.kind));
            } else if !failure.message.contains(&fails.message) {
                wrong.push(format!("the message is `{}`, and `{}` is recorded", failure.message, fails.message));
            }
            for (name, expected) in &fails.fields {
                let actual = failure.fields.get(name).map_or(Json::Null, Value::to_json);
                wrong.extend(differs(expected, &actual, name));
            }
            wrong
        }
        (Err(failure), _, None) => {
            vec![format!("it fails with `{}`: {}", failure.kind.name(), failure.message)]
        }
        (Ok(_), None, None) => Vec::new(),
    }
}
