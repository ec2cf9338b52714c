//! What type has each expression, and what does it compute?
//!
//! In: an expression as written, the names of the program and the type that its place expects. Out: the expression of
//! the plan and its type; problems are collected. Types flow both ways: a literal is checked against what is expected, so
//! that a problem points into the literal. [`Type::Unknown`] stands for what was reported already and fits everything.
//! Left out on purpose: statements and flows ([`crate::graph`]), and what types names have ([`crate::names`]).

mod argument;
mod block;
mod call;
mod convert;
mod definition;
mod exhaustive;
mod expect;
mod fit;
mod fixture;
mod insertion;
mod known;
mod literal;
mod member;
mod name;
mod narrow;
mod operator;
mod pattern;
mod record;
mod scope;
mod standard;
mod stretch;
pub(crate) mod url_path;

use std::rc::Rc;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Ambient, Expr, Slot},
    span::Span,
    ty::Type,
    value::Value,
};

pub(crate) use self::{
    argument::{Callee, Parameter, left_out as argument_left_out},
    block::{ADD_ELSE, ADD_VALUE, NO_ELSE, NO_VALUE, value_span},
    call::decision,
    definition::Definitions,
    expect::{Because, Origin, Source, Want, secret},
    fit::{has_wire_form, holds_secret, join},
    fixture::Fixtures,
    literal::fixed as fixed_text,
    narrow::{either, present},
    operator::WRITE_DEFAULT,
    pattern::Arms,
    record::listed,
    scope::{Binding, Found, Kind, Place, Scope},
};
use crate::{
    ast::{self, ExprKind},
    names::Names,
    query::watch::{self, Meaning},
};

/// An expression of the plan and its type.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    /// What it computes.
    pub expr: Expr,
    /// What values it has.
    pub ty: Type,
    /// What gave it its type, for messages.
    pub origin: Option<Origin>,
}

impl Typed {
    /// An expression of a type.
    pub(crate) fn new(expr: Expr, ty: Type) -> Self {
        Self { expr, ty, origin: None }
    }

    /// What stands in for an expression with a problem that was reported.
    pub(crate) fn unknown() -> Self {
        Self::new(Expr::Literal(Value::Null), Type::Unknown)
    }
}

/// What expressions are part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// The body of a `fn`.
    Function,
    /// A flow, or a declaration.
    Elsewhere,
}

/// Which fields a record literal must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Records {
    /// All that its type requires.
    Whole,
    /// Any: it says what another record has.
    Pattern,
}

/// Elaborates expressions that stand in one scope: a flow, a function, a template, a default.
///
/// Slots are given out in order, from 0: bind the parameters first.
pub(crate) struct Elaborator<'a> {
    pub(crate) names: &'a Names<'a>,
    pub(crate) definitions: &'a Definitions,
    pub(crate) scope: Scope,
    within: Option<String>,
    ambient: Vec<(Ambient, Type)>,
    pub(crate) problems: Vec<Diagnostic>,
    /// Constants and functions that the expressions use, with the places.
    uses: Vec<(String, Span)>,
    /// What the expressions are part of, for advice.
    home: Home,
    /// Whether `now()`, `uuid()` and `random()` have a meaning: in the body of a flow, where each is recorded.
    pub(crate) observes: bool,
    /// Whether what becomes JSON is whole: in an argument of a parameter that is declared `@whole`.
    whole: bool,
    /// Which fields record literals must have.
    pub(crate) records: Records,
    /// Where `fixture("…")` finds files, in tests.
    pub(crate) fixtures: Option<Fixtures<'a>>,
    /// What to do about a name that stands for nothing, where nothing can be bound.
    pub(crate) unbound: Option<&'static str>,
    /// Where the program could not be read.
    pub(crate) gaps: Rc<[Span]>,
    /// Whether a part could not be read: then a binding that seems unused may be used there.
    pub(crate) has_gaps: bool,
    /// Whether a name was not known: then a binding that seems unused may have been meant.
    has_strangers: bool,
}

impl<'a> Elaborator<'a> {
    /// An elaborator with nothing in scope but the names of the program.
    pub(crate) fn new(names: &'a Names<'a>, definitions: &'a Definitions) -> Self {
        Self {
            names,
            definitions,
            scope: Scope::default(),
            within: None,
            ambient: Vec::new(),
            problems: Vec::new(),
            uses: Vec::new(),
            home: Home::Elsewhere,
            observes: false,
            whole: false,
            records: Records::Whole,
            fixtures: None,
            unbound: None,
            gaps: Rc::default(),
            has_gaps: false,
            has_strangers: false,
        }
    }

    /// The same for a part of a program that could not be read in some places.
    pub(crate) fn with_gaps(&mut self, gaps: &Rc<[Span]>, part: Span) {
        self.gaps = Rc::clone(gaps);
        self.has_gaps = self.gaps_in(part);
    }

    /// Says whether something in a part of the program could not be read.
    pub(crate) fn gaps_in(&self, part: Span) -> bool {
        self.gaps.iter().any(|gap| gap.file == part.file && gap.start <= part.end && part.start <= gap.end)
    }

    /// Looks types up in a connector first, whose declaration the expressions are part of.
    pub(crate) fn within(mut self, connector: &str) -> Self {
        self.within = Some(connector.to_owned());
        self
    }

