//! Is each name written in the style of its kind?
//!
//! In: the files of the program. Out: a diagnostic for each name that is not: values `snake_case`, types `PascalCase`.

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
        walk::item(item, &mut Bindings { problems });
    }
}

fn noun(kind: ItemKind) -> &'static str {
    kind.spoken().split_once(' ').map_or("name", |(_, noun)| noun)
}

/// Checks the names within an item that are not those of bindings.
fn inner(item: &Item, problems: &mut Vec<Diagnostic>) {
    match item {
        Item::Enum(declared) => {
            problems.extend(declared.variants.iter().filter_map(|name| check(name, Case::Pascal, "variant")));
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

struct Bindings<'p> {
    problems: &'p mut Vec<Diagnostic>,
}

impl<'a> Visitor<'a> for Bindings<'_> {
    fn field(&mut self, field: &'a Field) {
        let problem = check(&field.name, Case::Snake, "field");
        self.problems.extend(problem.map(|problem| match &field.json_name {
            Some(_) => problem,
            None => {
                let help = format!(
                    "write `{}`; if it has that name in JSON, add `from \"{}\"` after its type",
                    snake(&field.name.text),
                    field.name.text
                );
                problem.help(help)
            }
        }));
    }

    fn param(&mut self, param: &'a Field) {
        self.problems.extend(check(&param.name, Case::Snake, "parameter"));
    }

    fn binding(&mut self, name: &'a Ident) {
        self.problems.extend(check(name, Case::Snake, "name"));
    }
}

fn check(name: &Ident, case: Case, what: &str) -> Option<Diagnostic> {
    let text = name.text.as_str();
    let is_right = match case {
        Case::Snake => is_snake(text),
        Case::Pascal => is_pascal(text),
    };
    if is_right || text.is_empty() {
        return None;
    }
    let (style, right) = match case {
        Case::Snake => ("snake_case", snake(text)),
        Case::Pascal => ("PascalCase", pascal(text)),
    };
    let message = format!("the {what} `{text}` is not written in `{style}`");
    Some(Diagnostic::new(Code::E0204, message, name.span, "this name").help(format!("write `{right}`")))
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
