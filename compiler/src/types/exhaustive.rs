//! Does a `match` take every value, and does each arm take one that is left?
//!
//! In: the type and the patterns, without those that a guard may refuse. Out: examples of what is missing, written as
//! patterns; and whether a pattern takes anything that others do not. The method is that of L. Maranget, "Warnings for
//! pattern matching" (Journal of Functional Programming, 2007): columns are split by the shapes that their type has.
//! Ranges cut what has an order into stretches. Free text has no end of shapes, so literals of it never add up to everything.

use std::cmp::Ordering;

use flow_model::{
    expr::Pattern,
    ty::{Type, TypeDef, Types},
    value::Value,
};

use super::stretch::Stretch;

/// At most as many examples of what is missing are given.
const MOST_EXAMPLES: usize = 4;
/// A bound on the work, for patterns that were written to take long; beyond it nothing is reported.
const MOST_STEPS: u32 = 50_000;

/// Examples of values that no pattern takes.
pub(super) fn missing(types: &Types, ty: &Type, patterns: &[&Pattern]) -> Vec<String> {
    let rows: Vec<Vec<&Pattern>> = patterns.iter().map(|pattern| vec![*pattern]).collect();
    let mut search = Search { types, steps: 0 };
    // Each shape of the outermost type is asked for by itself, so that all missing texts are named at once.
    let shapes = search.shapes(ty, &rows);
    let mut found = Vec::new();
    let mut open: Vec<Stretch> = Vec::new();
    for shape in &shapes {
        let example = search.uncovered(shape, &rows, &[], ty);
        match (shape, example) {
            (Shape::Stretch(stretch), Some(_)) => open.push(stretch.clone()),
            (_, example) => {
                found.append(&mut Stretch::joined(&std::mem::take(&mut open), ty.non_null()));
                found.extend(example.and_then(|example| example.first().cloned()));
            }
        }
        if found.len() >= MOST_EXAMPLES {
            break;
        }
    }
    found.append(&mut Stretch::joined(&open, ty.non_null()));
    found
}

/// Says whether a pattern takes a value that none of the others takes.
pub(super) fn takes_more(types: &Types, ty: &Type, others: &[&Pattern], pattern: &Pattern) -> bool {
    let rows: Vec<Vec<&Pattern>> = others.iter().map(|other| vec![*other]).collect();
    Search { types, steps: 0 }.useful(&rows, &[pattern], std::slice::from_ref(ty))
}

/// What values of a type can look like, seen from outside.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Null,
    Bool(bool),
    /// One of the texts of an enum or of alternatives.
    Text(String),
    /// A case of a union.
    Case(String),
    /// A record, seen by these fields.
    Record(Vec<String>),
    /// A list of that many items.
    List(usize),
    /// A list of more than that many items.
    Longer(usize),
    /// A stretch of what has an order.
    Stretch(Stretch),
    /// Everything that has no shape of its own.
    Rest,
}

struct Search<'t> {
    types: &'t Types,
    steps: u32,
}

impl<'t> Search<'t> {
    fn tired(&mut self) -> bool {
        self.steps += 1;
        self.steps > MOST_STEPS
    }

    /// All shapes of a type, as fine as the patterns in the first column tell them apart.
    fn shapes(&self, ty: &Type, rows: &[Vec<&Pattern>]) -> Vec<Shape> {
        let heads: Vec<&Pattern> = rows.iter().filter_map(|row| row.first()).flat_map(|head| options(head)).collect();
        match ty {
            Type::Optional(inner) => {
                let mut shapes = vec![Shape::Null];
                shapes.extend(self.shapes(inner, rows));
                shapes
            }
            Type::Null => vec![Shape::Null],
            Type::Bool => vec![Shape::Bool(true), Shape::Bool(false)],
            Type::OneOf(texts) => texts.iter().cloned().map(Shape::Text).collect(),
            Type::List(_) => {
                let most = heads.iter().filter_map(|head| match head {
                    Pattern::List { items, .. } => Some(items.len()),
                    _ => None,
                });
                let most = most.max().unwrap_or(0);
                (0..=most).map(Shape::List).chain([Shape::Longer(most)]).collect()
            }
            Type::Record(_) => vec![record_shape(&heads)],
            Type::Named(name) => match self.types.get(name) {
                Some(TypeDef::Enum(variants)) => variants.iter().cloned().map(Shape::Text).collect(),
                Some(TypeDef::Union { cases, .. }) => cases.keys().cloned().map(Shape::Case).collect(),
                Some(TypeDef::Record(_) | TypeDef::Error(_)) => vec![record_shape(&heads)],
                None => vec![Shape::Rest],
            },
            _ => {
                let stretches = Stretch::all(ty, &heads);
                if stretches.is_empty() {
                    vec![Shape::Rest]
                } else {
                    stretches.into_iter().map(Shape::Stretch).collect()
                }
            }
        }
    }

