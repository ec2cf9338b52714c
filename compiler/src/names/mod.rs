//! What does each name of the program mean?
//!
//! In: the files of the program and of the connectors in use. Out: [`Names`], the tables that later passes look names
//! up in. All files of a program share one namespace, so a name means the same wherever it can be seen; which names a
//! file sees is decided by its `use` items. Left out on purpose: the names within bodies (bindings, steps, parameters),
//! which belong to [`crate::types`].

mod declare;
mod defaults;
mod elsewhere;
mod endless;
pub(crate) mod foreign;
mod header;
mod load;
mod mention;
mod path;
mod style;
mod suggest;
mod tag;
mod ty;
pub(crate) mod walk;

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::Diagnostic,
    expr::Expr,
    failure::ErrorKind,
    plan::{self, Policy},
    schema,
    span::{FileId, Span},
    ty::{Field, Type, Types},
};
use indexmap::IndexMap;

pub(crate) use declare::{ItemKind, declared};
pub(crate) use elsewhere::elsewhere;
pub(crate) use load::{Origin, Unit, beside, load};
pub(crate) use mention::unused;
pub(crate) use path::{chain, fits};
pub(crate) use suggest::{begin_suggesting, duplicate, is_worth_it, repeated, similar, unknown};
pub(crate) use ty::{built_in_types, literal, out_of_bounds};

use crate::{ast, project::InForce, schema as declaration, types::Definitions};

/// What each name of the program means.
///
/// A table holds the first declaration of a name; a second one was reported.
#[derive(Default)]
pub(crate) struct Names<'a> {
    /// Records, enums, unions and errors: `Order`, and `stripe.PaymentIntent` for connectors in use.
    pub types: Types,
    /// Where each named type is declared: its name there.
    pub type_spans: BTreeMap<String, Span>,
    /// Where each field, variant or case of a named type is declared: its name there.
    pub field_spans: BTreeMap<(String, String), Span>,
    /// Events, which are types as well: where each is declared, its name there. The whole program knows them.
    pub events: BTreeMap<String, Span>,
    /// Connectors in use.
    pub connectors: BTreeMap<String, ConnectorInfo<'a>>,
    /// Connections, and the default connection of each connector in use that no connection of its name replaces.
    pub connections: BTreeMap<String, ConnectionInfo>,
    /// Policies.
    pub policies: BTreeMap<String, PolicyInfo>,
    /// Constants.
    pub consts: BTreeMap<String, ConstInfo<'a>>,
    /// Functions.
    pub functions: BTreeMap<String, FnInfo<'a>>,
    /// Flows, in order of their names.
    pub flows: BTreeMap<String, FlowInfo<'a>>,
    /// The default of each field that has one, by the field's span. Types are read before defaults can be, so this is
    /// how [`Names::ty`] knows them the second time.
    pub defaults: BTreeMap<Span, Expr>,
    /// The names that each file sees: its own items, what it takes from other files, its connectors.
    pub visible: BTreeMap<FileId, BTreeSet<String>>,
    /// What each item of the program is, and where its name stands.
    pub items: BTreeMap<String, (ItemKind, Span)>,
    /// Where each connector in use is declared: its name there.
    pub connector_spans: BTreeMap<String, Span>,
    /// Names that could not be taken from where they should come, which was reported: nothing is known of them, and they
    /// are never reported again.
    pub broken: BTreeSet<String>,
}

/// Finds out what each name of the program means.
pub(crate) fn names<'a>(
    units: &'a [Unit],
    definitions: &Definitions,
    project: &InForce<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Names<'a> {
    let mut names = Names::default();
    let connectors = declare::declare(&mut names, units, problems);
    header::type_names(&mut names, units, &connectors, problems);
    header::headers(&mut names, units, &connectors, problems);
    let endless = endless::endless(&names);
    defaults::defaults(&mut names, units, definitions, problems, |names, items| {
        header::again(names, items, &connectors);
    });
    problems.extend(endless);
    problems.extend(tag::tags(&names));
    for (name, used) in &connectors {
        declaration::connector(&mut names, name, used.ast, definitions, problems);
    }
    declaration::policies(&mut names, units, problems);
    declaration::connections(
        &mut names,
        units,
        &connectors.iter().map(|(name, used)| (name.as_str(), used.used_at)).collect(),
        definitions,
        project,
        problems,
    );
    style::style(units, problems);
    names
}

impl Names<'_> {
    /// Says whether a file sees an item or connector of that name.
    pub(crate) fn sees(&self, file: FileId, name: &str) -> bool {
        self.visible.get(&file).is_some_and(|names| names.contains(name))
    }
}

/// A connector in use.
pub(crate) struct ConnectorInfo<'a> {
    /// What it declares, checked.
    pub schema: schema::Connector,
    /// What it declares, as written.
    pub ast: &'a ast::Connector,
    /// Its name where it is declared.
    pub span: Span,
    /// Where the parts of its operations are declared.
    pub operations: BTreeMap<String, OperationSpans>,
    /// Where its triggers are declared: their names.
    pub triggers: BTreeMap<String, Span>,
    /// Where its configuration fields are declared: their names.
    pub config: BTreeMap<String, Span>,
}

/// Where the parts of an operation are declared, for labels that name a cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationSpans {
    /// Its name.
    pub name: Span,
    /// `effect: create`
    pub effect: Option<Span>,
    /// `deprecated: "…"`
    pub deprecated: Option<Span>,
    /// The type of its result.
    pub result: Option<Span>,
    /// The names of its parameters.
    pub params: BTreeMap<String, Span>,
}

/// A connection.
pub(crate) struct ConnectionInfo {
    /// The connector's name; a key of [`Names::connectors`] unless the connector is unknown, which was reported.
    pub connector: String,
    /// The connector and the configuration, as plans hold them.
    pub plan: plan::Connection,
    /// The policy of its `with` clauses over the connector's.
    pub policy: Policy,
    /// Its name where it is declared; for a default connection the name in `use`.
    pub span: Span,
    /// The `with` or `retry` that makes it retry.
    pub retry_span: Option<Span>,
    /// Where the values of its settings stand, of those that are set.
    pub settings: BTreeMap<String, Span>,
    /// Whether it is marked `@pii`: personal data may go there.
    pub personal: bool,
}

/// A policy.
pub(crate) struct PolicyInfo {
    /// What it says.
    pub policy: Policy,
    /// Its entry `retry`.
    pub retry_span: Option<Span>,
}

/// A constant.
pub(crate) struct ConstInfo<'a> {
    /// The type as written; without one it follows from the value.
    pub ty: Option<Type>,
    /// As written.
    pub ast: &'a ast::Const,
}

/// A function.
pub(crate) struct FnInfo<'a> {
    /// Its parameters, in order.
    pub params: IndexMap<String, Field>,
    /// The type of its result as written; without one it follows from the body.
    pub result: Option<Type>,
    /// As written.
    pub ast: &'a ast::Function,
}

/// A flow.
pub(crate) struct FlowInfo<'a> {
    /// Its parameters, in order.
    pub params: IndexMap<String, Field>,
    /// The type of its result as written; without one it follows from the body.
    pub result: Option<Type>,
    /// The errors after `fails` with their places; without them they follow from the body.
    pub fails: Option<Vec<(ErrorKind, Span)>>,
    /// As written.
    pub ast: &'a ast::Flow,
}
