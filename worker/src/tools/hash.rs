//! `hash`: digests of text, of bytes, and, where files are allowed, of a file.

use std::io::Read;

use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::{answers, files::Root, stop::Stop};
use toolwave_tool::{BlockingTool, CallContext, Effect, Safety, Tool, ToolError};

const MAX_FILE_BYTES: u64 = 4 << 30;
const STEP_BYTES: usize = 128 << 10;

const DESCRIPTION: &str = "Computes the SHA-256, SHA-512 or BLAKE3 digest of `text` (its UTF-8 bytes) or of `base64` \
(the bytes it stands for). Returns {algorithm, hex, bytes}.";
const DESCRIPTION_WITH_FILES: &str = "Computes the SHA-256, SHA-512 or BLAKE3 digest of `text` (its UTF-8 bytes), of \
`base64` (the bytes it stands for), or of the file at `path` (at most 4 GiB). Returns {algorithm, hex, bytes}.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HashParameters {
    /// Default sha256.
    #[serde(default)]
    algorithm: Algorithm,
    /// Text to hash. Give exactly one of the inputs.
    #[serde(default)]
    text: Option<String>,
    /// Bytes to hash, in standard base64 with padding. Give exactly one of the inputs.
    #[serde(default)]
    base64: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HashOrFileParameters {
    /// Default sha256.
    #[serde(default)]
    algorithm: Algorithm,
    /// Text to hash. Give exactly one of the inputs.
    #[serde(default)]
    text: Option<String>,
    /// Bytes to hash, in standard base64 with padding. Give exactly one of the inputs.
    #[serde(default)]
    base64: Option<String>,
    /// File to hash, relative to the allowed directory, such as `data/a.bin`. Give exactly one of the inputs.
    #[serde(default)]
    path: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Algorithm {
    #[default]
    Sha256,
    Sha512,
    Blake3,
}

#[derive(Serialize, JsonSchema)]
struct Hashed {
    algorithm: Algorithm,
    /// The digest, in lower-case hexadecimal.
    hex: String,
    /// How many bytes were hashed.
    bytes: u64,
}

/// The tool where no files are allowed.
pub(super) fn tool() -> impl Tool {
    let mut tool = BlockingTool::new(
        "hash",
        DESCRIPTION,
        |parameters: HashParameters, context: CallContext| {
            let input = input(parameters.text, parameters.base64, None)?;
            hash(parameters.algorithm, input, None, &Stop::new(context))
        },
    )
    .safety(Safety::ReadOnly);
    answers::<Hashed>(tool.declaration_mut());
    tool
}

/// The tool where files are allowed.
pub(super) fn tool_with_files(root: Root) -> impl Tool {
    let mut tool = BlockingTool::new(
        "hash",
        DESCRIPTION_WITH_FILES,
        move |parameters: HashOrFileParameters, context: CallContext| {
            let input = input(parameters.text, parameters.base64, parameters.path)?;
            hash(parameters.algorithm, input, Some(&root), &Stop::new(context))
        },
    )
    .safety(Safety::ReadOnly)
    .effect(Effect::Reads("file:{path}".to_owned()));
    answers::<Hashed>(tool.declaration_mut());
    tool
}

enum Input {
    Bytes(Vec<u8>),
    File(String),
}

fn input(text: Option<String>, base64: Option<String>, path: Option<String>) -> Result<Input, ToolError> {
    match (text, base64, path) {
        (Some(text), None, None) => Ok(Input::Bytes(text.into_bytes())),
        (None, Some(base64), None) => match BASE64_STANDARD.decode(&base64) {
            Ok(bytes) => Ok(Input::Bytes(bytes)),
            Err(error) => Err(ToolError::new(
                "INVALID_BASE64",
                format!("base64 is not standard base64 with padding: {error}"),
            )),
        },
        (None, None, Some(path)) => Ok(Input::File(path)),
        _ => Err(ToolError::new(
            "INVALID_PARAMETERS",
            "give exactly one of the inputs: text, base64, or a path where files are allowed",
        )),
    }
}

fn hash(algorithm: Algorithm, input: Input, root: Option<&Root>, stop: &Stop) -> Result<Hashed, ToolError> {
    let mut digest = Running::new(algorithm);
    match (input, root) {
        (Input::Bytes(bytes), _) => {
            for step in bytes.chunks(STEP_BYTES) {
                stop.check()?;
                digest.update(step);
            }
        }
        (Input::File(path), Some(root)) => {
            let path = root.file_path(&path)?;
            let (mut file, size) = root.open_file(&path)?;
            if size > MAX_FILE_BYTES {
                return Err(ToolError::new(
                    "LIMIT_EXCEEDED",
                    format!("{path} has {size} bytes; the limit is {MAX_FILE_BYTES}"),
                ));
            }
            let mut step = vec![0; STEP_BYTES];
            loop {
                stop.check()?;
                match file
                    .read(&mut step)
                    .map_err(|error| Root::refusal(&path, &error))?
                {
                    0 => break,
                    read => digest.update(&step[..read]),
                }
                if digest.bytes > MAX_FILE_BYTES {
                    return Err(ToolError::new(
                        "LIMIT_EXCEEDED",
                        format!("{path} grew past {MAX_FILE_BYTES} bytes"),
                    ));
                }
            }
        }
        (Input::File(_), None) => {
            return Err(ToolError::new("INVALID_PARAMETERS", "files are not allowed here"));
        }
    }
    Ok(digest.finish())
}

struct Running {
    algorithm: Algorithm,
    bytes: u64,
    state: State,
}

enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
}

// === impl Running ===

impl Running {
    fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => State::Blake3(Box::default()),
        };
        Self {
            algorithm,
            bytes: 0,
            state,
        }
    }

    fn update(&mut self, step: &[u8]) {
        self.bytes += step.len() as u64;
        match &mut self.state {
            State::Sha256(state) => state.update(step),
            State::Sha512(state) => state.update(step),
            State::Blake3(state) => {
                state.update(step);
            }
        }
    }

    fn finish(self) -> Hashed {
        let hex = match self.state {
            State::Sha256(state) => hex(&state.finalize()),
            State::Sha512(state) => hex(&state.finalize()),
            State::Blake3(state) => hex(state.finalize().as_bytes()),
        };
        Hashed {
            algorithm: self.algorithm,
            hex,
            bytes: self.bytes,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
