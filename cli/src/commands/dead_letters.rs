//! `flowc dead-letters`: what could not be delivered, and what is done about it?

use std::sync::Arc;

use flow_model::{plan::Plan, value::Value};
use flow_runtime::{
    control::Ask,
    store::{Letter, Letters, Reader, WhichLetters},
};
use serde_json::{Value as Json, json};

use super::runs::{self, at, because, begun, cause, folder, open};
use crate::{
    args, asking,
    exit::Exit,
    host, program,
    trouble::Trouble,
    ui::{
        self, QUIET, STRONG, WELL, plain, styled,
        table::{cut, table},
        time::day_and_time,
    },
};

/// The columns of a cause in a list.
const BECAUSE: usize = 60;

/// Lists or shows dead letters, or deals with one.
///
/// # Errors
/// There are no runs, or no such letter.
pub(crate) fn dead_letters(args: &args::DeadLetters) -> Result<Exit, Trouble> {
    match &args.command {
        args::DeadLettersCommand::List(args) => list(args)?,
        args::DeadLettersCommand::Show(args) => show(args)?,
        args::DeadLettersCommand::Replay(args) => return replay(args),
        args::DeadLettersCommand::Drop(args) => drop_letter(args)?,
    }
    Ok(Exit::Done)
}

fn list(args: &args::LettersList) -> Result<(), Trouble> {
    let which = if args.all { WhichLetters::All } else { WhichLetters::Open };
    let letters = Letters { queue: args.queue.clone(), which, limit: args.limit };
    let reader = open(&args.of.data, &args.of.path)?;
    // Lists hold nothing of what was kept, but why: an error with its fields.
    let letters = reader.letters(&letters).map_err(|error| host::trouble(&error))?;
    let letters = letters.into_iter().map(|letter| masked(&reader, letter)).collect::<Result<Vec<_>, _>>()?;
    if args.of.format == args::Format::Json {
        let letters: Vec<Json> = letters.iter().map(as_json).collect();
        return ui::print(&format!("{:#}\n", Json::from(letters)));
    }
    if letters.is_empty() {
        return ui::print("no dead letters\n");
    }
    let rows: Vec<[String; 7]> = letters.iter().map(row).collect();
    ui::print(&table(["NUMBER", "QUEUE", "FLOW", "RUN", "LEFT", "BECAUSE", ""], &rows))
}

fn row(letter: &Letter) -> [String; 7] {
    let because = letter.cause.as_ref().map(|cause| plain(&cause.failure.in_words())).unwrap_or_default();
    [
        letter.id.to_string(),
        styled(STRONG, &letter.queue),
        letter.flow.clone(),
        letter.run.to_string(),
        day_and_time(letter.at),
        cut(&because, BECAUSE),
        styled(QUIET, plain(letter.settled.as_deref().unwrap_or_default())),
    ]
}

fn show(args: &args::LettersShow) -> Result<(), Trouble> {
    let reader = open(&args.of.data, &args.of.program)?;
    let letter = reader.letter(args.of.letter).map_err(|error| host::trouble(&error))?;
    let letter = letter.ok_or_else(|| {
        Trouble::new(Exit::Usage, format!("there is no dead letter {}", args.of.letter))
            .help("`flowc dead-letters list` lists them")
    })?;
    let letter = if args.reveal { letter } else { masked(&reader, letter)? };
    let value = letter.value.as_ref().unwrap_or(&Value::Null).to_json();
    if args.format == args::Format::Json {
        let mut json = as_json(&letter);
        json["value"] = value;
        return ui::print(&format!("{json:#}\n"));
    }
    let mut lines = vec![
        format!("dead letter {} in {}", styled(STRONG, letter.id), styled(STRONG, &letter.queue)),
        format!("  left {} at `{}`", day_and_time(letter.at), letter.place),
        format!("  by   {} {}", letter.flow, styled(QUIET, &letter.run)),
    ];
    lines.extend(letter.cause.iter().map(|cause| format!("  because {}", because(cause))));
    lines.extend(letter.settled.iter().map(|settled| format!("  {}", plain(settled))));
    lines.push(String::new());
    lines.extend(format!("{value:#}").lines().map(|line| format!("  {}", plain(line))));
    ui::print(&(lines.join("\n") + "\n"))
}

/// A letter without what is personal in what it holds and in what it was left for.
fn masked(reader: &Reader, letter: Letter) -> Result<Letter, Trouble> {
    let run = reader.summary(&letter.run).map_err(|error| host::trouble(&error))?;
    let plan = run.map(|run| runs::plan(reader, &run.plan)).transpose()?.flatten();
    let value = letter.value.map(|value| runs::masked::letter(value, &letter.place, plan.as_ref()));
    let cause = letter.cause.map(|cause| runs::masked::cause(cause, plan.as_ref()));
    Ok(Letter { value, cause, ..letter })
}

/// Members are added, never changed or removed; times are RFC 3339.
fn as_json(letter: &Letter) -> Json {
    json!({
        "id": letter.id,
        "queue": letter.queue,
        "flow": letter.flow,
        "run": letter.run,
        "place": letter.place.to_string(),
        "at": at(letter.at),
        "cause": letter.cause.as_ref().map(cause),
        "settled": letter.settled,
    })
}

fn replay(args: &args::LettersReplay) -> Result<Exit, Trouble> {
    let data = folder(&args.of.data, &args.of.program)?;
    let plans = match &args.flow {
        Some(flow) if !asking::is_served(&data) => vec![taker(&args.of, flow)?],
        _ => Vec::new(),
    };
    let ask = Ask::Redeliver { letter: args.of.letter, flow: args.flow.clone() };
    begun(&asking::ask(&args.of.data, &args.of.program, &ask, &plans)?, &data)
}

/// The flow that takes what a letter holds.
fn taker(of: &args::OneLetter, flow: &str) -> Result<Arc<Plan>, Trouble> {
    let file = program::main_file(&of.program)?;
    let program = program::Place::of(&file, &of.data.environment)?.load(&file)?;
    program::choose(program, Some(flow), &file).map(Arc::new)
}

fn drop_letter(args: &args::LettersDrop) -> Result<(), Trouble> {
    asking::ask(&args.of.data, &args.of.program, &Ask::DropLetter { letter: args.of.letter }, &[])?;
    ui::print(&format!("dead letter {} is {}\n", args.of.letter, styled(WELL, "dropped")))
}
