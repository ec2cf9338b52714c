//! Reads any text: the tree covers all of it, and places lie within it.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| flow_fuzz::read::read(text));
