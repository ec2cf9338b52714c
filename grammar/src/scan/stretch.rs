//! Stretches of text over lines, as other languages write them: texts between `'''`, here-documents, comments of markup,
//! the fences that Markdown has around a program, and texts in simple quotes that go on on the next line.

use super::{Scanner, TokenKind};
use crate::{
    idiom::Idiom,
    problem::{Edit, Habit, ProblemKind},
    token::{CONTROL, ITEMS, STATEMENTS},
};

/// How far the end of a stretch is looked for, in bytes.
const FAR: usize = 16 * 1024;

impl Scanner<'_> {
    /// `'''…'''`, and a fence of Markdown. Says whether there was one.
    pub(super) fn tripled(&mut self, quote: char) -> bool {
        let mark = match quote {
            '\'' => "'''",
            '`' => "```",
            _ => return false,
        };
        if !self.modes.is_empty() || !self.rest().starts_with(mark) {
            return false;
        }
        if quote == '`' && self.is_first && self.indent == 0 {
            self.fence();
            return true;
        }
        let Some(length) = self.ahead(3).find(mark) else { return false };
        self.stretch(3, length, 3);
        true
    }

    /// A line that begins with the fence of Markdown. The one that closes it is told with the first.
    fn fence(&mut self) {
        let rest = self.rest();
        let line = rest.find('\n').unwrap_or(rest.len());
        let (start, end) = (self.at as u32, (self.at + line) as u32);
        if !self.is_fenced {
            self.is_fenced = true;
            let mut fix = vec![Edit { start, end, text: String::new() }];
            if let Some(closing) = rest.get(line..).and_then(|rest| rest.find("\n```")) {
                let start = end + closing as u32 + 1;
                fix.push(Edit { start, end: start + 3, text: String::new() });
            }
            self.report_with_fix(start, end, ProblemKind::Habit(Habit::Idiom(Idiom::Fence)), fix);
        }
        self.replace(start, end, "");
        self.at += line;
    }

    /// `<<EOT … EOT`, `<!-- … -->`. Says whether there was one.
    pub(super) fn markup(&mut self) -> bool {
        if !self.modes.is_empty() {
            return false;
        }
        let rest = self.rest();
        if rest.starts_with("<!--") {
            let end = self.ahead(4).find("-->").map(|length| length + 7);
            let length = end.unwrap_or_else(|| rest.find('\n').unwrap_or(rest.len()));
            let whole = rest.get(..length).unwrap_or_default();
            let (start, end) = (self.at as u32, (self.at + length) as u32);
            let content = whole.trim_start_matches("<!--").trim_end_matches("-->").trim();
            let ends =
                rest.get(length..).is_none_or(|after| after.trim_start_matches([' ', '\t', '\r']).starts_with('\n'));
            let is_line = !content.contains('\n') && ends;
            let fix = is_line.then(|| Edit { start, end, text: format!("// {content}") });
            let kind = ProblemKind::Habit(Habit::Idiom(Idiom::MarkupComment));
            self.report_with_fix(start, start + 4, kind, fix.into_iter().collect());
            self.replace(start, end, " ");
            self.line += whole.matches('\n').count() as u32;
            self.at += length;
            return true;
        }
        let Some(after) = rest.strip_prefix("<<") else { return false };
        let after = after.trim_start_matches(['-', '~']).trim_start_matches(['"', '\'']);
        let length = after.find(|letter: char| letter != '_' && !letter.is_ascii_uppercase()).unwrap_or(after.len());
        let Some(word) = after.get(..length).filter(|word| word.len() > 1) else { return false };
        let line = rest.find('\n').unwrap_or(rest.len());
        let mut at = line + 1;
        for content in self.ahead(line + 1).split_inclusive('\n') {
            if content.trim() == word {
                let last = at + content.trim_end().len();
                self.stretch(line, at - line, last - at);
                return true;
            }
            at += content.len();
        }
        false
    }

    /// The bytes from `offset` on in which the end of something is looked for.
    fn ahead(&self, offset: usize) -> &str {
        let rest = self.rest().get(offset..).unwrap_or_default();
        let mut length = rest.len().min(FAR);
        while !rest.is_char_boundary(length) {
            length -= 1;
        }
        rest.get(..length).unwrap_or_default()
    }

    /// A text between marks of `before` and `after` bytes. It is read as a text without content.
    fn stretch(&mut self, before: usize, length: usize, after: usize) {
        self.stretch_as(Idiom::Heredoc, "\"\"\"", before, length, after);
    }

    /// A raw text of several lines between `r"` and `"`.
    pub(super) fn raw_stretch(&mut self, length: usize) {
        self.stretch_as(Idiom::RawLines, "r\"\"\"", 2, length, 1);
    }

    fn stretch_as(&mut self, idiom: Idiom, opener: &str, before: usize, length: usize, after: usize) {
        let (start, total) = (self.at as u32, before + length + after);
        let end = start + total as u32;
        let whole = self.rest().get(..total).unwrap_or_default();
        let fix = match whole.contains("\"\"\"") {
            true => Vec::new(),
            false => vec![
                Edit { start, end: start + before as u32, text: opener.to_owned() },
                Edit { start: end - after as u32, end, text: "\"\"\"".to_owned() },
            ],
        };
        let lines = whole.matches('\n').count() as u32;
        let shown = start + whole.find('\n').unwrap_or(total) as u32;
        self.report_with_fix(start, shown, ProblemKind::Habit(Habit::Idiom(idiom)), fix);
        self.replace(start, end, "\"\"");
        self.push(TokenKind::Text, total);
        self.line += lines;
    }

    /// Where a text in simple quotes that begins at `start` ends on one of the next lines: at quotes that have no partner
    /// there, where no line before begins like code.
    pub(super) fn end_on_another_line(&self, start: usize) -> Option<usize> {
        let rest = self.source.get(start + 1..)?;
        let first = rest.split_inclusive('\n').next().filter(|first| !first.contains('"') && first.ends_with('\n'))?;
        let mut at = start + 1 + first.len();
        for line in rest.get(first.len()..)?.split_inclusive('\n').take(20) {
            let content = line.trim_start();
            let word = content.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()).next();
            let is_code =
                word.is_some_and(|word| STATEMENTS.contains(&word) || ITEMS.contains(&word) || CONTROL.contains(&word));
            // `name: "…"` is the next argument.
            let is_entry = word.is_some_and(|word| !word.is_empty() && content[word.len()..].starts_with(':'));
            if is_code || is_entry || content.starts_with(['}', ')', ']', '/']) {
                return None;
            }
            match line.matches('"').count() {
                0 => at += line.len(),
                1 => return line.find('"').map(|quote| at + quote + 1),
                _ => return None,
            }
        }
        None
    }
}
