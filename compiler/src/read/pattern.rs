//! Patterns.

use flow_grammar::{Kind, Node};
use flow_model::value::Value;

use super::{Reader, literal::Sign};
use crate::ast;

impl Reader<'_> {
    pub(super) fn pattern(&mut self, node: Node<'_>) -> ast::Pattern {
        let span = self.span(node);
        let mut all: Vec<_> = node.children().map(|one| self.pattern_one(one)).collect();
        if all.len() == 1 {
            return all.remove(0);
        }
        let kind = if all.is_empty() { ast::PatternKind::Missing } else { ast::PatternKind::Either(all) };
        ast::Pattern { span, kind }
    }

    fn pattern_one(&mut self, node: Node<'_>) -> ast::Pattern {
        ast::Pattern { span: self.span(node), kind: self.pattern_kind(node).unwrap_or(ast::PatternKind::Missing) }
    }

    /// The pattern, or nothing when a part of it could not be read.
    fn pattern_kind(&mut self, node: Node<'_>) -> Option<ast::PatternKind> {
        Some(match node.kind() {
            Kind::Wildcard => ast::PatternKind::Any,
            Kind::StartsWith => {
                ast::PatternKind::StartsWith(self.fixed_text(node.child(Kind::Text)?, "a pattern").text)
            }
            Kind::RangePattern => self.range(node)?,
            Kind::LiteralPattern => ast::PatternKind::Literal(self.literal_pattern(node)?),
            Kind::RecordPattern => {
                let fields = node.children().filter(|child| child.kind() == Kind::FieldPattern);
                let fields = fields.filter_map(|field| {
                    Some((self.name(field)?, field.child(Kind::Pattern).map(|pattern| self.pattern(pattern))))
                });
                ast::PatternKind::Record(fields.collect())
            }
            Kind::ListPattern => self.list(node),
            Kind::AsPattern => {
                let mut names = self.names(node).into_iter();
                ast::PatternKind::As(names.next()?, names.next()?)
            }
            Kind::PathPattern => ast::PatternKind::Path(self.path(node)?),
            Kind::NamePattern => ast::PatternKind::Name(self.name(node)?),
            _ => return None,
        })
    }

    fn literal_pattern(&mut self, node: Node<'_>) -> Option<Value> {
        let mut sign = Sign::None;
        for part in node.children() {
            match part.kind() {
                Kind::Negate => sign = Sign::Minus,
                Kind::Text => return Some(Value::text(self.fixed_text(part, "a pattern").text)),
                _ => return self.value(part, sign),
            }
        }
        None
    }

    fn range(&mut self, node: Node<'_>) -> Option<ast::PatternKind> {
        let (mut from, mut to) = (None, None);
        let (mut is_after, mut sign) = (false, Sign::None);
        for part in node.children() {
            match part.kind() {
                Kind::DotDot => is_after = true,
                Kind::Negate => sign = Sign::Minus,
                _ => {
                    let value = Some(self.value(part, sign)?);
                    sign = Sign::None;
                    if is_after { to = value } else { from = value }
                }
            }
        }
        Some(ast::PatternKind::Range(from, to))
    }

    fn list(&mut self, node: Node<'_>) -> ast::PatternKind {
        let mut items = Vec::new();
        let mut rest = None;
        let mut is_told = false;
        for child in node.children() {
            let span = self.span(child);
            let is_late = rest.is_some() && !std::mem::replace(&mut is_told, rest.is_some());
            match child.kind() {
                Kind::RestPattern if rest.is_some() => {
                    if is_late {
                        let help = "keep one, as the last";
                        self.syntax(span, "a list pattern has one `...`", "this is the second", help);
                    }
                }
                Kind::RestPattern => rest = Some(self.name(child)),
                _ => {
                    if is_late {
                        let (message, help) = ("`...` is the last in a list pattern", "put `...` last");
                        self.syntax(span, message, "this stands after it", help);
                    }
                    // What it binds is known in the arm.
                    items.push(self.pattern(child));
                }
            }
        }
        ast::PatternKind::List { items, rest }
    }
}
