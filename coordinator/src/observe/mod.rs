//! What observers of the driver keep, each for itself. They are told; they ask for nothing and decide nothing.

pub(crate) mod traces;
