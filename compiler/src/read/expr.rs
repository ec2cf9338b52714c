//! Expressions: precedence, chains of members and calls, control.
//!
//! Precedence, from loosest to tightest: `or`, `and`, `not`, comparisons and `in` (which don't chain), `??` (from the
//! right), `..`, `+ -`, `* / %`, `as`, the minus of a negative. The method is precedence climbing.

use std::iter::Peekable;

use flow_grammar::{Kind, Node};
use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::{BinaryOp, UnaryOp},
    span::Span,
    value::Value,
};

use super::{DEPTH, Reader, literal::Sign};
use crate::ast::{self, ExprKind};

const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const COALESCE: u8 = 5;
const RANGE: u8 = 6;
const SUM: u8 = 7;
const CONVERT: u8 = 9;
const NEGATIVE: u8 = 10;

impl Reader<'_> {
    /// The expression among a node's children.
    pub(super) fn expr_below(&mut self, node: Node<'_>) -> ast::Expr {
        match node.child(Kind::Expr) {
            Some(expr) => self.expr(expr),
            None => ast::Expr { span: self.span(node), kind: ExprKind::Missing },
        }
    }

    pub(super) fn expr(&mut self, node: Node<'_>) -> ast::Expr {
        let links = node.children().filter(|child| child.kind() != Kind::Operand).count().max(1);
        self.nested(self.span(node), links, |reader| {
            if let Some(lambda) = node.child(Kind::Lambda) {
                return reader.lambda(lambda);
            }
            let all: Vec<Node<'_>> = node.children().collect();
            reader.climb(&mut all.iter().copied().peekable(), 0, node)
        })
    }

    /// Reads something that nests by `links` levels, unless that is too deep.
    fn nested(&mut self, span: Span, links: usize, read: impl FnOnce(&mut Self) -> ast::Expr) -> ast::Expr {
        self.depth += links;
        let expr = if self.depth > DEPTH {
            // What stands in what is too deep is not reported again: it is not read.
            self.report(
                Diagnostic::new(Code::E0103, "this expression is too long or too deep", span, "nests too many parts")
                    .help("give parts of it names with `let`, or put them into a `fn`"),
            );
            ast::Expr { span, kind: ExprKind::Missing }
        } else {
            read(self)
        };
        self.depth -= links;
        expr
    }

    fn climb<'t>(
        &mut self,
        parts: &mut Peekable<impl Iterator<Item = Node<'t>>>,
        least: u8,
        whole: Node<'t>,
    ) -> ast::Expr {
        let mut left = self.prefixed(parts, whole);
        while let Some(part) = parts.peek().copied() {
            let level = match part.kind() {
                Kind::Convert => CONVERT,
                Kind::DotDot => RANGE,
                Kind::Operator => operator(self.text_of(part)).map_or(0, |(_, level)| level),
                _ => break,
            };
            if level < least {
                break;
            }
            parts.next();
            left = match part.kind() {
                Kind::Convert => {
                    let ty = Box::new(self.type_or_missing(part));
                    ast::Expr { span: left.span.to(self.span(part)), kind: ExprKind::Convert(Box::new(left), ty) }
                }
                Kind::DotDot => {
                    let is_open =
                        !matches!(parts.peek().map(|next| next.kind()), Some(Kind::Operand | Kind::Not | Kind::Negate));
                    let right = (!is_open).then(|| Box::new(self.climb(parts, RANGE + 1, whole)));
                    let end = right.as_ref().map_or(self.span(part), |right| right.span);
                    ast::Expr { span: left.span.to(end), kind: ExprKind::Range(Some(Box::new(left)), right) }
                }
                _ => self.binary(left, part, parts, whole),
            };
        }
        left
    }

    fn binary<'t>(
        &mut self,
        left: ast::Expr,
        node: Node<'t>,
        parts: &mut Peekable<impl Iterator<Item = Node<'t>>>,
        whole: Node<'t>,
    ) -> ast::Expr {
        let Some((op, level)) = operator(self.text_of(node)) else { return left };
        // `??` takes its right side first, the others their left.
        let right = self.climb(parts, if level == COALESCE { level } else { level + 1 }, whole);
        // `a || "none"` was read as `a ?? "none"`.
        let is_default = self.text_of(node) == "||" && is_value(&right);
        let op = if is_default { BinaryOp::Coalesce } else { op };
        if level == COMPARISON
            && let Some(next) = parts.peek().filter(|next| next.kind() == Kind::Operator)
            && let Some((_, COMPARISON)) = operator(self.text_of(*next))
        {
            let diagnostic = Diagnostic::new(
                Code::E0102,
                "comparisons can't be chained",
                self.span(*next),
                "compares the answer of the first comparison",
            );
            let diagnostic = diagnostic.label(self.span(node), "the first comparison");
            self.report(diagnostic.help("write `a < b and b < c`"));
            // What is compared next is not known.
            return ast::Expr { span: left.span.to(right.span), kind: ExprKind::Missing };
        }
        let span = left.span.to(right.span);
        let kind = ExprKind::Binary { op, op_span: self.span(node), left: Box::new(left), right: Box::new(right) };
        ast::Expr { span, kind }
    }

    fn prefixed<'t>(&mut self, parts: &mut Peekable<impl Iterator<Item = Node<'t>>>, whole: Node<'t>) -> ast::Expr {
        let Some(part) = parts.next() else {
            return ast::Expr { span: self.span(whole), kind: ExprKind::Missing };
        };
        let span = self.span(part);
        match part.kind() {
            Kind::Not => {
                let of = self.climb(parts, NOT, whole);
                ast::Expr { span: span.to(of.span), kind: ExprKind::Unary(UnaryOp::Not, Box::new(of)) }
            }
            Kind::Negate => {
                // A minus belongs to the number that follows, so that the least integer can be written.
                if let Some(number) = parts.peek().copied().and_then(number) {
                    parts.next();
                    let mut literal = self.literal(number, Sign::Minus);
                    literal.span = span.to(literal.span);
                    return literal;
                }
                let of = self.climb(parts, NEGATIVE, whole);
                ast::Expr { span: span.to(of.span), kind: ExprKind::Unary(UnaryOp::Negate, Box::new(of)) }
            }
            Kind::DotDot => {
                let to = self.climb(parts, RANGE + 1, whole);
                ast::Expr { span: span.to(to.span), kind: ExprKind::Range(None, Some(Box::new(to))) }
            }
            Kind::Operand => self.operand(part),
            _ => ast::Expr { span, kind: ExprKind::Missing },
        }
    }

    /// A primary expression with its members, calls and indexes.
    fn operand(&mut self, node: Node<'_>) -> ast::Expr {
        let links = node.children().count().saturating_sub(1);
        self.nested(self.span(node), links, |reader| {
            let mut parts = node.children();
            let Some(first) = parts.next() else {
                return ast::Expr { span: reader.span(node), kind: ExprKind::Missing };
            };
            let mut of = reader.primary(first);
            for part in parts {
                let span = of.span.to(reader.span(part));
                of = ast::Expr { span, kind: reader.postfix(Box::new(of), part) };
            }
            of
        })
    }

    fn postfix(&mut self, of: Box<ast::Expr>, node: Node<'_>) -> ExprKind {
        match node.kind() {
            Kind::Member | Kind::SafeMember => match self.name(node) {
                Some(name) => ExprKind::Member { of, name, null_safe: node.kind() == Kind::SafeMember },
                None => ExprKind::Missing,
            },
            Kind::Index => {
                if node.child(Kind::Expr).is_none() {
                    let span = self.span(node);
                    self.syntax(span, "an index is missing", "nothing stands in these brackets", "write `list[0]`");
                }
                ExprKind::Index { of, index: Box::new(self.expr_below(node)) }
            }
            Kind::Call => {
                let types = node.child(Kind::TypeArgs).into_iter().flat_map(Node::children);
                let types = types.filter(|child| child.kind() == Kind::TypeExpr).collect::<Vec<_>>();
                let types = types.into_iter().map(|ty| self.type_expr(ty)).collect();
                let args = node.child(Kind::Args).map(|args| self.args(args)).unwrap_or_default();
                ExprKind::Call { callee: of, types, args }
            }
            _ => of.kind,
        }
    }

    /// The arguments of a call.
    pub(super) fn args(&mut self, node: Node<'_>) -> Vec<ast::Arg> {
        let args = node.children().filter(|child| child.kind() == Kind::Arg);
        args.map(|arg| ast::Arg { span: self.span(arg), name: self.name(arg), value: self.expr_below(arg) }).collect()
    }

    /// What an operand begins with; also a control expression that stands as a statement.
    pub(super) fn primary(&mut self, node: Node<'_>) -> ast::Expr {
        let span = self.span(node);
        let kind = match node.kind() {
            Kind::Money | Kind::Duration | Kind::Size | Kind::Number | Kind::True | Kind::False | Kind::Null => {
                return self.literal(node, Sign::None);
            }
            Kind::Text => return self.text_expr(node),
            // Parentheses leave no trace; the expression covers them, so that a label does too.
            Kind::Group => return ast::Expr { span, ..self.expr_below(node) },
            Kind::NameRef => self.name(node).map_or(ExprKind::Missing, |name| ExprKind::Name(name.text)),
            Kind::ImpliedMember => self.name(node).map_or(ExprKind::Missing, ExprKind::ImpliedMember),
            Kind::Record => {
                let entries = node.children().filter(|child| child.kind() == Kind::Entry);
                ExprKind::Record(entries.filter_map(|entry| self.entry(entry)).collect())
            }
            Kind::List => {
                let mut entries = Vec::new();
                for child in node.children() {
                    match child.kind() {
                        Kind::Spread => entries.push(ast::ListEntry::Spread(self.expr_below(child))),
                        Kind::Expr => entries.push(ast::ListEntry::Item(self.expr(child))),
                        _ => {}
                    }
                }
                ExprKind::List(entries)
            }
            _ => return self.control(node),
        };
        ast::Expr { span, kind }
    }

    fn entry(&mut self, node: Node<'_>) -> Option<ast::RecordEntry> {
        if let Some(spread) = node.child(Kind::Spread) {
            return Some(ast::RecordEntry::Spread(self.expr_below(spread)));
        }
        let name = match node.child(Kind::Text) {
            Some(text) => self.fixed_text(text, "the name of a field"),
            None => self.name(node)?,
        };
        let value = match node.child(Kind::Expr) {
            Some(value) => self.expr(value),
            None => ast::Expr { span: name.span, kind: ExprKind::Name(name.text.clone()) },
        };
        Some(ast::RecordEntry::Field { name, value })
    }

    fn lambda(&mut self, node: Node<'_>) -> ast::Expr {
        let params = node.child(Kind::LambdaParams).map(|params| self.names(params)).unwrap_or_default();
        let body = Box::new(self.arm_value(node));
        ast::Expr { span: self.span(node), kind: ExprKind::Lambda { params, body } }
    }

    fn control(&mut self, node: Node<'_>) -> ast::Expr {
        let span = self.span(node);
        let kind = match node.kind() {
            Kind::IfExpr => {
                let links = node.children().filter(|child| child.kind() == Kind::ElseIf).count();
                return self.nested(span, links, |reader| reader.if_expr(node));
            }
            Kind::MatchExpr => {
                let subject = Box::new(self.expr_below(node));
                let arms = node.children().filter(|child| child.kind() == Kind::MatchArm);
                ExprKind::Match { subject, arms: arms.map(|arm| self.match_arm(arm)).collect() }
            }
            Kind::ForExpr => self.for_expr(node),
            Kind::ParallelExpr => {
                ExprKind::Parallel { on_error: self.on_error(node), body: Box::new(self.block_below(node)) }
            }
            Kind::TryExpr => ExprKind::Try {
                body: Box::new(self.block_below(node)),
                catch: node.child(Kind::Catch).map(|catch| self.catch(catch)).unwrap_or_default(),
            },
            Kind::SagaExpr => ExprKind::Saga(Box::new(self.block_below(node))),
            Kind::RaceExpr => ExprKind::Race(Box::new(self.block_below(node))),
            Kind::FirstExpr => {
                let items = Box::new(self.expr_below(node));
                let item = self.name(node).unwrap_or_else(|| ast::Ident { text: String::new(), span: items.span });
                ExprKind::First { item, items, body: Box::new(self.block_below(node)) }
            }
            Kind::RepeatExpr => {
                let given = node.children().filter(|child| child.kind() == Kind::Expr).collect::<Vec<_>>();
                let mut given = given.into_iter().map(|expr| self.expr(expr)).collect::<Vec<_>>().into_iter();
                let mut next = || given.next().unwrap_or(ast::Expr { span, kind: ExprKind::Missing });
                let (every, times, until) = (next(), next(), next());
                ExprKind::Repeat(Box::new(ast::Repeat { every, times, until, body: self.block_below(node) }))
            }
            _ => ExprKind::Missing,
        };
        ast::Expr { span, kind }
    }

    fn if_expr(&mut self, node: Node<'_>) -> ast::Expr {
        let mut arms = vec![(self.expr_below(node), self.block_below(node))];
        for other in node.children().filter(|child| child.kind() == Kind::ElseIf) {
            arms.push((self.expr_below(other), self.block_below(other)));
        }
        let otherwise = node.children().filter(|child| child.kind() == Kind::Block).nth(1);
        let otherwise = otherwise.map(|block| Box::new(self.block(block)));
        ast::Expr { span: self.span(node), kind: ExprKind::If { arms, otherwise } }
    }

    fn match_arm(&mut self, node: Node<'_>) -> ast::MatchArm {
        let pattern = match node.child(Kind::Pattern) {
            Some(pattern) => self.pattern(pattern),
            None => ast::Pattern { span: self.span(node), kind: ast::PatternKind::Missing },
        };
        let guard = node.child(Kind::Guard).map(|guard| self.expr_below(guard));
        ast::MatchArm { span: self.span(node), pattern, guard, value: self.arm_value(node) }
    }

    fn for_expr(&mut self, node: Node<'_>) -> ExprKind {
        let items = self.expr_below(node);
        let item = self.name(node).unwrap_or_else(|| ast::Ident { text: String::new(), span: items.span });
        ExprKind::For(Box::new(ast::For {
            item,
            items,
            concurrency: node.child(Kind::Concurrency).map(|concurrency| self.expr_below(concurrency)),
            every: node.child(Kind::Pace).map(|pace| self.expr_below(pace)),
            on_error: self.on_error(node),
            body: self.block_below(node),
        }))
    }

    fn on_error(&mut self, node: Node<'_>) -> Option<ast::Ident> {
        node.child(Kind::OnError).and_then(|on_error| self.name(on_error))
    }
}

