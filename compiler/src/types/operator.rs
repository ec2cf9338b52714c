//! Which operators take which types?
//!
//! In: an operator and its operands. Out: the operation and its type. Mixed numbers become decimals; amounts of money
//! keep their currency; times and durations add up. Text is put together by insertion, not by `+`.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{BinaryOp, Expr, UnaryOp},
    span::Span,
    ty::Type,
    value::Value,
};

use super::{
    Elaborator, Typed, Want,
    call::decision,
    expect,
    fit::{self, Fit},
    narrow,
};
use crate::ast::{self, ExprKind};

/// What mends `a or b` where another value for null is meant.
pub(crate) const WRITE_DEFAULT: &str = "write `??`";

/// Says whether numbers stand there as those of a date do: `2026-01-31`.
fn is_date(left: &ast::Expr, right: &ast::Expr) -> bool {
    let digits = |expr: &ast::Expr, count: u32| {
        matches!(expr.kind, ast::ExprKind::Literal(Value::Int(_))) && expr.span.end - expr.span.start == count
    };
    match &left.kind {
        // With space around its signs or without: the formatter puts it there.
        ast::ExprKind::Binary { op: BinaryOp::Subtract, left: year, right: month, .. } => {
            digits(year, 4) && digits(month, 2) && digits(right, 2)
        }
        _ => false,
    }
}

