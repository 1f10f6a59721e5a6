//! The process that becomes the command: it bounds itself, and executes. It runs for less than a millisecond.
//!
//! It tells by its name how far it has come, and by its exit code why not further: it has no descriptor but the
//! command's own.

use std::{
    ffi::{CStr, OsString},
    io,
    os::unix::process::CommandExt as _,
    process::{Command, exit},
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigSet, Signal},
    },
    unistd::{Pid, getppid, setsid},
};

use crate::{
    message,
    spec::{Limits, Step},
};

/// The process's name while it sets limits.
const LIMITING: &CStr = c"tw-limiting";
/// The process's name from then until it is the command.
const EXECUTING: &CStr = c"tw-executing";

/// What a process that ended under this name had not done yet; `None`: it had become the command.
pub(crate) fn step_of_name(name: &str) -> Option<Step> {
    let is = |mark: &CStr| mark.to_bytes() == name.as_bytes();
    match () {
        () if is(LIMITING) => Some(Step::Limits),
        () if is(EXECUTING) => Some(Step::Program),
        () => None,
    }
}

/// `KEEPER LIMITS PROGRAM ARGUMENT…`; the environment is the command's already.
pub(crate) fn launch(mut arguments: impl Iterator<Item = OsString>) -> ! {
    let keeper = arguments.next().and_then(|id| id.to_str()?.parse().ok());
    let limits = arguments
        .next()
        .and_then(|text| message::limits_from_text(text.to_str()?));
    let (Some(keeper), Some(limits), Some(program)) = (keeper, limits, arguments.next()) else {
        exit(Errno::EINVAL as i32);
    };
    if let Err(error) = bound(Pid::from_raw(keeper), &limits) {
        exit(error as i32);
    }
    let error = Command::new(program).args(arguments).exec();
    exit(error.raw_os_error().unwrap_or(Errno::EINVAL as i32))
}

fn bound(keeper: Pid, limits: &Limits) -> Result<(), Errno> {
    prctl::set_name(LIMITING)?;
    // should the keeper process be killed, nobody else ends the command
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != keeper {
        return Err(Errno::ESRCH);
    }
    // a session of its own is a process group of its own, without the worker's terminal
    setsid()?;
    prctl::set_no_new_privs()?;
    // what the keeper process blocks is inherited
    SigSet::all().thread_unblock()?;
    limit(Resource::RLIMIT_CORE, 0, 0)?;
    let Limits {
        cpu_seconds,
        memory_bytes,
        open_files,
        processes,
        file_bytes,
    } = *limits;
    for (resource, bound, room) in [
        (Resource::RLIMIT_CPU, cpu_seconds, 1),
        (Resource::RLIMIT_NOFILE, open_files, 0),
        (Resource::RLIMIT_NPROC, processes, 0),
        (Resource::RLIMIT_FSIZE, file_bytes, 0),
        // last: what comes after it has to do with what is left
        (Resource::RLIMIT_AS, memory_bytes, 0),
    ] {
        if let Some(bound) = bound {
            limit(resource, bound, room)?;
        }
    }
    prctl::set_name(EXECUTING)
}

/// Never above what holds already: only the superuser could, and it would be no limit.
fn limit(resource: Resource, bound: u64, room: u64) -> Result<(), Errno> {
    let (_, most) = getrlimit(resource)?;
    setrlimit(resource, bound.min(most), bound.saturating_add(room).min(most))
}

/// The name of a process, also of one that has ended and is not reaped.
pub(crate) fn name_of(process: Pid) -> io::Result<String> {
    let mut name = std::fs::read_to_string(format!("/proc/{process}/comm"))?;
    name.truncate(name.trim_end_matches('\n').len());
    Ok(name)
}
