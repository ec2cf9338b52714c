//! Which values does a pattern take, and what does it bind?
//!
//! In: a pattern as written and the type of what is matched. Out: the pattern of the plan; names are bound in the
//! innermost frame. A lone name is a variant or a case where the type has one of that name, and binds otherwise.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Expr, Pattern},
    span::Span,
    ty::{Type, TypeDef},
    value::Value,
};

use super::{Elaborator, Kind, Place, Typed, exhaustive, fit, literal, narrow, record::listed};
use crate::{
    ast::{self, Ident, PatternKind},
    names::similar,
};

/// What is known of a `match` while its arms are gone through.
pub(crate) struct Arms {
    /// The type of what is matched; once an arm has taken null, without it.
    ty: Type,
    /// The type at the beginning.
    whole: Type,
    /// Where it is, if it is a place.
    place: Option<Place>,
    /// The patterns so far, with their places and whether a guard may refuse.
    rows: Vec<Row>,
    /// Whether a part could not be understood, so that nothing can be said of the whole.
    is_broken: bool,
}

struct Row {
    pattern: Pattern,
    span: Span,
    is_guarded: bool,
}

impl Arms {
    /// A `match` on a value, with no arm yet.
    pub(crate) fn new(subject: &Typed) -> Self {
        Self {
            ty: subject.ty.clone(),
            whole: subject.ty.clone(),
            place: Place::of(&subject.expr),
            rows: Vec::new(),
            is_broken: matches!(subject.ty, Type::Unknown | Type::Never),
        }
    }
}

