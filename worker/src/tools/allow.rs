//! What an operator allows the built-in tools to touch: as configuration, and as `--allow` on the command line.
//!
//! Says only what is allowed; whether a directory or a database is usable is found when the tools are made.

use std::{
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// What the operator allows. The default allows what only computes: calculator, hash, `json_query`, echo, sleep, fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Builtin {
    /// Makes `read_file`, `text_search`, hashes of files and, where writing is allowed, `write_file`.
    pub files: Option<FileAccess>,
    /// Makes `sql_query`.
    pub sql: Option<SqlAccess>,
    /// Makes `http_request` and `http_get`.
    pub http: Option<HttpAccess>,
}

/// One directory, and all that is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileAccess {
    /// Nothing outside of it is reached, through symbolic links neither.
    pub root: PathBuf,
    /// Files may be made and changed.
    #[serde(default)]
    pub write: bool,
}

/// One SQLite database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlAccess {
    /// The database's file; made when missing, if writing is allowed.
    pub path: PathBuf,
    /// Statements may change it.
    #[serde(default)]
    pub write: bool,
}

/// Hosts, and limits of one exchange with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpAccess {
    /// `host` (its ports 80 for http, 443 for https), `host:port`, `*.domain` (every name below it), an IP address.
    /// An entry that is itself a loopback or private address, or `localhost`, permits that address.
    pub hosts: Vec<String>,
    /// Every host listed may have private and loopback addresses. Link-local ones stay refused.
    pub private_addresses: bool,
    /// A larger request body is refused, in bytes.
    pub max_request_bytes: u64,
    /// A response body is cut here, in bytes.
    pub max_response_bytes: u64,
    /// A whole exchange, redirects included, in milliseconds.
    pub max_timeout_ms: u64,
}

/// One permission, as `--allow` takes it: `files=DIR`, `files-write=DIR`, `sql=FILE`, `sql-write=FILE`, `http=HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Files below a directory.
    Files(FileAccess),
    /// A database.
    Sql(SqlAccess),
    /// One more host.
    Http(String),
}

/// Why the tools that were asked for cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BuiltinError {
    /// Not a permission.
    #[error(
        "`{text}` is no permission: write files=DIR, files-write=DIR, sql=FILE, sql-write=FILE or http=HOST[:PORT]"
    )]
    Syntax {
        /// What was given.
        text: String,
    },
    /// Two directories or two databases.
    #[error(
        "{what} is allowed as {first:?} and as {second:?}: a worker has one, start a second worker for the other"
    )]
    Twice {
        /// `files` or `sql`.
        what: &'static str,
        /// The earlier.
        first: PathBuf,
        /// The later.
        second: PathBuf,
    },
    /// The directory cannot be opened.
    #[error("directory {path:?} cannot be opened: {source}; name one that exists and is readable")]
    Root {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else than a directory.
    #[error("{path:?} is not a directory; name the directory that holds it")]
    NotADirectory {
        /// As given.
        path: PathBuf,
    },
    /// Nothing can be made in the directory.
    #[error(
        "directory {path:?} cannot be written: {source}; give this user write permission, or allow only reading with files={path:?}"
    )]
    NotWritable {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database cannot be opened, or is none.
    #[error("database {path:?} cannot be used: {reason}")]
    Database {
        /// As given.
        path: PathBuf,
        /// What was wrong and what would be right.
        reason: String,
    },
    /// Not a host.
    #[error("`{entry}` is no host to allow: {reason}")]
    Host {
        /// As given.
        entry: String,
        /// What was wrong and what would be right.
        reason: &'static str,
    },
    /// No TLS, no resolver.
    #[error("the http client cannot be made: {reason}")]
    HttpClient {
        /// What it said.
        reason: String,
    },
}

// === impl Builtin ===

impl Builtin {
    /// Adds a permission. The same directory or database again adds the permission to write.
    ///
    /// # Errors
    /// [`BuiltinError::Twice`] for a second directory or database.
    pub fn allow(&mut self, permission: Allow) -> Result<(), BuiltinError> {
        match permission {
            Allow::Files(access) => match &mut self.files {
                Some(present) => {
                    same("files", &present.root, &access.root)?;
                    present.write |= access.write;
                }
                None => self.files = Some(access),
            },
            Allow::Sql(access) => match &mut self.sql {
                Some(present) => {
                    same("sql", &present.path, &access.path)?;
                    present.write |= access.write;
                }
                None => self.sql = Some(access),
            },
            Allow::Http(host) => self.http.get_or_insert_default().hosts.push(host),
        }
        Ok(())
    }
}

fn same(what: &'static str, first: &Path, second: &Path) -> Result<(), BuiltinError> {
    if first == second {
        return Ok(());
    }
    Err(BuiltinError::Twice {
        what,
        first: first.to_owned(),
        second: second.to_owned(),
    })
}

// === impl HttpAccess ===

impl Default for HttpAccess {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            private_addresses: false,
            max_request_bytes: 1 << 20,
            max_response_bytes: 1 << 20,
            max_timeout_ms: 60_000,
        }
    }
}

// === impl Allow ===

impl FromStr for Allow {
    type Err = BuiltinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((_, "")) | None => Err(BuiltinError::Syntax {
                text: text.to_owned(),
            }),
            Some(("files", root)) => Ok(Self::Files(FileAccess {
                root: root.into(),
                write: false,
            })),
            Some(("files-write", root)) => Ok(Self::Files(FileAccess {
                root: root.into(),
                write: true,
            })),
            Some(("sql", path)) => Ok(Self::Sql(SqlAccess {
                path: path.into(),
                write: false,
            })),
            Some(("sql-write", path)) => Ok(Self::Sql(SqlAccess {
                path: path.into(),
                write: true,
            })),
            Some(("http", host)) => Ok(Self::Http(host.to_owned())),
            Some(_) => Err(BuiltinError::Syntax {
                text: text.to_owned(),
            }),
        }
    }
}
