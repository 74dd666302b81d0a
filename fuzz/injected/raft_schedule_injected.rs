//! `fuzz::raft_schedule` under libFuzzer with a bug put back (`fuzz::flawed`): it must crash.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::flawed::run(data));
