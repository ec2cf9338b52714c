//! `flowc serve`: runs for whatever the triggers of programs bring, until it is told to stop.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use flow_model::{
    diagnostic::Code,
    plan::{Plan, TriggerKind},
};
use flow_runtime::{
    engine::{Engine, started_by},
    eval::Environment,
    timer::{Clock as _, SystemClock},
    trigger::{self, Route, Schedule, Verified},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch::channel};

use super::{
    reload::{Changes, Reload},
    webhooks::{Hooks, renew},
};
use crate::{
    args,
    exit::Exit,
    host::{self, Host, Surroundings},
    interrupt::Interrupts,
    log,
    program::{self, Place, needs::Needs},
    trouble::{Trouble, said},
    ui::{self, CARE, HINT, QUIET, STRONG, styled, table::width, time::day_and_time},
    watch::{self, Watch},
};

/// Where it listens when nobody says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4711);

/// Serves programs.
///
/// # Errors
/// A program has errors, something is missing, or the address or the data folder is taken.
pub(crate) fn serve(args: &args::Serve) -> Result<Exit, Trouble> {
    leave_no_core();
    let place = Place::of(&args.path, &args.data.environment)?;
    let served = load(args, &place)?;
    let plans = &served.plans;
    let mut routes = trigger::routes(plans).map_err(|error| Trouble::new(Exit::Program, error.to_string()))?;
    let token = place.project().serve.token.as_ref().map(|token| token.value.as_str());
    if token.is_some() {
        routes.extend(trigger::calls(plans));
    }
    let surroundings = Surroundings::of(&place, &args.path, &args.data)?;
    let (host, data) = (Host::new(&surroundings), &surroundings.data);
    let mut needs = Needs::default();
    plans.iter().for_each(|plan| needs.add(plan));
    token.iter().for_each(|token| needs.add_secret(token));
    needs.check(&host)?;
    let variable = |name: &str| Environment::get(&host.variables, name);
    log::start(args.log, variable(log::VARIABLE).as_deref())?;
    for told in host.unconnected(plans).values() {
        tracing::warn!("{told}; runs that need it wait until then");
    }
    let collector = watch::collector(&variable)?;
    host::block_on(async {
        let watch = Watch::start(collector);
        let host = host.observed(watch.observer());
        let exit = until_stopped(args, &place, &host, served, &routes, data, &watch).await;
        watch.end().await;
        exit
    })
}

/// A process that breaks down leaves nothing of its memory on the disk: there are secrets in it.
fn leave_no_core() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // What can be had of it already may be lowered by anyone.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
}

/// What programs are made of.
pub(super) struct Served {
    /// The plans of all flows.
    pub(super) plans: Vec<Arc<Plan>>,
    hooks: Hooks,
}

/// Reads the programs.
fn load(args: &args::Serve, place: &Place) -> Result<Served, Trouble> {
    let served = served(place, &program::served(&args.path)?)?;
    if place.project().serve.token.is_none() && served.plans.iter().all(|plan| plan.triggers.is_empty()) {
        return Err(Trouble::new(Exit::Usage, format!("no flow of `{}` has a trigger", args.path.display()))
            .help("add one, for example `on every 15m`, or run the flow once with `flowc run`")
            .help("with `token` in `[serve]` of flow.toml, flows without triggers can be called over HTTP"));
    }
    Ok(served)
}

/// Takes up new versions of the programs, when they can be served; gives what holds from now on.
async fn take_up(
    args: &args::Serve,
    host: &Host,
    engine: &Engine,
    before: &[Arc<Plan>],
) -> Result<Option<Served>, Trouble> {
    let served = tokio::task::block_in_place(|| {
        let served = load(args, &Place::of(&args.path, &args.data.environment)?)?;
        let plans = &served.plans;
        let wrong = |error: trigger::RouteError| Trouble::new(Exit::Program, error.to_string());
        trigger::routes(plans).map_err(wrong)?;
        trigger::schedules(plans).map_err(wrong)?;
        let mut needs = Needs::default();
        plans.iter().for_each(|plan| needs.add(plan));
        needs.check(host)?;
        Ok::<_, Trouble>(served)
    })?;
    let changes = Changes::between(before, &served.plans);
    if changes.is_empty() {
        tracing::info!("the programs are as they were");
        return Ok(None);
    }
    engine.deploy_only(&served.plans).await.map_err(|error| host::trouble(&error))?;
    let (new, changed, gone) = (changes.new.join(", "), changes.changed.join(", "), changes.gone.join(", "));
    tracing::info!(new, changed, gone, "new versions are taken up: runs that have begun keep theirs");
    Ok(Some(served))
}

