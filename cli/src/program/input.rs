//! What does a flow get when it is run by hand?
//!
//! In: the text of `--input` and the plan. Out: the record of the parameters or the payload of a trigger, of their types.
//! What does not fit is refused with its path; so is a parameter that does not exist, which would otherwise be a slip that
//! nobody sees.

use std::{
    io::{self, Read as _},
    path::Path,
};

use flow_model::{
    boundary::{self, Decoder, Limits, Mismatch},
    expr::Expr,
    failure::Failure,
    plan::{Plan, Trigger, TriggerKind},
    ty::{Field, Type, Types},
    units::Instant,
    value::Value,
};
use flow_runtime::{
    engine::{Share, Submission},
    eval::{Environment, Evaluator, Frame, Library},
};
use serde_json::{Map, Value as Json};

use super::disk;
use crate::{
    exit::Exit,
    suggest::did_you_mean,
    trouble::{Trouble, said},
    ui,
};

/// What is read of standard input at most.
const MOST: u64 = 64 * 1024 * 1024;

/// What starts a run by hand.
pub(crate) struct Start<'a> {
    pub(crate) plan: &'a Plan,
    /// The name of a trigger, where one was chosen.
    pub(crate) trigger: Option<&'a str>,
    /// The text of `--input`.
    pub(crate) input: Option<&'a str>,
    pub(crate) library: &'a Library,
    pub(crate) env: &'a dyn Environment,
    pub(crate) now: Instant,
}

impl Start<'_> {
    /// Reads the input as what the flow takes.
    ///
    /// # Errors
    /// It can't be read, is no JSON, or does not fit.
    pub(crate) fn submission(&self) -> Result<Submission, Trouble> {
        let input = self.input.map(|input| read("--input", input)).transpose()?;
        let plan = self.plan;
        match self.chosen()? {
            None => Ok(Submission::with_params(plan.flow.as_str(), self.parameters(input)?)),
            Some((index, trigger)) => Ok(Submission {
                flow: plan.flow.clone(),
                plan: None,
                trigger: Some(index),
                payload: self.payload(trigger, input)?,
                dedupe: None,
                body_digest: None,
                trace: None,
                notes: std::collections::BTreeMap::new(),
                share: Share::Whole,
            }),
        }
    }

    /// The trigger whose payload the input is: none where the flow has parameters, or needs no payload.
    fn chosen(&self) -> Result<Option<(usize, &Trigger)>, Trouble> {
        let flow = &self.plan.flow;
        let triggers: Vec<(usize, &Trigger)> = self.plan.triggers.iter().enumerate().collect();
        let names: Vec<String> = triggers.iter().map(|(_, trigger)| name(trigger)).collect();
        let listed = || ui::listed(names.iter().map(String::as_str));
        if let Some(wanted) = self.trigger {
            let found = triggers.iter().zip(&names).find(|(_, name)| *name == wanted).map(|(trigger, _)| *trigger);
            return found.map(Some).ok_or_else(|| {
                let trouble = Trouble::new(Exit::Usage, format!("`{flow}` has no trigger `{wanted}`"));
                match did_you_mean(wanted, names.iter().map(String::as_str)) {
                    Some(question) => trouble.help(question),
                    None if names.is_empty() => trouble.help("it is started by its parameters: leave `--trigger` out"),
                    None => trouble.help(format!("it has {}", listed())),
                }
            });
        }
        let needs_payload = self.plan.params.is_empty() && triggers.iter().any(|(_, trigger)| trigger.bind.is_some());
        match triggers.as_slice() {
            _ if !needs_payload => Ok(None),
            [only] => Ok(Some(*only)),
            _ => Err(Trouble::new(Exit::Usage, format!("`{flow}` has several triggers: {}", listed()))
                .help(format!("choose one, for example `--trigger '{}'`", names.first().map_or("", String::as_str)))),
        }
    }

    fn parameters(&self, input: Option<Json>) -> Result<Value, Trouble> {
        let json = input.unwrap_or_else(|| Json::Object(Map::new()));
        let flow = &self.plan.flow;
        if let Json::Object(fields) = &json {
            let known: Vec<&str> =
                self.plan.params.iter().map(|(name, field)| field.json_name.as_deref().unwrap_or(name)).collect();
            if let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str())) {
                return Err(Trouble::new(Exit::Usage, format!("`{flow}` has no parameter `{}`", ui::plain(unknown)))
                    .help(did_you_mean(unknown, known.iter().copied()).unwrap_or_else(|| self.signature())));
            }
        }
        self.decoder(&self.plan.types, &|decoder| decoder.json_fields(&json, &self.plan.params)).map_err(|mismatch| {
            let trouble = Trouble::new(Exit::Usage, format!("the input of `{flow}` does not fit: {mismatch}"));
            trouble.help(self.signature())
        })
    }

    fn payload(&self, trigger: &Trigger, input: Option<Json>) -> Result<Value, Trouble> {
        let Some(json) = input else {
            return match &trigger.kind {
                TriggerKind::Every(_) | TriggerKind::Cron { .. } => {
                    Ok(Value::record([("scheduled_at", Value::Timestamp(self.now.timestamp()))]))
                }
                TriggerKind::Http { .. }
                | TriggerKind::Webhook { .. }
                | TriggerKind::Event { .. }
                | TriggerKind::File { .. }
                | TriggerKind::Poll { .. } => {
                    Err(Trouble::new(Exit::Usage, format!("`{}` is started by `{}`", self.plan.flow, name(trigger)))
                        .help("give what comes with it, for example `--input @event.json`"))
                }
            };
        };
        match json {
            Json::Array(items) if trigger.bound() != trigger.payload => items
                .into_iter()
                .map(|item| self.one_payload(trigger, &item))
                .collect::<Result<_, _>>()
                .map(Value::List),
            _ if trigger.bound() != trigger.payload => {
                Err(Trouble::new(Exit::Usage, format!("`{}` is started by a batch", self.plan.flow))
                    .help("give a list of what comes with each event: `--input '[{ … }]'`"))
            }
            json => self.one_payload(trigger, &json),
        }
    }

    fn one_payload(&self, trigger: &Trigger, json: &Json) -> Result<Value, Trouble> {
        let mismatch = |mismatch: Mismatch| {
            let what = format!("the input is no payload of `{}`: {mismatch}", name(trigger));
            Trouble::new(Exit::Usage, what)
        };
        let mut types = self.plan.types.clone();
        match &trigger.kind {
            TriggerKind::Http { method, path, body, .. } => {
                let ty = body.as_ref().unwrap_or(&Type::Json);
                let body = self.decoder(&types, &|decoder| decoder.json(json, ty)).map_err(mismatch)?;
                let none = || Value::Record(indexmap::IndexMap::new());
                Ok(Value::record([
                    ("body", body),
                    ("headers", none()),
                    ("query", none()),
                    ("method", Value::text(method.as_str())),
                    ("path", Value::text(path.as_str())),
                ]))
            }
            TriggerKind::Webhook { connection, .. } | TriggerKind::Poll { connection, .. } => {
                let connection = self.plan.connections.get(connection);
                let connector = connection.and_then(|connection| self.plan.connectors.get(&connection.connector));
                types.0.extend(connector.into_iter().flat_map(|connector| connector.types.0.clone()));
                self.decoder(&types, &|decoder| decoder.json(json, &trigger.payload)).map_err(mismatch)
            }
            TriggerKind::File { pattern } => Err(Trouble::new(
                Exit::Usage,
                format!("`{}` is started by files, and no input stands for one", self.plan.flow),
            )
            .help(format!("run `flowc serve`, and put a file where `{pattern}` means it"))),
            TriggerKind::Every(_) | TriggerKind::Cron { .. } | TriggerKind::Event { .. } => {
                self.decoder(&types, &|decoder| decoder.json(json, &trigger.payload)).map_err(mismatch)
            }
        }
    }

    /// Reads JSON with defaults that are computed where they are not constant.
    fn decoder<T>(&self, types: &Types, read: &dyn Fn(Decoder<'_>) -> Result<T, Mismatch>) -> Result<T, Mismatch> {
        let evaluator = Evaluator {
            library: self.library,
            functions: &self.plan.functions,
            types,
            env: self.env,
            ambient: &|_| None,
        };
        let default = |expr: &Expr| -> Result<Value, Failure> { evaluator.eval(expr, &mut Frame::new()) };
        read(Decoder::new(types).with_defaults(&default))
    }

    /// What the flow takes, in words.
    fn signature(&self) -> String {
        if self.plan.params.is_empty() {
            return "it takes no parameters".to_owned();
        }
        let params = self.plan.params.iter().map(|(name, field)| {
            let name = field.json_name.as_deref().unwrap_or(name);
            format!("  {name}: {}{}", field.ty, if is_required(field) { "" } else { " (may be left out)" })
        });
        format!(
            "give its parameters with `--input`, as JSON, `@file` or `-`:\n{}",
            params.collect::<Vec<_>>().join("\n")
        )
    }
}

