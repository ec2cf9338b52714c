//! What is a call answered in a test?

use std::{collections::BTreeSet, sync::Arc};

use flow_model::{
    case::{Answer, AnswerKind, Stub, Target},
    expr::Expr,
    failure::{ErrorKind, Failure},
    plan::{Edge, NodeKind, Plan},
    schema::{Effect, Operation},
    ty::Type,
    units::Millis,
    value::Value,
};

use petgraph::visit::EdgeRef as _;

use super::World;
use crate::{
    connector::Reached,
    machine::{Call, Event},
    sim::{Made, What, faults::Fault, sample},
};

impl World<'_> {
    /// Answers a call, and says how the attempt has ended.
    pub(super) fn answer(&mut self, run: usize, call: Call) -> Result<Event, String> {
        let plan = self.runs.get(run).map_or(&self.plan, |run| run.machine.plan());
        let plan = Arc::clone(plan);
        let operation = operation(&plan, &call.connection, &call.operation).cloned();
        let names = operation.iter().flat_map(|operation| operation.params.keys().cloned());
        let args = Value::Record(names.zip(call.args.iter().cloned()).collect());
        let number = self.report.calls.len() + 1;
        let mut reached = Reached::Answered;
        let mut is_extra = true;
        let (told, fault) = match self.fault {
            Some(Fault::Fails(at, kind)) if *at == number => {
                self.struck.insert(call.place.clone());
                (Err(self.failure(kind.clone(), &[], &call)), Some(format!("the call fails with `{kind}`, this once")))
            }
            _ => match self.remembered(run, &plan, &call, operation.as_ref(), &args) {
                Some(told) => (told, None),
                None => {
                    is_extra = false;
                    (self.stubbed(&plan, &call, operation.as_ref())?, None)
                }
            },
        };
        if run == 0 {
            self.report.reached.insert(call.place.path.clone());
            // A step whose operation has a body is reached with the first step of that.
            let around = call.place.path.match_indices('/').filter_map(|(at, _)| call.place.path.get(..at));
            self.report.reached.extend(around.map(str::to_owned));
            // The step that gives a stream is reached when a page of it is fetched.
            let gives = plan.graph.node_weights().filter(|node| {
                let called = (&call.connection, &call.operation);
                matches!(&node.kind, NodeKind::Step(step) if (&step.connection, &step.operation) == called)
            });
            if call.page.is_some() {
                self.report.reached.extend(gives.map(|node| node.path.clone()));
            }
        }
        let line = self.line(run, Some(&call.place));
        self.say(line.clone(), What::Call(number - 1));
        self.report.calls.push(Made {
            place: call.place.clone(),
            attempt: call.attempt,
            connection: call.connection,
            operation: call.operation,
            args,
            outcome: told.clone(),
            key: call.key.clone(),
            is_extra,
            is_undo: is_undo(&plan, &call.place.path),
        });
        if let Some(fault) = fault {
            self.say(line.clone(), What::Fault(fault));
        }
        self.last = Some((call.key.clone(), told.clone()));
        let mut outcome = told;
        if self.fault == Some(&Fault::Lost(number)) {
            self.say(line, What::Fault("the call has done what it does, and its answer is lost on the way".to_owned()));
            self.struck.insert(call.place.clone());
            self.lost.insert(call.key.clone());
            self.known.insert(call.key, outcome);
            outcome = Err(Failure::new(ErrorKind::Timeout, "the answer was lost"));
        }
        if matches!(&outcome, Err(failure) if matches!(failure.kind, ErrorKind::Timeout | ErrorKind::Interrupted)) {
            reached = Reached::Perhaps;
        }
        // No system answers that a call was interrupted: its answer was lost, and the machine draws the conclusion.
        let outcome = outcome.map_err(|failure| match failure.kind {
            ErrorKind::Interrupted => Failure { kind: ErrorKind::Timeout, ..failure },
            _ => failure,
        });
        Ok(Event::Attempted {
            place: call.place,
            attempt: call.attempt,
            outcome,
            reached,
            retry_after: None,
            // The longest wait that the policy allows.
            draw: u32::MAX,
            probe: false,
        })
    }

    /// What one who is called answers to a call that was made before, and of which the run does not know.
    fn remembered(
        &mut self,
        run: usize,
        plan: &Plan,
        call: &Call,
        operation: Option<&Operation>,
        args: &Value,
    ) -> Option<Result<Value, Failure>> {
        self.fault?;
        let looks = plan.graph.node_weights().any(|node| {
            node.path == call.place.path
                && matches!(&node.kind, NodeKind::Step(step) if step.operation != call.operation)
        });
        if let Some(known) = self.known.remove(&call.key) {
            return Some(known);
        }
        if looks && self.lost.contains(&call.key) {
            return Some(Ok(Value::Null));
        }
        // A run that a repeated event has started makes the calls of the first one again.
        let root = self.root_of(run);
        if root == 0 {
            return None;
        }
        let operation = operation?;
        let is_same = |made: &&Made| {
            made.connection == call.connection
                && made.operation == call.operation
                && match operation.effect {
                    Effect::Read | Effect::Idempotent => made.args == *args,
                    Effect::Create | Effect::Destroy => operation.is_repeatable() && made.key == call.key,
                }
        };
        self.report.calls.iter().find(is_same).map(|made| made.outcome.clone())
    }

    /// The run that nobody has called and that has led to this one.
    fn root_of(&self, mut run: usize) -> usize {
        while let Some((parent, _)) = self.runs.get(run).and_then(|run| run.parent.as_ref()) {
            run = *parent;
        }
        run
    }

    /// What the test says that is answered.
    fn stubbed(
        &mut self,
        plan: &Plan,
        call: &Call,
        operation: Option<&Operation>,
    ) -> Result<Result<Value, Failure>, String> {
        let stub = self.case.stubs.iter().enumerate().find(|(index, stub)| {
            fits(&stub.target, &call.connection, &call.operation) && self.next_answer(*index, stub).is_some()
        });
        let kind = match stub {
            Some((index, stub)) => {
                let kind = self.next_answer(index, stub).map(|answer| answer.kind.clone());
                *self.answered.entry(index).or_default() += 1;
                kind
            }
            // A fault leads the run where the test does not go.
            None if self.fault.is_some() => None,
            None => {
                let name = format!("{}.{}", call.connection, call.operation);
                let stubs =
                    || self.case.stubs.iter().filter(|stub| fits(&stub.target, &call.connection, &call.operation));
                return Err(match stubs().next() {
                    Some(_) => format!(
                        "`{name}` is called once more than its stubs answer: say what comes then, such as `then using schema`"
                    ),
                    None => format!(
                        "`{name}` is called and has no stub: say what it answers, or write `stub * using schema`"
                    ),
                });
            }
        };
        let outcome = match kind {
            Some(AnswerKind::Returns(value)) => self.eval(&value).map(|value| match call.result {
                // What another call of the same operation is answered, in its JSON form.
                Some(Type::Json) => Value::from_json(&value.to_json()).unwrap_or(value),
                _ => value,
            }),
            Some(AnswerKind::Fails { kind, fields }) => Err(self.failure(kind, &fields, call)),
            Some(AnswerKind::Schema) | None => Ok(operation.map_or(Value::Null, |operation| {
                sample(call.result.as_ref().unwrap_or(&operation.result), &plan.types)
            })),
        };
        // A test answers with the whole stream, which is one page.
        Ok(match &call.page {
            Some(_) => outcome.map(|items| Value::record([("items", items), ("next", Value::Null)])),
            None => outcome,
        })
    }

    /// What comes to a run that waits, and after how long, if the test says so.
    pub(super) fn comes(&mut self, run: usize, target: &Target) -> Result<Option<(Millis, Value)>, Failure> {
        let stubs = self.case.stubs.iter().enumerate();
        let mut fitting = stubs.filter(|(_, stub)| stub.target == *target);
        // A run that a repeated event has started is told what the first one was told first.
        let again = self.root_of(run) != 0;
        let next = match again {
            true => fitting.next().and_then(|(index, stub)| Some((index, stub.answers.first()?))),
            false => fitting.find_map(|(index, stub)| Some((index, self.next_answer(index, stub)?))),
        };
        let Some((index, answer)) = next else { return Ok(None) };
        if !again {
            *self.answered.entry(index).or_default() += 1;
        }
        let AnswerKind::Returns(value) = &answer.kind else { return Ok(None) };
        let after = match answer.after.as_ref().map(|after| self.eval(after)).transpose()? {
            Some(Value::Duration(after)) => after,
            _ => Millis(0),
        };
        Ok(Some((after, self.eval(value)?)))
    }

    /// A failure of a kind with the fields that are given; others of a declared error are made from their types.
    fn failure(&self, kind: ErrorKind, given: &[(String, Expr)], call: &Call) -> Failure {
        let message = format!("`{}.{}` fails in this test", call.connection, call.operation);
        let fields = match &kind {
            ErrorKind::Declared(name) => sample(&Type::Named(name.clone()), &self.types),
            _ => Value::Null,
        };
        let mut failure = Failure::new(kind, message);
        if let Value::Record(fields) = fields {
            failure.fields = fields;
        }
        for (name, value) in given {
            match self.eval(value) {
                Ok(value) if name == "message" => failure.message = value.to_string(),
                Ok(value) => drop(failure.fields.insert(name.clone(), value)),
                Err(wrong) => return wrong,
            }
        }
        failure
    }

    /// What a stub answers next, unless it has answered as often as it should.
    fn next_answer<'s>(&self, index: usize, stub: &'s Stub) -> Option<&'s Answer> {
        let mut left = self.answered.get(&index).copied().unwrap_or(0);
        for answer in &stub.answers {
            match answer.times {
                Some(times) if left >= times => left -= times,
                _ => return Some(answer),
            }
        }
        None
    }
}

