//! Who may ask how much there is to do.

use serde::{Deserialize, Serialize};

/// KEDA's external scaler, which is served where clients come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScalerSection {
    /// Lets every client that may come in ask for the numbers that workers are scaled by; without it only
    /// operators may.
    pub any_client: bool,
}
