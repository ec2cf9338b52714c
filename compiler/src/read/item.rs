//! Items, fields and policies.

use flow_grammar::{Kind, Node};
use flow_model::diagnostic::{Code, Diagnostic};

use super::Reader;
use crate::ast;

impl Reader<'_> {
    /// An item, unless its name could not be read.
    pub(super) fn item(&mut self, node: Node<'_>, doc: String) -> Option<ast::Item> {
        let span = self.span(node);
        Some(match node.kind() {
            Kind::UseItem => ast::Item::Use(ast::Use { span, what: self.use_what(node)? }),
            Kind::ConstItem => ast::Item::Const(ast::Const {
                span,
                doc,
                name: self.name(node)?,
                ty: node.child(Kind::Annotation).and_then(|annotation| self.type_below(annotation)),
                value: self.expr_below(node),
            }),
            Kind::RecordItem => ast::Item::Record(self.record_item(node, doc)?),
            Kind::ErrorItem => ast::Item::Error(self.record_item(node, doc)?),
            Kind::EnumItem => ast::Item::Enum(self.enum_item(node, doc)?),
            Kind::UnionItem => self.union_item(node, doc)?,
            Kind::FnItem => ast::Item::Function(ast::Function {
                span,
                doc,
                name: self.name(node)?,
                params: self.params(node),
                result: self.result(node),
                body: self.block_below(node),
            }),
            Kind::ConnectionItem => self.connection(node, doc)?,
            Kind::PolicyItem => ast::Item::Policy(ast::Policy {
                span,
                doc,
                name: self.name(node)?,
                body: node.child(Kind::PolicyBody).map(|body| self.policy_body(body)).unwrap_or_default(),
            }),
            Kind::ConnectorItem => ast::Item::Connector(self.connector(node, doc)?),
            Kind::FlowItem => ast::Item::Flow(self.flow(node, doc)?),
            Kind::TestItem => ast::Item::Test(self.test(node)?),
            Kind::EventItem => {
                let fields = node.child(Kind::Fields).map(|fields| self.fields(fields)).unwrap_or_default();
                ast::Item::Event(ast::Event { span, doc, name: self.path(node.child(Kind::Path)?)?, fields })
            }
            Kind::DestinationItem | Kind::LaterItem => {
                let keyword = self.keyword(node);
                let word = self.word_at(keyword);
                self.later(keyword, &format!("`{word}`"));
                return None;
            }
            _ => return None,
        })
    }

    fn enum_item(&mut self, node: Node<'_>, doc: String) -> Option<ast::Enum> {
        let mut names = self.names(node).into_iter();
        let name = names.next()?;
        let variants: Vec<ast::Ident> = names.collect();
        let is_read = node.children().filter(|child| child.kind() == Kind::Name).count() == 1;
        let body = self.text_of(node).split_once('{').and_then(|(_, body)| body.strip_suffix('}'));
        let is_blank = |body: &str| body.lines().all(|line| line.trim().is_empty() || line.trim().starts_with("//"));
        if variants.is_empty() && is_read && body.is_some_and(is_blank) {
            let message = format!("`{}` has no variants", name.text);
            let problem = Diagnostic::new(Code::E0213, message, name.span, "has no value");
            self.report(problem.help("name them, `enum Color { Red, Green }`, or leave the enum out"));
        }
        Some(ast::Enum { span: self.span(node), doc, name, variants })
    }

    fn use_what(&mut self, node: Node<'_>) -> Option<ast::UseWhat> {
        if let Some(connectors) = node.child(Kind::UseConnectors) {
            return Some(ast::UseWhat::Connectors(self.names(connectors)));
        }
        let file = node.child(Kind::UseFile)?;
        let path = self.fixed_text(file.child(Kind::Text)?, "the path of a file");
        let names = file.child(Kind::UseNames).map(|names| self.names(names));
        Some(ast::UseWhat::File { path, names })
    }

    fn record_item(&mut self, node: Node<'_>, doc: String) -> Option<ast::Record> {
        let fields = node.child(Kind::Fields).map(|fields| self.fields(fields)).unwrap_or_default();
        Some(ast::Record { span: self.span(node), doc, name: self.name(node)?, fields })
    }

    fn union_item(&mut self, node: Node<'_>, doc: String) -> Option<ast::Item> {
        let mut names = self.names(node).into_iter();
        let (name, on) = (names.next()?, names.next()?);
        let mut cases = Vec::new();
        for case in node.children().filter(|child| child.kind() == Kind::UnionCase) {
            let tag = match case.child(Kind::Text) {
                Some(text) => self.fixed_text(text, "the text that tells a case"),
                None => self.name(case)?,
            };
            if let Some(ty) = self.type_below(case) {
                cases.push((tag, ty));
            }
        }
        Some(ast::Item::Union(ast::Union { span: self.span(node), doc, name, on, cases }))
    }

    fn connection(&mut self, node: Node<'_>, doc: String) -> Option<ast::Item> {
        let mut names = self.names(node).into_iter();
        let (name, connector) = (names.next()?, names.next()?);
        let mut config = Vec::new();
        if let Some(entries) = node.child(Kind::Config) {
            for entry in entries.children().filter(|child| child.kind() == Kind::ConfigEntry) {
                if let Some(name) = self.name(entry) {
                    config.push((name, self.expr_below(entry)));
                }
            }
        }
        let with = self.policy_uses(node);
        let attributes = node
            .children()
            .filter(|child| child.kind() == Kind::Attribute)
            .filter_map(|child| self.name(child))
            .collect();
        let span = self.span(node);
        Some(ast::Item::Connection(ast::Connection { span, doc, name, connector, config, attributes, with }))
    }

    /// The fields between the braces of a record, a configuration, a list of parameters.
    pub(super) fn fields(&mut self, node: Node<'_>) -> Vec<ast::Field> {
        self.documented(node, |reader, field, doc| match field.kind() {
            Kind::Field => reader.field(field, doc),
            _ => None,
        })
    }

    /// The parameters of a node that may have some.
    pub(super) fn params(&mut self, node: Node<'_>) -> Vec<ast::Field> {
        node.child(Kind::Params).map(|params| self.fields(params)).unwrap_or_default()
    }

    /// The type after `->`.
    pub(super) fn result(&mut self, node: Node<'_>) -> Option<ast::TypeExpr> {
        node.child(Kind::Result).and_then(|result| self.type_below(result))
    }

    fn field(&mut self, node: Node<'_>, doc: String) -> Option<ast::Field> {
        let mut field = ast::Field {
            span: self.span(node),
            doc,
            name: self.name(node)?,
            ty: self.type_or_missing(node),
            json_name: None,
            default: None,
            bounds: Vec::new(),
            attributes: Vec::new(),
        };
        for part in node.children() {
            match part.kind() {
                Kind::JsonName => {
                    let text = part.child(Kind::Text);
                    field.json_name = text.map(|text| self.fixed_text(text, "the name in JSON"));
                }
                Kind::Default => field.default = Some(self.expr_below(part)),
                Kind::Bound => {
                    if let Some(name) = self.name(part) {
                        field.bounds.push((name, self.expr_below(part)));
                    }
                }
                Kind::Attribute => field.attributes.extend(self.name(part)),
                _ => {}
            }
        }
        Some(field)
    }

    /// Each `with …` of a connection or a step.
    pub(super) fn policy_uses(&mut self, node: Node<'_>) -> Vec<ast::PolicyUse> {
        node.children().filter_map(|child| self.policy_use(child)).collect()
    }

    pub(super) fn policy_use(&mut self, node: Node<'_>) -> Option<ast::PolicyUse> {
        if node.kind() != Kind::PolicyUse {
            return None;
        }
        let what = match node.child(Kind::PolicyBody) {
            Some(body) => ast::PolicyUseWhat::Inline(self.policy_body(body)),
            None => ast::PolicyUseWhat::Named(self.name(node)?),
        };
        Some(ast::PolicyUse { span: self.span(node), what })
    }

    fn policy_body(&mut self, node: Node<'_>) -> Vec<ast::PolicyEntry> {
        let entries = node.children().filter(|child| child.kind() == Kind::PolicyEntry);
        entries.filter_map(|entry| self.policy_entry(entry)).collect()
    }

    fn policy_entry(&mut self, node: Node<'_>) -> Option<ast::PolicyEntry> {
        let name = self.name(node)?;
        let value = if let Some(body) = node.child(Kind::PolicyBody) {
            ast::PolicyValue::Block(self.policy_body(body))
        } else if let Some(kinds) = node.child(Kind::Kinds) {
            ast::PolicyValue::Kinds(self.names(kinds))
        } else if let Some(rate) = self.rate(node) {
            ast::PolicyValue::Rate(rate)
        } else {
            let value = self.expr_below(node);
            match (&value.kind, name.text.as_str()) {
                // A single kind looks like a name: `on: RateLimited`.
                (ast::ExprKind::Name(kind), "on") => {
                    ast::PolicyValue::Kinds(vec![ast::Ident { text: kind.clone(), span: value.span }])
                }
                _ => ast::PolicyValue::Expr(value),
            }
        };
        Some(ast::PolicyEntry { span: self.span(node), name, value })
    }

    /// `count per period`, if the node holds one.
    pub(super) fn rate(&mut self, node: Node<'_>) -> Option<ast::Rate> {
        let (count, per) = (node.child(Kind::Expr)?, node.child(Kind::Per)?);
        let span = self.span(count).to(self.span(per));
        Some(ast::Rate { span, count: self.expr(count), period: self.expr_below(per) })
    }
}
