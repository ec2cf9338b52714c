//! Which errors can end a part of a flow, and which does a `catch` take?
//!
//! In: the steps and `fail`s of a part. Out: the kinds with a place that raises each. What an expression can do wrong
//! (divide by zero) is `Invalid`, so that one can occur everywhere. When a call could not be understood, nothing is known
//! of what it raises, and nothing is reported for it.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    failure::ErrorKind,
    plan,
    schema::{Call, Connector, Operation},
    span::Span,
    ty::{Field, Type, TypeDef},
};
use indexmap::IndexMap;

use super::lower::Lowering;
use crate::{
    ast,
    names::similar,
    types::{Kind, listed, present},
};

/// The errors that a part can end with.
#[derive(Clone, Debug, Default)]
pub(super) struct Raised {
    /// Each kind with a place that raises it.
    pub kinds: BTreeMap<ErrorKind, Span>,
    /// Whether there may be others.
    pub is_open: bool,
}

impl Raised {
    /// Adds what another part can raise.
    pub(super) fn extend(&mut self, other: Self) {
        self.is_open |= other.is_open;
        for (kind, span) in other.kinds {
            self.kinds.entry(kind).or_insert(span);
        }
    }
}

/// What an operation can end with.
pub(crate) fn of_operation(connector: &Connector, operation: &Operation) -> Vec<ErrorKind> {
    let mut kinds = connector.kinds_of(operation);
    if !operation.is_repeatable() || operation.call == Call::Body {
        kinds.push(ErrorKind::Interrupted);
    }
    kinds
}

/// A failure as a program sees it: what every one has, and the fields that all of the kinds have in common.
pub(super) fn failure_type(names: &crate::names::Names<'_>, kinds: &[ErrorKind]) -> Type {
    let mut fields =
        IndexMap::from([("kind".to_owned(), Field::of(Type::String)), ("message".to_owned(), Field::of(Type::String))]);
    let declared = |kind: &ErrorKind| match kind {
        ErrorKind::Declared(name) => match names.types.get(name) {
            Some(TypeDef::Error(fields)) => Some(fields),
            _ => None,
        },
        _ => None,
    };
    let mut all = kinds.iter().map(declared);
    match all.next() {
        Some(Some(first)) => {
            let rest: Vec<_> = all.collect();
            for (name, field) in first {
                let everywhere = rest
                    .iter()
                    .all(|other| other.and_then(|other| other.get(name)).is_some_and(|other| other.ty == field.ty));
                if everywhere {
                    fields.insert(name.clone(), Field::of(field.ty.clone()));
                }
            }
        }
        _ => {
            fields.insert("status".to_owned(), Field::of(Type::Int.optional()));
            fields.insert("code".to_owned(), Field::of(Type::String.optional()));
        }
    }
    Type::Record(fields)
}

impl Lowering<'_> {
    /// Notes that the part at hand can end with an error.
    pub(super) fn raise(&mut self, kind: ErrorKind, span: Span) {
        if let Some(raised) = self.raised.last_mut() {
            raised.kinds.entry(kind).or_insert(span);
        }
    }

    /// Notes that the part at hand can end with errors that are not known.
    pub(super) fn raise_unknown(&mut self) {
        if let Some(raised) = self.raised.last_mut() {
            raised.is_open = true;
        }
    }

    /// The kinds that an arm names, checked against what can occur and what was caught before. Opens a frame, in which
    /// the failure is bound; the caller closes it.
    pub(super) fn open_catch(
        &mut self,
        arm: &ast::CatchArm,
        possible: &Raised,
        caught: &mut BTreeMap<Option<ErrorKind>, Span>,
        guarded: Span,
    ) -> plan::CatchArm {
        let mut kinds = Vec::new();
        let mut understood = true;
        let connector = self.el.connector().map(str::to_owned);
        for path in &arm.kinds {
            match self.el.names.error_kind(path, connector.as_deref(), &mut self.el.problems) {
                Some(kind) => {
                    self.check_kind(&kind, path, possible, caught, guarded);
                    if !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
                None => understood = false,
            }
        }
        let place = arm.kinds.first().map_or(arm.span, |path| path.span());
        if arm.kinds.is_empty()
            && let Some(first) = caught.get(&None)
        {
            self.caught_already("every error", Span { end: arm.span.start + 1, ..arm.span }, *first);
        }
        self.el.scope.push();
        let ty = if understood { failure_type(self.el.names, &kinds) } else { Type::Unknown };
        let bind = arm.bind.as_ref().map(|name| self.el.bind_new(name, ty, Kind::Failure));
        let guard = arm.guard.as_ref().map(|guard| {
            // It may be computed before the failure arrives, to find out whether it is caught.
            self.el.observes = false;
            let guard = self.el.condition(guard);
            self.el.observes = true;
            self.el.scope.learn(present(&guard, true));
            guard
        });
        if guard.is_none() {
            if arm.kinds.is_empty() {
                caught.entry(None).or_insert(place);
            }
            for kind in &kinds {
                caught.entry(Some(kind.clone())).or_insert(place);
            }
        }
        plan::CatchArm { kinds, bind, guard }
    }

    fn check_kind(
        &mut self,
        kind: &ErrorKind,
        path: &ast::Path,
        possible: &Raised,
        caught: &BTreeMap<Option<ErrorKind>, Span>,
        guarded: Span,
    ) {
        if let Some(first) = caught.get(&Some(kind.clone())).or_else(|| caught.get(&None)) {
            self.caught_already(&format!("`{kind}`"), path.span(), *first);
            return;
        }
        let occurs = *kind == ErrorKind::Invalid || possible.is_open || possible.kinds.contains_key(kind);
        if occurs {
            return;
        }
        let names: Vec<String> = possible.kinds.keys().map(ToString::to_string).collect();
        let problem = Diagnostic::new(Code::E0405, format!("`{kind}` can't occur here"), path.span(), "never caught")
            .label(
                guarded,
                match names.is_empty() {
                    true => "nothing here fails".to_owned(),
                    false => "can't end with it".to_owned(),
                },
            );
        let help = match (kind, similar(kind.name(), names.iter().map(String::as_str))) {
            (_, Some(near)) => {
                let near = near.to_owned();
                self.el.problems.push(
                    problem
                        .help(format!("did you mean `{near}`? What can occur: {}", listed(&names)))
                        .fix(format!("write `{near}`"), vec![Edit { span: path.span(), text: near }]),
                );
                return;
            }
            (ErrorKind::Interrupted, _) => {
                "every call here is safe to repeat, so none is left undecided: leave it out".to_owned()
            }
            _ if names.is_empty() => "leave the arm out".to_owned(),
            _ => format!("what can occur: {}", listed(&names)),
        };
        self.el.problems.push(problem.help(help));
    }

    fn caught_already(&mut self, what: &str, span: Span, first: Span) {
        self.el.problems.push(
            Diagnostic::new(Code::E0406, format!("{what} is caught by an earlier arm"), span, "never reached")
                .label(first, "caught here")
                .help("leave it out, or put it before"),
        );
    }
}
