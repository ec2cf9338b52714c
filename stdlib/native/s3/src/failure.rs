//! What an error of the SDK means to a program.
//!
//! The codes are those of "Error responses" in the Amazon S3 API reference; servers of other makers use the same ones.
//! What has another code is judged by its status.

use std::error::Error;

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
};
use flow_model::{
    failure::{ErrorKind, Failure},
    units::Millis,
    value::Value,
};
use flow_runtime::connector::{NativeFailure, Reached};
use hyper_util::client::legacy;

/// The code of the server's answer, if it has one.
pub(crate) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

pub(crate) fn failure<E>(error: SdkError<E, HttpResponse>) -> NativeFailure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match &error {
        SdkError::ConstructionFailure(_) => {
            let message = format!("the request can't be made: {}", words(&error));
            NativeFailure::never(Failure::new(ErrorKind::Invalid, message))
        }
        SdkError::TimeoutError(_) => {
            NativeFailure::perhaps(Failure::new(ErrorKind::Timeout, "s3 did not answer in time"))
        }
        SdkError::DispatchFailure(lost) => {
            let message = format!("s3 can't be reached: {}", words(&error));
            let kind = if lost.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unavailable };
            let reached = if was_never_connected(&error) { Reached::Never } else { Reached::Perhaps };
            NativeFailure { failure: Failure::new(kind, message), reached, retry_after: None }
        }
        SdkError::ResponseError(_) => {
            let message = format!("the answer of s3 can't be read: {}", words(&error));
            NativeFailure::perhaps(Failure::new(ErrorKind::Unavailable, message))
        }
        SdkError::ServiceError(answer) => refused(answer.err(), answer.raw()),
        _ => NativeFailure::perhaps(Failure::new(ErrorKind::Unavailable, words(&error))),
    }
}

/// The server has answered with an error.
fn refused(error: &impl ProvideErrorMetadata, answer: &HttpResponse) -> NativeFailure {
    let status = answer.status().as_u16();
    let code = error.code();
    let message = match (code, error.message()) {
        (Some(code), Some(message)) => format!("s3 answers `{code}`: {message}"),
        (Some(code), None) => format!("s3 answers `{code}`"),
        (None, _) => format!("s3 answers with the status {status}"),
    };
    let mut failure = Failure::new(code.and_then(kind_of_code).unwrap_or_else(|| kind_of_status(status)), message);
    failure.fields.insert("status".to_owned(), Value::Int(status.into()));
    failure.fields.insert("code".to_owned(), code.map_or(Value::Null, Value::text));
    let seconds = answer.headers().get("retry-after").and_then(|seconds| seconds.trim().parse().ok());
    NativeFailure { failure, reached: Reached::Answered, retry_after: seconds.map(Millis::seconds) }
}

fn kind_of_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "NoSuchKey" | "NoSuchBucket" | "NoSuchVersion" | "NoSuchUpload" | "NotFound" => ErrorKind::NotFound,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "InvalidObjectState" | "MethodNotAllowed" => {
            ErrorKind::Forbidden
        }
        "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "AuthorizationHeaderMalformed"
        | "CredentialsNotSupported"
        | "ExpiredToken"
        | "InvalidToken"
        | "NotSignedUp"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "TokenRefreshRequired" => ErrorKind::Unauthorized,
        "SlowDown"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "TooManyRequestsException" => ErrorKind::RateLimited,
        "InternalError" | "ServiceUnavailable" | "Busy" => ErrorKind::Unavailable,
        "RequestTimeout" => ErrorKind::Timeout,
        "ConditionalRequestConflict" | "OperationAborted" | "PreconditionFailed" => ErrorKind::Conflict,
        _ => return None,
    })
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        409 | 412 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}

/// Says whether no connection was made, so that no request can have left: no such host, refused, no TLS.
fn was_never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// The innermost cause says the most; what wraps it are names of the SDK's types.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let words = innermost.to_string();
    if words.is_empty() { DisplayErrorContext(error).to_string() } else { words }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;

    use super::*;

    fn answer(status: u16, code: Option<&str>, retry_after: Option<&'static str>) -> NativeFailure {
        let mut raw = HttpResponse::new(status.try_into().unwrap(), "".into());
        if let Some(value) = retry_after {
            raw.headers_mut().insert("retry-after", value);
        }
        let mut meta = ErrorMetadata::builder().message("no");
        if let Some(code) = code {
            meta = meta.code(code);
        }
        refused(&meta.build(), &raw)
    }

    #[test]
    fn codes_decide_before_statuses() {
        for (status, code, kind) in [
            (404, Some("NoSuchKey"), ErrorKind::NotFound),
            (404, Some("NoSuchBucket"), ErrorKind::NotFound),
            (403, Some("AccessDenied"), ErrorKind::Forbidden),
            (403, Some("SignatureDoesNotMatch"), ErrorKind::Unauthorized),
            (403, Some("InvalidAccessKeyId"), ErrorKind::Unauthorized),
            (400, Some("AuthorizationHeaderMalformed"), ErrorKind::Unauthorized),
            (503, Some("SlowDown"), ErrorKind::RateLimited),
            (503, Some("ServiceUnavailable"), ErrorKind::Unavailable),
            (400, Some("RequestTimeout"), ErrorKind::Timeout),
            (412, Some("PreconditionFailed"), ErrorKind::Conflict),
            (400, Some("InvalidBucketName"), ErrorKind::Invalid),
            (301, Some("PermanentRedirect"), ErrorKind::Invalid),
            (503, None, ErrorKind::Unavailable),
            (429, None, ErrorKind::RateLimited),
            (403, None, ErrorKind::Forbidden),
            (502, Some("SomethingNew"), ErrorKind::Unavailable),
        ] {
            assert_eq!(answer(status, code, None).failure.kind, kind, "{status} {code:?}");
        }
    }

    #[test]
    fn the_failure_says_status_code_and_when_to_try_again() {
        let slow = answer(503, Some("SlowDown"), Some(" 7 "));
        assert_eq!(slow.retry_after, Some(Millis::seconds(7)));
        assert_eq!(slow.reached, Reached::Answered);
        assert_eq!(slow.failure.message, "s3 answers `SlowDown`: no");
        assert_eq!(slow.failure.fields.get("status"), Some(&Value::Int(503)));
        assert_eq!(slow.failure.fields.get("code"), Some(&Value::text("SlowDown")));
        assert_eq!(answer(503, None, Some("soon")).retry_after, None);
    }
}
