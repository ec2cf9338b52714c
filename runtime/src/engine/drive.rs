//! How does a run go on when something has happened?
//!
//! What happens is put into the run's inbox. One task at a time drives a run: it takes the inbox, applies it, writes, and
//! carries out what follows, until the inbox is empty. Then the run stays in memory without a task, or is put out of it.

use std::{cell::RefCell, collections::HashMap, mem::take, sync::Arc};

use flow_model::{plan::Plan, units::Instant};
use tokio::{sync::oneshot, task::AbortHandle};

use super::{
    Happening, Inbox, Inner, Progress, RunId, RunState,
    attempt::{Going, Leave, ticket},
    live::{Broken, Live, Turn},
    wait::Asks,
};
use crate::{
    machine::{Call, Event, Place, Repeat, Start},
    observe::Trace,
    store::{Batch, Committed, Done, Error, Standing},
};

/// What the reason of a run begins with that is set aside.
pub(super) const STUCK: &str = "the run can't go on: ";

/// What a run waits for in the engine.
#[derive(Default)]
pub(super) struct Cell {
    pub(super) inbox: Inbox,
    pub(super) drive: Drive,
    /// The run, unless it is out of memory or being driven.
    pub(super) live: Option<Box<Live>>,
    /// Calls under way.
    pub(super) flights: HashMap<Place, Flight>,
}

/// Whether a task drives the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Drive {
    #[default]
    Rests,
    Goes,
}

/// A call under way.
pub(super) struct Flight {
    pub(super) handle: AbortHandle,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for a permit: nothing has left.
    Queued,
    /// Has left, and may be repeated.
    Away,
    /// Has left, and may not be repeated: its outcome is awaited, whether the run still needs it or not.
    Fateful,
}

/// What reaches a run.
pub(super) enum Message {
    /// Something happened.
    Event(Event),
    /// Someone wants something, and hears when it is on disk; not at all when it comes too late.
    Asked(Event, oneshot::Sender<()>),
    /// An attempt that is not safe to repeat may leave.
    Permitted { place: Place, attempt: u32, leave: Leave },
    /// The turn of an attempt has come that was held: it may leave.
    Turn { place: Place, attempt: u32, leave: Leave },
    /// An attempt that is held asks again at that time.
    HeldOn { place: Place, attempt: u32, until: Instant, because: String },
    /// Take up what is under way.
    Look,
    /// Begin: there is room.
    Begin,
    /// Hear what others have told it.
    Mail,
    /// Someone wants to know what it waits for of a person.
    Shown(oneshot::Sender<Asks>),
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Look at a run that was put out of memory.
    Run(RunId),
    /// A step's next attempt, or the end of a sleep.
    Place(RunId, Place),
    /// The deadline of a run.
    Deadline(RunId),
    /// A gate, by its scope: runs that wait may begin.
    Gate(String),
    /// Look for runs that wake soon.
    Horizon,
    /// A run that events are gathered for.
    Gathering(RunId),
}

impl Due {
    /// The run that it is about.
    pub(super) fn run(&self) -> Option<&RunId> {
        match self {
            Self::Run(run) | Self::Place(run, _) | Self::Deadline(run) => Some(run),
            Self::Gate(_) | Self::Horizon | Self::Gathering(_) => None,
        }
    }
}

impl Inner {
    /// Tells a run that something has happened.
    pub(super) fn post(self: &Arc<Self>, run: &RunId, message: Message) {
        if self.halted.is_set() {
            return;
        }
        let starts = {
            let mut state = self.state();
            let cell = state.cells.entry(run.clone()).or_default();
            cell.inbox.push_back(message);
            std::mem::replace(&mut cell.drive, Drive::Goes) == Drive::Rests
        };
        if starts {
            self.workers.spawn(Arc::clone(self).drive(run.clone()));
        }
    }

