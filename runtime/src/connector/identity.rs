//! What tells an account from all others, as long as the process lives?
//!
//! Two programs may give the same name to connections to different systems, and a program that is loaded again may reach
//! another system by an old name. So limits and breakers belong to a connection as it is configured, and tokens besides to
//! the texts of its secrets: what was given out for one is never found by another. Texts enter by a keyed digest, whose key
//! is drawn by the process and known to nobody.

use std::sync::Arc;

use flow_model::{
    failure::Failure,
    schema::{Auth, Call, Connector},
    value::Value,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use indexmap::IndexMap;
use serde::Serialize;
use sha2::Sha256;

use super::{Connectors, Invocation, perform::Found, vault::Vault};

/// The key of the digests.
pub(super) struct Seal([u8; 32]);

impl Seal {
    pub(super) fn drawn() -> Self {
        Self(rand::random())
    }

    fn of(&self, content: &impl Serialize) -> String {
        let content = serde_json::to_vec(content).expect("declarations and values are always writable as JSON");
        let mut digest = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length is taken");
        digest.update(&content);
        hex::encode(digest.finalize().into_bytes())
    }
}

/// The name of a connection's account on disk, where the tokens lie that a person has agreed to.
pub(super) fn name(connector: &Connector, connection: &str) -> String {
    format!("{} {connection}", connector.name)
}

impl Connectors {
    /// What shares limits, pauses and the breaker. A secret counts by its name: one that is turned leaves them as they are. It is
    /// found when an attempt asks to leave, and then known from its pass.
    ///
    /// # Errors
    /// A setting is missing.
    pub(super) fn account(&self, invocation: &Invocation, found: Found<'_>) -> Result<Arc<str>, Failure> {
        if let Some(account) = invocation.admitted.as_ref().and_then(|admitted| admitted.account.as_ref()) {
            return Ok(Arc::clone(account));
        }
        let Found { connection, connector, .. } = found;
        let config = self.config(&invocation.plan, &invocation.connection, connection, connector)?;
        let reached = connector.http.as_ref().map(|http| (&http.base, &http.sandbox, &http.auth));
        let digest = self.seal.of(&(reached, Value::Record(config)));
        Ok(format!("{} {digest}", name(connector, &invocation.connection)).into())
    }

    /// What shares tokens: the same declaration of where requests go and how they log in, the same settings, and secrets of
    /// the same text.
    ///
    /// # Errors
    /// A secret is not set.
    pub(super) fn holder(
        &self,
        connector: &Connector,
        connection: &str,
        config: &IndexMap<String, Value>,
        vault: &Vault<'_>,
    ) -> Result<String, Failure> {
        let settings = vault.reveal(Value::Record(config.clone()))?;
        let login = match connector.http.as_ref().map(|http| &http.auth) {
            Some(Auth::Session(session)) => connector.operations.get(&session.login.operation),
            _ => None,
        };
        let login: Option<&Call> = login.map(|operation| &operation.call);
        let digest = self.seal.of(&(&connector.http, login, settings));
        Ok(format!("{} {digest}", name(connector, connection)))
    }
}
