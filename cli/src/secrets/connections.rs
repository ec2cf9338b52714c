//! The tokens of connections, encrypted like secrets and beside them: they are nobody's to name in a program.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use flow_runtime::{connector::Tokens, secret::SecretText};

use super::{key::Key, store::Store};

/// The tokens in a data folder. A clone is the same.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Store>);

impl Connections {
    /// Those of a data folder, opened with the key that the variables name. Nothing is read or made yet.
    pub(crate) fn of(data: &Path, variables: &BTreeMap<String, String>) -> Self {
        let folder = data.join("connections");
        let key = Key::of(&folder, variables);
        Self(Arc::new(Store::new(folder, key)))
    }
}

impl Tokens for Connections {
    fn get(&self, account: &str) -> Result<Option<SecretText>, String> {
        Ok(self.0.get(account).map_err(|trouble| trouble.message().to_owned())?.map(SecretText::new))
    }

    fn set(&self, account: &str, text: &SecretText) -> Result<(), String> {
        self.0.set(account, text.reveal()).map(drop).map_err(|trouble| trouble.message().to_owned())
    }
}
