//! Characters, signs, units and comments that are written differently in other languages, or by accident.

use super::{Scanner, TokenKind};
use crate::{
    problem::{Edit, Habit, ProblemKind},
    token::{ITEMS, MEMBERS},
};

/// Currencies in small letters.
const CURRENCIES: [&str; 8] = ["eur", "usd", "gbp", "chf", "jpy", "Eur", "Usd", "Gbp"];

impl Scanner<'_> {
    /// Signs of other languages. Says whether there was one.
    pub(super) fn mistaken_sign(&mut self) -> bool {
        let rest = self.rest();
        let start = self.at as u32;
        let (length, meant) = if rest.starts_with("===") || rest.starts_with("!==") {
            match (rest.starts_with('='), absent(rest)) {
                (true, Some(length)) => (length, "== null"),
                (true, None) => (3, "=="),
                (false, Some(length)) => (length, "!= null"),
                (false, None) => (3, "!="),
            }
        } else if rest.starts_with("&&") {
            (2, "and")
        } else if rest.starts_with("||") {
            // Before a literal it gives a value for what is null or empty.
            let after = rest.get(2..).unwrap_or_default().trim_start();
            let is_value =
                after.starts_with(|letter: char| matches!(letter, '"' | '\'' | '[' | '{') || letter.is_ascii_digit());
            (2, if is_value { "??" } else { "or" })
        } else if rest.starts_with('!') && !rest.starts_with("!=") {
            if self.asserted() {
                return true;
            }
            (1, "not ")
        } else if rest.starts_with(';') {
            let edit = Edit { start, end: start + 1, text: String::new() };
            self.report_with_fix(start, start + 1, ProblemKind::Semicolon(0), vec![edit]);
            self.replace(start, start + 1, " ");
            self.at += 1;
            return true;
        } else {
            return false;
        };
        let is_word = meant.bytes().all(|byte| byte.is_ascii_alphabetic());
        let end = start + length as u32;
        let touches = |text: Option<char>| text.is_some_and(|letter| letter == '_' || letter.is_alphanumeric());
        let before = self.source.get(..self.at).and_then(|before| before.chars().next_back());
        let after = rest.get(length..).and_then(|after| after.chars().next());
        let mut text = meant.to_owned();
        if is_word && touches(before) {
            text.insert(0, ' ');
        }
        if is_word && touches(after) {
            text.push(' ');
        }
        self.instead(start, end, &text);
        self.push(TokenKind::Sign, length);
        true
    }

    /// `x!.y`: that there is a value is asserted. Says whether it was.
    fn asserted(&mut self) -> bool {
        let is_value = |letter: char| letter == '_' || letter == ')' || letter == ']' || letter.is_alphanumeric();
        let before = self.source.get(..self.at).and_then(|before| before.chars().next_back());
        let after = self.rest().chars().nth(1);
        let ends = after.is_none_or(|letter| letter.is_whitespace() || matches!(letter, '.' | ')' | ',' | ']' | '}'));
        if !before.is_some_and(is_value) || !ends {
            return false;
        }
        let (start, text) = (self.at as u32, if after == Some('.') { "?" } else { "" });
        let edit = Edit { start, end: start + 1, text: text.to_owned() };
        self.report_with_fix(start, start + 1, ProblemKind::Habit(Habit::Assert), vec![edit]);
        self.replace(start, start + 1, text);
        self.at += 1;
        true
    }

    /// `$json.x`: how tools with nodes name what came from the node before. Says whether there was one.
    fn node_value(&mut self) -> bool {
        let rest = self.rest();
        let after = rest.get(1..).unwrap_or_default();
        if !after.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            return false;
        }
        let part = |letter: char| letter == '_' || letter == '.' || letter.is_ascii_alphanumeric();
        let length = 1 + after.find(|letter| !part(letter)).unwrap_or(after.len());
        let (start, end) = (self.at as u32, (self.at + length) as u32);
        self.report(start, end, ProblemKind::Habit(Habit::Dollar));
        self.replace(start, end, super::HOLE);
        self.push(TokenKind::Word, length);
        true
    }

    /// `€5.00`, `5.00€`. Says whether it was an amount.
    fn currency_sign(&mut self, letter: char) -> bool {
        let code = match letter {
            '€' => "EUR",
            '£' => "GBP",
            '¥' => "JPY",
            '$' => "USD",
            _ => return false,
        };
        let after = self.rest().get(letter.len_utf8()..).unwrap_or_default();
        let digits = after.trim_start_matches(' ');
        let part = |letter: char| letter.is_ascii_digit() || letter == '_';
        let mut length = digits.find(|letter| !part(letter)).unwrap_or(digits.len());
        let fraction = digits.get(length..).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
        let fraction =
            fraction.get(..fraction.find(|letter| !part(letter)).unwrap_or(fraction.len())).unwrap_or_default();
        if !fraction.is_empty() {
            length += 1 + fraction.len();
        }
        if let Some(number) =
            digits.get(..length).filter(|number| number.starts_with(|first: char| first.is_ascii_digit()))
        {
            let whole = letter.len_utf8() + (after.len() - digits.len()) + length;
            self.amount(self.at as u32, self.at + whole, format!("{number} {code}"));
            self.push(TokenKind::Number, whole);
            return true;
        }
        let Some(number) = self.scan.tokens.last().copied().filter(|last| last.kind == TokenKind::Number) else {
            return false;
        };
        let end = self.at + letter.len_utf8();
        let is_next = number.end as usize == self.at || self.source.get(number.end as usize..self.at) == Some(" ");
        if !is_next {
            return false;
        }
        self.amount(number.start, end, format!("{} {code}", number.text(self.source)));
        self.at = end;
        true
    }

    /// Reports an amount that is written in another way. Its parts are not where the parser would look for them, so it
    /// gets none.
    fn amount(&mut self, start: u32, end: usize, meant: String) {
        let end = end as u32;
        let fix = vec![Edit { start, end, text: meant.clone() }];
        self.report_with_fix(start, end, ProblemKind::Currency(Some(meant)), fix);
        self.replace(start, end, super::HOLE);
    }

    /// A character that no token begins with. It is read as space.
    pub(super) fn strange(&mut self, letter: char) {
        // A byte that is no text was replaced by this and has been reported.
        if letter == char::REPLACEMENT_CHARACTER {
            self.at += letter.len_utf8();
            self.replace((self.at - letter.len_utf8()) as u32, self.at as u32, " ");
            return;
        }
        if letter == '…' {
            let start = self.at as u32;
            self.report(start, start + 3, ProblemKind::Character);
            self.replace(start, start + 3, super::HOLE);
            self.push(TokenKind::Word, 3);
            return;
        }
        if letter == '$' && self.node_value() {
            return;
        }
        if self.currency_sign(letter) {
            return;
        }
        let class = class(letter);
        // Many of a kind in a row are one mistake.
        let length = self
            .rest()
            .find(|other: char| super::mistakes::class(other) != class || (class == Class::Other && other != letter));
        let length = length.unwrap_or(self.rest().len()).max(letter.len_utf8());
        let (start, end) = (self.at as u32, (self.at + length) as u32);
        let code = letter as u32;
        let kind = match class {
            Class::Space | Class::Invisible => ProblemKind::Invisible(code),
            Class::Direction => ProblemKind::Direction(code),
            Class::Other => ProblemKind::Character,
        };
        let text = if class == Class::Space {
            " ".repeat(self.rest().get(..length).unwrap_or_default().chars().count())
        } else {
            String::new()
        };
        // What stands between two values is not left out.
        let fix = if matches!(letter, '&' | '^' | '~') { Vec::new() } else { vec![Edit { start, end, text }] };
        self.report_with_fix(start, end, kind, fix);
        self.replace(start, end, " ");
        self.at += length;
    }

    /// Characters that turn the direction of a text around are reported in texts and comments too, where they could
    /// make a program look like another (CVE-2021-42574).
    pub(super) fn directions(&mut self, start: usize, end: usize) {
        let Some(text) = self.source.get(start..end) else { return };
        if text.is_ascii() {
            return;
        }
        for (offset, letter) in text.char_indices().filter(|(_, letter)| class(*letter) == Class::Direction) {
            let at = (start + offset) as u32;
            let edit = Edit { start: at, end: at + letter.len_utf8() as u32, text: String::new() };
            self.report_with_fix(at, edit.end, ProblemKind::Direction(letter as u32), vec![edit]);
        }
    }

    /// Characters within a word that nobody sees: it is parsed without them. Says whether it has other letters that names
    /// don't have.
    pub(super) fn hidden(&mut self, word: &str) -> bool {
        let has_letters = word.chars().any(|letter| !letter.is_ascii() && !is_hidden(letter));
        for (offset, letter) in word.char_indices().filter(|(_, letter)| is_hidden(*letter)) {
            let (start, code) = ((self.at + offset) as u32, letter as u32);
            let end = start + letter.len_utf8() as u32;
            let kind = match class(letter) {
                Class::Direction => ProblemKind::Direction(code),
                _ => ProblemKind::Invisible(code),
            };
            self.report_with_fix(start, end, kind, vec![Edit { start, end, text: String::new() }]);
            if !has_letters {
                self.replace(start, end, "");
            }
        }
        has_letters
    }

    /// A word with letters that names don't have. It is parsed as one that has them.
    pub(super) fn letters(&mut self, word: &str) {
        let (start, end) = (self.at as u32, (self.at + word.len()) as u32);
        self.report(start, end, ProblemKind::Letters);
        let mut text: String = word.chars().map(|letter| if letter.is_ascii() { letter } else { 'x' }).collect();
        if text.starts_with(|letter: char| letter.is_ascii_digit()) {
            text.insert(0, 'x');
        }
        // No keyword can come out of this.
        text.push('x');
        self.replace(start, end, &text);
    }

    /// A point in time without quotes, `2026-11-03T06:00:00Z`: as the text that it should be. Gives its length.
    pub(super) fn instant(&mut self) -> Option<usize> {
        let rest = self.rest();
        let is_form = |text: &str, form: &str| {
            text.len() >= form.len()
                && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                    b'0' => byte.is_ascii_digit(),
                    form => byte == form,
                })
        };
        if !is_form(rest, "0000-00-00") || !matches!(rest.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
            return None;
        }
        let mut length = 16;
        if !rest.get(11..).is_some_and(|time| is_form(time, "00:00")) {
            return None;
        }
        if rest.get(length..).is_some_and(|seconds| is_form(seconds, ":00")) {
            length += 3;
            let fraction = rest.get(length..).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            length += if digits > 0 { 1 + digits } else { 0 };
        }
        let time = rest.get(11..length)?;
        let after = rest.get(length..).unwrap_or_default();
        let zone = match after.as_bytes().first() {
            Some(b'Z' | b'z') => "Z",
            Some(b'+') if is_form(after, "+00:00") => after.get(..6)?,
            Some(b'-') if is_form(after, "-00:00") => after.get(..6)?,
            _ => "",
        };
        length += zone.len();
        let (start, end) = (self.at as u32, (self.at + length) as u32);
        let meant = format!("\"{}T{time}{}\"", rest.get(..10)?, if zone.is_empty() { "Z" } else { zone });
        // Which zone is meant is known only where it is written.
        let fix = (!zone.is_empty()).then(|| Edit { start, end, text: meant.clone() });
        self.report_with_fix(start, end, ProblemKind::Instant(meant.clone()), fix.into_iter().collect());
        self.replace(start, end, &meant);
        Some(length)
    }

    /// A number of `length` bytes with a unit after `digits` bytes.
    pub(super) fn unit(&mut self, digits: usize, length: usize) {
        let rest = self.rest();
        let (Some(number), Some(unit)) = (rest.get(..digits), rest.get(digits..length)) else { return };
        const UNITS: [&str; 14] = ["ms", "s", "m", "h", "d", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "B"];
        let is_whole = !number.contains('.');
        let (start, end) = (self.at as u32, (self.at + length) as u32);
        let before = self.scan.tokens.last().map_or("", |token| token.text(self.source));
        if ITEMS.contains(&before) || MEMBERS.contains(&before) || matches!(before, "let" | "step" | "as") {
            self.report(start, end, ProblemKind::NameDigit);
            let letters: String = rest.get(..length).unwrap_or_default().chars().filter(char::is_ascii).collect();
            self.replace(start, end, &format!("x{letters}"));
            return;
        }
        if is_whole && UNITS.contains(&unit) || number.len() == 1 && unit == "xx" {
            return;
        }
        if unit.len() == 3 && (unit.bytes().all(|letter| letter.is_ascii_uppercase()) || CURRENCIES.contains(&unit)) {
            self.amount(start, end as usize, format!("{number} {}", unit.to_uppercase()));
            return;
        }
        let meant = time_unit(unit).or(match unit {
            "kb" | "KB" | "K" | "k" => Some("kB"),
            "mb" | "Mb" | "M" => Some("MB"),
            "gb" | "Gb" | "G" => Some("GB"),
            "tb" | "Tb" | "T" => Some("TB"),
            "kib" | "Kib" => Some("KiB"),
            "mib" | "Mib" => Some("MiB"),
            "gib" | "Gib" => Some("GiB"),
            "b" | "bytes" => Some("B"),
            _ => None,
        });
        let suggestion = match meant.filter(|_| is_whole) {
            Some(meant) => Some(format!("{number}{meant}")),
            None => smaller(number, unit).or_else(|| weeks(number, unit)).or_else(|| summed(rest.get(..length)?)),
        };
        // Beside `..` stands a number; elsewhere nothing follows from what it may have been.
        let is_range = before == ".." || rest.get(length..).is_some_and(|after| after.starts_with(".."));
        let text = suggestion.clone().unwrap_or_else(|| if is_range { number } else { super::HOLE }.to_owned());
        let fix = suggestion.clone().map(|text| Edit { start, end, text });
        self.report_with_fix(start, end, ProblemKind::Unit(suggestion), fix.into_iter().collect());
        self.replace(start, end, &text);
    }

    /// A number of `length` bytes that is followed by a unit or a currency in words: `3 days`, `5.00 EURO`. Gives the
    /// length of both.
    pub(super) fn loose_unit(&mut self, length: usize) -> usize {
        let rest = self.rest();
        let after = rest.get(length..).unwrap_or_default();
        let space = after.len() - after.trim_start_matches([' ', '\t']).len();
        let word = after.get(space..).unwrap_or_default();
        let word = word
            .get(..word.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(word.len()));
        let (Some(word), Some(number)) = (word.filter(|_| space > 0), rest.get(..length)) else { return length };
        let whole = length + space + word.len();
        let (start, end) = (self.at as u32, (self.at + whole) as u32);
        let is_capitals = word.len() > 1 && word.len() != 3 && word.bytes().all(|byte| byte.is_ascii_uppercase());
        let (kind, text) = if word.len() >= 3
            && let Some(unit) = time_unit(word)
            && !number.contains('.')
        {
            let meant = format!("{number}{unit}");
            (ProblemKind::Unit(Some(meant.clone())), meant)
        } else if word.len() >= 4
            && let Some(meant) = weeks(number, word)
        {
            (ProblemKind::Unit(Some(meant.clone())), meant)
        } else if matches!(word, "kB" | "KB" | "MB" | "GB" | "TB" | "KiB" | "MiB" | "GiB" | "TiB")
            && !number.contains('.')
        {
            let meant = format!("{number}{}", if word == "KB" { "kB" } else { word });
            (ProblemKind::Unit(Some(meant.clone())), meant)
        } else if CURRENCIES.contains(&word) {
            let meant = format!("{number} {}", word.to_uppercase());
            (ProblemKind::Currency(Some(meant.clone())), meant)
        } else if is_capitals {
            (ProblemKind::Currency(None), number.to_owned())
        } else {
            return length;
        };
        let fix = match &kind {
            ProblemKind::Currency(None) => Vec::new(),
            _ => vec![Edit { start, end, text: text.clone() }],
        };
        self.report_with_fix(start, end, kind, fix);
        self.replace(start, end, &text);
        whole
    }

    pub(super) fn hash_comment(&mut self) {
        let start = self.at as u32;
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        let edit = Edit { start, end: start + 1, text: "//".into() };
        self.report_with_fix(start, start + 1, ProblemKind::Comment(0), vec![edit]);
        self.replace(start, start + 1, "//");
        self.at += length;
    }

    pub(super) fn block_comment(&mut self) {
        let start = self.at as u32;
        let length = self.rest().find("*/").map_or(self.rest().len(), |at| at + 2);
        self.report(start, start + 2, ProblemKind::Comment(0));
        self.replace(start, start + length as u32, " ");
        let text = self.rest().get(..length).unwrap_or_default();
        self.line += text.bytes().filter(|byte| *byte == b'\n').count() as u32;
        self.at += length;
    }
}

