//! Where compiler, connectors and runtime meet: an engine over a data folder.

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use flow_model::plan::Plan;
use flow_runtime::{
    blob::Disk,
    connector::{Connectors, Standing},
    control::{self, Listening},
    egress::{Guard, Networks},
    engine::{Engine, Limits, Settings},
    eval::Library,
    observe::{Observer, Unobserved},
    store,
};

use flow_compiler::project::Written;

use crate::{
    args,
    environment::{self, Variables},
    exit::Exit,
    program::Place,
    secrets::{Keyring, Places, connections::Connections},
    trouble::{Trouble, said},
};

/// The variable that lists networks besides those of the project, apart by commas: `localhost`, `10.0.0.0/8`.
const NETWORKS: &str = "FLOW_NETWORK_ALLOW";

/// What surrounds a program: where its runs and secrets are, and where its calls may go.
pub(crate) struct Surroundings {
    pub(crate) data: PathBuf,
    pub(crate) keyring: Keyring,
    pub(crate) connections: Connections,
    variables: BTreeMap<String, String>,
    guard: Guard,
}

impl Surroundings {
    /// What surrounds the program in a file or folder.
    ///
    /// # Errors
    /// A variable or the `.env` file does not read.
    pub(crate) fn of(place: &Place, program: &Path, data: &args::Data) -> Result<Self, Trouble> {
        Self::with(place, program, data, environment::variables())
    }

    /// The same with these variables of the process.
    ///
    /// # Errors
    /// As [`Surroundings::of`].
    pub(crate) fn with(
        place: &Place,
        program: &Path,
        data: &args::Data,
        variables: BTreeMap<String, String>,
    ) -> Result<Self, Trouble> {
        let data = place.data_folder(data, program);
        let networks = networks(&place.project().network.allow, variables.get(NETWORKS).map(String::as_str))?;
        let places = Places::of(&place.project().secrets, &place.folder(program), &data);
        let connections = Connections::of(&data, &variables);
        let keyring = Keyring::new(places, variables)?;
        // The project speaks last, where neither the process nor the `.env` file has a variable.
        let mut all = keyring.variables();
        for (name, text) in place.settings().env {
            all.entry(name).or_insert(text.value);
        }
        Ok(Self { data, keyring, connections, variables: all, guard: Guard::new(networks) })
    }
}

fn networks(project: &[Written<String>], variable: Option<&str>) -> Result<Networks, Trouble> {
    let listed = variable.unwrap_or_default().split(',').map(str::trim).filter(|line| !line.is_empty());
    Networks::listed(project.iter().map(|network| network.value.as_str()).chain(listed))
        .map_err(|error| Trouble::new(Exit::Environment, format!("{NETWORKS} or `[network] allow`: {error}")))
}

/// What runs work with.
pub(crate) struct Host {
    pub(crate) library: Library,
    pub(crate) variables: Variables,
    pub(crate) keyring: Keyring,
    connections: Connections,
    guard: Guard,
    observer: Arc<dyn Observer>,
}

impl Host {
    /// The standard functions, and what surrounds the program.
    pub(crate) fn new(surroundings: &Surroundings) -> Self {
        Self {
            library: Library::new(flow_stdlib::functions()),
            variables: Variables::new(surroundings.variables.clone()),
            keyring: surroundings.keyring.clone(),
            connections: surroundings.connections.clone(),
            guard: surroundings.guard.clone(),
            observer: Arc::new(Unobserved),
        }
    }

    /// The same, with somebody who hears what happens.
    pub(crate) fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// What carries out calls, without a run. Documents of strangers are read by a process of this program.
    pub(crate) fn connectors(&self) -> Connectors {
        let (env, secrets) = (Arc::new(self.variables.clone()), Arc::new(self.keyring.clone()));
        Connectors::new(self.library.clone(), env, secrets, flow_stdlib::native::native_table(own_program().as_deref()))
            .with_guard(self.guard.clone())
            .with_tokens(Arc::new(self.connections.clone()))
    }

