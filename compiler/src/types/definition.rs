//! What do functions and constants stand for?
//!
//! In: the standard functions, and the program's own as written. Out: their types and bodies, each elaborated once, when
//! it is first needed. What is defined by itself is found by [`Definitions::check_all`], which reports the circle once;
//! until then such a name has the type that is written, or an unknown one.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{Expr, TextPart},
    failure::Failure,
    function::{Argument, Form, Signature, StandardFunction},
    plan,
    span::Span,
    ty::{Field, Type, Types},
    value::Value,
};
use indexmap::IndexMap;
use petgraph::{
    algo::kosaraju_scc,
    graph::{DiGraph, NodeIndex},
};

use super::{Elaborator, Home, Kind, Typed, Want, expect::Because, scope::Binding, standard};
use crate::{
    ast::{ExprKind, StatementKind},
    names::{
        Names,
        walk::{self, Visitor},
    },
};

/// What the names of functions and constants stand for: the standard functions, and the program's own as far as they
/// were needed. One for each program; it outlives the elaborators.
pub(crate) struct Definitions {
    standard: Arc<Standard>,
    known: RefCell<Known>,
}

/// The standard functions by the type that they belong to, and their name there: `Money` and `minor`.
type Standard = BTreeMap<String, BTreeMap<String, (Signature, Eval)>>;