impl Elaborator<'_> {
    /// `not a`, `-a`
    pub(super) fn unary(&mut self, op: UnaryOp, operand: &ast::Expr, want: Want<'_>) -> Typed {
        if op == UnaryOp::Not {
            let typed = self.condition(operand);
            return Typed::new(Expr::Unary(UnaryOp::Not, Box::new(typed)), Type::Bool);
        }
        let typed = self.infer(operand, want);
        let typed = self.non_null(typed, operand, "`-` needs a number");
        if let Expr::Literal(value) = &typed.expr {
            let negated = match value {
                Value::Int(number) => number.checked_neg().map(Value::Int),
                Value::Decimal(number) => Some(Value::Decimal(-*number)),
                Value::Money(money) => {
                    let mut money = money.clone();
                    money.amount = -money.amount;
                    Some(Value::Money(money))
                }
                _ => None,
            };
            if let Some(negated) = negated {
                return Typed::new(Expr::Literal(negated), typed.ty);
            }
        }
        match &typed.ty {
            Type::Int | Type::Decimal | Type::Money(_) | Type::Unknown | Type::Never => {
                let ty = typed.ty.clone();
                Typed::new(Expr::Unary(UnaryOp::Negate, Box::new(typed.expr)), ty)
            }
            other => {
                let label = format!("of type `{other}`");
                self.problems.push(
                    Diagnostic::new(Code::E0309, format!("`-` does not take `{other}`"), operand.span, label)
                        .help("it takes `Int`, `Decimal` and `Money`"),
                );
                Typed::unknown()
            }
        }
    }

    /// An expression that says yes or no.
    pub(crate) fn condition(&mut self, expr: &ast::Expr) -> Expr {
        let typed = self.infer(expr, Want::of(&Type::Bool));
        self.is_bool(typed, expr)
    }

    /// The value, which must say yes or no.
    fn is_bool(&mut self, typed: Typed, written: &ast::Expr) -> Expr {
        if matches!(typed.ty, Type::Bool | Type::Unknown | Type::Never) {
            return typed.expr;
        }
        let name = match &written.kind {
            ExprKind::Name(name) => name,
            _ => "…",
        };
        let help = match &typed.ty {
            // That somebody answered does not say what.
            ty if *ty == decision() => format!("ask what was decided: `{name}.approved`"),
            Type::Optional(inner) if **inner == decision() => format!(
                "ask what was decided: `{name}?.approved ?? false`, which is false too when nobody decided in time"
            ),
            Type::Optional(inner) if **inner == Type::Bool => "compare it: `… == true`, or `… ?? false`".to_owned(),
            Type::Optional(_) => "ask whether it is there: `… != null`".to_owned(),
            Type::Json => "compare it: `… == true`".to_owned(),
            Type::String => "ask whether it is empty: `… != \"\"`".to_owned(),
            Type::Int => "compare it: `… > 0`".to_owned(),
            _ => "compare it with something".to_owned(),
        };
        let label = format!("of type `{}`", typed.ty);
        self.problems.push(Diagnostic::new(Code::E0301, "a condition is a `Bool`", written.span, label).help(help));
        typed.expr
    }

    /// `a + b` and the like.
    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &ast::Expr,
        right: &ast::Expr,
        want: Want<'_>,
    ) -> Typed {
        if op == BinaryOp::Subtract && is_date(left, right) {
            let span = left.span.to(right.span);
            let problem = Diagnostic::new(Code::E0309, "this is a subtraction, not a date", span, "gives a number");
            self.problems
                .push(problem.help("write `Date.of(2026, 1, 31)`, or read a text: `Date.parse(\"2026-01-31\")`"));
            return Typed::unknown();
        }
        if let ExprKind::If { otherwise: None, .. } = &right.kind {
            return self.is_unfinished(op, op_span, left, right);
        }
        match op {
            BinaryOp::And | BinaryOp::Or => self.connective(op, op_span, left, right),
            BinaryOp::Coalesce => self.coalesce(left, right, want),
            BinaryOp::In => self.contained(op_span, left, right),
            BinaryOp::Equal | BinaryOp::NotEqual => self.equality(op, op_span, left, right),
            BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual => {
                self.comparison(op, op_span, left, right)
            }
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder => {
                self.arithmetic(op, op_span, left, right)
            }
        }
    }

    /// `a +`, and then a statement `if` where a value belongs.
    fn is_unfinished(&mut self, op: BinaryOp, op_span: Span, left: &ast::Expr, right: &ast::Expr) -> Typed {
        let word = Span { end: right.span.start + "if".len() as u32, ..right.span };
        self.infer(left, Want::default());
        // What it uses counts; what is wrong within follows from its place.
        let before = self.problems.len();
        self.infer(right, Want::default());
        self.problems.truncate(before);
        self.has_gaps = true;
        let message = format!("`{}` needs a value on its right", op.symbol());
        self.problems.push(
            Diagnostic::new(Code::E0302, message, op_span, "no value follows")
                .label(word, "stands in its place, and has no value without `else`")
                .help("write the value, or leave the sign out; an `if` that gives it needs an `else`"),
        );
        Typed::unknown()
    }

    /// `and`, `or`: what the left side shows is known on the right.
    fn connective(&mut self, op: BinaryOp, op_span: Span, left: &ast::Expr, right: &ast::Expr) -> Typed {
        if op == BinaryOp::Or
            && let Some(value) = self.meant_default(op_span, left, right)
        {
            return value;
        }
        let typed = self.infer(left, Want::of(&Type::Bool));
        if op == BinaryOp::Or
            && matches!(&typed.ty, Type::Optional(inner) if !matches!(**inner, Type::Bool | Type::Unknown | Type::Never))
        {
            self.is_no_condition(op_span, left, right);
            let before = self.problems.len();
            let value = self.or_else(typed, left.span, right, Want::default());
            self.problems.truncate(before);
            return value;
        }
        let left = self.is_bool(typed, left);
        self.scope.push();
        self.scope.learn(narrow::present(&left, op == BinaryOp::And));
        let right = self.condition(right);
        self.scope.pop();
        Typed::new(Expr::Binary(op, Box::new(left), Box::new(right)), Type::Bool)
    }

    /// `a or "none"`, as other languages give another value for what is null: read as `a ?? "none"`.
    fn meant_default(&mut self, op_span: Span, left: &ast::Expr, right: &ast::Expr) -> Option<Typed> {
        let is_value = match &right.kind {
            ExprKind::Text(_) | ExprKind::List(_) | ExprKind::Record(_) => true,
            ExprKind::Literal(value) => !matches!(value, Value::Bool(_) | Value::Null),
            _ => false,
        };
        if !is_value {
            return None;
        }
        self.is_no_condition(op_span, left, right);
        let before = self.problems.len();
        let value = self.coalesce(left, right, Want::default());
        self.problems.truncate(before);
        Some(value)
    }

    /// Says that `or` gives no other value for what is null.
    fn is_no_condition(&mut self, op_span: Span, left: &ast::Expr, right: &ast::Expr) {
        let place = Span { start: left.span.end, end: right.span.start, ..left.span };
        let edit = Edit { span: place, text: " ?? ".to_owned() };
        self.problems.push(
            Diagnostic::new(Code::E0301, "`or` joins two conditions", op_span, "no value where one is null")
                .help("write `a ?? b` for another value where `a` is null")
                .fix(WRITE_DEFAULT, vec![edit]),
        );
    }

    /// `a ?? b`
    fn coalesce(&mut self, left: &ast::Expr, right: &ast::Expr, want: Want<'_>) -> Typed {
        let wanted = want.ty.map(|ty| ty.clone().optional());
        let value = self.infer(left, Want { ty: wanted.as_ref(), because: want.because });
        self.or_else(value, left.span, right, want)
    }

    /// The value, or another where it is null: `a ?? b`, `let x = a else b`.
    pub(crate) fn or_else(&mut self, value: Typed, span: Span, right: &ast::Expr, want: Want<'_>) -> Typed {
        if !Self::can_be_null(&value.ty) {
            self.problems.push(
                Diagnostic::new(Code::W0301, "this is never null", span, format!("of type `{}`", value.ty))
                    .label(right.span, "never used")
                    .help("leave the alternative out"),
            );
        }
        let inner = value.ty.non_null().clone();
        let hint = match want.shape() {
            Some(_) => want,
            None if matches!(inner, Type::Null | Type::Json | Type::Unknown | Type::Never) => Want::default(),
            // Another text is as good where nothing asks for one of that type: `email ?? "unknown"`.
            None if matches!(right.kind, ast::ExprKind::Text(_)) && !self.is_text_of(right, &inner) => Want::default(),
            None => Want::of(&inner),
        };
        let other = self.infer(right, hint);
        let inner = if inner == Type::Null { Type::Never } else { inner };
        let ty = self.common(&inner, Some(span), &other.ty, right.span, "the value and its alternative");
        let left = self.lift(value.expr, &inner, &ty);
        let right = self.lift(other.expr, &other.ty, &ty);
        Typed::new(Expr::Binary(BinaryOp::Coalesce, Box::new(left), Box::new(right)), ty)
    }

    /// Says whether a text literal is one of the texts that a type allows.
    fn is_text_of(&self, literal: &ast::Expr, ty: &Type) -> bool {
        let text = match &literal.kind {
            ast::ExprKind::Text(parts) => super::fixed_text(parts),
            _ => None,
        };
        match fit::texts(&self.names.types, ty) {
            Some(texts) => text.is_some_and(|text| texts.contains(&text)),
            None => matches!(ty, Type::Text(_)),
        }
    }

    /// Converts a value to the type that it has in common with others.
    pub(crate) fn lift(&self, expr: Expr, from: &Type, to: &Type) -> Expr {
        match fit::fit(&self.names.types, from, to) {
            Some(fit) => self.put(fit, expr, from, to),
            None => expr,
        }
    }

    /// Puts in what a fit needs. What becomes JSON in a parameter that is declared `@whole` is whole.
    pub(super) fn put(&self, fit: Fit, expr: Expr, from: &Type, to: &Type) -> Expr {
        match fit {
            Fit::Same | Fit::Json if self.whole && to.is_json() && fit::may_lack_fields(&self.names.types, from) => {
                Expr::Whole(Box::new(expr), from.clone())
            }
            fit => fit::apply(fit, expr, from),
        }
    }

    /// `a in xs`
    fn contained(&mut self, op_span: Span, left: &ast::Expr, right: &ast::Expr) -> Typed {
        let item = self.infer(left, Want::default());
        let inner = item.ty.non_null().clone();
        if fit::holds_secret(&self.names.types, &inner) {
            self.problems.push(expect::secret("a secret can't be compared", left.span));
            return Typed::unknown();
        }
        let hint = match &inner {
            Type::Json | Type::Null | Type::Unknown | Type::Never => None,
            other => Some(Type::List(Box::new(other.clone()))),
        };
        let list = self.infer(right, Want { ty: hint.as_ref(), because: None });
        let list = self.non_null(list, right, "`in` needs a list or map");
        let result = Expr::Binary(BinaryOp::In, Box::new(item.expr), Box::new(list.expr));
        let of = match &list.ty {
            Type::List(of) => (**of).clone(),
            Type::Map(_) => Type::String,
            Type::Unknown | Type::Never => return Typed::new(result, Type::Bool),
            other => {
                self.problems.push(
                    Diagnostic::new(
                        Code::E0309,
                        "`in` looks for an item in a list or a key in a map",
                        op_span,
                        "does not take these",
                    )
                    .label(right.span, format!("of type `{other}`"))
                    .help("for text, write `text.contains(part)`"),
                );
                return Typed::unknown();
            }
        };
        if !self.comparable(&item.ty, &of) {
            self.report_types(
                op_span,
                "`in` can never hold for these",
                (left.span, &item.ty),
                (right.span, &list.ty),
                unlike_help(&item.ty, &of),
            );
        }
        Typed::new(result, Type::Bool)
    }

    /// `a == b`, `a != b`
    fn equality(&mut self, op: BinaryOp, op_span: Span, left: &ast::Expr, right: &ast::Expr) -> Typed {
        let first = self.infer(left, Want::default());
        // A literal on the right is read as the type on the left.
        let hint = match first.ty.non_null() {
            Type::Json | Type::Null | Type::Unknown | Type::Never | Type::Text(_) => None,
            other => Some(other),
        };
        let second = self.infer(right, Want { ty: hint, because: None });
        let (a, b) = (&first.ty, &second.ty);
        for (ty, span) in [(a, left.span), (b, right.span)] {
            if fit::holds_secret(&self.names.types, ty) {
                self.problems.push(expect::secret("a secret can't be compared", span));
                return Typed::unknown();
            }
        }
        let against_null = [(a, b, left.span), (b, a, right.span)]
            .into_iter()
            .find(|(one, other, _)| **other == Type::Null && !Self::can_be_null(one));
        if let Some((ty, _, span)) = against_null {
            let always = if op == BinaryOp::Equal { "never" } else { "always" };
            self.problems.push(
                Diagnostic::new(Code::W0301, format!("this {always} holds"), op_span, "compared with null")
                    .label(span, format!("never null: `{ty}`"))
                    .help("leave the comparison out"),
            );
        } else if !self.comparable(a, b) {
            let message = "values of these types are never equal";
            let help = unlike_help(a, b);
            self.report_types(op_span, message, (left.span, a), (right.span, b), help);
        }
        Typed::new(Expr::Binary(op, Box::new(first.expr), Box::new(second.expr)), Type::Bool)
    }

    /// Says whether values of the two types can be equal.
    fn comparable(&self, a: &Type, b: &Type) -> bool {
        let types = &self.names.types;
        let (a, b) = (a.non_null(), b.non_null());
        let json = |one: &Type, other: &Type| *one == Type::Json && fit::fit(types, other, &Type::Json).is_some();
        match (a, b) {
            (Type::Null, _) | (_, Type::Null) => true,
            (Type::Function(..) | Type::Stream(_), _) | (_, Type::Function(..) | Type::Stream(_)) => false,
            _ if json(a, b) || json(b, a) => true,
            _ => match (fit::texts(types, a), fit::texts(types, b)) {
                (Some(a), Some(b)) => a.iter().any(|text| b.contains(text)),
                _ => fit::join(types, a, b).is_some(),
            },
        }
    }

    /// `a < b` and the like.
    fn comparison(&mut self, op: BinaryOp, op_span: Span, left: &ast::Expr, right: &ast::Expr) -> Typed {
        let (first, second) = self.operands(op, left, right);
        let (a, b) = (&first.ty, &second.ty);
        let types = &self.names.types;
        let ordered = match (a, b) {
            (Type::Unknown | Type::Never, _) | (_, Type::Unknown | Type::Never) => true,
            (Type::Money(Some(a)), Type::Money(Some(b))) => a == b,
            (Type::Int | Type::Decimal, Type::Int | Type::Decimal)
            | (Type::Money(_), Type::Money(_))
            | (Type::Timestamp, Type::Timestamp)
            | (Type::Zoned, Type::Zoned)
            | (Type::Date, Type::Date)
            | (Type::Duration, Type::Duration)
            | (Type::Size, Type::Size) => true,
            (a, b) => fit::is_text(types, a) && fit::is_text(types, b),
        };
        if !ordered {
            let message = format!("`{}` has no order for these", op.symbol());
            let help = match (a, b) {
                (Type::Money(_), Type::Money(_)) => {
                    Some("they may be in two currencies: convert one first, at a rate that you choose".to_owned())
                }
                (a, b) => unlike_help(a, b),
            };
            self.report_types(op_span, &message, (left.span, a), (right.span, b), help);
        }
        Typed::new(Expr::Binary(op, Box::new(first.expr), Box::new(second.expr)), Type::Bool)
    }

    /// `a + b` and the like.
    fn arithmetic(&mut self, op: BinaryOp, op_span: Span, left: &ast::Expr, right: &ast::Expr) -> Typed {
        let (first, second) = self.operands(op, left, right);
        let (a, b) = (&first.ty, &second.ty);
        let Some(ty) = result(op, a, b) else {
            let message = format!("`{}` does not take these", op.symbol());
            let types = &self.names.types;
            let is_counted = |written: &ast::Expr, text: &Type, other: &Type| {
                let is_fixed = matches!(written.kind, ExprKind::Text(_));
                op == BinaryOp::Add
                    && !is_fixed
                    && fit::is_text(types, text)
                    && matches!(other, Type::Int | Type::Decimal)
            };
            let help = if is_counted(left, a, b) || is_counted(right, b, a) {
                Some(
                    "to compute, convert the text: `….to_int()`, which is null where it is no number; to put text together, \
                     insert both: \"{a} {b}\""
                        .to_owned(),
                )
            } else {
                self.arithmetic_help(op, a, b)
            };
            self.report_types(op_span, &message, (left.span, a), (right.span, b), help);
            return Typed::unknown();
        };
        self.check_division(op, &second.expr, right.span);
        Typed::new(Expr::Binary(op, Box::new(first.expr), Box::new(second.expr)), ty)
    }

    fn arithmetic_help(&self, op: BinaryOp, a: &Type, b: &Type) -> Option<String> {
        let types = &self.names.types;
        let is_text = |ty: &Type| fit::is_text(types, ty);
        Some(match (op, a, b) {
            (BinaryOp::Add, a, b) if is_text(a) || is_text(b) => {
                "put text together by insertion: \"{a} {b}\"".to_owned()
            }
            (BinaryOp::Add, Type::List(_), Type::List(_)) => "join lists with `[...a, ...b]`".to_owned(),
            (BinaryOp::Add, Type::Record(_) | Type::Named(_), Type::Record(_) | Type::Named(_)) => {
                "join records with `{ ...a, ...b }`".to_owned()
            }
            (_, Type::Money(Some(a)), Type::Money(Some(b))) if a != b => {
                format!("one is in {a}, the other in {b}: convert one first")
            }
            (BinaryOp::Add | BinaryOp::Subtract, Type::Money(_), Type::Int | Type::Decimal)
            | (BinaryOp::Add | BinaryOp::Subtract, Type::Int | Type::Decimal, Type::Money(_)) => {
                "write the amount with its currency: `5.00 EUR`".to_owned()
            }
            (BinaryOp::Add | BinaryOp::Subtract, Type::Date, Type::Int | Type::Duration) => {
                "a day is counted on with `.plus_days(1)`, or `.plus_days(-1)`".to_owned()
            }
            (BinaryOp::Add | BinaryOp::Subtract, Type::Timestamp | Type::Zoned, Type::Int | Type::Decimal) => {
                "write the unit: `30s`, `5m`, `2h`".to_owned()
            }
            (_, Type::Json, _) | (_, _, Type::Json) => "convert the `Json` first: `(… as Int) ?? 0`".to_owned(),
            (_, a, b) if is_text(a) && is_text(b) => {
                "text has functions: `.replace(from, to)`, `.slice(from, to)`, `.repeat(n)`; to compute, `.to_decimal()`".to_owned()
            }
            _ => format!("`{}` computes with numbers, and with amounts, times and durations where that has a meaning", op.symbol()),
        })
    }

    fn operands(&mut self, op: BinaryOp, left: &ast::Expr, right: &ast::Expr) -> (Typed, Typed) {
        let what = format!("`{}` needs both sides", op.symbol());
        let first = self.infer(left, Want::default());
        let first = self.non_null(first, left, &what);
        // An integer literal beside a decimal is a decimal; a text beside a time is a time.
        let hint = match &first.ty {
            ty @ (Type::Decimal | Type::Timestamp | Type::Date | Type::Zoned | Type::OneOf(_)) => Some(ty.clone()),
            _ => None,
        };
        let second = self.infer(right, Want { ty: hint.as_ref(), because: None });
        let second = self.non_null(second, right, &what);
        (first, second)
    }

    /// Reports an operator that does not take what stands on its sides.
    fn report_types(
        &mut self,
        op_span: Span,
        message: &str,
        left: (Span, &Type),
        right: (Span, &Type),
        help: Option<String>,
    ) {
        let types = &self.names.types;
        for (span, ty) in [left, right] {
            if fit::holds_secret(types, ty) {
                self.problems.push(expect::secret("a secret can't be computed with", span));
                return;
            }
        }
        let problem = Diagnostic::new(Code::E0309, message, op_span, "this operator")
            .label(left.0, format!("of type `{}`", left.1))
            .label(right.0, format!("of type `{}`", right.1));
        let help = help.unwrap_or_else(|| "make both sides of one type".to_owned());
        self.problems.push(problem.help(help));
    }
}

