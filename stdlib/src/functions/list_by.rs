//! Functions of lists that take a function: `xs.map(x -> x.id)`.

use std::{cmp::Ordering, collections::HashSet};

use flow_model::{
    failure::Failure,
    function::{Argument, StandardFunction},
    value::Value,
};

use super::{
    argument::{Arguments, invalid, length, or_null},
    entry,
    list::{extreme, grouped, identity, limited, sorted, sum},
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "List.map(self: List<T>, f: (T) -> U) -> List<U>",
        "What a function makes of each item.",
        &["[1, 2].map(x -> x * 10) == [10, 20]"],
        |args| Ok(Value::List(made(args)?)),
    ),
    entry(
        "List.filter(self: List<T>, f: (T) -> Bool) -> List<T>",
        "The items for which a function says yes.",
        &["[1, 2, 3].filter(x -> x > 1) == [2, 3]"],
        |args| {
            let mut kept = Vec::new();
            for item in args.list(0)? {
                if args.test(1, std::slice::from_ref(item))? {
                    kept.push(item.clone());
                }
            }
            Ok(Value::List(kept))
        },
    ),
    entry(
        "List.flat_map(self: List<T>, f: (T) -> List<U>) -> List<U>",
        "The items of the lists that a function makes of each item, one after the other.",
        &["[1, 2].flat_map(x -> [x, x * 10]) == [1, 10, 2, 20]"],
        |args| {
            let mut all = Vec::new();
            for item in args.list(0)? {
                match args.call(1, std::slice::from_ref(item))? {
                    Value::List(items) => {
                        limited("flat_map", all.len() + items.len())?;
                        all.extend(items);
                    }
                    other => return Err(invalid(format!("`flat_map` needs lists, got {}", other.kind()))),
                }
            }
            Ok(Value::List(all))
        },
    ),
    entry(
        "List.find(self: List<T>, f: (T) -> Bool) -> T?",
        "The first item for which a function says yes, else null.",
        &["[1, 2, 3].find(x -> x > 1) == 2", "[1].find(x -> x > 1) == null"],
        |args| {
            for item in args.list(0)? {
                if args.test(1, std::slice::from_ref(item))? {
                    return Ok(item.clone());
                }
            }
            Ok(Value::Null)
        },
    ),
    entry(
        "List.any(self: List<T>, f: (T) -> Bool) -> Bool",
        "Says whether a function says yes to some item.",
        &["[1, 2].any(x -> x > 1)", "not [1].take(0).any(x -> true)"],
        |args| Ok(Value::Bool(counted(args, true)? > 0)),
    ),
    entry(
        "List.all(self: List<T>, f: (T) -> Bool) -> Bool",
        "Says whether a function says yes to every item, as it does when there is none.",
        &["[1, 2].all(x -> x > 0)", "[1].take(0).all(x -> false)"],
        |args| Ok(Value::Bool(counted(args, false)? == 0)),
    ),
    entry(
        "List.count(self: List<T>, f: (T) -> Bool) -> Int",
        "The number of items for which a function says yes.",
        &["[1, 2, 3].count(x -> x > 1) == 2"],
        |args| Ok(length(counted(args, true)?)),
    ),
    entry(
        "List.partition(self: List<T>, f: (T) -> Bool) -> { yes: List<T>, no: List<T> }",
        "The items for which a function says yes, and the others.",
        &["[1, 2, 3].partition(x -> x > 1).no == [1]"],
        |args| {
            let (mut yes, mut no) = (Vec::new(), Vec::new());
            for item in args.list(0)? {
                if args.test(1, std::slice::from_ref(item))? { &mut yes } else { &mut no }.push(item.clone());
            }
            Ok(Value::record([("yes", Value::List(yes)), ("no", Value::List(no))]))
        },
    ),
    entry(
        "List.sort_by(self: List<T>, f: (T) -> K) -> List<T>",
        "The items in ascending order of what a function makes of them; equal ones stay in their order.",
        &[r#"["ccc", "a", "bb"].sort_by(x -> x.length) == ["a", "bb", "ccc"]"#],
        |args| sorted(keyed(args)?),
    ),
    entry(
        "List.min_by(self: List<T>, f: (T) -> K) -> T?",
        "The first item with the least value of a function, null when there is none.",
        &[r#"["bb", "a"].min_by(x -> x.length) == "a""#],
        |args| extreme(keyed(args)?.into_iter(), Ordering::Less),
    ),
    entry(
        "List.max_by(self: List<T>, f: (T) -> K) -> T?",
        "The first item with the greatest value of a function, null when there is none.",
        &[r#"["a", "bb"].max_by(x -> x.length) == "bb""#],
        |args| extreme(keyed(args)?.into_iter(), Ordering::Greater),
    ),
    entry(
        "List.sum_by(self: List<T>, f: (T) -> N) -> N?",
        "What a function makes of the items, added up; null when there is none.",
        &[r#"["a", "bb"].sum_by(x -> x.length) == 3"#],
        |args| sum(made(args)?.into_iter().map(Ok)),
    ),
    entry(
        "List.distinct_by(self: List<T>, f: (T) -> U) -> List<T>",
        "The first item of each value of a function.",
        &[r#"["a", "b", "cc"].distinct_by(x -> x.length) == ["a", "cc"]"#],
        |args| {
            let mut seen = HashSet::new();
            let first = keyed(args)?.into_iter().filter(|(key, _)| seen.insert(identity(key)));
            Ok(Value::List(first.map(|(_, item)| item).collect()))
        },
    ),
    entry(
        "List.group_by(self: List<T>, f: (T) -> String) -> Map<List<T>>",
        "The items by what a function makes of them; groups and their items stay in order.",
        &[r#"["ax", "b", "ay"].group_by(x -> x.slice(0, 1))["a"] == ["ax", "ay"]"#],
        |args| Ok(grouped(named(args, "group_by")?)),
    ),
    entry(
        "List.to_map(self: List<T>, f: (T) -> String) -> Map<T>",
        "The items by what a function makes of them, which must differ from item to item.",
        &[r#"["ax", "by"].to_map(x -> x.slice(0, 1))["b"] == "by""#],
        |args| {
            let mut map = indexmap::IndexMap::new();
            for (name, item) in named(args, "to_map")? {
                if map.contains_key(&name) {
                    return Err(invalid(format!("two items of `to_map` have the key `{name}`; `group_by` keeps both")));
                }
                map.insert(name, item);
            }
            Ok(Value::Record(map))
        },
    ),
    entry(
        "List.fold(self: List<T>, start: U, f: (U, T) -> U) -> U",
        "What a function makes of a start and the first item, of that and the second, and so on.",
        &["[1, 2, 3].fold(10, (total, x) -> total + x) == 16"],
        |args| {
            let mut so_far = args.at(1).clone();
            for item in args.list(0)? {
                so_far = args.call(2, &[so_far, item.clone()])?;
            }
            Ok(so_far)
        },
    ),
    entry(
        "List.map_compact(self: List<T>, f: (T) -> U?) -> List<U>",
        "What a function makes of each item, without the nulls.",
        &[r#"["1", "x", "3"].map_compact(text -> text.to_int()) == [1, 3]"#],
        |args| Ok(Value::List(made(args)?.into_iter().filter(|made| *made != Value::Null).collect())),
    ),
    entry(
        "List.find_map(self: List<T>, f: (T) -> U?) -> U?",
        "The first thing other than null that a function makes of the items, else null.",
        &[r#"["x", "2", "3"].find_map(text -> text.to_int()) == 2"#],
        |args| {
            for item in args.list(0)? {
                let made = args.call(1, std::slice::from_ref(item))?;
                if made != Value::Null {
                    return Ok(made);
                }
            }
            Ok(or_null(None))
        },
    ),
];

/// What the function makes of each item.
fn made(args: &[Argument<'_>]) -> Result<Vec<Value>, Failure> {
    args.list(0)?.iter().map(|item| args.call(1, std::slice::from_ref(item))).collect()
}

/// What the function makes of each item, and the item.
fn keyed(args: &[Argument<'_>]) -> Result<Vec<(Value, Value)>, Failure> {
    args.list(0)?.iter().map(|item| Ok((args.call(1, std::slice::from_ref(item))?, item.clone()))).collect()
}

/// The text that the function makes of each item, and the item.
fn named(args: &[Argument<'_>], function: &str) -> Result<Vec<(String, Value)>, Failure> {
    keyed(args)?
        .into_iter()
        .map(|(key, item)| match key {
            Value::String(name) => Ok((name.to_string(), item)),
            other => Err(invalid(format!("`{function}` needs a text as key, got {}", other.kind()))),
        })
        .collect()
}

/// How many items the function gives that answer for.
fn counted(args: &[Argument<'_>], answer: bool) -> Result<usize, Failure> {
    let mut count = 0;
    for item in args.list(0)? {
        if args.test(1, std::slice::from_ref(item))? == answer {
            count += 1;
        }
    }
    Ok(count)
}
