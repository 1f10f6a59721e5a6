//! What worker and keeper process say to each other over their socket: one specification with its descriptors, then
//! stops one way and reports the other. No file format: both ends are the same program.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    time::Duration,
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};

use crate::spec::{Exit, Limits, NotStarted, Spec, Step};

/// The hidden first argument of a keeper process.
pub(crate) const KEEP: &str = "--toolwave-keep-a-child";
/// The hidden first argument of the process that becomes the command.
pub(crate) const LAUNCH: &str = "--toolwave-launch-a-child";
/// Marks the environment of what a keeper process started.
pub(crate) const MARK: &str = "TOOLWAVE_KEPT";

/// The specification, then the command's standard input, output and errors.
const DESCRIPTORS: usize = 4;

/// Bytes of a report.
pub(crate) const REPORT: usize = 9;
/// Bytes of the request to stop.
pub(crate) const STOP: usize = 8;

/// What the keeper process tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The process has this id.
    Started(u32),
    /// It has ended, and nothing of it is left.
    Ended(Exit),
}

/// Hands a specification over. It does not wait for the other end, however large it is.
pub(crate) fn send(socket: BorrowedFd<'_>, spec: &Spec, pipes: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    let mut file = File::from(memfd_create("toolwave-spec", MemfdFlags::CLOEXEC)?);
    file.write_all(&encode(spec))?;
    file.rewind()?;
    let [stdin, stdout, stderr] = pipes;
    let descriptors = [file.as_fd(), stdin, stdout, stderr];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(socket, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes a specification; `None` when the other end is gone.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Spec, [OwnedFd; 3])>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::with_capacity(DESCRIPTORS);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            descriptors.extend(more);
        }
    }
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let [file, stdin, stdout, stderr] =
        <[OwnedFd; DESCRIPTORS]>::try_from(descriptors).map_err(|_| malformed())?;
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes)?;
    let spec = decode(&bytes).ok_or_else(malformed)?;
    Ok(Some((spec, [stdin, stdout, stderr])))
}

/// Limits as five words, `-` for none.
pub(crate) fn limits_to_text(limits: &Limits) -> String {
    let Limits {
        cpu_seconds,
        memory_bytes,
        open_files,
        processes,
        file_bytes,
    } = *limits;
    [cpu_seconds, memory_bytes, open_files, processes, file_bytes]
        .map(|limit| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string()))
        .join(",")
}

/// The reverse of [`limits_to_text`].
pub(crate) fn limits_from_text(text: &str) -> Option<Limits> {
    let mut words = text.split(',').map(|word| match word {
        "-" => Some(None),
        number => number.parse().ok().map(Some),
    });
    let mut next = || words.next().flatten();
    Some(Limits {
        cpu_seconds: next()?,
        memory_bytes: next()?,
        open_files: next()?,
        processes: next()?,
        file_bytes: next()?,
    })
}

/// Texts with their lengths before them; those of each list with their number.
fn encode(spec: &Spec) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let number = |bytes: &mut Vec<u8>, number: usize| bytes.extend((number as u64).to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &[u8]| {
        number(bytes, text.len());
        bytes.extend(text);
    };
    text(&mut bytes, spec.program.as_os_str().as_bytes());
    text(
        &mut bytes,
        spec.directory
            .as_ref()
            .map_or(&[], |path| path.as_os_str().as_bytes()),
    );
    text(&mut bytes, limits_to_text(&spec.limits).as_bytes());
    number(&mut bytes, spec.arguments.len());
    for argument in &spec.arguments {
        text(&mut bytes, argument.as_bytes());
    }
    number(&mut bytes, spec.environment.len());
    for (name, value) in &spec.environment {
        text(&mut bytes, name.as_bytes());
        text(&mut bytes, value.as_bytes());
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Option<Spec> {
    fn number(bytes: &mut &[u8]) -> Option<usize> {
        let (first, rest) = bytes.split_first_chunk::<8>()?;
        *bytes = rest;
        usize::try_from(u64::from_le_bytes(*first)).ok()
    }
    fn text(bytes: &mut &[u8]) -> Option<OsString> {
        let length = number(bytes)?;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(OsString::from_vec(text.to_vec()))
    }
    let bytes = &mut bytes;
    let program = text(bytes)?.into();
    let directory = Some(text(bytes)?).filter(|path| !path.is_empty()).map(Into::into);
    let limits = limits_from_text(text(bytes)?.to_str()?)?;
    let mut spec = Spec {
        program,
        directory,
        limits,
        ..Spec::default()
    };
    for _ in 0..number(bytes)? {
        spec.arguments.push(text(bytes)?);
    }
    for _ in 0..number(bytes)? {
        spec.environment.push((text(bytes)?, text(bytes)?));
    }
    bytes.is_empty().then_some(spec)
}

/// The request to end the command within `grace`.
pub(crate) fn stop(grace: Duration) -> [u8; STOP] {
    u64::try_from(grace.as_millis()).unwrap_or(u64::MAX).to_le_bytes()
}

/// The reverse of [`stop`].
pub(crate) fn grace(stop: [u8; STOP]) -> Duration {
    Duration::from_millis(u64::from_le_bytes(stop))
}

impl Report {
    pub(crate) fn encode(self) -> [u8; REPORT] {
        let (kind, first, second) = match self {
            Self::Started(id) => (b'p', id.cast_signed(), 0),
            Self::Ended(Exit::Code(code)) => (b'c', code, 0),
            Self::Ended(Exit::Signal(signal)) => (b's', signal, 0),
            Self::Ended(Exit::NotStarted(NotStarted { step, errno })) => (step_to_byte(step), errno, 1),
            Self::Ended(Exit::Lost) => (b'l', 0, 0),
        };
        let mut bytes = [kind; REPORT];
        bytes[1..5].copy_from_slice(&first.to_le_bytes());
        bytes[5..].copy_from_slice(&i32::to_le_bytes(second));
        bytes
    }

    pub(crate) fn decode(bytes: [u8; REPORT]) -> Self {
        let [kind, a, b, c, d, not_started, ..] = bytes;
        let first = i32::from_le_bytes([a, b, c, d]);
        Self::Ended(match (kind, not_started) {
            (b'p', 0) => return Self::Started(first.cast_unsigned()),
            (b'c', 0) => Exit::Code(first),
            (b's', 0) => Exit::Signal(first),
            (step, 1) => step_from_byte(step).map_or(Exit::Lost, |step| {
                Exit::NotStarted(NotStarted { step, errno: first })
            }),
            _ => Exit::Lost,
        })
    }
}

fn step_to_byte(step: Step) -> u8 {
    match step {
        Step::Directory => b'd',
        Step::Process => b'n',
        Step::Limits => b'l',
        Step::Program => b'x',
    }
}

fn step_from_byte(byte: u8) -> Option<Step> {
    [Step::Directory, Step::Process, Step::Limits, Step::Program]
        .into_iter()
        .find(|step| step_to_byte(*step) == byte)
}
