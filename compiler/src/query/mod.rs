//! What does an editor want to know of a place in a program?
//!
//! In: a program as for a check, and a place in its own file. Out: plain data: what the name there stands for, with its
//! documentation and where it is declared ([`look`]), and what could be written there ([`complete`]). Nothing is kept
//! between two questions: each checks the program anew, which takes milliseconds.

mod meaning;
pub(crate) mod watch;

pub(crate) use meaning::{Known, signature};

use std::ops::Range;

use flow_grammar::{CONTROL, ITEMS, Kind, MEMBERS, Node, STATEMENTS};
use flow_model::span::{Files, Span};

use crate::{Catalog, Checked, Loader, Project, draw::trigger_text, examine};

/// What programs are checked with.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The project that the program belongs to.
    pub project: &'a Project,
    /// The environment of it that is meant.
    pub environment: Option<&'a str>,
    /// The connectors, those of the project among them.
    pub catalog: &'a Catalog,
    /// Where other files come from.
    pub loader: &'a dyn Loader,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub struct Look {
    /// The name, as bytes of the text.
    pub place: Range<u32>,
    /// What it is, as Flow writes it: `let total: Money`, `fn total(lines: List<Line>) -> Money`.
    pub code: String,
    /// Its doc comment; may be empty. Markdown.
    pub doc: String,
    /// Where it is declared.
    pub declared: Option<Span>,
    /// The files that the place refers to.
    pub files: Files,
}

/// What can be written at a place.
#[derive(Clone, Debug)]
pub struct Completion {
    /// What is replaced: the part of a name that stands there, as bytes of the text.
    pub place: Range<u32>,
    /// What could stand there, by name.
    pub proposals: Vec<Proposal>,
}

/// What could be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The text.
    pub text: String,
    /// What it is, as Flow writes it: a type, a signature. Empty for keywords.
    pub detail: String,
}

/// What the name at a place stands for. `at` is a byte of the text.
pub fn look(around: Surroundings<'_>, path: &str, text: &str, at: u32) -> Option<Look> {
    let Surroundings { project, environment, catalog, loader } = around;
    let ((checked, found), _) = watch::watching(Some(at), || {
        examine((project, environment), path, text.as_bytes(), catalog, loader, |names, units| {
            let known = meaning::Known { names, units, catalog };
            // The narrowest name, and of several at the same place what the passes said first.
            let narrowest =
                watch::seen().into_iter().chain(known.written(at)).min_by_key(|(span, _)| span.end - span.start);
            narrowest.and_then(|(span, meaning)| Some((span, known.describe(&meaning)?)))
        })
    });
    let (span, described) = found?;
    Some(Look {
        place: span.start..span.end,
        code: described.code,
        doc: described.doc,
        declared: described.declared.filter(|declared| declared.start < declared.end),
        files: checked.files,
    })
}

/// An item of a program with its documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    /// What it is, as Flow writes it: `flow refund(payment: String) -> Refund`; what holds fields or values, with them.
    pub code: String,
    /// Its doc comment; may be empty. Markdown.
    pub doc: String,
    /// Of a flow, what starts it: `on http POST /refunds`.
    pub starts: Vec<String>,
    /// Of a flow, the errors that it can end with.
    pub errors: Vec<String>,
}

/// The items that a program's own file declares, in their order, with what is wrong with it.
pub fn document(around: Surroundings<'_>, path: &str, text: &str) -> (Checked, Vec<Documented>) {
    let Surroundings { project, environment, catalog, loader } = around;
    let (checked, items) = examine((project, environment), path, text.as_bytes(), catalog, loader, |names, units| {
        meaning::Known { names, units, catalog }.items(text)
    });
    let plans = checked.program.as_ref().map(|program| &program.plans);
    let documented = items.into_iter().map(|(name, described)| {
        let plan = plans.and_then(|plans| plans.get(&name)).filter(|_| described.code.starts_with("flow "));
        Documented {
            starts: plan.iter().flat_map(|plan| &plan.triggers).map(trigger_text).collect(),
            errors: plan.iter().flat_map(|plan| &plan.errors).map(ToString::to_string).collect(),
            code: described.code,
            doc: described.doc,
        }
    });
    let documented = documented.collect();
    (checked, documented)
}

/// What could be written at a place. `at` is a byte of the text; what of a name stands before it is kept in mind, and what
/// stands after it is replaced too.
pub fn complete(around: Surroundings<'_>, path: &str, text: &str, at: u32) -> Completion {
    let is_part = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    let (before, after) = text.split_at_checked(at as usize).unwrap_or((text, ""));
    let begun = before.chars().rev().take_while(is_part).count();
    let rest = after.chars().take_while(is_part).count();
    let start = before.len() - begun;
    let place = start as u32..(before.len() + rest) as u32;
    let (head, tail) = (text.get(..start).unwrap_or_default(), text.get(place.end as usize..).unwrap_or_default());
    let name = text.get(start..before.len()).unwrap_or_default();
    let mut proposals = Vec::new();
    // As it stands, as a call, with a value after it, as an arm, as a stub: what is begun is often none of them yet.
    for ending in ["", "()", ": 0", " = 0", " => 0", " using schema"] {
        let spliced = format!("{head}{name}{}{ending}{tail}", watch::MARK);
        let Surroundings { project, environment, catalog, loader } = around;
        let (_, offers) = watch::watching(None, || {
            examine((project, environment), path, spliced.as_bytes(), catalog, loader, |_, _| {})
        });
        proposals.extend(offers.into_iter().map(|offer| Proposal { text: offer.name, detail: offer.detail }));
        if !proposals.is_empty() {
            break;
        }
    }
    if head.lines().next_back().is_none_or(|line| line.trim().is_empty()) || head.ends_with('\n') {
        proposals.extend(keywords(head, &format!("{head}{}{tail}", watch::MARK)));
    }
    proposals.retain(|proposal| !proposal.text.contains(watch::MARK) && !proposal.text.trim_end().contains(' '));
    // What is known with more detail goes first, and stays.
    proposals.sort_by(|one, other| (&one.text, other.detail.len()).cmp(&(&other.text, one.detail.len())));
    proposals.dedup_by(|second, first| second.text == first.text);
    Completion { place, proposals }
}

/// The keywords that can begin a line behind a text.
fn keywords(head: &str, spliced: &str) -> Vec<Proposal> {
    let at = head.len() as u32;
    let (tree, _) = flow_grammar::read(spliced);
    let around = tree.root().children().find(|item| item.start() < at && at < item.end());
    let words: Vec<&str> = match around.map(Node::kind) {
        None => ITEMS.to_vec(),
        Some(Kind::ConnectorItem) => MEMBERS.to_vec(),
        Some(Kind::FlowItem | Kind::FnItem) => {
            let on = if around.map(Node::kind) == Some(Kind::FlowItem) { Some("on") } else { None };
            STATEMENTS.iter().chain(CONTROL).copied().chain(on).collect()
        }
        Some(Kind::TestItem) => vec!["given", "stub", "expect"],
        Some(_) => Vec::new(),
    };
    words.into_iter().map(|word| Proposal { text: word.to_owned(), detail: String::new() }).collect()
}
