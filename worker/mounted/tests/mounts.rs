//! A file of tools that changes while its tools are mounted.

#![cfg(unix)]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use toolwave_keeper::Keeper;
use toolwave_mounted::{Mounts, Pinning, ToolsFile};
use toolwave_tool::SharedTool;

/// Of the paused clock: the file is looked at again and again meanwhile.
const LONG: Duration = Duration::from_secs(60);

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path
    }
}

/// A file with these tools, each with a description of its own where one is given: `name=description`.
fn declaring(tools: &[&str]) -> String {
    let mut text = String::new();
    for tool in tools {
        let (name, description) = tool.split_once('=').unwrap_or((tool, "does nothing"));
        text.push_str(&format!(
            "[tools.{name}]\ndescription = \"{description}\"\ncommand = {{ argv = [\"/bin/true\"] }}\n"
        ));
    }
    text
}

async fn open(path: &Path) -> Mounts {
    let keeper = Keeper::at(PathBuf::from("/nowhere"));
    Mounts::open(path, keeper, BTreeSet::new())
        .await
        .expect("a good file")
}

fn names(mounts: &Mounts) -> Vec<String> {
    mounts
        .tools()
        .iter()
        .map(|tool| tool.declaration().name)
        .collect()
}

fn tool(mounts: &Mounts, name: &str) -> SharedTool {
    let found = mounts
        .tools()
        .into_iter()
        .find(|tool| tool.declaration().name == name);
    found.expect("the tool is there")
}

