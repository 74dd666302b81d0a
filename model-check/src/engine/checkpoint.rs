//! A search on disk, as it stood between two levels.
//!
//! A checkpoint holds what cannot be made again: counts, the tree and the fingerprints. It is written beside
//! the earlier one, synced and put in its place, so that an interruption leaves one of the two whole. Little
//! endian: magic, identity, counts, notes, tree, fingerprints, and a CRC-32C of all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use reports::store;

use super::tree::Tree;
use super::visited::Visited;

const MAGIC: &[u8; 24] = b"swarmproof checkpoint 1\n";
/// No text in a checkpoint is longer, in bytes.
const TEXT_MAX: u32 = 1 << 16;

/// Why a search cannot be as it was asked for: what of it, mostly a checkpoint, and the reason.
#[derive(Debug)]
pub struct Unusable {
    what: PathBuf,
    reason: String,
}

impl Unusable {
    pub(crate) fn new(what: impl AsRef<Path>, reason: &str) -> Self {
        Unusable { what: what.as_ref().to_owned(), reason: reason.to_owned() }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what.display(), self.reason)
    }
}

impl std::error::Error for Unusable {}

pub(super) struct Checkpoint {
    pub(super) path: PathBuf,
    /// How many states have which depth.
    pub(super) levels: Vec<u64>,
    pub(super) generated: u64,
    pub(super) noted: BTreeMap<String, u32>,
    pub(super) tree: Tree,
    pub(super) fingerprints: Vec<u64>,
}

/// Leaves a checkpoint at `path`.
pub(super) fn write(
    path: &Path,
    identity: &str,
    levels: &[u64],
    generated: u64,
    noted: &BTreeMap<String, u32>,
    tree: &Tree,
    visited: &Visited,
) -> io::Result<()> {
    store::write_through(path, |file| {
        let mut out = Summed { inner: file, sum: 0 };
        out.write_all(MAGIC)?;
        out.text(identity)?;
        out.write_all(&generated.to_le_bytes())?;
        out.write_all(&(levels.len() as u32).to_le_bytes())?;
        for states in levels {
            out.write_all(&states.to_le_bytes())?;
        }
        out.write_all(&(noted.len() as u32).to_le_bytes())?;
        for (name, depth) in noted {
            out.text(name)?;
            out.write_all(&depth.to_le_bytes())?;
        }
        for (parent, event) in tree.iter() {
            out.write_all(&parent.to_le_bytes())?;
            out.write_all(&event.to_le_bytes())?;
        }
        let mut written = Ok(());
        visited.each(|fingerprint| {
            if written.is_ok() {
                written = out.write_all(&fingerprint.to_le_bytes());
            }
        });
        written?;
        let sum = out.sum;
        out.inner.write_all(&sum.to_le_bytes())
    })
}

impl Checkpoint {
    /// The checkpoint at `path`, if there is one.
    pub(super) fn read(path: &Path, identity: &str) -> Result<Option<Self>, Unusable> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Unusable::new(path, &error.to_string())),
        };
        let read = || -> io::Result<Self> {
            let length = file.metadata()?.len();
            let mut from = Summed { inner: BufReader::new(file), sum: 0 };
            Checkpoint::decode(path, identity, length, &mut from)
        };
        read().map(Some).map_err(|error| {
            let reason = match error.kind() {
                io::ErrorKind::UnexpectedEof => "it is cut short".to_owned(),
                _ => error.to_string(),
            };
            Unusable::new(path, &reason)
        })
    }

    fn decode(
        path: &Path,
        identity: &str,
        length: u64,
        from: &mut Summed<BufReader<File>>,
    ) -> io::Result<Self> {
        let refuse = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        if from.array::<24>()? != *MAGIC {
            return refuse("it is not a checkpoint of this version");
        }
        let other = from.read_text()?;
        if other != identity {
            return refuse(&format!("it belongs to another search: {other}"));
        }
        let generated = u64::from_le_bytes(from.array()?);
        let depths = u32::from_le_bytes(from.array()?);
        let mut levels = Vec::new();
        let mut states: u64 = 0;
        for _ in 0..depths {
            let level = u64::from_le_bytes(from.array()?);
            states = states.saturating_add(level);
            levels.push(level);
        }
        // Before anything of that size is allocated. A state has 14 bytes.
        let too_many = states >= u64::from(Tree::ROOT) || states.saturating_mul(14) > length;
        if levels.is_empty() || levels.contains(&0) || too_many {
            return refuse("its counts do not fit its length");
        }
        let mut noted = BTreeMap::new();
        for _ in 0..u32::from_le_bytes(from.array()?) {
            let name = from.read_text()?;
            noted.insert(name, u32::from_le_bytes(from.array()?));
        }
        let mut tree = Tree::new();
        let mut level_end = 0;
        for (depth, level) in levels.iter().enumerate() {
            let before = level_end;
            level_end += level;
            for _ in before..level_end {
                let parent = u32::from_le_bytes(from.array()?);
                if if depth == 0 { parent != Tree::ROOT } else { u64::from(parent) >= before } {
                    return refuse("a state comes from one that is not before it");
                }
                tree.push(parent, u16::from_le_bytes(from.array()?));
            }
        }
        let mut fingerprints = Vec::new();
        for _ in 0..states {
            fingerprints.push(u64::from_le_bytes(from.array()?));
        }
        let sum = from.sum;
        if u32::from_le_bytes(from.array()?) != sum {
            return refuse("its checksum is another");
        }
        if from.inner.read(&mut [0])? > 0 {
            return refuse("it goes on behind its end");
        }
        Ok(Checkpoint { path: path.to_owned(), levels, generated, noted, tree, fingerprints })
    }
}

/// Sums up what passes through.
struct Summed<T> {
    inner: T,
    sum: u32,
}

impl<T: Write> Summed<T> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum = crc32c::crc32c_append(self.sum, bytes);
        self.inner.write_all(bytes)
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= TEXT_MAX);
        let length = length.ok_or_else(|| io::Error::other("a text is too long"))?;
        self.write_all(&length.to_le_bytes())?;
        self.write_all(text.as_bytes())
    }
}

impl<T: Read> Summed<T> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.sum = crc32c::crc32c_append(self.sum, &bytes);
        Ok(bytes)
    }

    fn read_text(&mut self) -> io::Result<String> {
        let length = u32::from_le_bytes(self.array()?);
        if length > TEXT_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a text is too long"));
        }
        let mut bytes = vec![0; length as usize];
        self.inner.read_exact(&mut bytes)?;
        self.sum = crc32c::crc32c_append(self.sum, &bytes);
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a text is not UTF-8"))
    }
}
