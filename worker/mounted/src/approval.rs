//! What the operator has accepted of MCP servers, and what is known of each definition. The same with and without the
//! feature `mcp`: who reads a file, keeps its pins or shows them needs no server.

use std::collections::BTreeMap;

/// Which definitions the operator has accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approved {
    /// A tool that is not in `hashes` is in quarantine; else it is held to what was seen first.
    pub required: bool,
    /// Tool, as the server names it, to the hash of its definition.
    pub hashes: BTreeMap<String, String>,
}

/// A tool as a server defines it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// As the server names it.
    pub name: String,
    /// SHA-256, in lower-case hexadecimal digits, over the canonical JSON (RFC 8785) of the server's name and the
    /// tool's name, description, schemas and annotations.
    pub hash: String,
    /// That JSON.
    pub text: String,
    /// What is known of it.
    pub standing: Standing,
}

/// What is known of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The operator has accepted it.
    Approved,
    /// Nobody has; it is hosted unless approval is required.
    New,
    /// It is not what was accepted, or seen first: it is in quarantine.
    Changed {
        /// The hash that is held.
        held: String,
    },
    /// It is not hosted whoever accepts it.
    Refused {
        /// Why not.
        why: String,
    },
}
