//! The environment of the process, read once: plain configuration and secrets. Nothing else in Flow reads it.

use std::{collections::BTreeMap, sync::Arc};

use flow_runtime::{
    eval::Environment,
    secret::{SecretText, Secrets},
};

/// The variables of the process. What is not UTF-8 is not there.
pub(crate) fn variables() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?))).collect()
}

/// The environment variable that holds a secret: `stripe/webhook` is `STRIPE_WEBHOOK`.
pub(crate) fn variable(secret: &str) -> String {
    secret.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The variables as the runtime asks for them.
#[derive(Clone)]
pub(crate) struct Variables(Arc<BTreeMap<String, String>>);

impl Variables {
    /// Takes the variables that were read.
    pub(crate) fn new(variables: BTreeMap<String, String>) -> Self {
        Self(Arc::new(variables))
    }

    /// All of them by name.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl Environment for Variables {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

impl Secrets for Variables {
    fn get(&self, name: &str) -> Option<SecretText> {
        self.0.get(&variable(name)).filter(|text| !text.is_empty()).map(|text| SecretText::new(text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_variables_of_their_name_and_an_empty_one_is_missing() {
        assert_eq!(variable("aws/access-key.id2"), "AWS_ACCESS_KEY_ID2");
        let set = [("STRIPE_WEBHOOK", "whsec"), ("EMPTY", "")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let variables = Variables::new(set.into());
        assert_eq!(Secrets::get(&variables, "stripe/webhook").unwrap().reveal(), "whsec");
        assert!(Secrets::get(&variables, "empty").is_none() && Secrets::get(&variables, "other").is_none());
        assert_eq!(Environment::get(&variables, "EMPTY").as_deref(), Some(""));
    }
}
