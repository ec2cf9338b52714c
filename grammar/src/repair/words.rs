//! Words: those that can begin a statement, those of other languages, those that are nearly right.

/// Words that can begin a unit of a test.
pub(super) const TEST: &[&str] = &["given", "stub", "expect"];

/// What a word of another language is in Flow.
pub(super) fn other_language(word: &str) -> Option<&'static str> {
    Some(match word {
        "funtion" | "fucntion" | "functon" => "fn",
        "function" | "func" | "def" | "fun" => "fn",
        "var" | "val" => "let",
        "import" | "include" | "require" => "use",
        "struct" | "class" | "type" | "interface" | "message" => "record",
        "elif" | "elsif" | "elseif" | "elsei" => "else if",
        "switch" | "case" => "match",
        "foreach" => "for",
        "of" => "in",
        "throw" | "raise" => "fail",
        "mock" => "stub",
        "assert" => "expect",
        "print" | "println" | "console" => "log",
        "await" | "call" | "run" | "do" => "step",
        "workflow" | "pipeline" | "job" => "flow",
        _ => return None,
    })
}

/// The word that is nearest to what was written, if one is near: one change in a short word, two in a longer one.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = match word.len() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    };
    let near = known.iter().map(|known| (distance(word, known), *known)).filter(|(distance, _)| *distance <= most);
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The number of letters to put in, take out, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let width = b.len() + 1;
    let mut rows = vec![(0..width).collect::<Vec<usize>>()];
    for (row, left) in a.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, right) in b.iter().enumerate() {
            let get = |row: usize, column: usize| rows.get(row).and_then(|row| row.get(column)).copied().unwrap_or(0);
            let mut cost = (get(row, column) + usize::from(left != right))
                .min(get(row, column + 1) + 1)
                .min(next.last().copied().unwrap_or(0) + 1);
            let is_swap = row > 0 && column > 0 && a.get(row - 1) == Some(right) && b.get(column - 1) == Some(left);
            if is_swap && left != right {
                cost = cost.min(get(row - 1, column - 1) + 1);
            }
            next.push(cost);
        }
        rows.push(next);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}
