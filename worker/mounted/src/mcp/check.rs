//! What is wrong with a table `[servers.NAME]`, before anything is started.

use std::path::Path;

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use toolwave_egress::Range;
use toolwave_tool::Declaration;

use super::server::Server;
use crate::{fault::Fault, value::Source};

/// A process takes 70 MiB.
const MAX_POOL: u32 = 64;
/// Leaves half of a tool's name to the tool.
const MAX_NAME: usize = 63;
/// Programs that fetch what they run.
const FETCHERS: [&str; 6] = ["npx", "bunx", "pnpx", "uvx", "pipx", "dlx"];
/// Headers that the protocol sets.
const RESERVED: [&str; 7] = [
    "accept",
    "content-type",
    "content-length",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
];

impl Server {
    /// What is wrong with the table of a server of this name; empty where nothing is.
    #[must_use]
    pub fn check(&self, name: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let is_name = !name.is_empty()
            && name.len() <= MAX_NAME
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !is_name {
            let expected = "1 to 63 characters of [A-Za-z0-9_-]: tools are named SERVER.TOOL";
            faults.push(Fault::error("", "the server's name is not allowed", expected));
        }
        match (&self.command, &self.url) {
            (Some(command), None) => self.check_command(command, &mut faults),
            (None, Some(url)) => self.check_url(url, &mut faults),
            (Some(_), Some(_)) => {
                faults.push(Fault::error("", "both command and url are given", "one of them"));
            }
            (None, None) => faults.push(Fault::error(
                "",
                "neither command nor url is given",
                "one of them",
            )),
        }
        self.check_sources(&mut faults);
        self.check_numbers(&mut faults);
        self.check_tools(&mut faults);
        faults
    }

