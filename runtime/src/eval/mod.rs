//! What is the value of a pure expression?
//!
//! In: an expression of a plan or a connector declaration, and the bindings around it. Out: its value, or a failure of
//! kind `Invalid` that says why it has none (a division by zero, an overflow). Evaluation is deterministic, ends always
//! and never panics: its length and its depth are bounded, and integers and decimals never wrap.
//!
//! Left out on purpose: anything that touches the world. Secrets stay names.

mod library;
mod member;
mod operator;
mod pattern;
mod slots;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod url_path;

use std::{cell::Cell, collections::BTreeMap, sync::Arc};

use flow_model::{
    boundary,
    expr::{Ambient, BinaryOp, Expr, ListPart, MatchArm, Pattern, RecordPart, Slot, UnaryOp},
    failure::{ErrorKind, Failure},
    function::Argument,
    plan,
    ty::{Type, Types},
    value::Value,
};
use indexmap::IndexMap;

use self::slots::Overlay;
pub use self::{
    library::Library,
    slots::{Frame, Slots},
};

/// How many expressions one evaluation may go through, with what they make counted by [`size`]: about a second of work and
/// some hundred megabytes. A program's functions can't recurse, so only data of an absurd size or a nest of loops over lists
/// comes here.
const MOST_STEPS: u64 = 10_000_000;

/// How deep expressions may nest, with a call counted as [`CALL_DEPTH`]: what fits the stack of a thread of 2 MiB without
/// optimisation. The grammar allows 128 in one expression; functions add theirs.
const MOST_DEPTH: u32 = 200;

/// What a call counts for: it takes more of the stack.
const CALL_DEPTH: u32 = 4;

/// Plain configuration: what `env("NAME")` reads.
pub trait Environment: Send + Sync {
    /// The value of a variable, if it is set.
    fn get(&self, name: &str) -> Option<String>;
}

/// Variables that were read before.
impl Environment for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).cloned()
    }
}

/// Evaluates expressions in one setting.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    /// The standard functions.
    pub library: &'a Library,
    /// The program's functions.
    pub functions: &'a BTreeMap<String, Arc<plan::Function>>,
    /// The types that conversions name.
    pub types: &'a Types,
    /// Plain configuration.
    pub env: &'a dyn Environment,
    /// What the place of evaluation provides.
    pub ambient: &'a dyn Fn(Ambient) -> Option<Value>,
}

impl Evaluator<'_> {
    /// Computes an expression.
    ///
    /// # Errors
    /// A failure of kind `Invalid`, or the failure of a standard function.
    pub fn eval(&self, expr: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
        Walk::new(self).eval(expr, slots)
    }

    /// Says whether a value fits a pattern, and binds what the pattern names.
    pub(crate) fn fits(pattern: &Pattern, value: &Value, slots: &mut dyn Slots) -> bool {
        pattern::fits(pattern, value, slots)
    }
}

/// A fault of an expression.
fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}

/// One evaluation, which may go through so many steps.
struct Walk<'e, 'a> {
    evaluator: &'e Evaluator<'a>,
    steps: Cell<u64>,
    depth: Cell<u32>,
}

impl<'e, 'a> Walk<'e, 'a> {
    fn new(evaluator: &'e Evaluator<'a>) -> Self {
        Self { evaluator, steps: Cell::new(0), depth: Cell::new(0) }
    }

    fn eval(&self, expr: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
        let weight = if matches!(expr, Expr::Call(..)) { CALL_DEPTH } else { 1 };
        let (steps, depth) = (self.steps.get() + 1, self.depth.get() + weight);
        if steps > MOST_STEPS {
            return Err(invalid("the expression takes too many steps: split the work up with `for`"));
        }
        if depth > MOST_DEPTH {
            return Err(invalid("the expression is nested too deep"));
        }
        self.steps.set(steps);
        self.depth.set(depth);
        let value = self.kind(expr, slots);
        self.depth.set(depth - weight);
        if let Ok(value) = &value {
            self.steps.set(self.steps.get().saturating_add(size(expr, value)));
        }
        value
    }