/// The code of a standard function.
type Eval = fn(&[Argument<'_>]) -> Result<Value, Failure>;

/// The type and the name of a standard function: `Money` and `minor`; what belongs to no type has an empty one.
fn parts(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or(("", name))
}

/// What was elaborated.
#[derive(Default)]
struct Known {
    definitions: BTreeMap<String, Definition>,
    /// Whether one is being elaborated. All that it uses was before, except what uses it in turn.
    is_busy: bool,
    problems: Vec<Diagnostic>,
}

/// A constant or function.
struct Definition {
    /// The type of its value.
    ty: Type,
    /// Slots of the parameters and the body; constants have no parameters.
    function: Arc<plan::Function>,
    /// Constants and functions that it uses, with the places.
    uses: Vec<(String, Span)>,
}

impl Definitions {
    /// Knows the standard functions.
    ///
    /// # Panics
    /// When a signature of the table does not read, which a test of the table shows.
    pub(crate) fn new(standard: &[StandardFunction]) -> Self {
        let mut all = Standard::new();
        for function in standard {
            let signature = Signature::parse(function.signature).expect("the signatures of the library read");
            let (head, name) = parts(&signature.name);
            let name = name.to_owned();
            all.entry(head.to_owned()).or_default().insert(name, (signature, function.eval));
        }
        Self { standard: Arc::new(all), known: RefCell::default() }
    }

    /// Knows the standard functions, and of the program nothing yet.
    pub(crate) fn anew(&self) -> Self {
        Self { standard: Arc::clone(&self.standard), known: RefCell::default() }
    }

    /// Why a standard function fails for values that are known when the program is checked, if it does.
    pub(super) fn failure(&self, name: &str, values: &[Value]) -> Option<String> {
        let (head, name) = parts(name);
        let (_, eval) = self.standard.get(head)?.get(name)?;
        let args: Vec<Argument<'_>> = values.iter().cloned().map(Argument::Value).collect();
        eval(&args).err().map(|failure| failure.message)
    }

    /// A standard function by the name that plans call it by: `Money.minor`.
    pub(crate) fn signature(&self, name: &str) -> Option<&Signature> {
        let (head, name) = parts(name);
        self.standard(head, name)
    }

    /// A standard function by type and name.
    pub(super) fn standard(&self, head: &str, name: &str) -> Option<&Signature> {
        self.standard.get(head)?.get(name).map(|(signature, _)| signature)
    }

    /// The standard functions that belong to a type.
    fn of(&self, head: &str) -> impl Iterator<Item = (&String, &Signature)> {
        self.standard.get(head).into_iter().flatten().map(|(name, (signature, _))| (name, signature))
    }

    /// Functions that are called on a type itself: their names.
    pub(super) fn statics(&self, head: &str) -> Vec<String> {
        let of_type = self.of(head).filter(|(_, signature)| signature.form == Form::Static);
        of_type.map(|(name, _)| name.clone()).collect()
    }

    /// The method or property of a type.
    pub(super) fn member(&self, types: &Types, ty: &Type, name: &str) -> Option<&Signature> {
        standard::heads(types, ty)
            .iter()
            .filter_map(|head| self.standard(head, name))
            .find(|signature| signature.form != Form::Static)
    }

    /// The names of all methods and properties of a type.
    pub(super) fn members(&self, types: &Types, ty: &Type) -> Vec<String> {
        let mut names = BTreeSet::new();
        for head in standard::heads(types, ty) {
            let of_values = self.of(head).filter(|(_, signature)| signature.form != Form::Static);
            names.extend(of_values.map(|(name, _)| name.clone()));
        }
        names.into_iter().collect()
    }

    /// The function or constant of the program by that name, as plans hold it; elaborated if it was not yet.
    pub(crate) fn function(&self, names: &Names<'_>, name: &str) -> Option<Arc<plan::Function>> {
        self.need(names, name);
        self.known.borrow().definitions.get(name).map(|definition| Arc::clone(&definition.function))
    }

    /// Elaborates all constants and functions, and hands out all problems that were found in them.
    pub(crate) fn check_all(&self, names: &Names<'_>) -> Vec<Diagnostic> {
        for name in names.consts.keys().chain(names.functions.keys()) {
            self.need(names, name);
        }
        let mut problems = std::mem::take(&mut self.known.borrow_mut().problems);
        problems.extend(self.circles(names));
        problems
    }

    /// The type of a constant, or of a function's result; what is part of a circle is taken at its word.
    fn need(&self, names: &Names<'_>, name: &str) -> Type {
        let known = |name: &str| self.known.borrow().definitions.get(name).map(|definition| definition.ty.clone());
        if let Some(ty) = known(name) {
            return ty;
        }
        if !self.known.borrow().is_busy {
            for next in self.in_order(names, name) {
                self.elaborate(names, &next);
            }
        }
        known(name).or_else(|| written(names, name)).unwrap_or(Type::Unknown)
    }

    /// A definition and all that it mentions and that is not known yet, each after what it mentions. Without recursion,
    /// since a program may have long chains of them.
    fn in_order(&self, names: &Names<'_>, name: &str) -> Vec<String> {
        let known = self.known.borrow();
        let mut seen: BTreeSet<String> = BTreeSet::from([name.to_owned()]);
        let mut order = Vec::new();
        let mut open = vec![(name.to_owned(), mentions(names, name))];
        while let Some((name, rest)) = open.last_mut() {
            match rest.pop() {
                Some(next) if !known.definitions.contains_key(&next) && seen.insert(next.clone()) => {
                    let inner = mentions(names, &next);
                    open.push((next, inner));
                }
                Some(_) => {}
                None => {
                    order.push(std::mem::take(name));
                    open.pop();
                }
            }
        }
        order
    }

    fn elaborate(&self, names: &Names<'_>, name: &str) {
        self.known.borrow_mut().is_busy = true;
        let mut elaborator = Elaborator::new(names, self);
        let (ty, function) = match (names.consts.get(name), names.functions.get(name)) {
            (Some(constant), _) => {
                let because = constant.ast.ty.as_ref().map(|ty| written_reason(ty.span, constant.ty.as_ref()));
                let want = Want { ty: constant.ty.as_ref(), because: because.as_ref() };
                let value = elaborator.check(&constant.ast.value, want);
                (value.ty, plan::Function { params: Vec::new(), body: value.expr })
            }
            (None, Some(function)) => {
                elaborator.function_body(&function.params, function.result.as_ref(), function.ast)
            }
            (None, None) => (Type::Unknown, plan::Function { params: Vec::new(), body: Expr::Literal(Value::Null) }),
        };
        let ty = written(names, name).unwrap_or(ty);
        let mut known = self.known.borrow_mut();
        known.is_busy = false;
        known.problems.append(&mut elaborator.problems);
        let uses = std::mem::take(&mut elaborator.uses);
        known.definitions.insert(name.to_owned(), Definition { ty, function: Arc::new(function), uses });
    }

    /// Reports each circle of definitions once, at the one that stands first.
    fn circles(&self, names: &Names<'_>) -> Vec<Diagnostic> {
        let known = self.known.borrow();
        let mut graph: DiGraph<&str, ()> = DiGraph::new();
        let nodes: BTreeMap<&str, NodeIndex> =
            known.definitions.keys().map(|name| (name.as_str(), graph.add_node(name))).collect();
        for (name, definition) in &known.definitions {
            for (used, _) in &definition.uses {
                if let (Some(from), Some(to)) = (nodes.get(name.as_str()), nodes.get(used.as_str())) {
                    graph.add_edge(*from, *to, ());
                }
            }
        }
        let mut problems = Vec::new();
        for group in kosaraju_scc(&graph) {
            // Alone, a definition is part of a circle only if it uses itself.
            if let [alone] = group.as_slice()
                && graph.find_edge(*alone, *alone).is_none()
            {
                continue;
            }
            let members = group.iter().filter_map(|node| graph.node_weight(*node).copied());
            let first = members.min_by_key(|name| declared(names, name));
            if let Some(circle) = first.and_then(|first| circle(&known.definitions, first)) {
                problems.push(report_circle(names, &circle));
            }
        }
        problems.sort_by_key(Diagnostic::span);
        problems
    }
}

/// Says whether a constant's value is no longer than a call of it would be: then it stands where it is used, so that
/// settings which name a constant can be read as they are.
fn is_short(body: &Expr) -> bool {
    let short = |part: &TextPart| match part {
        TextPart::Fixed(_) => true,
        TextPart::Insert(insert) => is_short(insert),
    };
    match body {
        Expr::Literal(_) => true,
        Expr::Env(_, default) => default.as_deref().is_none_or(is_short),
        Expr::Text { parts, .. } => parts.len() <= 4 && parts.iter().all(short),
        Expr::Binary(_, left, right) => is_short(left) && is_short(right),
        _ => false,
    }
}

/// The type that is written for a constant or for the result of a function.
fn written(names: &Names<'_>, name: &str) -> Option<Type> {
    match (names.consts.get(name), names.functions.get(name)) {
        (Some(constant), _) => constant.ty.clone(),
        (None, Some(function)) => function.result.clone(),
        (None, None) => None,
    }
}

/// Where a constant or function is declared: its name there.
fn declared(names: &Names<'_>, name: &str) -> Span {
    match (names.consts.get(name), names.functions.get(name)) {
        (Some(constant), _) => constant.ast.name.span,
        (None, Some(function)) => function.ast.name.span,
        (None, None) => Span::default(),
    }
}

/// The constants and functions whose names stand in the text of one; some of them may turn out to be bindings.
fn mentions(names: &Names<'_>, name: &str) -> Vec<String> {
    let mut found = Mentions { names, found: BTreeSet::new() };
    match (names.consts.get(name), names.functions.get(name)) {
        (Some(constant), _) => walk::expr(&constant.ast.value, &mut found),
        (None, Some(function)) => walk::block(&function.ast.body, &mut found),
        (None, None) => {}
    }
    found.found.into_iter().collect()
}

struct Mentions<'n> {
    names: &'n Names<'n>,
    found: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Mentions<'_> {
    fn expr(&mut self, expr: &'a crate::ast::Expr) {
        if let ExprKind::Name(name) = &expr.kind
            && (self.names.consts.contains_key(name) || self.names.functions.contains_key(name))
        {
            self.found.insert(name.clone());
        }
    }
}

/// The shortest way from a definition back to itself: each name with the place where the one before uses it.
fn circle<'k>(definitions: &'k BTreeMap<String, Definition>, start: &'k str) -> Option<Vec<(&'k str, Span)>> {
    let mut came_from: BTreeMap<&str, (&str, Span)> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(name) = queue.pop_front() {
        let Some(definition) = definitions.get(name) else { continue };
        for (used, span) in &definition.uses {
            if used == start {
                let mut way = vec![(start, *span)];
                let mut at = name;
                while at != start {
                    let (from, span) = came_from.get(at)?;
                    way.push((at, *span));
                    at = from;
                }
                way.reverse();
                return Some(way);
            }
            if definitions.contains_key(used) && !came_from.contains_key(used.as_str()) {
                came_from.insert(used, (name, *span));
                queue.push_back(used);
            }
        }
    }
    None
}

