//! Which runs does a request start, and with what?
//!
//! In: a request in memory and the triggers that listen to it. Out: what to start, or what the sender is told. Nothing of
//! the body is looked at before a signature over it has matched. A delivery starts all of its runs or none: where one
//! event of it does not fit its type, none is started, so that the sender sees it and can send all of it again.

use std::sync::Arc;

use flow_model::{
    boundary::{Decoder, Limits, Mismatch, parse},
    expr::{Ambient, Expr},
    failure::Failure,
    file::{File, media_type_of, plain_name},
    plan::{Plan, Trigger, TriggerKind},
    schema::VerifyCall,
    ty::Type,
    units::{Instant, Millis},
    value::Value,
};
use http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::{
    form, multipart, payload,
    problem::Problem,
    received::{Pieces, Received},
    route::{Listener, Webhook},
    verify::{Delivery, Proving, Refusal, Roots, Scheme, verify},
};
use crate::{
    blob::{self, Blobs},
    connector::{config, from_text},
    eval::{Environment, Evaluator, Frame, Library, Slots as _},
    header::filename,
    secret::{Redactor, Secrets},
};

/// How many values a body may hold.
pub(super) const MOST_VALUES: usize = 200_000;

/// How many events one delivery may hold.
const MOST_EVENTS: usize = 1000;

/// How long keys are remembered that a connector declares: 72 hours, which is how long Stripe sends an event again
/// ("Webhooks", automatic retries); other vendors give up sooner.
const DEFAULT_WINDOW: Millis = Millis::seconds(72 * 60 * 60);

/// What triggers are evaluated with.
pub(super) struct Setting {
    pub(super) library: Library,
    pub(super) env: Arc<dyn Environment>,
    pub(super) secrets: Arc<dyn Secrets>,
    pub(super) roots: Arc<Roots>,
}

/// A run that a request asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) plan: Arc<Plan>,
    pub(super) trigger: usize,
    pub(super) payload: Value,
    /// The key by which the event is known, and how long.
    pub(super) dedupe: Option<(String, Millis)>,
    /// SHA-256 of what the flow sees of the event's body.
    pub(super) digest: String,
}

/// Says what a request starts: nothing, when it is a verified event that no flow asks for.
pub(super) fn wanted(
    listeners: &[Listener],
    received: &Received,
    setting: &Setting,
    now: Instant,
) -> Result<Vec<Wanted>, Problem> {
    let (verified, carried) = verified(listeners, received, setting, now)?;
    as_it_is(received)?;
    let content = if verified.iter().all(|listener| listener.takes_a_file()) { Content::None } else { body(received)? };
    let mut wanted = Vec::new();
    for listener in verified {
        match listener.webhook() {
            Some(webhook) => events(&mut wanted, listener, webhook, received, &content, setting)?,
            None => wanted.push(request(listener, received, &content, setting)?),
        }
    }
    // What proves the sender is for the server, and not for the history of runs.
    let redacted = wanted.into_iter().map(|one| Wanted { payload: carried.value(one.payload), ..one });
    Ok(redacted.collect())
}

/// Says what a request starts whose body is a file of any size: it is written down piece by piece, and kept once the sender has
/// proved itself.
pub(super) async fn wanted_with_file(
    listener: &Listener,
    (head, mut pieces): (&Received, Pieces),
    blobs: &dyn Blobs,
    setting: &Setting,
    now: Instant,
) -> Result<Wanted, Problem> {
    as_it_is(head)?;
    let unverified = |refusal: Refusal| {
        tracing::warn!(flow = listener.plan.flow, reason = refusal.code(), "a request was not verified");
        Problem::refused(refusal)
    };
    let scheme = listener.verify().map(|call| scheme(call, listener, setting)).transpose().map_err(unverified)?;
    let proving = scheme.as_ref().map(|scheme| Proving::begin(scheme, delivery(head))).transpose();
    let mut proving = proving.map_err(unverified)?;
    let unwritten = |error: blob::Error| {
        tracing::error!(%error, flow = listener.plan.flow, "the body of a request can't be kept");
        Problem::unavailable("the server has no room for the body: send it again later")
    };
    let mut writer = blobs.create().await.map_err(unwritten)?;
    while let Some(piece) = pieces.next().await? {
        proving.iter_mut().for_each(|proving| proving.update(&piece));
        writer.write(piece).await.map_err(unwritten)?;
    }
    proving.map_or(Ok(()), |proving| proving.finish(now)).map_err(unverified)?;
    let kept = writer.finish().await.map_err(unwritten)?;
    let (name, media_type) = called(head);
    let content = match kept.size {
        0 => Content::None,
        _ => Content::File(Value::File(File::new(kept.sha256, kept.size, name, media_type).into())),
    };
    let wanted = request(listener, head, &content, setting)?;
    let carried = scheme.map(|scheme| scheme.carried).unwrap_or_default();
    Ok(Wanted { payload: carried.value(wanted.payload), ..wanted })
}

