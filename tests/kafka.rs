//! `kafka` against the cluster that librdkafka brings, and against brokers whose answers are lost on the way.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flow_model::{failure::ErrorKind, value::Value};
use flow_runtime::{connector::Reached, egress::Networks};
use hmac::{Hmac, KeyInit as _, Mac as _};
use kafka_protocol::{
    messages::MetadataResponse,
    protocol::{Decodable as _, Encodable as _, StrBytes},
};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Headers as _, OwnedMessage},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use sha2::{Digest as _, Sha512};
use tempfile::TempDir;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs};

use crate::databases::{
    machine::{Port, certificates},
    world::World,
};

type Cluster = MockCluster<'static, DefaultProducerContext>;

const PASSWORD: &str = "sw0rdf1sh";
const STEP: &str = "produce(topic: \"t\", value: null)";
const METADATA: i16 = 3;
const PRODUCE: i16 = 0;
const SASL_HANDSHAKE: i16 = 17;
const SASL_AUTHENTICATE: i16 = 36;

fn cluster(brokers: i32) -> Cluster {
    let cluster = MockCluster::new(brokers).unwrap();
    cluster.create_topic("orders", 6, 1).unwrap();
    cluster
}

fn world(brokers: &str, more: &str) -> World {
    World::new("kafka", PASSWORD, &format!("brokers: \"{brokers}\", tls: \"off\"{more}"))
}

fn message(topic: &str, value: Value, key: Value, headers: Value, partition: Value) -> Vec<Value> {
    vec![Value::text(topic), value, key, headers, partition]
}

fn simple(topic: &str) -> Vec<Value> {
    message(topic, Value::text("v"), Value::text("k"), Value::record([]), Value::Null)
}

/// The first messages of a partition.
fn consumed(brokers: &str, partition: i64, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "tests").create().unwrap();
    let mut places = TopicPartitionList::new();
    places.add_partition_offset("orders", i32::try_from(partition).unwrap(), Offset::Beginning).unwrap();
    consumer.assign(&places).unwrap();
    let mut messages = Vec::new();
    for _ in 0..600 {
        if messages.len() == count {
            return messages;
        }
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            messages.push(message.detach());
        }
    }
    panic!("{} of {count} messages", messages.len());
}

#[tokio::test]
async fn a_message_is_there_whole_where_clients_of_others_look() {
    let cluster = cluster(3);
    let brokers = cluster.bootstrap_servers();
    let db = world(&brokers, "");
    let headers = Value::record([("trace", Value::text("naïve"))]);
    let order = Value::record([("id", Value::Int(7)), ("total", Value::Decimal("19.99".parse().unwrap()))]);
    for (offset, value, bytes) in [
        (0, order, Some(r#"{"id":7,"total":19.99}"#.as_bytes())),
        (1, Value::text("naïve"), Some("naïve".as_bytes())),
        (2, Value::Bytes([0, 255].into()), Some([0, 255].as_slice())),
        (3, Value::Null, None),
    ] {
        let args = message("orders", value, Value::text("foobar"), headers.clone(), Value::Null);
        let produced = db.invoke(STEP, args).await.outcome.unwrap();
        // Kafka's own clients put this key there: 0x7fffffff & -790332482, modulo 6.
        let expected = [("partition", Value::Int(1_357_151_166 % 6)), ("offset", Value::Int(offset))];
        assert_eq!(produced, Value::record(expected));
        let got = consumed(&brokers, 1_357_151_166 % 6, usize::try_from(offset).unwrap() + 1).pop().unwrap();
        assert_eq!((got.key(), got.payload()), (Some(b"foobar".as_slice()), bytes));
        let header = got.headers().unwrap().get(0);
        assert_eq!((header.key, header.value), ("trace", Some("naïve".as_bytes())));
    }
    let args = message("orders", Value::text("v"), Value::Null, Value::record([]), Value::Int(5));
    let produced = db.invoke(STEP, args).await.outcome.unwrap();
    assert_eq!(produced.get("partition"), Some(&Value::Int(5)));
    assert_eq!(consumed(&brokers, 5, 1)[0].key(), None);
}

#[tokio::test]
async fn what_is_not_sent_has_kinds_and_has_not_happened() {
    let cluster = cluster(1);
    let brokers = cluster.bootstrap_servers();
    let nobody = Port::free();
    let gone = format!("localhost:{}", nobody.number());
    let ninth = message("orders", Value::Null, Value::Null, Value::record([]), Value::Int(9));
    for (brokers, args, kind, part) in [
        (brokers.as_str(), ninth, ErrorKind::NotFound, "6 partitions"),
        (brokers.as_str(), simple(""), ErrorKind::Invalid, "`topic` is empty"),
        (gone.as_str(), simple("orders"), ErrorKind::Unavailable, "can't be reached"),
        ("host.invalid:9092", simple("orders"), ErrorKind::Unavailable, "host.invalid"),
        ("localhost", simple("orders"), ErrorKind::Invalid, "host:9092"),
        (",", simple("orders"), ErrorKind::Invalid, "names none"),
    ] {
        let attempt = world(brokers, "").invoke(STEP, args).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind.clone(), attempt.reached), (kind, Reached::Never), "{failure}");
        assert!(failure.message.contains(part), "{failure}");
    }
    let settings = format!("brokers: \"{brokers}\", tls: \"off\"");
    let guarded = World::guarded("kafka", PASSWORD, &settings, Networks::default());
    let attempt = guarded.invoke(STEP, simple("orders")).await;
    assert_eq!((attempt.outcome.unwrap_err().kind, attempt.reached), (ErrorKind::Forbidden, Reached::Never));
    // The one broker that is named and gone is passed over.
    let both = world(&format!("{gone}, {brokers}"), "").invoke(STEP, simple("orders")).await;
    assert!(both.outcome.is_ok(), "{:?}", both.outcome);
}

