//! Child processes that never outlive the worker.
//!
//! A [`Keeper`] spawns a command below a small process of its own, the keeper process, which ends whatever the command
//! left behind: when the command ends, when it is told to, and when the worker dies in whatever way. Nothing here
//! knows of tools, parameters or results.
//!
//! On Linux the keeper process is the calling program itself, started once more with a hidden first argument: call
//! [`keep_if_asked`] before all else in `main`. It is the subreaper of what it started, so a descendant that left its
//! process group or was orphaned is found too. On other kinds of Unix there is no keeper process: the process group is
//! ended, what left it is not found, and limits are refused. Elsewhere nothing can be spawned.

#[cfg(target_os = "linux")]
mod descendants;
#[cfg(target_os = "linux")]
mod keeping;
#[cfg(target_os = "linux")]
mod launching;
#[cfg(target_os = "linux")]
mod message;
mod spec;

#[cfg(all(unix, not(target_os = "linux")))]
#[path = "group.rs"]
mod kept;
#[cfg(target_os = "linux")]
mod kept;
#[cfg(not(unix))]
#[path = "unsupported.rs"]
mod kept;
mod secrecy;

pub use kept::Kept;
pub use secrecy::forbid_dumps;
pub use spec::{Exit, Keeper, Limits, NotStarted, SpawnError, Spec, Step};

/// First line of `main` of every program that spawns with [`Keeper::this_program`]: returns, unless this process was
/// started to keep a child. It must come before threads, a runtime, arguments and logs.
pub fn keep_if_asked() {
    #[cfg(target_os = "linux")]
    {
        let mut arguments = std::env::args_os().skip(1);
        match arguments.next() {
            Some(first) if first == message::KEEP => keeping::keep(),
            Some(first) if first == message::LAUNCH => launching::launch(arguments),
            _ => {}
        }
    }
}
