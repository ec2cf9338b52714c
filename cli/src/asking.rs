//! How is something asked of the runs of a data folder, whoever has it?
//!
//! Where a process works on the folder, it is asked and does it. Otherwise the folder is opened here, what is asked is
//! written down without anything leaving, and a later `flowc serve` or `flowc runs resume` carries it out.

use std::{path::Path, sync::Arc, time::Duration};

use flow_model::plan::Plan;
use flow_runtime::{
    control::{self, Ask, Fault, Refusal, Told, Unreachable},
    store,
};

use crate::{
    args,
    exit::Exit,
    host::{self, Host, Surroundings},
    program,
    trouble::Trouble,
};

/// How often, and after which pause, is asked again while a process has the folder that does not listen: it is starting or
/// stopping.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

/// What has come of it, and who did it.
pub(crate) struct Answered {
    pub(crate) told: Told,
    pub(crate) by: Doer,
}

/// Who did what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doer {
    /// The process that works on the folder: the run goes on there.
    Other,
    /// This one: the run rests until a process works on the folder.
    Us,
}

/// Asks, and waits until it is done. Where nobody is there to be asked, runs may be begun of these plans.
///
/// # Errors
/// It can't be done, or the data folder can't be used.
pub(crate) fn ask(data: &args::Data, program: &Path, ask: &Ask, plans: &[Arc<Plan>]) -> Result<Answered, Trouble> {
    let place = program::Place::of(program, &data.environment)?;
    let folder = place.data_folder(data, program);
    let mut locked = None;
    for _ in 0..TRIES {
        match control::ask(&folder, ask) {
            Ok(told) => return told.map(|told| Answered { told, by: Doer::Other }).map_err(refused),
            Err(Unreachable::Nobody) => {}
            Err(error @ Unreachable::Silent { .. }) => {
                return Err(Trouble::new(Exit::Environment, error.to_string())
                    .help("`flowc runs why` tells whether it was done: look before you ask again"));
            }
        }
        let host = Host::new(&Surroundings::of(&place, program, data)?);
        match host.try_open(&folder) {
            Ok(engine) => {
                engine.hold();
                let told = host::block_on(async {
                    for plan in plans {
                        engine.deploy(Arc::clone(plan)).await.map_err(|error| host::trouble(&error))?;
                    }
                    let told = control::perform(&engine, ask.clone()).await;
                    engine.shutdown().await;
                    told.map_err(refused)
                })?;
                return Ok(Answered { told, by: Doer::Us });
            }
            Err(error @ store::Error::Locked { .. }) => locked = Some(error),
            Err(error) => return Err(host::trouble(&error)),
        }
        std::thread::sleep(PAUSE);
    }
    let trouble = locked.map_or_else(|| Trouble::told(Exit::Environment), |error| host::trouble(&error));
    Err(Trouble::new(Exit::Environment, format!("{}, and can't be asked", trouble.message()))
        .help("it may be of an older version, or be stopping: try again, or stop it first"))
}

/// Says whether a process works on a data folder.
pub(crate) fn is_served(folder: &Path) -> bool {
    matches!(control::ask(folder, &Ask::Hello), Ok(Ok(Told::Hello)))
}

fn refused(refusal: Refusal) -> Trouble {
    let exit = match refusal.fault {
        Fault::Asked => Exit::Usage,
        Fault::Store => Exit::Environment,
    };
    refusal.help.into_iter().fold(Trouble::new(exit, refusal.message), Trouble::help)
}
