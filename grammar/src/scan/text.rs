//! Texts: quotes, insertions, and texts that have no end.

use super::{Mode, Scanner, TokenKind};
use crate::{
    idiom::Idiom,
    problem::{Edit, Habit, ProblemKind},
    token::{ITEMS, closer},
};

/// How often a text may swallow the rest of the file and be cut off; the next one keeps it.
const CUTS: usize = 8;

impl Scanner<'_> {
    /// Quotes in code: the beginning of a text.
    pub(super) fn quote(&mut self, quote: char) {
        if quote != '"' {
            if !self.tripled(quote) {
                self.foreign_quotes(quote);
            }
            return;
        }
        let is_multi = self.rest().starts_with("\"\"\"");
        let opener = self.scan.tokens.len();
        self.open(TokenKind::TextOpen, if is_multi { 3 } else { 1 });
        self.modes.push(if is_multi { Mode::Multi(opener) } else { Mode::Line(opener) });
    }

    pub(super) fn raw_text(&mut self) {
        let rest = self.rest();
        if let Some(content) = rest.strip_prefix("r\"\"\"") {
            self.raw_lines(content.find("\"\"\""));
            return;
        }
        let line = rest.find('\n').unwrap_or(rest.len());
        match rest.get(2..line).and_then(|content| content.find('"')) {
            Some(length) => {
                self.directions(self.at, self.at + length + 3);
                self.push(TokenKind::Text, length + 3);
            }
            None if let Some(length) = raw_end_on_another_line(rest) => self.raw_stretch(length),
            None => {
                self.open(TokenKind::TextOpen, 2);
                self.modes.push(Mode::Line(self.scan.tokens.len().saturating_sub(1)));
                self.unclosed_text();
            }
        }
    }

    /// A raw text in `r"""`, with the length of what stands in it.
    fn raw_lines(&mut self, length: Option<usize>) {
        let Some(length) = length else {
            self.open(TokenKind::TextOpen, 4);
            self.modes.push(Mode::Multi(self.scan.tokens.len().saturating_sub(1)));
            self.unclosed_text();
            return;
        };
        let total = length + 7;
        self.directions(self.at, self.at + total);
        let lines = self.rest().get(..total).unwrap_or_default().matches('\n').count() as u32;
        self.push(TokenKind::Text, total);
        self.line += lines;
    }

    /// Inside of a text on one line.
    pub(super) fn line_text(&mut self) {
        let rest = self.rest();
        let Some(stop) = rest.find(['"', '\\', '{', '\n']) else {
            self.unclosed_text();
            return;
        };
        self.directions(self.at, self.at + stop);
        match rest.as_bytes().get(stop) {
            Some(b'"') => {
                self.at += stop;
                self.end_text(1);
            }
            Some(b'\\') => {
                let escaped = rest.get(stop + 1..).and_then(|after| after.chars().next());
                match escaped {
                    Some('\n' | '\r') | None => self.unclosed_text(),
                    Some(letter) => self.at += stop + 1 + letter.len_utf8(),
                }
                self.skip_code(escaped);
            }
            Some(b'{') => self.insertion(stop),
            _ => self.unclosed_text(),
        }
    }

    /// Inside of a text in `"""`.
    pub(super) fn multi_text(&mut self) {
        let rest = self.rest();
        let Some(stop) = rest.find(['"', '\\', '{', '\n']) else {
            self.unclosed_text();
            return;
        };
        self.directions(self.at, self.at + stop);
        match rest.as_bytes().get(stop) {
            Some(b'"') if rest.get(stop..).is_some_and(|rest| rest.starts_with("\"\"\"")) => {
                self.at += stop;
                self.end_text(3);
            }
            Some(b'"') => self.at += stop + 1,
            Some(b'\\') => {
                let escaped = rest.get(stop + 1..).and_then(|after| after.chars().next());
                self.at += stop + 1 + escaped.map_or(0, char::len_utf8);
                self.line += u32::from(escaped == Some('\n'));
                self.skip_code(escaped);
            }
            Some(b'{') => self.insertion(stop),
            _ => {
                self.at += stop + 1;
                self.line += 1;
                self.is_first = true;
                self.indent = 0;
            }
        }
    }

    /// After `\u`: the braces of a character's code are no insertion.
    fn skip_code(&mut self, escaped: Option<char>) {
        if escaped == Some('u') && self.rest().starts_with('{') {
            let length = self.rest().find(|letter: char| letter != '{' && !letter.is_ascii_hexdigit());
            let length = length.unwrap_or(self.rest().len());
            if self.rest().get(length..).is_some_and(|rest| rest.starts_with('}')) {
                self.at += length + 1;
            }
        }
    }

    fn insertion(&mut self, stop: usize) {
        self.at += stop;
        self.is_first = false;
        let opener = self.scan.tokens.len();
        self.open(TokenKind::Open, 1);
        self.modes.push(Mode::Insert { braces: 0, opener });
    }

    /// The closing quotes. A text without insertions becomes one token.
    fn end_text(&mut self, length: usize) {
        let Some(Mode::Line(opener) | Mode::Multi(opener)) = self.modes.pop() else { return };
        self.is_first = false;
        self.close(TokenKind::TextClose, length);
        if self.muted.is_none() && self.scan.tokens.len() == opener + 2 {
            let close = self.scan.tokens.pop();
            if let (Some(open), Some(close)) = (self.scan.tokens.last_mut(), close) {
                open.kind = TokenKind::Text;
                open.end = close.end;
            }
        }
    }

    /// A text that has no end: where it is on one line, at the end of that line; in `"""`, where an item begins or at
    /// the end of the file. It is read as a text without content.
    pub(super) fn unclosed_text(&mut self) {
        let outermost = self.modes.iter().position(|mode| matches!(mode, Mode::Line(_)));
        let index = outermost.unwrap_or(0);
        let Some(Mode::Line(opener) | Mode::Multi(opener)) = self.modes.get(index).copied() else {
            self.modes.clear();
            return;
        };
        let is_line = outermost.is_some();
        // Each time that a text swallowed the rest of the file, it is cut off and the rest is scanned again.
        let is_at_end = self.at >= self.source.len();
        self.cuts += usize::from(is_at_end);
        if !is_line && self.cuts <= CUTS && self.unclosed_insertion(index) {
            return;
        }
        self.modes.truncate(index);
        let Some(token) = self.scan.tokens.get(opener).copied().filter(|_| self.muted.is_none()) else {
            // It stands where nothing is read any more.
            if is_line {
                let line = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += line;
            } else {
                self.at = self.source.len();
            }
            return;
        };
        let inner = self.scan.tokens.split_off(opener + 1);
        let depth =
            inner.iter().filter(|token| token.kind == TokenKind::Open || token.kind == TokenKind::TextOpen).count();
        let closed =
            inner.iter().filter(|token| token.kind == TokenKind::Close || token.kind == TokenKind::TextClose).count();
        self.depth = self.depth.saturating_sub(1 + depth.saturating_sub(closed));
        let start = token.start as usize;
        self.forget(token.start);
        let further = if is_line && index == 0 { self.end_on_another_line(start) } else { None };
        let is_line = is_line && further.is_none();
        let end = match is_line {
            false if let Some(end) = further => end,
            _ if is_at_end && self.cuts > CUTS => self.source.len(),
            true => self.line_end(opener, start),
            false => self.multi_end(start),
        };
        let quotes = if is_line { "\"" } else { "\"\"\"" };
        let (from, to) = (token.start, end as u32);
        let fix = match further {
            Some(_) => vec![
                Edit { start: from, end: from + 1, text: quotes.into() },
                Edit { start: to - 1, end: to, text: quotes.into() },
            ],
            None if is_line && inner.is_empty() => vec![Edit { start: to, end: to, text: quotes.into() }],
            None => Vec::new(),
        };
        let shown = self.source.get(start..end).unwrap_or_default();
        let shown = from + shown.find('\n').unwrap_or(shown.len()) as u32;
        self.report_with_fix(
            from,
            if is_line { to } else { shown },
            match further {
                Some(_) => ProblemKind::Habit(Habit::Idiom(Idiom::Heredoc)),
                None => ProblemKind::UnclosedText,
            },
            fix,
        );
        self.replace(from, to, "\"\"");
        if let Some(token) = self.scan.tokens.get_mut(opener) {
            token.kind = TokenKind::Text;
            token.end = to;
        }
        let is_last = self.source.get(end..).is_some_and(|rest| rest.trim().is_empty());
        if is_last || !is_line && further.is_none() {
            self.forgive(from);
        }
        if !is_line {
            let lines = self.source.get(start..end).unwrap_or_default().bytes().filter(|byte| *byte == b'\n').count();
            self.line = token.line + lines as u32;
            self.is_first = further.is_none();
            self.indent = 0;
        }
        self.at = end;
    }

    /// Takes back what was found in the text from `start` on, which is scanned again.
    fn forget(&mut self, start: u32) {
        while self.scan.edits.pop_if(|edit| edit.start >= start).is_some() {}
        while self.scan.problems.pop_if(|problem| problem.start >= start).is_some() {}
    }

    /// In a text in `"""`, an insertion without end: the text goes on behind its brace. Says whether there is one.
    fn unclosed_insertion(&mut self, index: usize) -> bool {
        let Some(Mode::Insert { opener, .. }) = self.modes.get(index + 1).copied() else { return false };
        let Some(brace) = self.scan.tokens.get(opener).copied().filter(|_| self.muted.is_none()) else { return false };
        // Everything behind the brace was read as code; brackets that it opened are not open in the text.
        let inner = self.scan.tokens.split_off(opener);
        let count = |kinds: [TokenKind; 2]| inner.iter().filter(|token| kinds.contains(&token.kind)).count();
        let open = count([TokenKind::Open, TokenKind::TextOpen]);
        self.depth = self.depth.saturating_sub(open.saturating_sub(count([TokenKind::Close, TokenKind::TextClose])));
        self.forget(brace.start);
        self.modes.truncate(index + 1);
        self.report(brace.start, brace.end, ProblemKind::Unclosed("}"));
        self.replace(brace.start, brace.end, "\\{");
        self.at = brace.end as usize;
        self.line = brace.line;
        true
    }

    /// Where a text without closing quotes ends on its line: before the brackets that close what was opened on the line
    /// before the text, and before a comma.
    fn line_end(&self, opener: usize, start: usize) -> usize {
        let rest = self.source.get(start..).unwrap_or_default();
        let line = rest.find('\n').unwrap_or(rest.len());
        let content = rest.get(..line).unwrap_or_default().trim_end();
        let mut open: Vec<&str> = Vec::new();
        let number = self.scan.tokens.get(opener).map_or(0, |token| token.line);
        let before = self.scan.tokens.get(..opener).unwrap_or_default();
        let is_inside = self.depth > 0;
        for token in before.iter().rev().take_while(|token| token.line == number).collect::<Vec<_>>().into_iter().rev()
        {
            match token.kind {
                TokenKind::Open => open.push(closer(token.text(self.source))),
                TokenKind::Close => drop(open.pop()),
                _ => {}
            }
        }
        open.reverse();
        let body = content.trim_end_matches([')', ']', '}', ',', '{', ' ', '\t']).len().max(1);
        let mut end = content.len();
        for (offset, _) in content.get(body..).unwrap_or_default().char_indices() {
            let suffix = content.get(body + offset..).unwrap_or_default();
            let closers = suffix.chars().filter(|letter| ")]}".contains(*letter)).map(String::from);
            let closes: Vec<String> = closers.collect();
            let fits = closes.len() <= open.len() && closes.iter().zip(&open).all(|(a, b)| a == b);
            let commas = suffix.matches(',').count();
            let braces = suffix.matches('{').count();
            let plain = braces == 0 && commas <= 1 && (commas == 0 || is_inside);
            let block = braces == 1 && closes.is_empty() && commas == 0 && !is_inside_brackets(&open);
            if fits && (plain && (!closes.is_empty() || commas == 1) || block && suffix.starts_with(' ')) {
                end = body + offset;
                break;
            }
        }
        start + content.get(..end).unwrap_or_default().trim_end().len().max(1)
    }

    /// Where a text in `"""` without closing quotes ends: before the next line that begins with an item.
    fn multi_end(&mut self, start: usize) -> usize {
        let mut at = start;
        let rest = self.source.get(start..).unwrap_or_default();
        for line in rest.split_inclusive('\n') {
            let word = line.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()).next();
            if at > start && word.is_some_and(|word| ITEMS.contains(&word)) {
                return at;
            }
            at += line.len();
        }
        self.source.len()
    }

    /// Quotes of other kinds. Those that have a partner on their line are read as quotes; a lone one as space.
    fn foreign_quotes(&mut self, quote: char) {
        let partner = match quote {
            '“' | '„' | '”' => ['”', '“', '"'],
            '‘' | '’' => ['’', '‘', '\''],
            _ => [quote; 3],
        };
        let width = quote.len_utf8();
        let rest = self.rest();
        let line = rest.find('\n').unwrap_or(rest.len());
        let content = rest.get(width..line).unwrap_or_default();
        let start = self.at as u32;
        let Some(length) = content.find(partner) else {
            self.report(start, start + width as u32, ProblemKind::Character);
            self.replace(start, start + width as u32, " ");
            self.at += width;
            return;
        };
        let closing = content.get(length..).and_then(|rest| rest.chars().next()).map_or(width, char::len_utf8);
        let total = width + length + closing;
        let inside = content.get(..length).unwrap_or_default();
        let end = start + total as u32;
        let mut written = String::from("\"");
        for letter in inside.chars() {
            if letter == '"' {
                written.push('\\');
            }
            written.push(letter);
        }
        written.push('"');
        let fix = Edit { start, end, text: written };
        self.report_with_fix(start, end, ProblemKind::Quotes, vec![fix]);
        if inside.contains(['"', '{', '\\']) {
            // Its insertions would need a second pass; as it is wrong anyway, it is read as a text without content.
            self.replace(start, end, "\"\"");
        } else {
            self.replace(start, start + width as u32, "\"");
            self.replace(end - closing as u32, end, "\"");
        }
        self.push(TokenKind::Text, total);
    }
}

fn is_inside_brackets(open: &[&str]) -> bool {
    open.iter().any(|closer| *closer != "}")
}

/// Where a raw text without an end on its line ends: at the next quotes, when nothing but closing brackets stands before them
/// on their line, as where a query ends.
fn raw_end_on_another_line(rest: &str) -> Option<usize> {
    let content = rest.get(2..)?;
    let end = content.find('"')?;
    let last = content.get(..end)?.rsplit('\n').next()?;
    last.chars().all(|letter| letter.is_whitespace() || "})]".contains(letter)).then_some(end)
}
