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
    let last = cells.iter().rposition(|cell| width(cell) > 0).unwrap_or(0);
    for (index, (cell, widest)) in cells.iter().zip(widths).enumerate().take(last + 1) {
        text.push_str(cell);
        if index < last {
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

/// Cuts what is beyond `most` characters that are seen, with `…` in place of the last. Styles are kept, and end there.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut seen = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            kept.push(letter);
            for of_style in letters.by_ref() {
                kept.push(of_style);
                if of_style.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if seen + 1 < most {
            kept.push(letter);
            seen += 1;
        } else {
            break;
        }
    }
    format!("{kept}…\u{1b}[0m")
}

/// Text of others, without what would move the cursor or break the line.
pub(crate) fn plain(text: &str) -> String {
    let visible = |letter: char| match letter {
        '\n' | '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.chars().filter(|letter| *letter != '\r').map(visible).collect()
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
    fn a_row_whose_last_cells_are_empty_is_not_filled_up() {
        let rows = [["1".to_owned(), styled(WELL, ""), String::new()], ["2".into(), "x".into(), "done".into()]];
        let text = anstream::adapter::strip_str(&table(["NUMBER", "WHY", ""], &rows)).to_string();
        assert_eq!(text, "NUMBER  WHY\n1\n2       x    done\n");
    }

    #[test]
    fn what_is_too_long_is_cut_with_a_mark() {
        assert_eq!(cut("überlang", 4), "übe…\u{1b}[0m");
        assert_eq!(cut("kurz", 4), "kurz");
        let styled = styled(WELL, "überlang");
        assert_eq!(width(&cut(&styled, 4)), 4);
        assert_eq!(cut(&styled, 8), styled);
    }

    #[test]
    fn text_of_others_can_not_move_the_cursor() {
        assert_eq!(plain("a\r\nb\u{1b}[2Jc\u{202e}d\u{9b}"), "a b\u{fffd}[2Jc\u{fffd}d\u{fffd}");
    }
}
