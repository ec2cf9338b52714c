//! Which operations give a list page by page?
//!
//! In: an operation as declared, and the types of its answer. Out: how its pages follow each other, where it does as systems
//! commonly do; then its result is a stream of items, and the parameter that says which page is meant is no longer one. An
//! operation that only looks like one stays as it is: nothing is guessed where a field or parameter is missing.
//!
//! The shapes: a token of the answer that goes into the query (Google, Slack, Square), `has_more` with the last item's `id`
//! (Stripe), the header `Link` (RFC 8288; GitHub), the URL of the next page (Zendesk), a number to begin from, and a page
//! number.

use indexmap::IndexMap;

use super::{
    call::{Call, Effect, Part},
    ty::{Declared, Field, Ty},
};

/// How pages follow each other.
pub(super) struct Pages {
    /// What they are made of.
    pub(super) item: Ty,
    /// `cursor(next: body.next, into: query.after, items: body.items)`
    pub(super) form: String,
}

/// Where answers have the token of the next page, and the parameters that take it.
const TOKENS: [(&str, &[&str]); 11] = [
    ("nextPageToken", &["pageToken"]),
    ("next_page_token", &["page_token"]),
    ("nextToken", &["nextToken"]),
    ("next_token", &["next_token", "pagination_token"]),
    ("next_cursor", &["cursor", "next_cursor"]),
    ("nextCursor", &["cursor", "nextCursor"]),
    ("cursor", &["cursor"]),
    ("response_metadata.next_cursor", &["cursor"]),
    ("paging.next.after", &["after"]),
    ("pages.next.starting_after", &["starting_after"]),
    ("meta.next_token", &["pagination_token", "next_token"]),
];

/// Where answers have the URL of the next page.
const URLS: [&str; 5] = ["next_page_url", "next_url", "next_page_uri", "next_uri", "next_page"];

/// What lists are called in a page, the likeliest first.
const LISTS: [&str; 10] =
    ["data", "items", "results", "values", "value", "records", "entries", "elements", "rows", "objects"];

/// Parameters that say how much a page holds.
const SIZES: [&str; 10] =
    ["limit", "per_page", "page_size", "pageSize", "pagelen", "count", "size", "max_results", "maxResults", "perPage"];

/// Parameters that say how many items are passed over.
const OFFSETS: [&str; 3] = ["offset", "skip", "startIndex"];

/// Makes an operation a stream where its pages are of a common shape.
pub(super) fn recognise(call: &mut Call, declared: &IndexMap<String, Declared>) {
    if call.effect != Effect::Read || call.method != "GET" || call.format.is_some() {
        return;
    }
    let Some(result) = &call.result else { return };
    let of = Shapes { declared, call };
    let Some((pages, into)) = of.pages(result.non_null()) else { return };
    call.pages = Some(pages);
    if let Some(param) = into.and_then(|into| take(call, &into)) {
        call.params.retain(|known| known.name != param);
    }
}

/// Takes an entry out of the query; gives the parameter that it was filled with.
fn take(call: &mut Call, entry: &str) -> Option<String> {
    let (_, part) = call.parts.iter_mut().find(|(name, _)| *name == "query")?;
    let Part::Entries(entries) = part else { return None };
    let at = entries.iter().position(|(name, _)| name == entry)?;
    let (_, param) = entries.remove(at);
    if entries.is_empty() {
        call.parts.retain(|(name, _)| *name != "query");
    }
    Some(param)
}

struct Shapes<'c> {
    declared: &'c IndexMap<String, Declared>,
    call: &'c Call,
}

