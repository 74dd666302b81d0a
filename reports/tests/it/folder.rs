//! A folder of one test alone, removed when the test ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The folder. It is removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty folder of its own, whoever else asks for one of this name.
    pub(crate) fn new(name: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed); // A number that no other thread gets: pairs with nothing.
        let path = std::env::temp_dir().join(format!("reports-{name}-{}-{made}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder takes files");
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the temporary folder is the system's to clean.
        let _ = fs::remove_dir_all(&self.0);
    }
}
