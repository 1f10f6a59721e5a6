//! What watches the driver and decides nothing: each observer keeps, counts or traces what it is told.

pub(crate) mod history;
