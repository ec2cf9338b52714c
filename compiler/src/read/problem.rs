//! What the parser could not read, in words: what is wrong, what is there, what to do.

use flow_grammar::{CONTROL, Habit, ITEMS, Problem, ProblemKind, RESERVED, STATEMENTS};
use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    span::{FileId, Span},
};

/// The words of a diagnostic.
pub(super) struct Words {
    message: String,
    label: String,
    help: String,
}

pub(super) fn words(message: impl Into<String>, label: impl Into<String>, help: impl Into<String>) -> Words {
    Words { message: message.into(), label: label.into(), help: help.into() }
}

/// The diagnostic of a problem of the text.
pub(super) fn diagnostic(problem: &Problem, file: FileId) -> Diagnostic {
    let code = match problem.kind {
        ProblemKind::TooDeep(_) | ProblemKind::TooComplex => Code::E0103,
        _ => Code::E0102,
    };
    let Words { message, label, help } = match &problem.kind {
        ProblemKind::Unexpected => unexpected(problem),
        ProblemKind::Instead(meant) => instead(&problem.found, meant),
        ProblemKind::Missing(text) => missing(problem, text),
        ProblemKind::Incomplete => incomplete(problem),
        ProblemKind::UnknownWord(meant) => unknown_word(&problem.found, meant.as_deref()),
        ProblemKind::NakedCall(_)
        | ProblemKind::UnusedValue
        | ProblemKind::MissingLet
        | ProblemKind::MissingBlock
        | ProblemKind::BareBlock
        | ProblemKind::Minus
        | ProblemKind::Apart
        | ProblemKind::Reassigned
        | ProblemKind::Endless
        | ProblemKind::Ternary => statement(problem),
        ProblemKind::Unclosed(_)
        | ProblemKind::Stray
        | ProblemKind::WrongBracket(_)
        | ProblemKind::TooDeep(_)
        | ProblemKind::TooComplex => bracket(problem),
        ProblemKind::UnclosedText | ProblemKind::Quotes => text(problem),
        ProblemKind::Semicolon(_)
        | ProblemKind::Comment(_)
        | ProblemKind::Letters
        | ProblemKind::Unit(_)
        | ProblemKind::Currency(_)
        | ProblemKind::NameDigit
        | ProblemKind::Points
        | ProblemKind::Instant(_)
        | ProblemKind::Invisible(_)
        | ProblemKind::Direction(_)
        | ProblemKind::Character => character(problem),
        ProblemKind::Habit(known) => super::habit::words_of(known, &problem.found),
    };
    let span = Span::new(file, problem.start, problem.end);
    let diagnostic = Diagnostic::new(code, message, span, label).help(help.clone());
    // Nobody wants a file of another kind to be emptied.
    if problem.fix.is_empty() || matches!(problem.kind, ProblemKind::Habit(Habit::Yaml)) {
        return diagnostic;
    }
    let edits =
        problem.fix.iter().map(|edit| Edit { span: Span::new(file, edit.start, edit.end), text: edit.text.clone() });
    diagnostic.fix(help, edits.collect())
}

/// What stands at the place of a problem.
fn found(problem: &Problem) -> String {
    match problem.found.as_str() {
        "" => "the end of the file".to_owned(),
        found => format!("`{}`", shortened(found)),
    }
}

/// The first line of a piece of source, cut where it is long.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= MOST && line.len() == text.len() {
        return line.to_owned();
    }
    line.chars().take(MOST).chain(['…']).collect()
}

/// How many more of a kind there are, for the end of a label.
pub(super) fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => ", here and in one more place".to_owned(),
        _ => format!(", here and in {count} more places"),
    }
}

