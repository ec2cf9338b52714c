//! What becomes of the runs of a test when the process ends, and when their event comes again?

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{expr::Ambient, failure::ErrorKind, plan::TriggerKind, schema::Effect, value::Value};

use super::{World, answer::operation};
use crate::{
    eval::{Evaluator, Frame, Slots as _},
    machine::{Event, Progress, Record, Start, replay},
    sim::{What, faults::Fault},
};

impl World<'_> {
    /// Delivers the event a second time; says how many runs that starts.
    pub(super) fn send_again(&mut self, start: Start) -> Result<usize, String> {
        let trigger = start.trigger.and_then(|index| self.plan.triggers.get(index)).cloned();
        let mut frame = Frame::new();
        let item = start.payload.clone();
        if let Some(slot) = trigger.as_ref().and_then(|trigger| trigger.bind) {
            frame.set(slot, item.clone());
        }
        let declared = trigger.as_ref().and_then(|trigger| match &trigger.kind {
            TriggerKind::Webhook { connection, trigger, .. } => {
                let connector = self.plan.connectors.get(&self.plan.connections.get(connection)?.connector)?;
                connector.triggers.get(trigger)?.dedupe.clone()
            }
            _ => None,
        });
        let key = trigger.and_then(|trigger| trigger.dedupe).map(|dedupe| dedupe.key).or(declared);
        let env = BTreeMap::new();
        let ambient = |which| (which == Ambient::Item).then(|| item.clone());
        let evaluator = Evaluator {
            library: &self.library,
            functions: &self.functions,
            types: &self.types,
            env: &env,
            ambient: &ambient,
        };
        let key = key.map(|key| evaluator.eval(&key, &mut frame)).transpose().map_err(|failure| failure.message)?;
        if key.is_some_and(|key| key != Value::Null) {
            self.say(None, What::Fault("the event comes again: its key is known, so it starts nothing".to_owned()));
            return Ok(0);
        }
        let why = "the event comes again: nothing says by which key that is known, so it starts another run";
        self.say(None, What::Fault(why.to_owned()));
        let start = Start { seed: Some("a test, again".to_owned()), ..start };
        self.begin("test-again".to_owned(), Arc::clone(&self.plan), None, start)?;
        Ok(1)
    }

    /// The process ends, and what has just happened is not on record.
    pub(super) fn crash_before(&mut self, run: usize, event: &Event) -> Result<(), String> {
        let place = event.place().cloned();
        self.struck.extend(place.clone());
        let why = match event {
            Event::Started(_) => "the process ends before the run is on record",
            Event::Attempted { .. } => "the process ends before the outcome of the call is on record",
            _ => "the process ends before that is on record",
        };
        self.say(self.line(run, place.as_ref()), What::Fault(why.to_owned()));
        if let (Event::Attempted { .. }, Some((key, outcome))) = (event, self.last.take()) {
            self.known.insert(key, outcome);
        }
        self.restart()?;
        match event {
            // Who sends an event or an answer sends it again until it is accepted, and what runs tell each other is kept.
            Event::Started(_) if self.runs.get(run).is_some_and(|run| run.queued.is_none()) => Ok(()),
            Event::Started(_)
            | Event::Received { .. }
            | Event::Decided { .. }
            | Event::Returned { .. }
            | Event::Cancelled { .. } => self.apply(run, event),
            _ => Ok(()),
        }
    }

    /// The process starts again: runs are what their journals make of them, and what was under way is taken up.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        self.restarts += 1;
        self.due.clear();
        self.timers.clear();
        self.say(None, What::Said("the process starts again, and goes on from the journal".to_owned()));
        let mut told = Vec::new();
        for (index, run) in self.runs.iter_mut().enumerate() {
            if let Some(start) = &run.queued {
                // The first run has no sender but the one that notices the crash.
                told.extend(run.parent.is_some().then(|| (index, Event::Started(start.clone()))));
                continue;
            }
            if run.machine.outcome().is_some() {
                continue;
            }
            let plan = Arc::clone(run.machine.plan());
            let said = run.said.iter().map(|(at, said)| (*at, said));
            run.machine = replay(&run.id, plan, self.library.clone(), said).map_err(|diverged| diverged.to_string())?;
            for call in run.machine.calls() {
                match call.progress {
                    Progress::Waiting => self.due.push_back((index, call)),
                    Progress::Begun => {
                        self.lost.insert(call.key.clone());
                        self.struck.insert(call.place.clone());
                        told.push((index, Event::Lost { place: call.place, attempt: call.attempt }));
                    }
                }
            }
            let timers = run.machine.timers().into_iter();
            self.timers.extend(timers.map(|(place, until)| (until, index, place)));
        }
        for (run, event) in told {
            self.apply(run, &event)?;
        }
        Ok(())
    }

    /// Notes when a step ends with an error because of the fault, which the program may deal with in its own way.
    pub(super) fn ends_step(&mut self, run: usize, record: &Record) {
        let (Record::StepFailed { place, failure }, Some(fault)) = (record, self.fault) else { return };
        if !self.struck.contains(place) {
            return;
        }
        let reads = || {
            let plan = self.runs.get(run).map(|run| run.machine.plan())?;
            let made = self.report.calls.iter().rev().find(|made| made.place == *place)?;
            Some(operation(plan, &made.connection, &made.operation)?.effect == Effect::Read)
        };
        let is_by_fault = match fault {
            Fault::Fails(_, kind) => failure.kind == *kind,
            Fault::Lost(_) => failure.kind == ErrorKind::Interrupted || reads() == Some(true),
            Fault::CrashBefore(_) | Fault::CrashAfter(_) => failure.kind == ErrorKind::Interrupted,
            Fault::Twice => false,
        };
        if is_by_fault {
            self.ended_by = Some(failure.kind.clone());
        }
    }
}
