//! How long may a call take, and when is it tried again?
//!
//! In: policies and `with` clauses as written. Out: [`Policy`] and what of the text makes it retry.

use flow_model::{
    diagnostic::{Code, Diagnostic, Edit},
    failure::ErrorKind,
    plan::{Backoff, Breaker, Policy, Retry},
    schema::Rate,
    span::Span,
    units::Millis,
    value::Value,
};

use super::section::{missing, unknown_property, wrong_value};
use crate::{
    ast::{self, Expr, ExprKind, Item, PolicyEntry, PolicyUse, PolicyUseWhat, PolicyValue},
    names::{Names, PolicyInfo, Unit, chain, literal, repeated, unknown},
};

const POLICY: [&str; 4] = ["timeout", "retry", "breaker", "budget"];
const BREAKER: [&str; 2] = ["opens_at", "half_open_after"];
const RETRY: [&str; 4] = ["on", "times", "backoff", "budget"];

/// The most times that a call is tried again. More is a job for a flow that starts anew.
pub(crate) const MOST_TIMES: i64 = 100;

/// Fills [`Names::policies`].
pub(crate) fn policies(names: &mut Names<'_>, units: &[Unit], problems: &mut Vec<Diagnostic>) {
    for item in units.iter().flat_map(|unit| &unit.ast.items) {
        let Item::Policy(written) = item else { continue };
        let what = format!("the policy `{}`", written.name.text);
        let (policy, retry_span) = entries(names, &what, &written.body, problems);
        let is_first = names.items.get(&written.name.text).is_some_and(|(_, span)| *span == written.name.span);
        if is_first {
            let info = PolicyInfo { policy, retry_span };
            names.policies.insert(written.name.text.clone(), info);
        }
    }
}

impl Names<'_> {
    /// What `with` clauses say together, the last one first, and the place that makes a call retry: the name of the
    /// policy, or the entry.
    pub(crate) fn policy(&self, uses: &[PolicyUse], problems: &mut Vec<Diagnostic>) -> (Policy, Option<Span>) {
        let mut all = (Policy::default(), None);
        for used in uses {
            let (policy, span) = match &used.what {
                PolicyUseWhat::Named(name) if name.text.is_empty() => continue,
                PolicyUseWhat::Named(name) => match self.policies.get(&name.text) {
                    Some(info) if self.sees(name.span.file, &name.text) => {
                        (info.policy.clone(), info.retry_span.map(|_| name.span))
                    }
                    _ => {
                        problems.extend(self.no_policy(name));
                        continue;
                    }
                },
                PolicyUseWhat::Inline(written) => entries(self, "a policy", written, problems),
            };
            let has_retry = policy.retry.is_some();
            all = (over(&policy, &all.0), if has_retry { span } else { all.1 });
        }
        all
    }

    fn no_policy(&self, name: &ast::Ident) -> Option<Diagnostic> {
        if self.broken.contains(&name.text) {
            return None;
        }
        let sees = self.sees(name.span.file, &name.text);
        if let Some((kind, span)) = self.items.get(&name.text).filter(|_| sees) {
            let message = format!("`{}` is {}, not a policy", name.text, kind.spoken());
            let problem =
                Diagnostic::new(Code::E0206, message, name.span, "not a policy").label(*span, "declared here");
            return Some(problem.help("name a policy, or write one: `with { timeout: 10s }`"));
        }
        let seen = self.policies.keys().map(String::as_str).filter(|known| self.sees(name.span.file, known));
        let problem = unknown(Code::E0201, "policy", name, seen);
        Some(match problem.help {
            Some(_) => problem,
            None => problem.help(format!("declare it: `policy {} {{ … }}`", name.text)),
        })
    }

    /// The value of an expression that is a literal, or the name of a constant that is one.
    fn fixed(&self, written: &Expr) -> Option<Value> {
        match &written.kind {
            ExprKind::Name(name) if self.sees(written.span.file, name) => literal(&self.consts.get(name)?.ast.value),
            _ => literal(written),
        }
    }
}

/// A policy in force: what `first` does not say, `then` says.
pub(crate) fn over(first: &Policy, then: &Policy) -> Policy {
    Policy {
        timeout: first.timeout.or(then.timeout),
        retry: first.retry.clone().or_else(|| then.retry.clone()),
        breaker: first.breaker.or(then.breaker),
        budget: first.budget.or(then.budget),
    }
}

