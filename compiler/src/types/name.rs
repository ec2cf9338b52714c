//! What does a lone name mean as a value?
//!
//! In: a name. Out: the binding, the ambient value or the constant that it stands for; a function where one is wanted.
//! The innermost meaning wins: bindings, then what the place provides, then items of the file.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::{Ambient, Expr},
    span::Span,
    ty::Type,
};

use super::{Elaborator, Found, Kind, Origin, Place, Source, Typed, Want, fit};
use crate::{
    ast::Ident,
    names::{built_in_types, foreign, is_worth_it, similar, unknown},
    query::watch::{self, Meaning},
};

impl Elaborator<'_> {
    /// A name that stands for a value.
    pub(super) fn name(&mut self, name: &str, span: Span, want: Want<'_>) -> Typed {
        match self.scope.find(name) {
            Found::Binding(binding) if matches!(binding.ty, Type::Stream(_)) => {
                let problem = Diagnostic::new(
                    Code::E0417,
                    format!("the stream `{name}` is gone through, and not used as a value"),
                    span,
                    format!("of type `{}`", binding.ty),
                );
                self.problems.push(problem.label(binding.span, "its pages are fetched as they are needed").help(
                    format!("write `for x in {name} {{ … }}`, or `step all = {name}.collect(max: 1_000)` for a list"),
                ));
                return Typed::unknown();
            }
            Found::Binding(binding) => {
                let source = if binding.kind == Kind::Parameter { Source::Parameter } else { Source::Binding };
                let origin = Origin { span: binding.span, source };
                let typed = Typed { expr: Expr::Slot(binding.slot), ty: binding.ty.clone(), origin: Some(origin) };
                let (kind, declared) = (binding.kind.spoken(), binding.span);
                let typed = self.narrowed(typed);
                let ty = || typed.ty.clone();
                watch::see(span, || Meaning::Binding { kind, name: name.to_owned(), ty: ty(), declared });
                return typed;
            }
            Found::Sibling(other, block) => {
                self.problems.push(
                    Diagnostic::new(
                        Code::E0409,
                        format!("`{name}` is made by another branch of the same `{block}`"),
                        span,
                        "runs at the same time",
                    )
                    .label(other, "bound here")
                    .help(match block {
                        "race" => "put both into one branch: `{ … }` around them",
                        _ => "use it after the `parallel`, or put both into one branch: `{ … }` around them",
                    }),
                );
                return Typed::unknown();
            }
            Found::Nothing => {}
        }
        if let Some((which, ty)) = self.ambient.iter().find(|(which, _)| ambient_name(*which) == Some(name)) {
            let typed = Typed::new(Expr::Ambient(*which), ty.clone());
            return self.narrowed(typed);
        }
        let names = self.names;
        if names.sees(span.file, name) {
            if names.consts.contains_key(name) || names.functions.contains_key(name) {
                watch::see(span, || Meaning::Item(name.to_owned()));
            }
            if names.consts.contains_key(name) {
                return self.constant(name, span);
            }
            if names.functions.contains_key(name) {
                return self.function_value(name, span, want);
            }
        }
        self.no_value(name, span)
    }

    /// `.id`: a member of what the place implies.
    pub(super) fn implied_member(&mut self, span: Span, name: &Ident) -> Typed {
        let item = self.ambient.iter().find(|(which, _)| *which == Ambient::Item).map(|(_, ty)| ty.clone());
        match item {
            Some(ty) => {
                let of = Typed::new(Expr::Ambient(Ambient::Item), ty);
                self.member_of(of, span, name, false)
            }
            None => self.misplaced(
                span,
                "nothing is implied before the dot here",
                "a member of what?",
                &format!("name the value: `value.{}`", name.text),
            ),
        }
    }

    /// Applies what conditions have shown.
    pub(super) fn narrowed(&self, typed: Typed) -> Typed {
        let shown = matches!(typed.ty, Type::Optional(_))
            && Place::of(&typed.expr).is_some_and(|place| self.scope.is_present(&place));
        if shown { Typed { ty: typed.ty.non_null().clone(), ..typed } } else { typed }
    }

    /// A function given as a value: where a function is wanted, a lambda that calls it.
    fn function_value(&mut self, name: &str, span: Span, want: Want<'_>) -> Typed {
        let Some(Type::Function(given, _)) = want.shape() else {
            return self.misplaced(
                span,
                &format!("`{name}` is a function and is not called"),
                "a function",
                &format!("call it: `{name}(…)`"),
            );
        };
        let (params, result) = self.function_head(name, span);
        let required = params.values().filter(|field| field.default.is_none() && !field.ty.is_nullable()).count();
        if given.len() > params.len() || given.len() < required {
            let takes = params.len();
            self.problems.push(
                Diagnostic::new(
                    Code::E0301,
                    format!(
                        "a function of {} is expected, and `{name}` takes {takes}",
                        count(given.len(), "parameter")
                    ),
                    span,
                    "does not fit",
                )
                .help(format!("write a lambda that calls it: `x -> {name}(…)`")),
            );
            return Typed::unknown();
        }
        let mut slots = Vec::new();
        let mut args = Vec::new();
        for (field, given) in params.values().zip(given.iter().map(Some).chain(std::iter::repeat(None))) {
            match given {
                Some(given) => {
                    let slot = self.scope.fresh();
                    slots.push(slot);
                    let value = Typed::new(Expr::Slot(slot), given.clone());
                    args.push(self.fit(value, Want::of(&field.ty), span).expr);
                }
                None => args.push(super::argument::left_out(field)),
            }
        }
        let body = Expr::Call(name.to_owned(), args);
        Typed::new(Expr::Lambda(slots, Box::new(body)), Type::Function(given.clone(), Box::new(result)))
    }

    /// Reports a name that stands for no value.
    fn no_value(&mut self, name: &str, span: Span) -> Typed {
        let names = self.names;
        if names.broken.contains(name) {
            return Typed::unknown();
        }
        // What seems unused may be what was meant.
        self.has_strangers = true;
        watch::offer(name, || {
            let bound = self.scope.bindings().map(|(name, binding)| (name, binding.ty.to_string()));
            let typed = |ty: &Option<Type>| ty.as_ref().map(ToString::to_string).unwrap_or_default();
            let consts = names.consts.iter().map(|(name, info)| (name.as_str(), typed(&info.ty)));
            let functions = names.functions.iter().map(|(name, info)| (name.as_str(), typed(&info.result)));
            let items = consts.chain(functions).filter(|(name, _)| names.sees(span.file, name));
            let built_in = ["secret", "env"].into_iter().map(|name| (name, String::new()));
            bound.chain(items).chain(built_in).collect()
        });
        let seen = names.sees(span.file, name);
        let what = if seen && names.connections.contains_key(name) {
            Some(("a connection", format!("call an operation of it in a step: `step x = {name}.…(…)`")))
        } else if seen && names.connectors.contains_key(name) {
            Some(("a connector", "call an operation of a connection in a step".to_owned()))
        } else if seen && names.types.get(name).is_some() {
            Some(("a type", format!("make a value of it: `let x: {name} = {{ … }}`")))
        } else if seen && names.flows.contains_key(name) {
            Some(("a flow", "write what it does into a `fn`, if it has no steps".to_owned()))
        } else if seen && names.policies.contains_key(name) {
            Some(("a policy", format!("give it to a step: `with {name}`")))
        } else if built_in_types().any(|ty| ty == name) {
            let help = "write a value here; a type stands after the `:` of a declaration, and after `as`";
            Some(("a type", help.to_owned()))
        } else {
            None
        };
        let problem = match what {
            Some((kind, help)) => {
                Diagnostic::new(Code::E0206, format!("`{name}` is {kind}, not a value"), span, kind).help(help)
            }
            None => {
                let ident = Ident { text: name.to_owned(), span };
                let problem = unknown(Code::E0201, "value", &ident, []);
                let candidates = self.value_names(span);
                let near = similar(name, candidates.iter().map(String::as_str));
                match (near, foreign::value(name)) {
                    _ if self.is_implied(name) => problem
                        .help(format!("write `.{name}`: what comes is implied before the dot"))
                        .fix(format!("write `.{name}`"), vec![Edit { span, text: format!(".{name}") }]),
                    (_, Some(help)) => problem.help(help),
                    (Some(near), None) => problem
                        .help(format!("did you mean `{near}`?"))
                        .fix(format!("write `{near}`"), vec![Edit { span, text: near.to_owned() }]),
                    (None, None) => match self.unbound {
                        Some(help) => problem.help(help),
                        None => problem.help(format!("bind it first: `let {name} = …`")),
                    },
                }
            }
        };
        self.problems.push(problem);
        Typed::unknown()
    }

    /// Says whether what the place implies has a member of that name.
    fn is_implied(&self, name: &str) -> bool {
        let item = self.ambient.iter().find(|(which, _)| *which == Ambient::Item).map(|(_, ty)| ty);
        item.and_then(|ty| self.names.types.fields(ty)).is_some_and(|fields| fields.contains_key(name))
    }

    /// All names that stand for a value here.
    pub(super) fn value_names(&self, at: Span) -> Vec<String> {
        if !is_worth_it() {
            return Vec::new();
        }
        let items = self.names.consts.keys().chain(self.names.functions.keys()).chain(self.names.connections.keys());
        let ambient = self.ambient.iter().filter_map(|(which, _)| ambient_name(*which));
        self.scope
            .names()
            .chain(ambient)
            .map(str::to_owned)
            .chain(items.filter(|name| self.names.sees(at.file, name)).cloned())
            .collect()
    }

    /// Says whether a value of the type could be null, as far as `??`, `?.` and `else` care.
    pub(crate) fn can_be_null(ty: &Type) -> bool {
        matches!(ty, Type::Optional(_) | Type::Null | Type::Unknown | Type::Never)
    }

    /// The least type of two values, or a problem with both places.
    pub(crate) fn common(&mut self, so_far: &Type, first: Option<Span>, next: &Type, span: Span, what: &str) -> Type {
        match fit::join(&self.names.types, so_far, next) {
            Some(joined) => joined,
            None => {
                let label = format!("of type `{next}`");
                let problem = Diagnostic::new(Code::E0316, format!("{what} have no common type"), span, label)
                    .help("make them alike, or put each into a record with a field that tells them apart");
                self.problems.push(match first {
                    Some(first) => problem.label(first, format!("of type `{so_far}`")),
                    None => problem,
                });
                Type::Unknown
            }
        }
    }
}

/// The name by which a program reads an ambient value.
fn ambient_name(which: Ambient) -> Option<&'static str> {
    Some(match which {
        Ambient::Config => "config",
        Ambient::Body => "body",
        Ambient::Status => "status",
        Ambient::Headers => "headers",
        Ambient::Query => "query",
        Ambient::Signature => "signature",
        Ambient::Item | Ambient::Now | Ambient::Uuid | Ambient::Random => return None,
    })
}

/// `1 parameter`, `2 parameters`
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
