//! The secrets of one call: asked for when they are needed, put in where the request is built, taken out of whatever
//! comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};

use crate::secret::{Redactor, SecretText, Secrets};

/// The secrets of one call.
pub(super) struct Vault<'a> {
    secrets: &'a dyn Secrets,
    found: Mutex<BTreeMap<String, SecretText>>,
    /// Those that a result may show.
    shown: Mutex<BTreeSet<String>>,
}

impl<'a> Vault<'a> {
    pub(super) fn new(secrets: &'a dyn Secrets) -> Self {
        Self { secrets, found: Mutex::default(), shown: Mutex::default() }
    }

    /// The text of a secret.
    ///
    /// # Errors
    /// `Unauthorized` when it is not set or empty.
    pub(super) fn text(&self, name: &str) -> Result<SecretText, Failure> {
        if let Some(text) = self.lock().get(name) {
            return Ok(text.clone());
        }
        let text = self.secrets.get(name).filter(|text| !text.reveal().is_empty()).ok_or_else(|| {
            Failure::new(
                ErrorKind::Unauthorized,
                format!("the secret `{name}` is not set: give it a value and run again"),
            )
        })?;
        self.lock().insert(name.to_owned(), text.clone());
        Ok(text)
    }

    /// Adds a secret that came from elsewhere, so that it is taken out of what comes back.
    pub(super) fn add(&self, name: &str, text: &SecretText) {
        self.lock().insert(name.to_owned(), text.clone());
    }

    /// The value with the text of each secret in the place of its name.
    pub(super) fn reveal(&self, value: Value) -> Result<Value, Failure> {
        Ok(match value {
            Value::Secret(name) => Value::text(self.text(&name)?.reveal()),
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| self.reveal(item)).collect::<Result<_, _>>()?)
            }
            Value::Record(fields) => Value::Record(
                fields
                    .into_iter()
                    .map(|(name, field)| Ok((name, self.reveal(field)?)))
                    .collect::<Result<_, Failure>>()?,
            ),
            other => other,
        })
    }

    /// What takes the secrets asked for so far out of text.
    pub(super) fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        for (name, text) in &*self.lock() {
            redactor.add(name, text);
        }
        redactor
    }

    /// Lets the result show a secret.
    pub(super) fn show(&self, name: &str) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// What takes the secrets asked for so far out of a result, but for those that it may show.
    pub(super) fn redactor_of_results(&self) -> Redactor {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut redactor = Redactor::default();
        for (name, text) in self.lock().iter().filter(|(name, _)| !shown.contains(*name)) {
            redactor.add(name, text);
        }
        redactor
    }

    /// The secrets asked for so far, by name.
    pub(super) fn found(&self) -> BTreeMap<String, SecretText> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SecretText>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
