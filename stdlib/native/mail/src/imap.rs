//! The operations of the connector `imap`.
//!
//! In: calls of the operations that `stdlib/connectors/imap/imap.flow` declares `native`. Out: messages, or failures in the
//! kinds that programs know. Nothing is marked as read by being read.

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};

use crate::{
    content,
    mailbox::{Mailbox, Place},
};

/// How many messages are listed at once.
const MOST_LISTED: usize = 10_000;

/// How large a message may be that is read.
const MOST_BYTES: u32 = 50 << 20;

/// Binds the operations.
pub(crate) fn bind(table: NativeTable) -> NativeTable {
    table
        .with("imap", "messages.list", Imap::List)
        .with("imap", "messages.get", Imap::Get)
        .with("imap", "messages.mark", Imap::Mark)
        .with("imap", "messages.move", Imap::Move)
}

enum Imap {
    List,
    Get,
    Mark,
    Move,
}

#[async_trait]
impl NativeOperation for Imap {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let limit = call.timeout().duration();
        let work = async {
            let folder = call.text("folder").map_err(NativeFailure::never)?;
            let mut mailbox = Mailbox::open(&call, folder, matches!(self, Self::Mark | Self::Move)).await?;
            let value = match self {
                Self::List => list(&call, &mut mailbox).await,
                Self::Get => get(&call, &mut mailbox).await,
                Self::Mark => mark(&call, &mut mailbox).await,
                Self::Move => to_folder(&call, &mut mailbox).await,
            }?;
            mailbox.leave().await;
            Ok(value)
        };
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => {
                let message = format!("the mail server had not answered within {limit:?}");
                Err(NativeFailure::perhaps(Failure::new(ErrorKind::Timeout, message)))
            }
        }
    }
}

async fn list(call: &NativeCall<'_>, mailbox: &mut Mailbox) -> Result<Value, NativeFailure> {
    let after = call.arg("after").as_str().map(Place::read).transpose().map_err(NativeFailure::never)?;
    let mut uids = match &after {
        Some(after) if after.validity == mailbox.validity() => mailbox.uids(after.uid.saturating_add(1)).await?,
        _ => mailbox.uids(1).await?,
    };
    // A folder that was made anew has other numbers: what arrived later is told by its time.
    let since = after.as_ref().filter(|after| after.validity != mailbox.validity()).map(|after| after.seconds);
    match (&after, since) {
        (None, _) => drop(uids.drain(..uids.len().saturating_sub(MOST_LISTED))),
        (Some(_), None) => uids.truncate(MOST_LISTED),
        (Some(_), Some(_)) => {}
    }
    let mut entries = Vec::new();
    for fetched in mailbox.headers(&uids).await? {
        if since.is_some_and(|since| fetched.place.seconds <= since) {
            continue;
        }
        entries.push(content::entry(&fetched)?);
        if entries.len() == MOST_LISTED {
            break;
        }
    }
    Ok(Value::List(entries))
}

async fn get(call: &NativeCall<'_>, mailbox: &mut Mailbox) -> Result<Value, NativeFailure> {
    let id = call.text("id").map_err(NativeFailure::never)?;
    let place = Place::read(id).map_err(NativeFailure::never)?;
    let missing = || Failure::new(ErrorKind::NotFound, format!("there is no message `{id}` in the folder"));
    if place.validity != mailbox.validity() {
        return Err(missing().into());
    }
    let size = mailbox.size(place.uid).await?.ok_or_else(missing)?;
    if size > MOST_BYTES {
        let message = format!("the message has {size} bytes, and {MOST_BYTES} can be read");
        return Err(Failure::new(ErrorKind::Invalid, message).into());
    }
    let fetched = mailbox.whole(place.uid).await?.ok_or_else(missing)?;
    content::message(call, &fetched).await
}

async fn mark(call: &NativeCall<'_>, mailbox: &mut Mailbox) -> Result<Value, NativeFailure> {
    let place = Place::read(call.text("id").map_err(NativeFailure::never)?).map_err(NativeFailure::never)?;
    let flag = match call.arg("mark").as_str() {
        Some("answered") => "\\Answered",
        Some("flagged") => "\\Flagged",
        _ => "\\Seen",
    };
    let sign = if *call.arg("set") == Value::Bool(false) { '-' } else { '+' };
    let is_there = place.validity == mailbox.validity() && mailbox.size(place.uid).await?.is_some();
    if is_there {
        mailbox.store(place.uid, &format!("{sign}FLAGS ({flag})")).await?;
    }
    Ok(changed(is_there))
}

async fn to_folder(call: &NativeCall<'_>, mailbox: &mut Mailbox) -> Result<Value, NativeFailure> {
    let place = Place::read(call.text("id").map_err(NativeFailure::never)?).map_err(NativeFailure::never)?;
    let to = call.text("to").map_err(NativeFailure::never)?;
    let is_there = place.validity == mailbox.validity() && mailbox.size(place.uid).await?.is_some();
    if is_there {
        mailbox.put(place.uid, to).await?;
    }
    Ok(changed(is_there))
}

fn changed(was_there: bool) -> Value {
    Value::record([("was_there", Value::Bool(was_there))])
}
