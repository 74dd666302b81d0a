//! `cargo xtask <verb>`: the one command line of swarmproof.
//!
//! It depends on no crate of the workspace and starts the others as processes, so that it builds in a
//! few seconds and keeps working while they do not compile. [`cli`] turns the command line into a checked
//! [`cli::Invocation`], one module under [`verbs`] carries it out with [`process`], and the answer is an
//! [`exit::Exit`]. Results go to standard output, everything else to standard error.
//!
//! Verified by unit tests of parsing, suggestions, JSON, log reading, plans and every rule of `tidy`. What
//! the started binaries do is verified in their own crates.

mod cli;
mod exit;
mod json;
mod process;
mod progress;
mod syntax;
mod tidy;
mod tools;
mod verbs;
mod workspace;

use std::process::ExitCode;

use cli::{Parsed, UsageError};
use exit::Exit;
use workspace::Workspace;

fn main() -> ExitCode {
    let parsed = match cli::parse(std::env::args_os().skip(1)) {
        Ok(parsed) => parsed,
        Err(UsageError { message, see }) => {
            eprintln!("error: {message}\nsee `{see}`");
            return Exit::Usage.into();
        }
    };
    let invocation = match parsed {
        Parsed::Help(text) => {
            print!("{text}");
            return Exit::Fine.into();
        }
        Parsed::Run(invocation) => invocation,
    };
    let workspace = match Workspace::find() {
        Ok(workspace) => workspace,
        Err(reason) => {
            eprintln!("error: {reason}");
            return Exit::Usage.into();
        }
    };
    process::watch_for_interrupts();
    verbs::run(&workspace, &invocation).into()
}
