//! What stands in a part of a partition, as a broker gives it?
//!
//! In: batches of records, and which transactions among them were undone. Out: messages from an offset on, and the offset
//! after all that was read. Batches may begin before that offset, be empty where their records were compacted away, or be cut off at the end.

use std::collections::BTreeSet;

use bytes::Bytes;
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use jiff::Timestamp;
use kafka_protocol::records::{Record, RecordBatchDecoder};

use crate::unpack::unpacked;

/// The places in a batch's header, from the protocol guide: the whole header, the format, and the last offset after the first.
const HEADER: usize = 61;
const FORMAT: usize = 16;
const LAST: usize = 23;
const COUNT: usize = 57;

/// What precedes the part of a batch that its length counts.
const BEFORE: usize = 12;

/// A transaction that was undone, with the first of its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undone {
    pub(crate) producer: i64,
    pub(crate) first: i64,
}

/// What was read of a partition.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) messages: Vec<Record>,
    /// The offset to go on with.
    pub(crate) next: i64,
}

impl Log {
    /// Reads what begins at or before an offset.
    pub(crate) fn read(mut bytes: Bytes, from: i64, undone: &[Undone]) -> Result<Self, Failure> {
        let mut log = Self { messages: Vec::new(), next: from };
        // Each transaction that was undone begins once: what its producer sends after its end is to be read again.
        let (mut coming, mut undoing) = (undone.to_vec(), BTreeSet::new());
        while let Some((base, length)) = begin(&bytes) {
            if bytes.len() < length {
                break;
            }
            let batch = bytes.split_to(length);
            if batch.get(FORMAT) != Some(&2) {
                return Err(damaged("a batch is in a format older than Kafka 0.11"));
            }
            let last = number(&batch, LAST).map_or(base, |last| base.saturating_add(last.into()));
            undoing.extend(coming.extract_if(.., |undone| undone.first <= last).map(|undone| undone.producer));
            for record in records(batch)? {
                if record.control {
                    // The key says version and kind: 0 for undone, 1 for done.
                    if record.key.as_deref().is_some_and(|key| key.get(2..4) == Some(&[0, 0])) {
                        undoing.remove(&record.producer_id);
                    }
                } else if record.offset >= from && !(record.transactional && undoing.contains(&record.producer_id)) {
                    log.messages.push(record);
                }
            }
            log.next = log.next.max(last.saturating_add(1));
        }
        Ok(log)
    }
}

/// The first offset of a batch, and how long it is.
fn begin(bytes: &Bytes) -> Option<(i64, usize)> {
    let (base, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(i32::from_be_bytes(*rest.first_chunk()?)).unwrap_or(usize::MAX);
    Some((i64::from_be_bytes(*base), length.saturating_add(BEFORE).max(HEADER)))
}

fn number(batch: &Bytes, at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(*batch.get(at..)?.first_chunk()?))
}

fn records(mut batch: Bytes) -> Result<Vec<Record>, Failure> {
    // Each record takes at least a byte: what says otherwise would have much memory set aside.
    let count = number(&batch, COUNT).and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let unpack = |bytes: &mut Bytes, compression| {
        let bytes = unpacked(bytes, compression)?;
        if count > bytes.len() {
            return Err(std::io::Error::other("it says that it has more messages than it can hold").into());
        }
        Ok(bytes)
    };
    let set = RecordBatchDecoder::decode_with_custom_compression(&mut batch, Some(unpack));
    set.map(|set| set.records).map_err(|error| damaged(&format!("a batch can't be read: {error:#}")))
}

fn damaged(message: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, message.to_owned())
}

/// A message as programs see it.
pub(crate) fn value(topic: &str, partition: i32, record: &Record) -> Value {
    let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map_or(Value::Null, |bytes| Value::Bytes(bytes[..].into()));
    let at = Timestamp::from_millisecond(record.timestamp).unwrap_or(Timestamp::UNIX_EPOCH);
    let headers = record.headers.iter().map(|(name, value)| (name.to_string(), bytes(value)));
    Value::record([
        ("topic", Value::text(topic)),
        ("partition", Value::Int(partition.into())),
        ("offset", Value::Int(record.offset)),
        ("at", Value::Timestamp(at)),
        ("key", bytes(&record.key)),
        ("value", bytes(&record.value)),
        ("headers", Value::Record(headers.collect())),
    ])
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use indexmap::IndexMap;
    use kafka_protocol::records::{Compression, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

    use super::*;

    fn record(offset: i64, producer: i64, key: Option<&'static [u8]>) -> Record {
        Record {
            transactional: producer > 0,
            control: key.is_some(),
            delete_horizon: false,
            partition_leader_epoch: 0,
            producer_id: producer,
            producer_epoch: 0,
            timestamp_type: TimestampType::Creation,
            offset,
            sequence: 0,
            timestamp: 0,
            key: key.map(Bytes::from_static),
            value: None,
            headers: IndexMap::new(),
        }
    }

    fn batch(records: &[Record]) -> BytesMut {
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        let mut batch = BytesMut::new();
        RecordBatchEncoder::encode(&mut batch, records, &options).unwrap();
        batch
    }

    fn offsets(bytes: &[u8], from: i64, undone: &[Undone]) -> (Vec<i64>, i64) {
        let log = Log::read(Bytes::copy_from_slice(bytes), from, undone).unwrap();
        (log.messages.iter().map(|record| record.offset).collect(), log.next)
    }

    #[test]
    fn messages_are_read_from_an_offset_to_the_last_whole_batch() {
        let (first, second) = (batch(&[record(5, -1, None), record(7, -1, None)]), batch(&[record(8, -1, None)]));
        let all = [&first[..], &second[..]].concat();
        assert_eq!(offsets(&all, 0, &[]), (vec![5, 7, 8], 9));
        assert_eq!(offsets(&all, 6, &[]), (vec![7, 8], 9));
        for cut in [1, 11, 20, 61] {
            assert_eq!(offsets(&all[..first.len() + cut], 5, &[]), (vec![5, 7], 8));
        }
        assert_eq!(offsets(&[], 3, &[]), (vec![], 3));
    }

    #[test]
    fn what_a_transaction_has_undone_is_passed_over() {
        const ABORT: &[u8] = &[0, 0, 0, 0];
        const COMMIT: &[u8] = &[0, 0, 0, 1];
        let log = [
            batch(&[record(0, 1, None)]),
            batch(&[record(1, 2, None)]),
            batch(&[record(2, -1, None)]),
            batch(&[record(3, 1, Some(ABORT))]),
            batch(&[record(4, 2, Some(COMMIT))]),
            batch(&[record(5, 1, None)]),
            batch(&[record(6, 1, Some(COMMIT))]),
        ];
        let undone = [Undone { producer: 1, first: 0 }];
        assert_eq!(offsets(&log.concat(), 0, &undone), (vec![1, 2, 5], 7));
    }

    #[test]
    fn a_batch_that_is_damaged_or_false_is_an_error() {
        let good = batch(&[record(0, -1, None)]);
        for at in [FORMAT, LAST, HEADER] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(Log::read(bad.freeze(), 0, &[]).is_err(), "{at}");
        }
    }
}
