//! Which bindings does a thread see?
//!
//! The body has one scope, which the branches of `parallel` share: their slots differ, and their bindings are visible
//! after it. Each item of a loop has a scope of its own. A scope goes away with the last that holds it: a thread, a scope
//! within it, or the undo of a step that was done in it.

use std::collections::BTreeMap;

use flow_model::{expr::Slot, value::Value};
use serde::{Deserialize, Serialize};

use super::ScopeId;
use crate::eval::{Frame, Slots};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Scopes {
    scopes: BTreeMap<ScopeId, Scope>,
    next: ScopeId,
}

#[derive(Debug, Serialize, Deserialize)]
struct Scope {
    outer: Option<ScopeId>,
    frame: Frame,
    /// How many hold it.
    held: usize,
}

impl Scopes {
    /// A new scope, held once.
    pub(super) fn open(&mut self, outer: Option<ScopeId>) -> ScopeId {
        if let Some(outer) = outer {
            self.hold(outer);
        }
        self.next += 1;
        self.scopes.insert(self.next, Scope { outer, frame: Frame::new(), held: 1 });
        self.next
    }

    /// Holds a scope once more.
    pub(super) fn hold(&mut self, scope: ScopeId) -> ScopeId {
        if let Some(held) = self.scopes.get_mut(&scope) {
            held.held += 1;
        }
        scope
    }

    /// Lets a scope go.
    pub(super) fn close(&mut self, scope: ScopeId) {
        let mut at = Some(scope);
        while let Some(id) = at {
            let Some(scope) = self.scopes.get_mut(&id) else { return };
            scope.held = scope.held.saturating_sub(1);
            if scope.held > 0 {
                return;
            }
            at = self.scopes.remove(&id).and_then(|scope| scope.outer);
        }
    }

    /// What is visible from a scope, for an expression that must change nothing.
    pub(super) fn reading(&self, scope: ScopeId) -> Reading<'_> {
        Reading { scopes: self, scope, own: Frame::new() }
    }

    fn get(&self, scope: ScopeId, slot: Slot) -> Option<&Value> {
        let mut at = self.scopes.get(&scope);
        while let Some(scope) = at {
            if let Some(value) = scope.frame.get(slot) {
                return Some(value);
            }
            at = scope.outer.and_then(|outer| self.scopes.get(&outer));
        }
        None
    }

    pub(super) fn view(&mut self, scope: ScopeId) -> View<'_> {
        View { scopes: self, scope }
    }
}

/// The bindings as seen from one scope: those of outer scopes can be read, new ones are made in this one.
pub(super) struct View<'a> {
    scopes: &'a mut Scopes,
    scope: ScopeId,
}

impl Slots for View<'_> {
    fn get(&self, slot: Slot) -> Option<&Value> {
        self.scopes.get(self.scope, slot)
    }

    fn set(&mut self, slot: Slot, value: Value) {
        if let Some(scope) = self.scopes.scopes.get_mut(&self.scope) {
            scope.frame.set(slot, value);
        }
    }
}

/// The same for reading: what an expression binds goes away with it.
pub(super) struct Reading<'a> {
    scopes: &'a Scopes,
    scope: ScopeId,
    own: Frame,
}

impl Slots for Reading<'_> {
    fn get(&self, slot: Slot) -> Option<&Value> {
        self.own.get(slot).or_else(|| self.scopes.get(self.scope, slot))
    }

    fn set(&mut self, slot: Slot, value: Value) {
        self.own.set(slot, value);
    }
}
