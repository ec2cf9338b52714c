//! How do the pages of a stream follow each other?
//!
//! In: `page: cursor(next: body.next, into: query.after, items: body.results)`. Out: the same for the executor. An
//! operation whose result is a stream has it, unless its code knows; and it only reads, since pages are fetched when they
//! are needed.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    expr::Ambient,
    schema::{Call, Effect, Into, Operation, Page, PageKind},
    span::Span,
    ty::Type,
    value::Value,
};

use super::{
    Context, Section, Template, errors, limit,
    place::{self, place},
    section::{form, listed},
    template::over_answer,
};
use crate::{
    ast::{self, Arg},
    names::{literal, similar},
};

const HELP: &str = "write `page: cursor(next: body.next, into: query.after, items: body.results)`, or `page(…)`, \
                    `offset(…)`, `link(…)`, `next_url(…)`";

/// What every form takes.
const COMMON: [&str; 7] = ["items", "last", "full", "key", "most_pages", "most_items", "within"];

/// The forms, with what each takes besides.
const FORMS: [(&str, &[&str]); 6] = [
    ("cursor", &["next", "into", "expired"]),
    ("page", &["into", "first"]),
    ("offset", &["into"]),
    ("link", &["expired"]),
    ("next_url", &["next", "expired"]),
    ("native", &[]),
];

/// Reads the property, and checks it against the result.
pub(super) fn page(
    context: &Context<'_, '_>,
    section: &Section<'_>,
    operation: &Operation,
    written: &ast::Operation,
    problems: &mut Vec<Diagnostic>,
) -> Option<Page> {
    let property = section.get("page");
    let expr = section.expr("page", problems);
    let is_native = section.get("native").is_some();
    let item = match (&operation.result, &written.result) {
        (Type::Stream(item), _) => (**item).clone(),
        // What it is was reported.
        (Type::Unknown, _) => return None,
        (other, result) => {
            if let Some(property) = property {
                let help = format!("declare the result as `Stream<{}>`, or leave `page` out", item_of(other));
                let mut problem = wrong("pages make a stream", property.name.span, "the result is none", &help);
                if let Some(result) = result {
                    problem = problem.label(result.span, format!("of type `{other}`"));
                }
                problems.push(problem);
            }
            return None;
        }
    };
    let result = written.result.as_ref().map_or(written.name.span(), |result| result.span);
    if operation.effect != Effect::Read && section.get("effect").is_some() {
        let effect = section.get("effect").map_or(result, |effect| effect.span);
        problems.push(
            wrong("a stream is only read", effect, "does more", "write `effect: read`")
                .label(result, "pages are fetched when a loop needs them, and again after a crash"),
        );
    }
    if property.is_none() {
        if is_native {
            return Some(Page::of(PageKind::Native));
        }
        if section.get("request").is_some() {
            problems.push(wrong("nothing says how the pages follow each other", result, "many pages", HELP));
        }
        return None;
    }
    let reader = Forms { context, operation, written, item: &item, is_native };
    reader.read(expr?, problems)
}

fn item_of(ty: &Type) -> String {
    match ty.non_null() {
        Type::List(item) => item.to_string(),
        other => other.to_string(),
    }
}

/// A form with what it can't do without.
fn example(form: &str) -> &'static str {
    match form {
        "page" => "page(into: query.page, items: body.results)",
        "offset" => "offset(into: query.offset, items: body.results)",
        "link" => "link(items: body)",
        "next_url" => "next_url(next: body.next, items: body.results)",
        "native" => "native(key: .id)",
        _ => "cursor(next: body.next, into: query.after, items: body.results)",
    }
}

struct Forms<'a, 'c, 'n> {
    context: &'a Context<'c, 'n>,
    operation: &'a Operation,
    written: &'a ast::Operation,
    item: &'a Type,
    is_native: bool,
}

