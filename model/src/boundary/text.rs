//! Strings with a form of their own: e-mail addresses, URLs, UUIDs, durations, sizes, days.

use jiff::civil;
use url::Url;

use crate::units::Millis;

/// Says whether text has the form of an e-mail address: what HTML's `<input type=email>` accepts
/// (<https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address>), within the 254 characters of RFC 5321 and
/// with letters outside ASCII (RFC 6531).
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_char = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 254 && !local.is_empty() && local.chars().all(local_char) && domain.split('.').all(label)
}

/// Says whether text is an absolute URL with a host (WHATWG URL) and no blanks around it.
pub fn is_url(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && !text.contains(char::is_control)
        && Url::parse(text).is_ok_and(|url| url.has_host())
}

/// Says whether text is a UUID in its usual form: 8-4-4-4-12 hexadecimal digits (RFC 9562).
pub fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads a duration as programs write it: `500ms`, `30s`, `15m`, `2h`, `7d`.
pub(super) fn duration(text: &str) -> Option<Millis> {
    let (count, unit) = number_and_unit(text)?;
    let size = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(size).map(Millis)
}

/// Reads a size as programs write it: `64kB`, `4MB`, `8MiB`; also `512B`.
pub(super) fn size(text: &str) -> Option<u64> {
    let (count, unit) = number_and_unit(text)?;
    let size = match unit {
        "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" | "kiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    count.checked_mul(size)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(end);
    Some((count.parse().ok()?, unit))
}

/// Reads a calendar day, and nothing but a day.
pub(super) fn date(text: &str) -> Option<civil::Date> {
    text.parse::<civil::Date>().ok().filter(|date| date.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_name_and_a_domain() {
        for good in
            ["jenny@example.com", "a.b+c@x-y.co.uk", "o'neil@example.com", "jörg@bücher.example", "root@localhost"]
        {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(300));
        for bad in ["", "@", "a@", "@b", "a b@c.de", "a@b..c", "a@-b.c", "a@b.c\r\nBcc: x@y.z", "a@b@", long.as_str()] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn urls_are_absolute() {
        for good in ["https://example.com", "http://127.0.0.1:8080/a?b=c#d", "ftp://x/y", "https://bücher.example/ä"]
        {
            assert!(is_url(good), "{good}");
        }
        for bad in
            ["", "/path", "example.com", "https://", "mailto:a@b.c", " https://a.b", "https://a.b/\n", "http://[::1"]
        {
            assert!(!is_url(bad), "{bad}");
        }
    }

    #[test]
    fn uuids_have_five_groups() {
        assert!(is_uuid("018f3a2e-7c1b-7def-8000-0123456789AB"));
        for bad in [
            "",
            "018f3a2e7c1b7def80000123456789ab",
            "018f3a2e-7c1b-7def-8000-0123456789ag",
            "{018f3a2e-7c1b-7def-8000-0123456789ab}",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
    }

    #[test]
    fn durations_sizes_and_days_read_as_they_are_written() {
        assert_eq!(duration("90s"), Some(Millis::seconds(90)));
        assert_eq!(duration("1500ms"), Some(Millis(1500)));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("-5s"), None);
        assert_eq!(duration("99999999999999999999d"), None);
        assert_eq!(size("8MiB"), Some(8 << 20));
        assert_eq!(size("4MB"), Some(4_000_000));
        assert_eq!(size("MB"), None);
        assert!(date("2026-01-31").is_some());
        assert_eq!(date("2026-02-30"), None);
        assert_eq!(date("2026-01-31T10:00:00"), None);
    }
}
