//! Child processes that never outlive the worker, however it ends.
