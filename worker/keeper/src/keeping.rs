//! The keeper process: starts one command, ends all that came of it, and reports.
//!
//! ```text
//! receive ──▶ running ──(command ended)──▶ clearing ──(nothing left)──▶ report, exit
//!                │ (stop)        ▲            ▲
//!                └─▶ stopping ───┘            │
//!                       │ (grace over)        │
//!                running, stopping ──(worker gone)
//! ```
//! One thread, no allocator-heavy start, no signal handler: signals that would end it are blocked, for it ends with
//! the worker or the command, and with nothing else but `SIGKILL`.

use std::{
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Command, Stdio, exit},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigSet, Signal, kill, killpg},
        signalfd::{SfdFlags, SignalFd},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::{Pid, close, getpid},
};

use crate::{
    descendants, launching,
    message::{self, LAUNCH, Report, STOP},
    spec::{Exit, NotStarted, Spec, Step},
};

/// Exit code when this is no keeper process of a worker: `EX_USAGE`.
const USAGE: i32 = 64;

/// Standard input is the socket to the worker.
pub(crate) fn keep() -> ! {
    close_inherited();
    let order = std::io::stdin().as_fd().try_clone_to_owned().and_then(|socket| {
        let order = message::receive(socket.as_fd())?;
        Ok((UnixStream::from(socket), order))
    });
    match order {
        Ok((socket, Some((spec, pipes)))) => {
            let mut keeping = Keeping {
                socket,
                signals: watch_signals().ok(),
            };
            let ended = keeping.run(&spec, pipes);
            keeping.report(Report::Ended(ended));
            exit(0)
        }
        // the worker is gone
        Ok((_, None)) => exit(0),
        Err(_) => {
            eprintln!("this argument is for processes that a worker starts for itself; expected none of it");
            exit(USAGE)
        }
    }
}

/// What the worker had inherited itself would be the command's too: Rust's own descriptors close at `exec`.
fn close_inherited() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // the directory itself is among them, and closed already
        let _ = close(descriptor);
    }
}

/// Blocks what a terminal, a supervisor or a careless `killall` sends, and makes the ends of children readable.
fn watch_signals() -> Result<SignalFd, Errno> {
    let mut blocked = SigSet::empty();
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGQUIT,
        Signal::SIGPIPE,
    ] {
        blocked.add(signal);
    }
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    blocked.extend(&children);
    blocked.thread_block()?;
    SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

struct Keeping {
    socket: UnixStream,
    signals: Option<SignalFd>,
}

/// What is asked of the command.
enum Wanted {
    Runs,
    Ends { by: Instant },
    Killed,
}

impl Keeping {
    fn run(&mut self, spec: &Spec, pipes: [OwnedFd; 3]) -> Exit {
        if let Err(errno) =
            prctl::set_name(c"toolwave-keeper").and_then(|()| prctl::set_child_subreaper(true))
        {
            return not_started(Step::Process, errno as i32);
        }
        let command = match launch(spec, pipes) {
            Ok(command) => command,
            Err(exit) => return exit,
        };
        self.report(Report::Started(command.as_raw().cast_unsigned()));
        let exit = self.until_ended(command);
        clear();
        exit
    }

