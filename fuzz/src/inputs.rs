//! Inputs without a fuzzer: kept ones, random ones, and mutations of kept ones.
//!
//! Input `i` of a seed is always the same, whatever ran before it. Nothing here looks at coverage; what it
//! has instead is a corpus to start from. Verified by the tests below.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use swarm_protocol::{Stream, mix};

/// The longest input, in bytes: the limit that libFuzzer starts with.
pub const BYTES_MAX: usize = 4096;
/// The longest input made from nothing, in bytes: what the targets read of one, and a little more.
const RANDOM_BYTES_MAX: u64 = 120;
/// The most mutations of one input.
const MUTATIONS_MAX: u64 = 6;
/// The purpose of the streams drawn here.
const LABEL: u64 = 0x4655_5a5a;

/// A kept input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub bytes: Vec<u8>,
}

/// A kept input that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Unreadable {}

/// The inputs in a folder, by name; none if there is no such folder. Names that begin with a dot are not
/// inputs.
///
/// # Errors
/// The first that is no file, longer than [`BYTES_MAX`], or refused by the system.
pub fn read(folder: &Path) -> Result<Vec<Kept>, Unreadable> {
    let unreadable = |path: &Path, reason: &dyn fmt::Display| Unreadable {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut inputs = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        let length = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.len();
        if length > BYTES_MAX as u64 {
            let reason = format!("an input of {length} bytes, the longest has {BYTES_MAX}");
            return Err(unreadable(&path, &reason));
        }
        let bytes = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        inputs.push(Kept { path, bytes });
    }
    inputs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(inputs)
}

/// Input `number` of `seed`: random bytes, or, every other time, a mutation of one of `corpus`.
pub fn drawn(seed: u64, number: u64, corpus: &[Kept]) -> Vec<u8> {
    let mut draw = Stream::new(seed, LABEL, number);
    if corpus.is_empty() || number.is_multiple_of(2) {
        return random(&mut draw);
    }
    let one = |draw: &mut Stream| &corpus[draw.below(corpus.len() as u64) as usize].bytes;
    let mut bytes = one(&mut draw).clone();
    for _ in 0..=draw.below(MUTATIONS_MAX) {
        let other = one(&mut draw);
        mutate(&mut bytes, other, &mut draw);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn random(draw: &mut Stream) -> Vec<u8> {
    let length = draw.below(RANDOM_BYTES_MAX + 1) as usize;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&draw.draw().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Changes `bytes` in one place.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], draw: &mut Stream) {
    let place = |draw: &mut Stream, length: usize| draw.below(length as u64 + 1) as usize;
    let at = place(draw, bytes.len());
    match draw.below(6) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << draw.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = draw.draw() as u8;
            }
        }
        2 => bytes.insert(at, draw.draw() as u8),
        3 => {
            let end = (at + 1 + draw.below(8) as usize).min(bytes.len());
            bytes.drain(at..end.max(at));
        }
        // The front of this one, the back of the other.
        4 => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[place(draw, other.len())..]);
        }
        _ => bytes.extend(random(draw)),
    }
}

/// Keeps a part of the front of the first `size` bytes of `data` and goes on at random; returns the new size.
/// For libFuzzer, which prefers short inputs with new edges: a protocol runs over the same edges all the time,
/// and what is new about a run is how it goes on.
pub fn go_on_at_random(data: &mut [u8], size: usize, seed: u64) -> usize {
    let mut draw = Stream::new(seed, LABEL, size as u64);
    let kept = draw.below(size.min(data.len()) as u64 + 1) as usize;
    let tail = random(&mut draw);
    let end = data.len().min(kept + tail.len());
    data[kept..end].copy_from_slice(&tail[..end - kept]);
    end
}

/// A name for an input, from its content.
pub fn name(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(bytes.len() as u64, |hash, byte| mix(hash ^ u64::from(*byte)));
    format!("crash-{hash:016x}")
}

