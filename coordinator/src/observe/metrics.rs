//! The metrics of one coordinator: a handle to what is counted, for whoever counts, and the page for scrapers.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    load::Load,
    numbers::Numbers,
    page::{Facts, write},
};
use crate::handle::Handle;

/// For the driver to say how busy it is: a scrape is answered all the same.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// When a listener's certificates expire, in seconds since 1970.
type Expiry = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// What is counted of a coordinator. Cheap to clone; all clones count the same.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Shared>);

struct Shared {
    numbers: Arc<Numbers>,
    /// As configured.
    /// By the key of their listener.
    certificates: Mutex<Vec<(&'static str, Expiry)>>,
    /// The driver's last answer, told again where it gives none.
    last: Mutex<Load>,
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            numbers: Arc::new(Numbers::new()),
            certificates: Mutex::default(),
            last: Mutex::default(),
        }))
    }

    pub(crate) fn numbers(&self) -> &Arc<Numbers> {
        &self.0.numbers
    }

    /// From here on the page says when a listener's certificates expire.
    pub(crate) fn watch_certificates(
        &self,
        listener: &'static str,
        not_after: impl Fn() -> Option<u64> + Send + Sync + 'static,
    ) {
        let mut certificates = lock(&self.0.certificates);
        certificates.push((listener, Box::new(not_after)));
    }

    /// Names what keeps the coordinator from being ready.
    pub(crate) fn failing(&self, handle: &Handle) -> Vec<&'static str> {
        let numbers = &self.0.numbers;
        [
            (numbers.serving.value() == 0, "starting"),
            (numbers.draining.value() != 0, "draining"),
            (handle.is_closed(), "driver"),
        ]
        .into_iter()
        .filter_map(|(fails, name)| fails.then_some(name))
        .collect()
    }

    /// What a scraper reads now.
    pub(crate) async fn page(&self, handle: &Handle) -> String {
        let answer = tokio::time::timeout(ANSWER_WITHIN, handle.load()).await;
        let load = answer.ok().flatten();
        let answered = load.is_some();
        let load = {
            let mut last = lock(&self.0.last);
            if let Some(load) = load {
                *last = load;
            }
            last.clone()
        };
        let certificates = lock(&self.0.certificates);
        let certificates = certificates
            .iter()
            .filter_map(|(listener, not_after)| Some((*listener, not_after()?)));
        write(&Facts {
            numbers: &self.0.numbers,
            load: &load,
            driver_answered: answered,
            limits: handle.whole_limits(),
            reload: handle.in_force().status(),
            payload_bytes: handle.payload_bytes(),
            certificates: certificates.collect(),
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use crate::{
        Config,
        audit::Audit,
        parts::{Chance, assemble},
    };

    #[tokio::test(start_paused = true)]
    async fn a_scrape_is_answered_although_the_driver_does_not_answer_and_readiness_says_when_it_is_gone() {
        let parts = assemble(
            &Config::embedded(),
            Chance::draw(),
            Audit::default(),
            toolwave_telemetry::traces::Tracer::off(),
        );
        let (handle, metrics) = (parts.handle.clone(), parts.handle.metrics().clone());
        assert_eq!(metrics.failing(&handle), ["starting"]);
        metrics.numbers().serving.set(1);
        assert!(metrics.failing(&handle).is_empty());
        let page = metrics.page(&handle).await;
        assert!(page.contains("\ntoolwave_driver_answering 0\n"), "{page}");
        assert!(page.contains("\ntoolwave_executions_active 0\n"));
        drop(parts.run);
        assert_eq!(metrics.failing(&handle), ["driver"]);
        metrics.numbers().draining.set(1);
        assert_eq!(metrics.failing(&handle), ["draining", "driver"]);
    }
}
