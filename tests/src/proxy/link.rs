//! One connection of the proxy: two pumps, and the way it ends.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{Direction, End, Flow, Wires};

/// The most that is read at once.
const PIECE: usize = 16 * 1024;
/// Bytes that wait here, of a direction that delays: beyond it nothing is read.
const WAITING: usize = 1024 * 1024;

/// The connection is to end by RST.
struct Broken;

/// Carries bytes both ways until both have ended, or the test ends the connection.
pub(super) async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    wires: &Wires,
    mut end: watch::Receiver<End>,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Pump::new(&wires.to_server).run(from_client, to_server);
        let down = Pump::new(&wires.to_client).run(from_server, to_client);
        tokio::select! {
            both = async { tokio::try_join!(up, down) } => match both {
                Ok(_) => End::Closed,
                Err(Broken) => End::Reset,
            },
            _ = end.changed() => *end.borrow(),
        }
    };
    if ended == End::Reset {
        reset(&client);
        reset(&server);
    }
}

/// The stream's end will be RST instead of FIN.
pub(super) fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// One direction of one connection.
struct Pump<'a> {
    direction: &'a Direction,
    changes: watch::Receiver<Flow>,
    flow: Flow,
    waiting: VecDeque<(Instant, Bytes)>,
    waiting_bytes: usize,
    /// When the next piece may leave a direction that is throttled.
    free_at: Instant,
    /// Of [`Flow::CutAfter`].
    passed: u64,
    /// Bytes of this connection were thrown away.
    lost: bool,
    /// The writer has seen the end.
    closed: bool,
}

// === impl Pump ===

impl<'a> Pump<'a> {
    fn new(direction: &'a Direction) -> Self {
        let mut changes = direction.flow.subscribe();
        let flow = *changes.borrow_and_update();
        Self {
            direction,
            changes,
            flow,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            free_at: Instant::now(),
            passed: 0,
            lost: false,
            closed: false,
        }
    }

    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Broken> {
        let mut buffer = vec![0; PIECE];
        let mut ended = false;
        loop {
            if self.flow == Flow::HalfClosed && !self.closed {
                self.closed = true;
                to.shutdown().await.map_err(|_| Broken)?;
            }
            if ended && self.waiting.is_empty() {
                if !self.closed {
                    to.shutdown().await.map_err(|_| Broken)?;
                }
                return Ok(());
            }
            let due = self.due();
            let reads = !ended && self.flow != Flow::Stopped && self.waiting_bytes < WAITING;
            let most = self.most();
            tokio::select! {
                biased;
                changed = self.changes.changed() => {
                    changed.map_err(|_| Broken)?;
                    self.change()?;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.forward(&mut to).await?;
                }
                read = from.read(&mut buffer[..most]), if reads => match read.map_err(|_| Broken)? {
                    0 => ended = true,
                    length => self.take(&buffer[..length]),
                },
            }
        }
    }

    /// When the first piece that waits may leave.
    fn due(&self) -> Option<Instant> {
        let (at, _) = self.waiting.front().filter(|_| self.flow != Flow::Stopped)?;
        Some((*at).max(self.free_at))
    }

    /// Pieces are small where bytes are counted or slow.
    fn most(&self) -> usize {
        match self.flow {
            Flow::Throttled(rate) => usize::try_from(rate / 50).unwrap_or(PIECE).clamp(1, PIECE),
            _ => PIECE,
        }
    }

    fn change(&mut self) -> Result<(), Broken> {
        self.flow = *self.changes.borrow_and_update();
        self.passed = 0;
        if self.lost && self.flow != Flow::Blackholed {
            return Err(Broken);
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        let delay = match self.flow {
            Flow::Blackholed => {
                self.lost = true;
                return;
            }
            Flow::HalfClosed => return,
            Flow::Delayed(delay) => delay,
            _ => Duration::ZERO,
        };
        self.waiting_bytes += bytes.len();
        self.waiting
            .push_back((Instant::now() + delay, Bytes::copy_from_slice(bytes)));
    }

    async fn forward(&mut self, to: &mut WriteHalf<'_>) -> Result<(), Broken> {
        let Some((_, mut piece)) = self.waiting.pop_front() else {
            return Ok(());
        };
        self.waiting_bytes -= piece.len();
        match self.flow {
            Flow::Blackholed => {
                self.lost = true;
                return Ok(());
            }
            _ if self.closed => return Ok(()),
            Flow::CutAfter(most) => piece.truncate(usize::try_from(most - self.passed).unwrap_or(usize::MAX)),
            Flow::Throttled(rate) => {
                let time = Duration::from_secs_f64(piece.len() as f64 / rate.max(1) as f64);
                self.free_at = Instant::now() + time;
            }
            _ => {}
        }
        to.write_all(&piece).await.map_err(|_| Broken)?;
        let length = piece.len() as u64;
        self.passed += length;
        self.direction.bytes.send_modify(|bytes| *bytes += length);
        match self.flow {
            Flow::CutAfter(most) if self.passed >= most => Err(Broken),
            _ => Ok(()),
        }
    }
}
