//! `flowc new`: a project to begin with.

use std::{fs, path::Path};

use crate::{
    args,
    exit::Exit,
    program::{Place, without_dot},
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

/// A connector to begin with. It checks as it stands, and the comments say what to put in the place of what is there.
const CONNECTOR: &str = r#"/// What NAME is, in a sentence: `flowc connectors list` shows it.
connector NAME {
  // What a connection sets. A `Secret` is never written down; its text is looked for under the name that stands here.
  config {
    token: Secret<String> = secret("NAME/token")
  }

  // What all requests have in common. `auth` can also be `none`, `basic(user, password)`, `header("X-Key", config.token)`.
  // Without `limit`, nothing holds requests back but the answers of the system.
  http {
    base:  "https://api.example.com/v1"
    auth:  bearer(config.token)
    limit: 100 per 10s
  }

  // What statuses and answers mean; the first rule that fits decides. `message` is what people read in the history.
  errors {
    404 => NotFound, 409 => Conflict, 429 => RateLimited
    5xx | connection => Unavailable
    message: body.error?.message
  }

  // Only the fields that programs need: what the system sends besides is ignored, what is missing is a `Mismatch`.
  record Item {
    id:         String
    name:       String
    created_at: Timestamp from "createdAt"
    note:       String?
  }

  /// Read an item.
  operation items.get(id: String) -> Item {
    effect:  read
    request: GET "/items/{id}"
  }

  /// List items with a name.
  operation items.find(name: String, limit: Int = 20) -> List<Item> {
    effect:  read
    request: GET "/items" { query: { name, limit } }
    answer:  body.items
  }

  /// Create an item.
  operation items.create(name: String, note: String?) -> Item {
    // `create` is not repeated, unless the system knows by a key that it has done it: then a lost answer is no problem.
    effect:  create
    key:     header("Idempotency-Key")
    request: POST "/items" { body: { name, note } }
  }

  /// Delete an item.
  operation items.delete(id: String) {
    effect:       idempotent
    request:      DELETE "/items/{id}"
    // What is gone already is deleted, too.
    success_when: status == 404
  }

  // How a webhook proves where it comes from. Of no use? Leave it out together with the trigger. A delivery that the vendor
  // publishes, kept in `NAME.pairs/`, shows that it is right: `flowc connectors test NAME` (docs/connectors.md, section 12).
  verification signature(secret: Secret<String>) {
    hash:   sha256
    secret: secret
    header: "X-Signature"
    signed: "{body}"
  }

  /// An item was changed: `on NAME.item.changed as item { verify: NAME.signature(secret: secret("NAME/webhook")) }`.
  trigger item.changed as Item {
    webhook: body.item
    when:    body.type == "item.changed"
    dedupe:  .id
  }
}
"#;

/// What is no part of a project's history.
const IGNORED: &str = ".flow/\n.env\ngreetings/\n";

/// Makes the folder with its files.
///
/// # Errors
/// There is something at that place, or it can't be written.
pub(crate) fn new(args: &args::New) -> Result<Exit, Trouble> {
    let folder = &args.folder;
    if let Some(name) = &args.connector {
        if folder.as_os_str() != "connector" {
            return Err(Trouble::new(Exit::Usage, format!("`flowc new {} {name}` says nothing", folder.display()))
                .help("write `flowc new FOLDER` for a project, `flowc new connector NAME` for a connector"));
        }
        return connector(name);
    }
    let shown = folder.display().to_string();
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
    let is_plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '/' | '\\' | '.' | '_' | '-' | ':');
    let typed = if shown.chars().all(is_plain) { shown.clone() } else { ui::quoted(&shown) };
    let there = if folder.as_os_str() == "." { String::new() } else { format!("cd {typed}, then ") };
    ui::say(&format!("next: {there}flowc test, and flowc run main.flow --input '{{\"name\": \"Ada\"}}'\n"));
    Ok(Exit::Done)
}

/// Writes a connector into the first folder with connectors of the project that the current folder belongs to.
fn connector(name: &str) -> Result<Exit, Trouble> {
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if !is_name {
        return Err(Trouble::new(Exit::Usage, format!("`{name}` is no name of a connector"))
            .help("write it in snake_case: small letters, digits and `_`, a letter first"));
    }
    let here = Path::new(".");
    let place = Place::of(here, &args::Environment { name: None })?;
    let folder = place.project().connectors.first().map_or("connectors", |folder| folder.value.as_str());
    let folder = place.folder(here).join(folder);
    let file = format!("{name}.flow");
    let path = without_dot(&folder.join(&file)).to_owned();
    if path.exists() {
        return Err(Trouble::new(Exit::Usage, format!("there is something at `{}` already", path.display()))
            .help("choose another name, or change what is there"));
    }
    write(&folder, &file, &CONNECTOR.replace("NAME", name))?;
    ui::print(&format!("{} {}\n", styled(WELL, "made"), path.display()))?;
    let known = if place.is_project() {
        format!("then `use {name}` in a program")
    } else {
        format!("and make a `flow.toml`, which may be empty, so that programs know it: `use {name}`")
    };
    ui::say(&format!("next: flowc check {}, {known}\n", path.display()));
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

    #[test]
    fn a_new_connector_checks_and_is_in_good_order() {
        let text = CONNECTOR.replace("NAME", "shop");
        let program = "use \"./shop.flow\" { shop }\n\nflow f {\n  on shop.item.changed as item {\n    verify: \
                       shop.signature(secret: secret(\"shop/webhook\"))\n  }\n  step shop.items.delete(id: item.id)\n}\n";
        struct Shop(String);
        impl flow_compiler::Loader for Shop {
            fn load(&self, _path: &str) -> Result<Vec<u8>, flow_compiler::LoadError> {
                Ok(self.0.clone().into_bytes())
            }
        }
        let catalog = crate::program::catalog();
        let checked = flow_compiler::check("main.flow", program.as_bytes(), &catalog, &Shop(text.clone()));
        assert_eq!(checked.diagnostics, []);
        assert_eq!(flow_compiler::format(&text), text);
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
