//! Which type did the author write?
//!
//! In: a type, a field or an error kind as written, and the connector that it stands in. Out: its meaning, and problems
//! for names that have none. Within a connector its own types come first: `Message` is `slack.Message` there.

use flow_model::{
    boundary::within,
    diagnostic::{Code, Diagnostic, Edit},
    expr::Expr,
    failure::ErrorKind,
    span::Span,
    ty::{Bounds, Field, Format, Language, Type, TypeDef},
    value::Value,
};
use indexmap::IndexMap;

use super::{Names, is_worth_it, unknown};
use crate::ast::{self, TypeExpr, TypeExprKind};

/// The built-in types that take no argument.
const PLAIN: [(&str, Type); 16] = [
    ("Bool", Type::Bool),
    ("String", Type::String),
    ("Int", Type::Int),
    ("Decimal", Type::Decimal),
    ("Bytes", Type::Bytes),
    ("Money", Type::Money(None)),
    ("Timestamp", Type::Timestamp),
    ("Zoned", Type::Zoned),
    ("Date", Type::Date),
    ("Duration", Type::Duration),
    ("Size", Type::Size),
    ("Email", Type::Email),
    ("Url", Type::Url),
    ("Uuid", Type::Uuid),
    ("Json", Type::Json),
    ("File", Type::File),
];

/// The built-in types that take one argument.
const GENERIC: [&str; 4] = ["List", "Map", "Stream", "Secret"];

/// The names of all built-in types.
pub(crate) fn built_in_types() -> impl Iterator<Item = String> {
    let plain = PLAIN.iter().map(|(name, _)| (*name).to_owned());
    let languages = Language::ALL.iter().map(|language| format!("{language:?}"));
    plain.chain(GENERIC.iter().map(|name| (*name).to_owned())).chain(languages)
}

