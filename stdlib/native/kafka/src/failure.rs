//! What an error of Kafka means to a program.
//!
//! The codes are those of "Error codes" in the protocol guide of Apache Kafka.

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::NativeFailure;
use kafka_protocol::{ResponseError, error::ParseResponseErrorCode as _};

/// What is known of a message after a failed attempt to give it to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was not sent.
    Never,
    /// The broker has answered that it does not take it.
    Refused,
    /// It was sent, and whether it was taken is not known.
    Perhaps,
}

/// A failed attempt to give a message to a broker.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) taken: Taken,
    /// Says whether another attempt may go well.
    pub(crate) is_passing: bool,
}

impl Failed {
    /// The broker's answer to the message.
    pub(crate) fn answered(code: i16) -> Self {
        use ResponseError as E;
        let passing = matches!(
            known(code),
            Some(
                E::UnknownTopicOrPartition
                    | E::LeaderNotAvailable
                    | E::NotLeaderOrFollower
                    | E::RequestTimedOut
                    | E::NotEnoughReplicas
                    | E::NotEnoughReplicasAfterAppend
                    | E::NetworkException
                    | E::KafkaStorageError
            )
        );
        let taken = match known(code) {
            // The leader has it, and not as many others as it takes.
            Some(E::RequestTimedOut | E::NotEnoughReplicasAfterAppend | E::UnknownServerError) | None => Taken::Perhaps,
            _ => Taken::Refused,
        };
        Self { failure: of_code(code), taken, is_passing: passing }
    }

    pub(crate) fn unsent(failed: NativeFailure) -> Self {
        let is_passing = failed.failure.kind == ErrorKind::Unavailable;
        Self { failure: failed.failure, taken: Taken::Never, is_passing }
    }

    pub(crate) fn unanswered(why: String) -> Self {
        Self { failure: unavailable(why), taken: Taken::Perhaps, is_passing: true }
    }
}

/// The error of a code; none for one that is not known.
fn known(code: i16) -> Option<ResponseError> {
    code.err()
}

/// The failure that an error code says.
pub(crate) fn of_code(code: i16) -> Failure {
    use ResponseError as E;
    let known = known(code);
    let kind = match known {
        Some(E::UnknownTopicOrPartition) => ErrorKind::NotFound,
        Some(E::SaslAuthenticationFailed) => ErrorKind::Unauthorized,
        Some(
            E::TopicAuthorizationFailed
            | E::GroupAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::TransactionalIdAuthorizationFailed,
        ) => ErrorKind::Forbidden,
        Some(E::RequestTimedOut) => ErrorKind::Timeout,
        Some(error) if error.is_retriable() => ErrorKind::Unavailable,
        Some(E::BrokerNotAvailable | E::UnknownServerError) => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    let name = known.map_or_else(String::new, |error| format!(": {error}"));
    let mut failure = Failure::new(kind, format!("kafka answers {code}{name}"));
    failure.fields.insert("code".to_owned(), Value::Int(code.into()));
    failure
}

pub(crate) fn unavailable(message: String) -> Failure {
    Failure::new(ErrorKind::Unavailable, message)
}

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
