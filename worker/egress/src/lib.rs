//! Where an outgoing HTTP request may go, and how it goes there.