    fn check_command(&self, command: &[String], faults: &mut Vec<Fault>) {
        let Some(program) = command.first() else {
            let expected = "a program and its arguments, such as [\"/usr/bin/node\", \"server.js\"]";
            faults.push(Fault::error("command", "it is empty", expected));
            return;
        };
        if !Path::new(program).is_absolute() {
            let what = format!("`{program}` is no absolute path");
            faults.push(Fault::error(
                "command[0]",
                what,
                "one such as /usr/bin/node: nothing is looked up in PATH",
            ));
        } else if !Path::new(program).is_file() {
            faults.push(Fault::warning(
                "command[0]",
                format!("there is no file {program}"),
                "a program",
            ));
        }
        for (index, argument) in command.iter().enumerate().filter(|(_, text)| text.contains('\0')) {
            let what = format!("it has a NUL after {} bytes", argument.find('\0').unwrap_or(0));
            faults.push(Fault::error(
                format!("command[{index}]"),
                what,
                "text without one",
            ));
        }
        if let Some(package) = unpinned(command) {
            let what = format!("`{package}` is fetched in whatever version is newest");
            let expected = "a version, such as name@1.2.3, or better the path of what is installed";
            faults.push(Fault::warning("command", what, expected));
        }
        for name in self.environment.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                let expected = "a name without = and NUL";
                faults.push(Fault::error(
                    format!("environment.{name}"),
                    "it names no variable",
                    expected,
                ));
            }
        }
        if let Some(directory) = self.directory.as_ref().filter(|directory| !directory.is_dir()) {
            let what = format!("there is no folder {}", directory.display());
            faults.push(Fault::error("directory", what, "one that exists"));
        }
        for (key, given) in [
            ("headers", !self.headers.is_empty()),
            ("allow_private", !self.allow_private.is_empty()),
            ("allow_http", self.allow_http),
        ] {
            if given {
                faults.push(Fault::error(key, "a command takes none", "it with url alone"));
            }
        }
    }

    /// A secret that is not there keeps the server from starting, again and again.
    fn check_sources(&self, faults: &mut Vec<Fault>) {
        for (table, sources) in [("environment", &self.environment), ("headers", &self.headers)] {
            for (name, source) in sources {
                if let Err(error) = source.read() {
                    let text = error.to_string();
                    let (what, expected) = text.split_once("; expected ").unwrap_or((&text, ""));
                    faults.push(Fault::error(format!("{table}.{name}"), what, expected));
                }
            }
        }
    }

    fn check_url(&self, url: &str, faults: &mut Vec<Fault>) {
        let expected = "an address such as https://host/mcp, with http only where allow_http is set";
        match Url::parse(url) {
            Err(error) => faults.push(Fault::error(
                "url",
                format!("it is no address: {error}"),
                expected,
            )),
            Ok(parsed) => {
                let plain = parsed.scheme() == "http" && self.allow_http;
                if parsed.scheme() != "https" && !plain {
                    let what = format!("its scheme is {}", parsed.scheme());
                    faults.push(Fault::error("url", what, expected));
                }
                if !parsed.username().is_empty() || parsed.password().is_some() {
                    let expected = "them in headers.authorization, from the environment or a file";
                    faults.push(Fault::error("url", "it holds credentials", expected));
                }
            }
        }
        for (index, text) in self.allow_private.iter().enumerate() {
            if let Err(what) = text.parse::<Range>() {
                faults.push(Fault::error(format!("allow_private[{index}]"), what, ""));
            }
        }
        for (name, value) in &self.headers {
            let key = format!("headers.{name}");
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                faults.push(Fault::error(
                    key,
                    "it names no header",
                    "a name such as authorization",
                ));
            } else if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
                faults.push(Fault::error(key, "the protocol sets it", "another header"));
            } else if let Source::Text(text) = value
                && HeaderValue::from_str(text).is_err()
            {
                faults.push(Fault::error(
                    key,
                    "it has characters that no header may have",
                    "one line of text",
                ));
            }
        }
        for (key, given) in [
            ("environment", !self.environment.is_empty()),
            ("directory", self.directory.is_some()),
            ("pool", self.pool != 1),
        ] {
            if given {
                faults.push(Fault::error(
                    key,
                    "a server at an address takes none",
                    "it with command alone",
                ));
            }
        }
    }

    fn check_numbers(&self, faults: &mut Vec<Fault>) {
        if !(1..=MAX_POOL).contains(&self.pool) {
            faults.push(Fault::error(
                "pool",
                format!("it is {}", self.pool),
                format!("1 to {MAX_POOL}"),
            ));
        }
        if self.concurrency == Some(0) {
            faults.push(Fault::error(
                "concurrency",
                "it is 0",
                "at least 1, or none for no limit",
            ));
        }
        for (key, duration) in [
            ("start_timeout", self.start_timeout),
            ("discover_timeout", self.discover_timeout),
            ("grace", self.grace),
        ] {
            if duration.is_zero() || duration.as_secs() > 600 {
                let what = format!("it is {duration:?}");
                faults.push(Fault::error(key, what, "more than 0 and at most 10 minutes"));
            }
        }
    }

    fn check_tools(&self, faults: &mut Vec<Fault>) {
        let include = self.include.iter().flatten();
        for tool in include.clone().filter(|tool| self.exclude.contains(tool)) {
            let what = format!("`{tool}` is included and excluded");
            faults.push(Fault::error("exclude", what, "it in one of the lists"));
        }
        if self.include.as_ref().is_some_and(Vec::is_empty) {
            faults.push(Fault::error(
                "include",
                "it is empty: no tool is left",
                "names of tools, or no list",
            ));
        }
        for (tool, overrides) in &self.tools {
            let promises = [
                overrides.read_only,
                overrides.idempotent,
                overrides.honours_idempotency_key,
            ];
            if promises.into_iter().filter(|promise| *promise).count() > 1 {
                let what = "more than one of read_only, idempotent and honours_idempotency_key is set";
                faults.push(Fault::error(format!("tools.{tool}"), what, "one of them"));
            }
            if let Err(what) = self.declared(tool).check() {
                faults.push(Fault::error(format!("tools.{tool}"), what, ""));
            }
            if !overrides.hidden && !self.wants(tool) {
                let expected = "it in include, or nothing said of it";
                faults.push(Fault::warning(
                    format!("tools.{tool}"),
                    "the tool is left out",
                    expected,
                ));
            }
        }
        let mut server = Declaration::new("any", "");
        server.timeout = self.timeout;
        server.max_result_bytes = self.max_result;
        if let Err(what) = server.check() {
            faults.push(Fault::error("", what, ""));
        }
    }

    fn declared(&self, tool: &str) -> Declaration {
        let mut declaration = Declaration::new("any", "");
        self.apply(tool, &mut declaration);
        declaration
    }
}

