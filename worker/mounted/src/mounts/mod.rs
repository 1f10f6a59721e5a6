//! The tools of a file while they are mounted: started, kept when the file changes and they do not, and closed.
//!
//! It knows nothing of workers: whoever hosts the tools asks for them again when [`Mounts::changed`] returns.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio_util::task::task_tracker::TaskTracker;
use toolwave_config::{Problem, ReloadStatus};
use toolwave_keeper::Keeper;
use toolwave_tool::SharedTool;

use crate::{
    fault::Fault,
    file::{DeclaredServer, DeclaredTool, Kind, Pinning, ToolsFile},
    mcp::{Definition, Mounted},
};

mod lease;
mod watch;

use watch::Watch;

/// The mounted tools of one file.
pub struct Mounts {
    path: PathBuf,
    keeper: Keeper,
    reserved: BTreeSet<String>,
    watch: Watch,
    /// How long servers are waited for.
    patience: Option<Duration>,
    /// Once demanded, approval is demanded as long as the process lives: who can write the file cannot lift it.
    require_pins: bool,
    reload_status: Arc<ReloadStatus>,
    /// The file has changed, and whoever was about to read it was dropped.
    stale: bool,
    tools: BTreeMap<String, Hosted>,
    servers: BTreeMap<String, Served>,
    /// Servers that are gone from the file, and closed when the last of their calls has ended.
    retired: JoinSet<()>,
}

struct Hosted {
    declared: DeclaredTool,
    tool: SharedTool,
}

struct Served {
    declared: DeclaredServer,
    mounted: Mounted,
    leases: TaskTracker,
    /// As they were handed out; made anew only when the server has changed them.
    tools: Vec<SharedTool>,
}

/// What has become of a file that was read again.
#[derive(Debug, Default)]
struct Difference {
    added: usize,
    changed: usize,
    removed: usize,
}

// === impl Mounts ===

impl Mounts {
    /// Reads the file and starts what it names. Names in `reserved` are taken, by tools that are built in.
    ///
    /// # Errors
    /// Every problem of the file. A server that does not start is none: it is tried again, and its tools appear.
    pub async fn open(path: &Path, keeper: Keeper, reserved: BTreeSet<String>) -> Result<Self, Vec<Problem>> {
        let file = ToolsFile::read(path, &reserved, Pinning::Kept)?;
        Self::of_file(file, keeper, reserved, None).await
    }

    /// The same of a file that was read before. Servers that take longer than `patience` to start, now or when the file
    /// is read again, do not keep the other tools from being used; without one, each is waited for as long as it may take.
    ///
    /// # Errors
    /// A tool cannot be made as it is declared.
    pub async fn of_file(
        file: ToolsFile,
        keeper: Keeper,
        reserved: BTreeSet<String>,
        patience: Option<Duration>,
    ) -> Result<Self, Vec<Problem>> {
        let mut mounts = Self {
            path: file.path().to_owned(),
            keeper,
            reserved,
            watch: Watch::new(file.watched.clone()),
            patience,
            require_pins: file.require_pins,
            reload_status: Arc::default(),
            stale: false,
            tools: BTreeMap::new(),
            servers: BTreeMap::new(),
            retired: JoinSet::new(),
        };
        mounts.apply(file).await?;
        Ok(mounts)
    }

    /// What can be called now, in the order of names.
    #[must_use]
    pub fn tools(&self) -> Vec<SharedTool> {
        let own = self.tools.values().map(|hosted| hosted.tool.clone());
        own.chain(
            self.servers
                .values()
                .flat_map(|served| served.tools.iter().cloned()),
        )
        .collect()
    }

    /// What came of the last time that the file was read.
    #[must_use]
    pub fn reload_status(&self) -> &Arc<ReloadStatus> {
        &self.reload_status
    }