/// What to do about two values that can't be compared.
fn unlike_help(a: &Type, b: &Type) -> Option<String> {
    Some(match (a.non_null(), b.non_null()) {
        (Type::Money(_), Type::Int | Type::Decimal) | (Type::Int | Type::Decimal, Type::Money(_)) => {
            "write the amount with its currency: `1000.00 EUR`".to_owned()
        }
        (Type::String, Type::Int | Type::Decimal) | (Type::Int | Type::Decimal, Type::String) => {
            "make them alike: `.to_string()` of the number, or `.to_decimal()` of the text".to_owned()
        }
        (Type::Duration | Type::Size, Type::Int | Type::Decimal)
        | (Type::Int | Type::Decimal, Type::Duration | Type::Size) => "write the unit: `30s`, `64kB`".to_owned(),
        (Type::String, Type::Timestamp | Type::Date | Type::Zoned)
        | (Type::Timestamp | Type::Date | Type::Zoned, Type::String) => {
            "convert the text: `… as Timestamp`, which is null where it does not fit".to_owned()
        }
        (Type::Json, _) | (_, Type::Json) => "convert the `Json` first: `(… as Decimal) ?? 0`".to_owned(),
        (Type::Text(_), _) | (_, Type::Text(_)) => {
            let (a, b) = (a.non_null(), b.non_null());
            let language = if let Type::Text(_) = a { a } else { b };
            format!("compare what goes into the `{language}`, before it is put in: only there is it plain text")
        }
        _ => return None,
    })
}