/// What stands in a list of messages: partition, offset and value of each.
fn messages(read: &Value) -> Vec<(i64, i64, String)> {
    let Value::List(all) = read else { panic!("{read:?}") };
    let number = |message: &Value, name: &str| match message.get(name) {
        Some(Value::Int(number)) => *number,
        other => panic!("{other:?}"),
    };
    let text = |message: &Value| match message.get("value") {
        Some(Value::Bytes(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    let all = all.iter().map(|message| (number(message, "partition"), number(message, "offset"), text(message)));
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

#[tokio::test]
async fn messages_of_other_clients_are_read_after_those_that_were() {
    let cluster = cluster(2);
    let brokers = cluster.bootstrap_servers();
    let db = world(&brokers, "");
    let read = async |topic: &str, after: Value, first: &str| {
        db.invoke("read(topic: \"t\")", vec![Value::text(topic), after, Value::text(first)]).await.outcome
    };
    assert_eq!(read("orders", Value::Null, "newest").await, Ok(Value::List(vec![])));
    for (number, codec) in ["none", "lz4", "snappy"].into_iter().enumerate() {
        let config = ClientConfig::new().set("bootstrap.servers", &brokers).set("compression.codec", codec).clone();
        let producer: BaseProducer = config.create().unwrap();
        for partition in [0, 0, 4] {
            let text = codec.repeat(100);
            let record = BaseRecord::<[u8], str>::to("orders").partition(partition).payload(&text).key(&[255]);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(60)).unwrap();
        let number = i64::try_from(number).unwrap();
        let newest = read("orders", Value::Null, "newest").await.unwrap();
        let text = codec.repeat(100);
        assert_eq!(messages(&newest), [(0, number * 2 + 1, text.clone()), (4, number, text.clone())]);
        let after = Value::record([("0", Value::Int(number * 2)), ("4", Value::Int(number - 1))]);
        let rest = read("orders", after, "oldest").await.unwrap();
        assert_eq!(messages(&rest), [(0, number * 2 + 1, text.clone()), (4, number, text)]);
        let Value::List(rest) = rest else { panic!() };
        assert_eq!(rest[0].get("key"), Some(&Value::Bytes([255].into())));
    }
    // Of a partition that is not named, from the oldest on; of one that was read to its end, nothing.
    let after = Value::record([("0", Value::Int(5))]);
    let rest = messages(&read("orders", after, "newest").await.unwrap());
    assert_eq!(rest.first().map(|(partition, offset, _)| (*partition, *offset)), Some((4, 0)));
    let oldest = messages(&read("orders", Value::Null, "oldest").await.unwrap());
    assert_eq!(oldest.first().map(|(partition, offset, text)| (*partition, *offset, text.len())), Some((0, 0, 400)));
    // An offset that was never there is no reason to begin anew.
    let all = Value::record([("0", Value::Int(900)), ("4", Value::Int(2))]);
    let failure = read("orders", all, "oldest").await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Conflict, "{failure}");
    assert!(failure.message.contains("partition 0 of topic `orders`: offset 901 is not there"), "{failure}");
}

/// Stands before a broker, and loses its answers.
struct Front {
    port: u16,
    seen: Arc<Mutex<Vec<(i16, Bytes)>>>,
}

impl Front {
    /// Passes everything on, but the answers to the first messages, after which it closes the connection.
    fn losing(answers: usize, cluster: &Cluster) -> Self {
        Self::standing(answers, cluster, None)
    }

    /// The same, which speaks TLS.
    fn standing(answers: usize, cluster: &Cluster, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (broker, seen) = (cluster.bootstrap_servers(), Arc::<Mutex<Vec<(i16, Bytes)>>>::default());
        let shared = Arc::clone(&seen);
        // It ends with the process: nobody connects any more when the test has ended.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, broker, seen) =
                    (stream.unwrap(), TcpStream::connect(&broker).unwrap(), Arc::clone(&shared));
                let tls = tls.clone();
                thread::spawn(move || match tls {
                    None => drop(pass_on(stream, broker, &seen, answers, port)),
                    Some(tls) => {
                        let stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
                        drop(pass_on(stream, broker, &seen, answers, port));
                    }
                });
            }
        });
        Self { port, seen }
    }

    fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn of(&self, key: i16) -> Vec<Bytes> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(known, _)| *known == key).map(|(_, frame)| frame.clone()).collect()
    }
}

