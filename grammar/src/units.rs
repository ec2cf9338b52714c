//! The units of a group: the statements of a block, the items of a file, the arguments of a call, as far as tokens tell.

use crate::{
    balance::{Groups, begins_item},
    token::{CONTROL, STATEMENTS, Token, TokenKind, closer},
};

/// The tokens of a text with the groups that their brackets make.
pub(crate) struct Units<'a> {
    pub source: &'a str,
    pub tokens: &'a [Token],
    pub groups: Groups,
}

impl<'a> Units<'a> {
    pub(crate) fn text(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| token.text(self.source))
    }

    pub(crate) fn token(&self, index: usize) -> Option<Token> {
        self.tokens.get(index).copied()
    }

    pub(crate) fn group_of(&self, index: usize) -> usize {
        self.groups.of.get(index).copied().unwrap_or(0)
    }

    /// The bracket that begins a group; nothing for the file.
    pub(crate) fn bracket(&self, group: usize) -> &'static str {
        self.groups.groups.get(group).map_or("", |group| group.bracket)
    }

    /// The group that ends at a token, and is not empty.
    pub(crate) fn ending_at(&self, index: usize) -> Option<usize> {
        let inside = self.group_of(index.checked_sub(1)?);
        // What stands before the end may itself be the end of groups within.
        let mut group = inside;
        loop {
            let bounds = self.groups.groups.get(group)?;
            if bounds.to == index && group != 0 {
                return Some(group);
            }
            if group == 0 {
                return None;
            }
            group = bounds.parent;
        }
    }

    /// The tokens that stand in the group itself, not in one within it, in `from..to`.
    pub(crate) fn direct(&self, group: usize, from: usize, to: usize) -> impl DoubleEndedIterator<Item = usize> + '_ {
        (from..to).filter(move |index| self.group_of(*index) == group)
    }

    /// The unit of a group around a place: its first token, and one past its last. A comma after it is left out.
    pub(crate) fn around(&self, group: usize, place: usize) -> Option<(usize, usize)> {
        let bounds = self.groups.groups.get(group)?;
        let from =
            self.direct(group, bounds.from, (place + 1).min(bounds.to)).rev().find(|index| self.begins(*index, group));
        let from = from.unwrap_or(bounds.from);
        let next = self.direct(group, (from + 1).max(place + 1), bounds.to).find(|index| self.begins(*index, group));
        let mut to = next.unwrap_or(bounds.to);
        if to > from + 1 && self.text(to - 1) == "," && self.group_of(to - 1) == group {
            to -= 1;
        }
        (from < to).then_some((from, to))
    }

    /// Says whether a token of a group begins a unit of it.
    pub(crate) fn begins(&self, index: usize, group: usize) -> bool {
        let Some(token) = self.token(index) else { return true };
        let Some(bounds) = self.groups.groups.get(group) else { return true };
        if index == bounds.from {
            return true;
        }
        let before = self.text(index - 1);
        let bracket = self.bracket(group);
        if before == "," && token.kind != TokenKind::Close {
            return group != 0 || begins_item(self.source, self.tokens, index) && token.first;
        }
        if !matches!(bracket, "" | "{") {
            return false;
        }
        let text = token.text(self.source);
        if group == 0 {
            return token.first
                && (begins_item(self.source, self.tokens, index)
                    || (token.indent == 0 && !self.continues(index) && !self.expects_more(index - 1)));
        }
        let is_field = self.text(index + 1) == ":";
        if token.kind == TokenKind::Word
            && STATEMENTS.contains(&text)
            && !is_field
            && !matches!(before, "else" | "expect")
        {
            return true;
        }
        token.first && !self.continues(index) && !self.expects_more(index - 1)
    }

    /// Says whether a token that begins a line goes on with what stands before it.
    fn continues(&self, index: usize) -> bool {
        let Some(token) = self.token(index) else { return false };
        let text = token.text(self.source);
        match token.kind {
            TokenKind::Sign => match text {
                "..." | ".." => false,
                "-" => self.token(index + 1).is_some_and(|next| next.start > token.end),
                _ => true,
            },
            TokenKind::Close | TokenKind::TextClose => true,
            // A brace in a line of its own belongs to the header before it, unless it is a pattern.
            TokenKind::Open if text == "{" => self.after_group(index).is_none_or(|after| self.text(after) != "=>"),
            TokenKind::Word => {
                const CONTINUE: [&str; 17] = [
                    "and",
                    "or",
                    "in",
                    "as",
                    "else",
                    "catch",
                    "with",
                    "optional",
                    "undo",
                    "where",
                    "concurrency",
                    "fails",
                    "because",
                    "per",
                    "until",
                    "from",
                    "then",
                ];
                CONTINUE.contains(&text) && !matches!(self.text(index + 1), ":" | "=")
            }
            _ => false,
        }
    }

    /// Says whether something must follow a token.
    pub(crate) fn expects_more(&self, index: usize) -> bool {
        let Some(token) = self.token(index) else { return false };
        let text = token.text(self.source);
        match token.kind {
            TokenKind::Sign => !matches!(text, "?" | ">" | "*" | ".." | ","),
            TokenKind::Word => {
                let is_keyword = matches!(
                    text,
                    "and"
                        | "or"
                        | "not"
                        | "in"
                        | "as"
                        | "else"
                        | "with"
                        | "step"
                        | "let"
                        | "per"
                        | "concurrency"
                        | "until"
                );
                is_keyword || CONTROL.contains(&text) && !matches!(text, "parallel" | "try" | "saga" | "race")
            }
            _ => false,
        }
    }

    /// The token after the group that a bracket opens.
    pub(crate) fn after_group(&self, open: usize) -> Option<usize> {
        let group = self.group_of(open + 1);
        let bounds = self.groups.groups.get(group)?;
        if bounds.open != Some(open) {
            // It is empty: its closing token follows.
            return (self.text(open + 1) == closer(self.text(open))).then_some(open + 2);
        }
        let close = bounds.to;
        Some(if self.text(close) == closer(self.text(open)) { close + 1 } else { close })
    }
}
