//! Points and lengths of time as people read them.

use flow_model::units::{Instant, Millis};
use jiff::tz::TimeZone;

/// A length of time with the two units that matter: `340ms`, `2.1s`, `3m 05s`, `2h 10m`, `3d 4h`.
pub(crate) fn length(length: Millis) -> String {
    let millis = length.0;
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis}ms"),
        1..60 => format!("{seconds}.{}s", millis % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Day and time in the time zone of this machine: `2026-01-31 11:00:05`.
pub(crate) fn day_and_time(at: Instant) -> String {
    at.timestamp().to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The time of day in the time zone of this machine: `11:00:05`.
pub(crate) fn time_of_day(at: Instant) -> String {
    at.timestamp().to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_the_units_that_matter() {
        for (millis, expected) in [
            (0, "0ms"),
            (999, "999ms"),
            (1000, "1.0s"),
            (59_999, "59.9s"),
            (60_000, "1m 00s"),
            (185_000, "3m 05s"),
            (7_800_000, "2h 10m"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(length(Millis(millis)), expected);
        }
    }
}
