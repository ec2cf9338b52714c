//! Which calls can only fail, whatever comes in, and which values that are written does their place not take?
//!
//! In: the values of a standard function's call. Out: problems for literals that the function would refuse at run time:
//! the signature says what a parameter takes ([`Literal`]), and a call all of whose values are known is tried.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{BinaryOp, Expr, ListPart},
    function::Signature,
    literal::Literal,
    span::Span,
    ty::{Bounds, Type},
    value::Value,
};

use super::{Elaborator, Typed};
use crate::names::{out_of_bounds, similar};

impl Elaborator<'_> {
    /// Reports a value that is written in the program and breaks the bounds of its place.
    pub(super) fn within_bounds(
        &mut self,
        name: &str,
        bounds: &Bounds,
        typed: &Typed,
        span: Span,
        declared: Option<Span>,
    ) {
        if !bounds.is_empty()
            && let Some(value) = constant(&typed.expr)
        {
            self.problems.extend(out_of_bounds(name, bounds, &value, span, declared));
        }
    }

    /// Reports a literal that is not of the kind which its parameter takes.
    pub(crate) fn check_literal(&mut self, kind: Literal, given: &Expr, span: Span) {
        let Some(value) = constant(given) else { return };
        let Err(refusal) = kind.check(&value) else { return };
        let problem = Diagnostic::new(Code::E0317, refusal.message, span, "can only fail");
        let near = match (kind, &value) {
            (Literal::Zone, Value::String(text)) => near_zone(text),
            _ => None,
        };
        self.problems.push(match near {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span, text: format!("\"{near}\"") }]),
            None => problem.help(refusal.help),
        });
    }

    /// Reports a call that fails with values which are all known.
    pub(super) fn check_constant(&mut self, signature: &Signature, values: &[Expr], call: Span) {
        let values: Option<Vec<Value>> = values.iter().map(constant).collect();
        // A null that no parameter takes stands for what is wrong already.
        let is_wrong = |(value, ty): (&Value, &Type)| !ty.is_nullable() && has_null(value);
        let values = values.filter(|values| !values.iter().zip(signature.params.values()).any(is_wrong));
        let Some(why) = values.and_then(|values| self.definitions.failure(&signature.name, &values)) else { return };
        let help = "all its values are written here, so it fails each time: mend one of them";
        self.problems.push(Diagnostic::new(Code::E0317, why, call, "can only fail").help(help));
    }

    /// Reports a division by a zero that is written.
    pub(super) fn check_division(&mut self, op: BinaryOp, right: &Expr, span: Span) {
        let is_zero = match constant(right) {
            Some(Value::Int(number)) => number == 0,
            Some(Value::Decimal(number)) => number.is_zero(),
            _ => false,
        };
        if is_zero && matches!(op, BinaryOp::Divide | BinaryOp::Remainder) {
            let problem = Diagnostic::new(Code::E0317, "nothing can be divided by zero", span, "can only fail");
            self.problems.push(problem.help("write another number"));
        }
    }
}

/// The time zone that is most like a text: `Berlin` and `Europe/Berln` are `Europe/Berlin`.
fn near_zone(text: &str) -> Option<String> {
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let city = text.replace(' ', "_").to_lowercase();
    let mut same = known.iter().filter(|name| name.rsplit('/').next().is_some_and(|last| last.to_lowercase() == city));
    if let (Some(one), None) = (same.next(), same.next()) {
        return Some(one.clone());
    }
    similar(text, known.iter().map(String::as_str)).map(str::to_owned)
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.iter().any(has_null),
        _ => false,
    }
}

/// The value of an expression that is written as it is.
pub(super) fn constant(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Literal(Value::Secret(_)) => None,
        Expr::Literal(value) => Some(value.clone()),
        Expr::List(parts) => parts
            .iter()
            .map(|part| match part {
                ListPart::Item(item) => constant(item),
                ListPart::Spread(_) => None,
            })
            .collect::<Option<_>>()
            .map(Value::List),
        _ => None,
    }
}