    pub(super) async fn watch_timers(self: Arc<Self>) {
        loop {
            let due = self.timers.next(&*self.settings.clock).await;
            if self.is_closing() {
                return;
            }
            match due {
                Due::Run(run) => self.post(&run, Message::Look),
                Due::Place(run, place) => self.post(&run, Message::Event(Event::Fired { place })),
                Due::Deadline(run) => self.post(&run, Message::Event(Event::Expired)),
                Due::Gate(_) => self.open_gates(),
                Due::Horizon => {
                    if let Err(error) = self.look_ahead().await {
                        return self.halt(error);
                    }
                }
                Due::Gathering(run) => drop(self.workers.spawn(Arc::clone(&self).close_gathering(run))),
            }
        }
    }

    pub(super) async fn drive(self: Arc<Self>, run: RunId) {
        loop {
            let (messages, live) = {
                let mut state = self.state();
                let Some(cell) = state.cells.get_mut(&run) else { return };
                if cell.inbox.is_empty() {
                    self.rest(&mut state, &run);
                    return;
                }
                (take(&mut cell.inbox), cell.live.take())
            };
            match self.go_on(&run, messages, live).await {
                Ok(live) => {
                    if let Some(cell) = self.state().cells.get_mut(&run) {
                        cell.live = Some(live);
                    }
                }
                Err(Stop::Store(error)) => return self.halt(error),
                Err(Stop::Unknown) => {
                    let mut state = self.state();
                    if state.cells.get(&run).is_none_or(|cell| cell.inbox.is_empty()) {
                        state.cells.remove(&run);
                        return;
                    }
                }
                Err(Stop::Broken(broken)) => return self.set_aside(&run, &broken).await,
            }
        }
    }

    /// Leaves a run to itself: in memory when it goes on soon. Whose call is held may be asked to wait again and again, and
    /// many others with it, so it is not kept there.
    fn rest(&self, state: &mut super::State, run: &RunId) {
        let Some(cell) = state.cells.get_mut(run) else { return };
        cell.drive = Drive::Rests;
        if !cell.flights.is_empty() {
            return;
        }
        let Some(live) = &cell.live else {
            state.cells.remove(run);
            return;
        };
        let standing = live.standing();
        let parks = match (standing.state, standing.wake_at) {
            (RunState::Running, _) => false,
            (RunState::Waiting | RunState::NeedsDecision, Some(at)) => {
                let now = self.settings.clock.now();
                at.since(now) >= self.settings.limits.park || (at > now && live.machine.held().next().is_some())
            }
            _ => true,
        };
        if parks {
            if let Some(at) = standing.wake_at {
                self.sleeps(run, live, at);
            }
            state.cells.remove(run);
        }
    }

