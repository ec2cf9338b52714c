//! Messages that stand in a topic, after those that were read.
//!
//! Only what was taken for good is read: no message of a transaction that is open or was undone.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure, NativeOperation};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, ListOffsetsRequest,
    fetch_request::{FetchPartition, FetchTopic},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};
use tokio::time::timeout;

use crate::{
    cluster::{Cluster, topic_name},
    failure::{of_code, unavailable},
    log::{Log, Undone, value},
    wire::Connection,
};

/// The versions in which brokers are asked, as in `cluster`.
const FETCH: i16 = 10;
const LIST_OFFSETS: i16 = 2;

/// How much one look takes of a partition and of a broker, unless a single batch is larger.
const MOST_OF_PARTITION: i32 = 1 << 20;
const MOST_OF_BROKER: i32 = 8 << 20;

/// Offsets by their place in a partition, as `ListOffsets` names them.
const START: i64 = -2;
const END: i64 = -1;

/// The code of the answer that an offset is not there (`OFFSET_OUT_OF_RANGE`).
const NOT_THERE: i16 = 1;

/// `isolation_level`: of transactions, only what is done.
const DONE: i8 = 1;

/// Reads after what was read, in each partition. Where nothing was read yet, it begins with the oldest message, or gives the newest one.
pub(crate) struct Read;

#[async_trait]
impl NativeOperation for Read {
    async fn call(&self, call: NativeCall<'_>) -> Result<Value, NativeFailure> {
        let cluster = Cluster::known(&call).await?;
        let topic = call.text("topic").map_err(NativeFailure::never)?;
        let after = match call.arg("after") {
            Value::Record(after) => Some(after),
            _ => None,
        };
        let is_newest = after.is_none() && call.arg("first").as_str() == Some("newest");
        let led = cluster.led();
        // One broker that hangs must not use up the time of the others.
        let limit = call.timeout().duration() / 2 / u32::try_from(led.len()).unwrap_or(u32::MAX).max(1);
        let (mut messages, mut failed) = (Vec::new(), None);
        for (leader, partitions) in led {
            let reading = async {
                let mut broker = Broker { connection: cluster.leader(leader).await?, topic, found: Vec::new() };
                if is_newest {
                    broker.newest(&partitions).await?;
                } else {
                    let mut next = BTreeMap::new();
                    for partition in partitions {
                        let after = after.and_then(|after| after.get(&partition.to_string()));
                        next.insert(
                            partition,
                            match after {
                                Some(Value::Int(offset)) => offset.saturating_add(1),
                                _ => broker.offset(partition, START).await?,
                            },
                        );
                    }
                    broker.after(next).await?;
                }
                Ok::<_, NativeFailure>(broker.found)
            };
            match within(limit, reading).await {
                Ok(found) => messages.extend(found),
                Err(failure) => failed = Some(failure),
            }
        }
        match failed {
            // Where reading begins has to be known of all partitions.
            Some(failed) if messages.is_empty() || is_newest => Err(failed),
            _ => Ok(Value::List(messages)),
        }
    }
}

async fn within<T>(limit: Duration, doing: impl Future<Output = Result<T, NativeFailure>>) -> Result<T, NativeFailure> {
    let late = || Err(unavailable(format!("a broker has not answered within {limit:?}")).into());
    timeout(limit, doing).await.unwrap_or_else(|_| late())
}

/// A broker that leads partitions of a topic.
struct Broker<'a> {
    connection: Connection,
    topic: &'a str,
    found: Vec<Value>,
}

/// What a broker says of a partition.
struct Part {
    partition: i32,
    code: i16,
    records: bytes::Bytes,
    undone: Vec<Undone>,
}

