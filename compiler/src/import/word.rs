//! How does a name of an API description read as a name of Flow?
//!
//! In: names as vendors write them: `lineItems`, `Order-Line`, `charge[amount]`, `2fa`. Out: names in the style of their
//! kind, made of ASCII letters, digits and `_`.

/// The words of a name, in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (at, letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let next = letters.get(at + 1);
        let hump = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    // `IDs` and `URLs` are one word.
                    || before.is_ascii_uppercase()
                        && next.is_some_and(|next| next.is_ascii_lowercase())
                        && !is_plural_s(&letters, at + 1)
            });
        if hump && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.push(letter.to_ascii_lowercase());
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn is_plural_s(letters: &[char], at: usize) -> bool {
    letters.get(at) == Some(&'s') && letters.get(at + 1).is_none_or(|after| !after.is_ascii_lowercase())
}

/// A name of a value: `line_items`.
pub(super) fn snake(text: &str) -> String {
    let name = words(text).join("_");
    match name.chars().next() {
        None => "value".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

/// A name of a type: `LineItems`.
pub(super) fn pascal(text: &str) -> String {
    let name: String = words(text).iter().map(|word| capital(word)).collect();
    match name.chars().next() {
        None => "Value".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("T{name}"),
        Some(_) => name,
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
}

/// The name of a parameter: one that an expression can name.
pub(super) fn param(text: &str) -> String {
    let name = snake(text);
    if TAKEN.contains(&name.as_str()) { format!("{name}_value") } else { name }
}

/// Words that begin or join expressions and statements, and those that declarations know.
const TAKEN: [&str; 29] = [
    "and",
    "as",
    "catch",
    "config",
    "dead_letter",
    "else",
    "emit",
    "fail",
    "false",
    "for",
    "if",
    "in",
    "let",
    "log",
    "match",
    "not",
    "null",
    "on",
    "or",
    "parallel",
    "race",
    "repeat",
    "respond",
    "return",
    "saga",
    "sleep",
    "step",
    "true",
    "try",
];

/// Says whether a word names several things: `contacts`, `companies`, and no `status` or `address`.
pub(super) fn is_plural(word: &str) -> bool {
    let last = word.rsplit('_').next().unwrap_or(word);
    last.ends_with('s') && !last.ends_with("ss") && !["status", "us", "is", "sms", "news"].contains(&last)
}

/// One of what a word names several of: `contact` of `contacts`.
pub(super) fn singular(word: &str) -> String {
    if !is_plural(word) {
        return word.to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    for ending in ["sses", "shes", "ches", "xes", "zes"] {
        if word.ends_with(ending) {
            return word.trim_end_matches("es").to_owned();
        }
    }
    word.strip_suffix('s').unwrap_or(word).to_owned()
}

/// Text between quotes of Flow.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '{' => out.push_str("\\{"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() || is_invisible(letter) => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Letters that a text of Flow may not hold as they are: those that turn the direction of writing.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The name of an entry of a record: as it is where it is one word, quoted where it is not.
pub(super) fn key(name: &str) -> String {
    let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if is_word { name.to_owned() } else { quoted(name) }
}

/// A name that is not taken, which it is then: the name itself, or the name with a number.
pub(super) fn free(name: &str, mut is_taken: impl FnMut(&str) -> bool) -> String {
    if !is_taken(name) {
        return name.to_owned();
    }
    // Ends: only so many names are taken.
    (2_u32..).map(|number| format!("{name}{number}")).find(|name| !is_taken(name)).unwrap_or_default()
}

/// Most letters of a sentence that is taken over from a description.
const MOST_LETTERS: usize = 400;

/// The first paragraph of a description, as lines of a doc comment, without markup.
pub(super) fn doc(text: &str, width: usize) -> Vec<String> {
    let plain = plain(text);
    let paragraph: String =
        plain.trim().lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let words = paragraph.split_whitespace();
    let (mut lines, mut line, mut letters) = (Vec::new(), String::new(), 0);
    for word in words {
        letters += word.chars().count() + 1;
        if letters > MOST_LETTERS {
            line.push('…');
            break;
        }
        if !line.is_empty() && line.chars().count() + word.chars().count() >= width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Text without tags of HTML, and with the words of links in place of the links of Markdown.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '[']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let tag = from.starts_with('<').then(|| from.find('>')).flatten().filter(|end| is_tag(&from[1..*end]));
        let link = from.starts_with('[').then(|| link(from)).flatten();
        if let Some(end) = tag {
            if matches!(from.get(1..3), Some("p>" | "br" | "/p")) || from.starts_with("<li") {
                out.push('\n');
            }
            rest = &from[end + 1..];
        } else if let Some((words, after)) = link {
            out.push_str(words);
            rest = after;
        } else {
            out.push_str(&from[..1]);
            rest = &from[1..];
        }
    }
    out.push_str(rest);
    let out = out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    out.chars().filter(|letter| (!letter.is_control() || *letter == '\n') && !is_invisible(*letter)).collect()
}

fn is_tag(inside: &str) -> bool {
    let name = inside.strip_prefix('/').unwrap_or(inside);
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && inside.len() < 300
}

/// `[words](target) and more` as `words` and ` and more`.
fn link(text: &str) -> Option<(&str, &str)> {
    let (words, after) = text.strip_prefix('[')?.split_once(']')?;
    let (_, after) = after.strip_prefix('(')?.split_once(')')?;
    (!words.contains('\n') && !words.contains('[')).then_some((words, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_vendors_become_names_of_flow() {
        for (written, value, ty) in [
            ("lineItems", "line_items", "LineItems"),
            ("Order-Line", "order_line", "OrderLine"),
            ("HTTPStatus", "http_status", "HttpStatus"),
            ("userIDs", "user_ids", "UserIds"),
            ("charge[amount]", "charge_amount", "ChargeAmount"),
            ("2fa", "_2fa", "T2fa"),
            ("größe", "gr_e", "GrE"),
            ("!", "value", "Value"),
        ] {
            assert_eq!((snake(written).as_str(), pascal(written).as_str()), (value, ty), "{written}");
        }
        assert_eq!(param("for"), "for_value");
    }

    #[test]
    fn several_become_one() {
        for (several, one) in [
            ("contacts", "contact"),
            ("companies", "company"),
            ("addresses", "address"),
            ("boxes", "box"),
            ("status", "status"),
        ] {
            assert_eq!(singular(several), one);
        }
    }

    #[test]
    fn descriptions_lose_their_markup() {
        assert_eq!(
            doc("<p>See <a href=\"x\">the [guide](https://example.com)</a>.</p>\n\nMore.", 100),
            ["See the guide."]
        );
        assert_eq!(doc("a < b and c > d", 100), ["a < b and c > d"]);
        assert_eq!(doc("one two three", 8), ["one two", "three"]);
        assert_eq!(quoted("a \"b\" {c}\n"), r#""a \"b\" \{c}\n""#);
    }
}
