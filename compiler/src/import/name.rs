//! What is each operation called?
//!
//! In: the operations of a description. Out: a name for each, as a person would choose it: the resource, then what is
//! done with it: `customers.list`, `payment_intents.confirm`, `contacts.batch_read`. Names come from method and path, as
//! ids of operations follow no rule between vendors; where the description itself has names in parts (`files.list`), those
//! are taken. No two are the same.

use std::collections::{BTreeMap, BTreeSet};

use super::word::{free, is_plural, snake, words};

/// What a name is made from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) id: Option<&'a str>,
    pub(super) named: Option<&'a str>,
    /// The answer is a list, or holds one.
    pub(super) many: bool,
}

/// Words for what is done, where they stand in a path.
const VERBS: [&str; 141] = [
    "abort",
    "accept",
    "acknowledge",
    "activate",
    "add",
    "append",
    "apply",
    "approve",
    "archive",
    "assign",
    "attach",
    "authorize",
    "batch",
    "block",
    "bulk",
    "buy",
    "calculate",
    "cancel",
    "capture",
    "change",
    "check",
    "checkout",
    "clear",
    "clone",
    "close",
    "combine",
    "complete",
    "confirm",
    "convert",
    "copy",
    "count",
    "create",
    "deactivate",
    "decline",
    "delete",
    "deliver",
    "destroy",
    "detach",
    "disable",
    "disconnect",
    "dismiss",
    "dispute",
    "duplicate",
    "enable",
    "enroll",
    "estimate",
    "execute",
    "expire",
    "export",
    "fetch",
    "finalize",
    "find",
    "finish",
    "follow",
    "forward",
    "fulfill",
    "generate",
    "get",
    "gdpr_delete",
    "hide",
    "hold",
    "import",
    "initialize",
    "invite",
    "join",
    "leave",
    "like",
    "link",
    "list",
    "lock",
    "lookup",
    "make",
    "mark",
    "match",
    "merge",
    "modify",
    "move",
    "mute",
    "open",
    "pause",
    "pay",
    "ping",
    "preview",
    "process",
    "publish",
    "purge",
    "query",
    "reactivate",
    "read",
    "reauthorize",
    "recalculate",
    "redact",
    "redeem",
    "refresh",
    "refund",
    "register",
    "reject",
    "release",
    "remind",
    "remove",
    "renew",
    "reopen",
    "replace",
    "report",
    "resend",
    "reset",
    "resolve",
    "restore",
    "resume",
    "retrieve",
    "retry",
    "return",
    "reverse",
    "revoke",
    "rotate",
    "run",
    "schedule",
    "search",
    "send",
    "ship",
    "show",
    "simulate",
    "start",
    "stop",
    "submit",
    "subscribe",
    "suspend",
    "sync",
    "terminate",
    "test",
    "transfer",
    "trash",
    "unarchive",
    "unassign",
    "undelete",
    "unlink",
    "unsubscribe",
    "update",
    "upload",
    "upsert",
    "void",
];

/// Most words of an id that are looked at to spell a part of a path.
const MOST_WORDS: usize = 12;

/// A part of a path.
#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Fixed(String),
    Param(String),
    /// `{id}:copy`
    Action(String),
}

