//! Goes over all that is written in an item, for passes that look for one kind of thing.
//!
//! In: a part of the program as written. Out: a call of the visitor's method for each thing of that kind, from left to
//! right. Left out on purpose: meaning and scopes.

use crate::ast::{
    AnswerWhat, Arg, Block, CatchArm, Connector, ExpectedWhat, Expr, ExprKind, Fail, Field, Flow, Ident, Item,
    ListEntry, Otherwise, Path, Pattern, PatternKind, PolicyEntry, PolicyUse, PolicyUseWhat, PolicyValue, Property,
    PropertyValue, RecordEntry, Statement, StatementKind, Step, Target, Test, TextPart, Trigger, TriggerClauseValue,
    TriggerSource, TypeExpr, TypeExprKind,
};

/// What a pass wants to hear of.
pub(crate) trait Visitor<'a> {
    /// An expression; its parts follow.
    fn expr(&mut self, _: &'a Expr) {}
    /// The name of a type, with or without a connector before it.
    fn type_name(&mut self, _: &'a Path) {}
    /// A field, parameter or configuration field; its type and default follow.
    fn field(&mut self, _: &'a Field) {}
    /// A parameter; its type and default follow.
    fn param(&mut self, param: &'a Field) {
        self.field(param);
    }
    /// A name that is bound within a body: `let`, `step`, `for`, a pattern, a lambda's parameter.
    fn binding(&mut self, _: &'a Ident) {}
    /// The name of a policy after `with`.
    fn policy(&mut self, _: &'a Ident) {}
    /// The name of an error in a policy or in the rules of a connector.
    fn kind(&mut self, _: &'a Ident) {}
    /// The name of an error.
    fn error(&mut self, _: &'a Path) {}
    /// A connection with what of it starts a flow.
    fn trigger(&mut self, _: &'a Path) {}
    /// The name of the connector that a connection is made of.
    fn connector(&mut self, _: &'a Ident) {}
    /// The flow that a test is for.
    fn tested(&mut self, _: &'a Ident) {}
    /// A connection with an operation of it, in a test.
    fn called(&mut self, _: &'a Path) {}
    /// A call as a step; its parts follow.
    fn step(&mut self, _: &'a Step) {}
    /// A block; its statements follow.
    fn block(&mut self, _: &'a Block) {}
    /// The name of an event where it is emitted, waited for or starts a flow; a part may be `*`.
    fn event(&mut self, _: &'a Path) {}
}

/// Goes over an item.
pub(crate) fn item<'a>(item: &'a Item, visitor: &mut impl Visitor<'a>) {
    match item {
        Item::Use(_) | Item::Enum(_) => {}
        Item::Const(declared) => {
            if let Some(ty) = &declared.ty {
                self::ty(ty, visitor);
            }
            expr(&declared.value, visitor);
        }
        Item::Record(declared) | Item::Error(declared) => fields(&declared.fields, visitor),
        Item::Event(declared) => fields(&declared.fields, visitor),
        Item::Union(declared) => declared.cases.iter().for_each(|(_, case)| ty(case, visitor)),
        Item::Function(declared) => {
            params(&declared.params, visitor);
            if let Some(result) = &declared.result {
                ty(result, visitor);
            }
            block(&declared.body, visitor);
        }
        Item::Connection(declared) => {
            visitor.connector(&declared.connector);
            declared.config.iter().for_each(|(_, value)| expr(value, visitor));
            declared.with.iter().for_each(|used| policy_use(used, visitor));
        }
        Item::Policy(declared) => policy_entries(&declared.body, visitor),
        Item::Connector(declared) => connector(declared, visitor),
        Item::Flow(declared) => flow(declared, visitor),
        Item::Test(declared) => test(declared, visitor),
    }
}

fn test<'a>(declared: &'a Test, visitor: &mut impl Visitor<'a>) {
    visitor.tested(&declared.flow);
    declared.given.iter().for_each(|given| expr(&given.value, visitor));
    for stub in &declared.stubs {
        target(&stub.target, visitor);
        for answer in &stub.answers {
            match &answer.what {
                AnswerWhat::Returns(value, after) => {
                    [value].into_iter().chain(after).for_each(|value| expr(value, visitor));
                }
                AnswerWhat::Fails(fail) => {
                    visitor.error(&fail.error);
                    fail.args.iter().for_each(|arg| expr(&arg.value, visitor));
                }
                AnswerWhat::Schema => {}
            }
        }
    }
    for expectation in &declared.expectations {
        match &expectation.what {
            ExpectedWhat::Run { failure, .. } => {
                if let Some(failure) = failure {
                    visitor.error(&failure.error);
                    failure.args.iter().for_each(|arg| expr(&arg.value, visitor));
                }
            }
            ExpectedWhat::Result(value) => expr(value, visitor),
            ExpectedWhat::Called { target: called, with, .. } => {
                target(called, visitor);
                with.iter().for_each(|with| expr(with, visitor));
            }
            ExpectedWhat::Emitted { with: value, .. }
            | ExpectedWhat::DeadLetter { contains: value, .. }
            | ExpectedWhat::Responded { body: value, .. } => {
                value.iter().for_each(|value| expr(value, visitor));
            }
            ExpectedWhat::Never { what, order } => {
                for happening in [what].into_iter().chain(order.as_deref().map(|(_, other)| other)) {
                    target(&happening.target, visitor);
                    happening.with.iter().chain(&happening.filter).for_each(|value| expr(value, visitor));
                }
            }
        }
    }
}

fn target<'a>(written: &'a Target, visitor: &mut impl Visitor<'a>) {
    if let Target::Operation(path) = written {
        visitor.called(path);
    }
}

/// Goes over a flow.
pub(crate) fn flow<'a>(declared: &'a Flow, visitor: &mut impl Visitor<'a>) {
    params(&declared.params, visitor);
    if let Some(result) = &declared.result {
        ty(result, visitor);
    }
    declared.fails.iter().flatten().for_each(|path| visitor.error(path));
    declared.triggers.iter().for_each(|one| trigger(one, visitor));
    block(&declared.body, visitor);
}

fn connector<'a>(declared: &'a Connector, visitor: &mut impl Visitor<'a>) {
    fields(&declared.config, visitor);
    declared.types.iter().for_each(|ty| item(ty, visitor));
    declared.http.iter().for_each(|(_, found)| properties(found, visitor));
    if let Some(errors) = &declared.errors {
        for rule in &errors.rules {
            visitor.kind(&rule.kind);
            args(&rule.args, visitor);
            for condition in &rule.conditions {
                if let crate::ast::ErrorCondition::When(when) = condition {
                    expr(when, visitor);
                }
            }
        }
        properties(&errors.properties, visitor);
    }
    for operation in &declared.operations {
        params(&operation.params, visitor);
        if let Some(result) = &operation.result {
            ty(result, visitor);
        }
        properties(&operation.properties, visitor);
        operation.body.iter().for_each(|body| block(body, visitor));
    }
    for webhook in &declared.triggers {
        params(&webhook.params, visitor);
        ty(&webhook.payload, visitor);
        properties(&webhook.properties, visitor);
    }
    for verification in &declared.verifications {
        params(&verification.params, visitor);
        properties(&verification.properties, visitor);
    }
    declared.challenges.iter().for_each(|challenge| properties(&challenge.properties, visitor));
    declared.webhooks.iter().for_each(|(_, found)| properties(found, visitor));
}

fn properties<'a>(found: &'a [Property], visitor: &mut impl Visitor<'a>) {
    found.iter().for_each(|one| property(one, visitor));
}

/// Goes over a property of a connector.
pub(crate) fn property<'a>(found: &'a Property, visitor: &mut impl Visitor<'a>) {
    match &found.value {
        PropertyValue::Expr(value) | PropertyValue::Each(value) => expr(value, visitor),
        PropertyValue::Request { path, parts, .. } => {
            expr(path, visitor);
            properties(parts, visitor);
        }
        PropertyValue::Rate(rate) => {
            expr(&rate.count, visitor);
            expr(&rate.period, visitor);
        }
        PropertyValue::Flag => {}
    }
}

fn fields<'a>(declared: &'a [Field], visitor: &mut impl Visitor<'a>) {
    for field in declared {
        visitor.field(field);
        parts(field, visitor);
    }
}

fn params<'a>(declared: &'a [Field], visitor: &mut impl Visitor<'a>) {
    for param in declared {
        visitor.param(param);
        parts(param, visitor);
    }
}

fn parts<'a>(field: &'a Field, visitor: &mut impl Visitor<'a>) {
    ty(&field.ty, visitor);
    if let Some(default) = &field.default {
        expr(default, visitor);
    }
    field.bounds.iter().for_each(|(_, bound)| expr(bound, visitor));
}

/// Goes over a type.
pub(crate) fn ty<'a>(written: &'a TypeExpr, visitor: &mut impl Visitor<'a>) {
    match &written.kind {
        TypeExprKind::Name(path, args) => {
            visitor.type_name(path);
            args.iter().for_each(|arg| ty(arg, visitor));
        }
        TypeExprKind::Record(declared) => fields(declared, visitor),
        TypeExprKind::Optional(inner) => ty(inner, visitor),
        TypeExprKind::OneOf(_) | TypeExprKind::Variable(_) | TypeExprKind::Missing => {}
    }
}

fn trigger<'a>(declared: &'a Trigger, visitor: &mut impl Visitor<'a>) {
    match &declared.source {
        TriggerSource::Http { .. } | TriggerSource::Cron { .. } | TriggerSource::File(_) | TriggerSource::Missing => {}
        TriggerSource::Event(path) => visitor.event(path),
        TriggerSource::Every(period) => expr(period, visitor),
        TriggerSource::Connection(path) => visitor.trigger(path),
    }
    args(&declared.args, visitor);
    if let Some(bind) = &declared.bind {
        visitor.binding(bind);
    }
    for clause in &declared.clauses {
        match &clause.value {
            TriggerClauseValue::Type(written) => ty(written, visitor),
            TriggerClauseValue::Expr(value) => expr(value, visitor),
            TriggerClauseValue::NoneBecause(_) => {}
            TriggerClauseValue::For(one, other) | TriggerClauseValue::Per(one, other) => {
                expr(one, visitor);
                expr(other, visitor);
            }
        }
    }
}

fn policy_use<'a>(used: &'a PolicyUse, visitor: &mut impl Visitor<'a>) {
    match &used.what {
        PolicyUseWhat::Named(name) => visitor.policy(name),
        PolicyUseWhat::Inline(entries) => policy_entries(entries, visitor),
    }
}

