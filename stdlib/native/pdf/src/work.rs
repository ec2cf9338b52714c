//! Work that takes a processor for a while, away from the threads that serve everything else.
//!
//! Few are at work at a time, so that many documents take neither all processors nor all memory. A call that is given up
//! keeps its place until its work has ended, for no thread can be taken away from it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use flow_model::failure::{ErrorKind, Failure};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::invalid;

/// How many are at work at a time.
static PLACES: Semaphore = Semaphore::const_new(4);

/// How deep work may nest: templates call functions that call functions.
const STACK: usize = 64 << 20;

/// What is said of a document with which the work could not come to an end.
pub(crate) const DAMAGED: &str = "the document can't be worked with: it is damaged, or holds what is not known";

/// Does the work on a thread of its own, and waits for it; none when it could not come to an end.
pub(crate) fn undisturbed<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let begun = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        begun.ok()?.join().ok()
    })
}

fn busy(error: &str) -> Failure {
    Failure::new(ErrorKind::Unavailable, format!("no thread can be had: {error}"))
}

/// A place to work at. Whoever waits for one holds nothing yet: what is read for the work is read after that.
pub(crate) async fn place() -> Result<SemaphorePermit<'static>, Failure> {
    PLACES.acquire().await.map_err(|error| busy(&error.to_string()))
}

/// Does the work on a thread of its own, which keeps the place until its end.
///
/// # Errors
/// `Invalid` when it could not come to an end: what was given to it is damaged.
pub(crate) async fn done<T: Send + 'static>(
    place: SemaphorePermit<'static>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (send, result) = oneshot::channel();
    let begun = thread::Builder::new().name("flow-pdf".to_owned()).stack_size(STACK).spawn(move || {
        // Nobody waits any more when the step has timed out.
        drop(send.send(catch_unwind(AssertUnwindSafe(work))));
        drop(place);
    });
    begun.map_err(|error| busy(&error.to_string()))?;
    match result.await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_)) | Err(_) => Err(invalid(DAMAGED)),
    }
}
