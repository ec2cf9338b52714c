//! What must a plan hold to be complete in itself?
//!
//! In: a plan with its graph, and the operations that it calls. Out: the same with connections, connectors cut down to
//! what is used, functions, types and the names of secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flow_model::{
    expr::{Ambient, Expr, ListPart, Pattern, RecordPart, TextPart},
    failure::ErrorKind,
    plan::{Function, NodeKind, Plan, Stage, Trigger, TriggerKind},
    schema::{Auth, Connector, Operation, VerifyCall, WebhookTrigger},
    ty::{Field, Type, TypeDef, Types},
    value::Value,
};

use crate::{names::Names, types::Definitions};

/// Fills in everything that the plan's graph and triggers refer to.
pub(super) fn complete(
    mut plan: Plan,
    names: &Names<'_>,
    definitions: &Definitions,
    used: &BTreeMap<String, BTreeSet<String>>,
    cuts: &mut Cuts,
) -> Plan {
    let used = &with_polls(&plan, names, used);
    let mut needs = Needs::new(names, definitions);
    let mut connectors: BTreeMap<String, Arc<Connector>> = BTreeMap::new();
    let mut operations: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut triggers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (connection, called) in used {
        if let Some(info) = names.connections.get(connection) {
            operations.entry(&info.connector).or_default().extend(called.iter().map(String::as_str));
            plan.connections.insert(connection.clone(), info.plan.clone());
        }
    }
    for trigger in &plan.triggers {
        if let TriggerKind::Webhook { connection, trigger, .. } | TriggerKind::Poll { connection, trigger, .. } =
            &trigger.kind
            && let Some(info) = names.connections.get(connection)
        {
            triggers.entry(&info.connector).or_default().insert(trigger);
            plan.connections.insert(connection.clone(), info.plan.clone());
        }
    }
    let all: BTreeSet<&str> = operations.keys().chain(triggers.keys()).copied().collect();
    for name in all {
        let Some(info) = names.connectors.get(name) else { continue };
        let part = |parts: Option<&BTreeSet<&str>>| -> BTreeSet<String> {
            parts.into_iter().flatten().map(|part| (*part).to_owned()).collect()
        };
        let parts = (name.to_owned(), part(operations.get(name)), part(triggers.get(name)));
        let cut = cuts.0.entry(parts).or_insert_with_key(|(_, operations, triggers)| {
            let mut needs = Needs::new(names, definitions);
            let connector = needs.connector(&info.schema, operations, triggers);
            Cut { connector: Arc::new(connector), found: needs.found }
        });
        connectors.insert(name.to_owned(), Arc::clone(&cut.connector));
        needs.found.join(&cut.found);
    }
    for (name, connection) in &plan.connections {
        let is_called = used.get(name).is_some_and(|operations| !operations.is_empty());
        let heard = if is_called { BTreeSet::new() } else { config_of_triggers(name, &plan, names, definitions) };
        for (field, value) in &connection.config {
            if is_called || heard.contains(field) {
                needs.expr(value);
            }
        }
    }
    needs.fields(plan.params.values());
    needs.ty(&plan.result);
    plan.errors.iter().for_each(|kind| needs.error(kind));
    plan.triggers.iter().for_each(|trigger| needs.trigger(trigger));
    plan.graph.node_weights().for_each(|node| needs.node(&node.kind));
    plan.connectors = connectors;
    plan.functions = needs.found.functions;
    plan.types = needs.found.types;
    plan.secrets = needs.found.secrets.into_iter().collect();
    plan
}

/// The operations that are called, with those that triggers read lists by.
fn with_polls(
    plan: &Plan,
    names: &Names<'_>,
    used: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut used = used.clone();
    for trigger in &plan.triggers {
        let TriggerKind::Poll { connection, trigger: name, .. } = &trigger.kind else { continue };
        let connector = names.connections.get(connection).and_then(|info| names.connectors.get(&info.connector));
        let declared = connector.and_then(|info| info.schema.triggers.get(name));
        if let Some(poll) = declared.and_then(|trigger| trigger.poll.as_ref()) {
            used.entry(connection.clone()).or_default().insert(poll.call.operation.clone());
        }
    }
    used
}

/// Connectors cut down to some of their operations and triggers: flows that use the same of one share it.
#[derive(Default)]
pub(super) struct Cuts(BTreeMap<(String, BTreeSet<String>, BTreeSet<String>), Cut>);

