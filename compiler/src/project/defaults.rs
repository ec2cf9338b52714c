//! How long may a call take, and when is it tried again, where nobody else says so?
//!
//! In: `[defaults]`. Out: a [`Policy`]. Its `retry` is for what is safe to repeat: it takes the place of
//! [`Retry::standard`], and no call is repeated because of it that would not be repeated without.

use flow_model::{
    diagnostic::{Code, Diagnostic},
    failure::ErrorKind,
    plan::{Backoff, Policy, Retry},
    units::Millis,
};

use super::{Written, table::Table};
use crate::{names::similar, read::duration, schema::MOST_TIMES};

pub(super) fn read(table: &mut Table<'_, '_>) -> Policy {
    let mut policy = Policy { timeout: table.duration("timeout").map(|time| time.value), ..Policy::default() };
    table.table("retry", |table| policy.retry = retry(table));
    policy
}

fn retry(table: &mut Table<'_, '_>) -> Option<Retry> {
    let standard = Retry::standard();
    let on = table.texts("on").map(|names| kinds(&names, table));
    let times = table.number("times", 0, MOST_TIMES).and_then(|times| u32::try_from(times.value).ok());
    let backoff = table.parsed("backoff", "how long to wait", "\"exponential(1s..5m)\"`, or `\"fixed(10s)\"", backoff);
    let budget = table.duration("budget").map(|time| time.value);
    Some(Retry {
        on: on.unwrap_or(standard.on),
        times: times.unwrap_or(standard.times),
        backoff: backoff.map_or(standard.backoff, |backoff| backoff.value),
        budget,
    })
}

fn kinds(names: &[Written<String>], table: &mut Table<'_, '_>) -> Vec<ErrorKind> {
    let usable = || ErrorKind::BUILT_IN.iter().filter(|kind| **kind != ErrorKind::Interrupted);
    let mut kinds = Vec::new();
    for name in names {
        match usable().find(|kind| kind.name() == name.value) {
            Some(kind) => kinds.push(kind.clone()),
            None => {
                let message = format!("there is no kind of error `{}` to try again after", name.value);
                let problem = Diagnostic::new(Code::E0803, message, name.span, "not one of them");
                let known: Vec<&str> = usable().map(ErrorKind::name).collect();
                table.report(problem.help(match similar(&name.value, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", known.join(", ")),
                }));
            }
        }
    }
    kinds
}

/// `exponential(1s..5m)`, `fixed(10s)`
fn backoff(text: &str) -> Option<Backoff> {
    let (form, rest) = text.split_once('(')?;
    let within = rest.strip_suffix(')')?;
    match form {
        "fixed" => above_zero(within).map(Backoff::Fixed),
        "exponential" => {
            let (first, most) = within.split_once("..")?;
            let (first, most) = (above_zero(first)?, above_zero(most)?);
            (first <= most).then_some(Backoff::Exponential { first, most })
        }
        _ => None,
    }
}

fn above_zero(text: &str) -> Option<Millis> {
    duration(text.trim()).filter(|time| *time > Millis(0))
}