/// `a, b or c`, of at most five.
fn list(expected: &[String]) -> String {
    let shown: Vec<&str> = expected.iter().take(5).map(String::as_str).collect();
    match shown.as_slice() {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}

fn unexpected(problem: &Problem) -> Words {
    let is_reserved = RESERVED.contains(&problem.found.as_str());
    let expects = |what: &str| problem.expected.iter().any(|expected| expected == what);
    let help = match problem.found.as_str() {
        found if is_reserved && expects("a name") => {
            format!("`{found}` is a keyword; choose another name, such as `the_{found}`")
        }
        "fn" | "function" | "def" if expects("a part of a connector") => {
            "what a connector can do is an operation: `operation orders.get(id: String) -> Order { effect: read, request: GET \"/orders/{id}\" }`".to_owned()
        }
        "base" | "base_url" | "baseUrl" | "url" | "auth" | "authentication" | "headers" | "version" | "limit" | "rate_limit"
            if expects("a part of a connector") =>
        {
            "how its API is called stands in `http { … }`: `http { base: \"https://…\", auth: bearer(config.token) }`".to_owned()
        }
        "for" if expects("a text") => "a test has a name in quotes: `test \"a refund\" for refund { … }`".to_owned(),
        _ if let Some(taught) = taught(&problem.found, &expects) => taught.to_owned(),
        "," if problem.expected == ["`)`"] => {
            "one value or one type stands in parentheses; several are a record: `{ a: 1, b: 2 }`, of type `{ a: Int, b: Int }`".to_owned()
        }
        "," => "leave the `,` out, or write what should follow it".to_owned(),
        "on" => "triggers stand at the top of a flow, before its statements".to_owned(),
        "else" if expects("a pattern") || expects("an arm `pattern => value`") => {
            "the arm for all other values is `_ => …`".to_owned()
        }
        "else" => "`else` follows the `}` of an `if`, or the value of a `let` or a `step`".to_owned(),
        "finally" => {
            "what follows in both cases stands after the `try`; what a step did is taken back by `undo`".to_owned()
        }
        "except" => "write `catch { Kind as e => … }`".to_owned(),
        "is" => "compare with `==` and `!=`: `x == null`".to_owned(),
        "catch" => "`catch` follows the call of a `step`, or the `}` of a `try`".to_owned(),
        _ if problem.expected == ["`catch`"] => {
            "after `try { … }` write `catch { Kind => … }`, or leave `try` out".to_owned()
        }
        "" => format!("the text ends too early: write {}", list(&problem.expected)),
        "{" if expects("an item") && expects("`,`") => {
            "a connector is used as a whole, `use stripe`, and then `step stripe.customers.create(…)`; names are taken from files: `use \"./file.flow\" { name }`".to_owned()
        }
        found if expects("a part of a connector") && !ITEMS.contains(&found) => parts_of_connector(),
        _ if expects("an item") => items(),
        _ => format!("write {} here", list(&problem.expected)),
    };
    words(format!("expected {}, found {}", list(&problem.expected), found(problem)), "not expected here", help)
}

/// What is meant by something that other languages have at a place, by what is expected there.
fn taught(found: &str, expects: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    let is_item_head = expects("`{`") && expects("an item");
    let is_flow_head = expects("`->`") && expects("`{`") && expects("`(`");
    let is_field_name = expects("a name") && expects("`}`");
    let is_number = found.starts_with(|first: char| first.is_ascii_digit());
    Some(match found {
        "fails" if expects("`{`") => {
            "leave it out: an operation with a body ends as its steps do, one with a request as `errors { … }` says, and a \
             function never fails"
        }
        "as" if is_item_head => {
            "a file gets no name: write `use \"./file.flow\" { name }`, and then `name`; without braces all of its items are known"
        }
        "(" if is_item_head => "fields stand in braces: `error Gone { id: String }`",
        "*" if is_field_name => "leave `{ * }` out: `use \"./file.flow\"` takes all of its items",
        "extends" | "implements" | ":" if expects("`{`") => {
            "a record has the fields that it lists, and no others: write them all, or give it a field with the other record"
        }
        "..." if is_field_name => {
            "a record has the fields that it lists, and no others: write them all, or give it a field with the other record"
        }
        "<" if expects("`{`") || expects("`(`") => {
            "a declaration has no types as parameters: write one for each, or take `Json`"
        }
        "??" if expects("`=`") => "one `?` says that it may be null: `Int?`",
        "|" if expects("`=`") => {
            "a value has one type: several records are a `union Shape on kind { circle => Circle }`, several texts `\"a\" | \"b\"`"
        }
        "raises" | "throws" if is_flow_head => "the errors of a flow are named with `fails`: `flow f fails Gone { … }`",
        "-" if is_flow_head => "names have `_` in the place of `-`: `fulfil_order`",
        _ if is_flow_head => {
            "after its name stand parameters, `(a: Int)`, a result, `-> T`, errors, `fails E`, and then `{ … }`"
        }
        "=" if expects("`{`") => "what belongs to it stands in braces, without `=`: `{ … }`",
        "{" | "=" if expects("`on`") => {
            "say by which field the cases are told apart: `union Shape on kind { circle => Circle, square => Square }`"
        }
        "{" if expects("a text") && expects("a name") => {
            "connectors are named without braces, `use slack, stripe`; what a file declares is taken so: `use \"./file.flow\" { name }`"
        }
        "-" if expects("`:`") && expects("`,`") && expects("`}`") => {
            "a name with `-` stands in quotes: `{ \"content-type\": \"text/plain\" }`"
        }
        "[" if expects("a field") => {
            "the names of fields are written out; where a name is computed, make a map: `Map.from([{ key: name, value: 1 }])`"
        }
        ".." if expects("`=>`") => "`..` touches the value on its left: `1..10`",
        "concurrency" if expects("`{`") => {
            "the statements of a `parallel` all run at the same time; how many items of a list do is said in a loop: `for x in xs concurrency 8 { … }`"
        }
        "batch" | "chunk" | "chunks" | "by" | "step" if expects("`concurrency`") => {
            "a loop takes several items at a time so: `for batch in xs.chunks(50) { … }`"
        }
        _ if expects("`up to`") => "write `repeat every 10s up to 30 times until done { … }`, in this order",
        "parallel" if expects("`concurrency`") => {
            "how many items are under way at a time is said so: `for x in xs concurrency 8 { … }`"
        }
        "on_error" | "onerror" if expects("`concurrency`") => "write `on error collect`, or `skip` or `stop`",
        _ if expects("`every`") && (is_number || found == "until") => {
            "write `repeat every 10s up to 30 times until done { … }`, in this order"
        }
        "..." if expects("`=>`") => "a range has two dots, and ends before its end: `1..11`",
        ">" | "<" | ">=" | "<=" if expects("a pattern") => {
            "a pattern does not compare: write a range, `6.. => …`, or a condition, `x if x > 5 => …`"
        }
        "assert" | "check" | "should" | "verify" | "then" if expects("`expect`") => {
            "what must hold follows `expect`: `expect result 1`, `expect run completed`, `expect files.write called once`"
        }
        "or" if expects("`=>`") => "several of them have `|` between them: `NotFound | Forbidden => …`",
        _ if expects("an arm `Kind => value`") && found.starts_with('"') => {
            "kinds are named without quotes: `NotFound => value`; `_ => value` takes all failures"
        }
        "(" if expects("what it answers: `returns …`, `fails …` or `using schema`") => {
            "a stub stands for all calls of an operation: leave `(…)` out; `expect … called with { … }` says what a call was given"
        }
        found if expects("`then`") && (is_number || matches!(found, "once" | "always" | "never" | "times")) => {
            "`using schema` answers all calls, and one where `then` follows: leave it out; `returns …` and `fails …` take `once`, \
             `3 times` or `always`"
        }
        "where" if expects("`concurrency`") => {
            "some of the items are `.filter(x -> …)`: `for order in orders.filter(o -> o.is_open) { … }`"
        }
        _ if expects("a text") && found.starts_with(|first: char| first.is_ascii_uppercase()) && !expects("a name") => {
            "write the text itself, in quotes: it has to be known before anything runs"
        }
        "throws" | "raises" if expects("what it answers: `returns …`, `fails …` or `using schema`") => {
            "write `fails NotFound`, with the kind of error"
        }
        _ if expects("a text") && found.starts_with(|first: char| first.is_ascii_lowercase()) && !expects("a name") => {
            "write it as a text, in quotes"
        }
        _ if is_number && expects("a name") => "names begin with a letter; a number below 1 is written `0.5`",
        _ => return None,
    })
}

fn items() -> String {
    "a file is made of items: `use`, `const`, `record`, `enum`, `union`, `error`, `fn`, `connection`, `policy`, \
     `event`, `connector`, `flow`, `test`"
        .to_owned()
}

fn parts_of_connector() -> String {
    "a connector is made of `config { … }`, `http { … }`, `errors { … }`, `operation`, `trigger`, `verification`, \
     `challenge`, `webhooks`, and of types: `record`, `enum`, `union`, `error`"
        .to_owned()
}

fn instead(found: &str, meant: &str) -> Words {
    match (found, meant) {
        ("=", "==") => words("`=` does not compare", "gives a value to a name", "write `==` to compare two values"),
        ("=", ":") => {
            words("`=` does not give a value to an argument or a field", "`:` belongs here", "write `name: value`")
        }
        (":", "->") => words("the type of a result stands after `->`", "`->` belongs here", "write `-> Type`"),
        ("=>", "->") => {
            words("a function written in place has `->`", "`->` belongs here", "write `x -> value`; `=>` is for arms")
        }
        (":" | "->", "=>") => words("an arm is written with `=>`", "`=>` belongs here", "write `pattern => value`"),
        ("||", "??") => words(
            "`||` gives no other value in Flow",
            "`??` belongs here",
            "write `a ?? b`: the value of `b` where `a` is null",
        ),
        ("->", ".") => words("a member is read with `.`", "`.` belongs here", "write `a.b`"),
        _ => words(
            format!("`{found}` is written `{meant}` in Flow"),
            format!("`{meant}` belongs here"),
            format!("write `{meant}`"),
        ),
    }
}

fn missing(problem: &Problem, text: &str) -> Words {
    let what = match text {
        "()" => "the parentheses are missing".to_owned(),
        _ => format!("`{text}` is missing"),
    };
    let before = match problem.found.as_str() {
        "" => "at the end of the file".to_owned(),
        _ => format!("before {}", found(problem)),
    };
    let help = match text {
        "," => "put a `,` between two arguments, or two items of a list".to_owned(),
        ":" => "write `name: …`".to_owned(),
        "()" => "write `()` where there are no parameters".to_owned(),
        _ => format!("write `{text}` here"),
    };
    words(format!("{what} {before}"), format!("`{text}` belongs here"), help)
}

fn incomplete(problem: &Problem) -> Words {
    let before = match problem.found.as_str() {
        "" => "at the end of the file".to_owned(),
        _ => format!("before {}", found(problem)),
    };
    if problem.found == "+" {
        return words(
            "`+` stands between two values",
            "nothing before it",
            "leave it out: a number without a sign is positive",
        );
    }
    let what = list(&problem.expected);
    words(format!("{what} is missing {before}"), format!("{what} belongs here"), format!("write {what} here"))
}

fn unknown_word(found: &str, meant: Option<&str>) -> Words {
    let found = shortened(found);
    match meant {
        Some(meant) => words(
            format!("`{found}` is not a word that Flow knows here"),
            format!("did you mean `{meant}`?"),
            format!("write `{meant}`"),
        ),
        None => words(
            format!("`{found}` begins no item"),
            "not expected here",
            match found.as_str() {
                "import" | "from" | "require" | "include" => {
                    "write `use connector`, or `use \"./file.flow\" { name }` for what another file declares".to_owned()
                }
                "let" | "var" => "a value of a file is a `const`, and an account of a system a `connection`: `connection team = slack { … }`"
                    .to_owned(),
                "type" => "a type has no other name: write `String` itself where it is used; one with fields is a `record`, one of \
                           several texts is `\"a\" | \"b\"` where it is used"
                    .to_owned(),
                "export" | "public" | "private" | "static" | "async" | "abstract" | "final" => {
                    "leave it out".to_owned()
                }
                word if STATEMENTS.contains(&word) || CONTROL.contains(&word) => {
                    format!("statements stand in a flow: `flow name() {{ {word} … }}`")
                }
                _ => items(),
            },
        ),
    }
}

fn statement(problem: &Problem) -> Words {
    match &problem.kind {
        ProblemKind::NakedCall(true) => words(
            "what has an effect is a step",
            "is called without `step`",
            "write `step` before it, or `step name = …` where its result is used",
        ),
        ProblemKind::NakedCall(false) => words(
            "nothing is done with this call",
            "is neither a step nor the last value of its block",
            "write `step` before the call of an operation or a flow; what a function gives is kept with `let name = …`",
        ),
        ProblemKind::UnusedValue if problem.found == "on" || problem.found.starts_with("on ") => words(
            "this trigger can't be read",
            "is written in another way",
            "write `on every 15m as tick { … }`, `on http POST \"/path\" as request { … }`, `on file \"inbox/*.csv\" as file`, each \
             with one block of clauses at most; several triggers are several `on`",
        ),
        ProblemKind::UnusedValue => words(
            "nothing is done with this value",
            "is not the last in its block",
            "keep it with `let name = …`, or leave it out",
        ),
        ProblemKind::MissingLet => {
            words("a name gets its value by `let`", "`let` is missing before this", "write `let` before the name")
        }
        ProblemKind::MissingBlock => words(
            "what depends on a condition stands in braces",
            "`{` and `}` belong around this",
            "write `{ … }` around it, also when it is a single statement",
        ),
        ProblemKind::BareBlock => words(
            "statements in braces belong to something",
            "belongs to nothing",
            "leave the braces out; within `parallel` and `race`, braces make one branch of several statements",
        ),
        ProblemKind::Apart => words(
            format!("`{}` must touch what it applies to", problem.found),
            "has space before it",
            "leave the space out: `f(x)`, `list[0]`, `List<T>`",
        ),
        ProblemKind::Reassigned => words(
            "a name keeps its value",
            "got its value before",
            "give the new value a name of its own: `let other = …`; to add up over a list, `list.sum(item -> …)` or `list.fold(…)`",
        ),
        ProblemKind::Endless => words(
            "there is no loop with a condition in Flow",
            "would loop without a bound",
            "go through a list: `for item in items { … }`; to ask until something holds: `repeat every 10s up to 30 times until done { … }`",
        ),
        ProblemKind::Minus => words(
            "`-` belongs to the number after it here",
            "has space before it and none after it",
            "put space on both sides to subtract: `a - 1`",
        ),
        _ => words(
            "there is no `a ? b : c` in Flow",
            "not expected here",
            "write `if a { b } else { c }`, which is a value; what may be null is replaced with `a ?? b`",
        ),
    }
}

fn bracket(problem: &Problem) -> Words {
    let found = &problem.found;
    match &problem.kind {
        ProblemKind::Unclosed(closer) => {
            words(format!("`{found}` is never closed"), "is opened here", format!("put `{closer}` where it ends"))
        }
        ProblemKind::WrongBracket(closer) => words(
            format!("`{found}` closes a bracket of another kind"),
            format!("`{closer}` belongs here"),
            format!("write `{closer}`"),
        ),
        ProblemKind::Stray => words(
            format!("`{found}` closes nothing"),
            "no bracket of this kind is open here",
            "leave it out, or put the bracket that opens it where it belongs",
        ),
        ProblemKind::TooDeep(most) => words(
            match found.as_str() {
                "<" => format!("types are nested more than {most} deep"),
                "(" | "[" | "{" | "\"" | "\"\"\"" => format!("brackets are nested more than {most} deep"),
                _ => format!("expressions are nested more than {most} deep"),
            },
            "what is in here is not read",
            "give inner parts names with `let`, or put them into a `fn` or a flow",
        ),
        _ => words(
            "this takes more work to read than its length allows",
            "is not read",
            "divide it: give inner parts names with `let`, or put them into a `fn` or a flow",
        ),
    }
}

fn text(problem: &Problem) -> Words {
    if problem.kind == ProblemKind::Quotes {
        return words("texts stand in double quotes", "is in quotes of another kind", "write `\"…\"`");
    }
    if problem.found.trim_start_matches('r').starts_with("\"\"\"") {
        return words("this text has no end", "begins here", "write `\"\"\"` where it ends");
    }
    let help = if problem.found.contains('{') {
        "end the text, and each `{…}` in it, on the line where it begins; write `\\{` for a brace that stands for itself"
    } else {
        "write `\"` where it ends; a text of several lines stands between `\"\"\"`"
    };
    words("this text has no end on its line", "begins here", help)
}

fn character(problem: &Problem) -> Words {
    let found = &problem.found;
    match &problem.kind {
        ProblemKind::Semicolon(more) => words(
            "`;` has no meaning in Flow",
            format!("not needed{}", and_more(*more)),
            "leave it out: neither statements nor fields need it between them",
        ),
        ProblemKind::Comment(more) => words(
            format!("comments don't begin with `{}`", shortened(found)),
            format!("begins no comment{}", and_more(*more)),
            "write `//`",
        ),
        ProblemKind::Letters => {
            let mut others: Vec<char> = found.chars().filter(|letter| !letter.is_ascii()).collect();
            others.dedup();
            let others: Vec<String> = others.iter().take(5).map(|letter| format!("`{letter}`")).collect();
            words(
                format!("the name `{found}` has letters other than a to z"),
                format!("has {}", others.join(", ")),
                "write names with a to z, digits and `_`; a text in quotes may have any letters",
            )
        }
        ProblemKind::Unit(Some(meant)) => words(
            format!("`{found}` has no unit that Flow knows"),
            format!("did you mean `{meant}`?"),
            format!("write `{meant}`"),
        ),
        ProblemKind::Unit(None) if found.starts_with("0x") || found.starts_with("0b") => words(
            format!("`{found}` is not written in base 10"),
            "not a number of Flow",
            "write the number itself: `255`",
        ),
        ProblemKind::Unit(None)
            if found.contains(['e', 'E'])
                && found.trim_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len() == 1 =>
        {
            words(
                format!("`{found}` is not written out"),
                "not a number of Flow",
                "write all of its digits: `1_000_000`",
            )
        }
        ProblemKind::Unit(None) => words(
            format!("`{found}` is not a number with a unit"),
            "has letters that are no unit",
            "durations end in `ms` `s` `m` `h` `d`, sizes in `B` `kB` `MB` `GB` `TB` or `KiB` `MiB` `GiB` `TiB`",
        ),
        ProblemKind::Currency(Some(meant)) => words(
            format!("`{}` is not an amount", shortened(found)),
            format!("did you mean `{meant}`?"),
            format!("write `{meant}`"),
        ),
        ProblemKind::Currency(None) => words(
            format!("`{}` is not an amount", shortened(found)),
            "the currency is not three capital letters",
            "write the code of the currency (ISO 4217): `5.00 EUR`",
        ),
        ProblemKind::NameDigit => words(
            format!("the name `{}` begins with a digit", shortened(found)),
            "not a name",
            "begin the name with a letter or `_`",
        ),
        ProblemKind::Instant(meant) => words(
            "a point in time stands in quotes",
            "is without quotes",
            format!("write `{meant}` where a `Timestamp` is expected; elsewhere `{meant} as Timestamp`"),
        ),
        ProblemKind::Points => words(
            format!("`{}` is not a number", shortened(found)),
            "has more than one `.`",
            "write a number with one `.`, or a text in quotes",
        ),
        ProblemKind::Invisible(code) => words(
            "there is a character here that can't be seen",
            format!("U+{code:04X}"),
            "replace it with a plain space, or leave it out",
        ),
        ProblemKind::Direction(code) => words(
            "there is a character here that turns the direction of the text around",
            format!("U+{code:04X}"),
            format!(
                "leave it out: it makes a program look different from what it is; in a text write `\\u{{{code:x}}}`"
            ),
        ),
        _ if matches!(found.as_str(), "&" | "^" | "~") => words(
            format!("`{found}` has no meaning here"),
            "not expected here",
            "conditions are joined with `and`, `or` and `not`; there is no arithmetic with bits",
        ),
        _ if found == "…" => words(
            "`…` stands for something that was left out",
            "something belongs here",
            "write out what it stands for",
        ),
        _ => words(format!("`{}` has no meaning here", shortened(found)), "not expected here", "leave it out"),
    }
}
