//! Processor time of processes between two moments, in nanoseconds, as Linux keeps it for each thread.
//!
//! Of threads that live at both moments: those of runtimes. A thread that ends in between takes its time with it.

use std::{
    fs, io,
    time::{Duration, Instant},
};

/// A process whose time is counted, and what it is in the system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    /// "client", "coordinator", "worker", "relay" or "echo server".
    pub(crate) role: &'static str,
    pub(crate) id: u32,
}

/// Counts from its start on.
#[derive(Debug)]
pub(crate) struct Meter {
    before: Vec<(Watched, u64)>,
    start: Instant,
}

/// What a stretch of work took.
#[derive(Clone, Debug)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    /// Nanoseconds for each role.
    pub(crate) cpu: Vec<(&'static str, u64)>,
}

impl Meter {
    /// Counts the given processes and this one, the client.
    ///
    /// # Errors
    /// Where /proc is missing, or a process.
    pub(crate) fn start(processes: &[Watched]) -> io::Result<Self> {
        let client = Watched {
            role: "client",
            id: std::process::id(),
        };
        let mut before = Vec::with_capacity(processes.len() + 1);
        for watched in std::iter::once(&client).chain(processes) {
            before.push((*watched, nanoseconds(watched.id)?));
        }
        Ok(Self {
            before,
            start: Instant::now(),
        })
    }

    /// What it took since the start.
    ///
    /// # Errors
    /// A process that has ended.
    pub(crate) fn stop(self) -> io::Result<Spent> {
        let wall = self.start.elapsed();
        let mut cpu: Vec<(&'static str, u64)> = Vec::new();
        for (watched, before) in self.before {
            let spent = nanoseconds(watched.id)?.saturating_sub(before);
            match cpu.iter_mut().find(|(role, _)| *role == watched.role) {
                Some((_, sum)) => *sum += spent,
                None => cpu.push((watched.role, spent)),
            }
        }
        Ok(Spent { wall, cpu })
    }
}

impl Spent {
    pub(crate) fn seconds(&self) -> f64 {
        self.wall.as_secs_f64()
    }
}

fn nanoseconds(process: u32) -> io::Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // a thread may end between the listing and the reading
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        let spent = text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
        sum += spent.ok_or_else(|| io::Error::other("schedstat does not begin with a number"))?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_this_process_is_seen_as_the_clients() {
        let meter = Meter::start(&[]).unwrap();
        let mut value = 1_u64;
        while meter.start.elapsed() < Duration::from_millis(30) {
            value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005));
        }
        let spent = meter.stop().unwrap();
        assert_eq!(spent.cpu[0].0, "client");
        assert!(spent.cpu[0].1 > 0, "{spent:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        let nobody = Watched {
            role: "worker",
            id: u32::MAX,
        };
        assert!(Meter::start(&[nobody]).is_err());
    }
}
