//! Mail: sent over SMTP, and read over IMAP.
//!
//! In: calls of the operations that `stdlib/connectors/mail/mail.flow` and `stdlib/connectors/imap/imap.flow` declare `native`.
//! Out: what they give, or failures in the kinds that programs know. A server that has not taken a message has not sent it; one whose answer to
//! it is lost may have.

mod connect;
mod content;
mod imap;
mod mailbox;
mod message;
mod smtp;

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};

/// Binds the operations of the connectors `mail` and `imap`.
#[must_use]
pub fn bind(table: NativeTable) -> NativeTable {
    imap::bind(table).with("mail", "send", Send).with("mail", "send_at_least_once", Send)
}

/// Both do the same: what differs is whether they are tried again.
struct Send;

#[async_trait]
impl NativeOperation for Send {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let mail = message::written(&call).await.map_err(NativeFailure::never)?;
        // Until the message goes, nothing has happened, however long it takes.
        let limit = call.timeout().duration() / 2;
        let mut session = match tokio::time::timeout(limit, connect::connect(&call)).await {
            Ok(session) => session?,
            Err(_) => return Err(too_slow(limit)),
        };
        match tokio::time::timeout(limit, session.announce(&mail)).await {
            Ok(announced) => announced?,
            Err(_) => return Err(too_slow(limit)),
        }
        session.deliver(&mail).await?;
        Ok(Value::record([("message_id", Value::text(mail.id))]))
    }
}

fn too_slow(limit: std::time::Duration) -> NativeFailure {
    let message = format!("the mail server was not ready for the message within {limit:?}");
    NativeFailure::never(Failure::new(ErrorKind::Timeout, message))
}
