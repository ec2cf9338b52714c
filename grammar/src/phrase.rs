//! Which clauses and short statements are phrased as in other languages?

/// What is phrased as another language phrases it, with what it is in Flow where that depends on the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// `log info "x"`, and the word.
    LogLevel(String),
    /// `let step = 1`, and the keyword.
    KeywordBound(String),
    /// `step r, err = …`, and the first name.
    StepTwo(String),
    /// `step x: String = …`
    StepType,
    /// `sleep for 10s`: the word and its Flow.
    SleepWord(String, String),
    /// `5 m`, and its Flow.
    UnitApart(String),
    /// `emit "order.paid" { … }`, and the name.
    EmitText(String),
    /// `emit order.paid`, and the name.
    EmitBare(String),
    /// `dead_letter { … }`
    QueueName,
    /// `return a, b`
    ReturnSeveral,
    /// `catch NotFound => null`, and the head of the arm.
    CatchBare(String),
    /// `contains "a" =>`: the word and its Flow.
    TextPattern(String, String),
    /// `match (a, b) { … }`, and the fields of the record that it may be.
    MatchSeveral(String),
    /// `{ **all }`, and its Flow.
    SpreadStar(String),
    /// `for x in xs concurrency: 8`, and its Flow.
    HeadColon(String),
    /// `list[str]`, and its Flow.
    TypeBrackets(String),
    /// `id: Int as "orderId"`, and its Flow.
    JsonAs(String),
    /// `name: String minLength 3`: the word and its Flow.
    FieldWord(String, String),
}
