//! Objects in Amazon S3 and in what speaks its protocol.
//!
//! In: calls of the operations that `stdlib/connectors/s3/s3.flow` declares `native`. Out: their results, or failures in
//! the kinds that programs know. Region, credential and server come from the connection and from nowhere else: no
//! variable of the environment, no profile, no metadata service is asked. The SDK tries nothing again, because retries
//! belong to the engine.

mod account;
mod failure;
mod object;
mod parts;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use flow_model::value::Value;
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};

use self::{
    account::{Account, Clients},
    object::Place,
};

/// Binds the operations of the connector `s3`; they share their clients.
#[must_use]
pub fn bind(table: NativeTable) -> NativeTable {
    let clients = Arc::new(Clients::default());
    let operation = |kind| Operation { kind, clients: Arc::clone(&clients) };
    table.with("s3", "objects.put", operation(Kind::Put)).with("s3", "objects.get", operation(Kind::Get)).with(
        "s3",
        "objects.delete",
        operation(Kind::Delete),
    )
}

struct Operation {
    kind: Kind,
    clients: Arc<Clients>,
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Get,
    Delete,
}

#[async_trait]
impl NativeOperation for Operation {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let unsent = NativeFailure::never;
        let client = self.clients.of(Account::of(&call).map_err(unsent)?, call.guard());
        let bucket = call.text("bucket").map_err(unsent)?;
        let key = call.text("key").map_err(unsent)?;
        match self.kind {
            Kind::Put => {
                let body = call.file("body").map_err(unsent)?;
                let content_type = call.arg("content_type").as_str().unwrap_or(&body.mime_type);
                object::put(&client, call.blobs(), Place { bucket, key }, &body, content_type).await
            }
            Kind::Get => object::get(&client, call.blobs(), Place { bucket, key }).await,
            Kind::Delete => object::delete(&client, Place { bucket, key }).await,
        }
    }
}
