//! Expressions of a declaration, with what they see.
//!
//! In: an expression as written, the parameters of its operation or scheme, and what its place provides. Out: the
//! expression for the executor. Parameters stand in slots from 0, in declared order, in the form that they have in JSON,
//! because that is what calls pass.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Expr},
    schema::Operation,
    span::Span,
    ty::{Field, Format, Language, Type, TypeDef, Types},
};
use indexmap::IndexMap;

use super::{Context, connection::unknown_setting};
use crate::{
    ast::{self, ExprKind, Ident},
    names::{ConnectorInfo, OperationSpans, walk},
    types::{Callee, Elaborator, Parameter, Typed, argument_left_out, holds_secret, secret},
};

/// A place of a declaration in which expressions stand.
pub(super) struct Template<'a> {
    elaborator: Elaborator<'a>,
    connector: Option<&'a ConnectorInfo<'a>>,
    /// Settings that were written and that the connector does not have.
    unknown: Vec<Ident>,
}

impl<'a> Template<'a> {
    /// A place that sees `config`, the parameters, and nothing of an answer.
    pub(super) fn new<'n>(context: &Context<'a, 'n>, params: &[ast::Field], fields: &IndexMap<String, Field>) -> Self
    where
        'n: 'a,
    {
        let mut elaborator = Elaborator::new(context.names, context.definitions).within(context.connector);
        let connector: Option<&'a ConnectorInfo<'a>> = context.names.connectors.get(context.connector);
        let config = connector.map(|info| info.schema.config.clone());
        elaborator.ambient(Ambient::Config, Type::Record(config.unwrap_or_default()));
        for (name, field) in fields {
            if let Some(written) = params.iter().find(|param| param.name.text == *name) {
                elaborator.bind(&written.name, wire_field(&context.names.types, field));
            }
        }
        elaborator.unbound = Some("declare it as a parameter, or as a setting and write `config.` before it");
        Self { elaborator, connector, unknown: Vec::new() }
    }

    /// A place that sees `config` and these values, which stand in slots from 0.
    pub(super) fn over<'n>(context: &Context<'a, 'n>, fields: &IndexMap<String, Field>, sees: &'static str) -> Self
    where
        'n: 'a,
    {
        let mut template = Self::new(context, &[], &IndexMap::new());
        for (name, field) in fields {
            let name = Ident { text: name.clone(), span: Span::default() };
            template.elaborator.bind(&name, wire_field(&context.names.types, field));
        }
        template.elaborator.unbound = Some(sees);
        template
    }

    /// The arguments of a call of an operation, for each of its parameters in declared order; none when the call can't be
    /// understood, which is reported.
    #[expect(clippy::too_many_arguments, reason = "a call with where its parts stand")]
    pub(super) fn call(
        &mut self,
        context: &Context<'_, '_>,
        name: &str,
        callee: Span,
        declared: Option<&OperationSpans>,
        call: Span,
        args: &[ast::Arg],
        operation: &Operation,
    ) -> Option<Vec<Expr>> {
        let types = &context.names.types;
        let params: IndexMap<String, Parameter> = operation
            .params
            .iter()
            .map(|(name, field)| {
                let span = declared.and_then(|spans| spans.params.get(name).copied());
                let wired = Field { ty: wire_field(types, field), ..field.clone() };
                (name.clone(), Parameter::of(&wired, span))
            })
            .collect();
        let called = Callee { name: name.to_owned(), span: callee, declared: declared.map(|spans| spans.name) };
        let bound = self.elaborator.bind_arguments(&called, call, args, &params)?;
        let mut values = Vec::new();
        for (((name, param), field), arg) in params.iter().zip(operation.params.values()).zip(bound) {
            values.push(match arg {
                Some(arg) => self.elaborator.argument(name, param, arg),
                None => argument_left_out(field),
            });
        }
        Some(values)
    }

    /// A place that sees an answer or a webhook: `body`, `headers`, and those of `more`.
    pub(super) fn answer<'n>(context: &Context<'a, 'n>, more: &[(Ambient, Type)]) -> Self
    where
        'n: 'a,
    {
        let mut template = Self::new(context, &[], &IndexMap::new());
        template.elaborator.unbound = Some("an answer or a webhook has `body` and `headers`: write `body.` before it");
        template.sees(Ambient::Body, Type::Json);
        template.sees(Ambient::Headers, Type::Map(Box::new(Type::String)));
        for (ambient, ty) in more {
            template.sees(*ambient, ty.clone());
        }
        template
    }

    /// Gives a meaning to what the place provides.
    pub(super) fn sees(&mut self, ambient: Ambient, ty: Type) {
        self.elaborator.ambient(ambient, ty);
    }

    /// Elaborates an expression.
    pub(super) fn expr(&mut self, written: &ast::Expr, expected: Option<&Type>) -> Typed {
        let mut settings = Settings(Vec::new());
        walk::expr(written, &mut settings);
        let config = self.connector.map(|info| &info.schema.config);
        let unknown =
            settings.0.into_iter().filter(|name| !config.is_some_and(|config| config.contains_key(&name.text)));
        self.unknown.extend(unknown.cloned());
        self.elaborator.expr(written, expected)
    }

    /// Hands over the problems that were found.
    pub(super) fn finish(self, problems: &mut Vec<Diagnostic>) {
        for problem in self.elaborator.finish() {
            let setting = self.unknown.iter().find(|name| problem.code == Code::E0303 && name.span == problem.span());
            problems.push(match (setting, self.connector) {
                (Some(setting), Some(connector)) => unknown_setting(setting, connector),
                _ => problem,
            });
        }
    }
}

