//! Why was a request refused?

/// Why a request is not verified. The words may be told to the sender: they hold nothing of the secret, of the expected
/// signature or of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header that carries the signature is not there.
    #[error("the signature header is missing")]
    NoHeader,
    /// A header of the scheme is there more than once, or names more than one timestamp.
    #[error("the signature header is ambiguous")]
    Ambiguous,
    /// The header has no signature of the version or algorithm that is verified here.
    #[error("the signature header has no signature of the expected scheme")]
    NoSignature,
    /// No signature in the header can be decoded to a digest of the right length.
    #[error("the signature is malformed")]
    Malformed,
    /// The scheme needs a timestamp and the request has none.
    #[error("the timestamp of the signature is missing")]
    NoTimestamp,
    /// The timestamp, although signed, is no time.
    #[error("the timestamp of the signature is malformed")]
    BadTimestamp,
    /// The signature matches and is older than the tolerance.
    #[error("the signature is too old")]
    TooOld,
    /// The signature matches and its timestamp is further in the future than the tolerance.
    #[error("the timestamp of the signature lies in the future")]
    TooEarly,
    /// No secret is set to verify with, or it is empty.
    #[error("no secret is set to verify this request with")]
    NoSecret,
    /// The arguments of the scheme can't be computed: a setting that they need is missing.
    #[error("the verification of this request is not set up")]
    NotSetUp,
    /// The signature matches, and the certificate it is made with, or one that leads to its authority, holds no longer.
    #[error("the certificate that the request is signed with has expired")]
    Expired,
    /// The signature matches, and the certificate it is made with does not hold yet.
    #[error("the certificate that the request is signed with does not hold yet")]
    NotYetValid,
    /// The signature matches, and no authority that is believed has issued the certificate it is made with.
    #[error("the certificate that the request is signed with comes from no trusted authority")]
    Distrusted,
    /// No signature matches.
    #[error("the signature does not match")]
    NoMatch,
}

impl Refusal {
    /// A stable name for machines: `no_match`.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoHeader => "no_header",
            Self::Ambiguous => "ambiguous",
            Self::NoSignature => "no_signature",
            Self::Malformed => "malformed",
            Self::NoTimestamp => "no_timestamp",
            Self::BadTimestamp => "bad_timestamp",
            Self::TooOld => "too_old",
            Self::TooEarly => "too_early",
            Self::NoSecret => "no_secret",
            Self::NotSetUp => "not_set_up",
            Self::Expired => "certificate_expired",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::Distrusted => "certificate_untrusted",
            Self::NoMatch => "no_match",
        }
    }
}
