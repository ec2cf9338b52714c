//! What is wrong only because something else is?
//!
//! In: all that is wrong with a program. Out: the same without what follows from another mistake of it, so that one mistake
//! is told once. This stands after all other passes, so that none of them needs to know of it. Everything is looked up by
//! place or by name: a text may have a hundred thousand mistakes.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Files, Span},
};

use crate::names::foreign;

/// Leaves out what follows from another mistake, and tells names that are not known by where they are known.
pub(crate) fn causes(files: &Files, problems: &mut Vec<Diagnostic>) {
    let causes = Causes::of(files, problems);
    let follows: Vec<bool> = problems.iter().map(|problem| causes.follows(files, problem)).collect();
    let (bound, parameters) = (causes.bound, causes.parameters);
    let mut follows = follows.into_iter();
    problems.retain(|_| !follows.next().unwrap_or(false));
    let mut ended: BTreeMap<FileId, BTreeMap<&str, Vec<u32>>> = BTreeMap::new();
    for problem in problems.iter_mut().filter(|problem| problem.code == Code::E0201) {
        let span = problem.span();
        let name = text(files, span);
        let whole = files.get(span.file).map_or("", |source| source.text.as_str());
        let steps = ended.entry(span.file).or_insert_with(|| named_steps(whole));
        // A step of that name stands before it, in a block of the same flow that has ended.
        let before = steps.get(name).and_then(|places| {
            places.get(places.partition_point(|place| *place < span.start).checked_sub(1)?).copied()
        });
        if let Some(start) =
            before.filter(|start| problem.message.contains("no value") && is_one_item(whole, *start, span.start))
        {
            let bound = Span::new(span.file, start, start + name.len() as u32);
            *problem = told(problem, bound, name, &meant_by(whole, start as usize, name));
            continue;
        }
        if let Some(bound) = bound.get(&(span.file, text(files, span))) {
            *problem = match parameters.contains(bound) && is_one_head(files, *bound, span) {
                true => of_a_default(problem, *bound, name),
                false => told(problem, *bound, name, &meant_by(whole, bound.start as usize, name)),
            };
        }
    }
}

