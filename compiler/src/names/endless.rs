//! Which types have no value?
//!
//! In: the types of the program. Out: a diagnostic for each group of types that hold one another without end: a record
//! in itself, without a list, a map or null in between. The greatest set of types that can't be built is what is left
//! when those are taken out, again and again, whose parts can all be built.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    ty::{Type, TypeDef},
};

use super::Names;

/// Reports the types that can't be built.
pub(super) fn endless(names: &Names<'_>) -> Vec<Diagnostic> {
    let mut endless: BTreeSet<&str> = names.types.0.keys().map(String::as_str).collect();
    loop {
        let before = endless.len();
        let buildable: Vec<&str> = endless.iter().copied().filter(|name| is_buildable(names, name, &endless)).collect();
        for name in buildable {
            endless.remove(name);
        }
        if endless.len() == before {
            break;
        }
    }
    let mut problems = Vec::new();
    let mut reported: BTreeSet<&str> = BTreeSet::new();
    for name in &endless {
        let Some(circle) = circle(names, name, &endless) else { continue };
        if circle.iter().any(|(part, _)| reported.contains(part.as_str())) {
            continue;
        }
        problems.extend(problem(names, name, &circle));
        for (part, _) in &circle {
            reported.extend(endless.get(part.as_str()));
        }
    }
    problems
}

fn is_buildable(names: &Names<'_>, name: &str, endless: &BTreeSet<&str>) -> bool {
    let needs = |ty: &Type| holds(ty).iter().any(|(held, _)| endless.contains(held.as_str()));
    match names.types.get(name) {
        Some(TypeDef::Record(fields) | TypeDef::Error(fields)) => !fields.values().any(|field| needs(&field.ty)),
        Some(TypeDef::Union { cases, .. }) => cases.is_empty() || !cases.values().all(needs),
        Some(TypeDef::Enum(_)) | None => true,
    }
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

/// The way from a type through endless types back to it: each type with the field that leads on.
fn circle(names: &Names<'_>, start: &str, endless: &BTreeSet<&str>) -> Option<Vec<(String, String)>> {
    // Breadth first, so that the way is a shortest one.
    let mut came_from: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start.to_owned()]);
    while let Some(name) = open.pop_front() {
        for (field, held) in parts(names, &name) {
            if !endless.contains(held.as_str()) || came_from.contains_key(&held) {
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

fn problem(names: &Names<'_>, name: &str, circle: &[(String, String)]) -> Option<Diagnostic> {
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
