//! Connector declarations as written.

use flow_model::span::Span;

use super::{Arg, Block, Expr, Field, Ident, Item, Path, Rate, TypeExpr};

/// `connector name { … }`
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    /// `config { … }`
    pub config: Vec<Field>,
    /// `http { … }`: the section's place and its properties.
    pub http: Option<(Span, Vec<Property>)>,
    /// `errors { … }`
    pub errors: Option<Errors>,
    /// Records, enums, unions, errors.
    pub types: Vec<Item>,
    pub operations: Vec<Operation>,
    pub triggers: Vec<WebhookTrigger>,
    pub verifications: Vec<Verification>,
    pub challenges: Vec<Challenge>,
    /// `webhooks { … }`: the section's place and its properties.
    pub webhooks: Option<(Span, Vec<Property>)>,
}

/// `401 => Unauthorized, 5xx | connection => Unavailable`, then `message: …`, `code: …`
#[derive(Clone, Debug)]
pub(crate) struct Errors {
    pub span: Span,
    pub rules: Vec<ErrorRule>,
    pub properties: Vec<Property>,
}

#[derive(Clone, Debug)]
pub(crate) struct ErrorRule {
    pub span: Span,
    pub conditions: Vec<ErrorCondition>,
    pub kind: Ident,
    /// What fills the fields of a declared error.
    pub args: Vec<Arg>,
}

#[derive(Clone, Debug)]
pub(crate) enum ErrorCondition {
    /// `404`
    Status(Span, u16),
    /// `5xx`
    StatusClass(Span, u16),
    /// `connection`
    Connection(Span),
    /// `when body.ok == false`
    When(Expr),
}

/// `operation contacts.create(…) -> Contact { … }`
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub span: Span,
    pub doc: String,
    pub name: Path,
    /// `<T>`: types that the caller gives.
    pub types: Vec<Ident>,
    pub params: Vec<Field>,
    /// Absent when it has no result.
    pub result: Option<TypeExpr>,
    pub properties: Vec<Property>,
    /// Steps in the place of a request.
    pub body: Option<Block>,
}

/// `trigger contact.creation as ContactEvent { … }`
#[derive(Clone, Debug)]
pub(crate) struct WebhookTrigger {
    pub span: Span,
    pub doc: String,
    pub name: Path,
    pub params: Vec<Field>,
    pub payload: TypeExpr,
    pub properties: Vec<Property>,
}

/// `verification signature(secret: Secret<String>, tolerance: Duration = 5m) { … }`
#[derive(Clone, Debug)]
pub(crate) struct Verification {
    pub span: Span,
    pub doc: String,
    pub name: Ident,
    pub params: Vec<Field>,
    pub properties: Vec<Property>,
}

/// `challenge url_verification { … }`
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    pub doc: String,
    pub name: Ident,
    pub properties: Vec<Property>,
}

/// `name: value` in a section, or the lone word `native`.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub span: Span,
    pub name: Ident,
    pub value: PropertyValue,
}

#[derive(Clone, Debug)]
pub(crate) enum PropertyValue {
    Expr(Expr),
    /// `POST "/path/{id}" { query: { … }, headers: { … }, body: { … } }`
    Request {
        method: Ident,
        path: Expr,
        parts: Vec<Property>,
    },
    /// `100 per 10s`
    Rate(Rate),
    /// `each body`
    Each(Expr),
    /// A lone word: `native`.
    Flag,
}