impl Shapes<'_> {
    /// The pages, with the parameter that says which one is meant.
    fn pages(&self, result: &Ty) -> Option<(Pages, Option<String>)> {
        if let Ty::List(item) = result {
            let item = item.non_null().clone();
            if self.call.links {
                return Some((Pages { item, form: "link(items: body)".to_owned() }, None));
            }
            return self.counted(item, "body");
        }
        let fields = self.fields(result)?;
        let (list, item) = self.list(fields)?;
        // Systems leave out an empty list.
        let items = if matches!(list.ty, Ty::Optional(_)) {
            format!("body.{} ?? []", list.json)
        } else {
            format!("body.{}", list.json)
        };
        let item = item.clone();
        for (path, params) in TOKENS {
            let into = params.iter().find(|param| self.has_param(param));
            if let (Some(into), Some(true)) = (into, self.at(result, path).map(is_token)) {
                let next = path.replace('.', "?.");
                let form = format!("cursor(next: body.{next}, into: query.{into}, items: {items})");
                return Some((Pages { item, form }, self.given_by_pages(into)));
            }
        }
        let has_more = fields.iter().any(|field| field.json == "has_more" && *field.ty.non_null() == Ty::Plain("Bool"));
        let has_id = self.fields(&item).is_some_and(|fields| fields.iter().any(|field| field.json == "id"));
        if has_more && has_id && self.has_param("starting_after") {
            let next = format!("(body.{} as List<Json>)?.last?.id", list.json);
            let form = format!(
                "cursor(next: {next}, into: query.starting_after, items: {items}, last: body.has_more != true)"
            );
            return Some((Pages { item, form }, self.given_by_pages("starting_after")));
        }
        if self.call.links {
            return Some((Pages { item, form: format!("link(items: {items})") }, None));
        }
        let url = |field: &&Field| match field.ty.non_null() {
            Ty::Plain("Url") => field.json == "next" || URLS.contains(&field.json.as_str()),
            Ty::Plain("String") => URLS.iter().take(4).any(|url| *url == field.json),
            _ => false,
        };
        if let Some(next) = fields.iter().find(url) {
            let form = format!("next_url(next: body.{}, items: {items})", next.json);
            return Some((Pages { item, form }, None));
        }
        self.counted(item, &items)
    }

    /// Pages that are told by a number of the request alone; each ends with an empty one.
    fn counted(&self, item: Ty, items: &str) -> Option<(Pages, Option<String>)> {
        if !SIZES.iter().any(|size| self.has_param(size)) {
            return None;
        }
        let numbered = |name: &&&str| self.param(name).is_some_and(|ty| *ty.non_null() == Ty::Plain("Int"));
        if let Some(into) = OFFSETS.iter().find(numbered) {
            let form = format!("offset(into: query.{into}, items: {items})");
            return Some((Pages { item, form }, Some((*into).to_owned())));
        }
        let into = ["page"].iter().find(numbered)?;
        let form = format!("page(into: query.{into}, items: {items})");
        Some((Pages { item, form }, Some((*into).to_owned())))
    }

    /// The entry of the query that says which page is meant. One that the first page needs as well is for the caller to give.
    fn given_by_pages(&self, entry: &str) -> Option<String> {
        self.param(entry).filter(|ty| matches!(ty, Ty::Optional(_))).map(|_| entry.to_owned())
    }

    fn has_param(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    /// The type of the parameter that fills an entry of the query by itself.
    fn param(&self, entry: &str) -> Option<&Ty> {
        let (_, part) = self.call.parts.iter().find(|(name, _)| *name == "query")?;
        let Part::Entries(entries) = part else { return None };
        let (_, value) = entries.iter().find(|(name, _)| name == entry)?;
        self.call.params.iter().find(|param| param.name == *value).map(|param| &param.ty)
    }

    fn fields<'t>(&'t self, ty: &'t Ty) -> Option<&'t [Field]> {
        match ty.non_null() {
            Ty::Record(fields) => Some(fields),
            Ty::Named(name) => match self.declared.get(name)? {
                Declared::Record { fields, .. } => Some(fields),
                Declared::Union { .. } => None,
            },
            _ => None,
        }
    }

    /// The type of what lies below an answer.
    fn at<'t>(&'t self, ty: &'t Ty, path: &str) -> Option<&'t Ty> {
        path.split('.').try_fold(ty, |ty, name| Some(&self.fields(ty)?.iter().find(|field| field.json == name)?.ty))
    }

    /// The list that a page is about: the only one, or the one with the usual name.
    fn list<'t>(&'t self, fields: &'t [Field]) -> Option<(&'t Field, &'t Ty)> {
        let lists: Vec<(&Field, &Ty)> = fields
            .iter()
            .filter(|field| is_plain(&field.json))
            .filter_map(|field| match field.ty.non_null() {
                Ty::List(item) => Some((field, item.non_null())),
                _ => None,
            })
            .collect();
        match lists.as_slice() {
            [only] => Some(*only),
            several => LISTS.iter().find_map(|name| several.iter().find(|(field, _)| field.json == *name).copied()),
        }
    }
}

/// Says whether a value can say where the next page begins.
fn is_token(ty: &Ty) -> bool {
    matches!(ty.non_null(), Ty::Plain("String" | "Uuid" | "Json" | "Int"))
}

/// Says whether a field can be written after a dot.
fn is_plain(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
