//! Which tokens may begin a habit? Most begin none, and each is asked about.

/// The words and signs that habits are looked for by.
const ALL: &[&str] = &[
    "!=",
    "%",
    "(",
    ")",
    "*",
    "+",
    "-",
    "->",
    ".",
    "..",
    "...",
    "/",
    ":",
    "<",
    "<=",
    "=",
    "==",
    "=>",
    ">",
    ">=",
    "?",
    "?.",
    "??",
    "@",
    "AND",
    "F",
    "NOT",
    "OR",
    "[",
    "and",
    "approve",
    "as",
    "at_least",
    "await",
    "body",
    "by",
    "call",
    "catch",
    "compensate",
    "connection",
    "const",
    "contains",
    "dead_letter",
    "default",
    "del",
    "delete",
    "do",
    "else",
    "emit",
    "endsWith",
    "ends_with",
    "endswith",
    "ensure",
    "enum",
    "error",
    "event",
    "execute",
    "expect",
    "f",
    "fail",
    "fails",
    "finally",
    "first",
    "flow",
    "fn",
    "for",
    "from",
    "given",
    "has",
    "hmac",
    "if",
    "import",
    "includes",
    "invoke",
    "is",
    "lambda",
    "let",
    "like",
    "log",
    "match",
    "matches",
    "maxLength",
    "max_length",
    "maximum",
    "minLength",
    "min_length",
    "minimum",
    "new",
    "not",
    "on",
    "optional",
    "or",
    "parallel",
    "policy",
    "race",
    "raise",
    "raises",
    "record",
    "regex",
    "repeat",
    "respond",
    "retries",
    "retry",
    "return",
    "revert",
    "rollback",
    "run",
    "saga",
    "sleep",
    "startsWith",
    "starts_with",
    "startswith",
    "status",
    "step",
    "steps",
    "stub",
    "switch",
    "test",
    "then",
    "throw",
    "throws",
    "timeout",
    "timezone",
    "trigger",
    "try",
    "type",
    "typeof",
    "tz",
    "undo",
    "union",
    "unless",
    "until",
    "use",
    "var",
    "wait",
    "when",
    "with",
    "zone",
    "{",
    "|",
    "||",
];

/// How many places the filter has: a power of two, so many that few other words share a place with one of them.
const PLACES: usize = 4096;

/// The places of all of them, a bit for each.
static FILTER: [u64; PLACES / 64] = filter();

const fn filter() -> [u64; PLACES / 64] {
    let mut filter = [0; PLACES / 64];
    let mut next = 0;
    while next < ALL.len() {
        let place = place(ALL[next].as_bytes());
        filter[place / 64] |= 1 << (place % 64);
        next += 1;
    }
    filter
}

const fn place(text: &[u8]) -> usize {
    match text {
        [] => 0,
        [first, .., last] => (*first as usize * 37 + *last as usize * 101 + text.len() * 577) % PLACES,
        [only] => *only as usize,
    }
}

/// Says whether a habit may begin with a text. Where it says no, none does.
pub(super) fn may_begin(text: &str) -> bool {
    let place = place(text.as_bytes());
    FILTER.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_habit_is_looked_for_by_is_among_them() {
        let sources = [
            (include_str!("mod.rs"), "fn habit("),
            (include_str!("idiom.rs"), "fn idiom("),
            (include_str!("idiom_of_item.rs"), "fn idiom_of_item("),
        ];
        let mut count = 0;
        for (source, head) in sources {
            let body = source.split_once(head).unwrap().1.split_once("\n    }\n").unwrap().0;
            for word in body.split('"').skip(1).step_by(2) {
                assert!(ALL.contains(&word) && may_begin(word), "add `{word}`");
                count += 1;
            }
        }
        assert!(count >= ALL.len());
        let others =
            ["order", "id", "total", "name", "customer", "amount", "item", "text", "line", "String", "Int", ","];
        assert!(others.iter().filter(|word| may_begin(word)).count() < 3);
    }
}
