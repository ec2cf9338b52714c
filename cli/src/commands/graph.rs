//! `flowc graph`: what does a flow look like?

use flow_compiler::draw;

use crate::{args, exit::Exit, program, trouble::Trouble, ui};

/// Prints a drawing of a flow.
///
/// # Errors
/// The program has errors, or there is no such flow.
pub(crate) fn graph(args: &args::Graph) -> Result<Exit, Trouble> {
    let file = program::main_file(&args.file)?;
    let program = program::Place::of(&file, &args.environment)?.load(&file)?;
    let plan = program::choose(program, args.flow.as_deref(), &file)?;
    let drawing = match args.format {
        args::Drawing::Mermaid => draw::mermaid(&plan),
        args::Drawing::Dot => draw::dot(&plan),
    };
    ui::print(&format!("{}\n", drawing.trim_end()))?;
    Ok(Exit::Done)
}
