//! Signals: the first asks the run to stop at the next safe place, the second
//! ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// The first signal that asked to stop; nothing before.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// The exit code that the signal asks for, once it has come: 130 for
    /// SIGINT and 143 for SIGTERM.
    #[must_use]
    pub fn code(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|code| *code != 0)
    }
}

/// Tells of the first SIGINT or SIGTERM. What a run has begun to write is
/// finished and recorded; a second signal ends the process, and the next run
/// takes over.
///
/// # Errors
/// Fails if the signals cannot be listened to.
pub fn listen() -> std::io::Result<Stop> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = Stop::default();
    let told = stop.clone();
    tokio::spawn(async move {
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            if told.0.swap(code, Ordering::Relaxed) != 0 {
                #[expect(clippy::disallowed_methods, reason = "the second signal ends the run")]
                std::process::exit(i32::from(code));
            }
        }
    });
    Ok(stop)
}