/// Refuses what is packed.
pub(super) fn as_it_is(received: &Received) -> Result<(), Problem> {
    match received.headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::encoded(&String::from_utf8_lossy(encoding.as_bytes())))
        }
        _ => Ok(()),
    }
}

/// The listeners that take the request to come from where it says. One flow may use another secret than the next, so a
/// request is refused only when all of them refuse it. With them goes what takes their secrets out of the request, where it
/// carries one as it is.
fn verified<'a>(
    listeners: &'a [Listener],
    received: &Received,
    setting: &Setting,
    now: Instant,
) -> Result<(Vec<&'a Listener>, Redactor), Problem> {
    let mut refusals = Vec::new();
    let (mut verified, mut carried) = (Vec::new(), Redactor::default());
    for listener in listeners {
        let outcome = match listener.verify() {
            Some(call) => {
                verify_call(call, listener, received, setting, now).map(|scheme| carried.add_all(&scheme.carried))
            }
            None => Ok(()),
        };
        match outcome {
            Ok(()) => verified.push(listener),
            Err(refusal) => {
                tracing::warn!(flow = listener.plan.flow, reason = refusal.code(), "a request was not verified");
                refusals.push(refusal);
            }
        }
    }
    if verified.is_empty() { Err(Problem::refused(telling(&refusals))) } else { Ok((verified, carried)) }
}

/// The refusal that tells the sender most: that of a scheme whose secret it knows.
fn telling(refusals: &[Refusal]) -> Refusal {
    let knows = |refusal: &&Refusal| {
        use Refusal::{BadTimestamp, Distrusted, Expired, NotYetValid, TooEarly, TooOld};
        matches!(refusal, TooOld | TooEarly | BadTimestamp | Expired | NotYetValid | Distrusted)
    };
    refusals.iter().find(knows).or(refusals.first()).copied().unwrap_or(Refusal::NotSetUp)
}

/// The body of a request.
#[derive(Debug)]
pub(super) enum Content {
    /// There is none.
    None,
    Json(Json),
    /// A form: a record of texts and files.
    Form(Value),
    /// A file that is kept.
    File(Value),
}

/// Reads the body.
pub(super) fn body(received: &Received) -> Result<Content, Problem> {
    let bytes = &received.body;
    if bytes.is_empty() {
        return Ok(Content::None);
    }
    let media_type = received.media_type();
    if let Some(boundary) = multipart::boundary(media_type) {
        return multipart::read(bytes, &boundary, MOST_VALUES).map(Content::Form).map_err(Problem::malformed);
    }
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let form = form::json(bytes, MOST_VALUES).map_err(Problem::malformed)?;
        return Value::from_json(&form).map(Content::Form).map_err(Problem::malformed);
    }
    parse(bytes, Limits { values: MOST_VALUES }).map(Content::Json).map_err(Problem::malformed)
}

/// The body as a file, as it came.
fn file(received: &Received) -> Value {
    let (name, media_type) = called(received);
    Value::File(Arc::new(File::with_content(received.body.as_slice(), name, media_type)))
}

/// What a body is called, and its media type.
fn called(received: &Received) -> (String, String) {
    let said = received.headers.get(CONTENT_DISPOSITION).and_then(|value| value.to_str().ok()).and_then(filename);
    let essence = received.media_type().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let name = plain_name(&said.unwrap_or_else(|| "body".to_owned()));
    let media_type = if essence.is_empty() { media_type_of(&name).to_owned() } else { essence };
    (name, media_type)
}

/// Verifies a request by a scheme, and gives it.
pub(super) fn verify_call(
    call: &VerifyCall,
    listener: &Listener,
    received: &Received,
    setting: &Setting,
    now: Instant,
) -> Result<Scheme, Refusal> {
    let scheme = scheme(call, listener, setting)?;
    verify(&scheme, &delivery(received), &setting.roots, now).map(|()| scheme)
}

