//! `flowc new`: a project to begin with.

use std::{fs, path::Path};

use crate::{
    args,
    exit::Exit,
    trouble::{Trouble, said},
    ui::{self, WELL, styled},
};

/// The program of a new project; it needs no account and no network.
const MAIN: &str = r#"/// Greets someone, and keeps the greeting in a file.
use files

connection desk = files { folder: "greetings" }

flow greet(name: String = "world") {
  let text = "Hello {name}!"
  step note = desk.write(path: "{name.lower()}.txt", text)
  return { text, path: note.path }
}
"#;

/// What is no part of a project's history.
const IGNORED: &str = ".flow/\ngreetings/\n";

/// Makes the folder with its files.
///
/// # Errors
/// There is something at that place, or it can't be written.
pub(crate) fn new(args: &args::New) -> Result<Exit, Trouble> {
    let folder = &args.folder;
    let shown = folder.display();
    let is_free = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !folder.exists(),
    };
    if !is_free {
        return Err(Trouble::new(Exit::Usage, format!("there is something at `{shown}` already"))
            .help("name a folder that does not exist yet, or is empty"));
    }
    write(folder, "main.flow", MAIN)?;
    write(folder, ".gitignore", IGNORED)?;
    ui::print(&format!("{} {shown}\n", styled(WELL, "made")))?;
    ui::say(&format!("next: flowc run {shown} --input '{{\"name\": \"Ada\"}}'\n"));
    Ok(Exit::Done)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Trouble> {
    let path = folder.join(name);
    fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).map_err(|error| {
        Trouble::new(Exit::Environment, format!("`{}` can't be written: {}", path.display(), said(&error)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_project_is_a_program_without_problems_in_good_order() {
        let checked = flow_compiler::check("main.flow", MAIN.as_bytes(), &crate::program::catalog(), &Nothing);
        assert_eq!(checked.diagnostics, []);
        assert_eq!(flow_compiler::format(MAIN), MAIN);
    }

    struct Nothing;

    impl flow_compiler::Loader for Nothing {
        fn load(&self, _path: &str) -> Result<Vec<u8>, flow_compiler::LoadError> {
            Err(flow_compiler::LoadError::NotFound)
        }
    }
}
