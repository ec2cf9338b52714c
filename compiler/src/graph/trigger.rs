//! What starts a flow, and under which name does it see what came?
//!
//! In: `on …` as written. Out: the triggers of the plan and the binding of their payload. A webhook that nobody verifies
//! is an error unless the program says why; so is a clause that does not suit the trigger.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Ambient, Descend, Expr, Slot},
    plan::{Concurrency, Dedupe, Trigger, TriggerKind},
    schema::Rate,
    span::Span,
    ty::{Field, Type, TypeDef},
    units::Millis,
    value::Value,
};
use indexmap::IndexMap;

use super::{lower::Lowering, schedule, step::wire};
use crate::{
    ast::{self, Ident, TriggerClause, TriggerClauseValue, TriggerSource},
    facts::words,
    names::{duplicate, fits, literal, similar, unknown},
    types::{Binding, Callee, Kind, Parameter, Want, argument_left_out, holds_secret, join, listed},
};

/// How long the keys of events are remembered when nothing is said.
const WINDOW: Millis = Millis(72 * 3_600_000);

/// Methods of requests that a trigger can receive.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

const COMMON: [&str; 3] = ["concurrency", "at_most", "within"];
const CRON: [&str; 4] = ["catch_up", "concurrency", "at_most", "within"];
const FILE: [&str; 4] = ["concurrency", "at_most", "batch", "within"];
const EVENT: [&str; 6] = ["dedupe", "concurrency", "at_most", "batch", "debounce", "within"];
const HTTP: [&str; 9] =
    ["body", "max_body", "verify", "dedupe", "concurrency", "at_most", "batch", "debounce", "within"];
const POLL: [&str; 5] = ["every", "concurrency", "at_most", "batch", "within"];
const WEBHOOK: [&str; 7] = ["verify", "dedupe", "concurrency", "at_most", "batch", "debounce", "within"];

/// The largest body that is read into memory: 16 MiB.
const MOST_IN_MEMORY: u64 = 16 << 20;

/// The largest body that is kept as a file: 5 GiB.
const MOST_FILE: u64 = 5 << 30;

/// What comes with a file.
fn file_payload() -> Type {
    Type::Record(IndexMap::from([
        ("path".to_owned(), Field::of(Type::String)),
        ("modified_at".to_owned(), Field::of(Type::Timestamp)),
        ("file".to_owned(), Field::of(Type::File)),
    ]))
}

/// A trigger whose payload may be bound.
struct Bound<'w> {
    name: Option<&'w Ident>,
    payload: Type,
    /// Whether a clause reads it.
    used: bool,
}

