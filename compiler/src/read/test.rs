//! Tests.

use flow_grammar::{Kind, Node};
use flow_model::case::{Happened, Order};

use super::{Reader, literal::Sign};
use crate::ast;

impl Reader<'_> {
    /// A test, unless its name or that of its flow could not be read.
    pub(super) fn test(&mut self, node: Node<'_>) -> Option<ast::Test> {
        let name = self.fixed_text(node.child(Kind::Text)?, "the name of a test");
        let mut test = ast::Test {
            span: self.span(node),
            name,
            flow: self.name(node)?,
            given: Vec::new(),
            stubs: Vec::new(),
            expectations: Vec::new(),
        };
        for part in node.child(Kind::TestBody).into_iter().flat_map(Node::children) {
            match part.kind() {
                Kind::Given => {
                    let value = self.expr_below(part);
                    test.given.extend(self.name(part).map(|name| ast::Given { span: self.span(part), name, value }));
                }
                Kind::Stub => test.stubs.extend(self.stub(part)),
                Kind::ExpectNever => {
                    let body = part.child(Kind::NeverBody).into_iter().flat_map(Node::children);
                    for invariant in body.filter(|child| child.kind() == Kind::Invariant) {
                        let span = self.span(invariant);
                        test.expectations.extend(self.never(invariant).map(|what| ast::Expectation { span, what }));
                    }
                }
                _ => {
                    let span = self.span(part);
                    test.expectations.extend(self.expected(part).map(|what| ast::Expectation { span, what }));
                }
            }
        }
        Some(test)
    }

    fn stub(&mut self, node: Node<'_>) -> Option<ast::Stub> {
        let target = self.target(node)?;
        let answers: Vec<ast::Answer> = node.children().filter_map(|child| self.answer(child)).collect();
        (!answers.is_empty()).then(|| ast::Stub { span: self.span(node), target, answers })
    }

    fn target(&mut self, node: Node<'_>) -> Option<ast::Target> {
        if let Some(all) = node.child(Kind::AllOperations) {
            return Some(ast::Target::All(self.span(all)));
        }
        if let Some(awaited) = node.child(Kind::AwaitedEvent) {
            return Some(ast::Target::Wait(self.path(awaited.child(Kind::Path)?)?));
        }
        let path = self.path(node.child(Kind::Path)?)?;
        Some(match path.parts.as_slice() {
            [only] if only.text == "approve" => ast::Target::Approve(only.span),
            _ => ast::Target::Operation(path),
        })
    }

    fn answer(&mut self, node: Node<'_>) -> Option<ast::Answer> {
        let what = match node.kind() {
            Kind::BySchema => ast::AnswerWhat::Schema,
            Kind::Returns => {
                let after = node.child(Kind::ComesAfter).map(|after| self.expr_below(after));
                ast::AnswerWhat::Returns(self.expr_below(node), after)
            }
            Kind::FailsWith => ast::AnswerWhat::Fails(self.fail(node)?),
            _ => return None,
        };
        Some(ast::Answer { span: self.span(node), what, often: self.how_often(node) })
    }

    fn how_often(&mut self, node: Node<'_>) -> Option<ast::HowOften> {
        let often = node.child(Kind::HowOften)?;
        let span = self.span(often);
        let times = match self.word_at(self.keyword(often)) {
            "always" => None,
            "once" => Some(1),
            "never" => Some(0),
            _ => {
                let number = often.child(Kind::Number)?;
                let times = self.text_of(number).replace('_', "").parse().ok();
                if times.is_none() {
                    let place = self.span(number);
                    self.syntax(place, "this is no number of calls", "not a whole number", "write `3 times`");
                }
                Some(times?)
            }
        };
        Some(ast::HowOften { span, times })
    }

    fn never(&mut self, node: Node<'_>) -> Option<ast::ExpectedWhat> {
        let order = match node.child(Kind::Relation) {
            Some(relation) => {
                let order = match self.word_at(self.keyword(relation)) {
                    "before" => Order::Before,
                    _ => Order::After,
                };
                Some(Box::new((order, self.happening(relation)?)))
            }
            None => None,
        };
        Some(ast::ExpectedWhat::Never { what: self.happening(node)?, order })
    }

    fn happening(&mut self, node: Node<'_>) -> Option<ast::Happening> {
        let happened = node.child(Kind::Happened).map_or("called", |happened| self.text_of(happened));
        Some(ast::Happening {
            target: self.target(node)?,
            happened: match happened {
                "succeeded" => Happened::Succeeded,
                "failed" => Happened::Failed,
                _ => Happened::Called,
            },
            with: node.child(Kind::CalledWith).map(|with| self.expr_below(with)),
            filter: node.child(Kind::CalledWhere).map(|filter| self.expr_below(filter)),
        })
    }

    fn expected(&mut self, node: Node<'_>) -> Option<ast::ExpectedWhat> {
        let value = |reader: &mut Self| node.child(Kind::Expr).map(|value| reader.expr(value));
        Some(match node.kind() {
            Kind::ExpectRun => ast::ExpectedWhat::Run { state: self.name(node)?, failure: self.fail(node) },
            Kind::ExpectResult => ast::ExpectedWhat::Result(self.expr_below(node)),
            Kind::ExpectCalled => ast::ExpectedWhat::Called {
                target: self.target(node)?,
                often: self.how_often(node),
                with: node.child(Kind::CalledWith).map(|with| self.expr_below(with)),
            },
            Kind::ExpectEmitted => ast::ExpectedWhat::Emitted {
                event: self.path(node.child(Kind::Path)?)?,
                often: self.how_often(node),
                with: node.child(Kind::CalledWith).map(|with| self.expr_below(with)),
            },
            Kind::ExpectDeadLetter => ast::ExpectedWhat::DeadLetter { queue: self.name(node)?, contains: value(self) },
            Kind::ExpectResponded => {
                let status = self.literal(node.child(Kind::Number)?, Sign::None);
                ast::ExpectedWhat::Responded { status, body: value(self) }
            }
            _ => return None,
        })
    }
}
