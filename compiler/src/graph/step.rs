//! Steps: which operation is called, with what, and what happens when it fails.
//!
//! In: a step as written. Out: the node of the call, with a `try` around it for `catch` and `optional`, and the binding
//! of its result. Arguments are checked against the operation's declaration; a mistake shows both places.

use std::borrow::Cow;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Expr, RecordPart, Slot, TextPart},
    failure::ErrorKind,
    plan::{self, CatchArm, NodeKind},
    schema::{Call, Effect, Operation},
    span::Span,
    ty::{Field, Type, Types},
    value::Value,
};
use indexmap::IndexMap;

use super::{
    builder::Chain,
    content::secrets,
    failure::{Raised, of_operation},
    lower::{Ends, Goal, Lowering, Region},
    policy,
};
use crate::{
    ast::{self, Arg, ExprKind, Ident},
    names::{ConnectorInfo, FlowInfo, chain, foreign, similar, unknown},
    query::watch::{self, Meaning},
    rules::{Sent, sent_elsewhere},
    types::{
        Callee, Kind, Origin, Parameter, Source, Typed, Want, argument_left_out, has_wire_form, holds_secret, listed,
    },
};

/// The name of the argument that holds the author's idempotency key.
const KEY: &str = "key";

/// An operation that a step names.
pub(super) struct Target<'a> {
    pub connection: String,
    pub name: String,
    pub info: &'a ConnectorInfo<'a>,
    /// What is declared; with the caller's types in it, where there are some.
    pub operation: Cow<'a, Operation>,
    /// Where the operation is named in the step.
    pub span: Span,
}