/// The unit of time that a word means.
fn time_unit(word: &str) -> Option<&'static str> {
    Some(match word {
        "min" | "mins" | "minute" | "minutes" => "m",
        "sec" | "secs" | "second" | "seconds" => "s",
        "hr" | "hrs" | "hour" | "hours" => "h",
        "day" | "days" => "d",
        "msec" | "millis" | "milliseconds" => "ms",
        _ => return None,
    })
}

/// `14d` for `2w`.
fn weeks(number: &str, unit: &str) -> Option<String> {
    let days = match unit {
        "w" | "wk" | "wks" | "week" | "weeks" => 7,
        "y" | "yr" | "year" | "years" => 365,
        _ => return None,
    };
    Some(format!("{}d", number.parse::<u64>().ok()?.checked_mul(days)?))
}

/// `90m` for `1h30m`.
fn summed(written: &str) -> Option<String> {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let (mut rest, mut total, mut least) = (written, 0u64, None);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let (number, after) = rest.split_at(digits);
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
        least = Some((*unit, *seconds));
        rest = after.get(unit.len()..)?;
    }
    let (unit, seconds) = least?;
    total.is_multiple_of(seconds).then(|| format!("{}{unit}", total / seconds))
}

/// `90m` for `1.5h`: a whole number of a smaller unit, where there is one.
fn smaller(number: &str, unit: &str) -> Option<String> {
    let (whole, fraction) = number.split_once('.')?;
    let (size, below) = match unit {
        "s" => (1000, "ms"),
        "m" => (60, "s"),
        "h" => (60, "m"),
        "d" => (24, "h"),
        _ => return None,
    };
    let scale = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let value =
        whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(fraction.parse().ok()?)?.checked_mul(size)?;
    value.is_multiple_of(scale).then(|| format!("{}{below}", value / scale))
}

