//! The tools of a file in this process: read, started, and told what is odd about them.

use std::{collections::BTreeSet, path::Path, pin::pin, time::Duration};

use tokio::time::timeout;
use toolwave_keeper::Keeper;
use toolwave_mounted::{
    Mounts, Pinning, ToolsFile,
    mcp::{Definition, Standing},
};
use toolwave_worker::tools::BUILTIN_NAMES;

use crate::{failure::Failure, output, text};

/// A wait that is longer is explained.
const SILENCE: Duration = Duration::from_secs(1);

/// Names that no tool of a file may have.
pub(crate) fn reserved() -> BTreeSet<String> {
    BUILTIN_NAMES.map(str::to_owned).into()
}

/// Reads a file, and says what may be meant otherwise.
pub(crate) fn read(path: &Path) -> Result<ToolsFile, Failure> {
    let file = ToolsFile::read(path, &reserved(), Pinning::Kept).map_err(Failure::ToolsFile)?;
    warn(&file);
    Ok(file)
}

/// Starts what a file names. Of a server that does not start it says why: its tools are missing.
pub(crate) async fn open(file: ToolsFile) -> Result<Mounts, Failure> {
    let servers = text::counted(file.server_names().count(), "MCP server");
    let mut mounting = pin!(mount(file));
    let mounts = match timeout(SILENCE, &mut mounting).await {
        Ok(mounts) => mounts?,
        Err(_) => {
            output::note(&format!("waiting for the start of {servers}"));
            mounting.await?
        }
    };
    for (server, definitions, failure) in mounts.definitions() {
        if let (true, Some(why)) = (definitions.is_empty(), failure) {
            let note = format!("warning: the MCP server `{server}` offers no tools: {why}");
            output::note(&text::printable(&note));
        }
    }
    Ok(mounts)
}

/// Starts what a file names.
pub(crate) async fn mount(file: ToolsFile) -> Result<Mounts, Failure> {
    let keeper = Keeper::this_program().map_err(|error| {
        Failure::Other(format!(
            "this program cannot find itself to keep commands: {error}"
        ))
    })?;
    Mounts::of_file(file, keeper, reserved(), None)
        .await
        .map_err(Failure::ToolsFile)
}

/// Says what may be meant otherwise.
pub(crate) fn warn(file: &ToolsFile) {
    for warning in file.warnings() {
        output::note(&text::printable(&format!("warning: {warning}")));
    }
}

/// What is known of a definition, in a word.
pub(crate) fn state(definition: &Definition) -> String {
    match &definition.standing {
        Standing::Approved => "approved".to_owned(),
        Standing::New => "new".to_owned(),
        Standing::Changed { .. } => "changed".to_owned(),
        Standing::Refused { why } => format!("refused: {why}"),
    }
}

/// A definition for people: its canonical JSON, a line for each member.
pub(crate) fn definition_text(definition: &Definition) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(&definition.text);
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value));
    pretty.unwrap_or_else(|_| definition.text.clone())
}
