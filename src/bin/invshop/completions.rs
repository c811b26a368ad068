//! `completions SHELL`.

use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;

use crate::output::{Reply, Text};

/// Which script.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// The completion script of a shell.
pub(crate) fn run(which: &Completions, mut command: Command) -> Reply {
    let mut script = Vec::new();
    clap_complete::generate(which.shell, &mut command, "invshop", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    let document = json!({ "shell": which.shell.to_string(), "script": text });
    Reply::one(Text::Raw(script), document)
}
