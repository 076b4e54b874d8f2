//! The journal: the cluster's state between processes, as JSON lines. Owns the
//! directory, the lock, the torn last line and compaction; it must never
//! interpret an object.

#![expect(clippy::disallowed_methods, reason = "the sandbox's state lives in files")]

use super::world::{Entry, World};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The journal is written anew when it is larger than this and than four times
/// its live state.
const COMPACT_ABOVE: u64 = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    journal: u32,
    generation: u64,
    seed: String,
    at: Timestamp,
}

/// A journal file and how much of it is in memory.
#[derive(Debug)]
pub(super) struct Journal {
    dir: PathBuf,
    compact_above: u64,
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    world: World,
    generation: u64,
    offset: u64,
    live: u64,
}

impl Journal {
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir)?;
        #[cfg(unix)]
        {
            // An existing directory keeps no wider rights than a new one.
            let rights = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            std::fs::set_permissions(dir, rights)?;
        }
        Ok(Self { dir: dir.to_owned(), compact_above: COMPACT_ABOVE, loaded: None })
    }

    #[cfg(test)]
    pub(super) fn compact_above(&mut self, bytes: u64) {
        self.compact_above = bytes;
    }

    /// Locks the directory against other processes and handles.
    pub(super) fn lock(&self) -> io::Result<File> {
        let path = self.dir.join("lock");
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => file.lock()?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(file)
    }

    /// Runs `work` on the newest state and writes what it changed. The caller
    /// holds the lock. If writing fails the state in memory is dropped and read
    /// again next time, so that memory never knows more than the file.
    pub(super) fn transact<T>(
        &mut self,
        start: Timestamp,
        work: impl FnOnce(&mut World) -> T,
    ) -> io::Result<T> {
        let mut loaded = self.catch_up(start)?;
        let out = work(&mut loaded.world);
        if let Some(entry) = loaded.world.take_entry() {
            self.append(&mut loaded, &entry)?;
            if loaded.offset > self.compact_above && loaded.offset > 4 * loaded.live {
                self.compact(&mut loaded)?;
            }
        }
        self.loaded = Some(loaded);
        Ok(out)
    }

    fn path(&self) -> PathBuf {
        self.dir.join("journal.jsonl")
    }

    fn catch_up(&mut self, start: Timestamp) -> io::Result<Loaded> {
        let file = match OpenOptions::new().read(true).write(true).open(self.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.create(start),
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        let head = reader.read_line(&mut line)? as u64;
        let header: Header = serde_json::from_str(&line).map_err(|e| self.broken(0, &e))?;
        if header.journal != 1 {
            let cause = format!("format {} is not one this version reads", header.journal);
            return Err(self.broken(0, &cause));
        }
        let mut loaded = match self.loaded.take() {
            Some(loaded) if loaded.generation == header.generation => loaded,
            _ => Loaded {
                world: World::new(&header.seed, header.at),
                generation: header.generation,
                offset: head,
                live: 0,
            },
        };
        reader.seek(SeekFrom::Start(loaded.offset))?;
        let mut tail = Vec::new();
        reader.read_to_end(&mut tail)?;
        self.replay(&mut loaded, &tail)?;
        let torn = tail.last().is_some_and(|last| *last != b'\n');
        if torn {
            // A writer was killed in the middle of a line, before it answered.
            reader.into_inner().set_len(loaded.offset)?;
        }
        Ok(loaded)
    }

    fn replay(&self, loaded: &mut Loaded, tail: &[u8]) -> io::Result<()> {
        for line in tail.split_inclusive(|byte| *byte == b'\n') {
            if line.last() != Some(&b'\n') {
                break;
            }
            let entry: Entry =
                serde_json::from_slice(line).map_err(|e| self.broken(loaded.offset, &e))?;
            loaded.world.replay(entry);
            loaded.offset += line.len() as u64;
        }
        Ok(())
    }

    fn create(&self, start: Timestamp) -> io::Result<Loaded> {
        let seed = start.as_nanosecond().to_string();
        let now = Timestamp::from_second(start.as_second()).unwrap_or(start);
        let mut world = World::new(&seed, now);
        super::genesis(&mut world);
        let mut loaded = Loaded { world, generation: 0, offset: 0, live: 0 };
        loaded.world.take_entry();
        self.compact(&mut loaded)?;
        Ok(loaded)
    }

    fn append(&self, loaded: &mut Loaded, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).open(self.path())?;
        file.write_all(&line)?;
        loaded.offset += line.len() as u64;
        Ok(())
    }

    /// Writes the state into a fresh file of the next generation, and puts that
    /// in the journal's place.
    fn compact(&self, loaded: &mut Loaded) -> io::Result<()> {
        let generation = loaded.generation + 1;
        let snapshot = loaded.world.snapshot();
        let seed = loaded.world.seed().to_owned();
        let header = Header { journal: 1, generation, seed, at: snapshot.at };
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.push(b'\n');
        bytes.extend(serde_json::to_vec(&snapshot)?);
        bytes.push(b'\n');
        let fresh = self.dir.join("journal.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, self.path())?;
        loaded.generation = generation;
        loaded.offset = bytes.len() as u64;
        loaded.live = bytes.len() as u64;
        Ok(())
    }

    fn broken(&self, offset: u64, cause: &dyn std::fmt::Display) -> io::Error {
        let path = self.path();
        let text = format!("{}: broken at byte {offset}: {cause}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}
