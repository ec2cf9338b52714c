//! Which bindings does a thread see?
//!
//! The body has one scope, which the branches of `parallel` share: their slots differ, and their bindings are visible
//! after it. Each item of a `for` has a scope of its own, which goes away with the item.

use std::collections::BTreeMap;

use flow_model::{expr::Slot, value::Value};

use super::ScopeId;
use crate::eval::{Frame, Slots};

#[derive(Debug, Default)]
pub(super) struct Scopes {
    scopes: BTreeMap<ScopeId, Scope>,
    next: ScopeId,
}

#[derive(Debug)]
struct Scope {
    outer: Option<ScopeId>,
    frame: Frame,
}

impl Scopes {
    pub(super) fn open(&mut self, outer: Option<ScopeId>) -> ScopeId {
        self.next += 1;
        self.scopes.insert(self.next, Scope { outer, frame: Frame::new() });
        self.next
    }

    pub(super) fn close(&mut self, scope: ScopeId) {
        self.scopes.remove(&scope);
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
        let mut at = self.scopes.scopes.get(&self.scope);
        while let Some(scope) = at {
            if let Some(value) = scope.frame.get(slot) {
                return Some(value);
            }
            at = scope.outer.and_then(|outer| self.scopes.scopes.get(&outer));
        }
        None
    }

    fn set(&mut self, slot: Slot, value: Value) {
        if let Some(scope) = self.scopes.scopes.get_mut(&self.scope) {
            scope.frame.set(slot, value);
        }
    }
}
