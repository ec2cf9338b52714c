//! Which parts of an expression's value are personal?
//!
//! In: what is known of slots. Out: a shape. What a value is computed from passes its mark on, except to what says only yes
//! or no, or how many. A standard function is judged by its signature: a type variable stands for the same data wherever
//! it occurs, and all else in the result may come from every argument that is not behind a variable. `mask` takes the
//! mark away.

use std::{cell::RefCell, collections::BTreeMap};

use flow_model::{
    expr::{BinaryOp, Expr, ListPart, Pattern, RecordPart, Slot, TextPart, UnaryOp},
    function::Signature,
    ty::Type,
};

use super::shape::{Shape, of_type};
use crate::{names::Names, types::Definitions};

/// The standard function that takes the mark away.
const MASK: &str = "String.mask";

/// What is known of the slots of a flow, a function or a lambda.
pub(super) type Slots = BTreeMap<Slot, Shape>;

/// What the variables of a signature stand for.
type Bound = BTreeMap<String, Shape>;

/// Judges expressions.
pub(super) struct Judge<'a> {
    pub names: &'a Names<'a>,
    pub definitions: &'a Definitions,
    /// Results of the program's functions, by name and arguments.
    known: RefCell<BTreeMap<(String, Vec<Shape>), Shape>>,
    /// Functions that are being judged, each called by the one before.
    busy: RefCell<Vec<String>>,
}

/// How many functions deep calls are followed; further down, all that goes in comes out.
const DEEPEST: usize = 32;

impl<'a> Judge<'a> {
    pub(super) fn new(names: &'a Names<'a>, definitions: &'a Definitions) -> Self {
        Self { names, definitions, known: RefCell::default(), busy: RefCell::default() }
    }

    /// The personal parts of an expression's value.
    pub(super) fn value(&self, expr: &Expr, slots: &mut Slots) -> Shape {
        match expr {
            Expr::Literal(_) | Expr::Ambient(_) | Expr::Env(..) | Expr::Masked(..) => Shape::default(),
            Expr::Slot(slot) => slots.get(slot).cloned().unwrap_or_default(),
            Expr::Text { parts, .. } => {
                let mut source = None;
                for part in parts {
                    if let TextPart::Insert(insert) = part {
                        source = source.or(self.value(insert, slots).any().cloned());
                    }
                }
                Shape::whole(source)
            }
            Expr::Record(parts) => parts.iter().fold(Shape::default(), |record, part| match part {
                // What comes later takes the place of what came before.
                RecordPart::Field(name, value) => {
                    let mut record = record;
                    let value = self.value(value, slots);
                    record.fields.remove(name);
                    record.join(Shape::record([(name.clone(), value)]))
                }
                RecordPart::Spread(value) => record.join(self.value(value, slots)),
            }),
            Expr::List(parts) => parts.iter().fold(Shape::default(), |list, part| match part {
                ListPart::Item(value) => list.join(Shape::list_of(self.value(value, slots))),
                ListPart::Spread(value) => list.join(self.value(value, slots)),
            }),
            Expr::Member { of, name, .. } => self.value(of, slots).field(name),
            Expr::Index(of, _) => self.value(of, slots).item(),
            Expr::Unary(UnaryOp::Not, _) => Shape::default(),
            Expr::Unary(UnaryOp::Negate, of) | Expr::Wire(of, _) | Expr::Whole(of, _) => self.value(of, slots),
            Expr::Binary(op, left, right) => self.operation(*op, left, right, slots),
            Expr::If(_, then, otherwise) => self.value(then, slots).join(self.value(otherwise, slots)),
            Expr::Match { subject, arms } => {
                let subject = self.value(subject, slots);
                arms.iter().fold(Shape::default(), |all, arm| {
                    bind(&arm.pattern, &subject, slots);
                    all.join(self.value(&arm.value, slots))
                })
            }
            Expr::Let { slot, value, then } => {
                let value = self.value(value, slots);
                slots.insert(*slot, value);
                self.value(then, slots)
            }
            Expr::Call(name, args) => self.call(name, args, slots),
            Expr::Lambda(_, body) => self.value(body, slots),
            Expr::Convert(of, ty) => self.value(of, slots).join(of_type(self.names, ty)),
        }
    }

    fn operation(&self, op: BinaryOp, left: &Expr, right: &Expr, slots: &mut Slots) -> Shape {
        match op {
            BinaryOp::Coalesce => self.value(left, slots).join(self.value(right, slots)),
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder => {
                let left = self.value(left, slots).any().cloned();
                Shape::whole(left.or_else(|| self.value(right, slots).any().cloned()))
            }
            _ => Shape::default(),
        }
    }

