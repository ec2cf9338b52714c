//! Connector declarations.

use flow_grammar::{Kind, Node};

use super::Reader;
use crate::ast;

impl Reader<'_> {
    /// A connector, unless its name could not be read.
    pub(super) fn connector(&mut self, node: Node<'_>, doc: String) -> Option<ast::Connector> {
        let mut connector = ast::Connector {
            span: self.span(node),
            doc,
            name: self.name(node)?,
            config: Vec::new(),
            http: None,
            errors: None,
            types: Vec::new(),
            operations: Vec::new(),
            triggers: Vec::new(),
            verifications: Vec::new(),
            challenges: Vec::new(),
            webhooks: None,
        };
        self.documented(node, |reader, member, doc| -> Option<()> {
            let keyword = reader.keyword(member);
            if reader.word_at(keyword) == "private" {
                let message = "nothing within a connector is private";
                reader.syntax(keyword, message, "for items of a file", "leave `private` out");
            }
            match member.kind() {
                Kind::ConfigSection => {
                    connector.config.extend(member.child(Kind::Fields).map(|fields| reader.fields(fields))?);
                }
                Kind::HttpSection => {
                    let properties = reader.properties_below(member);
                    match &mut connector.http {
                        None => connector.http = Some((reader.span(member), properties)),
                        Some((first, _)) => reader.second(member, *first, "`http`"),
                    }
                }
                Kind::ErrorsSection => {
                    let errors = reader.errors(member);
                    match &mut connector.errors {
                        None => connector.errors = Some(errors),
                        Some(first) => reader.second(member, first.span, "`errors`"),
                    }
                }
                Kind::Operation => connector.operations.push(reader.operation(member, doc)?),
                Kind::Webhook => connector.triggers.push(ast::WebhookTrigger {
                    span: reader.span(member),
                    doc,
                    name: reader.path(member.child(Kind::Path)?)?,
                    params: reader.params(member),
                    payload: reader.type_or_missing(member),
                    properties: reader.properties_below(member),
                }),
                Kind::Verification => connector.verifications.push(ast::Verification {
                    span: reader.span(member),
                    doc,
                    name: reader.name(member)?,
                    params: reader.params(member),
                    properties: reader.properties_below(member),
                }),
                Kind::Challenge => connector.challenges.push(ast::Challenge {
                    doc,
                    name: reader.name(member)?,
                    properties: reader.properties_below(member),
                }),
                Kind::WebhooksSection => {
                    let properties = reader.properties_below(member);
                    match &mut connector.webhooks {
                        None => connector.webhooks = Some((reader.span(member), properties)),
                        Some((first, _)) => reader.second(member, *first, "`webhooks`"),
                    }
                }
                _ => connector.types.push(reader.item(member, doc)?),
            }
            None
        });
        Some(connector)
    }

    fn second(&mut self, node: Node<'_>, first: flow_model::span::Span, what: &str) {
        let keyword = self.keyword(node);
        let diagnostic = flow_model::diagnostic::Diagnostic::new(
            flow_model::diagnostic::Code::E0102,
            format!("a connector has one {what} section"),
            keyword,
            "this is the second",
        );
        let first = flow_model::span::Span::new(first.file, first.start, first.start + keyword.len());
        self.report(diagnostic.label(first, "the first is here").help("put both into one"));
    }

    fn errors(&mut self, node: Node<'_>) -> ast::Errors {
        let mut errors = ast::Errors { span: self.span(node), rules: Vec::new(), properties: Vec::new() };
        for child in node.children() {
            match child.kind() {
                Kind::ErrorRule => errors.rules.extend(self.error_rule(child)),
                Kind::Property => errors.properties.extend(self.property(child)),
                _ => {}
            }
        }
        errors
    }

    fn error_rule(&mut self, node: Node<'_>) -> Option<ast::ErrorRule> {
        let mut conditions = Vec::new();
        for child in node.children() {
            let span = self.span(child);
            let digits = |text: &str| text.trim_end_matches('x').parse().ok();
            conditions.extend(match child.kind() {
                Kind::Status => digits(self.text_of(child)).map(|status| ast::ErrorCondition::Status(span, status)),
                Kind::StatusClass => {
                    digits(self.text_of(child)).map(|class| ast::ErrorCondition::StatusClass(span, class))
                }
                Kind::ConnectionCondition => Some(ast::ErrorCondition::Connection(span)),
                Kind::WhenCondition => Some(ast::ErrorCondition::When(self.expr_below(child))),
                _ => None,
            });
        }
        let args = node.child(Kind::Args).map(|args| self.args(args)).unwrap_or_default();
        Some(ast::ErrorRule { span: self.span(node), conditions, kind: self.name(node)?, args })
    }

    fn operation(&mut self, node: Node<'_>, doc: String) -> Option<ast::Operation> {
        let types = node.child(Kind::TypeNames).map(|types| self.names(types)).unwrap_or_default();
        let mut params = self.params(node);
        let mut result = self.result(node);
        if !types.is_empty() {
            params.iter_mut().for_each(|param| mark(&mut param.ty, &types));
            result.iter_mut().for_each(|result| mark(result, &types));
        }
        Some(ast::Operation {
            span: self.span(node),
            doc,
            name: self.path(node.child(Kind::Path)?)?,
            types,
            params,
            result,
            properties: self.properties_below(node),
            body: node.child(Kind::Block).map(|body| self.block(body)),
        })
    }

    fn properties_below(&mut self, node: Node<'_>) -> Vec<ast::Property> {
        let Some(properties) = node.child(Kind::Properties) else { return Vec::new() };
        let properties = properties.children().filter(|child| child.kind() == Kind::Property);
        properties.filter_map(|property| self.property(property)).collect()
    }

    fn property(&mut self, node: Node<'_>) -> Option<ast::Property> {
        let span = self.span(node);
        let Some(name) = self.name(node) else {
            let name = ast::Ident { text: self.word_at(span).to_owned(), span };
            return Some(ast::Property { span, name, value: ast::PropertyValue::Flag });
        };
        let value = if let Some(request) = node.child(Kind::Request) {
            ast::PropertyValue::Request {
                method: self.name(request)?,
                path: self.text_expr(request.child(Kind::Text)?),
                parts: self.properties_below(request),
            }
        } else if let Some(each) = node.child(Kind::Each) {
            ast::PropertyValue::Each(self.expr_below(each))
        } else if let Some(rate) = self.rate(node) {
            ast::PropertyValue::Rate(rate)
        } else {
            ast::PropertyValue::Expr(self.expr_below(node))
        };
        Some(ast::Property { span, name, value })
    }
}

/// Tells the types that the caller gives from those that are declared.
fn mark(written: &mut ast::TypeExpr, types: &[ast::Ident]) {
    match &mut written.kind {
        ast::TypeExprKind::Name(path, args) => match (path.parts.as_slice(), args.as_slice()) {
            ([name], []) if types.iter().any(|known| known.text == name.text) => {
                written.kind = ast::TypeExprKind::Variable(name.text.clone());
            }
            _ => args.iter_mut().for_each(|arg| mark(arg, types)),
        },
        ast::TypeExprKind::Optional(inner) => mark(inner, types),
        ast::TypeExprKind::Record(fields) => fields.iter_mut().for_each(|field| mark(&mut field.ty, types)),
        ast::TypeExprKind::OneOf(_) | ast::TypeExprKind::Variable(_) | ast::TypeExprKind::Missing => {}
    }
}
