//! Which runs does a run begin, and when does a run begin that waits for room?
//!
//! A run that calls a flow, or emits an event that flows are triggered by, puts the new runs on disk in the same batch as
//! the record of that. Their ids follow from the run and the place, so a crash neither loses one nor begins one twice.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use flow_model::{
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    file::Sha256,
    plan::{Plan, Trigger, TriggerKind},
    schema::{EventOrder, WebhookTrigger},
    value::Value,
};

use super::{
    Inner, RunId,
    deploy::Deployed,
    drive::{Due, Message, Stop},
    env,
    gate::{Opened, Spec},
    live::Turn,
    submit::{scope, started_by},
};
use crate::{
    eval::{Evaluator, Frame, Slots as _},
    machine::{Child, Event, Outcome, Place, Start},
    observe::Trace,
    store::{Begun, Bus, Dedupe, Done, Error, NewRun, Rank, Unfinished},
};

/// The gates of runs that a batch begins.
pub(super) type Specs = HashMap<RunId, Spec>;

/// A trigger that a run may be started by, with what it may see.
pub(super) struct Started<'a> {
    pub(super) plan: &'a Plan,
    pub(super) trigger: &'a Trigger,
    pub(super) payload: &'a Value,
    pub(super) env: &'a BTreeMap<String, String>,
}

impl Inner {
    /// The environment variables that are set, of these.
    pub(super) fn env_of(&self, names: &[String]) -> BTreeMap<String, String> {
        names.iter().filter_map(|name| self.settings.env.get(name).map(|value| (name.clone(), value))).collect()
    }

    /// Which limits hold for a run that a trigger starts.
    pub(super) fn gate(
        &self,
        plan: &Plan,
        trigger: Option<usize>,
        payload: &Value,
        env: &BTreeMap<String, String>,
    ) -> Result<Option<Spec>, Failure> {
        let Some(trigger) = trigger.and_then(|index| plan.triggers.get(index)) else { return Ok(None) };
        if trigger.concurrency.is_none() && trigger.at_most.is_none() {
            return Ok(None);
        }
        let key = match trigger.concurrency.as_ref().and_then(|concurrency| concurrency.per.as_ref()) {
            Some(per) => self.key(&Started { plan, trigger, payload, env }, per)?.to_string(),
            None => String::new(),
        };
        Ok(Some(Spec {
            scope: scope(&plan.flow, Some(&started_by(trigger))),
            key,
            limit: trigger.concurrency.as_ref().map(|concurrency| concurrency.limit),
            rate: trigger.at_most,
            rank: self.rank(&Started { plan, trigger, payload, env })?,
        }))
    }

    /// Where an event stands among others, if its trigger declares that.
    pub(super) fn rank(&self, started: &Started<'_>) -> Result<Option<Rank>, Failure> {
        let Started { plan, trigger, payload, env } = *started;
        let TriggerKind::Webhook { connection, trigger, .. } = &trigger.kind else { return Ok(None) };
        let connector = plan.connections.get(connection).and_then(|found| plan.connectors.get(&found.connector));
        let declared = connector.and_then(|connector| connector.triggers.get(trigger).zip(Some(&connector.types)));
        let Some((WebhookTrigger { order: Some(EventOrder::By(order)), .. }, types)) = declared else {
            return Ok(None);
        };
        let evaluator = Evaluator {
            library: &self.settings.library,
            functions: &plan.functions,
            types,
            env,
            ambient: &|which| (which == Ambient::Item).then(|| payload.clone()),
        };
        evaluator.eval(order, &mut Frame::new()).map(|value| Rank::of(&value))
    }

    /// Computes a key over the payload of a trigger.
    pub(super) fn key(&self, started: &Started<'_>, key: &Expr) -> Result<Value, Failure> {
        let Started { plan, trigger, payload, env } = *started;
        let mut frame = Frame::new();
        if let Some(slot) = trigger.bind {
            frame.set(slot, payload.clone());
        }
        let evaluator = Evaluator {
            library: &self.settings.library,
            functions: &plan.functions,
            types: &plan.types,
            env,
            ambient: &|which| (which == Ambient::Item).then(|| payload.clone()),
        };
        evaluator.eval(key, &mut frame)
    }