/// Why a character is strange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Looks like a space.
    Space,
    /// Can't be seen.
    Invisible,
    /// Turns the direction of what follows around.
    Direction,
    Other,
}

/// Says whether a character takes no room where it stands.
fn is_hidden(letter: char) -> bool {
    !letter.is_ascii() && matches!(class(letter), Class::Direction | Class::Invisible)
}

/// How long the word is that a text begins with, in bytes. What is hidden between two letters belongs to it.
pub(super) fn word_length(text: &str) -> usize {
    let is_letter = |letter: char| letter == '_' || letter.is_alphanumeric();
    let mut length = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        length += rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len());
        let rest = text.get(length..).unwrap_or_default();
        let hidden = rest.find(|letter| !is_hidden(letter)).unwrap_or_default();
        if hidden == 0 || !rest.get(hidden..).is_some_and(|rest| rest.starts_with(is_letter)) {
            return length;
        }
        length += hidden;
    }
}

pub(super) fn class(letter: char) -> Class {
    match letter {
        '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{3000}'
        | '\u{b}'
        | '\u{c}'
        | '\u{85}' => Class::Space,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Class::Direction,
        '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}'
        | '\u{ad}'
        | '\u{180e}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0000}'..='\u{e0fff}' => Class::Invisible,
        _ if letter.is_control() => Class::Invisible,
        _ => Class::Other,
    }
}

/// How far `=== undefined` reaches, where that is compared with.
fn absent(rest: &str) -> Option<usize> {
    let word = rest.get(3..)?.trim_start();
    let after = word.strip_prefix("undefined").or_else(|| word.strip_prefix("None"))?;
    let ends = !after.starts_with(|letter: char| letter == '_' || letter.is_alphanumeric());
    ends.then_some(rest.len() - after.len())
}
