//! How does a `for` go through a stream?
//!
//! A step that gives a stream calls nothing: its slot holds where the stream comes from. The loop fetches a page when it
//! has room for an item and none is left, so that a slow body holds up the fetching. Each page is an attempt of its own in
//! the journal, with the page's number as its last index; a run that goes on after a crash asks for the page after the
//! last that is there.
//!
//! A stream that would not end is a failure: a page that begins where an earlier one did, a numbered page that is the one
//! before it once more, more pages or items than are declared.
//!
//! Where a system forgets a cursor while the loop is under way, and the declaration says how it tells so and what tells
//! items apart, the stream begins anew, and what was taken before is left out. It does so as long as there was something
//! new since it began; otherwise it is a failure that names the cursor.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use flow_model::{
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    plan::{NodeKind, Stage, Step},
    schema::{MOST_ITEMS, MOST_PAGES, Page, PageKind},
    units::Instant,
    value::Value,
};
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{ForkId, Machine, Place, Raised, Then, ThreadId, fork::ForkKind};
use crate::eval::{Evaluator, Frame, Slots as _};

/// How many keys of items are remembered: what is listed shifts by little between one page and the next. A stream that may
/// begin anew remembers all.
const KEYS: usize = 10_000;

/// A stream that is gone through.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Pages {
    /// The step that gives it.
    step: NodeIndex,
    args: Vec<Value>,
    stages: Vec<Stage>,
    /// For each stage that counts: how many it lets through, or how many items its lists have.
    limits: Vec<u64>,
    /// For each stage that makes lists, by its number: the one that is not full.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    chunks: BTreeMap<usize, Vec<Value>>,
    /// Items that were fetched and not begun.
    buffer: VecDeque<Value>,
    /// Where the next page begins; none for the first.
    begins: Option<Value>,
    /// Whether there may be another page.
    more: bool,
    /// The page that is being fetched.
    fetching: Option<Place>,
    count: u64,
    items: u64,
    since: Instant,
    /// Where pages have begun.
    cursors: BTreeSet<[u8; 8]>,
    /// What the page before was made of.
    last: Option<[u8; 8]>,
    keys: Keys,
    /// The number of the page with which it began anew, if it did.
    #[serde(default)]
    anew: u64,
    /// Whether there was an item since that was not taken before.
    #[serde(default)]
    is_ahead: bool,
}

impl Pages {
    /// The clock was set by so much.
    pub(super) fn moved(&mut self, by: i64) {
        self.since = self.since.moved(by);
    }

    /// The next item, if it was fetched.
    pub(super) fn pop(&mut self) -> Option<Value> {
        self.buffer.pop_front()
    }

    /// Says whether a page is being fetched.
    pub(super) fn is_fetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// The page that is being fetched.
    pub(super) fn take_fetching(&mut self) -> Option<Place> {
        self.fetching.take()
    }

    /// Notes where a page began, and says whether one began there before.
    fn begins_again(&mut self, at: &Value) -> bool {
        !self.cursors.insert(digest(at))
    }

    /// Notes the key of an item, and says whether it came before, among as many as are remembered.
    fn knows(&mut self, key: &Value, remembered: usize) -> bool {
        let is_new = self.keys.note(digest(key), remembered);
        self.is_ahead |= is_new;
        !is_new
    }

    /// Begins with the first page again. Pages go on to be counted: each has a place of its own in the journal.
    fn begin_anew(&mut self) {
        self.count += 1;
        self.anew = self.count;
        self.is_ahead = false;
        self.begins = None;
        self.items = 0;
        self.cursors.clear();
        self.last = None;
    }
}

/// The keys of items that came last. In a snapshot, a list of them, the oldest first.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "VecDeque<[u8; 8]>")]
struct Keys {
    order: VecDeque<[u8; 8]>,
    known: HashSet<[u8; 8]>,
}

