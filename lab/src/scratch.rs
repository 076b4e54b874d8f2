//! Directories for the repositories and sandboxes of tests. Owns where they
//! are; it must never hand out one in which a hook cannot run.

use rustix::fs::{StatVfsMountFlags, statvfs};
use std::path::Path;
use tempfile::TempDir;

/// A file system in memory, where a machine has one.
const MEMORY: &str = "/dev/shm";
/// Far more than all tests of a process have at once. Containers often have a
/// few megabytes there.
const ROOM: u64 = 2 << 30;

/// A new directory, in memory if there is room, for git waits for the disk
/// with every ref that it moves. No test is about a power cut, and a killed
/// process leaves in memory what it leaves on a disk. Who sets `TMPDIR` says
/// where.
///
/// # Errors
///
/// A directory that cannot be made.
pub fn scratch() -> std::io::Result<TempDir> {
    let told = std::env::var_os("TMPDIR").is_some();
    if told || !fits(Path::new(MEMORY)) {
        return tempfile::tempdir();
    }
    tempfile::Builder::new().prefix("tranche-test-").tempdir_in(MEMORY)
}

/// Whether there is room, and programs may run.
fn fits(place: &Path) -> bool {
    let Ok(stat) = statvfs(place) else { return false };
    let room = stat.f_bavail.saturating_mul(stat.f_frsize);
    let closed = StatVfsMountFlags::NOEXEC | StatVfsMountFlags::RDONLY;
    room >= ROOM && !stat.f_flag.intersects(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_does_not_fit() {
        assert!(!fits(Path::new("/dev/shm/no/such/place")));
    }

    #[test]
    fn programs_run_in_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = scratch().unwrap();
        let hook = dir.path().join("hook");
        std::fs::write(&hook, "#!/bin/sh\nexit 7\n").unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        // Through the shell: another test's child may still hold the file open.
        let ended = std::process::Command::new("sh").arg("-c").arg(&hook).status().unwrap();
        assert_eq!(ended.code(), Some(7));
    }
}