/// The entries of a policy, and the place of `retry`.
fn entries(
    names: &Names<'_>,
    what: &str,
    written: &[PolicyEntry],
    problems: &mut Vec<Diagnostic>,
) -> (Policy, Option<Span>) {
    let mut policy = Policy::default();
    let mut retry_span = None;
    for entry in known(what, written, &POLICY, problems) {
        match entry.name.text.as_str() {
            "timeout" => policy.timeout = duration(names, entry, problems),
            "breaker" => policy.breaker = breaker(names, what, entry, problems),
            "budget" => policy.budget = rate(names, entry, "100 per 1m", problems),
            _ => {
                policy.retry = retry(names, what, entry, problems);
                retry_span = policy.retry.is_some().then_some(entry.span);
            }
        }
    }
    (policy, retry_span)
}

/// The entries that there are, without those that are unknown or there twice.
fn known<'e>(
    what: &str,
    written: &'e [PolicyEntry],
    names: &[&str],
    problems: &mut Vec<Diagnostic>,
) -> Vec<&'e PolicyEntry> {
    let mut found: Vec<&PolicyEntry> = Vec::new();
    for entry in written.iter().filter(|entry| !entry.name.text.is_empty()) {
        if !names.contains(&entry.name.text.as_str()) {
            problems.push(match elsewhere(&entry.name.text).filter(|(meant, _)| names.contains(meant)) {
                Some((_, help)) => unknown_property(&entry.name, what, &[]).help(help),
                None => unknown_property(&entry.name, what, names),
            });
        } else if let Some(first) = found.iter().find(|first| first.name.text == entry.name.text) {
            problems.push(repeated("property", &entry.name, first.name.span));
        } else {
            found.push(entry);
        }
    }
    found
}

/// The entry that one is called elsewhere, and how it is written.
fn elsewhere(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "attempts" | "max" | "max_attempts" | "max_retries" | "retries" | "count" | "tries" | "limit" => {
            ("times", "write `times: 3`: how often it is tried again, after the first time")
        }
        "delay" | "wait" | "interval" | "every" | "pause" | "initial" | "min" | "base" => {
            ("backoff", "write `backoff: fixed(1s)`, or `exponential(1s..5m)`")
        }
        "when" | "errors" | "kinds" | "for" => ("on", "write `on: RateLimited | Unavailable | Timeout`"),
        "failures" | "threshold" | "max_failures" | "errors_per" | "after" => {
            ("opens_at", "write `opens_at: 5 per 1m`: so many failures in that time")
        }
        "cooldown" | "reset" | "reset_after" | "open_for" | "closes_after" | "recovery" => {
            ("half_open_after", "write `half_open_after: 30s`: how long no call is made then")
        }
        "deadline" | "time_limit" | "max_time" => ("timeout", "write `timeout: 20s`"),
        "circuit_breaker" | "circuit" => ("breaker", "write `breaker { opens_at: 5 per 1m, half_open_after: 30s }`"),
        _ => return None,
    })
}

