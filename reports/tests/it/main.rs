//! What the crate promises, through its public face.

mod command;
mod elections;
mod findability;
mod folder;
mod invented;
mod opinions;
mod sample;
mod samplers;
mod scaling;
mod site;
mod store;
mod structure;

use std::fs;
use std::path::PathBuf;

/// Writes a file into a test's folder, with the folders above it.
fn put(folder: &folder::Folder, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(relative);
    fs::create_dir_all(path.parent().expect("below the folder")).expect("folders can be made");
    fs::write(&path, content).expect("files can be written");
    path
}
