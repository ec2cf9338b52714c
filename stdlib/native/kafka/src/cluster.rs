//! The brokers of a cluster, as far as a topic concerns them.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use flow_model::failure::{ErrorKind, Failure};
use flow_runtime::connector::{NativeCall, NativeFailure};
use kafka_protocol::{
    messages::{
        InitProducerIdRequest, MetadataRequest, MetadataResponse, ProduceRequest, TopicName,
        metadata_request::MetadataRequestTopic,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::StrBytes,
};
use tokio::time::timeout;

use crate::{
    batch::{Message, Producer},
    connect::connect,
    failure::{Failed, invalid, of_code, unavailable},
    murmur,
    wire::{Connection, Lost},
};

/// The versions in which brokers are asked: those of Kafka 2.1, which brokers since then understand (KIP-896).
const METADATA: i16 = 4;
const INIT_PRODUCER_ID: i16 = 1;
const PRODUCE: i16 = 7;

/// The code of the answer to a batch that the broker has already (`DUPLICATE_SEQUENCE_NUMBER`).
const HAS_IT: i16 = 46;

pub(crate) struct Cluster<'a> {
    call: &'a NativeCall<'a>,
    /// The connection by which the cluster is known.
    any: Connection,
    brokers: BTreeMap<i32, (String, u16)>,
    /// Who leads each partition of the topic; -1 for none.
    leaders: BTreeMap<i32, i32>,
}

impl<'a> Cluster<'a> {
    /// Asks the first of the brokers that answers.
    pub(crate) async fn known(call: &'a NativeCall<'a>) -> Result<Self, NativeFailure> {
        let brokers = addresses(call.config("brokers").as_str().unwrap_or_default()).map_err(NativeFailure::never)?;
        let mut last = NativeFailure::never(invalid("the setting `brokers` names none"));
        for (host, port) in brokers {
            match connect(&host, port, call).await {
                Ok(any) => {
                    let mut cluster = Self { call, any, brokers: BTreeMap::new(), leaders: BTreeMap::new() };
                    cluster.look().await?;
                    return Ok(cluster);
                }
                Err(failed) => last = failed,
            }
        }
        Err(last)
    }

    /// Asks again, with a new connection where the old one is lost.
    pub(crate) async fn look_again(&mut self) -> Result<(), NativeFailure> {
        if self.look().await.is_ok() {
            return Ok(());
        }
        *self = Self::known(self.call).await?;
        Ok(())
    }

    async fn look(&mut self) -> Result<(), NativeFailure> {
        let name = self.call.text("topic").map_err(NativeFailure::never)?;
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
        let answer = self.any.ask(&request, METADATA).await;
        let answer = answer.map_err(|lost| NativeFailure::never(unavailable(lost.why())))?;
        self.take(name, answer).map_err(NativeFailure::never)
    }

    fn take(&mut self, name: &str, answer: MetadataResponse) -> Result<(), Failure> {
        let topic = answer.topics.into_iter().next();
        let topic = topic.ok_or_else(|| unavailable("the broker says nothing of the topic".to_owned()))?;
        if topic.error_code != 0 {
            let failure = of_code(topic.error_code);
            return Err(Failure { message: format!("topic `{name}`: {}", failure.message), ..failure });
        }
        let brokers = answer.brokers.into_iter();
        self.brokers = brokers
            .filter_map(|broker| Some((broker.node_id.0, (broker.host.to_string(), u16::try_from(broker.port).ok()?))))
            .collect();
        self.leaders =
            topic.partitions.iter().map(|partition| (partition.partition_index, partition.leader_id.0)).collect();
        Ok(())
    }

    /// The partitions of the topic by who leads them; -1 for those that nobody leads for the time being.
    pub(crate) fn led(&self) -> BTreeMap<i32, Vec<i32>> {
        let mut led = BTreeMap::<i32, Vec<i32>>::new();
        for (partition, leader) in &self.leaders {
            led.entry(*leader).or_default().push(*partition);
        }
        led
    }

