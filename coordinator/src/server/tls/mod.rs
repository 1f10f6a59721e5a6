//! TLS of a listener: what its files hold, and the same again whenever they change. Chooses the provider of
//! cryptography for itself and installs nothing for the process.

mod files;
mod reload;

pub(crate) use files::{Flaw, Part, load};
pub(super) use reload::Reloaded;
