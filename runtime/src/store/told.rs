//! How do runs hear of each other?
//!
//! What a run is told is an event of its journal that lies ready until it is applied: an event of the bus that it waits
//! for, the end of a run that it called, the wish of its caller to cancel it. It is put down in the transaction in which it
//! comes about, and taken away in the one in which the run has heard it, so that a crash loses and repeats nothing.

use std::collections::BTreeSet;

use flow_model::value::Value;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{
    Batch, Bus, Done, Error,
    write::{Texts, text},
};
use crate::{
    journal::RunId,
    machine::{Event, Place, Wanted},
};

/// Puts down what a batch tells other runs, and who has heard what.
pub(super) fn tell(texts: &Texts<'_>, batch: &Batch, done: &mut Done) -> Result<(), Error> {
    let transaction = texts.transaction;
    for id in &batch.read {
        transaction.prepare_cached("delete from mail where id = ?")?.execute([id])?;
    }
    let run = batch.run.as_str();
    for act in &batch.bus {
        match act {
            Bus::Listen { place, event, wanted } => {
                let (field, digest) = wanted.as_ref().map_or(("", ""), |wanted| (&wanted.field, &wanted.digest));
                transaction
                    .prepare_cached(
                        "insert or ignore into waits (event, run, place, field, digest) values (?, ?, ?, ?, ?)",
                    )?
                    .execute(params![event, run, text(place), field, digest])?;
            }
            Bus::Stop(place) => {
                transaction
                    .prepare_cached("delete from waits where run = ? and place = ?")?
                    .execute(params![run, text(place)])?;
            }
            Bus::Emit { place, event, value } => {
                transaction
                    .prepare_cached("insert into events (run, place, name, value, at) values (?, ?, ?, ?, ?)")?
                    .execute(params![run, text(place), event, texts.keep(run, text(value))?, batch.at.0])?;
                for (to, place) in waiting(transaction, event, value)? {
                    put(texts, &to, &Event::Received { place, value: value.clone() }, done)?;
                }
            }
        }
    }
    for (to, event) in &batch.mail {
        put(texts, to, event, done)?;
    }
    if batch.standing.state.is_final() {
        // Nobody can have told anything to a run that begins and ends in one batch.
        if batch.new.is_none() || !batch.bus.is_empty() {
            transaction.prepare_cached("delete from waits where run = ?")?.execute([run])?;
            transaction.prepare_cached("delete from mail where run = ?")?.execute([run])?;
        }
        let parent = match &batch.new {
            Some(new) => new.parent.clone(),
            None => parent(transaction, run)?,
        };
        if let (Some((parent, place)), Some(outcome)) = (parent, &batch.standing.outcome) {
            put(texts, &parent, &Event::Returned { place, outcome: outcome.clone() }, done)?;
        }
    }
    Ok(())
}

/// Tells a run something, unless it is over.
fn put(texts: &Texts<'_>, to: &RunId, event: &Event, done: &mut Done) -> Result<(), Error> {
    let transaction = texts.transaction;
    let is_open =
        transaction.prepare_cached("select 1 from runs where id = ? and ended_at is null")?.exists([to.as_str()])?;
    if !is_open {
        return Ok(());
    }
    transaction
        .prepare_cached("insert into mail (run, body) values (?, ?)")?
        .execute(params![to.as_str(), texts.keep(to.as_str(), text(event))?])?;
    if !done.mailed.contains(to) {
        done.mailed.push(to.clone());
    }
    Ok(())
}

/// The runs that wait for an event and may go on with this one, and where. Those that want another value of a field are not
/// looked at, however many they are: each field that some want is looked up with the value that the event has.
fn waiting(transaction: &Transaction<'_>, event: &str, value: &Value) -> Result<Vec<(RunId, Place)>, Error> {
    let mut next = transaction.prepare_cached("select min(field) from waits where event = ? and field > ?")?;
    let mut of = transaction.prepare_cached(
        "select run, place from waits where event = ?1 and field = ?2 and digest >= ?3 and digest <= ?4",
    )?;
    let mut found = BTreeSet::new();
    let mut field = Some(String::new());
    while let Some(name) = field {
        // Without a digest, all who want something of the field may want this.
        let (least, most) = match value.get(&name).and_then(Wanted::digest) {
            Some(digest) => (digest.clone(), digest),
            None => (String::new(), "~".to_owned()),
        };
        let waiting = of.query_map(params![event, name, least, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.extend(waiting.collect::<Result<Vec<(String, String)>, _>>()?);
        field = next.query_row(params![event, name], |row| row.get(0))?;
    }
    found.into_iter().map(|(run, place)| Ok((run_id(&run)?, read(&place)?))).collect()
}

/// The run that called this one, and where.
fn parent(transaction: &Transaction<'_>, run: &str) -> Result<Option<(RunId, Place)>, Error> {
    let parent: Option<String> = transaction
        .prepare_cached("select parent from runs where id = ?")?
        .query_row([run], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(parent) = parent else { return Ok(None) };
    let (run, place): (String, Place) = read(&parent)?;
    Ok(Some((run_id(&run)?, place)))
}

fn run_id(text: &str) -> Result<RunId, Error> {
    text.parse().map_err(|error: crate::journal::BadRunId| unreadable(error))
}

fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(unreadable)
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into()).into()
}
