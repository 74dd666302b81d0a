//! `fuzz::raft_schedule` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::raft_schedule::run(data));
