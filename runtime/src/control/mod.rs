//! What can be asked of whoever works on a data folder, and what comes of it?
//!
//! One process works on a folder at a time. Others ask it: see [`line`]. Where nobody works on it, whoever wants something
//! opens the folder itself, [holds](Engine::hold) the engine, and does the same with [`perform`].

mod line;

use std::collections::BTreeMap;

use flow_model::{
    boundary,
    expr::Slot,
    failure::{ErrorKind, Failure},
    plan::{NodeKind, Plan, Step},
    ty::{Type, Types},
    value::Value,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use self::line::{FILE, Listening, Unreachable, ask, listen};
use crate::{
    engine::{ControlError, Engine, Polling, Redo, RedoError, RunId, RunState, SubmitError},
    machine::{Decision, Place, Unfit, Verdict},
    store::Error,
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Whether someone is there.
    Hello,
    /// The end of a run.
    Cancel {
        /// The run.
        run: RunId,
        /// Why, in words.
        reason: String,
    },
    /// An answer to an `approve`.
    Answer {
        /// The run.
        run: RunId,
        /// Which `approve`, where it asks several things.
        step: Option<String>,
        /// What is said.
        verdict: Verdict,
        /// By whom.
        by: Option<String>,
        /// What is said besides.
        note: Option<String>,
    },
    /// A decision about a step whose outcome is not known.
    Resolve {
        /// The run.
        run: RunId,
        /// Which step, where there are several.
        step: Option<String>,
        /// What is decided.
        how: How,
    },
    /// A run that does again what another did.
    Again {
        /// The other run.
        run: RunId,
        /// What is done again.
        redo: Redo,
    },
    /// A run for a dead letter.
    Redeliver {
        /// The dead letter.
        letter: i64,
        /// The flow that takes it; otherwise the run that left it is done again.
        flow: Option<String>,
    },
    /// How the triggers that poll stand.
    Polls,
    /// That a trigger that polls reads from elsewhere.
    ReadFrom {
        /// The flow that it starts.
        flow: String,
        /// The trigger, as the list of runs calls it.
        on: String,
        /// What is kept of it in the place of all that is.
        notes: BTreeMap<String, String>,
    },
    /// That nothing more is done about a dead letter.
    DropLetter {
        /// The dead letter.
        letter: i64,
    },
}

/// What is decided about a step whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It had no effect: it is called again.
    Retry,
    /// The run goes on without its result.
    Skip,
    /// It took effect, and this was its result.
    Result(Json),
    /// It counts as failed, for this reason.
    Fail(String),
}

/// What has come of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Someone is there.
    Hello,
    /// It is done, and on disk.
    Done {
        /// The step that it was about.
        step: Option<String>,
        /// How the run stands now.
        state: RunState,
        /// Why, in words.
        reason: Option<String>,
    },
    /// A run is on disk that begins.
    Begun {
        /// The run.
        run: RunId,
    },
    /// How the triggers that poll stand.
    Polls(Vec<Polling>),
    /// The trigger reads from there at its next look.
    Reads,
    /// The dead letter is put away.
    Dropped,
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why, in words.
    pub message: String,
    /// What to do.
    pub help: Vec<String>,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// What is asked can't be done.
    Asked,
    /// The data folder can't be read or written.
    Store,
}

impl Refusal {
    fn asked(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: Vec::new(), fault: Fault::Asked }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Store(error) => error.into(),
            ControlError::Stuck { .. } => {
                Self::asked(error.to_string()).help("`flowc journal verify` tells what to do about damage")
            }
            other => Self::asked(other.to_string()),
        }
    }
}

impl From<RedoError> for Refusal {
    fn from(error: RedoError) -> Self {
        let help = match &error {
            RedoError::Store(error) | RedoError::Refused(SubmitError::Store(error)) => return error.clone().into(),
            RedoError::Open { .. } => Some("wait until it is over, or end it with `flowc runs cancel`".to_owned()),
            RedoError::Well { run, state: RunState::Cancelled } | RedoError::NoStep(run) => {
                Some(format!("to do it all again as something new: `flowc runs replay {run}`"))
            }
            RedoError::Unfit(Unfit::Undone(place)) => {
                Some(format!("begin at that step or before it: `flowc runs replay --from {place}`"))
            }
            RedoError::Unfit(Unfit::NotReached(_)) => Some("`flowc runs show` lists its steps".to_owned()),
            RedoError::Refused(SubmitError::UnknownFlow(_)) => Some("it has to be a flow that is served".to_owned()),
            RedoError::NoLetter(_) => Some("`flowc dead-letters list` lists them".to_owned()),
            _ => None,
        };
        help.into_iter().fold(Self::asked(error.to_string()), Self::help)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), help: Vec::new(), fault: Fault::Store }
    }
}

/// Does what is asked. It is on disk when this returns.
///
/// # Errors
/// Says why it was not done; nothing has changed then.
pub async fn perform(engine: &Engine, ask: Ask) -> Result<Told, Refusal> {
    match ask {
        Ask::Hello => Ok(Told::Hello),
        Ask::Polls => Ok(Told::Polls(engine.polls())),
        Ask::ReadFrom { flow, on, notes } => {
            engine.read_from(&flow, &on, notes).await?;
            Ok(Told::Reads)
        }
        Ask::Cancel { run, reason } => {
            engine.cancel(&run, reason).await?;
            stands(engine, &run, None).await
        }
        Ask::Answer { run, step, verdict, by, note } => {
            let asks = engine.asks(&run).await?;
            let place = one(&run, &asks.approvals, step.as_deref(), "asks for no approval", "approval")?;
            engine.decide(&run, place.clone(), verdict, by, note).await?;
            stands(engine, &run, Some(&place)).await
        }
        Ask::Resolve { run, step, how } => {
            let asks = engine.asks(&run).await?;
            let place = one(&run, &asks.decisions, step.as_deref(), "waits for no decision", "decision")?;
            let plan = engine.plan_of(&run).await?;
            let plan = plan.ok_or_else(|| Refusal::asked(format!("the plan of run {run} is not there")))?;
            engine.resolve(&run, place.clone(), decision(&plan, &place, how)?).await?;
            stands(engine, &run, Some(&place)).await
        }
        Ask::Again { run, redo } => Ok(Told::Begun { run: engine.again(&run, redo).await? }),
        Ask::Redeliver { letter, flow } => Ok(Told::Begun { run: engine.redeliver(letter, flow).await? }),
        Ask::DropLetter { letter } => {
            engine.drop_letter(letter).await?;
            Ok(Told::Dropped)
        }
    }
}

