//! This run as a process: who it is, whether another one is dead, and whether
//! a signal asked it to stop.

#![expect(clippy::disallowed_methods, reason = "the process is read from /proc here")]

use super::signal::Stop;
use crate::core::record::Holder;
use crate::port::Process;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs;

/// Keeps this process's memory, which holds credentials, out of core dumps.
/// Where that is not allowed nothing else is at stake, so it is left at that.
pub fn forbid_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
}

/// This process.
#[derive(Debug)]
pub struct ThisProcess {
    holder: Holder,
    stop: Stop,
}

impl ThisProcess {
    /// Names this run: by the clock and the process it is, so that no two
    /// runs share a name.
    #[must_use]
    pub fn new(stop: Stop) -> Self {
        let pid = std::process::id();
        let now = jiff::Timestamp::now();
        let started = start_time(pid).unwrap_or(0);
        let nonce = crate::core::digest::Digest::of_bytes(
            format!("{}/{pid}/{started}/{}", boot(), now.as_nanosecond()).as_bytes(),
        );
        let stamp = now.strftime("%Y%m%dT%H%M%SZ");
        let tail = nonce.short().get(..8).unwrap_or_default().to_owned();
        let holder = Holder {
            run: format!("{stamp}-{tail}"),
            boot: boot(),
            pid_namespace: pid_namespace(),
            pid,
            started,
        };
        Self { holder, stop }
    }
}

impl Process for ThisProcess {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn provably_dead(&self, holder: &Holder) -> bool {
        let known = !holder.boot.is_empty() && !holder.pid_namespace.is_empty();
        let here = holder.boot == self.holder.boot
            && holder.pid_namespace == self.holder.pid_namespace
            && holder.started > 0
            && self.holder.started > 0;
        // Where other users' processes are hidden, a live one looks gone.
        let all_seen = start_time(1).is_some();
        known && here && all_seen && start_time(holder.pid) != Some(holder.started)
    }

    fn stopping(&self) -> bool {
        self.stop.code().is_some()
    }
}

/// The machine's boot id; empty where it cannot be told.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The PID namespace; empty where it cannot be told.
fn pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid")
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// When a process started, in ticks since boot; none if there is no such
/// process, or only its zombie.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces and parentheses itself.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    // Fields from the third on; the start time is the 22nd.
    let started = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_process_is_not_dead_and_a_gone_one_is() {
        let me = ThisProcess::new(Stop::default());
        assert!(!me.provably_dead(me.holder()));
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let mut other = me.holder().clone();
        other.pid = child.id();
        other.started = start_time(child.id()).unwrap();
        assert!(!me.provably_dead(&other));
        child.kill().unwrap();
        // Not reaped yet: a zombie writes nothing any more.
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(me.provably_dead(&other));
        child.wait().unwrap();
        assert!(me.provably_dead(&other));
        other.boot = "another machine".to_owned();
        assert!(!me.provably_dead(&other));
    }
}
