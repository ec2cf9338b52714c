//! Verifies any header over any body by each grammar: nothing but the secret's own signature is taken.
//!
//! The first line is the header; what follows is the body.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flow_fuzz::signature::signature(bytes));
