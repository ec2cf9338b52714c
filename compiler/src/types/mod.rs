//! What type has each expression, and what does it compute?
//!
//! In: an expression as written, the names of the program and the type that its place expects. Out: the expression of
//! the plan and its type; problems are collected. Types flow both ways: a literal is checked against what is expected, so
//! that a problem points into the literal. [`Type::Unknown`] stands for what was reported already and fits everything.
//! Left out on purpose: statements and flows ([`crate::graph`]), and what types names have ([`crate::names`]).

use flow_model::{
    diagnostic::Diagnostic,
    expr::{Ambient, Expr, Slot},
    function::StandardFunction,
    ty::Type,
};

use crate::{ast, names::Names};

/// What the names of functions and constants stand for: the standard functions, and the program's own as far as they
/// were needed. One for each program; it outlives the elaborators.
pub(crate) struct Definitions {}

impl Definitions {
    /// Knows the standard functions.
    pub(crate) fn new(standard: &[StandardFunction]) -> Self {
        let _ = standard;
        Self {}
    }
}

/// An expression of the plan and its type.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    /// What it computes.
    pub expr: Expr,
    /// What values it has.
    pub ty: Type,
}

/// Elaborates expressions that stand in one scope: a flow, a function, a template, a default.
///
/// Slots are given out in order, from 0: bind the parameters first.
pub(crate) struct Elaborator<'a> {
    names: &'a Names<'a>,
    definitions: &'a Definitions,
    within: Option<String>,
    problems: Vec<Diagnostic>,
}

impl<'a> Elaborator<'a> {
    /// An elaborator with nothing in scope but the names of the program.
    pub(crate) fn new(names: &'a Names<'a>, definitions: &'a Definitions) -> Self {
        Self { names, definitions, within: None, problems: Vec::new() }
    }

    /// Looks types up in a connector first, whose declaration the expressions are part of.
    pub(crate) fn within(mut self, connector: &str) -> Self {
        self.within = Some(connector.to_owned());
        self
    }

    /// Gives a meaning to `config`, `body`, `status`, `headers` or `query`, and with [`Ambient::Item`] to what is
    /// implied before `.member`.
    pub(crate) fn ambient(&mut self, which: Ambient, ty: Type) {
        let _ = (which, ty);
    }

    /// Brings a name into scope in the next slot.
    pub(crate) fn bind(&mut self, name: &ast::Ident, ty: Type) -> Slot {
        let _ = (name, ty);
        Slot(0)
    }

    /// Elaborates an expression whose place expects a type, or any. The result has the expected type, or `Unknown`, or
    /// is `Never`; a conversion is put in where values of its own type are written differently.
    pub(crate) fn expr(&mut self, expr: &ast::Expr, expected: Option<&Type>) -> Typed {
        let _ = (expr, expected, &self.definitions, self.names);
        Typed { expr: Expr::Literal(flow_model::value::Value::Null), ty: Type::Unknown }
    }

    /// The problems that were found.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        self.problems
    }
}