    /// A connection to a broker that leads partitions.
    pub(crate) async fn leader(&self, leader: i32) -> Result<Connection, NativeFailure> {
        match self.brokers.get(&leader) {
            Some((host, port)) => connect(host, *port, self.call).await,
            None => {
                let message = "no broker leads some partitions of the topic for the time being";
                Err(NativeFailure::never(unavailable(message.to_owned())))
            }
        }
    }

    /// Where a message goes.
    pub(crate) fn partition(&self, message: &Message) -> Result<i32, NativeFailure> {
        let all: Vec<i32> = self.leaders.keys().copied().collect();
        let found = match message.partition {
            Some(given) => all.contains(&given).then_some(given),
            None => {
                let hashed = message.key.as_deref().unwrap_or(message.step.as_bytes());
                all.get(murmur::partition(hashed, all.len())).copied()
            }
        };
        found.ok_or_else(|| {
            let message = format!("topic `{}` has {} partitions, counted from 0", message.topic, all.len());
            NativeFailure::never(Failure::new(ErrorKind::NotFound, message))
        })
    }

    /// A new producer, by whose number brokers know a batch again.
    pub(crate) async fn producer(&mut self) -> Result<Producer, NativeFailure> {
        let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
        let answer = self.any.ask(&request, INIT_PRODUCER_ID).await;
        let answer = answer.map_err(|lost| NativeFailure::never(unavailable(lost.why())))?;
        match answer.error_code {
            0 => Ok(Producer { id: answer.producer_id.0, epoch: answer.producer_epoch }),
            code => Err(NativeFailure::never(of_code(code))),
        }
    }

    /// Gives a batch to the broker that leads the partition, and waits until all replicas in sync have it. Its offset, if
    /// the broker says it.
    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        batch: &Bytes,
        limit: Duration,
    ) -> Result<Option<i64>, Failed> {
        let leader = self.leaders.get(&partition).and_then(|leader| self.brokers.get(leader));
        let Some((host, port)) = leader else {
            let message = format!("no broker leads partition {partition} of topic `{topic}` for the time being");
            return Err(Failed::unsent(NativeFailure::never(unavailable(message))));
        };
        let connected = timeout(limit, connect(host, *port, self.call)).await.unwrap_or_else(|_| {
            Err(NativeFailure::never(unavailable(format!("`{host}:{port}` was not connected to within {limit:?}"))))
        });
        let mut connection = connected.map_err(Failed::unsent)?;
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch.clone()));
        let data = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(None)
            .with_acks(-1)
            .with_timeout_ms(i32::try_from(limit.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(vec![data]);
        let answer = match timeout(limit, connection.ask(&request, PRODUCE)).await {
            Err(_) => return Err(Failed::unanswered(format!("the broker has not answered within {limit:?}"))),
            Ok(Err(Lost::Sent(why))) => return Err(Failed::unanswered(why)),
            Ok(Err(Lost::Unsent(why))) => return Err(Failed::unsent(NativeFailure::never(invalid(why)))),
            Ok(Ok(answer)) => answer,
        };
        let answer = answer.responses.first().and_then(|topic| topic.partition_responses.first());
        match answer.map(|answer| (answer.error_code, answer.base_offset)) {
            Some((0, offset)) => Ok(Some(offset).filter(|offset| *offset >= 0)),
            Some((HAS_IT, _)) => Ok(None),
            Some((code, _)) => Err(Failed::answered(code)),
            None => Err(Failed::unanswered("the broker's answer says nothing of the message".to_owned())),
        }
    }
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// `a.example:9092, b.example`.
fn addresses(text: &str) -> Result<Vec<(String, u16)>, Failure> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let read = parts.map(|part| {
        let unfit = || invalid(format!("the setting `brokers` has `{part}`, which is not of the form `host:9092`"));
        let (host, port) = part.rsplit_once(':').ok_or_else(unfit)?;
        Ok((host.to_owned(), port.parse().map_err(|_| unfit())?))
    });
    read.collect()
}
