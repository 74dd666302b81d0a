//! `simulate`: one fault-injecting run per seed, of the algorithms there are. See [`model_check::verbs::simulate`].

use std::process::ExitCode;

use model_check::verbs::{self, Caller};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    verbs::simulate::main(Caller::workspace())
}
