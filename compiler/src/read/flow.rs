//! Flows and their triggers.

use flow_grammar::{Kind, Node};

use super::{Reader, literal::Sign};
use crate::ast;

impl Reader<'_> {
    /// A flow, unless its name could not be read.
    pub(super) fn flow(&mut self, node: Node<'_>, doc: String) -> Option<ast::Flow> {
        let span = self.span(node);
        let body = node.child(Kind::FlowBody);
        let triggers = body.into_iter().flat_map(Node::children).filter(|child| child.kind() == Kind::Trigger);
        Some(ast::Flow {
            span,
            doc,
            name: self.name(node)?,
            params: self.params(node),
            result: self.result(node),
            fails: node.child(Kind::Fails).map(|fails| {
                fails.children().filter(|child| child.kind() == Kind::Path).filter_map(|path| self.path(path)).collect()
            }),
            triggers: triggers.filter_map(|trigger| self.trigger(trigger)).collect(),
            body: body.map(|body| self.block(body)).unwrap_or_else(|| self.no_block(span)),
        })
    }

    fn trigger(&mut self, node: Node<'_>) -> Option<ast::Trigger> {
        let mut source = None;
        let mut args = Vec::new();
        let mut bind = None;
        let mut clauses = Vec::new();
        for part in node.children() {
            match part.kind() {
                Kind::OnHttp => {
                    let path = self.fixed_text(part.child(Kind::Text)?, "the path of a trigger");
                    source = Some(ast::TriggerSource::Http { method: self.name(part)?, path });
                }
                Kind::OnEvery => {
                    let duration = part.child(Kind::Duration);
                    source = duration.map(|duration| ast::TriggerSource::Every(self.literal(duration, Sign::None)));
                }
                Kind::OnConnection => {
                    args.extend(part.child(Kind::Args).map(|found| self.args(found)).into_iter().flatten());
                    source = Some(ast::TriggerSource::Connection(self.path(part.child(Kind::Path)?)?));
                }
                Kind::OnCron => {
                    let mut texts = part.children().filter(|child| child.kind() == Kind::Text);
                    let (line, zone) = (texts.next()?, texts.next());
                    let line = self.fixed_text(line, "a cron line");
                    let zone = zone.map(|zone| self.fixed_text(zone, "a time zone"));
                    source = Some(ast::TriggerSource::Cron { line, zone });
                }
                Kind::OnEvent => {
                    let parts = part.child(Kind::EventPath)?;
                    let parts = parts.children().filter(|child| matches!(child.kind(), Kind::Name | Kind::Star));
                    let parts: Vec<_> = parts.map(|part| self.ident(part)).collect();
                    if parts.is_empty() {
                        return None;
                    }
                    source = Some(ast::TriggerSource::Event(ast::Path { parts }));
                }
                Kind::OnFile => {
                    let pattern = self.fixed_text(part.child(Kind::Text)?, "which files start a flow");
                    source = Some(ast::TriggerSource::File(pattern));
                }
                Kind::Bind => bind = self.name(part),
                Kind::TriggerClauses => {
                    let all = part.children().filter(|child| child.kind() == Kind::TriggerClause);
                    clauses = all.filter_map(|clause| self.trigger_clause(clause)).collect();
                }
                _ => {}
            }
        }
        let source = source.unwrap_or(ast::TriggerSource::Missing);
        Some(ast::Trigger { span: self.span(node), source, args, bind, clauses })
    }

    fn trigger_clause(&mut self, node: Node<'_>) -> Option<ast::TriggerClause> {
        let span = self.span(node);
        let Some(name) = self.name(node) else {
            let name = ast::Ident { text: self.word_at(self.keyword(node)).to_owned(), span: self.keyword(node) };
            let value = ast::TriggerClauseValue::Type(self.type_or_missing(node));
            return Some(ast::TriggerClause { span, name, value });
        };
        let value = if let Some(none) = node.child(Kind::NoneBecause) {
            let because = none.child(Kind::Text).map(|text| self.fixed_text(text, "a reason"));
            ast::TriggerClauseValue::NoneBecause(because)
        } else {
            let value = self.expr_below(node);
            if let Some(per) = node.child(Kind::Per) {
                ast::TriggerClauseValue::Per(value, self.expr_below(per))
            } else if let Some(window) = node.child(Kind::ForSpan) {
                ast::TriggerClauseValue::For(value, self.expr_below(window))
            } else {
                ast::TriggerClauseValue::Expr(value)
            }
        };
        Some(ast::TriggerClause { span, name, value })
    }
}
