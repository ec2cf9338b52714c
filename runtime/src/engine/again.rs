//! How is done again what a run did: from the beginning, from a step on, or from where it failed?
//!
//! A new run does it, pinned to the same plan, and the other stays as it is. It is on disk before it begins, and when it
//! begins it takes over what it keeps: see [`crate::machine::again`].

use std::sync::Arc;

use flow_model::{boundary::Decoder, value::Value};
use serde::{Deserialize, Serialize};

use super::{
    Engine, Inner, RunId, RunState, SubmitError,
    deploy::Deployed,
    drive::{Message, Stop},
    env,
    live::Live,
};
use crate::{
    journal::{self, Entry},
    machine::{self, Again, Event, Outcome, Place, Record, Said, Start, Unfit},
    store::{Batch, Committed, Done, Error, Letter, NewRun, RunSummary},
};

/// What is done again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redo {
    /// The step that failed, with the same idempotency keys: what took effect takes none again. What went well before is
    /// kept.
    Retry,
    /// Everything, or all from a step on, as something new: calls have keys of their own.
    Replay {
        /// The step.
        from: Option<String>,
    },
}

/// Why nothing is done again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedoError {
    /// There is no such run.
    #[error("there is no run {0}")]
    Unknown(RunId),
    /// The run is not over.
    #[error("run {run} is not over: it is {state}")]
    Open {
        /// The run.
        run: RunId,
        /// Its state.
        state: RunState,
    },
    /// Nothing has failed.
    #[error("run {run} has not failed: it is {state}")]
    Well {
        /// The run.
        run: RunId,
        /// Its state.
        state: RunState,
    },
    /// It did not fail at a step.
    #[error("run {0} did not fail at a step that could be called again")]
    NoStep(RunId),
    /// It does not fit.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Its plan or journal can't be used.
    #[error("run {run} can't be done again: {why}")]
    Broken {
        /// The run.
        run: RunId,
        /// Why.
        why: String,
    },
    /// No run can be accepted.
    #[error(transparent)]
    Refused(#[from] SubmitError),
    /// There is no such dead letter.
    #[error("there is no dead letter {0}")]
    NoLetter(i64),
    /// The dead letter is dealt with.
    #[error("dead letter {id} is {how} already")]
    Settled {
        /// The dead letter.
        id: i64,
        /// What became of it.
        how: String,
    },
    /// What the dead letter holds is no input of the flow.
    #[error("dead letter {id} is no input of `{flow}`: {why}")]
    NoInput {
        /// The dead letter.
        id: i64,
        /// The flow.
        flow: String,
        /// Why.
        why: String,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Engine {
    /// Begins a run that does again what another did. It is on disk when this returns.
    ///
    /// # Errors
    /// Says why that can't be; nothing has changed then.
    pub async fn again(&self, run: &RunId, redo: Redo) -> Result<RunId, RedoError> {
        self.inner.again(run, redo, Vec::new()).await
    }

    /// Begins a run for a dead letter, and puts that away: a run of a flow whose parameters are what it holds, or one that
    /// does again what the run did that left it. It is on disk when this returns.
    ///
    /// # Errors
    /// Says why that can't be; nothing has changed then.
    pub async fn redeliver(&self, letter: i64, flow: Option<String>) -> Result<RunId, RedoError> {
        let found = open_letter(&self.inner, letter).await?;
        let Some(flow) = flow else {
            return self.inner.again(&found.run, Redo::Replay { from: None }, vec![letter]).await;
        };
        let deployed = self.inner.state().deployed.get(&flow).cloned();
        let Some(Deployed { digest, plan, env, draws }) = deployed else {
            return Err(SubmitError::UnknownFlow(flow).into());
        };
        let no_input = |why: String| RedoError::NoInput { id: letter, flow: flow.clone(), why };
        let value = found.value.unwrap_or(Value::Null).to_json();
        let payload = Decoder::new(&plan.types)
            .json_fields(&value, &plan.params)
            .map_err(|mismatch| no_input(mismatch.to_string()))?;
        let start = Start {
            payload,
            env: self.inner.env_of(&env),
            seed: draws.then(|| env::seed(&*self.inner.settings.chance)),
            ..Start::default()
        };
        let new = NewRun {
            flow: flow.clone(),
            plan: digest,
            trigger: Some(format!("dead letter {letter} of run {}", found.run)),
            dedupe: None,
            queued: Some(start),
            gate: None,
            parent: None,
            notes: Vec::new(),
            gather: None,
        };
        self.inner.accept_queued(new, vec![letter]).await
    }

    /// Puts a dead letter away: nothing more is done about it. On disk when this returns.
    ///
    /// # Errors
    /// When there is none, or it can't be written.
    pub async fn drop_letter(&self, letter: i64) -> Result<Letter, RedoError> {
        let found = open_letter(&self.inner, letter).await?;
        self.inner.halted.check()?;
        let settled = self.inner.store.settle(letter, "dropped".to_owned()).await;
        settled.inspect_err(|error| self.inner.halt(error.clone()))?;
        Ok(found)
    }
}

async fn open_letter(inner: &Inner, id: i64) -> Result<Letter, RedoError> {
    let letter = inner.store.letter(id).await?.ok_or(RedoError::NoLetter(id))?;
    match letter.settled {
        Some(how) => Err(RedoError::Settled { id, how }),
        None => Ok(letter),
    }
}

impl Inner {
    async fn again(self: &Arc<Self>, run: &RunId, redo: Redo, letters: Vec<i64>) -> Result<RunId, RedoError> {
        let summary = self.store.summary(run).await?.ok_or_else(|| RedoError::Unknown(run.clone()))?;
        if !summary.state.is_final() {
            return Err(RedoError::Open { run: run.clone(), state: summary.state });
        }
        let broken = |why: String| RedoError::Broken { run: run.clone(), why };
        let entries = self.entries(run).await?.map_err(broken)?;
        let plan = match self.plan_with(&summary.plan).await {
            Ok(plan) => plan,
            Err(Stop::Store(error)) => return Err(error.into()),
            Err(Stop::Broken(why)) => return Err(broken(why.to_string())),
            Err(Stop::Unknown) => return Err(RedoError::Unknown(run.clone())),
        };
        let began = entries.iter().find_map(|entry| match &entry.said {
            Said::Event(Event::Started(start)) => Some(start),
            _ => None,
        });
        let began = began.ok_or(Unfit::NotBegun)?;
        let gate = self.gate(&plan, began.trigger, &began.payload, &began.env);
        let gate = gate.map_err(|failure| broken(failure.message))?;
        let (again, words) = match redo {
            Redo::Retry => {
                let from = self.failed_step(&summary, &entries).await?.to_string();
                let words = format!("retry of run {run} at `{from}`");
                (Some((from, Some(run.to_string()))), words)
            }
            Redo::Replay { from: Some(from) } => {
                let words = format!("replay of run {run} from `{from}`");
                (Some((from, None)), words)
            }
            Redo::Replay { from: None } => (None, format!("replay of run {run}")),
        };
        let start = match again {
            None => Start {
                seed: began.seed.as_ref().map(|_| env::seed(&*self.settings.chance)),
                trace: None,
                keys: None,
                again: None,
                ..began.clone()
            },
            Some((from, keys)) => {
                let at = self.settings.clock.now();
                let again = Again { run: run.to_string(), from, keys, at, called: Default::default() };
                // Whether it fits is known now; what is taken over is computed again when the run begins.
                let said = entries.iter().map(|entry| (entry.at, &entry.said));
                machine::again(run.as_str(), Arc::clone(&plan), self.settings.library.clone(), said, again.clone())?;
                Start { again: Some(again), ..Start::default() }
            }
        };
        let new = NewRun {
            flow: summary.flow,
            plan: summary.plan,
            trigger: Some(words),
            dedupe: None,
            queued: Some(start),
            gate,
            parent: None,
            notes: Vec::new(),
            gather: None,
        };
        self.accept_queued(new, letters).await
    }

    /// Puts a run on disk that begins when there is room, and dead letters away that it is for.
    async fn accept_queued(self: &Arc<Self>, new: NewRun, letters: Vec<i64>) -> Result<RunId, RedoError> {
        self.check_room()?;
        let (now, total) = self.time();
        let chance = &self.settings.chance;
        let run = RunId::new(now, u128::from(chance.draw()) << 64 | u128::from(chance.draw()));
        let gate = new.gate.clone();
        if let Some(gate) = &gate {
            self.recall(gate).await?;
        }
        let settles = letters.into_iter().map(|letter| (letter, format!("replayed as run {run}"))).collect();
        self.let_wait(&run, Batch { settles, ..self.waiting(&run, new, (now, total)) }).await?;
        match gate {
            None => self.post_unless_held(&run, Message::Begin),
            Some(gate) => {
                let ticket = self.state().gates.ticket();
                self.state().gates.queue(&run, &gate, ticket);
                self.open_gates();
            }
        }
        Ok(run)
    }

    /// What is held begins in a later process.
    fn post_unless_held(self: &Arc<Self>, run: &RunId, message: Message) {
        if !self.is_closing() {
            self.post(run, message);
        }
    }

    /// The journal of a run, or why it can't be read.
    async fn entries(&self, run: &RunId) -> Result<Result<Vec<Entry>, String>, Error> {
        let rows = self.store.rows(run).await?;
        Ok(journal::read(run, &rows).map(|(entries, _)| entries).map_err(|damage| damage.to_string()))
    }

    /// The step at which a run failed, if that can be called again: a call, or a run that failed at such a step itself.
    async fn failed_step(&self, summary: &RunSummary, entries: &[Entry]) -> Result<Place, RedoError> {
        let run = &summary.id;
        let place = match &summary.outcome {
            Some(Outcome::Failed { place: Some(place), .. }) => place,
            Some(Outcome::Failed { place: None, .. }) => return Err(RedoError::NoStep(run.clone())),
            _ => return Err(RedoError::Well { run: run.clone(), state: summary.state }),
        };
        let no_step = || RedoError::NoStep(run.clone());
        let record = entries.iter().rev().find_map(|entry| match &entry.said {
            Said::Record(record @ (Record::Scheduled { place: of, .. } | Record::Called { place: of, .. })) => {
                (of == place).then_some(record)
            }
            _ => None,
        });
        match record.ok_or_else(no_step)? {
            Record::Called { run: called, .. } => {
                let called: RunId = called.parse().map_err(|_| no_step())?;
                let called = self.store.summary(&called).await?.ok_or_else(no_step)?;
                let below = self.entries(&called.id).await?.map_err(|_| no_step())?;
                Box::pin(self.failed_step(&called, &below)).await.map_err(|_| no_step())?;
                Ok(place.clone())
            }
            _ => Ok(place.clone()),
        }
    }

    /// How a run begins that its caller calls again: it does again what the one before did, from where that failed.
    pub(super) async fn called_again(&self, called: &str) -> Result<Option<Again>, Error> {
        let Ok(run) = called.parse::<RunId>() else { return Ok(None) };
        let Some(summary) = self.store.summary(&run).await? else { return Ok(None) };
        let from = match &summary.outcome {
            Some(Outcome::Failed { place: Some(place), .. }) => Some(place.to_string()),
            _ => None,
        };
        let (keys, at) = (Some(called.to_owned()), self.settings.clock.now());
        Ok(from.map(|from| Again { run: called.to_owned(), from, keys, at, called: Default::default() }))
    }

    /// Begins a run that does again what another did: what it takes over is on disk when this returns.
    pub(super) async fn take_over(self: &Arc<Self>, run: &RunId, live: &Live, again: Again) -> Result<(), Stop> {
        let broken = |why: String| Stop::Broken(super::live::Broken::Again(why));
        let of: RunId = again.run.parse().map_err(|_| broken("the other run is not known".to_owned()))?;
        let entries = self.entries(&of).await?.map_err(broken)?;
        let (plan, library) = (Arc::clone(live.machine.plan()), self.settings.library.clone());
        let (now, total) = self.time();
        let mut turn = Live::again(run.clone(), plan, library, &entries, again, now)?;
        turn.batch.set_by = total;
        let gates = self.fill(run, &mut turn).await?;
        let done = match self.store.commit(turn.take_batch()).await? {
            Committed::Done(done) => done,
            Committed::Gathered(_) | Committed::Duplicate { .. } => Done::default(),
        };
        self.carry_out(run, live, turn);
        self.pass_on(done, &gates, total);
        Ok(())
    }
}
