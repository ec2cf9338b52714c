//! What does a run take over that does again what another did, from a step on?
//!
//! In: the journal of the other run, and the step. Out: what the new run's journal begins with. The events of the other run
//! are applied to a new machine in their order, at their times, but for those of the step; so the step stays open, what
//! followed from it never comes about, and what went on beside it is kept. Events that the new machine does not wait for
//! are left out. What came of them outside (events on the bus, dead letters, the answer) is not done again.
//!
//! A step whose `undo` has run is not there any more, so it can't be taken over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flow_model::{
    plan::{NodeKind, Plan},
    units::Instant,
};
use petgraph::graph::NodeIndex;

use super::{Action, Again, Child, Event, Machine, Place, Record, Said, VERSION, pending::Pending};
use crate::eval::Library;

/// What a run takes over.
#[derive(Debug)]
pub struct Taken {
    /// The run as it stands then.
    pub machine: Machine,
    /// What its journal begins with.
    pub said: Vec<(Instant, Said)>,
    /// Runs of other flows that it has to begin.
    pub begins: Vec<Child>,
}

/// Why a run can't be done again from a step on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The other run began with a newer interpreter.
    #[error(
        "the run began with version {0} of the interpreter, and this program knows up to {VERSION}: use a newer program"
    )]
    Newer(u32),
    /// The journal has no beginning.
    #[error("the run has not begun")]
    NotBegun,
    /// The run did not come to the step.
    #[error("the run did not come to a step `{0}`")]
    NotReached(String),
    /// A step that would be taken over has been undone.
    #[error("`{0}` has been undone since")]
    Undone(Place),
}

/// What a new run takes over from the journal of another.
///
/// # Errors
/// Says why that can't be.
pub fn again<'e>(
    run: &str,
    plan: Arc<Plan>,
    library: Library,
    entries: impl IntoIterator<Item = (Instant, &'e Said)>,
    mut again: Again,
) -> Result<Taken, Unfit> {
    let entries: Vec<_> = entries.into_iter().collect();
    let undone = undone(&plan, &entries);
    for (_, said) in &entries {
        if let Said::Record(Record::Called { place, run, .. }) = said {
            again.called.insert(place.to_string(), run.clone());
        }
    }
    let (from, origin) = (again.from.clone(), again.run.clone());
    let mut machine = Machine::new(run, plan, library);
    let (mut said, mut begins) = (Vec::new(), Vec::new());
    for (at, event) in entries.iter().filter_map(|(at, said)| match said {
        Said::Event(event) => Some((*at, event)),
        Said::Record(_) => None,
    }) {
        let event = match event {
            Event::Started(start) if start.version > VERSION => return Err(Unfit::Newer(start.version)),
            Event::Started(start) => {
                let mut start = start.clone();
                start.seed.get_or_insert_with(|| origin.clone());
                let before = start.again.and_then(|before| before.keys).or(start.keys.take());
                if let (Some(keys), Some(before)) = (&mut again.keys, before) {
                    *keys = before;
                }
                start.again = Some(again.clone());
                Event::Started(start)
            }
            Event::ClockSet { .. } => event.clone(),
            event => match event.place() {
                Some(place) if !place.is_called(&from) && machine.takes(event, at) => {
                    if undone.contains(place) {
                        return Err(match entries.iter().any(|(_, said)| is_at(said, &from)) {
                            true => Unfit::Undone(place.clone()),
                            false => Unfit::NotReached(from),
                        });
                    }
                    event.clone()
                }
                _ => continue,
            },
        };
        let actions = machine.apply(&event, at);
        said.push((at, Said::Event(event)));
        for action in actions {
            match action {
                Action::Record(record) => said.push((at, Said::Record(record))),
                Action::Begin(child) => begins.push(child),
                Action::Perform(_) | Action::Abort(_) | Action::Wake { .. } | Action::Cancel { .. } => {}
            }
        }
    }
    if said.is_empty() {
        return Err(Unfit::NotBegun);
    }
    if !machine.pending.keys().any(|place| place.is_called(&from)) {
        return Err(Unfit::NotReached(from));
    }
    begins.retain(|child| matches!(machine.pending.get(&child.place), Some(Pending::Child { .. })));
    Ok(Taken { machine, said, begins })
}

/// Says whether an entry tells of a step.
fn is_at(said: &Said, step: &str) -> bool {
    let place = match said {
        Said::Event(event) => event.place(),
        Said::Record(Record::Scheduled { place, .. } | Record::Called { place, .. }) => Some(place),
        Said::Record(_) => None,
    };
    place.is_some_and(|place| place.is_called(step))
}

/// The steps whose `undo` has begun.
fn undone(plan: &Plan, entries: &[(Instant, &Said)]) -> BTreeSet<Place> {
    let mut undos: BTreeMap<&str, &str> = BTreeMap::new();
    for node in plan.graph.node_indices() {
        let Some(step) = plan.graph.node_weight(node).filter(|step| matches!(step.kind, NodeKind::Step(_))) else {
            continue;
        };
        if let Some(first) = plan.region(node, 0) {
            within(plan, first, &mut |undo| {
                undos.insert(undo, &step.path);
            });
        }
    }
    let begun = entries.iter().filter_map(|(_, said)| match said {
        Said::Record(Record::Scheduled { place, .. }) => Some(place),
        _ => None,
    });
    begun
        .filter_map(|place| {
            let path = (*undos.get(place.path.as_str())?).to_owned();
            Some(Place { path, indexes: place.indexes.clone() })
        })
        .collect()
}

/// Visits the paths of a region and of all within it.
fn within<'p>(plan: &'p Plan, first: NodeIndex, visit: &mut impl FnMut(&'p str)) {
    let mut todo = vec![first];
    while let Some(node) = todo.pop() {
        if let Some(node) = plan.graph.node_weight(node) {
            visit(&node.path);
        }
        todo.extend(plan.graph.neighbors(node));
    }
}

impl Machine {
    /// Says whether an event of another run's journal is one that this run waits for.
    fn takes(&self, event: &Event, at: Instant) -> bool {
        match event {
            Event::Began { place, attempt }
            | Event::Attempted { place, attempt, .. }
            | Event::Lost { place, attempt } => {
                matches!(self.pending.get(place), Some(Pending::Call(call)) if call.attempt() == *attempt)
            }
            _ => self.expects(event, at),
        }
    }
}