    /// The connections of plans that a person has to connect before calls can be made, each with what to do.
    pub(crate) fn unconnected(&self, plans: &[Arc<Plan>]) -> BTreeMap<String, String> {
        let connectors = self.connectors();
        let mut unconnected = BTreeMap::new();
        for plan in plans {
            for name in plan.connections.keys() {
                let state = match connectors.standing(plan, name) {
                    Ok(Standing::NotConnected) => "is not connected yet",
                    Ok(Standing::Ended) => "has to be connected again",
                    // What is missing otherwise is said where it is needed.
                    Ok(Standing::Configured(_) | Standing::Connected { .. }) | Err(_) => continue,
                };
                unconnected
                    .insert(name.clone(), format!("the connection `{name}` {state}: run `flowc connect {name}`"));
            }
        }
        unconnected
    }

    /// Opens a data folder for running; it is made if it is not there. Nothing runs yet.
    ///
    /// # Errors
    /// Another process uses it, or it can't be used.
    pub(crate) fn open(&self, data: &Path) -> Result<Engine, Trouble> {
        self.try_open(data).map_err(|error| trouble(&error))
    }

    /// The same, for those who can go on without the folder.
    ///
    /// # Errors
    /// As [`Host::open`].
    pub(crate) fn try_open(&self, data: &Path) -> Result<Engine, store::Error> {
        self.engine(data).map(|(engine, _)| engine)
    }

    /// The same, with what carries out its calls.
    ///
    /// # Errors
    /// As [`Host::open`].
    pub(crate) fn open_for_both(&self, data: &Path) -> Result<(Engine, Arc<Connectors>), Trouble> {
        self.engine(data).map_err(|error| trouble(&error))
    }

    fn engine(&self, data: &Path) -> Result<(Engine, Arc<Connectors>), store::Error> {
        let env = Arc::new(self.variables.clone());
        let blobs = Arc::new(Disk::leaving(data.join("blobs"), Limits::default().reserve));
        let connectors = Arc::new(self.connectors().with_blobs(blobs.clone()));
        let settings = Settings::new(data, self.library.clone(), env, connectors.clone());
        let observer = Arc::clone(&self.observer);
        Ok((Engine::open(Settings { blobs, observer, ..settings })?, connectors))
    }
}

/// This program, as it is while it runs, also when its file has been replaced.
fn own_program() -> Option<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Some(running.to_owned()) } else { std::env::current_exe().ok() }
}

/// Listens for what `flowc runs` asks of an engine, as long as what is returned lives.
pub(crate) async fn listen(engine: &Arc<Engine>, data: &Path) -> Option<Listening> {
    match control::listen(Arc::clone(engine), data).await {
        Ok(listening) => Some(listening),
        Err(error) => {
            tracing::warn!(%error, "`flowc runs` can only look at runs, and decide nothing, as long as this process runs");
            None
        }
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
        store::Error::Copied { folder } => {
            let message = format!("the data folder `{}` is a copy of another one", folder.display());
            Trouble::new(Exit::Environment, message)
                .help("if its runs went on here, they might do twice what they do where it was copied from")
                .help("if that one is gone, `flowc journal adopt` makes this one go on in its place, with the same idempotency keys")
                .help("if that one lives, serve another folder with `--data`; `flowc runs list` and `show` read this one as it is")
        }
        store::Error::Pages { .. } => Trouble::new(Exit::Environment, error.to_string())
            .help("keep a copy of the data folder as it is, and put one in its place that was made before"),
        store::Error::Empty { folder } => {
            Trouble::new(Exit::Usage, format!("there are no runs in `{}`", folder.display()))
                .help("name the program, or the folder that was given with `--data` when it ran")
        }
        other => Trouble::new(Exit::Environment, other.to_string()),
    }
}
