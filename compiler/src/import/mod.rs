//! Which connector does an API description become?
//!
//! In: the text of an OpenAPI description (2.0, 3.0 or 3.1, JSON or YAML) or of a Google discovery document. Out: a
//! connector that checks without errors, and what could not be carried over. Descriptions are read with tolerance: most
//! of those that vendors publish break the specification somewhere, and one bad schema must not cost the rest.
//!
//! Left out on purpose: files and network; references to other documents lead nowhere.

mod api;
mod auth;
mod call;
mod discovery;
mod document;
mod failure;
mod name;
mod page;
mod ty;
mod word;
mod write;

use std::{collections::BTreeMap, fmt};

use indexmap::IndexMap;
use regex::Regex;

use api::{Answer, Api, Base, Operation};
use document::Document;
use name::Source;
use ty::Types;
use write::Connector;

/// What to import, and how to call it.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What the file's first line calls the description: its file name.
    pub source: &'a str,
    /// The name of the connector; without it, one is made from the description's title.
    pub name: Option<&'a str>,
    /// Which operations: a pattern over their names (`customers.*`) or their paths (`/v1/customers/*`), in which `*`
    /// stands for any text. Without it, all.
    pub only: Option<&'a str>,
}

/// A connector made from a description.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The connector's name.
    pub name: String,
    /// The text of its file, laid out.
    pub text: String,
    /// What was carried over and what was not.
    pub report: Report,
}

/// What was carried over and what was not.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many operations were imported.
    pub operations: usize,
    /// Operations that were left out, each with the reason: lower case, no full stop.
    pub skipped: Vec<(String, String)>,
    /// What else could not be carried, with how often.
    pub lost: Vec<(String, usize)>,
    /// How many values of the description were looked at, each as often as it was.
    pub looks: usize,
}

/// What the failures of an API have in common.
#[derive(Default)]
struct Failures {
    /// They announce when to try again.
    retry_after: bool,
    /// Where they have their message and code, as expressions over the body.
    message: Option<String>,
    code: Option<String>,
}

/// The values of a description, JSON or YAML.
///
/// # Errors
/// [`Failure::Unreadable`] where it is neither.
pub fn description(text: &str) -> Result<serde_json::Value, Failure> {
    Document::read(text).map(Document::into_root)
}

/// Why nothing could be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Neither JSON nor YAML, for the reason given.
    Unreadable(String),
    /// Not a description in OpenAPI.
    NotOpenApi,
    /// Not a discovery document.
    NotDiscovery,
    /// The pattern matches no operation; these are some that there are.
    NothingMatches(Vec<String>),
    /// A description of webhooks alone: it says what is sent, and not how that is verified.
    OnlyWebhooks,
    /// There is no operation that a declaration can carry.
    Empty,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "the description can't be read {why}"),
            Self::NotOpenApi => {
                f.write_str("this is no OpenAPI description: it has no `openapi` or `swagger` with `paths`")
            }
            Self::NotDiscovery => f.write_str("this is no discovery document: it has no `discoveryVersion`"),
            Self::NothingMatches(names) => {
                write!(f, "no operation matches; there are for example {}", names.join(", "))
            }
            Self::OnlyWebhooks => f.write_str("the description has webhooks and no operations"),
            Self::Empty => f.write_str("the description has no operation that a connector can have"),
        }
    }
}

impl std::error::Error for Failure {}

/// Imports an OpenAPI description: 2.0, 3.0 or 3.1, as JSON or YAML.
///
/// # Errors
/// [`Failure`], where there is nothing to import.
pub fn openapi(text: &str, options: Options<'_>) -> Result<Imported, Failure> {
    import(&Document::read(text)?, options)
}

/// Imports a discovery document of Google.
///
/// # Errors
/// [`Failure`], where there is nothing to import.
pub fn discovery(text: &str, options: Options<'_>) -> Result<Imported, Failure> {
    import(&discovery::openapi(&Document::read(text)?)?, options)
}