    fn call(&self, name: &str, args: &[Expr], slots: &mut Slots) -> Shape {
        if name == MASK {
            return Shape::default();
        }
        if let Some(signature) = self.definitions.signature(name) {
            return self.standard(signature, args, slots);
        }
        let args: Vec<Shape> = args.iter().map(|arg| self.value(arg, slots)).collect();
        let key = (name.to_owned(), args);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        // A function that calls itself was reported.
        if self.busy.borrow().len() >= DEEPEST || self.busy.borrow().iter().any(|busy| busy == name) {
            return Shape::whole(key.1.iter().find_map(Shape::any).cloned());
        }
        let Some(function) = self.definitions.function(self.names, name) else { return Shape::default() };
        self.busy.borrow_mut().push(name.to_owned());
        let mut inner: Slots = function.params.iter().copied().zip(key.1.iter().cloned()).collect();
        let shape = self.value(&function.body, &mut inner);
        self.busy.borrow_mut().pop();
        self.known.borrow_mut().insert(key, shape.clone());
        shape
    }

    fn standard(&self, signature: &Signature, args: &[Expr], slots: &mut Slots) -> Shape {
        let mut bound = Bound::new();
        let mut plain = None;
        let is_lambda = |ty: &Type| matches!(ty.non_null(), Type::Function(..));
        let params = || signature.params.values().zip(args);
        for (ty, arg) in params().filter(|(ty, _)| !is_lambda(ty)) {
            let shape = self.value(arg, slots);
            take(ty, &shape, &mut bound, &mut plain);
        }
        // A lambda may see what it has given itself: the second time it does.
        for (ty, arg) in params().chain(params()).filter(|(ty, _)| is_lambda(ty)) {
            let (Type::Function(given, result), Expr::Lambda(names, body)) = (ty.non_null(), arg) else { continue };
            for (slot, ty) in names.iter().zip(given) {
                slots.insert(*slot, give(ty, &bound, None));
            }
            let value = self.value(body, slots);
            match result.non_null() {
                Type::Bool => {}
                result => take(result, &value, &mut bound, &mut plain),
            }
        }
        let says_little = matches!(signature.result, Type::Bool)
            || signature.name.ends_with(".length")
            || signature.name.ends_with(".count")
            || signature.name.ends_with(".index_of");
        if says_little { Shape::default() } else { give(&signature.result, &bound, plain) }
    }
}

/// Binds variables of a declared type to the data behind them; what is behind none is `plain`.
fn take(declared: &Type, shape: &Shape, bound: &mut Bound, plain: &mut Option<super::shape::Source>) {
    match declared {
        Type::Variable(name) => {
            let joined = bound.remove(name).unwrap_or_default().join(shape.clone());
            bound.insert(name.clone(), joined);
        }
        Type::Optional(inner) => take(inner, shape, bound, plain),
        Type::List(item) | Type::Map(item) | Type::Stream(item) => {
            if let Type::Map(_) = declared {
                *plain = plain.take().or_else(|| shape.keys.clone());
            }
            take(item, &shape.item(), bound, plain);
        }
        Type::Record(fields) => {
            for (name, field) in fields {
                take(&field.ty, &shape.field(name), bound, plain);
            }
        }
        _ => *plain = plain.take().or_else(|| shape.any().cloned()),
    }
}

/// The data of a result: what its variables stand for, and at all else what may have come from any argument.
fn give(declared: &Type, bound: &Bound, plain: Option<super::shape::Source>) -> Shape {
    match declared {
        Type::Variable(name) => bound.get(name).cloned().unwrap_or_default(),
        Type::Optional(inner) => give(inner, bound, plain),
        Type::List(item) | Type::Stream(item) => Shape::list_of(give(item, bound, plain)),
        Type::Map(item) => Shape { keys: plain.clone(), ..Shape::list_of(give(item, bound, plain)) },
        Type::Record(fields) => {
            Shape::record(fields.iter().map(|(name, field)| (name.clone(), give(&field.ty, bound, plain.clone()))))
        }
        Type::Bool => Shape::default(),
        _ => Shape::whole(plain),
    }
}

/// Binds what a pattern names.
pub(super) fn bind(pattern: &Pattern, subject: &Shape, slots: &mut Slots) {
    match pattern {
        Pattern::Bind(slot) => {
            slots.insert(*slot, subject.clone());
        }
        Pattern::Record(fields) => {
            fields.iter().for_each(|(name, pattern)| bind(pattern, &subject.field(name), slots));
        }
        Pattern::List { items, rest } => {
            items.iter().for_each(|pattern| bind(pattern, &subject.item(), slots));
            if let Some(Some(slot)) = rest {
                slots.insert(*slot, subject.clone());
            }
        }
        Pattern::Case { bind: Some(slot), .. } => {
            slots.insert(*slot, subject.clone());
        }
        Pattern::Any
        | Pattern::Literal(_)
        | Pattern::Range { .. }
        | Pattern::StartsWith(_)
        | Pattern::Either(_)
        | Pattern::Case { bind: None, .. } => {}
    }
}
