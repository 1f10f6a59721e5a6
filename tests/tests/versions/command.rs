//! The command `toolwave` of this release at a coordinator of the last one: what that can do is done, and of the rest it
//! is said in words that the coordinator is older.

use std::{fs, process::Output};

use tempfile::TempDir;
use tokio::process::Command;
use toolwave_tests::{Binaries, Profile};

use crate::{
    ahead::{Gate, Hosted},
    old_answers::EXECUTION,
    old_coordinator::OldCoordinator,
    old_worker::soon,
};

const PLAN: &str = r#"{"calls": [{"tool": "work"}, {"tool": "work"}]}"#;

/// The command in a folder of its own, with a plan in it.
struct Toolwave {
    program: std::path::PathBuf,
    url: String,
    folder: TempDir,
}

impl Toolwave {
    async fn at(coordinator: &OldCoordinator) -> Self {
        let built = tokio::task::spawn_blocking(|| Binaries::built(Profile::Dev));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("plan.json"), PLAN).unwrap();
        Self {
            program: built.await.unwrap().unwrap().path("toolwave"),
            url: coordinator.url(),
            folder,
        }
    }

    async fn says(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).args(["--coordinator", &self.url]);
        command.current_dir(self.folder.path()).kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TOOLWAVE_") {
                command.env_remove(name);
            }
        }
        soon("its end", command.output()).await.unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_runs_plans_and_shows_workers_at_a_coordinator_of_the_last_release() {
    let coordinator = OldCoordinator::start().await;
    let worker = Hosted::start(&[coordinator.url()], 2, &Gate::new(3)).await;
    let toolwave = Toolwave::at(&coordinator).await;
    for (arguments, told) in [
        (&["run", "plan.json"][..], "2 calls in 1 wave: 2 SUCCEEDED"),
        (&["call", "work", r#"{"n": 7}"#], "\"n\": 7"),
        (&["plan", "plan.json"], "2 calls"),
        (&["tools"], "work"),
        (&["workers"], "new     READY"),
        (&["cancel", EXECUTION], EXECUTION),
        (&["drain", "new"], "new takes no new calls"),
    ] {
        let output = toolwave.says(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let said = text(&output.stdout);
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
    soon("the drain", async {
        while !worker.is_draining() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    worker.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_coordinator_of_the_last_release_cannot_answer_is_said_in_words() {
    let coordinator = OldCoordinator::start().await;
    let toolwave = Toolwave::at(&coordinator).await;
    for (arguments, method) in [
        (&["executions"][..], "ListExecutions"),
        (&["executions", "4f01"], "GetExecution"),
        (&["trace", "4f01"], "GetExecution"),
        (&["limits"], "GetCluster"),
        (&["top", "--once"], "GetCluster"),
    ] {
        let output = toolwave.says(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        let told = format!(
            "error: the coordinator at {} is older than this command: it does not answer {method}; coordinators of \
             toolwave 0.1.0 and later do\n",
            coordinator.url()
        );
        assert_eq!(text(&output.stderr), told, "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
    // An execution that is not one's own cannot be cancelled there, which is no fault of the command.
    let output = toolwave.says(&["cancel", "4f01"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        text(&output.stderr),
        "error: not found: no such execution is known\n"
    );
}
