//! Which expressions does a declaration hold? One answer for everything that goes over them all.

use super::{
    Auth, Body, Call, Challenge, Connector, ErrorCondition, HeaderGrammar, Http, KeySource, Operation, OperationCall,
    Part, Place, Request, Verification, VerifyCall, WebhookTrigger,
};
use crate::expr::Expr;

/// Goes over expressions.
pub(super) type Visit<'a, 'e> = &'a mut dyn FnMut(&'e Expr);

impl Connector {
    /// Goes over the expressions of its errors, handshakes and registration; sections, operations and triggers have
    /// functions of their own.
    pub fn each_shared_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        for (condition, _) in &self.errors.rules {
            if let ErrorCondition::When(condition) = condition {
                visit(condition);
            }
        }
        self.errors.message.iter().chain(&self.errors.code).for_each(&mut *visit);
        self.errors.fields.values().flatten().for_each(|(_, value)| visit(value));
        self.challenges.values().for_each(|challenge| challenge.each_expr(visit));
    }
}

impl Http {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        visit(&self.base);
        self.sandbox.iter().for_each(&mut *visit);
        self.auth.each_expr(visit);
        self.headers.iter().chain(&self.query).for_each(|(_, value)| visit(value));
        self.more_headers.iter().chain(&self.more_query).for_each(&mut *visit);
        self.retry_after.iter().chain(&self.reset).for_each(|wait| visit(&wait.value));
        self.remaining.iter().for_each(&mut *visit);
    }
}

impl Auth {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        match self {
            Self::None => {}
            Self::Bearer(value) | Self::Query(_, value) | Self::Field(_, value) | Self::Within(_, value) => {
                visit(value)
            }
            Self::OAuth(oauth) => oauth.each_expr(visit),
            Self::Session(session) => session.each_expr(visit),
            Self::OAuth1(keys) => keys.each_expr(visit),
            Self::SigV4(key) => key.each_expr(visit),
            Self::Signed(scheme) => scheme.each_expr(visit),
            Self::Basic(first, second) | Self::Header(first, second) => {
                visit(first);
                visit(second);
            }
            Self::First(forms) => forms.iter().for_each(|form| form.each_expr(&mut *visit)),
        }
    }
}

impl Operation {
    /// Goes over the expressions of what a call does; defaults of parameters are in their fields.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        self.cost.iter().for_each(&mut *visit);
        self.undo.iter().for_each(|call| call.each_expr(visit));
        self.page.iter().for_each(|page| page.each_expr(visit));
        if let Some(bulk) = &self.bulk {
            visit(&bulk.each);
            bulk.value.iter().chain(&bulk.error).for_each(&mut *visit);
            bulk.of.iter().flat_map(|of| [&of.outcome].into_iter().chain(&of.input)).for_each(&mut *visit);
        }
        if let Some(KeySource::Lookup(call)) = &self.key {
            call.each_expr(visit);
        }
        if let Call::Http(request) = &self.call {
            request.each_expr(visit);
        }
    }

    /// The operations of the same connector that a call may need besides.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.undo.iter().chain(self.lookup()).map(|call| call.operation.as_str())
    }
}

impl OperationCall {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        self.args.iter().for_each(visit);
    }
}

impl Request {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        visit(&self.path);
        self.query.iter().chain(&self.headers).for_each(|(_, value)| visit(value));
        self.more_query.iter().chain(&self.more_headers).for_each(&mut *visit);
        match &self.body {
            Body::None => {}
            Body::Json(value) | Body::Form(value) | Body::Raw(value, _) | Body::Xml(value) => visit(value),
            Body::Multipart(parts) => parts.iter().for_each(|(_, part)| match part {
                Part::Value(value) | Part::Json(value) | Part::All(value) => visit(value),
                Part::File { content, name, media_type } => {
                    [content].into_iter().chain(name).chain(media_type).for_each(&mut *visit);
                }
            }),
            Body::GraphQl { variables, .. } => variables.iter().for_each(&mut *visit),
        }
        self.answer.iter().chain(&self.success_when).chain(&self.null_when).for_each(visit);
    }
}

impl super::Webhooks {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        let Self { register, list, renew, every: _, expires, remove, id, url, secret } = self;
        let calls = register.iter().chain(list).chain(renew).chain(remove);
        calls.for_each(|call| call.each_expr(&mut *visit));
        id.iter().chain(url).chain(secret).chain(expires).for_each(visit);
    }

    /// The operations that it calls.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        let calls = self.register.iter().chain(&self.list).chain(&self.renew).chain(&self.remove);
        calls.map(|call| call.operation.as_str())
    }
}

impl WebhookTrigger {
    /// Goes over its expressions, except for those of its verification.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        visit(&self.webhook);
        self.when.iter().chain(&self.dedupe).for_each(&mut *visit);
        if let Some(poll) = &self.poll {
            poll.call.each_expr(&mut *visit);
            visit(&poll.cursor);
            poll.within.iter().for_each(visit);
        }
    }
}

impl VerifyCall {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        self.args.iter().for_each(&mut *visit);
        self.scheme.each_expr(visit);
    }
}

impl Verification {
    /// Goes over its expressions; defaults of parameters are in their fields.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        visit(&self.secret);
        for place in [&self.header].into_iter().chain(&self.timestamp) {
            match place {
                Place::Header(name) | Place::Query(name) | Place::Field(name) => visit(name),
            }
        }
        self.tolerance.iter().for_each(&mut *visit);
        if let HeaderGrammar::Whole { prefix } = &self.grammar {
            visit(prefix);
        }
    }
}

impl Challenge {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: Visit<'_, 'e>) {
        let Self { doc: _, method: _, when, verify, token, secret, sign, answer, headers } = self;
        when.iter().chain(token).chain(secret).chain(answer).for_each(&mut *visit);
        headers.iter().for_each(|(_, value)| visit(value));
        sign.iter().for_each(|sign| visit(&sign.text));
        verify.iter().for_each(|call| call.each_expr(visit));
    }
}
