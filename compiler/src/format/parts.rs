//! What is a node made of, in order: tokens, nodes and comments?

use flow_grammar::{Kind, Node};

use super::{Formatter, out::Token};

/// A part of a node.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a, 't> {
    /// A keyword or punctuation.
    Token(Token<'a>),
    /// A node.
    Node(Node<'t>),
    /// A comment.
    Comment(Node<'t>),
}

impl<'a> Formatter<'a> {
    /// The parts of a node in order.
    pub(crate) fn parts<'t>(&self, node: Node<'t>) -> Vec<Part<'a, 't>> {
        let mut parts = Vec::new();
        let mut at = node.start();
        for child in node.children_and_comments() {
            self.gap(node.kind(), at, child.start(), &mut parts);
            match child.kind() {
                Kind::Comment => parts.push(Part::Comment(child)),
                Kind::DotDot => parts.push(Part::Token(token(node.kind(), child.text(self.source)))),
                _ => parts.push(Part::Node(child)),
            }
            at = child.end();
        }
        self.gap(node.kind(), at, node.end(), &mut parts);
        // The last of types and of the names of a function has no comma after it.
        let is_short = matches!(node.kind(), Kind::TypeParams | Kind::TypeArgs | Kind::TypeNames | Kind::LambdaParams);
        if let [.., Part::Token(comma), Part::Token(_)] = parts.as_slice()
            && is_short
            && comma.text == ","
        {
            parts.remove(parts.len() - 2);
        }
        // The open side of a range: what stands there is no end of it.
        if let Some(Part::Token(first)) = parts.first_mut() {
            first.touches_left &= first.text != "..";
        }
        if let Some(Part::Token(last)) = parts.last_mut() {
            last.touches_right &= last.text != "..";
        }
        parts
    }

    fn gap<'t>(&self, parent: Kind, from: u32, to: u32, parts: &mut Vec<Part<'a, 't>>) {
        let mut rest = self.source.get(from as usize..to as usize).unwrap_or_default().trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else {
                ["...", "..", "?.", "=>", "->"]
                    .iter()
                    .find(|token| rest.starts_with(**token))
                    .map_or(first.len_utf8(), |token| token.len())
            };
            let (text, after) = rest.split_at(length);
            parts.push(Part::Token(token(parent, text)));
            rest = after.trim_start();
        }
    }

    /// The node as one token, if it is one.
    pub(crate) fn atom(&self, node: Node<'_>) -> Option<Token<'a>> {
        let (touches_left, touches_right) = match node.kind() {
            Kind::Question | Kind::Star => (true, false),
            Kind::Negate => (false, true),
            Kind::BySchema => return None,
            Kind::Text | Kind::LaterItem | Kind::LaterBody => (false, false),
            _ if node.children_and_comments().next().is_none() && is_word(node.text(self.source)) => (false, false),
            _ => return None,
        };
        let text = self.source.get(node.start() as usize..node.end() as usize).unwrap_or_default();
        Some(Token { text, touches_left, touches_right })
    }
}

/// A leaf that is no bare pair of brackets such as `{}` or `<>`; `<` and `<=` compare.
fn is_word(text: &str) -> bool {
    matches!(text, "<" | "<=") || !text.starts_with(['{', '(', '[', '<'])
}

fn token(parent: Kind, text: &str) -> Token<'_> {
    let follows = matches!(parent, Kind::Args | Kind::Params | Kind::Index | Kind::TypeArgs | Kind::TypeParams);
    let (touches_left, touches_right) = match text {
        "," | ":" | ")" | "]" => (true, false),
        "." => (parent != Kind::ImpliedMember, true),
        "?." | ".." => (true, true),
        "..." | "@" => (false, true),
        "(" | "[" => (follows, true),
        "<" => (true, true),
        ">" => (true, false),
        _ => (false, false),
    };
    Token { text, touches_left, touches_right }
}

/// How the entries of a node that is a list are separated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    /// By commas, on one line and on several.
    Comma,
    /// By commas on one line, by line ends on several.
    CommaOrLine,
    /// By line ends only.
    Line,
}

/// The brackets of a list and how its entries are separated, for nodes that are or end in a list.
pub(crate) fn list(kind: Kind) -> Option<(&'static str, &'static str, Separator)> {
    Some(match kind {
        Kind::Args | Kind::Params => ("(", ")", Separator::Comma),
        Kind::Record | Kind::RecordPattern => ("{", "}", Separator::Comma),
        Kind::List | Kind::ListPattern => ("[", "]", Separator::Comma),
        Kind::UseNames
        | Kind::Fields
        | Kind::Config
        | Kind::PolicyBody
        | Kind::Properties
        | Kind::TriggerClauses
        | Kind::Catch
        | Kind::MatchExpr
        | Kind::EnumItem
        | Kind::UnionItem
        | Kind::ErrorsSection => ("{", "}", Separator::CommaOrLine),
        Kind::Block | Kind::Branches | Kind::FlowBody | Kind::TestBody | Kind::NeverBody | Kind::ConnectorItem => {
            ("{", "}", Separator::Line)
        }
        _ => return None,
    })
}

/// Collects the outermost nodes within that are entries of a list of lines: they are laid out or copied each for itself.
pub(crate) fn entries_within<'t>(node: Node<'t>, entries: &mut Vec<Node<'t>>) {
    for child in node.children() {
        if list(node.kind()).is_some_and(|(.., separator)| separator != Separator::Comma) {
            entries.push(child);
        } else {
            entries_within(child, entries);
        }
    }
}