fn policy_entries<'a>(entries: &'a [PolicyEntry], visitor: &mut impl Visitor<'a>) {
    for entry in entries {
        match &entry.value {
            PolicyValue::Expr(value) => expr(value, visitor),
            PolicyValue::Rate(rate) => {
                expr(&rate.count, visitor);
                expr(&rate.period, visitor);
            }
            PolicyValue::Block(inner) => policy_entries(inner, visitor),
            PolicyValue::Kinds(kinds) => kinds.iter().for_each(|kind| visitor.kind(kind)),
        }
    }
}

/// Goes over a block.
pub(crate) fn block<'a>(written: &'a Block, visitor: &mut impl Visitor<'a>) {
    visitor.block(written);
    written.statements.iter().for_each(|one| statement(one, visitor));
    if let Some(value) = &written.value {
        expr(value, visitor);
    }
}

fn statement<'a>(written: &'a Statement, visitor: &mut impl Visitor<'a>) {
    match &written.kind {
        StatementKind::Let { name, ty: written, value, otherwise } => {
            visitor.binding(name);
            written.iter().for_each(|written| ty(written, visitor));
            expr(value, visitor);
            otherwise.iter().for_each(|one| self::otherwise(one, visitor));
        }
        StatementKind::Step(step) => self::step(step, visitor),
        StatementKind::Return(value) => value.iter().for_each(|value| expr(value, visitor)),
        StatementKind::Fail(failure) => fail(failure, visitor),
        StatementKind::Respond { status, body } => {
            expr(status, visitor);
            body.iter().for_each(|body| expr(body, visitor));
        }
        StatementKind::Log(value)
        | StatementKind::DeadLetter { value, .. }
        | StatementKind::Sleep(value)
        | StatementKind::Control(value) => expr(value, visitor),
        StatementKind::Emit { event, value } => {
            visitor.event(event);
            expr(value, visitor);
        }
    }
}

