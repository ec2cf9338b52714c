//! Turns `flow.pest` into the tables that `src/peg.rs` runs.
//!
//! In: the grammar, parsed and simplified by pest itself. Out: `$OUT_DIR/peg.rs` with one operation for each different
//! expression of the grammar, and for each operation the bytes that it can begin with. Which alternative of a choice can
//! match is so decided by one look at the next byte, where pest tries one after the other.
//!
//! Operations that succeed without reading anything are marked as beginning with every byte. The grammar has no left
//! recursion (pest refuses it), so what each operation begins with is the least fixed point.

use std::{
    collections::HashMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use pest_meta::{
    ast::RuleType,
    optimizer::{OptimizedExpr as Expr, OptimizedRule},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=flow.pest");
    println!("cargo::rerun-if-changed=build.rs");
    let grammar = fs::read_to_string(Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("flow.pest"))?;
    let (_, rules) = pest_meta::parse_and_optimize(&grammar).map_err(|errors| format!("{errors:?}"))?;
    let tables = Tables::new(&rules)?.written()?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("peg.rs"), tables)?;
    Ok(())
}

/// One operation; the variants are those of `Op` in `src/peg.rs`.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Op {
    Text(String),
    Class(u128),
    Many(u128),
    Any,
    AnyBut(u128),
    ManyBut(u128),
    Space,
    Rule(usize),
    Sequence(Vec<usize>, bool),
    Choice(Vec<usize>),
    Optional(usize),
    Repeat(usize, bool),
    Not(usize),
    And(usize),
    Start,
    End,
}

/// What an operation can begin with: a bit for each byte, and one for the end of the text.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct First {
    bytes: [u64; 5],
    /// Whether it can succeed without reading.
    is_empty: bool,
}

const END: usize = 256;

/// What space and comments begin with.
const SPACE: [usize; 5] = [b' ' as usize, b'\t' as usize, b'\r' as usize, b'\n' as usize, b'/' as usize];

struct Tables<'a> {
    rules: &'a [OptimizedRule],
    index: HashMap<&'a str, usize>,
    ops: Vec<Op>,
    known: HashMap<Op, usize>,
    /// The operation that is the body of each rule, in the order of the grammar, and of the end of the text.
    bodies: Vec<usize>,
}

impl<'a> Tables<'a> {
    fn new(rules: &'a [OptimizedRule]) -> Result<Self, String> {
        let index = rules.iter().enumerate().map(|(index, rule)| (rule.name.as_str(), index)).collect();
        let mut tables = Self { rules, index, ops: Vec::new(), known: HashMap::new(), bodies: Vec::new() };
        for rule in rules {
            let is_atomic = matches!(rule.ty, RuleType::Atomic | RuleType::CompoundAtomic)
                || matches!(rule.name.as_str(), "WHITESPACE" | "COMMENT");
            let body = tables.op(&rule.expr, !is_atomic)?;
            tables.bodies.push(body);
        }
        let end = tables.add(Op::End);
        tables.bodies.push(end);
        Ok(tables)
    }

    fn add(&mut self, op: Op) -> usize {
        if let Some(known) = self.known.get(&op) {
            return *known;
        }
        self.ops.push(op.clone());
        self.known.insert(op, self.ops.len() - 1);
        self.ops.len() - 1
    }

    /// The operation for an expression; `spaced` says whether space may stand between its parts.
    fn op(&mut self, expr: &Expr, spaced: bool) -> Result<usize, String> {
        let op = match expr {
            _ if self.class(expr).is_some() => Op::Class(self.class(expr).unwrap_or_default()),
            Expr::Str(text) => Op::Text(text.clone()),
            Expr::Ident(name) => match name.as_str() {
                "ANY" => Op::Any,
                "SOI" => Op::Start,
                "EOI" => Op::Rule(self.rules.len()),
                name => Op::Rule(*self.index.get(name).ok_or_else(|| format!("`{name}` is not translated"))?),
            },
            Expr::PosPred(inner) => Op::And(self.op(inner, spaced)?),
            Expr::NegPred(inner) => Op::Not(self.op(inner, spaced)?),
            Expr::Seq(..) => match self.any_but(expr) {
                Some(class) => Op::AnyBut(class),
                None => {
                    let parts = flat(expr, |expr| match expr {
                        Expr::Seq(left, right) => Some([left, right]),
                        _ => None,
                    });
                    let parts: Result<Vec<usize>, String> =
                        parts.into_iter().map(|part| self.op(part, spaced)).collect();
                    Op::Sequence(parts?, spaced)
                }
            },
            Expr::Choice(..) => {
                let parts = flat(expr, |expr| match expr {
                    Expr::Choice(left, right) => Some([left, right]),
                    _ => None,
                });
                let parts: Result<Vec<usize>, String> = parts.into_iter().map(|part| self.op(part, spaced)).collect();
                Op::Choice(parts?)
            }
            Expr::Opt(inner) => Op::Optional(self.op(inner, spaced)?),
            Expr::Rep(inner) => match (self.class(inner), self.any_but(inner), is_space(inner)) {
                (.., true) => Op::Space,
                (Some(class), ..) if !spaced => Op::Many(class),
                (_, Some(class), _) if !spaced => Op::ManyBut(class),
                _ => Op::Repeat(self.op(inner, spaced)?, spaced),
            },
            Expr::Skip(ends) if ends.iter().all(|end| one(end).is_some()) => {
                Op::ManyBut(ends.iter().filter_map(|end| one(end)).fold(0, |all, one| all | one))
            }
            other => return Err(format!("the grammar uses what is not translated: {other:?}")),
        };
        Ok(self.add(op))
    }

