//! What would each operation send? Calls with arguments that are made up after their types, so that requests can be held
//! against a vendor's description without a recorded pair.
//!
//! In: a connector. Out: for each operation that makes one request of its own, what it sends with all arguments, and with those
//! alone that must be given. Each value is as small as its type allows; what may be anything (`Json`) is left out where
//! that is allowed, and tried in several forms elsewhere. Where an answer is at hand, out comes also whether it fits the type
//! of the result.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::Bytes;
use flow_compiler::{
    Catalog,
    reference::{OperationReference, Parameter, Reference},
};
use flow_model::{
    boundary::Decoder,
    failure::{ErrorKind, Failure},
    file::File,
    plan::Plan,
    schema::Call,
    ty::{Bounds, Field, Format, Type, TypeDef, Types},
    value::Value,
};
use flow_runtime::{
    blob::{Blobs, Memory, keep},
    connector::{Connectors, Invocation, Performer as _},
};
use serde_json::{Map, Value as Json, json};

use super::{
    Answer, Sent,
    replay::{self, Arrived, CONNECTION, compiled, evaluated, literal, types_of_plan},
};

/// What stands for a file.
const CONTENT: &[u8] = b"made up";

/// How deep records are filled: what may be left out within is.
const DEEP: usize = 4;

/// A call with arguments that were made up.
pub(crate) struct MadeUp {
    /// The operation.
    pub(crate) operation: String,
    /// Whether all arguments were given, and not only those that must be.
    pub(crate) is_whole: bool,
    /// What it has sent, with the media type; why nothing was. Where a value may be any JSON, once with each that was tried.
    pub(crate) sent: Vec<Result<(Sent, Option<String>), String>>,
    /// Why the answer that was at hand does not fit the type of the result.
    pub(crate) unread: Option<String>,
}

/// What stands for any JSON, where something must: most take an object, some a text or a number.
const ANYTHING: [fn() -> Json; 3] = [|| json!({}), || json!("made-up"), || json!(1)];

/// Calls each operation; what is carried out by code or calls others has no request of its own. `answers` may have an answer to
/// a request, which is then given to one like it.
///
/// # Errors
/// The connection has a setting for which nothing can be made up.
pub(crate) async fn calls(
    connector: &Reference,
    catalog: &Catalog,
    answers: &dyn Fn(&Sent) -> Option<Answer>,
) -> Result<Vec<MadeUp>, String> {
    let mut wanted: Vec<(&OperationReference, bool)> = Vec::new();
    for operation in connector.operations.iter().filter(|operation| !operation.native) {
        if operation.parameters.iter().any(|parameter| !parameter.required) {
            wanted.push((operation, true));
        }
        wanted.push((operation, operation.parameters.iter().all(|parameter| parameter.required)));
    }
    // A flow has no parameters that are secrets.
    wanted
        .retain(|(operation, is_whole)| !given(operation, *is_whole).any(|parameter| parameter.ty.contains("Secret<")));
    let (arrived, answer) = (Arc::default(), Arc::new(Mutex::new(nothing())));
    let served = replay::serve(Arc::clone(&answer), Arc::clone(&arrived)).await;
    let address = served.map_err(|error| error.to_string())?;
    let plans = compiled(&program(&wanted, connector, &address)?, catalog)?;
    let blobs = Memory::new();
    let blob = keep(&blobs, Bytes::from_static(CONTENT)).await.map_err(|error| error.to_string())?;
    let file = Value::File(Arc::new(File::new(blob.sha256, blob.size, "made-up.txt", "text/plain")));
    let connectors = replay::connectors(Arc::new(blobs) as Arc<dyn Blobs>);
    let system = System { connectors, arrived, answer };
    let mut made = Vec::new();
    for (number, (operation, is_whole)) in wanted.into_iter().enumerate() {
        let Some(plan) = plans.get(&flow(number)) else { continue };
        let mut called = plan.connectors.values().filter_map(|connector| connector.operations.get(&operation.name));
        if !called.any(|called| matches!(called.call, Call::Http(_))) {
            continue;
        }
        let plan = Arc::new(plan.clone());
        let types = types_of_plan(&plan);
        let maker = |anything| Maker { types: &types, file: &file, anything, is_free: Cell::new(false) };
        let mut sent = Vec::new();
        for anything in ANYTHING {
            let maker = maker(anything());
            sent.push(match invocation(&plan, operation, &maker) {
                Ok(invocation) => system.called(invocation, nothing()).await.0,
                Err(why) => Err(why),
            });
            if !maker.is_free.get() {
                break;
            }
        }
        let mut unread = None;
        if let Some(answer) = sent.first().and_then(|sent| answers(&sent.as_ref().ok()?.0)) {
            let failure = system.called(invocation(&plan, operation, &maker(json!({})))?, answer).await.1;
            unread = failure.filter(|failure| failure.kind == ErrorKind::Mismatch).map(|failure| failure.message);
        }
        made.push(MadeUp { operation: operation.name.clone(), is_whole, sent, unread });
    }
    Ok(made)
}

