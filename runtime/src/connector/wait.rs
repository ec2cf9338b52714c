//! When a server asks to be tried again, in all the ways in which servers write that.

use std::time::SystemTime;

use flow_model::{
    schema::WaitForm,
    units::{Instant, Millis},
};
use http::{HeaderMap, StatusCode, header::DATE};
use jiff::Timestamp;
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::answer::Declared;

/// The longest that a call waits because a server asks for it: a day. What asks for more is a mistake or no longer a retry:
/// the call is not made again, rather than too early, and others to the same account go on after a day.
pub const LONGEST_WAIT: Millis = Millis::seconds(86_400);

/// What is further away than that is as far: a hundred years.
const FARTHEST: Millis = Millis::seconds(86_400 * 36_525);

/// Numbers from a year before now on are points in time; smaller ones are waits, however long.
const YEAR: i64 = 366 * 86_400_000;

/// No clock that is right shows less: 2020-01-01.
const LEAST_NOW: i64 = 1_577_836_800_000;

/// Headers with the time at which the limit is reset.
const RESETS: [&str; 4] = ["x-ratelimit-reset", "x-rate-limit-reset", "ratelimit-reset", "x-ratelimit-reset-after"];

/// Headers with the number of requests that are left.
const REMAINING: [&str; 3] = ["x-ratelimit-remaining", "x-rate-limit-remaining", "ratelimit-remaining"];

/// The least wait before the next attempt that a failed answer asks for: the longest of `Retry-After` (RFC 9110, section
/// 10.2.3), of what the connector declares, and of the reset of a limit that is used up; from zero to a hundred years.
/// Points in time are compared with the server's own `Date`, where it sends one, so that its clock and ours need not
/// agree.
pub(super) fn asked(status: StatusCode, headers: &HeaderMap, declared: &Declared, now: Instant) -> Option<Millis> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let now = text(DATE.as_str()).and_then(http_date).unwrap_or(now);
    let usual = text("retry-after").and_then(|text| wait(text, now));
    let declared_waits = declared.retry_after.iter().filter_map(|(text, form)| formed(text.trim(), *form, now));
    let used_up = status == StatusCode::TOO_MANY_REQUESTS || left(headers, declared) == Some(0);
    let reset = if used_up { reset(headers, declared, now) } else { None };
    declared_waits.chain(usual).chain(reset).max()
}

/// When a limit that is used up is reset, by an answer of any kind: nothing more should leave until then. As [`asked`].
pub(super) fn pause(headers: &HeaderMap, declared: &Declared, now: Instant) -> Option<Millis> {
    let date = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(|text| http_date(text.trim()));
    (left(headers, declared) == Some(0)).then(|| reset(headers, declared, date.unwrap_or(now))).flatten()
}

/// How many requests the server still lets pass: the fewest that it names.
fn left(headers: &HeaderMap, declared: &Declared) -> Option<u64> {
    let usual = REMAINING.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    // `ratelimit-remaining` may be a list or have parameters; the number stands first.
    let number =
        |text: &str| text.split([',', ';']).next()?.trim().parse::<Decimal>().ok()?.max(Decimal::ZERO).to_u64();
    usual.chain(declared.remaining.as_deref()).filter_map(number).chain(structured(headers).map(|(left, _)| left)).min()
}

fn reset(headers: &HeaderMap, declared: &Declared, now: Instant) -> Option<Millis> {
    let usual = RESETS.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    let declared = declared.reset.iter().filter_map(|(text, form)| formed(text.trim(), *form, now));
    let structured = structured(headers).filter(|(left, _)| *left == 0).filter_map(|(_, reset)| wait(reset?, now));
    usual.filter_map(|text| wait(text.trim(), now)).chain(declared).chain(structured).max()
}

/// What `RateLimit` says of each policy: how many requests are left, and the seconds until there are more. It is written
/// `"default";r=0;t=30` (draft-ietf-httpapi-ratelimit-headers-10, section 4), earlier `limit=9, remaining=0, reset=30` (-03).
fn structured(headers: &HeaderMap) -> impl Iterator<Item = (u64, Option<&str>)> {
    let lines = headers.get_all("ratelimit").into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| {
        // Of the earlier form all items are of one policy.
        let policies = if line.contains("remaining=") { vec![line] } else { line.split(',').collect() };
        policies.into_iter().filter_map(|policy| {
            let of = |names: [&str; 2]| {
                let mut pairs = policy.split([',', ';']).filter_map(|pair| pair.trim().split_once('='));
                pairs.find(|(name, _)| names.contains(name)).map(|(_, value)| value.trim())
            };
            Some((of(["r", "remaining"])?.parse().ok()?, of(["t", "reset"])))
        })
    })
}

