//! The tools of one server as it lists them, and which of them may be used: what was approved, or seen first, is held,
//! and a definition that differs from that is in quarantine until the operator accepts it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;
use toolwave_tool::{Declaration, is_name};

use super::{
    definition::{Listed, OutputCheck},
    server::Server,
    text,
};
use crate::approval::{Approved, Standing};

/// A tool that the worker hosts, or would.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// As the server names it.
    pub(super) name: String,
    pub(super) hash: String,
    pub(super) text: String,
    pub(super) standing: Standing,
    /// `None`: it is not hosted at all.
    pub(super) declaration: Option<Declaration>,
    /// Why calls are refused.
    pub(super) quarantine: Option<Quarantine>,
    pub(super) output: Option<OutputCheck>,
}

/// Why calls of a hosted tool are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Quarantine {
    Changed { held: String },
    Unapproved,
    Refused { why: String },
}

/// The tools of one server.
#[derive(Debug)]
pub(super) struct Catalogue {
    server_name: Arc<str>,
    approved: Approved,
    /// Hashes as they were seen first, for the life of the process.
    held: BTreeMap<String, String>,
    listed: Vec<Listed>,
    entries: BTreeMap<String, Arc<Entry>>,
}

impl Catalogue {
    pub(super) fn new(server_name: Arc<str>, approved: Approved) -> Self {
        Self {
            server_name,
            approved,
            held: BTreeMap::new(),
            listed: Vec::new(),
            entries: BTreeMap::new(),
        }
    }

    /// Takes what the server lists now. True where something differs from before.
    pub(super) fn take(&mut self, server: &Server, tools: &[Value]) -> bool {
        let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for tool in tools {
            let Some(tool) = Listed::read(&self.server_name, tool) else {
                tracing::warn!(server = %self.server_name, "an MCP server lists a tool without a name; it is left out");
                continue;
            };
            if !server.wants(&tool.name) {
                continue;
            }
            if listed
                .get(&tool.name)
                .is_some_and(|other| other.hash != tool.hash)
            {
                twice.insert(tool.name.clone());
            }
            listed.insert(tool.name.clone(), tool);
        }
        for name in twice {
            if let Some(tool) = listed.get_mut(&name) {
                tool.unsafe_because = Some("the server lists two different tools of this name".to_owned());
            }
        }
        self.listed = listed.into_values().collect();
        self.judge(server)
    }

    /// Takes what the operator has accepted since. True where something differs from before.
    pub(super) fn approve(&mut self, server: &Server, approved: Approved) -> bool {
        self.approved = approved;
        self.judge(server)
    }

    fn judge(&mut self, server: &Server) -> bool {
        let mut entries = BTreeMap::new();
        for tool in std::mem::take(&mut self.listed) {
            let entry = self.entry(server, &tool);
            let known = self.entries.get(&tool.name).is_some_and(|old| old.same(&entry));
            if !known {
                self.tell(&entry);
            }
            entries.insert(tool.name.clone(), Arc::new(entry));
            self.listed.push(tool);
        }
        let changed = entries.len() != self.entries.len()
            || entries
                .iter()
                .any(|(name, entry)| self.entries.get(name).is_none_or(|old| !old.same(entry)));
        self.entries = entries;
        changed
    }

    fn entry(&mut self, server: &Server, tool: &Listed) -> Entry {
        let full_name = format!("{}.{}", self.server_name, tool.name);
        let entry = |standing, declaration, quarantine, output| Entry {
            name: tool.name.clone(),
            hash: tool.hash.clone(),
            text: tool.text.clone(),
            standing,
            declaration,
            quarantine,
            output,
        };
        let refused = |why: String, declaration| {
            let quarantine = Quarantine::Refused { why: why.clone() };
            entry(Standing::Refused { why }, declaration, Some(quarantine), None)
        };
        if !is_name(&full_name) {
            let why =
                "its name is not allowed: 1 to 128 bytes of [A-Za-z0-9._:-] with the server's".to_owned();
            return refused(why, None);
        }
        if tool.needs_old_task {
            let why =
                "it can only be called as a task of the protocol of 2025-11-25, which is not spoken here"
                    .to_owned();
            return refused(why, None);
        }
        if let Some(why) = &tool.unsafe_because {
            return refused(why.clone(), Some(neutral(full_name)));
        }
        let declared = tool
            .declare(full_name.clone(), server)
            .and_then(|declaration| Ok((declaration, tool.output_check()?)));
        let (declaration, output) = match declared {
            Ok(declared) => declared,
            Err(why) => return refused(why, None),
        };
        let standing = self.standing(tool);
        let quarantine = match &standing {
            Standing::Changed { held } => Some(Quarantine::Changed { held: held.clone() }),
            Standing::New if self.approved.required => Some(Quarantine::Unapproved),
            _ => None,
        };
        // what nobody has accepted is not shown to a model
        let declaration = if quarantine.is_some() {
            neutral(full_name)
        } else {
            declaration
        };
        entry(standing, Some(declaration), quarantine, output)
    }

    fn standing(&mut self, tool: &Listed) -> Standing {
        let held = match self.approved.hashes.get(&tool.name) {
            Some(hash) if *hash == tool.hash => return Standing::Approved,
            Some(hash) => hash,
            None if self.approved.required => return Standing::New,
            None => self
                .held
                .entry(tool.name.clone())
                .or_insert_with(|| tool.hash.clone()),
        };
        if *held == tool.hash {
            return Standing::New;
        }
        Standing::Changed { held: held.clone() }
    }

    fn tell(&self, entry: &Entry) {
        let server = &*self.server_name;
        let tool = text::shown(&entry.name, 128);
        match &entry.quarantine {
            Some(Quarantine::Refused { why }) => {
                let why = text::shown(why, 512);
                tracing::warn!(server, tool, why, "a tool of an MCP server is not used");
            }
            Some(_) => tracing::warn!(
                server,
                tool,
                hash = entry.hash,
                "a tool of an MCP server is in quarantine until its definition is accepted"
            ),
            None => tracing::debug!(
                server,
                tool,
                hash = entry.hash,
                "a tool of an MCP server is hosted"
            ),
        }
    }

    /// As the server names it.
    pub(super) fn find(&self, tool: &str) -> Option<Arc<Entry>> {
        self.entries.get(tool).cloned()
    }

    /// By name.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }
}

impl Entry {
    fn same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.standing == other.standing && self.quarantine == other.quarantine
    }
}

/// Stands for a tool whose definition nobody has accepted: none of its text is shown.
fn neutral(name: String) -> Declaration {
    Declaration::new(
        name,
        "In quarantine: the definition of this tool has not been accepted by the operator. Calls are refused.",
    )
}
