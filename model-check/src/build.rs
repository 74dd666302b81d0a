//! Which program this is: what it leaves for a later run is of use to the same program alone.

use std::env;
use std::fs;
use std::sync::OnceLock;

/// A checksum of the running executable, or `unknown` where the system does not tell.
pub fn sum() -> &'static str {
    static SUM: OnceLock<String> = OnceLock::new();
    SUM.get_or_init(|| {
        let program = env::current_exe().ok().and_then(|path| fs::read(path).ok());
        program.map_or("unknown".to_owned(), |bytes| format!("{:08x}", crc32c::crc32c(&bytes)))
    })
}
