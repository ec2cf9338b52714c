//! Arguments that all have names: which are there, and what do they hold?

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Expr,
    units::Millis,
    value::Value,
};

use super::{
    super::{
        Context,
        request::{header_problem, is_token},
        section::{fixed_text, wrong_value},
    },
    credential, secret, wrong,
};
use crate::{
    ast::{self, ExprKind},
    names::{literal, similar},
};

/// A form of authentication as it is written.
pub(super) struct Form<'a> {
    pub(super) name: &'a str,
    pub(super) example: &'static str,
    pub(super) written: &'a ast::Expr,
    pub(super) args: &'a [ast::Arg],
}

/// Its arguments, by name.
pub(super) struct Named<'a>(BTreeMap<&'a str, &'a ast::Expr>);

/// The arguments that nobody but the two sides may know.
const SECRET: [&str; 6] = ["secret", "key", "consumer_secret", "token_secret", "secret_access_key", "session_token"];

impl<'a> Named<'a> {
    /// Reads the arguments of a form that takes these, and needs some of them.
    pub(super) fn of(form: &Form<'a>, known: &[&str], must: &[&str], problems: &mut Vec<Diagnostic>) -> Option<Self> {
        let help = format!("write `{}`", form.example);
        let mut found: BTreeMap<&'a str, &'a ast::Expr> = BTreeMap::new();
        for arg in form.args {
            let name = arg.name.as_ref().map_or("", |name| name.text.as_str());
            let is_there = found.contains_key(name);
            if !known.contains(&name) || is_there {
                let near = similar(name, known.iter().copied()).filter(|_| !is_there && !name.is_empty());
                let (message, label) = match (is_there, name.is_empty()) {
                    (true, _) => (format!("`{}` is given `{name}` twice", form.name), "here again"),
                    (false, true) => (format!("the arguments of `{}` have names", form.name), "has no name"),
                    (false, false) => (format!("`{}` has no parameter `{name}`", form.name), "not known"),
                };
                let help = near.map_or(help, |near| format!("did you mean `{near}`?"));
                problems.push(Diagnostic::new(Code::E0508, message, arg.span, label).help(help));
                return None;
            }
            found.insert(name, &arg.value);
        }
        if let Some(missing) = must.iter().find(|name| !found.contains_key(*name)) {
            let message = format!("`{}` needs `{missing}`", form.name);
            problems.push(wrong(&message, form.written, "an argument is missing", &help));
            return None;
        }
        Some(Self(found))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a ast::Expr> {
        self.0.get(name).copied()
    }

    /// The secret or text of an argument, if it is there; the outer none says that it was reported.
    pub(super) fn credential(
        &self,
        context: &Context<'_, '_>,
        name: &str,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Option<Expr>> {
        match self.get(name) {
            Some(written) if SECRET.contains(&name) => secret(context, written, problems).map(Some),
            Some(written) => credential(context, written, problems).map(Some),
            None => Some(None),
        }
    }

    /// The fixed text of an argument, or what holds without it.
    pub(super) fn text(&self, name: &str, usual: &str, problems: &mut Vec<Diagnostic>) -> Option<String> {
        match self.get(name) {
            Some(written) => fixed_text(name, written, problems),
            None => Some(usual.to_owned()),
        }
    }

    /// The name of a header, or what holds without it.
    pub(super) fn header(&self, usual: &str, problems: &mut Vec<Diagnostic>) -> Option<String> {
        let header = self.text("header", usual, problems)?;
        match self.get("header") {
            Some(written) if !is_token(&header) => {
                problems.push(header_problem(&header, written.span));
                None
            }
            _ => Some(header),
        }
    }

    /// The time of an argument, or what holds without it.
    pub(super) fn time(
        &self,
        name: &str,
        usual: Option<Millis>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Option<Millis>> {
        let Some(written) = self.get(name) else { return Some(usual) };
        match literal(written) {
            Some(Value::Duration(time)) if time > Millis(0) => Some(Some(time)),
            _ if matches!(written.kind, ExprKind::Missing) => None,
            _ => {
                problems.push(wrong_value(name, written.span, "not a time", format!("write `{name}: 30m`")));
                None
            }
        }
    }

    /// A record of fixed texts: `{ audience: "crm" }`.
    pub(super) fn fixed(&self, name: &str, problems: &mut Vec<Diagnostic>) -> Option<Vec<(&'a ast::Ident, String)>> {
        let mut fixed = Vec::new();
        for (param, value) in self.record(name, problems)? {
            fixed.push((param, fixed_text(name, value, problems)?));
        }
        Some(fixed)
    }

    /// The fields of a record: `{ audience: "crm" }`; none are there without it.
    pub(super) fn record(
        &self,
        name: &str,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Vec<(&'a ast::Ident, &'a ast::Expr)>> {
        let Some(written) = self.get(name) else { return Some(Vec::new()) };
        let ExprKind::Record(entries) = &written.kind else {
            if !matches!(written.kind, ExprKind::Missing) {
                let help = format!("write `{name}: {{ name: \"text\" }}`");
                problems.push(wrong_value(name, written.span, "not a record", help));
            }
            return None;
        };
        let mut fields = Vec::new();
        for entry in entries {
            match entry {
                ast::RecordEntry::Field { name, value } => fields.push((name, value)),
                ast::RecordEntry::Spread(rest) => {
                    problems.push(wrong_value(name, rest.span, "does not name its fields", "write each field"));
                    return None;
                }
            }
        }
        Some(fields)
    }
}
