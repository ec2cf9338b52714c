//! `flowc fmt`: programs in the one layout.

use std::io::Read as _;

use crate::{
    args,
    exit::Exit,
    program,
    trouble::{Trouble, said},
    ui::{self, CARE, WELL, styled},
};

/// Lays programs out anew, or with `--check` names those that would change.
///
/// # Errors
/// A path does not exist, or a file can't be read or written.
pub(crate) fn fmt(args: &args::Fmt) -> Result<Exit, Trouble> {
    if args.stdin {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .read_to_string(&mut text)
            .map_err(|error| Trouble::new(Exit::Usage, format!("standard input can't be read: {}", said(&error))))?;
        ui::print(&flow_compiler::format(&text))?;
        return Ok(Exit::Done);
    }
    let files = program::find(&args.paths)?;
    let mut changed = 0;
    for path in &files {
        let text = program::text(path)?;
        let formatted = flow_compiler::format(&text);
        if formatted == text {
            continue;
        }
        changed += 1;
        if args.check {
            ui::print(&format!("{} {}\n", styled(CARE, "would change"), path.display()))?;
        } else {
            program::rewrite(path, &formatted)?;
            ui::print(&format!("{} {}\n", styled(WELL, "formatted"), path.display()))?;
        }
    }
    let files = ui::count(files.len(), "file");
    match changed {
        0 => ui::say(&format!("{} {files}\n", styled(WELL, "in good order:"))),
        _ if args.check => ui::say(&format!("{changed} of {files} would change: `flowc fmt` changes them\n")),
        _ => ui::say(&format!("{changed} of {files} changed\n")),
    }
    Ok(if args.check && changed > 0 { Exit::Program } else { Exit::Done })
}
