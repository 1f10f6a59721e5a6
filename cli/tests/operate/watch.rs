//! `toolwave executions --watch`: again and again, until interrupted, and over a coordinator's absence.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    cluster::{Cluster, ENDLESS},
    support::{toolwave, wait},
};

/// A list that is being watched; what it says comes line by line.
struct Watching {
    child: Child,
    lists: mpsc::Receiver<String>,
    notes: mpsc::Receiver<String>,
}

impl Watching {
    fn start(cluster: &Cluster) -> Self {
        let mut command = toolwave(std::path::Path::new("."));
        command
            .args(["executions", "--watch", "--interval", "10ms", "--output", "json"])
            .args(["--coordinator", &cluster.url()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            lists: lines(child.stdout.take().unwrap()),
            notes: lines(child.stderr.take().unwrap()),
            child,
        }
    }

    async fn list(&mut self) -> Value {
        serde_json::from_str(&self.lists.recv().await.unwrap()).unwrap()
    }

    /// The exit code after what Ctrl-C sends.
    async fn interrupt(self) -> Option<i32> {
        let Self {
            mut child,
            lists,
            notes,
        } = self;
        let interrupted = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(interrupted.unwrap().success());
        // its readers go on without us
        drop((lists, notes));
        tokio::task::spawn_blocking(move || wait(&mut child).code())
            .await
            .unwrap()
    }
}

/// A few lines wait; a command that says more waits too, unless nobody listens any more.
fn lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel(8);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            let _ = send.blocking_send(line);
        }
    });
    receive
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_watched_until_interrupted() {
    let cluster = Cluster::start().await;
    let (id, running) = cluster.hold(ENDLESS).await;
    let mut watching = Watching::start(&cluster);
    for _ in 0..3 {
        assert_eq!(watching.list().await["executions"][0]["execution_id"], *id);
    }
    assert_eq!(watching.interrupt().await, Some(0));
    cluster.run(&["cancel", &id]).await;
    tokio::task::spawn_blocking(move || running.finish())
        .await
        .unwrap();
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_list_outlives_its_coordinator() {
    let cluster = Cluster::start().await;
    let address = cluster.address();
    let mut watching = Watching::start(&cluster);
    watching.list().await;
    cluster.end().await;
    let note = watching.notes.recv().await.unwrap();
    assert!(note.starts_with("error: "), "{note}");
    // Lists from before that were not read yet are few; the next ones come from the new coordinator.
    let back = Cluster::start_at(address).await;
    for _ in 0..20 {
        watching.list().await;
    }
    assert_eq!(watching.interrupt().await, Some(0));
    back.end().await;
}
