//! What comes from other languages, in words: what is written there, and what it is in Flow.

use flow_grammar::Habit;

use super::problem::{Words, and_more, shortened, words};

/// What another language has.
pub(super) fn words_of(habit: &Habit, found: &str) -> Words {
    match habit {
        Habit::Prefix => words(
            "texts need no letter before them to take insertions",
            "means nothing here",
            "leave it out: each text takes insertions, `\"Hello {name}\"`",
        ),
        Habit::TypedText(name) => words(
            "a text has no type before it",
            "belongs to what takes the text",
            format!("leave it out: a text is `{name}` where `{name}` is expected"),
        ),
        Habit::Bound(meant) => words(
            "what a value may be is said with `min`, `max` and `pattern`",
            "compares nothing in a type",
            format!("write `{meant}`"),
        ),
        Habit::Scheme(meant) => {
            words("the name of a check is one word", "two words", format!("write `{meant}(header: …, secret: …)`"))
        }
        Habit::Array(list) => {
            words("a list is not written with `[]` in Flow", "a type with `[]`", format!("write `{list}`"))
        }
        Habit::Comprehension(calls) => words(
            "a list is not made with `for` within `[…]`",
            "makes a list in the way of Python",
            format!("write `{}`", shortened(calls)),
        ),
        Habit::Optional(field) => words(
            "what may be missing is said by the type",
            "stands after the name",
            format!("write `{field}`: it is null when it is left out"),
        ),
        Habit::Alias(name) => {
            words("a type with fields is a `record`", "Flow has no `type`", format!("write `record {name} {{ … }}`"))
        }
        Habit::Lambda(head) => {
            words("a function written in place has no `lambda`", "is written with `->`", format!("write `{head} …`"))
        }
        Habit::Switch(subject) => words(
            "`switch` is written `match` in Flow",
            "`match` belongs here",
            format!("write `match {subject} {{ 1 => …  2 | 3 => …  _ => … }}`: the first arm that fits is the value"),
        ),
        Habit::NoValue(name) => words(
            format!("the constant `{}` has no value", name.split(':').next().unwrap_or(name).trim()),
            "nothing follows its name",
            format!("write `const {name} = …`"),
        ),
        Habit::Catch(name) => words(
            "`catch` has arms, one for each kind of failure",
            "names the failure of all kinds",
            format!("write `catch {{ Unavailable | Timeout as {name} => …  _ as {name} => … }}`"),
        ),
        Habit::DoubleBrace(value) => words(
            "what is inserted stands between single braces",
            "has two braces on each side",
            format!("write `{{{}}}`", shortened(value)),
        ),
        Habit::NamedRecord(name) => words(
            "a record is written without its name",
            "not needed",
            match name.as_str() {
                "Set" => "a list without repetitions is `xs.distinct()`".to_owned(),
                "Map" => "write `Map.from(…)` with a list of `{ key, value }`".to_owned(),
                "Error" | "Exception" => "what goes wrong is an error of the program: `error Refused { why: String }`, then `fail Refused(why: …)`".to_owned(),
                _ => format!("write `{{ field: … }}`; `let x: {name} = {{ … }}` says which record it is"),
            },
        ),
        Habit::TypeOf(convert) => words(
            "a value is not asked for its type",
            "means nothing in Flow",
            format!("convert it: `{convert}` is null where it is something else"),
        ),
        Habit::NotIn(value) => words(
            "`not` stands before what it turns around",
            "stands in the middle",
            format!("write `not {} in …`", shortened(value)),
        ),
        Habit::AsFunction(convert) => words(
            "a value is converted by the word `as`, behind it",
            "is no function",
            format!("write `x {convert}`, which is null where it is something else"),
        ),
        Habit::IsNone(sign) => {
            words("null is compared like any value", "not written with `is`", format!("write `{sign}`"))
        }
        Habit::IfElse(value) => words(
            "a value that depends on a condition begins with `if`",
            "stands after the value",
            format!("write `{}`", shortened(value)),
        ),
        Habit::ArrowBlock => words(
            "a function written in place is `x -> value`",
            "has `=>`, braces and `return`",
            "write `x -> …` with the value alone",
        ),
        Habit::LoopHead(name) => words(
            "a loop is written `for x in xs`",
            "is written in another way",
            format!("write `for {name} in … {{ … }}`"),
        ),
        Habit::Counting(name) => words(
            "a loop goes through a list",
            "counts up",
            format!(
                "write `for x in xs {{ … }}`; where the number is needed, `for {name} in List.range(0, xs.length) {{ … }}`"
            ),
        ),
        Habit::Arms => words(
            "an arm is written `pattern => value`",
            "is written in another way",
            "write `1 => …`, `2 | 3 => …`, and `_ => …` for all others",
        ),
        Habit::Colon(more) => words(
            "a block stands in braces, not under a `:`",
            format!("`{{` belongs here{}", and_more(*more)),
            "write `{ … }` around the lines of the block",
        ),
        Habit::Await(false) => words(
            "nothing is awaited in Flow: a step is over when the next statement begins",
            "not needed",
            "write `step …`, or `step name = …` where its result is used",
        ),
        Habit::Await(true) => words(
            "what runs at the same time stands in `parallel`",
            "means nothing in Flow",
            "write `parallel { step a = …  step b = … }`: what they bind is known after it",
        ),
        Habit::Throw(word, None) => words(
            format!("`{word}` is written `fail`, with an error that the program declares"),
            "`fail` belongs here",
            "declare `error Refused { reason: String }`, then write `fail Refused(reason: …)`",
        ),
        Habit::Throw(word, Some(error)) => words(
            format!("`{word}` is written `fail` in Flow"),
            "`fail` belongs here",
            format!("write `fail {error}(…)`"),
        ),
        Habit::TypeFirst(meant) => {
            words("a type stands after its name", "stands before the name", format!("write `{meant}`"))
        }
        Habit::Binds(sign, name) => {
            words(format!("`{sign}` gives no name a value"), "`=` belongs here", format!("write `let {name} = …`"))
        }
        Habit::InnerConst(name) => words(
            "`const` stands at the top of a file",
            "is within a flow",
            format!("write `let {name} = …`: no name ever changes its value"),
        ),
        Habit::Parts(lets) => {
            words("each name is bound by a `let` of its own", "binds several names", format!("write `{lets}`"))
        }
        Habit::Compound(name) => words(
            format!("`{name}` keeps its value"),
            "would change it",
            "make the value of the whole list at once: `xs.sum()`, `xs.fold(0, (sum, x) -> sum + x)`",
        ),
        Habit::StepName(name) => words(
            "the name of a step is no text",
            "stands in quotes",
            format!("write `step {name} = …`, or leave the name out; what it is for stands above it, `// …`"),
        ),
        Habit::InlinePolicy(part) => words(
            "how a step is carried out stands in `with { … }`",
            "stands after the call",
            format!("write `with {{ {part} }}`"),
        ),
        Habit::Choice(meant) => words(
            "the variants of an `enum` stand in braces",
            "means nothing here",
            format!("write `enum {}`", shortened(meant)),
        ),
        Habit::Import(meant) => {
            words("what a file needs is said with `use`", "`use` belongs here", format!("write `{}`", shortened(meant)))
        }
        Habit::Modifier => words(
            format!("no item is `{found}` in Flow"),
            "not needed",
            "leave it out: other files see every item that is not `private`",
        ),
        Habit::Yaml => words(
            "a program of Flow is not written in YAML",
            "is a key of YAML",
            "begin with a flow: `flow name { on every 15m  step … }`; `flowc new NAME` makes a project that runs",
        ),
        Habit::TriggerColon(rest) => {
            words("a trigger has no `:` after `on`", "not needed", format!("write `on {}`", shortened(rest)))
        }
        Habit::EveryText => words("a duration is no text", "stands in quotes", "write `on every 15m`"),
        Habit::EveryAlone => words(
            "`every` needs a duration",
            "how often is not said",
            "write `on every 15m`, with `s`, `m`, `h` or `d`",
        ),
        Habit::ElseSign(sign, word, true) => words(
            format!("where a value is null, a flow ends with `else {word}`"),
            format!("`{sign}` takes a value"),
            format!("write `let x = … else {word} …`"),
        ),
        Habit::ElseSign(sign, word, false) => words(
            format!("`{word}` is no value"),
            format!("`{sign}` takes a value"),
            format!("bind it before, `let x = … else {word} …`, and use `x` here"),
        ),
        Habit::FailText => words(
            "`fail` names an error",
            "a text, not an error",
            "declare it, `error Refused { why: String }`, and write `fail Refused(why: …)`",
        ),
        Habit::StepInside(None) => words("a step is named by itself", "not needed here", "write `step name = …`"),
        Habit::StepInside(Some(called)) => words(
            "a step is a statement, not a value",
            "stands inside of another statement",
            format!("make it a step of its own before, `step name = {called}(…)`, and use `name` here"),
        ),
        Habit::LoopIndex(one, other) => {
            let (index, item) = match one.as_str() {
                "i" | "j" | "n" | "k" | "idx" | "index" | "key" | "_" => (one, other),
                _ => (other, one),
            };
            words(
                "a loop has one name",
                "two names",
                format!(
                    "write `for {item} in xs.enumerate() {{ … }}`, then `{item}.index` for `{index}` and `{item}.item` for the item; \
                     of a map, `.entries()` has `.key` and `.value`"
                ),
            )
        }
        Habit::Spread(name) => words(
            "a call names each of its arguments",
            "would be spread over several of them",
            format!("write the arguments one by one: `{name}(a: …, b: …)`"),
        ),
        Habit::ArmStatement => {
            words("a statement in an arm stands in braces", "is a statement, not a value", "write `=> { … }` around it")
        }
        Habit::Trigger(word) => words(
            format!("no trigger is called `{word}`"),
            "not known",
            match word.as_str() {
                "schedule" | "timer" | "interval" | "daily" | "hourly" => {
                    "write `on every 15m`, or `on cron \"0 9 * * mon\" in \"Europe/Berlin\"`"
                }
                "manual" | "call" | "start" => {
                    "leave `on` out: a flow without a trigger is started by `flowc run` and by other flows"
                }
                _ => "write `on http POST \"/path\" as request { body: T, verify: … }`",
            },
        ),
        Habit::Nullable(meant) => {
            words("what may be null is said by `?`", "not written like this", format!("write `{}`", shortened(meant)))
        }
        Habit::NoMethod => words(
            "`on http` needs the method of the request",
            "a method belongs before this",
            format!("write `on http POST {found}`, or `GET`, `PUT`, `PATCH`, `DELETE`"),
        ),
        Habit::EventText(name) => {
            words("an event is named without quotes", "stands in quotes", format!("write `on event {name}`"))
        }
        Habit::EveryWord(meant) if meant.starts_with("on cron") => words(
            "`every` takes a duration; a time of day is a cron line",
            "not a duration",
            format!("write `{meant}`: minute, hour, day of the month, month, day of the week"),
        ),
        Habit::EveryWord(meant) => words(
            "`every` takes a duration",
            "not a duration",
            format!("write `{meant}`: a number with `s`, `m`, `h` or `d`"),
        ),
        Habit::Sleep(meant) => words(
            "a run that does nothing for a time sleeps; `wait` is for events",
            "`sleep` belongs here",
            format!("write `{meant}`"),
        ),
        Habit::Wait(meant) => words(
            "waiting for an event is a step",
            "not written like this",
            format!("write `{meant} …`: `where .field == x` says which one, `for 7d` how long"),
        ),
        Habit::Approval(meant) => {
            words("asking somebody is a step", "not written like this", format!("write `{meant}`, which is null when nobody decided in time"))
        }
        Habit::StepStatement(word) => words(
            format!("`{word}` is a statement of its own, not a step"),
            "not needed",
            format!("leave `step` out: `{word} …`"),
        ),
        Habit::StatementCommas(more) => words(
            "statements have no commas between them",
            format!("not needed{}", and_more(*more)),
            "leave it out: each statement begins with its keyword",
        ),
        Habit::CaseParts(meant) => {
            words("a case of a union is bound with `as`", "not written like this", format!("write `{meant} => …`"))
        }
        Habit::CaseFields(case, field) => words(
            "a case of a union is bound with `as`, and its fields are read from that",
            "not written like this",
            format!("write `{case} as c => …`, and `c.{field}` for `{field}`"),
        ),
        Habit::PatternCommas(meant) => words(
            "several patterns of one arm have `|` between them",
            "`|` belongs here",
            format!("write `{}`", shortened(meant)),
        ),
        Habit::When => {
            words("the condition of an arm begins with `if`", "`if` belongs here", "write `pattern if condition => …`")
        }
        Habit::RangeEnd(meant) => words(
            "a range is written `..`, and ends before its end",
            "not written like this",
            format!("write `{meant}`"),
        ),
        Habit::EmitCall(name) => words(
            "an event is emitted with its fields in braces",
            "braces belong here",
            format!("write `emit {name} {{ … }}`"),
        ),
        Habit::StatusKind(kind) => words(
            "failures are caught by their kind, whatever status stands for it",
            "a status",
            format!("write `{kind} => …`"),
        ),
        Habit::CatchAll(meant) => {
            words("what takes all other failures is `_`", "no kind of failure", format!("write `{meant} => …`"))
        }
        Habit::FailsCommas(meant) => words(
            "several errors have `|` between them, as in `catch`",
            "`|` belongs here",
            format!("write `{}`", shortened(meant)),
        ),
        Habit::FailRecord(meant) => {
            words("`fail` calls an error like a function", "not written like this", format!("write `{meant}`"))
        }
        Habit::UndoStatement => words(
            "`undo` is followed by the one call that takes the step back",
            "not a call",
            "write `undo connection.operation(…)`; where several calls undo it, give each step its own `undo`",
        ),
        Habit::UseText(meant) => words(
            "a connector is named without quotes",
            "stands in quotes",
            format!("write `{meant}`; quotes are for files, `use \"./file.flow\"`"),
        ),
        Habit::UseAs(connection) => words(
            "`use` gives no other name",
            "a name of its own",
            format!("declare a connection with that name: `{connection}`"),
        ),
        Habit::ConnectionCall(connector) => words(
            "the settings of a connection stand in braces",
            "braces belong here",
            format!("write `{connector} {{ setting: … }}`"),
        ),
        Habit::SafeIndex(Some(meant)) => words(
            "there is no `?[…]`",
            "not written like this",
            format!(
                "of a `Json`, write `{meant}`, which is null where there is nothing; of a map, bind what is before it: \
                 `let x = … ?? {{}}`, then `x[…]`"
            ),
        ),
        Habit::SafeIndex(None) => words(
            "there is no `?[…]`",
            "may be applied to null",
            "say what holds in the place of null: `(… ?? [])[…]` of a list, `(… ?? {})[…]` of a map or of `Json`",
        ),
        Habit::Untyped(name) => words(
            format!("the parameter `{name}` has no type"),
            "its type belongs after this",
            format!("write it: `{name}: Int`, `{name}: String`, …"),
        ),
        Habit::Keyword(word) => words(
            format!("`{word}` is a keyword: a parameter of that name could not be read"),
            "a keyword",
            format!("give it another name, such as `the_{word}`"),
        ),
        Habit::Now => words("the time is `now()`", "is written in another way", "write `now()`"),
        Habit::ExpectResult => words(
            "what the result should be stands right after `result`",
            "not needed",
            "write `expect result \"x\"`, or `expect result { field: … }` for some of its fields",
        ),
        Habit::ExpectField(meant) => words(
            "what a field of the result should be stands in a record",
            "is not compared",
            format!("write `{}`, with the fields that matter", shortened(meant)),
        ),
        Habit::ExpectWords(meant) => words(
            "a test says this in other words",
            "is written in another way",
            format!("write `{}`", shortened(meant)),
        ),
        Habit::HowOften(meant) => words(
            "how often stands after `called`",
            "is written in another way",
            format!("write `{}`", shortened(meant)),
        ),
        Habit::Expect(word) => words(
            match word.as_str() {
                "" => "`expect` is no function".to_owned(),
                _ => format!("`{word}` can't be expected"),
            },
            "nothing that a test knows",
            "write `expect run completed`, `expect result …`, `expect c.operation called once with { … }`, \
             `expect emitted order.paid`, `expect dead_letter name contains { … }`, `expect responded 200 { … }` or `expect never { … }`",
        ),
        Habit::ArrowBody(word) => words(
            format!("what a `{word}` does follows its head at once"),
            "not needed",
            format!("write `{word} name(…) {{ … }}`"),
        ),
        Habit::ErrorWhen(status) if status.is_empty() => words(
            "a condition on an answer begins with `when`",
            "`when` belongs before this",
            "write `when body.ok == false => Rejected`",
        ),
        Habit::ErrorWhen(status) => {
            words("a rule has a status or a condition", "both", format!("write `when {status}… => Kind`"))
        }
        Habit::QueueText(name) => words(
            "a queue of dead letters is named without quotes",
            "stands in quotes",
            format!("write `dead_letter {name} {{ … }}`"),
        ),
        Habit::NoSubject => words(
            "`match` tells the cases of a value apart",
            "of which value?",
            "write `match value { … }`; conditions are `if a { … } else if b { … } else { … }`, which is a value too",
        ),
        Habit::AttributeFirst(meant) => {
            words("an attribute stands after the type", "stands before it", format!("write `{meant}`"))
        }
        Habit::ForEach(list) => words(
            "a list is gone through with `for`",
            "is no function of lists",
            format!("write `for x in {} {{ … }}`", shortened(list)),
        ),
        Habit::StatementCall(word) => words(
            format!("`{word}` is a statement, and is not called"),
            "not needed",
            match word.as_str() {
                "respond" => "write `respond 200 { … }`",
                _ => "write `dead_letter name { … }`",
            },
        ),
        Habit::WithCall => words(
            "what follows `with` stands in braces",
            "braces belong here",
            "write `with { timeout: 10s, retry { times: 3 } }` at a step, `called with { path: \"a\" }` in a test",
        ),
        Habit::GivenRecord(name) => words(
            "what a test gives is said one by one",
            "not needed",
            format!("write `given {name} = …`, a line for each"),
        ),
        Habit::StepBraces(called) => words(
            "the arguments of a call stand in parentheses",
            "a parenthesis belongs here",
            format!("write `step {called}(name: value)`"),
        ),
        Habit::StepBlock(name) => words(
            "a step is a single call",
            "a block of statements",
            format!(
                "write `step {name} = connection.operation(…)`; what several flows do is a flow of its own, `flow {name} {{ … }}`"
            ),
        ),
        Habit::TypedLambda(names) => words(
            "a function written in place has no types: they follow from where it stands",
            "a type",
            match names.contains(',') {
                true => format!("write `({names}) -> …`"),
                false => format!("write `{names} -> …`"),
            },
        ),
        Habit::LambdaStatement => words(
            "a function written in place has a value, and no statements",
            "a statement",
            "go through the list with `for x in xs { … }`, where each statement may stand",
        ),
        Habit::AttributeCall(meant) => {
            words("this is said without `@`", "is written in another way", format!("write `{}`", shortened(meant)))
        }
        Habit::JsonName(meant) => {
            words("the name in JSON is a text", "stands without quotes", format!("write `{meant}`"))
        }
        Habit::EnumValues(meant) => words(
            "the variants of an `enum` are names, and have no values",
            "not a name",
            format!("write `{}`; where a system has texts, the type is `\"pro\" | \"standard\"`", shortened(meant)),
        ),
        Habit::EntrySet(name) => words(
            format!("`{name}` keeps its entries"),
            "would change it",
            format!(
                "make a new one: of a record `let other = {{ ...{name}, field: value }}`, of a map \
                 `let other = {name}.merge(Map.from([{{ key: \"a\", value: 1 }}]))`"
            ),
        ),
        Habit::FormatSpec => words(
            "an insertion holds a value, and no form",
            "means nothing here",
            "give the value its form by a function: `{total.round(2)}`, `{day.format(\"%d.%m.%Y\")}`",
        ),
        Habit::MemberEntry(meant) => words(
            "an entry of a record has a name",
            "a name belongs before this",
            format!("write `{}`", shortened(meant)),
        ),
        Habit::KindsCommas(meant) => words(
            "several kinds of errors have `|` between them",
            "`|` belongs here",
            format!("write `{}`", shortened(meant)),
        ),
        Habit::PayloadName(meant) => words(
            "what starts a run gets its name by `as`",
            "`as` belongs before this",
            format!("write `{}`", shortened(meant)),
        ),
        Habit::Regex(meant) => {
            words("a regular expression is no pattern", "not written like this", format!("write `{meant} => …`"))
        }
        Habit::Then => {
            words("what depends on a condition stands in braces", "`{` belongs here", "write `if … { … } else { … }`")
        }
        Habit::Assert => words(
            "that a value is there can't be asserted",
            "means nothing here",
            "`a?.b` is null where `a` is, `a ?? b` gives another value, `let x = a else fail E()` ends the run",
        ),
        Habit::Idiom(idiom) => super::idiom::words_of(idiom),
        Habit::Phrase(phrase) => super::phrase::words_of(phrase),
        Habit::Dollar => words(
            format!(
                "`{}` is nothing in Flow: there is no implied item",
                shortened(found.trim_matches(['{', '}', ' ']))
            ),
            "comes from which step?",
            "name what it is read from: the payload (`on … as event`, then `event.email`) or a step (`step order = …`, \
             then `order.email`)",
        ),
    }
}