    /// What each server says of its tools, and whether it is approved; or why it does not work, as far as is known.
    pub fn definitions(&self) -> impl Iterator<Item = (&str, Vec<Definition>, Option<String>)> {
        let servers = self.servers.iter();
        servers.map(|(name, served)| {
            (
                name.as_str(),
                served.mounted.definitions(),
                served.mounted.failure(),
            )
        })
    }

    /// Waits until [`Mounts::tools`] gives other tools than before: the file has changed, and is good, or a server
    /// has. A bad file is told in the log, and changes nothing. Dropping it in between loses nothing but time.
    pub async fn changed(&mut self) {
        loop {
            if self.stale && self.reload().await {
                return;
            }
            let servers = &mut self.servers;
            tokio::select! {
                () = self.watch.changed() => self.stale = true,
                name = server_changed(servers) => {
                    if let Some(served) = self.servers.get_mut(&name) {
                        served.hand_out(&name);
                    }
                    return;
                }
                Some(_) = self.retired.join_next() => {}
            }
        }
    }

    /// Reads the file again. True: there are other tools. A bad file is told in the log, and changes nothing.
    pub async fn reload(&mut self) -> bool {
        self.stale = true;
        let pinning = match self.require_pins {
            true => Pinning::Demanded,
            false => Pinning::Kept,
        };
        let file = ToolsFile::read(&self.path, &self.reserved, pinning);
        let applied = match file {
            Ok(file) => {
                for warning in file.warnings() {
                    tracing::warn!(problem = %warning, "the tools file can be used, but look at this");
                }
                self.apply(file).await
            }
            Err(problems) => Err(problems),
        };
        self.stale = false;
        match applied {
            Ok(difference) => {
                let Difference {
                    added,
                    changed,
                    removed,
                } = difference;
                self.reload_status.succeeded();
                tracing::info!(added, changed, removed, "the tools file was read again");
                added + changed + removed > 0
            }
            Err(problems) => {
                self.reload_status.failed();
                for problem in &problems {
                    tracing::error!(%problem, "the tools file is wrong");
                }
                let problems = problems.len();
                tracing::error!(
                    problems,
                    "the tools file is not used; the tools stay as they were"
                );
                false
            }
        }
    }

    /// Ends every server, those that still close among them; calls that run end with them.
    pub async fn close(mut self) {
        let servers = std::mem::take(&mut self.servers).into_values();
        join_all(servers.map(|served| served.mounted.close())).await;
        // Nobody calls their tools any more, so they close as soon as the others let go of them.
        drop(self.tools);
        self.retired.shutdown().await;
    }

