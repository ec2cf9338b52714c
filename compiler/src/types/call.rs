//! What does a call within an expression mean?
//!
//! In: a callee and arguments. Out: a call of a function of the program or of a standard one, a secret's name, a
//! variable of the environment. A call of a connector is an effect, which only a step may have.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit, Fix},
    expr::{Ambient, Expr},
    span::Span,
    ty::{Field, Type},
    value::Value,
};
use indexmap::IndexMap;

use super::{
    Elaborator, Home, Parameter, Typed, Want,
    argument::{Callee, left_out},
    literal::fixed,
    record::listed,
};
use crate::{
    ast::{self, Arg, ExprKind, Ident, TypeExpr},
    names::{chain, foreign, similar},
    query::watch::{self, Meaning},
};

impl Elaborator<'_> {
    /// `f(x, name: y)`
    pub(super) fn call(
        &mut self,
        expr: &ast::Expr,
        callee: &ast::Expr,
        types: &[TypeExpr],
        args: &[Arg],
        want: Want<'_>,
    ) -> Typed {
        if let Some(first) = types.first() {
            let label = "types are not given here";
            self.misplaced(first.span, "this call takes no types in `<…>`", label, "leave `<…>` out");
        }
        match &callee.kind {
            ExprKind::Name(name) => self.call_name(expr, name, callee.span, args, want),
            ExprKind::Member { of, name, null_safe } => self.call_member(expr, of, name, *null_safe, args, want),
            ExprKind::ImpliedMember(_) | ExprKind::Missing => {
                self.infer(callee, Want::default());
                self.arguments_alone(args);
                Typed::unknown()
            }
            _ => {
                self.arguments_alone(args);
                self.not_callable(callee.span, "this is not a function")
            }
        }
    }

    fn not_callable(&mut self, span: Span, message: &str) -> Typed {
        self.problems.push(
            Diagnostic::new(Code::E0312, message, span, "can't be called")
                .help("functions are declared with `fn`; operations of a connection are called in steps"),
        );
        Typed::unknown()
    }

    /// Elaborates arguments whose callee is not understood, for their own problems.
    fn arguments_alone(&mut self, args: &[Arg]) {
        args.iter().for_each(|arg| self.alone(&arg.value));
    }

    /// Elaborates an expression whose place is not understood, for its own problems. A lambda and the name of a function
    /// have none without one.
    pub(crate) fn alone(&mut self, written: &ast::Expr) {
        match &written.kind {
            ExprKind::Lambda { .. } => self.has_gaps = true,
            ExprKind::Name(name) if !self.scope.has(name) && self.names.functions.contains_key(name) => {}
            _ => {
                self.infer(written, Want::default());
            }
        }
    }

    fn call_name(&mut self, expr: &ast::Expr, name: &str, span: Span, args: &[Arg], want: Want<'_>) -> Typed {
        let names = self.names;
        if self.scope.has(name) {
            self.arguments_alone(args);
            let typed = self.infer_name_for_call(name, span);
            if typed.ty == Type::Unknown {
                return typed;
            }
            return self.not_callable(span, &format!("`{name}` is a value of type `{}`, not a function", typed.ty));
        }
        let seen = names.sees(span.file, name);
        if seen && names.functions.contains_key(name) {
            return self.call_function(expr, name, span, args);
        }
        match name {
            "secret" => return self.secret(expr.span, args),
            "env" => return self.env(expr.span, args, want),
            "now" | "uuid" | "random" if !seen => return self.observation(expr, name, span, args),
            "fixture" if self.fixtures.is_some() => return self.fixture(expr.span, args, want),
            "fixture" if !seen => {
                let help = "declare a value with `const`, or give it to the flow as a parameter";
                return self.misplaced(span, "`fixture` stands only in tests", "not in a test", help);
            }
            _ => {}
        }
        self.arguments_alone(args);
        if names.broken.contains(name) {
            return Typed::unknown();
        }
        if seen && (names.consts.contains_key(name) || names.connections.contains_key(name)) {
            let what = if names.consts.contains_key(name) { "a constant" } else { "a connection" };
            return self.not_callable(span, &format!("`{name}` is {what}, not a function"));
        }
        if name == "approve" || seen && names.flows.contains_key(name) {
            let start = Span { end: expr.span.start, ..expr.span };
            self.problems.push(
                Diagnostic::new(
                    Code::E0401,
                    format!("`{name}` is called outside a step"),
                    start.to(span),
                    "has an effect",
                )
                .help("make it a step of its own before: `step name = …`, then use `name` here"),
            );
            return Typed::unknown();
        }
        let candidates: Vec<&str> = names
            .functions
            .keys()
            .filter(|name| names.sees(span.file, name))
            .map(String::as_str)
            .chain(["secret", "env", "now", "uuid", "random"])
            .collect();
        let problem = Diagnostic::new(Code::E0201, format!("there is no function `{name}`"), span, "not known");
        self.problems.push(match (similar(name, candidates), foreign::function(name)) {
            (_, Some(help)) => problem.help(help),
            (Some(near), None) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span, text: near.to_owned() }]),
            (None, None) if name.starts_with(|first: char| first.is_ascii_uppercase()) => problem
                .help("a record is written without its name, `{ field: … }`; functions are written in `snake_case`"),
            (None, None) => problem.help(format!("declare it: `fn {name}(…) {{ … }}`")),
        });
        Typed::unknown()
    }

    /// `now()`, `uuid()`, `random()`: what they give is recorded in the run's journal.
    fn observation(&mut self, expr: &ast::Expr, name: &str, span: Span, args: &[Arg]) -> Typed {
        let (which, ty) = match name {
            "now" => (Ambient::Now, Type::Timestamp),
            "uuid" => (Ambient::Uuid, Type::Uuid),
            _ => (Ambient::Random, Type::Decimal),
        };
        let callee = Callee { name: format!("`{name}`"), span, declared: None };
        if self.bind_arguments(&callee, expr.span, args, &IndexMap::new()).is_none() {
            return Typed::unknown();
        }
        if !self.observes {
            let (label, help) = match self.home {
                Home::Function => (
                    "a `fn` gives the same for the same arguments",
                    format!("give it to the function as a parameter: `f({name}())`"),
                ),
                Home::Elsewhere if self.connector().is_some() => (
                    "no run records it here",
                    format!("make it a parameter of the operation; the flow gives `{name}()`"),
                ),
                Home::Elsewhere => {
                    ("no run records it here", format!("bind it in the flow before, `let x = {name}()`, and use `x`"))
                }
            };
            let message = format!("`{name}()` stands only in the body of a flow");
            return self.misplaced(expr.span, &message, label, &help);
        }
        Typed::new(Expr::Ambient(which), ty)
    }

    fn infer_name_for_call(&mut self, name: &str, span: Span) -> Typed {
        self.name(name, span, Want::default())
    }

    /// A function of the program.
    fn call_function(&mut self, expr: &ast::Expr, name: &str, span: Span, args: &[Arg]) -> Typed {
        watch::see(span, || Meaning::Item(name.to_owned()));
        let (params, result) = self.function_head(name, span);
        let names = self.names;
        let written = names.functions.get(name).map(|function| function.ast);
        let parameters: IndexMap<String, Parameter> = params
            .iter()
            .map(|(param, field)| {
                let declared = written.and_then(|written| written.params.iter().find(|one| one.name.text == *param));
                (param.clone(), Parameter::of(field, declared.map(|declared| declared.span)))
            })
            .collect();
        let declared = written.map(|written| written.name.span);
        let callee = Callee { name: format!("`{name}`"), span, declared };
        let Some(given) = self.bind_arguments(&callee, expr.span, args, &parameters) else {
            return Typed::new(Expr::Literal(Value::Null), result);
        };
        let mut values = Vec::new();
        for (((param, parameter), field), arg) in parameters.iter().zip(params.values()).zip(given) {
            values.push(match arg {
                Some(arg) => self.argument(param, parameter, arg),
                None => left_out(field),
            });
        }
        Typed::new(Expr::Call(name.to_owned(), values), result)
    }

    /// `secret("stripe/webhook")`
    fn secret(&mut self, span: Span, args: &[Arg]) -> Typed {
        let ty = Type::Secret(Box::new(Type::String));
        match self.name_argument("secret", "the secret's name", span, args) {
            Some((name, _)) if args.len() == 1 => Typed::new(Expr::Literal(Value::Secret(name.into())), ty),
            Some((name, _)) => {
                if let Some(arg) = args.get(1) {
                    let help = "a secret has no default: it is read from the environment or a secret store";
                    self.misplaced(arg.span, "`secret` takes the name and nothing else", "one too many", help);
                }
                Typed::new(Expr::Literal(Value::Secret(name.into())), ty)
            }
            None => Typed::unknown(),
        }
    }

    /// `env("NAME")`, `env("NAME", default)`
    fn env(&mut self, span: Span, args: &[Arg], want: Want<'_>) -> Typed {
        let Some((name, _)) = self.name_argument("env", "the variable's name", span, args) else {
            return Typed::unknown();
        };
        if let Some(arg) = args.get(2) {
            let help = "write `env(\"NAME\")` or `env(\"NAME\", default)`";
            self.misplaced(arg.span, "`env` takes a name and a default", "one too many", help);
        }
        // Configuration is read at a boundary: what is expected of the text is checked when it is read.
        let ty = match want.shape() {
            Some(ty @ (Type::Url | Type::Email | Type::Uuid)) => ty.clone(),
            _ => Type::String,
        };
        let Some(default) = args.get(1) else {
            return Typed::new(Expr::Env(name, None), ty);
        };
        let wanted = ty.clone().optional();
        let default = self.check(&default.value, Want { ty: Some(&wanted), because: None });
        let ty = if matches!(default.ty, Type::Null | Type::Optional(_)) { wanted } else { ty };
        Typed::new(Expr::Env(name, Some(Box::new(default.expr))), ty)
    }

    /// The first argument of `secret` and `env`: a name, known before the program runs.
    fn name_argument(&mut self, function: &str, what: &str, span: Span, args: &[Arg]) -> Option<(String, Span)> {
        let Some(first) = args.first() else {
            self.misplaced(
                span,
                &format!("`{function}` needs {what}"),
                "no name",
                &format!("write `{function}(\"…\")`"),
            );
            return None;
        };
        if let ExprKind::Text(parts) = &first.value.kind
            && let Some(text) = fixed(parts)
            && !text.trim().is_empty()
            && first.name.is_none()
        {
            return Some((text, first.span));
        }
        if !matches!(first.value.kind, ExprKind::Missing) {
            self.infer(&first.value, Want::default());
            let help =
                format!("write it as it is: `{function}(\"name\")`; what a program needs is listed before it runs");
            self.misplaced(first.span, &format!("`{function}` needs {what} as plain text"), "not plain text", &help);
        }
        None
    }

    fn call_member(
        &mut self,
        expr: &ast::Expr,
        of: &ast::Expr,
        name: &Ident,
        null_safe: bool,
        args: &[Arg],
        want: Want<'_>,
    ) -> Typed {
        if let Some(root) = root_name(of)
            && self.is_connection(&root.text, root.span)
        {
            let operation = chain(of).map_or_else(|| root.text.clone(), |path| path.text());
            return self.outside_step(expr, &format!("{operation}.{}", name.text), args);
        }
        if let ExprKind::Name(head) = &of.kind
            && !self.scope.has(head)
        {
            if let Some(typed) = self.call_static(expr, head, of.span, name, args, want) {
                return typed;
            }
            if self.names.sees(of.span.file, head) && self.names.connectors.contains_key(head) {
                self.arguments_alone(args);
                return self.misplaced(
                    expr.span,
                    &format!("`{head}` is a connector, and its parts are not values"),
                    "called here",
                    "schemes of verification stand after `verify:`; operations are called on a connection, in steps",
                );
            }
        }
        let value = self.infer(of, Want::default());
        match (matches!(value.ty, Type::Optional(_)), null_safe) {
            (true, true) => self.guarded(value, |this, value| this.call_method(expr, value, of, name, args, want)),
            (true, false) => {
                let help = format!(
                    "write `?.{}(…)`, which is null then; or say before what holds: `?? other`, `else fail E()`",
                    name.text
                );
                let before = self.problems.len();
                self.non_null_or(value, of, &format!("then it has no `{}`", name.text), &help);
                let dot = Span { start: of.span.end, end: of.span.end, ..of.span };
                if let Some(problem) = self.problems.get_mut(before) {
                    let edit = Edit { span: dot, text: "?".to_owned() };
                    problem.fixes.push(Fix { title: format!("write `?.{}(…)`", name.text), edits: vec![edit] });
                }
                self.arguments_alone(args);
                Typed::unknown()
            }
            (false, true) if !Self::can_be_null(&value.ty) => {
                let label = format!("of type `{}`", value.ty);
                self.problems.push(
                    Diagnostic::new(Code::W0301, "`?.` follows a value that is never null", of.span, label)
                        .help(format!("write `.{}(…)`", name.text)),
                );
                self.call_method(expr, value, of, name, args, want)
            }
            _ => self.call_method(expr, value, of, name, args, want),
        }
    }

    /// `Money.minor(1999, "eur")`
    fn call_static(
        &mut self,
        expr: &ast::Expr,
        head: &str,
        span: Span,
        name: &Ident,
        args: &[Arg],
        want: Want<'_>,
    ) -> Option<Typed> {
        let definitions = self.definitions;
        if let Some(signature) = definitions.standard(head, &name.text)
            && signature.form == flow_model::function::Form::Static
        {
            return Some(self.standard_call(signature, None, name, expr.span, args, want));
        }
        let statics = definitions.statics(head);
        if statics.is_empty() || self.names.sees(span.file, head) {
            return None;
        }
        self.arguments_alone(args);
        let problem = Diagnostic::new(
            Code::E0303,
            format!("`{head}` has no function `{}`", name.text),
            name.span,
            "no such function",
        );
        self.problems.push(match similar(&name.text, statics.iter().map(String::as_str)) {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
            None => problem.help(format!("it has {}", listed(&statics))),
        });
        Some(Typed::unknown())
    }

    fn call_method(
        &mut self,
        expr: &ast::Expr,
        value: Typed,
        of: &ast::Expr,
        name: &Ident,
        args: &[Arg],
        want: Want<'_>,
    ) -> Typed {
        if matches!(value.ty, Type::Unknown | Type::Never) {
            self.arguments_alone(args);
            return Typed::unknown();
        }
        let (names, definitions) = (self.names, self.definitions);
        match definitions.member(&names.types, &value.ty, &name.text) {
            Some(signature) if signature.form == flow_model::function::Form::Property => {
                self.arguments_alone(args);
                let call = Span { start: name.span.end, ..expr.span };
                let problem = Diagnostic::new(
                    Code::E0312,
                    format!("`{}` is a property, not a function", name.text),
                    call,
                    "can't be called",
                );
                if !args.is_empty() {
                    self.problems.push(problem.help(match foreign::with_arguments(&signature.name) {
                        Some(other) => other.to_owned(),
                        None => format!("`.{}` needs nothing: leave the arguments out", name.text),
                    }));
                    return Typed::unknown();
                }
                let write = format!("write `.{}`", name.text);
                self.problems
                    .push(problem.help(write.clone()).fix(write, vec![Edit { span: call, text: String::new() }]));
                self.property(signature, value, false)
            }
            Some(signature) => self.standard_call(signature, Some(value), name, expr.span, args, want),
            None => {
                self.arguments_alone(args);
                let is_field = names.types.fields(&value.ty).is_some_and(|fields| fields.contains_key(&name.text));
                if is_field {
                    return self.not_callable(name.span, &format!("`{}` is a field, not a function", name.text));
                }
                if value.ty == Type::Json {
                    let of = |inner: fn(Box<Type>) -> Type| inner(Box::new(Type::Json));
                    let likely =
                        [Type::String, of(Type::List), of(Type::Map), Type::Decimal, Type::Timestamp, Type::Date];
                    let has_it = |ty: &&Type| definitions.member(&names.types, ty, &name.text).is_some();
                    let meant = likely.iter().find(has_it).unwrap_or(&Type::String);
                    let signature = definitions.member(&names.types, meant, &name.text);
                    let is_property =
                        |it: &flow_model::function::Signature| it.form == flow_model::function::Form::Property;
                    let call = if signature.is_some_and(is_property) { "" } else { "(…)" };
                    self.problems.push(
                        Diagnostic::new(Code::E0303, "`Json` has no functions", name.span, "no such function")
                            .help(format!("convert it first: `(… as {meant})?.{}{call}`", name.text)),
                    );
                    return Typed::unknown();
                }
                // The same as for a member that is not called, with the functions as candidates.
                self.member_of(value, of.span, name, false);
                Typed::unknown()
            }
        }
    }

    /// Reports an operation that is called where no step is.
    fn outside_step(&mut self, expr: &ast::Expr, operation: &str, args: &[Arg]) -> Typed {
        self.arguments_alone(args);
        self.problems.push(
            Diagnostic::new(
                Code::E0401,
                format!("`{operation}` is called outside a step"),
                expr.span,
                "an effect, in the middle of an expression",
            )
            .help("make it a step of its own before: `step name = …`, then use `name` here"),
        );
        Typed::unknown()
    }
}

/// What a person answers to `approve`.
pub(crate) fn decision() -> Type {
    Type::Record(IndexMap::from([
        ("approved".to_owned(), Field::of(Type::Bool)),
        ("by".to_owned(), Field::of(Type::String.optional())),
        ("note".to_owned(), Field::of(Type::String.optional())),
    ]))
}

/// The name that a chain of members begins with.
pub(crate) fn root_name(expr: &ast::Expr) -> Option<Ident> {
    let mut at = expr;
    loop {
        match &at.kind {
            ExprKind::Name(name) => return Some(Ident { text: name.clone(), span: at.span }),
            ExprKind::Member { of, .. } => at = of,
            _ => return None,
        }
    }
}
