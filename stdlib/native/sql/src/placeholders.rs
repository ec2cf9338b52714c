//! Where do insertions stand in the text of a statement?
//!
//! Flow writes `$1`, `$2`, … in order. Databases that write `?` get one in each of these places. A list that stands after
//! `in` becomes as many as it has items, which is what SQL takes there. What stands in quotes and comments is no place.

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};

use crate::statement::Statement;

/// What else than the end closes quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// Nothing: a quote in quotes is written twice.
    None,
    /// `\'` does not.
    Backslash,
}

/// The text with its places as the database writes them, and what is bound there.
pub(crate) fn placed<'a>(
    statement: &Statement<'a>,
    escapes: Escapes,
    place: fn(&Value) -> String,
) -> Result<(String, Vec<&'a Value>), Failure> {
    let mut text = String::with_capacity(statement.text.len());
    let mut bound = Vec::new();
    let mut params = statement.params.iter().enumerate().map(|(index, value)| (format!("${}", index + 1), value));
    let mut next = params.next();
    let mut rest = statement.text;
    while let Some(letter) = rest.chars().next() {
        let skipped = match letter {
            '\'' | '"' | '`' => quoted(rest, letter, escapes),
            '-' if rest.starts_with("--") => until(rest, "\n"),
            '#' if escapes == Escapes::Backslash => until(rest, "\n"),
            '/' if rest.starts_with("/*") => until(rest, "*/"),
            '$' => {
                let is_name = text.ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | '$'));
                match &next {
                    Some((mark, value)) if !is_name && rest.starts_with(mark.as_str()) => {
                        insert(&mut text, &mut bound, value, place);
                        rest = rest.get(mark.len()..).unwrap_or_default();
                        next = params.next();
                        continue;
                    }
                    _ => 1,
                }
            }
            letter => letter.len_utf8(),
        };
        let (verbatim, after) = rest.split_at(skipped);
        text.push_str(verbatim);
        rest = after;
    }
    match next {
        None => Ok((text, bound)),
        Some((mark, _)) => {
            let message = format!("the insertion {} of the statement stands in quotes or in a comment", &mark[1..]);
            Err(Failure::new(ErrorKind::Invalid, message))
        }
    }
}

fn insert<'a>(text: &mut String, bound: &mut Vec<&'a Value>, value: &'a Value, place: fn(&Value) -> String) {
    let before = text.trim_end();
    let (outer, is_open) = match before.strip_suffix('(') {
        Some(outer) => (outer.trim_end(), true),
        None => (before, false),
    };
    let is_in = outer.len() >= 2
        && outer.get(outer.len() - 2..).is_some_and(|word| word.eq_ignore_ascii_case("in"))
        && !outer.get(..outer.len() - 2).unwrap_or_default().ends_with(|c: char| c.is_alphanumeric() || c == '_');
    match value {
        Value::List(items) if is_in => {
            // No value is in the empty list, and `in ()` is no SQL.
            let all = match items.as_slice() {
                [] => "select null where 1 = 0".to_owned(),
                items => items.iter().map(place).collect::<Vec<_>>().join(", "),
            };
            text.push_str(&if is_open { all } else { format!("({all})") });
            bound.extend(items);
        }
        value => {
            text.push_str(&place(value));
            bound.push(value);
        }
    }
}

/// How many bytes the quotes at the beginning take.
fn quoted(text: &str, quote: char, escapes: Escapes) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return at + 1;
        }
        if letter == '\\' && quote != '`' && escapes == Escapes::Backslash {
            letters.next();
        }
    }
    text.len()
}

fn until(text: &str, end: &str) -> usize {
    text.find(end).map_or(text.len(), |at| at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, params: &[Value]) -> Result<(String, usize), String> {
        let placed = placed(&Statement { text, params }, Escapes::Backslash, |_| "?".to_owned());
        placed.map(|(text, bound)| (text, bound.len())).map_err(|failure| failure.message)
    }

    fn ints(count: i64) -> Vec<Value> {
        (0..count).map(Value::Int).collect()
    }

    #[test]
    fn places_are_found_outside_of_quotes_and_comments() {
        for (text, count, expected) in [
            ("select $1, $2", 2, "select ?, ?"),
            ("select '$1', \"$1\", `$1`, $1 -- $1", 1, "select '$1', \"$1\", `$1`, ? -- $1"),
            ("select 'it''s $1', 'it\\'s $1', $1", 1, "select 'it''s $1', 'it\\'s $1', ?"),
            ("select /* $1 */ a$1, $1 # $1", 1, "select /* $1 */ a$1, ? # $1"),
            ("select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10", 10, "select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"),
            ("select 'naïve', $1", 1, "select 'naïve', ?"),
            ("select $2", 0, "select $2"),
        ] {
            let expected = Ok((expected.to_owned(), usize::try_from(count).unwrap()));
            assert_eq!(of(text, &ints(count)), expected, "{text}");
        }
        assert!(of("select 1 -- $1", &ints(1)).unwrap_err().contains("insertion 1"));
        assert!(of("select '$1", &ints(1)).unwrap_err().contains("insertion 1"));
    }

    #[test]
    fn a_list_after_in_is_as_many_values() {
        let list = |count| [Value::List(ints(count))];
        for (text, count, expected) in [
            ("where id in $1", 3, "where id in (?, ?, ?)"),
            ("where id not IN ( $1 )", 2, "where id not IN ( ?, ? )"),
            ("where id in $1", 0, "where id in (select null where 1 = 0)"),
        ] {
            let expected = Ok((expected.to_owned(), usize::try_from(count).unwrap()));
            assert_eq!(of(text, &list(count)), expected, "{text}");
        }
        // Elsewhere it is one value.
        for text in ["select $1", "select min($1)", "select join $1", "in_ $1"] {
            assert_eq!(of(text, &list(3)).unwrap().1, 1, "{text}");
        }
    }
}