/// What a step calls: with the place of its name and its arguments.
enum Called<'a, 's> {
    Operation(Box<Target<'a>>, &'s [Arg]),
    Flow(String, &'a FlowInfo<'a>, Span, &'s [Arg]),
    Wait(&'s ast::Wait),
    /// `contacts.collect(max: 500)`
    Collect,
    Approve(Span, &'s [Arg]),
}

impl<'a> Lowering<'a> {
    /// `step name = call with … else … catch { … }`
    pub(super) fn step(&mut self, chain: &mut Chain, step: &ast::Step) -> Ends {
        let Some(called) = self.called(step) else {
            self.not_understood(chain, step);
            return Ends::Falls;
        };
        let what = match &called {
            Called::Operation(target, _) => format!("{}.{}", target.connection, target.name),
            Called::Flow(name, ..) => name.clone(),
            Called::Wait(wait) => format!("wait {}", wait.event.text()),
            Called::Approve(..) => "approve".to_owned(),
            Called::Collect => "collect".to_owned(),
        };
        let guarded = match &called {
            Called::Operation(target, _) => target.span,
            Called::Flow(_, _, span, _) | Called::Approve(span, _) => *span,
            Called::Wait(wait) => wait.span,
            Called::Collect => step.call.span,
        };
        let node_name = step.name.as_ref().map_or(what, |name| name.text.clone());
        let has_arms = step.catch.is_some() || step.optional.is_some();
        let gives_stream =
            matches!(&called, Called::Operation(target, _) if matches!(target.operation.result, Type::Stream(_)));
        if !has_arms || gives_stream {
            let typed = self.call_and_else(chain, step, &called, &node_name);
            self.bind_result(chain, step, typed, &node_name);
            return Ends::Falls;
        }
        let suffix = if step.optional.is_some() { "optional" } else { "catch" };
        let node = self.builder.reserve(chain, &format!("{node_name}.{suffix}"), step.span);
        self.raised.push(Raised::default());
        let mut body = Chain::default();
        let typed = self.call_and_else(&mut body, step, &called, &node_name);
        let possible = self.raised.pop().unwrap_or_default();
        let is_wanted = step.name.is_some();
        let yields =
            is_wanted.then(|| self.builder.add(&mut body, "yield", NodeKind::Yield(typed.expr.clone()), step.span));
        self.builder.region(node, 0, body);
        let region = Region { chain: body, ty: typed.ty, span: step.call.span, yields, ends: Ends::Falls };
        let goal = if is_wanted { Goal::Yield(Want::default()) } else { Goal::Drop };
        let (arms, ty) = match &step.catch {
            Some(catch) => {
                let (arms, mut regions) = self.catch_regions(node, catch, possible, guarded, goal);
                regions.insert(0, region);
                let ty =
                    if is_wanted { self.unify(&regions, "the result and the values of `catch`") } else { Type::Null };
                (arms, ty)
            }
            None => {
                let everything = CatchArm { kinds: Vec::new(), bind: None, guard: None };
                (vec![everything], region.ty.optional())
            }
        };
        let slot = is_wanted.then(|| self.el.scope.fresh());
        self.builder.set(node, NodeKind::Try { slot, arms, optional: step.optional.is_some() });
        if let (Some(name), Some(slot)) = (&step.name, slot) {
            self.el.bind_at(name, slot, ty, Kind::Step);
        }
        Ends::Falls
    }

    /// What a step calls, and the clauses that don't suit it reported.
    fn called<'s>(&mut self, step: &'s ast::Step) -> Option<Called<'a, 's>> {
        if self.within.is_some()
            && let Some(wait) = &step.wait
        {
            self.not_here(wait.span, "wait for events");
            return None;
        }
        if let Some(wait) = &step.wait {
            let help = "leave it out: nothing is called, so nothing is repeated";
            self.only_operations(step, "`wait`", help, "leave it out: to wait changes nothing");
            return Some(Called::Wait(wait));
        }
        let (callee, types, args) = match &step.call.kind {
            ExprKind::Call { callee, types, args } => (callee, types, args),
            ExprKind::Missing => {
                self.el.has_gaps = true;
                return None;
            }
            _ => {
                self.not_a_call(step);
                return None;
            }
        };
        if self.within.is_none() && self.is_approve(callee) {
            let help = "leave it out: nothing is called, so nothing is repeated";
            self.only_operations(step, "`approve`", help, "leave it out: to ask changes nothing");
            return Some(Called::Approve(callee.span, args));
        }
        self.no_waiting(step);
        if self.is_collect(&step.call) {
            let help = "leave it out: pages are fetched by the policy of the step that gives the stream";
            self.only_operations(step, "`collect`", help, "leave it out: to read changes nothing");
            return Some(Called::Collect);
        }
        let called = match self.called_flow(callee).filter(|_| self.within.is_none()) {
            Some((name, info)) => {
                let help = "leave it out: the steps of the flow have their own policies";
                let undo = "write `undo` on the steps of that flow: they run when its run does not succeed";
                self.only_operations(step, "a call of a flow", help, undo);
                Called::Flow(name, info, callee.span, args)
            }
            None => {
                let mut target = self.target(callee, step)?;
                self.left_behind(step, &target);
                self.instantiate(&mut target, types);
                return Some(Called::Operation(Box::new(target), args));
            }
        };
        if let Some(first) = types.first() {
            self.el.problems.push(
                Diagnostic::new(Code::E0315, "this call takes no types in `<…>`", first.span, "not taken")
                    .help("leave `<…>` out: the result is of the type that is declared"),
            );
        }
        Some(called)
    }

    /// Puts the types that the caller gives into an operation that leaves some to it.
    pub(super) fn instantiate(&mut self, target: &mut Target<'a>, written: &[ast::TypeExpr]) {
        let declared = target.operation.types.clone();
        let given: Vec<Type> = written.iter().map(|ty| self.el.written_type(ty)).collect();
        let name = format!("{}.{}", target.connection, target.name);
        let declared_at = target.info.operations.get(&target.name).map(|spans| spans.name);
        let place = match (written.first(), written.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => target.span,
        };
        if declared.is_empty() && !given.is_empty() {
            self.el.problems.push(
                Diagnostic::new(Code::E0315, "this operation takes no types in `<…>`", place, "not taken")
                    .help("leave `<…>` out: the result is of the type that the operation declares"),
            );
            return;
        }
        if declared.len() != given.len() {
            let takes = if declared.len() == 1 { "one type".to_owned() } else { format!("{} types", declared.len()) };
            let label = if given.is_empty() { "of which type is the answer?" } else { "another number" };
            let mut problem = Diagnostic::new(Code::E0210, format!("`{name}` takes {takes} in `<…>`"), place, label);
            if let Some(span) = declared_at {
                problem = problem.label(span, format!("declared with `<{}>`", declared.join(", ")));
            }
            let example = match declared.len() {
                1 => "Order".to_owned(),
                _ => declared.join(", "),
            };
            self.el.problems.push(problem.help(format!(
                "write `{name}<{example}>(…)` with the type that you expect: each answer is checked against it"
            )));
        }
        for (written, ty) in written.iter().zip(&given) {
            if matches!(ty.non_null(), Type::Stream(_) | Type::Secret(_)) || holds_secret(&self.el.names.types, ty) {
                let message = format!("no answer can be read as `{ty}`");
                self.el.problems.push(
                    Diagnostic::new(Code::E0313, message, written.span, "not a type of data")
                        .help("name a record or another type that can be written as JSON"),
                );
            }
        }
        let with = |name: &str| {
            let at = declared.iter().position(|known| known == name)?;
            Some(given.get(at).cloned().unwrap_or(Type::Unknown))
        };
        let operation = target.operation.to_mut();
        operation.result = operation.result.replaced(&with);
        operation.params.values_mut().for_each(|param| param.ty = param.ty.replaced(&with));
    }

    /// The call, and what `else` does with a null.
    fn call_and_else(
        &mut self,
        chain: &mut Chain,
        step: &ast::Step,
        called: &Called<'a, '_>,
        node_name: &str,
    ) -> Typed {
        let typed = match called {
            Called::Operation(target, args) => {
                let slot = self.call(chain, step, target, args, node_name);
                let result = target.info.operations.get(&target.name).and_then(|spans| spans.result);
                let origin = result.map(|span| Origin { span, source: Source::Operation });
                Typed { expr: Expr::Slot(slot), ty: target.operation.result.clone(), origin }
            }
            Called::Flow(name, info, span, args) => self.run(chain, step, *span, (name, info), args, node_name),
            Called::Wait(wait) => self.wait(chain, step, wait, node_name),
            Called::Collect => self.collect(chain, step, node_name),
            Called::Approve(span, args) => self.approve(chain, step, *span, args, node_name),
        };
        match &step.otherwise {
            _ if matches!(typed.ty, Type::Stream(_)) => typed,
            None => typed,
            Some(otherwise) => {
                let want = Want::default();
                let (slot, ty) = self.settle(
                    chain,
                    step.span,
                    &format!("{node_name}.else"),
                    typed,
                    step.call.span,
                    Some(otherwise),
                    want,
                );
                Typed::new(Expr::Slot(slot), ty)
            }
        }
    }

    /// The node of the call itself.
    pub(super) fn call(
        &mut self,
        chain: &mut Chain,
        step: &ast::Step,
        target: &Target<'a>,
        args: &[Arg],
        name: &str,
    ) -> Slot {
        let operation = &*target.operation;
        let spans = target.info.operations.get(&target.name);
        let mut params: IndexMap<String, Parameter> = operation
            .params
            .iter()
            .map(|(param, field)| {
                let span = spans.and_then(|spans| spans.params.get(param)).copied();
                (param.clone(), Parameter::of(field, span))
            })
            .collect();
        let takes_key = !params.contains_key(KEY);
        let key_is_given = takes_key && args.iter().any(|arg| arg.name.as_ref().is_some_and(|name| name.text == KEY));
        if key_is_given {
            let key = Parameter::new(Type::String, false);
            params.insert(KEY.to_owned(), key);
        }
        let callee = Callee {
            name: format!("`{}.{}`", target.connection, target.name),
            span: target.span,
            declared: spans.map(|spans| spans.name),
        };
        let mut values = Vec::new();
        let mut places = Vec::new();
        let mut key = None;
        if let Some(given) = self.el.bind_arguments(&callee, step.call.span, args, &params) {
            let is_http = matches!(operation.call, Call::Http(_));
            for (index, ((param, what), arg)) in params.iter().zip(given).enumerate() {
                let Some((_, field)) = operation.params.get_index(index) else {
                    key = arg.and_then(|arg| self.key(target, arg));
                    continue;
                };
                let value = match arg {
                    Some(arg) if is_http && is_null(&arg.value) => {
                        self.el.argument(param, what, arg);
                        Expr::written_null()
                    }
                    Some(arg) => self.el.argument(param, what, arg),
                    None => argument_left_out(field),
                };
                if let Some(arg) = arg.filter(|_| holds_secret(&self.el.names.types, &field.ty)) {
                    let (names, definitions) = (self.el.names, self.el.definitions);
                    let sent = Sent {
                        secrets: secrets(names, definitions, &value),
                        to: target.connection.clone(),
                        at: arg.span,
                    };
                    self.el.problems.extend(sent_elsewhere(names, &sent));
                    self.sent.push(sent);
                }
                places.push(arg.map(|arg| arg.span));
                values.push(if is_http { wire(&self.el.names.types, param, field, value) } else { value });
            }
        }
        if let (Some(key), Some(arg)) =
            (&key, args.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == KEY)))
        {
            self.tells_apart(key, &values, arg.span);
        }
        self.deprecated(target);
        let (policy, retries) = policy::in_force(self, step, &target.connection, operation);
        if let (Some(retries), false) = (retries, operation.call == Call::Body) {
            policy::check(self, &policy, retries, step, &target.connection, target.info, &target.name);
            self.in_time(&policy, retries, target.span, format!("{}.{}", target.connection, target.name));
        }
        let mut kinds = of_operation(&target.info.schema, operation);
        // A call that is not safe to repeat and fails halfway is undecided; one that is safe is made again. In `first` it
        // is undecided too when it is given up and may have taken effect, since another candidate must not do the same.
        if operation.call == Call::Body {
            // It ends as its steps do.
            kinds.clear();
        } else if operation.is_repeatable() && operation.lookup().is_none() {
            kinds.retain(|kind| *kind != ErrorKind::Interrupted);
            kinds.extend((self.firsts > 0 && operation.effect != Effect::Read).then_some(ErrorKind::Interrupted));
        }
        let gives_stream = matches!(operation.result, Type::Stream(_));
        if gives_stream {
            self.only_gives(step);
        } else {
            kinds.iter().for_each(|kind| self.raise(kind.clone(), target.span));
        }
        self.used.entry(target.connection.clone()).or_default().insert(target.name.clone());
        let slot = self.el.scope.fresh();
        if gives_stream {
            self.streams.insert(slot, kinds);
        }
        let body = (operation.call == Call::Body).then(|| values.clone());
        let call = plan::Step {
            slot: Some(slot),
            connection: target.connection.clone(),
            operation: target.name.clone(),
            result: (!operation.types.is_empty()).then(|| operation.result.clone()),
            args: values,
            key,
            policy,
        };
        let node = self.builder.add(chain, name, NodeKind::Step(Box::new(call)), step.span);
        self.builder.argue(node, places);
        self.undo(node, step, slot, &operation.result, name);
        if let Some(values) = body {
            self.body(node, step, target, &values);
        }
        slot
    }

