//! Bounds on what a template makes. Owns the count of bytes; fuel bounds only
//! instructions, and one instruction can make a hundred megabytes.

use minijinja::{Error, ErrorKind};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A refusal of our own; unlike minijinja's, its text may be shown.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) String);

/// An error whose text may be shown: it must hold no parameter's value.
pub(super) fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, "refused").with_source(Refusal(message.into()))
}

/// The bytes that the filters of one expansion may still make.
#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<AtomicUsize>);

impl Meter {
    /// A meter that lets `bytes` pass.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Takes `bytes` before they are made.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Error> {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(|_| ()).map_err(|_| refuse("the template makes more text than limits allow"))
    }
}

/// A writer that takes so many bytes and then fails.
#[derive(Debug)]
pub(super) struct Bounded {
    /// What was written.
    pub(super) bytes: Vec<u8>,
    /// Something did not fit.
    pub(super) full: bool,
    limit: usize,
}

impl Bounded {
    /// A writer for at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), full: false, limit }
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.full = true;
            return Err(io::Error::other("output limit"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
