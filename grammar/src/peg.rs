//! Runs the grammar over a text: the same language and the same events as the parser that pest derives from it, several
//! times faster and without state shared between threads.
//!
//! In: a text. Out: where each rule begins and ends, or where the reader stopped and what it had expected there, by pest's
//! rules for that ([`Attempts`]). `build.rs` makes the tables out of `flow.pest`, so there is one grammar; a test compares
//! the two readers over programs and damaged programs. The reader is a parsing machine for PEGs (Medeiros and
//! Ierusalimschy, "A parsing machine for PEGs", 2008) that recurses. When only success counts, it looks at the next byte
//! before it enters an operation; when it has to tell what it expects, it enters all as pest does.

use crate::parser::Rule;

include!(concat!(env!("OUT_DIR"), "/peg.rs"));

/// Where a rule begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub rule: Rule,
    pub is_end: bool,
    pub at: u32,
}

/// An operation on the text, which fails or reads some of it. Numbers are places in [`OPS`], or ranges of [`CHILDREN`],
/// which are such places. A class is a bit for each ASCII character.
#[derive(Clone, Copy)]
enum Op {
    Text(&'static str),
    Class(u128),
    Many(u128),
    Any,
    AnyBut(u128),
    ManyBut(u128),
    Space,
    Rule(u16),
    Sequence {
        from: u16,
        to: u16,
    },
    /// With space between the parts, where that is free.
    Spaced {
        from: u16,
        to: u16,
    },
    Choice {
        from: u16,
        to: u16,
    },
    Optional(u16),
    Repeat(u16),
    SpacedRepeat(u16),
    Not(u16),
    And(u16),
    Start,
    End,
}

/// A rule of the grammar.
struct Definition {
    rule: Rule,
    kind: RuleKind,
    body: u16,
}

/// What a rule does to space and events: `{}`, `_{}`, `@{}`, `${}`, `!{}`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RuleKind {
    Normal,
    Silent,
    Atomic,
    Compound,
    Free,
}

/// Whether space may stand between parts, and whether rules are seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spacing {
    Free,
    /// No space.
    Touching,
    /// No space and no events.
    Atomic,
}

/// Where and why a text is not in the language.
pub(crate) struct Stop {
    pub at: u32,
    /// The rules that were tried there, each once, in the order of the grammar.
    pub expected: Vec<Rule>,
    /// Whether its steps were used up.
    pub is_limit: bool,
}

/// The rules that were tried at the furthest place. The bookkeeping is that of pest (`ParserState::track` of 2.9): a rule
/// that fails stands for those inside of it that failed at its first byte, if they were several.
#[derive(Default)]
struct Attempts {
    at: usize,
    /// Rules that would have been right.
    wanted: Vec<Rule>,
    /// Rules that were there and must not be.
    unwanted: Vec<Rule>,
}

/// What the attempts were when a rule began.
#[derive(Clone, Copy)]
struct Mark {
    at: usize,
    wanted: usize,
    unwanted: usize,
    count: usize,
}

struct Machine<'t, const TELLS: bool> {
    text: &'t [u8],
    at: usize,
    events: Vec<Event>,
    /// How many lookaheads it is in: there rules make no events.
    looking: u32,
    /// Whether it is in an odd number of negative ones, where to succeed is to fail.
    is_negative: bool,
    spacing: Spacing,
    /// Steps left. At zero everything fails.
    steps: usize,
    attempts: Attempts,
}

/// Reads a text as a file. The events of the file itself are not among the events. Nothing where the text is no file, or
/// takes more than so many steps.
pub(crate) fn events(text: &str, steps: usize) -> Option<Vec<Event>> {
    let mut machine = Machine::<false>::new(text, steps);
    let body = RULES.get(FILE)?.body;
    (machine.run(body) && machine.steps > 0).then_some(machine.events)
}