/// `retry: none`, `retry { on: A | B, times: 8, backoff: exponential(1s..5m), budget: 15m }`
fn retry(names: &Names<'_>, what: &str, entry: &PolicyEntry, problems: &mut Vec<Diagnostic>) -> Option<Retry> {
    let written = match &entry.value {
        PolicyValue::Block(written) => written,
        PolicyValue::Expr(Expr { kind: ExprKind::Name(name), .. }) if name == "none" => return Some(Retry::none()),
        PolicyValue::Expr(Expr { kind: ExprKind::Missing, .. }) => return None,
        PolicyValue::Expr(written) => {
            let count = match names.fixed(written) {
                Some(Value::Int(count)) if (1..=MOST_TIMES).contains(&count) => Some(count),
                _ => None,
            };
            let meant = format!("retry {{ times: {} }}", count.unwrap_or(4));
            let help = format!("write `{meant}`, or `retry: none`");
            let problem = wrong_value("retry", entry.span, "not when to try again", help);
            problems.push(match count {
                Some(_) => {
                    problem.fix(format!("write `{meant}`"), vec![Edit { span: entry.span, text: meant.clone() }])
                }
                None => problem,
            });
            return None;
        }
        PolicyValue::Kinds(_) | PolicyValue::Rate(_) => {
            let help = "write `retry { times: 4 }`, or `retry: none`";
            problems.push(wrong_value("retry", entry.span, "not when to try again", help));
            return None;
        }
    };
    let mut retry = Retry::standard();
    let of = format!("`retry` of {what}");
    if written.is_empty() {
        problems.push(missing(&of, "times", entry.name.span, "say how often: `retry { times: 4 }`"));
    }
    for entry in known(&of, written, &RETRY, problems) {
        match entry.name.text.as_str() {
            "on" => retry.on = kinds(names, entry, problems),
            "times" => {
                if let Some(count) = times(names, entry, problems) {
                    retry.times = count;
                }
            }
            "backoff" => {
                if let Some(read) = backoff(names, entry, problems) {
                    retry.backoff = read;
                }
            }
            _ if matches!(entry.value, PolicyValue::Rate(_)) => {
                let help = "write `budget: 15m` here: how long one step may go on trying; so many retries in a time, \
                            over all runs, is the `budget:` beside `retry { … }`";
                problems.push(wrong_value("budget", entry.span, "not a time", help));
            }
            _ => retry.budget = duration(names, entry, problems),
        }
    }
    Some(retry)
}

/// `breaker: none`, `breaker { opens_at: 5 per 1m, half_open_after: 30s }`
fn breaker(names: &Names<'_>, what: &str, entry: &PolicyEntry, problems: &mut Vec<Diagnostic>) -> Option<Breaker> {
    let help = "write `breaker { opens_at: 5 per 1m, half_open_after: 30s }`";
    let written = match &entry.value {
        PolicyValue::Block(written) => written,
        PolicyValue::Expr(Expr { kind: ExprKind::Name(name), .. }) if name == "none" => return Some(Breaker::none()),
        PolicyValue::Expr(Expr { kind: ExprKind::Missing, .. }) => return None,
        _ => {
            let help = format!("{help}, or `breaker: none`");
            problems.push(wrong_value("breaker", entry.span, "not when calls stop", help));
            return None;
        }
    };
    let of = format!("`breaker` of {what}");
    let known = known(&of, written, &BREAKER, problems);
    let found = |name: &str| known.iter().find(|entry| entry.name.text == name).copied();
    // One with another name stands for what is missing.
    let is_whole = written.iter().all(|entry| BREAKER.contains(&entry.name.text.as_str()));
    for name in BREAKER {
        if found(name).is_none() && is_whole {
            problems.push(missing(&of, name, entry.name.span, help));
        }
    }
    let opens_at = found("opens_at").and_then(|entry| rate(names, entry, "5 per 1m", problems));
    let half_open_after = found("half_open_after").and_then(|entry| duration(names, entry, problems));
    Some(Breaker { opens_at: opens_at?, half_open_after: half_open_after? })
}

/// `5 per 1m`
fn rate(names: &Names<'_>, entry: &PolicyEntry, example: &str, problems: &mut Vec<Diagnostic>) -> Option<Rate> {
    let name = &entry.name.text;
    let PolicyValue::Rate(written) = &entry.value else {
        if !matches!(entry.value, PolicyValue::Expr(Expr { kind: ExprKind::Missing, .. })) {
            let help = format!("write a number and a time: `{name}: {example}`");
            problems.push(wrong_value(name, entry.span, "not a number in a time", help));
        }
        return None;
    };
    let count = match names.fixed(&written.count) {
        Some(Value::Int(count)) => u32::try_from(count).ok().filter(|count| *count > 0),
        _ => None,
    };
    if count.is_none() {
        let help = format!("write `{name}: {example}`");
        problems.push(wrong_value(name, written.count.span, "not a number above 0", help));
    }
    let period = time(names, name, &written.period, problems);
    Some(Rate { count: count?, period: period? })
}