/// The type of the result, if the operator takes the two.
fn result(op: BinaryOp, a: &Type, b: &Type) -> Option<Type> {
    use BinaryOp::{Add, Divide, Multiply, Subtract};
    let number = |ty: &Type| matches!(ty, Type::Int | Type::Decimal);
    Some(match (op, a, b) {
        (_, Type::Unknown | Type::Never, _) | (_, _, Type::Unknown | Type::Never) => Type::Unknown,
        (Divide, a, b) if number(a) && number(b) => Type::Decimal,
        (_, Type::Int, Type::Int) => Type::Int,
        (_, a, b) if number(a) && number(b) => Type::Decimal,
        (Add | Subtract, Type::Money(a), Type::Money(b)) => match (a, b) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => Type::Money(a.clone().or_else(|| b.clone())),
        },
        (Multiply | Divide, Type::Money(currency), b) if number(b) => Type::Money(currency.clone()),
        (Multiply, a, Type::Money(currency)) if number(a) => Type::Money(currency.clone()),
        (Divide, Type::Money(a), Type::Money(b)) => match (a, b) {
            (Some(a), Some(b)) if a != b => return None,
            _ => Type::Decimal,
        },
        (Add | Subtract, Type::Duration, Type::Duration) => Type::Duration,
        (Add | Subtract, Type::Timestamp, Type::Duration) | (Add, Type::Duration, Type::Timestamp) => Type::Timestamp,
        (Add | Subtract, Type::Zoned, Type::Duration) | (Add, Type::Duration, Type::Zoned) => Type::Zoned,
        (Subtract, Type::Timestamp, Type::Timestamp) | (Subtract, Type::Zoned, Type::Zoned) => Type::Duration,
        (Add | Subtract, Type::Date, Type::Duration) | (Add, Type::Duration, Type::Date) => Type::Date,
        (Subtract, Type::Date, Type::Date) => Type::Duration,
        (Multiply | Divide, Type::Duration, b) if number(b) => Type::Duration,
        (Multiply, a, Type::Duration) if number(a) => Type::Duration,
        (Divide, Type::Duration, Type::Duration) | (Divide, Type::Size, Type::Size) => Type::Decimal,
        (Add | Subtract, Type::Size, Type::Size) => Type::Size,
        (Multiply | Divide, Type::Size, b) if number(b) => Type::Size,
        (Multiply, a, Type::Size) if number(a) => Type::Size,
        _ => return None,
    })
}