impl Lowering<'_> {
    /// All triggers of a flow; binds their payload in the frame at hand.
    pub(super) fn triggers(&mut self, written: &[ast::Trigger]) -> Vec<Trigger> {
        let mut triggers = Vec::new();
        let mut bound = Vec::new();
        // One slot for each name: triggers that bind the same name put their payload into the same place.
        let mut slots: BTreeMap<&str, Slot> = BTreeMap::new();
        for one in written {
            let slot = one.bind.as_ref().map(|name| {
                let fresh = self.el.scope.fresh();
                *slots.entry(name.text.as_str()).or_insert(fresh)
            });
            let Some((trigger, payload, used)) = self.trigger(one, slot) else {
                bound.push(Bound { name: one.bind.as_ref(), payload: Type::Unknown, used: false });
                continue;
            };
            if let Some(first) = triggers.iter().position(|first: &Trigger| same(&first.kind, &trigger.kind)) {
                let first = written.get(first).map_or(one.span, |first| first.span);
                self.el.problems.push(
                    Diagnostic::new(Code::E0411, "this starts the flow already", one.span, "again")
                        .label(first, "first here")
                        .help("leave one out: what happens once starts one run of a flow"),
                );
            }
            triggers.push(trigger);
            bound.push(Bound { name: one.bind.as_ref(), payload, used });
        }
        for (name, slot) in slots {
            self.bind_payload(name, slot, &bound);
        }
        triggers
    }

    /// The payload as the body sees it: of the type that all triggers share, or null when another one started the run.
    fn bind_payload(&mut self, name: &str, slot: Slot, bound: &[Bound<'_>]) {
        let mut ty = Type::Never;
        let mut first: Option<&Ident> = None;
        let mut is_missing = false;
        let mut used = false;
        for one in bound {
            let Some(ident) = one.name.filter(|ident| ident.text == name) else {
                is_missing = true;
                continue;
            };
            used |= one.used;
            match join(&self.el.names.types, &ty, &one.payload) {
                Some(joined) if ty == Type::Never || joined == ty || one.payload == joined => ty = joined,
                _ => {
                    let mut problem = Diagnostic::new(
                        Code::E0410,
                        format!("`{name}` has another type with each trigger"),
                        ident.span,
                        format!("of type `{}`", one.payload),
                    );
                    if let Some(first) = first {
                        problem = problem.label(first.span, format!("of type `{ty}`"));
                    }
                    self.el.problems.push(problem.help("give each its own name, or write a flow for each trigger"));
                    ty = Type::Unknown;
                }
            }
            first.get_or_insert(ident);
        }
        if is_missing {
            ty = ty.optional();
        }
        let Some(first) = first else { return };
        let binding = Binding { slot, ty, span: first.span, kind: Kind::Payload, used };
        if let Some(other) = self.el.scope.bind(name, binding) {
            self.el.problems.push(duplicate("binding", first, other));
        }
    }

    /// The trigger, the type of what it binds, and whether one of its clauses reads that.
    fn trigger(&mut self, written: &ast::Trigger, slot: Option<Slot>) -> Option<(Trigger, Type, bool)> {
        let (mut kind, payload, own_dedupe, known) = match &written.source {
            TriggerSource::Http { method, path } => self.http(written, method, path),
            TriggerSource::Every(period) => self.every(period),
            TriggerSource::Cron { line, zone } => {
                (self.cron(line, zone.as_ref()), schedule::payload(), None, CRON.as_slice())
            }
            TriggerSource::File(pattern) => (self.on_file(pattern), file_payload(), None, FILE.as_slice()),
            TriggerSource::Event(path) => self.on_event(path)?,
            TriggerSource::Connection(path) => self.webhook(written, path)?,
            TriggerSource::Missing => {
                self.el.has_gaps = true;
                return None;
            }
        };
        let clauses = self.clauses(written, known);
        // Clauses see the payload, by its name or as what `.member` means.
        self.el.scope.push();
        if let (Some(name), Some(slot)) = (&written.bind, slot) {
            let binding = Binding { slot, ty: payload.clone(), span: name.span, kind: Kind::Payload, used: false };
            self.el.scope.bind(&name.text, binding);
        }
        self.el.ambient(Ambient::Item, payload.clone());
        let dedupe = clauses.get("dedupe").and_then(|clause| self.dedupe(clause)).or(own_dedupe);
        let concurrency = clauses.get("concurrency").and_then(|clause| self.limit_of_runs(clause));
        let gather = self.gather(&clauses);
        self.el.forget(Ambient::Item);
        let used = self.el.scope.pop().bindings.values().any(|binding| binding.used);
        let at_most = clauses.get("at_most").and_then(|clause| self.at_most(clause));
        let within = clauses.get("within").and_then(|clause| {
            let within = self.duration_clause(clause)?;
            self.ends_within(within, clause.span);
            Some(within)
        });
        if let (TriggerKind::Cron { catch_up, .. }, Some(clause)) = (&mut kind, clauses.get("catch_up")) {
            *catch_up = self.catch_up(clause);
        }
        if let (TriggerKind::Poll { every, .. }, Some(clause)) = (&mut kind, clauses.get("every")) {
            match self.duration_clause(clause) {
                Some(time) if time.0 >= 1000 => *every = time,
                Some(_) => self.wrong_clause(clause, "a list is read once a second at most: write `every: 1m`"),
                None => {}
            }
        }
        self.verify(written, &clauses, &mut kind);
        if let Some(clause) = clauses.get("max_body") {
            self.max_body(clause, &mut kind);
        }
        let says_all = clauses.len() == written.clauses.len();
        let polls = matches!(kind, TriggerKind::Poll { .. });
        if dedupe.is_none() && says_all && !polls && !clauses.contains_key("dedupe") {
            self.no_dedupe(written, &kind, &payload);
        }
        let trigger = Trigger { kind, bind: slot, payload, dedupe, concurrency, at_most, within, gather };
        // What is written wrong may be meant as a batch.
        let is_broken = trigger.gather.is_none() && clauses.contains_key("batch");
        let bound = if is_broken { Type::Unknown } else { trigger.bound() };
        Some((trigger, bound, used))
    }

    /// `on http POST "/leads"`
    fn http(
        &mut self,
        written: &ast::Trigger,
        method: &Ident,
        path: &Ident,
    ) -> (TriggerKind, Type, Option<Dedupe>, &'static [&'static str]) {
        if !METHODS.contains(&method.text.as_str()) {
            let near = METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(&method.text));
            let near = near.or_else(|| similar(&method.text, METHODS));
            let problem = Diagnostic::new(
                Code::E0411,
                format!("`{}` is no method that a trigger can receive", method.text),
                method.span,
                "not known",
            );
            self.el.problems.push(match near {
                Some(near) => problem
                    .help(format!("did you mean `{near}`?"))
                    .fix(format!("write `{near}`"), vec![Edit { span: method.span, text: near.to_owned() }]),
                None => problem.help(format!("write one of {}", METHODS.join(", "))),
            });
        }
        self.check_route(path);
        let body =
            written.clauses.iter().find(|clause| clause.name.text == "body").and_then(|clause| match &clause.value {
                TriggerClauseValue::Type(ty) => Some(self.el.written_type(ty)),
                _ => None,
            });
        if let (Some(body), Some(clause)) = (&body, written.clauses.iter().find(|clause| clause.name.text == "body"))
            && holds_secret(&self.el.names.types, body)
        {
            self.secret(clause.span, "a secret can't come from outside");
        }
        if let ("GET", Some(clause)) =
            (method.text.as_str(), written.clauses.iter().find(|one| one.name.text == "body"))
        {
            self.el.problems.push(
                Diagnostic::new(Code::E0411, "a `GET` request has no body", clause.span, "never comes")
                    .label(method.span, "this method")
                    .help("take what varies from the query, `?id=7` as `.query[\"id\"]` of the payload, or receive a `POST`"),
            );
        }
        // A clause that is not known may be meant to say it.
        let has_strangers = written.clauses.iter().any(|clause| !HTTP.contains(&clause.name.text.as_str()));
        let unsaid = if has_strangers { Type::Unknown } else { Type::Json };
        let map = || Type::Map(Box::new(Type::String));
        let payload = Type::Record(IndexMap::from([
            ("body".to_owned(), Field::of(body.clone().unwrap_or(unsaid))),
            ("headers".to_owned(), Field::of(map())),
            ("query".to_owned(), Field::of(map())),
            ("method".to_owned(), Field::of(Type::String)),
            ("path".to_owned(), Field::of(Type::String)),
        ]));
        let (method, path) = (method.text.clone(), path.text.clone());
        let kind = TriggerKind::Http { method, path, body, verify: None, max_body: None };
        (kind, payload, None, &HTTP)
    }

    fn check_route(&mut self, path: &Ident) {
        let (message, help) = if !path.text.starts_with('/') {
            ("the path of a trigger begins with `/`", format!("write \"/{}\"", path.text))
        } else if path.text == "/hooks" || path.text.starts_with("/hooks/") {
            ("paths below `/hooks` belong to the webhooks of connections", "choose another path".to_owned())
        } else if path
            .text
            .contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '%' | '\\'))
        {
            ("the path of a trigger is plain", "leave the query out: it is in `.query` of the payload".to_owned())
        } else if path.text.split('/').any(|part| part.starts_with([':', '{', '<', '*'])) {
            (
                "the path of a trigger is fixed",
                "take what varies from the query, `?id=7` as `.query[\"id\"]` of the payload, or from the body"
                    .to_owned(),
            )
        } else {
            return;
        };
        self.el.problems.push(Diagnostic::new(Code::E0411, message, path.span, "this path").help(help));
    }

    /// `on every 15m`
    fn every(&mut self, period: &ast::Expr) -> (TriggerKind, Type, Option<Dedupe>, &'static [&'static str]) {
        let millis = match literal(period) {
            Some(Value::Duration(millis)) if millis.0 >= 1000 => millis,
            Some(_) => {
                self.el.problems.push(
                    Diagnostic::new(Code::E0411, "a schedule is at least a second", period.span, "this period")
                        .help("write `on every 15m`"),
                );
                Millis::seconds(1)
            }
            None => Millis::seconds(1),
        };
        (TriggerKind::Every(millis), schedule::payload(), None, &COMMON)
    }

    /// `on file "inbox/*.csv"`
    fn on_file(&mut self, pattern: &Ident) -> TriggerKind {
        let text = &pattern.text;
        let wrong = if text.trim().is_empty() || text.ends_with('/') {
            Some(("this names no file", "write which files: `on file \"inbox/*.csv\"`"))
        } else if text.split('/').any(|part| part == "..") {
            Some((
                "a path can't lead out of its folder",
                "leave `..` out: paths are below the project's folder, or begin with `/`",
            ))
        } else if text.contains('\\') {
            Some(("folders are apart by `/`", "write `inbox/*.csv`, on every system"))
        } else if text.split('/').any(|part| part.contains("**") && part != "**") {
            Some(("`**` stands for whole folders", "write `inbox/**/*.csv`, or one `*` for a part of a name"))
        } else if text.chars().any(|c| matches!(c, '[' | ']' | '{' | '}')) {
            Some(("only `*`, `?` and `**` stand for others", "write a trigger for each kind of file"))
        } else {
            None
        };
        if let Some((message, help)) = wrong {
            self.el.problems.push(Diagnostic::new(Code::E0411, message, pattern.span, "these files").help(help));
        }
        TriggerKind::File { pattern: text.clone() }
    }

    /// `on event customer.created`, `on event customer.*`
    fn on_event(&mut self, path: &ast::Path) -> Option<(TriggerKind, Type, Option<Dedupe>, &'static [&'static str])> {
        if !path.parts.iter().any(|part| part.text == "*") {
            let event = self.event(path)?;
            let payload = Type::Named(event.clone());
            return Some((TriggerKind::Event { events: vec![event], pattern: None }, payload, None, &EVENT));
        }
        let pattern = path.text();
        let names = self.el.names;
        let events: Vec<String> = names.events.keys().filter(|event| fits(path, event)).cloned().collect();
        if events.is_empty() {
            let known: Vec<String> = names.events.keys().cloned().collect();
            let problem =
                Diagnostic::new(Code::E0201, format!("no event is called `{pattern}`"), path.span(), "nothing fits");
            self.el.problems.push(match known.is_empty() {
                true => problem.help("declare one: `event customer.created { … }`"),
                false => problem.help(format!(
                    "the events are {}; `*` stands for one part of a name, at the end for any number",
                    listed(&known)
                )),
            });
            return None;
        }
        let payload = self.payload_of(&events);
        Some((TriggerKind::Event { events, pattern: Some(pattern) }, payload, None, &EVENT))
    }

    /// What events have in common, and which of them it was.
    fn payload_of(&self, events: &[String]) -> Type {
        let types = &self.el.names.types;
        let mut fields = IndexMap::from([("event".to_owned(), Field::of(Type::OneOf(events.to_vec())))]);
        let mut all = events.iter().filter_map(|event| match types.get(event) {
            Some(TypeDef::Record(fields)) => Some(fields),
            _ => None,
        });
        let Some(first) = all.next() else { return Type::Record(fields) };
        let rest: Vec<_> = all.collect();
        for (name, field) in first {
            let is_common = rest.iter().all(|other| other.get(name).is_some_and(|other| other.ty == field.ty));
            if is_common && name != "event" {
                fields.insert(name.clone(), field.clone());
            }
        }
        Type::Record(fields)
    }

    /// `on payments.payment_intent.succeeded`
    fn webhook(
        &mut self,
        written: &ast::Trigger,
        path: &ast::Path,
    ) -> Option<(TriggerKind, Type, Option<Dedupe>, &'static [&'static str])> {
        let names = self.el.names;
        let root = path.parts.first()?;
        if names.broken.contains(&root.text) {
            return None;
        }
        let Some(connection) = names.connections.get(&root.text).filter(|_| names.sees(root.span.file, &root.text))
        else {
            let known = names.connections.keys().filter(|name| names.sees(root.span.file, name)).map(String::as_str);
            let problem = unknown(Code::E0201, "connection", root, known);
            self.el.problems.push(match problem.help {
                Some(_) => problem,
                None => problem.help(format!(
                    "if `{}` is a connector, add `use {}`; else write `on http POST \"/path\"` or `on every 15m`",
                    root.text, root.text
                )),
            });
            return None;
        };
        let info = names.connectors.get(&connection.connector)?;
        let name: Vec<&str> = path.parts.iter().skip(1).map(|part| part.text.as_str()).collect();
        let name = name.join(".");
        let Some(trigger) = info.schema.triggers.get(&name) else {
            if info.ast.triggers.iter().any(|trigger| trigger.name.text() == name) {
                return None;
            }
            let triggers: Vec<String> = info.schema.triggers.keys().cloned().collect();
            let first = path.parts.get(1).map_or(root.span, |part| part.span);
            let span = path.parts.last().map_or(first, |last| first.to(last.span));
            let problem = Diagnostic::new(
                Code::E0404,
                format!("`{}` has no trigger `{name}`", info.schema.name),
                span,
                "no such trigger",
            )
            .label(info.span, "declared here");
            // `mail.received` for `received`, the only one
            let only =
                triggers.first().filter(|only| triggers.len() == 1 && name.rsplit('.').next() == Some(only.as_str()));
            let near = similar(&name, triggers.iter().map(String::as_str)).or(only.map(String::as_str));
            self.el.problems.push(match near {
                Some(near) => problem
                    .help(format!("did you mean `{near}`?"))
                    .fix(format!("write `{near}`"), vec![Edit { span, text: near.to_owned() }]),
                None if triggers.is_empty() => {
                    problem.help("it has none: receive its webhooks with `on http POST \"/path\"`")
                }
                None if triggers.len() == 1 => problem.help(format!("its only trigger is {}", listed(&triggers))),
                None => problem.help(format!("its triggers are {}", listed(&triggers))),
            });
            return None;
        };
        let declared = info.ast.triggers.iter().find(|declared| declared.name.text() == name);
        let called = Callee {
            name: format!("`{}`", path.text()),
            span: path.span(),
            declared: declared.map(|declared| declared.name.span()),
        };
        // What is wrong with a list that it reads was reported there.
        let is_list = |declared: &&ast::WebhookTrigger| declared.properties.iter().any(|one| one.name.text == "poll");
        if trigger.poll.is_none() && declared.as_ref().is_some_and(is_list) {
            return None;
        }
        if let Some(poll) = &trigger.poll {
            let (args, told) = self.told(&called, written, &poll.params, declared);
            let (connection, every) = (root.text.clone(), poll.every);
            let kind = TriggerKind::Poll { connection, trigger: name, args, told, every };
            return Some((kind, trigger.payload.clone(), None, &POLL));
        }
        if !written.args.is_empty() {
            self.el.bind_arguments(&called, path.span(), &written.args, &IndexMap::new());
        }
        let dedupe = trigger.dedupe.clone().map(|key| Dedupe { key, window: WINDOW });
        let kind =
            TriggerKind::Webhook { connection: root.text.clone(), trigger: name, verify: trigger.verify.clone() };
        Some((kind, trigger.payload.clone(), dedupe, &WEBHOOK))
    }

    /// What a flow tells a trigger that polls, all of it and what is given as text: known before any run, and no secret, since
    /// how far was read is kept by it.
    fn told(
        &mut self,
        called: &Callee,
        written: &ast::Trigger,
        fields: &IndexMap<String, Field>,
        declared: Option<&ast::WebhookTrigger>,
    ) -> (Vec<Expr>, String) {
        let span =
            |name: &String| declared?.params.iter().find(|param| param.name.text == *name).map(|param| param.name.span);
        let params: IndexMap<String, Parameter> =
            fields.iter().map(|(name, field)| (name.clone(), Parameter::of(field, span(name)))).collect();
        let Some(given) = self.el.bind_arguments(called, called.span, &written.args, &params) else {
            return Default::default();
        };
        let (mut values, mut told) = (Vec::new(), Vec::new());
        for (((name, param), field), arg) in params.iter().zip(fields.values()).zip(given) {
            let Some(arg) = arg else {
                values.push(argument_left_out(field));
                continue;
            };
            let value = self.el.argument(name, param, arg);
            if holds_secret(&self.el.names.types, &param.ty) {
                self.secret(arg.value.span, "a trigger is told no secret");
            }
            if sees_a_run(&value) {
                self.el.problems.push(
                    Diagnostic::new(
                        Code::E0411,
                        format!("`{name}` is known before any run"),
                        arg.value.span,
                        "known in a run alone",
                    )
                    .help("write it as it is, or name a constant or `env(\"NAME\")`"),
                );
            }
            told.push(format!("{name}: {}", words(&value, &BTreeMap::new())));
            values.push(wire(&self.el.names.types, name, field, value));
        }
        (values, told.join(", "))
    }

    /// The clauses by name; those that do not suit the trigger are reported.
    fn clauses<'w>(&mut self, written: &'w ast::Trigger, known: &[&str]) -> BTreeMap<&'w str, &'w TriggerClause> {
        let mut clauses: BTreeMap<&str, &TriggerClause> = BTreeMap::new();
        for clause in &written.clauses {
            let name = clause.name.text.as_str();
            if !known.contains(&name) {
                self.no_clause(clause, known);
            } else if let Some(first) = clauses.get(name) {
                self.el.problems.push(duplicate("clause", &clause.name, first.name.span));
            } else {
                clauses.insert(name, clause);
            }
        }
        clauses
    }

    fn no_clause(&mut self, clause: &TriggerClause, known: &[&str]) {
        let name = &clause.name.text;
        let list: Vec<String> = known.iter().map(|one| format!("`{one}`")).collect();
        let suits_others = HTTP.contains(&name.as_str()) || CRON.contains(&name.as_str());
        let message = if suits_others {
            format!("`{name}` does not suit this trigger")
        } else {
            format!("there is no clause `{name}`")
        };
        let problem = Diagnostic::new(Code::E0411, message, clause.name.span, "not taken");
        self.el.problems.push(match similar(name, known.iter().copied()).filter(|_| !suits_others) {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span: clause.name.span, text: near.to_owned() }]),
            None => problem.help(match name.as_str() {
                "timezone" | "tz" | "zone" | "time_zone" if !suits_others => {
                    "the zone stands after the line: `on cron \"0 9 * * mon\" in \"Europe/Berlin\"`".to_owned()
                }
                "rate_limit" | "limit" | "throttle" if !suits_others => "write `at_most: 100 per 1m`".to_owned(),
                "timeout" | "deadline" if !suits_others => {
                    "how long a run may take is `within: 1h`; how long a call may take is said at its step".to_owned()
                }
                "dedupe" if known.contains(&"every") => format!(
                    "leave it out: each item that is new in the list starts one run; this trigger takes {}",
                    list.join(", ")
                ),
                "dedupe" if suits_others => format!(
                    "leave it out: each time, and each version of a file, has one run; this trigger takes {}",
                    list.join(", ")
                ),
                _ => format!("this trigger takes {}", list.join(", ")),
            }),
        });
    }

    pub(super) fn wrong_clause(&mut self, clause: &TriggerClause, help: &str) {
        let message = format!("`{}` is not written like this", clause.name.text);
        self.el.problems.push(Diagnostic::new(Code::E0411, message, clause.span, "this clause").help(help));
    }

    /// `dedupe: event.id`, `dedupe: event.id for 72h`
    fn dedupe(&mut self, clause: &TriggerClause) -> Option<Dedupe> {
        let (key, window) = match &clause.value {
            TriggerClauseValue::Expr(key) => (key, None),
            TriggerClauseValue::For(key, window) => (key, Some(window)),
            _ => {
                self.wrong_clause(clause, "write `dedupe: event.id`, or `dedupe: event.id for 72h`");
                return None;
            }
        };
        let typed = self.el.check(key, Want::default());
        if matches!(&typed.expr, Expr::Literal(value) if *value != Value::Null) {
            self.el.problems.push(
                Diagnostic::new(Code::E0411, "each delivery needs a key of its own", key.span, "the same for all of them")
                    .help("name what tells a delivery from others, without quotes: `dedupe: event.id`; all after the first would be passed over"),
            );
        }
        let help = "add what holds then: `… ?? other`";
        let typed = self.el.non_null_or(typed, key, "each delivery needs a key", help);
        if holds_secret(&self.el.names.types, &typed.ty) {
            self.secret(key.span, "a secret can't be a key");
        }
        let window = match window {
            Some(window) => self.fixed_duration(window)?,
            None => WINDOW,
        };
        Some(Dedupe { key: typed.expr, window })
    }

    /// `concurrency: 4`, `concurrency: 1 per event.customer`
    fn limit_of_runs(&mut self, clause: &TriggerClause) -> Option<Concurrency> {
        let (count, per) = match &clause.value {
            TriggerClauseValue::Expr(count) => (count, None),
            TriggerClauseValue::Per(count, per) => (count, Some(per)),
            _ => {
                self.wrong_clause(clause, "write `concurrency: 4`, or `concurrency: 1 per event.id`");
                return None;
            }
        };
        let per = per.map(|per| self.key_of_runs(per));
        let limit = self.count(count)?;
        Some(Concurrency { limit, per })
    }

    /// What tells runs apart that are counted or gathered each for themselves.
    pub(super) fn key_of_runs(&mut self, per: &ast::Expr) -> Expr {
        let typed = self.el.check(per, Want::default());
        if holds_secret(&self.el.names.types, &typed.ty) {
            self.secret(per.span, "a secret can't be a key");
        }
        self.el.non_null_or(typed, per, "each run needs a key", "add what holds then: `… ?? other`").expr
    }

    /// `at_most: 100 per 1m`
    fn at_most(&mut self, clause: &TriggerClause) -> Option<Rate> {
        let TriggerClauseValue::Per(count, period) = &clause.value else {
            self.wrong_clause(clause, "write `at_most: 100 per 1m`");
            return None;
        };
        let count = self.count(count)?;
        Some(Rate { count, period: self.fixed_duration(period)? })
    }

    /// `within: 1h`
    fn duration_clause(&mut self, clause: &TriggerClause) -> Option<Millis> {
        match &clause.value {
            TriggerClauseValue::Expr(value) => self.fixed_duration(value),
            _ => {
                self.wrong_clause(clause, &format!("write `{}: 1h`", clause.name.text));
                None
            }
        }
    }

    /// `max_body: 25MB`
    fn max_body(&mut self, clause: &TriggerClause, kind: &mut TriggerKind) {
        let TriggerKind::Http { body, verify, max_body, .. } = kind else { return };
        let TriggerClauseValue::Expr(written) = &clause.value else {
            return self.wrong_clause(clause, "write `max_body: 25MB`");
        };
        let typed = self.el.check(written, Want::of(&Type::Size));
        let size = match typed.expr {
            Expr::Literal(Value::Size(size)) => size,
            _ if matches!(typed.ty, Type::Unknown) => return,
            _ => return self.wrong_clause(clause, "write the size as it is, such as `25MB`, or name a constant"),
        };
        let is_file = body.as_ref().is_some_and(|body| *body.non_null() == Type::File);
        if size == 0 || size > MOST_FILE {
            self.wrong_clause(clause, "write a size from 1B to 5GiB");
        } else if size > MOST_IN_MEMORY && !is_file {
            let help = "write at most `16MiB`, or take it as a file: `body: File`";
            let message = "a body of this size is not read into memory";
            self.el.problems.push(Diagnostic::new(Code::E0411, message, written.span, "too much").help(help));
        } else if is_file && verify.as_ref().is_some_and(|call| !call.scheme.takes_pieces()) {
            let message = "a body that is kept as a file can't be verified by this scheme";
            let help = "leave `max_body` out, for up to 1 MiB; or verify by an HMAC over the body or by a token";
            self.el
                .problems
                .push(Diagnostic::new(Code::E0411, message, clause.span, "needs the whole body").help(help));
        } else {
            *max_body = Some(size);
        }
    }

    /// A number that is known before the flow runs.
    pub(super) fn count(&mut self, written: &ast::Expr) -> Option<u32> {
        let typed = self.el.check(written, Want::of(&Type::Int));
        match typed.expr {
            Expr::Literal(Value::Int(number)) if number >= 1 => u32::try_from(number).ok(),
            _ if matches!(typed.ty, Type::Unknown) => None,
            other => {
                let is_fixed = matches!(other, Expr::Literal(_));
                self.el.problems.push(
                    Diagnostic::new(
                        Code::E0411,
                        "a number from 1 on is expected",
                        written.span,
                        if is_fixed { "too small" } else { "not fixed before the run" },
                    )
                    .help("write it as it is, or name a constant"),
                );
                None
            }
        }
    }

    /// A duration that is known before the flow runs.
    pub(super) fn fixed_duration(&mut self, written: &ast::Expr) -> Option<Millis> {
        let typed = self.el.check(written, Want::of(&Type::Duration));
        match typed.expr {
            Expr::Literal(Value::Duration(millis)) if millis.0 > 0 => Some(millis),
            _ if matches!(typed.ty, Type::Unknown) => None,
            other => {
                let is_fixed = matches!(other, Expr::Literal(_));
                self.el.problems.push(
                    Diagnostic::new(
                        Code::E0411,
                        "a duration above 0 is expected",
                        written.span,
                        if is_fixed { "no time at all" } else { "not fixed before the run" },
                    )
                    .help("write it as it is, such as `72h`, or name a constant"),
                );
                None
            }
        }
    }

    /// Where the connector declares the trigger.
    pub(super) fn declared_trigger(&self, written: &ast::Trigger) -> Option<Span> {
        let TriggerSource::Connection(path) = &written.source else { return None };
        let names = self.el.names;
        let connection = names.connections.get(&path.parts.first()?.text)?;
        let name: Vec<&str> = path.parts.iter().skip(1).map(|part| part.text.as_str()).collect();
        names.connectors.get(&connection.connector)?.triggers.get(&name.join(".")).copied()
    }
}

/// Says whether two triggers of a flow tell of the same thing. Two requests of one path are reported where routes are looked at.
fn same(first: &TriggerKind, second: &TriggerKind) -> bool {
    let told = |kind: &TriggerKind| match kind {
        TriggerKind::Webhook { connection, trigger, .. } => Some((connection.clone(), trigger.clone(), String::new())),
        TriggerKind::Poll { connection, trigger, told, .. } => {
            Some((connection.clone(), trigger.clone(), told.clone()))
        }
        _ => None,
    };
    match (told(first), told(second)) {
        (Some(first), Some(second)) => first == second,
        _ => !matches!(first, TriggerKind::Http { .. }) && first == second,
    }
}

/// Says whether a value is another one in each run.
fn sees_a_run(value: &Expr) -> bool {
    let mut found = false;
    value.clone().each_mut(&mut |part| {
        found |= matches!(part, Expr::Slot(_) | Expr::Ambient(_));
        Descend::Yes
    });
    found
}