/// Says where and why the reader stops, if the text is no file or takes more than so many steps.
pub(crate) fn stop(text: &str, steps: usize) -> Option<Stop> {
    let mut machine = Machine::<true>::new(text, steps);
    let is_file = RULES.get(FILE).is_some_and(|file| machine.rule(file));
    if is_file && machine.steps > 0 {
        return None;
    }
    let is_limit = machine.steps == 0;
    let Attempts { at, wanted: mut expected, .. } = machine.attempts;
    expected.sort_unstable();
    expected.dedup();
    Some(Stop { at: at as u32, expected: if is_limit { Vec::new() } else { expected }, is_limit })
}

impl Attempts {
    fn count(&self, at: usize) -> usize {
        if at == self.at { self.wanted.len() + self.unwanted.len() } else { 0 }
    }

    fn mark(&self, at: usize) -> Mark {
        let (wanted, unwanted) = if at == self.at { (self.wanted.len(), self.unwanted.len()) } else { (0, 0) };
        Mark { at, wanted, unwanted, count: self.count(at) }
    }

    /// Notes that a rule that began at a mark came out wrong.
    fn note(&mut self, rule: Rule, mark: Mark, is_negative: bool) {
        if self.count(mark.at) == mark.count + 1 {
            return;
        }
        if mark.at == self.at {
            self.wanted.truncate(mark.wanted);
            self.unwanted.truncate(mark.unwanted);
        }
        if mark.at > self.at {
            self.wanted.clear();
            self.unwanted.clear();
            self.at = mark.at;
        }
        if mark.at == self.at {
            if is_negative { &mut self.unwanted } else { &mut self.wanted }.push(rule);
        }
    }
}

impl<'t, const TELLS: bool> Machine<'t, TELLS> {
    fn new(text: &'t str, steps: usize) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            events: Vec::with_capacity(if TELLS { 0 } else { text.len() / 2 }),
            looking: 0,
            is_negative: false,
            spacing: Spacing::Free,
            steps,
            attempts: Attempts::default(),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Says whether an operation can begin with the next byte.
    fn can_begin(&self, op: u16) -> bool {
        if TELLS {
            return true;
        }
        let class = self.byte().map_or(0, |byte| CLASS[usize::from(byte)]);
        FIRST[usize::from(op)] >> class & 1 == 1
    }

    fn run(&mut self, op: u16) -> bool {
        self.can_begin(op) && self.enter(op)
    }

    /// Carries out an operation. Where it fails, the place and the events are as before.
    fn enter(&mut self, op: u16) -> bool {
        match OPS[usize::from(op)] {
            Op::Text(text) => {
                let is_here = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(text.as_bytes()));
                if is_here {
                    self.at += text.len();
                }
                is_here
            }
            Op::Class(class) => {
                let is_here = self.byte().is_some_and(|byte| is_in(class, byte));
                self.at += usize::from(is_here);
                is_here
            }
            Op::Many(class) => {
                while self.byte().is_some_and(|byte| is_in(class, byte)) {
                    self.at += 1;
                }
                true
            }
            Op::Any => self.any(),
            Op::AnyBut(class) => !self.byte().is_some_and(|byte| is_in(class, byte)) && self.any(),
            Op::ManyBut(class) => {
                // The rest of a longer character is in no class.
                while self.byte().is_some_and(|byte| !is_in(class, byte)) {
                    self.at += 1;
                }
                true
            }
            Op::Space => {
                self.space();
                true
            }
            Op::Rule(rule) => self.rule(&RULES[usize::from(rule)]),
            Op::Sequence { from, to } => {
                let (at, length) = (self.at, self.events.len());
                let is_here = (from..to).all(|child| self.run(CHILDREN[usize::from(child)]));
                if !is_here {
                    self.back(at, length);
                }
                is_here
            }
            Op::Spaced { from, to } => {
                let (at, length) = (self.at, self.events.len());
                let is_here = (from..to).all(|child| {
                    if child > from && self.spacing == Spacing::Free {
                        self.space();
                    }
                    self.run(CHILDREN[usize::from(child)])
                });
                if !is_here {
                    self.back(at, length);
                }
                is_here
            }
            Op::Choice { from, to } => {
                if TELLS {
                    return (from..to).any(|child| self.enter(CHILDREN[usize::from(child)]));
                }
                let class = self.byte().map_or(0, |byte| CLASS[usize::from(byte)]);
                (from..to).any(|child| {
                    let child = CHILDREN[usize::from(child)];
                    FIRST[usize::from(child)] >> class & 1 == 1 && self.enter(child)
                })
            }
            Op::Optional(inner) => {
                self.run(inner);
                true
            }
            Op::Repeat(inner) => {
                while self.run(inner) {}
                true
            }
            Op::SpacedRepeat(inner) => {
                if self.run(inner) {
                    loop {
                        let (at, length) = (self.at, self.events.len());
                        if self.spacing == Spacing::Free {
                            self.space();
                        }
                        if !self.run(inner) {
                            self.back(at, length);
                            break;
                        }
                    }
                }
                true
            }
            Op::Not(inner) => {
                self.is_negative = !self.is_negative;
                let is_here = self.looks(inner);
                self.is_negative = !self.is_negative;
                !is_here
            }
            Op::And(inner) => self.looks(inner),
            Op::Start => self.at == 0,
            Op::End => self.at == self.text.len(),
        }
    }

