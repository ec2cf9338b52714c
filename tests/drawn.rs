//! Programs that nobody wrote: sentences of the grammar, drawn at random, with space and comments at random between tokens.
//!
//! They mean nothing and most would not check. What the formatter does with a text must hold for them as well.

use std::{collections::BTreeMap, fs};

use flow_runtime::chance::Seeded;
use pest_meta::ast::{Expr, Rule, RuleType};

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
    ("size", &["10MB", "64KiB"]),
    ("money", &["5.00 EUR", "12 USD"]),
    ("fixed", &["paid ", "ü, (", "#a"]),
    ("multi_fixed", &["line\n  more", "two\n\n\nlines "]),
    ("escape", &["\\n", "\\\"", "\\u{fc}"]),
    ("raw_text", &["r\"a\\d+\"", "r\"\"", "r\"\"\"a {\n  b\n}\"\"\""]),
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
    pub(crate) fn sentence(&self, rule: &str, chance: &Seeded) -> String {
        let mut out = String::new();
        self.rule(rule, 40, true, chance, &mut out);
        out
    }

    fn rule(&self, name: &str, room: usize, is_free: bool, chance: &Seeded, out: &mut String) {
        if let Some((_, words)) = WORDS.iter().find(|(word, _)| *word == name) {
            out.push_str(one_of(words, chance));
            return;
        }
        match name {
            // What is inserted into a text on one line stands on that line.
            "line_text" => {
                let mut line = String::new();
                if let Some(rule) = self.rules.get(name) {
                    self.expr(&rule.expr, room.saturating_sub(1), false, chance, &mut line);
                }
                return out.push_str(if line.contains('\n') { "\"\"" } else { &line });
            }
            "sp" => return space(chance, out),
            "ASCII_DIGIT" | "ASCII_HEX_DIGIT" => return out.push_str(one_of(&["2", "4"], chance)),
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
        self.expr(&rule.expr, room.saturating_sub(1), is_free, chance, out);
    }

    fn expr(&self, expr: &Expr, room: usize, is_free: bool, chance: &Seeded, out: &mut String) {
        match expr {
            Expr::Str(text) | Expr::Insens(text) => out.push_str(text),
            Expr::Ident(name) => self.rule(name, room, is_free, chance, out),
            Expr::Seq(left, right) => {
                self.expr(left, room, is_free, chance, out);
                if is_free {
                    space(chance, out);
                }
                self.expr(right, room, is_free, chance, out);
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
                let choice = one_of(&choices, chance);
                self.expr(choice, room, is_free, chance, out);
            }
            Expr::Opt(inner) if self.fits(inner, room) && chance.one_in(2) => {
                self.expr(inner, room, is_free, chance, out);
            }
            Expr::Rep(inner) if self.fits(inner, room) => {
                let times = chance.below(3);
                self.times(inner, times, room, is_free, chance, out);
            }
            Expr::RepOnce(inner) => {
                let times = 1 + chance.below(2);
                self.times(inner, times, room, is_free, chance, out);
            }
            Expr::RepExact(inner, times) => self.times(inner, u64::from(*times), room, false, chance, out),
            // What is looked at is not written; whether the sentence is right is found out by reading it.
            _ => {}
        }
    }

    fn fits(&self, expr: &Expr, room: usize) -> bool {
        self.depth(expr).is_some_and(|depth| depth < room)
    }

    fn times(&self, inner: &Expr, times: u64, room: usize, is_free: bool, chance: &Seeded, out: &mut String) {
        for number in 0..times {
            if number > 0 && is_free {
                space(chance, out);
            }
            self.expr(inner, room / 2, is_free, chance, out);
        }
    }
}

fn one_of<T: Copy>(choices: &[T], chance: &Seeded) -> T {
    choices[chance.below(choices.len() as u64) as usize]
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

fn space(chance: &Seeded, out: &mut String) {
    match chance.below(40) {
        0 => {
            let number = chance.below(1000);
            out.push_str(&format!(" // note {number}\n"));
        }
        1 => out.push_str("\n\n\n"),
        2 => out.push_str("   "),
        3..8 => out.push('\n'),
        _ => out.push(' '),
    }
}

#[test]
fn no_sentence_of_the_grammar_is_a_mistake() {
    const SENTENCES: usize = 5000;
    let grammar = Grammar::read(&fs::read_to_string("grammar/flow.pest").expect("the grammar is there"));
    let (mut right, mut wrong) = (0, Vec::new());
    for seed in 0.. {
        let rule = ["item", "flow_item", "test_item", "connector_item"][(seed % 4) as usize];
        let text = grammar.sentence(rule, &Seeded::new(seed));
        // What is looked at and not written may make a sentence one that is not in the language.
        if text.len() > 4000 || !flow_grammar::parses(&text) {
            assert!(seed < 40 * SENTENCES as u64, "only {right} of {seed} sentences are right");
            continue;
        }
        right += 1;
        let (_, problems) = flow_grammar::read(&text);
        if !problems.is_empty() {
            wrong.push(format!("{}--- drawn\n{text}", flow_grammar::dump(&problems)));
        }
        if right == SENTENCES {
            break;
        }
    }
    wrong.sort_by_key(String::len);
    assert!(wrong.is_empty(), "{} of {right}:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n========\n"));
}
