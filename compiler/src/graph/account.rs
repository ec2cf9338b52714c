//! What does it take to connect a connection, and to show that its credential works?
//!
//! In: the names of a program and its plans. Out: for each connection that is declared or used a plan that no flow runs: its configuration, and its connector cut
//! down to the operations that this takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flow_model::{
    plan::{Plan, SourceMap, VERSION},
    ty::Type,
};
use indexmap::IndexMap;
use petgraph::graph::DiGraph;

use super::content::{self, Cuts};
use crate::{
    ast::Item,
    names::{Names, Unit},
    types::Definitions,
};

/// A plan for each connection, by name. A connector's default connection is one where a flow uses it.
pub(crate) fn accounts(
    names: &Names<'_>,
    definitions: &Definitions,
    units: &[Unit],
    plans: &BTreeMap<String, (Plan, SourceMap)>,
) -> BTreeMap<String, Plan> {
    let items = units.iter().flat_map(|unit| &unit.ast.items);
    let declared = items.filter_map(|item| match item {
        Item::Connection(connection) => Some(connection.name.text.as_str()),
        _ => None,
    });
    let used = plans.values().flat_map(|(plan, _)| plan.connections.keys());
    let wanted: BTreeSet<&str> = declared.chain(used.map(String::as_str)).collect();
    let mut cuts = Cuts::default();
    let mut accounts = BTreeMap::new();
    for (name, info) in names.connections.iter().filter(|(name, _)| wanted.contains(name.as_str())) {
        let Some(connector) = names.connectors.get(&info.connector) else { continue };
        let probe = connector.schema.http.as_ref().and_then(|http| http.probe.clone());
        let operations: BTreeSet<String> = probe.into_iter().collect();
        let used = BTreeMap::from([(name.clone(), operations)]);
        let mut plan = content::complete(empty(), names, definitions, &used, &mut cuts);
        for setting in info.plan.config.values() {
            plan.secrets.extend(content::secrets(names, definitions, setting));
        }
        plan.secrets.sort();
        plan.secrets.dedup();
        accounts.insert(name.clone(), plan);
    }
    accounts
}

/// A plan for each connection whose connector can set its webhooks up, by name.
pub(crate) fn hooks(
    names: &Names<'_>,
    definitions: &Definitions,
    accounts: &BTreeMap<String, Plan>,
) -> BTreeMap<String, Plan> {
    let mut cuts = Cuts::default();
    let mut hooks = BTreeMap::new();
    for name in accounts.keys() {
        let Some(info) = names.connections.get(name) else { continue };
        let Some(webhooks) = names.connectors.get(&info.connector).and_then(|found| found.schema.webhooks.clone())
        else {
            continue;
        };
        let operations = webhooks.operations().map(str::to_owned).collect();
        let used = BTreeMap::from([(name.clone(), operations)]);
        let mut plan = content::complete(empty(), names, definitions, &used, &mut cuts);
        let mut expressions = Vec::new();
        webhooks.each_expr(&mut |expr| expressions.push(expr));
        let (functions, types) = content::referred(names, definitions, expressions.iter().copied());
        for expr in expressions {
            plan.secrets.extend(content::secrets(names, definitions, expr));
        }
        plan.secrets.sort();
        plan.secrets.dedup();
        plan.functions.extend(functions);
        if let Some(connector) = plan.connectors.get_mut(&info.connector) {
            let connector = Arc::make_mut(connector);
            for (name, ty) in types.0 {
                connector.types.0.entry(name).or_insert(ty);
            }
            connector.webhooks = Some(webhooks);
        }
        hooks.insert(name.clone(), plan);
    }
    hooks
}

fn empty() -> Plan {
    Plan {
        version: VERSION,
        flow: String::new(),
        doc: String::new(),
        params: IndexMap::new(),
        triggers: Vec::new(),
        result: Type::Null,
        errors: Vec::new(),
        graph: DiGraph::new(),
        entry: None,
        connections: BTreeMap::new(),
        connectors: BTreeMap::new(),
        functions: BTreeMap::new(),
        types: Default::default(),
        secrets: Vec::new(),
        personal: Default::default(),
    }
}
