//! Which project does a program belong to, and in which environment is it meant?
//!
//! In: a path on the command line, and `--env`. Out: [`Place`]: what the nearest `flow.toml` above the path says, with the
//! project's connectors, and how programs are checked there. A program without a `flow.toml` is a project of its own, of
//! which nothing is said.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use flow_compiler::{
    Catalog, Checked, Program,
    project::{self, Overrides, Project},
    query::{self, Documented, Surroundings},
};
use flow_model::{
    diagnostic::{Code, Diagnostic, Severity},
    span::SourceFile,
};

use super::{disk, find};
use crate::{
    args,
    exit::Exit,
    suggest::nearest,
    trouble::Trouble,
    ui::{self, QUIET, Stream, styled},
};

/// How many diagnostics are written before a program is run or drawn; `flowc check` shows more.
const MOST_SHOWN: usize = 50;

/// Where programs are: their project, and the environment that is meant.
pub(crate) struct Place {
    /// The folder of `flow.toml`.
    root: Option<PathBuf>,
    /// What the file says.
    pub(crate) project: Project,
    environment: Option<String>,
    catalog: Catalog,
    /// The connections of all programs of the project, once they were looked for.
    connections: OnceCell<BTreeSet<String>>,
}

impl Place {
    /// The place of a file or folder.
    ///
    /// # Errors
    /// `flow.toml` can't be read, or there is no such environment.
    pub(crate) fn of(path: &Path, environment: &args::Environment) -> Result<Self, Trouble> {
        Self::at(root(path), environment)
    }

    fn at(root: Option<PathBuf>, environment: &args::Environment) -> Result<Self, Trouble> {
        let mut catalog = super::catalog();
        let mut project = match &root {
            Some(root) => read(root, &mut catalog)?,
            None => Project::default(),
        };
        project.today = Some(jiff::Zoned::now().date());
        let environment = match &environment.name {
            Some(name) => Some(existing(name, &project, root.as_deref())?),
            None => {
                let named = project.environment.as_ref().map(|named| named.value.clone());
                named.filter(|name| project.environments.contains_key(name))
            }
        };
        Ok(Self { root, project, environment, catalog, connections: OnceCell::new() })
    }

