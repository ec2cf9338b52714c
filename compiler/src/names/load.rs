//! Which files make up the program?
//!
//! In: the program's own file, and where to get others. Out: each file that it uses, directly or not, and the file of
//! each connector in use, all read. Files that can't be had, circles among them and unknown connectors are reported.

use std::collections::{BTreeMap, BTreeSet};

use flow_model::{
    diagnostic::{Code, Diagnostic},
    span::{FileId, Files, Span},
};

use super::unknown;
use crate::{
    Catalog, LoadError, Loader,
    ast::{self, Ident, Item, UseWhat},
};

/// A file that was read.
pub(crate) struct Unit {
    /// The file.
    pub file: FileId,
    /// What it says.
    pub ast: ast::File,
    /// Where it comes from.
    pub origin: Origin,
    /// The files that its `use` items name, by the place of the path.
    pub uses: BTreeMap<Span, FileId>,
    /// Names of items that its text seems to declare, where that could not be read.
    pub lost: Vec<String>,
}

/// Where a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The program's own file, or one that it uses.
    Program,
    /// The catalog's file of that connector.
    Connector(String),
}

/// Reads the program's own file and all that it needs; the own file is the first.
pub(crate) fn load(
    path: &str,
    text: &[u8],
    catalog: &Catalog,
    loader: &dyn Loader,
    problems: &mut Vec<Diagnostic>,
) -> (Files, Vec<Unit>) {
    let mut reader = Reader { files: Files::default(), units: Vec::new(), by_path: BTreeMap::new(), problems };
    reader.read(normal(path), path, text, Origin::Program, None);
    let mut next = 0;
    while next < reader.units.len() {
        reader.follow(next, loader);
        next += 1;
    }
    reader.connectors(catalog);
    circles(&reader.units, &reader.files, reader.problems);
    (reader.files, reader.units)
}

struct Reader<'p> {
    files: Files,
    units: Vec<Unit>,
    by_path: BTreeMap<String, FileId>,
    problems: &'p mut Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Reads a file, for the `use` at a place.
    fn read(&mut self, key: String, path: &str, bytes: &[u8], origin: Origin, used_at: Option<Span>) -> FileId {
        let file = FileId(u32::try_from(self.files.iter().count()).expect("a compilation has fewer than 2^32 files"));
        let (text, problem) = crate::read::decode(bytes, file);
        let file = self.files.add(path, text);
        self.by_path.insert(key, file);
        let mut lost = Vec::new();
        let ast = match problem {
            Some(problem) => {
                self.problems.push(match used_at {
                    Some(span) => problem.label(span, "used here"),
                    None => problem,
                });
                ast::File::default()
            }
            None => {
                let text = self.files.get(file).map_or("", |source| &source.text);
                let (ast, problems) = crate::read::source(text, file);
                if !problems.is_empty() {
                    lost = self::lost(text, &ast);
                }
                self.problems.extend(problems);
                ast
            }
        };
        self.units.push(Unit { file, ast, origin, uses: BTreeMap::new(), lost });
        file
    }

    /// Reads the files that a file uses.
    fn follow(&mut self, unit: usize, loader: &dyn Loader) {
        let Some(from) = self.units.get(unit) else { return };
        let paths: Vec<Ident> = from.ast.items.iter().filter_map(used_file).cloned().collect();
        let own = self.files.get(from.file).map(|source| normal(&source.path)).unwrap_or_default();
        let mut uses = BTreeMap::new();
        for written in paths {
            if written.text.is_empty() {
                continue;
            }
            let Some(path) = resolve(&own, &written, self.problems) else { continue };
            let known = self.by_path.get(&path).copied();
            let file = known.or_else(|| match loader.load(&path) {
                Ok(bytes) => Some(self.read(path.clone(), &path, &bytes, Origin::Program, Some(written.span))),
                Err(error) => {
                    self.problems.push(unreadable(&path, &written, &error));
                    None
                }
            });
            uses.extend(file.map(|file| (written.span, file)));
        }
        if let Some(from) = self.units.get_mut(unit) {
            from.uses = uses;
        }
    }

    /// Reads the connectors that the program uses and does not declare.
    fn connectors(&mut self, catalog: &Catalog) {
        let used: Vec<Ident> =
            self.units.iter().flat_map(|unit| &unit.ast.items).flat_map(used_connectors).cloned().collect();
        for name in used {
            let key = format!("connector {}", name.text);
            let declared = self.units.iter().any(|unit| declares(unit, &name.text));
            if declared || name.text.is_empty() || self.by_path.contains_key(&key) {
                continue;
            }
            match catalog.connectors.get(&name.text) {
                Some(source) => {
                    let origin = Origin::Connector(name.text.clone());
                    self.read(key, &source.path, source.text.as_bytes(), origin, Some(name.span));
                }
                None => {
                    let problem =
                        unknown(Code::E0207, "connector", &name, catalog.connectors.keys().map(String::as_str));
                    self.problems.push(match problem.help {
                        Some(_) => problem,
                        None => problem.help(format!(
                            "declare it with `connector {0} {{ … }}`, or take it from a file: `use \"./{0}.flow\" {{ {0} }}`; `flowc connectors list` names those that come with Flow, and `flowc import openapi` makes one from a vendor's description",
                            name.text
                        )),
                    });
                }
            }
        }
    }
}

