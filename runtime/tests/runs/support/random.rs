//! Plans, orders and faults drawn from a seed: a failing seed is shown and gives the same case again.

use std::collections::BTreeMap;

use flow_model::{
    expr::{BinaryOp, Expr, Pattern, Slot},
    failure::ErrorKind,
    plan::{ForOnError, NodeKind, ParallelOnError},
    value::Value,
};
use flow_runtime::{
    eval::{Evaluator, Frame, Library, Slots as _},
    machine::Place,
};

use super::build::*;
pub(crate) use flow_runtime::sim::outside::answer as answer_of;

/// A small generator of random numbers: SplitMix64 (G. L. Steele et al., "Fast Splittable Pseudorandom Number
/// Generators", OOPSLA 2014).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// What random plans contain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Nothing that depends on failures or on the order of completions.
    Calm,
    /// Everything.
    Wild,
}

/// Draws the body of a plan whose bindings are small integers.
pub(crate) fn body(rng: &mut Rng, flavour: Flavour) -> Vec<Stmt> {
    let mut draw = Draw { rng, flavour, next: 0, guards: 0 };
    let mut body = draw.block(3, &mut Vec::new());
    let last = body.pop();
    match last.map(|stmt| stmt.kind) {
        Some(NodeKind::Yield(value)) => body.push(end(value)),
        _ => body.push(end(int(0))),
    }
    body
}

struct Draw<'a> {
    rng: &'a mut Rng,
    flavour: Flavour,
    next: u32,
    /// How many `try` and loops that deal with failures are around.
    guards: u32,
}

