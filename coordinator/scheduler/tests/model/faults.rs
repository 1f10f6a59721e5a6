//! What goes wrong with workers and their streams, and what they do on purpose.

use toolwave_scheduler::{Event, SessionEnd, SessionKey, WorkerKey};

use crate::{
    process::Process,
    script::some_tools,
    world::{HEARTBEAT, Verdict, World},
};

impl World {
    pub(crate) fn connect(&mut self, host: usize) -> Verdict {
        self.sessions += 1;
        let session = SessionKey(self.sessions);
        let now = self.harness.now;
        let Some((key, old, joined)) = self.process(host, |process| {
            let old = process.link.take();
            process.next_heartbeat = now + HEARTBEAT;
            (process.key, old, process.connect(session))
        }) else {
            return Ok(());
        };
        self.ghosts.extend(old.into_iter().flat_map(|link| link.up));
        self.known[host] = Some(key);
        self.give(joined)
    }

    /// The coordinator sees the stream end.
    pub(crate) fn break_link(&mut self, host: usize) -> Verdict {
        let Some(link) = self.process(host, |process| process.link.take()).flatten() else {
            return Ok(());
        };
        self.ghosts.extend(link.up);
        self.give(Event::WorkerLost {
            session: link.session,
            end: SessionEnd::Broken,
        })
    }

    /// The process is gone. `silent`: and its host with it, so that nobody closes the stream.
    pub(crate) fn crash(&mut self, host: usize, silent: bool) -> Verdict {
        if !silent {
            self.break_link(host)?;
        }
        self.hosts[host] = None;
        Ok(())
    }

    /// A new process on the host, whose name tells the coordinator that the one before is gone.
    pub(crate) fn restart(&mut self, host: usize, shape: usize) -> Verdict {
        self.hosts[host] = None;
        if let Some(worker) = self.known[host].take() {
            self.give(Event::WorkerGone { worker })?;
        }
        self.workers += 1;
        let tools = some_tools(shape as u32 / 4 % 7 + 1);
        self.hosts[host] = Some(Process::new(
            WorkerKey(self.workers),
            shape as u32 % 3 + 1,
            tools,
            self.harness.now,
        ));
        self.connect(host)
    }

    pub(crate) fn drain(&mut self, at: u16, draining: bool) -> Verdict {
        let Some(host) = self.pick(at, |_| true) else {
            return Ok(());
        };
        let told = at.is_multiple_of(2) || !draining;
        let key = self.process(host, |process| {
            if told {
                process.draining = draining;
            }
            process.key
        });
        match key {
            Some(worker) => self.give(Event::WorkerDraining { worker, draining }),
            None => Ok(()),
        }
    }

    pub(crate) fn goodbye(&mut self, host: usize) -> Verdict {
        while self.process(host, |process| {
            process.link.as_ref().is_some_and(|link| !link.up.is_empty())
        }) == Some(true)
        {
            self.hear(host)?;
        }
        let session = self.hosts[host]
            .take()
            .and_then(|process| process.link)
            .map(|link| link.session);
        match session {
            Some(session) => self.give(Event::WorkerLost {
                session,
                end: SessionEnd::Goodbye,
            }),
            None => Ok(()),
        }
    }
}