    /// Reaps whatever ends, until the command itself does.
    fn until_ended(&mut self, command: Pid) -> Exit {
        let mut wanted = Wanted::Runs;
        loop {
            if let Some(exit) = reap(command) {
                return exit;
            }
            let patience = match wanted {
                Wanted::Runs => PollTimeout::NONE,
                Wanted::Ends { by } => match by.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => rounded_up(left),
                    _ => {
                        wanted = Wanted::Killed;
                        continue;
                    }
                },
                Wanted::Killed => {
                    let _ = killpg(command, Signal::SIGKILL);
                    descendants::kill_all();
                    // until SIGCHLD tells of it; it tells nothing where there is no such descriptor
                    PollTimeout::from(100_u8)
                }
            };
            if self.wait(patience, matches!(wanted, Wanted::Runs | Wanted::Ends { .. })) {
                wanted = match self.request() {
                    Some(grace) => {
                        terminate(command);
                        let now = Instant::now();
                        Wanted::Ends {
                            by: now.checked_add(grace).unwrap_or(now),
                        }
                    }
                    None => Wanted::Killed,
                };
            }
        }
    }

    /// Waits for a child or, if `listens`, the worker; true when it is the worker.
    fn wait(&self, patience: PollTimeout, listens: bool) -> bool {
        let mut watched = Vec::with_capacity(2);
        if listens {
            watched.push(PollFd::new(self.socket.as_fd(), PollFlags::POLLIN));
        }
        let patience = match &self.signals {
            Some(signals) => {
                watched.push(PollFd::new(signals.as_fd(), PollFlags::POLLIN));
                patience
            }
            None => PollTimeout::from(50_u8),
        };
        let polled = poll(&mut watched, patience);
        if let Some(signals) = &self.signals {
            while let Ok(Some(_)) = signals.read_signal() {}
        }
        listens && polled.is_ok_and(|ready| ready > 0) && watched[0].any() != Some(false)
    }

    /// The grace of a request to stop; `None` when the worker is gone.
    fn request(&mut self) -> Option<Duration> {
        let mut stop = [0; STOP];
        self.socket.read_exact(&mut stop).ok()?;
        Some(message::grace(stop))
    }

    fn report(&mut self, report: Report) {
        // a worker that is gone needs no report
        let _ = self.socket.write_all(&report.encode());
    }
}

fn launch(spec: &Spec, [stdin, stdout, stderr]: [OwnedFd; 3]) -> Result<Pid, Exit> {
    let failed = |step| move |error: std::io::Error| not_started(step, error.raw_os_error().unwrap_or(0));
    if let Some(directory) = &spec.directory {
        std::env::set_current_dir(directory).map_err(failed(Step::Directory))?;
    }
    let child = Command::new("/proc/self/exe")
        .arg0("toolwave-keeper")
        .arg(LAUNCH)
        .arg(getpid().to_string())
        .arg(message::limits_to_text(&spec.limits))
        .arg(&spec.program)
        .args(&spec.arguments)
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr))
        .spawn()
        .map_err(failed(Step::Process))?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

/// Asks the command's group to end. A stopped process hears it once it goes on.
fn terminate(command: Pid) {
    for signal in [Signal::SIGTERM, Signal::SIGCONT] {
        if killpg(command, signal) == Err(Errno::ESRCH) {
            // it has no group of its own yet
            let _ = kill(command, signal);
        }
    }
}

/// Takes all that has ended off the list of processes; the command's own end, if it is among them.
fn reap(command: Pid) -> Option<Exit> {
    let mut ended = None;
    loop {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        let status = match waitid(Id::All, flags | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::StillAlive) => return ended,
            Ok(status) => status,
            Err(Errno::EINTR) => continue,
            // no children at all: the command was among them before
            Err(_) => return ended.or(Some(Exit::Lost)),
        };
        let Some(process) = status.pid() else { return ended };
        if process == command {
            ended = Some(exit_of(status));
        }
        let _ = waitid(Id::Pid(process), flags);
    }
}

/// How the command ended that is not reaped yet.
fn exit_of(status: WaitStatus) -> Exit {
    match status {
        WaitStatus::Exited(process, code) => {
            let step = launching::name_of(process)
                .ok()
                .and_then(|name| launching::step_of_name(&name));
            step.map_or(Exit::Code(code), |step| not_started(step, code))
        }
        WaitStatus::Signaled(_, signal, _) => Exit::Signal(signal as i32),
        _ => Exit::Lost,
    }
}

/// Kills and reaps until there is no descendant.
fn clear() {
    loop {
        match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) => {
                descendants::kill_all();
                // one at least was killed, so this ends
                let _ = waitid(Id::All, WaitPidFlag::WEXITED);
            }
            _ => {}
        }
    }
}

fn not_started(step: Step, errno: i32) -> Exit {
    Exit::NotStarted(NotStarted { step, errno })
}

fn rounded_up(left: Duration) -> PollTimeout {
    let millis = u64::try_from(left.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
}
