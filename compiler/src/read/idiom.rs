//! Words and signs of other languages, in words: what is written there, and what it is in Flow.

use flow_grammar::Idiom;

use super::problem::{Words, shortened, words};

/// What another language has where Flow has something else, or nothing.
pub(super) fn words_of(idiom: &Idiom) -> Words {
    match idiom {
        Idiom::Unless(meant) => words(
            "`unless` is `if not` in Flow",
            "`if not` belongs here",
            format!("write `{} {{ … }}`", shortened(meant)),
        ),
        Idiom::TriggerWord(meant) => {
            words("a trigger begins with `on`", "`on` belongs here", format!("write `{}`", shortened(meant)))
        }
        Idiom::Rates(meant) => words(
            "several limits are a list in which each says what it is",
            "is written in another way",
            format!("write `limit: {meant}`; `100 per 10s` is one that stands alone"),
        ),
        Idiom::TriggerBlock => words(
            "a trigger begins with `on`",
            "is written in another way",
            "write `on every 15m`, `on cron \"0 9 * * mon\" in \"Europe/Berlin\"`, `on http POST \"/path\" as request { body: T, verify: … }` \
             or `on connection.trigger as event` at the top of the flow",
        ),
        Idiom::TriggerList(word) => words(
            "a trigger waits for one thing",
            "is a list",
            format!("write an `on {word} …` for each: a flow may have several"),
        ),
        Idiom::TriggerBlocks => words(
            "the clauses of a trigger stand in one pair of braces",
            "a second one",
            "write them together: `{ concurrency: 1, within: 1h }`",
        ),
        Idiom::OptionalFirst => words(
            "`optional` stands after the call",
            "comes too early",
            "write `step name = connection.operation(…) optional`",
        ),
        Idiom::Compensate(called) => words(
            "the call that takes a step back follows `undo`",
            "`undo` belongs here",
            format!("write `undo {called}(…)`"),
        ),
        Idiom::NamedBlock(word) => {
            words(format!("a `{word}` has no name"), "not needed", format!("leave it out: `{word} {{ … }}`"))
        }
        Idiom::ParallelFor(meant) => words(
            "how many items of a loop are under way at a time is said in its head",
            "not needed",
            format!("write `{} {{ … }}`", shortened(meant)),
        ),
        Idiom::ParallelList => words(
            "what runs at the same time are the statements of a `parallel`",
            "no block of statements",
            "write `parallel { step a = …  step b = … }`: what they bind is known after it",
        ),
        Idiom::TimeoutStatement(time) => words(
            "how long the others may take is said by a `sleep` beside them",
            "`sleep` belongs here",
            format!("write `sleep {time}`: when it ends first, the value is null"),
        ),
        Idiom::ZoneWord(zone) => {
            words("the time zone of a cron line follows `in`", "`in` belongs here", format!("write `in {zone}`"))
        }
        Idiom::WaitTimeout(time) => words(
            "how long is waited is said with `for`",
            "`for` belongs here",
            format!("write `for {time}`: when nothing came in that time, the result is null"),
        ),
        Idiom::CallWord(word, called) => words(
            format!("a call begins with what is called, not with `{word}`"),
            "not needed",
            format!("write `step name = {called}(…)`"),
        ),
        Idiom::LetClause(word, name) => words(
            format!("only a step has `{word}`"),
            "`step` belongs here",
            format!("write `step {name} = …`: what has an effect is a step"),
        ),
        Idiom::Delete => words(
            "a value never changes",
            "would change it",
            "make a new one without it: of a list `xs.filter(x -> …)`, of a map `m.without([\"a\"])`",
        ),
        Idiom::InnerItem(word, owner) if owner == "record" => words(
            "a record has fields, and nothing else",
            format!("a `{word}` within a record"),
            "write it at the top of the file, and give it the record: `fn double(order: Order) -> Int { … }`",
        ),
        Idiom::InnerItem(word, owner) => words(
            format!("{} `{word}` stands at the top of a file", article(word)),
            format!("is within a `{owner}`"),
            "move it out of the braces",
        ),
        Idiom::AfterBlock(word) => words(
            format!("there is no `{word}` in Flow"),
            "not known",
            "what follows in both cases stands after the `try { … } catch { … }`; what a step did is taken back by its own `undo`",
        ),
        Idiom::LogSeveral => words(
            "`log` takes one value",
            "one value too many",
            "put them into one text, `log \"hello {name}\"`, or into a record, `log { name, total }`",
        ),
        Idiom::RespondMore(word) => words(
            format!("`respond` has no `{word}`"),
            "not taken",
            "write a status and what is answered: `respond 200 { … }`, which is sent as JSON",
        ),
        Idiom::Cast(meant) => words(
            "a value is converted with `as` after it",
            "not written like this",
            format!("write `{}`, which is null where it does not fit", shortened(meant)),
        ),
        Idiom::Slice(meant) => words(
            "a part of a list or a text is taken with `slice`",
            "not written like this",
            format!("write `{}`", shortened(meant)),
        ),
        Idiom::LambdaBars(head) => words(
            "a function written in place is `x -> value`",
            "has bars around its names",
            format!("write `{head} …`"),
        ),
        Idiom::Pipe => words(
            "there is no `|>` in Flow",
            "means nothing here",
            "what is done with a value stands after a dot, `name.trim().upper()`; a function of your own is called: `shown(name)`",
        ),
        Idiom::Power => words("there is no power in Flow", "means nothing here", "multiply as often: `x * x`"),
        Idiom::Thousands(meant) => words("digits are grouped with `_`", "has a `,` in it", format!("write `{meant}`")),
        Idiom::Percent(meant) => {
            words("there are no percent signs after numbers", "not a number", format!("write `{meant}`"))
        }
        Idiom::TextName(word, name) => words(
            "a name stands without quotes",
            "is a text",
            format!("write `{word} {name} …`; what it is for stands above it, `/// …`"),
        ),
        Idiom::HeadEquals(word) => words(
            format!("what belongs to a `{word}` follows its head at once"),
            "not needed",
            "leave `=` out: `{ … }`",
        ),
        Idiom::NoParens(called) => words(
            "the arguments of a call stand in parentheses",
            "parentheses belong around this",
            format!("write `step {called}(name: value)`"),
        ),
        Idiom::DashName(meant) => words("names have `_` in the place of `-`", "has a `-`", format!("write `{meant}`")),
        Idiom::DoubleColon(meant) => {
            words("`::` is written `.` in Flow", "`.` belongs here", format!("write `{meant}`"))
        }
        Idiom::RegexValue(meant) => words(
            "a regular expression is a text",
            "stands between slashes",
            match meant {
                Some(meant) => format!("write `{}`", shortened(meant)),
                None => "write it as `r\"…\"`; flags stand in it: `(?i)` takes capitals and small letters".to_owned(),
            },
        ),
        Idiom::Throws(word) => words(
            format!("`{word}` is written `fails` in Flow"),
            "`fails` belongs here",
            "write `flow f fails Gone { … }`",
        ),
        Idiom::FirstConcurrency => words(
            "`first` tries one item after the other",
            "not taken",
            "leave it out; where all are to run at the same time, and the quickest counts, write `race { … }`",
        ),
        Idiom::FirstBlock => words(
            "`first` goes through a list",
            "which list?",
            "write `first path in [\"a\", \"b\"] { … }`, which ends with the first that succeeds; what runs at the same time stands in \
             `race { … }`",
        ),
        Idiom::Repeat => words(
            "a `repeat` says how often at most, and until when",
            "is written in another way",
            "write `repeat every 10s up to 30 times until state == \"done\" { … }`: the condition sees what the block binds",
        ),
        Idiom::NoFlow => words(
            "a test names the flow that it is for",
            "the name belongs after this",
            "write `test \"…\" for name { … }`",
        ),
        Idiom::StubStatus(status, kind) => words(
            "what fails has a kind of error, whatever status stands for it",
            "a status",
            format!("write `fails {kind}`, or `fails {kind}(status: {status})` where the flow reads the status"),
        ),
        Idiom::ThenValue(value) => words(
            "after `then` stands what is answered",
            "`returns` belongs before this",
            format!("write `then returns {}`", shortened(value)),
        ),
        Idiom::TestLet => words(
            "a test has no bindings",
            "is within a `test`",
            "write the value where it is needed, or declare it at the top of the file: `const name = …`",
        ),
        Idiom::StartsWithCall(meant) => {
            words("`starts_with` is no function in a pattern", "not needed", format!("write `{meant} => …`"))
        }
        Idiom::NoArms => words(
            "`catch` has arms, one for each kind of failure",
            "is no arm",
            "write `catch { NotFound => …  _ => { … } }`, where `_` takes all failures",
        ),
        Idiom::RetryStatus(meant) => words(
            "a policy names kinds of errors, whatever status stands for them",
            "a status",
            format!("write `{meant}`"),
        ),
        Idiom::StepsBlock => words(
            "steps need no block around them",
            "not needed",
            "write them one after the other in the flow: `step name = connection.operation(…)`",
        ),
        Idiom::Fence => words(
            "a file of Flow has no fences around it",
            "is Markdown",
            "leave the lines with the three back quotes out",
        ),
        Idiom::Heredoc => words(
            "a text of several lines stands between `\"\"\"`",
            "is written in another way",
            "write `\"\"\"` where it begins and where it ends",
        ),
        Idiom::RawLines => words(
            "a raw text of several lines stands between `r\"\"\"` and `\"\"\"`",
            "stands between single quotes",
            "write `r\"\"\"` where it begins and `\"\"\"` where it ends",
        ),
        Idiom::MarkupComment => words("comments don't begin with `<!--`", "begins no comment", "write `//`"),
        Idiom::AttributeOfField(meant) => words(
            "an attribute stands after the type",
            "stands before the name",
            format!("write `{}`", shortened(meant)),
        ),
    }
}

/// `a` or `an`, as it stands before a word.
fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