fn frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn send(stream: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    stream.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes())?;
    stream.write_all(frame)?;
    stream.flush()
}

/// The broker's side of a login of `shop`, with `PLAIN` or `SCRAM-SHA-512` (RFC 5802).
#[derive(Default)]
struct ServerLogin {
    /// The messages so far.
    said: Vec<String>,
}

impl ServerLogin {
    fn hear(&mut self, heard: &str) -> Option<String> {
        if heard.starts_with('\0') {
            return (heard == format!("\0shop\0{PASSWORD}")).then(String::new);
        }
        let Some(first) = self.said.first() else {
            let nonce = heard.strip_prefix("n,,n=shop,r=")?;
            let answer = format!("r={nonce}brokers,s={},i=4096", BASE64_STANDARD.encode("salt"));
            self.said = vec![format!("n=shop,r={nonce}"), answer.clone()];
            return Some(answer);
        };
        let (without_proof, proof) = heard.split_once(",p=").unwrap();
        let all = format!("{first},{},{without_proof}", self.said[1]);
        let mut block = signed(PASSWORD.as_bytes(), b"salt\0\0\0\x01");
        let mut salted = block.clone();
        for _ in 1..4096 {
            block = signed(PASSWORD.as_bytes(), &block);
            salted = mixed(&salted, &block);
        }
        let stored = Sha512::digest(signed(&salted, b"Client Key"));
        let client = mixed(&BASE64_STANDARD.decode(proof).unwrap(), &signed(&stored, all.as_bytes()));
        let server = signed(&signed(&salted, b"Server Key"), all.as_bytes());
        (Sha512::digest(client) == stored).then(|| format!("v={}", BASE64_STANDARD.encode(server)))
    }
}

fn signed(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    Hmac::<Sha512>::new_from_slice(key).unwrap().chain_update(bytes).finalize().into_bytes().to_vec()
}

fn mixed(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

fn pass_on(
    mut client: impl Read + Write,
    mut broker: TcpStream,
    seen: &Mutex<Vec<(i16, Bytes)>>,
    lost: usize,
    port: u16,
) -> io::Result<()> {
    let mut login = ServerLogin::default();
    loop {
        let asked = frame(&mut client)?;
        let key = i16::from_be_bytes([asked[0], asked[1]]);
        // Without what counts the requests of a connection.
        let mut seen = seen.lock().unwrap();
        seen.push((key, Bytes::copy_from_slice(&asked[8..])));
        let produced = seen.iter().filter(|(key, _)| *key == PRODUCE).count();
        drop(seen);
        let mut answer = asked[4..8].to_vec();
        match key {
            SASL_HANDSHAKE => {
                let is_taken = asked.ends_with(b"\0\x05PLAIN") || asked.ends_with(b"\0\x0dSCRAM-SHA-512");
                // UNSUPPORTED_SASL_MECHANISM.
                answer.extend(if is_taken { [0, 0] } else { [0, 33] });
                answer.extend(b"\0\0\0\x02\0\x05PLAIN\0\x0dSCRAM-SHA-512");
            }
            SASL_AUTHENTICATE => match login.hear(std::str::from_utf8(&asked[18..]).unwrap()) {
                Some(said) => {
                    answer.extend(b"\0\0\xff\xff");
                    answer.extend(u32::try_from(said.len()).unwrap().to_be_bytes());
                    answer.extend(said.into_bytes());
                }
                // SASL_AUTHENTICATION_FAILED.
                None => answer.extend(b"\0\x3a\xff\xff\0\0\0\0"),
            },
            _ => {
                send(&mut broker, &asked)?;
                answer = frame(&mut broker)?;
            }
        }
        if key == PRODUCE && produced <= lost {
            return Ok(());
        }
        if key == METADATA {
            let mut metadata = MetadataResponse::decode(&mut Bytes::copy_from_slice(&answer[4..]), 4).unwrap();
            for broker in &mut metadata.brokers {
                (broker.host, broker.port) = (StrBytes::from_static_str("localhost"), port.into());
            }
            answer.truncate(4);
            metadata.encode(&mut answer, 4).unwrap();
        }
        send(&mut client, &answer)?;
    }
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_sent_again_as_the_same() {
    let cluster = cluster(1);
    let front = Front::losing(2, &cluster);
    let produced = world(&front.address(), "").invoke(STEP, simple("orders")).await;
    assert!(produced.outcome.is_ok(), "{:?}", produced.outcome);
    let sent = front.of(PRODUCE);
    assert_eq!(sent.len(), 3);
    // The producer and its sequence are in the bytes, by which a broker knows the message again.
    assert!(sent.iter().all(|frame| *frame == sent[0]), "{sent:?}");
}

#[tokio::test]
async fn a_message_whose_answers_stay_lost_may_have_been_taken() {
    let cluster = cluster(1);
    let front = Front::losing(usize::MAX, &cluster);
    let attempt = world(&front.address(), "").invoke(STEP, simple("orders")).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), attempt.reached), (ErrorKind::Unavailable, Reached::Perhaps), "{failure}");
    assert_eq!(front.of(PRODUCE).len(), 5);
}