    /// Checks the program in a file.
    ///
    /// # Errors
    /// The file can't be read, or has nothing in it.
    pub(crate) fn check(&self, path: &Path) -> Result<Checked, Trouble> {
        let text = disk::read(path)?;
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(Trouble::new(Exit::Program, format!("`{}` is empty", path.display()))
                .help("write a flow, for example `flow hello { return \"hello\" }`"));
        }
        Ok(self.check_text(path, &text))
    }

    /// The same with another text in the place of the file's.
    pub(crate) fn check_text(&self, path: &Path, text: &[u8]) -> Checked {
        let path = path.to_string_lossy();
        let environment = self.environment.as_deref();
        flow_compiler::check_in(&self.project, environment, &path, text, &self.catalog, &disk::Disk)
    }

    /// The items of the program in a file, with their documentation. Its errors are shown as [`Place::load`] does.
    ///
    /// # Errors
    /// The file can't be read, or the program has errors.
    pub(crate) fn document(&self, path: &Path) -> Result<Vec<Documented>, Trouble> {
        let text = super::text(path)?;
        let around = Surroundings {
            project: &self.project,
            environment: self.environment.as_deref(),
            catalog: &self.catalog,
            loader: &disk::Disk,
        };
        let (checked, documented) = query::document(around, &path.to_string_lossy(), &text);
        self.accept(path, checked).map(|_| documented)
    }

    /// Checks the program in a file that is to be run or drawn. Its errors and those of the project are shown on standard
    /// error; that there are warnings is said.
    ///
    /// # Errors
    /// The file can't be read, or the program has errors.
    pub(crate) fn load(&self, path: &Path) -> Result<Program, Trouble> {
        self.accept(path, self.check(path)?)
    }

    /// The program that was checked, unless it has errors; they are shown as [`Place::load`] does.
    ///
    /// # Errors
    /// The program or the project has errors.
    pub(crate) fn accept(&self, path: &Path, checked: Checked) -> Result<Program, Trouble> {
        let Checked { files, mut diagnostics, program, connections, .. } = checked;
        let own = self.wrong(&connections);
        self.show(&own);
        let found = diagnostics.len();
        diagnostics.retain(|diagnostic| diagnostic.severity() == Severity::Error);
        let (errors, warnings) = (diagnostics.len(), found - diagnostics.len());
        diagnostics.truncate(MOST_SHOWN);
        if !diagnostics.is_empty() {
            ui::say(&flow_compiler::render::human(&files, &diagnostics, ui::drawing(Stream::Err)));
        }
        let path = path.display();
        if warnings > 0 && errors == 0 {
            let told = format!("{}: `flowc check {path}` shows them", ui::count(warnings, "warning"));
            ui::say(&format!("{}\n", styled(QUIET, told)));
        }
        sound(&own)?;
        program.ok_or_else(|| Trouble::new(Exit::Program, format!("`{path}` has {}", ui::count(errors, "error"))))
    }

    /// That `flow.toml` says what can be done, for who needs no program. Its errors are shown on standard error.
    ///
    /// # Errors
    /// It has errors.
    pub(crate) fn check_project(&self) -> Result<(), Trouble> {
        self.show(&self.project.diagnostics);
        sound(&self.project.diagnostics)
    }

    fn show(&self, own: &[Diagnostic]) {
        if !own.is_empty() {
            ui::say(&flow_compiler::render::human(&self.project.files, own, ui::drawing(Stream::Err)));
        }
    }

    /// What is wrong with the project: with the file itself, and settings of connections that no program has. `known` are
    /// connections that there are; the other programs are looked at only when that does not settle it.
    pub(crate) fn wrong(&self, known: &[String]) -> Vec<Diagnostic> {
        let known: BTreeSet<String> = known.iter().cloned().collect();
        let mut wrong = self.project.diagnostics.clone();
        if !self.project.strangers(&known).is_empty() {
            wrong.extend(self.project.strangers(self.connections()));
        }
        wrong
    }

    /// The connections of all programs below the root.
    fn connections(&self) -> &BTreeSet<String> {
        self.connections.get_or_init(|| {
            let files = self.root.clone().and_then(|root| find::find(&[root]).ok()).unwrap_or_default();
            files.iter().filter_map(|file| self.check(file).ok()).flat_map(|checked| checked.connections).collect()
        })
    }

    /// What programs here are checked with.
    pub(crate) fn settings_for_editor(self) -> flow_lsp::Settings {
        flow_lsp::Settings { project: self.project, environment: self.environment, catalog: self.catalog }
    }

    /// What the project sets in this environment.
    pub(crate) fn settings(&self) -> Overrides {
        self.project.settings(self.environment.as_deref())
    }

    /// The connectors of the project and those that come with Flow.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What the project says as a whole.
    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    /// Whether there is a `flow.toml`, so that programs know the connectors of its folder.
    pub(crate) fn is_project(&self) -> bool {
        self.root.is_some()
    }

    /// The folder that paths in `flow.toml` are relative to; without one, that of the program.
    pub(crate) fn folder(&self, program: &Path) -> PathBuf {
        match (&self.root, program.parent()) {
            (Some(root), _) => root.clone(),
            (None, _) if program.is_dir() => program.to_owned(),
            (None, Some(parent)) if !parent.as_os_str().is_empty() => parent.to_owned(),
            (None, _) => PathBuf::from("."),
        }
    }

    /// Where the runs of a program are kept: in the folder that was chosen, else in the one that the project names, else
    /// in `.flow`, beside `flow.toml` or the program. A folder is beside itself.
    pub(crate) fn data_folder(&self, chosen: &args::Data, program: &Path) -> PathBuf {
        if let Some(folder) = &chosen.folder {
            return folder.clone();
        }
        match &self.root {
            Some(root) => {
                let named = self.settings().data.map_or_else(|| ".flow".to_owned(), |data| data.value);
                find::without_dot(&root.join(named)).to_owned()
            }
            None if program.is_dir() => find::without_dot(&program.join(".flow")).to_owned(),
            None => program.with_file_name(".flow"),
        }
    }
}

fn sound(own: &[Diagnostic]) -> Result<(), Trouble> {
    if own.is_empty() {
        return Ok(());
    }
    Err(Trouble::new(Exit::Program, format!("`{}` has {}", project::FILE, ui::count(own.len(), "error"))))
}

/// The places of many files, each read once.
pub(crate) struct Places<'a> {
    environment: &'a args::Environment,
    known: BTreeMap<Option<PathBuf>, Rc<Place>>,
}

