//! Plans as the compiler makes them, for connectors with one webhook each.

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{
    expr::{Ambient, BinaryOp, Expr, Slot},
    plan::{self, Connection, Dedupe, Edge, Node, NodeKind, Plan, Trigger, TriggerKind},
    schema::{
        Connector, DigestEncoding, Errors, Hash, HeaderGrammar, SignedPart, Verification, VerifyCall, WebhookTrigger,
    },
    ty::{Field, Type, TypeDef, Types},
    units::Millis,
    value::Value,
};
use petgraph::graph::DiGraph;

/// The slot of the payload.
pub(super) const EVENT: Expr = Expr::Slot(Slot(0));

pub(super) fn text(text: &str) -> Expr {
    Expr::Literal(Value::text(text))
}

pub(super) fn member(of: Expr, path: &str) -> Expr {
    path.split('.').fold(of, |of, name| Expr::Member { of: Box::new(of), name: name.to_owned(), null_safe: false })
}

/// A flow that goes through these nodes.
pub(super) fn plan(flow: &str, triggers: Vec<Trigger>, nodes: Vec<NodeKind>) -> Plan {
    let mut graph = DiGraph::new();
    let mut entry = None;
    let mut before = None;
    for (index, kind) in nodes.into_iter().enumerate() {
        let node = graph.add_node(Node { path: format!("node#{index}"), kind });
        entry = entry.or(Some(node));
        if let Some(before) = before.replace(node) {
            graph.add_edge(before, node, Edge::Next);
        }
    }
    Plan {
        version: plan::VERSION,
        flow: flow.to_owned(),
        doc: String::new(),
        params: Default::default(),
        triggers,
        result: Type::Json,
        errors: Vec::new(),
        graph,
        entry,
        connections: BTreeMap::new(),
        connectors: BTreeMap::new(),
        functions: BTreeMap::new(),
        types: Types::default(),
        secrets: Vec::new(),
        personal: Default::default(),
    }
}

pub(super) fn trigger(kind: TriggerKind, payload: Type) -> Trigger {
    Trigger {
        kind,
        bind: Some(Slot(0)),
        payload,
        dedupe: None,
        concurrency: None,
        at_most: None,
        within: None,
        gather: None,
    }
}

/// `on http METHOD "PATH" as req { body: …, verify: none because "…" }`
pub(super) fn http(method: &str, path: &str, body: Option<Type>) -> Trigger {
    let kind =
        TriggerKind::Http { method: method.to_owned(), path: path.to_owned(), body, verify: None, max_body: None };
    trigger(kind, Type::Json)
}

pub(super) fn dedupe(key: Expr) -> Option<Dedupe> {
    Some(Dedupe { key, window: Millis::seconds(3600) })
}

/// `stripe.signature(secret: secret(…), tolerance: 5m)`
pub(super) fn stripe_signature(secret: &str) -> VerifyCall {
    let slot = |index: u32| Expr::Slot(Slot(index));
    let scheme = Verification {
        doc: String::new(),
        params: [
            ("secret".to_owned(), Field::of(Type::Secret(Box::new(Type::String)))),
            ("tolerance".to_owned(), Field::of(Type::Duration)),
        ]
        .into_iter()
        .collect(),
        method: flow_model::schema::Proof::Hmac,
        key: flow_model::schema::KeyForm::Text,
        hash: Hash::Sha256,
        secret: slot(0),
        encoding: DigestEncoding::Hex,
        header: flow_model::schema::Place::Header(text("Stripe-Signature")),
        grammar: HeaderGrammar::Pairs { timestamp: Some("t".to_owned()), signature: "v1".to_owned() },
        timestamp: None,
        signed: vec![SignedPart::Timestamp, SignedPart::Text(".".to_owned()), SignedPart::Body],
        tolerance: Some(slot(1)),
    };
    let args = vec![Expr::Literal(Value::Secret(secret.into())), Expr::Literal(Value::Duration(Millis::seconds(300)))];
    VerifyCall { scheme, args }
}

/// `hmac_sha256(header: "X-Hub-Signature-256", secret: secret(…), prefix: "sha256=")`
pub(super) fn prefixed_hmac(secret: &str) -> VerifyCall {
    let slot = |index: u32| Expr::Slot(Slot(index));
    let secret_type = Field::of(Type::Secret(Box::new(Type::String)));
    let scheme = Verification {
        doc: String::new(),
        params: [
            ("header".to_owned(), Field::of(Type::String)),
            ("secret".to_owned(), secret_type),
            ("prefix".to_owned(), Field { default: Some(Box::new(text(""))), ..Field::of(Type::String) }),
        ]
        .into_iter()
        .collect(),
        method: flow_model::schema::Proof::Hmac,
        key: flow_model::schema::KeyForm::Text,
        hash: Hash::Sha256,
        secret: slot(1),
        encoding: DigestEncoding::Hex,
        header: flow_model::schema::Place::Header(slot(0)),
        grammar: HeaderGrammar::Whole { prefix: slot(2) },
        timestamp: None,
        signed: vec![SignedPart::Body],
        tolerance: None,
    };
    let args = vec![text("X-Hub-Signature-256"), Expr::Literal(Value::Secret(secret.into())), text("sha256=")];
    VerifyCall { scheme, args }
}