    /// Learns when runs of earlier processes began that still count.
    pub(super) async fn recall(&self, spec: &Spec) -> Result<(), Error> {
        if self.state().gates.knows(&spec.scope) {
            return Ok(());
        }
        let begun = match spec.rate {
            Some(rate) => {
                let period = i64::try_from(rate.period.0).unwrap_or(i64::MAX);
                let since = flow_model::units::Instant(self.settings.clock.now().0.saturating_sub(period));
                self.store.begun_since(&spec.scope, since).await?
            }
            None => Vec::new(),
        };
        self.state().gates.learn(spec, begun);
        Ok(())
    }

    /// Puts the runs that are not over back where they were: under way, or waiting for room.
    pub(super) async fn recall_gates(self: &Arc<Self>, unfinished: &[Unfinished]) -> Result<(), Error> {
        for Unfinished { run, progress, gate, gathers, .. } in unfinished {
            let Some(spec) = gate else { continue };
            self.recall(spec).await?;
            if gathers.is_some() {
                continue;
            }
            let gates = &mut self.state().gates;
            match progress {
                Begun::Yes => gates.put_inside(run, spec),
                Begun::NotYet => {
                    let ticket = gates.ticket();
                    gates.queue(run, spec, ticket);
                }
            }
        }
        Ok(())
    }

    /// Lets runs begin for which there is room.
    pub(super) fn open_gates(self: &Arc<Self>) {
        if self.is_closing() {
            return;
        }
        let (now, total) = self.time();
        let Opened { runs, again } = {
            let gates = &mut self.state().gates;
            gates.clock_is_set_by(total);
            gates.open(now)
        };
        for run in runs {
            self.post(&run, Message::Begin);
        }
        for (at, scope) in again {
            self.timers.arm(at, Due::Gate(scope));
        }
    }

    /// Adds to a turn the runs that it begins.
    pub(super) async fn fill(&self, run: &RunId, turn: &mut Turn) -> Result<Specs, Error> {
        let mut specs = Specs::new();
        for child in std::mem::take(&mut turn.begins) {
            self.add_child(run, turn, child).await?;
        }
        let emitted: Vec<_> = turn
            .batch
            .bus
            .iter()
            .filter_map(|act| match act {
                Bus::Emit { place, event, value } => Some((place.clone(), event.clone(), value.clone())),
                Bus::Listen { .. } | Bus::Stop(_) => None,
            })
            .collect();
        for (place, event, value) in emitted {
            self.add_triggered(run, turn, &mut specs, &place, &event, &value).await?;
        }
        Ok(specs)
    }

