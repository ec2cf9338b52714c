//! Messages in Kafka.
//!
//! In: calls of the operations that `stdlib/connectors/kafka/kafka.flow` declares `native`. Out: where a message stands, or
//! failures in the kinds that programs know. A message is sent again within a call under the number of its producer, by
//! which brokers take it once; a call that ends without an answer to it says that it may have been taken. What was read of a topic
//! is known by whoever reads, and not kept at the brokers.
#![expect(clippy::result_large_err, reason = "the trait's own error, which is passed on as it is")]

mod batch;
mod cluster;
mod connect;
mod failure;
mod log;
mod murmur;
mod read;
mod scram;
mod unpack;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use flow_model::value::Value;
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation, NativeTable};
use tokio::time::timeout;

use self::{
    batch::Message,
    cluster::Cluster,
    failure::{Taken, unavailable},
    read::Read,
};

/// Binds the operations of the connector `kafka`.
#[must_use]
pub fn bind(table: NativeTable) -> NativeTable {
    let table = table.with("kafka", "produce", Produce).with("kafka", "produce_at_least_once", Produce);
    table.with("kafka", "read", Read)
}

/// How often a message is given to a broker.
const MOST_TRIES: u32 = 5;

/// How long to wait before the second time; each further time, twice as long.
const WAIT: Duration = Duration::from_millis(100);

/// Both do the same: what differs is whether they are tried again.
struct Produce;

#[async_trait]
impl NativeOperation for Produce {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let message = Message::of(&call).map_err(NativeFailure::never)?;
        // Until the message goes, nothing has happened, however long it takes.
        let limit = call.timeout().duration() / 2;
        let ready = async {
            let mut cluster = Cluster::known(&call).await?;
            let partition = cluster.partition(&message)?;
            let producer = cluster.producer().await?;
            Ok::<_, NativeFailure>((cluster, message.batch(producer)?, partition))
        };
        let (mut cluster, batch, partition) = match timeout(limit, ready).await {
            Ok(ready) => ready?,
            Err(_) => {
                let message = format!("the cluster was not ready for the message within {limit:?}");
                return Err(NativeFailure::never(unavailable(message)));
            }
        };
        let mut is_open = false;
        let mut tries = 0;
        loop {
            let failed = match cluster.produce(&message.topic, partition, &batch, limit / MOST_TRIES).await {
                Ok(offset) => {
                    let offset = offset.map_or(Value::Null, Value::Int);
                    return Ok(Value::record([("partition", Value::Int(partition.into())), ("offset", offset)]));
                }
                Err(failed) => failed,
            };
            tries += 1;
            is_open |= failed.taken == Taken::Perhaps;
            if !failed.is_passing || tries >= MOST_TRIES {
                return Err(match (is_open, failed.taken) {
                    (true, _) | (_, Taken::Perhaps) => NativeFailure::perhaps(failed.failure),
                    (false, Taken::Never) => NativeFailure::never(failed.failure),
                    (false, Taken::Refused) => failed.failure.into(),
                });
            }
            tokio::time::sleep(WAIT * (1 << (tries - 1))).await;
            // Another broker may lead the partition by now. That this can't be found out is told by the next try.
            drop(timeout(limit / MOST_TRIES, cluster.look_again()).await);
        }
    }
}
