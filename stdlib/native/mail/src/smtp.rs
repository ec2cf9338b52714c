//! The dialogue with a mail server (RFC 5321), up to the answer that it has taken a message.
#![expect(clippy::result_large_err, reason = "the trait's own error, which is passed on as it is")]

use std::fmt::Debug;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::NativeFailure;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

use crate::{connect::xoauth2, message::Mail};

/// How long a line of an answer may be, and how many lines it may have (RFC 5321, section 4.5.3.1.5, with room).
const MOST_BYTES: u64 = 8 << 10;
const MOST_LINES: usize = 100;

/// What bytes go over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for T {}

/// A dialogue that has begun.
pub(crate) struct Session {
    stream: BufReader<Box<dyn Stream>>,
    /// What the server can do: the lines of its answer to `EHLO`.
    extensions: Vec<String>,
}

/// An answer: its code, and its lines.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Session {
    /// A dialogue over a new connection: the server speaks first.
    pub(crate) async fn greeted(stream: Box<dyn Stream>, name: &str) -> Result<Self, NativeFailure> {
        let mut session = Self::new(stream);
        session.expect("greets", &[220]).await?;
        session.introduce(name).await?;
        Ok(session)
    }

    fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream), extensions: Vec::new() }
    }

    /// The same dialogue, secured: nothing that was said before holds (RFC 3207, section 4.2).
    pub(crate) async fn secured(stream: Box<dyn Stream>, name: &str) -> Result<Self, NativeFailure> {
        let mut session = Self::new(stream);
        session.introduce(name).await?;
        Ok(session)
    }

    async fn introduce(&mut self, name: &str) -> Result<(), NativeFailure> {
        self.say(&format!("EHLO {name}")).await?;
        let reply = self.expect("`EHLO`", &[250]).await?;
        self.extensions = reply.lines.into_iter().skip(1).map(|line| line.to_ascii_uppercase()).collect();
        Ok(())
    }

    /// Asks for TLS, and gives the connection on which the handshake follows.
    pub(crate) async fn start_tls(mut self) -> Result<Box<dyn Stream>, NativeFailure> {
        if !self.can("STARTTLS") {
            let message = "the mail server offers no STARTTLS: see the setting `tls`";
            return Err(NativeFailure::never(Failure::new(ErrorKind::Unavailable, message)));
        }
        self.say("STARTTLS").await?;
        self.expect("`STARTTLS`", &[220]).await?;
        // What came with the answer was not secured, and is not taken for what follows.
        if !self.stream.buffer().is_empty() {
            return Err(lost("it says more than it was asked before the connection is secured"));
        }
        Ok(self.stream.into_inner())
    }

    fn can(&self, extension: &str) -> bool {
        self.extensions.iter().any(|line| line.split(' ').next() == Some(extension))
    }

    /// Proves who sends (RFC 4954).
    pub(crate) async fn log_in(&mut self, user: &str, password: &str) -> Result<(), NativeFailure> {
        let ways = self.extensions.iter().find(|line| line.starts_with("AUTH ")).cloned().unwrap_or_default();
        let mut ways = ways.split(' ').skip(1);
        if ways.clone().any(|way| way == "PLAIN") {
            let proof = STANDARD.encode(format!("\0{user}\0{password}"));
            self.say(&format!("AUTH PLAIN {proof}")).await?;
        } else if ways.any(|way| way == "LOGIN") {
            self.say("AUTH LOGIN").await?;
            self.expect("`AUTH`", &[334]).await?;
            self.say(&STANDARD.encode(user)).await?;
            self.expect("the user", &[334]).await?;
            self.say(&STANDARD.encode(password)).await?;
        } else {
            let message = "the mail server takes no password on this connection (neither `PLAIN` nor `LOGIN`)";
            return Err(NativeFailure::never(Failure::new(ErrorKind::Unauthorized, message)));
        }
        self.expect("the password", &[235]).await.map(drop)
    }

    /// Proves who sends by a token: `XOAUTH2`, or `OAUTHBEARER` (RFC 7628).
    pub(crate) async fn log_in_by_token(&mut self, user: &str, token: &str, host: &str) -> Result<(), NativeFailure> {
        let ways = self.extensions.iter().find(|line| line.starts_with("AUTH ")).cloned().unwrap_or_default();
        let offers = |wanted: &str| ways.split(' ').skip(1).any(|way| way == wanted);
        // What a refusal is answered with before it is final.
        let (way, proof, end) = if offers("XOAUTH2") {
            ("XOAUTH2", xoauth2(user, token), "")
        } else if offers("OAUTHBEARER") {
            // A comma or an equals sign would end the name (RFC 5801, section 4).
            let user = user.replace('=', "=3D").replace(',', "=2C");
            ("OAUTHBEARER", format!("n,a={user},\x01host={host}\x01auth=Bearer {token}\x01\x01"), "AQ==")
        } else {
            let message = "the mail server takes no token on this connection (neither `XOAUTH2` nor `OAUTHBEARER`)";
            return Err(NativeFailure::never(Failure::new(ErrorKind::Invalid, message)));
        };
        self.say(&format!("AUTH {way} {}", STANDARD.encode(proof))).await?;
        let mut reply = self.reply().await?;
        if reply.code == 334 {
            self.say(end).await?;
            reply = self.reply().await?;
        }
        judged(reply, "the token", &[235], &[]).map(drop)
    }

    /// Says who sends to whom, up to the server's leave to send the message. Nothing is sent unless all recipients are
    /// taken.
    pub(crate) async fn announce(&mut self, mail: &Mail) -> Result<(), NativeFailure> {
        let is_ascii = mail.from.is_ascii() && mail.to.iter().all(|to| to.is_ascii());
        if !is_ascii && !self.can("SMTPUTF8") {
            let message = "the mail server takes no addresses with letters beyond ASCII";
            return Err(NativeFailure::never(Failure::new(ErrorKind::Invalid, message)));
        }
        let utf8 = if is_ascii { "" } else { " SMTPUTF8" };
        self.say(&format!("MAIL FROM:<{}>{utf8}", mail.from)).await?;
        let reply = self.reply().await?;
        judged(reply, "the sender", &[250], &mail.to)?;
        for (index, to) in mail.to.iter().enumerate() {
            self.say(&format!("RCPT TO:<{to}>")).await?;
            let reply = self.reply().await?;
            judged(reply, &format!("recipient {} of {}", index + 1, mail.to.len()), &[250, 251], &mail.to)?;
        }
        self.say("DATA").await?;
        let reply = self.reply().await?;
        judged(reply, "`DATA`", &[354], &mail.to).map(drop)
    }

    /// Sends the message.
    pub(crate) async fn deliver(&mut self, mail: &Mail) -> Result<(), NativeFailure> {
        // The server takes nothing before the line with a dot alone.
        let written = self.stream.write_all(&stuffed(&mail.content)).await;
        written.map_err(|error| lost(&error.to_string()))?;
        let ended = match self.stream.write_all(b".\r\n").await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        let perhaps = |failure: NativeFailure| NativeFailure::perhaps(failure.failure);
        ended.map_err(|error| perhaps(lost(&error.to_string())))?;
        let reply = self.reply().await.map_err(perhaps)?;
        judged(reply, "the message", &[250], &mail.to)?;
        // The message is taken; how the dialogue ends does not matter.
        drop(self.say("QUIT").await);
        Ok(())
    }

    async fn say(&mut self, line: &str) -> Result<(), NativeFailure> {
        // One write, one packet: some servers take a line in two for two lines.
        let line = format!("{line}\r\n");
        let said = match self.stream.write_all(line.as_bytes()).await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        said.map_err(|error| lost(&error.to_string()))
    }

    async fn expect(&mut self, what: &str, codes: &[u16]) -> Result<Reply, NativeFailure> {
        let reply = self.reply().await?;
        judged(reply, what, codes, &[])
    }

    async fn reply(&mut self) -> Result<Reply, NativeFailure> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = (&mut self.stream).take(MOST_BYTES).read_until(b'\n', &mut line).await;
            read.map_err(|error| lost(&error.to_string()))?;
            if !line.ends_with(b"\n") {
                return Err(lost(if line.is_empty() { "it was closed" } else { "an answer breaks off" }));
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let unfit = || lost("an answer is not SMTP");
            let code: u16 = line.get(..3).and_then(|code| code.parse().ok()).ok_or_else(unfit)?;
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            match line.as_bytes().get(3) {
                Some(b'-') if lines.len() < MOST_LINES => {}
                Some(b' ') | None => return Ok(Reply { code, lines }),
                _ => return Err(unfit()),
            }
        }
    }
}