impl Keys {
    /// Remembers a key, and of more than so many the latest alone; says whether it was not among them.
    fn note(&mut self, key: [u8; 8], remembered: usize) -> bool {
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > remembered
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl From<VecDeque<[u8; 8]>> for Keys {
    fn from(order: VecDeque<[u8; 8]>) -> Self {
        Self { known: order.iter().copied().collect(), order }
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.order.serialize(serializer)
    }
}

/// What the slot of a stream holds.
pub(super) fn origin(node: NodeIndex, args: Vec<Value>) -> Value {
    let step = i64::try_from(node.index()).unwrap_or(i64::MAX);
    Value::record([("step", Value::Int(step)), ("args", Value::List(args))])
}

impl Machine {
    /// The stream that a slot holds.
    pub(super) fn pages(&mut self, owner: ThreadId, value: &Value, stages: &[Stage]) -> Result<Pages, Failure> {
        let (Some(Value::Int(step)), Some(Value::List(args))) = (value.get("step"), value.get("args")) else {
            return Err(Failure::new(ErrorKind::Invalid, format!("`for` takes a stream, not {}", value.kind())));
        };
        let scope = self.threads.get(&owner).map_or(0, |thread| thread.scope);
        let mut limits = Vec::new();
        for stage in stages {
            limits.push(match stage {
                Stage::Filter(..) | Stage::Map(..) => 0,
                Stage::Take(most) | Stage::Most(most) => match self.eval(scope, most)? {
                    Value::Int(most @ 0..) => u64::try_from(most).unwrap_or(u64::MAX),
                    other => {
                        let message = format!("how many items are taken is a number from 0, not {other}");
                        return Err(Failure::new(ErrorKind::Invalid, message));
                    }
                },
                Stage::Chunks(size) => match self.eval(scope, size)? {
                    Value::Int(size @ 1..) => u64::try_from(size).unwrap_or(u64::MAX),
                    other => {
                        let message = format!("how many items a chunk has is a number from 1, not {other}");
                        return Err(Failure::new(ErrorKind::Invalid, message));
                    }
                },
            });
        }
        let is_empty = stages.iter().zip(&limits).any(|(stage, most)| matches!(stage, Stage::Take(_)) && *most == 0);
        Ok(Pages {
            step: NodeIndex::new(usize::try_from(*step).unwrap_or(usize::MAX)),
            args: args.clone(),
            stages: stages.to_vec(),
            limits,
            more: !is_empty,
            since: self.now,
            ..Pages::default()
        })
    }

    /// Asks for the next page, unless one is under way or none is left.
    pub(super) fn fetch(&mut self, id: ForkId) {
        let Some((owner, node)) = self.forks.get(&id).map(|fork| (fork.owner, fork.node)) else { return };
        let mut place = self.place(owner, node);
        let Some(pages) = self.stream_of(id) else { return };
        if pages.is_fetching() || !pages.more {
            return;
        }
        // No node has such a path, so the place is the page's alone.
        place.path.push_str("#page");
        place.indexes.push(pages.count);
        let (step, args, begins) = (pages.step, pages.args.clone(), pages.begins.clone().unwrap_or(Value::Null));
        pages.fetching = Some(place.clone());
        self.schedule_page(id, owner, step, place, args, begins);
    }

    fn stream_of(&mut self, id: ForkId) -> Option<&mut Pages> {
        match self.forks.get_mut(&id).map(|fork| &mut fork.kind) {
            Some(ForkKind::For { source, .. }) => source.stream(),
            _ => None,
        }
    }

    /// A page has come.
    pub(super) fn page_came(&mut self, id: ForkId, place: Place, value: &Value) {
        let Some(pages) = self.stream_of(id) else { return };
        pages.fetching = None;
        if let Err(failure) = self.take_in(id, value) {
            return self.page_failed(id, Raised { failure, place });
        }
        self.open_items(id);
        self.join(id);
    }

    /// A page could not be fetched.
    pub(super) fn page_failed(&mut self, id: ForkId, raised: Raised) {
        let plan = Arc::clone(&self.plan);
        let Some(pages) = self.stream_of(id) else { return self.break_off(id, Then::Raise(raised)) };
        pages.fetching = None;
        let step = match plan.graph.node_weight(pages.step).map(|node| &node.kind) {
            Some(NodeKind::Step(step)) => Some(&**step),
            _ => None,
        };
        let declared = step.and_then(|step| self.operation(step)).and_then(|operation| operation.page.as_ref());
        let (Some(step), Some(page)) = (step, declared) else { return self.break_off(id, Then::Raise(raised)) };
        let (name, has_key) = (format!("`{}.{}`", step.connection, step.operation), page.key.is_some());
        let has_expired = page.expired.as_ref() == Some(&raised.failure.kind);
        let Some(pages) = self.stream_of(id) else { return };
        let Some(cursor) = pages.begins.clone().filter(|_| has_expired) else {
            return self.break_off(id, Then::Raise(raised));
        };
        if has_key && pages.is_ahead {
            pages.begin_anew();
            self.open_items(id);
            return self.join(id);
        }
        let what_now = if has_key {
            "it began anew, and there was nothing new until it expired again: let the pages be larger, or do less for each item"
        } else {
            "what comes after it is not read, and the items before it are not read twice: run the flow again for all of them, \
             or let the connector say by `key:` in `page:` what tells items apart, so that the stream begins anew without them"
        };
        let Raised { failure, place } = raised;
        let message =
            format!("the cursor {} of {name} has expired ({}); {what_now}", cursor.to_json(), failure.message);
        self.break_off(id, Then::Raise(Raised { failure: Failure { message, ..failure }, place }));
    }

    fn take_in(&mut self, id: ForkId, value: &Value) -> Result<(), Failure> {
        let plan = Arc::clone(&self.plan);
        let now = self.now;
        let Some(owner) = self.forks.get(&id).map(|fork| fork.owner) else { return Ok(()) };
        let scope = self.threads.get(&owner).map_or(0, |thread| thread.scope);
        let Some(mut pages) = self.stream_of(id).map(std::mem::take) else {
            return Ok(());
        };
        let step = match plan.graph.node_weight(pages.step).map(|node| &node.kind) {
            Some(NodeKind::Step(step)) => Some(&**step),
            _ => None,
        };
        let declared = step.and_then(|step| self.operation(step)).and_then(|operation| operation.page.clone());
        let name = step.map(|step| format!("`{}.{}`", step.connection, step.operation)).unwrap_or_default();
        let items = match value.get("items") {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        };
        let next = value.get("next").cloned().unwrap_or(Value::Null);
        pages.count += 1;
        pages.more = next != Value::Null;
        let bounded = bounded(&mut pages, declared.as_ref(), &name, &items, &next, now);
        pages.begins = Some(next);
        let key = declared.as_ref().and_then(|page| page.key.as_ref()).zip(step);
        let may_begin_anew = declared.as_ref().is_some_and(|page| page.expired.is_some());
        let remembered = if may_begin_anew { usize::MAX } else { KEYS };
        let taken = bounded.and_then(|()| {
            for item in items {
                if let Some((key, step)) = key
                    && pages.knows(&self.key_of(step, key, &item)?, remembered)
                {
                    continue;
                }
                self.pass_stages(scope, &mut pages, item, 0, &name)?;
            }
            if !pages.more {
                while let Some((stage, left)) = pages.chunks.pop_first() {
                    self.pass_stages(scope, &mut pages, Value::List(left), stage + 1, &name)?;
                }
            }
            Ok(())
        });
        if let Some(place) = self.stream_of(id) {
            *place = pages;
        }
        taken
    }

    /// Lets an item go through the stages from one on; what comes out at their end waits for its turn.
    fn pass_stages(
        &mut self,
        scope: u64,
        pages: &mut Pages,
        item: Value,
        from: usize,
        name: &str,
    ) -> Result<(), Failure> {
        let mut item = item;
        for index in from..pages.stages.len() {
            let Some(stage) = pages.stages.get(index).cloned() else { break };
            match stage {
                Stage::Filter(slot, holds) => {
                    self.scopes.view(scope).set(slot, item.clone());
                    if !self.condition(scope, &holds)? {
                        return Ok(());
                    }
                }
                Stage::Map(slot, to) => {
                    self.scopes.view(scope).set(slot, item);
                    item = self.eval(scope, &to)?;
                }
                Stage::Chunks(_) => {
                    let size = pages.limits.get(index).copied().unwrap_or(1);
                    let chunk = pages.chunks.entry(index).or_default();
                    chunk.push(item);
                    if (chunk.len() as u64) < size {
                        return Ok(());
                    }
                    item = Value::List(pages.chunks.remove(&index).unwrap_or_default());
                }
                Stage::Take(_) | Stage::Most(_) => {
                    let Some(left) = pages.limits.get_mut(index) else { break };
                    if *left == 0 && matches!(stage, Stage::Most(_)) {
                        let message = format!("{name} has more items than `max` of `collect`");
                        return Err(Failure::new(ErrorKind::Mismatch, message));
                    }
                    if *left == 0 {
                        return Ok(());
                    }
                    *left -= 1;
                    if *left == 0 && matches!(stage, Stage::Take(_)) {
                        pages.more = false;
                    }
                }
            }
        }
        pages.buffer.push_back(item);
        Ok(())
    }

    fn key_of(&self, step: &Step, key: &Expr, item: &Value) -> Result<Value, Failure> {
        let connector = self.plan.connections.get(&step.connection).map(|connection| &connection.connector);
        let connector = connector.and_then(|name| self.plan.connectors.get(name));
        let evaluator = Evaluator {
            library: &self.library,
            functions: &self.plan.functions,
            types: connector.map_or(&self.plan.types, |connector| &connector.types),
            env: &self.env,
            ambient: &|which| (which == Ambient::Item).then(|| item.clone()),
        };
        evaluator.eval(key, &mut Frame::new())
    }
}

/// Says whether a stream still seems to end.
fn bounded(
    pages: &mut Pages,
    page: Option<&Page>,
    name: &str,
    items: &[Value],
    next: &Value,
    now: Instant,
) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::new(ErrorKind::Mismatch, message));
    pages.items = pages.items.saturating_add(u64::try_from(items.len()).unwrap_or(u64::MAX));
    let (most_pages, most_items) = page.map_or((MOST_PAGES, MOST_ITEMS), |page| (page.most_pages, page.most_items));
    if pages.items > most_items {
        return wrong(beyond(name, most_items, "items"));
    }
    if *next == Value::Null {
        return Ok(());
    }
    let number = pages.count;
    if pages.begins_again(next) {
        return wrong(format!("the pages of {name} go in a circle: page {number} leads to {} again", next.to_json()));
    }
    if pages.count - pages.anew >= u64::from(most_pages) {
        return wrong(beyond(name, most_pages.into(), "pages"));
    }
    let counts = matches!(page.map(|page| &page.kind), Some(PageKind::Number { .. } | PageKind::Offset { .. }));
    let made_of = digest(&Value::List(items.to_vec()));
    if counts && pages.last.replace(made_of) == Some(made_of) {
        return wrong(format!("the pages of {name} do not go on: page {number} is the one before it once more"));
    }
    if let Some(within) = page.and_then(|page| page.within)
        && now.since(pages.since) > within
    {
        let message = format!("the pages of {name} could not be fetched within {within}");
        return Err(Failure::new(ErrorKind::Timeout, message));
    }
    Ok(())
}

/// What is said of a stream with more than its declaration lets it have, and how to have them.
fn beyond(name: &str, most: u64, what: &str) -> String {
    format!(
        "{name} has more than {most} {what}, the most that its declaration lets it have: ask for less, or take as many as you \
         need with `.take(…)`; if there are so many, say `most_{what}: {}` in `page:` of the declaration",
        most.saturating_mul(10)
    )
}

fn digest(value: &Value) -> [u8; 8] {
    let digest = Sha256::digest(value.to_json().to_string());
    let mut short = [0; 8];
    short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_keys_are_remembered_and_lie_in_a_snapshot_as_a_list() {
        let key = |number: u8| [number; 8];
        let mut keys = Keys::default();
        assert!([1, 2, 3].into_iter().all(|number| keys.note(key(number), 3)));
        assert!(!keys.note(key(1), 3), "known, and no younger for it");
        assert!(keys.note(key(4), 3));
        let mut again: Keys = serde_json::from_value(serde_json::to_value(&keys).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value([key(2), key(3), key(4)]).unwrap());
        assert!(again.note(key(1), 3), "forgotten for the fourth");
        assert!(!again.note(key(4), 3));
    }
}
