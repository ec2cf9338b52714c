//! What starts runs from outside: requests, webhooks and schedules.

pub mod verify;
