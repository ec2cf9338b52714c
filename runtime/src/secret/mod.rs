//! Secrets: where their text is, and how it stays out of everything else.
//!
//! Plans, journals and values hold secrets by name. The text is asked for where a request is built or a signature is
//! checked, travels as [`SecretText`], which no formatter shows, and is taken out of every message and answer of that
//! call by [`Redactor`].

mod redact;

use std::{fmt, sync::Arc};

pub use self::redact::Redactor;

/// Where secrets come from.
pub trait Secrets: Send + Sync {
    /// The text of the secret of that name, if there is one.
    fn get(&self, name: &str) -> Option<SecretText>;
}

/// The text of a secret. It has no `Display`, and its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SecretText(Arc<str>);

impl SecretText {
    /// Takes the text of a secret.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text: for the request or the signature that it was asked for, and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let secret = SecretText::new("canary-7f3a");
        for shown in [format!("{secret:?}"), format!("{secret:#?}"), format!("{:?}", Some(&secret))] {
            assert!(!shown.contains("canary") && shown.contains('…'), "{shown}");
        }
    }
}
