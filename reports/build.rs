//! Notes the compiler and its flags at build time: what a binary asks at run time is the compiler of that
//! moment, which may be another one.

use std::env::var;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = var("RUSTC").ok().and_then(|rustc| {
        let output = Command::new(rustc).arg("--version").output().ok()?;
        String::from_utf8(output.stdout).ok()
    });
    println!("cargo::rustc-env=BUILD_RUSTC={}", rustc.as_deref().unwrap_or("unknown").trim());
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().replace('\u{1f}', " ");
    println!("cargo::rustc-env=BUILD_FLAGS={}", if flags.is_empty() { "none" } else { &flags });
    for (name, source) in
        [("BUILD_TARGET", "TARGET"), ("BUILD_PROFILE", "PROFILE"), ("BUILD_OPT", "OPT_LEVEL")]
    {
        println!("cargo::rustc-env={name}={}", var(source).unwrap_or_else(|_| "unknown".into()));
    }
}
