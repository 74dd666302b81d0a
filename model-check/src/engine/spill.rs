//! States of a level that are written to disk until their turn comes, when memory is short.
//!
//! Each level has a file of its own, written from front to back while the level is found and read in about that order
//! when it is gone on from. Nobody but the search that wrote a file ever reads it: its name is taken away at once where
//! the system can do without, and otherwise when the level is done, so that a killed search leaves nothing that another
//! could mistake for its own. Every piece has a checksum. A piece that cannot be written, or not be read back, is no
//! loss: its states are made again from the tree, and the search says why.
//!
//! Verified below, and by whole searches in `tests/it/engine.rs`.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lock;

/// The file of one level.
pub(super) struct Spill {
    folder: PathBuf,
    file: Mutex<Option<Named>>,
}

struct Named {
    file: File,
    /// Where the next piece goes.
    end: u64,
    /// What is to be removed, unless it is already.
    path: Option<PathBuf>,
}

/// Where a piece is.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    begin: u64,
    length: u64,
    sum: u32,
}

/// Numbers for the files of this process.
static FILES: AtomicU64 = AtomicU64::new(0);

impl Spill {
    /// Nothing is written yet, and there is no file.
    pub(super) fn new(folder: &Path) -> Self {
        Spill { folder: folder.to_owned(), file: Mutex::new(None) }
    }

    /// Writes a piece at the end.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<Piece> {
        let mut slot = lock(&self.file);
        let named = match &mut *slot {
            Some(named) => named,
            none => none.insert(Named::create(&self.folder)?),
        };
        let begin = named.end;
        named.file.seek(SeekFrom::Start(begin))?;
        named.file.write_all(bytes)?;
        named.end += bytes.len() as u64;
        Ok(Piece { begin, length: bytes.len() as u64, sum: crc32c::crc32c(bytes) })
    }

    /// Reads a piece back.
    pub(super) fn read(&self, piece: Piece) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; piece.length as usize];
        let mut slot = lock(&self.file);
        let named = slot.as_mut().ok_or_else(|| io::Error::other("nothing was written"))?;
        named.file.seek(SeekFrom::Start(piece.begin))?;
        named.file.read_exact(&mut bytes)?;
        if crc32c::crc32c(&bytes) == piece.sum {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "what was read is not what was written"))
        }
    }
}

impl Named {
    fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        loop {
            // Relaxed: numbers are handed out once each.
            let number = FILES.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("level-{}-{number}.spill", process::id()));
            match File::options().read(true).write(true).create_new(true).open(&path) {
                // A search was killed that had the same process number, where names cannot be taken away.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    // Not everywhere can a file do without its name while it is open.
                    let path = fs::remove_file(&path).is_err().then_some(path);
                    return Ok(Named { file, end: 0, path });
                }
            }
        }
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if let Some(Named { file, path: Some(path), .. }) = lock(&self.file).take() {
            drop(file);
            // What is left is never read.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for each test.
    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("swarmproof-spill-{}-{name}", process::id()))
    }

    #[test]
    fn pieces_are_read_back_in_any_order_and_damage_is_noticed() {
        let folder = folder("pieces");
        let spill = Spill::new(&folder);
        assert!(!folder.exists(), "nothing is written yet");
        let pieces: Vec<_> = [&b"one"[..], b"", b"three"].map(|piece| spill.write(piece).unwrap()).to_vec();
        assert_eq!(spill.read(pieces[2]).unwrap(), b"three");
        assert_eq!(spill.read(pieces[0]).unwrap(), b"one");
        assert_eq!(spill.read(pieces[1]).unwrap(), b"");
        let more = spill.write(b"more").unwrap();
        assert_eq!(spill.read(more).unwrap(), b"more", "reading does not move the end");
        {
            let mut slot = lock(&spill.file);
            let file = &mut slot.as_mut().unwrap().file;
            file.seek(SeekFrom::Start(1)).unwrap();
            file.write_all(b"x").unwrap();
        }
        assert_eq!(spill.read(pieces[0]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        lock(&spill.file).as_mut().unwrap().file.set_len(4).unwrap();
        assert_eq!(spill.read(pieces[2]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(spill.read(pieces[0]).is_err() && spill.read(pieces[1]).is_ok());
        drop(spill);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
        fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn what_another_search_left_is_not_touched() {
        let folder = folder("others");
        fs::create_dir_all(&folder).unwrap();
        let names: Vec<_> =
            (0..200).map(|number| format!("level-{}-{number}.spill", process::id())).collect();
        for name in &names {
            fs::write(folder.join(name), "another's").unwrap();
        }
        let spill = Spill::new(&folder);
        let piece = spill.write(b"ours").unwrap();
        assert_eq!(spill.read(piece).unwrap(), b"ours");
        drop(spill);
        assert!(names.iter().all(|name| fs::read(folder.join(name)).unwrap() == b"another's"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_is_an_error() {
        let file = folder("file");
        fs::write(&file, "not a folder").unwrap();
        assert!(Spill::new(&file.join("below")).write(b"x").is_err());
        fs::remove_file(&file).unwrap();
    }
}
