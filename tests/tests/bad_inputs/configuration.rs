//! c
use std::{net::Ipv4Addr, time::Duration};

use toolwave_config::File;
use toolwave_coordinator::Config;

/// A coordinator's configuration: this TOML over the defaults, on a free port, and nothing waits for workers.
pub(crate) fn coordinator(over: Option<&str>) -> Config {
    let file = File::from_text("row", over.unwrap_or_default().to_owned());
    Config {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        startup_grace: Duration::ZERO,
        ..file.and_then(|file| file.parse()).expect("a row's configuration")
    }
}
