//! What a process that holds secrets does before it reads them. It concerns the calling process alone: what that starts
//! has rules of its own.

use std::io;

/// From here on this process leaves no core dump, and other processes of its user see neither its memory nor its
/// environment: they may be commands that it hosts. Elsewhere than on Linux nothing is done.
///
/// Debuggers need the superuser's rights then.
///
/// # Errors
/// When the system does not do it.
pub fn forbid_dumps() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::{
            prctl,
            resource::{Resource, setrlimit},
        };

        // A program that the kernel hands dumps to heeds the first alone, and a file the second.
        prctl::set_dumpable(false)?;
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    }
    Ok(())
}
