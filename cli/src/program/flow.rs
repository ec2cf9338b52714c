//! Which of a program's flows is meant?

use std::path::Path;

use flow_compiler::Program;
use flow_model::plan::Plan;

use crate::{exit::Exit, suggest::nearest, trouble::Trouble, ui};

/// The flow of that name; without a name, the only one.
///
/// # Errors
/// There is none of that name, there are several, or there is none at all.
pub(crate) fn choose(mut program: Program, name: Option<&str>, path: &Path) -> Result<Plan, Trouble> {
    let names: Vec<String> = program.plans.keys().cloned().collect();
    let listed = || ui::listed(names.iter().map(String::as_str));
    let path = path.display();
    let name = match (name, names.as_slice()) {
        (_, []) => {
            return Err(Trouble::new(Exit::Usage, format!("`{path}` has no flow"))
                .help("it only declares what other files can `use`; add a `flow`, or name another file"));
        }
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, [first, ..]) => {
            return Err(Trouble::new(Exit::Usage, format!("`{path}` has several flows: {}", listed()))
                .help(format!("choose one, for example `--flow {first}`")));
        }
    };
    program.plans.remove(name).ok_or_else(|| {
        let near = nearest(name, names.iter().map(String::as_str));
        Trouble::new(Exit::Usage, format!("`{path}` has no flow `{name}`")).help(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", listed()),
        })
    })
}
