//! Columns under each other.

use super::{QUIET, styled};

/// Writes rows under a heading, each column as wide as its widest cell. Cells may be styled; the last column is not
/// filled up.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(width);
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut text = line(&heading.map(|title| styled(QUIET, title)), &widths);
    for row in rows {
        text.push_str(&line(row, &widths));
    }
    text
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let mut text = String::new();
    for (index, (cell, widest)) in cells.iter().zip(widths).enumerate() {
        text.push_str(cell);
        if index + 1 < N {
            text.push_str(&" ".repeat(widest - width(cell) + 2));
        }
    }
    text.push('\n');
    text
}

/// The characters of a text that are seen, styles left out. Wide characters count as one: names in Flow are ASCII.
pub(crate) fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().chars().count()
}

/// Cuts what is beyond `most` characters, with `…` in place of the last. Styles must not be inside.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let end = text.char_indices().nth(most.saturating_sub(1)).map_or(0, |(end, _)| end);
            format!("{}…", text.get(..end).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::WELL;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let rows = [[styled(WELL, "completed"), "a".to_owned()], ["failed".to_owned(), "b".to_owned()]];
        let text = anstream::adapter::strip_str(&table(["STATE", "FLOW"], &rows)).to_string();
        assert_eq!(text, "STATE      FLOW\ncompleted  a\nfailed     b\n");
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_mark() {
        assert_eq!(cut("überlang", 4), "übe…");
        assert_eq!(cut("kurz", 4), "kurz");
    }
}
