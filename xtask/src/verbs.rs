//! One module per verb, and what they share: the check of names before anything is built.

pub(crate) mod doctor;
pub(crate) mod fuzz;
pub(crate) mod launch;
pub(crate) mod report;
pub(crate) mod test;
pub(crate) mod tidy;

use crate::cli::{Invocation, hint};
use crate::exit::Exit;
use crate::syntax::Names;
use crate::verbs::launch::COMPARED;
use crate::workspace::Workspace;

/// Carries out what the command line asks for.
pub(crate) fn run(workspace: &Workspace, invocation: &Invocation) -> Exit {
    let known = match invocation.verb.names {
        Names::Algorithm | Names::OneAlgorithm | Names::Algorithms => ("algorithm", workspace.algorithms()),
        Names::Zoo => ("zoo", workspace.zoos()),
        Names::Compared => ("comparison", COMPARED.map(str::to_owned).into()),
        Names::OneSimulated => ("algorithm or peer", [workspace.algorithms(), workspace.peers()].concat()),
        Names::Targets => ("fuzz target", workspace.fuzz_targets()),
        Names::Stages => ("stage", test::names()),
        Names::None | Names::Filter => return (invocation.verb.run)(workspace, invocation),
    };
    match check_names(&invocation.names, known.0, &known.1) {
        Ok(()) => (invocation.verb.run)(workspace, invocation),
        Err(message) => {
            eprintln!("error: {message}");
            Exit::Usage
        }
    }
}

fn check_names(names: &[String], what: &str, known: &[String]) -> Result<(), String> {
    match names.iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "there is no {what} `{name}`{}\nknown: {}",
            hint("", name, known.iter().map(String::as_str)),
            if known.is_empty() { "none".to_owned() } else { known.join(" ") }
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_and_with_all_there_are() {
        let known = ["gossip".to_owned(), "raft".to_owned()];
        assert_eq!(check_names(&known, "algorithm", &known), Ok(()));
        let refusal = check_names(&["rafft".to_owned()], "algorithm", &known).expect_err("unknown");
        assert_eq!(refusal, "there is no algorithm `rafft`: did you mean `raft`?\nknown: gossip raft");
        let refusal = check_names(&["raft".to_owned()], "algorithm", &[]).expect_err("unknown");
        assert_eq!(refusal, "there is no algorithm `raft`\nknown: none");
    }
}
