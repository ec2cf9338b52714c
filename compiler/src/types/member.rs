//! `a.b`, `a?.b` and `a[i]`: what is below a value?
//!
//! In: a value and a name or index. Out: the field, the property of a standard type, the variant of an enum. Reading
//! from `Json`, from a map or by index may yield null. A value that may itself be null is reported with the place that
//! made it so.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit, Fix},
    expr::{Ambient, BinaryOp, Expr},
    function::Form,
    span::Span,
    ty::{Type, TypeDef},
    value::Value,
};

use super::{Elaborator, Origin, Source, Typed, Want, expect, fit, record::listed};
use crate::{
    ast::{self, ExprKind, Ident},
    names::{chain, foreign, similar},
    query::watch::{self, Meaning},
};

/// How many names an operation is looked for behind a connection's.
const LONGEST_OPERATION: usize = 8;

/// How long the name of a type may be in the title of a message.
const LONG: usize = 90;

impl Elaborator<'_> {
    /// `a.b`, `a?.b`, `Tier.Pro`
    pub(super) fn member(&mut self, expr: &ast::Expr, of: &ast::Expr, name: &Ident, null_safe: bool) -> Typed {
        if let Some(variant) = self.variant(of, name) {
            return variant;
        }
        if let Some(connection) = root_within(of, LONGEST_OPERATION)
            && self.is_connection(connection, of.span)
        {
            let operation = chain(expr).map_or_else(|| connection.to_owned(), |path| path.text());
            return self.misplaced(
                expr.span,
                &format!("`{operation}` is an operation, not a value"),
                "not called",
                &format!("call it in a step: `step x = {operation}(…)`"),
            );
        }
        let value = self.infer(of, Want::default());
        self.member_below(value, of, name, null_safe)
    }

    /// Says whether a name stands for a connection here: one that no binding hides.
    pub(crate) fn is_connection(&self, name: &str, at: Span) -> bool {
        !self.scope.has(name) && self.names.connections.contains_key(name) && self.names.sees(at.file, name)
    }

    fn member_below(&mut self, value: Typed, of: &ast::Expr, name: &Ident, null_safe: bool) -> Typed {
        let nullable = matches!(value.ty, Type::Optional(_) | Type::Null);
        match (nullable, null_safe) {
            (true, false) => {
                if fit::holds_secret(&self.names.types, &value.ty) {
                    return self.member_of(value, of.span, name, false);
                }
                let dot = Span { start: of.span.end, end: of.span.end, ..of.span };
                let help = format!(
                    "write `?.{}`, which is null then; or say before what holds: `?? other`, `else fail E()`",
                    name.text
                );
                let what = format!("then it has no `{}`", name.text);
                let before = self.problems.len();
                let typed = self.non_null_or(value, of, &what, &help);
                if let Some(problem) = self.problems.get_mut(before) {
                    let edit = Edit { span: dot, text: "?".to_owned() };
                    problem.fixes.push(Fix { title: format!("write `?.{}`", name.text), edits: vec![edit] });
                }
                typed
            }
            (false, true) if !Self::can_be_null(&value.ty) => {
                let label = format!("of type `{}`", value.ty);
                self.problems.push(
                    Diagnostic::new(Code::W0301, "`?.` follows a value that is never null", of.span, label)
                        .help(format!("write `.{}`", name.text)),
                );
                self.member_of(value, of.span, name, false)
            }
            (true, true) => {
                let inner = Typed { ty: value.ty.non_null().clone(), ..value };
                let member = self.member_of(inner, of.span, name, true);
                // What is null by `?.` alone has no declaration that says so.
                let origin = member.origin.filter(|_| Self::can_be_null(&member.ty));
                let ty = member.ty.clone().optional();
                self.narrowed(Typed { ty, origin, ..member })
            }
            _ => self.member_of(value, of.span, name, null_safe),
        }
    }

    /// A member of a value that is not null, or that `?.` guards.
    pub(super) fn member_of(&mut self, value: Typed, span: Span, name: &Ident, null_safe: bool) -> Typed {
        let names = self.names;
        let read = |value: Typed, ty: Type, origin: Option<Origin>| {
            let expr = Expr::Member { of: Box::new(value.expr), name: name.text.clone(), null_safe };
            Typed { expr, ty, origin }
        };
        match &value.ty {
            Type::Unknown | Type::Never => return Typed::unknown(),
            Type::Json => {
                let typed = read(value, Type::Json.optional(), None);
                return self.narrowed(typed);
            }
            Type::Secret(_) => {
                self.problems.push(expect::secret("a secret has no members", span));
                return Typed::unknown();
            }
            Type::Optional(inner) if matches!(**inner, Type::Secret(_)) => {
                self.problems.push(expect::secret("a secret has no members", span));
                return Typed::unknown();
            }
            _ => {}
        }
        if let Some(field) = names.types.fields(&value.ty).and_then(|fields| fields.get(&name.text)) {
            let ty = field.ty.clone();
            let origin =
                self.field_span(&value.ty, &name.text).map(|span| Origin { span: *span, source: Source::Field });
            let declared = origin.map(|origin| origin.span);
            watch::see(name.span, || Meaning::Field { name: name.text.clone(), ty: ty.clone(), declared });
            let typed = read(value, ty, origin);
            return self.narrowed(typed);
        }
        if let Some(ty) = self.shared_member(&value.ty, &name.text) {
            let typed = read(value, ty, None);
            return self.narrowed(typed);
        }
        if let Some(signature) = self.definitions.member(&names.types, &value.ty, &name.text) {
            watch::see(name.span, || Meaning::Standard(signature.name.clone()));
            if signature.form == Form::Property {
                return self.property(signature, value, null_safe);
            }
            return self.misplaced(
                name.span,
                &format!("`{}` is a function and is not called", name.text),
                "a function",
                &format!("call it: `.{}(…)`", name.text),
            );
        }
        let problem = self.no_member(&value, name);
        self.problems.push(problem);
        Typed::unknown()
    }

    /// What all cases of a union have: a field of the same type, or the text that tells them apart.
    fn shared_member(&self, ty: &Type, name: &str) -> Option<Type> {
        let Type::Named(union) = ty else { return None };
        let types = &self.names.types;
        let Some(TypeDef::Union { on, cases }) = types.get(union) else { return None };
        let mut shared: Option<Type> = None;
        for case in cases.values() {
            let Some(field) = types.fields(case).and_then(|fields| fields.get(name)) else {
                return (name == on).then(|| Type::OneOf(cases.keys().cloned().collect()));
            };
            shared = match shared {
                None => Some(field.ty.clone()),
                Some(ty) => Some(fit::join(types, &ty, &field.ty)?),
            };
        }
        shared
    }

    fn no_member(&self, value: &Typed, name: &Ident) -> Diagnostic {
        let types = &self.names.types;
        watch::offer(&name.text, || {
            let fields = types.fields(&value.ty).into_iter().flatten();
            fields.map(|(name, field)| (name.as_str(), field.ty.to_string())).collect()
        });
        let problem = Diagnostic::new(
            Code::E0303,
            match value.ty.to_string() {
                long if long.len() > LONG && matches!(value.ty.non_null(), Type::Record(_)) => {
                    format!("this record has no member `{}`", name.text)
                }
                ty => format!("`{ty}` has no member `{}`", name.text),
            },
            name.span,
            "no such member",
        );
        let problem = match &value.ty {
            Type::Named(declared) => match self.names.type_spans.get(declared) {
                Some(span) => problem.label(*span, "declared here"),
                None => problem,
            },
            _ => match value.origin {
                Some(origin) => problem.label(origin.span, format!("of type `{}`", value.ty)),
                None => problem,
            },
        };
        let help = match (&value.ty, name.text.as_str()) {
            (
                Type::Timestamp,
                "format" | "date" | "year" | "month" | "day" | "hour" | "minute" | "weekday" | "to_string",
            ) => Some("clocks differ by zone: `.in(\"Europe/Berlin\")` comes before it"),
            (Type::String, "join") => Some("the list comes first: `xs.join(\", \")`"),
            (Type::String, "format") => Some("put the values into the text: `\"… {x}\"`"),
            (_, name) => foreign::member(name),
        };
        if let (Some(help), None) = (help, self.names.types.fields(&value.ty)) {
            return problem.help(help);
        }
        if let Type::List(item) = &value.ty
            && types.fields(item).is_some_and(|fields| fields.contains_key(&name.text))
        {
            return problem.help(format!(
                "it is a list, and each item has one: `….map(x -> x.{0})` reads it of all, `….first?.{0}` of the first",
                name.text
            ));
        }
        if let Type::Map(_) = value.ty {
            return problem
                .help(format!("read an entry of a map with `[\"{}\"]`, which is null where there is none", name.text));
        }
        let mut members: Vec<String> =
            types.fields(&value.ty).map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
        let has_fields = !members.is_empty();
        let standard = self.definitions.members(types, &value.ty);
        let near = similar(&name.text, members.iter().chain(&standard).map(String::as_str)).map(str::to_owned);
        // What a string of a kind has of its own comes first.
        let of_string = match &value.ty {
            Type::Email | Type::Url | Type::Uuid => self.definitions.members(types, &Type::String),
            _ => Vec::new(),
        };
        let own: Vec<String> = standard.iter().filter(|member| !of_string.contains(member)).cloned().collect();
        match near {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near }]),
            None => {
                if !has_fields {
                    members = standard;
                }
                match &value.ty {
                    Type::Named(union) if let Some(TypeDef::Union { cases, .. }) = types.get(union) => {
                        let has =
                            |case: &Type| types.fields(case).is_some_and(|fields| fields.contains_key(&name.text));
                        let case = cases.iter().find_map(|(tag, case)| has(case).then_some(tag));
                        let case = case.or_else(|| cases.keys().next()).map_or("case", String::as_str);
                        problem.help(format!("tell its cases apart: `match … {{ {case} as x => x.… }}`"))
                    }
                    _ if members.is_empty() => problem,
                    _ if !of_string.is_empty() && !own.is_empty() => {
                        problem.help(format!("it has {}, and what every `String` has", listed(&own)))
                    }
                    _ => problem.help(format!("it has {}", listed(&members))),
                }
            }
        }
    }

    /// A variant of an enum: `Tier.Pro`, `crm.Stage.Won`.
    fn variant(&mut self, of: &ast::Expr, name: &Ident) -> Option<Typed> {
        let full = match &of.kind {
            ExprKind::Name(one) if !self.scope.has(one) => {
                let own = self.within.as_ref().map(|connector| format!("{connector}.{one}"));
                own.filter(|own| self.names.types.get(own).is_some())
                    .or_else(|| self.names.sees(of.span.file, one).then(|| one.clone()))?
            }
            ExprKind::Member { of: connector, name: one, null_safe: false } => match &connector.kind {
                ExprKind::Name(connector) if !self.scope.has(connector) => format!("{connector}.{}", one.text),
                _ => return None,
            },
            _ => return None,
        };
        let names = self.names;
        let TypeDef::Enum(variants) = names.types.get(&full)? else { return None };
        if variants.contains(&name.text) {
            return Some(Typed::new(Expr::Literal(Value::text(name.text.as_str())), Type::Named(full)));
        }
        let mut problem = Diagnostic::new(
            Code::E0303,
            format!("`{full}` has no variant `{}`", name.text),
            name.span,
            "no such variant",
        );
        if let Some(span) = names.type_spans.get(&full) {
            problem = problem.label(*span, "declared here");
        }
        self.problems.push(match similar(&name.text, variants.iter().map(String::as_str)) {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
            None => problem.help(format!("its variants are {}", listed(variants))),
        });
        Some(Typed::unknown())
    }

    /// `a[i]`
    pub(super) fn index(&mut self, of: &ast::Expr, index: &ast::Expr) -> Typed {
        let value = self.infer(of, Want::default());
        let is_json = matches!(&value.ty, Type::Optional(inner) if **inner == Type::Json);
        let name = match &index.kind {
            ExprKind::Text(parts) if is_json => super::literal::fixed(parts),
            _ => None,
        };
        let is_name = |name: &String| {
            name.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
                && name.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
        };
        let help = match name.filter(is_name) {
            Some(name) => format!("write `?.{name}`, which is null where there is nothing"),
            None => {
                let empty = if matches!(value.ty.non_null(), Type::Map(_)) { "{}" } else { "[]" };
                let text = chain(of).map_or_else(|| "…".to_owned(), |path| path.text());
                format!(
                    "say what is read then, such as `({text} ?? {empty})[…]`, which has nothing there; or ask before: `if {text} != null {{ … }}`"
                )
            }
        };
        let value = self.non_null_or(value, of, "null has no items", &help);
        let (key, ty) = match &value.ty {
            Type::List(item) => (Type::Int, (**item).clone().optional()),
            Type::Map(item) => (Type::String, (**item).clone().optional()),
            Type::Json => {
                let key = self.infer(index, Want::default());
                if !matches!(key.ty, Type::Int | Type::Unknown) && !fit::is_text(&self.names.types, &key.ty) {
                    self.problems.push(
                        Diagnostic::new(
                            Code::E0301,
                            "`Json` is read by a position or a name",
                            index.span,
                            format!("of type `{}`", key.ty),
                        )
                        .help("give an `Int` or a `String`"),
                    );
                }
                return Typed::new(Expr::Index(Box::new(value.expr), Box::new(key.expr)), Type::Json.optional());
            }
            Type::Unknown | Type::Never => {
                self.infer(index, Want::default());
                return Typed::unknown();
            }
            other => {
                let help = match &index.kind {
                    ExprKind::Text(parts) if self.names.types.fields(other).is_some() => {
                        super::literal::fixed(parts).map(|name| format!("write `.{name}`"))
                    }
                    _ => None,
                };
                self.problems.push(
                    Diagnostic::new(
                        Code::E0301,
                        "only lists, maps and `Json` are read by index",
                        of.span,
                        format!("of type `{other}`"),
                    )
                    .help(help.unwrap_or_else(|| "read a field with `.name`".to_owned())),
                );
                return Typed::unknown();
            }
        };
        let mut key = self.check(index, Want::of(&key));
        match &mut key.expr {
            // Names of headers are the same in any case, and known in lower case.
            Expr::Literal(Value::String(name)) if self.is_headers(&value.expr) => {
                *name = name.to_ascii_lowercase().into();
            }
            Expr::Literal(Value::Int(place)) if *place < 0 => self.problems.push(
                Diagnostic::new(Code::E0317, "a list has nothing before its first item", index.span, "is always null")
                    .help("places count from 0; the last item is `.last`"),
            ),
            _ => {}
        }
        Typed::new(Expr::Index(Box::new(value.expr), Box::new(key.expr)), ty)
    }

    /// Says whether these are the headers of a request or an answer.
    fn is_headers(&self, expr: &Expr) -> bool {
        let of = match expr {
            Expr::Ambient(Ambient::Headers) => return true,
            Expr::Member { of, name, .. } if name == "headers" => &**of,
            _ => return false,
        };
        let ty = match of {
            Expr::Slot(slot) => self.scope.bindings().find(|(_, one)| one.slot == *slot).map(|(_, one)| &one.ty),
            Expr::Ambient(which) => self.ambient.iter().rev().find(|(known, _)| known == which).map(|(_, ty)| ty),
            _ => None,
        };
        let parts = ["body", "headers", "query", "method", "path"];
        match ty.map(Type::non_null) {
            Some(Type::Record(fields)) => {
                fields.len() == parts.len() && parts.iter().all(|part| fields.contains_key(*part))
            }
            _ => false,
        }
    }

    /// Guards a call on a value that may be null: `x?.f()` is null when `x` is.
    pub(super) fn guarded(&mut self, value: Typed, call: impl FnOnce(&mut Self, Typed) -> Typed) -> Typed {
        let slot = self.scope.fresh();
        let inner = Typed { expr: Expr::Slot(slot), ty: value.ty.non_null().clone(), origin: value.origin };
        let result = call(self, inner);
        let is_null = Expr::Binary(BinaryOp::Equal, Box::new(Expr::Slot(slot)), Box::new(Expr::Literal(Value::Null)));
        let then = Expr::If(Box::new(is_null), Box::new(Expr::Literal(Value::Null)), Box::new(result.expr));
        let expr = Expr::Let { slot, value: Box::new(value.expr), then: Box::new(then) };
        Typed { expr, ty: result.ty.optional(), origin: None }
    }
}

/// The name that a short chain of members begins with.
fn root_within(expr: &ast::Expr, most: usize) -> Option<&str> {
    let mut at = expr;
    for _ in 0..most {
        match &at.kind {
            ExprKind::Name(name) => return Some(name),
            ExprKind::Member { of, null_safe: false, .. } => at = of,
            _ => return None,
        }
    }
    None
}
