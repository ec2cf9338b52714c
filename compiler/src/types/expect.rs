//! What does a place want, why, and what is said when a value does not fit?
//!
//! In: an elaborated expression and the want of its place. Out: the expression with its conversion, or one problem that
//! names the cause: the parameter that is declared so, the field that may be null, the secret.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{BinaryOp, Expr},
    span::Span,
    ty::{Language, Type, TypeDef, Types},
    value::Value,
};

use super::{Elaborator, Typed, fit};
use crate::{ast, names::chain};

/// What a place wants of an expression.
#[derive(Clone, Copy, Default)]
pub(crate) struct Want<'t> {
    /// The type, if there is one.
    pub ty: Option<&'t Type>,
    /// Where that is said, if it is said elsewhere.
    pub because: Option<&'t Because>,
}

impl<'t> Want<'t> {
    /// Wants a type without a reason that could be shown.
    pub(crate) fn of(ty: &'t Type) -> Self {
        Self { ty: Some(ty), because: None }
    }

    /// The type without null, if one is wanted that says anything.
    pub(super) fn shape(self) -> Option<&'t Type> {
        self.ty.map(Type::non_null).filter(|ty| !matches!(ty, Type::Unknown | Type::Variable(_)))
    }
}

/// Where it is said what a place wants.
#[derive(Clone, Debug)]
pub(crate) struct Because {
    /// The place.
    pub span: Span,
    /// What is said there: "`text` is declared `Mrkdwn`".
    pub text: String,
}

/// What gave a value its type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The place.
    pub span: Span,
    /// What is there.
    pub source: Source,
}

/// What gives values their types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A field's declaration.
    Field,
    /// A parameter's declaration.
    Parameter,
    /// A binding.
    Binding,
    /// The result of an operation, as declared.
    Operation,
}

impl Origin {
    fn label(self, ty: &Type) -> String {
        match self.source {
            Source::Field => format!("the field is declared `{ty}`"),
            Source::Parameter => format!("the parameter is declared `{ty}`"),
            Source::Binding => format!("bound here, of type `{ty}`"),
            Source::Operation => format!("the operation's result is `{ty}`"),
        }
    }
}

