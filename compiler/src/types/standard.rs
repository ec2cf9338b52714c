//! Calls of standard functions: which one is meant, and what its type variables stand for.
//!
//! In: a signature and arguments. Out: the call with all parameters in order, and its type. Variables are bound from
//! left to right, the value before the dot first; a lambda sees what is bound by then.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    expr::Expr,
    function::{Form, Signature, admits},
    span::Span,
    ty::{Field, Type, TypeDef, Types},
    value::Value,
};
use indexmap::IndexMap;

use super::{Elaborator, Parameter, Typed, Want, argument::Callee, fit};
use crate::{
    ast,
    query::watch::{self, Meaning},
};

/// What type variables stand for.
type Bound = BTreeMap<String, Type>;

/// The types whose functions a value has, the nearest first.
pub(super) fn heads(types: &Types, ty: &Type) -> &'static [&'static str] {
    match ty {
        Type::Bool => &["Bool"],
        Type::String | Type::OneOf(_) => &["String"],
        Type::Int => &["Int", "Decimal"],
        Type::Decimal => &["Decimal"],
        Type::Bytes => &["Bytes"],
        Type::Money(_) => &["Money"],
        Type::Timestamp => &["Timestamp"],
        Type::Zoned => &["Zoned"],
        Type::Date => &["Date"],
        Type::Duration => &["Duration"],
        Type::Size => &["Size"],
        Type::Email => &["Email", "String"],
        Type::Url => &["Url", "String"],
        Type::Uuid => &["Uuid", "String"],
        Type::List(_) => &["List"],
        Type::Map(_) => &["Map"],
        Type::Json => &["Json"],
        Type::File => &["File"],
        Type::Named(name) if matches!(types.get(name), Some(TypeDef::Enum(_))) => &["String"],
        _ => &[],
    }
}

