//! Record and list literals, checked field by field against what their place wants.
//!
//! In: a literal and the wanted type. Out: its value with the defaults of the wanted record put in; fields that may be
//! null and are not given stay absent, so that a connector can tell "absent" from "null".

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Expr, ListPart, RecordPart},
    span::Span,
    ty::{Field, Type, TypeDef},
    value::Value,
};
use indexmap::IndexMap;

use super::{Because, Elaborator, Records, Typed, Want, fit, literal};
use crate::{
    ast::{self, Ident, ListEntry, RecordEntry},
    names::similar,
};

/// What a record literal is checked against.
enum Shape<'t> {
    /// Fields, of a type with that name in messages.
    Fields(&'t IndexMap<String, Field>, &'t Type),
    /// Any keys with values of one type.
    Map(&'t Type),
    /// Nothing in particular.
    Free,
}

impl Elaborator<'_> {
    /// `{ a: 1, b, ...rest }`
    pub(super) fn record(&mut self, expr: &ast::Expr, entries: &[RecordEntry], want: Want<'_>) -> Typed {
        let shape = want.shape();
        if let Some(Type::Named(name)) = shape
            && let Some(TypeDef::Union { on, cases }) = self.names.types.get(name)
        {
            return self.case(expr, entries, name, on, cases);
        }
        let names = self.names;
        match shape {
            Some(Type::Map(item)) => self.entries(expr, entries, &Shape::Map(item)),
            Some(ty) => match names.types.fields(ty) {
                Some(fields) => {
                    let typed = self.entries(expr, entries, &Shape::Fields(fields, ty));
                    Typed { ty: if matches!(typed.ty, Type::Unknown) { Type::Unknown } else { ty.clone() }, ..typed }
                }
                None => self.entries(expr, entries, &Shape::Free),
            },
            None => self.entries(expr, entries, &Shape::Free),
        }
    }

    /// A literal of a union: the text in the field that tells the cases apart decides which one it is.
    fn case(
        &mut self,
        expr: &ast::Expr,
        entries: &[RecordEntry],
        union: &str,
        on: &str,
        cases: &IndexMap<String, Type>,
    ) -> Typed {
        let tag = entries.iter().find_map(|entry| match entry {
            RecordEntry::Field { name, value } if name.text == on => Some(value),
            _ => None,
        });
        let tags: Vec<String> = cases.keys().cloned().collect();
        let Some(tag) = tag else {
            let known = literal::quoted(&tags);
            self.problems.push(
                Diagnostic::new(Code::E0307, format!("`{union}` is told by its field `{on}`"), expr.span, "not given")
                    .help(format!("add `{on}`: one of {known}")),
            );
            return Typed::unknown();
        };
        let typed = self.check(tag, Want::of(&Type::OneOf(tags)));
        let case = match &typed.expr {
            Expr::Literal(Value::String(text)) => cases.get(&**text),
            _ => None,
        };
        let Some(case) = case else {
            if !matches!(typed.ty, Type::Unknown) {
                let help = "write it as a text here, so that the fields can be checked";
                self.misplaced(tag.span, &format!("`{on}` says which case it is"), "not known before the run", help);
            }
            return Typed::unknown();
        };
        let names = self.names;
        let Some(fields) = names.types.fields(case) else { return Typed::unknown() };
        let declares_tag = fields.iter().any(|(name, field)| field.json_name.as_deref().unwrap_or(name) == on);
        let rest: Vec<RecordEntry> = entries
            .iter()
            .filter(|entry| declares_tag || !matches!(entry, RecordEntry::Field { name, .. } if name.text == on))
            .cloned()
            .collect();
        let checked = self.entries(expr, &rest, &Shape::Fields(fields, case));
        let mut expr = checked.expr;
        if let (Expr::Record(parts), false) = (&mut expr, declares_tag) {
            parts.insert(0, RecordPart::Field(on.to_owned(), typed.expr));
        }
        let ty = if matches!(checked.ty, Type::Unknown) { Type::Unknown } else { Type::Named(union.to_owned()) };
        Typed::new(expr, ty)
    }

    fn entries(&mut self, expr: &ast::Expr, entries: &[RecordEntry], shape: &Shape<'_>) -> Typed {
        let mut parts = Vec::new();
        // With a map that is spread, the names are not known before the run.
        let (mut has_map, mut spreads) = (false, Vec::new());
        let mut fields: IndexMap<String, Field> = IndexMap::new();
        let mut spans: BTreeMap<&str, Span> = BTreeMap::new();
        // With a field that does not exist, or with what could not be understood, nothing is said of missing ones.
        let mut is_open = false;
        for entry in entries {
            match entry {
                RecordEntry::Field { name, value } => {
                    if let Some(first) = spans.insert(&name.text, name.span) {
                        self.problems.push(
                            Diagnostic::new(
                                Code::E0308,
                                format!("the field `{}` is given twice", name.text),
                                name.span,
                                "again",
                            )
                            .label(first, "first here")
                            .help("leave one out"),
                        );
                        continue;
                    }
                    is_open |= matches!(shape, Shape::Fields(wanted, _) if !wanted.contains_key(&name.text));
                    let typed = self.entry(name, value, shape);
                    fields.insert(name.text.clone(), Field::of(typed.ty));
                    parts.push(RecordPart::Field(name.text.clone(), typed.expr));
                }
                RecordEntry::Spread(rest) => {
                    let wanted = match shape {
                        Shape::Map(item) => Some(Type::Map(Box::new((*item).clone()))),
                        _ => None,
                    };
                    let typed = self.infer(rest, Want { ty: wanted.as_ref(), because: None });
                    let typed = self.non_null(typed, rest, "null can't be spread");
                    is_open |= matches!(typed.ty, Type::Unknown);
                    match (&typed.ty, shape) {
                        (Type::Map(_), Shape::Free) => has_map = true,
                        (ty, shape) => self.spread_fields(ty, rest.span, shape, &mut fields),
                    }
                    spreads.push(typed.ty);
                    parts.push(RecordPart::Spread(typed.expr));
                }
            }
        }
        if let Shape::Fields(wanted, ty) = shape
            && !is_open
            && self.records == Records::Whole
        {
            self.complete(expr.span, wanted, ty, &fields, &mut parts);
        }
        let ty = match shape {
            Shape::Map(item) => Type::Map(Box::new((*item).clone())),
            Shape::Free if has_map => return self.with_maps(expr, parts, &fields, &spreads),
            _ => Type::Record(fields),
        };
        Typed::new(Expr::Record(parts), ty)
    }

    /// A literal into which maps are spread: a map of what all values are, else `Json`.
    fn with_maps(
        &mut self,
        expr: &ast::Expr,
        parts: Vec<RecordPart>,
        fields: &IndexMap<String, Field>,
        spreads: &[Type],
    ) -> Typed {
        let types = &self.names.types;
        let items = spreads.iter().filter_map(|spread| match spread {
            Type::Map(item) => Some(&**item),
            _ => None,
        });
        let mut all = items.chain(fields.values().map(|field| &field.ty));
        let joined = all.try_fold(Type::Never, |joined, ty| fit::join(types, &joined, ty));
        if let Some(item) = joined {
            return Typed::new(Expr::Record(parts), Type::Map(Box::new(item)));
        }
        let mut spread = spreads.iter();
        let as_json = |part| {
            let apply = |value, ty: &Type| Some(self.put(fit::fit(types, ty, &Type::Json)?, value, ty, &Type::Json));
            Some(match part {
                RecordPart::Field(name, value) => {
                    let ty = fields.get(&name).map_or(Type::Unknown, |field| field.ty.clone());
                    RecordPart::Field(name, apply(value, &ty)?)
                }
                RecordPart::Spread(value) => RecordPart::Spread(apply(value, spread.next()?)?),
            })
        };
        match parts.into_iter().map(as_json).collect::<Option<Vec<_>>>() {
            Some(parts) => Typed::new(Expr::Record(parts), Type::Json),
            None => {
                self.problems.push(
                    Diagnostic::new(
                        Code::E0301,
                        "what is spread together with a map has to be JSON",
                        expr.span,
                        "holds what JSON can't",
                    )
                    .help("leave out the secret, the file or the function, or name the entries of the map"),
                );
                Typed::unknown()
            }
        }
    }

    /// One field with its value.
    fn entry(&mut self, name: &Ident, value: &ast::Expr, shape: &Shape<'_>) -> Typed {
        match shape {
            Shape::Free => self.infer(value, Want::default()),
            Shape::Map(item) => self.check(value, Want::of(item)),
            Shape::Fields(fields, ty) => match fields.get(&name.text) {
                Some(field) => {
                    let because = self.field_reason(ty, &name.text, &field.ty);
                    let typed = self.check(value, Want { ty: Some(&field.ty), because: because.as_ref() });
                    let declared = self.field_span(ty, &name.text).copied();
                    self.within_bounds(&name.text, &field.bounds, &typed, value.span, declared);
                    typed
                }
                None => {
                    let problem = self.no_field(name, fields, ty);
                    self.problems.push(problem);
                    self.infer(value, Want::default());
                    Typed::unknown()
                }
            },
        }
    }

    /// Where the type of a field is declared, if the record has a name.
    pub(super) fn field_reason(&self, ty: &Type, field: &str, declared: &Type) -> Option<Because> {
        let span = *self.field_span(ty, field)?;
        Some(Because { span, text: format!("`{field}` is declared `{declared}`") })
    }

    /// Where a field of a named type is declared.
    pub(super) fn field_span(&self, ty: &Type, field: &str) -> Option<&Span> {
        match ty {
            Type::Named(name) => self.names.field_spans.get(&(name.clone(), field.to_owned())),
            _ => None,
        }
    }

    fn no_field(&self, name: &Ident, fields: &IndexMap<String, Field>, ty: &Type) -> Diagnostic {
        let problem = Diagnostic::new(
            Code::E0306,
            format!("{} has no field `{}`", spoken(ty), name.text),
            name.span,
            "no such field",
        );
        let problem = match ty {
            Type::Named(declared) => match self.names.type_spans.get(declared) {
                Some(span) => problem.label(*span, "declared here"),
                None => problem,
            },
            _ => problem,
        };
        match similar(&name.text, fields.keys().map(String::as_str)) {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
            None => problem.help(format!("its fields are {}", listed(fields.keys()))),
        }
    }

    /// What a spread brings into a record.
    fn spread_fields(&mut self, ty: &Type, span: Span, shape: &Shape<'_>, fields: &mut IndexMap<String, Field>) {
        let names = self.names;
        match (ty, shape) {
            (Type::Unknown, _) => {}
            (Type::Map(given), Shape::Map(item)) if fit::fit(&names.types, given, item).is_some() => {}
            (ty, shape) => match (names.types.fields(ty), shape) {
                (Some(given), Shape::Map(item)) => {
                    let odd = given.iter().find(|(_, field)| fit::fit(&names.types, &field.ty, item).is_none());
                    if let Some((name, field)) = odd {
                        self.problems.push(
                            Diagnostic::new(
                                Code::E0301,
                                format!("`{item}` is expected for each entry"),
                                span,
                                format!("its field `{name}` is `{}`", field.ty),
                            )
                            .help(format!("name the entries that are meant: `{{ {name}: … }}`")),
                        );
                    }
                }
                (Some(given), Shape::Fields(wanted, _)) => {
                    for (name, field) in given {
                        if let Some(want) = wanted.get(name)
                            && fit::fit(&names.types, &field.ty, &want.ty).is_none()
                        {
                            self.problems.push(
                                Diagnostic::new(
                                    Code::E0301,
                                    format!("the field `{name}` is `{}` where `{}` is expected", field.ty, want.ty),
                                    span,
                                    "spread here",
                                )
                                .help(format!("give `{name}` after it, or leave the spread out")),
                            );
                        }
                        fields.insert(name.clone(), Field::of(field.ty.clone()));
                    }
                }
                (Some(given), Shape::Free) => {
                    for (name, field) in given {
                        fields.insert(name.clone(), Field::of(field.ty.clone()));
                    }
                }
                (None, _) => self.problems.push(
                    Diagnostic::new(
                        Code::E0301,
                        "only a record can be spread into a record",
                        span,
                        format!("of type `{ty}`"),
                    )
                    .help("name the fields, or convert the value to a record first"),
                ),
            },
        }
    }

    /// Reports fields that are missing, and puts defaults in.
    fn complete(
        &mut self,
        span: Span,
        wanted: &IndexMap<String, Field>,
        ty: &Type,
        given: &IndexMap<String, Field>,
        parts: &mut Vec<RecordPart>,
    ) {
        let mut missing = Vec::new();
        for (name, field) in wanted.iter().filter(|(name, _)| !given.contains_key(*name)) {
            match &field.default {
                Some(default) => parts.push(RecordPart::Field(name.clone(), (**default).clone())),
                None if field.ty.is_nullable() => {}
                None => missing.push((name, &field.ty)),
            }
        }
        let Some((first, _)) = missing.first() else { return };
        let names: Vec<String> = missing.iter().map(|(name, ty)| format!("`{name}: {ty}`")).collect();
        let what = if missing.len() == 1 { "field" } else { "fields" };
        let list: Vec<String> = missing.iter().map(|(name, _)| format!("`{name}`")).collect();
        let mut problem = Diagnostic::new(
            Code::E0307,
            format!("{} needs the {what} {}", spoken(ty), list.join(", ")),
            span,
            "not given",
        );
        if let Some(declared) = self.field_span(ty, first) {
            problem = problem.label(*declared, "declared without a default");
        }
        // In a test, a value with many fields is easier taken from a file.
        let more = match self.fixtures {
            Some(_) if missing.len() > 1 => "; or take a whole value from a file: `fixture(\"fixtures/value.json\")`",
            _ => "",
        };
        self.problems.push(problem.help(format!("add {}{more}", names.join(", "))));
    }

    /// `[1, 2, ...rest]`
    pub(super) fn list(&mut self, entries: &[ListEntry], want: Want<'_>) -> Typed {
        let wanted = match want.shape() {
            Some(Type::List(item)) if !matches!(**item, Type::Variable(_)) => Some(&**item),
            _ => None,
        };
        let mut parts = Vec::new();
        let mut item = Type::Never;
        let mut first: Option<Span> = None;
        for entry in entries {
            let (typed, span) = match entry {
                ListEntry::Item(value) => {
                    let typed = self.check(value, Want { ty: wanted, because: want.because });
                    parts.push(ListPart::Item(typed.expr.clone()));
                    (typed, value.span)
                }
                ListEntry::Spread(rest) => {
                    let list = wanted.map(|item| Type::List(Box::new(item.clone())));
                    let typed = self.check(rest, Want { ty: list.as_ref(), because: want.because });
                    let typed = self.non_null(typed, rest, "null can't be spread");
                    parts.push(ListPart::Spread(typed.expr.clone()));
                    (self.spread_item(typed, rest.span), rest.span)
                }
            };
            item = match fit::join(&self.names.types, &item, &typed.ty) {
                Some(joined) => joined,
                None => {
                    let problem = Diagnostic::new(
                        Code::E0316,
                        "the items of a list have one type",
                        span,
                        format!("of type `{}`", typed.ty),
                    )
                    .help("make them alike, or use a record");
                    self.problems.push(match first {
                        Some(first) => problem.label(first, format!("of type `{item}`")),
                        None => problem,
                    });
                    Type::Unknown
                }
            };
            first.get_or_insert(span);
        }
        let item = match wanted {
            Some(wanted) if !matches!(item, Type::Unknown) => wanted.clone(),
            _ => item,
        };
        Typed::new(Expr::List(parts), Type::List(Box::new(item)))
    }

    fn spread_item(&mut self, typed: Typed, span: Span) -> Typed {
        match typed.ty {
            Type::List(item) => Typed::new(typed.expr, *item),
            Type::Unknown => Typed::unknown(),
            other => {
                self.problems.push(
                    Diagnostic::new(
                        Code::E0301,
                        "only a list can be spread into a list",
                        span,
                        format!("of type `{other}`"),
                    )
                    .help("leave `...` out to add it as one item"),
                );
                Typed::unknown()
            }
        }
    }
}

/// What a person calls a record type.
fn spoken(ty: &Type) -> String {
    match ty {
        Type::Named(name) => format!("`{name}`"),
        _ => "the record".to_owned(),
    }
}

/// Names in backticks, joined by commas.
pub(crate) fn listed<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
