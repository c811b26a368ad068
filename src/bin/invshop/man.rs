//! `man [DIR]`.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Reply, Text};

/// Which pages, and where to.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write the pages of all commands into this folder
    dir: Option<PathBuf>,
}

/// The page of the program, or those of all its commands as files.
pub(crate) fn run(man: &Man, command: Command) -> Result<Reply, Failure> {
    let Some(dir) = &man.dir else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.map_err(|error| Failure::io("the page", &error))?;
        let text = String::from_utf8_lossy(&page).into_owned();
        return Ok(Reply::one(Text::Raw(page), json!({ "page": text })));
    };
    write_all(dir, command).map_err(|error| Failure::io(&dir.display().to_string(), &error))
}

fn write_all(dir: &Path, mut command: Command) -> std::io::Result<Reply> {
    std::fs::create_dir_all(dir)?;
    command.build();
    let mut left = vec![command];
    let mut count = 0;
    while let Some(command) = left.pop() {
        // The help command of each noun is only a way to ask.
        let verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help");
        left.extend(verbs.cloned());
        clap_mangen::Man::new(command).generate_to(dir)?;
        count += 1;
    }
    let document = json!({ "dir": dir.display().to_string(), "pages": count });
    Ok(Reply::one(format!("{count} pages in {}", dir.display()), document))
}
