//! Who may come in, as what, and what everybody else is answered: every method with every kind of credential.

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "shared with the tests of the listeners")]
#[path = "../listeners/pki.rs"]
mod pki;

mod ask;
mod certificates;
mod configuration;
mod jwts;
mod refusals;
mod reload;
mod secrets;
mod tokens;
mod workers;