impl Elaborator<'_> {
    /// `xs.length`
    pub(super) fn property(&mut self, signature: &Signature, value: Typed, null_safe: bool) -> Typed {
        if null_safe {
            let value = Typed { ty: value.ty.optional(), ..value };
            return self.guarded(value, |this, value| this.property(signature, value, false));
        }
        let mut bound = Bound::new();
        let receiver = signature.params.values().next().cloned().unwrap_or(Type::Unknown);
        bind(&self.names.types, &receiver, &value.ty, &mut bound);
        let expr = self.receiver(value, &receiver, &bound);
        Typed::new(Expr::Call(signature.name.clone(), vec![expr]), replace(&signature.result, &bound))
    }

    /// `x.f(…)` and `Money.minor(…)`; a method has the value before the dot.
    pub(super) fn standard_call(
        &mut self,
        signature: &Signature,
        receiver: Option<Typed>,
        name: &ast::Ident,
        call: Span,
        args: &[ast::Arg],
        want: Want<'_>,
    ) -> Typed {
        watch::see(name.span, || Meaning::Standard(signature.name.clone()));
        let types = &self.names.types;
        let mut bound = Bound::new();
        let mut values = Vec::new();
        let mut params = signature.params.iter();
        if let Some(value) = receiver {
            let declared = params.next().map(|(_, ty)| ty.clone()).unwrap_or(Type::Unknown);
            bind(types, &declared, &value.ty, &mut bound);
            let bad = bound.iter().find(|(variable, ty)| !admits(variable, ty));
            if let Some((variable, ty)) = bad {
                let what = if variable == "N" { "added up" } else { "put in order" };
                let label = format!("of type `{}`", value.ty);
                self.problems.push(
                    Diagnostic::new(
                        Code::E0301,
                        format!("`{}` can't be used with `{ty}`", name.text),
                        name.span,
                        format!("`{ty}` can't be {what}"),
                    )
                    .label(Span { end: name.span.start.saturating_sub(1), ..call }, label)
                    .help(format!("say by what: `.{}_by(x -> …)`, or map the items first", name.text)),
                );
                return Typed::unknown();
            }
            if fit::fit(types, &value.ty, &replace(&declared, &bound)).is_none() {
                let declared = replace(&declared, &Bound::new());
                self.problems.push(
                    Diagnostic::new(
                        Code::E0301,
                        format!("`{}` is for `{declared}`", name.text),
                        name.span,
                        format!("called on `{}`", value.ty),
                    )
                    .help(match &declared {
                        Type::List(item) if **item == Type::String => {
                            format!("make texts of the items first: `.map(x -> \"{{x}}\").{}(…)`", name.text)
                        }
                        _ => "convert the items first, with `map`".to_owned(),
                    }),
                );
                return Typed::unknown();
            }
            values.push(self.receiver(value, &declared, &bound));
        }
        let mut hints = Bound::new();
        if let Some(wanted) = if let Type::Variable(_) = signature.result { want.ty } else { want.shape() } {
            bind(types, &signature.result, wanted, &mut hints);
        }
        let params: Vec<(&String, &Type)> = params.collect();
        let parameters: IndexMap<String, Parameter> = params
            .iter()
            .map(|(param, ty)| {
                let optional = signature.optional.contains(*param);
                ((*param).clone(), Parameter::new(replace(ty, &bound), !optional))
            })
            .collect();
        let callee = Callee { name: format!("`{}`", spoken(signature)), span: name.span, declared: None };
        if let [arg] = args
            && matches!(arg.value.kind, ast::ExprKind::Lambda { .. })
            && parameters.is_empty()
            && let Some(by) = self.definitions.signature(&format!("{}_by", signature.name)).map(spoken)
        {
            self.alone(&arg.value);
            let label = "a lambda, which it does not take";
            self.problems.push(
                Diagnostic::new(Code::E0306, format!("{} takes no arguments", callee.name), arg.span, label)
                    .help(format!("what goes by a lambda is `.{by}(…)`"))
                    .fix(format!("write `.{by}`"), vec![Edit { span: name.span, text: by.to_owned() }]),
            );
            return Typed::unknown();
        }
        let Some(given) = self.bind_arguments(&callee, call, args, &parameters) else { return Typed::unknown() };
        let before = self.problems.len();
        for ((param, declared), arg) in params.iter().zip(given) {
            let Some(arg) = arg else {
                values.push(Expr::Literal(Value::Null));
                continue;
            };
            let hint = result_of(declared).map(|result| replace(result, &hints)).filter(|ty| !has_variable(ty, &bound));
            let hint = Want { ty: hint.as_ref(), because: want.because };
            let around = std::mem::replace(&mut self.whole, signature.whole.contains(param));
            let value = self.generic_argument(declared, &arg.value, &mut bound, &callee, param, hint);
            self.whole = around;
            if let Some(kind) = signature.literals.get(*param) {
                self.check_literal(*kind, &value, arg.value.span);
            }
            values.push(value);
        }
        let failed = self.problems.len() > before;
        if !failed {
            self.check_constant(signature, &values, call);
        }
        let result = if failed && has_variable(&signature.result, &bound) {
            Type::Unknown
        } else {
            replace(&signature.result, &bound)
        };
        Typed::new(Expr::Call(signature.name.clone(), values), result)
    }

    /// The value before the dot, converted where the function is that of a wider type.
    fn receiver(&self, value: Typed, declared: &Type, bound: &Bound) -> Expr {
        let declared = replace(declared, bound);
        self.lift(value.expr, &value.ty, &declared)
    }

    /// One argument; binds the variables that its type shows. `hint` is what the place of the call wants a lambda to give.
    fn generic_argument(
        &mut self,
        declared: &Type,
        value: &ast::Expr,
        bound: &mut Bound,
        callee: &Callee,
        param: &str,
        hint: Want<'_>,
    ) -> Expr {
        let partly = replace(declared, bound);
        let typed = match &value.kind {
            ast::ExprKind::Lambda { params, body } => self.lambda(value.span, params, body, Want::of(&partly), hint),
            _ => self.infer(value, Want::of(&partly)),
        };
        bind(&self.names.types, declared, &typed.ty, bound);
        let bad = bound
            .iter()
            .find(|(variable, ty)| !admits(variable, ty))
            .map(|(variable, ty)| (variable.clone(), ty.clone()));
        if let Some((variable, ty)) = bad {
            let what = if variable == "N" { "added up" } else { "put in order" };
            self.problems.push(
                Diagnostic::new(
                    Code::E0301,
                    format!("{} can't use `{ty}`", callee.name),
                    value.span,
                    format!("gives `{ty}`, which can't be {what}"),
                )
                .help("give a number, a text or a time"),
            );
            bound.insert(variable, Type::Unknown);
        }
        let wanted = replace(declared, bound);
        let because = super::Because { span: callee.span, text: format!("`{param}` is `{wanted}`") };
        let because = (callee.span.file == value.span.file).then_some(&because);
        self.fit(typed, Want { ty: Some(&wanted), because }, value.span).expr
    }

    /// `x -> x.id`. `hint` is what its value becomes, where nothing says of which type it has to be: fields of a record
    /// are looked at there, and what does not fit is left to the place that wants it.
    pub(super) fn lambda(
        &mut self,
        span: Span,
        params: &[ast::Ident],
        body: &ast::Expr,
        want: Want<'_>,
        hint: Want<'_>,
    ) -> Typed {
        let Some(Type::Function(given, result)) = want.shape() else {
            return self.misplaced(
                span,
                "a lambda stands only where a function is expected",
                "a function",
                "give it to `map`, `filter` and the like, or write a `fn`",
            );
        };
        if given.len() != params.len() {
            let takes = super::name::count(given.len(), "parameter");
            self.problems.push(
                Diagnostic::new(
                    Code::E0301,
                    format!(
                        "the lambda has {}, and {} given",
                        super::name::count(params.len(), "parameter"),
                        match given.len() {
                            1 => "1 value is".to_owned(),
                            many => format!("{many} values are"),
                        }
                    ),
                    span,
                    format!("should have {takes}"),
                )
                .help(if given.len() == 1 {
                    "write `x -> …`".to_owned()
                } else {
                    "write `(a, b) -> …`".to_owned()
                }),
            );
            return Typed::unknown();
        }
        self.scope.push();
        let mut slots = Vec::new();
        for (param, ty) in params.iter().zip(given) {
            let ty = if let Type::Variable(_) = ty { Type::Unknown } else { ty.clone() };
            slots.push(self.bind_new(param, ty, super::Kind::Lambda));
        }
        let body = if has_variable(result, &Bound::new()) {
            self.infer(body, hint)
        } else {
            self.check(body, Want::of(result))
        };
        self.close();
        Typed::new(Expr::Lambda(slots, Box::new(body.expr)), Type::Function(given.clone(), Box::new(body.ty)))
    }
}

