//! Is a name that means nothing here an item of another file?
//!
//! In: what is wrong with the program. Out: the same, where each name that its file does not know, but another file of the
//! program declares, is told where it comes from, with the change that takes it from there. This stands after all other
//! passes, so that none of them needs to know of it.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    span::{FileId, Files, Span},
};

use super::{Names, load::Unit, load::normal};
use crate::ast::{Item, UseWhat};

/// Says of names that are not known here where they are declared.
pub(crate) fn elsewhere(names: &Names<'_>, units: &[Unit], files: &Files, problems: &mut [Diagnostic]) {
    for problem in problems {
        if !matches!(problem.code, Code::E0201 | Code::E0205) {
            continue;
        }
        let at = problem.span();
        let text = files.get(at.file).and_then(|source| source.text.get(at.start as usize..at.end as usize));
        let Some(name) = text.filter(|name| !names.sees(at.file, name)) else { continue };
        let declared = names.items.get(name).map(|(_, span)| *span);
        let Some(declared) = declared.filter(|declared| declared.file != at.file) else { continue };
        let unit = |file| units.iter().find(|unit| unit.file == file);
        let (Some(from), Some(here)) = (unit(declared.file), unit(at.file)) else { continue };
        problem.labels.truncate(1);
        problem.fixes.clear();
        let known = std::mem::replace(problem, Diagnostic::new(problem.code, "", at, ""));
        *problem = match from.ast.private.get(&declared) {
            Some(keyword) => known
                .label(*keyword, format!("`{name}` is private to this file"))
                .help("leave `private` out there and take it with `use`, or do without it here"),
            None => {
                let path = relative(files, at.file, declared.file);
                known
                    .label(declared, "declared here")
                    .help(format!("take it from there: `use \"{path}\" {{ {name} }}`"))
                    .fix(format!("take it from `{path}`"), vec![taking(name, here, declared.file, &path)])
            }
        };
    }
}

/// The change that takes a name from another file: one more in the list of the `use` that there is, or a new one.
fn taking(name: &str, here: &Unit, from: FileId, path: &str) -> Edit {
    let listed = here.ast.items.iter().find_map(|item| match item {
        Item::Use(used) => match &used.what {
            UseWhat::File { path, names: Some(names) } if here.uses.get(&path.span) == Some(&from) => names.last(),
            UseWhat::File { .. } | UseWhat::Connectors(_) => None,
        },
        _ => None,
    });
    match listed {
        Some(last) => Edit { span: Span { start: last.span.end, ..last.span }, text: format!(", {name}") },
        None => Edit { span: Span::new(here.file, 0, 0), text: format!("use \"{path}\" {{ {name} }}\n") },
    }
}

/// How a file names another one: `./shared.flow`, `../policies.flow`.
fn relative(files: &Files, from: FileId, to: FileId) -> String {
    let path = |file| files.get(file).map(|source| normal(&source.path)).unwrap_or_default();
    let (from, to) = (path(from), path(to));
    let folders: Vec<&str> = from.split('/').collect();
    let folders = folders.split_last().map_or(&[][..], |(_, folders)| folders);
    let parts: Vec<&str> = to.split('/').collect();
    let shared = folders.iter().zip(&parts).take_while(|(folder, part)| folder == part).count();
    let up = folders.len() - shared;
    let begin = if up == 0 { "./".to_owned() } else { "../".repeat(up) };
    format!("{begin}{}", parts.get(shared..).unwrap_or_default().join("/"))
}
