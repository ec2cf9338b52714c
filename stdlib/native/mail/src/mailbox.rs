//! A folder of a mailbox that was opened (RFC 3501).

use std::pin::pin;

use async_imap::{Authenticator, Client, Session, error::Error, types::Fetch};
use flow_model::failure::{ErrorKind, Failure};
use flow_runtime::connector::{NativeCall, NativeFailure};
use futures::TryStreamExt as _;

use crate::{connect, smtp::Stream};

/// How many messages one command asks for.
const CHUNK: usize = 500;

/// What is read of a message for a list.
const HEADER: &str = "(UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER])";

/// What is read of a message as a whole.
const WHOLE: &str = "(UID INTERNALDATE RFC822.SIZE BODY.PEEK[])";

/// Where a message is and when it arrived there. As a text, later ones are greater: a folder that is made anew has a
/// greater validity, and messages get their numbers in the order of their arrival (RFC 3501, section 2.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub validity: u32,
    pub uid: u32,
    /// Seconds since 1970.
    pub seconds: i64,
}

impl Place {
    /// Reads what [`Place::written`] wrote.
    ///
    /// # Errors
    /// `Invalid` for any other text.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let place = (|| {
            Some(Self { validity: next()?.parse().ok()?, uid: next()?.parse().ok()?, seconds: next()?.parse().ok()? })
        })();
        place.ok_or_else(|| Failure::new(ErrorKind::Invalid, format!("`{text}` is no `id` of a message")))
    }

    pub(crate) fn written(self) -> String {
        format!("{:010}-{:010}-{:010}", self.validity, self.uid, self.seconds.max(0))
    }
}

/// What was read of a message.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub place: Place,
    pub size: u32,
    /// Its header, or all of it.
    pub bytes: Vec<u8>,
}

/// A token, said once: what the server asks after that is why it does not take it, and the answer is empty.
struct Bearer(Option<String>);

impl Bearer {
    fn of(user: &str, token: &str) -> Self {
        Self(Some(connect::xoauth2(user, token)))
    }
}

impl Authenticator for Bearer {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        self.0.take().unwrap_or_default()
    }
}

/// A folder that was opened.
pub(crate) struct Mailbox {
    session: Session<Box<dyn Stream>>,
    validity: u32,
}

impl Mailbox {
    /// Connects, proves who asks, and opens a folder; to look at it only, unless messages are changed.
    pub(crate) async fn open(call: &NativeCall<'_>, folder: &str, changes: bool) -> Result<Self, NativeFailure> {
        let never = |failure: NativeFailure| NativeFailure::never(failure.failure);
        let stream = connect::reach(call).await?;
        let client = match call.config("tls").as_str() {
            Some("off") => greeted(Box::new(stream)).await?,
            Some("starttls") => {
                let mut plain = greeted(Box::new(stream)).await?;
                let started = plain.run_command_and_check_ok("STARTTLS", None).await;
                started.map_err(|error| never(failed("`STARTTLS`", &error)))?;
                // What came with the answer is not read: it was not secured.
                Client::new(connect::secured(plain.into_inner(), call).await?)
            }
            _ => greeted(connect::secured(Box::new(stream), call).await?).await?,
        };
        let user = connect::user(call).map_err(NativeFailure::never)?;
        let begun = match call.token() {
            Some(token) => client.authenticate("XOAUTH2", Bearer::of(user, token.reveal())).await,
            None => {
                let password = call.secret("password").map_err(NativeFailure::never)?;
                client.login(user, password.reveal()).await
            }
        };
        let mut session = match begun {
            Ok(session) => session,
            Err((Error::No(why), _)) => {
                let message = format!("the mail server does not let `{user}` in: {why}");
                return Err(NativeFailure::never(Failure::new(ErrorKind::Unauthorized, message)));
            }
            Err((error, _)) => return Err(never(failed("who asks", &error))),
        };
        let opened = if changes { session.select(folder).await } else { session.examine(folder).await };
        let state = opened.map_err(|error| match error {
            Error::No(why) => {
                let message = format!("the folder `{folder}` can't be opened: {why}");
                NativeFailure::never(Failure::new(ErrorKind::NotFound, message))
            }
            error => never(failed("the folder", &error)),
        })?;
        Ok(Self { session, validity: state.uid_validity.unwrap_or(0) })
    }

    pub(crate) fn validity(&self) -> u32 {
        self.validity
    }

    /// The numbers of the messages from one on, in the order of their arrival.
    pub(crate) async fn uids(&mut self, from: u32) -> Result<Vec<u32>, NativeFailure> {
        let found = self.session.uid_search(format!("UID {from}:*")).await;
        // `*` is the last message, also where that is before the first that was asked for.
        let mut uids: Vec<u32> =
            found.map_err(|error| failed("`SEARCH`", &error))?.into_iter().filter(|uid| *uid >= from).collect();
        uids.sort_unstable();
        Ok(uids)
    }

