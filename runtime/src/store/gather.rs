//! How are several events kept for one run?
//!
//! The run is on disk from its first event on, and has not begun. What comes after is added to it in one transaction with
//! its key for repetitions, so that an event is in exactly one run, whatever happens. The events of a batch are rows of
//! their own, so that adding one does not write the others again; of events of which the latest counts there is one.
//! Which is the latest, and how a batch is listed, is told by the rank of events where their trigger declares one.

use flow_model::{plan::Keep, units::Instant};
use rusqlite::{
    OptionalExtension as _, ToSql, Transaction, params,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use super::{
    Committed, Error, GATHERS, Gather, Gathered, NO_ROOM, NewRun, Rank,
    windows::Times,
    write::{Stands, Texts, insert_run, remember, run_id, text},
};
use crate::{journal::RunId, machine::Start};

/// The events of a batch begin their run when they are so large together, in bytes: it has all of them in memory.
pub(super) const LARGE: i64 = 4 << 20;

/// A run that events are gathered for.
struct Open {
    run: RunId,
    at_latest: Option<Instant>,
    count: i64,
    bytes: i64,
    /// That of the event that is kept, of events of which the latest counts.
    rank: Option<Rank>,
}

/// Adds the event of a run to the one that is gathering, or begins to gather with it.
pub(super) fn add(
    texts: &Texts<'_>,
    run: &RunId,
    new: &NewRun,
    (gather, start): (&Gather, &Start),
    times: Times,
) -> Result<Committed, Error> {
    let transaction = texts.transaction;
    let (last, at_latest) = gather.times(times.kept());
    let found = find(transaction, gather)?;
    let run = &found.as_ref().map_or(run, |open| &open.run).clone();
    if let Some(dedupe) = &new.dedupe
        && let Some(duplicate) = remember(transaction, run, dedupe, times)?
    {
        return Ok(duplicate);
    }
    if found.is_none() {
        insert_run(texts, run, new, &Stands::Waits(GATHERS), times.at)?;
    }
    let bytes = match gather.keep {
        Keep::Latest { .. } if found.as_ref().is_some_and(|open| open.rank > gather.rank) => 0,
        Keep::Latest { .. } => {
            transaction
                .prepare_cached("update runs set start = ?2 where id = ?1")?
                .execute(params![run.as_str(), texts.keep(run.as_str(), text(start))?])?;
            0
        }
        Keep::All { .. } => {
            let payload = text(&start.payload);
            transaction
                .prepare_cached("insert into gathered (run, payload, rank) values (?, ?, ?)")?
                .execute(params![run.as_str(), texts.keep(run.as_str(), payload.as_str())?, gather.rank])?;
            i64::try_from(payload.len()).unwrap_or(i64::MAX)
        }
    };
    let open = found.unwrap_or(Open { run: run.clone(), at_latest, count: 0, bytes: 0, rank: None });
    let until = open.at_latest.map_or(last, |at_latest| last.min(at_latest));
    let rank = open.rank.max(gather.rank.clone());
    let open = Open { count: open.count + 1, bytes: open.bytes.saturating_add(bytes), rank, ..open };
    let is_full = matches!(gather.keep, Keep::All { most, .. } if open.count >= i64::from(most) || open.bytes >= LARGE);
    if is_full {
        end(transaction, &open.run)?;
        return Ok(Committed::Gathered(Gathered { run: open.run, until: None }));
    }
    transaction
        .prepare_cached(
            "insert or replace into gatherings (scope, key, run, until, at_latest, count, bytes, rank)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            gather.scope,
            gather.key,
            open.run.as_str(),
            until.0,
            open.at_latest.map(|at| at.0),
            open.count,
            open.bytes,
            open.rank
        ])?;
    let until = times.shown(until);
    transaction
        .prepare_cached("update runs set wake_at = ?2 where id = ?1")?
        .execute(params![open.run.as_str(), until.0])?;
    Ok(Committed::Gathered(Gathered { run: open.run, until: Some(until) }))
}

/// Gathers no more for a run whose time has come; says whether it has.
pub(super) fn close(transaction: &Transaction<'_>, run: &RunId, times: Times) -> Result<bool, Error> {
    let is_due: Option<bool> = transaction
        .prepare_cached("select until <= ?2 from gatherings where run = ?1")?
        .query_row(params![run.as_str(), times.kept().0], |row| row.get(0))
        .optional()?;
    if is_due == Some(true) {
        end(transaction, run)?;
    }
    Ok(is_due == Some(true))
}

/// Forgets what was gathered for a run that has begun with it, or was cancelled.
pub(super) fn forget(transaction: &Transaction<'_>, run: &RunId) -> Result<(), Error> {
    for table in ["gatherings", "gathered"] {
        transaction.prepare_cached(&format!("delete from {table} where run = ?"))?.execute([run.as_str()])?;
    }
    Ok(())
}

fn end(transaction: &Transaction<'_>, run: &RunId) -> Result<(), Error> {
    transaction.prepare_cached("delete from gatherings where run = ?")?.execute([run.as_str()])?;
    transaction
        .prepare_cached("update runs set wake_at = null, reason = ?2 where id = ?1")?
        .execute(params![run.as_str(), NO_ROOM])?;
    Ok(())
}

fn find(transaction: &Transaction<'_>, gather: &Gather) -> Result<Option<Open>, Error> {
    let found = transaction
        .prepare_cached("select run, at_latest, count, bytes, rank from gatherings where scope = ? and key = ?")?
        .query_row(params![gather.scope, gather.key], |row| {
            let at_latest: Option<i64> = row.get(1)?;
            Ok((row.get::<_, String>(0)?, at_latest.map(Instant), row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((run, at_latest, count, bytes, rank)) = found else { return Ok(None) };
    Ok(Some(Open { run: run_id(&run)?, at_latest, count, bytes, rank }))
}

impl ToSql for Rank {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

impl FromSql for Rank {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(number) => Ok(Self::Number(number)),
            _ => value.as_str().map(|text| Self::Text(text.to_owned())),
        }
    }
}
