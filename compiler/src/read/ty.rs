//! Types as written.

use flow_grammar::{Kind, Node};

use super::Reader;
use crate::ast;

impl Reader<'_> {
    /// The type among a node's children, if there is one.
    pub(super) fn type_below(&mut self, node: Node<'_>) -> Option<ast::TypeExpr> {
        node.child(Kind::TypeExpr).map(|ty| self.type_expr(ty))
    }

    /// The type among a node's children.
    pub(super) fn type_or_missing(&mut self, node: Node<'_>) -> ast::TypeExpr {
        let span = self.span(node);
        self.type_below(node).unwrap_or(ast::TypeExpr { span, kind: ast::TypeExprKind::Missing })
    }

    pub(super) fn type_expr(&mut self, node: Node<'_>) -> ast::TypeExpr {
        let span = self.span(node);
        let mut ty = ast::TypeExpr { span, kind: ast::TypeExprKind::Missing };
        for part in node.children() {
            match part.kind() {
                // `T??` is `T?`.
                Kind::Question if matches!(ty.kind, ast::TypeExprKind::Optional(_)) => {}
                Kind::Question => ty = ast::TypeExpr { span, kind: ast::TypeExprKind::Optional(Box::new(ty)) },
                _ => ty = ast::TypeExpr { span: self.span(part), kind: self.type_kind(part) },
            }
        }
        ty
    }

    fn type_kind(&mut self, node: Node<'_>) -> ast::TypeExprKind {
        match node.kind() {
            Kind::OneOf => {
                let texts = node.children().filter(|child| child.kind() == Kind::Text);
                ast::TypeExprKind::OneOf(texts.map(|text| self.fixed_text(text, "a type")).collect())
            }
            Kind::TypeGroup => self.type_or_missing(node).kind,
            Kind::TypeRecord => {
                let fields = node.child(Kind::Fields).map(|fields| self.fields(fields));
                ast::TypeExprKind::Record(fields.unwrap_or_default())
            }
            Kind::TypeName => {
                let path = node.child(Kind::TypePath).and_then(|path| self.path(path));
                let Some(path) = path else { return ast::TypeExprKind::Missing };
                let params = node.child(Kind::TypeParams).into_iter().flat_map(Node::children);
                let params = params.filter(|child| child.kind() == Kind::TypeExpr);
                ast::TypeExprKind::Name(path, params.map(|ty| self.type_expr(ty)).collect())
            }
            _ => ast::TypeExprKind::Missing,
        }
    }
}
