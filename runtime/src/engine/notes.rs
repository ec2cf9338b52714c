//! What do triggers keep of what they have seen?
//!
//! A trigger that looks for what has happened (a schedule, a poll, a folder) has to know where it was when the process
//! ended. What it keeps is text by key, within the flow and the trigger, so that a new version of the flow goes on where
//! the one before was, as long as the trigger stays as it is written.

use std::collections::BTreeMap;

use flow_model::plan::Trigger;

use super::{
    Engine,
    submit::{scope, started_by},
};
use crate::store::{Error, Note};

impl Engine {
    /// What a trigger of a flow has kept, by key.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn notes(&self, flow: &str, trigger: &Trigger) -> Result<BTreeMap<String, String>, Error> {
        self.inner.store.notes(&scope(flow, Some(&started_by(trigger)))).await
    }

    /// Keeps notes of a trigger beside those that it has. On disk when this returns.
    ///
    /// # Errors
    /// When they can't be written: the engine then halts.
    pub async fn keep(&self, flow: &str, trigger: &Trigger, notes: BTreeMap<String, String>) -> Result<(), Error> {
        self.inner.halted.check()?;
        let kept = self.inner.store.keep(of(&scope(flow, Some(&started_by(trigger))), notes)).await;
        kept.inspect_err(|error| self.inner.halt(error.clone()))
    }
}

/// Notes within a scope.
pub(super) fn of(scope: &str, notes: BTreeMap<String, String>) -> Vec<Note> {
    notes.into_iter().map(|(key, text)| Note { scope: scope.to_owned(), key, text }).collect()
}