impl Broker<'_> {
    /// Finds messages from these offsets on. A partition that can't be read holds back no other.
    async fn after(&mut self, mut next: BTreeMap<i32, i64>) -> Result<(), Failure> {
        let mut failed = None;
        while !next.is_empty() && self.found.is_empty() {
            let mut has_moved = false;
            for part in self.fetch(&next).await? {
                let partition = part.partition;
                let Some(from) = next.get(&partition).copied() else { continue };
                let to = match part.code {
                    0 => self.take(part, from),
                    NOT_THERE => self.found_again(partition, from).await,
                    code => Err(self.of_partition(partition, of_code(code))),
                };
                match to {
                    Ok(to) => {
                        has_moved |= to > from;
                        next.insert(partition, to);
                    }
                    Err(failure) => {
                        failed = Some(failure);
                        next.remove(&partition);
                    }
                }
            }
            if !has_moved {
                break;
            }
        }
        match failed {
            Some(failure) if self.found.is_empty() => Err(failure),
            _ => Ok(()),
        }
    }

    /// Finds the newest message of each partition that has one.
    async fn newest(&mut self, partitions: &[i32]) -> Result<(), Failure> {
        for &partition in partitions {
            let (start, end) = (self.offset(partition, START).await?, self.offset(partition, END).await?);
            let mut last = None;
            // The newest offsets may be those of no message: how transactions end stands among them.
            let mut back = 1_i64;
            while last.is_none() && end.saturating_sub(back / 8) > start {
                let mut next = end.saturating_sub(back).max(start);
                while next < end {
                    let mut parts = self.fetch(&BTreeMap::from([(partition, next)])).await?;
                    let Some(part) = parts.pop() else { break };
                    if part.code != 0 {
                        return Err(self.of_partition(partition, of_code(part.code)));
                    }
                    let log = Log::read(part.records, next, &part.undone)?;
                    last = log.messages.into_iter().rfind(|record| record.offset < end).or(last);
                    if log.next <= next {
                        break;
                    }
                    next = log.next;
                }
                back = back.saturating_mul(8);
            }
            self.found.extend(last.map(|record| value(self.topic, partition, &record)));
        }
        Ok(())
    }

    /// Takes the messages of a part; the offset to go on with.
    fn take(&mut self, part: Part, from: i64) -> Result<i64, Failure> {
        let log = Log::read(part.records, from, &part.undone).map_err(|why| self.of_partition(part.partition, why))?;
        self.found.extend(log.messages.iter().map(|record| value(self.topic, part.partition, record)));
        Ok(log.next)
    }

    /// Where to go on when an offset is not there: Kafka has deleted what was older than it keeps.
    async fn found_again(&mut self, partition: i32, from: i64) -> Result<i64, Failure> {
        let (start, topic) = (self.offset(partition, START).await?, self.topic);
        if start > from {
            tracing::warn!(topic, partition, from, start, "messages were deleted before they were read");
            return Ok(start);
        }
        let message = format!("offset {from} is not there: the topic was made anew, or has lost messages");
        Err(self.of_partition(partition, Failure::new(ErrorKind::Conflict, message)))
    }

    fn of_partition(&self, partition: i32, failure: Failure) -> Failure {
        let message = format!("partition {partition} of topic `{}`: {}", self.topic, failure.message);
        Failure { message, ..failure }
    }

    async fn fetch(&mut self, next: &BTreeMap<i32, i64>) -> Result<Vec<Part>, Failure> {
        let partition = |(partition, offset): (&i32, &i64)| {
            let asked = FetchPartition::default().with_partition(*partition).with_fetch_offset(*offset);
            asked.with_current_leader_epoch(-1).with_log_start_offset(-1).with_partition_max_bytes(MOST_OF_PARTITION)
        };
        let partitions = next.iter().map(partition).collect();
        let topic = FetchTopic::default().with_topic(topic_name(self.topic)).with_partitions(partitions);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(0)
            .with_min_bytes(0)
            .with_max_bytes(MOST_OF_BROKER)
            .with_isolation_level(DONE)
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let answer = self.connection.ask(&request, FETCH).await.map_err(|lost| unavailable(lost.why()))?;
        if answer.error_code != 0 {
            return Err(of_code(answer.error_code));
        }
        let parts = answer.responses.into_iter().flat_map(|topic| topic.partitions);
        let parts = parts.map(|part| Part {
            partition: part.partition_index,
            code: part.error_code,
            records: part.records.unwrap_or_default(),
            undone: part
                .aborted_transactions
                .unwrap_or_default()
                .iter()
                .map(|undone| Undone { producer: undone.producer_id.0, first: undone.first_offset })
                .collect(),
        });
        Ok(parts.collect())
    }

    async fn offset(&mut self, partition: i32, at: i64) -> Result<i64, Failure> {
        let asked = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(at);
        let topic = ListOffsetsTopic::default().with_name(topic_name(self.topic)).with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_isolation_level(DONE);
        let request = request.with_topics(vec![topic]);
        let answer = self.connection.ask(&request, LIST_OFFSETS).await.map_err(|lost| unavailable(lost.why()))?;
        let answer = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        match answer.map(|answer| (answer.error_code, answer.offset)) {
            Some((0, offset)) => Ok(offset),
            Some((code, _)) => Err(self.of_partition(partition, of_code(code))),
            None => Err(unavailable("the broker's answer says nothing of the partition".to_owned())),
        }
    }
}
