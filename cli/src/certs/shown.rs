//! What `toolwave certs` says: which files are for whom, and configuration that can be pasted as it stands.

use std::{fmt::Write as _, path::Path};

use crate::{
    certs::{Files, Subject, authority::CA_DAYS},
    permission::quoted,
};

const CLIENTS_PORT: u16 = 7420;
const WORKERS_PORT: u16 = 7421;

pub(super) fn configuration(ca: &Path, new: bool, wanted: &[Files], days: u16) -> String {
    let mut shown = String::new();
    if new {
        let _ = writeln!(
            shown,
            "# {} is the new CA, for {CA_DAYS} days. Who has ca.key can be anybody: keep it where nothing runs.",
            ca.display()
        );
    }
    let _ = writeln!(shown, "# The certificates are valid for {days} days.");
    coordinator(&mut shown, ca, wanted);
    for files in wanted {
        match &files.subject {
            Subject::Coordinator { .. } => {}
            Subject::Worker(name) => worker(&mut shown, ca, name, files),
            Subject::Client { tenant } => client(&mut shown, ca, tenant, files),
        }
    }
    shown
}

/// Where the coordinator has no new certificate, only what it is to know of the others.
fn coordinator(shown: &mut String, ca: &Path, wanted: &[Files]) {
    shown.push_str("\n# --- coordinator.toml: for toolwave-coordinator --config coordinator.toml\n");
    for files in wanted {
        if let Subject::Coordinator { .. } = files.subject {
            let _ = writeln!(
                shown,
                "listen = \"0.0.0.0:{CLIENTS_PORT}\"\nworker_listen = \"0.0.0.0:{WORKERS_PORT}\""
            );
            for table in ["tls", "worker_tls"] {
                let _ = writeln!(
                    shown,
                    "\n[{table}]\ncertificate = {}\nkey = {}\nclient_ca = {}",
                    toml(&files.certificate),
                    toml(&files.key),
                    toml(ca)
                );
            }
        }
    }
    for files in wanted {
        let (table, rest) = match &files.subject {
            Subject::Coordinator { .. } => continue,
            Subject::Worker(_) => ("worker_identities", ""),
            Subject::Client { .. } => ("auth.client_certificates", "operator = true\n"),
        };
        let identity = files.subject.identity().unwrap_or_default();
        let _ = write!(
            shown,
            "\n[[{table}]]\nidentity = \"{identity}\"\ntools = [\"*\"]\n{rest}"
        );
    }
}

fn worker(shown: &mut String, ca: &Path, name: &str, files: &Files) {
    let _ = write!(
        shown,
        "\n# --- worker {name}: for toolwave-worker --config worker.toml\n\
         coordinator = \"https://localhost:{WORKERS_PORT}\"\nname = \"{name}\"\n\n\
         [tls]\nca = {}\ncertificate = {}\nkey = {}\n",
        toml(ca),
        toml(&files.certificate),
        toml(&files.key)
    );
}

fn client(shown: &mut String, ca: &Path, tenant: &str, files: &Files) {
    let path = |path: &Path| quoted(&path.display().to_string());
    let _ = writeln!(
        shown,
        "\n# --- client of the tenant {tenant}\n\
         # toolwave tools --coordinator https://localhost:{CLIENTS_PORT} --ca {} --certificate {} --key {}",
        path(ca),
        path(&files.certificate),
        path(&files.key)
    );
}

/// A basic string of TOML.
fn toml(path: &Path) -> String {
    let mut quoted = String::from("\"");
    for c in path.display().to_string().chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
