//! Which standard function has a name?

use std::{collections::BTreeMap, sync::Arc};

use flow_model::{
    function::{Argument, Signature, StandardFunction},
    value::Value,
};

/// The standard functions by name. A clone shares the table.
#[derive(Clone, Default)]
pub struct Library(Arc<BTreeMap<String, Entry>>);

/// The code of a standard function and how many arguments it takes.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    arity: usize,
    function: &'static StandardFunction,
}

impl Library {
    /// Knows the functions of a table.
    ///
    /// # Panics
    /// When a signature does not read: the table is part of the program, and a test of it shows this.
    pub fn new(functions: &'static [StandardFunction]) -> Self {
        let entry = |function: &'static StandardFunction| {
            let signature = Signature::parse(function.signature).expect("the signatures of the library read");
            (signature.name, Entry { arity: signature.params.len(), function })
        };
        Self(Arc::new(functions.iter().map(entry).collect()))
    }

    pub(super) fn get(&self, name: &str) -> Option<Entry> {
        self.0.get(name).copied()
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Entry {
    /// Calls the code. Arguments that were left out are null.
    pub(super) fn call(self, mut args: Vec<Argument<'_>>) -> Result<Value, flow_model::failure::Failure> {
        while args.len() < self.arity {
            args.push(Argument::Value(Value::Null));
        }
        (self.function.eval)(&args)
    }
}
