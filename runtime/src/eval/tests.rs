//! Values of expressions, kind by kind.

use std::collections::BTreeMap;

use flow_model::{
    expr::{Ambient, BinaryOp, Expr, ListPart, MatchArm, Pattern, RecordPart, Slot, TextPart, UnaryOp},
    failure::{ErrorKind, Failure},
    function::{Argument, StandardFunction},
    plan,
    ty::{Field, Language, Type, TypeDef, Types},
    units::Millis,
    value::{Money, Value},
};
use indexmap::IndexMap;

use super::{Evaluator, Frame, Library, MOST_DEPTH, Slots};

static FUNCTIONS: [StandardFunction; 3] = [
    StandardFunction {
        signature: "List.map(self: List<T>, f: (T) -> U) -> List<U>",
        doc: "",
        examples: &[],
        eval: |args| match args {
            [Argument::Value(Value::List(items)), f] => {
                Ok(Value::List(items.iter().map(|item| f.call(std::slice::from_ref(item))).collect::<Result<_, _>>()?))
            }
            _ => Err(Failure::new(ErrorKind::Invalid, "no list")),
        },
    },
    StandardFunction {
        signature: "String.pad(self: String, width: Int, with?: String) -> String",
        doc: "",
        examples: &[],
        eval: |args| Ok(Value::Int(args.len() as i64)),
    },
    StandardFunction {
        signature: "List.length: Int",
        doc: "",
        examples: &[],
        eval: |args| match args {
            [Argument::Value(Value::List(items))] => Ok(Value::Int(items.len() as i64)),
            _ => Ok(Value::Null),
        },
    },
];

fn eval_in(expr: &Expr, slots: &mut Frame) -> Result<Value, Failure> {
    let functions = BTreeMap::from([(
        "double".to_owned(),
        plan::Function {
            params: vec![Slot(0)],
            body: Expr::Binary(BinaryOp::Multiply, Box::new(Expr::Slot(Slot(0))), Box::new(int(2))),
        }
        .into(),
    )]);
    let mut id = Field::of(Type::Int);
    id.json_name = Some("orderId".to_owned());
    let types =
        Types(BTreeMap::from([("Order".to_owned(), TypeDef::Record(IndexMap::from([("id".to_owned(), id)])).into())]));
    let env = BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]);
    let evaluator = Evaluator {
        library: &Library::new(&FUNCTIONS),
        functions: &functions,
        types: &types,
        env: &env,
        ambient: &|which| (which == Ambient::Status).then_some(Value::Int(200)),
    };
    evaluator.eval(expr, slots)
}

fn eval(expr: &Expr) -> Result<Value, Failure> {
    eval_in(expr, &mut Frame::new())
}

fn int(value: i64) -> Expr {
    Expr::Literal(Value::Int(value))
}

