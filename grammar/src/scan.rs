//! From text to tokens, without failing: what is wrong with single characters and texts is found and repaired here, so
//! that the parser never sees it.
//!
//! The scanner knows the brackets only as far as texts with insertions need it; [`crate::balance`] pairs them.

mod mistakes;
mod stretch;
mod text;

use crate::{
    problem::{Edit, Problem, ProblemKind},
    token::{STATEMENTS, Token, TokenKind},
};

/// How deep brackets, texts and insertions may stand in one another.
pub(crate) const NESTING: usize = 128;

/// How deep types may stand in one another between angle brackets.
const ANGLES: usize = 16;

/// How deep control expressions and functions may stand in one another without a bracket between: `match match …`.
const BARE: usize = 64;

/// What the scanner makes of a text.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub tokens: Vec<Token>,
    /// Repairs, in order and without overlap.
    pub edits: Vec<Edit>,
    pub problems: Vec<Problem>,
    /// The deepest nesting.
    pub deepest: usize,
    /// Where the brackets that are open are not to be reported, because a problem that explains it was.
    pub forgiven: Vec<u32>,
}

/// What the scanner is inside of.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// An insertion, with the number of braces open in it and the place of its brace among the tokens.
    Insert { braces: usize, opener: usize },
    /// A text on one line, by the place of its opening quotes among the tokens.
    Line(usize),
    /// A text in `"""`.
    Multi(usize),
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    scan: Scan,
    modes: Vec<Mode>,
    /// Number of brackets, texts and insertions that are open.
    depth: usize,
    angles: usize,
    /// For each bracket that is open, and for the file, how many words and arrows stand in it that nest without one.
    bare: Vec<usize>,
    /// Their sum.
    nested: usize,
    /// Whether a nest that is too deep was reported and has not ended.
    is_too_deep: bool,
    /// Where the text begins that is left out because it nests too deep, and the number of modes there.
    muted: Option<(u32, usize)>,
    is_first: bool,
    indent: u32,
    line: u32,
    /// How often an unclosed `"""` was cut off; after a few, the rest of the file is its content.
    cuts: usize,
    /// Whether a fence of Markdown was reported.
    is_fenced: bool,
}

/// Scans a text.
pub(crate) fn scan(source: &str) -> Scan {
    let mut scanner = Scanner {
        source,
        at: 0,
        scan: Scan::default(),
        modes: Vec::new(),
        depth: 0,
        angles: 0,
        bare: vec![0],
        nested: 0,
        is_too_deep: false,
        muted: None,
        is_first: true,
        indent: 0,
        line: 0,
        cuts: 0,
        is_fenced: false,
    };
    if source.starts_with('\u{feff}') {
        scanner.replace(0, 3, "");
        scanner.at = 3;
    }
    scanner.run();
    let mut scan = scanner.scan;
    // Repairs of a text that was given up again can stand before earlier ones.
    scan.edits.sort_by_key(|edit| edit.start);
    scan.problems.sort_by_key(|problem| problem.start);
    scan
}