struct Cut {
    connector: Arc<Connector>,
    /// What it refers to.
    found: Found,
}

/// The settings of a connection that receiving its webhooks takes: one that is only listened to needs no more, and no
/// credential for calls.
fn config_of_triggers(connection: &str, plan: &Plan, names: &Names<'_>, definitions: &Definitions) -> BTreeSet<String> {
    let mut needs = Needs::new(names, definitions);
    for trigger in &plan.triggers {
        if let TriggerKind::Webhook { connection: of, trigger: name, .. } = &trigger.kind
            && of == connection
        {
            needs.trigger(trigger);
            let declared = names.connections.get(of).and_then(|info| names.connectors.get(&info.connector));
            declared.and_then(|info| info.schema.triggers.get(name)).into_iter().for_each(|it| needs.webhook(it));
        }
    }
    needs.found.config
}

/// The functions of the program and the named types that expressions outside a plan refer to.
pub(crate) fn referred<'e>(
    names: &Names<'_>,
    definitions: &Definitions,
    expressions: impl IntoIterator<Item = &'e Expr>,
) -> (BTreeMap<String, Arc<Function>>, Types) {
    let mut needs = Needs::new(names, definitions);
    expressions.into_iter().for_each(|expr| needs.expr(expr));
    (needs.found.functions, needs.found.types)
}

/// The names of the secrets in an expression.
pub(crate) fn secrets(names: &Names<'_>, definitions: &Definitions, expr: &Expr) -> BTreeSet<String> {
    let mut needs = Needs::new(names, definitions);
    needs.expr(expr);
    needs.found.secrets
}

/// The search for what is referred to.
struct Needs<'a> {
    names: &'a Names<'a>,
    definitions: &'a Definitions,
    found: Found,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    functions: BTreeMap<String, Arc<Function>>,
    types: Types,
    secrets: BTreeSet<String>,
    /// Settings of the connection that are read: `config.api_key`.
    config: BTreeSet<String>,
}

impl Found {
    fn join(&mut self, other: &Self) {
        let is_new = |(name, _): &(&String, _)| !self.functions.contains_key(*name);
        let functions: Vec<_> = other.functions.iter().filter(is_new).map(own).collect();
        self.functions.extend(functions);
        for (name, def) in &other.types.0 {
            self.types.0.entry(name.clone()).or_insert_with(|| Arc::clone(def));
        }
        self.secrets.extend(other.secrets.iter().cloned());
        self.config.extend(other.config.iter().cloned());
    }
}

impl<'a> Needs<'a> {
    fn new(names: &'a Names<'a>, definitions: &'a Definitions) -> Self {
        Self { names, definitions, found: Found::default() }
    }

    /// A connector cut down to what is used of it.
    fn connector(
        &mut self,
        whole: &Connector,
        operations: &BTreeSet<String>,
        triggers: &BTreeSet<String>,
    ) -> Connector {
        let mut wanted: BTreeSet<&str> = operations.iter().map(String::as_str).collect();
        for used in operations.iter().filter_map(|name| whole.operations.get(name)) {
            wanted.extend(used.needs());
        }
        if let Some(Auth::Session(session)) = whole.http.as_ref().map(|http| &http.auth) {
            wanted.insert(&session.login.operation);
        }
        let mut cut = Connector {
            name: whole.name.clone(),
            doc: whole.doc.clone(),
            config: whole.config.clone(),
            http: whole.http.clone(),
            errors: whole.errors.clone(),
            types: Types::default(),
            operations: whole.operations.iter().filter(|(name, _)| wanted.contains(name.as_str())).map(own).collect(),
            triggers: whole.triggers.iter().filter(|(name, _)| triggers.contains(*name)).map(own).collect(),
            // Calls of a scheme hold the scheme itself.
            verifications: BTreeMap::new(),
            // Handshakes come where webhooks do; setting those up is no part of a run.
            challenges: if triggers.is_empty() { BTreeMap::new() } else { whole.challenges.clone() },
            webhooks: None,
            policy: whole.policy.clone(),
        };
        // Defaults of settings are in the connections that use them; a secret that another replaces is not needed.
        cut.config.values().for_each(|field| self.ty(&field.ty));
        if let Some(http) = &cut.http {
            http.each_expr(&mut |value| self.expr(value));
        }
        cut.errors.rules.iter().for_each(|(_, kind)| self.error(kind));
        cut.each_shared_expr(&mut |value| self.expr(value));
        cut.operations.values().for_each(|operation| self.operation(operation));
        cut.triggers.values().for_each(|trigger| self.webhook(trigger));
        cut.types = self.found.types.clone();
        cut
    }

