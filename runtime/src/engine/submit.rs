//! How does a run begin?

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use flow_model::{
    file::Sha256,
    plan::{Plan, Trigger, TriggerKind},
    units::{Instant, Millis},
    value::Value,
};
use tokio::sync::oneshot;

use super::{
    Engine, Happening, Inner, RunId, RunState,
    deploy::Deployed,
    drive::{Cell, Message},
    env,
    gate::Entry,
    live::Live,
    notes,
};
use crate::{
    blob,
    machine::{Response, Start},
    observe::Trace,
    store::{Batch, Committed, Dedupe, Done, Error, GATHERS, NO_ROOM, NewRun, SameBody, Standing},
};

/// What starts a run.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The flow.
    pub flow: String,
    /// The plan that the payload was read by, where that is not certainly the one that is deployed now.
    pub plan: Option<Arc<Plan>>,
    /// Which of the plan's triggers; none for a start with parameters.
    pub trigger: Option<usize>,
    /// The trigger's payload, or a record of the parameters.
    pub payload: Value,
    /// The key by which a repetition is known, and how long.
    pub dedupe: Option<(String, Millis)>,
    /// A digest of the event's body: the same key with another body is refused.
    pub body_digest: Option<String>,
    /// The trace that the run continues.
    pub trace: Option<Trace>,
    /// What the trigger keeps, by key: on disk together with the run.
    pub notes: BTreeMap<String, String>,
    /// Whether the payload is all that the run sees.
    pub share: Share,
}

/// Whether a payload is all that a run sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// It is one event, of which the trigger may gather several for one run.
    Event,
    /// It is: the run begins at once.
    Whole,
}

impl Submission {
    /// Starts a flow with parameters.
    pub fn with_params(flow: impl Into<String>, params: Value) -> Self {
        let notes = BTreeMap::new();
        let flow = flow.into();
        let share = Share::Whole;
        Self {
            flow,
            plan: None,
            trigger: None,
            payload: params,
            dedupe: None,
            body_digest: None,
            notes,
            trace: None,
            share,
        }
    }
}

/// A run that is on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The run.
    pub run: RunId,
    /// Whether it is new.
    pub is_new: Newness,
    /// What it answers its caller, where it has done so before it waits for anything.
    pub answer: Option<Response>,
}

impl Accepted {
    fn new(run: RunId) -> Self {
        Self { run, is_new: Newness::New, answer: None }
    }
}

/// Whether a submission started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newness {
    /// It did.
    New,
    /// The event is known: the run is the one that it started the first time.
    Duplicate,
}

/// Why a run was not accepted. Nothing is on disk.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// There is no such flow.
    #[error("there is no flow `{0}`")]
    UnknownFlow(String),
    /// The flow has no such trigger.
    #[error("the flow `{0}` has no trigger {1}")]
    UnknownTrigger(String, usize),
    /// The same key came with another body before.
    #[error("run {run} was started by an event with the same key and another body")]
    Conflict {
        /// The run.
        run: RunId,
    },
    /// Too much is under way.
    #[error("{0} runs are under way: try again later")]
    Busy(usize),
    /// Runs come faster than they can be written down.
    #[error("runs can't be written down as fast as they come: try again later")]
    Slow,
    /// Too many runs of the trigger wait for their turn.
    #[error("{waiting} runs of `{flow}` wait for their turn: try again later")]
    Full {
        /// The flow.
        flow: String,
        /// How many wait: of the same key, or of all.
        waiting: usize,
    },
    /// The disk is nearly full.
    #[error("the disk has only {0} bytes left: no more runs are accepted")]
    DiskFull(u64),
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    Closing,
    /// The run could not be written.
    #[error(transparent)]
    Store(#[from] Error),
    /// The run could not be begun.
    #[error("the run can't begin: {0}")]
    Broken(String),
}

impl SubmitError {
    /// Says whether the same submission may be accepted a while later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Slow | Self::Full { .. } | Self::DiskFull(_))
    }
}

