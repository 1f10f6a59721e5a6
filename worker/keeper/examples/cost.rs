//! What keeping costs: starts and ends `/bin/true` with and without a keeper process, `cost [COUNT [KEEPER]]`.
//! CPU time is told on Unix alone.

use std::{
    env,
    process::Stdio,
    time::{Duration, Instant},
};

use toolwave_keeper::{Keeper, Spec};

const PROGRAM: &str = "/bin/true";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    toolwave_keeper::keep_if_asked();
    let mut arguments = env::args().skip(1);
    let count = arguments.next().map_or(Ok(500), |count| count.parse::<u32>())?;
    let keeper = match arguments.next() {
        Some(program) => Keeper::at(program),
        None => Keeper::this_program()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut times = [Vec::new(), Vec::new()];
        let mut cpu = [Duration::ZERO; 2];
        // in turns: what else the machine does falls on both
        for turn in 0..2 * count {
            let is_kept = usize::from(turn % 2 == 1);
            let (start, before) = (Instant::now(), cpu_of_children()?);
            if is_kept == 1 {
                let spec = Spec {
                    program: PROGRAM.into(),
                    ..Spec::default()
                };
                keeper.spawn(&spec)?.wait().await;
            } else {
                let mut command = tokio::process::Command::new(PROGRAM);
                command
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
                command.spawn()?.wait_with_output().await?;
            }
            times[is_kept].push(start.elapsed());
            cpu[is_kept] += cpu_of_children()?.saturating_sub(before);
        }
        for (index, name) in ["without", "with"].into_iter().enumerate() {
            let times = &mut times[index];
            times.sort();
            let at = |share: usize| {
                times
                    .get(times.len() * share / 100)
                    .copied()
                    .unwrap_or(Duration::ZERO)
            };
            let cpu = cpu[index] / count;
            println!(
                "{name:8} p50 {:?} p90 {:?} p99 {:?}, CPU {cpu:?} each",
                at(50),
                at(90),
                at(99)
            );
        }
        Ok(())
    })
}

/// Of all that have been reaped, theirs included.
#[cfg(unix)]
fn cpu_of_children() -> Result<Duration, Box<dyn std::error::Error>> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?;
    let micros =
        [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros(micros.iter().sum::<i64>().unsigned_abs()))
}

#[cfg(not(unix))]
fn cpu_of_children() -> Result<Duration, Box<dyn std::error::Error>> {
    Ok(Duration::ZERO)
}