fn scheme(call: &VerifyCall, listener: &Listener, setting: &Setting) -> Result<Scheme, Refusal> {
    let ambient = |which| listener.config(which, setting);
    Scheme::resolve(call, &setting.evaluator(listener, &ambient), &*setting.secrets)
}

fn delivery(received: &Received) -> Delivery<'_> {
    let Received { method, url, headers, body, .. } = received;
    Delivery { method: method.as_str(), url, headers, body }
}

/// The run of `on http`.
fn request(listener: &Listener, received: &Received, content: &Content, setting: &Setting) -> Result<Wanted, Problem> {
    let TriggerKind::Http { body: declared, .. } = &listener.trigger().kind else { return Err(Problem::broken()) };
    let ty = declared.as_ref().unwrap_or(&Type::Json);
    let defaults = |expr: &Expr| setting.eval(listener, &|_| None, expr, &mut Frame::new());
    let decoder = Decoder::new(&listener.types).with_defaults(&defaults);
    let misfit = |mismatch: Mismatch| Problem::misfit(&mismatch.path, &mismatch);
    let body = match content {
        Content::File(file) => file.clone(),
        _ if listener.takes_a_file() => match ty {
            Type::Optional(_) if received.body.is_empty() => Value::Null,
            _ => file(received),
        },
        Content::Json(json) => decoder.json(json, ty).map_err(misfit)?,
        Content::Form(form) => decoder.value(&from_text(form.clone(), ty, &listener.types), ty).map_err(misfit)?,
        Content::None if matches!(ty, Type::Json | Type::Null | Type::Unknown | Type::Optional(_)) => Value::Null,
        Content::None => return Err(Problem::malformed("there is no body")),
    };
    let digest = digest(&body);
    let payload = payload::request(received, body);
    let dedupe = dedupe(listener, &payload, None, &|which| listener.config(which, setting), setting)?;
    Ok(Wanted { plan: Arc::clone(&listener.plan), trigger: listener.index, payload, dedupe, digest })
}

/// The runs of a webhook of a connection.
fn events(
    wanted: &mut Vec<Wanted>,
    listener: &Listener,
    webhook: Webhook<'_>,
    received: &Received,
    content: &Content,
    setting: &Setting,
) -> Result<(), Problem> {
    let body = match content {
        Content::Json(json) => Value::from_json(json).map_err(|cause| Problem::misfit("", cause))?,
        Content::Form(value) | Content::File(value) => value.clone(),
        Content::None => Value::Null,
    };
    let declared = webhook.declared;
    let ambient = |item: Option<&Value>, which| match which {
        Ambient::Body => Some(body.clone()),
        Ambient::Headers => Some(payload::headers(&received.headers)),
        Ambient::Query => Some(payload::query(&received.uri)),
        Ambient::Item => item.cloned(),
        Ambient::Config => listener.config(which, setting),
        Ambient::Status | Ambient::Signature | Ambient::Now | Ambient::Uuid | Ambient::Random => None,
    };
    let found = setting
        .eval(listener, &|which| ambient(None, which), &declared.webhook, &mut Frame::new())
        .map_err(|failure| Problem::misfit("", failure.message))?;
    let items = match found {
        Value::List(items) if declared.each => items,
        other if declared.each => {
            return Err(Problem::misfit("", format!("expected a list of events, found {}", other.kind())));
        }
        event => vec![event],
    };
    if items.len() > MOST_EVENTS {
        return Err(Problem::too_many_events(items.len(), MOST_EVENTS));
    }
    let decoder = Decoder::new(&listener.types).of_other_systems();
    for (index, item) in items.iter().enumerate() {
        let is_meant = match &declared.when {
            Some(when) => setting.eval(listener, &|which| ambient(Some(item), which), when, &mut Frame::new()),
            None => Ok(Value::Bool(true)),
        };
        match is_meant {
            Ok(Value::Bool(true)) => {}
            Ok(_) => continue,
            Err(failure) => return Err(Problem::misfit("", failure.message)),
        }
        let ty = &listener.trigger().payload;
        let read = match content {
            Content::Form(_) => decoder.value(&from_text(item.clone(), ty, &listener.types), ty),
            _ => decoder.value(item, ty),
        };
        let payload = read.map_err(|mismatch| {
            let path = if declared.each { joined(index, &mismatch.path) } else { mismatch.path.clone() };
            Problem::misfit(&path, &mismatch)
        })?;
        let digest = digest(&payload);
        // The id of a delivery may stand beside the event: in a header.
        let dedupe = dedupe(listener, &payload, declared.dedupe.as_ref(), &|which| ambient(None, which), setting)?;
        wanted.push(Wanted { plan: Arc::clone(&listener.plan), trigger: listener.index, payload, dedupe, digest });
    }
    Ok(())
}