    /// Makes what is new, keeps what is the same, and lets go of the rest: all or nothing.
    async fn apply(&mut self, file: ToolsFile) -> Result<Difference, Vec<Problem>> {
        let mut difference = Difference::default();
        let mut problems = Vec::new();
        let mut tools = BTreeMap::new();
        for (name, declared) in &file.tools {
            let before = self.tools.get(name);
            let tool = match before {
                Some(hosted) if hosted.declared == *declared => hosted.tool.clone(),
                _ => match self.make(declared) {
                    Ok(tool) => {
                        difference.count(before.is_some());
                        tool
                    }
                    Err(faults) => {
                        problems.extend(faults.into_iter().map(|fault| problem_of(&file, name, fault)));
                        continue;
                    }
                },
            };
            let declared = declared.clone();
            tools.insert(name.clone(), Hosted { declared, tool });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let new = file.servers.iter().filter(|(name, declared)| {
            self.servers
                .get(*name)
                .is_none_or(|served| served.declared.server != declared.server)
        });
        let (keeper, patience) = (&self.keeper, self.patience);
        let started = new.map(async |(name, declared)| {
            let mounted = declared
                .server
                .clone()
                .start_within(patience, name, keeper, declared.approved.clone())
                .await;
            (name.clone(), Served::new(name, declared.clone(), mounted))
        });
        let started = join_all(started).await;
        // From here on nothing waits, so that nobody sees half of it.
        difference.removed += self
            .tools
            .keys()
            .filter(|name| !tools.contains_key(*name))
            .count();
        self.tools = tools;
        for (name, served) in started {
            let before = self.servers.insert(name, served);
            difference.count(before.is_some());
            before.into_iter().for_each(|before| self.retire(before));
        }
        for (name, declared) in &file.servers {
            if let Some(served) = self.servers.get_mut(name)
                && served.declared.approved != declared.approved
            {
                difference.changed += 1;
                served.declared.approved.clone_from(&declared.approved);
                served.mounted.approve(declared.approved.clone());
                served.hand_out(name);
            }
        }
        let gone: Vec<String> = self
            .servers
            .keys()
            .filter(|name| !file.servers.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            difference.removed += 1;
            self.servers
                .remove(&name)
                .into_iter()
                .for_each(|served| self.retire(served));
        }
        self.require_pins |= file.require_pins;
        self.watch.follow(file.watched);
        Ok(difference)
    }

    fn make(&self, declared: &DeclaredTool) -> Result<SharedTool, Vec<Fault>> {
        let declaration = declared.declaration.clone();
        match &declared.kind {
            Kind::Command(command) => command.clone().tool(declaration, &self.keeper),
            Kind::Http(http) => http.clone().tool(declaration),
        }
    }

    /// Closes a server when the last of its calls has ended, and nobody holds a tool of it to make another.
    fn retire(&mut self, served: Served) {
        let Served {
            mounted,
            leases,
            tools,
            ..
        } = served;
        drop(tools);
        leases.close();
        self.retired.spawn(async move {
            leases.wait().await;
            mounted.close().await;
        });
    }
}

fn problem_of(file: &ToolsFile, tool: &str, fault: Fault) -> Problem {
    let dot = if fault.key.is_empty() { "" } else { "." };
    Problem {
        file: Some(file.path().to_owned()),
        ..Problem::new(
            format!("tools.{tool}{dot}{}", fault.key),
            fault.what,
            fault.expected,
        )
    }
}

/// The first server that has other tools.
async fn server_changed(servers: &mut BTreeMap<String, Served>) -> String {
    let mut waiting: Vec<_> = servers
        .iter_mut()
        .map(|(name, served)| {
            Box::pin(async move {
                served.mounted.changed().await;
                name.clone()
            })
        })
        .collect();
    std::future::poll_fn(|context| {
        let mut all = waiting.iter_mut();
        let ready = all.find_map(|one| match one.as_mut().poll(context) {
            Poll::Ready(name) => Some(name),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

// === impl Served ===

impl Served {
    fn new(name: &str, declared: DeclaredServer, mounted: Mounted) -> Self {
        let mut served = Self {
            declared,
            mounted,
            leases: TaskTracker::new(),
            tools: Vec::new(),
        };
        served.hand_out(name);
        served
    }

    /// A server may say anything of itself: a tool that no worker could host is left out, so that it does not keep
    /// the others from being hosted.
    fn hand_out(&mut self, server: &str) {
        let mut names = BTreeSet::new();
        let mut fine = |tool: &SharedTool| {
            let declaration = tool.declaration();
            let name = &declaration.name;
            let own = name
                .strip_prefix(server)
                .is_some_and(|rest| rest.starts_with('.'));
            let wrong = match declaration.check() {
                Err(what) => what,
                Ok(()) if !own => format!("its name does not begin with `{server}.`"),
                Ok(()) if !names.insert(name.clone()) => "its name is there twice".to_owned(),
                Ok(()) => return true,
            };
            tracing::warn!(server, tool = name, wrong, "a tool of an MCP server is left out");
            false
        };
        let tools = self.mounted.tools().into_iter().filter(|tool| fine(tool));
        self.tools = tools.map(|tool| lease::leased(tool, &self.leases)).collect();
    }
}

// === impl Difference ===

impl Difference {
    fn count(&mut self, was_there: bool) {
        match was_there {
            true => self.changed += 1,
            false => self.added += 1,
        }
    }
}