    async fn add_child(&self, run: &RunId, turn: &mut Turn, child: Child) -> Result<(), Error> {
        let Child { place, run: id, flow, digest, params, keys, again } = child;
        let again = match again {
            Some(called) => self.called_again(&called).await?,
            None => None,
        };
        let plan = match self.plan_with(&digest).await {
            Ok(plan) => Ok(plan),
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::Broken(broken)) => Err(broken.to_string()),
            Err(Stop::Unknown) => Err("it is not known".to_owned()),
        };
        match (plan, id.parse::<RunId>()) {
            (Ok(plan), Ok(id)) => {
                let names: Vec<_> = env::names(&plan).into_iter().collect();
                let seed = env::draws(&plan).then(|| env::seed(&*self.settings.chance));
                let start = Start {
                    payload: params,
                    env: self.env_of(&names),
                    seed,
                    trace: self.handed_on(run, turn),
                    keys,
                    again,
                    ..Start::default()
                };
                let new = NewRun {
                    flow,
                    plan: digest,
                    trigger: Some(format!("run {run}")),
                    dedupe: None,
                    queued: Some(start),
                    gate: None,
                    parent: Some((run.clone(), place)),
                    notes: Vec::new(),
                    gather: None,
                };
                turn.batch.begins.push((id, new));
            }
            (Err(why), _) => {
                let failure = Failure::new(ErrorKind::Invalid, format!("the flow `{flow}` can't be called: {why}"));
                let outcome = Outcome::Failed { failure, place: None };
                turn.batch.mail.push((run.clone(), Event::Returned { place, outcome }));
            }
            (Ok(_), Err(error)) => tracing::error!(%run, %error, "a run can't be begun"),
        }
        Ok(())
    }

    /// The trace that a run begins others in, when somebody keeps it.
    fn handed_on(&self, run: &RunId, turn: &Turn) -> Option<Trace> {
        let sampled = self.settings.observer.samples(&turn.trace)?;
        Some(Trace { sampled, ..turn.trace.under(Trace::run(run)) })
    }

    /// The flows that an event starts.
    async fn add_triggered(
        &self,
        run: &RunId,
        turn: &mut Turn,
        specs: &mut Specs,
        place: &Place,
        event: &str,
        value: &Value,
    ) -> Result<(), Error> {
        let deployed: Vec<Deployed> = self.state().deployed.values().cloned().collect();
        for Deployed { digest, plan, env, draws } in deployed {
            for (index, trigger) in plan.triggers.iter().enumerate() {
                let TriggerKind::Event { events, pattern } = &trigger.kind else { continue };
                if !events.iter().any(|name| name == event) {
                    continue;
                }
                let payload = match (pattern, value) {
                    (Some(_), Value::Record(fields)) => {
                        let mut fields = fields.clone();
                        fields.insert("event".to_owned(), Value::text(event));
                        Value::Record(fields)
                    }
                    _ => value.clone(),
                };
                let env = self.env_of(&env);
                let seed = draws.then(|| env::seed(&*self.settings.chance));
                let started = Started { plan: &plan, trigger, payload: &payload, env: &env };
                let words = started_by(trigger);
                let dedupe = match trigger.dedupe.as_ref().map(|dedupe| (self.key(&started, &dedupe.key), dedupe)) {
                    None | Some((Ok(Value::Null), _)) => None,
                    Some((Ok(key), dedupe)) => Some(Dedupe {
                        scope: scope(&plan.flow, Some(&words)),
                        key: key.to_string(),
                        window: dedupe.window,
                        body_digest: None,
                    }),
                    Some((Err(failure), _)) => {
                        tracing::error!(flow = plan.flow, %failure, "the key of an event can't be computed");
                        None
                    }
                };
                let gate = self.gate(&plan, Some(index), &payload, &env).unwrap_or_else(|failure| {
                    tracing::error!(flow = plan.flow, %failure, "the key of `concurrency` can't be computed");
                    None
                });
                let gather = self.gather((&plan, &digest), Some(index), &payload, &env).unwrap_or_else(|failure| {
                    tracing::error!(flow = plan.flow, %failure, "the key of `batch` or `debounce` can't be computed");
                    None
                });
                let at = turn.batch.at;
                let id = RunId::derived(at, &[run.as_str(), &place.key(run.as_str()), &plan.flow, &index.to_string()]);
                if let Some(gate) = &gate {
                    self.recall(gate).await?;
                    specs.insert(id.clone(), gate.clone());
                }
                let known = dedupe.as_ref().filter(|_| gather.is_none());
                let keys = known.map(|dedupe| dedupe.origin(|| Sha256::of(payload.to_string().as_bytes()).to_string()));
                let new = NewRun {
                    flow: plan.flow.clone(),
                    plan: digest.clone(),
                    trigger: Some(words),
                    dedupe,
                    queued: Some(Start {
                        trigger: Some(index),
                        payload,
                        env,
                        seed,
                        trace: self.handed_on(run, turn),
                        keys,
                        ..Start::default()
                    }),
                    gate,
                    parent: None,
                    notes: Vec::new(),
                    gather,
                };
                turn.batch.begins.push((id, new));
            }
        }
        Ok(())
    }

    /// Goes on with what else has come of a batch that is on disk: runs that were told something, and new runs.
    pub(super) fn pass_on(self: &Arc<Self>, done: Done, specs: &Specs, total: i64) {
        let Done { mailed, begun, gathered, .. } = done;
        for run in mailed {
            self.post(&run, Message::Mail);
        }
        if self.is_closing() {
            return;
        }
        for gathered in gathered {
            let spec = specs.get(&gathered.run).cloned();
            self.gathered(gathered, spec, total);
        }
        if begun.is_empty() {
            return;
        }
        for run in begun {
            match specs.get(&run) {
                None => self.post(&run, Message::Begin),
                Some(spec) => {
                    let gates = &mut self.state().gates;
                    let ticket = gates.ticket();
                    gates.queue(&run, spec, ticket);
                }
            }
        }
        self.open_gates();
    }
}
