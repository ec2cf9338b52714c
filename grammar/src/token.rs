//! Tokens as the scanner finds them: enough to know the brackets, the lines and the words of a text that does not parse.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A word, keyword or not.
    Word,
    /// A number with its unit.
    Number,
    /// A text without insertions.
    Text,
    /// The quotes before a text with insertions.
    TextOpen,
    /// The quotes after it.
    TextClose,
    /// `(`, `[`, `{`, and the brace of an insertion.
    Open,
    /// `)`, `]`, `}`
    Close,
    /// Anything else: operators and separators.
    Sign,
}

/// A piece of the source that space can't divide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub start: u32,
    pub end: u32,
    /// Whether it is the first of its line.
    pub first: bool,
    /// How far its line is indented, in characters.
    pub indent: u32,
    pub line: u32,
}

impl Token {
    pub(crate) fn text(self, source: &str) -> &str {
        source.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub(crate) fn is(self, source: &str, text: &str) -> bool {
        self.text(source) == text
    }
}

/// Words that begin an item.
pub const ITEMS: &[&str] = &[
    "use",
    "private",
    "const",
    "record",
    "enum",
    "union",
    "error",
    "fn",
    "connection",
    "policy",
    "event",
    "connector",
    "destination",
    "route",
    "sync",
    "meter",
    "pricing",
    "flow",
    "test",
];

/// Words that begin a part of a connector.
pub const MEMBERS: &[&str] = &[
    "config",
    "http",
    "errors",
    "record",
    "enum",
    "union",
    "error",
    "operation",
    "trigger",
    "verification",
    "challenge",
    "webhooks",
];

/// Words that no binding and no item can be called: first those that begin a statement, then those that begin a control
/// expression, then the one that begins a trigger.
pub const RESERVED: &[&str] = &[
    "let",
    "step",
    "return",
    "fail",
    "respond",
    "log",
    "dead_letter",
    "sleep",
    "emit",
    "if",
    "match",
    "for",
    "parallel",
    "try",
    "saga",
    "race",
    "repeat",
    "on",
    "else",
    "in",
    "catch",
    "and",
    "or",
    "not",
    "as",
    "true",
    "false",
    "null",
];

/// Words that begin a statement and nothing else.
pub const STATEMENTS: &[&str] = RESERVED.split_at(9).0;

/// Words that begin an expression in braces, which may be a statement.
pub const CONTROL: &[&str] = RESERVED.split_at(9).1.split_at(8).0;

/// Words that can begin a unit of a block.
pub(crate) const BODY: &[&str] = RESERVED.split_at(18).0;

/// What closes a bracket.
pub(crate) fn closer(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// What opens the bracket that this closes.
pub(crate) fn opener(close: &str) -> &'static str {
    match close {
        ")" => "(",
        "]" => "[",
        _ => "{",
    }
}

pub(crate) fn opens(token: Token) -> bool {
    matches!(token.kind, TokenKind::Open | TokenKind::TextOpen)
}

pub(crate) fn closes(token: Token) -> bool {
    matches!(token.kind, TokenKind::Close | TokenKind::TextClose)
}

/// Says whether one bracket closes the other.
pub(crate) fn is_pair(source: &str, open: Token, close: Token) -> bool {
    match (open.kind, close.kind) {
        (TokenKind::TextOpen, TokenKind::TextClose) => true,
        (TokenKind::Open, TokenKind::Close) => close.is(source, closer(open.text(source))),
        _ => false,
    }
}