    /// The headers of messages. Those that are gone meanwhile are left out.
    pub(crate) async fn headers(&mut self, uids: &[u32]) -> Result<Vec<Fetched>, NativeFailure> {
        let mut all = Vec::with_capacity(uids.len());
        for chunk in uids.chunks(CHUNK) {
            let set: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            all.append(&mut self.fetch(&set.join(","), HEADER).await?);
        }
        all.sort_by_key(|one| one.place.uid);
        Ok(all)
    }

    /// A message as a whole, if it is there.
    pub(crate) async fn whole(&mut self, uid: u32) -> Result<Option<Fetched>, NativeFailure> {
        Ok(self.fetch(&uid.to_string(), WHOLE).await?.pop())
    }

    /// The size of a message in bytes, if it is there.
    pub(crate) async fn size(&mut self, uid: u32) -> Result<Option<u32>, NativeFailure> {
        let found = self.session.uid_fetch(uid.to_string(), "(UID RFC822.SIZE)").await;
        let mut found = pin!(found.map_err(|error| failed("`FETCH`", &error))?);
        let mut size = None;
        while let Some(one) = found.try_next().await.map_err(|error| failed("`FETCH`", &error))? {
            size = size.or(one.size.filter(|_| one.uid == Some(uid)));
        }
        Ok(size)
    }

    async fn fetch(&mut self, set: &str, what: &str) -> Result<Vec<Fetched>, NativeFailure> {
        let validity = self.validity;
        let found = self.session.uid_fetch(set, what).await;
        let mut found = pin!(found.map_err(|error| failed("`FETCH`", &error))?);
        let mut all = Vec::new();
        while let Some(one) = found.try_next().await.map_err(|error| failed("`FETCH`", &error))? {
            // A server also tells what it was not asked for, such as marks that others set.
            all.extend(fetched(&one, validity));
        }
        Ok(all)
    }

    /// Changes the marks of a message.
    pub(crate) async fn store(&mut self, uid: u32, change: &str) -> Result<(), NativeFailure> {
        let stored = self.session.uid_store(uid.to_string(), change).await;
        let mut stored = pin!(stored.map_err(|error| failed("`STORE`", &error))?);
        while stored.try_next().await.map_err(|error| failed("`STORE`", &error))?.is_some() {}
        Ok(())
    }

    /// Moves a message to another folder.
    pub(crate) async fn put(&mut self, uid: u32, to: &str) -> Result<(), NativeFailure> {
        let moved = self.session.uid_mv(uid.to_string(), to).await;
        moved.map_err(|error| match error {
            Error::No(why) => {
                let message = format!("the message can't be moved to `{to}`: {why}");
                Failure::new(ErrorKind::NotFound, message).into()
            }
            error => failed("`MOVE`", &error),
        })
    }

    /// Says goodbye; that it was not heard changes nothing.
    pub(crate) async fn leave(mut self) {
        let _ = self.session.logout().await;
    }
}

/// A dialogue over a new connection: the server speaks first.
async fn greeted(stream: Box<dyn Stream>) -> Result<Client<Box<dyn Stream>>, NativeFailure> {
    let mut client = Client::new(stream);
    match client.read_response().await {
        Ok(Some(_)) => Ok(client),
        Ok(None) => Err(NativeFailure::never(failed("the greeting", &Error::ConnectionLost).failure)),
        Err(error) => Err(NativeFailure::never(failed("the greeting", &Error::Io(error)).failure)),
    }
}

fn fetched(one: &Fetch, validity: u32) -> Option<Fetched> {
    let bytes = one.body().or_else(|| one.header())?.to_vec();
    let seconds = one.internal_date()?.timestamp();
    Some(Fetched { place: Place { validity, uid: one.uid?, seconds }, size: one.size?, bytes })
}

/// A command that was not carried out.
fn failed(what: &str, error: &Error) -> NativeFailure {
    let (kind, message) = match error {
        Error::No(why) => (ErrorKind::Rejected, format!("the mail server refuses {what}: {why}")),
        Error::Bad(why) => (ErrorKind::Invalid, format!("the mail server does not understand {what}: {why}")),
        Error::Validate(why) => (ErrorKind::Invalid, format!("{what}: {why}")),
        Error::Io(_) | Error::ConnectionLost => {
            let message = format!("the connection to the mail server was lost at {what}: {error}");
            return NativeFailure::perhaps(Failure::new(ErrorKind::Unavailable, message));
        }
        error => (ErrorKind::Mismatch, format!("the mail server's answer to {what} can't be read: {error}")),
    };
    Failure::new(kind, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_texts_in_the_order_of_arrival() {
        let place = |validity, uid, seconds| Place { validity, uid, seconds };
        let all = [place(1, 9, 5), place(1, 10, 4), place(7, 2, 3), place(4_000_000_000, 1, 1_700_000_000)];
        let texts: Vec<String> = all.iter().map(|place| place.written()).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        let read: Vec<Place> = texts.iter().map(|text| Place::read(text).unwrap()).collect();
        assert_eq!(read, all);
        for text in ["", "1-2", "1-2-", "1-2-x", "-1-2-3", "1-+2-3", "99999999999-1-1"] {
            assert_eq!(Place::read(text).unwrap_err().kind, ErrorKind::Invalid, "{text}");
        }
    }
}