impl Forms<'_, '_, '_> {
    fn read(&self, expr: &ast::Expr, problems: &mut Vec<Diagnostic>) -> Option<Page> {
        let found = form(expr).and_then(|(name, args)| {
            FORMS.iter().find(|(known, _)| *known == name).map(|(name, own)| (*name, *own, args))
        });
        let Some((name, own, args)) = found else {
            let near = form(expr).and_then(|(name, _)| similar(name, FORMS.iter().map(|(form, _)| *form)));
            let help = near.map_or_else(|| HELP.to_owned(), |near| format!("did you mean `{near}(…)`?"));
            problems.push(wrong("pages can't be fetched like this", expr.span, "not a form of pages", &help));
            return None;
        };
        if self.is_native != (name == "native") {
            let help = if self.is_native {
                "leave it out, or write `page: native(key: .id)`: the code fetches the pages"
            } else {
                HELP
            };
            problems.push(wrong("pages can't be fetched like this", expr.span, "not for this operation", help));
            return None;
        }
        let takes: Vec<&str> = own.iter().chain(&COMMON).copied().collect();
        for arg in args {
            let known = arg.name.as_ref().is_some_and(|name| takes.contains(&name.text.as_str()));
            if !known {
                let near = arg.name.as_ref().and_then(|name| similar(&name.text, takes.iter().copied()));
                let help = near.map_or_else(
                    || format!("its arguments, each with its name, are {}", listed(&takes)),
                    |near| format!("did you mean `{near}`?"),
                );
                problems.push(wrong(&format!("`{name}` has no such argument"), arg.span, "not known", &help));
                return None;
            }
        }
        let named = |name: &str| args.iter().find(|arg| arg.name.as_ref().is_some_and(|found| found.text == name));
        let mut needs: Vec<&str> = own.iter().copied().filter(|name| !["first", "expired"].contains(name)).collect();
        if !self.is_native {
            needs.push("items");
        }
        needs.retain(|name| named(name).is_none());
        if !needs.is_empty() {
            let label = format!("needs {}", listed(&needs));
            let help = format!("write `page: {}`", example(name));
            problems.push(wrong(&format!("`{name}` lacks an argument"), expr.span, &label, &help));
            return None;
        }
        let mut over = |name: &str| named(name).map(|arg| errors::answer(self.context, &arg.value, problems));
        let (next, items) = (over("next"), over("items"));
        let into = match named("into") {
            Some(arg) => Some(self.into(arg, problems)?),
            None => None,
        };
        let first = match named("first").map(|arg| (arg, literal(&arg.value))) {
            None => 1,
            Some((_, Some(Value::Int(first)))) => first,
            Some((arg, _)) => {
                problems.push(wrong("`first` is the number of the first page", arg.span, "not a number", "write `0`"));
                return None;
            }
        };
        let kind = match (name, next, into) {
            ("cursor", Some(next), Some(into)) => PageKind::Cursor { next, into },
            ("page", _, Some(into)) => PageKind::Number { into, first },
            ("offset", _, Some(into)) => PageKind::Offset { into },
            ("link", ..) => PageKind::Link,
            ("next_url", Some(next), _) => PageKind::NextUrl { next },
            ("native", ..) => PageKind::Native,
            _ => return None,
        };
        let mut page = Page { items, ..Page::of(kind) };
        let status = [(Ambient::Status, Type::Int)];
        page.last =
            named("last").map(|arg| over_answer(self.context, &arg.value, Some(&Type::Bool), &status, problems));
        page.full = named("full").map(|arg| {
            let mut template = Template::new(self.context, &self.written.params, &self.operation.params);
            let full = template.expr(&arg.value, Some(&Type::Int)).expr;
            template.finish(problems);
            full
        });
        page.key = named("key").map(|arg| {
            let mut template = Template::answer(self.context, &[]);
            template.sees(Ambient::Item, self.item.clone());
            let key = template.expr(&arg.value, None).expr;
            template.finish(problems);
            key
        });
        page.expired = named("expired").and_then(|arg| errors::one_kind(self.context, "expired", &arg.value, problems));
        let mut count =
            |name: &str| named(name).map(|arg| limit::count(&arg.value, "write a number above 0", problems));
        if let Some(most) = count("most_pages") {
            page.most_pages = most?;
        }
        if let Some(most) = count("most_items") {
            page.most_items = most?.into();
        }
        page.within = match named("within").map(|arg| (arg, literal(&arg.value))) {
            None => None,
            Some((_, Some(Value::Duration(within)))) => Some(within),
            Some((arg, _)) => {
                problems.push(wrong("`within` is a time", arg.span, "not a time", "write a time: `1h`"));
                return None;
            }
        };
        Some(page)
    }

    /// Where the request says which page it wants.
    fn into(&self, arg: &Arg, problems: &mut Vec<Diagnostic>) -> Option<Into> {
        let mut wrong = |message: &str, label: &str, help: &str| {
            problems.push(self::wrong(message, arg.span, label, help));
            None
        };
        let Some(into) = place(&arg.value) else {
            let help = format!("{}: where the request says which page it wants", place::HELP);
            return wrong("no request has this", "not a part of the request", &help);
        };
        match &self.operation.call {
            Call::Http(request) => match place::unfit(&into, &request.body) {
                Some((why, label, help)) => wrong(why, label, help),
                None => Some(into),
            },
            Call::Native | Call::Body => Some(into),
        }
    }
}

fn wrong(message: &str, span: Span, label: &str, help: &str) -> Diagnostic {
    Diagnostic::new(Code::E0527, message, span, label).help(help)
}