#[tokio::test]
async fn who_sends_is_known_or_refused_and_no_password_is_told() {
    let cluster = cluster(1);
    let front = Front::losing(0, &cluster);
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let settings = |user: &str| {
            let (brokers, password) = (front.address(), "password: secret(\"db/url\")");
            format!("brokers: \"{brokers}\", tls: \"off\", user: \"{user}\", {password}, mechanism: \"{mechanism}\"")
        };
        let known = World::new("kafka", PASSWORD, &settings("shop")).invoke(STEP, simple("orders")).await;
        assert!(known.outcome.is_ok(), "{mechanism}: {:?}", known.outcome);
        for (user, password) in [("other", PASSWORD), ("shop", "sw0rdf1sh2")] {
            let attempt = World::new("kafka", password, &settings(user)).invoke(STEP, simple("orders")).await;
            let failure = attempt.outcome.unwrap_err();
            assert_eq!((failure.kind.clone(), attempt.reached), (ErrorKind::Unauthorized, Reached::Never), "{failure}");
            assert!(!format!("{failure:?}").contains(PASSWORD), "{failure:?}");
        }
    }
    let more = ", user: \"shop\", password: secret(\"db/url\"), mechanism: \"SCRAM-SHA-256\"";
    let attempt = world(&front.address(), more).invoke(STEP, simple("orders")).await;
    let failure = attempt.outcome.unwrap_err();
    assert_eq!((failure.kind.clone(), attempt.reached), (ErrorKind::Unauthorized, Reached::Never), "{failure}");
    assert!(failure.message.ends_with("only: PLAIN, SCRAM-SHA-512"), "{failure}");
    // A password is in frames of `PLAIN` alone, which begin with an empty name.
    let frames = front.of(SASL_AUTHENTICATE);
    let has = |frame: &Bytes| frame.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
    assert_eq!((frames.iter().filter(|frame| has(frame)).count(), frames.len()), (4, 11));
}

/// What a server with a new certificate for `localhost` needs, and its authority as text in a program.
fn secured() -> (Arc<ServerConfig>, String) {
    let folder = TempDir::new().unwrap();
    certificates(folder.path());
    let chain = vec![CertificateDer::from_pem_file(folder.path().join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.path().join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let authority = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap().replace('\n', "\\n");
    (Arc::new(config.with_single_cert(chain, key).unwrap()), authority)
}

#[tokio::test]
async fn connections_are_secured_and_only_with_the_broker_that_is_meant() {
    let cluster = cluster(1);
    let ((config, authority), (_, other)) = (secured(), secured());
    let front = Front::standing(0, &cluster, Some(config));
    let login = "user: \"shop\", password: secret(\"db/url\"), mechanism: \"SCRAM-SHA-512\"";
    let there = front.address();
    let settings = |authority: &str, brokers: &str| {
        World::new("kafka", PASSWORD, &format!("brokers: \"{brokers}\", authority: \"{authority}\", {login}"))
    };
    let sent = settings(&authority, &there).invoke(STEP, simple("orders")).await;
    assert!(sent.outcome.is_ok(), "{:?}", sent.outcome);
    let seen = front.seen.lock().unwrap().len();
    // By another authority; for another host; without TLS.
    let unknown = settings(&other, &there);
    let elsewhere = settings(&authority, &format!("127.0.0.1:{}", front.port));
    let open = world(&there, "");
    for (world, part) in [(unknown, "can't be secured"), (elsewhere, "can't be secured"), (open, "only with TLS")] {
        let attempt = world.invoke(STEP, simple("orders")).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind.clone(), attempt.reached), (ErrorKind::Unavailable, Reached::Never), "{failure}");
        assert!(failure.message.contains(part), "{failure}");
    }
    assert_eq!(front.seen.lock().unwrap().len(), seen, "a request went where it must not");
}
