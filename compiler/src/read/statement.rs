//! Blocks and statements.

use flow_grammar::{Kind, Node};
use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    span::Span,
};

use super::Reader;
use crate::ast;

impl Reader<'_> {
    /// The block among a node's children.
    pub(super) fn block_below(&mut self, node: Node<'_>) -> ast::Block {
        match node.child(Kind::Block).or_else(|| node.child(Kind::Branches)) {
            Some(block) => self.block(block),
            None => self.no_block(self.span(node)),
        }
    }

    /// A block where none could be read.
    pub(super) fn no_block(&self, span: Span) -> ast::Block {
        ast::Block { span, statements: Vec::new(), value: None }
    }

    /// A block, or the body of a flow. A control expression that it ends in is its value.
    pub(super) fn block(&mut self, node: Node<'_>) -> ast::Block {
        let mut statements = Vec::new();
        let mut value = None;
        for child in node.children() {
            match child.kind() {
                Kind::Value => {
                    let before = node.children().take_while(|other| other.start() < child.start()).last();
                    value = Some(Box::new(self.block_value(child, before, &mut statements)));
                }
                Kind::Trigger if !statements.is_empty() => {
                    let keyword = self.keyword(child);
                    self.syntax(
                        keyword,
                        "the triggers of a flow stand before its statements",
                        "comes after a statement",
                        "move it to the top of the flow",
                    );
                }
                Kind::Trigger => {}
                Kind::Branch => {
                    let block = Box::new(self.block_below(child));
                    let several = ast::Expr { span: self.span(child), kind: ast::ExprKind::Block(block) };
                    let kind = ast::StatementKind::Control(several);
                    statements.push(ast::Statement { span: self.span(child), kind });
                }
                _ => statements.extend(self.statement(child)),
            }
        }
        // What could not be read at the end may have been the value.
        if value.is_none()
            && let Some(last) = node.children().last().filter(|last| last.kind() == Kind::Missing)
        {
            value = Some(Box::new(ast::Expr { span: self.span(last), kind: ast::ExprKind::Missing }));
        }
        if value.is_none() && matches!(statements.last().map(|last| &last.kind), Some(ast::StatementKind::Control(_))) {
            value = match statements.pop() {
                Some(ast::Statement { kind: ast::StatementKind::Control(expr), .. }) => Some(Box::new(expr)),
                _ => None,
            };
        }
        ast::Block { span: self.span(node), statements, value }
    }

    /// The value of a block. Brackets behind a space on the line of the statement before were meant for that, so that its
    /// value is not known.
    fn block_value(
        &mut self,
        node: Node<'_>,
        before: Option<Node<'_>>,
        statements: &mut [ast::Statement],
    ) -> ast::Expr {
        let value = self.expr_below(node);
        let between = before.and_then(|before| self.text.get(before.end() as usize..node.start() as usize));
        let is_apart = between.is_some_and(|between| between.bytes().all(|byte| byte == b' ' || byte == b'\t'));
        let opens = self.text_of(node).chars().next().filter(|first| matches!(first, '(' | '['));
        let Some(bracket) = opens.filter(|_| is_apart) else { return value };
        let span = Span::new(self.file, node.start(), node.start() + 1);
        let help = "leave the space out, as in `f(x)` and `list[0]`, or begin a new line";
        let space = Span::new(self.file, before.map_or(span.start, |before| before.end()), span.start);
        let message = format!("`{bracket}` must touch what it applies to");
        let diagnostic = Diagnostic::new(Code::E0102, message, span, "has space before it").help(help);
        self.report(diagnostic.fix(help, vec![Edit { span: space, text: String::new() }]));
        if let Some(
            ast::StatementKind::Let { value, .. }
            | ast::StatementKind::Return(Some(value))
            | ast::StatementKind::Log(value),
        ) = statements.last_mut().map(|last| &mut last.kind)
        {
            value.kind = ast::ExprKind::Missing;
        }
        ast::Expr { span: value.span, kind: ast::ExprKind::Missing }
    }

    fn statement(&mut self, node: Node<'_>) -> Option<ast::Statement> {
        let kind = match node.kind() {
            Kind::LetStatement => {
                let value = self.expr_below(node);
                let ty = node.child(Kind::Annotation).and_then(|annotation| self.type_below(annotation)).map(Box::new);
                let otherwise = node.child(Kind::Otherwise).map(|otherwise| Box::new(self.otherwise(otherwise)));
                ast::StatementKind::Let { name: self.name(node)?, ty, value, otherwise }
            }
            Kind::StepStatement => ast::StatementKind::Step(Box::new(self.step(node))),
            Kind::ReturnStatement => ast::StatementKind::Return(node.child(Kind::Expr).map(|expr| self.expr(expr))),
            Kind::FailStatement => ast::StatementKind::Fail(self.fail(node)?),
            Kind::RespondStatement => ast::StatementKind::Respond {
                status: self.expr_below(node),
                body: node.child(Kind::RespondBody).map(|body| self.expr_below(body)),
            },
            Kind::LogStatement => ast::StatementKind::Log(self.expr_below(node)),
            Kind::DeadLetterStatement => {
                ast::StatementKind::DeadLetter { queue: self.name(node)?, value: self.expr_below(node) }
            }
            Kind::SleepStatement => ast::StatementKind::Sleep(self.expr_below(node)),
            Kind::EmitStatement => {
                ast::StatementKind::Emit { event: self.path(node.child(Kind::Path)?)?, value: self.expr_below(node) }
            }
            Kind::ControlStatement => {
                let control = node.children().next()?;
                ast::StatementKind::Control(self.primary(control))
            }
            _ => return None,
        };
        Some(ast::Statement { span: self.span(node), kind })
    }

    fn step(&mut self, node: Node<'_>) -> ast::Step {
        let mut step = ast::Step {
            span: self.span(node),
            name: node.child(Kind::StepName).and_then(|name| self.name(name)),
            call: ast::Expr { span: self.span(node), kind: ast::ExprKind::Missing },
            with: Vec::new(),
            otherwise: None,
            catch: None,
            optional: None,
            wait: None,
            within: None,
            undo: None,
        };
        let mut last: (usize, Option<Node<'_>>) = (0, None);
        for part in node.children() {
            let rank = match part.kind() {
                Kind::PolicyUse => 1,
                Kind::Otherwise => 2,
                Kind::Catch | Kind::Optional => 3,
                Kind::Undo => 4,
                _ => 0,
            };
            match part.kind() {
                Kind::Expr => step.call = self.expr(part),
                Kind::PolicyUse => step.with.extend(self.policy_use(part)),
                Kind::Otherwise => step.otherwise = Some(self.otherwise(part)),
                Kind::Catch => step.catch = Some(self.catch(part)),
                Kind::Optional => step.optional = Some(self.span(part)),
                Kind::Undo => step.undo = Some((self.span(part), self.expr_below(part))),
                Kind::Wait => {
                    step.call.span = self.span(part);
                    let filter = part.child(Kind::Expr).map(|filter| self.expr(filter));
                    let event = part.child(Kind::Path).and_then(|event| self.path(event));
                    step.wait = event.map(|event| ast::Wait { span: self.span(part), event, filter });
                }
                Kind::ForSpan => step.within = Some((self.span(part), self.expr_below(part))),
                _ => {}
            }
            if rank > 0 {
                if let (before, Some(earlier)) = last
                    && (rank < before || (rank == before && rank > 1))
                {
                    self.out_of_order(part, earlier, rank == before);
                }
                last = (rank, Some(part));
            }
        }
        step
    }

    fn out_of_order(&mut self, clause: Node<'_>, earlier: Node<'_>, same: bool) {
        let (here, there) = (self.keyword(clause), self.keyword(earlier));
        let word = self.word_at(here);
        let other = self.word_at(there);
        let diagnostic = if same && word == other {
            Diagnostic::new(Code::E0102, format!("a step has one `{word}`"), here, "this is the second")
                .help("keep one of them")
        } else if same {
            Diagnostic::new(Code::E0102, format!("a step has `{other}` or `{word}`"), here, "this is the second")
                .help("`optional` makes any failure null; keep `catch` alone to tell failures apart")
        } else {
            Diagnostic::new(Code::E0102, format!("`{word}` stands before `{other}`"), here, "comes too late")
                .help("the order is `with`, `else`, `catch` or `optional`, `undo`")
        };
        self.report(diagnostic.label(there, format!("`{other}` is here")));
    }

    fn otherwise(&mut self, node: Node<'_>) -> ast::Otherwise {
        for child in node.children() {
            match child.kind() {
                Kind::FailStatement => {
                    if let Some(fail) = self.fail(child) {
                        return ast::Otherwise::Fail(fail);
                    }
                }
                Kind::ReturnStatement => {
                    let value = child.child(Kind::Expr).map(|expr| self.expr(expr));
                    return ast::Otherwise::Return(self.span(child), value);
                }
                _ => {}
            }
        }
        ast::Otherwise::Value(self.arm_value(node))
    }

    /// An error with its fields.
    pub(super) fn fail(&mut self, node: Node<'_>) -> Option<ast::Fail> {
        let error = self.path(node.child(Kind::Path)?)?;
        let args = node.child(Kind::Args).map(|args| self.args(args)).unwrap_or_default();
        Some(ast::Fail { span: self.span(node), error, args })
    }

    /// The arms of a `catch`.
    pub(super) fn catch(&mut self, node: Node<'_>) -> Vec<ast::CatchArm> {
        if node.children().all(|child| !matches!(child.kind(), Kind::CatchArm | Kind::Missing)) {
            let keyword = self.keyword(node);
            self.syntax(
                keyword,
                "this `catch` has no arm",
                "catches nothing",
                "write `catch { NotFound => …  _ as e => … }`, where `_` takes all failures, or leave it out",
            );
        }
        let arms = node.children().filter(|child| child.kind() == Kind::CatchArm);
        arms.map(|arm| {
            let kinds =
                arm.children().filter(|child| child.kind() == Kind::Path).filter_map(|path| self.path(path)).collect();
            let bind = arm.child(Kind::Bind).and_then(|bind| self.name(bind));
            let guard = arm.child(Kind::Guard).map(|guard| self.expr_below(guard));
            ast::CatchArm { span: self.span(arm), kinds, bind, guard, value: self.arm_value(arm) }
        })
        .collect()
    }

    /// The value of an arm, of a lambda or after `else`: an expression, or a block.
    pub(super) fn arm_value(&mut self, node: Node<'_>) -> ast::Expr {
        match node.child(Kind::Block) {
            Some(block) => {
                ast::Expr { span: self.span(block), kind: ast::ExprKind::Block(Box::new(self.block(block))) }
            }
            None => self.expr_below(node),
        }
    }
}