fn nothing() -> Answer {
    Answer { status: 200, headers: [].into(), body: json!({}) }
}

/// What stands for the system that is called.
struct System {
    connectors: Connectors,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    answer: Arc<Mutex<Answer>>,
}

impl System {
    /// What a call sends, with the media type, and what it fails with when this is the answer.
    async fn called(
        &self,
        invocation: Invocation,
        answer: Answer,
    ) -> (Result<(Sent, Option<String>), String>, Option<Failure>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        let failure = self.connectors.perform(invocation).await.outcome.err();
        let first = self.arrived.lock().unwrap_or_else(PoisonError::into_inner).drain(..).next();
        let sent = match (first, &failure) {
            (Some(first), _) => replay::sent(&first).map(|sent| (sent, first.media_type())),
            (None, Some(failure)) => Err(format!("nothing was sent: {}", failure.message)),
            (None, None) => Err("nothing was sent".to_owned()),
        };
        (sent, failure)
    }
}

fn flow(number: usize) -> String {
    format!("call_{number}")
}

fn given(operation: &OperationReference, is_whole: bool) -> impl Iterator<Item = &Parameter> {
    operation.parameters.iter().filter(move |parameter| is_whole || parameter.required)
}

/// A flow for each call, which has the arguments as its parameters.
fn program(wanted: &[(&OperationReference, bool)], connector: &Reference, address: &str) -> Result<String, String> {
    let needed = connector.settings.iter().filter(|setting| setting.required && !setting.ty.starts_with("Secret<"));
    let made = needed.map(|setting| (setting.name.clone(), setting_of(&setting.ty)));
    let mut settings = replay::settings(&made.collect::<Map<_, _>>(), connector)?;
    settings.push(format!("base_url: {}", literal(&Json::from(address))));
    let mut text =
        format!("use {0}\n\nconnection {CONNECTION} = {0} {{ {1} }} @pii\n", connector.name, settings.join(", "));
    for (number, (operation, is_whole)) in wanted.iter().enumerate() {
        let declared: Vec<String> =
            given(operation, *is_whole).map(|one| format!("{}: {}", one.name, one.ty)).collect();
        let named: Vec<&str> = given(operation, *is_whole).map(|one| one.name.as_str()).collect();
        let free = operation.signature.strip_prefix(operation.name.as_str()).and_then(|rest| rest.strip_prefix('<'));
        let free = free.and_then(|rest| rest.split_once('>')).map(|(names, _)| names.split(',').count());
        let types = free.map(|count| format!("<{}>", vec!["Json"; count].join(", "))).unwrap_or_default();
        let call = format!("{CONNECTION}.{}{types}({})", operation.name, named.join(", "));
        let statements = replay::statements(operation, &call);
        text.push_str(&format!("\nflow {}({}) {{\n{statements}}}\n", flow(number), declared.join(", ")));
    }
    Ok(text)
}

fn setting_of(ty: &str) -> Json {
    match ty {
        "Int" => json!(1),
        "Bool" => json!(true),
        "Email" => json!("jenny@example.com"),
        "Url" => json!("https://example.com"),
        _ => json!(ty.strip_prefix('"').and_then(|rest| rest.split('"').next()).unwrap_or("made-up")),
    }
}

/// The call of a flow with arguments that are made up.
fn invocation(plan: &Arc<Plan>, operation: &OperationReference, maker: &Maker<'_>) -> Result<Invocation, String> {
    let mut given = Vec::new();
    for (name, field) in &plan.params {
        given.push(maker.value(field).map_err(|why| format!("nothing was sent: no `{name}` can be made up: {why}"))?);
    }
    let (args, result) = evaluated(plan, maker.types, given)?;
    Ok(replay::invocation_of(plan, operation, args, result))
}

/// Makes values of types.
struct Maker<'a> {
    types: &'a Types,
    file: &'a Value,
    anything: Json,
    /// Whether something could have been anything.
    is_free: Cell<bool>,
}

