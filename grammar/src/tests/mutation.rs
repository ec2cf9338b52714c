//! Random damage to programs.

use super::{assert_well_formed, shipped};
use crate::{
    attempt::{by_pest, entries, failure},
    read, scan,
};

/// A small generator of the same numbers on every machine (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

/// What is put into programs besides their own tokens.
const FOREIGN: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "\"\"\"",
    "'",
    "“",
    "=",
    "==",
    "=>",
    "->",
    ":",
    ",",
    ";",
    "|",
    "||",
    "&&",
    "!",
    "?",
    "??",
    "?.",
    ".",
    "..",
    "...",
    "@",
    "<",
    ">",
    "-",
    "+",
    "*",
    "/",
    "//",
    "/*",
    "#",
    "\\",
    "$",
    "`",
    "\n",
    "\t",
    "\r",
    " ",
    "if",
    "else",
    "match",
    "for",
    "in",
    "step",
    "let",
    "try",
    "catch",
    "parallel",
    "flow",
    "record",
    "connector",
    "saga",
    "1",
    "1.5",
    "10min",
    "5.00 EUR",
    "ö",
    "日本",
    "\u{202e}",
    "\u{200b}",
    "\u{1}",
    "\0",
    "\u{feff}",
    "…",
    "\\u{",
    "r\"",
    "{{",
    "\"{",
    "\"\"\"{",
    "/* */",
];

/// The text with a random change at a token: left out, doubled, swapped, replaced, something put in, the rest cut off.
fn damaged(text: &str, random: &mut Random) -> String {
    let tokens = scan::scan(text).tokens;
    let at = random.next(tokens.len());
    let Some(token) = tokens.get(at) else { return FOREIGN[random.next(FOREIGN.len())].to_owned() };
    let (start, end) = (token.start as usize, token.end as usize);
    let other = tokens[random.next(tokens.len())];
    let piece = match random.next(3) {
        0 => &text[other.start as usize..other.end as usize],
        _ => FOREIGN[random.next(FOREIGN.len())],
    };
    match random.next(7) {
        0 | 1 => format!("{}{}", &text[..start], &text[end..]),
        2 => format!("{} {}", &text[..end], &text[start..]),
        3 => format!("{}{piece}{}", &text[..start], &text[end..]),
        4 => format!("{}{piece}{}", &text[..start], &text[start..]),
        5 => match tokens.get(at + 1) {
            Some(next) => {
                let (from, to) = (next.start as usize, next.end as usize);
                format!("{}{}{}{}{}", &text[..start], &text[from..to], &text[end..from], &text[start..end], &text[to..])
            }
            None => text[..start].to_owned(),
        },
        _ => match random.next(4) {
            0 => text[..start].to_owned(),
            1 => text[end..].to_owned(),
            _ => format!("{}{piece} {piece}{}", &text[..end], &text[end..]),
        },
    }
}

/// Reads a damaged text and asserts what holds for every text.
fn assert_read(text: &str) {
    let (tree, problems) = read(text);
    assert_well_formed(text, &tree, &problems);
    // What was left out or changed in order to read the text is never kept silent.
    let is_plain = entries(text, 0, text.len() as u32, &[]).is_some() || text.starts_with('\u{feff}');
    assert!(!problems.is_empty() || is_plain, "{text:?}");
}

/// Damages and reads texts in as many threads as there are processors. The damage of a round is the same in however many.
fn damage(texts: &[String], rounds: usize) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for round in (thread..rounds).step_by(threads) {
                    let mut random = Random((round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    let mut text = damaged(&texts[round % texts.len()], &mut random);
                    if round % 3 == 0 {
                        text = damaged(&text, &mut random);
                    }
                    assert_read(&text);
                }
            });
        }
    });
}

#[test]
fn a_hundred_thousand_damaged_programs_are_read_without_panic() {
    const ROUNDS: usize = 100_000;
    const LONGEST: usize = 3_000;
    let programs: Vec<String> = shipped().into_iter().map(|(_, text)| text).collect();
    let short: Vec<String> = programs.iter().filter(|text| text.len() <= LONGEST).cloned().collect();
    assert!(short.len() >= 8, "{}", short.len());
    damage(&short, ROUNDS);
    // Of long ones each is damaged a few times.
    damage(&programs, 300);
}

#[test]
fn the_reader_of_the_grammar_agrees_with_pest() {
    let all = shipped();
    let mut random = Random(0x0ff5_e700_0815_4711);
    let agree = |text: &str| match by_pest(text) {
        Ok(read) => assert_eq!(entries(text, 0, text.len() as u32, &[]), Some(read), "{text}"),
        Err(stopped) => assert_eq!(failure(text), Some(stopped), "{text}"),
    };
    for (_, text) in &all {
        agree(text);
        let (tree, _) = read(text);
        for item in tree.root().children() {
            for _ in 0..4 {
                agree(&damaged(item.text(text), &mut random));
            }
        }
    }
}
