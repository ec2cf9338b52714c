//! Clauses and short statements of other languages, in words: what is written there, and what it is in Flow.

use flow_grammar::Phrase;

use super::problem::{Words, shortened, words};

/// What another language phrases in another way.
pub(super) fn words_of(phrase: &Phrase) -> Words {
    match phrase {
        Phrase::LogLevel(word) => words(
            "`log` has no levels",
            format!("`{word}` means nothing here"),
            "write `log \"…\"`: a line in the history of the run; what needs somebody is a `dead_letter` or a failure",
        ),
        Phrase::KeywordBound(word) => words(
            format!("`{word}` is a keyword, and no binding has its name"),
            "a keyword",
            format!("give it another name, such as `the_{word}`"),
        ),
        Phrase::StepTwo(name) => words(
            "a step has one result, and no failure beside it",
            "a second name",
            format!(
                "write `step {name} = … catch {{ NotFound => …  _ as e => … }}`: a failure that nothing catches ends the run"
            ),
        ),
        Phrase::StepType => words(
            "a step has the type that its operation gives",
            "not needed",
            "leave `: …` out: what an operation gives is declared in its connector",
        ),
        Phrase::SleepWord(word, meant) => words(
            match word.as_str() {
                "until" => "`sleep until` takes a point in time".to_owned(),
                _ => format!("`sleep` takes its duration without `{word}`"),
            },
            "not needed",
            format!("write `{meant}`"),
        ),
        Phrase::UnitApart(meant) => words("a unit touches its number", "stands apart", format!("write `{meant}`")),
        Phrase::EmitText(name) => words(
            "an event is named without quotes",
            "stands in quotes",
            format!("write `emit {} {{ … }}`", shortened(name)),
        ),
        Phrase::EmitBare(name) => words(
            "an event is emitted with its fields in braces",
            "no braces follow",
            format!("write `emit {} {{ … }}`", shortened(name)),
        ),
        Phrase::QueueName => words(
            "dead letters are kept in a queue that has a name",
            "a name belongs after this",
            "write `dead_letter failed_orders { … }`: `flowc dead-letters` lists them by it",
        ),
        Phrase::ReturnSeveral => {
            words("a flow returns one value", "a second one", "put them into a record: `return { a, b }`")
        }
        Phrase::CatchBare(head) => words(
            "the arms of `catch` stand in braces",
            "`{` belongs before this",
            format!("write `catch {{ {} … }}`", shortened(head)),
        ),
        Phrase::TextPattern(word, meant) if meant.starts_with("starts_with") => {
            words(format!("`{word}` is written `starts_with` in Flow"), "not known", format!("write `{meant} => …`"))
        }
        Phrase::TextPattern(word, meant) => words(
            format!("`{word}` is no pattern"),
            "not known in a pattern",
            format!("ask it in the condition of an arm: `{meant} => …`"),
        ),
        Phrase::MatchSeveral(fields) => words(
            "`match` tells the cases of one value apart",
            "several values",
            format!(
                "put them into a record, `match {{ {} }} {{ {{ a: 1, b: 2 }} => …  _ => … }}`, and name its fields in the patterns",
                shortened(fields)
            ),
        ),
        Phrase::SpreadStar(meant) => {
            words("what is spread has `...` before it", "`...` belongs here", format!("write `{}`", shortened(meant)))
        }
        Phrase::HeadColon(meant) => {
            words("the head of a loop has no `:`", "not needed", format!("write `{}`", shortened(meant)))
        }
        Phrase::TypeBrackets(meant) => words(
            "the types of a type stand between `<` and `>`",
            "is written in another way",
            format!("write `{}`", shortened(meant)),
        ),
        Phrase::JsonAs(meant) => words(
            "the name that a field has in JSON follows `from`",
            "`from` belongs here",
            format!("write `{}`", shortened(meant)),
        ),
        Phrase::FieldWord(word, meant) => words(
            format!("no part of a field is called `{word}`"),
            "not known",
            format!(
                "write `{}`: after its type a field has `min`, `max`, `pattern`, `from \"jsonName\"`, `= default` and `@pii`",
                shortened(meant)
            ),
        ),
    }
}