/// `on: RateLimited | Unavailable`
fn kinds(names: &Names<'_>, entry: &PolicyEntry, problems: &mut Vec<Diagnostic>) -> Vec<ErrorKind> {
    let written: Vec<ast::Path> = match &entry.value {
        PolicyValue::Kinds(kinds) => kinds.iter().map(|kind| ast::Path { parts: vec![kind.clone()] }).collect(),
        PolicyValue::Expr(expr) => match chain(expr) {
            Some(path) => vec![path],
            None if matches!(expr.kind, ExprKind::Missing) => Vec::new(),
            None => {
                let help = "write `on: RateLimited | Unavailable | Timeout`";
                problems.push(wrong_value("on", entry.span, "not the names of errors", help));
                Vec::new()
            }
        },
        PolicyValue::Rate(_) | PolicyValue::Block(_) => {
            let help = "write `on: RateLimited | Unavailable | Timeout`";
            problems.push(wrong_value("on", entry.span, "not the names of errors", help));
            Vec::new()
        }
    };
    let mut read = Vec::new();
    for path in &written {
        let Some(kind) = names.error_kind(path, None, problems) else { continue };
        if kind == ErrorKind::Interrupted {
            let help = "leave it out: a call that may have taken effect must not be made again";
            problems.push(wrong_value("on", path.span(), "whether the call took effect is not known", help));
        } else {
            read.push(kind);
        }
    }
    read
}

fn times(names: &Names<'_>, entry: &PolicyEntry, problems: &mut Vec<Diagnostic>) -> Option<u32> {
    let written = expr(entry, "a number", problems)?;
    match names.fixed(written) {
        Some(Value::Int(count)) if (0..=MOST_TIMES).contains(&count) => u32::try_from(count).ok(),
        _ => {
            let help = format!("write a number from 0 to {MOST_TIMES}");
            problems.push(wrong_value("times", written.span, "not a number of times", help));
            None
        }
    }
}

/// `exponential(1s..5m)`, `fixed(10s)`
fn backoff(names: &Names<'_>, entry: &PolicyEntry, problems: &mut Vec<Diagnostic>) -> Option<Backoff> {
    let help = "write `exponential(1s..5m)`, or `fixed(10s)`";
    let written = expr(entry, "how long to wait", problems)?;
    let (form, arg) = match &written.kind {
        ExprKind::Call { callee, args, .. } => match (&callee.kind, args.as_slice()) {
            (ExprKind::Name(form), [arg]) if arg.name.is_none() => (form.as_str(), &arg.value),
            _ => ("", written),
        },
        ExprKind::Missing => return None,
        _ => ("", written),
    };
    match (form, &arg.kind) {
        ("fixed", _) => time(names, "fixed", arg, problems).map(Backoff::Fixed),
        ("exponential", ExprKind::Range(Some(first), Some(most))) => {
            let (least, greatest) =
                (time(names, "exponential", first, problems)?, time(names, "exponential", most, problems)?);
            if least > greatest {
                problems.push(wrong_value("backoff", arg.span, "begins above its end", "write the shorter time first"));
            }
            Some(Backoff::Exponential { first: least, most: greatest })
        }
        _ => {
            problems.push(wrong_value("backoff", written.span, "not how long to wait", help));
            None
        }
    }
}

fn duration(names: &Names<'_>, entry: &PolicyEntry, problems: &mut Vec<Diagnostic>) -> Option<Millis> {
    let written = expr(entry, "a time", problems)?;
    time(names, &entry.name.text, written, problems)
}

fn time(names: &Names<'_>, name: &str, written: &Expr, problems: &mut Vec<Diagnostic>) -> Option<Millis> {
    match names.fixed(written) {
        Some(Value::Duration(time)) if time > Millis(0) => Some(time),
        _ if matches!(written.kind, ExprKind::Missing) => None,
        _ => {
            problems.push(wrong_value(name, written.span, "not a time above 0", "write a time: `500ms`, `20s`, `5m`"));
            None
        }
    }
}

fn expr<'e>(entry: &'e PolicyEntry, wanted: &str, problems: &mut Vec<Diagnostic>) -> Option<&'e Expr> {
    match &entry.value {
        PolicyValue::Expr(written) => Some(written),
        PolicyValue::Kinds(_) | PolicyValue::Rate(_) | PolicyValue::Block(_) => {
            let name = &entry.name.text;
            problems.push(wrong_value(name, entry.span, &format!("not {wanted}"), format!("write `{name}: value`")));
            None
        }
    }
}
