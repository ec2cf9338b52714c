//! What does a test of a program show?
//!
//! In: a plan and a [`Case`]. Out: a [`Report`]: which expectations do not hold, every call that was made, and what the
//! run wrote. The run is carried out by the same [`machine`](crate::machine) as in production; here its host is a world
//! without network and disk, in which operations answer what the test says, at once, and whose clock jumps to the next
//! timer as soon as nothing else can happen. So a test that waits for days takes microseconds, and always goes the same
//! way.
//!
//! Flows that the flow calls are run beside it, where their plans are given. Events that a run emits reach the runs of the
//! test that wait for them. What comes from outside is said by stubs of `wait` and `approve`: where there is none, no event
//! comes and nobody answers.
//!
//! Left out on purpose: concurrency of calls beyond their order. Calls are answered in the order in which they were made.
//!
//! Beside it stands the simulation of the whole engine, for the tests of this project: [`clock`], [`outside`] (the systems
//! that are called), [`disk`] (what happens to writes), [`process`] (one life of an engine), and [`story`], which takes a
//! plan through a [`schedule`] of faults and lets the [`oracle`] judge.

mod blobs;
pub mod clock;
pub mod disk;
mod expect;
pub mod faults;
pub mod oracle;
pub mod outside;
pub mod process;
mod sample;
pub mod schedule;
pub mod story;
mod world;
mod wreck;

use std::{collections::BTreeSet, sync::Arc};

use flow_model::{
    case::{Case, Target},
    failure::Failure,
    plan::{Plan, Step},
    units::{Instant, Millis},
    value::Value,
};

pub use self::{expect::Unmet, sample::sample};
use self::{faults::Fault, world::World};
use crate::{
    eval::Library,
    machine::{Outcome, Place, Response},
};

/// When a test begins on its clock: 2026-01-01T00:00:00Z.
pub const START: Instant = Instant(1_767_225_600_000);

/// What a test showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The expectations that do not hold.
    pub unmet: Vec<Unmet>,
    /// Why the test could not be carried out to its end, if so: an operation without a stub, a payload that can't be made.
    pub broken: Option<String>,
    /// The calls in order.
    pub calls: Vec<Made>,
    /// How the run ended, if it did.
    pub outcome: Option<Outcome>,
    /// The lines of `log`.
    pub log: Vec<String>,
    /// Queue and content of each dead letter.
    pub dead_letters: Vec<(String, Value)>,
    /// What people were asked, and who: the question and `by`.
    pub asked: Vec<Value>,
    /// Name and content of each event that was emitted.
    pub emitted: Vec<(String, Value)>,
    /// What the caller of the webhook was told.
    pub response: Option<Response>,
    /// Steps that were reached, and all steps of the flow: by path.
    pub reached: BTreeSet<String>,
    /// All steps of the flow, by path.
    pub steps: BTreeSet<String>,
    /// Branches that were taken, by the path of the `if`, `match` or `try` and the number of the branch in it.
    pub taken: BTreeSet<(String, u32)>,
    /// All branches of the flow that do something.
    pub branches: BTreeSet<(String, u32)>,
    /// How much time went by on the test's clock.
    pub elapsed: Millis,
    /// How often the journal was written.
    pub writes: usize,
    /// What happened, in order.
    pub trace: Vec<Line>,
}

impl Report {
    /// Says whether the test passed.
    pub fn has_passed(&self) -> bool {
        self.unmet.is_empty() && self.broken.is_none()
    }
}

/// A call that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The step.
    pub place: Place,
    /// Counts from 1.
    pub attempt: u32,
    /// The connection.
    pub connection: String,
    /// The operation.
    pub operation: String,
    /// The arguments by name.
    pub args: Value,
    /// What was answered.
    pub outcome: Result<Value, Failure>,
    /// The idempotency key.
    key: String,
    /// Whether it is there because of a fault alone: who is called knows it already, or was never reached.
    is_extra: bool,
    /// Whether it takes back what a step has done.
    is_undo: bool,
}

/// Something that happened in a test.
#[derive(Clone, Debug)]
pub struct Line {
    /// How much time had gone by.
    pub after: Millis,
    /// The flow and the node in it that it is about, if it is about one.
    pub place: Option<(String, String)>,
    /// What.
    pub what: What,
}

/// What happened in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A call was made: its index among the calls.
    Call(usize),
    /// Something else, in words.
    Said(String),
    /// Something went wrong on purpose, in words.
    Fault(String),
}

/// Runs a test of a flow that calls no others. Equal arguments give equal reports.
pub fn run(case: &Case, plan: &Arc<Plan>, library: &Library) -> Report {
    run_with(case, plan, &[], library)
}

/// Runs a test; the plans of flows that the flow calls are looked up among those given, by digest.
pub fn run_with(case: &Case, plan: &Arc<Plan>, plans: &[Arc<Plan>], library: &Library) -> Report {
    run_under(case, plan, plans, library, None)
}

/// Runs a test, and lets something go wrong.
pub fn run_under(
    case: &Case,
    plan: &Arc<Plan>,
    plans: &[Arc<Plan>],
    library: &Library,
    fault: Option<&Fault>,
) -> Report {
    World::new(case, &stubbed(case, plan), plans, library, fault).report()
}

/// The plan in which an operation that a stub names is called, and not carried out by its body.
fn stubbed(case: &Case, plan: &Arc<Plan>) -> Arc<Plan> {
    let is_named = |step: &Step| {
        case.stubs.iter().any(|stub| match &stub.target {
            Target::All | Target::Approve | Target::Wait(_) => false,
            Target::Operation { connection, operation } => {
                *connection == step.connection && *operation == step.operation
            }
        })
    };
    if !plan.graph.node_indices().any(|node| plan.body(node).is_some()) {
        return Arc::clone(plan);
    }
    let mut called = (**plan).clone();
    called.call(&is_named);
    Arc::new(called)
}
