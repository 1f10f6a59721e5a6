//! The file of tools: read, checked, and turned into declarations. Every mistake is told at once, with its place.
//!
//! Nothing is started here, and nothing called.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use toolwave_config::{File, Problem};
use toolwave_tool::{Declaration, is_name};

use crate::{
    command::Command,
    fault::Fault,
    http::Http,
    mcp::{Approved, Server},
    pins::Pins,
};

mod check;
mod judge;
mod schema;
mod table;
mod words;

use judge::Judge;
use table::{Document, Schema, ToolTable};

/// What a good file declares.
#[derive(Clone, Debug)]
pub struct ToolsFile {
    path: PathBuf,
    pub(crate) tools: BTreeMap<String, DeclaredTool>,
    pub(crate) servers: BTreeMap<String, DeclaredServer>,
    pub(crate) require_pins: bool,
    pins: PathBuf,
    digest: String,
    /// Files whose change changes this one.
    pub(crate) watched: Vec<PathBuf>,
    warnings: Vec<Problem>,
}

/// A tool that is not a server's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeclaredTool {
    pub(crate) declaration: Declaration,
    pub(crate) kind: Kind,
}

/// What runs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Command(Command),
    Http(Http),
}

/// An MCP server, and which of its definitions may run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeclaredServer {
    pub(crate) server: Server,
    pub(crate) approved: Approved,
}

/// What becomes of pins when the file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// They count.
    Kept,
    /// They count, and the file cannot lift the demand for them: an earlier one has made it.
    Demanded,
    /// They are about to be made: nothing is wrong for want of one.
    Ignored,
}

// === impl ToolsFile ===

impl ToolsFile {
    /// Reads and checks the file. Names in `reserved` are taken, by tools that are built in.
    ///
    /// # Errors
    /// Every problem, in the order of the file.
    pub fn read(path: &Path, reserved: &BTreeSet<String>, pinning: Pinning) -> Result<Self, Vec<Problem>> {
        let file = File::read(path)?;
        let (document, of_types) = file.parse_rest::<Document>();
        let Some(mut document) = document else {
            return Err(of_types);
        };
        // As messages name it, and as programs need it that start elsewhere.
        let shown = path.parent().unwrap_or(Path::new(""));
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = absolute.parent().unwrap_or(shown);
        let mut judge = Judge::new(&file, document.strict);
        let mut included = Included::new(shown, file.text());
        let told = Told(&of_types);
        check::names(&document, reserved, &mut judge);
        let mut tools = BTreeMap::new();
        for (name, table) in std::mem::take(&mut document.tools) {
            if let Some(tool) = declared(&name, table, folder, told, &mut included, &mut judge) {
                tools.insert(name, tool);
            }
        }
        let mut servers = BTreeMap::new();
        for (name, mut server) in std::mem::take(&mut document.servers) {
            let at = format!("servers.{name}");
            server.relative_to(folder);
            let mut faults = server.check(&name);
            // What is missing in the whole may be what was set aside.
            faults.retain(|fault| !(fault.key.is_empty() && told.at(&at)));
            judge.faults(&at, faults);
            servers.insert(name, server);
        }
        judge.add(of_types);
        let pins_path = shown.join(document.pins.as_deref().unwrap_or(Path::new("tools.lock")));
        let require_pins = document.require_pins || pinning == Pinning::Demanded;
        let digest = included.digest();
        let pins = match pinning {
            Pinning::Ignored => Ok(Pins::default()),
            Pinning::Kept | Pinning::Demanded => Pins::read(&pins_path),
        };
        let pins = pins.unwrap_or_else(|problems| {
            judge.add(problems);
            Pins::default()
        });
        if require_pins && pinning != Pinning::Ignored && judge.is_content() {
            check::pins(&pins, &digest, path, &servers, &mut judge);
        }
        let mut watched = vec![path.to_owned(), pins_path.clone()];
        watched.append(&mut included.paths);
        let approved = |name: &str| Approved {
            required: require_pins,
            hashes: pins.hashes(name),
        };
        let warnings = judge.verdict()?;
        Ok(Self {
            path: path.to_owned(),
            tools,
            servers: servers
                .into_iter()
                .map(|(name, server)| {
                    let approved = approved(&name);
                    (name, DeclaredServer { server, approved })
                })
                .collect(),
            require_pins,
            pins: pins_path,
            digest,
            watched,
            warnings,
        })
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What may be meant otherwise, though the file can be used.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Where approved definitions stand, whether there are any or not.
    #[must_use]
    pub fn pins_path(&self) -> &Path {
        &self.pins
    }

    /// What was not approved does not run.
    #[must_use]
    pub fn requires_pins(&self) -> bool {
        self.require_pins
    }

    /// The sum of the file and of all that it includes.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What it declares itself, in the order of names.
    pub fn declarations(&self) -> impl Iterator<Item = &Declaration> {
        self.tools.values().map(|tool| &tool.declaration)
    }

    /// Keeps of its servers what a call of this tool needs: none for a tool of its own or one that is `reserved`, the
    /// tool's server, or all where there is no such server, since the name is then misspelt and others are proposed.
    pub fn keep_servers_for(&mut self, tool: &str, reserved: &BTreeSet<String>) {
        let has = |server: &String| {
            tool.strip_prefix(server.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        };
        if self.tools.contains_key(tool) || reserved.contains(tool) {
            self.servers.clear();
        } else if self.servers.keys().any(has) {
            self.servers.retain(|server, _| has(server));
        }
    }

    /// The names of its MCP servers.
    pub fn server_names(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }
}

/// What is wrong by its type or its name, and has been set aside: nothing more is said of that, but of the rest.
#[derive(Clone, Copy)]
struct Told<'p>(&'p [Problem]);

impl Told<'_> {
    /// At the key, or below it.
    fn at(self, key: &str) -> bool {
        let below = |problem: &Problem| problem.key.strip_prefix(key).map(|rest| rest.chars().next());
        self.0
            .iter()
            .any(|problem| matches!(below(problem), Some(None | Some('.' | '['))))
    }

