//! Text literals: escapes, insertions, and the indent of `"""` and `r"""`.
//!
//! A text in `"""` or `r"""` loses the line break after the opening quotes, the line break and the space before the closing
//! quotes, and the indent that all its lines and the closing quotes have in common. Its line breaks are `\n`, whatever
//! the file has.

use flow_grammar::{Kind, Node};
use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    span::Span,
};

use super::Reader;
use crate::ast::{self, TextPart};

/// A piece of a text before the indent is taken away.
enum Piece {
    /// Text as it stands in the source.
    Source(String),
    /// What an escape stands for.
    Escape(String),
    Insert(ast::Expr),
}

impl Reader<'_> {
    /// A text literal as an expression.
    pub(super) fn text_expr(&mut self, node: Node<'_>) -> ast::Expr {
        ast::Expr { span: self.span(node), kind: ast::ExprKind::Text(self.text_parts(node)) }
    }

    /// The content of a text literal that stands where insertions have no meaning; `what` is what the text is there.
    pub(super) fn fixed_text(&mut self, node: Node<'_>, what: &str) -> ast::Ident {
        let mut text = String::new();
        for part in self.text_parts(node) {
            match part {
                TextPart::Fixed(fixed) => text.push_str(&fixed),
                TextPart::Insert(expr) => {
                    let message = format!("{what} can't have an insertion");
                    let help = match what {
                        "the path of a trigger" => {
                            "a path is fixed: take what varies from the query, `?id=7` as `.query[\"id\"]` of the payload, or from the body"
                        }
                        _ => "write `\\{` for a brace that stands for itself",
                    };
                    self.syntax(expr.span, message, "is inserted here", help);
                }
            }
        }
        ast::Ident { text, span: self.span(node) }
    }

    fn text_parts(&mut self, node: Node<'_>) -> Vec<TextPart> {
        let Some(form) = node.children().next() else { return Vec::new() };
        let pieces = match form.kind() {
            Kind::RawText => {
                let text = self.text_of(form);
                let between = |open, close| text.strip_prefix(open).and_then(|text: &str| text.strip_suffix(close));
                match between("r\"\"\"", "\"\"\"") {
                    Some(lines) => without_indent(vec![Piece::Source(lines.replace("\r\n", "\n"))]),
                    None => vec![Piece::Escape(between("r\"", "\"").unwrap_or_default().to_owned())],
                }
            }
            Kind::MultiText => without_indent(self.pieces(form)),
            _ => self.pieces(form),
        };
        self.dollars(form, &pieces);
        let mut parts: Vec<TextPart> = Vec::new();
        for piece in pieces {
            match (piece, parts.last_mut()) {
                (Piece::Insert(expr), _) => parts.push(TextPart::Insert(expr)),
                (Piece::Source(text) | Piece::Escape(text), Some(TextPart::Fixed(before))) => before.push_str(&text),
                (Piece::Source(text) | Piece::Escape(text), _) if text.is_empty() => {}
                (Piece::Source(text) | Piece::Escape(text), _) => parts.push(TextPart::Fixed(text)),
            }
        }
        parts
    }

    /// `"${name}"`: the sign is a part of the text.
    fn dollars(&mut self, form: Node<'_>, pieces: &[Piece]) {
        for (at, pair) in pieces.windows(2).enumerate() {
            let [Piece::Source(before), Piece::Insert(_)] = pair else { continue };
            let Some(fixed) = form.children().nth(at).filter(|_| before.ends_with('$')) else { continue };
            let sign = Span { start: fixed.end().saturating_sub(1), end: fixed.end(), file: self.file };
            let diagnostic = Diagnostic::new(
                Code::W0102,
                "this `$` is written out: it is no part of the insertion",
                sign,
                "a dollar sign before the value",
            );
            let help = "leave it out: `{name}` inserts; where a dollar sign is meant, write `\\u{24}`";
            let edit = Edit { span: sign, text: String::new() };
            self.report(diagnostic.help(help).fix("leave the `$` out", vec![edit]));
        }
    }

    fn pieces(&mut self, node: Node<'_>) -> Vec<Piece> {
        node.children()
            .filter_map(|child| match child.kind() {
                Kind::Fixed => Some(Piece::Source(self.text_of(child).replace("\r\n", "\n"))),
                Kind::Escape => Some(Piece::Escape(self.escape(child))),
                Kind::Insert => Some(Piece::Insert(self.expr_below(child))),
                _ => None,
            })
            .collect()
    }

    fn escape(&mut self, node: Node<'_>) -> String {
        let text = self.text_of(node);
        let escaped = text.strip_prefix('\\').unwrap_or(text);
        let known = match escaped {
            "n" => Some('\n'),
            "t" => Some('\t'),
            "r" => Some('\r'),
            "\"" | "\\" | "{" | "}" => escaped.chars().next(),
            _ => {
                let code = escaped.strip_prefix("u{").and_then(|rest| rest.strip_suffix('}'));
                code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32)
            }
        };
        if let Some(known) = known {
            return known.to_string();
        }
        let span = self.span(node);
        let help = match escaped.strip_prefix('u') {
            Some(_) => "write a character by its code like this: `\\u{e9}`",
            None => {
                "the escapes are `\\{` `\\}` `\\\"` `\\\\` `\\n` `\\t` `\\r` `\\u{…}`; write `\\\\` for a backslash"
            }
        };
        self.syntax(span, format!("`{text}` is no escape"), "stands for nothing", help);
        escaped.to_owned()
    }
}