impl Names<'_> {
    /// The type that is written; `within` names the connector whose declaration it is part of.
    ///
    /// What can't be understood is reported and is `Unknown`.
    pub(crate) fn ty(&self, written: &TypeExpr, within: Option<&str>, problems: &mut Vec<Diagnostic>) -> Type {
        match &written.kind {
            TypeExprKind::Missing => Type::Unknown,
            TypeExprKind::Variable(name) => Type::Variable(name.clone()),
            TypeExprKind::Optional(inner) => self.ty(inner, within, problems).optional(),
            TypeExprKind::Record(fields) => Type::Record(self.fields(fields, within, problems)),
            TypeExprKind::OneOf(texts) => Type::OneOf(alternatives(texts, problems)),
            TypeExprKind::Name(path, args) => {
                let built_in = match path.parts.as_slice() {
                    [name] => self.built_in(&name.text, args, written.span, within, problems),
                    _ => None,
                };
                built_in.unwrap_or_else(|| {
                    for arg in args {
                        self.ty(arg, within, problems);
                    }
                    self.named(path, args, written.span, within, problems)
                })
            }
        }
    }

    /// The fields that are written, in order; a second field of a name is reported and left out.
    pub(crate) fn fields(
        &self,
        written: &[ast::Field],
        within: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> IndexMap<String, Field> {
        self.distinct("field", written, within, problems)
    }

    /// The parameters that are written, in order; a second one of a name is reported and left out.
    pub(crate) fn params(
        &self,
        written: &[ast::Field],
        within: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> IndexMap<String, Field> {
        self.distinct("parameter", written, within, problems)
    }

    fn distinct(
        &self,
        what: &str,
        written: &[ast::Field],
        within: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> IndexMap<String, Field> {
        let mut fields = IndexMap::new();
        let mut spans: IndexMap<&str, Span> = IndexMap::new();
        for field in written {
            let read = self.field(what, field, within, problems);
            match spans.get(field.name.text.as_str()) {
                Some(first) => problems.push(super::duplicate(what, &field.name, *first)),
                None => {
                    spans.insert(&field.name.text, field.name.span);
                    fields.insert(field.name.text.clone(), read);
                }
            }
        }
        same_in_json(written, problems);
        fields
    }

    /// One field. Its default is known once [`Names::defaults`] is; until then a null stands for it, so that it is clear
    /// that there is one.
    /// `what` it is: a field or a parameter.
    pub(crate) fn field(
        &self,
        what: &str,
        written: &ast::Field,
        within: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> Field {
        let ty = self.ty(&written.ty, within, problems);
        let default = written
            .default
            .as_ref()
            .map(|_| Box::new(self.defaults.get(&written.span).cloned().unwrap_or(Expr::Literal(Value::Null))));
        let mut field =
            Field { json_name: written.json_name.as_ref().map(|name| name.text.clone()), default, ..Field::of(ty) };
        for attribute in &written.attributes {
            self::attribute(what, &mut field, attribute, problems);
        }
        field.bounds = bounds(&written.bounds, &field.ty, problems);
        field
    }

    /// The kind of error that a path names: built in, of the connector that it stands in, of the program, or
    /// `connector.Error`.
    pub(crate) fn error_kind(
        &self,
        path: &ast::Path,
        within: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<ErrorKind> {
        let written = path.text();
        if let Some(kind) = ErrorKind::BUILT_IN.into_iter().find(|kind| kind.name() == written) {
            return Some(kind);
        }
        let name = path.last()?;
        if path.parts.iter().any(|part| part.text.is_empty() || self.broken.contains(&part.text)) {
            return None;
        }
        match self.full_name(path, within) {
            Some(full) if matches!(self.types.get(&full), Some(TypeDef::Error(_))) => Some(ErrorKind::Declared(full)),
            Some(full) => {
                let mut problem = Diagnostic::new(
                    Code::E0206,
                    format!("`{written}` is not an error"),
                    path.span(),
                    format!("declared as {}", self.types.get(&full).map_or("a type", describe)),
                );
                if let Some(span) = self.type_spans.get(&full) {
                    problem = problem.label(*span, "declared here");
                }
                problems.push(problem.help("declare it with `error`, or name another"));
                None
            }
            None => {
                let declared = self.visible_types(path.span(), within, |def| matches!(def, TypeDef::Error(_)));
                let candidates: Vec<&str> = declared
                    .iter()
                    .map(String::as_str)
                    .chain(ErrorKind::BUILT_IN.iter().map(ErrorKind::name))
                    .collect();
                let mut problem = unknown(Code::E0201, "error", name, candidates);
                let is_it = |full: &&String| {
                    let is_named = full.split_once('.').is_some_and(|(_, own)| own == name.text);
                    is_named && matches!(self.types.get(full), Some(TypeDef::Error(_)))
                };
                let qualified = if is_worth_it() { self.types.0.keys().find(is_it) } else { None };
                if let Some(meant) = super::foreign::failure(&name.text) {
                    problem.fixes.clear();
                    problem = problem.help(meant);
                } else if problem.help.is_none() {
                    problem = match (qualified, path.parts.len()) {
                        (Some(known), 1) => problem.help(format!("did you mean `{known}`?")),
                        // A connection stands where its connector should.
                        (Some(known), _) => problem
                            .help(format!("an error belongs to its connector: did you mean `{known}`?"))
                            .fix(format!("write `{known}`"), vec![Edit { span: path.span(), text: known.clone() }]),
                        (None, _) => problem.help(format!("declare it: `error {} {{ … }}`", name.text)),
                    };
                }
                problems.push(problem);
                None
            }
        }
    }

    /// The key in [`Names::types`] that a path stands for, if there is one that its file sees.
    fn full_name(&self, path: &ast::Path, within: Option<&str>) -> Option<String> {
        // An event is the record of its content, and the whole program knows it.
        if self.events.contains_key(&path.text()) {
            return Some(path.text());
        }
        let file = path.span().file;
        match path.parts.as_slice() {
            [name] => {
                let own = within.map(|connector| format!("{connector}.{}", name.text));
                own.filter(|full| self.types.get(full).is_some()).or_else(|| {
                    (self.types.get(&name.text).is_some() && self.sees(file, &name.text)).then(|| name.text.clone())
                })
            }
            [connector, name] => {
                let full = format!("{}.{}", connector.text, name.text);
                let seen = within == Some(connector.text.as_str()) || self.sees(file, &connector.text);
                (seen && self.types.get(&full).is_some()).then_some(full)
            }
            _ => None,
        }
    }

    /// Names of types that a file sees, as it would write them.
    fn visible_types(&self, at: Span, within: Option<&str>, wanted: fn(&TypeDef) -> bool) -> Vec<String> {
        if !is_worth_it() {
            return Vec::new();
        }
        let own = within.map(|connector| format!("{connector}."));
        let written = |full: &str| match own.as_deref().and_then(|own| full.strip_prefix(own)) {
            Some(short) => Some(short.to_owned()),
            None => self.sees(at.file, full.split('.').next().unwrap_or(full)).then(|| full.to_owned()),
        };
        self.types.0.iter().filter(|(_, def)| wanted(def)).filter_map(|(full, _)| written(full)).collect()
    }

    fn built_in(
        &self,
        name: &str,
        args: &[TypeExpr],
        span: Span,
        within: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Type> {
        let plain = PLAIN.iter().find(|(known, _)| *known == name).map(|(_, ty)| ty.clone());
        let language = || Language::ALL.into_iter().find(|language| format!("{language:?}") == name).map(Type::Text);
        if let Some(ty) = plain.or_else(language) {
            if !args.is_empty() {
                let help = match name {
                    "Money" => "write `Money`: each amount has its currency with it, such as `5.00 EUR`".to_owned(),
                    _ => format!("write `{name}`"),
                };
                problems.push(arguments(name, span, "takes none", &help));
            }
            return Some(ty);
        }
        if !GENERIC.contains(&name) {
            return None;
        }
        let mut inner: Vec<Type> = args.iter().map(|arg| self.ty(arg, within, problems)).collect();
        if inner.len() != 1 {
            let what = if inner.is_empty() { "has none" } else { "has several" };
            let help = match (name, args) {
                ("Map", [_, _]) => {
                    "keys are always texts: name the type of the values alone, as in `Map<Int>`".to_owned()
                }
                _ => format!("write `{name}<T>` with one type in place of `T`"),
            };
            problems.push(arguments(name, span, what, &help));
        }
        let item = Box::new(if inner.len() == 1 { inner.remove(0) } else { Type::Unknown });
        Some(match name {
            "List" => Type::List(item),
            "Map" => Type::Map(item),
            "Stream" => Type::Stream(item),
            _ => Type::Secret(item),
        })
    }

    fn named(
        &self,
        path: &ast::Path,
        args: &[TypeExpr],
        span: Span,
        within: Option<&str>,
        problems: &mut Vec<Diagnostic>,
    ) -> Type {
        if let Some(full) = self.full_name(path, within) {
            if !args.is_empty() {
                problems.push(arguments(&full, span, "takes none", &format!("write `{full}`")));
            }
            return Type::Named(full);
        }
        let Some(name) = path.last() else { return Type::Unknown };
        if path.parts.iter().any(|part| part.text.is_empty() || self.broken.contains(&part.text)) {
            return Type::Unknown;
        }
        if let [connector, _] = path.parts.as_slice()
            && within != Some(connector.text.as_str())
            && !self.sees(path.span().file, &connector.text)
        {
            let connectors: Vec<&str> = self.connector_spans.keys().map(String::as_str).collect();
            let problem = unknown(Code::E0201, "connector", connector, connectors);
            problems.push(match problem.help {
                Some(_) => problem,
                None => problem.help(format!("add `use {}`", connector.text)),
            });
            return Type::Unknown;
        }
        let mut candidates: Vec<String> = self.visible_types(path.span(), within, |_| true);
        let full = path.text();
        match path.parts.as_slice() {
            [connector, _] => {
                let own = format!("{}.", connector.text);
                candidates =
                    candidates.iter().filter_map(|name| name.strip_prefix(own.as_str()).map(str::to_owned)).collect();
                if within == Some(connector.text.as_str()) {
                    candidates = self.visible_types(path.span(), within, |_| true);
                }
            }
            _ => candidates.extend(built_in_types()),
        }
        let mut problem = unknown(Code::E0205, "type", name, candidates.iter().map(String::as_str));
        if problem.help.is_none() {
            let is_it = |known: &&String| known.split_once('.').is_some_and(|(_, own)| own == name.text);
            let qualified = if is_worth_it() { self.types.0.keys().find(is_it) } else { None };
            problem = match (qualified, path.parts.len()) {
                (Some(known), 1) => problem.help(format!("did you mean `{known}`?")),
                (_, 1) => problem.help(match super::foreign::ty(&full) {
                    Some(help) => help.to_owned(),
                    None => format!("declare it: `record {full} {{ … }}`"),
                }),
                // A connection stands where its connector should.
                (Some(known), _) => problem
                    .help(format!("a type belongs to its connector: did you mean `{known}`?"))
                    .fix(format!("write `{known}`"), vec![Edit { span: path.span(), text: known.clone() }]),
                (None, _) => problem.help("write `connector.Type`, with a type that the connector declares"),
            };
        }
        problems.push(problem);
        Type::Unknown
    }
}

/// What a definition is, in words.
fn describe(def: &TypeDef) -> &'static str {
    match def {
        TypeDef::Record(_) => "a record",
        TypeDef::Enum(_) => "an enum",
        TypeDef::Union { .. } => "a union",
        TypeDef::Error(_) => "an error",
    }
}

fn arguments(name: &str, span: Span, label: &str, help: &str) -> Diagnostic {
    let message = match GENERIC.contains(&name) {
        true => format!("`{name}` takes one type"),
        false => format!("`{name}` takes no types"),
    };
    Diagnostic::new(Code::E0210, message, span, label).help(help)
}

fn alternatives(texts: &[ast::Ident], problems: &mut Vec<Diagnostic>) -> Vec<String> {
    let mut first: IndexMap<&str, Span> = IndexMap::new();
    for text in texts {
        match first.get(text.text.as_str()) {
            Some(span) => problems.push(
                Diagnostic::new(Code::E0202, format!("\"{}\" stands twice", text.text), text.span, "again")
                    .label(*span, "first here")
                    .help("leave one out"),
            ),
            None => {
                first.insert(&text.text, text.span);
            }
        }
    }
    first.into_keys().map(str::to_owned).collect()
}

fn attribute(what: &str, field: &mut Field, attribute: &ast::Ident, problems: &mut Vec<Diagnostic>) {
    let format = match attribute.text.as_str() {
        "pii" => {
            field.pii = true;
            return;
        }
        "whole" if what == "parameter" && (field.ty.is_json() || field.ty == Type::Unknown) => {
            field.whole = true;
            return;
        }
        "whole" => {
            problems.push(
                Diagnostic::new(
                    Code::E0211,
                    format!("`@whole` is for parameters of type `Json`, and this is a {what} of type `{}`", field.ty),
                    attribute.span,
                    "not here",
                )
                .help("leave it out: what has a type of its own is given as it is"),
            );
            return;
        }
        "unix" => Format::UnixSeconds,
        "unix_ms" => Format::UnixMillis,
        _ => {
            let problem = unknown(Code::E0211, "attribute", attribute, ["pii", "unix", "unix_ms", "whole"]);
            problems.push(match problem.help {
                Some(_) => problem,
                None => problem.help("the attributes are `@pii`, `@unix`, `@unix_ms` and `@whole`"),
            });
            return;
        }
    };
    if matches!(field.ty.non_null(), Type::Timestamp | Type::Unknown) {
        field.format = Some(format);
    } else {
        problems.push(
            Diagnostic::new(
                Code::E0211,
                format!("`@{}` says how a `Timestamp` is written, and `{}` is none", attribute.text, field.ty),
                attribute.span,
                "not for this type",
            )
            .help(format!("leave `@{}` out, or make the field a `Timestamp`", attribute.text)),
        );
    }
}

fn bounds(written: &[(ast::Ident, ast::Expr)], ty: &Type, problems: &mut Vec<Diagnostic>) -> Bounds {
    let mut bounds = Bounds::default();
    for (name, value) in written {
        let bound =
            |label: String, help: &str| Diagnostic::new(Code::E0212, label, value.span, "this bound").help(help);
        match (name.text.as_str(), literal(value)) {
            (_, None) => problems.push(bound(
                format!("the bound `{}` is not a literal", name.text),
                "write a number after `min` and `max`, a text after `pattern`",
            )),
            ("min" | "max", Some(number)) => match (number, takes_number(ty)) {
                (Value::Int(_) | Value::Decimal(_), false) => problems.push(bound(
                    format!("`{ty}` has no size that `{}` could bound", name.text),
                    "`min` and `max` are for numbers, strings and lists",
                )),
                (Value::Int(number), true) if name.text == "min" => bounds.min = Some(number.into()),
                (Value::Int(number), true) => bounds.max = Some(number.into()),
                (Value::Decimal(number), true) if name.text == "min" => bounds.min = Some(number),
                (Value::Decimal(number), true) => bounds.max = Some(number),
                _ => problems.push(bound(format!("`{}` takes a number", name.text), "write the number without a unit")),
            },
            ("pattern", Some(Value::String(pattern))) => match regex::Regex::new(&pattern) {
                Ok(_) if matches!(ty.non_null(), Type::String | Type::Unknown) => {
                    bounds.pattern = Some(pattern.to_string());
                }
                Ok(_) => problems
                    .push(bound(format!("`{ty}` is no text that a pattern could fit"), "`pattern` is for `String`")),
                Err(error) => problems.push(bound(
                    "the pattern is no regular expression".to_owned(),
                    &format!("{}: see https://docs.rs/regex/#syntax", reason(&error)),
                )),
            },
            ("pattern", Some(_)) => problems.push(bound("`pattern` takes a text".to_owned(), "write `pattern \"…\"`")),
            _ => problems.push(unknown(Code::E0212, "bound", name, ["min", "max", "pattern"])),
        }
    }
    if let (Some(min), Some(max)) = (bounds.min, bounds.max)
        && min > max
        && let Some((name, value)) = written.first()
    {
        problems.push(
            Diagnostic::new(Code::E0212, "no value fits: `min` is above `max`", name.span.to(value.span), "this bound")
                .help("swap them"),
        );
    }
    bounds
}

/// The problem of a written value that its place does not take, by `min`, `max` or `pattern`.
pub(crate) fn out_of_bounds(
    name: &str,
    bounds: &Bounds,
    value: &Value,
    span: Span,
    declared: Option<Span>,
) -> Option<Diagnostic> {
    let broken = within(value, bounds).err()?;
    let message = format!("`{name}` is {}", broken.expected);
    let problem = Diagnostic::new(Code::E0317, message, span, broken.found);
    let problem = match declared {
        Some(span) => problem.label(span, "declared with this bound"),
        None => problem,
    };
    Some(problem.help("write a value that fits, or change the bound"))
}

/// The last line of a regex error, which says what is wrong; the lines before it draw the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn takes_number(ty: &Type) -> bool {
    matches!(
        ty.non_null(),
        Type::Int | Type::Decimal | Type::String | Type::List(_) | Type::Bytes | Type::Size | Type::Unknown
    )
}

/// The value of an expression that is a literal, a negated number or a text without insertions.
pub(crate) fn literal(expr: &ast::Expr) -> Option<Value> {
    match &expr.kind {
        ast::ExprKind::Literal(value) => Some(value.clone()),
        ast::ExprKind::Text(parts) => text(parts).map(Value::text),
        ast::ExprKind::Unary(flow_model::expr::UnaryOp::Negate, inner) => match literal(inner)? {
            Value::Int(number) => number.checked_neg().map(Value::Int),
            Value::Decimal(number) => Some(Value::Decimal(-number)),
            _ => None,
        },
        _ => None,
    }
}

fn text(parts: &[ast::TextPart]) -> Option<String> {
    parts
        .iter()
        .map(|part| match part {
            ast::TextPart::Fixed(text) => Some(text.as_str()),
            ast::TextPart::Insert(_) => None,
        })
        .collect()
}

/// Reports fields that have in JSON the name of one before them: no value could have both.
fn same_in_json(written: &[ast::Field], problems: &mut Vec<Diagnostic>) {
    // Fields with names of their own are told apart by them.
    if written.iter().all(|field| field.json_name.is_none()) {
        return;
    }
    let mut known: IndexMap<&str, &ast::Field> = IndexMap::with_capacity(written.len());
    for field in written {
        let key = field.json_name.as_ref().unwrap_or(&field.name);
        let Some(first) = known.insert(&key.text, field).filter(|first| first.name.text != field.name.text) else {
            continue;
        };
        let place = first.json_name.as_ref().map_or(first.name.span, |name| name.span);
        let message = format!("`{}` and `{}` are both called `{}` in JSON", first.name.text, field.name.text, key.text);
        let problem = Diagnostic::new(Code::E0202, message, key.span, "again").label(place, "first here");
        problems.push(problem.help("give one of them another name: `from \"jsonName\"`"));
    }
}