impl<'a> Places<'a> {
    /// Places in an environment.
    pub(crate) fn new(environment: &'a args::Environment) -> Self {
        Self { environment, known: BTreeMap::new() }
    }

    /// The place of a file.
    ///
    /// # Errors
    /// As [`Place::of`].
    pub(crate) fn of(&mut self, path: &Path) -> Result<Rc<Place>, Trouble> {
        let root = root(path);
        if let Some(place) = self.known.get(&root) {
            return Ok(Rc::clone(place));
        }
        let place = Rc::new(Place::at(root.clone(), self.environment)?);
        self.known.insert(root, Rc::clone(&place));
        Ok(place)
    }

    /// All that were asked for.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Rc<Place>> {
        self.known.values()
    }
}

/// The nearest folder above a path that has a `flow.toml`: as seen from here where it is below, else as a whole.
fn root(path: &Path) -> Option<PathBuf> {
    let folder = match path.parent() {
        _ if path.is_dir() => path,
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().ok()?;
    let root = folder.ancestors().find(|folder| folder.join(project::FILE).is_file())?;
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    let below = here.and_then(|here| root.strip_prefix(here).map(Path::to_owned).ok());
    Some(match below {
        Some(here) if here.as_os_str().is_empty() => PathBuf::from("."),
        Some(below) => below,
        None => root.to_owned(),
    })
}

/// Reads the project at a root, and puts its connectors into the catalog: one of the project goes before one of that name
/// that comes with Flow.
fn read(root: &Path, catalog: &mut Catalog) -> Result<Project, Trouble> {
    let path = find::without_dot(&root.join(project::FILE)).to_owned();
    let shown = path.display().to_string();
    let text = super::text(&path)?;
    let mut project = project::read(&shown, &text);
    for folder in project.connectors.clone() {
        let path = root.join(&folder.value);
        let Ok(entries) = std::fs::read_dir(&path) else {
            // The folder that is meant when none is named need not be there.
            if !folder.span.is_empty() {
                let message = format!("there is no folder `{}`", folder.value);
                let problem = Diagnostic::new(Code::E0803, message, folder.span, "not found");
                project.diagnostics.push(problem.help(format!("the path is relative to `{}`", project::FILE)));
            }
            continue;
        };
        for file in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_flow = file.extension().is_some_and(|extension| extension == "flow") && file.is_file();
            let Some(name) = file.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_flow) else { continue };
            let text = String::from_utf8_lossy(&disk::read(&file)?).into_owned();
            let path = find::without_dot(&file).display().to_string();
            catalog.connectors.insert(name.to_owned(), SourceFile { path, text });
        }
    }
    Ok(project)
}

/// The name of an environment that there is.
fn existing(name: &str, project: &Project, root: Option<&Path>) -> Result<String, Trouble> {
    if project.environments.contains_key(name) {
        return Ok(name.to_owned());
    }
    let trouble = Trouble::new(Exit::Usage, format!("there is no environment `{name}`"));
    let known: Vec<&str> = project.environments.keys().map(String::as_str).collect();
    Err(match (root, nearest(name, known.iter().copied())) {
        (None, _) => trouble.help(format!("environments are declared in the `{}` of a project", project::FILE)),
        (Some(_), Some(near)) => trouble.help(format!("did you mean `{near}`?")),
        (Some(_), None) if known.is_empty() => {
            trouble.help(format!("declare it in `{}`: `[environments.{name}]`", project::FILE))
        }
        (Some(_), None) => trouble.help(format!("there are {}", ui::listed(known))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(chosen: Option<&str>, program: &str) -> PathBuf {
        let environment = args::Environment { name: None };
        let place = Place::of(Path::new(program), &environment).unwrap();
        place.data_folder(&args::Data { folder: chosen.map(PathBuf::from), environment }, Path::new(program))
    }

    #[test]
    fn runs_are_kept_beside_the_program() {
        assert_eq!(data(None, "a/b.flow"), Path::new("a/.flow"));
        assert_eq!(data(None, "b.flow"), Path::new(".flow"));
        assert_eq!(data(Some("d"), "a/b.flow"), Path::new("d"));
        assert_eq!(data(None, ".").to_str(), Some(".flow"));
        let folder = env!("CARGO_MANIFEST_DIR");
        assert_eq!(data(None, folder), Path::new(folder).join(".flow"));
    }
}