fn import(document: &Document, options: Options<'_>) -> Result<Imported, Failure> {
    let api = api::api(document)?;
    let mut types = Types::new(document);
    let sources: Vec<Source<'_>> = api
        .operations
        .iter()
        .map(|operation| Source {
            method: operation.method,
            path: operation.path,
            id: operation.id,
            named: operation.named,
            many: operation.answer.as_ref().is_some_and(|answer| is_list(document, &types, answer)),
        })
        .collect();
    let names = name::names(&sources);
    let pattern = options.only.map(pattern);
    let wanted: Vec<(&Operation<'_>, &String)> = api
        .operations
        .iter()
        .zip(&names)
        .filter(|(operation, name)| {
            pattern.as_ref().is_none_or(|pattern| pattern.is_match(name) || pattern.is_match(operation.path))
        })
        .collect();
    if wanted.is_empty() && !names.is_empty() {
        return Err(Failure::NothingMatches(names.into_iter().take(5).map(|name| format!("`{name}`")).collect()));
    }
    let (base, prefixes) = reach(&api, &wanted);
    let mut report = Report::default();
    let mut failures = Failures::default();
    let mut calls = Vec::new();
    for ((operation, name), prefix) in wanted.iter().zip(prefixes) {
        let made = prefix.and_then(|prefix| call::call(document, operation, name, &prefix, &api.auth, &mut types));
        match made {
            Ok(call) => {
                failures.retry_after |= operation.retry_after;
                calls.push(call);
            }
            Err(why) => {
                let what = format!("{} {}", operation.method.to_uppercase(), operation.path);
                report.skipped.push((what, why));
            }
        }
    }
    if calls.is_empty() {
        return Err(Failure::Empty);
    }
    types.finish();
    calls.iter_mut().for_each(|call| page::recognise(call, &types.declared));
    for call in &mut calls {
        call.params.iter_mut().for_each(|param| param.ty.loosen(false));
        let answers = call.result.iter_mut().chain(call.pages.iter_mut().map(|pages| &mut pages.item));
        answers.for_each(|ty| ty.loosen(true));
    }
    for declared in types.declared.values_mut() {
        if let ty::Declared::Record { fields, .. } = declared {
            fields.iter_mut().for_each(|field| field.ty.loosen(true));
        }
    }
    report.operations = calls.len();
    (failures.message, failures.code) =
        failure::places(document, wanted.iter().flat_map(|(operation, _)| &operation.failures));
    let mut lost: BTreeMap<String, usize> = types.lost;
    for what in &api.lost {
        *lost.entry(what.clone()).or_default() += 1;
    }
    report.lost = lost.into_iter().collect();
    report.looks = document.looks();
    let name = options.name.map_or_else(|| connector_name(&api.title), str::to_owned);
    let text = write::connector(&Connector {
        name: &name,
        source: options.source,
        api: &api,
        base: &base,
        calls: &calls,
        declared: &types.declared,
        report: &report,
        failures: &failures,
    });
    for call in &calls {
        for what in &call.lost {
            report.lost.push((format!("`{}`: {what}", call.name), 1));
        }
    }
    Ok(Imported { name, text, report })
}

/// Where requests go, and what stands before the path of each operation: some name another path of the same host.
fn reach(api: &Api<'_>, wanted: &[(&Operation<'_>, &String)]) -> (Base, Vec<Result<String, String>>) {
    let origin_of = |url: &str| {
        let url = url::Url::parse(url).ok()?;
        let path = url.path().trim_end_matches('/').to_owned();
        Some((url.origin().ascii_serialization(), path)).filter(|(origin, _)| origin.starts_with("http"))
    };
    let whole = if api.base.url.is_empty() {
        // Each operation says where it is: the host of most of them is the base.
        let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
        for (operation, _) in wanted {
            if let Some((origin, _)) = operation.elsewhere.and_then(origin_of) {
                *hosts.entry(origin).or_default() += 1;
            }
        }
        hosts.into_iter().max_by_key(|(_, count)| *count).map(|(origin, _)| (origin, String::new()))
    } else {
        (!api.base.url.contains('{')).then(|| origin_of(&api.base.url)).flatten()
    };
    let mut own_paths = false;
    let elsewhere: Vec<Result<Option<String>, String>> = wanted
        .iter()
        .map(|(operation, _)| match operation.elsewhere {
            None => Ok(None),
            Some(url) if url.starts_with('/') && whole.is_some() => Ok(Some(url.trim_end_matches('/').to_owned())),
            Some(url) => match (origin_of(url), &whole) {
                (Some((origin, path)), Some((known, _))) if origin == *known => Ok(Some(path)),
                _ => Err(format!("it goes to another host, `{url}`")),
            },
        })
        .inspect(|path| own_paths |= matches!(path, Ok(Some(_))))
        .collect();
    match whole.filter(|_| own_paths) {
        Some((origin, usual)) => {
            let base = Base { url: origin, variables: Vec::new() };
            (base, elsewhere.into_iter().map(|path| path.map(|path| path.unwrap_or_else(|| usual.clone()))).collect())
        }
        None => {
            let base = Base { url: api.base.url.clone(), variables: api.base.variables.clone() };
            (base, elsewhere.into_iter().map(|path| path.map(Option::unwrap_or_default)).collect())
        }
    }
}

/// Whether an answer is a list, or a page of one.
fn is_list(document: &Document, types: &Types<'_>, answer: &Answer<'_>) -> bool {
    let Some(schema) = answer.schema.and_then(|schema| document.follow(schema)) else { return false };
    if ty::kind(schema) == Some("array") {
        return true;
    }
    let pages = ["data", "results", "items", "records", "value", "values", "entries", "elements"];
    let object = types.object(schema);
    pages.iter().any(|page| {
        let property = object.properties.get(page).and_then(|property| document.follow(property));
        property.is_some_and(|property| ty::kind(property) == Some("array"))
    })
}

/// `customers.*` as a regular expression over the whole of a name.
fn pattern(glob: &str) -> Regex {
    let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
    Regex::new(&format!("^{}$", parts.join(".*"))).expect("escaped text with `.*` between is a regular expression")
}

/// `Stripe API` as `stripe`.
fn connector_name(title: &str) -> String {
    let mut words = word::words(title);
    let noise =
        ["api", "rest", "the", "openapi", "reference", "documentation", "public", "specification", "definition"];
    let has_noise = |word: &String| {
        noise.contains(&word.as_str())
            || word.strip_prefix('v').unwrap_or(word).chars().all(|letter| letter.is_ascii_digit())
    };
    let kept: Vec<String> = words.iter().filter(|word| !has_noise(word)).take(3).cloned().collect();
    if !kept.is_empty() {
        words = kept;
    }
    word::param(&words.join("_"))
}

/// The fields of a record by name.
type Properties<'a> = IndexMap<&'a str, &'a serde_json::Value>;
