//! Is each name written in the style of its kind?
//!
//! In: the files of the program. Out: a diagnostic for each name that is not: values `snake_case`, types `PascalCase`. The
//! variants of an enum have one together, and so have the fields of an item: who names one in another style names all so.

use flow_model::diagnostic::{Code, Diagnostic};

use super::{
    ItemKind, declare,
    load::Unit,
    walk::{self, Visitor},
};
use crate::ast::{Field, Ident, Item};

/// How a name is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Snake,
    Pascal,
}

/// Checks all names that are declared.
pub(super) fn style(units: &[Unit], problems: &mut Vec<Diagnostic>) {
    for item in units.iter().flat_map(|unit| &unit.ast.items) {
        if let Some((kind, name)) = declare::declared(item) {
            let is_type = matches!(kind, ItemKind::Record | ItemKind::Enum | ItemKind::Union | ItemKind::Error);
            let case = if is_type { Case::Pascal } else { Case::Snake };
            problems.extend(check(name, case, noun(kind)));
        }
        inner(item, problems);
        let mut bindings = Bindings { fields: Vec::new(), problems };
        walk::item(item, &mut bindings);
        let help = |right: &str, written: &str| match bindings.fields.as_slice() {
            [_] => format!("write {right}; if it has that name in JSON, add `from \"{written}\"` after its type"),
            _ => format!(
                "write {right}; if they have these names in JSON, add `from \"{written}\"` after the type, and so on"
            ),
        };
        let problem = together(&bindings.fields, Case::Snake, "field", help);
        problems.extend(problem);
    }
}

fn noun(kind: ItemKind) -> &'static str {
    kind.spoken().split_once(' ').map_or("name", |(_, noun)| noun)
}

/// Checks the names within an item that are not those of bindings.
fn inner(item: &Item, problems: &mut Vec<Diagnostic>) {
    match item {
        Item::Enum(declared) => {
            let wrong: Vec<&Ident> = declared.variants.iter().filter(|name| !is_right(name, Case::Pascal)).collect();
            problems.extend(together(&wrong, Case::Pascal, "variant", |right, _| format!("write {right}")));
        }
        Item::Event(declared) => {
            problems.extend(declared.name.parts.iter().filter_map(|name| check(name, Case::Snake, "event")));
        }
        Item::Connector(declared) => {
            for ty in &declared.types {
                if let Some((kind, name)) = declare::declared(ty) {
                    problems.extend(check(name, Case::Pascal, noun(kind)));
                }
                inner(ty, problems);
            }
            let operations = declared.operations.iter().flat_map(|operation| &operation.name.parts);
            problems.extend(operations.filter_map(|name| check(name, Case::Snake, "operation")));
            let types = declared.operations.iter().flat_map(|operation| &operation.types);
            problems.extend(types.filter_map(|name| check(name, Case::Pascal, "type")));
            let triggers = declared.triggers.iter().flat_map(|trigger| &trigger.name.parts);
            problems.extend(triggers.filter_map(|name| check(name, Case::Snake, "trigger")));
            let verifications = declared.verifications.iter().map(|verification| &verification.name);
            problems.extend(verifications.filter_map(|name| check(name, Case::Snake, "verification")));
            let challenges = declared.challenges.iter().map(|challenge| &challenge.name);
            problems.extend(challenges.filter_map(|name| check(name, Case::Snake, "challenge")));
        }
        _ => {}
    }
}

struct Bindings<'a, 'p> {
    /// The fields whose names are not right and that have no other in JSON.
    fields: Vec<&'a Ident>,
    problems: &'p mut Vec<Diagnostic>,
}

impl<'a> Visitor<'a> for Bindings<'a, '_> {
    fn field(&mut self, field: &'a Field) {
        match &field.json_name {
            Some(_) => self.problems.extend(check(&field.name, Case::Snake, "field")),
            None if is_right(&field.name, Case::Snake) => {}
            None => self.fields.push(&field.name),
        }
    }

    fn param(&mut self, param: &'a Field) {
        self.problems.extend(check(&param.name, Case::Snake, "parameter"));
    }

    fn binding(&mut self, name: &'a Ident) {
        self.problems.extend(check(name, Case::Snake, "name"));
    }
}

fn check(name: &Ident, case: Case, what: &str) -> Option<Diagnostic> {
    let wrong: &[&Ident] = if is_right(name, case) { &[] } else { &[name] };
    together(wrong, case, what, |right, _| format!("write {right}"))
}

fn is_right(name: &Ident, case: Case) -> bool {
    let text = name.text.as_str();
    text.is_empty()
        || match case {
            Case::Snake => is_snake(text),
            Case::Pascal => is_pascal(text),
        }
}

/// Reports names of one kind that are not right. `help` is told how they are written, in backticks, and the first of them
/// as it is.
fn together(wrong: &[&Ident], case: Case, what: &str, help: impl FnOnce(&str, &str) -> String) -> Option<Diagnostic> {
    const MOST: usize = 6;
    let (first, rest) = wrong.split_first()?;
    let (style, right): (&str, fn(&str) -> String) = match case {
        Case::Snake => ("snake_case", snake),
        Case::Pascal => ("PascalCase", pascal),
    };
    let list = |name: &dyn Fn(&str) -> String| {
        let mut names: Vec<String> = wrong.iter().take(MOST).map(|one| format!("`{}`", name(&one.text))).collect();
        names.extend((wrong.len() > MOST).then(|| "…".to_owned()));
        names.join(", ")
    };
    let message = match rest {
        [] => format!("the {what} `{}` is not written in `{style}`", first.text),
        _ => format!("the {what}s {} are not written in `{style}`", list(&str::to_owned)),
    };
    let mut problem = Diagnostic::new(Code::E0204, message, first.span, "this name");
    for other in rest.iter().take(MOST - 1) {
        problem = problem.label(other.span, "this name");
    }
    Some(problem.help(help(&list(&right), &first.text)))
}

fn is_snake(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_uppercase())
}

fn is_pascal(text: &str) -> bool {
    text.starts_with(|first: char| first.is_uppercase()) && !text.contains('_')
}

fn snake(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after_lower = before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit());
        let word_begins = before.is_some_and(|before| before.is_uppercase())
            && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_lower || word_begins) {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

fn pascal(text: &str) -> String {
    let words = text.split('_').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
            format!("{first}{}", letters.as_str())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_into_the_style_of_their_kind() {
        for (wrong, right) in [("orderId", "order_id"), ("HTTPStatus", "http_status"), ("a1B", "a1_b"), ("X", "x")] {
            assert_eq!((is_snake(wrong), snake(wrong).as_str()), (false, right));
            assert!(is_snake(right));
        }
        for (wrong, right) in [("order", "Order"), ("order_line", "OrderLine"), ("Order_Line", "OrderLine")] {
            assert_eq!((is_pascal(wrong), pascal(wrong).as_str()), (false, right));
            assert!(is_pascal(right));
        }
    }
}
