//! `flowc polls`: how far have triggers that poll read, and from where do they go on?

use std::path::Path;

use flow_runtime::{
    control::{self, Ask, Told},
    engine::Polling,
    store,
    trigger::{Polled, ReadFrom, Standing, polled},
};
use serde_json::{Value as Json, json};

use super::serve::served;
use crate::{
    args::{self, Format, PollsCommand},
    asking::{self, Doer},
    exit::Exit,
    host,
    program::{self, Place},
    trouble::Trouble,
    ui::{
        self, CARE, QUIET, STRONG, WELL, WRONG, plain, styled,
        table::{cut, table},
        time::day_and_time,
    },
};

/// The columns of a failure in a list.
const FAILURE: usize = 60;

/// Lists triggers that poll, or lets one read from elsewhere.
///
/// # Errors
/// A program has errors, or there is no such trigger.
pub(crate) fn polls(args: &args::Polls) -> Result<Exit, Trouble> {
    match &args.command {
        PollsCommand::List(args) => list(args)?,
        PollsCommand::Reset(args) => reset(args)?,
    }
    Ok(Exit::Done)
}

fn list(args: &args::PollsList) -> Result<(), Trouble> {
    let (found, data) = found(&args.of.path, &args.of.data)?;
    let stands = stands(&data, &found)?;
    // Whoever does not serve the folder, or is of an older version, tells nothing.
    let told = match control::ask(&data, &Ask::Polls) {
        Ok(Ok(Told::Polls(told))) => told,
        _ => Vec::new(),
    };
    let of = |one: &Polled| told.iter().find(|told| told.flow == one.flow() && told.on == one.on());
    if args.of.format == Format::Json {
        let polls: Vec<Json> = found.iter().zip(&stands).map(|(one, stands)| as_json(one, stands, of(one))).collect();
        return ui::print(&format!("{:#}\n", json!({ "version": 1, "polls": polls })));
    }
    if found.is_empty() {
        return ui::print(&format!("no flow of `{}` is started by a list that is polled\n", args.of.path.display()));
    }
    let rows: Vec<[String; 6]> = found.iter().zip(&stands).map(|(one, stands)| row(one, stands, of(one))).collect();
    let mut text = table(["FLOW", "TRIGGER", "READ UP TO", "LOOKED", "NEXT", ""], &rows);
    if told.is_empty() {
        text.push_str(&format!("\n{}\n", styled(QUIET, "nobody serves the data folder, so none of them looks")));
    }
    ui::print(&text)
}

/// The triggers that poll of the programs at a path, and the data folder.
fn found(path: &Path, data: &args::Data) -> Result<(Vec<Polled>, std::path::PathBuf), Trouble> {
    let place = Place::of(path, &data.environment)?;
    let plans = served(&place, &program::served(path)?)?.plans;
    Ok((polled(&plans), place.data_folder(data, path)))
}

/// How far each has read.
fn stands(data: &Path, found: &[Polled]) -> Result<Vec<Standing>, Trouble> {
    let reader = match store::read(data) {
        Ok(reader) => reader,
        // Nothing has run yet.
        Err(store::Error::Empty { .. }) => return Ok(vec![Standing::New; found.len()]),
        Err(error) => return Err(host::trouble(&error)),
    };
    let stands = |one: &Polled| Ok(one.standing(&reader.kept(one.flow(), &one.on())?));
    found.iter().map(stands).collect::<Result<_, _>>().map_err(|error| host::trouble(&error))
}

fn row(one: &Polled, stands: &Standing, told: Option<&Polling>) -> [String; 6] {
    let read = match stands {
        Standing::New => styled(QUIET, "not yet"),
        Standing::Nothing => styled(QUIET, "nothing was there"),
        Standing::At(marks) => {
            let of = |(place, mark): (&String, &String)| match place.as_str() {
                "" => plain(mark),
                place => format!("{}: {}", plain(place), plain(mark)),
            };
            marks.iter().map(of).collect::<Vec<_>>().join(", ")
        }
    };
    let time = |at: Option<flow_model::units::Instant>| at.map(day_and_time).unwrap_or_default();
    let held = told.and_then(|told| told.held.as_ref());
    let held = held.map(|held| styled(CARE, cut(&format!("waits, because {}", plain(&held.because)), FAILURE)));
    let failure = told.and_then(|told| Some((told.failures, told.failure.as_ref()?)));
    let failure = failure.map(|(times, failure)| {
        styled(WRONG, cut(&format!("failed {}: {}", ui::count(times as usize, "time"), plain(failure)), FAILURE))
    });
    let (looked, next) = (time(told.and_then(|told| told.looked)), time(told.and_then(Polling::asks)));
    [styled(STRONG, one.flow()), one.on(), read, looked, next, held.or(failure).unwrap_or_default()]
}

