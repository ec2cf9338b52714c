//! How do runs hear of each other?
//!
//! What a run is told is an event of its journal that lies ready until it is applied: an event of the bus that it waits
//! for, the end of a run that it called, the wish of its caller to cancel it. It is put down in the transaction in which it
//! comes about, and taken away in the one in which the run has heard it, so that a crash loses and repeats nothing.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{
    Batch, Bus, Done, Error,
    write::{Texts, text},
};
use crate::{
    journal::RunId,
    machine::{Event, Place},
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
            Bus::Listen { place, event } => {
                transaction
                    .prepare_cached("insert or ignore into waits (event, run, place) values (?, ?, ?)")?
                    .execute(params![event, run, text(place)])?;
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
                for (to, place) in waiting(transaction, event)? {
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

/// The runs that wait for an event, and where.
fn waiting(transaction: &Transaction<'_>, event: &str) -> Result<Vec<(RunId, Place)>, Error> {
    let mut statement =
        transaction.prepare_cached("select run, place from waits where event = ? order by run, place")?;
    let waiting = statement.query_map([event], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    waiting.map(|row| row.map_err(Error::from).and_then(|(run, place)| Ok((run_id(&run)?, read(&place)?)))).collect()
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
