//! Events as Stripe sends them.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The secret of the webhook endpoint, in Stripe's form.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The body of a `payment_intent.succeeded` event of 10.99 USD, as Stripe documents it.
pub(crate) const SUCCEEDED: &str = include_str!("../../examples/stripe_receipt/fixtures/payment_intent.succeeded.json");

/// The ids in [`SUCCEEDED`].
pub(crate) const PAYMENT: &str = "pi_1PgafyB7WZ01zgkWSjxsAJo3";
const EVENT: &str = "evt_1PgafzB7WZ01zgkWnPy1Vd8G";

/// The same event under another id, for another payment.
pub(crate) fn another(number: u32) -> String {
    SUCCEEDED.replace(EVENT, &format!("evt_{number}")).replace(PAYMENT, &format!("pi_{number}"))
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}

/// The `Stripe-Signature` header: HMAC-SHA256 over `timestamp.body`
/// (<https://docs.stripe.com/webhooks#verify-manually>).
pub(crate) fn signature(secret: &str, timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    format!("t={timestamp},v1={}", hex::encode(mac.finalize().into_bytes()))
}
