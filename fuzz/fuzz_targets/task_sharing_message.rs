//! `fuzz::task_sharing_message` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::task_sharing_message::run(data));