/// The number that an operand consists of, if it is nothing else.
fn number(operand: Node<'_>) -> Option<Node<'_>> {
    let mut parts = operand.children();
    let first = parts.next()?;
    let is_number = matches!(first.kind(), Kind::Number | Kind::Money | Kind::Duration);
    (is_number && parts.next().is_none()).then_some(first)
}

/// Says whether an expression is a value that is no condition, as it is written.
fn is_value(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::Text(_) | ExprKind::List(_) | ExprKind::Record(_) => true,
        ExprKind::Literal(value) => !matches!(value, Value::Bool(_) | Value::Null),
        _ => false,
    }
}

/// The meaning of an operator and how tightly it binds. Those of other languages were reported and mean what they mean
/// there.
fn operator(text: &str) -> Option<(BinaryOp, u8)> {
    Some(match text {
        "or" | "||" | "OR" => (BinaryOp::Or, 1),
        "and" | "&&" | "AND" => (BinaryOp::And, 2),
        "==" | "=" | "is" => (BinaryOp::Equal, COMPARISON),
        "!=" | "<>" => (BinaryOp::NotEqual, COMPARISON),
        "<" => (BinaryOp::Less, COMPARISON),
        "<=" => (BinaryOp::LessEqual, COMPARISON),
        ">" => (BinaryOp::Greater, COMPARISON),
        ">=" => (BinaryOp::GreaterEqual, COMPARISON),
        _ if text.starts_with("===") => (BinaryOp::Equal, COMPARISON),
        _ if text.starts_with("!==") => (BinaryOp::NotEqual, COMPARISON),
        _ if text.starts_with("is") && text.ends_with("not") => (BinaryOp::NotEqual, COMPARISON),
        "in" => (BinaryOp::In, COMPARISON),
        "??" => (BinaryOp::Coalesce, COALESCE),
        "+" => (BinaryOp::Add, SUM),
        "-" => (BinaryOp::Subtract, SUM),
        "*" => (BinaryOp::Multiply, SUM + 1),
        "/" => (BinaryOp::Divide, SUM + 1),
        "%" => (BinaryOp::Remainder, SUM + 1),
        _ => return None,
    })
}
