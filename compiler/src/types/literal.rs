//! Numbers, texts and the like, checked against what their place wants.
//!
//! In: a literal and the wanted type. Out: the value, already of that type: `"a@b.c"` is an `Email` where one is wanted,
//! `5` a `Decimal`. A text that its type does not allow is reported within the literal.

use flow_model::{
    boundary,
    diagnostic::{Code, Diagnostic, Edit},
    expr::{BinaryOp, Expr, TextPart},
    span::Span,
    ty::{Language, Type},
    value::Value,
};

use super::{
    Elaborator, Typed, Want, expect, fit,
    insertion::{Null, Place, Reading},
    url_path,
};
use crate::{ast, names::similar};

impl Elaborator<'_> {
    /// A literal other than text.
    pub(super) fn literal(&mut self, value: &Value, want: Want<'_>) -> Typed {
        let literal = |value: Value, ty: Type| Typed::new(Expr::Literal(value), ty);
        match (value, want.shape()) {
            (Value::Int(number), Some(Type::Decimal)) => literal(Value::Decimal((*number).into()), Type::Decimal),
            (value, _) => literal(value.clone(), literal_type(value)),
        }
    }

    /// A text literal.
    pub(super) fn text(&mut self, expr: &ast::Expr, parts: &[ast::TextPart], want: Want<'_>) -> Typed {
        let language = match want.shape() {
            Some(Type::Text(language)) => Some(*language),
            _ => None,
        };
        if language == Some(Language::UrlPath) {
            self.problems.extend(url_path::wrong_path(parts, expr.span));
        }
        let Some(fixed) = fixed(parts) else {
            let nulls = language.map(|language| self.insertions(parts, language)).unwrap_or_default();
            let nulls = nulls.into_iter().chain(std::iter::repeat(Null::Text));
            let parts = parts.iter().zip(nulls).map(|(part, null)| self.part(part, language, null)).collect();
            let ty = language.map_or(Type::String, Type::Text);
            return Typed::new(Expr::Text { parts, language }, ty);
        };
        self.fixed_text(&fixed, expr.span, language, want)
    }

    /// Reports insertions that stand where they can't be bound or escaped. Says of each part what null would be there.
    fn insertions(&mut self, parts: &[ast::TextPart], language: Language) -> Vec<Null> {
        let mut reading = Reading::of(language);
        let mut nulls = Vec::with_capacity(parts.len());
        for part in parts {
            nulls.push(reading.null());
            let (insert, place) = match part {
                ast::TextPart::Fixed(text) => {
                    reading.fixed(text);
                    continue;
                }
                ast::TextPart::Insert(insert) => (insert, reading.insertion()),
            };
            let (message, label, help) = match place {
                None => continue,
                Some(Place::Quotes) => (
                    "an insertion brings its own quotes",
                    "stands within quotes",
                    "leave the quotes out: `where name = {name}`; a part of a text is made before, `let like = \"%{name}%\"`",
                ),
                Some(Place::BareAttribute) => {
                    ("an attribute is a text in quotes", "stands without quotes", "write `attribute=\"{…}\"`")
                }
                Some(Place::Tag) => (
                    "the name of a tag or an attribute can't be inserted",
                    "stands within a tag",
                    "write the tag out, and choose between two texts with `if` or `match`",
                ),
                Some(Place::Name) => (
                    "the name of a table or a column can't be inserted",
                    "is bound as a value",
                    "write the name out, and choose between two queries with `if` or `match`",
                ),
                Some(Place::Script) => (
                    "nothing can be inserted into a script or a style",
                    "is read as a program",
                    "put the value into text or a quoted attribute, such as `data-name=\"{…}\"`, and read it from there",
                ),
            };
            self.problems.push(Diagnostic::new(Code::E0318, message, insert.span, label).help(help));
        }
        nulls
    }

    fn part(&mut self, part: &ast::TextPart, language: Option<Language>, null: Null) -> TextPart {
        let insert = match part {
            ast::TextPart::Fixed(text) => return TextPart::Fixed(text.clone()),
            ast::TextPart::Insert(insert) => insert,
        };
        let typed = self.inserted(insert, language);
        let types = &self.names.types;
        if fit::holds_secret(types, &typed.ty) {
            self.problems.push(expect::secret("a secret can't be part of a text", insert.span));
        } else if matches!(typed.ty, Type::Optional(_) | Type::Null) && null != Null::Bound {
            let (message, help) = match null {
                Null::Count => ("a number of rows can't be null", "say how many then: `{… ?? 100}`"),
                Null::Compared => (
                    "nothing is equal to null in a query",
                    "say what holds then: `{… ?? other}`, choose between two queries with `if`, or write what null equals: `is not distinct from {…}` (`<=> {…}` in MySQL)",
                ),
                Null::Bound | Null::Text => {
                    ("a text can't hold null", "say what the text holds then: `{… ?? \"none\"}`")
                }
            };
            self.non_null_or(typed, insert, message, help);
            return TextPart::Fixed(String::new());
        } else if matches!(typed.ty.non_null(), Type::Function(..) | Type::File | Type::Stream(_)) {
            self.problems.push(
                Diagnostic::new(
                    Code::E0301,
                    format!("`{}` can't be written as text", typed.ty),
                    insert.span,
                    format!("of type `{}`", typed.ty),
                )
                .help("insert a text, a number, a time or a record"),
            );
        } else if language == Some(Language::UrlPath) {
            self.problems.extend(url_path::wrong_insertion(types, &typed.ty, insert));
        }
        TextPart::Insert(typed.expr)
    }

    /// The value of an insertion. What a text holds where there is no value is written as well, whatever the value would have
    /// been: `{count ?? "none"}`, `{name ?? 3}`. In a query or a path, both are of one type.
    fn inserted(&mut self, insert: &ast::Expr, language: Option<Language>) -> Typed {
        let is_prose = matches!(language, None | Some(Language::Html | Language::Mrkdwn));
        let ast::ExprKind::Binary { op: BinaryOp::Coalesce, left, right, .. } = &insert.kind else {
            return self.infer(insert, Want::default());
        };
        let value = self.infer(left, Want::default());
        let types = &self.names.types;
        let is_written = |ty: &Type| {
            !fit::holds_secret(types, ty) && !matches!(ty, Type::Function(..) | Type::File | Type::Stream(_))
        };
        let is_optional = matches!(&value.ty, Type::Optional(inner) if is_written(inner));
        if !is_prose || !is_optional {
            return self.or_else(value, left.span, right, Want::default());
        }
        let other = self.inserted(right, language);
        if !is_written(other.ty.non_null()) || matches!(other.ty, Type::Unknown | Type::Never) {
            return other;
        }
        let either = fit::join(types, value.ty.non_null(), other.ty.non_null()).unwrap_or(Type::String);
        let ty = if other.ty.is_nullable() { either.optional() } else { either };
        Typed::new(Expr::Binary(BinaryOp::Coalesce, Box::new(value.expr), Box::new(other.expr)), ty)
    }

    /// Text without insertions.
    fn fixed_text(&mut self, text: &str, span: Span, language: Option<Language>, want: Want<'_>) -> Typed {
        if let Some(language) = language {
            let parts = vec![TextPart::Fixed(text.to_owned())];
            return Typed::new(Expr::Text { parts, language: Some(language) }, Type::Text(language));
        }
        let value = |value: Value, ty: &Type| Typed::new(Expr::Literal(value), ty.clone());
        let Some(shape) = want.shape() else { return value(Value::text(text), &Type::String) };
        let read = match shape {
            Type::Email => boundary::is_email(text).then(|| Value::text(text)),
            Type::Url => boundary::is_url(text).then(|| Value::text(text)),
            Type::Uuid => boundary::is_uuid(text).then(|| Value::text(text)),
            Type::Timestamp => text.parse().ok().map(Value::Timestamp),
            Type::Date => text.parse().ok().filter(|_| text.len() == 10).map(Value::Date),
            Type::Zoned => text.parse().ok().map(Value::Zoned),
            Type::OneOf(texts) => texts.iter().any(|one| one == text).then(|| Value::text(text)),
            Type::Bytes => Some(Value::Bytes(text.as_bytes().into())),
            _ => {
                if let Some((name, variants)) = expect::variants(&self.names.types, shape) {
                    self.problems.push(text_for_variant(text, span, name, variants));
                    return Typed::unknown();
                }
                return value(Value::text(text), &Type::String);
            }
        };
        match read {
            Some(read) => value(read, shape),
            None => {
                let problem = self.bad_text(text, span, shape);
                self.problems.push(match want.because {
                    Some(because) => problem.label(because.span, because.text.clone()),
                    None => problem,
                });
                Typed::unknown()
            }
        }
    }

    /// Reports a text that is none of those that its type allows.
    fn bad_text(&self, text: &str, span: Span, wanted: &Type) -> Diagnostic {
        let (message, form) = match wanted {
            Type::Email => ("this is not an e-mail address", "write it as `name@example.com`"),
            Type::Url => ("this is not an absolute URL", "write it as `https://example.com/path`"),
            Type::Uuid => ("this is not a UUID", "write it as `0190a5b2-7c3e-7d4a-9c1f-2b8e6f0d4a53`"),
            Type::Timestamp => ("this is not a timestamp", "write it as `2026-01-31T10:00:00Z`"),
            Type::Date => ("this is not a day", "write it as `2026-01-31`"),
            Type::Zoned => ("this is no time in a time zone", "write it as `2026-01-31T11:00:00+01:00[Europe/Berlin]`"),
            _ => return self.no_alternative(text, span, wanted),
        };
        Diagnostic::new(Code::E0311, message, span, format!("`{wanted}` is expected")).help(form)
    }

    fn no_alternative(&self, text: &str, span: Span, wanted: &Type) -> Diagnostic {
        let texts = fit::texts(&self.names.types, wanted).unwrap_or_default();
        let problem = Diagnostic::new(
            Code::E0311,
            format!("{text:?} is none of the texts that are allowed"),
            span,
            format!("`{wanted}` is expected"),
        );
        match similar(text, texts.iter().map(String::as_str)) {
            Some(near) => problem
                .help(format!("did you mean {near:?}?"))
                .fix(format!("write {near:?}"), vec![Edit { span, text: format!("{near:?}") }]),
            None => problem.help(format!("write one of {}", quoted(texts))),
        }
    }
}

