//! What do words of other languages read in Flow?
//!
//! In: a name that Flow does not know. Out: what to write in its place, for people who come from TypeScript, Python, Go
//! or a tool with nodes and expressions.

use flow_model::ty::Language;

/// A value: `None`, `undefined`, `console`.
pub(crate) fn value(name: &str) -> Option<&'static str> {
    Some(match name {
        "True" | "TRUE" => "write `true`",
        "False" | "FALSE" => "write `false`",
        "None" | "nil" | "undefined" | "NULL" | "Null" => "write `null`",
        "console" | "logger" | "logging" => "write `log \"…\"`: a line in the history of the run",
        "process" | "os" => "configuration is read with `env(\"NAME\")`, a credential with `secret(\"name\")`",
        "request" | "req" | "payload" | "event" | "trigger" | "webhook" | "input" | "body" => {
            "what a trigger brings has the name that it gets there: `on … as request { … }`"
        }
        "exit" | "quit" | "end" => "write `return`: the run ends there",
        "this" | "self" => "nothing is implied here: name the value",
        "pass" => "leave it out: a block may be empty",
        "break" | "continue" => "a loop goes through all items: leave items out before with `.filter(x -> …)`",
        "DateTime" | "datetime" | "moment" | "dayjs" | "time" => {
            "the time is `now()`, a day of it `now().in(\"Europe/Berlin\").date`"
        }
        "Math" => "numbers have functions of their own: `x.round(2)`, `x.abs()`, `x.min(y)`",
        "JSON" => "write `Json.parse(text)` and `Json.text(value)`",
        "it" => "name what is meant: `x -> x + 1`",
        "Object" => "a map has `.keys()`, `.values()` and `.entries()`",
        "second" | "minute" | "hour" | "day" | "week" => "write it with its number: `1s`, `1m`, `1h`, `1d`, `7d`",
        "Promise" => "what runs at the same time stands in `parallel { … }`",
        "lambda" => "a function without a name is written `x -> x + 1`",
        "f" => "each text takes insertions: write `\"… {x}\"` without a letter before it",
        _ => return None,
    })
}

/// A function that is called by its name: `len`, `print`.
pub(crate) fn function(name: &str) -> Option<&'static str> {
    Some(match name {
        "len" | "count" | "size" => "write `xs.length`",
        "print" | "println" | "echo" | "printf" => "write `log \"…\"`: a line in the history of the run",
        "range" => "write `List.range(0, 10)`",
        "str" | "String" | "string" => "put the value into a text: `\"{x}\"`",
        "int" | "parseInt" | "Number" => "write `text.to_int()`, which is null where the text is no number",
        "float" | "parseFloat" => "write `text.to_decimal()`, which is null where the text is no number",
        "sum" | "max" | "min" | "sorted" => "lists have these: `xs.sum()`, `xs.max()`, `xs.min()`, `xs.sort()`",
        "map" | "filter" | "reduce" => {
            "lists have these: `xs.map(x -> …)`, `xs.filter(x -> …)`, `xs.fold(0, (a, x) -> …)`"
        }
        "require" | "include" => "write `use connector` or `use \"./file.flow\"` at the beginning of the file",
        "fetch" | "axios" | "request" | "curl" => {
            "a request is an operation: `use http`, `connection api = http { base_url: \"https://…\" }`, then \
             `step r = api.get<Json>(path: \"/orders\")`"
        }
        "Money" => "write the amount with its currency, `5.00 EUR`, or `Money.of(amount, \"EUR\")`",
        "wait" => "a run that does nothing for a time sleeps: `sleep 5m`",
        "regex" | "regexp" | "RegExp" | "re" => {
            "a pattern is a text: `text.matches(r\"^[a-z]+$\")`, `text.replace_pattern(…)`"
        }
        "today" | "date" | "moment" | "dayjs" | "timestamp" | "currentTime" => {
            "write `now()`, which is a `Timestamp`; the day is `now().in(\"Europe/Berlin\").date`"
        }
        "panic" | "abort" | "die" | "assert" | "raise" | "error" => {
            "what goes wrong is an error of the program: `error Refused { why: String }`, then `fail Refused(why: …)`"
        }
        "exit" | "quit" => "write `return`: the run ends there",
        "setTimeout" | "setInterval" | "delay" => "write `sleep 30s`",
        _ => return None,
    })
}

/// Arguments that say elsewhere of what type the answer of a request is.
pub(crate) const RESULT: [&str; 6] = ["as", "type", "schema", "returns", "response", "response_type"];

/// An argument of something that takes none of that name: `idempotency_key`, `url`.
///
/// `languages` are those of its parameters.
pub(crate) fn argument(name: &str, languages: &[Language]) -> Option<&'static str> {
    let takes = |language| languages.contains(&language);
    Some(match name {
        "idempotency_key" | "idempotencyKey" | "idempotency" => {
            "write `key: …` where the connector declares one; without it, the engine makes a key of the run and the step"
        }
        "params" | "args" | "values" | "bindings" | "binds" | "parameters" if takes(Language::Sql) => {
            "insert each value where it belongs, without quotes: `where id = {id}`; it is bound there"
        }
        "url" if takes(Language::UrlPath) => {
            "the host is the connection's, `connection api = http { base_url: \"https://…\" }`, and the rest is the path: \
             `path: \"/orders/{id}\"`"
        }
        _ if RESULT.contains(&name) && takes(Language::UrlPath) => {
            "what comes back is named at the call: `api.get<{ id: Int }>(path: \"/orders/7\")`"
        }
        "timeout" | "retry" | "retries" => {
            "how a call is carried out stands after it: `with { timeout: 10s, retry { times: 3 } }`"
        }
        _ => return None,
    })
}