    /// The types of what is within a shape.
    fn inner_types(&self, shape: &Shape, ty: &Type) -> Vec<Type> {
        let ty = ty.non_null();
        match shape {
            Shape::Record(fields) => {
                let declared = self.types.fields(ty);
                fields
                    .iter()
                    .map(|name| {
                        declared.and_then(|declared| declared.get(name)).map_or(Type::Unknown, |field| field.ty.clone())
                    })
                    .collect()
            }
            Shape::List(count) | Shape::Longer(count) => match ty {
                Type::List(item) => vec![(**item).clone(); *count],
                _ => vec![Type::Unknown; *count],
            },
            _ => Vec::new(),
        }
    }

    /// The patterns for what is within a shape, if the pattern fits values of that shape.
    fn specialize<'p>(shape: &Shape, pattern: &'p Pattern) -> Option<Vec<&'p Pattern>> {
        let wild = |count: usize| Some(vec![&Pattern::Any; count]);
        match (shape, pattern) {
            (Shape::Record(fields), Pattern::Any | Pattern::Bind(_)) => wild(fields.len()),
            (Shape::List(count) | Shape::Longer(count), Pattern::Any | Pattern::Bind(_)) => wild(*count),
            (_, Pattern::Any | Pattern::Bind(_)) => wild(0),
            (Shape::Null, Pattern::Literal(Value::Null)) => wild(0),
            (Shape::Bool(value), Pattern::Literal(Value::Bool(literal))) if value == literal => wild(0),
            (Shape::Text(text), Pattern::Literal(Value::String(literal))) if **text == **literal => wild(0),
            (Shape::Text(text), Pattern::StartsWith(prefix)) if text.starts_with(prefix.as_str()) => wild(0),
            (Shape::Stretch(stretch), pattern) if stretch.is_in(pattern) => wild(0),
            (Shape::Case(case), Pattern::Case { tag, .. }) if case == tag => wild(0),
            (Shape::Record(names), Pattern::Record(fields)) => Some(
                names
                    .iter()
                    .map(|name| {
                        fields.iter().find(|(field, _)| field == name).map_or(&Pattern::Any, |(_, inner)| inner)
                    })
                    .collect(),
            ),
            (Shape::List(count), Pattern::List { items, rest })
                if items.len() == *count || (rest.is_some() && items.len() <= *count) =>
            {
                Some(items.iter().chain(std::iter::repeat(&Pattern::Any)).take(*count).collect())
            }
            (Shape::Longer(count), Pattern::List { items, rest: Some(_) }) if items.len() <= *count => {
                Some(items.iter().chain(std::iter::repeat(&Pattern::Any)).take(*count).collect())
            }
            _ => None,
        }
    }

    /// An example of values for all columns that no row takes.
    fn missing(&mut self, rows: &[Vec<&Pattern>], types: &[Type]) -> Option<Vec<String>> {
        if self.tired() {
            return None;
        }
        let Some((ty, rest)) = types.split_first() else {
            return rows.is_empty().then(Vec::new);
        };
        if rows.is_empty() {
            return Some(vec!["_".to_owned(); types.len()]);
        }
        // Of what was reported nothing is missing.
        if matches!(ty.non_null(), Type::Unknown | Type::Never) {
            return None;
        }
        for shape in self.shapes(ty, rows) {
            if let Some(example) = self.uncovered(&shape, rows, rest, ty) {
                return Some(example);
            }
        }
        None
    }

    /// An example whose first value has the shape.
    fn uncovered(&mut self, shape: &Shape, rows: &[Vec<&Pattern>], rest: &[Type], ty: &Type) -> Option<Vec<String>> {
        let inner = self.inner_types(shape, ty);
        let count = inner.len();
        let narrowed = narrowed(shape, rows);
        let types: Vec<Type> = inner.into_iter().chain(rest.iter().cloned()).collect();
        let mut example = self.missing(&narrowed, &types)?;
        let after = example.split_off(count.min(example.len()));
        let mut whole = vec![written(shape, &example, ty)];
        whole.extend(after);
        Some(whole)
    }

    /// Says whether the pattern row takes values that no row takes.
    fn useful(&mut self, rows: &[Vec<&Pattern>], pattern: &[&Pattern], types: &[Type]) -> bool {
        if self.tired() {
            return true;
        }
        let (Some((ty, rest_types)), Some((head, rest))) = (types.split_first(), pattern.split_first()) else {
            return rows.is_empty();
        };
        options(head).into_iter().any(|head| {
            let heads = || rows.iter().filter_map(|row| row.first()).flat_map(|head| options(head)).chain([head]);
            let has_stretches = || !Stretch::all(ty.non_null(), &heads().collect::<Vec<_>>()).is_empty();
            if self.partial(head, ty) && !has_stretches() {
                // A number or text among no end of them: only rows that take all of it count.
                let rows: Vec<Vec<&Pattern>> = rows
                    .iter()
                    .filter(|row| {
                        row.first().is_some_and(|other| options(other).into_iter().any(|other| covers(other, head)))
                    })
                    .map(|row| row.iter().skip(1).copied().collect())
                    .collect();
                return self.useful(&rows, rest, rest_types);
            }
            let mut with_head = rows.to_vec();
            with_head.push([&[head], rest].concat());
            self.shapes(ty, &with_head).into_iter().any(|shape| {
                let Some(inner) = Self::specialize(&shape, head) else { return false };
                let types: Vec<Type> =
                    self.inner_types(&shape, ty).into_iter().chain(rest_types.iter().cloned()).collect();
                let row: Vec<&Pattern> = inner.into_iter().chain(rest.iter().copied()).collect();
                self.useful(&narrowed(&shape, rows), &row, &types)
            })
        })
    }

    /// Says whether the pattern takes a part of what has no shape of its own.
    fn partial(&self, pattern: &Pattern, ty: &Type) -> bool {
        if matches!(ty.non_null(), Type::Unknown | Type::Never) {
            return !matches!(pattern, Pattern::Any | Pattern::Bind(_));
        }
        match pattern {
            Pattern::Range { .. } => true,
            Pattern::StartsWith(_) | Pattern::Literal(Value::String(_)) => {
                super::fit::texts(self.types, ty.non_null()).is_none()
            }
            Pattern::Literal(Value::Null) => !ty.is_nullable(),
            Pattern::Literal(Value::Bool(_)) => *ty.non_null() != Type::Bool,
            Pattern::Literal(_) => true,
            Pattern::Record(_) | Pattern::List { .. } => {
                matches!(ty.non_null(), Type::Json | Type::Map(_))
            }
            _ => false,
        }
    }
}

