//! Functions of lengths of time and numbers of bytes.

use flow_model::{failure::Failure, function::StandardFunction, units::Millis, value::Value};
use rust_decimal::Decimal;

use super::{
    argument::{Arguments, invalid, length},
    entry,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry("Duration.milliseconds: Int", "The length in milliseconds.", &["(2s).milliseconds == 2000"], |args| {
        Ok(Value::Int(i64::try_from(milliseconds(args.at(0))?).unwrap_or(i64::MAX)))
    }),
    entry("Duration.seconds: Decimal", "The length in seconds.", &["(1500ms).seconds == 1.5"], |args| {
        Ok(Value::Decimal(Decimal::from_i128_with_scale(milliseconds(args.at(0))?.into(), 3).normalize()))
    }),
    entry(
        "Duration.from_seconds(seconds: Int) -> Duration",
        "A length of that many seconds, which can't be negative.",
        &["Duration.from_seconds(90) == 90s"],
        |args| {
            let seconds = args.int(0)?;
            let ms = u64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1000));
            ms.map(|ms| Value::Duration(Millis(ms)))
                .ok_or_else(|| invalid(format!("{seconds} seconds are no duration")))
        },
    ),
    entry(
        "Duration.to_string(self: Duration) -> String",
        "The length in its largest whole unit.",
        &[r#"(120s).to_string() == "2m""#],
        |args| Ok(Value::text(args.at(0).to_string())),
    ),
    entry("Size.bytes: Int", "The number of bytes.", &["(4kB).bytes == 4000", "(1MiB).bytes == 1048576"], |args| {
        match args.at(0) {
            Value::Size(bytes) => Ok(length(usize::try_from(*bytes).unwrap_or(usize::MAX))),
            other => Err(invalid(format!("expected a size, got {}", other.kind()))),
        }
    }),
];

fn milliseconds(value: &Value) -> Result<u64, Failure> {
    match value {
        Value::Duration(Millis(ms)) => Ok(*ms),
        other => Err(invalid(format!("expected a duration, got {}", other.kind()))),
    }
}
