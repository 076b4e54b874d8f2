//! Signals: the first asks the run to stop at the next safe place, the second
//! ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a run that a second signal ended.
const KILLED: i32 = 130;

/// Sets `stop` at the first SIGINT or SIGTERM. What a run has begun to write is
/// finished and recorded; a second signal ends the process, and the next run
/// takes over.
///
/// # Errors
/// Fails if the signals cannot be listened to.
pub fn listen(stop: Arc<AtomicBool>) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.swap(true, Ordering::Relaxed) {
                #[expect(clippy::disallowed_methods, reason = "the second signal ends the run")]
                std::process::exit(KILLED);
            }
        }
    });
    Ok(())
}
