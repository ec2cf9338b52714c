//! What a message says (RFC 5322, and MIME).
#![expect(clippy::result_large_err, reason = "the trait's own error, which is passed on as it is")]

use flow_model::{
    failure::{ErrorKind, Failure},
    file::{ANY_MEDIA_TYPE, File, plain_name},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure};
use jiff::Timestamp;
use mail_parser::{Addr, Address, Message, MessageParser, MimeHeaders as _};

use crate::mailbox::Fetched;

/// A message, as a list shows it.
pub(crate) fn entry(fetched: &Fetched) -> Result<Value, NativeFailure> {
    // A header that is no header of a message is that of one without fields.
    let message = MessageParser::default().parse_headers(&fetched.bytes).unwrap_or_default();
    Ok(record(head(fetched, &message)?))
}

/// A message as a whole; its files and its source are kept.
pub(crate) async fn message(call: &NativeCall<'_>, fetched: &Fetched) -> Result<Value, NativeFailure> {
    let message = MessageParser::default().parse(&fetched.bytes).unwrap_or_default();
    let mut fields = head(fetched, &message)?;
    let mut files = Vec::new();
    for (index, part) in message.attachments().enumerate() {
        let name = part.attachment_name().map_or_else(|| format!("file-{}", index + 1), plain_name);
        let media_type = part.content_type().map_or_else(
            || ANY_MEDIA_TYPE.to_owned(),
            |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")),
        );
        files.push(kept(call, part.contents(), &name, &media_type).await?);
    }
    let text = |text: Option<std::borrow::Cow<'_, str>>| text.map_or(Value::Null, |text| Value::text(&*text));
    fields.extend([
        ("text", text(message.body_text(0))),
        ("html", text(message.body_html(0).filter(|_| message.html_bodies().any(|part| part.is_text_html())))),
        ("files", Value::List(files)),
        ("source", kept(call, &fetched.bytes, "message.eml", "message/rfc822").await?),
    ]);
    Ok(record(fields))
}

fn record(fields: Vec<(&'static str, Value)>) -> Value {
    Value::Record(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn head(fetched: &Fetched, message: &Message<'_>) -> Result<Vec<(&'static str, Value)>, NativeFailure> {
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::text);
    let first = |address: Option<&Address<'_>>| address.and_then(|address| address.iter().find_map(mailbox));
    let all = |address: Option<&Address<'_>>| {
        Value::List(address.into_iter().flat_map(Address::iter).filter_map(mailbox).collect())
    };
    let received = Timestamp::from_second(fetched.place.seconds).map_err(|_| {
        Failure::new(ErrorKind::Mismatch, "the mail server gives a time of arrival that there is not".to_owned())
    })?;
    let sent = message.date().and_then(|date| Timestamp::from_second(date.to_timestamp()).ok());
    let from = message.from();
    Ok(vec![
        ("id", Value::text(fetched.place.written())),
        ("message_id", text(message.message_id())),
        ("from", first(from).unwrap_or(Value::Null)),
        ("from_name", text(from.and_then(Address::first).and_then(Addr::name))),
        ("reply_to", first(message.reply_to()).unwrap_or(Value::Null)),
        ("to", all(message.to())),
        ("cc", all(message.cc())),
        ("subject", Value::text(message.subject().unwrap_or_default())),
        ("sent_at", sent.map_or(Value::Null, Value::Timestamp)),
        ("received_at", Value::Timestamp(received)),
        ("size", Value::Size(fetched.size.into())),
    ])
}

/// The address of a mailbox, if it is one.
fn mailbox(one: &Addr<'_>) -> Option<Value> {
    one.address().filter(|address| address.parse::<lettre::Address>().is_ok()).map(Value::text)
}

async fn kept(call: &NativeCall<'_>, bytes: &[u8], name: &str, media_type: &str) -> Result<Value, NativeFailure> {
    let mut writer = call.blobs().create().await.map_err(Failure::from)?;
    writer.write(bytes.to_vec().into()).await.map_err(Failure::from)?;
    let kept = writer.finish().await.map_err(Failure::from)?;
    Ok(Value::File(File::new(kept.sha256, kept.size, name, media_type).into()))
}