/// Says whether a node belongs to the `undo` of a step.
fn is_undo(plan: &Plan, path: &str) -> bool {
    let graph = &plan.graph;
    let steps = graph
        .node_indices()
        .filter(|node| matches!(graph.node_weight(*node), Some(of) if matches!(of.kind, NodeKind::Step(_))));
    let undos = steps.flat_map(|step| graph.edges(step).filter(|edge| matches!(edge.weight(), Edge::Region(0))));
    let mut open: Vec<_> = undos.map(|edge| edge.target()).collect();
    let mut seen = BTreeSet::new();
    while let Some(node) = open.pop() {
        if seen.insert(node) {
            open.extend(graph.neighbors(node));
        }
    }
    seen.into_iter().any(|node| graph.node_weight(node).is_some_and(|node| node.path == path))
}

/// The declaration of an operation of a plan.
pub(super) fn operation<'p>(plan: &'p Plan, connection: &str, operation: &str) -> Option<&'p Operation> {
    let connection = plan.connections.get(connection)?;
    plan.connectors.get(&connection.connector)?.operations.get(operation)
}

/// Says whether a stub or an expectation is about an operation.
pub(in crate::sim) fn fits(target: &Target, connection: &str, operation: &str) -> bool {
    match target {
        Target::All => true,
        Target::Operation { connection: of, operation: named } => of == connection && named == operation,
        Target::Approve | Target::Wait(_) => false,
    }
}
