//! What is removed because it is old, or because nobody needs it any more?

use std::{collections::BTreeSet, time::SystemTime};

use rusqlite::{Connection, Transaction, params};

use super::{Error, Expiry, Tidied, large::Large};

/// How many pages of the database are given back to the disk at once.
const PAGES: u32 = 4096;

/// How many large texts are looked at together.
const TEXTS: usize = 1000;

/// Runs that ended before a time, oldest first: not those with a dead letter that is open, those whose caller stays, nor
/// those that still count for `at_most`.
const SPENT: &str = "
select id from runs where ended_at < ?1
and not exists (select 1 from dead_letters where run = runs.id and settled is null)
and (parent is null or not exists (
    select 1 from runs caller
    where caller.id = json_extract(runs.parent, '$[0]') and (caller.ended_at is null or caller.ended_at >= ?1)))
and (gate is null or begun_at is null or coalesce(begun_at + json_extract(gate, '$.rate.period') < ?2, true))
order by ended_at, id limit ?3";

/// Removes runs with all that belongs to them; says how many.
pub(super) fn expire(transaction: &Transaction<'_>, expiry: &Expiry) -> Result<u64, Error> {
    let most = i64::try_from(expiry.most).unwrap_or(i64::MAX);
    let mut statement = transaction.prepare_cached(SPENT)?;
    let spent =
        statement.query_map(params![expiry.ended_before.0, expiry.now.0, most], |row| row.get::<_, String>(0))?;
    let spent = spent.collect::<Result<Vec<_>, _>>()?;
    for run in &spent {
        for table in
            ["journal", "events", "dead_letters", "waits", "mail", "gatherings", "gathered", "refs", "checkpoints"]
        {
            transaction.prepare_cached(&format!("delete from {table} where run = ?"))?.execute([run])?;
        }
        transaction.prepare_cached("delete from runs where id = ?")?.execute([run])?;
    }
    Ok(spent.len() as u64)
}

/// Removes plans that no run has and that are not listed; says how many.
pub(super) fn forget(transaction: &Transaction<'_>, keep: &BTreeSet<String>) -> Result<u64, Error> {
    let mut statement = transaction
        .prepare_cached("select digest from plans where not exists (select 1 from runs where plan = digest)")?;
    let unused = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut count = 0;
    for digest in unused.iter().filter(|digest| !keep.contains(*digest)) {
        count += transaction.prepare_cached("delete from plans where digest = ?")?.execute([digest])? as u64;
    }
    Ok(count)
}

/// Removes large texts that no run names, and gives room that is free in the database back to the disk.
pub(super) fn shrink(connection: &Connection, large: &Large, written_before: SystemTime) -> Result<Tidied, Error> {
    let mut tidied = Tidied::default();
    let mut after = None;
    loop {
        let some = large.after(after, TEXTS)?;
        let Some(last) = some.last() else { break };
        after = Some(*last);
        let mut named = connection.prepare_cached("select 1 from refs where sha256 = ?")?;
        for digest in some {
            if !named.exists([digest.to_string()])? {
                tidied.bytes += large.remove(digest, written_before)?;
            }
        }
    }
    // Without effect on a database that was made before it could give room back: `flowc journal compact` makes it anew.
    connection.execute_batch(&format!("pragma incremental_vacuum({PAGES})"))?;
    Ok(tidied)
}