    /// The single ASCII characters that an expression matches, if it matches nothing else.
    fn class(&self, expr: &Expr) -> Option<u128> {
        let range = |from: u8, to: u8| (from..=to).fold(0, |all, byte| all | 1u128 << byte);
        match expr {
            Expr::Str(text) => one(text),
            Expr::Range(from, to) => match (from.as_bytes(), to.as_bytes()) {
                ([from], [to]) => Some(range(*from, *to)),
                _ => None,
            },
            Expr::Choice(left, right) => Some(self.class(left)? | self.class(right)?),
            Expr::Ident(name) => match name.as_str() {
                "ASCII_DIGIT" => Some(range(b'0', b'9')),
                "ASCII_ALPHA" => Some(range(b'a', b'z') | range(b'A', b'Z')),
                "ASCII_ALPHA_UPPER" => Some(range(b'A', b'Z')),
                "ASCII_ALPHANUMERIC" => Some(range(b'a', b'z') | range(b'A', b'Z') | range(b'0', b'9')),
                "ASCII_HEX_DIGIT" => Some(range(b'a', b'f') | range(b'A', b'F') | range(b'0', b'9')),
                name => {
                    let rule = self.rules.get(*self.index.get(name)?)?;
                    if rule.ty == RuleType::Silent { self.class(&rule.expr) } else { None }
                }
            },
            _ => None,
        }
    }

    /// `!class ~ ANY`
    fn any_but(&self, expr: &Expr) -> Option<u128> {
        match expr {
            Expr::Seq(not, any) => match (&**not, &**any) {
                (Expr::NegPred(not), Expr::Ident(any)) if any == "ANY" => self.class(not),
                _ => None,
            },
            _ => None,
        }
    }

    /// What each operation begins with.
    fn firsts(&self) -> Vec<First> {
        let mut all = vec![First::default(); self.ops.len()];
        loop {
            let next: Vec<First> = self.ops.iter().map(|op| self.first(op, &all)).collect();
            if next == all {
                return all;
            }
            all = next;
        }
    }

    fn first(&self, op: &Op, all: &[First]) -> First {
        let of = |op: &usize| all.get(*op).copied().unwrap_or_default();
        match op {
            Op::Text(text) => match text.as_bytes().first() {
                Some(byte) => First::of([usize::from(*byte)]),
                None => First { is_empty: true, ..First::default() },
            },
            Op::Class(class) => First::of((0..128).filter(|byte| class >> byte & 1 == 1)),
            Op::Many(class) => First { is_empty: true, ..self.first(&Op::Class(*class), all) },
            Op::Any => First::of(0..END),
            Op::AnyBut(class) => First::of((0..END).filter(|byte| *byte >= 128 || class >> byte & 1 == 0)),
            Op::ManyBut(class) => First { is_empty: true, ..self.first(&Op::AnyBut(*class), all) },
            Op::Space => First { is_empty: true, ..First::of(SPACE) },
            Op::Start | Op::Not(_) | Op::And(_) => First { is_empty: true, ..First::default() },
            Op::End => First::of([END]),
            Op::Rule(rule) => self.bodies.get(*rule).map(of).unwrap_or_default(),
            Op::Sequence(parts, spaced) => {
                let mut first = First { is_empty: true, ..First::default() };
                for (index, part) in parts.iter().map(of).enumerate() {
                    if index > 0 && *spaced {
                        first.join(First::of(SPACE));
                    }
                    first.join(part);
                    first.is_empty = part.is_empty;
                    if !part.is_empty {
                        break;
                    }
                }
                first
            }
            Op::Choice(parts) => parts.iter().map(of).fold(First::default(), |mut first, part| {
                first.join(part);
                first.is_empty |= part.is_empty;
                first
            }),
            Op::Optional(inner) | Op::Repeat(inner, _) => First { is_empty: true, ..of(inner) },
        }
    }

