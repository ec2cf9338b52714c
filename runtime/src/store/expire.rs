//! What is removed because it is old, or because nobody needs it any more?

use std::{collections::BTreeSet, time::SystemTime};

use flow_model::units::Instant;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Error, Expiry, Tidied, large::Large};

/// How many pages of the database are given back to the disk at once.
const PAGES: u32 = 4096;

/// How many large texts are looked at together.
const TEXTS: usize = 1000;

/// Runs that ended before a time, plan by plan, and of a plan the oldest first: not those with a dead letter that is open,
/// those whose caller stays, nor those that still count for `at_most`. Each plan that runs have is found by its index.
const SPENT: &str = "
with recursive held (plan) as (
    select min(plan) from runs
    union all select (select min(plan) from runs where plan > held.plan) from held where held.plan is not null)
select id from held cross join runs on runs.plan = held.plan where ended_at < ?1
and not exists (select 1 from dead_letters where run = runs.id and settled is null)
and (parent is null or not exists (
    select 1 from runs caller
    where caller.id = json_extract(runs.parent, '$[0]') and (caller.ended_at is null or caller.ended_at >= ?1)))
and (gate is null or begun_at is null or coalesce(begun_at + json_extract(gate, '$.rate.period') < ?2, true))
limit ?3";

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

/// How many keys of events are looked at when some may have expired.
const KEYS: u32 = 2000;

/// The keys of events up to which it has been looked whether they have expired: a scope and a key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Swept(String, String);

/// Removes the keys that have expired of those that follow, in the order of all keys, and begins anew at their end.
pub(super) fn sweep(transaction: &Transaction<'_>, swept: &mut Swept, now: Instant) -> Result<(), Error> {
    let Swept(scope, key) = std::mem::take(swept);
    let last = transaction
        .prepare_cached(
            "select scope, key from dedupe where (scope, key) > (?, ?) order by scope, key limit 1 offset ?",
        )?
        .query_row(params![scope, key, KEYS - 1], |row| Ok(Swept(row.get(0)?, row.get(1)?)))
        .optional()?;
    match last {
        Some(last) => {
            transaction
                .prepare_cached(
                    "delete from dedupe where (scope, key) > (?, ?) and (scope, key) <= (?, ?) and expires_at <= ?",
                )?
                .execute(params![scope, key, last.0, last.1, now.0])?;
            *swept = last;
        }
        None => {
            transaction
                .prepare_cached("delete from dedupe where (scope, key) > (?, ?) and expires_at <= ?")?
                .execute(params![scope, key, now.0])?;
        }
    }
    Ok(())
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
    let mut statement = connection.prepare_cached(&format!("pragma incremental_vacuum({PAGES})"))?;
    let mut pages = statement.query([])?;
    // Each step gives back one page.
    while pages.next()?.is_some() {}
    Ok(tidied)
}

#[cfg(test)]
mod tests {
    use super::{super::schema, *};

    #[test]
    fn every_key_that_has_expired_is_removed_in_some_sweeps_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = schema::open(folder.path()).unwrap();
        let transaction = connection.transaction().unwrap();
        let count = 2 * KEYS + 7;
        for number in 0..count {
            transaction
                .prepare_cached("insert into dedupe (scope, key, run, expires_at) values (?, ?, 'r', ?)")
                .unwrap()
                .execute(params![if number % 3 == 0 { "f" } else { "g" }, number.to_string(), number % 10])
                .unwrap();
        }
        let left = |limit: i64| -> u32 {
            let count = "select count(*) from dedupe where expires_at <= ?";
            transaction.query_row(count, [limit], |row| row.get(0)).unwrap()
        };
        let mut swept = Swept::default();
        let mut expired = vec![left(4)];
        for _ in 0..3 {
            sweep(&transaction, &mut swept, Instant(4)).unwrap();
            expired.push(left(4));
        }
        assert!(expired.is_sorted_by(|before, after| before > after), "each removes some: {expired:?}");
        assert_eq!((left(4), left(9)), (0, count - expired[0]));
        assert_eq!(swept, Swept::default(), "it begins anew");
        for _ in 0..2 {
            sweep(&transaction, &mut swept, Instant(9)).unwrap();
        }
        assert_eq!(left(9), 0);
    }
}
