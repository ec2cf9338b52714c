//! `x as T`: which conversions are there?
//!
//! `Json` converts to anything that JSON can hold; text to what is written as text; what fits anyway needs no `as`. The
//! result may be null, unless the value fits anyway.

use flow_model::{
    boundary::convert,
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    ty::Type,
};

use super::{Elaborator, Typed, Want, expect, fit, known::constant};
use crate::ast;

impl Elaborator<'_> {
    /// `x as T`
    pub(super) fn convert(&mut self, expr: &ast::Expr, value: &ast::Expr, written: &ast::TypeExpr) -> Typed {
        let to = self.written_type(written);
        let typed = self.infer(value, Want::default());
        let types = &self.names.types;
        if matches!(to, Type::Unknown) || matches!(typed.ty, Type::Unknown | Type::Never) {
            return Typed { ty: Type::Unknown, ..Typed::new(typed.expr, Type::Unknown) };
        }
        if fit::holds_secret(types, &typed.ty) || fit::holds_secret(types, &to) {
            self.problems.push(expect::secret("a secret can't be converted", expr.span));
            return Typed::unknown();
        }
        if matches!(to, Type::Optional(_)) {
            let inner = to.non_null();
            self.problems.push(
                Diagnostic::new(
                    Code::E0313,
                    "`as` names the type without `?`",
                    written.span,
                    "the result may be null anyway",
                )
                .help(format!("write `as {inner}`")),
            );
            return Typed::unknown();
        }
        let nullable = matches!(typed.ty, Type::Optional(_) | Type::Null);
        let from = typed.ty.non_null();
        if let Some(fit) = fit::fit(types, from, &to)
            && !matches!(from, Type::Null)
        {
            // What fits anyway: an `as` only says so.
            let from = from.clone();
            return match (nullable, fit) {
                (false, fit) => Typed::new(self.put(fit, typed.expr, &from, &to), to),
                (true, fit::Fit::Same) => Typed::new(typed.expr, to.optional()),
                (true, _) => Typed::new(Expr::Convert(Box::new(typed.expr), to.clone()), to.optional()),
            };
        }
        if !self.converts(from, &to) {
            let help = match (from, &to) {
                (_, Type::String) => "insert it into a text: \"{…}\"",
                (Type::String, Type::Int) => "write `.to_int()`, which is null where it is no number",
                (Type::Int | Type::Decimal, Type::Bool) => "compare it: `… != 0`",
                _ => "`as` reads `Json` and text; for others there are functions, such as `.to_int()`",
            };
            let label = format!("never succeeds: this is `{}`", typed.ty);
            self.problems.push(
                Diagnostic::new(Code::E0313, format!("`{from}` can't become `{to}`"), expr.span, label).help(help),
            );
            return Typed::unknown();
        }
        if let Some(known) = constant(&typed.expr)
            && let Err(mismatch) = convert(&known, &to, types)
        {
            let message = format!("`{known}` can't become `{to}`");
            let label = format!("is not {}", mismatch.expected);
            self.problems.push(
                Diagnostic::new(Code::E0313, message, value.span, label)
                    .help("it is null each time: write another value"),
            );
            return Typed::unknown();
        }
        Typed::new(Expr::Convert(Box::new(typed.expr), to.clone()), to.optional())
    }

    fn converts(&self, from: &Type, to: &Type) -> bool {
        let types = &self.names.types;
        if matches!(to, Type::Function(..) | Type::Stream(_) | Type::File | Type::Text(_) | Type::Never) {
            return false;
        }
        if matches!(from, Type::Json) {
            return true;
        }
        let from_text = fit::is_text(types, from);
        let text_form = matches!(
            to,
            Type::Email
                | Type::Url
                | Type::Uuid
                | Type::Timestamp
                | Type::Zoned
                | Type::Date
                | Type::Duration
                | Type::Size
                | Type::Decimal
        ) || fit::texts(types, to).is_some();
        match (from, to) {
            (Type::Decimal, Type::Int) => true,
            (Type::List(from), Type::List(to)) | (Type::Map(from), Type::Map(to)) => {
                let (from, to) = (from.non_null(), to.non_null());
                self.converts(from, to) || fit::fit(types, from, to).is_some()
            }
            _ => from_text && text_form,
        }
    }
}