/// The names after the keywords of items, at the beginnings of lines, that are not among the items that were read.
fn lost(text: &str, ast: &ast::File) -> Vec<String> {
    const KEYWORDS: [&str; 10] =
        ["const", "record", "enum", "union", "error", "fn", "connection", "policy", "connector", "flow"];
    let read: BTreeSet<&str> =
        ast.items.iter().filter_map(super::declare::declared).map(|(_, name)| name.text.as_str()).collect();
    let name = |line: &str| {
        let line = line.trim_start();
        let (keyword, rest) = line.strip_prefix("private ").unwrap_or(line).trim_start().split_once(' ')?;
        let rest = match (keyword, rest.split_once(" as ")) {
            // `use stripe as pay`, `use "slack"`: names that are not known.
            ("use", Some((_, other))) => other,
            ("use", None) => rest.trim_start().strip_prefix('"')?,
            _ => rest.trim_start(),
        };
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let name = rest.get(..end).filter(|name| !name.is_empty() && !read.contains(name))?;
        (KEYWORDS.contains(&keyword) || keyword == "use").then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// The path of the file that an item uses.
fn used_file(item: &Item) -> Option<&Ident> {
    match item {
        Item::Use(used) => match &used.what {
            UseWhat::File { path, .. } => Some(path),
            UseWhat::Connectors(_) => None,
        },
        _ => None,
    }
}

/// The connectors that an item uses.
pub(super) fn used_connectors(item: &Item) -> &[Ident] {
    match item {
        Item::Use(used) => match &used.what {
            UseWhat::Connectors(names) => names,
            UseWhat::File { .. } => &[],
        },
        _ => &[],
    }
}

fn declares(unit: &Unit, connector: &str) -> bool {
    let is_it = |item: &Item| matches!(item, Item::Connector(declared) if declared.name.text == connector);
    unit.origin == Origin::Program && unit.ast.items.iter().any(is_it)
}

/// The path that `use "…"` in a file means.
fn resolve(from: &str, written: &Ident, problems: &mut Vec<Diagnostic>) -> Option<String> {
    let text = written.text.as_str();
    let wrong = |label: &str, help: String| {
        Diagnostic::new(Code::E0208, format!("`{text}` is not a path to a Flow file"), written.span, label).help(help)
    };
    if !(text.starts_with("./") || text.starts_with("../")) {
        let bare = text.trim_start_matches('/');
        problems.push(wrong("not relative to this file", format!("write `\"./{bare}\"`")));
        return None;
    }
    if !text.ends_with(".flow") {
        problems.push(wrong("does not end in `.flow`", format!("write `\"{text}.flow\"`")));
        return None;
    }
    beside(from, text)
}

/// The path that a path written in the file `from` means, unless it is absolute.
pub(crate) fn beside(from: &str, written: &str) -> Option<String> {
    if written.is_empty() || written.starts_with('/') {
        return None;
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let root = if from.starts_with('/') && folder.is_empty() { "/" } else { "" };
    Some(normal(&format!("{root}{folder}{}{written}", if folder.is_empty() { "" } else { "/" })))
}

/// The path without `.` and, as far as it can be told, without `..`.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

fn unreadable(path: &str, written: &Ident, error: &LoadError) -> Diagnostic {
    match error {
        LoadError::NotFound => {
            Diagnostic::new(Code::E0208, format!("there is no file `{path}`"), written.span, "not found")
                .help("the path is relative to the file in which it stands")
        }
        LoadError::Unreadable(reason) => {
            Diagnostic::new(Code::E0208, format!("the file `{path}` can't be read"), written.span, reason.as_str())
        }
    }
}

/// Reports files that use each other in a circle: once for each `use` that closes one.
fn circles(units: &[Unit], files: &Files, problems: &mut Vec<Diagnostic>) {
    let mut done = BTreeSet::new();
    for unit in units {
        // Depth first, with the way taken kept beside: a `use` of a file on the way closes a circle.
        let mut way: Vec<Visit> = Vec::new();
        if done.insert(unit.file) {
            way.push(Visit { file: unit.file, used_at: Span::default(), left: uses(units, unit.file) });
        }
        while let Some(visit) = way.last_mut() {
            let Some((used_at, file)) = visit.left.pop() else {
                way.pop();
                continue;
            };
            if let Some(start) = way.iter().position(|visit| visit.file == file) {
                let circle: Vec<(FileId, Span)> =
                    way.iter().skip(start + 1).map(|visit| (visit.file, visit.used_at)).collect();
                problems.push(circle_of(file, used_at, &circle, files));
            } else if done.insert(file) {
                way.push(Visit { file, used_at, left: uses(units, file) });
            }
        }
    }
}

/// A file on the way of a search.
struct Visit {
    file: FileId,
    used_at: Span,
    /// What it uses and was not followed yet, the first last.
    left: Vec<(Span, FileId)>,
}

fn uses(units: &[Unit], file: FileId) -> Vec<(Span, FileId)> {
    let unit = units.iter().find(|unit| unit.file == file);
    let mut uses: Vec<(Span, FileId)> = unit.into_iter().flat_map(|unit| unit.uses.clone()).collect();
    uses.reverse();
    uses
}

fn circle_of(file: FileId, closing: Span, circle: &[(FileId, Span)], files: &Files) -> Diagnostic {
    let path = |file: FileId| files.get(file).map_or("?", |source| source.path.as_str());
    if circle.is_empty() {
        return Diagnostic::new(Code::E0209, format!("`{}` uses itself", path(file)), closing, "this file")
            .help("leave this `use` out: a file sees its own items");
    }
    let names: Vec<String> = circle.iter().map(|(file, _)| format!("`{}`", path(*file))).collect();
    let message = format!("`{0}` uses {1}, which uses `{0}`", path(file), names.join(", which uses "));
    let mut problem = Diagnostic::new(Code::E0209, message, closing, "closes the circle");
    for (file, span) in circle {
        problem = problem.label(*span, format!("uses `{}`", path(*file)));
    }
    problem.help("move what both need into a file that uses neither")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_uses_them() {
        let resolve = |from: &str, written: &str| {
            let span = Span::default();
            resolve(from, &Ident { text: written.to_owned(), span }, &mut Vec::new())
        };
        assert_eq!(resolve("main.flow", "./a.flow").as_deref(), Some("a.flow"));
        assert_eq!(resolve("flows/main.flow", "../shared/a.flow").as_deref(), Some("shared/a.flow"));
        assert_eq!(resolve("main.flow", "../a.flow").as_deref(), Some("../a.flow"));
        assert_eq!(resolve("../x/main.flow", "../../a.flow").as_deref(), Some("../../a.flow"));
        assert_eq!(resolve("/srv/main.flow", "./b/./a.flow").as_deref(), Some("/srv/b/a.flow"));
        assert_eq!(resolve("/main.flow", "./a.flow").as_deref(), Some("/a.flow"));
        assert_eq!(resolve("main.flow", "a.flow"), None);
        assert_eq!(resolve("main.flow", "/etc/a.flow"), None);
        assert_eq!(resolve("main.flow", "./a"), None);
    }
}