/// What all programs are made of.
pub(super) fn served(place: &Place, files: &[PathBuf]) -> Result<Served, Trouble> {
    let mut hooks = Hooks::new();
    let mut plans: BTreeMap<String, (Arc<Plan>, String)> = BTreeMap::new();
    let mut failed = None;
    let mut ending = BTreeSet::new();
    for file in files {
        let checked = place.check(file)?;
        // Of a folder, a file that declares no flow is no program: others use it, or it tests them.
        let is_unread = checked.diagnostics.iter().any(|problem| problem.code.id().starts_with("E01"));
        if files.len() > 1 && checked.flows.is_empty() && !is_unread {
            continue;
        }
        let ends = checked.diagnostics.iter().filter(|problem| problem.code == Code::W0607);
        ending.extend(ends.map(|problem| problem.message.clone()));
        let program = match place.accept(file, checked) {
            Ok(program) => program,
            Err(trouble) => {
                // The others are checked all the same, so that all mistakes are shown in one go.
                failed.replace(trouble).iter().for_each(ui::say_trouble);
                continue;
            }
        };
        hooks.extend(program.hooks.into_iter().map(|(connection, plan)| (connection, Arc::new(plan))));
        for (name, plan) in program.plans {
            // What several programs use from one file, such as a program and the file of its tests, is one flow.
            let declared = program.declared.get(&name).cloned().unwrap_or_else(|| file.display().to_string());
            if let Some((_, first)) = plans.get(&name) {
                if *first == declared {
                    continue;
                }
                let places = format!("`{first}` and `{declared}`");
                return Err(Trouble::new(Exit::Program, format!("{places} both declare a flow `{name}`"))
                    .help("rename one of them: runs are kept by the name of their flow"));
            }
            plans.insert(name, (Arc::new(plan), declared));
        }
    }
    for told in ending {
        ui::say(&format!("{} {told}: `flowc check` says what to do\n", styled(CARE, "warning:")));
    }
    match failed {
        Some(trouble) => Err(trouble),
        None => Ok(Served { plans: plans.into_values().map(|(plan, _)| plan).collect(), hooks }),
    }
}

async fn until_stopped(
    args: &args::Serve,
    place: &Place,
    host: &Host,
    Served { plans, hooks }: Served,
    routes: &[Route],
    data: &Path,
    watch: &Watch,
) -> Result<Exit, Trouble> {
    let mut interrupts = Interrupts::new()?;
    let mut reload = Reload::new(args.watch.then(|| place.folder(&args.path)).as_deref())?;
    let serve = &place.project().serve;
    let listen = args.listen.or(serve.listen.map(|listen| listen.value)).unwrap_or(LISTEN);
    let listener = bind(listen).await?;
    let address = listener.local_addr().map_err(|error| unusable(listen, &said(&error)))?;
    let (engine, connectors) = host.open_for_both(data)?;
    let engine = Arc::new(engine);
    let _listening = host::listen(&engine, data).await;
    engine.deploy_only(&plans).await.map_err(|error| host::trouble(&error))?;
    let mut needs = Needs::default();
    let pinned = engine.plans_in_use().await.map_err(|error| host::trouble(&error))?;
    pinned.iter().for_each(|plan| needs.add_unfinished(plan));
    needs
        .check(host)
        .map_err(|trouble| trouble.help("earlier runs that are not over need this, and would fail without it"))?;
    let continued = engine.resume().await.map_err(|error| host::trouble(&error))?;
    engine.tidy_regularly(place.project().runs.keep.map(|keep| keep.value));
    let public = serve.public_url.as_ref().map(|url| &url.value);
    let schedules = trigger::schedules(&plans).map_err(|error| Trouble::new(Exit::Program, error.to_string()))?;
    let (schedules, events) = (&schedules, &subscribers(&plans));
    let notice = Notice { address, public: public.map(|url| url.as_str()), routes, schedules, events, data, continued };
    ui::print(&match args.log {
        args::Format::Human => notice.human(),
        args::Format::Json => notice.json(),
    })?;
    let settings = trigger::Settings {
        library: host.library.clone(),
        env: Arc::new(host.variables.clone()),
        secrets: Arc::new(host.keyring.clone()),
        roots: Arc::new(trigger::verify::Roots::of_the_machine()),
        clock: Arc::new(SystemClock),
        limits: trigger::Limits::default(),
        public_url: public.cloned(),
        token: serve.token.as_ref().map(|token| token.value.clone()),
        counters: Arc::clone(&watch.counters),
        metrics: Some(Arc::clone(&watch.metrics)),
        folder: place.folder(&args.path),
    };
    let (others, plans) = channel(plans);
    let (hooks, known) = channel(hooks);
    let renewing = tokio::spawn(renew(connectors, data.to_owned(), known));
    let stop = async {
        loop {
            tokio::select! {
                () = interrupts.next() => break,
                () = reload.next() => {}
            }
            let before = others.borrow().clone();
            match take_up(args, host, &engine, &before).await {
                Ok(None) => {}
                Ok(Some(served)) => {
                    hooks.send_replace(served.hooks);
                    drop(others.send(served.plans));
                }
                Err(trouble) => {
                    ui::say_trouble(&trouble);
                    tracing::error!("the new versions are not taken up: those before go on serving");
                }
            }
        }
        tracing::info!("stopping: steps that are under way may finish, a second signal stops at once");
    };
    let served = trigger::serve(Arc::clone(&engine), plans, listener, settings, stop).await;
    renewing.abort();
    interrupts.or(engine.shutdown()).await?;
    match served {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(Exit::Done)
        }
        Err(error) => Err(Trouble::new(Exit::Environment, error.to_string())),
    }
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, Trouble> {
    TcpListener::bind(listen).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Trouble::new(Exit::Environment, format!("the address {listen} is in use"))
            .help("stop what listens there, or choose another with `--listen`; port 0 takes any free one"),
        _ => unusable(listen, &said(&error)),
    })
}