impl Elaborator<'_> {
    /// Opens a frame for an arm and elaborates its pattern and guard; the caller closes the frame.
    pub(crate) fn open_arm(&mut self, state: &mut Arms, arm: &ast::MatchArm) -> (Pattern, Option<Expr>) {
        self.scope.push();
        let before = self.problems.len();
        let has_gaps = std::mem::take(&mut self.has_gaps);
        let pattern = match &arm.pattern.kind {
            PatternKind::Name(name) if self.asks_for_type(name, &state.ty) => {
                // Further arms of the kind are the same mistake.
                if !state.is_broken {
                    self.problems.push(type_asked(name, &state.ty));
                }
                Pattern::Any
            }
            _ => self.pattern(&arm.pattern, &state.ty, true),
        };
        state.is_broken |= self.problems.len() > before || self.has_gaps;
        self.has_gaps |= has_gaps;
        let is_null_taken = Self::can_be_null(&state.whole) && !Self::can_be_null(&state.ty);
        if (is_null_taken || !takes_null(&pattern))
            && let Some(place) = &state.place
        {
            self.scope.learn(vec![place.clone()]);
        }
        if matches!(state.whole, Type::Unknown) {
            self.scope.learn(vec![Place::anything()]);
        }
        let guard = arm.guard.as_ref().map(|guard| {
            let guard = self.condition(guard);
            self.scope.learn(narrow::present(&guard, true));
            guard
        });
        if guard.is_none() && takes_null(&pattern) {
            state.ty = state.ty.non_null().clone();
        }
        state.rows.push(Row { pattern: pattern.clone(), span: arm.pattern.span, is_guarded: guard.is_some() });
        (pattern, guard)
    }

    /// Says whether a name in capitals, which no value is called, would take every value.
    fn asks_for_type(&self, name: &Ident, ty: &Type) -> bool {
        let is_own = match ty.non_null() {
            Type::Named(declared) => self.names.types.get(declared).is_some(),
            Type::OneOf(texts) => texts.contains(&name.text),
            Type::Unknown | Type::Never => true,
            _ => false,
        };
        !is_own && name.text.starts_with(|first: char| first.is_ascii_uppercase())
    }

    /// Says whether an arm after this one sees only values that are not null.
    pub(crate) fn finish_match(&mut self, span: Span, subject: Span, state: Arms) {
        // An arm that could not be read may be the one that is missing.
        if state.is_broken || self.gaps_in(span) {
            return;
        }
        let names = self.names;
        let mut taken: Vec<(&Pattern, Span)> = Vec::new();
        for row in &state.rows {
            let rows: Vec<&Pattern> = taken.iter().map(|(pattern, _)| *pattern).collect();
            if !exhaustive::takes_more(&names.types, &state.whole, &rows, &row.pattern) {
                let mut problem =
                    Diagnostic::new(Code::E0305, "this arm is never reached", row.span, "nothing is left for it");
                let covering = taken
                    .iter()
                    .find(|(pattern, _)| !exhaustive::takes_more(&names.types, &state.whole, &[pattern], &row.pattern));
                if let Some((_, span)) = covering {
                    problem = problem.label(*span, "takes all of it");
                }
                self.problems.push(problem.help("leave it out, or put it before"));
            }
            if !row.is_guarded {
                taken.push((&row.pattern, row.span));
            }
        }
        let rows: Vec<&Pattern> = taken.iter().map(|(pattern, _)| *pattern).collect();
        let missing = exhaustive::missing(&names.types, &state.whole, &rows);
        if missing.is_empty() {
            return;
        }
        let keyword = Span { end: (span.start + 5).min(span.end), ..span };
        let what = missing.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
        let guarded = state.rows.iter().any(|row| row.is_guarded);
        let help = match missing.as_slice() {
            [one] if one == "_" => "add an arm for everything else: `_ => …`".to_owned(),
            _ if guarded => {
                format!("add arms for {what}, or `_ => …`; an arm with `if` may refuse, so it does not count")
            }
            [one] => format!("add an arm: `{one} => …`"),
            _ => format!("add arms for {what}, or `_ => …` for all of them"),
        };
        self.problems.push(
            Diagnostic::new(
                Code::E0304,
                match missing.as_slice() {
                    [one] if one == "_" => "this `match` has no arm for the other values".to_owned(),
                    _ => format!("this `match` has no arm for {what}"),
                },
                keyword,
                "does not handle every case",
            )
            .label(subject, format!("of type `{}`", state.whole))
            .help(help),
        );
    }

    /// A pattern for values of a type; `binds` is false within alternatives.
    fn pattern(&mut self, written: &ast::Pattern, ty: &Type, binds: bool) -> Pattern {
        let inner = ty.non_null();
        match &written.kind {
            PatternKind::Any => Pattern::Any,
            PatternKind::Missing => {
                self.has_gaps = true;
                Pattern::Any
            }
            PatternKind::Name(name) => self.pattern_name(name, ty, binds),
            PatternKind::As(tag, name) => self.pattern_case(tag, Some(name), inner, binds),
            PatternKind::Path(path) => self.pattern_path(path, inner),
            PatternKind::Literal(value) => self.pattern_literal(value, written.span, ty),
            PatternKind::Range(from, to) => self.pattern_range(from.as_ref(), to.as_ref(), written.span, inner),
            PatternKind::StartsWith(prefix) => {
                if !matches!(inner, Type::Unknown | Type::Json | Type::Never) && !fit::is_text(&self.names.types, inner)
                {
                    self.misfit(written.span, "`starts_with` is for text", ty);
                }
                Pattern::StartsWith(prefix.clone())
            }
            PatternKind::Record(fields) => self.pattern_record(fields, written.span, inner, binds),
            PatternKind::List { items, rest } => {
                let item = match inner {
                    Type::List(item) => (**item).clone(),
                    Type::Json => Type::Json.optional(),
                    Type::Unknown | Type::Never => Type::Unknown,
                    _ => {
                        self.misfit(written.span, "a list pattern fits only a list", ty);
                        Type::Unknown
                    }
                };
                let items = items.iter().map(|one| self.pattern(one, &item, binds)).collect();
                let rest = rest.as_ref().map(|name| {
                    name.as_ref().and_then(|name| self.pattern_bind(name, Type::List(Box::new(item.clone())), binds))
                });
                Pattern::List { items, rest }
            }
            PatternKind::Either(options) => {
                Pattern::Either(options.iter().map(|option| self.pattern(option, ty, false)).collect())
            }
        }
    }

    fn pattern_bind(&mut self, name: &Ident, ty: Type, binds: bool) -> Option<flow_model::expr::Slot> {
        if !binds {
            let message = format!("`{}` would be bound by one alternative only", name.text);
            // Where each alternative binds it, that is one mistake.
            if self.problems.last().is_none_or(|last| last.message != message) {
                self.problems.push(
                    Diagnostic::new(Code::E0310, message, name.span, "binds").help("write `_`, or an arm of its own"),
                );
                // The value of the arm may use it.
                self.bind_new(name, Type::Unknown, Kind::Pattern);
            }
            return None;
        }
        if name.text == "_" {
            return None;
        }
        Some(self.bind_new(name, ty, Kind::Pattern))
    }

    fn pattern_name(&mut self, name: &Ident, ty: &Type, binds: bool) -> Pattern {
        let names = self.names;
        let inner = ty.non_null();
        let def = match inner {
            Type::Named(declared) => names.types.get(declared).map(|def| (declared, def)),
            _ => None,
        };
        match def {
            Some((_, TypeDef::Enum(variants))) if variants.contains(&name.text) => {
                return Pattern::Literal(Value::text(name.text.as_str()));
            }
            Some((_, TypeDef::Union { cases, .. })) if cases.contains_key(&name.text) => {
                return self.pattern_case(name, None, inner, binds);
            }
            Some((declared, TypeDef::Enum(variants)))
                if name.text.starts_with(char::is_uppercase)
                    || variants.iter().any(|one| is_meant(&name.text, one)) =>
            {
                self.no_variant(name, declared, variants);
                return Pattern::Any;
            }
            // Only a case can be meant: a name would take all of them.
            Some((_, TypeDef::Union { cases, .. })) if cases.keys().any(|one| is_meant(&name.text, one)) => {
                return self.pattern_case(name, None, inner, binds);
            }
            _ => {}
        }
        if let Type::OneOf(texts) = inner
            && texts.contains(&name.text)
        {
            let message = format!("`{}` is a name here, and would take every value", name.text);
            let help = format!("write `{:?}`", name.text);
            let fix = vec![Edit { span: name.span, text: format!("{:?}", name.text) }];
            self.problems.push(
                Diagnostic::new(Code::E0310, message, name.span, "without quotes").help(help.clone()).fix(help, fix),
            );
            return Pattern::Any;
        }
        if names.consts.contains_key(&name.text) && names.sees(name.span.file, &name.text) {
            let message = format!("`{}` is a new name here, and would take every value", name.text);
            let mut problem = Diagnostic::new(Code::E0310, message, name.span, "not the constant");
            if let Some((_, span)) = names.items.get(&name.text) {
                problem = problem.label(*span, "the constant of that name");
            }
            let help = format!("compare with it in a condition, `x if x == {0} => …`, or write its value", name.text);
            self.problems.push(problem.help(help));
            return Pattern::Any;
        }
        match self.pattern_bind(name, ty.clone(), binds) {
            Some(slot) => Pattern::Bind(slot),
            None => Pattern::Any,
        }
    }

    fn no_variant(&mut self, name: &Ident, declared: &str, variants: &[String]) {
        let near = variants.iter().find(|one| is_meant(&name.text, one)).map(String::as_str);
        let mut problem = Diagnostic::new(
            Code::E0303,
            format!("`{declared}` has no variant `{}`", name.text),
            name.span,
            "no such variant",
        );
        if let Some(span) = self.names.type_spans.get(declared) {
            problem = problem.label(*span, "declared here");
        }
        self.problems.push(match near.or_else(|| similar(&name.text, variants.iter().map(String::as_str))) {
            Some(near) => problem
                .help(format!("did you mean `{near}`?"))
                .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
            None => problem.help(format!("its variants are {}", listed(variants))),
        });
    }

    /// `circle as c`
    fn pattern_case(&mut self, tag: &Ident, bind: Option<&Ident>, inner: &Type, binds: bool) -> Pattern {
        let names = self.names;
        let union = match inner {
            Type::Named(declared) => match names.types.get(declared) {
                Some(TypeDef::Union { on, cases }) => Some((declared, on, cases)),
                _ => None,
            },
            Type::Unknown | Type::Never => {
                let _ = bind.and_then(|bind| self.pattern_bind(bind, Type::Unknown, binds));
                return Pattern::Any;
            }
            _ => None,
        };
        let Some((declared, on, cases)) = union else {
            self.misfit(tag.span, "`case as name` fits only a union", inner);
            let _ = bind.and_then(|bind| self.pattern_bind(bind, Type::Unknown, binds));
            return Pattern::Any;
        };
        let Some(case) = cases.get(&tag.text) else {
            let keys: Vec<String> = cases.keys().cloned().collect();
            let mut problem = Diagnostic::new(
                Code::E0303,
                format!("`{declared}` has no case `{}`", tag.text),
                tag.span,
                "no such case",
            );
            if let Some(span) = names.type_spans.get(declared) {
                problem = problem.label(*span, "declared here");
            }
            let near = keys.iter().find(|one| is_meant(&tag.text, one)).map(String::as_str);
            self.problems.push(match near.or_else(|| similar(&tag.text, keys.iter().map(String::as_str))) {
                Some(near) => problem
                    .help(format!("did you mean `{near}`?"))
                    .fix(format!("write `{near}`"), vec![Edit { span: tag.span, text: near.to_owned() }]),
                None => problem.help(format!("its cases are {}", listed(&keys))),
            });
            let _ = bind.and_then(|bind| self.pattern_bind(bind, Type::Unknown, binds));
            return Pattern::Any;
        };
        let bind = bind.and_then(|bind| self.pattern_bind(bind, case.clone(), binds));
        Pattern::Case { on: on.clone(), tag: tag.text.clone(), bind }
    }

    /// `Tier.Pro`
    fn pattern_path(&mut self, path: &ast::Path, inner: &Type) -> Pattern {
        let names = self.names;
        let Some((variant, of)) = path.parts.split_last() else { return Pattern::Any };
        let written: Vec<&str> = of.iter().map(|part| part.text.as_str()).collect();
        let written = written.join(".");
        let Type::Named(declared) = inner else {
            if !matches!(inner, Type::Unknown | Type::Never) {
                self.misfit(path.span(), &format!("`{}` is a variant of an enum", path.text()), inner);
            }
            return Pattern::Any;
        };
        let same = *declared == written || declared.split_once('.').is_some_and(|(_, own)| own == written);
        match names.types.get(declared) {
            Some(TypeDef::Enum(variants)) if same => {
                if variants.contains(&variant.text) {
                    return Pattern::Literal(Value::text(variant.text.as_str()));
                }
                self.no_variant(variant, declared, variants);
            }
            _ => self.misfit(path.span(), &format!("`{}` is a variant of `{written}`", path.text()), inner),
        }
        Pattern::Any
    }

    fn pattern_literal(&mut self, value: &Value, span: Span, ty: &Type) -> Pattern {
        let inner = ty.non_null();
        let types = &self.names.types;
        let fits = match (value, inner) {
            (_, Type::Unknown | Type::Never | Type::Json) => true,
            (Value::Null, _) => {
                if !Self::can_be_null(ty) {
                    self.problems.push(
                        Diagnostic::new(
                            Code::E0310,
                            "the value is never null here",
                            span,
                            format!("matched with `{ty}`"),
                        )
                        .help("leave this arm out"),
                    );
                }
                return Pattern::Literal(Value::Null);
            }
            (Value::Int(number), Type::Decimal) => {
                return Pattern::Literal(Value::Decimal((*number).into()));
            }
            (Value::String(text), inner) => match fit::texts(types, inner) {
                Some(texts) if texts.iter().any(|one| **one == **text) => true,
                Some(texts) => {
                    let problem = Diagnostic::new(
                        Code::E0310,
                        format!("{text:?} is none of the texts that this can be"),
                        span,
                        "never fits",
                    );
                    self.problems.push(match similar(text, texts.iter().map(String::as_str)) {
                        Some(near) => problem
                            .help(format!("did you mean {near:?}?"))
                            .fix(format!("write {near:?}"), vec![Edit { span, text: format!("{near:?}") }]),
                        None => problem.help(format!("it is one of {}", literal::quoted(texts))),
                    });
                    true
                }
                None => fit::is_text(types, inner),
            },
            (value, inner) => fit::fit(types, &literal::literal_type(value), inner).is_some(),
        };
        if !fits {
            self.misfit(span, &format!("a literal of type `{}` never fits", literal::literal_type(value)), ty);
        }
        Pattern::Literal(value.clone())
    }

    fn pattern_range(&mut self, from: Option<&Value>, to: Option<&Value>, span: Span, inner: &Type) -> Pattern {
        let convert = |value: &Value| match (value, inner) {
            (Value::Int(number), Type::Decimal) => Value::Decimal((*number).into()),
            (value, _) => value.clone(),
        };
        let (from, to) = (from.map(convert), to.map(convert));
        let ordered = matches!(
            inner,
            Type::Int
                | Type::Decimal
                | Type::Money(_)
                | Type::Duration
                | Type::Size
                | Type::Unknown
                | Type::Never
                | Type::Json
        );
        if !ordered {
            self.misfit(span, "a range fits only numbers, money, durations and sizes", inner);
            return Pattern::Any;
        }
        let types = &self.names.types;
        let bad = [&from, &to].into_iter().flatten().find(|value| {
            !matches!(inner, Type::Unknown | Type::Never | Type::Json)
                && fit::fit(types, &literal::literal_type(value), inner).is_none()
        });
        if let Some(bad) = bad {
            let bad = literal::literal_type(bad);
            self.misfit(span, &format!("a range of `{bad}` never fits"), inner);
            return Pattern::Any;
        }
        if let (Some(from), Some(to)) = (&from, &to)
            && from.order(to) != Some(std::cmp::Ordering::Less)
        {
            self.problems.push(
                Diagnostic::new(Code::E0310, "the range is empty", span, "its end is not part of it").help(
                    if from.equals(to) {
                        format!("write the value alone: `{from}`")
                    } else {
                        format!("write the smaller one first: `{to}..{from}`")
                    },
                ),
            );
        }
        Pattern::Range { from, to }
    }

    fn pattern_record(
        &mut self,
        fields: &[(Ident, Option<ast::Pattern>)],
        span: Span,
        inner: &Type,
        binds: bool,
    ) -> Pattern {
        let names = self.names;
        let declared = names.types.fields(inner);
        let is_union =
            matches!(inner, Type::Named(name) if matches!(names.types.get(name), Some(TypeDef::Union { .. })));
        if declared.is_none() && !is_union && !matches!(inner, Type::Json | Type::Map(_) | Type::Unknown | Type::Never)
        {
            self.misfit(span, "a record pattern fits only a record", inner);
        }
        let mut parts = Vec::new();
        for (name, pattern) in fields {
            let ty = match (declared, inner) {
                (Some(declared), _) => match declared.get(&name.text) {
                    Some(field) => field.ty.clone(),
                    None => {
                        let problem = Diagnostic::new(
                            Code::E0303,
                            format!("`{inner}` has no field `{}`", name.text),
                            name.span,
                            "no such field",
                        );
                        self.problems.push(match similar(&name.text, declared.keys().map(String::as_str)) {
                            Some(near) => problem
                                .help(format!("did you mean `{near}`?"))
                                .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
                            None => problem.help(format!("it has {}", listed(declared.keys()))),
                        });
                        Type::Unknown
                    }
                },
                (None, Type::Json) => Type::Json.optional(),
                (None, Type::Map(item)) => (**item).clone().optional(),
                (None, _) if is_union => {
                    let before = self.problems.len();
                    let value = Typed::new(Expr::Literal(Value::Null), inner.clone());
                    let member = self.member_of(value, name.span, name, false);
                    if self.problems.len() > before { Type::Unknown } else { member.ty }
                }
                (None, _) => Type::Unknown,
            };
            let pattern = match pattern {
                Some(pattern) => self.pattern(pattern, &ty, binds),
                None => match self.pattern_bind(name, ty, binds) {
                    Some(slot) => Pattern::Bind(slot),
                    None => Pattern::Any,
                },
            };
            parts.push((name.text.clone(), pattern));
        }
        Pattern::Record(parts)
    }

    fn misfit(&mut self, span: Span, message: &str, ty: &Type) {
        if fit::holds_secret(&self.names.types, ty) {
            self.problems.push(super::expect::secret("a secret can't be compared", span));
            return;
        }
        self.problems.push(
            Diagnostic::new(Code::E0310, message, span, format!("matched with `{ty}`"))
                .help(format!("write a pattern for `{ty}`, or `_`")),
        );
    }
}

/// Says whether a name is one that is declared, written in another way: `pro` and `Pro`, `in_progress` and `InProgress`.
fn is_meant(written: &str, declared: &str) -> bool {
    let letters = |name: &str| name.replace('_', "").to_lowercase();
    written != declared && letters(written) == letters(declared)
}

/// `String => …`: a pattern that asks for a type.
fn type_asked(name: &Ident, ty: &Type) -> Diagnostic {
    let message = format!("`{}` is a name here, and would take every value", name.text);
    let problem = Diagnostic::new(Code::E0310, message, name.span, "no pattern asks for a type");
    problem.help(match ty.non_null() {
        Type::Json => format!(
            "convert the value before, and tell null apart: `match x as {0} {{ null => …  value => … }}`; `as` gives \
             null for what is no `{0}`",
            name.text
        ),
        ty => format!("write `_` for all others, or a pattern for a `{ty}`"),
    })
}

/// Says whether null fits a pattern.
fn takes_null(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Any | Pattern::Bind(_) | Pattern::Literal(Value::Null) => true,
        Pattern::Either(options) => options.iter().any(takes_null),
        _ => false,
    }
}