impl<'a> Scanner<'a> {
    fn run(&mut self) {
        loop {
            match self.modes.last() {
                Some(Mode::Line(_)) => self.line_text(),
                Some(Mode::Multi(_)) => self.multi_text(),
                _ if self.at >= self.source.len() => {
                    if self.modes.is_empty() {
                        break;
                    }
                    self.unclosed_text();
                }
                _ => self.code(),
            }
        }
        if let Some((start, _)) = self.muted.take() {
            self.forgive(start);
            self.replace(start, self.source.len() as u32, HOLE);
        }
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn code(&mut self) {
        let rest = self.rest();
        let Some(letter) = rest.chars().next() else { return };
        let start = self.at as u32;
        match letter {
            '\n' => self.newline(),
            ' ' | '\t' | '\r' => {
                self.at += 1;
                self.indent += u32::from(self.is_first);
            }
            '/' if rest.starts_with("//") => self.comment(),
            '/' if rest.starts_with("/*") => self.block_comment(),
            '#' => self.hash_comment(),
            '"' | '\'' | '`' | '“' | '”' | '‘' | '’' | '„' => self.quote(letter),
            'r' if rest.starts_with("r\"") => self.raw_text(),
            '0'..='9' => self.number(),
            _ if letter == '_' || letter.is_alphanumeric() => self.word(),
            '(' | '[' | '{' => {
                self.open(TokenKind::Open, 1);
                if letter == '{'
                    && let Some(Mode::Insert { braces, .. }) = self.modes.last_mut()
                {
                    *braces += 1;
                }
            }
            ')' | ']' => self.close(TokenKind::Close, 1),
            '}' => match self.modes.last_mut() {
                Some(Mode::Insert { braces: 0, .. }) => {
                    self.close(TokenKind::Close, 1);
                    self.modes.pop();
                }
                Some(Mode::Insert { braces, .. }) => {
                    *braces -= 1;
                    self.close(TokenKind::Close, 1);
                }
                _ => self.close(TokenKind::Close, 1),
            },
            '<' if (rest.starts_with("<<") || rest.starts_with("<!")) && self.markup() => {}
            '<' => self.angle(start),
            _ => self.sign(letter),
        }
    }

    /// A newline in code. In an insertion of a text on one line, the text has no end.
    fn newline(&mut self) {
        if self.modes.iter().any(|mode| matches!(mode, Mode::Line(_))) {
            self.unclosed_text();
            return;
        }
        self.at += 1;
        self.line += 1;
        self.is_first = true;
        self.indent = 0;
    }

    fn comment(&mut self) {
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        self.directions(self.at, self.at + length);
        self.at += length;
    }

    fn word(&mut self) {
        let length = mistakes::word_length(self.rest());
        let word = self.rest().get(..length).unwrap_or_default();
        if !word.is_ascii() && self.hidden(word) {
            self.letters(word);
        }
        const HEADERS: [&str; 5] = ["match", "if", "for", "first", "repeat"];
        let is_member = self.source.get(..self.at).is_some_and(|before| before.ends_with('.'));
        if HEADERS.contains(&word) && !is_member && self.is_nested_bare(length) {
            return;
        }
        if STATEMENTS.contains(&word) {
            self.unnest();
        }
        self.push(TokenKind::Word, length);
    }

    /// Counts a word or an arrow of `length` bytes that nests without a bracket. Where there are too many, the rest of
    /// the line is left out.
    fn is_nested_bare(&mut self, length: usize) -> bool {
        self.nested += 1;
        if let Some(bare) = self.bare.last_mut() {
            *bare += 1;
        }
        if self.nested <= BARE {
            return false;
        }
        let start = self.at as u32;
        if self.nested == BARE + 1 {
            self.report(start, start + length as u32, ProblemKind::TooDeep(BARE));
        }
        let line = self.rest().find('\n').unwrap_or(self.rest().len());
        self.replace(start, start + line as u32, HOLE);
        self.push(TokenKind::Word, line);
        true
    }

    /// What nests without a bracket ends.
    fn unnest(&mut self) {
        if let Some(bare) = self.bare.last_mut() {
            self.nested = self.nested.saturating_sub(std::mem::take(bare));
        }
    }

    fn number(&mut self) {
        let rest = self.rest();
        if let Some(length) = self.instant() {
            self.push(TokenKind::Text, length);
            return;
        }
        let is_digit = |letter: char| letter.is_ascii_digit() || letter == '_';
        let mut length = rest.find(|letter| !is_digit(letter)).unwrap_or(rest.len());
        let is_fraction = |rest: &str| {
            let mut letters = rest.chars();
            letters.next() == Some('.') && letters.next().is_some_and(|letter| letter.is_ascii_digit())
        };
        let mut digits = length;
        if let Some(after) = rest.get(length..).filter(|after| is_fraction(after)) {
            length +=
                1 + after.get(1..).and_then(|after| after.find(|letter| !is_digit(letter))).unwrap_or(after.len() - 1);
            digits = length;
        }
        // `1.2.3`
        let points = rest.get(length..).unwrap_or_default();
        let more = points.find(|letter: char| letter != '.' && !letter.is_ascii_digit()).unwrap_or(points.len());
        let more = points.get(..more).unwrap_or_default().trim_end_matches('.').len();
        if digits > 0 && is_fraction(points) && rest.get(..length).is_some_and(|number| number.contains('.')) {
            let (start, end) = ((self.at + length) as u32, (self.at + length + more) as u32);
            self.report(self.at as u32, end, ProblemKind::Points);
            self.replace(start, end, "");
            self.push(TokenKind::Number, length + more);
            return;
        }
        let after = rest.get(length..).unwrap_or_default();
        let unit = after.find(|letter: char| letter != '_' && !letter.is_alphanumeric()).unwrap_or(after.len());
        length += unit;
        if unit > 0 {
            self.unit(digits, length);
        } else {
            length = self.loose_unit(length);
        }
        self.push(TokenKind::Number, length);
    }

    /// `<` may begin the types of a call. How deep those nest is limited here, because each level may be read again as
    /// a comparison.
    fn angle(&mut self, start: u32) {
        let is_touching = self
            .source
            .get(..self.at)
            .is_some_and(|before| before.ends_with(|letter: char| letter == '_' || letter.is_ascii_alphanumeric()));
        if self.rest().starts_with("<=") {
            self.push(TokenKind::Sign, 2);
            return;
        }
        if is_touching && self.angles >= ANGLES {
            if self.angles == ANGLES && self.muted.is_none() {
                self.report(start, start + 1, ProblemKind::TooDeep(ANGLES));
            }
            match self.closing_angle() {
                Some(end) => {
                    self.replace(start + 1, end, HOLE);
                    self.push(TokenKind::Sign, (end - start) as usize);
                    self.angles = ANGLES + 1;
                    return;
                }
                // A comparison that touches its left side is read as one when space is put before it.
                None => self.replace(start, start + 1, " <"),
            }
        }
        let angles = self.angles + usize::from(is_touching);
        self.push(TokenKind::Sign, 1);
        self.angles = angles;
    }

    /// Where on this line the `>` stands that closes the `<` here. It is looked for in the next kilobyte only.
    fn closing_angle(&self) -> Option<u32> {
        let mut depth = 0usize;
        for (offset, letter) in self.rest().char_indices().take(1024).take_while(|(_, letter)| *letter != '\n') {
            match letter {
                '<' => depth += 1,
                '>' if depth == 1 => return Some((self.at + offset) as u32),
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }

    fn sign(&mut self, letter: char) {
        let rest = self.rest();
        if self.mistaken_sign() {
            return;
        }
        const SIGNS: [&str; 11] = ["...", "==", "!=", ">=", "->", "=>", "??", "?.", "..", "&&", "||"];
        let length = SIGNS.iter().find(|sign| rest.starts_with(**sign)).map_or(letter.len_utf8(), |sign| sign.len());
        if rest.starts_with("->") && self.is_nested_bare(2) {
            return;
        }
        if rest.starts_with(',') || rest.starts_with("=>") {
            self.unnest();
        }
        let known = "=<>+-*/%|,:.?@";
        if !known.contains(letter) && length == letter.len_utf8() {
            self.strange(letter);
            return;
        }
        self.push(TokenKind::Sign, length);
    }

    /// Adds a token that begins here.
    fn push(&mut self, kind: TokenKind, length: usize) {
        let (start, end) = (self.at as u32, (self.at + length) as u32);
        if self.muted.is_none() {
            let (first, indent, line) = (self.is_first, self.indent, self.line);
            self.scan.tokens.push(Token { kind, start, end, first, indent, line });
        }
        // What can't stand in a type ends the types that a `<` began.
        let can_be_type = match kind {
            TokenKind::Word | TokenKind::Text | TokenKind::Open | TokenKind::Close => true,
            TokenKind::Sign => {
                matches!(self.source.get(self.at..self.at + length), Some("<" | "," | "." | "?" | "|" | ":"))
            }
            _ => false,
        };
        let closes = self.source.get(self.at..self.at + length) == Some(">");
        self.angles = if closes {
            self.angles.saturating_sub(1)
        } else if can_be_type {
            self.angles
        } else {
            0
        };
        self.is_first = false;
        self.at += length;
    }

    fn open(&mut self, kind: TokenKind, length: usize) {
        let start = self.at as u32;
        // Braces end the header of one control expression.
        if let Some(bare) =
            self.bare.last_mut().filter(|bare| **bare > 0 && self.source.as_bytes().get(self.at) == Some(&b'{'))
        {
            *bare -= 1;
            self.nested -= 1;
        }
        self.push(kind, length);
        self.depth += 1;
        if self.depth <= NESTING + 1 {
            self.bare.push(0);
        }
        self.scan.deepest = self.scan.deepest.max(self.depth.min(NESTING));
        if self.depth == NESTING + 1 && self.muted.is_none() {
            if !self.is_too_deep {
                self.report(start, self.at as u32, ProblemKind::TooDeep(NESTING));
                self.is_too_deep = true;
            }
            self.muted = Some((self.at as u32, self.modes.len()));
        }
    }

    fn close(&mut self, kind: TokenKind, length: usize) {
        if self.depth <= NESTING + 1 && self.bare.len() > 1 {
            self.unnest();
            self.bare.pop();
        }
        self.depth = self.depth.saturating_sub(1);
        if let Some((start, modes)) = self.muted
            && self.depth <= NESTING
            && self.modes.len() <= modes + 1
        {
            self.muted = None;
            self.replace(start, self.at as u32, HOLE);
        }
        // Only when half of it is left behind, the next nest is another one.
        self.is_too_deep &= self.depth > NESTING / 2;
        self.push(kind, length);
    }

    fn replace(&mut self, start: u32, end: u32, text: &str) {
        if self.muted.is_none() {
            self.scan.edits.push(Edit { start, end, text: text.to_owned() });
        }
    }

    /// Brackets open at this place are not reported as unclosed.
    fn forgive(&mut self, at: u32) {
        self.scan.forgiven.push(at);
    }

    fn report(&mut self, start: u32, end: u32, kind: ProblemKind) {
        self.report_with_fix(start, end, kind, Vec::new());
    }

    fn report_with_fix(&mut self, start: u32, end: u32, kind: ProblemKind, fix: Vec<Edit>) {
        if self.muted.is_none() {
            let found = self.source.get(start as usize..end as usize).unwrap_or_default().to_owned();
            self.scan.problems.push(Problem { start, end, expected: Vec::new(), found, kind, fix });
        }
    }

    /// Reports what is written differently in Flow, and repairs it.
    fn instead(&mut self, start: u32, end: u32, text: &str) {
        let edit = Edit { start, end, text: text.to_owned() };
        self.report_with_fix(start, end, ProblemKind::Instead(text.trim().to_owned()), vec![edit]);
        self.replace(start, end, text);
    }
}

/// Stands in the repaired text for what could not be read.
pub(crate) const HOLE: &str = "\u{1}";
