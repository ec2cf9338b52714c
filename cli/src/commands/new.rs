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

/// Its tests.
const TESTS: &str = r#"use "./main.flow" { greet }

test "the greeting is kept under the name" for greet {
  given name = "Ada"
  stub desk.write returns { path: "ada.txt", size: 10 }
  expect desk.write called once with { path: "ada.txt", text: "Hello Ada!" }
  expect result { text: "Hello Ada!", path: "ada.txt" }
}

test "a greeting that can't be kept is no greeting" for greet {
  stub desk.write fails Forbidden
  expect run failed Forbidden
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
    write(folder, "tests.flow", TESTS)?;
    write(folder, ".gitignore", IGNORED)?;
    ui::print(&format!("{} {shown}\n", styled(WELL, "made")))?;
    ui::say(&format!("next: flowc test {shown}, then flowc run {shown} --input '{{\"name\": \"Ada\"}}'\n"));
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
        let checked = flow_compiler::check("main.flow", MAIN.as_bytes(), &crate::program::catalog(), &Beside);
        assert_eq!(checked.diagnostics, []);
        assert_eq!(flow_compiler::format(MAIN), MAIN);
        let checked = flow_compiler::check("tests.flow", TESTS.as_bytes(), &crate::program::catalog(), &Beside);
        assert_eq!(checked.diagnostics, []);
        assert_eq!(flow_compiler::format(TESTS), TESTS);
        let program = checked.program.unwrap();
        let library = flow_runtime::eval::Library::new(flow_stdlib::functions());
        assert_eq!(program.cases.len(), 2);
        for case in &program.cases {
            let plan = std::sync::Arc::new(program.plans.get(&case.flow).unwrap().clone());
            let report = flow_runtime::sim::run(case, &plan, &library);
            assert!(report.has_passed(), "{}: {:?} {:?}", case.name, report.broken, report.unmet);
        }
    }

    /// The files of a new project.
    struct Beside;

    impl flow_compiler::Loader for Beside {
        fn load(&self, path: &str) -> Result<Vec<u8>, flow_compiler::LoadError> {
            match path {
                "main.flow" => Ok(MAIN.as_bytes().to_vec()),
                _ => Err(flow_compiler::LoadError::NotFound),
            }
        }
    }
}