/// Lines that begin with a dot get another one, and every line ends with `CR LF` (RFC 5321, section 4.5.2).
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(content.len() + 64);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        stuffed.extend_from_slice(bare.strip_suffix(b"\r").unwrap_or(bare));
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed
}

/// Before the end of a message, nothing has happened.
fn lost(why: &str) -> NativeFailure {
    NativeFailure::never(Failure::new(
        ErrorKind::Unavailable,
        format!("the connection to the mail server was lost: {why}"),
    ))
}

/// What an answer means. Servers like to repeat addresses, which are left out.
fn judged(reply: Reply, what: &str, codes: &[u16], addresses: &[String]) -> Result<Reply, NativeFailure> {
    let Reply { code, lines } = &reply;
    if codes.contains(code) {
        return Ok(reply);
    }
    let mut said = lines.join(" ");
    for address in addresses {
        said = said.replace(address.as_str(), "…");
    }
    let kind = match code {
        400..500 => ErrorKind::Unavailable,
        530 | 534 | 535 | 538 => ErrorKind::Unauthorized,
        550..=556 => ErrorKind::Rejected,
        500.. => ErrorKind::Invalid,
        _ => ErrorKind::Mismatch,
    };
    let mut failure = Failure::new(kind.clone(), format!("the mail server does not take {what}: {code} {said}"));
    failure.fields.insert("code".to_owned(), Value::Int((*code).into()));
    // For the time being it does not take it, and has not.
    Err(if kind == ErrorKind::Unavailable { NativeFailure::never(failure) } else { failure.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_message_ends_it() {
        assert_eq!(stuffed(b"a\n.\n..b\r\nc"), b"a\r\n..\r\n...b\r\nc\r\n");
    }
}
