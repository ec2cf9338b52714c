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
mod presign;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use flow_model::{units::Millis, value::Value};
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};

use self::{
    account::{Account, Clients},
    object::{How, Kept, Place},
};

/// Binds the operations of the connector `s3`; they share their clients.
#[must_use]
pub fn bind(mut table: NativeTable) -> NativeTable {
    let clients = Arc::new(Clients::default());
    for (name, kind) in OPERATIONS {
        table.insert("s3", name, Arc::new(Operation { kind, clients: Arc::clone(&clients) }));
    }
    table
}

const OPERATIONS: [(&str, Kind); 8] = [
    ("objects.put", Kind::Put),
    ("objects.get", Kind::Get),
    ("objects.head", Kind::Head),
    ("objects.list", Kind::List),
    ("objects.copy", Kind::Copy),
    ("objects.delete", Kind::Delete),
    ("objects.presign_get", Kind::PresignGet),
    ("objects.presign_put", Kind::PresignPut),
];

struct Operation {
    kind: Kind,
    clients: Arc<Clients>,
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Get,
    Head,
    List,
    Copy,
    Delete,
    PresignGet,
    PresignPut,
}

#[async_trait]
impl NativeOperation for Operation {
    fn shows(&self) -> &'static [&'static str] {
        match self.kind {
            // A signed URL names who has signed it.
            Kind::PresignGet | Kind::PresignPut => &["access_key_id"],
            _ => &[],
        }
    }

    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let unsent = NativeFailure::never;
        let client = self.clients.of(Account::of(&call).map_err(unsent)?, call.guard());
        let bucket = call.text("bucket").map_err(unsent)?;
        // A list has no key.
        let place = Place { bucket, key: call.arg("key").as_str().unwrap_or_default() };
        match self.kind {
            Kind::Put => {
                let body = call.file("body").map_err(unsent)?;
                let how = How {
                    content_type: call.arg("content_type").as_str().unwrap_or(&body.mime_type),
                    metadata: object::metadata(call.arg("metadata")).map_err(unsent)?,
                    kept: Kept::of(&call).map_err(unsent)?,
                };
                object::put(&client, call.blobs(), place, &body, &how).await
            }
            Kind::Get => object::get(&client, call.blobs(), place).await,
            Kind::Head => object::head(&client, place).await,
            Kind::List => {
                let (prefix, after) = (call.text("prefix").map_err(unsent)?, call.arg("after").as_str());
                object::list(&client, bucket, prefix, after, call.cursor().as_str()).await
            }
            Kind::Copy => {
                let key = call.text("to_key").map_err(unsent)?;
                let to = Place { bucket: call.arg("to_bucket").as_str().unwrap_or(bucket), key };
                object::copy(&client, place, to, &Kept::of(&call).map_err(unsent)?).await
            }
            Kind::Delete => object::delete(&client, place).await,
            Kind::PresignGet => {
                let (name, ty) = (call.arg("file_name").as_str(), call.arg("content_type").as_str());
                presign::get(&client, place, expires(&call), name, ty).await.map_err(unsent)
            }
            Kind::PresignPut => {
                let size = match call.arg("size") {
                    Value::Size(size) => Some(*size),
                    _ => None,
                };
                let ty = call.arg("content_type").as_str();
                presign::put(&client, place, expires(&call), ty, size).await.map_err(unsent)
            }
        }
    }
}

fn expires(call: &NativeCall<'_>) -> Millis {
    match call.arg("expires") {
        Value::Duration(length) => *length,
        _ => Millis::seconds(0),
    }
}
