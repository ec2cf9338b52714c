//! Which names are bound here, in which slots, and what is known of them?
//!
//! A scope is a stack of frames. Bindings never change, so what a condition has shown of a place (that it is not null)
//! holds until the frame ends in which it was shown. Left out on purpose: names of items ([`crate::names`]).

use std::collections::BTreeMap;

use flow_model::{
    expr::{Ambient, Expr, Slot},
    span::Span,
    ty::Type,
};
use indexmap::IndexMap;

/// What a binding is, for messages and for the rule on unused ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A parameter of a flow or function, or of an operation.
    Parameter,
    /// `let`
    Let,
    /// `step name = …`
    Step,
    /// The item of a `for`.
    Item,
    /// The payload of a trigger.
    Payload,
    /// Bound by a pattern.
    Pattern,
    /// The failure that `catch` binds.
    Failure,
    /// A parameter of a lambda.
    Lambda,
}

impl Kind {
    /// What a person calls it.
    pub(crate) fn spoken(self) -> &'static str {
        match self {
            Self::Parameter | Self::Lambda => "parameter",
            Self::Let | Self::Pattern => "binding",
            Self::Step => "step",
            Self::Item => "item",
            Self::Payload => "payload",
            Self::Failure => "failure",
        }
    }
}

/// A name and where its value is.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    /// Where the value is.
    pub slot: Slot,
    /// What values it has.
    pub ty: Type,
    /// The name where it is bound.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
    /// Whether something reads it.
    pub used: bool,
}

/// What can be known of a place: a slot or an ambient value, or a member below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    root: Root,
    path: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Slot(Slot),
    Ambient(Ambient),
    /// Any place: what a condition with a mistake may have shown.
    Anything,
}

impl Place {
    /// Whatever a condition may have shown that could not be understood.
    pub(crate) fn anything() -> Self {
        Self { root: Root::Anything, path: Vec::new() }
    }

    /// Says whether this stands for whatever a condition may have shown.
    pub(crate) fn is_anything(&self) -> bool {
        self.root == Root::Anything
    }

    /// The place that an expression reads, if it does nothing else.
    pub(crate) fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Slot(slot) => Some(Self { root: Root::Slot(*slot), path: Vec::new() }),
            Expr::Ambient(ambient) => Some(Self { root: Root::Ambient(*ambient), path: Vec::new() }),
            Expr::Member { of, name, .. } => {
                let mut place = Self::of(of)?;
                place.path.push(name.clone());
                Some(place)
            }
            _ => None,
        }
    }

    /// Says whether this is `other` or a member of it: when a member is not null, neither is what has it.
    fn is_at_or_below(&self, other: &Self) -> bool {
        self.root == other.root && self.path.starts_with(&other.path)
    }
}

/// What a frame holds.
#[derive(Default)]
pub(crate) struct Frame {
    /// By name.
    pub bindings: IndexMap<String, Binding>,
    /// Places that are not null.
    pub present: Vec<Place>,
    /// Names that other branches of a `parallel` bind, with their places.
    pub siblings: BTreeMap<String, Span>,
    /// `race` where these are branches of a race.
    pub block: &'static str,
}

/// What a name means among the bindings.
pub(crate) enum Found<'s> {
    /// A binding; reading it counts as use.
    Binding(&'s Binding),
    /// Another branch of the same `parallel` or `race` binds it, there.
    Sibling(Span, &'static str),
    /// Nothing.
    Nothing,
}

/// The bindings in scope.
#[derive(Default)]
pub(crate) struct Scope {
    frames: Vec<Frame>,
    next: u32,
    /// What the author called the slots.
    pub slots: BTreeMap<Slot, String>,
}

impl Scope {
    /// Opens a frame.
    pub(crate) fn push(&mut self) {
        self.frames.push(Frame::default());
    }

    /// Closes the innermost frame and returns what it held.
    pub(crate) fn pop(&mut self) -> Frame {
        self.frames.pop().unwrap_or_default()
    }

    /// Hides all bindings, and gives what has to be [put back](Self::show).
    pub(crate) fn hide(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.frames)
    }

    /// Shows bindings again that were hidden, and no others.
    pub(crate) fn show(&mut self, frames: Vec<Frame>) {
        self.frames = frames;
    }

    /// A slot that nothing uses yet.
    pub(crate) fn fresh(&mut self) -> Slot {
        let slot = Slot(self.next);
        self.next += 1;
        slot
    }

    /// The innermost frame.
    pub(crate) fn innermost(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.push();
        }
        self.frames.last_mut().expect("a frame was just pushed when there was none")
    }

    /// Binds a name in the innermost frame. Returns the place of a binding of the same name in that frame, which the new
    /// one replaces.
    pub(crate) fn bind(&mut self, name: &str, binding: Binding) -> Option<Span> {
        self.slots.insert(binding.slot, name.to_owned());
        self.innermost().bindings.insert(name.to_owned(), binding).map(|old| old.span)
    }

    /// What a name means; a binding that is found counts as used.
    pub(crate) fn find(&mut self, name: &str) -> Found<'_> {
        for frame in self.frames.iter_mut().rev() {
            if let Some(binding) = frame.bindings.get_mut(name) {
                binding.used = true;
                return Found::Binding(binding);
            }
            if let Some(span) = frame.siblings.get(name) {
                let block = if frame.block.is_empty() { "parallel" } else { frame.block };
                return Found::Sibling(*span, block);
            }
        }
        Found::Nothing
    }

    /// Says whether a name is bound, without counting as use.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| frame.bindings.contains_key(name))
    }

    /// All bindings, innermost first.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = (&str, &Binding)> {
        self.frames.iter().rev().flat_map(|frame| &frame.bindings).map(|(name, binding)| (name.as_str(), binding))
    }

    /// All names that are bound here, innermost first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.frames.iter().rev().flat_map(|frame| frame.bindings.keys().map(String::as_str))
    }

    /// Learns that places are not null, until the innermost frame ends.
    pub(crate) fn learn(&mut self, present: Vec<Place>) {
        self.innermost().present.extend(present);
    }

    /// Says whether a condition that could not be understood may have shown that something is not null.
    pub(crate) fn is_unsure(&self) -> bool {
        self.frames.iter().flat_map(|frame| &frame.present).any(Place::is_anything)
    }

    /// Says whether a place is known not to be null.
    pub(crate) fn is_present(&self, place: &Place) -> bool {
        self.frames.iter().flat_map(|frame| &frame.present).any(|known| known.is_at_or_below(place))
    }
}