    /// Each kind has a function of its own, so that a level of nesting takes little of the stack.
    fn kind(&self, expr: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Slot(slot) => slot_value(*slot, slots),
            Expr::Ambient(which) => self.ambient(*which),
            Expr::Env(name, default) => self.env(name, default.as_deref(), slots),
            Expr::Text { parts, language } => text::text(self, parts, *language, slots),
            Expr::Record(parts) => self.record(parts, slots),
            Expr::List(parts) => self.list(parts, slots),
            Expr::Member { of, name, .. } => member::member(self, of, name, slots),
            Expr::Index(of, index) => member::index(self, of, index, slots),
            Expr::Unary(op, operand) => self.unary(*op, operand, slots),
            Expr::Binary(op, left, right) => self.binary(*op, left, right, slots),
            Expr::If(condition, then, otherwise) => self.either(condition, then, otherwise, slots),
            Expr::Match { subject, arms } => self.choice(subject, arms, slots),
            Expr::Let { slot, value, then } => self.bind(*slot, value, then, slots),
            Expr::Call(name, args) => self.call(name, args, slots),
            Expr::Lambda(..) => Err(invalid("a lambda stands where a value is needed")),
            Expr::Convert(of, ty) => self.convert(of, ty, slots),
            Expr::Masked(of, mask) => self.eval(of, slots).map(|value| mask.apply(value)),
            Expr::Wire(of, ty) => self.eval(of, slots).map(|value| boundary::wire(&value, ty, self.evaluator.types)),
            Expr::Whole(of, ty) => self.eval(of, slots).map(|value| boundary::whole(&value, ty, self.evaluator.types)),
        }
    }

    fn either(&self, condition: &Expr, then: &Expr, otherwise: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
        let branch = if self.condition(condition, slots)? { then } else { otherwise };
        self.eval(branch, slots)
    }

    fn bind(&self, slot: Slot, value: &Expr, then: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
        let value = self.eval(value, slots)?;
        slots.set(slot, value);
        self.eval(then, slots)
    }

    fn convert(&self, of: &Expr, ty: &Type, slots: &mut dyn Slots) -> Result<Value, Failure> {
        let value = self.eval(of, slots)?;
        Ok(boundary::convert(&value, ty, self.evaluator.types).unwrap_or(Value::Null))
    }

    fn ambient(&self, which: Ambient) -> Result<Value, Failure> {
        (self.evaluator.ambient)(which).ok_or_else(|| {
            let name = match which {
                Ambient::Config => "config",
                Ambient::Body => "body",
                Ambient::Status => "status",
                Ambient::Headers => "headers",
                Ambient::Query => "query",
                Ambient::Signature => "signature",
                Ambient::Item => "the item",
                Ambient::Now => "now()",
                Ambient::Uuid => "uuid()",
                Ambient::Random => "random()",
            };
            invalid(format!("`{name}` is not known here"))
        })
    }

    fn env(&self, name: &str, default: Option<&Expr>, slots: &mut dyn Slots) -> Result<Value, Failure> {
        match (self.evaluator.env.get(name), default) {
            (Some(text), _) => Ok(Value::text(text)),
            (None, Some(default)) => self.eval(default, slots),
            (None, None) => Err(invalid(format!("the environment variable `{name}` is not set"))),
        }
    }

    fn record(&self, parts: &[RecordPart], slots: &mut dyn Slots) -> Result<Value, Failure> {
        let mut record = IndexMap::new();
        for part in parts {
            match part {
                RecordPart::Field(name, value) => {
                    record.insert(name.clone(), self.eval(value, slots)?);
                }
                RecordPart::Spread(rest) => match self.eval(rest, slots)? {
                    Value::Record(fields) => record.extend(fields),
                    other => return Err(invalid(format!("`...` in a record takes a record, not {}", other.kind()))),
                },
            }
        }
        Ok(Value::Record(record))
    }

    fn list(&self, parts: &[ListPart], slots: &mut dyn Slots) -> Result<Value, Failure> {
        let mut list = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                ListPart::Item(item) => list.push(self.eval(item, slots)?),
                ListPart::Spread(rest) => match self.eval(rest, slots)? {
                    Value::List(items) => list.extend(items),
                    other => return Err(invalid(format!("`...` in a list takes a list, not {}", other.kind()))),
                },
            }
        }
        Ok(Value::List(list))
    }

    fn unary(&self, op: UnaryOp, operand: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
        match op {
            UnaryOp::Not => Ok(Value::Bool(!self.condition(operand, slots)?)),
            UnaryOp::Negate => operator::negate(self.eval(operand, slots)?),
        }
    }

    fn binary(&self, op: BinaryOp, left: &Expr, right: &Expr, slots: &mut dyn Slots) -> Result<Value, Failure> {
        match op {
            BinaryOp::And => Ok(Value::Bool(self.condition(left, slots)? && self.condition(right, slots)?)),
            BinaryOp::Or => Ok(Value::Bool(self.condition(left, slots)? || self.condition(right, slots)?)),
            BinaryOp::Coalesce => match self.eval(left, slots)? {
                Value::Null => self.eval(right, slots),
                value => Ok(value),
            },
            _ => {
                let left = self.eval(left, slots)?;
                let right = self.eval(right, slots)?;
                operator::apply(op, left, right)
            }
        }
    }

    fn condition(&self, expr: &Expr, slots: &mut dyn Slots) -> Result<bool, Failure> {
        match self.eval(expr, slots)? {
            Value::Bool(value) => Ok(value),
            other => Err(invalid(format!("a condition must be `true` or `false`, not {}", other.kind()))),
        }
    }

    fn choice(&self, subject: &Expr, arms: &[MatchArm], slots: &mut dyn Slots) -> Result<Value, Failure> {
        let subject = self.eval(subject, slots)?;
        for arm in arms {
            if !pattern::fits(&arm.pattern, &subject, slots) {
                continue;
            }
            if let Some(guard) = &arm.guard
                && !self.condition(guard, slots)?
            {
                continue;
            }
            return self.eval(&arm.value, slots);
        }
        Err(invalid(format!("no arm of `match` fits {}", subject.kind())))
    }

    fn call(&self, name: &str, args: &[Expr], slots: &mut dyn Slots) -> Result<Value, Failure> {
        if let Some(function) = self.evaluator.functions.get(name) {
            return self.call_function(function, args, slots);
        }
        let function =
            self.evaluator.library.get(name).ok_or_else(|| invalid(format!("there is no function `{name}`")))?;
        // Values come first: computing them may bind names, which the lambdas then see.
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(match arg {
                Expr::Lambda(..) => None,
                value => Some(self.eval(value, slots)?),
            });
        }
        let below: &dyn Slots = slots;
        let lambdas: Vec<_> = args
            .iter()
            .map(|arg| {
                move |values: &[Value]| match arg {
                    Expr::Lambda(params, body) => self.call_lambda(params, body, values, below),
                    _ => Err(invalid("this argument is no lambda")),
                }
            })
            .collect();
        let arguments = values
            .into_iter()
            .zip(&lambdas)
            .map(|(value, lambda)| match value {
                Some(value) => Argument::Value(value),
                None => Argument::Lambda(lambda),
            })
            .collect();
        function.call(arguments)
    }

    fn call_function(&self, function: &plan::Function, args: &[Expr], slots: &mut dyn Slots) -> Result<Value, Failure> {
        let mut frame = Frame::new();
        for (param, arg) in function.params.iter().zip(args) {
            frame.set(*param, self.eval(arg, slots)?);
        }
        self.eval(&function.body, &mut frame)
    }

    fn call_lambda(&self, params: &[Slot], body: &Expr, values: &[Value], below: &dyn Slots) -> Result<Value, Failure> {
        let mut overlay = Overlay::new(below);
        for (param, value) in params.iter().zip(values) {
            overlay.set(*param, value.clone());
        }
        self.eval(body, &mut overlay)
    }
}

/// What a value takes of the steps besides the one for its expression, so that an evaluation can't fill the memory with
/// few steps: a list made by a function or a `...`, or read from a binding, which copies it.
fn size(expr: &Expr, value: &Value) -> u64 {
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    match (expr, value) {
        (Expr::Slot(_), Value::List(items)) => length(items.len()) / 2,
        (Expr::Call(..) | Expr::List(_), Value::List(items)) => length(items.len()).saturating_mul(4),
        (Expr::Call(..) | Expr::Record(_), Value::Record(fields)) => length(fields.len()),
        (Expr::Call(..) | Expr::Text { .. }, Value::String(text)) => length(text.len()) / 16,
        (Expr::Call(..), Value::Bytes(bytes)) => length(bytes.len()) / 16,
        _ => 0,
    }
}

fn slot_value(slot: Slot, slots: &dyn Slots) -> Result<Value, Failure> {
    slots.get(slot).cloned().ok_or_else(|| invalid(format!("the binding in slot {} has no value yet", slot.0)))
}
