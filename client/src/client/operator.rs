//! What operators ask of executions and of the cluster: those of all tenants. The rest of their questions is beside it.

use toolwave_proto::v1;

use super::Client;
use crate::ClientError;

/// The first version whose coordinators answer questions on executions and on the cluster.
const SINCE: &str = "0.1.0";

impl Client {
    /// Executions that run and those that ended of late, of all tenants, the newest first; the rest of them are on
    /// the next page, which starts `before` the last one.
    ///
    /// # Errors
    /// [`ClientError::NotToolwave`] when the coordinator is older than this question.
    pub async fn list_executions(
        &self,
        request: v1::ListExecutionsRequest,
    ) -> Result<v1::ListExecutionsResponse, ClientError> {
        let way = self.pool.way().await?;
        let answer = way.admin.clone().list_executions(request).await;
        Ok(answer
            .map_err(|status| way.error(status).since("ListExecutions", SINCE))?
            .into_inner())
    }

    /// One execution, with each of its calls and attempts as far as they have come.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] when the coordinator knows no such execution; as [`Client::list_executions`].
    pub async fn execution(
        &self,
        execution_id: impl Into<String>,
    ) -> Result<v1::GetExecutionResponse, ClientError> {
        let request = v1::GetExecutionRequest {
            execution_id: execution_id.into(),
        };
        let way = self.pool.way().await?;
        let answer = way.admin.clone().get_execution(request).await;
        Ok(answer
            .map_err(|status| way.error(status).since("GetExecution", SINCE))?
            .into_inner())
    }

    /// Cancels an execution of any tenant; [`Client::cancel_execution`] cancels one's own.
    ///
    /// # Errors
    /// As [`Client::execution`].
    pub async fn cancel_any_execution(
        &self,
        execution_id: impl Into<String>,
    ) -> Result<v1::AdminServiceCancelExecutionResponse, ClientError> {
        let request = v1::AdminServiceCancelExecutionRequest {
            execution_id: execution_id.into(),
        };
        let way = self.pool.way().await?;
        let answer = way.admin.clone().cancel_execution(request).await;
        Ok(answer
            .map_err(|status| way.error(status).since("AdminService.CancelExecution", SINCE))?
            .into_inner())
    }

    /// The coordinator as a whole: what runs, what waits, and for which limit.
    ///
    /// # Errors
    /// As [`Client::list_executions`].
    pub async fn cluster(&self) -> Result<v1::GetClusterResponse, ClientError> {
        let way = self.pool.way().await?;
        let answer = way.admin.clone().get_cluster(v1::GetClusterRequest {}).await;
        Ok(answer
            .map_err(|status| way.error(status).since("GetCluster", SINCE))?
            .into_inner())
    }
}
