//! `flowc check`: what is wrong with programs?

use std::{collections::BTreeSet, path::PathBuf};

use flow_compiler::{Checked, Mended, render};
use flow_model::{
    diagnostic::{Code, Severity},
    span::Files,
};
use serde_json::{Value as Json, json};

use crate::{
    args,
    exit::Exit,
    program::{self, Places},
    trouble::Trouble,
    ui::{self, CARE, Stream, WELL, WRONG, styled},
};

/// How many diagnostics are written in one go. Nobody reads more, and a file of another kind has one for each word.
const MOST: usize = 1000;

/// Checks each file as a program and shows what is wrong.
///
/// # Errors
/// A path does not exist or can't be read; the files that can are checked all the same.
pub(crate) fn check(args: &args::Check) -> Result<Exit, Trouble> {
    let files = program::find(&args.paths)?;
    if args.fix {
        mend(&files, &args.environment)?;
    }
    let report = Report::of(&files, &args.environment)?;
    match args.format {
        args::Report::Human => report.show()?,
        args::Report::Json => ui::print(&format!("{:#}\n", report.json()))?,
        args::Report::Sarif => ui::print(&format!("{:#}\n", report.sarif()))?,
        args::Report::Github => {
            for checked in &report.checked {
                ui::print(&render::github(&checked.files, &checked.diagnostics))?;
            }
            report.unread.iter().for_each(ui::say_trouble);
        }
    }
    Ok(report.exit())
}

/// Applies what fixes there are to the files, and says what was done.
fn mend(files: &[PathBuf], environment: &args::Environment) -> Result<(), Trouble> {
    let mut places = Places::new(environment);
    for path in files {
        let place = places.of(path)?;
        let Ok(checked) = place.check(path) else { continue };
        let Some((own, source)) = checked.files.iter().next() else { continue };
        let check = |text: &str| place.check_text(path, text.as_bytes()).diagnostics;
        let Mended { text, done } = flow_compiler::mend(own, &source.text, check);
        if text != source.text {
            program::rewrite(path, &text)?;
        }
        for title in done {
            ui::say(&format!("{} {}: {title}\n", styled(WELL, "mended"), path.display()));
        }
    }
    Ok(())
}

/// What was found in all files.
#[derive(Default)]
struct Report {
    files: usize,
    errors: usize,
    warnings: usize,
    /// What was found beyond [`MOST`].
    left_out: usize,
    checked: Vec<Checked>,
    unread: Vec<Trouble>,
    /// What was found, by its place and what is said: path, first and last byte, code, message.
    seen: BTreeSet<(Option<String>, u32, u32, Code, String)>,
    /// How many of the diagnostics are written.
    shown: usize,
}

impl Report {
    /// Checks the files. What several programs say about a file that they share is kept once.
    fn of(files: &[PathBuf], environment: &args::Environment) -> Result<Self, Trouble> {
        let mut places = Places::new(environment);
        let mut connections = Vec::new();
        let mut report = Self { files: files.len(), ..Self::default() };
        for file in files {
            match places.of(file)?.check(file) {
                Ok(checked) => {
                    connections.extend(checked.connections.iter().cloned());
                    report.add(checked);
                }
                Err(trouble) => {
                    report.errors += 1;
                    report.unread.push(trouble);
                }
            }
        }
        for place in places.all() {
            let diagnostics = place.wrong(&connections);
            if !diagnostics.is_empty() {
                let files = place.project.files.clone();
                report.add(Checked { files, diagnostics, program: None, flows: Vec::new(), connections: Vec::new() });
            }
        }
        Ok(report)
    }

    /// Adds what was found in a program, or in a project.
    fn add(&mut self, mut checked: Checked) {
        let Checked { files, diagnostics, .. } = &mut checked;
        diagnostics.retain(|diagnostic| {
            let span = diagnostic.span();
            let path = files.get(span.file).map(|file| file.path.clone());
            self.seen.insert((path, span.start, span.end, diagnostic.code, diagnostic.message.clone()))
        });
        let count = |severity| diagnostics.iter().filter(|it| it.severity() == severity).count();
        self.errors += count(Severity::Error);
        self.warnings += count(Severity::Warning);
        let room = MOST - self.shown;
        self.left_out += diagnostics.len().saturating_sub(room);
        diagnostics.truncate(room);
        self.shown += diagnostics.len();
        self.checked.push(checked);
    }

    fn exit(&self) -> Exit {
        let unread = self.unread.iter().map(Trouble::exit).find(|exit| *exit != Exit::Program);
        match unread {
            Some(exit) => exit,
            None if self.errors == 0 => Exit::Done,
            None => Exit::Program,
        }
    }

    fn show(&self) -> Result<(), Trouble> {
        let style = ui::drawing(Stream::Out);
        for checked in &self.checked {
            if !checked.diagnostics.is_empty() {
                ui::print(&render::human(&checked.files, &checked.diagnostics, style))?;
            }
        }
        self.unread.iter().for_each(ui::say_trouble);
        ui::print(&self.summary())
    }

    /// `2 errors and 1 warning in 3 files`, or that there is nothing to say.
    fn summary(&self) -> String {
        let files = ui::count(self.files, "file");
        let counted = |style, number, noun| (number > 0).then(|| styled(style, ui::count(number, noun)));
        let parts: Vec<String> = [counted(WRONG, self.errors, "error"), counted(CARE, self.warnings, "warning")]
            .into_iter()
            .flatten()
            .collect();
        if parts.is_empty() {
            format!("{} {files} checked\n", styled(WELL, "no problems:"))
        } else {
            let shown = match self.left_out {
                0 => String::new(),
                _ => format!(", of which {MOST} are shown"),
            };
            format!("{} in {files}{shown}\n", parts.join(" and "))
        }
    }

    /// One SARIF log: the results of all programs, and each rule once.
    fn sarif(&self) -> Json {
        let mut logs = self.checked.iter().map(|checked| render::sarif(&checked.files, &checked.diagnostics));
        let Some(mut log) = logs.next() else { return render::sarif(&Files::default(), &[]) };
        for mut other in logs {
            for part in ["/runs/0/results", "/runs/0/tool/driver/rules"] {
                let Some(Json::Array(more)) = other.pointer_mut(part).map(Json::take) else { continue };
                if let Some(Json::Array(all)) = log.pointer_mut(part) {
                    all.extend(more);
                }
            }
        }
        if let Some(Json::Array(rules)) = log.pointer_mut("/runs/0/tool/driver/rules") {
            let mut seen = BTreeSet::new();
            rules.retain(|rule| seen.insert(rule.get("id").map(ToString::to_string)));
        }
        log
    }

    /// The compiler's shape for one program, for all of them; `unread` are paths that could not be checked.
    fn json(&self) -> Json {
        let diagnostics: Vec<Json> = self
            .checked
            .iter()
            .filter_map(|checked| {
                let mut report = render::json(&checked.files, &checked.diagnostics);
                match report.get_mut("diagnostics").map(Json::take) {
                    Some(Json::Array(diagnostics)) => Some(diagnostics),
                    _ => None,
                }
            })
            .flatten()
            .collect();
        let unread: Vec<Json> = self
            .unread
            .iter()
            .map(|trouble| json!({ "message": trouble.message(), "help": trouble.helps().first() }))
            .collect();
        json!({
            "version": 1,
            "files": self.files,
            "errors": self.errors,
            "warnings": self.warnings,
            "left_out": self.left_out,
            "diagnostics": diagnostics,
            "unread": unread,
        })
    }
}