    /// One turn: applies, writes, carries out.
    async fn go_on(
        self: &Arc<Self>,
        run: &RunId,
        mut messages: Inbox,
        live: Option<Box<Live>>,
    ) -> Result<Box<Live>, Stop> {
        let (mut live, mut events) = match live {
            Some(live) => (live, Vec::new()),
            None => self.take_up(run, &messages).await?,
        };
        let (mut permitted, mut heard, mut read) = (HashMap::new(), None, Vec::new());
        let (mut turns, mut is_held_on) = (HashMap::new(), false);
        let mut shown = Vec::new();
        let (now, total) = self.time();
        let unheard = self.unheard(&live, total);
        let hears_first = unheard.is_some();
        events.extend(unheard);
        while let Some(message) = (!hears_first).then(|| messages.pop_front()).flatten() {
            match message {
                Message::Event(event) if live.machine.expects(&event, now) => match held(&live, &event) {
                    Some(call) => self.ask_again(run, &live, call),
                    None => events.push(event),
                },
                Message::Event(event) => self.arm_again(run, &live, &event, now),
                Message::Turn { .. } if self.is_closing() => {}
                Message::Turn { place, attempt, leave } => {
                    let event = Event::Fired { place };
                    match held(&live, &event).filter(|call| call.attempt == attempt) {
                        Some(call) if live.machine.expects(&event, now) => {
                            turns.insert((call.place, attempt), leave);
                            events.push(event);
                        }
                        Some(_) => self.arm_again(run, &live, &event, now),
                        None => {}
                    }
                }
                Message::HeldOn { place, attempt, until, because } => {
                    if live.machine.hold_on(&place, attempt, until, &because) {
                        self.timers.arm(until, Due::Place(run.clone(), place));
                        is_held_on = true;
                    }
                }
                // What someone asks for has a turn of its own, so that what they hear is what came of it.
                Message::Asked(event, done) if events.is_empty() => {
                    if live.machine.expects(&event, now) {
                        events.push(event);
                        heard = Some(done);
                        break;
                    }
                }
                asked @ Message::Asked(..) => {
                    messages.push_front(asked);
                    break;
                }
                // What has not left when the engine closes is left to the next start.
                Message::Permitted { .. } if self.is_closing() => {}
                Message::Permitted { place, attempt, leave } => {
                    permitted.insert((place.clone(), attempt), leave);
                    events.push(Event::Began { place, attempt });
                }
                Message::Begin => {
                    if live.queued.is_some() {
                        // More events may have been gathered since it was read.
                        live.queued = self.store.start(run).await?;
                    }
                    let start = live.queued.take().filter(|_| live.machine.outcome().is_none());
                    let is_cancelled = events.iter().any(|event| matches!(event, Event::Cancelled { .. }));
                    match start.filter(|_| !is_cancelled) {
                        Some(Start { again: Some(again), .. }) => {
                            self.take_over(run, &live, again).await?;
                            let (taken, lost) = self.take_up(run, &messages).await?;
                            live = taken;
                            events.extend(lost);
                        }
                        start => events.extend(start.into_iter().flat_map(|start| self.started(start, total))),
                    }
                }
                Message::Mail => {
                    for (id, event) in self.store.mail(run).await? {
                        read.push(id);
                        if live.machine.expects(&event, now) {
                            events.push(event);
                        }
                    }
                }
                Message::Look => {}
                Message::Shown(reply) => shown.push(reply),
            }
        }
        if !messages.is_empty()
            && let Some(cell) = self.state().cells.get_mut(run)
        {
            messages.append(&mut cell.inbox);
            cell.inbox = messages;
        }
        if events.is_empty() && read.is_empty() && !is_held_on {
            show(&live, shown);
            return Ok(live);
        }
        let plan = Arc::clone(live.machine.plan());
        let mut turn = {
            let turns = RefCell::new(turns);
            let leave = |call: &Call| {
                let turn = turns.borrow_mut().remove(&(call.place.clone(), call.attempt));
                turn.or_else(|| self.leave_at_once(run, &plan, call))
            };
            live.turn(None, events, now, &leave)?
        };
        (turn.batch.read, turn.batch.set_by) = (read, total);
        let gates = self.fill(run, &mut turn).await?;
        // Of the calls whose permit has come, those that are still wanted leave now.
        let wanted = if permitted.is_empty() { Vec::new() } else { live.machine.calls() };
        for call in wanted {
            if let Some(leave) = permitted.remove(&(call.place.clone(), call.attempt)) {
                turn.calls.push((call, Some(leave)));
            }
        }
        let done = match self.store.commit(turn.take_batch()).await? {
            Committed::Done(done) => done,
            Committed::Gathered(_) | Committed::Duplicate { .. } => Done::default(),
        };
        self.carry_out(run, &live, turn);
        self.pass_on(done, &gates, total);
        if let Some(done) = heard {
            // Whoever asked may be gone.
            let _ = done.send(());
        }
        show(&live, shown);
        Ok(live)
    }

    /// Asks whether a call may leave now that is held, unless it is asking.
    fn ask_again(self: &Arc<Self>, run: &RunId, live: &Live, call: Call) {
        let asks = |cell: &Cell| cell.flights.contains_key(&call.place);
        if !self.state().cells.get(run).is_some_and(asks) {
            self.launch(run, live.machine.plan(), live.trace, call, Going::AsksAgain);
        }
    }

