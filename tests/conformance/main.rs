//! Conformance: the embedded cluster answers as Kubernetes does. The same
//! scripts of requests go to both, and the answers are compared; the same
//! rollouts run on both, and what was seen of them is held against the same
//! rules. What differs on purpose is in `left_out.yaml`, with its reason.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads its tables"
)]

mod case;
mod difference;
mod discovery;
mod normal;
mod observed;
mod rendered;
mod requests;
mod rollouts;
mod server;
mod slices;
