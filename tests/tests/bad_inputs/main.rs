//! Every input of the catalogues `data/bad_transport.json`, `data/bad_worker_messages.json`,
//! `data/bad_configuration.json` and `data/bad_tools_files.json`: what is answered, what goes on. Also keeps `docs/bad-inputs.md` true.

mod configuration;
mod door;
mod folder;
mod page;
mod said;
mod status;
mod tools_files;
mod transport;
mod workers;
