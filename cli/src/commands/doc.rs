//! `flowc doc`: what is a program made of?

use std::fmt::Write as _;

use flow_compiler::query::Documented;

use crate::{args, exit::Exit, program, trouble::Trouble, ui};

/// Prints the documentation of a program.
///
/// # Errors
/// The program has errors.
pub(crate) fn doc(args: &args::Doc) -> Result<Exit, Trouble> {
    let file = program::main_file(&args.file)?;
    let items = program::Place::of(&file, &args.environment)?.document(&file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    ui::print(&markdown(&name, &items))?;
    Ok(Exit::Done)
}

fn markdown(name: &str, items: &[Documented]) -> String {
    let mut page = format!("# {name}\n");
    for Documented { code, doc, starts, errors } in items {
        // `flow refund`, `record Order`
        let code_of = code.strip_prefix("private ").unwrap_or(code);
        let head = code_of.split(['(', '{', ':', '=']).next().unwrap_or(code).trim();
        let head = head.split(" ->").next().unwrap_or(head);
        let _ = write!(page, "\n## {head}\n\n```flow\n{code}\n```\n");
        if !doc.is_empty() {
            let _ = write!(page, "\n{doc}\n");
        }
        let listed = |what: &str, all: &[String]| {
            let all: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
            if all.is_empty() { String::new() } else { format!("- {what}: {}\n", all.join(", ")) }
        };
        let facts = listed("starts", starts) + &listed("can end with", errors);
        if !facts.is_empty() {
            let _ = write!(page, "\n{facts}");
        }
    }
    page
}