impl Maker<'_> {
    fn value(&self, field: &Field) -> Result<Value, String> {
        // Bytes that lie elsewhere have no form in JSON.
        match field.ty.non_null() {
            Type::File => Ok(self.file.clone()),
            Type::List(item) if **item == Type::File => Ok(Value::List(vec![self.file.clone()])),
            Type::Map(item) if **item == Type::File => Ok(Value::record([("made_up", self.file.clone())])),
            _ => {
                let json = self.json(&field.ty, field, 0);
                Decoder::new(self.types).json(&json, &field.ty).map_err(|mismatch| mismatch.to_string())
            }
        }
    }

    /// The fields of a record; deep within, those alone that must be there.
    fn record(&self, fields: &indexmap::IndexMap<String, Field>, depth: usize) -> Map<String, Json> {
        let wanted =
            fields.iter().filter(|(_, field)| depth < DEEP || !(field.ty.is_nullable() || field.default.is_some()));
        let made = wanted.map(|(name, field)| {
            let name = field.json_name.as_ref().unwrap_or(name);
            (name.clone(), self.json(&field.ty, field, depth + 1))
        });
        made.filter(|(_, value)| !value.is_null()).collect()
    }

    fn json(&self, ty: &Type, field: &Field, depth: usize) -> Json {
        match field.format {
            Some(Format::UnixSeconds) => return json!(1_768_478_400),
            Some(Format::UnixMillis) => return json!(1_768_478_400_000_i64),
            None => {}
        }
        match ty {
            Type::Bool => json!(true),
            Type::Int | Type::Size => json!(least(&field.bounds)),
            Type::Decimal => json!(least(&field.bounds)),
            Type::String | Type::Text(_) => json!(self.text(&field.bounds)),
            Type::Bytes => json!("bWFkZSB1cA=="),
            Type::Timestamp => json!("2026-01-15T12:00:00Z"),
            Type::Date => json!("2026-01-15"),
            Type::Duration => json!("90s"),
            Type::Email => json!("jenny@example.com"),
            Type::Url => json!("https://example.com/made-up"),
            Type::Uuid => json!("f81d4fae-7dec-41d0-8765-00a0c91e6bf6"),
            Type::OneOf(texts) => json!(texts.first()),
            Type::List(item) => json!([self.json(item, &Field::of((**item).clone()), depth + 1)]),
            Type::Map(item) => json!({ "made_up": self.json(item, &Field::of((**item).clone()), depth + 1) }),
            // What may be anything is rarely what is meant.
            Type::Optional(inner) if **inner == Type::Json || depth > DEEP => Json::Null,
            Type::Optional(inner) => self.json(inner, field, depth),
            Type::Json => {
                self.is_free.set(true);
                self.anything.clone()
            }
            Type::Record(fields) => Json::Object(self.record(fields, depth)),
            Type::Named(name) => match self.types.get(name) {
                Some(TypeDef::Record(fields)) => Json::Object(self.record(fields, depth)),
                Some(TypeDef::Enum(texts)) => json!(texts.first()),
                Some(TypeDef::Union { on, cases }) => {
                    let Some((kind, case)) = cases.first() else { return Json::Null };
                    let mut made = self.json(case, &Field::of(case.clone()), depth);
                    if let Json::Object(fields) = &mut made {
                        fields.insert(on.clone(), json!(kind));
                    }
                    made
                }
                Some(TypeDef::Error(_)) | None => Json::Null,
            },
            _ => Json::Null,
        }
    }

    fn text(&self, bounds: &Bounds) -> String {
        let (least, most) = (length(bounds.min.as_ref()), length(bounds.max.as_ref()));
        "made-up".chars().cycle().take(least.unwrap_or(7).max(7).min(most.unwrap_or(usize::MAX))).collect()
    }
}

fn length(bound: Option<impl ToString>) -> Option<usize> {
    whole(bound).and_then(|bound| usize::try_from(bound).ok())
}

fn whole(bound: Option<impl ToString>) -> Option<i64> {
    bound.and_then(|bound| bound.to_string().split('.').next()?.parse().ok())
}

/// The smallest number above zero within the bounds.
fn least(bounds: &Bounds) -> i64 {
    let (least, most) = (whole(bounds.min.as_ref()), whole(bounds.max.as_ref()));
    least.unwrap_or(1).max(1).min(most.unwrap_or(i64::MAX))
}
