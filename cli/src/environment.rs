//! The environment of the process, read once: plain configuration and secrets. Nothing else in Flow reads it.

use std::{collections::BTreeMap, sync::Arc};

use flow_runtime::eval::Environment;

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

    /// Says whether a variable is set.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl Environment for Variables {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_the_variable_of_its_name() {
        assert_eq!(variable("aws/access-key.id2"), "AWS_ACCESS_KEY_ID2");
        let variables = Variables::new([("EMPTY".to_owned(), String::new())].into());
        assert_eq!(Environment::get(&variables, "EMPTY").as_deref(), Some(""));
        assert!(variables.has("EMPTY") && !variables.has("OTHER"));
    }
}
