//! What the examples of functions can't show: failures, limits and odd input.

use flow_model::{
    function::{Argument, Signature},
    value::{Money, Value},
};

use super::ALL;

/// Calls a function with values.
fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    let named = |signature: &str| Signature::parse(signature).unwrap().name == name;
    let function = ALL.iter().find(|function| named(function.signature)).unwrap();
    let args: Vec<_> = args.iter().cloned().map(Argument::Value).collect();
    (function.eval)(&args).map_err(|failure| failure.to_string())
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

fn money(amount: &str, currency: &str) -> Value {
    Value::Money(Money { amount: amount.parse().unwrap(), currency: currency.into() })
}

fn refuses(name: &str, args: &[Value], why: &str) {
    let failure = call(name, args).expect_err(name);
    assert!(failure.starts_with("Invalid: ") && failure.contains(why), "{name}: {failure}");
}

#[test]
fn what_is_wrong_is_a_failure_that_says_so() {
    refuses("String.replace", &[text("a"), text(""), text("b")], "a text to look for");
    refuses("String.split", &[text("a"), text("")], "`characters()`");
    refuses("String.split", &[text("a"), text(","), Value::Int(0)], "at least 1");
    refuses("String.pad_start", &[text("a"), Value::Int(3), text("ab")], "a single character");
    refuses("String.matches", &[text("a"), text("(")], "no regular expression");
    refuses("Int.abs", &[Value::Int(i64::MIN)], "does not fit 64 bits");
    refuses("Int.quotient", &[Value::Int(1), Value::Int(0)], "division by zero");
    refuses("Int.quotient", &[Value::Int(i64::MIN), Value::Int(-1)], "does not fit 64 bits");
    refuses("Decimal.floor", &[decimal("1e28")], "does not fit 64 bits");
    refuses("Money.minor", &[Value::Int(1), text("EURO")], "no currency");
    refuses("Money.to_minor", &[money("1.005", "EUR")], "no whole number");
    refuses("Money.split", &[money("1.00", "EUR"), Value::Int(0)], "at least one part");
    refuses("List.chunks", &[Value::List(vec![]), Value::Int(0)], "at least one item");
    refuses("List.sum", &[Value::List(vec![money("1", "EUR"), money("1", "USD")])], "the currencies differ");
    refuses("List.sum", &[Value::List(vec![Value::Int(i64::MAX), Value::Int(1)])], "too large");
    refuses("List.sort", &[Value::List(vec![money("1", "EUR"), money("1", "USD")])], "the currencies differ");
    refuses("Timestamp.in", &[Value::Timestamp(jiff::Timestamp::UNIX_EPOCH), text("Mars/Base")], "no time zone");
    refuses("Date.of", &[Value::Int(2026), Value::Int(2), Value::Int(30)], "no day 2026-02-30");
    refuses("String.upper", &[Value::Int(1)], "expected a string, got an integer");
}

#[test]
fn a_pattern_that_is_no_pattern_is_refused_rather_than_written() {
    let date = Value::Date("2026-01-31".parse().unwrap());
    refuses("Date.format", &[date, text("%Q")], "can't write a time");
    let date = Value::Date("2026-01-31".parse().unwrap());
    refuses("Date.format", &[date, text("%H:%M")], "can't write a time");
}

#[test]
fn what_is_no_table_is_refused_with_its_place() {
    refuses("Csv.rows", &[text("a,b\n1,2\n3\n")], "no table: line 3 has 1 columns, and the first line names 2");
    refuses("Csv.rows", &[text("a,a\n")], "line 1: the column `a` is there twice");
    refuses("Csv.rows", &[text("a\nx\0\n")], "line 2, column 1: the value holds a NUL character");
    refuses("Csv.rows", &[text("a"), text("ab")], "`ab` does not separate values");
    let row = |name: &str| Value::record([(name, Value::Int(1))]);
    refuses("Csv.text", &[Value::List(vec![row("a"), row("b")])], "row 2 has a field `b`, which is no column");
    refuses("Csv.text", &[Value::List(vec![Value::Int(1)])], "row 1 is no record");
}

#[test]
fn a_table_that_is_written_reads_the_same() {
    let cells = ["", "a", " a ", "a\"b", "a;b", "a,b", "a\r\nb", "=1+1", "'", "é"];
    for separator in [",", ";", "\t"] {
        let rows: Vec<Value> =
            cells.iter().map(|cell| Value::record([("one", text(cell)), ("=two", text("x"))])).collect();
        let written =
            call("Csv.text", &[Value::List(rows.clone()), text(separator), Value::Null, text("keep")]).unwrap();
        assert_eq!(call("Csv.rows", &[written, text(separator)]).unwrap(), Value::List(rows));
    }
}

