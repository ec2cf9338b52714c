//! What do the passes know of one place of the program?
//!
//! While a query runs, the passes say what they find at the place that is asked about. What would be offered for a misspelt
//! name is what an editor can complete it with: the query puts [`MARK`] at the cursor, which no name has, and looks which
//! names it was compared with. A check runs on one thread, and the watch is that thread's, so that no pass has to be handed
//! it; outside of a query nothing is noted.

use std::cell::RefCell;

use flow_model::{schema::Operation, span::Span, ty::Type};

/// Stands in the name at the cursor.
pub(crate) const MARK: &str = "zzcursorzz";

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// A binding: what it is, and its type.
    Binding { kind: &'static str, name: String, ty: Type, declared: Span },
    /// A field or parameter.
    Field { name: String, ty: Type, declared: Option<Span> },
    /// An item of the program.
    Item(String),
    /// An operation of a connector.
    Operation { connector: String, name: String },
    /// A standard function, by its key: `List.map`.
    Standard(String),
}

/// What the name at the cursor could become.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) name: String,
    /// What it is, as Flow writes it: a type, a signature; may be empty.
    pub(crate) detail: String,
}

#[derive(Default)]
struct Watch {
    /// The place that is asked about, in the program's own file.
    at: Option<u32>,
    /// The names that cover it, with what they stand for.
    seen: Vec<(Span, Meaning)>,
    offers: Vec<Offer>,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Runs a check that watches a place (none where only [`MARK`] is looked for), and tells what was offered there.
pub(super) fn watching<T>(at: Option<u32>, check: impl FnOnce() -> T) -> (T, Vec<Offer>) {
    WATCH.set(Some(Watch { at, ..Watch::default() }));
    let checked = check();
    (checked, WATCH.take().unwrap_or_default().offers)
}

/// What was found so far at the place that is watched.
pub(super) fn seen() -> Vec<(Span, Meaning)> {
    WATCH.with_borrow(|watch| watch.as_ref().map(|watch| watch.seen.clone()).unwrap_or_default())
}

/// Notes what the name at a place stands for, if that is asked.
pub(crate) fn see(span: Span, meaning: impl FnOnce() -> Meaning) {
    WATCH.with_borrow_mut(|watch| {
        let Some(watch) = watch else { return };
        let covers = watch.at.is_some_and(|at| span.file.0 == 0 && span.start <= at && at <= span.end);
        if covers && span.start < span.end {
            watch.seen.push((span, meaning()));
        }
    });
}

/// Notes what a name could be, if it is the one at the cursor.
pub(crate) fn offer<'a>(name: &str, candidates: impl FnOnce() -> Vec<(&'a str, String)>) {
    if !name.contains(MARK) {
        return;
    }
    WATCH.with_borrow_mut(|watch| {
        let Some(watch) = watch else { return };
        // Of `chat.po…` the last part is at the cursor.
        let before = name.find(MARK).and_then(|at| name.get(..at)).unwrap_or_default();
        let begun = before.rfind('.').map_or("", |dot| before.get(..=dot).unwrap_or_default());
        for (candidate, detail) in candidates() {
            if let Some(rest) = candidate.strip_prefix(begun).filter(|rest| !rest.is_empty()) {
                watch.offers.push(Offer { name: rest.to_owned(), detail });
            }
        }
    });
}

/// The parameters and the result of an operation: `(channel: String) -> Message`.
pub(crate) fn signature(operation: &Operation) -> String {
    super::signature("", operation)
}

/// Says whether a query runs that asks what stands at the cursor.
pub(crate) fn is_asked(name: &str) -> bool {
    name.contains(MARK) && WATCH.with_borrow(Option::is_some)
}