    /// The tables as Rust.
    fn written(&self) -> Result<String, Box<dyn Error>> {
        let firsts = self.firsts();
        // Bytes that no operation tells apart are of one class.
        let mut classes: Vec<Vec<bool>> = Vec::new();
        let mut class_of = Vec::new();
        for byte in (0..=END).rev() {
            let signature: Vec<bool> = firsts.iter().map(|first| first.is_empty || first.has(byte)).collect();
            let class = classes.iter().position(|class| *class == signature).unwrap_or_else(|| {
                classes.push(signature);
                classes.len() - 1
            });
            class_of.push(class);
        }
        class_of.reverse();
        // Class 0 is that of the end of the text, whatever else is in it.
        if classes.len() > 128 {
            return Err("the grammar tells more than 128 classes of bytes apart".into());
        }
        let mut out = String::from("// Made from flow.pest by build.rs.\n");
        let mut children: Vec<usize> = Vec::new();
        let mut range = |parts: &[usize]| {
            children.extend(parts);
            (children.len() - parts.len(), children.len())
        };
        let mut ops = String::new();
        for op in &self.ops {
            match op {
                Op::Text(text) => write!(ops, "Op::Text({text:?}),")?,
                Op::Class(class) => write!(ops, "Op::Class({class}),")?,
                Op::Many(class) => write!(ops, "Op::Many({class}),")?,
                Op::Any => write!(ops, "Op::Any,")?,
                Op::AnyBut(class) => write!(ops, "Op::AnyBut({class}),")?,
                Op::ManyBut(class) => write!(ops, "Op::ManyBut({class}),")?,
                Op::Space => write!(ops, "Op::Space,")?,
                Op::Rule(rule) => write!(ops, "Op::Rule({rule}),")?,
                Op::Sequence(parts, spaced) => {
                    let (from, to) = range(parts);
                    let name = if *spaced { "Spaced" } else { "Sequence" };
                    write!(ops, "Op::{name} {{ from: {from}, to: {to} }},")?;
                }
                Op::Choice(parts) => {
                    let (from, to) = range(parts);
                    write!(ops, "Op::Choice {{ from: {from}, to: {to} }},")?;
                }
                Op::Optional(inner) => write!(ops, "Op::Optional({inner}),")?,
                Op::Repeat(inner, true) => write!(ops, "Op::SpacedRepeat({inner}),")?,
                Op::Repeat(inner, false) => write!(ops, "Op::Repeat({inner}),")?,
                Op::Not(inner) => write!(ops, "Op::Not({inner}),")?,
                Op::And(inner) => write!(ops, "Op::And({inner}),")?,
                Op::Start => write!(ops, "Op::Start,")?,
                Op::End => write!(ops, "Op::End,")?,
            }
        }
        writeln!(out, "static OPS: [Op; {}] = [{ops}];", self.ops.len())?;
        writeln!(out, "static CHILDREN: [u16; {}] = {children:?};", children.len())?;
        let masks: Vec<u128> = (0..self.ops.len())
            .map(|op| {
                let bits = classes.iter().enumerate().filter(|(_, class)| class.get(op) == Some(&true));
                bits.fold(0, |mask, (bit, _)| mask | 1 << bit)
            })
            .collect();
        writeln!(out, "static FIRST: [u128; {}] = {masks:?};", masks.len())?;
        writeln!(out, "static CLASS: [u8; 256] = {:?};", class_of.get(..END).unwrap_or_default())?;
        let mut rules = String::new();
        for (rule, body) in self.rules.iter().zip(&self.bodies) {
            let kind = match rule.ty {
                RuleType::Normal => "Normal",
                RuleType::Silent => "Silent",
                RuleType::Atomic => "Atomic",
                RuleType::CompoundAtomic => "Compound",
                RuleType::NonAtomic => "Free",
            };
            write!(rules, "Definition {{ rule: Rule::r#{}, kind: RuleKind::{kind}, body: {body} }},", rule.name)?;
        }
        let end = self.bodies.last().ok_or("no rules")?;
        write!(rules, "Definition {{ rule: Rule::EOI, kind: RuleKind::Normal, body: {end} }},")?;
        writeln!(out, "static RULES: [Definition; {}] = [{rules}];", self.bodies.len())?;
        writeln!(out, "const FILE: usize = {};", self.index.get("file").ok_or("no rule `file`")?)?;
        Ok(out)
    }
}

impl First {
    fn of(bytes: impl IntoIterator<Item = usize>) -> Self {
        let mut first = Self::default();
        for byte in bytes {
            if let Some(word) = first.bytes.get_mut(byte / 64) {
                *word |= 1 << (byte % 64);
            }
        }
        first
    }

    fn has(&self, byte: usize) -> bool {
        self.bytes.get(byte / 64).is_some_and(|word| word >> (byte % 64) & 1 == 1)
    }

    fn join(&mut self, other: Self) {
        for (word, other) in self.bytes.iter_mut().zip(other.bytes) {
            *word |= other;
        }
    }
}

/// The parts of an expression that `split` takes apart, and of its parts.
fn flat(expr: &Expr, split: fn(&Expr) -> Option<[&Expr; 2]>) -> Vec<&Expr> {
    match split(expr) {
        Some(parts) => parts.into_iter().flat_map(|part| flat(part, split)).collect(),
        None => vec![expr],
    }
}

fn one(text: &str) -> Option<u128> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(1 << byte),
        _ => None,
    }
}

/// `WHITESPACE | COMMENT`
fn is_space(expr: &Expr) -> bool {
    let is = |expr: &Expr, name: &str| matches!(expr, Expr::Ident(ident) if ident == name);
    matches!(expr, Expr::Choice(left, right) if is(left, "WHITESPACE") && is(right, "COMMENT"))
}
