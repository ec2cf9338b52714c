//! Programs that nobody wrote: sentences of the grammar, drawn at random, with space and comments at random between tokens.
//!
//! They mean nothing and most would not check. What the formatter does with a text must hold for them as well.

use std::collections::BTreeMap;

use pest_meta::ast::{Expr, Rule, RuleType};

/// A small generator of the same numbers on every machine (xorshift64*, Vigna 2016).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.next(choices.len())]
    }
}

/// The grammar, with the least depth of each rule, so that a sentence comes to an end.
pub(crate) struct Grammar {
    rules: BTreeMap<String, Rule>,
    depths: BTreeMap<String, usize>,
}

/// Rules that are words, whose sentences are drawn from these instead.
const WORDS: &[(&str, &[&str])] = &[
    ("name", &["order", "total", "a", "slack", "Payment", "x1", "retry_after"]),
    ("word", &["id", "amount", "text", "from", "name", "created_at"]),
    ("number", &["0", "7", "1_000", "2.50"]),
    ("duration", &["5m", "250ms", "30d"]),
    ("size", &["10 MB", "64KiB"]),
    ("money", &["5.00 EUR", "12 USD"]),
    ("fixed", &["paid ", "ü, (", "#a"]),
    ("multi_fixed", &["line\n  more", "two\n\n\nlines "]),
    ("escape", &["\\n", "\\\"", "\\u{fc}"]),
    ("raw_text", &["r\"a\\d+\"", "r\"\""]),
    ("later_item", &["route orders { to a when b }", "meter calls"]),
    // `Name[]` is what other languages write for a list: it is told as a mistake.
    ("index", &["[0]", "[ a.id ]", "[\n-1]"]),
    ("hole", &[]),
];

impl Grammar {
    pub(crate) fn read(text: &str) -> Grammar {
        let pairs = pest_meta::parser::parse(pest_meta::parser::Rule::grammar_rules, text).expect("it is a grammar");
        let rules = pest_meta::parser::consume_rules(pairs).expect("it is a grammar");
        let rules: BTreeMap<String, Rule> = rules.into_iter().map(|rule| (rule.name.clone(), rule)).collect();
        let mut grammar = Grammar { rules, depths: BTreeMap::new() };
        // The least depths, from the words up.
        loop {
            let known = grammar.depths.len();
            for (name, rule) in &grammar.rules {
                if let (false, Some(depth)) = (grammar.depths.contains_key(name), grammar.depth(&rule.expr)) {
                    let depth = if name == "hole" { continue } else { depth + 1 };
                    grammar.depths.insert(name.clone(), depth);
                    break;
                }
            }
            if grammar.depths.len() == known {
                return grammar;
            }
        }
    }

    /// How deep the shallowest sentence of an expression is, as far as it is known.
    fn depth(&self, expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Ident(name) if WORDS.iter().any(|(word, all)| word == name && !all.is_empty()) => Some(0),
            Expr::Ident(name) if self.rules.contains_key(name) => self.depths.get(name).copied(),
            Expr::Seq(left, right) => Some(self.depth(left)?.max(self.depth(right)?)),
            Expr::Choice(left, right) => match (self.depth(left), self.depth(right)) {
                (Some(left), Some(right)) => Some(left.min(right)),
                (left, right) => left.or(right),
            },
            Expr::RepOnce(inner) | Expr::RepExact(inner, _) => self.depth(inner),
            _ => Some(0),
        }
    }

    /// A sentence of a rule.
    pub(crate) fn sentence(&self, rule: &str, random: &mut Random) -> String {
        let mut out = String::new();
        self.rule(rule, 40, true, random, &mut out);
        out
    }

    fn rule(&self, name: &str, room: usize, is_free: bool, random: &mut Random, out: &mut String) {
        if let Some((_, words)) = WORDS.iter().find(|(word, _)| *word == name) {
            out.push_str(random.of(words));
            return;
        }
        match name {
            "sp" => return space(random, out),
            "ASCII_DIGIT" | "ASCII_HEX_DIGIT" => return out.push_str(random.of(&["2", "4"])),
            "ASCII_ALPHA" | "ASCII_ALPHANUMERIC" | "ANY" => return out.push('q'),
            "ASCII_ALPHA_UPPER" => return out.push('E'),
            _ => {}
        }
        let Some(rule) = self.rules.get(name) else { return };
        let is_free = match rule.ty {
            RuleType::Normal | RuleType::Silent => is_free,
            RuleType::Atomic | RuleType::CompoundAtomic => false,
            RuleType::NonAtomic => true,
        };
        self.expr(&rule.expr, room.saturating_sub(1), is_free, random, out);
    }

    fn expr(&self, expr: &Expr, room: usize, is_free: bool, random: &mut Random, out: &mut String) {
        match expr {
            Expr::Str(text) | Expr::Insens(text) => out.push_str(text),
            Expr::Ident(name) => self.rule(name, room, is_free, random, out),
            Expr::Seq(left, right) => {
                self.expr(left, room, is_free, random, out);
                if is_free {
                    space(random, out);
                }
                self.expr(right, room, is_free, random, out);
            }
            Expr::Choice(..) => {
                let mut choices = Vec::new();
                alternatives(expr, &mut choices);
                choices.retain(|choice| self.depth(choice).is_some_and(|depth| depth < room));
                if choices.is_empty() {
                    alternatives(expr, &mut choices);
                    choices.retain(|choice| self.depth(choice).is_some());
                    choices.sort_by_key(|choice| self.depth(choice));
                    choices.truncate(1);
                }
                let choice = choices[random.next(choices.len())];
                self.expr(choice, room, is_free, random, out);
            }
            Expr::Opt(inner) if self.fits(inner, room) && random.next(2) == 0 => {
                self.expr(inner, room, is_free, random, out);
            }
            Expr::Rep(inner) if self.fits(inner, room) => {
                let times = random.next(3);
                self.times(inner, times, room, is_free, random, out);
            }
            Expr::RepOnce(inner) => {
                let times = 1 + random.next(2);
                self.times(inner, times, room, is_free, random, out);
            }
            Expr::RepExact(inner, times) => self.times(inner, *times as usize, room, false, random, out),
            // What is looked at is not written; whether the sentence is right is found out by reading it.
            _ => {}
        }
    }

    fn fits(&self, expr: &Expr, room: usize) -> bool {
        self.depth(expr).is_some_and(|depth| depth < room)
    }

    fn times(&self, inner: &Expr, times: usize, room: usize, is_free: bool, random: &mut Random, out: &mut String) {
        for number in 0..times {
            if number > 0 && is_free {
                space(random, out);
            }
            self.expr(inner, room / 2, is_free, random, out);
        }
    }
}

fn alternatives<'a>(expr: &'a Expr, into: &mut Vec<&'a Expr>) {
    match expr {
        Expr::Choice(left, right) => {
            alternatives(left, into);
            alternatives(right, into);
        }
        other => into.push(other),
    }
}

fn space(random: &mut Random, out: &mut String) {
    match random.next(40) {
        0 => {
            let number = random.next(1000);
            out.push_str(&format!(" // note {number}\n"));
        }
        1 => out.push_str("\n\n\n"),
        2 => out.push_str("   "),
        3..8 => out.push('\n'),
        _ => out.push(' '),
    }
}