/// What other mistakes may follow from.
struct Causes<'a> {
    /// The names that mistakes of a kind are about.
    names: BTreeSet<(FileId, Code, &'a str)>,
    /// Where a name is bound that is used nowhere.
    bound: BTreeMap<(FileId, &'a str), Span>,
    /// Those of them that are parameters.
    parameters: BTreeSet<Span>,
    /// Places of what has to be a name or a text as such.
    literal: BTreeSet<Span>,
    /// What types that are not known were looked for in, or should be.
    owners: BTreeSet<(FileId, String)>,
    /// The keys that nobody sees: where each begins and ends.
    keys: BTreeMap<(FileId, u32), u32>,
    /// The texts that are to be taken as they are, and hold insertions: where each begins and ends.
    texts: BTreeMap<(FileId, u32), u32>,
    /// The ends of attributes that there are not.
    attributes: BTreeSet<(FileId, u32)>,
    /// Where the lines of each file begin.
    starts: BTreeMap<FileId, Vec<u32>>,
    /// The lines that hold something which is not Flow, by where they begin.
    lines: BTreeSet<(FileId, u32)>,
    /// Those of them where no change mends it.
    holes: BTreeSet<(FileId, u32)>,
    /// The words of such lines where no change mends them: the first lines that have each.
    unread: BTreeMap<(FileId, &'a str), Vec<u32>>,
    /// The words of what was left out.
    left_out: BTreeSet<(FileId, &'a str)>,
    /// Stretches that are mistakes as a whole: where each begins and ends.
    whole: BTreeMap<(FileId, u32), u32>,
    /// Triggers whose path has a part that varies.
    paths: BTreeSet<FileId>,
    /// Where calls begin that give a whole address, so that they lack a connection and all that comes with it, or that
    /// name the type of the answer as an argument.
    addressed: BTreeSet<(FileId, u32)>,
    /// Files with a connector of which parts that belong into its `http` stand elsewhere.
    without_http: BTreeSet<FileId>,
}

impl<'a> Causes<'a> {
    fn of(files: &'a Files, problems: &[Diagnostic]) -> Self {
        let mut causes = Self {
            names: BTreeSet::new(),
            bound: BTreeMap::new(),
            parameters: BTreeSet::new(),
            literal: BTreeSet::new(),
            owners: BTreeSet::new(),
            keys: BTreeMap::new(),
            texts: BTreeMap::new(),
            attributes: BTreeSet::new(),
            starts: files.iter().map(|(file, source)| (file, starts(&source.text))).collect(),
            lines: BTreeSet::new(),
            holes: BTreeSet::new(),
            unread: BTreeMap::new(),
            left_out: BTreeSet::new(),
            whole: BTreeMap::new(),
            paths: BTreeSet::new(),
            addressed: BTreeSet::new(),
            without_http: BTreeSet::new(),
        };
        for problem in problems {
            let span = problem.span();
            let name = text(files, span);
            match problem.code {
                Code::E0102 => {
                    if problem.message.starts_with("the path of a trigger") {
                        causes.paths.insert(span.file);
                    }
                    if is_of_http(problem) {
                        causes.without_http.insert(span.file);
                    }
                    causes.line(files, problem);
                }
                Code::E0310 | Code::E0409 => drop(causes.names.insert((span.file, problem.code, name))),
                Code::E0201 | Code::E0203 | Code::E0424 => {
                    causes.names.insert((span.file, problem.code, name));
                    causes.called(files, problem);
                }
                Code::E0404 => drop(causes.whole.insert((span.file, span.start), span.end)),
                Code::E0411 if name.starts_with('"') && name.contains("/:") => drop(causes.paths.insert(span.file)),
                Code::E0205 => causes.owner(files, problem),
                Code::E0524 if name.starts_with('"') => drop(causes.texts.insert((span.file, span.start), span.end)),
                Code::E0211 => drop(causes.attributes.insert((span.file, span.end))),
                Code::E0315 | Code::E0602 => drop(causes.literal.insert(span)),
                Code::E0306 if name == "url" && is_of_address(problem) => causes.address(files, span),
                Code::E0306 if foreign::RESULT.contains(&name) => causes.address(files, span),
                Code::E0516 if is_of_address(problem) => causes.address(files, span),
                Code::E0604 if name.starts_with('"') => drop(causes.texts.insert((span.file, span.start), span.end)),
                Code::E0605 => drop(causes.keys.insert((span.file, span.start), span.end)),
                Code::W0401 => {
                    causes.bound.entry((span.file, name)).or_insert(span);
                    if problem.message.starts_with("the parameter") {
                        causes.parameters.insert(span);
                    }
                }
                _ => {}
            }
        }
        causes
    }

    /// Notes the call of a function that there is not, with its arguments.
    fn called(&mut self, files: &Files, problem: &Diagnostic) {
        let span = problem.span();
        let whole = files.get(span.file).map_or("", |source| source.text.as_str());
        let rest = whole.get(span.end as usize..).unwrap_or_default();
        // Arguments on one line: nobody writes more into a function that there is not.
        let line = rest.get(..rest.find('\n').unwrap_or(rest.len())).unwrap_or_default();
        if let (true, Some(close)) = (line.starts_with('('), line.rfind(')')) {
            self.whole.insert((span.file, span.start), span.end + close as u32);
        }
    }

    /// Notes the call that an argument stands in.
    fn address(&mut self, files: &Files, argument: Span) {
        let whole = files.get(argument.file).map_or("", |source| source.text.as_str());
        let before = whole.get(..argument.start as usize).unwrap_or_default();
        let head = before.rfind('(').and_then(|open| before.get(..open)).unwrap_or_default();
        let head = head
            .split_once('<')
            .filter(|_| head.ends_with('>'))
            .map_or(head, |_| head.rfind('<').and_then(|open| head.get(..open)).unwrap_or_default());
        let name = head.trim_end_matches(|letter: char| matches!(letter, '_' | '.') || letter.is_ascii_alphanumeric());
        self.addressed.insert((argument.file, name.len() as u32));
    }

    /// Notes a line that could not be read.
    fn line(&mut self, files: &'a Files, problem: &Diagnostic) {
        let span = problem.span();
        let start = self.line_of(span);
        // What its repair takes away is read by nobody.
        let edits = problem.fixes.iter().flat_map(|fix| fix.edits.iter().map(|edit| edit.span));
        let (first, last) =
            edits.fold((span.start, span.end), |(first, last), edit| (first.min(edit.start), last.max(edit.end)));
        let gone = files.get(span.file).and_then(|source| source.text.get(first as usize..last as usize));
        let words = gone.unwrap_or_default().split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
        self.left_out.extend(words.filter(|word| !word.is_empty()).take(MOST_WORDS).map(|word| (span.file, word)));
        self.lines.insert((span.file, start));
        if !problem.fixes.is_empty() || !self.holes.insert((span.file, start)) {
            return;
        }
        let whole = files.get(span.file).map_or("", |source| source.text.as_str());
        let rest = whole.get(span.end as usize..).unwrap_or_default();
        let end = rest.find('\n').map_or(whole.len(), |length| span.end as usize + length);
        let line = whole.get(start as usize..end).unwrap_or_default();
        for word in line.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()) {
            let lines = self.unread.entry((span.file, word)).or_default();
            // Two are enough to know that one of them is another one.
            if lines.len() < 2 && lines.last() != Some(&start) {
                lines.push(start);
            }
        }
    }

    /// Notes what a type that is not known was looked for in: `payments` in `payments.Refund`; and where one of its name is.
    fn owner(&mut self, files: &Files, problem: &Diagnostic) {
        let span = problem.span();
        let whole = files.get(span.file).map_or("", |source| source.text.as_str());
        let before = whole.get(..span.start as usize).and_then(|before| before.strip_suffix('.')).unwrap_or_default();
        let is_letter = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
        let last =
            before.rfind(|letter| !is_letter(letter)).map_or(before, |at| before.get(at + 1..).unwrap_or_default());
        // "did you mean `stripe.Refund`?"
        let meant = problem.help.as_deref().and_then(|help| help.split('`').nth(1)?.split_once('.'));
        let owners =
            [Some(last), meant.map(|(owner, _)| owner)].into_iter().flatten().filter(|owner| !owner.is_empty());
        self.owners.extend(owners.map(|owner| (span.file, owner.to_owned())));
    }

    /// Where the line of a place begins.
    fn line_of(&self, at: Span) -> u32 {
        let starts = self.starts.get(&at.file).map_or(&[][..], Vec::as_slice);
        let after = starts.partition_point(|start| *start <= at.start);
        after.checked_sub(1).and_then(|line| starts.get(line)).copied().unwrap_or(0)
    }

    fn follows(&self, files: &Files, problem: &Diagnostic) -> bool {
        let at = problem.span();
        let name = text(files, at);
        let has = |code: Code| self.names.contains(&(at.file, code, name));
        match problem.code {
            // A name that would be known if the line that declares it had been read.
            Code::E0201 | Code::E0205 | Code::E0303 | Code::E0404 if self.is_unread(at, name) => true,
            // What is left of a line that was not understood.
            Code::E0403 | Code::E0413 => self.lines.contains(&(at.file, self.line_of(at))),
            // What has to be a name or a text as such is no value.
            Code::E0201 => self.literal.contains(&at) || self.is_in_text(at),
            // The value of an attribute that there is not, a part of a call that can't be, what was taken for an insertion.
            Code::E0102 => {
                let around = self.whole.range((at.file, 0)..(at.file, at.start)).next_back();
                self.attributes.contains(&(at.file, at.start))
                    || around.is_some_and(|(_, end)| *end >= at.end)
                    || self.is_in_text(at)
            }
            // Who gives a whole address knows of no connection, and names no type.
            Code::E0210 | Code::E0531 if self.addressed.contains(&(at.file, at.start)) => true,
            // What its `http` should say stands beside it.
            Code::E0510 => self.without_http.contains(&at.file),
            // An operation that there is not needs no settings.
            Code::E0531 => self.whole.contains_key(&(at.file, at.end + 1)),
            // What stands in a text where a secret should.
            Code::E0602 => self.is_in_text(at),
            // A secret is no key, whatever it would tell apart.
            Code::E0411 => self.literal.contains(&at),
            // What the path of a trigger was to bring.
            Code::E0303 if matches!(name, "params" | "path_params") => self.paths.contains(&at.file),
            // A built-in error that the program declares as its own.
            Code::E0315 => has(Code::E0203),
            // It is used where it is not known.
            Code::W0401 => has(Code::E0201) || has(Code::E0409) || self.left_out.contains(&(at.file, name)),
            Code::W0203 => self.left_out.contains(&(at.file, name)) || has(Code::E0310),
            Code::W0201 | Code::W0202 => self.owners.contains(&(at.file, name.to_owned())),
            // A call that a flow never makes, which the test expects as well.
            Code::W0403 => has(Code::E0424),
            // A key that nobody sees does not make a call safe to repeat.
            Code::E0601 => self.keys.range((at.file, at.start)..=(at.file, at.end)).any(|(_, end)| *end <= at.end),
            _ => false,
        }
    }

    /// Says whether a place lies in a text that is to be taken as it is.
    fn is_in_text(&self, at: Span) -> bool {
        let before = self.texts.range(..=(at.file, at.start)).next_back();
        before.is_some_and(|((file, _), end)| *file == at.file && at.end <= *end)
    }

    /// Says whether a name stands on a line that could not be read, other than its own.
    fn is_unread(&self, at: Span, name: &str) -> bool {
        let own = self.line_of(at);
        self.unread.get(&(at.file, name)).is_some_and(|lines| lines.iter().any(|line| *line != own))
    }
}

/// How many words of what was left out are looked up.
const MOST_WORDS: usize = 1_000;

/// A name that is not known, told by where it is known.
fn told(problem: &Diagnostic, bound: Span, name: &str, meant: &str) -> Diagnostic {
    let mut problem = problem.clone();
    problem.fixes.clear();
    let is_error = problem.message.contains("no error");
    problem.label(bound, if is_error { "a failure that was caught" } else { "known in this block alone" }).help(match is_error {
        true => format!(
            "a failure is not raised again: leave the arm out, so that nothing catches it; or raise an error of your own, \
             `fail Gone(why: {name}.message)`"
        ),
        false => meant.to_owned(),
    })
}

/// Where the steps of a text stand that have a name.
fn named_steps(text: &str) -> BTreeMap<&str, Vec<u32>> {
    let mut steps: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (at, word) in text.match_indices("step ") {
        let start = at + word.len();
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if !name.is_empty() && after.trim_start().starts_with('=') {
            steps.entry(name).or_default().push(start as u32);
        }
    }
    steps
}

/// Whether no item begins between two places of a text: they stand in the same flow.
fn is_one_item(text: &str, from: u32, to: u32) -> bool {
    let between = text.get(from as usize..to as usize).unwrap_or_default();
    !between.lines().skip(1).any(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
}

/// How what a block binds is known after it, by the block.
fn meant_by(text: &str, bound: usize, name: &str) -> String {
    let mut depth = 0usize;
    let before = text.get(..bound).unwrap_or_default();
    let open = before.bytes().rposition(|byte| {
        match byte {
            b'}' => depth += 1,
            b'{' if depth == 0 => return true,
            b'{' => depth -= 1,
            _ => {}
        }
        false
    });
    let head = before.get(..open.unwrap_or(0)).unwrap_or_default();
    let line = head.rsplit('\n').next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    match () {
        () if has("for") => {
            format!(
                "each item has its own: make it the value of the block, `let all = for … {{ …  {name} }}`, which is a list"
            )
        }
        () if has("race") => format!("which branch wins is not known before: write `let {name} = race {{ … }}`"),
        () if has("try") => {
            format!("make it the value of the block: `let {name} = try {{ …  {name} }} catch {{ … => … }}`")
        }
        () if has("first") || has("repeat") => {
            format!("make it the value of the block: end the block in `{name}`, and write `let {name} = …` before it")
        }
        () => format!("make it the value of the block: `let {name} = if … {{ … }} else {{ … }}`"),
    }
}

/// Whether a mistake is that a call was given a whole address.
fn is_of_address(problem: &Diagnostic) -> bool {
    problem.help.as_deref().is_some_and(|help| help.starts_with("the host is the connection's"))
}

/// Whether a part of a connector was reported that belongs into its `http`.
fn is_of_http(problem: &Diagnostic) -> bool {
    problem.help.as_deref().is_some_and(|help| help.starts_with("how its API is called"))
}

/// Whether two places stand between the parentheses of one head.
fn is_one_head(files: &Files, first: Span, other: Span) -> bool {
    let whole = files.get(first.file).map_or("", |source| source.text.as_str());
    let between = whole.get(first.end as usize..other.start as usize);
    first.file == other.file && between.is_some_and(|between| !between.contains(['{', '}']))
}

/// A parameter that is read where its own flow or function begins: in the default of another one, or elsewhere.
fn of_a_default(problem: &Diagnostic, bound: Span, name: &str) -> Diagnostic {
    let mut problem = problem.clone();
    problem.fixes.clear();
    problem.label(bound, "known in the body alone").help(format!(
        "a default reads no other parameter: declare this one as `T?`, and write `… ?? {name}` in the body"
    ))
}

/// Where the lines of a text begin.
fn starts(text: &str) -> Vec<u32> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at as u32 + 1)).collect()
}

fn text(files: &Files, span: Span) -> &str {
    files.get(span.file).and_then(|source| source.text.get(span.start as usize..span.end as usize)).unwrap_or_default()
}