fn joined(index: usize, path: &str) -> String {
    let joint = if path.is_empty() || path.starts_with('[') { "" } else { "." };
    format!("[{index}]{joint}{path}")
}

/// The key of an event: what the flow says, else what the connector declares, over the event and what stands `beside` it. An event whose key is null has none, and is
/// not taken for a repetition of another one.
fn dedupe(
    listener: &Listener,
    payload: &Value,
    declared: Option<&Expr>,
    beside: &dyn Fn(Ambient) -> Option<Value>,
    setting: &Setting,
) -> Result<Option<(String, Millis)>, Problem> {
    let trigger: &Trigger = listener.trigger();
    let (key, window) = match (&trigger.dedupe, declared) {
        (Some(dedupe), _) => (&dedupe.key, dedupe.window),
        (None, Some(key)) => (key, DEFAULT_WINDOW),
        (None, None) => return Ok(None),
    };
    let mut frame = Frame::new();
    if let Some(slot) = trigger.bind {
        frame.set(slot, payload.clone());
    }
    let ambient = |which| match which {
        Ambient::Item => Some(payload.clone()),
        other => beside(other),
    };
    match setting.eval(listener, &ambient, key, &mut frame) {
        Ok(Value::Null) => Ok(None),
        Ok(key) => Ok(Some((key.to_string(), window))),
        Err(failure) => {
            tracing::error!(flow = listener.plan.flow, %failure, "the key of an event can't be computed");
            Err(Problem::broken())
        }
    }
}

/// A digest of what the flow sees of an event. Senders change what no flow sees when they send an event again (Stripe
/// counts the deliveries that are left in `pending_webhooks`), and that does not make it another event.
pub(super) fn digest(seen: &Value) -> String {
    let json = serde_json::to_vec(seen).expect("a value is always writable as JSON");
    hex::encode(Sha256::digest(json))
}

impl Setting {
    fn evaluator<'a>(&'a self, listener: &'a Listener, ambient: &'a dyn Fn(Ambient) -> Option<Value>) -> Evaluator<'a> {
        Evaluator {
            library: &self.library,
            functions: &listener.plan.functions,
            types: &listener.types,
            env: &*self.env,
            ambient,
        }
    }

    pub(super) fn eval(
        &self,
        listener: &Listener,
        ambient: &dyn Fn(Ambient) -> Option<Value>,
        expr: &Expr,
        frame: &mut Frame,
    ) -> Result<Value, Failure> {
        self.evaluator(listener, ambient).eval(expr, frame)
    }
}

impl Listener {
    /// How long the body of its requests may be, where it says so, and whether it is written down piece by piece then.
    pub(super) fn longest(&self) -> Option<(usize, bool)> {
        match self.trigger().kind {
            TriggerKind::Http { max_body: Some(most), .. } => {
                Some((usize::try_from(most).unwrap_or(usize::MAX), self.takes_a_file()))
            }
            _ => None,
        }
    }

    /// Says whether the body of its requests is taken as it comes.
    fn takes_a_file(&self) -> bool {
        matches!(&self.trigger().kind, TriggerKind::Http { body: Some(ty), .. } if *ty.non_null() == Type::File)
    }

    /// The configuration of the webhook's connection, with secrets by name; nothing else is known in a `verify:`.
    pub(super) fn config(&self, which: Ambient, setting: &Setting) -> Option<Value> {
        let webhook = self.webhook().filter(|_| which == Ambient::Config)?;
        let eval = |expr: &Expr| setting.eval(self, &|_| None, expr, &mut Frame::new());
        match config::settings(webhook.name, webhook.connection, webhook.connector, &eval) {
            Ok(settings) => Some(Value::Record(settings)),
            Err(failure) => {
                tracing::error!(flow = self.plan.flow, %failure, "a connection is not set up");
                None
            }
        }
    }
}
