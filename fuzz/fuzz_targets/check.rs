//! Checks any bytes as a program, lays it out twice, and mends it.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flow_fuzz::check::check(bytes));