/// The settings that an expression reads: `config.name`.
struct Settings<'e>(Vec<&'e Ident>);

impl<'e> walk::Visitor<'e> for Settings<'e> {
    fn expr(&mut self, expr: &'e ast::Expr) {
        if let ExprKind::Member { of, name, .. } = &expr.kind
            && matches!(&of.kind, ExprKind::Name(root) if root == "config")
        {
            self.0.push(name);
        }
    }
}

/// Elaborates one expression that sees `config` alone.
pub(super) fn plain(
    context: &Context<'_, '_>,
    written: &ast::Expr,
    expected: Option<&Type>,
    problems: &mut Vec<Diagnostic>,
) -> Typed {
    let mut template = Template::new(context, &[], &IndexMap::new());
    let typed = template.expr(written, expected);
    template.finish(problems);
    typed
}

/// Elaborates one expression over an answer; `more` is what it sees besides `body` and `headers`.
pub(super) fn over_answer(
    context: &Context<'_, '_>,
    written: &ast::Expr,
    expected: Option<&Type>,
    more: &[(Ambient, Type)],
    problems: &mut Vec<Diagnostic>,
) -> Expr {
    typed_over_answer(context, written, expected, more, problems).0
}

/// The same with the type of what it gives.
pub(super) fn typed_over_answer(
    context: &Context<'_, '_>,
    written: &ast::Expr,
    expected: Option<&Type>,
    more: &[(Ambient, Type)],
    problems: &mut Vec<Diagnostic>,
) -> (Expr, Type) {
    let mut template = Template::answer(context, more);
    let typed = template.expr(written, expected);
    template.finish(problems);
    let is_wanted = expected.is_some_and(|expected| holds_secret(&context.names.types, expected));
    if !is_wanted && holds_secret(&context.names.types, &typed.ty) {
        let problem = secret("a secret can't be read out of an answer or a webhook", written.span);
        problems.push(problem.help("what is read is kept in the run's history: leave the secret out"));
    }
    (typed.expr, typed.ty)
}

/// The type of a field's value in the form that it has in JSON.
pub(super) fn wire_field(types: &Types, field: &Field) -> Type {
    match field.format {
        Some(Format::UnixSeconds | Format::UnixMillis) if field.ty.is_nullable() => Type::Int.optional(),
        Some(Format::UnixSeconds | Format::UnixMillis) => Type::Int,
        None => wire(types, &field.ty, &mut Vec::new()),
    }
}

/// The type of a value in the form that it has in JSON: records have their JSON names. Text for a language is text then, except for
/// a path.
fn wire(types: &Types, ty: &Type, open: &mut Vec<String>) -> Type {
    match ty {
        Type::List(item) => Type::List(Box::new(wire(types, item, open))),
        Type::Map(item) => Type::Map(Box::new(wire(types, item, open))),
        Type::Optional(inner) => wire(types, inner, open).optional(),
        // What is escaped already isn't escaped again.
        Type::Text(Language::UrlPath) => ty.clone(),
        Type::Text(_) => Type::String,
        Type::Record(fields) => Type::Record(wire_fields(types, fields, open)),
        Type::Named(name) => match types.get(name) {
            Some(TypeDef::Record(_)) if open.contains(name) => Type::Json,
            Some(TypeDef::Record(fields)) => {
                open.push(name.clone());
                let wired = wire_fields(types, fields, open);
                open.pop();
                if wired == *fields { ty.clone() } else { Type::Record(wired) }
            }
            Some(TypeDef::Union { .. }) => Type::Json,
            Some(TypeDef::Enum(_) | TypeDef::Error(_)) | None => ty.clone(),
        },
        other => other.clone(),
    }
}

fn wire_fields(types: &Types, fields: &IndexMap<String, Field>, open: &mut Vec<String>) -> IndexMap<String, Field> {
    let wired = fields.iter().map(|(name, field)| {
        let ty = match field.format {
            Some(_) => wire_field(types, field),
            None => wire(types, &field.ty, open),
        };
        let json_name = field.json_name.clone().unwrap_or_else(|| name.clone());
        (json_name, Field { ty, json_name: None, format: None, ..field.clone() })
    });
    wired.collect()
}
