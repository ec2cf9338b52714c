//! Is a request a handshake, by which a system finds out whether a URL takes its webhooks, and what is answered?
//!
//! A handshake starts nothing. One that must prove itself and does not is refused; what is no handshake goes on to be a
//! delivery.

use axum::{body::Body, response::Response};
use flow_model::{
    expr::{Ambient, Expr},
    schema::Challenge,
    units::Instant,
    value::Value,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    event::{Content, Setting, verify_call},
    payload,
    problem::{Problem, empty_response, json_response},
    received::Received,
    route::Listener,
    verify::{Refusal, sign},
};
use crate::eval::Frame;

/// The answer to a handshake; none when the request is none.
///
/// # Errors
/// The handshake is not proved.
pub(super) fn answer(
    listeners: &[Listener],
    received: &Received,
    setting: &Setting,
    now: Instant,
) -> Result<Option<Response>, Problem> {
    let mut refused = None;
    for listener in listeners {
        let Some(webhook) = listener.webhook() else { continue };
        let of_method = |challenge: &&Challenge| challenge.method == received.method.as_str();
        for challenge in webhook.connector.challenges.values().filter(of_method) {
            match one(challenge, listener, received, setting, now) {
                Ok(None) => {}
                Ok(Some(response)) => return Ok(Some(response)),
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
    }
    refused.map_or(Ok(None), |refusal| Err(Problem::refused(refusal)))
}

fn one(
    challenge: &Challenge,
    listener: &Listener,
    received: &Received,
    setting: &Setting,
    now: Instant,
) -> Result<Option<Response>, Refusal> {
    let body = match super::event::body(received) {
        Ok(Content::Json(json)) => Value::from_json(&json).unwrap_or(Value::Null),
        Ok(Content::Form(value) | Content::File(value)) => value,
        Ok(Content::None) | Err(_) => Value::Null,
    };
    let ambient = |signature: Option<&str>, which| match which {
        Ambient::Body => Some(body.clone()),
        Ambient::Headers => Some(payload::headers(&received.headers)),
        Ambient::Query => Some(payload::query(&received.uri)),
        Ambient::Config => listener.config(which, setting),
        Ambient::Signature => signature.map(Value::text),
        Ambient::Item | Ambient::Status | Ambient::Now | Ambient::Uuid | Ambient::Random => None,
    };
    let eval = |signature: Option<&str>, expr: &Expr| {
        setting.eval(listener, &|which| ambient(signature, which), expr, &mut Frame::new())
    };
    if let Some(when) = &challenge.when
        && !matches!(eval(None, when), Ok(Value::Bool(true)))
    {
        return Ok(None);
    }
    if let Some(call) = &challenge.verify {
        verify_call(call, listener, received, setting, now)?;
    }
    let secret = match &challenge.secret {
        None => None,
        Some(expr) => match eval(None, expr) {
            Ok(Value::Secret(name)) => {
                let text = setting.secrets.get(&name).filter(|text| !text.reveal().is_empty());
                Some(text.ok_or(Refusal::NoSecret)?)
            }
            _ => return Err(Refusal::NotSetUp),
        },
    };
    if let (Some(token), Some(secret)) = (&challenge.token, &secret) {
        let presented = match eval(None, token) {
            Ok(Value::String(text)) => text,
            _ => return Err(Refusal::NoSignature),
        };
        // Of digests, so that the length of the secret stays unknown too.
        let same = Sha256::digest(secret.reveal()).ct_eq(&Sha256::digest(presented.as_bytes()));
        if !bool::from(same) {
            return Err(Refusal::NoMatch);
        }
    }
    let signature = match (&challenge.sign, &secret) {
        (Some(signing), Some(secret)) => match eval(None, &signing.text) {
            Ok(Value::String(text)) => Some(sign(signing.hash, signing.encoding, secret, &text)),
            _ => return Ok(None),
        },
        _ => None,
    };
    let headed = |mut response: Response| {
        for (name, value) in &challenge.headers {
            if let Ok(Value::String(text)) = eval(signature.as_deref(), value)
                && let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&text))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    };
    let Some(answer) = &challenge.answer else { return Ok(Some(headed(empty_response(StatusCode::OK)))) };
    match eval(signature.as_deref(), answer) {
        Ok(Value::String(text)) => {
            let mut response = Response::new(Body::from(text.to_string()));
            // Never as a page: what is answered came with the request.
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            Ok(Some(headed(response)))
        }
        Ok(Value::Null) | Err(_) => Ok(None),
        Ok(other) => Ok(Some(headed(json_response(StatusCode::OK, &other.to_json())))),
    }
}