async fn stands(engine: &Engine, run: &RunId, step: Option<&Place>) -> Result<Told, Refusal> {
    let summary = engine.summary(run).await?.ok_or_else(|| Refusal::from(ControlError::Unknown(run.clone())))?;
    let step = step.map(ToString::to_string);
    Ok(Told::Done { step, state: summary.state, reason: summary.reason })
}

/// The place that is meant: the only one of its kind, or the one with that name.
fn one(run: &RunId, open: &[Place], step: Option<&str>, none: &str, what: &str) -> Result<Place, Refusal> {
    let named: Vec<_> = open.iter().filter(|place| step.is_none_or(|step| place.is_called(step))).collect();
    let list = |places: &mut dyn Iterator<Item = &Place>| {
        places.map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", ")
    };
    match (named.as_slice(), step) {
        ([place], _) => Ok((*place).clone()),
        ([], None) => Err(Refusal::asked(format!("run {run} {none}"))),
        ([], Some(step)) if open.is_empty() => Err(Refusal::asked(format!("run {run} {none} at `{step}`"))),
        ([], Some(step)) => Err(Refusal::asked(format!("run {run} {none} at `{step}`"))
            .help(format!("the open ones are {}", list(&mut open.iter())))),
        (several, _) => Err(Refusal::asked(format!("run {run} waits for more than one {what}"))
            .help(format!("say which one with `--step`: {}", list(&mut several.iter().copied())))),
    }
}

/// What the result of a step has to be.
struct Wanted<'p> {
    step: Option<&'p Step>,
    result: &'p Type,
    /// Those that it names.
    types: &'p Types,
    is_declared: bool,
}

impl<'p> Wanted<'p> {
    fn at(plan: &'p Plan, place: &Place) -> Self {
        let step = plan.graph.node_weights().find(|node| node.path == place.path).and_then(|node| match &node.kind {
            NodeKind::Step(step) => Some(&**step),
            _ => None,
        });
        let connector = step.and_then(|step| plan.connections.get(&step.connection));
        let connector = connector.and_then(|connection| plan.connectors.get(&connection.connector));
        let operation = step.and_then(|step| connector?.operations.get(&step.operation));
        let (result, types) = match step.and_then(|step| step.result.as_ref()) {
            Some(result) => (result, &plan.types),
            None => (
                operation.map_or(&Type::Json, |operation| &operation.result),
                connector.map_or(&plan.types, |connector| &connector.types),
            ),
        };
        Self { step, result, types, is_declared: operation.is_some() }
    }
}

/// The result with which a run goes on from a step without one; none where the rest of it needs one.
pub fn skipped(plan: &Plan, place: &Place) -> Option<Value> {
    let Wanted { step, result, types, .. } = Wanted::at(plan, place);
    let is_unread = || step.is_some_and(|step| !step.slot.is_some_and(|slot| is_read(plan, slot)));
    boundary::decode(&Json::Null, result, types).ok().or_else(|| is_unread().then_some(Value::Null))
}

/// The decision, where it fits the step.
fn decision(plan: &Plan, place: &Place, how: How) -> Result<Decision, Refusal> {
    let Wanted { result, types, is_declared, .. } = Wanted::at(plan, place);
    match how {
        How::Retry => Ok(Decision::Retry),
        How::Fail(message) => Ok(Decision::Fail(Failure::new(ErrorKind::Interrupted, message))),
        How::Result(json) => match boundary::decode(&json, result, types) {
            Ok(value) => Ok(Decision::Result(value)),
            Err(mismatch) => {
                Err(Refusal::asked(format!("this is no result of `{place}`: {mismatch}")).help(match is_declared {
                    true => format!("it has the type `{result}`"),
                    false => "give a result that the run can go on with".to_owned(),
                }))
            }
        },
        How::Skip => match skipped(plan, place) {
            Some(value) => Ok(Decision::Result(value)),
            None => Err(Refusal::asked(format!("the run can't go on without the result of `{place}`"))
                .help(format!("give its result, of the type `{result}`, with `--result`"))
                .help("or let it count as failed with `--fail`: the steps that have an `undo` are undone then")),
        },
    }
}

/// Says whether an expression of the body reads a slot. Expressions stand in many places, and the written form has them all.
fn is_read(plan: &Plan, slot: Slot) -> bool {
    fn holds(json: &Json, slot: u32) -> bool {
        match json {
            Json::Array(items) => items.iter().any(|item| holds(item, slot)),
            Json::Object(fields) => fields
                .iter()
                .any(|(name, value)| (name == "Slot" && value.as_u64() == Some(u64::from(slot))) || holds(value, slot)),
            _ => false,
        }
    }
    // What can't be written can't be looked through.
    plan.graph.node_weights().any(|node| serde_json::to_value(node).map_or(true, |json| holds(&json, slot.0)))
}
