//! The tokens of connections, encrypted like secrets and beside them: they are nobody's to name in a program.

use std::{collections::BTreeMap, fs::TryLockError, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use flow_runtime::{connector::Tokens, secret::SecretText};
use tokio::time::{sleep, timeout};

use super::{key::Key, store::Store};
use crate::trouble::said;

/// How long another process may take to get a token: longer than its two requests for one.
const PATIENCE: Duration = Duration::from_secs(120);

/// After what time it is looked whether the other has ended: whoever waits in a lock of the system can't be given up.
const AGAIN: Duration = Duration::from_millis(20);

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

#[async_trait]
impl Tokens for Connections {
    fn get(&self, account: &str) -> Result<Option<SecretText>, String> {
        Ok(self.0.get(account).map_err(|trouble| trouble.message().to_owned())?.map(SecretText::new))
    }

    fn set(&self, account: &str, text: &SecretText) -> Result<(), String> {
        self.0.set(account, text.reveal()).map(drop).map_err(|trouble| trouble.message().to_owned())
    }

    async fn alone(&self, account: &str) -> Result<Box<dyn Send>, String> {
        let file = self.0.lock_of(account).map_err(|trouble| trouble.message().to_owned())?;
        let locked = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => sleep(AGAIN).await,
                    Err(TryLockError::Error(error)) => return Err(said(&error)),
                }
            }
        };
        let late = |_| format!("another process has been getting one for {} seconds", PATIENCE.as_secs());
        timeout(PATIENCE, locked).await.map_err(late)??;
        Ok(Box::new(file))
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, poll};

    use super::*;

    #[tokio::test]
    async fn one_process_at_a_time_gets_a_token_for_a_connection() {
        let folder = tempfile::tempdir().unwrap();
        let process = || Connections::of(folder.path(), &BTreeMap::new());
        let (one, other) = (process(), process());
        let held = one.alone("crm sales").now_or_never().unwrap().unwrap();
        let mut waits = other.alone("crm sales");
        assert!(poll!(&mut waits).is_pending());
        assert!(other.alone("crm support").now_or_never().unwrap().is_ok(), "those of another are others");
        drop(held);
        waits.await.unwrap();
    }
}
