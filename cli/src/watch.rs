//! Who watches a server: the log, the metrics, and a collector of spans.

use std::{sync::Arc, time::Duration};

use flow_runtime::{
    observe::{Collector, Metrics, Observer, Spans},
    trigger::Counters,
};

use crate::{exit::Exit, log, trouble::Trouble};

/// How long the last spans may take to their collector.
const LAST_SPANS: Duration = Duration::from_secs(5);

/// The collector that the variables name, if they name one.
///
/// # Errors
/// A variable does not say what is meant.
pub(crate) fn collector(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Collector>, Trouble> {
    Collector::from_variables(get).map_err(|error| Trouble::new(Exit::Environment, error.to_string()))
}

/// Who hears what happens: the log, the metrics, and the spans where a collector is named.
pub(crate) struct Watch {
    pub(crate) counters: Arc<Counters>,
    pub(crate) metrics: Arc<Metrics>,
    spans: Option<Arc<Spans>>,
}

impl Watch {
    /// Begins to count, and to send spans. It has to be called within a tokio runtime.
    pub(crate) fn start(collector: Option<Collector>) -> Self {
        let spans = collector.map(|collector| Arc::new(Spans::start(collector)));
        let counters = Arc::<Counters>::default();
        let exported = spans.as_ref().map(|spans| spans.counts());
        Self { metrics: Arc::new(Metrics::new(Arc::clone(&counters), exported)), counters, spans }
    }

    /// All of them.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        let mut all: Vec<Arc<dyn Observer>> = vec![Arc::new(log::Log), Arc::<Metrics>::clone(&self.metrics)];
        all.extend(self.spans.as_ref().map(|spans| Arc::<Spans>::clone(spans) as Arc<dyn Observer>));
        Arc::new(all)
    }

    /// Sends the spans that there are, unless the collector takes too long.
    pub(crate) async fn end(&self) {
        if let Some(spans) = &self.spans
            && tokio::time::timeout(LAST_SPANS, spans.flush()).await.is_err()
        {
            tracing::warn!("the last spans did not reach the collector in time");
        }
    }
}