impl Draw<'_> {
    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn value(&mut self, seen: &[u32]) -> Expr {
        let leaf = |rng: &mut Rng| {
            if seen.is_empty() || rng.one_in(4) { int(rng.below(10) as i64) } else { get(*rng.pick(seen)) }
        };
        let left = leaf(self.rng);
        if self.rng.one_in(2) {
            return left;
        }
        let sum = op(left, BinaryOp::Add, leaf(self.rng));
        op(sum, BinaryOp::Remainder, int(97))
    }

    /// Statements that end in a value.
    fn block(&mut self, depth: u32, seen: &mut Vec<u32>) -> Vec<Stmt> {
        let mut block = Vec::new();
        for _ in 0..self.rng.below(4) {
            self.stmt(depth, seen, &mut block);
        }
        block.push(give(self.value(seen)));
        block
    }

    fn inner(&mut self, depth: u32, seen: &[u32]) -> Vec<Stmt> {
        if self.rng.one_in(8) { vec![] } else { self.block(depth - 1, &mut seen.to_vec()) }
    }

    fn stmt(&mut self, depth: u32, seen: &mut Vec<u32>, block: &mut Vec<Stmt>) {
        let slot = self.fresh();
        let path = format!("n{slot}");
        let wild = self.flavour == Flavour::Wild;
        let kinds = if depth == 0 { 5 } else { 14 };
        match self.rng.below(kinds) {
            0 => block.push(bind(&path, slot, self.value(seen))),
            1 | 2 => {
                // What deals with failures deals with interrupted calls: then a crash shows in the result.
                let calm = !wild && self.guards > 0;
                let operation = *self.rng.pick(if calm { &["read", "keyed"] } else { &["read", "keyed", "send"] });
                let mut step = step_of(&path, operation, slot, self.value(seen));
                if wild && self.rng.one_in(2) {
                    let on = [ErrorKind::Unavailable, ErrorKind::Timeout];
                    step = step.retrying(retry(self.rng.below(3) as u32, &on, 1000));
                }
                if self.rng.one_in(3) {
                    let undo = self.fresh();
                    let operation = *self.rng.pick(if wild { &["keyed", "send"] } else { &["keyed"] });
                    step = step.undone_by(vec![step_of(&format!("{path}/undo"), operation, undo, get(slot))]);
                }
                block.push(step);
            }
            3 => {
                match self.rng.below(4) {
                    0 => block.push(sleep(&path, seconds(self.rng.below(5)))),
                    1 if wild => block.push(fail(&path, "Odd", "drawn")),
                    2 => block.push(dead_letter("lost", self.value(seen))),
                    _ => block.push(log(self.value(seen))),
                }
                return;
            }
            4 => {
                match self.rng.below(4) {
                    0 if wild => {
                        let within = self.rng.one_in(2).then(|| seconds(5));
                        let filter = op(Expr::Ambient(flow_model::expr::Ambient::Item), BinaryOp::Less, int(50));
                        block.push(wait(&path, slot, "drawn", Some(filter), within));
                        return self.soften(slot, seen, block);
                    }
                    1 if wild => block.push(approve(&path, slot, "may it?", self.rng.one_in(2).then(|| seconds(5)))),
                    2 if wild => {
                        block.push(call(&path, slot, &plan(&[], vec![end(int(1))]), vec![("n", self.value(seen))]));
                        seen.push(slot);
                    }
                    _ => block.push(emit(&path, "drawn", self.value(seen))),
                }
                return;
            }
            5 => {
                let body = self.inner(depth, seen);
                block.push(saga(&path, slot, body));
                return self.soften(slot, seen, block);
            }
            6 => {
                let item = self.fresh();
                let mut within = seen.clone();
                within.push(item);
                let items = list((0..1 + self.rng.below(3)).map(|_| self.value(seen)).collect::<Vec<_>>());
                let body = self.inner(depth, &within);
                block.push(first(&path, slot, item, items, body));
                return self.soften(slot, seen, block);
            }
            7 if wild => {
                let regions = (0..1 + self.rng.below(3)).map(|_| self.inner(depth, seen)).collect();
                block.push(race(&path, slot, regions));
                return self.soften(slot, seen, block);
            }
            7 | 8 => {
                let mut within = seen.clone();
                let body = self.block(depth - 1, &mut within);
                // Calm ones come to an end: the value that is looked at is even or odd, whatever it is.
                let looked = op(self.value(&within), BinaryOp::Remainder, int(2));
                let (times, until) = if wild {
                    (1 + self.rng.below(3) as i64, op(looked, BinaryOp::Equal, int(0)))
                } else {
                    (2, op(looked, BinaryOp::Less, int(2)))
                };
                block.push(repeat(&path, slot, seconds(self.rng.below(3)), times, until, body));
                return self.soften(slot, seen, block);
            }
            9 => {
                let condition = op(self.value(seen), BinaryOp::Less, int(50));
                let (then, otherwise) = (self.inner(depth, seen), self.inner(depth, seen));
                block.push(when(&path, slot, condition, then, otherwise));
                return self.soften(slot, seen, block);
            }
            10 => {
                let bound = self.fresh();
                let guard = op(get(bound), BinaryOp::Greater, int(30));
                let mut within = seen.clone();
                within.push(bound);
                let arms = vec![
                    (Pattern::Literal(Value::Int(3)), None, self.inner(depth, seen)),
                    (Pattern::Bind(Slot(bound)), Some(guard), self.inner(depth, &within)),
                    (Pattern::Any, None, self.inner(depth, seen)),
                ];
                block.push(choose(&path, slot, self.value(seen), arms));
                return self.soften(slot, seen, block);
            }
            11 => {
                let on_error = if self.rng.one_in(2) { ParallelOnError::Stop } else { ParallelOnError::Wait };
                let mut visible = Vec::new();
                let regions = (0..self.rng.below(4)).map(|_| {
                    let mut within = seen.clone();
                    let region = self.block(depth - 1, &mut within);
                    visible.extend(within.into_iter().filter(|slot| !seen.contains(slot)));
                    region
                });
                let regions = regions.collect();
                block.push(parallel(&path, on_error, regions));
                seen.extend(visible);
                return;
            }
            12 => {
                let item = self.fresh();
                let mut within = seen.clone();
                within.push(item);
                let items = list((0..self.rng.below(4)).map(|_| self.value(seen)).collect::<Vec<_>>());
                let on_error = *self.rng.pick(&[ForOnError::Stop, ForOnError::Collect, ForOnError::Skip]);
                let concurrency = 1 + self.rng.below(3) as i64;
                self.guards += u32::from(on_error != ForOnError::Stop);
                let body = self.inner(depth, &within);
                self.guards -= u32::from(on_error != ForOnError::Stop);
                block.push(each(&path, slot, item, items, concurrency, on_error, body));
                let results = if on_error == ForOnError::Collect { member(get(slot), "ok") } else { get(slot) };
                let first = Expr::Index(Box::new(results), Box::new(int(0)));
                let softened = self.fresh();
                block.push(bind(&format!("n{softened}"), softened, op(first, BinaryOp::Coalesce, int(0))));
                seen.push(softened);
                return;
            }
            _ => {
                self.guards += 1;
                let body = self.inner(depth, seen);
                self.guards -= 1;
                if self.rng.one_in(4) {
                    block.push(optional(&path, slot, body));
                } else {
                    let kinds =
                        self.rng.pick(&[vec![], vec![ErrorKind::NotFound], vec![ErrorKind::Interrupted]]).clone();
                    let handler = self.inner(depth, seen);
                    block.push(attempt(&path, slot, body, vec![(kinds, None, None, handler)]));
                }
                return self.soften(slot, seen, block);
            }
        }
        seen.push(slot);
    }

    /// Binds a value that may be null as an integer.
    fn soften(&mut self, slot: u32, seen: &mut Vec<u32>, block: &mut Vec<Stmt>) {
        let softened = self.fresh();
        block.push(bind(&format!("n{softened}"), softened, op(get(slot), BinaryOp::Coalesce, int(0))));
        seen.push(softened);
    }
}