fn dec(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

fn eur(text: &str) -> Value {
    Value::Money(Money { amount: text.parse().unwrap(), currency: "EUR".into() })
}

fn at(text: &str) -> Value {
    Value::Timestamp(text.parse().unwrap())
}

fn day(text: &str) -> Value {
    Value::Date(text.parse().unwrap())
}

fn seconds(seconds: u64) -> Value {
    Value::Duration(Millis::seconds(seconds))
}

fn lit(value: Value) -> Box<Expr> {
    Box::new(Expr::Literal(value))
}

fn apply(left: Value, op: BinaryOp, right: Value) -> Result<Value, String> {
    eval(&Expr::Binary(op, lit(left), lit(right))).map_err(|failure| {
        assert_eq!(failure.kind, ErrorKind::Invalid);
        failure.message
    })
}

fn member(of: Expr, name: &str) -> Expr {
    Expr::Member { of: Box::new(of), name: name.to_owned(), null_safe: false }
}

#[test]
fn integers_are_checked() {
    use BinaryOp::{Add, Multiply, Remainder, Subtract};
    let (most, least) = (Value::Int(i64::MAX), Value::Int(i64::MIN));
    assert_eq!(apply(Value::Int(2), Add, Value::Int(3)), Ok(Value::Int(5)));
    assert_eq!(apply(most.clone(), Add, Value::Int(1)), Err("the result of `+` does not fit".into()));
    assert_eq!(apply(least.clone(), Subtract, Value::Int(1)), Err("the result of `-` does not fit".into()));
    assert_eq!(apply(most, Multiply, Value::Int(2)), Err("the result of `*` does not fit".into()));
    assert_eq!(apply(Value::Int(-7), Remainder, Value::Int(3)), Ok(Value::Int(-1)));
    assert_eq!(apply(least.clone(), Remainder, Value::Int(-1)), Ok(Value::Int(0)));
    assert!(eval(&Expr::Unary(UnaryOp::Negate, lit(least))).is_err());
}

#[test]
fn decimals_are_exact_and_division_by_zero_fails() {
    use BinaryOp::{Add, Divide, Multiply, Remainder, Subtract};
    assert_eq!(apply(dec("0.1"), Add, dec("0.2")), Ok(dec("0.3")));
    assert_eq!(apply(Value::Int(1), Subtract, dec("0.9")), Ok(dec("0.1")));
    assert_eq!(apply(Value::Int(10), Divide, Value::Int(4)), Ok(dec("2.5")));
    assert_eq!(apply(Value::Int(1), Divide, Value::Int(3)), Ok(dec("0.3333333333333333333333333333")));
    assert_eq!(apply(dec("19.99"), Multiply, Value::Int(3)), Ok(dec("59.97")));
    let most = dec("79228162514264337593543950335");
    assert_eq!(apply(most.clone(), Add, Value::Int(1)), Err("the result of `+` does not fit".into()));
    assert_eq!(apply(most, Multiply, Value::Int(10)), Err("the result of `*` does not fit".into()));
    for zero in [Value::Int(0), dec("0.00"), seconds(0), eur("0.00"), Value::Size(0)] {
        assert_eq!(apply(Value::Int(1), Divide, zero), Err("division by zero".into()));
    }
    assert_eq!(apply(dec("1.5"), Remainder, Value::Int(0)), Err("the remainder of a division by zero".into()));
}

#[test]
fn money_keeps_its_currency() {
    use BinaryOp::{Add, Divide, Less, Multiply, Subtract};
    let usd = Value::Money(Money { amount: "1".parse().unwrap(), currency: "USD".into() });
    assert_eq!(apply(eur("19.99"), Add, eur("0.01")), Ok(eur("20.00")));
    assert_eq!(apply(eur("1.00"), Subtract, eur("2.50")), Ok(eur("-1.50")));
    assert_eq!(apply(eur("2.50"), Multiply, Value::Int(3)), Ok(eur("7.50")));
    assert_eq!(apply(dec("0.5"), Multiply, eur("2.50")), Ok(eur("1.250")));
    assert_eq!(apply(eur("10.00"), Divide, eur("4.00")), Ok(dec("2.5")));
    assert_eq!(apply(eur("10.00"), Divide, Value::Int(4)), Ok(eur("2.50")));
    assert_eq!(apply(eur("1"), Add, usd.clone()), Err("`+` between EUR and USD: convert one of them first".into()));
    assert_eq!(apply(eur("1"), Less, usd), Err("`<` between EUR and USD: convert one of them first".into()));
    assert!(apply(eur("2"), Multiply, eur("2")).is_err());
    assert!(apply(eur("2"), Add, Value::Int(1)).is_err());
}

#[test]
fn times_and_lengths_add_up() {
    use BinaryOp::{Add, Divide, Multiply, Subtract};
    let start = at("2026-03-29T00:30:00Z");
    assert_eq!(apply(start.clone(), Add, seconds(3600)), Ok(at("2026-03-29T01:30:00Z")));
    assert_eq!(apply(at("2026-03-29T01:30:00Z"), Subtract, start.clone()), Ok(seconds(3600)));
    assert!(apply(start.clone(), Subtract, at("2026-03-29T01:30:00Z")).unwrap_err().contains("less than zero"));
    assert_eq!(apply(day("2026-01-31"), Add, seconds(86_400)), Ok(day("2026-02-01")));
    assert!(apply(day("2026-01-31"), Add, seconds(3600)).unwrap_err().contains("whole days"));
    assert_eq!(apply(day("2026-02-01"), Subtract, day("2026-01-31")), Ok(seconds(86_400)));
    assert_eq!(apply(seconds(90), Divide, seconds(60)), Ok(dec("1.5")));
    assert_eq!(apply(seconds(10), Divide, Value::Int(4)), Ok(Value::Duration(Millis(2500))));
    assert_eq!(apply(seconds(1), Multiply, dec("0.0015")), Ok(Value::Duration(Millis(1))));
    assert!(apply(seconds(1), Multiply, Value::Int(-1)).is_err());
    assert!(apply(seconds(1), Subtract, seconds(2)).is_err());
    let zoned = Value::Zoned("2026-03-29T01:30:00+01:00[Europe/Berlin]".parse().unwrap());
    let later = Value::Zoned("2026-03-29T03:30:00+02:00[Europe/Berlin]".parse().unwrap());
    assert_eq!(apply(zoned, Add, seconds(3600)), Ok(later));
    assert!(apply(start, Add, Value::Duration(Millis(u64::MAX))).is_err());
}

#[test]
fn comparison_and_membership() {
    use BinaryOp::{Equal, GreaterEqual, In, Less, NotEqual};
    assert_eq!(apply(Value::Int(1), Equal, dec("1.0")), Ok(Value::Bool(true)));
    assert_eq!(apply(Value::Int(1), NotEqual, Value::text("1")), Ok(Value::Bool(true)));
    assert_eq!(apply(Value::Null, Equal, Value::Null), Ok(Value::Bool(true)));
    assert_eq!(apply(Value::text("a"), Less, Value::text("b")), Ok(Value::Bool(true)));
    assert_eq!(apply(dec("1.5"), GreaterEqual, Value::Int(2)), Ok(Value::Bool(false)));
    assert_eq!(apply(Value::Null, Less, Value::Int(1)), Err("`<` does not apply to null and an integer".into()));
    let list = Value::List(vec![Value::Int(1), Value::text("a")]);
    assert_eq!(apply(dec("1"), In, list.clone()), Ok(Value::Bool(true)));
    assert_eq!(apply(Value::Null, In, list), Ok(Value::Bool(false)));
    assert_eq!(apply(Value::text("k"), In, Value::record([("k", Value::Null)])), Ok(Value::Bool(true)));
}

#[test]
fn and_or_and_coalesce_evaluate_the_right_side_only_when_needed() {
    let broken = || Box::new(Expr::Binary(BinaryOp::Divide, Box::new(int(1)), Box::new(int(0))));
    let lazy = |op, left| eval(&Expr::Binary(op, lit(left), broken()));
    assert_eq!(lazy(BinaryOp::And, Value::Bool(false)), Ok(Value::Bool(false)));
    assert_eq!(lazy(BinaryOp::Or, Value::Bool(true)), Ok(Value::Bool(true)));
    assert_eq!(lazy(BinaryOp::Coalesce, Value::Int(1)), Ok(Value::Int(1)));
    assert!(lazy(BinaryOp::And, Value::Bool(true)).is_err());
    assert!(lazy(BinaryOp::Coalesce, Value::Null).is_err());
    assert!(lazy(BinaryOp::And, Value::Int(1)).unwrap_err().message.contains("a condition must be"));
}

#[test]
fn members_and_items_that_are_not_there_are_null() {
    let mut slots = Frame::of([Value::record([("a", Value::record([("b", Value::Int(1))]))]), Value::Null]);
    let a_b = member(member(Expr::Slot(Slot(0)), "a"), "b");
    assert_eq!(eval_in(&a_b, &mut slots), Ok(Value::Int(1)));
    assert_eq!(eval_in(&member(a_b, "c"), &mut slots), Ok(Value::Null));
    assert_eq!(eval_in(&member(Expr::Slot(Slot(1)), "x"), &mut slots), Ok(Value::Null));
    let list = || lit(Value::List(vec![Value::Int(7)]));
    let item = |index| eval(&Expr::Index(list(), Box::new(index)));
    assert_eq!(item(int(0)), Ok(Value::Int(7)));
    assert_eq!(item(int(1)), Ok(Value::Null));
    assert_eq!(item(int(-1)), Ok(Value::Null));
    let map = lit(Value::record([("k", Value::Int(1))]));
    assert_eq!(eval(&Expr::Index(map, lit(Value::text("k")))), Ok(Value::Int(1)));
    // `Json` that holds a list has no members, also none of a list's properties.
    assert_eq!(eval(&member(Expr::Literal(Value::List(vec![])), "length")), Ok(Value::Null));
    assert!(eval(&Expr::Slot(Slot(9))).is_err());
}

#[test]
fn records_and_lists_spread() {
    let rest = || Expr::Literal(Value::record([("a", Value::Int(1)), ("b", Value::Int(2))]));
    let record = Expr::Record(vec![RecordPart::Spread(rest()), RecordPart::Field("a".into(), int(9))]);
    assert_eq!(eval(&record), Ok(Value::record([("a", Value::Int(9)), ("b", Value::Int(2))])));
    let items = Expr::Literal(Value::List(vec![Value::Int(1)]));
    let list = Expr::List(vec![ListPart::Spread(items), ListPart::Item(int(2))]);
    assert_eq!(eval(&list), Ok(Value::List(vec![Value::Int(1), Value::Int(2)])));
    assert!(eval(&Expr::List(vec![ListPart::Spread(rest())])).is_err());
}

fn text_of(language: Option<Language>, value: Value) -> Result<Value, Failure> {
    let parts =
        vec![TextPart::Fixed("<b>".into()), TextPart::Insert(Expr::Literal(value)), TextPart::Fixed("</b>".into())];
    eval(&Expr::Text { parts, language })
}

#[test]
fn texts_show_values_as_people_write_them() {
    assert_eq!(text_of(None, eur("5.00")), Ok(Value::text("<b>5.00 EUR</b>")));
    assert_eq!(text_of(None, dec("1.50")), Ok(Value::text("<b>1.50</b>")));
    assert_eq!(text_of(None, Value::Null), Ok(Value::text("<b>null</b>")));
    assert_eq!(text_of(None, Value::record([("a", Value::Int(1))])), Ok(Value::text(r#"<b>{"a":1}</b>"#)));
    let secret = text_of(None, Value::Secret("stripe/key".into())).unwrap_err();
    assert_eq!(secret.message, "the secret `stripe/key` can't be put into a text");
}

#[test]
fn insertions_stay_where_they_stand() {
    let evil = || Value::text("a & <c> \"d\" 'e' \\");
    let fixed = |value: &str| Ok(Value::text(value));
    assert_eq!(text_of(Some(Language::Html), evil()), fixed("<b>a &amp; &lt;c&gt; &quot;d&quot; &#39;e&#39; \\</b>"));
    assert_eq!(text_of(Some(Language::Mrkdwn), evil()), fixed("<b>a &amp; &lt;c&gt; \"d\" 'e' \\</b>"));
    assert_eq!(text_of(Some(Language::Soql), evil()), fixed(r#"<b>'a & <c> \"d\" \'e\' \\'</b>"#));
    assert_eq!(text_of(Some(Language::DriveQuery), evil()), fixed(r#"<b>'a & <c> "d" \'e\' \\'</b>"#));
    let sql = Value::record([("text", Value::text("<b>$1</b>")), ("params", Value::List(vec![evil()]))]);
    assert_eq!(text_of(Some(Language::Sql), evil()), Ok(sql));
    let list = Value::List(vec![Value::text("x'y"), Value::Int(1), Value::Null]);
    assert_eq!(text_of(Some(Language::Soql), list.clone()), fixed(r"<b>('x\'y', 1, null)</b>"));
    assert!(text_of(Some(Language::DriveQuery), list).is_err());
    let when = at("2026-01-31T10:00:00Z");
    assert_eq!(text_of(Some(Language::Soql), when.clone()), fixed("<b>2026-01-31T10:00:00Z</b>"));
    assert_eq!(text_of(Some(Language::DriveQuery), when), fixed("<b>'2026-01-31T10:00:00Z'</b>"));
}

fn fits(pattern: Pattern, value: Value) -> Option<Value> {
    let arm = MatchArm { pattern, guard: None, value: Expr::Slot(Slot(5)) };
    let other = MatchArm { pattern: Pattern::Any, guard: None, value: Expr::Literal(Value::Null) };
    let mut slots = Frame::new();
    slots.set(Slot(5), Value::text("fits"));
    match eval_in(&Expr::Match { subject: lit(value), arms: vec![arm, other] }, &mut slots).unwrap() {
        Value::Null => None,
        value => Some(value),
    }
}

#[test]
fn patterns_fit_and_bind() {
    let yes = Some(Value::text("fits"));
    let range = |from: Option<Value>, to: Option<Value>| Pattern::Range { from, to };
    assert_eq!(fits(Pattern::Literal(Value::Int(1)), dec("1.0")), yes);
    let ten = || range(Some(Value::Int(1)), Some(Value::Int(10)));
    assert_eq!((fits(ten(), Value::Int(1)), fits(ten(), Value::Int(10))), (yes.clone(), None));
    assert_eq!(fits(range(None, Some(dec("100.00"))), dec("99.99")), yes);
    assert_eq!(fits(range(Some(eur("1")), None), Value::Int(5)), None);
    assert_eq!(fits(Pattern::StartsWith("inv_".into()), Value::text("inv_7")), yes);
    assert_eq!(fits(Pattern::StartsWith("inv_".into()), Value::Null), None);
    let named = |pattern| Pattern::Record(vec![("kind".into(), pattern)]);
    let value = Value::record([("kind", Value::text("a")), ("x", Value::Int(1))]);
    assert_eq!(fits(named(Pattern::Literal(Value::text("a"))), value.clone()), yes);
    assert_eq!(fits(named(Pattern::Bind(Slot(5))), value.clone()), Some(Value::text("a")));
    assert_eq!(fits(Pattern::Record(vec![("gone".into(), Pattern::Literal(Value::Null))]), value.clone()), yes);
    let case = |tag: &str| Pattern::Case { on: "kind".into(), tag: tag.into(), bind: Some(Slot(5)) };
    assert_eq!((fits(case("a"), value.clone()), fits(case("b"), value.clone())), (Some(value), None));
    let list = |count: i64| Value::List((0..count).map(Value::Int).collect());
    let first = |rest| Pattern::List { items: vec![Pattern::Any], rest };
    assert_eq!((fits(first(None), list(1)), fits(first(None), list(2)), fits(first(None), list(0))), (yes, None, None));
    assert_eq!(fits(first(Some(Some(Slot(5)))), list(3)), Some(Value::List(vec![Value::Int(1), Value::Int(2)])));
    let either = Pattern::Either(vec![Pattern::Literal(Value::Int(1)), Pattern::Literal(Value::Int(2))]);
    assert_eq!(fits(either, Value::Int(3)), None);
}

#[test]
fn a_match_that_nothing_fits_says_so() {
    let arm = MatchArm { pattern: Pattern::Literal(Value::Int(1)), guard: None, value: int(1) };
    let failure = eval(&Expr::Match { subject: lit(Value::Int(2)), arms: vec![arm] }).unwrap_err();
    assert_eq!(failure.message, "no arm of `match` fits an integer");
}

#[test]
fn functions_and_lambdas() {
    let call = |name: &str, args| eval_in(&Expr::Call(name.into(), args), &mut Frame::of([Value::Int(10)]));
    assert_eq!(call("double", vec![int(4)]), Ok(Value::Int(8)));
    // The lambda sees the binding in slot 0 around it, and its parameter in slot 1.
    let sum = Expr::Binary(BinaryOp::Add, Box::new(Expr::Slot(Slot(0))), Box::new(Expr::Slot(Slot(1))));
    let items = Expr::Literal(Value::List(vec![Value::Int(1), Value::Int(2)]));
    let mapped = call("List.map", vec![items, Expr::Lambda(vec![Slot(1)], Box::new(sum))]);
    assert_eq!(mapped, Ok(Value::List(vec![Value::Int(11), Value::Int(12)])));
    // An argument that is left out is null: the code still gets three.
    assert_eq!(call("String.pad", vec![Expr::Literal(Value::text("a")), int(2)]), Ok(Value::Int(3)));
    assert_eq!(call("List.length", vec![Expr::Literal(Value::List(vec![Value::Null]))]), Ok(Value::Int(1)));
    assert_eq!(call("gone", vec![]).unwrap_err().message, "there is no function `gone`");
}

#[test]
fn the_environment_and_the_place_provide_values() {
    assert_eq!(eval(&Expr::Env("REGION".into(), None)), Ok(Value::text("eu")));
    assert_eq!(eval(&Expr::Env("OTHER".into(), Some(lit(Value::Null)))), Ok(Value::Null));
    let missing = eval(&Expr::Env("OTHER".into(), None)).unwrap_err();
    assert_eq!(missing.message, "the environment variable `OTHER` is not set");
    assert_eq!(eval(&Expr::Ambient(Ambient::Status)), Ok(Value::Int(200)));
    assert_eq!(eval(&Expr::Ambient(Ambient::Body)).unwrap_err().message, "`body` is not known here");
}

#[test]
fn conversion_yields_null_where_the_value_does_not_fit() {
    let order = Type::Named("Order".into());
    let convert = |value| eval(&Expr::Convert(lit(value), order.clone()));
    assert_eq!(convert(Value::record([("orderId", Value::Int(7))])), Ok(Value::record([("id", Value::Int(7))])));
    assert_eq!(convert(Value::record([("id", Value::Int(7))])), Ok(Value::Null));
    let wire = eval(&Expr::Wire(lit(Value::record([("id", Value::Int(7))])), order.clone()));
    assert_eq!(wire, Ok(Value::record([("orderId", Value::Int(7))])));
}

#[test]
fn nests_are_bounded_within_three_quarters_of_the_stack_of_a_thread() {
    fn around(kind: u32, inner: Expr) -> Expr {
        let inner = Box::new(inner);
        let list = || Expr::List(vec![ListPart::Item(int(1))]);
        match kind {
            0 => Expr::Unary(UnaryOp::Negate, inner),
            1 => Expr::Binary(BinaryOp::Coalesce, lit(Value::Null), inner),
            2 => Expr::Binary(BinaryOp::Equal, inner, lit(Value::Null)),
            3 => Expr::If(lit(Value::Bool(true)), inner, lit(Value::Null)),
            4 => Expr::Let { slot: Slot(0), value: inner, then: Box::new(Expr::Slot(Slot(0))) },
            5 => Expr::Text { parts: vec![TextPart::Insert(*inner)], language: Some(Language::Html) },
            6 => Expr::Record(vec![RecordPart::Field("a".into(), *inner)]),
            7 => Expr::List(vec![ListPart::Item(*inner)]),
            8 => member(*inner, "a"),
            9 => Expr::Index(inner, lit(Value::Int(0))),
            10 => Expr::Index(Box::new(list()), inner),
            11 => Expr::Convert(inner, Type::Json),
            12 => {
                let arm = MatchArm { pattern: Pattern::Any, guard: None, value: *inner };
                Expr::Match { subject: lit(Value::Null), arms: vec![arm] }
            }
            13 => Expr::Match {
                subject: inner,
                arms: vec![MatchArm { pattern: Pattern::Any, guard: None, value: int(1) }],
            },
            14 => Expr::Env("OTHER".into(), Some(inner)),
            15 => Expr::Call("double".into(), vec![*inner]),
            16 => Expr::Call("List.map".into(), vec![list(), Expr::Lambda(vec![Slot(0)], inner)]),
            _ => Expr::Call("List.map".into(), vec![*inner, Expr::Lambda(vec![Slot(0)], Box::new(int(1)))]),
        }
    }
    let nests = || {
        for kind in 0..18 {
            let nest = |depth| (0..depth).fold(Expr::Literal(Value::Null), |inner, _| around(kind, inner));
            let failure = eval(&nest(MOST_DEPTH)).unwrap_err();
            assert_eq!(failure.message, "the expression is nested too deep", "{kind}");
        }
        let negated = (0..MOST_DEPTH - 1).fold(int(1), |inner, _| around(0, inner));
        assert_eq!(eval(&negated), Ok(Value::Int(-1)));
    };
    std::thread::Builder::new().stack_size(3 << 19).spawn(nests).unwrap().join().unwrap();
}

#[test]
fn endless_work_ends() {
    let items = Value::List(vec![Value::Null; 300]);
    let over = |inner: Expr| {
        let items = Expr::Literal(items.clone());
        Expr::Call("List.map".into(), vec![items, Expr::Lambda(vec![Slot(0)], Box::new(inner))])
    };
    let failure = eval(&over(over(over(int(1))))).unwrap_err();
    assert!(failure.message.contains("too many steps"), "{failure}");
}

#[test]
fn what_would_fill_the_memory_is_too_much_work() {
    let mut slots = Frame::of([Value::Null, Value::List(vec![Value::Null; 100_000])]);
    let items = Expr::Literal(Value::List(vec![Value::Null; 300]));
    let copies =
        |made: Expr| Expr::Call("List.map".into(), vec![items.clone(), Expr::Lambda(vec![Slot(0)], Box::new(made))]);
    for made in [Expr::Slot(Slot(1)), Expr::List(vec![ListPart::Spread(Expr::Slot(Slot(1)))])] {
        let failure = eval_in(&copies(made), &mut slots).unwrap_err();
        assert!(failure.message.contains("too many steps"), "{failure}");
    }
    let few = Expr::Call("List.length".into(), vec![Expr::Slot(Slot(1))]);
    assert_eq!(eval_in(&few, &mut slots), Ok(Value::Int(100_000)));
}