fn report_circle(names: &Names<'_>, circle: &[(&str, Span)]) -> Diagnostic {
    let (last, _) = circle.last().copied().unwrap_or_default();
    let is_function = names.functions.contains_key(last);
    let verb = if is_function { "calls" } else { "is defined by" };
    let message = match circle.len() {
        1 => format!("`{last}` {verb} itself"),
        _ => {
            let way: Vec<String> = circle.iter().map(|(name, _)| format!("`{name}`")).collect();
            format!("`{last}` {verb} itself: `{last}` → {}", way.join(" → "))
        }
    };
    let mut problem = Diagnostic::new(Code::E0314, message, declared(names, last), "declared here");
    for (name, span) in circle {
        problem = problem.label(*span, format!("needs `{name}`"));
    }
    problem.help(if is_function {
        "a function always ends, so none may call itself: go through a list with `map`, `fold` or `for`"
    } else {
        "give one of them a value that needs no other"
    })
}

/// The label of a type that is written.
fn written_reason(span: Span, ty: Option<&Type>) -> Because {
    let text = ty.map_or_else(|| "declared here".to_owned(), |ty| format!("declared `{ty}`"));
    Because { span, text }
}

impl Elaborator<'_> {
    /// A constant: what it is for short values, a call of a function without parameters for others, so that a plan
    /// holds a long value once.
    pub(super) fn constant(&mut self, name: &str, span: Span) -> Typed {
        self.uses.push((name.to_owned(), span));
        let ty = self.definitions.need(self.names, name);
        let known = self.definitions.known.borrow();
        let expr = match known.definitions.get(name).map(|definition| &definition.function.body) {
            Some(body) if is_short(body) => body.clone(),
            _ => Expr::Call(name.to_owned(), Vec::new()),
        };
        Typed::new(expr, ty)
    }

    /// The parameters of a function of the program and the type of its result.
    pub(super) fn function_head(&mut self, name: &str, span: Span) -> (IndexMap<String, Field>, Type) {
        self.uses.push((name.to_owned(), span));
        let names = self.names;
        let params = names.functions.get(name).map(|function| function.params.clone()).unwrap_or_default();
        (params, self.definitions.need(names, name))
    }

    fn function_body(
        &mut self,
        params: &IndexMap<String, Field>,
        result: Option<&Type>,
        written: &crate::ast::Function,
    ) -> (Type, plan::Function) {
        self.scope.push();
        let mut slots = Vec::new();
        for (name, field) in params {
            let slot = self.scope.fresh();
            let span = written.params.iter().find(|param| param.name.text == *name).map(|param| param.name.span);
            let binding = Binding {
                slot,
                ty: field.ty.clone(),
                span: span.unwrap_or(written.name.span),
                kind: Kind::Parameter,
                used: false,
            };
            self.scope.bind(name, binding);
            slots.push(slot);
        }
        let because = written.result.as_ref().map(|ty| written_reason(ty.span, result));
        self.home = Home::Function;
        if written.body.value.is_none() {
            self.without_value(result, written);
        }
        // Of a block without a value that was said.
        let want = match &written.body.value {
            Some(_) => Want { ty: result, because: because.as_ref() },
            None => Want::default(),
        };
        let body = self.pure_block(&written.body, want);
        let body = match written.body.value.as_deref() {
            Some(value) => self.fit(body, Want { ty: result, because: because.as_ref() }, value.span),
            None => Typed::unknown(),
        };
        self.close();
        (body.ty, plan::Function { params: slots, body: body.expr })
    }

    /// A function whose body does not end in a value.
    fn without_value(&mut self, result: Option<&Type>, written: &crate::ast::Function) {
        let returns = written.body.statements.iter().find_map(|statement| match &statement.kind {
            StatementKind::Return(_) => Some(statement.span),
            _ => None,
        });
        if returns.is_none() {
            let end = Span { start: written.body.span.end.saturating_sub(1), ..written.body.span };
            let mut problem = Diagnostic::new(
                Code::E0301,
                format!("`{}` has no value", written.name.text),
                end,
                "ends without a value",
            );
            if let (Some(result), Some(ty)) = (result, &written.result) {
                problem = problem.label(ty.span, format!("should be `{result}`"));
            }
            self.problems.push(problem.help("end the body in the expression that is its value"));
        }
        // What the body binds may be meant for the value that is missing.
        self.has_gaps = true;
    }
}
