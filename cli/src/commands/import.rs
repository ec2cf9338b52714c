//! `flowc import`: a connector from the description that a vendor publishes of its API.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use flow_compiler::import::{self, Failure, Imported, Options, Report};

use crate::{
    args,
    exit::Exit,
    trouble::{Trouble, said},
    ui::{self, CARE, QUIET, STRONG, WELL, styled},
};

/// How many of the things that could not be carried are shown; the file has them all.
const SHOWN: usize = 12;

/// Reads the description and writes the connector.
///
/// # Errors
/// The description can't be read or has nothing to import, or the file can't be written.
pub(crate) fn import(args: &args::Import) -> Result<Exit, Trouble> {
    let (args, is_openapi) = match &args.from {
        args::ImportFrom::Openapi(args) => (args, true),
        args::ImportFrom::Discovery(args) => (args, false),
    };
    let shown = args.description.display();
    let text = text(&args.description)?;
    let source = args.description.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(name) = args.name.as_deref().filter(|name| !is_name(name)) {
        return Err(Trouble::new(Exit::Usage, format!("`{name}` is no name of a connector"))
            .help("a name has small letters, digits and `_`, and begins with a letter"));
    }
    let options = Options { source: &source, name: args.name.as_deref(), only: args.only.as_deref() };
    let read = if is_openapi { import::openapi(&text, options) } else { import::discovery(&text, options) };
    let imported =
        read.map_err(|failure| Trouble::new(Exit::Usage, format!("`{shown}`: {failure}")).help_if(help(&failure)))?;
    if args.output.as_deref() == Some(Path::new("-")) {
        ui::print(&imported.text)?;
    } else {
        let path = args.output.clone().unwrap_or_else(|| place(&imported.name));
        write(&path, &imported.text, args.force)?;
        ui::print(&format!("{} {}\n", styled(WELL, "wrote"), path.display()))?;
    }
    ui::say(&told(&imported));
    Ok(Exit::Done)
}

/// In a project, where its connectors are; elsewhere, here.
fn place(name: &str) -> PathBuf {
    let file = format!("{name}.flow");
    if Path::new("flow.toml").exists() || Path::new("connectors").is_dir() {
        Path::new("connectors").join(file)
    } else {
        PathBuf::from(file)
    }
}

/// The text of a description, which may be compressed.
///
/// # Errors
/// The file can't be read.
pub(super) fn text(path: &Path) -> Result<String, Trouble> {
    let trouble = |why: String| Trouble::new(Exit::Usage, format!("`{}` can't be read: {why}", path.display()));
    let bytes = fs::read(path).map_err(|error| trouble(said(&error)))?;
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .map_err(|error| trouble(said(&error)))?;
        return Ok(text);
    }
    String::from_utf8(bytes).map_err(|_| trouble("it is not UTF-8".to_owned()))
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Trouble> {
    if path.exists() && !force {
        return Err(Trouble::new(Exit::Usage, format!("there is a `{}` already", path.display()))
            .help("name another file with `--output`, or replace it with `--force`"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text)).map_err(|error| {
        Trouble::new(Exit::Environment, format!("`{}` can't be written: {}", path.display(), said(&error)))
    })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

fn help(failure: &Failure) -> Option<String> {
    Some(match failure {
        Failure::Unreadable(_) => "OpenAPI descriptions are JSON or YAML".to_owned(),
        Failure::NotOpenApi => "for a discovery document of Google, use `flowc import discovery`".to_owned(),
        Failure::NotDiscovery => "for an OpenAPI description, use `flowc import openapi`".to_owned(),
        Failure::NothingMatches(_) => "`--only` takes a name or a path, in which `*` stands for any text".to_owned(),
        Failure::OnlyWebhooks => {
            "write the triggers by hand: docs/connectors.md, section 9, says how a sender proves itself".to_owned()
        }
        Failure::Empty => return None,
    })
}

/// What was carried over and what was not.
fn told(imported: &Imported) -> String {
    let Report { operations, skipped, lost, .. } = &imported.report;
    let plural =
        |count: usize, one: &str| if count == 1 { format!("{count} {one}") } else { format!("{count} {one}s") };
    let mut out = format!("{} with {}", styled(STRONG, &imported.name), plural(*operations, "operation"));
    if !skipped.is_empty() {
        out.push_str(&format!(", {} left out", skipped.len()));
    }
    out.push('\n');
    for (operation, why) in skipped.iter().take(SHOWN) {
        out.push_str(&format!("  {} {operation}: {why}\n", styled(CARE, "left out")));
    }
    for (what, times) in lost.iter().take(SHOWN) {
        let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
        out.push_str(&format!("  {} {what}{times}\n", styled(QUIET, "not carried over:")));
    }
    let rest = skipped.len().saturating_sub(SHOWN) + lost.len().saturating_sub(SHOWN);
    if rest > 0 {
        out.push_str(&format!("  {}\n", styled(QUIET, format!("and {rest} more, in the comments of the file"))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_connectors() {
        assert!(is_name("hubspot_v3"));
        assert!(!is_name("HubSpot") && !is_name("3com") && !is_name("a-b") && !is_name(""));
    }

    #[test]
    fn a_report_says_what_was_left_out() {
        let report = Report {
            operations: 1,
            skipped: vec![("GET /pdf".to_owned(), "it goes to another host".to_owned())],
            lost: (0..14).map(|n| (format!("thing {n}"), 1 + n)).collect(),
            looks: 0,
        };
        let told = told(&Imported { name: "shop".to_owned(), text: String::new(), report });
        let plain = anstream::adapter::strip_str(&told).to_string();
        assert!(plain.starts_with("shop with 1 operation, 1 left out\n  left out GET /pdf: it goes to another host\n"));
        assert!(
            plain.ends_with("  not carried over: thing 11 (12 times)\n  and 2 more, in the comments of the file\n")
        );
    }
}