/// What a function given as an argument gives back.
fn result_of(declared: &Type) -> Option<&Type> {
    match declared {
        Type::Function(_, result) => Some(result),
        _ => None,
    }
}

/// How a standard function is called, for messages.
fn spoken(signature: &Signature) -> &str {
    match signature.form {
        Form::Static => &signature.name,
        Form::Method | Form::Property => signature.name.split_once('.').map_or(&signature.name, |(_, name)| name),
    }
}

/// Binds variables of a declared type by a given one. The first binding is widened to what later ones have in common
/// with it.
fn bind(types: &Types, declared: &Type, given: &Type, bound: &mut Bound) {
    match (declared, given) {
        (Type::Variable(name), given) => {
            let known = bound.get(name);
            let joined = match known {
                None | Some(Type::Never) => Some(given.clone()),
                Some(known) => fit::join(types, known, given),
            };
            if let Some(joined) = joined {
                bound.insert(name.clone(), joined);
            }
        }
        (Type::Optional(declared), given) => bind(types, declared, given.non_null(), bound),
        (Type::List(declared), Type::List(given))
        | (Type::Map(declared), Type::Map(given))
        | (Type::Stream(declared), Type::Stream(given)) => bind(types, declared, given, bound),
        (Type::Function(_, declared), Type::Function(_, given)) => bind(types, declared, given, bound),
        (Type::Record(declared), given) => {
            for (name, field) in declared {
                if let Some(given) = types.fields(given).and_then(|fields| fields.get(name)) {
                    bind(types, &field.ty, &given.ty, bound);
                }
            }
        }
        (_, Type::Unknown) => {
            for name in variables(declared) {
                bound.entry(name).or_insert(Type::Unknown);
            }
        }
        _ => {}
    }
}

/// The type with what its variables stand for; those that stand for nothing yet stay.
fn replace(ty: &Type, bound: &Bound) -> Type {
    let inner = |ty: &Type| Box::new(replace(ty, bound));
    match ty {
        Type::Variable(name) => bound.get(name).cloned().unwrap_or_else(|| ty.clone()),
        Type::Optional(of) => replace(of, bound).optional(),
        Type::List(of) => Type::List(inner(of)),
        Type::Map(of) => Type::Map(inner(of)),
        Type::Stream(of) => Type::Stream(inner(of)),
        Type::Function(params, result) => {
            Type::Function(params.iter().map(|param| replace(param, bound)).collect(), inner(result))
        }
        Type::Record(fields) => Type::Record(
            fields.iter().map(|(name, field)| (name.clone(), Field::of(replace(&field.ty, bound)))).collect(),
        ),
        other => other.clone(),
    }
}

fn has_variable(ty: &Type, bound: &Bound) -> bool {
    variables(ty).iter().any(|name| !bound.contains_key(name))
}

fn variables(ty: &Type) -> Vec<String> {
    match ty {
        Type::Variable(name) => vec![name.clone()],
        Type::Optional(of) | Type::List(of) | Type::Map(of) | Type::Stream(of) => variables(of),
        Type::Function(params, result) => params.iter().flat_map(variables).chain(variables(result)).collect(),
        Type::Record(fields) => fields.values().flat_map(|field| variables(&field.ty)).collect(),
        _ => Vec::new(),
    }
}
