//! A folder of one test alone, removed when the test ends.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder. It is removed when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// An empty folder; `name` keeps the tests of one process apart.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("reports-{name}-{}", std::process::id()));
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
