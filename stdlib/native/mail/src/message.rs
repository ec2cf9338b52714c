//! A message as it is sent (RFC 5322, and MIME).

use flow_model::{
    failure::{ErrorKind, Failure},
    file::ANY_MEDIA_TYPE,
    value::Value,
};
use flow_runtime::connector::NativeCall;
use lettre::message::{Attachment, Mailbox, Message, MessageBuilder, MultiPart, SinglePart, header::ContentType};

/// How large the files of a message may be together: what most servers take once they are written in base64.
const MOST_BYTES: u64 = 25 << 20;

/// A message with those who get it.
pub(crate) struct Mail {
    pub(crate) id: String,
    pub(crate) from: String,
    /// Each once, also those whom the message does not name.
    pub(crate) to: Vec<String>,
    pub(crate) content: Vec<u8>,
}

/// The message of a call. Its identifier is made of the step's key, so that it is the same each time.
pub(crate) async fn written(call: &NativeCall<'_>) -> Result<Mail, Failure> {
    let from = mailbox("from", text_or(call, "from", call.config("from").as_str()).unwrap_or_default())?;
    let domain = from.email.domain();
    let key: String =
        call.key().chars().filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).collect();
    let id = format!("<{key}@{domain}>");
    let mut envelope: Vec<String> = Vec::new();
    let mut builder = Message::builder().from(from.clone()).message_id(Some(id.clone())).date_now();
    for (name, add) in [("to", MessageBuilder::to as fn(_, _) -> _), ("cc", MessageBuilder::cc)] {
        for recipient in recipients(call, name)? {
            envelope.push(recipient.email.to_string());
            builder = add(builder, recipient);
        }
    }
    envelope.extend(recipients(call, "bcc")?.into_iter().map(|recipient| recipient.email.to_string()));
    envelope.sort();
    envelope.dedup();
    if envelope.is_empty() {
        return Err(invalid("there is nobody to send it to".to_owned()));
    }
    if let Some(reply_to) = call.arg("reply_to").as_str() {
        builder = builder.reply_to(mailbox("reply_to", reply_to)?);
    }
    let subject = call.text("subject")?;
    if subject.contains(['\r', '\n']) {
        return Err(invalid("`subject` has more than one line".to_owned()));
    }
    let built = with_body(builder.subject(subject), call).await?;
    Ok(Mail { id, from: from.email.to_string(), to: envelope, content: built.formatted() })
}

async fn with_body(builder: MessageBuilder, call: &NativeCall<'_>) -> Result<Message, Failure> {
    let (text, html) = (text_or(call, "text", None), text_or(call, "html", None));
    let attached = attachments(call).await?;
    let body = match (text, html) {
        (Some(text), Some(html)) => Body::Both(MultiPart::alternative_plain_html(text.to_owned(), html.to_owned())),
        (Some(text), None) => Body::One(SinglePart::plain(text.to_owned())),
        (None, Some(html)) => Body::One(SinglePart::html(html.to_owned())),
        (None, None) => return Err(invalid("a message has `text` or `html`, or both".to_owned())),
    };
    let built = match (body, attached.is_empty()) {
        (Body::One(part), true) => builder.singlepart(part),
        (Body::Both(parts), true) => builder.multipart(parts),
        (body, false) => {
            let mixed = match body {
                Body::One(part) => MultiPart::mixed().singlepart(part),
                Body::Both(parts) => MultiPart::mixed().multipart(parts),
            };
            builder.multipart(attached.into_iter().fold(mixed, MultiPart::singlepart))
        }
    };
    built.map_err(|error| invalid(format!("the message can't be written: {error}")))
}

enum Body {
    One(SinglePart),
    Both(MultiPart),
}

async fn attachments(call: &NativeCall<'_>) -> Result<Vec<SinglePart>, Failure> {
    let Value::List(files) = call.arg("attach") else { return Ok(Vec::new()) };
    let (mut parts, mut size) = (Vec::new(), 0u64);
    for file in files {
        let Value::File(file) = file else {
            return Err(invalid(format!("`attach` has {}, and not a file", file.kind())));
        };
        size = size.saturating_add(file.size);
        if size > MOST_BYTES {
            return Err(invalid(format!("the files are larger than {MOST_BYTES} bytes: send a link to them")));
        }
        let mut reader = call.read(file).await?;
        let mut content = Vec::with_capacity(usize::try_from(file.size).unwrap_or(0));
        while let Some(chunk) = reader.next().await? {
            content.extend_from_slice(&chunk);
        }
        let name: String = file.name.chars().filter(|letter| !letter.is_control()).collect();
        let kind = ContentType::parse(&file.mime_type).or_else(|_| ContentType::parse(ANY_MEDIA_TYPE));
        let kind = kind.map_err(|error| invalid(format!("the media type of `{name}`: {error}")))?;
        parts.push(Attachment::new(name).body(content, kind));
    }
    Ok(parts)
}

fn recipients(call: &NativeCall<'_>, name: &str) -> Result<Vec<Mailbox>, Failure> {
    match call.arg(name) {
        Value::List(all) => all.iter().map(|one| mailbox(name, one.as_str().unwrap_or_default())).collect(),
        _ => Ok(Vec::new()),
    }
}

/// `jenny@example.com`, or `Jenny Rosen <jenny@example.com>`.
fn mailbox(name: &str, text: &str) -> Result<Mailbox, Failure> {
    let read = (!text.contains(['\r', '\n'])).then(|| text.parse().ok()).flatten();
    // The address is left out: errors are seen by many.
    read.ok_or_else(|| invalid(format!("`{name}` is no address such as `Shop <shop@example.com>`")))
}

fn text_or<'a>(call: &NativeCall<'a>, name: &str, otherwise: Option<&'a str>) -> Option<&'a str> {
    call.arg(name).as_str().or(otherwise)
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