/// Reads a wait that is written in a known form.
fn formed(text: &str, form: WaitForm, now: Instant) -> Option<Millis> {
    let scale = match form {
        WaitForm::Any => return wait(text, now),
        WaitForm::Seconds | WaitForm::Unix => Decimal::from(1000),
        WaitForm::Millis | WaitForm::UnixMillis => Decimal::ONE,
    };
    let number = number(text)?;
    let most = Decimal::from(FARTHEST.0);
    let millis = match form {
        WaitForm::Unix | WaitForm::UnixMillis => number.checked_mul(scale)? - Decimal::from(now.0),
        _ => number.clamp(Decimal::ZERO, most).checked_mul(scale)?,
    };
    millis.clamp(Decimal::ZERO, most).ceil().to_u64().map(Millis)
}

/// Reads seconds (also with a fraction), a point in time as epoch seconds or milliseconds, an HTTP date or RFC 3339.
fn wait(text: &str, now: Instant) -> Option<Millis> {
    if let Some(at) = http_date(text).or_else(|| Some(Instant(text.parse::<Timestamp>().ok()?.as_millisecond()))) {
        return Some(at.since(now).min(FARTHEST));
    }
    let number = number(text)?;
    let thousand = Decimal::from(1000);
    let (now, epoch) = (Decimal::from(now.0), Decimal::from(now.0.max(LEAST_NOW) - YEAR));
    let most = Decimal::from(FARTHEST.0);
    let millis = if number >= epoch {
        number - now
    } else if number >= epoch / thousand {
        number * thousand - now
    } else {
        number.clamp(Decimal::ZERO, most) * thousand
    };
    millis.clamp(Decimal::ZERO, most).ceil().to_u64().map(Millis)
}

/// A number; one of more digits than are kept is as great as any that counts.
fn number(text: &str) -> Option<Decimal> {
    const GREAT: Decimal = Decimal::from_parts(0, 0, 1 << 16, false, 0);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().or_else(|| is_whole.then_some(if digits.len() < text.len() { -GREAT } else { GREAT }))
}

