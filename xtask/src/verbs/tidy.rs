//! `tidy`: the rules that no compiler checks. The rules are in [`crate::tidy`]; here they meet the checkout.

use crate::cli::Invocation;
use crate::exit::Exit;
use crate::json::Object;
use crate::tidy::{Complaint, check, tree};
use crate::workspace::Workspace;

/// Prints a line per complaint.
pub(crate) fn run(workspace: &Workspace, invocation: &Invocation) -> Exit {
    let complaints = match complaints(workspace) {
        Ok(complaints) => complaints,
        Err(reason) => {
            eprintln!("error: {reason}");
            return Exit::Missing;
        }
    };
    for complaint in &complaints {
        if invocation.json {
            let line =
                Object::new().text("verb", "tidy").text("rule", complaint.rule).text("path", &complaint.path);
            let line = line.maybe_count("line", complaint.line.map(|line| line as u64));
            println!("{}", line.text("reason", &complaint.reason).end());
        } else {
            println!("{complaint}");
        }
    }
    let exit = if complaints.is_empty() { Exit::Fine } else { Exit::Finding };
    if invocation.json {
        let line = Object::new().text("verb", "tidy").text("outcome", exit.word());
        println!("{}", line.count("complaints", complaints.len() as u64).end());
    } else if complaints.is_empty() {
        println!("tidy");
    } else {
        println!("{} complaints", complaints.len());
    }
    exit
}

/// All complaints about the checkout. An error says what cannot be looked at.
pub(crate) fn complaints(workspace: &Workspace) -> Result<Vec<Complaint>, String> {
    Ok(check(&tree::read(workspace)?))
}