    /// Keeps a timer that has come too early: the clock was set back since it was due.
    fn arm_again(&self, run: &RunId, live: &Live, event: &Event, now: Instant) {
        match event {
            Event::Fired { place } => {
                let timers = live.machine.timers().into_iter();
                for (place, until) in timers.filter(|(of, until)| of == place && *until > now) {
                    self.timers.arm(until, Due::Place(run.clone(), place));
                }
            }
            Event::Expired if !live.machine.is_ending() => {
                if let Some(at) = live.machine.deadline().filter(|at| *at > now) {
                    self.timers.arm(at, Due::Deadline(run.clone()));
                }
            }
            _ => {}
        }
    }

    /// Brings a run into memory: what was under way is taken up again.
    async fn take_up(self: &Arc<Self>, run: &RunId, messages: &Inbox) -> Result<(Box<Live>, Vec<Event>), Stop> {
        // Never closed; where many runs are due at the same time, they come one after the other.
        let _load = self.loads.acquire().await;
        let Some(summary) = self.store.summary(run).await? else { return Err(Stop::Unknown) };
        let is_outcome = |message: &Message| matches!(message, Message::Event(Event::Attempted { .. }));
        if summary.state.is_final() && !messages.iter().any(is_outcome) {
            // A timer of a run that has ended meanwhile.
            return Err(Stop::Unknown);
        }
        let plan = self.plan_with(&summary.plan).await?;
        let (library, every) = (self.settings.library.clone(), self.settings.limits.checkpoint);
        let read = Live::read(&*self.store, run, Arc::clone(&plan), library.clone(), every).await?;
        let Some(live) = read? else {
            let mut live = Live::new(run.clone(), plan, library, every);
            live.queued = self.store.start(run).await?;
            return Ok((Box::new(live), Vec::new()));
        };
        let lost = live.lost();
        for call in live.machine.calls() {
            if call.progress == crate::machine::Progress::Waiting {
                self.launch(run, live.machine.plan(), live.trace, call, Going::Asks);
            }
        }
        for (place, until) in live.machine.timers() {
            self.timers.arm(until, Due::Place(run.clone(), place));
        }
        if let Some(at) = live.machine.deadline() {
            self.timers.arm(at, Due::Deadline(run.clone()));
        }
        Ok((Box::new(live), lost))
    }

    pub(super) async fn plan_with(&self, digest: &str) -> Result<Arc<Plan>, Stop> {
        if let Some(plan) = self.state().plans.get(digest) {
            return Ok(Arc::clone(plan));
        }
        let missing = || Broken::Plan(format!("there is no plan with the digest {digest}"));
        let json = self.store.plan(digest).await?.ok_or_else(missing)?;
        let plan: Plan = serde_json::from_slice(&json).map_err(|error| Broken::Plan(error.to_string()))?;
        if plan.version > flow_model::plan::VERSION {
            return Err(Broken::Plan(format!("it has version {}: use a newer program", plan.version)).into());
        }
        if plan.digest() != digest {
            return Err(Broken::Plan("it is not the one that the run began with".to_owned()).into());
        }
        let plan = Arc::new(plan);
        self.state().plans.insert(digest.to_owned(), Arc::clone(&plan));
        Ok(plan)
    }

    /// Carries out what follows from a turn that is on disk.
    pub(super) fn carry_out(self: &Arc<Self>, run: &RunId, live: &Live, turn: Turn) {
        let (state, ends) = (turn.batch.standing.state, turn.batch.standing.state.is_final());
        let speaks = ends || state == RunState::NeedsDecision || turn.batch.answer.is_some();
        let plan = live.machine.plan();
        match live.machine.deadline() {
            Some(at) if ends => self.timers.disarm(at, Due::Deadline(run.clone())),
            Some(at) if turn.batch.begun_at.is_some() => self.timers.arm(at, Due::Deadline(run.clone())),
            _ => {}
        }
        for place in &turn.aborts {
            self.abort(run, place);
        }
        for what in turn.news {
            self.tell(run, &plan.flow, live.trace, turn.batch.at, what);
        }
        self.tell(run, &plan.flow, live.trace, turn.batch.at, Happening::Standing(state));
        for (place, until) in turn.wakes {
            self.timers.arm(until, Due::Place(run.clone(), place));
        }
        for (call, leave) in turn.calls {
            self.launch(run, plan, live.trace, call, leave.map_or(Going::Asks, Going::Leaves));
        }
        if speaks {
            self.waiters.wake(run);
        }
        if ends && self.state().gates.leave(run) {
            self.open_gates();
        }
    }