/// What a calm body yields, computed straight from its statements, and the places of its calls.
pub(crate) struct Reference {
    pub(crate) calls: BTreeMap<Place, Value>,
    pub(crate) dead_letters: usize,
}

impl Reference {
    /// The value of a whole body.
    pub(crate) fn of(body: &[Stmt]) -> (Value, Self) {
        let mut reference = Self { calls: BTreeMap::new(), dead_letters: 0 };
        let value = reference.block(body, &mut Frame::new(), &[]);
        (value, reference)
    }

    /// The value of a region; with the first `return` it is that of the run.
    fn block(&mut self, body: &[Stmt], frame: &mut Frame, indexes: &[u64]) -> Value {
        for Stmt { path, kind, regions } in body {
            let (slot, value) = match kind {
                NodeKind::Yield(value) | NodeKind::Return(value) => return eval(value, frame),
                NodeKind::Let { slot, value } => (Some(*slot), eval(value, frame)),
                NodeKind::Step(step) => {
                    let place = Place { path: path.clone(), indexes: indexes.to_vec() };
                    let arg = eval(&step.args[0], frame);
                    let answer = answer_of(&arg);
                    self.calls.insert(place, arg);
                    (step.slot, answer)
                }
                NodeKind::If { slot, conditions } => {
                    let holds = |condition| eval(condition, frame) == Value::Bool(true);
                    let region = conditions.iter().position(holds).unwrap_or(conditions.len());
                    (*slot, self.block(&regions[region], frame, indexes))
                }
                NodeKind::Match { slot, subject, arms } => {
                    let subject = eval(subject, frame);
                    let fits = |frame: &mut Frame, (pattern, guard): &(Pattern, Option<Expr>)| match pattern {
                        Pattern::Literal(literal) => literal.equals(&subject),
                        Pattern::Bind(slot) => {
                            frame.set(*slot, subject.clone());
                            guard.as_ref().is_none_or(|guard| eval(guard, frame) == Value::Bool(true))
                        }
                        _ => true,
                    };
                    let region = arms.iter().position(|arm| fits(frame, arm)).expect("an arm fits");
                    (*slot, self.block(&regions[region], frame, indexes))
                }
                NodeKind::Parallel { .. } => {
                    for region in regions {
                        self.block(region, frame, indexes);
                    }
                    (None, Value::Null)
                }
                NodeKind::For { slot, item, items, on_error, .. } => {
                    let Value::List(items) = eval(items, frame) else { panic!("items are a list") };
                    let values = items.into_iter().zip(0..).map(|(value, index)| {
                        let mut inner = frame.clone();
                        inner.set(*item, value);
                        let indexes: Vec<u64> = indexes.iter().copied().chain([index]).collect();
                        self.block(&regions[0], &mut inner, &indexes)
                    });
                    let values = Value::List(values.collect());
                    let collected = || Value::record([("ok", values.clone()), ("failed", Value::List(vec![]))]);
                    (*slot, if *on_error == ForOnError::Collect { collected() } else { values })
                }
                NodeKind::DeadLetter { .. } => {
                    self.dead_letters += 1;
                    (None, Value::Null)
                }
                NodeKind::Try { slot, .. } | NodeKind::Saga { slot } => {
                    (*slot, self.block(&regions[0], frame, indexes))
                }
                NodeKind::First { slot, item, items } => {
                    let Value::List(items) = eval(items, frame) else { panic!("items are a list") };
                    let mut inner = frame.clone();
                    inner.set(*item, items[0].clone());
                    let indexes: Vec<u64> = indexes.iter().copied().chain([0]).collect();
                    (*slot, self.block(&regions[0], &mut inner, &indexes))
                }
                NodeKind::Repeat { slot, .. } => {
                    let indexes: Vec<u64> = indexes.iter().copied().chain([0]).collect();
                    (*slot, self.block(&regions[0], &mut frame.clone(), &indexes))
                }
                _ => (None, Value::Null),
            };
            if let Some(slot) = slot {
                frame.set(slot, value);
            }
        }
        Value::Null
    }
}

fn eval(expr: &Expr, frame: &mut Frame) -> Value {
    let evaluator = Evaluator {
        library: &Library::default(),
        functions: &BTreeMap::new(),
        types: &flow_model::ty::Types::default(),
        env: &BTreeMap::new(),
        ambient: &|_| None,
    };
    evaluator.eval(expr, frame).expect("calm plans have no faults")
}