/// The rows that take values whose first one has the shape, with the patterns for what is within it.
fn narrowed<'p>(shape: &Shape, rows: &[Vec<&'p Pattern>]) -> Vec<Vec<&'p Pattern>> {
    let mut out = Vec::new();
    for row in rows {
        let Some((head, rest)) = row.split_first() else { continue };
        for option in options(head) {
            if let Some(inner) = Search::specialize(shape, option) {
                out.push(inner.into_iter().chain(rest.iter().copied()).collect());
            }
        }
    }
    out
}

/// The alternatives of a pattern, or itself.
fn options(pattern: &Pattern) -> Vec<&Pattern> {
    match pattern {
        Pattern::Either(all) => all.iter().flat_map(options).collect(),
        other => vec![other],
    }
}

/// A record as the patterns see it: by the fields that one of them names.
fn record_shape(heads: &[&Pattern]) -> Shape {
    let mut names: Vec<String> = Vec::new();
    for head in heads {
        if let Pattern::Record(fields) = head {
            for (name, _) in fields {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
    }
    Shape::Record(names)
}

/// Says whether `wide` takes everything that `narrow` takes, as far as can be seen.
fn covers(wide: &Pattern, narrow: &Pattern) -> bool {
    let least = |value: &Option<Value>, bound: &Option<Value>| match (bound, value) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(bound), Some(value)) => value.order(bound).is_some_and(Ordering::is_ge),
    };
    let most = |value: &Option<Value>, bound: &Option<Value>| match (bound, value) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(bound), Some(value)) => value.order(bound).is_some_and(Ordering::is_le),
    };
    match (wide, narrow) {
        (Pattern::Any | Pattern::Bind(_), _) => true,
        (Pattern::Range { from, to }, Pattern::Range { from: low, to: high }) => least(low, from) && most(high, to),
        (Pattern::Range { from, to }, Pattern::Literal(value)) => {
            from.as_ref().is_none_or(|from| value.order(from).is_some_and(Ordering::is_ge))
                && to.as_ref().is_none_or(|to| value.order(to).is_some_and(Ordering::is_lt))
        }
        (Pattern::Literal(wide), Pattern::Literal(narrow)) => wide.equals(narrow),
        (Pattern::StartsWith(prefix), Pattern::StartsWith(longer)) => longer.starts_with(prefix.as_str()),
        (Pattern::StartsWith(prefix), Pattern::Literal(value)) => {
            value.as_str().is_some_and(|text| text.starts_with(prefix.as_str()))
        }
        (wide, narrow) => wide == narrow,
    }
}