#[test]
fn a_time_without_an_offset_needs_a_zone() {
    let parse = |at: &str, pattern: &str, zone: &str| call("Timestamp.parse", &[text(at), text(pattern), text(zone)]);
    let told = |value: Result<Value, String>| value.unwrap().to_json();
    let naive = "%Y-%m-%d %H:%M";
    refuses("Timestamp.parse", &[text("2026-03-29 02:30"), text(naive)], "the time zone has to be given");
    // In Berlin, the clocks skipped from 2:00 to 3:00 on 2026-03-29, and showed 2:30 twice on 2026-10-25.
    assert_eq!(told(parse("2026-03-29 02:30", naive, "Europe/Berlin")), "2026-03-29T01:30:00Z");
    assert_eq!(told(parse("2026-10-25 02:30", naive, "Europe/Berlin")), "2026-10-25T00:30:00Z");
    assert_eq!(told(parse("2026-10-25", "%Y-%m-%d", "Europe/Berlin")), "2026-10-24T22:00:00Z");
    // What the text says counts, whatever the zone.
    assert_eq!(told(parse("2026-03-29 02:30 -0500", "%Y-%m-%d %H:%M %z", "Europe/Berlin")), "2026-03-29T07:30:00Z");
    assert_eq!(told(parse("2026-03-29 02:30 Asia/Tokyo", "%Y-%m-%d %H:%M %Q", "UTC")), "2026-03-28T17:30:00Z");
    assert_eq!(told(parse("1774746000", "%s", "Asia/Tokyo")), "2026-03-29T01:00:00Z");
    assert_eq!(parse("29.03.2026", naive, "UTC"), Ok(Value::Null));
    assert_eq!(parse("2026-02-30 10:00", naive, "UTC"), Ok(Value::Null));
    refuses("Timestamp.parse", &[text("2026-03-29 02:30"), text(naive), text("Mars/Base")], "no time zone");
}

#[test]
fn no_function_makes_text_without_bounds() {
    let long = text(&"x".repeat(1 << 20));
    refuses("String.repeat", &[long.clone(), Value::Int(17)], "from 0 to 16");
    refuses("String.replace", &[long.clone(), text("x"), text("twenty letters long!")], "would make more than");
    refuses("String.pad_end", &[text("a"), Value::Int(i64::MAX)], "the width must be from 0");
    refuses("List.join", &[Value::List(vec![long; 17]), text("")], "would make more than");
    let half = call("List.range", &[Value::Int(0), Value::Int(500_001)]).unwrap();
    refuses("List.flatten", &[Value::List(vec![half.clone(), half])], "at most 1000000 items");
    refuses("List.range", &[Value::Int(0), Value::Int(i64::MAX)], "at most 1000000 items");
    refuses("List.range", &[Value::Int(i64::MIN), Value::Int(i64::MAX)], "at most 1000000 items");
}

#[test]
fn shares_of_money_add_up_also_when_it_is_owed() {
    for amount in ["10.00", "-10.00", "0.02", "0.00"] {
        let shares = call("Money.split", &[money(amount, "EUR"), Value::Int(3)]).unwrap();
        assert_eq!(call("List.sum", &[shares]).unwrap(), money(amount, "EUR"), "{amount}");
    }
    refuses("Money.split", &[money("10.005", "EUR"), Value::Int(3)], "round it first");
}

#[test]
fn positions_count_characters_and_what_lies_outside_is_nothing() {
    let slice = |from: i64, to: i64| call("String.slice", &[text("añb"), Value::Int(from), Value::Int(to)]);
    assert_eq!(slice(1, 2).unwrap(), text("ñ"));
    assert_eq!(slice(-2, -1).unwrap(), text("ñ"));
    assert_eq!(slice(2, 1).unwrap(), text(""));
    assert_eq!(slice(i64::MIN, i64::MAX).unwrap(), text("añb"));
}

#[test]
fn equal_numbers_are_one_item_whatever_their_form() {
    let items = Value::List(vec![Value::Int(1), decimal("1.00"), text("1"), Value::Null, text("null")]);
    let distinct = Value::List(vec![Value::Int(1), text("1"), Value::Null, text("null")]);
    assert_eq!(call("List.distinct", &[items]).unwrap(), distinct);
}

#[test]
fn a_number_that_rounds_to_nothing_has_no_sign() {
    assert_eq!(call("Decimal.format", &[decimal("-0.004"), Value::Int(2)]).unwrap(), text("0.00"));
    assert_eq!(
        call("Decimal.format", &[decimal("999.995"), Value::Int(2), text("."), text(",")]).unwrap(),
        text("1,000.00")
    );
}

#[test]
fn a_day_has_the_length_that_its_zone_gives_it() {
    // In Berlin, the clocks skipped from 2:00 to 3:00 on 2026-03-29.
    let noon = call("Date.at", &[Value::Date("2026-03-28".parse().unwrap()), text("12:00"), text("Europe/Berlin")]);
    let next = call("Zoned.plus_days", &[noon.unwrap(), Value::Int(1)]).unwrap();
    assert_eq!(next.to_string(), "2026-03-29T12:00:00+02:00[Europe/Berlin]");
    let skipped = call("Date.at", &[Value::Date("2026-03-29".parse().unwrap()), text("02:30"), text("Europe/Berlin")]);
    assert_eq!(skipped.unwrap().to_string(), "2026-03-29T03:30:00+02:00[Europe/Berlin]");
}
