//! Which types have no value?
//!
//! In: the types of the program. Out: a diagnostic for each group of types that hold one another without end: a record
//! in itself, without a list, a map or null in between.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    ty::{Type, TypeDef},
};
use petgraph::{
    algo::kosaraju_scc,
    graph::{DiGraph, NodeIndex},
};

use super::Names;

/// Reports the types that can't be built.
pub(super) fn endless(names: &Names<'_>) -> Vec<Diagnostic> {
    let endless = unbuildable(names);
    let mut graph: DiGraph<&str, ()> = DiGraph::new();
    let nodes: BTreeMap<&str, NodeIndex> = endless.iter().map(|name| (*name, graph.add_node(*name))).collect();
    for (name, node) in &nodes {
        for (_, held) in parts(names, name) {
            if let Some(held) = nodes.get(held.as_str()) {
                graph.add_edge(*node, *held, ());
            }
        }
    }
    let mut problems = Vec::new();
    // Kosaraju's algorithm, since Tarjan's in petgraph takes a stack as deep as the chain of types is long.
    for group in kosaraju_scc(&graph) {
        let group: BTreeSet<&str> = group.iter().filter_map(|node| graph.node_weight(*node).copied()).collect();
        let first = group.iter().min_by_key(|name| names.type_spans.get(**name));
        // A type that is in no circle only holds one that is.
        if let Some(circle) = first.and_then(|first| circle(names, first, &group)) {
            problems.extend(problem(names, &circle));
        }
    }
    problems
}

/// The types that can't be built. Those that can are found first: types whose parts can all be built, again and again.
fn unbuildable<'n>(names: &'n Names<'_>) -> BTreeSet<&'n str> {
    // A record is built in one way, a union in one for each case. Each way waits for the types that it holds.
    let mut ways: Vec<(&str, usize)> = Vec::new();
    let mut waiting: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut built = Vec::new();
    let mut add = |name: &'n str, held: BTreeSet<String>| {
        if held.is_empty() {
            built.push(name);
        }
        ways.push((name, held.len()));
        for held in held {
            waiting.entry(held).or_default().push(ways.len() - 1);
        }
    };
    let known = |ty: &Type| holds(ty).into_iter().map(|(held, _)| held).filter(|held| names.types.get(held).is_some());
    for (name, def) in &names.types.0 {
        match &**def {
            TypeDef::Record(fields) | TypeDef::Error(fields) => {
                add(name, fields.values().flat_map(|field| known(&field.ty)).collect());
            }
            TypeDef::Union { cases, .. } if !cases.is_empty() => {
                cases.values().for_each(|case| add(name, known(case).collect()));
            }
            TypeDef::Union { .. } | TypeDef::Enum(_) => add(name, BTreeSet::new()),
        }
    }
    let mut endless: BTreeSet<&str> = names.types.0.keys().map(String::as_str).collect();
    while let Some(name) = built.pop() {
        if !endless.remove(name) {
            continue;
        }
        for way in waiting.remove(name).unwrap_or_default() {
            let Some((name, missing)) = ways.get_mut(way) else { continue };
            *missing -= 1;
            if *missing == 0 {
                built.push(*name);
            }
        }
    }
    endless
}

/// The named types of which a value of this type always holds one, with the way to them within the type.
fn holds(ty: &Type) -> Vec<(String, String)> {
    match ty {
        Type::Named(name) => vec![(name.clone(), String::new())],
        Type::Record(fields) => fields
            .iter()
            .flat_map(|(field, part)| {
                holds(&part.ty).into_iter().map(move |(held, rest)| (held, format!(".{field}{rest}")))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The shortest way from a type through others of its group back to it: each type with the field that leads on.
fn circle(names: &Names<'_>, start: &str, group: &BTreeSet<&str>) -> Option<Vec<(String, String)>> {
    // Breadth first, so that the way is a shortest one.
    let mut came_from: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start.to_owned()]);
    while let Some(name) = open.pop_front() {
        for (field, held) in parts(names, &name) {
            if !group.contains(held.as_str()) || came_from.contains_key(&held) {
                continue;
            }
            came_from.insert(held.clone(), (name.clone(), field));
            if held == start {
                let mut way = Vec::new();
                let mut at = held;
                while let Some((from, field)) = came_from.get(&at).cloned() {
                    way.push((from.clone(), field));
                    if from == start {
                        break;
                    }
                    at = from;
                }
                way.reverse();
                return Some(way);
            }
            open.push_back(held);
        }
    }
    None
}

/// The fields or cases of a type, each with a type that it holds.
fn parts(names: &Names<'_>, name: &str) -> Vec<(String, String)> {
    let parts: Vec<(&String, &Type)> = match names.types.get(name) {
        Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => {
            fields.iter().map(|(field, part)| (field, &part.ty)).collect()
        }
        Some(TypeDef::Union { cases, .. }) => cases.iter().collect(),
        Some(TypeDef::Enum(_)) | None => Vec::new(),
    };
    parts.into_iter().flat_map(|(part, ty)| holds(ty).into_iter().map(|(held, _)| (part.clone(), held))).collect()
}

fn problem(names: &Names<'_>, circle: &[(String, String)]) -> Option<Diagnostic> {
    let (name, _) = circle.first()?;
    let span = names.type_spans.get(name)?;
    let through: Vec<String> = circle.iter().skip(1).map(|(part, _)| format!("`{part}`")).collect();
    let message = match through.as_slice() {
        [] => format!("a value of `{name}` would hold another `{name}` without end"),
        _ => format!(
            "a value of `{name}` would hold {}, which holds another `{name}`, without end",
            through.join(", which holds ")
        ),
    };
    let mut problem = Diagnostic::new(Code::E0213, message, *span, "has no value");
    for (part, field) in circle {
        if let Some(span) = names.field_spans.get(&(part.clone(), field.clone())) {
            problem = problem.label(*span, "always there");
        }
    }
    let field = circle.last().map_or("", |(_, field)| field);
    Some(problem.help(format!("make `{field}` optional with `?`, or a `List`")))
}