/// The name of each operation, in their order.
pub(super) fn names(sources: &[Source<'_>]) -> Vec<String> {
    let mut paths: Vec<Vec<Segment>> = sources.iter().map(|source| segments(source.path)).collect();
    strip_common(&mut paths);
    for (path, source) in paths.iter_mut().zip(sources) {
        if let (Some(Segment::Fixed(last)), Some(id)) = (path.last_mut(), source.id) {
            let mut id = words(id);
            id.truncate(MOST_WORDS);
            *last = spelt(last, &id);
        }
    }
    // All calls are `POST` to a path that says what is done.
    let is_remote_call = sources.len() > 1
        && sources.iter().zip(&paths).all(|(source, path)| {
            source.method == "post" && path.iter().all(|segment| matches!(segment, Segment::Fixed(_)))
        });
    let with_put: BTreeSet<&str> =
        sources.iter().filter(|source| source.method == "patch").map(|source| source.path).collect();
    let others_too = |path: &str| sources.iter().filter(|source| source.path == path).count() > 1;
    let mut names: Vec<Vec<String>> = sources
        .iter()
        .zip(&paths)
        .map(|(source, path)| match source.named {
            Some(named) => named.split('.').map(snake).collect(),
            None => of_path(source, path, is_remote_call, with_put.contains(source.path), others_too(source.path)),
        })
        .collect();
    apart(sources, &paths, &mut names);
    let mut taken = BTreeSet::new();
    names
        .into_iter()
        .map(|parts| {
            let name = free(&legal(parts).join("."), |name| taken.contains(name));
            taken.insert(name.clone());
            name
        })
        .collect()
}

/// A word of a path that is several in one, `addtag`, as the id of the operation spells it: `add_tag`.
fn spelt(word: &str, id: &[String]) -> String {
    fn parts<'i>(word: &str, id: &'i [String]) -> Option<Vec<&'i str>> {
        if word.is_empty() {
            return Some(Vec::new());
        }
        id.iter().enumerate().find_map(|(at, first)| {
            let mut found = parts(word.strip_prefix(first.as_str())?, id.get(at + 1..).unwrap_or_default())?;
            found.insert(0, first);
            Some(found)
        })
    }
    parts(word, id).map_or_else(|| word.to_owned(), |parts| parts.join("_"))
}

/// Parts that a path of names may have: the first is no word of statements and expressions.
fn legal(mut parts: Vec<String>) -> Vec<String> {
    if let Some(first) = parts.first_mut() {
        *first = super::word::param(first);
    }
    parts
}

fn segments(path: &str) -> Vec<Segment> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut segments = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment = segment.strip_suffix(".json").or_else(|| segment.strip_suffix(".xml")).unwrap_or(segment);
        let (segment, action) = match segment.rsplit_once(':') {
            Some((segment, action)) if !action.contains('}') && !action.is_empty() => (segment, Some(action)),
            _ => (segment, None),
        };
        if let Some((before, name)) = segment.split_once('{') {
            if before.contains(|letter: char| letter.is_ascii_alphabetic()) {
                segments.push(Segment::Fixed(snake(before)));
            }
            let (name, after) = name.split_once('}').unwrap_or((name, ""));
            segments.push(Segment::Param(snake(name)));
            if after.contains(|letter: char| letter.is_ascii_alphabetic()) && !after.contains('{') {
                segments.push(Segment::Fixed(snake(after)));
            }
        } else if !segment.is_empty() && !is_version(segment) {
            // `chat.postMessage` has its parts already.
            let parts = segment.split('.').filter(|part| !part.is_empty());
            segments.extend(parts.map(|part| Segment::Fixed(snake(part))));
        }
        segments.extend(action.map(|action| Segment::Action(snake(action))));
    }
    segments
}

/// `v1`, `2`, `v59.0`, `2026-03`, and the words that stand around those.
fn is_version(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    let number = lower.strip_prefix('v').unwrap_or(&lower);
    matches!(lower.as_str(), "api" | "rest" | "services")
        || number.starts_with(|first: char| first.is_ascii_digit())
            && number.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '_'))
}

/// Takes off what all paths begin with, as far as each keeps a fixed part.
fn strip_common(paths: &mut [Vec<Segment>]) {
    let Some(first) = paths.first().cloned() else { return };
    let mut common = first.iter().take_while(|segment| matches!(segment, Segment::Fixed(_))).count();
    for path in paths.iter() {
        let same = first.iter().zip(path).take_while(|(one, other)| one == other).count();
        let fixed = path.iter().filter(|segment| matches!(segment, Segment::Fixed(_))).count();
        common = common.min(same).min(fixed.saturating_sub(1));
    }
    for path in paths.iter_mut() {
        path.drain(..common);
    }
}

