//! Which argument goes to which parameter?
//!
//! In: arguments as written, and parameters in declared order. Out: the argument of each parameter, or none where it is
//! left out; too many, unknown, doubled and missing ones are reported. A bare name that equals a parameter's name goes to
//! that one; other arguments without a name go to the parameters that are left, in order.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::Expr,
    span::Span,
    ty::{Bounds, Field, Language, Type},
    value::Value,
};
use indexmap::IndexMap;

use super::{Because, Elaborator, Want, name::count, record::listed};
use crate::{
    ast::{Arg, ExprKind, RecordEntry},
    names::{foreign, similar},
    query::watch::{self, Meaning},
};

/// What a parameter takes.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// The type.
    pub ty: Type,
    /// Whether it must be given.
    pub required: bool,
    /// Where it is declared.
    pub span: Option<Span>,
    /// What its values are limited to.
    pub bounds: Bounds,
    /// Whether records are given whole: `@whole`.
    pub whole: bool,
}

impl Parameter {
    /// A parameter of the language itself.
    pub(crate) fn new(ty: Type, required: bool) -> Self {
        Self { ty, required, span: None, bounds: Bounds::default(), whole: false }
    }

    /// The parameter that a field declares, at a place.
    pub(crate) fn of(field: &Field, span: Option<Span>) -> Self {
        let required = field.default.is_none() && !field.ty.is_nullable();
        Self { ty: field.ty.clone(), required, span, bounds: field.bounds.clone(), whole: field.whole }
    }
}

/// What is called, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    /// In backticks.
    pub name: String,
    /// Where it is named in the call.
    pub span: Span,
    /// Where it is declared.
    pub declared: Option<Span>,
}

/// What a parameter gets that is left out: its default, or null.
pub(crate) fn left_out(field: &Field) -> Expr {
    field.default.as_deref().cloned().unwrap_or(Expr::Literal(Value::Null))
}