impl Engine {
    /// Starts a run. It is on disk when this returns, also when the caller does not wait for that.
    ///
    /// # Errors
    /// Says why it was not accepted.
    pub async fn submit(&self, submission: Submission) -> Result<Accepted, SubmitError> {
        let (reply, accepted) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        let room = inner.take_room()?;
        self.inner.workers.spawn(async move {
            let accepted = inner.accept(submission).await;
            drop(room);
            // The caller may be gone; the run goes on.
            let _ = reply.send(accepted);
        });
        accepted.await.unwrap_or_else(|_| {
            Err(self.inner.halted.check().map_or_else(SubmitError::Store, |()| SubmitError::Closing))
        })
    }
}

/// Room in memory for a run that is being accepted.
struct Room(Arc<Inner>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.accepting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Inner {
    /// Keeps room for a run until it is accepted: many that come at the same moment must not all see the same room.
    fn take_room(self: &Arc<Self>) -> Result<Room, SubmitError> {
        self.accepting.fetch_add(1, Ordering::SeqCst);
        let room = Room(Arc::clone(self));
        self.check_room().map(|()| room)
    }

    /// Says whether a run can be accepted at all.
    pub(super) fn check_room(&self) -> Result<(), SubmitError> {
        if self.is_shut() {
            return Err(SubmitError::Closing);
        }
        self.halted.check()?;
        // One of those that are being accepted is the one that asks.
        let runs = self.state().cells.len() + self.accepting.load(Ordering::SeqCst).saturating_sub(1);
        if runs >= self.settings.limits.runs {
            return Err(SubmitError::Busy(runs));
        }
        if self.store.is_slow() {
            return Err(SubmitError::Slow);
        }
        match self.store.space() {
            Some(space) if space < self.settings.limits.reserve => Err(SubmitError::DiskFull(space)),
            _ => Ok(()),
        }
    }

    async fn accept(self: Arc<Self>, submission: Submission) -> Result<Accepted, SubmitError> {
        let Submission { flow, plan, trigger, payload, dedupe, body_digest, notes, trace, share } = submission;
        let payload = blob::settle(&*self.settings.blobs, payload).await.map_err(|error| match error {
            blob::Error::Full => SubmitError::DiskFull(0),
            blob::Error::Low(space) => SubmitError::DiskFull(space),
            error => SubmitError::Store(error.into()),
        })?;
        let deployed = self.state().deployed.get(&flow).cloned();
        let Deployed { digest, plan, env, draws } = match (deployed, plan) {
            (Some(deployed), None) => deployed,
            (Some(deployed), Some(plan)) if Arc::ptr_eq(&deployed.plan, &plan) => deployed,
            // Another version has come meanwhile: this one was deployed before.
            (_, Some(plan)) => Deployed::of(plan),
            (None, None) => return Err(SubmitError::UnknownFlow(flow)),
        };
        let words = match trigger {
            None => None,
            Some(index) => match plan.triggers.get(index) {
                Some(trigger) => Some(started_by(trigger)),
                None => return Err(SubmitError::UnknownTrigger(flow, index)),
            },
        };
        let scope = scope(&flow, words.as_deref());
        let notes = notes::of(&scope, notes);
        let dedupe = dedupe.map(|(key, window)| Dedupe { scope, key, window, body_digest });
        let set = self.env_of(&env);
        let gate = self.gate(&plan, trigger, &payload, &set).map_err(|failure| SubmitError::Broken(failure.message))?;
        if let Some(gate) = &gate {
            self.recall(gate).await?;
        }
        let gather = match share {
            Share::Event => self.gather((&plan, &digest), trigger, &payload, &set),
            Share::Whole => Ok(None),
        };
        let gather = gather.map_err(|failure| SubmitError::Broken(failure.message))?;
        // What several events become has no event that it follows from; without a trigger, nobody sends again.
        let known = dedupe.as_ref().filter(|_| gather.is_none() && trigger.is_some());
        let keys = known.map(|dedupe| dedupe.origin(|| Sha256::of(payload.to_string().as_bytes()).to_string()));
        let (now, total) = self.time();
        let chance = &self.settings.chance;
        let run = RunId::new(now, u128::from(chance.draw()) << 64 | u128::from(chance.draw()));
        let new =
            NewRun { flow, plan: digest, trigger: words, dedupe, queued: None, gate, parent: None, notes, gather };
        // What nobody keeps is not written down.
        let trace = trace.filter(|trace| self.settings.observer.samples(trace).is_some());
        let start = Start {
            trigger,
            payload,
            env: set,
            seed: draws.then(|| env::seed(&*self.settings.chance)),
            trace,
            keys,
            ..Start::default()
        };
        if new.gather.is_some() {
            return self.accept_into(&run, NewRun { queued: Some(start), ..new }, (now, total)).await;
        }
        if let Some(gate) = &new.gate
            && let Some(waiting) = self.state().gates.is_full(gate, &self.settings.limits)
        {
            return Err(SubmitError::Full { flow: new.flow, waiting });
        }
        let entry = new.gate.as_ref().map(|gate| {
            let gates = &mut self.state().gates;
            gates.clock_is_set_by(total);
            gates.enter(&run, gate, now)
        });
        if let (Some(Entry::Waits(ticket)), Some(gate)) = (entry, new.gate.clone()) {
            if let Some(known) =
                self.let_wait(&run, self.waiting(&run, NewRun { queued: Some(start), ..new }, (now, total))).await?
            {
                return Ok(known);
            }
            self.state().gates.queue(&run, &gate, ticket);
            self.open_gates();
            return Ok(Accepted::new(run));
        }
        let accepted = self.accept_now(&run, new, plan, start).await;
        if entry.is_some() && !matches!(&accepted, Ok(Accepted { is_new: Newness::New, .. })) {
            self.state().gates.forget(&run);
            self.open_gates();
        }
        accepted
    }

    /// Puts an event on disk that becomes a run together with others.
    async fn accept_into(
        self: &Arc<Self>,
        run: &RunId,
        new: NewRun,
        (now, total): (Instant, i64),
    ) -> Result<Accepted, SubmitError> {
        let (gate, flow) = (new.gate.clone(), new.flow.clone());
        let trace = Trace::of(run, new.queued.as_ref().and_then(|start| start.trace));
        let reason = Some(GATHERS.to_owned());
        let standing = Standing { state: RunState::Waiting, reason, wake_at: None, outcome: None };
        let batch = Batch { new: Some(new), set_by: total, ..Batch::new(run.clone(), standing, now) };
        match self.commit_new(batch).await? {
            Err(known) => Ok(known),
            Ok(Done { gathered, .. }) => {
                let into = gathered.first().map_or(run, |gathered| &gathered.run).clone();
                for gathered in gathered {
                    if gathered.run == *run {
                        self.tell(run, &flow, trace, now, Happening::Standing(RunState::Waiting));
                    }
                    self.gathered(gathered, gate.clone(), total);
                }
                Ok(Accepted::new(into))
            }
        }
    }

    /// Puts a run on disk that begins at once.
    async fn accept_now(
        self: &Arc<Self>,
        run: &RunId,
        new: NewRun,
        plan: Arc<Plan>,
        start: Start,
    ) -> Result<Accepted, SubmitError> {
        let (now, total) = self.time();
        let (library, every) = (self.settings.library.clone(), self.settings.limits.checkpoint);
        let mut live = Live::new(run.clone(), Arc::clone(&plan), library, every);
        let leave = |call: &crate::machine::Call| self.leave_at_once(run, &plan, call);
        let turn = live.turn(Some(new), self.started(start, total).collect(), now, &leave);
        let mut turn = turn.map_err(|broken| SubmitError::Broken(broken.to_string()))?;
        turn.batch.set_by = total;
        let gates = self.fill(run, &mut turn).await?;
        let answer = turn.batch.answer.clone();
        let done = match self.commit_new(turn.take_batch()).await? {
            Ok(done) => done,
            Err(accepted) => return Ok(accepted),
        };
        self.begin(run, live, turn);
        self.pass_on(done, &gates, total);
        Ok(Accepted { answer, ..Accepted::new(run.clone()) })
    }

    /// The batch of a run that waits for room.
    pub(super) fn waiting(&self, run: &RunId, new: NewRun, (now, total): (Instant, i64)) -> Batch {
        let reason = Some(NO_ROOM.to_owned());
        let standing = Standing { state: RunState::Waiting, reason, wake_at: None, outcome: None };
        Batch { new: Some(new), set_by: total, ..Batch::new(run.clone(), standing, now) }
    }

    /// Puts a run on disk that waits for room; returns the run of its event, if that is known.
    pub(super) async fn let_wait(self: &Arc<Self>, run: &RunId, batch: Batch) -> Result<Option<Accepted>, SubmitError> {
        let trace = Trace::of(run, batch.new.as_ref().and_then(|new| new.queued.as_ref()?.trace));
        let (flow, now) = (batch.new.as_ref().map(|new| new.flow.clone()).unwrap_or_default(), batch.at);
        if let Err(known) = self.commit_new(batch).await? {
            return Ok(Some(known));
        }
        self.tell(run, &flow, trace, now, Happening::Standing(RunState::Waiting));
        Ok(None)
    }

    /// Writes the first batch of a run, unless its event is known.
    async fn commit_new(self: &Arc<Self>, batch: Batch) -> Result<Result<Done, Accepted>, SubmitError> {
        match self.store.commit(batch).await {
            Ok(Committed::Done(done)) => Ok(Ok(done)),
            Ok(Committed::Gathered(gathered)) => Ok(Ok(Done { gathered: vec![gathered], ..Done::default() })),
            Ok(Committed::Duplicate { run, body: SameBody::Yes }) => {
                Ok(Err(Accepted { is_new: Newness::Duplicate, ..Accepted::new(run) }))
            }
            Ok(Committed::Duplicate { run, body: SameBody::No }) => {
                tracing::warn!(%run, "an event came again with another body");
                Err(SubmitError::Conflict { run })
            }
            Err(error) => {
                self.halt(error.clone());
                Err(error.into())
            }
        }
    }

    /// Carries out what follows from the beginning of a run.
    fn begin(self: &Arc<Self>, run: &RunId, live: Live, turn: super::live::Turn) {
        if self.halted.is_set() {
            return;
        }
        if turn.batch.standing.state.is_final() && turn.calls.is_empty() {
            // Nothing reaches it any more.
            return self.carry_out(run, &live, turn);
        }
        // Listed before its calls leave, so that their outcomes find it. No task drives it yet, and a look makes one that
        // decides whether it stays in memory.
        let cell = Cell { drive: super::drive::Drive::Goes, ..Cell::default() };
        self.state().cells.insert(run.clone(), cell);
        self.carry_out(run, &live, turn);
        if let Some(cell) = self.state().cells.get_mut(run) {
            cell.live = Some(Box::new(live));
            cell.inbox.push_back(Message::Look);
        }
        self.workers.spawn(Arc::clone(self).drive(run.clone()));
    }
}

/// What keys are compared and runs are counted within.
pub(crate) fn scope(flow: &str, words: Option<&str>) -> String {
    format!("{flow} {}", words.unwrap_or_default())
}

/// What a trigger is called in the list of runs: `every 15m`, `http POST /leads`, `payments.charge.refunded`.
pub fn started_by(trigger: &Trigger) -> String {
    match &trigger.kind {
        TriggerKind::Http { method, path, .. } => format!("http {method} {path}"),
        TriggerKind::Every(every) => format!("every {every}"),
        // What it is told is a part of which list is read.
        TriggerKind::Poll { connection, trigger, told, .. } if !told.is_empty() => {
            format!("{connection}.{trigger}({told})")
        }
        TriggerKind::Webhook { connection, trigger, .. } | TriggerKind::Poll { connection, trigger, .. } => {
            format!("{connection}.{trigger}")
        }
        TriggerKind::Cron { line, zone, .. } => format!("cron {line} in {zone}"),
        TriggerKind::File { pattern } => format!("file {pattern}"),
        TriggerKind::Event { events, pattern } => match pattern {
            Some(pattern) => format!("event {pattern}"),
            None => format!("event {}", events.join(", ")),
        },
    }
}
