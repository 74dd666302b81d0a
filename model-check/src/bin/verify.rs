//! `verify`: every property in every state within bounds, of the algorithms there are. See [`model_check::verbs::verify`].

use std::process::ExitCode;

use model_check::verbs::{self, Caller};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    verbs::verify::main(Caller::workspace())
}
