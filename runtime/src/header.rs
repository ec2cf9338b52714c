//! What do the parameters of a header say: `attachment; filename="a.txt"`?

use percent_encoding::percent_decode_str;

/// The name in a `Content-Disposition`: that of `filename*` (RFC 8187) before that of `filename`.
pub(crate) fn filename(disposition: &str) -> Option<String> {
    let (mut extended, mut simple) = (None, None);
    for (name, value) in parameters(disposition) {
        if name.eq_ignore_ascii_case("filename*") {
            let mut parts = value.splitn(3, '\'');
            let (charset, _, encoded) = (parts.next(), parts.next(), parts.next());
            if charset.is_some_and(|charset| charset.eq_ignore_ascii_case("utf-8")) {
                extended = encoded.and_then(|text| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned()));
            }
        } else if name.eq_ignore_ascii_case("filename") {
            simple = Some(value);
        }
    }
    extended.or(simple)
}

/// The parameters of a header's value: `attachment; filename="a;b.txt"` has one. In quotes, `\` stands before what is meant
/// as it is (RFC 9110, section 5.6.4).
pub(crate) fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(';') {
        let Some((name, value)) = after.split_once('=') else { break };
        // A parameter without a value is passed over.
        if name.contains(';') {
            rest = after;
            continue;
        }
        let value = value.trim_start();
        let mut content = String::new();
        let mut letters = value.char_indices();
        let quoted = value.starts_with('"');
        if quoted {
            letters.next();
        }
        let mut end = value.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' if quoted => content.extend(letters.next().map(|(_, letter)| letter)),
                '"' if quoted => {
                    end = at + 1;
                    break;
                }
                ';' if !quoted => {
                    end = at;
                    break;
                }
                letter => content.push(letter),
            }
        }
        let content = if quoted { content } else { content.trim_end().to_owned() };
        found.push((name.trim().to_owned(), content));
        rest = value.get(end..).unwrap_or_default();
    }
    found
}
