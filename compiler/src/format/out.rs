//! The text that is being written: where lines begin, and where there is a space between two tokens.

/// A token with the sides on which no space may stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub text: &'a str,
    pub touches_left: bool,
    pub touches_right: bool,
}

/// The text so far.
#[derive(Default)]
pub(crate) struct Out {
    text: String,
    /// Where the current line begins.
    line: usize,
    /// The indent of a line that has begun and has no token yet.
    fresh: Option<usize>,
    touches: bool,
    brace: bool,
}

impl Out {
    /// Writes a token, with a space before it where one belongs.
    pub(crate) fn token(&mut self, token: Token<'_>) {
        if let Some(indent) = self.fresh.take() {
            self.text.extend(std::iter::repeat_n(' ', indent));
        } else if self.wants_space(token) {
            self.text.push(' ');
        }
        self.text.push_str(token.text);
        self.touches = token.touches_right;
        self.brace = token.text.ends_with('{') && !token.touches_right;
        if let Some(at) = token.text.rfind('\n') {
            self.line = self.text.len() - token.text.len() + at + 1;
        }
    }

    fn wants_space(&self, token: Token<'_>) -> bool {
        let empty_braces = self.brace && token.text == "}";
        !self.text.is_empty() && !self.touches && !token.touches_left && !empty_braces
    }

    /// Writes what may not be changed.
    pub(crate) fn verbatim(&mut self, text: &str) {
        self.token(Token { text, touches_left: false, touches_right: false });
        self.brace = false;
    }

    /// Begins a new line unless one has just begun.
    pub(crate) fn newline(&mut self, indent: usize) {
        if self.fresh.is_none() && !self.text.is_empty() {
            self.text.push('\n');
            self.line = self.text.len();
        }
        self.fresh = Some(indent);
        self.touches = false;
        self.brace = false;
    }

    /// Leaves a line empty before the line that has just begun.
    pub(crate) fn blank_line(&mut self) {
        self.text.push('\n');
        self.line = self.text.len();
    }

    /// Writes a comment behind what stands on the line.
    pub(crate) fn trailing_comment(&mut self, comment: &str) {
        self.text.push(' ');
        self.text.push_str(comment.trim_end());
    }

    /// The column at which a token would be written, without a space before it.
    pub(crate) fn column(&self) -> usize {
        match self.fresh {
            Some(indent) => indent,
            None => self.text.get(self.line..).map_or(0, |line| line.chars().count()),
        }
    }

    /// Says whether a line has begun that has no token yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh.is_some()
    }

    /// Length of the text so far, in bytes, with the indent of a fresh line.
    pub(crate) fn position(&self) -> usize {
        self.text.len() + self.fresh.unwrap_or(0)
    }

    /// The text from a position on.
    pub(crate) fn since(&self, position: usize) -> &str {
        self.text.get(position..).unwrap_or_default()
    }

    /// Puts spaces in at a position of the current or an earlier line.
    pub(crate) fn pad(&mut self, position: usize, spaces: usize) {
        self.text.insert_str(position, &" ".repeat(spaces));
        if position < self.line {
            self.line += spaces;
        }
    }

    /// The whole text, with one line end at its end.
    pub(crate) fn finish(self) -> String {
        let mut text = self.text.trim_end().to_owned();
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}