    fn operation(&mut self, operation: &Operation) {
        self.fields(operation.params.values());
        self.ty(&operation.result);
        operation.errors.iter().chain(operation.fails.iter().flatten()).for_each(|kind| self.error(kind));
        operation.each_expr(&mut |value| self.expr(value));
    }

    fn webhook(&mut self, trigger: &WebhookTrigger) {
        self.ty(&trigger.payload);
        trigger.each_expr(&mut |value| self.expr(value));
    }

    fn trigger(&mut self, trigger: &Trigger) {
        self.ty(&trigger.payload);
        if let Some(dedupe) = &trigger.dedupe {
            self.expr(&dedupe.key);
        }
        if let Some(per) = trigger.concurrency.as_ref().and_then(|concurrency| concurrency.per.as_ref()) {
            self.expr(per);
        }
        if let Some(per) = trigger.gather.as_ref().and_then(|gather| gather.per.as_ref()) {
            self.expr(per);
        }
        match &trigger.kind {
            TriggerKind::Http { body, verify, .. } => {
                body.iter().for_each(|body| self.ty(body));
                verify.iter().for_each(|verify| self.verify(verify));
            }
            TriggerKind::Webhook { verify, .. } => verify.iter().for_each(|verify| self.verify(verify)),
            TriggerKind::Event { events, .. } => {
                events.iter().for_each(|event| self.ty(&Type::Named(event.clone())));
            }
            TriggerKind::Poll { args, .. } => args.iter().for_each(|arg| self.expr(arg)),
            TriggerKind::Every(_) | TriggerKind::Cron { .. } | TriggerKind::File { .. } => {}
        }
    }

    fn verify(&mut self, call: &VerifyCall) {
        call.scheme.params.values().for_each(|field| self.ty(&field.ty));
        call.each_expr(&mut |value| self.expr(value));
    }

    fn node(&mut self, kind: &NodeKind) {
        match kind {
            NodeKind::Let { value, .. }
            | NodeKind::Yield(value)
            | NodeKind::Return(value)
            | NodeKind::Sleep(value)
            | NodeKind::Log(value)
            | NodeKind::DeadLetter { value, .. } => self.expr(value),
            NodeKind::Step(step) => {
                step.args.iter().chain(&step.key).for_each(|value| self.expr(value));
                step.result.iter().for_each(|ty| self.ty(ty));
            }
            NodeKind::If { conditions, .. } => conditions.iter().for_each(|condition| self.expr(condition)),
            NodeKind::Match { subject, arms, .. } => {
                self.expr(subject);
                for (pattern, guard) in arms {
                    self.pattern(pattern);
                    guard.iter().for_each(|guard| self.expr(guard));
                }
            }
            NodeKind::For { items, concurrency, every, stream, .. } => {
                let stages = stream.iter().flatten().map(Stage::expr);
                [items, concurrency].into_iter().chain(every).chain(stages).for_each(|value| self.expr(value));
            }
            NodeKind::Try { arms, .. } => {
                for arm in arms {
                    arm.kinds.iter().for_each(|kind| self.error(kind));
                    arm.guard.iter().for_each(|guard| self.expr(guard));
                }
            }
            NodeKind::Respond { status, body } => {
                self.expr(status);
                body.iter().for_each(|body| self.expr(body));
            }
            NodeKind::Fail { error, fields } => {
                self.error(error);
                fields.iter().for_each(|(_, value)| self.expr(value));
            }
            NodeKind::First { items, .. } => self.expr(items),
            NodeKind::Repeat { every, times, until, .. } => {
                [every, times, until].into_iter().for_each(|value| self.expr(value))
            }
            NodeKind::Emit { event, value } => {
                self.ty(&Type::Named(event.clone()));
                self.expr(value);
            }
            NodeKind::Wait { event, filter, within, .. } => {
                self.ty(&Type::Named(event.clone()));
                filter.iter().chain(within).for_each(|value| self.expr(value));
            }
            NodeKind::Approve { question, by, within, .. } => {
                [question].into_iter().chain(by).chain(within).for_each(|value| self.expr(value));
            }
            NodeKind::Run { params, .. } => params.iter().for_each(|(_, value)| self.expr(value)),
            NodeKind::Parallel { .. } | NodeKind::Saga { .. } | NodeKind::Race { .. } => {}
        }
    }