impl Elaborator<'_> {
    /// Fits a value to what its place wants, or reports why it does not fit.
    pub(crate) fn fit(&mut self, typed: Typed, want: Want<'_>, span: Span) -> Typed {
        let Some(wanted) = want.ty else { return typed };
        match fit::fit(&self.names.types, &typed.ty, wanted) {
            Some(fit) => {
                let expr = self.put(fit, typed.expr, &typed.ty, wanted);
                // What is narrower than wanted stays known as that: a text of two, a record with more fields.
                let ty = if fit == fit::Fit::Same { typed.ty } else { converted(wanted, &typed.ty) };
                Typed { expr, ty, origin: typed.origin }
            }
            None if typed.ty.is_nullable()
                && self.scope.is_unsure()
                && fit::fit(&self.names.types, typed.ty.non_null(), wanted).is_some() =>
            {
                Typed::unknown()
            }
            None => {
                let problem = self.mismatch(&typed, wanted, span);
                self.problems.push(match want.because {
                    Some(because) => problem.label(because.span, because.text.clone()),
                    None => problem,
                });
                Typed::unknown()
            }
        }
    }

    /// Wants a value that is not null; reports one that may be. `what` says what is done with it: "can't be added".
    pub(crate) fn non_null(&mut self, typed: Typed, written: &ast::Expr, what: &str) -> Typed {
        self.non_null_or(typed, written, what, NULL_HELP)
    }

    /// The same, with what is to be done.
    pub(crate) fn non_null_or(&mut self, typed: Typed, written: &ast::Expr, what: &str, help: &str) -> Typed {
        if !matches!(typed.ty, Type::Optional(_) | Type::Null) {
            return typed;
        }
        if self.scope.is_unsure() {
            return Typed { ty: Type::Unknown, ..typed };
        }
        let span = written.span;
        if typed.ty == Type::Null {
            let problem = Diagnostic::new(Code::E0302, format!("this is always null, and {what}"), span, "null");
            self.problems.push(
                match typed.origin.filter(|origin| origin.span != span) {
                    Some(origin) => problem.label(origin.span, "has no value: what it stands for has no result"),
                    None => problem,
                }
                .help("leave it out"),
            );
            return Typed { ty: Type::Unknown, ..typed };
        }
        let name = chain(written).map_or_else(|| "this".to_owned(), |path| format!("`{}`", path.text()));
        let label = format!("may be null: `{}`", typed.ty);
        let mut problem = Diagnostic::new(Code::E0302, format!("{name} may be null, and {what}"), span, label);
        if let Some(origin) = typed.origin.filter(|origin| origin.span != span) {
            problem = problem.label(origin.span, origin.label(&typed.ty));
        }
        self.problems.push(problem.help(help));
        Typed { ty: Type::Unknown, ..typed }
    }

    /// The null that stands for a value which is not written: `why` says what lacks it.
    pub(crate) fn absent(&mut self, want: Want<'_>, span: Span, why: &str, help: &str) -> Typed {
        let null = Typed::new(Expr::Literal(Value::Null), Type::Null);
        match want.ty {
            Some(wanted) if fit::fit(&self.names.types, &Type::Null, wanted).is_none() => {
                let label = format!("`{wanted}` is expected");
                let mut problem = Diagnostic::new(Code::E0302, why, span, label);
                if let Some(because) = want.because {
                    problem = problem.label(because.span, because.text.clone());
                }
                self.problems.push(problem.help(help));
                // What was bound before may be meant for the value that is missing.
                self.has_gaps = true;
                Typed::unknown()
            }
            _ => null,
        }
    }

    fn mismatch(&self, typed: &Typed, wanted: &Type, span: Span) -> Diagnostic {
        let types = &self.names.types;
        let found = &typed.ty;
        if matches!(found, Type::Null) {
            let help = match self.fixtures {
                Some(_) => "give a value; in a stub `using schema` makes one".to_owned(),
                None => format!("give a value, or declare the place `{}`", wanted.clone().optional()),
            };
            return Diagnostic::new(Code::E0302, format!("`{wanted}` can't be null"), span, "null").help(help);
        }
        if found.is_nullable() && !wanted.is_nullable() && fit::fit(types, found.non_null(), wanted).is_some() {
            let mut problem = Diagnostic::new(
                Code::E0302,
                format!("`{wanted}` is expected, and this may be null"),
                span,
                format!("may be null: `{found}`"),
            );
            if let Some(origin) = typed.origin.filter(|origin| origin.span != span) {
                problem = problem.label(origin.span, origin.label(found));
            }
            return problem.help(NULL_HELP);
        }
        match (fit::holds_secret(types, found), fit::holds_secret(types, wanted)) {
            (true, false) => return secret(&format!("a secret can't go where `{wanted}` is expected"), span),
            (false, true) if matches!(wanted.non_null(), Type::Secret(_)) => {
                return Diagnostic::new(Code::E0604, "a secret is expected here", span, format!("of type `{found}`"))
                    .help("write `secret(\"name\")`: the value is read from the environment or a secret store");
            }
            _ => {}
        }
        let mut problem =
            Diagnostic::new(Code::E0301, format!("`{wanted}` is expected"), span, format!("of type `{found}`"));
        let is_declared = |origin: &Origin| matches!(origin.source, Source::Field | Source::Operation);
        if let Some(origin) = typed.origin.filter(|origin| origin.span != span && is_declared(origin)) {
            problem = problem.label(origin.span, origin.label(found));
        }
        problem.help(self.advice(typed, wanted).unwrap_or_else(|| format!("write a value of type `{wanted}` here")))
    }

    /// What to do about a value of one type where another is wanted.
    fn advice(&self, typed: &Typed, wanted: &Type) -> Option<String> {
        let types = &self.names.types;
        let found = typed.ty.non_null();
        // The value may be in the only field of that type.
        if let Some(fields) = types.fields(found).filter(|_| !matches!(wanted.non_null(), Type::Json | Type::Record(_)))
        {
            let mut fitting = fields.iter().filter(|(_, field)| field.ty == *wanted.non_null());
            if let (Some((name, _)), None) = (fitting.next(), fitting.next()) {
                return Some(format!("give its field: `….{name}`"));
            }
        }
        match (found, wanted.non_null()) {
            (Type::Json, to) => Some(format!("convert it: `… as {to}`, which is null where it does not fit")),
            (from, to @ Type::Text(Language::UrlPath)) if fit::is_text(types, from) => Some(format!(
                "write the path in its place, with what varies in `{{…}}`: `\"/orders/{{id}}\"`; where it is made before, say what it is: `let path: {to} = \"…\"`"
            )),
            (from, to @ Type::Text(_)) if fit::is_text(types, from) => Some(format!(
                "write the query in its place, with what varies in `{{…}}`; where it is made before, say what it is: `let query: {to} = \"…\"`"
            )),
            (Type::String, to @ (Type::Email | Type::Url | Type::Uuid | Type::Timestamp | Type::Date))
                if matches!(typed.expr, Expr::Literal(_)) =>
            {
                Some(format!("say so where the constant is declared: `const name: {to} = …`"))
            }
            (Type::File, Type::String) => Some(
                "a file is no text: take an operation that takes a file, or read its text, `step text = files.text(content: …)`"
                    .to_owned(),
            ),
            (
                Type::String,
                to @ (Type::Email | Type::Url | Type::Uuid | Type::Timestamp | Type::Date | Type::Zoned),
            ) => Some(format!("check it: `… as {to}`, which is null where it does not fit")),
            (Type::String, Type::Int | Type::Decimal) if is_number(&typed.expr) => {
                Some("write it without quotes".to_owned())
            }
            (Type::String, Type::Int) => {
                Some("convert it: `….to_int()`, which is null where it is no number".to_owned())
            }
            (Type::String, Type::Decimal) => {
                Some("convert it: `….to_decimal()`, which is null where it is no number".to_owned())
            }
            (Type::String, Type::Duration) => Some("write it without quotes: `30s`, `5m`, `2h`".to_owned()),
            (Type::String, Type::Size) => Some("write it without quotes: `64kB`, `8MiB`".to_owned()),
            (Type::String, Type::Money(_)) => Some("write the amount and its currency: `5.00 EUR`".to_owned()),
            (Type::String, Type::OneOf(_)) => {
                Some(format!("check it: `… as {}`, which is null where it does not fit", wanted.non_null()))
            }
            (from, Type::String) if fit::fit(types, from, &Type::Json).is_some() => match &typed.expr {
                Expr::Literal(value @ (Value::Int(_) | Value::Decimal(_) | Value::Bool(_))) => {
                    Some(format!("write it as text: \"{value}\""))
                }
                _ if matches!(from, Type::Record(_) | Type::List(_) | Type::Map(_))
                    || matches!(from, Type::Named(name) if matches!(types.get(name), Some(TypeDef::Record(_)))) =>
                {
                    Some("take the part that is meant; `Json.text(value: …)` writes all of it".to_owned())
                }
                _ => Some("insert it into a text: \"{…}\"".to_owned()),
            },
            (Type::Int | Type::Decimal, Type::Money(_)) => Some(match &typed.expr {
                Expr::Literal(value) => format!("write the currency: `{value} EUR`"),
                Expr::Binary(BinaryOp::Divide, _, by) if **by == Expr::Literal(Value::Int(100)) => {
                    "an amount in cents is `Money.minor(amount, \"eur\")`, which knows how many make one; nothing is divided"
                        .to_owned()
                }
                _ => "say the currency: `Money.of(x, \"EUR\")`, or `Money.minor(x, \"eur\")` where it is in cents"
                    .to_owned(),
            }),
            (Type::Int, Type::Duration) => Some("write the unit: `30s`, `5m`, `2h`".to_owned()),
            (Type::Int, Type::Size) => Some("write the unit: `64kB`, `8MiB`".to_owned()),
            (Type::Decimal, Type::Int) => {
                Some("round it: `.round(0).to_int()`, which is null where it is too large".to_owned())
            }
            (Type::Money(_), Type::Int) => {
                Some("take `.to_minor()`: the amount in the currency's minor unit, such as cents".to_owned())
            }
            (Type::Money(_), Type::Decimal) => Some("take its `.amount`".to_owned()),
            (from, Type::Bool) if fit::is_text(types, from) => Some("ask whether it is empty: `… != \"\"`".to_owned()),
            (Type::Int | Type::Decimal, Type::Bool) => Some("compare it: `… > 0`".to_owned()),
            (from, Type::Function(params, _)) if !matches!(from, Type::Function(..)) => Some(match params.len() {
                1 => "write a function: `x -> …`".to_owned(),
                _ => "write a function: `(a, b) -> …`".to_owned(),
            }),
            (Type::Stream(_), Type::List(_)) => Some("go through it with `for`".to_owned()),
            (from, Type::List(item)) if fit::fit(types, from, item).is_some() => {
                Some("put it into a list: `[…]`".to_owned())
            }
            (from, to) => self.missing_field(from, to).or_else(|| {
                let fields = types.fields(to)?;
                let names: Vec<String> = fields.keys().take(5).map(|name| format!("{name}: …")).collect();
                Some(format!("write its fields: `{{ {} }}`", names.join(", ")))
            }),
        }
    }

    /// The first field in which a record falls short of another.
    fn missing_field(&self, from: &Type, to: &Type) -> Option<String> {
        let types = &self.names.types;
        let (given, wanted) = (types.fields(from)?, types.fields(to)?);
        wanted.iter().find_map(|(name, field)| match given.get(name) {
            None if field.ty.is_nullable() && field.default.is_none() => None,
            None => Some(format!("`{from}` has no field `{name}`: build a record `{{ {name}: … }}`")),
            Some(other) if fit::fit(types, &other.ty, &field.ty).is_some() => None,
            Some(other) => Some(format!("its field `{name}` is `{}` where `{}` is expected", other.ty, field.ty)),
        })
    }
}

/// Says whether a text is a number in quotes.
fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(Value::String(text)) if text.parse::<rust_decimal::Decimal>().is_ok())
}

/// What to do about a null.
pub(crate) const NULL_HELP: &str =
    "say what holds then: `… ?? other`, `let x = … else fail E()`, or ask `if x != null { … }` first";

/// Reports a secret that would be seen.
pub(crate) fn secret(message: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::E0602, message, span, "a secret").help(
        "a secret goes into parameters that are declared `Secret` and nowhere else: not into text, logs or results",
    )
}

/// The wanted type; when a value can't be null, the type without null.
fn converted(wanted: &Type, found: &Type) -> Type {
    if found.is_nullable() { wanted.clone() } else { wanted.non_null().clone() }
}

/// The variants of an enum, if the type is one.
pub(super) fn variants<'t>(types: &'t Types, ty: &'t Type) -> Option<(&'t str, &'t [String])> {
    match ty {
        Type::Named(name) => match types.get(name)? {
            TypeDef::Enum(variants) => Some((name, variants)),
            _ => None,
        },
        _ => None,
    }
}
