//! Who listens, to what, and until when?

use std::{future::Future, sync::Arc};

use axum::{Router, extract::Request};
use flow_model::plan::Plan;
use tokio::{net::TcpListener, sync::watch};
use url::Url;

use super::{
    Counters, Limits,
    event::Setting,
    handle::{self, Desk},
    probe::Probes,
    received::Reading,
    route::{self, Table},
    schedule::{self, schedules},
    server,
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
    /// The time: of signatures and schedules. Time limits of connections are the machine's.
    pub clock: Arc<dyn Clock>,
    /// What of the server's time and memory a sender may take.
    pub limits: Limits,
    /// The URL under which senders see the server, for schemes that sign it; else the request's headers say.
    pub public_url: Option<Url>,
    /// What requests came to.
    pub counters: Arc<Counters>,
    /// What is shown at `/metrics`; nothing when absent.
    pub metrics: Option<Arc<Metrics>>,
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

/// Starts runs for the triggers of these plans: requests and webhooks that come to `listener`, and schedules. The plans
/// have to be deployed, and the engine resumed. Returns when `stop` is over and requests under way have their answers, or
/// when the engine halts; the engine itself is left running.
///
/// # Errors
/// When the plans can't be served together, or the engine halts.
pub async fn serve(
    engine: Arc<Engine>,
    plans: &[Arc<Plan>],
    listener: TcpListener,
    settings: Settings,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let Settings { library, env, secrets, clock, limits, public_url, counters, metrics } = settings;
    let schedules = schedules(plans)?;
    let (stopped, stopping) = watch::channel(false);
    let desk = Arc::new(Desk {
        engine: Arc::clone(&engine),
        table: Table::new(plans)?,
        setting: Setting { library, env, secrets },
        clock: Arc::clone(&clock),
        reading: Reading {
            longest: limits.body,
            time: limits.body_time.duration(),
            pause: limits.body_pause.duration(),
        },
        public: public_url,
        answer_time: limits.answer_time.duration(),
        counters,
        probes: Probes::new(engine.clone(), clock.clone(), metrics, stopping.clone()),
        stopping,
    });
    let router = Router::new().fallback(move |request: Request| handle::handle(Arc::clone(&desk), request));
    let runners = Workers::default();
    for schedule in schedules {
        runners.spawn(schedule::run(schedule, Arc::clone(&engine), Arc::clone(&clock)));
    }
    let mut halted = None;
    let end = async {
        tokio::select! {
            () = stop => {}
            error = engine.halted() => halted = Some(error),
        }
        runners.abort();
        // Nobody listening any more is no harm: then nobody waits.
        stopped.send(true).ok();
    };
    server::listen(listener, router, limits, end).await;
    runners.idle().await;
    halted.map_or(Ok(()), |error| Err(Error::Halted(error)))
}