    fn error(&mut self, kind: &ErrorKind) {
        if let ErrorKind::Declared(name) = kind {
            self.ty(&Type::Named(name.clone()));
        }
    }

    fn fields<'f>(&mut self, fields: impl Iterator<Item = &'f Field>) {
        for field in fields {
            self.ty(&field.ty);
            field.default.iter().for_each(|default| self.expr(default));
        }
    }

    fn ty(&mut self, ty: &Type) {
        match ty {
            Type::List(inner)
            | Type::Map(inner)
            | Type::Stream(inner)
            | Type::Optional(inner)
            | Type::Secret(inner) => {
                self.ty(inner);
            }
            Type::Record(fields) => self.fields(fields.values()),
            Type::Function(params, result) => {
                params.iter().for_each(|param| self.ty(param));
                self.ty(result);
            }
            Type::Named(name) if !self.found.types.0.contains_key(name) => {
                let Some(def) = self.names.types.0.get(name) else { return };
                self.found.types.0.insert(name.clone(), Arc::clone(def));
                match &**def {
                    TypeDef::Record(fields) | TypeDef::Error(fields) => self.fields(fields.values()),
                    TypeDef::Union { cases, .. } => cases.values().for_each(|case| self.ty(case)),
                    TypeDef::Enum(_) => {}
                }
            }
            _ => {}
        }
    }

    fn function(&mut self, name: &str) {
        let is_own = self.names.functions.contains_key(name) || self.names.consts.contains_key(name);
        if !is_own || self.found.functions.contains_key(name) {
            return;
        }
        if let Some(function) = self.definitions.function(self.names, name) {
            self.found.functions.insert(name.to_owned(), Arc::clone(&function));
            self.expr(&function.body);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Secret(name) => {
                self.found.secrets.insert(name.to_string());
            }
            Value::List(items) => items.iter().for_each(|item| self.value(item)),
            Value::Record(fields) => fields.values().for_each(|field| self.value(field)),
            _ => {}
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        if let Pattern::Literal(value) = pattern {
            self.value(value);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(value) => self.value(value),
            Expr::Slot(_) | Expr::Ambient(_) => {}
            Expr::Env(_, default) => default.iter().for_each(|default| self.expr(default)),
            Expr::Text { parts, .. } => {
                for part in parts {
                    if let TextPart::Insert(insert) = part {
                        self.expr(insert);
                    }
                }
            }
            Expr::Record(parts) => {
                for part in parts {
                    match part {
                        RecordPart::Field(_, value) | RecordPart::Spread(value) => self.expr(value),
                    }
                }
            }
            Expr::List(parts) => {
                for part in parts {
                    match part {
                        ListPart::Item(value) | ListPart::Spread(value) => self.expr(value),
                    }
                }
            }
            Expr::Member { of, name, .. } => {
                if **of == Expr::Ambient(Ambient::Config) {
                    self.found.config.insert(name.clone());
                }
                self.expr(of);
            }
            Expr::Unary(_, of) | Expr::Lambda(_, of) | Expr::Masked(of, _) => self.expr(of),
            Expr::Index(left, right) | Expr::Binary(_, left, right) => {
                self.expr(left);
                self.expr(right);
            }
            Expr::If(condition, then, otherwise) => {
                self.expr(condition);
                self.expr(then);
                self.expr(otherwise);
            }
            Expr::Match { subject, arms } => {
                self.expr(subject);
                for arm in arms {
                    self.pattern(&arm.pattern);
                    arm.guard.iter().for_each(|guard| self.expr(guard));
                    self.expr(&arm.value);
                }
            }
            Expr::Let { value, then, .. } => {
                self.expr(value);
                self.expr(then);
            }
            Expr::Call(name, args) => {
                self.function(name);
                args.iter().for_each(|arg| self.expr(arg));
            }
            Expr::Convert(value, ty) | Expr::Wire(value, ty) | Expr::Whole(value, ty) => {
                self.expr(value);
                self.ty(ty);
            }
        }
    }
}

fn own<V: Clone>((name, value): (&String, &V)) -> (String, V) {
    (name.clone(), value.clone())
}
