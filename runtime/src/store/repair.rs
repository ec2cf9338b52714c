//! How does a run end whose journal is damaged?
//!
//! It never goes on, since nobody knows what it has done behind the damage. Repairing ends it as failed, so that whoever waits
//! for it hears of that, and puts down beside the database what there is of it. Its entries stay in the journal as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use flow_model::{
    failure::{ErrorKind, Failure},
    units::Instant,
};
use serde_json::{Value as Json, json};

use super::{Batch, Error, Kept, RunState, Sqlite, Standing, Store as _, read, verify::NO_PLAN};
use crate::{journal::Row, machine::Outcome};

/// The folder for what there is of damaged runs.
const FOLDER: &str = "damaged";

/// A run that was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The run, as it stood.
    pub kept: Kept,
    /// What is wrong with it, in words.
    pub damage: String,
    /// What there is of it.
    pub copy: PathBuf,
}

/// Ends the runs of a folder that are not over and can't go on, because their journal or plan is damaged. What there is of
/// them is put down first, in a file for each.
///
/// # Errors
/// When another process uses the folder, it is a copy of another one, it can't be written, or the database as a whole is
/// damaged.
pub async fn repair(folder: &Path, now: Instant) -> Result<Vec<Repaired>, Error> {
    drop(read::read(folder)?);
    let store = Sqlite::open(folder)?;
    store.check_origin()?;
    let reader = read::read(folder)?;
    let verified = reader.verify()?;
    if let Some(page) = verified.pages.first() {
        return Err(Error::Pages { folder: folder.to_owned(), said: page.clone() });
    }
    let damaged = verified.damaged.into_iter().map(|(kept, damage)| (kept, damage.to_string()));
    let without = verified.without_plan.into_iter().map(|kept| (kept, NO_PLAN.to_owned()));
    let mut repaired: Vec<Repaired> = Vec::new();
    for (kept, damage) in damaged.chain(without) {
        if kept.state.is_final() || repaired.iter().any(|done| done.kept.run == kept.run) {
            continue;
        }
        let told = json!({
            "run": kept.run,
            "flow": kept.flow,
            "state": kept.state,
            "plan": kept.plan,
            "damage": damage,
            "rows": as_json(&reader.rows(&kept.run)?),
        });
        let copy = put_down(&folder.join(FOLDER), &format!("{}.json", kept.run), &format!("{told:#}\n"))?;
        let message = format!("its journal is damaged, so what it has done is not known: {damage}");
        let failure = Failure::new(ErrorKind::Interrupted, message);
        let reason = Some(failure.to_string());
        let outcome = Some(Outcome::Failed { failure, place: None });
        let standing = Standing { state: RunState::Failed, reason, wake_at: None, outcome };
        store.commit(Batch::new(kept.run.clone(), standing, now)).await?;
        repaired.push(Repaired { kept, damage, copy });
    }
    Ok(repaired)
}

/// Says whether a run was ended for that damage, and has the entries that it had then.
pub(super) fn was_repaired(folder: &Path, kept: &Kept, damage: &str, rows: &[Row]) -> bool {
    let copy = || {
        let text = fs::read(folder.join(FOLDER).join(format!("{}.json", kept.run))).ok()?;
        serde_json::from_slice::<Json>(&text).ok()
    };
    kept.state.is_final() && copy().is_some_and(|copy| copy["damage"] == damage && copy["rows"] == as_json(rows))
}

fn as_json(rows: &[Row]) -> Json {
    let rows = rows.iter().map(|row| {
        let checksum = hex::encode(row.checksum);
        json!({ "seq": row.seq, "version": row.version, "checksum": checksum, "body": row.body })
    });
    rows.collect()
}

/// Writes a file that its owner alone can read. It is on disk when this returns.
fn put_down(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let fail = |source| Error::Folder { folder: folder.to_owned(), source: Arc::new(source) };
    fs::create_dir_all(folder).map_err(fail)?;
    let path = folder.join(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(fail)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    Ok(path)
}