/// The example as a pattern that takes it.
fn written(shape: &Shape, inner: &[String], ty: &Type) -> String {
    match shape {
        Shape::Null => "null".to_owned(),
        Shape::Bool(value) => value.to_string(),
        Shape::Text(text) => match ty.non_null() {
            Type::Named(_) => text.clone(),
            _ => format!("{text:?}"),
        },
        Shape::Case(tag) => tag.clone(),
        Shape::Record(names) => {
            let fields: Vec<String> = names
                .iter()
                .zip(inner)
                .filter(|(_, example)| *example != "_")
                .map(|(name, example)| format!("{name}: {example}"))
                .collect();
            if fields.is_empty() { "_".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
        }
        Shape::List(_) => format!("[{}]", inner.join(", ")),
        Shape::Longer(0) => "[_, ...]".to_owned(),
        Shape::Longer(_) => format!("[{}, _, ...]", inner.join(", ")),
        Shape::Stretch(stretch) => stretch.written(ty.non_null()),
        Shape::Rest => "_".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow_model::ty::Field;

    fn text(text: &str) -> Pattern {
        Pattern::Literal(Value::text(text))
    }

    fn tiers() -> Type {
        Type::OneOf(vec!["a".into(), "b".into(), "c".into()])
    }

    fn left(ty: &Type, patterns: &[Pattern]) -> Vec<String> {
        missing(&Types::default(), ty, &patterns.iter().collect::<Vec<_>>())
    }

    fn more(ty: &Type, others: &[Pattern], pattern: &Pattern) -> bool {
        takes_more(&Types::default(), ty, &others.iter().collect::<Vec<_>>(), pattern)
    }

    #[test]
    fn each_missing_text_is_named() {
        assert_eq!(left(&tiers(), &[text("b")]), ["\"a\"", "\"c\""]);
        assert!(left(&tiers(), &[Pattern::Either(vec![text("a"), text("b")]), text("c")]).is_empty());
        assert!(left(&tiers(), &[text("a"), Pattern::Any]).is_empty());
        assert_eq!(left(&tiers().optional(), &[text("a"), text("b"), text("c")]), ["null"]);
        assert!(left(&tiers(), &[Pattern::StartsWith(String::new())]).is_empty());
    }

    #[test]
    fn ranges_add_up_and_free_text_needs_a_rest() {
        let all = Pattern::Range { from: None, to: None };
        assert!(left(&Type::Int, std::slice::from_ref(&all)).is_empty());
        assert_eq!(left(&Type::String, &[all]), ["_"]);
        assert_eq!(left(&Type::Int, &[Pattern::Literal(Value::Int(1))]), ["_"]);
        let low = Pattern::Range { from: None, to: Some(Value::Int(0)) };
        assert_eq!(left(&Type::Int.optional(), &[low]), ["null", "0.."]);
        assert_eq!(left(&Type::String, &[text("a")]), ["_"]);
        assert_eq!(left(&Type::Bool, &[Pattern::Literal(Value::Bool(true))]), ["false"]);
    }

    #[test]
    fn records_and_lists_are_looked_into() {
        let record =
            Type::Record([("a".to_owned(), Field::of(Type::Bool)), ("b".to_owned(), Field::of(tiers()))].into());
        let pattern = |a: bool, b: Pattern| {
            Pattern::Record(vec![("a".into(), Pattern::Literal(Value::Bool(a))), ("b".into(), b)])
        };
        assert_eq!(
            left(&record, &[pattern(true, Pattern::Any), pattern(false, text("a"))]),
            ["{ a: false, b: \"b\" }"]
        );
        assert!(left(&record, &[pattern(true, Pattern::Any), pattern(false, Pattern::Any)]).is_empty());
        let list = Type::List(Box::new(Type::Int));
        let items =
            |count: usize, rest: bool| Pattern::List { items: vec![Pattern::Any; count], rest: rest.then_some(None) };
        assert_eq!(left(&list, &[items(1, false)]), ["[]", "[_, _, ...]"]);
        assert!(left(&list, &[items(0, false), items(1, true)]).is_empty());
    }

    #[test]
    fn json_needs_a_rest_whatever_it_holds() {
        let literals = [Pattern::Literal(Value::Null), Pattern::Literal(Value::Bool(true)), text("a")];
        assert_eq!(left(&Type::Json.optional(), &literals), ["_"]);
        for (at, pattern) in literals.iter().enumerate() {
            assert!(more(&Type::Json.optional(), &literals[..at], pattern), "{pattern:?}");
            assert!(more(&Type::Json, &literals[..at], pattern), "{pattern:?}");
        }
    }

    #[test]
    fn what_was_reported_is_not_reported_again() {
        let record = Type::Record([("a".to_owned(), Field::of(Type::Unknown))].into());
        let pattern = |a: Pattern| Pattern::Record(vec![("a".into(), a)]);
        let arms = [pattern(text("x")), pattern(Pattern::Literal(Value::Null)), pattern(text("y"))];
        assert!(left(&record, &arms).is_empty());
        assert!(more(&record, &arms[..1], &arms[1]) && more(&record, &arms[..2], &arms[2]));
    }

    #[test]
    fn what_nothing_is_left_for_is_seen() {
        assert!(!more(&tiers(), &[text("a"), text("b")], &text("a")));
        assert!(more(&tiers(), &[text("a")], &Pattern::Any));
        assert!(!more(&tiers(), &[text("a"), text("b"), text("c")], &Pattern::Any));
        let range = |from: i64, to: i64| Pattern::Range { from: Some(Value::Int(from)), to: Some(Value::Int(to)) };
        assert!(!more(&Type::Int, &[range(0, 100)], &range(10, 20)));
        assert!(more(&Type::Int, &[range(0, 100)], &range(10, 200)));
        assert!(!more(&Type::Int, &[range(0, 100)], &Pattern::Literal(Value::Int(5))));
        assert!(more(&Type::Int, &[range(0, 100)], &Pattern::Literal(Value::Int(100))));
        assert!(!more(&Type::String, &[Pattern::StartsWith("a".into())], &text("abc")));
    }
}