/// The shortest input that `fails`, found by taking pieces out of one that does: half of it first, single
/// bytes last. Tries at most `attempts` inputs.
pub fn shrink(bytes: &[u8], mut attempts: u32, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = bytes.to_vec();
    let mut piece = best.len().div_ceil(2);
    while piece > 0 {
        let mut start = 0;
        while start < best.len() {
            if attempts == 0 {
                return best;
            }
            attempts -= 1;
            let mut shorter = best.clone();
            shorter.drain(start..(start + piece).min(best.len()));
            if fails(&shorter) { best = shorter } else { start += piece }
        }
        piece /= 2;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(bytes: &[u8]) -> Kept {
        Kept { path: PathBuf::new(), bytes: bytes.to_vec() }
    }

    #[test]
    fn inputs_are_frozen_by_seed_and_number() {
        // A seed in a report must bring the same inputs again: these values never change.
        let corpus = [kept(b"abcdefgh"), kept(b"12345678")];
        let hashes: Vec<_> = (0..4).map(|number| name(&drawn(7, number, &corpus))).collect();
        let again: Vec<_> = (0..4).rev().map(|number| name(&drawn(7, number, &corpus))).collect();
        assert!(hashes.iter().eq(again.iter().rev()), "an input depends on those before it");
        assert_eq!(
            hashes,
            [
                "crash-f66b5826323b660a",
                "crash-3dcc010fd3e69d03",
                "crash-f5549c8c8bf14b21",
                "crash-1fc18f4446048163"
            ]
        );
    }

    #[test]
    fn half_of_the_inputs_remind_of_the_corpus_and_none_is_too_long() {
        let corpus = [kept(&[b'x'; 64]), kept(&[b'x'; BYTES_MAX])];
        let all: Vec<_> = (0..400).map(|number| drawn(1, number, &corpus)).collect();
        assert!(all.iter().all(|input| input.len() <= BYTES_MAX));
        let alike = all.iter().filter(|input| input.windows(8).any(|part| part == [b'x'; 8])).count();
        assert!((150..=200).contains(&alike), "{alike}");
        assert!(drawn(1, 1, &[]).len() <= RANDOM_BYTES_MAX as usize, "no corpus, no mutations");
    }

    #[test]
    fn going_on_keeps_a_part_of_the_front_and_stays_inside() {
        let (mut shorter, mut longer) = (0, 0);
        for seed in 0..200 {
            let mut data = [b'x'; 100];
            let size = go_on_at_random(&mut data, 50, seed);
            assert!(size <= 100 && data[size..].iter().all(|byte| *byte == b'x'));
            shorter += u32::from(size < 50);
            longer += u32::from(size > 50);
            assert_eq!(go_on_at_random(&mut [], 0, seed), 0);
        }
        assert!(shorter > 20 && longer > 100, "{shorter} {longer}");
    }

    #[test]
    fn shrinking_leaves_what_is_needed() {
        let fails = |bytes: &[u8]| bytes.contains(&7) && bytes.ends_with(&[9]);
        let long: Vec<u8> = (0..100).map(|byte| if byte == 99 { 9 } else { byte % 50 }).collect();
        assert_eq!(shrink(&long, 10_000, fails), [7, 9]);
        assert_eq!(shrink(&long, 0, fails), long);
    }

    #[test]
    fn kept_inputs_are_read_in_order_and_what_is_none_is_refused() {
        let folder = std::env::temp_dir().join(format!("fuzz-inputs-{}", std::process::id()));
        assert_eq!(read(&folder.join("none")), Ok(vec![]));
        fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in [("b", &b"2"[..]), ("a", b"1"), (".gitkeep", b"")] {
            fs::write(folder.join(file), bytes).unwrap();
        }
        let all = read(&folder).unwrap();
        assert!(all.iter().map(|input| &input.bytes[..]).eq([b"1", b"2"]));
        fs::write(folder.join("long"), vec![0; BYTES_MAX + 1]).unwrap();
        let refused = read(&folder).unwrap_err();
        assert!(refused.path.ends_with("long") && refused.reason.contains("4097 bytes"), "{refused}");
        fs::remove_dir_all(folder).unwrap();
    }
}