fn http_date(text: &str) -> Option<Instant> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-31T10:00:00Z
    const NOW: Instant = Instant(1_769_853_600_000);

    fn asked_by(status: u16, headers: &[(&str, &str)]) -> Option<Millis> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        asked(StatusCode::from_u16(status).unwrap(), &headers, &Declared::default(), NOW)
    }

    #[test]
    fn each_written_form_is_read_and_clamped() {
        for (text, expected) in [
            ("7", Some(Millis::seconds(7))),
            ("0", Some(Millis(0))),
            ("-5", Some(Millis(0))),
            ("1.5", Some(Millis(1500))),
            ("86401", Some(Millis::seconds(86_401))),
            ("315360000", Some(Millis::seconds(315_360_000))),
            ("99999999999999999999999999", Some(FARTHEST)),
            ("-99999999999999999999999999", Some(Millis(0))),
            ("999999999999999999999999999999999999999999", Some(FARTHEST)),
            ("-999999999999999999999999999999999999999999", Some(Millis(0))),
            ("1769853660", Some(Millis::seconds(60))),
            ("1769853660000", Some(Millis::seconds(60))),
            ("1769853000", Some(Millis(0))),
            ("Sat, 31 Jan 2026 10:01:00 GMT", Some(Millis::seconds(60))),
            ("Sat, 31 Jan 2026 09:00:00 GMT", Some(Millis(0))),
            ("Thu, 31 Jan 2036 10:00:00 GMT", Some(Millis::seconds(86_400 * 3652))),
            ("2026-01-31T10:00:30Z", Some(Millis::seconds(30))),
            ("soon", None),
            ("", None),
            ("1e9999", None),
            ("NaN", None),
        ] {
            assert_eq!(asked_by(503, &[("retry-after", text)]), expected, "{text}");
        }
    }

    /// Then it is for whoever calls to say how long is waited.
    #[test]
    fn a_refusal_without_a_word_asks_for_no_wait() {
        assert_eq!(asked_by(429, &[]), None);
        assert_eq!(asked_by(429, &[("x-ratelimit-remaining", "0")]), None);
    }

    #[test]
    fn the_longest_of_several_waits_wins() {
        let headers = [("retry-after", "2"), ("x-ratelimit-reset", "1769853605")];
        assert_eq!(asked_by(429, &headers), Some(Millis::seconds(5)));
    }

    #[test]
    fn a_reset_counts_only_when_the_limit_is_used_up() {
        let reset = ("x-ratelimit-reset", "30");
        assert_eq!(asked_by(500, &[reset]), None);
        assert_eq!(asked_by(500, &[reset, ("x-ratelimit-remaining", "12")]), None);
        assert_eq!(asked_by(403, &[reset, ("x-ratelimit-remaining", "0")]), Some(Millis::seconds(30)));
        assert_eq!(asked_by(429, &[reset]), Some(Millis::seconds(30)));
    }

    #[test]
    fn declared_forms_are_read_as_they_say_and_the_longest_wins() {
        let asked = |retry_after: &[(&str, WaitForm)]| {
            let retry_after = retry_after.iter().map(|(text, form)| ((*text).to_owned(), *form)).collect();
            let declared = Declared { retry_after, ..Declared::default() };
            asked(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), &declared, NOW)
        };
        assert_eq!(asked(&[("1500", WaitForm::Millis)]), Some(Millis(1500)));
        assert_eq!(asked(&[("1500", WaitForm::Seconds)]), Some(Millis::seconds(1500)));
        assert_eq!(asked(&[("1769853605", WaitForm::Unix)]), Some(Millis::seconds(5)));
        assert_eq!(asked(&[("1769853605000", WaitForm::UnixMillis)]), Some(Millis::seconds(5)));
        assert_eq!(asked(&[("12", WaitForm::Unix)]), Some(Millis(0)));
        assert_eq!(asked(&[("soon", WaitForm::Seconds), ("2", WaitForm::Any)]), Some(Millis::seconds(2)));
        assert_eq!(asked(&[("3", WaitForm::Any), ("9000", WaitForm::Millis)]), Some(Millis::seconds(9)));
        assert_eq!(asked(&[("99999999999999999999999999999", WaitForm::Millis)]), Some(FARTHEST));
        assert_eq!(asked(&[("9999999999999999999999999", WaitForm::UnixMillis)]), Some(FARTHEST));
    }

    #[test]
    fn a_limit_that_is_used_up_pauses_the_account_whatever_the_answer() {
        let pause_by = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            pause(&headers, &Declared::default(), NOW)
        };
        assert_eq!(pause_by(&[("x-ratelimit-reset", "7")]), None);
        assert_eq!(pause_by(&[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "7")]), None);
        assert_eq!(pause_by(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")]), Some(Millis::seconds(7)));
        assert_eq!(
            pause_by(&[("ratelimit-remaining", "0, 0;w=1"), ("ratelimit-reset", "7")]),
            Some(Millis::seconds(7))
        );
    }

    #[test]
    fn the_one_header_for_all_limits_is_read_in_both_of_its_forms() {
        let pause_by = |text: &'static str| {
            let headers = [("ratelimit".parse().unwrap(), text.parse().unwrap())].into_iter().collect();
            pause(&headers, &Declared::default(), NOW)
        };
        assert_eq!(pause_by(r#""default";r=0;t=30"#), Some(Millis::seconds(30)));
        assert_eq!(pause_by(r#""burst";r=0;t=5, "daily";r=0;t=60, "other";r=4;t=900"#), Some(Millis::seconds(60)));
        assert_eq!(pause_by(r#""default";r=3;t=30"#), None);
        assert_eq!(pause_by("limit=100, remaining=0, reset=7"), Some(Millis::seconds(7)));
        assert_eq!(pause_by("limit=100, remaining=1, reset=7"), None);
        assert_eq!(pause_by(r#""default";r=0"#), None);
        assert_eq!(pause_by("what;r=;t"), None);
    }

    #[test]
    fn the_clock_of_the_server_counts_for_its_dates() {
        let headers = [("date", "Sat, 31 Jan 2026 08:00:00 GMT"), ("retry-after", "Sat, 31 Jan 2026 08:00:09 GMT")];
        assert_eq!(asked_by(503, &headers), Some(Millis::seconds(9)));
    }
}
