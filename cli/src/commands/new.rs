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

/// What holds for all its programs; `NAME` is the project's name as TOML writes it.
const PROJECT: &str = r#"name = NAME
environment = "development"

# What an environment sets goes before what the programs say; `flowc run --env production` chooses one.
[environments.development]

[environments.production]
data = "/var/lib/flow"

[environments.production.connections.desk]
folder = "/var/lib/flow/greetings"

# What `flowc serve` takes where its command line says nothing.
[serve]
listen = "127.0.0.1:4711"

# What becomes of warnings: "allow", "warn" or "deny". `flowc explain` lists them all.
[lints]
unused-use = "deny"
"#;

/// What is no part of a project's history.
const IGNORED: &str = ".flow/\n.env\ngreetings/\n";

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
    write(folder, "flow.toml", &project(&name(folder)))?;
    write(folder, "main.flow", MAIN)?;
    write(folder, "tests.flow", TESTS)?;
    write(folder, ".gitignore", IGNORED)?;
    ui::print(&format!("{} {shown}\n", styled(WELL, "made")))?;
    let there = if folder.as_os_str() == "." { String::new() } else { format!("cd {shown}, then ") };
    ui::say(&format!("next: {there}flowc test, and flowc run main.flow --input '{{\"name\": \"Ada\"}}'\n"));
    Ok(Exit::Done)
}

/// The last part of the path; where that is none, such as `.`, of the folder that it stands for.
fn name(folder: &Path) -> String {
    let whole = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => folder.canonicalize().unwrap_or_default(),
    };
    whole.file_name().map_or_else(|| "flow".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn project(name: &str) -> String {
    // Texts of JSON are texts of TOML.
    PROJECT.replacen("NAME", &serde_json::Value::from(name).to_string(), 1)
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
        let project = flow_compiler::project::read("flow.toml", &project("a \"quoted\" name"));
        assert_eq!(project.diagnostics, []);
        assert_eq!(project.name.as_ref().map(|name| name.value.as_str()), Some("a \"quoted\" name"));
        let catalog = crate::program::catalog();
        for environment in [None, Some("development"), Some("production")] {
            let checked =
                flow_compiler::check_in(&project, environment, "main.flow", MAIN.as_bytes(), &catalog, &Beside);
            assert_eq!(checked.diagnostics, []);
            assert_eq!(project.strangers(&checked.connections.into_iter().collect()), []);
        }
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
