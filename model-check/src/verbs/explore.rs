//! `explore ALGO [--instance NAME] [--address HOST:PORT]`: stateright's Explorer on an instance.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use reports::command_line::{self, Exit, Refused};

use super::Caller;
use crate::registered::{Algorithm, Extent};

const HELP: &str = "\
explore ALGO [--instance NAME] [--address HOST:PORT]

Serves stateright's Explorer until Ctrl-C: states, events that can happen next, and properties.

  --instance NAME       which instance (default: the smallest)
  --address HOST:PORT   where to listen (default: 127.0.0.1:3000)
";

struct Options {
    algorithm: &'static dyn Algorithm,
    name: Option<String>,
    address: String,
}

fn options(caller: Caller) -> Result<Option<Options>, Refused> {
    let (mut name, mut address) = (None, "127.0.0.1:3000".to_owned());
    // `--json` says nothing here: the Explorer speaks JSON by itself, to whoever asks.
    let common = caller.read(&[], |option, parser| {
        match option {
            "instance" => name = Some(command_line::value(parser, option)?),
            "address" => address = command_line::value(parser, option)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(common) = common else { return Ok(None) };
    Ok(Some(Options { algorithm: caller.algorithm(&common)?, name, address }))
}

/// Runs the verb.
pub fn main(caller: Caller) -> ExitCode {
    command_line::main("explore", &caller.help(HELP), || options(caller), run)
}

fn run(Options { algorithm, name, address }: &Options) -> Result<Exit, Refused> {
    let refused = |error| Refused::usage(format!("--address {address}: {error}"));
    let resolved: Option<SocketAddr> = address.to_socket_addrs().map_err(refused)?.next();
    let resolved = resolved.ok_or_else(|| Refused::usage(format!("--address {address}: nowhere")))?;
    let instances = algorithm.instances(Extent::Explorable);
    let known = instances.iter().map(|instance| instance.name()).collect::<Vec<_>>().join(", ");
    let instance = match name {
        None => instances.first(),
        Some(name) => instances.iter().find(|instance| instance.name() == name),
    };
    let instance = instance.ok_or_else(|| {
        Refused::usage(format!("--instance {}: one of {known}", name.as_deref().unwrap_or_default()))
    })?;
    println!("{}: {}", instance.name(), instance.about());
    println!("http://{resolved}/ until Ctrl-C");
    instance.explore(resolved).map_err(|error| Refused::missing(format!("{resolved}: {error}")))?;
    Ok(Exit::Fine)
}