/// Goes over a step.
pub(crate) fn step<'a>(written: &'a Step, visitor: &mut impl Visitor<'a>) {
    visitor.step(written);
    written.name.iter().for_each(|name| visitor.binding(name));
    expr(&written.call, visitor);
    written.with.iter().for_each(|used| policy_use(used, visitor));
    written.otherwise.iter().for_each(|one| otherwise(one, visitor));
    if let Some(wait) = &written.wait {
        visitor.event(&wait.event);
        wait.filter.iter().for_each(|filter| expr(filter, visitor));
    }
    written.within.iter().for_each(|(_, within)| expr(within, visitor));
    written.catch.iter().flatten().for_each(|arm| catch_arm(arm, visitor));
    written.undo.iter().for_each(|(_, undo)| expr(undo, visitor));
}

fn otherwise<'a>(written: &'a Otherwise, visitor: &mut impl Visitor<'a>) {
    match written {
        Otherwise::Value(value) | Otherwise::Return(_, Some(value)) => expr(value, visitor),
        Otherwise::Return(_, None) => {}
        Otherwise::Fail(failure) => fail(failure, visitor),
    }
}

fn fail<'a>(written: &'a Fail, visitor: &mut impl Visitor<'a>) {
    visitor.error(&written.error);
    args(&written.args, visitor);
}