    /// The author's idempotency key, as text.
    fn key(&mut self, target: &Target<'_>, arg: &Arg) -> Option<Expr> {
        if target.operation.key.is_none() || target.operation.lookup().is_some() {
            let spans = target.info.operations.get(&target.name);
            let (why, help) = if target.operation.call == Call::Body {
                (
                    "has a body, whose steps have keys of their own",
                    "leave it out; its connector may declare a parameter, and give that as the `key` of a step in the body",
                )
            } else if target.operation.is_repeatable() {
                ("is safe to repeat by itself", "leave it out: calling it again changes nothing more")
            } else if target.operation.lookup().is_some() {
                ("looks for what an earlier call did", "leave it out: it is found again without a key")
            } else {
                (
                    "sends no key, so nobody would see it",
                    "leave it out; only operations whose connector declares `key:` can be made safe to repeat",
                )
            };
            let mut problem = Diagnostic::new(
                Code::E0605,
                format!("`{}.{}` takes no `key`", target.connection, target.name),
                arg.span,
                why,
            );
            if let Some(effect) = spans.and_then(|spans| spans.effect) {
                problem = problem.label(effect, "declared without `key:`");
            }
            self.el.problems.push(problem.help(help));
            self.el.check(&arg.value, Want::default());
            return None;
        }
        let typed = self.el.check(&arg.value, Want::default());
        let typed = self.el.non_null(typed, &arg.value, "a key is needed in each run");
        match &typed.ty {
            Type::Int | Type::Unknown | Type::Never => {
                Some(Expr::Text { parts: vec![TextPart::Insert(typed.expr)], language: None })
            }
            _ => Some(self.el.fit(typed, Want::of(&Type::String), arg.value.span).expr),
        }
    }

