//! Random damage to programs.

use super::{assert_well_formed, shipped};
use crate::{
    Kind,
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

#[test]
fn damaged_programs_are_read_without_panic() {
    let all = shipped();
    let mut random = Random(0x5eed_0f10_4711_0815);
    for round in 0..300 {
        let mut text = all[round % all.len()].1.clone();
        for _ in 0..=random.next(3) {
            text = damaged(&text, &mut random);
        }
        assert_read(&text);
    }
}

/// Items are what the parser recovers by, so that damage to a part of one is damage to a program.
#[test]
fn a_hundred_thousand_damaged_items_are_read_without_panic() {
    const LONGEST: usize = 1500;
    const ROUNDS: usize = 100_000;
    let mut items = Vec::new();
    for (_, text) in shipped() {
        let (tree, _) = read(&text);
        let short = tree.root().children().map(|item| item.text(&text).to_owned());
        items.extend(short.filter(|item| item.len() <= LONGEST));
        // Of connectors, which are long, the members.
        let members = tree.root().children().filter(|item| item.kind() == Kind::ConnectorItem);
        let members = members.flat_map(|connector| connector.children().collect::<Vec<_>>());
        let wrapped = members.map(|member| format!("connector c {{\n{}\n}}\n", member.text(&text)));
        items.extend(wrapped.filter(|item| item.len() <= LONGEST));
    }
    assert!(items.len() >= 60, "{}", items.len());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let items = &items;
            scope.spawn(move || {
                for round in (thread..ROUNDS).step_by(threads) {
                    // The damage of a round is the same in however many threads.
                    let mut random = Random((round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    let mut text = damaged(&items[round % items.len()], &mut random);
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
