//! Who listens, to what, and until when?

use std::{
    future::Future,
    path::PathBuf,
    sync::{Arc, RwLock},
};

use axum::{Router, extract::Request};
use flow_model::plan::Plan;
use tokio::{net::TcpListener, sync::watch};
use url::Url;

use super::{
    Counters, Limits,
    event::Setting,
    file::{self, Watched, watched},
    handle::{self, Desk, Told},
    mark::{Polled, polled},
    poll,
    probe::Probes,
    received::Reading,
    route::{self, Table},
    schedule::{self, Schedule, schedules},
    server,
    verify::Roots,
};
use crate::{
    engine::Engine,
    eval::{Environment, Library},
    observe::Metrics,
    secret::Secrets,
    store,
    timer::Clock,
    worker::Workers,
};

/// What triggers work with.
#[derive(Clone)]
pub struct Settings {
    /// The standard functions.
    pub library: Library,
    /// Plain configuration.
    pub env: Arc<dyn Environment>,
    /// Where the secrets of verifications come from; they are asked for at each request, so that they can be rotated.
    pub secrets: Arc<dyn Secrets>,
    /// The authorities that certificates which sign webhooks may come from.
    pub roots: Arc<Roots>,
    /// The time: of signatures and schedules. Time limits of connections are the machine's.
    pub clock: Arc<dyn Clock>,
    /// What of the server's time and memory a sender may take.
    pub limits: Limits,
    /// The URL under which senders see the server, for schemes that sign it; else the request's headers say.
    pub public_url: Option<Url>,
    /// The name of the secret whose text callers of flows have to send as their token; without one, no flow can be called.
    pub token: Option<String>,
    /// What requests came to.
    pub counters: Arc<Counters>,
    /// What is shown at `/metrics`; nothing when absent.
    pub metrics: Option<Arc<Metrics>>,
    /// Where the paths of `on file` begin.
    pub folder: PathBuf,
}

/// Why serving ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The plans can't be served together.
    #[error(transparent)]
    Route(#[from] route::Error),
    /// The engine has halted because a write failed.
    #[error("the server stops, because runs can't be written down: {0}")]
    Halted(store::Error),
}

/// Starts runs for the triggers of plans: requests and webhooks that come to `listener`, schedules, and files. The plans have to
/// be deployed, and the engine resumed. Where others are sent, they hold from then on; what has begun is not touched.
/// Returns when `stop` is over and requests under way have their answers, or when the engine halts; the engine itself is
/// left running.
///
/// # Errors
/// When the first plans can't be served together, or the engine halts.
pub async fn serve(
    engine: Arc<Engine>,
    mut plans: watch::Receiver<Vec<Arc<Plan>>>,
    listener: TcpListener,
    settings: Settings,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let Settings { library, env, secrets, roots, clock, limits, public_url, token, counters, metrics, folder } =
        settings;
    let first = plans.borrow_and_update().clone();
    let (reading, counted) = ((library.clone(), Arc::clone(&env)), Arc::clone(&counters));
    let (stopped, stopping) = watch::channel(false);
    let desk = Arc::new(Desk {
        engine: Arc::clone(&engine),
        table: RwLock::new(Arc::new(Table::new(&first)?)),
        setting: Setting { library, env, secrets, roots },
        clock: Arc::clone(&clock),
        reading: Reading {
            longest: limits.body,
            time: limits.body_time.duration(),
            pause: limits.body_pause.duration(),
        },
        public: public_url,
        token,
        answer_time: limits.answer_time.duration(),
        counters,
        probes: Probes::new(engine.clone(), clock.clone(), metrics, stopping.clone()),
        told: Told::never(),
        stopping,
    });
    let runners = Workers::default();
    let run_all = |schedules: Vec<Schedule>, files: Vec<Watched>, polls: Vec<Polled>| {
        for polled in polls {
            let (engine, clock, counters) = (Arc::clone(&engine), Arc::clone(&clock), Arc::clone(&counted));
            runners.spawn(poll::run(polled, engine, reading.clone(), clock, counters));
        }
        for schedule in schedules {
            runners.spawn(schedule::run(schedule, Arc::clone(&engine), Arc::clone(&clock)));
        }
        for watched in files {
            runners.spawn(file::run(watched, Arc::clone(&engine), engine.blobs(), Arc::clone(&clock)));
        }
    };
    run_all(schedules(&first)?, watched(&first, &folder), polled(&first));
    let mut halted = None;
    let end = async {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                error = engine.halted() => {
                    halted = Some(error);
                    break;
                }
                plans = next(&mut plans) => match (Table::new(&plans), schedules(&plans)) {
                    (Ok(table), Ok(schedules)) => {
                        runners.abort();
                        runners.idle().await;
                        desk.serve_from(table);
                        run_all(schedules, watched(&plans, &folder), polled(&plans));
                    }
                    (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "other plans can't be served"),
                },
            }
        }
        runners.abort();
        // Nobody listening any more is no harm: then nobody waits.
        stopped.send(true).ok();
    };
    let served = Arc::clone(&desk);
    let router = Router::new().fallback(move |request: Request| handle::handle(Arc::clone(&served), request));
    server::listen(listener, router, limits, end).await;
    runners.idle().await;
    halted.map_or(Ok(()), |error| Err(Error::Halted(error)))
}

/// Waits for other plans; for ever where none will come.
async fn next(plans: &mut watch::Receiver<Vec<Arc<Plan>>>) -> Vec<Arc<Plan>> {
    match plans.changed().await {
        Ok(()) => plans.borrow_and_update().clone(),
        Err(_) => std::future::pending().await,
    }
}