    /// Goes on in the declaration of a connector, or out of it; gives where it was before.
    pub(crate) fn move_to(&mut self, connector: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.within, connector)
    }

    /// The connector whose declaration the expressions are part of.
    pub(crate) fn connector(&self) -> Option<&str> {
        self.within.as_deref()
    }

    /// Gives a meaning to `config`, `body`, `status`, `headers` or `query`, and with [`Ambient::Item`] to what is
    /// implied before `.member`.
    pub(crate) fn ambient(&mut self, which: Ambient, ty: Type) {
        self.ambient.push((which, ty));
    }

    /// Takes the meaning of an ambient value away again.
    pub(crate) fn forget(&mut self, which: Ambient) {
        self.ambient.retain(|(known, _)| *known != which);
    }

    /// Brings a parameter into scope in the next slot. It is not reported when nothing uses it.
    pub(crate) fn bind(&mut self, name: &ast::Ident, ty: Type) -> Slot {
        let slot = self.scope.fresh();
        let kind = Kind::Parameter;
        watch::see(name.span, || Meaning::Binding {
            kind: kind.spoken(),
            name: name.text.clone(),
            ty: ty.clone(),
            declared: name.span,
        });
        let binding = Binding { slot, ty, span: name.span, kind, used: true };
        self.scope.bind(&name.text, binding);
        slot
    }

    /// Elaborates an expression whose place expects a type, or any. The result has a type that fits, or `Unknown`, and
    /// the expression converts where values of the two types differ.
    pub(crate) fn expr(&mut self, expr: &ast::Expr, expected: Option<&Type>) -> Typed {
        self.check(expr, Want { ty: expected, because: None })
    }

    /// The problems that were found.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        self.problems
    }

    /// Elaborates an expression and fits it to what its place wants.
    pub(crate) fn check(&mut self, expr: &ast::Expr, want: Want<'_>) -> Typed {
        let typed = self.infer(expr, want);
        self.fit(typed, want, expr.span)
    }

    /// The type that is written.
    pub(crate) fn written_type(&mut self, written: &ast::TypeExpr) -> Type {
        self.names.ty(written, self.within.as_deref(), &mut self.problems)
    }

    /// Elaborates an expression whose type is wanted in part.
    pub(crate) fn typed(&mut self, expr: &ast::Expr, want: Want<'_>) -> Typed {
        self.infer(expr, want)
    }

    /// Elaborates an expression; what is wanted guides it but need not fit yet.
    fn infer(&mut self, expr: &ast::Expr, want: Want<'_>) -> Typed {
        match &expr.kind {
            ExprKind::Missing => {
                self.has_gaps = true;
                Typed::unknown()
            }
            ExprKind::Literal(value) => self.literal(value, want),
            ExprKind::Text(parts) => self.text(expr, parts, want),
            ExprKind::Name(name) => self.name(name, expr.span, want),
            ExprKind::ImpliedMember(name) => self.implied_member(expr.span, name),
            ExprKind::Member { of, name, null_safe } => self.member(expr, of, name, *null_safe),
            ExprKind::Index { of, index } => self.index(of, index),
            ExprKind::Call { callee, types, args } => self.call(expr, callee, types, args, want),
            ExprKind::Record(entries) => self.record(expr, entries, want),
            ExprKind::List(entries) => self.list(entries, want),
            ExprKind::Unary(op, operand) => self.unary(*op, operand, want),
            ExprKind::Binary { op, op_span, left, right } => self.binary(*op, *op_span, left, right, want),
            ExprKind::Convert(value, ty) => self.convert(expr, value, ty),
            ExprKind::Range(from, to) => {
                from.iter().chain(to).for_each(|bound| self.alone(bound));
                self.misplaced(
                    expr.span,
                    "a range stands only in a pattern",
                    "a range",
                    "in a loop or as a list: `List.range(1, 11)` has 1 to 10; to compare, use `<` and `>=`, or `match`",
                )
            }
            ExprKind::Lambda { params, body } => self.lambda(expr.span, params, body, want, Want::default()),
            ExprKind::If { arms, otherwise } => self.pure_if(expr.span, arms, otherwise.as_deref(), want),
            ExprKind::Match { subject, arms } => self.pure_match(expr.span, subject, arms, want),
            ExprKind::Block(block) => self.pure_block(block, want),
            ExprKind::For(_)
            | ExprKind::Parallel { .. }
            | ExprKind::Try { .. }
            | ExprKind::Saga(_)
            | ExprKind::First { .. }
            | ExprKind::Race(_)
            | ExprKind::Repeat(_) => self.effect_here(expr),
        }
    }

    /// Reports an expression that has no meaning where it stands.
    fn misplaced(&mut self, span: Span, message: &str, label: &str, help: &str) -> Typed {
        self.problems.push(Diagnostic::new(Code::E0315, message, span, label).help(help));
        Typed::unknown()
    }

    /// Reports `for`, `parallel` or `try` within a pure expression.
    fn effect_here(&mut self, expr: &ast::Expr) -> Typed {
        let word = match &expr.kind {
            ExprKind::For(_) => "for",
            ExprKind::Parallel { .. } => "parallel",
            ExprKind::Saga(_) => "saga",
            ExprKind::First { .. } => "first",
            ExprKind::Race(_) => "race",
            ExprKind::Repeat(_) => "repeat",
            _ => "try",
        };
        let keyword = Span { end: expr.span.start + word.len() as u32, ..expr.span };
        self.problems.push(
            Diagnostic::new(
                Code::E0402,
                format!("`{word}` can't stand within an expression"),
                keyword,
                "may have steps, and expressions have no effect",
            )
            .help(match (self.home, word) {
                (Home::Function, "for") => {
                    "a `fn` only computes: go through the list with `map`, `filter` or `fold`".to_owned()
                }
                (Home::Function, _) => format!("a `fn` only computes: write `{word}` in a flow"),
                (Home::Elsewhere, _) => format!("bind its value first: `let name = {word} …`, then use `name` here"),
            }),
        );
        self.has_gaps = true;
        Typed::unknown()
    }
}