fn catch_arm<'a>(arm: &'a CatchArm, visitor: &mut impl Visitor<'a>) {
    arm.kinds.iter().for_each(|kind| visitor.error(kind));
    arm.bind.iter().for_each(|bind| visitor.binding(bind));
    arm.guard.iter().for_each(|guard| expr(guard, visitor));
    expr(&arm.value, visitor);
}

fn args<'a>(written: &'a [Arg], visitor: &mut impl Visitor<'a>) {
    written.iter().for_each(|arg| expr(&arg.value, visitor));
}

/// Goes over an expression.
pub(crate) fn expr<'a>(written: &'a Expr, visitor: &mut impl Visitor<'a>) {
    visitor.expr(written);
    match &written.kind {
        ExprKind::Literal(_) | ExprKind::Name(_) | ExprKind::ImpliedMember(_) | ExprKind::Missing => {}
        ExprKind::Text(parts) => {
            for part in parts {
                if let TextPart::Insert(insert) = part {
                    expr(insert, visitor);
                }
            }
        }
        ExprKind::Member { of, .. } | ExprKind::Unary(_, of) => expr(of, visitor),
        ExprKind::Index { of, index } => {
            expr(of, visitor);
            expr(index, visitor);
        }
        ExprKind::Call { callee, types, args: given } => {
            expr(callee, visitor);
            types.iter().for_each(|written| ty(written, visitor));
            args(given, visitor);
        }
        ExprKind::Record(entries) => {
            for entry in entries {
                match entry {
                    RecordEntry::Field { value, .. } | RecordEntry::Spread(value) => expr(value, visitor),
                }
            }
        }
        ExprKind::List(entries) => {
            for entry in entries {
                match entry {
                    ListEntry::Item(value) | ListEntry::Spread(value) => expr(value, visitor),
                }
            }
        }
        ExprKind::Binary { left, right, .. } => {
            expr(left, visitor);
            expr(right, visitor);
        }
        ExprKind::Convert(value, target) => {
            expr(value, visitor);
            ty(target, visitor);
        }
        ExprKind::Range(from, to) => from.iter().chain(to).for_each(|bound| expr(bound, visitor)),
        ExprKind::Lambda { params, body } => {
            params.iter().for_each(|param| visitor.binding(param));
            expr(body, visitor);
        }
        ExprKind::If { arms, otherwise } => {
            for (condition, then) in arms {
                expr(condition, visitor);
                block(then, visitor);
            }
            otherwise.iter().for_each(|otherwise| block(otherwise, visitor));
        }
        ExprKind::Match { subject, arms } => {
            expr(subject, visitor);
            for arm in arms {
                pattern(&arm.pattern, visitor);
                arm.guard.iter().for_each(|guard| expr(guard, visitor));
                expr(&arm.value, visitor);
            }
        }
        ExprKind::For(looped) => {
            expr(&looped.items, visitor);
            looped.concurrency.iter().chain(&looped.every).for_each(|part| expr(part, visitor));
            visitor.binding(&looped.item);
            block(&looped.body, visitor);
        }
        ExprKind::First { item, items, body } => {
            expr(items, visitor);
            visitor.binding(item);
            block(body, visitor);
        }
        ExprKind::Repeat(repeat) => {
            [&repeat.every, &repeat.times, &repeat.until].into_iter().for_each(|part| expr(part, visitor));
            block(&repeat.body, visitor);
        }
        ExprKind::Parallel { body, .. } | ExprKind::Saga(body) | ExprKind::Race(body) | ExprKind::Block(body) => {
            block(body, visitor)
        }
        ExprKind::Try { body, catch } => {
            block(body, visitor);
            catch.iter().for_each(|arm| catch_arm(arm, visitor));
        }
    }
}

/// A lone name in a pattern may also be a variant of an enum, so only names in lower case are told as bindings.
fn pattern<'a>(written: &'a Pattern, visitor: &mut impl Visitor<'a>) {
    match &written.kind {
        PatternKind::Any
        | PatternKind::Literal(_)
        | PatternKind::Range(..)
        | PatternKind::StartsWith(_)
        | PatternKind::Missing => {}
        PatternKind::Path(path) => visitor.type_name(path),
        PatternKind::Name(name) => {
            if !name.text.starts_with(|first: char| first.is_ascii_uppercase()) {
                visitor.binding(name);
            }
        }
        PatternKind::As(_, name) => visitor.binding(name),
        PatternKind::Record(fields) => {
            for (name, inner) in fields {
                match inner {
                    Some(inner) => pattern(inner, visitor),
                    None => visitor.binding(name),
                }
            }
        }
        PatternKind::List { items, rest } => {
            items.iter().for_each(|item| pattern(item, visitor));
            rest.iter().flatten().for_each(|name| visitor.binding(name));
        }
        PatternKind::Either(options) => options.iter().for_each(|option| pattern(option, visitor)),
    }
}