/// The texts in quotes, joined by commas.
pub(super) fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    texts.join(", ")
}

/// The type of a literal by itself.
pub(super) fn literal_type(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Decimal(_) => Type::Decimal,
        Value::String(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        Value::Money(money) => Type::Money(Some(money.currency.clone())),
        Value::Timestamp(_) => Type::Timestamp,
        Value::Zoned(_) => Type::Zoned,
        Value::Date(_) => Type::Date,
        Value::Duration(_) => Type::Duration,
        Value::Size(_) => Type::Size,
        Value::File(_) => Type::File,
        Value::List(_) | Value::Record(_) | Value::Secret(_) => Type::Json,
    }
}

/// The text of a literal without insertions.
pub(crate) fn fixed(parts: &[ast::TextPart]) -> Option<String> {
    parts
        .iter()
        .map(|part| match part {
            ast::TextPart::Fixed(text) => Some(text.as_str()),
            ast::TextPart::Insert(_) => None,
        })
        .collect()
}

/// A text where a variant of an enum belongs.
fn text_for_variant(text: &str, span: Span, name: &str, variants: &[String]) -> Diagnostic {
    let is_variant = variants.iter().any(|variant| variant == text);
    let message = match is_variant {
        true => format!("a variant of `{name}` is written without quotes"),
        false => format!("`{name}` has no variant {text:?}"),
    };
    let problem = Diagnostic::new(Code::E0301, message, span, "a text");
    let near = match is_variant {
        true => Some(text),
        false => similar(text, variants.iter().map(String::as_str)),
    };
    match near {
        Some(near) => {
            let fix = format!("{name}.{near}");
            problem.help(format!("write `{fix}`")).fix(format!("write `{fix}`"), vec![Edit { span, text: fix }])
        }
        None => {
            let all: Vec<String> = variants.iter().take(12).map(|variant| format!("`{name}.{variant}`")).collect();
            problem.help(format!("its variants are {}", all.join(", ")))
        }
    }
}
