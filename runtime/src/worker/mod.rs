//! Who runs tasks, and when are they all over?
//!
//! The only place that starts tasks. Each belongs to a group that can be waited for and ended as a whole.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, task::AbortHandle};

/// A group of tasks. A clone is the same group.
#[derive(Clone, Debug, Default)]
pub struct Workers(Arc<Group>);

#[derive(Debug, Default)]
struct Group {
    tasks: Mutex<Tasks>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Tasks {
    next: u64,
    running: HashMap<u64, Option<AbortHandle>>,
}

/// Takes a task off the list when it ends, however it ends.
struct Listed {
    group: Arc<Group>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.group.lock().running.remove(&self.id);
        self.group.ended.notify_waiters();
    }
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers {
    /// Starts a task. It has to be called within a tokio runtime.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        // Several kilobytes, which are copied at each hand they go through where they are not behind a pointer.
        let task = Box::pin(task);
        let id = {
            let mut tasks = self.0.lock();
            tasks.next += 1;
            let id = tasks.next;
            tasks.running.insert(id, None);
            id
        };
        let listed = Listed { group: Arc::clone(&self.0), id };
        let handle = tokio::spawn(async move {
            let _listed = listed;
            task.await;
        })
        .abort_handle();
        if let Some(entry) = self.0.lock().running.get_mut(&id) {
            *entry = Some(handle.clone());
        }
        handle
    }

    /// Waits until no task is left.
    pub async fn idle(&self) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.0.lock().running.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Ends all tasks where they wait next.
    pub fn abort(&self) {
        let handles: Vec<_> = self.0.lock().running.values().flatten().cloned().collect();
        for handle in handles {
            handle.abort();
        }
    }
}

/// Runs code that blocks, away from the tasks.
///
/// # Panics
/// Passes a panic of the code on.
pub(crate) async fn blocking<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(code).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down; nobody will poll this again.
            Err(_) => std::future::pending().await,
        },
    }
}
