//! `explore`: stateright's Explorer on an instance, of the algorithms there are. See [`model_check::verbs::explore`].

use std::process::ExitCode;

use model_check::verbs::{self, Caller};

fn main() -> ExitCode {
    verbs::explore::main(Caller::workspace())
}
