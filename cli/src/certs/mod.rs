//! `toolwave certs`: a CA for development, and certificates for coordinator, workers and clients. Never overwrites a
//! file; keys are their owner's alone from the moment that they exist.

mod authority;
mod shown;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    args::CertsArgs,
    certs::authority::{Authority, Issued},
    failure::{Failure, Verdict},
    output,
};

/// Of what the CA's certificates are named: `spiffe://toolwave/worker/NAME`.
const TRUST_DOMAIN: &str = "toolwave";

/// Whose certificate, by what the coordinator and its files call it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Coordinator { hosts: Vec<String> },
    Worker(String),
    Client { tenant: String },
}

/// A certificate's two files.
struct Files {
    subject: Subject,
    certificate: PathBuf,
    key: PathBuf,
}

pub(crate) fn certs(args: &CertsArgs) -> Result<Verdict, Failure> {
    let directory = &args.directory;
    // What is shown is to be pasted, and must then name the same files.
    if directory
        .to_str()
        .is_none_or(|path| path.contains(char::is_control))
    {
        return Err(Failure::Usage(format!(
            "{} is no text that can stand in a configuration file; expected another directory",
            directory.display()
        )));
    }
    create_directory(directory)?;
    let directory = &fs::canonicalize(directory).map_err(|error| output_error(directory, &error))?;
    let ca = directory.join("ca.pem");
    let ca_key = directory.join("ca.key");
    let new = match (ca.exists(), ca_key.exists()) {
        (false, false) => true,
        (true, true) => false,
        (there, _) => {
            let missing = if there { &ca_key } else { &ca };
            return Err(Failure::Usage(format!(
                "{} is missing beside the other half of the CA; expected both or none",
                missing.display()
            )));
        }
    };
    let wanted: Vec<Files> = subjects(args, new)
        .into_iter()
        .map(|subject| files(directory, subject))
        .collect();
    refuse_to_overwrite(&wanted)?;
    let authority = if new {
        let (authority, certificate, key) = Authority::create()?;
        write_new(&ca_key, &key, 0o600)?;
        write_new(&ca, &certificate, 0o644)?;
        authority
    } else {
        Authority::read(&ca, &ca_key)?
    };
    for files in &wanted {
        let Issued { certificate, key } = authority.issue(&files.subject, args.days)?;
        write_new(&files.key, &key, 0o600)?;
        write_new(&files.certificate, &certificate, 0o644)?;
    }
    output::write(&shown::configuration(&ca, new, &wanted, args.days))?;
    Ok(Verdict::Success)
}

/// With a new CA one of each, whatever was asked for beside; with an old one what was asked for, or one of each.
fn subjects(args: &CertsArgs, new: bool) -> Vec<Subject> {
    let nothing_asked = args.worker.is_empty() && args.tenant.is_empty() && args.host.is_empty();
    let each = new || nothing_asked;
    let or_default = |asked: &[String], default: &str| match asked {
        [] if each => vec![default.to_owned()],
        asked => {
            let mut names = asked.to_vec();
            names.sort();
            names.dedup();
            names
        }
    };
    let mut subjects = Vec::new();
    if each || !args.host.is_empty() {
        let hosts = args.host.clone();
        subjects.push(Subject::Coordinator { hosts });
    }
    subjects.extend(
        or_default(&args.worker, "worker")
            .into_iter()
            .map(Subject::Worker),
    );
    let tenants = or_default(&args.tenant, "default");
    subjects.extend(tenants.into_iter().map(|tenant| Subject::Client { tenant }));
    subjects
}

fn files(directory: &Path, subject: Subject) -> Files {
    let name = match &subject {
        Subject::Coordinator { .. } => "coordinator".to_owned(),
        Subject::Worker(name) if name == "worker" => name.clone(),
        Subject::Worker(name) => format!("worker-{name}"),
        Subject::Client { tenant } if tenant == "default" => "client".to_owned(),
        Subject::Client { tenant } => format!("client-{tenant}"),
    };
    Files {
        subject,
        certificate: directory.join(format!("{name}.pem")),
        key: directory.join(format!("{name}.key")),
    }
}

/// Before anything is written: all or nothing.
fn refuse_to_overwrite(wanted: &[Files]) -> Result<(), Failure> {
    let there: Vec<String> = wanted
        .iter()
        .flat_map(|files| [&files.certificate, &files.key])
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    match there.is_empty() {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "nothing was made, since it would overwrite {}; remove them first, or name others with --worker or --tenant",
            there.join(", ")
        ))),
    }
}

fn create_directory(path: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| output_error(path, &error))
}

/// Writes a file that is not there yet, with its mode from the beginning.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::Usage(format!(
            "{} is there already; remove it first, or name another",
            path.display()
        ))),
        Err(error) => Err(output_error(path, &error)),
    }
}

fn output_error(path: &Path, error: &io::Error) -> Failure {
    Failure::Output(io::Error::new(
        error.kind(),
        format!("{}: {error}", path.display()),
    ))
}