/// Members are added, never changed or removed; times are RFC 3339.
fn as_json(one: &Polled, stands: &Standing, told: Option<&Polling>) -> Json {
    let read = match stands {
        Standing::New => Json::Null,
        Standing::Nothing => json!({}),
        Standing::At(marks) => json!(marks),
    };
    let time = |at: Option<flow_model::units::Instant>| at.map(|at| at.to_string());
    json!({
        "flow": one.flow(),
        "on": one.on(),
        "every": one.every().to_string(),
        "read": read,
        "looked": time(told.and_then(|told| told.looked)),
        "next": time(told.and_then(Polling::asks)),
        "failures": told.map(|told| told.failures),
        "failure": told.and_then(|told| told.failure.clone()),
        "waits": told.and_then(|told| told.held.as_ref()).map(|held| {
            json!({ "because": held.because, "since": held.since.to_string(), "until": held.until.to_string() })
        }),
    })
}

fn reset(args: &args::PollsReset) -> Result<(), Trouble> {
    let (found, data) = found(&args.path, &args.data)?;
    let one = one(&found, &args.flow, args.on.as_deref())?;
    let from = match args.to.as_str() {
        "now" => ReadFrom::Now,
        "start" => ReadFrom::Start,
        mark => ReadFrom::Mark(mark.to_owned()),
    };
    let refused = |(message, help): (String, String)| Trouble::new(Exit::Usage, message).help(help);
    let notes = one.read_from(&from).map_err(refused)?;
    let before = stands(&data, std::slice::from_ref(one))?.pop().unwrap_or(Standing::New);
    let ask = Ask::ReadFrom { flow: one.flow().to_owned(), on: one.on(), notes };
    let answered = asking::ask(&args.data, &args.path, &ask, &[])?;
    let to = match &from {
        ReadFrom::Now => "begins with what comes from now on".to_owned(),
        ReadFrom::Start => "begins with everything that is listed".to_owned(),
        ReadFrom::Mark(mark) => format!("begins at {}", plain(mark)),
    };
    let mut text = format!("`{}` of {} {}\n", one.on(), styled(STRONG, one.flow()), styled(WELL, to));
    if let Standing::At(marks) = before {
        let marks = marks.into_values().collect::<Vec<_>>().join(", ");
        text.push_str(&format!("  {}\n", styled(QUIET, format!("it had read up to {}", plain(&marks)))));
    }
    if answered.by == Doer::Us {
        text.push_str(&format!("  {}\n", styled(QUIET, "nobody serves the data folder: it does when somebody does")));
    }
    ui::print(&text)
}

/// The trigger that is meant.
fn one<'p>(found: &'p [Polled], flow: &str, on: Option<&str>) -> Result<&'p Polled, Trouble> {
    let of_flow: Vec<&Polled> = found.iter().filter(|one| one.flow() == flow).collect();
    let fitting: Vec<&Polled> = of_flow.iter().copied().filter(|one| on.is_none_or(|on| one.on() == on)).collect();
    match (fitting.as_slice(), of_flow.is_empty()) {
        ([one], _) => Ok(one),
        (_, true) => {
            let trouble = Trouble::new(Exit::Usage, format!("no flow `{flow}` is started by a list that is polled"));
            Err(trouble.help("`flowc polls list` lists them"))
        }
        (several, false) => {
            let message = match (on, several) {
                (Some(on), []) => format!("`{flow}` has no trigger `{}` that polls", plain(on)),
                _ => format!("`{flow}` has several triggers that poll"),
            };
            let known = of_flow.iter().map(|one| format!("--on '{}'", one.on())).collect::<Vec<_>>().join(", or ");
            Err(Trouble::new(Exit::Usage, message).help(format!("say which: {known}")))
        }
    }
}
