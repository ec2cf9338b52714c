//! What does a field hold when nothing is given?
//!
//! In: all fields with a default, with the types of all fields known. Out: the expressions of the defaults.

use std::collections::BTreeMap;

use flow_model::{diagnostic::Diagnostic, expr::Expr, span::Span};

use super::{
    Names,
    load::{Origin, Unit},
    ty::out_of_bounds,
    walk::{self, Visitor},
};
use crate::{
    ast::{Field, Item},
    types::{Definitions, Elaborator},
};

/// How often defaults are computed anew because others, of the records that they make, were not known before. A chain
/// of defaults that make records by defaults is not deeper than this in a program that a person wrote.
const ROUNDS: usize = 4;

/// Computes [`Names::defaults`].
///
/// A default may be a record that leaves out fields with defaults of their own, so they are computed until nothing
/// changes; only the last round reports. After each, `again` reads the headers of the program's items that have any.
pub(super) fn defaults<'a>(
    names: &mut Names<'a>,
    units: &'a [Unit],
    known: &Definitions,
    problems: &mut Vec<Diagnostic>,
    mut again: impl FnMut(&mut Names<'a>, &[&'a Item]),
) {
    let mut found = Defaults { fields: Vec::new(), within: None };
    let mut items: Vec<&Item> = Vec::new();
    for item in units.iter().filter(|unit| unit.origin == Origin::Program).flat_map(|unit| &unit.ast.items) {
        found.within = match item {
            Item::Connector(connector) => Some(&connector.name.text),
            _ => None,
        };
        let before = found.fields.len();
        walk::item(item, &mut found);
        if found.fields.len() > before {
            items.push(item);
        }
    }
    for unit in units {
        if let Origin::Connector(name) = &unit.origin {
            found.within = Some(name);
            unit.ast.items.iter().for_each(|item| walk::item(item, &mut found));
        }
    }
    for round in 1..=ROUNDS {
        // Constants are understood anew too, since they may be records that leave fields out.
        let definitions = known.anew();
        let mut computed = BTreeMap::new();
        let mut reported = Vec::new();
        for (field, within) in &found.fields {
            computed.extend(default(names, field, *within, &definitions, &mut reported));
        }
        let settled = computed == names.defaults;
        names.defaults = computed;
        again(names, &items);
        if settled || round == ROUNDS {
            problems.extend(reported);
            return;
        }
    }
}

fn default(
    names: &Names<'_>,
    field: &Field,
    within: Option<&str>,
    definitions: &Definitions,
    problems: &mut Vec<Diagnostic>,
) -> Option<(Span, Expr)> {
    let written = field.default.as_ref()?;
    // What is wrong with the type was reported where the field is declared.
    let declared = names.field("parameter", field, within, &mut Vec::new());
    let mut elaborator = Elaborator::new(names, definitions);
    elaborator.unbound = Some("a default stands for itself: write a literal, or name a constant");
    if let Some(connector) = within {
        elaborator = elaborator.within(connector);
    }
    let value = elaborator.expr(written, Some(&declared.ty)).expr;
    if let Expr::Literal(value) = &value {
        problems.extend(out_of_bounds(&field.name.text, &declared.bounds, value, written.span, None));
    }
    problems.append(&mut elaborator.finish());
    Some((field.span, value))
}

/// Collects fields that have a default.
struct Defaults<'a> {
    fields: Vec<(&'a Field, Option<&'a str>)>,
    within: Option<&'a str>,
}

impl<'a> Visitor<'a> for Defaults<'a> {
    fn field(&mut self, field: &'a Field) {
        if field.default.is_some() {
            self.fields.push((field, self.within));
        }
    }
}
