//! Which warnings does the author know of and accept?
//!
//! In: the texts of the program and the diagnostics. Out: the diagnostics without the warnings that a comment accepts,
//! and with problems of the comments themselves. `// flow: allow W0602 the sender repeats nothing` stands on the line of
//! what is warned of or alone on the line before it. The reason is required: it is what the next reader wants to know.
//! Errors can't be accepted.

use flow_grammar::{Kind, read};
use flow_model::{
    diagnostic::{Code, Diagnostic, Edit, Severity},
    span::{FileId, Files, Span},
};

/// What such a comment begins with.
const MARK: &str = "flow:";

/// A comment that accepts a warning.
struct Allow {
    /// The warning, or none where it is not said which.
    code: Option<Code>,
    /// The comment.
    span: Span,
    /// The line that it is about, from byte to byte.
    line: (u32, u32),
    /// What is wrong with it, and what to do. It is told in the place of the warning that it means.
    wrong: Option<(String, String)>,
}

/// Takes out the warnings that are accepted.
pub(crate) fn apply(files: &Files, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut allows: Vec<(Allow, Option<Code>)> = Vec::new();
    for (file, source) in files.iter() {
        if source.text.contains(MARK) {
            allows.extend(comments(file, &source.text).into_iter().map(|allow| (allow, None)));
        }
    }
    if allows.is_empty() {
        return diagnostics;
    }
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in diagnostics {
        let span = diagnostic.span();
        let accepted = allows.iter_mut().find(|(allow, _)| {
            allow.code.map_or(diagnostic.code.severity() == Severity::Warning, |code| code == diagnostic.code)
                && allow.span.file == span.file
                && (allow.line.0..=allow.line.1).contains(&span.start)
        });
        match accepted {
            Some((_, used)) => *used = Some(diagnostic.code),
            None => kept.push(diagnostic),
        }
    }
    for (allow, used) in allows {
        match (allow.wrong, used) {
            (Some((message, help)), used) => {
                let help = match (used, allow.code) {
                    (Some(code), None) => format!("write `// flow: allow {code} why this is right here`"),
                    _ => help,
                };
                kept.push(Diagnostic::new(Code::E0105, message, allow.span, "accepts nothing").help(help));
            }
            (None, Some(_)) => {}
            (None, None) => {
                let shown = allow.code.map_or(String::new(), |code| code.to_string());
                let message = format!("nothing here is warned of with `{shown}`");
                kept.push(
                    Diagnostic::new(Code::W0101, message, allow.span, "accepts what does not happen")
                        .help("take the comment away, or put it on the line of what is warned of or on the line before")
                        .fix("take the comment away", vec![Edit { span: allow.span, text: String::new() }]),
                );
            }
        }
    }
    kept
}

fn comments(file: FileId, text: &str) -> Vec<Allow> {
    let (tree, _) = read(text);
    let mut allows = Vec::new();
    let mut open = vec![tree.root()];
    while let Some(node) = open.pop() {
        open.extend(node.children_and_comments());
        let content = node.text(text);
        let Some(rest) = content.strip_prefix("//").and_then(|rest| rest.trim_start().strip_prefix(MARK)) else {
            continue;
        };
        if node.kind() != Kind::Comment {
            continue;
        }
        let span = Span::new(file, node.start(), node.start() + content.trim_end().len() as u32);
        let (code, wrong) = accepted(rest.trim());
        allows.push(Allow { code, span, line: line_of(text, node.start()), wrong });
    }
    allows.sort_by_key(|allow| allow.span);
    allows
}

/// The warning that is meant, if that is known, and what is wrong with how it is written.
fn accepted(text: &str) -> (Option<Code>, Option<(String, String)>) {
    const FORM: &str = "write `// flow: allow W0602 why this is right here`";
    let mut words = text.splitn(3, char::is_whitespace);
    let (verb, code, reason) = (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next());
    let Ok(parsed) = code.parse::<Code>() else {
        return (None, Some((format!("there is no warning `{code}`"), FORM.to_owned())));
    };
    let wrong = if verb != "allow" {
        Some((format!("`{verb}` is nothing that a comment can tell the compiler"), FORM.to_owned()))
    } else if parsed.severity() == Severity::Error {
        let message = format!("`{code}` is an error, and errors can't be accepted");
        Some((message, format!("mend it: `flowc explain {code}` says how")))
    } else if reason.is_none_or(|reason| reason.trim().is_empty()) {
        let help = format!("write `// flow: allow {code} why this is right here`");
        Some((format!("why `{code}` is accepted is not said"), help))
    } else {
        None
    };
    (Some(parsed).filter(|code| code.severity() == Severity::Warning), wrong)
}

/// The line that a comment is about: its own, or the next one when it stands alone.
fn line_of(text: &str, at: u32) -> (u32, u32) {
    let before = text.get(..at as usize).unwrap_or_default();
    let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end_of =
        |from: usize| text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| from + length);
    let is_alone = before.get(begin..).is_some_and(|line| line.trim().is_empty());
    let end = end_of(begin);
    if is_alone { (end as u32 + 1, end_of((end + 1).min(text.len())) as u32) } else { (begin as u32, end as u32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARNED: &str = "flow f {\n  let unused = 1\n}\n";

    fn after(text: &str) -> Vec<(Code, String)> {
        let mut files = Files::default();
        let file = files.add("main.flow", text);
        let at = text.find("unused").unwrap() as u32;
        let warning = Diagnostic::new(Code::W0401, "unused", Span::new(file, at, at + 6), "");
        apply(&files, vec![warning]).into_iter().map(|kept| (kept.code, kept.message)).collect()
    }

    #[test]
    fn a_comment_accepts_the_warning_of_its_line_or_of_the_next() {
        assert_eq!(after(WARNED).len(), 1);
        assert!(after("flow f {\n  let unused = 1 // flow: allow W0401 shown in a lecture\n}\n").is_empty());
        assert!(after("flow f {\n  // flow: allow W0401 shown in a lecture\n  let unused = 1\n}\n").is_empty());
    }

    #[test]
    fn what_accepts_nothing_is_reported() {
        let kept = after("// flow: allow W0401 too far away\nflow f {\n  let unused = 1\n}\n");
        assert_eq!(kept.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [Code::W0401, Code::W0101]);
        // The warning that is meant is not told a second time.
        for wrong in ["allow W0401", "allow E0301 no", "allow W9999 no", "forgive W0401 no"] {
            let kept = after(&format!("flow f {{\n  let unused = 1 // flow: {wrong}\n}}\n"));
            assert_eq!(kept.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [Code::E0105], "{wrong}");
        }
        let kept = after("flow f {\n  let unused = 1 // flow: allow W0602 no\n}\n");
        assert_eq!(kept.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [Code::W0401, Code::W0101]);
        assert_eq!(after("flow f {\n  let unused = \"// flow: allow W0401 no\"\n}\n").len(), 1);
    }
}