fn unusable(listen: SocketAddr, reason: &str) -> Trouble {
    Trouble::new(Exit::Environment, format!("the address {listen} can't be listened to: {reason}"))
        .help("choose another with `--listen`")
}

/// The flows that events and files start, by what they are started by: `event order.paid`, `file inbox/*.csv`.
fn subscribers(plans: &[Arc<Plan>]) -> BTreeMap<String, Vec<String>> {
    let mut subscribers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for plan in plans {
        for trigger in plan.triggers.iter().filter(|trigger| {
            matches!(trigger.kind, TriggerKind::Event { .. } | TriggerKind::File { .. } | TriggerKind::Poll { .. })
        }) {
            let flows = subscribers.entry(started_by(trigger)).or_default();
            if !flows.contains(&plan.flow) {
                flows.push(plan.flow.clone());
            }
        }
    }
    subscribers
}

/// What is said when everything is ready.
struct Notice<'a> {
    address: SocketAddr,
    /// How others reach it, where the project says so.
    public: Option<&'a str>,
    routes: &'a [Route],
    schedules: &'a [Schedule],
    /// The flows that events and files start.
    events: &'a BTreeMap<String, Vec<String>>,
    data: &'a Path,
    continued: usize,
}

impl Notice<'_> {
    fn human(&self) -> String {
        let now = SystemClock.now();
        let mut rows: Vec<[String; 3]> = self
            .routes
            .iter()
            .map(|route| {
                let open = match route.verified {
                    Verified::All => String::new(),
                    Verified::NotAll => styled(CARE, "unverified"),
                };
                [route.to_string(), route.flows.join(", "), open]
            })
            .collect();
        rows.extend(self.schedules.iter().map(|schedule| {
            let next = schedule.next(now).map(|next| styled(QUIET, format!("next {}", day_and_time(next))));
            [schedule.to_string(), schedule.flow.clone(), next.unwrap_or_default()]
        }));
        rows.extend(self.events.iter().map(|(event, flows)| [event.clone(), flows.join(", "), String::new()]));
        let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| width(text)).max();
        let (ways, flows) = (widest(0).unwrap_or(0), widest(1).unwrap_or(0));
        let padded = |text: &str, to: usize| " ".repeat(to - width(text));
        let rows: String = rows
            .iter()
            .map(|[way, flow, note]| {
                let row = format!("  {}{}  {flow}", styled(STRONG, way), padded(way, ways));
                if note.is_empty() { row + "\n" } else { format!("{row}{}  {note}\n", padded(flow, flows)) }
            })
            .collect();
        let continued = match self.continued {
            0 => String::new(),
            number => format!(", {} not over yet", ui::count(number, "run")),
        };
        let data = styled(QUIET, format!("  runs are kept in {}{continued}", self.data.display()));
        let public = self.public.map(|public| format!(", as {}", styled(HINT, public))).unwrap_or_default();
        format!("listening on {}{public}\n{rows}{data}\n", styled(HINT, format!("http://{}", self.address)))
    }

    /// One line.
    fn json(&self) -> String {
        let now = SystemClock.now();
        let routes = self.routes.iter().map(|route| {
            let verified = route.verified == Verified::All;
            json!({ "method": route.method, "path": route.path, "flows": route.flows, "verified": verified })
        });
        let schedules = self.schedules.iter().map(|schedule| {
            let next = schedule.next(now).map(|next| next.to_string());
            json!({ "flow": schedule.flow, "on": schedule.to_string(), "next": next })
        });
        let events = self.events.iter().map(|(event, flows)| json!({ "on": event, "flows": flows }));
        let notice = json!({
            "listening": format!("http://{}", self.address),
            "public_url": self.public,
            "routes": routes.collect::<Vec<_>>(),
            "schedules": schedules.collect::<Vec<_>>(),
            "events": events.collect::<Vec<_>>(),
            "data": self.data.display().to_string(),
            "unfinished": self.continued,
        });
        format!("{notice}\n")
    }
}
