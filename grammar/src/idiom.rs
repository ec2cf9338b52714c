//! Which words and signs of other languages are there where Flow has others, or none?

/// What is written as another language has it, with what it is in Flow where that depends on the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idiom {
    /// `unless done { … }`, and its Flow.
    Unless(String),
    /// `trigger every 15m`, `when every 15m`, and its Flow.
    TriggerWord(String),
    /// `trigger { every: 15m }`
    TriggerBlock,
    /// `on file ["a", "b"]`, and the word.
    TriggerList(String),
    /// `on every 15m { … } { … }`
    TriggerBlocks,
    /// `optional step …`
    OptionalFirst,
    /// `compensate s3.objects.delete(…)`, and what is called.
    Compensate(String),
    /// `saga checkout { … }`, and the keyword.
    NamedBlock(String),
    /// `parallel for p in ps { … }`, and its Flow.
    ParallelFor(String),
    /// `parallel [a(), b()]`
    ParallelList,
    /// `timeout 5m` as a statement, and the duration.
    TimeoutStatement(String),
    /// `on cron "…" timezone "Europe/Berlin"`, and the zone in its quotes.
    ZoneWord(String),
    /// `wait order.paid timeout 7d`, and the duration.
    WaitTimeout(String),
    /// `step x = call g(…)`: the word and what is called.
    CallWord(String, String),
    /// `let a = files.read(…) with patient`: a clause of a step, and the name.
    LetClause(String, String),
    /// `delete m["a"]`
    Delete,
    /// An item within another: its keyword and that of the item around it.
    InnerItem(String, String),
    /// `} finally { … }`, and the word.
    AfterBlock(String),
    /// `log "hello", id`
    LogSeveral,
    /// `respond 200 { … } headers { … }`, and the word.
    RespondMore(String),
    /// `(Int) value`, and its Flow.
    Cast(String),
    /// `xs[1:3]`, and its Flow.
    Slice(String),
    /// `|x| x + 1`, and the head of the function.
    LambdaBars(String),
    /// `x |> upper`
    Pipe,
    /// `x ** 2`
    Power,
    /// `1,000.50`, and its Flow.
    Thousands(String),
    /// `19%`, and its Flow.
    Percent(String),
    /// `flow "my flow" { … }`: the keyword and the name that it may have.
    TextName(String, String),
    /// `flow f = { … }`, and the keyword.
    HeadEquals(String),
    /// `step slack.chat.post_message channel: "#a"`, and what is called.
    NoParens(String),
    /// `step slack.chat.post-message(…)`, and its Flow.
    DashName(String),
    /// `Tier::Pro`, and its Flow.
    DoubleColon(String),
    /// `/x+/` as a value, and its Flow if it has one.
    RegexValue(Option<String>),
    /// `flow f() throws Refused`, and the word.
    Throws(String),
    /// `first p in ps concurrency 2 { … }`
    FirstConcurrency,
    /// `first { … }`
    FirstBlock,
    /// `repeat while busy { … }`
    Repeat,
    /// `test "…" { … }`
    NoFlow,
    /// `stub files.read fails 500`: the status and the kind that stands for it.
    StubStatus(String, String),
    /// `… then "x"` of a stub, and the value.
    ThenValue(String),
    /// `let` in a test.
    TestLet,
    /// `starts_with("a") =>`, and its Flow.
    StartsWithCall(String),
    /// `catch { log "failed" }`
    NoArms,
    /// `on: 429 | 503`, and its Flow.
    RetryStatus(String),
    /// `steps { … }`
    StepsBlock,
    /// A fence of Markdown around the program.
    Fence,
    /// `<<EOT … EOT`, `'''…'''`
    Heredoc,
    /// `r"…"` over several lines.
    RawLines,
    /// `<!-- … -->`
    MarkupComment,
    /// `record Lead { @pii email: Email }`, and its Flow.
    AttributeOfField(String),
    /// `limit: [5 per 1s, 100 per 1m]`, and its Flow.
    Rates(String),
}
