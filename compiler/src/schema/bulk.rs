//! How does an operation take many inputs in one request?
//!
//! In: `bulk: batch(inputs, most: 100, each: body.results, value: .data, error: .error?.message)`. Out: which parameter is
//! split, into how many, and where each input's outcome is: in the same order, or as `of:` and `key:` tell.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Expr},
    schema::{Bulk, Call, Operation, OutcomeOf},
    span::Span,
    ty::{Field, Type, TypeDef, Types},
};
use indexmap::IndexMap;

use super::{
    Context, errors, limit,
    section::form,
    template::{Template, over_answer, wire_field},
};
use crate::ast::{self, Arg, ExprKind};

const HELP: &str = "write `bulk: batch(inputs, most: 100, each: body.results, error: .error)`";

/// Reads the property.
pub(super) fn bulk(
    context: &Context<'_, '_>,
    operation: &Operation,
    written: &ast::Expr,
    problems: &mut Vec<Diagnostic>,
) -> Option<Bulk> {
    let Some(("batch", [Arg { name: None, value: inputs, .. }, rest @ ..])) = form(written) else {
        if !matches!(written.kind, ExprKind::Missing) {
            problems.push(wrong("inputs can't be sent together like this", written.span, "not a batch", HELP));
        }
        return None;
    };
    let named = |name: &str| rest.iter().find(|arg| arg.name.as_ref().is_some_and(|found| found.text == name));
    let known = ["most", "each", "value", "error", "of", "key", "unlisted"];
    if let Some(stranger) =
        rest.iter().find(|arg| !known.iter().any(|name| named(name).is_some_and(|it| std::ptr::eq(it, *arg))))
    {
        problems.push(wrong("`batch` takes other arguments", stranger.span, "not known", HELP));
        return None;
    }
    let (Some(most), Some(each)) = (named("most"), named("each")) else {
        problems.push(wrong("`batch` lacks an argument", written.span, "needs `most` and `each`", HELP));
        return None;
    };
    if operation.call == Call::Native {
        let help = "leave it out: the code of a native operation sends what it gets as it likes";
        problems.push(wrong("`bulk` goes with `request`", written.span, "carried out by code", help));
        return None;
    }
    let param = match &inputs.kind {
        ExprKind::Name(name) => operation.params.get_full(name.as_str()),
        _ => None,
    };
    let Some((index, _, field)) = param else {
        let help = "name the parameter that holds the inputs, a list";
        problems.push(wrong("`batch` splits a parameter", inputs.span, "not a parameter of the operation", help));
        return None;
    };
    if !matches!(field.ty.non_null(), Type::List(_) | Type::Unknown) {
        let label = format!("is a `{}`", field.ty);
        problems.push(wrong("`batch` splits a list", inputs.span, &label, "declare the parameter as `List<…>`"));
        return None;
    }
    if !has_outcomes(&context.names.types, &operation.result) {
        let help = "declare the result as a record with `ok: List<…>` and `failed: List<{ item: …, error: … }>`";
        let label = format!("the result is `{}`", operation.result);
        problems.push(wrong("there is no place for the outcomes", written.span, &label, help));
        return None;
    }
    let most = limit::count(&most.value, HELP, problems)?;
    let each = errors::answer(context, &each.value, problems);
    let mut of_item = |arg: Option<&Arg>| -> Option<Expr> {
        let item = [(Ambient::Item, Type::Json)];
        arg.map(|arg| over_answer(context, &arg.value, None, &item, problems))
    };
    let (value, error, outcome) = (of_item(named("value")), of_item(named("error")), of_item(named("of")));
    let input = named("key").map(|key| key_of_input(context, field, &key.value, problems));
    let unlisted_is_ok = named("unlisted").map(|arg| match &arg.value.kind {
        ExprKind::Name(name) if name == "ok" => {}
        _ => problems.push(wrong(
            "`unlisted` has one form",
            arg.value.span,
            "not known",
            "write `unlisted: ok`, where the answer lists what has failed alone",
        )),
    });
    if let (None, Some(arg)) = (named("of"), named("key").or(named("unlisted"))) {
        let help = "say with `of:` what of an outcome tells its input: `of: .id, key: .id`; without, outcomes are in the order of \
                    the inputs";
        problems.push(wrong(
            "`batch` lacks the argument `of`",
            arg.value.span,
            "an outcome does not say whose it is",
            help,
        ));
    }
    let of = outcome.map(|outcome| OutcomeOf { outcome, input, unlisted_is_ok: unlisted_is_ok.is_some() });
    let param = u32::try_from(index).ok()?;
    Some(Bulk { param, most, each, of, value, error })
}

/// What an input is known by.
fn key_of_input(
    context: &Context<'_, '_>,
    inputs: &Field,
    written: &ast::Expr,
    problems: &mut Vec<Diagnostic>,
) -> Expr {
    let item = match wire_field(&context.names.types, inputs).non_null() {
        Type::List(item) => (**item).clone(),
        _ => Type::Unknown,
    };
    let mut template = Template::over(context, &IndexMap::new(), "the key of an input is a part of it: write `.id`");
    template.sees(Ambient::Item, item);
    let key = template.expr(written, None);
    template.finish(problems);
    key.expr
}

fn wrong(message: &str, span: Span, label: &str, help: &str) -> Diagnostic {
    Diagnostic::new(Code::E0522, message, span, label).help(help)
}

/// Says whether a type is a record with the lists `ok` and `failed`.
fn has_outcomes(types: &Types, ty: &Type) -> bool {
    let fields = match ty {
        Type::Unknown => return true,
        Type::Record(fields) => fields,
        Type::Named(name) => match types.get(name) {
            Some(TypeDef::Record(fields)) => fields,
            _ => return false,
        },
        _ => return false,
    };
    let is_list = |name: &str| matches!(fields.get(name).map(|field| &field.ty), Some(Type::List(_)));
    is_list("ok") && is_list("failed")
}
