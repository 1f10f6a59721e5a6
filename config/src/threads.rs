//! How many threads serve a program, and the runtime that they make.

use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

/// More threads than this serve nobody.
pub const MAX_THREADS: usize = 1024;
/// With so few cores, handing work from thread to thread costs more than the second thread brings.
const FEW_CORES: usize = 2;

/// A runtime of so many threads; 0: one where there are up to two cores, else one per core.
///
/// # Errors
/// When the threads cannot be started.
pub fn runtime(threads: usize) -> io::Result<Runtime> {
    let threads = match threads {
        0 => match thread::available_parallelism().map_or(1, usize::from) {
            ..=FEW_CORES => 1,
            cores => cores,
        },
        threads => threads,
    };
    match threads {
        1 => Builder::new_current_thread().enable_all().build(),
        threads => Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::RuntimeFlavor;

    use super::*;

    #[test]
    fn one_thread_needs_no_second_and_more_are_as_many_as_asked() {
        let one = runtime(1).unwrap();
        assert_eq!(one.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
        let three = runtime(3).unwrap();
        assert_eq!(three.handle().runtime_flavor(), RuntimeFlavor::MultiThread);
        assert_eq!(three.metrics().num_workers(), 3);
    }
}