fn of_path(
    source: &Source<'_>,
    path: &[Segment],
    is_remote_call: bool,
    is_patched: bool,
    others_too: bool,
) -> Vec<String> {
    let mut resource = Vec::new();
    let mut action: Option<String> = None;
    for (at, segment) in path.iter().enumerate() {
        match segment {
            Segment::Action(name) => action = Some(name.clone()),
            Segment::Param(_) => {}
            Segment::Fixed(name) => {
                let first = name.split('_').next().unwrap_or_default();
                // `list_tags` is what is done where the id begins so, too, and else a list of its own: `import_jobs`.
                let is_said =
                    source.id.is_some_and(|id| name != first && words(id).first().is_some_and(|id| id == first));
                let is_verb = !resource.is_empty()
                    && (is_said || (VERBS.contains(&name.as_str()) || VERBS.contains(&first)) && !is_plural(name));
                // `…/batch/read`: from the first verb on, it is what is done.
                let all_fixed = path.iter().skip(at).all(|segment| matches!(segment, Segment::Fixed(_)));
                if let Some(action) = &mut action {
                    action.push('_');
                    action.push_str(name);
                } else if is_verb && all_fixed {
                    action = Some(name.clone());
                } else {
                    resource.push(name.clone());
                }
            }
        }
    }
    if resource.is_empty() {
        resource.push(action.take().or_else(|| source.id.map(snake)).unwrap_or_else(|| "root".to_owned()));
    }
    if is_remote_call && action.is_none() {
        if let [only] = resource.as_slice() {
            return vec![only.clone()];
        }
        return resource;
    }
    let ends_in_param = matches!(path.last(), Some(Segment::Param(_)));
    let is_method_of_dots = source.path.trim_start_matches('/').contains('.')
        && !source.path.contains('{')
        && source
            .path
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains('.') && !last.ends_with(".json") && !last.ends_with(".xml"));
    if is_method_of_dots {
        resource.extend(action);
        return resource;
    }
    let last_is_plural = resource.last().is_some_and(|last| is_plural(last));
    let verb = match (source.method, action) {
        ("delete", Some(action)) if !action.starts_with("delete") && !action.starts_with("destroy") => {
            format!("{action}_delete")
        }
        ("put", Some(action)) if others_too => format!("{action}_set"),
        ("patch", Some(action)) if others_too => format!("{action}_update"),
        (_, Some(action)) => action,
        ("get", None) if ends_in_param && !source.many => "get".to_owned(),
        ("get", None) if source.many || last_is_plural && !ends_in_param => "list".to_owned(),
        ("get", None) => "get".to_owned(),
        ("head", None) => "head".to_owned(),
        ("post", None) if ends_in_param => "update".to_owned(),
        ("post", None) => "create".to_owned(),
        ("put", None) if is_patched => "replace".to_owned(),
        ("put" | "patch", None) => "update".to_owned(),
        (_, None) => "delete".to_owned(),
    };
    resource.push(verb);
    resource
}

