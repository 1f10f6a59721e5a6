//! The wire contract: the messages and services of `toolwave.v1`, and KEDA's that is served too, generated and checked in.
//!
//! Nothing else lives here but what both ends agree on beside it. The .proto files in `toolwave/v1` are the source and carry the documentation;
//! the test `generated` fails when the code is older than they are, and renews it on request.

pub mod http2;

/// Package `toolwave.v1`.
#[allow(clippy::all, clippy::pedantic, missing_docs, rustdoc::all, unreachable_pub)]
pub mod v1 {
    include!("generated/toolwave.v1.rs");

    /// The encoded `FileDescriptorSet` of the package and what it imports, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/toolwave.v1.bin");
}

/// Package `externalscaler`: KEDA's contract, which the coordinator serves.
#[allow(clippy::all, clippy::pedantic, missing_docs, rustdoc::all, unreachable_pub)]
pub mod externalscaler {
    include!("generated/externalscaler.rs");

    /// The encoded `FileDescriptorSet` of the package, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/externalscaler.bin");
}

/// The protocol versions of [`v1::worker_service_client`] that this build speaks.
pub const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;
