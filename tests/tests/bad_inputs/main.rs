//! Every input of the catalogues `data/bad_transport.json`, `data/bad_worker_messages.json` and
//! `data/bad_configuration.json`: what is answered, what goes on. Also keeps `docs/bad-inputs.md` true.

mod configuration;
mod door;
mod folder;
mod page;
mod status;
mod transport;
mod workers;