fn is_required(field: &Field) -> bool {
    field.default.is_none() && !field.ty.is_nullable()
}

/// What people call a trigger: `payments.payment_intent.succeeded`, `POST /leads`, `every 15m`.
pub(crate) fn name(trigger: &Trigger) -> String {
    match &trigger.kind {
        TriggerKind::Http { method, path, .. } => format!("{method} {path}"),
        TriggerKind::Every(every) => format!("every {every}"),
        TriggerKind::Webhook { connection, trigger, .. } | TriggerKind::Poll { connection, trigger, .. } => {
            format!("{connection}.{trigger}")
        }
        TriggerKind::Cron { line, zone, .. } => format!("cron {line} in {zone}"),
        TriggerKind::File { pattern } => format!("file {pattern}"),
        TriggerKind::Event { events, pattern } => match pattern {
            Some(pattern) => format!("event {pattern}"),
            None => format!("event {}", events.join(", ")),
        },
    }
}

/// Reads the JSON of an option: as it stands, from `@file`, or from standard input for `-`.
///
/// # Errors
/// It can't be read, or is no JSON.
pub(crate) fn read(option: &str, input: &str) -> Result<Json, Trouble> {
    let (from, text) = match input {
        "-" => ("standard input".to_owned(), standard_input()?),
        _ => match input.strip_prefix('@') {
            Some(path) => (format!("`{path}`"), disk::read(Path::new(path))?),
            None => (format!("`{option}`"), input.as_bytes().to_vec()),
        },
    };
    boundary::parse(&text, Limits::default()).map_err(|error| {
        let trouble = Trouble::new(Exit::Usage, format!("{from} is not acceptable JSON: {error}"));
        let is_path = !input.starts_with(['@', '-']) && Path::new(input).is_file();
        trouble.help_if(is_path.then(|| format!("to read the file, write `{option} @{input}`")))
    })
}

fn standard_input() -> Result<Vec<u8>, Trouble> {
    let mut text = Vec::new();
    let read = io::stdin().lock().take(MOST + 1).read_to_end(&mut text);
    let wrong = |reason: String| Trouble::new(Exit::Usage, format!("standard input can't be read: {reason}"));
    read.map_err(|error| wrong(said(&error)))?;
    if text.len() as u64 > MOST { Err(wrong(format!("it has more than {} MiB", MOST / 1024 / 1024))) } else { Ok(text) }
}