impl Elaborator<'_> {
    /// Finds the argument of each parameter, in the parameters' order; none when the call can't be understood.
    pub(crate) fn bind_arguments<'w>(
        &mut self,
        callee: &Callee,
        call: Span,
        args: &'w [Arg],
        params: &IndexMap<String, Parameter>,
    ) -> Option<Vec<Option<&'w Arg>>> {
        if let [arg] = args
            && is_record_of(arg, params)
        {
            self.alone(&arg.value);
            self.problems.push(in_a_record(callee, arg));
            return None;
        }
        let mut bound: Vec<Option<&Arg>> = vec![None; params.len()];
        let mut positional = Vec::new();
        let mut understood = true;
        for arg in args {
            if let Some((name, (param, declared))) = arg
                .name
                .as_ref()
                .zip(arg.name.as_ref().and_then(|name| params.get(&name.text)).map(|param| (param, param.span)))
            {
                watch::see(name.span, || Meaning::Field { name: name.text.clone(), ty: param.ty.clone(), declared });
            }
            if let ExprKind::Name(name) = &arg.value.kind
                && arg.name.is_none()
                && watch::is_asked(name)
            {
                let labels: Vec<String> = params.keys().map(|param| format!("{param}: ")).collect();
                watch::offer(name, || {
                    let details = params.values().map(|param| param.ty.to_string());
                    labels.iter().map(String::as_str).zip(details).collect()
                });
            }
            let name = match (&arg.name, &arg.value.kind) {
                (Some(name), _) => Some(name.text.as_str()),
                (None, ExprKind::Name(name)) if params.contains_key(name) => Some(name.as_str()),
                (None, _) => None,
            };
            match name.map(|name| (name, params.get_index_of(name))) {
                None => positional.push(arg),
                Some((name, Some(index))) => match bound.get_mut(index) {
                    Some(place @ None) => *place = Some(arg),
                    Some(Some(first)) => {
                        let first = first.span;
                        self.given_twice(name, arg.span, first);
                    }
                    None => {}
                },
                Some((_, None)) => {
                    understood = false;
                    self.unknown_argument(callee, arg, params);
                }
            }
        }
        let mut free: Vec<usize> =
            (0..params.len()).filter(|index| bound.get(*index).is_some_and(Option::is_none)).collect();
        free.reverse();
        for arg in positional {
            match free.pop().and_then(|index| bound.get_mut(index)) {
                Some(place) => *place = Some(arg),
                None => {
                    understood = false;
                    self.too_many(callee, arg, params.len());
                }
            }
        }
        let missing: Vec<&String> = params
            .iter()
            .zip(&bound)
            .filter(|((_, param), arg)| arg.is_none() && param.required)
            .map(|((name, _), _)| name)
            .collect();
        let is_unread = args.iter().any(|arg| matches!(arg.value.kind, ExprKind::Missing));
        if understood && !missing.is_empty() && !is_unread {
            self.missing_arguments(callee, call, &missing, params);
        } else if !understood {
            for ((name, param), arg) in params.iter().zip(&bound) {
                match arg {
                    // What a function is given depends on arguments that may not be understood.
                    Some(arg) if matches!(param.ty.non_null(), Type::Function(..)) => self.alone(&arg.value),
                    Some(arg) => drop(self.argument(name, param, arg)),
                    None => {}
                }
            }
            return None;
        }
        Some(bound)
    }

    /// Checks an argument against its parameter.
    pub(crate) fn argument(&mut self, name: &str, param: &Parameter, arg: &Arg) -> Expr {
        let because = param.span.map(|span| Because { span, text: format!("`{name}` is declared `{}`", param.ty) });
        let around = std::mem::replace(&mut self.whole, param.whole);
        let typed = self.check(&arg.value, Want { ty: Some(&param.ty), because: because.as_ref() });
        self.whole = around;
        self.within_bounds(name, &param.bounds, &typed, arg.value.span, param.span);
        typed.expr
    }

    fn given_twice(&mut self, name: &str, span: Span, first: Span) {
        self.problems.push(
            Diagnostic::new(Code::E0308, format!("`{name}` is given twice"), span, "again")
                .label(first, "first here")
                .help("leave one out"),
        );
    }

    fn unknown_argument(&mut self, callee: &Callee, arg: &Arg, params: &IndexMap<String, Parameter>) {
        let Some(name) = &arg.name else { return };
        let problem = Diagnostic::new(
            Code::E0306,
            format!("{} has no parameter `{}`", callee.name, name.text),
            name.span,
            "no such parameter",
        );
        let problem = match callee.declared {
            Some(span) => problem.label(span, "declared here"),
            None => problem,
        };
        let language = |param: &Parameter| match param.ty.non_null() {
            Type::Text(language) => Some(*language),
            _ => None,
        };
        let languages: Vec<Language> = params.values().filter_map(language).collect();
        // A type is no value, which need not be said as well.
        if !(foreign::RESULT.contains(&name.text.as_str()) && languages.contains(&Language::UrlPath)) {
            self.alone(&arg.value);
        }
        self.problems.push(match similar(&name.text, params.keys().map(String::as_str)) {
            Some(near) => problem
                .help(format!("did you mean `{near}`? The parameters are {}", listed(params.keys())))
                .fix(format!("write `{near}`"), vec![Edit { span: name.span, text: near.to_owned() }]),
            None if callee.name == "`approve`" && name.text == "timeout" => {
                problem.help("how long is waited stands after the call: `approve(…) for 2d`, which is null when nobody decided in time")
            }
            None if callee.name.contains('.')
                && let Some(help) = foreign::argument(&name.text, &languages) =>
            {
                problem.help(help)
            }
            None if params.is_empty() => problem.help("it takes none"),
            None => problem.help(format!("the parameters are {}", listed(params.keys()))),
        });
    }

    fn too_many(&mut self, callee: &Callee, arg: &Arg, takes: usize) {
        self.alone(&arg.value);
        let message = match takes {
            0 => format!("{} takes no arguments", callee.name),
            _ => format!("{} takes {}", callee.name, count(takes, "argument")),
        };
        let problem = Diagnostic::new(Code::E0306, message, arg.span, "one too many");
        self.problems.push(
            match callee.declared {
                Some(span) => problem.label(span, "declared here"),
                None => problem,
            }
            .help("leave it out"),
        );
    }

    fn missing_arguments(
        &mut self,
        callee: &Callee,
        call: Span,
        missing: &[&String],
        params: &IndexMap<String, Parameter>,
    ) {
        let what = if missing.len() == 1 { "the argument" } else { "the arguments" };
        let list = listed(missing.iter().copied());
        let mut problem = Diagnostic::new(
            Code::E0307,
            format!("{} needs {what} {list}", callee.name),
            Span { start: callee.span.start, ..call },
            "not given",
        );
        for (name, span) in missing.iter().filter_map(|name| Some((name, params.get(*name)?.span?))) {
            problem = problem.label(span, format!("`{name}` has no default"));
        }
        let add: Vec<String> = missing
            .iter()
            .filter_map(|name| match &params.get(*name)?.ty {
                Type::Function(given, result) => {
                    let lambda = if given.len() == 1 { "x -> …" } else { "(a, b) -> …" };
                    Some(match &**result {
                        Type::Variable(_) | Type::Unknown => format!("a lambda, `{lambda}`"),
                        result => format!("a lambda that gives `{result}`, `{lambda}`"),
                    })
                }
                Type::Variable(_) => Some(format!("`{name}: …`")),
                ty => Some(format!("`{name}: …` of type `{ty}`")),
            })
            .collect();
        let add = format!("add {}", add.join(" and "));
        self.problems.push(problem.help(match foreign::without_arguments(&callee.name) {
            Some(other) => format!("{add}; {other}"),
            None => add,
        }));
    }
}

/// Says whether one record is given in the place of several arguments, by their names.
fn is_record_of(arg: &Arg, params: &IndexMap<String, Parameter>) -> bool {
    let ExprKind::Record(entries) = &arg.value.kind else { return false };
    let takes_record = params.values().next().is_none_or(|first| {
        matches!(first.ty.non_null(), Type::Json | Type::Map(_) | Type::Record(_) | Type::Named(_) | Type::Unknown)
    });
    let is_param =
        |entry: &RecordEntry| matches!(entry, RecordEntry::Field { name, .. } if params.contains_key(&name.text));
    arg.name.is_none() && params.len() > 1 && !takes_record && !entries.is_empty() && entries.iter().all(is_param)
}

/// The problem of arguments that stand in a record.
fn in_a_record(callee: &Callee, arg: &Arg) -> Diagnostic {
    let span = arg.value.span;
    let message = format!("the arguments of {} stand in a record", callee.name);
    let help = "leave the braces out: `name: value, other: value`";
    let edit = |start| Edit { span: Span { start, end: start + 1, ..span }, text: String::new() };
    Diagnostic::new(Code::E0306, message, span, "one value for all of them")
        .help(help)
        .fix(help, vec![edit(span.start), edit(span.end.saturating_sub(1))])
}
