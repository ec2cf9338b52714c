//! Functions of lists that need no function of the caller's. Positions count from 0.

use std::{cmp::Ordering, collections::HashSet};

use flow_model::{
    failure::Failure,
    function::{Argument, StandardFunction},
    units::Millis,
    value::{Money, Value},
};
use indexmap::IndexMap;
use rust_decimal::Decimal;

use super::{
    argument::{Arguments, invalid, length, or_null},
    bytes::MOST_BYTES,
    entry,
};

/// The most items that a function makes of fewer.
const MOST_ITEMS: usize = 1_000_000;

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry("List.length: Int", "The number of items.", &["[1, 2].length == 2"], |args| Ok(length(args.list(0)?.len()))),
    entry("List.is_empty: Bool", "Says whether there is no item.", &["not [1].is_empty"], |args| {
        Ok(Value::Bool(args.list(0)?.is_empty()))
    }),
    entry("List.first: T?", "The first item, null when there is none.", &["[1, 2].first == 1"], |args| {
        Ok(or_null(args.list(0)?.first().cloned()))
    }),
    entry("List.last: T?", "The last item, null when there is none.", &["[1, 2].last == 2"], |args| {
        Ok(or_null(args.list(0)?.last().cloned()))
    }),
    entry(
        "List.take(self: List<T>, count: Int) -> List<T>",
        "The first items, at most that many.",
        &["[1, 2, 3].take(2) == [1, 2]", "[1].take(5) == [1]"],
        |args| Ok(Value::List(args.list(0)?.iter().take(args.count(1, "the count", usize::MAX)?).cloned().collect())),
    ),
    entry(
        "List.drop(self: List<T>, count: Int) -> List<T>",
        "What is left without that many first items.",
        &["[1, 2, 3].drop(2) == [3]", "[1].drop(5).is_empty"],
        |args| Ok(Value::List(args.list(0)?.iter().skip(args.count(1, "the count", usize::MAX)?).cloned().collect())),
    ),
    entry(
        "List.slice(self: List<T>, from: Int, to?: Int) -> List<T>",
        "The items from a position up to another that is not included, or to the end. Negative positions count from the end.",
        &["[1, 2, 3, 4].slice(1, 3) == [2, 3]", "[1, 2, 3].slice(-2) == [2, 3]"],
        |args| {
            let items = args.list(0)?;
            let (from, to) = bounds(items.len(), args.int(1)?, args.int_or(2, i64::MAX)?);
            Ok(Value::List(items.get(from..to).unwrap_or_default().to_vec()))
        },
    ),
    entry(
        "List.reverse(self: List<T>) -> List<T>",
        "The items from the last to the first.",
        &["[1, 2, 3].reverse() == [3, 2, 1]"],
        |args| Ok(Value::List(args.list(0)?.iter().rev().cloned().collect())),
    ),
    entry(
        "List.contains(self: List<T>, item: T) -> Bool",
        "Says whether an equal item is there; `item in list` says the same.",
        &["[1, 2].contains(2)"],
        |args| Ok(Value::Bool(args.list(0)?.iter().any(|item| item.equals(args.at(1))))),
    ),
    entry(
        "List.index_of(self: List<T>, item: T) -> Int?",
        "The position of the first equal item, else null.",
        &[r#"["a", "b"].index_of("b") == 1"#],
        |args| Ok(or_null(args.list(0)?.iter().position(|item| item.equals(args.at(1))).map(length))),
    ),
    entry(
        "List.distinct(self: List<T>) -> List<T>",
        "Each item once, at its first place.",
        &["[2, 1, 2].distinct() == [2, 1]"],
        |args| {
            let mut seen = HashSet::new();
            Ok(Value::List(args.list(0)?.iter().filter(|item| seen.insert(identity(item))).cloned().collect()))
        },
    ),
    entry(
        "List.compact(self: List<T?>) -> List<T>",
        "The items that are not null.",
        &["[1, null, 2].compact() == [1, 2]"],
        |args| Ok(Value::List(args.list(0)?.iter().filter(|item| **item != Value::Null).cloned().collect())),
    ),
    entry(
        "List.flatten(self: List<List<T>>) -> List<T>",
        "The items of the lists in it, one after the other.",
        &["[[1], [2, 3]].flatten() == [1, 2, 3]"],
        |args| {
            let mut all = Vec::new();
            for item in args.list(0)? {
                match item {
                    Value::List(items) => {
                        limited("flatten", all.len() + items.len())?;
                        all.extend_from_slice(items);
                    }
                    other => return Err(invalid(format!("`flatten` needs lists, got {}", other.kind()))),
                }
            }
            Ok(Value::List(all))
        },
    ),
    entry(
        "List.chunks(self: List<T>, size: Positive) -> List<List<T>>",
        "Lists of that many items; the last one has what is left.",
        &["[1, 2, 3].chunks(2) == [[1, 2], [3]]"],
        |args| match args.count(1, "the size of a chunk", usize::MAX)? {
            0 => Err(invalid("a chunk has at least one item")),
            size => Ok(Value::List(args.list(0)?.chunks(size).map(|chunk| Value::List(chunk.to_vec())).collect())),
        },
    ),
    entry(
        "List.zip(self: List<T>, other: List<U>) -> List<{ left: T, right: U }>",
        "Pairs of the items at the same position, as many as the shorter list has.",
        &[r#"[1, 2].zip(["a", "b"])[1]?.right == "b""#],
        |args| {
            let pairs = args.list(0)?.iter().zip(args.list(1)?);
            let pair =
                |(left, right): (&Value, &Value)| Value::record([("left", left.clone()), ("right", right.clone())]);
            Ok(Value::List(pairs.map(pair).collect()))
        },
    ),
    entry(
        "List.enumerate(self: List<T>) -> List<{ index: Int, item: T }>",
        "Each item with its position.",
        &[r#"["a"].enumerate() == [{ index: 0, item: "a" }]"#],
        |args| {
            let numbered = args.list(0)?.iter().enumerate();
            Ok(Value::List(
                numbered.map(|(at, item)| Value::record([("index", length(at)), ("item", item.clone())])).collect(),
            ))
        },
    ),
    entry(
        "List.join(self: List<String>, by: String) -> String",
        "The texts with another between them.",
        &[r#"["a", "b"].join(", ") == "a, b""#],
        |args| {
            let (items, by) = (args.list(0)?, args.text(1)?);
            let mut joined = String::new();
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    joined.push_str(by);
                }
                joined.push_str(
                    item.as_str().ok_or_else(|| invalid(format!("`join` needs texts, got {}", item.kind())))?,
                );
                if joined.len() > MOST_BYTES {
                    return Err(invalid(format!("`join` would make more than {MOST_BYTES} bytes")));
                }
            }
            Ok(Value::text(joined))
        },
    ),
    entry(
        "List.sort(self: List<K>) -> List<K>",
        "The items in ascending order.",
        &["[3, 1, 2].sort() == [1, 2, 3]", r#"["b", "B", "a"].sort() == ["B", "a", "b"]"#],
        |args| {
            let keyed = args.list(0)?.iter().map(|item| (item.clone(), item.clone())).collect();
            sorted(keyed)
        },
    ),
    entry(
        "List.min(self: List<K>) -> K?",
        "The least item, null when there is none.",
        &["[3, 1, 2].min() == 1"],
        |args| extreme(args.list(0)?.iter().map(|item| (item.clone(), item.clone())), Ordering::Less),
    ),
    entry(
        "List.max(self: List<K>) -> K?",
        "The greatest item, null when there is none.",
        &["[3, 1, 2].max() == 3"],
        |args| extreme(args.list(0)?.iter().map(|item| (item.clone(), item.clone())), Ordering::Greater),
    ),
    entry(
        "List.sum(self: List<N>) -> N?",
        "The items added up, null when there is none, since nothing says which unit or currency zero would have.",
        &["[1, 2, 3].sum() == 6", "[1.50 EUR, 2.50 EUR].sum() == 4 EUR"],
        |args| sum(args.list(0)?.iter().cloned().map(Ok)),
    ),
    entry(
        "List.average(self: List<Decimal>) -> Decimal?",
        "The sum of the items divided by their number, null when there is none.",
        &["[1.0, 2.0].average() == 1.5"],
        |args| {
            let items = args.list(0)?;
            let total = sum(items.iter().cloned().map(Ok))?;
            let total = [Argument::Value(total)];
            if items.is_empty() {
                return Ok(Value::Null);
            }
            let average = total.decimal(0)?.checked_div(Decimal::from(items.len()));
            average.map(Value::Decimal).ok_or_else(|| invalid("the average does not fit a decimal"))
        },
    ),
];

/// Refuses to make more items than memory should hold.
pub(super) fn limited(function: &str, items: usize) -> Result<(), Failure> {
    if items > MOST_ITEMS { Err(invalid(format!("`{function}` makes at most {MOST_ITEMS} items"))) } else { Ok(()) }
}

/// The part of a sequence between two positions, of which negative ones count from the end: start and end, in order.
pub(super) fn bounds(count: usize, from: i64, to: i64) -> (usize, usize) {
    let place = |position: i64| match usize::try_from(position) {
        Ok(position) => position.min(count),
        Err(_) => count.saturating_sub(usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let from = place(from);
    (from, place(to).max(from))
}

/// What two values have in common exactly when they are equal as `==` sees it.
pub(super) fn identity(value: &Value) -> String {
    match value {
        Value::Int(number) => format!("n{number}"),
        Value::Decimal(number) => format!("n{}", number.normalize()),
        Value::Money(money) => format!("m{} {}", money.amount.normalize(), money.currency),
        Value::Zoned(time) => format!("z{}", time.timestamp()),
        Value::List(items) => {
            format!("[{}]", items.iter().map(|item| format!("{:?},", identity(item))).collect::<String>())
        }
        Value::Record(fields) => {
            let there = fields.iter().filter(|(_, value)| **value != Value::Null);
            let mut fields: Vec<_> = there.map(|(name, value)| format!("{name:?}{:?},", identity(value))).collect();
            fields.sort();
            format!("{{{}}}", fields.concat())
        }
        other => format!("{} {other}", other.kind()),
    }
}

/// Puts items in ascending order of their keys; items with equal keys stay in their order.
pub(super) fn sorted(mut keyed: Vec<(Value, Value)>) -> Result<Value, Failure> {
    let mut mixed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        a.order(b).unwrap_or_else(|| {
            mixed.get_or_insert_with(|| unordered(a, b));
            Ordering::Equal
        })
    });
    match mixed {
        Some(failure) => Err(failure),
        None => Ok(Value::List(keyed.into_iter().map(|(_, item)| item).collect())),
    }
}

/// The first item whose key stands on that side of all others.
pub(super) fn extreme(keyed: impl Iterator<Item = (Value, Value)>, side: Ordering) -> Result<Value, Failure> {
    let mut best: Option<(Value, Value)> = None;
    for (key, item) in keyed {
        let better = match &best {
            None => true,
            Some((than, _)) => key.order(than).ok_or_else(|| unordered(&key, than))? == side,
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(or_null(best.map(|(_, item)| item)))
}

/// Adds values up; null when there is none.
pub(super) fn sum(items: impl Iterator<Item = Result<Value, Failure>>) -> Result<Value, Failure> {
    let mut total: Option<Value> = None;
    for item in items {
        let item = item?;
        total = Some(match total {
            None => item,
            Some(total) => add(&total, &item)?,
        });
    }
    Ok(or_null(total))
}

fn add(a: &Value, b: &Value) -> Result<Value, Failure> {
    let sum = match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int),
        (Value::Decimal(a), Value::Decimal(b)) => a.checked_add(*b).map(Value::Decimal),
        (Value::Int(a), Value::Decimal(b)) | (Value::Decimal(b), Value::Int(a)) => {
            Decimal::from(*a).checked_add(*b).map(Value::Decimal)
        }
        (Value::Duration(a), Value::Duration(b)) => a.0.checked_add(b.0).map(|sum| Value::Duration(Millis(sum))),
        (Value::Size(a), Value::Size(b)) => a.checked_add(*b).map(Value::Size),
        (Value::Money(a), Value::Money(b)) if a.currency == b.currency => {
            a.amount.checked_add(b.amount).map(|amount| Value::Money(Money { amount, currency: a.currency.clone() }))
        }
        (Value::Money(a), Value::Money(b)) => {
            return Err(invalid(format!("can't add {} to {}: the currencies differ", b.currency, a.currency)));
        }
        _ => return Err(invalid(format!("can't add {} to {}", b.kind(), a.kind()))),
    };
    sum.ok_or_else(|| invalid("the sum is too large"))
}

fn unordered(a: &Value, b: &Value) -> Failure {
    match (a, b) {
        (Value::Money(a), Value::Money(b)) => {
            invalid(format!("{} and {} have no order: the currencies differ", a.currency, b.currency))
        }
        _ => invalid(format!("{} and {} have no order", a.kind(), b.kind())),
    }
}

/// Groups items by a text; groups are in the order of their first items.
pub(super) fn grouped(keyed: Vec<(String, Value)>) -> Value {
    let mut groups: IndexMap<String, Vec<Value>> = IndexMap::new();
    for (key, item) in keyed {
        groups.entry(key).or_default().push(item);
    }
    Value::Record(groups.into_iter().map(|(key, items)| (key, Value::List(items))).collect())
}
