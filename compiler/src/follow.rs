//! What is wrong only because something else is?
//!
//! In: all that is wrong with a program. Out: the same without what follows from another mistake of it, so that one mistake
//! is told once. This stands after all other passes, so that none of them needs to know of it.

use std::collections::BTreeSet;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Files, Span},
};

/// Leaves out what follows from another mistake.
pub(crate) fn causes(files: &Files, problems: &mut Vec<Diagnostic>) {
    let told: Vec<Diagnostic> = problems.iter().map(|problem| told(files, problem, problems)).collect();
    *problems = told;
    let all = All { files, unread: unread(files, problems), problems: problems.as_slice() };
    let follows: Vec<bool> = problems.iter().map(|problem| all.follows(problem)).collect();
    let mut follows = follows.into_iter();
    problems.retain(|_| !follows.next().unwrap_or(false));
}

struct All<'a> {
    files: &'a Files,
    problems: &'a [Diagnostic],
    /// The lines that hold something which could not be read.
    unread: Vec<(FileId, u32, u32)>,
}

impl All<'_> {
    fn follows(&self, problem: &Diagnostic) -> bool {
        let at = problem.span();
        let same_name = |other: &Diagnostic| other.span().file == at.file && self.text(other.span()) == self.text(at);
        match problem.code {
            // A name that would be known if the line that declares it had been read.
            Code::E0201 | Code::E0205 | Code::E0303 | Code::E0404 if self.is_unread(at) => true,
            // What has to be a name or a text as such is no value.
            Code::E0201 => self.any(Code::E0315, |other| other.span() == at),
            // The value of an attribute that there is not.
            Code::E0102 => self.any(Code::E0211, |other| other.span().file == at.file && other.span().end == at.start),
            // A built-in error that the program declares as its own.
            Code::E0315 => self.any(Code::E0203, same_name),
            // It is used where it is not known.
            Code::W0401 => self.any(Code::E0201, same_name),
            Code::W0201 | Code::W0202 => {
                let prefix = format!("{}.", self.text(at));
                let is_before = |other: &Diagnostic| {
                    let start = other.span().start.saturating_sub(prefix.len() as u32);
                    self.text(Span { start, ..other.span() }).starts_with(&prefix)
                };
                let is_meant =
                    |other: &Diagnostic| other.help.as_ref().is_some_and(|help| help.contains(&format!("`{prefix}")));
                self.any(Code::E0205, |other| other.span().file == at.file && (is_before(other) || is_meant(other)))
            }
            // A call that a flow never makes, which the test expects as well.
            Code::W0403 => self.any(Code::E0424, same_name),
            // A key that nobody sees does not make a call safe to repeat.
            Code::E0601 => self.any(Code::E0605, |other| {
                let inner = other.span();
                inner.file == at.file && at.start <= inner.start && inner.end <= at.end
            }),
            _ => false,
        }
    }

    fn any(&self, code: Code, is_cause: impl Fn(&Diagnostic) -> bool) -> bool {
        self.problems.iter().any(|other| other.code == code && is_cause(other))
    }

    fn text(&self, span: Span) -> &str {
        text(self.files, span)
    }

    /// Says whether a name stands on a line that could not be read, other than its own.
    fn is_unread(&self, at: Span) -> bool {
        let name = self.text(at);
        let is_word = |text: &str| {
            text.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()).any(|word| word == name)
        };
        self.unread.iter().any(|(file, start, end)| {
            let lines = Span { file: *file, start: *start, end: *end };
            *file == at.file && !(*start..*end).contains(&at.start) && is_word(self.text(lines))
        })
    }
}

/// A name that is not known, told by where it is known.
fn told(files: &Files, problem: &Diagnostic, problems: &[Diagnostic]) -> Diagnostic {
    let at = problem.span();
    let is_bound = |other: &&Diagnostic| {
        let there = other.span();
        other.code == Code::W0401 && there.file == at.file && text(files, there) == text(files, at)
    };
    let Some(bound) = problems.iter().find(is_bound).filter(|_| problem.code == Code::E0201) else {
        return problem.clone();
    };
    let name = text(files, at);
    let mut problem = problem.clone();
    problem.fixes.clear();
    let is_error = problem.message.contains("no error");
    problem.label(bound.span(), if is_error { "a failure that was caught" } else { "known in this block alone" }).help(
        match is_error {
            true => format!(
                "a failure is not raised again: leave the arm out, so that nothing catches it; or raise an error of your \
                 own, `fail Gone(why: {name}.message)`"
            ),
            false => format!("make it the value of the block: `let {name} = if … {{ … }} else {{ … }}`"),
        },
    )
}

/// The lines of what could not be read and has no change that mends it, each once.
fn unread(files: &Files, problems: &[Diagnostic]) -> Vec<(FileId, u32, u32)> {
    let unread = problems.iter().filter(|problem| problem.code == Code::E0102 && problem.fixes.is_empty());
    let lines: BTreeSet<(FileId, u32, u32)> = unread
        .map(|problem| {
            let span = problem.span();
            let text = files.get(span.file).map_or("", |source| source.text.as_str());
            let start = text.get(..span.start as usize).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
            let rest = text.get(span.end as usize..).unwrap_or_default();
            let end = rest.find('\n').map_or(text.len(), |length| span.end as usize + length);
            (span.file, start as u32, end as u32)
        })
        .collect();
    lines.into_iter().collect()
}

fn text(files: &Files, span: Span) -> &str {
    files.get(span.file).and_then(|source| source.text.get(span.start as usize..span.end as usize)).unwrap_or_default()
}
