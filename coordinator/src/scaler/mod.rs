//! `externalscaler.ExternalScaler`: KEDA asks here how many workers there should be. The signal is what is
//! outstanding, queued and in flight, so that a pool whose queue is empty because it is busy is not shrunk.
//!
//! It decides nothing about calls and changes nothing; what a pool's load is, `load` and `demand` say.

mod activity;
mod demand;
mod load;
#[cfg(test)]
mod simulation;
mod trigger;

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Request, Response, Status, async_trait};
use toolwave_proto::externalscaler::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef, external_scaler_server::ExternalScaler,
};

pub(crate) use self::activity::Activity;
use self::{
    load::{FRESH, Load, Look, Looks},
    trigger::Trigger,
};
use crate::{
    error::{Reason, status},
    handle::Handle,
};

/// The only metric.
const METRIC: &str = "toolwave-outstanding-calls";
/// What makes no noise of its own, such as a worker that leaves, is seen this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// KEDA holds one stream for each ScaledObject; more than these serve nobody.
const STREAMS: usize = 256;

/// The service, for a server.
#[derive(Clone)]
pub(crate) struct Scaler(Arc<Shared>);

struct Shared {
    handle: Handle,
    looks: Looks,
    streams: Arc<Semaphore>,
}

/// A stream that tells of changes.
struct Telling {
    shared: Arc<Shared>,
    trigger: Trigger,
    told: Option<bool>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

// === impl Scaler ===

impl Scaler {
    pub(crate) fn new(handle: Handle) -> Self {
        Self(Arc::new(Shared {
            handle,
            looks: Looks::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
        }))
    }
}

#[async_trait]
impl ExternalScaler for Scaler {
    type StreamIsActiveStream = Pin<Box<dyn Stream<Item = Result<IsActiveResponse, Status>> + Send>>;

    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let trigger = trigger(Some(request.get_ref()))?;
        let (_, load) = self.0.load(&trigger).await?;
        Ok(Response::new(IsActiveResponse {
            result: load.outstanding > 0.0,
        }))
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let trigger = trigger(Some(request.get_ref()))?;
        let place = self.0.streams.clone().try_acquire_owned().map_err(|_| {
            let message =
                format!("{STREAMS} streams of StreamIsActive are open, and no more are served at once");
            status(Code::ResourceExhausted, "TOO_MANY_STREAMS", message)
        })?;
        let telling = Telling {
            shared: self.0.clone(),
            trigger,
            told: None,
            ended: false,
            _place: place,
        };
        Ok(Response::new(Box::pin(stream::unfold(telling, Telling::next))))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let trigger = trigger(Some(request.get_ref()))?;
        let (_, load) = self.0.load(&trigger).await?;
        Ok(Response::new(GetMetricSpecResponse {
            metric_specs: vec![MetricSpec {
                metric_name: METRIC.into(),
                target_size: load.target.ceil() as i64,
                target_size_float: load.target,
            }],
        }))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let request = request.into_inner();
        if request.metric_name != METRIC {
            let message = format!("metricName: no metric is called so; expected `{METRIC}`");
            return Err(invalid(message));
        }
        let trigger = trigger(request.scaled_object_ref.as_ref())?;
        let (_, load) = self.0.load(&trigger).await?;
        Ok(Response::new(GetMetricsResponse {
            metric_values: vec![MetricValue {
                metric_name: METRIC.into(),
                metric_value: load.outstanding.ceil() as i64,
                metric_value_float: load.outstanding,
            }],
        }))
    }
}

fn trigger(from: Option<&ScaledObjectRef>) -> Result<Trigger, Status> {
    let Some(from) = from else {
        let message = "scaledObjectRef is missing; expected the one that GetMetricSpec was asked with";
        return Err(invalid(message));
    };
    Trigger::read(&from.scaler_metadata).map_err(|bad| invalid(bad.to_string()))
}

fn invalid(message: impl Into<String>) -> Status {
    status(Code::InvalidArgument, "INVALID_SCALED_OBJECT", message)
}

// === impl Shared ===

impl Shared {
    async fn load(&self, trigger: &Trigger) -> Result<(Arc<Look>, Load), Status> {
        let look = self.looks.look(&self.handle).await.ok_or_else(|| {
            let reason = Reason::CoordinatorStopped.word();
            status(Code::Unavailable, reason, "the coordinator has stopped")
        })?;
        let load = self
            .looks
            .load(&look, trigger, self.handle.whole_limits().max_in_flight);
        Ok((look, load))
    }
}

// === impl Telling ===

impl Telling {
    /// The first word at once, then each that differs from the one before. Ends without an error when the coordinator
    /// drains: KEDA then opens a stream elsewhere soon, and after an error later and later.
    async fn next(mut self) -> Option<(Result<IsActiveResponse, Status>, Self)> {
        while !self.ended {
            let activity = self.shared.handle.activity();
            if activity.is_draining() {
                return None;
            }
            let (look, load) = match self.shared.load(&self.trigger).await {
                Ok(seen) => seen,
                Err(stopped) => {
                    self.ended = true;
                    return Some((Err(stopped), self));
                }
            };
            let active = load.outstanding > 0.0;
            if self.told != Some(active) {
                self.told = Some(active);
                return Some((Ok(IsActiveResponse { result: active }), self));
            }
            let stirred = async {
                activity.stirred_since(look.count).await;
                // Before that it would see the same.
                tokio::time::sleep_until(look.at + FRESH).await;
            };
            tokio::select! {
                () = activity.drains() => return None,
                () = stirred => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        None
    }
}