/// Tells operations of the same name apart: by the last parameter of the path, or by the id.
fn apart(sources: &[Source<'_>], paths: &[Vec<Segment>], names: &mut [Vec<String>]) {
    for by_id in [false, true] {
        let mut groups: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            groups.entry(name.clone()).or_default().push(at);
        }
        for group in groups.into_values().filter(|group| group.len() > 1) {
            // The one with the shortest path keeps the name.
            let keeps = group.iter().copied().min_by_key(|at| paths.get(*at).map(Vec::len));
            for at in group {
                let (Some(source), Some(path), Some(name)) = (sources.get(at), paths.get(at), names.get_mut(at)) else {
                    continue;
                };
                if Some(at) == keeps {
                    continue;
                }
                let param = path.iter().rev().find_map(|segment| match segment {
                    Segment::Param(name) => Some(name),
                    _ => None,
                });
                if let Some(last) = name.last_mut() {
                    match (by_id, source.id, param) {
                        (false, _, Some(param)) => *last = format!("{last}_by_{param}"),
                        (true, Some(id), _) => *last = snake(id),
                        _ => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(operations: &[(&'static str, &'static str)]) -> Vec<String> {
        let source =
            |(method, path): &(&'static str, &'static str)| Source { method, path, id: None, named: None, many: false };
        names(&operations.iter().map(source).collect::<Vec<_>>())
    }

    #[test]
    fn resources_and_what_is_done_with_them() {
        let operations = [
            ("get", "/v1/customers"),
            ("post", "/v1/customers"),
            ("get", "/v1/customers/{customer}"),
            ("post", "/v1/customers/{customer}"),
            ("delete", "/v1/customers/{customer}"),
            ("get", "/v1/customers/search"),
            ("post", "/v1/payment_intents/{intent}/confirm"),
            ("get", "/v1/balance"),
            ("get", "/v1/customers/{customer}/sources"),
            ("patch", "/v1/orders/{id}"),
            ("put", "/v1/orders/{id}"),
            ("put", "/v1/shops/{id}"),
        ];
        let names = [
            "customers.list",
            "customers.create",
            "customers.get",
            "customers.update",
            "customers.delete",
            "customers.search",
            "payment_intents.confirm",
            "balance.get",
            "customers.sources.list",
            "orders.update",
            "orders.replace",
            "shops.update",
        ];
        assert_eq!(named(&operations), names);
    }

    #[test]
    fn what_is_done_is_read_from_the_path_and_spelt_as_the_id_has_it() {
        let operations = [
            ("put", "/tickets/{id}/mark_as_spam", "MarkTicketAsSpam"),
            ("post", "/tickets/create_many", "CreateManyTickets"),
            ("delete", "/tickets/destroy_many", "DestroyManyTickets"),
            ("get", "/tickets/show_many", "ShowManyTickets"),
            ("post", "/tickets/{id}/reactivate", "ReactivateTicket"),
            ("put", "/tickets/{id}/lock", "LockTicket"),
            ("delete", "/tickets/{id}/lock", "UnlockTicket"),
            ("post", "/orders/addtag", "AddTagToOrder"),
            ("post", "/orders/holduntil", "HoldOrderUntil"),
            ("get", "/accounts/listtags", "ListTags"),
            ("get", "/carriers/import_jobs", "ListImportJobs"),
        ];
        let source = |(method, path, id): &(&'static str, &'static str, &'static str)| Source {
            method,
            path,
            id: Some(id),
            named: None,
            many: false,
        };
        let expected = [
            "tickets.mark_as_spam",
            "tickets.create_many",
            "tickets.destroy_many",
            "tickets.show_many",
            "tickets.reactivate",
            "tickets.lock_set",
            "tickets.lock_delete",
            "orders.add_tag",
            "orders.hold_until",
            "accounts.list_tags",
            "carriers.import_jobs.list",
        ];
        assert_eq!(names(&operations.iter().map(source).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn what_all_paths_begin_with_says_nothing() {
        let operations = [
            ("get", "/crm/v3/objects/contacts/{id}"),
            ("post", "/crm/v3/objects/contacts"),
            ("post", "/crm/v3/objects/contacts/batch/read"),
        ];
        assert_eq!(named(&operations), ["contacts.get", "contacts.create", "contacts.batch_read"]);
    }

    #[test]
    fn calls_by_name_keep_their_names() {
        assert_eq!(
            named(&[("post", "/chat.postMessage"), ("get", "/users.list")]),
            ["chat.post_message", "users.list"]
        );
        assert_eq!(
            named(&[("post", "/2/files/create_folder_v2"), ("post", "/2/sharing/list_folders")]),
            ["files.create_folder_v2", "sharing.list_folders"]
        );
        assert_eq!(named(&[("post", "/v1/files/{id}:copy"), ("get", "/v1/drives")]), ["files.copy", "drives.list"]);
    }

    #[test]
    fn no_two_have_the_same_name() {
        let operations =
            [("get", "/a/{id}"), ("get", "/a/{id}/{part}"), ("get", "/a/{id}/{part}/{rest}"), ("get", "/a/{x}")];
        assert_eq!(named(&operations), ["a.get", "a.get_by_part", "a.get_by_rest", "a.get_by_x"]);
    }
}