    /// At the key of a table, or at one that is taken for its misspelling.
    fn of(self, table: &str, key: &str) -> bool {
        let meant = format!("did you mean `{key}`?");
        let misspelled = |problem: &Problem| {
            let own = problem
                .key
                .strip_prefix(table)
                .and_then(|own| own.strip_prefix('.'));
            own.is_some() && problem.what.ends_with(&meant)
        };
        self.at(&format!("{table}.{key}")) || self.0.iter().any(misspelled)
    }
}

/// One tool; `None` where it is not known what it is.
fn declared(
    name: &str,
    table: ToolTable,
    folder: &Path,
    told: Told<'_>,
    included: &mut Included,
    judge: &mut Judge<'_>,
) -> Option<DeclaredTool> {
    let at = format!("tools.{name}");
    let mut declaration = table.declaration(name);
    let problems = judge.len();
    if table.description.is_some() {
        judge.faults(&at, check::description(&declaration));
    } else if !told.of(&at, "description") {
        let fault = Fault::error("", "key `description` is missing", "`description = ...`");
        judge.faults(&at, vec![fault]);
    }
    judge.faults(&at, check::declaration(&declaration));
    let schemas = included.schemas(&mut declaration, &table, &at, judge);
    // Without its schema nobody knows which parameters it has.
    let is_known = schemas && !told.of(&at, "input_schema");
    if is_known {
        judge.faults(&at, check::schemas(&declaration, &table));
    }
    let is_odd = told.of(&at, "command") || told.of(&at, "http");
    let mut kind = match (table.command, table.http) {
        (Some(command), None) => Kind::Command(command),
        (None, Some(http)) => Kind::Http(http),
        (None, None) if is_odd => return None,
        (command, _) => {
            let what = match command {
                Some(_) => "is a command and an HTTP tool",
                None => "does not say what runs it",
            };
            let expected = format!("one of `[{at}.command]` and `[{at}.http]`");
            judge.faults(&at, vec![Fault::error("", what, expected)]);
            return None;
        }
    };
    if !is_known || is_odd {
        return None;
    }
    match &mut kind {
        Kind::Command(command) => {
            command.relative_to(folder);
            judge.faults(&format!("{at}.command"), command.check(&declaration));
        }
        Kind::Http(http) => {
            http.relative_to(folder);
            judge.faults(&format!("{at}.http"), http.check(&declaration));
        }
    }
    // Each of its rules is told above, with its key; this keeps the worker from refusing what was called good.
    if judge.len() == problems
        && !told.at(&at)
        && is_name(name)
        && let Err(what) = declaration.check()
    {
        judge.faults(&at, vec![Fault::error("", what, "")]);
    }
    Some(DeclaredTool { declaration, kind })
}

/// Files that belong to this one, and the sum over all of them.
struct Included {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    text: String,
}

impl Included {
    fn new(folder: &Path, text: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            paths: Vec::new(),
            text: text.to_owned(),
        }
    }

    /// Those of a tool, wherever they stand; false where one cannot be read.
    fn schemas(
        &mut self,
        declaration: &mut Declaration,
        table: &ToolTable,
        at: &str,
        judge: &mut Judge<'_>,
    ) -> bool {
        let input = match &table.input_schema {
            Some(schema) => self.schema(schema, &format!("{at}.input_schema"), judge),
            // Without one, a tool takes no parameters: what nobody has declared does not reach it.
            None => {
                Some(serde_json::json!({"type": "object", "properties": {}, "additionalProperties": false}))
            }
        };
        let output = table.output_schema.as_ref();
        let output = output.map(|schema| self.schema(schema, &format!("{at}.output_schema"), judge));
        let is_whole = input.is_some() && !matches!(output, Some(None));
        declaration.input_schema = input.unwrap_or_default();
        declaration.output_schema = output.flatten();
        is_whole
    }

    /// The schema itself, wherever it stands.
    fn schema(&mut self, schema: &Schema, key: &str, judge: &mut Judge<'_>) -> Option<serde_json::Value> {
        let path = match schema {
            Schema::Here(schema) => return Some(schema.clone()),
            Schema::File(path) => self.folder.join(path),
        };
        self.paths.push(path.clone());
        let fault = match File::read_text(&path) {
            Ok(text) => {
                self.text.push('\0');
                self.text.push_str(&text);
                match serde_json::from_str(&text) {
                    Ok(schema) => return Some(schema),
                    Err(error) => {
                        let (line, column) = (error.line(), error.column());
                        let what = format!("{}:{line}:{column}: is no JSON: {error}", path.display());
                        Fault::error("", what, "a file with a JSON Schema")
                    }
                }
            }
            Err(problem) => {
                let what = format!("{}: {}", path.display(), problem.what);
                Fault::error("", what, "a readable file with a JSON Schema")
            }
        };
        judge.faults(key, vec![fault]);
        None
    }

    fn digest(&self) -> String {
        crate::pins::digest(self.text.as_bytes())
    }
}