    fn deprecated(&mut self, target: &Target<'_>) {
        let Some(reason) = &target.operation.deprecated else { return };
        let mut problem = Diagnostic::new(
            Code::W0601,
            format!("`{}.{}` should no longer be used", target.connection, target.name),
            target.span,
            "deprecated",
        );
        let spans = target.info.operations.get(&target.name);
        if let Some(span) = spans.and_then(|spans| spans.deprecated) {
            problem = problem.label(span, "says why");
        }
        self.el.problems.push(problem.help(reason.clone()));
    }

    /// Binds the name of a step without `catch` or `optional` to its result.
    fn bind_result(&mut self, _chain: &mut Chain, step: &ast::Step, typed: Typed, _name: &str) {
        let (Some(name), Expr::Slot(slot)) = (&step.name, &typed.expr) else { return };
        self.el.bind_at(name, *slot, typed.ty, Kind::Step);
    }

    /// The operation that the callee of a step names.
    pub(super) fn target(&mut self, callee: &ast::Expr, step: &ast::Step) -> Option<Target<'a>> {
        let names = self.el.names;
        let Some(path) = chain(callee) else {
            if matches!(callee.kind, ExprKind::Missing) {
                self.el.has_gaps = true;
            } else {
                self.not_a_call(step);
            }
            return None;
        };
        let root = path.parts.first()?;
        if self.within.is_some() {
            return self.own_operation(&path, callee.span);
        }
        if names.broken.contains(&root.text) {
            return None;
        }
        let is_seen = names.sees(root.span.file, &root.text);
        let Some(connection) = names.connections.get(&root.text).filter(|_| is_seen && !self.el.scope.has(&root.text))
        else {
            self.no_connection(root, &path);
            return None;
        };
        // An unknown connector was reported where the connection is declared.
        let info = names.connectors.get(&connection.connector)?;
        let rest: Vec<&str> = path.parts.iter().skip(1).map(|part| part.text.as_str()).collect();
        let name = rest.join(".");
        watch::see(root.span, || Meaning::Item(root.text.clone()));
        match info.schema.operations.get(&name) {
            Some(operation) => {
                let first = path.parts.get(1).map_or(root.span, |part| part.span);
                let connector = || connection.connector.clone();
                watch::see(Span { end: callee.span.end, ..first }, || Meaning::Operation {
                    connector: connector(),
                    name: name.clone(),
                });
                let connection = root.text.clone();
                Some(Target { connection, name, info, operation: Cow::Borrowed(operation), span: callee.span })
            }
            None => {
                // What the connector declares and could not be understood was reported there.
                if !info.ast.operations.iter().any(|operation| operation.name.text() == name) {
                    self.no_operation(root, &path, &name, info);
                }
                None
            }
        }
    }

    fn no_operation(&mut self, root: &Ident, path: &ast::Path, name: &str, info: &ConnectorInfo<'_>) {
        watch::offer(name, || {
            let operations = info.schema.operations.iter();
            operations.map(|(name, operation)| (name.as_str(), watch::signature(operation))).collect()
        });
        let operations: Vec<String> = info.schema.operations.keys().cloned().collect();
        let first = path.parts.get(1).map_or(root.span, |part| part.span);
        let span = path.parts.last().map_or(first, |last| first.to(last.span));
        if name.is_empty() {
            self.el.problems.push(
                Diagnostic::new(
                    Code::E0404,
                    format!("`{}` is a connection: say which operation of it to call", root.text),
                    root.span,
                    "no operation",
                )
                .help(format!("its operations are {}", listed(&operations))),
            );
            return;
        }
        let problem = Diagnostic::new(
            Code::E0404,
            format!("`{}` has no operation `{name}`", info.schema.name),
            span,
            "no such operation",
        )
        .label(info.span, "declared here");
        let connection = self.el.names.connections.get(&root.text);
        let problem = match connection.filter(|connection| connection.connector != root.text) {
            Some(connection) => problem.label(connection.span, format!("`{}` is a connection of it", root.text)),
            None => problem,
        };
        let near = similar(name, operations.iter().map(String::as_str)).map(str::to_owned).or_else(|| {
            // `upsert` for `contacts.upsert`; `customers.list` is not meant by `invoices.list`
            let last = name;
            let mut same = operations.iter().filter(|one| one.rsplit('.').next() == Some(last));
            same.next().filter(|_| same.next().is_none()).cloned()
        });
        self.el.problems.push(match near {
            Some(near) => problem
                .help(format!("did you mean `{}.{near}`?", root.text))
                .fix(format!("write `{near}`"), vec![Edit { span, text: near }]),
            None => {
                let of = name.split_once('.').map(|(of, _)| of);
                let own: Vec<String> =
                    operations.iter().filter(|one| one.split_once('.').map(|(own, _)| own) == of).cloned().collect();
                let is_call =
                    matches!(name, "request" | "call" | "send" | "fetch") && operations.iter().any(|one| one == "get");
                problem.help(match own.is_empty() {
                    _ if is_call => {
                        "an operation is called like the method of the request: `get`, `post`, `put`, `patch`, `delete`"
                            .to_owned()
                    }
                    false if of.is_some() => format!("its operations there are {}", listed(&own)),
                    _ => format!("its operations are {}", listed(&operations)),
                })
            }
        });
    }

    fn no_connection(&mut self, root: &Ident, path: &ast::Path) {
        let names = self.el.names;
        watch::offer(&root.text, || {
            let known = names.connections.iter().filter(|(name, _)| names.sees(root.span.file, name));
            known.map(|(name, info)| (name.as_str(), info.connector.clone())).collect()
        });
        if self.el.scope.has(&root.text) {
            // It is read, if wrongly.
            self.el.scope.find(&root.text);
            let help = if names.connections.contains_key(&root.text) {
                "a binding of the same name hides the connection: give it another name"
            } else {
                "a step calls an operation of a connection; to compute, use `let`"
            };
            self.el.problems.push(
                Diagnostic::new(Code::E0404, format!("`{}` is not a connection", root.text), root.span, "a value")
                    .help(help),
            );
            return;
        }
        let seen = |name: &&String| names.sees(root.span.file, name);
        if path.parts.len() == 1 && names.functions.contains_key(&root.text) {
            self.el.problems.push(
                Diagnostic::new(
                    Code::E0404,
                    format!("`{}` is a function, and a step calls an operation", root.text),
                    root.span,
                    "a function",
                )
                .help("functions only compute: write `let` in place of `step`"),
            );
            return;
        }
        if path.parts.len() == 1 {
            let known = names.flows.keys().filter(seen).map(String::as_str);
            let problem = unknown(Code::E0201, "flow", root, known);
            self.el.problems.push(match problem.help {
                Some(_) => problem,
                None => problem.help(foreign::function(&root.text).unwrap_or(
                    "a step calls an operation of a connection, `connection.operation(…)`, or another flow of the program",
                )),
            });
            return;
        }
        let known = names.connections.keys().filter(seen).map(String::as_str);
        let problem = unknown(Code::E0201, "connection", root, known);
        self.el.problems.push(match problem.help {
            Some(_) => problem,
            None => problem.help(format!(
                "if `{}` is a connector, add `use {}`; else declare it: `connection {} = connector {{ … }}`",
                root.text, root.text, root.text
            )),
        });
    }

    /// The call of an operation of which a step's value is made: `files.read(…)` in `files.read(…).upper()`.
    fn called_within(&self, written: &ast::Expr) -> Option<(Span, String)> {
        let inner = match &written.kind {
            ExprKind::Call { callee, .. } => callee,
            ExprKind::Member { of, .. } | ExprKind::Index { of, .. } => of,
            ExprKind::Convert(of, _) => of,
            _ => return None,
        };
        match self.connection_call(inner) {
            Some((called, _)) => Some((inner.span, called)),
            None => self.called_within(inner),
        }
    }

    fn not_a_call(&mut self, step: &ast::Step) {
        if let Some((call, called)) = self.called_within(&step.call) {
            let name = step.name.as_ref().map_or("result", |name| name.text.as_str());
            let more = Span { start: call.end, ..step.call.span };
            self.el.problems.push(
                Diagnostic::new(Code::E0404, "a step ends with the call of its operation", more, "not part of the step")
                    .help(format!(
                        "write `step {name} = {called}(…)`, and in the next statement go on from `{name}`, as in `let other = {name}.…`"
                    )),
            );
            return;
        }
        self.el.problems.push(
            Diagnostic::new(Code::E0404, "a step calls an operation of a connection", step.call.span, "not a call")
                .help("write `step name = connection.operation(…)`; to compute a value, write `let name = …`"),
        );
    }

    /// Goes on after a step that was reported: its parts are checked, and its name is known.
    fn not_understood(&mut self, chain: &mut Chain, step: &ast::Step) {
        if let ExprKind::Call { args, .. } = &step.call.kind {
            args.iter().for_each(|arg| self.el.alone(&arg.value));
        }
        self.raise_unknown();
        self.el.names.policy(&step.with, &mut self.el.problems);
        let typed = Typed::unknown();
        if let Some(otherwise) = &step.otherwise {
            self.settle(chain, step.span, "step", typed, step.call.span, Some(otherwise), Want::default());
        }
        if let Some(catch) = &step.catch {
            let node = self.builder.reserve(chain, "step", step.span);
            let open = Raised { is_open: true, ..Raised::default() };
            self.catch_regions(node, catch, open, step.call.span, Goal::Yield(Want::default()));
        }
        if let Some(name) = &step.name {
            self.el.bind_new(name, Type::Unknown, Kind::Step);
        }
    }
}

/// Says whether `null` is written.
fn is_null(written: &ast::Expr) -> bool {
    matches!(written.kind, ExprKind::Literal(Value::Null))
}

/// The JSON form of an argument, where its names or format differ.
pub(crate) fn wire(types: &Types, param: &str, field: &Field, value: Expr) -> Expr {
    if matches!(value, Expr::Literal(Value::Null)) || value.is_written_null() {
        return value;
    }
    if field.format.is_some() {
        // The format is that of the parameter, not of its type: a record with that one field has it.
        let alone = Field { json_name: None, default: None, ..field.clone() };
        let record = Expr::Record(vec![RecordPart::Field(param.to_owned(), value)]);
        let ty = Type::Record(IndexMap::from([(param.to_owned(), alone)]));
        let wired = Expr::Wire(Box::new(record), ty);
        return Expr::Member { of: Box::new(wired), name: param.to_owned(), null_safe: false };
    }
    if has_wire_form(types, &field.ty) { Expr::Wire(Box::new(value), field.ty.clone()) } else { value }
}
