//! What is in the file that `fixture("…")` names?
//!
//! In: a call of `fixture` in a test, and the type that its place wants. Out: the content of the file as a value of that
//! type. A file that is not there, is no JSON, or does not fit is reported with the place in the JSON.

use flow_model::{
    boundary::{self, Decoder, Limits},
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    span::{Files, Span},
    ty::Type,
    value::Value,
};

use super::{Elaborator, Typed, Want, literal::fixed};
use crate::{
    LoadError, Loader,
    ast::{Arg, ExprKind},
    names::beside,
};

/// Where fixtures are found.
#[derive(Clone, Copy)]
pub(crate) struct Fixtures<'a> {
    /// The files of the program: paths of fixtures are relative to the file that names them.
    pub files: &'a Files,
    /// Reads them.
    pub loader: &'a dyn Loader,
}

impl Elaborator<'_> {
    /// `fixture("fixtures/order.json")`
    pub(super) fn fixture(&mut self, span: Span, args: &[Arg], want: Want<'_>) -> Typed {
        let Some(fixtures) = self.fixtures else { return Typed::unknown() };
        let [Arg { value, .. }] = args else {
            return self.no_fixture(span, "`fixture` takes the path of one JSON file", "not one path");
        };
        let path = match &value.kind {
            ExprKind::Text(parts) => fixed(parts),
            ExprKind::Missing => return Typed::unknown(),
            _ => None,
        };
        let Some(path) = path else {
            return self.no_fixture(value.span, "the path of a fixture is a text without insertions", "not fixed");
        };
        let from = fixtures.files.get(span.file).map_or("", |file| &file.path);
        let Some(resolved) = beside(from, &path) else {
            let message = "the path of a fixture is relative to the file that names it";
            return self.no_fixture(value.span, message, "not relative");
        };
        let bytes = match fixtures.loader.load(&resolved) {
            Ok(bytes) => bytes,
            Err(LoadError::NotFound) => {
                return self.no_fixture(value.span, &format!("there is no file `{resolved}`"), "not found");
            }
            Err(LoadError::Unreadable(why)) => {
                return self.no_fixture(value.span, &format!("the file `{resolved}` can't be read"), &why);
            }
        };
        let json = match boundary::parse(&bytes, Limits::default()) {
            Ok(json) => json,
            Err(error) => {
                let message = format!("`{resolved}` is not JSON: {error}");
                let problem = Diagnostic::new(Code::E0423, message, value.span, "can't be read");
                self.problems.push(problem.help("mend the file"));
                return Typed::unknown();
            }
        };
        let anything = Type::Json;
        let ty = want.ty.filter(|ty| !matches!(ty, Type::Unknown | Type::Variable(_))).unwrap_or(&anything);
        match Decoder::new(&self.names.types).json(&json, ty) {
            Ok(value) => Typed::new(Expr::Literal(value), ty.clone()),
            Err(mismatch) => {
                let label = match mismatch.path.as_str() {
                    "" => "does not fit".to_owned(),
                    path => format!("does not fit at `{path}`"),
                };
                let mut problem = Diagnostic::new(
                    Code::E0423,
                    format!("`{resolved}` is no `{}`: {mismatch}", ty.non_null()),
                    value.span,
                    label,
                );
                if let Some(because) = want.because {
                    problem = problem.label(because.span, because.text.clone());
                }
                self.problems.push(problem.help("mend the file, or give the value here"));
                Typed::unknown()
            }
        }
    }

    fn no_fixture(&mut self, span: Span, message: &str, label: &str) -> Typed {
        let help = "write `fixture(\"fixtures/order.json\")`: a JSON file, beside this file or below its folder";
        self.problems.push(Diagnostic::new(Code::E0423, message, span, label).help(help));
        Typed::new(Expr::Literal(Value::Null), Type::Unknown)
    }
}
