//! Where do bindings live while expressions are evaluated?

use std::collections::BTreeMap;

use flow_model::{expr::Slot, value::Value};
use serde::{Deserialize, Serialize};

/// The bindings that an expression sees.
pub trait Slots {
    /// What a slot holds, if it was set.
    fn get(&self, slot: Slot) -> Option<&Value>;

    /// Binds a value.
    fn set(&mut self, slot: Slot, value: Value);
}

/// Bindings of one place, with nothing around it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame(BTreeMap<Slot, Value>);

impl Frame {
    /// No bindings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Values in slots `0..`: the parameters of an operation, a template or a flow.
    pub fn of(values: impl IntoIterator<Item = Value>) -> Self {
        Self((0..).map(Slot).zip(values).collect())
    }
}

impl Slots for Frame {
    fn get(&self, slot: Slot) -> Option<&Value> {
        self.0.get(&slot)
    }

    fn set(&mut self, slot: Slot, value: Value) {
        self.0.insert(slot, value);
    }
}

/// Bindings of a lambda's call over those of the place where it was written, which it can't change.
pub(super) struct Overlay<'a> {
    below: &'a dyn Slots,
    own: Frame,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(below: &'a dyn Slots) -> Self {
        Self { below, own: Frame::new() }
    }
}

impl Slots for Overlay<'_> {
    fn get(&self, slot: Slot) -> Option<&Value> {
        self.own.get(slot).or_else(|| self.below.get(slot))
    }

    fn set(&mut self, slot: Slot, value: Value) {
        self.own.set(slot, value);
    }
}
