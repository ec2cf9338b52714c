//! Reads any bytes as an answer of each format: it is read, or is a failure in words.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flow_fuzz::answer::answer(bytes));
