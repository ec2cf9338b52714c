//! Where do the secrets of the project come from?
//!
//! In: `[secrets]`. Out: the providers in the order in which they are asked, and where those look that read files.

use flow_model::diagnostic::{Code, Diagnostic};

use super::{Written, table::Table};
use crate::names::similar;

/// The providers that there are: variables, a file of variables, a folder of files, the encrypted store.
const PROVIDERS: [&str; 4] = ["env", "dotenv", "files", "store"];

/// `[secrets]`
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `providers`: in the order in which they are asked; all of them when nothing is said.
    pub providers: Option<Vec<Written<String>>>,
    /// `dotenv`: the file of variables, relative to `flow.toml`.
    pub dotenv: Option<Written<String>>,
    /// `files`: the folder with a file for each secret.
    pub files: Option<Written<String>>,
    /// `store`: the folder of the encrypted store.
    pub store: Option<Written<String>>,
}

pub(super) fn read(table: &mut Table<'_, '_>) -> Secrets {
    let providers = table.texts("providers");
    for name in providers.iter().flatten().filter(|name| !PROVIDERS.contains(&name.value.as_str())) {
        let message = format!("there is no provider of secrets `{}`", name.value);
        let problem = Diagnostic::new(Code::E0803, message, name.span, "not one of them");
        table.report(problem.help(match similar(&name.value, PROVIDERS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", PROVIDERS.join(", ")),
        }));
    }
    Secrets { providers, dotenv: table.text("dotenv"), files: table.text("files"), store: table.text("store") }
}