/// The secret itself, in a query parameter.
pub(super) fn token(secret: &str) -> VerifyCall {
    let mut call = prefixed_hmac(secret);
    call.scheme.method = flow_model::schema::Proof::Token;
    call.scheme.header = flow_model::schema::Place::Query(text("token"));
    call.scheme.grammar = HeaderGrammar::Whole { prefix: text("") };
    call.scheme.signed = Vec::new();
    call
}

fn record(fields: &[(&str, Type)]) -> TypeDef {
    TypeDef::Record(fields.iter().map(|(name, ty)| ((*name).to_owned(), Field::of(ty.clone()))).collect())
}

pub(super) fn with_webhook(plan: Plan, connection: &str, name: &str, webhook: WebhookTrigger, types: Types) -> Plan {
    let connector = Connector {
        name: "pay".to_owned(),
        doc: String::new(),
        config: Default::default(),
        http: None,
        errors: Errors::default(),
        types,
        operations: BTreeMap::new(),
        triggers: BTreeMap::from([(name.to_owned(), webhook)]),
        verifications: BTreeMap::new(),
        challenges: BTreeMap::new(),
        webhooks: None,
        policy: Default::default(),
    };
    let connections = BTreeMap::from([(
        connection.to_owned(),
        Connection { connector: "pay".to_owned(), config: Default::default() },
    )]);
    Plan { connections, connectors: BTreeMap::from([("pay".to_owned(), std::sync::Arc::new(connector))]), ..plan }
}

/// A flow on the webhook `paid` of the connection `payments`, which returns the payment's id. Events are known by their
/// id, as the connector declares.
pub(super) fn on_paid(flow: &str, secret: &str) -> Arc<Plan> {
    let types = Types(BTreeMap::from([
        ("pay.Event".to_owned(), record(&[("id", Type::String), ("data", Type::Named("pay.Data".to_owned()))]).into()),
        ("pay.Data".to_owned(), record(&[("payment", Type::String), ("amount", Type::Int)]).into()),
    ]));
    let payload = Type::Named("pay.Event".to_owned());
    let is_paid =
        Expr::Binary(BinaryOp::Equal, Box::new(member(Expr::Ambient(Ambient::Body), "type")), Box::new(text("paid")));
    let webhook = WebhookTrigger {
        doc: String::new(),
        payload: payload.clone(),
        webhook: Expr::Ambient(Ambient::Body),
        each: false,
        when: Some(is_paid),
        verify: None,
        dedupe: Some(member(Expr::Ambient(Ambient::Item), "id")),
        events: Vec::new(),
        answer: None,
        order: None,
        poll: None,
    };
    let kind = TriggerKind::Webhook {
        connection: "payments".to_owned(),
        trigger: "paid".to_owned(),
        verify: Some(stripe_signature(secret)),
    };
    let body = vec![NodeKind::Return(member(EVENT, "data.payment"))];
    Arc::new(with_webhook(plan(flow, vec![trigger(kind, payload)], body), "payments", "paid", webhook, types))
}

/// A flow on the webhook `changed` of the connection `crm`, which comes with a list of events: `webhook: each body`,
/// `when: .kind == "changed"`.
pub(super) fn on_each_change(flow: &str) -> Arc<Plan> {
    let types = Types(BTreeMap::from([(
        "pay.Change".to_owned(),
        record(&[("id", Type::Int), ("contact", Type::String)]).into(),
    )]));
    let payload = Type::Named("pay.Change".to_owned());
    let is_change = Expr::Binary(
        BinaryOp::Equal,
        Box::new(member(Expr::Ambient(Ambient::Item), "kind")),
        Box::new(text("changed")),
    );
    let webhook = WebhookTrigger {
        doc: String::new(),
        payload: payload.clone(),
        webhook: Expr::Ambient(Ambient::Body),
        each: true,
        when: Some(is_change),
        verify: None,
        dedupe: None,
        events: Vec::new(),
        answer: None,
        order: None,
        poll: None,
    };
    let kind = TriggerKind::Webhook { connection: "crm".to_owned(), trigger: "changed".to_owned(), verify: None };
    let trigger = Trigger { dedupe: dedupe(member(EVENT, "id")), ..trigger(kind, payload) };
    let body = vec![NodeKind::Return(member(EVENT, "contact"))];
    Arc::new(with_webhook(plan(flow, vec![trigger], body), "crm", "changed", webhook, types))
}
