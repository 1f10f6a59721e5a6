//! A program that keeps, and the programs that it keeps, for tests: `kept ROLE ARGUMENT…`.
//!
//! Roles take a mark as argument that does nothing: tests find processes by it.

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    process::{Command, Stdio, exit},
    thread,
    time::Duration,
};

fn main() -> io::Result<()> {
    toolwave_keeper::keep_if_asked();
    let mut arguments = env::args().skip(1);
    let role = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let number = || rest.first().and_then(|text| text.parse().ok()).unwrap_or(0);
    match role.as_str() {
        "exit" => exit(number()),
        "echo" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            print!("{text}");
        }
        "arguments" => println!("{}", serde_json::to_string(&rest)?),
        "sleep" => sleep(),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "allocate" => drop(std::hint::black_box(vec![1_u8; number().unsigned_abs() as usize])),
        "write" => fs::write(&rest[0], vec![0; 1 << 20])?,
        "see" => see()?,
        #[cfg(unix)]
        _ => unix::act(&role, &rest)?,
        #[cfg(not(unix))]
        _ => exit(64),
    }
    Ok(())
}

/// Says that all is in place, and goes on for as long as nobody ends it.
fn sleep() -> ! {
    println!("ready");
    let _ = io::stdout().flush();
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Tells what a process sees of itself.
fn see() -> io::Result<()> {
    let mut descriptors: Vec<String> = fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|path| !path.starts_with("/proc")))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    descriptors.sort();
    let seen = serde_json::json!({
        "descriptors": descriptors,
        "environment": env::vars().collect::<std::collections::BTreeMap<_, _>>(),
        "directory": env::current_dir()?,
        "status": fs::read_to_string("/proc/self/status")?,
        "limits": fs::read_to_string("/proc/self/limits")?,
        "session": fs::read_to_string("/proc/self/stat")?,
    });
    println!("{seen}");
    Ok(())
}

fn this(role: &str, mark: &[String]) -> io::Result<std::process::Child> {
    Command::new(env::current_exe()?)
        .arg(role)
        .args(mark)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
}

#[cfg(unix)]
mod unix {
    use super::{Command, Stdio, env, exit, io, sleep, this};

    use nix::{
        sys::signal::{SigSet, Signal, raise},
        unistd::setsid,
    };

    pub(crate) fn act(role: &str, mark: &[String]) -> io::Result<()> {
        match role {
            "signal" => raise(Signal::SIGUSR1)?,
            "stubborn" => {
                SigSet::all().thread_block()?;
                sleep();
            }
            "children" => {
                for role in ["sleep", "stubborn", "sleep"] {
                    this(role, mark)?;
                }
                sleep();
            }
            // a daemon: a session of its own, and no parent
            "daemon" => {
                this("detach", mark)?.wait()?;
                sleep();
            }
            "daemon-and-exit" => {
                this("detach", mark)?.wait()?;
            }
            "detach" => {
                setsid()?;
                this("stubborn", mark)?;
            }
            // each child starts another before it ends
            "chain" => {
                this("chain", mark)?;
            }
            "hold" => hold(mark)?,
            "inherit" => inherit(mark)?,
            _ => exit(64),
        }
        Ok(())
    }

    /// Keeps a process of the role and mark, tells the keeper process's id, and waits.
    fn hold(rest: &[String]) -> io::Result<()> {
        use tokio::io::{AsyncBufReadExt as _, BufReader};
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let spec = toolwave_keeper::Spec {
                program: env::current_exe()?,
                arguments: rest.iter().map(Into::into).collect(),
                ..Default::default()
            };
            let keeper = toolwave_keeper::Keeper::this_program()?;
            let mut kept = keeper.spawn(&spec).map_err(io::Error::other)?;
            let output = kept.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            let mut lines = BufReader::new(output).lines();
            // `ready`, or the one line that the role writes
            let line = lines.next_line().await?.unwrap_or_default();
            println!("{} {line}", kept.id());
            kept.wait().await;
            Ok(())
        })
    }

    /// Becomes a holder that has inherited descriptors it knows nothing of.
    fn inherit(rest: &[String]) -> io::Result<()> {
        let status = Command::new("/bin/sh")
            .args(["-c", "exec 7</dev/null 8>&1 \"$0\" \"$@\""])
            .arg(env::current_exe()?)
            .arg("hold")
            .args(rest)
            .stdin(Stdio::null())
            .status()?;
        exit(status.code().unwrap_or(1))
    }
}
