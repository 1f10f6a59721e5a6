//! What the programs of this workspace take on an HTTP/2 connection. A peer with other settings gets along with them.

/// The largest HTTP/2 frame taken: payloads come in fewer, for each of which the peer makes a system call. At the
/// default of 16 KiB those cost more than the copying; much larger ones would hold up others on a slow line.
pub const LARGEST_FRAME: u32 = 256 * 1024;
/// What a coordinator's or a worker's peer may have under way on a stream: all of it is ahead of a small call that
/// comes next. Measured beside payloads of 1 MiB: a sixth of the wait, and no less throughput, than with 4 MiB.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// Above the stream's: what one stream has not read must not stop the connection's other frames.
pub const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
