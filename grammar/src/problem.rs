//! What is wrong with a text, as data. The words of messages are the compiler's.

use std::fmt::Write as _;

use crate::{idiom::Idiom, phrase::Phrase};

/// A place where the text is not Flow. One mistake gives one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// First byte. A problem that something is missing covers no byte and stands where it belongs.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What could stand here, as a person calls it, the likeliest first.
    pub expected: Vec<String>,
    /// What stands here: a piece of the source, or in words at the end of the text.
    pub found: String,
    /// Which mistake it is.
    pub kind: ProblemKind,
    /// The change that mends it, where there is only one.
    pub fix: Vec<Edit>,
}

/// The replacement of a piece of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// First byte that is replaced.
    pub start: u32,
    /// One past the last; the same as `start` to insert.
    pub end: u32,
    /// What stands there instead.
    pub text: String,
}

/// Which mistake it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Something else was expected, and no common mistake explains it.
    Unexpected,
    /// What is written so elsewhere is written differently in Flow: `&&` is `and`.
    Instead(String),
    /// This must be put in: a comma, a colon, an arrow.
    Missing(String),
    /// The operand, type or name that must stand here is not there.
    Incomplete,
    /// A word that begins nothing; perhaps this one was meant.
    UnknownWord(Option<String>),
    /// A call that is neither a step nor the value of its block, and whether it is seen that it has an effect.
    NakedCall(bool),
    /// A value that nothing is done with.
    UnusedValue,
    /// `x = 1` without `let`.
    MissingLet,
    /// What follows a condition or a header stands in braces.
    MissingBlock,
    /// Statements in braces that belong to nothing.
    BareBlock,
    /// `a -1`, which is two values.
    Minus,
    /// `f (x)`: the bracket must touch what it applies to.
    Apart,
    /// `x = 2` where `x` has a value.
    Reassigned,
    /// `while c { … }`
    Endless,
    /// `c ? a : b`
    Ternary,
    /// A bracket, an insertion or a comment that is never closed.
    Unclosed(&'static str),
    /// A bracket that closes nothing.
    Stray,
    /// A bracket of one kind that closes one of another; this one belongs here.
    WrongBracket(&'static str),
    /// More brackets in one another than are read; the number that are.
    TooDeep(usize),
    /// A text whose closing quotes are missing.
    UnclosedText,
    /// A text in single quotes, back quotes or typographic ones.
    Quotes,
    /// `;`
    Semicolon(usize),
    /// A comment that begins with something other than `//`.
    Comment(usize),
    /// A name with letters other than `a` to `z`.
    Letters,
    /// A number followed by letters that are no unit; perhaps this was meant.
    Unit(Option<String>),
    /// An amount with a currency that is not three capital letters; perhaps this was meant.
    Currency(Option<String>),
    /// A name that begins with a digit.
    NameDigit,
    /// A number with more than one point.
    Points,
    /// `2026-11-03T06:00:00Z` without quotes, and its Flow.
    Instant(String),
    /// A character that can't be seen, by its code.
    Invisible(u32),
    /// A character that changes the direction in which the text is shown, by its code.
    Direction(u32),
    /// A character that means nothing here.
    Character,
    /// What another language has, and Flow writes in another way.
    Habit(Habit),
    /// The parser gave up: a construct took more work than a text of its length may.
    TooComplex,
}

/// What people write who come from another language, with what it is in Flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Habit {
    /// `f"…"`
    Prefix,
    /// `Sql"…"`, and the type.
    TypedText(String),
    /// `String[]`, and the list.
    Array(String),
    /// `[x for x in xs]`, and the calls of the list.
    Comprehension(String),
    /// `note?: String`, and the field.
    Optional(String),
    /// `type Lead = { … }`, and the name.
    Alias(String),
    /// `lambda x:`, and the head of the function.
    Lambda(String),
    /// `switch x { case … }`, and what is told apart.
    Switch(String),
    /// `const limit`, and what has no value.
    NoValue(String),
    /// `catch (e) { … }`, and the name.
    Catch(String),
    /// `"{{name}}"`, and what is inserted.
    DoubleBrace(String),
    /// `Lead { name: "Ada" }`, `new Lead("Ada")`, and the name.
    NamedRecord(String),
    /// `typeof x == "string"`, and the conversion.
    TypeOf(String),
    /// `x not in xs`, and `x`.
    NotIn(String),
    /// `x is None`, and the comparison.
    IsNone(String),
    /// `x.as(Int)`: how it is converted.
    AsFunction(String),
    /// `a if condition else b`, and its Flow.
    IfElse(String),
    /// `x => { return x * 2 }`
    ArrowBlock,
    /// `for (const x of xs)`, and the name.
    LoopHead(String),
    /// `for (let i = 0; i < n; i++)`, and the name.
    Counting(String),
    /// `match x { case 1 => …  default -> … }`
    Arms,
    /// `if x > 1:`, and how many more there are.
    Colon(usize),
    /// `await …`, and whether several are awaited at a time.
    Await(bool),
    /// `throw new Error("…")`: the keyword, and the error if the program may have declared it.
    Throw(String, Option<String>),
    /// `String name`, and its Flow.
    TypeFirst(String),
    /// `let x == 1`, `x := 1`: the sign and the name.
    Binds(String, String),
    /// `const x = 1` in a flow, and the name.
    InnerConst(String),
    /// `let { name, email } = lead`, and its Flow.
    Parts(String),
    /// `total += x`, and the name.
    Compound(String),
    /// `step "send it" …`, and the name that it may have.
    StepName(String),
    /// `step … retry 3`, and the part of a policy.
    InlinePolicy(String),
    /// `enum Tier = "pro" | "standard"`, and its Flow.
    Choice(String),
    /// `import { slack } from "slack"`, and its Flow.
    Import(String),
    /// `async flow`, `export flow`
    Modifier,
    /// A file in YAML.
    Yaml,
    /// `on: every 15m`, and the trigger.
    TriggerColon(String),
    /// `on every "15m"`
    EveryText,
    /// `on every` without a duration.
    EveryAlone,
    /// `x ?? fail Gone()`: the sign, the word, and whether `else` may stand there.
    ElseSign(String, String, bool),
    /// `fail "gone"`
    FailText,
    /// `let x = step …`, with `step`; `return step …`, with what is called.
    StepInside(Option<String>),
    /// `for x, index in xs`, and the names.
    LoopIndex(String, String),
    /// `f(...args)`, and the name.
    Spread(String),
    /// `1 => log "one"`
    ArmStatement,
    /// `on webhook "/leads"`, and the word.
    Trigger(String),
    /// `String | null`, and the type.
    Nullable(String),
    /// `on http "/leads"`
    NoMethod,
    /// `on event "order.paid"`, and the name.
    EventText(String),
    /// `on every day at "09:00"`, and its Flow.
    EveryWord(String),
    /// `wait 3d`, and its Flow.
    Sleep(String),
    /// `let e = wait order.paid`, and its Flow.
    Wait(String),
    /// `step emit …`, and the statement.
    StepStatement(String),
    /// `step a = …, step b = …`, and how many more commas there are.
    StatementCommas(usize),
    /// `circle(c) =>`, and the pattern.
    CaseParts(String),
    /// `circle { r } =>`: the case and the first field.
    CaseFields(String, String),
    /// `"a", "b" =>`, and the pattern.
    PatternCommas(String),
    /// `n when n > 10 =>`
    When,
    /// `1..=10`, and the range.
    RangeEnd(String),
    /// `emit order.paid(…)`, and the name.
    EmitCall(String),
    /// `404 =>` in a `catch`, and the kind of error.
    StatusKind(String),
    /// `Exception as e =>`, `e =>`, and what takes all.
    CatchAll(String),
    /// `fails A, B`, and its Flow.
    FailsCommas(String),
    /// `fail Refused { … }`, `fail new Refused(…)`, and its Flow.
    FailRecord(String),
    /// `undo step …`, `undo { … }`
    UndoStatement,
    /// `use "slack"`, and its Flow.
    UseText(String),
    /// `use stripe as pay`, and the connection.
    UseAs(String),
    /// `connection team = slack(…)`, and the connector.
    ConnectionCall(String),
    /// `j["a"]?["b"]`, and the member that may be meant.
    SafeIndex(Option<String>),
    /// `fn double(n)`, and the name.
    Untyped(String),
    /// `flow f(step: String)`, and the keyword.
    Keyword(String),
    /// `Date.now()`, `new Date()`
    Now,
    /// `expect result == "x"`
    ExpectResult,
    /// `expect result.a == "x"`, and its Flow.
    ExpectField(String),
    /// `let x = approve(…) for 3d`, and its Flow.
    Approval(String),
    /// What a test expects, in words that others have for it: `expect fail Refused`. What is meant.
    ExpectWords(String),
    /// `called twice`, `not called`, and its Flow.
    HowOften(String),
    /// `expect log …`, `expect(…)`, and the word.
    Expect(String),
    /// `flow f() => { … }`, and the keyword.
    ArrowBody(String),
    /// `body.ok == false =>` in `errors`; with a status before it, the condition that it is.
    ErrorWhen(String),
    /// `dead_letter "failed" { … }`, and the name.
    QueueText(String),
    /// `match { a > 5 => … }`
    NoSubject,
    /// `a: @pii String`, and its Flow.
    AttributeFirst(String),
    /// `xs.forEach(x -> …)`, and the list.
    ForEach(String),
    /// `respond(200, …)`, and the word.
    StatementCall(String),
    /// `with (timeout: 3s)`
    WithCall,
    /// `given { id: 1 }`, and the first name.
    GivenRecord(String),
    /// `step slack.chat.post_message { … }`, and what is called.
    StepBraces(String),
    /// `step notify { … }`, and the name.
    StepBlock(String),
    /// `(x: Int) -> x + 1`, and the names.
    TypedLambda(String),
    /// `xs.map(x -> log x)`
    LambdaStatement,
    /// `@min(1)`, and its Flow.
    AttributeCall(String),
    /// `a: Int >= 1`, and its Flow.
    Bound(String),
    /// `verify: hmac sha256(…)`, and its Flow.
    Scheme(String),
    /// `a: String from aName`, and its Flow.
    JsonName(String),
    /// `enum Tier { "pro" }`, `enum Tier { Pro = "pro" }`, and its Flow.
    EnumValues(String),
    /// `m["a"] = 1`, and the name.
    EntrySet(String),
    /// `{ order.id }` as a record, and its Flow.
    MemberEntry(String),
    /// `{total:.2f}`
    FormatSpec,
    /// `on: RateLimited, Unavailable`, and its Flow.
    KindsCommas(String),
    /// `on every 15m tick`, and its Flow.
    PayloadName(String),
    /// `/^a/ =>`, and its Flow.
    Regex(String),
    /// `if a > 1 then … end`
    Then,
    /// `x!.y`
    Assert,
    /// `$json.x`
    Dollar,
    /// A word or a sign that Flow does not have there.
    Idiom(Idiom),
    /// A clause or a short statement that is phrased in another way.
    Phrase(Phrase),
}

/// Problems as text for snapshots: a line for each.
pub fn dump(problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems {
        let Problem { start, end, expected, found, kind, .. } = problem;
        let _ = write!(out, "{start}..{end} {kind:?} found {found:?}");
        if !expected.is_empty() {
            let _ = write!(out, ", expected {}", expected.join(", "));
        }
        out.push('\n');
    }
    out
}