/// The package that is fetched without a version.
fn unpinned(command: &[String]) -> Option<&str> {
    let program = Path::new(command.first()?).file_name()?.to_str()?;
    let mut arguments = command[1..].iter().map(String::as_str);
    if !FETCHERS.contains(&program) {
        // `npm exec`, `pnpm dlx` and `uv tool run`
        let runs = ["npm", "pnpm", "yarn", "uv"].contains(&program)
            && arguments.any(|argument| ["exec", "dlx", "x", "run"].contains(&argument));
        if !runs {
            return None;
        }
    }
    let package = arguments.find(|argument| !argument.starts_with('-') && *argument != "run")?;
    let version = package.get(1..)?.split_once('@').map(|(_, version)| version);
    let pinned = version.is_some_and(|version| version.starts_with(|char: char| char.is_ascii_digit()))
        || package.contains("==");
    (!pinned).then_some(package)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fault::Severity;

    fn faults(table: Value) -> Vec<String> {
        let server: Server = serde_json::from_value(table).expect("a table");
        let told = |fault: Fault| {
            let mark = if fault.severity == Severity::Warning {
                "?"
            } else {
                ""
            };
            format!("{}{mark}: {}", fault.key, fault.what)
        };
        server.check("files").into_iter().map(told).collect()
    }

    #[test]
    fn a_server_is_a_command_or_an_address() {
        assert_eq!(faults(json!({"command": ["/bin/sh"]})), Vec::<String>::new());
        assert_eq!(faults(json!({"url": "https://host/mcp"})), Vec::<String>::new());
        assert_eq!(faults(json!({})), [": neither command nor url is given"]);
        assert_eq!(
            faults(json!({"command": ["/bin/sh"], "url": "https://h/"})),
            [": both command and url are given"]
        );
        assert_eq!(faults(json!({"command": []})), ["command: it is empty"]);
        assert_eq!(
            faults(json!({"command": ["node"]})),
            ["command[0]: `node` is no absolute path"]
        );
    }

    #[test]
    fn packages_without_a_version_are_told() {
        let argv = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (command, package) in [
            ("/usr/bin/npx -y @scope/server", Some("@scope/server")),
            (
                "/usr/bin/npx -y @scope/server@latest",
                Some("@scope/server@latest"),
            ),
            ("/usr/bin/npx -y @scope/server@1.2.3 /data", None),
            ("/usr/bin/uvx mcp-server-time", Some("mcp-server-time")),
            ("/usr/bin/uvx mcp-server-time==2026.1", None),
            ("/usr/bin/uv tool run mcp-server-git", Some("mcp-server-git")),
            ("/usr/bin/node server.js", None),
        ] {
            assert_eq!(unpinned(&argv(command)), package, "{command}");
        }
    }

    #[test]
    fn addresses_are_https_without_credentials_and_headers_are_lines() {
        let told = faults(
            json!({"url": "http://user:secret@host/mcp", "pool": 2, "headers": {"Host": "a", "x": "a\nb"}}),
        );
        assert_eq!(
            told,
            [
                "url: its scheme is http",
                "url: it holds credentials",
                "headers.Host: the protocol sets it",
                "headers.x: it has characters that no header may have",
                "pool: a server at an address takes none",
            ]
        );
        assert!(told.iter().all(|line| !line.contains("secret")));
        assert!(
            faults(
                json!({"url": "http://127.0.0.1:80/mcp", "allow_http": true, "allow_private": ["127.0.0.1"]})
            )
            .is_empty()
        );
    }

    #[test]
    fn limits_that_make_no_sense_are_told() {
        let told = faults(json!({
            "command": ["/bin/sh"], "pool": 0, "concurrency": 0, "grace": "0s", "include": ["a"], "exclude": ["a"],
            "tools": {"b": {"read_only": true, "idempotent": true, "rate": {"per_second": -1.0}}},
        }));
        assert_eq!(
            told,
            [
                "pool: it is 0",
                "concurrency: it is 0",
                "grace: it is 0ns",
                "exclude: `a` is included and excluded",
                "tools.b: more than one of read_only, idempotent and honours_idempotency_key is set",
                "tools.b: max_concurrency_per_worker is 0; expected at least 1, or none for no limit",
                "tools.b?: the tool is left out",
            ]
        );
        let server: Server = serde_json::from_value(json!({"command": ["/bin/sh"]})).expect("a table");
        assert_eq!(server.check("a.b").len(), 1);
    }
}