/// Takes away what the layout of the source adds to a text in `"""`.
fn without_indent(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let is_blank = |text: &str| text.bytes().all(|byte| byte == b' ' || byte == b'\t');
    let mut begins_line = false;
    if let Some(Piece::Source(first)) = pieces.first_mut()
        && let Some((before, after)) = first.split_once('\n')
        && is_blank(before)
    {
        *first = after.to_owned();
        begins_line = true;
    }
    let mut indent: Option<String> = None;
    let count = pieces.len();
    if let Some(Piece::Source(last)) = pieces.last_mut() {
        match last.rsplit_once('\n') {
            Some((before, closing)) if is_blank(closing) => {
                indent = Some(closing.to_owned());
                *last = before.to_owned();
            }
            None if count == 1 && begins_line && is_blank(last) => last.clear(),
            _ => {}
        }
    }

    // Each line as (is it the first of its piece, its text); a line that the piece before began has no indent of its own.
    let mut at_start = begins_line;
    for (index, piece) in pieces.iter().enumerate() {
        if let Piece::Source(text) = piece {
            for (number, line) in text.split('\n').enumerate() {
                let is_whole = index + 1 == count || text.split('\n').count() > number + 1;
                if (number > 0 || at_start) && !(is_whole && is_blank(line)) {
                    common(&mut indent, line);
                }
            }
        } else if at_start {
            indent = Some(String::new());
        }
        at_start = matches!(piece, Piece::Source(text) if text.ends_with('\n') || (at_start && text.is_empty()));
    }

    let indent = indent.unwrap_or_default();
    let mut at_start = begins_line;
    for piece in &mut pieces {
        let Piece::Source(text) = piece else {
            at_start = false;
            continue;
        };
        let lines = text.split('\n').enumerate().map(|(number, line)| match line.strip_prefix(indent.as_str()) {
            Some(rest) if number > 0 || at_start => rest,
            None if (number > 0 || at_start) && is_blank(line) => "",
            _ => line,
        });
        let lines: Vec<&str> = lines.collect();
        at_start = text.ends_with('\n');
        *text = lines.join("\n");
    }
    pieces
}

/// Shortens `indent` to what it has in common with the space that a line begins with.
fn common(indent: &mut Option<String>, line: &str) {
    let space: String = line.chars().take_while(|letter| *letter == ' ' || *letter == '\t').collect();
    *indent = Some(match indent.take() {
        None => space,
        Some(before) => before.chars().zip(space.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect(),
    });
}
