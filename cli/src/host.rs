//! Where compiler, connectors and runtime meet: an engine over a data folder.

use std::{collections::BTreeMap, future::Future, path::Path, sync::Arc};

use flow_runtime::{
    blob::Disk,
    connector::Connectors,
    engine::{Engine, Settings},
    eval::Library,
    store,
};

use crate::{
    environment::Variables,
    exit::Exit,
    trouble::{Trouble, said},
};

/// What runs work with.
pub(crate) struct Host {
    pub(crate) library: Library,
    pub(crate) variables: Variables,
}

impl Host {
    /// The standard functions, and the environment as it was read.
    pub(crate) fn new(variables: BTreeMap<String, String>) -> Self {
        Self { library: Library::new(flow_stdlib::functions()), variables: Variables::new(variables) }
    }

    /// Opens a data folder for running; it is made if it is not there. Nothing runs yet.
    ///
    /// # Errors
    /// Another process uses it, or it can't be used.
    pub(crate) fn open(&self, data: &Path) -> Result<Engine, Trouble> {
        let (env, secrets) = (Arc::new(self.variables.clone()), Arc::new(self.variables.clone()));
        let native = flow_stdlib::native::native_table();
        let blobs = Arc::new(Disk::new(data.join("blobs")));
        let connectors = Connectors::new(self.library.clone(), env.clone(), secrets, native).with_blobs(blobs.clone());
        let settings = Settings::new(data, self.library.clone(), env, Arc::new(connectors));
        Engine::open(Settings { blobs, ..settings }).map_err(|error| trouble(&error))
    }
}

/// Runs asynchronous work to its end, on all cores.
///
/// # Errors
/// Those of the work, and that no threads can be started.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::new(Exit::Environment, format!("no threads can be started: {}", said(&error))))?;
    let done = runtime.block_on(work);
    // What is left are lookups and reads that nobody waits for.
    runtime.shutdown_background();
    done
}

/// Why a data folder can't be used, and what to do.
pub(crate) fn trouble(error: &store::Error) -> Trouble {
    match error {
        store::Error::Locked { folder, pid } => {
            let holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            Trouble::new(Exit::Environment, format!("the data folder `{}` is in use by {holder}", folder.display()))
                .help("stop that process first, or choose another folder with `--data`")
        }
        store::Error::Folder { folder, source } => {
            let message = format!("the data folder `{}` can't be used: {}", folder.display(), said(source));
            Trouble::new(Exit::Environment, message).help("choose another folder with `--data`")
        }
        store::Error::Empty { folder } => {
            Trouble::new(Exit::Usage, format!("there are no runs in `{}`", folder.display()))
                .help("name the program, or the folder that was given with `--data` when it ran")
        }
        other => Trouble::new(Exit::Environment, other.to_string()),
    }
}