/// A type: `number`, `any`.
pub(crate) fn ty(name: &str) -> Option<&'static str> {
    Some(match name {
        "number" | "Number" | "Float" | "float" | "Double" | "double" => {
            "write `Int` for whole numbers, `Decimal` for others, `Money` for amounts"
        }
        "integer" | "Integer" | "int" | "Long" | "long" => "write `Int`",
        "boolean" | "Boolean" | "bool" => "write `Bool`",
        "str" | "Text" | "text" => "write `String`",
        "Pii" | "PII" | "Personal" => "mark the field instead: `email: Email @pii`",
        "any" | "Any" | "unknown" | "object" | "Object" | "dynamic" => {
            "write the fields, `{ id: Int }`; what is not known is `Json`, read with `… as T`"
        }
        "Array" | "array" | "list" | "Vec" | "Seq" => "write `List<T>`",
        "dict" | "Dict" | "Record" | "HashMap" | "Object<string>" => "write `Map<T>`: its keys are strings",
        "datetime" | "DateTime" | "Datetime" | "Instant" => "write `Timestamp`, or `Date` for a day",
        "Optional" | "Option" | "Maybe" | "Nullable" => "write `T?`: the type with a `?` may be null",
        "Set" | "set" | "HashSet" => "write `List<T>`; without repetitions it is `xs.distinct()`",
        "Tuple" | "tuple" => "write a record: `{ id: Int, name: String }`",
        "void" | "None" | "Unit" => "leave the result out",
        _ => return None,
    })
}

/// A kind of failure: `ServerError`, `BadRequest`.
pub(crate) fn failure(name: &str) -> Option<&'static str> {
    Some(match name {
        "ServerError"
        | "InternalError"
        | "InternalServerError"
        | "HttpError"
        | "HTTPError"
        | "ServiceUnavailable"
        | "BadGateway"
        | "NetworkError"
        | "ConnectionError" => "write `Unavailable`: the system has failed, or was not reached",
        "TimeoutError" | "TimedOut" | "DeadlineExceeded" | "GatewayTimeout" => "write `Timeout`",
        "BadRequest" | "ValidationError" | "ClientError" | "UnprocessableEntity" | "ValueError" => {
            "write `Invalid`: the system has not understood the request"
        }
        "AuthError" | "AuthenticationError" | "Unauthenticated" => "write `Unauthorized`, or `Forbidden`",
        "PermissionDenied" | "AccessDenied" | "PermissionError" => "write `Forbidden`",
        "TooManyRequests" | "RateLimit" | "RateLimitError" | "Throttled" => "write `RateLimited`",
        "Duplicate" | "AlreadyExists" | "DuplicateKey" => "write `Conflict`",
        "Missing" | "Gone" | "NotFoundError" => "write `NotFound`",
        "Cancelled" | "Canceled" => {
            "a run that is cancelled ends there: nothing catches that, and the `undo`s of its steps run"
        }
        _ => return None,
    })
}

/// A member of a value: `toUpperCase`, `push`.
pub(crate) fn member(name: &str) -> Option<&'static str> {
    Some(match name {
        "toUpperCase" | "toUpper" | "uppercase" => "write `.upper()`",
        "toLowerCase" | "toLower" | "lowercase" => "write `.lower()`",
        "includes" | "has" => "write `.contains(…)`",
        "startsWith" | "startswith" | "hasPrefix" => "write `.starts_with(…)`",
        "endsWith" | "endswith" | "hasSuffix" => "write `.ends_with(…)`",
        "push" | "append" | "add" => "a value never changes: make a new list, `[...xs, x]`",
        "concat" | "extend" => "make a new list: `[...xs, ...ys]`",
        "substring" | "substr" => "write `.slice(from, to)`",
        "strip" => "write `.trim()`",
        "len" | "size" => "write `.length`",
        "toString" | "toFixed" => "put the value into a text: `\"{x}\"`; `x.format(2)` writes decimal places",
        "forEach" => "write `for x in xs { … }`",
        "reduce" => "write `.fold(start, (so_far, x) -> …)`",
        "some" | "exists" => "write `.any(x -> …)`",
        "every" => "write `.all(x -> …)`",
        "replaceAll" => "write `.replace(from, to)`",
        "addDays" | "addHours" | "addMinutes" | "plusDays" | "plusHours" | "add_days" => {
            "add a duration: `t + 3d`, `t - 2h`"
        }
        "hours" | "minutes" | "days" | "total_seconds" => "divide its `.seconds`: `d.seconds / 3600` are hours",
        "toISOString" | "isoformat" | "strftime" => "write `.in(\"Europe/Berlin\").format(\"%Y-%m-%d\")`",
        _ => return None,
    })
}

/// A function of Flow that other languages call without the argument that it needs here: `xs.count()`.
pub(crate) fn without_arguments(callee: &str) -> Option<&'static str> {
    Some(match callee {
        "`count`" => "how many there are is `.length`",
        _ => return None,
    })
}

/// A property of Flow that other languages call with an argument: `xs.first(3)`.
pub(crate) fn with_arguments(property: &str) -> Option<&'static str> {
    Some(match property {
        "List.first" => "the first few are `.take(count)`; the first that is wanted, `.find(x -> …)`",
        "List.last" => "the last few are `.reverse().take(count)`",
        "List.length" => "how many there are of some kind is `.count(x -> …)`",
        "List.is_empty" => "whether there is none of some kind is `not xs.any(x -> …)`",
        _ => return None,
    })
}
