//! A message as a program gives it, and as a batch of records of its own.

use bytes::{Bytes, BytesMut};
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure};
use indexmap::IndexMap;
use jiff::Timestamp;
use kafka_protocol::{
    protocol::StrBytes,
    records::{Compression, NO_PARTITION_LEADER_EPOCH, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};

use crate::failure::invalid;

pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Bytes>,
    /// Where a message without a key goes: the same for all attempts of its step.
    pub(crate) step: String,
    value: Option<Bytes>,
    headers: IndexMap<StrBytes, Option<Bytes>>,
}

/// Who sends a batch, by which a broker knows it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl Message {
    pub(crate) fn of(call: &NativeCall<'_>) -> Result<Self, Failure> {
        let topic = call.text("topic")?.to_owned();
        if topic.is_empty() {
            return Err(invalid("`topic` is empty"));
        }
        let partition = match call.arg("partition") {
            Value::Int(number) => Some(i32::try_from(*number).map_err(|_| invalid("`partition` is no partition"))?),
            _ => None,
        };
        let headers = match call.arg("headers") {
            Value::Record(fields) => {
                fields.iter().map(|(name, value)| (StrBytes::from_string(name.clone()), bytes(value))).collect()
            }
            _ => IndexMap::new(),
        };
        Ok(Self {
            topic,
            partition,
            key: bytes(call.arg("key")),
            step: call.key().to_owned(),
            value: bytes(call.arg("value")),
            headers,
        })
    }

    /// The message as what a broker takes. It is the first and only batch of its producer.
    pub(crate) fn batch(&self, producer: Producer) -> Result<Bytes, NativeFailure> {
        let record = Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            timestamp_type: TimestampType::Creation,
            offset: 0,
            sequence: 0,
            timestamp: Timestamp::now().as_millisecond(),
            key: self.key.clone(),
            value: self.value.clone(),
            headers: self.headers.clone(),
        };
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        let mut batch = BytesMut::new();
        RecordBatchEncoder::encode(&mut batch, [&record], &options).map_err(|error| {
            NativeFailure::never(Failure::new(ErrorKind::Invalid, format!("the message can't be written: {error}")))
        })?;
        Ok(batch.freeze())
    }
}

/// Text and bytes as they are, everything else as JSON; null is a message without a value.
fn bytes(value: &Value) -> Option<Bytes> {
    match value {
        Value::Null => None,
        Value::Bytes(bytes) => Some(Bytes::copy_from_slice(bytes)),
        Value::String(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
        other => Some(other.to_json().to_string().into()),
    }
}