async fn changed(mounts: &mut Mounts) -> bool {
    tokio::time::timeout(LONG, mounts.changed()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_again_adds_and_removes_tools_and_leaves_the_rest_untouched() {
    let folder = Folder::new();
    let path = folder.write("tools.toml", &declaring(&["kept", "gone", "other"]));
    let mut mounts = open(&path).await;
    let (kept, other) = (tool(&mounts, "kept"), tool(&mounts, "other"));
    folder.write(
        "tools.toml",
        &declaring(&["added", "kept", "other=does something else"]),
    );
    assert!(changed(&mut mounts).await);
    assert_eq!(names(&mounts), ["added", "kept", "other"]);
    assert!(Arc::ptr_eq(&kept, &tool(&mounts, "kept")));
    assert!(!Arc::ptr_eq(&other, &tool(&mounts, "other")));
    assert!(!changed(&mut mounts).await, "nothing has changed since");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_replaced_by_rename_is_read() {
    let folder = Folder::new();
    let path = folder.write("tools.toml", &declaring(&["a"]));
    let mut mounts = open(&path).await;
    for round in ["b", "c"] {
        let beside = folder.write("tools.toml.new", &declaring(&[round]));
        fs::rename(beside, &path).expect("renamed");
        assert!(changed(&mut mounts).await, "{round}");
        assert_eq!(names(&mounts), [round]);
    }
}

/// As a mounted volume of Kubernetes does: the file is a link through a link to a folder, and that one is turned.
#[tokio::test(start_paused = true)]
async fn a_link_that_is_turned_elsewhere_is_followed() {
    let folder = Folder::new();
    for (version, tool) in [("v1", "a"), ("v2", "b")] {
        fs::create_dir(folder.path(version)).expect("made");
        folder.write(&format!("{version}/tools.toml"), &declaring(&[tool]));
    }
    symlink("v1", folder.path("data")).expect("linked");
    symlink("data/tools.toml", folder.path("tools.toml")).expect("linked");
    let mut mounts = open(&folder.path("tools.toml")).await;
    assert_eq!(names(&mounts), ["a"]);
    symlink("v2", folder.path("data.new")).expect("linked");
    fs::rename(folder.path("data.new"), folder.path("data")).expect("turned");
    assert!(changed(&mut mounts).await);
    assert_eq!(names(&mounts), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_or_none_keeps_the_tools_until_there_is_a_good_one() {
    let folder = Folder::new();
    let path = folder.write("tools.toml", &declaring(&["a"]));
    let mut mounts = open(&path).await;
    folder.write("tools.toml", "[tools.b]\ndescription = 1\n");
    assert!(!changed(&mut mounts).await);
    assert_eq!(names(&mounts), ["a"]);
    fs::remove_file(&path).expect("removed");
    assert!(!changed(&mut mounts).await);
    assert_eq!(names(&mounts), ["a"]);
    folder.write("tools.toml", &declaring(&["b"]));
    assert!(changed(&mut mounts).await);
    assert_eq!(names(&mounts), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_schema_in_a_file_of_its_own_is_watched_too() {
    let folder = Folder::new();
    let schema = |property: &str| {
        format!(
            "{{\"type\":\"object\",\"properties\":{{\"{property}\":{{}}}},\"additionalProperties\":false}}"
        )
    };
    folder.write("schema.json", &schema("before"));
    let text = "[tools.a]\ndescription = \"a\"\ninput_schema = \"schema.json\"\ncommand = { argv = [\"/bin/true\"] }\n";
    let mut mounts = open(&folder.write("tools.toml", text)).await;
    folder.write("schema.json", &schema("after"));
    assert!(changed(&mut mounts).await);
    let declaration = tool(&mounts, "a").declaration();
    assert!(
        declaration.input_schema["properties"]["after"].is_object(),
        "{declaration:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_by_hand_is_read_at_once_and_yaml_is_as_good() {
    let folder = Folder::new();
    let text =
        |name: &str| format!("tools:\n  {name}:\n    description: it\n    command: {{argv: [/bin/true]}}\n");
    let path = folder.write("tools.yaml", &text("a"));
    let mut mounts = open(&path).await;
    folder.write("tools.yaml", &text("b"));
    assert!(mounts.reload().await);
    assert_eq!(names(&mounts), ["b"]);
    assert!(!mounts.reload().await, "they are as they were");
    folder.write("tools.yaml", "tools: [");
    assert!(!mounts.reload().await);
    assert_eq!(names(&mounts), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_demands_approval_is_not_used_when_it_changes_and_cannot_lift_the_demand() {
    let folder = Folder::new();
    let strict = |tools: &[&str]| format!("require_pins = true\n{}", declaring(tools));
    let path = folder.write("tools.toml", &strict(&["a"]));
    let approve = |path: &Path| {
        let file = ToolsFile::read(path, &BTreeSet::new(), Pinning::Ignored);
        let file = file.expect("a good file");
        let mut pins = toolwave_mounted::Pins::default();
        pins.file = Some(file.digest().to_owned());
        pins.write(file.pins_path()).expect("written");
    };
    approve(&path);
    let mut mounts = open(&path).await;
    assert_eq!(names(&mounts), ["a"]);
    folder.write("tools.toml", &strict(&["b"]));
    assert!(!changed(&mut mounts).await, "it was not approved");
    folder.write("tools.toml", &declaring(&["b"]));
    assert!(!changed(&mut mounts).await, "the file cannot lift the demand");
    assert_eq!(names(&mounts), ["a"]);
    approve(&path);
    assert!(changed(&mut mounts).await);
    assert_eq!(names(&mounts), ["b"]);
}

/// It takes connections, and says nothing.
#[tokio::test(start_paused = true)]
async fn a_server_that_takes_long_to_start_does_not_keep_the_other_tools_from_being_used() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("its address");
    let server = format!(
        "[servers.silent]\nurl = \"http://{address}/mcp\"\nallow_http = true\nallow_private = [\"{address}\"]\nstart_timeout = \"10m\"\n"
    );
    let folder = Folder::new();
    let path = folder.write("tools.toml", &format!("{}{server}", declaring(&["a"])));
    let file = ToolsFile::read(&path, &BTreeSet::new(), Pinning::Kept).expect("a good file");
    let keeper = Keeper::at(PathBuf::from("/nowhere"));
    let patience = Some(Duration::from_secs(5));
    let mounting = Mounts::of_file(file, keeper, BTreeSet::new(), patience);
    let mounted = tokio::time::timeout(LONG, mounting).await;
    let mut mounts = mounted.expect("it waits no longer").expect("a good file");
    assert_eq!(names(&mounts), ["a"]);
    // nor when a change adds another such server
    let another = server.replace("silent", "another");
    folder.write("tools.toml", &format!("{}{server}{another}", declaring(&["b"])));
    assert!(changed(&mut mounts).await);
    assert_eq!(names(&mounts), ["b"]);
}