    pub(super) fn tell(&self, run: &RunId, flow: &str, trace: Trace, at: Instant, what: Happening) {
        let progress = Progress { run: run.clone(), flow: flow.to_owned(), trace, at, what };
        self.settings.observer.happened(&progress);
        if self.progress.receiver_count() > 0 {
            // Whoever listened may be gone.
            let _ = self.progress.send(Arc::new(progress));
        }
    }

    fn launch(self: &Arc<Self>, run: &RunId, plan: &Arc<Plan>, trace: Trace, call: Call, going: Going) {
        let stage = match (call.repeat, &going) {
            (Repeat::Unsafe, Going::Leaves(_)) => Stage::Fateful,
            (Repeat::Unsafe, Going::Asks | Going::AsksAgain) | (Repeat::Safe, _) => Stage::Queued,
        };
        // A call that is recorded as begun leaves even now: its outcome will be known, with luck.
        if (self.is_closing() && stage != Stage::Fateful) || self.halted.is_set() {
            return;
        }
        let place = call.place.clone();
        let (flown, known) = oneshot::channel();
        let flight = Arc::clone(self).fly(run.clone(), Arc::clone(plan), trace, call, going);
        let handle = self.workers.spawn(async move {
            // The call leaves when it is on the list of those under way.
            let _ = known.await;
            flight.await;
        });
        self.state().cells.entry(run.clone()).or_default().flights.insert(place, Flight { handle, stage });
        let _ = flown.send(());
    }

    /// Ends a call, under way or waiting for its connection.
    fn abort(&self, run: &RunId, place: &Place) {
        if let Some(cell) = self.state().cells.get_mut(run)
            && cell.flights.get(place).is_some_and(|flight| flight.stage != Stage::Fateful)
            && let Some(flight) = cell.flights.remove(place)
        {
            flight.handle.abort();
        }
        self.settings.performer.withdraw(&ticket(run, place));
    }

    /// Halts the engine: what is on disk is not known.
    pub(super) fn halt(&self, error: Error) {
        tracing::error!(%error, "the engine halts");
        self.halted.set(error);
        self.state().cells.clear();
        self.workers.abort();
        self.waiters.wake_all();
    }

    /// Sets a run aside that can't go on; the others do.
    async fn set_aside(self: &Arc<Self>, run: &RunId, broken: &Broken) {
        tracing::error!(%run, %broken, "a run can't go on");
        {
            let mut state = self.state();
            if let Some(cell) = state.cells.remove(run) {
                cell.flights.into_values().for_each(|flight| flight.handle.abort());
            }
        }
        // What has ended stays as it ended.
        match self.store.summary(run).await {
            Ok(Some(summary)) if summary.state.is_final() => return,
            Ok(_) => {}
            Err(error) => return self.halt(error),
        }
        let reason = Some(format!("{STUCK}{broken}"));
        let standing = Standing { state: RunState::NeedsDecision, reason, wake_at: None, outcome: None };
        let batch = Batch::new(run.clone(), standing, self.settings.clock.now());
        match self.store.commit(batch).await {
            Ok(Committed::Done(_) | Committed::Gathered(_) | Committed::Duplicate { .. }) => self.waiters.wake(run),
            Err(error) => self.halt(error),
        }
    }
}

/// Tells those who want to know what a run waits for of a person.
fn show(live: &Live, to: Vec<oneshot::Sender<Asks>>) {
    for reply in to {
        // Whoever asked may be gone.
        let _ = reply.send(Asks::of(&live.machine));
    }
}

/// The call whose time to ask again has come.
fn held(live: &Live, event: &Event) -> Option<Call> {
    match event {
        Event::Fired { place } => live.machine.held_at(place),
        _ => None,
    }
}

/// Why the driving of a run stops.
pub(super) enum Stop {
    Store(Error),
    Broken(Broken),
    /// There is no such run.
    Unknown,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}
