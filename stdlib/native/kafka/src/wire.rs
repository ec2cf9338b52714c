//! Requests and answers on a connection to a broker, one after the other.

use std::fmt;

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{RequestHeader, ResponseHeader},
    protocol::{Decodable as _, Encodable as _, HeaderVersion as _, Request, StrBytes},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest answer that is read. None that is asked for comes near.
const MOST_BYTES: usize = 64 << 20;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    asked: i32,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It was not sent.
    Unsent(String),
    /// It was, in part or as a whole.
    Sent(String),
}

impl Lost {
    pub(crate) fn why(self) -> String {
        match self {
            Self::Unsent(why) | Self::Sent(why) => why,
        }
    }
}

impl Connection {
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, asked: 0 }
    }

    pub(crate) async fn ask<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, Lost> {
        self.asked = self.asked.wrapping_add(1);
        let unfit = |error| Lost::Unsent(format!("a request can't be written: {error}"));
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.asked)
            .with_client_id(Some(StrBytes::from_static_str("flow")));
        let mut frame = BytesMut::zeroed(4);
        header.encode(&mut frame, R::header_version(version)).map_err(unfit)?;
        request.encode(&mut frame, version).map_err(unfit)?;
        let length = i32::try_from(frame.len() - 4).map_err(|_| Lost::Unsent("the request is too long".to_owned()))?;
        if let Some(start) = frame.get_mut(..4) {
            start.copy_from_slice(&length.to_be_bytes());
        }
        let mut answer = self.exchange(&frame).await.map_err(Lost::Sent)?;
        let damaged = |_| Lost::Sent("the broker's answer can't be read".to_owned());
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version)).map_err(damaged)?;
        if header.correlation_id != self.asked {
            return Err(Lost::Sent("the broker answers what was not asked".to_owned()));
        }
        <R::Response as kafka_protocol::protocol::Decodable>::decode(&mut answer, version).map_err(damaged)
    }

    async fn exchange(&mut self, frame: &[u8]) -> Result<Bytes, String> {
        let lost = |error: std::io::Error| format!("the connection to the broker was lost: {error}");
        self.stream.write_all(frame).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)?;
        let length = self.stream.read_i32().await.map_err(lost)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MOST_BYTES);
        let length = length.ok_or_else(|| "what answers does not speak Kafka, or only with TLS".to_owned())?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await.map_err(lost)?;
        Ok(answer.into())
    }
}