    /// Says whether an operation would succeed here.
    fn looks(&mut self, op: u16) -> bool {
        let at = self.at;
        self.looking += 1;
        let is_here = self.run(op);
        self.looking -= 1;
        self.at = at;
        is_here
    }

    fn rule(&mut self, definition: &Definition) -> bool {
        // A step that fails ends every repetition, so that nothing goes on for long after the last one.
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            return false;
        }
        let outer = self.spacing;
        let (inner, is_seen) = match definition.kind {
            RuleKind::Silent => return self.run(definition.body),
            RuleKind::Normal => (outer, outer != Spacing::Atomic),
            RuleKind::Atomic => (Spacing::Atomic, outer != Spacing::Atomic),
            RuleKind::Compound => (Spacing::Touching, true),
            RuleKind::Free => (Spacing::Free, true),
        };
        let is_seen = is_seen && self.looking == 0;
        let (at, length) = (self.at, self.events.len());
        let mark = if TELLS { Some(self.attempts.mark(at)) } else { None };
        if is_seen {
            self.event(definition.rule, false);
        }
        self.spacing = inner;
        let is_here = self.run(definition.body);
        self.spacing = outer;
        if let Some(mark) = mark
            && is_here == self.is_negative
            && (outer != Spacing::Atomic || matches!(definition.kind, RuleKind::Compound | RuleKind::Free))
        {
            self.attempts.note(definition.rule, mark, self.is_negative);
        }
        if is_here && is_seen {
            self.event(definition.rule, true);
        } else if !is_here {
            self.back(at, length);
        }
        is_here
    }

    /// Reads space and comments.
    fn space(&mut self) {
        loop {
            while matches!(self.byte(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                self.at += 1;
            }
            let is_here = self.byte() == Some(b'/') && self.text.get(self.at + 1) == Some(&b'/');
            if TELLS && is_here == self.is_negative && self.spacing != Spacing::Atomic {
                let mark = self.attempts.mark(self.at);
                self.attempts.note(Rule::COMMENT, mark, self.is_negative);
            }
            if !is_here {
                return;
            }
            let is_seen = self.looking == 0 && self.spacing != Spacing::Atomic;
            if is_seen {
                self.event(Rule::COMMENT, false);
            }
            while self.byte().is_some_and(|byte| byte != b'\n') {
                self.at += 1;
            }
            if is_seen {
                self.event(Rule::COMMENT, true);
            }
        }
    }

    fn any(&mut self) -> bool {
        let Some(byte) = self.byte() else { return false };
        self.at += match byte {
            0..0xc0 => 1,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        true
    }

    fn back(&mut self, at: usize, length: usize) {
        self.at = at;
        self.events.truncate(length);
    }

    fn event(&mut self, rule: Rule, is_end: bool) {
        if TELLS {
            return;
        }
        self.events.push(Event { rule, is_end, at: self.at as u32 });
    }
}

fn is_in(class: u128, byte: u8) -> bool {
    byte.is_ascii() && class >> byte & 1 == 1
}
